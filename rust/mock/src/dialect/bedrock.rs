//! Bedrock's dialect: Converse, ConverseStream, and InvokeModel for embeddings.
//!
//! Shapes are those of docs.aws.amazon.com/bedrock/latest/APIReference (read 2026-11), with the padding `p` that the
//! service puts into each event. Text and thoughts have no start event, calls do.

use serde_json::Value;

use super::{Asked, Block, Event, GARBAGE, Said, Words, any_part, text};
use crate::content::{Counts, SIGNATURE, dim, numbered, quoted, spoken, vector, words};
use crate::script::{Script, Usage};

/// Padding of every event. The service sends some of these letters, so that lengths do not tell what is said.
const PADDING: &str = "abcdefghijklmnopq";

/// What a request says.
pub(crate) fn read(body: &Value) -> Asked {
    let messages = &body["messages"];
    let asked = Asked::messages(messages, "content");
    Asked {
        words: asked.words + text(&body["system"]).split_whitespace().count() as u64,
        tool: body["toolConfig"]["tools"][0]["toolSpec"]["name"]
            .as_str()
            .map(str::to_owned),
        answered: any_part(messages, "content", |part| part["toolResult"].is_object()),
        ..asked
    }
}

/// A whole answer.
pub(crate) fn whole(said: &Said<'_>) -> Vec<u8> {
    let block = |block: &Block<'_>| match block {
        Block::Thought(thoughts) => {
            let thought = quoted(&thoughts.concat());
            format!(
                r#"{{"reasoningContent":{{"reasoningText":{{"signature":"{SIGNATURE}","text":{thought}}}}}}}"#
            )
        }
        Block::Text(tokens) => {
            let text = spoken(&tokens.concat(), said.script);
            format!(r#"{{"text":{text}}}"#)
        }
        Block::Call(index, call) => {
            let (id, name, input) = (
                numbered("tooluse_mock", *index),
                quoted(&call.name),
                call.value(),
            );
            format!(r#"{{"toolUse":{{"input":{input},"name":{name},"toolUseId":"{id}"}}}}"#)
        }
    };
    let blocks: Vec<String> = said.blocks().iter().map(block).collect();
    let stop = match said.script.nofinish {
        true => String::new(),
        false => format!(r#","stopReason":{}"#, stop(said)),
    };
    let (blocks, usage) = (blocks.join(","), usage(said));
    format!(
        r#"{{"metrics":{{"latencyMs":1}},"output":{{"message":{{"content":[{blocks}],"role":"assistant"}}}}{stop}{usage}}}"#
    )
    .into_bytes()
}

/// The events of a stream, `metadata` included.
pub(crate) fn events(said: &Said<'_>) -> Vec<Event> {
    let mut events = vec![Event::frame(
        "messageStart",
        format!(r#"{{"p":"{PADDING}","role":"assistant"}}"#),
    )];
    for (index, block) in said.blocks().iter().enumerate() {
        let delta = |delta: String| {
            format!(r#"{{"contentBlockIndex":{index},"delta":{delta},"p":"{PADDING}"}}"#)
        };
        let token = |text: String| Event::token("contentBlockDelta", delta(text));
        match block {
            Block::Thought(thoughts) => {
                events.extend(thoughts.iter().map(|thought| {
                    token(format!(
                        r#"{{"reasoningContent":{{"text":{}}}}}"#,
                        quoted(thought)
                    ))
                }));
                let signature = format!(r#"{{"reasoningContent":{{"signature":"{SIGNATURE}"}}}}"#);
                events.push(Event::frame("contentBlockDelta", delta(signature)));
            }
            Block::Text(tokens) => events.extend(
                tokens
                    .iter()
                    .map(|text| token(format!(r#"{{"text":{}}}"#, spoken(text, said.script)))),
            ),
            Block::Call(number, call) => {
                let (id, name) = (numbered("tooluse_mock", *number), quoted(&call.name));
                events.push(Event::frame(
                    "contentBlockStart",
                    format!(
                        r#"{{"contentBlockIndex":{index},"p":"{PADDING}","start":{{"toolUse":{{"name":{name},"toolUseId":"{id}"}}}}}}"#
                    ),
                ));
                events.extend(
                    call.pieces().into_iter().map(|piece| {
                        token(format!(r#"{{"toolUse":{{"input":{}}}}}"#, quoted(piece)))
                    }),
                );
            }
        }
        events.push(Event::frame(
            "contentBlockStop",
            format!(r#"{{"contentBlockIndex":{index},"p":"{PADDING}"}}"#),
        ));
    }
    if !said.script.nofinish {
        let stop = stop(said);
        events.push(Event::frame(
            "messageStop",
            format!(r#"{{"p":"{PADDING}","stopReason":{stop}}}"#),
        ));
    }
    let usage = usage(said);
    events.push(Event::last(
        "metadata",
        format!(r#"{{"metrics":{{"latencyMs":1}},"p":"{PADDING}"{usage}}}"#),
    ));
    events
}

fn stop(said: &Said<'_>) -> String {
    quoted(said.finish("end_turn", "tool_use"))
}

/// Input tokens are those that no cache had to do with; the total counts all.
fn usage(said: &Said<'_>) -> String {
    match said.script.usage {
        Usage::Absent => return String::new(),
        Usage::Null => return r#","usage":null"#.to_owned(),
        _ => {}
    }
    let Counts {
        prompt,
        cached,
        written,
        output,
        ..
    } = said.content.counts(said.script);
    let input = prompt.saturating_sub(cached).saturating_sub(written);
    let total = input + cached + written + output;
    let caches = match (cached, written) {
        (0, 0) => String::new(),
        _ => format!(
            r#""cacheReadInputTokenCount":{cached},"cacheReadInputTokens":{cached},"cacheWriteInputTokenCount":{written},"cacheWriteInputTokens":{written},"#
        ),
    };
    format!(
        r#","usage":{{{caches}"inputTokens":{input},"outputTokens":{output},"serverToolUsage":{{}},"totalTokens":{total}}}"#
    )
}

/// An embedding by InvokeModel, in the words of the model's maker: Titan takes one text, Cohere's models several. Only
/// a header tells the tokens of the latter.
pub(crate) fn invoke(body: &Value, script: &Script) -> Result<Words, String> {
    let (payload, tokens) = if let Some(text) = body["inputText"].as_str() {
        let tokens = script.prompt.unwrap_or(words(text));
        let values = vector(text, dim(script, &body["dimensions"]));
        let json = format!(
            r#"{{"embedding":{values:?},"embeddingsByType":{{"float":{values:?}}},"inputTextTokenCount":{tokens}}}"#
        );
        (json, tokens)
    } else if let Some(texts) = body["texts"].as_array() {
        let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
        let dim = dim(script, &body["output_dimension"]);
        let values: Vec<String> = texts
            .iter()
            .map(|text| format!("{:?}", vector(text, dim)))
            .collect();
        let values = values.join(",");
        let (embeddings, kind) = match body["embedding_types"].is_array() {
            true => (format!(r#"{{"float":[{values}]}}"#), "embeddings_by_type"),
            false => (format!("[{values}]"), "embeddings_floats"),
        };
        let echoed = Value::from(texts.clone());
        let json = format!(
            r#"{{"id":"mock","embeddings":{embeddings},"response_type":"{kind}","texts":{echoed}}}"#
        );
        let counted = texts.iter().map(|text| words(text)).sum();
        (json, script.prompt.unwrap_or(counted))
    } else {
        return Err("the body must hold 'inputText' or 'texts'".to_owned());
    };
    let payload = match script.garbage {
        Some(_) => GARBAGE.to_vec(),
        None => payload.into_bytes(),
    };
    let words = Words::json(200, payload);
    Ok(match script.usage {
        Usage::Absent | Usage::Null => words,
        _ => words.with("x-amzn-bedrock-input-token-count", tokens.to_string()),
    })
}

/// Whether a signature of version 4 names this access key. That it is a right one is for other tests to say: the mock
/// has no secret to compute it with.
pub(crate) fn signed_by(authorization: &str, key: &str) -> bool {
    authorization
        .strip_prefix("AWS4-HMAC-SHA256 Credential=")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(have, _)| have == key)
}

/// An error. Its kind stands in a header, its message alone in the body.
pub(crate) fn error(status: u16, script: &Script) -> Words {
    let (kind, natural) = match status {
        401 => (
            "UnrecognizedClientException",
            "The security token is invalid (mock)",
        ),
        403 => ("AccessDeniedException", "Not allowed (mock)"),
        404 => ("ResourceNotFoundException", "The model is not found (mock)"),
        408 => ("ModelTimeoutException", "The model took too long (mock)"),
        424 => ("ModelErrorException", "The model failed (mock)"),
        429 => ("ThrottlingException", "Too many requests (mock)"),
        503 => (
            "ServiceUnavailableException",
            "The service is unavailable (mock)",
        ),
        500.. => (
            "InternalServerException",
            "An internal error has occurred (mock)",
        ),
        _ => ("ValidationException", "The request was refused (mock)"),
    };
    let message = quoted(script.message.as_deref().unwrap_or(natural));
    Words::json(status, format!(r#"{{"message":{message}}}"#).into_bytes())
        .with("x-amzn-errortype", kind)
        .with("x-amzn-requestid", "00000000-0000-0000-0000-000000000000")
}

/// The exception that ends a stream in the middle.
pub(crate) fn error_events(said: &Said<'_>) -> Vec<Event> {
    let message = said.script.message.as_deref();
    let message = quoted(message.unwrap_or("The model failed (mock)"));
    vec![Event::token(
        "modelStreamErrorException",
        format!(r#"{{"message":{message},"originalStatusCode":500}}"#),
    )]
}
