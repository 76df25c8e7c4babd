//! Probes: requests that the gateway makes by itself, to find out whether an endpoint is back or still there (`routing.probe`; off by
//! default).
//!
//! One task looks after all endpoints of the process; it runs on the first data-plane thread, because providers' connections live on
//! such threads. It asks [`Statistics::probe_due`](crate::statistics::Statistics::probe_due) which endpoints are due, those that failed
//! before those that are merely idle, and makes at most so many probes a minute, at most [`AT_ONCE_MAX`] at once, at most one of each
//! endpoint.
//!
//! A probe is a request to the endpoint's model, planned like any other and then bound to the one endpoint: so it has the protocol, the
//! shared key, the translation and the rules that a client's request would have. An endpoint that the configuration keeps from everybody is
//! not probed, and neither is one that is only there with a key of a client's own. What is cheap is asked: a word with an answer of a
//! few tokens, streamed, or an embedding of a word. Pictures, sound, and documents to rank are not, since each costs real money, and
//! neither are free models (`:free`), whose number of requests a day is small.
//!
//! It is booked like a request, without a key and with `probe` for its API. It holds no place among the requests in flight, and
//! when the plane drains no new one begins.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use turnout_wire::api::{Api, Task};
use turnout_wire::json::write_string;
use turnout_wire::request::Request;

use crate::account::{Account, Purpose};
use crate::attempts::attempts;
use crate::clock::{self, Instant, Moment};
use crate::deadline::Wanted;
use crate::edge::head::Head;
use crate::inside::{self, Inside};
use crate::limits;
use crate::metrics::Counter;
use crate::route::{self, Asking};
use crate::snapshot::{CredentialKind, Endpoint, Model, Provider, Snapshot, written};
use crate::statistics::{Due, Pace, Probing, Shown};
use crate::thread::Thread;

/// Probes under way at once. A provider that hangs holds up no more than this.
const AT_ONCE_MAX: usize = 8;
/// How often is looked for what is due: often enough for a breaker's shortest useful time, seldom enough for ten thousand endpoints.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Probes that may come at once after a quiet time, as a part of a minute's.
const BURST_PART: u32 = 12;
/// The ending of slugs whose use is free and limited by the day.
const FREE: &str = ":free";

/// Looks after the endpoints for as long as the thread runs.
pub(crate) async fn run(thread: Rc<Thread>) {
    let since = Moment::now();
    let under_way = Rc::new(Cell::new(0));
    let mut allowance = Allowance::default();
    loop {
        clock::sleep(pause(&thread.snapshot())).await;
        let snapshot = thread.snapshot();
        if !snapshot.has_probes || thread.is_draining() {
            continue;
        }
        let now = Moment::now();
        for what in due(&snapshot, since, now) {
            if under_way.get() >= AT_ONCE_MAX
                || !allowance.take(snapshot.routing.probes_per_minute, now)
            {
                break;
            }
            under_way.set(under_way.get() + 1);
            let (thread, snapshot, one) = (
                Rc::clone(&thread),
                Arc::clone(&snapshot),
                UnderWay(Rc::clone(&under_way)),
            );
            tokio::task::spawn_local(async move {
                let _one = one;
                probe(&thread, &snapshot, &what).await;
            });
        }
    }
}

/// How long until the next look: a part of the shortest time after which anything may be due.
fn pause(snapshot: &Snapshot) -> Duration {
    let shortest_ms = (snapshot.providers.iter())
        .filter_map(|provider| provider.probe)
        .map(|probe| match probe.idle_ms {
            0 => probe.every_ms,
            idle_ms => probe.every_ms.min(idle_ms),
        })
        .min();
    shortest_ms.map_or(LOOK_EVERY, |ms| {
        Duration::from_millis(ms / 4).clamp(Duration::from_millis(10), LOOK_EVERY)
    })
}

/// Counts a probe for as long as it is under way.
struct UnderWay(Rc<Cell<usize>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// How many probes may still be made: as many as the minute's share of the time that has passed, and a few at once.
#[derive(Debug, Default)]
struct Allowance {
    /// When it was last looked at; zero: never, and a whole burst may come.
    at_ms: u64,
    /// Thousandths of a probe, per minute: 60,000,000 is one.
    saved: u64,
}

impl Allowance {
    const ONE: u64 = 60_000;

    /// Takes one, if there is one.
    fn take(&mut self, per_minute: u32, now: Moment) -> bool {
        let most = u64::from((per_minute / BURST_PART).max(1)) * Self::ONE;
        let passed_ms = now.ms().saturating_sub(self.at_ms);
        let grown = passed_ms.saturating_mul(u64::from(per_minute));
        self.at_ms = now.ms();
        self.saved = self.saved.saturating_add(grown).min(most);
        let is_there = self.saved >= Self::ONE;
        if is_there {
            self.saved -= Self::ONE;
        }
        is_there
    }
}

/// An endpoint to be asked.
struct What {
    due: Due,
    model: Arc<Model>,
    /// Index into the model's endpoints.
    index: usize,
    timing: written::Probe,
}

impl What {
    fn endpoint(&self) -> Option<&Endpoint> {
        self.model.endpoints.get(self.index)
    }
}

/// What is due at this moment, the most urgent first.
fn due(snapshot: &Snapshot, since: Moment, now: Moment) -> Vec<What> {
    let mut found = Vec::new();
    let mut number: u64 = 0;
    for model in &snapshot.slugs {
        for (index, endpoint) in model.endpoints.iter().enumerate() {
            number += 1;
            let Some(provider) = snapshot.providers.get(endpoint.provider) else {
                continue;
            };
            let Some(timing) = provider.probe else {
                continue;
            };
            let pace = Pace {
                every_ms: timing.every_ms,
                idle_ms: timing.idle_ms,
                since,
                // Steps of the golden section: near ones lie far apart, and all lie evenly.
                spread: number * 618 % 1000,
            };
            let Some(due) = endpoint.statistics.probe_due(&pace, now) else {
                continue;
            };
            if has_key(provider, now) && question(model, endpoint).is_some() {
                found.push(What {
                    due,
                    model: Arc::clone(model),
                    index,
                    timing,
                });
            }
        }
    }
    found.sort_by_key(|what| what.due);
    found
}

/// Whether there is a key for everybody that need not wait: one that the provider does not accept is not shown to it every few seconds.
fn has_key(provider: &Provider, now: Moment) -> bool {
    (provider.credentials.iter()).any(|credential| {
        credential.kind == CredentialKind::Shared && !credential.state.look(now).is_cooling()
    })
}

/// What may be asked of an endpoint; `None`: nothing that is cheap.
fn question(model: &Model, endpoint: &Endpoint) -> Option<Api> {
    // A name with a star is no model's.
    if model.slug.ends_with(FREE) || endpoint.model.contains('*') {
        return None;
    }
    let outputs = &endpoint.outputs;
    let embeds = match outputs.is_known() {
        true => outputs.serve(Task::Embed),
        // Models of one's own are often described no further. To ask one for what it cannot do would look like a failure.
        false => model.slug.contains("embed") || endpoint.model.contains("embed"),
    };
    match embeds {
        true => Some(Api::Embeddings),
        false => outputs.is_text().then_some(Api::Chat),
    }
}

/// The body of the question.
fn body(slug: &str, api: Api, tokens: u32) -> Vec<u8> {
    let mut body = b"{\"model\":".to_vec();
    write_string(slug, &mut body);
    let rest = match api {
        Api::Embeddings => ",\"input\":\"hello\"}".to_owned(),
        _ => format!(
            ",\"messages\":[{{\"role\":\"user\",\"content\":\"Say hello in one word.\"}}],\"max_tokens\":{tokens},\"stream\":true}}"
        ),
    };
    body.extend_from_slice(rest.as_bytes());
    body
}

async fn probe(thread: &Rc<Thread>, snapshot: &Snapshot, what: &What) {
    let Some(endpoint) = what.endpoint() else {
        return;
    };
    let Some(probing) = endpoint.statistics.begin_probe(Moment::now()) else {
        return;
    };
    let counter = match ask(thread, snapshot, what, endpoint, &probing).await {
        None => return,
        Some(Shown::Served) => Counter::ProbeServed,
        Some(Shown::Failed) => Counter::ProbeFailed,
        Some(Shown::Limited) => Counter::ProbeLimited,
        Some(Shown::Unclear | Shown::Nothing) => Counter::ProbeUnclear,
    };
    thread.metrics.count(counter);
}

/// Asks, and tells what that showed; `None`: nothing was asked.
async fn ask(
    thread: &Rc<Thread>,
    snapshot: &Snapshot,
    what: &What,
    endpoint: &Endpoint,
    probing: &Probing<'_>,
) -> Option<Shown> {
    let api = question(&what.model, endpoint)?;
    let request = Request::read(body(&what.model.slug, api, what.timing.tokens), api).ok()?;
    let asking = Asking {
        snapshot,
        key: None,
        request: &request,
        conversation: None,
        region: None,
        judged: None,
        trace: None,
    };
    let mut plan = route::plan(&asking).ok()?;
    // The plan is nearly always for several endpoints. Keys of clients' own are theirs.
    (plan.candidates).retain(|one| std::ptr::eq(one.endpoint, endpoint) && one.own.is_none());
    plan.candidates.truncate(1);
    if plan.candidates.is_empty() {
        return None;
    }
    // A gateway whose credits are used up asks nobody.
    let hold = limits::hold(thread, &asking, &plan).ok()?;
    let (seat, _registered) = thread.take_seat().await;
    let began = Instant::now();
    let mut caller = Inside::new(seat, 0);
    let mut account = Account::open(
        thread,
        snapshot,
        None,
        &request,
        &Head::default(),
        inside::ADDRESS,
        began,
        0,
    );
    account.is_for(Purpose::Probe);
    account.hold(hold);
    let time = Wanted::within(Duration::from_millis(what.timing.timeout_ms));
    attempts(
        thread,
        snapshot,
        &mut caller,
        None,
        &request,
        &plan,
        &mut account,
        time,
        false,
    )
    .await;
    Some(probing.shown())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::of_ms(1_800_000_000_000 + ms)
    }

    #[test]
    fn a_minute_has_as_many_probes_as_it_may_have() {
        let mut allowance = Allowance::default();
        let made = |allowance: &mut Allowance, seconds: std::ops::Range<u64>| {
            (seconds.start * 10..seconds.end * 10)
                .filter(|tenth| allowance.take(30, at(tenth * 100)))
                .count()
        };
        // Two at once, and from then on one in two seconds.
        assert_eq!(made(&mut allowance, 0..60), 31);
        assert_eq!(made(&mut allowance, 60..120), 30);
        // What is not used is not saved for long.
        assert_eq!(made(&mut allowance, 1000..1001), 2);
    }

    #[test]
    fn none_a_minute_is_none() {
        let mut allowance = Allowance::default();
        assert!((0..1000).all(|minute| !allowance.take(0, at(minute * 60_000))));
    }

    #[test]
    fn questions_are_read_as_what_they_are() {
        for (api, tokens) in [(Api::Chat, 1), (Api::Embeddings, 1)] {
            let request = Request::read(body("a/\"b\"", api, tokens), api).expect("it can be read");
            assert_eq!(request.model(), Some("a/\"b\""));
            assert_eq!(request.stream(), api == Api::Chat);
        }
    }
}
