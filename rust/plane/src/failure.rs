//! Why an attempt failed, whose fault it was, who else may fare better, and what the client is told when nobody did.
//!
//! Who else may fare better ([`Next`]) follows from what went wrong, never from who it was:
//! - what belongs to a key (not accepted, out of money, rate-limited) is tried with another key of the provider, then elsewhere;
//! - what belongs to the endpoint (5xx, timeouts, broken answers) is tried at the next endpoint;
//! - a request that a provider calls wrong is tried at *other* providers, because what one cannot do another may (openrouter.md
//!   section 3.6: "any error"), but not where the same is certain to be said again: a conversation that is too long only where more
//!   fits, a broken picture at no endpoint of the same model.

use std::time::Duration;

use turnout_wire::answer::Unusable;
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::stream::StreamFault;
use turnout_wire::upstream_error::{Meaning, Moderation, UpstreamError};

use crate::clock::Moment;
use crate::metrics::Outcome;
use crate::snapshot::{Credential, Provider};
use crate::statistics::Ending;
use crate::upstream::answer::AnswerHead;
use crate::upstream::connection::Fault;

/// Who may fare better after a failure: the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another key of the same provider.
    Key,
    /// Any other endpoint.
    Endpoint,
    /// Endpoints of the model at other providers.
    Provider,
    /// Endpoints of the model that hold more tokens than this one, as far as that is known.
    Longer,
    /// Another model only.
    Model,
}

/// One failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) outcome: Outcome,
    /// HTTP status of the provider; 0 when there was none.
    pub(crate) status: u16,
    /// Status that an error inside a success names; it says more than the 200 around it.
    pub(crate) status_inside: Option<u16>,
    /// The provider's own word for the error.
    pub(crate) code: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) raw: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// The `error_type` that the provider's words were found to mean.
    pub(crate) error_type: Option<&'static str>,
    /// What the provider's filter says that it found.
    pub(crate) moderation: Option<Box<Moderation>>,
    pub(crate) next: Next,
    /// The refusal that the client gets when nothing else helps: nothing was sent, because the endpoint's protocol cannot say what was
    /// asked, or because what was asked is wrong in itself.
    pub(crate) unsent: Option<Box<Refusal>>,
}

impl Failure {
    fn new(outcome: Outcome, kind: Kind, message: String) -> Failure {
        Failure {
            outcome,
            status: 0,
            status_inside: None,
            code: None,
            kind,
            message,
            raw: None,
            retry_after: None,
            error_type: None,
            moderation: None,
            next: Next::Endpoint,
            unsent: None,
        }
    }

    /// The request could not be put into the endpoint's protocol. Nothing was reached, so no other key is tried.
    pub(crate) fn untranslatable(refusal: Refusal) -> Failure {
        Failure {
            unsent: Some(Box::new(refusal.clone())),
            ..Failure::new(Outcome::Connect, refusal.kind, refusal.message.into_owned())
        }
    }

    pub(crate) fn connect(message: String) -> Failure {
        Failure::new(Outcome::Connect, Kind::ProviderUnavailable, message)
    }

    pub(crate) fn timeout(what: &str, time: Duration) -> Failure {
        Failure::new(
            Outcome::Timeout,
            Kind::ProviderTimeout,
            format!("{what} within {} ms", time.as_millis()),
        )
    }

    pub(crate) fn of_fault(fault: &Fault) -> Failure {
        let (outcome, kind) = match fault {
            Fault::ClosedUnanswered | Fault::Cut | Fault::Io(_) => {
                (Outcome::Closed, Kind::ProviderUnavailable)
            }
            Fault::Malformed(_) => (Outcome::Malformed, Kind::ProviderInvalidAnswer),
        };
        Failure::new(outcome, kind, fault.to_string())
    }

    /// An answer whose status says that it is none. `body` may be cut.
    pub(crate) fn of_status(head: &AnswerHead, body: &[u8]) -> Failure {
        let error = UpstreamError::read(body);
        let mut failure = Failure::of_error(head.status, error);
        failure.retry_after = head.retry_after;
        failure
    }

    fn of_error(status: u16, error: UpstreamError) -> Failure {
        let (kind, next, error_type) = match (status, error.meaning()) {
            // Some say with a 400 or a 429 that our key or our account is the trouble. Waiting does not mend that.
            (400..=499, Some(Meaning::Account)) => {
                (Kind::ProviderRejectedCredential, Next::Key, None)
            }
            (400 | 403 | 404 | 410 | 422, Some(Meaning::Missing)) => {
                (Kind::ModelUnavailableUpstream, Next::Key, None)
            }
            (400 | 403 | 404 | 409 | 413 | 415 | 422, Some(Meaning::Request(error_type))) => {
                let next = match error_type {
                    "context_length_exceeded" | "max_tokens_exceeded" | "token_limit_exceeded" => {
                        Next::Longer
                    }
                    // What one provider's filter stops another's lets pass.
                    "content_policy_violation" | "refusal" => Next::Provider,
                    _ => Next::Model,
                };
                (Kind::ProviderRefused, next, Some(error_type))
            }
            (400 | 409 | 413 | 415 | 422, _) => (Kind::ProviderRefused, Next::Provider, None),
            (401..=403, _) => (Kind::ProviderRejectedCredential, Next::Key, None),
            // The provider, or this key's project, does not have the model (any more): another may.
            (404 | 410, _) => (Kind::ModelUnavailableUpstream, Next::Key, None),
            (408 | 504, _) => (Kind::ProviderTimeout, Next::Endpoint, None),
            (429, _) => (Kind::ProviderRateLimited, Next::Key, None),
            (503 | 529, _) => (Kind::ProviderOverloaded, Next::Endpoint, None),
            (500..=599, _) => (Kind::ProviderUnavailable, Next::Endpoint, None),
            _ => (Kind::ProviderInvalidAnswer, Next::Endpoint, None),
        };
        let message = if error.message.is_empty() {
            format!("answered with status {status}")
        } else {
            format!("answered with status {status}: {}", error.message)
        };
        Failure {
            status,
            code: error.code,
            raw: (!error.raw.is_empty()).then_some(error.raw),
            error_type,
            moderation: error.moderation,
            next,
            ..Failure::new(Outcome::Status, kind, message)
        }
    }

    /// An error in the body of an answer whose status was good.
    fn of_error_inside(status: u16, inner: Option<u16>, message: String, raw: String) -> Failure {
        let inner = inner.filter(|s| (400..600).contains(s));
        // The code stands in what was kept of the body, unless that was cut.
        let UpstreamError {
            code, moderation, ..
        } = UpstreamError::read(raw.as_bytes());
        let error = UpstreamError {
            message,
            raw,
            code,
            moderation,
            ..UpstreamError::default()
        };
        let sentence = match (inner, error.message.is_empty()) {
            (None, true) => format!("answered with status {status} and an error inside"),
            (None, false) => format!(
                "answered with status {status} and an error inside: {}",
                error.message
            ),
            (Some(inner), true) => {
                format!("answered with status {status} and an error {inner} inside")
            }
            (Some(inner), false) => format!(
                "answered with status {status} and an error {inner} inside: {}",
                error.message
            ),
        };
        // It is the provider's trouble unless it says clearly that it is ours.
        Failure {
            status,
            status_inside: Some(inner.unwrap_or(502)),
            message: sentence,
            ..Failure::of_error(inner.unwrap_or(502), error)
        }
    }

    pub(crate) fn of_unusable(status: u16, unusable: Unusable) -> Failure {
        match unusable {
            Unusable::ErrorInside {
                status: inner,
                message,
                raw,
            } => Failure::of_error_inside(status, inner, message, raw),
            Unusable::Empty | Unusable::NoChoices => Failure {
                status,
                ..Failure::new(
                    Outcome::Empty,
                    Kind::ProviderInvalidAnswer,
                    unusable.to_string(),
                )
            },
            Unusable::Malformed(_) => Failure {
                status,
                ..Failure::new(
                    Outcome::Malformed,
                    Kind::ProviderInvalidAnswer,
                    unusable.to_string(),
                )
            },
        }
    }

    pub(crate) fn of_stream(status: u16, fault: StreamFault) -> Failure {
        match fault {
            StreamFault::ErrorInside {
                status: inner,
                message,
                raw,
            } => Failure::of_error_inside(status, inner, message, raw),
            other => Failure {
                status,
                ..Failure::new(
                    Outcome::Malformed,
                    Kind::ProviderInvalidAnswer,
                    other.to_string(),
                )
            },
        }
    }

    pub(crate) fn empty(status: u16, message: &str) -> Failure {
        Failure {
            status,
            ..Failure::new(
                Outcome::Empty,
                Kind::ProviderInvalidAnswer,
                message.to_owned(),
            )
        }
    }

    pub(crate) fn malformed(status: u16, message: &str) -> Failure {
        Failure {
            status,
            ..Failure::new(
                Outcome::Malformed,
                Kind::ProviderInvalidAnswer,
                message.to_owned(),
            )
        }
    }

    pub(crate) fn too_large(status: u16, max: usize) -> Failure {
        Failure {
            status,
            ..Failure::new(
                Outcome::Malformed,
                Kind::ProviderInvalidAnswer,
                format!("the provider's answer is larger than {max} bytes (server.limits.answer)"),
            )
        }
    }

    /// What it says about the endpoint, told to the state of the key as well: see `statistics`.
    pub(crate) fn ending(
        &self,
        provider: &Provider,
        credential: &Credential,
        now: Moment,
    ) -> Ending {
        // A moment is the millisecond that has begun, up to one ago: one more, or the provider is asked before it said.
        let wait_ms = self.retry_after.map(|wait| match wait.as_millis() {
            0 => 0,
            ms => u64::try_from(ms + 1).unwrap_or(u64::MAX),
        });
        match (self.outcome, self.meant_status()) {
            (Outcome::Ok | Outcome::Cancelled, _) => Ending::Neutral,
            (Outcome::Status, 429) => {
                credential.state.limited(wait_ms, now);
                // The endpoint can serve as long as there is a key that is not told to wait.
                let keys = provider.credentials.iter();
                let shortest_ms = keys.map(|key| key.state.look(now).cooldown_ms).min();
                Ending::Limited {
                    cool_ms: shortest_ms.filter(|ms| *ms > 0),
                }
            }
            (Outcome::Status, status @ (401..=404 | 408 | 500..)) => {
                if matches!(status, 401..=403) {
                    credential.state.rejected(now);
                }
                // 403 may be about the place or the client's words as well as about the key.
                match status {
                    403 => Ending::Neutral,
                    _ => Ending::Failed { cool_ms: wait_ms },
                }
            }
            (Outcome::Status, _) => Ending::Neutral,
            _ => Ending::Failed { cool_ms: None },
        }
    }

    /// The status that tells what is wrong.
    fn meant_status(&self) -> u16 {
        self.status_inside.unwrap_or(self.status)
    }

    /// Whether it is certain that nothing was made and charged: nothing was reached, or a status says so. A status that means a
    /// timeout does not: the work may still be going on behind it.
    pub(crate) fn is_unserved(&self) -> bool {
        self.unsent.is_some()
            || self.outcome == Outcome::Connect
            || (self.outcome == Outcome::Status
                && !matches!(self.meant_status(), ..400 | 408 | 499 | 504))
    }

    /// What the client would have been told, had this been the only failure.
    pub(crate) fn error_type(&self) -> &'static str {
        self.error_type.unwrap_or_else(|| match self.kind {
            Kind::ProviderRefused => Refusal::new(self.kind)
                .with_provider_status(self.meant_status())
                .error_type(),
            kind => kind.error_type(),
        })
    }

    /// The status for lists of failures; `None` when the provider gave none.
    pub(crate) fn listed_status(&self) -> Option<u16> {
        (self.status != 0).then_some(self.status)
    }

    /// One sentence for the list of earlier failures. A provider's text about our credential may quote it, and is left out.
    pub(crate) fn public_message(&self) -> String {
        match self.kind {
            Kind::ProviderRejectedCredential => {
                format!("answered with status {}", self.meant_status())
            }
            _ => self.message.clone(),
        }
    }

    /// What the client is told.
    pub(crate) fn refusal(&self, provider: &str, show_raw: bool) -> Refusal {
        if let Some(refusal) = &self.unsent {
            return (**refusal).clone();
        }
        if self.kind == Kind::ProviderRejectedCredential {
            let message = format!(
                "{provider} did not accept the gateway's credential (status {}); the operator has to check its key or account",
                self.meant_status()
            );
            return Refusal::new(self.kind)
                .with_message(message)
                .with_provider(provider)
                .with_provider_status(self.meant_status());
        }
        let message = if self.message.starts_with("answered") {
            format!("{provider} {}", self.message)
        } else {
            format!("{provider}: {}", self.message)
        };
        let mut refusal = Refusal::new(self.kind)
            .with_message(message)
            .with_provider(provider);
        // A good status says nothing about what was wrong.
        if self.meant_status() >= 300 {
            refusal = refusal.with_provider_status(self.meant_status());
        }
        if let Some(error_type) = self.error_type {
            refusal = refusal.with_error_type(error_type);
        }
        if let Some(code) = &self.code {
            refusal = refusal.with_provider_code(code.clone());
        }
        if show_raw && let Some(raw) = &self.raw {
            refusal = refusal.with_raw(raw.clone());
        }
        if let Some(after) = self.retry_after {
            refusal = refusal.with_retry_after_secs(after.as_secs_f64().ceil() as u64);
        }
        if let Some(found) = &self.moderation {
            refusal = refusal.with_texts("reasons", &found.reasons);
            if let Some(text) = &found.flagged_input {
                refusal = refusal.with_text("flagged_input", text);
            }
            if let Some(slug) = &found.model_slug {
                refusal = refusal.with_text("model_slug", slug);
            }
        }
        refusal
    }
}
