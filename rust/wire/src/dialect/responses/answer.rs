//! Reads a response object.
//!
//! What the provider ran itself (searches, code, tools of others) is kept as it is, for a client that speaks the same protocol
//! and never comes here; all others get what was said, thought, called and drawn.

use std::borrow::Cow;

use crate::answer::Unusable;
use crate::api::responses::items::{citation, made_image, thoughts};
use crate::api::responses::object::{Object, elements, raw_json};
use crate::exchange::{Answer, Block, Text, ToolCall};
use crate::finish::Finish;
use crate::json::{self, Walker};
use crate::upstream_error::UpstreamError;
use crate::usage::Usage;

/// Reads a plain answer.
pub(crate) fn read_answer(text: &str) -> Result<Answer<'_>, Unusable> {
    let mut walker = Walker::new(text);
    let body = Object::read(&mut walker).map_err(Unusable::Malformed)?;
    walker.finish().map_err(Unusable::Malformed)?;
    if let Some(error) = failure(&body) {
        return Err(Unusable::ErrorInside {
            status: error.status,
            message: error.message,
            raw: error.raw,
        });
    }
    let Some(output) = body.raw("output") else {
        return Err(Unusable::NoChoices);
    };
    let mut answer = Answer {
        id: body.filled("id"),
        blocks: Vec::new(),
        finish: None,
        native_finish: None,
        stop_sequence: None,
        usage: usage(&body),
        logprobs: None,
        service_tier: body.filled("service_tier"),
    };
    for raw in elements(output) {
        item(raw, &mut answer);
    }
    if let Some((finish, native)) = finish(&body) {
        answer.finish = Some(finish);
        answer.native_finish = Some(native);
    }
    Ok(answer)
}

/// What a response says about its failure. `None`: it did not fail.
pub(crate) fn failure(body: &Object<'_>) -> Option<UpstreamError> {
    let failed = body.text("status").as_deref() == Some("failed");
    let raw = match (body.raw("error"), failed) {
        (Some(error), _) => error,
        (None, true) => "{}",
        (None, false) => return None,
    };
    Some(read_error(raw))
}

/// Reads the object that describes an error.
pub(super) fn read_error(raw: &str) -> UpstreamError {
    let mut error = UpstreamError::read(raw.as_bytes());
    if error.status.is_none() {
        error.status = error.code.as_deref().and_then(error_status);
    }
    error
}

/// The HTTP status that a code stands for: a response that fails after it began has no status of its own.
fn error_status(code: &str) -> Option<u16> {
    Some(match code {
        "rate_limit_exceeded" | "insufficient_quota" | "too_many_requests" => 429,
        "server_error" | "internal_error" | "vector_store_timeout" => 500,
        "server_is_overloaded" | "slow_down" | "overloaded" => 503,
        code if code.contains("image") => 400,
        "invalid_prompt" | "context_length_exceeded" | "invalid_request_error" | "bio_policy" => {
            400
        }
        _ => return None,
    })
}

/// Tokens, and the searches that are priced by the piece.
pub(crate) fn usage(body: &Object<'_>) -> Option<Usage> {
    let mut usage = Usage::parse(body.raw("usage")?)?;
    if usage.web_searches == 0 {
        let searches = body
            .object("tool_usage")
            .and_then(|tools| tools.object("web_search"))
            .and_then(|search| search.number("num_requests"));
        usage.web_searches = searches.unwrap_or(0);
    }
    Some(usage)
}

/// Why a response ended, and the provider's word for it. `None`: it has not, or does not say.
pub(crate) fn finish<'a>(body: &Object<'a>) -> Option<(Finish, Cow<'a, str>)> {
    let status = body.filled("status")?;
    match status.as_ref() {
        "completed" => Some((Finish::Stop, status)),
        "incomplete" => {
            let details = body.object("incomplete_details");
            let reason = details
                .and_then(|details| details.filled("reason"))
                .unwrap_or(status);
            Some((Finish::of(&reason), reason))
        }
        "cancelled" => Some((Finish::Error, status)),
        _ => None,
    }
}

/// Adds the blocks of an item.
fn item<'a>(raw: &'a str, answer: &mut Answer<'a>) {
    let Some(item) = Object::of(raw) else {
        return;
    };
    match item.text("type").as_deref() {
        Some("message") => {
            for part in item.elements("content").into_iter().filter_map(Object::of) {
                answer.blocks.extend(content(&part));
                if answer.logprobs.is_none() {
                    answer.logprobs = logprobs(&part).map(Cow::Owned);
                }
            }
        }
        Some("reasoning") => answer
            .blocks
            .extend(thoughts(&item).into_iter().map(Block::Thought)),
        Some("function_call") => answer.blocks.push(call(&item, "arguments", false)),
        Some("custom_tool_call") => answer.blocks.push(call(&item, "input", true)),
        Some("image_generation_call") => {
            let image = item.filled("result").map(|base64| Block::Image {
                source: made_image(base64, item.text("output_format")),
                detail: None,
                cache: None,
            });
            answer.blocks.extend(image);
        }
        _ => answer.blocks.extend(raw_json(raw).map(Block::Foreign)),
    }
}

/// The block that a part of a message is.
pub(super) fn content<'a>(part: &Object<'a>) -> Option<Block<'a>> {
    if let Some(refusal) = part.text("refusal") {
        return Some(Block::Refusal(refusal));
    }
    Some(Block::Text(Text {
        text: part.text("text")?,
        citations: part
            .elements("annotations")
            .into_iter()
            .filter_map(citation)
            .collect(),
        ..Text::default()
    }))
}

/// OpenAI's older object around the list that parts and deltas have. `None`: the list is empty.
pub(super) fn logprobs(part: &Object<'_>) -> Option<String> {
    let raw = part.raw("logprobs")?;
    match json::inside(raw).trim_ascii().is_empty() {
        true => None,
        false => Some(format!("{{\"content\":{raw}}}")),
    }
}

fn call<'a>(item: &Object<'a>, arguments: &str, custom: bool) -> Block<'a> {
    Block::ToolCall(ToolCall {
        id: call_id(item),
        name: item.text("name").unwrap_or_default(),
        arguments: item.text(arguments).unwrap_or_default(),
        custom,
        namespace: item.filled("namespace"),
        signature: None,
        cache: None,
    })
}

/// The id that ties a result to its call; small servers only give the item's.
pub(super) fn call_id<'a>(item: &Object<'a>) -> Cow<'a, str> {
    item.filled("call_id")
        .or_else(|| item.filled("id"))
        .unwrap_or_default()
}
