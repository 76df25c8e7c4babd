//! The response cache's settings, and the server that keeps the answers where there is one.

use std::sync::Arc;

use super::{BadSnapshot, written};
use crate::cache::remote;

/// The response cache.
pub(crate) struct Cache {
    /// Whether it is used when nobody says anything.
    pub(crate) default: bool,
    pub(crate) ttl_s: u64,
    pub(crate) size_bytes: usize,
    /// Larger answers are not kept.
    pub(crate) entry_bytes: usize,
    /// `None`: answers are kept in memory.
    pub(crate) server: Option<Arc<remote::Server>>,
}

impl Cache {
    pub(super) fn complete(
        written: &written::Cache,
        generation: u64,
    ) -> Result<Cache, BadSnapshot> {
        let server = (written.server.as_ref())
            .map(|server| remote::Server::complete(server, written.entry_bytes, generation))
            .transpose()
            .map_err(BadSnapshot)?;
        Ok(Cache {
            default: written.default,
            ttl_s: written.ttl_s,
            size_bytes: written.size_bytes,
            entry_bytes: written.entry_bytes,
            server: server.map(Arc::new),
        })
    }
}
