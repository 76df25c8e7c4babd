//! What is known of each endpoint from its recent requests: is it up, how fast, how busy.
//!
//! One [`Statistics`] per model and endpoint, the same one across swaps of the configuration. Threads write to it without a lock, at the
//! beginning and the end of each attempt; routing reads it through [`Statistics::standing`] and its neighbours, each a few loads of atomics. What takes
//! longer, percentiles and shares, is worked out beside the traffic, once a second for the endpoints that were used
//! ([`Registry::tick`]). Nothing here knows a clock: every function is told the [`Moment`].
//!
//! Memory: 300 bytes for each configured endpoint, and less than 4 KiB for one that has had a request.
//!
//! What counts (OpenRouter's rules): a request is *served* or *failed*, and uptime is the share of the served. Failed: statuses 401, 402, 404
//! and from 500 on, time-outs, broken connections, streams that break off, and answers that end with an error. Everything else
//! says something about the request (400, 413, 422), the client (it left) or the place (403), and is left out. 429 is kept apart.
//!
//! Files: `buckets` are distributions, `history` what happened when, `breaker` when an endpoint is left alone, `probes` when it is asked by the
//! gateway itself, `credential` the same for keys, `summary` what is worked out of it, `report` what is shown, `stored` what outlives the process.

mod breaker;
mod buckets;
mod credential;
mod history;
mod probes;
mod report;
mod stored;
mod summary;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hashbrown::HashMap;

use crate::clock::Moment;
use crate::lock::lock;
use crate::snapshot::written::Routing;
use breaker::{Rest, Tuning};
pub(crate) use credential::CredentialState;
use history::History;
use probes::Probes;
pub(crate) use probes::{Due, Pace, Probing, Shown};
pub(crate) use report::EndpointReport;
use summary::Summary;

/// Endpoints that are remembered: past any real configuration. Those beyond have statistics of their own until the next swap.
const ENDPOINTS_MAX: usize = 65_536;
/// A summary is worked out anew after this time even when nothing happened, because what it is made of ages.
const REFRESH_MS: u64 = 15_000;
/// From this share of failures in the last minute or two on an endpoint is compared with the model's others, and left alone when theirs is
/// so much lower.
const SUSPECT_PERMILLE: u32 = 500;
const FAR_ABOVE_PERMILLE: u32 = 400;
/// The time that this share is of.
const RECENT_MS: u64 = 120_000;
/// What is not configured any more is forgotten when its last request is so long ago.
const FORGET_MS: u64 = 24 * 3_600_000;

/// All of them, by model and endpoint, and the keys by provider and label. Lives as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    table: Mutex<HashMap<Name, Arc<Statistics>, foldhash::fast::RandomState>>,
    credentials: Mutex<HashMap<Name, Arc<CredentialState>, foldhash::fast::RandomState>>,
    tuning: Arc<Tuning>,
    /// Whether something happened since it was last stored.
    is_unsaved: AtomicBool,
}

/// Slug of the model, tag of the endpoint; slug of the provider, label of the key.
type Name = (Box<str>, Box<str>);

impl Registry {
    /// The statistics of an endpoint. Takes a lock: for the building of snapshots.
    pub(crate) fn of(&self, model: &str, tag: &str) -> Arc<Statistics> {
        let made = || Arc::new(Statistics::new(Arc::clone(&self.tuning)));
        let mut table = lock(&self.table);
        let name: Name = (model.into(), tag.into());
        if table.len() >= ENDPOINTS_MAX && !table.contains_key(&name) {
            return made();
        }
        Arc::clone(table.entry(name).or_insert_with(made))
    }

    /// The state of a key. Takes a lock: for the building of snapshots.
    pub(crate) fn credential(&self, provider: &str, label: &str) -> Arc<CredentialState> {
        let made = || Arc::new(CredentialState::new(Arc::clone(&self.tuning)));
        let mut credentials = lock(&self.credentials);
        if credentials.len() >= ENDPOINTS_MAX {
            // Those of earlier configurations; if none is, this one is not remembered.
            credentials.retain(|_, state| Arc::strong_count(state) > 1);
            if credentials.len() >= ENDPOINTS_MAX {
                return made();
            }
        }
        let name: Name = (provider.into(), label.into());
        Arc::clone(credentials.entry(name).or_insert_with(made))
    }

    /// What the configuration says, from now on.
    pub(crate) fn tune(&self, routing: &Routing) {
        let Tuning {
            outage_ms,
            failures,
            open_ms,
            open_max_ms,
            cooldown_max_ms,
        } = &*self.tuning;
        outage_ms.store(routing.outage_ms, Ordering::Relaxed);
        failures.store(routing.breaker.failures, Ordering::Relaxed);
        open_ms.store(routing.breaker.open_ms, Ordering::Relaxed);
        open_max_ms.store(routing.breaker.open_max_ms, Ordering::Relaxed);
        cooldown_max_ms.store(routing.cooldown_max_ms, Ordering::Relaxed);
    }

    /// Works out anew what is looked at. Called once a second, from beside the traffic; the lock is not taken by requests.
    pub(crate) fn tick(&self, now: Moment) {
        let mut table = lock(&self.table);
        let mut suspects = Vec::new();
        table.retain(|(model, tag), statistics| {
            if statistics.tick(now) {
                self.is_unsaved.store(true, Ordering::Relaxed);
            }
            if statistics.is_suspect(now) {
                suspects.push((model.clone(), tag.clone(), Arc::clone(statistics)));
            }
            Arc::strong_count(statistics) > 1 || !statistics.is_forgotten(now)
        });
        for (model, tag, statistics) in suspects {
            let mut peers: Vec<u32> = table
                .iter()
                .filter(|(name, _)| name.0 == model && name.1 != tag)
                .filter_map(|(_, peer)| peer.summary.recent())
                .collect();
            peers.sort_unstable();
            // When all fail it is the model, the network or the request, and to leave one alone helps nobody.
            if let Some(median) = peers.get(peers.len() / 2)
                && statistics.summary.recent() >= Some(median + FAR_ABOVE_PERMILLE)
            {
                statistics.rest.trip(&statistics.tuning, now);
            }
        }
    }
}

/// Of one endpoint. Moments are in milliseconds; zero is never.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    tuning: Arc<Tuning>,
    in_flight: AtomicU32,
    failed_at: AtomicU64,
    served_at: AtomicU64,
    rest: Rest,
    probes: Probes,
    summary: Summary,
    /// Whether something happened since the summary was worked out.
    is_touched: AtomicBool,
    refreshed_at: AtomicU64,
    history: OnceLock<Box<History>>,
}

/// What routing sees of an endpoint at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Look {
    /// Requests that it is serving now.
    pub(crate) in_flight: u32,
    /// It failed within the last `outage_ms` (checklist R02), and either nothing was served since, or a tenth of the last minute's requests
    /// failed: one failure among many is no outage.
    pub(crate) is_failing: bool,
    /// It asked to be left alone, its breaker is open, or it has as many requests in flight as it is known to bear: it is tried only when
    /// nothing else is left.
    pub(crate) is_resting: bool,
    /// By openrouter.md section 3.4.
    pub(crate) uptime: Uptime,
    /// Time to the first token of streams in the last five minutes, microseconds; p50, p75, p90, p99. Where there were fewer than three, of
    /// the last half hour. `None`: too few requests.
    pub(crate) ttft_us: Option<[u32; 4]>,
    /// The same, p95: what a hedged request waits for.
    pub(crate) ttft_p95_us: Option<u32>,
    /// Output tokens per 1000 seconds in the last five minutes; p50, p75, p90, p99 of the requests, each the speed that so many *reach
    /// at least*. Where there were fewer than three, of the last half hour. `None`: too few requests.
    pub(crate) speed: Option<[u32; 4]>,
    /// Requests in the last thirty minutes that were served, failed, or told to come back later.
    pub(crate) requests: u32,
    /// Answers in the last two hours that called tools, and how many of them called one wrongly.
    pub(crate) tool_answers: u32,
    pub(crate) tool_errors: u32,
    /// Of a thousand requests in the last five minutes, how many were told to come back later (429), and how many of the others failed.
    pub(crate) limited_permille: u16,
    pub(crate) failed_permille: u16,
    /// The same share of failures in the last minute or two; 0 when there were fewer than five requests.
    pub(crate) failed_lately_permille: u16,
    /// The mean request of the last half hour; `None`: there was none.
    pub(crate) mean: Option<Mean>,
}

/// What of a [`Look`] is looked at for every endpoint of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// [`Look::is_failing`].
    pub(crate) is_failing: bool,
    /// [`Look::is_resting`].
    pub(crate) is_resting: bool,
    pub(crate) uptime: Uptime,
}

/// How well an endpoint calls tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Calls {
    /// [`Look::requests`].
    pub(crate) requests: u32,
    /// [`Look::tool_answers`].
    pub(crate) answers: u32,
    /// [`Look::tool_errors`].
    pub(crate) errors: u32,
}

/// Tokens of a mean request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub(crate) struct Mean {
    pub(crate) prompt: u32,
    /// Part of `prompt` that the provider had cached.
    pub(crate) cached: u32,
    pub(crate) completion: u32,
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

/// How an attempt ended, as far as it says something about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ending {
    Served(Served),
    Failed {
        /// How long it wants to be left alone.
        cool_ms: Option<u64>,
    },
    /// Told to come back later.
    Limited {
        /// The same; `None`: the provider has other keys.
        cool_ms: Option<u64>,
    },
    /// Another attempt of the same request, made beside it because it was slow, had something first.
    Outrun {
        /// For how long it had sent nothing of a stream by then: its time to the first part is at least that.
        waited_us: u64,
    },
    /// It says nothing about the endpoint.
    Neutral,
}

/// What a served request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Served {
    /// From the beginning of the attempt to the first part of its stream. `None`: it was not streamed.
    pub(crate) ttft_us: Option<u64>,
    /// From the beginning of the attempt to its end.
    pub(crate) took_us: u64,
    pub(crate) prompt: u64,
    pub(crate) cached: u64,
    pub(crate) completion: u64,
    /// It called tools, and whether any of them wrongly. `None`: it called none.
    pub(crate) calls_wrongly: Option<bool>,
}

impl Statistics {
    fn new(tuning: Arc<Tuning>) -> Statistics {
        Statistics {
            tuning,
            ..Statistics::default()
        }
    }

    /// What routing sees now.
    pub(crate) fn look(&self) -> Look {
        self.look_at(Moment::now())
    }

    /// All that routing may see at this moment. Each rule reads the little that it needs by the methods below: an endpoint is looked at
    /// by every request for its model.
    pub(crate) fn look_at(&self, now: Moment) -> Look {
        let standing = self.standing(now);
        Look {
            in_flight: self.in_flight(),
            is_failing: standing.is_failing,
            is_resting: standing.is_resting,
            ..self.learnt()
        }
    }

    /// How it stands at this moment. For many endpoints one look at the clock is enough.
    pub(crate) fn standing(&self, now: Moment) -> Standing {
        Standing {
            is_failing: self.is_failing(now),
            is_resting: self.rest.is_resting(self.in_flight(), now),
            uptime: self.summary.uptime(),
        }
    }

    /// What the last hours have shown: a look without what changes from request to request.
    pub(crate) fn learnt(&self) -> Look {
        self.summary.look(Look::default())
    }

    /// [`Look::in_flight`].
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// [`Look::ttft_us`].
    pub(crate) fn ttft_us(&self) -> Option<[u32; 4]> {
        self.summary.ttft_us()
    }

    /// [`Look::speed`].
    pub(crate) fn speed(&self) -> Option<[u32; 4]> {
        self.summary.speed()
    }

    /// Time to the first token in the median.
    pub(crate) fn median_ttft_us(&self) -> Option<u32> {
        self.summary.median_ttft_us()
    }

    /// Speed in the median.
    pub(crate) fn median_speed(&self) -> Option<u32> {
        self.summary.median_speed()
    }

    /// How well it calls tools.
    pub(crate) fn calls(&self) -> Calls {
        self.summary.calls()
    }

    fn is_failing(&self, now: Moment) -> bool {
        let failed_at = self.failed_at.load(Ordering::Relaxed);
        failed_at != 0
            && failed_at + self.tuning.outage_ms.load(Ordering::Relaxed) > now.ms()
            && (failed_at >= self.served_at.load(Ordering::Relaxed) || self.summary.is_broken())
    }

    /// An attempt begins. What is given back must be told how it ends; dropped before, it ends as [`Ending::Neutral`].
    pub(crate) fn begin(&self, now: Moment) -> Flight<'_> {
        self.rest.begin(now);
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight {
            statistics: self,
            began: now,
            in_flight: before.saturating_add(1),
            is_probe: false,
        }
    }

    fn history(&self) -> &History {
        self.history.get_or_init(Box::default)
    }

    /// Works the summary out anew where that is due; whether something happened since the last time.
    fn tick(&self, now: Moment) -> bool {
        let touched = self.is_touched.swap(false, Ordering::Relaxed);
        let age = now
            .ms()
            .saturating_sub(self.refreshed_at.load(Ordering::Relaxed));
        if let Some(history) = self.history.get()
            && (touched || age >= REFRESH_MS)
        {
            self.refreshed_at.store(now.ms(), Ordering::Relaxed);
            self.summary.refresh(history, now);
        }
        touched
    }

    /// Whether it fails so often that its breaker may have to open.
    fn is_suspect(&self, now: Moment) -> bool {
        self.summary.recent() >= Some(SUSPECT_PERMILLE)
            && self.tuning.failures.load(Ordering::Relaxed) > 0
            && self.rest.is_judged_by(RECENT_MS, now)
    }

    /// Whether nothing happened for a long time.
    fn is_forgotten(&self, now: Moment) -> bool {
        let last = self
            .failed_at
            .load(Ordering::Relaxed)
            .max(self.served_at.load(Ordering::Relaxed));
        last + FORGET_MS <= now.ms()
    }
}

/// An attempt under way.
#[derive(Debug)]
pub(crate) struct Flight<'a> {
    statistics: &'a Statistics,
    began: Moment,
    /// Requests that were in flight when it began, itself among them.
    in_flight: u32,
    is_probe: bool,
}

impl Flight<'_> {
    /// It is the gateway's own: see `probes`.
    pub(crate) fn into_probe(mut self) -> Self {
        self.is_probe = true;
        self.statistics.rest.begin_probe(self.began);
        self
    }

    /// When it began.
    pub(crate) fn began(&self) -> Moment {
        self.began
    }

    /// It ended at this moment.
    pub(crate) fn end(self, ending: Ending, now: Moment) {
        let statistics = self.statistics;
        let (rest, tuning) = (&statistics.rest, &*statistics.tuning);
        if self.is_probe {
            return self.end_probe(ending, now);
        }
        if ending == Ending::Neutral {
            rest.nothing_learnt();
            return;
        }
        statistics.is_touched.store(true, Ordering::Relaxed);
        let history = statistics.history();
        let (minute, five) = (history.minutes.at(now), history.fives.at(now));
        let answers = [
            minute.map(|period| &period.answers),
            five.map(|period| &period.answers),
            history.hours.at(now),
        ];
        let count = |of: fn(&history::Answers) -> &AtomicU32| {
            for answers in answers.into_iter().flatten() {
                of(answers).fetch_add(1, Ordering::Relaxed);
            }
        };
        match ending {
            Ending::Served(served) => {
                statistics.served_at.fetch_max(now.ms(), Ordering::Relaxed);
                rest.served(self.began, self.in_flight, now);
                count(|answers| &answers.served);
                for period in [minute, five].into_iter().flatten() {
                    period.take_in(&served);
                }
                if let (Some(wrong), Some(calls)) = (served.calls_wrongly, history.quarters.at(now))
                {
                    calls.answers.fetch_add(1, Ordering::Relaxed);
                    calls.errors.fetch_add(u32::from(wrong), Ordering::Relaxed);
                }
            }
            Ending::Failed { cool_ms } => {
                statistics.failed_at.fetch_max(now.ms(), Ordering::Relaxed);
                rest.failed(tuning, now);
                if let Some(cool_ms) = cool_ms {
                    rest.cool(tuning, cool_ms, now);
                }
                count(|answers| &answers.failed);
            }
            Ending::Limited { cool_ms } => {
                rest.limited(self.in_flight, now);
                if let Some(cool_ms) = cool_ms {
                    rest.cool(tuning, cool_ms, now);
                }
                count(|answers| &answers.limited);
            }
            Ending::Outrun { waited_us } => {
                rest.nothing_learnt();
                // Without it only the fast requests of a slow endpoint would be measured, and it would seem fast. Hedges begin at its
                // p95, so what is known of the slower ones only from below does not move that.
                for period in [minute, five].into_iter().flatten() {
                    period.take_in_first(waited_us);
                }
            }
            Ending::Neutral => {}
        }
    }

    /// What a probe shows: everything but what is counted of requests.
    #[cold]
    fn end_probe(self, ending: Ending, now: Moment) {
        let statistics = self.statistics;
        let (rest, tuning) = (&statistics.rest, &*statistics.tuning);
        statistics.probes.ended(&ending, self.began, now);
        match ending {
            Ending::Served(served) => {
                statistics.served_at.fetch_max(now.ms(), Ordering::Relaxed);
                rest.served(self.began, 0, now);
                if let Some(ttft_us) = served.ttft_us {
                    statistics.is_touched.store(true, Ordering::Relaxed);
                    let history = statistics.history();
                    for period in [history.minutes.at(now), history.fives.at(now)]
                        .into_iter()
                        .flatten()
                    {
                        period.take_in_first(ttft_us);
                    }
                }
            }
            Ending::Failed { cool_ms } => {
                statistics.failed_at.fetch_max(now.ms(), Ordering::Relaxed);
                rest.probe_failed(tuning, now);
                if let Some(cool_ms) = cool_ms {
                    rest.cool(tuning, cool_ms, now);
                }
            }
            Ending::Limited { cool_ms } => {
                rest.nothing_learnt();
                if let Some(cool_ms) = cool_ms {
                    rest.cool(tuning, cool_ms, now);
                }
            }
            Ending::Outrun { .. } | Ending::Neutral => rest.nothing_learnt(),
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.statistics.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
