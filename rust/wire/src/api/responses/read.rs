//! Reads a request (openrouter.md §1.2.3).
//!
//! Nothing is kept between requests, so whatever refers to something kept is refused: an item reference, a conversation, a stored
//! prompt, work in the background. (`store` and `previous_response_id` are refused for every endpoint, before this is asked.)

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::responses::items;
use crate::api::responses::object::{At, Object, flag, raw_json, refused};
use crate::api::responses::tools::Offer;
use crate::exchange::{Ask, Block, CacheMark, Effort, Format, Reasoning, Text, Tool, ToolChoice};
use crate::json::{Kind, Value, Walker};
use crate::refusal::{Kind as RefusalKind, Refusal};

/// Members that mean something to this gateway, to a provider that keeps things, or to nobody but the first maker's own clients: none
/// of them is carried into another protocol.
const NOT_CARRIED: [&str; 26] = [
    "model",
    "models",
    "stream",
    "stream_options",
    "provider",
    "plugins",
    "preset",
    "route",
    "transforms",
    "session_id",
    "trace",
    "usage",
    "debug",
    "user",
    "store",
    "previous_response_id",
    "conversation",
    "background",
    "background_options",
    "prompt",
    "include",
    "truncation",
    "max_tool_calls",
    "stop_server_tools_when",
    "deferred_tools",
    "client_metadata",
];

/// See [`super::read`].
pub(crate) fn read(text: &str) -> Result<Ask<'_>, Refusal> {
    let mut walker = Walker::new(text);
    let body = Object::read(&mut walker).map_err(|wrong| {
        Refusal::new(RefusalKind::MalformedJson).with_message(wrong.describe(text.as_bytes()))
    })?;
    refuse_state(&body)?;
    let mut ask = Ask::default();
    let mut offer = Offer::default();
    if let Some(instructions) = text_of(&body, "instructions")? {
        ask.system.push(Block::Text(Text {
            text: instructions,
            ..Text::default()
        }));
    }
    if let Some(tools) = array(&body, "tools")? {
        offer.add(tools, &At::Body("tools"))?;
    }
    items::read(&body, &mut ask, &mut offer)?;
    ask.tool_choice = offer.choice(&body)?;
    if offer.tools.is_empty() {
        // A choice among nothing is refused by some providers.
        ask.tool_choice = ask.tool_choice.filter(|choice| *choice != ToolChoice::Auto);
    }
    ask.tools = offer.tools;
    if offer.search {
        ask.web_search = raw_json("{}");
    }
    for (name, raw) in body.members() {
        member(name, raw, &body, &mut ask)?;
    }
    Ok(ask)
}

/// The client's own tools on offer in a request that was accepted before; for the writer of its answer.
pub(super) fn tools_of<'a>(body: &Object<'a>) -> Vec<Tool<'a>> {
    let mut offer = Offer::default();
    let items = body.elements("input").into_iter().filter_map(Object::of);
    let later = items.filter(|item| {
        matches!(
            item.text("type").as_deref(),
            Some("additional_tools" | "tool_search_output")
        )
    });
    let lists = body
        .raw("tools")
        .into_iter()
        .chain(later.filter_map(|item| item.raw("tools")));
    for tools in lists {
        // What is wrong with them was said when the request was read.
        let _ = offer.add(tools, &At::Body("tools"));
    }
    offer.tools
}

fn refuse_state(body: &Object<'_>) -> Result<(), Refusal> {
    for (name, instead) in [
        ("conversation", "send the whole conversation in `input`"),
        (
            "prompt",
            "send the prompt itself in `instructions` and `input`",
        ),
    ] {
        if body.value(name).is_some() {
            return Err(refused(format!(
                "`{name}` refers to something that is kept elsewhere, and nothing is kept here; {instead}"
            )));
        }
    }
    match body.value("background").map(|value| value.kind) {
        Some(Kind::True) => Err(refused(
            "`background` must be false, because answers are not kept for later; seen: true"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

fn member<'a>(
    name: &str,
    raw: &'a str,
    body: &Object<'a>,
    ask: &mut Ask<'a>,
) -> Result<(), Refusal> {
    let Some(value) = body.value(name) else {
        return Ok(());
    };
    match name {
        // Read before, in an order of their own.
        "instructions" | "input" | "tools" | "tool_choice" => {}
        "max_output_tokens" => ask.max_tokens = whole(body, name)?,
        "temperature" => ask.temperature = number(name, raw, &value)?,
        "top_p" => ask.top_p = number(name, raw, &value)?,
        "top_k" => ask.top_k = number(name, raw, &value)?,
        "min_p" => ask.min_p = number(name, raw, &value)?,
        "top_a" => ask.top_a = number(name, raw, &value)?,
        "frequency_penalty" => ask.frequency_penalty = number(name, raw, &value)?,
        "presence_penalty" => ask.presence_penalty = number(name, raw, &value)?,
        "repetition_penalty" => ask.repetition_penalty = number(name, raw, &value)?,
        "seed" => ask.seed = number(name, raw, &value)?,
        "logit_bias" => ask.logit_bias = raw_json(raw),
        "stop" => ask.stop = texts(body, name)?,
        "modalities" => ask.modalities = texts(body, name)?,
        "image_config" => ask.image_config = raw_json(raw),
        "metadata" => ask.metadata = object(name, raw, &value)?,
        "service_tier" => ask.service_tier = text_of(body, name)?,
        "prompt_cache_key" => ask.prompt_cache_key = text_of(body, name)?,
        "parallel_tool_calls" => {
            let known =
                flag(&value).ok_or_else(|| At::Body(name).wrong("true or false", value.kind));
            ask.parallel_tool_calls = Some(known?);
        }
        "top_logprobs" => {
            ask.top_logprobs = whole(body, name)?;
            ask.logprobs = ask.logprobs.or(ask.top_logprobs.map(|many| many > 0));
        }
        "include" => {
            let wanted = |raw: &&str| *raw == "\"message.output_text.logprobs\"";
            if body.elements(name).iter().any(wanted) {
                ask.logprobs = Some(true);
            }
        }
        "cache_control" => {
            ask.cache = body.object(name).map(|mark| CacheMark {
                ttl: mark.text("ttl"),
            });
        }
        "text" => text_config(body, &value, ask)?,
        "reasoning" => ask.reasoning = Some(reasoning(body, &value)?),
        name if NOT_CARRIED.contains(&name) => {}
        name => {
            let name = Cow::Owned(name.to_owned());
            ask.extra.extend(raw_json(raw).map(|raw| (name, raw)));
        }
    }
    Ok(())
}

fn text_config<'a>(body: &Object<'a>, value: &Value, ask: &mut Ask<'a>) -> Result<(), Refusal> {
    let at = At::Body("text");
    let Some(config) = body.object("text") else {
        return Err(at.wrong("an object", value.kind));
    };
    ask.verbosity = config.text_at(&at, "verbosity")?;
    let at = at.member("format");
    let Some(value) = config.value("format") else {
        return Ok(());
    };
    let Some(format) = config.object("format") else {
        return Err(at.wrong("an object", value.kind));
    };
    ask.format = match format.need_text(&at, "type")?.as_ref() {
        "text" => Some(Format::Text),
        "json_object" => Some(Format::JsonObject),
        "json_schema" => {
            let Some(schema) = format.json("schema") else {
                return Err(at.member("schema").missing("a JSON Schema"));
            };
            Some(Format::JsonSchema {
                name: format
                    .text_at(&at, "name")?
                    .unwrap_or(Cow::Borrowed("response")),
                schema: Cow::Borrowed(schema),
                strict: format.flag_at(&at, "strict")?,
                description: format.text_at(&at, "description")?,
            })
        }
        _ => config.json("format").map(Format::Other),
    };
    Ok(())
}

fn reasoning<'a>(body: &Object<'a>, value: &Value) -> Result<Reasoning<'a>, Refusal> {
    let at = At::Body("reasoning");
    let Some(wish) = body.object("reasoning") else {
        return Err(at.wrong("an object", value.kind));
    };
    let effort = match wish.text_at(&at, "effort")? {
        None => None,
        Some(word) => match Effort::of(&word) {
            Some(effort) => Some(effort),
            None => {
                let expected =
                    "one of `none`, `minimal`, `low`, `medium`, `high`, `xhigh` and `max`";
                return Err(at.member("effort").unknown(expected, &word));
            }
        },
    };
    let summary = match wish.text_at(&at, "summary")? {
        // What the member was called at first.
        None => wish.text_at(&at, "generate_summary")?,
        summary => summary,
    };
    Ok(Reasoning {
        effort,
        max_tokens: wish.number("max_tokens"),
        exclude: wish.flag_at(&at, "exclude")?.unwrap_or(false),
        enabled: wish.flag_at(&at, "enabled")?,
        summary,
        adaptive: false,
    })
}

fn text_of<'a>(body: &Object<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
    match (body.value(name), body.text(name)) {
        (Some(value), None) => Err(At::Body(name).wrong("a string", value.kind)),
        (_, text) => Ok(text),
    }
}

fn array<'a>(body: &Object<'a>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match body.value(name) {
        Some(value) if value.kind != Kind::Array => {
            Err(At::Body(name).wrong("an array", value.kind))
        }
        _ => Ok(body.raw(name)),
    }
}

fn whole(body: &Object<'_>, name: &str) -> Result<Option<u64>, Refusal> {
    match (body.value(name), body.number(name)) {
        (Some(value), None) => Err(At::Body(name).wrong("a whole number", value.kind)),
        (_, number) => Ok(number),
    }
}

fn number<'a>(name: &str, raw: &'a str, value: &Value) -> Result<Option<&'a RawValue>, Refusal> {
    match value.kind {
        Kind::Number => Ok(raw_json(raw)),
        kind => Err(At::Body(name).wrong("a number", kind)),
    }
}

fn object<'a>(name: &str, raw: &'a str, value: &Value) -> Result<Option<&'a RawValue>, Refusal> {
    match value.kind {
        Kind::Object => Ok(raw_json(raw)),
        kind => Err(At::Body(name).wrong("an object", kind)),
    }
}

/// A string, or an array of them.
fn texts<'a>(body: &Object<'a>, name: &str) -> Result<Vec<Cow<'a, str>>, Refusal> {
    if let Some(text) = body.text(name) {
        return Ok(vec![text]);
    }
    let Some(raw) = array(body, name)? else {
        return Ok(Vec::new());
    };
    serde_json::from_str::<Vec<String>>(raw)
        .map(|texts| texts.into_iter().map(Cow::Owned).collect())
        .map_err(|_| refused(format!("`{name}` must be a string or an array of strings")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Role;

    fn message(body: &str) -> String {
        read(body).unwrap_err().message.into_owned()
    }

    #[test]
    fn wrong_types_are_named_with_what_was_seen() {
        for (body, expected) in [
            (
                r#"{"model":"a"}"#,
                "`input` is missing; it must be a string or an array of items",
            ),
            (
                r#"{"input":5}"#,
                "`input` must be a string or an array of items; seen: a number",
            ),
            (r#"{"input":[1]}"#, "`input[0]` must be an object"),
            (
                r#"{"input":[{"role":"tool","content":"x"}]}"#,
                "`input[0].role` must be `user`, `assistant`, `system` or `developer`; seen: tool",
            ),
            (
                r#"{"input":[{"role":"user","content":[{"type":"input_image"}]}]}"#,
                "`input[0].content[0].image_url` is missing; it must be a string",
            ),
            (
                r#"{"input":"x","temperature":"hot"}"#,
                "`temperature` must be a number; seen: a string",
            ),
            (
                r#"{"input":"x","max_output_tokens":1.5}"#,
                "`max_output_tokens` must be a whole number; seen: a number",
            ),
            (
                r#"{"input":"x","instructions":[]}"#,
                "`instructions` must be a string; seen: an array",
            ),
            (
                r#"{"input":"x","tools":{}}"#,
                "`tools` must be an array; seen: an object",
            ),
            (
                r#"{"input":"x","tools":[{"type":"function"}]}"#,
                "`tools[0].name` is missing; it must be a string",
            ),
            (
                r#"{"input":"x","text":{"format":{"type":"json_schema"}}}"#,
                "`text.format.schema` is missing; it must be a JSON Schema",
            ),
            (
                r#"{"input":"x","reasoning":{"effort":"some"}}"#,
                "`reasoning.effort` must be one of `none`, `minimal`, `low`, `medium`, `high`, `xhigh` and `max`; seen: some",
            ),
            (
                r#"{"input":"x","parallel_tool_calls":1}"#,
                "`parallel_tool_calls` must be true or false; seen: a number",
            ),
        ] {
            assert_eq!(message(body), expected, "{body}");
        }
    }

    #[test]
    fn b02_what_refers_to_something_kept_is_refused() {
        for body in [
            r#"{"input":"x","background":true}"#,
            r#"{"input":"x","conversation":{"id":"conv_1"}}"#,
            r#"{"input":"x","prompt":{"id":"pmpt_1"}}"#,
            r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#,
            r#"{"input":[{"id":"msg_1"}]}"#,
        ] {
            assert_eq!(
                read(body).unwrap_err().kind,
                RefusalKind::InvalidRequest,
                "{body}"
            );
        }
        assert!(read(r#"{"input":"x","background":false,"conversation":null}"#).is_ok());
    }

    #[test]
    fn b03_calls_and_results_become_turns() {
        let ask = read(
            r#"{"input":[{"role":"user","content":"go"},
                {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"},
                {"type":"function_call","call_id":"c1","name":"f","namespace":"n","arguments":"{}"},
                {"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},
                {"type":"function_call_output","call_id":"c1","output":"1"},
                {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"2"}]},
                {"type":"web_search_call","id":"ws_1"}]}"#,
        )
        .unwrap();
        let shape: Vec<_> = ask
            .turns
            .iter()
            .map(|turn| (turn.role, turn.blocks.len()))
            .collect();
        assert_eq!(
            shape,
            [(Role::User, 1), (Role::Assistant, 3), (Role::User, 2)]
        );
        let Some(Block::ToolResult(result)) = ask.turns[2].blocks.first() else {
            panic!("{ask:?}");
        };
        assert_eq!(result.name.as_deref(), Some("n___f"));
    }

    #[test]
    fn members_that_nobody_knows_travel_and_those_of_this_api_do_not() {
        let ask = read(
            r#"{"model":"m","input":"x","store":false,"truncation":"auto","client_metadata":{},"include":[],"safety_identifier":"s","new_member":[1]}"#,
        )
        .unwrap();
        let names: Vec<_> = ask.extra.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["safety_identifier", "new_member"]);
    }

    #[test]
    fn a_choice_without_tools_is_dropped_unless_it_insists() {
        let ask = read(r#"{"input":"x","tools":[{"type":"local_shell"}],"tool_choice":"auto"}"#);
        assert_eq!(ask.unwrap().tool_choice, None);
        let ask = read(r#"{"input":"x","tools":[{"type":"web_search"}],"tool_choice":"auto"}"#);
        assert!(ask.unwrap().web_search.is_some());
        assert!(message(r#"{"input":"x","tool_choice":"required"}"#).contains("offers none"));
    }
}
