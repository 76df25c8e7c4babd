//! `/health/live`, `/health/ready` and `/metrics`.
//!
//! *Live* means that this thread answers. *Ready* means that new requests may come: it turns 503 when the plane drains.
//! A failed reload or a ledger that lags do not make it unready, because requests are served all the same; they are
//! named in the body and in the metrics.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::caller::ReplyHead;
use crate::clock::{Moment, unix_ms};
use crate::lock::lock;
use crate::metrics::{self, EndpointGauges, Gauges};
use crate::statistics::EndpointReport;
use crate::thread::{Phase, Shared};

/// What coding agents look for before their first request: that somebody is here. Needs no key, says nothing.
pub(crate) fn hello(out: &mut Vec<u8>) -> ReplyHead {
    out.extend_from_slice(b"{\"status\":\"ok\"}");
    ReplyHead::json(200)
}

pub(crate) fn live(out: &mut Vec<u8>) -> ReplyHead {
    out.extend_from_slice(b"{\"status\":\"live\"}");
    ReplyHead::json(200)
}

pub(crate) fn ready(shared: &Shared, out: &mut Vec<u8>) -> ReplyHead {
    out.extend_from_slice(state(shared).to_string().as_bytes());
    ReplyHead::json(if shared.phase() == Phase::Running {
        200
    } else {
        503
    })
}

/// What `/health/ready` says.
pub(crate) fn state(shared: &Shared) -> serde_json::Value {
    let text = |slot: &std::sync::Mutex<Option<String>>| lock(slot).clone();
    let snapshot = shared.snapshot.load();
    let journal = shared.journal.stats();
    let (reload, ledger, tls) = (
        text(&shared.reload_error),
        text(&shared.ledger_error),
        text(&shared.tls_error),
    );
    let ready = shared.phase() == Phase::Running;
    let warned =
        reload.is_some() || ledger.is_some() || tls.is_some() || journal.disk_error.is_some();
    serde_json::json!({
        "status": match (ready, warned) { (false, _) => "draining", (true, true) => "ready, with warnings", (true, false) => "ready" },
        "version": env!("CARGO_PKG_VERSION"),
        "config": { "generation": snapshot.generation, "digest": snapshot.digest, "reload_error": reload },
        "tls_error": tls,
        "ledger": {
            "error": ledger,
            "pending": journal.pending_records,
            "lost": journal.dropped,
            "journal_error": journal.disk_error,
        },
        "requests_in_flight": shared.requests_in_flight.load(Ordering::Relaxed),
        "uptime_seconds": shared.started.elapsed().as_secs(),
    })
}

pub(crate) fn metrics(shared: &Shared, out: &mut Vec<u8>) -> ReplyHead {
    out.extend_from_slice(render(shared).as_bytes());
    ReplyHead::new(200, metrics::CONTENT_TYPE)
}

fn endpoints(shared: &Shared) -> Vec<EndpointGauges> {
    let gauges = |endpoint: EndpointReport| EndpointGauges {
        model: endpoint.model,
        tag: endpoint.tag,
        in_flight: endpoint.in_flight,
        uptime: endpoint.uptime_last_5m.map(|percent| percent / 100.0),
        breaker: endpoint.breaker,
        is_resting: endpoint.is_resting,
        cooldown: Duration::from_millis(endpoint.cooldown_ms),
    };
    let report = shared.statistics.report(Moment::now());
    report.endpoints.into_iter().map(gauges).collect()
}

/// The metrics as text.
pub(crate) fn render(shared: &Shared) -> String {
    let snapshot = shared.snapshot.load();
    let uptime = shared.started.elapsed();
    let is_some = |slot: &std::sync::Mutex<Option<String>>| lock(slot).is_some();
    shared.metrics.render(&Gauges {
        config_generation: snapshot.generation,
        config_digest: snapshot.digest.clone(),
        reload_ok: !is_some(&shared.reload_error),
        started: Duration::from_millis(unix_ms()).saturating_sub(uptime),
        uptime,
        connections_open: shared.connections_open() as u64,
        requests_in_flight: shared.requests_in_flight.load(Ordering::Relaxed) as u64,
        upstream_connections_idle: shared
            .upstream_idle
            .iter()
            .map(|idle| idle.load(Ordering::Relaxed) as u64)
            .sum(),
        response_cache: {
            let (answers, bytes) = shared.cache.held();
            (answers as u64, bytes as u64)
        },
        journal: shared.journal.stats(),
        ledger_behind: is_some(&shared.ledger_error),
        endpoints: endpoints(shared),
    })
}
