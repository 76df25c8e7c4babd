//! Members of objects: read by name, with refusals that say where, and written one after the other.
//!
//! A client's body is valid JSON when it is read here, because [`crate::request`] has walked it; what can be wrong is the type of
//! a value. A [`Path`] lives on the stack and is spelled out only when something is wrong, so that reading costs no allocation
//! for the place that it is at. `null` is absent everywhere, as OpenAI reads it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{self, Kind, Malformed, Span, Walker, write_number, write_string};
use crate::refusal::{Kind as RefusalKind, Refusal};

/// Where a value stands in a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Member(&'p str),
    Element(usize),
}

impl<'p> Path<'p> {
    /// The body.
    pub(crate) const ROOT: Path<'static> = Path {
        above: None,
        step: Step::Root,
    };

    /// A member of what stands here.
    pub(crate) fn member(&'p self, name: &'p str) -> Path<'p> {
        Path {
            above: Some(self),
            step: Step::Member(name),
        }
    }

    /// An element of what stands here.
    pub(crate) fn element(&'p self, index: usize) -> Path<'p> {
        Path {
            above: Some(self),
            step: Step::Element(index),
        }
    }

    /// What stands here is not what it has to be.
    #[cold]
    pub(crate) fn wrong(&self, expected: &str, seen: &str) -> Refusal {
        Refusal::new(RefusalKind::InvalidRequest).with_message(format!(
            "`{}` must be {expected}; seen: {seen}",
            self.spelled()
        ))
    }

    fn spelled(&self) -> String {
        let above = self.above.map(Path::spelled).unwrap_or_default();
        match self.step {
            Step::Root => above,
            Step::Member(name) if above.is_empty() => name.to_owned(),
            Step::Member(name) => format!("{above}.{name}"),
            Step::Element(index) => format!("{above}[{index}]"),
        }
    }
}

/// A fault in JSON that has been walked before, which cannot be; saying what it is costs nothing.
#[cold]
pub(crate) fn malformed(wrong: Malformed) -> Refusal {
    Refusal::new(RefusalKind::MalformedJson).with_message(format!("the body is {wrong}"))
}

/// Reads an object, giving each member's name to `each` with the walker at its value, which it must read. False: it was null.
pub(crate) fn object<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
    mut each: impl FnMut(&str, &mut Walker<'a>) -> Result<(), Refusal>,
) -> Result<bool, Refusal> {
    match walker.peek() {
        Some(Kind::Object) => {}
        Some(Kind::Null) => {
            walker.value().map_err(malformed)?;
            return Ok(false);
        }
        kind => return Err(path.wrong("an object", kind.map_or("nothing", Kind::name))),
    }
    let mut more = walker.enter_object().map_err(malformed)?;
    while more {
        let key = walker.key().map_err(malformed)?;
        let name = match key.escaped {
            false => Cow::Borrowed(key.name),
            true => json::unescape(
                Span {
                    start: key.start,
                    end: key.start + key.name.len() + 2,
                }
                .of(walker.text()),
            ),
        };
        each(&name, walker)?;
        more = walker.next_member().map_err(malformed)?;
    }
    Ok(true)
}

/// Reads an array, giving each element's index to `each` with the walker at it. False: it was null.
pub(crate) fn array<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
    mut each: impl FnMut(usize, &mut Walker<'a>) -> Result<(), Refusal>,
) -> Result<bool, Refusal> {
    match walker.peek() {
        Some(Kind::Array) => {}
        Some(Kind::Null) => {
            walker.value().map_err(malformed)?;
            return Ok(false);
        }
        kind => return Err(path.wrong("an array", kind.map_or("nothing", Kind::name))),
    }
    let mut more = walker.enter_array().map_err(malformed)?;
    let mut index = 0;
    while more {
        each(index, walker)?;
        index += 1;
        more = walker.next_element().map_err(malformed)?;
    }
    Ok(true)
}

/// Reads a string.
pub(crate) fn string<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    let value = walker.value().map_err(malformed)?;
    match value.kind {
        Kind::Null => Ok(None),
        kind => match value.string(walker.text()) {
            Some(text) => Ok(Some(text)),
            None => Err(path.wrong("a string", kind.name())),
        },
    }
}

/// Reads a boolean.
pub(crate) fn boolean(walker: &mut Walker<'_>, path: &Path<'_>) -> Result<Option<bool>, Refusal> {
    match walker.value().map_err(malformed)?.kind {
        Kind::Null => Ok(None),
        Kind::True => Ok(Some(true)),
        Kind::False => Ok(Some(false)),
        kind => Err(path.wrong("true or false", kind.name())),
    }
}

/// Reads a whole number that is not negative.
pub(crate) fn whole(walker: &mut Walker<'_>, path: &Path<'_>) -> Result<Option<u64>, Refusal> {
    let value = walker.value().map_err(malformed)?;
    if value.kind == Kind::Null {
        return Ok(None);
    }
    match value.whole(walker.text()) {
        Some(number) => Ok(Some(number)),
        None if value.kind == Kind::Number => {
            Err(path.wrong("a whole number", value.raw(walker.text())))
        }
        None => Err(path.wrong("a whole number", value.kind.name())),
    }
}

/// Reads a number and keeps its digits.
pub(crate) fn number<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
) -> Result<Option<&'a RawValue>, Refusal> {
    match walker.peek() {
        Some(Kind::Number | Kind::Null) => raw(walker),
        kind => Err(path.wrong("a number", kind.map_or("nothing", Kind::name))),
    }
}

/// Reads an object and keeps it raw.
pub(crate) fn raw_object<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
) -> Result<Option<&'a RawValue>, Refusal> {
    match walker.peek() {
        Some(Kind::Object | Kind::Null) => raw(walker),
        kind => Err(path.wrong("an object", kind.map_or("nothing", Kind::name))),
    }
}

/// Reads any value and keeps it raw; `None` for null.
pub(crate) fn raw<'a>(walker: &mut Walker<'a>) -> Result<Option<&'a RawValue>, Refusal> {
    let value = walker.value().map_err(malformed)?;
    if value.kind == Kind::Null {
        return Ok(None);
    }
    raw_value(value.raw(walker.text())).map(Some)
}

/// The raw value that a piece of JSON is.
pub(crate) fn raw_value(text: &str) -> Result<&RawValue, Refusal> {
    serde_json::from_str(text).map_err(|_| {
        malformed(Malformed {
            offset: 0,
            why: "a value cannot be read",
        })
    })
}

/// Reads any value and drops it.
pub(crate) fn skip(walker: &mut Walker<'_>) -> Result<(), Refusal> {
    walker.value().map_err(malformed).map(|_| ())
}

/// Writes the members of one object. The caller writes a value after [`Members::key`], and closes the object with [`Members::end`].
#[derive(Debug)]
pub(crate) struct Members<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl<'o> Members<'o> {
    /// Opens an object.
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Members<'o> {
        out.push(b'{');
        Members { out, any: false }
    }

    /// Writes a name, which needs no escapes, and gives the output for its value.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        self.out
            .extend_from_slice(if self.any { b",\"" } else { b"\"" });
        self.any = true;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// The output, for more of the value that was written last.
    pub(crate) fn inside(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// A member that is a string.
    pub(crate) fn string(&mut self, name: &str, text: &str) {
        write_string(text, self.key(name));
    }

    /// A member that is a string, if there is one.
    pub(crate) fn string_if(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.string(name, text);
        }
    }

    /// A member that is a whole number.
    pub(crate) fn number(&mut self, name: &str, number: u64) {
        write_number(number, self.key(name));
    }

    /// A member that is a boolean.
    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// A member that is JSON already.
    pub(crate) fn raw(&mut self, name: &str, json: &str) {
        self.key(name).extend_from_slice(json.as_bytes());
    }

    /// Closes the object.
    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_place() {
        let messages = Path::ROOT.member("messages");
        let third = messages.element(2);
        let content = third.member("content");
        assert_eq!(
            content.wrong("a string", "a number").message,
            "`messages[2].content` must be a string; seen: a number"
        );
    }

    #[test]
    fn values_are_read_by_their_type() {
        let text = r#"{"a":"x\n","b":null,"\u0063":1.50,"d":true,"e":7,"f":[1]}"#;
        let mut walker = Walker::new(text);
        let mut seen = Vec::new();
        object(&mut walker, &Path::ROOT, |name, walker| {
            let path = Path::ROOT.member(name);
            seen.push(match name {
                "a" | "b" => format!("{:?}", string(walker, &path)?),
                "c" => number(walker, &path)?.map_or(String::new(), |raw| raw.get().to_owned()),
                "d" => format!("{:?}", boolean(walker, &path)?),
                "e" => format!("{:?}", whole(walker, &path)?),
                _ => string(walker, &path).unwrap_err().message.into_owned(),
            });
            Ok(())
        })
        .unwrap();
        assert_eq!(
            seen,
            [
                "Some(\"x\\n\")",
                "None",
                "1.50",
                "Some(true)",
                "Some(7)",
                "`f` must be a string; seen: an array"
            ]
        );
    }

    #[test]
    fn members_are_divided_by_commas() {
        let mut out = Vec::new();
        let mut members = Members::new(&mut out);
        members.string("a", "\"");
        members.string_if("no", None);
        members.number("b", 1);
        members.boolean("c", false);
        members.raw("d", "[]");
        members.end();
        assert_eq!(out, br#"{"a":"\"","b":1,"c":false,"d":[]}"#);
    }
}
