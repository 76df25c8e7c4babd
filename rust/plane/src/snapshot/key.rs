//! The keys that clients hold: who they are, and which models they may use.

use std::sync::Arc;

use super::model::VARIANTS;
use super::{BadSnapshot, written};
use crate::limits::{Limits, Meter};
use crate::slugs::Slugs;

/// A client key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) sha256_hex: String,
    pub(crate) name: String,
    /// The models that it may use; `None`: all.
    models: Option<Slugs>,
    pub(crate) disabled: bool,
    pub(crate) expires_unix: Option<u64>,
    pub(crate) wishes: Option<written::Wishes>,
    pub(crate) limit: Option<written::Limit>,
    pub(crate) requests_per_minute: Option<u32>,
    /// `None`: what the gateway tells everybody.
    pub(crate) explain: Option<written::Explain>,
    /// What it has used; the same across swaps.
    pub(crate) meter: Arc<Meter>,
}

impl Key {
    /// The key with the digest that it is found by.
    pub(super) fn complete(
        key: written::Key,
        limits: &Limits,
    ) -> Result<([u8; 32], Key), BadSnapshot> {
        let digest = read_digest(&key.sha256).ok_or_else(|| {
            BadSnapshot(format!(
                "key {:?} has a sha256 that is not 64 hex digits",
                key.name
            ))
        })?;
        let key = Key {
            meter: limits.of(&key.sha256),
            limit: key.limit,
            requests_per_minute: key.requests_per_minute,
            explain: key.explain,
            sha256_hex: key.sha256,
            name: key.name,
            models: key.models.map(Slugs::new),
            disabled: key.disabled,
            expires_unix: key.expires_unix,
            wishes: key.routing,
        };
        Ok((digest, key))
    }

    /// Whether this key may use `slug`: `None` allows all, `author/*` a prefix. Who may use a model may use its variants.
    pub(crate) fn allows(&self, slug: &str) -> bool {
        let Some(models) = &self.models else {
            return true;
        };
        let base = (slug.rsplit_once(':'))
            .filter(|(_, suffix)| VARIANTS.contains(suffix))
            .map_or(slug, |(base, _)| base);
        models.has(slug) || models.has(base) || models.has_beginning_of(slug)
    }

    /// Whether it may use every model there is.
    pub(crate) fn allows_all(&self) -> bool {
        self.models.is_none()
    }
}

fn read_digest(hex: &str) -> Option<[u8; 32]> {
    let hex = hex.as_bytes();
    if hex.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_hex() {
        assert!(read_digest(&"0g".repeat(32)).is_none());
        assert!(read_digest("00").is_none());
        assert_eq!(read_digest(&"0aFF".repeat(16)).map(|d| d[1]), Some(255));
    }
}
