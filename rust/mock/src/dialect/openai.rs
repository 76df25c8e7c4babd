//! OpenAI's dialect: chat, completions, embeddings, models and moderations; others speak it too.
//!
//! Shapes are those of OpenAI's API reference (platform.openai.com/docs/api-reference, read 2026-11). Thoughts stand in
//! `reasoning_content`, which OpenAI does not have, as the reasoning models that speak this dialect send them.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Asked, CREATED, Event, GARBAGE, Said, text};
use crate::content::{Call, Content, dim, numbered, quoted, spoken, vector, words};
use crate::script::{Script, Usage};

/// Which shape a text takes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// `chat/completions`
    Chat,
    /// `completions`, the older API of bare text.
    Completion,
}

/// What a request of either API says.
pub(crate) fn read(body: &Value) -> Asked {
    let asked = Asked::messages(&body["messages"], "content");
    if body["messages"].is_null() {
        let said = text(&body["prompt"]);
        let words = said.split_whitespace().count() as u64;
        return Asked {
            said,
            words,
            ..asked
        };
    }
    let messages = body["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    Asked {
        tool: body["tools"][0]["function"]["name"]
            .as_str()
            .map(str::to_owned),
        answered: messages.iter().any(|message| message["role"] == "tool"),
        ..asked
    }
}

/// An answer of `chat/completions`.
pub(crate) fn chat(said: &Said<'_>) -> Vec<u8> {
    plain(Shape::Chat, said)
}

/// An answer of `completions`.
pub(crate) fn completion(said: &Said<'_>) -> Vec<u8> {
    plain(Shape::Completion, said)
}

/// The events of `chat/completions`, `[DONE]` included.
pub(crate) fn chat_events(said: &Said<'_>) -> Vec<Event> {
    events(Shape::Chat, said)
}

/// The events of `completions`, `[DONE]` included.
pub(crate) fn completion_events(said: &Said<'_>) -> Vec<Event> {
    events(Shape::Completion, said)
}

fn plain(shape: Shape, said: &Said<'_>) -> Vec<u8> {
    let Said {
        model,
        content,
        script,
        ..
    } = *said;
    let text = match (content.calls.as_slice(), content.tokens.as_slice()) {
        ([_, ..], []) => "null".to_owned(),
        _ => spoken(&content.text(), script),
    };
    let finish = match script.nofinish {
        true => "null".to_owned(),
        false => finish(said),
    };
    let (id, object, choice) = match shape {
        Shape::Chat => {
            let thought = match content.thoughts.as_slice() {
                [] => String::new(),
                _ => format!(r#","reasoning_content":{}"#, quoted(&content.thought())),
            };
            let calls: Vec<String> = content
                .calls
                .iter()
                .enumerate()
                .map(|(index, call)| tool_call(index, call, &call.arguments, ""))
                .collect();
            let calls = match calls.as_slice() {
                [] => String::new(),
                calls => format!(r#","tool_calls":[{}]"#, calls.join(",")),
            };
            let message = format!(
                r#""message":{{"role":"assistant","content":{text}{thought}{calls},"refusal":null,"annotations":[]}}"#
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
        _ => format!(r#","usage":{}"#, usage(content, script, content.output())),
    };
    let model = quoted(model);
    format!(
        r#"{{"id":"{id}","object":"{object}","created":{CREATED},"model":{model},"choices":[{choices}]{usage},"service_tier":"default","system_fingerprint":"fp_mock"}}"#
    )
    .into_bytes()
}

fn events(shape: Shape, said: &Said<'_>) -> Vec<Event> {
    let Said {
        content, script, ..
    } = *said;
    let chunk = Chunk::new(shape, said);
    let mut events = Vec::with_capacity(content.thoughts.len() + content.tokens.len() + 8);
    let mut done = 0;
    if shape == Shape::Chat {
        events.push(chunk.of(
            0,
            r#""delta":{"role":"assistant","content":"","refusal":null}"#,
            "null",
            false,
        ));
        for thought in &content.thoughts {
            done += 1;
            let delta = format!(r#""delta":{{"reasoning_content":{}}}"#, quoted(thought));
            events.push(chunk.of(done, &delta, "null", true));
        }
    }
    for token in &content.tokens {
        done += 1;
        let text = spoken(token, script);
        let choice = match shape {
            Shape::Chat => format!(r#""delta":{{"content":{text}}}"#),
            Shape::Completion => format!(r#""text":{text}"#),
        };
        events.push(chunk.of(done, &choice, "null", true));
    }
    let calls = content.calls.iter().filter(|_| shape == Shape::Chat);
    for (index, call) in calls.enumerate() {
        done += 1;
        let start = tool_call(index, call, "", &format!(r#""index":{index},"#));
        let delta = format!(r#""delta":{{"tool_calls":[{start}]}}"#);
        events.push(chunk.of(done, &delta, "null", true));
        for piece in call.pieces() {
            let piece = quoted(piece);
            let delta = format!(
                r#""delta":{{"tool_calls":[{{"index":{index},"function":{{"arguments":{piece}}}}}]}}"#
            );
            events.push(chunk.of(done, &delta, "null", true));
        }
    }
    if !script.nofinish {
        let choice = match shape {
            Shape::Chat => r#""delta":{}"#,
            Shape::Completion => r#""text":"""#,
        };
        events.push(chunk.finished(choice, &finish(said)));
    }
    if said.usage_asked && !matches!(script.usage, Usage::Absent | Usage::Only) {
        events.push(chunk.usage());
    }
    events.push(Event::last("", b"[DONE]"));
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
    fn new(shape: Shape, said: &Said<'a>) -> Chunk<'a> {
        let (id, object) = match shape {
            Shape::Chat => ("chatcmpl-mock", "chat.completion.chunk"),
            Shape::Completion => ("cmpl-mock", "text_completion"),
        };
        let model = quoted(said.model);
        let open = format!(
            r#"{{"id":"{id}","object":"{object}","created":{CREATED},"model":{model},"service_tier":"default","system_fingerprint":"fp_mock","choices":["#
        );
        Chunk {
            open,
            content: said.content,
            script: said.script,
            asked: said.usage_asked,
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
    fn finished(&self, choice: &str, finish: &str) -> Event {
        let total = self.content.output();
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
            _ => usage(self.content, self.script, self.content.output()),
        };
        Event::frame("", format!(r#"{}],"usage":{usage}}}"#, self.open))
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
        match paced {
            true => Event::token("", data),
            false => Event::frame("", data),
        }
    }
}

fn tool_call(number: usize, call: &Call, arguments: &str, index: &str) -> String {
    let id = numbered("call_mock", number);
    let (name, arguments) = (quoted(&call.name), quoted(arguments));
    format!(
        r#"{{{index}"id":"{id}","type":"function","function":{{"name":{name},"arguments":{arguments}}}}}"#
    )
}

fn finish(said: &Said<'_>) -> String {
    quoted(said.finish("stop", "tool_calls"))
}

fn usage(content: &Content, script: &Script, completion: u64) -> String {
    let counts = content.counts(script);
    let (prompt, cached, reasoning) = (counts.prompt, counts.cached, counts.reasoning);
    let total = prompt + completion;
    let written = match counts.written {
        0 => String::new(),
        written => format!(r#","cache_write_tokens":{written}"#),
    };
    format!(
        r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":{cached},"audio_tokens":0{written}}},"completion_tokens_details":{{"reasoning_tokens":{reasoning},"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#
    )
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

/// The list of models.
pub(crate) fn models(names: &[&str]) -> Vec<u8> {
    let data: Vec<Value> = names.iter().map(|name| model_object(name)).collect();
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

/// Embeddings of the inputs in this body: the same text gives the same vector, other texts others.
pub(crate) fn embeddings(model: &str, body: &Value, script: &Script) -> Result<Vec<u8>, String> {
    let inputs = inputs(&body["input"])?;
    if script.garbage.is_some() {
        return Ok(GARBAGE.to_vec());
    }
    let dim = dim(script, &body["dimensions"]);
    let base64 = body["encoding_format"] == "base64";
    let mut out = String::from(r#"{"object":"list","data":["#);
    for (index, input) in inputs.iter().enumerate().filter(|_| !script.nochoices) {
        let vector = vector(input, dim);
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
    let counted = inputs.iter().map(|input| words(input)).sum();
    let prompt: u64 = script.prompt.unwrap_or(counted);
    let _ = write!(out, r#"],"model":{}"#, quoted(model));
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
    Ok(out.into_bytes())
}

/// The texts to embed. Lists of token numbers count as the text that their digits are.
fn inputs(input: &Value) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) => Some(value.to_string()),
        _ => None,
    };
    let texts = match input {
        Value::Array(items) if items.first().is_some_and(Value::is_number) => {
            Some(vec![input.to_string()])
        }
        Value::Array(items) => items.iter().map(one).collect(),
        other => one(other).map(|text| vec![text]),
    };
    texts.ok_or_else(|| {
        "'input' must be a string, a list of strings, or lists of token numbers".to_owned()
    })
}

/// What the moderation model thinks of each input: it flags those that hold the word `violence`.
pub(crate) fn moderations(model: &str, body: &Value) -> Result<Vec<u8>, String> {
    const CATEGORIES: [&str; 13] = [
        "harassment",
        "harassment/threatening",
        "sexual",
        "hate",
        "hate/threatening",
        "illicit",
        "illicit/violent",
        "self-harm/intent",
        "self-harm/instructions",
        "self-harm",
        "sexual/minors",
        "violence",
        "violence/graphic",
    ];
    let inputs: Vec<String> = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        // A list of parts is one input; a list of strings is as many.
        Value::Array(items) if items.iter().all(Value::is_object) => vec![text(&body["input"])],
        Value::Array(items) => items.iter().map(text).collect(),
        _ => {
            return Err(
                "'input' must be a string, a list of strings or a list of parts".to_owned(),
            );
        }
    };
    let result = |input: &String| {
        let flagged = |category: &str| category == "violence" && input.contains("violence");
        let join = |value: &dyn Fn(&str) -> String| -> String {
            let pairs = CATEGORIES.map(|category| format!(r#""{category}":{}"#, value(category)));
            pairs.join(",")
        };
        let categories = join(&|category| flagged(category).to_string());
        let scores = join(&|category| if flagged(category) { "0.9" } else { "0.0001" }.to_owned());
        let applied = join(&|_| r#"["text"]"#.to_owned());
        let any = flagged("violence");
        format!(
            r#"{{"flagged":{any},"categories":{{{categories}}},"category_scores":{{{scores}}},"category_applied_input_types":{{{applied}}}}}"#
        )
    };
    let results: Vec<String> = inputs.iter().map(result).collect();
    let (model, results) = (quoted(model), results.join(","));
    Ok(format!(r#"{{"id":"modr-mock","model":{model},"results":[{results}]}}"#).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script::parse(&[text]).unwrap()
    }

    fn said<'a>(content: &'a Content, script: &'a Script) -> Said<'a> {
        Said {
            model: "m",
            content,
            script,
            usage_asked: true,
        }
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
            let expected = content.text();
            let answer = value(&chat(&said(&content, &script)));
            assert_eq!(
                answer["choices"][0]["message"]["content"], expected,
                "{text}"
            );
            let mut streamed = String::new();
            for event in chat_events(&said(&content, &script)) {
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
    fn escaped_text_is_pure_ascii_on_the_wire() {
        let script = script("chars=escaped");
        let content = Content::fixed(&script);
        let bytes = completion(&said(&content, &script));
        assert!(bytes.is_ascii());
        assert!(memchr::memmem::find(&bytes, br"\ud83d\ude82").is_some());
    }

    #[test]
    fn the_last_user_message_is_read_in_either_form() {
        let body = json!({"messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "no"},
            {"role": "user", "content": [{"type": "text", "text": "yes "}, {"type": "image_url"}, {"type": "text", "text": "you"}]},
            {"role": "assistant", "content": null},
        ]});
        assert_eq!(
            (read(&body).said.as_str(), read(&body).words),
            ("yes you", 5)
        );
        assert_eq!(read(&json!({"prompt": "a b"})).said, "a b");
    }

    #[test]
    fn inputs_of_all_four_kinds_are_counted_as_openai_does() {
        assert_eq!(inputs(&json!("a")).unwrap().len(), 1);
        assert_eq!(inputs(&json!(["a", "b"])).unwrap().len(), 2);
        assert_eq!(inputs(&json!([1, 2, 3])).unwrap().len(), 1);
        assert_eq!(inputs(&json!([[1], [2]])).unwrap().len(), 2);
        assert!(inputs(&json!(null)).is_err());
        assert!(inputs(&json!([null])).is_err());
    }

    #[test]
    fn a_flag_is_raised_for_the_input_that_earned_it() {
        let answer = value(&moderations("m", &json!({"input": ["peace", "violence"]})).unwrap());
        assert_eq!(answer["results"][0]["flagged"], false);
        assert_eq!(answer["results"][1]["categories"]["violence"], true);
    }
}
