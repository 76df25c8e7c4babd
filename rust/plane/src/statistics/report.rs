//! What is shown of endpoints and keys: to the pages of the models, to metrics, to whoever asks why.

use serde::Serialize;

use super::breaker::Breaker;
use super::history::{Period, Totals};
use super::probes::ProbeReport;
use super::summary::Distributions;
use super::{CredentialState, Look, Mean, Name, Registry, Statistics, Uptime};
use crate::clock::Moment;
use crate::lock::lock;

/// All of it at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Those that have had a request, by model and tag.
    pub(crate) endpoints: Vec<EndpointReport>,
    /// Those of which a provider said something that still holds.
    credentials: Vec<CredentialReport>,
}

/// One endpoint. What is not known is `None`.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointReport {
    pub(crate) model: Box<str>,
    pub(crate) tag: Box<str>,
    /// OpenRouter's number: 0 is well, and the lower the worse.
    status: i8,
    pub(crate) in_flight: u32,
    is_failing: bool,
    pub(crate) is_resting: bool,
    pub(crate) breaker: &'static str,
    /// Milliseconds for which it asked to be left alone.
    pub(crate) cooldown_ms: u64,
    /// Requests in flight that it is known to bear.
    cap: Option<u32>,
    uptime_tier: &'static str,
    /// Per cent of the requests that count.
    pub(crate) uptime_last_5m: Option<f64>,
    uptime_last_30m: Option<f64>,
    uptime_last_1d: Option<f64>,
    /// Milliseconds to the first token, as routing sees them and of the last half hour.
    latency_last_5m: Option<Percentiles>,
    latency_last_30m: Option<Percentiles>,
    /// Tokens per second that so many requests reach at least.
    throughput_last_5m: Option<Percentiles>,
    throughput_last_30m: Option<Percentiles>,
    requests_last_30m: u32,
    limited_permille: u16,
    failed_permille: u16,
    tool_answers_last_2h: u32,
    tool_errors_last_2h: u32,
    mean_tokens: Option<Mean>,
    /// The last request that the gateway made by itself.
    probe: Option<ProbeReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Percentiles {
    p50: f64,
    p75: f64,
    p90: f64,
    p99: f64,
}

/// One key.
#[derive(Debug, Serialize)]
struct CredentialReport {
    provider: Box<str>,
    label: Box<str>,
    cooldown_ms: u64,
    headroom_permille: Option<u16>,
}

impl Percentiles {
    /// Thousandths to whole ones.
    fn of(values: [u32; 4]) -> Percentiles {
        let [p50, p75, p90, p99] = values.map(|value| f64::from(value) / 1000.0);
        Percentiles { p50, p75, p90, p99 }
    }
}

impl Registry {
    /// What is shown. Everything is worked out anew first, so that what comes after a report is routed by what it says.
    pub(crate) fn report(&self, now: Moment) -> Report {
        self.tick(now);
        let mut endpoints: Vec<_> = lock(&self.table)
            .iter()
            .filter_map(|(name, statistics)| statistics.report(name, now))
            .collect();
        endpoints.sort_by(|a, b| (&a.model, &a.tag).cmp(&(&b.model, &b.tag)));
        let mut credentials: Vec<_> = lock(&self.credentials)
            .iter()
            .filter_map(|(name, state)| CredentialReport::of(name, state, now))
            .collect();
        credentials.sort_by(|a, b| (&a.provider, &a.label).cmp(&(&b.provider, &b.label)));
        Report {
            endpoints,
            credentials,
        }
    }
}

impl Statistics {
    /// `None`: it never had a request, nor a probe.
    fn report(&self, (model, tag): &Name, now: Moment) -> Option<EndpointReport> {
        let history = self.history.get();
        let look = self.look_at(now);
        let probe = self.probes.report();
        if history.is_none() && look.in_flight == 0 && probe.is_none() {
            return None;
        }
        let breaker = self.rest.breaker(now);
        let fives = history.map(|history| Distributions::of(history.fives.last(6, now)));
        let fives = fives.as_ref();
        let percent = |totals: Option<Totals>| {
            let totals = totals.filter(|totals| totals.judged() > 0)?;
            Some(f64::from(totals.served) * 100.0 / f64::from(totals.judged()))
        };
        let answers = |period: &'_ Period| Totals::of(std::iter::once(&period.answers));
        let sum = |totals: Totals, more: Totals| totals.and(more);
        Some(EndpointReport {
            model: model.clone(),
            tag: tag.clone(),
            status: status(&look, breaker),
            in_flight: look.in_flight,
            is_failing: look.is_failing,
            is_resting: look.is_resting,
            breaker: breaker.name(),
            cooldown_ms: self.rest.cooldown_ms(now),
            cap: self.rest.cap(now),
            uptime_tier: match look.uptime {
                Uptime::Normal => "normal",
                Uptime::Lower => "lower",
                Uptime::Fallback => "fallback",
            },
            uptime_last_5m: percent(history.map(|history| {
                (history.minutes.last(6, now).map(answers)).fold(Totals::default(), sum)
            })),
            uptime_last_30m: percent(history.map(|history| {
                (history.fives.last(6, now).map(answers)).fold(Totals::default(), sum)
            })),
            uptime_last_1d: percent(history.map(|history| Totals::of(history.hours.last(12, now)))),
            latency_last_5m: look.ttft_us.map(Percentiles::of),
            latency_last_30m: fives
                .and_then(Distributions::ttft)
                .map(|[p50, p75, p90, p99, _]| Percentiles::of([p50, p75, p90, p99])),
            throughput_last_5m: look.speed.map(Percentiles::of),
            throughput_last_30m: fives.and_then(Distributions::speed).map(Percentiles::of),
            requests_last_30m: look.requests,
            limited_permille: look.limited_permille,
            failed_permille: look.failed_permille,
            tool_answers_last_2h: look.tool_answers,
            tool_errors_last_2h: look.tool_errors,
            mean_tokens: look.mean,
            probe,
        })
    }
}

/// OpenRouter documents its numbers no further than that lower ones are worse. Here: 0 well, -1 failed a moment ago or its uptime is below
/// 95 %, -2 below 80 %, -3 it asked to be left alone or is as busy as it bears, -5 its breaker is open.
fn status(look: &Look, breaker: Breaker) -> i8 {
    match (breaker, look.uptime) {
        (Breaker::Open | Breaker::HalfOpen, _) => -5,
        _ if look.is_resting => -3,
        (_, Uptime::Fallback) => -2,
        (_, Uptime::Lower) => -1,
        (_, Uptime::Normal) => -i8::from(look.is_failing),
    }
}

impl CredentialReport {
    fn of(
        (provider, label): &Name,
        state: &CredentialState,
        now: Moment,
    ) -> Option<CredentialReport> {
        let look = state.look(now);
        (look.is_cooling() || look.headroom_permille.is_some()).then(|| CredentialReport {
            provider: provider.clone(),
            label: label.clone(),
            cooldown_ms: look.cooldown_ms,
            headroom_permille: look.headroom_permille,
        })
    }
}
