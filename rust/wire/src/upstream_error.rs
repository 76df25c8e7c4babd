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

/// What an error means beyond its status. Decisions are made from this, and never from a text directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The request is wrong in a way that has an `error_type` of its own.
    Request(&'static str),
    /// The provider does not accept our key, or the account behind it is out of money. Some say so with a 400 or a 429.
    Account,
    /// The provider does not have the model (any more). Some say so with a 400.
    Missing,
}

/// Words that providers use as a code or a type. From the references of OpenAI (with the errors of its Responses API), Azure, Anthropic,
/// Groq and Alibaba, 2026-11.
const CODES: [(&str, Meaning); 41] = [
    ("context_length_exceeded", TOO_LONG),
    (
        "max_tokens_exceeded",
        Meaning::Request("max_tokens_exceeded"),
    ),
    (
        "token_limit_exceeded",
        Meaning::Request("token_limit_exceeded"),
    ),
    ("string_too_long", Meaning::Request("string_too_long")),
    (
        "string_above_max_length",
        Meaning::Request("string_too_long"),
    ),
    ("content_policy_violation", CONTENT),
    ("content_filter", CONTENT),
    ("image_content_policy_violation", CONTENT),
    ("moderation_blocked", CONTENT),
    ("ResponsibleAIPolicyViolation", CONTENT),
    ("data_inspection_failed", CONTENT),
    ("refusal", Meaning::Request("refusal")),
    ("invalid_prompt", Meaning::Request("invalid_prompt")),
    ("invalid_image", Meaning::Request("invalid_image")),
    ("invalid_base64_image", Meaning::Request("invalid_image")),
    ("image_parse_error", Meaning::Request("invalid_image")),
    ("empty_image_file", Meaning::Request("invalid_image")),
    (
        "invalid_image_mode",
        Meaning::Request("unsupported_image_format"),
    ),
    (
        "invalid_image_format",
        Meaning::Request("unsupported_image_format"),
    ),
    (
        "unsupported_image_format",
        Meaning::Request("unsupported_image_format"),
    ),
    (
        "unsupported_image_media_type",
        Meaning::Request("unsupported_image_format"),
    ),
    (
        "invalid_image_url",
        Meaning::Request("image_download_failed"),
    ),
    (
        "failed_to_download_image",
        Meaning::Request("image_download_failed"),
    ),
    (
        "image_download_failed",
        Meaning::Request("image_download_failed"),
    ),
    ("image_file_not_found", Meaning::Request("image_not_found")),
    ("image_not_found", Meaning::Request("image_not_found")),
    ("image_too_large", Meaning::Request("image_too_large")),
    ("image_file_too_large", Meaning::Request("image_too_large")),
    ("image_too_small", Meaning::Request("image_too_small")),
    ("insufficient_quota", Meaning::Account),
    ("billing_hard_limit_reached", Meaning::Account),
    ("billing_not_active", Meaning::Account),
    ("account_deactivated", Meaning::Account),
    ("invalid_api_key", Meaning::Account),
    ("authentication_error", Meaning::Account),
    ("billing_error", Meaning::Account),
    ("Arrearage", Meaning::Account),
    ("model_not_found", Meaning::Missing),
    ("model_decommissioned", Meaning::Missing),
    ("DeploymentNotFound", Meaning::Missing),
    ("not_found_error", Meaning::Missing),
];

const TOO_LONG: Meaning = Meaning::Request("context_length_exceeded");
const CONTENT: Meaning = Meaning::Request("content_policy_violation");

/// Parts of sentences, in lower case, of providers that have no word for it: Anthropic, Gemini, Bedrock, vLLM, Azure, xAI, 2026-11.
const PHRASES: [(&str, Meaning); 13] = [
    ("prompt is too long", TOO_LONG),
    ("maximum context length", TOO_LONG),
    ("exceed context limit", TOO_LONG),
    ("exceeds the context window", TOO_LONG),
    ("exceeds the maximum number of tokens", TOO_LONG),
    ("input is too long for requested model", TOO_LONG),
    ("content management policy", CONTENT),
    ("content filtering policy", CONTENT),
    ("credit balance is too low", Meaning::Account),
    ("api key not valid", Meaning::Account),
    ("api key expired", Meaning::Account),
    ("incorrect api key", Meaning::Account),
    ("model has been decommissioned", Meaning::Missing),
];

impl Meaning {
    /// Of a provider's word.
    pub fn of_code(code: &str) -> Option<Meaning> {
        let row = CODES.iter().find(|(theirs, _)| *theirs == code);
        row.map(|(_, meaning)| *meaning)
    }
}

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
    /// What a filter of the provider says that it found.
    pub moderation: Option<Box<Moderation>>,
}

/// What a provider's filter found in a request (checklist G10).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moderation {
    /// Names of what was found, in the provider's words.
    pub reasons: Vec<String>,
    /// The text that was found, at most [`FLAGGED_CHARS_MAX`] characters of it.
    pub flagged_input: Option<String>,
    /// The model as the provider calls it.
    pub model_slug: Option<String>,
}

/// Characters of a text that a filter found; of a longer one the middle is left out. OpenRouter's figure.
pub const FLAGGED_CHARS_MAX: usize = 100;

/// Reasons that are kept, and how deep in the body they are looked for.
const REASONS_MAX: usize = 20;
const MODERATION_DEPTH_MAX: usize = 6;

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
        let mut moderation = Moderation::default();
        moderation.look_into(&value, 0);
        moderation.look_at(&error.message);
        if moderation != Moderation::default() {
            error.moderation = Some(Box::new(moderation));
        }
        error
    }

    /// What it means, by its word and, where that says nothing, by its sentence.
    pub fn meaning(&self) -> Option<Meaning> {
        if let Some(meaning) = self.code.as_deref().and_then(Meaning::of_code) {
            return Some(meaning);
        }
        if self.moderation.is_some() {
            return Some(CONTENT);
        }
        let text = self.message.to_ascii_lowercase();
        let row = PHRASES.iter().find(|(phrase, _)| text.contains(phrase));
        row.map(|(_, meaning)| *meaning)
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

impl Moderation {
    /// Looks for what OpenRouter (`metadata.reasons`), Azure (`content_filter_result`) and Google (`safetyRatings`, `blockReason`) say.
    /// Their references, 2026-11.
    fn look_into(&mut self, value: &Value, depth: usize) {
        if depth > MODERATION_DEPTH_MAX {
            return;
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), value) {
                        ("metadata", Value::Object(metadata)) => self.take_metadata(metadata),
                        ("content_filter_result" | "content_filter_results", found) => {
                            self.take_filters(found);
                        }
                        ("safetyRatings", Value::Array(ratings)) => {
                            let blocked = |rating: &&Value| rating["blocked"] == true;
                            for rating in ratings.iter().filter(blocked) {
                                self.add(rating["category"].as_str());
                            }
                        }
                        ("blockReason", reason) => self.add(reason.as_str()),
                        (_, nested) => self.look_into(nested, depth + 1),
                    }
                }
            }
            Value::Array(elements) => {
                for element in elements.iter().take(REASONS_MAX) {
                    self.look_into(element, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn take_metadata(&mut self, metadata: &serde_json::Map<String, Value>) {
        let Some(Value::Array(reasons)) = metadata.get("reasons") else {
            return;
        };
        for reason in reasons {
            self.add(reason.as_str());
        }
        let text = |name| metadata.get(name).and_then(Value::as_str);
        self.flagged_input = text("flagged_input").map(|text| elided(text, FLAGGED_CHARS_MAX));
        self.model_slug = text("model_slug").map(|slug| excerpt(slug.as_bytes(), 256));
    }

    /// Azure names every filter, and says of each whether it found something. Of images and choices it has a list of such objects.
    fn take_filters(&mut self, found: &Value) {
        match found {
            Value::Object(filters) => {
                for (name, filter) in filters {
                    if filter["filtered"] == true || filter["detected"] == true {
                        self.add(Some(name));
                    }
                }
            }
            Value::Array(lists) => {
                for list in lists
                    .iter()
                    .take(REASONS_MAX)
                    .filter(|list| list.is_object())
                {
                    self.take_filters(list);
                }
            }
            _ => {}
        }
    }

    /// OpenAI's sentence about an image ends in `safety_violations=[sexual, violence].`
    fn look_at(&mut self, message: &str) {
        let found = message
            .split_once("safety_violations=[")
            .and_then(|(_, rest)| rest.split_once(']'));
        if let Some((list, _)) = found {
            for reason in list.split(',') {
                self.add(Some(reason.trim()));
            }
        }
    }

    fn add(&mut self, reason: Option<&str>) {
        let Some(reason) = reason.filter(|reason| !reason.is_empty()) else {
            return;
        };
        let reason = excerpt(reason.as_bytes(), 100);
        if self.reasons.len() < REASONS_MAX && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

/// A text of at most `chars_max` characters: of a longer one the middle is left out.
fn elided(text: &str, chars_max: usize) -> String {
    let count = text.chars().count();
    if count <= chars_max {
        return text.to_owned();
    }
    let head = (chars_max - 1) / 2;
    let tail = chars_max - 1 - head;
    let mut short: String = text.chars().take(head).collect();
    short.push('…');
    short.extend(text.chars().skip(count - tail));
    short
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

    /// Bodies as the vendors' references and their users' reports show them.
    #[test]
    fn g01_what_vendors_errors_mean() {
        let cases = [
            (
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 215000 tokens > 200000 maximum"}}"#,
                Some(TOO_LONG),
            ),
            (
                r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
                Some(TOO_LONG),
            ),
            (
                r#"{"message":"Input is too long for requested model."}"#,
                Some(TOO_LONG),
            ),
            (
                r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000","type":"BadRequestError","code":400}"#,
                Some(TOO_LONG),
            ),
            (
                r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
                Some(CONTENT),
            ),
            (
                r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                Some(Meaning::Account),
            ),
            (
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API"}}"#,
                Some(Meaning::Account),
            ),
            (
                r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#,
                Some(Meaning::Account),
            ),
            (
                r#"{"error":{"message":"The model `x` has been decommissioned","code":"model_decommissioned"}}"#,
                Some(Meaning::Missing),
            ),
            (
                r#"{"error":{"message":"Invalid value: 'x'","type":"invalid_request_error","code":"invalid_value"}}"#,
                None,
            ),
            ("<html>502</html>", None),
        ];
        for (body, meaning) in cases {
            assert_eq!(
                UpstreamError::read(body.as_bytes()).meaning(),
                meaning,
                "{body}"
            );
        }
    }

    #[test]
    fn g10_what_a_filter_found_is_read_in_the_words_of_each_provider() {
        let found = |body: &str| {
            let error = UpstreamError::read(body.as_bytes());
            assert_eq!(error.meaning(), Some(CONTENT), "{body}");
            error.moderation.map(|found| *found).unwrap_or_default()
        };
        let openrouter = found(
            r#"{"error":{"code":403,"message":"Your input was flagged","metadata":{"reasons":["sexual","violence"],"flagged_input":"a text","provider_name":"OpenAI","model_slug":"openai/gpt"}}}"#,
        );
        assert_eq!(openrouter.reasons, ["sexual", "violence"]);
        assert_eq!(openrouter.flagged_input.as_deref(), Some("a text"));
        assert_eq!(openrouter.model_slug.as_deref(), Some("openai/gpt"));
        let azure = found(
            r#"{"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"},"jailbreak":{"detected":true,"filtered":false},"violence":{"filtered":false,"severity":"safe"}}}}}"#,
        );
        assert_eq!(azure.reasons, ["hate", "jailbreak"]);
        let openai = found(
            r#"{"error":{"code":"moderation_blocked","message":"Your request was rejected by the safety system. safety_violations=[sexual, self-harm]."}}"#,
        );
        assert_eq!(openai.reasons, ["sexual", "self-harm"]);
        let google = found(
            r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","blocked":true},{"category":"X"}]}}]}}"#,
        );
        assert_eq!(google.reasons, ["SAFETY", "HARM_CATEGORY_HARASSMENT"]);
        // Anthropic says no more than this.
        let anthropic = found(
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#,
        );
        assert_eq!(anthropic, Moderation::default());
    }

    #[test]
    fn g10_the_middle_of_a_long_text_is_left_out() {
        assert_eq!(elided(&"é".repeat(100), 100), "é".repeat(100));
        let long = format!("{}{}", "a".repeat(80), "é".repeat(80));
        let short = elided(&long, FLAGGED_CHARS_MAX);
        assert_eq!(short, format!("{}…{}", "a".repeat(49), "é".repeat(50)));
        assert_eq!(short.chars().count(), 100);
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
