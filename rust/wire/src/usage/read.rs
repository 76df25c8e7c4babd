//! Reading what a provider says that it used.

use super::Usage;
use crate::edit::Stop;
use crate::json::{self, Kind, Walker};

/// What reading found out, so that writing need not look again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    pub(crate) usage: Usage,
    /// Nothing in the object has to be taken out.
    pub(super) clean: bool,
    pub(super) has_prompt: bool,
    pub(super) has_completion: bool,
    pub(super) has_total: bool,
}

/// Reads the value that `walker` stands at. `None`: it is not an object, or says nothing about tokens.
pub(crate) fn read(walker: &mut Walker<'_>, canonical: bool) -> Result<Option<Read>, Stop> {
    if walker.peek() != Some(Kind::Object) {
        walker.value()?;
        return Ok(None);
    }
    let mut usage = Usage::default();
    let (mut prompt, mut completion, mut total) = (None, None, None);
    let (mut prompt_other, mut completion_other, mut cached_other, mut write_other) =
        (None, None, None, None);
    let mut clean = true;
    // Reranks and transcriptions may be counted in something else than tokens.
    let mut bare = false;
    let mut seen = 0u32;
    let mut more = walker.enter_object()?;
    while more {
        let member = member(walker, canonical)?;
        // All but these hold one count; reading it at one place keeps that code in line.
        let mut bit = 0u32;
        match member {
            Member::PromptDetails => {
                bit = 1 << 3;
                details(walker, |detail, count| match detail {
                    Detail::Cached => usage.cached = count,
                    Detail::CacheWrite => usage.cache_write = count,
                    Detail::CacheWrite1h => usage.cache_write_1h = count,
                    Detail::Audio => usage.prompt_audio = count,
                    Detail::Image => usage.prompt_image = count,
                    Detail::WebSearches | Detail::Reasoning | Detail::Other => {}
                })?;
            }
            Member::CompletionDetails => {
                bit = 1 << 4;
                details(walker, |detail, count| match detail {
                    Detail::Reasoning => usage.reasoning = count,
                    Detail::Audio => usage.completion_audio = count,
                    Detail::Image => usage.completion_image = count,
                    _ => {}
                })?;
            }
            Member::Tools | Member::CacheCreation => {
                details(walker, |detail, count| match detail {
                    Detail::WebSearches => usage.web_searches = count,
                    Detail::CacheWrite1h => usage.cache_write_1h = count,
                    _ => {}
                })?
            }
            Member::Seconds => {
                let value = walker.value()?;
                usage.seconds_milli = milli(value.raw(walker.text())).unwrap_or(0);
                bare = true;
            }
            _ => {
                let count = walker.whole()?;
                match member {
                    Member::Prompt => {
                        bit = 1;
                        prompt = count;
                        clean &= count.is_some();
                    }
                    Member::Completion => {
                        bit = 1 << 1;
                        completion = count;
                        clean &= count.is_some();
                    }
                    Member::Total => {
                        bit = 1 << 2;
                        total = count;
                        clean &= count.is_some();
                    }
                    Member::Input => prompt_other = count,
                    Member::Output => completion_other = count,
                    Member::Cached => cached_other = count.or(cached_other),
                    Member::CacheWrite => write_other = count,
                    Member::Reasoning => {
                        usage.reasoning = usage.reasoning.max(count.unwrap_or(0));
                    }
                    Member::SearchUnits => {
                        usage.search_units = count.unwrap_or(0);
                        bare = true;
                    }
                    Member::Searches => {
                        usage.web_searches = usage.web_searches.max(count.unwrap_or(0));
                    }
                    Member::Cost => clean = false,
                    Member::PromptDetails
                    | Member::CompletionDetails
                    | Member::Tools
                    | Member::CacheCreation
                    | Member::Seconds
                    | Member::Other => {}
                }
            }
        }
        if seen & bit != 0 && !canonical {
            return Err(Stop::Irregular);
        }
        seen |= bit;
        more = walker.next_member()?;
    }
    let (has_prompt, has_completion, has_total) =
        (prompt.is_some(), completion.is_some(), total.is_some());
    let prompt = prompt.or(prompt_other);
    let completion = completion.or(completion_other);
    (usage.prompt, usage.completion, usage.total) = match (prompt, completion, total) {
        (None, None, None) if !bare => return Ok(None),
        (Some(prompt), Some(completion), total) => (
            prompt,
            completion,
            total.unwrap_or_else(|| prompt.saturating_add(completion)),
        ),
        (Some(prompt), None, total) => {
            let total = total.unwrap_or(prompt);
            (prompt, total.saturating_sub(prompt), total)
        }
        (None, completion, total) => {
            let completion = completion.unwrap_or(0);
            let total = total.unwrap_or(completion);
            (total.saturating_sub(completion), completion, total)
        }
    };
    if usage.cached == 0 {
        usage.cached = cached_other.unwrap_or(0);
    }
    if usage.cache_write == 0 {
        usage.cache_write = write_other.unwrap_or(0);
    }
    Ok(Some(Read {
        usage,
        clean,
        has_prompt,
        has_completion,
        has_total,
    }))
}

/// A member of the object.
#[derive(Debug, Clone, Copy)]
enum Member {
    Prompt,
    Completion,
    Total,
    PromptDetails,
    CompletionDetails,
    /// What the provider says about money.
    Cost,
    Input,
    Output,
    Cached,
    CacheWrite,
    Reasoning,
    /// An object that counts what server tools did.
    Tools,
    /// Anthropic's object that tells what is written to a cache by how long it is kept.
    CacheCreation,
    /// Searches, counted beside the tokens.
    Searches,
    SearchUnits,
    Seconds,
    Other,
}

/// Reads a key; which member it begins. The five that nearly every provider writes are compared first, as whole keys.
#[inline(always)]
fn member(walker: &mut Walker<'_>, canonical: bool) -> Result<Member, Stop> {
    Ok(match walker.letter() {
        b'p' if walker.takes(b"\"prompt_tokens\":") => Member::Prompt,
        b'p' if walker.takes(b"\"prompt_tokens_details\":") => Member::PromptDetails,
        b'c' if walker.takes(b"\"completion_tokens\":") => Member::Completion,
        b'c' if walker.takes(b"\"completion_tokens_details\":") => Member::CompletionDetails,
        b't' if walker.takes(b"\"total_tokens\":") => Member::Total,
        _ => {
            let key = walker.key()?;
            if key.escaped && !canonical {
                return Err(Stop::Irregular);
            }
            match key.name {
                "prompt_tokens" => Member::Prompt,
                "completion_tokens" => Member::Completion,
                "total_tokens" => Member::Total,
                // The last is what transcriptions write.
                "prompt_tokens_details" | "input_tokens_details" | "input_token_details" => {
                    Member::PromptDetails
                }
                "completion_tokens_details" | "output_tokens_details" => Member::CompletionDetails,
                "cost" | "cost_details" | "is_byok" => Member::Cost,
                "input_tokens" => Member::Input,
                "output_tokens" => Member::Output,
                // DeepSeek and Moonshot report cached tokens at the top level (their API references, 2026-11); the last two are
                // what servers with an Anthropic past use.
                "prompt_cache_hit_tokens" | "cached_tokens" | "cache_read_input_tokens" => {
                    Member::Cached
                }
                "cache_creation_input_tokens" => Member::CacheWrite,
                "reasoning_tokens" => Member::Reasoning,
                "cache_creation" => Member::CacheCreation,
                // Anthropic's name and OpenRouter's two.
                "server_tool_use" | "server_tool_use_details" => Member::Tools,
                // Perplexity's API reference, 2026-11.
                "num_search_queries" => Member::Searches,
                "search_units" => Member::SearchUnits,
                "seconds" => Member::Seconds,
                _ => Member::Other,
            }
        }
    })
}

/// A member of a details object.
#[derive(Debug, Clone, Copy)]
enum Detail {
    Cached,
    CacheWrite,
    CacheWrite1h,
    Audio,
    Image,
    Reasoning,
    WebSearches,
    Other,
}

/// Walks a details object, or skips a value that is none. Keys written with escapes are not looked into: no provider writes
/// them, and here they could only change a count. What is no count is 0.
#[inline(always)]
fn details(
    walker: &mut Walker<'_>,
    mut count: impl FnMut(Detail, u64),
) -> Result<(), json::Malformed> {
    if walker.peek() != Some(Kind::Object) {
        walker.value()?;
        return Ok(());
    }
    let mut more = walker.enter_object()?;
    while more {
        let detail = match walker.letter() {
            b'a' if walker.takes(b"\"audio_tokens\":") => Detail::Audio,
            b'a' if walker.takes(b"\"accepted_prediction_tokens\":") => Detail::Other,
            b'c' if walker.takes(b"\"cached_tokens\":") => Detail::Cached,
            b'r' if walker.takes(b"\"reasoning_tokens\":") => Detail::Reasoning,
            b'r' if walker.takes(b"\"rejected_prediction_tokens\":") => Detail::Other,
            _ => match walker.key()?.name {
                "cached_tokens" => Detail::Cached,
                "cache_write_tokens" | "cache_creation_tokens" => Detail::CacheWrite,
                "ephemeral_1h_input_tokens" => Detail::CacheWrite1h,
                "audio_tokens" => Detail::Audio,
                "image_tokens" => Detail::Image,
                "reasoning_tokens" => Detail::Reasoning,
                "web_search_requests" => Detail::WebSearches,
                _ => Detail::Other,
            },
        };
        count(detail, walker.whole()?.unwrap_or(0));
        more = walker.next_member()?;
    }
    Ok(())
}

/// Thousandths of a raw number of seconds, rounded up: `1.5` is 1500, `0.0001` is 1. Decimals are read as they stand, because they
/// become money. `None` for what is no plain decimal; nobody writes seconds with a sign or an exponent.
pub(super) fn milli(raw: &str) -> Option<u64> {
    let (whole, fraction) = raw.split_once('.').unwrap_or((raw, ""));
    let mut thousandths = whole.parse::<u64>().ok()?;
    let digits = fraction.as_bytes();
    for place in 0..3 {
        let digit = match digits.get(place) {
            Some(digit) if digit.is_ascii_digit() => u64::from(digit - b'0'),
            Some(_) => return None,
            None => 0,
        };
        thousandths = thousandths.checked_mul(10)?.checked_add(digit)?;
    }
    let rest = digits.get(3..).unwrap_or_default();
    if !rest.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let more = rest.iter().any(|digit| *digit != b'0');
    thousandths.checked_add(u64::from(more))
}
