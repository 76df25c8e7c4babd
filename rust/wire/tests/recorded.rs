//! Replays answers that real providers gave, where they are at hand.
//!
//! `TURNOUT_TEST_DATA` names a folder; every `.json` under it that is a plain answer with choices (or a list of embeddings), and every
//! `.chunks.txt` with one JSON chunk per line, is edited and compared: all that is not the gateway's must be equal. Without the
//! variable there is nothing to replay, and a printed line says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

#[path = "recorded/gist.rs"]
mod gist;
#[path = "recorded/material.rs"]
mod material;
#[path = "recorded/translation.rs"]
mod translation;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::Dialect;
use turnout_wire::stream::{EofVerdict, StreamEditor, StreamFault, from_answer};

fn serving(api: Api) -> Serving<'static> {
    serving::example(api, Dialect::OpenAi)
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
}

/// The files to replay; `None` when none are at hand.
fn recorded() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("TURNOUT_TEST_DATA") else {
        println!(
            "skipped: TURNOUT_TEST_DATA is not set, so there are no recorded answers to replay"
        );
        return None;
    };
    let mut found = Vec::new();
    files(Path::new(&folder), &mut found);
    found.sort();
    Some(found)
}

fn api_of(value: &Value) -> Option<Api> {
    let choice = value
        .get("choices")
        .and_then(Value::as_array)
        .and_then(|choices| choices.first());
    match choice {
        Some(choice) if choice.get("text").is_some() => Some(Api::Completions),
        Some(choice) if choice.get("message").is_some() || choice.get("delta").is_some() => {
            Some(Api::Chat)
        }
        _ => {
            let first = value
                .get("data")
                .and_then(Value::as_array)
                .and_then(|data| data.first());
            first
                .and_then(|first| first.get("embedding"))
                .map(|_| Api::Embeddings)
        }
    }
}

/// Takes out what the gateway speaks for.
fn without_ours(value: &Value) -> Value {
    let mut value = value.clone();
    let Some(members) = value.as_object_mut() else {
        return value;
    };
    for name in ["id", "model", "provider", "created", "object"] {
        members.remove(name);
    }
    if let Some(choices) = members.get_mut("choices").and_then(Value::as_array_mut) {
        for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
            choice.remove("finish_reason");
            choice.remove("native_finish_reason");
        }
    }
    match members.get_mut("usage").and_then(Value::as_object_mut) {
        Some(usage) => {
            for name in [
                "cost",
                "cost_details",
                "is_byok",
                "prompt_tokens",
                "completion_tokens",
                "total_tokens",
            ] {
                usage.remove(name);
            }
        }
        None => {
            members.remove("usage");
        }
    }
    value
}

#[test]
fn plain_answers_stay_what_they_were() {
    let Some(files) = recorded() else {
        return;
    };
    let (mut answers, mut counted) = (0, 0);
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|is| is == "json"))
    {
        let body = fs::read(path).unwrap();
        let Ok(before) = serde_json::from_slice::<Value>(&body) else {
            continue;
        };
        let Some(api) = api_of(&before) else {
            continue;
        };
        let name = path.display();
        let mut out = Vec::new();
        let facts = answer::edit(&body, &serving(api), 100, &mut out)
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let after: Value =
            serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{name}: {error}"));
        if before["usage"].is_object() {
            assert_eq!(without_ours(&after), without_ours(&before), "{name}");
            for tokens in ["prompt_tokens", "completion_tokens", "total_tokens"] {
                assert!(
                    before["usage"][tokens].is_null()
                        || before["usage"][tokens] == after["usage"][tokens],
                    "{name}"
                );
            }
            counted += 1;
        }
        assert_eq!(after["id"], "gen-1-a");
        assert!(after["usage"]["cost"].is_number(), "{name}");
        // One embedding server answers with a usage of zero, which is its word.
        assert!(
            facts.usage.total > 0 || before["usage"]["total_tokens"] == 0,
            "{name}"
        );
        if api.streams() {
            assert!(facts.finish.is_some(), "{name}");
            let mut stream = Vec::new();
            from_answer(&body, &serving(api), 100, &mut stream)
                .unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert!(stream.ends_with(b"data: [DONE]\n\n"), "{name}");
        }
        answers += 1;
    }
    println!("{answers} recorded answers replayed, {counted} of them with usage");
    assert!(
        answers > 0,
        "no recorded answer was found under TURNOUT_TEST_DATA"
    );
}

#[test]
fn streams_stay_what_they_were() {
    let Some(files) = recorded() else {
        return;
    };
    let (mut streams, mut chunks, mut failed) = (0, 0, 0);
    for path in files
        .iter()
        .filter(|path| path.to_string_lossy().ends_with(".chunks.txt"))
    {
        let text = fs::read_to_string(path).unwrap();
        let before: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let Some(api) = before.iter().find_map(api_of).filter(|api| api.streams()) else {
            continue;
        };
        let name = path.display();
        let mut input = String::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            input.push_str(&format!("data: {line}\n\n"));
        }
        let mut editor = StreamEditor::new(&serving(api), 1 << 20);
        let mut out = Vec::new();
        let pushed = editor.push(input.as_bytes(), &serving(api), &mut out);
        if before.iter().any(|chunk| !chunk["error"].is_null()) {
            assert!(
                matches!(pushed, Err(StreamFault::ErrorInside { .. })),
                "{name}"
            );
            failed += 1;
            continue;
        }
        pushed.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(
            editor.eof(&serving(api), &mut out),
            Ok(EofVerdict::Complete),
            "{name}"
        );
        let mut after: Vec<Value> = Vec::new();
        for event in std::str::from_utf8(&out).unwrap().split_terminator("\n\n") {
            after.push(serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap());
        }
        let strip = |value: &Value| {
            let mut value = without_ours(value);
            if let Some(members) = value.as_object_mut() {
                members.remove("usage");
                members.entry("choices").or_insert_with(|| json!([]));
            }
            value
        };
        let expected: Vec<Value> = before
            .iter()
            .filter(|chunk| {
                !(chunk["usage"].is_object()
                    && chunk["choices"].as_array().is_none_or(Vec::is_empty))
            })
            .map(strip)
            .collect();
        assert_eq!(
            after.iter().map(strip).collect::<Vec<_>>(),
            expected,
            "{name}"
        );
        let facts = editor.end(&serving(api), 100, &mut out);
        assert!(facts.usage.total > 0, "{name}");
        streams += 1;
        chunks += expected.len();
    }
    println!("{streams} recorded streams replayed, {chunks} chunks; {failed} more hold an error");
    assert!(
        streams > 0,
        "no recorded stream was found under TURNOUT_TEST_DATA"
    );
}
