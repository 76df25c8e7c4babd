//! Reads events.
//!
//! Events name the place that they are about: the item by `output_index`, the part by `content_index` or `summary_index`. Item ids are
//! no help, some servers change them from event to event. Other servers leave out the indices (llama.cpp's, 2026-11) and keep the ids;
//! so the index counts where it is there, and the id where it is not.
//!
//! A text may come in deltas, or only with the event that finishes its item, or only with the last event. What has been passed on in
//! deltas is remembered by part, and only what has not been is taken from the later events.

use std::borrow::Cow;

use crate::api::responses::items::{citation, made_image, thoughts};
use crate::api::responses::object::{Object, elements};
use crate::dialect::responses::answer;
use crate::dialect::{Sink, StreamReader};
use crate::exchange::{Block, Delta, Event, Open, Source, ThoughtKind, format};
use crate::json::{self, Walker};
use crate::sse::Frame;
use crate::stream::StreamFault;

/// Reads one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    started: bool,
    /// Number of the next block.
    next: u32,
    items: Vec<Item>,
    done: bool,
}

/// An item that has begun. One that is finished keeps nothing but its place, so that the last event does not repeat it.
#[derive(Debug)]
struct Item {
    /// `output_index`, where the server gives it.
    index: Option<u64>,
    /// The item's id, where the server gives no index.
    id: String,
    /// The call's block; parts of other items.
    parts: Vec<Part>,
    finished: bool,
}

#[derive(Debug)]
struct Part {
    kind: PartKind,
    /// `content_index` or `summary_index`.
    index: u64,
    block: u32,
    open: bool,
    /// Something has been passed on.
    filled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartKind {
    Text,
    Refusal,
    Thought,
    Summary,
    Call,
}

impl StreamReader for Reader {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        if frame.data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let text = json::text(frame.data).map_err(malformed)?;
        let mut walker = Walker::new(text);
        let event = Object::read(&mut walker).map_err(malformed)?;
        walker.finish().map_err(malformed)?;
        let kind = event.text("type").unwrap_or(Cow::Borrowed(frame.name));
        self.event(&kind, &event, text, sink)
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        for item in &mut self.items {
            item.close(sink);
        }
    }

    fn done(&self) -> bool {
        self.done
    }

    fn held_bytes(&self) -> usize {
        let parts: usize = self
            .items
            .iter()
            .map(|item| item.parts.capacity() * size_of::<Part>() + item.id.capacity())
            .sum();
        size_of::<Reader>() + self.items.capacity() * size_of::<Item>() + parts
    }
}

fn malformed(wrong: json::Malformed) -> StreamFault {
    StreamFault::Malformed {
        offset: wrong.offset,
        why: wrong.why,
    }
}

impl Reader {
    fn event(
        &mut self,
        kind: &str,
        event: &Object<'_>,
        text: &str,
        sink: &mut Sink<'_>,
    ) -> Result<(), StreamFault> {
        match kind {
            "response.output_text.delta" => self.delta(event, PartKind::Text, sink),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.delta(event, PartKind::Call, sink);
            }
            "response.reasoning_summary_text.delta" => self.delta(event, PartKind::Summary, sink),
            // The second is what the event was called at first.
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                self.delta(event, PartKind::Thought, sink);
            }
            "response.refusal.delta" => self.delta(event, PartKind::Refusal, sink),
            "response.output_text.annotation.added" => {
                let block = self.part(event, PartKind::Text, sink);
                if let Some(citation) = event.raw("annotation").and_then(citation) {
                    let delta = Delta::Citation(&citation);
                    sink(Event::Delta { block, delta });
                }
            }
            "response.output_item.added" => {
                if let Some(item) = event.object("item") {
                    self.added(event, &item, sink);
                }
            }
            "response.output_item.done" => {
                if let Some(raw) = event.raw("item") {
                    self.start(None, sink);
                    let at = self.at(event, None);
                    self.whole(at, raw, sink);
                }
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                self.part_done(event, kind, sink);
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                let id = event.object("response").and_then(|body| body.filled("id"));
                self.start(id.as_deref(), sink);
            }
            "response.completed" | "response.incomplete" | "response.done" => {
                let body = event.object("response");
                self.last(body.as_ref(), kind, sink)?;
            }
            "response.failed" | "response.cancelled" => {
                let body = event.object("response");
                let error = body.as_ref().and_then(|body| body.raw("error"));
                return Err(fault(error.unwrap_or(text)));
            }
            "error" => return Err(fault(text)),
            // An error object without a type, as proxies send it.
            _ if event.value("error").is_some() && event.value("type").is_none() => {
                return Err(fault(text));
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, id: Option<&str>, sink: &mut Sink<'_>) {
        if !self.started {
            self.started = true;
            sink(Event::Start { id, usage: None });
        }
    }

    /// The place of the item that an event is about; a new one where it has not been named before. `item`: the event carries it.
    fn at(&mut self, event: &Object<'_>, item: Option<&Object<'_>>) -> usize {
        let index = event.number("output_index");
        let id = match index {
            Some(_) => None,
            None => event
                .filled("item_id")
                .or_else(|| item?.filled("id"))
                .or_else(|| event.object("item")?.filled("id")),
        };
        let id = id.as_deref().unwrap_or_default();
        let known = match index {
            Some(_) => self.items.iter().rposition(|item| item.index == index),
            // Nothing to tell by: it is about the last one.
            None if id.is_empty() => self.items.len().checked_sub(1),
            None => self.items.iter().rposition(|item| item.id == id),
        };
        known.unwrap_or_else(|| {
            self.items.push(Item {
                index,
                id: id.to_owned(),
                parts: Vec::new(),
                finished: false,
            });
            self.items.len() - 1
        })
    }

    fn added(&mut self, event: &Object<'_>, item: &Object<'_>, sink: &mut Sink<'_>) {
        self.start(None, sink);
        let at = self.at(event, Some(item));
        if let Some("function_call" | "custom_tool_call") = item.text("type").as_deref() {
            self.open_call(at, item, sink);
        }
    }

    fn open_call(&mut self, at: usize, item: &Object<'_>, sink: &mut Sink<'_>) {
        let Some(known) = self.items.get_mut(at) else {
            return;
        };
        if !known.parts.is_empty() {
            return;
        }
        let block = self.next;
        self.next += 1;
        known.parts.push(Part {
            kind: PartKind::Call,
            index: 0,
            block,
            open: true,
            filled: false,
        });
        let namespace = item.filled("namespace");
        let open = Open::ToolCall {
            id: &answer::call_id(item),
            name: &item.text("name").unwrap_or_default(),
            custom: item.text("type").as_deref() == Some("custom_tool_call"),
            namespace: namespace.as_deref(),
            signature: None,
        };
        sink(Event::Open { block, open });
    }

    /// The block of the part that an event is about, opened where it was not.
    fn part(&mut self, event: &Object<'_>, kind: PartKind, sink: &mut Sink<'_>) -> u32 {
        self.start(None, sink);
        let at = self.at(event, None);
        let index = match kind {
            PartKind::Summary => event.number("summary_index"),
            PartKind::Call => None,
            _ => event.number("content_index"),
        };
        let id = event.filled("item_id");
        self.open_part(at, kind, index.unwrap_or(0), id.as_deref(), sink)
    }

    fn open_part(
        &mut self,
        at: usize,
        kind: PartKind,
        index: u64,
        id: Option<&str>,
        sink: &mut Sink<'_>,
    ) -> u32 {
        let Some(item) = self.items.get_mut(at) else {
            return u32::MAX;
        };
        let known = item
            .parts
            .iter_mut()
            .find(|part| part.kind == kind && part.index == index);
        if let Some(part) = known {
            part.filled = true;
            return part.block;
        }
        // Parts follow each other: what was open before is complete, though a server may forget to say so.
        item.close(sink);
        let block = self.next;
        self.next += 1;
        item.parts.push(Part {
            kind,
            index,
            block,
            open: true,
            filled: true,
        });
        let thought = |kind| Open::Thought {
            kind,
            id,
            format: format::RESPONSES,
        };
        let open = match kind {
            PartKind::Text => Open::Text,
            PartKind::Refusal => Open::Refusal,
            PartKind::Thought => thought(ThoughtKind::Text),
            PartKind::Summary => thought(ThoughtKind::Summary),
            // Arguments of a call that was not announced.
            PartKind::Call => Open::ToolCall {
                id: id.unwrap_or_default(),
                name: "",
                custom: false,
                namespace: None,
                signature: None,
            },
        };
        sink(Event::Open { block, open });
        block
    }

    fn delta(&mut self, event: &Object<'_>, kind: PartKind, sink: &mut Sink<'_>) {
        let Some(delta) = event.filled("delta") else {
            return;
        };
        let block = self.part(event, kind, sink);
        sink(Event::Delta {
            block,
            delta: Delta::Text(&delta),
        });
        if let Some(logprobs) = answer::logprobs(event) {
            let delta = Delta::Logprobs(&logprobs);
            sink(Event::Delta { block, delta });
        }
    }

    fn part_done(&mut self, event: &Object<'_>, kind: &str, sink: &mut Sink<'_>) {
        let at = self.at(event, None);
        let summary = kind == "response.reasoning_summary_part.done";
        let index = match summary {
            true => event.number("summary_index"),
            false => event.number("content_index"),
        };
        let Some(item) = self.items.get_mut(at) else {
            return;
        };
        for part in &mut item.parts {
            if (part.kind == PartKind::Summary) == summary
                && part.kind != PartKind::Call
                && part.index == index.unwrap_or(0)
            {
                part.close(sink);
            }
        }
    }

    /// Takes what a finished item holds and deltas did not say, and closes it.
    fn whole(&mut self, at: usize, raw: &str, sink: &mut Sink<'_>) {
        let Some(item) = Object::of(raw) else {
            return;
        };
        if self.items.get(at).is_none_or(|known| known.finished) {
            return;
        }
        match item.text("type").as_deref() {
            Some("message") => {
                for (index, part) in item.elements("content").into_iter().enumerate() {
                    self.whole_content(at, index as u64, part, sink);
                }
            }
            Some("reasoning") => self.whole_reasoning(at, &item, sink),
            Some("function_call") => self.whole_call(at, &item, "arguments", sink),
            Some("custom_tool_call") => self.whole_call(at, &item, "input", sink),
            Some("image_generation_call") => {
                if let Some(base64) = item.filled("result") {
                    let source = made_image(base64, item.text("output_format"));
                    self.image(&source, sink);
                }
            }
            _ => {}
        }
        if let Some(known) = self.items.get_mut(at) {
            known.close(sink);
            known.finished = true;
            known.parts = Vec::new();
        }
    }

    fn whole_content(&mut self, at: usize, index: u64, raw: &str, sink: &mut Sink<'_>) {
        let Some(part) = Object::of(raw) else {
            return;
        };
        match answer::content(&part) {
            Some(Block::Text(text)) if !self.has(at, PartKind::Text, index) => {
                let block = self.open_part(at, PartKind::Text, index, None, sink);
                let mut delta = |delta| sink(Event::Delta { block, delta });
                delta(Delta::Text(&text.text));
                text.citations
                    .iter()
                    .for_each(|citation| delta(Delta::Citation(citation)));
                if let Some(logprobs) = answer::logprobs(&part) {
                    delta(Delta::Logprobs(&logprobs));
                }
            }
            Some(Block::Refusal(text)) if !self.has(at, PartKind::Refusal, index) => {
                let block = self.open_part(at, PartKind::Refusal, index, None, sink);
                let delta = Delta::Text(&text);
                sink(Event::Delta { block, delta });
            }
            _ => {}
        }
    }

    fn whole_reasoning(&mut self, at: usize, item: &Object<'_>, sink: &mut Sink<'_>) {
        let (mut summaries, mut texts) = (0, 0);
        for thought in thoughts(item) {
            let (kind, index) = match thought.kind {
                ThoughtKind::Summary => (PartKind::Summary, &mut summaries),
                ThoughtKind::Text => (PartKind::Thought, &mut texts),
                ThoughtKind::Encrypted => {
                    self.encrypted(at, &thought, sink);
                    continue;
                }
            };
            let place = *index;
            *index += 1;
            if self.has(at, kind, place) || thought.text.is_empty() {
                continue;
            }
            let block = self.open_part(at, kind, place, thought.id.as_deref(), sink);
            let delta = Delta::Text(&thought.text);
            sink(Event::Delta { block, delta });
        }
    }

    /// Data of a thought comes whole, and only the finished item has all of it.
    fn encrypted(
        &mut self,
        at: usize,
        thought: &crate::exchange::Thought<'_>,
        sink: &mut Sink<'_>,
    ) {
        if let Some(item) = self.items.get_mut(at) {
            item.close(sink);
        }
        let open = Open::Thought {
            kind: ThoughtKind::Encrypted,
            id: thought.id.as_deref(),
            format: &thought.format,
        };
        self.at_once(open, Some(Delta::Text(&thought.text)), sink);
    }

    fn whole_call(&mut self, at: usize, item: &Object<'_>, arguments: &str, sink: &mut Sink<'_>) {
        self.open_call(at, item, sink);
        let known = self.items.get(at).and_then(|known| known.parts.first());
        let Some(Part {
            block,
            filled: false,
            ..
        }) = known
        else {
            return;
        };
        if let Some(arguments) = item.filled(arguments) {
            sink(Event::Delta {
                block: *block,
                delta: Delta::Text(&arguments),
            });
        }
    }

    fn image(&mut self, source: &Source<'_>, sink: &mut Sink<'_>) {
        if let Source::Data { media_type, base64 } = source {
            let open = Open::Image { media_type, base64 };
            self.at_once(open, None, sink);
        }
    }

    /// A block that begins and ends at once.
    fn at_once(&mut self, open: Open<'_>, delta: Option<Delta<'_>>, sink: &mut Sink<'_>) {
        let block = self.next;
        self.next += 1;
        sink(Event::Open { block, open });
        if let Some(delta) = delta {
            sink(Event::Delta { block, delta });
        }
        sink(Event::Close { block });
    }

    /// Whether something of a part has been passed on.
    fn has(&self, at: usize, kind: PartKind, index: u64) -> bool {
        let parts = self.items.get(at).map(|item| item.parts.as_slice());
        let mut parts = parts.unwrap_or_default().iter();
        parts.any(|part| part.kind == kind && part.index == index)
    }

    /// The last event: what it holds and no event before it said, tokens, and why it ended.
    fn last(
        &mut self,
        body: Option<&Object<'_>>,
        kind: &str,
        sink: &mut Sink<'_>,
    ) -> Result<(), StreamFault> {
        let id = body.and_then(|body| body.filled("id"));
        self.start(id.as_deref(), sink);
        if let Some(error) = body.and_then(answer::failure) {
            return Err(StreamFault::ErrorInside {
                status: error.status,
                message: error.message,
                raw: error.raw,
            });
        }
        if self.items.is_empty() {
            let output = body.and_then(|body| body.raw("output")).unwrap_or("[]");
            for (at, raw) in elements(output).into_iter().enumerate() {
                self.items.push(Item {
                    index: Some(at as u64),
                    id: String::new(),
                    parts: Vec::new(),
                    finished: false,
                });
                self.whole(at, raw, sink);
            }
        }
        self.close(sink);
        if let Some(body) = body {
            if let Some(tier) = body.filled("service_tier") {
                sink(Event::ServiceTier(&tier));
            }
            if let Some(usage) = answer::usage(body) {
                sink(Event::Usage(usage));
            }
        }
        let said = body.and_then(answer::finish);
        let (finish, native) = said.unwrap_or_else(|| match kind {
            "response.incomplete" => (crate::finish::Finish::Length, "incomplete".into()),
            _ => (crate::finish::Finish::Stop, "completed".into()),
        });
        sink(Event::Finish {
            finish,
            native: &native,
            stop_sequence: None,
        });
        self.done = true;
        Ok(())
    }
}

impl Item {
    fn close(&mut self, sink: &mut Sink<'_>) {
        for part in &mut self.parts {
            part.close(sink);
        }
    }
}

impl Part {
    fn close(&mut self, sink: &mut Sink<'_>) {
        if std::mem::take(&mut self.open) {
            sink(Event::Close { block: self.block });
        }
    }
}

/// The fault that an error object amounts to.
pub(crate) fn fault(raw: &str) -> StreamFault {
    let error = answer::read_error(raw);
    StreamFault::ErrorInside {
        status: error.status,
        message: error.message,
        raw: error.raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The steps of some events, in words.
    fn steps(events: &[Value]) -> Result<Vec<String>, StreamFault> {
        let mut reader = Reader::default();
        let mut steps = Vec::new();
        for event in events {
            let data = event.to_string();
            let frame = Frame {
                name: "",
                data: data.as_bytes(),
            };
            reader.frame(frame, &mut |step| steps.push(words(&step)))?;
        }
        reader.close(&mut |step| steps.push(words(&step)));
        Ok(steps)
    }

    fn words(step: &Event<'_>) -> String {
        match step {
            Event::Start { id, .. } => format!("start {}", id.unwrap_or("-")),
            Event::Open { block, open } => match open {
                Open::ToolCall { id, name, .. } => format!("open {block} call {id} {name}"),
                Open::Thought { kind, id, .. } => format!("open {block} {kind:?} {id:?}"),
                Open::Image { media_type, .. } => format!("open {block} {media_type}"),
                open => format!("open {block} {open:?}"),
            },
            Event::Delta { block, delta } => match delta {
                Delta::Text(text) => format!("{block} {text}"),
                delta => format!("{block} {delta:?}"),
            },
            Event::Close { block } => format!("close {block}"),
            Event::Finish { finish, native, .. } => format!("{finish:?} {native}"),
            Event::Usage(usage) => format!("usage {}", usage.total),
            Event::ServiceTier(tier) => format!("tier {tier}"),
        }
    }

    #[test]
    fn ids_that_change_do_not_matter_where_there_are_indices() {
        let found = steps(&[
            json!({"type":"response.output_item.added","output_index":0,"item":{"id":"a","type":"message","content":[]}}),
            json!({"type":"response.output_text.delta","output_index":0,"content_index":0,"item_id":"b","delta":"x"}),
            json!({"type":"response.output_text.delta","output_index":0,"content_index":0,"item_id":"c","delta":"y"}),
            json!({"type":"response.output_item.done","output_index":0,"item":{"id":"d","type":"message","content":[{"type":"output_text","text":"xy"}]}}),
        ]);
        assert_eq!(
            found.unwrap(),
            ["start -", "open 0 Text", "0 x", "0 y", "close 0"]
        );
    }

    #[test]
    fn what_no_delta_said_is_taken_from_the_finished_item() {
        let found = steps(&[
            json!({"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}),
            json!({"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}),
            json!({"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"refusal","refusal":"no"}]}}),
            json!({"type":"response.output_item.done","output_index":2,"item":{"type":"image_generation_call","result":"AAAA","output_format":"webp"}}),
            json!({"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"again"}]}],"usage":{"input_tokens":1,"output_tokens":2}}}),
        ]);
        assert_eq!(
            found.unwrap(),
            [
                "start -",
                "open 0 call c f",
                "0 {}",
                "close 0",
                "open 1 Refusal",
                "1 no",
                "close 1",
                "open 2 image/webp",
                "close 2",
                "usage 3",
                "Stop completed"
            ]
        );
    }

    #[test]
    fn failures_are_faults_with_a_status() {
        for (event, status) in [
            (
                json!({"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}}),
                Some(429),
            ),
            (
                json!({"type":"error","code":"server_error","message":"m"}),
                Some(500),
            ),
            (
                json!({"type":"error","error":{"type":"invalid_request_error","message":"m"}}),
                Some(400),
            ),
            (json!({"error":{"message":"m"}}), None),
        ] {
            let fault = steps(std::slice::from_ref(&event)).unwrap_err();
            let StreamFault::ErrorInside {
                status: seen,
                message,
                ..
            } = fault
            else {
                panic!("{event}");
            };
            assert_eq!((seen, message.as_str()), (status, "m"), "{event}");
        }
    }
}
