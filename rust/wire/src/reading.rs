//! Walking over the members of objects and the elements of arrays, one closure per level: for readers that take a document apart.
//!
//! There are two ways, because the two sides of the gateway are owed different things. What a provider sends is read tolerantly
//! ([`each_member`], [`each_element`]): a value of another type than expected is as good as absent. What a client sends is read
//! with [`Reading`], which knows the path to where it stands, so that a value of a wrong type is answered with a sentence that says
//! which value, what was seen and what was expected.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{self, Kind, Malformed, Span, Value, Walker};
use crate::refusal::{Kind as RefusalKind, Refusal};

/// Calls `each` at every member's value, which it must read; a value that is no object has no members.
pub(crate) fn each_member<'a, E: From<Malformed>>(
    walker: &mut Walker<'a>,
    mut each: impl FnMut(&mut Walker<'a>, &str) -> Result<(), E>,
) -> Result<(), E> {
    if walker.peek() != Some(Kind::Object) {
        walker.value()?;
        return Ok(());
    }
    let mut more = walker.enter_object()?;
    while more {
        let name = name(walker)?;
        each(walker, &name)?;
        more = walker.next_member()?;
    }
    Ok(())
}

/// Calls `each` at every element, which it must read; a value that is no array has no elements.
pub(crate) fn each_element<'a, E: From<Malformed>>(
    walker: &mut Walker<'a>,
    mut each: impl FnMut(&mut Walker<'a>) -> Result<(), E>,
) -> Result<(), E> {
    if walker.peek() != Some(Kind::Array) {
        walker.value()?;
        return Ok(());
    }
    let mut more = walker.enter_array()?;
    while more {
        each(walker)?;
        more = walker.next_element()?;
    }
    Ok(())
}

/// Reads a value; its text when it is a string.
pub(crate) fn string<'a>(walker: &mut Walker<'a>) -> Result<Option<Cow<'a, str>>, Malformed> {
    let value = walker.value()?;
    Ok(value.string(walker.text()))
}

/// Reads a value of any kind but null, as it stands.
pub(crate) fn raw<'a>(walker: &mut Walker<'a>) -> Result<Option<&'a RawValue>, Malformed> {
    let value = walker.value()?;
    match value.kind {
        Kind::Null => Ok(None),
        _ => raw_of(walker.text(), &value).map(Some),
    }
}

/// A key, decoded.
fn name<'a>(walker: &mut Walker<'a>) -> Result<Cow<'a, str>, Malformed> {
    let key = walker.key()?;
    Ok(match key.escaped {
        false => Cow::Borrowed(key.name),
        true => {
            let quoted = Span {
                start: key.start,
                end: key.start + key.name.len() + 2,
            };
            json::unescape(quoted.of(walker.text()))
        }
    })
}

fn raw_of<'a>(text: &'a str, value: &Value) -> Result<&'a RawValue, Malformed> {
    // The walker accepts what the parser accepts, so this does not fail.
    serde_json::from_str(value.raw(text)).map_err(|_| Malformed {
        offset: value.span.start,
        why: "expected a value",
    })
}

/// Reads a client's document strictly.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    walker: Walker<'a>,
    path: Vec<Step<'a>>,
}

#[derive(Debug)]
enum Step<'a> {
    Member(Cow<'a, str>),
    Element(usize),
}

impl<'a> Reading<'a> {
    /// At the start of a document.
    pub(crate) fn new(text: &'a str) -> Reading<'a> {
        Reading {
            walker: Walker::new(text),
            path: Vec::with_capacity(8),
        }
    }

    /// The kind of the value that comes next.
    pub(crate) fn peek(&mut self) -> Option<Kind> {
        self.walker.peek()
    }

    /// Reads an object: calls `each` at every member's value, which it must read. Null has no members.
    pub(crate) fn members(
        &mut self,
        mut each: impl FnMut(&mut Reading<'a>, &str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if self.null()? {
            return Ok(());
        }
        self.expect(Kind::Object, "an object")?;
        let mut more = self.walker.enter_object().map_err(|w| self.malformed(w))?;
        while more {
            let name = name(&mut self.walker).map_err(|w| self.malformed(w))?;
            self.path.push(Step::Member(name.clone()));
            each(self, &name)?;
            self.path.pop();
            more = self.walker.next_member().map_err(|w| self.malformed(w))?;
        }
        Ok(())
    }

    /// Reads an array: calls `each` at every element, which it must read. Null has no elements.
    pub(crate) fn elements(
        &mut self,
        mut each: impl FnMut(&mut Reading<'a>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if self.null()? {
            return Ok(());
        }
        self.expect(Kind::Array, "an array")?;
        let mut more = self.walker.enter_array().map_err(|w| self.malformed(w))?;
        let mut index = 0;
        while more {
            self.path.push(Step::Element(index));
            each(self)?;
            self.path.pop();
            index += 1;
            more = self.walker.next_element().map_err(|w| self.malformed(w))?;
        }
        Ok(())
    }

    /// Reads a string; `None` for null.
    pub(crate) fn string(&mut self) -> Result<Option<Cow<'a, str>>, Refusal> {
        let value = self.value()?;
        match value.kind {
            Kind::Null => Ok(None),
            Kind::Plain | Kind::Escaped => Ok(value.string(self.walker.text())),
            kind => Err(self.wrong("a string", kind)),
        }
    }

    /// Reads true or false; `None` for null.
    pub(crate) fn boolean(&mut self) -> Result<Option<bool>, Refusal> {
        match self.value()?.kind {
            Kind::Null => Ok(None),
            Kind::True => Ok(Some(true)),
            Kind::False => Ok(Some(false)),
            kind => Err(self.wrong("true or false", kind)),
        }
    }

    /// Reads a whole number that is not negative; `None` for null.
    pub(crate) fn whole(&mut self) -> Result<Option<u64>, Refusal> {
        let value = self.value()?;
        match (value.kind, value.whole(self.walker.text())) {
            (Kind::Null, _) => Ok(None),
            (_, Some(number)) => Ok(Some(number)),
            (kind, None) => Err(self.wrong("a whole number that is not negative", kind)),
        }
    }

    /// Reads a number as it stands; `None` for null.
    pub(crate) fn number(&mut self) -> Result<Option<&'a RawValue>, Refusal> {
        let value = self.value()?;
        match value.kind {
            Kind::Null => Ok(None),
            Kind::Number => self.raw_of(&value).map(Some),
            kind => Err(self.wrong("a number", kind)),
        }
    }

    /// Reads a value of any kind but null, as it stands.
    pub(crate) fn raw(&mut self) -> Result<Option<&'a RawValue>, Refusal> {
        let value = self.value()?;
        match value.kind {
            Kind::Null => Ok(None),
            _ => self.raw_of(&value).map(Some),
        }
    }

    /// Reads an object as it stands; `None` for null.
    pub(crate) fn raw_object(&mut self) -> Result<Option<&'a RawValue>, Refusal> {
        let value = self.value()?;
        match value.kind {
            Kind::Null => Ok(None),
            Kind::Object => self.raw_of(&value).map(Some),
            kind => Err(self.wrong("an object", kind)),
        }
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self) -> Result<(), Refusal> {
        self.value().map(|_| ())
    }

    /// A walker at the value that comes next, to look ahead with.
    pub(crate) fn ahead(&mut self) -> Walker<'a> {
        self.walker.peek();
        self.walker.clone()
    }

    /// Passes over a value that can only be understood when its neighbours are known; [`Reading::again`] comes back to it.
    pub(crate) fn later(&mut self) -> Result<Later<'a>, Refusal> {
        self.walker.peek();
        let walker = self.walker.clone();
        self.skip()?;
        Ok(Later(walker))
    }

    /// Reads a value that was passed over, the member `name` of what stands here.
    pub(crate) fn again<T>(
        &mut self,
        later: Later<'a>,
        name: &'static str,
        read: impl FnOnce(&mut Reading<'a>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let here = std::mem::replace(&mut self.walker, later.0);
        self.path.push(Step::Member(Cow::Borrowed(name)));
        let read = read(self);
        // After a refusal nobody reads on, so the path may stay as it is; the walker must not.
        self.path.pop();
        self.walker = here;
        read
    }

    /// The refusal for the value that was read last: what it should have been.
    pub(crate) fn wrong(&self, expected: &str, seen: Kind) -> Refusal {
        self.refuse(&format!("must be {expected}; seen: {}", seen.name()))
    }

    /// The refusal for the value that was read last: `what` follows its name.
    pub(crate) fn refuse(&self, what: &str) -> Refusal {
        let mut name = String::new();
        for step in &self.path {
            match step {
                Step::Member(member) if name.is_empty() => name.push_str(member),
                Step::Member(member) => {
                    name.push('.');
                    name.push_str(member);
                }
                Step::Element(index) => name.push_str(&format!("[{index}]")),
            }
        }
        let name = match name.is_empty() {
            true => "the body",
            false => &name,
        };
        Refusal::new(RefusalKind::InvalidRequest).with_message(format!("`{name}` {what}"))
    }

    fn null(&mut self) -> Result<bool, Refusal> {
        match self.walker.peek() {
            Some(Kind::Null) => self.skip().map(|()| true),
            _ => Ok(false),
        }
    }

    fn expect(&mut self, kind: Kind, expected: &str) -> Result<(), Refusal> {
        match self.walker.peek() {
            Some(seen) if seen != kind => Err(self.wrong(expected, seen)),
            _ => Ok(()),
        }
    }

    fn value(&mut self) -> Result<Value, Refusal> {
        self.walker.value().map_err(|wrong| self.malformed(wrong))
    }

    fn raw_of(&self, value: &Value) -> Result<&'a RawValue, Refusal> {
        raw_of(self.walker.text(), value).map_err(|wrong| self.malformed(wrong))
    }

    fn malformed(&self, wrong: Malformed) -> Refusal {
        Refusal::new(RefusalKind::MalformedJson)
            .with_message(wrong.describe(self.walker.text().as_bytes()))
    }
}

/// A value that was passed over.
#[derive(Debug)]
pub(crate) struct Later<'a>(Walker<'a>);

impl<'a> Later<'a> {
    /// It as it stands; `None` for null.
    pub(crate) fn raw(&self) -> Option<&'a RawValue> {
        raw(&mut self.0.clone()).ok().flatten()
    }
}

/// Appends a member's key, with the comma before it where one is needed: after anything but an opening brace.
pub(crate) fn key(name: &str, out: &mut Vec<u8>) {
    comma(out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends the comma before an element or a member, unless it is the first. No value ends in an opening bracket.
pub(crate) fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{' | b'[')) {
        out.push(b',');
    }
}

/// Appends a member that is a string.
pub(crate) fn string_member(name: &str, value: &str, out: &mut Vec<u8>) {
    key(name, out);
    json::write_string(value, out);
}

/// Appends a member that is a number.
pub(crate) fn number_member(name: &str, value: u64, out: &mut Vec<u8>) {
    key(name, out);
    json::write_number(value, out);
}

/// Appends a member whose value is JSON already.
pub(crate) fn raw_member(name: &str, value: &str, out: &mut Vec<u8>) {
    key(name, out);
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_type_is_named_with_its_path() {
        let text = r#"{"a":[{"b":1},{"\u0062":"x"}]}"#;
        let mut seen = Vec::new();
        let mut reading = Reading::new(text);
        let refusal = reading
            .members(|reading, _| {
                reading.elements(|reading| {
                    reading.members(|reading, name| {
                        seen.push(name.to_owned());
                        reading.whole().map(|_| ())
                    })
                })
            })
            .unwrap_err();
        assert_eq!(seen, ["b", "b"]);
        assert_eq!(
            refusal.message,
            "`a[1].b` must be a whole number that is not negative; seen: a string"
        );
    }

    #[test]
    fn a_value_can_be_read_again() {
        let mut reading = Reading::new(r#"{"content":["x","y"],"type":"t"}"#);
        let mut later = None;
        let mut found = Vec::new();
        reading
            .members(|reading, name| {
                match name {
                    "content" => later = Some(reading.later()?),
                    _ => {
                        reading.skip()?;
                        if let Some(later) = later.take() {
                            reading.again(later, "content", |reading| {
                                reading.elements(|reading| {
                                    found.extend(reading.string()?);
                                    Ok(())
                                })
                            })?;
                        }
                    }
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(found, ["x", "y"]);
    }

    #[test]
    fn tolerant_reading_passes_over_other_types() {
        let mut walker = Walker::new(r#"[1,{"a":null,"b":"c"},[2]]"#);
        let mut found = Vec::new();
        each_element(&mut walker, |walker| {
            each_member(walker, |walker, name| {
                found.push((name.to_owned(), string(walker)?));
                Ok::<(), Malformed>(())
            })
        })
        .unwrap();
        assert!(walker.finish().is_ok());
        assert_eq!(
            found,
            [
                ("a".to_owned(), None),
                ("b".to_owned(), Some(Cow::Borrowed("c")))
            ]
        );
    }

    #[test]
    fn commas_stand_between_members_only() {
        let mut out = b"{".to_vec();
        string_member("a", "{", &mut out);
        number_member("b", 1, &mut out);
        raw_member("c", "[]", &mut out);
        out.push(b'}');
        assert_eq!(out, br#"{"a":"{","b":1,"c":[]}"#);
    }
}
