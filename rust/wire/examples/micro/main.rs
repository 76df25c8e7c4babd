//! What translation costs: time and allocations of requests against `serde_json` reading and writing the same body, and time,
//! allocations and held bytes of streams, event by event.
//!
//! `make bench-micro` builds this with optimisations and runs it. Times are the fastest of many rounds, because what disturbs a
//! round only ever makes it slower. Allocations and held bytes are exact, so that exceeding their limits fails the run; a time over
//! its limit is marked with `!`.
//!
//! Streams are the golden inputs under `tests/wire/streams_of`, the richest one per dialect, counted by the events of the side that has
//! more of them; requests are made here, and for the other APIs by
//! translating the one for chat.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement that cannot be made stops"
)]

mod counting;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use turnout_wire::answer::Serving;
use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::StreamEditor;

/// A translated request may take this many times as long as `serde_json` needs to read and write the body.
const REQUEST_RATIO_MAX: f64 = 1.5;
/// Limits of one event of a translated stream.
const EVENT_NANOS_MAX: f64 = 3_000.0;
/// See above.
const EVENT_ALLOCATIONS_MAX: f64 = 6.0;
/// Bytes held by an open translated stream.
const HELD_BYTES_MAX: usize = 16 * 1024;

/// How long one figure is measured.
const MEASURED: Duration = Duration::from_millis(150);

fn main() -> ExitCode {
    println!("| request | bytes | µs | serde_json µs | ratio | allocations |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for bytes in [4 * 1024, 100 * 1024] {
        let chat = chat_body(bytes);
        for api in [Api::Chat, Api::Responses, Api::Messages, Api::Gemini] {
            let body = match api {
                Api::Chat => chat.clone(),
                api => translated(&chat, Api::Chat, api.home()),
            };
            for dialect in Dialect::ALL {
                request(api, dialect, &body);
            }
        }
    }
    println!(
        "\n| stream | events read → written | ns per event | allocations per event | bytes held |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let mut over = false;
    for dialect in Dialect::ALL {
        let Some(events) = events_of(dialect) else {
            continue;
        };
        for api in [Api::Chat, Api::Responses, Api::Messages, Api::Gemini] {
            over |= stream(api, dialect, &events);
        }
    }
    ExitCode::from(u8::from(over))
}

/// The fastest run of each of two things, run in turns: what disturbs the machine disturbs both.
fn fastest(mut one: impl FnMut(), mut other: impl FnMut()) -> (Duration, Duration) {
    let start = Instant::now();
    let (mut best_one, mut best_other) = (Duration::MAX, Duration::MAX);
    while start.elapsed() < 2 * MEASURED {
        let round = Instant::now();
        one();
        best_one = best_one.min(round.elapsed());
        let round = Instant::now();
        other();
        best_other = best_other.min(round.elapsed());
    }
    (best_one, best_other)
}

/// A conversation of a coding agent: long texts with line ends, tools with schemas, calls and results.
fn chat_body(bytes: usize) -> Vec<u8> {
    let text = "fn main() {\n    println!(\"a line of a file, as it is read\");\n}\n";
    let schema = json!({"type": "object", "properties": {"path": {"type": "string", "description": "The file"},
        "lines": {"type": "array", "items": {"type": "integer"}}}, "required": ["path"], "additionalProperties": false});
    let tools: Vec<Value> = ["read", "write", "search"]
        .iter()
        .map(|name| json!({"type": "function", "function": {"name": name, "description": "Does what it is called", "parameters": schema}}))
        .collect();
    let mut messages = vec![
        json!({"role": "system", "content": "You are a careful engineer."}),
        json!({"role": "user", "content": "Read the file and mend it."}),
    ];
    let mut turn = 0;
    loop {
        let id = format!("call_{turn}");
        turn += 1;
        messages.push(json!({"role": "assistant", "content": "I read on.", "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "read", "arguments": "{\"path\":\"src/main.rs\",\"lines\":[1,2]}"}}]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": text.repeat(if bytes > 10_000 { 20 } else { 4 })}));
        messages.push(json!({"role": "user", "content": "Go on, please."}));
        let body = json!({"model": "author/model", "messages": messages, "tools": tools, "max_tokens": 1000, "temperature": 0.5, "stream": true});
        let body = serde_json::to_vec(&body).unwrap();
        if body.len() >= bytes {
            return body;
        }
    }
}

fn read(body: &[u8], api: Api) -> Request {
    match api.model_in_path() {
        true => Request::read_beside_path(body.to_vec(), api, "author/model".to_owned(), true),
        false => Request::read(body.to_vec(), api),
    }
    .unwrap_or_else(|refusal| panic!("{}: {}", api.name(), refusal.message))
}

fn target(dialect: Dialect) -> Target<'static> {
    Target {
        completion_tokens_max: Some(8192),
        ..Target::new(dialect, "upstream/model")
    }
}

fn translated(body: &[u8], api: Api, dialect: Dialect) -> Vec<u8> {
    let request = read(body, api);
    let mut out = Vec::new();
    match request.upstream(&target(dialect)) {
        Ok(upstream) => upstream.write_to(&mut out),
        Err(refusal) => panic!("{} to {}: {}", api.name(), dialect.name(), refusal.message),
    }
    out
}

fn request(api: Api, dialect: Dialect, body: &[u8]) {
    let (theirs, ours) = fastest(
        || {
            let value: Value = serde_json::from_slice(black_box(body)).unwrap();
            black_box(serde_json::to_vec(&value).unwrap());
        },
        || {
            black_box(translated(black_box(body), api, dialect));
        },
    );
    let (_, allocations) = counting::counted(|| translated(body, api, dialect));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!(
        "| {} → {} | {} | {:.1} | {:.1} | {ratio:.2}{} | {allocations} |",
        api.name(),
        dialect.name(),
        body.len(),
        ours.as_secs_f64() * 1e6,
        theirs.as_secs_f64() * 1e6,
        mark(ratio > REQUEST_RATIO_MAX),
    );
}

fn mark(over: bool) -> &'static str {
    if over { " !" } else { "" }
}

/// The events of the longest golden stream of a dialect that has no fault; `None`: there is none.
fn events_of(dialect: Dialect) -> Option<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire/streams_of");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let begins = name.starts_with(&format!("{}-", dialect.name()));
            begins
                && ["sse", "ndjson", "hex"]
                    .iter()
                    .any(|end| name.ends_with(end))
        })
        .collect();
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).map_or(0, |about| about.len())));
    files
        .iter()
        .map(|path| pieces(path, &fs::read(path).unwrap()))
        .find(|events| {
            let serving = serving(Api::Chat, dialect);
            let mut editor = StreamEditor::new(&serving, 1 << 20);
            let mut out = Vec::new();
            events
                .iter()
                .all(|event| editor.push(event, &serving, &mut out).is_ok())
        })
}

/// Cuts a file into events.
fn pieces(path: &Path, bytes: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("hex") => {
            let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
            let bytes: Vec<u8> = digits
                .chunks(2)
                .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
                .collect();
            let mut rest = bytes.as_slice();
            let mut messages = Vec::new();
            while let Some(prelude) = rest.first_chunk::<4>() {
                let len = (u32::from_be_bytes(*prelude) as usize).min(rest.len());
                let (message, after) = rest.split_at(len.max(4));
                messages.push(message.to_vec());
                rest = after;
            }
            messages
        }
        Some("ndjson") => text
            .split_inclusive('\n')
            .map(|line| line.as_bytes().to_vec())
            .collect(),
        _ => text
            .replace("\r\n", "\n")
            .split_inclusive("\n\n")
            .map(|event| event.as_bytes().to_vec())
            .collect(),
    }
}

fn serving(api: Api, dialect: Dialect) -> Serving<'static> {
    Serving {
        api,
        dialect,
        asked: "{}",
        id: "gen-1764031697-AbCdEfGhIjKlMnOpQrSt",
        created: 1_764_031_697,
        now: || 9,
        model: "author/model",
        provider: "Provider",
        prices: None,
    }
}

/// Whether a limit that can be measured exactly is exceeded.
fn stream(api: Api, dialect: Dialect, events: &[Vec<u8>]) -> bool {
    let serving = serving(api, dialect);
    // The plane's buffer is kept between reads, so it is not counted here.
    let mut out = Vec::with_capacity(1 << 20);
    let mut best = Duration::MAX;
    let mut held = 0;
    let mut allocations = 0;
    let start = Instant::now();
    while start.elapsed() < MEASURED {
        let mut editor = StreamEditor::new(&serving, 1 << 20);
        out.clear();
        let round = Instant::now();
        for event in events {
            black_box(editor.push(black_box(event), &serving, &mut out)).unwrap();
        }
        best = best.min(round.elapsed());
        held = held.max(editor.held_bytes());
    }
    let mut editor = StreamEditor::new(&serving, 1 << 20);
    let mut written = 0;
    for event in events {
        out.clear();
        let (_, made) = counting::counted(|| editor.push(event, &serving, &mut out));
        allocations += made;
        written += out.windows(2).filter(|pair| pair == b"\n\n").count();
        held = held.max(editor.held_bytes());
    }
    // Gemini puts into one event what others tell in six, a whole tool call for instance: the side that has more events counts.
    let count = events.len().max(written) as f64;
    let nanos = best.as_nanos() as f64 / count;
    let each = allocations as f64 / count;
    println!(
        "| {} → {} | {} → {written} | {nanos:.0}{} | {each:.1}{} | {held}{} |",
        dialect.name(),
        api.name(),
        events.len(),
        mark(nanos > EVENT_NANOS_MAX),
        mark(each > EVENT_ALLOCATIONS_MAX),
        mark(held > HELD_BYTES_MAX),
    );
    each > EVENT_ALLOCATIONS_MAX || held > HELD_BYTES_MAX
}
