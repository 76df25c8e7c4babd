//! Gemini's dialect, of AI Studio and of Vertex alike: content, its token count, and embeddings.
//!
//! Shapes are those of ai.google.dev/api/generate-content (read 2026-11). A stream has no last event: the one with the
//! finish reason ends it. Thoughts count beside the candidates, not in them, and a call comes whole.

use serde_json::{Value, json};

use super::{Asked, Block, Event, GARBAGE, Said, Words, any_part, text};
use crate::content::{Counts, SIGNATURE, dim, quoted, spoken, vector};
use crate::script::{Script, Usage};

/// What a request says.
pub(crate) fn read(body: &Value) -> Asked {
    let contents = &body["contents"];
    let mut asked = Asked::messages(contents, "parts");
    // A single turn may leave out whose it is.
    if let Some([content]) = contents.as_array().map(Vec::as_slice)
        && content["role"].is_null()
    {
        asked.said = text(&content["parts"]);
    }
    let system = text(&body["systemInstruction"]["parts"]);
    Asked {
        words: asked.words + system.split_whitespace().count() as u64,
        tool: body["tools"][0]["functionDeclarations"][0]["name"]
            .as_str()
            .map(str::to_owned),
        answered: any_part(contents, "parts", |part| {
            part["functionResponse"].is_object()
        }),
        ..asked
    }
}

/// A whole answer.
pub(crate) fn whole(said: &Said<'_>) -> Vec<u8> {
    let blocks = said.blocks();
    let part = |block: &Block<'_>| match block {
        Block::Thought(thoughts) => thought(&thoughts.concat()),
        Block::Text(tokens) => {
            let text = spoken(&tokens.concat(), said.script);
            format!(r#"{{"text":{text}{}}}"#, signature(said))
        }
        Block::Call(index, call) => call_part(said, *index, &call.name, &call.value()),
    };
    let parts: Vec<String> = blocks.iter().map(part).collect();
    let counts = said.content.counts(said.script);
    let finish = match said.script.nofinish {
        true => String::new(),
        false => finish(said),
    };
    chunk(said, counts, counts.output, &parts.join(","), &finish).into_bytes()
}

/// The events of a stream.
pub(crate) fn events(said: &Said<'_>) -> Vec<Event> {
    let counts = said.content.counts(said.script);
    let mut events = Vec::new();
    let mut done = 0;
    let mut put = |part: &str| {
        done += 1;
        events.push(Event::token("", chunk(said, counts, done, part, "")));
    };
    for block in said.blocks() {
        match block {
            Block::Thought(thoughts) => thoughts.iter().for_each(|text| put(&thought(text))),
            Block::Text(tokens) => tokens
                .iter()
                .for_each(|text| put(&format!(r#"{{"text":{}}}"#, spoken(text, said.script)))),
            Block::Call(index, call) => put(&call_part(said, index, &call.name, &call.value())),
        }
    }
    if !said.script.nofinish {
        let part = format!(r#"{{"text":""{}}}"#, signature(said));
        let last = chunk(said, counts, counts.output, &part, &finish(said));
        events.push(Event::frame("", last));
    }
    events
}

fn thought(text: &str) -> String {
    format!(r#"{{"text":{},"thought":true}}"#, quoted(text))
}

/// Of parallel calls only the first is signed.
fn call_part(said: &Said<'_>, index: usize, name: &str, args: &str) -> String {
    let name = quoted(name);
    let signature = match index {
        0 => signature(said),
        _ => String::new(),
    };
    format!(r#"{{"functionCall":{{"name":{name},"args":{args}}}{signature}}}"#)
}

/// The proof of the thoughts before a part, if there were any.
fn signature(said: &Said<'_>) -> String {
    match said.content.thoughts.as_slice() {
        [] => String::new(),
        _ => format!(r#","thoughtSignature":"{SIGNATURE}""#),
    }
}

/// Calls of tools are no reason to stop here.
fn finish(said: &Said<'_>) -> String {
    format!(r#""finishReason":{},"#, quoted(said.finish("STOP", "STOP")))
}

fn chunk(said: &Said<'_>, counts: Counts, done: u64, parts: &str, finish: &str) -> String {
    let candidates = match said.script.nochoices {
        true => String::new(),
        false => {
            format!(r#"{{"content":{{"parts":[{parts}],"role":"model"}},{finish}"index":0}}"#)
        }
    };
    let usage = match said.script.usage {
        Usage::Absent => String::new(),
        Usage::Null => r#","usageMetadata":null"#.to_owned(),
        _ => format!(r#","usageMetadata":{}"#, usage(said, counts, done)),
    };
    let model = quoted(said.model);
    format!(r#"{{"candidates":[{candidates}]{usage},"modelVersion":{model},"responseId":"mock"}}"#)
}

fn usage(said: &Said<'_>, counts: Counts, done: u64) -> String {
    let Counts {
        prompt,
        cached,
        reasoning,
        ..
    } = counts;
    let candidates = done.saturating_sub(said.content.thoughts.len() as u64);
    let total = prompt + candidates + reasoning;
    let cached = match cached {
        0 => String::new(),
        count => format!(
            r#""cachedContentTokenCount":{count},"cacheTokensDetails":[{{"modality":"TEXT","tokenCount":{count}}}],"#
        ),
    };
    let thoughts = match reasoning {
        0 => String::new(),
        count => format!(r#","thoughtsTokenCount":{count}"#),
    };
    format!(
        r#"{{"promptTokenCount":{prompt},"candidatesTokenCount":{candidates},"totalTokenCount":{total},{cached}"promptTokensDetails":[{{"modality":"TEXT","tokenCount":{prompt}}}]{thoughts}}}"#
    )
}

/// The answer of `countTokens`, whose contents may stand inside a request for content.
pub(crate) fn count(body: &Value, script: &Script) -> Vec<u8> {
    let inner = &body["generateContentRequest"];
    let asked = read(if inner.is_object() { inner } else { body });
    let tokens = script.prompt.unwrap_or(asked.words.max(1));
    json!({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})
        .to_string()
        .into_bytes()
}

/// The answer of `embedContent`.
pub(crate) fn embed(body: &Value, script: &Script) -> Vec<u8> {
    if script.garbage.is_some() {
        return GARBAGE.to_vec();
    }
    format!(r#"{{"embedding":{}}}"#, values(body, script)).into_bytes()
}

/// The answer of `batchEmbedContents`.
pub(crate) fn embed_batch(body: &Value, script: &Script) -> Result<Vec<u8>, String> {
    let Some(requests) = body["requests"].as_array() else {
        return Err("'requests' must be a list".to_owned());
    };
    if script.garbage.is_some() {
        return Ok(GARBAGE.to_vec());
    }
    let values: Vec<String> = requests
        .iter()
        .filter(|_| !script.nochoices)
        .map(|request| values(request, script))
        .collect();
    Ok(format!(r#"{{"embeddings":[{}]}}"#, values.join(",")).into_bytes())
}

fn values(request: &Value, script: &Script) -> String {
    let dim = dim(script, &request["outputDimensionality"]);
    let values = vector(&text(&request["content"]["parts"]), dim);
    format!(r#"{{"values":{values:?}}}"#)
}

/// The models in the shape that Gemini's clients expect.
pub(crate) fn models(names: &[&str]) -> Vec<u8> {
    let models: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "name": format!("models/{name}"), "displayName": name, "version": "1",
                "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"],
            })
        })
        .collect();
    json!({"models": models}).to_string().into_bytes()
}

/// An error. Codes are those of google.rpc.Code (cloud.google.com/apis/design/errors, read 2026-11).
pub(crate) fn error(status: u16, script: &Script) -> Words {
    let (code, natural) = match status {
        401 => ("UNAUTHENTICATED", "API key not valid (mock)"),
        402 | 429 => (
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota (mock)",
        ),
        403 => ("PERMISSION_DENIED", "Not allowed (mock)"),
        404 => ("NOT_FOUND", "The model is not found (mock)"),
        503 | 529 => ("UNAVAILABLE", "The model is overloaded (mock)"),
        504 => ("DEADLINE_EXCEEDED", "The deadline has passed (mock)"),
        500.. => ("INTERNAL", "An internal error has occurred (mock)"),
        _ => ("INVALID_ARGUMENT", "The request was refused (mock)"),
    };
    let message = quoted(script.message.as_deref().unwrap_or(natural));
    // When to come again stands in the body here, in seconds with their letter.
    let details = match script.retry_after.as_deref().map(str::parse::<u64>) {
        Some(Ok(seconds)) => format!(
            r#","details":[{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{seconds}s"}}]"#
        ),
        _ => String::new(),
    };
    let body = format!(
        r#"{{"error":{{"code":{status},"message":{message},"status":"{code}"{details}}}}}"#
    );
    Words::json(status, body.into_bytes())
}
