//! What is worked out of an endpoint's history once a second, so that routing only has to load it.

use std::sync::atomic::{AtomicU32, Ordering};

use super::buckets::{SPEED_BUCKETS, TTFT_BUCKETS, percentiles};
use super::history::{History, Period, Totals, permille};
use super::{Calls, Look, Mean, Served, Uptime};
use crate::clock::Moment;

/// Requests from which on an uptime is an uptime (openrouter.md section 3.4).
const UPTIME_REQUESTS_MIN: u32 = 100;
/// Requests from which on there are percentiles. Few, because a gateway of one's own has little traffic, and a guess by three requests is
/// better than none.
const PERCENTILE_REQUESTS_MIN: u32 = 3;
/// Share of failures in the last minute or two from which on one of them means an outage.
const BROKEN_PERMILLE: u32 = 100;

/// Requests from which on an endpoint's share of failures is compared with that of others.
const RECENT_REQUESTS_MIN: u32 = 20;

/// Requests from which on the share of failures of the last minute or two says something.
const LATELY_REQUESTS_MIN: u32 = 5;

/// Percentiles that routing asks for: p50, p75, p90, p99, and p95 for hedging.
const TTFT_PERMILLE: [u32; 5] = [500, 750, 900, 990, 950];
/// A speed that 90 % *reach* is the slowest tenth's end.
const SPEED_PERMILLE: [u32; 4] = [500, 250, 100, 10];

/// Zero in a percentile: not known.
#[derive(Debug, Default)]
pub(super) struct Summary {
    ttft_us: [AtomicU32; 5],
    speed: [AtomicU32; 4],
    uptime: AtomicU32,
    requests: AtomicU32,
    tool_answers: AtomicU32,
    tool_errors: AtomicU32,
    limited_permille: AtomicU32,
    failed_permille: AtomicU32,
    /// Of the last minute or two, and how many requests that is of.
    broken_permille: AtomicU32,
    broken_of: AtomicU32,
    mean: [AtomicU32; 3],
}

impl Summary {
    /// Adds what is here to a look.
    pub(super) fn look(&self, look: Look) -> Look {
        let ttft_us = self.ttft_us();
        let mean = self.mean.each_ref().map(load);
        let calls = self.calls();
        Look {
            uptime: self.uptime(),
            ttft_us,
            ttft_p95_us: ttft_us.map(|_| load(&self.ttft_us[4])),
            speed: self.speed(),
            requests: calls.requests,
            tool_answers: calls.answers,
            tool_errors: calls.errors,
            limited_permille: load(&self.limited_permille) as u16,
            failed_permille: load(&self.failed_permille) as u16,
            failed_lately_permille: match load(&self.broken_of) {
                0..LATELY_REQUESTS_MIN => 0,
                _ => load(&self.broken_permille) as u16,
            },
            mean: (mean != [0; 3]).then_some(Mean {
                prompt: mean[0],
                cached: mean[1],
                completion: mean[2],
            }),
            ..look
        }
    }

    pub(super) fn uptime(&self) -> Uptime {
        match load(&self.uptime) {
            0 => Uptime::Normal,
            1 => Uptime::Lower,
            _ => Uptime::Fallback,
        }
    }

    /// [`Look::ttft_us`].
    pub(super) fn ttft_us(&self) -> Option<[u32; 4]> {
        let [p50, p75, p90, p99, _] = self.ttft_us.each_ref().map(load);
        (p50 != 0).then_some([p50, p75, p90, p99])
    }

    /// [`Look::speed`].
    pub(super) fn speed(&self) -> Option<[u32; 4]> {
        let speed = self.speed.each_ref().map(load);
        (speed[0] != 0).then_some(speed)
    }

    /// The first of these: time to the first token in the median.
    pub(super) fn median_ttft_us(&self) -> Option<u32> {
        Some(load(&self.ttft_us[0])).filter(|median| *median != 0)
    }

    /// The first of those.
    pub(super) fn median_speed(&self) -> Option<u32> {
        Some(load(&self.speed[0])).filter(|median| *median != 0)
    }

    pub(super) fn calls(&self) -> Calls {
        Calls {
            requests: load(&self.requests),
            answers: load(&self.tool_answers),
            errors: load(&self.tool_errors),
        }
    }

    /// Whether so much failed in the last minute or two that a failure is part of an outage.
    pub(super) fn is_broken(&self) -> bool {
        self.broken_permille.load(Ordering::Relaxed) >= BROKEN_PERMILLE
    }

    /// Share of failures in the last minute or two, if there were enough requests to tell.
    pub(super) fn recent(&self) -> Option<u32> {
        (self.broken_of.load(Ordering::Relaxed) >= RECENT_REQUESTS_MIN)
            .then(|| self.broken_permille.load(Ordering::Relaxed))
    }

    /// Works it out anew.
    pub(super) fn refresh(&self, history: &History, now: Moment) {
        let store = |cell: &AtomicU32, value: u32| cell.store(value, Ordering::Relaxed);
        let five = Totals::of(history.minutes.last(6, now).map(|period| &period.answers));
        let half = Totals::of(history.fives.last(6, now).map(|period| &period.answers));
        let recent = Totals::of(history.minutes.last(2, now).map(|period| &period.answers));
        store(&self.limited_permille, permille(five.limited, five.all()));
        store(&self.failed_permille, permille(five.failed, five.judged()));
        store(
            &self.broken_permille,
            permille(recent.failed, recent.judged()),
        );
        store(&self.broken_of, recent.judged());
        store(&self.requests, half.all());
        // The shorter time says more about now, if it says anything.
        let uptime = five
            .uptime_permille(UPTIME_REQUESTS_MIN)
            .or(half.uptime_permille(UPTIME_REQUESTS_MIN));
        store(
            &self.uptime,
            match uptime {
                None | Some(950..) => 0,
                Some(800..) => 1,
                Some(_) => 2,
            },
        );

        let minutes = Distributions::of(history.minutes.last(6, now));
        let fives = Distributions::of(history.fives.last(6, now));
        let ttft = minutes.ttft().or_else(|| fives.ttft());
        let speed = minutes.speed().or_else(|| fives.speed());
        for (cell, value) in self.ttft_us.iter().zip(ttft.unwrap_or_default()) {
            store(cell, value);
        }
        for (cell, value) in self.speed.iter().zip(speed.unwrap_or_default()) {
            store(cell, value);
        }

        let served = u64::from(half.served.max(1));
        for (cell, tokens) in self.mean.iter().zip(fives.tokens) {
            store(cell, u32::try_from(tokens / served).unwrap_or(u32::MAX));
        }

        let (answers, errors) =
            history
                .quarters
                .last(8, now)
                .fold((0u32, 0u32), |(answers, errors), calls| {
                    (
                        answers.saturating_add(calls.answers.load(Ordering::Relaxed)),
                        errors.saturating_add(calls.errors.load(Ordering::Relaxed)),
                    )
                });
        store(&self.tool_answers, answers);
        store(&self.tool_errors, errors);
    }
}

fn load(cell: &AtomicU32) -> u32 {
    cell.load(Ordering::Relaxed)
}

/// Periods added up.
pub(super) struct Distributions {
    ttft: [u32; TTFT_BUCKETS],
    speed: [u32; SPEED_BUCKETS],
    /// Of prompts, cached, of answers.
    tokens: [u64; 3],
}

impl Distributions {
    pub(super) fn of<'a>(periods: impl Iterator<Item = &'a Period>) -> Distributions {
        let mut sum = Distributions {
            ttft: [0; TTFT_BUCKETS],
            speed: [0; SPEED_BUCKETS],
            tokens: [0; 3],
        };
        for period in periods {
            period.ttft.add_to(&mut sum.ttft);
            period.speed.add_to(&mut sum.speed);
            let tokens = [&period.prompt, &period.cached, &period.completion];
            for (sum, tokens) in sum.tokens.iter_mut().zip(tokens) {
                *sum = sum.saturating_add(tokens.load(Ordering::Relaxed));
            }
        }
        sum
    }

    pub(super) fn ttft(&self) -> Option<[u32; 5]> {
        percentiles(&self.ttft, TTFT_PERMILLE, PERCENTILE_REQUESTS_MIN)
    }

    pub(super) fn speed(&self) -> Option<[u32; 4]> {
        percentiles(&self.speed, SPEED_PERMILLE, PERCENTILE_REQUESTS_MIN)
    }
}

impl Period {
    /// Counts what a served request was; that it was served is counted elsewhere.
    pub(super) fn take_in(&self, served: &Served) {
        for (sum, tokens) in [
            (&self.prompt, served.prompt),
            (&self.cached, served.cached),
            (&self.completion, served.completion),
        ] {
            if tokens > 0 {
                sum.fetch_add(tokens, Ordering::Relaxed);
            }
        }
        if let Some(ttft_us) = served.ttft_us {
            self.take_in_first(ttft_us);
        }
        // Tokens per 1000 seconds, over connecting, waiting and writing together.
        if served.completion > 0 {
            let speed = served.completion.saturating_mul(1_000_000_000) / served.took_us.max(1);
            self.speed.add(narrow(speed));
        }
    }

    /// Counts the time to a first token alone.
    pub(super) fn take_in_first(&self, ttft_us: u64) {
        self.ttft.add(narrow(ttft_us));
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
