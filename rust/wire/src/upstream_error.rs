//! What a provider's error body says: one reader for the many shapes.
//!
//! Known shapes: `{"error":{"message","code","type","status"}}` (OpenAI and most), the same in an array (Google), `{"error":"…"}`,
//! `{"message":"…"}`, `{"detail":"…"}` and `{"detail":[{"msg":"…"}]}` (FastAPI), `{"errors":[…]}`. Anything else, an HTML page of a
//! proxy for instance, has no sentence of its own and is kept as an excerpt.

use serde_json::Value;

/// Bytes of an error body that are kept for `error.metadata.raw`; longer ones are cut there.
pub const RAW_BYTES_MAX: usize = 2048;

/// Bytes of an error body that are parsed; a longer one is taken for a page and only excerpted.
const PARSED_BYTES_MAX: usize = 256 * 1024;

/// A provider's error, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamError {
    /// HTTP status that the body names, as a number or a string of one. The status line is not known here.
    pub status: Option<u16>,
    /// The provider's code or type in words, such as `context_length_exceeded`.
    pub code: Option<String>,
    /// Its sentence; empty when it has none.
    pub message: String,
    /// The body, cut to [`RAW_BYTES_MAX`].
    pub raw: String,
}

impl UpstreamError {
    /// Reads any bytes; never fails.
    pub fn read(body: &[u8]) -> UpstreamError {
        let mut error = UpstreamError {
            raw: excerpt(body, RAW_BYTES_MAX),
            ..UpstreamError::default()
        };
        if body.len() > PARSED_BYTES_MAX {
            return error;
        }
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            // A bare sentence is a message; a page is not.
            let text = error.raw.trim();
            if !text.is_empty()
                && text.len() <= 500
                && !text.starts_with('<')
                && !text.starts_with('{')
            {
                error.message = text.to_owned();
            }
            return error;
        };
        error.look_into(&value, 0);
        error
    }

    fn look_into(&mut self, value: &Value, depth: usize) {
        if depth > 3 {
            return;
        }
        match value {
            Value::Object(members) => {
                for name in ["message", "msg", "detail", "title"] {
                    match members.get(name) {
                        Some(Value::String(text)) if self.message.is_empty() => {
                            self.message = excerpt(text.as_bytes(), RAW_BYTES_MAX)
                        }
                        Some(nested @ (Value::Object(_) | Value::Array(_))) => {
                            self.look_into(nested, depth + 1)
                        }
                        _ => {}
                    }
                }
                for name in ["code", "status", "status_code", "http_status"] {
                    if let Some(status) = members.get(name) {
                        self.status = self.status.or_else(|| status_of(status));
                    }
                }
                for name in ["code", "type", "status"] {
                    match members.get(name) {
                        Some(Value::String(word))
                            if self.code.is_none()
                                && word.parse::<f64>().is_err()
                                && word != "error" =>
                        {
                            self.code = Some(excerpt(word.as_bytes(), 100));
                        }
                        _ => {}
                    }
                }
                for name in ["error", "errors"] {
                    if let Some(nested) = members.get(name) {
                        self.look_into(nested, depth + 1);
                    }
                }
            }
            Value::Array(elements) => {
                if let Some(first) = elements.first() {
                    self.look_into(first, depth + 1);
                }
            }
            Value::String(text) if self.message.is_empty() => {
                self.message = excerpt(text.as_bytes(), RAW_BYTES_MAX)
            }
            _ => {}
        }
    }
}

fn status_of(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| crate::json::whole(&number.to_string()))?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    u16::try_from(number)
        .ok()
        .filter(|status| (100..600).contains(status))
}

/// The start of some bytes as text, at most `bytes_max` long, cut between characters; what is not UTF-8 is replaced.
pub(crate) fn excerpt(bytes: &[u8], bytes_max: usize) -> String {
    let head = bytes.get(..bytes_max).unwrap_or(bytes);
    let mut text = match std::str::from_utf8(head) {
        Ok(text) => text.to_owned(),
        // The cut may have gone through a character: then only its last bytes are missing.
        Err(error) if bytes.len() > bytes_max && error.error_len().is_none() => {
            String::from_utf8_lossy(head.get(..error.valid_up_to()).unwrap_or_default())
                .into_owned()
        }
        Err(_) => String::from_utf8_lossy(head).into_owned(),
    };
    // Replacement characters are longer than the bytes that they replace.
    while text.len() > bytes_max {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &str) -> (Option<u16>, Option<String>, String) {
        let error = UpstreamError::read(body.as_bytes());
        (error.status, error.code, error.message)
    }

    #[test]
    fn reads_the_known_shapes() {
        let cases = [
            (
                r#"{"error":{"message":"m","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                None,
                Some("context_length_exceeded"),
                "m",
            ),
            (
                r#"{"error":{"message":"m","type":"overloaded_error","code":null}}"#,
                None,
                Some("overloaded_error"),
                "m",
            ),
            (
                r#"{"error":{"code":429,"message":"m","metadata":{"raw":"r"}}}"#,
                Some(429),
                None,
                "m",
            ),
            (
                r#"{"error":{"code":"502","message":"m"}}"#,
                Some(502),
                None,
                "m",
            ),
            (
                r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
                Some(400),
                Some("INVALID_ARGUMENT"),
                "m",
            ),
            (r#"{"error":"m"}"#, None, None, "m"),
            (
                r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#,
                Some(400),
                Some("BadRequestError"),
                "m",
            ),
            (r#"{"detail":"m"}"#, None, None, "m"),
            (
                r#"{"detail":[{"loc":["body"],"msg":"m","type":"missing"}]}"#,
                None,
                Some("missing"),
                "m",
            ),
            (r#"{"errors":["m","n"]}"#, None, None, "m"),
            (
                "upstream connect error",
                None,
                None,
                "upstream connect error",
            ),
            ("<html><h1>502</h1></html>", None, None, ""),
            ("", None, None, ""),
            ("{\"cut\":", None, None, ""),
        ];
        for (body, status, code, message) in cases {
            assert_eq!(
                parts(body),
                (status, code.map(str::to_owned), message.to_owned()),
                "{body}"
            );
        }
    }

    #[test]
    fn an_excerpt_is_bounded_and_whole_characters() {
        let long = "é".repeat(RAW_BYTES_MAX);
        let error = UpstreamError::read(long.as_bytes());
        assert_eq!(error.raw.len(), RAW_BYTES_MAX);
        assert!(excerpt(&[0xff; 3000], 100).len() <= 100);
        assert_eq!(excerpt("aé".as_bytes(), 2), "a");
    }

    #[test]
    fn a_status_out_of_range_is_no_status() {
        assert_eq!(parts(r#"{"error":{"code":10061,"message":"m"}}"#).0, None);
        assert_eq!(parts(r#"{"error":{"code":-1,"message":"m"}}"#).0, None);
    }
}
