//! A validating walker over JSON text: one pass, no tree, no allocation.
//!
//! The rule is that it accepts exactly the documents that `serde_json` reads into a `Value`, and rejects exactly the others,
//! so that peeking at a body can never disagree with parsing it:
//!
//! - the grammar of RFC 8259, nothing looser (no comments, no trailing comma, no byte order mark);
//! - at most [`DEPTH_MAX`] containers inside each other;
//! - escapes are checked, a `\u` surrogate must come as a pair, control characters must be escaped;
//! - a number that does not fit a finite `f64` is refused; the doubtful ones are handed to `serde_json` itself, because its
//!   rounding at the edge decides.
//!
//! UTF-8 is checked once for the whole text ([`text`]), which is why the walker takes a `str`: non-ASCII bytes are legal only
//! inside strings, and there any valid UTF-8 is.
//!
//! The walker is a pull parser. A caller that cares about one level calls [`Walker::enter_object`], [`Walker::key`],
//! [`Walker::value`] and [`Walker::next_member`], and skips what it does not know with [`Walker::value`], which validates too.

mod canonical;
mod scalar;
mod special;
#[cfg(test)]
mod tests;
mod walker;

use std::borrow::Cow;
use std::fmt;

pub use canonical::{Reach, canonical};
pub(crate) use scalar::is_plain;
pub use scalar::{
    inside, unescape, unescaped_len, whole, write_number, write_string, write_string_inside,
};
pub use walker::Walker;
pub(crate) use walker::Watch;

/// Deepest nesting that is read: the outermost object counts as 1. `serde_json` refuses the 128th.
pub const DEPTH_MAX: usize = 127;

/// Why some text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// Byte offset into the text at which reading stopped.
    pub offset: usize,
    /// What was seen or expected there, as a phrase that fits after a colon.
    pub why: &'static str,
}

impl Malformed {
    /// Line and column of the offset in `body`, both counted from 1; the column counts bytes.
    pub fn place(&self, body: &[u8]) -> (usize, usize) {
        let before = body.get(..self.offset).unwrap_or(body);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1) + 1;
        (line, column)
    }

    /// The message for people, with the place in `body`.
    pub fn describe(&self, body: &[u8]) -> String {
        let (line, column) = self.place(body);
        format!(
            "not valid JSON at line {line}, column {column} (byte {}): {}",
            self.offset, self.why
        )
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON at byte {}: {}", self.offset, self.why)
    }
}

/// A byte range of the text that was walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes it covers; empty when it was made for another text.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// What a value is, told by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number.
    Number,
    /// A string without a backslash: what stands between the quotes is its text.
    Plain,
    /// A string with at least one escape.
    Escaped,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// With its article, for messages: "a number".
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::True | Kind::False => "a boolean",
            Kind::Number => "a number",
            Kind::Plain | Kind::Escaped => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }

    /// Whether it is a string of either sort.
    pub const fn is_string(self) -> bool {
        matches!(self, Kind::Plain | Kind::Escaped)
    }
}

/// A value that was walked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// All of it; a string with its quotes.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

impl Value {
    /// The raw text.
    pub fn raw<'a>(&self, text: &'a str) -> &'a str {
        self.span.of(text)
    }

    /// The string it holds, `None` for another kind.
    pub fn string<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::Plain => {
                let inside = Span {
                    start: self.span.start + 1,
                    end: self.span.end.saturating_sub(1),
                };
                Some(Cow::Borrowed(inside.of(text)))
            }
            Kind::Escaped => Some(unescape(self.raw(text))),
            _ => None,
        }
    }

    /// The whole number it holds: a non-negative integer, or a float without a fraction such as `12.0`.
    pub fn whole(&self, text: &str) -> Option<u64> {
        if self.kind != Kind::Number {
            return None;
        }
        whole(self.raw(text))
    }
}

/// A member's key, as written.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Offset of its opening quote.
    pub start: usize,
    /// What stands between the quotes.
    pub name: &'a str,
    /// Whether it holds an escape, so that [`Key::name`] is not yet its text.
    pub escaped: bool,
}

/// Checks that `bytes` are UTF-8. The fast validator does not say where; the slow one is asked when it fails.
pub fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Malformed {
        offset: std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), |_| 0),
        why: "the bytes are not UTF-8",
    })
}
