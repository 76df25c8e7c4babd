//! Replays what real providers of the responses protocol answered, and what real clients of that API sent, where it is at hand.
//!
//! `TURNOUT_TEST_DATA` names a folder with the data set `recorded/`: plain answers in `.json`, streams in `.chunks.txt` (one event per
//! line), and cassettes in `.yaml`, which hold requests too. Every answer and every stream is passed on, with all kept that is not the gateway's, and translated to every API; every request is accepted by every dialect that has
//! words for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use turnout_wire::answer::{self, Serving, Unusable};
use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::{EofVerdict, StreamEditor, StreamFault};

const APIS: [Api; 5] = [
    Api::Responses,
    Api::Chat,
    Api::Completions,
    Api::Messages,
    Api::Gemini,
];

fn serving(api: Api) -> Serving<'static> {
    serving::example(api, Dialect::Responses)
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, into),
            false => into.push(path),
        }
    }
}

/// What is at hand: where it is from, and its bytes.
fn recorded(ending: &str) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = std::env::var_os("TURNOUT_TEST_DATA") else {
        println!("skipped: TURNOUT_TEST_DATA is not set, so there is nothing to replay");
        return Vec::new();
    };
    let mut found = Vec::new();
    files(&Path::new(&folder).join("recorded"), &mut found);
    found.sort();
    found
        .iter()
        .map(|path| (path.display().to_string(), path))
        .filter(|(name, _)| name.ends_with(ending))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

/// Texts, calls and refusals of an output, joined: what must not be lost, whatever the API.
fn said(output: &Value) -> Vec<String> {
    let mut said = Vec::new();
    for item in output.as_array().into_iter().flatten() {
        match item["type"].as_str() {
            Some("message") => {
                for part in item["content"].as_array().into_iter().flatten() {
                    let text = part["text"].as_str().or(part["refusal"].as_str());
                    said.extend(text.map(str::to_owned));
                }
            }
            Some("function_call" | "custom_tool_call") => {
                said.extend(item["name"].as_str().map(str::to_owned));
            }
            _ => {}
        }
    }
    said.retain(|text| !text.is_empty());
    said
}

/// All strings of a document, joined.
fn strings(value: &Value, into: &mut String) {
    match value {
        Value::String(text) => into.push_str(text),
        Value::Array(elements) => elements.iter().for_each(|element| strings(element, into)),
        Value::Object(members) => members.values().for_each(|member| strings(member, into)),
        _ => {}
    }
}

/// What the gateway does not speak for.
fn without_ours(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(members) = value.as_object_mut() {
        for name in ["id", "model", "usage"] {
            members.remove(name);
        }
    }
    value
}

/// Reads a text of the events of a stream; the last event of this API.
fn last_response(out: &[u8]) -> Value {
    let text = std::str::from_utf8(out).unwrap();
    let last = text.lines().rfind(|line| line.starts_with("data: {"));
    let event: Value = serde_json::from_str(&last.unwrap()["data: ".len()..]).unwrap();
    event["response"].clone()
}

#[test]
fn plain_answers_are_passed_whole_and_translated_without_loss() {
    let (mut answers, mut failures) = (0, 0);
    let mut bodies = recorded(".json");
    for exchange in exchanges() {
        let answer = exchange
            .answer
            .map(|answer| answer.to_string().into_bytes());
        bodies.extend(answer.map(|answer| (exchange.name, answer)));
    }
    for (name, body) in bodies {
        let Ok(before) = serde_json::from_slice::<Value>(&body) else {
            continue;
        };
        // Work in the background answers before there is anything to say.
        let unfinished =
            ["queued", "in_progress"].contains(&before["status"].as_str().unwrap_or(""));
        if before["object"] != "response" || unfinished {
            continue;
        }
        for api in APIS {
            let mut out = Vec::new();
            match answer::edit(&body, &serving(api), 100, &mut out) {
                Ok(_) => {}
                Err(Unusable::ErrorInside { .. }) if !before["error"].is_null() => {
                    failures += 1;
                    continue;
                }
                Err(fault) => panic!("{name} for {}: {fault:?}", api.name()),
            }
            let after: Value = serde_json::from_slice(&out).unwrap();
            if api == Api::Responses {
                assert_eq!(without_ours(&after), without_ours(&before), "{name}");
            }
            let mut whole = String::new();
            strings(&after, &mut whole);
            for text in said(&before["output"]) {
                // The text API has no calls.
                let calls = text.len() < 200 && api == Api::Completions;
                assert!(
                    whole.contains(&text) || calls,
                    "{name} for {}: lost {text}",
                    api.name()
                );
            }
        }
        answers += 1;
    }
    println!("{answers} plain answers replayed, {failures} of them failures for some API");
}

#[test]
fn streams_are_passed_whole_and_translated_without_loss() {
    let mut streams: Vec<(String, Vec<u8>)> = recorded(".chunks.txt")
        .into_iter()
        .map(|(name, lines)| {
            let text = String::from_utf8(lines).unwrap();
            let mut stream = String::new();
            for line in text.lines().filter(|line| !line.is_empty()) {
                stream.push_str(&format!("data: {line}\n\n"));
                // Some files hold the streams of several turns.
                if line.contains("\"type\":\"response.completed\"") {
                    break;
                }
            }
            (name, stream.into_bytes())
        })
        .filter(|(_, stream)| is_ours(stream))
        .collect();
    for exchange in exchanges() {
        let stream = exchange.stream.unwrap_or_default().into_bytes();
        if is_ours(&stream) {
            streams.push((exchange.name, stream));
        }
    }
    let (mut whole, mut cut, mut failed) = (0, 0, 0);
    for (name, stream) in &streams {
        let before = last_response(stream);
        for api in APIS {
            let serving = serving(api);
            let mut editor = StreamEditor::new(&serving, 1 << 22);
            let mut out = Vec::new();
            let read = editor
                .push(stream, &serving, &mut out)
                .and_then(|_| editor.eof(&serving, &mut out));
            match read {
                Ok(EofVerdict::Complete) => {}
                // Recordings that were stopped, and background work that was left before its end.
                Ok(EofVerdict::Cut) => {
                    cut += usize::from(api == Api::Chat);
                    continue;
                }
                Err(StreamFault::ErrorInside { .. }) => {
                    failed += usize::from(api == Api::Chat);
                    continue;
                }
                Err(fault) => panic!("{name} for {}: {fault:?}", api.name()),
            }
            editor.end(&serving, 100, &mut out);
            if api == Api::Responses {
                assert_eq!(
                    without_ours(&last_response(&out)),
                    without_ours(&before),
                    "{name}"
                );
            }
            let mut texts = String::new();
            let text = String::from_utf8(out).unwrap();
            for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
                if let Ok(event) = serde_json::from_str::<Value>(line) {
                    deltas(&event, &mut texts);
                }
            }
            for text in said(&before["output"]) {
                assert!(
                    texts.contains(&text) || api == Api::Completions,
                    "{name} for {}: lost {text}",
                    api.name()
                );
            }
            whole += usize::from(api == Api::Chat);
        }
    }
    println!(
        "{} streams replayed: {whole} whole, {cut} cut, {failed} failed",
        streams.len()
    );
}

/// What an event adds, in the words of any API: strings of the members that hold text, outside of objects that repeat what was said.
fn deltas(event: &Value, into: &mut String) {
    const TEXTS: [&str; 7] = [
        "content",
        "text",
        "delta",
        "name",
        "refusal",
        "partial_json",
        "arguments",
    ];
    match event {
        Value::Array(elements) => elements.iter().for_each(|element| deltas(element, into)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if TEXTS.contains(&name.as_str()) => into.push_str(text),
                    _ if ["response", "part", "reasoning_details"].contains(&name.as_str()) => {}
                    _ => deltas(value, into),
                }
            }
        }
        _ => {}
    }
}

fn is_ours(stream: &[u8]) -> bool {
    let head = String::from_utf8_lossy(stream.get(..400).unwrap_or(stream)).into_owned();
    head.contains("\"response.created\"") || head.contains("\"type\":\"response.")
}

/// One exchange of a cassette with an endpoint of this API.
struct Exchange {
    name: String,
    request: Value,
    answer: Option<Value>,
    stream: Option<String>,
}

fn exchanges() -> Vec<Exchange> {
    let mut found = Vec::new();
    for (name, cassette) in recorded(".yaml") {
        let text = String::from_utf8(cassette).unwrap();
        if !text.contains("/responses") {
            continue;
        }
        let document: Value = serde_yaml_ng::from_str(&text).unwrap();
        for exchange in document["interactions"].as_array().into_iter().flatten() {
            let request = &exchange["request"];
            let uri = request["uri"].as_str().unwrap_or_default();
            // Counting and cancelling have other bodies.
            if request["method"] != "POST" || !uri.ends_with("/responses") {
                continue;
            }
            let response = &exchange["response"];
            found.push(Exchange {
                name: format!("{name} {}", found.len()),
                request: request["parsed_body"].clone(),
                answer: Some(response["parsed_body"].clone()).filter(Value::is_object),
                stream: response["body"]["string"].as_str().map(str::to_owned),
            });
        }
    }
    found
}

#[test]
fn requests_are_accepted_unless_they_need_what_is_kept_elsewhere() {
    let (mut accepted, mut stateful, mut inexpressible) = (0, 0, 0);
    for Exchange { name, request, .. } in exchanges() {
        if !request.is_object() {
            continue;
        }
        let keeps = ["previous_response_id", "conversation", "prompt"]
            .iter()
            .any(|member| !request[member].is_null())
            || request["store"] == true
            || request["background"] == true;
        let body = serde_json::to_vec(&request).unwrap();
        for dialect in Dialect::ALL {
            let target = Target {
                completion_tokens_max: Some(4096),
                ..Target::new(dialect, "m")
            };
            let mut out = Vec::new();
            let written = Request::read(body.clone(), Api::Responses).and_then(|request| {
                request.upstream(&target)?.write_to(&mut out);
                Ok(())
            });
            match written {
                Ok(()) => {
                    assert!(serde_json::from_slice::<Value>(&out).is_ok(), "{name}");
                    accepted += 1;
                }
                Err(_) if keeps => stateful += 1,
                // Files that a provider keeps, and media that a protocol has no word for.
                Err(refusal) if refusal.message.contains("cannot be sent to this endpoint") => {
                    println!("{name} for {}: {}", dialect.name(), refusal.message);
                    inexpressible += 1;
                }
                Err(refusal) => panic!("{name} for {}: {refusal:?}", dialect.name()),
            }
        }
    }
    println!("accepted {accepted}, refused for state {stateful}, inexpressible {inexpressible}");
}
