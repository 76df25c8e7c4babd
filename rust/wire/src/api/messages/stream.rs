//! Writing a stream of the messages API.
//!
//! It is `message_start`, then for each block `content_block_start`, deltas and `content_block_stop`, then `message_delta` with
//! the reason for the end and the tokens, then `message_stop`; every event has an `event:` line too. Tokens of the prompt stand in
//! the first event, where nobody has counted them yet unless the provider did: there they are an estimate, because a zero has
//! made clients believe in an empty context.

use std::borrow::Cow;

use super::carried::{self, Carries};
use super::write::{
    Thoughts, image_block, message_head, open_block, refusal, stop_reason, stop_sequence,
    write_citation, write_usage,
};
use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::exchange::{Delta, Event, Open, ThoughtKind, format, joined_name};
use crate::json::{self, write_number, write_string};
use crate::member::write::{key, number_member, raw_member, string_member};
use crate::refusal::Refusal;
use crate::usage::Usage;

/// Bytes of a tool call that are held back while another one is being written. A longer one ends the other's turn.
pub(super) const WAITING_BYTES_MAX: usize = 4096;

/// Writes one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    thoughts: Thoughts,
    started: bool,
    /// Index of the next block.
    next: u32,
    /// The block that is being written.
    current: Option<Current>,
    /// Tool calls that the provider mixes with the one that is being written: they are written when it is complete.
    waiting: Vec<Waiting>,
    /// Blocks that had to be ended before the provider did: number and index. Clients find blocks by index, so that what still comes
    /// for one is not lost.
    ended: Vec<(u32, u32)>,
    refused: bool,
}

#[derive(Debug)]
struct Current {
    /// The reader's number of it.
    number: u32,
    /// Ours; meaningless where nothing is written of the block.
    index: u32,
    kind: Kind,
    /// Pieces of a signature, or of data, that this API wants whole.
    held: String,
    /// Any text was written; for tool calls anything but white space.
    filled: bool,
}

#[derive(Debug)]
enum Kind {
    Text,
    /// What stands before the signature; empty: the thought is Anthropic's.
    Thinking {
        head: String,
    },
    /// Likewise, of encrypted data.
    Redacted {
        head: String,
    },
    Tool {
        id: String,
        custom: bool,
    },
    /// What the client does not want to see, or has been written whole.
    Silent,
}

#[derive(Debug)]
struct Waiting {
    number: u32,
    /// The block as it begins, JSON.
    block: Vec<u8>,
    id: String,
    custom: bool,
    /// Arguments as far as they came.
    arguments: String,
    signature: String,
    closed: bool,
}

impl Writer {
    pub(crate) fn new(serving: &Serving<'_>) -> Writer {
        Writer {
            thoughts: Thoughts::of(serving.asked),
            started: false,
            next: 0,
            current: None,
            waiting: Vec::new(),
            ended: Vec::new(),
            refused: false,
        }
    }

    fn start(&mut self, usage: Option<&Usage>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        event("message_start", out);
        key("message", out);
        message_head(serving, out);
        raw_member("content", "[]", out);
        raw_member("stop_reason", "null", out);
        stop_sequence(None, out);
        key("usage", out);
        let estimate = Usage::estimated(serving.asked.len() as u64, 0);
        write_usage(usage.unwrap_or(&estimate), None, None, out);
        out.push(b'}');
        end_event(out);
    }

    fn take_index(&mut self) -> u32 {
        let index = self.next;
        self.next += 1;
        index
    }

    fn open(&mut self, number: u32, open: &Open<'_>, out: &mut Vec<u8>) {
        if let Open::ToolCall {
            id,
            name,
            custom,
            namespace,
            signature,
        } = *open
        {
            let mut block = Vec::with_capacity(64 + id.len() + name.len());
            open_block("tool_use", &mut block);
            string_member("id", id, &mut block);
            let name = joined_name(namespace, &Cow::Borrowed(name));
            string_member("name", &name, &mut block);
            raw_member("input", "{}", &mut block);
            block.push(b'}');
            let tool = Waiting {
                number,
                block,
                id: id.to_owned(),
                custom,
                arguments: String::new(),
                signature: signature.unwrap_or_default().to_owned(),
                closed: false,
            };
            let busy = matches!(
                self.current,
                Some(Current {
                    kind: Kind::Tool { .. },
                    ..
                })
            );
            if busy {
                self.waiting.push(tool);
            } else {
                self.finish_current(true, out);
                self.begin_tool(tool, out);
            }
            return;
        }
        self.finish_current(true, out);
        self.begin_waiting_whole(out);
        let (kind, block): (Kind, &[u8]) = match *open {
            Open::Text => (Kind::Text, b"{\"type\":\"text\",\"text\":\"\"}"),
            Open::Refusal => {
                self.refused = true;
                (Kind::Text, b"{\"type\":\"text\",\"text\":\"\"}")
            }
            Open::Audio { .. } => (Kind::Text, b"{\"type\":\"text\",\"text\":\"\"}"),
            Open::Thought { .. } if self.thoughts == Thoughts::Hidden => (Kind::Silent, b""),
            Open::Thought { kind, id, format } => {
                let head = match format {
                    format::ANTHROPIC => String::new(),
                    other => carried::head(other, Carries::Thought(kind), id.unwrap_or_default()),
                };
                match kind {
                    ThoughtKind::Encrypted => (Kind::Redacted { head }, b""),
                    _ => (
                        Kind::Thinking { head },
                        b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
                    ),
                }
            }
            Open::Image { media_type, base64 } => {
                let index = self.take_index();
                block_start(index, |out| image_block(media_type, base64, out), out);
                block_stop(index, out);
                (Kind::Silent, b"")
            }
            Open::ToolCall { .. } => (Kind::Silent, b""),
        };
        let index = match block.is_empty() {
            true => 0,
            false => {
                let index = self.take_index();
                block_start(index, |out| out.extend_from_slice(block), out);
                index
            }
        };
        self.current = Some(Current {
            number,
            index,
            kind,
            held: String::new(),
            filled: false,
        });
    }

    /// Writes the beginning of a tool call, and what came of it while it waited.
    fn begin_tool(&mut self, tool: Waiting, out: &mut Vec<u8>) {
        self.carrier(Carries::Call, &tool.id, &tool.signature, out);
        let index = self.take_index();
        block_start(index, |out| out.extend_from_slice(&tool.block), out);
        let mut current = Current {
            number: tool.number,
            index,
            kind: Kind::Tool {
                id: tool.id,
                custom: tool.custom,
            },
            held: String::new(),
            filled: false,
        };
        arguments(&mut current, &tool.arguments, out);
        self.current = Some(current);
        if tool.closed {
            self.finish_current(false, out);
        }
    }

    /// Writes the tool calls that wait, as far as they are complete, and begins the first that is not.
    fn begin_waiting(&mut self, out: &mut Vec<u8>) {
        while self.current.is_none() && !self.waiting.is_empty() {
            let tool = self.waiting.remove(0);
            self.begin_tool(tool, out);
        }
    }

    /// Writes all the tool calls that wait, because something else comes.
    fn begin_waiting_whole(&mut self, out: &mut Vec<u8>) {
        while !self.waiting.is_empty() {
            self.begin_waiting(out);
            self.finish_current(true, out);
        }
    }

    /// Ends the block that is being written. `early`: more of it may come.
    fn finish_current(&mut self, early: bool, out: &mut Vec<u8>) {
        let Some(current) = self.current.take() else {
            return;
        };
        let Current {
            number,
            index,
            kind,
            held,
            filled,
        } = current;
        match kind {
            Kind::Silent => return,
            Kind::Text => {
                block_stop(index, out);
                if !held.is_empty() {
                    self.carrier(Carries::Text, "", &held, out);
                }
            }
            Kind::Thinking { head } => {
                if !(head.is_empty() && held.is_empty()) {
                    delta(index, "signature_delta", "signature", out);
                    out.push(b'"');
                    json::write_string_inside(&head, out);
                    json::write_string_inside(&held, out);
                    out.extend_from_slice(b"\"}");
                    end_event(out);
                }
                block_stop(index, out);
            }
            Kind::Redacted { head } => {
                let index = self.take_index();
                block_start(
                    index,
                    |out| {
                        out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":\"");
                        json::write_string_inside(&head, out);
                        json::write_string_inside(&held, out);
                        out.extend_from_slice(b"\"}");
                    },
                    out,
                );
                block_stop(index, out);
                return;
            }
            Kind::Tool { id, custom } => {
                // A call without arguments has an empty object of them; clients parse what the deltas make together.
                match (custom, filled) {
                    (false, false) => input_delta(index, "{}", out),
                    (true, false) => input_delta(index, "{\"input\":\"\"}", out),
                    (true, true) => input_delta(index, "\"}", out),
                    (false, true) => {}
                }
                block_stop(index, out);
                if !held.is_empty() {
                    self.carrier(Carries::Call, &id, &held, out);
                }
            }
        }
        if early {
            self.ended.push((number, index));
        }
    }

    /// Writes a block that only holds a signature.
    fn carrier(&mut self, carries: Carries, id: &str, signature: &str, out: &mut Vec<u8>) {
        if signature.is_empty() || self.thoughts == Thoughts::Hidden {
            return;
        }
        let index = self.take_index();
        let packed = carried::pack(format::GEMINI, carries, id, signature);
        block_start(
            index,
            |out| {
                out.extend_from_slice(
                    b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
                );
            },
            out,
        );
        delta(index, "signature_delta", "signature", out);
        write_string(&packed, out);
        out.push(b'}');
        end_event(out);
        block_stop(index, out);
    }

    fn delta(&mut self, number: u32, what: &Delta<'_>, out: &mut Vec<u8>) {
        let thoughts = self.thoughts;
        if let Some(current) = &mut self.current
            && current.number == number
        {
            current_delta(current, what, thoughts, out);
            return;
        }
        if let Some(tool) = self.waiting.iter_mut().find(|tool| tool.number == number) {
            match what {
                Delta::Text(text) => tool.arguments.push_str(text),
                Delta::Signature(signature) => tool.signature.push_str(signature),
                _ => {}
            }
            let held: usize = self.waiting.iter().map(|tool| tool.arguments.len()).sum();
            if held > WAITING_BYTES_MAX {
                self.finish_current(true, out);
                self.begin_waiting(out);
            }
            return;
        }
        // Only arguments of tool calls come this late.
        if let (Some((_, index)), Delta::Text(text)) =
            (self.ended.iter().find(|(ended, _)| *ended == number), what)
        {
            input_delta(*index, text, out);
        }
    }

    fn close(&mut self, number: u32, out: &mut Vec<u8>) {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.number == number)
        {
            self.finish_current(false, out);
            self.begin_waiting(out);
        } else if let Some(tool) = self.waiting.iter_mut().find(|tool| tool.number == number) {
            tool.closed = true;
        } else {
            self.ended.retain(|(ended, _)| *ended != number);
        }
    }
}

fn current_delta(current: &mut Current, what: &Delta<'_>, thoughts: Thoughts, out: &mut Vec<u8>) {
    let index = current.index;
    match (&current.kind, what) {
        (Kind::Text, Delta::Text(text)) if !text.is_empty() => {
            text_delta(index, "text_delta", "text", text, out);
        }
        (Kind::Text, Delta::Audio { transcript, .. }) if !transcript.is_empty() => {
            text_delta(index, "text_delta", "text", transcript, out);
        }
        (Kind::Text, Delta::Citation(citation)) => {
            delta(index, "citations_delta", "citation", out);
            write_citation(citation, out);
            out.push(b'}');
            end_event(out);
        }
        (Kind::Thinking { .. }, Delta::Text(text))
            if !text.is_empty() && thoughts == Thoughts::Shown =>
        {
            text_delta(index, "thinking_delta", "thinking", text, out);
        }
        (Kind::Redacted { .. }, Delta::Text(text)) => current.held.push_str(text),
        (Kind::Tool { .. }, Delta::Text(text)) => arguments(current, text, out),
        (_, Delta::Signature(signature)) => current.held.push_str(signature),
        _ => {}
    }
}

/// Writes a piece of a tool call's arguments.
fn arguments(current: &mut Current, text: &str, out: &mut Vec<u8>) {
    let Kind::Tool { custom, .. } = current.kind else {
        return;
    };
    if custom {
        // Plain text becomes a string inside the one argument of a function.
        if text.is_empty() {
            return;
        }
        let mut piece = Vec::with_capacity(text.len() + 16);
        if !current.filled {
            piece.extend_from_slice(b"{\"input\":\"");
        }
        json::write_string_inside(text, &mut piece);
        current.filled = true;
        input_delta(current.index, &String::from_utf8_lossy(&piece), out);
        return;
    }
    if !current.filled && text.trim_ascii().is_empty() {
        return;
    }
    current.filled = true;
    input_delta(current.index, text, out);
}

fn event(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: {\"type\":\"");
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
}

fn end_event(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}

fn block_start(index: u32, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    event("content_block_start", out);
    number_member("index", u64::from(index), out);
    key("content_block", out);
    write(out);
    end_event(out);
}

fn block_stop(index: u32, out: &mut Vec<u8>) {
    event("content_block_stop", out);
    number_member("index", u64::from(index), out);
    end_event(out);
}

/// Begins a delta; what it adds and a closing brace follow.
fn delta(index: u32, kind: &str, member: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
    );
    write_number(u64::from(index), out);
    out.extend_from_slice(b",\"delta\":{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"");
    out.extend_from_slice(member.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text_delta(index: u32, kind: &str, member: &str, text: &str, out: &mut Vec<u8>) {
    delta(index, kind, member, out);
    write_string(text, out);
    out.push(b'}');
    end_event(out);
}

fn input_delta(index: u32, text: &str, out: &mut Vec<u8>) {
    text_delta(index, "input_json_delta", "partial_json", text, out);
}

impl StreamWriter for Writer {
    fn event(&mut self, event: &Event<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { usage, .. } => self.start(usage.as_ref(), serving, out),
            Event::Open { block, open } => {
                self.start(None, serving, out);
                self.open(*block, open, out);
            }
            Event::Delta { block, delta } => self.delta(*block, delta, out),
            Event::Close { block } => self.close(*block, out),
            Event::Usage(_) | Event::Finish { .. } | Event::ServiceTier(_) => {}
        }
    }

    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        self.start(None, serving, out);
        self.finish_current(false, out);
        self.begin_waiting_whole(out);
        write_delta_event(closing, self.refused, out);
        write_stop_event(out);
    }

    fn interrupted(
        &mut self,
        refusal: &Refusal,
        _closing: &Closing<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        error_event(refusal, serving.id, out);
    }

    fn held_bytes(&self) -> usize {
        let current = self.current.as_ref().map_or(0, |current| {
            current.held.capacity()
                + match &current.kind {
                    Kind::Thinking { head } | Kind::Redacted { head } => head.capacity(),
                    Kind::Tool { id, .. } => id.capacity(),
                    Kind::Text | Kind::Silent => 0,
                }
        });
        let waiting: usize = self
            .waiting
            .iter()
            .map(|tool| {
                size_of::<Waiting>()
                    + tool.block.capacity()
                    + tool.id.capacity()
                    + tool.arguments.capacity()
                    + tool.signature.capacity()
            })
            .sum();
        size_of::<Writer>() + current + waiting + self.ended.capacity() * size_of::<(u32, u32)>()
    }
}

/// Appends the event that says why the answer ended, and what it cost. `refused`: see [`stop_reason`].
pub(crate) fn write_delta_event(closing: &Closing<'_>, refused: bool, out: &mut Vec<u8>) {
    event("message_delta", out);
    key("delta", out);
    out.push(b'{');
    string_member("stop_reason", stop_reason(closing, refused), out);
    stop_sequence(closing.stop_sequence, out);
    out.push(b'}');
    key("usage", out);
    write_usage(
        &closing.usage,
        closing.service_tier,
        Some(&closing.cost),
        out,
    );
    end_event(out);
}

/// Appends the event that ends a stream.
pub(crate) fn write_stop_event(out: &mut Vec<u8>) {
    event("message_stop", out);
    end_event(out);
}

/// Appends the event that ends a stream badly.
pub(crate) fn error_event(why: &Refusal, id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: error\ndata: ");
    refusal(why, id, out);
    out.extend_from_slice(b"\n\n");
}
