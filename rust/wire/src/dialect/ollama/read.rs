//! Reading answers and streams of chat. A document of a stream has the form of a plain answer with a piece of the text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::Unusable;
use crate::dialect::{Sink, StreamReader};
use crate::exchange::{
    Answer, Block, Delta, Event, Open, Text, Thought, ThoughtKind, ToolCall, format,
};
use crate::finish::Finish;
use crate::json::{self, Malformed};
use crate::sse::Frame;
use crate::stream::StreamFault;
use crate::upstream_error::UpstreamError;
use crate::usage::Usage;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document<'a> {
    #[serde(borrow)]
    created_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    done: bool,
    #[serde(borrow)]
    done_reason: Option<Cow<'a, str>>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl Document<'_> {
    /// Tokens; a prompt that was read before is not counted there, and then its number is missing.
    fn usage(&self) -> Option<Usage> {
        let (prompt, completion) = (self.prompt_eval_count, self.eval_count);
        if prompt.is_none() && completion.is_none() {
            return None;
        }
        let (prompt, completion) = (prompt.unwrap_or_default(), completion.unwrap_or_default());
        Some(Usage {
            prompt,
            completion,
            total: prompt.saturating_add(completion),
            ..Usage::default()
        })
    }

    fn native(&self) -> &str {
        self.done_reason.as_deref().unwrap_or("stop")
    }
}

/// Digits of a moment in an id: all down to the nanosecond, and none of a zone's.
const MOMENT_DIGITS_MAX: usize = 23;

impl Call<'_> {
    /// The provider's id, or one made from the moment and the place of the call: a conversation holds calls of many answers, and other
    /// providers that continue it refuse ids that occur twice.
    fn id(&self, created_at: Option<&str>, place: u32) -> String {
        match &self.id {
            Some(id) if !id.is_empty() => id.to_string(),
            _ => {
                let mut id = "call_".to_owned();
                let moment = created_at.unwrap_or_default().chars();
                id.extend(moment.filter(char::is_ascii_digit).take(MOMENT_DIGITS_MAX));
                if id.len() > "call_".len() {
                    id.push('_');
                }
                id.push_str(&place.to_string());
                id
            }
        }
    }

    fn arguments(&self) -> &str {
        self.function.arguments.map_or("{}", RawValue::get)
    }
}

/// Reads a plain answer.
pub(crate) fn read_answer(text: &str) -> Result<Answer<'_>, Unusable> {
    let document: Document<'_> = serde_json::from_str(text).map_err(|error| {
        Unusable::Malformed(Malformed {
            offset: error.column().saturating_sub(1),
            why: "expected an answer of chat",
        })
    })?;
    let usage = document.usage();
    let native = document.native().to_owned();
    let Some(message) = document.message.filter(|_| document.error.is_none()) else {
        return Err(Unusable::NoChoices);
    };
    let mut blocks = Vec::new();
    if let Some(thinking) = message.thinking.filter(|text| !text.is_empty()) {
        blocks.push(Block::Thought(Thought {
            kind: ThoughtKind::Text,
            text: thinking,
            signature: None,
            id: None,
            format: Cow::Borrowed(format::UNKNOWN),
        }));
    }
    if let Some(text) = message.content.filter(|text| !text.is_empty()) {
        blocks.push(Block::Text(Text {
            text,
            ..Text::default()
        }));
    }
    for (place, call) in (0..).zip(message.tool_calls.unwrap_or_default()) {
        blocks.push(Block::ToolCall(ToolCall {
            id: Cow::Owned(call.id(document.created_at.as_deref(), place)),
            arguments: Cow::Owned(call.arguments().to_owned()),
            name: call.function.name,
            ..ToolCall::default()
        }));
    }
    Ok(Answer {
        id: None,
        blocks,
        finish: Some(Finish::of(&native)),
        native_finish: Some(Cow::Owned(native)),
        stop_sequence: None,
        usage,
        logprobs: None,
        service_tier: None,
    })
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    begun: bool,
    done: bool,
    /// The open block, and whether it is a thought.
    open: Option<(u32, bool)>,
    blocks: u32,
    calls: u32,
}

impl Reader {
    fn text(&mut self, text: &str, thought: bool, sink: &mut Sink<'_>) {
        let block = match self.open {
            Some((block, is)) if is == thought => block,
            _ => {
                self.close_block(sink);
                let block = self.blocks;
                self.blocks += 1;
                self.open = Some((block, thought));
                let open = match thought {
                    true => Open::Thought {
                        kind: ThoughtKind::Text,
                        id: None,
                        format: format::UNKNOWN,
                    },
                    false => Open::Text,
                };
                sink(Event::Open { block, open });
                block
            }
        };
        sink(Event::Delta {
            block,
            delta: Delta::Text(text),
        });
    }

    /// Calls come whole.
    fn call(&mut self, call: &Call<'_>, created_at: Option<&str>, sink: &mut Sink<'_>) {
        self.close_block(sink);
        let block = self.blocks;
        self.blocks += 1;
        let id = call.id(created_at, self.calls);
        self.calls += 1;
        sink(Event::Open {
            block,
            open: Open::ToolCall {
                id: &id,
                name: &call.function.name,
                custom: false,
                namespace: None,
                signature: None,
            },
        });
        sink(Event::Delta {
            block,
            delta: Delta::Text(call.arguments()),
        });
        sink(Event::Close { block });
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        if let Some((block, _)) = self.open.take() {
            sink(Event::Close { block });
        }
    }
}

impl StreamReader for Reader {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        let text = json::text(frame.data).map_err(|wrong| StreamFault::Malformed {
            offset: wrong.offset,
            why: wrong.why,
        })?;
        let document: Document<'_> =
            serde_json::from_str(text).map_err(|error| StreamFault::Malformed {
                offset: error.column().saturating_sub(1),
                why: "expected a document of chat",
            })?;
        if document.error.is_some() {
            let error = UpstreamError::read(frame.data);
            return Err(StreamFault::ErrorInside {
                status: error.status,
                message: error.message,
                raw: error.raw,
            });
        }
        if !std::mem::replace(&mut self.begun, true) {
            sink(Event::Start {
                id: None,
                usage: None,
            });
        }
        if let Some(message) = &document.message {
            if let Some(thinking) = message.thinking.as_deref().filter(|text| !text.is_empty()) {
                self.text(thinking, true, sink);
            }
            if let Some(text) = message.content.as_deref().filter(|text| !text.is_empty()) {
                self.text(text, false, sink);
            }
            for call in message.tool_calls.as_deref().unwrap_or_default() {
                self.call(call, document.created_at.as_deref(), sink);
            }
        }
        if document.done {
            self.close_block(sink);
            if let Some(usage) = document.usage() {
                sink(Event::Usage(usage));
            }
            let native = document.native();
            sink(Event::Finish {
                finish: Finish::of(native),
                native,
                stop_sequence: None,
            });
            self.done = true;
        }
        Ok(())
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        self.close_block(sink);
    }

    fn done(&self) -> bool {
        self.done
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(data: &str) -> Frame<'_> {
        Frame {
            name: "",
            data: data.as_bytes(),
        }
    }

    #[test]
    fn thought_text_and_calls_are_blocks() {
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        for data in [
            r#"{"message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
            r#"{"message":{"role":"assistant","content":"a"},"done":false}"#,
            r#"{"message":{"role":"assistant","content":"b"},"done":false}"#,
            r#"{"created_at":"2026-01-02T03:04:05.6Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"g"}}]},"done":false}"#,
            r#"{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":4,"eval_count":5}"#,
        ] {
            reader
                .frame(frame(data), &mut |event| seen.push(format!("{event:?}")))
                .unwrap();
        }
        assert!(reader.done());
        assert_eq!(seen.iter().filter(|e| e.starts_with("Open")).count(), 4);
        assert!(
            seen.iter()
                .any(|e| e.contains("\"call_202601020304056_1\""))
        );
        assert!(seen.iter().any(|e| e.contains("Text(\"{\\\"x\\\":1}\")")));
    }

    #[test]
    fn an_error_in_the_stream_is_one() {
        let mut reader = Reader::default();
        let fault = reader.frame(frame(r#"{"error":"model not found"}"#), &mut |_| {});
        assert!(
            matches!(fault, Err(StreamFault::ErrorInside { message, .. }) if message == "model not found")
        );
        assert!(matches!(
            read_answer(r#"{"error":"no"}"#),
            Err(Unusable::NoChoices)
        ));
    }
}
