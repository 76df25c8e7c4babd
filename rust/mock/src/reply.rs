//! What the mock says, as JSON: chat, completions, embeddings, models and errors in OpenAI's shape.
//!
//! Shapes are those of OpenAI's API reference (platform.openai.com/docs/api-reference, read 2026-11). Ids and times are
//! constants, so that the same request gets the same bytes and a bench can compare them by hash.
//! Nothing here knows HTTP: `answer.rs` puts these words on the wire.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::script::{Chars, Script, Usage};

/// Tokens of a fixed text when the script names no number.
const TOKENS_DEFAULT: usize = 32;
/// Prompt tokens when nothing was counted.
const PROMPT_TOKENS_DEFAULT: u64 = 10;
/// Length of an embedding when the script names none.
const DIM_DEFAULT: usize = 8;
/// `created` of everything: constant, since answers are prebuilt.
const CREATED: u64 = 1_750_000_000;
/// Bytes that no UTF-8 text holds.
const NOT_UTF8: &[u8] = b"\xff\xfe\xc0";

/// Which shape a text takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// `chat/completions`
    Chat,
    /// `completions`, the older API of bare text.
    Completion,
}

/// What an answer holds, before it has a shape.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// The text, cut where a stream cuts it.
    pub(crate) tokens: Vec<String>,
    /// A call of this tool instead of a text.
    pub(crate) tool: Option<String>,
    /// Words of the prompt if they were counted.
    pub(crate) prompt_tokens: Option<u64>,
}

/// One event of a stream, not yet framed.
#[derive(Debug)]
pub(crate) struct Event {
    /// What follows `data: `.
    pub(crate) data: Vec<u8>,
    /// Whether `pace` waits before it: tokens do, what ends the stream follows at once.
    pub(crate) paced: bool,
}

impl Content {
    /// The fixed text that a script describes.
    pub(crate) fn fixed(script: &Script) -> Content {
        let words: &[&str] = match &script.chars {
            Chars::Ascii => &[
                "the ", "points ", "are ", "set ", "and ", "the ", "line ", "is ", "clear, ",
            ],
            Chars::Unicode => &["Züge ", "поезд ", "列車 ", "🚂🚃 ", "जंक्शन "],
            Chars::Escaped => &["\"a\"\n", "\tb\\c ", "/é\u{8}\u{c}\r ", "🚂\u{1}\u{2028} "],
            Chars::Literal(text) => &[text.as_str()],
        };
        let count = script.tokens.unwrap_or(TOKENS_DEFAULT);
        let token = |index: usize| {
            let word = words[index % words.len()];
            script.size.map_or_else(
                || word.to_owned(),
                |size| filled(&words[index % words.len()..], words, size),
            )
        };
        Content {
            tokens: (0..count).map(token).collect(),
            ..Content::default()
        }
    }

    /// This text word by word, each with the white space after it.
    pub(crate) fn words(text: &str) -> Content {
        let mut tokens: Vec<String> = Vec::new();
        let mut between = true;
        for letter in text.chars() {
            let space = letter.is_whitespace();
            match tokens.last_mut() {
                // White space goes with the word before it, or with the first if there is none.
                Some(token) if space || !between => token.push(letter),
                Some(token) if token.trim().is_empty() => token.push(letter),
                _ => tokens.push(letter.to_string()),
            }
            between = space;
        }
        Content {
            tokens,
            ..Content::default()
        }
    }
}

/// `size` bytes of these words; where a letter does not fit any more, `x` fills up.
fn filled(first: &[&str], then: &[&str], size: usize) -> String {
    let mut text = String::with_capacity(size);
    for letter in first
        .iter()
        .chain(then.iter().cycle())
        .flat_map(|word| word.chars())
    {
        if text.len() + letter.len_utf8() > size {
            break;
        }
        text.push(letter);
    }
    text.extend(std::iter::repeat_n('x', size - text.len()));
    text
}

/// A plain answer.
pub(crate) fn plain(shape: Shape, model: &str, content: &Content, script: &Script) -> Vec<u8> {
    if script.garbage.is_some() {
        return br#"{"id": mock, "choices": [{"#.to_vec();
    }
    if script.binary {
        return (0..=255).collect();
    }
    let text = content.tokens.concat();
    let text = quoted(&text, script);
    let finish = if script.nofinish {
        "null".to_owned()
    } else {
        finish(content, script)
    };
    let (id, object, choice) = match shape {
        Shape::Chat => {
            let message = match &content.tool {
                Some(tool) => format!(
                    r#""content":null,"tool_calls":[{}]"#,
                    tool_call(tool, "{\"city\":\"Paris\"}", "")
                ),
                None => format!(r#""content":{text}"#),
            };
            let message = format!(
                r#""message":{{"role":"assistant",{message},"refusal":null,"annotations":[]}}"#
            );
            ("chatcmpl-mock", "chat.completion", message)
        }
        Shape::Completion => ("cmpl-mock", "text_completion", format!(r#""text":{text}"#)),
    };
    let choices = match script.nochoices {
        true => String::new(),
        false => format!(r#"{{"index":0,{choice},"logprobs":null,"finish_reason":{finish}}}"#),
    };
    let usage = match script.usage {
        Usage::Absent => String::new(),
        Usage::Null => r#","usage":null"#.to_owned(),
        _ => format!(r#","usage":{}"#, usage(content, script, tokens_of(content))),
    };
    let model = quoted(model, &Script::default());
    format!(
        r#"{{"id":"{id}","object":"{object}","created":{CREATED},"model":{model},"choices":[{choices}]{usage},"service_tier":"default","system_fingerprint":"fp_mock"}}"#
    )
    .into_bytes()
}

/// The events of a stream, `[DONE]` included.
pub(crate) fn events(
    shape: Shape,
    model: &str,
    content: &Content,
    asked: bool,
    script: &Script,
) -> Vec<Event> {
    let chunk = Chunk::new(shape, model, content, asked, script);
    let mut events = Vec::with_capacity(content.tokens.len() + 8);
    if shape == Shape::Chat {
        events.push(chunk.of(
            0,
            r#""delta":{"role":"assistant","content":"","refusal":null}"#,
            "null",
            false,
        ));
    }
    match &content.tool {
        Some(tool) if shape == Shape::Chat => {
            let call = tool_call(tool, "", r#""index":0,"#);
            events.push(chunk.of(
                1,
                &format!(r#""delta":{{"tool_calls":[{call}]}}"#),
                "null",
                true,
            ));
            // Cut inside a key, inside a value and between them: whoever glues them back has to do it blindly.
            for piece in [r#"{\"ci"#, r#"ty\":"#, r#"\"Par"#, r#"is\"}"#] {
                let delta = format!(
                    r#""delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":"{piece}"}}}}]}}"#
                );
                events.push(chunk.of(1, &delta, "null", true));
            }
        }
        _ => {
            for (index, token) in content.tokens.iter().enumerate() {
                let text = quoted(token, script);
                let choice = match shape {
                    Shape::Chat => format!(r#""delta":{{"content":{text}}}"#),
                    Shape::Completion => format!(r#""text":{text}"#),
                };
                events.push(chunk.of(index as u64 + 1, &choice, "null", true));
            }
        }
    }
    if script.binary
        && let Some(event) = events.iter_mut().find(|event| event.paced)
    {
        splice_binary(&mut event.data);
    }
    if !script.nofinish {
        let choice = if shape == Shape::Chat {
            r#""delta":{}"#
        } else {
            r#""text":"""#
        };
        events.push(chunk.last(choice, &finish(content, script)));
    }
    if asked && !matches!(script.usage, Usage::Absent | Usage::Only) {
        events.push(chunk.usage());
    }
    if let Some(after) = script.error_in {
        events.truncate(after);
        events.push(Event {
            data: error(500, script.message.as_deref()),
            paced: true,
        });
    }
    if let Some(after) = script.garbage {
        let data = br#"{"id": mock, "choices": [{"#.to_vec();
        events.insert(after.min(events.len()), Event { data, paced: true });
    }
    if !script.nodone {
        events.push(Event {
            data: b"[DONE]".to_vec(),
            paced: false,
        });
    }
    events
}

/// What is the same in all chunks of one stream.
struct Chunk<'a> {
    /// Up to the opening bracket of `choices`.
    open: String,
    content: &'a Content,
    script: &'a Script,
    asked: bool,
}

impl<'a> Chunk<'a> {
    fn new(
        shape: Shape,
        model: &str,
        content: &'a Content,
        asked: bool,
        script: &'a Script,
    ) -> Chunk<'a> {
        let (id, object) = match shape {
            Shape::Chat => ("chatcmpl-mock", "chat.completion.chunk"),
            Shape::Completion => ("cmpl-mock", "text_completion"),
        };
        let model = quoted(model, &Script::default());
        let open = format!(
            r#"{{"id":"{id}","object":"{object}","created":{CREATED},"model":{model},"service_tier":"default","system_fingerprint":"fp_mock","choices":["#
        );
        Chunk {
            open,
            content,
            script,
            asked,
        }
    }

    /// A chunk with one choice, after `done` tokens.
    fn of(&self, done: u64, choice: &str, finish: &str, paced: bool) -> Event {
        let usage = match self.script.usage {
            Usage::Null => "null".into(),
            Usage::Every => Cow::Owned(usage(self.content, self.script, done)),
            Usage::Asked if self.asked => "null".into(),
            _ => "".into(),
        };
        self.put(choice, finish, &usage, paced)
    }

    /// The chunk with the finish reason.
    fn last(&self, choice: &str, finish: &str) -> Event {
        let total = tokens_of(self.content);
        match self.script.usage {
            Usage::Only => self.put(
                choice,
                finish,
                &usage(self.content, self.script, total),
                false,
            ),
            _ => self.of(total, choice, finish, false),
        }
    }

    /// The chunk that holds nothing but the usage.
    fn usage(&self) -> Event {
        let usage = match self.script.usage {
            Usage::Null => "null".to_owned(),
            _ => usage(self.content, self.script, tokens_of(self.content)),
        };
        Event {
            data: format!(r#"{}],"usage":{usage}}}"#, self.open).into_bytes(),
            paced: false,
        }
    }

    fn put(&self, choice: &str, finish: &str, usage: &str, paced: bool) -> Event {
        let mut data = self.open.clone();
        if !self.script.nochoices {
            let _ = write!(
                data,
                r#"{{"index":0,{choice},"logprobs":null,"finish_reason":{finish}}}"#
            );
        }
        data.push(']');
        if !usage.is_empty() {
            let _ = write!(data, r#","usage":{usage}"#);
        }
        data.push('}');
        Event {
            data: data.into_bytes(),
            paced,
        }
    }
}

/// Puts bytes that are not UTF-8 at the start of the text in this chunk.
fn splice_binary(data: &mut Vec<u8>) {
    for key in [
        br#""content":""#.as_slice(),
        br#""text":""#,
        br#""arguments":""#,
    ] {
        if let Some(at) = memchr::memmem::find(data, key) {
            let at = at + key.len();
            data.splice(at..at, NOT_UTF8.iter().copied());
            return;
        }
    }
}

fn tool_call(tool: &str, arguments: &str, index: &str) -> String {
    let (tool, arguments) = (Value::from(tool), Value::from(arguments));
    format!(
        r#"{{{index}"id":"call_mock","type":"function","function":{{"name":{tool},"arguments":{arguments}}}}}"#
    )
}

fn finish(content: &Content, script: &Script) -> String {
    let natural = if content.tool.is_some() {
        "tool_calls"
    } else {
        "stop"
    };
    Value::from(script.finish.as_deref().unwrap_or(natural)).to_string()
}

fn tokens_of(content: &Content) -> u64 {
    // A tool call has no words to count; the number is as good as any other and not zero.
    if content.tool.is_some() {
        5
    } else {
        content.tokens.len() as u64
    }
}

fn usage(content: &Content, script: &Script, completion: u64) -> String {
    let prompt = script
        .prompt
        .or(content.prompt_tokens)
        .unwrap_or(PROMPT_TOKENS_DEFAULT);
    let total = prompt + completion;
    let Script {
        cached, reasoning, ..
    } = script;
    format!(
        r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":{cached},"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":{reasoning},"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#
    )
}

/// A JSON string; with `chars=escaped` every letter outside ASCII as `\u`, pairs of them above the first plane.
fn quoted(text: &str, script: &Script) -> String {
    let plain = Value::from(text).to_string();
    if script.chars != Chars::Escaped {
        return plain;
    }
    let mut out = String::with_capacity(plain.len() * 2);
    for letter in plain.chars() {
        match letter {
            // The one escape that no writer needs and every reader must know.
            '/' => out.push_str("\\/"),
            letter if letter.is_ascii() => out.push(letter),
            letter => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

/// An error in OpenAI's shape. Types and codes follow platform.openai.com/docs/guides/error-codes (read 2026-11).
pub(crate) fn error(status: u16, message: Option<&str>) -> Vec<u8> {
    let (kind, code, natural) = match status {
        401 => (
            "invalid_request_error",
            Some("invalid_api_key"),
            "Incorrect API key provided (mock)",
        ),
        402 => (
            "insufficient_quota",
            Some("insufficient_quota"),
            "You exceeded your current quota (mock)",
        ),
        403 => (
            "invalid_request_error",
            Some("unsupported_country_region_territory"),
            "Not allowed (mock)",
        ),
        404 => (
            "invalid_request_error",
            Some("model_not_found"),
            "The model does not exist (mock)",
        ),
        413 => (
            "invalid_request_error",
            Some("request_too_large"),
            "The request is too large (mock)",
        ),
        429 => (
            "requests",
            Some("rate_limit_exceeded"),
            "Rate limit reached (mock)",
        ),
        500.. => (
            "server_error",
            None,
            "The server had an error while processing your request (mock)",
        ),
        _ => (
            "invalid_request_error",
            None,
            "The request was refused (mock)",
        ),
    };
    let message = message.unwrap_or(natural);
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
        .to_string()
        .into_bytes()
}

/// The list of models. Any other name is served as well; these are the ones that behave differently.
pub(crate) fn models() -> Vec<u8> {
    let data: Vec<Value> = ["echo", "tool", "mock"]
        .into_iter()
        .map(model_object)
        .collect();
    json!({"object": "list", "data": data})
        .to_string()
        .into_bytes()
}

/// One model of the list.
pub(crate) fn model(name: &str) -> Vec<u8> {
    model_object(name).to_string().into_bytes()
}

fn model_object(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": CREATED, "owned_by": "turnout-mock"})
}

/// Embeddings of these inputs: the same text gives the same vector, other texts others.
pub(crate) fn embeddings(model: &str, inputs: &[String], base64: bool, script: &Script) -> Vec<u8> {
    if script.garbage.is_some() || script.binary {
        return plain(Shape::Chat, model, &Content::default(), script);
    }
    let mut out = String::from(r#"{"object":"list","data":["#);
    for (index, input) in inputs.iter().enumerate().filter(|_| !script.nochoices) {
        let vector = vector(input, script.dim.unwrap_or(DIM_DEFAULT));
        let embedding = if base64 {
            let bytes: Vec<u8> = vector
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            format!("\"{}\"", STANDARD.encode(bytes))
        } else {
            format!("{vector:?}")
        };
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            out,
            r#"{comma}{{"object":"embedding","index":{index},"embedding":{embedding}}}"#
        );
    }
    let words: usize = inputs
        .iter()
        .map(|input| input.split_whitespace().count().max(1))
        .sum();
    let prompt = script.prompt.unwrap_or(words as u64);
    let _ = write!(out, r#"],"model":{}"#, Value::from(model));
    match script.usage {
        Usage::Absent => {}
        Usage::Null => out.push_str(r#","usage":null"#),
        _ => {
            let _ = write!(
                out,
                r#","usage":{{"prompt_tokens":{prompt},"total_tokens":{prompt}}}"#
            );
        }
    }
    out.push('}');
    out.into_bytes()
}

/// Numbers in [-1, 1) that follow from the text alone (FNV-1a, then a linear congruential sequence).
fn vector(text: &str, dim: usize) -> Vec<f32> {
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // 16 bits are exact in an f32 and short in text.
        (state >> 48) as f32 / 32_768.0 - 1.0
    };
    (0..dim).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script::parse(text, "").unwrap()
    }

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn every_kind_of_text_reads_back_as_it_was_meant() {
        for text in [
            "tokens=9",
            "chars=unicode",
            "chars=escaped",
            "chars=a%22b",
            "chars=unicode;size=7;tokens=50",
        ] {
            let script = script(text);
            let content = Content::fixed(&script);
            let expected = content.tokens.concat();
            let answer = value(&plain(Shape::Chat, "m", &content, &script));
            assert_eq!(
                answer["choices"][0]["message"]["content"], expected,
                "{text}"
            );
            let mut streamed = String::new();
            for event in events(Shape::Chat, "m", &content, true, &script) {
                if event.data != b"[DONE]" {
                    streamed += value(&event.data)["choices"][0]["delta"]["content"]
                        .as_str()
                        .unwrap_or("");
                }
            }
            assert_eq!(streamed, expected, "{text}");
        }
    }

    #[test]
    fn words_keep_all_white_space() {
        assert_eq!(
            Content::words(" a  b\n\nc ").tokens,
            [" a  ", "b\n\n", "c "]
        );
        assert_eq!(Content::words("").tokens.len(), 0);
    }

    #[test]
    fn size_is_exact_in_bytes() {
        for size in [0, 1, 2, 3, 5, 1000] {
            let content = Content::fixed(&script(&format!("chars=unicode;size={size};tokens=7")));
            assert!(
                content.tokens.iter().all(|token| token.len() == size),
                "{size}"
            );
        }
    }

    #[test]
    fn escaped_text_is_pure_ascii_on_the_wire() {
        let script = script("chars=escaped");
        let content = Content::fixed(&script);
        let bytes = plain(Shape::Completion, "m", &content, &script);
        assert!(bytes.is_ascii());
        assert!(memchr::memmem::find(&bytes, br"\ud83d\ude82").is_some());
    }

    #[test]
    fn vectors_depend_on_the_text_alone() {
        assert_eq!(vector("a", 8), vector("a", 8));
        assert_ne!(vector("a", 8), vector("b", 8));
        assert!(
            vector("a", 1000)
                .iter()
                .all(|number| (-1.0..1.0).contains(number))
        );
    }
}
