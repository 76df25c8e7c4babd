//! A client's body read: from its members to what routing asks about.

use super::judge::judge;
use super::scan::{Field, Scan, Stop, malformed, scan};
use super::{Form, LIST_MAX, Request, StreamOptions, Text};
use crate::api::Api;
use crate::json::{self, Kind, Malformed, Reach, Span, Value, Walker};
use crate::member::lenient::each_member;
use crate::multipart::{self, FormReader};
use crate::opaque::{self, Counted};
use crate::preferences;
use crate::refusal::{Kind as RefusalKind, Refusal};

/// Most characters of `session_id` (checklist Q16).
const SESSION_ID_CHARS_MAX: usize = 256;

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
        Request::of_form(body, api, content_type, &reader).map(Ok)
    }

    /// A request whose form has been read, whole or in its beginning.
    pub(crate) fn of_form(
        body: Vec<u8>,
        api: Api,
        content_type: &str,
        reader: &FormReader,
    ) -> Result<Request, Refusal> {
        opaque::check_form(api, reader)?;
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
        Ok(Request {
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
            says_developer: false,
            noted: Vec::new(),
            form: Some(Box::new(Form {
                content_type: content_type.to_owned(),
                model: model_span,
                user: user_span,
                counted: Counted::of_form(api, reader),
            })),
            body,
        })
    }

    fn read_body(body: Vec<u8>, api: Api) -> Result<Request, Refusal> {
        let text = match json::text(&body) {
            Ok(text) => text,
            Err(wrong) => return Err(malformed(&body, wrong)),
        };
        let mut found = Scan::default();
        match scan(text, false, &mut found) {
            Ok(()) => {
                let mut request = Request::interpret(&found, true, api, text)?;
                (request.noted, request.body) = (found.noted, body);
                Ok(request)
            }
            Err(Stop::Malformed(wrong)) => Err(malformed(&body, wrong)),
            Err(Stop::Irregular) => {
                let canonical =
                    json::canonical(text, Reach::Top).map_err(|wrong| malformed(&body, wrong))?;
                match scan(&canonical, true, &mut found) {
                    Ok(()) => {
                        let mut request = Request::interpret(&found, false, api, &canonical)?;
                        (request.noted, request.body) = (found.noted, canonical.into_bytes());
                        Ok(request)
                    }
                    Err(Stop::Malformed(wrong)) => Err(malformed(canonical.as_bytes(), wrong)),
                    Err(Stop::Irregular) => Err(Refusal::new(RefusalKind::Server)),
                }
            }
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
            says_developer: scan.developer.is_said,
            noted: Vec::new(),
            form: None,
            body: Vec::new(),
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
