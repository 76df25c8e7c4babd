//! The one pass over a body: where the members are that the gateway acts on.

use crate::json::{Key, Kind, Malformed, Span, Value, Walker, Watch};
use crate::parameter::Parameter;
use crate::refusal::{Kind as RefusalKind, Refusal};

/// The one pass over the body. In a canonical text a key with an escape is none of interest, because those need no escape.
pub(super) fn scan(text: &str, canonical: bool, scan: &mut Scan) -> Result<(), Stop> {
    *scan = Scan::default();
    let mut walker = Walker::new(text);
    if walker.peek().is_some_and(|kind| kind != Kind::Object) {
        return Err(Stop::Malformed(Malformed {
            offset: walker.offset(),
            why: NOT_AN_OBJECT,
        }));
    }
    // The brace is where peeking stopped, after white space.
    scan.inside = walker.offset() + 1;
    let mut more = walker.enter_object()?;
    let mut before = None;
    // The last member is a noted one whose `next` is not known yet.
    let mut open = false;
    while more {
        let (start, (field, what)) = member(&mut walker, canonical)?;
        if open {
            if let Some(last) = scan.noted.last_mut() {
                last.next = start;
            }
            open = false;
        }
        let value = walker.value_watched(&mut scan.developer)?;
        if let Some(field) = field {
            let place = &mut scan.values[field as usize];
            // In its canonical form a body has no name twice, but it may have a field in both spellings.
            if place.is_some() && !canonical {
                return Err(Stop::Irregular);
            }
            *place = Some(value);
        }
        if let Some(what) = what {
            // Several names are no more than routing ones or extensions; of the others each has its own word.
            let distinct = !matches!(what, What::Routing | What::Extension);
            if distinct && scan.noted.iter().any(|noted| noted.what == what) {
                return Err(Stop::Irregular);
            }
            if scan.noted.is_empty() {
                // Made at once, which is cheaper than letting the first element grow it.
                scan.noted = Vec::with_capacity(NOTED_USUALLY);
            }
            scan.noted.push(Noted {
                what,
                value,
                before: before.unwrap_or(start),
                span: Span {
                    start,
                    end: value.span.end,
                },
                next: value.span.end,
                index: scan.members,
            });
            open = true;
        }
        before = Some(value.span.end);
        scan.members += 1;
        more = walker.next_member()?;
    }
    walker.finish()?;
    Ok(())
}

/// Reads a key; where it starts, and what is known of it. The keys of nearly every body come first, told by their first letter
/// and compared as one constant.
#[inline(always)]
fn member(walker: &mut Walker<'_>, canonical: bool) -> Result<(usize, Known), Stop> {
    let start = walker.offset();
    let usual = match walker.letter() {
        b'm' if walker.takes(b"\"model\":") => (Some(Field::Model), None),
        b'm' if walker.takes(b"\"messages\":") => (None, None),
        b'm' if walker.takes(b"\"max_tokens\":") => MAX_TOKENS,
        b's' if walker.takes(b"\"stream\":") => (Some(Field::Stream), None),
        b't' if walker.takes(b"\"temperature\":") => TEMPERATURE,
        _ => {
            let key: Key<'_> = walker.key()?;
            if key.escaped && !canonical {
                return Err(Stop::Irregular);
            }
            let known = match key.escaped {
                true => (None, None),
                false => named(key.name),
            };
            return Ok((key.start, known));
        }
    };
    Ok((start, usual))
}

/// More than most bodies have.
const NOTED_USUALLY: usize = 4;

/// What the pass found. Handed in to be filled, because it is large.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) inside: usize,
    pub(super) members: usize,
    pub(super) values: [Option<Value>; FIELDS],
    pub(super) noted: Vec<Noted>,
    pub(super) developer: Developer,
}

/// Whether the word `developer` stands somewhere as a value, as it does for a role. Few bodies hold it, and to look for it
/// here costs a comparison a string, while a search would go through the body once more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Developer {
    pub(super) is_said: bool,
}

impl Watch for Developer {
    #[inline(always)]
    fn string(&mut self, bytes: &[u8], start: usize, end: usize) {
        if end - start == DEVELOPER.len() && bytes.get(start..end) == Some(DEVELOPER) {
            self.is_said = true;
        }
    }
}

/// As it stands in a body.
pub(super) const DEVELOPER: &[u8] = b"\"developer\"";

/// A top-level member that may have to be taken out, or said otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted {
    pub(super) what: What,
    pub(super) value: Value,
    /// Where the value before it ends; the start of the key for the first member.
    pub(super) before: usize,
    /// From the start of its key to the end of its value.
    pub(super) span: Span,
    /// Start of the next key; the end of the value for the last member.
    pub(super) next: usize,
    /// Position among the members, from 0.
    pub(super) index: usize,
}

/// What a noted member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// One of [`ROUTING_FIELDS`].
    Routing,
    /// Anthropic's word for `models`; it routes only there.
    Fallbacks,
    /// A parameter in which endpoints differ.
    Parameter(Parameter),
    /// A word of OpenRouter's that no other provider has.
    Extension,
    User,
    Metadata,
    StreamOptions,
    Store,
    Background,
    PreviousResponseId,
}

pub(super) enum Stop {
    Irregular,
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(wrong: Malformed) -> Self {
        Stop::Malformed(wrong)
    }
}

/// Members of interest; the position in [`Scan::values`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Model,
    Models,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    /// The limit in the responses API.
    MaxOutputTokens,
    /// Where Gemini's API has the limit.
    GenerationConfig,
    Provider,
    /// The older word for a part of it.
    Route,
    ServiceTier,
    /// Anthropic's other word for a tier.
    Speed,
    /// Where the responses API has the form of the answer, and where Anthropic's has it.
    Text,
    OutputConfig,
    SessionId,
    PromptCacheKey,
    User,
}

const FIELDS: usize = Field::User as usize + 1;

/// What is known of a member by its name: that its value is of interest, that the member may have to go or to change, or both.
type Known = (Option<Field>, Option<What>);

const MAX_TOKENS: Known = (
    Some(Field::MaxTokens),
    Some(What::Parameter(Parameter::MaxTokens)),
);

const TEMPERATURE: Known = (None, Some(What::Parameter(Parameter::Temperature)));

/// Looks a name up that is none of the usual ones.
#[inline]
pub(super) fn named(name: &str) -> Known {
    match name {
        "model" => (Some(Field::Model), None),
        "stream" => (Some(Field::Stream), None),
        "messages" | "input" | "prompt" | "instructions" | "contents" | "system" => (None, None),
        "models" => (Some(Field::Models), Some(What::Routing)),
        "provider" => (Some(Field::Provider), Some(What::Routing)),
        "session_id" => (Some(Field::SessionId), Some(What::Routing)),
        "route" => (Some(Field::Route), Some(What::Routing)),
        "service_tier" | "serviceTier" => (Some(Field::ServiceTier), None),
        "speed" => (Some(Field::Speed), None),
        "text" => (Some(Field::Text), None),
        "output_config" => (Some(Field::OutputConfig), None),
        "plugins" | "preset" | "transforms" | "trace" | "usage" | "debug" => {
            (None, Some(What::Routing))
        }
        "stream_options" => (Some(Field::StreamOptions), Some(What::StreamOptions)),
        "max_tokens" => MAX_TOKENS,
        "max_output_tokens" => (Some(Field::MaxOutputTokens), None),
        "prompt_cache_key" => (Some(Field::PromptCacheKey), None),
        "generationConfig" | "generation_config" => (Some(Field::GenerationConfig), None),
        "max_completion_tokens" => (
            Some(Field::MaxCompletionTokens),
            Some(What::Parameter(Parameter::MaxCompletionTokens)),
        ),
        "user" => (Some(Field::User), Some(What::User)),
        "metadata" => (None, Some(What::Metadata)),
        "fallbacks" => (None, Some(What::Fallbacks)),
        "store" => (None, Some(What::Store)),
        "background" => (None, Some(What::Background)),
        "previous_response_id" => (None, Some(What::PreviousResponseId)),
        "image_config"
        | "cache_control"
        | "max_tool_calls"
        | "stop_server_tools_when"
        | "deferred_tools"
        | "x_search_filter" => (None, Some(What::Extension)),
        name => (None, Parameter::of(name).map(What::Parameter)),
    }
}

const NOT_AN_OBJECT: &str = "the body must be a JSON object, which starts with `{`";

pub(super) fn malformed(body: &[u8], wrong: Malformed) -> Refusal {
    if wrong.why == NOT_AN_OBJECT {
        return Refusal::new(RefusalKind::MalformedJson).with_message(NOT_AN_OBJECT);
    }
    Refusal::new(RefusalKind::MalformedJson)
        .with_message(format!("the body is {}", wrong.describe(body)))
}
