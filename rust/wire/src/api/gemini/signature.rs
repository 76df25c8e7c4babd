//! Thoughts of other providers, in the one place that Gemini's protocol has for them.
//!
//! A thought must come back to its provider as it was: with its format, its id, its signature. Gemini's clients replay `thoughtSignature`
//! and nothing else, and their libraries take it for bytes: it must be base64, and may come back in base64's other alphabet. So what
//! has to be remembered is packed into one such value. Gemini's own signatures stay as they are.

use std::borrow::Cow;

use crate::exchange::{Thought, ThoughtKind, format};

/// At the start of what is packed; no signature of Google's begins like this.
const MAGIC: &[u8] = b"\x00thought\x00";

/// Most bytes that are unpacked; what is longer is taken for a signature of Gemini.
const PACKED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What has to be remembered of a thought. `payload`: its signature, or the data of an encrypted one.
pub(super) fn pack(kind: ThoughtKind, format: &str, id: &str, payload: &str) -> String {
    let mut bytes = MAGIC.to_vec();
    bytes.push(match kind {
        ThoughtKind::Text => b't',
        ThoughtKind::Summary => b's',
        ThoughtKind::Encrypted => b'e',
    });
    for word in [format, id] {
        bytes.extend_from_slice(word.as_bytes());
        bytes.push(0);
    }
    bytes.extend_from_slice(payload.as_bytes());
    encode(&bytes)
}

/// The thought that a part with `thought: true` is.
pub(super) fn thought<'a>(text: Cow<'a, str>, signature: Option<Cow<'a, str>>) -> Thought<'a> {
    match signature.as_deref().and_then(unpack) {
        Some(packed) => {
            let thought = Thought {
                kind: packed.kind,
                text,
                signature: None,
                id: Some(packed.id).filter(|id| !id.is_empty()).map(Cow::Owned),
                format: Cow::Owned(packed.format),
            };
            match packed.kind {
                ThoughtKind::Encrypted => Thought {
                    text: Cow::Owned(packed.payload),
                    ..thought
                },
                _ => Thought {
                    signature: Some(packed.payload)
                        .filter(|payload| !payload.is_empty())
                        .map(Cow::Owned),
                    ..thought
                },
            }
        }
        None => Thought {
            text,
            signature,
            format: Cow::Borrowed(format::GEMINI),
            ..Thought::default()
        },
    }
}

struct Packed {
    kind: ThoughtKind,
    format: String,
    id: String,
    payload: String,
}

fn unpack(signature: &str) -> Option<Packed> {
    // The magic in base64: nine bytes are twelve whole characters.
    if !signature.starts_with("AHRob3VnaHQA") || signature.len() > PACKED_BYTES_MAX {
        return None;
    }
    let bytes = decode(signature)?;
    let (kind, rest) = bytes.strip_prefix(MAGIC)?.split_first()?;
    let kind = match kind {
        b't' => ThoughtKind::Text,
        b's' => ThoughtKind::Summary,
        b'e' => ThoughtKind::Encrypted,
        _ => return None,
    };
    let mut words = rest.splitn(3, |byte| *byte == 0);
    let mut word = || String::from_utf8(words.next()?.to_vec()).ok();
    Some(Packed {
        kind,
        format: word()?,
        id: word()?,
        payload: word()?,
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = 0u32;
        for at in 0..3 {
            group = group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            let digit = (group >> (18 - 6 * at)) as usize & 63;
            let character = ALPHABET.get(digit).copied().unwrap_or(b'A');
            out.push(if at <= chunk.len() {
                char::from(character)
            } else {
                '='
            });
        }
    }
    out
}

/// The bytes of base64 of either alphabet, with or without padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut group = 0u32;
        for at in 0..4 {
            let digit = match chunk.get(at) {
                None => 0,
                Some(byte @ b'A'..=b'Z') => byte - b'A',
                Some(byte @ b'a'..=b'z') => byte - b'a' + 26,
                Some(byte @ b'0'..=b'9') => byte - b'0' + 52,
                Some(b'+' | b'-') => 62,
                Some(b'/' | b'_') => 63,
                Some(_) => return None,
            };
            group = group << 6 | u32::from(digit);
        }
        let [_, bytes @ ..] = group.to_be_bytes();
        match chunk.len() {
            1 => return None,
            len => out.extend_from_slice(bytes.get(..len - 1).unwrap_or_default()),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_back_from_either_alphabet() {
        for len in 0..70u8 {
            let bytes: Vec<u8> = (0..len).map(|at| at.wrapping_mul(83) ^ 0xf5).collect();
            let text = encode(&bytes);
            assert_eq!(decode(&text).unwrap(), bytes);
            let other = text.replace('+', "-").replace('/', "_").replace('=', "");
            assert_eq!(decode(&other).unwrap(), bytes);
        }
        assert_eq!(encode(b"Ma"), "TWE=");
        assert!(decode("a").is_none() && decode("a*bc").is_none());
    }

    #[test]
    fn a_thought_of_another_provider_comes_back_as_it_was() {
        for kind in [
            ThoughtKind::Text,
            ThoughtKind::Summary,
            ThoughtKind::Encrypted,
        ] {
            let packed = pack(kind, format::ANTHROPIC, "id", "Sig+/=\u{e9}");
            let thought = thought(
                Cow::Borrowed("text"),
                Some(Cow::Owned(packed.replace('+', "-"))),
            );
            assert_eq!(thought.kind, kind);
            assert_eq!(thought.format, format::ANTHROPIC);
            assert_eq!(thought.id.as_deref(), Some("id"));
            let payload = match kind {
                ThoughtKind::Encrypted => Some(thought.text.as_ref()),
                _ => thought.signature.as_deref(),
            };
            assert_eq!(payload, Some("Sig+/=\u{e9}"));
        }
    }

    #[test]
    fn gemini_s_own_signatures_are_left_alone() {
        let own = thought(Cow::Borrowed("x"), Some(Cow::Borrowed("EswFCskFAb4")));
        assert_eq!(own.format, format::GEMINI);
        assert_eq!(own.signature.as_deref(), Some("EswFCskFAb4"));
    }
}
