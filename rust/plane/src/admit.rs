//! Whether the gateway takes another request now.
//!
//! One bound for the whole process: requests in flight. Past it, a request is refused at once with 503 and a hint to
//! come back, because a queue would only move the waiting to where nobody sees it. The permit is given back by `Drop`,
//! so that no way out of a request can forget it.

use std::sync::atomic::Ordering;

use turnout_wire::refusal::{Kind, Refusal};

use crate::snapshot::Snapshot;
use crate::thread::Shared;

/// A place among the requests in flight.
pub(crate) struct Permit<'a>(&'a Shared);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.requests_in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts the request in, or refuses it.
pub(crate) fn admit<'a>(shared: &'a Shared, snapshot: &Snapshot) -> Result<Permit<'a>, Refusal> {
    let max = snapshot.server.limits.requests_in_flight_max;
    let before = shared.requests_in_flight.fetch_add(1, Ordering::Relaxed);
    let permit = Permit(shared);
    if before >= max {
        return Err(Refusal::new(Kind::OverloadedUs)
            .with_message(format!(
                "This gateway is serving {max} requests already (server.limits.requests_in_flight)"
            ))
            .with_retry_after_secs(1));
    }
    Ok(permit)
}
