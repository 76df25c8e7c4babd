//! Writing a request for chat.

use serde_json::value::RawValue;

use crate::dialect::Target;
use crate::exchange::{
    Ask, Block, Effort, Format, Role, Source, ThoughtKind, Tool, ToolCall, ToolChoice, Turn,
    joined_name,
};
use crate::json::{Kind, Walker, write_string};
use crate::member::write::{comma, key, number_member, raw_member, string_member};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

/// Writes a request's body.
pub(crate) fn write(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    inexpressible(ask, target)?;
    out.push(b'{');
    string_member("model", target.model, out);
    // Said in both cases, because streaming is the default there.
    raw_member("stream", if ask.stream { "true" } else { "false" }, out);
    key("messages", out);
    out.push(b'[');
    if !ask.system.is_empty() {
        message("system", None, &ask.system, target, out)?;
    }
    for turn in &ask.turns {
        turn_messages(turn, target, out)?;
    }
    out.push(b']');
    tools(ask, target, out)?;
    match &ask.format {
        Some(Format::JsonObject) => raw_member("format", "\"json\"", out),
        Some(Format::JsonSchema { schema, .. }) => raw_member("format", schema.get(), out),
        Some(Format::Other(_)) => return Err(target.inexpressible("response_format")),
        Some(Format::Text) | None => {}
    }
    think(ask, target, out)?;
    options(ask, target, out)?;
    for (name, value) in &ask.extra {
        if name == "keep_alive" {
            raw_member(name, value.get(), out);
        }
    }
    out.push(b'}');
    Ok(())
}

fn inexpressible(ask: &Ask<'_>, target: &Target<'_>) -> Result<(), Refusal> {
    // Choosing is the model's: a tool cannot be forced. "None" is said by offering none.
    if matches!(
        ask.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    ) {
        target.cannot(Parameter::ToolChoice.name())?;
    }
    target.cannot_any(
        ask,
        &[
            Parameter::TopA,
            Parameter::LogitBias,
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

fn turn_messages(turn: &Turn<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    for block in &turn.blocks {
        let Block::ToolResult(result) = block else {
            continue;
        };
        comma(out);
        out.extend_from_slice(b"{\"role\":\"tool\",\"content\":");
        let text: String = result.blocks.iter().filter_map(said).collect();
        write_string(&text, out);
        if let Some(name) = &result.name {
            string_member("tool_name", name, out);
        }
        let images = result
            .blocks
            .iter()
            .filter(|block| matches!(block, Block::Image { .. }));
        self::images(images, target, out)?;
        out.push(b'}');
    }
    let role = match turn.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let rest = turn
        .blocks
        .iter()
        .any(|block| !matches!(block, Block::ToolResult(_) | Block::Foreign(_)));
    match rest {
        true => message(role, turn.name.as_deref(), &turn.blocks, target, out),
        false => Ok(()),
    }
}

fn said<'b>(block: &'b Block<'_>) -> Option<&'b str> {
    match block {
        Block::Text(text) => Some(&text.text),
        Block::Refusal(text) => Some(text),
        _ => None,
    }
}

fn message(
    role: &str,
    name: Option<&str>,
    blocks: &[Block<'_>],
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    comma(out);
    out.push(b'{');
    string_member("role", role, out);
    let mut text = name.map_or(String::new(), |name| format!("{name}: "));
    text.extend(blocks.iter().filter_map(said));
    string_member("content", &text, out);
    let thought: String = blocks
        .iter()
        .filter_map(|block| match block {
            Block::Thought(thought) if thought.kind == ThoughtKind::Text => Some(&*thought.text),
            _ => None,
        })
        .collect();
    if !thought.is_empty() && role == "assistant" {
        string_member("thinking", &thought, out);
    }
    images(
        blocks
            .iter()
            .filter(|block| matches!(block, Block::Image { .. })),
        target,
        out,
    )?;
    let mut calls = blocks.iter().filter_map(|block| match block {
        Block::ToolCall(call) => Some(call),
        _ => None,
    });
    if let Some(first) = calls.next() {
        key("tool_calls", out);
        out.push(b'[');
        for call in std::iter::once(first).chain(calls) {
            tool_call(call, out);
        }
        out.push(b']');
    }
    for block in blocks {
        match block {
            Block::File { .. } => return Err(target.inexpressible("file")),
            Block::Audio { .. } => return Err(target.inexpressible("input_audio")),
            Block::Video { .. } => return Err(target.inexpressible("video_url")),
            _ => {}
        }
    }
    out.push(b'}');
    Ok(())
}

fn images<'b>(
    mut blocks: impl Iterator<Item = &'b Block<'b>>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let Some(first) = blocks.next() else {
        return Ok(());
    };
    key("images", out);
    out.push(b'[');
    for block in std::iter::once(first).chain(blocks) {
        let Block::Image { source, .. } = block else {
            continue;
        };
        let Source::Data { base64, .. } = source else {
            return Err(target.inexpressible("an image by address"));
        };
        comma(out);
        write_string(base64, out);
    }
    out.push(b']');
    Ok(())
}

fn tool_call(call: &ToolCall<'_>, out: &mut Vec<u8>) {
    comma(out);
    out.extend_from_slice(b"{\"function\":{");
    string_member(
        "name",
        &joined_name(call.namespace.as_deref(), &call.name),
        out,
    );
    let mut walker = Walker::new(&call.arguments);
    let object = !call.custom
        && walker.peek() == Some(Kind::Object)
        && walker.value().is_ok()
        && walker.finish().is_ok();
    key("arguments", out);
    match object {
        true => out.extend_from_slice(call.arguments.as_bytes()),
        false if call.arguments.trim().is_empty() => out.extend_from_slice(b"{}"),
        false => {
            out.extend_from_slice(b"{\"input\":");
            write_string(&call.arguments, out);
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"}}");
}

fn tools(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if ask.tools.is_empty()
        || ask.tool_choice == Some(ToolChoice::None)
        || !target.takes(Parameter::Tools)?
    {
        return Ok(());
    }
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
            Tool::Server { .. } => {
                target.cannot("tools")?;
                continue;
            }
        };
        comma(&mut list);
        list.extend_from_slice(b"{\"type\":\"function\",\"function\":{");
        string_member("name", &name, &mut list);
        string_member("description", description.unwrap_or_default(), &mut list);
        let parameters = parameters.unwrap_or("{\"type\":\"object\",\"properties\":{}}");
        raw_member("parameters", parameters, &mut list);
        list.extend_from_slice(b"}}");
    }
    if list.len() > 1 {
        list.push(b']');
        key("tools", out);
        out.extend_from_slice(&list);
    }
    Ok(())
}

fn think(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Some(reasoning) = &ask.reasoning else {
        return Ok(());
    };
    match reasoning.wanted() {
        None => {}
        Some(false) => raw_member("think", "false", out),
        Some(true) if !target.takes(Parameter::Reasoning)? => {}
        // A level where the client names one; models that know no levels take it for "yes".
        Some(true) => match reasoning.effort {
            Some(Effort::Minimal | Effort::Low) => string_member("think", "low", out),
            Some(Effort::High | Effort::XHigh | Effort::Max) => string_member("think", "high", out),
            _ => raw_member("think", "true", out),
        },
    }
    Ok(())
}

fn options(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut options = vec![b'{'];
    if let Some(max_tokens) = ask.max_tokens {
        number_member("num_predict", max_tokens, &mut options);
    }
    for (parameter, name, value) in [
        (Parameter::Temperature, "temperature", ask.temperature),
        (Parameter::TopP, "top_p", ask.top_p),
        (Parameter::TopK, "top_k", ask.top_k),
        (Parameter::MinP, "min_p", ask.min_p),
        (Parameter::Seed, "seed", ask.seed),
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
        (
            Parameter::RepetitionPenalty,
            "repeat_penalty",
            ask.repetition_penalty,
        ),
    ] {
        if let Some(value) = value
            && target.takes(parameter)?
        {
            raw_member(name, value.get(), &mut options);
        }
    }
    if !ask.stop.is_empty() && target.takes(Parameter::Stop)? {
        key("stop", &mut options);
        options.push(b'[');
        for stop in &ask.stop {
            comma(&mut options);
            write_string(stop, &mut options);
        }
        options.push(b']');
    }
    if options.len() > 1 {
        options.push(b'}');
        key("options", out);
        out.extend_from_slice(&options);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::dialect::Dialect;
    use crate::exchange::{Text, ToolResult};

    #[test]
    fn calls_are_objects_and_results_name_their_tool() {
        let ask = Ask {
            turns: vec![
                Turn {
                    role: Role::Assistant,
                    blocks: vec![Block::ToolCall(ToolCall {
                        name: Cow::Borrowed("f"),
                        arguments: Cow::Borrowed("{\"a\":1}"),
                        ..ToolCall::default()
                    })],
                    name: None,
                },
                Turn {
                    role: Role::User,
                    blocks: vec![Block::ToolResult(ToolResult {
                        name: Some(Cow::Borrowed("f")),
                        blocks: vec![Block::Text(Text {
                            text: Cow::Borrowed("r"),
                            ..Text::default()
                        })],
                        ..ToolResult::default()
                    })],
                    name: None,
                },
            ],
            max_tokens: Some(5),
            ..Ask::default()
        };
        let mut out = Vec::new();
        write(&ask, &Target::new(Dialect::Ollama, "m"), &mut out).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(body["stream"], false);
        assert_eq!(
            body["messages"][0]["tool_calls"][0]["function"]["arguments"]["a"],
            1
        );
        assert_eq!(body["messages"][1]["tool_name"], "f");
        assert_eq!(body["messages"][1]["content"], "r");
        assert_eq!(body["options"]["num_predict"], 5);
    }
}
