//! Answers in Anthropic's words: whole, streamed, and as errors.

use std::borrow::Cow;

use serde_json::Value;

use super::stream::*;
use super::write::*;
use crate::answer::{Closing, Serving};
use crate::api::{Api, StreamWriter};
use crate::cost::Cost;
use crate::dialect::Dialect;
use crate::exchange::{Delta, Event, Open, ThoughtKind, ToolCall, format};
use crate::finish::Finish;
use crate::refusal::{Kind as RefusalKind, Refusal};
use crate::usage::{Usage, UsageSource};

fn serving(asked: &str) -> Serving<'_> {
    Serving {
        dialect: Dialect::Gemini,
        asked,
        ..Serving::example(Api::Messages)
    }
}

fn closing(finish: Finish, native: &str) -> Closing<'_> {
    Closing {
        usage: Usage::default(),
        usage_source: UsageSource::Upstream,
        cost: Cost::default(),
        finish,
        native,
        stop_sequence: None,
        service_tier: None,
    }
}

/// The events of a stream, each as its data.
fn written(asked: &str, events: &[Event<'_>]) -> Vec<Value> {
    let serving = serving(asked);
    let mut writer = Writer::new(&serving);
    let mut out = Vec::new();
    for event in events {
        writer.event(event, &serving, &mut out);
    }
    writer.end(&closing(Finish::Stop, "stop"), &serving, &mut out);
    let text = String::from_utf8(out).unwrap();
    text.trim_end()
        .split("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect()
}

/// What matters of each event between the first and the last two, in a word or two.
fn outline(events: &[Value]) -> Vec<String> {
    assert_eq!(events[0]["type"], "message_start");
    let (ends, rest) = events[1..].split_at(events.len() - 3);
    assert_eq!(rest[0]["type"], "message_delta");
    assert_eq!(rest[1]["type"], "message_stop");
    ends.iter()
        .map(|event| {
            let index = &event["index"];
            match event["type"].as_str().unwrap() {
                "content_block_start" => {
                    let block = &event["content_block"];
                    let more = block
                        .get("id")
                        .or(block.get("data"))
                        .and_then(Value::as_str);
                    format!(
                        "{index} {} {}",
                        block["type"].as_str().unwrap(),
                        more.unwrap_or("-")
                    )
                }
                "content_block_delta" => {
                    let delta = event["delta"].as_object().unwrap();
                    let (_, value) = delta.iter().find(|(name, _)| *name != "type").unwrap();
                    match value.as_str() {
                        Some(text) => format!("{index} + {text}"),
                        None => format!("{index} + {value}"),
                    }
                }
                other => format!("{index} {}", other.trim_start_matches("content_block_")),
            }
        })
        .collect()
}

fn tool(block: u32, id: &'static str) -> Event<'static> {
    Event::Open {
        block,
        open: Open::ToolCall {
            id,
            name: "f",
            custom: false,
            namespace: None,
            signature: None,
        },
    }
}

fn text(block: u32, text: &str) -> Event<'_> {
    Event::Delta {
        block,
        delta: Delta::Text(text),
    }
}

#[test]
fn a01_calls_that_a_provider_mixes_come_one_after_the_other() {
    let events = written(
        "{}",
        &[
            tool(0, "t0"),
            text(0, "{\"a\""),
            tool(1, "t1"),
            text(1, "{\"b\""),
            text(0, ":1}"),
            tool(2, "t2"),
            text(1, ":2}"),
            Event::Close { block: 1 },
            Event::Close { block: 0 },
            Event::Close { block: 2 },
        ],
    );
    assert_eq!(
        outline(&events),
        [
            "0 tool_use t0",
            "0 + {\"a\"",
            "0 + :1}",
            "0 stop",
            "1 tool_use t1",
            "1 + {\"b\":2}",
            "1 stop",
            "2 tool_use t2",
            "2 + {}",
            "2 stop"
        ]
    );
}

#[test]
fn a_long_call_does_not_wait_for_another() {
    let long = "x".repeat(WAITING_BYTES_MAX + 1);
    let events = written(
        "{}",
        &[
            tool(0, "t0"),
            tool(1, "t1"),
            text(1, &long),
            text(0, "late"),
            Event::Close { block: 0 },
            Event::Close { block: 1 },
        ],
    );
    let outline = outline(&events);
    assert_eq!(outline[1], "0 + {}");
    assert_eq!(outline[2], "0 stop");
    assert_eq!(outline[3], "1 tool_use t1");
    assert_eq!(outline[5], "0 + late");
    assert_eq!(outline[6], "1 stop");
}

#[test]
fn text_ends_what_was_open() {
    let open = |block, open| Event::Open { block, open };
    let events = written(
        "{}",
        &[
            open(0, Open::Text),
            text(0, ""),
            text(0, "a"),
            tool(1, "t1"),
            tool(2, "t2"),
            open(3, Open::Text),
            text(3, "b"),
            Event::Close { block: 3 },
        ],
    );
    assert_eq!(
        outline(&events),
        [
            "0 text -",
            "0 + a",
            "0 stop",
            "1 tool_use t1",
            "1 + {}",
            "1 stop",
            "2 tool_use t2",
            "2 + {}",
            "2 stop",
            "3 text -",
            "3 + b",
            "3 stop"
        ]
    );
}

fn thinking(format: &'static str) -> Vec<Event<'static>> {
    vec![
        Event::Open {
            block: 0,
            open: Open::Thought {
                kind: ThoughtKind::Text,
                id: None,
                format,
            },
        },
        text(0, "hm"),
        Event::Delta {
            block: 0,
            delta: Delta::Signature("c2ln"),
        },
        Event::Close { block: 0 },
        Event::Open {
            block: 1,
            open: Open::Thought {
                kind: ThoughtKind::Encrypted,
                id: Some("rs"),
                format,
            },
        },
        text(1, "ZW5j"),
        Event::Close { block: 1 },
    ]
}

#[test]
fn a03_signatures_are_whole_and_those_of_others_are_packed() {
    assert_eq!(
        outline(&written("{}", &thinking(format::ANTHROPIC))),
        [
            "0 thinking -",
            "0 + hm",
            "0 + c2ln",
            "0 stop",
            "1 redacted_thinking ZW5j",
            "1 stop"
        ]
    );
    assert_eq!(
        outline(&written("{}", &thinking(format::RESPONSES))),
        [
            "0 thinking -",
            "0 + hm",
            "0 + turnout:1:openai-responses-v1:thought:0:c2ln",
            "0 stop",
            "1 redacted_thinking turnout:1:openai-responses-v1:encrypted:2:rsZW5j",
            "1 stop"
        ]
    );
}

#[test]
fn thoughts_are_shown_as_the_client_asked() {
    let omitted = r#"{"thinking":{"type":"adaptive","display":"omitted"}}"#;
    assert_eq!(
        outline(&written(omitted, &thinking(format::ANTHROPIC)))[..3],
        ["0 thinking -", "0 + c2ln", "0 stop"]
    );
    let disabled = r#"{"thinking":{"type":"disabled"}}"#;
    assert!(outline(&written(disabled, &thinking(format::ANTHROPIC))).is_empty());
}

#[test]
fn a_signature_of_a_call_travels_in_a_block_of_its_own() {
    let events = written(
        "{}",
        &[
            Event::Open {
                block: 0,
                open: Open::ToolCall {
                    id: "t",
                    name: "f",
                    custom: false,
                    namespace: Some("ns"),
                    signature: Some("Z2Vt"),
                },
            },
            text(0, "{}"),
            Event::Close { block: 0 },
        ],
    );
    assert_eq!(
        outline(&events),
        [
            "0 thinking -",
            "0 + turnout:1:google-gemini-v1:call:1:tZ2Vt",
            "0 stop",
            "1 tool_use t",
            "1 + {}",
            "1 stop"
        ]
    );
    assert_eq!(events[4]["content_block"]["name"], "ns___f");
}

#[test]
fn a_custom_call_has_its_text_in_one_argument() {
    let events = written(
        "{}",
        &[
            Event::Open {
                block: 0,
                open: Open::ToolCall {
                    id: "t",
                    name: "f",
                    custom: true,
                    namespace: None,
                    signature: None,
                },
            },
            text(0, "say \"a"),
            text(0, "\"\n"),
            Event::Close { block: 0 },
        ],
    );
    let joined: String = events
        .iter()
        .filter_map(|event| event["delta"]["partial_json"].as_str())
        .collect();
    let input: Value = serde_json::from_str(&joined).unwrap();
    assert_eq!(input["input"], "say \"a\"\n");
}

#[test]
fn a05_a06_the_start_names_the_provider_and_estimates_the_prompt() {
    let asked = format!("{{\"a\":\"{}\"}}", "x".repeat(392));
    let events = written(&asked, &[]);
    let message = &events[0]["message"];
    assert_eq!(message["provider"], "P");
    assert_eq!(message["model"], "a/b");
    assert_eq!(message["usage"]["input_tokens"], 100);
    assert_eq!(message["usage"]["service_tier"], "standard");
    assert_eq!(events[1]["usage"]["cost"], 0);
}

#[test]
fn reasons_for_the_end_are_anthropics() {
    for (finish, native, reason) in [
        (Finish::Stop, "stop", "end_turn"),
        (Finish::Stop, "pause_turn", "pause_turn"),
        (Finish::Length, "length", "max_tokens"),
        (
            Finish::Length,
            "model_context_window_exceeded",
            "model_context_window_exceeded",
        ),
        (Finish::ToolCalls, "STOP", "tool_use"),
        // A provider that says that it stopped, and called tools.
        (Finish::ToolCalls, "end_turn", "tool_use"),
        (Finish::ContentFilter, "SAFETY", "refusal"),
        (Finish::Error, "error", "end_turn"),
    ] {
        assert_eq!(
            stop_reason(&closing(finish, native), false),
            reason,
            "{native}"
        );
    }
    assert_eq!(stop_reason(&closing(Finish::Stop, "stop"), true), "refusal");
    let met = Closing {
        stop_sequence: Some("END"),
        ..closing(Finish::Stop, "stop")
    };
    assert_eq!(stop_reason(&met, false), "stop_sequence");
}

#[test]
fn a04_every_refusal_has_anthropics_form() {
    const TYPES: [&str; 9] = [
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "rate_limit_error",
        "timeout_error",
        "api_error",
    ];
    for kind in RefusalKind::ALL {
        let mut out = Vec::new();
        refusal(&Refusal::new(*kind), "gen-1", &mut out);
        let body: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(body["type"], "error");
        let error = &body["error"];
        let name = error["type"].as_str().unwrap();
        assert!(
            TYPES.contains(&name) || name == "overloaded_error",
            "{kind:?}: {name}"
        );
        assert_eq!(error["error_type"], kind.error_type());
        assert_eq!(error["message"], kind.message());
        assert_eq!(body["request_id"], "gen-1");
    }
    let mut out = Vec::new();
    refusal(&Refusal::new(RefusalKind::NoEndpoints), "", &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(body["request_id"], Value::Null);
    assert_eq!(body["error"]["type"], "not_found_error");
    assert_eq!(body["error"]["availability"]["code"], "no_endpoints");
}

#[test]
fn an_interrupted_stream_ends_with_an_error_event() {
    let serving = serving("{}");
    let mut writer = Writer::new(&serving);
    let mut out = Vec::new();
    writer.interrupted(
        &Refusal::new(RefusalKind::ProviderOverloaded),
        &closing(Finish::Stop, "stop"),
        &serving,
        &mut out,
    );
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with(
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
    ));
    assert!(text.ends_with("}\n\n"));
}

#[test]
fn input_is_an_object_whatever_the_model_wrote() {
    for (arguments, expected) in [
        ("", "{}"),
        ("  ", "{}"),
        (" {\"a\": 1.50} ", "{\"a\": 1.50}"),
        ("{\"a\":", "{\"arguments\":\"{\\\"a\\\":\"}"),
        ("[1]", "{\"arguments\":\"[1]\"}"),
    ] {
        let call = ToolCall {
            arguments: Cow::Borrowed(arguments),
            ..ToolCall::default()
        };
        let mut out = Vec::new();
        write_input(&call, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
