//! The one table of refusals: everything that a client can be told instead of an answer.
//!
//! A row is a kind, its HTTP status, the stable `error_type`, whose fault it is, whether asking again can help, the availability
//! code that belongs to it, and one sentence. Nobody builds an error body by hand: they take a row, add what they know, and
//! [`Refusal::write_json`] writes the envelope
//! `{"error":{"code","message","metadata":{"error_type",…},"availability"?}}`.
//!
//! Two rules about secrets and blame:
//! - a refusal of *our* credential is never shown as the client's 401, and the provider's text about it is never shown at all,
//!   because such texts quote parts of the key;
//! - a fault of ours has the same sentence always; what happened is in the log, under the request's id.

mod kind;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;

pub use kind::{Fault, Kind};
use write::{CATALOGUE_PATH, write_list};

use crate::json::write_string;
use crate::upstream_error::Meaning;

/// A refusal to be sent: a row of the table and what is known beside it.
///
/// What only some refusals have stands in a box, because this type is the error of many functions on the hot path and its
/// size is paid by their good case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The row.
    pub kind: Kind,
    /// What was seen, what was expected, what to do.
    pub message: Cow<'static, str>,
    /// Display name of the provider it is about.
    pub provider: Option<String>,
    /// Seconds after which to ask again, for `Retry-After`.
    pub retry_after_secs: Option<u64>,
    /// Value of the `Allow` header, with [`Kind::MethodNotAllowed`].
    pub allow: Option<&'static str>,
    details: Option<Box<Details>>,
}

/// What only some refusals have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// The provider's own body, already cut; shown only when the operator allows it, so the caller leaves it out otherwise.
    pub raw: Option<String>,
    /// HTTP status that the provider gave.
    pub provider_status: Option<u16>,
    /// The provider's own word for the error.
    pub provider_code: Option<String>,
    /// Models that were asked for, in order.
    pub requested_models: Vec<String>,
    /// Names that are near to the one that does not exist.
    pub near: Vec<String>,
    /// Attempts that failed before.
    pub previous_errors: Vec<PreviousError>,
    /// What the provider's words were found to mean, where its code alone does not say it.
    pub error_type: Option<&'static str>,
    /// Display names of all providers that failed.
    pub affected: Vec<String>,
    /// What kept endpoints out, in the words of `availability.excluded_by`.
    pub excluded_by: Vec<&'static str>,
    /// The member of the request that kept the last endpoint out, and what it says.
    pub constraint: Option<(&'static str, String)>,
    /// Providers that have the model.
    pub available_providers: Vec<String>,
    /// Providers that the request names.
    pub requested_providers: Vec<String>,
    /// How often may be asked, with a refusal for having asked too often.
    pub rate: Option<Rate>,
    /// Further members of `error.metadata`, each with its value as JSON.
    pub metadata: Vec<(&'static str, String)>,
}

/// A failed attempt before the one that the refusal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousError {
    /// Display name of the provider.
    pub provider: String,
    /// HTTP status it gave; `None` when there was none.
    pub status: Option<u16>,
    /// What would have been the `error_type`, had it been the only one.
    pub error_type: &'static str,
    /// One sentence.
    pub message: String,
}

/// How often may be asked: the headers `X-RateLimit-*`, which `error.metadata.headers` repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests in a period.
    pub limit: u64,
    /// Of those, how many are left.
    pub remaining: u64,
    /// When there will be more: Unix time in milliseconds.
    pub reset_ms: u64,
}

/// The details of a refusal that has none.
static NO_DETAILS: Details = Details {
    raw: None,
    provider_status: None,
    provider_code: None,
    requested_models: Vec::new(),
    near: Vec::new(),
    previous_errors: Vec::new(),
    error_type: None,
    affected: Vec::new(),
    rate: None,
    metadata: Vec::new(),
    excluded_by: Vec::new(),
    constraint: None,
    available_providers: Vec::new(),
    requested_providers: Vec::new(),
};

impl Refusal {
    /// The row with its own sentence.
    pub fn new(kind: Kind) -> Refusal {
        Refusal {
            kind,
            message: Cow::Borrowed(kind.message()),
            provider: None,
            retry_after_secs: None,
            allow: None,
            details: None,
        }
    }

    /// No model is called `slug`; `near` are names like it.
    pub fn model_not_found(slug: &str, near: Vec<String>) -> Refusal {
        let mut message = format!("{slug} is not a valid model ID");
        if !near.is_empty() {
            message.push_str("; near names: ");
            message.push_str(&near.join(", "));
        }
        message.push_str("; GET ");
        message.push_str(CATALOGUE_PATH);
        message.push_str(" lists all");
        Refusal::new(Kind::ModelNotFound)
            .with_message(message)
            .with_requested_models(vec![slug.to_owned()])
            .with_near(near)
    }

    /// Another sentence. An empty one is not taken, and neither is one for [`Kind::Server`], which is masked.
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Refusal {
        let message = message.into();
        if !message.is_empty() && self.kind != Kind::Server {
            self.message = message;
        }
        self
    }

    /// The provider's display name.
    pub fn with_provider(mut self, provider: impl Into<String>) -> Refusal {
        self.provider = Some(provider.into());
        self
    }

    /// The provider's own body. Cut to [`crate::upstream_error::RAW_BYTES_MAX`].
    pub fn with_raw(mut self, raw: impl AsRef<str>) -> Refusal {
        let raw = raw.as_ref().as_bytes();
        if !raw.is_empty() {
            self.details_mut().raw = Some(crate::upstream_error::excerpt(
                raw,
                crate::upstream_error::RAW_BYTES_MAX,
            ));
        }
        self
    }

    /// HTTP status that the provider gave.
    pub fn with_provider_status(mut self, status: u16) -> Refusal {
        self.details_mut().provider_status = Some(status);
        self
    }

    /// The provider's own word for the error.
    pub fn with_provider_code(mut self, code: impl Into<String>) -> Refusal {
        self.details_mut().provider_code = Some(code.into());
        self
    }

    /// Seconds after which to ask again.
    pub fn with_retry_after_secs(mut self, secs: u64) -> Refusal {
        self.retry_after_secs = Some(secs);
        self
    }

    /// Models that were asked for.
    pub fn with_requested_models(mut self, models: Vec<String>) -> Refusal {
        self.details_mut().requested_models = models;
        self
    }

    /// Names near to the one that does not exist.
    pub fn with_near(mut self, near: Vec<String>) -> Refusal {
        self.details_mut().near = near;
        self
    }

    /// Attempts that failed before.
    pub fn with_previous_errors(mut self, errors: Vec<PreviousError>) -> Refusal {
        self.details_mut().previous_errors = errors;
        self
    }

    /// How often may be asked.
    pub fn with_rate(mut self, rate: Rate) -> Refusal {
        self.details_mut().rate = Some(rate);
        self
    }

    /// A further member of `error.metadata` that is a text.
    pub fn with_text(mut self, name: &'static str, text: &str) -> Refusal {
        let mut json = Vec::with_capacity(text.len() + 2);
        write_string(text, &mut json);
        let json = String::from_utf8_lossy(&json).into_owned();
        self.details_mut().metadata.push((name, json));
        self
    }

    /// A further member of `error.metadata` that is a list of texts.
    pub fn with_texts(mut self, name: &'static str, texts: &[String]) -> Refusal {
        let mut json = Vec::with_capacity(64);
        write_list(texts, &mut json);
        let json = String::from_utf8_lossy(&json).into_owned();
        self.details_mut().metadata.push((name, json));
        self
    }

    /// A further member of `error.metadata`; `json` is its value as it is written.
    pub fn with_json(mut self, name: &'static str, json: String) -> Refusal {
        self.details_mut().metadata.push((name, json));
        self
    }

    /// What the provider's words mean. See [`crate::upstream_error::Meaning`].
    pub fn with_error_type(mut self, error_type: &'static str) -> Refusal {
        self.details_mut().error_type = Some(error_type);
        self
    }

    /// Display names of all providers that failed.
    pub fn with_affected(mut self, providers: Vec<String>) -> Refusal {
        self.details_mut().affected = providers;
        self
    }

    /// What kept endpoints out.
    pub fn with_excluded_by(mut self, reasons: Vec<&'static str>) -> Refusal {
        self.details_mut().excluded_by = reasons;
        self
    }

    /// The member of the request that kept the last endpoint out, and what it says.
    pub fn with_constraint(mut self, field: &'static str, detail: impl Into<String>) -> Refusal {
        self.details_mut().constraint = Some((field, detail.into()));
        self
    }

    /// Who has the model, and whom the request names.
    pub fn with_providers(mut self, available: Vec<String>, requested: Vec<String>) -> Refusal {
        let details = self.details_mut();
        details.available_providers = available;
        details.requested_providers = requested;
        self
    }

    /// Methods that the path takes, for the `Allow` header.
    pub fn with_allow(mut self, allow: &'static str) -> Refusal {
        self.allow = Some(allow);
        self
    }

    /// What only some refusals have; all of it empty where there is none.
    pub fn details(&self) -> &Details {
        self.details.as_deref().unwrap_or(&NO_DETAILS)
    }

    fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// HTTP status: the kind's, except that a provider's own refusal keeps its status where that blames the request.
    pub fn status(&self) -> u16 {
        match (self.kind, self.details().provider_status) {
            (
                Kind::ProviderRefused,
                Some(status @ (400 | 404 | 405 | 409 | 412 | 413 | 415 | 422)),
            ) => status,
            _ => self.kind.status(),
        }
    }

    /// `error.metadata.error_type`.
    pub fn error_type(&self) -> &'static str {
        if self.kind != Kind::ProviderRefused {
            return self.kind.error_type();
        }
        if let Some(error_type) = self.details().error_type {
            return error_type;
        }
        match self.status() {
            404 => "not_found",
            412 => "precondition_failed",
            413 => "payload_too_large",
            422 => "unprocessable",
            400 => {
                let code = self.details().provider_code.as_deref().unwrap_or_default();
                match Meaning::of_code(code) {
                    Some(Meaning::Request(error_type)) => error_type,
                    _ => self.kind.error_type(),
                }
            }
            _ => self.kind.error_type(),
        }
    }
}
