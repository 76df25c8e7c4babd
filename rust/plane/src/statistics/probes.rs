//! What probes showed of an endpoint, and when the next one is due.
//!
//! A probe is a request that the gateway makes by itself (see [`crate::probe`]). It is no request of anybody's, so it does not count for
//! uptime, speed, mean tokens or the learnt cap. What it does: it opens and closes the breaker as any request does, it says whether the
//! endpoint failed or served last, and its time to the first token counts where it was streamed, since of an endpoint without traffic
//! nothing else is known.
//!
//! Due is an endpoint that *failed last* (its breaker is open, or nothing was served since the failure) and one that was *idle*. The first
//! is asked after `every`, then after twice, four … [`BACKOFF_MAX`] times that; but early enough before the breaker lets a client's request
//! through, so that it is a probe that finds out. Whoever asked to be left alone is left alone.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use serde::Serialize;

use super::{Ending, Statistics};
use crate::clock::Moment;

/// How often `every` is doubled at most: with ten seconds, once in three minutes.
const BACKOFF_MAX: u32 = 4;
/// How long before the end of the breaker's time a probe goes: longer than from one look at what is due to the next.
const LEAD_MS: u64 = 2000;
/// Part of a wait by which waits differ from endpoint to endpoint.
const SPREAD_PART: u64 = 4;

/// When probes are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// After a failure.
    pub(crate) every_ms: u64,
    /// Without traffic; zero: idle endpoints are not probed.
    pub(crate) idle_ms: u64,
    /// Before this moment nothing was idle or had failed: the start of the process.
    pub(crate) since: Moment,
    /// Thousandths, another for each endpoint, by which waits are longer, so that they do not end together.
    pub(crate) spread: u64,
}

/// A probe that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    /// Whether it was merely idle; those come after the others.
    pub(crate) is_idle: bool,
    /// Since when.
    pub(crate) at_ms: u64,
}

/// What the last probe showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub(crate) enum Shown {
    /// None has ended.
    Nothing,
    Served,
    Failed,
    /// Told to come back later.
    Limited,
    /// It ended in a way that says nothing about the endpoint, such as a refusal of the very request.
    Unclear,
}

impl Shown {
    const ALL: [Shown; 5] = [
        Shown::Nothing,
        Shown::Served,
        Shown::Failed,
        Shown::Limited,
        Shown::Unclear,
    ];

    pub(super) fn of(ending: &Ending) -> Shown {
        match ending {
            Ending::Served(_) => Shown::Served,
            Ending::Failed { .. } => Shown::Failed,
            Ending::Limited { .. } => Shown::Limited,
            Ending::Outrun { .. } | Ending::Neutral => Shown::Unclear,
        }
    }
}

/// Of one endpoint. Moments are in milliseconds; zero is never.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// Whether one is under way; there is at most one.
    is_running: AtomicBool,
    began_at: AtomicU64,
    /// What the last one showed, as a [`Shown`].
    shown: AtomicU8,
    took_ms: AtomicU32,
    /// Failed ones since the last that served.
    failures: AtomicU32,
}

/// The last probe, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ProbeReport {
    /// Unix time in milliseconds.
    began_ms: u64,
    outcome: Shown,
    took_ms: u32,
}

impl Probes {
    /// A probe ended.
    pub(super) fn ended(&self, ending: &Ending, began: Moment, now: Moment) {
        let shown = Shown::of(ending);
        match shown {
            Shown::Served => self.failures.store(0, Ordering::Relaxed),
            Shown::Failed => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            Shown::Nothing | Shown::Limited | Shown::Unclear => {}
        }
        let took_ms = now.ms().saturating_sub(began.ms());
        self.took_ms.store(
            u32::try_from(took_ms).unwrap_or(u32::MAX),
            Ordering::Relaxed,
        );
        self.shown.store(shown as u8, Ordering::Relaxed);
    }

    fn shown(&self) -> Shown {
        let shown = usize::from(self.shown.load(Ordering::Relaxed));
        Shown::ALL.get(shown).copied().unwrap_or(Shown::Nothing)
    }

    /// `None`: none was made.
    pub(super) fn report(&self) -> Option<ProbeReport> {
        let began_ms = self.began_at.load(Ordering::Relaxed);
        (began_ms != 0).then(|| ProbeReport {
            began_ms,
            outcome: self.shown(),
            took_ms: self.took_ms.load(Ordering::Relaxed),
        })
    }
}

/// A probe under way. Dropped, it is over.
#[derive(Debug)]
pub(crate) struct Probing<'a>(&'a Probes);

impl Probing<'_> {
    /// What it showed.
    pub(crate) fn shown(&self) -> Shown {
        self.0.shown()
    }
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

impl Statistics {
    /// The probe that is due at this moment, if one is.
    pub(crate) fn probe_due(&self, pace: &Pace, now: Moment) -> Option<Due> {
        let load = |moment: &AtomicU64| moment.load(Ordering::Relaxed);
        if self.probes.is_running.load(Ordering::Relaxed) || self.rest.cooldown_ms(now) > 0 {
            return None;
        }
        let (failed_at, served_at) = (load(&self.failed_at), load(&self.served_at));
        let probed_at = load(&self.probes.began_at);
        let spread = |wait_ms: u64| wait_ms + wait_ms / SPREAD_PART * pace.spread.min(1000) / 1000;
        let open = self.rest.open();
        let at_ms = if open.is_none() && failed_at <= served_at {
            if pace.idle_ms == 0 || self.in_flight.load(Ordering::Relaxed) > 0 {
                return None;
            }
            let heard_at = failed_at.max(served_at).max(probed_at).max(pace.since.ms());
            heard_at + spread(pace.idle_ms)
        } else {
            let doubled = self
                .probes
                .failures
                .load(Ordering::Relaxed)
                .min(BACKOFF_MAX);
            let wait_ms = spread(pace.every_ms << doubled);
            // What was known before the start is not all looked into at the start.
            let from = |moment_ms: u64| moment_ms.max(probed_at).max(pace.since.ms());
            match open {
                None => from(failed_at) + wait_ms,
                Some((opened_at, until)) => (from(opened_at) + wait_ms)
                    .min(until.saturating_sub(LEAD_MS))
                    .max(from(opened_at) + pace.every_ms),
            }
        };
        (at_ms <= now.ms()).then_some(Due {
            is_idle: open.is_none() && failed_at <= served_at,
            at_ms,
        })
    }

    /// Begins a probe; `None`: one is under way.
    pub(crate) fn begin_probe(&self, now: Moment) -> Option<Probing<'_>> {
        let probes = &self.probes;
        if probes.is_running.swap(true, Ordering::Acquire) {
            return None;
        }
        probes.began_at.store(now.ms(), Ordering::Relaxed);
        probes.shown.store(Shown::Nothing as u8, Ordering::Relaxed);
        Some(Probing(probes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Served;
    use super::*;

    const START: u64 = 1_800_000_000_000;

    fn at(seconds: u64) -> Moment {
        Moment::of_ms(START + seconds * 1000)
    }

    /// After ten seconds, after five minutes without traffic.
    fn pace() -> Pace {
        Pace {
            every_ms: 10_000,
            idle_ms: 300_000,
            since: at(0),
            spread: 0,
        }
    }

    fn end(statistics: &Statistics, ending: Ending, seconds: u64) {
        statistics.begin(at(seconds)).end(ending, at(seconds));
    }

    fn probe(statistics: &Statistics, ending: Ending, seconds: u64) {
        let probing = statistics
            .begin_probe(at(seconds))
            .expect("none is under way");
        let flight = statistics.begin(at(seconds)).into_probe();
        flight.end(ending, at(seconds));
        drop(probing);
    }

    const FAILED: Ending = Ending::Failed { cool_ms: None };

    fn served() -> Ending {
        Ending::Served(Served {
            ttft_us: Some(5000),
            took_us: 6000,
            prompt: 8,
            completion: 1,
            ..Served::default()
        })
    }

    /// The first second at which one is due.
    fn due(statistics: &Statistics, pace: &Pace, from: u64) -> u64 {
        (from..from + 100_000)
            .find(|second| statistics.probe_due(pace, at(*second)).is_some())
            .expect("one is due some time")
    }

    #[test]
    fn an_endpoint_that_was_never_asked_is_due_after_the_idle_time() {
        let statistics = Statistics::default();
        assert_eq!(due(&statistics, &pace(), 0), 300);
        let never = Pace {
            idle_ms: 0,
            ..pace()
        };
        assert_eq!(statistics.probe_due(&never, at(1_000_000)), None);
    }

    #[test]
    fn waits_differ_from_endpoint_to_endpoint() {
        let statistics = Statistics::default();
        let waits = [0, 500, 1000].map(|spread| due(&statistics, &Pace { spread, ..pace() }, 0));
        assert_eq!(waits, [300, 338, 375]);
    }

    #[test]
    fn traffic_and_probes_put_off_the_next_one() {
        let statistics = Statistics::default();
        end(&statistics, served(), 100);
        assert_eq!(due(&statistics, &pace(), 100), 400);
        probe(&statistics, served(), 400);
        assert_eq!(due(&statistics, &pace(), 400), 700);
        let flight = statistics.begin(at(700));
        assert_eq!(statistics.probe_due(&pace(), at(800)), None);
        drop(flight);
        assert!(statistics.probe_due(&pace(), at(800)).is_some());
    }

    #[test]
    fn after_a_failure_it_is_due_soon_and_then_ever_later() {
        let statistics = Statistics::default();
        end(&statistics, FAILED, 100);
        let (mut second, mut waits) = (100, Vec::new());
        for _ in 0..7 {
            let next = due(&statistics, &pace(), second);
            waits.push(next - second);
            second = next;
            probe(&statistics, FAILED, second);
            // Without its breaker, which has times of its own.
            statistics.rest.close(at(second));
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 160, 160]);
    }

    #[test]
    fn a_served_probe_closes_the_breaker_and_is_no_request() {
        let statistics = Statistics::default();
        for second in 100..105 {
            end(&statistics, FAILED, second);
        }
        assert_eq!(
            statistics.rest.breaker(at(105)),
            super::super::breaker::Breaker::Open
        );
        assert!(statistics.look_at(at(110)).is_resting);
        assert_eq!(due(&statistics, &pace(), 105), 114);
        probe(&statistics, served(), 114);
        let before = statistics.look_at(at(114));
        assert!(!before.is_resting && !before.is_failing);
        statistics.tick(at(115));
        let look = statistics.look_at(at(115));
        // Five failures, and nothing of the probe but its time to the first token.
        assert_eq!(
            (look.requests, look.failed_permille, look.mean),
            (5, 1000, None)
        );
        assert_eq!(look.speed, None);
    }

    #[test]
    fn probes_alone_make_the_time_to_the_first_token_known() {
        let statistics = Statistics::default();
        for second in [10, 20, 30] {
            probe(&statistics, served(), second);
        }
        statistics.tick(at(31));
        let look = statistics.look_at(at(31));
        assert!(
            look.ttft_us
                .is_some_and(|[p50, ..]| (4000..6000).contains(&p50))
        );
        assert_eq!((look.speed, look.requests, look.mean), (None, 0, None));
    }

    #[test]
    fn while_probes_fail_the_breaker_lets_nothing_through() {
        let statistics = Statistics::default();
        for second in 100..105 {
            end(&statistics, FAILED, second);
        }
        let mut second = 104;
        for _ in 0..20 {
            let next = due(&statistics, &pace(), second);
            for between in second..=next {
                assert!(statistics.look_at(at(between)).is_resting, "at {between}");
            }
            second = next;
            probe(&statistics, FAILED, second);
        }
        assert!(second > 1000, "{second}");
    }

    #[test]
    fn clients_are_kept_out_while_a_probe_is_under_way_though_the_time_is_over() {
        let statistics = Statistics::default();
        for second in 100..105 {
            end(&statistics, FAILED, second);
        }
        let probing = statistics.begin_probe(at(133));
        let flight = statistics.begin(at(133)).into_probe();
        assert!(
            statistics.look_at(at(140)).is_resting,
            "half open since 134"
        );
        flight.end(Ending::Neutral, at(141));
        assert!(
            !statistics.look_at(at(141)).is_resting,
            "it has shown nothing"
        );
        drop(probing);
    }

    #[test]
    fn what_failed_before_a_restart_is_not_all_asked_at_the_start() {
        let statistics = Statistics::default();
        for second in 0..5 {
            end(&statistics, FAILED, second);
        }
        let started = Pace {
            since: at(5000),
            ..pace()
        };
        assert_eq!(due(&statistics, &started, 5000), 5010);
        statistics.rest.close(at(6));
        let waits = [0, 1000].map(|spread| due(&statistics, &Pace { spread, ..started }, 5000));
        assert_eq!(waits, [5010, 5013]);
    }

    #[test]
    fn one_that_asked_to_be_left_alone_is_left_alone() {
        let statistics = Statistics::default();
        let cool_ms = Some(60_000);
        end(&statistics, Ending::Failed { cool_ms }, 100);
        assert_eq!(due(&statistics, &pace(), 100), 160);
    }

    #[test]
    fn a_limit_that_a_probe_meets_is_no_limit_of_requests_in_flight() {
        let statistics = Statistics::default();
        probe(&statistics, Ending::Limited { cool_ms: None }, 10);
        assert_eq!(statistics.rest.cap(at(10)), None);
        assert!(!statistics.look_at(at(10)).is_resting);
    }

    #[test]
    fn at_most_one_is_under_way() {
        let statistics = Statistics::default();
        let first = statistics.begin_probe(at(300));
        assert!(first.is_some() && statistics.begin_probe(at(301)).is_none());
        assert_eq!(statistics.probe_due(&pace(), at(10_000)), None);
        drop(first);
        assert!(statistics.begin_probe(at(302)).is_some());
    }
}
