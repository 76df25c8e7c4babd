//! Writes a request.
//!
//! Everything that the model is to know stands in the request (`store:false`), so thoughts are sent back with their data, and only such:
//! a reasoning item without data names something that the provider has not kept. Sampling parameters that this protocol has no word
//! for are left out (openrouter.md §2.1), unless the endpoint is known to take them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::Api;
use crate::api::responses::is_home;
use crate::api::responses::object::Object;
use crate::dialect::Target;
use crate::exchange::{
    Ask, Block, CacheMark, Effort, Format, Function, Role, Source, Text, Thought, ThoughtKind,
    Tool, ToolCall, ToolChoice, ToolResult, Turn, split_name,
};
use crate::json::{write_number, write_string};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

/// Members of other APIs that have the same name and meaning here, and of this one that a client may have sent to another.
const CARRIED: [&str; 6] = [
    "safety_identifier",
    "prompt_cache_options",
    "prompt_cache_retention",
    "max_tool_calls",
    "truncation",
    "moderation",
];

/// Longest id of a call that OpenAI takes (API reference, 2026-11); others have longer ones.
const CALL_ID_BYTES_MAX: usize = 64;

/// Appends the request for a wish.
pub(crate) fn write(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.extend_from_slice(b"{\"model\":");
    write_string(target.model, out);
    if ask.stream {
        out.extend_from_slice(b",\"stream\":true");
    }
    out.extend_from_slice(b",\"store\":false");
    let marks = ask
        .extra
        .iter()
        .any(|(name, _)| name == "prompt_cache_options");
    let mut input = Input {
        ask,
        target,
        // Breakpoints are an explicit mode of few models; a client that chooses it says so.
        marks,
        messages: 0,
        any: false,
    };
    let instructions = instructions(ask, marks);
    if let Some(instructions) = &instructions {
        out.extend_from_slice(b",\"instructions\":");
        write_string(instructions, out);
    }
    out.extend_from_slice(b",\"input\":[");
    if instructions.is_none() && !ask.system.is_empty() {
        input.message(Role::Developer, &ask.system, None, out)?;
    }
    for turn in &ask.turns {
        input.turn(turn, out)?;
    }
    out.push(b']');
    if let Some(tokens) = ask.max_tokens {
        out.extend_from_slice(b",\"max_output_tokens\":");
        write_number(tokens, out);
    }
    sampling(ask, target, out)?;
    tools(ask, target, out)?;
    reasoning(ask, target, out)?;
    text(ask, target, out)?;
    logprobs_and_include(ask, target, out)?;
    rest(ask, target, out)?;
    out.push(b'}');
    Ok(())
}

/// The system texts as one string. `None`: there are none, or they hold more than text.
fn instructions<'a>(ask: &Ask<'a>, marks: bool) -> Option<Cow<'a, str>> {
    let mut joined: Option<Cow<'a, str>> = None;
    for block in &ask.system {
        let Block::Text(text) = block else {
            return None;
        };
        if marks && text.cache.is_some() {
            return None;
        }
        joined = Some(match joined {
            None => text.text.clone(),
            Some(before) => Cow::Owned(format!("{before}\n\n{}", text.text)),
        });
    }
    joined
}

struct Input<'i, 'a> {
    ask: &'i Ask<'a>,
    target: &'i Target<'i>,
    marks: bool,
    /// Messages of the model so far: each needs an id.
    messages: u64,
    /// An item has been written.
    any: bool,
}

impl Input<'_, '_> {
    fn turn(&mut self, turn: &Turn<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let mut rest = turn.blocks.as_slice();
        let mut name = turn.name.as_deref();
        while let Some(block) = rest.first() {
            let taken = match block {
                Block::ToolCall(call) => {
                    self.call(call, out);
                    1
                }
                Block::ToolResult(result) => {
                    self.result(result, out)?;
                    1
                }
                Block::Thought(thought) => self.thoughts(thought, rest, out),
                Block::Foreign(raw) => {
                    if self.ask.api == Api::Responses {
                        self.item(out);
                        out.extend_from_slice(raw.get().as_bytes());
                    }
                    1
                }
                Block::Image { source, .. } if turn.role == Role::Assistant => {
                    self.made_image(source, out)?;
                    1
                }
                _ => {
                    let many = rest.iter().take_while(|block| is_content(block, turn.role));
                    let many = many.count().max(1);
                    let blocks = rest.get(..many).unwrap_or_default();
                    self.message(turn.role, blocks, name.take(), out)?;
                    many
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Separates the item that follows from the one before.
    fn item(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.any, true) {
            out.push(b',');
        }
    }

    fn message(
        &mut self,
        role: Role,
        blocks: &[Block<'_>],
        name: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.item(out);
        out.extend_from_slice(b"{\"type\":\"message\",\"role\":\"");
        out.extend_from_slice(match role {
            Role::System => b"system".as_slice(),
            Role::Developer => b"developer",
            Role::User => b"user",
            Role::Assistant => b"assistant",
        });
        out.push(b'"');
        if role == Role::Assistant {
            out.extend_from_slice(b",\"id\":\"msg_");
            write_number(self.messages, out);
            out.extend_from_slice(b"\",\"status\":\"completed\"");
            self.messages += 1;
        }
        out.extend_from_slice(b",\"content\":[");
        let mut name = name;
        for (at, block) in blocks.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match (block, role) {
                (Block::Text(text), Role::Assistant) => {
                    out.extend_from_slice(b"{\"type\":\"output_text\",\"text\":");
                    self.prefixed(text, &mut name, out);
                    out.extend_from_slice(b",\"annotations\":[]}");
                }
                (Block::Text(text), _) => {
                    out.extend_from_slice(b"{\"type\":\"input_text\",\"text\":");
                    self.prefixed(text, &mut name, out);
                    self.mark(text.cache.as_ref(), out);
                    out.push(b'}');
                }
                (Block::Refusal(text), Role::Assistant) => {
                    out.extend_from_slice(b"{\"type\":\"refusal\",\"refusal\":");
                    write_string(text, out);
                    out.push(b'}');
                }
                (block, _) => self.medium(block, out)?,
            }
        }
        out.extend_from_slice(b"]}");
        Ok(())
    }

    /// The text, behind the name of who speaks (checklist C21).
    fn prefixed(&self, text: &Text<'_>, name: &mut Option<&str>, out: &mut Vec<u8>) {
        match name.take() {
            Some(name) => write_string(&format!("{name}: {}", text.text), out),
            None => write_string(&text.text, out),
        }
    }

    fn mark(&self, mark: Option<&CacheMark<'_>>, out: &mut Vec<u8>) {
        if self.marks && mark.is_some() {
            out.extend_from_slice(b",\"prompt_cache_breakpoint\":{\"mode\":\"explicit\"}");
        }
    }

    /// A part of a message that is no text, or of a result of a tool.
    fn medium(&self, block: &Block<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match block {
            Block::Text(text) => {
                out.extend_from_slice(b"{\"type\":\"input_text\",\"text\":");
                write_string(&text.text, out);
                self.mark(text.cache.as_ref(), out);
            }
            Block::Refusal(text) => {
                out.extend_from_slice(b"{\"type\":\"input_text\",\"text\":");
                write_string(text, out);
            }
            Block::Image {
                source,
                detail,
                cache,
            } => {
                out.extend_from_slice(b"{\"type\":\"input_image\"");
                write_source(source, "image_url", "image_url", out);
                if let Some(detail) = detail {
                    out.extend_from_slice(b",\"detail\":");
                    write_string(detail, out);
                }
                self.mark(cache.as_ref(), out);
            }
            Block::File {
                source,
                name,
                cache,
            } => {
                out.extend_from_slice(b"{\"type\":\"input_file\"");
                // Bytes need a name, and its ending tells their type.
                let unnamed = match source {
                    Source::Data { media_type, .. } => Some(file_name(media_type)),
                    _ => None,
                };
                if let Some(name) = name.as_deref().or(unnamed) {
                    out.extend_from_slice(b",\"filename\":");
                    write_string(name, out);
                }
                write_source(source, "file_url", "file_data", out);
                self.mark(cache.as_ref(), out);
            }
            Block::Audio { data, format, .. } => {
                out.extend_from_slice(b"{\"type\":\"input_audio\",\"input_audio\":{\"data\":");
                write_string(data, out);
                out.extend_from_slice(b",\"format\":");
                write_string(format, out);
                out.push(b'}');
            }
            Block::Video { .. } => return Err(self.target.inexpressible("video")),
            Block::Thought(_) | Block::ToolCall(_) | Block::ToolResult(_) | Block::Foreign(_) => {
                return Err(self
                    .target
                    .inexpressible("a thought or a tool call inside the result of a tool"));
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn call(&mut self, call: &ToolCall<'_>, out: &mut Vec<u8>) {
        self.item(out);
        out.extend_from_slice(match call.custom {
            true => b"{\"type\":\"custom_tool_call\",\"call_id\":".as_slice(),
            false => b"{\"type\":\"function_call\",\"call_id\":",
        });
        write_string(&call_id(&call.id), out);
        let (namespace, name) = match &call.namespace {
            Some(namespace) => (Some(namespace.as_ref()), call.name.as_ref()),
            None => self.split(&call.name),
        };
        out.extend_from_slice(b",\"name\":");
        write_string(name, out);
        if let Some(namespace) = namespace {
            out.extend_from_slice(b",\"namespace\":");
            write_string(namespace, out);
        }
        match call.custom {
            true => {
                out.extend_from_slice(b",\"input\":");
                write_string(&call.arguments, out);
            }
            false => {
                out.extend_from_slice(b",\"arguments\":");
                let empty = call.arguments.trim_ascii().is_empty();
                write_string(if empty { "{}" } else { &call.arguments }, out);
            }
        }
        out.push(b'}');
    }

    /// Takes a name apart, where its first part is a namespace on offer.
    fn split<'n>(&self, name: &'n str) -> (Option<&'n str>, &'n str) {
        let (namespace, rest) = split_name(name);
        let offered = self.ask.tools.iter().any(|tool| match tool {
            Tool::Function(function) => function.namespace.as_deref() == namespace,
            _ => false,
        });
        match namespace.is_some() && offered {
            true => (namespace, rest),
            false => (None, name),
        }
    }

    fn result(&mut self, result: &ToolResult<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.item(out);
        out.extend_from_slice(match result.custom {
            true => b"{\"type\":\"custom_tool_call_output\",\"call_id\":".as_slice(),
            false => b"{\"type\":\"function_call_output\",\"call_id\":",
        });
        write_string(&call_id(&result.call_id), out);
        out.extend_from_slice(b",\"output\":");
        match result.blocks.as_slice() {
            [] => out.extend_from_slice(b"\"\""),
            [Block::Text(text)] if !(self.marks && text.cache.is_some()) => {
                write_string(&text.text, out);
            }
            blocks => {
                out.push(b'[');
                for (at, block) in blocks.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    self.medium(block, out)?;
                }
                out.push(b']');
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Writes the item that the first of `blocks` and its neighbours of the same id make up; how many there are.
    fn thoughts(&mut self, first: &Thought<'_>, blocks: &[Block<'_>], out: &mut Vec<u8>) -> usize {
        let together = |block: &&Block<'_>| match block {
            Block::Thought(thought) => thought.id == first.id && thought.format == first.format,
            _ => false,
        };
        let many = match first.id {
            Some(_) => blocks.iter().take_while(together).count().max(1),
            None => 1,
        };
        let thoughts = || {
            let together = blocks.get(..many).unwrap_or_default().iter();
            together.filter_map(|block| match block {
                Block::Thought(thought) => Some(thought),
                _ => None,
            })
        };
        let of = |kind| thoughts().filter(move |thought| thought.kind == kind);
        let data = of(ThoughtKind::Encrypted).next();
        let texts = of(ThoughtKind::Text).count();
        // Whose data it is not, cannot read it; and a mere summary names what is not there any more.
        if !is_home(&first.format) || (data.is_none() && texts == 0) {
            return many;
        }
        self.item(out);
        out.extend_from_slice(b"{\"type\":\"reasoning\"");
        if let Some(id) = &first.id {
            out.extend_from_slice(b",\"id\":");
            write_string(id, out);
        }
        out.extend_from_slice(b",\"summary\":");
        write_thoughts(of(ThoughtKind::Summary), "summary_text", out);
        if texts > 0 {
            out.extend_from_slice(b",\"content\":");
            write_thoughts(of(ThoughtKind::Text), "reasoning_text", out);
        }
        if let Some(data) = data {
            out.extend_from_slice(b",\"encrypted_content\":");
            write_string(&data.text, out);
        }
        out.push(b'}');
        many
    }

    /// A picture that the model made in an earlier turn.
    fn made_image(&mut self, source: &Source<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Source::Data { base64, .. } = source else {
            return Err(self
                .target
                .inexpressible("the address of an image in a message of the assistant"));
        };
        self.item(out);
        out.extend_from_slice(b"{\"type\":\"image_generation_call\",\"id\":\"ig_");
        write_number(self.messages, out);
        self.messages += 1;
        out.extend_from_slice(b"\",\"status\":\"completed\",\"result\":");
        write_string(base64, out);
        out.push(b'}');
        Ok(())
    }
}

/// Whether a block is a part of a message, and not an item of its own.
fn is_content(block: &Block<'_>, role: Role) -> bool {
    match block {
        Block::Text(_) | Block::Refusal(_) => true,
        Block::Image { .. } => role != Role::Assistant,
        Block::File { .. } | Block::Audio { .. } | Block::Video { .. } => true,
        Block::Thought(_) | Block::ToolCall(_) | Block::ToolResult(_) | Block::Foreign(_) => false,
    }
}

fn write_thoughts<'t, 'a: 't>(
    thoughts: impl Iterator<Item = &'t Thought<'a>>,
    kind: &str,
    out: &mut Vec<u8>,
) {
    out.push(b'[');
    for (at, thought) in thoughts.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"text\":");
        write_string(&thought.text, out);
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends where a medium is, with a comma before it. `url` and `data`: names of the members for an address and for bytes.
fn write_source(source: &Source<'_>, url: &str, data: &str, out: &mut Vec<u8>) {
    let mut member = |name: &str| {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    };
    match source {
        Source::Url(address) => {
            member(url);
            write_string(address, out);
        }
        Source::Data { media_type, base64 } => {
            member(data);
            out.extend_from_slice(b"\"data:");
            crate::json::write_string_inside(media_type, out);
            out.extend_from_slice(b";base64,");
            crate::json::write_string_inside(base64, out);
            out.push(b'"');
        }
        Source::Id(id) => {
            member("file_id");
            write_string(id, out);
        }
    }
}

fn file_name(media_type: &str) -> &'static str {
    match media_type {
        "text/plain" => "document.txt",
        "text/markdown" => "document.md",
        "text/csv" => "document.csv",
        "text/html" => "document.html",
        "application/json" => "document.json",
        _ => "document.pdf",
    }
}

/// An id of a call that is short enough: its beginning and a hash of all of it, the same for the call and its result.
fn call_id<'a>(id: &'a str) -> Cow<'a, str> {
    if id.len() <= CALL_ID_BYTES_MAX {
        return Cow::Borrowed(id);
    }
    // FNV-1a: the ids are not secret, and a conversation has few of them.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let head: String = id
        .chars()
        .filter(char::is_ascii)
        .take(CALL_ID_BYTES_MAX - 17)
        .collect();
    Cow::Owned(format!("{head}_{hash:016x}"))
}

fn sampling(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    for (parameter, value) in [
        (Parameter::Temperature, ask.temperature),
        (Parameter::TopP, ask.top_p),
    ] {
        if let Some(value) = value
            && target.takes(parameter)?
        {
            write_raw(parameter.name(), value, out);
        }
    }
    // The first maker has no word for these; others who speak this protocol say so in their list of parameters.
    for (parameter, value) in [
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
        if let Some(value) = value {
            match listed(target, parameter) {
                true => write_raw(parameter.name(), value, out),
                false => target.cannot(parameter.name())?,
            }
        }
    }
    if !ask.stop.is_empty() {
        match listed(target, Parameter::Stop) {
            true => {
                out.extend_from_slice(b",\"stop\":[");
                for (at, stop) in ask.stop.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write_string(stop, out);
                }
                out.push(b']');
            }
            false => target.cannot("stop")?,
        }
    }
    Ok(())
}

/// Whether an endpoint is known to take a parameter.
fn listed(target: &Target<'_>, parameter: Parameter) -> bool {
    target
        .parameters
        .is_some_and(|parameters| parameters.has(parameter))
}

fn tools(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut list = Vec::new();
    let mut searches = false;
    let mut rest = ask.tools.as_slice();
    while let Some(tool) = rest.first() {
        let mut taken = 1;
        match tool {
            Tool::Function(Function {
                namespace: Some(namespace),
                ..
            }) => {
                let inside = |tool: &&Tool<'_>| match tool {
                    Tool::Function(function) => function.namespace.as_ref() == Some(namespace),
                    _ => false,
                };
                taken = rest.iter().take_while(inside).count().max(1);
                write_namespace(
                    namespace,
                    rest.get(..taken).unwrap_or_default(),
                    ask,
                    &mut list,
                );
            }
            Tool::Function(function) => {
                separate(&mut list);
                write_function(function, ask, &mut list);
            }
            Tool::Custom {
                name,
                description,
                format,
            } => {
                separate(&mut list);
                list.extend_from_slice(b"{\"type\":\"custom\",\"name\":");
                write_string(name, &mut list);
                write_text("description", description.as_deref(), &mut list);
                if let Some(format) = format {
                    list.extend_from_slice(b",\"format\":");
                    write_grammar(format, &mut list);
                }
                list.push(b'}');
            }
            Tool::Server { raw, .. } if ask.api == Api::Responses => {
                separate(&mut list);
                list.extend_from_slice(raw.get().as_bytes());
            }
            Tool::Server { kind, .. } if is_search(kind) => searches = true,
            Tool::Server { kind, .. } => return Err(target.inexpressible(kind)),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    // A search is a wish of its own: an endpoint may search and take no tools of the client's.
    let takes_tools = ask.tools.is_empty() || target.takes(Parameter::Tools)?;
    if !takes_tools {
        list.clear();
    }
    match ask.web_search {
        Some(options) if target.takes(Parameter::WebSearchOptions)? => {
            separate(&mut list);
            write_search(options, &mut list);
        }
        _ if searches => {
            separate(&mut list);
            list.extend_from_slice(b"{\"type\":\"web_search\"}");
        }
        _ => {}
    }
    if list.is_empty() {
        return Ok(());
    }
    out.extend_from_slice(b",\"tools\":[");
    out.extend_from_slice(&list);
    out.push(b']');
    if !takes_tools {
        return Ok(());
    }
    if let Some(choice) = &ask.tool_choice
        && target.takes(Parameter::ToolChoice)?
    {
        out.extend_from_slice(b",\"tool_choice\":");
        write_choice(choice, ask, out);
    }
    if let Some(parallel) = ask.parallel_tool_calls
        && target.takes(Parameter::ParallelToolCalls)?
    {
        write_flag("parallel_tool_calls", parallel, out);
    }
    Ok(())
}

/// Words of other protocols for a search by the provider.
fn is_search(kind: &str) -> bool {
    kind.contains("web_search") || kind == "google_search" || kind == "googleSearch"
}

fn write_namespace(namespace: &str, tools: &[Tool<'_>], ask: &Ask<'_>, out: &mut Vec<u8>) {
    separate(out);
    out.extend_from_slice(b"{\"type\":\"namespace\",\"name\":");
    write_string(namespace, out);
    out.extend_from_slice(b",\"description\":");
    write_string(namespace, out);
    out.extend_from_slice(b",\"tools\":[");
    for (at, tool) in tools.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if let Tool::Function(function) = tool {
            write_function(function, ask, out);
        }
    }
    out.extend_from_slice(b"]}");
}

fn write_function(function: &Function<'_>, ask: &Ask<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"function\",\"name\":");
    write_string(&function.name, out);
    write_text("description", function.description.as_deref(), out);
    out.extend_from_slice(b",\"parameters\":");
    match &function.parameters {
        Some(parameters) => out.extend_from_slice(parameters.get().as_bytes()),
        None => out.extend_from_slice(b"{\"type\":\"object\",\"properties\":{}}"),
    }
    // What is not said means no here for every API but this one, where it means as far as the schema allows.
    match function.strict {
        Some(strict) => write_flag("strict", strict, out),
        None if ask.api != Api::Responses => write_flag("strict", false, out),
        None => {}
    }
    out.push(b'}');
}

/// A grammar: the chat API nests what is flat here.
fn write_grammar(format: &RawValue, out: &mut Vec<u8>) {
    let nested = Object::of(format.get()).and_then(|object| object.object("grammar"));
    let Some(grammar) = nested else {
        return out.extend_from_slice(format.get().as_bytes());
    };
    out.extend_from_slice(b"{\"type\":\"grammar\"");
    for (name, raw) in grammar.members() {
        out.push(b',');
        write_string(name, out);
        out.push(b':');
        out.extend_from_slice(raw.as_bytes());
    }
    out.push(b'}');
}

/// The wish for a search: the chat API nests the place of the user once more.
fn write_search(options: &RawValue, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"web_search\"");
    if let Some(options) = Object::of(options.get()) {
        write_text(
            "search_context_size",
            options.text("search_context_size").as_deref(),
            out,
        );
        let place = options.object("user_location");
        if let Some(place) = place.and_then(|place| place.object("approximate")) {
            out.extend_from_slice(b",\"user_location\":{\"type\":\"approximate\"");
            for (name, raw) in place.members() {
                out.push(b',');
                write_string(name, out);
                out.push(b':');
                out.extend_from_slice(raw.as_bytes());
            }
            out.push(b'}');
        }
    }
    out.push(b'}');
}

fn write_choice(choice: &ToolChoice<'_>, ask: &Ask<'_>, out: &mut Vec<u8>) {
    match choice {
        ToolChoice::Auto => out.extend_from_slice(b"\"auto\""),
        ToolChoice::None => out.extend_from_slice(b"\"none\""),
        ToolChoice::Required => out.extend_from_slice(b"\"required\""),
        ToolChoice::Named(wanted) => {
            let custom = ask.tools.iter().any(|tool| match tool {
                Tool::Custom { name, .. } => name == wanted,
                _ => false,
            });
            let namespaced = ask.tools.iter().any(|tool| match tool {
                Tool::Function(function) => {
                    function.namespace.is_some()
                        && function.namespace.as_deref() == split_name(wanted).0
                }
                _ => false,
            });
            let name = match namespaced {
                true => split_name(wanted).1,
                false => wanted,
            };
            out.extend_from_slice(match custom {
                true => b"{\"type\":\"custom\",\"name\":".as_slice(),
                false => b"{\"type\":\"function\",\"name\":",
            });
            write_string(name, out);
            out.push(b'}');
        }
    }
}

fn reasoning(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Some(wish) = &ask.reasoning else {
        return Ok(());
    };
    let effort = match wish.wanted() {
        Some(false) => Some(Effort::None),
        _ => wish.effort_or_budget(ask.max_tokens),
    };
    // Summaries are only given to those who ask, and cost an account its verification; so they are asked for when the client wants
    // to see thought, and not when it only says how much there shall be.
    let to_see = wish.enabled == Some(true) || wish.adaptive || wish.max_tokens.is_some();
    let summary = match (&wish.summary, wish.exclude) {
        (_, true) => None,
        (Some(summary), false) => Some(summary.as_ref()),
        (None, false) => (to_see && effort != Some(Effort::None)).then_some("auto"),
    };
    if (effort.is_none() && summary.is_none()) || !target.takes(Parameter::Reasoning)? {
        return Ok(());
    }
    out.extend_from_slice(b",\"reasoning\":{");
    if let Some(effort) = effort {
        out.extend_from_slice(b"\"effort\":");
        write_string(effort.name(), out);
    }
    if let Some(summary) = summary {
        if effort.is_some() {
            out.push(b',');
        }
        out.extend_from_slice(b"\"summary\":");
        write_string(summary, out);
    }
    out.push(b'}');
    Ok(())
}

fn text(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let verbosity = match &ask.verbosity {
        Some(verbosity) if target.takes(Parameter::Verbosity)? => Some(verbosity),
        _ => None,
    };
    let mut config = Vec::new();
    match &ask.format {
        None => {}
        Some(Format::Text) => config.extend_from_slice(b"\"format\":{\"type\":\"text\"}"),
        Some(Format::JsonObject) if target.takes(Parameter::ResponseFormat)? => {
            config.extend_from_slice(b"\"format\":{\"type\":\"json_object\"}");
        }
        Some(Format::JsonObject) => {}
        Some(Format::JsonSchema {
            name,
            schema,
            strict,
            description,
        }) => {
            config.extend_from_slice(b"\"format\":{\"type\":\"json_schema\",\"name\":");
            write_string(name, &mut config);
            write_text("description", description.as_deref(), &mut config);
            config.extend_from_slice(b",\"schema\":");
            config.extend_from_slice(schema.get().as_bytes());
            if let Some(strict) = strict {
                write_flag("strict", *strict, &mut config);
            }
            config.push(b'}');
        }
        Some(Format::Other(raw)) => {
            let kind = Object::of(raw.get()).and_then(|format| format.text("type"));
            let kind = kind.unwrap_or_default();
            return Err(target.inexpressible(&format!("response_format of type {kind}")));
        }
    }
    if let Some(verbosity) = verbosity {
        separate(&mut config);
        config.extend_from_slice(b"\"verbosity\":");
        write_string(verbosity, &mut config);
    }
    if !config.is_empty() {
        out.extend_from_slice(b",\"text\":{");
        out.extend_from_slice(&config);
        out.push(b'}');
    }
    Ok(())
}

fn logprobs_and_include(
    ask: &Ask<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let logprobs = ask.logprobs == Some(true) && target.takes(Parameter::Logprobs)?;
    if logprobs && let Some(many) = ask.top_logprobs {
        out.extend_from_slice(b",\"top_logprobs\":");
        write_number(many, out);
    }
    // Models that do not think refuse to be asked for it, so it has to be known or said that this one does.
    let thinks = match target.parameters {
        Some(_) => listed(target, Parameter::Reasoning),
        None => ask
            .reasoning
            .as_ref()
            .is_some_and(|wish| wish.wanted() != Some(false)),
    };
    let mut include = Vec::new();
    if thinks {
        include.extend_from_slice(b"\"reasoning.encrypted_content\"");
    }
    if logprobs {
        separate(&mut include);
        include.extend_from_slice(b"\"message.output_text.logprobs\"");
    }
    if !include.is_empty() {
        out.extend_from_slice(b",\"include\":[");
        out.extend_from_slice(&include);
        out.push(b']');
    }
    Ok(())
}

fn rest(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if let Some(metadata) = ask.metadata {
        write_raw("metadata", metadata, out);
    }
    write_text("service_tier", ask.service_tier.as_deref(), out);
    write_text("prompt_cache_key", ask.prompt_cache_key.as_deref(), out);
    write_text("user", target.user, out);
    // Other output than text is asked for in words that this protocol does not have.
    if let Some(other) = ask.modalities.iter().find(|modality| *modality != "text") {
        return Err(target.inexpressible(&format!("modalities: {other}")));
    }
    if ask.audio.is_some() {
        return Err(target.inexpressible("audio"));
    }
    if ask.image_config.is_some() {
        target.cannot("image_config")?;
    }
    for (name, raw) in &ask.extra {
        match ask.api == Api::Responses || CARRIED.contains(&name.as_ref()) {
            true => write_raw(name, raw, out),
            false => target.cannot(name)?,
        }
    }
    Ok(())
}

fn separate(list: &mut Vec<u8>) {
    if !list.is_empty() {
        list.push(b',');
    }
}

fn write_raw(name: &str, value: &RawValue, out: &mut Vec<u8>) {
    out.push(b',');
    write_string(name, out);
    out.push(b':');
    out.extend_from_slice(value.get().as_bytes());
}

fn write_text(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        write_string(value, out);
    }
}

fn write_flag(name: &str, value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(match value {
        true => b"\":true".as_slice(),
        false => b"\":false",
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;
    use crate::dialect::Dialect;
    use crate::parameter::Parameters;
    use serde_json::Value;

    fn try_written(api: Api, body: &str, target: &Target<'_>) -> Result<Value, Refusal> {
        let ask = api::read(api, body, false)?;
        let mut out = Vec::new();
        write(&ask, target, &mut out)?;
        Ok(serde_json::from_slice(&out).unwrap())
    }

    fn written(api: Api, body: &str) -> Value {
        try_written(api, body, &Target::new(Dialect::Responses, "m")).unwrap()
    }

    #[test]
    fn long_ids_of_calls_are_cut_alike_in_call_and_result() {
        let id = "x".repeat(100);
        let body = format!(
            r#"{{"messages":[{{"role":"assistant","tool_calls":[{{"id":"{id}","type":"function","function":{{"name":"f","arguments":""}}}}]}},{{"role":"tool","tool_call_id":"{id}","content":"r"}}]}}"#
        );
        let written = written(Api::Chat, &body);
        let input = &written["input"];
        assert_eq!(input[0]["call_id"], input[1]["call_id"]);
        assert_eq!(
            input[0]["call_id"].as_str().unwrap().len(),
            CALL_ID_BYTES_MAX
        );
        assert_eq!(input[0]["arguments"], "{}");
        assert_eq!(call_id("short"), "short");
    }

    #[test]
    fn q01_what_was_not_said_is_not_written() {
        let written = written(Api::Chat, r#"{"messages":[{"role":"user","content":"x"}]}"#);
        let names: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["model", "store", "input"]);
    }

    #[test]
    fn q03_what_has_no_word_is_left_out_or_refused_as_the_client_wants() {
        let body =
            r#"{"messages":[{"role":"user","content":"x"}],"top_k":5,"stop":"END","seed":1}"#;
        let plain = Target::new(Dialect::Responses, "m");
        let written = try_written(Api::Chat, body, &plain).unwrap();
        assert!(
            ["top_k", "stop", "seed"]
                .iter()
                .all(|name| written[name].is_null())
        );
        let strict = Target {
            require_parameters: true,
            ..plain
        };
        let refusal = try_written(Api::Chat, body, &strict).unwrap_err();
        assert!(refusal.message.contains("top_k"), "{}", refusal.message);
        let listed: Parameters = ["top_k", "stop", "seed"].into_iter().collect();
        let knows = Target {
            parameters: Some(listed),
            ..strict
        };
        let written = try_written(Api::Chat, body, &knows).unwrap();
        assert_eq!(written["top_k"], 5);
        assert_eq!(written["stop"][0], "END");
    }

    #[test]
    fn thoughts_are_replayed_to_whom_they_belong_and_only_with_their_data() {
        let body = |detail: &str| {
            format!(
                r#"{{"messages":[{{"role":"assistant","content":"a","reasoning_details":[{detail}]}}]}}"#
            )
        };
        let ours = r#"{"type":"reasoning.summary","summary":"s","id":"rs_1","format":"openai-responses-v1"},{"type":"reasoning.encrypted","data":"gAAA","id":"rs_1","format":"openai-responses-v1"}"#;
        let item = &written(Api::Chat, &body(ours))["input"][0];
        assert_eq!(item["type"], "reasoning");
        assert_eq!(item["id"], "rs_1");
        assert_eq!(item["summary"][0]["text"], "s");
        assert_eq!(item["encrypted_content"], "gAAA");
        for foreign in [
            r#"{"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1"}"#,
            r#"{"type":"reasoning.summary","summary":"s","id":"rs_1","format":"openai-responses-v1"}"#,
        ] {
            let written = written(Api::Chat, &body(foreign));
            assert_eq!(written["input"][0]["type"], "message", "{foreign}");
        }
    }

    #[test]
    fn q06_thought_is_asked_for_in_this_protocols_words() {
        let asked = |reasoning: &str| {
            let body = format!(
                r#"{{"messages":[{{"role":"user","content":"x"}}],"max_tokens":10000,"reasoning":{reasoning}}}"#
            );
            written(Api::Chat, &body)["reasoning"].to_string()
        };
        assert_eq!(asked(r#"{"effort":"high"}"#), r#"{"effort":"high"}"#);
        assert_eq!(
            asked(r#"{"enabled":true}"#),
            r#"{"effort":"medium","summary":"auto"}"#
        );
        assert_eq!(
            asked(r#"{"max_tokens":8000}"#),
            r#"{"effort":"high","summary":"auto"}"#
        );
        assert_eq!(
            asked(r#"{"effort":"low","exclude":true}"#),
            r#"{"effort":"low"}"#
        );
        assert_eq!(asked(r#"{"enabled":false}"#), r#"{"effort":"none"}"#);
    }

    #[test]
    fn tools_take_this_protocols_form() {
        let body = r#"{"messages":[{"role":"user","content":"x"}],"tools":[
            {"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"d"}}}},
            {"type":"function","function":{"name":"f"}}],
            "tool_choice":{"type":"custom","custom":{"name":"c"}},
            "web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"country":"IT"}}}}"#;
        let written = written(Api::Chat, body);
        assert_eq!(
            written["tools"].to_string(),
            r#"[{"type":"custom","name":"c","format":{"type":"grammar","syntax":"lark","definition":"d"}},{"type":"function","name":"f","parameters":{"type":"object","properties":{}},"strict":false},{"type":"web_search","search_context_size":"low","user_location":{"type":"approximate","country":"IT"}}]"#
        );
        assert_eq!(
            written["tool_choice"].to_string(),
            r#"{"type":"custom","name":"c"}"#
        );
    }
}
