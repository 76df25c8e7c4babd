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

mod fate;
mod judge;
mod pass;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod upstream;

use std::borrow::Cow;

use scan::{Noted, What};
pub use upstream::Upstream;

use crate::api::Api;
use crate::dialect::Dialect;
pub use crate::dialect::Target;
use crate::feature;
use crate::json::{Kind, Malformed, Span, Value, Walker};
use crate::member::lenient::each_member;
use crate::opaque::Counted;
use crate::parameter::Parameter;
use crate::preferences::Preferences;

/// Most entries of `models`, and of each list in `provider`. More is refused.
pub const LIST_MAX: usize = 64;

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
    /// Whether the word `developer` stands somewhere in the body, as it does for a role.
    says_developer: bool,
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

impl Request {
    /// The API that it was read for.
    pub fn api(&self) -> Api {
        self.api
    }

    /// `model`; `None` when absent or null.
    pub fn model(&self) -> Option<&str> {
        self.text(&self.model)
    }

    /// Whether `model` is this name, letter for letter. Cheaper than looking at the name as text.
    pub fn names(&self, name: &str) -> bool {
        match &self.model {
            None => false,
            Some(Text::At(span)) => self.body.get(span.start..span.end) == Some(name.as_bytes()),
            Some(Text::Decoded(model)) => model == name,
        }
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

    /// Whom a provider would learn of, if it were not for a pseudonym: `user`, or what the messages API has for it, `metadata.user_id`.
    pub fn user_to_hide(&self) -> Option<Cow<'_, str>> {
        if let Some(user) = self.user() {
            return Some(Cow::Borrowed(user));
        }
        if self.api != Api::Messages {
            return None;
        }
        let metadata = (self.noted.iter()).find(|noted| noted.what == What::Metadata)?;
        let raw = self.slice(metadata.value.span)?;
        user_id(raw)?.string(raw)
    }

    /// The body as read: the client's own, or its canonical form where that was needed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes the body away, when the request is over: what is left says nothing any more.
    pub fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// The value of one of [`ROUTING_FIELDS`], raw. `None` when it is absent or null.
    pub fn routing_member(&self, name: &str) -> Option<&str> {
        let is_routing =
            |noted: &&Noted| noted.what == What::Routing && noted.value.kind != Kind::Null;
        let mut members = self.noted.iter().filter(is_routing);
        // Only the member is looked at as text: to look at the whole body so costs more than all else here.
        let noted = members.find(|noted| is_key(&self.body, noted.span.start, name))?;
        let span = noted.value.span;
        std::str::from_utf8(self.body.get(span.start..span.end)?).ok()
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

    /// What it says about its own use, for answers of opaque operations that say nothing.
    pub fn counted(&self) -> Counted {
        match &self.form {
            Some(form) => form.counted,
            None => Counted::of_json(self.api, self.asked()),
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

    fn text<'a>(&'a self, text: &'a Option<Text>) -> Option<&'a str> {
        match text.as_ref()? {
            // The body was checked to be UTF-8 when it was read, and the span lies between two quotes of it.
            Text::At(span) => std::str::from_utf8(self.body.get(span.start..span.end)?).ok(),
            Text::Decoded(text) => Some(text),
        }
    }

    /// A part of the body, which was checked to be UTF-8 when it was read.
    fn slice(&self, span: Span) -> Option<&str> {
        std::str::from_utf8(self.body.get(span.start..span.end)?).ok()
    }
}

/// `user_id` of the messages API's `metadata`, when it is a string.
fn user_id(metadata: &str) -> Option<Value> {
    let mut walker = Walker::new(metadata);
    let mut found = None;
    let read: Result<(), Malformed> = each_member(&mut walker, |walker, name| {
        let value = walker.value()?;
        if name == "user_id" && value.kind.is_string() {
            found = Some(value);
        }
        Ok(())
    });
    read.ok().and(found)
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

/// Whether the key that starts at `start` is `name`. A key of interest has no escapes.
fn is_key(body: &[u8], start: usize, name: &str) -> bool {
    let inside = body.get(start + 1..).unwrap_or_default();
    inside.starts_with(name.as_bytes()) && inside.get(name.len()) == Some(&b'"')
}
