//! Writes answers: events in their order, and the items that they add up to.
//!
//! The middle shape opens, fills and closes blocks; this API opens, fills and closes parts of items. Neighbouring texts are parts of
//! one `message`, neighbouring thoughts with the same id are parts of one `reasoning`, a call is an item. A plain answer is what the
//! last event of its stream would carry, so there is one path for both.
//!
//! # What is held
//!
//! This is the one API whose events repeat whole texts: `*.done` events carry what their deltas carried, and the last event carries
//! all items; the SDKs and agents read their results from there. So one copy of every text is kept, in the form in which it is written
//! (escaped), first in its open part and then in its finished item, never in both. It is bounded by [`KEPT_BYTES_MAX`] for an answer:
//! past it deltas go on and nothing more is kept; an item that misses something says `"status":"incomplete"`.

use std::borrow::Cow;

use serde::Deserialize;

use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::api::responses::envelope::{Envelope, State};
use crate::api::responses::seal::{self, Piece};
use crate::exchange::{Answer, Citation, Delta, Event, Open, ThoughtKind, format, play};
use crate::json::{self, write_number, write_string, write_string_inside};
use crate::refusal::Refusal;

/// Most bytes of one answer that are kept for the events which repeat them. The longest answers of today's models are about a
/// million tokens, 4 MB; pictures in base64 are the reason for more.
pub(crate) const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Writes one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    envelope: Envelope,
    /// Number of the next event.
    sequence: u64,
    started: bool,
    /// All items; their place is their `output_index`.
    items: Vec<Item>,
    /// Blocks that are open: number, item, part.
    blocks: Vec<(u32, usize, usize)>,
    /// Bytes that are kept.
    kept: usize,
}

#[derive(Debug)]
enum Item {
    Message(Vec<Part>),
    Reasoning(Reasoning),
    Call(Call),
    /// Finished: its JSON.
    Done(Vec<u8>),
}

/// A piece of a message or of a reasoning item.
#[derive(Debug)]
struct Part {
    kind: PartKind,
    /// Place among the parts of its kind.
    index: usize,
    /// Inside of a JSON string.
    text: Vec<u8>,
    /// Elements of `annotations`, with commas.
    annotations: Vec<u8>,
    annotation_count: u64,
    /// Elements of `logprobs`, with commas.
    logprobs: Vec<u8>,
    /// Inside of a JSON string; thoughts only.
    signature: Vec<u8>,
    /// Something was not kept.
    cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartKind {
    Text,
    Refusal,
    Thought(ThoughtKind),
}

#[derive(Debug)]
struct Reasoning {
    /// The provider's id; empty: it gave none, and the item has one of ours.
    id: String,
    format: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    namespace: Option<String>,
    form: CallForm,
    /// Inside of a JSON string.
    arguments: Vec<u8>,
    /// Inside of a JSON string.
    signature: Vec<u8>,
    cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallForm {
    Function,
    /// A custom tool, and the provider knows what that is.
    Custom,
    /// A custom tool that was offered as a function with one string; the string is taken out when it is whole.
    Wrapped,
}

impl Writer {
    /// For one answer.
    pub(crate) fn new(serving: &Serving<'_>) -> Writer {
        Writer {
            envelope: Envelope::new(serving.asked),
            sequence: 0,
            started: false,
            items: Vec::new(),
            blocks: Vec::new(),
            kept: 0,
        }
    }

    /// Appends the beginning of an event, up to where its members go.
    fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        begin_event(name, self.sequence, out);
        self.sequence += 1;
    }

    /// Appends an event of an item, up to where its own members go.
    fn begin_at(&mut self, name: &str, index: usize, serving: &Serving<'_>, out: &mut Vec<u8>) {
        self.begin(name, out);
        out.extend_from_slice(b",\"output_index\":");
        write_number(index as u64, out);
        out.extend_from_slice(b",\"item_id\":\"");
        self.write_item_id(index, serving, out);
        out.push(b'"');
    }

    fn start(&mut self, serving: &Serving<'_>, out: &mut Vec<u8>) {
        if self.started {
            return;
        }
        self.started = true;
        for name in ["response.created", "response.in_progress"] {
            self.begin(name, out);
            out.extend_from_slice(b",\"response\":");
            self.envelope.write(State::InProgress, serving, |_| {}, out);
            end_event(out);
        }
    }

    /// Appends the id of an item, without quotes: its kind, the answer's id, its place.
    fn write_item_id(&self, index: usize, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let prefix = match self.items.get(index) {
            Some(Item::Reasoning(Reasoning { id, .. })) if !id.is_empty() => {
                return write_string_inside(id, out);
            }
            Some(Item::Reasoning(_)) => "rs_",
            Some(Item::Call(call)) if call.form == CallForm::Function => "fc_",
            Some(Item::Call(_)) => "ctc_",
            _ => "msg_",
        };
        write_own_id(prefix, index, serving, out);
    }

    fn open(&mut self, block: u32, open: &Open<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        match *open {
            Open::Text | Open::Audio { .. } => {
                self.open_text(block, PartKind::Text, serving, out);
            }
            Open::Refusal => self.open_text(block, PartKind::Refusal, serving, out),
            Open::Thought { kind, id, format } => {
                if !self.envelope.hides_thoughts {
                    self.open_thought(block, kind, id.unwrap_or_default(), format, serving, out);
                }
            }
            Open::ToolCall {
                id,
                name,
                custom,
                namespace,
                signature,
            } => {
                self.close_idle(serving, out);
                let (namespace, name, known_custom) = self.envelope.tool(name, namespace);
                let mut call = Call {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    namespace: namespace.map(str::to_owned),
                    form: match (custom, known_custom) {
                        (true, _) => CallForm::Custom,
                        (false, true) => CallForm::Wrapped,
                        (false, false) => CallForm::Function,
                    },
                    arguments: Vec::new(),
                    signature: Vec::new(),
                    cut: false,
                };
                if call.id.is_empty() {
                    // A result could not name a call without an id.
                    let mut own = Vec::new();
                    write_own_id("call_", self.items.len(), serving, &mut own);
                    call.id = String::from_utf8(own).unwrap_or_default();
                }
                write_string_inside(signature.unwrap_or_default(), &mut call.signature);
                self.add(Item::Call(call), block, 0, serving, out);
            }
            Open::Image { media_type, base64 } => {
                self.close_idle(serving, out);
                self.image(media_type, base64, serving, out);
            }
        }
    }

    /// Appends an item and says so.
    fn add(
        &mut self,
        item: Item,
        block: u32,
        part: usize,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        let index = self.items.len();
        self.items.push(item);
        self.blocks.push((block, index, part));
        self.begin("response.output_item.added", out);
        out.extend_from_slice(b",\"output_index\":");
        write_number(index as u64, out);
        out.extend_from_slice(b",\"item\":");
        self.write_item(index, Phase::Added, serving, out);
        end_event(out);
    }

    fn open_text(&mut self, block: u32, kind: PartKind, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let index = match self.items.last_mut() {
            Some(Item::Message(parts)) => {
                let part = parts.len();
                parts.push(Part::new(kind, part));
                let index = self.items.len() - 1;
                self.blocks.push((block, index, part));
                index
            }
            _ => {
                self.close_idle(serving, out);
                self.add(Item::Message(Vec::new()), block, 0, serving, out);
                if let Some(Item::Message(parts)) = self.items.last_mut() {
                    parts.push(Part::new(kind, 0));
                }
                self.items.len() - 1
            }
        };
        let part = match self.items.get(index) {
            Some(Item::Message(parts)) => parts.len() - 1,
            _ => 0,
        };
        self.part_event("response.content_part.added", index, part, serving, out);
    }

    fn open_thought(
        &mut self,
        block: u32,
        kind: ThoughtKind,
        id: &str,
        format: &str,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        let joins = match self.items.last() {
            Some(Item::Reasoning(last)) => !id.is_empty() && last.id == id && last.format == format,
            _ => false,
        };
        if !joins {
            self.close_idle(serving, out);
            let reasoning = Reasoning {
                id: id.to_owned(),
                format: format.to_owned(),
                parts: Vec::new(),
            };
            self.add(Item::Reasoning(reasoning), block, 0, serving, out);
            self.blocks.pop();
        }
        let index = self.items.len().saturating_sub(1);
        let Some(Item::Reasoning(reasoning)) = self.items.last_mut() else {
            return;
        };
        let kind = PartKind::Thought(kind);
        let place = reasoning
            .parts
            .iter()
            .filter(|part| part.kind == kind)
            .count();
        reasoning.parts.push(Part::new(kind, place));
        let part = reasoning.parts.len() - 1;
        self.blocks.push((block, index, part));
        if kind == PartKind::Thought(ThoughtKind::Summary) {
            self.part_event(
                "response.reasoning_summary_part.added",
                index,
                part,
                serving,
                out,
            );
        }
    }

    /// Appends an event that carries a whole part.
    fn part_event(
        &mut self,
        name: &str,
        index: usize,
        part: usize,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        self.begin_at(name, index, serving, out);
        if let Some(part) = self.part(index, part) {
            part.write_index(out);
            out.extend_from_slice(b",\"part\":");
            part.write(out);
        }
        end_event(out);
    }

    fn part(&self, index: usize, part: usize) -> Option<&Part> {
        match self.items.get(index)? {
            Item::Message(parts) => parts.get(part),
            Item::Reasoning(reasoning) => reasoning.parts.get(part),
            _ => None,
        }
    }

    fn part_mut(&mut self, index: usize, part: usize) -> Option<&mut Part> {
        match self.items.get_mut(index)? {
            Item::Message(parts) => parts.get_mut(part),
            Item::Reasoning(reasoning) => reasoning.parts.get_mut(part),
            _ => None,
        }
    }

    fn delta(&mut self, block: u32, delta: &Delta<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let Some((_, index, part)) = self
            .blocks
            .iter()
            .find(|(open, ..)| *open == block)
            .copied()
        else {
            return;
        };
        match *delta {
            Delta::Text(text) => self.text(index, part, text, serving, out),
            // This API has no sound in its answers; what is said is text.
            Delta::Audio { transcript, .. } => self.text(index, part, transcript, serving, out),
            Delta::Signature(signature) => match self.items.get_mut(index) {
                Some(Item::Call(call)) => write_string_inside(signature, &mut call.signature),
                // Only a thought's must come back; that of a text has no place here and providers do without.
                Some(Item::Reasoning(_)) => {
                    if let Some(part) = self.part_mut(index, part) {
                        write_string_inside(signature, &mut part.signature);
                    }
                }
                _ => {}
            },
            Delta::Citation(citation) => self.citation(index, part, citation, serving, out),
            Delta::Logprobs(raw) => {
                if let Some(part) = self.part_mut(index, part) {
                    part.add_logprobs(raw);
                }
            }
        }
    }

    fn text(
        &mut self,
        index: usize,
        part: usize,
        text: &str,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        if text.is_empty() {
            return;
        }
        let fits = self.kept + text.len() <= KEPT_BYTES_MAX;
        if fits {
            self.kept += text.len();
        }
        if let Some(Item::Call(call)) = self.items.get_mut(index) {
            let before = call.arguments.len();
            match fits {
                true => write_string_inside(text, &mut call.arguments),
                false => call.cut = true,
            }
            let name = match call.form {
                CallForm::Function => "response.function_call_arguments.delta",
                CallForm::Custom => "response.custom_tool_call_input.delta",
                CallForm::Wrapped => return,
            };
            self.begin_at(name, index, serving, out);
            out.extend_from_slice(b",\"delta\":\"");
            let kept = match self.items.get(index) {
                Some(Item::Call(call)) => call.arguments.get(before..).unwrap_or_default(),
                _ => b"",
            };
            write_kept(kept, text, out);
            out.push(b'"');
            return end_event(out);
        }
        let Some(known) = self.part_mut(index, part) else {
            return;
        };
        let before = known.text.len();
        match fits {
            true => write_string_inside(text, &mut known.text),
            false => known.cut = true,
        }
        let name = match known.kind {
            PartKind::Text => "response.output_text.delta",
            PartKind::Refusal => "response.refusal.delta",
            PartKind::Thought(ThoughtKind::Text) => "response.reasoning_text.delta",
            PartKind::Thought(ThoughtKind::Summary) => "response.reasoning_summary_text.delta",
            // Data is of use only when it is whole.
            PartKind::Thought(ThoughtKind::Encrypted) => return,
        };
        self.begin_at(name, index, serving, out);
        if let Some(part) = self.part(index, part) {
            part.write_index(out);
            out.extend_from_slice(b",\"delta\":\"");
            write_kept(part.text.get(before..).unwrap_or_default(), text, out);
            out.push(b'"');
            if part.kind == PartKind::Text {
                out.extend_from_slice(b",\"logprobs\":[]");
            }
        }
        end_event(out);
    }

    fn citation(
        &mut self,
        index: usize,
        part: usize,
        citation: &Citation<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        let mut json = Vec::with_capacity(128);
        write_citation(citation, &mut json);
        let fits = self.kept + json.len() <= KEPT_BYTES_MAX;
        let Some(known) = self.part_mut(index, part) else {
            return;
        };
        let number = known.annotation_count;
        known.annotation_count += 1;
        match fits {
            true => add_element(&json, &mut known.annotations),
            false => known.cut = true,
        }
        if fits {
            self.kept += json.len();
        }
        self.begin_at("response.output_text.annotation.added", index, serving, out);
        if let Some(part) = self.part(index, part) {
            part.write_index(out);
        }
        out.extend_from_slice(b",\"annotation_index\":");
        write_number(number, out);
        out.extend_from_slice(b",\"annotation\":");
        out.extend_from_slice(&json);
        end_event(out);
    }

    fn close(&mut self, block: u32, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let Some(at) = self.blocks.iter().position(|(open, ..)| *open == block) else {
            return;
        };
        let (_, index, part) = self.blocks.remove(at);
        if let Some(Item::Call(_)) = self.items.get(index) {
            self.close_call(index, serving, out);
            return;
        }
        let Some(known) = self.part_mut(index, part) else {
            return;
        };
        let (text_done, part_done) = match known.kind {
            PartKind::Text => ("response.output_text.done", "response.content_part.done"),
            PartKind::Refusal => ("response.refusal.done", "response.content_part.done"),
            PartKind::Thought(ThoughtKind::Text) => ("response.reasoning_text.done", ""),
            PartKind::Thought(ThoughtKind::Summary) => (
                "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done",
            ),
            PartKind::Thought(ThoughtKind::Encrypted) => ("", ""),
        };
        if !text_done.is_empty() {
            self.begin_at(text_done, index, serving, out);
            if let Some(part) = self.part(index, part) {
                part.write_index(out);
                out.extend_from_slice(match part.kind {
                    PartKind::Refusal => b",\"refusal\":\"",
                    _ => b",\"text\":\"".as_slice(),
                });
                out.extend_from_slice(&part.text);
                out.push(b'"');
                if part.kind == PartKind::Text {
                    out.extend_from_slice(b",\"logprobs\":[");
                    out.extend_from_slice(&part.logprobs);
                    out.push(b']');
                }
            }
            end_event(out);
        }
        if !part_done.is_empty() {
            self.part_event(part_done, index, part, serving, out);
        }
        // Another item has begun since: nothing can be added to this one any more.
        if index + 1 < self.items.len() && !self.is_open(index) {
            self.finish_item(index, serving, out);
        }
    }

    fn is_open(&self, index: usize) -> bool {
        self.blocks.iter().any(|(_, item, _)| *item == index)
    }

    fn close_call(&mut self, index: usize, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let Some(Item::Call(call)) = self.items.get_mut(index) else {
            return;
        };
        let form = call.form;
        if form == CallForm::Wrapped {
            call.arguments = unwrapped(&call.arguments);
            self.begin_at("response.custom_tool_call_input.delta", index, serving, out);
            self.write_arguments(b",\"delta\":\"", index, out);
            end_event(out);
        }
        let (name, member): (_, &[u8]) = match form {
            CallForm::Function => (
                "response.function_call_arguments.done",
                b",\"arguments\":\"",
            ),
            _ => ("response.custom_tool_call_input.done", b",\"input\":\""),
        };
        self.begin_at(name, index, serving, out);
        self.write_arguments(member, index, out);
        if form == CallForm::Function
            && let Some(Item::Call(call)) = self.items.get(index)
        {
            // Clients of the first maker do not need it here, OpenRouter's require it.
            out.extend_from_slice(b",\"name\":");
            write_string(&call.name, out);
        }
        end_event(out);
        let signature = match self.items.get_mut(index) {
            Some(Item::Call(call)) if !call.signature.is_empty() => {
                Some((call.id.clone(), std::mem::take(&mut call.signature)))
            }
            _ => None,
        };
        self.finish_item(index, serving, out);
        if let Some((id, signature)) = signature.filter(|_| self.envelope.seals) {
            self.sealed_call(&id, &signature, serving, out);
        }
    }

    fn write_arguments(&self, member: &[u8], index: usize, out: &mut Vec<u8>) {
        if let Some(Item::Call(call)) = self.items.get(index) {
            out.extend_from_slice(member);
            out.extend_from_slice(&call.arguments);
            out.push(b'"');
        }
    }

    /// The signature of a call travels in a reasoning item of its own, because a call has no member that clients keep.
    fn sealed_call(
        &mut self,
        call_id: &str,
        signature: &[u8],
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        let index = self.items.len();
        let mut item = b"{\"type\":\"reasoning\",\"id\":\"".to_vec();
        write_own_id("rs_", index, serving, &mut item);
        item.extend_from_slice(b"\",\"summary\":[],\"encrypted_content\":");
        let piece = Piece::Call {
            id: call_id,
            signature,
        };
        seal::seal(std::iter::once(piece), &mut item);
        item.extend_from_slice(b",\"status\":\"completed\"}");
        self.whole_item(&item.clone(), item, out);
    }

    fn image(&mut self, media_type: &str, base64: &str, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let mut head = b"{\"type\":\"image_generation_call\",\"id\":\"".to_vec();
        write_own_id("ig_", self.items.len(), serving, &mut head);
        head.extend_from_slice(b"\",\"output_format\":");
        let media_type = media_type.strip_prefix("image/").unwrap_or("png");
        write_string(media_type.split('+').next().unwrap_or_default(), &mut head);
        let mut whole = head.clone();
        head.extend_from_slice(b",\"status\":\"in_progress\",\"result\":null}");
        whole.extend_from_slice(b",\"status\":\"completed\",\"result\":");
        match self.kept + base64.len() <= KEPT_BYTES_MAX {
            true => {
                self.kept += base64.len();
                write_string(base64, &mut whole);
            }
            false => whole.extend_from_slice(b"null"),
        }
        whole.push(b'}');
        self.whole_item(&head, whole, out);
    }

    /// An item that begins and ends at once.
    fn whole_item(&mut self, added: &[u8], done: Vec<u8>, out: &mut Vec<u8>) {
        let index = self.items.len() as u64;
        for (name, item) in [
            ("response.output_item.added", added),
            ("response.output_item.done", &done),
        ] {
            self.begin(name, out);
            out.extend_from_slice(b",\"output_index\":");
            write_number(index, out);
            out.extend_from_slice(b",\"item\":");
            out.extend_from_slice(item);
            end_event(out);
        }
        self.items.push(Item::Done(done));
    }

    /// Finishes the last item when nothing of it is open, because something else begins.
    fn close_idle(&mut self, serving: &Serving<'_>, out: &mut Vec<u8>) {
        if let Some(last) = self.items.len().checked_sub(1)
            && !self.is_open(last)
        {
            self.finish_item(last, serving, out);
        }
    }

    /// Finishes an item: says so, and keeps only its JSON.
    fn finish_item(&mut self, index: usize, serving: &Serving<'_>, out: &mut Vec<u8>) {
        if matches!(self.items.get(index), None | Some(Item::Done(_))) {
            return;
        }
        let mut json = Vec::new();
        self.write_item(index, Phase::Done, serving, &mut json);
        self.begin("response.output_item.done", out);
        out.extend_from_slice(b",\"output_index\":");
        write_number(index as u64, out);
        out.extend_from_slice(b",\"item\":");
        out.extend_from_slice(&json);
        end_event(out);
        if let Some(item) = self.items.get_mut(index) {
            *item = Item::Done(json);
        }
    }

    fn write_item(&self, index: usize, phase: Phase, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let Some(item) = self.items.get(index) else {
            return;
        };
        if let Item::Done(json) = item {
            return out.extend_from_slice(json);
        }
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(match item {
            Item::Reasoning(_) => b"reasoning".as_slice(),
            Item::Call(call) if call.form == CallForm::Function => b"function_call",
            Item::Call(_) => b"custom_tool_call",
            _ => b"message",
        });
        out.extend_from_slice(b"\",\"id\":\"");
        self.write_item_id(index, serving, out);
        out.push(b'"');
        let cut = match item {
            Item::Message(parts) => {
                out.extend_from_slice(b",\"role\":\"assistant\",\"content\":");
                write_parts(parts.iter(), out);
                parts.iter().any(|part| part.cut)
            }
            Item::Reasoning(reasoning) => {
                reasoning.write(self.envelope.seals && phase == Phase::Done, out);
                reasoning.parts.iter().any(|part| part.cut)
            }
            Item::Call(call) => {
                call.write(out);
                call.cut
            }
            Item::Done(_) => false,
        };
        out.extend_from_slice(match (phase, cut) {
            (Phase::Added, _) => b",\"status\":\"in_progress\"}".as_slice(),
            (Phase::Done, false) => b",\"status\":\"completed\"}",
            (Phase::Done, true) | (Phase::Cut, _) => b",\"status\":\"incomplete\"}",
        });
    }

    /// Appends the last event, with all items, and the sign of the end.
    fn finish(&mut self, state: State<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        self.begin(state.last_event(), out);
        out.extend_from_slice(b",\"response\":");
        self.write_response(state, serving, out);
        end_event(out);
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    pub(super) fn write_response(
        &self,
        state: State<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        let items = |out: &mut Vec<u8>| {
            for index in 0..self.items.len() {
                if index > 0 {
                    out.push(b',');
                }
                self.write_item(index, Phase::Cut, serving, out);
            }
        };
        self.envelope.write(state, serving, items, out);
    }
}

impl StreamWriter for Writer {
    fn event(&mut self, event: &Event<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        self.start(serving, out);
        match event {
            Event::Open { block, open } => self.open(*block, open, serving, out),
            Event::Delta { block, delta } => self.delta(*block, delta, serving, out),
            Event::Close { block } => self.close(*block, serving, out),
            // They stand at the end.
            Event::Start { .. }
            | Event::Usage(_)
            | Event::Finish { .. }
            | Event::ServiceTier(_) => {}
        }
    }

    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        self.start(serving, out);
        for index in 0..self.items.len() {
            self.finish_item(index, serving, out);
        }
        self.finish(State::Ended(closing), serving, out);
    }

    fn interrupted(
        &mut self,
        refusal: &Refusal,
        closing: &Closing<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        self.start(serving, out);
        self.finish(State::Failed(refusal, closing), serving, out);
    }

    fn held_bytes(&self) -> usize {
        let items: usize = self.items.iter().map(Item::held_bytes).sum();
        let slots = self.items.capacity() * size_of::<Item>();
        size_of::<Writer>() + self.envelope.held_bytes() + slots + items
    }
}

/// Writes a whole answer: what the last event of its stream would carry.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    let mut writer = Writer::new(serving);
    writer.started = true;
    let mut events = Vec::new();
    play(answer, &mut |event| {
        writer.event(&event, serving, &mut events);
        events.clear();
    });
    for index in 0..writer.items.len() {
        writer.finish_item(index, serving, &mut events);
        events.clear();
    }
    writer.write_response(State::Ended(closing), serving, out);
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Added,
    Done,
    /// The answer ends with the item unfinished.
    Cut,
}

impl Item {
    fn held_bytes(&self) -> usize {
        let parts = |parts: &[Part]| parts.iter().map(Part::held_bytes).sum();
        match self {
            Item::Message(of) => parts(of),
            Item::Reasoning(reasoning) => {
                let own = reasoning.id.capacity() + reasoning.format.capacity();
                own + parts(&reasoning.parts)
            }
            Item::Call(call) => {
                call.arguments.capacity() + call.signature.capacity() + call.name.capacity()
            }
            Item::Done(json) => json.capacity(),
        }
    }
}

impl Part {
    fn new(kind: PartKind, index: usize) -> Part {
        Part {
            kind,
            index,
            text: Vec::new(),
            annotations: Vec::new(),
            annotation_count: 0,
            logprobs: Vec::new(),
            signature: Vec::new(),
            cut: false,
        }
    }

    fn write_index(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.kind {
            PartKind::Thought(ThoughtKind::Summary) => b",\"summary_index\":",
            _ => b",\"content_index\":".as_slice(),
        });
        write_number(self.index as u64, out);
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.kind {
            PartKind::Text => b"{\"type\":\"output_text\",\"text\":\"".as_slice(),
            PartKind::Refusal => b"{\"type\":\"refusal\",\"refusal\":\"",
            PartKind::Thought(ThoughtKind::Summary) => b"{\"type\":\"summary_text\",\"text\":\"",
            PartKind::Thought(_) => b"{\"type\":\"reasoning_text\",\"text\":\"",
        });
        out.extend_from_slice(&self.text);
        out.push(b'"');
        if self.kind == PartKind::Text {
            out.extend_from_slice(b",\"annotations\":[");
            out.extend_from_slice(&self.annotations);
            out.extend_from_slice(b"],\"logprobs\":[");
            out.extend_from_slice(&self.logprobs);
            out.push(b']');
        }
        out.push(b'}');
    }

    /// Adds the elements of OpenAI's object of log probabilities.
    fn add_logprobs(&mut self, raw: &str) {
        let content = crate::api::responses::object::Object::of(raw)
            .map(|object| object.elements("content"))
            .unwrap_or_default();
        for element in content {
            add_element(element.as_bytes(), &mut self.logprobs);
        }
    }

    fn held_bytes(&self) -> usize {
        let Part {
            text,
            annotations,
            logprobs,
            signature,
            ..
        } = self;
        text.capacity() + annotations.capacity() + logprobs.capacity() + signature.capacity()
    }
}

impl Reasoning {
    /// Appends the members that only this kind of item has. `seals`: the client wants to replay it.
    fn write(&self, seals: bool, out: &mut Vec<u8>) {
        let of = |kind| {
            let parts = self.parts.iter();
            parts.filter(move |part| part.kind == PartKind::Thought(kind))
        };
        out.extend_from_slice(b",\"summary\":");
        write_parts(of(ThoughtKind::Summary), out);
        if of(ThoughtKind::Text).next().is_some() {
            out.extend_from_slice(b",\"content\":");
            write_parts(of(ThoughtKind::Text), out);
        }
        let signature = of(ThoughtKind::Text).find(|part| !part.signature.is_empty());
        if let Some(part) = signature {
            out.extend_from_slice(b",\"signature\":\"");
            out.extend_from_slice(&part.signature);
            out.push(b'"');
        }
        if !self.format.is_empty() {
            out.extend_from_slice(b",\"format\":");
            write_string(&self.format, out);
        }
        let home = is_home(&self.format);
        let data = of(ThoughtKind::Encrypted).next();
        match data {
            Some(data) if home => {
                out.extend_from_slice(b",\"encrypted_content\":\"");
                out.extend_from_slice(&data.text);
                out.push(b'"');
            }
            _ if seals && !home && !self.parts.is_empty() => {
                out.extend_from_slice(b",\"encrypted_content\":");
                seal::seal(self.pieces(), out);
            }
            _ => {}
        }
    }

    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.parts.iter().filter_map(|part| match part.kind {
            PartKind::Thought(kind) => Some(Piece::Thought {
                kind,
                text: &part.text,
                signature: &part.signature,
                id: &self.id,
                format: &self.format,
            }),
            _ => None,
        })
    }
}

impl Call {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"call_id\":");
        write_string(&self.id, out);
        out.extend_from_slice(b",\"name\":");
        write_string(&self.name, out);
        if let Some(namespace) = &self.namespace {
            out.extend_from_slice(b",\"namespace\":");
            write_string(namespace, out);
        }
        out.extend_from_slice(match self.form {
            CallForm::Function => b",\"arguments\":\"".as_slice(),
            _ => b",\"input\":\"",
        });
        out.extend_from_slice(&self.arguments);
        out.push(b'"');
    }
}

/// Whether thoughts of a format are this protocol's own: several vendors write it, each with a name of its own.
pub(crate) fn is_home(format: &str) -> bool {
    format.ends_with(format::RESPONSES.trim_start_matches("openai"))
}

/// The text that a custom tool is called with, from the arguments of the function that stood for it. A model that did not keep to
/// its schema has written the text itself, as a rule.
fn unwrapped(arguments: &[u8]) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        input: Cow<'a, str>,
    }
    let mut quoted = Vec::with_capacity(arguments.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(arguments);
    quoted.push(b'"');
    let raw = std::str::from_utf8(&quoted).unwrap_or_default();
    let json = json::unescape(raw);
    match serde_json::from_str::<Wrapped<'_>>(&json) {
        Ok(wrapped) => {
            let mut text = Vec::with_capacity(wrapped.input.len());
            write_string_inside(&wrapped.input, &mut text);
            text
        }
        Err(_) => arguments.to_vec(),
    }
}

/// Appends the beginning of an event, up to where its members go.
pub(crate) fn begin_event(name: &str, sequence: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: {\"type\":\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\",\"sequence_number\":");
    write_number(sequence, out);
}

/// Appends the end of an event.
pub(crate) fn end_event(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}

fn write_own_id(prefix: &str, index: usize, serving: &Serving<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix.as_bytes());
    let id = serving.id.strip_prefix("gen-").unwrap_or(serving.id);
    write_string_inside(id, out);
    out.push(b'_');
    write_number(index as u64, out);
}

/// Appends what was just kept, which is escaped already; or `text`, where it was not kept.
fn write_kept(kept: &[u8], text: &str, out: &mut Vec<u8>) {
    match kept.is_empty() {
        false => out.extend_from_slice(kept),
        true => write_string_inside(text, out),
    }
}

fn add_element(element: &[u8], elements: &mut Vec<u8>) {
    if !elements.is_empty() {
        elements.push(b',');
    }
    elements.extend_from_slice(element);
}

fn write_parts<'p>(parts: impl Iterator<Item = &'p Part>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, part) in parts.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        part.write(out);
    }
    out.push(b']');
}

fn write_citation(citation: &Citation<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"url_citation\",\"url\":");
    write_string(&citation.url, out);
    out.extend_from_slice(b",\"title\":");
    write_string(citation.title.as_deref().unwrap_or_default(), out);
    out.extend_from_slice(b",\"start_index\":");
    write_number(citation.start_index.unwrap_or(0), out);
    out.extend_from_slice(b",\"end_index\":");
    write_number(citation.end_index.unwrap_or(0), out);
    if let Some(content) = &citation.content {
        out.extend_from_slice(b",\"content\":");
        write_string(content, out);
    }
    out.push(b'}');
}
