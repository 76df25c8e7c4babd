//! Tokens: reading what a provider says it used, and writing the `usage` object that clients get.
//!
//! Providers agree on `prompt_tokens` and `completion_tokens` and on little else, so reading is tolerant: `null` details,
//! missing totals, whole floats, and the other places in which cached tokens are reported. Writing keeps the provider's
//! object byte for byte, unknown members included, and adds the cost; what the provider itself says about cost is taken out,
//! because what it charges the gateway is not what the gateway charges.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::{Read, read};
pub use write::write_own;
pub(crate) use write::{write, write_estimated, write_whose_key};

use serde::Deserialize;

use crate::edit::Stop;
use crate::json::{self, Walker};

/// Bytes of text that one token is taken for when a provider does not count: the usual figure for English.
pub const BYTES_PER_TOKEN: u64 = 4;

/// What one generation used, by kind: tokens, and what is priced by the piece. A default is nothing at all, so that a dialect
/// fills in what it knows. Its names are those of the JSON that the command line and the oracle of costs give it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Tokens read, cached ones included.
    pub prompt: u64,
    /// Tokens generated, as the provider counts them.
    pub completion: u64,
    /// The provider's total; the sum where it gives none.
    pub total: u64,
    /// Tokens of thought. Nearly always a part of `completion`; see [`Usage::billed_completion`].
    pub reasoning: u64,
    /// Part of `prompt` read from the provider's cache.
    pub cached: u64,
    /// Part of `prompt` written to the provider's cache.
    pub cache_write: u64,
    /// Part of `cache_write` that the cache keeps for an hour, and not for minutes.
    pub cache_write_1h: u64,
    /// Part of `prompt` that is audio.
    pub prompt_audio: u64,
    /// Part of `completion` that is audio.
    pub completion_audio: u64,
    /// Part of `prompt` that is images.
    pub prompt_image: u64,
    /// Part of `completion` that is images.
    pub completion_image: u64,
    /// Images that are charged by the piece, read or made.
    pub images: u64,
    /// Web searches that the provider ran.
    pub web_searches: u64,
    /// Search units of a rerank: one query with up to a hundred documents, as the provider counts them.
    pub search_units: u64,
    /// Thousandths of a second of audio that was transcribed.
    pub seconds_milli: u64,
    /// Characters of text that became speech.
    pub characters: u64,
}

/// Who counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageSource {
    /// The provider.
    Upstream,
    /// The gateway, as bytes / 4, because the provider did not.
    Estimated,
    /// Nobody: no token was used.
    None,
}

impl UsageSource {
    /// The word in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            UsageSource::Upstream => "upstream",
            UsageSource::Estimated => "estimated",
            UsageSource::None => "none",
        }
    }
}

impl Usage {
    /// Reads a raw `usage` value; `None` when it is not an object or names no token count at all.
    pub fn parse(raw: &str) -> Option<Usage> {
        match read(&mut Walker::new(raw), false) {
            Ok(read) => read.map(|read| read.usage),
            Err(Stop::Irregular) => {
                let canonical = json::canonical(raw, json::Reach::Everywhere).ok()?;
                let read = read(&mut Walker::new(&canonical), true).ok()?;
                read.map(|read| read.usage)
            }
            Err(_) => None,
        }
    }

    /// The estimate from bytes of text, rounded up.
    pub fn estimated(prompt_bytes: u64, completion_bytes: u64) -> Usage {
        let prompt = prompt_bytes.div_ceil(BYTES_PER_TOKEN);
        let completion = completion_bytes.div_ceil(BYTES_PER_TOKEN);
        Usage {
            prompt,
            completion,
            total: prompt.saturating_add(completion),
            ..Usage::default()
        }
    }

    /// Whether it is text alone: nothing that [`Cost::of`] needs more than the five usual prices for.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        // One branch for all of them.
        self.cache_write_1h
            | self.prompt_audio
            | self.completion_audio
            | self.prompt_image
            | self.completion_image
            | self.images
            | self.web_searches
            | self.search_units
            | self.seconds_milli
            | self.characters
            == 0
    }

    /// Tokens that cost the completion price. A few providers report thought beside `completion` and not inside it; their
    /// total gives them away, and thought is charged like any output.
    pub fn billed_completion(&self) -> u64 {
        let visible = self.prompt.saturating_add(self.completion);
        if self.reasoning > 0 && self.total == visible.saturating_add(self.reasoning) {
            return self.completion.saturating_add(self.reasoning);
        }
        self.completion
    }
}
