//! Reading chat answers and streams.
//!
//! Tokens are the billed ones where the provider says them, because those are what it charges; the others count a template that the client
//! never wrote. Cached tokens are said of the others only, so they are not taken over.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::Unusable;
use crate::dialect::{Sink, StreamReader};
use crate::exchange::{
    Answer, Block, Citation, Delta, Event, Open, Text, Thought, ThoughtKind, ToolCall, format,
};
use crate::finish::Finish;
use crate::json::{self, Malformed};
use crate::sse::Frame;
use crate::stream::StreamFault;
use crate::upstream_error::UpstreamError;
use crate::usage::Usage;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Units {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    billed_units: Option<Units>,
    tokens: Option<Units>,
}

impl Counts {
    fn usage(&self) -> Option<Usage> {
        let units = self
            .billed_units
            .as_ref()
            .filter(|units| units.input_tokens.is_some() || units.output_tokens.is_some())
            .or(self.tokens.as_ref())?;
        // Whole numbers, which Cohere writes with a decimal point now and then.
        let whole = |number: Option<f64>| number.unwrap_or_default().max(0.0) as u64;
        let (prompt, completion) = (whole(units.input_tokens), whole(units.output_tokens));
        Some(Usage {
            prompt,
            completion,
            total: prompt.saturating_add(completion),
            ..Usage::default()
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Whole<'a> {
    id: Option<String>,
    /// What was generated; of an error, a sentence.
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    finish_reason: Option<String>,
    usage: Option<Counts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    tool_plan: Option<String>,
    tool_calls: Option<Vec<Call>>,
    #[serde(borrow)]
    citations: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    text: Option<String>,
    thinking: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call {
    id: String,
    function: Function,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cited<'a> {
    start: Option<u64>,
    end: Option<u64>,
    text: Option<String>,
    #[serde(borrow)]
    sources: Option<Vec<CitedSource<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CitedSource<'a> {
    id: Option<String>,
    #[serde(borrow)]
    document: Option<Document<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document<'a> {
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
}

impl Cited<'_> {
    /// Reads a citation. One that cannot be read costs nothing of the text.
    fn read(raw: &RawValue) -> Option<Citation<'static>> {
        serde_json::from_str::<Cited<'_>>(raw.get())
            .ok()
            .map(Cited::citation)
    }

    fn citation(self) -> Citation<'static> {
        let source = self
            .sources
            .and_then(|sources| sources.into_iter().next())
            .unwrap_or_default();
        let document = source.document.unwrap_or_default();
        // A document is the client's own object, in which these may be anything.
        let text = |raw: Option<&RawValue>| {
            raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
        };
        Citation {
            url: Cow::Owned(text(document.url).or(source.id).unwrap_or_default()),
            title: text(document.title).map(Cow::Owned),
            content: self.text.map(Cow::Owned),
            start_index: self.start,
            end_index: self.end,
            raw: None,
        }
    }
}

/// What arguments mean: a tool without any is called with `null`.
fn arguments(text: Option<String>) -> String {
    match text {
        Some(text) if text.trim() != "null" => text,
        _ => "{}".to_owned(),
    }
}

/// Reads a plain answer.
pub(crate) fn read_answer(text: &str) -> Result<Answer<'_>, Unusable> {
    let unreadable = |error: serde_json::Error| {
        Unusable::Malformed(Malformed {
            offset: error.column().saturating_sub(1),
            why: "expected an answer of chat",
        })
    };
    let whole: Whole<'_> = serde_json::from_str(text).map_err(unreadable)?;
    let Some(message) = whole.message.filter(|raw| raw.get().starts_with('{')) else {
        return Err(Unusable::NoChoices);
    };
    let message: Message<'_> = serde_json::from_str(message.get()).map_err(unreadable)?;
    let mut blocks = Vec::new();
    let mut citations: Vec<Citation<'_>> = message
        .citations
        .unwrap_or_default()
        .into_iter()
        .filter_map(Cited::read)
        .collect();
    let said = |text: String, citations: Vec<Citation<'static>>| {
        Block::Text(Text {
            text: Cow::Owned(text),
            citations,
            ..Text::default()
        })
    };
    if let Some(plan) = message.tool_plan.filter(|plan| !plan.is_empty()) {
        blocks.push(said(plan, Vec::new()));
    }
    let contents: Vec<Content> = message
        .content
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    for content in contents {
        if let Some(thinking) = content.thinking {
            blocks.push(Block::Thought(Thought {
                kind: ThoughtKind::Text,
                text: Cow::Owned(thinking),
                signature: None,
                id: None,
                format: Cow::Borrowed(format::UNKNOWN),
            }));
        }
        if let Some(text) = content.text {
            blocks.push(said(text, std::mem::take(&mut citations)));
        }
    }
    for call in message.tool_calls.unwrap_or_default() {
        blocks.push(Block::ToolCall(ToolCall {
            id: Cow::Owned(call.id),
            name: Cow::Owned(call.function.name.unwrap_or_default()),
            arguments: Cow::Owned(arguments(call.function.arguments)),
            ..ToolCall::default()
        }));
    }
    Ok(Answer {
        id: whole.id.map(Cow::Owned),
        blocks,
        finish: whole.finish_reason.as_deref().map(Finish::of),
        native_finish: whole.finish_reason.map(Cow::Owned),
        stop_sequence: None,
        usage: whole.usage.and_then(|counts| counts.usage()),
        logprobs: None,
        service_tier: None,
    })
}

/// An event; each has a part of this.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    index: u64,
    #[serde(borrow)]
    delta: Option<Step<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Step<'a> {
    #[serde(borrow)]
    message: Option<Part<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
    usage: Option<Counts>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    tool_plan: Option<Cow<'a, str>>,
    /// An object in the events of content, an empty list in the first event.
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContentStep<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CallStep<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<FunctionStep<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FunctionStep<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<Cow<'a, str>>,
}

/// What the open block is, in the provider's numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Plan,
    Text(u64),
    Thought(u64),
    Call(u64),
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    begun: bool,
    done: bool,
    open: Option<(Place, u32)>,
    /// Whether the open call has said any argument.
    argued: bool,
    blocks: u32,
}

impl Reader {
    fn block(&mut self, place: Place, open: Open<'_>, sink: &mut Sink<'_>) -> u32 {
        if let Some((known, block)) = self.open
            && known == place
        {
            return block;
        }
        self.close_block(sink);
        let block = self.blocks;
        self.blocks += 1;
        self.open = Some((place, block));
        sink(Event::Open { block, open });
        block
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        let Some((place, block)) = self.open.take() else {
            return;
        };
        if matches!(place, Place::Call(_)) && !std::mem::take(&mut self.argued) {
            sink(Event::Delta {
                block,
                delta: Delta::Text("{}"),
            });
        }
        sink(Event::Close { block });
    }

    fn text(&mut self, place: Place, text: &str, sink: &mut Sink<'_>) {
        let open = match place {
            Place::Thought(_) => Open::Thought {
                kind: ThoughtKind::Text,
                id: None,
                format: format::UNKNOWN,
            },
            _ => Open::Text,
        };
        let block = self.block(place, open, sink);
        if !text.is_empty() {
            sink(Event::Delta {
                block,
                delta: Delta::Text(text),
            });
        }
    }

    fn content(&mut self, index: u64, raw: &RawValue, sink: &mut Sink<'_>) {
        let Ok(step) = serde_json::from_str::<ContentStep<'_>>(raw.get()) else {
            return;
        };
        match (step.thinking.as_deref(), step.text.as_deref()) {
            (Some(thought), _) => self.text(Place::Thought(index), thought, sink),
            (None, Some(text)) => self.text(Place::Text(index), text, sink),
            (None, None) if step.kind.as_deref() == Some("thinking") => {
                self.text(Place::Thought(index), "", sink);
            }
            (None, None) => {}
        }
    }

    fn call(&mut self, index: u64, raw: &RawValue, sink: &mut Sink<'_>) {
        let Ok(step) = serde_json::from_str::<CallStep<'_>>(raw.get()) else {
            return;
        };
        let function = step.function.unwrap_or_default();
        let open = Open::ToolCall {
            id: step.id.as_deref().unwrap_or_default(),
            name: function.name.as_deref().unwrap_or_default(),
            custom: false,
            namespace: None,
            signature: None,
        };
        let block = self.block(Place::Call(index), open, sink);
        let arguments = function.arguments.as_deref().unwrap_or_default();
        if !arguments.is_empty() && arguments.trim() != "null" {
            self.argued = true;
            sink(Event::Delta {
                block,
                delta: Delta::Text(arguments),
            });
        }
    }

    fn end(&mut self, step: &Step<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        self.close_block(sink);
        if let Some(error) = &step.error {
            return Err(StreamFault::ErrorInside {
                status: None,
                message: error.to_string(),
                raw: error.to_string(),
            });
        }
        let native = step.finish_reason.as_deref().unwrap_or("COMPLETE");
        sink(Event::Finish {
            finish: Finish::of(native),
            native,
            stop_sequence: None,
        });
        if let Some(usage) = step.usage.as_ref().and_then(Counts::usage) {
            sink(Event::Usage(usage));
        }
        self.done = true;
        Ok(())
    }
}

impl StreamReader for Reader {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        if frame.data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let text = json::text(frame.data).map_err(|wrong| StreamFault::Malformed {
            offset: wrong.offset,
            why: wrong.why,
        })?;
        let payload: Payload<'_> =
            serde_json::from_str(text).map_err(|error| StreamFault::Malformed {
                offset: error.column().saturating_sub(1),
                why: "expected an event of chat",
            })?;
        let Some(kind) = payload.kind.as_deref() else {
            // An error of the server in front, which knows nothing of events.
            let error = UpstreamError::read(frame.data);
            return Err(StreamFault::ErrorInside {
                status: error.status,
                message: error.message,
                raw: error.raw,
            });
        };
        if !std::mem::replace(&mut self.begun, true) {
            sink(Event::Start {
                id: payload.id.as_deref(),
                usage: None,
            });
        }
        let Some(step) = &payload.delta else {
            // The end of a citation is not the end of the text that it stands in.
            if matches!(kind, "content-end" | "tool-call-end") {
                self.close_block(sink);
            }
            return Ok(());
        };
        let part = step.message.as_ref();
        match kind {
            "tool-plan-delta" => {
                if let Some(plan) = part.and_then(|part| part.tool_plan.as_deref()) {
                    self.text(Place::Plan, plan, sink);
                }
            }
            "content-start" | "content-delta" => {
                if let Some(raw) = part.and_then(|part| part.content) {
                    self.content(payload.index, raw, sink);
                }
            }
            "tool-call-start" | "tool-call-delta" => {
                if let Some(raw) = part.and_then(|part| part.tool_calls) {
                    self.call(payload.index, raw, sink);
                }
            }
            "content-end" | "tool-call-end" => self.close_block(sink),
            "citation-start" => {
                let cited = part.and_then(|part| part.citations).and_then(Cited::read);
                if let (Some(cited), Some((Place::Text(_), block))) = (cited, self.open) {
                    sink(Event::Delta {
                        block,
                        delta: Delta::Citation(&cited),
                    });
                }
            }
            "message-end" => return self.end(step, sink),
            _ => {}
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

    fn read(events: &[&str]) -> Vec<String> {
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        for data in events {
            let frame = Frame {
                name: "",
                data: data.as_bytes(),
            };
            reader
                .frame(frame, &mut |event| seen.push(format!("{event:?}")))
                .unwrap();
        }
        seen
    }

    #[test]
    fn a_plan_a_text_and_a_call_are_three_blocks() {
        let seen = read(&[
            r#"{"id":"x","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
            r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I"}}}"#,
            r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
            r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}}}"#,
            r#"{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":1,"text":"a","sources":[{"id":"d","document":{"title":7}}]}}}}"#,
            r#"{"type":"citation-end","index":0}"#,
            r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"b"}}}}"#,
            r#"{"type":"content-end","index":0}"#,
            r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c","type":"function","function":{"name":"f","arguments":""}}}}}"#,
            r#"{"type":"tool-call-end","index":0}"#,
            r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":3.0,"output_tokens":2},"tokens":{"input_tokens":30}}}}"#,
        ]);
        assert_eq!(seen.iter().filter(|e| e.starts_with("Open")).count(), 3);
        assert_eq!(seen.iter().filter(|e| e.starts_with("Close")).count(), 3);
        assert!(seen.iter().any(|e| e.contains("Citation")), "{seen:?}");
        assert!(seen.iter().any(|e| e.contains("Text(\"{}\")")), "{seen:?}");
        assert!(seen.iter().any(|e| e.contains("prompt: 3,")));
    }

    #[test]
    fn null_is_no_argument() {
        let text = r#"{"id":"i","message":{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"null"}}]},"finish_reason":"TOOL_CALL"}"#;
        let answer = read_answer(text).unwrap();
        assert!(matches!(&answer.blocks[0], Block::ToolCall(call) if call.arguments == "{}"));
        assert_eq!(answer.finish, Some(Finish::ToolCalls));
    }
}
