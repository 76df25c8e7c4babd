//! The routing of a gateway in virtual time: real policies and real statistics over endpoints that are made up.
//!
//! For the simulator (`examples/simulate`) and its test. It moves the clock of the process; in a unit test Tokio's time has to be paused.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use turnout_wire::api::Api;
use turnout_wire::request::Request;

use crate::clock::{self, Instant, Moment};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::route::{self, Asking};
use crate::snapshot::{Endpoint, Provider, Snapshot};
use crate::statistics::{Ending, Flight, Registry, Served};
use crate::upstream::origin::Origins;

/// How long a request that fails takes to do so, and one that is told to come back.
const FAILURE_MS: u64 = 3000;
const LIMITED_MS: u64 = 50;

/// An endpoint that is made up.
#[derive(Debug, Clone)]
pub struct Bed {
    /// Its name.
    pub name: &'static str,
    /// Dollars per million tokens, of prompts and of answers.
    pub prices: (f64, f64),
    /// Milliseconds to the first token, and tokens per second after it.
    pub speed: (f64, f64),
    /// From second to second so many of a thousand requests fail.
    pub outage: Option<(u64, u64, u32)>,
    /// More requests in flight than this are told to come back later.
    pub bears: Option<u32>,
    /// From second to second it is so many times slower.
    pub drift: Option<(u64, u64, f64)>,
}

/// A request of the trace.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Milliseconds after the beginning.
    pub at_ms: u64,
    /// Tokens.
    pub prompt: u64,
    /// Tokens.
    pub completion: u64,
}

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Requests.
    pub asked: u32,
    /// Of them, served at all, and by the first endpoint that was tried.
    pub served: u32,
    /// See `served`.
    pub served_at_once: u32,
    /// Nano-dollars of those that were served.
    pub cost_nano: u64,
    /// Milliseconds from the request to its first token, in order.
    pub ttft_ms: Vec<u64>,
}

impl Outcome {
    /// Of the requests, which part was served, and which at once.
    pub fn success(&self) -> (f64, f64) {
        let share = |count: u32| f64::from(count) / f64::from(self.asked.max(1));
        (share(self.served), share(self.served_at_once))
    }

    /// Dollars of a thousand served requests.
    pub fn dollars_per_thousand(&self) -> f64 {
        self.cost_nano as f64 / 1e6 / f64::from(self.served.max(1))
    }

    /// Milliseconds that 95 of 100 served requests waited at most.
    pub fn ttft_p95_ms(&self) -> u64 {
        let mut sorted = self.ttft_ms.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(usize),
    End(usize),
    Tick,
}

/// A request under way.
struct Running {
    ask: Ask,
    /// The endpoints in the order of the plan; those that were tried are gone.
    left: Vec<usize>,
    tries: u32,
    flight: Option<(usize, Flight<'static>, Fate)>,
}

/// How an attempt will end.
#[derive(Clone, Copy)]
enum Fate {
    Served { ttft_ms: u64 },
    Failed,
    Limited,
}

/// One run.
pub struct Simulation {
    beds: Vec<Bed>,
    asks: Vec<Ask>,
    attempts_max: u32,
    snapshot: &'static Snapshot,
    registry: Registry,
    request: &'static Request,
    began: Instant,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    running: Vec<Option<Running>>,
    busy: Vec<u32>,
    random: fastrand::Rng,
    outcome: Outcome,
}

impl Simulation {
    /// A run of this policy. `template`: a whole snapshot as JSON, of which the shape is taken and the providers and models are replaced.
    /// What it makes is never freed: a simulator runs a few times and ends.
    ///
    /// # Panics
    /// When the template is no snapshot.
    #[expect(
        clippy::expect_used,
        reason = "a tool, and its input is in the repository"
    )]
    pub fn new(
        template: &str,
        policy: &str,
        beds: &[Bed],
        asks: &[Ask],
        attempts_max: u32,
        seed: u64,
    ) -> Simulation {
        let mut written: Value = serde_json::from_str(template).expect("a snapshot is JSON");
        let mut provider = written["providers"][0].take();
        provider["credentials"] = json!([]);
        let mut endpoint = written["models"][0]["endpoints"][0].take();
        for (member, value) in [
            ("parameters", Value::Null),
            ("context_length", Value::Null),
            ("completion_tokens_max", Value::Null),
        ] {
            endpoint[member] = value;
        }
        let (mut providers, mut endpoints) = (Vec::new(), Vec::new());
        for (index, bed) in beds.iter().enumerate() {
            provider["slug"] = json!(bed.name);
            providers.push(provider.clone());
            endpoint["provider"] = json!(index);
            endpoint["tag"] = json!(bed.name);
            let nano = |dollars: f64| json!((dollars * 1e9) as u64);
            endpoint["prices"]["prompt"] = nano(bed.prices.0);
            endpoint["prices"]["cache_read"] = nano(bed.prices.0);
            endpoint["prices"]["completion"] = nano(bed.prices.1);
            endpoints.push(endpoint.clone());
        }
        let mut model = written["models"][0].take();
        model["slug"] = json!("made/up");
        model["endpoints"] = json!(endpoints);
        written["providers"] = json!(providers);
        written["models"] = json!([model]);
        for (list, empty) in [
            ("wildcards", json!([])),
            ("keys", json!([])),
            ("aliases", json!({})),
            ("routers", json!([])),
        ] {
            written[list] = empty;
        }
        written["routing"]["wishes"] =
            json!({"policy": policy, "only": [], "ignore": [], "training": true, "zdr": false});
        written["routing"]["outage_ms"] = json!(30_000);
        written["routing"]["breaker"] =
            json!({"failures": 5, "open_ms": 30_000, "open_max_ms": 300_000});
        written["routing"]["cooldown_max_ms"] = json!(600_000);
        written["routing"]["adaptive"] = json!({"second_nano": 100_000, "failure": 10, "limited": 2, "exploration_permille": 20});
        // Before anything asks for the time, or the numbers of two runs differ.
        clock::stand_still();
        let registry = Registry::default();
        let bytes = serde_json::to_vec(&written).expect("JSON is written");
        let metrics = Metrics::new(1, &[]);
        let (snapshot, _) = Snapshot::read(
            &bytes,
            1,
            &Origins::default(),
            &metrics,
            &registry,
            &Limits::new(0),
        )
        .expect("the template is a snapshot");
        let body =
            br#"{"model":"made/up","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
        let request = Request::read(body.to_vec(), Api::Chat).expect("it is a request");
        fastrand::seed(seed);
        let last_ms = asks.last().map_or(0, |ask| ask.at_ms);
        let arrivals = asks
            .iter()
            .enumerate()
            .map(|(index, ask)| Reverse((ask.at_ms, Event::Arrive(index))));
        let ticks = (0..=last_ms / 1000 + 60).map(|second| Reverse((second * 1000, Event::Tick)));
        Simulation {
            beds: beds.to_vec(),
            asks: asks.to_vec(),
            attempts_max,
            snapshot: Box::leak(Box::new(snapshot)),
            registry,
            request: Box::leak(Box::new(request)),
            began: Instant::now(),
            events: arrivals.chain(ticks).collect(),
            running: asks.iter().map(|_| None).collect(),
            busy: vec![0; beds.len()],
            random: fastrand::Rng::with_seed(seed),
            outcome: Outcome::default(),
        }
    }

    /// Lets one thing happen after the other until all is over; what it came to.
    pub async fn run(mut self) -> Outcome {
        while let Some(Reverse((at_ms, _))) = self.events.peek() {
            let due = self.began + Duration::from_millis(*at_ms);
            clock::advance(due - Instant::now()).await;
            self.step();
        }
        self.into_outcome()
    }

    fn step(&mut self) {
        let Some(Reverse((at_ms, event))) = self.events.pop() else {
            return;
        };
        match event {
            Event::Tick => self.registry.tick(Moment::now()),
            Event::Arrive(index) => self.arrive(index, at_ms),
            Event::End(index) => self.end(index, at_ms),
        }
    }

    /// What became of the requests.
    fn into_outcome(self) -> Outcome {
        self.outcome
    }

    fn arrive(&mut self, index: usize, now_ms: u64) {
        let Some(ask) = self.asks.get(index).copied() else {
            return;
        };
        self.outcome.asked += 1;
        let asking = Asking {
            snapshot: self.snapshot,
            key: None,
            request: self.request,
            conversation: None,
            region: None,
            judged: None,
            trace: None,
        };
        let plan = route::plan(&asking);
        let left = plan.map_or_else(
            |_| Vec::new(),
            |plan| {
                plan.candidates
                    .iter()
                    .map(|candidate| candidate.endpoint.provider)
                    .rev()
                    .collect()
            },
        );
        let running = Running {
            ask,
            left,
            tries: 0,
            flight: None,
        };
        self.attempt(index, running, now_ms);
    }

    /// Tries the next endpoint.
    fn attempt(&mut self, index: usize, mut running: Running, now_ms: u64) {
        if running.tries >= self.attempts_max {
            return;
        }
        let Some((bed, (endpoint, _))) = running
            .left
            .pop()
            .and_then(|bed| Some((bed, self.endpoint(bed)?)))
        else {
            return;
        };
        running.tries += 1;
        let second = now_ms / 1000;
        let flight = endpoint.statistics.begin(Moment::now());
        let (Some(made_up), Some(busy)) = (self.beds.get(bed), self.busy.get_mut(bed)) else {
            return;
        };
        let within = |from: u64, to: u64| (from..to).contains(&second);
        let fails = made_up.outage.is_some_and(|(from, to, permille)| {
            within(from, to) && self.random.u32(..1000) < permille
        });
        let slower = made_up
            .drift
            .filter(|(from, to, _)| within(*from, *to))
            .map_or(1.0, |(_, _, times)| times);
        let (fate, takes_ms) = if made_up.bears.is_some_and(|bears| *busy >= bears) {
            (Fate::Limited, LIMITED_MS)
        } else if fails {
            (Fate::Failed, FAILURE_MS)
        } else {
            let ttft = made_up.speed.0 * slower * (0.7 + 0.6 * self.random.f64());
            let writing = running.ask.completion as f64 * 1000.0 * slower / made_up.speed.1;
            let ttft_ms = ttft as u64;
            (Fate::Served { ttft_ms }, ttft_ms + writing as u64)
        };
        *busy += 1;
        running.flight = Some((bed, flight, fate));
        if let Some(slot) = self.running.get_mut(index) {
            *slot = Some(running);
        }
        self.events
            .push(Reverse((now_ms + takes_ms, Event::End(index))));
    }

    fn end(&mut self, index: usize, now_ms: u64) {
        let Some(mut running) = self.running.get_mut(index).and_then(Option::take) else {
            return;
        };
        let Some((bed, flight, fate)) = running.flight.take() else {
            return;
        };
        if let Some(busy) = self.busy.get_mut(bed) {
            *busy -= 1;
        }
        let now = Moment::now();
        let Some((endpoint, provider)) = self.endpoint(bed) else {
            return;
        };
        let took_us = now.ms().saturating_sub(flight.began().ms()) * 1000;
        match fate {
            Fate::Served { ttft_ms } => {
                let Ask {
                    at_ms,
                    prompt,
                    completion,
                } = running.ask;
                let served = Served {
                    ttft_us: Some(ttft_ms * 1000),
                    took_us,
                    prompt,
                    cached: 0,
                    completion,
                    calls_wrongly: None,
                };
                flight.end(Ending::Served(served), now);
                let outcome = &mut self.outcome;
                outcome.served += 1;
                outcome.served_at_once += u32::from(running.tries == 1);
                let began_ms = now_ms.saturating_sub(took_us / 1000);
                outcome.ttft_ms.push(began_ms + ttft_ms - at_ms);
                if let Some(prices) = &endpoint.prices {
                    outcome.cost_nano +=
                        (prompt * prices.prompt + completion * prices.completion) / 1_000_000;
                }
            }
            Fate::Failed => {
                flight.end(Ending::Failed { cool_ms: None }, now);
                self.attempt(index, running, now_ms);
            }
            Fate::Limited => {
                let mut cool_ms = None;
                if let Some(key) = provider.credentials.first() {
                    key.state.limited(None, now);
                    cool_ms = Some(key.state.look(now).cooldown_ms);
                }
                flight.end(Ending::Limited { cool_ms }, now);
                self.attempt(index, running, now_ms);
            }
        }
    }

    /// The endpoint that stands for a bed, and its provider.
    fn endpoint(&self, bed: usize) -> Option<(&'static Endpoint, &'static Provider)> {
        let model: &'static Arc<crate::snapshot::Model> = self.snapshot.slugs.first()?;
        let endpoint = model
            .endpoints
            .iter()
            .find(|endpoint| endpoint.provider == bed)?;
        Some((endpoint, self.snapshot.providers.get(bed)?))
    }
}

/// Requests of a trace in JSON lines with `timestamp` (milliseconds), `input_length` and `output_length`; without the file, requests that are
/// made up: an hour of three or four a second, with prompts and answers as long as in conversations.
pub fn requests(trace: Option<&Path>) -> Vec<Ask> {
    let read = trace.and_then(|trace| std::fs::read_to_string(trace).ok());
    let number = |line: &Value, member: &str| line[member].as_u64().unwrap_or_default();
    let mut asks: Vec<Ask> = match read {
        Some(text) => text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|line| Ask {
                at_ms: number(&line, "timestamp"),
                prompt: number(&line, "input_length"),
                completion: number(&line, "output_length"),
            })
            .collect(),
        None => made_up(3600, 3.4),
    };
    asks.sort_by_key(|ask| ask.at_ms);
    asks
}

/// So many seconds of made-up requests, so many a second.
pub fn made_up(seconds: u64, per_second: f64) -> Vec<Ask> {
    let mut random = fastrand::Rng::with_seed(4);
    let mut exponential = |mean: f64| -(1.0 - random.f64()).ln() * mean;
    let mut asks = Vec::new();
    let mut now_ms = 0.0;
    loop {
        now_ms += exponential(1000.0 / per_second);
        if now_ms > seconds as f64 * 1000.0 {
            return asks;
        }
        asks.push(Ask {
            at_ms: now_ms as u64,
            prompt: 200 + exponential(8000.0) as u64,
            completion: 20 + exponential(320.0) as u64,
        });
    }
}

/// Four endpoints, cheap and slow to dear and fast.
pub fn beds() -> [Bed; 4] {
    let bed = |name, prices, speed| Bed {
        name,
        prices,
        speed,
        outage: None,
        bears: None,
        drift: None,
    };
    [
        bed("cheap", (0.40, 1.20), (700.0, 60.0)),
        bed("usual", (0.50, 1.50), (500.0, 80.0)),
        bed("quick", (0.60, 1.80), (350.0, 120.0)),
        bed("quickest", (1.00, 3.00), (200.0, 200.0)),
    ]
}

/// What can happen to them: name and endpoints.
pub fn scenes(seconds: u64) -> Vec<(&'static str, Vec<Bed>)> {
    let (from, to) = (seconds / 6, seconds * 5 / 6);
    let changed = |change: &dyn Fn(&mut [Bed; 4])| {
        let mut beds = beds();
        change(&mut beds);
        beds.to_vec()
    };
    vec![
        ("all is well", changed(&|_| {})),
        (
            "the cheapest fails half the time, the next one time in five",
            changed(&|[cheap, usual, ..]| {
                cheap.outage = Some((from, to, 500));
                usual.outage = Some((from, to, 200));
            }),
        ),
        (
            "the cheapest fails one time in twenty-five",
            changed(&|[cheap, ..]| cheap.outage = Some((from, to, 40))),
        ),
        (
            "the two cheapest bear four and eight requests",
            changed(&|[cheap, usual, ..]| {
                cheap.bears = Some(4);
                usual.bears = Some(8);
            }),
        ),
        (
            "the cheapest becomes eight times slower",
            changed(&|[cheap, ..]| cheap.drift = Some((from, to, 8.0))),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../../tests/config/snapshot.golden.json");

    fn run(policy: &str, beds: &[Bed], asks: &[Ask], attempts_max: u32) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime can be made");
        runtime.block_on(async {
            Simulation::new(TEMPLATE, policy, beds, asks, attempts_max, 1)
                .run()
                .await
        })
    }

    #[test]
    fn r36_adaptive_is_served_more_often_than_price_in_an_outage_and_costs_no_more_when_all_is_well()
     {
        let asks = made_up(600, 3.0);
        let scenes = scenes(600);
        let (well, hard, partial) = (&scenes[0].1, &scenes[1].1, &scenes[2].1);
        let (price, adaptive) = (
            run("price", well, &asks, 4),
            run("adaptive", well, &asks, 4),
        );
        assert_eq!(
            (price.served, adaptive.served),
            (price.asked, adaptive.asked)
        );
        assert!(
            adaptive.dollars_per_thousand() <= price.dollars_per_thousand() * 1.05,
            "{} for {}",
            adaptive.dollars_per_thousand(),
            price.dollars_per_thousand()
        );
        let (price, adaptive) = (
            run("price", partial, &asks, 1),
            run("adaptive", partial, &asks, 1),
        );
        assert!(
            adaptive.success() > price.success(),
            "{:?} for {:?}",
            adaptive.success(),
            price.success()
        );
        // With the usual attempts nobody sees any of it.
        let adaptive = run("adaptive", hard, &asks, 4);
        assert_eq!(adaptive.served, adaptive.asked);
    }
}
