//! Reads a chat request into the middle shape.
//!
//! Members are taken in any order, in one pass; what one means for another (a conflict of two words for one wish, tools that a choice
//! leaves out, the tool that a result belongs to) is settled after it.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::detail;
use crate::exchange::{
    Ask, Block, CacheMark, Effort, Format, Function, Reasoning, Role, Source, Text, Thought,
    ThoughtKind, Tool, ToolCall, ToolChoice, ToolResult, Turn, format,
};
use crate::json::{Kind, Span, Walker};
use crate::member::{self, Path};
use crate::refusal::{Kind as RefusalKind, Refusal};
use crate::request::ROUTING_FIELDS;

/// Most texts that may end a generation (checklist Q12).
pub(crate) const STOP_TEXTS_MAX: usize = 4;

/// Reads a request.
pub(crate) fn read(text: &str) -> Result<Ask<'_>, Refusal> {
    read_with(text, |_, _, _| Ok(false))
}

/// Reads a request of an API that has members of its own beside those of chat: `own` is shown each member first, and says whether
/// it has read its value.
pub(crate) fn read_with<'a>(
    text: &'a str,
    mut own: impl FnMut(&mut Ask<'a>, &str, &mut Walker<'a>) -> Result<bool, Refusal>,
) -> Result<Ask<'a>, Refusal> {
    let mut reading = Reading::default();
    let mut walker = Walker::new(text);
    member::object(&mut walker, &Path::ROOT, |name, walker| {
        match own(&mut reading.ask, name, walker)? {
            true => Ok(()),
            false => reading.member(name, walker),
        }
    })?;
    reading.settle()
}

/// What is known while the members come in.
#[derive(Default)]
struct Reading<'a> {
    ask: Ask<'a>,
    /// `max_tokens`, which `max_completion_tokens` beats.
    old_max_tokens: Option<u64>,
    /// `reasoning_effort`, the other word for `reasoning.effort`.
    effort: Option<Effort>,
    /// `include_reasoning`, the older word for `reasoning.exclude`.
    include_reasoning: Option<bool>,
    /// Names of the only tools that may be called.
    allowed: Option<Vec<Cow<'a, str>>>,
    /// Names of the tools that have been called, by the id of the call.
    calls: HashMap<Cow<'a, str>, Cow<'a, str>>,
    /// The id given to the last call of OpenAI's first way of calling functions, which had none.
    legacy_call: Option<String>,
}

impl<'a> Reading<'a> {
    fn member(&mut self, name: &str, walker: &mut Walker<'a>) -> Result<(), Refusal> {
        let path = Path::ROOT.member(name);
        let ask = &mut self.ask;
        match name {
            "messages" => {
                member::array(walker, &path, |index, walker| {
                    self.message(walker, &path.element(index))
                })?;
            }
            "tools" => {
                member::array(walker, &path, |index, walker| {
                    ask.tools.push(tool(walker, &path.element(index))?);
                    Ok(())
                })?;
            }
            "functions" => {
                member::array(walker, &path, |index, walker| {
                    let function = function(walker, &path.element(index))?;
                    ask.tools.push(Tool::Function(function));
                    Ok(())
                })?;
            }
            "tool_choice" | "function_call" => self.choice(walker, &path)?,
            "parallel_tool_calls" => ask.parallel_tool_calls = member::boolean(walker, &path)?,
            "max_tokens" => self.old_max_tokens = member::whole(walker, &path)?,
            "max_completion_tokens" => ask.max_tokens = member::whole(walker, &path)?,
            "temperature" => ask.temperature = member::number(walker, &path)?,
            "top_p" => ask.top_p = member::number(walker, &path)?,
            "top_k" => ask.top_k = member::number(walker, &path)?,
            "min_p" => ask.min_p = member::number(walker, &path)?,
            "top_a" => ask.top_a = member::number(walker, &path)?,
            "frequency_penalty" => ask.frequency_penalty = member::number(walker, &path)?,
            "presence_penalty" => ask.presence_penalty = member::number(walker, &path)?,
            "repetition_penalty" => ask.repetition_penalty = member::number(walker, &path)?,
            "seed" => ask.seed = member::number(walker, &path)?,
            "stop" => ask.stop = stop_texts(walker, &path)?,
            "logit_bias" => ask.logit_bias = member::raw_object(walker, &path)?,
            "logprobs" => ask.logprobs = member::boolean(walker, &path)?,
            "top_logprobs" => ask.top_logprobs = member::whole(walker, &path)?,
            "reasoning" => {
                ask.reasoning = reasoning(walker, &path)?.or(ask.reasoning.take());
            }
            "reasoning_effort" => self.effort = effort(walker, &path)?,
            "include_reasoning" => self.include_reasoning = member::boolean(walker, &path)?,
            "verbosity" => ask.verbosity = member::string(walker, &path)?,
            "response_format" => ask.format = response_format(walker, &path)?,
            "modalities" => {
                member::array(walker, &path, |index, walker| {
                    let word = member::string(walker, &path.element(index))?;
                    ask.modalities.extend(word);
                    Ok(())
                })?;
            }
            "audio" => ask.audio = member::raw_object(walker, &path)?,
            "image_config" => ask.image_config = member::raw_object(walker, &path)?,
            "prediction" => ask.prediction = member::raw_object(walker, &path)?,
            "metadata" => ask.metadata = member::raw_object(walker, &path)?,
            "service_tier" => ask.service_tier = member::string(walker, &path)?,
            "cache_control" => ask.cache = cache_mark(walker, &path)?,
            "prompt_cache_key" => ask.prompt_cache_key = member::string(walker, &path)?,
            "web_search_options" => ask.web_search = member::raw_object(walker, &path)?,
            // What the gateway has acted on, or what means nothing to another protocol: how usage is streamed, that OpenAI keeps an
            // answer, a hint about capabilities. More than one answer is not offered (checklist C19).
            "model" | "stream" | "stream_options" | "user" | "n" | "store"
            | "structured_outputs" => member::skip(walker)?,
            name if ROUTING_FIELDS.contains(&name) => member::skip(walker)?,
            name => {
                let name = Cow::Owned(name.to_owned());
                if let Some(value) = member::raw(walker)? {
                    self.ask.extra.push((name, value));
                }
            }
        }
        Ok(())
    }

    /// Takes one message.
    fn message(&mut self, walker: &mut Walker<'a>, path: &Path<'_>) -> Result<(), Refusal> {
        let mut message = Message::default();
        let given = member::object(walker, path, |name, walker| {
            message.member(name, walker, &path.member(name))
        })?;
        if !given {
            return Err(path.wrong("an object", "null"));
        }
        let Some(role) = message.role.take() else {
            return Err(path.member("role").wrong("a string", "nothing"));
        };
        let name = message.name.take();
        match &*role {
            "system" | "developer" if self.ask.turns.is_empty() => {
                let mut blocks = message.blocks();
                if let (Some(name), Some(Block::Text(text))) = (name, blocks.first_mut()) {
                    text.text = Cow::Owned(format!("{name}: {}", text.text));
                }
                self.ask.system.extend(blocks);
            }
            "system" => self.turn(Role::System, message.blocks(), name),
            "developer" => self.turn(Role::Developer, message.blocks(), name),
            "user" => self.turn(Role::User, message.blocks(), name),
            "assistant" => {
                let blocks = self.assistant(message);
                self.turn(Role::Assistant, blocks, name);
            }
            "tool" | "function" => {
                let result = self.result(message, name);
                self.turn(Role::User, vec![Block::ToolResult(result)], None);
            }
            role => {
                return Err(path.member("role").wrong(
                    "`system`, `developer`, `user`, `assistant` or `tool`",
                    &quoted(role),
                ));
            }
        }
        Ok(())
    }

    /// A message in which nothing is said is none.
    fn turn(&mut self, role: Role, blocks: Vec<Block<'a>>, name: Option<Cow<'a, str>>) {
        if !blocks.is_empty() {
            self.ask.turns.push(Turn { role, blocks, name });
        }
    }

    /// What the model said: its thoughts come before its words, and its calls after them.
    fn assistant(&mut self, mut message: Message<'a>) -> Vec<Block<'a>> {
        let mut calls = std::mem::take(&mut message.calls);
        if let Some(mut call) = message.function_call.take() {
            let id = format!("function_call_{}", self.ask.turns.len());
            self.legacy_call = Some(id.clone());
            call.id = Cow::Owned(id);
            calls.push(call);
        }
        let mut thoughts = std::mem::take(&mut message.thoughts);
        // The text beside the details is the same thought once more.
        if thoughts.is_empty()
            && let Some(text) = message.reasoning.take().filter(|text| !text.is_empty())
        {
            thoughts.push(Block::Thought(Thought {
                text,
                format: Cow::Borrowed(format::UNKNOWN),
                ..Thought::default()
            }));
        }
        let refusal = message.refusal.take();
        let audio = message.audio_id.take();
        let images = std::mem::take(&mut message.images);
        let cache = message.cache.take();
        let mut said = message.blocks();
        // Gemini's signatures of calls and of text travel as encrypted details, since a chat message has no other place for them.
        thoughts.retain(|thought| !gives_signature(thought, &mut calls, &mut said));
        let mut blocks = thoughts;
        blocks.append(&mut said);
        blocks.extend(images);
        blocks.extend(refusal.filter(|text| !text.is_empty()).map(Block::Refusal));
        blocks.extend(audio.map(|id| Block::Audio {
            data: Cow::Borrowed(""),
            format: Cow::Borrowed(""),
            transcript: None,
            id: Some(id),
        }));
        for call in calls {
            self.calls.insert(call.id.clone(), call.name.clone());
            blocks.push(Block::ToolCall(call));
        }
        mark(&mut blocks, cache);
        blocks
    }

    /// What a tool gave.
    fn result(&mut self, mut message: Message<'a>, name: Option<Cow<'a, str>>) -> ToolResult<'a> {
        let call_id = message
            .tool_call_id
            .take()
            .or_else(|| self.legacy_call.take().map(Cow::Owned))
            .unwrap_or_default();
        let cache = message.cache.take();
        ToolResult {
            name: self.calls.get(&call_id).cloned().or(name),
            call_id,
            blocks: message.blocks(),
            cache,
            ..ToolResult::default()
        }
    }

    /// Takes `tool_choice`, or its predecessor.
    fn choice(&mut self, walker: &mut Walker<'a>, path: &Path<'_>) -> Result<(), Refusal> {
        if walker.peek() != Some(Kind::Object) {
            let Some(word) = member::string(walker, path)? else {
                return Ok(());
            };
            self.ask.tool_choice = Some(choice_word(&word, path)?);
            return Ok(());
        }
        let mut choice = Choice::default();
        member::object(walker, path, |name, walker| {
            choice.member(name, walker, &path.member(name))
        })?;
        match choice.kind.as_deref() {
            Some("allowed_tools") => {
                let mode = choice.mode.as_deref().unwrap_or("auto");
                self.ask.tool_choice = Some(choice_word(mode, &path.member("mode"))?);
                self.allowed = Some(choice.tools);
            }
            Some(word @ ("auto" | "none" | "required" | "any")) => {
                self.ask.tool_choice = Some(choice_word(word, path)?);
            }
            kind => {
                // A server tool is named by its type, which OpenRouter writes with its own name before a colon.
                let tool = kind.map(|kind| kind.rsplit(':').next().unwrap_or(kind).to_owned());
                let name = choice.name.or(tool.map(Cow::Owned));
                let name = name.ok_or_else(|| path.member("name").wrong("a string", "nothing"))?;
                self.ask.tool_choice = Some(ToolChoice::Named(name));
            }
        }
        Ok(())
    }

    fn settle(mut self) -> Result<Ask<'a>, Refusal> {
        let ask = &mut self.ask;
        ask.max_tokens = ask.max_tokens.or(self.old_max_tokens);
        if let Some(allowed) = self.allowed {
            ask.tools.retain(|tool| match tool {
                Tool::Function(Function { name, .. }) | Tool::Custom { name, .. } => {
                    allowed.contains(name)
                }
                Tool::Server { kind, .. } => allowed.contains(kind),
            });
        }
        if let Some(effort) = self.effort {
            let reasoning = ask.reasoning.get_or_insert_default();
            if reasoning.effort.is_some_and(|other| other != effort) {
                return Err(conflict("`reasoning.effort` and `reasoning_effort`"));
            }
            reasoning.effort = Some(effort);
        }
        if let Some(include) = self.include_reasoning {
            let reasoning = ask.reasoning.get_or_insert_default();
            reasoning.exclude |= !include;
        }
        Ok(self.ask)
    }
}

fn conflict(both: &str) -> Refusal {
    Refusal::new(RefusalKind::InvalidRequest).with_message(format!(
        "{both} say the same thing in two words and disagree; send one of them"
    ))
}

fn quoted(word: &str) -> String {
    let cut: String = word.chars().take(64).collect();
    format!("`{cut}`")
}

/// A message, before its role is known.
#[derive(Default)]
struct Message<'a> {
    role: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    content: Vec<Block<'a>>,
    calls: Vec<ToolCall<'a>>,
    function_call: Option<ToolCall<'a>>,
    tool_call_id: Option<Cow<'a, str>>,
    refusal: Option<Cow<'a, str>>,
    reasoning: Option<Cow<'a, str>>,
    thoughts: Vec<Block<'a>>,
    images: Vec<Block<'a>>,
    audio_id: Option<Cow<'a, str>>,
    cache: Option<CacheMark<'a>>,
}

impl<'a> Message<'a> {
    fn member(
        &mut self,
        name: &str,
        walker: &mut Walker<'a>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        match name {
            "role" => self.role = member::string(walker, path)?,
            "name" => self.name = member::string(walker, path)?,
            "content" => self.content = read_content(walker, path)?,
            "tool_calls" => {
                member::array(walker, path, |index, walker| {
                    self.calls.push(tool_call(walker, &path.element(index))?);
                    Ok(())
                })?;
            }
            "function_call" => {
                let mut call = ToolCall::default();
                let given = member::object(walker, path, |name, walker| {
                    called(name, walker, &path.member(name), &mut call)
                })?;
                self.function_call = given.then_some(call);
            }
            "tool_call_id" => self.tool_call_id = member::string(walker, path)?,
            "refusal" => self.refusal = member::string(walker, path)?,
            "reasoning" | "reasoning_content" => {
                // Some servers put an object there; only text is of use to others.
                let value = walker.value().map_err(member::malformed)?;
                let text = value.string(walker.text());
                self.reasoning = self.reasoning.take().or(text);
            }
            "reasoning_details" => {
                member::array(walker, path, |index, walker| {
                    self.thoughts
                        .push(read_detail(walker, &path.element(index))?);
                    Ok(())
                })?;
            }
            "images" => {
                member::array(walker, path, |index, walker| {
                    self.images.push(part(walker, &path.element(index))?);
                    Ok(())
                })?;
            }
            "audio" => {
                member::object(walker, path, |name, walker| {
                    match name {
                        "id" => self.audio_id = member::string(walker, &path.member(name))?,
                        _ => member::skip(walker)?,
                    }
                    Ok(())
                })?;
            }
            "cache_control" => self.cache = cache_mark(walker, path)?,
            // Annotations are of use to a reuse of parsed files only, `model` to the router.
            _ => member::skip(walker)?,
        }
        Ok(())
    }

    /// What was said, with the message's own cache breakpoint after it.
    fn blocks(self) -> Vec<Block<'a>> {
        let mut blocks = self.content;
        mark(&mut blocks, self.cache);
        blocks
    }
}

/// Sets a cache breakpoint after the last block that can have one, unless it has its own.
fn mark<'a>(blocks: &mut [Block<'a>], cache: Option<CacheMark<'a>>) {
    if cache.is_none() {
        return;
    }
    let place = blocks.iter_mut().rev().find_map(|block| match block {
        Block::Text(Text { cache, .. })
        | Block::Image { cache, .. }
        | Block::File { cache, .. }
        | Block::ToolCall(ToolCall { cache, .. })
        | Block::ToolResult(ToolResult { cache, .. }) => Some(cache),
        _ => None,
    });
    if let Some(place @ None) = place {
        *place = cache;
    }
}

/// Hands an encrypted detail of Gemini over to the call that it names, or to the text; whether it did.
fn gives_signature<'a>(
    thought: &Block<'a>,
    calls: &mut [ToolCall<'a>],
    said: &mut [Block<'a>],
) -> bool {
    let Block::Thought(thought) = thought else {
        return false;
    };
    if thought.kind != ThoughtKind::Encrypted || thought.format != format::GEMINI {
        return false;
    }
    let place = match &thought.id {
        Some(id) => calls
            .iter_mut()
            .find(|call| call.id == *id)
            .map(|call| &mut call.signature),
        None => said.iter_mut().rev().find_map(|block| match block {
            Block::Text(text) => Some(&mut text.signature),
            _ => None,
        }),
    };
    match place {
        Some(place) => {
            *place = Some(thought.text.clone());
            true
        }
        None => false,
    }
}

/// Reads `content`: a string, or parts.
pub(crate) fn read_content<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
) -> Result<Vec<Block<'a>>, Refusal> {
    let mut blocks = Vec::new();
    match walker.peek() {
        Some(Kind::Array) => {
            member::array(walker, path, |index, walker| {
                blocks.push(part(walker, &path.element(index))?);
                Ok(())
            })?;
        }
        Some(Kind::Plain | Kind::Escaped | Kind::Null) => {
            let text = member::string(walker, path)?;
            blocks.extend(text.map(|text| {
                Block::Text(Text {
                    text,
                    ..Text::default()
                })
            }));
        }
        kind => {
            return Err(path.wrong(
                "a string or an array of parts",
                kind.map_or("nothing", Kind::name),
            ));
        }
    }
    Ok(blocks)
}

/// The members of all kinds of parts.
#[derive(Default)]
struct Part<'a> {
    kind: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
    cache: Option<CacheMark<'a>>,
    url: Option<Cow<'a, str>>,
    detail: Option<Cow<'a, str>>,
    data: Option<Cow<'a, str>>,
    format: Option<Cow<'a, str>>,
    file_id: Option<Cow<'a, str>>,
    file_name: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
}

/// Reads a part of `content`.
fn part<'a>(walker: &mut Walker<'a>, path: &Path<'_>) -> Result<Block<'a>, Refusal> {
    let mut part = Part::default();
    let given = member::object(walker, path, |name, walker| {
        part.member(name, walker, &path.member(name))
    })?;
    if !given {
        return Err(path.wrong("an object", "null"));
    }
    let kind = part.kind.take().unwrap_or_default();
    let missing = |name: &str| path.member(name).wrong("a string", "nothing");
    Ok(match &*kind {
        "text" | "input_text" | "output_text" => Block::Text(Text {
            text: part.text.ok_or_else(|| missing("text"))?,
            cache: part.cache,
            ..Text::default()
        }),
        "image_url" | "input_image" => Block::Image {
            source: Source::of_url(part.url.ok_or_else(|| missing("image_url.url"))?),
            detail: part.detail,
            cache: part.cache,
        },
        "input_audio" => {
            let data = part.data.ok_or_else(|| missing("input_audio.data"))?;
            if data.starts_with("http:") || data.starts_with("https:") {
                let data_path = path.member("input_audio.data");
                return Err(data_path.wrong("sound in base64", "an address"));
            }
            Block::Audio {
                data,
                format: part.format.unwrap_or(Cow::Borrowed("wav")),
                transcript: None,
                id: None,
            }
        }
        "video_url" | "input_video" => Block::Video {
            source: Source::of_url(part.url.ok_or_else(|| missing("video_url.url"))?),
        },
        // Mistral's way to give a file by its address.
        "document_url" => Block::File {
            source: Source::of_url(part.url.ok_or_else(|| missing("document_url"))?),
            name: part.file_name,
            cache: part.cache,
        },
        "file" | "input_file" => Block::File {
            source: match (part.data, part.file_id) {
                (Some(data), _) => Source::of_url(data),
                (None, Some(id)) => Source::Id(id),
                (None, None) => return Err(missing("file.file_data")),
            },
            name: part.file_name,
            cache: part.cache,
        },
        "refusal" => Block::Refusal(part.text.ok_or_else(|| missing("refusal"))?),
        // Mistral's and Anthropic's parts, which clients send back as they got them.
        "thinking" => Block::Thought(Thought {
            text: part.text.unwrap_or_default(),
            format: Cow::Borrowed(match part.signature {
                Some(_) => format::ANTHROPIC,
                None => format::UNKNOWN,
            }),
            signature: part.signature,
            ..Thought::default()
        }),
        kind => {
            return Err(path.member("type").wrong(
                "`text`, `image_url`, `input_audio`, `video_url` or `file`",
                &quoted(kind),
            ));
        }
    })
}

impl<'a> Part<'a> {
    fn member(
        &mut self,
        name: &str,
        walker: &mut Walker<'a>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        match name {
            "type" => self.kind = member::string(walker, path)?,
            "text" | "refusal" => self.text = member::string(walker, path)?,
            "thinking" if walker.peek() == Some(Kind::Array) => {
                // Mistral's thoughts are parts themselves.
                let mut text = String::new();
                member::array(walker, path, |index, walker| {
                    if let Block::Text(piece) = part(walker, &path.element(index))? {
                        text.push_str(&piece.text);
                    }
                    Ok(())
                })?;
                self.text = Some(Cow::Owned(text));
            }
            "thinking" => self.text = member::string(walker, path)?,
            "signature" => self.signature = member::string(walker, path)?,
            "cache_control" => self.cache = cache_mark(walker, path)?,
            "prompt_cache_breakpoint" => {
                let given = member::object(walker, path, |_, walker| member::skip(walker))?;
                if given && self.cache.is_none() {
                    self.cache = Some(CacheMark::default());
                }
            }
            "image_url" | "video_url" | "input_video" | "document_url"
                if walker.peek() != Some(Kind::Object) =>
            {
                self.url = member::string(walker, path)?;
            }
            "image_url" | "video_url" | "input_video" | "input_audio" | "file" => {
                member::object(walker, path, |name, walker| {
                    self.inner(name, walker, &path.member(name))
                })?;
            }
            // The flat forms of the responses API.
            "detail" | "file_data" | "file_url" | "file_id" | "filename" | "document_name" => {
                self.inner(name, walker, path)?;
            }
            _ => member::skip(walker)?,
        }
        Ok(())
    }

    /// A member of the object that is named like the part.
    fn inner(
        &mut self,
        name: &str,
        walker: &mut Walker<'a>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        match name {
            "url" => self.url = member::string(walker, path)?,
            "detail" => self.detail = member::string(walker, path)?,
            "data" | "file_data" | "file_url" => {
                let data = member::string(walker, path)?.filter(|data| !data.is_empty());
                self.data = data.or(self.data.take());
            }
            "format" => self.format = member::string(walker, path)?,
            "file_id" => self.file_id = member::string(walker, path)?,
            "filename" | "document_name" => self.file_name = member::string(walker, path)?,
            _ => member::skip(walker)?,
        }
        Ok(())
    }
}

/// Reads a `cache_control` object.
fn cache_mark<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
) -> Result<Option<CacheMark<'a>>, Refusal> {
    let mut cache = CacheMark::default();
    let given = member::object(walker, path, |name, walker| {
        match name {
            "ttl" => cache.ttl = member::string(walker, &path.member(name))?,
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    Ok(given.then_some(cache))
}

/// Reads an entry of `reasoning_details` (openrouter.md §4.4). One of a sort that is not known stays raw.
fn read_detail<'a>(walker: &mut Walker<'a>, path: &Path<'_>) -> Result<Block<'a>, Refusal> {
    let mut kind = None;
    let mut thought = Thought::default();
    let mut ahead = walker.clone();
    let raw = member::raw_object(walker, path)?;
    member::object(&mut ahead, path, |name, walker| {
        let path = path.member(name);
        match name {
            "type" => kind = member::string(walker, &path)?,
            "text" | "summary" | "data" => {
                thought.text = member::string(walker, &path)?.unwrap_or_default();
            }
            "signature" => thought.signature = member::string(walker, &path)?,
            "id" => thought.id = member::string(walker, &path)?,
            "format" => thought.format = member::string(walker, &path)?.unwrap_or_default(),
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    thought.kind = match (kind.as_deref().and_then(detail::kind_of), raw) {
        (Some(kind), _) => kind,
        (None, Some(raw)) => return Ok(Block::Foreign(raw)),
        (None, None) => return Err(path.wrong("an object", "null")),
    };
    Ok(Block::Thought(thought))
}

/// Reads an entry of `tool_calls`.
fn tool_call<'a>(walker: &mut Walker<'a>, path: &Path<'_>) -> Result<ToolCall<'a>, Refusal> {
    let mut call = ToolCall::default();
    member::object(walker, path, |name, walker| {
        let path = path.member(name);
        match name {
            "id" => call.id = member::string(walker, &path)?.unwrap_or_default(),
            "function" | "custom" => {
                let custom = name == "custom";
                let given = member::object(walker, &path, |name, walker| {
                    called(name, walker, &path.member(name), &mut call)
                })?;
                call.custom |= custom && given;
            }
            // Where Google's own OpenAI-like endpoint keeps a signature.
            "extra_content" => {
                member::object(walker, &path, |name, walker| {
                    if name != "google" {
                        return member::skip(walker);
                    }
                    member::object(walker, &path.member(name), |name, walker| {
                        match name {
                            "thought_signature" => {
                                call.signature = member::string(walker, &path.member(name))?;
                            }
                            _ => member::skip(walker)?,
                        }
                        Ok(())
                    })
                    .map(|_| ())
                })?;
            }
            "cache_control" => call.cache = cache_mark(walker, &path)?,
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    if call.name.is_empty() {
        return Err(path.member("function.name").wrong("a string", "nothing"));
    }
    Ok(call)
}

/// A member of the object that says what is called, and with what.
fn called<'a>(
    name: &str,
    walker: &mut Walker<'a>,
    path: &Path<'_>,
    call: &mut ToolCall<'a>,
) -> Result<(), Refusal> {
    match name {
        "name" => call.name = member::string(walker, path)?.unwrap_or_default(),
        // Some clients send the arguments parsed; their JSON is the text that was meant.
        "arguments" | "input" if walker.peek() == Some(Kind::Object) => {
            let arguments = member::raw(walker)?;
            call.arguments = Cow::Borrowed(arguments.map_or("", RawValue::get));
        }
        "arguments" | "input" => {
            call.arguments = member::string(walker, path)?.unwrap_or_default();
        }
        _ => member::skip(walker)?,
    }
    Ok(())
}

/// Reads an entry of `tools`.
fn tool<'a>(walker: &mut Walker<'a>, path: &Path<'_>) -> Result<Tool<'a>, Refusal> {
    let mut ahead = walker.clone();
    let mut kind = None;
    let mut inner = None;
    let mut custom = None;
    let mut cache = None;
    let start = match walker.peek() {
        Some(Kind::Object) => walker.offset(),
        other => return Err(path.wrong("an object", other.map_or("nothing", Kind::name))),
    };
    member::object(walker, path, |name, walker| {
        let path = path.member(name);
        match name {
            "type" => kind = member::string(walker, &path)?,
            "function" => inner = Some(function(walker, &path)?),
            "custom" => custom = Some(custom_tool(walker, &path)?),
            "cache_control" => cache = cache_mark(walker, &path)?,
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    let raw = || {
        let text = walker.text().get(start..walker.offset());
        member::raw_value(text.unwrap_or_default())
    };
    match (kind.as_deref(), inner, custom) {
        (Some("custom"), _, Some(custom)) => Ok(custom),
        (Some("function") | None, Some(function), _) => Ok(Tool::Function(Function {
            cache: cache.or(function.cache),
            ..function
        })),
        // The flat form of the responses API.
        (Some("function") | None, None, _) => function(&mut ahead, path).map(Tool::Function),
        _ => Ok(Tool::Server {
            kind: kind.unwrap_or_default(),
            raw: raw()?,
        }),
    }
}

/// Reads the object that describes a function.
fn function<'a>(walker: &mut Walker<'a>, path: &Path<'_>) -> Result<Function<'a>, Refusal> {
    let mut function = Function::default();
    member::object(walker, path, |name, walker| {
        let path = path.member(name);
        match name {
            "name" => function.name = member::string(walker, &path)?.unwrap_or_default(),
            "description" => function.description = member::string(walker, &path)?,
            "parameters" => {
                function.parameters = member::raw_object(walker, &path)?.map(Cow::Borrowed);
            }
            "strict" => function.strict = member::boolean(walker, &path)?,
            "cache_control" => function.cache = cache_mark(walker, &path)?,
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    if function.name.is_empty() {
        return Err(path.member("name").wrong("a string", "nothing"));
    }
    Ok(function)
}

/// Reads the object that describes a custom tool.
fn custom_tool<'a>(walker: &mut Walker<'a>, path: &Path<'_>) -> Result<Tool<'a>, Refusal> {
    let mut tool_name = Cow::Borrowed("");
    let mut description = None;
    let mut format = None;
    member::object(walker, path, |name, walker| {
        let path = path.member(name);
        match name {
            "name" => tool_name = member::string(walker, &path)?.unwrap_or_default(),
            "description" => description = member::string(walker, &path)?,
            "format" => format = member::raw_object(walker, &path)?,
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    if tool_name.is_empty() {
        return Err(path.member("name").wrong("a string", "nothing"));
    }
    Ok(Tool::Custom {
        name: tool_name,
        description,
        format,
    })
}

/// The members of an object in `tool_choice`.
#[derive(Default)]
struct Choice<'a> {
    kind: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    mode: Option<Cow<'a, str>>,
    tools: Vec<Cow<'a, str>>,
}

impl<'a> Choice<'a> {
    fn member(
        &mut self,
        name: &str,
        walker: &mut Walker<'a>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        match name {
            "type" => self.kind = member::string(walker, path)?,
            "name" => self.name = member::string(walker, path)?.or(self.name.take()),
            "mode" => self.mode = member::string(walker, path)?,
            "function" | "custom" | "allowed_tools" => {
                member::object(walker, path, |name, walker| {
                    self.member(name, walker, &path.member(name))
                })?;
            }
            "tools" => {
                member::array(walker, path, |index, walker| {
                    let mut tool = Choice::default();
                    let path = path.element(index);
                    member::object(walker, &path, |name, walker| {
                        tool.member(name, walker, &path.member(name))
                    })?;
                    self.tools.extend(tool.name.or(tool.kind));
                    Ok(())
                })?;
            }
            _ => member::skip(walker)?,
        }
        Ok(())
    }
}

fn choice_word(word: &str, path: &Path<'_>) -> Result<ToolChoice<'static>, Refusal> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" | "any" => Ok(ToolChoice::Required),
        word => Err(path.wrong("`none`, `auto`, `required` or an object", &quoted(word))),
    }
}

/// Reads `stop`: a text, or at most four.
pub(crate) fn stop_texts<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
) -> Result<Vec<Cow<'a, str>>, Refusal> {
    let mut texts = Vec::new();
    if walker.peek() != Some(Kind::Array) {
        let value = walker.value().map_err(member::malformed)?;
        match (value.kind, value.string(walker.text())) {
            (Kind::Null, _) => {}
            (_, Some(text)) => texts.push(text),
            (kind, None) => return Err(path.wrong(STOP_EXPECTED, kind.name())),
        }
        return Ok(texts);
    }
    member::array(walker, path, |index, walker| {
        texts.extend(member::string(walker, &path.element(index))?);
        Ok(())
    })?;
    match texts.len() <= STOP_TEXTS_MAX {
        true => Ok(texts),
        false => Err(path.wrong(STOP_EXPECTED, &format!("{} of them", texts.len()))),
    }
}

const STOP_EXPECTED: &str = "a string or an array of at most 4 strings";

fn effort(walker: &mut Walker<'_>, path: &Path<'_>) -> Result<Option<Effort>, Refusal> {
    let Some(word) = member::string(walker, path)? else {
        return Ok(None);
    };
    match Effort::of(&word) {
        Some(effort) => Ok(Some(effort)),
        None => Err(path.wrong(
            "`none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`",
            &quoted(&word),
        )),
    }
}

/// Reads `reasoning` (openrouter.md §2.6). Null is absent; an empty object says that thought may be shown, which it is anyway.
fn reasoning<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
) -> Result<Option<Reasoning<'a>>, Refusal> {
    let mut reasoning = Reasoning::default();
    let given = member::object(walker, path, |name, walker| {
        let path = path.member(name);
        match name {
            "effort" => reasoning.effort = effort(walker, &path)?,
            "max_tokens" => reasoning.max_tokens = member::whole(walker, &path)?,
            "exclude" => reasoning.exclude = member::boolean(walker, &path)?.unwrap_or(false),
            "enabled" => reasoning.enabled = member::boolean(walker, &path)?,
            "summary" => reasoning.summary = member::string(walker, &path)?,
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    Ok(given.then_some(reasoning))
}

fn response_format<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
) -> Result<Option<Format<'a>>, Refusal> {
    let mut ahead = walker.clone();
    let Some(raw) = member::raw_object(walker, path)? else {
        return Ok(None);
    };
    let mut kind = Cow::Borrowed("");
    let mut schema_name = Cow::Borrowed("");
    let (mut schema, mut strict, mut description) = (None, None, None);
    let mut schema_member =
        |name: &str, walker: &mut Walker<'a>, path: &Path<'_>| -> Result<(), Refusal> {
            match name {
                "name" => schema_name = member::string(walker, path)?.unwrap_or_default(),
                "schema" => schema = member::raw_object(walker, path)?,
                "strict" => strict = member::boolean(walker, path)?,
                "description" => description = member::string(walker, path)?,
                _ => member::skip(walker)?,
            }
            Ok(())
        };
    member::object(&mut ahead, path, |name, walker| {
        let path = path.member(name);
        match name {
            "type" => kind = member::string(walker, &path)?.unwrap_or_default(),
            "json_schema" => {
                member::object(walker, &path, |name, walker| {
                    schema_member(name, walker, &path.member(name))
                })?;
            }
            // The flat form of the responses API, and of a few servers.
            name => schema_member(name, walker, &path)?,
        }
        Ok(())
    })?;
    Ok(Some(match (&*kind, schema) {
        ("text", _) => Format::Text,
        ("json_object", None) | ("json_schema", None) => Format::JsonObject,
        ("json_object" | "json_schema", Some(schema)) => Format::JsonSchema {
            name: schema_name,
            schema: Cow::Borrowed(schema),
            strict,
            description,
        },
        _ => Format::Other(raw),
    }))
}

/// The wish for thought of a chat request, by itself: answers depend on it too, and it is said in three members.
#[derive(Debug, Default)]
pub(crate) struct Stated<'a> {
    /// All of it; `exclude` is true for `include_reasoning: false` too.
    pub(crate) reasoning: Reasoning<'a>,
}

impl<'a> Stated<'a> {
    /// Reads it from the values of those members, wherever they stand in `text`. Each is told by what it is: an object, a word, or
    /// a boolean.
    pub(crate) fn of(
        text: &'a str,
        values: impl Iterator<Item = Span>,
    ) -> Result<Stated<'a>, Refusal> {
        let mut effort_word = None;
        let mut hidden = false;
        let mut stated = Stated::default();
        for span in values {
            let mut walker = Walker::new(span.of(text));
            match walker.peek() {
                Some(Kind::Null) | None => {}
                // A word that is not known is for the provider to judge.
                Some(Kind::Plain | Kind::Escaped) => {
                    let word = member::string(&mut walker, &Path::ROOT)?;
                    effort_word = word.as_deref().and_then(Effort::of);
                }
                Some(Kind::True | Kind::False) => {
                    let path = Path::ROOT.member("include_reasoning");
                    hidden |= member::boolean(&mut walker, &path)? == Some(false);
                }
                _ => {
                    let path = Path::ROOT.member("reasoning");
                    stated.reasoning = reasoning(&mut walker, &path)?.unwrap_or_default();
                }
            }
        }
        stated.reasoning.exclude |= hidden;
        match (stated.reasoning.effort, effort_word) {
            (Some(one), Some(other)) if one != other => {
                Err(conflict("`reasoning.effort` and `reasoning_effort`"))
            }
            (one, other) => {
                stated.reasoning.effort = one.or(other);
                Ok(stated)
            }
        }
    }
}

/// What of the model's thought the client wants to see: its answers depend on it and not only its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All of it.
    Thought,
    /// None of its text (`reasoning.exclude`, or `include_reasoning: false`). It is charged all the same.
    NoThought,
}

impl Shown {
    /// Reads it from the client's own body. A body that cannot be read has been refused before.
    pub(crate) fn of(asked: &str) -> Shown {
        // Nearly no body says so, and looking for the two words is much cheaper than walking.
        let may = ["\"exclude\"", "include_reasoning"]
            .iter()
            .any(|word| memchr::memmem::find(asked.as_bytes(), word.as_bytes()).is_some());
        if !may {
            return Shown::Thought;
        }
        let mut wishes = Vec::new();
        let mut walker = Walker::new(asked);
        // What cannot be read was no wish.
        let _ = member::object(&mut walker, &Path::ROOT, |name, walker| {
            let value = walker.value().map_err(member::malformed)?;
            if matches!(name, "reasoning" | "include_reasoning") && value.kind != Kind::Null {
                wishes.push(value.span);
            }
            Ok(())
        });
        let hidden = Stated::of(asked, wishes.into_iter()).is_ok_and(|said| said.reasoning.exclude);
        match hidden {
            true => Shown::NoThought,
            false => Shown::Thought,
        }
    }
}
