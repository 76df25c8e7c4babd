//! OpenAI's operations on other media than text: images, speech, transcription and translation.
//!
//! Shapes are those of platform.openai.com/docs/api-reference/images and /audio (read 2026-11). Some requests are
//! multipart forms and some answers are bytes, which is why a gateway has to treat them apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{CREATED, Event, GARBAGE, Said, Wire, Words};
use crate::content::{quoted, spoken, words};
use crate::request::Part;
use crate::script::{Script, Usage};

/// An image of one pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";
/// Tokens of one image of the usual size in medium quality, which is what the answer says it is.
const IMAGE_TOKENS: u64 = 1_056;
/// Most images of one answer, as the service allows.
const IMAGES_MAX: u64 = 10;
/// Seconds of audio when the script names none.
const SECONDS_DEFAULT: u64 = 2;
/// Bytes of speech for each second. Far less than real audio, so that tests stay quick.
const BYTES_PER_SECOND: u64 = 1_000;
/// Tokens of audio for each second.
const TOKENS_PER_SECOND: u64 = 10;

/// What a form or a JSON body asks of these operations, read alike from both.
#[derive(Debug, Default)]
pub(crate) struct Form {
    fields: Vec<(String, String)>,
    /// Bytes of the files in a multipart form.
    file_bytes: usize,
}

impl Form {
    pub(crate) fn of_json(body: &Value) -> Form {
        let fields = body.as_object().into_iter().flatten();
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Form {
            fields: fields
                .map(|(key, value)| (key.clone(), text(value)))
                .collect(),
            file_bytes: 0,
        }
    }

    pub(crate) fn of_parts(parts: &[Part<'_>]) -> Form {
        let (files, fields): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part.file);
        let text = |part: &&Part<'_>| {
            (
                part.name.to_owned(),
                String::from_utf8_lossy(part.data).into_owned(),
            )
        };
        Form {
            fields: fields.iter().map(text).collect(),
            file_bytes: files.iter().map(|part| part.data.len()).sum(),
        }
    }

    fn field(&self, name: &str) -> &str {
        let mut found = self.fields.iter().filter(|(have, _)| have == name);
        found
            .next()
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.field(name).parse().ok()
    }
}

/// The answer of `images/generations`, and with `edit` of `images/edits`.
pub(crate) fn images(form: &Form, script: &Script, edit: bool) -> Words {
    if script.garbage.is_some() {
        return Words::json(200, GARBAGE.to_vec());
    }
    let count = form.number("n").unwrap_or(1).clamp(1, IMAGES_MAX);
    let or = |name: &str, default: &str| match form.field(name) {
        "" | "auto" => quoted(default),
        told => quoted(told),
    };
    let about = format!(
        r#""background":{},"output_format":{},"quality":{},"size":{}"#,
        or("background", "opaque"),
        or("output_format", "png"),
        or("quality", "medium"),
        or("size", "1024x1024")
    );
    let usage = image_usage(form, script, count, edit);
    let pixels = STANDARD.encode(PNG);
    if form.field("stream") == "true" {
        let (partial, completed) = match edit {
            true => ("image_edit.partial_image", "image_edit.completed"),
            false => (
                "image_generation.partial_image",
                "image_generation.completed",
            ),
        };
        let image = |name: &str, rest: &str| {
            format!(
                r#"{{"type":"{name}","b64_json":"{pixels}","created_at":{CREATED},{about}{rest}}}"#
            )
        };
        let partials = form.number("partial_images").unwrap_or(0).min(3);
        let mut events: Vec<Event> = (0..partials)
            .map(|index| {
                Event::token(
                    partial,
                    image(partial, &format!(r#","partial_image_index":{index}"#)),
                )
            })
            .collect();
        events.push(Event {
            last: true,
            ..Event::token(completed, image(completed, &usage))
        });
        return Words::stream(Wire::Sse, events);
    }
    let one = match form.field("response_format") {
        "url" => r#"{"url":"https://images.invalid/mock.png"}"#.to_owned(),
        _ => format!(r#"{{"b64_json":"{pixels}"}}"#),
    };
    let shown = if script.nochoices { 0 } else { count as usize };
    let data = vec![one; shown].join(",");
    Words::json(
        200,
        format!(r#"{{"created":{CREATED},{about},"data":[{data}]{usage}}}"#).into_bytes(),
    )
}

fn image_usage(form: &Form, script: &Script, count: u64, edit: bool) -> String {
    match script.usage {
        Usage::Absent => return String::new(),
        Usage::Null => return r#","usage":null"#.to_owned(),
        _ => {}
    }
    let text = script.prompt.unwrap_or(words(form.field("prompt")));
    let image = if edit { IMAGE_TOKENS } else { 0 };
    let (input, output) = (text + image, count * IMAGE_TOKENS);
    let total = input + output;
    format!(
        r#","usage":{{"input_tokens":{input},"input_tokens_details":{{"image_tokens":{image},"text_tokens":{text}}},"output_tokens":{output},"output_tokens_details":{{"image_tokens":{output},"text_tokens":0}},"total_tokens":{total}}}"#
    )
}

/// The answer of `audio/speech`: bytes, or events that hold them.
pub(crate) fn speech(form: &Form, script: &Script) -> Result<Words, String> {
    if form.field("input").is_empty() {
        return Err("'input' must be a text that is not empty".to_owned());
    }
    let seconds = script.seconds.unwrap_or(SECONDS_DEFAULT);
    let kind = match form.field("response_format") {
        "" | "mp3" => "audio/mpeg",
        "opus" => "audio/opus",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "pcm" => "audio/pcm",
        other => {
            return Err(format!(
                "'response_format' must be mp3, opus, aac, flac, wav or pcm: {other}"
            ));
        }
    };
    // Every byte there is, so that a reader who takes them for text breaks them.
    let bytes: Vec<u8> = (0..seconds * BYTES_PER_SECOND)
        .map(|index| index as u8)
        .collect();
    if form.field("stream_format") != "sse" {
        return Ok(Words::whole(200, kind, bytes));
    }
    let mut events: Vec<Event> = bytes
        .chunks(BYTES_PER_SECOND as usize)
        .map(|piece| {
            let audio = STANDARD.encode(piece);
            Event::token(
                "speech.audio.delta",
                format!(r#"{{"type":"speech.audio.delta","audio":"{audio}"}}"#),
            )
        })
        .collect();
    let input = script.prompt.unwrap_or(words(form.field("input")));
    let output = seconds * TOKENS_PER_SECOND;
    let total = input + output;
    events.push(Event::last(
        "speech.audio.done",
        format!(
            r#"{{"type":"speech.audio.done","usage":{{"input_tokens":{input},"output_tokens":{output},"total_tokens":{total}}}}}"#
        ),
    ));
    Ok(Words::stream(Wire::Sse, events))
}

/// The answer of `audio/transcriptions`, and with `translate` of `audio/translations`.
pub(crate) fn transcript(form: &Form, said: &Said<'_>, translate: bool) -> Result<Words, String> {
    if form.file_bytes == 0 {
        return Err("'file' must be an audio file that is not empty".to_owned());
    }
    let script = said.script;
    let text = said.content.text();
    let spoken_text = spoken(&text, script);
    if form.field("stream") == "true" && !translate {
        let mut events: Vec<Event> = said
            .content
            .tokens
            .iter()
            .map(|token| {
                let delta = spoken(token, script);
                Event::token(
                    "transcript.text.delta",
                    format!(r#"{{"type":"transcript.text.delta","delta":{delta}}}"#),
                )
            })
            .collect();
        let usage = audio_usage(said, translate);
        events.push(Event::last(
            "transcript.text.done",
            format!(r#"{{"type":"transcript.text.done","text":{spoken_text}{usage}}}"#),
        ));
        return Ok(Words::stream(Wire::Sse, events));
    }
    let seconds = script.seconds.unwrap_or(SECONDS_DEFAULT);
    let end = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    let plain = "text/plain; charset=utf-8";
    Ok(match form.field("response_format") {
        _ if script.garbage.is_some() => Words::json(200, GARBAGE.to_vec()),
        "" | "json" => {
            let usage = audio_usage(said, translate);
            Words::json(
                200,
                format!(r#"{{"text":{spoken_text}{usage}}}"#).into_bytes(),
            )
        }
        "verbose_json" => {
            let task = if translate { "translate" } else { "transcribe" };
            let usage = match (script.usage, translate) {
                (Usage::Absent, _) | (_, true) => String::new(),
                (Usage::Null, _) => r#","usage":null"#.to_owned(),
                _ => format!(r#","usage":{{"type":"duration","seconds":{seconds}}}"#),
            };
            let body = format!(
                r#"{{"task":"{task}","language":"english","duration":{seconds}.0,"text":{spoken_text},"segments":[{{"id":0,"seek":0,"start":0.0,"end":{seconds}.0,"text":{spoken_text},"tokens":[50364],"temperature":0.0,"avg_logprob":-0.1,"compression_ratio":1.0,"no_speech_prob":0.01}}]{usage}}}"#
            );
            Words::json(200, body.into_bytes())
        }
        "text" => Words::whole(200, plain, format!("{text}\n").into_bytes()),
        "srt" => {
            let body = format!("1\n00:00:00,000 --> {end},000\n{text}\n\n\n");
            Words::whole(200, plain, body.into_bytes())
        }
        "vtt" => {
            let body = format!("WEBVTT\n\n00:00:00.000 --> {end}.000\n{text}\n\n");
            Words::whole(200, plain, body.into_bytes())
        }
        other => {
            return Err(format!(
                "'response_format' must be json, verbose_json, text, srt or vtt: {other}"
            ));
        }
    })
}

/// Seconds if the script names some, as the older models say; else tokens, as the newer do. Translations never say.
fn audio_usage(said: &Said<'_>, translate: bool) -> String {
    let script = said.script;
    match (script.usage, translate) {
        (Usage::Absent, _) | (_, true) => return String::new(),
        (Usage::Null, _) => return r#","usage":null"#.to_owned(),
        _ => {}
    }
    if let Some(seconds) = script.seconds {
        return format!(r#","usage":{{"type":"duration","seconds":{seconds}}}"#);
    }
    let input = script.prompt.unwrap_or(SECONDS_DEFAULT * TOKENS_PER_SECOND);
    let output = said.content.output();
    let total = input + output;
    format!(
        r#","usage":{{"type":"tokens","input_tokens":{input},"input_token_details":{{"text_tokens":0,"audio_tokens":{input}}},"output_tokens":{output},"total_tokens":{total}}}"#
    )
}
