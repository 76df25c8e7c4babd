//! How much was charged, in all and in the running day, week and month; and how much is held back for requests that run.
//!
//! Everything is one number that only grows; a day, week or month is that number less what it was when the period began. So a booking is
//! one addition, whatever is limited. Only at the first look of a new day are the marks set, under a lock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::{Sums, calendar};

use crate::lock::lock;

/// When a limit begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reset {
    /// At 00:00 UTC.
    Daily,
    /// On Mondays at 00:00 UTC.
    Weekly,
    /// On the first at 00:00 UTC.
    Monthly,
}

impl Reset {
    const ALL: [Reset; 3] = [Reset::Daily, Reset::Weekly, Reset::Monthly];

    /// The word in the configuration and in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Reset::Daily => "daily",
            Reset::Weekly => "weekly",
            Reset::Monthly => "monthly",
        }
    }

    /// The day on which the period of a day began.
    const fn start(self, day: u64) -> u64 {
        match self {
            Reset::Daily => day,
            Reset::Weekly => calendar::week_start(day),
            Reset::Monthly => calendar::month_start(day),
        }
    }

    /// When the next period begins, as it is written in answers.
    pub(crate) fn next(self, now_ms: u64) -> String {
        let day = calendar::day(now_ms);
        calendar::written(match self {
            Reset::Daily => day + 1,
            Reset::Weekly => calendar::week_start(day) + 7,
            Reset::Monthly => calendar::next_month_start(day),
        })
    }
}

/// Nano-dollars of one key, or of the gateway.
#[derive(Debug)]
pub(crate) struct Spending {
    total: AtomicI64,
    held: AtomicI64,
    /// The day whose periods the marks belong to.
    day: AtomicU64,
    /// What `total` was when the running day, week and month began.
    marks: [AtomicI64; 3],
    /// Held while the marks move.
    moving: Mutex<()>,
}

impl Spending {
    pub(crate) fn new(now_ms: u64) -> Spending {
        Spending {
            total: AtomicI64::new(0),
            held: AtomicI64::new(0),
            day: AtomicU64::new(calendar::day(now_ms)),
            marks: Default::default(),
            moving: Mutex::new(()),
        }
    }

    /// Charges a request that began at `created_ms`. It counts in the day, week and month in which it began, as in the ledger: one that
    /// runs over midnight is yesterday's.
    pub(crate) fn add(&self, nano: u64, created_ms: u64) {
        let nano = i64::try_from(nano).unwrap_or(i64::MAX);
        if self.day.load(Ordering::Acquire) == calendar::day(created_ms) {
            self.total.fetch_add(nano, Ordering::Relaxed);
            return;
        }
        // The first of a new day, or one of an earlier day.
        let sums = Sums {
            total: nano,
            daily: nano,
            weekly: nano,
            monthly: nano,
        };
        self.add_sums(&sums, created_ms, created_ms);
    }

    /// Charges what was charged in earlier processes, as it was known at another moment.
    pub(crate) fn add_sums(&self, sums: &Sums, at_ms: u64, now_ms: u64) {
        self.arrive(now_ms);
        let _moving = lock(&self.moving);
        // First, so that for a moment too much is known, not too little.
        self.total.fetch_add(sums.total, Ordering::Relaxed);
        let (then, now) = (calendar::day(at_ms), self.day.load(Ordering::Relaxed));
        for (reset, mark) in Reset::ALL.into_iter().zip(&self.marks) {
            let within = match reset {
                _ if reset.start(then) != reset.start(now) => 0,
                Reset::Daily => sums.daily,
                Reset::Weekly => sums.weekly,
                Reset::Monthly => sums.monthly,
            };
            mark.fetch_add(sums.total - within, Ordering::Relaxed);
        }
    }

    /// Charged in the running period; `None`: ever.
    pub(crate) fn used(&self, reset: Option<Reset>, now_ms: u64) -> i64 {
        let Some(reset) = reset else {
            return self.total.load(Ordering::Relaxed);
        };
        self.arrive(now_ms);
        let mark = self.marks[reset as usize].load(Ordering::Relaxed);
        self.total.load(Ordering::Relaxed) - mark
    }

    pub(crate) fn sums(&self, now_ms: u64) -> Sums {
        Sums {
            total: self.used(None, now_ms),
            daily: self.used(Some(Reset::Daily), now_ms),
            weekly: self.used(Some(Reset::Weekly), now_ms),
            monthly: self.used(Some(Reset::Monthly), now_ms),
        }
    }

    /// Held back now.
    pub(crate) fn held(&self) -> i64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Holds `nano` back, unless with all that is held and used already it is more than `max`.
    ///
    /// The amount is held first and the use looked at afterwards: a request that is being booked is then counted twice for a moment, never
    /// not at all.
    pub(super) fn hold(&self, nano: i64, max: i64, reset: Option<Reset>, now_ms: u64) -> bool {
        // Without touching anything when it is hopeless, so that a crowd of refused requests does not keep others out.
        let fits = |held: i64| self.used(reset, now_ms).saturating_add(held) <= max;
        if !fits(self.held.load(Ordering::Acquire).saturating_add(nano)) {
            return false;
        }
        let before = self.held.fetch_add(nano, Ordering::AcqRel);
        if fits(before.saturating_add(nano)) {
            return true;
        }
        self.release(nano);
        false
    }

    /// Gives back what was held. What it did cost has been charged before.
    pub(super) fn release(&self, nano: i64) {
        self.held.fetch_sub(nano, Ordering::Release);
    }

    /// Begins the periods of a new day. A clock that goes back changes nothing.
    fn arrive(&self, now_ms: u64) {
        let today = calendar::day(now_ms);
        if self.day.load(Ordering::Acquire) >= today {
            return;
        }
        let _moving = lock(&self.moving);
        let before = self.day.load(Ordering::Relaxed);
        if before >= today {
            return;
        }
        let total = self.total.load(Ordering::Relaxed);
        for (reset, mark) in Reset::ALL.into_iter().zip(&self.marks) {
            if reset.start(before) != reset.start(today) {
                mark.store(total, Ordering::Relaxed);
            }
        }
        self.day.store(today, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::calendar::DAY_MS;

    /// Noon of the 22nd of November 2026, a Sunday.
    const SUNDAY: u64 = 20_779 * DAY_MS + DAY_MS / 2;

    #[test]
    fn g07_limits_begin_anew_each_day_monday_and_first() {
        let spending = Spending::new(SUNDAY);
        spending.add(10, SUNDAY);
        let used = |now| {
            let sums = spending.sums(now);
            (sums.total, sums.daily, sums.weekly, sums.monthly)
        };
        assert_eq!(used(SUNDAY), (10, 10, 10, 10));
        let monday = SUNDAY + DAY_MS;
        assert_eq!(used(monday), (10, 0, 0, 10));
        spending.add(5, monday);
        assert_eq!(used(monday), (15, 5, 5, 15));
        // The last millisecond of the day, and the next.
        assert_eq!(used(20_781 * DAY_MS - 1), (15, 5, 5, 15));
        assert_eq!(used(20_781 * DAY_MS), (15, 0, 5, 15));
        // Nothing for months, and then a booking before anybody looked.
        let later = SUNDAY + 200 * DAY_MS;
        spending.add(1, later);
        assert_eq!(used(later), (16, 1, 1, 1));
        // A clock that was set back.
        assert_eq!(used(SUNDAY), (16, 1, 1, 1));
    }

    #[test]
    fn g07_the_moment_of_the_next_period_is_told() {
        assert_eq!(Reset::Daily.next(SUNDAY), "2026-11-23T00:00:00Z");
        assert_eq!(Reset::Weekly.next(SUNDAY), "2026-11-23T00:00:00Z");
        assert_eq!(Reset::Weekly.next(SUNDAY + DAY_MS), "2026-11-30T00:00:00Z");
        assert_eq!(Reset::Monthly.next(SUNDAY), "2026-12-01T00:00:00Z");
    }

    #[test]
    fn g07_a_request_that_runs_over_midnight_counts_where_it_began() {
        let spending = Spending::new(SUNDAY);
        let used = |now| {
            let sums = spending.sums(now);
            (sums.total, sums.daily, sums.weekly, sums.monthly)
        };
        let midnight = 20_780 * DAY_MS;
        // Somebody has looked on Monday before Sunday's last request is booked.
        assert_eq!(used(midnight), (0, 0, 0, 0));
        spending.add(7, midnight - 1);
        assert_eq!(used(midnight), (7, 0, 0, 7));
        spending.add(5, midnight);
        assert_eq!(used(midnight), (12, 5, 5, 12));
        // Nobody has looked on Tuesday: the booking of Monday's last request is the first that is heard of.
        spending.add(3, midnight + DAY_MS - 1);
        assert_eq!(used(midnight + DAY_MS), (15, 0, 8, 15));
    }

    #[test]
    fn what_was_known_yesterday_counts_in_the_periods_that_still_run() {
        let known = Sums {
            total: 100,
            daily: 10,
            weekly: 20,
            monthly: 30,
        };
        let spending = Spending::new(SUNDAY);
        spending.add(1, SUNDAY);
        spending.add_sums(&known, SUNDAY - DAY_MS, SUNDAY);
        let sums = spending.sums(SUNDAY);
        assert_eq!(
            (sums.total, sums.daily, sums.weekly, sums.monthly),
            (101, 1, 21, 31)
        );
    }

    #[test]
    fn z13_what_is_held_counts_until_it_is_given_back() {
        let spending = Spending::new(SUNDAY);
        let hold = |nano| spending.hold(nano, 100, Some(Reset::Daily), SUNDAY);
        assert!(hold(60));
        assert!(!hold(41));
        assert!(hold(40));
        assert_eq!(spending.held(), 100);
        // It cost less than was held.
        spending.add(10, SUNDAY);
        spending.release(60);
        assert!(!hold(51));
        assert!(hold(50));
        assert!(!hold(1));
    }

    #[test]
    fn z13_threads_that_race_never_spend_more_than_the_limit() {
        let spending = Spending::new(SUNDAY);
        let spent: i64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut spent = 0;
                        for _ in 0..2_000 {
                            if spending.hold(7, 10_000, None, SUNDAY) {
                                spending.add(5, SUNDAY);
                                spending.release(7);
                                spent += 5;
                            }
                        }
                        spent
                    })
                })
                .collect();
            threads.into_iter().filter_map(|t| t.join().ok()).sum()
        });
        assert_eq!(spending.used(None, SUNDAY), spent);
        // The last request that fits leaves less than what one has to hold.
        assert!((9_994..=10_000).contains(&spent), "{spent}");
        assert_eq!(spending.held(), 0);
    }
}
