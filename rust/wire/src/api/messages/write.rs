//! Writing answers of the messages API: whole, and as errors; their blocks and their usage.

use std::borrow::Cow;

use super::carried::{self, Carries};
use crate::answer::{Closing, Serving};
use crate::cost::{Cost, write_dollars};
use crate::exchange::{
    Answer, Block, Citation, Source, Thought, ThoughtKind, ToolCall, format, joined_name,
};
use crate::finish::Finish;
use crate::json::{self, Walker};
use crate::member::lenient;
use crate::member::write::{comma, key, number_member, raw_member, string_member};
use crate::refusal::Refusal;
use crate::usage::Usage;

/// Reasons for the end that this API knows. A provider's own word that is one of them is passed on (OpenRouter's list, §1.2.4).
const STOP_REASONS: [&str; 8] = [
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "compaction",
];

/// The reason for the end, in this API's words. `refused`: the model answered with a sentence of refusal.
pub(super) fn stop_reason<'c>(closing: &Closing<'c>, refused: bool) -> &'c str {
    let native = STOP_REASONS.contains(&closing.native);
    match closing.finish {
        Finish::Stop if refused => "refusal",
        _ if native && Finish::of(closing.native) == closing.finish => closing.native,
        Finish::Stop if closing.stop_sequence.is_some() => "stop_sequence",
        // A provider that failed while generating has been told apart before; what is left is an end.
        Finish::Stop | Finish::Error => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    }
}

/// Appends `usage`: cached tokens stand beside `input_tokens` here, not in them. `cost`: `None` where it is not known yet.
pub(crate) fn write_usage(
    usage: &Usage,
    tier: Option<&str>,
    cost: Option<&Cost>,
    out: &mut Vec<u8>,
) {
    let cached = usage.cached.min(usage.prompt);
    let written = usage.cache_write.min(usage.prompt - cached);
    out.push(b'{');
    number_member("input_tokens", usage.prompt - cached - written, out);
    number_member("cache_creation_input_tokens", written, out);
    number_member("cache_read_input_tokens", cached, out);
    // What is not known is null and not absent: the schema of the API has these members in every message.
    if written > 0 {
        let hour = usage.cache_write_1h.min(written);
        key("cache_creation", out);
        out.push(b'{');
        number_member("ephemeral_5m_input_tokens", written - hour, out);
        number_member("ephemeral_1h_input_tokens", hour, out);
        out.push(b'}');
    } else {
        raw_member("cache_creation", "null", out);
    }
    // Thought that a provider counts beside its output is output here.
    number_member("output_tokens", usage.billed_completion(), out);
    if usage.reasoning > 0 {
        key("output_tokens_details", out);
        out.push(b'{');
        number_member("thinking_tokens", usage.reasoning, out);
        out.push(b'}');
    } else {
        raw_member("output_tokens_details", "null", out);
    }
    if usage.web_searches > 0 {
        key("server_tool_use", out);
        out.push(b'{');
        number_member("web_search_requests", usage.web_searches, out);
        number_member("web_fetch_requests", 0, out);
        out.push(b'}');
    } else {
        raw_member("server_tool_use", "null", out);
    }
    raw_member("inference_geo", "null", out);
    string_member("service_tier", service_tier(tier), out);
    if let Some(cost) = cost {
        write_cost(cost, out);
    }
    out.push(b'}');
}

/// Appends the member `cost`, in dollars.
pub(crate) fn write_cost(cost: &Cost, out: &mut Vec<u8>) {
    key("cost", out);
    write_dollars(cost.total_nano, out);
}

/// This API's word for a tier (checklist A05).
pub(super) fn service_tier(tier: Option<&str>) -> &'static str {
    match tier {
        Some("priority" | "fast") => "priority",
        Some("batch") => "batch",
        _ => "standard",
    }
}

/// What the client wants to see of thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thoughts {
    /// All, also when it did not ask: Anthropic's newer models think unasked too.
    Shown,
    /// That there was one, and its signature: `display` is `omitted`.
    Omitted,
    /// Nothing: thinking is `disabled`, and a client that says so is not ready for a block of it.
    Hidden,
}

impl Thoughts {
    pub(super) fn of(asked: &str) -> Thoughts {
        let mut kind = None;
        let mut display = None;
        let mut walker = Walker::new(asked);
        // What cannot be read asks for nothing.
        let _ = lenient::each_member(&mut walker, |walker, name| match name {
            "thinking" => lenient::each_member(walker, |walker, name| {
                match name {
                    "type" => kind = lenient::string(walker)?,
                    "display" => display = lenient::string(walker)?,
                    _ => drop(walker.value()?),
                }
                Ok::<(), json::Malformed>(())
            }),
            _ => walker.value().map(|_| ()),
        });
        match (kind.as_deref(), display.as_deref()) {
            (Some("disabled"), _) => Thoughts::Hidden,
            (_, Some("omitted")) => Thoughts::Omitted,
            _ => Thoughts::Shown,
        }
    }
}

/// Appends a whole answer.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    let thoughts = Thoughts::of(serving.asked);
    let mut refused = false;
    message_head(serving, out);
    key("content", out);
    out.push(b'[');
    for block in &answer.blocks {
        refused |= matches!(block, Block::Refusal(_));
        write_block(block, thoughts, out);
    }
    out.push(b']');
    string_member("stop_reason", stop_reason(closing, refused), out);
    stop_sequence(closing.stop_sequence, out);
    key("usage", out);
    write_usage(
        &closing.usage,
        closing.service_tier,
        Some(&closing.cost),
        out,
    );
    out.push(b'}');
}

/// What every message begins with.
pub(super) fn message_head(serving: &Serving<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    string_member("id", serving.id, out);
    string_member("type", "message", out);
    string_member("role", "assistant", out);
    string_member("model", serving.model, out);
    string_member("provider", serving.provider, out);
}

pub(super) fn stop_sequence(met: Option<&str>, out: &mut Vec<u8>) {
    match met {
        Some(text) => string_member("stop_sequence", text, out),
        None => raw_member("stop_sequence", "null", out),
    }
    ending(out);
}

/// Appends what other providers than Anthropic do not say about an ending: the schema has these members in every message.
fn ending(out: &mut Vec<u8>) {
    raw_member("stop_details", "null", out);
    raw_member("container", "null", out);
}

fn write_block(block: &Block<'_>, thoughts: Thoughts, out: &mut Vec<u8>) {
    match block {
        Block::Text(text) => {
            // Empty texts mean nothing, and this API refuses them when they come back.
            if !text.text.is_empty() || !text.citations.is_empty() {
                open_block("text", out);
                string_member("text", &text.text, out);
                if !text.citations.is_empty() {
                    key("citations", out);
                    out.push(b'[');
                    for citation in &text.citations {
                        comma(out);
                        write_citation(citation, out);
                    }
                    out.push(b']');
                }
                out.push(b'}');
            }
            if let Some(signature) = &text.signature {
                carrier_block(Carries::Text, "", signature, thoughts, out);
            }
        }
        Block::Refusal(text) => {
            open_block("text", out);
            string_member("text", text, out);
            out.push(b'}');
        }
        Block::Thought(thought) => thought_block(thought, thoughts, out),
        Block::ToolCall(call) => {
            if let Some(signature) = &call.signature {
                carrier_block(Carries::Call, &call.id, signature, thoughts, out);
            }
            open_block("tool_use", out);
            string_member("id", &call.id, out);
            string_member(
                "name",
                &joined_name(call.namespace.as_deref(), &call.name),
                out,
            );
            key("input", out);
            write_input(call, out);
            out.push(b'}');
        }
        Block::Image {
            source: Source::Data { media_type, base64 },
            ..
        } => {
            comma(out);
            image_block(media_type, base64, out);
        }
        Block::Image {
            source: Source::Url(url),
            ..
        } => {
            comma(out);
            image_block("", url, out);
        }
        Block::Audio {
            transcript: Some(said),
            ..
        } => {
            open_block("text", out);
            string_member("text", said, out);
            out.push(b'}');
        }
        Block::Image { .. }
        | Block::Audio { .. }
        | Block::File { .. }
        | Block::Video { .. }
        | Block::ToolResult(_)
        | Block::Foreign(_) => {}
    }
}

pub(super) fn open_block(kind: &str, out: &mut Vec<u8>) {
    comma(out);
    out.push(b'{');
    string_member("type", kind, out);
}

fn thought_block(thought: &Thought<'_>, thoughts: Thoughts, out: &mut Vec<u8>) {
    if thoughts == Thoughts::Hidden {
        return;
    }
    if thought.kind == ThoughtKind::Encrypted {
        open_block("redacted_thinking", out);
        string_member("data", &redacted_data(thought), out);
    } else {
        open_block("thinking", out);
        let text = match thoughts {
            Thoughts::Omitted => "",
            _ => thought.text.as_ref(),
        };
        string_member("thinking", text, out);
        string_member("signature", &carried::signature_of(thought), out);
    }
    out.push(b'}');
}

fn redacted_data<'t>(thought: &'t Thought<'_>) -> Cow<'t, str> {
    if thought.format == format::ANTHROPIC {
        return Cow::Borrowed(&thought.text);
    }
    Cow::Owned(carried::pack(
        &thought.format,
        Carries::Thought(ThoughtKind::Encrypted),
        thought.id.as_deref().unwrap_or_default(),
        &thought.text,
    ))
}

/// A block that only holds a signature; see [`carried`].
fn carrier_block(
    carries: Carries,
    id: &str,
    signature: &str,
    thoughts: Thoughts,
    out: &mut Vec<u8>,
) {
    if thoughts == Thoughts::Hidden {
        return;
    }
    open_block("thinking", out);
    string_member("thinking", "", out);
    let packed = carried::pack(format::GEMINI, carries, id, signature);
    string_member("signature", &packed, out);
    out.push(b'}');
}

/// An image that a model made. Anthropic's own answers hold none, so the block has the form that requests use.
pub(super) fn image_block(media_type: &str, base64_or_url: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"image\",\"source\":{");
    if media_type.is_empty() {
        string_member("type", "url", out);
        string_member("url", base64_or_url, out);
    } else {
        string_member("type", "base64", out);
        string_member("media_type", media_type, out);
        string_member("data", base64_or_url, out);
    }
    out.extend_from_slice(b"}}");
}

/// The arguments of a call as a JSON object, whatever the model wrote: clients read `input` without looking at its type.
pub(super) fn write_input(call: &ToolCall<'_>, out: &mut Vec<u8>) {
    let arguments = call.arguments.trim();
    if call.custom {
        out.push(b'{');
        string_member("input", &call.arguments, out);
        out.push(b'}');
    } else if arguments.is_empty() {
        out.extend_from_slice(b"{}");
    } else if arguments.starts_with('{') && is_json(arguments) {
        out.extend_from_slice(arguments.as_bytes());
    } else {
        out.push(b'{');
        string_member("arguments", arguments, out);
        out.push(b'}');
    }
}

fn is_json(text: &str) -> bool {
    let mut walker = Walker::new(text);
    walker.value().and_then(|_| walker.finish()).is_ok()
}

/// A source on the web. `encrypted_index` is Anthropic's own proof of it, which no other provider has.
pub(super) fn write_citation(citation: &Citation<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    string_member("type", "web_search_result_location", out);
    string_member("url", &citation.url, out);
    match &citation.title {
        Some(title) => string_member("title", title, out),
        None => raw_member("title", "null", out),
    }
    string_member(
        "cited_text",
        citation.content.as_deref().unwrap_or_default(),
        out,
    );
    string_member("encrypted_index", "", out);
    out.push(b'}');
}

/// Appends an error body.
pub(super) fn refusal(refusal: &Refusal, id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"error\",\"error\":{");
    string_member("type", error_type(refusal.error_type()), out);
    string_member("message", &refusal.message, out);
    string_member("error_type", refusal.error_type(), out);
    refusal.write_availability_member(out);
    out.push(b'}');
    match id {
        "" => raw_member("request_id", "null", out),
        id => string_member("request_id", id, out),
    }
    out.push(b'}');
}

/// Anthropic's type of an error (openrouter.md §4.6; checklist A04). A body that is too large has a type of its own there.
fn error_type(canonical: &str) -> &'static str {
    match canonical {
        "authentication" => "authentication_error",
        "permission_denied" => "permission_error",
        "payment_required" => "billing_error",
        "not_found" | "image_not_found" => "not_found_error",
        "rate_limit_exceeded" => "rate_limit_error",
        "provider_overloaded" => "overloaded_error",
        "timeout" => "timeout_error",
        "payload_too_large" => "request_too_large",
        "provider_unavailable" | "server" | "unmapped" => "api_error",
        _ => "invalid_request_error",
    }
}
