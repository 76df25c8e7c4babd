//! Items of an output: what they hold while they are open, and how they are written.

use std::borrow::Cow;

use serde::Deserialize;

use crate::answer::Serving;
use crate::api::responses::object::Object;
use crate::api::responses::seal::{self, Piece};
use crate::exchange::{Citation, ThoughtKind, format};
use crate::json::{self, write_number, write_string, write_string_inside};

#[derive(Debug)]
pub(super) enum Item {
    Message(Vec<Part>),
    Reasoning(Reasoning),
    Call(Call),
    /// Finished: its JSON.
    Done(Vec<u8>),
}

/// A piece of a message or of a reasoning item.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: PartKind,
    /// Place among the parts of its kind.
    pub(super) index: usize,
    /// Inside of a JSON string.
    pub(super) text: Vec<u8>,
    /// Elements of `annotations`, with commas.
    pub(super) annotations: Vec<u8>,
    pub(super) annotation_count: u64,
    /// Elements of `logprobs`, with commas.
    pub(super) logprobs: Vec<u8>,
    /// Inside of a JSON string; thoughts only.
    pub(super) signature: Vec<u8>,
    /// Something was not kept.
    pub(super) cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    Text,
    Refusal,
    Thought(ThoughtKind),
}

#[derive(Debug)]
pub(super) struct Reasoning {
    /// The provider's id; empty: it gave none, and the item has one of ours.
    pub(super) id: String,
    pub(super) format: String,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) form: CallForm,
    /// Inside of a JSON string.
    pub(super) arguments: Vec<u8>,
    /// Inside of a JSON string.
    pub(super) signature: Vec<u8>,
    pub(super) cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallForm {
    Function,
    /// A custom tool, and the provider knows what that is.
    Custom,
    /// A custom tool that was offered as a function with one string; the string is taken out when it is whole.
    Wrapped,
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Added,
    Done,
    /// The answer ends with the item unfinished.
    Cut,
}

impl Item {
    pub(super) fn held_bytes(&self) -> usize {
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
    pub(super) fn new(kind: PartKind, index: usize) -> Part {
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

    pub(super) fn write_index(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.kind {
            PartKind::Thought(ThoughtKind::Summary) => b",\"summary_index\":",
            _ => b",\"content_index\":".as_slice(),
        });
        write_number(self.index as u64, out);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
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
    pub(super) fn add_logprobs(&mut self, raw: &str) {
        let content = Object::of(raw)
            .map(|object| object.elements("content"))
            .unwrap_or_default();
        for element in content {
            add_element(element.as_bytes(), &mut self.logprobs);
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
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
    /// Appends the members that only this kind of item has. `seals`: the client asked for what it needs to replay it. Data that
    /// nobody can read is of use for nothing else, so it is packed in any case.
    pub(super) fn write(&self, seals: bool, phase: Phase, out: &mut Vec<u8>) {
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
            _ if (seals || data.is_some()) && !home && phase == Phase::Done => {
                out.extend_from_slice(b",\"encrypted_content\":");
                seal::seal(self.pieces(), out);
            }
            _ => {}
        }
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
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
    pub(super) fn write(&self, out: &mut Vec<u8>) {
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
pub(super) fn unwrapped(arguments: &[u8]) -> Vec<u8> {
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

pub(super) fn write_own_id(prefix: &str, index: usize, serving: &Serving<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix.as_bytes());
    let id = serving.id.strip_prefix("gen-").unwrap_or(serving.id);
    write_string_inside(id, out);
    out.push(b'_');
    write_number(index as u64, out);
}

pub(super) fn add_element(element: &[u8], elements: &mut Vec<u8>) {
    if !elements.is_empty() {
        elements.push(b',');
    }
    elements.extend_from_slice(element);
}

pub(super) fn write_parts<'p>(parts: impl Iterator<Item = &'p Part>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, part) in parts.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        part.write(out);
    }
    out.push(b']');
}

pub(super) fn write_citation(citation: &Citation<'_>, out: &mut Vec<u8>) {
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
