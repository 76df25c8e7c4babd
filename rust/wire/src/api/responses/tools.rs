//! The tools that a client offers, and its choice among them.
//!
//! Functions and custom tools are the client's own and are offered to any model. What the first maker of this API runs itself is not:
//! a search becomes the wish for one ([`Offer::search`]), which many protocols can say, and the rest is left out as long as the client
//! only offers it. Agents offer such tools in every request, whoever serves; a client that insists on one is refused.

use std::borrow::Cow;

use crate::api::responses::object::{At, Object, elements, refused};
use crate::exchange::{Function, Tool, ToolChoice, joined_name};
use crate::json::Kind;
use crate::refusal::Refusal;

/// What a request offers.
#[derive(Debug, Default)]
pub(crate) struct Offer<'a> {
    /// The client's own tools, those in namespaces too.
    pub(crate) tools: Vec<Tool<'a>>,
    /// Whether a search is on offer.
    pub(crate) search: bool,
}

/// Spellings of the search tool (openrouter.md §2.9).
const SEARCHES: [&str; 6] = [
    "web_search",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "web_search_2025_08_26",
    "openrouter:web_search",
    "web_search_20250305",
];

impl<'a> Offer<'a> {
    /// Adds the tools of a raw array.
    pub(crate) fn add(&mut self, raw: &'a str, at: &At<'_>) -> Result<(), Refusal> {
        for (index, raw) in elements(raw).into_iter().enumerate() {
            let at = at.element(index);
            let Some(tool) = Object::of(raw) else {
                return Err(refused(format!(
                    "`{at}` must be an object that describes a tool"
                )));
            };
            self.add_tool(&tool, None, &at)?;
        }
        Ok(())
    }

    fn add_tool(
        &mut self,
        tool: &Object<'a>,
        namespace: Option<&Cow<'a, str>>,
        at: &At<'_>,
    ) -> Result<(), Refusal> {
        let kind = tool
            .text_at(at, "type")?
            .unwrap_or(Cow::Borrowed("function"));
        match kind.as_ref() {
            "function" => {
                // Some clients keep the nesting of the chat API.
                let nested = tool.object("function");
                let tool = nested.as_ref().unwrap_or(tool);
                self.push(Tool::Function(Function {
                    name: tool.need_text(at, "name")?,
                    description: tool.text_at(at, "description")?,
                    parameters: tool.json("parameters").map(Cow::Borrowed),
                    strict: tool.flag_at(at, "strict")?,
                    namespace: namespace.cloned(),
                    cache: None,
                }));
            }
            "custom" => {
                let name = tool.need_text(at, "name")?;
                self.push(Tool::Custom {
                    name: joined_name(namespace.map(AsRef::as_ref), &name),
                    description: tool.text_at(at, "description")?,
                    format: tool.json("format"),
                });
            }
            "namespace" => {
                let name = tool.need_text(at, "name")?;
                let at = at.member("tools");
                for (index, raw) in tool.elements("tools").into_iter().enumerate() {
                    if let Some(nested) = Object::of(raw) {
                        self.add_tool(&nested, Some(&name), &at.element(index))?;
                    }
                }
            }
            search if SEARCHES.contains(&search) => {
                // Without access to the web it is a search of what the first maker has cached, which nobody else has.
                let offline = tool
                    .value("external_web_access")
                    .is_some_and(|value| value.kind == Kind::False);
                self.search |= !offline;
            }
            _ => {}
        }
        Ok(())
    }

    /// A tool that is described a second time, by a later item, is the same tool.
    fn push(&mut self, tool: Tool<'a>) {
        let known = self.tools.iter().any(|other| same(other, &tool));
        if !known {
            self.tools.push(tool);
        }
    }

    /// Reads `tool_choice`. May take tools off the offer, where the client allows only some.
    pub(crate) fn choice(&mut self, body: &Object<'a>) -> Result<Option<ToolChoice<'a>>, Refusal> {
        let at = At::Body("tool_choice");
        let Some(value) = body.value("tool_choice") else {
            return Ok(None);
        };
        const EXPECTED: &str = "`auto`, `none`, `required`, or an object that names a tool";
        if let Some(word) = body.text("tool_choice") {
            return match word.as_ref() {
                "auto" => Ok(Some(ToolChoice::Auto)),
                "none" => Ok(Some(ToolChoice::None)),
                "required" => self.required(&at).map(Some),
                other => Err(at.unknown(EXPECTED, other)),
            };
        }
        let Some(object) = Object::of(body.raw_of(&value)) else {
            return Err(at.wrong(EXPECTED, value.kind));
        };
        let kind = object.need_text(&at, "type")?;
        match kind.as_ref() {
            "function" | "custom" => {
                let nested = object.object("function");
                let object = nested.as_ref().unwrap_or(&object);
                let name = object.need_text(&at, "name")?;
                let namespace = object.text_at(&at, "namespace")?;
                Ok(Some(ToolChoice::Named(self.named(namespace, name))))
            }
            "allowed_tools" => {
                let allowed: Vec<Cow<'a, str>> = object
                    .elements("tools")
                    .into_iter()
                    .filter_map(Object::of)
                    .filter_map(|tool| tool.text("name"))
                    .collect();
                self.tools
                    .retain(|tool| allowed.iter().any(|name| is_called(tool, name)));
                match object.text_at(&at, "mode")?.as_deref() {
                    Some("required") => self.required(&at).map(Some),
                    _ => Ok(Some(ToolChoice::Auto)),
                }
            }
            other => Err(at.unknown(
                "the name of a function or of a custom tool, because the model that serves cannot be made to use a tool of another provider",
                other,
            )),
        }
    }

    /// At least one tool has to be called, so there has to be one.
    fn required(&self, at: &At<'_>) -> Result<ToolChoice<'a>, Refusal> {
        match self.tools.is_empty() {
            true => Err(refused(format!(
                "`{at}` asks for a tool to be called, and `tools` offers none that the model that serves can call; offer a function, or leave `{at}` out"
            ))),
            false => Ok(ToolChoice::Required),
        }
    }

    /// The one name of the tool that a choice means: with its namespace, where it stands in one.
    fn named(&self, namespace: Option<Cow<'a, str>>, name: Cow<'a, str>) -> Cow<'a, str> {
        if let Some(namespace) = namespace {
            return joined_name(Some(&namespace), &name);
        }
        let nested = self.tools.iter().find_map(|tool| match tool {
            Tool::Function(function) if function.name == name => function.namespace.as_deref(),
            _ => None,
        });
        joined_name(nested, &name)
    }
}

fn same(one: &Tool<'_>, other: &Tool<'_>) -> bool {
    match (one, other) {
        (Tool::Function(one), Tool::Function(other)) => {
            one.name == other.name && one.namespace == other.namespace
        }
        (Tool::Custom { name: one, .. }, Tool::Custom { name: other, .. }) => one == other,
        _ => false,
    }
}

fn is_called(tool: &Tool<'_>, wanted: &str) -> bool {
    match tool {
        Tool::Function(function) => function.name == wanted,
        Tool::Custom { name, .. } => name == wanted,
        Tool::Server { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(tools: &str) -> Offer<'_> {
        let mut offer = Offer::default();
        offer.add(tools, &At::Body("tools")).unwrap();
        offer
    }

    #[test]
    fn an_agents_offer_is_taken_apart() {
        let offer = offer(
            r#"[{"type":"function","name":"shell","parameters":{"type":"object"},"strict":false},
                {"type":"namespace","name":"github","description":"d","tools":[{"type":"function","name":"issues"},{"type":"custom","name":"sql"}]},
                {"type":"custom","name":"apply_patch","format":{"type":"grammar","syntax":"lark","definition":"x"}},
                {"type":"web_search","external_web_access":false},
                {"type":"local_shell"},{"type":"function","name":"shell"}]"#,
        );
        let names: Vec<_> = offer
            .tools
            .iter()
            .map(|tool| match tool {
                Tool::Function(function) => {
                    joined_name(function.namespace.as_deref(), &function.name).into_owned()
                }
                Tool::Custom { name, .. } => format!("custom {name}"),
                Tool::Server { kind, .. } => format!("server {kind}"),
            })
            .collect();
        assert_eq!(
            names,
            [
                "shell",
                "github___issues",
                "custom github___sql",
                "custom apply_patch"
            ]
        );
        assert!(!offer.search);
    }

    #[test]
    fn a_choice_names_the_tool_as_it_is_offered() {
        let body = r#"{"tools":[{"type":"namespace","name":"n","tools":[{"name":"a"}]},{"type":"function","name":"b"}],"tool_choice":CHOICE}"#;
        let choice = |words: &str| {
            let body = body.replace("CHOICE", words);
            let body = Object::of(&body).unwrap();
            let mut offer = offer(body.raw("tools").unwrap());
            let choice = offer.choice(&body);
            choice.map(|choice| (format!("{choice:?}"), offer.tools.len()))
        };
        let some = |words: &str, tools| Ok((words.to_owned(), tools));
        assert_eq!(choice("null"), some("None", 2));
        assert_eq!(choice("\"required\""), some("Some(Required)", 2));
        assert_eq!(
            choice(r#"{"type":"function","name":"a"}"#),
            some("Some(Named(\"n___a\"))", 2)
        );
        assert_eq!(
            choice(
                r#"{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"b"}]}"#
            ),
            some("Some(Required)", 1)
        );
        for wrong in ["1", "\"any\"", "{}", r#"{"type":"file_search"}"#] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
    }
}
