//! The dialects that the mock speaks, and which endpoint belongs to which: the one list of both.
//!
//! A dialect is a file with plain functions: how it reads a request, how it says an answer whole and in events, and how
//! it says an error. [`Operation::voice`] puts those of one endpoint together. What every dialect breaks in the same way
//! (an event that is not JSON, an error in the middle, no last event) is broken here, in [`break_events`].

pub(crate) mod anthropic;
pub(crate) mod bedrock;
pub(crate) mod cohere;
pub(crate) mod gemini;
pub(crate) mod media;
pub(crate) mod ollama;
pub(crate) mod openai;
pub(crate) mod responses;

use serde_json::Value;

use crate::content::{Call, Content};
use crate::script::Script;

/// `created` of everything: constant, since answers are prebuilt.
pub(crate) const CREATED: u64 = 1_750_000_000;
/// Bytes that no UTF-8 text holds.
const NOT_UTF8: &[u8] = b"\xff\xfe\xc0";
/// What `garbage` puts where JSON was expected.
pub(crate) const GARBAGE: &[u8] = br#"{"id": mock, "choices": [{"#;
/// The content type of most answers.
pub(crate) const JSON: &str = "application/json";

/// Who defined the words of an endpoint. Decides the shape of its errors and where it looks for a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
    Bedrock,
    Cohere,
    Ollama,
}

/// An endpoint. The number is part of a shelf's key.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub(crate) enum Operation {
    Chat,
    Completion,
    Embeddings,
    Models,
    Model,
    Moderations,
    ImageGeneration,
    ImageEdit,
    Speech,
    Transcription,
    Translation,
    Responses,
    Messages,
    MessageTokens,
    Generate,
    StreamGenerate,
    ContentTokens,
    EmbedContent,
    BatchEmbedContents,
    Converse,
    ConverseStream,
    Invoke,
    CohereChat,
    CohereEmbed,
    Rerank,
    OllamaChat,
    OllamaEmbed,
    /// Anthropic's messages on Vertex, where the path names the model.
    Predict,
}

/// Where a request names its model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ModelPlace {
    /// `"model"` of a JSON body, or the part of that name of a multipart body.
    Body,
    /// Between two slashes of the path, in percent escapes.
    Path,
    /// There is none.
    Nowhere,
}

impl Operation {
    /// The endpoint of a path, and the model's name as it stands there, if it does.
    pub(crate) fn find(path: &[u8]) -> Option<(Operation, &[u8])> {
        // The one that a bench asks for comes first.
        if path.ends_with(b"/chat/completions") {
            return Some((Operation::Chat, b""));
        }
        let ends = [
            (b"/completions".as_slice(), Operation::Completion),
            (b"/embeddings", Operation::Embeddings),
            (b"/responses", Operation::Responses),
            (b"/messages", Operation::Messages),
            (b"/messages/count_tokens", Operation::MessageTokens),
            (b"/moderations", Operation::Moderations),
            (b"/images/generations", Operation::ImageGeneration),
            (b"/images/edits", Operation::ImageEdit),
            (b"/audio/speech", Operation::Speech),
            (b"/audio/transcriptions", Operation::Transcription),
            (b"/audio/translations", Operation::Translation),
            (b"/v2/chat", Operation::CohereChat),
            (b"/v2/embed", Operation::CohereEmbed),
            (b"/rerank", Operation::Rerank),
            (b"/api/chat", Operation::OllamaChat),
            (b"/api/embed", Operation::OllamaEmbed),
            (b"/models", Operation::Models),
        ];
        if let Some((_, operation)) = ends.iter().find(|(end, _)| path.ends_with(end)) {
            return Some((*operation, b""));
        }
        if let Some((model, verb)) = behind(path, b"/model/", b'/') {
            let operation = match verb {
                b"converse" => Operation::Converse,
                b"converse-stream" => Operation::ConverseStream,
                b"invoke" => Operation::Invoke,
                _ => return None,
            };
            return Some((operation, model));
        }
        if let Some((model, verb)) = behind(path, b"/models/", b':') {
            let operation = match verb {
                b"generateContent" => Operation::Generate,
                b"streamGenerateContent" => Operation::StreamGenerate,
                b"countTokens" => Operation::ContentTokens,
                b"embedContent" => Operation::EmbedContent,
                b"batchEmbedContents" => Operation::BatchEmbedContents,
                b"rawPredict" | b"streamRawPredict" => Operation::Predict,
                // A colon may also stand in the name of a model that is asked for.
                _ => return model_object(path),
            };
            return Some((operation, model));
        }
        model_object(path)
    }

    /// The method that it takes.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Operation::Models | Operation::Model => "GET",
            _ => "POST",
        }
    }

    /// Where it names its model.
    pub(crate) fn model_place(self) -> ModelPlace {
        match self {
            Operation::Models | Operation::Model => ModelPlace::Nowhere,
            Operation::Generate
            | Operation::StreamGenerate
            | Operation::ContentTokens
            | Operation::EmbedContent
            | Operation::BatchEmbedContents
            | Operation::Converse
            | Operation::ConverseStream
            | Operation::Invoke
            | Operation::Predict => ModelPlace::Path,
            _ => ModelPlace::Body,
        }
    }

    /// Whose words it speaks.
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Operation::Messages | Operation::MessageTokens | Operation::Predict => {
                Dialect::Anthropic
            }
            Operation::Generate
            | Operation::StreamGenerate
            | Operation::ContentTokens
            | Operation::EmbedContent
            | Operation::BatchEmbedContents => Dialect::Gemini,
            Operation::Converse | Operation::ConverseStream | Operation::Invoke => Dialect::Bedrock,
            Operation::CohereChat | Operation::CohereEmbed | Operation::Rerank => Dialect::Cohere,
            Operation::OllamaChat | Operation::OllamaEmbed => Dialect::Ollama,
            _ => Dialect::OpenAi,
        }
    }

    /// How it says a text, if a text is what it says. `sse`: the query asked for server-sent events.
    pub(crate) fn voice(self, sse: bool) -> Option<Voice> {
        Some(match self {
            Operation::Chat => Voice {
                read: openai::read,
                whole: openai::chat,
                events: openai::chat_events,
                wire: Wire::Sse,
            },
            Operation::Completion => Voice {
                read: openai::read,
                whole: openai::completion,
                events: openai::completion_events,
                wire: Wire::Sse,
            },
            Operation::Responses => Voice {
                read: responses::read,
                whole: responses::whole,
                events: responses::events,
                wire: Wire::Sse,
            },
            Operation::Messages | Operation::Predict => Voice {
                read: anthropic::read,
                whole: anthropic::whole,
                events: anthropic::events,
                wire: Wire::Sse,
            },
            Operation::Generate | Operation::StreamGenerate => Voice {
                read: gemini::read,
                whole: gemini::whole,
                events: gemini::events,
                wire: if sse { Wire::SseCrlf } else { Wire::Array },
            },
            Operation::Converse | Operation::ConverseStream => Voice {
                read: bedrock::read,
                whole: bedrock::whole,
                events: bedrock::events,
                wire: Wire::EventStream,
            },
            Operation::CohereChat => Voice {
                read: cohere::read,
                whole: cohere::whole,
                events: cohere::events,
                wire: Wire::Sse,
            },
            Operation::OllamaChat => Voice {
                read: ollama::read,
                whole: ollama::whole,
                events: ollama::events,
                wire: Wire::Lines,
            },
            _ => return None,
        })
    }

    /// What a stream of it says when something fails in the middle.
    pub(crate) fn error_events(self, said: &Said<'_>, before: usize) -> Vec<Event> {
        match self {
            Operation::Responses => responses::error_events(said, before),
            operation => match operation.dialect() {
                Dialect::Anthropic => anthropic::error_events(said),
                Dialect::Bedrock => bedrock::error_events(said),
                Dialect::Cohere => cohere::error_events(said),
                dialect => vec![Event::token("", dialect.error(500, said.script).bytes())],
            },
        }
    }
}

/// The part behind the last `lead`, cut at the last `cut` in it.
fn behind<'a>(path: &'a [u8], lead: &[u8], cut: u8) -> Option<(&'a [u8], &'a [u8])> {
    let start = memchr::memmem::rfind(path, lead)? + lead.len();
    let rest = path.get(start..)?;
    let at = memchr::memrchr(cut, rest)?;
    Some((rest.get(..at)?, rest.get(at + 1..)?))
}

fn model_object(path: &[u8]) -> Option<(Operation, &[u8])> {
    let start = memchr::memmem::find(path, b"/models/")? + b"/models/".len();
    Some((Operation::Model, path.get(start..)?))
}

impl Dialect {
    /// An error in its shape. The script may bring the message and when to come again.
    pub(crate) fn error(self, status: u16, script: &Script) -> Words {
        match self {
            Dialect::OpenAi => {
                Words::json(status, openai::error(status, script.message.as_deref()))
            }
            Dialect::Anthropic => anthropic::error(status, script),
            Dialect::Gemini => gemini::error(status, script),
            Dialect::Bedrock => bedrock::error(status, script),
            Dialect::Cohere => cohere::error(status, script),
            Dialect::Ollama => ollama::error(status, script),
        }
    }

    /// Whether a request shows this key where its clients put it.
    pub(crate) fn authorized(self, headers: &[(String, String)], query: &str, key: &str) -> bool {
        let header = |name: &str| {
            let mut found = headers
                .iter()
                .filter(|(have, _)| have.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.as_str())
        };
        let authorization = header("authorization").unwrap_or_default();
        let bearer = authorization.strip_prefix("Bearer ") == Some(key);
        match self {
            // `api-key` is how the same words are asked for on Azure.
            Dialect::OpenAi => bearer || header("api-key") == Some(key),
            Dialect::Anthropic => bearer || header("x-api-key") == Some(key),
            Dialect::Gemini => {
                let asked = query.split('&').find_map(|pair| pair.strip_prefix("key="));
                bearer || header("x-goog-api-key") == Some(key) || asked == Some(key)
            }
            Dialect::Bedrock => bearer || bedrock::signed_by(authorization, key),
            Dialect::Cohere | Dialect::Ollama => bearer,
        }
    }
}

/// How one endpoint reads and says a text.
#[derive(Clone, Copy)]
pub(crate) struct Voice {
    pub(crate) read: fn(&Value) -> Asked,
    pub(crate) whole: fn(&Said<'_>) -> Vec<u8>,
    pub(crate) events: fn(&Said<'_>) -> Vec<Event>,
    pub(crate) wire: Wire,
}

/// What a request says that changes the answer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Asked {
    /// The last thing that the user said.
    pub(crate) said: String,
    /// Words of all messages.
    pub(crate) words: u64,
    /// The first tool that may be called.
    pub(crate) tool: Option<String>,
    /// Whether the result of a tool has come.
    pub(crate) answered: bool,
}

impl Asked {
    /// Reads a list of messages: `role` tells the user's, `key` holds a text or parts with a `text`.
    pub(crate) fn messages(messages: &Value, key: &str) -> Asked {
        let messages = messages.as_array().map(Vec::as_slice).unwrap_or_default();
        let said = messages.iter().rev().find(|message| {
            // A user who brings the result of a tool says nothing with it.
            message["role"] == "user" && !text(&message[key]).is_empty()
        });
        let count = |message: &Value| text(&message[key]).split_whitespace().count() as u64;
        Asked {
            said: said.map(|message| text(&message[key])).unwrap_or_default(),
            words: messages.iter().map(count).sum(),
            ..Asked::default()
        }
    }
}

/// Whether a part of a message in this list has this key, or is of this type.
pub(crate) fn any_part(messages: &Value, parts: &str, is: impl Fn(&Value) -> bool) -> bool {
    let lists = messages.as_array().into_iter().flatten();
    lists
        .filter_map(|message| message[parts].as_array())
        .flatten()
        .any(is)
}

/// The text of a content: a string, a list of strings, or the text parts of a list of parts.
pub(crate) fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.as_str().or_else(|| part["text"].as_str()))
            .collect(),
        _ => String::new(),
    }
}

/// An answer that is about to be said.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) model: &'a str,
    pub(crate) content: &'a Content,
    pub(crate) script: &'a Script,
    /// Whether the request asked for the usage at the end of a stream.
    pub(crate) usage_asked: bool,
}

/// A part of an answer, in the order in which they stand.
#[derive(Debug)]
pub(crate) enum Block<'a> {
    Thought(&'a [String]),
    Text(&'a [String]),
    /// With its number among the calls.
    Call(usize, &'a Call),
}

impl Said<'_> {
    /// The blocks of the answer; none with `nochoices`. A text without tokens is still a block, unless there are calls.
    pub(crate) fn blocks(&self) -> Vec<Block<'_>> {
        let Content {
            thoughts,
            tokens,
            calls,
            ..
        } = self.content;
        let mut blocks = Vec::new();
        if self.script.nochoices {
            return blocks;
        }
        if !thoughts.is_empty() {
            blocks.push(Block::Thought(thoughts));
        }
        if !tokens.is_empty() || calls.is_empty() {
            blocks.push(Block::Text(tokens));
        }
        blocks.extend(
            calls
                .iter()
                .enumerate()
                .map(|(index, call)| Block::Call(index, call)),
        );
        blocks
    }

    /// The reason why the answer ends: the script's, `calls` if tools are called, else `stop`.
    pub(crate) fn finish(&self, stop: &'static str, calls: &'static str) -> &str {
        let natural = if self.content.calls.is_empty() {
            stop
        } else {
            calls
        };
        self.script.finish.as_deref().unwrap_or(natural)
    }
}

/// How the events of a stream are told apart on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wire {
    /// Server-sent events.
    Sse,
    /// The same, where the vendor ends lines in CRLF without being asked.
    SseCrlf,
    /// One JSON text on each line.
    Lines,
    /// The items of one JSON array.
    Array,
    /// Frames with checksums.
    EventStream,
}

/// One event of a stream, not yet framed.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its type where the wire names it beside the data, else empty. In an event stream, names that end in `Exception`
    /// are exceptions.
    pub(crate) name: &'static str,
    pub(crate) data: Vec<u8>,
    /// Whether `pace` waits before it: tokens do, what ends the stream follows at once.
    pub(crate) paced: bool,
    /// Whether it does nothing but end the stream, so that `nodone` leaves it out.
    pub(crate) last: bool,
}

impl Event {
    /// One that brings a token.
    pub(crate) fn token(name: &'static str, data: impl Into<Vec<u8>>) -> Event {
        Event {
            paced: true,
            ..Event::frame(name, data)
        }
    }

    /// One that follows the one before it at once.
    pub(crate) fn frame(name: &'static str, data: impl Into<Vec<u8>>) -> Event {
        Event {
            name,
            data: data.into(),
            paced: false,
            last: false,
        }
    }

    /// The one that ends the stream.
    pub(crate) fn last(name: &'static str, data: impl Into<Vec<u8>>) -> Event {
        Event {
            last: true,
            ..Event::frame(name, data)
        }
    }
}

/// Does to the events of any dialect what the script asks for.
pub(crate) fn break_events(
    operation: Operation,
    said: &Said<'_>,
    mut events: Vec<Event>,
) -> Vec<Event> {
    let script = said.script;
    if script.binary
        && let Some(event) = events.iter_mut().find(|event| event.paced)
    {
        splice_binary(&mut event.data);
    }
    let mut end = match events.last() {
        Some(event) if event.last => events.pop(),
        _ => None,
    };
    if let Some(after) = script.error_in {
        events.truncate(after);
        let before = events.len();
        events.extend(operation.error_events(said, before));
        // Where the end is a marker it still comes; where it is a good end in words it cannot.
        end = end.filter(|end| end.data == b"[DONE]");
    }
    if let Some(after) = script.garbage {
        let name = events
            .get(after)
            .or(events.last())
            .map_or("", |event| event.name);
        events.insert(after.min(events.len()), Event::token(name, GARBAGE));
    }
    if !script.nodone {
        events.extend(end);
    }
    events
}

/// Puts bytes that are not UTF-8 at the start of the text in this event.
fn splice_binary(data: &mut Vec<u8>) {
    for key in [
        br#""content":""#.as_slice(),
        br#""text":""#,
        br#""arguments":""#,
        br#""delta":""#,
        br#""thinking":""#,
        br#""partial_json":""#,
        br#""input":""#,
        br#""reasoning_content":""#,
        br#""name":""#,
    ] {
        if let Some(at) = memchr::memmem::find(data, key) {
            let at = at + key.len();
            data.splice(at..at, NOT_UTF8.iter().copied());
            return;
        }
    }
}

/// An answer in words, not yet framed.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) status: u16,
    /// Beside those that every answer has.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Payload {
    Whole { kind: &'static str, bytes: Vec<u8> },
    Stream { wire: Wire, events: Vec<Event> },
}

impl Words {
    /// A JSON body.
    pub(crate) fn json(status: u16, bytes: Vec<u8>) -> Words {
        Words::whole(status, JSON, bytes)
    }

    /// A body of any kind.
    pub(crate) fn whole(status: u16, kind: &'static str, bytes: Vec<u8>) -> Words {
        Words {
            status,
            headers: Vec::new(),
            payload: Payload::Whole { kind, bytes },
        }
    }

    /// A stream.
    pub(crate) fn stream(wire: Wire, events: Vec<Event>) -> Words {
        Words {
            status: 200,
            headers: Vec::new(),
            payload: Payload::Stream { wire, events },
        }
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Words {
        self.headers.push((name, value.into()));
        self
    }

    /// The body of an answer that is no stream.
    fn bytes(self) -> Vec<u8> {
        match self.payload {
            Payload::Whole { bytes, .. } => bytes,
            Payload::Stream { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_their_endpoint_below_any_prefix() {
        for (path, operation, model) in [
            ("/v1/chat/completions", Operation::Chat, ""),
            ("/api/v1/completions", Operation::Completion, ""),
            ("/v1/messages/count_tokens", Operation::MessageTokens, ""),
            (
                "/v1beta/models/g:x;cut=1:generateContent",
                Operation::Generate,
                "g:x;cut=1",
            ),
            (
                "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
                Operation::StreamGenerate,
                "g",
            ),
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/c@1:streamRawPredict",
                Operation::Predict,
                "c@1",
            ),
            (
                "/model/a.b-v1%3A0/converse-stream",
                Operation::ConverseStream,
                "a.b-v1%3A0",
            ),
            (
                "/model/arn:aws:x/y/converse",
                Operation::Converse,
                "arn:aws:x/y",
            ),
            ("/v1/models/any/name", Operation::Model, "any/name"),
            ("/v1/models/any:free", Operation::Model, "any:free"),
            ("/v1beta/models", Operation::Models, ""),
            ("/x/v2/chat", Operation::CohereChat, ""),
            ("/api/chat", Operation::OllamaChat, ""),
        ] {
            let found = Operation::find(path.as_bytes());
            assert_eq!(found, Some((operation, model.as_bytes())), "{path}");
        }
        assert_eq!(Operation::find(b"/model/x/destroy"), None);
        assert_eq!(Operation::find(b"/v1/nothing"), None);
    }

    #[test]
    fn each_dialect_takes_the_key_where_its_clients_put_it() {
        let with = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for (dialect, name, value) in [
            (Dialect::OpenAi, "Authorization", "Bearer k"),
            (Dialect::OpenAi, "api-key", "k"),
            (Dialect::Anthropic, "X-Api-Key", "k"),
            (Dialect::Gemini, "x-goog-api-key", "k"),
            (
                Dialect::Bedrock,
                "authorization",
                "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0",
            ),
            (Dialect::Cohere, "authorization", "Bearer k"),
        ] {
            assert!(
                dialect.authorized(&with(name, value), "", "k"),
                "{dialect:?} {name}"
            );
            assert!(
                !dialect.authorized(&with(name, value), "", "other"),
                "{dialect:?} {name}"
            );
            assert!(!dialect.authorized(&[], "", "k"), "{dialect:?}");
        }
        assert!(Dialect::Gemini.authorized(&[], "alt=sse&key=k", "k"));
        assert!(!Dialect::OpenAi.authorized(&with("x-api-key", "k"), "key=k", "k"));
    }
}
