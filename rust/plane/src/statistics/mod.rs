//! What is known of each endpoint from its recent requests: is it up, how fast, how busy.
//!
//! One [`Statistics`] per model and endpoint, the same one across swaps of the configuration. Threads write to it without a lock; routing
//! reads it through [`Statistics::look`], which is a few loads of atomics.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

/// All of them, by model and endpoint. Lives as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    table: Mutex<HashMap<Name, Arc<Statistics>, foldhash::fast::RandomState>>,
}

/// Slug of the model, tag of the endpoint.
type Name = (Box<str>, Box<str>);

impl Registry {
    /// The statistics of an endpoint. Takes a lock: for the building of snapshots.
    pub(crate) fn of(&self, model: &str, tag: &str) -> Arc<Statistics> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.entry((model.into(), tag.into())).or_default())
    }
}

/// Of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    in_flight: AtomicU32,
}

/// What routing sees of an endpoint at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Look {
    /// Requests that it is serving now.
    pub(crate) in_flight: u32,
    /// It failed within the last `outage_ms` (checklist R02).
    pub(crate) is_failing: bool,
    /// It asked to be left alone, or its breaker is open: it is tried only when nothing else is left.
    pub(crate) is_resting: bool,
    /// By openrouter.md section 3.4.
    pub(crate) uptime: Uptime,
    /// Time to the first token in the last five minutes, microseconds; p50, p75, p90, p99. `None`: too few requests.
    pub(crate) ttft_us: Option<[u32; 4]>,
    /// Output tokens per 1000 seconds in the last five minutes; p50, p75, p90, p99 of the requests, each the speed that so many *reach
    /// at least*. `None`: too few requests.
    pub(crate) speed: Option<[u32; 4]>,
    /// Requests in the last thirty minutes.
    pub(crate) requests: u32,
    /// Answers in the last two hours that called tools, and how many of them called one wrongly.
    pub(crate) tool_answers: u32,
    pub(crate) tool_errors: u32,
    /// Of a thousand requests in the last five minutes, how many were told to come back later (429), and how many failed.
    pub(crate) limited_permille: u16,
    pub(crate) failed_permille: u16,
}

/// How reliable an endpoint has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Uptime {
    /// 95 % and more, or not known.
    #[default]
    Normal,
    /// 80 to 94 %: behind the normal ones.
    Lower,
    /// Below 80 %: only as a fallback.
    Fallback,
}

impl Statistics {
    /// What routing sees now.
    pub(crate) fn look(&self) -> Look {
        Look {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            ..Look::default()
        }
    }
}
