//! Properties of the responses API and dialect: the split of a stream's bytes does not matter, no bytes cause a panic, and a request
//! that is read and written keeps its meaning.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::StreamEditor;

fn serving(api: Api, dialect: Dialect) -> Serving<'static> {
    Serving {
        api,
        dialect,
        asked: r#"{"include":["reasoning.encrypted_content"],"tools":[{"type":"custom","name":"c"}]}"#,
        id: "gen-1-a",
        created: 5,
        now: || 9,
        model: "a/b",
        provider: "P",
        prices: None,
    }
}

/// Every way of an answer that this API or dialect takes part in.
const WAYS: [(Api, Dialect); 5] = [
    (Api::Responses, Dialect::Responses),
    (Api::Chat, Dialect::Responses),
    (Api::Messages, Dialect::Responses),
    (Api::Gemini, Dialect::Responses),
    (Api::Responses, Dialect::OpenAi),
];

/// What a stream becomes, with its end.
fn read(pieces: &[&[u8]], way: (Api, Dialect)) -> (String, bool) {
    let serving = serving(way.0, way.1);
    let mut editor = StreamEditor::new(&serving, 1 << 20);
    let mut out = Vec::new();
    let mut whole = pieces
        .iter()
        .all(|piece| editor.push(piece, &serving, &mut out).is_ok());
    whole = whole && editor.eof(&serving, &mut out).is_ok();
    editor.end(&serving, 100, &mut out);
    (String::from_utf8(out).unwrap(), whole)
}

fn streams() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire/streams_of");
    let mut streams: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("responses-") && name.ends_with(".sse")
        })
        .collect();
    streams.sort();
    streams.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// JSON with the members that items and events have.
fn any_item() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0..3u64).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        prop::sample::select(vec![
            "message",
            "reasoning",
            "function_call",
            "function_call_output",
            "custom_tool_call",
            "input_text",
            "output_text",
            "summary_text",
            "input_image",
            "user",
            "assistant",
            "c",
            "response.output_item.added",
            "response.output_item.done",
            "response.output_text.delta",
            "response.completed",
            "response.function_call_arguments.delta",
            "completed",
            "turnout-v1:[{\"kind\":\"text\"}]",
        ])
        .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "role",
        "content",
        "text",
        "item",
        "output",
        "output_index",
        "content_index",
        "item_id",
        "delta",
        "id",
        "call_id",
        "name",
        "arguments",
        "input",
        "summary",
        "encrypted_content",
        "response",
        "status",
        "usage",
        "input_tokens",
        "error",
        "annotation",
        "namespace",
        "tools",
    ]);
    leaf.prop_recursive(4, 24, 6, move |inner| {
        let members = prop::collection::vec((key.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| {
                let members = members.into_iter();
                Value::Object(
                    members
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_split_of_a_stream_does_not_matter(
        which in 0..64usize,
        cuts in prop::collection::vec(0..4096usize, 0..8),
    ) {
        let streams = streams();
        let stream = &streams[which % streams.len()];
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % stream.len()).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        for way in WAYS {
            prop_assert_eq!(read(&pieces, way), read(&[stream], way));
        }
    }

    #[test]
    fn a_stream_that_is_cut_or_damaged_causes_no_panic(
        which in 0..64usize,
        cut in 0..1_000_000usize,
        damage in prop::collection::vec((0..1_000_000usize, any::<u8>()), 0..4),
    ) {
        let streams = streams();
        let mut stream = streams[which % streams.len()].clone();
        for (at, byte) in damage {
            let at = at % stream.len();
            stream[at] = byte;
        }
        stream.truncate(cut % stream.len());
        for way in WAYS {
            read(&[&stream], way);
        }
    }

    #[test]
    fn no_answer_and_no_event_causes_a_panic(items in prop::collection::vec(any_item(), 0..6)) {
        let mut stream = String::new();
        for item in &items {
            stream.push_str(&format!("data: {item}\n\n"));
        }
        let body = json!({"status": "completed", "output": items}).to_string();
        for way in WAYS {
            read(&[stream.as_bytes()], way);
            let _ = answer::edit(body.as_bytes(), &serving(way.0, way.1), 10, &mut Vec::new());
        }
    }

    #[test]
    fn no_request_causes_a_panic_and_what_is_accepted_is_written_as_json(
        input in prop::collection::vec(any_item(), 0..5),
        tools in prop::collection::vec(any_item(), 0..3),
        choice in any_item(),
    ) {
        let body = json!({"model": "m", "input": input, "tools": tools, "tool_choice": choice});
        let body = serde_json::to_vec(&body).unwrap();
        for dialect in Dialect::ALL {
            let Ok(request) = Request::read(body.clone(), Api::Responses) else { continue };
            let Ok(upstream) = request.upstream(&Target::new(dialect, "m")) else { continue };
            let mut out = Vec::new();
            upstream.write_to(&mut out);
            prop_assert!(serde_json::from_slice::<Value>(&out).is_ok(), "{}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn texts_and_calls_keep_their_meaning_from_chat_to_here(
        system in ".{1,20}",
        user in ".{1,20}",
        name in "[a-z_]{1,12}",
        argument in ".{0,20}",
        result in ".{0,20}",
        tokens in 1..100_000u64,
    ) {
        let arguments = json!({"a": argument}).to_string();
        let body = json!({"model": "m", "max_tokens": tokens, "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": user},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": result},
        ]});
        let request = Request::read(serde_json::to_vec(&body).unwrap(), Api::Chat).unwrap();
        let target = Target::new(Dialect::Responses, "m");
        let mut out = Vec::new();
        request.upstream(&target).unwrap().write_to(&mut out);
        let there: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&there["instructions"], &system);
        prop_assert_eq!(&there["input"][0]["content"][0]["text"], &user);
        prop_assert_eq!(&there["input"][1]["arguments"], &arguments);
        prop_assert_eq!(&there["input"][2]["output"], &result);
        // And back, through a provider that speaks the other protocol.
        let request = Request::read(out, Api::Responses).unwrap();
        let mut out = Vec::new();
        request.upstream(&Target::new(Dialect::OpenAi, "m")).unwrap().write_to(&mut out);
        let back: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&back["messages"][0]["content"], &system);
        prop_assert_eq!(&back["messages"][1]["content"], &user);
        prop_assert_eq!(&back["messages"][2]["tool_calls"][0]["function"]["arguments"], &arguments);
        prop_assert_eq!(&back["messages"][2]["tool_calls"][0]["function"]["name"], &name);
        prop_assert_eq!(&back["messages"][3]["content"], &result);
        prop_assert_eq!(&back["max_completion_tokens"], tokens);
    }
}
