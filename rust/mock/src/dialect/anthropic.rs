//! Anthropic's dialect: messages and their token count.
//!
//! Shapes are those of docs.anthropic.com/en/api/messages and /streaming (read 2026-11). Its input tokens are those that
//! neither came from a cache nor went into one, so the whole prompt is the sum of three numbers.

use serde_json::{Value, json};

use super::{Asked, Block, Event, Said, Words, any_part, text};
use crate::content::{Counts, SIGNATURE, numbered, quoted, spoken};
use crate::script::{Script, Usage};

/// What a request says.
pub(crate) fn read(body: &Value) -> Asked {
    let messages = &body["messages"];
    let asked = Asked::messages(messages, "content");
    Asked {
        words: asked.words + text(&body["system"]).split_whitespace().count() as u64,
        tool: body["tools"][0]["name"].as_str().map(str::to_owned),
        answered: any_part(messages, "content", |part| part["type"] == "tool_result"),
        ..asked
    }
}

/// A whole answer.
pub(crate) fn whole(said: &Said<'_>) -> Vec<u8> {
    let block = |block: &Block<'_>| match block {
        Block::Thought(thoughts) => {
            let thought = quoted(&thoughts.concat());
            format!(r#"{{"type":"thinking","thinking":{thought},"signature":"{SIGNATURE}"}}"#)
        }
        Block::Text(tokens) => {
            let text = spoken(&tokens.concat(), said.script);
            format!(r#"{{"type":"text","text":{text}}}"#)
        }
        Block::Call(index, call) => {
            let (id, name, input) = (
                numbered("toolu_mock", *index),
                quoted(&call.name),
                call.value(),
            );
            format!(r#"{{"type":"tool_use","id":"{id}","name":{name},"input":{input}}}"#)
        }
    };
    let blocks: Vec<String> = said.blocks().iter().map(block).collect();
    let stop = match said.script.nofinish {
        true => "null".to_owned(),
        false => stop(said),
    };
    let counts = said.content.counts(said.script);
    message(
        said,
        &blocks.join(","),
        &stop,
        &usage(said, counts, counts.output),
    )
    .into_bytes()
}

/// The events of a stream, `message_stop` included.
pub(crate) fn events(said: &Said<'_>) -> Vec<Event> {
    let counts = said.content.counts(said.script);
    // One token is counted before any was said, as the service does.
    let open = message(said, "", "null", &usage(said, counts, 1));
    let mut events = vec![Event::frame(
        "message_start",
        format!(r#"{{"type":"message_start","message":{open}}}"#),
    )];
    for (index, block) in said.blocks().iter().enumerate() {
        let start = match block {
            Block::Thought(_) => r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
            Block::Text(_) => r#"{"type":"text","text":""}"#.to_owned(),
            Block::Call(number, call) => {
                let (id, name) = (numbered("toolu_mock", *number), quoted(&call.name));
                format!(r#"{{"type":"tool_use","id":"{id}","name":{name},"input":{{}}}}"#)
            }
        };
        events.push(Event::frame(
            "content_block_start",
            format!(r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#),
        ));
        if index == 0 {
            events.push(Event::frame("ping", r#"{"type":"ping"}"#));
        }
        let delta = |delta: String| {
            format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#)
        };
        let token = |text: String| Event::token("content_block_delta", delta(text));
        match block {
            Block::Thought(thoughts) => {
                events.extend(thoughts.iter().map(|thought| {
                    let thought = quoted(thought);
                    token(format!(
                        r#"{{"type":"thinking_delta","thinking":{thought}}}"#
                    ))
                }));
                let signature =
                    format!(r#"{{"type":"signature_delta","signature":"{SIGNATURE}"}}"#);
                events.push(Event::frame("content_block_delta", delta(signature)));
            }
            Block::Text(tokens) => events.extend(tokens.iter().map(|text| {
                let text = spoken(text, said.script);
                token(format!(r#"{{"type":"text_delta","text":{text}}}"#))
            })),
            Block::Call(_, call) => {
                // The service opens each call with an empty piece.
                let pieces = std::iter::once("").chain(call.pieces());
                events.extend(pieces.map(|piece| {
                    let piece = quoted(piece);
                    token(format!(
                        r#"{{"type":"input_json_delta","partial_json":{piece}}}"#
                    ))
                }));
            }
        }
        events.push(Event::frame(
            "content_block_stop",
            format!(r#"{{"type":"content_block_stop","index":{index}}}"#),
        ));
    }
    if !said.script.nofinish {
        let (stop, usage) = (stop(said), usage(said, counts, counts.output));
        events.push(Event::frame(
            "message_delta",
            format!(
                r#"{{"type":"message_delta","delta":{{"stop_reason":{stop},"stop_sequence":null}}{usage}}}"#
            ),
        ));
    }
    events.push(Event::last("message_stop", r#"{"type":"message_stop"}"#));
    events
}

fn message(said: &Said<'_>, blocks: &str, stop: &str, usage: &str) -> String {
    let model = quoted(said.model);
    format!(
        r#"{{"model":{model},"id":"msg_mock","type":"message","role":"assistant","content":[{blocks}],"stop_reason":{stop},"stop_sequence":null{usage}}}"#
    )
}

fn stop(said: &Said<'_>) -> String {
    quoted(said.finish("end_turn", "tool_use"))
}

fn usage(said: &Said<'_>, counts: Counts, output: u64) -> String {
    match said.script.usage {
        Usage::Absent => return String::new(),
        Usage::Null => return r#","usage":null"#.to_owned(),
        _ => {}
    }
    let Counts {
        prompt,
        cached,
        written,
        ..
    } = counts;
    let input = prompt.saturating_sub(cached).saturating_sub(written);
    format!(
        r#","usage":{{"input_tokens":{input},"cache_creation_input_tokens":{written},"cache_read_input_tokens":{cached},"cache_creation":{{"ephemeral_5m_input_tokens":{written},"ephemeral_1h_input_tokens":0}},"output_tokens":{output},"service_tier":"standard"}}"#
    )
}

/// The answer of `count_tokens`.
pub(crate) fn count(asked: &Asked, script: &Script) -> Vec<u8> {
    let tokens = script.prompt.unwrap_or(asked.words.max(1));
    format!(r#"{{"input_tokens":{tokens}}}"#).into_bytes()
}

/// The models in the shape that Anthropic's clients expect.
pub(crate) fn models(names: &[&str]) -> Vec<u8> {
    let data: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({"type": "model", "id": name, "display_name": name, "created_at": "2025-06-15T15:06:40Z"})
        })
        .collect();
    json!({"data": data, "has_more": false, "first_id": names.first(), "last_id": names.last()})
        .to_string()
        .into_bytes()
}

/// An error. Types follow docs.anthropic.com/en/api/errors (read 2026-11).
pub(crate) fn error(status: u16, script: &Script) -> Words {
    Words::json(status, body(status, script)).with("request-id", "req_mock")
}

/// The event that ends a stream in the middle.
pub(crate) fn error_events(said: &Said<'_>) -> Vec<Event> {
    vec![Event::token("error", body(529, said.script))]
}

fn body(status: u16, script: &Script) -> Vec<u8> {
    let (kind, natural) = match status {
        401 => ("authentication_error", "invalid x-api-key (mock)"),
        402 => ("billing_error", "Your credit balance is too low (mock)"),
        403 => ("permission_error", "Not allowed (mock)"),
        404 => ("not_found_error", "model: not found (mock)"),
        413 => (
            "request_too_large",
            "Request exceeds the maximum size (mock)",
        ),
        429 => (
            "rate_limit_error",
            "This request would exceed your rate limit (mock)",
        ),
        504 => ("timeout_error", "The request timed out (mock)"),
        529 => ("overloaded_error", "Overloaded (mock)"),
        500.. => ("api_error", "Internal server error (mock)"),
        _ => ("invalid_request_error", "The request was refused (mock)"),
    };
    let message = quoted(script.message.as_deref().unwrap_or(natural));
    format!(
        r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}},"request_id":"req_mock"}}"#
    )
    .into_bytes()
}
