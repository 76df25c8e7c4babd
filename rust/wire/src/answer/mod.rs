//! A provider's plain answer, made the client's.
//!
//! Where both speak the same protocol the answer keeps its bytes, and only the members change that the gateway speaks for (`openai.rs`
//! here, and [`crate::pass`]). Otherwise it is read into the middle shape and written from it.
//!
//! An answer that is of no use to the client is not edited but reported as [`Unusable`], because another endpoint may do
//! better: an empty body, broken JSON, no choices, or an error inside a 200.

use std::borrow::Cow;
use std::fmt;

use crate::api::chat::Shown;
use crate::api::{self, Api, Task};
use crate::cost::{Cost, Prices};
use crate::dialect::{self, Dialect};
use crate::exchange::{Answer, Block, EmbedAnswer, RerankAnswer};
use crate::finish::Finish;
use crate::json::{self, Malformed};
use crate::upstream_error::UpstreamError;
use crate::usage::{Usage, UsageSource};

mod openai;

/// What the gateway says about an answer: who serves it, under which name, at which price.
#[derive(Debug, Clone, Copy)]
pub struct Serving<'a> {
    /// The API that the client speaks.
    pub api: Api,
    /// The protocol of the provider.
    pub dialect: Dialect,
    /// The client's own body, for what an answer repeats of its request or depends on; see
    /// [`crate::request::Request::asked_of`].
    pub asked: &'a str,
    /// Generation id, the same as in the header.
    pub id: &'a str,
    /// Unix seconds.
    pub created: u64,
    /// Unix seconds at the moment of the call, for what is written when an answer is complete. This crate has no clock.
    pub now: fn() -> u64,
    /// The slug that serves.
    pub model: &'a str,
    /// Display name of the provider.
    pub provider: &'a str,
    /// `None`: unknown, and the cost is zero for that reason.
    pub prices: Option<&'a Prices>,
}

impl Serving<'_> {
    /// Whether the provider's answer passes with few changes, because both sides speak the same. In OpenAI's older family one does
    /// not whose thought has to be hidden: that is done on the way through the middle shape.
    #[inline]
    pub(crate) fn passes(&self) -> bool {
        let same = self.dialect == self.api.home();
        match same && self.dialect == Dialect::OpenAi && self.api.streams() {
            true => Shown::of(self.asked) == Shown::Thought,
            false => same,
        }
    }
}

#[cfg(test)]
impl Serving<'static> {
    /// What tests answer with: from a provider of the API's own protocol, at no known price. A test names what it changes.
    pub(crate) const fn example(api: Api) -> Serving<'static> {
        Serving {
            api,
            dialect: api.home(),
            asked: "{}",
            id: "gen-1-a",
            created: 5,
            now: || 9,
            model: "a/b",
            provider: "P",
            prices: None,
        }
    }
}

/// What is booked of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Tokens.
    pub usage: Usage,
    /// Who counted them.
    pub usage_source: UsageSource,
    /// What they cost.
    pub cost: Cost,
    /// Why the generation ended; `None` when the provider did not say.
    pub finish: Option<Finish>,
    /// The provider's own word for it. The usual words are static, so that no allocation is made for them.
    pub native_finish: Option<Cow<'static, str>>,
    /// `id` that the provider gave.
    pub upstream_id: Option<String>,
}

/// Why an answer with a good status is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// No byte, or only white space.
    Empty,
    /// Not JSON, not an object, or a choice that is none.
    Malformed(Malformed),
    /// Nothing was answered: `choices` (`data` of embeddings) is missing, empty or not an array.
    NoChoices,
    /// An `error` object instead of an answer.
    ErrorInside {
        /// HTTP status that the error names.
        status: Option<u16>,
        /// The provider's sentence; empty when it has none.
        message: String,
        /// The body, cut to [`crate::upstream_error::RAW_BYTES_MAX`].
        raw: String,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Empty => f.write_str("the provider's answer was empty"),
            Unusable::Malformed(wrong) => write!(f, "the provider's answer is {wrong}"),
            Unusable::NoChoices => f.write_str("the provider's answer holds no result"),
            Unusable::ErrorInside { message, .. } if message.is_empty() => {
                f.write_str("the provider answered with an error inside a success")
            }
            Unusable::ErrorInside { message, .. } => f.write_str(message),
        }
    }
}

/// What stands at the end of an answer, decided once for all writers.
#[derive(Debug, Clone)]
pub struct Closing<'a> {
    /// Tokens, counted or estimated.
    pub usage: Usage,
    /// Who counted.
    pub usage_source: UsageSource,
    /// What they cost.
    pub cost: Cost,
    /// Why the generation ended.
    pub finish: Finish,
    /// The provider's own word for that.
    pub native: &'a str,
    /// The stop text that was met.
    pub stop_sequence: Option<&'a str>,
    /// The tier that served.
    pub service_tier: Option<&'a str>,
}

impl Closing<'_> {
    /// What is booked of it.
    pub(crate) fn facts(&self, upstream_id: Option<String>) -> Facts {
        Facts {
            usage: self.usage,
            usage_source: self.usage_source,
            cost: self.cost,
            finish: Some(self.finish),
            native_finish: Some(Cow::Owned(self.native.to_owned())),
            upstream_id,
        }
    }
}

/// The usage that an answer is booked with: the provider's, or an estimate from bytes.
pub(crate) fn counted(
    usage: Option<Usage>,
    input_bytes: usize,
    output_bytes: u64,
) -> (Usage, UsageSource) {
    match usage {
        Some(usage) => (usage, UsageSource::Upstream),
        None => (
            Usage::estimated(input_bytes as u64, output_bytes),
            UsageSource::Estimated,
        ),
    }
}

/// Appends the client's answer to `out`; on an error `out` is as it was.
///
/// `input_bytes` is the size of the request's body, from which prompt tokens are estimated if the provider did not count.
pub fn edit(
    body: &[u8],
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    if serving.passes() && serving.dialect == Dialect::OpenAi {
        return openai::edit(body, serving, input_bytes, out);
    }
    let mark = out.len();
    let made = other(body, serving, input_bytes, out);
    if made.is_err() {
        out.truncate(mark);
    }
    made
}

fn other(
    body: &[u8],
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    let text = document(body)?;
    if serving.passes() {
        return crate::pass::answer(text, serving, input_bytes, out)
            .map_err(|unusable| inside(unusable, body));
    }
    match serving.api.task() {
        Task::Generate => {
            let answer =
                dialect::read_answer(serving.dialect, text).map_err(|e| inside(e, body))?;
            let (closing, facts) = close(&answer, serving, input_bytes)?;
            api::write_answer(&answer, &closing, serving, out);
            Ok(facts)
        }
        Task::Embed => {
            let answer = dialect::read_embed(serving.dialect, text).map_err(|e| inside(e, body))?;
            let closing = close_embed(&answer, serving, input_bytes);
            api::write_embed(&answer, &closing, serving, out);
            Ok(without_finish(&closing, &answer.id))
        }
        Task::Rerank => ranking(text, serving, input_bytes, out),
        // Never translated: an endpoint without the same words is not asked.
        Task::CountTokens | Task::Image | Task::Speak | Task::Transcribe | Task::Moderate => {
            Err(Unusable::NoChoices)
        }
    }
}

/// Rankings have one form everywhere.
pub(crate) fn ranking(
    text: &str,
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    let answer = dialect::read_rerank(text).map_err(|e| inside(e, text.as_bytes()))?;
    let closing = close_rerank(&answer, serving, input_bytes);
    api::write_rerank(&answer, &closing, serving, out);
    Ok(without_finish(&closing, &answer.id))
}

/// The document of a body: UTF-8, not blank.
pub(crate) fn document(body: &[u8]) -> Result<&str, Unusable> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = json::text(body).map_err(Unusable::Malformed)?;
    match text.trim_ascii().is_empty() {
        true => Err(Unusable::Empty),
        false => Ok(text),
    }
}

/// An answer without a result may be an error that came with a good status.
fn inside(unusable: Unusable, body: &[u8]) -> Unusable {
    if unusable != Unusable::NoChoices {
        return unusable;
    }
    let error = UpstreamError::read(body);
    match error.message.is_empty() && error.status.is_none() {
        true => unusable,
        false => Unusable::ErrorInside {
            status: error.status,
            message: error.message,
            raw: error.raw,
        },
    }
}

/// Decides what stands at the end of a whole answer. One without any block and without a reason for the end is no answer.
pub(crate) fn close<'a>(
    answer: &'a Answer<'_>,
    serving: &Serving<'_>,
    input_bytes: usize,
) -> Result<(Closing<'a>, Facts), Unusable> {
    if answer.blocks.is_empty() && answer.finish.is_none() {
        return Err(Unusable::NoChoices);
    }
    let bytes: usize = answer.blocks.iter().map(block_bytes).sum();
    let (usage, usage_source) = counted(answer.usage, input_bytes, bytes as u64);
    let calls = answer
        .blocks
        .iter()
        .any(|block| matches!(block, Block::ToolCall(_)));
    let finish = finish(answer.finish, calls);
    let closing = Closing {
        usage,
        usage_source,
        cost: Cost::of(&usage, serving.prices, answer.service_tier.as_deref())
            .charged(answer.finish, usage.completion),
        finish,
        native: answer.native_finish.as_deref().unwrap_or(finish.name()),
        stop_sequence: answer.stop_sequence.as_deref(),
        service_tier: answer.service_tier.as_deref(),
    };
    let facts = closing.facts(answer.id.as_deref().map(str::to_owned));
    Ok((closing, facts))
}

/// The reason for the end. Some dialects have no word of their own for "call these tools" and say that they stopped.
pub(crate) fn finish(said: Option<Finish>, tool_calls: bool) -> Finish {
    match said {
        None | Some(Finish::Stop) if tool_calls => Finish::ToolCalls,
        Some(finish) => finish,
        None => Finish::Stop,
    }
}

/// Bytes of text that a block holds, for estimates.
fn block_bytes(block: &Block<'_>) -> usize {
    match block {
        Block::Text(text) => text.text.len(),
        Block::Thought(thought) => thought.text.len(),
        Block::ToolCall(call) => call.name.len() + call.arguments.len(),
        Block::Refusal(text) => text.len(),
        _ => 0,
    }
}

fn close_embed(
    answer: &EmbedAnswer<'_>,
    serving: &Serving<'_>,
    input_bytes: usize,
) -> Closing<'static> {
    close_counted(answer.usage, serving, input_bytes)
}

fn close_rerank(
    answer: &RerankAnswer<'_>,
    serving: &Serving<'_>,
    input_bytes: usize,
) -> Closing<'static> {
    close_counted(answer.usage, serving, input_bytes)
}

fn close_counted(
    usage: Option<Usage>,
    serving: &Serving<'_>,
    input_bytes: usize,
) -> Closing<'static> {
    let (usage, usage_source) = counted(usage, input_bytes, 0);
    Closing {
        usage,
        usage_source,
        cost: Cost::of(&usage, serving.prices, None),
        finish: Finish::Stop,
        native: Finish::Stop.name(),
        stop_sequence: None,
        service_tier: None,
    }
}

fn without_finish(closing: &Closing<'_>, upstream_id: &Option<Cow<'_, str>>) -> Facts {
    Facts {
        finish: None,
        native_finish: None,
        ..closing.facts(upstream_id.as_deref().map(str::to_owned))
    }
}
