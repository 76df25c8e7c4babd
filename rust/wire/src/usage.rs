//! Tokens: reading what a provider says it used, and writing the `usage` object that clients get.
//!
//! Providers agree on `prompt_tokens` and `completion_tokens` and on little else, so reading is tolerant: `null` details,
//! missing totals, whole floats, and the other places in which cached tokens are reported. Writing keeps the provider's
//! object byte for byte, unknown members included, and adds the cost; what the provider itself says about cost is taken out,
//! because what it charges the gateway is not what the gateway charges.

use serde::Deserialize;

use crate::api::Api;
use crate::cost::{Cost, write_dollars};
use crate::edit::Stop;
use crate::json::{self, Kind, Walker, write_number};

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

/// What reading found out, so that writing need not look again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    pub(crate) usage: Usage,
    /// Nothing in the object has to be taken out.
    clean: bool,
    has_prompt: bool,
    has_completion: bool,
    has_total: bool,
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

/// Appends the provider's object `raw`, as `read` found it, with our cost in it.
pub(crate) fn write(raw: &str, read: &Read, api: Api, cost: &Cost, out: &mut Vec<u8>) {
    let mut any = true;
    if read.clean {
        out.extend_from_slice(
            raw.as_bytes()
                .get(..raw.len().saturating_sub(1))
                .unwrap_or_default(),
        );
    } else {
        any = write_without_ours(raw, out);
    }
    let usage = &read.usage;
    let mut number = |name: &str, value: u64| {
        if any {
            out.push(b',');
        }
        any = true;
        json::write_string(name, out);
        out.push(b':');
        write_number(value, out);
    };
    if !read.has_prompt {
        number("prompt_tokens", usage.prompt);
    }
    if !read.has_completion && api != Api::Embeddings {
        number("completion_tokens", usage.completion);
    }
    if !read.has_total {
        number("total_tokens", usage.total);
    }
    write_cost(cost, out);
}

/// Thousandths of a raw number of seconds, rounded up: `1.5` is 1500, `0.0001` is 1. Decimals are read as they stand, because they
/// become money. `None` for what is no plain decimal; nobody writes seconds with a sign or an exponent.
fn milli(raw: &str) -> Option<u64> {
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

/// Appends a whole object for tokens that the gateway counted itself.
pub(crate) fn write_estimated(usage: &Usage, api: Api, cost: &Cost, out: &mut Vec<u8>) {
    write_own(usage, cost, api, out);
}

/// Appends the whole `usage` object for an answer that has none in the client's words, because it was translated or the gateway
/// counted itself: the shape of OpenRouter, with every detail that `usage` knows.
///
/// The details that its clients look for are always there; others (images in the prompt, web searches, an hour's cache) only
/// when there are any. Embeddings and reranks generate nothing, so they have no completion tokens and, as ever, no details.
pub fn write_own(usage: &Usage, cost: &Cost, api: Api, out: &mut Vec<u8>) {
    let generates = !matches!(api, Api::Embeddings | Api::Rerank);
    out.extend_from_slice(b"{\"prompt_tokens\":");
    write_number(usage.prompt, out);
    if generates {
        out.extend_from_slice(b",\"completion_tokens\":");
        write_number(usage.completion, out);
    }
    out.extend_from_slice(b",\"total_tokens\":");
    write_number(usage.total, out);
    if generates {
        write_details(usage, out);
    }
    if usage.cache_write_1h > 0 {
        let minutes = usage.cache_write.saturating_sub(usage.cache_write_1h);
        out.extend_from_slice(b",\"cache_creation\":{\"ephemeral_5m_input_tokens\":");
        write_number(minutes, out);
        out.extend_from_slice(b",\"ephemeral_1h_input_tokens\":");
        write_number(usage.cache_write_1h, out);
        out.push(b'}');
    }
    if usage.web_searches > 0 {
        out.extend_from_slice(b",\"server_tool_use_details\":{\"web_search_requests\":");
        write_number(usage.web_searches, out);
        out.push(b'}');
    }
    if usage.search_units > 0 {
        out.extend_from_slice(b",\"search_units\":");
        write_number(usage.search_units, out);
    }
    if usage.seconds_milli > 0 {
        out.extend_from_slice(b",\"seconds\":");
        write_thousandths(usage.seconds_milli, out);
    }
    write_cost(cost, out);
}

/// Appends the two objects of details with their leading commas.
fn write_details(usage: &Usage, out: &mut Vec<u8>) {
    let mut member = |name: &[u8], count: u64| {
        out.extend_from_slice(name);
        write_number(count, out);
    };
    member(
        b",\"prompt_tokens_details\":{\"cached_tokens\":",
        usage.cached,
    );
    member(b",\"cache_write_tokens\":", usage.cache_write);
    member(b",\"audio_tokens\":", usage.prompt_audio);
    // No provider of ours counts video by itself.
    member(b",\"video_tokens\":", 0);
    if usage.prompt_image > 0 {
        member(b",\"image_tokens\":", usage.prompt_image);
    }
    member(
        b"},\"completion_tokens_details\":{\"reasoning_tokens\":",
        usage.reasoning,
    );
    member(b",\"image_tokens\":", usage.completion_image);
    member(b",\"audio_tokens\":", usage.completion_audio);
    out.push(b'}');
}

/// Appends thousandths as a decimal: `1500` is `1.5`.
fn write_thousandths(milli: u64, out: &mut Vec<u8>) {
    write_number(milli / 1_000, out);
    let mut left = milli % 1_000;
    if left == 0 {
        return;
    }
    out.push(b'.');
    let mut place = 100;
    while left > 0 {
        write_number(left / place, out);
        left %= place;
        place /= 10;
    }
}

/// Appends the members of `raw` except the cost and the counts that could not be read, without the closing brace. True when
/// any member was written. `raw` has been walked before, so a fault in it is not possible and would only end the copy.
fn write_without_ours(raw: &str, out: &mut Vec<u8>) -> bool {
    out.push(b'{');
    let mut any = false;
    let mut walker = Walker::new(raw);
    let mut more = walker.enter_object().unwrap_or(false);
    while more {
        let (Ok(key), Ok(value)) = (walker.key(), walker.value()) else {
            return any;
        };
        let keep = match key.name {
            "cost" | "cost_details" | "is_byok" => false,
            "prompt_tokens" | "completion_tokens" | "total_tokens" => value.whole(raw).is_some(),
            _ => true,
        };
        if keep {
            if any {
                out.push(b',');
            }
            any = true;
            let member = json::Span {
                start: key.start,
                end: value.span.end,
            };
            out.extend_from_slice(member.of(raw).as_bytes());
        }
        more = walker.next_member().unwrap_or(false);
    }
    any
}

/// Appends whose key paid the provider, and the start of `cost_details`.
pub(crate) fn write_whose_key(cost: &Cost, out: &mut Vec<u8>) {
    match cost.upstream_nano {
        None => out.extend_from_slice(
            b",\"is_byok\":false,\"cost_details\":{\"upstream_inference_cost\":null",
        ),
        Some(theirs) => {
            out.extend_from_slice(
                b",\"is_byok\":true,\"cost_details\":{\"upstream_inference_cost\":",
            );
            write_dollars(theirs, out);
        }
    }
}

/// Appends the cost members and the closing brace. The members before are never empty: a count stands there.
fn write_cost(cost: &Cost, out: &mut Vec<u8>) {
    if *cost == Cost::default() {
        // Free models and those without a price: the same bytes as below, in one piece.
        out.extend_from_slice(
            b",\"cost\":0,\"is_byok\":false,\"cost_details\":{\"upstream_inference_cost\":null,\"upstream_inference_prompt_cost\":0,\"upstream_inference_completions_cost\":0}}",
        );
        return;
    }
    out.extend_from_slice(b",\"cost\":");
    write_dollars(cost.total_nano, out);
    write_whose_key(cost, out);
    out.extend_from_slice(b",\"upstream_inference_prompt_cost\":");
    write_dollars(cost.prompt_nano, out);
    out.extend_from_slice(b",\"upstream_inference_completions_cost\":");
    write_dollars(cost.completion_nano, out);
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_common_shape() {
        let raw = r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,
            "prompt_tokens_details":{"cached_tokens":64,"audio_tokens":3,"cache_write_tokens":2},
            "completion_tokens_details":{"reasoning_tokens":9,"audio_tokens":1,"accepted_prediction_tokens":0}}"#;
        let expected = Usage {
            prompt: 100,
            completion: 20,
            total: 120,
            reasoning: 9,
            cached: 64,
            cache_write: 2,
            prompt_audio: 3,
            completion_audio: 1,
            ..Usage::default()
        };
        assert_eq!(Usage::parse(raw), Some(expected));
    }

    #[test]
    fn reads_the_other_shapes() {
        let cases = [
            (
                r#"{"prompt_tokens":10.0,"completion_tokens":2.0}"#,
                (10, 2, 12, 0),
            ),
            (r#"{"prompt_tokens":10,"total_tokens":12}"#, (10, 2, 12, 0)),
            (
                r#"{"completion_tokens":2,"total_tokens":12}"#,
                (10, 2, 12, 0),
            ),
            (r#"{"input_tokens":10,"output_tokens":2}"#, (10, 2, 12, 0)),
            (
                r#"{"prompt_tokens":10,"completion_tokens":2,"total_tokens":null,"prompt_tokens_details":null}"#,
                (10, 2, 12, 0),
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_cache_hit_tokens":7,"prompt_cache_miss_tokens":3}"#,
                (10, 2, 12, 7),
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":2,"cached_tokens":7}"#,
                (10, 2, 12, 7),
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":2,"cached_tokens":7,"prompt_tokens_details":{"cached_tokens":7}}"#,
                (10, 2, 12, 7),
            ),
            (
                r#"{"prompt_tokens":1,"prompt\u005ftokens":10,"completion_tokens":2}"#,
                (10, 2, 12, 0),
            ),
        ];
        for (raw, expected) in cases {
            let usage = Usage::parse(raw).unwrap();
            assert_eq!(
                (usage.prompt, usage.completion, usage.total, usage.cached),
                expected,
                "{raw}"
            );
        }
    }

    #[test]
    fn says_nothing_when_nothing_is_said() {
        for raw in [
            "null",
            "{}",
            "[]",
            "{\"prompt_tokens\":null}",
            "{\"prompt_tokens\":-1}",
            "{",
            "7",
        ] {
            assert_eq!(Usage::parse(raw), None, "{raw}");
        }
    }

    #[test]
    fn thought_beside_the_completion_is_billed_with_it() {
        let beside = Usage::parse(
            r#"{"prompt_tokens":10,"completion_tokens":2,"total_tokens":112,"completion_tokens_details":{"reasoning_tokens":100}}"#,
        )
        .unwrap();
        assert_eq!(beside.billed_completion(), 102);
        let inside = Usage {
            completion: 102,
            ..beside
        };
        assert_eq!(inside.billed_completion(), 102);
    }

    fn written(raw: &str, api: Api) -> String {
        let read = read(&mut Walker::new(raw), false).ok().flatten().unwrap();
        let cost = Cost {
            total_nano: 140_000,
            prompt_nano: 100_000,
            completion_nano: 40_000,
            upstream_nano: None,
        };
        let mut out = Vec::new();
        write(raw, &read, api, &cost, &mut out);
        String::from_utf8(out).unwrap()
    }

    const COST: &str = r#""cost":0.00014,"is_byok":false,"cost_details":{"upstream_inference_cost":null,"upstream_inference_prompt_cost":0.0001,"upstream_inference_completions_cost":0.00004}}"#;

    #[test]
    fn keeps_the_object_and_adds_the_cost() {
        let raw = r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"queue_time":0.10}"#;
        assert_eq!(
            written(raw, Api::Chat),
            format!("{},{COST}", &raw[..raw.len() - 1])
        );
    }

    #[test]
    fn replaces_what_the_provider_says_about_cost() {
        let raw = r#"{"cost":9, "prompt_tokens":1,"is_byok":true,"completion_tokens":2,"total_tokens":null,"x":[1],"cost_details":{"a":1}}"#;
        assert_eq!(
            written(raw, Api::Chat),
            format!(r#"{{"prompt_tokens":1,"completion_tokens":2,"x":[1],"total_tokens":3,{COST}"#)
        );
    }

    #[test]
    fn embeddings_have_no_completion_tokens() {
        assert_eq!(
            written(r#"{"prompt_tokens":1}"#, Api::Embeddings),
            format!(r#"{{"prompt_tokens":1,"total_tokens":1,{COST}"#)
        );
    }

    #[test]
    fn reads_what_is_priced_besides_text() {
        let raw = r#"{"prompt_tokens":100,"completion_tokens":20,
            "prompt_tokens_details":{"image_tokens":30,"cache_creation_tokens":9},
            "completion_tokens_details":{"image_tokens":12},
            "cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},
            "server_tool_use":{"web_search_requests":3,"tool_calls_requested":5}}"#;
        let expected = Usage {
            prompt: 100,
            completion: 20,
            total: 120,
            prompt_image: 30,
            completion_image: 12,
            cache_write: 9,
            cache_write_1h: 7,
            web_searches: 3,
            ..Usage::default()
        };
        assert_eq!(Usage::parse(raw), Some(expected));
        let searched = r#"{"prompt_tokens":1,"completion_tokens":2,"num_search_queries":4}"#;
        assert_eq!(Usage::parse(searched).unwrap().web_searches, 4);
    }

    #[test]
    fn seconds_and_search_units_count_without_tokens() {
        for (seconds, milli) in [
            ("12", 12_000),
            ("1.5", 1_500),
            ("0.0001", 1),
            ("2.3450", 2_345),
            ("-1", 0),
            ("1e3", 0),
            ("null", 0),
            ("99999999999999999999", 0),
        ] {
            let raw = format!(r#"{{"type":"duration","seconds":{seconds}}}"#);
            assert_eq!(Usage::parse(&raw).unwrap().seconds_milli, milli, "{raw}");
        }
        let usage = Usage::parse(r#"{"search_units":2}"#).unwrap();
        assert_eq!((usage.search_units, usage.total), (2, 0));
    }

    #[test]
    fn what_is_written_for_a_translated_answer_is_read_back_as_it_was() {
        let usage = Usage {
            prompt: 100,
            completion: 20,
            total: 120,
            reasoning: 5,
            cached: 40,
            cache_write: 30,
            cache_write_1h: 10,
            prompt_audio: 3,
            completion_audio: 4,
            prompt_image: 6,
            completion_image: 7,
            web_searches: 2,
            search_units: 1,
            seconds_milli: 1_050,
            ..Usage::default()
        };
        for usage in [usage, Usage::default()] {
            let mut out = Vec::new();
            write_own(&usage, &Cost::default(), Api::Chat, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(Usage::parse(&text), Some(usage), "{text}");
        }
    }

    #[test]
    fn a_translated_answer_has_the_shape_that_clients_know() {
        let usage = Usage {
            prompt: 1,
            completion: 2,
            total: 3,
            ..Usage::default()
        };
        let cost = Cost {
            total_nano: 140_000,
            prompt_nano: 100_000,
            completion_nano: 40_000,
            upstream_nano: None,
        };
        let mut out = Vec::new();
        write_own(&usage, &cost, Api::Chat, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "{}{COST}",
                r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"audio_tokens":0,"video_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"image_tokens":0,"audio_tokens":0},"#
            )
        );
    }

    #[test]
    fn a_rerank_is_counted_in_search_units() {
        let usage = Usage {
            prompt: 9,
            total: 9,
            search_units: 1,
            ..Usage::default()
        };
        let mut out = Vec::new();
        write_own(&usage, &Cost::default(), Api::Rerank, &mut out);
        let text = String::from_utf8(out).unwrap();
        let expected = r#"{"prompt_tokens":9,"total_tokens":9,"search_units":1,"cost":0,"#;
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn an_estimate_rounds_up() {
        assert_eq!(Usage::estimated(5, 0).prompt, 2);
        assert_eq!(Usage::estimated(0, 9).completion, 3);
    }
}
