//! A client's body: what routing reads of it, and the body that goes upstream.
//!
//! The body is walked once. Members that the gateway acts on are remembered as spans; all the rest is validated and left
//! alone. The body for a provider is the client's own bytes with a few spans replaced, so unknown fields survive, and nothing is
//! serialised again.
//!
//! **One reading.** If a member of interest stands twice, or a top-level key is written with escapes, then two parsers could read the
//! body differently, and the model that is booked might not be the one that answers. Such a body is first rewritten to its
//! canonical form ([`crate::json::canonical`]: keys decoded, the last value kept, values byte for byte), and from there on that form *is*
//! the body.
//!
//! **What is judged here.** What the gateway itself acts on (a `model` that is no string, a `stream` that is no boolean, a
//! `models` or `provider` that cannot be understood), and what OpenRouter's API limits whoever serves (openrouter.md §2.1). Everything
//! else is for the provider to judge, which knows its own rules.
//!
//! **What changes on the way** to a provider that speaks the client's API: the model's name, that a stream ends with its usage, the
//! client's `user`, which no provider gets as it is; the gateway's own members go, and so do parameters that the endpoint is known
//! not to take; OpenRouter's and OpenAI's newer words are said in those that the provider has.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::api::chat::{Stated, stop_texts};
use crate::api::{self, Api, Task};
pub use crate::dialect::Target;
use crate::dialect::openai::{has_newest_words, write_wish};
use crate::dialect::{self, Dialect, MaxTokens, ReasoningWords};
use crate::feature;
use crate::json::{self, Key, Kind, Malformed, Reach, Span, Value, Walker};
use crate::member::{self, Path};
use crate::merge;
use crate::multipart::{self, FormReader};
use crate::opaque::{self, Counted};
use crate::parameter::Parameter;
use crate::preferences::{self, Preferences};
use crate::reading::each_member;
use crate::refusal::{Kind as RefusalKind, Refusal};

/// What a body is unless it is a form.
const JSON: &str = "application/json";
/// Most entries of `models`, and of each list in `provider`. More is refused.
pub const LIST_MAX: usize = 64;

/// Most entries of Anthropic's `fallbacks`, by openrouter.md §1.2.4.
pub const FALLBACKS_MAX: usize = 3;

/// Most characters of `session_id` (checklist Q16).
pub const SESSION_ID_CHARS_MAX: usize = 256;

/// Most entries of `metadata`, and most characters of a key and of a value (checklist Q15).
pub const METADATA_MAX: (usize, usize, usize) = (16, 64, 512);

/// A client's request, read.
#[derive(Debug)]
pub struct Request {
    body: Vec<u8>,
    api: Api,
    /// Offset after the opening brace, where a member can be inserted.
    inside: usize,
    /// Whether the object has any member.
    members: usize,
    model: Option<Text>,
    /// Span of the `model` member's value when it stands in the body, null included.
    model_value: Option<Span>,
    models: Vec<String>,
    stream: bool,
    /// End of the `stream` member's value.
    stream_end: usize,
    stream_options: StreamOptions,
    max_tokens: Option<u64>,
    preferences: Option<Box<Preferences>>,
    service_tier: Option<Text>,
    /// Whether Anthropic's API asks for the fast mode of a model.
    fast: bool,
    /// Where APIs that do not have `response_format` say the form of the answer.
    form_of_answer: Option<Span>,
    session_id: Option<Text>,
    prompt_cache_key: Option<Text>,
    user: Option<Text>,
    /// Whether the client wants no thought to be shown.
    hides_thought: bool,
    /// Members that may have to go or to change, in the order of the body.
    noted: Vec<Noted>,
    /// What a form says, when the body is one.
    form: Option<Box<Form>>,
}

/// A body of `multipart/form-data`.
#[derive(Debug)]
struct Form {
    /// With its boundary, as the client gave it.
    content_type: String,
    /// The value of the field.
    model: Option<Span>,
    /// The value of the field.
    user: Option<Span>,
    counted: Counted,
}

/// A string of the body: where it stands if it has no escapes, else its text.
#[derive(Debug)]
enum Text {
    /// Between the quotes.
    At(Span),
    Decoded(String),
}

/// A top-level member that may have to be taken out, or said otherwise.
#[derive(Debug, Clone, Copy)]
struct Noted {
    what: What,
    value: Value,
    /// Where the value before it ends; the start of the key for the first member.
    before: usize,
    /// From the start of its key to the end of its value.
    span: Span,
    /// Start of the next key; the end of the value for the last member.
    next: usize,
    /// Position among the members, from 0.
    index: usize,
}

/// What a noted member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// One of [`ROUTING_FIELDS`].
    Routing,
    /// Anthropic's word for `models`; it routes only there.
    Fallbacks,
    /// A parameter in which endpoints differ.
    Parameter(Parameter),
    /// A word of OpenRouter's that no other provider has.
    Extension,
    User,
    Metadata,
    StreamOptions,
    Store,
    Background,
    PreviousResponseId,
}

/// What becomes of a noted member.
enum Fate {
    Keep,
    Remove,
    /// The key has another name.
    Rename(&'static str),
    /// Another value.
    Value(Vec<u8>),
    /// Another member.
    Member(Vec<u8>),
}

/// What has to be done so that `stream_options.include_usage` is true.
#[derive(Debug, Clone, Copy)]
enum StreamOptions {
    /// There is no such member: write one after `stream`.
    Absent,
    /// It holds null, or an object that can be read in two ways: the whole value is replaced.
    Replace(Span),
    /// An object without `include_usage`: insert it at the offset; whether members follow.
    Insert(usize, bool),
    /// `include_usage` holds something else than true.
    Set(Span),
    /// It is asked for, or the value is no object and the provider will say so.
    Leave,
}

/// The gateway's own members, which a plain provider would refuse or misunderstand.
pub const ROUTING_FIELDS: [&str; 10] = [
    "models",
    "provider",
    "route",
    "plugins",
    "preset",
    "transforms",
    "session_id",
    "trace",
    "usage",
    "debug",
];

impl Request {
    /// Reads a body of an API that names its model there. The refusal is ready to be sent.
    pub fn read(body: Vec<u8>, api: Api) -> Result<Request, Refusal> {
        Request::read_body(body, api)
    }

    /// Reads a body of an API that names the model, and whether a stream is wanted, in the path.
    pub fn read_beside_path(
        body: Vec<u8>,
        api: Api,
        model: String,
        stream: bool,
    ) -> Result<Request, Refusal> {
        let mut request = Request::read_body(body, api)?;
        request.model = Some(Text::Decoded(model));
        request.stream = stream && api.streams();
        Ok(request)
    }

    /// Reads a form, for the APIs that take files. `None`, with the body: the content type is not a form's.
    pub fn read_form(
        body: Vec<u8>,
        api: Api,
        content_type: &str,
    ) -> Result<Result<Request, Vec<u8>>, Refusal> {
        let boundary = match multipart::boundary(content_type) {
            None => return Ok(Err(body)),
            Some(boundary) => boundary.map_err(|wrong| opaque::malformed(wrong.0))?,
        };
        let mut reader = FormReader::new(boundary);
        reader
            .push(&body)
            .map_err(|wrong| opaque::malformed(wrong.0))?;
        if !reader.is_whole() {
            return Err(opaque::malformed("its closing boundary is missing"));
        }
        opaque::check_form(api, &reader)?;
        let text = |name: &str| -> Result<(Option<Text>, Option<Span>), Refusal> {
            let field = reader
                .field(name)
                .map_err(|wrong| opaque::malformed(wrong.0))?;
            // A value that is empty, or longer than any name, is no name.
            let kept = field.filter(|field| field.value.as_ref().is_some_and(|v| !v.is_empty()));
            Ok((
                kept.map(|field| Text::At(field.span)),
                kept.map(|field| field.span),
            ))
        };
        let (model, model_span) = text("model")?;
        let (user, user_span) = text("user")?;
        Ok(Ok(Request {
            api,
            inside: 0,
            members: 0,
            model,
            model_value: None,
            models: Vec::new(),
            stream: false,
            stream_end: 0,
            stream_options: StreamOptions::Leave,
            max_tokens: None,
            preferences: None,
            service_tier: None,
            fast: false,
            form_of_answer: None,
            session_id: None,
            prompt_cache_key: None,
            user,
            hides_thought: false,
            noted: Vec::new(),
            form: Some(Box::new(Form {
                content_type: content_type.to_owned(),
                model: model_span,
                user: user_span,
                counted: Counted::of_form(api, &reader),
            })),
            body,
        }))
    }

    fn read_body(body: Vec<u8>, api: Api) -> Result<Request, Refusal> {
        let text = match json::text(&body) {
            Ok(text) => text,
            Err(wrong) => return Err(malformed(&body, wrong)),
        };
        match scan(text, false) {
            Ok(scan) => Request::interpret(&scan, true, api, text)
                .map(|request| request.with_body(scan.noted, body)),
            Err(Stop::Malformed(wrong)) => Err(malformed(&body, wrong)),
            Err(Stop::Irregular) => {
                let canonical =
                    json::canonical(text, Reach::Top).map_err(|wrong| malformed(&body, wrong))?;
                match scan(&canonical, true) {
                    Ok(scan) => Request::interpret(&scan, false, api, &canonical)
                        .map(|request| request.with_body(scan.noted, canonical.into_bytes())),
                    Err(Stop::Malformed(wrong)) => Err(malformed(canonical.as_bytes(), wrong)),
                    Err(Stop::Irregular) => Err(Refusal::new(RefusalKind::Server)),
                }
            }
        }
    }

    fn with_body(self, noted: Vec<Noted>, body: Vec<u8>) -> Request {
        Request {
            noted,
            body,
            ..self
        }
    }

    /// All but the body and its noted members. `original`: whether `text` is what the client sent; in its canonical form
    /// offsets mean nothing to the client and are left out of messages.
    fn interpret(scan: &Scan, original: bool, api: Api, text: &str) -> Result<Request, Refusal> {
        let wrong = |name: &str, expected: &str, value: &Value| {
            let mut message = format!("`{name}` must be {expected}; seen: {}", value.kind.name());
            if original {
                let place = Malformed {
                    offset: value.span.start,
                    why: "",
                };
                let (line, column) = place.place(text.as_bytes());
                message.push_str(&format!(
                    " at line {line}, column {column} (byte {})",
                    value.span.start
                ));
            }
            Refusal::new(RefusalKind::InvalidRequest).with_message(message)
        };
        let given =
            |field: Field| scan.values[field as usize].filter(|value| value.kind != Kind::Null);
        let string = |field: Field| given(field).and_then(|value| text_of(&value, text));

        let model = match given(Field::Model) {
            Some(value) if !value.kind.is_string() => {
                return Err(wrong("model", "a string", &value));
            }
            Some(value) => text_of(&value, text),
            None => None,
        };
        let stream = match given(Field::Stream) {
            _ if !api.streams() => false,
            None => false,
            Some(value) => match value.kind {
                Kind::True => true,
                Kind::False => false,
                _ => return Err(wrong("stream", "true or false", &value)),
            },
        };
        let judged = judge(&scan.noted, api, text)?;
        let models = match given(Field::Models) {
            None => judged.fallbacks,
            Some(_) if !judged.fallbacks.is_empty() => {
                return Err(Refusal::new(RefusalKind::InvalidRequest).with_message(
                    "`models` and `fallbacks` say the same thing in two words; send one of them",
                ));
            }
            Some(value) => match strings(value.raw(text)) {
                Some(models) => models,
                None => {
                    return Err(wrong(
                        "models",
                        &format!("an array of at most {LIST_MAX} strings"),
                        &value,
                    ));
                }
            },
        };
        let mut preferences = match given(Field::Provider) {
            None => None,
            Some(value) if value.kind != Kind::Object => {
                return Err(wrong("provider", "an object", &value));
            }
            Some(value) => Some(Box::new(preferences::read(value.raw(text))?)),
        };
        if let Some(value) = given(Field::Route)
            && preferences::read_route(value.raw(text))?
        {
            preferences.get_or_insert_default().across_models = true;
        }
        let whole = |field: Field| given(field).and_then(|value| value.whole(text));
        let stream_options = match scan.values[Field::StreamOptions as usize] {
            None => StreamOptions::Absent,
            Some(value) if stream => stream_options(value, text),
            Some(_) => StreamOptions::Leave,
        };
        // Each API has its own name for it; the others mean nothing there.
        let max_tokens = match api {
            Api::Responses => whole(Field::MaxOutputTokens),
            Api::Gemini => given(Field::GenerationConfig)
                .and_then(|config| max_output_tokens(config.raw(text))),
            _ => whole(Field::MaxCompletionTokens).or_else(|| whole(Field::MaxTokens)),
        };
        let session_id = string(Field::SessionId);
        let prompt_cache_key = string(Field::PromptCacheKey);
        let user = string(Field::User);
        if let Some(value) = given(Field::SessionId)
            && let Some(id) = value.string(text)
            && id.chars().nth(SESSION_ID_CHARS_MAX).is_some()
        {
            let expected = format!("a string of at most {SESSION_ID_CHARS_MAX} characters");
            return Err(wrong("session_id", &expected, &value));
        }
        if api.task().is_opaque() {
            opaque::check(api, text)?;
        }
        Ok(Request {
            api,
            inside: scan.inside,
            members: scan.members,
            model,
            model_value: scan.values[Field::Model as usize].map(|value| value.span),
            models,
            stream,
            stream_end: scan.values[Field::Stream as usize].map_or(0, |value| value.span.end),
            stream_options,
            max_tokens,
            preferences,
            service_tier: string(Field::ServiceTier),
            fast: api == Api::Messages
                && given(Field::Speed).is_some_and(|value| value.raw(text) == "\"fast\""),
            form_of_answer: match api {
                Api::Responses => given(Field::Text),
                Api::Messages => given(Field::OutputConfig),
                Api::Gemini => given(Field::GenerationConfig),
                _ => None,
            }
            .map(|value| value.span),
            session_id,
            prompt_cache_key,
            user,
            hides_thought: judged.hides_thought,
            noted: Vec::new(),
            form: None,
            body: Vec::new(),
        })
    }

    /// What it says about its own use, for answers of opaque operations that say nothing.
    pub fn counted(&self) -> Counted {
        match &self.form {
            Some(form) => form.counted,
            None => Counted::of_json(self.api, self.asked()),
        }
    }

    /// The API that it was read for.
    pub fn api(&self) -> Api {
        self.api
    }

    /// `model`; `None` when absent or null.
    pub fn model(&self) -> Option<&str> {
        self.text(&self.model)
    }

    /// Whether this ASCII character stands in `model`. Cheaper than looking at the name as text.
    pub fn model_holds(&self, character: u8) -> bool {
        match &self.model {
            None => false,
            Some(Text::At(span)) => (self.body.get(span.start..span.end))
                .is_some_and(|name| memchr::memchr(character, name).is_some()),
            Some(Text::Decoded(name)) => memchr::memchr(character, name.as_bytes()).is_some(),
        }
    }

    /// `models`: what to try after `model`, in order. Empty when absent or null.
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// Whether a stream is asked for.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Whether the client of a stream wants to see the bodies that are sent upstream (`debug.echo_upstream_body`, openrouter.md
    /// section 4.9). Of the APIs that have a form for it; with a plain answer it means nothing.
    pub fn wants_echo(&self) -> bool {
        if !self.stream || !matches!(self.api, Api::Chat | Api::Completions | Api::Responses) {
            return false;
        }
        let of = |span: Span| self.body.get(span.start..span.end).unwrap_or_default();
        self.noted.iter().any(|noted| {
            noted.what == What::Routing
                && of(noted.span).starts_with(b"\"debug\"")
                && std::str::from_utf8(of(noted.value.span)).is_ok_and(echoes)
        })
    }

    /// Most tokens that the client wants generated, under the API's own name: `max_completion_tokens` or else `max_tokens`,
    /// `max_output_tokens` of responses, `generationConfig.maxOutputTokens` of Gemini. `None` when it is no whole number.
    pub fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }

    /// The `provider` object.
    pub fn preferences(&self) -> Option<&Preferences> {
        self.preferences.as_deref()
    }

    /// The tier of service that is asked for, in the client's word; Anthropic's `speed` is another word for `priority`.
    pub fn service_tier(&self) -> Option<&str> {
        match self.fast {
            true => Some("priority"),
            false => self.text(&self.service_tier),
        }
    }

    /// Whether a parameter is said something by: neither null nor an empty array.
    pub fn has(&self, parameter: Parameter) -> bool {
        self.value_of(parameter)
            .is_some_and(|raw| !feature::is_empty(raw))
    }

    /// The raw value of a parameter; `None` when absent or null.
    pub(crate) fn value_of(&self, parameter: Parameter) -> Option<&str> {
        let noted = (self.noted.iter())
            .find(|noted| noted.what == What::Parameter(parameter))
            .filter(|noted| noted.value.kind != Kind::Null)?;
        self.slice(noted.value.span)
    }

    /// The object in which an API without `response_format` says the form of the answer.
    pub(crate) fn form_of_answer(&self) -> Option<&str> {
        self.slice(self.form_of_answer?)
    }

    /// Whether the body is a form and not JSON.
    pub fn is_form(&self) -> bool {
        self.form.is_some()
    }

    /// A part of the body, which was checked to be UTF-8 when it was read.
    fn slice(&self, span: Span) -> Option<&str> {
        std::str::from_utf8(self.body.get(span.start..span.end)?).ok()
    }

    /// `session_id`, when it is a string.
    pub fn session_id(&self) -> Option<&str> {
        self.text(&self.session_id)
    }

    /// `prompt_cache_key`, when it is a string.
    pub fn prompt_cache_key(&self) -> Option<&str> {
        self.text(&self.prompt_cache_key)
    }

    /// `user`, when it is a string.
    pub fn user(&self) -> Option<&str> {
        self.text(&self.user)
    }

    /// The body as read: the client's own, or its canonical form where that was needed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The value of one of [`ROUTING_FIELDS`], raw. `None` when it is absent or null.
    pub fn routing_member(&self, name: &str) -> Option<&str> {
        let is_routing =
            |noted: &&Noted| noted.what == What::Routing && noted.value.kind != Kind::Null;
        let mut members = self.noted.iter().filter(is_routing).peekable();
        // Few bodies have any, and looking at the whole body as text costs more than all else here.
        members.peek()?;
        let text = self.asked();
        members
            .find(|noted| is_key(text, noted.span.start, name))
            .map(|noted| noted.value.raw(text))
    }

    /// The members that wish for thought, `reasoning` and `reasoning_effort`, with their raw values. Null is none.
    pub fn reasoning_members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let text = self.asked();
        self.noted.iter().filter_map(move |noted| {
            let name = match noted.what {
                What::Parameter(Parameter::Reasoning) => "reasoning",
                What::Parameter(Parameter::ReasoningEffort) => "reasoning_effort",
                _ => return None,
            };
            (noted.value.kind != Kind::Null).then(|| (name, noted.value.raw(text)))
        })
    }

    /// The same request with another body, and, where the path names the model, with another model.
    pub(crate) fn reread(&self, body: Vec<u8>, model: Option<String>) -> Result<Request, Refusal> {
        match self.api.model_in_path() {
            false => Request::read(body, self.api),
            true => {
                let model = model.or_else(|| self.model().map(str::to_owned));
                Request::read_beside_path(body, self.api, model.unwrap_or_default(), self.stream)
            }
        }
    }

    /// The body as text: it was checked when it was read.
    pub fn asked(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// What the answer of a provider depends on, for [`crate::answer::Serving::asked`]: the body where it is translated or something
    /// has to be hidden, nothing where it passes.
    pub fn asked_of(&self, dialect: Dialect) -> &str {
        match self.api.home() == dialect && dialect == Dialect::OpenAi && !self.hides_thought {
            true => "",
            false => self.asked(),
        }
    }

    /// The body for one endpoint: the client's own bytes where the endpoint speaks its API, else a translation. The refusal says what
    /// the endpoint's protocol cannot express, or, of a body that is translated, what is wrong with it.
    pub fn upstream<'a>(&'a self, target: &Target<'a>) -> Result<Upstream<'a>, Refusal> {
        if let Some(form) = &self.form {
            return Ok(self.pass_form(form, target));
        }
        if !target.overrides.is_empty() {
            let body = merge::changed(self.asked(), target.overrides);
            let changed = self.reread(body.into_bytes(), None)?;
            let target = Target {
                overrides: &[],
                ..*target
            };
            return Ok(changed.upstream(&target)?.into_owned());
        }
        if self.api.task() == Task::Transcribe {
            let (body, content_type) = opaque::form_of(self.asked(), target.model, target.user)?;
            return Ok(Upstream {
                len: body.len(),
                content_type: Cow::Owned(content_type),
                body: Cow::Owned(body),
                edits: Vec::new(),
            });
        }
        // OpenAI-like providers rank in Cohere's words.
        let home = self.api.home() == target.dialect || self.api == Api::Rerank;
        match home && !self.carries_signatures() {
            true => self.pass(target),
            false => self.translate(target),
        }
    }

    /// Whether the conversation holds signatures of other vendors, which the gateway packed and no provider understands
    /// ([`api::messages::carried`]): then the body is written anew without them, because the provider would refuse it.
    fn carries_signatures(&self) -> bool {
        self.api == Api::Messages
            && memchr::memmem::find(&self.body, api::messages::carried::PREFIX.as_bytes()).is_some()
    }

    fn translate(&self, target: &Target<'_>) -> Result<Upstream<'static>, Refusal> {
        let text = self.asked();
        let mut out = Vec::with_capacity(text.len() + text.len() / 8);
        match self.api.task() {
            Task::Generate => {
                let ask = api::read(self.api, text, self.stream)?;
                dialect::write(&ask, target, &mut out)?;
            }
            Task::Embed => {
                let ask = api::read_embed(self.api, text)?;
                dialect::write_embed(&ask, target, &mut out)?;
            }
            Task::Rerank => {
                let ask = api::read_rerank(text)?;
                dialect::write_rerank(&ask, target, &mut out)?;
            }
            Task::CountTokens | Task::Image | Task::Speak | Task::Transcribe | Task::Moderate => {
                return Err(target.inexpressible(self.api.name()));
            }
        }
        Ok(Upstream {
            len: out.len(),
            content_type: Cow::Borrowed(JSON),
            body: Cow::Owned(out),
            edits: Vec::new(),
        })
    }

    fn pass<'a>(&'a self, target: &Target<'a>) -> Result<Upstream<'a>, Refusal> {
        let mut edits = Vec::with_capacity(4 + self.noted.len());
        let mut removed = 0;
        // A member is leading when everything before it is taken out too: then it takes the comma after it, not the one before.
        let mut leading = 0;
        for noted in &self.noted {
            let (span, new) = match self.fate(noted, target)? {
                Fate::Keep => continue,
                Fate::Remove => {
                    removed += 1;
                    let span = match noted.index == leading {
                        true => {
                            leading += 1;
                            Span {
                                start: noted.span.start,
                                end: noted.next,
                            }
                        }
                        false => Span {
                            start: noted.before,
                            end: noted.span.end,
                        },
                    };
                    (span, Cow::Borrowed(b"".as_slice()))
                }
                Fate::Rename(name) => {
                    // A key of interest is written without escapes, so that its quotes end it.
                    let inside = self.body.get(noted.span.start + 1..).unwrap_or_default();
                    let len = memchr::memchr(b'"', inside).unwrap_or(0);
                    let span = Span {
                        start: noted.span.start + 1,
                        end: noted.span.start + 1 + len,
                    };
                    (span, Cow::Borrowed(name.as_bytes()))
                }
                Fate::Value(value) => (noted.value.span, Cow::Owned(value)),
                Fate::Member(member) => (noted.span, Cow::Owned(member)),
            };
            edits.push(Edit { span, new });
        }
        if let Some((name, value)) = target.in_place_of_model() {
            self.put_in_place_of_model(name, value, removed, &mut edits);
        } else if !self.api.model_in_path() {
            self.put_model(target.model, removed, &mut edits);
        }
        if self.stream && target.dialect == Dialect::OpenAi && target.quirks.stream_usage {
            self.ask_for_usage(&mut edits);
        }
        // Few bodies hold the word, and it is looked for before anything else is done.
        if !target.quirks.developer_role
            && self.api == Api::Chat
            && DEVELOPER.find(&self.body).is_some()
        {
            rename_developers(self.asked(), &mut edits);
        }
        if self.api == Api::Responses {
            // Thoughts of other protocols that this gateway packed for the client: no provider could read them.
            let sealed = api::responses::sealed_items(self.asked());
            edits.extend(sealed.into_iter().map(|span| Edit {
                span,
                new: Cow::Borrowed(b""),
            }));
        }
        // What is inserted at an offset stays before what is removed from there on.
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let removed: usize = edits
            .iter()
            .map(|edit| edit.span.end - edit.span.start)
            .sum();
        let added: usize = edits.iter().map(|edit| edit.new.len()).sum();
        Ok(Upstream {
            body: Cow::Borrowed(&self.body),
            content_type: Cow::Borrowed(JSON),
            len: self.body.len() - removed + added,
            edits,
        })
    }

    /// The client's form with the model's name changed, and the user's where another stands for it.
    fn pass_form<'a>(&'a self, form: &'a Form, target: &Target<'a>) -> Upstream<'a> {
        let changes = [(form.model, Some(target.model)), (form.user, target.user)];
        let mut edits: Vec<Edit<'_>> = changes
            .into_iter()
            .filter_map(|(span, new)| {
                Some(Edit {
                    span: span?,
                    new: Cow::Borrowed(new?.as_bytes()),
                })
            })
            .collect();
        edits.sort_by_key(|edit| edit.span.start);
        let removed: usize = edits
            .iter()
            .map(|edit| edit.span.end - edit.span.start)
            .sum();
        let added: usize = edits.iter().map(|edit| edit.new.len()).sum();
        Upstream {
            body: Cow::Borrowed(&self.body),
            content_type: Cow::Borrowed(&form.content_type),
            len: self.body.len() - removed + added,
            edits,
        }
    }

    /// What becomes of a member at an endpoint that speaks the client's API.
    fn fate(&self, noted: &Noted, target: &Target<'_>) -> Result<Fate, Refusal> {
        let openai = self.api.home() == Dialect::OpenAi;
        let routed = target.routing_fields || target.quirks.reasoning == ReasoningWords::Object;
        match noted.what {
            What::Routing if !target.routing_fields => Ok(Fate::Remove),
            // What parameters mean in images and audio is the provider's alone, whatever chat's are called.
            What::Parameter(_) | What::Extension | What::StreamOptions
                if self.api.task().is_opaque() =>
            {
                Ok(Fate::Keep)
            }
            What::Fallbacks if self.api == Api::Messages && !target.routing_fields => {
                Ok(Fate::Remove)
            }
            What::Extension if !routed && openai => Ok(Fate::Remove),
            What::StreamOptions if openai && !target.quirks.stream_usage => Ok(Fate::Remove),
            // Neither of the two protocols has such a member; it is OpenRouter's there.
            What::User if !openai && self.api != Api::Responses && !routed => Ok(Fate::Remove),
            What::User => Ok(match (target.user, noted.value.kind.is_string()) {
                (Some(user), true) => {
                    let mut value = Vec::with_capacity(user.len() + 2);
                    json::write_string(user, &mut value);
                    Fate::Value(value)
                }
                _ => Fate::Keep,
            }),
            What::Parameter(parameter) => self.fate_of_parameter(parameter, noted, target),
            _ => Ok(Fate::Keep),
        }
    }

    fn fate_of_parameter(
        &self,
        parameter: Parameter,
        noted: &Noted,
        target: &Target<'_>,
    ) -> Result<Fate, Refusal> {
        let means_it = match self.api.home() {
            Dialect::OpenAi => true,
            Dialect::Responses => !matches!(parameter, Parameter::ToolChoice | Parameter::Tools),
            // Other members of the same name have their own rules there.
            Dialect::Anthropic => matches!(
                parameter,
                Parameter::Temperature | Parameter::TopP | Parameter::TopK
            ),
            _ => false,
        };
        if !means_it || noted.value.kind == Kind::Null {
            return Ok(Fate::Keep);
        }
        if !target.takes(parameter)? {
            return Ok(Fate::Remove);
        }
        if self.api.home() != Dialect::OpenAi {
            return Ok(Fate::Keep);
        }
        let quirks = target.quirks;
        let has = |other: Parameter| {
            let same = |noted: &Noted| noted.what == What::Parameter(other);
            self.noted.iter().any(same)
        };
        Ok(match (parameter, quirks.max_tokens) {
            (Parameter::MaxTokens, MaxTokens::MaxCompletionTokens)
                if self.api == Api::Chat && !has(Parameter::MaxCompletionTokens) =>
            {
                Fate::Rename("max_completion_tokens")
            }
            (Parameter::MaxCompletionTokens, MaxTokens::MaxTokens)
                if !has(Parameter::MaxTokens) =>
            {
                Fate::Rename("max_tokens")
            }
            (Parameter::Verbosity, _)
                if target.parameters.is_none()
                    && quirks.reasoning != ReasoningWords::Object
                    && !has_newest_words(quirks) =>
            {
                target.cannot(parameter.name())?;
                Fate::Remove
            }
            (Parameter::StructuredOutputs, _)
                if quirks.reasoning != ReasoningWords::Object && !target.routing_fields =>
            {
                Fate::Remove
            }
            (
                Parameter::Reasoning | Parameter::ReasoningEffort | Parameter::IncludeReasoning,
                _,
            ) => self.fate_of_reasoning(parameter, noted, target)?,
            _ => Fate::Keep,
        })
    }

    /// A wish for thought, in the words of the provider. Of the members that say it the first one is rewritten and the others go.
    fn fate_of_reasoning(
        &self,
        parameter: Parameter,
        noted: &Noted,
        target: &Target<'_>,
    ) -> Result<Fate, Refusal> {
        let words = target.quirks.reasoning;
        let at_home = match words {
            ReasoningWords::Object => true,
            ReasoningWords::Effort => parameter == Parameter::ReasoningEffort,
            ReasoningWords::Thinking | ReasoningWords::None => false,
        };
        if at_home {
            return Ok(Fate::Keep);
        }
        let wishes = || {
            self.noted.iter().filter(|noted| {
                matches!(
                    noted.what,
                    What::Parameter(Parameter::Reasoning | Parameter::ReasoningEffort)
                )
            })
        };
        let first = wishes()
            .next()
            .is_some_and(|wish| wish.index == noted.index);
        let said = words == ReasoningWords::Effort
            && wishes().any(|wish| wish.what == What::Parameter(Parameter::ReasoningEffort));
        if parameter == Parameter::IncludeReasoning || !first || said {
            return Ok(Fate::Remove);
        }
        let stated = Stated::of(self.asked(), wishes().map(|wish| wish.value.span))?;
        let mut value = Vec::new();
        let Some(name) = write_wish(&stated.reasoning, self.max_tokens, words, &mut value) else {
            if words == ReasoningWords::None && stated.reasoning.wanted().is_some() {
                target.cannot(parameter.name())?;
            }
            return Ok(Fate::Remove);
        };
        let mut member = Vec::with_capacity(name.len() + value.len() + 3);
        json::write_string(name, &mut member);
        member.push(b':');
        member.extend_from_slice(&value);
        Ok(Fate::Member(member))
    }

    /// Puts another member where the model's is: the plain words `name` and `value`.
    fn put_in_place_of_model(
        &self,
        name: &str,
        value: &str,
        removed: usize,
        edits: &mut Vec<Edit<'_>>,
    ) {
        let (span, followed) = match self.model_value {
            Some(value) => (
                Span {
                    start: key_before(&self.body, value.start),
                    end: value.end,
                },
                false,
            ),
            None => {
                let inside = Span {
                    start: self.inside,
                    end: self.inside,
                };
                (inside, self.members > removed)
            }
        };
        let comma = if followed { "," } else { "" };
        edits.push(Edit {
            span,
            new: Cow::Owned(format!("\"{name}\":\"{value}\"{comma}").into_bytes()),
        });
    }

    fn put_model<'a>(&self, model: &'a str, removed: usize, edits: &mut Vec<Edit<'a>>) {
        let mut name = Vec::new();
        let new = if json::is_plain(model.as_bytes()) {
            Cow::Borrowed(model.as_bytes())
        } else {
            json::write_string_inside(model, &mut name);
            Cow::Owned(name)
        };
        match (self.model_value, &self.model) {
            // Only what stands between the quotes changes.
            (Some(span), Some(_)) => edits.push(Edit {
                span: Span {
                    start: span.start + 1,
                    end: span.end - 1,
                },
                new,
            }),
            (value, _) => {
                let (span, before, after): (Span, &[u8], &[u8]) = match value {
                    Some(null) => (null, b"\"", b"\""),
                    None => {
                        let span = Span {
                            start: self.inside,
                            end: self.inside,
                        };
                        let followed = self.members > removed;
                        (span, b"\"model\":\"", if followed { b"\"," } else { b"\"" })
                    }
                };
                let mut whole = Vec::with_capacity(before.len() + new.len() + after.len());
                whole.extend_from_slice(before);
                whole.extend_from_slice(&new);
                whole.extend_from_slice(after);
                edits.push(Edit {
                    span,
                    new: Cow::Owned(whole),
                });
            }
        }
    }

    fn ask_for_usage(&self, edits: &mut Vec<Edit<'_>>) {
        let at = |offset: usize| Span {
            start: offset,
            end: offset,
        };
        let (span, new): (Span, &'static [u8]) = match self.stream_options {
            StreamOptions::Leave => return,
            StreamOptions::Absent => (
                at(self.stream_end),
                b",\"stream_options\":{\"include_usage\":true}",
            ),
            StreamOptions::Replace(span) => (span, b"{\"include_usage\":true}"),
            StreamOptions::Insert(offset, true) => (at(offset), b"\"include_usage\":true,"),
            StreamOptions::Insert(offset, false) => (at(offset), b"\"include_usage\":true"),
            StreamOptions::Set(span) => (span, b"true"),
        };
        edits.push(Edit {
            span,
            new: Cow::Borrowed(new),
        });
    }

    fn text<'a>(&'a self, text: &'a Option<Text>) -> Option<&'a str> {
        match text.as_ref()? {
            // The body was checked to be UTF-8 when it was read, and the span lies between two quotes of it.
            Text::At(span) => std::str::from_utf8(self.body.get(span.start..span.end)?).ok(),
            Text::Decoded(text) => Some(text),
        }
    }
}

/// A body to send, as pieces of the client's bytes and small replacements between them.
#[derive(Debug)]
pub struct Upstream<'a> {
    body: Cow<'a, [u8]>,
    content_type: Cow<'a, str>,
    /// In the order of the body, not overlapping.
    edits: Vec<Edit<'a>>,
    len: usize,
}

#[derive(Debug)]
struct Edit<'a> {
    span: Span,
    new: Cow<'a, [u8]>,
}

impl Upstream<'_> {
    /// Bytes of the whole body, for `Content-Length`.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What the body is.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Never: a body is at least an object with a model.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same, of bytes of its own.
    fn into_owned(self) -> Upstream<'static> {
        let mut body = Vec::with_capacity(self.len);
        self.write_to(&mut body);
        Upstream {
            body: Cow::Owned(body),
            content_type: Cow::Owned(self.content_type.into_owned()),
            edits: Vec::new(),
            len: self.len,
        }
    }

    /// Appends the whole body.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.len);
        for piece in self.pieces() {
            out.extend_from_slice(piece);
        }
    }

    /// The pieces in order, for a vectored write. Empty ones are left out.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        let kept_and_new = self.edits.iter().flat_map(move |edit| {
            let kept = self.body.get(at..edit.span.start).unwrap_or_default();
            at = edit.span.end;
            [kept, edit.new.as_ref()]
        });
        let end = self.edits.last().map_or(0, |edit| edit.span.end);
        let rest = self.body.get(end..).unwrap_or_default();
        kept_and_new.chain([rest]).filter(|piece| !piece.is_empty())
    }
}

/// Whether `debug` asks for an echo. What cannot be read asks for nothing: it is no part of the request.
fn echoes(debug: &str) -> bool {
    let mut asked = false;
    let read = each_member(&mut Walker::new(debug), |walker, name| {
        let value = walker.value()?;
        if name == "echo_upstream_body" {
            asked = value.kind == Kind::True;
        }
        Ok::<(), Malformed>(())
    });
    read.is_ok() && asked
}

/// Members of interest; the position in [`Scan::values`].
#[derive(Debug, Clone, Copy)]
enum Field {
    Model,
    Models,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    /// The limit in the responses API.
    MaxOutputTokens,
    /// Where Gemini's API has the limit.
    GenerationConfig,
    Provider,
    /// The older word for a part of it.
    Route,
    ServiceTier,
    /// Anthropic's other word for a tier.
    Speed,
    /// Where the responses API has the form of the answer, and where Anthropic's has it.
    Text,
    OutputConfig,
    SessionId,
    PromptCacheKey,
    User,
}

const FIELDS: usize = Field::User as usize + 1;

/// What is known of a member by its name: that its value is of interest, that the member may have to go or to change, or both.
type Known = (Option<Field>, Option<What>);

/// The limit in Gemini's `generationConfig`, in either spelling.
fn max_output_tokens(config: &str) -> Option<u64> {
    let mut max = None;
    // It was walked before, so this reaches its end.
    let _ = each_member(&mut Walker::new(config), |walker, name| {
        let value = walker.value()?;
        if matches!(name, "maxOutputTokens" | "max_output_tokens") {
            max = value.whole(config);
        }
        Ok::<(), Malformed>(())
    });
    max
}

/// Looks a name up that is none of the usual ones.
#[inline]
fn named(name: &str) -> Known {
    match name {
        "model" => (Some(Field::Model), None),
        "stream" => (Some(Field::Stream), None),
        "messages" | "input" | "prompt" | "instructions" | "contents" | "system" => (None, None),
        "models" => (Some(Field::Models), Some(What::Routing)),
        "provider" => (Some(Field::Provider), Some(What::Routing)),
        "session_id" => (Some(Field::SessionId), Some(What::Routing)),
        "route" => (Some(Field::Route), Some(What::Routing)),
        "service_tier" | "serviceTier" => (Some(Field::ServiceTier), None),
        "speed" => (Some(Field::Speed), None),
        "text" => (Some(Field::Text), None),
        "output_config" => (Some(Field::OutputConfig), None),
        "plugins" | "preset" | "transforms" | "trace" | "usage" | "debug" => {
            (None, Some(What::Routing))
        }
        "stream_options" => (Some(Field::StreamOptions), Some(What::StreamOptions)),
        "max_tokens" => MAX_TOKENS,
        "max_output_tokens" => (Some(Field::MaxOutputTokens), None),
        "prompt_cache_key" => (Some(Field::PromptCacheKey), None),
        "generationConfig" | "generation_config" => (Some(Field::GenerationConfig), None),
        "max_completion_tokens" => (
            Some(Field::MaxCompletionTokens),
            Some(What::Parameter(Parameter::MaxCompletionTokens)),
        ),
        "user" => (Some(Field::User), Some(What::User)),
        "metadata" => (None, Some(What::Metadata)),
        "fallbacks" => (None, Some(What::Fallbacks)),
        "store" => (None, Some(What::Store)),
        "background" => (None, Some(What::Background)),
        "previous_response_id" => (None, Some(What::PreviousResponseId)),
        "image_config"
        | "cache_control"
        | "max_tool_calls"
        | "stop_server_tools_when"
        | "deferred_tools"
        | "x_search_filter" => (None, Some(What::Extension)),
        name => (None, Parameter::of(name).map(What::Parameter)),
    }
}

const MAX_TOKENS: Known = (
    Some(Field::MaxTokens),
    Some(What::Parameter(Parameter::MaxTokens)),
);
const TEMPERATURE: Known = (None, Some(What::Parameter(Parameter::Temperature)));

struct Scan {
    inside: usize,
    members: usize,
    values: [Option<Value>; FIELDS],
    noted: Vec<Noted>,
}

enum Stop {
    Irregular,
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(wrong: Malformed) -> Self {
        Stop::Malformed(wrong)
    }
}

/// The one pass over the body. In a canonical text a key with an escape is none of interest, because those need no escape.
fn scan(text: &str, canonical: bool) -> Result<Scan, Stop> {
    let mut walker = Walker::new(text);
    let mut scan = Scan {
        inside: 0,
        members: 0,
        values: [None; FIELDS],
        noted: Vec::new(),
    };
    if walker.peek().is_some_and(|kind| kind != Kind::Object) {
        return Err(Stop::Malformed(Malformed {
            offset: walker.offset(),
            why: NOT_AN_OBJECT,
        }));
    }
    // The brace is where peeking stopped, after white space.
    scan.inside = walker.offset() + 1;
    let mut more = walker.enter_object()?;
    let mut before = None;
    // The last member is a noted one whose `next` is not known yet.
    let mut open = false;
    while more {
        let (start, (field, what)) = member(&mut walker, canonical)?;
        if open {
            if let Some(last) = scan.noted.last_mut() {
                last.next = start;
            }
            open = false;
        }
        let value = walker.value()?;
        if let Some(field) = field {
            let place = &mut scan.values[field as usize];
            // In its canonical form a body has no name twice, but it may have a field in both spellings.
            if place.is_some() && !canonical {
                return Err(Stop::Irregular);
            }
            *place = Some(value);
        }
        if let Some(what) = what {
            // Several names are no more than routing ones or extensions; of the others each has its own word.
            let distinct = !matches!(what, What::Routing | What::Extension);
            if distinct && scan.noted.iter().any(|noted| noted.what == what) {
                return Err(Stop::Irregular);
            }
            scan.noted.push(Noted {
                what,
                value,
                before: before.unwrap_or(start),
                span: Span {
                    start,
                    end: value.span.end,
                },
                next: value.span.end,
                index: scan.members,
            });
            open = true;
        }
        before = Some(value.span.end);
        scan.members += 1;
        more = walker.next_member()?;
    }
    walker.finish()?;
    Ok(scan)
}

/// Reads a key; where it starts, and what is known of it. The keys of nearly every body come first, told by their first letter
/// and compared as one constant.
#[inline(always)]
fn member(walker: &mut Walker<'_>, canonical: bool) -> Result<(usize, Known), Stop> {
    let start = walker.offset();
    let usual = match walker.letter() {
        b'm' if walker.takes(b"\"model\":") => (Some(Field::Model), None),
        b'm' if walker.takes(b"\"messages\":") => (None, None),
        b'm' if walker.takes(b"\"max_tokens\":") => MAX_TOKENS,
        b's' if walker.takes(b"\"stream\":") => (Some(Field::Stream), None),
        b't' if walker.takes(b"\"temperature\":") => TEMPERATURE,
        _ => {
            let key: Key<'_> = walker.key()?;
            if key.escaped && !canonical {
                return Err(Stop::Irregular);
            }
            let known = match key.escaped {
                true => (None, None),
                false => named(key.name),
            };
            return Ok((key.start, known));
        }
    };
    Ok((start, usual))
}

/// What noted members say that has to be known before routing.
#[derive(Default)]
struct Judged {
    fallbacks: Vec<String>,
    hides_thought: bool,
}

/// Judges noted members by the limits of the API. A value of another type than the limit is about is left to the provider.
fn judge(noted: &[Noted], api: Api, text: &str) -> Result<Judged, Refusal> {
    let mut judged = Judged::default();
    let chat = api.home() == Dialect::OpenAi && api.streams();
    let mut wishes = false;
    for noted in noted.iter().filter(|noted| noted.value.kind != Kind::Null) {
        let raw = noted.value.raw(text);
        match noted.what {
            What::Parameter(Parameter::Stop) if chat && noted.value.kind == Kind::Array => {
                stop_texts(&mut Walker::new(raw), &Path::ROOT.member("stop"))?;
            }
            What::Parameter(
                Parameter::Reasoning | Parameter::ReasoningEffort | Parameter::IncludeReasoning,
            ) => wishes = chat,
            What::Metadata if chat || api == Api::Responses => judge_metadata(raw)?,
            What::Fallbacks if api == Api::Messages => judged.fallbacks = fallbacks(raw)?,
            What::Store | What::Background
                if api == Api::Responses && noted.value.kind == Kind::True =>
            {
                let name = match noted.what {
                    What::Store => "store",
                    _ => "background",
                };
                return Err(Path::ROOT.member(name).wrong(STATELESS, "true"));
            }
            What::PreviousResponseId if api == Api::Responses => {
                let path = Path::ROOT.member("previous_response_id");
                return Err(path.wrong(STATELESS, noted.value.kind.name()));
            }
            _ => {}
        }
    }
    if wishes {
        let members = noted.iter().filter(|noted| {
            matches!(
                noted.what,
                What::Parameter(
                    Parameter::Reasoning | Parameter::ReasoningEffort | Parameter::IncludeReasoning
                )
            )
        });
        judged.hides_thought = Stated::of(text, members.map(|noted| noted.value.span))?
            .reasoning
            .exclude;
    }
    Ok(judged)
}

const STATELESS: &str =
    "false or absent, because nothing is kept between requests; send the whole history in `input`";

fn judge_metadata(raw: &str) -> Result<(), Refusal> {
    let (entries_max, key_max, value_max) = METADATA_MAX;
    let path = Path::ROOT.member("metadata");
    let mut walker = Walker::new(raw);
    if walker.peek() != Some(Kind::Object) {
        return Ok(());
    }
    let mut entries = 0;
    member::object(&mut walker, &path, |name, walker| {
        entries += 1;
        if name.chars().nth(key_max).is_some() {
            let expected = format!("an object whose keys have at most {key_max} characters");
            return Err(path.wrong(&expected, "a longer key"));
        }
        let value = walker.value().map_err(member::malformed)?;
        match value.string(walker.text()) {
            Some(text) if text.chars().nth(value_max).is_some() => {
                let expected = format!("a string of at most {value_max} characters");
                Err(path.member(name).wrong(&expected, "a longer one"))
            }
            _ => Ok(()),
        }
    })?;
    match entries > entries_max {
        true => Err(path.wrong(
            &format!("an object with at most {entries_max} members"),
            &entries.to_string(),
        )),
        false => Ok(()),
    }
}

/// Reads Anthropic's `fallbacks`: at most three objects with nothing but a model.
fn fallbacks(raw: &str) -> Result<Vec<String>, Refusal> {
    let path = Path::ROOT.member("fallbacks");
    let expected = "an array of at most 3 objects with `model` and nothing else";
    let mut models = Vec::new();
    let mut walker = Walker::new(raw);
    member::array(&mut walker, &path, |index, walker| {
        let path = path.element(index);
        member::object(walker, &path, |name, walker| {
            if name != "model" {
                return Err(path.wrong(expected, &format!("a member `{name}`")));
            }
            models.extend(member::string(walker, &path.member(name))?.map(Cow::into_owned));
            Ok(())
        })?;
        match models.len() == index + 1 && index < FALLBACKS_MAX {
            true => Ok(()),
            false => Err(path.wrong(expected, "something else")),
        }
    })?;
    Ok(models)
}

/// Whether the key that starts at `start` is `name`. A key of interest has no escapes.
fn is_key(text: &str, start: usize, name: &str) -> bool {
    let inside = text.as_bytes().get(start + 1..).unwrap_or_default();
    inside.starts_with(name.as_bytes()) && inside.get(name.len()) == Some(&b'"')
}

/// Where the key begins that a value has, which begins at `value`. The body is known to be an object, so before the value stand white
/// space and a colon, and before those a string; a quote inside it has a backslash before it.
fn key_before(body: &[u8], value: usize) -> usize {
    let before = body.get(..value).unwrap_or_default();
    let Some(closing) = memchr::memrchr(b'"', before) else {
        return value;
    };
    let key = before.get(..closing).unwrap_or_default();
    memchr::memrchr_iter(b'"', key)
        .find(|&quote| {
            let slashes = key.get(..quote).unwrap_or_default();
            slashes
                .iter()
                .rev()
                .take_while(|&&byte| byte == b'\\')
                .count()
                % 2
                == 0
        })
        .unwrap_or(value)
}

/// Made once: making a searcher costs more than searching a usual body.
static DEVELOPER: LazyLock<memchr::memmem::Finder<'static>> =
    LazyLock::new(|| memchr::memmem::Finder::new(b"\"developer\""));

/// Makes `developer` the older word `system` in the roles of messages.
fn rename_developers(text: &str, edits: &mut Vec<Edit<'_>>) {
    let mut walker = Walker::new(text);
    // The body has been walked before, so that only the types of values can be others, and then there are no such roles.
    let _ = member::object(&mut walker, &Path::ROOT, |name, walker| {
        if name != "messages" || walker.peek() != Some(Kind::Array) {
            return member::skip(walker);
        }
        member::array(walker, &Path::ROOT, |_, walker| {
            if walker.peek() != Some(Kind::Object) {
                return member::skip(walker);
            }
            member::object(walker, &Path::ROOT, |name, walker| {
                let value = walker.value().map_err(member::malformed)?;
                if name == "role" && value.raw(text) == "\"developer\"" {
                    edits.push(Edit {
                        span: value.span,
                        new: Cow::Borrowed(b"\"system\""),
                    });
                }
                Ok(())
            })
            .map(|_| ())
        })
        .map(|_| ())
    });
}

const NOT_AN_OBJECT: &str = "the body must be a JSON object, which starts with `{`";

fn malformed(body: &[u8], wrong: Malformed) -> Refusal {
    if wrong.why == NOT_AN_OBJECT {
        return Refusal::new(RefusalKind::MalformedJson).with_message(NOT_AN_OBJECT);
    }
    Refusal::new(RefusalKind::MalformedJson)
        .with_message(format!("the body is {}", wrong.describe(body)))
}

fn text_of(value: &Value, text: &str) -> Option<Text> {
    match value.kind {
        Kind::Plain => Some(Text::At(Span {
            start: value.span.start + 1,
            end: value.span.end - 1,
        })),
        Kind::Escaped => Some(Text::Decoded(json::unescape(value.raw(text)).into_owned())),
        _ => None,
    }
}

/// A raw array of at most [`LIST_MAX`] strings.
fn strings(raw: &str) -> Option<Vec<String>> {
    let mut walker = Walker::new(raw);
    let mut strings = Vec::new();
    let mut more = walker.enter_array().ok()?;
    while more {
        let value = walker.value().ok()?;
        strings.push(value.string(raw)?.into_owned());
        if strings.len() > LIST_MAX {
            return None;
        }
        more = walker.next_element().ok()?;
    }
    Some(strings)
}

fn stream_options(value: Value, text: &str) -> StreamOptions {
    match value.kind {
        Kind::Null => return StreamOptions::Replace(value.span),
        Kind::Object => {}
        _ => return StreamOptions::Leave,
    }
    let raw = value.raw(text);
    let mut found: Option<Value> = None;
    let look = || -> Result<Option<bool>, Malformed> {
        let mut walker = Walker::new(raw);
        let mut more = walker.enter_object()?;
        let any = more;
        while more {
            let key = walker.key()?;
            let value = walker.value()?;
            if key.escaped || (key.name == "include_usage" && found.is_some()) {
                return Ok(None);
            }
            if key.name == "include_usage" {
                found = Some(value);
            }
            more = walker.next_member()?;
        }
        Ok(Some(any))
    };
    let mut look = look;
    match look() {
        Ok(Some(any)) => match found {
            None => StreamOptions::Insert(value.span.start + 1, any),
            Some(found) if found.kind == Kind::True => StreamOptions::Leave,
            Some(found) => StreamOptions::Set(Span {
                start: value.span.start + found.span.start,
                end: value.span.start + found.span.end,
            }),
        },
        _ => StreamOptions::Replace(value.span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Quirks;
    use serde_json::json;

    fn read(body: &str) -> Request {
        Request::read(body.as_bytes().to_vec(), Api::Chat).unwrap()
    }

    fn refused(body: &str) -> String {
        let refusal = Request::read(body.as_bytes().to_vec(), Api::Chat).unwrap_err();
        assert_eq!(refusal.status(), 400, "{body}");
        refusal.message.into_owned()
    }

    const PLAIN: Target<'static> = Target::new(Dialect::OpenAi, "up/m");
    const QUIET: Quirks = Quirks {
        stream_usage: false,
        ..Quirks::OPENAI
    };

    fn sent(body: &str, target: Target<'_>) -> String {
        let request = read(body);
        let upstream = request.upstream(&target).unwrap();
        let mut out = Vec::new();
        upstream.write_to(&mut out);
        assert_eq!(out.len(), upstream.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_echo_is_wanted_of_streams_that_have_a_form_for_it() {
        let wants = |body: &str, api| {
            Request::read(body.as_bytes().to_vec(), api)
                .unwrap()
                .wants_echo()
        };
        let asks = r#"{"model":"m","input":"","messages":[],"stream":true,"debug":{"x":1,"echo_upstream_body":true}}"#;
        for api in [Api::Chat, Api::Completions, Api::Responses] {
            assert!(wants(asks, api), "{api:?}");
            for not in [
                asks.replace("true}", "false}"),
                asks.replace("true}", "1}"),
                asks.replace("\"stream\":true", "\"stream\":false"),
                asks.replace("debug", "debugs"),
                r#"{"model":"m","input":"","messages":[],"stream":true,"debug":true}"#.to_owned(),
            ] {
                assert!(!wants(&not, api), "{api:?} {not}");
            }
        }
        assert!(!wants(asks, Api::Messages));
    }

    #[test]
    fn where_the_url_names_the_model_the_body_tells_the_version_in_its_place() {
        let target = Target {
            model_in_path: true,
            ..Target::new(Dialect::Anthropic, "claude@1")
        };
        let sent = |body: &str| {
            let request = Request::read(body.as_bytes().to_vec(), Api::Messages).unwrap();
            let upstream = request.upstream(&target).unwrap();
            let mut out = Vec::new();
            upstream.write_to(&mut out);
            assert_eq!(out.len(), upstream.len());
            String::from_utf8(out).unwrap()
        };
        let version = r#""anthropic_version":"vertex-2023-10-16""#;
        for (body, expected) in [
            (r#"{"model":"a","max_tokens":1}"#, "{V,\"max_tokens\":1}"),
            (r#"{"x":"\"", "model" : "a\"b"}"#, r#"{"x":"\"", V}"#),
            (r#"{"\u006dodel": null,"x":1}"#, r#"{V,"x":1}"#),
            (r#"{"x":1}"#, r#"{V,"x":1}"#),
            ("{}", "{V}"),
        ] {
            assert_eq!(sent(body), expected.replace('V', version), "{body}");
        }
        let chat = br#"{"model":"a","messages":[{"role":"user","content":"hi"}]}"#;
        let request = Request::read(chat.to_vec(), Api::Chat).unwrap();
        let mut out = Vec::new();
        request.upstream(&target).unwrap().write_to(&mut out);
        let translated = String::from_utf8(out).unwrap();
        assert!(
            translated.starts_with(&format!("{{{version},")),
            "{translated}"
        );
        assert!(!translated.contains("\"model\""), "{translated}");
    }

    #[test]
    fn reads_what_routing_needs() {
        let request = read(
            r#"{"model":"a/b","models":["c","\u0064"],"stream":true,"max_tokens":5,"max_completion_tokens":7.0,"user":"u","session_id":"s\n",
            "provider":{"order":["x"],"only":null,"allow_fallbacks":false,"sort":"price"}}"#,
        );
        assert_eq!(request.model(), Some("a/b"));
        assert_eq!(request.models(), ["c", "d"]);
        assert!(request.stream());
        assert_eq!(request.max_tokens(), Some(7));
        assert_eq!(request.user(), Some("u"));
        assert_eq!(request.session_id(), Some("s\n"));
        let preferences = request.preferences().unwrap();
        assert_eq!(preferences.order, ["x"]);
        assert!(preferences.only.is_empty() && !preferences.allow_fallbacks);
    }

    #[test]
    fn null_is_absent() {
        let request = read(
            r#"{"model":null,"models":null,"stream":null,"max_completion_tokens":null,"max_tokens":3,"provider":null,"user":null,"session_id":1}"#,
        );
        assert_eq!(
            (request.model(), request.stream(), request.max_tokens()),
            (None, false, Some(3))
        );
        assert!(request.models().is_empty() && request.preferences().is_none());
        assert_eq!((request.user(), request.session_id()), (None, None));
    }

    #[test]
    fn the_last_of_two_models_is_read_and_sent() {
        let body = r#"{"model":"cheap","x":1.50,"\u006dodel":"dear"}"#;
        assert_eq!(read(body).model(), Some("dear"));
        assert_eq!(read(body).body(), br#"{"model":"dear","x":1.50}"#);
        assert_eq!(sent(body, PLAIN), r#"{"model":"up/m","x":1.50}"#);
    }

    #[test]
    fn of_two_spellings_the_last_is_read() {
        let body = r#"{"contents":[],"service_tier":"flex","serviceTier":"priority","generation_config":{},"generationConfig":{"maxOutputTokens":7}}"#;
        let body = body.as_bytes().to_vec();
        let read = Request::read_beside_path(body, Api::Gemini, "m".to_owned(), false).unwrap();
        assert_eq!(
            (read.service_tier(), read.max_tokens()),
            (Some("priority"), Some(7))
        );
    }

    #[test]
    fn a_key_given_twice_is_sent_once() {
        assert_eq!(
            sent(
                r#"{"model":"a","stream":false,"model":"b","stream":true}"#,
                PLAIN
            ),
            r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#
        );
    }

    #[test]
    fn an_escaped_key_of_no_interest_is_decoded_once() {
        let body = r#"{"a\"b":1,"model":"m"}"#;
        assert_eq!(sent(body, PLAIN), r#"{"a\"b":1,"model":"up/m"}"#);
    }

    #[test]
    fn refusals_say_what_was_seen_and_expected() {
        assert_eq!(
            refused(r#"{"model":5}"#),
            "`model` must be a string; seen: a number at line 1, column 10 (byte 9)"
        );
        assert!(
            refused(r#"{"stream":"yes"}"#)
                .starts_with("`stream` must be true or false; seen: a string")
        );
        assert!(
            refused(r#"{"models":"a"}"#)
                .starts_with("`models` must be an array of at most 64 strings; seen: a string")
        );
        assert!(refused(r#"{"models":["a",1]}"#).starts_with("`models` must be an array"));
        assert!(
            refused(r#"{"provider":[]}"#)
                .starts_with("`provider` must be an object; seen: an array")
        );
        assert_eq!(
            refused(r#"{"provider":{"order":"x"}}"#),
            "`provider.order` must be an array; seen: a string"
        );
        assert_eq!(
            refused(r#"{"provider":{"only":[1]}}"#),
            "`provider.only[0]` must be a string; seen: a number"
        );
        assert_eq!(
            refused(r#"{"provider":{"allow_fallbacks":1}}"#),
            "`provider.allow_fallbacks` must be true or false; seen: a number"
        );
        assert!(refused("[]").contains("the body must be a JSON object"));
        assert!(refused("").contains("ends too early"));
        assert!(refused("{\"model\":\n}").contains("line 2, column 1 (byte 10): expected a value"));
        assert!(refused(r#"{"model":1,"model":2}"#).ends_with("seen: a number"));
        let many = vec!["m"; LIST_MAX + 1];
        assert!(refused(&json!({ "models": many }).to_string()).starts_with("`models` must be"));
    }

    #[test]
    fn embeddings_ignore_stream() {
        let request =
            Request::read(br#"{"model":"m","stream":"x"}"#.to_vec(), Api::Embeddings).unwrap();
        assert!(!request.stream());
    }

    #[test]
    fn only_the_model_changes_in_an_ordinary_body() {
        assert_eq!(
            sent("{ \"model\" : \"m\" ,\"x\":[1.0, 2]}\n", PLAIN),
            "{ \"model\" : \"up/m\" ,\"x\":[1.0, 2]}\n"
        );
        let quoted = Target {
            model: "a\"b",
            ..PLAIN
        };
        assert_eq!(sent(r#"{"model":"m"}"#, quoted), r#"{"model":"a\"b"}"#);
        assert_eq!(sent(r#"{"model":"\u0061"}"#, PLAIN), r#"{"model":"up/m"}"#);
    }

    #[test]
    fn a_missing_model_is_inserted() {
        assert_eq!(sent(r#" {"x":1}"#, PLAIN), r#" {"model":"up/m","x":1}"#);
        assert_eq!(sent("{}", PLAIN), r#"{"model":"up/m"}"#);
        assert_eq!(sent(r#"{"models":["a"]}"#, PLAIN), r#"{"model":"up/m"}"#);
        assert_eq!(sent(r#"{"model":null}"#, PLAIN), r#"{"model":"up/m"}"#);
    }

    #[test]
    fn usage_of_a_stream_is_asked_for() {
        for (body, expected) in [
            (
                r#"{"model":"m","stream":true}"#,
                r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"stream_options":null,"stream":true,"model":"m"}"#,
                r#"{"stream_options":{"include_usage":true},"stream":true,"model":"up/m"}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{}}"#,
                r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"x":1}}"#,
                r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":false,"x":1}}"#,
                r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_usage":false}}"#,
                r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
                r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":7}"#,
                r#"{"model":"up/m","stream":true,"stream_options":7}"#,
            ),
            (
                r#"{"model":"m","stream":false,"stream_options":null}"#,
                r#"{"model":"up/m","stream":false,"stream_options":null}"#,
            ),
        ] {
            assert_eq!(sent(body, PLAIN), expected);
        }
        let quiet = Target {
            quirks: &QUIET,
            ..PLAIN
        };
        assert_eq!(
            sent(r#"{"model":"m","stream":true}"#, quiet),
            r#"{"model":"up/m","stream":true}"#
        );
    }

    #[test]
    fn routing_fields_go_with_their_commas() {
        for (body, expected) in [
            (r#"{"models":["a"],"model":"m"}"#, r#"{"model":"up/m"}"#),
            (
                r#"{"models":["a"], "route":"sort" , "model":"m", "y":1}"#,
                r#"{"model":"up/m", "y":1}"#,
            ),
            (
                r#"{"model":"m" , "trace":{} , "debug":{}, "y":1 , "usage":{}}"#,
                r#"{"model":"up/m", "y":1}"#,
            ),
            (
                r#"{"provider":{},"model":"m","session_id":"s"}"#,
                r#"{"model":"up/m"}"#,
            ),
            (
                r#"{"provider":{},"plugins":[],"preset":"p"}"#,
                r#"{"model":"up/m"}"#,
            ),
            (
                r#"{"transforms":[],"stream":true,"provider":{}}"#,
                r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
        ] {
            assert_eq!(sent(body, PLAIN), expected, "{body}");
        }
        let kept = Target {
            routing_fields: true,
            ..PLAIN
        };
        assert_eq!(
            sent(r#"{"models":["a"],"model":"m"}"#, kept),
            r#"{"models":["a"],"model":"up/m"}"#
        );
        for name in ROUTING_FIELDS {
            assert_eq!(named(name).1, Some(What::Routing), "{name}");
            assert_eq!(
                sent(&format!(r#"{{"model":"m","{name}":null}}"#), PLAIN),
                r#"{"model":"up/m"}"#
            );
        }
    }

    fn with(quirks: &Quirks) -> Target<'_> {
        Target {
            quirks,
            ..Target::new(Dialect::OpenAi, "up/m")
        }
    }

    fn refused_by(body: &str, api: Api) -> String {
        let refusal = Request::read(body.as_bytes().to_vec(), api).unwrap_err();
        assert_eq!(refusal.status(), 400, "{body}");
        refusal.message.into_owned()
    }

    #[test]
    fn q04_each_api_has_its_name_for_the_limit() {
        let limit = |body: &str, api: Api| {
            let body = body.as_bytes().to_vec();
            let request = match api.model_in_path() {
                true => Request::read_beside_path(body, api, "m".to_owned(), false),
                false => Request::read(body, api),
            };
            request.expect("a request").max_tokens()
        };
        for (body, api, expected) in [
            (
                r#"{"model":"m","input":"a","max_output_tokens":5,"max_tokens":6}"#,
                Api::Responses,
                Some(5),
            ),
            (
                r#"{"model":"m","messages":[],"max_tokens":6,"max_output_tokens":5}"#,
                Api::Messages,
                Some(6),
            ),
            (
                r#"{"contents":[],"generationConfig":{"topK":1,"maxOutputTokens":5}}"#,
                Api::Gemini,
                Some(5),
            ),
            (
                r#"{"contents":[],"generation_config":{"max_output_tokens":5}}"#,
                Api::Gemini,
                Some(5),
            ),
            (
                r#"{"contents":[],"generationConfig":{},"max_tokens":6}"#,
                Api::Gemini,
                None,
            ),
            (
                r#"{"contents":[],"generationConfig":[1]}"#,
                Api::Gemini,
                None,
            ),
        ] {
            assert_eq!(limit(body, api), expected, "{body}");
        }
    }

    #[test]
    fn q02_parameters_that_an_endpoint_does_not_take_are_left_out() {
        let target = Target {
            parameters: Some(["temperature", "max_tokens"].into_iter().collect()),
            ..PLAIN
        };
        assert_eq!(
            sent(
                r#"{"top_k":4,"min_p":0.1,"model":"m","temperature":1.0,"seed":7,"max_completion_tokens":5,"stop":null,"x":1}"#,
                target
            ),
            r#"{"model":"up/m","temperature":1.0,"max_completion_tokens":5,"stop":null,"x":1}"#
        );
        let strict = Target {
            require_parameters: true,
            ..target
        };
        let refusal = read(r#"{"model":"m","seed":7}"#)
            .upstream(&strict)
            .unwrap_err();
        assert!(refusal.message.contains("`seed` cannot be sent"), "q03");
        assert_eq!(refusal.status(), 404);
    }

    #[test]
    fn q05_the_limit_of_tokens_has_the_name_that_the_provider_knows() {
        let old = Quirks {
            max_tokens: MaxTokens::MaxTokens,
            ..Quirks::OPENAI
        };
        assert_eq!(
            sent(r#"{"model":"m","max_completion_tokens" : 5}"#, with(&old)),
            r#"{"model":"up/m","max_tokens" : 5}"#
        );
        assert_eq!(
            sent(r#"{"model":"m","max_tokens":5}"#, PLAIN),
            r#"{"model":"up/m","max_completion_tokens":5}"#
        );
        for both in [PLAIN, with(&old)] {
            let body = r#"{"model":"up/m","max_tokens":5,"max_completion_tokens":6}"#;
            assert_eq!(sent(body, both), body);
        }
    }

    #[test]
    fn q06_a_wish_for_thought_is_said_in_the_words_of_the_provider() {
        let quirks = |reasoning| Quirks {
            reasoning,
            ..Quirks::OPENAI
        };
        let (effort, thinking, none, object) = (
            quirks(ReasoningWords::Effort),
            quirks(ReasoningWords::Thinking),
            quirks(ReasoningWords::None),
            quirks(ReasoningWords::Object),
        );
        for (body, words, expected) in [
            (
                r#""reasoning":{"effort":"high"}"#,
                &effort,
                r#","reasoning_effort":"high""#,
            ),
            (
                r#""reasoning":{"max_tokens":1000},"max_tokens":2000"#,
                &effort,
                r#","reasoning_effort":"medium","max_completion_tokens":2000"#,
            ),
            (
                r#""reasoning":{"enabled":true}"#,
                &effort,
                r#","reasoning_effort":"medium""#,
            ),
            (r#""reasoning":{"enabled":false}"#, &effort, ""),
            (
                r#""reasoning":{"exclude":true},"include_reasoning":false"#,
                &effort,
                "",
            ),
            (
                r#""reasoning":{},"reasoning_effort":"low""#,
                &effort,
                r#","reasoning_effort":"low""#,
            ),
            (
                r#""reasoning_effort":"new""#,
                &effort,
                r#","reasoning_effort":"new""#,
            ),
            (
                r#""reasoning":{"effort":"none"}"#,
                &thinking,
                r#","thinking":{"type":"disabled"}"#,
            ),
            (
                r#""reasoning_effort":"low","reasoning":{"effort":"low"}"#,
                &thinking,
                r#","thinking":{"type":"enabled"}"#,
            ),
            (
                r#""reasoning":{"effort":"low"},"include_reasoning":true"#,
                &none,
                "",
            ),
            (
                r#""reasoning":{"effort":"low"},"include_reasoning":true"#,
                &object,
                r#","reasoning":{"effort":"low"},"include_reasoning":true"#,
            ),
        ] {
            assert_eq!(
                sent(&format!("{{\"model\":\"m\",{body}}}"), with(words)),
                format!("{{\"model\":\"up/m\"{expected}}}"),
                "{body}"
            );
        }
    }

    #[test]
    fn q08_two_words_for_one_wish_may_not_disagree() {
        let body = r#"{"reasoning":{"effort":"high"},"reasoning_effort":"low"}"#;
        assert!(refused(body).contains("`reasoning.effort` and `reasoning_effort`"));
        read(r#"{"reasoning":{"effort":"low"},"reasoning_effort":"low"}"#);
    }

    #[test]
    fn q12_q15_q16_limits_hold_whoever_serves() {
        assert!(
            refused(r#"{"stop":["a","b","c","d","e"]}"#).contains("at most 4 strings; seen: 5")
        );
        read(r#"{"stop":["a","b","c","d"]}"#);
        let entries: Vec<String> = (0..17).map(|n| format!("\"k{n}\":\"v\"")).collect();
        assert!(
            refused(&format!("{{\"metadata\":{{{}}}}}", entries.join(",")))
                .contains("at most 16 members; seen: 17")
        );
        let long = "é".repeat(513);
        assert!(refused(&format!("{{\"metadata\":{{\"{long}\":\"v\"}}}}")).contains("64"));
        assert!(refused(&format!("{{\"metadata\":{{\"k\":\"{long}\"}}}}")).contains("512"));
        let long = "é".repeat(257);
        assert!(refused(&format!("{{\"session_id\":\"{long}\"}}")).contains("at most 256"));
        read(&format!("{{\"session_id\":\"{}\"}}", "é".repeat(256)));
    }

    #[test]
    fn q17_nobody_gets_the_name_of_a_user() {
        let body = r#"{"model":"m","user":"ann","x":1}"#;
        let target = Target {
            user: Some("a1b2"),
            ..PLAIN
        };
        assert_eq!(
            sent(body, target),
            r#"{"model":"up/m","user":"a1b2","x":1}"#
        );
    }

    #[test]
    fn c22_developers_become_systems_where_they_are_not_known() {
        let quirks = Quirks {
            developer_role: false,
            ..Quirks::OPENAI
        };
        assert_eq!(
            sent(
                r#"{"model":"m","messages":[{"role" : "developer","content":"\"developer\""},{"content":"developer","role":"user"}],"x":"developer"}"#,
                with(&quirks)
            ),
            r#"{"model":"up/m","messages":[{"role" : "system","content":"\"developer\""},{"content":"developer","role":"user"}],"x":"developer"}"#
        );
    }

    #[test]
    fn words_of_the_router_go_to_routers_only() {
        let body = r#"{"image_config":{},"model":"m","max_tool_calls":3,"cache_control":{"type":"ephemeral"}}"#;
        assert_eq!(sent(body, PLAIN), r#"{"model":"up/m"}"#);
        let routed = Quirks {
            reasoning: ReasoningWords::Object,
            ..Quirks::OPENAI
        };
        assert_eq!(sent(body, with(&routed)), body.replace("\"m\"", "\"up/m\""));
        assert_eq!(
            sent(r#"{"model":"m","stream_options":{"x":1}}"#, with(&QUIET)),
            r#"{"model":"up/m"}"#
        );
    }

    #[test]
    fn b02_nothing_is_kept_between_requests() {
        for (body, name) in [
            (r#"{"model":"m","store":true}"#, "store"),
            (r#"{"model":"m","background":true}"#, "background"),
            (
                r#"{"model":"m","previous_response_id":"r"}"#,
                "previous_response_id",
            ),
        ] {
            let message = refused_by(body, Api::Responses);
            assert!(message.starts_with(&format!("`{name}` must be false or absent")));
            read(body);
        }
        let body = r#"{"store":false,"background":null,"previous_response_id":null}"#;
        Request::read(body.as_bytes().to_vec(), Api::Responses).unwrap();
    }

    #[test]
    fn r29_fallbacks_are_models() {
        let body = r#"{"model":"m","fallbacks":[{"model":"a"},{"model":"b"}],"max_tokens":1,"metadata":{"user_id":"u"},"user":"u"}"#;
        let request = Request::read(body.as_bytes().to_vec(), Api::Messages).unwrap();
        assert_eq!(request.models(), ["a", "b"]);
        let mut out = Vec::new();
        let target = Target::new(Dialect::Anthropic, "up/m");
        request.upstream(&target).unwrap().write_to(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"model":"up/m","max_tokens":1,"metadata":{"user_id":"u"}}"#
        );
        for wrong in [
            r#"{"fallbacks":[{"model":"a","x":1}]}"#,
            r#"{"fallbacks":[{"model":"a"},{"model":"a"},{"model":"a"},{"model":"a"}]}"#,
            r#"{"fallbacks":[{}]}"#,
            r#"{"fallbacks":["a"]}"#,
            r#"{"fallbacks":[{"model":"a"}],"models":["b"]}"#,
        ] {
            refused_by(wrong, Api::Messages);
        }
    }

    #[test]
    fn what_is_said_otherwise_to_an_endpoint_reaches_it_in_any_protocol() {
        let overrides = [
            crate::dialect::Override {
                name: "web_search_options",
                value: Some("{}".into()),
            },
            crate::dialect::Override {
                name: "service_tier",
                value: None,
            },
        ];
        let body = r#"{"model":"m","service_tier":"flex","messages":[{"role":"user","content":"u"}],"max_tokens":9}"#;
        let target = Target {
            overrides: &overrides,
            ..PLAIN
        };
        assert_eq!(
            sent(body, target),
            r#"{"model":"up/m","messages":[{"role":"user","content":"u"}],"max_completion_tokens":9,"web_search_options":{}}"#
        );
        let anthropic = Target {
            dialect: Dialect::Anthropic,
            ..target
        };
        let sent = sent(body, anthropic);
        assert!(sent.contains("web_search_20250305"), "{sent}");
        assert!(!sent.contains("service_tier"), "{sent}");
    }

    #[test]
    fn routing_members_are_found_by_name() {
        let request = read(r#"{"plugins":[1],"preset" : "p","route":null,"model":"m"}"#);
        assert_eq!(request.routing_member("plugins"), Some("[1]"));
        assert_eq!(request.routing_member("preset"), Some("\"p\""));
        assert_eq!(request.routing_member("pre"), None);
        assert_eq!(request.routing_member("route"), None);
        assert_eq!(request.routing_member("model"), None);
    }

    #[test]
    fn c15_an_answer_depends_on_a_wish_to_hide_thought() {
        let hidden = read(r#"{"model":"m","reasoning":{"exclude":true}}"#);
        assert_eq!(hidden.asked_of(Dialect::OpenAi), hidden.asked());
        assert_eq!(
            read(r#"{"include_reasoning":false}"#)
                .asked_of(Dialect::OpenAi)
                .len(),
            27
        );
        let shown = read(r#"{"model":"m","reasoning":{"effort":"low"}}"#);
        assert_eq!(shown.asked_of(Dialect::OpenAi), "");
        assert_eq!(shown.asked_of(Dialect::Anthropic), shown.asked());
    }
}
