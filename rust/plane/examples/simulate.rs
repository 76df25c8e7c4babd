//! Which policy does how well: the replay of a trace over endpoints with outages, limits and drift, in virtual time.
//!
//! ```text
//! simulate [TRACE.jsonl]
//! ```
//!
//! Without a trace the requests are made up. The policies and the statistics are the gateway's own; see `turnout_plane::simulate`. It prints
//! the table of `docs/simulation.md`.

use std::path::PathBuf;

use turnout_plane::simulate::{Ask, Bed, Outcome, Simulation, requests, scenes};

const TEMPLATE: &str = include_str!("../../../tests/config/snapshot.golden.json");
const POLICIES: [&str; 5] = ["price", "adaptive", "latency", "throughput", "least_busy"];
/// Endpoints that are tried for a request.
const ATTEMPTS: u32 = 3;

fn main() {
    let trace = std::env::args().nth(1).map(PathBuf::from);
    let asks = requests(trace.as_deref().filter(|trace| trace.exists()));
    let seconds = asks.last().map_or(0, |ask| ask.at_ms / 1000);
    println!("{} requests in {seconds} s", asks.len());
    for (name, beds) in scenes(seconds) {
        println!("\n{name}\n\n| policy | served | served at once | $ per 1000 | p95 TTFT |");
        println!("| --- | --- | --- | --- | --- |");
        for policy in POLICIES {
            let outcome = run(policy, &beds, &asks);
            let (served, at_once) = outcome.success();
            println!(
                "| `{policy}` | {:.2} % | {:.2} % | {:.3} | {} ms |",
                served * 100.0,
                at_once * 100.0,
                outcome.dollars_per_thousand(),
                outcome.ttft_p95_ms()
            );
        }
    }
}

#[expect(clippy::expect_used, reason = "a tool that ends at once says as much")]
fn run(policy: &str, beds: &[Bed], asks: &[Ask]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(Simulation::new(TEMPLATE, policy, beds, asks, ATTEMPTS, 1).run())
}
