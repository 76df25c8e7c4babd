//! Reading Anthropic's answers and streams.
//!
//! What the provider's own tools did (`server_tool_use` and the many kinds of results) is kept raw in a plain answer and passed over in a
//! stream: no other API has words for it, and the text that follows stands for itself.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Counts, Tier};
use crate::answer::Unusable;
use crate::dialect::{Sink, StreamReader};
use crate::exchange::{
    Answer, Block, Citation, Delta, Event, Open, Text, Thought, ThoughtKind, ToolCall, format,
};
use crate::finish::Finish;
use crate::json::{self, Kind, Malformed, Walker};
use crate::member::lenient::{self, each_element, each_member};
use crate::sse::Frame;
use crate::stream::StreamFault;
use crate::upstream_error::UpstreamError;

/// Reads a citation of a text. All its kinds quote a passage; those of the web have an address.
pub(crate) fn citation(raw: &RawValue) -> Citation<'_> {
    let mut citation = Citation {
        raw: Some(raw),
        ..Citation::default()
    };
    // A part of a document that was read before; what is not understood in it is absent.
    let _ = each_member(&mut Walker::new(raw.get()), |walker, name| {
        match name {
            "url" | "source" => citation.url = lenient::string(walker)?.unwrap_or_default(),
            "title" | "document_title" => citation.title = lenient::string(walker)?,
            "cited_text" => citation.content = lenient::string(walker)?,
            _ => drop(walker.value()?),
        }
        Ok::<(), Malformed>(())
    });
    citation
}

/// Reads a plain answer.
pub(crate) fn read_answer(text: &str) -> Result<Answer<'_>, Unusable> {
    let mut answer = Answer {
        id: None,
        blocks: Vec::new(),
        finish: None,
        native_finish: None,
        stop_sequence: None,
        usage: None,
        logprobs: None,
        service_tier: None,
    };
    let mut counts = Counts::default();
    let mut has_content = false;
    let mut walker = Walker::new(text);
    if walker.peek() != Some(Kind::Object) {
        return Err(Unusable::Malformed(Malformed {
            offset: 0,
            why: "expected an object, which starts with `{`",
        }));
    }
    let mut read = || {
        each_member(&mut walker, |walker, name| {
            match name {
                "id" => answer.id = lenient::string(walker)?,
                "content" => {
                    has_content = walker.peek() == Some(Kind::Array);
                    each_element(walker, |walker| answer_block(walker, &mut answer.blocks))?;
                }
                "stop_reason" => answer.native_finish = lenient::string(walker)?,
                "stop_sequence" => answer.stop_sequence = lenient::string(walker)?,
                "usage" => counts.read(walker)?,
                _ => drop(walker.value()?),
            }
            Ok::<(), Malformed>(())
        })?;
        walker.finish()
    };
    read().map_err(Unusable::Malformed)?;
    if !has_content {
        return Err(Unusable::NoChoices);
    }
    answer.finish = answer.native_finish.as_deref().map(Finish::of);
    answer.usage = counts.usage();
    answer.service_tier = counts.service_tier().map(Cow::Borrowed);
    Ok(answer)
}

fn answer_block<'a>(walker: &mut Walker<'a>, into: &mut Vec<Block<'a>>) -> Result<(), Malformed> {
    walker.peek();
    let mut whole = walker.clone();
    let mut kind = None;
    let (mut text, mut signature, mut data, mut id, mut name, mut arguments) =
        (None, None, None, None, None, None);
    let mut citations = Vec::new();
    each_member(walker, |walker, member| {
        match member {
            "type" => kind = lenient::string(walker)?,
            "text" | "thinking" => text = lenient::string(walker)?,
            "signature" => signature = lenient::string(walker)?,
            "data" => data = lenient::string(walker)?,
            "id" => id = lenient::string(walker)?,
            "name" => name = lenient::string(walker)?,
            "input" => {
                let value = walker.value()?;
                arguments = Some(value.raw(walker.text()));
            }
            "citations" => each_element(walker, |walker| {
                citations.extend(lenient::raw(walker)?.map(citation));
                Ok::<(), Malformed>(())
            })?,
            _ => drop(walker.value()?),
        }
        Ok::<(), Malformed>(())
    })?;
    let block = match kind.as_deref() {
        Some("text") => Block::Text(Text {
            text: text.unwrap_or_default(),
            citations,
            ..Text::default()
        }),
        Some("thinking") => Block::Thought(Thought {
            text: text.unwrap_or_default(),
            signature: signature.filter(|signature| !signature.is_empty()),
            format: Cow::Borrowed(format::ANTHROPIC),
            ..Thought::default()
        }),
        Some("redacted_thinking") => Block::Thought(Thought {
            kind: ThoughtKind::Encrypted,
            text: data.unwrap_or_default(),
            format: Cow::Borrowed(format::ANTHROPIC),
            ..Thought::default()
        }),
        Some("tool_use") => Block::ToolCall(ToolCall {
            id: id.unwrap_or_default(),
            name: name.unwrap_or_default(),
            arguments: Cow::Borrowed(arguments.unwrap_or("{}")),
            ..ToolCall::default()
        }),
        _ => match lenient::raw(&mut whole)? {
            Some(raw) => Block::Foreign(raw),
            None => return Ok(()),
        },
    };
    into.push(block);
    Ok(())
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    started: bool,
    done: bool,
    counts: Counts,
    tier: Option<Tier>,
    /// Number of the next block in the middle shape.
    next: u32,
    open: Vec<Opened>,
}

/// A block that the provider has begun.
#[derive(Debug, Clone, Copy)]
struct Opened {
    /// The provider's number of it.
    index: u64,
    /// Its number in the middle shape.
    number: u32,
    /// Its arguments stood in its beginning.
    whole: bool,
    /// It is a tool call of which no argument has come.
    bare: bool,
}

/// An event, taken apart.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    pub(crate) kind: Option<Cow<'a, str>>,
    pub(crate) index: Option<u64>,
    pub(crate) message: Option<Walker<'a>>,
    pub(crate) block: Option<Walker<'a>>,
    pub(crate) delta: Option<Walker<'a>>,
    pub(crate) usage: Option<Walker<'a>>,
    pub(crate) error: bool,
}

impl<'a> Parts<'a> {
    /// Reads the data of an event; of objects it is noted where they begin.
    pub(crate) fn read(data: &'a [u8]) -> Result<Parts<'a>, Malformed> {
        let mut walker = Walker::new(json::text(data)?);
        let mut parts = Parts::default();
        if walker.peek() != Some(Kind::Object) {
            return Err(Malformed {
                offset: walker.offset(),
                why: "expected an object, which starts with `{`",
            });
        }
        each_member(&mut walker, |walker, name| {
            walker.peek();
            match name {
                "type" => parts.kind = lenient::string(walker)?,
                "index" => parts.index = walker.whole()?,
                other => {
                    let here = walker.clone();
                    let value = walker.value()?;
                    match other {
                        "message" => parts.message = Some(here),
                        "content_block" => parts.block = Some(here),
                        "delta" => parts.delta = Some(here),
                        "usage" => parts.usage = Some(here),
                        "error" => parts.error = value.kind != Kind::Null,
                        _ => {}
                    }
                }
            }
            Ok::<(), Malformed>(())
        })?;
        walker.finish()?;
        Ok(parts)
    }
}

impl StreamReader for Reader {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        // Some servers of this protocol end their streams in OpenAI's way as well.
        if frame.data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let parts = Parts::read(frame.data).map_err(fault)?;
        let kind = parts.kind.as_deref().unwrap_or(frame.name);
        match kind {
            "content_block_delta" => self.delta(&parts, sink).map_err(fault),
            "content_block_start" => self.block_start(parts, sink).map_err(fault),
            "content_block_stop" => {
                self.block_stop(parts.index, sink);
                Ok(())
            }
            "message_start" => self.message_start(parts, sink).map_err(fault),
            "message_delta" => self.message_delta(parts, sink).map_err(fault),
            "message_stop" => {
                self.close(sink);
                self.done = true;
                Ok(())
            }
            "error" => Err(error_inside(frame.data)),
            _ if parts.error => Err(error_inside(frame.data)),
            // `ping`, and what may come.
            _ => Ok(()),
        }
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        for block in self.open.drain(..) {
            sink(Event::Close {
                block: block.number,
            });
        }
    }

    fn done(&self) -> bool {
        self.done
    }

    fn held_bytes(&self) -> usize {
        size_of::<Reader>() + self.open.capacity() * size_of::<Opened>()
    }
}

/// The fault of an event that is not what it should be.
pub(crate) fn fault(wrong: Malformed) -> StreamFault {
    StreamFault::Malformed {
        offset: wrong.offset,
        why: wrong.why,
    }
}

/// The fault of an error event.
pub(crate) fn error_inside(data: &[u8]) -> StreamFault {
    let error = UpstreamError::read(data);
    StreamFault::ErrorInside {
        // This protocol names types and no statuses inside a stream (its guide to errors, 2026-11).
        status: error.status.or(match error.code.as_deref() {
            Some("overloaded_error") => Some(529),
            Some("rate_limit_error") => Some(429),
            Some("authentication_error") => Some(401),
            Some("billing_error") => Some(402),
            Some("permission_error") => Some(403),
            Some("not_found_error") => Some(404),
            Some("request_too_large") => Some(413),
            Some("invalid_request_error") => Some(400),
            Some("timeout_error") => Some(504),
            Some("api_error") => Some(500),
            _ => None,
        }),
        message: error.message,
        raw: error.raw,
    }
}

impl Reader {
    fn message_start(&mut self, parts: Parts<'_>, sink: &mut Sink<'_>) -> Result<(), Malformed> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let mut id = None;
        let mut content = None;
        if let Some(mut message) = parts.message {
            each_member(&mut message, |walker, name| {
                match name {
                    "id" => id = lenient::string(walker)?,
                    "usage" => self.counts.read(walker)?,
                    "content" => {
                        walker.peek();
                        content = Some(walker.clone());
                        walker.value()?;
                    }
                    _ => drop(walker.value()?),
                }
                Ok::<(), Malformed>(())
            })?;
        }
        sink(Event::Start {
            id: id.as_deref(),
            usage: self.counts.usage(),
        });
        // Blocks that are complete before the stream begins (the provider's own tools do that) stand in the message.
        if let Some(mut content) = content {
            each_element(&mut content, |walker| {
                walker.peek();
                let here = walker.clone();
                walker.value()?;
                let parts = Parts {
                    block: Some(here),
                    ..Parts::default()
                };
                self.block_start(parts, sink)?;
                self.block_stop(None, sink);
                Ok::<(), Malformed>(())
            })?;
        }
        self.tier_changed(sink);
        Ok(())
    }

    fn tier_changed(&mut self, sink: &mut Sink<'_>) {
        if self.tier != self.counts.tier {
            self.tier = self.counts.tier;
            if let Some(tier) = self.counts.service_tier() {
                sink(Event::ServiceTier(tier));
            }
        }
    }

    fn block_start(&mut self, parts: Parts<'_>, sink: &mut Sink<'_>) -> Result<(), Malformed> {
        let Some(mut block) = parts.block else {
            return Ok(());
        };
        let mut blocks = Vec::with_capacity(1);
        answer_block(&mut block, &mut blocks)?;
        let Some(block) = blocks.first() else {
            return Ok(());
        };
        let mut whole = false;
        let open = match block {
            Block::Text(_) => Open::Text,
            Block::Thought(thought) => Open::Thought {
                kind: thought.kind,
                id: None,
                format: format::ANTHROPIC,
            },
            Block::ToolCall(call) => {
                whole = !is_empty_input(&call.arguments);
                Open::ToolCall {
                    id: &call.id,
                    name: &call.name,
                    custom: false,
                    namespace: None,
                    signature: None,
                }
            }
            // The provider's own tools and their results: no other API has words for them.
            _ => return Ok(()),
        };
        // A number that begins again belongs to a message that was spliced onto another: what it meant before has ended.
        self.block_stop(parts.index, sink);
        let number = self.next;
        self.next += 1;
        self.open.push(Opened {
            index: parts.index.unwrap_or(0),
            number,
            whole,
            bare: !whole && matches!(block, Block::ToolCall(_)),
        });
        sink(Event::Open {
            block: number,
            open,
        });
        let mut add = |delta: Delta<'_>| {
            sink(Event::Delta {
                block: number,
                delta,
            });
        };
        match block {
            Block::Text(text) => {
                if !text.text.is_empty() {
                    add(Delta::Text(&text.text));
                }
                for citation in &text.citations {
                    add(Delta::Citation(citation));
                }
            }
            Block::Thought(thought) => {
                if !thought.text.is_empty() {
                    add(Delta::Text(&thought.text));
                }
                if let Some(signature) = &thought.signature {
                    add(Delta::Signature(signature));
                }
            }
            Block::ToolCall(call) if whole => add(Delta::Text(&call.arguments)),
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, index: Option<u64>, sink: &mut Sink<'_>) {
        let index = index.unwrap_or(0);
        if let Some(at) = self.open.iter().position(|open| open.index == index) {
            let open = self.open.remove(at);
            if open.bare {
                // A call without arguments has an empty object of them, and says so in its beginning only.
                sink(Event::Delta {
                    block: open.number,
                    delta: Delta::Text("{}"),
                });
            }
            sink(Event::Close { block: open.number });
        }
    }

    fn delta(&mut self, parts: &Parts<'_>, sink: &mut Sink<'_>) -> Result<(), Malformed> {
        let index = parts.index.unwrap_or(0);
        let Some(open) = self.open.iter_mut().find(|open| open.index == index) else {
            return Ok(());
        };
        let Some(mut delta) = parts.delta.clone() else {
            return Ok(());
        };
        // Which member it is says what it means, so the type need not be compared.
        each_member(&mut delta, |walker, name| {
            let step = match name {
                "text" | "thinking" | "partial_json" => {
                    let json = name == "partial_json";
                    let Some(text) = lenient::string(walker)? else {
                        return Ok(());
                    };
                    if text.is_empty() || (json && open.whole) {
                        return Ok(());
                    }
                    open.bare = false;
                    sink(Event::Delta {
                        block: open.number,
                        delta: Delta::Text(&text),
                    });
                    return Ok(());
                }
                "signature" => lenient::string(walker)?,
                "citation" => {
                    if let Some(raw) = lenient::raw(walker)? {
                        sink(Event::Delta {
                            block: open.number,
                            delta: Delta::Citation(&citation(raw)),
                        });
                    }
                    return Ok(());
                }
                _ => {
                    walker.value()?;
                    return Ok(());
                }
            };
            if let Some(signature) = step.filter(|signature| !signature.is_empty()) {
                sink(Event::Delta {
                    block: open.number,
                    delta: Delta::Signature(&signature),
                });
            }
            Ok::<(), Malformed>(())
        })
    }

    fn message_delta(&mut self, parts: Parts<'_>, sink: &mut Sink<'_>) -> Result<(), Malformed> {
        if let Some(mut usage) = parts.usage {
            self.counts.read(&mut usage)?;
            if let Some(usage) = self.counts.usage() {
                sink(Event::Usage(usage));
            }
            self.tier_changed(sink);
        }
        let (reason, sequence) = ending(parts.delta)?;
        if let Some(reason) = reason {
            sink(Event::Finish {
                finish: Finish::of(&reason),
                native: &reason,
                stop_sequence: sequence.as_deref(),
            });
        }
        Ok(())
    }
}

/// What the `delta` of a `message_delta` says: the reason for the end, and the stop text that was met.
#[expect(
    clippy::type_complexity,
    reason = "two texts, each of which may be absent"
)]
pub(crate) fn ending(
    delta: Option<Walker<'_>>,
) -> Result<(Option<Cow<'_, str>>, Option<Cow<'_, str>>), Malformed> {
    let (mut reason, mut sequence) = (None, None);
    if let Some(mut delta) = delta {
        each_member(&mut delta, |walker, name| {
            match name {
                "stop_reason" => reason = lenient::string(walker)?,
                "stop_sequence" => sequence = lenient::string(walker)?,
                _ => drop(walker.value()?),
            }
            Ok::<(), Malformed>(())
        })?;
    }
    Ok((reason, sequence))
}

fn is_empty_input(raw: &str) -> bool {
    matches!(raw, "null" | "\"\"")
        || raw
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .is_some_and(|inside| inside.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;

    /// The steps of a stream of data, as text, one a line.
    fn steps(events: &[&str]) -> Result<Vec<String>, StreamFault> {
        let mut reader = Reader::default();
        let mut steps = Vec::new();
        for data in events {
            reader.frame(
                Frame {
                    name: "",
                    data: data.as_bytes(),
                },
                &mut |event| steps.push(format!("{event:?}")),
            )?;
        }
        Ok(steps)
    }

    fn usage_of(parts: &[&str]) -> Option<Usage> {
        let mut counts = Counts::default();
        for part in parts {
            counts.read(&mut Walker::new(part)).unwrap();
        }
        counts.usage()
    }

    #[test]
    fn cached_tokens_stand_beside_the_input_and_counts_do_not_add_up() {
        let usage = usage_of(&[
            r#"{"input_tokens":25,"cache_creation_input_tokens":10,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":6,"ephemeral_1h_input_tokens":4},"output_tokens":1}"#,
            r#"{"input_tokens":40,"cache_creation_input_tokens":12,"cache_read_input_tokens":7,"output_tokens":8,"output_tokens_details":{"thinking_tokens":3},"server_tool_use":{"web_search_requests":1}}"#,
        ])
        .unwrap();
        assert_eq!(
            usage,
            Usage {
                prompt: 59,
                completion: 8,
                total: 67,
                reasoning: 3,
                cached: 7,
                cache_write: 12,
                cache_write_1h: 4,
                web_searches: 1,
                ..Usage::default()
            }
        );
    }

    #[test]
    fn what_an_end_leaves_out_or_writes_as_zero_does_not_undo_the_beginning() {
        let start = r#"{"input_tokens":25,"cache_read_input_tokens":5,"output_tokens":1}"#;
        for end in [
            r#"{"output_tokens":8}"#,
            r#"{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":8}"#,
            r#"{"input_tokens":null,"cache_creation":null,"output_tokens":8}"#,
        ] {
            let usage = usage_of(&[start, end]).unwrap();
            assert_eq!((usage.prompt, usage.completion), (30, 8), "{end}");
        }
        // Other servers count at the end only.
        let usage = usage_of(&[r#"{"input_tokens":0,"output_tokens":0}"#, start]).unwrap();
        assert_eq!((usage.prompt, usage.cached), (30, 5));
        assert_eq!(usage_of(&["null", "{}", "[1]"]), None);
    }

    #[test]
    fn arguments_that_stand_in_the_beginning_are_not_lost() {
        let steps = steps(&[
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":1}}}"#,
            r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
            r#"{"type":"content_block_stop","index":3}"#,
        ])
        .unwrap();
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(steps[1].contains(r#"Text("{\"a\":1}")"#), "{}", steps[1]);
        assert!(steps[2].starts_with("Close { block: 0"));
    }

    #[test]
    fn a_call_without_arguments_has_an_empty_object_of_them() {
        let steps = steps(&[
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
        ])
        .unwrap();
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(steps[1].contains(r#"Text("{}")"#), "{}", steps[1]);
    }

    #[test]
    fn a_message_that_was_spliced_onto_another_begins_its_numbers_again() {
        let start =
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
        let delta =
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
        let steps = steps(&[start, start, delta]).unwrap();
        assert_eq!(steps[1], "Close { block: 0 }");
        assert!(steps[3].starts_with("Delta { block: 1"), "{}", steps[3]);
    }

    #[test]
    fn blocks_and_events_that_nobody_knows_are_passed_over() {
        let steps = steps(&[
            r#"{"type":"future_event","index":"x","delta":7,"usage":[]}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_stop","index":9}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"fallback","from":{}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"x"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"now"}}"#,
        ])
        .unwrap();
        assert_eq!(steps.len(), 2, "{steps:?}");
        assert!(steps[0].starts_with("Open { block: 0, open: Text"));
    }

    #[test]
    fn a_block_that_is_left_open_is_closed_at_the_end() {
        let steps = steps(&[
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":5}}"#,
            r#"{"type":"message_stop"}"#,
        ])
        .unwrap();
        assert!(steps[2].contains("finish: Length"), "{}", steps[2]);
        assert_eq!(steps[3], "Close { block: 0 }");
    }

    #[test]
    fn errors_inside_a_stream_have_a_status() {
        for (kind, status) in [
            ("overloaded_error", Some(529)),
            ("api_error", Some(500)),
            ("rate_limit_error", Some(429)),
            ("invalid_request_error", Some(400)),
            ("something_new", None),
        ] {
            let data = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"m"}}}}"#);
            match steps(&[&data]) {
                Err(StreamFault::ErrorInside {
                    status: seen,
                    message,
                    ..
                }) => {
                    assert_eq!(seen, status, "{kind}");
                    assert_eq!(message, "m");
                }
                other => panic!("{kind}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_event_is_a_fault() {
        for data in ["", "[]", "{", "7", "{\"type\":\"ping\"} x"] {
            assert!(
                matches!(steps(&[data]), Err(StreamFault::Malformed { .. })),
                "{data}"
            );
        }
    }

    #[test]
    fn an_answer_keeps_what_only_this_protocol_knows() {
        let text = r#"{"content":[{"type":"future","a":1},{"type":"text","text":null}],"stop_reason":"pause_turn"}"#;
        let answer = read_answer(text).unwrap();
        assert!(
            matches!(&answer.blocks[0], Block::Foreign(raw) if raw.get() == r#"{"type":"future","a":1}"#)
        );
        assert_eq!(answer.finish, Some(Finish::Stop));
        assert_eq!(answer.usage, None);
        for none in ["{}", r#"{"content":null}"#, r#"{"error":{"message":"m"}}"#] {
            assert_eq!(
                read_answer(none).unwrap_err(),
                Unusable::NoChoices,
                "{none}"
            );
        }
        for malformed in ["[]", "{\"content\":[}", "nope"] {
            assert!(
                matches!(read_answer(malformed), Err(Unusable::Malformed(_))),
                "{malformed}"
            );
        }
    }
}
