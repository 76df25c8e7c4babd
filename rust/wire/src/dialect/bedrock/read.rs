//! Reading Converse's answers and the events of ConverseStream.
//!
//! Tokens read from or written to the cache stand beside `inputTokens`; in the middle shape they are part of the prompt. Text and thought
//! have no event at their beginning: a block of theirs opens with its first delta.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::Unusable;
use crate::dialect::{Sink, StreamReader};
use crate::exchange::{
    Answer, Block, Citation, Delta, Event, Open, Source, Text, Thought, ThoughtKind, ToolCall,
    format,
};
use crate::finish::Finish;
use crate::json::{self, Malformed};
use crate::sse::Frame;
use crate::stream::StreamFault;
use crate::upstream_error::UpstreamError;
use crate::usage::Usage;

/// Tokens as Bedrock counts them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    cache_details: Option<Vec<Written>>,
}

/// Tokens written to a cache, by how long it keeps them (`CacheDetail` of the service's model, botocore 1.44).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    ttl: Option<String>,
    input_tokens: Option<u64>,
}

impl Counts {
    fn usage(&self) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or_default();
        let cache_write = self.cache_write_input_tokens.unwrap_or_default();
        let prompt = self
            .input_tokens
            .unwrap_or_default()
            .saturating_add(cached)
            .saturating_add(cache_write);
        let completion = self.output_tokens.unwrap_or_default();
        let cache_write_1h = (self.cache_details.iter().flatten())
            .filter(|written| written.ttl.as_deref() == Some("1h"))
            .map(|written| written.input_tokens.unwrap_or_default())
            .fold(0, u64::saturating_add)
            // A part of what was written, whatever the details say.
            .min(cache_write);
        Usage {
            prompt,
            completion,
            total: prompt.saturating_add(completion),
            cached,
            cache_write,
            cache_write_1h,
            ..Usage::default()
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tier<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(borrow)]
    output: Option<Output<'a>>,
    stop_reason: Option<String>,
    usage: Option<Counts>,
    #[serde(borrow)]
    service_tier: Option<Tier<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Output<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Content<'a> {
    text: Option<String>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    reasoning_content: Option<ReasoningContent>,
    image: Option<Image>,
    citations_content: Option<CitationsContent>,
}

/// A text with its sources.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CitationsContent {
    content: Vec<Passage>,
    citations: Vec<Cited>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Passage {
    text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Cited {
    title: Option<String>,
    source: Option<String>,
    source_content: Option<Vec<Passage>>,
    location: Option<Location>,
}

/// Where a source is; of its kinds only pages of the web have an address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Location {
    web: Option<Page>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    url: Option<String>,
}

impl Cited {
    fn citation(self) -> Citation<'static> {
        let page = self.location.and_then(|location| location.web);
        let url = page.and_then(|page| page.url).or(self.source);
        let content = joined(self.source_content.unwrap_or_default());
        Citation {
            url: Cow::Owned(url.unwrap_or_default()),
            title: self.title.map(Cow::Owned),
            content: (!content.is_empty()).then_some(Cow::Owned(content)),
            start_index: None,
            end_index: None,
            raw: None,
        }
    }
}

fn joined(passages: Vec<Passage>) -> String {
    passages
        .into_iter()
        .filter_map(|passage| passage.text)
        .collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ToolUse<'a> {
    tool_use_id: String,
    name: String,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ReasoningContent {
    reasoning_text: Option<ReasoningText>,
    redacted_content: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReasoningText {
    text: String,
    signature: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Image {
    format: String,
    source: ImageSource,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ImageSource {
    bytes: String,
}

/// Reads a plain answer.
pub(crate) fn read_answer(text: &str) -> Result<Answer<'_>, Unusable> {
    let whole: Whole<'_> = serde_json::from_str(text).map_err(unreadable)?;
    let message = whole
        .output
        .and_then(|output| output.message)
        .ok_or(Unusable::NoChoices)?;
    let blocks = message.content.into_iter().filter_map(block).collect();
    Ok(Answer {
        id: None,
        blocks,
        finish: whole.stop_reason.as_deref().map(Finish::of),
        native_finish: whole.stop_reason.map(Cow::Owned),
        stop_sequence: None,
        usage: whole.usage.map(|counts| counts.usage()),
        logprobs: None,
        service_tier: whole.service_tier.and_then(|tier| tier.kind),
    })
}

fn unreadable(error: serde_json::Error) -> Unusable {
    Unusable::Malformed(Malformed {
        offset: error.column().saturating_sub(1),
        why: "expected an answer of Converse",
    })
}

fn block(raw: &RawValue) -> Option<Block<'_>> {
    let Ok(content) = serde_json::from_str::<Content<'_>>(raw.get()) else {
        return Some(Block::Foreign(raw));
    };
    if let Some(text) = content.text {
        return (!text.is_empty()).then_some(Block::Text(Text {
            text: Cow::Owned(text),
            ..Text::default()
        }));
    }
    if let Some(call) = content.tool_use {
        return Some(Block::ToolCall(ToolCall {
            id: Cow::Owned(call.tool_use_id),
            name: Cow::Owned(call.name),
            arguments: Cow::Borrowed(call.input.map_or("{}", RawValue::get)),
            ..ToolCall::default()
        }));
    }
    if let Some(reasoning) = content.reasoning_content {
        let (kind, text, signature) = match (reasoning.reasoning_text, reasoning.redacted_content) {
            (Some(thought), _) => (ThoughtKind::Text, thought.text, thought.signature),
            (None, Some(data)) => (ThoughtKind::Encrypted, data, None),
            (None, None) => return None,
        };
        return Some(Block::Thought(Thought {
            kind,
            text: Cow::Owned(text),
            signature: signature.map(Cow::Owned),
            id: None,
            format: Cow::Borrowed(format::ANTHROPIC),
        }));
    }
    if let Some(cited) = content.citations_content {
        return Some(Block::Text(Text {
            text: Cow::Owned(joined(cited.content)),
            citations: cited.citations.into_iter().map(Cited::citation).collect(),
            ..Text::default()
        }));
    }
    if let Some(image) = content.image {
        return Some(Block::Image {
            source: Source::Data {
                media_type: Cow::Owned(format!("image/{}", image.format)),
                base64: Cow::Owned(image.source.bytes),
            },
            detail: None,
            cache: None,
        });
    }
    Some(Block::Foreign(raw))
}

/// What all events have between them; each has a few.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Payload<'a> {
    content_block_index: u64,
    #[serde(borrow)]
    start: Option<Start<'a>>,
    #[serde(borrow)]
    delta: Option<Step<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<Counts>,
    #[serde(borrow)]
    service_tier: Option<Tier<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Step<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_use: Option<Input<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<ThoughtStep<'a>>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Input<'a> {
    #[serde(borrow)]
    input: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ThoughtStep<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow)]
    redacted_content: Option<Cow<'a, str>>,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    begun: bool,
    /// The reason of the end has been read.
    stopped: bool,
    /// The tokens have been read. They come last, but whoever stands between has been seen to send them first.
    counted: bool,
    /// The provider's number of the open block, and ours. Blocks of Converse follow each other.
    open: Option<(u64, u32)>,
    blocks: u32,
}

impl Reader {
    /// The block that a delta belongs to, opened if it has not been.
    fn block(&mut self, index: u64, open: Open<'_>, sink: &mut Sink<'_>) -> u32 {
        if let Some((known, number)) = self.open
            && known == index
        {
            return number;
        }
        self.close_block(sink);
        let number = self.blocks;
        self.blocks += 1;
        self.open = Some((index, number));
        sink(Event::Open {
            block: number,
            open,
        });
        number
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        if let Some((_, block)) = self.open.take() {
            sink(Event::Close { block });
        }
    }

    fn delta(&mut self, index: u64, step: &Step<'_>, sink: &mut Sink<'_>) {
        if let Some(text) = step.text.as_deref().filter(|text| !text.is_empty()) {
            let block = self.block(index, Open::Text, sink);
            sink(Event::Delta {
                block,
                delta: Delta::Text(text),
            });
        }
        let input = step
            .tool_use
            .as_ref()
            .and_then(|call| call.input.as_deref());
        if let (Some(input), Some((known, block))) = (input, self.open)
            && known == index
            && !input.is_empty()
        {
            sink(Event::Delta {
                block,
                delta: Delta::Text(input),
            });
        }
        // A source that cannot be read costs nothing of the text.
        let cited = step
            .citation
            .and_then(|raw| serde_json::from_str::<Cited>(raw.get()).ok());
        if let Some(cited) = cited {
            let block = self.block(index, Open::Text, sink);
            sink(Event::Delta {
                block,
                delta: Delta::Citation(&cited.citation()),
            });
        }
        let Some(thought) = &step.reasoning_content else {
            return;
        };
        let open = |kind| Open::Thought {
            kind,
            id: None,
            format: format::ANTHROPIC,
        };
        if let Some(text) = thought.text.as_deref().filter(|text| !text.is_empty()) {
            let block = self.block(index, open(ThoughtKind::Text), sink);
            sink(Event::Delta {
                block,
                delta: Delta::Text(text),
            });
        }
        if let Some(signature) = thought.signature.as_deref().filter(|s| !s.is_empty()) {
            let block = self.block(index, open(ThoughtKind::Text), sink);
            sink(Event::Delta {
                block,
                delta: Delta::Signature(signature),
            });
        }
        if let Some(data) = thought.redacted_content.as_deref() {
            let block = self.block(index, open(ThoughtKind::Encrypted), sink);
            sink(Event::Delta {
                block,
                delta: Delta::Text(data),
            });
        }
    }
}

impl StreamReader for Reader {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        if let Some(exception) = frame.name.strip_prefix("exception:") {
            return Err(exception_inside(exception, frame.data));
        }
        let text = json::text(frame.data).map_err(|wrong| StreamFault::Malformed {
            offset: wrong.offset,
            why: wrong.why,
        })?;
        let payload: Payload<'_> =
            serde_json::from_str(text).map_err(|error| StreamFault::Malformed {
                offset: error.column().saturating_sub(1),
                why: "expected an event of ConverseStream",
            })?;
        if !std::mem::replace(&mut self.begun, true) {
            sink(Event::Start {
                id: None,
                usage: None,
            });
        }
        match frame.name {
            "contentBlockStart" => {
                self.close_block(sink);
                if let Some(call) = payload.start.and_then(|start| start.tool_use) {
                    let open = Open::ToolCall {
                        id: &call.tool_use_id,
                        name: &call.name,
                        custom: false,
                        namespace: None,
                        signature: None,
                    };
                    self.block(payload.content_block_index, open, sink);
                }
            }
            "contentBlockDelta" => {
                if let Some(step) = &payload.delta {
                    self.delta(payload.content_block_index, step, sink);
                }
            }
            "contentBlockStop" => self.close_block(sink),
            "messageStop" => {
                self.close_block(sink);
                self.stopped = true;
                let native = payload.stop_reason.as_deref().unwrap_or("end_turn");
                sink(Event::Finish {
                    finish: Finish::of(native),
                    native,
                    stop_sequence: None,
                });
            }
            "metadata" => {
                if let Some(counts) = &payload.usage {
                    sink(Event::Usage(counts.usage()));
                }
                if let Some(tier) = payload.service_tier.and_then(|tier| tier.kind) {
                    sink(Event::ServiceTier(&tier));
                }
                self.counted = true;
            }
            // Words that came later than this reader.
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        self.close_block(sink);
    }

    fn done(&self) -> bool {
        self.stopped && self.counted
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

/// An exception in a stream, with the status that it has as a plain answer (Bedrock Runtime reference, "ConverseStream", errors). Failures of
/// the model, which have 408 and 424 there, become those of a server: the client did nothing wrong.
fn exception_inside(exception: &str, data: &[u8]) -> StreamFault {
    let error = UpstreamError::read(data);
    let status = match exception {
        "throttlingException" => 429,
        "validationException" => 400,
        "serviceUnavailableException" => 503,
        "modelTimeoutException" => 504,
        _ => 500,
    };
    StreamFault::ErrorInside {
        status: error.status.or(Some(status)),
        message: match error.message.is_empty() {
            true => exception.to_owned(),
            false => error.message,
        },
        raw: error.raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(frames: &[(&str, &str)]) -> Vec<String> {
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        for (name, data) in frames {
            let frame = Frame {
                name,
                data: data.as_bytes(),
            };
            reader
                .frame(frame, &mut |event| seen.push(format!("{event:?}")))
                .unwrap();
        }
        assert!(reader.done());
        seen
    }

    #[test]
    fn blocks_without_a_start_open_with_their_first_delta() {
        let seen = read(&[
            ("messageStart", r#"{"role":"assistant","p":"abc"}"#),
            (
                "contentBlockDelta",
                r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#,
            ),
            (
                "contentBlockDelta",
                r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"s"}}}"#,
            ),
            ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
            (
                "contentBlockDelta",
                r#"{"contentBlockIndex":1,"delta":{"text":"a"}}"#,
            ),
            ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
            (
                "contentBlockStart",
                r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#,
            ),
            (
                "contentBlockDelta",
                r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{}"}}}"#,
            ),
            ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
            ("messageStop", r#"{"stopReason":"tool_use"}"#),
            (
                "metadata",
                r#"{"usage":{"inputTokens":3,"outputTokens":4,"cacheReadInputTokens":5,"cacheWriteInputTokens":null},"metrics":{"latencyMs":9}}"#,
            ),
        ]);
        let opened: Vec<_> = seen.iter().filter(|e| e.starts_with("Open")).collect();
        assert_eq!(opened.len(), 3);
        assert!(opened[2].contains("id: \"t\""));
        assert_eq!(seen.iter().filter(|e| e.starts_with("Close")).count(), 3);
        assert!(seen.iter().any(|e| e.contains("ToolCalls")));
        assert!(
            seen.iter()
                .any(|e| e.contains("prompt: 8") && e.contains("cached: 5"))
        );
    }

    #[test]
    fn tokens_written_for_an_hour_are_told_from_those_for_minutes() {
        let usage = |text: &str| serde_json::from_str::<Counts>(text).unwrap().usage();
        let said = usage(
            r#"{"inputTokens":3,"outputTokens":4,"cacheWriteInputTokens":90,
                "cacheDetails":[{"ttl":"5m","inputTokens":30},{"ttl":"1h","inputTokens":60},{"ttl":"1h"}]}"#,
        );
        assert_eq!(
            (said.prompt, said.cache_write, said.cache_write_1h),
            (93, 90, 60)
        );
        let more =
            usage(r#"{"cacheWriteInputTokens":5,"cacheDetails":[{"ttl":"1h","inputTokens":60}]}"#);
        assert_eq!(more.cache_write_1h, 5);
        assert_eq!(
            usage(r#"{"cacheWriteInputTokens":5,"cacheDetails":null}"#).cache_write_1h,
            0
        );
    }

    #[test]
    fn tokens_before_the_end_do_not_end_the_stream() {
        let seen = read(&[
            (
                "metadata",
                r#"{"usage":{"inputTokens":3,"outputTokens":4}}"#,
            ),
            ("messageStop", r#"{"stopReason":"max_tokens"}"#),
        ]);
        assert!(seen.iter().any(|e| e.contains("Length")), "{seen:?}");
    }

    #[test]
    fn an_exception_names_its_status() {
        let mut reader = Reader::default();
        let frame = Frame {
            name: "exception:throttlingException",
            data: br#"{"message":"Too many requests"}"#,
        };
        let fault = reader.frame(frame, &mut |_| {}).unwrap_err();
        assert!(matches!(
            fault,
            StreamFault::ErrorInside { status: Some(429), message, .. } if message == "Too many requests"
        ));
    }

    #[test]
    fn an_answer_without_a_message_is_none() {
        assert!(matches!(
            read_answer(r#"{"message":"no"}"#),
            Err(Unusable::NoChoices)
        ));
        assert!(matches!(read_answer("[1]"), Err(Unusable::Malformed(_))));
    }
}
