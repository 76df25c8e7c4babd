//! Writes a wish as a chat request.
//!
//! Three things are arranged differently here than in the middle shape:
//!
//! - a result of a tool is a message of its own and holds text only, so that images and files in it follow in a message of the
//!   user's, once all results have been given;
//! - all calls of one answer stand in one message, so that neighbouring turns of the assistant are joined;
//! - a thought is sent back only to providers that want it, in the words that they have for it.

use crate::detail::Detail;
use crate::dialect::{MaxTokens, Quirks, ReasoningWords, RequiredWord, Target};
use crate::exchange::{
    Ask, Block, CacheMark, Effort, Format, Function, Reasoning, Role, Source, Thought, ThoughtKind,
    Tool, ToolCall, ToolChoice, ToolResult, Turn, joined_name,
};
use crate::json::{write_string, write_string_inside};
use crate::member::Members;
use crate::parameter::Parameter;
use crate::refusal::Refusal;
use crate::request::ROUTING_FIELDS;

/// Writes a request.
pub(crate) fn write(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut members = Members::new(out);
    members.string("model", target.model);
    Messages {
        ask,
        target,
        rich: target.quirks.reasoning == ReasoningWords::Object,
        any: false,
        media: Vec::new(),
    }
    .write(members.key("messages"))?;
    if ask.stream {
        members.boolean("stream", true);
        if target.quirks.stream_usage {
            members.raw("stream_options", "{\"include_usage\":true}");
        }
    }
    write_sampling(ask, target, &mut members)?;
    write_tools(ask, target, &mut members)?;
    write_format(ask, target, &mut members)?;
    if let Some(reasoning) = &ask.reasoning {
        write_reasoning(reasoning, ask, target, &mut members)?;
    }
    write_others(ask, target, &mut members)?;
    members.end();
    Ok(())
}

/// Whether the provider has OpenAI's own newest words. Who knows the newest of them, the role and the limit's new name, knows those
/// that came between; who does not often refuses what it does not know.
pub(crate) fn has_newest_words(quirks: &Quirks) -> bool {
    quirks.developer_role && quirks.max_tokens == MaxTokens::MaxCompletionTokens
}

fn write_sampling(
    ask: &Ask<'_>,
    target: &Target<'_>,
    members: &mut Members<'_>,
) -> Result<(), Refusal> {
    if let Some(limit) = ask.max_tokens
        && target.takes(Parameter::MaxTokens)?
    {
        let name = match target.quirks.max_tokens {
            MaxTokens::MaxTokens => "max_tokens",
            MaxTokens::MaxCompletionTokens => "max_completion_tokens",
        };
        members.number(name, limit);
    }
    for (parameter, value) in [
        (Parameter::Temperature, ask.temperature),
        (Parameter::TopP, ask.top_p),
        (Parameter::TopK, ask.top_k),
        (Parameter::MinP, ask.min_p),
        (Parameter::TopA, ask.top_a),
        (Parameter::FrequencyPenalty, ask.frequency_penalty),
        (Parameter::PresencePenalty, ask.presence_penalty),
        (Parameter::RepetitionPenalty, ask.repetition_penalty),
        (Parameter::Seed, ask.seed),
        (Parameter::LogitBias, ask.logit_bias),
        (Parameter::Prediction, ask.prediction),
    ] {
        if let Some(value) = value
            && target.takes(parameter)?
        {
            members.raw(parameter.name(), value.get());
        }
    }
    if !ask.stop.is_empty() && target.takes(Parameter::Stop)? {
        let out = members.key("stop");
        for (index, text) in ask.stop.iter().enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            write_string(text, out);
        }
        out.push(b']');
    }
    if let Some(logprobs) = ask.logprobs
        && target.takes(Parameter::Logprobs)?
    {
        members.boolean("logprobs", logprobs);
        if let Some(top) = ask.top_logprobs
            && target.takes(Parameter::TopLogprobs)?
        {
            members.number("top_logprobs", top);
        }
    }
    Ok(())
}

fn write_tools(
    ask: &Ask<'_>,
    target: &Target<'_>,
    members: &mut Members<'_>,
) -> Result<(), Refusal> {
    let mut search = ask.web_search.map(|options| options.get());
    let mut any = false;
    for tool in &ask.tools {
        if let Tool::Server { kind, .. } = tool {
            if !is_search(kind) {
                return Err(target.inexpressible(kind));
            }
            search = search.or(Some("{}"));
            continue;
        }
        if !any && !target.takes(Parameter::Tools)? {
            break;
        }
        let out = match any {
            false => members.key("tools"),
            true => members.inside(),
        };
        out.push(if any { b',' } else { b'[' });
        any = true;
        match tool {
            Tool::Function(function) => write_function(function, target, out),
            Tool::Custom {
                name,
                description,
                format,
            } => write_custom(
                name,
                description.as_deref(),
                format.map(|raw| raw.get()),
                out,
            ),
            Tool::Server { .. } => {}
        }
    }
    if any {
        members.inside().push(b']');
        if let Some(choice) = &ask.tool_choice
            && target.takes(Parameter::ToolChoice)?
        {
            write_choice(choice, target, members);
        }
        if let Some(parallel) = ask.parallel_tool_calls {
            match target.quirks.parallel_tool_calls && target.takes(Parameter::ParallelToolCalls)? {
                true => members.boolean("parallel_tool_calls", parallel),
                false => target.cannot("parallel_tool_calls")?,
            }
        }
    }
    if let Some(options) = search {
        // Only models that search take the word, and others refuse it: it has to be known that this one does.
        let known = target
            .parameters
            .is_some_and(|parameters| parameters.has(Parameter::WebSearchOptions));
        match known {
            true => members.raw("web_search_options", options),
            false => target.cannot("web_search_options")?,
        }
    }
    Ok(())
}

/// Whether a provider's own tool searches the web, by its type in any protocol. The searches of files and of tools are others.
fn is_search(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    kind.contains("search") && !kind.contains("file") && !kind.contains("tool")
}

fn write_function(function: &Function<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let mut tool = Members::new(out);
    tool.string("type", "function");
    let mut members = Members::new(tool.key("function"));
    members.string(
        "name",
        &joined_name(function.namespace.as_deref(), &function.name),
    );
    members.string_if("description", function.description.as_deref());
    if let Some(parameters) = &function.parameters {
        members.raw("parameters", parameters.get());
    }
    if let Some(strict) = function.strict {
        members.boolean("strict", strict);
    }
    members.end();
    if target.quirks.reasoning == ReasoningWords::Object
        && let Some(cache) = &function.cache
    {
        write_cache(cache, tool.key("cache_control"));
    }
    tool.end();
}

/// Offers a tool that takes text as a function with one string: few models behind this protocol know tools that take text, and
/// all know functions. The form of the text becomes a part of the description.
fn write_custom(name: &str, description: Option<&str>, form: Option<&str>, out: &mut Vec<u8>) {
    let mut tool = Members::new(out);
    tool.string("type", "function");
    let mut members = Members::new(tool.key("function"));
    members.string("name", name);
    let form = form.filter(|form| form.contains("grammar"));
    match (description, form) {
        (description, Some(form)) => {
            let out = members.key("description");
            out.push(b'"');
            if let Some(description) = description {
                write_string_inside(description, out);
                out.extend_from_slice(b"\\n\\n");
            }
            write_string_inside("The input must have this form: ", out);
            write_string_inside(form, out);
            out.push(b'"');
        }
        (description, None) => members.string_if("description", description),
    }
    members.raw(
        "parameters",
        "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[\"input\"],\"additionalProperties\":false}",
    );
    members.end();
    tool.end();
}

fn write_choice(choice: &ToolChoice<'_>, target: &Target<'_>, members: &mut Members<'_>) {
    let word = match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Required => match target.quirks.tool_choice_required {
            RequiredWord::Required => "required",
            RequiredWord::Any => "any",
        },
        ToolChoice::Named(name) => {
            let mut named = Members::new(members.key("tool_choice"));
            named.string("type", "function");
            let mut function = Members::new(named.key("function"));
            function.string("name", name);
            function.end();
            named.end();
            return;
        }
    };
    members.string("tool_choice", word);
}

fn write_format(
    ask: &Ask<'_>,
    target: &Target<'_>,
    members: &mut Members<'_>,
) -> Result<(), Refusal> {
    let Some(form) = &ask.format else {
        return Ok(());
    };
    if !target.takes(Parameter::ResponseFormat)? {
        return Ok(());
    }
    match form {
        Format::Text => {}
        Format::JsonObject => members.raw("response_format", "{\"type\":\"json_object\"}"),
        // The schema stands in the instructions then.
        Format::JsonSchema { .. } if !target.quirks.json_schema => {
            target.cannot("response_format.json_schema")?;
            members.raw("response_format", "{\"type\":\"json_object\"}");
        }
        Format::JsonSchema {
            name,
            schema,
            strict,
            description,
        } => {
            let mut form = Members::new(members.key("response_format"));
            form.string("type", "json_schema");
            let mut inner = Members::new(form.key("json_schema"));
            inner.string("name", if name.is_empty() { "response" } else { name });
            inner.string_if("description", description.as_deref());
            inner.raw("schema", schema.get());
            if let Some(strict) = strict {
                inner.boolean("strict", *strict);
            }
            inner.end();
            form.end();
        }
        Format::Other(raw) => match ask.api.home() == target.dialect {
            true => members.raw("response_format", raw.get()),
            false => return Err(target.inexpressible("response_format")),
        },
    }
    Ok(())
}

fn write_reasoning(
    reasoning: &Reasoning<'_>,
    ask: &Ask<'_>,
    target: &Target<'_>,
    members: &mut Members<'_>,
) -> Result<(), Refusal> {
    if !target.takes(Parameter::Reasoning)? {
        return Ok(());
    }
    let mut told = Vec::new();
    match write_wish(
        reasoning,
        ask.max_tokens,
        target.quirks.reasoning,
        &mut told,
    ) {
        Some(name) => {
            members.key(name).extend_from_slice(&told);
            Ok(())
        }
        None if reasoning.wanted().is_some() && target.quirks.reasoning == ReasoningWords::None => {
            target.cannot("reasoning")
        }
        None => Ok(()),
    }
}

/// Appends the value of the member that says a wish for thought, and names that member; `None`: there is nothing to say.
pub(crate) fn write_wish(
    reasoning: &Reasoning<'_>,
    max_tokens: Option<u64>,
    words: ReasoningWords,
    out: &mut Vec<u8>,
) -> Option<&'static str> {
    match words {
        ReasoningWords::None => None,
        ReasoningWords::Effort => {
            let effort = match reasoning.wanted() {
                // Said with an effort or a budget of nothing. That thought is off, and no more, is how models without it are
                // asked too, and they would refuse the word.
                Some(false) if reasoning.enabled != Some(false) => Effort::None,
                Some(true) => reasoning
                    .effort_or_budget(max_tokens)
                    .unwrap_or(Effort::Medium),
                _ => return None,
            };
            // OpenAI's scale ends there.
            write_string(effort.min(Effort::XHigh).name(), out);
            Some("reasoning_effort")
        }
        ReasoningWords::Thinking => {
            let word = match reasoning.wanted()? {
                true => "enabled",
                false => "disabled",
            };
            let mut members = Members::new(out);
            members.string("type", word);
            members.end();
            Some("thinking")
        }
        ReasoningWords::Object => {
            let mut members = Members::new(out);
            match (reasoning.effort, reasoning.max_tokens) {
                (_, Some(tokens)) => members.number("max_tokens", tokens),
                (Some(effort), None) => members.string("effort", effort.name()),
                (None, None) if reasoning.adaptive => members.boolean("enabled", true),
                (None, None) => {}
            }
            if let Some(enabled) = reasoning.enabled {
                members.boolean("enabled", enabled);
            }
            if reasoning.exclude {
                members.boolean("exclude", true);
            }
            members.string_if("summary", reasoning.summary.as_deref());
            members.end();
            Some("reasoning")
        }
    }
}

fn write_others(
    ask: &Ask<'_>,
    target: &Target<'_>,
    members: &mut Members<'_>,
) -> Result<(), Refusal> {
    let newest = has_newest_words(target.quirks);
    let routed = target.quirks.reasoning == ReasoningWords::Object;
    if let Some(verbosity) = &ask.verbosity
        && target.takes(Parameter::Verbosity)?
    {
        match (&**verbosity, newest || routed) {
            ("xhigh" | "max", true) if !routed => members.string("verbosity", "high"),
            (word, true) => members.string("verbosity", word),
            (_, false) => target.cannot("verbosity")?,
        }
    }
    if ask.modalities.iter().any(|modality| *modality != "text") {
        let out = members.key("modalities");
        for (index, modality) in ask.modalities.iter().enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            // Other protocols shout.
            write_string(&modality.to_ascii_lowercase(), out);
        }
        out.push(b']');
    }
    if let Some(audio) = ask.audio {
        members.raw("audio", audio.get());
    }
    if let Some(image_config) = ask.image_config
        && routed
    {
        members.raw("image_config", image_config.get());
    }
    if let Some(tier) = ask.service_tier.as_deref()
        && !matches!(tier, "auto" | "default" | "standard")
    {
        members.string("service_tier", tier);
    }
    if let Some(key) = ask.prompt_cache_key.as_deref()
        && (newest || routed)
    {
        members.string("prompt_cache_key", key);
    }
    if let Some(cache) = &ask.cache
        && routed
    {
        write_cache(cache, members.key("cache_control"));
    }
    members.string_if("user", target.user);
    for (name, value) in &ask.extra {
        let known = match &**name {
            "safety_identifier" | "prompt_cache_retention" | "prompt_cache_options" => newest,
            name => target.routing_fields && ROUTING_FIELDS.contains(&name),
        };
        if known {
            members.raw(name, value.get());
        }
    }
    Ok(())
}

fn write_cache(cache: &CacheMark<'_>, out: &mut Vec<u8>) {
    let mut members = Members::new(out);
    members.string("type", "ephemeral");
    members.string_if("ttl", cache.ttl.as_deref());
    members.end();
}

/// Writes `messages`.
struct Messages<'w, 'a> {
    ask: &'w Ask<'a>,
    target: &'w Target<'w>,
    /// Messages may hold what OpenRouter adds: cache breakpoints, details of thought, more than text in a result.
    rich: bool,
    /// A message has been written.
    any: bool,
    /// Images and files of results, which follow when all results have been given.
    media: Vec<&'w Block<'a>>,
}

impl<'w, 'a> Messages<'w, 'a> {
    fn write(mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        out.push(b'[');
        self.system(out)?;
        let ask = self.ask;
        let mut turns = ask.turns.as_slice();
        while let [turn, after @ ..] = turns {
            match turn.role {
                Role::Assistant => {
                    let others = after
                        .iter()
                        .take_while(|turn| turn.role == Role::Assistant)
                        .count();
                    let run = turns.get(..=others).unwrap_or_default();
                    turns = turns.get(others + 1..).unwrap_or_default();
                    self.flush_media(out)?;
                    self.assistant(run, out)?;
                    continue;
                }
                Role::System => self.instructions("system", turn, out)?,
                Role::Developer if self.target.quirks.developer_role => {
                    self.instructions("developer", turn, out)?;
                }
                Role::Developer => self.instructions("system", turn, out)?,
                Role::User => self.user(turn, out)?,
            }
            turns = after;
        }
        self.flush_media(out)?;
        out.push(b']');
        Ok(())
    }

    /// Opens a message.
    fn open<'o>(&mut self, role: &str, out: &'o mut Vec<u8>) -> Members<'o> {
        if self.any {
            out.push(b',');
        }
        self.any = true;
        let mut message = Members::new(out);
        message.string("role", role);
        message
    }

    /// The instructions before the conversation, as one message: not every provider takes two.
    fn system(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let ask = self.ask;
        let schema = match &ask.format {
            Some(Format::JsonSchema { schema, .. }) if !self.target.quirks.json_schema => {
                Some(format!(
                    "Answer with one JSON object that follows this JSON Schema, and with nothing else:\n{}",
                    schema.get()
                ))
            }
            _ => None,
        };
        if ask.system.is_empty() && schema.is_none() {
            return Ok(());
        }
        let mut message = self.open("system", out);
        let marked = self.rich && ask.system.iter().any(|block| cache_of(block).is_some());
        if marked {
            let out = message.key("content");
            let mut any = false;
            for block in &ask.system {
                self.part(block, &mut any, out)?;
            }
            if let Some(schema) = &schema {
                write_text_part(schema, None, &mut any, out);
            }
            out.extend_from_slice(if any { b"]" } else { b"[]" });
        } else {
            let texts = ask.system.iter().filter_map(plain_text);
            let texts: Vec<&str> = texts.chain(schema.as_deref()).collect();
            write_paragraphs(&texts, message.key("content"));
        }
        message.end();
        Ok(())
    }

    /// Instructions inside the conversation.
    fn instructions(
        &mut self,
        role: &str,
        turn: &'w Turn<'a>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.flush_media(out)?;
        let mut message = self.open(role, out);
        message.string_if("name", turn.name.as_deref());
        self.content(&turn.blocks, message.key("content"))?;
        message.end();
        Ok(())
    }

    fn user(&mut self, turn: &'w Turn<'a>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        // Results come first: nothing may stand between a call and its result.
        for block in &turn.blocks {
            if let Block::ToolResult(result) = block {
                self.result(result, out)?;
            }
        }
        let said = turn
            .blocks
            .iter()
            .filter(|block| !matches!(block, Block::ToolResult(_) | Block::Foreign(_)));
        let mut content: Vec<&'w Block<'a>> = std::mem::take(&mut self.media);
        let from_results = content.len();
        content.extend(said);
        if content.len() == from_results {
            // The next turn may hold more results of the same calls.
            self.media = content;
            return Ok(());
        }
        let mut message = self.open("user", out);
        message.string_if("name", turn.name.as_deref());
        self.content_of(&content, message.key("content"))?;
        message.end();
        Ok(())
    }

    /// Writes what results held beside text.
    fn flush_media(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let media = std::mem::take(&mut self.media);
        if media.is_empty() {
            return Ok(());
        }
        let mut message = self.open("user", out);
        self.content_of(&media, message.key("content"))?;
        message.end();
        Ok(())
    }

    fn result(&mut self, result: &'w ToolResult<'a>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let mut message = self.open("tool", out);
        message.string("tool_call_id", &result.call_id);
        let rich = self.rich
            && result
                .blocks
                .iter()
                .any(|block| plain_text(block).is_none());
        let content = message.key("content");
        if rich {
            self.content(&result.blocks, content)?;
        } else {
            let texts: Vec<&str> = result.blocks.iter().filter_map(plain_text).collect();
            let media = result.blocks.iter().filter(|block| {
                matches!(
                    block,
                    Block::Image { .. }
                        | Block::File { .. }
                        | Block::Audio { .. }
                        | Block::Video { .. }
                )
            });
            let before = self.media.len();
            self.media.extend(media);
            match (texts.is_empty(), self.media.len() > before) {
                // A result that is empty reads as none.
                (true, true) => write_string("The result follows in the next message.", content),
                (true, false) if result.is_error => write_string("error", content),
                _ => write_paragraphs(&texts, content),
            }
        }
        if self.rich
            && let Some(cache) = &result.cache
        {
            write_cache(cache, message.key("cache_control"));
        }
        message.end();
        Ok(())
    }

    /// What the model said, from neighbouring turns.
    fn assistant(&mut self, run: &'w [Turn<'a>], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let blocks = || run.iter().flat_map(|turn| turn.blocks.iter());
        let mut message = self.open("assistant", out);
        message.string_if("name", run.iter().find_map(|turn| turn.name.as_deref()));
        let marked = self.rich
            && blocks().any(|block| matches!(block, Block::Text(text) if text.cache.is_some()));
        let content = message.key("content");
        if marked {
            let mut any = false;
            for block in blocks().filter(|block| matches!(block, Block::Text(_))) {
                self.part(block, &mut any, content)?;
            }
            content.push(b']');
        } else {
            let texts: Vec<&str> = blocks().filter_map(plain_text).collect();
            match texts.is_empty() {
                true if blocks().any(|block| matches!(block, Block::ToolCall(_))) => {
                    content.extend_from_slice(b"null");
                }
                // Blocks of one answer are pieces of one text.
                _ => {
                    content.push(b'"');
                    for text in texts {
                        write_string_inside(text, content);
                    }
                    content.push(b'"');
                }
            }
        }
        let refusals = blocks().find_map(|block| match block {
            Block::Refusal(text) => Some(&**text),
            _ => None,
        });
        message.string_if("refusal", refusals);
        let audio = blocks().find_map(|block| match block {
            Block::Audio { id, .. } => id.as_deref(),
            _ => None,
        });
        if let Some(id) = audio {
            let mut audio = Members::new(message.key("audio"));
            audio.string("id", id);
            audio.end();
        }
        let thoughts: Vec<&Thought<'_>> = blocks()
            .filter_map(|block| match block {
                Block::Thought(thought) => Some(thought),
                _ => None,
            })
            .collect();
        let calls: Vec<&ToolCall<'_>> = blocks()
            .filter_map(|block| match block {
                Block::ToolCall(call) => Some(call),
                _ => None,
            })
            .collect();
        self.thoughts(&thoughts, &calls, &mut message);
        if !calls.is_empty() {
            let out = message.key("tool_calls");
            for (index, call) in calls.iter().enumerate() {
                out.push(if index == 0 { b'[' } else { b',' });
                write_call(call, out);
            }
            out.push(b']');
        }
        message.end();
        Ok(())
    }

    /// Sends thoughts back, where they are wanted.
    fn thoughts(
        &self,
        thoughts: &[&Thought<'_>],
        calls: &[&ToolCall<'_>],
        message: &mut Members<'_>,
    ) {
        match self.target.quirks.reasoning {
            ReasoningWords::Effort | ReasoningWords::None => {}
            ReasoningWords::Thinking => {
                let mut texts = thoughts
                    .iter()
                    .filter(|thought| thought.kind == ThoughtKind::Text)
                    .peekable();
                if texts.peek().is_some() {
                    let out = message.key("reasoning_content");
                    out.push(b'"');
                    for thought in texts {
                        write_string_inside(&thought.text, out);
                    }
                    out.push(b'"');
                }
            }
            ReasoningWords::Object => {
                let signed = calls
                    .iter()
                    .filter_map(|call| Some((call.id.as_ref(), call.signature.as_deref()?)));
                let details = thoughts.iter().map(|thought| Detail::of(thought, 0)).chain(
                    signed.map(|(id, signature)| Detail::of_signature(Some(id), signature, 0)),
                );
                let mut any = false;
                for (index, detail) in (0u32..).zip(details) {
                    let out = match any {
                        false => message.key("reasoning_details"),
                        true => message.inside(),
                    };
                    out.push(if any { b',' } else { b'[' });
                    any = true;
                    Detail { index, ..detail }.write(out);
                }
                if any {
                    message.inside().push(b']');
                }
            }
        }
    }

    fn content(&self, blocks: &'w [Block<'a>], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let blocks: Vec<&Block<'_>> = blocks.iter().collect();
        self.content_of(&blocks, out)
    }

    /// Writes content: a string where it is one text, because every provider takes that, else parts.
    fn content_of(&self, blocks: &[&Block<'_>], out: &mut Vec<u8>) -> Result<(), Refusal> {
        if let [Block::Text(text)] = blocks
            && (text.cache.is_none() || !self.rich)
        {
            write_string(&text.text, out);
            return Ok(());
        }
        let mut any = false;
        for block in blocks {
            self.part(block, &mut any, out)?;
        }
        out.extend_from_slice(if any { b"]" } else { b"\"\"" });
        Ok(())
    }

    /// Writes a part with the bracket or comma before it.
    fn part(&self, block: &Block<'_>, any: &mut bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let cache = cache_of(block).filter(|_| self.rich);
        let (kind, cache) = match block {
            Block::Text(text) => {
                write_text_part(&text.text, cache, any, out);
                return Ok(());
            }
            Block::Refusal(text) => {
                write_text_part(text, None, any, out);
                return Ok(());
            }
            Block::Image { .. } => ("image_url", cache),
            Block::File { .. } => ("file", cache),
            Block::Audio { .. } => ("input_audio", None),
            Block::Video { .. } => ("video_url", None),
            Block::Thought(_) | Block::ToolCall(_) | Block::ToolResult(_) | Block::Foreign(_) => {
                return Ok(());
            }
        };
        out.push(if *any { b',' } else { b'[' });
        *any = true;
        let mut part = Members::new(out);
        part.string("type", kind);
        let mut inner = Members::new(part.key(kind));
        match block {
            Block::Image { source, detail, .. } => {
                match source {
                    Source::Url(_) if !self.target.quirks.image_urls => {
                        return Err(self.target.inexpressible("an image's address"));
                    }
                    Source::Id(_) => return Err(self.target.inexpressible("an image's file_id")),
                    _ => {}
                }
                source.write_url(inner.key("url"));
                inner.string_if("detail", detail.as_deref());
            }
            Block::File { source, name, .. } => match source {
                Source::Id(id) => inner.string("file_id", id),
                Source::Url(_) if !self.rich => {
                    return Err(self.target.inexpressible("a file's address"));
                }
                source => {
                    // OpenAI wants a name beside the data.
                    let name = name.as_deref().unwrap_or("file.pdf");
                    inner.string("filename", name);
                    source.write_url(inner.key("file_data"));
                }
            },
            Block::Audio { data, format, .. } => {
                inner.string("data", data);
                inner.string("format", format);
            }
            Block::Video { source } => source.write_url(inner.key("url")),
            _ => {}
        }
        inner.end();
        if let Some(cache) = cache {
            write_cache(cache, part.key("cache_control"));
        }
        part.end();
        Ok(())
    }
}

fn cache_of<'b, 'a>(block: &'b Block<'a>) -> Option<&'b CacheMark<'a>> {
    match block {
        Block::Text(text) => text.cache.as_ref(),
        Block::Image { cache, .. } | Block::File { cache, .. } => cache.as_ref(),
        _ => None,
    }
}

fn plain_text<'b>(block: &'b Block<'_>) -> Option<&'b str> {
    match block {
        Block::Text(text) => Some(&text.text),
        _ => None,
    }
}

fn write_text_part(text: &str, cache: Option<&CacheMark<'_>>, any: &mut bool, out: &mut Vec<u8>) {
    out.push(if *any { b',' } else { b'[' });
    *any = true;
    let mut part = Members::new(out);
    part.string("type", "text");
    part.string("text", text);
    if let Some(cache) = cache {
        write_cache(cache, part.key("cache_control"));
    }
    part.end();
}

/// Writes texts as one, an empty line between them.
fn write_paragraphs(texts: &[&str], out: &mut Vec<u8>) {
    out.push(b'"');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\\n\\n");
        }
        write_string_inside(text, out);
    }
    out.push(b'"');
}

fn write_call(call: &ToolCall<'_>, out: &mut Vec<u8>) {
    let mut members = Members::new(out);
    members.string("id", &call.id);
    members.string("type", "function");
    let mut function = Members::new(members.key("function"));
    function.string("name", &joined_name(call.namespace.as_deref(), &call.name));
    if call.custom {
        // As the tool is offered, so its calls are told.
        let out = function.key("arguments");
        out.push(b'"');
        let mut arguments = Vec::with_capacity(call.arguments.len() + 16);
        let mut inner = Members::new(&mut arguments);
        inner.string("input", &call.arguments);
        inner.end();
        write_string_inside(&String::from_utf8_lossy(&arguments), out);
        out.push(b'"');
    } else {
        let arguments = call.arguments.trim();
        function.string(
            "arguments",
            if arguments.is_empty() {
                "{}"
            } else {
                &call.arguments
            },
        );
    }
    function.end();
    members.end();
}
