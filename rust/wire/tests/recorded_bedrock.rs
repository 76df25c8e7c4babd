//! Replays what clients and Bedrock really said to each other, where it is at hand.
//!
//! `TURNOUT_TEST_DATA` names a folder with recordings: cassettes (YAML, `interactions[].request` and `.response`, binary bodies of event
//! streams included) and files of the Vercel libraries (`amazon-bedrock-*.json`, and `*.chunks.txt` with an event a line). Every answer and
//! every stream is translated to every API, and nothing may be lost: texts, thoughts, calls and tokens are compared with what is read
//! straight from the recording. Without the variable there is nothing to replay, and a printed line says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use turnout_wire::answer::{self, Facts, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::Dialect;
use turnout_wire::stream::{EofVerdict, StreamEditor};

const APIS: [Api; 5] = [
    Api::Chat,
    Api::Completions,
    Api::Responses,
    Api::Messages,
    Api::Gemini,
];

/// What Bedrock said to one request.
enum Body {
    /// An answer of Converse.
    Whole(Value),
    /// The bytes of an event stream.
    Stream(Vec<u8>),
    /// Vectors of InvokeModel.
    Vectors(Value),
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, into),
            false => into.push(path),
        }
    }
}

/// All that is recorded, by the name of its file, and what was left out, counted by its reason.
type Recorded = (Vec<(String, Body)>, BTreeMap<String, usize>);

fn recorded() -> Option<Recorded> {
    let Some(folder) = std::env::var_os("TURNOUT_TEST_DATA") else {
        println!("skipped: TURNOUT_TEST_DATA is not set, so there is nothing to replay");
        return None;
    };
    let mut paths = Vec::new();
    files(Path::new(&folder), &mut paths);
    paths.sort();
    let (mut found, mut left) = (Vec::new(), BTreeMap::new());
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".yaml") {
            let text = fs::read_to_string(&path).unwrap();
            if text.contains("https://bedrock-runtime") {
                cassette(&name, &text, &mut found, &mut left);
            }
            continue;
        }
        if !name.starts_with("amazon-bedrock-") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        if name.ends_with(".chunks.txt") {
            found.push((name, Body::Stream(stream_of_lines(&text))));
        } else if text.contains("\"output\"") {
            found.push((name, Body::Whole(serde_json::from_str(&text).unwrap())));
        } else {
            // Its reranking is an API of Bedrock's agents, which is served nowhere here.
            *left.entry("files of another API".to_owned()).or_default() += 1;
        }
    }
    Some((found, left))
}

fn cassette(
    name: &str,
    text: &str,
    found: &mut Vec<(String, Body)>,
    left: &mut BTreeMap<String, usize>,
) {
    // A recorder writes binary as `!!binary`, which this reader of YAML does not know; the base64 below it is a plain text then.
    let text = text.replace("!!binary ", "");
    let document: Value = serde_yaml_ng::from_str(&text).unwrap();
    for interaction in document["interactions"].as_array().unwrap() {
        let uri = interaction["request"]["uri"].as_str().unwrap();
        let method = uri.rsplit('/').next().unwrap();
        let response = &interaction["response"];
        if !uri.starts_with("https://bedrock-runtime") {
            *left
                .entry("exchanges with other servers".to_owned())
                .or_default() += 1;
            continue;
        }
        let status = response["status"]["code"].as_u64().unwrap();
        if status != 200 {
            // Read by the plane from the status, before anything of this crate.
            *left
                .entry(format!("answers of status {status}"))
                .or_default() += 1;
            continue;
        }
        // Plain answers stand there parsed, or as the text that they were.
        let parsed = || match response["body"]["string"].as_str() {
            Some(text) => serde_json::from_str(text).unwrap(),
            None => response["parsed_body"].clone(),
        };
        let body = match method {
            "converse" => Body::Whole(parsed()),
            "converse-stream" => {
                let base64: String = response["body"]["string"]
                    .as_str()
                    .unwrap()
                    .split_whitespace()
                    .collect();
                Body::Stream(STANDARD.decode(base64).unwrap())
            }
            "invoke"
                if parsed().get("embedding").is_some() || parsed().get("embeddings").is_some() =>
            {
                Body::Vectors(parsed())
            }
            // Counting tokens, and other makers' bodies of InvokeModel, are not spoken.
            other => {
                *left.entry(format!("method {other}")).or_default() += 1;
                continue;
            }
        };
        found.push((name.to_owned(), body));
    }
}

/// A message of the event stream, as Bedrock sends it.
fn message(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", kind), (":message-type", "event")] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

/// Puts events, written one a line as `{"<type>": <payload>}`, back into their framing.
fn stream_of_lines(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let event: Value = serde_json::from_str(line).unwrap();
        for (kind, payload) in event.as_object().unwrap() {
            bytes.extend(message(kind, payload.to_string().as_bytes()));
        }
    }
    bytes
}

/// The types and payloads of a stream's events, read without the crate's own reader.
fn events_of(stream: &[u8]) -> Vec<(String, Value)> {
    let number = |at: usize| {
        usize::try_from(u32::from_be_bytes(stream[at..at + 4].try_into().unwrap())).unwrap()
    };
    let (mut at, mut events) = (0, Vec::new());
    while at < stream.len() {
        let (length, headers) = (number(at), number(at + 4));
        let head = String::from_utf8_lossy(&stream[at + 12..at + 12 + headers]).into_owned();
        let after = head.split(":event-type\u{7}").nth(1).unwrap();
        let size = usize::from(u16::from_be_bytes(
            after.as_bytes()[..2].try_into().unwrap(),
        ));
        let payload = &stream[at + 12 + headers..at + length - 4];
        events.push((
            after[2..2 + size].to_owned(),
            serde_json::from_slice(payload).unwrap(),
        ));
        at += length;
    }
    events
}

/// What an answer says, whatever its protocol.
#[derive(Debug, Default, PartialEq, Clone)]
struct Said {
    text: String,
    thought: String,
    /// Ids, names and arguments.
    calls: Vec<(String, String, Value)>,
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Arguments in text; none mean an object without members.
fn arguments(text: &str) -> Value {
    match text {
        "" => serde_json::json!({}),
        text => serde_json::from_str(text).unwrap(),
    }
}

impl Said {
    fn of_answer(answer: &Value) -> Said {
        let mut said = Said::default();
        for block in answer["output"]["message"]["content"].as_array().unwrap() {
            said.text.push_str(text_of(&block["text"]));
            said.thought
                .push_str(text_of(&block["reasoningContent"]["reasoningText"]["text"]));
            if let Some(call) = block.get("toolUse") {
                said.calls.push((
                    text_of(&call["toolUseId"]).to_owned(),
                    text_of(&call["name"]).to_owned(),
                    call["input"].clone(),
                ));
            }
        }
        said
    }

    fn of_events(events: &[(String, Value)]) -> Said {
        let mut said = Said::default();
        let mut calls: Vec<(String, String, String)> = Vec::new();
        for (_, event) in events {
            if let Some(call) = event["start"].get("toolUse") {
                let text = |name: &str| text_of(&call[name]).to_owned();
                calls.push((text("toolUseId"), text("name"), String::new()));
            }
            let delta = &event["delta"];
            said.text.push_str(text_of(&delta["text"]));
            said.thought
                .push_str(text_of(&delta["reasoningContent"]["text"]));
            if let (Some(input), Some(call)) =
                (delta["toolUse"]["input"].as_str(), calls.last_mut())
            {
                call.2.push_str(input);
            }
        }
        said.calls = calls
            .into_iter()
            .map(|(id, name, input)| (id, name, arguments(&input)))
            .collect();
        said
    }

    fn of_chat(documents: &[Value]) -> Said {
        let mut said = Said::default();
        let mut calls: BTreeMap<u64, (String, String, String)> = BTreeMap::new();
        for document in documents {
            let choice = &document["choices"][0];
            let message = choice.get("message").unwrap_or(&choice["delta"]);
            said.text.push_str(text_of(&message["content"]));
            said.thought.push_str(text_of(&message["reasoning"]));
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                let (id, name, text) = calls.entry(call["index"].as_u64().unwrap()).or_default();
                id.push_str(text_of(&call["id"]));
                name.push_str(text_of(&call["function"]["name"]));
                text.push_str(text_of(&call["function"]["arguments"]));
            }
        }
        said.calls = calls
            .into_values()
            .map(|(id, name, text)| (id, name, serde_json::from_str(&text).unwrap()))
            .collect();
        said
    }

    fn of_responses(answer: &Value) -> Said {
        let mut said = Said::default();
        for item in answer["output"].as_array().unwrap() {
            for part in item["content"].as_array().into_iter().flatten() {
                match item["type"].as_str() {
                    Some("message") => said.text.push_str(text_of(&part["text"])),
                    _ => said.thought.push_str(text_of(&part["text"])),
                }
            }
            if item["type"] == "function_call" {
                said.calls.push((
                    text_of(&item["call_id"]).to_owned(),
                    text_of(&item["name"]).to_owned(),
                    serde_json::from_str(text_of(&item["arguments"])).unwrap(),
                ));
            }
        }
        said
    }

    /// A message, or the events of one: what stands in blocks at their start and what is added stand in members of the same names.
    fn of_messages(documents: &[Value]) -> Said {
        let mut said = Said::default();
        let mut inputs: Vec<String> = Vec::new();
        let whole = documents[0]["content"].as_array().into_iter().flatten();
        let streamed = documents.iter().flat_map(|event| {
            let delta = event.get("delta").filter(|_| event["index"].is_u64());
            [event.get("content_block"), delta].into_iter().flatten()
        });
        for block in whole.chain(streamed) {
            said.text.push_str(text_of(&block["text"]));
            said.thought.push_str(text_of(&block["thinking"]));
            if block["type"] == "tool_use" {
                said.calls.push((
                    text_of(&block["id"]).to_owned(),
                    text_of(&block["name"]).to_owned(),
                    block["input"].clone(),
                ));
                inputs.push(String::new());
            }
            if let Some(json) = block["partial_json"].as_str() {
                inputs.last_mut().unwrap().push_str(json);
            }
        }
        for (call, input) in said.calls.iter_mut().zip(inputs) {
            if !input.is_empty() {
                call.2 = serde_json::from_str(&input).unwrap();
            }
        }
        said
    }

    fn of_gemini(documents: &[Value]) -> Said {
        let mut said = Said::default();
        for document in documents {
            let parts = &document["candidates"][0]["content"]["parts"];
            for part in parts.as_array().into_iter().flatten() {
                match part["thought"] == true {
                    true => said.thought.push_str(text_of(&part["text"])),
                    false => said.text.push_str(text_of(&part["text"])),
                }
                if let Some(call) = part.get("functionCall") {
                    said.calls.push((
                        text_of(&call["id"]).to_owned(),
                        text_of(&call["name"]).to_owned(),
                        call["args"].clone(),
                    ));
                }
            }
        }
        said
    }
}

/// Server-sent events of any API as documents.
fn documents(out: &[u8]) -> Vec<Value> {
    std::str::from_utf8(out)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Compares what a client got with what was recorded.
fn compare(name: &str, api: Api, expected: &Said, documents: &[Value]) {
    let mut expected = expected.clone();
    let said = match api {
        Api::Chat => Said::of_chat(documents),
        Api::Responses => {
            let last = documents.last().unwrap();
            Said::of_responses(last.get("response").unwrap_or(last))
        }
        Api::Messages => Said::of_messages(documents),
        Api::Gemini => {
            // Thoughts are told to a client of this API that asks for them, which this one did not.
            expected.thought.clear();
            Said::of_gemini(documents)
        }
        // Text completions have neither thoughts nor calls.
        _ => {
            expected.thought.clear();
            expected.calls.clear();
            Said {
                text: documents
                    .iter()
                    .map(|document| text_of(&document["choices"][0]["text"]))
                    .collect(),
                ..Said::default()
            }
        }
    };
    assert_eq!(said, expected, "{name} for {}", api.name());
}

/// Compares tokens with the recorded ones, where there are some.
fn tokens(name: &str, usage: &Value, facts: &Facts) {
    let Some(output) = usage["outputTokens"].as_u64() else {
        return;
    };
    let number = |member: &str| usage[member].as_u64().unwrap_or(0);
    let prompt =
        number("inputTokens") + number("cacheReadInputTokens") + number("cacheWriteInputTokens");
    assert_eq!(
        (facts.usage.prompt, facts.usage.completion),
        (prompt, output),
        "{name}"
    );
}

fn serving(api: Api) -> Serving<'static> {
    serving::example(api, Dialect::Bedrock)
}

#[test]
fn every_recorded_answer_reaches_every_api_without_loss() {
    let Some((found, left)) = recorded() else {
        return;
    };
    let (mut answers, mut streams, mut vectors) = (0, 0, 0);
    for (name, body) in &found {
        match body {
            Body::Whole(answer) => {
                let expected = Said::of_answer(answer);
                for api in APIS {
                    let mut out = Vec::new();
                    let text = answer.to_string();
                    let facts = answer::edit(text.as_bytes(), &serving(api), 10, &mut out)
                        .unwrap_or_else(|fault| panic!("{name} for {}: {fault}", api.name()));
                    let document = serde_json::from_slice(&out).unwrap();
                    compare(name, api, &expected, &[document]);
                    tokens(name, &answer["usage"], &facts);
                    assert_eq!(
                        facts.native_finish.as_deref(),
                        answer["stopReason"].as_str(),
                        "{name}"
                    );
                }
                answers += 1;
            }
            Body::Stream(stream) => {
                let events = events_of(stream);
                let expected = Said::of_events(&events);
                for api in APIS {
                    let serving = serving(api);
                    let mut out = Vec::new();
                    let mut editor = StreamEditor::new(&serving, 1 << 24);
                    for piece in stream.chunks(1000) {
                        editor
                            .push(piece, &serving, &mut out)
                            .unwrap_or_else(|fault| panic!("{name} for {}: {fault}", api.name()));
                    }
                    let verdict = editor.eof(&serving, &mut out);
                    assert_eq!(verdict, Ok(EofVerdict::Complete), "{name}");
                    let facts = editor.end(&serving, 10, &mut out);
                    compare(name, api, &expected, &documents(&out));
                    for (kind, event) in &events {
                        if kind == "messageStop" {
                            let reason = event["stopReason"].as_str();
                            assert_eq!(facts.native_finish.as_deref(), reason, "{name}");
                        }
                        tokens(name, &event["usage"], &facts);
                    }
                }
                streams += 1;
            }
            Body::Vectors(answer) => {
                let mut out = Vec::new();
                let facts = answer::edit(
                    answer.to_string().as_bytes(),
                    &serving(Api::Embeddings),
                    10,
                    &mut out,
                )
                .unwrap_or_else(|fault| panic!("{name}: {fault}"));
                let vectors_of = [
                    "/embedding",
                    "/embeddings/float/0",
                    "/embeddings/0/embedding",
                    "/embeddings/0",
                ];
                let first = vectors_of.iter().find_map(|path| answer.pointer(path));
                // As text: the digits must stay, and reading them as numbers would round them.
                let expected = format!("\"embedding\":{}", first.unwrap());
                let out = String::from_utf8(out).unwrap();
                assert!(out.contains(&expected), "{name}: {out:.400}");
                if let Some(count) = answer["inputTextTokenCount"].as_u64() {
                    assert_eq!(facts.usage.prompt, count, "{name}");
                }
                vectors += 1;
            }
        }
    }
    println!("{answers} answers, {streams} streams, {vectors} vectors; left out: {left:?}");
    assert!(answers > 0 && streams > 0 && vectors > 0);
}
