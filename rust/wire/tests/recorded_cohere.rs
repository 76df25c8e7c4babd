//! Replays what clients and Cohere really said to each other, where it is at hand.
//!
//! `TURNOUT_TEST_DATA` names a folder with recordings: cassettes (YAML, `interactions[].request` and `.response`) and files of the Vercel
//! libraries (`cohere-*.json`, and `*.chunks.txt` with an event a line). Every answer and stream of chat is translated to every API, vectors
//! and rankings to theirs. Without the variable there is nothing to replay, and a printed
//! line says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

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

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, into),
            false => into.push(path),
        }
    }
}

/// What Cohere said to one request.
enum Body {
    Chat(Value),
    Events(Vec<Value>),
    Vectors(Value),
    Ranking(Value),
}

impl Body {
    /// Told apart by what it holds.
    fn of(answer: Value) -> Body {
        if answer.get("embeddings").is_some() {
            return Body::Vectors(answer);
        }
        match answer.get("results").is_some() {
            true => Body::Ranking(answer),
            false => Body::Chat(answer),
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
            if text.contains("https://api.cohere.com/v2/") {
                cassette(&name, &text, &mut found, &mut left);
            }
        } else if name.starts_with("cohere-") {
            let text = fs::read_to_string(&path).unwrap();
            let body = match name.ends_with(".chunks.txt") {
                true => Body::Events(
                    text.lines()
                        .map(|line| serde_json::from_str(line).unwrap())
                        .collect(),
                ),
                false => Body::of(serde_json::from_str(&text).unwrap()),
            };
            found.push((name, body));
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
    let document: Value = serde_yaml_ng::from_str(text).unwrap();
    for interaction in document["interactions"].as_array().unwrap() {
        let uri = interaction["request"]["uri"].as_str().unwrap();
        let response = &interaction["response"];
        let status = response["status"]["code"].as_u64().unwrap();
        // Errors are read by the plane from the status; other servers' answers stand beside Cohere's in some recordings.
        if !uri.starts_with("https://api.cohere.com/v2/") {
            *left
                .entry("exchanges with other servers".to_owned())
                .or_default() += 1;
        } else if status != 200 {
            *left
                .entry(format!("answers of status {status}"))
                .or_default() += 1;
        } else {
            found.push((name.to_owned(), Body::of(response["parsed_body"].clone())));
        }
    }
}

fn serving(api: Api) -> Serving<'static> {
    serving::example(api, Dialect::Cohere)
}

fn edited(name: &str, answer: &Value, api: Api) -> (String, Facts) {
    let mut out = Vec::new();
    let facts = answer::edit(answer.to_string().as_bytes(), &serving(api), 10, &mut out)
        .unwrap_or_else(|fault| panic!("{name} for {}: {fault}", api.name()));
    (String::from_utf8(out).unwrap(), facts)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What a chat says, as OpenAI's older family would: text with the plan before it, thought, and calls by name and arguments.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thought: String,
    calls: Vec<(String, Value)>,
}

impl Said {
    fn add(&mut self, message: &Value) {
        self.text.push_str(text_of(&message["tool_plan"]));
        let content = &message["content"];
        let one = content.is_object().then_some(content);
        for part in content.as_array().into_iter().flatten().chain(one) {
            self.text.push_str(text_of(&part["text"]));
            self.thought.push_str(text_of(&part["thinking"]));
        }
    }

    /// Arguments in text; a tool without any is called with `null` or nothing.
    fn call(&mut self, name: &str, arguments: &str) {
        let read = match arguments {
            "" | "null" => json!({}),
            text => serde_json::from_str(text).unwrap(),
        };
        self.calls.push((name.to_owned(), read));
    }

    fn of_answer(answer: &Value) -> Said {
        let mut said = Said::default();
        said.add(&answer["message"]);
        for call in answer["message"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let function = &call["function"];
            said.call(text_of(&function["name"]), text_of(&function["arguments"]));
        }
        said
    }

    fn of_events(events: &[Value]) -> Said {
        let mut said = Said::default();
        let mut calls: Vec<(String, String)> = Vec::new();
        for event in events {
            let message = &event["delta"]["message"];
            said.add(message);
            let function = &message["tool_calls"]["function"];
            if event["type"] == "tool-call-start" {
                calls.push((text_of(&function["name"]).to_owned(), String::new()));
            }
            if let Some((_, arguments)) = calls.last_mut() {
                arguments.push_str(text_of(&function["arguments"]));
            }
        }
        for (name, arguments) in &calls {
            said.call(name, arguments);
        }
        said
    }

    fn of_chat(documents: &[Value]) -> Said {
        let mut said = Said::default();
        let mut calls: BTreeMap<u64, (String, String)> = BTreeMap::new();
        for document in documents {
            let choice = &document["choices"][0];
            let message = choice.get("message").unwrap_or(&choice["delta"]);
            said.text.push_str(text_of(&message["content"]));
            said.thought.push_str(text_of(&message["reasoning"]));
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                let (name, arguments) = calls.entry(call["index"].as_u64().unwrap()).or_default();
                name.push_str(text_of(&call["function"]["name"]));
                arguments.push_str(text_of(&call["function"]["arguments"]));
            }
        }
        for (name, arguments) in calls.values() {
            said.calls
                .push((name.clone(), serde_json::from_str(arguments).unwrap()));
        }
        said
    }
}

/// Server-sent events as documents; every one must be JSON.
fn documents(out: &[u8]) -> Vec<Value> {
    std::str::from_utf8(out)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// The billed tokens and the reason of the end, which every API's clients are told in its own words.
fn facts_agree(name: &str, usage: &Value, reason: &Value, facts: &Facts) {
    let number = |member: &str| usage["billed_units"][member].as_u64().unwrap();
    assert_eq!(
        (facts.usage.prompt, facts.usage.completion),
        (number("input_tokens"), number("output_tokens")),
        "{name}"
    );
    assert_eq!(facts.native_finish.as_deref(), reason.as_str(), "{name}");
}

/// What other APIs make of blocks is compared where they are written; here, that each of their documents holds all of the text.
fn holds(name: &str, api: Api, text: &str, documents: &[Value]) {
    let mut found = String::new();
    for document in documents {
        found.push_str(&match api {
            Api::Completions => text_of(&document["choices"][0]["text"]).to_owned(),
            Api::Responses => document["response"]
                .as_object()
                .map_or(document["output"].as_array(), |_| None)
                .into_iter()
                .flatten()
                .filter(|item| item["type"] == "message")
                .flat_map(|item| item["content"].as_array().unwrap())
                .map(|part| text_of(&part["text"]))
                .chain(
                    (document["type"] == "response.output_text.delta")
                        .then(|| text_of(&document["delta"])),
                )
                .collect(),
            Api::Messages => document["content"]
                .as_array()
                .into_iter()
                .flatten()
                .chain(document.get("delta"))
                .map(|block| text_of(&block["text"]))
                .collect(),
            _ => document["candidates"][0]["content"]["parts"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|part| part["thought"] != true)
                .map(|part| text_of(&part["text"]))
                .collect(),
        });
    }
    assert_eq!(found, text, "{name} for {}", api.name());
}

#[test]
fn every_recorded_answer_reaches_every_api_without_loss() {
    let Some((found, left)) = recorded() else {
        return;
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, body) in &found {
        let kind = match body {
            Body::Chat(answer) => {
                let expected = Said::of_answer(answer);
                for api in APIS {
                    let (out, facts) = edited(name, answer, api);
                    let document: Value = serde_json::from_str(&out).unwrap();
                    match api {
                        Api::Chat => assert_eq!(Said::of_chat(&[document]), expected, "{name}"),
                        _ => holds(name, api, &expected.text, &[document]),
                    }
                    facts_agree(name, &answer["usage"], &answer["finish_reason"], &facts);
                }
                "answers"
            }
            Body::Events(events) => {
                let expected = Said::of_events(events);
                let stream: String = events
                    .iter()
                    .map(|event| format!("event: {}\ndata: {event}\n\n", text_of(&event["type"])))
                    .collect();
                for api in APIS {
                    let serving = serving(api);
                    let mut editor = StreamEditor::new(&serving, 1 << 20);
                    let mut out = Vec::new();
                    for piece in stream.as_bytes().chunks(100) {
                        editor
                            .push(piece, &serving, &mut out)
                            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
                    }
                    let verdict = editor.eof(&serving, &mut out);
                    assert_eq!(verdict, Ok(EofVerdict::Complete), "{name}");
                    let facts = editor.end(&serving, 10, &mut out);
                    let documents = documents(&out);
                    match api {
                        Api::Chat => assert_eq!(Said::of_chat(&documents), expected, "{name}"),
                        _ => holds(name, api, &expected.text, &documents),
                    }
                    let end = &events.last().unwrap()["delta"];
                    facts_agree(name, &end["usage"], &end["finish_reason"], &facts);
                }
                "streams"
            }
            Body::Vectors(answer) => {
                let (out, facts) = edited(name, answer, Api::Embeddings);
                // As text: the digits must stay, and reading them as numbers would round them.
                for vector in answer["embeddings"]["float"].as_array().unwrap() {
                    assert!(out.contains(&format!("\"embedding\":{vector}")), "{name}");
                }
                let billed = &answer["meta"]["billed_units"]["input_tokens"];
                assert_eq!(Some(facts.usage.prompt), billed.as_u64(), "{name}");
                "vectors"
            }
            Body::Ranking(answer) => {
                let (out, facts) = edited(name, answer, Api::Rerank);
                for result in answer["results"].as_array().unwrap() {
                    let score = format!("\"relevance_score\":{}", result["relevance_score"]);
                    assert!(out.contains(&score), "{name}: {out}");
                }
                let units = &answer["meta"]["billed_units"]["search_units"];
                assert_eq!(Some(facts.usage.search_units), units.as_u64(), "{name}");
                "rankings"
            }
        };
        *counts.entry(kind).or_default() += 1;
    }
    println!("{counts:?}; left out: {left:?}");
    for kind in ["answers", "streams", "vectors", "rankings"] {
        assert!(counts.contains_key(kind), "no {kind} were found");
    }
}
