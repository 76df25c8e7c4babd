//! Properties of the chat family through the middle shape: no bytes cause a panic, any split of a stream gives the same, and a request
//! keeps its meaning on the way to another protocol and back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use serde_json::{Value, json};

use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::{EofVerdict, StreamEditor, StreamFault, from_answer};

const APIS: [Api; 3] = [Api::Responses, Api::Messages, Api::Gemini];

fn serving(api: Api, dialect: Dialect) -> Serving<'static> {
    Serving {
        api,
        dialect,
        asked: r#"{"reasoning":{"exclude":false}}"#,
        id: "gen-1-a",
        created: 5,
        now: || 9,
        model: "a/b",
        provider: "P",
        prices: None,
    }
}

/// What a push, an end of file and an end give.
type Read = (String, Result<EofVerdict, StreamFault>);

fn read(pieces: &[&[u8]], serving: &Serving<'_>) -> Read {
    let mut editor = StreamEditor::new(serving, 1 << 16);
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(fault) = editor.push(piece, serving, &mut out) {
            return (String::from_utf8(out).unwrap(), Err(fault));
        }
    }
    let verdict = editor.eof(serving, &mut out);
    if verdict == Ok(EofVerdict::Complete) {
        editor.end(serving, 10, &mut out);
    }
    (String::from_utf8(out).unwrap(), verdict)
}

/// A value where a member of a chunk or of a message may stand: of the right type more often than not.
fn piece() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any::<String>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<u32>().prop_map(Value::from),
        1 => Just(json!({})),
        1 => Just(json!([])),
    ]
}

fn call() -> impl Strategy<Value = Value> {
    (prop::option::of(0..3u8), piece(), piece(), piece()).prop_map(
        |(index, id, name, arguments)| json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}),
    )
}

fn delta() -> impl Strategy<Value = Value> {
    prop_oneof![
        piece().prop_map(|text| json!({"content": text})),
        piece().prop_map(|text| json!({"role": "assistant", "refusal": text})),
        piece().prop_map(|text| json!({"reasoning": text, "content": ""})),
        (piece(), piece(), piece()).prop_map(|(kind, text, signature)| json!({"reasoning_details": [
            {"type": "reasoning.text", "text": text, "signature": signature, "id": kind, "index": 0}]})),
        prop::collection::vec(call(), 0..3).prop_map(|calls| json!({"tool_calls": calls})),
        (piece(), piece()).prop_map(|(name, text)| json!({"function_call": {"name": name, "arguments": text}})),
        piece().prop_map(|url| json!({"images": [{"image_url": {"url": url}}]})),
        (piece(), piece()).prop_map(|(id, data)| json!({"audio": {"id": id, "data": data}})),
        piece().prop_map(|url| json!({"annotations": [{"type": "url_citation", "url_citation": {"url": url}}]})),
        piece(),
    ]
}

fn chunk() -> impl Strategy<Value = Value> {
    (
        delta(),
        prop_oneof![4 => Just(Value::Null), 1 => Just(json!("stop")), 1 => piece()],
        prop_oneof![
            4 => Just(Value::Null),
            1 => Just(json!({"prompt_tokens": 3, "completion_tokens": 4})),
            1 => piece(),
        ],
    )
        .prop_map(|(delta, finish, usage)| json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": usage}))
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(chunk(), 0..8).prop_map(|chunks| {
        let mut bytes = Vec::new();
        for chunk in chunks {
            bytes.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
        }
        bytes.extend_from_slice(b"data: [DONE]\n\n");
        bytes
    })
}

/// Every event holds JSON.
fn events_are_json(events: &str) -> Result<(), TestCaseError> {
    for data in events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
    {
        if data != "[DONE]" {
            serde_json::from_str::<Value>(data)
                .map_err(|error| TestCaseError::fail(format!("{error}: {data}")))?;
        }
    }
    Ok(())
}

/// A message of each role, with everything that all of these protocols can say.
fn conversation() -> impl Strategy<Value = Value> {
    // Blank texts and blanks around them are dropped where a protocol refuses them.
    let text = "[a-z][a-z \"\\\\\n\u{e9}\u{1f600}]{0,10}[a-z]";
    let turn = (text, text, prop::bool::ANY, "[a-z]{1,6}").prop_map(|(one, other, tool, name)| {
        let mut messages = vec![json!({"role": "user", "content": one})];
        if tool {
            messages.push(json!({"role": "assistant", "content": other, "tool_calls": [
                {"id": format!("call_{name}"), "type": "function", "function": {"name": name, "arguments": json!({"x": one}).to_string()}}]}));
            messages.push(json!({"role": "tool", "tool_call_id": format!("call_{name}"), "content": other}));
        }
        messages.push(json!({"role": "assistant", "content": other}));
        messages
    });
    (text, prop::collection::vec(turn, 1..4), text).prop_map(|(system, turns, last)| {
        let mut messages = vec![json!({"role": "system", "content": system})];
        messages.extend(turns.into_iter().flatten());
        messages.push(json!({"role": "user", "content": last}));
        json!({"model": "m", "messages": messages, "max_completion_tokens": 100, "temperature": 0.5,
            "stop": ["x"], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "tool_choice": "auto"})
    })
}

fn translated(body: &Value, api: Api, dialect: Dialect) -> Value {
    let request = match api.model_in_path() {
        true => {
            Request::read_beside_path(body.to_string().into_bytes(), api, "m".to_owned(), false)
        }
        false => Request::read(body.to_string().into_bytes(), api),
    };
    let request = request.unwrap();
    let mut out = Vec::new();
    let target = Target::new(dialect, "m");
    request.upstream(&target).unwrap().write_to(&mut out);
    serde_json::from_slice(&out).unwrap()
}

/// The conversation of a chat request in a form that does not tell neighbours of one role from one message.
fn said(body: &Value) -> Vec<(String, String, Value)> {
    let mut said: Vec<(String, String, Value)> = Vec::new();
    for message in body["messages"].as_array().unwrap() {
        let role = message["role"].as_str().unwrap();
        let text: String = match &message["content"] {
            Value::Array(parts) => parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect(),
            content => content.as_str().unwrap_or_default().to_owned(),
        };
        let calls: Vec<Value> = message["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|call| {
                let arguments = call["function"]["arguments"].as_str().unwrap();
                json!([
                    call["function"]["name"],
                    serde_json::from_str::<Value>(arguments).unwrap()
                ])
            })
            .collect();
        said.push((role.to_owned(), text, Value::Array(calls)));
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_a_stream_gives_the_same(bytes in stream(), cuts in prop::collection::vec(0..4096usize, 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut at = 0;
        for cut in cuts {
            pieces.push(&bytes[at..cut]);
            at = cut;
        }
        pieces.push(&bytes[at..]);
        for api in APIS {
            let serving = serving(api, Dialect::OpenAi);
            let whole = read(&[&bytes], &serving);
            events_are_json(&whole.0)?;
            prop_assert_eq!(&whole, &read(&pieces, &serving));
        }
    }

    #[test]
    fn streams_of_any_bytes_cause_no_panic(mut bytes in stream(), flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..5), end in any::<usize>()) {
        for (at, with) in flips {
            let at = at % bytes.len();
            bytes[at] = with;
        }
        bytes.truncate(end % (bytes.len() + 1));
        for api in APIS {
            let _ = read(&[&bytes], &serving(api, Dialect::OpenAi));
        }
    }

    #[test]
    fn answers_of_any_form_cause_no_panic(message in delta(), finish in piece(), usage in piece(), end in any::<usize>()) {
        let body = json!({"id": "c", "choices": [{"message": message, "finish_reason": finish}], "usage": usage}).to_string();
        for api in APIS {
            let serving = serving(api, Dialect::OpenAi);
            let mut out = Vec::new();
            if answer::edit(body.as_bytes(), &serving, 10, &mut out).is_ok() {
                let written: Result<Value, _> = serde_json::from_slice(&out);
                prop_assert!(written.is_ok(), "{}", String::from_utf8_lossy(&out));
                let mut events = Vec::new();
                prop_assert!(from_answer(body.as_bytes(), &serving, 10, &mut events).is_ok());
                events_are_json(std::str::from_utf8(&events).unwrap())?;
            }
            let cut = &body.as_bytes()[..end % (body.len() + 1)];
            let mut out = Vec::new();
            let _ = answer::edit(cut, &serving, 10, &mut out);
        }
    }

    #[test]
    fn requests_of_any_form_are_written_or_refused(
        messages in prop::collection::vec((delta(), prop::sample::select(vec!["system", "user", "assistant", "tool", "x"])), 0..4),
        name in prop::sample::select(vec!["tools", "tool_choice", "stop", "response_format", "reasoning", "top_p", "modalities", "metadata"]),
        value in piece(),
    ) {
        let messages: Vec<Value> = messages
            .into_iter()
            .map(|(mut message, role)| {
                if let Some(members) = message.as_object_mut() {
                    members.insert("role".to_owned(), json!(role));
                }
                message
            })
            .collect();
        let mut body = json!({"model": "m", "messages": messages});
        body[name] = value;
        let Ok(request) = Request::read(body.to_string().into_bytes(), Api::Chat) else {
            return Ok(());
        };
        for dialect in Dialect::ALL {
            match request.upstream(&Target::new(dialect, "m")) {
                Ok(upstream) => {
                    let mut out = Vec::new();
                    upstream.write_to(&mut out);
                    prop_assert!(serde_json::from_slice::<Value>(&out).is_ok(), "{}", String::from_utf8_lossy(&out));
                }
                Err(refusal) => prop_assert_eq!(refusal.status(), 400),
            }
        }
    }

    #[test]
    fn a_conversation_keeps_its_meaning_there_and_back(body in conversation()) {
        for api in [Api::Responses, Api::Messages] {
            let there = translated(&body, Api::Chat, api.home());
            let back = translated(&there, api, Dialect::OpenAi);
            let joined = |body: &Value| {
                let mut joined: Vec<(String, String, Value)> = Vec::new();
                for (role, text, calls) in said(body) {
                    match joined.last_mut() {
                        Some((last, before, _)) if *last == role && role == "system" => before.push_str(&text),
                        _ => joined.push((role, text, calls)),
                    }
                }
                joined
            };
            prop_assert_eq!(joined(&back), joined(&body), "through {}: {}", api.name(), there);
            for member in ["max_completion_tokens", "temperature", "tool_choice"] {
                prop_assert_eq!(&back[member], &body[member]);
            }
        }
    }
}
