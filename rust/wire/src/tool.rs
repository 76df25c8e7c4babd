//! Whether the tools that an answer calls are called as the request declared them (checklist R32).
//!
//! An answer calls *wrongly* when any of its calls names a tool that was not offered, or has arguments that are no JSON or do not fit the
//! tool's schema. It is read a second time for that, from the bytes that the provider sent, so that the usual way of an answer knows nothing of it; only
//! answers that end in order to call tools are. What a schema means is in [`schema`]; a tool without one, or with one that is not understood,
//! takes anything.

mod schema;

use serde_json::Value;

use crate::dialect::{self, Dialect, Framing};
use crate::exchange::{Block, Delta, Event, Open};
use crate::parameter::Parameter;
use crate::request::Request;
use crate::sse::{Frame, Lines, Sse};

/// Most bytes of an answer, and of the declarations, that are looked at: one that is longer is taken to be right.
pub const BYTES_MAX: usize = 512 * 1024;
/// Most calls of one answer that are looked at.
const CALLS_MAX: usize = 64;

/// A call, as the model made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Call {
    name: String,
    /// JSON text; what it is in custom tools is the tool's own matter.
    arguments: String,
    custom: bool,
}

/// Whether any call of this answer is wrong. `answer`: what the provider of this dialect sent, whole; `stream`: as a stream. `None`: it calls
/// nothing, or cannot be judged.
pub fn calls_wrongly(
    request: &Request,
    dialect: Dialect,
    answer: &[u8],
    stream: bool,
) -> Option<bool> {
    let declared = request.value_of(Parameter::Tools)?;
    if answer.len() > BYTES_MAX || declared.len() > BYTES_MAX {
        return None;
    }
    let calls = match stream {
        true => streamed(dialect, answer)?,
        false => plain(dialect, answer)?,
    };
    if calls.is_empty() {
        return None;
    }
    let offered = Offered::read(declared)?;
    Some(calls.iter().any(|call| !offered.takes(call)))
}

fn plain(dialect: Dialect, answer: &[u8]) -> Option<Vec<Call>> {
    let answer = dialect::read_answer(dialect, std::str::from_utf8(answer).ok()?).ok()?;
    let calls = answer.blocks.iter().filter_map(|block| match block {
        Block::ToolCall(call) => Some(Call {
            name: call.name.clone().into_owned(),
            arguments: call.arguments.clone().into_owned(),
            custom: call.custom,
        }),
        _ => None,
    });
    Some(calls.take(CALLS_MAX).collect())
}

fn streamed(dialect: Dialect, answer: &[u8]) -> Option<Vec<Call>> {
    let mut reader = dialect::reader(dialect);
    let mut calls: Vec<(u32, Call)> = Vec::new();
    let mut sink = |event: Event<'_>| match event {
        Event::Open {
            block,
            open: Open::ToolCall { name, custom, .. },
        } if calls.len() < CALLS_MAX => {
            let call = Call {
                name: name.to_owned(),
                arguments: String::new(),
                custom,
            };
            calls.push((block, call));
        }
        Event::Delta {
            block,
            delta: Delta::Text(text),
        } => {
            if let Some((_, call)) = calls.iter_mut().rfind(|(number, _)| *number == block) {
                call.arguments.push_str(text);
            }
        }
        _ => {}
    };
    let lines = match dialect.framing() {
        Framing::Events => Some(Lines::Events),
        Framing::Documents => Some(Lines::Documents),
        Framing::AwsEventStream => None,
    };
    let mut each = |frame: Frame<'_>| match reader.done() {
        true => Ok(()),
        false => reader.frame(frame, &mut sink),
    };
    match lines {
        Some(lines) => {
            let mut sse = Sse::new(lines, BYTES_MAX);
            sse.push(answer, &mut each).ok()?;
            sse.eof(&mut each).ok()?;
        }
        None => {
            let mut frames = dialect::bedrock::EventStream::new(BYTES_MAX);
            frames.push(answer, &mut each).ok()?;
        }
    }
    Some(calls.into_iter().map(|(_, call)| call).collect())
}

/// What a request offers.
#[derive(Debug, Default)]
struct Offered {
    /// Name and schema of its arguments.
    tools: Vec<(String, Option<Value>)>,
    /// There are tools of the provider's own, of which nobody here knows the names.
    others: bool,
}

impl Offered {
    /// Reads the declarations of any API: a list of tools, of wrappers around one (`function`), or around many (`functionDeclarations`).
    fn read(declared: &str) -> Option<Offered> {
        let Value::Array(list) = serde_json::from_str(declared).ok()? else {
            return None;
        };
        let mut offered = Offered::default();
        list.into_iter().for_each(|tool| offered.add(tool));
        Some(offered)
    }

    fn add(&mut self, mut tool: Value) {
        for wrapper in ["functionDeclarations", "function_declarations", "tools"] {
            if let Some(Value::Array(many)) = tool.get_mut(wrapper).map(Value::take) {
                return many.into_iter().for_each(|tool| self.add(tool));
            }
        }
        if let Some(function @ Value::Object(_)) = tool.get_mut("function").map(Value::take) {
            return self.add(function);
        }
        let Some(name) = tool.get("name").and_then(Value::as_str).map(str::to_owned) else {
            self.others = true;
            return;
        };
        let schema = ["parameters", "input_schema", "parametersJsonSchema"]
            .into_iter()
            .find_map(|member| tool.get_mut(member).map(Value::take));
        self.tools.push((name, schema));
    }

    fn takes(&self, call: &Call) -> bool {
        let Some((_, schema)) = self.tools.iter().find(|(name, _)| *name == call.name) else {
            return self.others;
        };
        if call.custom {
            return true;
        }
        // Many providers write nothing where there is nothing to say.
        let arguments = match call.arguments.trim_ascii() {
            "" => "{}",
            text => text,
        };
        match serde_json::from_str::<Value>(arguments) {
            Ok(arguments @ Value::Object(_)) => schema
                .as_ref()
                .is_none_or(|schema| schema::fits(schema, &arguments)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Api;

    const CHAT_TOOLS: &str = r#"[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}}},{"type":"function","function":{"name":"now"}}]"#;

    fn request(tools: &str) -> Request {
        let body = format!(
            r#"{{"model":"a/b","messages":[{{"role":"user","content":"x"}}],"tools":{tools}}}"#
        );
        Request::read(body.into_bytes(), Api::Chat).unwrap()
    }

    fn chat(name: &str, arguments: &str) -> Option<bool> {
        let call = serde_json::json!({"id":"1","object":"chat.completion","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":name,"arguments":arguments}}]}}]});
        calls_wrongly(
            &request(CHAT_TOOLS),
            Dialect::OpenAi,
            call.to_string().as_bytes(),
            false,
        )
    }

    #[test]
    fn r32_a_call_is_wrong_by_its_name_its_json_or_its_schema() {
        for (name, arguments, wrong) in [
            ("weather", r#"{"city":"Paris"}"#, false),
            ("weather", r#"{"city":"Paris","days":3,"more":1}"#, false),
            ("weather", r#"{"city":"Paris","days":"three"}"#, true),
            ("weather", r#"{"days":3}"#, true),
            ("weather", r#"{"city":"Par"#, true),
            ("weather", r#""Paris""#, true),
            ("weather", "", true),
            ("now", "", false),
            ("now", r#"{"anything":[]}"#, false),
            ("wether", r#"{"city":"Paris"}"#, true),
        ] {
            assert_eq!(chat(name, arguments), Some(wrong), "{name} {arguments}");
        }
    }

    #[test]
    fn r32_one_wrong_call_among_several_makes_the_answer_wrong() {
        let answer = |second: &str| {
            format!(
                r#"{{"id":"m","type":"message","role":"assistant","content":[{{"type":"text","text":"Let me see"}},{{"type":"tool_use","id":"t","name":"weather","input":{{"city":"Paris"}}}},{{"type":"tool_use","id":"u","name":"weather","input":{second}}}],"stop_reason":"tool_use","usage":{{"input_tokens":1,"output_tokens":1}}}}"#
            )
        };
        let tools = request(CHAT_TOOLS);
        let wrong =
            |second| calls_wrongly(&tools, Dialect::Anthropic, answer(second).as_bytes(), false);
        assert_eq!(wrong(r#"{"city":"Rome"}"#), Some(false));
        assert_eq!(wrong(r#"{"city":1}"#), Some(true));
    }

    #[test]
    fn r32_arguments_of_a_stream_are_put_together() {
        let stream = |pieces: [&str; 2]| {
            let chunk = |delta: Value| {
                format!(
                    "data: {}\n\n",
                    serde_json::json!({"id":"1","choices":[{"index":0,"delta":delta}]})
                )
            };
            let piece = |text: &str| serde_json::json!({"tool_calls":[{"index":0,"function":{"arguments":text}}]});
            let mut text = chunk(
                serde_json::json!({"role":"assistant","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"weather","arguments":""}}]}),
            );
            pieces
                .iter()
                .for_each(|text_of| text.push_str(&chunk(piece(text_of))));
            text.push_str("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n");
            text
        };
        let wrong = |pieces| {
            calls_wrongly(
                &request(CHAT_TOOLS),
                Dialect::OpenAi,
                stream(pieces).as_bytes(),
                true,
            )
        };
        assert_eq!(wrong([r#"{"city":"#, r#""Paris"}"#]), Some(false));
        assert_eq!(wrong([r#"{"city":"#, r#"7}"#]), Some(true));
        assert_eq!(wrong([r#"{"city":"#, r#""Par"#]), Some(true));
    }

    #[test]
    fn declarations_of_every_api_are_read() {
        for declared in [
            r#"[{"name":"f","input_schema":{"type":"object","required":["x"]}}]"#,
            r#"[{"type":"function","name":"f","parameters":{"type":"object","required":["x"]}}]"#,
            r#"[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"required":["x"]}}]}]"#,
        ] {
            let offered = Offered::read(declared).unwrap();
            let call = |arguments: &str| Call {
                name: "f".to_owned(),
                arguments: arguments.to_owned(),
                custom: false,
            };
            assert!(offered.takes(&call(r#"{"x":1}"#)), "{declared}");
            assert!(!offered.takes(&call("{}")), "{declared}");
        }
        // A tool of the provider's own has no name; what is called then may be it.
        let offered = Offered::read(r#"[{"type":"web_search"}]"#).unwrap();
        assert!(offered.takes(&Call::default()));
    }

    #[test]
    fn what_calls_nothing_is_not_judged() {
        let text =
            br#"{"choices":[{"index":0,"finish_reason":"stop","message":{"content":"hi"}}]}"#;
        assert_eq!(
            calls_wrongly(&request(CHAT_TOOLS), Dialect::OpenAi, text, false),
            None
        );
        let without =
            Request::read(br#"{"model":"a/b","messages":[]}"#.to_vec(), Api::Chat).unwrap();
        assert_eq!(calls_wrongly(&without, Dialect::OpenAi, text, false), None);
        assert_eq!(
            calls_wrongly(&request(CHAT_TOOLS), Dialect::OpenAi, b"nonsense", false),
            None
        );
    }
}
