//! Writing the `usage` object that clients get.

use super::{Read, Usage};
use crate::api::Api;
use crate::cost::{Cost, write_dollars};
use crate::json::{self, Walker, write_number};

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
