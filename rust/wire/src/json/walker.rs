//! The walker itself.

use super::special::special;
use super::{DEPTH_MAX, Key, Kind, Malformed, Span, Value};

/// Walks over one JSON text. See the module's head.
#[derive(Debug, Clone)]
pub struct Walker<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

/// Sees the strings that stand as values in arrays and objects while they are skipped.
pub(crate) trait Watch {
    /// A string from its opening quote to behind its closing one.
    fn string(&mut self, bytes: &[u8], start: usize, end: usize);
}

/// Nobody watches.
impl Watch for () {
    #[inline(always)]
    fn string(&mut self, _: &[u8], _: usize, _: usize) {}
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
        self.value_watched(&mut ())
    }

    /// The same, and shows the strings inside it to somebody.
    #[inline(always)]
    pub(crate) fn value_watched<W: Watch>(&mut self, watch: &mut W) -> Result<Value, Malformed> {
        self.space();
        let start = self.at;
        let kind = match self.bytes.get(start) {
            Some(b'"') if !self.string()? => Kind::Plain,
            Some(b'"') => Kind::Escaped,
            Some(b'{') => {
                self.container(watch)?;
                Kind::Object
            }
            Some(b'[') if self.bytes.get(start + 1) == Some(&b']') => {
                self.empty_array()?;
                Kind::Array
            }
            Some(b'[') => {
                self.container(watch)?;
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
    fn container<W: Watch>(&mut self, watch: &mut W) -> Result<(), Malformed> {
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
                    let start = self.at;
                    self.string()?;
                    watch.string(self.bytes, start, self.at);
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

pub(super) const TOO_DEEP: &str = "nested too deeply: at most 127 levels";
