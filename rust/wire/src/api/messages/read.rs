//! Reading a request of the messages API into the middle shape.
//!
//! Members that steer only Anthropic's own machinery (context editing, betas, containers, caching of tools …) are kept as `extra` and
//! otherwise ignored, because clients send them to every gateway alike; nothing unknown is refused. What is refused is a known member
//! of a wrong type.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::carried::{self, Carries};
use crate::exchange::{
    Ask, Block, CacheMark, Citation, Effort, Format, Function, Reasoning, Role, Source, Text,
    Thought, ThoughtKind, Tool, ToolCall, ToolChoice, ToolResult, Turn, format,
};
use crate::json::{Kind, Malformed, Walker};
use crate::member::lenient;
use crate::member::{Later, Reading};
use crate::refusal::Refusal;
use crate::request::ROUTING_FIELDS;

/// Begins the text block in which a coding agent tells Anthropic about billing. It means nothing to any model.
const BILLING_HEADER: &str = "x-anthropic-billing-header:";

/// Name of a schema that has none in this API and needs one in others.
const FORMAT_NAME: &str = "output";

/// Reads a request's body.
pub(crate) fn read(text: &str) -> Result<Ask<'_>, Refusal> {
    let mut ask = Ask::default();
    let mut thinking = Thinking::default();
    let mut effort = None;
    let mut speed = None;
    Reading::new(&mut Walker::new(text)).members(|reading, name| {
        match name {
            "messages" => ask.turns = turns(reading)?,
            "system" => ask.system = system(reading)?,
            "max_tokens" => ask.max_tokens = reading.whole()?,
            "temperature" => ask.temperature = reading.number()?,
            "top_p" => ask.top_p = reading.number()?,
            "top_k" => ask.top_k = reading.number()?,
            "stop_sequences" => reading.elements(|reading| {
                ask.stop.extend(reading.string()?);
                Ok(())
            })?,
            "tools" => tools(reading, &mut ask)?,
            "tool_choice" => tool_choice(reading, &mut ask)?,
            "thinking" => thinking = read_thinking(reading)?,
            "output_config" => reading.members(|reading, name| {
                match name {
                    "effort" => effort = reading.string()?,
                    "format" => ask.format = output_format(reading)?.or(ask.format.take()),
                    _ => reading.skip()?,
                }
                Ok(())
            })?,
            // The name that the format had before it moved into `output_config`.
            "output_format" => ask.format = output_format(reading)?.or(ask.format.take()),
            "cache_control" => ask.cache = cache(reading)?,
            "service_tier" => {
                ask.service_tier = reading.string()?.map(|tier| match tier.as_ref() {
                    "standard_only" => Cow::Borrowed("default"),
                    _ => tier,
                });
            }
            "speed" => speed = reading.string()?,
            // The first three are for routing; whom a request is for reaches a provider only as what stands for it.
            "model" | "stream" | "fallbacks" | "user" | "metadata" => reading.skip()?,
            name if ROUTING_FIELDS.contains(&name) => reading.skip()?,
            _ => {
                let name = name.to_owned();
                if let Some(value) = reading.raw()? {
                    ask.extra.push((Cow::Owned(name), value));
                }
            }
        }
        Ok(())
    })?;
    if speed.as_deref() == Some("fast") {
        ask.service_tier = Some(Cow::Borrowed("priority"));
    }
    put_thinking(&mut ask, thinking, effort);
    Ok(ask)
}

/// The `thinking` object.
#[derive(Default)]
struct Thinking<'a> {
    kind: Option<Cow<'a, str>>,
    budget_tokens: Option<u64>,
    display: Option<Cow<'a, str>>,
}

fn read_thinking<'a>(reading: &mut Reading<'_, 'a>) -> Result<Thinking<'a>, Refusal> {
    let mut thinking = Thinking::default();
    reading.members(|reading, name| {
        match name {
            "type" => thinking.kind = reading.string()?,
            "budget_tokens" => thinking.budget_tokens = reading.whole()?,
            "display" => thinking.display = reading.string()?,
            _ => reading.skip()?,
        }
        Ok(())
    })?;
    Ok(thinking)
}

/// Effort is about the whole answer here. Where the model decides how much it thinks, effort is what steers that; where a budget
/// does or thinking is off, it is left with the length of the answer.
fn put_thinking<'a>(ask: &mut Ask<'a>, thinking: Thinking<'a>, effort: Option<Cow<'a, str>>) {
    let exclude = thinking.display.as_deref() == Some("omitted");
    match thinking.kind.as_deref() {
        Some("enabled") => {
            ask.reasoning = Some(Reasoning {
                enabled: Some(true),
                max_tokens: thinking.budget_tokens,
                exclude,
                ..Reasoning::default()
            });
            ask.verbosity = effort;
        }
        Some("disabled") => {
            ask.reasoning = Some(Reasoning {
                enabled: Some(false),
                ..Reasoning::default()
            });
            ask.verbosity = effort;
        }
        // `adaptive`, `between_tools`, and what may come: the model decides.
        Some(_) => {
            ask.reasoning = Some(Reasoning {
                enabled: Some(true),
                adaptive: true,
                exclude,
                effort: effort.as_deref().and_then(Effort::of),
                ..Reasoning::default()
            });
        }
        None => ask.verbosity = effort,
    }
}

fn output_format<'a>(reading: &mut Reading<'_, 'a>) -> Result<Option<Format<'a>>, Refusal> {
    let mut schema = None;
    reading.members(|reading, name| {
        match name {
            "schema" => schema = reading.raw_object()?,
            _ => reading.skip()?,
        }
        Ok(())
    })?;
    Ok(schema.map(|schema| Format::JsonSchema {
        name: Cow::Borrowed(FORMAT_NAME),
        schema: Cow::Borrowed(schema),
        // Not "strict", although Anthropic keeps to the schema: elsewhere that word forbids schemas that are fine here.
        strict: None,
        description: None,
    }))
}

fn cache<'a>(reading: &mut Reading<'_, 'a>) -> Result<Option<CacheMark<'a>>, Refusal> {
    let mut seen = false;
    let mut mark = CacheMark::default();
    reading.members(|reading, name| {
        seen = true;
        match name {
            "ttl" => mark.ttl = reading.string()?,
            _ => reading.skip()?,
        }
        Ok(())
    })?;
    Ok(seen.then_some(mark))
}

fn system<'a>(reading: &mut Reading<'_, 'a>) -> Result<Vec<Block<'a>>, Refusal> {
    let mut blocks = Vec::new();
    let mut signatures = Vec::new();
    content(reading, &[], &mut blocks, &mut signatures)?;
    blocks.retain(
        |block| !matches!(block, Block::Text(text) if text.text.starts_with(BILLING_HEADER)),
    );
    Ok(blocks)
}

fn turns<'a>(reading: &mut Reading<'_, 'a>) -> Result<Vec<Turn<'a>>, Refusal> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    reading.elements(|reading| {
        let mut role = None;
        let mut later = None;
        reading.members(|reading, name| {
            match name {
                "role" => {
                    role = match reading.string()?.as_deref() {
                        Some("user") => Some(Role::User),
                        Some("assistant") => Some(Role::Assistant),
                        Some("system") => Some(Role::System),
                        Some(other) => {
                            return Err(reading.refuse(&format!(
                                "must be `user`, `assistant` or `system`; seen: {}",
                                crate::upstream_error::excerpt(other.as_bytes(), 40)
                            )));
                        }
                        None => None,
                    };
                }
                "content" => later = Some(reading.later()?),
                _ => reading.skip()?,
            }
            Ok(())
        })?;
        let Some(role) = role else {
            return Err(reading.refuse("must have a `role`: `user`, `assistant` or `system`"));
        };
        let mut blocks = Vec::new();
        let mut signatures = Vec::new();
        if let Some(later) = later {
            reading.again(later, "content", |reading| {
                content(reading, &turns, &mut blocks, &mut signatures)
            })?;
        }
        give_back(&mut blocks, &signatures);
        turns.push(Turn {
            role,
            blocks,
            name: None,
        });
        Ok(())
    })?;
    Ok(turns)
}

/// A signature that came back in a block of its own, and the tool call that it belongs to.
type CallSignature<'a> = (Cow<'a, str>, Cow<'a, str>);

fn give_back<'a>(blocks: &mut [Block<'a>], signatures: &[CallSignature<'a>]) {
    for (id, signature) in signatures {
        for block in blocks.iter_mut() {
            if let Block::ToolCall(call) = block
                && call.id == *id
            {
                call.signature = Some(signature.clone());
            }
        }
    }
}

/// Reads content: a string, or an array of blocks.
fn content<'a>(
    reading: &mut Reading<'_, 'a>,
    before: &[Turn<'a>],
    into: &mut Vec<Block<'a>>,
    signatures: &mut Vec<CallSignature<'a>>,
) -> Result<(), Refusal> {
    match reading.peek() {
        Some(Kind::Plain) => {
            into.extend(reading.string()?.map(|text| {
                Block::Text(Text {
                    text,
                    ..Text::default()
                })
            }));
            Ok(())
        }
        Some(Kind::Array | Kind::Null) => {
            reading.elements(|reading| block(reading, before, into, signatures))
        }
        seen => {
            reading.skip()?;
            Err(reading.wrong("a string or an array of blocks", seen.unwrap_or(Kind::Null)))
        }
    }
}

/// All that any known block has; which of it matters is known when its type is.
#[derive(Default)]
struct Parts<'a> {
    kind: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    input: Option<Later<'a>>,
    call_id: Option<Cow<'a, str>>,
    content: Option<Later<'a>>,
    is_error: bool,
    source: Option<Later<'a>>,
    title: Option<Cow<'a, str>>,
    context: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    data: Option<Cow<'a, str>>,
    citations: Option<Later<'a>>,
    cache: Option<CacheMark<'a>>,
}

fn block<'a>(
    reading: &mut Reading<'_, 'a>,
    before: &[Turn<'a>],
    into: &mut Vec<Block<'a>>,
    signatures: &mut Vec<CallSignature<'a>>,
) -> Result<(), Refusal> {
    // A block that nobody here knows may have any types in it, so its type is looked for before anything is judged.
    if reading.peek() == Some(Kind::Object) && !is_known(reading.ahead()) {
        into.extend(reading.raw()?.map(Block::Foreign));
        return Ok(());
    }
    let mut parts = Parts::default();
    reading.members(|reading, name| {
        match name {
            "type" => parts.kind = reading.string()?,
            "text" | "thinking" => parts.text = reading.string()?,
            "id" => parts.id = reading.string()?,
            "name" => parts.name = reading.string()?,
            "input" => parts.input = Some(reading.later()?),
            "tool_use_id" => parts.call_id = reading.string()?,
            "content" => parts.content = Some(reading.later()?),
            "is_error" => parts.is_error = reading.boolean()?.unwrap_or(false),
            "source" => parts.source = Some(reading.later()?),
            "title" => parts.title = reading.string()?,
            "context" => parts.context = reading.string()?,
            "signature" => parts.signature = reading.string()?,
            "data" => parts.data = reading.string()?,
            "citations" => parts.citations = Some(reading.later()?),
            "cache_control" => parts.cache = cache(reading)?,
            _ => reading.skip()?,
        }
        Ok(())
    })?;
    match parts.kind.as_deref() {
        Some("text") => {
            let Some(text) = parts.text.take() else {
                return Err(reading.refuse("must have a `text`, which is a string"));
            };
            into.push(Block::Text(Text {
                text,
                citations: citations(reading, parts.citations.take())?,
                cache: parts.cache.take(),
                signature: None,
            }));
        }
        Some("image") => {
            let source = match parts.source.take() {
                Some(later) => reading.again(later, "source", read_source)?,
                None => Origin::default(),
            };
            let Some(source) = source.medium() else {
                return Err(reading.refuse(SOURCE_MISSING));
            };
            into.push(Block::Image {
                source,
                detail: None,
                cache: parts.cache.take(),
            });
        }
        Some("document") => document(reading, parts, before, into, signatures)?,
        Some("search_result") => search_result(reading, parts, into)?,
        Some("thinking") => thinking(parts, into, signatures),
        Some("redacted_thinking") => redacted_thinking(parts, into),
        Some("tool_use") => into.push(Block::ToolCall(ToolCall {
            id: parts.id.unwrap_or_default(),
            name: parts.name.unwrap_or_default(),
            arguments: parts
                .input
                .as_ref()
                .and_then(Later::raw)
                .map(|raw| Cow::Borrowed(raw.get()))
                .unwrap_or_default(),
            cache: parts.cache,
            ..ToolCall::default()
        })),
        Some("tool_result") => tool_result(reading, parts, before, into)?,
        _ => return Err(reading.refuse("must have a `type`, which is a string")),
    }
    Ok(())
}

const SOURCE_MISSING: &str =
    "must have a `source` with `data` and `media_type`, a `url` or a `file_id`";

/// Whether the object that comes next is a block that is read here. One without a type is: to be refused. Looking ends at the type,
/// which clients write first.
fn is_known(mut ahead: Walker<'_>) -> bool {
    let mut look = || -> Result<bool, Malformed> {
        let mut more = ahead.enter_object()?;
        while more {
            let is_type = ahead.key()?.name == "type";
            let value = ahead.value()?;
            if is_type {
                return Ok(matches!(
                    value.string(ahead.text()).as_deref(),
                    None | Some(
                        "text"
                            | "image"
                            | "document"
                            | "search_result"
                            | "thinking"
                            | "redacted_thinking"
                            | "tool_use"
                            | "tool_result"
                    )
                ));
            }
            more = ahead.next_member()?;
        }
        Ok(true)
    };
    look().unwrap_or(true)
}

fn thinking<'a>(
    mut parts: Parts<'a>,
    into: &mut Vec<Block<'a>>,
    signatures: &mut Vec<CallSignature<'a>>,
) {
    let text = parts.text.take().unwrap_or_default();
    let signature = parts.signature.take().unwrap_or_default();
    let Some(carried) = carried::unpack(&signature) else {
        into.push(Block::Thought(Thought {
            text,
            format: match signature.is_empty() {
                true => Cow::Borrowed(format::UNKNOWN),
                false => Cow::Borrowed(format::ANTHROPIC),
            },
            signature: Some(signature).filter(|signature| !signature.is_empty()),
            ..Thought::default()
        }));
        return;
    };
    let owned = |text: &str| Cow::Owned(text.to_owned());
    match carried.carries {
        Carries::Call => signatures.push((owned(carried.id), owned(carried.proof))),
        Carries::Text => {
            if let Some(Block::Text(before)) = into.last_mut() {
                before.signature = Some(owned(carried.proof));
            }
        }
        Carries::Thought(kind) => into.push(Block::Thought(Thought {
            kind,
            text,
            signature: Some(carried.proof)
                .filter(|proof| !proof.is_empty())
                .map(owned),
            id: Some(carried.id).filter(|id| !id.is_empty()).map(owned),
            format: owned(carried.format),
        })),
    }
}

fn redacted_thinking<'a>(mut parts: Parts<'a>, into: &mut Vec<Block<'a>>) {
    let data = parts.data.take().unwrap_or_default();
    let thought = match carried::unpack(&data) {
        Some(carried) => Thought {
            kind: ThoughtKind::Encrypted,
            text: Cow::Owned(carried.proof.to_owned()),
            id: Some(carried.id.to_owned())
                .filter(|id| !id.is_empty())
                .map(Cow::Owned),
            format: Cow::Owned(carried.format.to_owned()),
            signature: None,
        },
        None => Thought {
            kind: ThoughtKind::Encrypted,
            text: data,
            format: Cow::Borrowed(format::ANTHROPIC),
            ..Thought::default()
        },
    };
    into.push(Block::Thought(thought));
}

fn tool_result<'a>(
    reading: &mut Reading<'_, 'a>,
    parts: Parts<'a>,
    before: &[Turn<'a>],
    into: &mut Vec<Block<'a>>,
) -> Result<(), Refusal> {
    let call_id = parts.call_id.unwrap_or_default();
    let mut blocks = Vec::new();
    if let Some(later) = parts.content {
        // Results hold no thoughts, so no signature can come back in one.
        reading.again(later, "content", |reading| {
            content(reading, before, &mut blocks, &mut Vec::new())
        })?;
    }
    into.push(Block::ToolResult(ToolResult {
        name: called(before, &call_id),
        call_id,
        blocks,
        is_error: parts.is_error,
        custom: false,
        cache: parts.cache,
    }));
    Ok(())
}

/// The name of the tool that was called under an id; results stand soon after calls, so it is searched from the end.
fn called<'a>(before: &[Turn<'a>], id: &str) -> Option<Cow<'a, str>> {
    before
        .iter()
        .rev()
        .flat_map(|turn| turn.blocks.iter().rev())
        .find_map(|block| match block {
            Block::ToolCall(call) if call.id == id => Some(call.name.clone()),
            _ => None,
        })
}

/// A `source` object.
#[derive(Default)]
struct Origin<'a> {
    media_type: Option<Cow<'a, str>>,
    data: Option<Cow<'a, str>>,
    url: Option<Cow<'a, str>>,
    file_id: Option<Cow<'a, str>>,
    is_text: bool,
    content: Option<Later<'a>>,
}

impl<'a> Origin<'a> {
    fn medium(self) -> Option<Source<'a>> {
        match (self.data, self.url, self.file_id) {
            (Some(base64), _, _) => Some(Source::Data {
                media_type: self.media_type.unwrap_or_default(),
                base64,
            }),
            (None, Some(url), _) => Some(Source::of_url(url)),
            (None, None, Some(id)) => Some(Source::Id(id)),
            (None, None, None) => None,
        }
    }
}

fn read_source<'a>(reading: &mut Reading<'_, 'a>) -> Result<Origin<'a>, Refusal> {
    let mut origin = Origin::default();
    reading.members(|reading, name| {
        match name {
            "type" => origin.is_text = reading.string()?.as_deref() == Some("text"),
            "media_type" => origin.media_type = reading.string()?,
            "data" => origin.data = reading.string()?,
            "url" => origin.url = reading.string()?,
            "file_id" => origin.file_id = reading.string()?,
            "content" => origin.content = Some(reading.later()?),
            _ => reading.skip()?,
        }
        Ok(())
    })?;
    Ok(origin)
}

/// A document of text becomes text, with its title and its context before it: no other protocol has a place for those.
fn document<'a>(
    reading: &mut Reading<'_, 'a>,
    mut parts: Parts<'a>,
    before: &[Turn<'a>],
    into: &mut Vec<Block<'a>>,
    signatures: &mut Vec<CallSignature<'a>>,
) -> Result<(), Refusal> {
    let mut origin = match parts.source.take() {
        Some(later) => reading.again(later, "source", read_source)?,
        None => Origin::default(),
    };
    let cache = parts.cache.take();
    if origin.is_text {
        let mut text = heading(&[parts.title.as_deref(), parts.context.as_deref()]);
        let data = origin.data.take().unwrap_or_default();
        into.push(Block::Text(Text {
            text: match text.is_empty() {
                true => data,
                false => {
                    text.push_str(&data);
                    Cow::Owned(text)
                }
            },
            cache,
            ..Text::default()
        }));
        return Ok(());
    }
    if let Some(later) = origin.content.take() {
        let heading = heading(&[parts.title.as_deref(), parts.context.as_deref()]);
        if !heading.is_empty() {
            into.push(plain(Cow::Owned(heading.trim_end().to_owned()), None));
        }
        reading.again(later, "source.content", |reading| {
            content(reading, before, into, signatures)
        })?;
        if let Some(Block::Text(last)) = into.last_mut()
            && cache.is_some()
        {
            last.cache = cache;
        }
        return Ok(());
    }
    let Some(source) = origin.medium() else {
        return Err(reading.refuse(SOURCE_MISSING));
    };
    into.push(Block::File {
        source,
        name: parts.title,
        cache,
    });
    Ok(())
}

fn plain<'a>(text: Cow<'a, str>, cache: Option<CacheMark<'a>>) -> Block<'a> {
    Block::Text(Text {
        text,
        cache,
        ..Text::default()
    })
}

/// The lines before a text, with an empty line after them; empty when there are none.
fn heading(lines: &[Option<&str>]) -> String {
    let mut heading = String::new();
    for line in lines.iter().flatten().filter(|line| !line.is_empty()) {
        heading.push_str(line);
        heading.push('\n');
    }
    if !heading.is_empty() {
        heading.push('\n');
    }
    heading
}

/// A result of the client's own search: its title and where it is from, then its text.
fn search_result<'a>(
    reading: &mut Reading<'_, 'a>,
    mut parts: Parts<'a>,
    into: &mut Vec<Block<'a>>,
) -> Result<(), Refusal> {
    let source = match parts.source.take() {
        Some(later) => reading.again(later, "source", |reading| reading.string())?,
        None => None,
    };
    let mut text = heading(&[parts.title.as_deref(), source.as_deref()]);
    if let Some(later) = parts.content.take() {
        let mut blocks = Vec::new();
        reading.again(later, "content", |reading| {
            content(reading, &[], &mut blocks, &mut Vec::new())
        })?;
        for block in &blocks {
            if let Block::Text(passage) = block {
                text.push_str(&passage.text);
                text.push('\n');
            }
        }
    }
    into.push(plain(
        Cow::Owned(text.trim_end().to_owned()),
        parts.cache.take(),
    ));
    Ok(())
}

/// `citations` of a text in the conversation. (Of a document it is an object with a switch, which never comes here.)
fn citations<'a>(
    reading: &mut Reading<'_, 'a>,
    later: Option<Later<'a>>,
) -> Result<Vec<Citation<'a>>, Refusal> {
    let mut citations = Vec::new();
    let Some(later) = later else {
        return Ok(citations);
    };
    reading.again(later, "citations", |reading| {
        reading.elements(|reading| {
            if let Some(raw) = reading.raw()? {
                citations.push(crate::dialect::anthropic::citation(raw));
            }
            Ok(())
        })
    })?;
    Ok(citations)
}

fn tool_choice<'a>(reading: &mut Reading<'_, 'a>, ask: &mut Ask<'a>) -> Result<(), Refusal> {
    let mut kind = None;
    let mut name = None;
    reading.members(|reading, member| {
        match member {
            "type" => kind = reading.string()?,
            "name" => name = reading.string()?,
            "disable_parallel_tool_use" => {
                ask.parallel_tool_calls = reading.boolean()?.map(|disabled| !disabled);
            }
            _ => reading.skip()?,
        }
        Ok(())
    })?;
    ask.tool_choice = match (kind.as_deref(), name) {
        (Some("auto"), _) => Some(ToolChoice::Auto),
        (Some("any"), _) => Some(ToolChoice::Required),
        (Some("none"), _) => Some(ToolChoice::None),
        (Some("tool"), Some(name)) => Some(ToolChoice::Named(name)),
        (Some("tool"), None) => return Err(reading.refuse("must have a `name`")),
        (None, _) => None,
        (Some(_), _) => {
            return Err(
                reading.refuse("must have a `type`, one of `auto`, `any`, `tool` and `none`")
            );
        }
    };
    Ok(())
}

fn tools<'a>(reading: &mut Reading<'_, 'a>, ask: &mut Ask<'a>) -> Result<(), Refusal> {
    reading.elements(|reading| {
        let mut whole = reading.ahead();
        let mut kind = None;
        let mut function = Function::default();
        reading.members(|reading, name| {
            match name {
                "type" => kind = reading.string()?,
                "name" => function.name = reading.string()?.unwrap_or_default(),
                "description" => function.description = reading.string()?,
                "input_schema" => function.parameters = reading.raw_object()?.map(Cow::Borrowed),
                "strict" => function.strict = reading.boolean()?,
                "cache_control" => function.cache = cache(reading)?,
                _ => reading.skip()?,
            }
            Ok(())
        })?;
        let Some(kind) = kind.filter(|kind| kind != "custom") else {
            if function.name.is_empty() {
                return Err(reading.refuse("must have a `name`"));
            }
            ask.tools.push(Tool::Function(function));
            return Ok(());
        };
        // All tools are on offer in any case, so a tool that finds them is not missed.
        if kind.starts_with("tool_search_tool") {
            return Ok(());
        }
        if let Some((description, schema)) = client_tool(&kind) {
            function.description = Some(Cow::Borrowed(description));
            function.parameters = serde_json::from_str::<&RawValue>(schema)
                .ok()
                .map(Cow::Borrowed);
            ask.tools.push(Tool::Function(function));
            return Ok(());
        }
        if kind.starts_with("web_search") {
            ask.web_search = serde_json::from_str("{}").ok();
        }
        if let Ok(Some(raw)) = lenient::raw(&mut whole) {
            ask.tools.push(Tool::Server { kind, raw });
        }
        Ok(())
    })
}

/// Tools that Anthropic's models know by heart and the client runs. To another model they are ordinary functions, and it has to be
/// told what they take. Members as in the SDK's types for the tools' inputs (anthropic 2.12, read 2026-11).
fn client_tool(kind: &str) -> Option<(&'static str, &'static str)> {
    let family = kind.rsplit_once('_').map_or(kind, |(family, _)| family);
    match family {
        "bash" => Some((
            "Runs a command in a bash shell that stays open between calls.",
            r#"{"type":"object","properties":{"command":{"type":"string","description":"The command to run."},"restart":{"type":"boolean","description":"Whether to start the shell anew instead."}}}"#,
        )),
        "text_editor" => Some((
            "Views, creates and edits text files.",
            r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"]},"path":{"type":"string","description":"The file or folder."},"file_text":{"type":"string","description":"For create: the whole text."},"old_str":{"type":"string","description":"For str_replace: the text to replace, which must stand in the file once."},"new_str":{"type":"string","description":"For str_replace: what replaces it."},"insert_line":{"type":"integer","description":"For insert: the number of the line after which to insert."},"insert_text":{"type":"string","description":"For insert: the text."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: first and last line."}},"required":["command","path"]}"#,
        )),
        "memory" => Some((
            "Keeps notes in text files under /memories.",
            r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"]},"path":{"type":"string"},"file_text":{"type":"string","description":"For create."},"old_str":{"type":"string","description":"For str_replace."},"new_str":{"type":"string","description":"For str_replace."},"insert_line":{"type":"integer","description":"For insert."},"insert_text":{"type":"string","description":"For insert."},"old_path":{"type":"string","description":"For rename."},"new_path":{"type":"string","description":"For rename."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view."}},"required":["command"]}"#,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A request with a word of the user and these members.
    fn body(members: Value) -> String {
        let mut body = json!({"model": "a/b", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.to_string()
    }

    fn refused(members: Value) -> String {
        read(&body(members)).unwrap_err().message.into_owned()
    }

    #[test]
    fn the_billing_header_reaches_no_model() {
        let text = body(json!({"system": [
            {"type": "text", "text": "x-anthropic-billing-header: v=1;"},
            {"type": "text", "text": "Code."}
        ]}));
        let ask = read(&text).unwrap();
        assert_eq!(ask.system.len(), 1);
        assert!(matches!(&ask.system[0], Block::Text(text) if text.text == "Code."));
    }

    #[test]
    fn thinking_is_a_wish_for_thought() {
        let reasoning = |members: Value| {
            let text = body(members);
            let ask = read(&text).unwrap();
            let verbosity = ask.verbosity.as_deref().map(str::to_owned);
            let reasoning = ask.reasoning.map(|reasoning| {
                (
                    reasoning.enabled,
                    reasoning.max_tokens,
                    reasoning.adaptive,
                    reasoning.effort,
                    reasoning.exclude,
                )
            });
            (reasoning, verbosity)
        };
        assert_eq!(
            reasoning(json!({"thinking": {"type": "enabled", "budget_tokens": 2048}})),
            (Some((Some(true), Some(2048), false, None, false)), None)
        );
        assert_eq!(
            reasoning(
                json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "high"}})
            ),
            (
                Some((Some(true), None, true, Some(Effort::High), true)),
                None
            )
        );
        assert_eq!(
            reasoning(
                json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}})
            ),
            (
                Some((Some(false), None, false, None, false)),
                Some("low".to_owned())
            )
        );
        assert_eq!(
            reasoning(json!({"output_config": {"effort": "max"}})),
            (None, Some("max".to_owned()))
        );
    }

    #[test]
    fn unknown_members_tools_and_blocks_are_never_refused() {
        let text = body(json!({
            "context_management": {"edits": []}, "betas": ["x"], "mcp_servers": [], "future": {"a": 1},
            "provider": {"order": ["p"]}, "trace": {"a": 1},
            "thinking": {"type": "tomorrow", "x": 1},
            "tools": [
                {"type": "code_execution_20250825", "name": "code_execution"},
                {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
            ],
            "messages": [{"role": "assistant", "content": [
                {"text": 7, "type": "tomorrow", "content": {"a": 1}},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
            ], "future": 1}]
        }));
        let ask = read(&text).unwrap();
        let names: Vec<_> = ask.extra.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(
            names,
            ["context_management", "betas", "mcp_servers", "future"]
        );
        assert_eq!(ask.tools.len(), 1);
        assert_eq!(ask.turns[0].blocks.len(), 2);
        assert!(
            ask.turns[0]
                .blocks
                .iter()
                .all(|block| matches!(block, Block::Foreign(_)))
        );
    }

    #[test]
    fn a_wrong_type_says_where_it_stands() {
        for (members, expected) in [
            (
                json!({"max_tokens": "x"}),
                "`max_tokens` must be a whole number that is not negative; seen: a string",
            ),
            (
                json!({"messages": "x"}),
                "`messages` must be an array; seen: a string",
            ),
            (
                json!({"messages": [{"content": "x"}]}),
                "`messages[0]` must have a `role`: `user`, `assistant` or `system`",
            ),
            (
                json!({"messages": [{"role": "tool", "content": "x"}]}),
                "`messages[0].role` must be `user`, `assistant` or `system`; seen: tool",
            ),
            (
                json!({"messages": [{"role": "user", "content": 7}]}),
                "`messages[0].content` must be a string or an array of blocks; seen: a number",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"text": "x"}]}]}),
                "`messages[0].content[0]` must have a `type`, which is a string",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image"}]}]}),
                "`messages[0].content[0]` must have a `source` with `data` and `media_type`, a `url` or a `file_id`",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": null}]}]}]}),
                "`messages[0].content[0].content[0]` must have a `text`, which is a string",
            ),
            (
                json!({"tools": [{"name": 1}]}),
                "`tools[0].name` must be a string; seen: a number",
            ),
            (
                json!({"tool_choice": {"type": "tool"}}),
                "`tool_choice` must have a `name`",
            ),
            (
                json!({"tool_choice": {"type": "some"}}),
                "`tool_choice` must have a `type`, one of `auto`, `any`, `tool` and `none`",
            ),
            (
                json!({"thinking": true}),
                "`thinking` must be an object; seen: a boolean",
            ),
            (
                json!({"stop_sequences": [1]}),
                "`stop_sequences[0]` must be a string; seen: a number",
            ),
        ] {
            assert_eq!(refused(members), expected);
        }
    }

    #[test]
    fn results_know_the_tool_that_was_called() {
        let text = body(json!({"messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1.50}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [{"type": "text", "text": "no"}, {"type": "tool_reference", "tool_name": "g"}]}]}
        ]}));
        let ask = read(&text).unwrap();
        assert!(
            matches!(&ask.turns[1].blocks[0], Block::ToolCall(call) if call.arguments == r#"{"x":1.5}"# || call.arguments == r#"{"x":1.50}"#)
        );
        let Block::ToolResult(result) = &ask.turns[2].blocks[0] else {
            panic!("{:?}", ask.turns[2].blocks);
        };
        assert_eq!(result.name.as_deref(), Some("f"));
        assert!(result.is_error);
        assert_eq!(result.blocks.len(), 2);
    }

    #[test]
    fn a03_signatures_of_others_come_back_byte_for_byte() {
        let text = body(json!({"messages": [{"role": "assistant", "content": [
            {"type": "thinking", "thinking": "sum", "signature": "turnout:1:openai-responses-v1:summary:4:rs_1"},
            {"type": "redacted_thinking", "data": "turnout:1:openai-responses-v1:encrypted:4:rs_1gAAA=="},
            {"type": "text", "text": "said"},
            {"type": "thinking", "thinking": "", "signature": "turnout:1:google-gemini-v1:text:0:dGV4dA=="},
            {"type": "thinking", "thinking": "", "signature": "turnout:1:google-gemini-v1:call:2:t1Y2FsbA=="},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
            {"type": "thinking", "thinking": "own", "signature": "EqoB"},
            {"type": "thinking", "thinking": "bare", "signature": ""}
        ]}]}));
        let ask = read(&text).unwrap();
        let seen: Vec<_> = ask.turns[0]
            .blocks
            .iter()
            .map(|block| match block {
                Block::Thought(thought) => format!(
                    "{:?} {} {:?} {:?} {}",
                    thought.kind, thought.text, thought.signature, thought.id, thought.format
                ),
                Block::Text(text) => format!("{} {:?}", text.text, text.signature),
                Block::ToolCall(call) => format!("{} {:?}", call.name, call.signature),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            seen,
            [
                r#"Summary sum None Some("rs_1") openai-responses-v1"#,
                r#"Encrypted gAAA== None Some("rs_1") openai-responses-v1"#,
                r#"said Some("dGV4dA==")"#,
                r#"f Some("Y2FsbA==")"#,
                r#"Text own Some("EqoB") None anthropic-claude-v1"#,
                r#"Text bare None None unknown"#,
            ]
        );
    }

    #[test]
    fn documents_of_text_are_text() {
        let text = body(json!({"messages": [{"role": "user", "content": [
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "citations": {"enabled": true}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}, "cache_control": {"type": "ephemeral"}},
            {"type": "document", "source": {"type": "content", "content": "plain"}},
            {"type": "search_result", "source": "https://a.example", "title": "A", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
        ]}]}));
        let ask = read(&text).unwrap();
        let texts: Vec<_> = ask.turns[0]
            .blocks
            .iter()
            .map(|block| match block {
                Block::Text(text) => text.text.as_ref(),
                Block::File {
                    source: Source::Id(id),
                    ..
                } => id.as_ref(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            texts,
            [
                "T\n\nd",
                "inner",
                "plain",
                "A\nhttps://a.example\n\none\ntwo",
                "file_1"
            ]
        );
        assert!(matches!(&ask.turns[0].blocks[1], Block::Text(text) if text.cache.is_some()));
    }

    #[test]
    fn tools_that_the_client_runs_become_functions_with_a_schema() {
        for kind in ["bash_20250124", "text_editor_20250728", "memory_20250818"] {
            let text = body(json!({"tools": [{"type": kind, "name": "n"}]}));
            let ask = read(&text).unwrap();
            let Tool::Function(function) = &ask.tools[0] else {
                panic!("{kind}");
            };
            let schema: Value =
                serde_json::from_str(function.parameters.as_ref().unwrap().get()).unwrap();
            assert_eq!(schema["type"], "object");
            assert!(schema["properties"]["command"].is_object(), "{kind}");
        }
    }

    #[test]
    fn tiers_have_openais_names() {
        for (members, tier) in [
            (json!({"service_tier": "auto"}), "auto"),
            (json!({"service_tier": "standard_only"}), "default"),
            (json!({"speed": "fast"}), "priority"),
        ] {
            let text = body(members);
            assert_eq!(read(&text).unwrap().service_tier.as_deref(), Some(tier));
        }
    }
}
