//! How many second tries a provider is sent, so that they cannot multiply an outage.
//!
//! A try at a provider after another attempt of the same request failed costs a token of that provider's bucket when it fails, and nothing
//! when it succeeds. Without a token the provider is passed over for this request. So a healthy provider takes over for another without
//! any limit, however many of its answers are on their way at once, and one that fails sees few more requests than without fallback. This
//! is the retry throttling of gRPC (proposal A6). Tries that are on their way when the first ones fail are paid for afterwards: a bucket can
//! be in debt by as much as it holds.
//!
//! Tokens come by time and as a share of all requests. The share is one for all providers that fail, and is divided among them: in an
//! outage of everybody all second tries together are that share of the requests, and not that share for each provider.
//!
//! Hedges ([`crate::hedge`]) have a bucket of their own, of a share of all requests.
//!
//! One bucket for each provider that has failed, for the whole process, behind one lock: it is taken only for second tries, for some
//! additions.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use crate::clock::Moment;
use crate::lock::lock;
use crate::snapshot::written::Retries;

/// A bucket holds what comes in over so many seconds; a burst may use it at once.
const BURST_S: u64 = 10;

/// The buckets by provider. Lives as long as the process; as many as there are providers that have failed.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    /// Requests so far.
    requests: AtomicU64,
    table: Mutex<Table>,
    /// Of hedges, whoever they ask; made by the first.
    hedges: Mutex<Option<Bucket>>,
}

impl Budgets {
    /// A request comes in.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there is a token for a second try at this provider.
    pub(crate) fn has(&self, provider: &str, rules: &Retries, now: Moment) -> bool {
        let requests = self.requests.load(Ordering::Relaxed);
        let mut table = lock(&self.table);
        // Nearly always: it has not failed yet, or has got everything back since.
        if (table.get(provider)).is_none_or(|bucket| bucket.milli >= capacity(rules)) {
            return true;
        }
        let sharers = sharers(&table, now);
        let bucket = table.get_mut(provider);
        bucket.is_none_or(|bucket| bucket.has(rules, now.ms(), requests, sharers))
    }

    /// A second try failed.
    pub(crate) fn spend(&self, provider: &str, rules: &Retries, now: Moment) {
        let requests = self.requests.load(Ordering::Relaxed);
        let mut table = lock(&self.table);
        let sharers = sharers(&table, now).max(1);
        let bucket = match table.get_mut(provider) {
            Some(bucket) => bucket,
            None => table
                .entry(provider.into())
                .or_insert(Bucket::full(rules, now.ms(), requests)),
        };
        bucket.fill(rules, now.ms(), requests, sharers);
        bucket.spend(rules, now.ms());
    }

    /// Takes a token for a hedge, of which there may be a share of all requests. False: there is none.
    pub(crate) fn take_hedge(&self, percent: u32, now: Moment) -> bool {
        if percent == 0 {
            return false;
        }
        let rules = Retries {
            percent,
            per_second: 0,
        };
        let requests = self.requests.load(Ordering::Relaxed);
        let mut hedges = lock(&self.hedges);
        let bucket = hedges.get_or_insert_with(|| Bucket::full(&rules, now.ms(), requests));
        let has = bucket.has(&rules, now.ms(), requests, 1);
        if has {
            bucket.spend(&rules, now.ms());
        }
        has
    }
}

type Table = HashMap<Box<str>, Bucket, foldhash::fast::RandomState>;

/// How many providers failed a second try of late, and share what there is.
fn sharers(table: &Table, now: Moment) -> u64 {
    let recent = |bucket: &&Bucket| now.ms() < bucket.spent_ms.saturating_add(BURST_S * 1000);
    table.values().filter(recent).count().max(1) as u64
}

/// Of one provider.
#[derive(Debug)]
struct Bucket {
    /// Thousandths of a token. Below zero: what failed before it was known that the provider fails.
    milli: i64,
    /// Up to when it has been filled.
    filled_ms: u64,
    /// Up to which request.
    requests: u64,
    /// When it last paid for a failure.
    spent_ms: u64,
}

impl Bucket {
    fn full(rules: &Retries, now_ms: u64, requests: u64) -> Bucket {
        Bucket {
            milli: capacity(rules),
            filled_ms: now_ms,
            requests,
            spent_ms: now_ms,
        }
    }

    fn has(&mut self, rules: &Retries, now_ms: u64, requests: u64, sharers: u64) -> bool {
        self.fill(rules, now_ms, requests, sharers);
        self.milli >= 1000
    }

    fn spend(&mut self, rules: &Retries, now_ms: u64) {
        self.milli = (self.milli - 1000).max(-capacity(rules));
        self.spent_ms = now_ms;
    }

    fn fill(&mut self, rules: &Retries, now_ms: u64, requests: u64, sharers: u64) {
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        let by_time = passed_ms.saturating_mul(u64::from(rules.per_second));
        let came = requests.saturating_sub(self.requests);
        let by_requests = came.saturating_mul(u64::from(rules.percent) * 10) / sharers;
        // Less than a thousandth waits until it has come to more.
        if by_time > 0 {
            self.filled_ms = now_ms;
        }
        if by_requests > 0 {
            self.requests = requests;
        }
        let more = i64::try_from(by_time.saturating_add(by_requests)).unwrap_or(i64::MAX);
        self.milli = self.milli.saturating_add(more).min(capacity(rules));
    }
}

/// Thousandths of a token that fit. Without a rate, one token must fit all the same, so that a share can add up to it.
fn capacity(rules: &Retries) -> i64 {
    let tokens = (u64::from(rules.per_second) * BURST_S).max(BURST_S);
    i64::try_from(tokens * 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Retries = Retries {
        percent: 20,
        per_second: 2,
    };

    /// Failing tries that are let through of `tries`, one in each millisecond with one request each, at each of `providers` in turn,
    /// after the burst is used up.
    fn let_through(rules: &Retries, tries: u64, providers: u64) -> u64 {
        let budgets = Budgets::default();
        let start = Moment::now();
        let at = |ms| Moment::of_ms(start.ms() + ms);
        let names: Vec<String> = (0..providers).map(|number| number.to_string()).collect();
        let ask = |name: &str, now| {
            let has = budgets.has(name, rules, now);
            if has {
                budgets.spend(name, rules, now);
            }
            has
        };
        for name in &names {
            while ask(name, start) {}
        }
        (1..=tries)
            .map(|ms| {
                budgets.request();
                names.iter().filter(|name| ask(name, at(ms))).count() as u64
            })
            .sum()
    }

    #[test]
    fn a_failing_provider_sees_a_share_of_the_requests_and_so_many_a_second() {
        // Ten seconds at a thousand requests a second: a fifth of them, and two a second.
        assert_eq!(let_through(&RULES, 10_000, 1), 2_020);
        let none = Retries {
            percent: 0,
            per_second: 0,
        };
        assert_eq!(let_through(&none, 10_000, 1), 0);
    }

    #[test]
    fn all_that_fail_share_the_share() {
        let found = let_through(&RULES, 10_000, 5);
        assert!((2_050..=2_100).contains(&found), "{found}");
    }

    #[test]
    fn hedges_are_a_share_of_the_requests_after_a_burst() {
        let budgets = Budgets::default();
        let now = Moment::now();
        assert!(!budgets.take_hedge(0, now));
        assert_eq!((0..20).filter(|_| budgets.take_hedge(5, now)).count(), 10);
        (0..19).for_each(|_| budgets.request());
        assert!(!budgets.take_hedge(5, now));
        budgets.request();
        assert!(budgets.take_hedge(5, now));
        // Those of providers are their own.
        assert!(budgets.has("p", &RULES, now));
    }

    #[test]
    fn a_burst_is_ten_seconds_worth() {
        let mut bucket = Bucket::full(&RULES, 0, 0);
        let burst = (0..100).filter(|_| {
            let has = bucket.has(&RULES, 0, 0, 1);
            bucket.spend(&RULES, 0);
            has
        });
        assert_eq!(burst.count(), 20);
    }

    #[test]
    fn what_succeeds_costs_nothing_and_what_fails_late_is_owed() {
        let budgets = Budgets::default();
        let now = Moment::now();
        let later = |ms| Moment::of_ms(now.ms() + ms);
        // On their way all at once.
        assert!((0..1000).all(|_| budgets.has("p", &RULES, now)));
        assert!((0..1000).all(|_| budgets.has("p", &RULES, now)));
        (0..1000).for_each(|_| budgets.spend("p", &RULES, now));
        assert!(!budgets.has("p", &RULES, now));
        // Each provider has its own.
        assert!(budgets.has("q", &RULES, now));
        // The debt is no more than what fits: twenty seconds at two a second are even, and then there is one.
        assert!(!budgets.has("p", &RULES, later(10_400)));
        assert!(budgets.has("p", &RULES, later(10_500)));
        // Five requests are one token.
        budgets.spend("p", &RULES, later(10_500));
        assert!(!budgets.has("p", &RULES, later(10_500)));
        (0..5).for_each(|_| budgets.request());
        assert!(budgets.has("p", &RULES, later(10_500)));
    }
}
