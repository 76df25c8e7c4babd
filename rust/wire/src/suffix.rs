//! What the name of a model says about the body: that the web is searched (`:online`), that the model thinks (`:thinking`), and that
//! it knows some levels of thought and not others (openrouter.md sections 2.4 to 2.6).
//!
//! Each of these becomes [`Override`]s in the words of the client's API. The search of the web is always the provider's own: the
//! gateway asks for it and searches nothing itself.

use std::borrow::Cow;

use crate::api::Api;
use crate::dialect::Override;
use crate::exchange::{BUDGET_TOKENS_MIN, Effort};
use crate::json::{self, Kind, write_string};
use crate::merge::{array, changed, elements, member, members};
use crate::refusal::{Kind as RefusalKind, Refusal};
use crate::request::Request;

/// Levels of thought that a model knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Efforts {
    /// From the lowest to the highest; empty: not known, or it has none.
    pub levels: Vec<Effort>,
    /// It always thinks.
    pub mandatory: bool,
}

impl Efforts {
    /// The level nearest to `asked`; of two that are equally near the lower one, which costs less. `asked` itself where none is known.
    pub fn nearest(&self, asked: Effort) -> Effort {
        let thinking = self.levels.iter().filter(|level| **level != Effort::None);
        thinking
            .min_by_key(|level| ((**level as u8).abs_diff(asked as u8), **level))
            .copied()
            .unwrap_or(asked)
    }

    /// The least thought that it can be asked for.
    fn lowest(&self) -> Option<Effort> {
        let thinking = self.levels.iter().filter(|level| **level != Effort::None);
        thinking.min().copied()
    }
}

/// Adapts a wish for thought to the levels that a model knows (checklist Q10). `lenient`: a wish to leave thought out, where the model
/// always thinks, becomes the least of it; otherwise it is refused.
pub fn fitted(
    request: &Request,
    efforts: &Efforts,
    lenient: bool,
) -> Result<Vec<Override<'static>>, Refusal> {
    let mut overrides = Vec::new();
    if !matches!(request.api(), Api::Chat | Api::Completions | Api::Responses) {
        return Ok(overrides);
    }
    for (name, raw) in request.reasoning_members() {
        let value = match raw.starts_with('{') {
            true => fitted_object(raw, efforts, lenient)?,
            false => match fitted_word(raw, efforts, lenient)? {
                Fitted::Same => continue,
                Fitted::Gone => Some(None),
                Fitted::Level(level) => Some(Some(quoted(level))),
            },
        };
        if let Some(value) = value {
            overrides.push(Override {
                name,
                value: value.map(Cow::Owned),
            });
        }
    }
    Ok(overrides)
}

/// What becomes of a wish for a level.
enum Fitted {
    Same,
    Level(Effort),
    /// The model thinks as it likes.
    Gone,
}

fn fitted_word(raw: &str, efforts: &Efforts, lenient: bool) -> Result<Fitted, Refusal> {
    // A word that is not known is for the provider to judge.
    let Some(asked) = Effort::of(&json::unescape(raw)) else {
        return Ok(Fitted::Same);
    };
    if asked != Effort::None {
        let nearest = efforts.nearest(asked);
        return Ok(match nearest == asked {
            true => Fitted::Same,
            false => Fitted::Level(nearest),
        });
    }
    match (efforts.mandatory, lenient) {
        (false, _) => Ok(Fitted::Same),
        (true, false) => Err(always_thinks()),
        (true, true) => Ok(efforts.lowest().map_or(Fitted::Gone, Fitted::Level)),
    }
}

/// The object `reasoning`. The outer `None`: it stays as it is; the inner one: nothing is left of it.
fn fitted_object(
    raw: &str,
    efforts: &Efforts,
    lenient: bool,
) -> Result<Option<Option<String>>, Refusal> {
    let mut changes: Vec<Override<'_>> = Vec::new();
    for member in members(raw) {
        let off = match (&*member.name, member.value.kind) {
            ("effort", kind) if kind.is_string() => {
                let value = match fitted_word(member.raw, efforts, lenient)? {
                    Fitted::Same => continue,
                    Fitted::Gone => None,
                    Fitted::Level(level) => Some(Cow::Owned(quoted(level))),
                };
                changes.push(Override {
                    name: "effort",
                    value,
                });
                continue;
            }
            ("enabled", Kind::False) => "enabled",
            ("max_tokens", Kind::Number) if member.raw == "0" => "max_tokens",
            _ => continue,
        };
        if !efforts.mandatory {
            continue;
        }
        if !lenient {
            return Err(always_thinks());
        }
        changes.push(Override {
            name: off,
            value: None,
        });
    }
    if changes.is_empty() {
        return Ok(None);
    }
    let object = changed(raw, &changes);
    Ok(Some((object != "{}").then_some(object)))
}

fn quoted(level: Effort) -> String {
    format!("\"{}\"", level.name())
}

fn always_thinks() -> Refusal {
    Refusal::new(RefusalKind::InvalidRequest).with_message(
        "Reasoning is mandatory for this model and cannot be disabled; ask for a level such as \"low\", or leave it out",
    )
}

/// Makes a model think of which nothing else was said.
pub fn thinking(request: &Request) -> Vec<Override<'static>> {
    let text = request.asked();
    let said = |name: &str| member(text, name).is_some();
    let (name, value) = match request.api() {
        Api::Chat | Api::Completions
            if !said("reasoning") && !said("reasoning_effort") && !said("include_reasoning") =>
        {
            ("reasoning", "{\"enabled\":true}".to_owned())
        }
        Api::Responses if !said("reasoning") => ("reasoning", "{\"effort\":\"medium\"}".to_owned()),
        Api::Messages if !said("thinking") => {
            // The budget is a part of the answer's tokens, and has a least size.
            match request.max_tokens().unwrap_or_default() / 2 {
                budget if budget >= BUDGET_TOKENS_MIN => (
                    "thinking",
                    format!("{{\"type\":\"enabled\",\"budget_tokens\":{budget}}}"),
                ),
                _ => return Vec::new(),
            }
        }
        _ => return Vec::new(),
    };
    vec![Override {
        name,
        value: Some(Cow::Owned(value)),
    }]
}

/// Asks for the provider's own search of the web, unless the body does already. `routed`: the endpoint is another gateway of this kind,
/// which may search by itself.
pub fn online(request: &Request, routed: bool) -> Vec<Override<'static>> {
    let text = request.asked();
    let (name, value) = match request.api() {
        Api::Chat | Api::Completions if routed => {
            let plugins = member(text, "plugins").unwrap_or("[]");
            if elements(plugins).into_iter().any(is_web) {
                return Vec::new();
            }
            let with = elements(plugins).into_iter().chain([r#"{"id":"web"}"#]);
            ("plugins", array(with))
        }
        Api::Chat | Api::Completions => match member(text, "web_search_options") {
            Some(_) => return Vec::new(),
            None => ("web_search_options", "{}".to_owned()),
        },
        Api::Responses | Api::Messages | Api::Gemini => {
            let tools = elements(member(text, "tools").unwrap_or("[]"));
            if tools.iter().any(|tool| searches(tool)) {
                return Vec::new();
            }
            let search = match request.api() {
                Api::Responses => r#"{"type":"web_search"}"#,
                Api::Messages => r#"{"type":"web_search_20250305","name":"web_search"}"#,
                _ => r#"{"googleSearch":{}}"#,
            };
            ("tools", array(tools.into_iter().chain([search])))
        }
        _ => return Vec::new(),
    };
    vec![Override {
        name,
        value: Some(Cow::Owned(value)),
    }]
}

/// Whether a tool is a search of the web, in the words of any API.
fn searches(tool: &str) -> bool {
    member(tool, "type").is_some_and(|kind| kind.contains("web_search"))
        || member(tool, "googleSearch").is_some()
        || member(tool, "google_search").is_some()
}

fn is_web(plugin: &str) -> bool {
    let off = member(plugin, "enabled") == Some("false");
    !off && member(plugin, "id").is_some_and(|id| json::unescape(id) == "web")
}

/// Whether `plugins` asks for the plugin `web`, which means what `:online` does (checklist N05). What only another engine than the
/// provider's own could do is refused, because an answer that looks as if it had been done would be wrong.
pub fn wants_web(plugins: &str) -> Result<bool, Refusal> {
    let Some(plugin) = elements(plugins).into_iter().find(|one| is_web(one)) else {
        return Ok(false);
    };
    if let Some(engine) = member(plugin, "engine")
        && !matches!(&*json::unescape(engine), "native" | "auto")
    {
        return Err(unoffered(format!(
            "the engine {}; the provider's own search is (\"engine\":\"native\")",
            excerpt(engine)
        )));
    }
    for name in ["include_domains", "exclude_domains", "x_search"] {
        if member(plugin, name).is_some() {
            return Err(unoffered(format!(
                "`{name}`; use the provider's own options (`web_search_options`, or the tool)"
            )));
        }
    }
    Ok(true)
}

fn unoffered(what: String) -> Refusal {
    Refusal::new(RefusalKind::InvalidRequest).with_message(format!(
        "`plugins`: the plugin web is not offered here with {what}"
    ))
}

/// A value for an error's text.
fn excerpt(raw: &str) -> String {
    let mut out = Vec::new();
    let text: String = json::unescape(raw).chars().take(64).collect();
    write_string(&text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(api: Api, body: &str) -> Request {
        Request::read(body.as_bytes().to_vec(), api).unwrap()
    }

    fn efforts(levels: &[Effort], mandatory: bool) -> Efforts {
        Efforts {
            levels: levels.to_vec(),
            mandatory,
        }
    }

    fn after(api: Api, body: &str, overrides: &[Override<'_>]) -> String {
        changed(request(api, body).asked(), overrides)
    }

    #[test]
    fn q10_a_level_that_is_not_known_becomes_the_nearest() {
        let some = efforts(&[Effort::Low, Effort::High, Effort::Max], false);
        for (asked, nearest) in [
            (Effort::Minimal, Effort::Low),
            (Effort::Medium, Effort::Low),
            (Effort::High, Effort::High),
            (Effort::XHigh, Effort::High),
        ] {
            assert_eq!(some.nearest(asked), nearest);
        }
        assert_eq!(Efforts::default().nearest(Effort::XHigh), Effort::XHigh);
        let high = efforts(&[Effort::None, Effort::High], false);
        for (body, expected) in [
            (
                r#"{"reasoning_effort":"xhigh","x":1}"#,
                r#"{"reasoning_effort":"high","x":1}"#,
            ),
            (
                r#"{"reasoning":{"effort":"xhigh","exclude":true}}"#,
                r#"{"reasoning":{"effort":"high","exclude":true}}"#,
            ),
            (
                r#"{"reasoning":{"effort":"minimal"},"reasoning_effort":"minimal"}"#,
                r#"{"reasoning":{"effort":"high"},"reasoning_effort":"high"}"#,
            ),
            (
                r#"{"reasoning":{"effort":"none"}}"#,
                r#"{"reasoning":{"effort":"none"}}"#,
            ),
            (
                r#"{"reasoning_effort":"some"}"#,
                r#"{"reasoning_effort":"some"}"#,
            ),
            (
                r#"{"reasoning":{"enabled":false,"max_tokens":0}}"#,
                r#"{"reasoning":{"enabled":false,"max_tokens":0}}"#,
            ),
        ] {
            for api in [Api::Chat, Api::Responses] {
                let fitted = fitted(&request(api, body), &high, false).unwrap();
                assert_eq!(after(api, body, &fitted), expected);
            }
        }
    }

    #[test]
    fn q10_thought_that_cannot_be_left_out_is_the_least_of_it_or_refused() {
        let always = efforts(&[Effort::Low, Effort::High], true);
        let unknown = efforts(&[], true);
        for (body, least, gone) in [
            (
                r#"{"reasoning":{"effort":"none"}}"#,
                r#"{"reasoning":{"effort":"low"}}"#,
                "{}",
            ),
            (
                r#"{"reasoning_effort":"none"}"#,
                r#"{"reasoning_effort":"low"}"#,
                "{}",
            ),
            (r#"{"reasoning":{"enabled":false}}"#, "{}", "{}"),
            (
                r#"{"reasoning":{"max_tokens":0,"exclude":true}}"#,
                r#"{"reasoning":{"exclude":true}}"#,
                r#"{"reasoning":{"exclude":true}}"#,
            ),
        ] {
            let request = request(Api::Chat, body);
            let with = |efforts: &Efforts| {
                after(Api::Chat, body, &fitted(&request, efforts, true).unwrap())
            };
            assert_eq!(with(&always), least);
            assert_eq!(with(&unknown), gone);
            let refusal = fitted(&request, &always, false).unwrap_err();
            assert_eq!(refusal.status(), 400);
            assert!(refusal.message.contains("mandatory"));
        }
    }

    #[test]
    fn n05_each_api_asks_for_the_web_in_its_own_words_and_once() {
        for (api, body, expected) in [
            (
                Api::Chat,
                r#"{"x":1}"#,
                r#"{"x":1,"web_search_options":{}}"#,
            ),
            (
                Api::Chat,
                r#"{"web_search_options":{"search_context_size":"low"}}"#,
                r#"{"web_search_options":{"search_context_size":"low"}}"#,
            ),
            (
                Api::Responses,
                r#"{"tools":[{"type":"function","name":"f"}]}"#,
                r#"{"tools":[{"type":"function","name":"f"},{"type":"web_search"}]}"#,
            ),
            (
                Api::Responses,
                r#"{"tools":[{"type":"web_search_preview"}]}"#,
                r#"{"tools":[{"type":"web_search_preview"}]}"#,
            ),
            (
                Api::Messages,
                "{}",
                r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
            ),
            (Api::Gemini, "{}", r#"{"tools":[{"googleSearch":{}}]}"#),
            (Api::Embeddings, r#"{"input":"a"}"#, r#"{"input":"a"}"#),
        ] {
            let request = match api.model_in_path() {
                true => Request::read_beside_path(body.into(), api, "m".to_owned(), false).unwrap(),
                false => request(api, body),
            };
            assert_eq!(changed(request.asked(), &online(&request, false)), expected);
        }
        let body = r#"{"plugins":[{"id":"moderation"}]}"#;
        let chat = request(Api::Chat, body);
        let routed = online(&chat, true);
        assert_eq!(
            changed(body, &routed),
            r#"{"plugins":[{"id":"moderation"},{"id":"web"}]}"#
        );
        let again = request(Api::Chat, &changed(body, &routed));
        assert!(online(&again, true).is_empty());
    }

    #[test]
    fn n05_the_plugin_web_means_the_same_and_other_engines_are_refused() {
        for (plugins, wanted) in [
            (r#"[{"id":"web"}]"#, true),
            (r#"[{"id":"web","engine":"native","max_results":3}]"#, true),
            (r#"[{"id":"web","enabled":false}]"#, false),
            (r#"[{"id":"file-parser"}]"#, false),
            ("[]", false),
            ("7", false),
        ] {
            assert_eq!(wants_web(plugins).unwrap(), wanted, "{plugins}");
        }
        for (plugins, word) in [
            (r#"[{"id":"web","engine":"exa"}]"#, "\"exa\""),
            (
                r#"[{"id":"web","include_domains":["a.b"]}]"#,
                "include_domains",
            ),
        ] {
            let refusal = wants_web(plugins).unwrap_err();
            assert!(refusal.message.contains(word), "{}", refusal.message);
        }
    }

    #[test]
    fn n11_thinking_is_on_where_nothing_was_said() {
        for (api, body, expected) in [
            (Api::Chat, "{}", r#"{"reasoning":{"enabled":true}}"#),
            (
                Api::Chat,
                r#"{"reasoning_effort":"low"}"#,
                r#"{"reasoning_effort":"low"}"#,
            ),
            (Api::Responses, "{}", r#"{"reasoning":{"effort":"medium"}}"#),
            (
                Api::Messages,
                r#"{"max_tokens":4096}"#,
                r#"{"max_tokens":4096,"thinking":{"type":"enabled","budget_tokens":2048}}"#,
            ),
            (Api::Messages, r#"{"max_tokens":9}"#, r#"{"max_tokens":9}"#),
        ] {
            assert_eq!(after(api, body, &thinking(&request(api, body))), expected);
        }
    }
}
