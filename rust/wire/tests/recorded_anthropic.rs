//! Replays answers and streams of Anthropic's messages, where they are at hand, to clients of the same API: all that is not the gateway's
//! must be as it was, events that nobody here knows included.
//!
//! `TURNOUT_TEST_DATA` names a folder with recorded bodies: `.json` answers, `.chunks.txt` with one JSON event per line, and `.txt`
//! transcripts of whole event streams, as the vendor's SDK has among its tests. What the answers become for other APIs is compared where
//! all dialects are.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::Dialect;
use turnout_wire::stream::{EofVerdict, StreamEditor};

const SERVING: Serving<'static> = serving::example(Api::Messages, Dialect::Anthropic);

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, into),
            false => into.push(path),
        }
    }
}

fn recorded(extension: &str) -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("TURNOUT_TEST_DATA") else {
        println!("skipped: TURNOUT_TEST_DATA is not set, so there is nothing to replay");
        return None;
    };
    let mut found = Vec::new();
    files(Path::new(&folder), &mut found);
    found.retain(|path| path.extension().is_some_and(|is| is == extension));
    found.sort();
    Some(found)
}

/// Takes out what the gateway speaks for.
fn without_ours(message: &mut Value) {
    if let Some(members) = message.as_object_mut() {
        for name in ["id", "model", "provider"] {
            members.remove(name);
        }
    }
}

fn without_cost(usage: Option<&mut Value>) {
    if let Some(members) = usage.and_then(Value::as_object_mut) {
        members.remove("cost");
    }
}

#[test]
fn answers_stay_what_they_were() {
    let Some(files) = recorded("json") else {
        return;
    };
    let mut compared = 0;
    for path in files {
        let body = fs::read(&path).unwrap();
        let Ok(mut before) = serde_json::from_slice::<Value>(&body) else {
            continue;
        };
        if before["type"] != "message" || !before["content"].is_array() {
            continue;
        }
        let name = path.display();
        let mut out = Vec::new();
        let facts = answer::edit(&body, &SERVING, 100, &mut out)
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let mut after: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(after["id"], "gen-1-a");
        let number = |name: &str| before["usage"][name].as_u64().unwrap_or(0);
        assert_eq!(
            facts.usage.prompt,
            number("input_tokens")
                + number("cache_read_input_tokens")
                + number("cache_creation_input_tokens"),
            "{name}"
        );
        assert_eq!(facts.usage.completion, number("output_tokens"), "{name}");
        without_ours(&mut before);
        without_ours(&mut after);
        without_cost(after.get_mut("usage"));
        assert_eq!(before, after, "{name}");
        compared += 1;
    }
    println!("{compared} answers compared");
    assert!(compared > 0);
}

/// The events of a stream, as their data.
fn events(stream: &str) -> Vec<Value> {
    stream
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| serde_json::from_str(data.trim_start()).unwrap())
        .collect()
}

/// The stream that a file holds; `None` when it is of another protocol.
fn stream_of(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    if text.contains("\ndata: {\"type\":\"message_start\"") {
        return Some(text);
    }
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    let first: Value = serde_json::from_str(lines.first()?).ok()?;
    (first["type"] == "message_start").then(|| {
        lines
            .iter()
            .map(|line| format!("data: {line}\n\n"))
            .collect()
    })
}

#[test]
fn streams_stay_what_they_were() {
    let Some(files) = recorded("txt") else {
        return;
    };
    let (mut compared, mut cut) = (0, 0);
    for path in files {
        let Some(stream) = stream_of(&path) else {
            continue;
        };
        let name = path.display();
        let mut editor = StreamEditor::new(&SERVING, 1 << 24);
        let mut out = Vec::new();
        // In pieces, and past the end: what follows the last event must not be given on.
        for piece in stream.as_bytes().chunks(1000) {
            editor
                .push(piece, &SERVING, &mut out)
                .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        }
        if editor.eof(&SERVING, &mut out) != Ok(EofVerdict::Complete) {
            // Some recordings were ended before the answer was.
            cut += 1;
            continue;
        }
        let facts = editor.end(&SERVING, 100, &mut out);
        let mut before = events(&stream);
        let end = before
            .iter()
            .position(|event| event["type"] == "message_stop")
            .unwrap_or_else(|| panic!("{name} has no end"));
        before.truncate(end + 1);
        let mut after = events(std::str::from_utf8(&out).unwrap());
        // The last two wait for the booking, and a ping may overtake them.
        before.retain(|event| event["type"] != "ping");
        after.retain(|event| event["type"] != "ping");
        for event in before.iter_mut().chain(&mut after) {
            if let Some(message) = event.get_mut("message") {
                without_ours(message);
            }
            without_cost(event.get_mut("usage"));
        }
        assert_eq!(before, after, "{name}");
        let output = before
            .iter()
            .filter_map(|event| event["usage"]["output_tokens"].as_u64())
            .next_back();
        assert_eq!(Some(facts.usage.completion), output, "{name}");
        compared += 1;
    }
    println!("{compared} streams compared; {cut} end before their answer does");
    assert!(compared > 0);
}
