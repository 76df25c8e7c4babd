//! Pull reading with expected types: the walker, and what each member has to be.
//!
//! Gemini's documents are read member by member in one pass. A client's member of the wrong type is refused by name; a provider's is
//! passed over, because an answer of which one part is strange is still an answer. `null` is absence for both.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{self, Kind, Malformed, Span, Walker};
use crate::refusal::{self, Refusal};

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The text is not JSON.
    Malformed(Malformed),
    /// A member has the wrong type.
    Type {
        /// The member, as a path.
        member: &'static str,
        /// What it has to be, with its article.
        expected: &'static str,
        /// What it is.
        seen: Kind,
        /// Where it stands.
        offset: usize,
    },
}

impl From<Malformed> for Wrong {
    fn from(wrong: Malformed) -> Wrong {
        Wrong::Malformed(wrong)
    }
}

impl Wrong {
    /// As a provider's document is judged. Types are never wrong there, see [`Typed::lenient`].
    pub(crate) fn malformed(self) -> Malformed {
        match self {
            Wrong::Malformed(wrong) => wrong,
            Wrong::Type { offset, .. } => Malformed {
                offset,
                why: "a member has the wrong type",
            },
        }
    }

    /// As a client's document is judged.
    pub(crate) fn refusal(self, text: &str) -> Refusal {
        match self {
            Wrong::Malformed(wrong) => Refusal::new(refusal::Kind::MalformedJson)
                .with_message(wrong.describe(text.as_bytes())),
            Wrong::Type {
                member,
                expected,
                seen,
                offset,
            } => {
                let (line, column) = Malformed { offset, why: "" }.place(text.as_bytes());
                Refusal::new(refusal::Kind::InvalidRequest).with_message(format!(
                    "`{member}` must be {expected}; seen: {} at line {line}, column {column}",
                    seen.name()
                ))
            }
        }
    }
}

/// Reads one document. Every method takes exactly one value.
#[derive(Debug)]
pub(crate) struct Typed<'a> {
    walker: Walker<'a>,
    strict: bool,
}

impl<'a> Typed<'a> {
    /// For a client's document: wrong types are errors.
    pub(crate) fn strict(text: &'a str) -> Typed<'a> {
        Typed {
            walker: Walker::new(text),
            strict: true,
        }
    }

    /// For a provider's document: what has a wrong type is passed over.
    pub(crate) fn lenient(text: &'a str) -> Typed<'a> {
        Typed {
            walker: Walker::new(text),
            strict: false,
        }
    }

    /// Reads an object and gives each key to `each`, which has to take the value. False: there is none.
    pub(crate) fn object(
        &mut self,
        member: &'static str,
        mut each: impl FnMut(&mut Typed<'a>, &str) -> Result<(), Wrong>,
    ) -> Result<bool, Wrong> {
        if self.walker.peek() != Some(Kind::Object) {
            return self.mismatch(member, "an object").map(|()| false);
        }
        let mut more = self.walker.enter_object()?;
        while more {
            let key = self.walker.key()?;
            match key.escaped {
                false => each(self, key.name)?,
                true => {
                    let raw = Span {
                        start: key.start,
                        end: key.start + key.name.len() + 2,
                    };
                    let name = json::unescape(raw.of(self.walker.text()));
                    each(self, &name)?;
                }
            }
            more = self.walker.next_member()?;
        }
        Ok(true)
    }

    /// Reads an array and lets `each` take every element. False: there is none.
    pub(crate) fn array(
        &mut self,
        member: &'static str,
        mut each: impl FnMut(&mut Typed<'a>) -> Result<(), Wrong>,
    ) -> Result<bool, Wrong> {
        if self.walker.peek() != Some(Kind::Array) {
            return self.mismatch(member, "an array").map(|()| false);
        }
        let mut more = self.walker.enter_array()?;
        while more {
            each(self)?;
            more = self.walker.next_element()?;
        }
        Ok(true)
    }

    /// Reads a string.
    pub(crate) fn string(&mut self, member: &'static str) -> Result<Option<Cow<'a, str>>, Wrong> {
        if self.walker.peek() != Some(Kind::Plain) {
            return self.mismatch(member, "a string").map(|()| None);
        }
        let value = self.walker.value()?;
        Ok(value.string(self.walker.text()))
    }

    /// Reads true or false.
    pub(crate) fn boolean(&mut self, member: &'static str) -> Result<Option<bool>, Wrong> {
        match self.walker.peek() {
            Some(kind @ (Kind::True | Kind::False)) => {
                self.walker.value()?;
                Ok(Some(kind == Kind::True))
            }
            _ => self.mismatch(member, "true or false").map(|()| None),
        }
    }

    /// Reads a whole number. Google's JSON writes long ones as strings too.
    pub(crate) fn whole(&mut self, member: &'static str) -> Result<Option<u64>, Wrong> {
        const EXPECTED: &str = "a whole number from 0";
        let found = self.walker.peek();
        let start = self.walker.offset();
        let value = match found {
            Some(Kind::Number | Kind::Plain) => self.walker.value()?,
            _ => return self.mismatch(member, EXPECTED).map(|()| None),
        };
        let text = self.walker.text();
        let whole = match value.kind {
            Kind::Number => value.whole(text),
            _ => value.string(text).and_then(|text| json::whole(&text)),
        };
        match whole {
            None if self.strict => Err(Wrong::Type {
                member,
                expected: EXPECTED,
                seen: value.kind,
                offset: start,
            }),
            whole => Ok(whole),
        }
    }

    /// Reads a number, kept in its own digits.
    pub(crate) fn number(&mut self, member: &'static str) -> Result<Option<&'a RawValue>, Wrong> {
        match self.walker.peek() {
            Some(Kind::Number) => self.raw(),
            _ => self.mismatch(member, "a number").map(|()| None),
        }
    }

    /// Reads any value, kept raw. `None`: it is null.
    pub(crate) fn raw(&mut self) -> Result<Option<&'a RawValue>, Wrong> {
        let text = self.raw_text()?;
        Ok(text.and_then(|text| serde_json::from_str(text).ok()))
    }

    /// Reads any value. `None`: it is null.
    pub(crate) fn raw_text(&mut self) -> Result<Option<&'a str>, Wrong> {
        let value = self.walker.value()?;
        Ok((value.kind != Kind::Null).then(|| value.raw(self.walker.text())))
    }

    /// Reads any value and appends it as it stands.
    pub(crate) fn copy(&mut self, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let value = self.walker.value()?;
        out.extend_from_slice(value.raw(self.walker.text()).as_bytes());
        Ok(())
    }

    /// Reads any value and forgets it.
    pub(crate) fn skip(&mut self) -> Result<(), Wrong> {
        self.walker.value()?;
        Ok(())
    }

    /// What comes next, by its first byte.
    pub(crate) fn peek(&mut self) -> Option<Kind> {
        self.walker.peek()
    }

    /// Where the next value starts, once [`Typed::peek`] has looked at it; else where the last one ended.
    pub(crate) fn offset(&self) -> usize {
        self.walker.offset()
    }

    /// The whole document.
    pub(crate) fn text(&self) -> &'a str {
        self.walker.text()
    }

    /// Checks that nothing follows the document.
    pub(crate) fn finish(&mut self) -> Result<(), Wrong> {
        Ok(self.walker.finish()?)
    }

    #[cold]
    fn mismatch(&mut self, member: &'static str, expected: &'static str) -> Result<(), Wrong> {
        let value = self.walker.value()?;
        match value.kind {
            Kind::Null => Ok(()),
            _ if !self.strict => Ok(()),
            seen => Err(Wrong::Type {
                member,
                expected,
                seen,
                offset: value.span.start,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_what_is_wrong_and_a_provider_is_passed_over() {
        let text = r#"{"a":5,"b":null}"#;
        let read =
            |typed: &mut Typed<'_>| typed.object("it", |typed, _| typed.string("it.a").map(|_| ()));
        assert_eq!(read(&mut Typed::lenient(text)), Ok(true));
        let wrong = read(&mut Typed::strict(text)).unwrap_err();
        assert_eq!(
            wrong.refusal(text).message,
            "`it.a` must be a string; seen: a number at line 1, column 6"
        );
    }

    #[test]
    fn long_numbers_may_be_strings() {
        assert_eq!(Typed::strict("\"12\"").whole("n"), Ok(Some(12)));
        assert_eq!(Typed::strict("12.0").whole("n"), Ok(Some(12)));
        assert!(Typed::strict("-1").whole("n").is_err());
        assert_eq!(Typed::lenient("-1").whole("n"), Ok(None));
    }

    #[test]
    fn keys_with_escapes_are_read() {
        let mut seen = None;
        Typed::strict(r#"{"t\u0065xt":"x"}"#)
            .object("it", |typed, key| {
                assert_eq!(key, "text");
                seen = typed.string("it.text")?;
                Ok(())
            })
            .unwrap();
        assert_eq!(seen.as_deref(), Some("x"));
    }
}
