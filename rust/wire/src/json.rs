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

use std::borrow::Cow;
use std::fmt;

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

/// Walks over one JSON text. See the module's head.
#[derive(Debug, Clone)]
pub struct Walker<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Walker<'a> {
    /// At the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Walker {
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
        }
    }

    /// The whole text, for the spans of what was read.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The offset of the next byte to read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The kind of the value that comes next, by its first byte; `None` when no value can start there.
    #[inline]
    pub fn peek(&mut self) -> Option<Kind> {
        self.space();
        Some(match self.bytes.get(self.at)? {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::Plain,
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' => Kind::True,
            b'f' => Kind::False,
            b'n' => Kind::Null,
            _ => return None,
        })
    }

    /// Reads `{`. True: a member follows, read it with [`Walker::key`]. False: the object was empty and is closed.
    pub fn enter_object(&mut self) -> Result<bool, Malformed> {
        self.enter(b'{', b'}', "expected an object, which starts with `{`")
    }

    /// Reads `[`. True: an element follows. False: the array was empty and is closed.
    pub fn enter_array(&mut self) -> Result<bool, Malformed> {
        self.enter(b'[', b']', "expected an array, which starts with `[`")
    }

    /// Reads a key and its colon if they are exactly `literal`, a key in quotes with its colon. False: nothing was read, and
    /// [`Walker::key`] has to look.
    ///
    /// Whoever knows which keys are likely asks for them first: comparing with a constant takes a few instructions, and finding the
    /// end of a key that could be any takes dozens.
    #[inline(always)]
    pub(crate) fn takes<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        let same = self.bytes.get(self.at..self.at + N) == Some(literal.as_slice());
        if same {
            self.at += N;
        }
        same
    }

    /// The byte after the next one: the first letter of a key whose quote comes next.
    #[inline(always)]
    pub(crate) fn letter(&self) -> u8 {
        self.bytes.get(self.at + 1).copied().unwrap_or(0)
    }

    /// Reads any value as [`Walker::value`] does; the whole number that it holds, see [`Value::whole`].
    #[inline(always)]
    pub(crate) fn whole(&mut self) -> Result<Option<u64>, Malformed> {
        // Counts are written as plain digits and followed by a comma or a brace: they are computed while they are read.
        let mut at = self.at;
        let mut number = 0u64;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(at) {
            number = number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'));
            at += 1;
        }
        let len = at - self.at;
        // 18 digits cannot overflow, and a number that starts with 0 must end there.
        let plain = len == 1 || (len <= 18 && self.bytes.get(self.at) != Some(&b'0'));
        if plain
            && len > 0
            && let Some(b',' | b'}') = self.bytes.get(at)
        {
            self.at = at;
            return Ok(Some(number));
        }
        self.whole_of_any()
    }

    #[inline(never)]
    fn whole_of_any(&mut self) -> Result<Option<u64>, Malformed> {
        let value = self.value()?;
        Ok(value.whole(self.text))
    }

    /// Reads a key and its colon.
    #[inline(always)]
    pub fn key(&mut self) -> Result<Key<'a>, Malformed> {
        let (start, end, escaped) = self.key_span()?;
        Ok(Key {
            start,
            name: self.text.get(start + 1..end - 1).unwrap_or_default(),
            escaped,
        })
    }

    /// Reads a key and its colon; returns where its quotes start and end, and whether it holds an escape.
    #[inline]
    fn key_span(&mut self) -> Result<(usize, usize, bool), Malformed> {
        self.space();
        let start = self.at;
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.wrong("expected a key in double quotes"));
        }
        let escaped = self.string()?;
        let end = self.at;
        if self.bytes.get(self.at) != Some(&b':') {
            self.more_space();
            if self.bytes.get(self.at) != Some(&b':') {
                return Err(self.wrong("expected `:` after a key"));
            }
        }
        self.at += 1;
        Ok((start, end, escaped))
    }

    /// After a member's value: true at a comma (a key follows), false at the closing brace, which is read.
    #[inline]
    pub fn next_member(&mut self) -> Result<bool, Malformed> {
        self.next(b'}', "expected `,` or `}` after a value")
    }

    /// After an element: true at a comma (an element follows), false at the closing bracket, which is read.
    #[inline]
    pub fn next_element(&mut self) -> Result<bool, Malformed> {
        self.next(b']', "expected `,` or `]` after a value")
    }

    /// Reads any value, validating all of it.
    #[inline(always)]
    pub fn value(&mut self) -> Result<Value, Malformed> {
        self.space();
        let start = self.at;
        let kind = match self.bytes.get(start) {
            Some(b'"') if !self.string()? => Kind::Plain,
            Some(b'"') => Kind::Escaped,
            Some(b'{') => {
                self.container()?;
                Kind::Object
            }
            Some(b'[') if self.bytes.get(start + 1) == Some(&b']') => {
                self.empty_array()?;
                Kind::Array
            }
            Some(b'[') => {
                self.container()?;
                Kind::Array
            }
            Some(b'n') if self.takes(b"null") => Kind::Null,
            _ => self.scalar()?,
        };
        Ok(Value {
            span: Span {
                start,
                end: self.at,
            },
            kind,
        })
    }

    /// Checks that only white space is left.
    pub fn finish(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at < self.bytes.len() {
            return Err(self.wrong("expected the end of the document"));
        }
        Ok(())
    }

    #[cold]
    fn wrong(&self, why: &'static str) -> Malformed {
        if self.at >= self.bytes.len() {
            return Malformed {
                offset: self.bytes.len(),
                why: "the document ends too early",
            };
        }
        Malformed {
            offset: self.at,
            why,
        }
    }

    #[inline(always)]
    fn space(&mut self) {
        // Compact documents are the rule, so one comparison decides nearly always.
        if let Some(0..=b' ') = self.bytes.get(self.at) {
            self.more_space();
        }
    }

    #[cold]
    fn more_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline]
    fn enter(&mut self, open: u8, close: u8, why: &'static str) -> Result<bool, Malformed> {
        self.space();
        if self.bytes.get(self.at) != Some(&open) {
            return Err(self.wrong(why));
        }
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong(TOO_DEEP));
        }
        self.at += 1;
        self.space();
        if self.bytes.get(self.at) == Some(&close) {
            self.at += 1;
            return Ok(false);
        }
        self.depth += 1;
        Ok(true)
    }

    #[inline(always)]
    fn next(&mut self, close: u8, why: &'static str) -> Result<bool, Malformed> {
        // Compact documents are the rule, so white space is thought of last.
        if self.bytes.get(self.at) == Some(&b',') {
            self.at += 1;
            return Ok(true);
        }
        self.space();
        match self.bytes.get(self.at) {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if *byte == close => {
                self.at += 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            _ => Err(self.wrong(why)),
        }
    }

    /// Reads `[]`.
    #[inline]
    fn empty_array(&mut self) -> Result<(), Malformed> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong(TOO_DEEP));
        }
        self.at += 2;
        Ok(())
    }

    /// Skips an array or object without recursion: one bit per open container says which it is.
    #[inline(never)]
    fn container(&mut self) -> Result<(), Malformed> {
        let mut objects: u128 = 0;
        let mut open = 0usize;
        let mut key_next = false;
        loop {
            if key_next {
                self.skip_key()?;
            }
            self.space();
            let closed_at_once = match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.string()?;
                    false
                }
                Some(b'{') => {
                    self.deeper(&mut open)?;
                    objects = objects << 1 | 1;
                    self.space();
                    key_next = self.bytes.get(self.at) != Some(&b'}');
                    if key_next {
                        continue;
                    }
                    true
                }
                Some(b'[') => {
                    self.deeper(&mut open)?;
                    objects <<= 1;
                    self.space();
                    key_next = false;
                    if self.bytes.get(self.at) != Some(&b']') {
                        continue;
                    }
                    true
                }
                Some(b'n') if self.takes(b"null") => false,
                _ => {
                    self.scalar()?;
                    false
                }
            };
            if closed_at_once {
                self.at += 1;
                objects >>= 1;
                open -= 1;
            }
            loop {
                if open == 0 {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                self.space();
                match self.bytes.get(self.at) {
                    Some(b',') => {
                        self.at += 1;
                        key_next = in_object;
                        break;
                    }
                    Some(b'}') if in_object => {}
                    Some(b']') if !in_object => {}
                    _ if in_object => return Err(self.wrong("expected `,` or `}` after a value")),
                    _ => return Err(self.wrong("expected `,` or `]` after a value")),
                }
                self.at += 1;
                objects >>= 1;
                open -= 1;
            }
        }
    }

    /// Reads a key and its colon inside a value that is skipped. Messages are what is skipped most, so their keys come first.
    #[inline(always)]
    fn skip_key(&mut self) -> Result<(), Malformed> {
        match self.letter() {
            b'r' if self.takes(b"\"role\":") => Ok(()),
            b'c' if self.takes(b"\"content\":") => Ok(()),
            b't' if self.takes(b"\"type\":") => Ok(()),
            b't' if self.takes(b"\"text\":") => Ok(()),
            b'r' if self.takes(b"\"refusal\":") => Ok(()),
            b'a' if self.takes(b"\"annotations\":") => Ok(()),
            _ => self.key_span().map(|_| ()),
        }
    }

    #[inline]
    fn deeper(&mut self, open: &mut usize) -> Result<(), Malformed> {
        if self.depth + *open >= DEPTH_MAX {
            return Err(self.wrong(TOO_DEEP));
        }
        *open += 1;
        self.at += 1;
        Ok(())
    }

    #[inline(never)]
    fn scalar(&mut self) -> Result<Kind, Malformed> {
        match self.bytes.get(self.at) {
            Some(b'"') => Ok(if self.string()? {
                Kind::Escaped
            } else {
                Kind::Plain
            }),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Kind::Number),
            Some(b't') => self.word("true", Kind::True),
            Some(b'f') => self.word("false", Kind::False),
            Some(b'n') => self.word("null", Kind::Null),
            _ => Err(self.wrong("expected a value")),
        }
    }

    fn word(&mut self, word: &'static str, kind: Kind) -> Result<Kind, Malformed> {
        match self.bytes.get(self.at..) {
            Some(rest) if rest.starts_with(word.as_bytes()) => {
                self.at += word.len();
                Ok(kind)
            }
            _ => Err(self.wrong("expected `true`, `false` or `null`")),
        }
    }

    /// Reads a string from its opening quote; true when it holds an escape.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, Malformed> {
        let at = special(self.bytes, self.at + 1);
        if self.bytes.get(at) == Some(&b'"') {
            self.at = at + 1;
            return Ok(false);
        }
        self.at = at;
        self.string_with_escapes()?;
        Ok(true)
    }

    /// The rest of a string, from the first byte that is not an ordinary one.
    #[inline(never)]
    fn string_with_escapes(&mut self) -> Result<(), Malformed> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => {
                    return Err(self.wrong("a control character in a string must be escaped"));
                }
                None => return Err(self.wrong("expected `\"` at the end of a string")),
            }
            self.at = special(self.bytes, self.at);
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let unit = self.hex(start)?;
                self.at += 6;
                match unit {
                    0xDC00..=0xDFFF => {
                        self.at = start;
                        return Err(self.wrong("a low surrogate needs a high one before it"));
                    }
                    0xD800..=0xDBFF => {
                        let second = match self.bytes.get(self.at..self.at + 2) {
                            Some(b"\\u") => self.hex(self.at)?,
                            _ => 0,
                        };
                        if !(0xDC00..=0xDFFF).contains(&second) {
                            return Err(self.wrong("a high surrogate needs a low one after it"));
                        }
                        self.at += 6;
                    }
                    _ => {}
                }
            }
            Some(_) => return Err(self.wrong("an unknown escape in a string")),
            None => {
                self.at = self.bytes.len();
                return Err(self.wrong("expected the rest of an escape"));
            }
        }
        Ok(())
    }

    /// The four hex digits of the `\u` at `at`.
    fn hex(&self, at: usize) -> Result<u16, Malformed> {
        let digits = self.bytes.get(at + 2..at + 6).ok_or(Malformed {
            offset: self.bytes.len(),
            why: "the document ends inside a `\\u` escape",
        })?;
        let mut unit = 0u16;
        for digit in digits {
            let four_bits = (*digit as char).to_digit(16).ok_or(Malformed {
                offset: at,
                why: "`\\u` needs four hex digits",
            })?;
            unit = unit << 4 | four_bits as u16;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => {
                self.at += 1;
                if let Some(b'0'..=b'9') = self.bytes.get(self.at) {
                    return Err(self.wrong("a number must not start with 0"));
                }
            }
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.wrong("expected a digit")),
        }
        // An integer, and not a long one: nothing below can concern it.
        if let Some(b',' | b'}' | b']') = self.bytes.get(self.at)
            && self.at - start < 200
        {
            return Ok(());
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        let mut large_exponent = false;
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            let negative = match self.bytes.get(self.at) {
                Some(sign @ (b'+' | b'-')) => {
                    self.at += 1;
                    *sign == b'-'
                }
                _ => false,
            };
            let exponent = self.at;
            self.some_digits()?;
            large_exponent = !negative && self.at - exponent >= 3;
        }
        // Below 200 characters with an exponent below 100 nothing can leave the range of f64, which ends at 1e308.
        if large_exponent || self.at - start >= 200 {
            let raw = self.text.get(start..self.at).unwrap_or_default();
            if serde_json::from_str::<serde_json::Number>(raw).is_err() {
                return Err(Malformed {
                    offset: start,
                    why: "the number is out of range",
                });
            }
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.digits();
        if self.at == start {
            return Err(self.wrong("expected a digit"));
        }
        Ok(())
    }
}

const TOO_DEEP: &str = "nested too deeply: at most 127 levels";

/// Offset of the first byte at or after `at` that ends an ordinary run inside a string: a quote, a backslash or a control
/// character; the length when there is none.
///
/// Most strings are short (keys, roles, identifiers), so two words are looked at one by one first, in the caller's own code.
#[inline(always)]
fn special(bytes: &[u8], at: usize) -> usize {
    match special_in_word(bytes, at) {
        Some(0) => {}
        Some(mask) => return at + (mask.trailing_zeros() / 8) as usize,
        None => return special_in_tail(bytes, at),
    }
    match special_in_word(bytes, at + 8) {
        Some(0) => special_in_long(bytes, at),
        Some(mask) => at + 8 + (mask.trailing_zeros() / 8) as usize,
        None => special_in_tail(bytes, at + 8),
    }
}

/// [`special`] for long strings, the texts of messages: `memchr` finds the quote or backslash with the widest vectors that the
/// machine has, and a second pass over the same bytes, cheap because it only keeps a minimum, finds control characters.
/// The first 16 bytes are known to be ordinary.
#[inline(never)]
fn special_in_long(bytes: &[u8], at: usize) -> usize {
    let searched = bytes.get(at + 16..).unwrap_or_default();
    let len = 16 + memchr::memchr2(b'"', b'\\', searched).unwrap_or(searched.len());
    let ordinary = bytes.get(at..at + len).unwrap_or_default();
    if !has_control(ordinary) {
        return at + len;
    }
    at + ordinary.iter().position(|byte| *byte < 0x20).unwrap_or(len)
}

/// Whether any byte is a control character. For 16 bytes and more: fewer are not looked at.
#[inline]
fn has_control(bytes: &[u8]) -> bool {
    let mut lowest = [u8::MAX; 16];
    let mut keep_lowest = |block: &[u8; 16]| {
        // One vector instruction.
        for (low, byte) in lowest.iter_mut().zip(block) {
            *low = (*low).min(*byte);
        }
    };
    let (blocks, rest) = bytes.as_chunks::<64>();
    for block in blocks {
        for part in block.as_chunks::<16>().0 {
            keep_lowest(part);
        }
    }
    for part in rest.as_chunks::<16>().0 {
        keep_lowest(part);
    }
    // What is left over is looked at together with bytes before it, a second time.
    if let Some(last) = bytes.last_chunk::<16>() {
        keep_lowest(last);
    }
    lowest.iter().fold(false, |any, low| any | (*low < 0x20))
}

/// The high bit of each byte among the next eight that is special; bits above the first one may be wrong, because the
/// subtraction borrows upwards. `None` when fewer than eight bytes are left.
#[inline(always)]
fn special_in_word(bytes: &[u8], at: usize) -> Option<u64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(*bytes.get(at..at + 8)?.first_chunk::<8>()?);
    // Flipping bit 1 maps the control characters onto themselves and the quote, 0x22, onto 0x20: one comparison finds both.
    let flipped = word ^ (ONES * 0x02);
    let below = flipped.wrapping_sub(ONES * 0x21) & !flipped;
    let backslash = word ^ (ONES * b'\\' as u64);
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    Some((below | backslash) & HIGH)
}

#[inline(never)]
fn special_in_tail(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        if *byte < 0x20 || *byte == b'"' || *byte == b'\\' {
            break;
        }
        at += 1;
    }
    at
}

/// What stands between the quotes of a raw string.
pub fn inside(raw: &str) -> &str {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

/// The text of a raw string, quotes included. Text that is not one valid JSON string gives the empty string; the walker has
/// been over it before, so that does not happen.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        return Cow::Borrowed(inside(raw));
    }
    Cow::Owned(serde_json::from_str(raw).unwrap_or_default())
}

/// Bytes of UTF-8 that a raw string, quotes included, stands for.
pub fn unescaped_len(raw: &str) -> usize {
    let bytes = inside(raw).as_bytes();
    if memchr::memchr(b'\\', bytes).is_none() {
        return bytes.len();
    }
    let mut len = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let (read, stands_for) = match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'u')) => match bytes.get(at + 2..at + 4) {
                Some(b"00") if bytes.get(at + 4).is_some_and(|digit| *digit < b'8') => (6, 1),
                Some([b'0', b'0'..=b'7']) => (6, 2),
                // Half of a surrogate pair: two of them make four bytes.
                Some([b'd' | b'D', high]) if *high >= b'8' => (6, 2),
                _ => (6, 3),
            },
            (b'\\', _) => (2, 1),
            _ => (1, 1),
        };
        at += read;
        len += stands_for;
    }
    len
}

/// The whole number that a raw number is: a non-negative integer, or a float without a fraction.
pub fn whole(raw: &str) -> Option<u64> {
    if let Ok(number) = raw.parse::<u64>() {
        return Some(number);
    }
    let float: f64 = raw.parse().ok()?;
    // Above 2^53 a float no longer names one integer.
    ((0.0..=9_007_199_254_740_992.0).contains(&float) && float.fract() == 0.0)
        .then_some(float as u64)
}

/// Appends `text` as a JSON string, with quotes.
#[inline(never)]
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    write_string_inside(text, out);
    out.push(b'"');
}

/// Appends `text` as the inside of a JSON string, with the fewest escapes.
#[inline]
pub fn write_string_inside(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    write_escaped(bytes, out);
}

/// Whether the text can stand inside a JSON string as it is. Made for names: the last block is looked at together with bytes
/// before it, a second time, so that no byte is looked at alone unless there are fewer than eight.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<16>() else {
        return match bytes.last_chunk::<8>() {
            Some(_) => [0, bytes.len() - 8]
                .iter()
                .all(|at| special_in_word(bytes, *at) == Some(0)),
            None => special_in_tail(bytes, 0) == bytes.len(),
        };
    };
    let is_special = |block: &[u8; 16]| {
        block.iter().fold(false, |any, byte| {
            any | ((*byte ^ 0x02) < 0x21) | (*byte == b'\\')
        })
    };
    let (blocks, _) = bytes.as_chunks::<16>();
    !is_special(last) && !blocks.iter().any(is_special)
}

fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut at = 0;
    loop {
        // What needs no escape is copied in runs: texts with a line end now and then are the rule.
        let next = special(bytes, at);
        out.extend_from_slice(bytes.get(at..next).unwrap_or_default());
        let Some(byte) = bytes.get(next) else {
            return;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        at = next + 1;
    }
}

/// Appends a decimal number.
#[inline]
pub fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// How far [`canonical`] goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The members of the outermost object; what they hold stays byte for byte.
    Top,
    /// Every object in the document.
    Everywhere,
}

/// Rewrites a document into the form that every parser reads alike: each key once, with the value that a parser would keep
/// (the last), at the place where it was first, and with the fewest escapes. Strings, numbers and words stay as they were.
pub fn canonical(text: &str, reach: Reach) -> Result<String, Malformed> {
    let mut out = Vec::with_capacity(text.len());
    let mut walker = Walker::new(text);
    canonical_value(text, &mut walker, reach, true, &mut out)?;
    walker.finish()?;
    // Every piece that was written is a slice of a str or an escaped one, so this never fails; it is here to need no unsafe.
    String::from_utf8(out).map_err(|error| Malformed {
        offset: error.utf8_error().valid_up_to(),
        why: "the bytes are not UTF-8",
    })
}

fn canonical_value(
    text: &str,
    walker: &mut Walker<'_>,
    reach: Reach,
    top: bool,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let follow = top || reach == Reach::Everywhere;
    match walker.peek() {
        Some(Kind::Object) if follow => {
            let mut members: Vec<(Cow<'_, str>, Vec<u8>)> = Vec::new();
            let mut index = std::collections::HashMap::new();
            let mut more = walker.enter_object()?;
            while more {
                let key = walker.key()?;
                let name = if key.escaped {
                    let raw = Span {
                        start: key.start,
                        end: key.start + key.name.len() + 2,
                    };
                    unescape(raw.of(text))
                } else {
                    Cow::Borrowed(key.name)
                };
                let mut value = Vec::new();
                canonical_value(text, walker, reach, false, &mut value)?;
                match index.get(&name) {
                    Some(at) => {
                        let (_, kept): &mut (Cow<'_, str>, Vec<u8>) = &mut members[*at];
                        *kept = value;
                    }
                    None => {
                        index.insert(name.clone(), members.len());
                        members.push((name, value));
                    }
                }
                more = walker.next_member()?;
            }
            out.push(b'{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                out.extend_from_slice(value);
            }
            out.push(b'}');
        }
        Some(Kind::Array) if follow => {
            out.push(b'[');
            let mut more = walker.enter_array()?;
            let mut first = true;
            while more {
                if !first {
                    out.push(b',');
                }
                first = false;
                canonical_value(text, walker, reach, false, out)?;
                more = walker.next_element()?;
            }
            out.push(b']');
        }
        _ => {
            let value = walker.value()?;
            out.extend_from_slice(value.raw(text).as_bytes());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) -> bool {
        let mut walker = Walker::new(text);
        walker.value().and_then(|_| walker.finish()).is_ok()
    }

    fn agrees(text: &str) {
        let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert_eq!(accepts(text), theirs, "{text}");
    }

    #[test]
    fn agrees_with_a_full_parser_on_the_corners_of_the_grammar() {
        for text in [
            "",
            " ",
            "{}",
            "[]",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "[1 2]",
            "nul",
            "null",
            "nullx",
            "true",
            "false",
            "truefalse",
            "-",
            "-0",
            "00",
            "01",
            "-01",
            "1.",
            ".5",
            "1.5",
            "1e",
            "1e+",
            "1e5",
            "1E-5",
            "1e308",
            "1e309",
            "-1e309",
            "1.7976931348623157e308",
            "1.7976931348623159e308",
            "0e999999999999",
            "1e-999999999999",
            "1e99999999999999999999",
            "\"\"",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12G4\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ud83dx\"",
            "\"\\ud83d\\n\"",
            "\"\t\"",
            "\"\u{7f}\"",
            "\"é\"",
            "\u{feff}{}",
            "[[]",
            "[]]",
            "{}{}",
            "[1]x",
            "\r\n\t {} \r\n",
            "\u{b}1",
            "[\"a\",\"b\"]",
            "{\"a\":{\"b\":[1,{}]}}",
            "{\"a\":[}]}",
            "/**/1",
        ] {
            agrees(text);
        }
        for zeros in [150, 198, 199, 200, 250, 306, 307, 308, 309, 400] {
            agrees(&format!("1{}", "0".repeat(zeros)));
            agrees(&format!("9{}e-{zeros}", "0".repeat(zeros)));
            agrees(&format!("0.{}1e{zeros}", "0".repeat(zeros)));
        }
    }

    #[test]
    fn agrees_with_a_full_parser_on_depth() {
        for depth in [1, 126, 127, 128, 129, 1000] {
            agrees(&("[".repeat(depth) + &"]".repeat(depth)));
            agrees(&("{\"a\":".repeat(depth) + "1" + &"}".repeat(depth)));
            agrees(&("[{\"a\":".repeat(depth / 2) + "1" + &"}]".repeat(depth / 2)));
        }
    }

    #[test]
    fn depth_counts_entered_levels_too() {
        let text = "[".repeat(127) + &"]".repeat(127);
        let mut walker = Walker::new(&text);
        assert_eq!(walker.enter_array(), Ok(true));
        assert!(walker.value().is_ok());
        let text = "[".repeat(128) + &"]".repeat(128);
        let mut walker = Walker::new(&text);
        assert_eq!(walker.enter_array(), Ok(true));
        assert_eq!(walker.value().map_err(|wrong| wrong.why), Err(TOO_DEEP));
    }

    #[test]
    fn finds_the_first_special_byte_at_every_place() {
        for len in 0..140usize {
            for (hit, byte) in [
                (len / 2, b'"'),
                (len / 3, b'\\'),
                (len, 0x1f),
                (len.saturating_sub(1), 0),
            ] {
                let mut bytes = vec![0xffu8; len];
                if let Some(place) = bytes.get_mut(hit) {
                    *place = byte;
                }
                let expected = if hit < len { hit } else { len };
                assert_eq!(special(&bytes, 0), expected, "{len} {hit}");
            }
        }
    }

    #[test]
    fn says_where_and_what_was_expected() {
        let text = "{\n \"a\": 1,\n \"b\" 2}";
        let mut walker = Walker::new(text);
        let wrong = walker.value().unwrap_err();
        assert_eq!(
            wrong.describe(text.as_bytes()),
            "not valid JSON at line 3, column 6 (byte 16): expected `:` after a key"
        );
        assert_eq!(super::text(b"ab\xff").unwrap_err().offset, 2);
    }

    #[test]
    fn writes_strings_that_read_back() {
        let every: String = (0u8..0x80).map(char::from).chain("é😀".chars()).collect();
        let mut out = Vec::new();
        write_string(&every, &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), every);
        assert_eq!(
            unescaped_len(std::str::from_utf8(&out).unwrap()),
            every.len()
        );
        let raw = "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\n\"";
        assert_eq!(unescaped_len(raw), unescape(raw).len());
    }

    #[test]
    fn reads_whole_numbers_only() {
        assert_eq!(whole("12"), Some(12));
        assert_eq!(whole("12.0"), Some(12));
        assert_eq!(whole("1.2e1"), Some(12));
        assert_eq!(whole("12.5"), None);
        assert_eq!(whole("-1"), None);
        assert_eq!(whole("1e300"), None);
        assert_eq!(whole("18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn the_canonical_form_keeps_the_last_value_at_the_first_place() {
        let text = r#"{"a":1,"\u0062":{"x":1,"x":2},"a":3.10,"c":[{"y":1,"\u0079":2}]}"#;
        assert_eq!(
            canonical(text, Reach::Top).unwrap(),
            r#"{"a":3.10,"b":{"x":1,"x":2},"c":[{"y":1,"\u0079":2}]}"#
        );
        assert_eq!(
            canonical(text, Reach::Everywhere).unwrap(),
            r#"{"a":3.10,"b":{"x":2},"c":[{"y":2}]}"#
        );
    }
}
