//! Pages of other origins: which may read answers, and the preflight by which browsers ask.

use crate::caller::ReplyHead;
use crate::edge::head::{Head, Known};
use crate::snapshot::Snapshot;

/// How long a browser may keep the answer to a preflight: Chromium's own upper bound.
const MAX_AGE_SECONDS: &str = "7200";

/// The origin to name in an answer; empty when the request comes from no page, or from one that may not read it.
pub(crate) fn origin(snapshot: &Snapshot, head: &Head) -> String {
    let server = &snapshot.server;
    if server.cors_origins.is_empty() {
        return String::new();
    }
    let origin = head.text(Known::Origin);
    if origin.is_empty() || !server.allows_origin(origin) {
        return String::new();
    }
    // Keys travel in headers, not in cookies, so the wildcard is as safe as the name and caches better.
    if server.cors_any {
        "*".to_owned()
    } else {
        origin.to_owned()
    }
}

pub(crate) fn is_preflight(head: &Head) -> bool {
    head.get(Known::Origin).is_some() && head.get(Known::RequestMethod).is_some()
}

/// The answer to a preflight. An origin that is not allowed gets one without CORS headers, which is how browsers are
/// told no.
pub(crate) fn preflight(snapshot: &Snapshot, head: &Head) -> ReplyHead {
    let mut reply = ReplyHead {
        status: 204,
        cors_origin: origin(snapshot, head),
        ..ReplyHead::default()
    };
    if !reply.cors_origin.is_empty() {
        let asked = head.text(Known::RequestHeaders);
        let allowed = if asked.is_empty() {
            "authorization, content-type"
        } else {
            asked
        };
        reply = reply
            .with(
                "access-control-allow-methods",
                "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            )
            .with("access-control-allow-headers", allowed)
            .with("access-control-max-age", MAX_AGE_SECONDS);
    }
    reply
}
