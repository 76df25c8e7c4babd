//! What all failed attempts together mean for the client.
//!
//! One of them speaks, the others are listed. Which one, when they are of different kinds (openrouter.md section 3.6):
//! 1. a provider's word that the request is wrong: it is the only thing that the client can mend;
//! 2. what may be over soon. All rate-limited: 429. All of one other kind: that kind's own status (502 for failed, unreachable, bad and
//!    empty answers, 503 for overloaded ones, 504 for timeouts). Several kinds: 503;
//! 3. a refused credential, which the gateway's operator has to mend;
//! 4. a model that the provider does not have: 404.
//!
//! Of several of that kind the last speaks. The shortest wait that any provider asked for is passed on, wherever asking again can help.
//! Endpoints that nothing was sent to speak only when there were no others. When the request's own deadline has cut the last attempt
//! off, that is what is told (408), since longer waiting would have helped.

use turnout_wire::refusal::{Kind, PreviousError, Refusal};
use turnout_wire::request::Request;

use crate::clock::Instant;
use crate::deadline::Deadlines;
use crate::failure::Failure;
use crate::metrics::Outcome;
use crate::route::Candidate;
use crate::snapshot::Snapshot;

/// Whose limit it was, when a provider said that the gateway's own keys ask too often.
const SHARED_POOL: &str = "upstream_provider_shared_pool";
const SHARED_POOL_REMEDY: &str = "Ask again later, name more models in \"models\", allow more providers, or bring a key of your own for this provider";

/// The same of a key of the client's own. The word is this gateway's.
const OWN_KEY: &str = "upstream_provider_own_key";
const OWN_KEY_REMEDY: &str = "Ask again later, ask the provider for a higher limit of your key, or allow more models or providers";

/// What is told of these failures, and on which candidate it is booked. `None` when there are no failures.
pub(crate) fn conclude<'a>(
    snapshot: &Snapshot,
    request: &Request,
    candidates: &'a [Candidate<'a>],
    deadlines: &Deadlines,
    now: Instant,
    mut failures: Vec<(usize, Failure)>,
) -> Option<(Refusal, &'a Candidate<'a>)> {
    if failures.iter().any(|(_, failure)| failure.unsent.is_none()) {
        failures.retain(|(_, failure)| failure.unsent.is_none());
    }
    let is_late = deadlines.by_request
        && now >= deadlines.total
        && (failures.last()).is_some_and(|(_, last)| last.outcome == Outcome::Timeout);
    let worth = failures.iter().map(|(_, failure)| worth(failure)).max()?;
    let speaker = match is_late {
        true => failures.len() - 1,
        false => failures
            .iter()
            .rposition(|(_, f)| self::worth(f) == worth)?,
    };
    let mixed = worth == Worth::Passing
        && failures.iter().any(|(_, failure)| {
            self::worth(failure) == worth && failure.kind != failures[speaker].1.kind
        });
    let shortest = failures.iter().filter_map(|(_, f)| f.retry_after).min();
    let mut affected: Vec<String> = Vec::new();
    for (index, _) in &failures {
        let name = &candidates[*index].provider.name;
        if !affected.contains(name) {
            affected.push(name.clone());
        }
    }
    let tried = failures.len();
    let (index, speaking) = failures.remove(speaker);
    let candidate = &candidates[index];
    let mut refusal = speaking.refusal(&candidate.provider.name, snapshot.server.raw_errors);
    if is_late {
        refusal.kind = Kind::RequestDeadline;
    } else if mixed {
        refusal.kind = Kind::TemporarilyUnavailable;
    }
    if is_late || mixed {
        let why = match is_late {
            true => "The deadline that the request set has passed",
            false => "No provider can serve at the moment",
        };
        let message = format!("{why} (attempts: {tried}); the last: {}", refusal.message);
        refusal = refusal.with_message(message);
    }
    if let Some(shortest) = shortest
        && refusal.kind.retryable()
    {
        refusal = refusal.with_retry_after_secs(shortest.as_secs_f64().ceil() as u64);
    }
    if refusal.kind == Kind::ProviderRateLimited {
        let (source, remedy) = match candidate.own {
            None => (SHARED_POOL, SHARED_POOL_REMEDY),
            Some(_) => (OWN_KEY, OWN_KEY_REMEDY),
        };
        refusal = refusal
            .with_text("limit_source", source)
            .with_text("remedy_hint", remedy);
    }
    let previous = failures
        .iter()
        .map(|(index, failure)| PreviousError {
            provider: candidates[*index].provider.name.clone(),
            status: failure.listed_status(),
            error_type: failure.error_type(),
            message: failure.public_message(),
        })
        .collect();
    if speaking.unsent.is_none() {
        let asked = request.model().into_iter().map(str::to_owned);
        let models = asked.chain(request.models().iter().cloned()).collect();
        refusal = refusal
            .with_json("is_byok", candidate.own.is_some().to_string())
            .with_affected(affected)
            .with_requested_models(models);
    }
    Some((refusal.with_previous_errors(previous), candidate))
}

/// How useful a failure is to tell: the higher, the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Missing,
    Credential,
    Passing,
    Wrong,
}

fn worth(failure: &Failure) -> Worth {
    match failure.kind {
        Kind::ModelUnavailableUpstream => Worth::Missing,
        Kind::ProviderRejectedCredential => Worth::Credential,
        kind if kind.retryable() => Worth::Passing,
        _ => Worth::Wrong,
    }
}
