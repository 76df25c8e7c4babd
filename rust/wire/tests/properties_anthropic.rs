//! Properties of Anthropic's messages, as an API and as a dialect: how a stream is cut into reads does not matter, no bytes cause a
//! panic, and whatever is written is JSON.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::{EofVerdict, StreamEditor, from_answer};

/// The APIs whose clients may get an answer of the dialect, and the API itself before others' answers.
const PAIRS: [(Api, Dialect); 6] = [
    (Api::Messages, Dialect::Anthropic),
    (Api::Chat, Dialect::Anthropic),
    (Api::Responses, Dialect::Anthropic),
    (Api::Gemini, Dialect::Anthropic),
    (Api::Messages, Dialect::OpenAi),
    (Api::Messages, Dialect::Gemini),
];

fn fixture(name: &str) -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/wire")
            .join(name),
    )
    .unwrap()
}

/// All that a stream becomes when it is read in these pieces, the end included; a fault ends it.
fn streamed<'b>(pieces: impl Iterator<Item = &'b [u8]>, serving: &Serving<'_>) -> String {
    let mut editor = StreamEditor::new(serving, 1 << 16);
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(fault) = editor.push(piece, serving, &mut out) {
            out.extend_from_slice(format!("{fault:?}").as_bytes());
            return String::from_utf8(out).unwrap();
        }
    }
    match editor.eof(serving, &mut out) {
        Ok(EofVerdict::Complete) => drop(editor.end(serving, 100, &mut out)),
        other => out.extend_from_slice(format!("{other:?}").as_bytes()),
    }
    String::from_utf8(out).unwrap()
}

fn split<'b>(body: &'b [u8], cuts: &[prop::sample::Index]) -> Vec<&'b [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for place in places {
        pieces.push(&body[start..place]);
        start = place;
    }
    pieces.push(&body[start..]);
    pieces
}

/// A request in which members, blocks and types are mixed as no client would.
fn any_request() -> impl Strategy<Value = Value> {
    let leaf = || {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<u32>().prop_map(Value::from),
            "[a-z\"\\\\\n é:|]{0,8}".prop_map(Value::from),
            Just(json!({"type": "ephemeral", "ttl": "1h"})),
            Just(json!("turnout:1:google-gemini-v1:call:1:tsig")),
        ]
    };
    let source = prop_oneof![
        Just(json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="})),
        Just(json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="})),
        Just(json!({"type": "url", "url": "https://example.com/a"})),
        Just(json!({"type": "text", "data": "plain"})),
        Just(json!({"type": "content", "content": [{"type": "text", "text": "x"}]})),
        leaf(),
    ];
    let kinds = prop::sample::select(vec![
        "text",
        "image",
        "document",
        "search_result",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
        "server_tool_use",
        "tomorrow",
    ]);
    let block =
        (kinds, leaf(), leaf(), source, leaf()).prop_map(|(kind, one, other, source, last)| {
            let mut block = json!({"type": kind, "source": source, "cache_control": null});
            for (name, value) in [
                ("text", json!("t ")),
                ("thinking", json!("t")),
                ("id", json!("i|1")),
                ("name", json!("f")),
                ("tool_use_id", json!("i|1")),
                ("signature", json!("turnout:1:unknown:thought:0:")),
                ("data", json!("d")),
                ("input", one.clone()),
                ("content", other.clone()),
                ("title", json!("t")),
            ] {
                block[name] = value;
            }
            // One member of it is anything at all.
            let names = [
                "text",
                "id",
                "name",
                "signature",
                "data",
                "cache_control",
                "is_error",
            ];
            let at = last.to_string().len() % names.len();
            block[names[at]] = last;
            block
        });
    let content = prop_oneof![
        leaf(),
        prop::collection::vec(block, 0..5).prop_map(Value::from)
    ];
    let roles = prop::sample::select(vec!["user", "assistant", "system"]);
    let turn = (roles, content.clone())
        .prop_map(|(role, content)| json!({"role": role, "content": content}));
    let tools = prop::sample::select(vec![
        json!([]),
        json!([{"name": "f"}, {"type": "web_search_20250305", "name": "web_search"}]),
        json!([{"type": "bash_20250124", "name": "bash"}, {"name": "g", "strict": true, "input_schema": {"a": 1}}]),
    ]);
    let thinking = prop::sample::select(vec![
        json!(null),
        json!({"type": "adaptive"}),
        json!({"type": "enabled", "budget_tokens": 2000}),
        json!({"type": "disabled"}),
    ]);
    (
        prop::collection::vec(turn, 0..5),
        content,
        tools,
        thinking,
        leaf(),
    )
        .prop_map(|(turns, system, tools, thinking, any)| {
            json!({
                "model": "a/b", "max_tokens": 4000, "messages": turns, "system": system,
                "tools": tools, "thinking": thinking, "cache_control": any
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_split_of_a_stream_gives_the_same(cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..12)) {
        let body = fixture("streams_of/anthropic-everything.sse");
        for (api, dialect) in &PAIRS[..4] {
            let serving = serving::example(*api, *dialect);
            let whole = streamed([body.as_slice()].into_iter(), &serving);
            let split = streamed(split(&body, &cuts).into_iter(), &serving);
            prop_assert_eq!(whole, split);
        }
    }

    #[test]
    fn a_damaged_stream_or_answer_is_never_a_panic(
        cut in any::<prop::sample::Index>(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        for name in ["streams_of/anthropic-everything.sse", "streams_of/anthropic-server-tool.sse", "answers_of/anthropic-everything.json"] {
            let mut body = fixture(name);
            body.truncate(cut.index(body.len() + 1));
            for (place, byte) in &hits {
                if !body.is_empty() {
                    let at = place.index(body.len());
                    body[at] = *byte;
                }
            }
            for (api, dialect) in PAIRS {
                let serving = serving::example(api, dialect);
                let _ = streamed([body.as_slice()].into_iter(), &serving);
                let mut out = Vec::new();
                if answer::edit(&body, &serving, 100, &mut out).is_ok() {
                    prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
                }
                let _ = from_answer(&body, &serving, 100, &mut Vec::new());
            }
        }
    }

    #[test]
    fn a_request_is_refused_or_becomes_json_for_every_dialect(body in any_request()) {
        for dialect in Dialect::ALL {
            let request = Request::read(body.to_string().into_bytes(), Api::Messages).unwrap();
            let target = Target::new(dialect, "m");
            let Ok(upstream) = request.upstream(&target) else {
                continue;
            };
            let mut out = Vec::new();
            upstream.write_to(&mut out);
            let written: Result<Value, _> = serde_json::from_slice(&out);
            prop_assert!(written.is_ok(), "{}: {}", dialect.name(), String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn what_is_written_for_the_dialect_keeps_its_rules(body in any_request()) {
        // The marker lets the body be written anew for its own dialect.
        let mut body = body;
        body["marker"] = json!("turnout:1:");
        let request = Request::read(body.to_string().into_bytes(), Api::Messages).unwrap();
        let target = Target::new(Dialect::Anthropic, "m");
        let Ok(upstream) = request.upstream(&target) else {
            return Ok(());
        };
        let mut out = Vec::new();
        upstream.write_to(&mut out);
        let written: Value = serde_json::from_slice(&out).unwrap();
        let messages = written["messages"].as_array().unwrap();
        if let Some(first) = messages.first() {
            prop_assert_ne!(&first["role"], "assistant");
        }
        for pair in messages.windows(2) {
            prop_assert_ne!(&pair[0]["role"], &pair[1]["role"]);
        }
        for message in messages {
            let blocks = message["content"].as_array().unwrap();
            prop_assert!(!blocks.is_empty());
            for block in blocks.iter().filter(|block| block["type"] == "text") {
                prop_assert!(!block["text"].as_str().unwrap().trim().is_empty());
            }
        }
        prop_assert!(String::from_utf8_lossy(&out).matches("\"cache_control\"").count() <= 4 + body.to_string().matches("server_tool_use").count() + body.to_string().matches("tomorrow").count());
        // What was packed for others reaches no provider as a thought.
        for message in messages {
            for block in message["content"].as_array().unwrap() {
                let signed = block["signature"].as_str().unwrap_or_default();
                if block["type"] == "thinking" {
                    prop_assert!(!signed.starts_with("turnout:"));
                }
            }
        }
    }
}
