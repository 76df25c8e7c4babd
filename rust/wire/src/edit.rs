//! Editing a provider's document in one pass: what a plain answer and a chunk of a stream have in common.
//!
//! The document is walked once. Where a member has to change, the bytes up to it are copied to the output and the new value
//! is written; everything else is copied as it stands. What is missing is added before the closing brace. Nothing is decoded
//! into a tree and nothing is allocated but the output.
//!
//! A document in which a member of interest stands twice, or a key is written with escapes, can be read in two ways. The walk
//! then stops as [`Stop::Irregular`], and the caller walks the canonical form instead ([`crate::json::canonical`]).

use std::borrow::Cow;

use crate::answer::Serving;
use crate::api::Api;
use crate::cost::{Cost, ServiceTier};
use crate::finish::{self, Finish};
use crate::json::{self, Kind, Malformed, Span, Value, Walker, write_number, write_string};
use crate::usage;

/// Why a walk did not reach its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The document can be read in two ways.
    Irregular,
    /// It is not JSON, or a part that is edited has the wrong type.
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(wrong: Malformed) -> Self {
        Stop::Malformed(wrong)
    }
}

/// Which document is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A whole answer: `usage` is edited in place.
    Plain,
    /// One chunk of a stream: `usage` is taken out, and `created` is ours so that all chunks agree.
    Chunk,
}

/// What the walk found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Where `choices` (`data` of embeddings) stands, when it is an array.
    pub(crate) result: Option<Span>,
    /// How many elements it has; for embeddings 1 stands for any.
    pub(crate) results: usize,
    /// The last usage that says something: where it stands, and what it says.
    pub(crate) usage: Option<(Span, usage::Read)>,
    /// Where in the output a usage has to go that says nothing; plain answers only.
    pub(crate) usage_hole: Option<usize>,
    /// Offset in the output before the closing brace.
    pub(crate) end: usize,
    /// `id` that the provider gave.
    pub(crate) id: Option<Value>,
    /// A top-level `error` that is not null.
    pub(crate) error: bool,
    /// Of the last choice that has one.
    pub(crate) finish: Option<Finish>,
    /// The provider's word for it.
    pub(crate) native: Option<Cow<'static, str>>,
    /// The tier that served, when it is not the ordinary one. Only looked for where a price depends on it.
    pub(crate) service_tier: Option<ServiceTier>,
    /// The last string that was counted as text, and where in the output it goes; chunks only.
    pub(crate) text: Option<(Value, usize)>,
    /// Bytes of text that deltas hold; chunks only.
    pub(crate) text_bytes: u64,
    /// A delta calls a tool; chunks only.
    pub(crate) tool_calls: bool,
}

/// Copies a text to an output with some spans replaced, in order.
struct Cut<'a, 'o> {
    text: &'a str,
    out: &'o mut Vec<u8>,
    copied: usize,
}

impl Cut<'_, '_> {
    /// Copies up to the span, skips it, and returns the output for what stands there instead.
    #[inline]
    fn replace(&mut self, span: Span) -> &mut Vec<u8> {
        let before = Span {
            start: self.copied,
            end: span.start,
        };
        self.out.extend_from_slice(before.of(self.text).as_bytes());
        self.copied = span.end;
        self.out
    }

    #[inline]
    fn insert(&mut self, at: usize) -> &mut Vec<u8> {
        self.replace(Span { start: at, end: at })
    }
}

const ID: u32 = 1;
const OBJECT: u32 = 1 << 1;
const CREATED: u32 = 1 << 2;
const MODEL: u32 = 1 << 3;
const PROVIDER: u32 = 1 << 4;
const RESULT: u32 = 1 << 5;
const USAGE: u32 = 1 << 6;
const ERROR: u32 = 1 << 7;
const SERVICE_TIER: u32 = 1 << 8;

/// Walks `text`, appends the edited document to `out` and says in `found` what it saw. On an error `out` holds a part of the document,
/// which the caller drops.
pub(crate) fn document(
    text: &str,
    shape: Shape,
    canonical: bool,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
    found: &mut Found,
) -> Result<(), Stop> {
    *found = Found::default();
    let mut walker = Walker::new(text);
    let mut cut = Cut {
        text,
        out,
        copied: 0,
    };
    let wants_tier = serving
        .prices
        .is_some_and(|prices| prices.depend_on_service());
    let mut seen = 0u32;
    // End of the last value, kept or not; where the members end.
    let mut last_end = 0;
    let mut kept = false;
    // A member before all kept ones was taken out: what separates it from the next key goes too.
    let mut drop_to_next_key = None;
    let mut more = walker.enter_object()?;
    if !more {
        last_end = walker.offset() - 1;
    }
    while more {
        let (key_start, member) = member(&mut walker, serving.api, canonical)?;
        if let Some(start) = drop_to_next_key.take() {
            cut.replace(Span {
                start,
                end: key_start,
            });
        }
        let mut keep = true;
        match member {
            USAGE => {
                walker.peek();
                let start = walker.offset();
                let read = usage::read(&mut walker, canonical)?;
                let span = Span {
                    start,
                    end: walker.offset(),
                };
                match shape {
                    Shape::Chunk => {
                        keep = false;
                        if kept {
                            cut.replace(Span {
                                start: last_end,
                                end: span.end,
                            });
                        } else {
                            drop_to_next_key = Some(key_start);
                        }
                    }
                    Shape::Plain => match &read {
                        Some(read) => {
                            if wants_tier && found.service_tier.is_none() {
                                found.service_tier = tier_ahead(walker.clone());
                            }
                            let service_tier = found.service_tier.map(ServiceTier::name);
                            let cost = Cost::of(&read.usage, serving.prices, service_tier);
                            usage::write(
                                span.of(text),
                                read,
                                serving.api,
                                &cost,
                                cut.replace(span),
                            );
                        }
                        None => found.usage_hole = Some(cut.replace(span).len()),
                    },
                }
                if let Some(read) = read {
                    found.usage = Some((span, read));
                }
            }
            RESULT if walker.peek() == Some(Kind::Array) => {
                let start = walker.offset();
                found.results = if serving.api.streams() {
                    choices(text, &mut walker, &mut cut, shape, canonical, found)?
                } else {
                    let value = walker.value()?;
                    usize::from(!json::inside(value.raw(text)).trim_ascii().is_empty())
                };
                found.result = Some(Span {
                    start,
                    end: walker.offset(),
                });
            }
            _ => {
                let value = walker.value()?;
                match member {
                    ID => {
                        found.id = Some(value);
                        write_string(serving.id, cut.replace(value.span));
                    }
                    MODEL => write_string(serving.model, cut.replace(value.span)),
                    PROVIDER => write_string(serving.provider, cut.replace(value.span)),
                    CREATED if shape == Shape::Chunk || value.kind != Kind::Number => {
                        write_number(serving.created, cut.replace(value.span));
                    }
                    RESULT if shape == Shape::Chunk => {
                        cut.replace(value.span).extend_from_slice(b"[]");
                    }
                    ERROR => found.error = value.kind != Kind::Null,
                    SERVICE_TIER if wants_tier => found.service_tier = tier(text, &value),
                    _ => {}
                }
            }
        }
        let bit = member;
        if seen & bit != 0 && !canonical {
            return Err(Stop::Irregular);
        }
        seen |= bit;
        kept |= keep;
        last_end = walker.offset();
        more = walker.next_member()?;
    }
    walker.finish()?;
    if let Some(start) = drop_to_next_key {
        cut.replace(Span {
            start,
            end: last_end,
        });
    }
    let out = cut.insert(last_end);
    add_missing(seen, shape, kept, serving, out);
    found.end = out.len();
    cut.replace(Span {
        start: text.len(),
        end: text.len(),
    });
    Ok(())
}

/// Reads the key of a member of the document; where it starts, and which member it is, 0 for one that is left alone.
///
/// The usual keys are recognised by their first letter and then compared as a whole; the others are read as what they are.
#[inline(always)]
fn member(walker: &mut Walker<'_>, api: Api, canonical: bool) -> Result<(usize, u32), Stop> {
    let start = walker.offset();
    let usual = match walker.letter() {
        b'i' if walker.takes(b"\"id\":") => ID,
        b'o' if walker.takes(b"\"object\":") => OBJECT,
        b'c' if walker.takes(b"\"created\":") => CREATED,
        b'c' if api.streams() && walker.takes(b"\"choices\":") => RESULT,
        b'm' if walker.takes(b"\"model\":") => MODEL,
        b'u' if walker.takes(b"\"usage\":") => USAGE,
        b's' if walker.takes(b"\"service_tier\":") => SERVICE_TIER,
        b's' if walker.takes(b"\"system_fingerprint\":") => 0,
        _ => {
            let key = walker.key()?;
            if key.escaped && !canonical {
                return Err(Stop::Irregular);
            }
            let member = match key.name {
                "id" => ID,
                "object" => OBJECT,
                "created" => CREATED,
                "model" => MODEL,
                "provider" => PROVIDER,
                "usage" => USAGE,
                "error" => ERROR,
                "service_tier" => SERVICE_TIER,
                name if name == api.result_key() => RESULT,
                _ => 0,
            };
            return Ok((key.start, member));
        }
    };
    Ok((start, usual))
}

/// The tier that a value names, when it has prices of its own.
fn tier(text: &str, value: &Value) -> Option<ServiceTier> {
    ServiceTier::named(&value.string(text)?)
}

/// The tier that served, from the members after the one that `walker` has just read: most providers name it after the usage,
/// which holds the cost. What cannot be read ends the search; the document's own walk will say so.
fn tier_ahead(mut walker: Walker<'_>) -> Option<ServiceTier> {
    while walker.next_member().ok()? {
        let name = walker.key().ok()?.name;
        let value = walker.value().ok()?;
        if name == "service_tier" {
            return tier(walker.text(), &value);
        }
    }
    None
}

/// Appends the members of the envelope that the provider left out.
fn add_missing(seen: u32, shape: Shape, mut any: bool, serving: &Serving<'_>, out: &mut Vec<u8>) {
    let mut member = |bit: u32, name: &[u8], out: &mut Vec<u8>| {
        if seen & bit != 0 {
            return false;
        }
        if any {
            out.push(b',');
        }
        any = true;
        out.extend_from_slice(name);
        true
    };
    if member(ID, b"\"id\":", out) {
        write_string(serving.id, out);
    }
    if member(OBJECT, b"\"object\":", out) {
        let object = match shape {
            Shape::Plain => serving.api.object(),
            Shape::Chunk => serving.api.chunk_object(),
        };
        write_string(object, out);
    }
    if serving.api.streams() && member(CREATED, b"\"created\":", out) {
        write_number(serving.created, out);
    }
    if member(MODEL, b"\"model\":", out) {
        write_string(serving.model, out);
    }
    if member(PROVIDER, b"\"provider\":", out) {
        write_string(serving.provider, out);
    }
    if shape == Shape::Chunk {
        // Clients read `choices` of every chunk, so it is never left out.
        member(RESULT, b"\"choices\":[]", out);
    }
}

/// Edits the array of choices; returns how many there are.
fn choices(
    text: &str,
    walker: &mut Walker<'_>,
    cut: &mut Cut<'_, '_>,
    shape: Shape,
    canonical: bool,
    found: &mut Found,
) -> Result<usize, Stop> {
    let mut count = 0;
    let mut more = walker.enter_array()?;
    while more {
        choice(text, walker, cut, shape, canonical, found)?;
        count += 1;
        more = walker.next_element()?;
    }
    Ok(count)
}

const FINISH: u32 = 1;
const NATIVE: u32 = 1 << 1;
const CONTENT: u32 = 1 << 2;
const CHOICE_USAGE: u32 = 1 << 3;

fn choice(
    text: &str,
    walker: &mut Walker<'_>,
    cut: &mut Cut<'_, '_>,
    shape: Shape,
    canonical: bool,
    found: &mut Found,
) -> Result<(), Stop> {
    let mut seen = 0u32;
    let mut finish: Option<Value> = None;
    let mut native: Option<Value> = None;
    let mut more = walker.enter_object()?;
    let any = more;
    let mut last_end = walker.offset().saturating_sub(usize::from(!more));
    while more {
        let bit = choice_member(walker, canonical)?;
        match bit {
            CONTENT if shape == Shape::Chunk => {
                if let Some(value) = content(text, walker, found)? {
                    // Nothing in a delta is replaced, so all up to here will be copied as it stands.
                    found.text = Some((value, cut.out.len() + value.span.start - cut.copied));
                }
            }
            // Moonshot puts the usage of a stream into its last choice (its API reference, 2026-11).
            CHOICE_USAGE if shape == Shape::Chunk => {
                walker.peek();
                let start = walker.offset();
                if let Some(read) = usage::read(walker, canonical)? {
                    let span = Span {
                        start,
                        end: walker.offset(),
                    };
                    found.usage = found.usage.or(Some((span, read)));
                }
            }
            _ => {
                let value = walker.value()?;
                match bit {
                    FINISH => {
                        finish = given(value, text);
                        match finish {
                            None if value.kind != Kind::Null => {
                                cut.replace(value.span).extend_from_slice(b"null")
                            }
                            None => {}
                            Some(value) => {
                                let normal = normalised(value, text);
                                if json::inside(value.raw(text)) != normal.name() {
                                    write_string(normal.name(), cut.replace(value.span));
                                }
                                found.finish = Some(normal);
                            }
                        }
                    }
                    NATIVE => native = given(value, text),
                    _ => {}
                }
            }
        }
        // The usage of a choice means nothing in a plain answer, so it may stand there twice.
        let once = match shape {
            Shape::Plain => FINISH | NATIVE,
            Shape::Chunk => FINISH | NATIVE | CHOICE_USAGE,
        };
        if seen & bit & once != 0 && !canonical {
            return Err(Stop::Irregular);
        }
        seen |= bit;
        last_end = walker.offset();
        more = walker.next_member()?;
    }
    if let Some(word) = native.or(finish) {
        found.native = Some(match word.string(text) {
            Some(word) => finish::native(&word),
            None => Cow::Owned(word.raw(text).to_owned()),
        });
    }
    if seen & (FINISH | NATIVE) != FINISH | NATIVE {
        let out = cut.insert(last_end);
        if seen & FINISH == 0 {
            out.extend_from_slice(if any {
                b",\"finish_reason\":null"
            } else {
                b"\"finish_reason\":null"
            });
        }
        if seen & NATIVE == 0 {
            out.extend_from_slice(b",\"native_finish_reason\":");
            match finish {
                Some(value) => out.extend_from_slice(value.raw(text).as_bytes()),
                None => out.extend_from_slice(b"null"),
            }
        }
    }
    Ok(())
}

/// Reads the key of a member of a choice, as [`member`] does for the document.
#[inline(always)]
fn choice_member(walker: &mut Walker<'_>, canonical: bool) -> Result<u32, Stop> {
    Ok(match walker.letter() {
        b'i' if walker.takes(b"\"index\":") => 0,
        b'm' if walker.takes(b"\"message\":") => CONTENT,
        b'd' if walker.takes(b"\"delta\":") => CONTENT,
        b'l' if walker.takes(b"\"logprobs\":") => 0,
        b'f' if walker.takes(b"\"finish_reason\":") => FINISH,
        _ => {
            let key = walker.key()?;
            if key.escaped && !canonical {
                return Err(Stop::Irregular);
            }
            match key.name {
                "finish_reason" => FINISH,
                "native_finish_reason" => NATIVE,
                "delta" | "message" | "text" => CONTENT,
                "usage" => CHOICE_USAGE,
                _ => 0,
            }
        }
    })
}

/// A reason that says something: not null, and not the empty string that some servers put into every chunk.
fn given(value: Value, text: &str) -> Option<Value> {
    let nothing =
        value.kind == Kind::Null || (value.kind == Kind::Plain && value.raw(text) == "\"\"");
    (!nothing).then_some(value)
}

fn normalised(value: Value, text: &str) -> Finish {
    match value.string(text) {
        Some(word) => Finish::of(&word),
        None => Finish::Stop,
    }
}

/// Counts the text in a delta, a message, or a bare `text`, which `walker` stands at. Returns the last string that it counted.
fn content(
    text: &str,
    walker: &mut Walker<'_>,
    found: &mut Found,
) -> Result<Option<Value>, Malformed> {
    if walker.peek() != Some(Kind::Object) {
        let value = walker.value()?;
        found.text_bytes += string_len(&value, text);
        return Ok(value.kind.is_string().then_some(value));
    }
    let mut last = None;
    let mut more = walker.enter_object()?;
    while more {
        let key = walker.key()?;
        let value = walker.value()?;
        match key.name {
            "content" | "reasoning" | "reasoning_content" | "refusal" => {
                found.text_bytes += match value.kind {
                    Kind::Array => parts_len(value.raw(text)),
                    _ => string_len(&value, text),
                };
                if value.kind.is_string() {
                    last = Some(value);
                }
            }
            "tool_calls" | "function_call" => {
                let len = parts_len(value.raw(text));
                found.text_bytes += len;
                found.tool_calls |= value.kind == Kind::Object
                    || (value.kind == Kind::Array && value.raw(text).len() > 2);
            }
            _ => {}
        }
        more = walker.next_member()?;
    }
    Ok(last)
}

/// Bytes of text that a string stands for; 0 for another value.
#[inline]
pub(crate) fn string_len(value: &Value, text: &str) -> u64 {
    match value.kind {
        Kind::Plain => (value.span.end - value.span.start - 2) as u64,
        Kind::Escaped => json::unescaped_len(value.raw(text)) as u64,
        _ => 0,
    }
}

/// Bytes of generated text inside content parts or tool calls, at whatever depth: what stands under the names that such
/// objects use for it.
fn parts_len(raw: &str) -> u64 {
    fn walk(raw: &str, walker: &mut Walker<'_>, counts: bool) -> Result<u64, Malformed> {
        let mut len = 0;
        match walker.peek() {
            Some(Kind::Object) => {
                let mut more = walker.enter_object()?;
                while more {
                    let key = walker.key()?;
                    let counts = matches!(
                        key.name,
                        "text" | "thinking" | "arguments" | "name" | "input"
                    );
                    len += walk(raw, walker, counts)?;
                    more = walker.next_member()?;
                }
            }
            Some(Kind::Array) => {
                let mut more = walker.enter_array()?;
                while more {
                    len += walk(raw, walker, counts)?;
                    more = walker.next_element()?;
                }
            }
            _ => {
                let value = walker.value()?;
                if counts {
                    len += string_len(&value, raw);
                }
            }
        }
        Ok(len)
    }
    // The text was validated just before; a fault would only make the estimate smaller.
    walk(raw, &mut Walker::new(raw), false).unwrap_or(0)
}

/// Bytes of generated text in a whole `choices` array.
pub(crate) fn text_bytes(choices: &str) -> u64 {
    fn walk(text: &str) -> Result<u64, Malformed> {
        let mut found = Found::default();
        let mut walker = Walker::new(text);
        let mut more = walker.enter_array()?;
        while more {
            let mut member = walker.enter_object()?;
            while member {
                let key = walker.key()?;
                match key.name {
                    "message" | "delta" | "text" => {
                        content(text, &mut walker, &mut found)?;
                    }
                    _ => {
                        walker.value()?;
                    }
                }
                member = walker.next_member()?;
            }
            more = walker.next_element()?;
        }
        Ok(found.text_bytes)
    }
    // As above: it was walked before.
    walk(choices).unwrap_or(0)
}
