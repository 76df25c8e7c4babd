//! Anthropic's messages, as a provider speaks them.
//!
//! - `write`: a request in the protocol's words, and what has to be decided for that.
//! - `read`: answers and streams.
//!
//! What both sides of the gateway need of the protocol stands here: how it counts tokens.

use crate::json::{Malformed, Walker};
use crate::member::lenient::{self, each_member};
use crate::usage::Usage;

mod read;
mod write;

pub(crate) use read::{Parts, Reader, citation, ending, error_inside, fault, read_answer};
pub(crate) use write::write;

/// The protocol's version where it is told in the body, with the model in the URL. It is a word of its own there, not the date that the
/// header holds: <https://docs.claude.com/en/api/claude-on-vertex-ai>, read 2026-11-22.
pub(crate) const VERSION_IN_BODY: &str = "vertex-2023-10-16";

/// Tokens as this protocol counts them: cached ones beside the input, thought inside the output. Later counts replace earlier ones.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_1h: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
    web_searches: Option<u64>,
    tier: Option<Tier>,
}

/// The tiers that cost something else than usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Standard,
    Priority,
    Batch,
}

impl Counts {
    /// Reads a `usage` value and takes over what it says.
    pub(crate) fn read(&mut self, walker: &mut Walker<'_>) -> Result<(), Malformed> {
        let mut new = Counts::default();
        let mut fast = false;
        let inner = |walker: &mut Walker<'_>, wanted: &str| {
            let mut found = None;
            each_member(walker, |walker, name| {
                let count = walker.whole()?;
                if name == wanted {
                    found = count;
                }
                Ok::<(), Malformed>(())
            })?;
            Ok::<_, Malformed>(found)
        };
        each_member(walker, |walker, name| {
            match name {
                "input_tokens" => new.input = walker.whole()?,
                "output_tokens" => new.output = walker.whole()?,
                "cache_read_input_tokens" => new.cache_read = walker.whole()?,
                "cache_creation_input_tokens" => new.cache_write = walker.whole()?,
                "cache_creation" => {
                    new.cache_write_1h = inner(walker, "ephemeral_1h_input_tokens")?;
                }
                "output_tokens_details" => new.thinking = inner(walker, "thinking_tokens")?,
                "server_tool_use" => new.web_searches = inner(walker, "web_search_requests")?,
                "service_tier" => {
                    new.tier = lenient::string(walker)?.and_then(|tier| match tier.as_ref() {
                        "priority" => Some(Tier::Priority),
                        "batch" => Some(Tier::Batch),
                        "standard" => Some(Tier::Standard),
                        _ => None,
                    });
                }
                "speed" => fast = lenient::string(walker)?.as_deref() == Some("fast"),
                _ => drop(walker.value()?),
            }
            Ok::<(), Malformed>(())
        })?;
        if fast {
            new.tier = Some(Tier::Priority);
        }
        // Some servers fill the input in at one end of the stream only, and write zeros at the other.
        if new.input.unwrap_or(0) + new.cache_read.unwrap_or(0) + new.cache_write.unwrap_or(0) > 0 {
            self.input = new.input.or(self.input);
            self.cache_read = new.cache_read.or(self.cache_read);
            self.cache_write = new.cache_write.or(self.cache_write);
        } else {
            self.input = self.input.or(new.input);
        }
        self.cache_write_1h = new.cache_write_1h.or(self.cache_write_1h);
        self.output = new.output.or(self.output);
        self.thinking = new.thinking.or(self.thinking);
        self.web_searches = new.web_searches.or(self.web_searches);
        self.tier = new.tier.or(self.tier);
        Ok(())
    }

    /// The tokens as everybody else counts them; `None`: nothing was counted.
    pub(crate) fn usage(&self) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let cached = self.cache_read.unwrap_or(0);
        let cache_write = self.cache_write.unwrap_or(0);
        let prompt = self
            .input
            .unwrap_or(0)
            .saturating_add(cached)
            .saturating_add(cache_write);
        let completion = self.output.unwrap_or(0);
        Some(Usage {
            prompt,
            completion,
            total: prompt.saturating_add(completion),
            reasoning: self.thinking.unwrap_or(0),
            cached,
            cache_write,
            cache_write_1h: self.cache_write_1h.unwrap_or(0).min(cache_write),
            web_searches: self.web_searches.unwrap_or(0),
            ..Usage::default()
        })
    }

    /// The tier that served, as OpenAI calls it.
    pub(crate) fn service_tier(&self) -> Option<&'static str> {
        self.tier.map(|tier| match tier {
            Tier::Standard => "default",
            Tier::Priority => "priority",
            Tier::Batch => "batch",
        })
    }
}
