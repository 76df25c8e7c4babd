//! Who asks: the client's key.
//!
//! A key is accepted in every header that a client library uses for one (`Authorization: Bearer`, `x-api-key`,
//! `x-goog-api-key`, `api-key`) and as `?key=`. Keys are random and long, so a plain SHA-256 keeps them as well as a slow hash
//! would; the table is keyed by the digest, and a look-up that takes longer for a digest that is nearly right tells
//! nothing about the key.
//!
//! Hashing costs more than everything else in this step. A client sends the same key with each request, so each
//! thread remembers the last few with their digests.

use sha2::{Digest, Sha256};
use turnout_wire::refusal::{Kind, Refusal};

use crate::clock::unix_ms;
use crate::edge::head::{Head, Known};
use crate::snapshot::{Key, Snapshot};
use crate::thread::Thread;
use crate::upstream::origin::percent_decode;

/// Keys remembered per thread. Each has one place, so a thread that serves more keys hashes more often.
const REMEMBERED: usize = 64;
/// A longer credential is no key of ours, and is not kept.
const KEY_BYTES_MAX: usize = 512;

/// Digests of the keys seen last. Dropped with the thread; never printed.
#[derive(Default)]
pub(crate) struct Remembered {
    places: Vec<Option<(Vec<u8>, [u8; 32])>>,
    hasher: foldhash::fast::RandomState,
}

impl Remembered {
    fn digest(&mut self, key: &[u8]) -> [u8; 32] {
        use std::hash::BuildHasher as _;
        if self.places.is_empty() {
            self.places.resize(REMEMBERED, None);
        }
        let place = self.hasher.hash_one(key) as usize % REMEMBERED;
        if let Some((known, digest)) = &self.places[place]
            && known == key
        {
            return *digest;
        }
        let digest: [u8; 32] = Sha256::digest(key).into();
        if key.len() <= KEY_BYTES_MAX {
            self.places[place] = Some((key.to_vec(), digest));
        }
        digest
    }
}

/// Finds the key of a request. `None` when the gateway runs without keys.
pub(crate) fn authenticate<'a>(
    thread: &Thread,
    snapshot: &'a Snapshot,
    head: &Head,
) -> Result<Option<&'a Key>, Refusal> {
    if !snapshot.auth {
        return Ok(None);
    }
    let from_query;
    let token = match credential(head)? {
        Some(token) => token,
        None => match key_parameter(head.query()) {
            Some(text) => {
                from_query = percent_decode(text);
                &from_query
            }
            None => {
                return Err(refused(
                    "No auth credentials found: send your Turnout key as `Authorization: Bearer sk-…` or `x-api-key`",
                ));
            }
        },
    };
    let digest = thread.remembered.borrow_mut().digest(token);
    let Some(key) = snapshot.key(&digest) else {
        return Err(refused(
            "Invalid credentials: this gateway does not know the key that was sent",
        ));
    };
    if key.disabled {
        return Err(refused("Invalid credentials: this key is disabled"));
    }
    if key.expires_unix.is_some_and(|at| at <= unix_ms() / 1000) {
        return Err(refused("Invalid credentials: this key has expired"));
    }
    Ok(Some(key))
}

fn refused(message: &'static str) -> Refusal {
    Refusal::new(Kind::Authentication).with_message(message)
}

fn credential(head: &Head) -> Result<Option<&[u8]>, Refusal> {
    if let Some(value) = head.get(Known::Authorization) {
        let value = value.trim_ascii();
        // A client without a key sends the bare word, and may still name its key in another header.
        let token = match value.split_at_checked(6) {
            Some((scheme, rest))
                if scheme.eq_ignore_ascii_case(b"bearer") && matches!(rest, [] | [b' ', ..]) =>
            {
                rest.trim_ascii()
            }
            _ => {
                return Err(refused(
                    "The Authorization header is not of the form `Bearer <key>`",
                ));
            }
        };
        if !token.is_empty() {
            return Ok(Some(token));
        }
    }
    Ok(head
        .get(Known::ApiKey)
        .or_else(|| head.get(Known::GoogApiKey))
        .or_else(|| head.get(Known::AzureApiKey))
        .map(<[u8]>::trim_ascii)
        .filter(|t| !t.is_empty()))
}

fn key_parameter(query: &str) -> Option<&str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("key="))
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_key_also_when_places_are_shared() {
        let mut remembered = Remembered::default();
        for round in 0..3 {
            for n in 0..500 {
                let key = format!("sk-{n}");
                let expected: [u8; 32] = Sha256::digest(key.as_bytes()).into();
                assert_eq!(remembered.digest(key.as_bytes()), expected, "round {round}");
            }
        }
    }

    #[test]
    fn the_parameter_is_found_by_its_whole_name() {
        assert_eq!(key_parameter("a=1&key=k"), Some("k"));
        assert_eq!(key_parameter("apikey=k"), None);
        assert_eq!(key_parameter("key="), None);
    }
}
