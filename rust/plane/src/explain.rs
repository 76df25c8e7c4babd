//! Why a request went where it went, for clients that ask.
//!
//! `X-OpenRouter-Metadata: enabled` asks for what OpenRouter tells (`openrouter_metadata`), `X-Turnout-Explain: enabled` for all that
//! there is to tell. A request without them costs three looks at headers that are not there.

use std::cell::RefCell;

use crate::edge::head::{Head, Known};
use crate::route::trace::Trace;

/// Where the reasons are written down, if this request asks for them.
pub(crate) fn trace(head: &Head) -> Option<Box<RefCell<Trace>>> {
    let asked = [
        Known::RouterMetadata,
        Known::ExperimentalMetadata,
        Known::Explain,
    ];
    asked
        .into_iter()
        .any(|header| is_enabled(head.get(header)))
        .then(Box::default)
}

/// Only this one word means yes; anything else, and a header that is not there, means no.
fn is_enabled(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"enabled"))
}
