//! Finding the bytes of a string that are not plain: quotes, backslashes and control characters, eight at a time.

/// Offset of the first byte at or after `at` that ends an ordinary run inside a string: a quote, a backslash or a control
/// character; the length when there is none.
///
/// Most strings are short (keys, roles, identifiers), so two words are looked at one by one first, in the caller's own code.
#[inline(always)]
pub(super) fn special(bytes: &[u8], at: usize) -> usize {
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
pub(super) fn special_in_word(bytes: &[u8], at: usize) -> Option<u64> {
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
pub(super) fn special_in_tail(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        if *byte < 0x20 || *byte == b'"' || *byte == b'\\' {
            break;
        }
        at += 1;
    }
    at
}
