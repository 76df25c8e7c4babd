//! Ollama's own dialect: chat and embed. Streams are lines of JSON, and a request that does not say otherwise streams.
//!
//! Shapes are those of github.com/ollama/ollama, docs/api.md (read 2026-11).

use serde_json::{Value, json};

use super::{Asked, Block, Event, GARBAGE, Said, Words, openai, text};
use crate::content::{Counts, dim, quoted, spoken, vector, words};
use crate::script::{Script, Usage};

/// When everything was said.
const CREATED_AT: &str = "2025-06-15T15:06:40Z";

/// What a request says, which is what an OpenAI request says in the same places.
pub(crate) fn read(body: &Value) -> Asked {
    openai::read(body)
}

/// A whole answer.
pub(crate) fn whole(said: &Said<'_>) -> Vec<u8> {
    let (mut content, mut thinking, mut calls) = ("\"\"".to_owned(), String::new(), Vec::new());
    for block in said.blocks() {
        match block {
            Block::Thought(thoughts) => {
                thinking = format!(r#","thinking":{}"#, quoted(&thoughts.concat()));
            }
            Block::Text(tokens) => content = spoken(&tokens.concat(), said.script),
            Block::Call(index, call) => calls.push(call_part(index, &call.name, &call.value())),
        }
    }
    let calls = match calls.as_slice() {
        [] => String::new(),
        calls => format!(r#","tool_calls":[{}]"#, calls.join(",")),
    };
    line(said, &format!(r#"{content}{thinking}{calls}"#), &end(said)).into_bytes()
}

/// The lines of a stream, the one with the counts included.
pub(crate) fn events(said: &Said<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut put = |message: String| {
        events.push(Event::token("", line(said, &message, r#""done":false"#)));
    };
    for block in said.blocks() {
        match block {
            Block::Thought(thoughts) => thoughts
                .iter()
                .for_each(|text| put(format!(r#""","thinking":{}"#, quoted(text)))),
            Block::Text(tokens) => tokens
                .iter()
                .for_each(|text| put(spoken(text, said.script))),
            // Calls are not streamed in pieces here.
            Block::Call(index, call) => {
                let call = call_part(index, &call.name, &call.value());
                put(format!(r#""","tool_calls":[{call}]"#));
            }
        }
    }
    events.push(Event::last("", line(said, "\"\"", &end(said))));
    events
}

/// `message`: what follows `"content":`, with further keys of the message behind it.
fn line(said: &Said<'_>, message: &str, end: &str) -> String {
    let model = quoted(said.model);
    format!(
        r#"{{"model":{model},"created_at":"{CREATED_AT}","message":{{"role":"assistant","content":{message}}},{end}}}"#
    )
}

fn call_part(index: usize, name: &str, arguments: &str) -> String {
    let name = quoted(name);
    format!(r#"{{"function":{{"index":{index},"name":{name},"arguments":{arguments}}}}}"#)
}

/// What stands in the last line alone. Calls of tools are no reason of their own to stop.
fn end(said: &Said<'_>) -> String {
    let reason = match said.script.nofinish {
        true => String::new(),
        false => format!(r#","done_reason":{}"#, quoted(said.finish("stop", "stop"))),
    };
    let Counts { prompt, output, .. } = said.content.counts(said.script);
    let counts = match said.script.usage {
        Usage::Absent => String::new(),
        Usage::Null => r#","prompt_eval_count":null,"eval_count":null"#.to_owned(),
        _ => format!(
            r#","total_duration":4000000,"load_duration":1000000,"prompt_eval_count":{prompt},"prompt_eval_duration":1000000,"eval_count":{output},"eval_duration":2000000"#
        ),
    };
    format!(r#""done":true{reason}{counts}"#)
}

/// The answer of `embed`.
pub(crate) fn embed(model: &str, body: &Value, script: &Script) -> Result<Vec<u8>, String> {
    let texts: Vec<String> = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().map(text).collect(),
        _ => return Err("'input' must be a string or a list of strings".to_owned()),
    };
    if script.garbage.is_some() {
        return Ok(GARBAGE.to_vec());
    }
    let dim = dim(script, &body["dimensions"]);
    let vectors: Vec<String> = texts
        .iter()
        .filter(|_| !script.nochoices)
        .map(|text| format!("{:?}", vector(text, dim)))
        .collect();
    let counted = texts.iter().map(|text| words(text)).sum();
    let tokens: u64 = script.prompt.unwrap_or(counted);
    let counts = match script.usage {
        Usage::Absent => String::new(),
        Usage::Null => r#","prompt_eval_count":null"#.to_owned(),
        _ => format!(
            r#","total_duration":2000000,"load_duration":1000000,"prompt_eval_count":{tokens}"#
        ),
    };
    let (model, vectors) = (quoted(model), vectors.join(","));
    Ok(format!(r#"{{"model":{model},"embeddings":[{vectors}]{counts}}}"#).into_bytes())
}

/// An error, which is a text.
pub(crate) fn error(status: u16, script: &Script) -> Words {
    let natural = match status {
        401 => "unauthorized (mock)",
        404 => "model not found, try pulling it first (mock)",
        429 => "too many requests (mock)",
        500.. => "llama runner process has terminated (mock)",
        _ => "the request was refused (mock)",
    };
    let message = script.message.as_deref().unwrap_or(natural);
    Words::json(status, json!({"error": message}).to_string().into_bytes())
}
