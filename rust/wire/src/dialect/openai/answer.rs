//! Reads answers: the parts that whole answers and chunks share, and whole answers.
//!
//! A document is walked once and its members of interest are kept as spans, so that what is told in any order can be taken in the
//! order that it means: thought, text, calls, the end. What has another type than expected is taken for absent.

use std::borrow::Cow;

use crate::answer::Unusable;
use crate::detail;
use crate::exchange::{
    Answer, Block, Citation, Source, Text, Thought, ThoughtKind, ToolCall, format,
};
use crate::finish::Finish;
use crate::json::{Kind, Malformed, Value, Walker};
use crate::usage::Usage;

/// Reads a whole answer.
pub(crate) fn read_answer(text: &str) -> Result<Answer<'_>, Unusable> {
    let document = Document::read(text).map_err(Unusable::Malformed)?;
    let choice = document.choice.ok_or(Unusable::NoChoices)?;
    let mut answer = Answer {
        id: document.id,
        blocks: Vec::new(),
        finish: choice.finish.as_deref().map(Finish::of),
        stop_sequence: choice.stop_text,
        usage: document.usage,
        logprobs: choice.logprobs.map(Cow::Borrowed),
        service_tier: document.service_tier,
        native_finish: choice.native.or(choice.finish),
    };
    let said = choice.said;
    let mut calls = Vec::new();
    if let Some(raw) = said.tool_calls {
        elements(raw, |raw| calls.push(Piece::read(raw)));
    }
    if let Some(raw) = said.function_call {
        let mut piece = Piece::default();
        members(raw, |name, value| piece.called(name, value, raw));
        if piece.name.is_some() {
            calls.push(piece);
        }
    }
    said.thoughts(|thought| {
        let call = calls
            .iter_mut()
            .find(|call| thought.belongs_to(call.id.as_deref()));
        match call {
            Some(call) => call.signature = Some(thought.text),
            None => answer.blocks.push(Block::Thought(Thought {
                kind: thought.kind,
                text: thought.text,
                signature: thought.signature,
                id: thought.id,
                format: thought.format,
            })),
        }
    });
    let mut texts = Vec::new();
    said.texts(|text| match text {
        Spoken::Thought(text) => answer.blocks.push(plain_thought(text)),
        Spoken::Text(text) => texts.push(text),
    });
    let mut citations = Vec::new();
    said.citations(|citation| citations.push(citation));
    document.sources.each(|citation| citations.push(citation));
    let text = match texts.len() {
        0 | 1 => texts.pop().unwrap_or_default(),
        _ => Cow::Owned(texts.concat()),
    };
    if !text.is_empty() || !citations.is_empty() {
        answer.blocks.push(Block::Text(Text {
            text,
            citations,
            ..Text::default()
        }));
    }
    if let Some(text) = said.refusal.clone().filter(|text| !text.is_empty()) {
        answer.blocks.push(Block::Refusal(text));
    }
    said.images(|source| {
        answer.blocks.push(Block::Image {
            source,
            detail: None,
            cache: None,
        });
    });
    if let Some(raw) = said.audio {
        let audio = Audio::read(raw);
        answer.blocks.push(Block::Audio {
            data: audio.data.unwrap_or_default(),
            // The client chose the format when it asked.
            format: Cow::Borrowed(""),
            transcript: audio.transcript,
            id: audio.id,
        });
    }
    for (index, call) in calls.into_iter().enumerate() {
        let id = match call.id.filter(|id| !id.is_empty()) {
            Some(id) => id,
            None => Cow::Owned(made_id(answer.id.as_deref(), index)),
        };
        answer.blocks.push(Block::ToolCall(ToolCall {
            id,
            name: call.name.unwrap_or_default(),
            arguments: call.arguments.unwrap_or_default(),
            custom: call.custom,
            signature: call.signature,
            ..ToolCall::default()
        }));
    }
    Ok(answer)
}

/// The id of a call to which the provider gave none: the same whenever this answer is read, and another in every answer.
pub(super) fn made_id(answer: Option<&str>, index: usize) -> String {
    format!("call_{}_{index}", answer.unwrap_or_default())
}

fn plain_thought(text: Cow<'_, str>) -> Block<'_> {
    Block::Thought(Thought {
        text,
        format: Cow::Borrowed(format::UNKNOWN),
        ..Thought::default()
    })
}

/// An answer or a chunk, as far as it is of interest.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    /// The first choice; others are not offered.
    pub(super) choice: Option<Choice<'a>>,
    pub(super) usage: Option<Usage>,
    pub(super) service_tier: Option<Cow<'a, str>>,
    /// A top-level `error` that is not null.
    pub(super) error: bool,
    pub(super) sources: Sources<'a>,
}

/// Sources that stand beside the choices and not in them (Perplexity).
#[derive(Debug, Default)]
pub(super) struct Sources<'a> {
    results: Option<&'a str>,
    addresses: Option<&'a str>,
}

#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    pub(super) said: Said<'a>,
    pub(super) finish: Option<Cow<'a, str>>,
    pub(super) native: Option<Cow<'a, str>>,
    /// vLLM names the stop text that was met.
    pub(super) stop_text: Option<Cow<'a, str>>,
    pub(super) logprobs: Option<&'a str>,
    usage: Option<Usage>,
}

/// `message` or `delta`.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    content: Option<Value>,
    text: &'a str,
    pub(super) refusal: Option<Cow<'a, str>>,
    reasoning: Option<Cow<'a, str>>,
    details: Option<&'a str>,
    pub(super) tool_calls: Option<&'a str>,
    pub(super) function_call: Option<&'a str>,
    annotations: Option<&'a str>,
    images: Option<&'a str>,
    pub(super) audio: Option<&'a str>,
}

impl<'a> Document<'a> {
    /// Reads a document; an error when it is no JSON object.
    pub(super) fn read(text: &'a str) -> Result<Document<'a>, Malformed> {
        let mut document = Document::default();
        let mut walker = Walker::new(text);
        let mut more = walker.enter_object()?;
        while more {
            let key = walker.key()?;
            match key.name {
                "choices" if walker.peek() == Some(Kind::Array) => {
                    let mut more = walker.enter_array()?;
                    while more {
                        let choice = Choice::read(&mut walker)?;
                        document.choice = document.choice.or(choice);
                        more = walker.next_element()?;
                    }
                }
                name => {
                    let value = walker.value()?;
                    document.member(name, &value, text);
                }
            }
            more = walker.next_member()?;
        }
        walker.finish()?;
        // Moonshot counts inside the choice.
        let inner = document.choice.as_ref().and_then(|choice| choice.usage);
        document.usage = document.usage.or(inner);
        Ok(document)
    }

    fn member(&mut self, name: &str, value: &Value, text: &'a str) {
        let raw = value.raw(text);
        match name {
            "id" => self.id = value.string(text).filter(|id| !id.is_empty()),
            "usage" if value.kind == Kind::Object => {
                self.usage = Usage::parse(raw).or(self.usage);
            }
            // Groq's streams count there.
            "x_groq" if value.kind == Kind::Object => members(raw, |name, value| {
                if name == "usage" {
                    self.usage = self.usage.or_else(|| Usage::parse(value.raw(raw)));
                }
            }),
            "service_tier" => self.service_tier = value.string(text),
            "error" => self.error = value.kind != Kind::Null,
            "search_results" if value.kind == Kind::Array => self.sources.results = Some(raw),
            "citations" if value.kind == Kind::Array => self.sources.addresses = Some(raw),
            _ => {}
        }
    }
}

impl<'a> Sources<'a> {
    /// Gives each source, preferably with its title.
    pub(super) fn each(&self, mut each: impl FnMut(Citation<'a>)) {
        if let Some(raw) = self.results {
            elements(raw, |raw| {
                let mut citation = Citation::default();
                members(raw, |name, value| match name {
                    "url" => citation.url = value.string(raw).unwrap_or_default(),
                    "title" => citation.title = value.string(raw),
                    _ => {}
                });
                if !citation.url.is_empty() {
                    each(citation);
                }
            });
        } else if let Some(raw) = self.addresses {
            elements(raw, |raw| {
                if let Some(url) = string(raw) {
                    each(Citation {
                        url,
                        ..Citation::default()
                    });
                }
            });
        }
    }
}

impl<'a> Choice<'a> {
    /// `None`: the element is no object.
    fn read(walker: &mut Walker<'a>) -> Result<Option<Choice<'a>>, Malformed> {
        let text = walker.text();
        if walker.peek() != Some(Kind::Object) {
            walker.value()?;
            return Ok(None);
        }
        let mut choice = Choice::default();
        let mut more = walker.enter_object()?;
        while more {
            let key = walker.key()?;
            match key.name {
                "message" | "delta" if walker.peek() == Some(Kind::Object) => {
                    choice.said = Said::read(walker)?;
                }
                name => {
                    let value = walker.value()?;
                    let word = || value.string(text).filter(|word| !word.is_empty());
                    match name {
                        "finish_reason" => choice.finish = word(),
                        "native_finish_reason" => choice.native = word(),
                        "stop_reason" => choice.stop_text = word(),
                        "logprobs" if value.kind == Kind::Object => {
                            choice.logprobs = Some(value.raw(text));
                        }
                        "usage" if value.kind == Kind::Object => {
                            choice.usage = Usage::parse(value.raw(text));
                        }
                        // The older text API, which a few servers answer with whatever they are asked.
                        "text" if value.kind.is_string() => {
                            choice.said.content = Some(value);
                            choice.said.text = text;
                        }
                        _ => {}
                    }
                }
            }
            more = walker.next_member()?;
        }
        Ok(Some(choice))
    }
}

impl<'a> Said<'a> {
    fn read(walker: &mut Walker<'a>) -> Result<Said<'a>, Malformed> {
        let text = walker.text();
        let mut said = Said {
            text,
            ..Said::default()
        };
        let mut more = walker.enter_object()?;
        while more {
            let key = walker.key()?;
            let value = walker.value()?;
            let raw = || value.raw(text);
            match (key.name, value.kind) {
                ("content", _) => said.content = Some(value),
                ("refusal", _) => said.refusal = value.string(text),
                // One thought, said by some in two words at once.
                ("reasoning" | "reasoning_content" | "thinking", kind) if kind.is_string() => {
                    said.reasoning = said
                        .reasoning
                        .filter(|text| !text.is_empty())
                        .or(value.string(text));
                }
                ("reasoning_details", Kind::Array) => said.details = Some(raw()),
                ("tool_calls", Kind::Array) => said.tool_calls = Some(raw()),
                ("function_call", Kind::Object) => said.function_call = Some(raw()),
                ("annotations", Kind::Array) => said.annotations = Some(raw()),
                ("images", Kind::Array) => said.images = Some(raw()),
                ("audio", Kind::Object) => said.audio = Some(raw()),
                _ => {}
            }
            more = walker.next_member()?;
        }
        Ok(said)
    }

    /// Gives each thought: the details, or else the text that stands for them.
    pub(super) fn thoughts(&self, mut each: impl FnMut(Musing<'a>)) {
        let mut any = false;
        if let Some(raw) = self.details {
            elements(raw, |raw| {
                if let Some(musing) = Musing::read(raw) {
                    any = true;
                    each(musing);
                }
            });
        }
        if !any && let Some(text) = self.reasoning.clone().filter(|text| !text.is_empty()) {
            each(Musing {
                text,
                format: Cow::Borrowed(format::UNKNOWN),
                ..Musing::default()
            });
        }
    }

    /// Gives each text of `content`; in Mistral's content some are thoughts.
    pub(super) fn texts(&self, mut each: impl FnMut(Spoken<'a>)) {
        let Some(content) = &self.content else {
            return;
        };
        if content.kind != Kind::Array {
            if let Some(text) = content.string(self.text).filter(|text| !text.is_empty()) {
                each(Spoken::Text(text));
            }
            return;
        }
        elements(content.raw(self.text), |raw| {
            members(raw, |name, value| match (name, value.kind) {
                ("text", kind) if kind.is_string() => {
                    each(Spoken::Text(value.string(raw).unwrap_or_default()));
                }
                ("thinking", Kind::Array) => elements(value.raw(raw), |raw| {
                    members(raw, |name, value| {
                        if let ("text", Some(text)) = (name, value.string(raw)) {
                            each(Spoken::Thought(text));
                        }
                    });
                }),
                ("thinking", _) => {
                    if let Some(text) = value.string(raw) {
                        each(Spoken::Thought(text));
                    }
                }
                _ => {}
            });
        });
    }

    /// Gives each source among the annotations.
    pub(super) fn citations(&self, mut each: impl FnMut(Citation<'a>)) {
        let Some(raw) = self.annotations else {
            return;
        };
        elements(raw, |raw| {
            members(raw, |name, value| {
                if name != "url_citation" || value.kind != Kind::Object {
                    return;
                }
                let raw = value.raw(raw);
                let mut citation = Citation::default();
                members(raw, |name, value| match name {
                    "url" => citation.url = value.string(raw).unwrap_or_default(),
                    "title" => citation.title = value.string(raw),
                    "content" => citation.content = value.string(raw),
                    "start_index" => citation.start_index = value.whole(raw),
                    "end_index" => citation.end_index = value.whole(raw),
                    _ => {}
                });
                each(citation);
            });
        });
    }

    /// Gives each image.
    pub(super) fn images(&self, mut each: impl FnMut(Source<'a>)) {
        let Some(raw) = self.images else {
            return;
        };
        elements(raw, |raw| {
            members(raw, |name, value| {
                if name != "image_url" {
                    return;
                }
                let mut url = value.string(raw);
                if value.kind == Kind::Object {
                    let raw = value.raw(raw);
                    members(raw, |name, value| {
                        if name == "url" {
                            url = value.string(raw);
                        }
                    });
                }
                if let Some(url) = url {
                    each(Source::of_url(url));
                }
            });
        });
    }
}

/// A text of `content`.
#[derive(Debug)]
pub(super) enum Spoken<'a> {
    Text(Cow<'a, str>),
    Thought(Cow<'a, str>),
}

/// A thought, or the piece of one that a chunk holds.
#[derive(Debug, Default)]
pub(super) struct Musing<'a> {
    pub(super) kind: ThoughtKind,
    pub(super) text: Cow<'a, str>,
    pub(super) signature: Option<Cow<'a, str>>,
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) format: Cow<'a, str>,
    pub(super) index: u64,
}

impl<'a> Musing<'a> {
    /// `None` for an entry of a sort that is not known.
    fn read(raw: &'a str) -> Option<Musing<'a>> {
        let mut musing = Musing::default();
        let mut kind = None;
        members(raw, |name, value| match name {
            "type" => kind = value.string(raw).and_then(|word| detail::kind_of(&word)),
            "text" | "summary" | "data" => musing.text = value.string(raw).unwrap_or_default(),
            "signature" => musing.signature = value.string(raw),
            "id" => musing.id = value.string(raw),
            "format" => musing.format = value.string(raw).unwrap_or_default(),
            "index" => musing.index = value.whole(raw).unwrap_or(0),
            _ => {}
        });
        musing.kind = kind?;
        Some(musing)
    }

    /// Whether it is the signature of a call, which Gemini's calls need.
    pub(super) fn belongs_to(&self, call_id: Option<&str>) -> bool {
        self.kind == ThoughtKind::Encrypted
            && self.format == format::GEMINI
            && self.id.is_some()
            && self.id.as_deref() == call_id
    }
}

/// A call, or the piece of one that a chunk holds.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    pub(super) index: Option<u64>,
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) arguments: Option<Cow<'a, str>>,
    pub(super) custom: bool,
    pub(super) signature: Option<Cow<'a, str>>,
}

impl<'a> Piece<'a> {
    /// Reads an entry of `tool_calls`.
    pub(super) fn read(raw: &'a str) -> Piece<'a> {
        let mut piece = Piece::default();
        members(raw, |name, value| {
            let inner = value.raw(raw);
            match (name, value.kind) {
                ("index", _) => piece.index = value.whole(raw),
                ("id", _) => piece.id = value.string(raw).filter(|id| !id.is_empty()),
                ("function", Kind::Object) => {
                    members(inner, |name, value| piece.called(name, value, inner));
                }
                ("custom", Kind::Object) => {
                    piece.custom = true;
                    members(inner, |name, value| piece.called(name, value, inner));
                }
                // Where Google's own OpenAI-like endpoint keeps the signature.
                ("extra_content", Kind::Object) => members(inner, |name, value| {
                    if name == "google" && value.kind == Kind::Object {
                        let google = value.raw(inner);
                        members(google, |name, value| {
                            if name == "thought_signature" {
                                piece.signature = value.string(google);
                            }
                        });
                    }
                }),
                _ => {}
            }
        });
        piece
    }

    /// A member of the object that says what is called, and with what.
    pub(super) fn called(&mut self, name: &str, value: &Value, raw: &'a str) {
        match (name, value.kind) {
            ("name", _) => self.name = value.string(raw).filter(|name| !name.is_empty()),
            // A few servers give the arguments parsed.
            ("arguments" | "input", Kind::Object) => {
                self.arguments = Some(Cow::Borrowed(value.raw(raw)));
            }
            ("arguments" | "input", _) => self.arguments = value.string(raw),
            _ => {}
        }
    }
}

/// Spoken output, or a piece of it.
#[derive(Debug, Default)]
pub(super) struct Audio<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) data: Option<Cow<'a, str>>,
    pub(super) transcript: Option<Cow<'a, str>>,
}

impl<'a> Audio<'a> {
    pub(super) fn read(raw: &'a str) -> Audio<'a> {
        let mut audio = Audio::default();
        members(raw, |name, value| match name {
            "id" => audio.id = value.string(raw),
            "data" => audio.data = value.string(raw),
            "transcript" => audio.transcript = value.string(raw),
            _ => {}
        });
        audio
    }
}

/// Gives each member of an object that has been walked before, with spans into `raw`. What is no object has none.
pub(super) fn members(raw: &str, mut each: impl FnMut(&str, &Value)) {
    let mut walk = || -> Result<(), Malformed> {
        let mut walker = Walker::new(raw);
        let mut more = walker.enter_object()?;
        while more {
            let key = walker.key()?;
            let value = walker.value()?;
            each(key.name, &value);
            more = walker.next_member()?;
        }
        Ok(())
    };
    // It was walked before, so that only its type can be another.
    let _ = walk();
}

/// Gives each element of an array that has been walked before. What is no array has none.
pub(super) fn elements<'a>(raw: &'a str, mut each: impl FnMut(&'a str)) {
    let mut walk = || -> Result<(), Malformed> {
        let mut walker = Walker::new(raw);
        let mut more = walker.enter_array()?;
        while more {
            let value = walker.value()?;
            each(value.raw(raw));
            more = walker.next_element()?;
        }
        Ok(())
    };
    // As above.
    let _ = walk();
}

/// The text of a raw string.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    Walker::new(raw).value().ok()?.string(raw)
}
