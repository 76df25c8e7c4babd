//! A refusal in Google's form: `code`, `message`, `status`, and typed details (google.rpc).

use crate::json::{write_number, write_string};
use crate::refusal::{Kind, Refusal};

/// Appends the body. `id`: the generation's, empty when there is none yet.
pub(crate) fn write_refusal(refusal: &Refusal, id: &str, out: &mut Vec<u8>) {
    let details = refusal.details();
    out.extend_from_slice(b"{\"error\":{\"code\":");
    write_number(u64::from(refusal.status()), out);
    out.extend_from_slice(b",\"message\":");
    write_string(&refusal.message, out);
    out.extend_from_slice(b",\"status\":");
    write_string(status_word(refusal.status()), out);
    out.extend_from_slice(
        b",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":",
    );
    write_string(refusal.error_type(), out);
    out.extend_from_slice(b",\"domain\":\"turnout\",\"metadata\":{\"error_type\":");
    write_string(refusal.error_type(), out);
    let mut member = |name: &str, value: &str| {
        out.push(b',');
        write_string(name, out);
        out.push(b':');
        write_string(value, out);
    };
    if let Some(provider) = &refusal.provider {
        member("provider_name", provider);
    }
    // Texts about our own credential quote it, and what failed in us is in the log.
    if refusal.kind != Kind::ProviderRejectedCredential && refusal.kind != Kind::Server {
        if let Some(code) = &details.provider_code {
            member("provider_code", code);
        } else if let Some(status) = details.provider_status {
            member("provider_code", &status.to_string());
        }
        if let Some(raw) = &details.raw {
            member("raw", raw);
        }
    }
    if !details.near.is_empty() {
        member("near_models", &details.near.join(", "));
    }
    out.extend_from_slice(b"}}");
    if let Some(secs) = refusal.retry_after_secs {
        out.extend_from_slice(
            b",{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"",
        );
        write_number(secs, out);
        out.extend_from_slice(b"s\"}");
    }
    if !id.is_empty() {
        out.extend_from_slice(
            b",{\"@type\":\"type.googleapis.com/google.rpc.RequestInfo\",\"requestId\":",
        );
        write_string(id, out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}}");
}

/// google.rpc.Code by HTTP status, as Google maps them; where it has none, the nearest.
const fn status_word(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 | 412 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_valid_json_with_a_status_word() {
        for kind in Kind::ALL {
            let refusal = Refusal::new(*kind)
                .with_provider("P")
                .with_raw("r\"")
                .with_provider_status(418)
                .with_retry_after_secs(7);
            let mut out = Vec::new();
            write_refusal(&refusal, "gen-1", &mut out);
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(value["error"]["code"], refusal.status());
            let word = value["error"]["status"].as_str().unwrap();
            assert!(word.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            assert_eq!(value["error"]["details"][0]["reason"], refusal.error_type());
            assert_eq!(value["error"]["details"][1]["retryDelay"], "7s");
            assert_eq!(value["error"]["details"][2]["requestId"], "gen-1");
        }
    }

    #[test]
    fn a_text_about_our_credential_is_never_shown() {
        let refusal = Refusal::new(Kind::ProviderRejectedCredential).with_raw("sk-secret");
        let mut out = Vec::new();
        write_refusal(&refusal, "", &mut out);
        assert!(!String::from_utf8(out).unwrap().contains("sk-secret"));
    }
}
