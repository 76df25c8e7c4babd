//! MessagePack, written by hand: only what a journal record needs, each value in its shortest form.
//!
//! A record is packed on the request's own thread, so this stays a handful of byte pushes without an encoder object,
//! without `Result` (writing to a `Vec` cannot fail) and without reflection. The specification is
//! <https://github.com/msgpack/msgpack/blob/master/spec.md> (read 2026-07); a test compares each form with the `rmp` crate.

/// Starts an array; its `elements` values follow.
#[inline]
pub fn array(out: &mut Vec<u8>, elements: u32) {
    if elements < 16 {
        out.push(0x90 | elements as u8);
    } else if let Ok(short) = u16::try_from(elements) {
        out.push(0xdc);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        array32(out, elements);
    }
}

/// Starts an array in its longest form, so that the count can be written over afterwards at a known place.
pub(super) fn array32(out: &mut Vec<u8>, elements: u32) {
    out.push(0xdd);
    out.extend_from_slice(&elements.to_be_bytes());
}

/// Writes the absent value.
#[inline]
pub fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Writes a truth value.
#[inline]
pub fn bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// Writes an unsigned integer.
#[inline]
pub fn uint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
    } else if let Ok(byte) = u8::try_from(value) {
        out.extend_from_slice(&[0xcc, byte]);
    } else if let Ok(short) = u16::try_from(value) {
        let [a, b] = short.to_be_bytes();
        out.extend_from_slice(&[0xcd, a, b]);
    } else if let Ok(word) = u32::try_from(value) {
        let [a, b, c, d] = word.to_be_bytes();
        out.extend_from_slice(&[0xce, a, b, c, d]);
    } else {
        out.push(0xcf);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Writes text. Text of 4 GiB and more is cut at a character before that: the format has no longer form, and no field
/// of a record comes near it.
#[inline]
pub fn str(out: &mut Vec<u8>, value: &str) {
    utf8(out, value.as_bytes());
}

/// Writes text that is known to be UTF-8; see [`str`].
pub(crate) fn utf8(out: &mut Vec<u8>, value: &[u8]) {
    let length = value.len();
    if length < 32 {
        out.push(0xa0 | length as u8);
    } else if let Ok(byte) = u8::try_from(length) {
        out.extend_from_slice(&[0xd9, byte]);
    } else if let Ok(short) = u16::try_from(length) {
        let [a, b] = short.to_be_bytes();
        out.extend_from_slice(&[0xda, a, b]);
    } else {
        return long_utf8(out, value);
    }
    out.extend_from_slice(value);
}

/// Text of 64 KiB and more, kept apart so that the usual path stays small.
#[cold]
fn long_utf8(out: &mut Vec<u8>, value: &[u8]) {
    let mut end = value.len().min(u32::MAX as usize);
    // A byte in the middle of a character is no place to cut.
    while value.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    out.push(0xdb);
    out.extend_from_slice(&(end as u32).to_be_bytes());
    out.extend_from_slice(&value[..end]);
}

/// Writes text, or the absent value.
#[inline]
pub fn option_str(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(text) => str(out, text),
        None => nil(out),
    }
}

/// Appends a whole number that is not negative, or nil.
pub fn option_uint(out: &mut Vec<u8>, value: Option<u64>) {
    match value {
        Some(number) => uint(out, number),
        None => nil(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn integers_take_the_shortest_form_that_the_reference_encoder_takes() {
        let around_each_width =
            [0u64, 8, 16, 32, 64].map(|bits| 1u64.checked_shl(bits as u32).unwrap_or(0));
        let mut values = vec![0, 1, 0x7e, 0x7f, 0x80, u64::MAX, u64::MAX - 1];
        for edge in around_each_width {
            values.extend([edge.wrapping_sub(1), edge, edge.wrapping_add(1)]);
        }
        for value in values {
            let mut expected = Vec::new();
            rmp::encode::write_uint(&mut expected, value).expect("a Vec takes everything");
            assert_eq!(packed(|out| uint(out, value)), expected, "{value}");
        }
    }

    #[test]
    fn text_takes_the_shortest_form_at_each_edge_of_length() {
        for length in [0, 1, 31, 32, 255, 256, 65_535, 65_536, 70_000] {
            let text = "é".repeat(length / 2) + if length % 2 == 1 { "a" } else { "" };
            let mut expected = Vec::new();
            rmp::encode::write_str(&mut expected, &text).expect("a Vec takes everything");
            assert_eq!(packed(|out| str(out, &text)), expected, "{length}");
        }
    }

    #[test]
    fn arrays_and_constants_match_the_reference_encoder() {
        for elements in [0, 1, 15, 16, 65_535, 65_536] {
            let mut expected = Vec::new();
            rmp::encode::write_array_len(&mut expected, elements).expect("a Vec takes everything");
            assert_eq!(packed(|out| array(out, elements)), expected, "{elements}");
        }
        assert_eq!(packed(nil), [0xc0]);
        assert_eq!(packed(|out| bool(out, true)), [0xc3]);
        assert_eq!(packed(|out| bool(out, false)), [0xc2]);
        assert_eq!(packed(|out| option_str(out, None)), [0xc0]);
        assert_eq!(packed(|out| option_str(out, Some("a"))), [0xa1, b'a']);
        assert_eq!(packed(|out| option_uint(out, None)), [0xc0]);
        assert_eq!(packed(|out| option_uint(out, Some(7))), [7]);
    }
}
