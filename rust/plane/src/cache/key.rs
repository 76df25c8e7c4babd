//! By what a kept answer is found: a digest of who asks for what.
//!
//! It covers the key that asks, the model, the API, how the answer is to be framed, and the body without white space. Where gateways share
//! a server it is a SHA-256, the same everywhere, from which nothing of a question can be read. Without the processor's own instructions
//! for that, a kilobyte costs more than all the rest of an answer from memory. So what stays in this process is found by SipHash with keys
//! that it draws at its start: who does not know them cannot make two questions meet.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use turnout_wire::request::Request;

use crate::snapshot::Key;

/// Of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    /// For the memory of this process.
    Own(u128),
    /// For a server that others read, too.
    Shared([u8; 32]),
}

/// The keys of this process, one for each half of a digest.
static OWN: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

impl Digest {
    /// `array`: the stream is one JSON array. `is_shared`: gateways share what is kept.
    pub(crate) fn of(key: Option<&Key>, request: &Request, array: bool, is_shared: bool) -> Digest {
        if is_shared {
            let mut hash = Sha256::new();
            feed(key, request, array, |bytes| hash.update(bytes));
            return Digest::Shared(hash.finalize().into());
        }
        let mut halves: [DefaultHasher; 2] = [OWN[0].build_hasher(), OWN[1].build_hasher()];
        feed(key, request, array, |bytes| {
            for half in &mut halves {
                half.write(bytes);
            }
        });
        let [high, low] = halves.map(|half| u128::from(half.finish()));
        Digest::Own(high << 64 | low)
    }

    /// As much of it as tables in memory need.
    pub(crate) fn short(&self) -> u128 {
        match self {
            Digest::Own(digest) => *digest,
            Digest::Shared(digest) => {
                let (half, _) = digest.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
                u128::from_le_bytes(*half)
            }
        }
    }

    /// All of it, in hex.
    pub(crate) fn hex(&self) -> String {
        use std::fmt::Write;
        match self {
            Digest::Own(digest) => format!("{digest:032x}"),
            Digest::Shared(digest) => {
                let mut text = String::with_capacity(64);
                for byte in digest {
                    let _ = write!(text, "{byte:02x}");
                }
                text
            }
        }
    }
}

/// All that a digest covers, piece by piece.
fn feed(key: Option<&Key>, request: &Request, array: bool, mut take: impl FnMut(&[u8])) {
    // None of the texts holds the byte between them: they are UTF-8.
    for text in [
        key.map_or("", |key| key.sha256_hex.as_str()),
        request.model().unwrap_or_default(),
        request.api().name(),
        match (request.stream(), array) {
            (false, _) => "plain",
            (true, false) => "events",
            (true, true) => "array",
        },
    ] {
        take(text.as_bytes());
        take(&[0xff]);
    }
    for part in compact(request.body()) {
        take(part);
    }
}

/// A JSON text without the white space outside of strings, in pieces. It was checked to be JSON when it was read.
fn compact(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            let (&first, after) = rest.split_first()?;
            if is_space(first) {
                rest = after;
                continue;
            }
            let end = match first {
                b'"' => string_end(rest),
                _ => rest
                    .iter()
                    .position(|&byte| byte == b'"' || is_space(byte))
                    .unwrap_or(rest.len()),
            };
            let (piece, after) = rest.split_at_checked(end)?;
            rest = after;
            return Some(piece);
        }
    })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// One past the closing quote of the string that `text` begins with.
fn string_end(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(offset) = text
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += offset;
        match text.get(at) {
            Some(b'\\') => at += 2,
            _ => return at + 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use turnout_wire::api::Api;

    use super::*;

    fn of(body: &str) -> Digest {
        let request =
            Request::read(body.as_bytes().to_vec(), Api::Chat).expect("it is a good request");
        Digest::of(None, &request, false, true)
    }

    #[test]
    fn k04_in_memory_the_same_counts() {
        let own = |body: &str| {
            let request = Request::read(body.as_bytes().to_vec(), Api::Chat).expect("good");
            Digest::of(None, &request, false, false)
        };
        let first = own(r#"{"model":"m","messages":[]}"#);
        assert_eq!(own(r#"{ "model": "m", "messages": [] }"#), first);
        let other = own(r#"{"model":"m","messages":[1]}"#);
        assert_ne!(other, first);
        // Both halves count, and they are not the same.
        let halves =
            |digest: &Digest| (digest.short() >> 64, digest.short() & u128::from(u64::MAX));
        let ((high, low), (other_high, other_low)) = (halves(&first), halves(&other));
        assert!(high != low && high != other_high && low != other_low);
        assert_eq!(first.hex().len(), 32);
    }

    #[test]
    fn k04_white_space_does_not_count_and_order_does() {
        let first =
            of(r#"{"model":"m","messages":[{"role":"user","content":"a \" b"}],"top_p":1}"#);
        let spaced = "{ \"model\" :\t\"m\",\r\n \"messages\": [ {\"role\":\"user\", \"content\":\"a \\\" b\"} ] , \"top_p\": 1 }";
        assert_eq!(of(spaced), first);
        for other in [
            r#"{"messages":[{"role":"user","content":"a \" b"}],"model":"m","top_p":1}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"a \"  b"}],"top_p":1}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"a \" b"}],"top_p":1,"stream":false}"#,
            r#"{"model":"n","messages":[{"role":"user","content":"a \" b"}],"top_p":1}"#,
        ] {
            assert_ne!(of(other), first, "{other}");
        }
        assert_eq!(first.hex().len(), 64);
    }

    #[test]
    fn k05_a_stream_another_api_and_an_array_are_other_questions() {
        let read = |body: &str, api| Request::read(body.as_bytes().to_vec(), api).expect("good");
        let plain = read(r#"{"model":"m","input":"x"}"#, Api::Responses);
        let other = read(r#"{"model":"m","input":"x"}"#, Api::Embeddings);
        assert_ne!(
            Digest::of(None, &plain, false, true),
            Digest::of(None, &other, false, true)
        );
        let beside = |stream| {
            Request::read_beside_path(
                b"{\"contents\":[]}".to_vec(),
                Api::Gemini,
                "m".into(),
                stream,
            )
            .expect("good")
        };
        let digests = [
            Digest::of(None, &beside(false), false, true),
            Digest::of(None, &beside(true), false, true),
            Digest::of(None, &beside(true), true, true),
        ];
        assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
    }

    #[test]
    fn pieces_together_are_the_text_without_white_space() {
        let whole = |text: &str| {
            let pieces: Vec<u8> = compact(text.as_bytes()).flatten().copied().collect();
            String::from_utf8(pieces).expect("it is text")
        };
        assert_eq!(
            whole(" { \"a b\" : [ 1 , \"\\\\\" ] } "),
            "{\"a b\":[1,\"\\\\\"]}"
        );
        assert_eq!(whole("\"open"), "\"open");
        assert_eq!(whole("\"open\\"), "\"open\\");
    }
}
