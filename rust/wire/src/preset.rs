//! Presets: members of a body that are kept under a name, and laid under the bodies that name them (openrouter.md section 2.8).
//!
//! A preset is written in the words of chat. For another API it is translated by the same code as a request: read as a chat, written in
//! the API's home dialect, and what the translation always adds is taken away again. Then both are objects with the same words, and the
//! merge is shallow: a member of the request stands, one that it lacks comes from the preset. Two members are more than that: `tools` are
//! joined by identity, and the preset's system prompt stands before the request's own.

use std::borrow::Cow;

use crate::api::{self, Api, Task};
use crate::dialect::{self, Override, Target};
use crate::json::{self, Kind, Reach, write_string};
use crate::member;
use crate::merge::{Member, Object, array, changed, elements, member as value_of, members};
use crate::refusal::{Kind as RefusalKind, Refusal};
use crate::request::{ROUTING_FIELDS, Request};

/// A preset in the words of one API: names and raw values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words(Vec<(String, String)>);

/// Members that say one thing in several words: who says one of them has said it.
const SYNONYMS: [&[&str]; 5] = [
    &["max_tokens", "max_completion_tokens"],
    &["reasoning", "reasoning_effort", "include_reasoning"],
    &["models", "fallbacks"],
    &["systemInstruction", "system_instruction"],
    &["generationConfig", "generation_config"],
];

/// Members that belong to one request and to no preset.
const OF_THE_REQUEST: [&str; 11] = [
    "model",
    "messages",
    "prompt",
    "input",
    "contents",
    "stream",
    "stream_options",
    "preset",
    "instructions",
    "system",
    "systemInstruction",
];

/// A preset's members, an object in chat's words, in the words of `api`. What the API has no word for is left out.
pub fn words(config: &str, api: Api) -> Result<Words, Refusal> {
    let (routing, others): (Vec<Member<'_>>, Vec<Member<'_>>) = members(config)
        .into_iter()
        .filter(|member| !OF_THE_REQUEST.contains(&&*member.name))
        .partition(|member| ROUTING_FIELDS.contains(&&*member.name));
    let mut words: Vec<(String, String)> = routing.iter().map(owned).collect();
    match (api.task(), api) {
        (_, Api::Chat | Api::Completions) => words.extend(others.iter().map(owned)),
        (Task::Generate, _) => {
            let usual = translated(&[], api)?;
            let said = translated(&others, api)?;
            let kept = members(&said).into_iter().filter(|member| {
                !OF_THE_REQUEST.contains(&&*member.name)
                    && value_of(&usual, &member.name) != Some(member.raw)
            });
            words.extend(kept.map(|member| owned(&member)));
        }
        // How something is generated means nothing where nothing is.
        _ => {}
    }
    Ok(Words(words))
}

fn owned(member: &Member<'_>) -> (String, String) {
    (member.name.clone().into_owned(), member.raw.to_owned())
}

/// A chat with these members, in the words of another API.
fn translated(with: &[Member<'_>], api: Api) -> Result<String, Refusal> {
    let mut chat = Object::with_capacity(256);
    chat.member("model", "\"m\"");
    chat.member("messages", r#"[{"role":"user","content":"."}]"#);
    for member in with {
        chat.member(&member.name, member.raw);
    }
    let chat = chat.end();
    let ask = api::read(Api::Chat, &chat, false)?;
    let mut out = Vec::new();
    dialect::write(&ask, &Target::new(api.home(), "m"), &mut out)?;
    // The writer wrote text.
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// The request with a preset laid under it. `model`: what it asks for in the end; `None`: nothing but its `models`.
pub fn applied(
    request: &Request,
    words: &Words,
    system: Option<&str>,
    model: Option<&str>,
) -> Result<Request, Refusal> {
    let api = request.api();
    if request.asked().is_empty() || !request.asked().trim_start().starts_with('{') {
        return Err(Refusal::new(RefusalKind::InvalidRequest)
            .with_message("A preset cannot be used with a form; send the body as JSON"));
    }
    // The one reading of keys that everybody shares.
    let text = json::canonical(request.asked(), Reach::Top).map_err(member::malformed)?;
    let own = members(&text);
    let said = |name: &str| {
        own.iter()
            .find(|member| member.name == name && member.value.kind != Kind::Null)
    };
    let mut changes = vec![change("preset", None)];
    if !api.model_in_path() {
        changes.push(change("model", model.map(quoted)));
    }
    for (name, value) in &words.0 {
        match said(name) {
            Some(own) if name == "tools" => {
                changes.push(change(name, Some(union(value, own.raw, api))));
            }
            Some(own) if matches!(name.as_str(), "generationConfig" | "toolConfig") => {
                changes.push(change(name, Some(laid_under(value, own.raw))));
            }
            Some(_) => {}
            None => {
                let mut groups = SYNONYMS.iter();
                let group = groups.find(|group| group.contains(&name.as_str()));
                let is_said =
                    group.is_some_and(|group| group.iter().any(|word| said(word).is_some()));
                if !is_said {
                    changes.push(change(name, Some(value.clone())));
                }
            }
        }
    }
    if let Some(system) = system.filter(|text| !text.is_empty())
        && let Some((name, value)) = instructed(api, system, |name| said(name).map(|own| own.raw))?
    {
        changes.push(change(name, Some(value)));
    }
    let body = changed(&text, &changes);
    request.reread(body.into_bytes(), model.map(str::to_owned))
}

fn change(name: &str, value: Option<String>) -> Override<'_> {
    Override {
        name,
        value: value.map(Cow::Owned),
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(text, &mut out);
    // It was text, and escapes are text.
    String::from_utf8(out).unwrap_or_default()
}

/// An object with the members of both; `over` wins.
fn laid_under(under: &str, over: &str) -> String {
    let own = members(over);
    let mut both = Object::with_capacity(under.len() + over.len());
    for member in members(under) {
        if own.iter().all(|other| other.name != member.name) {
            both.member(&member.name, member.raw);
        }
    }
    for member in own {
        both.member(&member.name, member.raw);
    }
    both.end()
}

/// The preset's tools in their order, each in the request's version where that has it too; then the request's others.
fn union(preset: &str, own: &str, api: Api) -> String {
    let (preset, own) = (elements(preset), elements(own));
    let same = |one: &str, other: &str| identity(one, api) == identity(other, api);
    let first = preset.iter().map(|tool| {
        let mine = own.iter().find(|other| same(other, tool));
        mine.unwrap_or(tool)
    });
    let rest = own
        .iter()
        .filter(|tool| !preset.iter().any(|other| same(other, tool)));
    array(first.chain(rest).copied())
}

/// What makes a tool the one it is: a function's name, the type and name of a tool of which there may be several, or the type alone.
fn identity(tool: &str, api: Api) -> Vec<Cow<'_, str>> {
    let text = |name: &str| value_of(tool, name).map(json::unescape);
    if api == Api::Gemini {
        let declared = value_of(tool, "functionDeclarations").unwrap_or("[]");
        let mut names: Vec<_> = elements(declared)
            .into_iter()
            .filter_map(|function| value_of(function, "name").map(json::unescape))
            .collect();
        if names.is_empty() {
            names.extend(members(tool).into_iter().map(|member| member.name));
        }
        return names;
    }
    let inner = value_of(tool, "function")
        .and_then(|function| value_of(function, "name"))
        .map(json::unescape);
    let kind = text("type").unwrap_or_default();
    let name = inner.or_else(|| text("name"));
    let many = ["advisor", "subagent"]
        .iter()
        .any(|one| kind.ends_with(one));
    match name {
        Some(name) if many => vec![kind, name],
        Some(name) => vec![name],
        None => vec![kind],
    }
}

/// The member that holds instructions in an API, with the preset's before the request's own. `None`: it has none.
fn instructed<'t>(
    api: Api,
    system: &str,
    own: impl Fn(&str) -> Option<&'t str>,
) -> Result<Option<(&'static str, String)>, Refusal> {
    let before = |raw: &str| quoted(&format!("{system}\n\n{}", json::unescape(raw)));
    Ok(Some(match api {
        Api::Chat => {
            let message = format!(r#"{{"role":"system","content":{}}}"#, quoted(system));
            let messages = elements(own("messages").unwrap_or("[]"));
            (
                "messages",
                array(std::iter::once(message.as_str()).chain(messages)),
            )
        }
        Api::Responses => match own("instructions") {
            Some(raw) => ("instructions", before(raw)),
            None => ("instructions", quoted(system)),
        },
        Api::Messages | Api::MessagesCount => match own("system") {
            Some(raw) if raw.starts_with('[') => {
                let block = format!(r#"{{"type":"text","text":{}}}"#, quoted(system));
                (
                    "system",
                    array(std::iter::once(block.as_str()).chain(elements(raw))),
                )
            }
            Some(raw) => ("system", before(raw)),
            None => ("system", quoted(system)),
        },
        Api::Gemini => {
            let name = match own("system_instruction") {
                Some(_) => "system_instruction",
                None => "systemInstruction",
            };
            let parts = own(name).and_then(|raw| value_of(raw, "parts"));
            let part = format!(r#"{{"text":{}}}"#, quoted(system));
            let parts = elements(parts.unwrap_or("[]"));
            let parts = array(std::iter::once(part.as_str()).chain(parts));
            (name, format!(r#"{{"parts":{parts}}}"#))
        }
        Api::Completions => match own("prompt") {
            Some(raw) if raw.starts_with('"') => ("prompt", before(raw)),
            _ => {
                return Err(Refusal::new(RefusalKind::InvalidRequest).with_message(
                    "The preset has a system prompt, which can only stand before a `prompt` that is one string",
                ));
            }
        },
        // The others know no instructions; what routes them still counts.
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(api: Api, body: &str, config: &str, system: Option<&str>) -> String {
        let request = match api.model_in_path() {
            true => Request::read_beside_path(body.into(), api, "m".to_owned(), false),
            false => Request::read(body.as_bytes().to_vec(), api),
        };
        let words = words(config, api).unwrap();
        let applied = applied(&request.unwrap(), &words, system, Some("a/b")).unwrap();
        assert_eq!(applied.model(), Some("a/b"));
        applied.asked().to_owned()
    }

    #[test]
    fn v02_the_request_replaces_members_and_the_preset_gives_those_that_it_lacks() {
        assert_eq!(
            after(
                Api::Chat,
                r#"{"preset":"p","temperature":0.10,"top_p":null,"messages":[],"max_completion_tokens":3}"#,
                r#"{"model":"x","temperature":1,"top_p":0.5,"max_tokens":9,"stream":true,"provider":{"sort":"price"}}"#,
                None
            ),
            r#"{"temperature":0.10,"top_p":0.5,"messages":[],"max_completion_tokens":3,"model":"a/b","provider":{"sort":"price"}}"#
        );
    }

    #[test]
    fn v02_tools_are_joined_by_identity_in_the_presets_order() {
        let function = |name: &str, more: &str| {
            format!(r#"{{"type":"function","function":{{"name":"{name}"{more}}}}}"#)
        };
        let preset = [
            function("one", ""),
            function("two", ""),
            r#"{"type":"openrouter:web_search"}"#.to_owned(),
            r#"{"type":"openrouter:advisor","name":"a"}"#.to_owned(),
        ];
        let own = [
            function("three", ""),
            function("two", r#","strict":true"#),
            r#"{"type":"openrouter:web_search","parameters":{}}"#.to_owned(),
            r#"{"type":"openrouter:subagent","name":"a"}"#.to_owned(),
        ];
        let joined = union(
            &array(preset.iter().map(String::as_str)),
            &array(own.iter().map(String::as_str)),
            Api::Chat,
        );
        let expected = [&preset[0], &own[1], &own[2], &preset[3], &own[0], &own[3]];
        assert_eq!(joined, array(expected.into_iter().map(String::as_str)));
    }

    #[test]
    fn a_preset_is_said_in_the_words_of_each_api() {
        let config = r#"{"max_tokens":5,"temperature":0.2,"models":["x/y"],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"response_format":{"type":"json_object"}}"#;
        let responses = after(
            Api::Responses,
            r#"{"input":"hi"}"#,
            config,
            Some("Be brief."),
        );
        for part in [
            r#""max_output_tokens":5"#,
            r#""temperature":0.2"#,
            r#""models":["x/y"]"#,
            r#""name":"f""#,
            r#""instructions":"Be brief.""#,
            r#""json_object""#,
            r#""input":"hi""#,
        ] {
            assert!(responses.contains(part), "{part} in {responses}");
        }
        let messages = after(
            Api::Messages,
            r#"{"messages":[],"max_tokens":7,"system":[{"type":"text","text":"Own."}]}"#,
            config,
            Some("Be brief."),
        );
        for part in [
            r#""max_tokens":7"#,
            r#""temperature":0.2"#,
            r#""input_schema":{"type":"object"}"#,
            r#""system":[{"type":"text","text":"Be brief."},{"type":"text","text":"Own."}]"#,
        ] {
            assert!(messages.contains(part), "{part} in {messages}");
        }
        let gemini = after(
            Api::Gemini,
            r#"{"contents":[],"generationConfig":{"temperature":0.9},"systemInstruction":{"parts":[{"text":"Own."}]}}"#,
            config,
            Some("Be brief."),
        );
        for part in [
            r#""maxOutputTokens":5"#,
            r#""temperature":0.9"#,
            r#""parts":[{"text":"Be brief."},{"text":"Own."}]"#,
            r#""functionDeclarations""#,
        ] {
            assert!(gemini.contains(part), "{part} in {gemini}");
        }
        assert_eq!(
            words(config, Api::Embeddings).unwrap().0,
            [("models".to_owned(), r#"["x/y"]"#.to_owned())]
        );
    }

    #[test]
    fn the_presets_instructions_stand_before_the_requests_own() {
        for (api, body, expected) in [
            (
                Api::Chat,
                r#"{"messages":[{"role":"system","content":"b"}]}"#,
                r#"{"messages":[{"role":"system","content":"a\"c"},{"role":"system","content":"b"}],"model":"a/b"}"#,
            ),
            (
                Api::Completions,
                r#"{"prompt":"b"}"#,
                r#"{"prompt":"a\"c\n\nb","model":"a/b"}"#,
            ),
            (
                Api::Responses,
                r#"{"input":"x","instructions":"b"}"#,
                r#"{"input":"x","instructions":"a\"c\n\nb","model":"a/b"}"#,
            ),
            (
                Api::Messages,
                r#"{"system":"b"}"#,
                r#"{"system":"a\"c\n\nb","model":"a/b"}"#,
            ),
        ] {
            assert_eq!(after(api, body, "{}", Some("a\"c")), expected);
        }
        let request = Request::read(br#"{"prompt":[1]}"#.to_vec(), Api::Completions).unwrap();
        assert!(applied(&request, &Words::default(), Some("a"), None).is_err());
    }
}
