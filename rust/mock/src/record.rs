//! What the mock received, for tests to read: counters always, whole requests when asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Most requests kept; the oldest is forgotten first.
const REQUESTS_MAX: usize = 20_000;
/// Most bytes of one body kept; the record says how long it was.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Most bytes of bodies kept together; the oldest requests are forgotten first.
const BODIES_BYTES_MAX: usize = 256 << 20;

/// Counters and records of one mock, shared by its threads. Locks are held for a push or a copy, never over an await.
#[derive(Debug)]
pub(crate) struct Record {
    /// `None`: only count.
    log: Option<Mutex<Log>>,
    /// When the mock started; arrivals count from here.
    start: Instant,
    requests: AtomicU64,
    connections: AtomicU64,
    connections_open: AtomicU64,
    client_gone: AtomicU64,
}

#[derive(Debug, Default)]
struct Log {
    requests: VecDeque<Received>,
    /// Number of the first request that is still kept, since tickets outlive forgetting.
    first: u64,
    bytes: usize,
}

/// One request as it came, and how its answer ended.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) body_bytes: usize,
    /// Connections are numbered from 1 since the start.
    pub(crate) connection: u64,
    /// Requests on one connection are numbered from 1.
    pub(crate) on_connection: u64,
    pub(crate) arrival_ms: f64,
    /// `None` while the answer is being sent.
    pub(crate) end: Option<End>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Whether the client left before the end of what it was to get.
    pub(crate) gone: bool,
    /// Whole events that the socket took.
    pub(crate) events: usize,
    /// Bytes that the socket took.
    pub(crate) bytes: usize,
}

/// A claim on one record, to say later how its answer ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl Record {
    pub(crate) fn new(keep: bool) -> Record {
        Record {
            log: keep.then(Mutex::default),
            start: Instant::now(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            connections_open: AtomicU64::new(0),
            client_gone: AtomicU64::new(0),
        }
    }

    pub(crate) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.connections_open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.connections_open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a connection back out of the counts: it asked for the counts, so it is not part of what they count.
    pub(crate) fn uncount_connection(&self) {
        // A reset may have come between; the counter must not wrap below zero then.
        let _ = self
            .connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                count.checked_sub(1)
            });
        self.closed();
    }

    /// Whether whole requests are kept.
    pub(crate) fn keeps(&self) -> bool {
        self.log.is_some()
    }

    /// Counts a request.
    pub(crate) fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Milliseconds since the start.
    pub(crate) fn now_ms(&self) -> f64 {
        self.start.elapsed().as_micros() as f64 / 1000.0
    }

    /// Keeps a request if requests are kept.
    pub(crate) fn keep(&self, mut received: Received) -> Option<Ticket> {
        let mut log = lock(self.log.as_ref()?);
        received.body.truncate(BODY_BYTES_MAX);
        log.bytes += received.body.len();
        log.requests.push_back(received);
        while log.requests.len() > REQUESTS_MAX || log.bytes > BODIES_BYTES_MAX {
            let Some(oldest) = log.requests.pop_front() else {
                break;
            };
            log.bytes -= oldest.body.len();
            log.first += 1;
        }
        Some(Ticket(log.first + log.requests.len() as u64 - 1))
    }

    /// Notes how an answer ended.
    pub(crate) fn ended(&self, ticket: Option<Ticket>, end: End) {
        if end.gone {
            self.client_gone.fetch_add(1, Ordering::Relaxed);
        }
        let (Some(log), Some(Ticket(number))) = (self.log.as_ref(), ticket) else {
            return;
        };
        let mut log = lock(log);
        let index = number.checked_sub(log.first).map(|index| index as usize);
        if let Some(received) = index.and_then(|index| log.requests.get_mut(index)) {
            received.end = Some(end);
        }
    }

    /// Forgets records and counters; open connections stay counted, for they are still there.
    pub(crate) fn reset(&self) {
        for counter in [&self.requests, &self.connections, &self.client_gone] {
            counter.store(0, Ordering::Relaxed);
        }
        if let Some(log) = &self.log {
            let mut log = lock(log);
            log.first += log.requests.len() as u64;
            log.requests.clear();
            log.bytes = 0;
        }
    }

    /// All of it as JSON.
    pub(crate) fn json(&self) -> String {
        let requests: Vec<Value> = match &self.log {
            Some(log) => lock(log).requests.iter().map(Received::json).collect(),
            None => Vec::new(),
        };
        json!({
            "requests": requests,
            "counters": {
                "requests": self.requests.load(Ordering::Relaxed),
                "connections": self.connections.load(Ordering::Relaxed),
                "connections_open": self.connections_open.load(Ordering::Relaxed),
                "client_gone": self.client_gone.load(Ordering::Relaxed),
            },
        })
        .to_string()
    }
}

impl Received {
    fn json(&self) -> Value {
        let mut value = json!({
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "body_bytes": self.body_bytes,
            "connection": self.connection,
            "on_connection": self.on_connection,
            "arrival_ms": self.arrival_ms,
            "finished": self.end.is_some(),
            "client_gone": self.end.is_some_and(|end| end.gone),
            "events_written": self.end.map_or(0, |end| end.events),
            "bytes_written": self.end.map_or(0, |end| end.bytes),
        });
        match std::str::from_utf8(&self.body) {
            Ok(text) => value["body"] = Value::from(text),
            // Cutting a long body may cut a letter; that is still a text.
            Err(error) if error.error_len().is_none() && self.body.len() < self.body_bytes => {
                value["body"] =
                    Value::from(String::from_utf8_lossy(&self.body[..error.valid_up_to()]));
            }
            Err(_) => value["body_base64"] = Value::from(STANDARD.encode(&self.body)),
        }
        value
    }
}

/// A panic elsewhere leaves a log that is still a log.
fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(body: &[u8]) -> Received {
        Received {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: body.to_vec(),
            body_bytes: body.len(),
            connection: 1,
            on_connection: 1,
            arrival_ms: 0.0,
            end: None,
        }
    }

    fn value(record: &Record) -> Value {
        serde_json::from_str(&record.json()).unwrap()
    }

    #[test]
    fn a_ticket_outlives_a_reset_without_touching_the_next_request() {
        let record = Record::new(true);
        let old = record.keep(received(b"old"));
        record.reset();
        record.keep(received(b"new"));
        record.ended(
            old,
            End {
                gone: true,
                events: 1,
                bytes: 1,
            },
        );
        assert_eq!(value(&record)["requests"][0]["body"], "new");
        assert_eq!(value(&record)["requests"][0]["client_gone"], false);
        assert_eq!(value(&record)["counters"]["client_gone"], 1);
    }

    #[test]
    fn the_oldest_go_first() {
        let record = Record::new(true);
        for index in 0..=REQUESTS_MAX {
            record.keep(received(index.to_string().as_bytes()));
        }
        let value = value(&record);
        assert_eq!(value["requests"].as_array().unwrap().len(), REQUESTS_MAX);
        assert_eq!(value["requests"][0]["body"], "1");
    }

    #[test]
    fn long_and_binary_bodies_are_kept_as_far_as_they_go() {
        let record = Record::new(true);
        record.keep(received("é".repeat(BODY_BYTES_MAX).as_bytes()));
        record.keep(received(b"\xff\x00"));
        let value = value(&record);
        assert_eq!(
            value["requests"][0]["body"].as_str().unwrap().len(),
            BODY_BYTES_MAX
        );
        assert_eq!(value["requests"][0]["body_bytes"], 2 * BODY_BYTES_MAX);
        assert_eq!(value["requests"][1]["body_base64"], "/wA=");
    }
}
