//! `openrouter_metadata`: what OpenRouter tells of its routing, in its words (openrouter.md section 4.11).

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Course, Tried, json};
use crate::clock::{Instant, micros};
use crate::metrics::Outcome;
use crate::route::trace::Stage;

#[derive(Serialize)]
struct Metadata<'a> {
    requested: &'a str,
    strategy: &'static str,
    /// OpenRouter's own edge. There is none here.
    region: Option<&'a str>,
    summary: String,
    /// Which attempt served or was the last, from 1; 0: no provider was asked.
    attempt: usize,
    is_byok: bool,
    endpoints: Endpoints<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Attempt<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pipeline: Vec<Written<'a>>,
    /// Milliseconds since the request began.
    generation_time: u64,
}

#[derive(Serialize)]
struct Endpoints<'a> {
    /// All that were looked at.
    total: usize,
    available: Vec<Available<'a>>,
}

#[derive(Serialize)]
struct Available<'a> {
    provider: &'a str,
    model: &'a str,
    selected: bool,
}

#[derive(Serialize)]
struct Attempt<'a> {
    provider: &'a str,
    model: &'a str,
    status: u16,
}

/// A stage that changed something.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    r#type: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl<'a> Written<'a> {
    pub(super) fn of(stage: &'a Stage) -> Written<'a> {
        Written {
            r#type: stage.kind,
            name: stage.name,
            summary: &stage.summary,
            data: serde_json::from_str(&stage.data).ok(),
        }
    }
}

pub(super) fn write(course: &Course<'_, '_>) -> String {
    let candidates = course.candidates();
    let selected = course.serving.map(|serving| serving.provider.name.as_str());
    json(&Metadata {
        requested: course.requested(),
        strategy: course.strategy(),
        region: None,
        summary: match selected {
            Some(name) => format!("available={}, selected={name}", candidates.len()),
            None => format!("available={}, selected=none", candidates.len()),
        },
        attempt: course.tried.len(),
        // Of the attempt that served, or of the last one.
        is_byok: (course.tried.last()).is_some_and(|tried| tried.attempt.is_byok),
        endpoints: Endpoints {
            // A key of the client's own makes a copy of its endpoint, which was looked at once.
            total: (course.trace.endpoints.len() + course.trace.left_out).max(candidates.len()),
            available: candidates
                .iter()
                .map(|candidate| Available {
                    provider: &candidate.provider.name,
                    model: candidate.slug,
                    selected: course.is_serving(candidate),
                })
                .collect(),
        },
        attempts: course
            .tried
            .iter()
            .map(|tried| Attempt {
                provider: &tried.candidate.provider.name,
                model: tried.candidate.slug,
                status: status(tried),
            })
            .collect(),
        pipeline: course.trace.stages.iter().map(Written::of).collect(),
        generation_time: micros(course.trace.began, Instant::now()) / 1000,
    })
}

/// The provider's status, or that which says best how an attempt without one ended.
fn status(tried: &Tried<'_>) -> u16 {
    match (tried.attempt.status, tried.attempt.outcome) {
        (0, Outcome::Timeout) => 504,
        (0, Outcome::Cancelled) => 499,
        (0, _) => 502,
        (status, _) => status,
    }
}
