//! Members and elements of what a client sends: a value of a wrong type is refused, with its place, what was seen and what was expected.
//!
//! A client's body is valid JSON when it is read here, because [`crate::request`] has walked it; what can be wrong is the type of
//! a value. A [`Path`] lives on the stack and is spelled out only when something is wrong, so that reading costs no allocation
//! for the place that it is at. `null` is absent everywhere, as OpenAI reads it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::lenient::{name, raw_of};
use crate::json::{Kind, Malformed, Walker};
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
        self.refuse(&format!("must be {expected}; seen: {seen}"))
    }

    /// What stands here is refused: `what` follows its name.
    #[cold]
    pub(crate) fn refuse(&self, what: &str) -> Refusal {
        let spelled = self.spelled();
        let name = match spelled.is_empty() {
            true => "the body",
            false => &spelled,
        };
        Refusal::new(RefusalKind::InvalidRequest).with_message(format!("`{name}` {what}"))
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
        let name = name(walker).map_err(malformed)?;
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
        None if value.kind == Kind::Number => Err(path.wrong(
            "a whole number that is not negative",
            value.raw(walker.text()),
        )),
        None => Err(path.wrong("a whole number that is not negative", value.kind.name())),
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
    raw_of(walker.text(), &value).map(Some).map_err(malformed)
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

/// A walker and the place that it is at, for readers whose closures go down level by level.
#[derive(Debug)]
pub(crate) struct Reading<'r, 'a> {
    walker: &'r mut Walker<'a>,
    path: Path<'r>,
}

impl<'r, 'a> Reading<'r, 'a> {
    /// At the start of a document.
    pub(crate) fn new(walker: &'r mut Walker<'a>) -> Reading<'r, 'a> {
        Reading {
            walker,
            path: Path::ROOT,
        }
    }

    /// The kind of the value that comes next.
    pub(crate) fn peek(&mut self) -> Option<Kind> {
        self.walker.peek()
    }

    /// Reads an object: calls `each` at every member's value, which it must read. Null has no members.
    pub(crate) fn members(
        &mut self,
        mut each: impl FnMut(&mut Reading<'_, 'a>, &str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let here = self.path;
        object(self.walker, &here, |name, walker| {
            let path = here.member(name);
            each(&mut Reading { walker, path }, name)
        })
        .map(|_| ())
    }

    /// Reads an array: calls `each` at every element, which it must read. Null has no elements.
    pub(crate) fn elements(
        &mut self,
        mut each: impl FnMut(&mut Reading<'_, 'a>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let here = self.path;
        array(self.walker, &here, |index, walker| {
            let path = here.element(index);
            each(&mut Reading { walker, path })
        })
        .map(|_| ())
    }

    /// Reads a string; `None` for null.
    pub(crate) fn string(&mut self) -> Result<Option<Cow<'a, str>>, Refusal> {
        string(self.walker, &self.path)
    }

    /// Reads true or false; `None` for null.
    pub(crate) fn boolean(&mut self) -> Result<Option<bool>, Refusal> {
        boolean(self.walker, &self.path)
    }

    /// Reads a whole number that is not negative; `None` for null.
    pub(crate) fn whole(&mut self) -> Result<Option<u64>, Refusal> {
        whole(self.walker, &self.path)
    }

    /// Reads a number as it stands; `None` for null.
    pub(crate) fn number(&mut self) -> Result<Option<&'a RawValue>, Refusal> {
        number(self.walker, &self.path)
    }

    /// Reads a value of any kind but null, as it stands.
    pub(crate) fn raw(&mut self) -> Result<Option<&'a RawValue>, Refusal> {
        raw(self.walker)
    }

    /// Reads an object as it stands; `None` for null.
    pub(crate) fn raw_object(&mut self) -> Result<Option<&'a RawValue>, Refusal> {
        raw_object(self.walker, &self.path)
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self) -> Result<(), Refusal> {
        skip(self.walker)
    }

    /// A walker at the value that comes next, to look ahead with.
    pub(crate) fn ahead(&mut self) -> Walker<'a> {
        self.walker.peek();
        self.walker.clone()
    }

    /// Passes over a value that can only be understood when its neighbours are known; [`Reading::again`] comes back to it.
    pub(crate) fn later(&mut self) -> Result<Later<'a>, Refusal> {
        let walker = self.ahead();
        self.skip()?;
        Ok(Later(walker))
    }

    /// Reads a value that was passed over, the member `name` of what stands here.
    pub(crate) fn again<T>(
        &mut self,
        mut later: Later<'a>,
        name: &'static str,
        read: impl FnOnce(&mut Reading<'_, 'a>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        read(&mut Reading {
            walker: &mut later.0,
            path: self.path.member(name),
        })
    }

    /// The refusal for what stands here: what it should have been.
    pub(crate) fn wrong(&self, expected: &str, seen: Kind) -> Refusal {
        self.path.wrong(expected, seen.name())
    }

    /// The refusal for what stands here: `what` follows its name.
    pub(crate) fn refuse(&self, what: &str) -> Refusal {
        self.path.refuse(what)
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
    fn a_wrong_type_is_named_with_its_path() {
        let text = r#"{"a":[{"b":1},{"\u0062":"x"}]}"#;
        let mut seen = Vec::new();
        let mut walker = Walker::new(text);
        let mut reading = Reading::new(&mut walker);
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
        let mut walker = Walker::new(r#"{"content":["x","y"],"type":"t"}"#);
        let mut reading = Reading::new(&mut walker);
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
}
