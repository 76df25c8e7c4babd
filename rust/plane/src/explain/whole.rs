//! `turnout_explain`: all that was decided for a request. Each endpoint with what dropped it or how it was scored and what was known
//! of it, the policies, the conversation's memory, each attempt, and the time that each step took.

use serde::Serialize;
use turnout_wire::cost::{Prices, dollars};

use super::router::Written;
use super::{Course, json};
use crate::route::Candidate;
use crate::route::trace::{Seen, Verdict};
use crate::snapshot::Endpoint;
use crate::statistics::{Look, Uptime};

/// Stands for the label of a key of somebody's own where labels are not told.
const OWN: &str = "own";

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    generation_id: &'a str,
    requested: Vec<&'a str>,
    strategy: &'static str,
    /// Digest of the configuration.
    config: &'a str,
    /// Name of the client's key.
    key: Option<&'a str>,
    policies: Vec<Policy<'a>>,
    sticky: Option<Sticky<'a>>,
    stages: Vec<Written<'a>>,
    /// First those that may serve, in the order in which they are tried; then those that were dropped.
    candidates: Vec<Shown<'a>>,
    /// Endpoints that were looked at and are not shown.
    candidates_left_out: usize,
    attempts: Vec<Attempt<'a>>,
    timings: Timings<'a>,
}

#[derive(Serialize)]
struct Policy<'a> {
    model: &'a str,
    policy: &'a str,
    from: &'a str,
}

#[derive(Serialize)]
struct Sticky<'a> {
    by: &'a str,
    decision: &'a str,
    endpoint: &'a str,
}

#[derive(Serialize, Default)]
struct Shown<'a> {
    /// Place in the order of attempts, from 1; null: dropped.
    rank: Option<usize>,
    model: &'a str,
    provider: &'a str,
    endpoint: &'a str,
    selected: bool,
    /// Label of the key of somebody's own that it is asked with, or [`OWN`]; null: the provider's shared ones.
    own_key: Option<&'a str>,
    /// A word of the `excluded_by` vocabulary.
    dropped_by: Option<&'a str>,
    detail: Option<&'a str>,
    /// What the policy compared.
    score: Option<f64>,
    /// What it was ordered within.
    group: Option<&'a str>,
    #[serde(flatten)]
    facts: Option<Facts<'a>>,
}

/// What the configuration says of an endpoint, and what its requests have shown.
#[derive(Serialize)]
struct Facts<'a> {
    /// Null: not for who asks.
    upstream_model: Option<&'a str>,
    dialect: &'static str,
    prices: Option<Costs<'a>>,
    context_length: Option<u64>,
    max_completion_tokens: Option<u64>,
    quantization: Option<&'a str>,
    region: Option<&'a str>,
    statistics: Statistics,
}

/// Dollars per million tokens, and per request, as decimal text.
#[derive(Serialize)]
struct Costs<'a> {
    prompt: String,
    completion: String,
    request: String,
    version: &'a str,
}

impl<'a> Costs<'a> {
    fn of(prices: &'a Prices) -> Costs<'a> {
        Costs {
            prompt: dollars(prices.prompt),
            completion: dollars(prices.completion),
            request: dollars(prices.request),
            version: &prices.version,
        }
    }
}

#[derive(Serialize)]
struct Statistics {
    in_flight: u32,
    failing: bool,
    resting: bool,
    uptime: &'static str,
    latency_ms: Option<Percentiles>,
    tokens_per_second: Option<Percentiles>,
    requests_30m: u32,
    failed_permille: u16,
    rate_limited_permille: u16,
    tool_answers_2h: u32,
    tool_errors_2h: u32,
}

#[derive(Serialize)]
struct Percentiles {
    p50: f64,
    p75: f64,
    p90: f64,
    p99: f64,
}

impl Percentiles {
    fn of(thousandths: [u32; 4]) -> Percentiles {
        let [p50, p75, p90, p99] = thousandths.map(|value| f64::from(value) / 1000.0);
        Percentiles { p50, p75, p90, p99 }
    }
}

impl Statistics {
    fn of(look: &Look) -> Statistics {
        Statistics {
            in_flight: look.in_flight,
            failing: look.is_failing,
            resting: look.is_resting,
            uptime: match look.uptime {
                Uptime::Normal => "normal",
                Uptime::Lower => "lower",
                Uptime::Fallback => "fallback",
            },
            latency_ms: look.ttft_us.map(Percentiles::of),
            tokens_per_second: look.speed.map(Percentiles::of),
            requests_30m: look.requests,
            failed_permille: look.failed_permille,
            rate_limited_permille: look.limited_permille,
            tool_answers_2h: look.tool_answers,
            tool_errors_2h: look.tool_errors,
        }
    }
}

#[derive(Serialize)]
struct Attempt<'a> {
    model: &'a str,
    provider: &'a str,
    endpoint: &'a str,
    /// Label of the provider's key; null: not for who asks.
    credential: Option<&'a str>,
    is_byok: bool,
    /// The provider's; null: it gave none.
    status: Option<u16>,
    outcome: &'static str,
    /// Whether it was made beside another one that was slow.
    hedged: bool,
    latency_us: u64,
    connect_us: u64,
}

#[derive(Serialize)]
struct Timings<'a> {
    steps: Vec<Step<'a>>,
    queue_us: Option<u64>,
    ttft_us: Option<u64>,
    waited_us: Option<u64>,
    overhead_us: Option<u64>,
    total_us: Option<u64>,
}

#[derive(Serialize)]
struct Step<'a> {
    step: &'a str,
    ns: u64,
}

pub(super) fn write(course: &Course<'_, '_>) -> String {
    let (trace, asking) = (course.trace, course.asking);
    let request = asking.request;
    let serving = course
        .candidates()
        .iter()
        .zip(1..)
        .map(|(candidate, rank)| shown(course, candidate, rank));
    let dropped = trace.endpoints.iter().filter_map(|seen| {
        let shown = Shown {
            model: &seen.slug,
            provider: &seen.provider,
            endpoint: &seen.endpoint,
            ..Shown::default()
        };
        match &seen.verdict {
            Verdict::Dropped { reason, detail } => Some(Shown {
                dropped_by: Some(reason),
                detail: (!detail.is_empty()).then_some(detail),
                ..shown
            }),
            Verdict::Ranked { .. } if course.candidates().iter().any(|it| is_it(seen, it)) => None,
            // It could have served, but only as a fallback.
            Verdict::Ranked { score, group, .. } => Some(Shown {
                dropped_by: Some("allow_fallbacks"),
                score: Some(*score),
                group: Some(group),
                ..shown
            }),
        }
    });
    let mut before = trace.began;
    let steps = trace.steps.iter().map(|(step, at)| {
        let ns = at.duration_since(before).as_nanos();
        before = *at;
        Step {
            step,
            ns: u64::try_from(ns).unwrap_or(u64::MAX),
        }
    });
    let times = course.times;
    json(&Whole {
        generation_id: course.id,
        requested: request
            .model()
            .into_iter()
            .chain(request.models().iter().map(String::as_str))
            .collect(),
        strategy: course.strategy(),
        config: &asking.snapshot.digest,
        key: asking.key.map(|key| key.name.as_str()),
        policies: trace
            .policies
            .iter()
            .map(|policy| Policy {
                model: &policy.slug,
                policy: policy.name,
                from: policy.from,
            })
            .collect(),
        sticky: trace.sticky.as_ref().map(|sticky| Sticky {
            by: sticky.by,
            decision: sticky.decision,
            endpoint: &sticky.endpoint,
        }),
        stages: trace.stages.iter().map(Written::of).collect(),
        candidates: serving.chain(dropped).collect(),
        candidates_left_out: trace.left_out,
        attempts: course
            .tried
            .iter()
            .map(|tried| Attempt {
                model: tried.candidate.slug,
                provider: &tried.candidate.provider.name,
                endpoint: tried.attempt.endpoint,
                credential: trace.wish.inside.then_some(tried.attempt.credential),
                is_byok: tried.attempt.is_byok,
                status: (tried.attempt.status != 0).then_some(tried.attempt.status),
                outcome: tried.attempt.outcome.name(),
                hedged: tried.attempt.hedged,
                latency_us: tried.attempt.latency_us,
                connect_us: tried.connect_us,
            })
            .collect(),
        timings: Timings {
            steps: steps.collect(),
            queue_us: times.map(|times| times.queue_us),
            ttft_us: times.map(|times| times.ttft_us).filter(|us| *us != 0),
            waited_us: times.map(|times| times.waited_us),
            overhead_us: times.map(|times| times.total_us.saturating_sub(times.waited_us)),
            total_us: times.map(|times| times.total_us),
        },
    })
}

/// Whether an endpoint that was written down is this candidate.
fn is_it(seen: &Seen, candidate: &Candidate<'_>) -> bool {
    seen.slug == candidate.slug && seen.endpoint == candidate.endpoint.tag
}

/// A candidate, with what was written down of it when it was ordered.
fn shown<'a>(course: &Course<'a, '_>, candidate: &'a Candidate<'_>, rank: usize) -> Shown<'a> {
    let endpoint: &Endpoint = candidate.endpoint;
    let inside = course.trace.wish.inside;
    let ranked = course
        .trace
        .endpoints
        .iter()
        .filter(|seen| is_it(seen, candidate))
        .find_map(|seen| match seen.verdict {
            Verdict::Ranked { score, group, look } => Some((score, group, look)),
            Verdict::Dropped { .. } => None,
        });
    let now = || endpoint.statistics.look();
    let look = ranked.map_or_else(now, |(.., look)| look);
    Shown {
        rank: Some(rank),
        model: candidate.slug,
        provider: &candidate.provider.name,
        endpoint: &endpoint.tag,
        selected: course.is_serving(candidate),
        own_key: candidate.own.as_ref().map(|own| match inside {
            true => own.credential.label.as_str(),
            false => OWN,
        }),
        dropped_by: None,
        detail: None,
        score: ranked.map(|(score, ..)| score),
        group: ranked.map(|(_, group, _)| group),
        facts: Some(Facts {
            upstream_model: inside.then_some(candidate.model()),
            dialect: candidate.wire().dialect.name(),
            prices: endpoint.prices.as_ref().map(Costs::of),
            context_length: endpoint.context_length,
            max_completion_tokens: endpoint.completion_tokens_max,
            quantization: endpoint.quantization.as_deref(),
            region: endpoint.region.as_deref(),
            statistics: Statistics::of(&look),
        }),
    }
}
