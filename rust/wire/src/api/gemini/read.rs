//! A request of generateContent becomes a wish in the middle shape.
//!
//! Both of Google's spellings are read. What only Gemini has and other models do without (safety settings, the resolution of media) is left
//! out; what would change the meaning (a kept cache, several candidates) is refused.
//!
//! Clients of Gemini tie results to calls by ids, by names, or by order alone. Calls without an id are given one that depends on
//! nothing but their number in the conversation, so that later requests give the same ones and prompt caches hold.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::gemini::{schema, signature};
use crate::dialect::gemini::part::{self, Part};
use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::exchange::{
    Ask, Block, Effort, Format, Function, Reasoning, Role, Text, Tool, ToolCall, ToolChoice,
    ToolResult, Turn,
};
use crate::json::Kind;
use crate::refusal::{self, Refusal};

/// Why a body was not read.
enum Stop {
    Wrong(Wrong),
    Refused(Refusal),
}

/// Reads a body.
pub(crate) fn read(text: &str) -> Result<Ask<'_>, Refusal> {
    let mut reader = Reader::default();
    let mut typed = Typed::strict(text);
    let read = match reader.request(&mut typed) {
        Ok(()) => reader.finish().map_err(Stop::Refused),
        Err(wrong) => Err(Stop::Wrong(wrong)),
    };
    read.map_err(|stop| match stop {
        Stop::Wrong(wrong) => wrong.refusal(text),
        Stop::Refused(refusal) => refusal,
    })
}

/// What has been read.
#[derive(Default)]
struct Reader<'a> {
    ask: Ask<'a>,
    /// Calls that have no result yet: id and name.
    unanswered: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    calls: usize,
    /// A content's role that is none.
    role_wrong: Option<String>,
    /// `functionCallingConfig.mode`.
    mode: Option<Cow<'a, str>>,
    /// `allowedFunctionNames`.
    allowed: Vec<Cow<'a, str>>,
    candidates: Option<u64>,
    media_type: Option<Cow<'a, str>>,
    schema: Option<Cow<'a, RawValue>>,
    cached: bool,
    thinking: Option<Thinking>,
}

#[derive(Default)]
struct Thinking {
    include: bool,
    budget: Option<Budget>,
    effort: Option<Effort>,
}

/// `thinkingBudget`: -1 leaves it to the model.
enum Budget {
    Dynamic,
    Tokens(u64),
}

/// What `{}` is, for a search that is asked for without options.
fn no_options() -> Option<&'static RawValue> {
    serde_json::from_str("{}").ok()
}

fn refused(message: String) -> Refusal {
    Refusal::new(refusal::Kind::InvalidRequest).with_message(message)
}

impl<'a> Reader<'a> {
    fn request(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        typed.object("request", |typed, key| {
            match key {
                "contents" => match typed.peek() {
                    // One content may stand without its list.
                    Some(Kind::Object) => self.content(typed)?,
                    _ => {
                        typed.array("contents", |typed| self.content(typed))?;
                    }
                },
                "systemInstruction" | "system_instruction" => self.instructions(typed)?,
                "tools" => match typed.peek() {
                    // One tool may stand without its list, as Google takes it.
                    Some(Kind::Object) => self.tool(typed)?,
                    _ => {
                        typed.array("tools", |typed| self.tool(typed))?;
                    }
                },
                "toolConfig" | "tool_config" => self.tool_config(typed)?,
                "generationConfig" | "generation_config" => self.generation_config(typed)?,
                "cachedContent" | "cached_content" => {
                    let name = typed.string("cachedContent")?;
                    self.cached = name.is_some_and(|name| !name.is_empty());
                }
                "labels" => self.ask.metadata = typed.raw()?,
                "serviceTier" | "service_tier" => {
                    self.ask.service_tier =
                        typed.string("serviceTier")?.and_then(|tier| match &*tier {
                            "unspecified" | "" => None,
                            "standard" => Some(Cow::Borrowed("default")),
                            _ => Some(tier),
                        });
                }
                // The model stands in the path; the rest only Gemini has, and its answers do without.
                "model" | "safetySettings" | "safety_settings" | "store" | "modelArmorConfig" => {
                    typed.skip()?;
                }
                other => {
                    let name = Cow::Owned(other.to_owned());
                    self.ask.extra.extend(typed.raw()?.map(|raw| (name, raw)));
                }
            }
            Ok(())
        })?;
        typed.finish()
    }

    fn instructions(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        if typed.peek() == Some(Kind::Plain) {
            let text = typed.string("systemInstruction")?.unwrap_or_default();
            self.ask.system.push(plain(text));
            return Ok(());
        }
        let mut parts = Vec::new();
        typed.object("systemInstruction", |typed, key| {
            match key {
                "parts" => read_parts(typed, &mut parts)?,
                _ => typed.skip()?,
            }
            Ok(())
        })?;
        for part in parts {
            match (part.text, part.medium) {
                (_, Some(medium)) => self.ask.system.push(medium.block()),
                (Some(text), None) => self.ask.system.push(plain(text)),
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn content(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        if typed.peek() == Some(Kind::Plain) {
            let text = typed.string("contents[]")?.unwrap_or_default();
            self.turn(Role::User).push(plain(text));
            return Ok(());
        }
        let mut role = Role::User;
        let mut parts = Vec::new();
        let given = typed.object("contents[]", |typed, key| {
            match key {
                "role" => {
                    let word = typed.string("contents[].role")?.unwrap_or_default();
                    role = match &*word {
                        "model" | "assistant" => Role::Assistant,
                        "" | "user" | "function" | "tool" => Role::User,
                        "system" => Role::System,
                        _ => {
                            self.role_wrong
                                .get_or_insert_with(|| word.chars().take(40).collect());
                            Role::User
                        }
                    };
                }
                "parts" => read_parts(typed, &mut parts)?,
                _ => typed.skip()?,
            }
            Ok(())
        })?;
        if !given {
            return Ok(());
        }
        self.turn(role);
        for part in parts {
            self.part(part, role);
        }
        Ok(())
    }

    /// The blocks of the last turn if it has this role, else of a new one: libraries keep a streamed answer as one content per event.
    fn turn(&mut self, role: Role) -> &mut Vec<Block<'a>> {
        let joins = self.ask.turns.last().is_some_and(|turn| turn.role == role);
        if !joins {
            self.ask.turns.push(Turn {
                role,
                blocks: Vec::new(),
                name: None,
            });
        }
        match self.ask.turns.last_mut() {
            Some(turn) => &mut turn.blocks,
            // Never: a turn was pushed if there was none.
            None => &mut self.ask.system,
        }
    }

    fn part(&mut self, part: Part<'a>, role: Role) {
        if let Some(call) = part.call {
            let number = self.calls;
            self.calls += 1;
            let id = call
                .id
                .filter(|id| !id.is_empty())
                .unwrap_or_else(|| Cow::Owned(format!("call_{number}")));
            let name = call.name.unwrap_or_default();
            self.unanswered.push((id.clone(), name.clone()));
            self.turn(role).push(Block::ToolCall(ToolCall {
                id,
                name,
                arguments: call.args.map_or(Cow::Borrowed("{}"), Cow::Borrowed),
                signature: part.signature,
                ..ToolCall::default()
            }));
            return;
        }
        if let Some(response) = part.response {
            let result = self.result(response);
            // Results are what the user's side says, whatever the role.
            self.turn(Role::User).push(Block::ToolResult(result));
            return;
        }
        if let Some(medium) = part.medium {
            self.turn(role).push(medium.block());
            return;
        }
        if let Some(foreign) = part.foreign {
            let raw = serde_json::from_str(foreign).ok().map(Block::Foreign);
            self.turn(role).extend(raw);
            return;
        }
        let text = part.text.unwrap_or_default();
        if part.thought {
            self.thought(text, part.signature, role);
            return;
        }
        let blocks = self.turn(role);
        match (text.is_empty(), blocks.last_mut()) {
            (true, _) if part.signature.is_none() => {}
            (true, Some(Block::Text(last))) if last.signature.is_none() => {
                last.signature = part.signature;
            }
            _ => blocks.push(Block::Text(Text {
                text,
                signature: part.signature,
                ..Text::default()
            })),
        }
    }

    /// A streamed thought comes back in pieces, the last one with what we packed for it.
    fn thought(&mut self, text: Cow<'a, str>, signature: Option<Cow<'a, str>>, role: Role) {
        let signed = signature.is_some();
        let mut thought = signature::thought(text, signature);
        let blocks = self.turn(role);
        let encrypted = thought.kind == crate::exchange::ThoughtKind::Encrypted;
        match blocks.last_mut() {
            Some(Block::Thought(last))
                if last.signature.is_none() && last.id.is_none() && !encrypted =>
            {
                let mut joined = std::mem::take(&mut last.text);
                match joined.is_empty() {
                    true => joined = thought.text,
                    false => joined.to_mut().push_str(&thought.text),
                }
                thought.text = joined;
                if !signed {
                    thought.format = std::mem::take(&mut last.format);
                }
                *last = thought;
            }
            _ if thought.text.is_empty() && !signed => {}
            _ => blocks.push(Block::Thought(thought)),
        }
    }

    fn result(&mut self, response: part::Response<'a>) -> ToolResult<'a> {
        let id = response.id.filter(|id| !id.is_empty());
        let name = response.name.filter(|name| !name.is_empty());
        let at = match (&id, &name) {
            (Some(id), _) => self.unanswered.iter().position(|(call, _)| call == id),
            (None, Some(name)) => self
                .unanswered
                .iter()
                .position(|(_, called)| called == name),
            (None, None) => (!self.unanswered.is_empty()).then_some(0),
        };
        let call = at.map(|at| self.unanswered.remove(at));
        let (call_id, called) = match call {
            Some((id, name)) => (Some(id), Some(name)),
            None => (None, None),
        };
        let raw = response.response.unwrap_or("{}");
        let (text, is_error) = match part::only_member(raw, &["error", "output", "result"]) {
            Some((member, value)) => (part::string_or_raw(value), member == "error"),
            None => (Cow::Borrowed(raw), false),
        };
        let mut blocks = vec![plain(text)];
        blocks.extend(response.media.into_iter().map(part::Medium::block));
        ToolResult {
            call_id: id.or(call_id).or_else(|| name.clone()).unwrap_or_default(),
            name: name.or(called),
            blocks,
            is_error,
            ..ToolResult::default()
        }
    }

    fn tool(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        typed.peek();
        let start = typed.offset();
        let mut server = None;
        typed.object("tools[]", |typed, key| {
            match key {
                "functionDeclarations" | "function_declarations" => {
                    typed.array("tools[].functionDeclarations", |typed| self.function(typed))?;
                }
                "googleSearch"
                | "google_search"
                | "googleSearchRetrieval"
                | "google_search_retrieval" => {
                    if typed.raw_text()?.is_some() {
                        self.ask.web_search = no_options();
                    }
                }
                other => {
                    let given = typed.raw_text()?.is_some();
                    server = given.then(|| other.to_owned()).or(server.take());
                }
            }
            Ok(())
        })?;
        let raw = typed.text().get(start..typed.offset()).unwrap_or_default();
        if let (Some(kind), Ok(raw)) = (server, serde_json::from_str(raw)) {
            self.ask.tools.push(Tool::Server {
                kind: Cow::Owned(kind),
                raw,
            });
        }
        Ok(())
    }

    fn function(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        let mut function = Function::default();
        let given = typed.object("tools[].functionDeclarations[]", |typed, key| {
            match key {
                "name" => {
                    let name = typed.string("tools[].functionDeclarations[].name")?;
                    function.name = name.unwrap_or_default();
                }
                "description" => {
                    function.description =
                        typed.string("tools[].functionDeclarations[].description")?;
                }
                "parameters" => {
                    if let Some(raw) = typed.raw()? {
                        function.parameters = schema::converted(raw).map(Cow::Owned);
                    }
                }
                "parametersJsonSchema" | "parameters_json_schema" => {
                    if let Some(raw) = typed.raw()? {
                        function.parameters = Some(Cow::Borrowed(raw));
                    }
                }
                _ => typed.skip()?,
            }
            Ok(())
        })?;
        if given {
            self.ask.tools.push(Tool::Function(function));
        }
        Ok(())
    }

    fn tool_config(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        typed.object("toolConfig", |typed, key| {
            if !matches!(key, "functionCallingConfig" | "function_calling_config") {
                return typed.skip();
            }
            typed.object("toolConfig.functionCallingConfig", |typed, key| {
                match key {
                    "mode" => {
                        self.mode = typed.string("toolConfig.functionCallingConfig.mode")?;
                    }
                    "allowedFunctionNames" | "allowed_function_names" => {
                        let member = "toolConfig.functionCallingConfig.allowedFunctionNames";
                        typed.array(member, |typed| {
                            self.allowed.extend(typed.string(member)?);
                            Ok(())
                        })?;
                    }
                    _ => typed.skip()?,
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    }

    fn generation_config(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        typed.object("generationConfig", |typed, key| {
            let ask = &mut self.ask;
            match key {
                "temperature" => ask.temperature = typed.number("generationConfig.temperature")?,
                "topP" | "top_p" => ask.top_p = typed.number("generationConfig.topP")?,
                "topK" | "top_k" => ask.top_k = typed.number("generationConfig.topK")?,
                "seed" => ask.seed = typed.number("generationConfig.seed")?,
                "presencePenalty" | "presence_penalty" => {
                    ask.presence_penalty = typed.number("generationConfig.presencePenalty")?;
                }
                "frequencyPenalty" | "frequency_penalty" => {
                    ask.frequency_penalty = typed.number("generationConfig.frequencyPenalty")?;
                }
                "maxOutputTokens" | "max_output_tokens" => {
                    ask.max_tokens = typed.whole("generationConfig.maxOutputTokens")?;
                }
                "candidateCount" | "candidate_count" => {
                    self.candidates = typed.whole("generationConfig.candidateCount")?;
                }
                "stopSequences" | "stop_sequences" => {
                    typed.array("generationConfig.stopSequences", |typed| {
                        ask.stop
                            .extend(typed.string("generationConfig.stopSequences[]")?);
                        Ok(())
                    })?;
                }
                "responseMimeType" | "response_mime_type" => {
                    self.media_type = typed.string("generationConfig.responseMimeType")?;
                }
                "responseSchema" | "response_schema" => {
                    let converted = typed.raw()?.and_then(schema::converted);
                    self.schema = converted.map(Cow::Owned).or(self.schema.take());
                }
                "responseJsonSchema" | "response_json_schema" | "_responseJsonSchema" => {
                    self.schema = typed.raw()?.map(Cow::Borrowed).or(self.schema.take());
                }
                "responseLogprobs" | "response_logprobs" => {
                    ask.logprobs = typed.boolean("generationConfig.responseLogprobs")?;
                }
                "logprobs" => ask.top_logprobs = typed.whole("generationConfig.logprobs")?,
                "responseModalities" | "response_modalities" => {
                    typed.array("generationConfig.responseModalities", |typed| {
                        let word = typed.string("generationConfig.responseModalities[]")?;
                        ask.modalities
                            .extend(word.map(|word| Cow::Owned(word.to_ascii_lowercase())));
                        Ok(())
                    })?;
                }
                "imageConfig" | "image_config" => ask.image_config = typed.raw()?,
                "thinkingConfig" | "thinking_config" => self.thinking_config(typed)?,
                _ => typed.skip()?,
            }
            Ok(())
        })?;
        Ok(())
    }

    fn thinking_config(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        let mut thinking = Thinking::default();
        let given = typed.object("generationConfig.thinkingConfig", |typed, key| {
            match key {
                "includeThoughts" | "include_thoughts" => {
                    let member = "generationConfig.thinkingConfig.includeThoughts";
                    thinking.include = typed.boolean(member)?.unwrap_or(false);
                }
                "thinkingBudget" | "thinking_budget" => {
                    let member = "generationConfig.thinkingConfig.thinkingBudget";
                    let number = typed.number(member)?.map(RawValue::get);
                    thinking.budget = number.map(|number| match crate::json::whole(number) {
                        Some(tokens) => Budget::Tokens(tokens),
                        None => Budget::Dynamic,
                    });
                }
                "thinkingLevel" | "thinking_level" => {
                    let member = "generationConfig.thinkingConfig.thinkingLevel";
                    let level = typed.string(member)?;
                    // An unknown word, or none, leaves it to the model.
                    thinking.effort =
                        level.and_then(|level| Effort::of(&level.to_ascii_lowercase()));
                }
                _ => typed.skip()?,
            }
            Ok(())
        })?;
        self.thinking = given.then_some(thinking).or(self.thinking.take());
        Ok(())
    }

    /// What depends on several members.
    fn finish(mut self) -> Result<Ask<'a>, Refusal> {
        if let Some(seen) = self.role_wrong {
            return Err(refused(format!(
                "`contents[].role` must be \"user\" or \"model\"; seen: \"{seen}\""
            )));
        }
        if self.ask.turns.iter().all(|turn| turn.blocks.is_empty()) {
            // An empty prompt is one, as long as somebody says it.
            if let Some(turn) = self.ask.turns.last_mut() {
                turn.blocks.push(plain(Cow::Borrowed("")));
            }
        }
        if self.ask.turns.is_empty() {
            return Err(refused(
                "`contents` must hold at least one content with parts; seen: none".to_owned(),
            ));
        }
        if self.cached {
            return Err(refused(
                "`cachedContent` names a cache at Google, which no other provider can read; send the content itself, or choose an endpoint that speaks Gemini's protocol".to_owned(),
            ));
        }
        if self.candidates.is_some_and(|count| count > 1) {
            return Err(refused(
                "`generationConfig.candidateCount` must be 1 at an endpoint that does not speak Gemini's protocol".to_owned(),
            ));
        }
        self.ask.format = match (self.media_type.as_deref(), self.schema) {
            (Some("text/x.enum"), _) => {
                return Err(refused(
                    "`generationConfig.responseMimeType` \"text/x.enum\" is known to Gemini's protocol only; use \"application/json\" with a schema".to_owned(),
                ));
            }
            (_, Some(schema)) => Some(Format::JsonSchema {
                name: Cow::Borrowed("response"),
                schema,
                strict: None,
                description: None,
            }),
            (Some("application/json"), None) => Some(Format::JsonObject),
            _ => None,
        };
        self.ask.reasoning = self.thinking.map(reasoning);
        if !self.allowed.is_empty() {
            let allowed = &self.allowed;
            self.ask.tools.retain(|tool| match tool {
                Tool::Function(function) => allowed.contains(&function.name),
                _ => true,
            });
        }
        self.ask.tool_choice = match self.mode.as_deref() {
            Some("NONE" | "none") => Some(ToolChoice::None),
            Some("ANY" | "any") => Some(match self.allowed.as_slice() {
                [name] => ToolChoice::Named(name.clone()),
                _ => ToolChoice::Required,
            }),
            // VALIDATED checks calls against their schemas, and chooses as AUTO does.
            Some("AUTO" | "auto" | "VALIDATED" | "validated") => Some(ToolChoice::Auto),
            None | Some("" | "MODE_UNSPECIFIED") => None,
            Some(other) => {
                let seen: String = other.chars().take(40).collect();
                return Err(refused(format!(
                    "`toolConfig.functionCallingConfig.mode` must be AUTO, ANY, NONE or VALIDATED; seen: \"{seen}\""
                )));
            }
        };
        Ok(self.ask)
    }
}

/// Gemini's thoughts are shown only if they are asked for.
fn reasoning(thinking: Thinking) -> Reasoning<'static> {
    let mut reasoning = Reasoning {
        exclude: !thinking.include,
        effort: thinking.effort,
        ..Reasoning::default()
    };
    match thinking.budget {
        Some(Budget::Tokens(0)) => reasoning.enabled = Some(false),
        Some(Budget::Tokens(tokens)) => reasoning.max_tokens = Some(tokens),
        Some(Budget::Dynamic) => {
            reasoning.enabled = Some(true);
            reasoning.adaptive = true;
        }
        // To want to see thought is to want it.
        None if thinking.include => reasoning.enabled = Some(true),
        None => {}
    }
    reasoning
}

fn plain(text: Cow<'_, str>) -> Block<'_> {
    Block::Text(Text {
        text,
        ..Text::default()
    })
}

fn read_parts<'a>(typed: &mut Typed<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Wrong> {
    match typed.peek() {
        // One part may stand without its list.
        Some(Kind::Object) => parts.extend(part::read(typed)?),
        _ => {
            typed.array("contents[].parts", |typed| {
                parts.extend(part::read(typed)?);
                Ok(())
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> Ask<'_> {
        read(text).unwrap()
    }

    #[test]
    fn results_find_their_calls_by_id_by_name_and_by_order() {
        let ask = ask(r#"{"contents":[
            {"role":"user","parts":[{"text":"go"}]},
            {"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"f"}},{"functionCall":{"id":"x","name":"g"}}]},
            {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"one"}}},{"function_response":{"id":"x","name":"g","response":{"error":"no"}}},{"functionResponse":{"name":"f","response":{"a":1,"b":2}}}]}]}"#);
        let results: Vec<_> = ask.turns[2]
            .blocks
            .iter()
            .map(|block| match block {
                Block::ToolResult(result) => {
                    let Block::Text(text) = &result.blocks[0] else {
                        panic!("a result begins with its text")
                    };
                    (&*result.call_id, &*text.text, result.is_error)
                }
                other => panic!("expected a result: {other:?}"),
            })
            .collect();
        assert_eq!(
            results,
            [
                ("call_0", "one", false),
                ("x", "no", true),
                ("call_1", r#"{"a":1,"b":2}"#, false)
            ]
        );
    }

    #[test]
    fn contents_of_one_side_are_joined_and_thoughts_mended() {
        let packed = signature::pack(
            crate::exchange::ThoughtKind::Text,
            crate::exchange::format::ANTHROPIC,
            "",
            "SIG",
        );
        let text = format!(
            r#"{{"contents":[{{"role":"model","parts":[{{"text":"a","thought":true}}]}},{{"role":"model","parts":[{{"text":"b","thought":true}}]}},{{"role":"model","parts":[{{"text":"","thought":true,"thoughtSignature":"{packed}"}},{{"text":"c"}}]}}]}}"#
        );
        let ask = ask(&text);
        assert_eq!(ask.turns.len(), 1);
        let [Block::Thought(thought), Block::Text(_)] = ask.turns[0].blocks.as_slice() else {
            panic!("{:?}", ask.turns[0].blocks);
        };
        assert_eq!(thought.text, "ab");
        assert_eq!(thought.signature.as_deref(), Some("SIG"));
        assert_eq!(thought.format, crate::exchange::format::ANTHROPIC);
    }

    #[test]
    fn thinking_is_a_wish_for_reasoning() {
        let told = |config: &str| {
            let text = format!(
                r#"{{"contents":[{{"parts":[{{"text":"x"}}]}}],"generationConfig":{{"thinkingConfig":{config}}}}}"#
            );
            let it = ask(&text).reasoning.unwrap();
            (it.wanted(), it.max_tokens, it.effort, it.exclude)
        };
        assert_eq!(
            told(r#"{"thinkingBudget":0}"#),
            (Some(false), None, None, true)
        );
        assert_eq!(
            told(r#"{"thinkingBudget":-1}"#),
            (Some(true), None, None, true)
        );
        assert_eq!(
            told(r#"{"thinking_budget":2000,"include_thoughts":true}"#),
            (Some(true), Some(2000), None, false)
        );
        assert_eq!(
            told(r#"{"thinkingLevel":"LOW"}"#),
            (Some(true), None, Some(Effort::Low), true)
        );
    }

    #[test]
    fn what_only_google_can_do_is_refused_by_name() {
        for (body, member) in [
            (
                r#"{"contents":[{"parts":[{"text":"x"}]}],"cachedContent":"cachedContents/1"}"#,
                "cachedContent",
            ),
            (
                r#"{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"candidateCount":2}}"#,
                "candidateCount",
            ),
            (r#"{"contents":[]}"#, "contents"),
            (
                r#"{"contents":[{"role":"robot","parts":[{"text":"x"}]}]}"#,
                "robot",
            ),
            (
                r#"{"contents":[{"parts":[{"text":5}]}]}"#,
                "contents[].parts[].text",
            ),
            (
                r#"{"contents":[{"parts":[{"text":"x"}]}],"toolConfig":{"functionCallingConfig":{"mode":"MAYBE"}}}"#,
                "MAYBE",
            ),
        ] {
            let refusal = read(body).unwrap_err();
            assert!(refusal.message.contains(member), "{}", refusal.message);
            assert_eq!(refusal.status(), 400);
        }
    }

    #[test]
    fn what_google_takes_without_its_list_or_without_words_is_read() {
        let lone = ask(
            r#"{"contents":{"parts":{"text":""}},"tools":{"functionDeclarations":[{"name":"a"}]}}"#,
        );
        assert!(
            matches!(lone.turns[0].blocks.as_slice(), [Block::Text(text)] if text.text.is_empty())
        );
        assert!(
            matches!(lone.tools.as_slice(), [Tool::Function(function)] if function.name == "a")
        );
    }

    #[test]
    fn only_allowed_functions_are_offered() {
        let ask = ask(
            r#"{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"a"},{"name":"b"},{"name":"c"}]},{"googleSearch":{}},{"urlContext":{}}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["a","c"]}}}"#,
        );
        assert_eq!(ask.tool_choice, Some(ToolChoice::Required));
        let names: Vec<_> = ask
            .tools
            .iter()
            .map(|tool| match tool {
                Tool::Function(function) => &*function.name,
                Tool::Server { kind, .. } => kind,
                Tool::Custom { name, .. } => name,
            })
            .collect();
        assert_eq!(names, ["a", "c", "urlContext"]);
        assert!(ask.web_search.is_some());
    }
}
