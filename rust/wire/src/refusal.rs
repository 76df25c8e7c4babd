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

use std::borrow::Cow;

use crate::json::{write_number, write_string};
use crate::upstream_error::Meaning;

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request is wrong; sending it again changes nothing.
    Client,
    /// The gateway's operator has to change something.
    Config,
    /// A provider failed.
    Upstream,
    /// The gateway failed, or is full.
    Us,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $status:literal $error_type:literal $fault:ident $retryable:literal $availability:expr, $message:literal;)*) => {
        /// What is wrong. One row of the table each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds, in the order of the table.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            const fn row(self) -> &'static Row {
                match self {
                    $(Kind::$kind => &Row {
                        name: $name,
                        status: $status,
                        error_type: $error_type,
                        fault: Fault::$fault,
                        retryable: $retryable,
                        availability: $availability,
                        message: $message,
                    },)*
                }
            }
        }
    };
}

struct Row {
    name: &'static str,
    status: u16,
    error_type: &'static str,
    fault: Fault,
    retryable: bool,
    /// Code of `error.availability`: why no endpoint could serve. `None`: that object is not sent.
    availability: Option<&'static str>,
    message: &'static str,
}

kinds! {
    /// The body is not JSON, or not an object.
    MalformedJson "malformed_json" 400 "invalid_request" Client false None, "the body is not valid JSON";
    /// A member of the body that the gateway acts on has a wrong type or value.
    InvalidRequest "invalid_request" 400 "invalid_request" Client false None, "the request is not valid";
    /// No model has this name.
    ModelNotFound "model_not_found" 400 "invalid_request" Client false Some("model_not_found"), "not a valid model ID";
    /// The model exists and is for another endpoint of the API.
    WrongEndpoint "wrong_endpoint" 400 "invalid_request" Client false Some("wrong_endpoint"), "the model cannot be used at this endpoint";
    /// A header that the gateway acts on cannot be read, or the HTTP framing is wrong.
    HeaderMalformed "header_malformed" 400 "invalid_request" Client false None, "the request's head is malformed";
    /// Too many headers, or too long ones.
    HeaderTooLarge "header_too_large" 431 "invalid_request" Client false None, "the request's head is too large";
    /// No key, or none that is known, enabled and not expired. The message says which.
    Authentication "authentication" 401 "authentication" Client false None, "No auth credentials found; send `Authorization: Bearer <key>`";
    /// The key has no credit left.
    PaymentRequired "payment_required" 402 "payment_required" Client false None, "Insufficient credits";
    /// The key may not do this.
    PermissionDenied "permission_denied" 403 "permission_denied" Client false None, "this key is not allowed to do this";
    /// No such path or object.
    NotFound "not_found" 404 "not_found" Client false None, "there is nothing at this path";
    /// The path exists and takes other methods.
    MethodNotAllowed "method_not_allowed" 405 "invalid_request" Client false None, "this path does not take this method";
    /// The model exists and no endpoint of it can meet a limit of the request.
    ConstraintFiltered "constraint_filtered" 404 "not_found" Client false Some("constraint_filtered"), "No endpoints found that meet the request's limits";
    /// The model exists and no endpoint of it is left after the client's wishes.
    NoEndpoints "no_endpoints" 404 "not_found" Client false Some("no_endpoints"), "No endpoints found for the model";
    /// The model exists and no endpoint of it keeps what the request, the key or the gateway demands of its privacy.
    PrivacyRestricted "privacy_restricted" 404 "not_found" Client false Some("privacy_restricted"), "No endpoints found matching your data policy";
    /// The model exists and no endpoint of it is in the region that the request's host stands for.
    RegionRestricted "region_restricted" 403 "permission_denied" Client false Some("region_restricted"), "No endpoints found in the region of this host";
    /// The client was too slow in sending its request.
    RequestTimeout "request_timeout" 408 "timeout" Client true None, "the request took too long to arrive";
    /// The time that the request gave itself is over.
    RequestDeadline "request_deadline" 408 "timeout" Client true None, "the deadline that the request set has passed";
    /// The body is larger than the gateway takes.
    PayloadTooLarge "payload_too_large" 413 "payload_too_large" Client false None, "the body is too large";
    /// The body is not declared as JSON, or is compressed.
    UnsupportedMediaType "unsupported_media_type" 415 "invalid_request" Client false None, "the body must be application/json, not compressed";
    /// An `Expect` header with something else than `100-continue`.
    ExpectationFailed "expectation_failed" 417 "invalid_request" Client false None, "the only expectation that can be met is 100-continue";
    /// The key asks too often.
    RateLimited "rate_limited" 429 "rate_limit_exceeded" Client true None, "Rate limit exceeded";
    /// Every provider that could serve says that it is asked too often.
    ProviderRateLimited "provider_rate_limited" 429 "rate_limit_exceeded" Upstream true Some("capacity_exhausted"), "Provider returned error: rate limited";
    /// The gateway has as many requests in flight as it may.
    OverloadedUs "overloaded_us" 503 "provider_overloaded" Us true Some("temporarily_unavailable"), "the gateway is at its limit of requests in flight";
    /// The gateway is shutting down.
    Draining "draining" 503 "provider_overloaded" Us true Some("temporarily_unavailable"), "the gateway is shutting down";
    /// A provider says that it is overloaded.
    ProviderOverloaded "provider_overloaded" 503 "provider_overloaded" Upstream true Some("temporarily_unavailable"), "Provider returned error: overloaded";
    /// Everybody who could serve failed, each in a way that may be over soon, and not all in the same way.
    TemporarilyUnavailable "temporarily_unavailable" 503 "provider_overloaded" Upstream true Some("temporarily_unavailable"), "no provider can serve at the moment";
    /// No provider could be reached, or it failed.
    ProviderUnavailable "provider_unavailable" 502 "provider_unavailable" Upstream true None, "Provider returned error";
    /// A provider answered something that is no answer.
    ProviderInvalidAnswer "provider_invalid_answer" 502 "provider_unavailable" Upstream true None, "the provider's answer could not be used";
    /// A provider does not accept the gateway's key, or its account is out of money.
    ProviderRejectedCredential "provider_rejected_credential" 502 "provider_unavailable" Config false None, "the provider did not accept the gateway's credential; its operator has to check the key";
    /// A provider says that it does not have the model (any more).
    ModelUnavailableUpstream "model_unavailable_upstream" 404 "not_found" Upstream false Some("model_unavailable_upstream"), "Provider returned error: it does not have the model";
    /// A provider says that the request is wrong. Its own status is passed on.
    ProviderRefused "provider_refused" 400 "invalid_request" Client false None, "Provider returned error: the request was refused";
    /// A provider was too slow.
    ProviderTimeout "provider_timeout" 504 "timeout" Upstream true None, "the provider took too long to answer";
    /// The control plane does not answer.
    ControlUnavailable "control_unavailable" 503 "server" Us true None, "the control plane does not answer; the model endpoints are not affected";
    /// Neither HTTP/1.1 nor HTTP/2.
    HttpVersion "http_version" 505 "invalid_request" Client false None, "use HTTP/1.1 or HTTP/2";
    /// A fault of the gateway itself.
    Server "server" 500 "server" Us false None, "Internal Server Error";
}

impl Kind {
    /// Stable name, for metrics and tests.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// HTTP status. [`Kind::ProviderRefused`] may carry another, see [`Refusal::status`].
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// `error.metadata.error_type`. See [`Refusal::error_type`].
    pub const fn error_type(self) -> &'static str {
        self.row().error_type
    }

    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        self.row().fault
    }

    /// Whether the same request may succeed later.
    pub const fn retryable(self) -> bool {
        self.row().retryable
    }

    /// Its sentence when nothing better is known.
    pub const fn message(self) -> &'static str {
        self.row().message
    }
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

/// Where availability objects point: the catalogue of this gateway.
const CATALOGUE_PATH: &str = "/v1/models";

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

    /// Appends the whole body.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"error\":");
        self.write_error(out);
        out.push(b'}');
    }

    /// The whole body.
    pub fn json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write_json(&mut out);
        out
    }

    /// Appends the value of `error`, which streams send too.
    pub fn write_error(&self, out: &mut Vec<u8>) {
        let details = self.details();
        out.extend_from_slice(b"{\"code\":");
        write_number(u64::from(self.status()), out);
        out.extend_from_slice(b",\"message\":");
        write_string(&self.message, out);
        out.extend_from_slice(b",\"metadata\":{\"error_type\":");
        write_string(self.error_type(), out);
        if let Some(provider) = &self.provider {
            out.extend_from_slice(b",\"provider_name\":");
            write_string(provider, out);
        }
        // See the module's head: texts about our credential quote it.
        if self.kind != Kind::ProviderRejectedCredential && self.kind != Kind::Server {
            if let Some(code) = &details.provider_code {
                out.extend_from_slice(b",\"provider_code\":");
                write_string(code, out);
            } else if let Some(status) = details.provider_status {
                out.extend_from_slice(b",\"provider_code\":\"");
                write_number(u64::from(status), out);
                out.push(b'"');
            }
            if let Some(raw) = &details.raw {
                out.extend_from_slice(b",\"raw\":");
                write_string(raw, out);
            }
        }
        if let Some(secs) = self.retry_after_secs {
            out.extend_from_slice(b",\"retry_after\":");
            write_number(secs, out);
        }
        if let Some(rate) = details.rate {
            out.extend_from_slice(b",\"headers\":{");
            // Headers are texts, and so they are here.
            for (name, value) in [
                ("\"X-RateLimit-Limit\":\"", rate.limit),
                ("\",\"X-RateLimit-Remaining\":\"", rate.remaining),
                ("\",\"X-RateLimit-Reset\":\"", rate.reset_ms),
            ] {
                out.extend_from_slice(name.as_bytes());
                write_number(value, out);
            }
            out.push(b'"');
            out.push(b'}');
        }
        for (name, json) in &details.metadata {
            out.push(b',');
            write_string(name, out);
            out.push(b':');
            out.extend_from_slice(json.as_bytes());
        }
        if !details.near.is_empty() {
            out.extend_from_slice(b",\"near_models\":");
            write_list(&details.near, out);
        }
        if !details.previous_errors.is_empty() {
            out.extend_from_slice(b",\"previous_errors\":[");
            for (at, error) in details.previous_errors.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(b"{\"provider\":");
                write_string(&error.provider, out);
                out.extend_from_slice(b",\"provider_name\":");
                write_string(&error.provider, out);
                for member in [b",\"code\":".as_slice(), b",\"status\":"] {
                    out.extend_from_slice(member);
                    match error.status {
                        Some(status) => write_number(u64::from(status), out),
                        None => out.extend_from_slice(b"null"),
                    }
                }
                out.extend_from_slice(b",\"error_type\":");
                write_string(error.error_type, out);
                out.extend_from_slice(b",\"message\":");
                write_string(&error.message, out);
                out.push(b'}');
            }
            out.push(b']');
        }
        if !details.available_providers.is_empty() || !details.requested_providers.is_empty() {
            out.extend_from_slice(b",\"available_providers\":");
            write_list(&details.available_providers, out);
            out.extend_from_slice(b",\"requested_providers\":");
            write_list(&details.requested_providers, out);
        }
        out.push(b'}');
        if let Some(code) = self.kind.row().availability {
            self.write_availability(code, out);
        }
        out.push(b'}');
    }

    /// Why nobody could serve. The two members before it are where the API's own examples have them.
    fn write_availability(&self, code: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"error_type\":");
        write_string(self.error_type(), out);
        out.extend_from_slice(b",\"http_status\":");
        write_number(u64::from(self.status()), out);
        self.write_availability_object(code, out);
    }

    /// Appends the member `availability`, comma first, where there is one: for the forms of errors of other APIs.
    pub(crate) fn write_availability_member(&self, out: &mut Vec<u8>) {
        if let Some(code) = self.kind.row().availability {
            self.write_availability_object(code, out);
        }
    }

    fn write_availability_object(&self, code: &str, out: &mut Vec<u8>) {
        let details = self.details();
        out.extend_from_slice(b",\"availability\":{\"code\":");
        write_string(code, out);
        out.extend_from_slice(b",\"retryable\":");
        out.extend_from_slice(if self.kind.retryable() {
            b"true"
        } else {
            b"false"
        });
        out.extend_from_slice(b",\"requested_models\":");
        write_list(&details.requested_models, out);
        out.extend_from_slice(b",\"docs_url\":");
        write_string(CATALOGUE_PATH, out);
        if let Some(secs) = self.retry_after_secs {
            out.extend_from_slice(b",\"retry_after\":");
            write_number(secs, out);
        }
        let affected = match &self.provider {
            Some(provider) if details.affected.is_empty() => std::slice::from_ref(provider),
            _ => details.affected.as_slice(),
        };
        if !affected.is_empty() {
            out.extend_from_slice(b",\"affected_providers\":");
            write_list(affected, out);
        }
        if !details.near.is_empty() {
            out.extend_from_slice(b",\"fallback_models\":");
            write_list(&details.near, out);
        }
        if !details.excluded_by.is_empty() {
            out.extend_from_slice(b",\"excluded_by\":");
            write_list(&details.excluded_by, out);
        }
        if let Some((field, detail)) = &details.constraint {
            out.extend_from_slice(b",\"constraint\":{\"field\":");
            write_string(field, out);
            out.extend_from_slice(b",\"detail\":");
            write_string(detail, out);
            out.push(b'}');
        }
        out.push(b'}');
    }
}

fn write_list<S: AsRef<str>>(list: &[S], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, entry) in list.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(entry.as_ref(), out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::HashSet;

    fn rendered(refusal: &Refusal) -> Value {
        serde_json::from_slice(&refusal.json()).unwrap()
    }

    fn full(kind: Kind) -> Refusal {
        Refusal::new(kind)
            .with_message("why \"so\"\n")
            .with_provider("P")
            .with_raw("{\"error\":\"sk-secret\"}")
            .with_provider_status(418)
            .with_provider_code("teapot")
            .with_retry_after_secs(3)
            .with_requested_models(vec!["a/b".into(), "c".into()])
            .with_near(vec!["a/c".into()])
            .with_rate(Rate {
                limit: 20,
                remaining: 0,
                reset_ms: 1_764_031_697_123,
            })
            .with_text("limit_source", "a \"name\"")
            .with_json("limit_usd", "0.5".into())
            .with_previous_errors(vec![
                PreviousError {
                    provider: "Q".into(),
                    status: None,
                    error_type: "timeout",
                    message: "refused".into(),
                },
                PreviousError {
                    provider: "R".into(),
                    status: Some(500),
                    error_type: "provider_unavailable",
                    message: "failed".into(),
                },
            ])
    }

    #[test]
    fn every_kind_renders_a_valid_envelope() {
        for kind in Kind::ALL {
            for refusal in [Refusal::new(*kind), full(*kind)] {
                let body = rendered(&refusal);
                assert_eq!(body["error"]["code"], kind.status(), "{kind:?}");
                assert_eq!(refusal.status(), kind.status());
                assert_eq!(body["error"]["metadata"]["error_type"], kind.error_type());
                assert_eq!(body["error"]["message"], refusal.message.as_ref());
                assert!(!refusal.message.is_empty());
            }
        }
    }

    #[test]
    fn names_and_sentences_are_distinct() {
        let names: HashSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        let sentences: HashSet<_> = Kind::ALL.iter().map(|kind| kind.message()).collect();
        assert_eq!(sentences.len(), Kind::ALL.len());
    }

    #[test]
    fn the_availability_object_follows_the_table_of_codes() {
        let body = rendered(&full(Kind::ProviderRateLimited));
        assert_eq!(
            body["error"]["availability"],
            json!({"code":"capacity_exhausted","retryable":true,"requested_models":["a/b","c"],"docs_url":"/v1/models",
                "retry_after":3,"affected_providers":["P"],"fallback_models":["a/c"]})
        );
        assert_eq!(body["error"]["http_status"], 429);
        assert_eq!(
            rendered(&Refusal::new(Kind::Server))["error"].get("availability"),
            None
        );
    }

    #[test]
    fn g08_the_rate_stands_in_the_metadata_as_in_the_headers() {
        let metadata = &rendered(&full(Kind::RateLimited))["error"]["metadata"];
        assert_eq!(
            metadata["headers"],
            json!({"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1764031697123"})
        );
        assert_eq!(metadata["limit_source"], "a \"name\"");
        assert_eq!(metadata["limit_usd"], json!(0.5));
    }

    #[test]
    fn what_kept_endpoints_out_is_said() {
        let refusal = Refusal::new(Kind::ConstraintFiltered)
            .with_excluded_by(vec!["max_price", "quantization"])
            .with_constraint("provider.max_price", "prompt 1")
            .with_providers(vec!["a".into()], vec!["b".into()]);
        let body = rendered(&refusal);
        let error = &body["error"];
        assert_eq!(
            error["availability"]["excluded_by"],
            json!(["max_price", "quantization"])
        );
        assert_eq!(
            error["availability"]["constraint"],
            json!({"field": "provider.max_price", "detail": "prompt 1"})
        );
        assert_eq!(error["metadata"]["available_providers"], json!(["a"]));
        assert_eq!(error["metadata"]["requested_providers"], json!(["b"]));
    }

    #[test]
    fn a_missing_model_is_told_with_near_names_and_the_way_to_all() {
        let refusal = Refusal::model_not_found("a/bb", vec!["a/b".into()]);
        assert_eq!(
            refusal.message,
            "a/bb is not a valid model ID; near names: a/b; GET /v1/models lists all"
        );
        let body = rendered(&refusal);
        assert_eq!(body["error"]["metadata"]["near_models"], json!(["a/b"]));
        assert_eq!(
            body["error"]["availability"]["requested_models"],
            json!(["a/bb"])
        );
    }

    #[test]
    fn g03_a_fault_of_ours_is_always_the_same_sentence() {
        let refusal = full(Kind::Server);
        assert_eq!(refusal.status(), 500);
        let body = rendered(&refusal);
        assert_eq!(body["error"]["message"], "Internal Server Error");
        assert_eq!(body["error"]["metadata"].get("raw"), None);
        assert_eq!(body["error"]["metadata"].get("provider_code"), None);
    }

    #[test]
    fn a_provider_text_about_our_credential_is_never_shown() {
        for kind in [Kind::ProviderRejectedCredential, Kind::Server] {
            let body = String::from_utf8(full(kind).json()).unwrap();
            assert!(
                !body.contains("sk-secret") && !body.contains("teapot"),
                "{body}"
            );
        }
        assert!(
            String::from_utf8(full(Kind::ProviderUnavailable).json())
                .unwrap()
                .contains("sk-secret")
        );
        assert_eq!(full(Kind::Server).message, Kind::Server.message());
    }

    #[test]
    fn a_refusal_by_the_provider_keeps_its_status_and_type() {
        let refused =
            |status: u16| Refusal::new(Kind::ProviderRefused).with_provider_status(status);
        for (status, expected, error_type) in [
            (400, 400, "invalid_request"),
            (404, 404, "not_found"),
            (413, 413, "payload_too_large"),
            (422, 422, "unprocessable"),
            (418, 400, "invalid_request"),
            (500, 400, "invalid_request"),
        ] {
            assert_eq!(
                (refused(status).status(), refused(status).error_type()),
                (expected, error_type)
            );
        }
        let long = refused(400).with_provider_code("context_length_exceeded");
        assert_eq!(long.error_type(), "context_length_exceeded");
    }
}
