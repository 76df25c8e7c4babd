//! A wish in the middle shape becomes a request of generateContent.
//!
//! Model and stream stand in the path, so they are not written. Neighbouring turns of one side are joined, because the protocol wants
//! sides to alternate and all results of a step in one content.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialect::Target;
use crate::dialect::gemini::part::{
    audio_type, write_address, write_call, write_inline, write_object, write_text,
};
use crate::dialect::gemini::typed::Typed;
use crate::dialect::gemini::{OWN_ID, generation, schema};
use crate::exchange::{
    Ask, Block, Effort, Format, Reasoning, Role, Source, Thought, ThoughtKind, Tool, ToolCall,
    ToolChoice, ToolResult, Turn, format, joined_name,
};
use crate::json::{write_number, write_string};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

/// The word that stands for the signature of a call that Gemini did not make, in base64 as all signatures are:
/// `skip_thought_signature_validator` (ai.google.dev, "Thought signatures", read 2026-11).
const NO_SIGNATURE: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// The largest budget that every thinking model of generation 2.5 takes: Flash goes to 24,576, Pro to 32,768 (ai.google.dev, "Thinking",
/// read 2026-11). A larger wish is cut and not refused, because "as much as there is" is what it means.
const BUDGET_MAX: u64 = 24_576;

/// What an effort is a share of when neither the client nor the endpoint names a limit: what 2.5 and 3 can generate.
const COMPLETION_TOKENS_USUAL: u64 = 65_536;

/// Members of other APIs' requests that are Gemini's own words, and pass.
const OWN_MEMBERS: [(&str, &str); 5] = [
    ("safetySettings", "safetySettings"),
    ("safety_settings", "safetySettings"),
    ("cachedContent", "cachedContent"),
    ("cached_content", "cachedContent"),
    ("labels", "labels"),
];

/// Writes the body.
pub(crate) fn write(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let (leading, turns) = leading_instructions(&ask.turns);
    out.extend_from_slice(b"{\"contents\":[");
    let mut contents = Contents {
        target,
        calls: Vec::new(),
        open: None,
        first_part: true,
        call_in_turn: false,
        beside: Vec::new(),
        pending: Vec::new(),
    };
    for turn in turns {
        contents.turn(turn, out)?;
    }
    let instructions = || {
        ask.system
            .iter()
            .chain(leading.iter().flat_map(|turn| &turn.blocks))
    };
    let no_turns = contents.open.is_none();
    if no_turns {
        // Contents must not be empty: instructions alone are what the user says.
        contents.enter(Role::User, out);
        for block in instructions() {
            contents.block(block, out)?;
        }
    }
    contents.close(out)?;
    out.push(b']');
    if !no_turns && instructions().next().is_some() {
        out.extend_from_slice(b",\"systemInstruction\":{\"parts\":[");
        contents.first_part = true;
        for block in instructions() {
            contents.block(block, out)?;
        }
        out.extend_from_slice(b"]}");
    }
    tools(ask, target, out)?;
    for (name, raw) in &ask.extra {
        if let Some((_, own)) = OWN_MEMBERS.iter().find(|(theirs, _)| theirs == name) {
            out.push(b',');
            write_string(own, out);
            out.push(b':');
            out.extend_from_slice(raw.get().as_bytes());
        }
    }
    // The ordinary tier is what is served when nothing is said, and Vertex has no member for it.
    if let Some(tier @ ("flex" | "priority")) = ask.service_tier.as_deref() {
        out.extend_from_slice(b",\"serviceTier\":");
        write_string(tier, out);
    }
    generation_config(ask, target, out)?;
    out.push(b'}');
    Ok(())
}

/// Turns of instructions before the conversation, which belong to `systemInstruction`.
fn leading_instructions<'s, 'a>(turns: &'s [Turn<'a>]) -> (&'s [Turn<'a>], &'s [Turn<'a>]) {
    let at = turns
        .iter()
        .position(|turn| !matches!(turn.role, Role::System | Role::Developer))
        .unwrap_or(turns.len());
    turns.split_at_checked(at).unwrap_or((&[], turns))
}

/// Writes the contents one turn after the other.
struct Contents<'t, 'b> {
    target: &'t Target<'t>,
    /// Ids and names of the calls so far, for results that do not name their function.
    calls: Vec<(&'b str, Cow<'b, str>)>,
    /// Whose content is open.
    open: Option<Role>,
    first_part: bool,
    /// The open content has a call: only the first one of a step carries a signature.
    call_in_turn: bool,
    /// Media of results, which follow the last result of a step: its results must stand together.
    beside: Vec<&'b Block<'b>>,
    /// Signatures that stood alone, with the call that they are for or none.
    pending: Vec<(Option<&'b str>, &'b str)>,
}

impl<'b> Contents<'_, 'b> {
    fn turn(&mut self, turn: &'b Turn<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let role = match turn.role {
            Role::Assistant => Role::Assistant,
            // Instructions in the middle have no role of their own here.
            Role::System | Role::Developer | Role::User => Role::User,
        };
        if turn.blocks.is_empty() {
            return Ok(());
        }
        if self.open != Some(role) {
            self.close(out)?;
            self.enter(role, out);
        }
        let mut name = turn.name.as_deref();
        for block in &turn.blocks {
            match (block, name) {
                (Block::Text(text), Some(said)) => {
                    name = None;
                    self.flush_beside(out)?;
                    self.comma(out);
                    let text = format!("{said}: {}", text.text);
                    write_text(&text, false, None, out);
                }
                _ => self.block(block, out)?,
            }
        }
        Ok(())
    }

    fn enter(&mut self, role: Role, out: &mut Vec<u8>) {
        // Another content stands before.
        if self.open.is_some() {
            out.push(b',');
        }
        out.extend_from_slice(match role {
            Role::Assistant => b"{\"role\":\"model\",\"parts\":[".as_slice(),
            _ => b"{\"role\":\"user\",\"parts\":[",
        });
        self.open = Some(role);
        self.first_part = true;
        self.call_in_turn = false;
    }

    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if self.open.is_none() {
            return Ok(());
        }
        self.flush_beside(out)?;
        for (_, signature) in std::mem::take(&mut self.pending) {
            self.comma(out);
            write_text("", false, Some(signature), out);
        }
        if self.first_part {
            // A content of nothing but what cannot be said; it must have a part.
            write_text("", false, None, out);
        }
        out.extend_from_slice(b"]}");
        Ok(())
    }

    fn flush_beside(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        for block in std::mem::take(&mut self.beside) {
            self.block(block, out)?;
        }
        Ok(())
    }

    fn comma(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.first_part, false) {
            out.push(b',');
        }
    }

    fn block(&mut self, block: &'b Block<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if !self.beside.is_empty() && !matches!(block, Block::ToolResult(_)) {
            self.flush_beside(out)?;
        }
        match block {
            Block::Text(text) => {
                let signature = text.signature.as_deref().or_else(|| self.take_pending());
                if text.text.is_empty() && signature.is_none() {
                    return Ok(());
                }
                self.comma(out);
                write_text(&text.text, false, signature, out);
            }
            Block::Refusal(text) => {
                self.comma(out);
                write_text(text, false, None, out);
            }
            Block::Image { source, .. } => {
                self.comma(out);
                medium(source, "image/jpeg", out);
            }
            Block::File { source, name, .. } => {
                self.comma(out);
                let usual = name.as_deref().and_then(type_of_name);
                medium(source, usual.unwrap_or("application/pdf"), out);
            }
            Block::Video { source } => {
                self.comma(out);
                medium(source, "video/mp4", out);
            }
            Block::Audio { data, format, .. } => {
                self.comma(out);
                write_inline(&audio_type(format), data, out);
            }
            Block::Thought(thought) => self.thought(thought, out),
            Block::ToolCall(call) => self.call(call, out),
            Block::ToolResult(result) => self.result(result, out)?,
            // Blocks that only another protocol knows.
            Block::Foreign(_) => {}
        }
        Ok(())
    }

    /// A thought is replayed only if Gemini had it: others' signatures are worthless here, and their text would be read as answer.
    fn thought(&mut self, thought: &'b Thought<'_>, out: &mut Vec<u8>) {
        if thought.format != format::GEMINI {
            return;
        }
        match thought.kind {
            ThoughtKind::Encrypted => {
                let id = thought.id.as_deref().filter(|id| !id.is_empty());
                self.pending.push((id, &thought.text));
            }
            ThoughtKind::Text | ThoughtKind::Summary => {
                self.comma(out);
                write_text(&thought.text, true, thought.signature.as_deref(), out);
            }
        }
    }

    /// The signature that stood alone before a part without one, and names no call.
    fn take_pending(&mut self) -> Option<&'b str> {
        let at = self.pending.iter().position(|(id, _)| id.is_none())?;
        Some(self.pending.remove(at).1)
    }

    fn call(&mut self, call: &'b ToolCall<'_>, out: &mut Vec<u8>) {
        let name = joined_name(call.namespace.as_deref(), &call.name);
        let named = self
            .pending
            .iter()
            .position(|(id, _)| id.is_some_and(|id| id == call.id));
        let signature = match (call.signature.as_deref(), named) {
            (Some(signature), _) => Some(signature),
            (None, Some(at)) => Some(self.pending.remove(at).1),
            (None, None) => self.take_pending(),
        };
        let first = !std::mem::replace(&mut self.call_in_turn, true);
        let must = first && generation(self.target.model).is_some_and(|number| number >= 3);
        let signature = signature.or(must.then_some(NO_SIGNATURE));
        self.comma(out);
        write_call(sent_id(&call.id), &name, &call.arguments, signature, out);
        self.calls.push((&call.id, name));
    }

    fn result(&mut self, result: &'b ToolResult<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.comma(out);
        let called = self
            .calls
            .iter()
            .rev()
            .find(|(id, _)| *id == result.call_id)
            .map(|(_, name)| name.as_ref());
        // The call's own name is the joined one; a reader fills in the plain one.
        let name = called.or(result.name.as_deref()).unwrap_or(&result.call_id);
        out.extend_from_slice(b"{\"functionResponse\":{");
        let id = sent_id(&result.call_id);
        if !id.is_empty() {
            out.extend_from_slice(b"\"id\":");
            write_string(id, out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"name\":");
        write_string(name, out);
        out.extend_from_slice(b",\"response\":");
        response(result, out);
        let media = result.blocks.iter().filter(|block| is_medium(block));
        // Results have held media since generation 3; before, media stand beside the result.
        let inside = generation(self.target.model).is_some_and(|number| number >= 3);
        if inside && media.clone().next().is_some() {
            out.extend_from_slice(b",\"parts\":[");
            self.first_part = true;
            for block in media.clone() {
                self.block(block, out)?;
            }
            self.first_part = false;
            out.push(b']');
        }
        out.extend_from_slice(b"}}");
        if !inside {
            self.beside.extend(media);
        }
        Ok(())
    }
}

/// The id that is sent: none for one that was given by us.
fn sent_id(id: &str) -> &str {
    match id.starts_with(OWN_ID) {
        true => "",
        false => id,
    }
}

fn is_medium(block: &Block<'_>) -> bool {
    matches!(
        block,
        Block::Image { .. } | Block::File { .. } | Block::Audio { .. } | Block::Video { .. }
    )
}

/// `response` must be an object. Gemini looks for `output` and `error` in it; an object that the tool gave is itself.
fn response(result: &ToolResult<'_>, out: &mut Vec<u8>) {
    let mut texts = result.blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.text.as_ref()),
        Block::Refusal(text) => Some(text.as_ref()),
        _ => None,
    });
    let text = match (texts.next(), texts.next()) {
        (None, _) => Cow::Borrowed(""),
        (Some(text), None) => Cow::Borrowed(text),
        (Some(first), Some(second)) => {
            let mut joined = format!("{first}\n{second}");
            for more in texts {
                joined.push('\n');
                joined.push_str(more);
            }
            Cow::Owned(joined)
        }
    };
    match result.is_error {
        true => {
            out.extend_from_slice(b"{\"error\":");
            write_string(&text, out);
            out.push(b'}');
        }
        false => write_object(&text, "output", out),
    }
}

/// Appends a medium. `usual`: its type where neither the source nor its address tells one; Vertex insists on one.
fn medium(source: &Source<'_>, usual: &str, out: &mut Vec<u8>) {
    match source {
        Source::Data { media_type, base64 } => {
            let media_type = match media_type.is_empty() {
                true => usual,
                false => media_type,
            };
            write_inline(media_type, base64, out);
        }
        Source::Url(uri) | Source::Id(uri) => {
            write_address(type_of_name(uri).unwrap_or(usual), uri, out);
        }
    }
}

/// The type that a name or an address ends in.
fn type_of_name(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "json" => "application/json",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mpeg" | "mpg" => "video/mpeg",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "aac" => "audio/aac",
        "m4a" => "audio/mp4",
        _ => return None,
    })
}

fn tools(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let functions = ask
        .tools
        .iter()
        .filter(|tool| matches!(tool, Tool::Function(_) | Tool::Custom { .. }))
        .count();
    let mut own = Vec::new();
    if ask.web_search.is_some() {
        own.push("googleSearch");
    }
    for tool in &ask.tools {
        if let Tool::Server { kind, .. } = tool {
            own.push(own_tool(kind).ok_or_else(|| target.inexpressible(kind))?);
        }
    }
    own.sort_unstable();
    own.dedup();
    if functions > 0 && !own.is_empty() {
        // Before generation 3 both at once are refused, and after it the answer has parts that other APIs cannot hold. The
        // client's own functions are what it cannot do without.
        target.cannot("web_search_options")?;
        own.clear();
    }
    if functions == 0 && own.is_empty() {
        return Ok(());
    }
    // A search is a wish of its own: an endpoint may search and take no tools of the client's.
    let only_searches = functions == 0 && own == ["googleSearch"];
    if !only_searches && !target.takes(Parameter::Tools)? {
        return Ok(());
    }
    out.extend_from_slice(b",\"tools\":[");
    if functions > 0 {
        declarations(ask, out);
    }
    for (at, own) in own.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.push(b'{');
        write_string(own, out);
        out.extend_from_slice(b":{}}");
    }
    out.push(b']');
    if functions > 0 {
        choice(ask, target, out)?;
    }
    Ok(())
}

/// Which of Gemini's own tools does what another provider's does, by the `type` of that one.
fn own_tool(kind: &str) -> Option<&'static str> {
    let kind = kind.strip_prefix("openrouter:").unwrap_or(kind);
    if kind.starts_with("web_search") {
        return Some("googleSearch");
    }
    if kind.starts_with("web_fetch") {
        return Some("urlContext");
    }
    (kind.starts_with("code_execution") || kind.starts_with("code_interpreter"))
        .then_some("codeExecution")
}

fn declarations(ask: &Ask<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"functionDeclarations\":[");
    let mut comma = false;
    for tool in &ask.tools {
        let (name, description, parameters) = match tool {
            Tool::Function(function) => (
                joined_name(function.namespace.as_deref(), &function.name),
                &function.description,
                function.parameters.as_deref().map(RawValue::get),
            ),
            Tool::Custom {
                name, description, ..
            } => (name.clone(), description, Some(CUSTOM_PARAMETERS)),
            Tool::Server { .. } => continue,
        };
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"name\":");
        write_string(&name, out);
        if let Some(description) = description {
            out.extend_from_slice(b",\"description\":");
            write_string(description, out);
        }
        if let Some(parameters) = parameters {
            out.extend_from_slice(b",\"parametersJsonSchema\":");
            schema::write(parameters, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

/// A custom tool takes one text.
const CUSTOM_PARAMETERS: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

fn choice(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if ask.parallel_tool_calls == Some(false) && target.takes(Parameter::ParallelToolCalls)? {
        target.cannot(Parameter::ParallelToolCalls.name())?;
    }
    let Some(choice) = &ask.tool_choice else {
        return Ok(());
    };
    if !target.takes(Parameter::ToolChoice)? {
        return Ok(());
    }
    let (mode, only) = match choice {
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some(name)),
    };
    out.extend_from_slice(b",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":");
    write_string(mode, out);
    if let Some(name) = only {
        out.extend_from_slice(b",\"allowedFunctionNames\":[");
        write_string(name, out);
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
    Ok(())
}

/// An object whose first member decides whether it is written at all.
struct Members<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl Members<'_> {
    /// Writes the key; the value follows.
    fn key(&mut self, name: &str) -> &mut Vec<u8> {
        let start: &[u8] = match std::mem::replace(&mut self.any, true) {
            true => b",",
            false => b",\"generationConfig\":{",
        };
        self.out.extend_from_slice(start);
        write_string(name, self.out);
        self.out.push(b':');
        self.out
    }

    fn strings<S: AsRef<str>>(&mut self, name: &str, values: impl Iterator<Item = S>) {
        let out = self.key(name);
        out.push(b'[');
        for (at, value) in values.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_string(value.as_ref(), out);
        }
        out.push(b']');
    }
}

fn generation_config(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut config = Members { out, any: false };
    if let Some(tokens) = ask.max_tokens
        && target.takes(Parameter::MaxTokens)?
    {
        write_number(tokens, config.key("maxOutputTokens"));
    }
    for (value, parameter, name) in [
        (ask.temperature, Parameter::Temperature, "temperature"),
        (ask.top_p, Parameter::TopP, "topP"),
        (ask.top_k, Parameter::TopK, "topK"),
        (
            ask.presence_penalty,
            Parameter::PresencePenalty,
            "presencePenalty",
        ),
        (
            ask.frequency_penalty,
            Parameter::FrequencyPenalty,
            "frequencyPenalty",
        ),
        (ask.seed, Parameter::Seed, "seed"),
    ] {
        if let Some(value) = value
            && target.takes(parameter)?
        {
            config.key(name).extend_from_slice(value.get().as_bytes());
        }
    }
    target.cannot_any(
        ask,
        &[
            Parameter::MinP,
            Parameter::TopA,
            Parameter::RepetitionPenalty,
            Parameter::LogitBias,
            Parameter::Prediction,
            Parameter::Verbosity,
        ],
    )?;
    if !ask.stop.is_empty() && target.takes(Parameter::Stop)? {
        config.strings("stopSequences", ask.stop.iter());
    }
    if ask.logprobs == Some(true) && target.takes(Parameter::Logprobs)? {
        config.key("responseLogprobs").extend_from_slice(b"true");
        if let Some(count) = ask.top_logprobs
            && target.takes(Parameter::TopLogprobs)?
        {
            write_number(count, config.key("logprobs"));
        }
    }
    form(ask, target, &mut config)?;
    if !ask.modalities.is_empty() {
        let names = ask.modalities.iter().map(|name| name.to_ascii_uppercase());
        config.strings("responseModalities", names);
    }
    if let Some(raw) = ask.image_config {
        image_config(raw.get(), config.key("imageConfig"));
    }
    if let Some(voice) = ask.audio.and_then(|audio| voice(audio.get())) {
        let out = config.key("speechConfig");
        out.extend_from_slice(b"{\"voiceConfig\":{\"prebuiltVoiceConfig\":{\"voiceName\":");
        write_string(&voice, out);
        out.extend_from_slice(b"}}}");
    }
    if let Some(reasoning) = &ask.reasoning
        && target.takes(Parameter::Reasoning)?
    {
        thinking(reasoning, ask, target, &mut config);
    }
    if config.any {
        out.push(b'}');
    }
    Ok(())
}

fn form(ask: &Ask<'_>, target: &Target<'_>, config: &mut Members<'_>) -> Result<(), Refusal> {
    let json = |config: &mut Members<'_>| {
        write_string("application/json", config.key("responseMimeType"));
    };
    match &ask.format {
        None | Some(Format::Text) => {}
        Some(Format::JsonObject) => {
            if target.takes(Parameter::ResponseFormat)? {
                json(config);
            }
        }
        Some(Format::JsonSchema { schema, .. }) => {
            if target.takes(Parameter::StructuredOutputs)? {
                json(config);
                schema::write(schema.get(), config.key("responseJsonSchema"));
            } else if target.takes(Parameter::ResponseFormat)? {
                json(config);
            }
        }
        Some(Format::Other(_)) => return Err(target.inexpressible("response_format")),
    }
    Ok(())
}

/// See the head of the module above. Thoughts are asked for unless the client does not want to see them.
fn thinking(
    reasoning: &Reasoning<'_>,
    ask: &Ask<'_>,
    target: &Target<'_>,
    config: &mut Members<'_>,
) {
    let levels = generation(target.model).is_some_and(|number| number >= 3);
    let wanted = reasoning.wanted();
    let out = config.key("thinkingConfig");
    out.push(b'{');
    if wanted == Some(false) {
        // Models that are called Pro always think; the least that they take stands for nothing.
        let pro = target.model.contains("pro");
        out.extend_from_slice(match (levels, pro) {
            (true, true) => b"\"thinkingLevel\":\"LOW\"".as_slice(),
            (true, false) => b"\"thinkingLevel\":\"MINIMAL\"",
            (false, true) => b"\"thinkingBudget\":128",
            (false, false) => b"\"thinkingBudget\":0",
        });
        out.push(b'}');
        return;
    }
    out.extend_from_slice(match reasoning.exclude {
        true => b"\"includeThoughts\":false".as_slice(),
        false => b"\"includeThoughts\":true",
    });
    if let Some(budget) = reasoning.max_tokens {
        // Levels are newer, and budgets are still taken where there are levels.
        let budget = reasoning.budget(budget).min(BUDGET_MAX);
        out.extend_from_slice(b",\"thinkingBudget\":");
        write_number(budget, out);
    } else if let (true, Some(effort)) = (levels, reasoning.effort) {
        out.extend_from_slice(b",\"thinkingLevel\":");
        write_string(level(effort, target.model), out);
    } else if levels || wanted.is_none() {
        // The model's own measure.
    } else if reasoning.adaptive && reasoning.effort.is_none() {
        out.extend_from_slice(b",\"thinkingBudget\":-1");
    } else {
        let tokens = ask
            .max_tokens
            .or(target.completion_tokens_max)
            .unwrap_or(COMPLETION_TOKENS_USUAL);
        out.extend_from_slice(b",\"thinkingBudget\":");
        write_number(reasoning.budget(tokens).min(BUDGET_MAX), out);
    }
    out.push(b'}');
}

/// openrouter.md §2.6: what is above high is high.
fn level(effort: Effort, model: &str) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal if model.contains("pro") => "LOW",
        Effort::None | Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::XHigh | Effort::Max => "HIGH",
    }
}

/// OpenRouter's object in Google's spelling.
fn image_config(raw: &str, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut comma = false;
    // What is no object has no members, and the walk cannot fail on what was walked before.
    let _ = Typed::lenient(raw).object("image_config", |typed, key| {
        let name = match key {
            "aspect_ratio" => "aspectRatio",
            "image_size" => "imageSize",
            other => other,
        };
        let Some(value) = typed.raw_text()? else {
            return Ok(());
        };
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
        Ok(())
    });
    out.push(b'}');
}

/// `voice` of OpenAI's `audio`.
fn voice(raw: &str) -> Option<Cow<'_, str>> {
    let mut voice = None;
    Typed::lenient(raw)
        .object("audio", |typed, key| {
            match key {
                "voice" => voice = typed.string("audio.voice")?,
                _ => typed.skip()?,
            }
            Ok(())
        })
        .ok()?;
    voice
}
