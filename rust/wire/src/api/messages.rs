//! Anthropic's messages API: `POST /messages`, for any model (openrouter.md §1.2.4, checklist A01–A07).
//!
//! - `read`: the request, which coding agents fill with more than any model knows.
//! - `write`: answers and errors.
//! - `stream`: streams. The order of a stream's events is fixed and blocks come one after the other, so that what a
//!   provider mixes is put in order here.
//! - `carried`: how signatures of other vendors' thoughts travel through clients that know only Anthropic's.

use crate::refusal::Refusal;

pub(crate) mod carried;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::read;
pub(crate) use stream::{Writer, error_event, write_delta_event, write_stop_event};
pub(crate) use write::{write_answer, write_cost, write_usage};

/// Appends an error body. `id`: the generation's; empty when there is none yet.
pub(crate) fn write_refusal(refusal: &Refusal, id: &str, out: &mut Vec<u8>) {
    write::refusal(refusal, id, out);
}
