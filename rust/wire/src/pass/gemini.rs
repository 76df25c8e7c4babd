//! Gemini to Gemini: bytes stay, but for `responseId` and `modelVersion`.
//!
//! A document is walked once; where one of the two members stands its value is replaced, where it is missing from a generation it is
//! added. What is booked (tokens, the reason for the end, the tier) is read on the way. Counts and vectors pass without a change.
//!
//! In a stream the event with `finishReason` tells the client that the answer is whole, and nothing after it does. So that event and what
//! comes after it are held until the answer is booked.

use std::borrow::Cow;

use crate::answer::{Closing, Facts, Serving, Unusable, counted, finish};
use crate::api::Task;
use crate::api::gemini::write_refusal;
use crate::cost::Cost;
use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::dialect::gemini::{grounding, usage};
use crate::finish::{self, Finish};
use crate::json::{self, Kind, Malformed, Reach, Span, write_string};
use crate::pass::FrameEditor;
use crate::refusal::Refusal;
use crate::sse::Frame;
use crate::stream::{Notes, StreamFault};
use crate::upstream_error::UpstreamError;
use crate::usage::{Usage, UsageSource};

/// Bytes of events that are held back after the one with the reason for the end. One or two small ones with counts are usual; a provider
/// that sends more than this is not done with something that its client has been told is whole, and what follows is ignored.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// What was found in a document.
#[derive(Debug, Default)]
struct Found<'a> {
    id: Option<Cow<'a, str>>,
    finish: Option<(Finish, Cow<'a, str>)>,
    usage: Option<Usage>,
    tier: Option<Cow<'a, str>>,
    /// Bytes of text, for an estimate.
    text_bytes: u64,
    calls: bool,
    /// A candidate with content, or word of a refused prompt.
    content: bool,
    candidates: bool,
    vectors: bool,
    error: bool,
    /// The model that served, by the provider's name.
    model: Option<Cow<'a, str>>,
    /// Searches that are charged.
    searches: u64,
    /// `groundingMetadata`, raw.
    grounding: Option<&'a str>,
    /// Where the two members' values stand.
    id_at: Option<Span>,
    model_at: Option<Span>,
    /// A member that is replaced stands twice, or a top-level key is written with escapes: what clients read is not sure.
    irregular: bool,
    /// Before the closing brace.
    end: usize,
    members: bool,
}

fn walk(text: &str) -> Result<Found<'_>, Wrong> {
    let mut found = Found::default();
    let mut typed = Typed::lenient(text);
    if typed.peek() != Some(Kind::Object) {
        // A provider's error may come in an array; nothing else does.
        found.error = typed.peek() == Some(Kind::Array);
        typed.skip()?;
        typed.finish()?;
        return match found.error {
            true => Ok(found),
            false => Err(Wrong::Malformed(Malformed {
                offset: 0,
                why: "expected an object, which starts with `{`",
            })),
        };
    }
    typed.object("answer", |typed, key| {
        found.members = true;
        match key {
            "candidates" => {
                typed.array("candidates", |typed| {
                    found.candidates = true;
                    candidate(typed, &mut found)
                })?;
            }
            "promptFeedback" => prompt_feedback(typed, &mut found)?,
            "usageMetadata" => {
                let metadata = usage::read(typed)?;
                found.usage = metadata.usage.or(found.usage);
                found.tier = metadata.tier.or(found.tier.take());
            }
            "responseId" => {
                typed.peek();
                let start = typed.offset();
                found.id = typed.string("responseId")?;
                let end = typed.offset();
                found.irregular |= found.id_at.replace(Span { start, end }).is_some();
            }
            "modelVersion" => {
                typed.peek();
                let start = typed.offset();
                found.model = typed.string("modelVersion")?;
                let end = typed.offset();
                found.irregular |= found.model_at.replace(Span { start, end }).is_some();
            }
            "embedding" | "embeddings" | "predictions" => {
                found.vectors = true;
                typed.skip()?;
            }
            "error" => found.error = typed.raw_text()?.is_some(),
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    found.end = typed.offset().saturating_sub(1);
    typed.finish()?;
    found.searches = grounding::searches(found.grounding, found.model.as_deref());
    Ok(found)
}

fn candidate<'a>(typed: &mut Typed<'a>, found: &mut Found<'a>) -> Result<(), Wrong> {
    typed.object("candidates[]", |typed, key| {
        match key {
            "content" => {
                typed.object("content", |typed, key| {
                    if key != "parts" {
                        return typed.skip();
                    }
                    typed.array("parts", |typed| {
                        found.content = true;
                        typed.object("parts[]", |typed, key| {
                            match key {
                                "text" => {
                                    let text = typed.raw_text()?.unwrap_or_default();
                                    found.text_bytes += json::unescaped_len(text) as u64;
                                }
                                "functionCall" => {
                                    let call = typed.raw_text()?.unwrap_or_default();
                                    found.calls = true;
                                    found.text_bytes += call.len() as u64;
                                }
                                _ => typed.skip()?,
                            }
                            Ok(())
                        })?;
                        Ok(())
                    })?;
                    Ok(())
                })?;
            }
            "finishReason" => {
                if let Some(word) = typed.string("finishReason")?
                    && word != "FINISH_REASON_UNSPECIFIED"
                {
                    found.finish = Some((Finish::of(&word), word));
                }
            }
            "groundingMetadata" => found.grounding = typed.raw_text()?,
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(())
}

fn prompt_feedback<'a>(typed: &mut Typed<'a>, found: &mut Found<'a>) -> Result<(), Wrong> {
    typed.object("promptFeedback", |typed, key| {
        match key {
            "blockReason" => {
                if let Some(reason) = typed.string("blockReason")? {
                    found.finish = Some((Finish::ContentFilter, reason));
                }
            }
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(())
}

/// Appends a document with the two members replaced or added.
fn write(text: &str, found: &Found<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
    out.reserve(text.len() + serving.id.len() + serving.model.len() + 40);
    let mut edits = [
        (found.id_at, "responseId", serving.id),
        (found.model_at, "modelVersion", serving.model),
    ];
    edits.sort_by_key(|(at, ..)| at.map_or(usize::MAX, |at| at.start));
    let mut copied = 0;
    let mut comma = found.members;
    for (at, name, value) in edits {
        let span = at.unwrap_or(Span {
            start: found.end,
            end: found.end,
        });
        let before = Span {
            start: copied,
            end: span.start,
        };
        out.extend_from_slice(before.of(text).as_bytes());
        copied = span.end;
        if at.is_none() {
            if std::mem::replace(&mut comma, true) {
                out.push(b',');
            }
            write_string(name, out);
            out.push(b':');
        }
        write_string(value, out);
    }
    let rest = Span {
        start: copied,
        end: text.len(),
    };
    out.extend_from_slice(rest.of(text).trim_ascii_end().as_bytes());
}

/// Appends a plain answer. On an error `out` may hold a beginning, which the caller cuts off.
pub(crate) fn answer(
    text: &str,
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    let found = walk(text).map_err(|wrong| Unusable::Malformed(wrong.malformed()))?;
    if found.error {
        let error = UpstreamError::read(text.as_bytes());
        return Err(Unusable::ErrorInside {
            status: error.status,
            message: error.message,
            raw: error.raw,
        });
    }
    match serving.api.task() {
        Task::Generate => {
            if !found.candidates && found.finish.is_none() {
                return Err(Unusable::NoChoices);
            }
            if found.irregular {
                let canonical = json::canonical(text, Reach::Top).map_err(Unusable::Malformed)?;
                let again =
                    walk(&canonical).map_err(|wrong| Unusable::Malformed(wrong.malformed()))?;
                write(&canonical, &again, serving, out);
            } else {
                write(text, &found, serving, out);
            }
        }
        Task::CountTokens => {
            out.extend_from_slice(text.as_bytes());
            return Ok(nothing_used());
        }
        _ if !found.vectors => return Err(Unusable::NoChoices),
        _ => out.extend_from_slice(text.as_bytes()),
    }
    let (mut usage, usage_source) = counted(found.usage, input_bytes, found.text_bytes);
    usage.web_searches = found.searches;
    let said = found.finish.as_ref().map(|(finish, _)| *finish);
    let generated = serving.api.task() == Task::Generate;
    let cost = Cost::of(&usage, serving.prices, found.tier.as_deref());
    Ok(Facts {
        usage,
        usage_source,
        cost: match generated {
            true => cost.charged(said, usage.completion),
            false => cost,
        },
        finish: generated.then(|| finish(said, found.calls)),
        native_finish: found.finish.map(|(_, word)| finish::native(&word)),
        upstream_id: found.id.map(Cow::into_owned),
    })
}

/// Counting is free of charge.
fn nothing_used() -> Facts {
    Facts {
        usage: Usage::default(),
        usage_source: UsageSource::None,
        cost: Cost::default(),
        finish: None,
        native_finish: None,
        upstream_id: None,
    }
}

/// Edits one stream.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    /// The event that ends the answer, and what came after it, as events.
    held: Vec<u8>,
    /// Bytes of the event with the reason for the end; 0 before it.
    ending_bytes: usize,
}

impl Editor {
    pub(crate) fn new(_serving: &Serving<'_>) -> Editor {
        Editor::default()
    }
}

impl FrameEditor for Editor {
    fn frame(
        &mut self,
        frame: Frame<'_>,
        notes: &mut Notes,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        if frame.data.trim_ascii() == b"[DONE]" {
            notes.done = true;
            return Ok(());
        }
        let malformed = |wrong: Malformed| StreamFault::Malformed {
            offset: wrong.offset,
            why: wrong.why,
        };
        let text = json::text(frame.data).map_err(malformed)?;
        let found = walk(text).map_err(|wrong| malformed(wrong.malformed()))?;
        if found.error {
            let error = UpstreamError::read(frame.data);
            return Err(StreamFault::ErrorInside {
                status: error.status,
                message: error.message,
                raw: error.raw,
            });
        }
        note(&found, notes);
        let ending = found.finish.is_some();
        let ended = ending || !self.held.is_empty();
        let out = match ended {
            true => &mut self.held,
            false => out,
        };
        out.extend_from_slice(b"data: ");
        // A document may stand on several lines, and a line of an event may not: joined by spaces it is the same document.
        let start = out.len();
        if found.irregular {
            let canonical = json::canonical(text, Reach::Top).map_err(malformed)?;
            let again = walk(&canonical).map_err(|wrong| malformed(wrong.malformed()))?;
            write(&canonical, &again, serving, out);
        } else {
            write(text, &found, serving, out);
        }
        for byte in out.iter_mut().skip(start) {
            if matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        out.extend_from_slice(b"\n\n");
        if ending {
            self.ending_bytes = self.held.len();
        } else if self.held.len().saturating_sub(self.ending_bytes) > HELD_BYTES_MAX {
            notes.done = true;
        }
        Ok(())
    }

    fn end(&mut self, _closing: &Closing<'_>, _serving: &Serving<'_>, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    fn interrupted(
        &mut self,
        refusal: &Refusal,
        _closing: &Closing<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        self.held = Vec::new();
        out.extend_from_slice(b"data: ");
        write_refusal(refusal, serving.id, out);
        out.extend_from_slice(b"\n\n");
    }

    fn held_bytes(&self) -> usize {
        size_of::<Editor>() + self.held.capacity()
    }
}

fn note(found: &Found<'_>, notes: &mut Notes) {
    if notes.upstream_id.is_none() {
        notes.upstream_id = found.id.as_deref().map(str::to_owned);
    }
    notes.events += u64::from(found.content || found.finish.is_some());
    let searches = notes.usage.map_or(0, |usage| usage.web_searches);
    notes.usage = found.usage.or(notes.usage).map(|usage| Usage {
        web_searches: searches.max(found.searches),
        ..usage
    });
    notes.text_bytes += found.text_bytes;
    notes.tool_calls |= found.calls;
    if let Some(tier) = &found.tier
        && notes.service_tier.as_deref() != Some(tier)
    {
        notes.service_tier = Some(tier.clone().into_owned());
    }
    if let Some((finish, word)) = &found.finish {
        notes.finish = Some(*finish);
        notes.native.clear();
        notes.native.push_str(word);
    }
}
