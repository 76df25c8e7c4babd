//! The answer to one request in words: its script, what it says of itself, and the dialect that it came in.
//!
//! Nothing here knows HTTP: `answer.rs` puts the words on the wire.

use serde_json::Value;

use crate::content::Content;
use crate::dialect::{
    GARBAGE, Operation, Payload, Said, Voice, Words, anthropic, bedrock, break_events, cohere,
    gemini, media, ollama, openai,
};
use crate::request::{self, Part};
use crate::script::{self, Script};

/// Models that behave differently, for the lists. Any other name is served as well.
const MODELS: [&str; 3] = ["echo", "tool", "mock"];

/// A request, as far as it decides the words of its answer.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) operation: Operation,
    /// The model's name without its script.
    pub(crate) model: &'a str,
    /// What the path names: the model of `GET models/NAME`.
    pub(crate) named: &'a str,
    pub(crate) script: &'a Script,
    /// The bytes of the head, for what few answers need.
    pub(crate) head: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) body: &'a [u8],
    /// Whether a stream is asked for.
    pub(crate) streams: bool,
    /// Whether the query asks for server-sent events, where it may.
    pub(crate) sse: bool,
    /// Whether the usage at its end is asked for.
    pub(crate) usage_asked: bool,
}

/// The answer, and whether the next request of the same model, script and endpoint gets the same. An error is the
/// reason why the request cannot be answered.
pub(crate) fn words(ask: &Ask<'_>) -> Result<(Words, bool), String> {
    let Ask {
        operation,
        script,
        sse,
        ..
    } = *ask;
    let streams = ask.streams && !script.json_for_stream;
    let status = script.status.unwrap_or(200);
    if status >= 300 || (script.error_in.is_some() && !streams) {
        let status = if status >= 300 { status } else { 500 };
        let mut words = operation.dialect().error(status, script);
        if let Payload::Whole { bytes, .. } = &mut words.payload {
            if let Some(broken) = broken(script) {
                *bytes = broken;
            } else if operation == Operation::StreamGenerate && !sse {
                // The stream of this one is an array, and so is the error in its place.
                *bytes = [b"[", bytes.as_slice(), b"]"].concat();
            }
        }
        if script.status.is_none_or(|status| status < 300) {
            words.status = script.status.unwrap_or(200);
        }
        return Ok((words, true));
    }
    let (mut words, fixed) = match operation.voice(sse) {
        Some(voice) => text(ask, voice, streams)?,
        None => (other(ask)?, false),
    };
    if let Payload::Whole { bytes, .. } = &mut words.payload
        && let Some(broken) = broken(script)
    {
        *bytes = broken;
    }
    if matches!(words.payload, Payload::Whole { .. }) {
        words.status = status;
    }
    Ok((words, fixed))
}

/// A whole body that is not what it says it is, if the script wants one.
fn broken(script: &Script) -> Option<Vec<u8>> {
    if script.garbage.is_some() {
        return Some(GARBAGE.to_vec());
    }
    script.binary.then(|| (0..=255).collect())
}

/// An answer that is a text or calls of tools.
fn text(ask: &Ask<'_>, voice: Voice, streams: bool) -> Result<(Words, bool), String> {
    let Ask {
        operation, script, ..
    } = *ask;
    // A gateway may leave the author's name in front.
    let base = ask.model.rsplit('/').next().unwrap_or_default();
    let (content, fixed) = if script.echo_headers {
        let headers = request::headers(ask.head);
        let text = serde_json::json!(headers).to_string();
        (Content::words(&text), false)
    } else if base == "echo" {
        let asked = (voice.read)(&json(ask.body)?);
        let content = Content {
            prompt_tokens: Some(asked.words),
            ..Content::words(&asked.said)
        };
        (content, false)
    } else if base == "tool" && operation != Operation::Completion {
        let asked = (voice.read)(&json(ask.body)?);
        let content = match asked.tool {
            Some(tool) if !asked.answered => Content::calls(&tool, script),
            _ => Content::fixed(script),
        };
        (content, false)
    } else {
        (Content::fixed(script), true)
    };
    let content = content.thinking(script);
    let said = Said {
        model: ask.model,
        content: &content,
        script,
        usage_asked: ask.usage_asked,
    };
    let words = match streams {
        true => Words::stream(
            voice.wire,
            break_events(operation, &said, (voice.events)(&said)),
        ),
        false => Words::json(200, (voice.whole)(&said)),
    };
    Ok((words, fixed))
}

/// An answer that depends on the whole request.
fn other(ask: &Ask<'_>) -> Result<Words, String> {
    let Ask {
        operation,
        model,
        script,
        ..
    } = *ask;
    let body = || json(ask.body);
    let ok = |bytes: Vec<u8>| Words::json(200, bytes);
    Ok(match operation {
        Operation::Embeddings => ok(openai::embeddings(model, &body()?, script)?),
        Operation::Moderations => ok(openai::moderations(model, &body()?)?),
        Operation::MessageTokens => ok(anthropic::count(&anthropic::read(&body()?), script)),
        Operation::ContentTokens => ok(gemini::count(&body()?, script)),
        Operation::EmbedContent => ok(gemini::embed(&body()?, script)),
        Operation::BatchEmbedContents => ok(gemini::embed_batch(&body()?, script)?),
        Operation::Invoke => bedrock::invoke(&body()?, script)?,
        Operation::CohereEmbed => ok(cohere::embed(&body()?, script)?),
        Operation::Rerank => ok(cohere::rerank(&body()?, script)?),
        Operation::OllamaEmbed => ok(ollama::embed(model, &body()?, script)?),
        Operation::ImageGeneration
        | Operation::ImageEdit
        | Operation::Speech
        | Operation::Transcription
        | Operation::Translation => media(ask)?,
        // Clients escape the slash of `author/name`.
        Operation::Model => ok(openai::model(&script::unescaped(ask.named))),
        _ => ok(models(ask)),
    })
}

/// The list of models, in the shape of whom the client takes the mock for.
fn models(ask: &Ask<'_>) -> Vec<u8> {
    let headers = request::headers(ask.head);
    if memchr::memmem::find(ask.path, b"/v1beta/").is_some() {
        gemini::models(&MODELS)
    } else if headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("anthropic-version"))
    {
        anthropic::models(&MODELS)
    } else {
        openai::models(&MODELS)
    }
}

/// Images and audio, asked for by a form or by JSON.
fn media(ask: &Ask<'_>) -> Result<Words, String> {
    let parts: Vec<Part<'_>>;
    let form = match request::boundary(ask.head) {
        Some(boundary) => {
            parts = request::parts(ask.body, &boundary)?;
            media::Form::of_parts(&parts)
        }
        None => media::Form::of_json(&json(ask.body)?),
    };
    let content = Content::fixed(ask.script);
    let said = Said {
        model: ask.model,
        content: &content,
        script: ask.script,
        usage_asked: true,
    };
    let mut words = match ask.operation {
        Operation::ImageGeneration => media::images(&form, ask.script, false),
        Operation::ImageEdit => media::images(&form, ask.script, true),
        Operation::Speech => media::speech(&form, ask.script)?,
        operation => media::transcript(&form, &said, operation == Operation::Translation)?,
    };
    if let Payload::Stream { events, .. } = &mut words.payload {
        *events = break_events(ask.operation, &said, std::mem::take(events));
    }
    Ok(words)
}

fn json(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("We could not parse the JSON body of your request: {error}"))
}
