//! When an endpoint is left alone: its breaker, what it asked for itself, and the traffic that it is known to bear.
//!
//! An endpoint that *rests* is not out: it stands behind all others, and is still tried when nothing else is left. So a wrong guess here
//! costs a client nothing but the better order.
//!
//! - **Breaker.** It opens after `failures` failures in a row, or when its share of failures is far above that of the model's other
//!   endpoints (the registry sees those). It stays open for `open`; then one request at a time goes through as a probe (*half open*). A
//!   served one closes it; a failed one opens it again for twice the time, up to `open_max`. What fails while it is open had begun
//!   before or was a last resort: that says nothing new and does not count. Where the gateway asks by itself (see `probes`), a failed probe
//!   counts at any time, so that clients' requests are let through only when no probe finds out in time.
//! - **Cooldown.** A provider that says when to come back (Retry-After, at most ten minutes of it) is taken by its word. What a 429 says is
//!   about a key (see `credential`): the endpoint cools when no key of its provider is left that does not.
//! - **Cap.** Where 429s begin is learnt as a number of requests in flight: at a 429 the cap becomes 85 % of what was in flight, and grows by one
//!   for each round of requests that it is used up by without another. (Additive increase, multiplicative decrease, as TCP shares a line;
//!   a bound on requests in flight also holds a rate, since each takes its time.) Forgotten ten minutes after the last 429.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock::Moment;

/// How the configuration wants it; zero switches each off. All endpoints share one, and a swap writes to it.
#[derive(Debug)]
pub(crate) struct Tuning {
    pub(super) outage_ms: AtomicU64,
    pub(super) failures: AtomicU32,
    pub(super) open_ms: AtomicU64,
    pub(super) open_max_ms: AtomicU64,
    pub(super) cooldown_max_ms: AtomicU64,
}

impl Default for Tuning {
    /// The defaults of the configuration.
    fn default() -> Self {
        Tuning {
            outage_ms: AtomicU64::new(30_000),
            failures: AtomicU32::new(5),
            open_ms: AtomicU64::new(30_000),
            open_max_ms: AtomicU64::new(300_000),
            cooldown_max_ms: AtomicU64::new(600_000),
        }
    }
}

/// A probe that has not ended after this time is given up as one; the next may go.
const PROBE_MS: u64 = 60_000;
/// The cap is kept in sixteenths, so that it can grow by less than one.
const CAP_ONE: u32 = 16;
/// A cap is forgotten so long after the last 429.
const CAP_MS: u64 = 600_000;
/// The cap is cut once in this time: the 429s of one burst are one sign.
const CUT_MS: u64 = 1000;

/// Moments are in milliseconds; zero is never.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Failures since the last success.
    streak: AtomicU32,
    /// Until when the breaker is open; zero: it is closed.
    open_until: AtomicU64,
    opened_at: AtomicU64,
    /// How often it opened since it was last closed.
    openings: AtomicU32,
    /// Since when a probe is under way; zero: none is.
    probe_since: AtomicU64,
    /// When it was last closed: older failures do not open it again.
    closed_at: AtomicU64,
    cooldown_until: AtomicU64,
    cooldown_set: AtomicU64,
    /// Requests in flight that it bears, in sixteenths; zero: not known.
    cap: AtomicU32,
    cut_at: AtomicU64,
}

/// The state of a breaker, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Breaker {
    #[default]
    Closed,
    HalfOpen,
    Open,
}

impl Breaker {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Breaker::Closed => "closed",
            Breaker::HalfOpen => "half_open",
            Breaker::Open => "open",
        }
    }
}

impl Rest {
    /// Whether it is to be left alone.
    pub(super) fn is_resting(&self, in_flight: u32, now: Moment) -> bool {
        self.is_cooling(now) || self.is_barred(now) || self.is_full(in_flight, now)
    }

    fn is_cooling(&self, now: Moment) -> bool {
        self.cooldown_until.load(Ordering::Relaxed) > now.ms()
    }

    /// Open, or half open and somebody is probing already.
    fn is_barred(&self, now: Moment) -> bool {
        let open_until = self.open_until.load(Ordering::Relaxed);
        open_until != 0 && (open_until > now.ms() || self.is_probed(now))
    }

    fn is_probed(&self, now: Moment) -> bool {
        let since = self.probe_since.load(Ordering::Relaxed);
        since != 0 && since + PROBE_MS > now.ms()
    }

    /// Whether it has as many requests in flight as it is known to bear.
    pub(super) fn is_full(&self, in_flight: u32, now: Moment) -> bool {
        self.cap(now).is_some_and(|cap| in_flight >= cap)
    }

    /// The learnt cap; `None`: there is none.
    pub(super) fn cap(&self, now: Moment) -> Option<u32> {
        let cap = self.cap.load(Ordering::Relaxed);
        (cap > 0 && self.cut_at.load(Ordering::Relaxed) + CAP_MS > now.ms())
            .then_some((cap / CAP_ONE).max(1))
    }

    pub(super) fn breaker(&self, now: Moment) -> Breaker {
        match self.open_until.load(Ordering::Relaxed) {
            0 => Breaker::Closed,
            until if until > now.ms() => Breaker::Open,
            _ => Breaker::HalfOpen,
        }
    }

    /// Milliseconds until it may be asked again by its own word; zero: now.
    pub(super) fn cooldown_ms(&self, now: Moment) -> u64 {
        self.cooldown_until
            .load(Ordering::Relaxed)
            .saturating_sub(now.ms())
    }

    /// A request begins. Where the breaker is half open it is the probe.
    pub(super) fn begin(&self, now: Moment) {
        if self.open_until.load(Ordering::Relaxed) != 0 && !self.is_barred(now) {
            self.probe_since.store(now.ms(), Ordering::Relaxed);
        }
    }

    /// A probe of the gateway's own begins: until it ends, at most [`PROBE_MS`], nobody else finds out whether the endpoint is back.
    pub(super) fn begin_probe(&self, now: Moment) {
        if self.open_until.load(Ordering::Relaxed) != 0 {
            self.probe_since.store(now.ms(), Ordering::Relaxed);
        }
    }

    /// Since when the breaker is open (or half open) and until when; `None`: it is closed.
    pub(super) fn open(&self) -> Option<(u64, u64)> {
        let until = self.open_until.load(Ordering::Relaxed);
        (until != 0).then(|| (self.opened_at.load(Ordering::Relaxed), until))
    }

    /// A request was served; it had begun at `began`, when with itself so many were in flight.
    pub(super) fn served(&self, began: Moment, in_flight: u32, now: Moment) {
        // Nearly always zero already: a load is cheaper than a store that other threads' caches see.
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
        if self.open_until.load(Ordering::Relaxed) != 0 {
            self.close(now);
        }
        let cooldown = self.cooldown_until.load(Ordering::Relaxed);
        if cooldown != 0 && self.cooldown_set.load(Ordering::Relaxed) <= began.ms() {
            self.cooldown_until.store(0, Ordering::Relaxed);
        }
        let cap = self.cap.load(Ordering::Relaxed);
        if cap > 0 && in_flight.saturating_mul(CAP_ONE) >= cap {
            let more = (CAP_ONE * CAP_ONE / cap).max(1);
            self.cap.store(cap.saturating_add(more), Ordering::Relaxed);
        }
    }

    /// A request failed.
    pub(super) fn failed(&self, tuning: &Tuning, now: Moment) {
        let streak = self
            .streak
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        let failures = tuning.failures.load(Ordering::Relaxed);
        match self.breaker(now) {
            Breaker::Closed if failures > 0 && streak >= failures => self.trip(tuning, now),
            Breaker::HalfOpen => self.trip(tuning, now),
            Breaker::Closed | Breaker::Open => {}
        }
    }

    /// A probe of the gateway's own failed: an open breaker stays open for longer.
    pub(super) fn probe_failed(&self, tuning: &Tuning, now: Moment) {
        match self.breaker(now) {
            Breaker::Open => self.trip(tuning, now),
            Breaker::Closed | Breaker::HalfOpen => self.failed(tuning, now),
        }
    }

    /// A request ended in a way that says nothing about the endpoint.
    pub(super) fn nothing_learnt(&self) {
        if self.probe_since.load(Ordering::Relaxed) != 0 {
            self.probe_since.store(0, Ordering::Relaxed);
        }
    }

    /// Opens the breaker, for longer each time.
    pub(super) fn trip(&self, tuning: &Tuning, now: Moment) {
        let openings = self.openings.fetch_add(1, Ordering::Relaxed).min(16);
        let open_ms = tuning.open_ms.load(Ordering::Relaxed).max(1) << openings;
        let open_ms = open_ms.min(tuning.open_max_ms.load(Ordering::Relaxed).max(1));
        self.probe_since.store(0, Ordering::Relaxed);
        self.opened_at.store(now.ms(), Ordering::Relaxed);
        self.open_until.store(now.ms() + open_ms, Ordering::Relaxed);
    }

    /// Closes the breaker.
    pub(super) fn close(&self, now: Moment) {
        self.streak.store(0, Ordering::Relaxed);
        self.openings.store(0, Ordering::Relaxed);
        self.probe_since.store(0, Ordering::Relaxed);
        self.closed_at.store(now.ms(), Ordering::Relaxed);
        self.open_until.store(0, Ordering::Relaxed);
    }

    /// Whether failures of the last `window_ms` can all be laid to its present state.
    pub(super) fn is_judged_by(&self, window_ms: u64, now: Moment) -> bool {
        self.open_until.load(Ordering::Relaxed) == 0
            && self.closed_at.load(Ordering::Relaxed) + window_ms <= now.ms()
    }

    /// It said that it is asked too much, with so many requests in flight.
    pub(super) fn limited(&self, in_flight: u32, now: Moment) {
        self.nothing_learnt();
        let cut_at = self.cut_at.load(Ordering::Relaxed);
        if cut_at + CUT_MS > now.ms() {
            return;
        }
        let known = match self.cap(now) {
            // What is in flight beyond the cap is there as a last resort.
            Some(_) => self
                .cap
                .load(Ordering::Relaxed)
                .min(in_flight.saturating_mul(CAP_ONE)),
            None => in_flight.saturating_mul(CAP_ONE),
        };
        let cap = (u64::from(known) * 85 / 100) as u32;
        self.cap.store(cap.max(CAP_ONE), Ordering::Relaxed);
        self.cut_at.store(now.ms(), Ordering::Relaxed);
    }

    /// It is to be left alone for this time.
    pub(super) fn cool(&self, tuning: &Tuning, for_ms: u64, now: Moment) {
        let for_ms = for_ms.min(tuning.cooldown_max_ms.load(Ordering::Relaxed));
        if for_ms > 0 {
            self.cooldown_set.store(now.ms(), Ordering::Relaxed);
            self.cooldown_until
                .fetch_max(now.ms() + for_ms, Ordering::Relaxed);
        }
    }

    /// What is stored of it: until when it rests, how often its breaker opened.
    pub(super) fn stored(&self) -> (u64, u64, u32) {
        (
            self.cooldown_until.load(Ordering::Relaxed),
            self.open_until.load(Ordering::Relaxed),
            self.openings.load(Ordering::Relaxed),
        )
    }

    /// Puts it back, nothing further ahead than the configuration allows.
    pub(super) fn restore(&self, stored: (u64, u64, u32), tuning: &Tuning, now: Moment) {
        let (cooldown_until, open_until, openings) = stored;
        let latest = |max: &AtomicU64| now.ms() + max.load(Ordering::Relaxed);
        self.cooldown_until.store(
            cooldown_until.min(latest(&tuning.cooldown_max_ms)),
            Ordering::Relaxed,
        );
        if tuning.failures.load(Ordering::Relaxed) > 0 {
            self.open_until.store(
                open_until.min(latest(&tuning.open_max_ms)),
                Ordering::Relaxed,
            );
            self.openings.store(openings, Ordering::Relaxed);
        }
    }
}
