//! The input: a string, or a list of items.
//!
//! Items are flat where other protocols nest: a call stands beside the message that announces it, and its result is an item of its
//! own. What the model said in one go, its thoughts and calls included, is joined to one turn here, and so are results that follow each
//! other. Items that only a provider of this protocol can understand are kept as they are ([`Block::Foreign`]).

use std::borrow::Cow;

use crate::api::responses::object::{At, Object, elements, raw_json, refused};
use crate::api::responses::seal;
use crate::api::responses::tools::Offer;
use crate::exchange::{
    Ask, Block, CacheMark, Citation, Role, Source, Text, Thought, ThoughtKind, ToolCall,
    ToolResult, Turn, format, joined_name,
};
use crate::json::Kind;
use crate::refusal::Refusal;

/// Reads `input` into the system texts and turns of `ask`, and the tools that items bring into `offer`.
pub(super) fn read<'a>(
    body: &Object<'a>,
    ask: &mut Ask<'a>,
    offer: &mut Offer<'a>,
) -> Result<(), Refusal> {
    const EXPECTED: &str = "a string or an array of items";
    let at = At::Body("input");
    let Some(value) = body.value("input") else {
        return Err(at.missing(EXPECTED));
    };
    let mut input = Input {
        ask,
        offer,
        calls: Vec::new(),
        signatures: Vec::new(),
    };
    if let Some(text) = body.text("input") {
        input.turn(Role::User, vec![plain(text)]);
        return Ok(());
    }
    if value.kind != Kind::Array {
        return Err(at.wrong(EXPECTED, value.kind));
    }
    for (index, raw) in elements(body.raw_of(&value)).into_iter().enumerate() {
        input.item(raw, &at.element(index))?;
    }
    input.finish();
    Ok(())
}

struct Input<'i, 'a> {
    ask: &'i mut Ask<'a>,
    offer: &'i mut Offer<'a>,
    /// Ids of calls so far and the one name of each tool: results do not repeat it.
    calls: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Signatures of calls, which stand in items beside them.
    signatures: Vec<(String, String)>,
}

impl<'a> Input<'_, 'a> {
    fn item(&mut self, raw: &'a str, at: &At<'_>) -> Result<(), Refusal> {
        let Some(item) = Object::of(raw) else {
            return Err(refused(format!("`{at}` must be an object")));
        };
        let kind = match item.text_at(at, "type")? {
            Some(kind) => kind,
            None if item.value("role").is_some() => Cow::Borrowed("message"),
            None => Cow::Borrowed("item_reference"),
        };
        match kind.as_ref() {
            "message" => self.message(&item, at),
            "reasoning" => {
                self.reasoning(&item);
                Ok(())
            }
            "function_call" => self.call(&item, "arguments", false, at),
            "custom_tool_call" => self.call(&item, "input", true, at),
            "function_call_output" => self.result(&item, false, at),
            "custom_tool_call_output" => self.result(&item, true, at),
            "image_generation_call" => {
                self.image(&item);
                Ok(())
            }
            // Tools that are offered in the course of the conversation, or were found by a search among tools.
            "additional_tools" | "tool_search_output" => {
                let at = at.member("tools");
                self.offer.add(item.raw("tools").unwrap_or("[]"), &at)?;
                if kind == "tool_search_output" {
                    self.foreign(raw);
                }
                Ok(())
            }
            "item_reference" => Err(refused(format!(
                "`{at}` refers to an item that is kept elsewhere; nothing is kept here, so send the item itself"
            ))),
            _ => {
                self.foreign(raw);
                Ok(())
            }
        }
    }

    fn message(&mut self, item: &Object<'a>, at: &At<'_>) -> Result<(), Refusal> {
        let role = match item.need_text(at, "role")?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            other => {
                return Err(at
                    .member("role")
                    .unknown("`user`, `assistant`, `system` or `developer`", other));
            }
        };
        let blocks = contents(item, "content", at)?;
        match role {
            Role::System | Role::Developer if self.ask.turns.is_empty() => {
                self.ask.system.extend(blocks);
            }
            Role::Assistant => blocks.into_iter().for_each(|block| self.said(block)),
            role => self.turn(role, blocks),
        }
        Ok(())
    }

    fn reasoning(&mut self, item: &Object<'a>) {
        let encrypted = item.filled("encrypted_content");
        if let Some(unsealed) = encrypted.as_deref().and_then(seal::unseal) {
            self.signatures.extend(unsealed.calls);
            for thought in unsealed.thoughts {
                self.said(Block::Thought(thought));
            }
            return;
        }
        let signature = item.filled("signature");
        for thought in thoughts(item) {
            let thought = match thought.kind {
                ThoughtKind::Text => Thought {
                    signature: signature.clone(),
                    ..thought
                },
                _ => thought,
            };
            self.said(Block::Thought(thought));
        }
    }

    fn call(
        &mut self,
        item: &Object<'a>,
        arguments: &'static str,
        custom: bool,
        at: &At<'_>,
    ) -> Result<(), Refusal> {
        let call = ToolCall {
            id: item.need_text(at, "call_id")?,
            name: item.need_text(at, "name")?,
            arguments: item.text_at(at, arguments)?.unwrap_or_default(),
            custom,
            namespace: item.text_at(at, "namespace")?,
            signature: None,
            cache: None,
        };
        let name = joined_name(call.namespace.as_deref(), &call.name);
        self.calls.push((call.id.clone(), name));
        self.said(Block::ToolCall(call));
        Ok(())
    }

    fn result(&mut self, item: &Object<'a>, custom: bool, at: &At<'_>) -> Result<(), Refusal> {
        let call_id = item.need_text(at, "call_id")?;
        let name = self
            .calls
            .iter()
            .rev()
            .find(|(id, _)| *id == call_id)
            .map(|(_, name)| name.clone());
        let result = Block::ToolResult(ToolResult {
            call_id,
            name,
            blocks: contents(item, "output", at)?,
            is_error: false,
            custom,
            cache: None,
        });
        match self.ask.turns.last_mut() {
            Some(turn) if matches!(turn.blocks.last(), Some(Block::ToolResult(_))) => {
                turn.blocks.push(result);
            }
            _ => self.turn(Role::User, vec![result]),
        }
        Ok(())
    }

    /// A picture that the model made.
    fn image(&mut self, item: &Object<'a>) {
        if let Some(base64) = item.filled("result") {
            self.said(Block::Image {
                source: made_image(base64, item.text("output_format")),
                detail: None,
                cache: None,
            });
        }
    }

    fn foreign(&mut self, raw: &'a str) {
        if let Some(raw) = raw_json(raw) {
            self.said(Block::Foreign(raw));
        }
    }

    /// Adds what the model said.
    fn said(&mut self, block: Block<'a>) {
        match self.ask.turns.last_mut() {
            Some(turn) if turn.role == Role::Assistant => turn.blocks.push(block),
            _ => self.turn(Role::Assistant, vec![block]),
        }
    }

    fn turn(&mut self, role: Role, blocks: Vec<Block<'a>>) {
        self.ask.turns.push(Turn {
            role,
            blocks,
            name: None,
        });
    }

    /// Puts the signatures to their calls, and takes out turns in which no other protocol would find anything.
    fn finish(self) {
        let calls = self.ask.turns.iter_mut().flat_map(|turn| &mut turn.blocks);
        for block in calls {
            let Block::ToolCall(call) = block else {
                continue;
            };
            let signature = self.signatures.iter().find(|(id, _)| *id == call.id);
            call.signature = signature.map(|(_, signature)| Cow::Owned(signature.clone()));
        }
        self.ask.turns.retain(|turn| {
            let foreign = |block: &Block<'_>| matches!(block, Block::Foreign(_));
            !turn.blocks.iter().all(foreign)
        });
    }
}

/// The thoughts of a reasoning item, in the order in which they are written: summary, text, data.
pub(crate) fn thoughts<'a>(item: &Object<'a>) -> Vec<Thought<'a>> {
    let format = item
        .filled("format")
        .unwrap_or(Cow::Borrowed(format::RESPONSES));
    let id = item.filled("id");
    let thought = |kind, text| Thought {
        kind,
        text,
        signature: None,
        id: id.clone(),
        format: format.clone(),
    };
    let texts = |name: &str, kind| {
        let parts = item.elements(name).into_iter().filter_map(Object::of);
        parts.map(move |part| (kind, part.text("text").unwrap_or_default()))
    };
    let mut found: Vec<_> = texts("summary", ThoughtKind::Summary)
        .chain(texts("content", ThoughtKind::Text))
        .map(|(kind, text)| thought(kind, text))
        .collect();
    if let Some(data) = item.filled("encrypted_content") {
        found.push(thought(ThoughtKind::Encrypted, data));
    }
    found
}

/// A picture in base64, which this protocol gives without its type.
pub(crate) fn made_image<'a>(
    base64: Cow<'a, str>,
    output_format: Option<Cow<'a, str>>,
) -> Source<'a> {
    Source::Data {
        media_type: match output_format.as_deref() {
            Some("jpeg") => Cow::Borrowed("image/jpeg"),
            Some("webp") => Cow::Borrowed("image/webp"),
            Some("gif") => Cow::Borrowed("image/gif"),
            Some("svg") => Cow::Borrowed("image/svg+xml"),
            _ => Cow::Borrowed("image/png"),
        },
        base64,
    }
}

/// A source that a text names. `None`: the object names none.
pub(crate) fn citation(raw: &str) -> Option<Citation<'_>> {
    let object = Object::of(raw)?;
    Some(Citation {
        url: object.text("url").unwrap_or_default(),
        title: object.text("title").or_else(|| object.text("filename")),
        content: object.text("content"),
        start_index: object.number("start_index"),
        end_index: object.number("end_index"),
        raw: raw_json(raw),
    })
}

/// The content of a message or of a result: a string, or parts.
fn contents<'a>(
    item: &Object<'a>,
    name: &'static str,
    at: &At<'_>,
) -> Result<Vec<Block<'a>>, Refusal> {
    let at = at.member(name);
    let Some(value) = item.value(name) else {
        return Ok(Vec::new());
    };
    if let Some(text) = item.text(name) {
        return Ok(vec![plain(text)]);
    }
    match value.kind {
        Kind::Array => elements(item.raw_of(&value))
            .into_iter()
            .enumerate()
            .map(|(index, raw)| part(raw, &at.element(index)))
            .collect(),
        // Results of tools are now and then sent as the JSON that they are.
        kind if name == "output" && kind == Kind::Object => {
            Ok(vec![plain(Cow::Borrowed(item.raw_of(&value)))])
        }
        kind => Err(at.wrong("a string or an array of parts", kind)),
    }
}

fn part<'a>(raw: &'a str, at: &At<'_>) -> Result<Block<'a>, Refusal> {
    let Some(part) = Object::of(raw) else {
        return Err(refused(format!("`{at}` must be an object with a `type`")));
    };
    let kind = part.need_text(at, "type")?;
    let cache = mark(&part);
    Ok(match kind.as_ref() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            Block::Text(Text {
                text: part.need_text(at, "text")?,
                cache,
                citations: part
                    .elements("annotations")
                    .into_iter()
                    .filter_map(citation)
                    .collect(),
                signature: None,
            })
        }
        "refusal" => Block::Refusal(part.need_text(at, "refusal")?),
        "input_image" | "image_url" => {
            // The chat API nests the address; some clients mix the two.
            let nested = part
                .object("image_url")
                .and_then(|nested| nested.text("url"));
            let url = match nested {
                Some(url) => Some(url),
                None => part.text_at(at, "image_url")?,
            };
            Block::Image {
                source: match (url, part.text_at(at, "file_id")?) {
                    (Some(url), _) => Source::of_url(url),
                    (None, Some(id)) => Source::Id(id),
                    (None, None) => return Err(at.member("image_url").missing("a string")),
                },
                detail: part.text_at(at, "detail")?,
                cache,
            }
        }
        "input_file" => Block::File {
            source: file(&part, at)?,
            name: part.text_at(at, "filename")?,
            cache,
        },
        "input_audio" => {
            let nested = part.object("input_audio");
            let audio = nested.as_ref().unwrap_or(&part);
            Block::Audio {
                data: audio.need_text(at, "data")?,
                format: audio.need_text(at, "format")?,
                transcript: None,
                id: None,
            }
        }
        "input_video" => Block::Video {
            source: Source::of_url(part.need_text(at, "video_url")?),
        },
        other => {
            return Err(at.member("type").unknown(
                "one of `input_text`, `input_image`, `input_file`, `input_audio`, `input_video`, `output_text` and `refusal`",
                other,
            ));
        }
    })
}

fn file<'a>(part: &Object<'a>, at: &At<'_>) -> Result<Source<'a>, Refusal> {
    if let Some(data) = part.text_at(at, "file_data")? {
        return Ok(match Source::of_url(data) {
            // Base64 without a head says nothing about its type; files here are PDFs as a rule.
            Source::Url(base64) if !base64.contains(':') => Source::Data {
                media_type: Cow::Borrowed("application/pdf"),
                base64,
            },
            source => source,
        });
    }
    if let Some(url) = part.text_at(at, "file_url")? {
        return Ok(Source::of_url(url));
    }
    match part.text_at(at, "file_id")? {
        Some(id) => Ok(Source::Id(id)),
        None => Err(at
            .member("file_data")
            .missing("a data URL, unless `file_url` or `file_id` is given")),
    }
}

/// A cache breakpoint: this API's own, or the one that OpenRouter takes everywhere (openrouter.md §2.11).
fn mark<'a>(part: &Object<'a>) -> Option<CacheMark<'a>> {
    if let Some(mark) = part.object("cache_control") {
        return Some(CacheMark {
            ttl: mark.text("ttl"),
        });
    }
    part.value("prompt_cache_breakpoint")
        .map(|_| CacheMark::default())
}

fn plain(text: Cow<'_, str>) -> Block<'_> {
    Block::Text(Text {
        text,
        ..Text::default()
    })
}
