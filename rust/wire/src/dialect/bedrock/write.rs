//! Writing a request for Converse.
//!
//! What has to be known about the protocol, and is decided here:
//!
//! - **Messages** alternate between user and assistant and start with the user: neighbours are joined. Blank texts are refused
//!   there, so they are left out.
//! - **Media** are bytes in base64 with a format by name; nothing is fetched, so an address cannot be said.
//! - **Documents** need a name of letters, digits, spaces, hyphens, parentheses and brackets, unlike all others of the request.
//! - **What only some makers' models know** stands in `additionalModelRequestFields`, in the words of that maker. Which maker it is, is
//!   read from the model's name: thinking and `top_k` for Claude, reasoning of Nova and of OpenAI's open models.
//! - **Cache points** are blocks of their own behind what they cover.
//! - Thoughts are replayed where they are Claude's own and signed; the provider refuses others.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialect::Target;
use crate::exchange::{
    Ask, Block, CacheMark, Effort, Format, Role, Source, Thought, ThoughtKind, Tool, ToolCall,
    ToolChoice, ToolResult, Turn, format, joined_name,
};
use crate::json::{Kind, Walker, write_string};
use crate::member::write::{comma, key, number_member, raw_member, string_member};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

/// `maxTokens` where a thinking budget has to fit into it and nobody said a limit.
const MAX_TOKENS: u64 = 4096;

/// Writes a request's body. The model and whether a stream is wanted stand in the path.
pub(crate) fn write(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    inexpressible(ask, target)?;
    out.push(b'{');
    let mut documents = 0;
    system(ask, target, &mut documents, out)?;
    messages(ask, target, &mut documents, out)?;
    let thinking = thinking(ask, target)?;
    inference(ask, target, &thinking, out)?;
    tools(ask, target, out)?;
    if let Some(Format::JsonSchema {
        name,
        schema,
        description,
        ..
    }) = &ask.format
        && target.takes(Parameter::StructuredOutputs)?
    {
        key("outputConfig", out);
        out.extend_from_slice(
            b"{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{",
        );
        string_member("name", name, out);
        string_member("schema", schema.get(), out);
        if let Some(description) = description {
            string_member("description", description, out);
        }
        out.extend_from_slice(b"}}}}");
    }
    additional(ask, target, &thinking, out)?;
    if let Some(tier) = ask
        .service_tier
        .as_deref()
        .filter(|tier| matches!(*tier, "default" | "flex" | "priority"))
    {
        key("serviceTier", out);
        out.push(b'{');
        string_member("type", tier, out);
        out.push(b'}');
    }
    out.push(b'}');
    Ok(())
}

/// What Converse has no word for.
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
            Parameter::WebSearchOptions,
            Parameter::Verbosity,
        ],
    )?;
    if ask.modalities.iter().any(|kind| kind == "audio") {
        return Err(target.inexpressible("modalities: audio"));
    }
    if let Some(Format::Other(_)) = ask.format {
        return Err(target.inexpressible("response_format"));
    }
    Ok(())
}

fn system(
    ask: &Ask<'_>,
    target: &Target<'_>,
    documents: &mut u32,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let hint = match &ask.format {
        Some(Format::JsonObject) => Some(
            "Answer with one JSON object and nothing else: no text around it, no code fence."
                .to_owned(),
        ),
        Some(Format::JsonSchema { schema, .. })
            if !target.takes(Parameter::StructuredOutputs)? =>
        {
            Some(format!(
                "Answer with one JSON value that follows the JSON Schema below, and nothing else: no text around it, no code fence.\n\n{}",
                schema.get()
            ))
        }
        _ => None,
    };
    let inside = ask
        .turns
        .iter()
        .filter(|turn| matches!(turn.role, Role::System | Role::Developer))
        .flat_map(|turn| &turn.blocks);
    let mut blocks = ask.system.iter().chain(inside).peekable();
    if blocks.peek().is_none() && hint.is_none() {
        return Ok(());
    }
    key("system", out);
    out.push(b'[');
    for block in blocks {
        content(block, target, documents, out)?;
    }
    if let Some(hint) = hint {
        text(&hint, out);
    }
    out.push(b']');
    Ok(())
}

fn messages(
    ask: &Ask<'_>,
    target: &Target<'_>,
    documents: &mut u32,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    key("messages", out);
    out.push(b'[');
    // The role of the open message, where its content begins, and whether anything is in it.
    let mut open: Option<(Role, usize, usize)> = None;
    let turns = ask
        .turns
        .iter()
        .filter(|turn| matches!(turn.role, Role::User | Role::Assistant));
    for turn in turns {
        if open.is_none_or(|(role, ..)| role != turn.role) {
            end_message(open.take(), out);
            let start = out.len();
            comma(out);
            out.extend_from_slice(match turn.role {
                Role::Assistant => b"{\"role\":\"assistant\",\"content\":[".as_slice(),
                _ => b"{\"role\":\"user\",\"content\":[",
            });
            open = Some((turn.role, start, out.len()));
        }
        turn_content(turn, target, documents, out)?;
    }
    end_message(open, out);
    out.push(b']');
    Ok(())
}

/// Ends a message; one without content is taken back.
fn end_message(open: Option<(Role, usize, usize)>, out: &mut Vec<u8>) {
    match open {
        Some((_, start, content)) if out.len() == content => out.truncate(start),
        Some(_) => out.extend_from_slice(b"]}"),
        None => {}
    }
}

fn turn_content(
    turn: &Turn<'_>,
    target: &Target<'_>,
    documents: &mut u32,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let mut name = turn.name.as_deref();
    for block in &turn.blocks {
        if let (Block::Text(said), Some(name)) =
            (block, name.take_if(|_| matches!(block, Block::Text(_))))
        {
            text(&format!("{name}: {}", said.text), out);
            cache_point(said.cache.as_ref(), out);
            continue;
        }
        content(block, target, documents, out)?;
    }
    Ok(())
}

fn text(text: &str, out: &mut Vec<u8>) {
    if text.trim().is_empty() {
        return;
    }
    comma(out);
    out.extend_from_slice(b"{\"text\":");
    write_string(text, out);
    out.push(b'}');
}

fn cache_point(mark: Option<&CacheMark<'_>>, out: &mut Vec<u8>) {
    let Some(mark) = mark else { return };
    comma(out);
    out.extend_from_slice(b"{\"cachePoint\":{\"type\":\"default\"");
    if let Some(ttl) = mark
        .ttl
        .as_deref()
        .filter(|ttl| matches!(*ttl, "5m" | "1h"))
    {
        string_member("ttl", ttl, out);
    }
    out.extend_from_slice(b"}}");
}

/// Appends a block of content; what no provider takes back is left out.
fn content(
    block: &Block<'_>,
    target: &Target<'_>,
    documents: &mut u32,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match block {
        Block::Text(said) => {
            text(&said.text, out);
            if !said.text.trim().is_empty() {
                cache_point(said.cache.as_ref(), out);
            }
        }
        Block::Refusal(said) => text(said, out),
        Block::Image { source, cache, .. } => {
            let (media_type, base64) = data(source, "an image by address", target)?;
            medium(
                "image",
                media_type.strip_prefix("image/").unwrap_or("png"),
                None,
                base64,
                out,
            );
            cache_point(cache.as_ref(), out);
        }
        Block::Video { source } => {
            let (media_type, base64) = data(source, "a video by address", target)?;
            medium("video", video_format(media_type), None, base64, out);
        }
        Block::File {
            source,
            name,
            cache,
        } => {
            let (media_type, base64) = data(source, "a file by address", target)?;
            let Some(format) = document_format(media_type, name.as_deref()) else {
                return Err(target.inexpressible(&format!(
                    "a file of type {}",
                    crate::upstream_error::excerpt(media_type.as_bytes(), 60)
                )));
            };
            *documents += 1;
            let name = document_name(name.as_deref(), *documents);
            medium("document", format, Some(&name), base64, out);
            cache_point(cache.as_ref(), out);
        }
        Block::Audio { .. } => return Err(target.inexpressible("input_audio")),
        Block::Thought(thought) => self::thought(thought, out),
        Block::ToolCall(call) => tool_call(call, out),
        Block::ToolResult(result) => tool_result(result, target, documents, out)?,
        Block::Foreign(_) => {}
    }
    Ok(())
}

fn data<'s>(
    source: &'s Source<'_>,
    what: &str,
    target: &Target<'_>,
) -> Result<(&'s str, &'s str), Refusal> {
    match source {
        Source::Data { media_type, base64 } => Ok((media_type, base64)),
        Source::Url(_) | Source::Id(_) => Err(target.inexpressible(what)),
    }
}

fn medium(kind: &str, format: &str, name: Option<&str>, base64: &str, out: &mut Vec<u8>) {
    comma(out);
    out.push(b'{');
    key(kind, out);
    out.push(b'{');
    string_member("format", if format == "jpg" { "jpeg" } else { format }, out);
    if let Some(name) = name {
        string_member("name", name, out);
    }
    key("source", out);
    out.push(b'{');
    string_member("bytes", base64, out);
    out.extend_from_slice(b"}}}");
}

/// Converse's word for a type of video; types that it does not know are sent by their own name, for the provider to refuse.
fn video_format(media_type: &str) -> &str {
    match media_type.strip_prefix("video/").unwrap_or("mp4") {
        "quicktime" => "mov",
        "x-matroska" => "mkv",
        "x-flv" => "flv",
        "x-ms-wmv" => "wmv",
        "3gpp" => "three_gp",
        format => format,
    }
}

/// The formats of documents that Converse takes, by media type or by the file's ending.
fn document_format(media_type: &str, name: Option<&str>) -> Option<&'static str> {
    const FORMATS: [(&str, &str); 9] = [
        ("application/pdf", "pdf"),
        ("text/csv", "csv"),
        ("application/msword", "doc"),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "docx",
        ),
        ("application/vnd.ms-excel", "xls"),
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
        ),
        ("text/html", "html"),
        ("text/plain", "txt"),
        ("text/markdown", "md"),
    ];
    let by_type = FORMATS.iter().find(|(kind, _)| *kind == media_type);
    let ending = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, end)| end);
    by_type
        .or_else(|| FORMATS.iter().find(|(_, format)| Some(*format) == ending))
        .map(|(_, format)| *format)
}

/// A name as Converse takes it, with a number behind it, because two documents of one request must not share one.
fn document_name(name: Option<&str>, number: u32) -> String {
    let stem = name.map_or("document", |name| {
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    });
    let mut clean = String::with_capacity(stem.len() + 4);
    for letter in stem.chars().take(150) {
        let kept = letter.is_ascii_alphanumeric() || "-()[]".contains(letter);
        match kept {
            true => clean.push(letter),
            // Runs of white space are refused.
            false if !clean.is_empty() && !clean.ends_with(' ') => clean.push(' '),
            false => {}
        }
    }
    format!("{} {number}", clean.trim_end())
        .trim_start()
        .to_owned()
}

fn thought(thought: &Thought<'_>, out: &mut Vec<u8>) {
    if thought.format != format::ANTHROPIC {
        return;
    }
    match (thought.kind, &thought.signature) {
        (ThoughtKind::Encrypted, _) => {
            comma(out);
            out.extend_from_slice(b"{\"reasoningContent\":{\"redactedContent\":");
            write_string(&thought.text, out);
            out.extend_from_slice(b"}}");
        }
        (_, Some(signature)) => {
            comma(out);
            out.extend_from_slice(b"{\"reasoningContent\":{\"reasoningText\":{\"text\":");
            write_string(&thought.text, out);
            out.extend_from_slice(b",\"signature\":");
            write_string(signature, out);
            out.extend_from_slice(b"}}}");
        }
        (_, None) => {}
    }
}

fn tool_call(call: &ToolCall<'_>, out: &mut Vec<u8>) {
    comma(out);
    out.extend_from_slice(b"{\"toolUse\":{\"toolUseId\":");
    write_string(&call.id, out);
    out.extend_from_slice(b",\"name\":");
    write_string(&joined_name(call.namespace.as_deref(), &call.name), out);
    out.extend_from_slice(b",\"input\":");
    match (call.custom, is_object(&call.arguments)) {
        (false, true) => out.extend_from_slice(call.arguments.as_bytes()),
        // Text for a custom tool, or arguments that the model broke: the provider takes objects only.
        (custom, _) if custom || !call.arguments.trim().is_empty() => {
            out.extend_from_slice(b"{\"input\":");
            write_string(&call.arguments, out);
            out.push(b'}');
        }
        _ => out.extend_from_slice(b"{}"),
    }
    out.extend_from_slice(b"}}");
    cache_point(call.cache.as_ref(), out);
}

fn is_object(text: &str) -> bool {
    let mut walker = Walker::new(text);
    walker.peek() == Some(Kind::Object) && walker.value().is_ok() && walker.finish().is_ok()
}

fn tool_result(
    result: &ToolResult<'_>,
    target: &Target<'_>,
    documents: &mut u32,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    comma(out);
    out.extend_from_slice(b"{\"toolResult\":{\"toolUseId\":");
    write_string(&result.call_id, out);
    out.extend_from_slice(b",\"content\":[");
    let start = out.len();
    for block in &result.blocks {
        // A cache point stands behind the result, not in it.
        match block {
            Block::Text(said) => text(&said.text, out),
            Block::Image { .. } | Block::File { .. } | Block::Video { .. } => {
                content(block, target, documents, out)?;
            }
            _ => {}
        }
    }
    if out.len() == start {
        // Nothing is an answer too, and the provider wants to see some.
        out.extend_from_slice(b"{\"text\":\"(no output)\"}");
    }
    out.push(b']');
    if result.is_error {
        string_member("status", "error", out);
    }
    out.extend_from_slice(b"}}");
    cache_point(result.cache.as_ref(), out);
    Ok(())
}

/// The wish for thought, in the words of the model's maker.
enum Thinking {
    Unsaid,
    /// Claude's.
    Budget(u64),
    Adaptive,
    /// Nova's.
    Nova(&'static str),
    /// Of OpenAI's open models.
    Effort(&'static str),
}

fn thinking(ask: &Ask<'_>, target: &Target<'_>) -> Result<Thinking, Refusal> {
    let Some(reasoning) = &ask.reasoning else {
        return Ok(Thinking::Unsaid);
    };
    if reasoning.wanted() != Some(true) || !target.takes(Parameter::Reasoning)? {
        return Ok(Thinking::Unsaid);
    }
    let effort = reasoning.effort_or_budget(ask.max_tokens);
    let forced = matches!(
        ask.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    );
    let model = target.model;
    if model.contains("anthropic") || model.contains("claude") {
        if forced {
            target.cannot(Parameter::Reasoning.name())?;
            return Ok(Thinking::Unsaid);
        }
        if reasoning.adaptive {
            return Ok(Thinking::Adaptive);
        }
        let room = ask
            .max_tokens
            .or(target.completion_tokens_max)
            .unwrap_or(MAX_TOKENS);
        let budget = reasoning.budget(room);
        if budget < room || ask.max_tokens.is_none() {
            return Ok(Thinking::Budget(budget));
        }
        target.cannot(Parameter::Reasoning.name())?;
        return Ok(Thinking::Unsaid);
    }
    let word = match effort.unwrap_or(Effort::Medium) {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    };
    if model.contains("nova") {
        return Ok(Thinking::Nova(word));
    }
    if model.contains("openai") || model.contains("gpt-oss") {
        return Ok(Thinking::Effort(word));
    }
    target.cannot(Parameter::Reasoning.name())?;
    Ok(Thinking::Unsaid)
}

fn inference(
    ask: &Ask<'_>,
    target: &Target<'_>,
    thinking: &Thinking,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    key("inferenceConfig", out);
    out.push(b'{');
    let max_tokens = match (ask.max_tokens, thinking) {
        (None, Thinking::Budget(budget)) => Some(budget.saturating_add(MAX_TOKENS)),
        (said, _) => said,
    };
    if let Some(max_tokens) = max_tokens {
        number_member("maxTokens", max_tokens, out);
    }
    let thinks = matches!(thinking, Thinking::Budget(_) | Thinking::Adaptive);
    for (parameter, name, value) in [
        (Parameter::Temperature, "temperature", ask.temperature),
        (Parameter::TopP, "topP", ask.top_p),
    ] {
        let Some(value) = value else { continue };
        // Claude does not take sampling and thinking together.
        match thinks {
            true => target.cannot(parameter.name())?,
            false if target.takes(parameter)? => raw_member(name, value.get(), out),
            false => {}
        }
    }
    if !ask.stop.is_empty() && target.takes(Parameter::Stop)? {
        key("stopSequences", out);
        out.push(b'[');
        for stop in &ask.stop {
            comma(out);
            write_string(stop, out);
        }
        out.push(b']');
    }
    out.push(b'}');
    Ok(())
}

fn tools(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    // Converse has no word for "none": then none are offered, unless the conversation holds calls, which need them declared.
    let none = ask.tool_choice == Some(ToolChoice::None);
    let calls = ask
        .turns
        .iter()
        .flat_map(|turn| &turn.blocks)
        .any(|block| matches!(block, Block::ToolCall(_) | Block::ToolResult(_)));
    if ask.tools.is_empty() && calls {
        declare_called(ask, out);
        return Ok(());
    }
    if ask.tools.is_empty() || (none && !calls) || !target.takes(Parameter::Tools)? {
        return Ok(());
    }
    let mut list = Vec::new();
    list.push(b'[');
    for tool in &ask.tools {
        match tool {
            Tool::Function(function) => {
                let name = joined_name(function.namespace.as_deref(), &function.name);
                let schema = function.parameters.as_deref().map(RawValue::get);
                spec(
                    &name,
                    function.description.as_deref(),
                    schema,
                    function.strict,
                    &mut list,
                );
                cache_point(function.cache.as_ref(), &mut list);
            }
            Tool::Custom {
                name, description, ..
            } => spec(
                name,
                description.as_deref(),
                Some(
                    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[\"input\"]}",
                ),
                None,
                &mut list,
            ),
            Tool::Server { kind, .. } => {
                // A tool that the client's provider runs by itself; the model does without it unless it must be used.
                if ask.tool_choice == Some(ToolChoice::Required) {
                    return Err(target.inexpressible(&format!(
                        "tools: {}",
                        crate::upstream_error::excerpt(kind.as_bytes(), 60)
                    )));
                }
                target.cannot("tools")?;
            }
        }
    }
    if list.len() == 1 {
        return Ok(());
    }
    list.push(b']');
    key("toolConfig", out);
    out.extend_from_slice(b"{\"tools\":");
    out.extend_from_slice(&list);
    let choice = match &ask.tool_choice {
        Some(ToolChoice::Auto) => Some(Cow::Borrowed("{\"auto\":{}}")),
        Some(ToolChoice::Required) => Some(Cow::Borrowed("{\"any\":{}}")),
        Some(ToolChoice::Named(name)) => {
            let mut choice = b"{\"tool\":{\"name\":".to_vec();
            write_string(name, &mut choice);
            choice.extend_from_slice(b"}}");
            Some(Cow::Owned(String::from_utf8_lossy(&choice).into_owned()))
        }
        Some(ToolChoice::None) | None => None,
    };
    if let Some(choice) = choice
        && target.takes(Parameter::ToolChoice)?
    {
        raw_member("toolChoice", &choice, out);
    }
    if ask.parallel_tool_calls == Some(false) {
        target.cannot(Parameter::ParallelToolCalls.name())?;
    }
    out.push(b'}');
    Ok(())
}

/// Declares the tools that a conversation has called and that the client no longer offers: without that the provider refuses calls and
/// results. What they took is unknown, so that any object is let in.
fn declare_called(ask: &Ask<'_>, out: &mut Vec<u8>) {
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    for block in ask.turns.iter().flat_map(|turn| &turn.blocks) {
        if let Block::ToolCall(call) = block {
            let name = joined_name(call.namespace.as_deref(), &call.name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if names.is_empty() {
        return;
    }
    key("toolConfig", out);
    out.extend_from_slice(b"{\"tools\":[");
    for name in names {
        spec(&name, None, None, None, out);
    }
    out.extend_from_slice(b"]}");
}

fn spec(
    name: &str,
    description: Option<&str>,
    schema: Option<&str>,
    strict: Option<bool>,
    out: &mut Vec<u8>,
) {
    comma(out);
    out.extend_from_slice(b"{\"toolSpec\":{");
    string_member("name", name, out);
    if let Some(description) = description.filter(|text| !text.trim().is_empty()) {
        string_member("description", description, out);
    }
    out.extend_from_slice(b",\"inputSchema\":{\"json\":");
    out.extend_from_slice(
        schema
            .unwrap_or("{\"type\":\"object\",\"properties\":{}}")
            .as_bytes(),
    );
    out.push(b'}');
    if strict == Some(true) {
        raw_member("strict", "true", out);
    }
    out.extend_from_slice(b"}}");
}

/// What only some makers' models know.
fn additional(
    ask: &Ask<'_>,
    target: &Target<'_>,
    thinking: &Thinking,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let claude = target.model.contains("anthropic") || target.model.contains("claude");
    let top_k = match ask.top_k {
        Some(top_k) if claude && target.takes(Parameter::TopK)? => Some(top_k),
        Some(_) => {
            target.cannot(Parameter::TopK.name())?;
            None
        }
        None => None,
    };
    if top_k.is_none() && matches!(thinking, Thinking::Unsaid) {
        return Ok(());
    }
    key("additionalModelRequestFields", out);
    out.push(b'{');
    match thinking {
        Thinking::Unsaid => {}
        Thinking::Budget(tokens) => {
            key("thinking", out);
            out.extend_from_slice(b"{\"type\":\"enabled\"");
            number_member("budget_tokens", *tokens, out);
            out.push(b'}');
        }
        Thinking::Adaptive => raw_member("thinking", "{\"type\":\"adaptive\"}", out),
        Thinking::Nova(effort) => {
            key("reasoningConfig", out);
            out.extend_from_slice(b"{\"type\":\"enabled\"");
            string_member("maxReasoningEffort", effort, out);
            out.push(b'}');
        }
        Thinking::Effort(effort) => string_member("reasoning_effort", effort, out),
    }
    if let Some(top_k) = top_k {
        raw_member("top_k", top_k.get(), out);
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::exchange::{Reasoning, Text};

    fn written(ask: &Ask<'_>, model: &str) -> serde_json::Value {
        let mut out = Vec::new();
        write(ask, &Target::new(Dialect::Bedrock, model), &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn said(role: Role, text: &'static str) -> Turn<'static> {
        Turn {
            role,
            blocks: vec![Block::Text(Text {
                text: Cow::Borrowed(text),
                ..Text::default()
            })],
            name: None,
        }
    }

    #[test]
    fn neighbours_are_joined_and_blanks_left_out() {
        let ask = Ask {
            turns: vec![
                said(Role::User, "a"),
                said(Role::User, " "),
                said(Role::Assistant, ""),
                said(Role::User, "b"),
            ],
            ..Ask::default()
        };
        let body = written(&ask, "m");
        let messages = body["messages"].as_array().unwrap();
        let last = messages.last().unwrap();
        assert_eq!(last["role"], "user");
        assert!(
            messages
                .iter()
                .all(|m| !m["content"].as_array().unwrap().is_empty())
        );
    }

    #[test]
    fn called_tools_are_declared_when_none_are_offered() {
        let call = |name| {
            Block::ToolCall(ToolCall {
                id: Cow::Borrowed("c"),
                name: Cow::Borrowed(name),
                ..ToolCall::default()
            })
        };
        let ask = Ask {
            turns: vec![
                said(Role::User, "a"),
                Turn {
                    role: Role::Assistant,
                    blocks: vec![call("f"), call("g"), call("f")],
                    name: None,
                },
            ],
            ..Ask::default()
        };
        let body = written(&ask, "m");
        let tools = body["toolConfig"]["tools"].as_array().unwrap();
        let names: Vec<_> = tools.iter().map(|tool| &tool["toolSpec"]["name"]).collect();
        assert_eq!(names, ["f", "g"]);
        assert!(body["toolConfig"].get("toolChoice").is_none());
    }

    #[test]
    fn documents_have_names_that_are_taken() {
        assert_eq!(
            document_name(Some("Q1 report_final (2).pdf"), 1),
            "Q1 report final (2) 1"
        );
        assert_eq!(document_name(None, 2), "document 2");
        assert_eq!(document_name(Some("___.pdf"), 3), "3");
        assert_eq!(
            document_format("application/octet-stream", Some("a.md")),
            Some("md")
        );
        assert_eq!(document_format("image/x-raw", None), None);
    }

    #[test]
    fn q06_thought_is_said_in_the_words_of_the_models_maker() {
        let ask = Ask {
            turns: vec![said(Role::User, "a")],
            max_tokens: Some(10_000),
            reasoning: Some(Reasoning {
                effort: Some(Effort::High),
                ..Reasoning::default()
            }),
            ..Ask::default()
        };
        let fields = |model| written(&ask, model)["additionalModelRequestFields"].clone();
        assert_eq!(
            fields("anthropic.claude-x")["thinking"]["budget_tokens"],
            8000
        );
        assert_eq!(
            fields("amazon.nova-2")["reasoningConfig"]["maxReasoningEffort"],
            "high"
        );
        assert_eq!(fields("openai.gpt-oss-120b")["reasoning_effort"], "high");
        assert!(fields("mistral.large").is_null());
    }

    #[test]
    fn addresses_cannot_be_said() {
        let ask = Ask {
            turns: vec![Turn {
                role: Role::User,
                blocks: vec![Block::Image {
                    source: Source::Url(Cow::Borrowed("https://a/b.png")),
                    detail: None,
                    cache: None,
                }],
                name: None,
            }],
            ..Ask::default()
        };
        let target = Target::new(Dialect::Bedrock, "m");
        let refusal = write(&ask, &target, &mut Vec::new()).unwrap_err();
        assert!(refusal.message.contains("an image by address"));
    }
}
