//! The gist of an answer: what has to be the same in every protocol. Read here independently of the crate, and slowly.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use turnout_wire::api::Api;
use turnout_wire::dialect::Dialect;

/// What an answer says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Gist {
    /// All visible text, joined.
    pub(crate) text: String,
    /// All thought that can be read, joined.
    pub(crate) thought: String,
    /// The tools that are called, with their arguments parsed, in order.
    pub(crate) calls: Vec<(String, Value)>,
}

fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}

fn arguments(text: &str) -> Value {
    match text.trim() {
        "" => json!({}),
        text => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

impl Gist {
    /// Of a whole answer in a dialect's words, which are the API's of the same name.
    pub(crate) fn of(dialect: Dialect, answer: &Value) -> Gist {
        let mut gist = Gist::default();
        match dialect {
            Dialect::OpenAi => {
                let message = &answer["choices"][0]["message"];
                gist.chat(message);
                gist.calls_of(&message["tool_calls"]);
            }
            Dialect::Responses => {
                for item in answer["output"].as_array().into_iter().flatten() {
                    gist.item(item);
                }
            }
            Dialect::Anthropic => {
                for block in answer["content"].as_array().into_iter().flatten() {
                    match block["type"].as_str().unwrap_or_default() {
                        "text" => gist.text.push_str(block["text"].as_str().unwrap()),
                        "thinking" => gist.thought.push_str(block["thinking"].as_str().unwrap()),
                        "tool_use" => gist.call(&block["name"], block["input"].clone()),
                        _ => {}
                    }
                }
            }
            Dialect::Gemini => gist.candidate(&answer["candidates"][0]),
            Dialect::Bedrock => {
                let content = answer["output"]["message"]["content"].as_array();
                for block in content.into_iter().flatten() {
                    if let Some(text) = block["text"].as_str() {
                        gist.text.push_str(text);
                    }
                    if let Some(text) = block["reasoningContent"]["reasoningText"]["text"].as_str()
                    {
                        gist.thought.push_str(text);
                    }
                    if let Some(call) = block.get("toolUse") {
                        gist.call(&call["name"], call["input"].clone());
                    }
                }
            }
            Dialect::Cohere => {
                let message = &answer["message"];
                for part in message["content"].as_array().into_iter().flatten() {
                    gist.text
                        .push_str(part["text"].as_str().unwrap_or_default());
                    gist.thought
                        .push_str(part["thinking"].as_str().unwrap_or_default());
                }
                if let Some(plan) = message["tool_plan"].as_str() {
                    gist.thought.push_str(plan);
                }
                gist.calls_of(&message["tool_calls"]);
            }
            Dialect::Ollama => {
                let message = &answer["message"];
                gist.text = texts(&message["content"]);
                gist.thought = texts(&message["thinking"]);
                for call in message["tool_calls"].as_array().into_iter().flatten() {
                    gist.call(
                        &call["function"]["name"],
                        call["function"]["arguments"].clone(),
                    );
                }
            }
        }
        gist
    }

    /// A namespace before the name is left out: some protocols have it in a member of its own.
    fn call(&mut self, name: &Value, arguments: Value) {
        let name = name.as_str().unwrap_or_default();
        let name = name.rsplit("___").next().unwrap_or_default();
        self.calls.push((name.to_owned(), arguments));
    }

    fn calls_of(&mut self, calls: &Value) {
        for call in calls.as_array().into_iter().flatten() {
            let function = &call["function"];
            let text = &function["arguments"];
            let parsed = match text {
                Value::String(text) => arguments(text),
                Value::Null => json!({}),
                parsed => parsed.clone(),
            };
            self.call(&function["name"], parsed);
        }
    }

    fn chat(&mut self, message: &Value) {
        self.text.push_str(&texts(&message["content"]));
        // One thought in two words, or in the content's parts.
        let word = ["reasoning", "reasoning_content"]
            .iter()
            .find_map(|name| message[*name].as_str());
        self.thought.push_str(word.unwrap_or_default());
        for part in message["content"].as_array().into_iter().flatten() {
            self.thought.push_str(&texts(&part["thinking"]));
        }
    }

    fn item(&mut self, item: &Value) {
        match item["type"].as_str().unwrap_or_default() {
            "message" => {
                for part in item["content"].as_array().into_iter().flatten() {
                    self.text
                        .push_str(part["text"].as_str().unwrap_or_default());
                }
            }
            "reasoning" => {
                self.thought.push_str(&texts(&item["summary"]));
                self.thought.push_str(&texts(&item["content"]));
            }
            "function_call" => {
                let text = item["arguments"].as_str().unwrap_or_default();
                self.call(&item["name"], arguments(text));
            }
            _ => {}
        }
    }

    fn candidate(&mut self, candidate: &Value) {
        let parts = candidate["content"]["parts"].as_array();
        for part in parts.into_iter().flatten() {
            if let Some(text) = part["text"].as_str() {
                match part["thought"] == true {
                    true => self.thought.push_str(text),
                    false => self.text.push_str(text),
                }
            }
            if let Some(call) = part.get("functionCall") {
                let arguments = call.get("args").cloned().unwrap_or(json!({}));
                self.call(&call["name"], arguments);
            }
        }
    }

    /// Of the events that one of our writers wrote.
    pub(crate) fn of_stream(api: Api, events: &str) -> Gist {
        let values: Vec<Value> = events
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| *data != "[DONE]")
            .map(|data| {
                serde_json::from_str(data)
                    .unwrap_or_else(|error| json!({"type": format!("{error}: {data}")}))
            })
            .collect();
        let mut gist = Gist::default();
        match api {
            Api::Chat | Api::Completions => {
                let mut calls: BTreeMap<u64, (Value, String)> = BTreeMap::new();
                for value in &values {
                    let choice = &value["choices"][0];
                    let delta = &choice["delta"];
                    gist.chat(delta);
                    gist.text.push_str(&texts(&choice["text"]));
                    gist.thought.push_str(&texts(&choice["reasoning"]));
                    for piece in delta["tool_calls"].as_array().into_iter().flatten() {
                        // Some providers leave the index out, and such chunks pass.
                        let last = calls.len() as u64 - u64::from(piece["id"].is_null());
                        let index = piece["index"].as_u64().unwrap_or(last);
                        let call = calls.entry(index).or_default();
                        let function = &piece["function"];
                        if function["name"]
                            .as_str()
                            .is_some_and(|name| !name.is_empty())
                        {
                            call.0 = function["name"].clone();
                        }
                        call.1.push_str(&texts(&function["arguments"]));
                    }
                }
                for (name, text) in calls.into_values() {
                    gist.call(&name, arguments(&text));
                }
            }
            Api::Responses => {
                let last = values
                    .iter()
                    .rev()
                    .find(|value| value["response"].is_object());
                let response = last.map(|value| value["response"].clone());
                return Gist::of(Dialect::Responses, &response.unwrap_or_default());
            }
            Api::Messages => {
                let mut calls: BTreeMap<u64, (Value, String)> = BTreeMap::new();
                for value in &values {
                    let index = value["index"].as_u64().unwrap_or_default();
                    let block = &value["content_block"];
                    if block["type"] == "tool_use" {
                        // Nearly always empty here and given in pieces after it.
                        let whole = block["input"].as_object().filter(|input| !input.is_empty());
                        let text = whole.map_or(String::new(), |_| block["input"].to_string());
                        calls.insert(index, (block["name"].clone(), text));
                    }
                    let delta = &value["delta"];
                    gist.text.push_str(&texts(&delta["text"]));
                    gist.thought.push_str(&texts(&delta["thinking"]));
                    if let (Some(piece), Some(call)) =
                        (delta["partial_json"].as_str(), calls.get_mut(&index))
                    {
                        call.1.push_str(piece);
                    }
                }
                for (name, text) in calls.into_values() {
                    gist.call(&name, arguments(&text));
                }
            }
            _ => {
                for value in &values {
                    gist.candidate(&value["candidates"][0]);
                }
            }
        }
        gist
    }
}
