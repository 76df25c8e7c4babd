//! What one thread counts into.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::slots::{SLOTS_MAX, Slot};

/// Slots whose memory is made together: a configuration of one provider's models costs one or two chunks of 17 KB.
const CHUNK_SLOTS: usize = 32;

/// HTTP statuses that are counted by themselves: those that the gateway sends and those that providers are known to
/// send. All others are one label, so that a provider cannot invent labels.
pub(super) const STATUSES: [u16; 17] = [
    200, 400, 401, 402, 403, 404, 408, 413, 422, 424, 429, 499, 500, 502, 503, 504, 529,
];
/// Label of each counted status; the last is for all others.
pub(super) const STATUS_LABELS: [&str; STATUSES.len() + 1] = [
    "200", "400", "401", "402", "403", "404", "408", "413", "422", "424", "429", "499", "500",
    "502", "503", "504", "529", "other",
];

/// Upper bounds in microseconds of the buckets for durations that a client sees: 1 ms to 300 s, closest where answers
/// usually fall.
pub(super) const DURATION_BOUNDS_US: [u64; 16] = [
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

/// Upper bounds in microseconds of the buckets for what the gateway itself adds: 10 µs to 1 s.
pub(super) const OVERHEAD_BOUNDS_US: [u64; 14] = [
    10, 20, 30, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 200_000, 1_000_000,
];

/// One finished generation, as the ledger books it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observation {
    /// HTTP status that the client was sent; 499 when it left before one was.
    pub status: u16,
    /// Whether it was streamed.
    pub streamed: bool,
    /// Whether the client went away before the end.
    pub cancelled: bool,
    /// Time to the first byte of the answer, in microseconds; 0: there was none, and none is counted.
    pub ttft_us: u64,
    /// From the head read to the end.
    pub total_us: u64,
    /// Part of `total_us` not spent waiting for the provider or the client.
    pub overhead_us: u64,
    /// Tokens of the prompt, cached ones included.
    pub tokens_prompt: u64,
    /// Tokens generated.
    pub tokens_completion: u64,
    /// Tokens of the prompt that the provider had cached.
    pub tokens_cached: u64,
    /// Nano-dollars charged.
    pub cost_nano: u64,
}

/// How one attempt at an endpoint ended. The labels are those of the ledger's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It served.
    Ok,
    /// No connection came about.
    Connect,
    /// The first byte or the next one came too late.
    Timeout,
    /// The provider answered with an error status.
    Status,
    /// The answer had no body.
    Empty,
    /// The answer was not what the dialect says.
    Malformed,
    /// The connection ended too early.
    Closed,
    /// The client left meanwhile.
    Cancelled,
}

impl Outcome {
    /// The word in the ledger and in metrics.
    pub const fn name(self) -> &'static str {
        OUTCOMES[self as usize]
    }
}

/// Label of each outcome, in the order of the variants.
pub(super) const OUTCOMES: [&str; 8] = [
    "ok",
    "connect",
    "timeout",
    "status",
    "empty",
    "malformed",
    "closed",
    "cancelled",
];

/// Events that carry no labels of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Counter {
    /// A client connection was accepted.
    ConnectionAccepted,
    /// A client connection was closed at once because of the limit on connections.
    ConnectionRefused,
    /// A client's TLS handshake failed.
    TlsHandshakeFailed,
    /// A request was read that is not well-formed HTTP.
    RequestMalformed,
    /// A request was handed to the control side.
    ControlRequest,
    /// A new connection to a provider was made.
    UpstreamConnected,
    /// A kept connection to a provider was used again.
    UpstreamReused,
    /// A kept connection turned out to be closed by the provider, and the request was sent again on another.
    StaleRetry,
    /// A request that asked for the response cache was answered from it.
    ResponseCacheHit,
    /// A request that asked for the response cache was served by a provider.
    ResponseCacheMiss,
    /// The response cache's server could not be used.
    CacheServerFailed,
    /// A second try at a provider was not made, because those fail too often.
    RetryDenied,
    /// A probe was served.
    ProbeServed,
    /// A probe failed.
    ProbeFailed,
    /// A probe was told to come back later.
    ProbeLimited,
    /// A probe ended in a way that says nothing about the endpoint.
    ProbeUnclear,
    /// The judge of the auto router answered.
    JudgeAnswered,
    /// It had answered the same question before.
    JudgeRemembered,
    /// It did not answer in time.
    JudgeLate,
    /// It failed, or could not be asked.
    JudgeFailed,
    /// It answered something else.
    JudgeNonsense,
    /// It was left alone, because it had failed.
    JudgeResting,
    /// It was not asked, because the conversation stays with its model.
    JudgeSettled,
    /// A second attempt was made beside a slow one.
    HedgeMade,
    /// It was the one that served.
    HedgeWon,
    /// It was due and not made, because too many are.
    HedgeDenied,
    /// A task panicked and its connection was closed.
    Panicked,
}

/// Variants of [`Counter`].
pub(super) const COUNTERS: usize = Counter::Panicked as usize + 1;

/// The counters of one thread. Counting never waits, and allocates only when a slot's chunk is new to this thread.
#[derive(Debug)]
pub struct Shard {
    chunks: Box<[OnceLock<Box<[Cells]>>]>,
    pub(super) overhead: Histogram<{ OVERHEAD_BOUNDS_US.len() }>,
    pub(super) refused: Box<[AtomicU64]>,
    pub(super) counters: [AtomicU64; COUNTERS],
}

/// What is counted for each model and provider.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) statuses: [AtomicU64; STATUS_LABELS.len()],
    pub(super) streamed: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) tokens_prompt: AtomicU64,
    pub(super) tokens_completion: AtomicU64,
    pub(super) tokens_cached: AtomicU64,
    pub(super) cost_nano: AtomicU64,
    pub(super) outcomes: [AtomicU64; OUTCOMES.len()],
    pub(super) duration: Histogram<{ DURATION_BOUNDS_US.len() }>,
    pub(super) ttft: Histogram<{ DURATION_BOUNDS_US.len() }>,
}

/// Counts by bucket; bounds are the caller's, so that they are not stored once for each slot.
#[derive(Debug)]
pub(super) struct Histogram<const BOUNDS: usize> {
    pub(super) buckets: [AtomicU64; BOUNDS],
    /// Above the last bound.
    pub(super) beyond: AtomicU64,
    pub(super) sum_us: AtomicU64,
}

impl Shard {
    pub(super) fn new(refusal_kinds: usize) -> Shard {
        Shard {
            chunks: (0..SLOTS_MAX.div_ceil(CHUNK_SLOTS))
                .map(|_| OnceLock::new())
                .collect(),
            overhead: Histogram::default(),
            refused: (0..refusal_kinds).map(|_| AtomicU64::new(0)).collect(),
            counters: Default::default(),
        }
    }

    /// Counts a finished generation, whether it succeeded or not: some 120 instructions (callgrind, release build).
    pub fn generation(&self, slot: Slot, seen: &Observation) {
        let cells = self.cells(slot);
        add(&cells.statuses[status_index(seen.status)], 1);
        add(&cells.streamed, u64::from(seen.streamed));
        add(&cells.cancelled, u64::from(seen.cancelled));
        cells.consumed(seen);
        cells.duration.observe(&DURATION_BOUNDS_US, seen.total_us);
        if seen.ttft_us > 0 {
            cells.ttft.observe(&DURATION_BOUNDS_US, seen.ttft_us);
        }
        self.overhead.observe(&OVERHEAD_BOUNDS_US, seen.overhead_us);
    }

    /// Counts what a request of the gateway's own has used: it is money like any other, and no request of a client's.
    pub fn own(&self, slot: Slot, seen: &Observation) {
        self.cells(slot).consumed(seen);
    }

    /// Counts one attempt at an endpoint.
    pub fn attempt(&self, slot: Slot, outcome: Outcome) {
        add(&self.cells(slot).outcomes[outcome as usize], 1);
    }

    /// Counts a refusal by the index of its kind. An index without a name is not counted.
    pub fn refused(&self, kind: usize) {
        if let Some(cell) = self.refused.get(kind) {
            add(cell, 1);
        }
    }

    /// Counts an event.
    #[inline]
    pub fn count(&self, event: Counter) {
        add(&self.counters[event as usize], 1);
    }

    fn cells(&self, slot: Slot) -> &Cells {
        let index = slot.index();
        let chunk = self.chunks[index / CHUNK_SLOTS]
            .get_or_init(|| (0..CHUNK_SLOTS).map(|_| Cells::default()).collect());
        &chunk[index % CHUNK_SLOTS]
    }

    /// The cells of a slot, if this thread has counted for its chunk.
    pub(super) fn counted(&self, index: usize) -> Option<&Cells> {
        self.chunks
            .get(index / CHUNK_SLOTS)?
            .get()?
            .get(index % CHUNK_SLOTS)
    }
}

impl Cells {
    #[inline]
    fn consumed(&self, seen: &Observation) {
        add(&self.tokens_prompt, seen.tokens_prompt);
        add(&self.tokens_completion, seen.tokens_completion);
        add(&self.tokens_cached, seen.tokens_cached);
        add(&self.cost_nano, seen.cost_nano);
    }
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    #[inline]
    fn observe(&self, bounds: &[u64; BOUNDS], value_us: u64) {
        let bucket = bounds.partition_point(|bound| *bound < value_us);
        add(self.buckets.get(bucket).unwrap_or(&self.beyond), 1);
        add(&self.sum_us, value_us);
    }
}

impl<const BOUNDS: usize> Default for Histogram<BOUNDS> {
    fn default() -> Self {
        Histogram {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            beyond: AtomicU64::new(0),
            sum_us: AtomicU64::new(0),
        }
    }
}

fn status_index(status: u16) -> usize {
    // By far the most frequent one first; the others are found among a few.
    if status == STATUSES[0] {
        0
    } else {
        STATUSES.binary_search(&status).unwrap_or(STATUSES.len())
    }
}

/// Adds to a counter that only this thread writes. It wraps after 2^64, which no count here reaches.
#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(amount),
        Ordering::Relaxed,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_statuses_are_the_statuses() {
        assert!(STATUSES.is_sorted());
        for (status, label) in STATUSES.iter().zip(STATUS_LABELS) {
            assert_eq!(status.to_string(), label);
            assert_eq!(STATUS_LABELS[status_index(*status)], label);
        }
        for other in [0, 199, 201, 418, 599, u16::MAX] {
            assert_eq!(STATUS_LABELS[status_index(other)], "other");
        }
    }

    #[test]
    fn a_value_on_a_bound_belongs_below_it() {
        let histogram = Histogram::default();
        for value in [0, 10, 11, 1_000_000, 1_000_001] {
            histogram.observe(&OVERHEAD_BOUNDS_US, value);
        }
        let counts: Vec<u64> = histogram
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(histogram.beyond.load(Ordering::Relaxed), 1);
        assert_eq!(histogram.sum_us.load(Ordering::Relaxed), 2_000_022);
    }

    #[test]
    fn bounds_rise() {
        assert!(DURATION_BOUNDS_US.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(OVERHEAD_BOUNDS_US.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_slot_costs_what_the_documentation_says() {
        assert_eq!(size_of::<Cells>(), 544);
    }

    #[test]
    fn an_unknown_refusal_is_not_counted_and_does_no_harm() {
        let shard = Shard::new(2);
        shard.refused(1);
        shard.refused(2);
        let counts: Vec<u64> = shard
            .refused
            .iter()
            .map(|cell| cell.load(Ordering::Relaxed))
            .collect();
        assert_eq!(counts, [0, 1]);
    }
}
