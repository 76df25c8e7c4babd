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

use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::api::responses::envelope::{Envelope, State};
use crate::api::responses::item::{
    Call, CallForm, Item, Part, PartKind, Phase, Reasoning, add_element, unwrapped, write_citation,
    write_own_id, write_parts,
};
use crate::api::responses::seal::{self, Piece};
use crate::exchange::{Answer, Citation, Delta, Event, Open, ThoughtKind, play};
use crate::json::{write_number, write_string, write_string_inside};
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
        if form == CallForm::Function
            && matches!(self.items.get(index), Some(Item::Call(call)) if call.arguments.is_empty())
        {
            // A tool without arguments is called with an empty object; many clients parse what they get.
            self.text(index, 0, "{}", serving, out);
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
                reasoning.write(self.envelope.seals, phase, out);
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

/// Appends what was just kept, which is escaped already; or `text`, where it was not kept.
fn write_kept(kept: &[u8], text: &str, out: &mut Vec<u8>) {
    match kept.is_empty() {
        false => out.extend_from_slice(kept),
        true => write_string_inside(text, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Api;
    use crate::cost::Cost;
    use crate::dialect::Dialect;
    use crate::exchange::{Block, format};
    use crate::finish::Finish;
    use crate::refusal::Kind;
    use crate::usage::{Usage, UsageSource};
    use serde_json::{Value, json};

    fn serving(asked: &str) -> Serving<'_> {
        Serving {
            dialect: Dialect::Anthropic,
            asked,
            ..Serving::example(Api::Responses)
        }
    }

    fn closing(finish: Finish) -> Closing<'static> {
        Closing {
            usage: Usage::default(),
            usage_source: UsageSource::Upstream,
            cost: Cost::default(),
            finish,
            native: "x",
            stop_sequence: None,
            service_tier: None,
        }
    }

    fn open(block: u32, open: Open<'static>) -> Event<'static> {
        Event::Open { block, open }
    }

    fn delta(block: u32, text: &'static str) -> Event<'static> {
        let delta = Delta::Text(text);
        Event::Delta { block, delta }
    }

    fn signed(block: u32, signature: &'static str) -> Event<'static> {
        let delta = Delta::Signature(signature);
        Event::Delta { block, delta }
    }

    const fn close(block: u32) -> Event<'static> {
        Event::Close { block }
    }

    fn call(name: &'static str, custom: bool) -> Open<'static> {
        Open::ToolCall {
            id: "call_1",
            name,
            custom,
            namespace: None,
            signature: None,
        }
    }

    const THOUGHT: Open<'static> = Open::Thought {
        kind: ThoughtKind::Text,
        id: None,
        format: format::ANTHROPIC,
    };

    /// The events, each of which must be on one line behind its name and numbered.
    fn parsed(out: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(out).unwrap();
        let text = text.strip_suffix("data: [DONE]\n\n").unwrap();
        let events: Vec<Value> = text
            .split_terminator("\n\n")
            .map(|event| {
                let (name, data) = event.split_once('\n').unwrap();
                let data: Value =
                    serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
                data
            })
            .collect();
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number);
        }
        events
    }

    fn written(asked: &str, events: &[Event<'_>], finish: Finish) -> Vec<Value> {
        let serving = serving(asked);
        let mut writer = Writer::new(&serving);
        let mut out = Vec::new();
        for event in events {
            writer.event(event, &serving, &mut out);
        }
        writer.end(&closing(finish), &serving, &mut out);
        parsed(&out)
    }

    fn types(events: &[Value]) -> Vec<&str> {
        let name = |event: &'_ Value| event["type"].as_str().map(|name| name.len());
        assert!(events.iter().all(|event| name(event).is_some()));
        events
            .iter()
            .filter_map(|event| event["type"].as_str())
            .filter_map(|name| name.strip_prefix("response."))
            .collect()
    }

    fn output(events: &[Value]) -> &Value {
        &events.last().unwrap()["response"]["output"]
    }

    #[test]
    fn b01_events_come_in_order_and_name_their_places() {
        let events = written(
            "{}",
            &[
                open(0, THOUGHT),
                delta(0, "Hm"),
                close(0),
                open(1, Open::Text),
                delta(1, "a\n"),
                delta(1, "b"),
                close(1),
                open(2, Open::Refusal),
                delta(2, "no"),
                close(2),
                open(3, call("f", false)),
                close(3),
            ],
            Finish::ToolCalls,
        );
        assert_eq!(
            types(&events),
            [
                "created",
                "in_progress",
                "output_item.added",
                "reasoning_text.delta",
                "reasoning_text.done",
                "output_item.done",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "content_part.added",
                "refusal.delta",
                "refusal.done",
                "content_part.done",
                "output_item.done",
                "output_item.added",
                "function_call_arguments.delta",
                "function_call_arguments.done",
                "output_item.done",
                "completed",
            ]
        );
        assert_eq!(events[8]["item_id"], "msg_1-a_1");
        assert_eq!(events[8]["output_index"], 1);
        assert_eq!(events[13]["content_index"], 1);
        let output = output(&events);
        assert_eq!(output[1], events[16]["item"]);
        assert_eq!(output[1]["content"][0]["text"], "a\nb");
        assert_eq!(output[1]["content"][1]["refusal"], "no");
        assert_eq!(output[2]["arguments"], "{}");
        assert_eq!(output[2]["status"], "completed");
    }

    #[test]
    fn calls_side_by_side_keep_their_places() {
        let events = written(
            "{}",
            &[
                open(0, call("f", false)),
                open(1, call("g", false)),
                delta(1, "{\"g\":1}"),
                delta(0, "{\"f\":1}"),
                close(1),
                close(0),
            ],
            Finish::ToolCalls,
        );
        let output = output(&events);
        assert_eq!(output[0]["arguments"], "{\"f\":1}");
        assert_eq!(output[1]["arguments"], "{\"g\":1}");
    }

    #[test]
    fn tools_get_back_the_names_and_forms_that_the_client_gave_them() {
        let asked = r#"{"tools":[{"type":"custom","name":"apply_patch"},
            {"type":"namespace","name":"n","tools":[{"type":"function","name":"f"},{"type":"custom","name":"c"}]},
            {"type":"function","name":"x___y"}]}"#;
        let events = written(
            asked,
            &[
                open(0, call("apply_patch", false)),
                delta(0, "{\"inp"),
                delta(0, "ut\":\"a\\n\\\"b\\\"\"}"),
                close(0),
                open(1, call("n___f", false)),
                close(1),
                open(2, call("n___c", false)),
                delta(2, "not json"),
                close(2),
                open(3, call("x___y", false)),
                close(3),
                open(4, call("apply_patch", true)),
                delta(4, "plain"),
                close(4),
            ],
            Finish::ToolCalls,
        );
        let output = output(&events);
        assert_eq!(output[0]["type"], "custom_tool_call");
        assert_eq!(output[0]["input"], "a\n\"b\"");
        assert_eq!(output[1]["namespace"], "n");
        assert_eq!(output[1]["name"], "f");
        assert_eq!(output[2]["type"], "custom_tool_call");
        assert_eq!(output[2]["input"], "not json");
        assert_eq!(output[2]["namespace"], "n");
        assert_eq!(output[3]["name"], "x___y");
        assert_eq!(output[3]["namespace"], Value::Null);
        assert_eq!(output[4]["input"], "plain");
        let deltas: Vec<_> = events
            .iter()
            .filter(|event| event["type"] == "response.custom_tool_call_input.delta")
            .map(|event| &event["delta"])
            .collect();
        assert_eq!(deltas, ["a\n\"b\"", "not json", "plain"]);
    }

    #[test]
    fn b04_thoughts_and_signatures_survive_a_replay() {
        let steps = [
            open(0, THOUGHT),
            delta(0, "I \"think\"\n"),
            signed(0, "c2ln"),
            close(0),
            open(1, call("f", false)),
            signed(1, "Z2Vt"),
            close(1),
        ];
        let unasked = written("{}", &steps, Finish::ToolCalls);
        let item = &output(&unasked)[0];
        assert_eq!(item["encrypted_content"], Value::Null);
        assert_eq!(item["signature"], "c2ln");
        assert_eq!(output(&unasked).as_array().unwrap().len(), 2);

        let asked = r#"{"include":["reasoning.encrypted_content"]}"#;
        let events = written(asked, &steps, Finish::ToolCalls);
        for output in [output(&unasked), output(&events)] {
            // What a client may drop, it drops; without the data only the members beside it can help.
            let replay = json!({"input": output}).to_string();
            let ask = crate::api::responses::read(&replay).unwrap();
            let Some(Block::Thought(thought)) = ask.turns[0].blocks.first() else {
                panic!("{ask:?}");
            };
            assert_eq!(thought.text, "I \"think\"\n");
            assert_eq!(thought.signature.as_deref(), Some("c2ln"));
            assert_eq!(thought.format, format::ANTHROPIC);
        }
        let replay = json!({"input": output(&events)}).to_string();
        let ask = crate::api::responses::read(&replay).unwrap();
        let Some(Block::ToolCall(call)) = ask.turns[0].blocks.get(1) else {
            panic!("{ask:?}");
        };
        assert_eq!(call.signature.as_deref(), Some("Z2Vt"));
    }

    #[test]
    fn thoughts_of_this_protocol_keep_their_items() {
        let part = |kind| Open::Thought {
            kind,
            id: Some("rs_9"),
            format: format::RESPONSES,
        };
        let events = written(
            "{}",
            &[
                open(0, part(ThoughtKind::Summary)),
                delta(0, "one"),
                close(0),
                open(1, part(ThoughtKind::Summary)),
                delta(1, "two"),
                close(1),
                open(2, part(ThoughtKind::Encrypted)),
                delta(2, "gAAA"),
                close(2),
            ],
            Finish::Stop,
        );
        assert_eq!(
            types(&events)[2..],
            [
                "output_item.added",
                "reasoning_summary_part.added",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
                "reasoning_summary_part.added",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
                "output_item.done",
                "completed",
            ]
        );
        assert_eq!(events[8]["summary_index"], 1);
        let item = &output(&events)[0];
        assert_eq!(item["id"], "rs_9");
        assert_eq!(item["summary"][1]["text"], "two");
        assert_eq!(item["encrypted_content"], "gAAA");
    }

    #[test]
    fn data_that_nobody_can_read_is_packed_without_being_asked_for() {
        let redacted = Open::Thought {
            kind: ThoughtKind::Encrypted,
            id: None,
            format: format::ANTHROPIC,
        };
        let steps = [open(0, redacted), delta(0, "ZGF0YQ=="), close(0)];
        let events = written("{}", &steps, Finish::Stop);
        let replay = json!({"input": output(&events)}).to_string();
        let ask = crate::api::responses::read(&replay).unwrap();
        let Some(Block::Thought(thought)) = ask.turns[0].blocks.first() else {
            panic!("{ask:?}");
        };
        assert_eq!(thought.kind, ThoughtKind::Encrypted);
        assert_eq!(thought.text, "ZGF0YQ==");
        assert_eq!(thought.format, format::ANTHROPIC);
    }

    #[test]
    fn hidden_thoughts_are_not_written() {
        let asked = r#"{"reasoning":{"exclude":true}}"#;
        let steps = [
            open(0, THOUGHT),
            delta(0, "Hm"),
            signed(0, "c2ln"),
            close(0),
            open(1, Open::Text),
            delta(1, "a"),
            close(1),
        ];
        let events = written(asked, &steps, Finish::Stop);
        assert_eq!(output(&events).as_array().unwrap().len(), 1);
        assert_eq!(output(&events)[0]["type"], "message");
    }

    #[test]
    fn what_ends_early_says_why() {
        let ended = |finish| {
            let events = written("{}", &[], finish);
            let last = events.last().unwrap();
            (
                last["type"].as_str().unwrap().to_owned(),
                last["response"]["status"].clone(),
                last["response"]["incomplete_details"]["reason"].clone(),
            )
        };
        let expected =
            |event: &str, status: &str, reason: Value| (event.to_owned(), json!(status), reason);
        assert_eq!(
            ended(Finish::Length),
            expected(
                "response.incomplete",
                "incomplete",
                json!("max_output_tokens")
            )
        );
        assert_eq!(
            ended(Finish::ContentFilter),
            expected("response.incomplete", "incomplete", json!("content_filter"))
        );
        assert_eq!(
            ended(Finish::Error),
            expected("response.failed", "failed", Value::Null)
        );
    }

    #[test]
    fn b06_a_failure_names_its_type_and_keeps_what_there_was() {
        let refusal = Refusal::new(Kind::ProviderRateLimited);
        for steps in [
            vec![],
            vec![
                open(0, Open::Text),
                delta(0, "Ha"),
                close(0),
                open(1, call("f", false)),
                delta(1, "{\"a"),
            ],
        ] {
            let serving = serving("{}");
            let mut writer = Writer::new(&serving);
            let mut out = Vec::new();
            for event in &steps {
                writer.event(event, &serving, &mut out);
            }
            writer.interrupted(&refusal, &closing(Finish::Error), &serving, &mut out);
            let events = parsed(&out);
            assert_eq!(events[0]["type"], "response.created");
            let last = &events.last().unwrap();
            assert_eq!(last["type"], "response.failed");
            let response = &last["response"];
            assert_eq!(response["status"], "failed");
            assert_eq!(response["error_type"], "rate_limit_exceeded");
            assert_eq!(response["error"]["code"], "rate_limit_exceeded");
            if !steps.is_empty() {
                assert_eq!(response["output"][0]["content"][0]["text"], "Ha");
                assert_eq!(response["output"][1]["status"], "incomplete");
                assert_eq!(response["output"][1]["arguments"], "{\"a");
            }
        }
    }

    #[test]
    fn the_request_is_repeated_on_one_line() {
        let asked = "{\"instructions\":\"a\\nb\",\"tools\":[\n {\"type\":\"function\",\r\n \"name\":\"f\"}],\"temperature\":0.20}";
        let events = written(asked, &[], Finish::Stop);
        for event in [&events[0], &events[1], events.last().unwrap()] {
            let response = &event["response"];
            assert_eq!(response["instructions"], "a\nb");
            assert_eq!(response["tools"][0]["name"], "f");
            assert_eq!(response["temperature"].to_string(), "0.2");
            assert_eq!(response["store"], false);
            assert_eq!(response["tool_choice"], "auto");
        }
    }

    #[test]
    fn past_the_bound_deltas_go_on_and_the_item_says_that_it_is_cut() {
        let serving = serving("{}");
        let mut writer = Writer::new(&serving);
        let mut out = Vec::new();
        let long = "x".repeat(KEPT_BYTES_MAX - 10);
        writer.event(&open(0, Open::Text), &serving, &mut out);
        for text in [long.as_str(), "more than is kept"] {
            let delta = Delta::Text(text);
            out.clear();
            writer.event(&Event::Delta { block: 0, delta }, &serving, &mut out);
        }
        assert!(String::from_utf8_lossy(&out).contains("more than is kept"));
        writer.event(&close(0), &serving, &mut out);
        out.clear();
        writer.end(&closing(Finish::Stop), &serving, &mut out);
        let held = writer.held_bytes();
        assert!(held < KEPT_BYTES_MAX * 2 + 4096, "{held}");
        let last = parsed_last(&out);
        assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    }

    fn parsed_last(out: &[u8]) -> Value {
        let text = std::str::from_utf8(out).unwrap();
        let data = text.lines().rfind(|line| line.starts_with("data: {"));
        serde_json::from_str(&data.unwrap()[6..]).unwrap()
    }
}
