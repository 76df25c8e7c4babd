//! The instructions and the messages.

use std::borrow::Cow;

use super::cache::cache_member;
use super::is_blank;
use super::source::{decode, image_source, is_text, media_type_of, url_or_id};
use super::thinking::is_replayable;
use crate::dialect::{Dialect, Target};
use crate::exchange::{
    Ask, Block, CacheMark, Citation, Role, Source, Text, Thought, ThoughtKind, ToolCall,
    ToolResult, Turn, joined_name,
};
use crate::json::Walker;
use crate::member::write::{comma, key, raw_member, string_member};
use crate::refusal::{Kind, Refusal};

/// Writes the parts of a request that hold cache marks, in the order in which the provider reads them.
pub(super) struct Writing<'w, 'a> {
    pub(super) ask: &'w Ask<'a>,
    pub(super) target: &'w Target<'w>,
    pub(super) marks_to_skip: usize,
    /// The tool for searching is on offer already.
    pub(super) web_search: bool,
}

impl<'a> Writing<'_, 'a> {
    pub(super) fn cache(&mut self, mark: Option<&CacheMark<'_>>, out: &mut Vec<u8>) {
        let Some(mark) = mark else {
            return;
        };
        match self.marks_to_skip {
            0 => cache_member(mark, out),
            _ => self.marks_to_skip -= 1,
        }
    }

    pub(super) fn system(&mut self, hint: Option<&str>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let texts = self.ask.system.iter().any(is_said);
        if !texts && hint.is_none() {
            return Ok(());
        }
        key("system", out);
        out.push(b'[');
        let ask = self.ask;
        for block in &ask.system {
            self.block(block, None, false, out)?;
        }
        if let Some(hint) = hint {
            text_block(hint, out);
            out.push(b'}');
        }
        out.push(b']');
        Ok(())
    }

    /// `system_too`: there is nothing but instructions, and the protocol wants a message, so they are one.
    pub(super) fn messages(&mut self, system_too: bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let ask = self.ask;
        key("messages", out);
        out.push(b'[');
        if system_too {
            let mut message = Message::new(Role::User);
            for block in &ask.system {
                message.block(self, block, None, out)?;
            }
            message.end(out);
        }
        // A turn of which nothing is written does not part its neighbours.
        let said: Vec<&Turn<'a>> = ask
            .turns
            .iter()
            .filter(|turn| turn.blocks.iter().any(|block| self.is_written(block)))
            .collect();
        let mut turns = said.as_slice();
        while let Some((first, _)) = turns.split_first() {
            let role = self.side(first.role);
            let joined = turns
                .iter()
                .take_while(|turn| self.side(turn.role) == role)
                .count();
            let (now, rest) = turns.split_at_checked(joined).unwrap_or((turns, &[]));
            turns = rest;
            self.turns(role, now, rest.is_empty(), out)?;
        }
        out.push(b']');
        Ok(())
    }

    /// Whether anything is written of a block; see [`is_said`].
    fn is_written(&self, block: &Block<'_>) -> bool {
        match block {
            Block::Foreign(_) => self.ask.api.home() == Dialect::Anthropic,
            block => is_said(block),
        }
    }

    /// Whose message a turn stands in. Instructions inside the conversation stand in the user's, in tags that tell them from what
    /// the user says; only a client of this very protocol has a role for them, because only newer models know it.
    fn side(&self, role: Role) -> Role {
        match role {
            Role::Assistant => Role::Assistant,
            Role::System if self.ask.api.home() == Dialect::Anthropic => Role::System,
            Role::System | Role::Developer | Role::User => Role::User,
        }
    }

    /// Writes turns of one side as one message.
    fn turns(
        &mut self,
        role: Role,
        turns: &[&Turn<'a>],
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let mut message = Message::new(role);
        // Marks are left out in the order of the client, so the order in which blocks are written may differ by a mark; that
        // happens only with more marks than four.
        for result in turns.iter().flat_map(|turn| &turn.blocks) {
            if matches!(result, Block::ToolResult(_)) {
                message.block(self, result, None, out)?;
            }
        }
        for turn in turns {
            let instructs =
                matches!(turn.role, Role::System | Role::Developer) && message.role != Role::System;
            let mut name = turn.name.as_deref();
            for (at, block) in turn.blocks.iter().enumerate() {
                if matches!(block, Block::ToolResult(_)) {
                    continue;
                }
                // A request that ends with the assistant's words asks for them to be continued, and must not end in a blank.
                let prefill = last
                    && message.role == Role::Assistant
                    && at + 1 == turn.blocks.len()
                    && std::ptr::eq(*turn, *turns.last().unwrap_or(turn));
                let changed = match block {
                    Block::Text(text) if instructs && !is_blank(&text.text) => {
                        Some(format!("<system>{}</system>", text.text))
                    }
                    Block::Text(text) if name.is_some() && !is_blank(&text.text) => {
                        name.take().map(|name| format!("{name}: {}", text.text))
                    }
                    Block::Text(text) if prefill => Some(text.text.trim_end().to_owned()),
                    _ => None,
                };
                message.block(self, block, changed.as_deref(), out)?;
            }
        }
        message.end(out);
        Ok(())
    }

    /// Writes a block, comma first. `text`: what stands in place of its text. `inside`: in a tool's result.
    fn block(
        &mut self,
        block: &Block<'a>,
        text: Option<&str>,
        inside: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if !is_said(block) {
            return Ok(());
        }
        match block {
            Block::Text(Text {
                text: own,
                cache,
                citations,
                ..
            }) => {
                text_block(text.unwrap_or(own), out);
                self.citations(citations, out);
                self.cache(cache.as_ref(), out);
                out.push(b'}');
            }
            Block::Refusal(text) => {
                text_block(text, out);
                out.push(b'}');
            }
            Block::Image { source, cache, .. } => {
                open_block("image", out);
                image_source(source, out);
                self.cache(cache.as_ref(), out);
                out.push(b'}');
            }
            Block::File {
                source,
                name,
                cache,
            } => self.file(source, name.as_deref(), cache.as_ref(), out)?,
            Block::Thought(thought) => write_thought(thought, out),
            Block::ToolCall(call) => {
                open_block("tool_use", out);
                string_member("id", &call_id(&call.id, Some(&call.name)), out);
                let name = joined_name(call.namespace.as_deref(), &call.name);
                string_member("name", &name, out);
                key("input", out);
                input(call, out);
                self.cache(call.cache.as_ref(), out);
                out.push(b'}');
            }
            Block::ToolResult(result) if !inside => self.tool_result(result, out)?,
            Block::ToolResult(_) => {}
            Block::Foreign(raw) => {
                if self.ask.api.home() == Dialect::Anthropic {
                    comma(out);
                    out.extend_from_slice(raw.get().as_bytes());
                }
            }
            Block::Audio {
                transcript: Some(said),
                ..
            } => {
                text_block(said, out);
                out.push(b'}');
            }
            Block::Audio { .. } => return Err(self.target.inexpressible("input_audio")),
            Block::Video { .. } => return Err(self.target.inexpressible("video_url")),
        }
        Ok(())
    }

    /// Only citations in this protocol's own words can be said again.
    fn citations(&self, citations: &[Citation<'_>], out: &mut Vec<u8>) {
        if self.ask.api.home() != Dialect::Anthropic
            || citations.iter().all(|citation| citation.raw.is_none())
        {
            return;
        }
        key("citations", out);
        out.push(b'[');
        for raw in citations.iter().filter_map(|citation| citation.raw) {
            comma(out);
            out.extend_from_slice(raw.get().as_bytes());
        }
        out.push(b']');
    }

    fn tool_result(&mut self, result: &ToolResult<'a>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        open_block("tool_result", out);
        let id = call_id(&result.call_id, result.name.as_deref());
        string_member("tool_use_id", &id, out);
        if result.is_error {
            raw_member("is_error", "true", out);
        }
        if result.blocks.iter().any(is_said) {
            key("content", out);
            out.push(b'[');
            for block in &result.blocks {
                self.block(block, None, true, out)?;
            }
            out.push(b']');
        }
        self.cache(result.cache.as_ref(), out);
        out.push(b'}');
        Ok(())
    }

    /// PDFs go as they are, text as text, images as images.
    fn file(
        &mut self,
        source: &Source<'_>,
        name: Option<&str>,
        cache: Option<&CacheMark<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if let Source::Data { media_type, base64 } = source {
            let media_type = media_type_of(media_type, base64, name);
            if media_type.starts_with("image/") {
                open_block("image", out);
                image_source(source, out);
                self.cache(cache, out);
                out.push(b'}');
                return Ok(());
            }
            let text = match media_type {
                "application/pdf" => None,
                kind if is_text(kind) => match decode(base64)
                    .and_then(|text| String::from_utf8(text).ok())
                {
                    Some(text) => Some(text),
                    None => {
                        return Err(Refusal::new(Kind::InvalidRequest).with_message(
                            "a file of text must be UTF-8 in base64; this one is not".to_owned(),
                        ));
                    }
                },
                other => {
                    return Err(self.target.inexpressible(&format!(
                        "a file of type {}",
                        match other {
                            "" => "unknown",
                            other => other,
                        }
                    )));
                }
            };
            open_block("document", out);
            key("source", out);
            match text {
                None => {
                    out.extend_from_slice(
                        b"{\"type\":\"base64\",\"media_type\":\"application/pdf\"",
                    );
                    string_member("data", base64, out);
                }
                Some(text) => {
                    out.extend_from_slice(b"{\"type\":\"text\",\"media_type\":\"text/plain\"");
                    string_member("data", &text, out);
                }
            }
            out.push(b'}');
        } else {
            open_block("document", out);
            key("source", out);
            url_or_id(source, out);
        }
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            string_member("title", name, out);
        }
        self.cache(cache, out);
        out.push(b'}');
        Ok(())
    }
}

/// A message that is being written; its head is written with its first block, because it must not be empty.
struct Message {
    role: Role,
    begun: bool,
}

impl Message {
    fn new(role: Role) -> Message {
        Message { role, begun: false }
    }

    fn block<'a>(
        &mut self,
        writing: &mut Writing<'_, 'a>,
        block: &Block<'a>,
        text: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let start = out.len();
        if !self.begun {
            // The protocol wants the user to begin; a client whose conversation begins otherwise has cut it there.
            if self.role == Role::Assistant && out.last() == Some(&b'[') {
                out.extend_from_slice(
                    b"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\".\"}]}",
                );
            }
            comma(out);
            out.extend_from_slice(match self.role {
                Role::Assistant => b"{\"role\":\"assistant\",\"content\":[",
                Role::System => b"{\"role\":\"system\",\"content\":[",
                Role::User | Role::Developer => b"{\"role\":\"user\",\"content\":[".as_slice(),
            });
        }
        let empty = out.len();
        writing.block(block, text, false, out)?;
        match out.len() == empty {
            true if !self.begun => out.truncate(start),
            _ => self.begun = true,
        }
        Ok(())
    }

    fn end(self, out: &mut Vec<u8>) {
        if self.begun {
            out.extend_from_slice(b"]}");
        }
    }
}

/// Whether anything is written of a block.
fn is_said(block: &Block<'_>) -> bool {
    match block {
        Block::Text(text) => !is_blank(&text.text),
        Block::Refusal(text) => !is_blank(text),
        Block::Thought(thought) => is_replayable(thought),
        Block::Audio {
            transcript: Some(said),
            ..
        } => !is_blank(said),
        _ => true,
    }
}

fn open_block(kind: &str, out: &mut Vec<u8>) {
    comma(out);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
}

/// Begins a block of text; its closing brace is left to the caller.
fn text_block(text: &str, out: &mut Vec<u8>) {
    open_block("text", out);
    string_member("text", text, out);
}

fn write_thought(thought: &Thought<'_>, out: &mut Vec<u8>) {
    if thought.kind == ThoughtKind::Encrypted {
        open_block("redacted_thinking", out);
        string_member("data", &thought.text, out);
    } else {
        open_block("thinking", out);
        string_member("thinking", &thought.text, out);
        string_member(
            "signature",
            thought.signature.as_deref().unwrap_or_default(),
            out,
        );
    }
    out.push(b'}');
}

/// Ids here are letters, digits, `_` and `-`. Other characters become `_`, in calls and results alike; a call without an id is tied
/// to its result by the tool's name.
fn call_id<'i>(id: &'i str, name: Option<&str>) -> Cow<'i, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.is_empty() {
        let name: String = name
            .unwrap_or("unnamed")
            .chars()
            .map(|c| if fits(c) { c } else { '_' })
            .collect();
        return Cow::Owned(format!("call_{name}"));
    }
    match id.chars().all(fits) {
        true => Cow::Borrowed(id),
        false => Cow::Owned(id.chars().map(|c| if fits(c) { c } else { '_' }).collect()),
    }
}

/// A call's arguments have to be an object; what a model broke is kept as text in one.
pub(super) fn input(call: &ToolCall<'_>, out: &mut Vec<u8>) {
    let arguments = call.arguments.trim();
    let is_object = || {
        let mut walker = Walker::new(arguments);
        arguments.starts_with('{') && walker.value().and_then(|_| walker.finish()).is_ok()
    };
    if call.custom {
        out.push(b'{');
        string_member("input", &call.arguments, out);
        out.push(b'}');
    } else if arguments.is_empty() {
        out.extend_from_slice(b"{}");
    } else if is_object() {
        out.extend_from_slice(arguments.as_bytes());
    } else {
        out.push(b'{');
        string_member("arguments", arguments, out);
        out.push(b'}');
    }
}
