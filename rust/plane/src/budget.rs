//! How many second tries a provider is sent, so that they cannot multiply an outage.
//!
//! A try at a provider after another attempt of the same request failed takes a token from that provider's bucket; if it succeeds, it
//! gives it back. So a healthy provider takes over for another without any limit, and one that fails sees few more requests than it would
//! without fallback: so many a second, and a share of all requests. Without a token the provider is passed over for this request. This
//! is the retry throttling of gRPC (proposal A6) with the share counted over the whole gateway.
//!
//! One bucket per provider for the whole process, behind one lock: it is taken only for second tries, for some additions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;

use crate::clock::Moment;
use crate::snapshot::written::Retries;

/// A bucket holds what comes in over so many seconds; a burst may use it at once.
const BURST_S: u64 = 10;

/// The buckets by provider. Lives as long as the process; as many as there are providers.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    /// Requests so far.
    requests: AtomicU64,
    table: Mutex<HashMap<Box<str>, Bucket, foldhash::fast::RandomState>>,
}

impl Budgets {
    /// A request comes in.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a token for a second try at this provider. False: there is none.
    pub(crate) fn take(&self, provider: &str, rules: &Retries, now: Moment) -> bool {
        let requests = self.requests.load(Ordering::Relaxed);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = match table.get_mut(provider) {
            Some(bucket) => bucket,
            None => table
                .entry(provider.into())
                .or_insert(Bucket::full(rules, now.ms(), requests)),
        };
        bucket.take(rules, now.ms(), requests)
    }

    /// Gives a token back: the try succeeded.
    pub(crate) fn give_back(&self, provider: &str, rules: &Retries) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = table.get_mut(provider) {
            bucket.add(rules, 1000);
        }
    }
}

/// Of one provider.
#[derive(Debug)]
struct Bucket {
    /// Thousandths of a token.
    milli: u64,
    /// Up to when it has been filled.
    filled_ms: u64,
    /// Up to which request.
    requests: u64,
}

impl Bucket {
    fn full(rules: &Retries, now_ms: u64, requests: u64) -> Bucket {
        Bucket {
            milli: capacity(rules),
            filled_ms: now_ms,
            requests,
        }
    }

    fn take(&mut self, rules: &Retries, now_ms: u64, requests: u64) -> bool {
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        let by_time = passed_ms.saturating_mul(u64::from(rules.per_second));
        let came = requests.saturating_sub(self.requests);
        let by_requests = came.saturating_mul(u64::from(rules.percent) * 10);
        self.filled_ms = self.filled_ms.max(now_ms);
        self.requests = requests;
        self.add(rules, by_time.saturating_add(by_requests));
        let has = self.milli >= 1000;
        if has {
            self.milli -= 1000;
        }
        has
    }

    fn add(&mut self, rules: &Retries, milli: u64) {
        self.milli = self.milli.saturating_add(milli).min(capacity(rules));
    }
}

/// Thousandths of a token that fit. Without a rate, one token must fit all the same, so that a share can add up to it.
fn capacity(rules: &Retries) -> u64 {
    (u64::from(rules.per_second) * BURST_S).max(BURST_S) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Retries = Retries {
        percent: 20,
        per_second: 2,
    };

    /// Tries that are let through of `tries`, one in each millisecond with one request each, after the burst is used up.
    fn let_through(rules: &Retries, tries: u64) -> u64 {
        let mut bucket = Bucket::full(rules, 0, 0);
        while bucket.take(rules, 0, 0) {}
        (1..=tries)
            .filter(|at| bucket.take(rules, *at, *at))
            .count() as u64
    }

    #[test]
    fn a_failing_provider_sees_a_share_of_the_requests_and_so_many_a_second() {
        // Ten seconds at a thousand requests a second: a fifth of them, and two a second.
        assert_eq!(let_through(&RULES, 10_000), 2_020);
        let none = Retries {
            percent: 0,
            per_second: 0,
        };
        assert_eq!(let_through(&none, 10_000), 0);
    }

    #[test]
    fn a_burst_is_ten_seconds_worth() {
        let mut bucket = Bucket::full(&RULES, 0, 0);
        assert_eq!((0..100).filter(|_| bucket.take(&RULES, 0, 0)).count(), 20);
    }

    #[test]
    fn what_succeeds_costs_nothing() {
        let budgets = Budgets::default();
        let now = Moment::now();
        for _ in 0..1000 {
            assert!(budgets.take("p", &RULES, now));
            budgets.give_back("p", &RULES);
        }
        assert!((0..20).all(|_| budgets.take("p", &RULES, now)));
        assert!(!budgets.take("p", &RULES, now));
        // Each provider has its own.
        assert!(budgets.take("q", &RULES, now));
        // Five requests are one token.
        (0..5).for_each(|_| budgets.request());
        assert!(budgets.take("p", &RULES, now));
        assert!(!budgets.take("p", &RULES, now));
    }
}
