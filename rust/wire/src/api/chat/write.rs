//! Writes chat answers, whole and streamed, in the shape that OpenRouter's have.
//!
//! A stream's chunks each repeat the envelope, which is made once. Content is one text: the ranges that sources support are
//! counted over it, because a client of this API does not see the blocks that it was made of. The reason for the end and the usage
//! stand in two chunks of their own, in this order, as this API's clients know it (checklist C04).

use std::borrow::Cow;

use super::Shown;
use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::detail::Detail;
use crate::exchange::{
    Answer, Block, Citation, Delta, Event, Open, Source, ThoughtKind, ToolCall, format,
};
use crate::finish::Finish;
use crate::json::{write_number, write_string, write_string_inside};
use crate::member::Members;
use crate::refusal::Refusal;
use crate::usage;

/// Writes a whole answer.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    let mut members = Members::new(out);
    envelope(serving, serving.api.object(), &mut members);
    // OpenRouter's schema has it in every answer.
    members.raw("system_fingerprint", "null");
    members.string_if("service_tier", closing.service_tier);
    let out = members.key("choices");
    out.extend_from_slice(b"[{\"index\":0,\"logprobs\":");
    let logprobs = answer.logprobs.as_deref().unwrap_or("null");
    out.extend_from_slice(logprobs.as_bytes());
    out.push(b',');
    write_reasons(closing.finish, closing.native, out);
    out.extend_from_slice(b",\"message\":");
    write_message(answer, serving, out);
    out.extend_from_slice(b"}]");
    write_usage(closing, serving, &mut members);
    members.end();
}

/// Writes `usage`, with what it costs.
fn write_usage(closing: &Closing<'_>, serving: &Serving<'_>, members: &mut Members<'_>) {
    usage::write_own(
        &closing.usage,
        &closing.cost,
        serving.api,
        members.key("usage"),
    );
}

/// Writes the members that all answers of this family begin with.
pub(crate) fn envelope(serving: &Serving<'_>, object: &str, members: &mut Members<'_>) {
    members.string("id", serving.id);
    members.string("provider", serving.provider);
    members.string("model", serving.model);
    members.string("object", object);
    members.number("created", serving.created);
}

/// Writes why the generation ended, in our word and the provider's.
pub(crate) fn write_reasons(finish: Finish, native: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"finish_reason\":");
    write_string(finish.name(), out);
    out.extend_from_slice(b",\"native_finish_reason\":");
    write_string(native, out);
}

/// Ends a stream well behind its last chunk's choices: tokens and cost, and `[DONE]`.
pub(crate) fn write_stream_end(closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"usage\":");
    usage::write_own(&closing.usage, &closing.cost, serving.api, out);
    out.extend_from_slice(b"}\n\ndata: [DONE]\n\n");
}

/// Ends a stream badly behind its last chunk's choices. No `[DONE]` follows, because it was not done.
pub(crate) fn write_stream_error(refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"error\":");
    refusal.write_error(out);
    out.extend_from_slice(b"}\n\n");
}

fn write_message(answer: &Answer<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
    let shown = Shown::of(serving.asked);
    let blocks = &answer.blocks;
    let mut members = Members::new(out);
    members.string("role", "assistant");
    let texts = || {
        blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(text),
            _ => None,
        })
    };
    write_joined(texts().map(|text| &*text.text), members.key("content"));
    let refusals = blocks.iter().filter_map(|block| match block {
        Block::Refusal(text) => Some(&**text),
        _ => None,
    });
    write_joined(refusals, members.key("refusal"));
    let thoughts = || {
        blocks.iter().filter_map(|block| match block {
            Block::Thought(thought) if shows(shown, thought.kind) => Some(thought),
            _ => None,
        })
    };
    let spoken = thoughts()
        .filter(|thought| thought.kind != ThoughtKind::Encrypted && !thought.text.is_empty());
    write_joined(
        spoken.map(|thought| &*thought.text),
        members.key("reasoning"),
    );
    let mut index = 0;
    let mut details = Array::new("reasoning_details");
    for thought in thoughts() {
        Detail::of(thought, index).write(details.element(&mut members));
        index += 1;
    }
    for (id, signature) in blocks.iter().filter_map(signature) {
        Detail::of_signature(id, signature, index).write(details.element(&mut members));
        index += 1;
    }
    details.end(&mut members);
    let mut calls = Array::new("tool_calls");
    for (index, call) in blocks.iter().filter_map(tool_call).enumerate() {
        write_call(call, index, calls.element(&mut members));
    }
    calls.end(&mut members);
    let mut annotations = Array::new("annotations");
    let mut start = 0;
    for text in texts() {
        let chars = text.text.chars().count() as u64;
        for citation in &text.citations {
            let place = (start, start + chars);
            write_citation(citation, place, annotations.element(&mut members));
        }
        start += chars;
    }
    annotations.end(&mut members);
    let mut images = Array::new("images");
    for block in blocks {
        if let Block::Image { source, .. } = block {
            write_image(source, None, images.element(&mut members));
        }
    }
    images.end(&mut members);
    for block in blocks {
        if let Block::Audio {
            data,
            transcript,
            id,
            ..
        } = block
        {
            let mut audio = Members::new(members.key("audio"));
            audio.string("id", id.as_deref().unwrap_or(serving.id));
            audio.string("data", data);
            // Nobody keeps it for later requests.
            audio.number("expires_at", serving.created);
            audio.string("transcript", transcript.as_deref().unwrap_or_default());
            audio.end();
            break;
        }
    }
    members.end();
}

/// Writes texts as one string; null when there is none.
fn write_joined<'t>(texts: impl Iterator<Item = &'t str>, out: &mut Vec<u8>) {
    let mut any = false;
    for text in texts {
        if !any {
            out.push(b'"');
        }
        any = true;
        write_string_inside(text, out);
    }
    out.extend_from_slice(if any { b"\"" } else { b"null" });
}

/// An array that is only written when it has an element.
struct Array {
    name: &'static str,
    any: bool,
}

impl Array {
    fn new(name: &'static str) -> Array {
        Array { name, any: false }
    }

    /// The output for one more element.
    fn element<'m>(&mut self, members: &'m mut Members<'_>) -> &'m mut Vec<u8> {
        match std::mem::replace(&mut self.any, true) {
            false => {
                let out = members.key(self.name);
                out.push(b'[');
                out
            }
            true => {
                let out = members.inside();
                out.push(b',');
                out
            }
        }
    }

    fn end(self, members: &mut Members<'_>) {
        if self.any {
            members.inside().push(b']');
        }
    }
}

/// Hidden thought loses its text. What only the provider can read stays, because the next request may be refused without it.
fn shows(shown: Shown, kind: ThoughtKind) -> bool {
    shown == Shown::Thought || kind == ThoughtKind::Encrypted
}

/// The id of the call that a signature belongs to, none for a text's, and the signature.
fn signature<'b>(block: &'b Block<'_>) -> Option<(Option<&'b str>, &'b str)> {
    match block {
        Block::ToolCall(call) => Some((Some(&call.id), call.signature.as_deref()?)),
        Block::Text(text) => Some((None, text.signature.as_deref()?)),
        _ => None,
    }
}

fn tool_call<'b, 'a>(block: &'b Block<'a>) -> Option<&'b ToolCall<'a>> {
    match block {
        Block::ToolCall(call) => Some(call),
        _ => None,
    }
}

fn write_call(call: &ToolCall<'_>, index: usize, out: &mut Vec<u8>) {
    let name = crate::exchange::joined_name(call.namespace.as_deref(), &call.name);
    let mut members = Members::new(out);
    members.number("index", index as u64);
    members.string("id", &call.id);
    let (kind, text) = call_words(call.custom);
    members.string("type", kind);
    let mut called = Members::new(members.key(kind));
    called.string("name", &name);
    called.string(
        text,
        match (&*call.arguments, call.custom) {
            // A call without arguments is one with an empty object, or clients cannot parse it.
            ("", false) => "{}",
            (arguments, _) => arguments,
        },
    );
    called.end();
    members.end();
}

/// How a call's object, and in it the text, are named.
fn call_words(custom: bool) -> (&'static str, &'static str) {
    match custom {
        true => ("custom", "input"),
        false => ("function", "arguments"),
    }
}

/// Writes a source. `place`: the range of the whole content that its block has, or has so far.
fn write_citation(citation: &Citation<'_>, place: (u64, u64), out: &mut Vec<u8>) {
    let (start, end) = place;
    let mut members = Members::new(out);
    members.string("type", "url_citation");
    let mut url = Members::new(members.key("url_citation"));
    url.string("url", &citation.url);
    url.string("title", citation.title.as_deref().unwrap_or_default());
    url.string_if("content", citation.content.as_deref());
    // Within the block where the provider says so, else all of it.
    url.number(
        "start_index",
        citation
            .start_index
            .map_or(start, |index| start.saturating_add(index)),
    );
    url.number(
        "end_index",
        citation
            .end_index
            .map_or(end, |index| start.saturating_add(index)),
    );
    url.end();
    members.end();
}

fn write_image(source: &Source<'_>, index: Option<u32>, out: &mut Vec<u8>) {
    let mut members = Members::new(out);
    if let Some(index) = index {
        members.number("index", u64::from(index));
    }
    members.string("type", "image_url");
    let mut image = Members::new(members.key("image_url"));
    source.write_url(image.key("url"));
    image.end();
    members.end();
}

/// Writes one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    /// What every chunk begins with, up to the role in its delta.
    head: Vec<u8>,
    shown: Shown,
    /// Blocks that are open, few at a time.
    open: Vec<(u32, Part)>,
    /// Tool calls so far, images so far, details of thought so far: each counts by itself here.
    calls: u32,
    images: u32,
    details: u32,
    /// Characters of content so far.
    chars: u64,
}

/// What has to be remembered of an open block.
#[derive(Debug)]
enum Part {
    Text {
        /// Where in the content it begins, in characters.
        start: u64,
    },
    Refusal,
    Thought {
        index: u32,
        kind: ThoughtKind,
        format: Cow<'static, str>,
        id: Option<String>,
    },
    Call {
        index: u32,
        custom: bool,
        id: String,
        /// No arguments have been written yet.
        empty: bool,
    },
    /// It is written whole when it opens, or its pieces say all.
    Other,
}

/// What a chunk that is not the last ends with, after its delta.
const TAIL: &[u8] =
    b"},\"finish_reason\":null,\"native_finish_reason\":null,\"logprobs\":null}]}\n\n";

impl Writer {
    /// For one stream.
    pub(crate) fn new(serving: &Serving<'_>) -> Writer {
        let mut head = b"data: ".to_vec();
        let mut members = Members::new(&mut head);
        envelope(serving, serving.api.chunk_object(), &mut members);
        members
            .key("choices")
            .extend_from_slice(b"[{\"index\":0,\"delta\":{\"role\":\"assistant\",");
        head.shrink_to_fit();
        Writer {
            head,
            shown: Shown::of(serving.asked),
            open: Vec::new(),
            calls: 0,
            images: 0,
            details: 0,
            chars: 0,
        }
    }

    fn opened(&mut self, block: u32, open: &Open<'_>, out: &mut Vec<u8>) {
        let part = match *open {
            Open::Text => Part::Text { start: self.chars },
            Open::Refusal => Part::Refusal,
            Open::Thought { kind, id, format } => {
                let index = self.details;
                self.details += 1;
                Part::Thought {
                    index,
                    kind,
                    format: known_format(format),
                    id: id.map(str::to_owned),
                }
            }
            Open::ToolCall {
                id,
                name,
                custom,
                namespace,
                signature,
            } => {
                let index = self.calls;
                self.calls += 1;
                if let Some(signature) = signature {
                    self.write_signature(Some(id), signature, out);
                }
                let name = crate::exchange::joined_name(namespace, &Cow::Borrowed(name));
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"content\":null,\"tool_calls\":[{\"index\":");
                write_number(u64::from(index), out);
                out.extend_from_slice(b",\"id\":");
                write_string(id, out);
                let (kind, text) = call_words(custom);
                out.extend_from_slice(b",\"type\":");
                write_string(kind, out);
                out.push(b',');
                write_string(kind, out);
                out.extend_from_slice(b":{\"name\":");
                write_string(&name, out);
                out.push(b',');
                write_string(text, out);
                out.extend_from_slice(b":\"\"}}]");
                out.extend_from_slice(TAIL);
                Part::Call {
                    index,
                    custom,
                    id: id.to_owned(),
                    empty: true,
                }
            }
            Open::Image { media_type, base64 } => {
                let source = match media_type.is_empty() {
                    true => Source::Url(Cow::Borrowed(base64)),
                    false => Source::Data {
                        media_type: Cow::Borrowed(media_type),
                        base64: Cow::Borrowed(base64),
                    },
                };
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"content\":\"\",\"images\":[");
                write_image(&source, Some(self.images), out);
                out.push(b']');
                out.extend_from_slice(TAIL);
                self.images += 1;
                Part::Other
            }
            Open::Audio { id } => {
                if let Some(id) = id {
                    out.extend_from_slice(&self.head);
                    out.extend_from_slice(b"\"content\":null,\"audio\":{\"id\":");
                    write_string(id, out);
                    out.push(b'}');
                    out.extend_from_slice(TAIL);
                }
                Part::Other
            }
        };
        self.open.push((block, part));
    }

    fn more(&mut self, block: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let part = self.open.iter_mut().find(|(number, _)| *number == block);
        let Some((_, part)) = part else {
            return;
        };
        match (*delta, part) {
            (Delta::Text(""), _) => {}
            (Delta::Text(text), Part::Text { .. }) => {
                self.chars += text.chars().count() as u64;
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"content\":");
                write_string(text, out);
                out.extend_from_slice(TAIL);
            }
            (Delta::Text(text), Part::Refusal) => {
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"content\":null,\"refusal\":");
                write_string(text, out);
                out.extend_from_slice(TAIL);
            }
            (
                Delta::Text(_) | Delta::Signature(_),
                Part::Thought {
                    index,
                    kind,
                    format,
                    id,
                },
            ) => {
                if !shows(self.shown, *kind) {
                    return;
                }
                let (text, signature) = match *delta {
                    Delta::Signature(signature) => (None, Some(signature)),
                    Delta::Text(text) => (Some(text), None),
                    _ => (None, None),
                };
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"content\":\"\"");
                if let Some(text) = text.filter(|_| *kind != ThoughtKind::Encrypted) {
                    out.extend_from_slice(b",\"reasoning\":");
                    write_string(text, out);
                }
                out.extend_from_slice(b",\"reasoning_details\":[");
                let detail = Detail {
                    kind: *kind,
                    text,
                    signature,
                    id: id.as_deref(),
                    format,
                    index: *index,
                };
                detail.write(out);
                out.push(b']');
                out.extend_from_slice(TAIL);
            }
            (
                Delta::Text(text),
                Part::Call {
                    index,
                    custom,
                    empty,
                    ..
                },
            ) => {
                *empty = false;
                write_arguments(&self.head, *index, *custom, text, out);
            }
            (Delta::Signature(signature), Part::Call { id, .. }) => {
                let id = std::mem::take(id);
                self.write_signature(Some(&id), signature, out);
                if let Some((_, Part::Call { id: place, .. })) =
                    self.open.iter_mut().find(|(number, _)| *number == block)
                {
                    *place = id;
                }
            }
            (Delta::Signature(signature), Part::Text { .. }) => {
                self.write_signature(None, signature, out);
            }
            (Delta::Citation(citation), Part::Text { start }) => {
                let place = (*start, self.chars);
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"content\":\"\",\"annotations\":[");
                write_citation(citation, place, out);
                out.push(b']');
                out.extend_from_slice(TAIL);
            }
            (Delta::Logprobs(logprobs), _) => {
                out.extend_from_slice(&self.head);
                out.extend_from_slice(
                    b"\"content\":\"\"},\"finish_reason\":null,\"native_finish_reason\":null,\"logprobs\":",
                );
                // An event is one line; line ends can only stand between tokens, where a space is as good.
                out.extend(logprobs.bytes().map(|byte| match byte {
                    b'\n' | b'\r' => b' ',
                    byte => byte,
                }));
                out.extend_from_slice(b"}]}\n\n");
            }
            (Delta::Audio { data, transcript }, _) => {
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"content\":null,\"audio\":");
                let mut members = Members::new(out);
                if !data.is_empty() {
                    members.string("data", data);
                }
                if !transcript.is_empty() {
                    members.string("transcript", transcript);
                }
                members.end();
                out.extend_from_slice(TAIL);
            }
            (Delta::Text(_) | Delta::Signature(_) | Delta::Citation(_), _) => {}
        }
    }

    /// A call without arguments is one with an empty object, or clients cannot parse it.
    fn closed(&mut self, block: u32, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().position(|(number, _)| *number == block) else {
            return;
        };
        if let (
            _,
            Part::Call {
                index,
                custom: false,
                empty: true,
                ..
            },
        ) = self.open.swap_remove(at)
        {
            write_arguments(&self.head, index, false, "{}", out);
        }
    }

    /// Writes a signature of Gemini's as an encrypted detail: a chat message has no other place for it. The reader of requests
    /// hands it back to the call or the text.
    fn write_signature(&mut self, id: Option<&str>, signature: &str, out: &mut Vec<u8>) {
        let detail = Detail::of_signature(id, signature, self.details);
        self.details += 1;
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"\"content\":\"\",\"reasoning_details\":[");
        detail.write(out);
        out.push(b']');
        out.extend_from_slice(TAIL);
    }

    /// Appends a chunk with an empty delta and the reasons for the end, open for more members.
    fn write_last(&self, finish: Finish, native: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"\"content\":\"\"},");
        write_reasons(finish, native, out);
        out.extend_from_slice(b",\"logprobs\":null}]");
    }
}

/// Formats that are known need no allocation.
fn known_format(word: &str) -> Cow<'static, str> {
    [
        format::ANTHROPIC,
        format::RESPONSES,
        format::GEMINI,
        format::UNKNOWN,
    ]
    .into_iter()
    .find(|known| *known == word)
    .map_or_else(|| Cow::Owned(word.to_owned()), Cow::Borrowed)
}

fn write_arguments(head: &[u8], index: u32, custom: bool, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(head);
    out.extend_from_slice(b"\"content\":null,\"tool_calls\":[{\"index\":");
    write_number(u64::from(index), out);
    // Its type stands in the first piece only: there are clients that put together whatever text is repeated.
    let (kind, name) = call_words(custom);
    out.push(b',');
    write_string(kind, out);
    out.extend_from_slice(b":{");
    write_string(name, out);
    out.push(b':');
    write_string(text, out);
    out.extend_from_slice(b"}}]");
    out.extend_from_slice(TAIL);
}

impl StreamWriter for Writer {
    fn event(&mut self, event: &Event<'_>, _serving: &Serving<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Open { block, open } => self.opened(*block, open, out),
            Event::Delta { block, delta } => self.more(*block, delta, out),
            Event::Close { block } => self.closed(*block, out),
            // The end is written when it has been booked.
            Event::Start { .. }
            | Event::Usage(_)
            | Event::Finish { .. }
            | Event::ServiceTier(_) => {}
        }
    }

    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        self.write_last(closing.finish, closing.native, out);
        out.extend_from_slice(b"}\n\n");
        self.write_last(closing.finish, closing.native, out);
        if let Some(tier) = closing.service_tier {
            out.extend_from_slice(b",\"service_tier\":");
            write_string(tier, out);
        }
        write_stream_end(closing, serving, out);
    }

    fn interrupted(
        &mut self,
        refusal: &Refusal,
        _closing: &Closing<'_>,
        _serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        self.write_last(Finish::Error, Finish::Error.name(), out);
        write_stream_error(refusal, out);
    }

    fn held_bytes(&self) -> usize {
        let words: usize = self
            .open
            .iter()
            .map(|(_, part)| match part {
                Part::Thought { id, .. } => id.as_ref().map_or(0, String::capacity),
                Part::Call { id, .. } => id.capacity(),
                Part::Text { .. } | Part::Refusal | Part::Other => 0,
            })
            .sum();
        size_of::<Writer>()
            + self.head.capacity()
            + self.open.capacity() * size_of::<(u32, Part)>()
            + words
    }
}
