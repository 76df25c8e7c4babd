//! Replays what clients and Google really said to each other, where it is at hand.
//!
//! `TURNOUT_TEST_DATA` names a folder with recordings: cassettes (YAML, `interactions[].request` and `.response`) and files of the
//! Vercel libraries (`google-*.json`, `google-*.chunks.txt`). Every answer and stream of generateContent is translated to every API and
//! passed, every request is translated to every dialect and passed. Nothing may be lost: texts, thoughts, calls, signatures and tokens are
//! compared with what is read straight from the recording. Without the variable there is nothing to replay, and a printed line says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use turnout_wire::answer::{self, Facts, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::{EofVerdict, StreamEditor};

/// One exchange with Google.
struct Exchange {
    name: String,
    /// The method after the colon of the path.
    method: String,
    request: Option<Value>,
    /// Answers: one, or those of a stream.
    answers: Vec<Value>,
    streamed: bool,
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

fn recorded() -> Option<Vec<Exchange>> {
    let Some(folder) = std::env::var_os("TURNOUT_TEST_DATA") else {
        println!("skipped: TURNOUT_TEST_DATA is not set, so there is nothing to replay");
        return None;
    };
    let mut paths = Vec::new();
    files(Path::new(&folder), &mut paths);
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".yaml") {
            let text = fs::read_to_string(&path).unwrap();
            if text.contains("generativelanguage.googleapis")
                || text.contains("aiplatform.googleapis")
            {
                cassette(&name, &text, &mut found);
            }
        } else if name.starts_with("google-") {
            let text = fs::read_to_string(&path).unwrap();
            let streamed = name.ends_with(".chunks.txt");
            let answers: Vec<Value> = match streamed {
                true => text
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect(),
                false => vec![serde_json::from_str(&text).unwrap()],
            };
            // Other files of that name are Google's interactions and speech, which are other protocols.
            if answers
                .iter()
                .any(|answer| answer.get("candidates").is_some())
            {
                found.push(Exchange {
                    name,
                    method: "generateContent".to_owned(),
                    request: None,
                    answers,
                    streamed,
                });
            }
        }
    }
    Some(found)
}

fn cassette(name: &str, text: &str, found: &mut Vec<Exchange>) {
    let document: Value = serde_yaml_ng::from_str(text).unwrap();
    for interaction in document["interactions"].as_array().unwrap() {
        let uri = interaction["request"]["uri"].as_str().unwrap();
        let path = uri.split('?').next().unwrap();
        // Other providers' models on Vertex, uploads and tokens are other protocols.
        if !path.contains("googleapis.com")
            || !path.contains("/models/")
            || path.contains("/anthropic/")
        {
            continue;
        }
        let Some((_, method)) = path.rsplit_once(':') else {
            continue;
        };
        let request = interaction["request"].get("parsed_body").cloned();
        let response = &interaction["response"];
        let body = &response["body"];
        let body = body
            .as_str()
            .or_else(|| body["string"].as_str())
            .unwrap_or_default();
        let mut answers: Vec<Value> = response.get("parsed_body").cloned().into_iter().collect();
        let streamed = method == "streamGenerateContent";
        if streamed {
            answers = body
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| serde_json::from_str(data).unwrap())
                .collect();
        }
        found.push(Exchange {
            name: name.to_owned(),
            method: method.to_owned(),
            request,
            answers,
            streamed,
        });
    }
}

/// What an answer says, whatever its protocol.
#[derive(Debug, Default, PartialEq, Clone)]
struct Said {
    text: String,
    thought: String,
    /// Names and arguments.
    calls: Vec<(String, Value)>,
}

impl Said {
    fn of_gemini(answers: &[Value]) -> Said {
        let mut said = Said::default();
        for answer in answers {
            let Some(parts) = answer["candidates"][0]["content"]["parts"].as_array() else {
                continue;
            };
            for part in parts {
                if let Some(text) = part["text"].as_str() {
                    match part["thought"].as_bool() == Some(true) {
                        true => said.thought.push_str(text),
                        false => said.text.push_str(text),
                    }
                }
                if let Some(name) = part["functionCall"]["name"].as_str() {
                    let args = part["functionCall"].get("args").cloned();
                    let args = args.unwrap_or_else(|| serde_json::json!({}));
                    said.calls.push((name.to_owned(), args));
                }
            }
        }
        said
    }

    fn of_chat(answers: &[Value]) -> Said {
        let mut said = Said::default();
        let mut arguments: BTreeMap<u64, (String, String)> = BTreeMap::new();
        for answer in answers {
            let choice = &answer["choices"][0];
            let message = choice.get("message").unwrap_or(&choice["delta"]);
            said.text
                .push_str(message["content"].as_str().unwrap_or_default());
            said.thought
                .push_str(message["reasoning"].as_str().unwrap_or_default());
            for (at, call) in message["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
            {
                let index = call["index"].as_u64().unwrap_or(at as u64);
                let (name, text) = arguments.entry(index).or_default();
                name.push_str(call["function"]["name"].as_str().unwrap_or_default());
                text.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
            }
        }
        said.calls = arguments
            .into_values()
            .map(|(name, text)| (name, serde_json::from_str(&text).unwrap()))
            .collect();
        said
    }

    fn of_responses(answer: &Value) -> Said {
        let mut said = Said::default();
        for item in answer["output"].as_array().into_iter().flatten() {
            for part in item["content"].as_array().into_iter().flatten() {
                let text = part["text"].as_str().unwrap_or_default();
                match item["type"].as_str() {
                    Some("message") => said.text.push_str(text),
                    _ => said.thought.push_str(text),
                }
            }
            for part in item["summary"].as_array().into_iter().flatten() {
                said.thought
                    .push_str(part["text"].as_str().unwrap_or_default());
            }
            if item["type"] == "function_call" {
                let arguments = item["arguments"].as_str().unwrap();
                let name = item["name"].as_str().unwrap().to_owned();
                said.calls
                    .push((name, serde_json::from_str(arguments).unwrap()));
            }
        }
        said
    }

    fn of_messages(answer: &Value) -> Said {
        let mut said = Said::default();
        for block in answer["content"].as_array().into_iter().flatten() {
            said.text
                .push_str(block["text"].as_str().unwrap_or_default());
            said.thought
                .push_str(block["thinking"].as_str().unwrap_or_default());
            if block["type"] == "tool_use" {
                let name = block["name"].as_str().unwrap().to_owned();
                said.calls.push((name, block["input"].clone()));
            }
        }
        said
    }
}

/// Server-sent events of any API as documents.
fn events(out: &[u8]) -> Vec<Value> {
    std::str::from_utf8(out)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Plays Anthropic's events back into a message.
fn message_of_events(events: &[Value]) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    let mut inputs: Vec<String> = Vec::new();
    for event in events {
        let at = usize::try_from(event["index"].as_u64().unwrap_or(0)).unwrap();
        match event["type"].as_str() {
            Some("content_block_start") => {
                assert_eq!(at, blocks.len(), "blocks are numbered in order");
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            Some("content_block_delta") => {
                let delta = &event["delta"];
                for name in ["text", "thinking"] {
                    if let Some(text) = delta[name].as_str() {
                        let before = blocks[at][name].as_str().unwrap_or_default();
                        blocks[at][name] = format!("{before}{text}").into();
                    }
                }
                inputs[at].push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(&inputs) {
        if block["type"] == "tool_use" && !input.is_empty() {
            block["input"] = serde_json::from_str(input).unwrap();
        }
    }
    serde_json::json!({ "content": blocks })
}

fn serving(api: Api) -> Serving<'static> {
    serving::example(api, Dialect::Gemini)
}

/// The tokens that the last counting document names: prompt and completion.
fn tokens(answers: &[Value]) -> Option<(u64, u64)> {
    let usage = answers
        .iter()
        .rev()
        .map(|answer| &answer["usageMetadata"])
        .find(|usage| usage["promptTokenCount"].is_u64())?;
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    Some((
        count("promptTokenCount") + count("toolUsePromptTokenCount"),
        count("candidatesTokenCount") + count("thoughtsTokenCount"),
    ))
}

fn compare_facts(exchange: &Exchange, api: Api, facts: &Facts) {
    let name = &exchange.name;
    if let Some(expected) = tokens(&exchange.answers) {
        let seen = (facts.usage.prompt, facts.usage.completion);
        assert_eq!(seen, expected, "{name} for {}", api.name());
    }
    assert!(facts.finish.is_some(), "{name} for {}", api.name());
}

fn compare(exchange: &Exchange, api: Api, out: &[u8]) {
    let name = format!("{} for {}", exchange.name, api.name());
    let mut expected = Said::of_gemini(&exchange.answers);
    let streamed = exchange.streamed;
    let documents = match streamed {
        true => events(out),
        false => vec![serde_json::from_slice(out).unwrap()],
    };
    let said = match api {
        Api::Chat => Said::of_chat(&documents),
        Api::Responses if streamed => {
            let last = documents
                .iter()
                .rev()
                .find(|event| event.get("response").is_some());
            Said::of_responses(&last.unwrap()["response"])
        }
        Api::Responses => Said::of_responses(&documents[0]),
        Api::Messages if streamed => Said::of_messages(&message_of_events(&documents)),
        Api::Messages => Said::of_messages(&documents[0]),
        Api::Gemini => Said::of_gemini(&documents),
        // Text completions have neither thoughts nor calls.
        _ => {
            expected = Said {
                text: expected.text,
                ..Said::default()
            };
            Said {
                text: documents
                    .iter()
                    .filter_map(|document| document["choices"][0]["text"].as_str())
                    .collect(),
                ..Said::default()
            }
        }
    };
    // Streamed arguments are compared as they come out: the recording has them in pieces.
    let pieces = exchange.answers.iter().any(|answer| {
        let parts = answer["candidates"][0]["content"]["parts"].as_array();
        let partial = |part: &Value| !part["functionCall"]["partialArgs"].is_null();
        parts.is_some_and(|parts| parts.iter().any(partial))
    });
    if pieces && api != Api::Completions {
        let names = |said: &Said| {
            said.calls
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&said), names(&expected), "{name}");
        assert_eq!(
            (said.text, said.thought),
            (expected.text, expected.thought),
            "{name}"
        );
        return;
    }
    assert_eq!(said, expected, "{name}");
}

#[test]
fn every_recorded_answer_reaches_every_api_without_loss() {
    let Some(exchanges) = recorded() else {
        return;
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for exchange in &exchanges {
        let generates = exchange
            .answers
            .iter()
            .any(|answer| answer.get("candidates").is_some());
        if !generates {
            *counts
                .entry("no answer of a generation (errors, counts, vectors)")
                .or_default() += 1;
            continue;
        }
        for api in [
            Api::Chat,
            Api::Completions,
            Api::Responses,
            Api::Messages,
            Api::Gemini,
        ] {
            let serving = serving(api);
            let mut out = Vec::new();
            if exchange.streamed {
                let mut body = Vec::new();
                for answer in &exchange.answers {
                    body.extend_from_slice(format!("data: {answer}\r\n\r\n").as_bytes());
                }
                let mut editor = StreamEditor::new(&serving, 64 << 20);
                editor.push(&body, &serving, &mut out).unwrap();
                let verdict = editor.eof(&serving, &mut out).unwrap();
                let ended = exchange.answers.iter().any(|answer| {
                    answer["candidates"][0]["finishReason"].is_string()
                        || answer["promptFeedback"]["blockReason"].is_string()
                });
                let expected = if ended {
                    EofVerdict::Complete
                } else {
                    EofVerdict::Cut
                };
                assert_eq!(verdict, expected, "{}", exchange.name);
                let facts = editor.end(&serving, 10, &mut out);
                compare_facts(exchange, api, &facts);
                *counts.entry("streams").or_default() += 1;
            } else {
                let body = exchange.answers[0].to_string();
                let facts = answer::edit(body.as_bytes(), &serving, 10, &mut out)
                    .unwrap_or_else(|fault| panic!("{}: {fault}", exchange.name));
                compare_facts(exchange, api, &facts);
                *counts.entry("answers").or_default() += 1;
            }
            compare(exchange, api, &out);
            signatures(exchange, api, &out);
        }
    }
    println!("recorded answers, each counted once per API: {counts:?}");
    assert!(counts.get("answers").is_some_and(|count| *count > 100));
}

/// Signatures of calls must reach the client wherever there is a place for them, or the next request is refused by Google.
fn signatures(exchange: &Exchange, api: Api, out: &[u8]) {
    if !matches!(api, Api::Chat | Api::Gemini) {
        return;
    }
    let text = std::str::from_utf8(out).unwrap();
    for answer in &exchange.answers {
        for part in answer["candidates"][0]["content"]["parts"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if part.get("functionCall").is_some()
                && let Some(signature) = part["thoughtSignature"].as_str()
            {
                assert!(
                    text.contains(signature),
                    "{} for {}",
                    exchange.name,
                    api.name()
                );
            }
        }
    }
}

#[test]
fn every_recorded_request_is_accepted() {
    let Some(exchanges) = recorded() else {
        return;
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for exchange in &exchanges {
        let Some(request) = &exchange.request else {
            continue;
        };
        let api = match exchange.method.as_str() {
            "generateContent" | "streamGenerateContent" => Api::Gemini,
            "countTokens" => Api::GeminiCount,
            "embedContent" => Api::GeminiEmbed,
            "batchEmbedContents" => Api::GeminiEmbedBatch,
            // Vertex's older `predict` is no method of this API.
            other => {
                *counts.entry(format!("other method: {other}")).or_default() += 1;
                continue;
            }
        };
        let body = request.to_string();
        let read = || {
            Request::read_beside_path(
                body.clone().into_bytes(),
                api,
                "a/b".to_owned(),
                exchange.streamed,
            )
            .unwrap()
        };
        for dialect in Dialect::ALL {
            if dialect.operation(api, exchange.streamed).is_none() {
                continue;
            }
            let request = read();
            let mut out = Vec::new();
            match request.upstream(&Target::new(dialect, "upstream/model")) {
                Ok(upstream) => {
                    upstream.write_to(&mut out);
                    let written: Value = serde_json::from_slice(&out).unwrap();
                    if dialect == Dialect::Gemini {
                        assert_eq!(written.to_string(), body, "{}", exchange.name);
                    }
                    *counts
                        .entry(format!("{} → {}", api.name(), dialect.name()))
                        .or_default() += 1;
                }
                // What a protocol has no word for is refused by name; that is counted and printed, and is no failure of reading.
                Err(refusal) => {
                    assert_eq!(
                        refusal.status(),
                        400,
                        "{}: {}",
                        exchange.name,
                        refusal.message
                    );
                    assert!(refusal.message.contains('`'), "{}", refusal.message);
                    let what: String = refusal.message.chars().take(70).collect();
                    *counts
                        .entry(format!(
                            "{} → {} refused: {what}",
                            api.name(),
                            dialect.name()
                        ))
                        .or_default() += 1;
                }
            }
        }
    }
    for (what, count) in &counts {
        println!("{count:5} {what}");
    }
    assert!(
        counts
            .get("gemini → gemini")
            .is_some_and(|count| *count > 100)
    );
}
