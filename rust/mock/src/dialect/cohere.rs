//! Cohere's dialect, version 2: chat, embed and rerank.
//!
//! Shapes are those of docs.cohere.com/v2/reference (read 2026-11). Text before a call is its plan and stands apart, and
//! what is billed is counted beside what was read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Asked, Block, Event, GARBAGE, Said, Words, openai, text};
use crate::content::{Counts, dim, numbered, quoted, spoken, vector, words};
use crate::script::{Script, Usage};

/// What a request says, which is what an OpenAI request says in the same places.
pub(crate) fn read(body: &Value) -> Asked {
    openai::read(body)
}

/// A whole answer.
pub(crate) fn whole(said: &Said<'_>) -> Vec<u8> {
    let (mut plan, mut content, mut calls) = (String::new(), Vec::new(), Vec::new());
    for block in said.blocks() {
        match block {
            Block::Thought(thoughts) => content.push(format!(
                r#"{{"type":"thinking","thinking":{}}}"#,
                quoted(&thoughts.concat())
            )),
            Block::Text(tokens) if plans(said) => {
                plan = format!(r#","tool_plan":{}"#, spoken(&tokens.concat(), said.script));
            }
            Block::Text(tokens) => content.push(format!(
                r#"{{"type":"text","text":{}}}"#,
                spoken(&tokens.concat(), said.script)
            )),
            Block::Call(index, call) => {
                let (id, name) = (numbered("call_mock", index), quoted(&call.name));
                let arguments = quoted(&call.arguments);
                calls.push(format!(
                    r#"{{"id":"{id}","type":"function","function":{{"name":{name},"arguments":{arguments}}}}}"#
                ));
            }
        }
    }
    let calls = match calls.as_slice() {
        [] => String::new(),
        calls => format!(r#","tool_calls":[{}]"#, calls.join(",")),
    };
    // Without a text there is no content at all, rather than an empty one.
    let content = match (content.as_slice(), plans(said)) {
        ([], true) => String::new(),
        (content, _) => format!(r#","content":[{}]"#, content.join(",")),
    };
    let finish = match said.script.nofinish {
        true => String::new(),
        false => format!(r#","finish_reason":{}"#, finish(said)),
    };
    let usage = usage(said);
    format!(
        r#"{{"id":"mock","message":{{"role":"assistant"{plan}{calls}{content}}}{finish}{usage}}}"#
    )
    .into_bytes()
}

/// The events of a stream, `[DONE]` included.
pub(crate) fn events(said: &Said<'_>) -> Vec<Event> {
    let mut events = vec![Event::frame(
        "message-start",
        r#"{"id":"mock","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
    )];
    let mut index = 0;
    for block in said.blocks() {
        match block {
            Block::Thought(thoughts) => {
                let texts = thoughts.iter().map(|thought| quoted(thought));
                content(&mut events, index, "thinking", texts);
                index += 1;
            }
            Block::Text(tokens) if plans(said) => events.extend(tokens.iter().map(|text| {
                let text = spoken(text, said.script);
                Event::token(
                    "tool-plan-delta",
                    format!(
                        r#"{{"type":"tool-plan-delta","delta":{{"message":{{"tool_plan":{text}}}}}}}"#
                    ),
                )
            })),
            Block::Text(tokens) => {
                let texts = tokens.iter().map(|text| spoken(text, said.script));
                content(&mut events, index, "text", texts);
                index += 1;
            }
            Block::Call(number, call) => {
                let (id, name) = (numbered("call_mock", number), quoted(&call.name));
                events.push(Event::token(
                    "tool-call-start",
                    format!(
                        r#"{{"type":"tool-call-start","index":{number},"delta":{{"message":{{"tool_calls":{{"id":"{id}","type":"function","function":{{"name":{name},"arguments":""}}}}}}}}}}"#
                    ),
                ));
                events.extend(call.pieces().into_iter().map(|piece| {
                    let piece = quoted(piece);
                    Event::token(
                        "tool-call-delta",
                        format!(
                            r#"{{"type":"tool-call-delta","index":{number},"delta":{{"message":{{"tool_calls":{{"function":{{"arguments":{piece}}}}}}}}}}}"#
                        ),
                    )
                }));
                events.push(Event::frame(
                    "tool-call-end",
                    format!(r#"{{"type":"tool-call-end","index":{number}}}"#),
                ));
            }
        }
    }
    if !said.script.nofinish {
        let (finish, usage) = (finish(said), usage(said));
        events.push(Event::frame(
            "message-end",
            format!(r#"{{"type":"message-end","delta":{{"finish_reason":{finish}{usage}}}}}"#),
        ));
    }
    events.push(Event::last("", b"[DONE]"));
    events
}

/// One content block: its start, its pieces, its end.
fn content(
    events: &mut Vec<Event>,
    index: usize,
    kind: &str,
    pieces: impl Iterator<Item = String>,
) {
    events.push(Event::frame(
        "content-start",
        format!(
            r#"{{"type":"content-start","index":{index},"delta":{{"message":{{"content":{{"type":"{kind}","{kind}":""}}}}}}}}"#
        ),
    ));
    events.extend(pieces.map(|piece| {
        Event::token(
            "content-delta",
            format!(
                r#"{{"type":"content-delta","index":{index},"delta":{{"message":{{"content":{{"{kind}":{piece}}}}}}}}}"#
            ),
        )
    }));
    events.push(Event::frame(
        "content-end",
        format!(r#"{{"type":"content-end","index":{index}}}"#),
    ));
}

fn plans(said: &Said<'_>) -> bool {
    !said.content.calls.is_empty()
}

fn finish(said: &Said<'_>) -> String {
    quoted(said.finish("COMPLETE", "TOOL_CALL"))
}

fn usage(said: &Said<'_>) -> String {
    match said.script.usage {
        Usage::Absent => return String::new(),
        Usage::Null => return r#","usage":null"#.to_owned(),
        _ => {}
    }
    let Counts {
        prompt,
        cached,
        output,
        ..
    } = said.content.counts(said.script);
    let billed = prompt.saturating_sub(cached);
    format!(
        r#","usage":{{"billed_units":{{"input_tokens":{billed},"output_tokens":{output}}},"tokens":{{"input_tokens":{prompt},"output_tokens":{output}}},"cached_tokens":{cached}}}"#
    )
}

/// The answer of `embed`.
pub(crate) fn embed(body: &Value, script: &Script) -> Result<Vec<u8>, String> {
    let texts: Vec<String> = match (&body["texts"], &body["inputs"]) {
        (Value::Array(texts), _) => texts.iter().map(text).collect(),
        (_, Value::Array(inputs)) => inputs.iter().map(|input| text(&input["content"])).collect(),
        _ => return Err("the body must hold 'texts' or 'inputs'".to_owned()),
    };
    if script.garbage.is_some() {
        return Ok(GARBAGE.to_vec());
    }
    let dim = dim(script, &body["output_dimension"]);
    let vectors: Vec<Vec<f32>> = texts
        .iter()
        .filter(|_| !script.nochoices)
        .map(|text| vector(text, dim))
        .collect();
    let asked = body["embedding_types"].as_array().map(Vec::as_slice);
    let default = [Value::from("float")];
    let mut groups = Vec::new();
    for kind in asked.unwrap_or(&default) {
        let kind = kind.as_str().unwrap_or_default();
        let write = |vector: &Vec<f32>| -> Option<String> {
            Some(match kind {
                "float" => format!("{vector:?}"),
                // The numbers are below one, so none is cut.
                "int8" => format!(
                    "{:?}",
                    vector.iter().map(|n| (n * 128.0) as i8).collect::<Vec<_>>()
                ),
                "uint8" => format!(
                    "{:?}",
                    vector
                        .iter()
                        .map(|n| ((n + 1.0) * 128.0) as u8)
                        .collect::<Vec<_>>()
                ),
                "binary" => format!(
                    "{:?}",
                    bits(vector).map(|byte| byte as i8).collect::<Vec<_>>()
                ),
                "ubinary" => format!("{:?}", bits(vector).collect::<Vec<_>>()),
                "base64" => {
                    let bytes: Vec<u8> = vector.iter().flat_map(|n| n.to_le_bytes()).collect();
                    quoted(&STANDARD.encode(bytes))
                }
                _ => return None,
            })
        };
        let written: Option<Vec<String>> = vectors.iter().map(write).collect();
        let written = written.ok_or_else(|| {
            format!("embedding_types must be float, int8, uint8, binary, ubinary or base64: {kind}")
        })?;
        groups.push(format!(r#""{kind}":[{}]"#, written.join(",")));
    }
    let counted = texts.iter().map(|text| words(text)).sum();
    let tokens: u64 = script.prompt.unwrap_or(counted);
    let billed = match script.usage {
        Usage::Absent => String::new(),
        Usage::Null => r#","billed_units":null"#.to_owned(),
        _ => format!(r#","billed_units":{{"input_tokens":{tokens}}}"#),
    };
    let (groups, echoed) = (groups.join(","), Value::from(texts));
    Ok(format!(
        r#"{{"id":"mock","embeddings":{{{groups}}},"texts":{echoed},"meta":{{"api_version":{{"version":"2"}}{billed}}},"response_type":"embeddings_by_type"}}"#
    )
    .into_bytes())
}

/// The signs of a vector, eight to a byte.
fn bits(vector: &[f32]) -> impl Iterator<Item = u8> {
    vector.chunks(8).map(|eight| {
        let bit = |(index, number): (usize, &f32)| u8::from(*number > 0.0) << (7 - index);
        eight.iter().enumerate().map(bit).sum()
    })
}

/// The answer of `rerank`: the more words of the query a document has, the higher it stands; among equals the first.
pub(crate) fn rerank(body: &Value, script: &Script) -> Result<Vec<u8>, String> {
    let (Some(query), Some(documents)) = (body["query"].as_str(), body["documents"].as_array())
    else {
        return Err("the body must hold 'query' and 'documents'".to_owned());
    };
    if script.garbage.is_some() {
        return Ok(GARBAGE.to_vec());
    }
    let said = |document: &Value| match document.as_str() {
        Some(text) => text.to_owned(),
        None => document["text"].as_str().unwrap_or_default().to_owned(),
    };
    let wanted: Vec<&str> = query.split_whitespace().collect();
    let mut scored: Vec<(usize, usize, String)> = documents
        .iter()
        .enumerate()
        .filter(|_| !script.nochoices)
        .map(|(index, document)| {
            let text = said(document);
            let hits = wanted.iter().filter(|word| text.contains(**word)).count();
            (hits, index, text)
        })
        .collect();
    scored.sort_by_key(|(hits, index, _)| (std::cmp::Reverse(*hits), *index));
    let top = body["top_n"]
        .as_u64()
        .map_or(scored.len(), |top| top as usize);
    let result = |(hits, index, text): &(usize, usize, String)| {
        let score = *hits as f64 / wanted.len().max(1) as f64;
        let document = match body["return_documents"] == true {
            true => format!(r#","document":{{"text":{}}}"#, quoted(text)),
            false => String::new(),
        };
        format!(r#"{{"index":{index},"relevance_score":{score:.4}{document}}}"#)
    };
    let results: Vec<String> = scored.iter().take(top).map(result).collect();
    let billed = match script.usage {
        Usage::Absent => "",
        Usage::Null => r#","billed_units":null"#,
        _ => r#","billed_units":{"search_units":1}"#,
    };
    let results = results.join(",");
    Ok(format!(
        r#"{{"id":"mock","results":[{results}],"meta":{{"api_version":{{"version":"2"}}{billed}}}}}"#
    )
    .into_bytes())
}

/// An error, which is a message and nothing else.
pub(crate) fn error(status: u16, script: &Script) -> Words {
    let natural = match status {
        401 => "invalid api token (mock)",
        402 => "please add or update your payment method (mock)",
        404 => "the model is not found (mock)",
        429 => "too many requests (mock)",
        500.. => "internal server error (mock)",
        _ => "the request was refused (mock)",
    };
    let message = quoted(script.message.as_deref().unwrap_or(natural));
    Words::json(
        status,
        format!(r#"{{"id":"mock","message":{message}}}"#).into_bytes(),
    )
}

/// A stream that fails ends with a reason and a text.
pub(crate) fn error_events(said: &Said<'_>) -> Vec<Event> {
    let message = said.script.message.as_deref();
    let message = quoted(message.unwrap_or("internal server error (mock)"));
    vec![Event::token(
        "message-end",
        format!(
            r#"{{"type":"message-end","delta":{{"finish_reason":"ERROR","error":{message}}}}}"#
        ),
    )]
}
