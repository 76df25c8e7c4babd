//! What must hold of Gemini's protocol for any input: any split of a stream gives the same output, no bytes make it panic, and
//! a request that is written and read again means the same.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use serde_json::{Value, json};

use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::api::gemini::ArrayFraming;
use turnout_wire::dialect::{Dialect, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::{EofVerdict, StreamEditor};

const APIS: [Api; 5] = [
    Api::Chat,
    Api::Completions,
    Api::Responses,
    Api::Messages,
    Api::Gemini,
];

fn serving(api: Api) -> Serving<'static> {
    Serving {
        api,
        dialect: Dialect::Gemini,
        asked: r#"{"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#,
        id: "gen-1",
        created: 5,
        now: || 9,
        model: "a/b",
        provider: "P",
        prices: None,
    }
}

/// Everything that a stream gives, in pieces of these sizes, over and over.
fn streamed(body: &[u8], sizes: &[usize], api: Api) -> (Vec<u8>, String) {
    let serving = serving(api);
    let mut editor = StreamEditor::new(&serving, 1 << 20);
    let mut out = Vec::new();
    let mut rest = body;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min((*sizes.next().unwrap()).max(1)));
        if let Err(fault) = editor.push(piece, &serving, &mut out) {
            return (out, format!("{fault:?}"));
        }
        rest = after;
    }
    match editor.eof(&serving, &mut out) {
        Ok(EofVerdict::Complete) => {
            let facts = editor.end(&serving, 10, &mut out);
            (out, format!("{facts:?}"))
        }
        other => (out, format!("{other:?}")),
    }
}

/// A part of an answer.
fn part() -> impl Strategy<Value = Value> {
    let text = "[a-zé\"\\\\\n ]{0,12}";
    prop_oneof![
        (
            text,
            any::<bool>(),
            proptest::option::of("[A-Za-z0-9+/]{4}")
        )
            .prop_map(|(text, thought, signature)| {
                let mut part = json!({"text": text});
                if thought {
                    part["thought"] = json!(true);
                }
                if let Some(signature) = signature {
                    part["thoughtSignature"] = json!(signature);
                }
                part
            }),
        (text, proptest::option::of("[a-z]{1,4}")).prop_map(|(value, id)| {
            let mut call = json!({"name": "f", "args": {"a": value}});
            if let Some(id) = id {
                call["id"] = json!(id);
            }
            json!({"functionCall": call})
        }),
        Just(json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})),
        Just(json!({"functionCall": {"name": "g", "willContinue": true}})),
        Just(
            json!({"functionCall": {"partialArgs": [{"jsonPath": "$.a[0]", "stringValue": "é\"", "willContinue": true}], "willContinue": true}})
        ),
        Just(json!({"functionCall": {}})),
        Just(json!({"executableCode": {"language": "PYTHON", "code": "1"}})),
        Just(json!({})),
    ]
}

/// A stream of some events, the last with a reason for the end.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![Just("\n\n"), Just("\r\n\r\n"), Just("\r\r")];
    proptest::collection::vec((proptest::collection::vec(part(), 0..3), end), 1..6).prop_map(
        |events| {
            let mut out = Vec::new();
            let last = events.len() - 1;
            for (at, (parts, end)) in events.into_iter().enumerate() {
                let mut event = json!({
                    "candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
                    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": at},
                    "responseId": "r",
                });
                if at == last {
                    event["candidates"][0]["finishReason"] = json!("STOP");
                }
                out.extend_from_slice(format!("data: {event}{end}").as_bytes());
            }
            out
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_a_stream_gives_the_same(
        body in stream(),
        sizes in proptest::collection::vec(1usize..40, 1..5),
    ) {
        for api in APIS {
            let whole = streamed(&body, &[body.len()], api);
            prop_assert_eq!(&whole, &streamed(&body, &sizes, api), "{}", api.name());
            prop_assert_eq!(&whole, &streamed(&body, &[1], api), "{}", api.name());
        }
    }

    #[test]
    fn a_stream_that_is_cut_is_never_whole(body in stream(), at in any::<prop::sample::Index>()) {
        // Without the last event there is no reason for the end.
        let text = String::from_utf8(body).unwrap();
        let last = text.rfind("data: ").unwrap();
        let cut = at.index(last + 1);
        for api in APIS {
            let (_, end) = streamed(&text.as_bytes()[..cut], &[7], api);
            prop_assert!(end.contains("Cut"), "{}: {}", api.name(), end);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let event = [b"data: ".as_slice(), &bytes, b"\n\n"].concat();
        for api in APIS {
            streamed(&event, &[3], api);
            let mut out = Vec::new();
            let _ = answer::edit(&bytes, &serving(api), 1, &mut out);
        }
    }

    #[test]
    fn no_strange_document_makes_it_panic(value in strange(), key in prop::sample::select(KEYS.to_vec())) {
        let body = json!({key: value}).to_string();
        let event = format!("data: {body}\n\n");
        for api in APIS {
            streamed(event.as_bytes(), &[5], api);
            let mut out = Vec::new();
            let _ = answer::edit(body.as_bytes(), &serving(api), 1, &mut out);
        }
        for api in [Api::Gemini, Api::GeminiEmbed, Api::GeminiEmbedBatch] {
            let Ok(request) = Request::read_beside_path(body.clone().into_bytes(), api, "a/b".to_owned(), true) else {
                continue;
            };
            for dialect in Dialect::ALL {
                let _ = request.upstream(&Target::new(dialect, "m"));
            }
        }
    }

    #[test]
    fn a_request_means_the_same_after_a_way_through_chat(ask in request()) {
        // Gemini → OpenAI → Gemini.
        let there = translated(&ask, Api::Gemini, Dialect::OpenAi).unwrap();
        let back = translated(&there, Api::Chat, Dialect::Gemini).unwrap();
        prop_assert_eq!(meaning(&ask), meaning(&back), "by way of {}", there);
    }

    #[test]
    fn an_array_holds_what_the_events_hold(body in stream()) {
        let (events, _) = streamed(&body, &[body.len()], Api::Gemini);
        let mut framing = ArrayFraming::new();
        let mut out = Vec::new();
        for event in String::from_utf8(events.clone()).unwrap().split_inclusive("\n\n") {
            framing.chunk(event.as_bytes(), &mut out);
        }
        framing.end(&mut out);
        let array: Vec<Value> = serde_json::from_slice(&out).unwrap();
        let expected: Vec<Value> = String::from_utf8(events)
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect();
        prop_assert_eq!(array, expected);
    }
}

const KEYS: [&str; 8] = [
    "candidates",
    "contents",
    "content",
    "requests",
    "usageMetadata",
    "promptFeedback",
    "generationConfig",
    "embedding",
];

/// A document of the protocol's words in places where they do not belong.
fn strange() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "content",
        "parts",
        "text",
        "functionCall",
        "functionResponse",
        "name",
        "args",
        "id",
        "role",
        "thought",
        "thoughtSignature",
        "finishReason",
        "groundingMetadata",
        "groundingSupports",
        "groundingChunks",
        "segment",
        "groundingChunkIndices",
        "endIndex",
        "logprobsResult",
        "chosenCandidates",
        "partialArgs",
        "jsonPath",
        "stringValue",
        "inlineData",
        "mimeType",
        "data",
        "promptTokenCount",
        "thinkingConfig",
        "values",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[$.a-c\\[\\]0-9é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((words.clone(), inner), 0..5).prop_map(|members| members
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect()),
        ]
    })
}

fn request() -> impl Strategy<Value = String> {
    let text = "[a-zé\"\\\\ ]{1,12}";
    let turn = (text, text, proptest::option::of(text)).prop_map(|(said, answer, tool)| {
        let mut contents = vec![json!({"role": "user", "parts": [{"text": said}]})];
        match tool {
            Some(value) => {
                contents.push(json!({"role": "model", "parts": [{"text": answer}, {"functionCall": {"name": "f", "args": {"a": value}}}]}));
                contents.push(json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": value}}}]}));
                contents.push(json!({"role": "model", "parts": [{"text": "so"}]}));
            }
            None => contents.push(json!({"role": "model", "parts": [{"text": answer}]})),
        }
        contents
    });
    (
        proptest::collection::vec(turn, 0..4),
        proptest::option::of(text),
        any::<bool>(),
        proptest::option::of(1u64..5000),
    )
        .prop_map(|(turns, system, tools, max)| {
            let mut contents: Vec<Value> = turns.into_iter().flatten().collect();
            contents.push(json!({"role": "user", "parts": [{"text": "go"}]}));
            let mut ask = json!({"contents": contents});
            if let Some(system) = system {
                ask["systemInstruction"] = json!({"parts": [{"text": system}]});
            }
            if tools {
                ask["tools"] = json!([{"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}}}]}]);
                ask["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}});
            }
            if let Some(max) = max {
                ask["generationConfig"] = json!({"maxOutputTokens": max, "temperature": 0.5, "stopSequences": ["x"], "responseMimeType": "application/json"});
            }
            ask.to_string()
        })
}

fn translated(body: &str, api: Api, dialect: Dialect) -> Result<String, String> {
    let body = body.as_bytes().to_vec();
    let request = match api.model_in_path() {
        true => Request::read_beside_path(body, api, "a/b".to_owned(), false),
        false => Request::read(body, api),
    }
    .map_err(|refusal| refusal.message.into_owned())?;
    let target = Target::new(dialect, "m");
    let upstream = request
        .upstream(&target)
        .map_err(|refusal| refusal.message.into_owned())?;
    let mut out = Vec::new();
    upstream.write_to(&mut out);
    String::from_utf8(out).map_err(|error| error.to_string())
}

/// A request without what may differ: ids of calls, which the first form leaves out.
fn meaning(body: &str) -> Value {
    let mut value: Value = serde_json::from_str(body).unwrap();
    for content in value["contents"].as_array_mut().unwrap() {
        for part in content["parts"].as_array_mut().unwrap() {
            for name in ["functionCall", "functionResponse"] {
                if let Some(call) = part.get_mut(name).and_then(Value::as_object_mut) {
                    call.remove("id");
                }
            }
        }
    }
    value
}
