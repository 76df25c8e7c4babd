//! Writing a request for chat.
//!
//! - Instructions are messages of the role `system`; tool results are messages of the role `tool`, one each.
//! - What the assistant thought aloud before calling tools is its `tool_plan`; a message with calls has no content.
//! - `p` and `k` are top_p and top_k; a forced choice is `REQUIRED`, and a tool cannot be named, so that choosing one by name leaves only
//!   that one on offer.

use serde_json::value::RawValue;

use crate::dialect::Target;
use crate::exchange::{
    Ask, Block, Effort, Format, Role, Source, ThoughtKind, Tool, ToolChoice, ToolResult, Turn,
    joined_name,
};
use crate::json::write_string;
use crate::member::write::{comma, key, number_member, raw_member, string_member};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

/// Tokens of thought where the client says an effort and no limit of tokens to take it from.
const BUDGET_BASE_TOKENS: u64 = 8_192;

/// Writes a request's body.
pub(crate) fn write(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    inexpressible(ask, target)?;
    out.push(b'{');
    string_member("model", target.model, out);
    raw_member("stream", if ask.stream { "true" } else { "false" }, out);
    messages(ask, target, out)?;
    tools(ask, target, out)?;
    if let Some(max_tokens) = ask.max_tokens {
        number_member("max_tokens", max_tokens, out);
    }
    for (parameter, name, value) in [
        (Parameter::Temperature, "temperature", ask.temperature),
        (Parameter::TopP, "p", ask.top_p),
        (Parameter::TopK, "k", ask.top_k),
        (
            Parameter::FrequencyPenalty,
            "frequency_penalty",
            ask.frequency_penalty,
        ),
        (
            Parameter::PresencePenalty,
            "presence_penalty",
            ask.presence_penalty,
        ),
        (Parameter::Seed, "seed", ask.seed),
    ] {
        if let Some(value) = value
            && target.takes(parameter)?
        {
            raw_member(name, value.get(), out);
        }
    }
    if !ask.stop.is_empty() && target.takes(Parameter::Stop)? {
        key("stop_sequences", out);
        out.push(b'[');
        for stop in &ask.stop {
            comma(out);
            write_string(stop, out);
        }
        out.push(b']');
    }
    match &ask.format {
        Some(Format::JsonObject) => {
            raw_member("response_format", "{\"type\":\"json_object\"}", out)
        }
        Some(Format::JsonSchema { schema, .. }) => {
            key("response_format", out);
            out.extend_from_slice(b"{\"type\":\"json_object\",\"json_schema\":");
            out.extend_from_slice(schema.get().as_bytes());
            out.push(b'}');
        }
        Some(Format::Other(_)) => return Err(target.inexpressible("response_format")),
        Some(Format::Text) | None => {}
    }
    thinking(ask, target, out)?;
    for (name, value) in &ask.extra {
        if OWN_MEMBERS.contains(&name.as_ref()) {
            raw_member(name, value.get(), out);
        }
    }
    out.push(b'}');
    Ok(())
}

/// Members of Cohere's own that clients of other APIs say beside theirs.
const OWN_MEMBERS: [&str; 5] = [
    "documents",
    "citation_options",
    "safety_mode",
    "strict_tools",
    "priority",
];

fn inexpressible(ask: &Ask<'_>, target: &Target<'_>) -> Result<(), Refusal> {
    target.cannot_any(
        ask,
        &[
            Parameter::MinP,
            Parameter::TopA,
            Parameter::RepetitionPenalty,
            Parameter::LogitBias,
            // It has some, but of pieces of text instead of tokens, which is no answer to the question.
            Parameter::Logprobs,
            Parameter::TopLogprobs,
            Parameter::Prediction,
            Parameter::ParallelToolCalls,
            Parameter::WebSearchOptions,
            Parameter::Verbosity,
        ],
    )?;
    match ask.modalities.iter().any(|kind| kind != "text") {
        true => Err(target.inexpressible("modalities")),
        false => Ok(()),
    }
}

fn thinking(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Some(reasoning) = &ask.reasoning else {
        return Ok(());
    };
    match reasoning.wanted() {
        None => {}
        Some(false) => raw_member("thinking", "{\"type\":\"disabled\"}", out),
        Some(true) if !target.takes(Parameter::Reasoning)? => {}
        Some(true) => {
            key("thinking", out);
            out.extend_from_slice(b"{\"type\":\"enabled\"");
            if reasoning.max_tokens.is_some() || reasoning.effort > Some(Effort::None) {
                let base = ask.max_tokens.unwrap_or(BUDGET_BASE_TOKENS);
                number_member("token_budget", reasoning.budget(base), out);
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn messages(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    key("messages", out);
    out.push(b'[');
    if !ask.system.is_empty() {
        message("system", &ask.system, None, target, out)?;
    }
    for turn in &ask.turns {
        turn_messages(turn, target, out)?;
    }
    out.push(b']');
    Ok(())
}

fn turn_messages(turn: &Turn<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let role = match turn.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => return assistant(turn, target, out),
    };
    for block in &turn.blocks {
        if let Block::ToolResult(result) = block {
            tool_result(result, target, out)?;
        }
    }
    let rest = turn
        .blocks
        .iter()
        .any(|block| !matches!(block, Block::ToolResult(_) | Block::Foreign(_)));
    match rest {
        true => message(role, &turn.blocks, turn.name.as_deref(), target, out),
        false => Ok(()),
    }
}

fn message(
    role: &str,
    blocks: &[Block<'_>],
    name: Option<&str>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    comma(out);
    out.push(b'{');
    string_member("role", role, out);
    key("content", out);
    out.push(b'[');
    let mut name = name;
    for block in blocks {
        match block {
            Block::Text(said) => {
                let prefix = name.take().map(|name| format!("{name}: {}", said.text));
                text(prefix.as_deref().unwrap_or(&said.text), out);
            }
            Block::Refusal(said) => text(said, out),
            Block::Image { source, detail, .. } => {
                comma(out);
                out.extend_from_slice(b"{\"type\":\"image_url\",\"image_url\":{");
                let url = match source {
                    Source::Url(url) => url.to_string(),
                    Source::Data { media_type, base64 } => {
                        format!("data:{media_type};base64,{base64}")
                    }
                    Source::Id(_) => return Err(target.inexpressible("an image by file id")),
                };
                string_member("url", &url, out);
                if let Some(detail) = detail {
                    string_member("detail", detail, out);
                }
                out.extend_from_slice(b"}}");
            }
            Block::File { .. } => return Err(target.inexpressible("file")),
            Block::Audio { .. } => return Err(target.inexpressible("input_audio")),
            Block::Video { .. } => return Err(target.inexpressible("video_url")),
            Block::Thought(_) | Block::ToolCall(_) | Block::ToolResult(_) | Block::Foreign(_) => {}
        }
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn text(text: &str, out: &mut Vec<u8>) {
    comma(out);
    out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
    write_string(text, out);
    out.push(b'}');
}

fn assistant(turn: &Turn<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let calls = turn
        .blocks
        .iter()
        .any(|block| matches!(block, Block::ToolCall(_)));
    comma(out);
    out.extend_from_slice(b"{\"role\":\"assistant\"");
    let said = |block: &Block<'_>| match block {
        Block::Text(text) => Some(text.text.to_string()),
        Block::Refusal(text) => Some(text.to_string()),
        _ => None,
    };
    if calls {
        let plan: String = turn.blocks.iter().filter_map(said).collect();
        if !plan.is_empty() {
            string_member("tool_plan", &plan, out);
        }
        key("tool_calls", out);
        out.push(b'[');
        for block in &turn.blocks {
            let Block::ToolCall(call) = block else {
                continue;
            };
            comma(out);
            out.push(b'{');
            string_member("id", &call.id, out);
            string_member("type", "function", out);
            key("function", out);
            out.push(b'{');
            string_member(
                "name",
                &joined_name(call.namespace.as_deref(), &call.name),
                out,
            );
            let arguments = match call.custom {
                true => {
                    let mut input = b"{\"input\":".to_vec();
                    write_string(&call.arguments, &mut input);
                    input.push(b'}');
                    String::from_utf8_lossy(&input).into_owned()
                }
                false if call.arguments.trim().is_empty() => "{}".to_owned(),
                false => call.arguments.to_string(),
            };
            string_member("arguments", &arguments, out);
            out.extend_from_slice(b"}}");
        }
        out.extend_from_slice(b"]}");
        return Ok(());
    }
    key("content", out);
    out.push(b'[');
    for block in &turn.blocks {
        match block {
            // Thoughts are not signed here, so those of a model can be replayed as text.
            Block::Thought(thought)
                if thought.kind == ThoughtKind::Text && thought.signature.is_none() =>
            {
                comma(out);
                out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":");
                write_string(&thought.text, out);
                out.push(b'}');
            }
            Block::Image { .. } => return Err(target.inexpressible("an image of the assistant")),
            block => {
                if let Some(said) = said(block).filter(|said| !said.is_empty()) {
                    text(&said, out);
                }
            }
        }
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn tool_result(
    result: &ToolResult<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    comma(out);
    out.extend_from_slice(b"{\"role\":\"tool\"");
    string_member("tool_call_id", &result.call_id, out);
    key("content", out);
    out.push(b'[');
    let start = out.len();
    for block in &result.blocks {
        match block {
            Block::Text(said) => text(&said.text, out),
            Block::Image { .. } | Block::File { .. } => {
                return Err(target.inexpressible("tool results with anything but text"));
            }
            _ => {}
        }
    }
    if out.len() == start {
        text("", out);
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn tools(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if ask.tools.is_empty() || !target.takes(Parameter::Tools)? {
        return Ok(());
    }
    let named = match &ask.tool_choice {
        Some(ToolChoice::Named(name)) => Some(name.as_ref()),
        _ => None,
    };
    let mut list = vec![b'['];
    for tool in &ask.tools {
        let (name, description, parameters) = match tool {
            Tool::Function(function) => (
                joined_name(function.namespace.as_deref(), &function.name),
                function.description.as_deref(),
                function.parameters.as_deref().map(RawValue::get),
            ),
            Tool::Custom {
                name, description, ..
            } => (
                name.clone(),
                description.as_deref(),
                Some(
                    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[\"input\"]}",
                ),
            ),
            Tool::Server { kind, .. } => {
                if ask.tool_choice == Some(ToolChoice::Required) {
                    return Err(target.inexpressible(&format!(
                        "tools: {}",
                        crate::upstream_error::excerpt(kind.as_bytes(), 60)
                    )));
                }
                target.cannot("tools")?;
                continue;
            }
        };
        if named.is_some_and(|named| named != name) {
            continue;
        }
        comma(&mut list);
        list.extend_from_slice(b"{\"type\":\"function\",\"function\":{");
        string_member("name", &name, &mut list);
        if let Some(description) = description {
            string_member("description", description, &mut list);
        }
        let parameters = parameters.unwrap_or("{\"type\":\"object\",\"properties\":{}}");
        raw_member("parameters", parameters, &mut list);
        list.extend_from_slice(b"}}");
    }
    if list.len() == 1 {
        return Ok(());
    }
    list.push(b']');
    key("tools", out);
    out.extend_from_slice(&list);
    match &ask.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_))
            if target.takes(Parameter::ToolChoice)? =>
        {
            string_member("tool_choice", "REQUIRED", out);
        }
        Some(ToolChoice::None) if target.takes(Parameter::ToolChoice)? => {
            string_member("tool_choice", "NONE", out);
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::dialect::Dialect;
    use crate::exchange::{Function, Text, ToolCall};

    fn written(ask: &Ask<'_>) -> serde_json::Value {
        let mut out = Vec::new();
        write(ask, &Target::new(Dialect::Cohere, "m"), &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_plan_stands_beside_the_calls() {
        let ask = Ask {
            turns: vec![
                Turn {
                    role: Role::Assistant,
                    blocks: vec![
                        Block::Text(Text {
                            text: Cow::Borrowed("I look."),
                            ..Text::default()
                        }),
                        Block::ToolCall(ToolCall {
                            id: Cow::Borrowed("c"),
                            name: Cow::Borrowed("f"),
                            ..ToolCall::default()
                        }),
                    ],
                    name: None,
                },
                Turn {
                    role: Role::User,
                    blocks: vec![Block::ToolResult(ToolResult {
                        call_id: Cow::Borrowed("c"),
                        ..ToolResult::default()
                    })],
                    name: None,
                },
            ],
            ..Ask::default()
        };
        let body = written(&ask);
        assert_eq!(body["messages"][0]["tool_plan"], "I look.");
        assert_eq!(
            body["messages"][0]["tool_calls"][0]["function"]["arguments"],
            "{}"
        );
        assert_eq!(body["messages"][1]["tool_call_id"], "c");
        assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn q21_a_named_tool_is_the_only_one_on_offer() {
        let tool = |name: &'static str| {
            Tool::Function(Function {
                name: Cow::Borrowed(name),
                ..Function::default()
            })
        };
        let ask = Ask {
            tools: vec![tool("a"), tool("b")],
            tool_choice: Some(ToolChoice::Named(Cow::Borrowed("b"))),
            ..Ask::default()
        };
        let body = written(&ask);
        assert_eq!(body["tools"].as_array().unwrap().len(), 1);
        assert_eq!(body["tools"][0]["function"]["name"], "b");
        assert_eq!(body["tool_choice"], "REQUIRED");
    }
}
