//! How a conversation begins, by which its next request is recognised when the client gives it no name (openrouter.md section 3.7).
//!
//! The beginning is the first message of the system (or of the developer) and the first one of anybody else: they stay the same while
//! a conversation grows. What clients move from turn to turn, the marks of where a provider shall cache, is left out.

use std::hash::Hasher;

use crate::api::Api;
use crate::json::{Kind, Malformed, Walker};
use crate::member::lenient::{each_element, each_member, string};

/// Members that say where to cache, and nothing about the conversation.
const MARKS: [&str; 3] = ["cache_control", "prompt_cache_breakpoint", "cachePoint"];

/// Feeds `into` with the beginning of the conversation in a request's body. False: it has none, and what was fed means nothing.
///
/// The walk ends as soon as both messages are known. The body has been read before, so that it is JSON.
pub fn opening(api: Api, text: &str, into: &mut impl Hasher) -> bool {
    let words = match api {
        Api::Chat => Words {
            system: &[],
            messages: "messages",
        },
        Api::Responses => Words {
            system: &["instructions"],
            messages: "input",
        },
        Api::Messages => Words {
            system: &["system"],
            messages: "messages",
        },
        Api::Gemini => Words {
            system: &["systemInstruction", "system_instruction"],
            messages: "contents",
        },
        _ => return false,
    };
    let mut found = Found::default();
    let walked = each_member(&mut Walker::new(text), |walker, name| {
        if name == words.messages {
            found.read_messages(walker)?;
        } else if words.system.contains(&name) {
            walker.peek();
            let value = walker.value()?;
            found.system = (value.kind != Kind::Null).then(|| value.raw(text));
        } else {
            walker.value()?;
        }
        // Elsewhere than in the list, what the system says may follow it.
        match found.first.is_some() && (words.system.is_empty() || found.system.is_some()) {
            true => Err(Halt::Enough),
            false => Ok(()),
        }
    });
    if matches!(walked, Err(Halt::Malformed)) {
        return false;
    }
    let Some(first) = found.first else {
        return false;
    };
    for raw in [found.system.unwrap_or_default(), first] {
        // Nothing of a message is taken for a part of the other.
        into.write_u8(SEPARATOR);
        if !raw.is_empty() && feed(&mut Walker::new(raw), into).is_err() {
            return false;
        }
    }
    true
}

/// Stands in no UTF-8.
const SEPARATOR: u8 = 0xff;

/// What an API calls things.
struct Words {
    /// Where the system speaks outside the list of messages.
    system: &'static [&'static str],
    messages: &'static str,
}

/// Why a walk ended early.
enum Halt {
    Enough,
    Malformed,
}

impl From<Malformed> for Halt {
    fn from(_: Malformed) -> Halt {
        Halt::Malformed
    }
}

/// The two messages, raw.
#[derive(Default)]
struct Found<'a> {
    system: Option<&'a str>,
    first: Option<&'a str>,
}

impl<'a> Found<'a> {
    /// Reads the list of messages, or the one text that stands for it, as far as needed.
    fn read_messages(&mut self, walker: &mut Walker<'a>) -> Result<(), Halt> {
        let text = walker.text();
        if walker.peek() != Some(Kind::Array) {
            let value = walker.value()?;
            self.first = value.kind.is_string().then(|| value.raw(text));
            return Ok(());
        }
        let mut ahead = walker.clone();
        let read = each_element(&mut ahead, |walker| {
            let value = walker.value()?;
            let raw = value.raw(text);
            let mut is_system = false;
            each_member(&mut Walker::new(raw), |walker, name| match name {
                "role" => {
                    let role = string(walker)?;
                    is_system = matches!(role.as_deref(), Some("system" | "developer"));
                    Ok(())
                }
                _ => walker.value().map(|_| ()),
            })?;
            match is_system {
                true => {
                    self.system.get_or_insert(raw);
                    Ok(())
                }
                false => {
                    self.first = Some(raw);
                    Err(Halt::Enough)
                }
            }
        });
        match read {
            // Behind the list there may be more to read.
            Ok(()) | Err(Halt::Enough) => walker.value().map(|_| ()).map_err(Halt::from),
            Err(Halt::Malformed) => Err(Halt::Malformed),
        }
    }
}

/// Feeds a value: names and scalars in their order, without the marks and without white space.
fn feed(walker: &mut Walker<'_>, into: &mut impl Hasher) -> Result<(), Malformed> {
    match walker.peek() {
        Some(Kind::Object) => each_member(walker, |walker, name| {
            if MARKS.contains(&name) {
                return walker.value().map(|_| ());
            }
            into.write(name.as_bytes());
            into.write_u8(SEPARATOR);
            feed(walker, into)
        }),
        Some(Kind::Array) => each_element(walker, |walker| feed(walker, into)),
        _ => {
            let value = walker.value()?;
            into.write(value.raw(walker.text()).as_bytes());
            into.write_u8(SEPARATOR);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn of(api: Api, text: &str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        opening(api, text, &mut hasher).then(|| hasher.finish())
    }

    #[test]
    fn s04_a_conversation_is_known_by_its_first_messages_while_it_grows() {
        let first = of(
            Api::Chat,
            r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}]}"#,
        );
        assert!(first.is_some());
        let grown = r#"{"messages":[ {"role":"system","content":"s"}, {"role":"user","content":"u"},
            {"role":"assistant","content":"a"},{"role":"user","content":"v"}],"model":"m","temperature":1}"#;
        assert_eq!(of(Api::Chat, grown), first);
        for other in [
            r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"u"}]}"#,
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"U"}]}"#,
            r#"{"messages":[{"role":"user","content":"u"}]}"#,
            r#"{"messages":[{"role":"system","content":"s"},{"role":"assistant","content":"u"}]}"#,
        ] {
            assert_ne!(of(Api::Chat, other), first, "{other}");
            assert!(of(Api::Chat, other).is_some());
        }
    }

    #[test]
    fn s04_marks_of_caches_move_without_making_another_conversation() {
        let plain = of(
            Api::Messages,
            r#"{"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"u"}]}]}"#,
        );
        let marked = of(
            Api::Messages,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"u","cache_control":{"type":"ephemeral"}}]}],
                "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]}"#,
        );
        assert!(plain.is_some());
        assert_eq!(plain, marked);
    }

    #[test]
    fn s04_every_api_that_converses_has_a_beginning() {
        assert!(of(Api::Responses, r#"{"input":"hi","instructions":"s"}"#).is_some());
        assert_ne!(
            of(Api::Responses, r#"{"input":"hi","instructions":"s"}"#),
            of(Api::Responses, r#"{"input":"hi"}"#)
        );
        assert!(
            of(
                Api::Responses,
                r#"{"input":[{"role":"user","content":"u"}]}"#
            )
            .is_some()
        );
        assert!(
            of(
                Api::Gemini,
                r#"{"contents":[{"parts":[{"text":"u"}]}],"systemInstruction":{"parts":[{"text":"s"}]}}"#
            )
            .is_some()
        );
        for (api, text) in [
            (Api::Embeddings, r#"{"input":"x"}"#),
            (Api::Completions, r#"{"prompt":"x"}"#),
            (Api::Chat, r#"{"messages":[]}"#),
            (
                Api::Chat,
                r#"{"messages":[{"role":"system","content":"s"}]}"#,
            ),
            (Api::Chat, r#"{"messages":7}"#),
            (Api::Chat, r#"{}"#),
        ] {
            assert_eq!(of(api, text), None, "{text}");
        }
    }
}
