//! Tools, the choice among them, and search.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::conversation::Writing;
use super::native_schemas;
use crate::dialect::Dialect;
use crate::exchange::{Tool, ToolChoice, joined_name};
use crate::json::{Malformed, Walker};
use crate::member::lenient::{self, each_member};
use crate::member::write::{comma, key, raw_member, string_member};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

impl<'a> Writing<'_, 'a> {
    pub(super) fn tools(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let ask = self.ask;
        if ask.tools.is_empty() && ask.web_search.is_none() {
            return Ok(());
        }
        if !ask.tools.is_empty() && !self.target.takes(Parameter::Tools)? {
            return Err(self.target.inexpressible(Parameter::Tools.name()));
        }
        key("tools", out);
        out.push(b'[');
        let before = out.len();
        for tool in &ask.tools {
            self.tool(tool, out)?;
        }
        if let Some(options) = ask.web_search
            && !self.web_search
        {
            web_search(options, out);
        }
        if out.len() == before {
            // Nothing came of the tools, so there is no such member.
            out.truncate(before - b"\"tools\":[".len());
            if out.last() == Some(&b',') {
                out.pop();
            }
            return Ok(());
        }
        out.push(b']');
        Ok(())
    }

    fn tool(&mut self, tool: &Tool<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match tool {
            Tool::Function(function) => {
                comma(out);
                out.push(b'{');
                let name = joined_name(function.namespace.as_deref(), &function.name);
                string_member("name", &name, out);
                if let Some(description) = &function.description {
                    string_member("description", description, out);
                }
                key("input_schema", out);
                schema(function.parameters.as_deref(), out);
                // Said only where it is wished and can be granted: an endpoint without it refuses the word.
                if function.strict == Some(true) && native_schemas(self.target)? {
                    raw_member("strict", "true", out);
                }
                self.cache(function.cache.as_ref(), out);
                out.push(b'}');
            }
            Tool::Custom {
                name, description, ..
            } => {
                comma(out);
                out.push(b'{');
                string_member("name", name, out);
                if let Some(description) = description {
                    string_member("description", description, out);
                }
                raw_member(
                    "input_schema",
                    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#,
                    out,
                );
                out.push(b'}');
            }
            Tool::Server { kind, raw } => {
                if self.ask.api.home() == Dialect::Anthropic {
                    self.web_search |= kind.starts_with("web_search");
                    comma(out);
                    out.extend_from_slice(raw.get().as_bytes());
                } else if self.ask.web_search.is_none() || !is_web_search(kind) {
                    return Err(self.target.inexpressible(&format!(
                        "tools: {}",
                        crate::upstream_error::excerpt(kind.as_bytes(), 60)
                    )));
                }
            }
        }
        Ok(())
    }

    pub(super) fn tool_choice(&self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let ask = self.ask;
        let single = ask.parallel_tool_calls == Some(false);
        if ask.tools.is_empty() || (ask.tool_choice.is_none() && !single) {
            return Ok(());
        }
        if ask.tool_choice.is_some() && !self.target.takes(Parameter::ToolChoice)? {
            return Ok(());
        }
        let kind = match &ask.tool_choice {
            None | Some(ToolChoice::Auto) => "auto",
            Some(ToolChoice::None) => "none",
            Some(ToolChoice::Required) => "any",
            Some(ToolChoice::Named(_)) => "tool",
        };
        key("tool_choice", out);
        out.push(b'{');
        string_member("type", kind, out);
        if let Some(ToolChoice::Named(name)) = &ask.tool_choice {
            string_member("name", name, out);
        }
        // Beside `none` the protocol takes nothing.
        if single && kind != "none" {
            raw_member("disable_parallel_tool_use", "true", out);
        }
        out.push(b'}');
        Ok(())
    }
}

/// A schema of arguments has to be of an object, and to say so.
pub(super) fn schema(parameters: Option<&RawValue>, out: &mut Vec<u8>) {
    let raw = parameters.map_or("", RawValue::get).trim();
    let mut typed = false;
    let mut any = false;
    let mut walker = Walker::new(raw);
    let looked = each_member(&mut walker, |walker, name| {
        any = true;
        typed |= name == "type";
        walker.value().map(|_| ())
    });
    if looked.is_err() || !any {
        out.extend_from_slice(b"{\"type\":\"object\",\"properties\":{}}");
    } else if typed {
        out.extend_from_slice(raw.as_bytes());
    } else {
        out.extend_from_slice(b"{\"type\":\"object\",");
        out.extend_from_slice(raw.get(1..).unwrap_or("}").as_bytes());
    }
}

/// Whether another protocol's word for a tool of the provider's means a search of the web, which is offered for `web_search`.
fn is_web_search(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    kind.contains("search") && !kind.contains("file")
}

/// The provider's own search, with the place that OpenAI's options name.
pub(super) fn web_search(options: &RawValue, out: &mut Vec<u8>) {
    comma(out);
    out.extend_from_slice(b"{\"type\":\"web_search_20250305\",\"name\":\"web_search\"");
    let mut place: Vec<(String, Cow<'_, str>)> = Vec::new();
    let mut approximate = |walker: &mut Walker<'_>| {
        each_member(walker, |walker, name| {
            let known = matches!(name, "city" | "region" | "country" | "timezone");
            if let (true, Some(text)) = (known, lenient::string(walker)?) {
                place.push((name.to_owned(), Cow::Owned(text.into_owned())));
            }
            Ok::<(), Malformed>(())
        })
    };
    // The options were read before; what is not understood in them is no place.
    let _ = each_member(&mut Walker::new(options.get()), |walker, name| match name {
        "user_location" => each_member(walker, |walker, name| match name {
            "approximate" => approximate(walker),
            _ => walker.value().map(|_| ()),
        }),
        _ => walker.value().map(|_| ()),
    });
    if !place.is_empty() {
        key("user_location", out);
        out.extend_from_slice(b"{\"type\":\"approximate\"");
        for (name, value) in &place {
            string_member(name, value, out);
        }
        out.push(b'}');
    }
    out.push(b'}');
}
