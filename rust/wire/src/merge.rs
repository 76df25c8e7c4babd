//! Bodies with members changed: a member replaced, added or taken out at the top level, all else byte for byte.
//!
//! For what is said beside the body and has to reach it (a suffix of the model's name, another tier of service, a preset). Few requests
//! have any of that, so that a new text is written and read anew; the spans of the first reading are not patched.

use std::borrow::Cow;

use crate::dialect::Override;
use crate::json::{self, Span, Value, Walker, write_string};

/// A member of an object, as it stands in a text.
#[derive(Debug, Clone)]
pub(crate) struct Member<'a> {
    /// Its key, decoded.
    pub(crate) name: Cow<'a, str>,
    /// Its value, raw.
    pub(crate) raw: &'a str,
    /// What the value is.
    pub(crate) value: Value,
}

/// The members of an object in order. Empty for anything else, and for what cannot be read: whoever asks has read the text before.
pub(crate) fn members(text: &str) -> Vec<Member<'_>> {
    let mut found = Vec::new();
    let mut walker = Walker::new(text);
    let Ok(mut more) = walker.enter_object() else {
        return found;
    };
    while more {
        let (Ok(key), Ok(value)) = (walker.key(), walker.value()) else {
            return found;
        };
        let name = match key.escaped {
            false => Cow::Borrowed(key.name),
            true => {
                let quoted = Span {
                    start: key.start,
                    end: key.start + key.name.len() + 2,
                };
                json::unescape(quoted.of(text))
            }
        };
        found.push(Member {
            name,
            raw: value.raw(text),
            value,
        });
        more = walker.next_member().unwrap_or(false);
    }
    found
}

/// The elements of an array in order, raw. Empty for anything else.
pub(crate) fn elements(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut walker = Walker::new(text);
    let Ok(mut more) = walker.enter_array() else {
        return found;
    };
    while more {
        let Ok(value) = walker.value() else {
            return found;
        };
        found.push(value.raw(text));
        more = walker.next_element().unwrap_or(false);
    }
    found
}

/// The value of a member, raw; null is as good as absent.
pub(crate) fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    members(text)
        .into_iter()
        .rev()
        .find(|member| member.name == name)
        .filter(|member| member.value.kind != json::Kind::Null)
        .map(|member| member.raw)
}

/// An object with members changed. Those that are new stand at its end.
pub(crate) fn changed(text: &str, changes: &[Override<'_>]) -> String {
    let members = members(text);
    let mut object = Object::with_capacity(text.len() + 64);
    for member in &members {
        match changes.iter().find(|change| change.name == member.name) {
            None => object.member(&member.name, member.raw),
            Some(Override { value: None, .. }) => {}
            Some(Override {
                value: Some(value), ..
            }) => object.member(&member.name, value),
        }
    }
    for change in changes {
        if let Some(value) = &change.value
            && members.iter().all(|member| member.name != change.name)
        {
            object.member(change.name, value);
        }
    }
    object.end()
}

/// An object that is being written, of values that are JSON already.
#[derive(Debug)]
pub(crate) struct Object {
    out: Vec<u8>,
}

impl Object {
    pub(crate) fn with_capacity(bytes: usize) -> Object {
        let mut out = Vec::with_capacity(bytes);
        out.push(b'{');
        Object { out }
    }

    /// Adds a member.
    pub(crate) fn member(&mut self, name: &str, json: &str) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        write_string(name, &mut self.out);
        self.out.push(b':');
        self.out.extend_from_slice(json.as_bytes());
    }

    /// Closes it.
    pub(crate) fn end(mut self) -> String {
        self.out.push(b'}');
        // Every piece was text.
        String::from_utf8(self.out).unwrap_or_default()
    }
}

/// An array of values that are JSON already.
pub(crate) fn array<'a>(elements: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for element in elements {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(element);
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change<'a>(name: &'a str, value: Option<&'a str>) -> Override<'a> {
        Override {
            name,
            value: value.map(Cow::Borrowed),
        }
    }

    #[test]
    fn members_are_replaced_taken_out_and_added() {
        let text = r#" {"a" : 1.50, "b":{"x": [1 ,2]},"c":"\u00e9"} "#;
        assert_eq!(
            changed(
                text,
                &[
                    change("a", Some("2")),
                    change("c", None),
                    change("d", Some("[]")),
                    change("e", None),
                ]
            ),
            r#"{"a":2,"b":{"x": [1 ,2]},"d":[]}"#
        );
        assert_eq!(
            changed(text, &[]),
            r#"{"a":1.50,"b":{"x": [1 ,2]},"c":"\u00e9"}"#
        );
        assert_eq!(changed("{}", &[change("a", Some("1"))]), r#"{"a":1}"#);
    }

    #[test]
    fn keys_with_escapes_are_the_members_they_mean() {
        assert_eq!(
            changed(r#"{"\u0061":1,"\"":2}"#, &[change("a", Some("3"))]),
            r#"{"a":3,"\"":2}"#
        );
    }

    #[test]
    fn what_is_no_object_or_array_has_nothing_in_it() {
        for text in ["", "[1]", "7", "{", r#"{"a""#] {
            assert!(members(text).is_empty(), "{text}");
        }
        assert_eq!(
            elements(r#"[1, {"a":[]} ,"]"]"#),
            ["1", r#"{"a":[]}"#, r#""]""#]
        );
        assert!(elements("{}").is_empty());
        assert_eq!(member(r#"{"a":null,"b":1}"#, "a"), None);
        assert_eq!(member(r#"{"a":null,"b":1}"#, "b"), Some("1"));
    }
}
