//! Every dialect says the same content in its own words, and breaks in its own way, seen from the other end of a socket.
#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on should stop where it stands.

mod probe;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use probe::{End, Probe, Reply, mock, received};
use serde_json::{Value, json};
use turnout_mock::Mock;

/// One endpoint that says a text, asked in its own words.
struct Dialect {
    name: &'static str,
    path: fn(model: &str, stream: bool) -> String,
    body: fn(model: &str, stream: bool) -> Value,
    /// What an answer says, its thoughts in front and its calls behind.
    said: fn(&Value) -> String,
    /// What one event of a stream adds to that.
    adds: fn(&Value) -> String,
    /// Where the reason to end and the counts of prompt and output stand.
    ends: fn(&Value) -> (Value, u64, u64),
    /// Its words for a good end and for calls.
    reasons: [&'static str; 2],
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The texts of a list, by the first of these keys that each has.
fn texts(list: &Value, keys: &[&str]) -> String {
    let items = list.as_array().into_iter().flatten();
    items
        .map(|item| {
            let pointers = keys.iter().filter_map(|key| item.pointer(key));
            pointers.map(show).next().unwrap_or_default()
        })
        .collect()
}

/// A string as it is, anything else as JSON.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn user(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello there, mock"}],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}]})
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(u64::MAX)
}

const DIALECTS: [Dialect; 7] = [
    Dialect {
        name: "chat",
        path: |_, _| "/v1/chat/completions".to_owned(),
        body: |model, stream| {
            let mut body = user(model, stream);
            body["stream_options"] = json!({"include_usage": true});
            body
        },
        said: |answer| {
            let message = &answer["choices"][0]["message"];
            string(&message["reasoning_content"])
                + &string(&message["content"])
                + &texts(&message["tool_calls"], &["/function/arguments"])
        },
        adds: |event| {
            let delta = &event["choices"][0]["delta"];
            string(&delta["reasoning_content"])
                + &string(&delta["content"])
                + &texts(&delta["tool_calls"], &["/function/arguments"])
        },
        ends: |event| {
            let usage = &event["usage"];
            (
                event["choices"][0]["finish_reason"].clone(),
                count(&usage["prompt_tokens"]),
                count(&usage["completion_tokens"]),
            )
        },
        reasons: ["stop", "tool_calls"],
    },
    Dialect {
        name: "responses",
        path: |_, _| "/v1/responses".to_owned(),
        body: |model, stream| {
            json!({"model": model, "stream": stream, "input": [{"role": "user", "content": [{"type": "input_text", "text": "hello there, mock"}]}],
                "tools": [{"type": "web_search"}, {"type": "function", "name": "weather", "parameters": {}}]})
        },
        said: |answer| {
            texts(
                &answer["output"],
                &["/summary/0/text", "/content/0/text", "/arguments"],
            )
        },
        adds: |event| string(&event["delta"]),
        ends: |event| {
            let answer = if event["response"].is_object() {
                &event["response"]
            } else {
                event
            };
            let usage = &answer["usage"];
            (
                answer["status"].clone(),
                count(&usage["input_tokens"]),
                count(&usage["output_tokens"]),
            )
        },
        reasons: ["completed", "completed"],
    },
    Dialect {
        name: "messages",
        path: |_, _| "/v1/messages".to_owned(),
        body: |model, stream| {
            json!({"model": model, "stream": stream, "max_tokens": 9, "messages": [{"role": "user", "content": "hello there, mock"}],
                "tools": [{"name": "weather", "input_schema": {}}]})
        },
        said: |answer| texts(&answer["content"], &["/thinking", "/text", "/input"]),
        adds: |event| {
            let delta = &event["delta"];
            string(&delta["thinking"]) + &string(&delta["text"]) + &string(&delta["partial_json"])
        },
        ends: |event| {
            let reason = [&event["delta"]["stop_reason"], &event["stop_reason"]];
            let reason = reason.into_iter().find(|reason| reason.is_string());
            let usage = &event["usage"];
            (
                reason.cloned().unwrap_or_default(),
                count(&usage["input_tokens"]),
                count(&usage["output_tokens"]),
            )
        },
        reasons: ["end_turn", "tool_use"],
    },
    Dialect {
        name: "gemini",
        path: |model, stream| match stream {
            true => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse&key=k"),
            false => format!("/v1beta/models/{model}:generateContent"),
        },
        body: |_, _| {
            json!({"contents": [{"role": "user", "parts": [{"text": "hello there, "}, {"text": "mock"}]}],
                "tools": [{"functionDeclarations": [{"name": "weather"}]}]})
        },
        said: |answer| {
            texts(
                &answer["candidates"][0]["content"]["parts"],
                &["/text", "/functionCall/args"],
            )
        },
        adds: |event| {
            texts(
                &event["candidates"][0]["content"]["parts"],
                &["/text", "/functionCall/args"],
            )
        },
        ends: |event| {
            let usage = &event["usageMetadata"];
            let output = count(&usage["candidatesTokenCount"])
                + usage["thoughtsTokenCount"].as_u64().unwrap_or(0);
            (
                event["candidates"][0]["finishReason"].clone(),
                count(&usage["promptTokenCount"]),
                output,
            )
        },
        reasons: ["STOP", "STOP"],
    },
    Dialect {
        name: "converse",
        path: |model, stream| match stream {
            true => format!("/model/{model}/converse-stream"),
            false => format!("/model/{model}/converse"),
        },
        body: |_, _| {
            json!({"messages": [{"role": "user", "content": [{"text": "hello there, mock"}]}],
                "toolConfig": {"tools": [{"toolSpec": {"name": "weather"}}]}})
        },
        said: |answer| {
            texts(
                &answer["output"]["message"]["content"],
                &[
                    "/reasoningContent/reasoningText/text",
                    "/text",
                    "/toolUse/input",
                ],
            )
        },
        adds: |event| {
            let delta = &event["delta"];
            string(&delta["reasoningContent"]["text"])
                + &string(&delta["text"])
                + &string(&delta["toolUse"]["input"])
        },
        ends: |event| {
            let usage = &event["usage"];
            (
                event["stopReason"].clone(),
                count(&usage["inputTokens"]),
                count(&usage["outputTokens"]),
            )
        },
        reasons: ["end_turn", "tool_use"],
    },
    Dialect {
        name: "cohere",
        path: |_, _| "/v2/chat".to_owned(),
        body: user,
        said: |answer| {
            let message = &answer["message"];
            string(&message["tool_plan"])
                + &texts(&message["content"], &["/thinking", "/text"])
                + &texts(&message["tool_calls"], &["/function/arguments"])
        },
        adds: |event| {
            let message = &event["delta"]["message"];
            string(&message["content"]["thinking"])
                + &string(&message["content"]["text"])
                + &string(&message["tool_plan"])
                + &string(&message["tool_calls"]["function"]["arguments"])
        },
        ends: |event| {
            let end = if event["delta"].is_object() {
                &event["delta"]
            } else {
                event
            };
            let tokens = &end["usage"]["tokens"];
            (
                end["finish_reason"].clone(),
                count(&tokens["input_tokens"]),
                count(&tokens["output_tokens"]),
            )
        },
        reasons: ["COMPLETE", "TOOL_CALL"],
    },
    Dialect {
        name: "ollama",
        path: |_, _| "/api/chat".to_owned(),
        body: user,
        said: |answer| {
            let message = &answer["message"];
            string(&message["thinking"])
                + &string(&message["content"])
                + &texts(&message["tool_calls"], &["/function/arguments"])
        },
        adds: |event| {
            let message = &event["message"];
            string(&message["thinking"])
                + &string(&message["content"])
                + &texts(&message["tool_calls"], &["/function/arguments"])
        },
        ends: |event| {
            (
                event["done_reason"].clone(),
                count(&event["prompt_eval_count"]),
                count(&event["eval_count"]),
            )
        },
        reasons: ["stop", "stop"],
    },
];

impl Dialect {
    fn ask(&self, mock: &Mock, model: &str, stream: bool) -> Reply {
        self.ask_by(&mut Probe::connect(mock), model, stream)
    }

    fn ask_by(&self, probe: &mut Probe, model: &str, stream: bool) -> Reply {
        probe.post(
            &(self.path)(model, stream),
            "",
            &(self.body)(model, stream).to_string(),
        );
        probe.reply()
    }

    /// The events of a stream as JSON, whatever framed them; what is no JSON (a `[DONE]`) is left out.
    fn events(&self, reply: &Reply) -> Vec<Value> {
        let parse = |text: &str| serde_json::from_str(text).ok();
        match reply.header("content-type").unwrap() {
            "application/vnd.amazon.eventstream" => frames(&reply.body)
                .iter()
                .map(|frame| frame.1.clone())
                .collect(),
            "application/x-ndjson" => reply.text().lines().filter_map(parse).collect(),
            "application/json; charset=UTF-8" => serde_json::from_slice(&reply.body).unwrap(),
            _ => datas(reply).iter().filter_map(|data| parse(data)).collect(),
        }
    }

    fn streamed(&self, reply: &Reply) -> String {
        self.events(reply).iter().map(self.adds).collect()
    }

    /// The last reason and the last counts that a stream gives.
    fn ended(&self, reply: &Reply) -> (Value, u64, u64) {
        let mut last = (Value::Null, u64::MAX, u64::MAX);
        for (reason, prompt, output) in self.events(reply).iter().map(self.ends) {
            if !reason.is_null() {
                last.0 = reason;
            }
            if prompt != u64::MAX {
                (last.1, last.2) = (prompt, output);
            }
        }
        last
    }
}

/// The data of server-sent events, whether they have names or not.
fn datas(reply: &Reply) -> Vec<String> {
    let text = reply.text().replace("\r\n", "\n");
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(str::to_owned)
        .collect()
}

/// The names of server-sent events.
fn names(reply: &Reply) -> Vec<String> {
    reply
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .map(str::to_owned)
        .collect()
}

/// Type and payload of the frames of an event stream, read by the specification and not by what wrote them.
fn frames(mut bytes: &[u8]) -> Vec<(String, Value)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, rest) = bytes.split_at(number(bytes));
        let (headers, payload) = frame[12..frame.len() - 4].split_at(number(&frame[4..]));
        let name_at = 1 + usize::from(headers[0]) + 3;
        let length = usize::from(headers[name_at - 1]);
        let name = String::from_utf8(headers[name_at..name_at + length].to_vec()).unwrap();
        frames.push((name, serde_json::from_slice(payload).unwrap()));
        bytes = rest;
    }
    frames
}

#[test]
fn the_same_script_says_the_same_in_every_dialect_whole_and_streamed() {
    let mock = mock();
    for dialect in &DIALECTS {
        let name = dialect.name;
        let model = "m;tokens=3;thinking=2;prompt=9";
        let whole = dialect.ask(&mock, model, false);
        assert_eq!(
            (whole.status, whole.end),
            (200, End::Whole),
            "{name}: {whole:?}"
        );
        assert_eq!(
            (dialect.said)(&whole.json()),
            "so the the points are ",
            "{name}"
        );
        assert_eq!(
            (dialect.ends)(&whole.json()),
            (dialect.reasons[0].into(), 9, 5),
            "{name}"
        );
        let stream = dialect.ask(&mock, model, true);
        assert_eq!(
            (stream.status, stream.end),
            (200, End::Whole),
            "{name}: {stream:?}"
        );
        assert_eq!(
            dialect.streamed(&stream),
            "so the the points are ",
            "{name}"
        );
        assert_eq!(
            dialect.ended(&stream),
            (dialect.reasons[0].into(), 9, 5),
            "{name}"
        );
    }
}

#[test]
fn echo_and_tools_read_every_dialect() {
    let mock = mock();
    for dialect in &DIALECTS {
        let name = dialect.name;
        let whole = dialect.ask(&mock, "echo", false).json();
        assert_eq!((dialect.said)(&whole), "hello there, mock", "{name}");
        assert_eq!((dialect.ends)(&whole).1, 3, "{name}");
        assert_eq!(
            dialect.streamed(&dialect.ask(&mock, "echo", true)),
            "hello there, mock",
            "{name}"
        );
        let calls = r#"{"city":"Paris"}{"city":"Paris"}"#;
        let whole = dialect.ask(&mock, "tool;calls=2", false).json();
        assert_eq!((dialect.said)(&whole), calls, "{name}");
        assert!(
            whole.to_string().contains(r#""name":"weather""#),
            "{name}: {whole}"
        );
        assert_eq!((dialect.ends)(&whole).0, dialect.reasons[1], "{name}");
        let stream = dialect.ask(&mock, "tool;calls=2;talk=1;tokens=2", true);
        assert_eq!(
            dialect.streamed(&stream),
            format!("the points {calls}"),
            "{name}"
        );
        assert_eq!(dialect.ended(&stream).0, dialect.reasons[1], "{name}");
        let mut probe = Probe::connect(&mock);
        let body = (dialect.body)("tool", false).to_string();
        probe.post(
            &(dialect.path)("tool", false),
            "x-mock: args=%7B%7D\r\n",
            &body,
        );
        assert_eq!((dialect.said)(&probe.reply().json()), "{}", "{name}");
    }
}

#[test]
fn a_tool_that_answered_ends_the_loop_in_every_dialect() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    for (path, body) in [
        (
            "/v1/messages",
            json!({"model": "tool;tokens=1", "tools": [{"name": "weather"}],
                "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_mock", "content": "rain"}]}]}),
        ),
        (
            "/v1/responses",
            json!({"model": "tool;tokens=1", "tools": [{"type": "function", "name": "weather"}],
                "input": [{"type": "function_call_output", "call_id": "call_mock", "output": "rain"}]}),
        ),
        (
            "/v1beta/models/tool;tokens=1:generateContent",
            json!({"tools": [{"functionDeclarations": [{"name": "weather"}]}],
                "contents": [{"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {}}}]}]}),
        ),
        (
            "/model/tool;tokens=1/converse",
            json!({"toolConfig": {"tools": [{"toolSpec": {"name": "weather"}}]},
                "messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "tooluse_mock", "content": []}}]}]}),
        ),
        (
            "/v2/chat",
            json!({"model": "tool;tokens=1", "tools": [{"type": "function", "function": {"name": "weather"}}],
                "messages": [{"role": "tool", "tool_call_id": "call_mock", "content": "rain"}]}),
        ),
    ] {
        probe.post(path, "", &body.to_string());
        let reply = probe.reply();
        assert!(reply.text().contains(r#""the ""#), "{path}: {reply:?}");
    }
}

#[test]
fn streams_have_the_events_of_their_dialect_in_order() {
    let mock = mock();
    let by_name = |name: &str| {
        DIALECTS
            .iter()
            .find(|dialect| dialect.name == name)
            .unwrap()
    };
    let model = "tool;thinking=1;talk=1;tokens=1";
    let messages = by_name("messages").ask(&mock, model, true);
    let mut expected = vec![
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
    ];
    expected.extend([
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
    ]);
    expected.extend(["content_block_delta"; 5]);
    expected.extend(["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(names(&messages), expected);
    let events = by_name("messages").events(&messages);
    assert!(
        events
            .iter()
            .zip(&expected)
            .all(|(event, name)| event["type"] == *name)
    );
    assert_eq!(events[4]["delta"]["type"], "signature_delta");

    let responses = by_name("responses").ask(&mock, model, true);
    let events = by_name("responses").events(&responses);
    for (index, (event, name)) in events.iter().zip(names(&responses)).enumerate() {
        assert_eq!(
            (&event["type"], &event["sequence_number"]),
            (&json!(name), &json!(index))
        );
    }
    let (first, last) = (&events[0], &events[events.len() - 1]);
    assert_eq!(
        (&first["type"], &last["type"]),
        (&json!("response.created"), &json!("response.completed"))
    );
    let kinds: Vec<&Value> = last["response"]["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["type"])
        .collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    let done: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| &event["item"])
        .collect();
    assert_eq!(
        done,
        last["response"]["output"]
            .as_array()
            .unwrap()
            .iter()
            .collect::<Vec<_>>()
    );

    let converse = by_name("converse").ask(&mock, model, true);
    let mut expected = vec![
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
    ];
    expected.extend(["contentBlockDelta", "contentBlockStop", "contentBlockStart"]);
    expected.extend(["contentBlockDelta"; 4]);
    expected.extend(["contentBlockStop", "messageStop", "metadata"]);
    let names: Vec<String> = frames(&converse.body)
        .into_iter()
        .map(|frame| frame.0)
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn gemini_streams_an_array_unless_events_are_asked_for() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    let path = "/v1beta/models/m%3Btokens=2:streamGenerateContent";
    probe.post(path, "", r#"{"contents":[]}"#);
    let reply = probe.reply();
    assert_eq!(reply.json().as_array().unwrap().len(), 3);
    probe.post(&format!("{path}?alt=sse"), "", r#"{"contents":[]}"#);
    let reply = probe.reply();
    assert_eq!(reply.text().matches("\r\n\r\n").count(), 3);
    probe.post(
        "/v1beta/models/m;status=429;retry_after=3:streamGenerateContent",
        "",
        "{}",
    );
    let reply = probe.reply().json();
    assert_eq!(reply[0]["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(reply[0]["error"]["details"][0]["retryDelay"], "3s");
    assert_eq!(received(&mock)["requests"][1]["query"], "alt=sse");
}

#[test]
fn caches_count_as_each_vendor_counts_them() {
    let mock = mock();
    let usage = |name: &str| {
        let dialect = DIALECTS
            .iter()
            .find(|dialect| dialect.name == name)
            .unwrap();
        dialect
            .ask(&mock, "m;tokens=2;prompt=10;cached=6;written=3", false)
            .json()
    };
    let messages = usage("messages")["usage"].clone();
    assert_eq!(
        (
            &messages["input_tokens"],
            &messages["cache_read_input_tokens"]
        ),
        (&json!(1), &json!(6))
    );
    assert_eq!(messages["cache_creation_input_tokens"], 3);
    let converse = usage("converse")["usage"].clone();
    assert_eq!(
        (&converse["inputTokens"], &converse["totalTokens"]),
        (&json!(1), &json!(12))
    );
    assert_eq!(converse["cacheReadInputTokens"], 6);
    assert_eq!(
        usage("chat")["usage"]["prompt_tokens_details"]["cached_tokens"],
        6
    );
    assert_eq!(
        usage("responses")["usage"]["input_tokens_details"]["cached_tokens"],
        6
    );
    assert_eq!(
        usage("gemini")["usageMetadata"]["cachedContentTokenCount"],
        6
    );
    assert_eq!(usage("cohere")["usage"]["cached_tokens"], 6);
}

#[test]
fn errors_have_the_shape_of_their_dialect() {
    let mock = mock();
    for (name, pointer, expected) in [
        ("chat", "/error/code", "rate_limit_exceeded"),
        ("responses", "/error/code", "rate_limit_exceeded"),
        ("messages", "/error/type", "rate_limit_error"),
        ("gemini", "/error/status", "RESOURCE_EXHAUSTED"),
        ("converse", "/message", "slow down"),
        ("cohere", "/message", "slow down"),
        ("ollama", "/error", "slow down"),
    ] {
        let dialect = DIALECTS
            .iter()
            .find(|dialect| dialect.name == name)
            .unwrap();
        for stream in [false, true] {
            let reply = dialect.ask(&mock, "m;status=429;message=slow%2520down", stream);
            // A path is decoded once more than a body.
            let body = reply.text().replace("%20", " ");
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(reply.status, 429, "{name}");
            assert_eq!(body.pointer(pointer).unwrap(), expected, "{name}: {body}");
        }
    }
    let dialect = DIALECTS
        .iter()
        .find(|dialect| dialect.name == "converse")
        .unwrap();
    let reply = dialect.ask(&mock, "m;status=429", false);
    assert_eq!(
        reply.header("x-amzn-errortype"),
        Some("ThrottlingException")
    );
}

#[test]
fn an_error_inside_a_stream_ends_it_in_the_words_of_the_dialect() {
    let mock = mock();
    for (name, pointer, expected) in [
        ("chat", "/error/message", "gone"),
        ("responses", "/response/error/message", "gone"),
        ("messages", "/error/type", "overloaded_error"),
        ("gemini", "/error/status", "INTERNAL"),
        ("converse", "/message", "gone"),
        ("cohere", "/delta/error", "gone"),
        ("ollama", "/error", "gone"),
    ] {
        let dialect = DIALECTS
            .iter()
            .find(|dialect| dialect.name == name)
            .unwrap();
        let whole = dialect.events(&dialect.ask(&mock, "m", true));
        let reply = dialect.ask(&mock, "m;error_in=4;message=gone", true);
        let events = dialect.events(&reply);
        assert_eq!((reply.status, reply.end), (200, End::Whole), "{name}");
        assert_eq!(events[..4], whole[..4], "{name}");
        assert_eq!(
            events.last().unwrap().pointer(pointer).unwrap(),
            expected,
            "{name}"
        );
        if name == "converse" {
            assert_eq!(frames(&reply.body)[4].0, "modelStreamErrorException");
        }
        let reply = dialect.ask(&mock, "m;error_in=4;message=gone", false);
        assert_eq!(reply.status, 200, "{name}");
        assert!(reply.text().contains("gone"), "{name}");
    }
}

#[test]
fn every_fault_works_in_every_dialect() {
    let mock = mock();
    for dialect in &DIALECTS {
        let name = dialect.name;
        let whole = dialect.ask(&mock, "m", true);
        for (key, end) in [("cut", End::Closed), ("stall", End::Silent)] {
            let mut probe = match end {
                End::Silent => Probe::expecting_silence(&mock),
                _ => Probe::connect(&mock),
            };
            let reply = dialect.ask_by(&mut probe, &format!("m;{key}=3"), true);
            assert_eq!((reply.status, reply.end), (200, end), "{name} {key}");
            assert!(
                whole.body.starts_with(&reply.body) && reply.body.len() < whole.body.len(),
                "{name} {key}"
            );
            // A part of the next event, which may be a part of a frame.
            let part = dialect.ask(&mock, "m;cut=3;part=7", true);
            assert_eq!(part.body.len(), reply.body.len() + 7, "{name}");
            assert!(whole.body.starts_with(&part.body), "{name}");
        }
        assert_eq!(
            dialect.ask(&mock, "m;rst=3", true).end,
            End::Reset,
            "{name}"
        );
        let garbage = dialect.ask(&mock, "m;garbage=2", true);
        assert!(
            memchr::memmem::find(&garbage.body, b"{\"id\": mock").is_some(),
            "{name}"
        );
        let plain = dialect.ask(&mock, "m;garbage=0", false);
        assert!(
            serde_json::from_slice::<Value>(&plain.body).is_err(),
            "{name}"
        );
        let binary = dialect.ask(&mock, "m;binary=1", true);
        assert!(
            memchr::memmem::find(&binary.body, b"\xff\xfe\xc0").is_some(),
            "{name}"
        );
        assert_eq!(dialect.ask(&mock, "m;empty=1", true).body, b"", "{name}");
        let bare = dialect.ask(&mock, "m;nochoices=1", true);
        assert_eq!(dialect.streamed(&bare), "", "{name}");
        assert_eq!(
            (dialect.said)(&dialect.ask(&mock, "m;nochoices=1", false).json()),
            "",
            "{name}"
        );
        let endless = dialect.ask(&mock, "m;nofinish=1", true);
        let reasons = dialect.events(&endless);
        let reasons = reasons.iter().map(|event| (dialect.ends)(event).0);
        assert!(
            reasons
                .clone()
                .all(|reason| reason.is_null() || reason == "in_progress"),
            "{name}: {reasons:?}"
        );
        let undone = dialect.ask(&mock, "m;nodone=1", true);
        // Gemini has no event that only ends a stream.
        assert_eq!(undone.body == whole.body, name == "gemini", "{name}");
        let plain = dialect.ask(&mock, "m;json_for_stream=1", true);
        assert_eq!(plain.body, dialect.ask(&mock, "m", false).body, "{name}");
        for odd in ["split=7", "pace=0", "hdr=3"] {
            assert_eq!(
                dialect.ask(&mock, &format!("m;{odd}"), true).body,
                whole.body,
                "{name} {odd}"
            );
        }
        let statuses = (0..3).map(|_| {
            dialect
                .ask(&mock, &format!("{name};status=500;times=2"), true)
                .status
        });
        assert_eq!(statuses.collect::<Vec<_>>(), [500, 500, 200], "{name}");
        for (usage, value) in [("absent", None), ("null", Some(&Value::Null))] {
            let answer = dialect
                .ask(&mock, &format!("m;usage={usage}"), false)
                .json();
            let keys = ["usage", "usageMetadata", "eval_count"];
            let found = keys.iter().find_map(|key| answer.get(key));
            assert_eq!(found, value, "{name} {usage}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_in_the_frame_that_was_asked_for() {
    let mock = mock();
    let converse = DIALECTS
        .iter()
        .find(|dialect| dialect.name == "converse")
        .unwrap();
    let right = converse.ask(&mock, "m", true).body;
    let wrong = converse.ask(&mock, "m;crc=0", true).body;
    let differing: Vec<usize> = (0..right.len())
        .filter(|at| right[*at] != wrong[*at])
        .collect();
    let first = u32::from_be_bytes(right[..4].try_into().unwrap()) as usize;
    assert_eq!(differing, [first - 1]);
    assert_eq!(converse.ask(&mock, "m;crc=1000", true).body, right);
}

#[test]
fn each_dialect_wants_its_key_where_its_clients_put_it() {
    let mock = mock();
    for (name, header) in [
        ("messages", "x-api-key: secret\r\n"),
        ("gemini", "x-goog-api-key: secret\r\n"),
        (
            "converse",
            "authorization: AWS4-HMAC-SHA256 Credential=secret/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0\r\n",
        ),
        ("cohere", "authorization: Bearer secret\r\n"),
        ("chat", "api-key: secret\r\n"),
    ] {
        let dialect = DIALECTS
            .iter()
            .find(|dialect| dialect.name == name)
            .unwrap();
        for (header, status) in [("", 401), (header, 200)] {
            let mut probe = Probe::connect(&mock);
            let (path, body) = (
                (dialect.path)("m;auth=secret", false),
                (dialect.body)("m;auth=secret", false),
            );
            probe.post(&path, header, &body.to_string());
            assert_eq!(probe.reply().status, status, "{name}");
        }
    }
}

fn post(mock: &Mock, path: &str, body: &Value) -> Reply {
    let mut probe = Probe::connect(mock);
    probe.post(path, "", &body.to_string());
    probe.reply()
}

#[test]
fn embeddings_are_the_same_numbers_in_every_dialect() {
    let mock = mock();
    let openai = post(
        &mock,
        "/v1/embeddings",
        &json!({"model": "m", "input": ["a", "b c"], "dimensions": 4}),
    )
    .json();
    let expected = [
        &openai["data"][0]["embedding"],
        &openai["data"][1]["embedding"],
    ];
    assert_eq!(expected[0].as_array().unwrap().len(), 4);
    let part =
        |text: &str| json!({"content": {"parts": [{"text": text}]}, "outputDimensionality": 4});
    let one = post(&mock, "/v1beta/models/m:embedContent", &part("b c")).json();
    assert_eq!(&one["embedding"]["values"], expected[1]);
    let batch = json!({"requests": [part("a"), part("b c")]});
    let batch = post(&mock, "/v1beta/models/m:batchEmbedContents", &batch).json();
    let cohere = json!({"model": "m", "texts": ["a", "b c"], "output_dimension": 4, "embedding_types": ["float", "int8", "ubinary", "base64"]});
    let cohere = post(&mock, "/v2/embed", &cohere).json();
    let ollama = post(
        &mock,
        "/api/embed",
        &json!({"model": "m", "input": ["a", "b c"], "dimensions": 4}),
    )
    .json();
    let invoked = post(
        &mock,
        "/model/m;dim=4/invoke",
        &json!({"texts": ["a", "b c"], "input_type": "search_query"}),
    )
    .json();
    for (index, expected) in expected.into_iter().enumerate() {
        assert_eq!(&batch["embeddings"][index]["values"], expected);
        assert_eq!(&cohere["embeddings"]["float"][index], expected);
        assert_eq!(&ollama["embeddings"][index], expected);
        assert_eq!(&invoked["embeddings"][index], expected);
    }
    assert_eq!(cohere["embeddings"]["int8"][0].as_array().unwrap().len(), 4);
    assert_eq!(
        cohere["embeddings"]["ubinary"][0].as_array().unwrap().len(),
        1
    );
    assert_eq!(
        STANDARD
            .decode(cohere["embeddings"]["base64"][0].as_str().unwrap())
            .unwrap()
            .len(),
        16
    );
    let titan = post(
        &mock,
        "/model/m/invoke",
        &json!({"inputText": "b c", "dimensions": 4}),
    );
    assert_eq!(titan.header("x-amzn-bedrock-input-token-count"), Some("2"));
    assert_eq!(
        (
            &titan.json()["embedding"],
            &titan.json()["inputTextTokenCount"]
        ),
        (expected[1], &json!(2))
    );
    for (path, body) in [
        ("/v2/embed", json!({"model": "m"})),
        (
            "/v2/embed",
            json!({"model": "m", "texts": ["a"], "embedding_types": ["int3"]}),
        ),
        ("/model/m/invoke", json!({})),
        ("/v1beta/models/m:batchEmbedContents", json!({})),
    ] {
        assert_eq!(post(&mock, path, &body).status, 400, "{path} {body}");
    }
}

#[test]
fn tokens_are_counted_and_documents_ranked() {
    let mock = mock();
    let body = json!({"model": "m", "system": "be brief", "messages": [{"role": "user", "content": "hello there, mock"}]});
    assert_eq!(
        post(&mock, "/v1/messages/count_tokens", &body).json(),
        json!({"input_tokens": 5})
    );
    let body = json!({"contents": [{"parts": [{"text": "hello there"}]}]});
    assert_eq!(
        post(&mock, "/v1beta/models/m:countTokens", &body).json()["totalTokens"],
        2
    );
    let body = json!({"model": "m", "query": "fast trains", "documents": ["slow boats", {"text": "fast trains"}, "slow trains"], "top_n": 2, "return_documents": true});
    let ranked = post(&mock, "/v1/rerank", &body).json();
    let order: Vec<&Value> = ranked["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["index"])
        .collect();
    assert_eq!(order, [1, 2]);
    assert_eq!(ranked["results"][0]["document"]["text"], "fast trains");
    assert_eq!(ranked["meta"]["billed_units"]["search_units"], 1);
    assert_eq!(
        post(&mock, "/v2/rerank", &json!({"model": "m", "query": "x"})).status,
        400
    );
}

#[test]
fn models_are_listed_for_each_kind_of_client() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    assert_eq!(
        probe.get("/v1beta/models").json()["models"][0]["name"],
        "models/echo"
    );
    probe.send("GET /v1/models HTTP/1.1\r\nanthropic-version: 2023-06-01\r\n\r\n");
    assert_eq!(probe.reply().json()["data"][0]["type"], "model");
    assert_eq!(probe.get("/v1/models").json()["data"][0]["object"], "model");
    assert!(probe.get("/__mock/manual").text().contains("ENDPOINTS"));
}

#[test]
fn moderations_flag_what_they_should() {
    let mock = mock();
    let reply = post(
        &mock,
        "/v1/moderations",
        &json!({"model": "m", "input": "much violence"}),
    )
    .json();
    assert_eq!(reply["results"][0]["flagged"], true);
    assert_eq!(
        post(&mock, "/v1/moderations", &json!({"model": "m"})).status,
        400
    );
}

#[test]
fn images_come_whole_or_in_events() {
    let mock = mock();
    let body = |stream: bool| json!({"model": "m", "prompt": "a red train", "n": 2, "size": "1536x1024", "stream": stream, "partial_images": 1});
    let whole = post(&mock, "/v1/images/generations", &body(false)).json();
    assert_eq!(whole["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&whole["size"], &whole["usage"]["input_tokens"]),
        (&json!("1536x1024"), &json!(3))
    );
    let png = STANDARD
        .decode(whole["data"][0]["b64_json"].as_str().unwrap())
        .unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    let stream = post(&mock, "/v1/images/generations", &body(true));
    assert_eq!(
        names(&stream),
        [
            "image_generation.partial_image",
            "image_generation.completed"
        ]
    );
    let broken = post(
        &mock,
        "/v1/images/generations",
        &json!({"model": "m;error_in=0", "prompt": "x", "stream": true}),
    );
    assert!(broken.text().contains("server_error"), "{broken:?}");
}

/// A form with these fields and a file.
fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(
        b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n",
    );
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}

fn upload(mock: &Mock, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut probe = Probe::connect(mock);
    let body = form(fields, b"\x00\xff\r\n--X audio");
    let length = body.len();
    probe.send(format!("POST {path} HTTP/1.1\r\ncontent-type: multipart/form-data; boundary=XX\r\ncontent-length: {length}\r\n\r\n"));
    probe.send(body);
    probe.reply()
}

#[test]
fn forms_are_read_and_answered_in_every_format() {
    let mock = mock();
    let path = "/v1/audio/transcriptions";
    let ask = |fields: &[(&str, &str)]| {
        upload(&mock, path, &[&[("model", "m;tokens=2")], fields].concat())
    };
    assert_eq!(ask(&[]).json()["text"], "the points ");
    assert_eq!(ask(&[]).json()["usage"]["type"], "tokens");
    let seconds = upload(&mock, path, &[("model", "m;seconds=7")]).json();
    assert_eq!(seconds["usage"], json!({"type": "duration", "seconds": 7}));
    assert_eq!(
        ask(&[("response_format", "verbose_json")]).json()["duration"],
        2.0
    );
    for (format, part) in [
        ("text", "the points"),
        ("srt", "00:00:02,000"),
        ("vtt", "WEBVTT"),
    ] {
        let reply = ask(&[("response_format", format)]);
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(reply.text().contains(part), "{format}");
    }
    assert_eq!(ask(&[("response_format", "wav")]).status, 400);
    let stream = ask(&[("stream", "true")]);
    assert_eq!(
        names(&stream),
        [
            "transcript.text.delta",
            "transcript.text.delta",
            "transcript.text.done"
        ]
    );
    let translated = upload(&mock, "/v1/audio/translations", &[("model", "m;tokens=2")]).json();
    assert_eq!(translated, json!({"text": "the points "}));
    let edited = upload(
        &mock,
        "/v1/images/edits",
        &[("model", "m"), ("prompt", "red")],
    )
    .json();
    assert_eq!(
        edited["usage"]["input_tokens_details"]["image_tokens"],
        1056
    );
    assert_eq!(upload(&mock, path, &[("other", "m")]).status, 400);
    let refused = upload(&mock, path, &[("model", "m;status=429")]);
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (429, &json!("rate_limit_exceeded"))
    );
    let body = &received(&mock)["requests"][0];
    assert_eq!(
        STANDARD
            .decode(body["body_base64"].as_str().unwrap())
            .unwrap(),
        form(&[("model", "m;tokens=2")], b"\x00\xff\r\n--X audio")
    );
}

#[test]
fn speech_is_bytes_or_events_that_hold_them() {
    let mock = mock();
    let ask = |more: Value| {
        let mut body = json!({"model": "m;seconds=3", "input": "hello there", "voice": "alloy"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        post(&mock, "/v1/audio/speech", &body)
    };
    let reply = ask(json!({}));
    assert_eq!(
        (reply.header("content-type"), reply.body.len()),
        (Some("audio/mpeg"), 3000)
    );
    assert!(std::str::from_utf8(&reply.body).is_err());
    assert_eq!(
        ask(json!({"response_format": "pcm"})).header("content-type"),
        Some("audio/pcm")
    );
    assert_eq!(ask(json!({"response_format": "midi"})).status, 400);
    assert_eq!(ask(json!({"input": ""})).status, 400);
    let stream = ask(json!({"stream_format": "sse"}));
    let mut bytes = Vec::new();
    for data in datas(&stream) {
        let event: Value = serde_json::from_str(&data).unwrap();
        bytes.extend(
            STANDARD
                .decode(event["audio"].as_str().unwrap_or_default())
                .unwrap(),
        );
    }
    assert_eq!(bytes, reply.body);
}
