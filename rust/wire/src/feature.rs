//! What a body needs of an endpoint beside its model: tools, a form of the answer, media, parameters.
//!
//! Nothing here is read until an endpoint is known to lack something, because most endpoints lack nothing that is asked for and
//! the body would be walked in vain. What stands at the top of a body was noted when it was read; for media the whole
//! conversation has to be walked, and a search for a few words tells beforehand whether there can be any.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::api::{Api, Task};
use crate::json::{self, Kind, Malformed, Value, Walker};
use crate::member::lenient::{each_element, each_member};
use crate::parameter::{Parameter, Parameters};
use crate::request::Request;

/// A medium that a model may be able to read beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Medium {
    /// Pictures.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Documents, mostly PDF.
    File,
}

impl Medium {
    /// All of them.
    pub const ALL: [Medium; 4] = [Medium::Image, Medium::Audio, Medium::Video, Medium::File];

    /// OpenRouter's word among `input_modalities`.
    pub const fn name(self) -> &'static str {
        match self {
            Medium::Image => "image",
            Medium::Audio => "audio",
            Medium::Video => "video",
            Medium::File => "file",
        }
    }
}

/// A set of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Media(u8);

impl Media {
    /// None.
    pub const NONE: Media = Media(0);
    /// Every medium there is.
    pub const ALL: Media = Media(0b1111);

    /// Whether it is in the set.
    pub const fn has(self, medium: Medium) -> bool {
        self.0 & (1 << medium as u8) != 0
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, medium: Medium) -> Media {
        Media(self.0 | 1 << medium as u8)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Media) -> Media {
        Media(self.0 & !other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Media) -> Media {
        Media(self.0 & other.0)
    }

    /// The first in the order of [`Medium::ALL`].
    pub fn first(self) -> Option<Medium> {
        Medium::ALL.into_iter().find(|medium| self.has(*medium))
    }
}

impl<'a> FromIterator<&'a str> for Media {
    /// Words of `input_modalities`. Those that are no media, `text` above all, are left out.
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Media {
        words.into_iter().fold(Media::default(), |set, word| {
            let medium = Medium::ALL.into_iter().find(|one| one.name() == word);
            medium.map_or(set, |medium| set.with(medium))
        })
    }
}

/// What a request says by its parameters that its answer would be wrong without: [`Parameter::Tools`], [`Parameter::Verbosity`],
/// and [`Parameter::ResponseFormat`], to which [`Parameter::StructuredOutputs`] is added when the form is a schema.
pub fn needs(request: &Request) -> Parameters {
    let mut needs = Parameters::default();
    if request.api().task() != Task::Generate {
        return needs;
    }
    if request.has(Parameter::Tools) {
        needs = needs.with(Parameter::Tools);
    }
    match request.api() {
        Api::Chat | Api::Completions => {
            if request.has(Parameter::Verbosity) {
                needs = needs.with(Parameter::Verbosity);
            }
            if let Some(format) = request.value_of(Parameter::ResponseFormat) {
                needs = with_form(needs, format);
            }
        }
        _ => {
            let Some(form) = request.form_of_answer() else {
                return needs;
            };
            // The body was walked when it was read, so this reaches its end; what is of another type is no wish.
            let _ = each_member(&mut Walker::new(form), |walker, name| {
                let value = walker.value()?;
                needs = nested(needs, request.api(), name, &value, form);
                Ok::<(), Malformed>(())
            });
        }
    }
    needs
}

/// A member of `text`, of `output_config` or of `generationConfig`.
fn nested(needs: Parameters, api: Api, name: &str, value: &Value, text: &str) -> Parameters {
    if value.kind == Kind::Null {
        return needs;
    }
    match (api, name) {
        (Api::Responses | Api::Messages, "format") => with_form(needs, value.raw(text)),
        (Api::Responses, "verbosity") => needs.with(Parameter::Verbosity),
        (
            Api::Gemini,
            "responseSchema" | "response_schema" | "responseJsonSchema" | "response_json_schema",
        ) => needs
            .with(Parameter::ResponseFormat)
            .with(Parameter::StructuredOutputs),
        (Api::Gemini, "responseMimeType" | "response_mime_type") => {
            match value.string(text).as_deref() {
                Some("application/json") => needs.with(Parameter::ResponseFormat),
                _ => needs,
            }
        }
        _ => needs,
    }
}

/// A form by its `type`; `text` is none.
fn with_form(needs: Parameters, form: &str) -> Parameters {
    let mut read = needs;
    let _ = each_member(&mut Walker::new(form), |walker, name| {
        let value = walker.value()?;
        if name == "type" {
            read = match value.string(form).as_deref() {
                None | Some("text") => needs,
                Some("json_schema") => needs
                    .with(Parameter::ResponseFormat)
                    .with(Parameter::StructuredOutputs),
                Some(_) => needs.with(Parameter::ResponseFormat),
            };
        }
        Ok::<(), Malformed>(())
    });
    read
}

/// Every parameter that a request says something by, in OpenRouter's words, for `provider.require_parameters`.
pub fn parameters(request: &Request) -> Parameters {
    let mut set = needs(request);
    if request.api().task() != Task::Generate {
        return set;
    }
    let api = request.api();
    let text = request.asked();
    let _ = each_member(&mut Walker::new(text), |walker, name| {
        let nested = api == Api::Gemini && matches!(name, "generationConfig" | "generation_config");
        if nested {
            return each_member(walker, |walker, name| {
                let value = walker.value()?;
                if value.kind != Kind::Null {
                    set = named(api, name).map_or(set, |parameter| set.with(parameter));
                }
                Ok::<(), Malformed>(())
            });
        }
        let value = walker.value()?;
        if value.kind != Kind::Null && !is_empty(value.raw(text)) {
            set = named(api, name).map_or(set, |parameter| set.with(parameter));
        }
        Ok::<(), Malformed>(())
    });
    set
}

/// The parameter that a member is, in the words of each API.
fn named(api: Api, name: &str) -> Option<Parameter> {
    match (api, name) {
        (Api::Chat | Api::Completions, "response_format") => None,
        (Api::Chat | Api::Completions, name) => Parameter::of(name),
        (_, "temperature") => Some(Parameter::Temperature),
        (_, "top_p" | "topP") => Some(Parameter::TopP),
        (_, "top_k" | "topK") => Some(Parameter::TopK),
        (_, "tool_choice" | "toolConfig" | "tool_config") => Some(Parameter::ToolChoice),
        (Api::Messages, "stop_sequences") | (Api::Gemini, "stopSequences" | "stop_sequences") => {
            Some(Parameter::Stop)
        }
        (Api::Messages, "thinking")
        | (Api::Responses, "reasoning")
        | (Api::Gemini, "thinkingConfig" | "thinking_config") => Some(Parameter::Reasoning),
        (Api::Responses, "parallel_tool_calls") => Some(Parameter::ParallelToolCalls),
        (Api::Responses, "top_logprobs") => Some(Parameter::TopLogprobs),
        (Api::Gemini, "seed") => Some(Parameter::Seed),
        (Api::Gemini, "frequencyPenalty" | "frequency_penalty") => {
            Some(Parameter::FrequencyPenalty)
        }
        (Api::Gemini, "presencePenalty" | "presence_penalty") => Some(Parameter::PresencePenalty),
        (Api::Gemini, "responseLogprobs" | "response_logprobs") => Some(Parameter::Logprobs),
        _ => None,
    }
}

/// Whether a raw value is an array without elements.
pub(crate) fn is_empty(raw: &str) -> bool {
    raw.strip_prefix('[')
        .and_then(|rest| rest.trim_start().strip_prefix(']'))
        .is_some()
}

/// The name of the first tool, for messages; cut to a length that can be shown.
pub fn first_tool(request: &Request) -> Option<String> {
    let tools = request.value_of(Parameter::Tools)?;
    let mut found: Option<String> = None;
    let _ = each_element(&mut Walker::new(tools), |walker| tool(walker, &mut found));
    found.map(|name| name.chars().take(TOOL_NAME_CHARS_MAX).collect())
}

/// Longest name of a tool that is repeated in a message.
const TOOL_NAME_CHARS_MAX: usize = 64;

/// A tool's name stands in it, or in its `function` or its `functionDeclarations`; one of the provider's own has a `type` only.
fn tool(walker: &mut Walker<'_>, found: &mut Option<String>) -> Result<(), Malformed> {
    let mut kind = None;
    each_member(walker, |walker, name| match name {
        "function" => tool(walker, found),
        "functionDeclarations" | "function_declarations" => {
            each_element(walker, |walker| tool(walker, found))
        }
        _ => {
            let value = walker.value()?;
            let text = || value.string(walker.text()).map(|text| text.into_owned());
            match name {
                "name" if found.is_none() => *found = text(),
                "type" => kind = text().filter(|kind| kind != "function"),
                _ => {}
            }
            Ok(())
        }
    })?;
    if found.is_none() {
        *found = kind;
    }
    Ok(())
}

/// Made once: making a searcher costs more than searching a usual body.
macro_rules! finders {
    ($($name:ident $needle:literal;)*) => {
        $(static $name: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new($needle));)*
    };
}

finders! {
    TYPE b"\"type\"";
    // The start of the word for a part's kind, and of a type of images (`image_url`, `image`, `image/png`).
    IMAGE b"\"image";
    AUDIO b"\"audio";
    VIDEO b"\"video";
    // `file`, `file_data`, `fileData`.
    FILE b"\"file";
    DOCUMENT b"\"document";
    // `input_image` and its like; with the underscore, because `"input"` stands in every body of the responses API.
    INPUT b"\"input_";
    APPLICATION b"\"application/";
    CACHE_CONTROL b"\"cache_control\"";
}

/// What the conversation holds beside text.
pub fn media(request: &Request) -> Media {
    let api = request.api();
    if api.task() != Task::Generate || request.is_form() {
        return Media::default();
    }
    let body = request.body();
    let may = |finders: &[&LazyLock<Finder<'static>>]| {
        finders.iter().any(|finder| finder.find(body).is_some())
    };
    let possible = match api {
        Api::Messages => may(&[&IMAGE, &DOCUMENT]),
        Api::Responses => may(&[&INPUT]),
        Api::Gemini => may(&[&IMAGE, &AUDIO, &VIDEO, &FILE, &APPLICATION]),
        // Each part says what it is, and a conversation of texts has no parts.
        _ => may(&[&TYPE]) && may(&[&IMAGE, &INPUT, &VIDEO, &FILE]),
    };
    if !possible {
        return Media::default();
    }
    let mut media = Media::default();
    // The body was walked when it was read, so this reaches its end.
    let _ = each_member(
        &mut Walker::new(request.asked()),
        |walker, name| match name {
            "messages" | "input" | "contents" | "system" => parts(walker, &mut media),
            _ => walker.value().map(|_| ()),
        },
    );
    media
}

/// Adds the media of a value to the set: a part says what it is by its `type`, in Gemini's API by the type of its data.
fn parts(walker: &mut Walker<'_>, media: &mut Media) -> Result<(), Malformed> {
    match walker.peek() {
        Some(Kind::Array) => each_element(walker, |walker| parts(walker, media)),
        Some(Kind::Object) => each_member(walker, |walker, name| match name {
            // Arguments and results of tools are data, whatever their members are called.
            "input" | "arguments" | "args" | "response" => walker.value().map(|_| ()),
            "type" => {
                let value = walker.value()?;
                let medium = match value.string(walker.text()).as_deref() {
                    Some("image_url" | "input_image" | "image") => Some(Medium::Image),
                    Some("input_audio" | "audio") => Some(Medium::Audio),
                    Some("video_url" | "input_video" | "video") => Some(Medium::Video),
                    Some("file" | "input_file" | "document") => Some(Medium::File),
                    _ => None,
                };
                *media = medium.map_or(*media, |medium| media.with(medium));
                Ok(())
            }
            "mimeType" | "mime_type" => {
                let value = walker.value()?;
                let raw = json::inside(value.raw(walker.text()));
                let medium = match raw.split('/').next() {
                    Some("image") => Some(Medium::Image),
                    Some("audio") => Some(Medium::Audio),
                    Some("video") => Some(Medium::Video),
                    Some("application") => Some(Medium::File),
                    _ => None,
                };
                *media = medium.map_or(*media, |medium| media.with(medium));
                Ok(())
            }
            _ => parts(walker, media),
        }),
        _ => walker.value().map(|_| ()),
    }
}

/// Whether anything in the body is marked for a provider's cache.
pub fn marks_cache(request: &Request) -> bool {
    CACHE_CONTROL.find(request.body()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(api: Api, body: &str) -> Request {
        match api {
            Api::Gemini => {
                Request::read_beside_path(body.as_bytes().to_vec(), api, "m".to_owned(), false)
                    .unwrap()
            }
            _ => Request::read(body.as_bytes().to_vec(), api).unwrap(),
        }
    }

    fn set(names: &[&str]) -> Parameters {
        names.iter().copied().collect()
    }

    #[test]
    fn needs_are_read_in_every_api() {
        for (api, body, expected) in [
            (Api::Chat, r#"{"messages":[]}"#, &[][..]),
            (
                Api::Chat,
                r#"{"tools":[],"verbosity":null,"response_format":{"type":"text"}}"#,
                &[],
            ),
            (
                Api::Chat,
                r#"{"tools":[{}],"verbosity":"low"}"#,
                &["tools", "verbosity"],
            ),
            (
                Api::Chat,
                r#"{"response_format":{"type":"json_object"}}"#,
                &["response_format"],
            ),
            (
                Api::Chat,
                r#"{"response_format":{"json_schema":{},"type":"json_schema"}}"#,
                &["response_format", "structured_outputs"],
            ),
            (
                Api::Responses,
                r#"{"tools":[{}],"text":{"format":{"type":"json_schema"},"verbosity":"high"}}"#,
                &[
                    "tools",
                    "response_format",
                    "structured_outputs",
                    "verbosity",
                ],
            ),
            (
                Api::Responses,
                r#"{"text":{"format":{"type":"text"}}}"#,
                &[],
            ),
            (
                Api::Messages,
                r#"{"output_config":{"effort":"low","format":{"type":"json_schema"}}}"#,
                &["response_format", "structured_outputs"],
            ),
            (
                Api::Gemini,
                r#"{"tools":[{"functionDeclarations":[]}],"generationConfig":{"responseMimeType":"application/json"}}"#,
                &["tools", "response_format"],
            ),
            (
                Api::Gemini,
                r#"{"generationConfig":{"responseSchema":{}}}"#,
                &["response_format", "structured_outputs"],
            ),
            (Api::Embeddings, r#"{"tools":[{}]}"#, &[]),
        ] {
            assert_eq!(needs(&read(api, body)), set(expected), "{body}");
        }
    }

    #[test]
    fn parameters_are_read_in_every_api() {
        for (api, body, expected) in [
            (
                Api::Chat,
                r#"{"model":"m","temperature":1,"seed":null,"stop":"x","tools":[ ],"response_format":{"type":"text"}}"#,
                &["temperature", "stop"][..],
            ),
            (
                Api::Messages,
                r#"{"temperature":1,"stop_sequences":["a"],"thinking":{},"seed":1}"#,
                &["temperature", "stop", "reasoning"],
            ),
            (
                Api::Responses,
                r#"{"reasoning":{},"top_p":1,"tools":[{}]}"#,
                &["reasoning", "top_p", "tools"],
            ),
            (
                Api::Gemini,
                r#"{"generationConfig":{"topK":1,"seed":7,"topP":null}}"#,
                &["top_k", "seed"],
            ),
        ] {
            assert_eq!(parameters(&read(api, body)), set(expected), "{body}");
        }
    }

    #[test]
    fn media_are_found_where_they_stand() {
        let of = |api, body: &str| media(&read(api, body));
        let only = |medium| Media::default().with(medium);
        let content =
            |part: &str| format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
        for (part, expected) in [
            (
                r#"{"type":"text","text":"an \"image_url\""}"#,
                Media::default(),
            ),
            (
                r#"{"type":"image_url","image_url":{"url":"http://x/y"}}"#,
                only(Medium::Image),
            ),
            (
                r#"{ "type" : "input_audio","input_audio":{}}"#,
                only(Medium::Audio),
            ),
            (r#"{"type":"video_url"}"#, only(Medium::Video)),
            (
                r#"{"type":"file"},{"type":"image_url"}"#,
                only(Medium::File).with(Medium::Image),
            ),
        ] {
            assert_eq!(of(Api::Chat, &content(part)), expected, "{part}");
        }
        for (part, expected) in [
            (r#"{"type":"image","source":{}}"#, only(Medium::Image)),
            (r#"{"type":"document"}"#, only(Medium::File)),
            (
                r#"{"type":"tool_result","content":[{"type":"image"}]}"#,
                only(Medium::Image),
            ),
            (
                r#"{"type":"tool_use","input":{"type":"image"}}"#,
                Media::default(),
            ),
        ] {
            assert_eq!(of(Api::Messages, &content(part)), expected, "{part}");
        }
        let input = r#"{"input":[{"role":"user","content":[{"type":"input_image"},{"type":"input_text"}]}]}"#;
        assert_eq!(of(Api::Responses, input), only(Medium::Image));
        let gemini = r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":""}},{"fileData":{"mime_type":"application/pdf"}}]}]}"#;
        assert_eq!(
            of(Api::Gemini, gemini),
            only(Medium::Audio).with(Medium::File)
        );
        assert_eq!(
            of(Api::Chat, r#"{"tools":[{"type":"image_url"}]}"#),
            Media::default()
        );
    }

    #[test]
    fn the_first_tool_is_named() {
        for (api, body, expected) in [
            (
                Api::Chat,
                r#"{"tools":[{"type":"function","function":{"name":"look_up"}}]}"#,
                Some("look_up"),
            ),
            (
                Api::Responses,
                r#"{"tools":[{"type":"web_search"}]}"#,
                Some("web_search"),
            ),
            (
                Api::Messages,
                r#"{"tools":[{"name":"grep","input_schema":{}}]}"#,
                Some("grep"),
            ),
            (
                Api::Gemini,
                r#"{"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#,
                Some("f"),
            ),
            (Api::Chat, r#"{"tools":[]}"#, None),
        ] {
            assert_eq!(first_tool(&read(api, body)).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_set_of_media_is_made_of_words() {
        let media: Media = ["text", "image", "file"].into_iter().collect();
        assert!(media.has(Medium::Image) && media.has(Medium::File) && !media.has(Medium::Audio));
        assert_eq!(Media::ALL.without(media).first(), Some(Medium::Audio));
        assert!(media.without(Media::ALL).is_empty());
    }

    #[test]
    fn marks_for_a_cache_are_seen() {
        assert!(marks_cache(&read(
            Api::Chat,
            r#"{"cache_control":{"type":"ephemeral"}}"#
        )));
        assert!(!marks_cache(&read(Api::Chat, "{}")));
    }
}
