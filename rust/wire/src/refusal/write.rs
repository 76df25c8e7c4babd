//! A refusal in the form of the envelope.

use super::{Kind, Refusal};
use crate::json::{write_number, write_string};

/// Where availability objects point: the catalogue of this gateway.
pub(super) const CATALOGUE_PATH: &str = "/v1/models";

impl Refusal {
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

pub(super) fn write_list<S: AsRef<str>>(list: &[S], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, entry) in list.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(entry.as_ref(), out);
    }
    out.push(b']');
}
