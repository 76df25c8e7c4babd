//! How often may be asked: a bucket for each key, and the two windows of free models.
//!
//! A key's limit is a bucket that holds as many requests as a minute may have, and fills up evenly (GCRA, one atomic). Free models are
//! limited as OpenRouter does it, by the minute and day of the clock, for the whole gateway: another key does not help.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use turnout_wire::refusal::{Kind, Rate, Refusal};

use crate::clock::{Instant, unix_ms};
use crate::snapshot::{Key, written};
use crate::thread::Thread;

use super::calendar::DAY_MS;

const MINUTE_MS: u64 = 60_000;
const MINUTE_NANOS: u64 = 60_000_000_000;

/// Dollars that must have been added to the credits for the higher limit of a day. OpenRouter's figure.
const HIGH_BALANCE_NANO: i64 = 10_000_000_000;

/// The bucket of a key: the time at which it will be full again, in nanoseconds since the start of the plane.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

impl Bucket {
    /// Takes one request out of a bucket of `per_minute`; how many are left, or how long until there is one.
    fn take(&self, per_minute: u32, now_nanos: u64) -> Result<u64, Duration> {
        let size = u64::from(per_minute.max(1));
        let each = MINUTE_NANOS / size;
        let mut full_at = self.0.load(Ordering::Relaxed);
        loop {
            let next = full_at.max(now_nanos) + each;
            let missing = next - now_nanos;
            if missing > size * each {
                return Err(Duration::from_nanos(missing - size * each));
            }
            match self
                .0
                .compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(size - missing.div_ceil(each)),
                Err(other) => full_at = other,
            }
        }
    }
}

/// Refuses a key that asks too often.
pub(crate) fn frequency(thread: &Thread, key: Option<&Key>) -> Result<(), Refusal> {
    let Some((key, per_minute)) = key.and_then(|key| Some((key, key.requests_per_minute?))) else {
        return Ok(());
    };
    let since = Instant::now().duration_since(thread.shared.started);
    let Err(wait) = key.meter.bucket.take(per_minute, since.as_nanos() as u64) else {
        return Ok(());
    };
    let rate = Rate {
        limit: u64::from(per_minute),
        remaining: 0,
        reset_ms: unix_ms() + wait.as_millis() as u64,
    };
    Err(Refusal::new(Kind::RateLimited)
        .with_message(format!(
            "Rate limit exceeded: the key {:?} may ask {per_minute} times a minute",
            key.name
        ))
        .with_rate(rate)
        .with_retry_after_secs(wait.as_secs_f64().ceil().max(1.0) as u64)
        .with_text("limit_source", "turnout_key_rate"))
}

/// Requests in a window of the clock: its number above, the count below.
#[derive(Debug, Default)]
struct Window(AtomicU64);

impl Window {
    const COUNT_BITS: u32 = 32;

    fn count(packed: u64, number: u64) -> u64 {
        match packed >> Self::COUNT_BITS == number {
            true => packed & u64::from(u32::MAX),
            false => 0,
        }
    }

    fn change(&self, number: u64, change: impl Fn(u64) -> Option<u64>) -> bool {
        let changed = |packed| {
            // A clock that was set back goes on in the window that it had reached.
            let number = number.max(packed >> Self::COUNT_BITS);
            let count = change(Self::count(packed, number))?.min(u64::from(u32::MAX));
            Some(number << Self::COUNT_BITS | count)
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed)
            .is_ok()
    }

    /// Counts one, unless there have been `max`.
    fn take(&self, number: u64, max: u32) -> bool {
        self.change(number, |count| {
            (count < u64::from(max)).then_some(count + 1)
        })
    }
}

/// Requests of free models.
#[derive(Debug, Default)]
pub(crate) struct Free {
    minute: Window,
    day: Window,
}

impl Free {
    /// Requests of this day.
    pub(crate) fn today(&self, now_ms: u64) -> u32 {
        Window::count(self.day.0.load(Ordering::Relaxed), now_ms / DAY_MS) as u32
    }

    /// Adds those of an earlier process.
    pub(super) fn add(&self, requests: u32, at_ms: u64) {
        self.day
            .change(at_ms / DAY_MS, |count| Some(count + u64::from(requests)));
    }

    /// Counts one, or refuses it. `credits`: what was ever added to the credits, where there are credits.
    pub(super) fn take(
        &self,
        limits: &written::Free,
        credits: Option<i64>,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let refused = |window_ms: u64, limit: u32, message: String| {
            let reset_ms = (now_ms / window_ms + 1) * window_ms;
            Refusal::new(Kind::RateLimited)
                .with_message(message)
                .with_rate(Rate {
                    limit: u64::from(limit),
                    remaining: 0,
                    reset_ms,
                })
                .with_retry_after_secs((reset_ms - now_ms).div_ceil(1000))
        };
        if let Some(max) = limits.per_minute
            && !self.minute.take(now_ms / MINUTE_MS, max)
        {
            let message = "Rate limit exceeded: free-models-per-min".to_owned();
            return Err(refused(MINUTE_MS, max, message)
                .with_text("limit_source", "openrouter_free_tier_minute"));
        }
        let high = credits.is_some_and(|credits| credits >= HIGH_BALANCE_NANO);
        let more = limits.per_day_with_credits;
        let max = match (high, more) {
            (true, Some(more)) => Some(more),
            _ => limits.per_day,
        };
        if let Some(max) = max
            && !self.day.take(now_ms / DAY_MS, max)
        {
            let message = match (credits, more) {
                _ if high => "Rate limit exceeded: free-models-per-day-high-balance".to_owned(),
                (Some(_), Some(more)) => format!(
                    "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock {more} free model requests per day"
                ),
                _ => "Rate limit exceeded: free-models-per-day".to_owned(),
            };
            return Err(refused(DAY_MS, max, message)
                .with_text("limit_source", "openrouter_free_tier_daily"));
        }
        // Without a limit of the day the requests are counted all the same, because `GET /key` shows them.
        if max.is_none() {
            self.day.take(now_ms / DAY_MS, u32::MAX);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_minute_and_fills_up_evenly() {
        let bucket = Bucket::default();
        let second = 1_000_000_000;
        let begin = 100 * second;
        for left in (0..60).rev() {
            assert_eq!(bucket.take(60, begin), Ok(left));
        }
        assert_eq!(bucket.take(60, begin), Err(Duration::from_secs(1)));
        assert_eq!(
            bucket.take(60, begin + second / 2),
            Err(Duration::from_millis(500))
        );
        assert_eq!(bucket.take(60, begin + second), Ok(0));
        assert_eq!(bucket.take(60, begin + 1000 * second), Ok(59));
    }

    #[test]
    fn a_bucket_is_not_overdrawn_by_threads_that_race() {
        let bucket = Bucket::default();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| bucket.take(500, 7).is_ok()).count()))
                .collect();
            threads.into_iter().filter_map(|t| t.join().ok()).sum()
        });
        assert_eq!(taken, 500);
    }

    #[test]
    fn g08_free_models_are_limited_by_the_minute_and_the_day() {
        let limits = written::Free {
            per_minute: Some(2),
            per_day: Some(3),
            per_day_with_credits: Some(5),
        };
        let free = Free::default();
        let noon = 20_779 * DAY_MS + DAY_MS / 2;
        let take = |credits, now| free.take(&limits, credits, now);
        assert!(take(None, noon).is_ok() && take(None, noon + 1).is_ok());
        let refusal = take(None, noon + 2).expect_err("the third of a minute");
        assert_eq!(refusal.message, "Rate limit exceeded: free-models-per-min");
        let rate = refusal.details().rate.expect("it has a rate");
        assert_eq!(
            (rate.limit, rate.remaining, rate.reset_ms),
            (2, 0, noon + MINUTE_MS)
        );
        assert_eq!(refusal.retry_after_secs, Some(60));
        let next = noon + MINUTE_MS;
        assert!(take(None, next).is_ok());
        let refusal = take(Some(0), next).expect_err("the fourth of the day");
        assert_eq!(
            refusal.message,
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 5 free model requests per day"
        );
        assert_eq!(
            refusal.details().rate.map(|rate| rate.reset_ms),
            Some(20_780 * DAY_MS)
        );
        assert_eq!(
            take(None, next + MINUTE_MS).map_err(|refusal| refusal.message),
            Err("Rate limit exceeded: free-models-per-day".into())
        );
        // Ten dollars open more of them.
        let rich = Some(HIGH_BALANCE_NANO);
        assert!(take(rich, next + MINUTE_MS * 2).is_ok());
        assert!(take(rich, next + MINUTE_MS * 3).is_ok());
        assert_eq!(
            take(rich, next + MINUTE_MS * 4).map_err(|refusal| refusal.message),
            Err("Rate limit exceeded: free-models-per-day-high-balance".into())
        );
        assert_eq!(free.today(next), 5);
        assert!(take(None, noon + DAY_MS).is_ok());
        assert_eq!(free.today(noon + DAY_MS), 1);
    }
}
