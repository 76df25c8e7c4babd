//! Counting without contention: every thread counts into its own shard, and a scrape adds the shards up.
//!
//! A shard has one writer, so a count is a load and a store of a relaxed atomic, without a locked instruction and
//! without a shared cache line. Labels are resolved to a [`Slot`] when a snapshot is built; a request carries the slot
//! and never hashes a label. [`Metrics::render`] merges and writes OpenMetrics text; it may run on any thread and
//! blocks no writer, and what it reads may be a few counts apart between families.
//!
//! Memory: a slot takes 544 bytes in each shard that has counted for it, in chunks of 32 slots made at first use.
//! Five thousand endpoints on four threads are 11 MB when every thread has served every one of them.
//!
//! Files: `shard` is what a thread counts into, `slots` gives names their numbers, `render` writes the text.

mod render;
mod shard;
mod slots;

use std::sync::Arc;
use std::time::Duration;

use crate::journal;

pub use shard::{Counter, Observation, Outcome, Shard};
pub use slots::{SLOTS_MAX, Slot};

/// `Content-Type` of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters of a process.
#[derive(Debug)]
pub struct Metrics {
    shards: Box<[Arc<Shard>]>,
    slots: slots::Slots,
    /// Label of each kind of refusal, at the index that [`Shard::refused`] takes.
    refusal_kinds: &'static [&'static str],
}

/// What others own and a scrape shows: the state of things at this moment.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Number of the running snapshot: 1, 2, ….
    pub config_generation: u64,
    /// Digest of the running configuration, as the ledger records it with each generation.
    pub config_digest: String,
    /// Whether the latest attempt to reload succeeded.
    pub reload_ok: bool,
    /// Unix time when the process started.
    pub started: Duration,
    /// Time since then, by a clock that nobody sets.
    pub uptime: Duration,
    /// Client connections open.
    pub connections_open: u64,
    /// Requests that have begun and not ended.
    pub requests_in_flight: u64,
    /// Kept connections to providers that wait for a request.
    pub upstream_connections_idle: u64,
    /// Answers in the memory of the response cache, and their bytes.
    pub response_cache: (u64, u64),
    /// The journal, as it says itself.
    pub journal: journal::Stats,
    /// Whether the ledger cannot be written at present.
    pub ledger_behind: bool,
    /// Endpoints that have had a request.
    pub endpoints: Vec<EndpointGauges>,
}

/// The state of one endpoint.
#[derive(Debug, Clone, Default)]
pub struct EndpointGauges {
    /// Slug of the model.
    pub model: Box<str>,
    /// Tag of the endpoint.
    pub tag: Box<str>,
    /// Attempts under way.
    pub in_flight: u32,
    /// Share of the requests of the last five minutes that were served, from 0 to 1; `None`: there were none.
    pub uptime: Option<f64>,
    /// `closed`, `half_open` or `open`.
    pub breaker: &'static str,
    /// Whether it is tried after all others.
    pub is_resting: bool,
    /// How long it asked to be left alone from now on.
    pub cooldown: Duration,
}

impl Metrics {
    /// Counters for so many threads. `refusal_kinds` names what [`Shard::refused`] counts.
    pub fn new(threads: usize, refusal_kinds: &'static [&'static str]) -> Arc<Metrics> {
        let shards = (0..threads)
            .map(|_| Arc::new(Shard::new(refusal_kinds.len())))
            .collect();
        Arc::new(Metrics {
            shards,
            slots: slots::Slots::new(),
            refusal_kinds,
        })
    }

    /// The shard of a thread. Only that thread may count into it: counts of two writers would overwrite each other.
    ///
    /// # Panics
    /// When `thread` is not below the number given to [`Metrics::new`].
    pub fn shard(&self, thread: usize) -> Arc<Shard> {
        Arc::clone(&self.shards[thread])
    }

    /// The number of a model and a provider, the same one for the life of the process. Takes a lock: for the building
    /// of snapshots. Past [`SLOTS_MAX`] different pairs all new ones share the slot whose labels are `_other`.
    pub fn slot(&self, model: &str, provider: &str) -> Slot {
        self.slots.intern(model, provider)
    }

    /// OpenMetrics text of everything, ending with its end mark. Slots that never counted are left out.
    pub fn render(&self, gauges: &Gauges) -> String {
        render::render(
            &self.shards,
            &self.slots.names(),
            self.refusal_kinds,
            gauges,
        )
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a checker fails by panicking")]
mod tests;
