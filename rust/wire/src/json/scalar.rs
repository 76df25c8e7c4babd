//! Strings and numbers: what they say, and writing them.

use std::borrow::Cow;

use super::special::{special, special_in_tail, special_in_word};

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
