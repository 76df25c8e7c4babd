//! Properties: reading agrees with a full parser, editing changes only what it should, and no bytes cause a panic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::{Map, Value, json};

use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Quirks};
use turnout_wire::json::Walker;
use turnout_wire::request::{ROUTING_FIELDS, Request, Target};
use turnout_wire::stream::{StreamEditor, from_answer};

const SERVING: Serving<'static> = serving::example(Api::Chat, Dialect::OpenAi);

/// Any JSON value, with keys that the gateway cares about more often than chance would have it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z/]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any_key(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "model",
            "models",
            "stream",
            "stream_options",
            "include_usage",
            "max_tokens",
            "max_completion_tokens",
            "provider",
            "user",
            "session_id",
            "usage",
            "debug",
            "trace",
            "messages",
            "id",
            "created",
            "object",
            "choices",
            "delta",
            "message",
            "content",
            "finish_reason",
            "native_finish_reason",
            "prompt_tokens",
            "total_tokens",
            "cost",
            "error",
            "tool_calls",
        ])
        .prop_map(str::to_owned),
        any::<String>().prop_filter("serde_json reads this key in its own way", |key| !key
            .starts_with('$')),
    ]
}

/// Writes a string so that parsing gives it back, with some characters escaped that need not be.
fn write_string(text: &str, escape: &mut impl FnMut() -> bool, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if escape() || character < ' ' || character == '"' || character == '\\' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

/// An object's text with its members in the given order, duplicates and needless escapes included.
fn any_object_text() -> impl Strategy<Value = String> {
    let member = (any_key(), any_json(), any::<u8>(), "[ \n\t\r]{0,2}");
    prop::collection::vec(member, 0..8).prop_map(|members| {
        let mut out = String::from("{");
        for (at, (key, value, escapes, space)) in members.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(space);
            let mut left = if *escapes < 40 { *escapes } else { 0 };
            write_string(
                key,
                &mut || {
                    let escape = left & 1 == 1;
                    left >>= 1;
                    escape
                },
                &mut out,
            );
            out.push_str(space);
            out.push(':');
            out.push_str(&value.to_string());
            out.push_str(space);
        }
        out.push('}');
        out
    })
}

/// A request that is likely to be accepted.
fn likely_request() -> impl Strategy<Value = String> {
    let strings = prop::collection::vec("[a-z]{1,4}", 0..3);
    let member = prop_oneof![
        4 => "[a-z]{1,5}/[a-z]{1,5}".prop_map(|model| ("model".to_owned(), json!(model))),
        3 => any::<bool>().prop_map(|stream| ("stream".to_owned(), json!(stream))),
        2 => prop_oneof![
            Just(Value::Null), Just(json!({})), Just(json!({"include_usage":false})), Just(json!({"x":1,"include_usage":true})), Just(json!({"x":1})),
        ].prop_map(|options| ("stream_options".to_owned(), options)),
        1 => strings.prop_map(|models| ("models".to_owned(), json!(models))),
        2 => prop::sample::select(ROUTING_FIELDS.to_vec()).prop_map(|name| (name.to_owned(), Value::Null)),
        1 => Just(("provider".to_owned(), json!({"order":["x"]}))),
        1 => any::<u32>().prop_map(|tokens| ("max_tokens".to_owned(), json!(tokens))),
        3 => ("[a-z\"\u{e9}]{1,3}", any_json()),
    ];
    (prop::collection::vec(member, 0..9), any::<u8>()).prop_map(|(members, escape_at)| {
        let mut out = String::from("{");
        for (at, (key, value)) in members.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            let mut first = at == usize::from(escape_at / 8);
            write_string(key, &mut || std::mem::take(&mut first), &mut out);
            out.push(':');
            out.push_str(&value.to_string());
        }
        out.push('}');
        out
    })
}

/// What the gateway must have understood, taken from a full parser.
fn agrees_with_a_full_parser(body: &[u8]) -> TestCaseResult {
    let full = serde_json::from_slice::<Map<String, Value>>(body);
    let peeked = Request::read(body.to_vec(), Api::Chat);
    let shown = String::from_utf8_lossy(body).into_owned();
    let members = match (full, peeked) {
        (Err(_), Err(refusal)) => {
            prop_assert_eq!(refusal.kind.name(), "malformed_json", "{}", shown);
            return Ok(());
        }
        (Err(error), Ok(_)) => {
            return Err(TestCaseError::fail(format!(
                "accepted, but {error}: {shown}"
            )));
        }
        (Ok(members), Err(refusal)) => {
            prop_assert_eq!(
                refusal.kind.name(),
                "invalid_request",
                "{}: {}",
                refusal.message,
                shown
            );
            prop_assert!(
                has_wrong_types(&members),
                "refused without a reason: {} {}",
                refusal.message,
                shown
            );
            return Ok(());
        }
        (Ok(members), Ok(request)) => {
            prop_assert!(!has_wrong_types(&members), "accepted: {}", shown);
            let string = |name: &str| members.get(name).and_then(Value::as_str);
            prop_assert_eq!(request.model(), string("model"));
            prop_assert_eq!(request.user(), string("user"));
            prop_assert_eq!(request.session_id(), string("session_id"));
            prop_assert_eq!(
                request.stream(),
                members.get("stream") == Some(&Value::Bool(true))
            );
            prop_assert_eq!(
                json!(request.models()),
                members
                    .get("models")
                    .filter(|value| !value.is_null())
                    .cloned()
                    .unwrap_or(json!([]))
            );
            let tokens = |name: &str| members.get(name).and_then(Value::as_u64);
            if let Some(expected) = tokens("max_completion_tokens").or_else(|| tokens("max_tokens"))
            {
                // A float without a fraction counts too, so only a plain integer is compared.
                if members
                    .get("max_completion_tokens")
                    .is_none_or(|value| value.is_u64() || value.is_null())
                {
                    prop_assert_eq!(request.max_tokens(), Some(expected));
                }
            }
            let kept: Map<String, Value> = serde_json::from_slice(request.body()).unwrap();
            prop_assert_eq!(&kept, &members);
            for stream_usage in [false, true] {
                for routing_fields in [false, true] {
                    edits_as_expected(&request, &members, stream_usage, routing_fields)?;
                }
            }
            members
        }
    };
    drop(members);
    Ok(())
}

fn has_wrong_types(members: &Map<String, Value>) -> bool {
    let given = |name: &str| members.get(name).filter(|value| !value.is_null());
    let strings = |value: &Value| {
        value
            .as_array()
            .is_some_and(|entries| entries.len() <= 64 && entries.iter().all(Value::is_string))
    };
    given("model").is_some_and(|value| !value.is_string())
        || given("stream").is_some_and(|value| !value.is_boolean())
        || given("models").is_some_and(|value| !strings(value))
        || given("provider").is_some_and(|value| {
            let inner = |name: &str| value.get(name).filter(|value| !value.is_null());
            !value.is_object()
                || ["order", "only", "ignore"]
                    .iter()
                    .any(|name| inner(name).is_some_and(|list| !strings(list)))
                || inner("allow_fallbacks").is_some_and(|allow| !allow.is_boolean())
        })
}

/// How often a key stands at the top level, as a parser reads it.
fn times(object: &[u8], name: &str) -> usize {
    let text = std::str::from_utf8(object).unwrap();
    let mut walker = Walker::new(text);
    let mut times = 0;
    let mut more = walker.enter_object().unwrap();
    while more {
        let key = walker.key().unwrap();
        let raw = format!("\"{}\"", key.name);
        times += usize::from(serde_json::from_str::<String>(&raw).unwrap() == name);
        walker.value().unwrap();
        more = walker.next_member().unwrap();
    }
    times
}

fn edits_as_expected(
    request: &Request,
    members: &Map<String, Value>,
    stream_usage: bool,
    routing_fields: bool,
) -> TestCaseResult {
    let quirks = Quirks {
        stream_usage,
        ..Quirks::OPENAI
    };
    let target = Target {
        quirks: &quirks,
        routing_fields,
        ..Target::new(Dialect::OpenAi, "up\"stream")
    };
    let upstream = request.upstream(&target).unwrap();
    let mut sent = Vec::new();
    upstream.write_to(&mut sent);
    prop_assert_eq!(sent.len(), upstream.len());
    prop_assert_eq!(&upstream.pieces().collect::<Vec<_>>().concat(), &sent);
    for name in ["model", "stream", "stream_options"] {
        // Equal maps are not enough: a provider that keeps the first of two keys must see the same as one that keeps the last.
        prop_assert!(
            times(&sent, name) <= 1,
            "{} stands twice: {}",
            name,
            String::from_utf8_lossy(&sent)
        );
    }
    let sent: Map<String, Value> = serde_json::from_slice(&sent).map_err(|error| {
        TestCaseError::fail(format!("{error}: {}", String::from_utf8_lossy(&sent)))
    })?;
    let mut expected = members.clone();
    expected.insert("model".to_owned(), json!("up\"stream"));
    if request.stream() && stream_usage {
        let options = expected.entry("stream_options").or_insert(Value::Null);
        match options {
            Value::Object(options) => {
                options.insert("include_usage".to_owned(), Value::Bool(true));
            }
            Value::Null => *options = json!({"include_usage": true}),
            _ => {}
        }
    }
    if !routing_fields {
        expected.retain(|name, _| !ROUTING_FIELDS.contains(&name.as_str()));
    }
    if !stream_usage {
        expected.remove("stream_options");
    }
    // OpenAI's own name for the limit, unless it stands there too.
    let limit = expected.get("max_tokens").filter(|limit| !limit.is_null());
    if let Some(limit) = limit.cloned()
        && !expected.contains_key("max_completion_tokens")
    {
        expected.remove("max_tokens");
        expected.insert("max_completion_tokens".to_owned(), limit);
    }
    prop_assert_eq!(sent, expected);
    Ok(())
}

/// One small damage: a flipped bit, a removed or doubled stretch, a cut, or an inserted piece that parsers stumble over.
fn damage(bytes: &mut Vec<u8>, how: u8, at: usize, with: usize) {
    const PIECES: [&[u8]; 16] = [
        b"\\ud800",
        b"\\udc00",
        b"\\u0000",
        b"\\",
        b"\"",
        b"\0",
        b"\xff",
        b"\xc3",
        b"1e999",
        b"1e-999",
        b"-",
        b"00",
        b",",
        b"]",
        b"}",
        b"\xef\xbb\xbf",
    ];
    let len = bytes.len().max(1);
    let (at, with) = (at % len, with % len);
    let (low, high) = (at.min(with), at.max(with).min(bytes.len()));
    match how % 6 {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (with % 8);
            }
        }
        1 => bytes.truncate(at),
        2 => {
            bytes.drain(low..high);
        }
        3 => {
            let copy = bytes[low..high].to_vec();
            bytes.splice(low..low, copy);
        }
        4 => {
            let deep = "[".repeat(with % 200) + &"]".repeat(with % 200);
            bytes.splice(at.min(bytes.len())..at.min(bytes.len()), deep.bytes());
        }
        _ => {
            let piece = PIECES[with % PIECES.len()];
            let at = at.min(bytes.len());
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}

fn any_damage() -> impl Strategy<Value = Vec<(u8, usize, usize)>> {
    prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 1..4)
}

/// A chunk that is likely to be accepted.
fn likely_chunk() -> impl Strategy<Value = Value> {
    let delta = prop_oneof![
        any::<String>().prop_map(|text| json!({"role":"assistant","content":text})),
        any::<String>()
            .prop_map(|text| json!({"tool_calls":[{"index":0,"function":{"arguments":text}}]})),
        any_json(),
    ];
    let finish = prop_oneof![
        Just(Value::Null),
        Just(json!("stop")),
        Just(json!("MAX_TOKENS")),
        Just(json!("")),
        any_json()
    ];
    let usage = prop_oneof![
        Just(Value::Null),
        (any::<u16>(), any::<u16>()).prop_map(
            |(prompt, completion)| json!({"prompt_tokens":prompt,"completion_tokens":completion})
        ),
    ];
    (prop::collection::vec((delta, finish), 0..3), prop::option::of(usage), prop::option::of(any_json())).prop_map(
        |(choices, usage, extra)| {
            let choices: Vec<Value> = choices
                .into_iter()
                .enumerate()
                .map(|(index, (delta, finish))| json!({"index":index,"delta":delta,"finish_reason":finish}))
                .collect();
            let mut chunk = json!({"id":"x","model":"m","created":1,"choices":choices});
            if let Some(usage) = usage {
                chunk["usage"] = usage;
            }
            if let Some(extra) = extra {
                chunk["extra"] = extra;
            }
            chunk
        },
    )
}

/// An event stream's bytes in one of the forms that the standard allows.
fn likely_stream() -> impl Strategy<Value = Vec<u8>> {
    let event = prop_oneof![
        8 => likely_chunk().prop_map(|chunk| format!("data: {chunk}")),
        1 => likely_chunk().prop_map(|chunk| format!("data:{}", chunk.to_string().replace("\"choices\":[", "\"choices\":\ndata: ["))),
        1 => Just(": comment".to_owned()),
        1 => Just("event: x\nid: 1".to_owned()),
        1 => Just("data: [DONE]".to_owned()),
    ];
    (
        prop::collection::vec(event, 0..6),
        0..3usize,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(events, line_end, bom, last)| {
            let mut text = if bom {
                "\u{feff}".to_owned()
            } else {
                String::new()
            };
            for event in &events {
                text.push_str(event);
                text.push_str("\n\n");
            }
            if !last {
                text.truncate(text.trim_end_matches('\n').len());
            }
            text.replace('\n', ["\n", "\r\n", "\r"][line_end])
                .into_bytes()
        })
}

/// All that can be seen of a stream pushed in these parts.
fn outcome(parts: &[&[u8]]) -> (Vec<u8>, String) {
    let mut editor = StreamEditor::new(&SERVING, 100_000);
    let mut out = Vec::new();
    let mut faults = String::new();
    for part in parts {
        if let Err(fault) = editor.push(part, &SERVING, &mut out) {
            // How much of a body that is no stream is shown depends on how much was read.
            faults = match fault {
                turnout_wire::stream::StreamFault::NotAStream { .. } => "not a stream".to_owned(),
                fault => format!("{fault:?}"),
            };
            break;
        }
    }
    let verdict = if faults.is_empty() {
        format!("{:?}", editor.eof(&SERVING, &mut out))
    } else {
        faults
    };
    let facts = editor.end(&SERVING, 100, &mut out);
    (out, format!("{verdict} {facts:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_peek_agrees_on_arbitrary_objects(text in any_object_text()) {
        agrees_with_a_full_parser(text.as_bytes())?;
    }

    #[test]
    fn the_peek_agrees_on_likely_requests(text in likely_request()) {
        agrees_with_a_full_parser(text.as_bytes())?;
    }

    #[test]
    fn the_peek_agrees_on_damaged_requests(text in prop_oneof![any_object_text(), likely_request()], damages in any_damage()) {
        let mut bytes = text.into_bytes();
        for (how, at, with) in damages {
            damage(&mut bytes, how, at, with);
        }
        agrees_with_a_full_parser(&bytes)?;
    }

    #[test]
    fn the_peek_agrees_on_arbitrary_values(value in any_json()) {
        agrees_with_a_full_parser(value.to_string().as_bytes())?;
        agrees_with_a_full_parser(format!("{{\"model\":{value}}}").as_bytes())?;
    }

    #[test]
    fn the_peek_agrees_on_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        agrees_with_a_full_parser(&bytes)?;
    }

    #[test]
    fn a_stream_may_be_split_anywhere(bytes in likely_stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let whole = outcome(&[&bytes]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut from = 0;
        for cut in cuts {
            parts.push(&bytes[from..cut]);
            from = cut;
        }
        parts.push(&bytes[from..]);
        prop_assert_eq!(&outcome(&parts), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&outcome(&single), &whole);
    }

    #[test]
    fn every_event_that_is_written_is_one_line_of_json(bytes in likely_stream()) {
        let (out, _) = outcome(&[&bytes]);
        let text = String::from_utf8(out).unwrap();
        let events: Vec<&str> = text.split_terminator("\n\n").collect();
        let (last, chunks) = events.split_last().unwrap();
        prop_assert_eq!(*last, "data: [DONE]");
        for event in chunks {
            let chunk: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
            prop_assert_eq!(&chunk["id"], "gen-1-a");
            prop_assert_eq!(&chunk["model"], "a/b");
            prop_assert_eq!(&chunk["created"], 5);
            prop_assert_eq!(&chunk["provider"], "P");
            prop_assert!(chunk["choices"].is_array());
            for choice in chunk["choices"].as_array().unwrap() {
                let reason = &choice["finish_reason"];
                let known = ["stop", "length", "tool_calls", "content_filter", "error"];
                prop_assert!(reason.is_null() || known.contains(&reason.as_str().unwrap_or("")), "{}", reason);
                prop_assert!(choice.get("native_finish_reason").is_some());
            }
        }
    }

    #[test]
    fn an_answer_keeps_what_is_not_ours(chunk in likely_chunk(), damages in prop::option::of(any_damage())) {
        let mut body = chunk.to_string().into_bytes();
        let whole = damages.is_none();
        for (how, at, with) in damages.unwrap_or_default() {
            damage(&mut body, how, at, with);
        }
        let mut out = Vec::new();
        match answer::edit(&body, &SERVING, 10, &mut out) {
            Err(_) => prop_assert!(out.is_empty()),
            Ok(_) => {
                let edited: Value = serde_json::from_slice(&out).unwrap();
                prop_assert!(edited["usage"]["cost"].is_number());
                if whole {
                    // Read back from text, because the parser may round a float in the last digit.
                    let chunk: Value = serde_json::from_str(&chunk.to_string()).unwrap();
                    prop_assert_eq!(edited.get("extra"), chunk.get("extra"));
                    prop_assert_eq!(&edited["choices"][0]["delta"], &chunk["choices"][0]["delta"]);
                }
            }
        }
        let mut out = Vec::new();
        if from_answer(&body, &SERVING, 10, &mut out).is_ok() {
            prop_assert!(out.ends_with(b"data: [DONE]\n\n"));
        }
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), stream in likely_stream(), damages in any_damage()) {
        for api in Api::ALL {
            let serving = Serving { api, ..SERVING };
            let mut out = Vec::new();
            let _ = answer::edit(&bytes, &serving, 10, &mut out);
            let _ = Request::read(bytes.clone(), api);
        }
        outcome(&[&bytes]);
        let mut stream = stream;
        for (how, at, with) in damages {
            damage(&mut stream, how, at, with);
        }
        let (out, _) = outcome(&[&stream]);
        prop_assert!(out.ends_with(b"data: [DONE]\n\n"));
    }
}
