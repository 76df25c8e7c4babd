//! The table of refusals: one row for each kind.

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

            pub(super) const fn row(self) -> &'static Row {
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

pub(super) struct Row {
    name: &'static str,
    status: u16,
    error_type: &'static str,
    fault: Fault,
    retryable: bool,
    /// Code of `error.availability`: why no endpoint could serve. `None`: that object is not sent.
    pub(super) availability: Option<&'static str>,
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
