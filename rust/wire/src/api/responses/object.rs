//! Objects of a document, member by member, with a name for every place in it.
//!
//! The items of this API say what they are by a member (`type`) that may stand anywhere, so an object is first taken apart into spans
//! and then understood. Nothing is decoded before it is asked for.
//!
//! Two sorts of getters: those that are told where they are, for a client's request, refuse a wrong type and name the member; those
//! that are not, for a provider's answer, take a wrong type for an absent member.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::json::{self, Kind, Malformed, Value, Walker};
use crate::refusal::{Kind as RefusalKind, Refusal};

/// A place in a request, for messages: `input[3].content[0].text`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At<'p> {
    /// A member of the body.
    Body(&'p str),
    /// A member of an object at a place.
    Member(&'p At<'p>, &'p str),
    /// An element of an array at a place.
    Element(&'p At<'p>, usize),
}

impl<'p> At<'p> {
    /// A member of the object at this place.
    pub(crate) fn member(&'p self, name: &'p str) -> At<'p> {
        At::Member(self, name)
    }

    /// An element of the array at this place.
    pub(crate) fn element(&'p self, index: usize) -> At<'p> {
        At::Element(self, index)
    }

    /// What is at this place is of another type than expected.
    pub(crate) fn wrong(&self, expected: &str, seen: Kind) -> Refusal {
        refused(format!(
            "`{self}` must be {expected}; seen: {}",
            seen.name()
        ))
    }

    /// What is at this place holds a value that is not known.
    pub(crate) fn unknown(&self, expected: &str, seen: &str) -> Refusal {
        let seen = crate::upstream_error::excerpt(seen.as_bytes(), SEEN_BYTES_MAX);
        refused(format!("`{self}` must be {expected}; seen: {seen}"))
    }

    /// A member that cannot be done without is missing.
    pub(crate) fn missing(&self, expected: &str) -> Refusal {
        refused(format!("`{self}` is missing; it must be {expected}"))
    }
}

/// Bytes of a client's value that a message repeats.
const SEEN_BYTES_MAX: usize = 64;

/// A refusal of the request with its own sentence.
pub(crate) fn refused(message: String) -> Refusal {
    Refusal::new(RefusalKind::InvalidRequest).with_message(message)
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Body(name) => f.write_str(name),
            At::Member(up, name) => write!(f, "{up}.{name}"),
            At::Element(up, index) => write!(f, "{up}[{index}]"),
        }
    }
}

/// An object, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Object<'a> {
    text: &'a str,
    members: Vec<(Cow<'a, str>, Value)>,
}

impl<'a> Object<'a> {
    /// Reads the object that the walker stands at, and no further.
    pub(crate) fn read(walker: &mut Walker<'a>) -> Result<Object<'a>, Malformed> {
        let text = walker.text();
        let mut members = Vec::with_capacity(8);
        let mut more = walker.enter_object()?;
        while more {
            let key = walker.key()?;
            let name = match key.escaped {
                false => Cow::Borrowed(key.name),
                true => {
                    let raw = json::Span {
                        start: key.start,
                        end: key.start + key.name.len() + 2,
                    };
                    json::unescape(raw.of(text))
                }
            };
            members.push((name, walker.value()?));
            more = walker.next_member()?;
        }
        Ok(Object { text, members })
    }

    /// The object that a raw value is; `None` when it is something else.
    pub(crate) fn of(raw: &'a str) -> Option<Object<'a>> {
        let mut walker = Walker::new(raw);
        match walker.peek() {
            Some(Kind::Object) => Object::read(&mut walker).ok(),
            _ => None,
        }
    }

    /// All members, in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&Cow<'a, str>, &'a str)> {
        self.members
            .iter()
            .map(|(name, value)| (name, value.raw(self.text)))
    }

    /// A member that is there and not null. The last one, where it stands twice: that is the one a parser keeps.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        self.members
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
            .filter(|value| value.kind != Kind::Null)
    }

    /// The raw text of a member that is there and not null.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        self.value(name).map(|value| value.raw(self.text))
    }

    /// Where a value stands in the text that the object was read from.
    pub(crate) fn raw_of(&self, value: &Value) -> &'a str {
        value.raw(self.text)
    }

    /// The raw JSON of a member that is there and not null.
    pub(crate) fn json(&self, name: &str) -> Option<&'a RawValue> {
        raw_json(self.raw(name)?)
    }

    /// A string.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.value(name)?.string(self.text)
    }

    /// A string that holds something.
    pub(crate) fn filled(&self, name: &str) -> Option<Cow<'a, str>> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.whole(self.text)
    }

    /// An object.
    pub(crate) fn object(&self, name: &str) -> Option<Object<'a>> {
        Object::of(self.raw(name)?)
    }

    /// The elements of an array, raw.
    pub(crate) fn elements(&self, name: &str) -> Vec<&'a str> {
        self.raw(name).map(elements).unwrap_or_default()
    }

    /// A string; refused when it is something else.
    pub(crate) fn text_at(&self, at: &At<'_>, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match value.string(self.text) {
                Some(text) => Ok(Some(text)),
                None => Err(at.member(name).wrong("a string", value.kind)),
            },
        }
    }

    /// A string that has to be there.
    pub(crate) fn need_text(&self, at: &At<'_>, name: &str) -> Result<Cow<'a, str>, Refusal> {
        match self.text_at(at, name)? {
            Some(text) => Ok(text),
            None => Err(at.member(name).missing("a string")),
        }
    }

    /// True or false; refused when it is something else.
    pub(crate) fn flag_at(&self, at: &At<'_>, name: &str) -> Result<Option<bool>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => flag(&value)
                .map(Some)
                .ok_or_else(|| at.member(name).wrong("true or false", value.kind)),
        }
    }
}

/// The truth value that a value is.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value.kind {
        Kind::True => Some(true),
        Kind::False => Some(false),
        _ => None,
    }
}

/// The raw JSON of a value that was walked over.
pub(crate) fn raw_json(raw: &str) -> Option<&RawValue> {
    serde_json::from_str(raw).ok()
}

/// The elements of a raw array; none where it is something else.
pub(crate) fn elements(raw: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut walker = Walker::new(raw);
    if walker.peek() != Some(Kind::Array) {
        return found;
    }
    let mut more = walker.enter_array().unwrap_or(false);
    while more {
        let Ok(value) = walker.value() else { break };
        found.push(value.raw(raw));
        more = walker.next_element().unwrap_or(false);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_a_path() {
        let (input, item) = (At::Body("input"), 3);
        let item = input.element(item);
        let content = item.member("content");
        assert_eq!(
            content.element(0).member("text").to_string(),
            "input[3].content[0].text"
        );
    }

    #[test]
    fn getters_for_requests_name_the_member_and_those_for_answers_pass_over_it() {
        let object = Object::of(r#"{"a":1,"b":null,"\u0063":"x","d":"first","d":"last"}"#).unwrap();
        let at = At::Body("input");
        let wrong = object.text_at(&at, "a").unwrap_err();
        assert_eq!(wrong.message, "`input.a` must be a string; seen: a number");
        assert_eq!(object.text("a"), None);
        assert_eq!(object.text_at(&at, "b"), Ok(None));
        assert_eq!(object.need_text(&at, "c").as_deref(), Ok("x"));
        assert_eq!(object.text("d").as_deref(), Some("last"));
        let missing = object.need_text(&at, "e").unwrap_err();
        assert_eq!(missing.message, "`input.e` is missing; it must be a string");
    }
}
