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

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialect::{Dialect, Target};
use crate::exchange::{
    Ask, BUDGET_TOKENS_MIN, Block, CacheMark, Citation, Effort, Format, Reasoning, Role, Source,
    Text, Thought, ThoughtKind, Tool, ToolCall, ToolChoice, ToolResult, Turn, format, joined_name,
};
use crate::json::{Malformed, Walker, write_string};
use crate::member::lenient::{self, each_member};
use crate::member::write::{comma, key, number_member, raw_member, string_member};
use crate::parameter::Parameter;
use crate::refusal::{Kind, Refusal};

/// `max_tokens` where neither the client nor the catalogue says any: what every model of the protocol can generate.
const MAX_TOKENS: u64 = 4096;

/// Most cache breakpoints of a request (Anthropic's guide to prompt caching, 2026-11).
const CACHE_MARKS_MAX: usize = 4;

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

/// The wish for thought, in this protocol's words.
enum Thinking {
    /// Nothing is said.
    Unsaid,
    Disabled,
    Budget(u64),
    Adaptive {
        /// Whether the client wants the text left out.
        omitted: bool,
    },
}

impl Thinking {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Thinking::Unsaid => {}
            Thinking::Disabled => raw_member("thinking", "{\"type\":\"disabled\"}", out),
            Thinking::Budget(tokens) => {
                key("thinking", out);
                out.extend_from_slice(b"{\"type\":\"enabled\"");
                number_member("budget_tokens", *tokens, out);
                out.push(b'}');
            }
            // Said, because the newer models leave the text out unless asked for it.
            Thinking::Adaptive { omitted: false } => raw_member(
                "thinking",
                "{\"type\":\"adaptive\",\"display\":\"summarized\"}",
                out,
            ),
            Thinking::Adaptive { omitted: true } => raw_member(
                "thinking",
                "{\"type\":\"adaptive\",\"display\":\"omitted\"}",
                out,
            ),
        }
    }

    fn is_on(&self) -> bool {
        matches!(self, Thinking::Budget(_) | Thinking::Adaptive { .. })
    }
}

/// `max_tokens` and the thinking that fits into it.
struct Limits {
    max_tokens: u64,
    thinking: Thinking,
}

impl Limits {
    fn of(ask: &Ask<'_>, target: &Target<'_>) -> Result<Limits, Refusal> {
        let max_tokens = ask
            .max_tokens
            .or(target.completion_tokens_max)
            .unwrap_or(MAX_TOKENS);
        let unsaid = Limits {
            max_tokens,
            thinking: Thinking::Unsaid,
        };
        let Some(reasoning) = &ask.reasoning else {
            return Ok(unsaid);
        };
        match reasoning.wanted() {
            None => return Ok(unsaid),
            Some(false) => {
                return Ok(Limits {
                    max_tokens,
                    thinking: Thinking::Disabled,
                });
            }
            Some(true) => {}
        }
        // The protocol does not think and obey a forced choice of a tool in one request; the choice is the firmer wish.
        let forced = matches!(
            ask.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Named(_))
        );
        if !target.takes(Parameter::Reasoning)? || forced {
            target.cannot(Parameter::Reasoning.name())?;
            return Ok(unsaid);
        }
        if adaptive(reasoning, target) {
            return Ok(Limits {
                max_tokens,
                thinking: Thinking::Adaptive {
                    omitted: reasoning.exclude,
                },
            });
        }
        // With a budget, a turn that calls tools has to begin with its thought. A client that has not kept it gets an answer
        // without thought, not an error.
        if calls_without_thought(ask) {
            target.cannot(Parameter::Reasoning.name())?;
            return Ok(unsaid);
        }
        Limits::with_budget(ask, reasoning, max_tokens, target)
    }

    /// `max_tokens` has to be larger than the budget. A client that says both must say so; where the gateway chose one of them, it
    /// makes them fit.
    fn with_budget(
        ask: &Ask<'_>,
        reasoning: &Reasoning<'_>,
        max_tokens: u64,
        target: &Target<'_>,
    ) -> Result<Limits, Refusal> {
        let budget = reasoning.budget(max_tokens);
        if budget < max_tokens {
            return Ok(Limits {
                max_tokens,
                thinking: Thinking::Budget(budget),
            });
        }
        if ask.max_tokens.is_none() {
            // Room for the answer beside the thought, as far as the endpoint goes.
            let wanted = budget.saturating_add(MAX_TOKENS);
            let max_tokens = target
                .completion_tokens_max
                .map_or(wanted, |most| most.min(wanted));
            let budget = budget.min(max_tokens.saturating_sub(1));
            if budget >= BUDGET_TOKENS_MIN {
                return Ok(Limits {
                    max_tokens,
                    thinking: Thinking::Budget(budget),
                });
            }
        } else if let Some(said) = reasoning.max_tokens {
            return Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
                "`reasoning.max_tokens` must be less than `max_tokens`, of which it is a part, and at least {BUDGET_TOKENS_MIN}; seen: {said} of {max_tokens}"
            )));
        }
        // An effort's share of so few tokens is less than the least budget there is.
        target.cannot(Parameter::Reasoning.name())?;
        Ok(Limits {
            max_tokens,
            thinking: Thinking::Unsaid,
        })
    }
}

/// Whether the model decides how much it thinks; see the module's head.
fn adaptive(reasoning: &Reasoning<'_>, target: &Target<'_>) -> bool {
    reasoning.adaptive
        || target.parameters.is_some_and(|parameters| {
            parameters.has(Parameter::Verbosity) && !parameters.has(Parameter::Temperature)
        })
}

/// Whether the conversation goes on from tool calls before which no thought can be replayed.
fn calls_without_thought(ask: &Ask<'_>) -> bool {
    let results_last = ask.turns.last().is_some_and(|turn| {
        turn.blocks
            .iter()
            .any(|block| matches!(block, Block::ToolResult(_)))
    });
    let Some(last) = ask
        .turns
        .iter()
        .rev()
        .find(|turn| turn.role == Role::Assistant)
    else {
        return false;
    };
    results_last
        && !last
            .blocks
            .iter()
            .any(|block| matches!(block, Block::Thought(thought) if is_replayable(thought)))
}

/// Whether the provider takes a thought back: its own, with the proof.
fn is_replayable(thought: &Thought<'_>) -> bool {
    thought.format == format::ANTHROPIC
        && match thought.kind {
            ThoughtKind::Encrypted => !thought.text.is_empty(),
            ThoughtKind::Text | ThoughtKind::Summary => thought
                .signature
                .as_ref()
                .is_some_and(|signature| !signature.is_empty()),
        }
}

/// How many marks have to be left out, counted from the front. The automatic one counts too.
fn marks_to_skip(ask: &Ask<'_>) -> usize {
    let tools = ask
        .tools
        .iter()
        .filter(|tool| matches!(tool, Tool::Function(function) if function.cache.is_some()));
    let blocks = ask
        .system
        .iter()
        .chain(ask.turns.iter().flat_map(|turn| &turn.blocks))
        .filter(|block| is_marked(block));
    let most = CACHE_MARKS_MAX - usize::from(ask.cache.is_some());
    (tools.count() + blocks.count()).saturating_sub(most)
}

fn is_marked(block: &Block<'_>) -> bool {
    match block {
        Block::Text(text) => text.cache.is_some() && !is_blank(&text.text),
        Block::Image { cache, .. } | Block::File { cache, .. } => cache.is_some(),
        Block::ToolCall(call) => call.cache.is_some(),
        Block::ToolResult(result) => result.cache.is_some() || result.blocks.iter().any(is_marked),
        _ => false,
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn cache_member(mark: &CacheMark<'_>, out: &mut Vec<u8>) {
    key("cache_control", out);
    out.extend_from_slice(b"{\"type\":\"ephemeral\"");
    if let Some(ttl) = mark
        .ttl
        .as_deref()
        .filter(|ttl| matches!(*ttl, "5m" | "1h"))
    {
        string_member("ttl", ttl, out);
    }
    out.push(b'}');
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

/// Writes the parts of a request that hold cache marks, in the order in which the provider reads them.
struct Writing<'w, 'a> {
    ask: &'w Ask<'a>,
    target: &'w Target<'w>,
    marks_to_skip: usize,
    /// The tool for searching is on offer already.
    web_search: bool,
}

impl<'a> Writing<'_, 'a> {
    fn cache(&mut self, mark: Option<&CacheMark<'_>>, out: &mut Vec<u8>) {
        let Some(mark) = mark else {
            return;
        };
        match self.marks_to_skip {
            0 => cache_member(mark, out),
            _ => self.marks_to_skip -= 1,
        }
    }

    fn tools(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let ask = self.ask;
        if ask.tools.is_empty() && ask.web_search.is_none() {
            return Ok(());
        }
        if !ask.tools.is_empty() && !self.target.takes(Parameter::Tools)? {
            return Err(self.target.inexpressible(Parameter::Tools.name()));
        }
        key("tools", out);
        out.push(b'[');
        let before = out.len();
        for tool in &ask.tools {
            self.tool(tool, out)?;
        }
        if let Some(options) = ask.web_search
            && !self.web_search
        {
            web_search(options, out);
        }
        if out.len() == before {
            // Nothing came of the tools, so there is no such member.
            out.truncate(before - b"\"tools\":[".len());
            if out.last() == Some(&b',') {
                out.pop();
            }
            return Ok(());
        }
        out.push(b']');
        Ok(())
    }

    fn tool(&mut self, tool: &Tool<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match tool {
            Tool::Function(function) => {
                comma(out);
                out.push(b'{');
                let name = joined_name(function.namespace.as_deref(), &function.name);
                string_member("name", &name, out);
                if let Some(description) = &function.description {
                    string_member("description", description, out);
                }
                key("input_schema", out);
                schema(function.parameters.as_deref(), out);
                // Said only where it is wished and can be granted: an endpoint without it refuses the word.
                if function.strict == Some(true) && native_schemas(self.target)? {
                    raw_member("strict", "true", out);
                }
                self.cache(function.cache.as_ref(), out);
                out.push(b'}');
            }
            Tool::Custom {
                name, description, ..
            } => {
                comma(out);
                out.push(b'{');
                string_member("name", name, out);
                if let Some(description) = description {
                    string_member("description", description, out);
                }
                raw_member(
                    "input_schema",
                    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#,
                    out,
                );
                out.push(b'}');
            }
            Tool::Server { kind, raw } => {
                if self.ask.api.home() == Dialect::Anthropic {
                    self.web_search |= kind.starts_with("web_search");
                    comma(out);
                    out.extend_from_slice(raw.get().as_bytes());
                } else if self.ask.web_search.is_none() || !is_web_search(kind) {
                    return Err(self.target.inexpressible(&format!(
                        "tools: {}",
                        crate::upstream_error::excerpt(kind.as_bytes(), 60)
                    )));
                }
            }
        }
        Ok(())
    }

    fn tool_choice(&self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let ask = self.ask;
        let single = ask.parallel_tool_calls == Some(false);
        if ask.tools.is_empty() || (ask.tool_choice.is_none() && !single) {
            return Ok(());
        }
        if ask.tool_choice.is_some() && !self.target.takes(Parameter::ToolChoice)? {
            return Ok(());
        }
        let kind = match &ask.tool_choice {
            None | Some(ToolChoice::Auto) => "auto",
            Some(ToolChoice::None) => "none",
            Some(ToolChoice::Required) => "any",
            Some(ToolChoice::Named(_)) => "tool",
        };
        key("tool_choice", out);
        out.push(b'{');
        string_member("type", kind, out);
        if let Some(ToolChoice::Named(name)) = &ask.tool_choice {
            string_member("name", name, out);
        }
        // Beside `none` the protocol takes nothing.
        if single && kind != "none" {
            raw_member("disable_parallel_tool_use", "true", out);
        }
        out.push(b'}');
        Ok(())
    }

    fn system(&mut self, hint: Option<&str>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let texts = self.ask.system.iter().any(is_said);
        if !texts && hint.is_none() {
            return Ok(());
        }
        key("system", out);
        out.push(b'[');
        let ask = self.ask;
        for block in &ask.system {
            self.block(block, None, false, out)?;
        }
        if let Some(hint) = hint {
            text_block(hint, out);
            out.push(b'}');
        }
        out.push(b']');
        Ok(())
    }

    /// `system_too`: there is nothing but instructions, and the protocol wants a message, so they are one.
    fn messages(&mut self, system_too: bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let ask = self.ask;
        key("messages", out);
        out.push(b'[');
        if system_too {
            let mut message = Message::new(Role::User);
            for block in &ask.system {
                message.block(self, block, None, out)?;
            }
            message.end(out);
        }
        // A turn of which nothing is written does not part its neighbours.
        let said: Vec<&Turn<'a>> = ask
            .turns
            .iter()
            .filter(|turn| turn.blocks.iter().any(|block| self.is_written(block)))
            .collect();
        let mut turns = said.as_slice();
        while let Some((first, _)) = turns.split_first() {
            let role = self.side(first.role);
            let joined = turns
                .iter()
                .take_while(|turn| self.side(turn.role) == role)
                .count();
            let (now, rest) = turns.split_at_checked(joined).unwrap_or((turns, &[]));
            turns = rest;
            self.turns(role, now, rest.is_empty(), out)?;
        }
        out.push(b']');
        Ok(())
    }

    /// Whether anything is written of a block; see [`is_said`].
    fn is_written(&self, block: &Block<'_>) -> bool {
        match block {
            Block::Foreign(_) => self.ask.api.home() == Dialect::Anthropic,
            block => is_said(block),
        }
    }

    /// Whose message a turn stands in. Instructions inside the conversation stand in the user's, in tags that tell them from what
    /// the user says; only a client of this very protocol has a role for them, because only newer models know it.
    fn side(&self, role: Role) -> Role {
        match role {
            Role::Assistant => Role::Assistant,
            Role::System if self.ask.api.home() == Dialect::Anthropic => Role::System,
            Role::System | Role::Developer | Role::User => Role::User,
        }
    }

    /// Writes turns of one side as one message.
    fn turns(
        &mut self,
        role: Role,
        turns: &[&Turn<'a>],
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let mut message = Message::new(role);
        // Marks are left out in the order of the client, so the order in which blocks are written may differ by a mark; that
        // happens only with more marks than four.
        for result in turns.iter().flat_map(|turn| &turn.blocks) {
            if matches!(result, Block::ToolResult(_)) {
                message.block(self, result, None, out)?;
            }
        }
        for turn in turns {
            let instructs =
                matches!(turn.role, Role::System | Role::Developer) && message.role != Role::System;
            let mut name = turn.name.as_deref();
            for (at, block) in turn.blocks.iter().enumerate() {
                if matches!(block, Block::ToolResult(_)) {
                    continue;
                }
                // A request that ends with the assistant's words asks for them to be continued, and must not end in a blank.
                let prefill = last
                    && message.role == Role::Assistant
                    && at + 1 == turn.blocks.len()
                    && std::ptr::eq(*turn, *turns.last().unwrap_or(turn));
                let changed = match block {
                    Block::Text(text) if instructs && !is_blank(&text.text) => {
                        Some(format!("<system>{}</system>", text.text))
                    }
                    Block::Text(text) if name.is_some() && !is_blank(&text.text) => {
                        name.take().map(|name| format!("{name}: {}", text.text))
                    }
                    Block::Text(text) if prefill => Some(text.text.trim_end().to_owned()),
                    _ => None,
                };
                message.block(self, block, changed.as_deref(), out)?;
            }
        }
        message.end(out);
        Ok(())
    }

    /// Writes a block, comma first. `text`: what stands in place of its text. `inside`: in a tool's result.
    fn block(
        &mut self,
        block: &Block<'a>,
        text: Option<&str>,
        inside: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if !is_said(block) {
            return Ok(());
        }
        match block {
            Block::Text(Text {
                text: own,
                cache,
                citations,
                ..
            }) => {
                text_block(text.unwrap_or(own), out);
                self.citations(citations, out);
                self.cache(cache.as_ref(), out);
                out.push(b'}');
            }
            Block::Refusal(text) => {
                text_block(text, out);
                out.push(b'}');
            }
            Block::Image { source, cache, .. } => {
                open_block("image", out);
                image_source(source, out);
                self.cache(cache.as_ref(), out);
                out.push(b'}');
            }
            Block::File {
                source,
                name,
                cache,
            } => self.file(source, name.as_deref(), cache.as_ref(), out)?,
            Block::Thought(thought) => write_thought(thought, out),
            Block::ToolCall(call) => {
                open_block("tool_use", out);
                string_member("id", &call_id(&call.id, Some(&call.name)), out);
                let name = joined_name(call.namespace.as_deref(), &call.name);
                string_member("name", &name, out);
                key("input", out);
                input(call, out);
                self.cache(call.cache.as_ref(), out);
                out.push(b'}');
            }
            Block::ToolResult(result) if !inside => self.tool_result(result, out)?,
            Block::ToolResult(_) => {}
            Block::Foreign(raw) => {
                if self.ask.api.home() == Dialect::Anthropic {
                    comma(out);
                    out.extend_from_slice(raw.get().as_bytes());
                }
            }
            Block::Audio {
                transcript: Some(said),
                ..
            } => {
                text_block(said, out);
                out.push(b'}');
            }
            Block::Audio { .. } => return Err(self.target.inexpressible("input_audio")),
            Block::Video { .. } => return Err(self.target.inexpressible("video_url")),
        }
        Ok(())
    }

    /// Only citations in this protocol's own words can be said again.
    fn citations(&self, citations: &[Citation<'_>], out: &mut Vec<u8>) {
        if self.ask.api.home() != Dialect::Anthropic
            || citations.iter().all(|citation| citation.raw.is_none())
        {
            return;
        }
        key("citations", out);
        out.push(b'[');
        for raw in citations.iter().filter_map(|citation| citation.raw) {
            comma(out);
            out.extend_from_slice(raw.get().as_bytes());
        }
        out.push(b']');
    }

    fn tool_result(&mut self, result: &ToolResult<'a>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        open_block("tool_result", out);
        let id = call_id(&result.call_id, result.name.as_deref());
        string_member("tool_use_id", &id, out);
        if result.is_error {
            raw_member("is_error", "true", out);
        }
        if result.blocks.iter().any(is_said) {
            key("content", out);
            out.push(b'[');
            for block in &result.blocks {
                self.block(block, None, true, out)?;
            }
            out.push(b']');
        }
        self.cache(result.cache.as_ref(), out);
        out.push(b'}');
        Ok(())
    }

    /// PDFs go as they are, text as text, images as images.
    fn file(
        &mut self,
        source: &Source<'_>,
        name: Option<&str>,
        cache: Option<&CacheMark<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if let Source::Data { media_type, base64 } = source {
            let media_type = media_type_of(media_type, base64, name);
            if media_type.starts_with("image/") {
                open_block("image", out);
                image_source(source, out);
                self.cache(cache, out);
                out.push(b'}');
                return Ok(());
            }
            let text = match media_type {
                "application/pdf" => None,
                kind if is_text(kind) => match decode(base64)
                    .and_then(|text| String::from_utf8(text).ok())
                {
                    Some(text) => Some(text),
                    None => {
                        return Err(Refusal::new(Kind::InvalidRequest).with_message(
                            "a file of text must be UTF-8 in base64; this one is not".to_owned(),
                        ));
                    }
                },
                other => {
                    return Err(self.target.inexpressible(&format!(
                        "a file of type {}",
                        match other {
                            "" => "unknown",
                            other => other,
                        }
                    )));
                }
            };
            open_block("document", out);
            key("source", out);
            match text {
                None => {
                    out.extend_from_slice(
                        b"{\"type\":\"base64\",\"media_type\":\"application/pdf\"",
                    );
                    string_member("data", base64, out);
                }
                Some(text) => {
                    out.extend_from_slice(b"{\"type\":\"text\",\"media_type\":\"text/plain\"");
                    string_member("data", &text, out);
                }
            }
            out.push(b'}');
        } else {
            open_block("document", out);
            key("source", out);
            url_or_id(source, out);
        }
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            string_member("title", name, out);
        }
        self.cache(cache, out);
        out.push(b'}');
        Ok(())
    }
}

/// A message that is being written; its head is written with its first block, because it must not be empty.
struct Message {
    role: Role,
    begun: bool,
}

impl Message {
    fn new(role: Role) -> Message {
        Message { role, begun: false }
    }

    fn block<'a>(
        &mut self,
        writing: &mut Writing<'_, 'a>,
        block: &Block<'a>,
        text: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let start = out.len();
        if !self.begun {
            // The protocol wants the user to begin; a client whose conversation begins otherwise has cut it there.
            if self.role == Role::Assistant && out.last() == Some(&b'[') {
                out.extend_from_slice(
                    b"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\".\"}]}",
                );
            }
            comma(out);
            out.extend_from_slice(match self.role {
                Role::Assistant => b"{\"role\":\"assistant\",\"content\":[",
                Role::System => b"{\"role\":\"system\",\"content\":[",
                Role::User | Role::Developer => b"{\"role\":\"user\",\"content\":[".as_slice(),
            });
        }
        let empty = out.len();
        writing.block(block, text, false, out)?;
        match out.len() == empty {
            true if !self.begun => out.truncate(start),
            _ => self.begun = true,
        }
        Ok(())
    }

    fn end(self, out: &mut Vec<u8>) {
        if self.begun {
            out.extend_from_slice(b"]}");
        }
    }
}

/// Whether anything is written of a block.
fn is_said(block: &Block<'_>) -> bool {
    match block {
        Block::Text(text) => !is_blank(&text.text),
        Block::Refusal(text) => !is_blank(text),
        Block::Thought(thought) => is_replayable(thought),
        Block::Audio {
            transcript: Some(said),
            ..
        } => !is_blank(said),
        _ => true,
    }
}

fn open_block(kind: &str, out: &mut Vec<u8>) {
    comma(out);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
}

/// Begins a block of text; its closing brace is left to the caller.
fn text_block(text: &str, out: &mut Vec<u8>) {
    open_block("text", out);
    string_member("text", text, out);
}

fn write_thought(thought: &Thought<'_>, out: &mut Vec<u8>) {
    if thought.kind == ThoughtKind::Encrypted {
        open_block("redacted_thinking", out);
        string_member("data", &thought.text, out);
    } else {
        open_block("thinking", out);
        string_member("thinking", &thought.text, out);
        string_member(
            "signature",
            thought.signature.as_deref().unwrap_or_default(),
            out,
        );
    }
    out.push(b'}');
}

/// Ids here are letters, digits, `_` and `-`. Other characters become `_`, in calls and results alike; a call without an id is tied
/// to its result by the tool's name.
fn call_id<'i>(id: &'i str, name: Option<&str>) -> Cow<'i, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.is_empty() {
        let name: String = name
            .unwrap_or("unnamed")
            .chars()
            .map(|c| if fits(c) { c } else { '_' })
            .collect();
        return Cow::Owned(format!("call_{name}"));
    }
    match id.chars().all(fits) {
        true => Cow::Borrowed(id),
        false => Cow::Owned(id.chars().map(|c| if fits(c) { c } else { '_' }).collect()),
    }
}

/// A call's arguments have to be an object; what a model broke is kept as text in one.
fn input(call: &ToolCall<'_>, out: &mut Vec<u8>) {
    let arguments = call.arguments.trim();
    let is_object = || {
        let mut walker = Walker::new(arguments);
        arguments.starts_with('{') && walker.value().and_then(|_| walker.finish()).is_ok()
    };
    if call.custom {
        out.push(b'{');
        string_member("input", &call.arguments, out);
        out.push(b'}');
    } else if arguments.is_empty() {
        out.extend_from_slice(b"{}");
    } else if is_object() {
        out.extend_from_slice(arguments.as_bytes());
    } else {
        out.push(b'{');
        string_member("arguments", arguments, out);
        out.push(b'}');
    }
}

/// A schema of arguments has to be of an object, and to say so.
fn schema(parameters: Option<&RawValue>, out: &mut Vec<u8>) {
    let raw = parameters.map_or("", RawValue::get).trim();
    let mut typed = false;
    let mut any = false;
    let mut walker = Walker::new(raw);
    let looked = each_member(&mut walker, |walker, name| {
        any = true;
        typed |= name == "type";
        walker.value().map(|_| ())
    });
    if looked.is_err() || !any {
        out.extend_from_slice(b"{\"type\":\"object\",\"properties\":{}}");
    } else if typed {
        out.extend_from_slice(raw.as_bytes());
    } else {
        out.extend_from_slice(b"{\"type\":\"object\",");
        out.extend_from_slice(raw.get(1..).unwrap_or("}").as_bytes());
    }
}

/// Whether another protocol's word for a tool of the provider's means a search of the web, which is offered for `web_search`.
fn is_web_search(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    kind.contains("search") && !kind.contains("file")
}

/// The provider's own search, with the place that OpenAI's options name.
fn web_search(options: &RawValue, out: &mut Vec<u8>) {
    comma(out);
    out.extend_from_slice(b"{\"type\":\"web_search_20250305\",\"name\":\"web_search\"");
    let mut place: Vec<(String, Cow<'_, str>)> = Vec::new();
    let mut approximate = |walker: &mut Walker<'_>| {
        each_member(walker, |walker, name| {
            let known = matches!(name, "city" | "region" | "country" | "timezone");
            if let (true, Some(text)) = (known, lenient::string(walker)?) {
                place.push((name.to_owned(), Cow::Owned(text.into_owned())));
            }
            Ok::<(), Malformed>(())
        })
    };
    // The options were read before; what is not understood in them is no place.
    let _ = each_member(&mut Walker::new(options.get()), |walker, name| match name {
        "user_location" => each_member(walker, |walker, name| match name {
            "approximate" => approximate(walker),
            _ => walker.value().map(|_| ()),
        }),
        _ => walker.value().map(|_| ()),
    });
    if !place.is_empty() {
        key("user_location", out);
        out.extend_from_slice(b"{\"type\":\"approximate\"");
        for (name, value) in &place {
            string_member(name, value, out);
        }
        out.push(b'}');
    }
    out.push(b'}');
}

fn image_source(source: &Source<'_>, out: &mut Vec<u8>) {
    key("source", out);
    match source {
        Source::Data { media_type, base64 } => {
            out.extend_from_slice(b"{\"type\":\"base64\"");
            string_member("media_type", media_type_of(media_type, base64, None), out);
            string_member("data", base64, out);
            out.push(b'}');
        }
        other => url_or_id(other, out),
    }
}

fn url_or_id(source: &Source<'_>, out: &mut Vec<u8>) {
    match source {
        Source::Url(url) => {
            out.extend_from_slice(b"{\"type\":\"url\"");
            string_member("url", url, out);
        }
        Source::Id(id) => {
            out.extend_from_slice(b"{\"type\":\"file\"");
            string_member("file_id", id, out);
        }
        Source::Data { .. } => out.push(b'{'),
    }
    out.push(b'}');
}

/// The media type as this protocol calls it. Where the client says none, the first bytes tell, and then the name of the file.
fn media_type_of<'m>(said: &'m str, base64: &str, name: Option<&str>) -> &'m str {
    match said {
        "image/jpg" => "image/jpeg",
        "" | "application/octet-stream" => {
            let begins = [
                ("JVBERi", "application/pdf"),
                ("/9j/", "image/jpeg"),
                ("iVBORw", "image/png"),
                ("R0lGOD", "image/gif"),
                ("UklGR", "image/webp"),
            ];
            let ends = [
                (".pdf", "application/pdf"),
                (".txt", "text/plain"),
                (".md", "text/markdown"),
                (".csv", "text/csv"),
                (".json", "application/json"),
            ];
            begins
                .iter()
                .find(|(bytes, _)| base64.starts_with(bytes))
                .or_else(|| {
                    let name = name?;
                    ends.iter().find(|(end, _)| name.ends_with(end))
                })
                .map_or("", |(_, kind)| kind)
        }
        said => said,
    }
}

fn is_text(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || matches!(
            kind,
            "application/json" | "application/xml" | "application/yaml" | "application/x-yaml"
        )
}

/// Decodes base64, of the usual or the URL-safe alphabet, with or without padding; `None` when it is none.
fn decode(base64: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for digit in base64.trim_end_matches('=').bytes() {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\n' | b'\r' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{self, Api};
    use crate::parameter::Parameters;
    use serde_json::{Value, json};

    fn target() -> Target<'static> {
        Target::new(Dialect::Anthropic, "m")
    }

    fn try_written(api: Api, body: &Value, target: &Target<'_>) -> Result<Value, Refusal> {
        let text = body.to_string();
        let ask = api::read(api, &text, false)?;
        let mut out = Vec::new();
        write(&ask, target, &mut out)?;
        Ok(serde_json::from_slice(&out).unwrap())
    }

    /// A chat request with a user's word and these members.
    fn chat(members: Value) -> Value {
        let mut body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    fn written(members: Value) -> Value {
        try_written(Api::Chat, &chat(members), &target()).unwrap()
    }

    fn messages(turns: Value) -> Value {
        written(json!({"messages": turns}))["messages"].clone()
    }

    #[test]
    fn q01_nothing_is_added_to_a_bare_request() {
        assert_eq!(
            written(json!({})),
            json!({"model": "m", "max_tokens": 4096, "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hi"}]}
            ]})
        );
    }

    #[test]
    fn q05_the_limit_is_the_clients_or_the_endpoints() {
        assert_eq!(
            written(json!({"max_completion_tokens": 9}))["max_tokens"],
            9
        );
        let target = Target {
            completion_tokens_max: Some(64_000),
            ..target()
        };
        let body = try_written(Api::Chat, &chat(json!({})), &target).unwrap();
        assert_eq!(body["max_tokens"], 64_000);
    }

    #[test]
    fn q06_effort_becomes_a_budget_by_the_published_ratios() {
        for (effort, budget) in [
            ("minimal", 1_024),
            ("low", 2_000),
            ("medium", 5_000),
            ("high", 8_000),
            ("xhigh", 9_500),
            ("max", 9_500),
        ] {
            let body = written(json!({"max_tokens": 10_000, "reasoning": {"effort": effort}}));
            assert_eq!(
                body["thinking"],
                json!({"type": "enabled", "budget_tokens": budget}),
                "{effort}"
            );
            assert_eq!(body["max_tokens"], 10_000);
        }
        let body = written(json!({"max_tokens": 1_000_000, "reasoning": {"effort": "high"}}));
        assert_eq!(body["thinking"]["budget_tokens"], 128_000);
        let body = written(json!({"max_tokens": 10_000, "reasoning": {"max_tokens": 10}}));
        assert_eq!(body["thinking"]["budget_tokens"], 1_024);
        let body = written(json!({"reasoning": {"effort": "none"}}));
        assert_eq!(body["thinking"], json!({"type": "disabled"}));
    }

    #[test]
    fn a_budget_and_its_limit_are_made_to_fit_or_refused() {
        // Nothing but the budget was said: the limit leaves room for the answer.
        let body = written(json!({"reasoning": {"max_tokens": 20_000}}));
        assert_eq!(body["max_tokens"], 24_096);
        let small = Target {
            completion_tokens_max: Some(8_192),
            ..target()
        };
        let asked = chat(json!({"reasoning": {"max_tokens": 20_000}}));
        let body = try_written(Api::Chat, &asked, &small).unwrap();
        assert_eq!(body["max_tokens"], 8_192);
        assert_eq!(body["thinking"]["budget_tokens"], 8_191);
        // Both were said, and do not fit.
        let asked = chat(json!({"max_tokens": 2_000, "reasoning": {"max_tokens": 2_000}}));
        let refusal = try_written(Api::Chat, &asked, &target()).unwrap_err();
        assert!(
            refusal.message.contains("2000 of 2000"),
            "{}",
            refusal.message
        );
        // An effort's share of a few tokens is no thought.
        let body = written(json!({"max_tokens": 100, "reasoning": {"effort": "low"}}));
        assert_eq!(body.get("thinking"), None);
        assert_eq!(body["max_tokens"], 100);
    }

    #[test]
    fn newer_models_think_as_they_like_and_take_effort() {
        let newer = Target {
            parameters: Some(
                ["reasoning", "verbosity", "max_tokens", "tools"]
                    .into_iter()
                    .collect::<Parameters>(),
            ),
            ..target()
        };
        let asked = chat(json!({"reasoning": {"effort": "minimal"}, "temperature": 0.5}));
        let body = try_written(Api::Chat, &asked, &newer).unwrap();
        assert_eq!(
            body["thinking"],
            json!({"type": "adaptive", "display": "summarized"})
        );
        assert_eq!(body["output_config"], json!({"effort": "low"}));
        assert_eq!(body.get("temperature"), None);
        let asked = chat(json!({"reasoning": {"enabled": true, "exclude": true}}));
        let body = try_written(Api::Chat, &asked, &newer).unwrap();
        assert_eq!(body["thinking"]["display"], "omitted");
        assert_eq!(body.get("output_config"), None);
    }

    #[test]
    fn q11_verbosity_is_effort() {
        let body = written(json!({"verbosity": "xhigh"}));
        assert_eq!(body["output_config"], json!({"effort": "xhigh"}));
    }

    #[test]
    fn sampling_is_fitted_to_the_protocol() {
        let body = written(json!({"temperature": 1.7, "top_p": 1, "top_k": 0}));
        assert_eq!(body["temperature"], 1);
        assert_eq!(body.get("top_p"), None);
        assert_eq!(body.get("top_k"), None);
        let body = written(json!({"temperature": 0.25, "top_p": 0.9, "top_k": 5}));
        assert_eq!(body["temperature"], 0.25);
        assert_eq!(body.get("top_p"), None);
        assert_eq!(body["top_k"], 5);
        assert_eq!(written(json!({"top_p": 0.9}))["top_p"], 0.9);
        let body = written(json!({
            "max_tokens": 9_000, "temperature": 0, "top_p": 0.9, "top_k": 5,
            "reasoning": {"effort": "low"}
        }));
        for name in ["temperature", "top_p", "top_k"] {
            assert_eq!(body.get(name), None, "{name}");
        }
    }

    #[test]
    fn q02_q03_what_has_no_word_is_dropped_unless_all_is_required() {
        let strict = Target {
            require_parameters: true,
            ..target()
        };
        for (name, value) in [
            ("seed", json!(1)),
            ("min_p", json!(0.1)),
            ("frequency_penalty", json!(0.1)),
            ("presence_penalty", json!(0.1)),
            ("repetition_penalty", json!(1.1)),
            ("logit_bias", json!({"1": 2})),
            ("top_a", json!(0.1)),
        ] {
            let asked = chat(json!({name: value}));
            let body = try_written(Api::Chat, &asked, &target()).unwrap();
            assert_eq!(body.get(name), None, "{name}");
            let refusal = try_written(Api::Chat, &asked, &strict).unwrap_err();
            assert!(refusal.message.contains(name), "{}", refusal.message);
        }
    }

    #[test]
    fn q21_q22_choices_of_tools_have_their_words() {
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        for (choice, expected) in [
            (json!("auto"), json!({"type": "auto"})),
            (json!("none"), json!({"type": "none"})),
            (json!("required"), json!({"type": "any"})),
            (
                json!({"type": "function", "function": {"name": "f"}}),
                json!({"type": "tool", "name": "f"}),
            ),
        ] {
            let body = written(json!({"tools": tools, "tool_choice": choice}));
            assert_eq!(body["tool_choice"], expected);
            assert_eq!(
                body["tools"][0]["input_schema"],
                json!({"type": "object", "properties": {}})
            );
        }
        let body = written(json!({"tools": tools, "parallel_tool_calls": false}));
        assert_eq!(
            body["tool_choice"],
            json!({"type": "auto", "disable_parallel_tool_use": true})
        );
        // A forced choice and thought exclude each other here.
        let body = written(json!({
            "tools": tools, "tool_choice": "required", "max_tokens": 9_000,
            "reasoning": {"effort": "high"}
        }));
        assert_eq!(body.get("thinking"), None);
    }

    #[test]
    fn q18_a_schema_is_said_natively_or_in_the_instructions() {
        let format = json!({"type": "json_schema", "json_schema": {
            "name": "n", "schema": {"type": "object", "additionalProperties": false}
        }});
        let body = written(json!({"response_format": format}));
        assert_eq!(
            body["output_config"]["format"],
            json!({"type": "json_schema", "schema": {"type": "object", "additionalProperties": false}})
        );
        assert_eq!(body.get("system"), None);
        let without = Target {
            parameters: Some(["max_tokens"].into_iter().collect()),
            ..target()
        };
        let asked = chat(json!({"response_format": format}));
        let body = try_written(Api::Chat, &asked, &without).unwrap();
        assert_eq!(body.get("output_config"), None);
        let hint = body["system"][0]["text"].as_str().unwrap();
        assert!(
            hint.contains(r#"{"additionalProperties":false"#)
                || hint.contains(r#""type":"object""#)
        );
        let body = written(json!({"response_format": {"type": "json_object"}}));
        assert!(
            body["system"][0]["text"]
                .as_str()
                .unwrap()
                .contains("JSON object")
        );
    }

    #[test]
    fn messages_alternate_and_begin_with_the_user() {
        assert_eq!(
            messages(json!([
                {"role": "assistant", "content": "Welcome."},
                {"role": "user", "content": "a"},
                {"role": "user", "content": " "},
                {"role": "user", "content": "b"},
                {"role": "assistant", "content": ""},
                {"role": "user", "content": "c"}
            ])),
            json!([
                {"role": "user", "content": [{"type": "text", "text": "."}]},
                {"role": "assistant", "content": [{"type": "text", "text": "Welcome."}]},
                {"role": "user", "content": [
                    {"type": "text", "text": "a"},
                    {"type": "text", "text": "b"},
                    {"type": "text", "text": "c"}
                ]}
            ])
        );
        // Instructions alone are a message.
        let body = written(json!({"messages": [{"role": "system", "content": "Sing."}]}));
        assert_eq!(body["messages"][0]["content"][0]["text"], "Sing.");
        assert_eq!(body.get("system"), None);
    }

    #[test]
    fn c20_a_prefill_does_not_end_in_a_blank() {
        let turns = messages(json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "The answer is \n"}
        ]));
        assert_eq!(turns[1]["content"][0]["text"], "The answer is");
    }

    #[test]
    fn c22_instructions_in_the_conversation_keep_their_place() {
        let turns = messages(json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "developer", "content": "Be short."},
            {"role": "user", "content": "c"}
        ]));
        assert_eq!(
            turns[2]["content"],
            json!([
                {"type": "text", "text": "<system>Be short.</system>"},
                {"type": "text", "text": "c"}
            ])
        );
    }

    #[test]
    fn results_come_first_and_ids_fit_the_protocol() {
        let turns = messages(json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call|1:x", "type": "function", "function": {"name": "f", "arguments": ""}},
                {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{\"a\": 1.50"}}
            ]},
            {"role": "user", "content": "wait"},
            {"role": "tool", "tool_call_id": "call|1:x", "content": "1"},
            {"role": "tool", "tool_call_id": "call_2", "content": ""}
        ]));
        assert_eq!(
            turns[1]["content"],
            json!([
                {"type": "tool_use", "id": "call_1_x", "name": "f", "input": {}},
                {"type": "tool_use", "id": "call_2", "name": "g", "input": {"arguments": "{\"a\": 1.50"}}
            ])
        );
        assert_eq!(
            turns[2]["content"],
            json!([
                {"type": "tool_result", "tool_use_id": "call_1_x", "content": [{"type": "text", "text": "1"}]},
                {"type": "tool_result", "tool_use_id": "call_2"},
                {"type": "text", "text": "wait"}
            ])
        );
    }

    #[test]
    fn c16_only_the_providers_own_thoughts_are_replayed() {
        let turns = messages(json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b", "reasoning_details": [
                {"type": "reasoning.text", "text": "own", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
                {"type": "reasoning.encrypted", "data": "cmVk", "format": "anthropic-claude-v1", "index": 1},
                {"type": "reasoning.text", "text": "unsigned", "format": "anthropic-claude-v1", "index": 2},
                {"type": "reasoning.text", "text": "other", "signature": "x", "format": "google-gemini-v1", "index": 3}
            ]},
            {"role": "user", "content": "c"}
        ]));
        assert_eq!(
            turns[1]["content"],
            json!([
                {"type": "thinking", "thinking": "own", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "cmVk"},
                {"type": "text", "text": "b"}
            ])
        );
    }

    #[test]
    fn tool_calls_without_their_thought_switch_thinking_off() {
        let asked = |details: Value| {
            json!({"max_tokens": 9_000, "reasoning": {"effort": "low"}, "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": null, "reasoning_details": details, "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ]},
                {"role": "tool", "tool_call_id": "c", "content": "1"}
            ]})
        };
        assert_eq!(written(asked(json!([]))).get("thinking"), None);
        let kept = json!([{"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1"}]);
        assert_eq!(written(asked(kept))["thinking"]["budget_tokens"], 1_800);
    }

    #[test]
    fn four_cache_marks_are_kept_from_the_back() {
        let part = |text: &str| json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}});
        let parts: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(part).into();
        let body = written(json!({"messages": [{"role": "user", "content": parts}]}));
        let marked = |body: &Value| -> Vec<bool> {
            body["messages"][0]["content"]
                .as_array()
                .unwrap()
                .iter()
                .map(|block| block.get("cache_control").is_some())
                .collect()
        };
        assert_eq!(marked(&body), [false, false, true, true, true, true]);
        let body = written(json!({
            "messages": [{"role": "user", "content": parts}],
            "cache_control": {"type": "ephemeral", "ttl": "1h"}
        }));
        assert_eq!(marked(&body), [false, false, false, true, true, true]);
        assert_eq!(
            body["cache_control"],
            json!({"type": "ephemeral", "ttl": "1h"})
        );
    }

    #[test]
    fn files_go_as_what_they_are() {
        let file = |data: &str, name: &str| {
            messages(json!([{"role": "user", "content": [
                {"type": "file", "file": {"filename": name, "file_data": data}}
            ]}]))[0]["content"][0]
                .clone()
        };
        assert_eq!(
            file("data:text/csv;base64,YSxiCsOpLDI=", "t.csv"),
            json!({"type": "document", "title": "t.csv", "source": {
                "type": "text", "media_type": "text/plain", "data": "a,b\né,2"
            }})
        );
        assert_eq!(
            file("https://example.com/a.pdf", "a.pdf")["source"],
            json!({"type": "url", "url": "https://example.com/a.pdf"})
        );
        assert_eq!(
            file("data:image/jpg;base64,/9j/4AAQ", "a.jpg")["source"],
            json!({"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"})
        );
        let asked = chat(json!({"messages": [{"role": "user", "content": [
            {"type": "file", "file": {"filename": "a.zip", "file_data": "data:application/zip;base64,AAAA"}}
        ]}]}));
        let refusal = try_written(Api::Chat, &asked, &target()).unwrap_err();
        assert!(
            refusal.message.contains("application/zip"),
            "{}",
            refusal.message
        );
    }

    #[test]
    fn media_without_words_are_refused_and_not_dropped() {
        for part in [
            json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
            json!({"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}),
        ] {
            let asked = chat(json!({"messages": [{"role": "user", "content": [part]}]}));
            assert!(try_written(Api::Chat, &asked, &target()).is_err());
        }
        let asked = chat(json!({"modalities": ["text", "image"]}));
        assert!(try_written(Api::Chat, &asked, &target()).is_err());
    }

    #[test]
    fn search_options_offer_the_providers_search() {
        let body = written(json!({"web_search_options": {
            "search_context_size": "low",
            "user_location": {"type": "approximate", "approximate": {"city": "Paris", "country": "FR"}}
        }}));
        assert_eq!(
            body["tools"],
            json!([{"type": "web_search_20250305", "name": "web_search", "user_location":
                {"type": "approximate", "city": "Paris", "country": "FR"}}])
        );
    }

    #[test]
    fn q17_the_user_is_what_stands_for_it() {
        let target = Target {
            user: Some("hash"),
            ..target()
        };
        let body = try_written(Api::Chat, &chat(json!({"user": "ann"})), &target).unwrap();
        assert_eq!(body["metadata"], json!({"user_id": "hash"}));
        assert_eq!(written(json!({"user": "ann"})).get("metadata"), None);
    }

    /// A body of this protocol that is written anew, because it held signatures of others, keeps the rest.
    #[test]
    fn the_protocols_own_words_come_back() {
        let asked = json!({
            "model": "a/b", "max_tokens": 50,
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "system", "content": "Mind."},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "t", "signature": "own"},
                    {"type": "thinking", "thinking": "g", "signature": "turnout:1:google-gemini-v1:thought:0:sig"},
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
                    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                    {"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "q", "document_index": 0, "document_title": null, "start_char_index": 0, "end_char_index": 1}]}
                ]},
                {"role": "user", "content": "c"}
            ],
            "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
            "thinking": {"type": "adaptive"}, "output_config": {"effort": "max"},
            "service_tier": "standard_only", "container": "c1"
        });
        let body = try_written(Api::Messages, &asked, &target()).unwrap();
        assert_eq!(
            body,
            json!({
                "model": "m", "max_tokens": 50,
                "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "a"}]},
                    {"role": "system", "content": [{"type": "text", "text": "Mind."}]},
                    {"role": "assistant", "content": [
                        {"type": "thinking", "thinking": "t", "signature": "own"},
                        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
                        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                        {"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "q", "document_index": 0, "document_title": null, "start_char_index": 0, "end_char_index": 1}]}
                    ]},
                    {"role": "user", "content": [{"type": "text", "text": "c"}]}
                ],
                "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "max"},
                "service_tier": "standard_only", "container": "c1"
            })
        );
    }

    #[test]
    fn base64_is_decoded_or_is_none() {
        assert_eq!(decode("aGk=").as_deref(), Some(b"hi".as_slice()));
        assert_eq!(decode("aGk").as_deref(), Some(b"hi".as_slice()));
        assert_eq!(decode("-_8").as_deref(), Some([0xfb, 0xff].as_slice()));
        assert_eq!(decode("a?"), None);
    }
}
