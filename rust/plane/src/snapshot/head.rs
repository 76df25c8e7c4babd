//! The heads of requests to providers, written once for each configuration.

use std::collections::HashSet;

use turnout_wire::dialect::Op;

use super::provider::Wire;
use super::written;

/// The head of a request to a provider: everything but what is known only when it is sent.
pub(crate) struct HeadTemplate {
    /// From the request line on; up to where the model's name goes, if that stands in the path.
    start: Vec<u8>,
    /// What follows the model's name, when it stands in the path.
    rest: Option<Vec<u8>>,
    /// Where the path begins in `start`, after the method and, for some proxies, the origin.
    path_at: usize,
}

impl HeadTemplate {
    /// The head of requests for one operation with one credential.
    pub(super) fn new(
        provider: &written::Provider,
        credential: &written::Credential,
        wire: &Wire,
        op: Op,
        path: &str,
    ) -> HeadTemplate {
        let mut start = String::with_capacity(256);
        start.push_str("POST ");
        if let Some(absolute) = wire.origin.absolute_form() {
            start.push_str(absolute);
        }
        let path_at = start.len();
        start.push_str(&wire.prefix);
        let (before, after) = match path.split_once("{model}") {
            Some((before, after)) => (before, Some(after)),
            None => (path, None),
        };
        start.push_str(before);
        let mut rest = after.map(str::to_owned);
        let end = rest.as_mut().unwrap_or(&mut start);
        if credential.scheme == written::Scheme::Query {
            end.push(if path.contains('?') { '&' } else { '?' });
            end.push_str(&credential.name);
            end.push('=');
            let mut value = Vec::new();
            percent_encode(credential.value.expose(), &mut value);
            end.push_str(&String::from_utf8_lossy(&value));
        }
        end.push_str(" HTTP/1.1\r\nhost: ");
        end.push_str(&wire.origin.authority);
        end.push_str("\r\n");
        let mut line = |name: &str, value: &str| {
            end.push_str(name);
            end.push_str(": ");
            end.push_str(value);
            end.push_str("\r\n");
        };
        if credential.scheme == written::Scheme::Header && !credential.name.is_empty() {
            line(&credential.name, credential.value.expose());
        }
        if let Some(value) = wire.origin.proxy_authorization() {
            line("proxy-authorization", value);
        }
        let own: HashSet<String> = provider
            .headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        for (name, value) in &provider.headers {
            line(name, value.expose());
        }
        let (content_type, accept) = types(op).unzip();
        for (name, value) in [
            ("content-type", content_type),
            ("accept", accept),
            ("accept-encoding", Some("identity")),
            (
                "user-agent",
                Some(concat!("turnout/", env!("CARGO_PKG_VERSION"))),
            ),
        ] {
            if let Some(value) = value
                && !own.contains(name)
            {
                line(name, value);
            }
        }
        HeadTemplate {
            start: start.into_bytes(),
            rest: rest.map(String::into_bytes),
            path_at,
        }
    }

    /// Appends the head: all but `content-length` and the empty line. The range of the path and query is given back, for signing.
    pub(crate) fn write(&self, model: &str, out: &mut Vec<u8>) -> std::ops::Range<usize> {
        let at = out.len();
        out.extend_from_slice(&self.start);
        if let Some(rest) = &self.rest {
            percent_encode(model, out);
            out.extend_from_slice(rest);
        }
        let path = at + self.path_at;
        let after = out.get(path..).unwrap_or_default();
        let length = memchr::memchr(b' ', after).unwrap_or(after.len());
        path..path + length
    }
}

/// What a request of this operation is, and what it expects. `None`: the sender says it, because it is the client's.
pub(crate) const fn types(op: Op) -> Option<(&'static str, &'static str)> {
    match op {
        Op::ConverseStream => Some(("application/json", "application/vnd.amazon.eventstream")),
        Op::ImageEdits | Op::Transcriptions | Op::Translations => None,
        Op::Images | Op::Speech | Op::Moderations => Some(("application/json", "*/*")),
        _ => Some(("application/json", "application/json, text/event-stream")),
    }
}

/// Writes a name as one segment of a path: all but letters, digits and `-._~` is encoded (RFC 3986), slashes included.
fn percent_encode(name: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}
