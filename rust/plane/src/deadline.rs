//! How long a request may take: the configuration's times, and shorter ones where the request asks for them.
//!
//! A request sets them in the headers `X-Turnout-Timeout` (all attempts together) and `X-Turnout-Attempt-Timeout` (each attempt up to its
//! first byte), or in the body as `provider.timeout` and `provider.attempt_timeout`; a header wins. They can only shorten what is
//! configured. The total holds up to the first byte of a stream and up to the end of a plain answer, because nothing of a plain answer
//! reaches the client before its end.

use std::time::Duration;

use turnout_wire::hedge::{self, Hedge};
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::Request;
use turnout_wire::timeout;

use crate::clock::Instant;
use crate::edge::head::{Head, Known};
use crate::snapshot::Server;

/// What the request says about its time, and about a second attempt when the first is slow (`X-Turnout-Hedge`, `provider.hedge`).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    total: Option<Duration>,
    each: Option<Duration>,
    pub(crate) hedge: Option<Hedge>,
}

impl Wanted {
    /// At most so long, and at most half of the time that the request gives: what may be spent before anything is tried for it.
    pub(crate) fn at_most_half(self, time: Duration) -> Duration {
        self.total.map_or(time, |total| time.min(total / 2))
    }

    /// What is left of it after so long.
    pub(crate) fn after(self, spent: Duration) -> Wanted {
        Wanted {
            total: self.total.map(|total| total.saturating_sub(spent)),
            ..self
        }
    }

    /// All attempts together have this time.
    pub(crate) fn within(time: Duration) -> Wanted {
        Wanted {
            total: Some(time),
            each: None,
            hedge: None,
        }
    }

    /// Reads it. Costs three looks at the head when nothing is said.
    pub(crate) fn read(head: &Head, request: &Request) -> Result<Wanted, Refusal> {
        let said = request.preferences();
        let time = |known, name, in_body: Option<Duration>| match head.get(known) {
            None => Ok(in_body),
            Some(_) => match timeout::read(head.text(known)) {
                Some(time) => Ok(Some(time)),
                None => Err(Refusal::new(Kind::HeaderMalformed)
                    .with_message(format!("The header {name} must be {}", timeout::EXPECTED))),
            },
        };
        Ok(Wanted {
            total: time(
                Known::Timeout,
                "X-Turnout-Timeout",
                said.and_then(|said| said.timeout),
            )?,
            each: time(
                Known::AttemptTimeout,
                "X-Turnout-Attempt-Timeout",
                said.and_then(|said| said.attempt_timeout),
            )?,
            hedge: match head.get(Known::Hedge) {
                None => said.and_then(|said| said.hedge),
                Some(_) => match hedge::read(head.text(Known::Hedge)) {
                    Some(wish) => Some(wish),
                    None => {
                        return Err(Refusal::new(Kind::HeaderMalformed).with_message(format!(
                            "The header X-Turnout-Hedge must be {}",
                            hedge::EXPECTED
                        )));
                    }
                },
            },
        })
    }
}

/// The deadlines of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// When all attempts together must have led to something.
    pub(crate) total: Instant,
    /// Whether the request itself set that, and not the configuration.
    pub(crate) by_request: bool,
    /// What each attempt has up to its first byte, where that is less than the provider's own time.
    each: Option<Duration>,
    /// The same, where the request itself set it.
    each_by_request: Option<Duration>,
}

impl Deadlines {
    pub(crate) fn new(server: &Server, wanted: Wanted, started: Instant) -> Deadlines {
        let configured = server.attempts_time;
        let total = wanted.total.map_or(configured, |time| time.min(configured));
        let each = match (wanted.each, server.attempt_time) {
            (Some(wanted), Some(configured)) => Some(wanted.min(configured)),
            (wanted, configured) => wanted.or(configured),
        };
        Deadlines {
            total: started + total,
            by_request: total < configured,
            each,
            each_by_request: wanted.each.filter(|wanted| Some(*wanted) == each),
        }
    }

    /// Whether it was the request's own time that was over when an attempt ended.
    pub(crate) fn is_by_request(&self, began: Instant, ended: Instant) -> bool {
        (self.by_request && ended >= self.total)
            || self
                .each_by_request
                .is_some_and(|each| ended >= began + each)
    }

    /// When an attempt that begins now must have its first byte, by these deadlines alone.
    pub(crate) fn attempt(&self, now: Instant) -> Instant {
        self.each
            .map_or(self.total, |each| self.total.min(now + each))
    }
}

/// Up to when an attempt may read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until {
    /// When the first part of the answer must be here.
    pub(crate) first: Instant,
    /// When all attempts together must have led to something.
    pub(crate) total: Instant,
}
