//! What an endpoint did, by the time at which it did it: rings of periods, the oldest of which makes room for the newest.
//!
//! - six minutes, for what routing needs to know soon: percentiles over the last five to six;
//! - six times five minutes, for the page of the model: the last half hour;
//! - twelve times two hours, for the day's uptime;
//! - eight quarters of an hour, for the calls of tools of the last two hours.
//!
//! Threads write without a lock. The first that comes into a new period clears the place of the oldest; what others count in that instant
//! can be lost, which is a handful in a period. Times are [`Moment`]s, so periods are the same before and after a restart.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::buckets::{Buckets, SPEED_BUCKETS, TTFT_BUCKETS};
use crate::clock::Moment;

/// Periods of a ring: how long each is, in seconds.
const MINUTE_S: u32 = 60;
const FIVE_MINUTES_S: u32 = 5 * 60;
const QUARTER_S: u32 = 15 * 60;
const TWO_HOURS_S: u32 = 2 * 3600;

/// Everything that is remembered of one endpoint; made at its first request, since most of a large catalogue never has one.
#[derive(Debug)]
pub(super) struct History {
    pub(super) minutes: Ring<Period, 6>,
    pub(super) fives: Ring<Period, 6>,
    pub(super) hours: Ring<Answers, 12>,
    pub(super) quarters: Ring<Calls, 8>,
}

impl Default for History {
    fn default() -> Self {
        History {
            minutes: Ring::new(MINUTE_S),
            fives: Ring::new(FIVE_MINUTES_S),
            hours: Ring::new(TWO_HOURS_S),
            quarters: Ring::new(QUARTER_S),
        }
    }
}

/// What can be counted anew.
pub(super) trait Clear: Default {
    fn clear(&self);
}

/// The last `N` periods.
#[derive(Debug)]
pub(super) struct Ring<T, const N: usize> {
    period_s: u32,
    /// Each at the remainder of its number, which counts from 1970.
    places: [(AtomicU32, T); N],
}

impl<T: Clear, const N: usize> Ring<T, N> {
    fn new(period_s: u32) -> Self {
        Ring {
            period_s,
            places: std::array::from_fn(|_| (AtomicU32::new(0), T::default())),
        }
    }

    fn number(&self, now: Moment) -> u32 {
        (now.ms() / 1000) as u32 / self.period_s
    }

    /// The period of this moment; `None` when its place has gone to a later one already.
    pub(super) fn at(&self, now: Moment) -> Option<&T> {
        self.place(self.number(now))
    }

    /// The period of this number.
    fn place(&self, number: u32) -> Option<&T> {
        let (holds, period) = self.places.get(number as usize % N)?;
        if holds.load(Ordering::Acquire) != number {
            let before = holds.fetch_max(number, Ordering::AcqRel);
            if before > number {
                return None;
            }
            if before < number {
                period.clear();
            }
        }
        Some(period)
    }

    /// The period of this number, to be filled again; `None`: it is not remembered at this moment.
    pub(super) fn remembered(&self, number: u32, now: Moment) -> Option<&T> {
        let back = self.number(now).checked_sub(number)?;
        ((back as usize) < N).then(|| self.place(number)).flatten()
    }

    /// The periods that are remembered at this moment and lie at most `last` periods back, this one included.
    pub(super) fn last(&self, last: u32, now: Moment) -> impl Iterator<Item = &T> {
        self.numbered(now)
            .filter(move |(back, ..)| *back < last)
            .map(|(_, _, period)| period)
    }

    /// The periods that are remembered at this moment: how many periods back, number, what happened.
    pub(super) fn numbered(&self, now: Moment) -> impl Iterator<Item = (u32, u32, &T)> {
        let current = self.number(now);
        self.places.iter().filter_map(move |(holds, period)| {
            let number = holds.load(Ordering::Acquire);
            let back = current.checked_sub(number)?;
            ((back as usize) < N).then_some((back, number, period))
        })
    }
}

/// How requests ended.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) served: AtomicU32,
    pub(super) failed: AtomicU32,
    /// Told to come back later (429): neither a success nor a failure.
    pub(super) limited: AtomicU32,
}

impl Clear for Answers {
    fn clear(&self) {
        for count in [&self.served, &self.failed, &self.limited] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

/// A minute or five of them.
#[derive(Debug, Default)]
pub(super) struct Period {
    pub(super) answers: Answers,
    /// Tokens: of prompts, of those read from the provider's cache, of answers.
    pub(super) prompt: AtomicU64,
    pub(super) cached: AtomicU64,
    pub(super) completion: AtomicU64,
    pub(super) ttft: Buckets<TTFT_BUCKETS>,
    pub(super) speed: Buckets<SPEED_BUCKETS>,
}

impl Clear for Period {
    fn clear(&self) {
        self.answers.clear();
        for count in [&self.prompt, &self.cached, &self.completion] {
            count.store(0, Ordering::Relaxed);
        }
        self.ttft.clear();
        self.speed.clear();
    }
}

/// Answers that called tools, and those of them that called one wrongly.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) answers: AtomicU32,
    pub(super) errors: AtomicU32,
}

impl Clear for Calls {
    fn clear(&self) {
        self.answers.store(0, Ordering::Relaxed);
        self.errors.store(0, Ordering::Relaxed);
    }
}

/// How requests ended, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) served: u32,
    pub(super) failed: u32,
    pub(super) limited: u32,
}

impl Totals {
    pub(super) fn of<'a>(periods: impl Iterator<Item = &'a Answers>) -> Totals {
        periods.fold(Totals::default(), |sum, answers| {
            let add =
                |sum: u32, count: &AtomicU32| sum.saturating_add(count.load(Ordering::Relaxed));
            Totals {
                served: add(sum.served, &answers.served),
                failed: add(sum.failed, &answers.failed),
                limited: add(sum.limited, &answers.limited),
            }
        })
    }

    pub(super) fn and(self, more: Totals) -> Totals {
        Totals {
            served: self.served.saturating_add(more.served),
            failed: self.failed.saturating_add(more.failed),
            limited: self.limited.saturating_add(more.limited),
        }
    }

    /// Requests that count for uptime.
    pub(super) fn judged(self) -> u32 {
        self.served.saturating_add(self.failed)
    }

    pub(super) fn all(self) -> u32 {
        self.judged().saturating_add(self.limited)
    }

    /// Of a thousand requests that count, how many were served. `None`: there were fewer than `least`.
    pub(super) fn uptime_permille(self, least: u32) -> Option<u32> {
        let judged = self.judged();
        (judged >= least.max(1)).then(|| permille(self.served, judged))
    }
}

/// `part` of `whole` in thousandths; zero of nothing.
pub(super) fn permille(part: u32, whole: u32) -> u32 {
    (u64::from(part) * 1000)
        .checked_div(u64::from(whole))
        .unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::of_ms(1_800_000_000_000 + seconds * 1000)
    }

    fn served(ring: &Ring<Answers, 3>, last: u32, now: Moment) -> u32 {
        Totals::of(ring.last(last, now)).served
    }

    fn serve(ring: &Ring<Answers, 3>, now: Moment) {
        if let Some(answers) = ring.at(now) {
            answers.served.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_ring_agrees_with_a_list_of_everything() {
        let mut random = fastrand::Rng::with_seed(7);
        let ring: Ring<Answers, 3> = Ring::new(60);
        let (mut list, mut now) = (Vec::new(), 0);
        for _ in 0..2000 {
            now += random.u64(0..90);
            serve(&ring, at(now));
            list.push(at(now).ms() / 60_000);
            let later = now + random.u64(0..200);
            for last in 1..=3 {
                let period = at(later).ms() / 60_000;
                let exact = list
                    .iter()
                    .filter(|p| **p + u64::from(last) > period)
                    .count();
                assert_eq!(served(&ring, last, at(later)), exact as u32);
            }
        }
    }

    #[test]
    fn what_comes_late_does_not_clear_what_is_newer() {
        let ring: Ring<Answers, 3> = Ring::new(60);
        serve(&ring, at(600));
        serve(&ring, at(60 * 7));
        assert_eq!(served(&ring, 3, at(600)), 1);
    }

    #[test]
    fn nothing_is_remembered_past_the_last_period() {
        let ring: Ring<Answers, 3> = Ring::new(60);
        serve(&ring, at(0));
        assert_eq!(served(&ring, 3, at(179)), 1);
        assert_eq!(served(&ring, 3, at(180)), 0);
    }

    #[test]
    fn r34_being_told_to_come_back_is_not_counted_for_uptime() {
        let totals = Totals {
            served: 90,
            failed: 10,
            limited: 900,
        };
        assert_eq!(totals.uptime_permille(100), Some(900));
        assert_eq!((totals.judged(), totals.all()), (100, 1000));
    }

    #[test]
    fn uptime_is_not_known_of_few_requests() {
        let totals = |served, failed| Totals {
            served,
            failed,
            limited: 0,
        };
        assert_eq!(totals(50, 49).uptime_permille(100), None);
        assert_eq!(totals(50, 50).uptime_permille(100), Some(500));
        assert_eq!(Totals::default().uptime_permille(0), None);
    }
}
