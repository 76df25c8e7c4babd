//! What a decision costs: time and allocations of ordering the endpoints of a request.
//!
//! `make bench-micro` builds this with optimisations and runs it. Times are the fastest of many rounds, because what disturbs a round
//! only ever makes it slower. The configuration is the golden one with models of many endpoints in place of its own.
//!
//! With the number of a line, from 0, and of rounds (`route 3 10000`) only these are run, for a profiler that counts instructions.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be made stops"
)]

#[path = "../../../wire/examples/micro/counting.rs"]
mod counting;

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use turnout_plane::bench::Fleet;
use turnout_wire::api::Api;
use turnout_wire::request::Request;

/// How long one figure is measured.
const MEASURED: Duration = Duration::from_millis(200);

/// One line of the table.
struct Line {
    name: &'static str,
    models: usize,
    endpoints: usize,
    body: Value,
    /// Candidates that there are.
    tried: usize,
    /// The conversation was at this endpoint before.
    home: Option<&'static str>,
    limit_us: Option<f64>,
}

fn main() {
    let wishes = json!({
        "ignore": ["nobody"], "data_collection": "allow", "max_price": {"prompt": 1000},
        "preferred_max_latency": 5, "allow_fallbacks": true,
    });
    let plain =
        json!({"model": "bench/0", "messages": [{"role": "user", "content": "Hello there"}]});
    let mut wished = plain.clone();
    wished["provider"] = wishes;
    wished["session_id"] = json!("s");
    let mut many = wished.clone();
    many["models"] = json!(["bench/1", "bench/2", "bench/3", "bench/4"]);
    // Beginnings, and nearly as many with a star before the end as there may be; one means every model.
    let patterns = (0..1023).map(|number| match number % 17 {
        0 => json!(format!("*/family-{number}-*")),
        _ => json!(format!("author-{number}/*")),
    });
    let patterns: Vec<Value> = patterns.chain([json!("*ench/*")]).collect();
    let mut routed = plain.clone();
    routed["model"] = json!("openrouter/auto");
    routed["plugins"] = json!([{"id": "auto-router", "allowed_models": patterns}]);
    let line = |name, models, endpoints, body: &Value| Line {
        name,
        models,
        endpoints,
        body: body.clone(),
        tried: models * endpoints,
        home: None,
        limit_us: None,
    };
    let lines = [
        line("plain", 1, 1, &plain),
        line("plain", 1, 20, &plain),
        Line {
            limit_us: Some(2.0),
            ..line("with preferences", 1, 20, &wished)
        },
        Line {
            home: Some("provider-19"),
            limit_us: Some(2.0),
            ..line("with preferences, kept where it was", 1, 20, &wished)
        },
        Line {
            limit_us: Some(10.0),
            ..line("with preferences", 5, 20, &many)
        },
        Line {
            tried: 5,
            limit_us: Some(1000.0),
            ..line("a router, 1024 patterns", 900, 1, &routed)
        },
    ];
    let mut arguments = (std::env::args().skip(1)).map(|text| text.parse::<usize>().unwrap());
    if let (Some(line), Some(rounds)) = (arguments.next(), arguments.next()) {
        let (fleet, request) = lines[line].made();
        (0..rounds).for_each(|_| plan(&fleet, &request));
        return;
    }
    println!("| request | endpoints | µs | limit | allocations |");
    println!("| --- | --- | --- | --- | --- |");
    lines.iter().for_each(measure);
}

impl Line {
    fn made(&self) -> (Fleet, Request) {
        let fleet = Fleet::read(configuration(self.models, self.endpoints).as_bytes()).unwrap();
        let request = Request::read(self.body.to_string().into_bytes(), Api::Chat).unwrap();
        if let Some(home) = self.home {
            fleet.served(&request, home).unwrap();
        }
        let mut tried = Vec::new();
        fleet
            .plan(&request, |_, tag| tried.push(tag.to_owned()))
            .unwrap();
        assert_eq!(tried.len(), self.tried);
        assert!(self.home.is_none_or(|home| tried[0] == home));
        (fleet, request)
    }
}

fn plan(fleet: &Fleet, request: &Request) {
    let planned = fleet.plan(black_box(request), |_, tag| {
        black_box(tag);
    });
    planned.unwrap();
}

fn measure(line: &Line) {
    let (fleet, request) = line.made();
    let ((), allocations) = counting::counted(|| plan(&fleet, &request));
    let (began, mut fastest) = (Instant::now(), Duration::MAX);
    while began.elapsed() < MEASURED {
        let round = Instant::now();
        (0..100).for_each(|_| plan(&fleet, &request));
        fastest = fastest.min(round.elapsed() / 100);
    }
    let micros = fastest.as_secs_f64() * 1e6;
    let (limit, over) = match line.limit_us {
        Some(limit) => (limit.to_string(), if micros > limit { " !" } else { "" }),
        None => (String::new(), ""),
    };
    let Line {
        name,
        models,
        endpoints,
        ..
    } = line;
    println!("| {name} | {models} × {endpoints} | {micros:.2}{over} | {limit} | {allocations} |");
}

/// The golden configuration with these models and nothing else that could fail on another machine.
fn configuration(models: usize, endpoints: usize) -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/config/snapshot.golden.json"
    );
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut model, provider) = (value["models"][0].clone(), value["providers"][4].clone());
    let mut endpoint = model["endpoints"][0].clone();
    let mut providers = Vec::new();
    for index in 0..endpoints {
        let mut provider = provider.clone();
        provider["slug"] = json!(format!("provider-{index}"));
        provider["ca_path"] = Value::Null;
        providers.push(provider);
    }
    let made = (0..models).map(|number| {
        model["slug"] = json!(format!("bench/{number}"));
        let made = (0..endpoints).map(|index| {
            endpoint["provider"] = json!(index);
            endpoint["tag"] = json!(format!("provider-{index}"));
            endpoint["prices"]["prompt"] = json!(100_000_000 * (index + 1));
            endpoint.clone()
        });
        model["endpoints"] = made.collect();
        model.clone()
    });
    value["models"] = made.collect();
    value["providers"] = json!(providers);
    value["wildcards"] = json!([]);
    for list in ["allowed", "excluded"] {
        value["routers"][0][list] = json!([]);
    }
    value["routers"][0]["pools"] = json!({});
    value["routers"][0]["judge"] = Value::Null;
    value["aliases"] = json!({});
    value["routing"]["wishes"] =
        json!({"policy": null, "only": [], "ignore": [], "training": true, "zdr": false});
    value.to_string()
}
