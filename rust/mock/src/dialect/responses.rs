//! OpenAI's Responses API.
//!
//! Shapes and the order of events are those of platform.openai.com/docs/api-reference/responses-streaming (read 2026-11).
//! An answer is a list of items; each event of a stream has a number, and the last one repeats the whole answer.

use serde_json::Value;

use super::{Asked, Block, CREATED, Event, Said, any_part, text};
use crate::content::{Counts, SIGNATURE, numbered, quoted, spoken};
use crate::script::Usage;

/// What a request says.
pub(crate) fn read(body: &Value) -> Asked {
    let input = &body["input"];
    let asked = match input {
        Value::String(said) => Asked {
            said: said.clone(),
            words: said.split_whitespace().count() as u64,
            ..Asked::default()
        },
        items => Asked::messages(items, "content"),
    };
    let items = input.as_array().map(Vec::as_slice).unwrap_or_default();
    let outputs = ["function_call_output", "custom_tool_call_output"];
    let tools = body["tools"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    // The tools that the service runs itself are none that a client could be asked to call.
    let callable = tools.iter().find(|tool| tool["type"] == "function");
    Asked {
        words: asked.words + text(&body["instructions"]).split_whitespace().count() as u64,
        tool: callable
            .and_then(|tool| tool["name"].as_str())
            .map(str::to_owned),
        answered: items
            .iter()
            .any(|item| outputs.iter().any(|kind| item["type"] == *kind))
            || any_part(input, "content", |part| part["type"] == "tool_result"),
        ..asked
    }
}

/// A whole answer.
pub(crate) fn whole(said: &Said<'_>) -> Vec<u8> {
    let status = match said.script.nofinish {
        true => "in_progress",
        false => status(said),
    };
    response(said, status, &items(said)).into_bytes()
}

/// The events of a stream, the one with the whole answer included.
pub(crate) fn events(said: &Said<'_>) -> Vec<Event> {
    let mut stream = Stream::default();
    let open = response(said, "in_progress", "");
    stream.put("response.created", &format!(r#""response":{open}"#), false);
    stream.put(
        "response.in_progress",
        &format!(r#""response":{open}"#),
        false,
    );
    for (index, block) in said.blocks().iter().enumerate() {
        let added = format!(
            r#""output_index":{index},"item":{}"#,
            item(said, block, false)
        );
        stream.put("response.output_item.added", &added, false);
        match block {
            Block::Thought(thoughts) => stream.thought(index, thoughts),
            Block::Text(tokens) => stream.text(said, index, tokens),
            Block::Call(number, call) => {
                let id = numbered("fc_mock", *number);
                let at = format!(r#""item_id":"{id}","output_index":{index}"#);
                for piece in call.pieces() {
                    let delta = format!(r#"{at},"delta":{}"#, quoted(piece));
                    stream.put("response.function_call_arguments.delta", &delta, true);
                }
                let done = format!(r#"{at},"arguments":{}"#, quoted(&call.arguments));
                stream.put("response.function_call_arguments.done", &done, false);
            }
        }
        let done = format!(
            r#""output_index":{index},"item":{}"#,
            item(said, block, true)
        );
        stream.put("response.output_item.done", &done, false);
    }
    if !said.script.nofinish {
        let status = status(said);
        let name = match status {
            "completed" => "response.completed",
            _ => "response.incomplete",
        };
        let whole = response(said, status, &items(said));
        stream.put(name, &format!(r#""response":{whole}"#), false);
        if let Some(event) = stream.events.last_mut() {
            event.last = true;
        }
    }
    stream.events
}

/// What a stream says when it fails: the error by itself, and then a response that failed. `before`: events so far.
pub(crate) fn error_events(said: &Said<'_>, before: usize) -> Vec<Event> {
    let message = said.script.message.as_deref();
    let message = quoted(message.unwrap_or("The server had an error (mock)"));
    let failed = response(said, "failed", "");
    vec![
        Event::token(
            "error",
            format!(
                r#"{{"type":"error","sequence_number":{before},"code":"server_error","message":{message},"param":null}}"#
            ),
        ),
        Event::frame(
            "response.failed",
            format!(
                r#"{{"type":"response.failed","sequence_number":{},"response":{failed}}}"#,
                before + 1
            ),
        ),
    ]
}

/// Events and the number of the next.
#[derive(Default)]
struct Stream {
    events: Vec<Event>,
}

impl Stream {
    fn put(&mut self, name: &'static str, rest: &str, paced: bool) {
        let number = self.events.len();
        let data = format!(r#"{{"type":"{name}","sequence_number":{number},{rest}}}"#);
        self.events.push(match paced {
            true => Event::token(name, data),
            false => Event::frame(name, data),
        });
    }

    fn thought(&mut self, index: usize, thoughts: &[String]) {
        let at = format!(r#""item_id":"rs_mock","output_index":{index},"summary_index":0"#);
        let part = |text: &str| format!(r#""part":{{"type":"summary_text","text":{text}}}"#);
        let whole = quoted(&thoughts.concat());
        self.put(
            "response.reasoning_summary_part.added",
            &format!("{at},{}", part("\"\"")),
            false,
        );
        for thought in thoughts {
            let delta = format!(r#"{at},"delta":{}"#, quoted(thought));
            self.put("response.reasoning_summary_text.delta", &delta, true);
        }
        self.put(
            "response.reasoning_summary_text.done",
            &format!(r#"{at},"text":{whole}"#),
            false,
        );
        self.put(
            "response.reasoning_summary_part.done",
            &format!("{at},{}", part(&whole)),
            false,
        );
    }

    fn text(&mut self, said: &Said<'_>, index: usize, tokens: &[String]) {
        let at = format!(r#""item_id":"msg_mock","output_index":{index},"content_index":0"#);
        let whole = spoken(&tokens.concat(), said.script);
        let added = format!(r#"{at},"part":{}"#, text_part("\"\""));
        self.put("response.content_part.added", &added, false);
        for token in tokens {
            let delta = format!(
                r#"{at},"delta":{},"logprobs":[]"#,
                spoken(token, said.script)
            );
            self.put("response.output_text.delta", &delta, true);
        }
        let done = format!(r#"{at},"text":{whole},"logprobs":[]"#);
        self.put("response.output_text.done", &done, false);
        let done = format!(r#"{at},"part":{}"#, text_part(&whole));
        self.put("response.content_part.done", &done, false);
    }
}

fn text_part(text: &str) -> String {
    format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":{text}}}"#)
}

fn items(said: &Said<'_>) -> String {
    let items: Vec<String> = said
        .blocks()
        .iter()
        .map(|block| item(said, block, true))
        .collect();
    items.join(",")
}

/// An item, whole or as it stands when it begins.
fn item(said: &Said<'_>, block: &Block<'_>, whole: bool) -> String {
    let status = if whole { "completed" } else { "in_progress" };
    match block {
        Block::Thought(thoughts) => {
            let summary = match whole {
                true => format!(
                    r#"{{"type":"summary_text","text":{}}}"#,
                    quoted(&thoughts.concat())
                ),
                false => String::new(),
            };
            format!(
                r#"{{"id":"rs_mock","type":"reasoning","encrypted_content":"{SIGNATURE}","summary":[{summary}]}}"#
            )
        }
        Block::Text(tokens) => {
            let part = match whole {
                true => text_part(&spoken(&tokens.concat(), said.script)),
                false => String::new(),
            };
            format!(
                r#"{{"id":"msg_mock","type":"message","status":"{status}","content":[{part}],"role":"assistant"}}"#
            )
        }
        Block::Call(index, call) => {
            let (id, call_id) = (numbered("fc_mock", *index), numbered("call_mock", *index));
            let arguments = if whole { call.arguments.as_str() } else { "" };
            let (name, arguments) = (quoted(&call.name), quoted(arguments));
            format!(
                r#"{{"id":"{id}","type":"function_call","status":"{status}","arguments":{arguments},"call_id":"{call_id}","name":{name}}}"#
            )
        }
    }
}

/// A reason that the script gives is a reason to be incomplete, unless it is the good one.
fn status(said: &Said<'_>) -> &'static str {
    match said.script.finish.as_deref() {
        None | Some("completed") => "completed",
        Some(_) => "incomplete",
    }
}

/// The response object. Nothing of the request is repeated in it, so that it can be built before one comes.
fn response(said: &Said<'_>, status: &str, items: &str) -> String {
    let details = match status {
        "incomplete" => format!(r#"{{"reason":{}}}"#, quoted(said.finish("", ""))),
        _ => "null".to_owned(),
    };
    let error = match status {
        "failed" => {
            let message = said.script.message.as_deref();
            let message = quoted(message.unwrap_or("The server had an error (mock)"));
            format!(r#"{{"code":"server_error","message":{message}}}"#)
        }
        _ => "null".to_owned(),
    };
    let usage = match (status, said.script.usage) {
        (_, Usage::Absent) => String::new(),
        ("in_progress" | "failed", _) | (_, Usage::Null) => r#","usage":null"#.to_owned(),
        _ => format!(r#","usage":{}"#, usage(said)),
    };
    let completed = match status {
        "completed" => CREATED.to_string(),
        _ => "null".to_owned(),
    };
    let model = quoted(said.model);
    format!(
        r#"{{"id":"resp_mock","object":"response","created_at":{CREATED},"status":"{status}","background":false,"completed_at":{completed},"error":{error},"incomplete_details":{details},"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"model":{model},"output":[{items}],"parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{{"effort":null,"summary":null}},"safety_identifier":null,"service_tier":"default","store":false,"temperature":1.0,"text":{{"format":{{"type":"text"}},"verbosity":"medium"}},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1.0,"truncation":"disabled"{usage},"user":null,"metadata":{{}}}}"#
    )
}

fn usage(said: &Said<'_>) -> String {
    let Counts {
        prompt,
        cached,
        written,
        output,
        reasoning,
    } = said.content.counts(said.script);
    let total = prompt + output;
    let written = match written {
        0 => String::new(),
        written => format!(r#","cache_write_tokens":{written}"#),
    };
    format!(
        r#"{{"input_tokens":{prompt},"input_tokens_details":{{"cached_tokens":{cached}{written}}},"output_tokens":{output},"output_tokens_details":{{"reasoning_tokens":{reasoning}}},"total_tokens":{total}}}"#
    )
}
