//! Writing a request in Anthropic's words.
//!
//! What has to be known about the protocol, and is decided here:
//!
//! - **Messages** alternate between user and assistant, start with the user, and are never empty; tool results come first in theirs. So
//!   neighbours are joined, results are moved up, blank texts are left out.
//! - **`max_tokens`** must be said: the client's, else all that the endpoint can, else [`MAX_TOKENS`].
//! - **Thinking** with a budget (`enabled`) or as the model likes (`adaptive`). Newer models take only the second and older ones
//!   only the first; an endpoint that takes `verbosity` (which is this protocol's `output_config.effort`) and no
//!   `temperature` is one of the newer. Where the request itself says which, that is done.
//! - **Sampling**: temperature ends at 1, does not go together with thinking, and excludes `top_p`.
//! - **Four cache marks** at most: what is too many is left out from the front, because later ones cover more.
//! - **Schemas** of answers are said natively (`output_config.format`) unless the endpoint is known not to take them; then, and for "some
//!   JSON", the wish stands in the instructions.

mod cache;
mod conversation;
mod source;
#[cfg(test)]
mod tests;
mod thinking;
mod tool;

use cache::{cache_member, marks_to_skip};
use conversation::Writing;
use serde_json::value::RawValue;
use thinking::{Limits, Thinking};

use crate::dialect::{Dialect, Target};
use crate::exchange::{Ask, Effort, Format};
use crate::json::write_string;
use crate::member::write::{comma, key, number_member, raw_member, string_member};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

/// `max_tokens` where neither the client nor the catalogue says any: what every model of the protocol can generate.
const MAX_TOKENS: u64 = 4096;

/// Members of other APIs' requests that mean the same here, for clients that say them through such an API. Everything else that is
/// unknown is left out, because this protocol refuses a request with an unknown member.
const OWN_MEMBERS: [&str; 7] = [
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "mcp_servers",
    "speed",
    "user_profile_id",
];

/// Writes a request's body.
pub(crate) fn write(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    inexpressible(ask, target)?;
    let limits = Limits::of(ask, target)?;
    let mut writing = Writing {
        ask,
        target,
        marks_to_skip: marks_to_skip(ask),
        web_search: false,
    };
    out.push(b'{');
    let (name, value) = target
        .in_place_of_model()
        .unwrap_or(("model", target.model));
    string_member(name, value, out);
    number_member("max_tokens", limits.max_tokens, out);
    if ask.stream {
        raw_member("stream", "true", out);
    }
    writing.tools(out)?;
    writing.tool_choice(out)?;
    let hint = hint(ask, target)?;
    let system_in_conversation = ask.turns.is_empty();
    if !system_in_conversation {
        writing.system(hint.as_deref(), out)?;
    }
    writing.messages(system_in_conversation, out)?;
    sampling(ask, target, &limits, out)?;
    if !ask.stop.is_empty() {
        stop(ask, target, out)?;
    }
    limits.thinking.write(out);
    output_config(ask, target, &limits, out)?;
    if let Some(tier) = service_tier(ask, target)? {
        string_member("service_tier", tier, out);
    }
    if let Some(user) = target.user {
        key("metadata", out);
        out.push(b'{');
        string_member("user_id", user, out);
        out.push(b'}');
    }
    if let Some(mark) = &ask.cache {
        cache_member(mark, out);
    }
    for (name, value) in &ask.extra {
        let own = ask.api.home() == Dialect::Anthropic;
        if own || OWN_MEMBERS.contains(&name.as_ref()) {
            comma(out);
            write_string(name, out);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    out.push(b'}');
    Ok(())
}

/// What the protocol has no word for: sampling may be left out, the rest would change the answer.
fn inexpressible(ask: &Ask<'_>, target: &Target<'_>) -> Result<(), Refusal> {
    target.cannot_any(
        ask,
        &[
            Parameter::MinP,
            Parameter::TopA,
            Parameter::FrequencyPenalty,
            Parameter::PresencePenalty,
            Parameter::RepetitionPenalty,
            Parameter::Seed,
            Parameter::LogitBias,
            Parameter::Logprobs,
            Parameter::TopLogprobs,
            Parameter::Prediction,
        ],
    )?;
    if let Some(other) = ask.modalities.iter().find(|kind| *kind != "text") {
        return Err(target.inexpressible(&format!(
            "modalities: {}",
            crate::upstream_error::excerpt(other.as_bytes(), 40)
        )));
    }
    if let Some(Format::Other(_)) = ask.format {
        return Err(target.inexpressible("response_format"));
    }
    Ok(())
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// What the instructions have to say because the endpoint has no parameter for it.
fn hint(ask: &Ask<'_>, target: &Target<'_>) -> Result<Option<String>, Refusal> {
    Ok(match &ask.format {
        Some(Format::JsonObject) => Some(
            "Answer with one JSON object and nothing else: no text around it, no code fence."
                .to_owned(),
        ),
        Some(Format::JsonSchema { schema, .. }) if !native_schemas(target)? => Some(format!(
            "Answer with one JSON value that follows the JSON Schema below, and nothing else: no text around it, no code fence.\n\n{}",
            schema.get()
        )),
        _ => None,
    })
}

fn native_schemas(target: &Target<'_>) -> Result<bool, Refusal> {
    target.takes(Parameter::StructuredOutputs)
}

fn sampling(
    ask: &Ask<'_>,
    target: &Target<'_>,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let mut put = |parameter: Parameter, value: Option<&str>, free: bool| {
        let Some(value) = value else {
            return Ok(());
        };
        if limits.thinking.is_on() || !free {
            return target.cannot(parameter.name());
        }
        if target.takes(parameter)? {
            raw_member(parameter.name(), value, out);
        }
        Ok(())
    };
    let number = |raw: Option<&RawValue>| raw.and_then(|raw| raw.get().parse::<f64>().ok());
    let temperature = ask.temperature.map(RawValue::get);
    put(
        Parameter::Temperature,
        match number(ask.temperature) {
            Some(hot) if hot > 1.0 => Some("1"),
            _ => temperature,
        },
        true,
    )?;
    // All of the nucleus is no restriction, and is said by many clients beside a temperature.
    let top_p = ask
        .top_p
        .map(RawValue::get)
        .filter(|_| number(ask.top_p) != Some(1.0));
    put(Parameter::TopP, top_p, temperature.is_none())?;
    // Zero is OpenRouter's word for no restriction.
    let top_k = ask
        .top_k
        .map(RawValue::get)
        .filter(|_| number(ask.top_k) != Some(0.0));
    put(Parameter::TopK, top_k, true)
}

/// Texts of white space alone are refused by the protocol.
fn stop(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if !target.takes(Parameter::Stop)? {
        return Ok(());
    }
    if ask.stop.iter().any(|text| is_blank(text)) {
        target.cannot(Parameter::Stop.name())?;
    }
    let mut texts = ask.stop.iter().filter(|text| !is_blank(text)).peekable();
    if texts.peek().is_none() {
        return Ok(());
    }
    key("stop_sequences", out);
    out.push(b'[');
    for text in texts {
        comma(out);
        write_string(text, out);
    }
    out.push(b']');
    Ok(())
}

/// `output_config`: effort, from `verbosity` (checklist Q11) or where the model decides how much it thinks from the wish for thought, and
/// the schema of the answer.
fn output_config(
    ask: &Ask<'_>,
    target: &Target<'_>,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let effort = match (&ask.verbosity, &ask.reasoning) {
        (Some(verbosity), _) if target.takes(Parameter::Verbosity)? => Some(verbosity.as_ref()),
        (None, Some(reasoning)) if matches!(limits.thinking, Thinking::Adaptive { .. }) => {
            reasoning
                .effort_or_budget(Some(limits.max_tokens))
                // "Think", without saying how much, leaves it to the model.
                .filter(|_| reasoning.effort.is_some() || reasoning.max_tokens.is_some())
                .map(|effort| match effort {
                    Effort::None | Effort::Minimal => Effort::Low.name(),
                    effort => effort.name(),
                })
        }
        _ => None,
    };
    let schema = match &ask.format {
        Some(Format::JsonSchema { schema, .. }) if native_schemas(target)? => Some(schema),
        _ => None,
    };
    if effort.is_none() && schema.is_none() {
        return Ok(());
    }
    key("output_config", out);
    out.push(b'{');
    if let Some(effort) = effort {
        string_member("effort", effort, out);
    }
    if let Some(schema) = schema {
        key("format", out);
        out.extend_from_slice(b"{\"type\":\"json_schema\"");
        raw_member("schema", schema.get(), out);
        out.push(b'}');
    }
    out.push(b'}');
    Ok(())
}

/// The protocol knows two words: the better tier where there is one, and never.
fn service_tier(ask: &Ask<'_>, target: &Target<'_>) -> Result<Option<&'static str>, Refusal> {
    Ok(match ask.service_tier.as_deref() {
        None => None,
        Some("auto" | "priority" | "fast") => Some("auto"),
        Some("default" | "standard" | "standard_only") => Some("standard_only"),
        Some(_) => {
            target.cannot("service_tier")?;
            None
        }
    })
}
