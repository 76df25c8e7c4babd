//! How the gateway listens, and what it allows each connection.

use std::time::Duration;

use super::network::Network;
use super::{BadSnapshot, written};

/// [`written::Server`] with durations.
pub(crate) struct Server {
    pub(crate) tls: Option<written::Tls>,
    pub(crate) cors_any: bool,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) limits: written::Limits,
    pub(crate) header_time: Duration,
    pub(crate) body_time: Duration,
    pub(crate) idle_time: Duration,
    pub(crate) write_time: Duration,
    pub(crate) comment_time: Duration,
    pub(crate) attempts_max: usize,
    pub(crate) attempts_time: Duration,
    /// What each attempt has up to its first byte, beside the provider's own time; `None`: only that.
    pub(crate) attempt_time: Option<Duration>,
    pub(crate) drain_min: Duration,
    pub(crate) drain_max: Duration,
    pub(crate) raw_errors: bool,
    /// What clients are told, whose keys do not say otherwise.
    pub(crate) explain: written::Explain,
}

impl Server {
    pub(super) fn complete(written: written::Server) -> Result<Server, BadSnapshot> {
        let ms = Duration::from_millis;
        let trusted_proxies = written
            .trusted_proxies
            .iter()
            .map(|text| {
                Network::read(text)
                    .ok_or_else(|| BadSnapshot(format!("trusted_proxies: {text:?} is no network")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Server {
            tls: written.tls,
            cors_any: written.cors_origins.iter().any(|origin| origin == "*"),
            cors_origins: written.cors_origins,
            trusted_proxies,
            limits: written.limits,
            header_time: ms(written.timeouts.header_ms),
            body_time: ms(written.timeouts.body_ms),
            idle_time: ms(written.timeouts.idle_ms),
            write_time: ms(written.timeouts.write_ms),
            comment_time: ms(written.timeouts.keepalive_comment_ms),
            attempts_max: written.attempts.attempts_max,
            attempts_time: ms(written.attempts.total_ms),
            attempt_time: written.attempts.each_ms.map(ms),
            drain_min: ms(written.drain.min_ms),
            drain_max: ms(written.drain.max_ms),
            raw_errors: written.raw_errors,
            explain: written.explain,
        })
    }

    /// Whether a page of this origin may read answers.
    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        self.cors_any || self.cors_origins.iter().any(|allowed| allowed == origin)
    }
}
