//! Adds the shards up and writes OpenMetrics text.
//!
//! The text is written by prometheus-client, except one family: cost. A cost is an integer of nano-dollars and is
//! shown as exact decimal, which the library's numbers (`f64` or integers) cannot carry.
//!
//! Names follow the conventions of Prometheus: base units, the unit in the name, `_total` on counters. The
//! specification is <https://prometheus.io/docs/specs/om/open_metrics_spec/> (version 1.0, read 2026-07).

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::shard::{
    COUNTERS, Cells, Counter, DURATION_BOUNDS_US, Histogram, OUTCOMES, OVERHEAD_BOUNDS_US,
    STATUS_LABELS, Shard,
};
use super::slots::Name;
use super::{EndpointGauges, Gauges};

const NANO_PER_DOLLAR: u64 = 1_000_000_000;

pub(super) fn render(
    shards: &[Arc<Shard>],
    names: &[Name],
    refusal_kinds: &'static [&'static str],
    gauges: &Gauges,
) -> String {
    let sums = Sums::of(shards, names, refusal_kinds, gauges);
    let mut out = String::with_capacity(16 << 10);
    // Writing to a `String` does not fail, and the encoders have no failure of their own for the types used here.
    let _ = costs(&mut out, &sums.slots);
    let mut registry = Registry::with_prefix("turnout");
    registry.register_collector(Box::new(sums));
    let _ = text::encode_registry(&mut out, &registry);
    let _ = text::encode_eof(&mut out);
    out
}

/// All shards together, at one moment.
#[derive(Debug)]
struct Sums {
    slots: Vec<SlotSums>,
    overhead: Buckets,
    refused: Vec<(&'static str, u64)>,
    counters: [u64; COUNTERS],
    gauges: Gauges,
}

#[derive(Debug)]
struct SlotSums {
    model: Box<str>,
    provider: Box<str>,
    statuses: [u64; STATUS_LABELS.len()],
    streamed: u64,
    cancelled: u64,
    tokens: [(&'static str, u64); 3],
    cost_nano: u64,
    outcomes: [u64; OUTCOMES.len()],
    duration: Buckets,
    ttft: Buckets,
}

/// A histogram as the encoder takes it: seconds, counts by bucket, the last one without a bound.
#[derive(Debug, Clone)]
struct Buckets {
    sum_seconds: f64,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

impl Sums {
    fn of(
        shards: &[Arc<Shard>],
        names: &[Name],
        refusal_kinds: &'static [&'static str],
        gauges: &Gauges,
    ) -> Sums {
        let slots = names.iter().enumerate().filter_map(|(index, name)| {
            let cells: Vec<&Cells> = shards
                .iter()
                .filter_map(|shard| shard.counted(index))
                .collect();
            SlotSums::of(name, &cells)
        });
        Sums {
            slots: slots.collect(),
            overhead: Buckets::of(
                &OVERHEAD_BOUNDS_US,
                shards.iter().map(|shard| &shard.overhead),
            ),
            refused: refusal_kinds
                .iter()
                .enumerate()
                .map(|(index, kind)| (*kind, sum(shards.iter().map(|shard| &shard.refused[index]))))
                .collect(),
            counters: std::array::from_fn(|index| {
                sum(shards.iter().map(|shard| &shard.counters[index]))
            }),
            gauges: gauges.clone(),
        }
    }

    fn counter(&self, event: Counter) -> u64 {
        self.counters[event as usize]
    }
}

impl SlotSums {
    /// `None`: nothing was ever counted for this pair.
    fn of(name: &Name, cells: &[&Cells]) -> Option<SlotSums> {
        let total = |of: fn(&Cells) -> &AtomicU64| sum(cells.iter().map(|cells| of(cells)));
        let sums = SlotSums {
            model: name.0.clone(),
            provider: name.1.clone(),
            statuses: std::array::from_fn(|index| {
                sum(cells.iter().map(|cells| &cells.statuses[index]))
            }),
            streamed: total(|cells| &cells.streamed),
            cancelled: total(|cells| &cells.cancelled),
            tokens: [
                ("prompt", total(|cells| &cells.tokens_prompt)),
                ("completion", total(|cells| &cells.tokens_completion)),
                ("cached", total(|cells| &cells.tokens_cached)),
            ],
            cost_nano: total(|cells| &cells.cost_nano),
            outcomes: std::array::from_fn(|index| {
                sum(cells.iter().map(|cells| &cells.outcomes[index]))
            }),
            duration: Buckets::of(
                &DURATION_BOUNDS_US,
                cells.iter().map(|cells| &cells.duration),
            ),
            ttft: Buckets::of(&DURATION_BOUNDS_US, cells.iter().map(|cells| &cells.ttft)),
        };
        (sums.served() || sums.outcomes.iter().any(|count| *count > 0)).then_some(sums)
    }

    /// Whether a generation was counted, or what a request of the gateway's own has used; a pair that was only attempted has attempts
    /// and nothing else.
    fn served(&self) -> bool {
        self.statuses.iter().any(|count| *count > 0)
            || self.tokens.iter().any(|(_, count)| *count > 0)
            || self.cost_nano > 0
    }

    fn labels(&self) -> [(&'static str, &str); 2] {
        [("model", &self.model), ("provider", &self.provider)]
    }

    fn labels_and<'a>(&'a self, key: &'static str, value: &'a str) -> [(&'static str, &'a str); 3] {
        [
            ("model", &self.model),
            ("provider", &self.provider),
            (key, value),
        ]
    }
}

impl Buckets {
    fn of<'a, const BOUNDS: usize>(
        bounds_us: &[u64; BOUNDS],
        parts: impl Iterator<Item = &'a Histogram<BOUNDS>> + Clone,
    ) -> Buckets {
        let seconds = |us: u64| us as f64 / 1e6;
        let mut buckets: Vec<(f64, u64)> = bounds_us
            .iter()
            .enumerate()
            .map(|(index, bound)| {
                (
                    seconds(*bound),
                    sum(parts.clone().map(|part| &part.buckets[index])),
                )
            })
            .collect();
        buckets.push((f64::INFINITY, sum(parts.clone().map(|part| &part.beyond))));
        Buckets {
            sum_seconds: seconds(sum(parts.map(|part| &part.sum_us))),
            // Added up from the buckets that are shown, so that the last one always equals the count.
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a AtomicU64>) -> u64 {
    parts.fold(0, |sum, part| {
        sum.wrapping_add(part.load(Ordering::Relaxed))
    })
}

impl Collector for Sums {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_generations(&mut encoder)?;
        self.encode_process(&mut encoder)?;
        self.encode_endpoints(&mut encoder)?;
        self.encode_journal(&mut encoder)
    }
}

impl Sums {
    fn encode_generations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let served = || self.slots.iter().filter(|slot| slot.served());

        let help = "Generations finished, by the HTTP status that the client was sent; 499: it left before one was.";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for slot in served() {
            for (status, count) in STATUS_LABELS
                .iter()
                .zip(slot.statuses)
                .filter(|(_, count)| *count > 0)
            {
                counter(
                    family.encode_family(&slot.labels_and("status", status))?,
                    count,
                )?;
            }
        }

        let help = "Generations that were streamed.";
        let mut family =
            encoder.encode_descriptor("requests_streamed", help, None, MetricType::Counter)?;
        for slot in served() {
            counter(family.encode_family(&slot.labels())?, slot.streamed)?;
        }

        let help = "Generations whose client went away before the end.";
        let mut family =
            encoder.encode_descriptor("requests_cancelled", help, None, MetricType::Counter)?;
        for slot in served() {
            counter(family.encode_family(&slot.labels())?, slot.cancelled)?;
        }

        let help = "Tokens booked; cached ones are part of the prompt's.";
        let mut family = encoder.encode_descriptor("tokens", help, None, MetricType::Counter)?;
        for slot in served() {
            for (kind, count) in slot.tokens {
                counter(family.encode_family(&slot.labels_and("kind", kind))?, count)?;
            }
        }

        let help = "Attempts at an endpoint, by how they ended.";
        let mut family = encoder.encode_descriptor("attempts", help, None, MetricType::Counter)?;
        for slot in &self.slots {
            for (outcome, count) in OUTCOMES
                .iter()
                .zip(slot.outcomes)
                .filter(|(_, count)| *count > 0)
            {
                counter(
                    family.encode_family(&slot.labels_and("outcome", outcome))?,
                    count,
                )?;
            }
        }

        let help = "From a request's head read to the end of its answer.";
        let unit = Some(&Unit::Seconds);
        let mut family =
            encoder.encode_descriptor("request_duration", help, unit, MetricType::Histogram)?;
        for slot in served() {
            histogram(family.encode_family(&slot.labels())?, &slot.duration)?;
        }

        let help = "From a request's head read to the first byte of its answer sent.";
        let mut family =
            encoder.encode_descriptor("time_to_first_token", help, unit, MetricType::Histogram)?;
        for slot in served() {
            histogram(family.encode_family(&slot.labels())?, &slot.ttft)?;
        }

        let help = "Part of a request's duration spent neither waiting for the provider nor for the client.";
        histogram(
            encoder.encode_descriptor("gateway_overhead", help, unit, MetricType::Histogram)?,
            &self.overhead,
        )?;

        let help = "Requests that the gateway refused itself, by kind.";
        let mut family = encoder.encode_descriptor("refusals", help, None, MetricType::Counter)?;
        for (kind, count) in &self.refused {
            counter(family.encode_family(&[("kind", *kind)])?, *count)?;
        }
        Ok(())
    }

    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests to providers, by whether a kept connection carried them.";
        let mut family =
            encoder.encode_descriptor("upstream_connections", help, None, MetricType::Counter)?;
        for (reused, event) in [
            ("false", Counter::UpstreamConnected),
            ("true", Counter::UpstreamReused),
        ] {
            counter(
                family.encode_family(&[("reused", reused)])?,
                self.counter(event),
            )?;
        }

        let help = "Requests that the gateway made by itself to see whether an endpoint serves (routing.probe), by what they showed.";
        let mut family = encoder.encode_descriptor("probes", help, None, MetricType::Counter)?;
        for (outcome, event) in [
            ("served", Counter::ProbeServed),
            ("failed", Counter::ProbeFailed),
            ("limited", Counter::ProbeLimited),
            ("unclear", Counter::ProbeUnclear),
        ] {
            counter(
                family.encode_family(&[("outcome", outcome)])?,
                self.counter(event),
            )?;
        }

        let help = "Requests to the auto router that its judge was concerned with (routers.auto.judge), by what it said.";
        let mut family =
            encoder.encode_descriptor("judgements", help, None, MetricType::Counter)?;
        for (outcome, event) in [
            ("answered", Counter::JudgeAnswered),
            ("remembered", Counter::JudgeRemembered),
            ("late", Counter::JudgeLate),
            ("failed", Counter::JudgeFailed),
            ("nonsense", Counter::JudgeNonsense),
            ("resting", Counter::JudgeResting),
            ("settled", Counter::JudgeSettled),
        ] {
            counter(
                family.encode_family(&[("outcome", outcome)])?,
                self.counter(event),
            )?;
        }

        let counters = [
            (
                "connections",
                "Client connections accepted.",
                Counter::ConnectionAccepted,
            ),
            (
                "connections_refused",
                "Client connections closed at once because of the limit on connections.",
                Counter::ConnectionRefused,
            ),
            (
                "tls_handshakes_failed",
                "TLS handshakes of clients that failed.",
                Counter::TlsHandshakeFailed,
            ),
            (
                "requests_malformed",
                "Requests that were not well-formed HTTP.",
                Counter::RequestMalformed,
            ),
            (
                "control_requests",
                "Requests handed to the control side.",
                Counter::ControlRequest,
            ),
            (
                "upstream_stale_retries",
                "Requests sent again because the kept connection had been closed by the provider.",
                Counter::StaleRetry,
            ),
            (
                "response_cache_hits",
                "Requests that were answered from the response cache.",
                Counter::ResponseCacheHit,
            ),
            (
                "response_cache_misses",
                "Requests that asked for the response cache and were served by a provider.",
                Counter::ResponseCacheMiss,
            ),
            (
                "response_cache_server_failures",
                "Times that the response cache's server could not be used.",
                Counter::CacheServerFailed,
            ),
            (
                "retries_denied",
                "Second tries that were not made because those at that provider fail too often (routing.retries).",
                Counter::RetryDenied,
            ),
            (
                "hedges",
                "Second attempts that were made beside a slow one (routing.hedge).",
                Counter::HedgeMade,
            ),
            (
                "hedges_won",
                "Of these, those that served.",
                Counter::HedgeWon,
            ),
            (
                "hedges_denied",
                "Second attempts that were due beside a slow one and not made: over routing.hedge.percent, or more than a limit has room for.",
                Counter::HedgeDenied,
            ),
            (
                "panics",
                "Tasks that panicked; each one is a bug of the gateway.",
                Counter::Panicked,
            ),
        ];
        for (name, help, event) in counters {
            counter(
                encoder.encode_descriptor(name, help, None, MetricType::Counter)?,
                self.counter(event),
            )?;
        }

        let gauges = &self.gauges;
        let help = "Digest of the running configuration.";
        encoder
            .encode_descriptor("config", help, None, MetricType::Info)?
            .encode_info(&[("digest", gauges.config_digest.as_str())])?;
        let numbers = [
            (
                "config_generation",
                "Number of the running snapshot, from 1.",
                gauges.config_generation,
            ),
            (
                "config_reload_ok",
                "1 when the latest reload succeeded, 0 when it failed and the one before it runs.",
                u64::from(gauges.reload_ok),
            ),
            (
                "connections_open",
                "Client connections open.",
                gauges.connections_open,
            ),
            (
                "requests_in_flight",
                "Requests that have begun and not ended.",
                gauges.requests_in_flight,
            ),
            (
                "upstream_connections_idle",
                "Kept connections to providers that wait for a request.",
                gauges.upstream_connections_idle,
            ),
            (
                "response_cache_answers",
                "Answers in the memory of the response cache.",
                gauges.response_cache.0,
            ),
            (
                "response_cache_bytes",
                "Bytes of the answers in the memory of the response cache.",
                gauges.response_cache.1,
            ),
            (
                "ledger_behind",
                "1 while the ledger cannot be written.",
                u64::from(gauges.ledger_behind),
            ),
        ];
        for (name, help, value) in numbers {
            encoder
                .encode_descriptor(name, help, None, MetricType::Gauge)?
                .encode_gauge(&value)?;
        }
        let seconds = [
            (
                "start_time",
                "Unix time when the process started.",
                gauges.started,
            ),
            ("uptime", "Time since the process started.", gauges.uptime),
        ];
        for (name, help, value) in seconds {
            encoder
                .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?
                .encode_gauge(&value.as_secs_f64())?;
        }
        Ok(())
    }

    fn encode_endpoints(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Value = fn(&EndpointGauges) -> Option<f64>;
        let families: [(&str, &str, Option<&Unit>, Value); 4] = [
            (
                "endpoint_in_flight",
                "Attempts under way at an endpoint.",
                None,
                |endpoint| Some(f64::from(endpoint.in_flight)),
            ),
            (
                "endpoint_uptime",
                "Share of an endpoint's requests that it served in the last five minutes; 429 and clients' mistakes left out.",
                Some(&Unit::Ratios),
                |endpoint| endpoint.uptime,
            ),
            (
                "endpoint_resting",
                "1 while an endpoint is tried after all others.",
                None,
                |endpoint| Some(f64::from(u8::from(endpoint.is_resting))),
            ),
            (
                "endpoint_cooldown",
                "How long an endpoint asked to be left alone from now on.",
                Some(&Unit::Seconds),
                |endpoint| Some(endpoint.cooldown.as_secs_f64()),
            ),
        ];
        for (name, help, unit, value) in families {
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            for endpoint in &self.gauges.endpoints {
                if let Some(value) = value(endpoint) {
                    family
                        .encode_family(&[
                            ("model", &*endpoint.model),
                            ("endpoint", &*endpoint.tag),
                        ])?
                        .encode_gauge(&value)?;
                }
            }
        }
        let help = "1 for the state that an endpoint's breaker is in.";
        let mut family =
            encoder.encode_descriptor("endpoint_breaker", help, None, MetricType::Gauge)?;
        for endpoint in &self.gauges.endpoints {
            for state in ["closed", "half_open", "open"] {
                family
                    .encode_family(&[
                        ("model", &*endpoint.model),
                        ("endpoint", &*endpoint.tag),
                        ("state", state),
                    ])?
                    .encode_gauge(&u64::from(endpoint.breaker == state))?;
            }
        }
        Ok(())
    }

    fn encode_journal(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let journal = &self.gauges.journal;
        let gauges = [
            (
                "journal_pending_records",
                "Generations journalled that the ledger does not have yet.",
                None,
                journal.pending_records,
            ),
            (
                "journal_pending",
                "Their bytes.",
                Some(&Unit::Bytes),
                journal.pending_bytes,
            ),
            (
                "journal_disk",
                "Bytes of journal files.",
                Some(&Unit::Bytes),
                journal.disk_bytes,
            ),
            (
                "journal_memory",
                "Bytes of the journal that are in memory only, because no file could be made in time.",
                Some(&Unit::Bytes),
                journal.memory_bytes,
            ),
            (
                "journal_disk_ok",
                "1 while journal files can be made, 0 while the disk or a bound forbids it.",
                None,
                u64::from(journal.disk_error.is_none()),
            ),
        ];
        for (name, help, unit, value) in gauges {
            encoder
                .encode_descriptor(name, help, unit, MetricType::Gauge)?
                .encode_gauge(&value)?;
        }
        let counters = [
            (
                "journal_appended_records",
                "Generations journalled by this process.",
                journal.appended,
            ),
            (
                "journal_adopted_records",
                "Generations taken over from processes that ended.",
                journal.adopted,
            ),
            (
                "journal_dropped_records",
                "Generations lost because disk and memory were used up, or because one was too large.",
                journal.dropped,
            ),
            (
                "journal_corrupt",
                "Places where a journal file could not be read on.",
                journal.corrupt,
            ),
            (
                "journal_memory_segments",
                "Segments taken in memory because no file was ready.",
                journal.memory_segments,
            ),
        ];
        for (name, help, value) in counters {
            counter(
                encoder.encode_descriptor(name, help, None, MetricType::Counter)?,
                value,
            )?;
        }
        Ok(())
    }
}

fn counter(mut encoder: MetricEncoder<'_>, count: u64) -> fmt::Result {
    encoder.encode_counter(&count, None::<&Exemplar<[(&str, &str); 0], u64>>)
}

fn histogram(mut encoder: MetricEncoder<'_>, buckets: &Buckets) -> fmt::Result {
    encoder.encode_histogram::<[(&str, &str); 0]>(
        buckets.sum_seconds,
        buckets.count,
        &buckets.buckets,
        None,
    )
}

fn costs(out: &mut String, slots: &[SlotSums]) -> fmt::Result {
    out.push_str(
        "# HELP turnout_cost_dollars Cost of the generations, by the configured prices.\n\
         # TYPE turnout_cost_dollars counter\n\
         # UNIT turnout_cost_dollars dollars\n",
    );
    for slot in slots.iter().filter(|slot| slot.served()) {
        let (model, provider) = (escaped(&slot.model), escaped(&slot.provider));
        write!(
            out,
            "turnout_cost_dollars_total{{model=\"{model}\",provider=\"{provider}\"}} "
        )?;
        dollars(out, slot.cost_nano)?;
        out.push('\n');
    }
    Ok(())
}

/// Nano-dollars as decimal dollars, exact, without needless zeros.
fn dollars(out: &mut String, nano: u64) -> fmt::Result {
    write!(out, "{}", nano / NANO_PER_DOLLAR)?;
    let fraction = nano % NANO_PER_DOLLAR;
    if fraction > 0 {
        let digits = format!("{fraction:09}");
        write!(out, ".{}", digits.trim_end_matches('0'))?;
    }
    Ok(())
}

/// A label's value as OpenMetrics wants it: backslash, quote and line feed escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_at_every_size() {
        let text = |nano| {
            let mut out = String::new();
            dollars(&mut out, nano).expect("a String takes everything");
            out
        };
        assert_eq!(text(0), "0");
        assert_eq!(text(1), "0.000000001");
        assert_eq!(text(150_000), "0.00015");
        assert_eq!(text(12_000_000_000), "12");
        assert_eq!(text(u64::MAX), "18446744073.709551615");
    }
}
