//! An estimate of a request's tokens, for clients that ask for a count where no endpoint can count.
//!
//! Only the provider has the tokeniser, so this is an estimate and says so: a quarter of the bytes of all text that a model reads
//! ([`BYTES_PER_TOKEN`], the usual figure for English and code), a constant per message, and constants for media. Coding agents ask
//! in order to know when their context is nearly full, and for that the size is what matters and not the last digit; where a client
//! wants more, an endpoint that counts has to be configured.

use crate::api::Api;
use crate::json::{self, Kind, Malformed, Value, Walker, write_number};
use crate::member::lenient::each_member;
use crate::request::Request;
use crate::usage::BYTES_PER_TOKEN;

/// Tokens of an image. Providers count by its size, which is not known without decoding it; this is what most allow one to
/// cost at most (Anthropic's guide to vision, 2026-11: width × height / 750, and images are scaled to about 1.15 megapixels).
const IMAGE_TOKENS: u64 = 1_500;

/// Bytes of base64 of a document or of sound that one token is taken for. A page of a PDF of 50 KB is then about 1,000 tokens.
const MEDIUM_BYTES_PER_TOKEN: u64 = 64;

/// Tokens that the form of one message takes: its role and its ends.
const MESSAGE_TOKENS: u64 = 4;

/// Members whose strings a model does not read, in any of the APIs: names of kinds, ids, proofs, switches.
const UNREAD: [&str; 20] = [
    "type",
    "role",
    "id",
    "model",
    "tool_use_id",
    "tool_call_id",
    "call_id",
    "media_type",
    "mimeType",
    "mime_type",
    "cache_control",
    "cachedContent",
    "signature",
    "thoughtSignature",
    "thought_signature",
    "metadata",
    "thinking_config",
    "generationConfig",
    "context_management",
    "toolConfig",
];

/// The estimate; 1 at least, because no request is empty to a model.
pub fn estimate(request: &Request) -> u64 {
    estimate_text(request.asked())
}

/// How many answers are asked for: `n`, where the API has that; 1 where nothing is said.
pub fn answers(request: &Request) -> u64 {
    let mut walker = Walker::new(request.asked());
    let mut asked = 1;
    // The body was walked when it was read, so this reaches its end.
    let _ = each_member(&mut walker, |walker, name| {
        let value = walker.value()?;
        if name == "n" {
            asked = value.whole(walker.text()).unwrap_or(1).max(1);
        }
        Ok::<(), Malformed>(())
    });
    asked
}

fn estimate_text(body: &str) -> u64 {
    let mut tally = Tally::default();
    // The body was walked when it was read, so this reaches its end.
    let _ = tally.value(&mut Walker::new(body), "");
    tally
        .text_bytes
        .div_ceil(BYTES_PER_TOKEN)
        .saturating_add(tally.tokens)
        .max(1)
}

/// Appends the answer in the form of the API that asks: `{"input_tokens":N}`, or Gemini's `{"totalTokens":N}`.
pub fn write(request: &Request, out: &mut Vec<u8>) {
    out.extend_from_slice(match request.api() {
        Api::GeminiCount => b"{\"totalTokens\":".as_slice(),
        _ => b"{\"input_tokens\":",
    });
    write_number(estimate(request), out);
    out.push(b'}');
}

#[derive(Default)]
struct Tally {
    text_bytes: u64,
    tokens: u64,
}

impl Tally {
    /// Counts a value that stands under a name; elements stand under the name of their array.
    fn value(&mut self, walker: &mut Walker<'_>, name: &str) -> Result<(), Malformed> {
        if UNREAD.contains(&name) {
            return walker.value().map(|_| ());
        }
        // What a model gets as JSON, it reads as JSON: names and braces too.
        if matches!(
            name,
            "tools" | "input" | "args" | "response" | "functionDeclarations" | "response_format"
        ) {
            let value = walker.value()?;
            self.text_bytes += (value.span.end - value.span.start) as u64;
            return Ok(());
        }
        match walker.peek() {
            Some(Kind::Object) => {
                let mut more = walker.enter_object()?;
                while more {
                    let key = walker.key()?.name;
                    // A message is told by what it has.
                    self.tokens += match key {
                        "content" | "parts" => MESSAGE_TOKENS,
                        _ => 0,
                    };
                    self.value(walker, key)?;
                    more = walker.next_member()?;
                }
            }
            Some(Kind::Array) => {
                let mut more = walker.enter_array()?;
                while more {
                    self.value(walker, name)?;
                    more = walker.next_element()?;
                }
            }
            _ => {
                let value = walker.value()?;
                if value.kind.is_string() {
                    self.string(&value, walker.text(), name);
                }
            }
        }
        Ok(())
    }

    fn string(&mut self, value: &Value, text: &str, name: &str) {
        let raw = json::inside(value.raw(text));
        let len = json::unescaped_len(value.raw(text)) as u64;
        let base64 = match raw.strip_prefix("data:") {
            Some(_) => true,
            // A document of plain text has its text under the same name.
            None => matches!(name, "data" | "file_data") && !raw.contains([' ', '\\']),
        };
        let is_image = raw.starts_with("data:image/")
            || ["/9j/", "iVBORw", "R0lGOD", "UklGR"]
                .iter()
                .any(|start| raw.starts_with(start));
        match (base64, name) {
            (true, _) if is_image => self.tokens += IMAGE_TOKENS,
            (true, _) => self.tokens += (len / MEDIUM_BYTES_PER_TOKEN).max(IMAGE_TOKENS),
            // What stands at an address or is kept by the provider is a medium too; mostly an image.
            (false, "url" | "image_url" | "fileUri" | "file_id") => self.tokens += IMAGE_TOKENS,
            (false, _) => self.text_bytes += len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> u64 {
        let request = Request::read(body.as_bytes().to_vec(), Api::MessagesCount).unwrap();
        estimate(&request)
    }

    #[test]
    fn text_counts_by_its_bytes() {
        let short = of(r#"{"model":"m","messages":[{"role":"user","content":"12345678"}]}"#);
        assert_eq!(short, 2 + MESSAGE_TOKENS);
        let long = format!(
            r#"{{"model":"m","system":"{}","messages":[]}}"#,
            "abcd".repeat(1000)
        );
        assert_eq!(of(&long), 1000);
    }

    #[test]
    fn what_no_model_reads_does_not_count() {
        let body = r#"{"model":"a-very-long-name-of-a-model","metadata":{"user_id":"somebody"},"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"c2lnbmF0dXJlc2lnbmF0dXJl"}]}]}"#;
        assert_eq!(of(body), MESSAGE_TOKENS);
        assert_eq!(of("{}"), 1);
    }

    #[test]
    fn tools_count_with_their_schemas() {
        let body = r#"{"tools":[{"name":"n","input_schema":{"type":"object"}}],"messages":[]}"#;
        let tools = r#"[{"name":"n","input_schema":{"type":"object"}}]"#;
        assert_eq!(of(body), (tools.len() as u64).div_ceil(BYTES_PER_TOKEN));
    }

    #[test]
    fn an_image_does_not_count_by_its_bytes() {
        let data = "iVBORw0KGgo".repeat(10_000);
        let messages = format!(
            r#"{{"messages":[{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}]}}]}}"#
        );
        assert_eq!(of(&messages), IMAGE_TOKENS + MESSAGE_TOKENS);
        let gemini = format!(
            r#"{{"contents":[{{"role":"user","parts":[{{"inlineData":{{"mimeType":"image/png","data":"{data}"}}}}]}}]}}"#
        );
        assert_eq!(estimate_text(&gemini), IMAGE_TOKENS + MESSAGE_TOKENS);
        let pdf = format!(
            r#"{{"messages":[{{"role":"user","content":[{{"type":"document","source":{{"type":"base64","data":"JVBERi{}"}}}}]}}]}}"#,
            "A".repeat(640_000)
        );
        assert!(of(&pdf) > 10_000);
    }

    #[test]
    fn answers_have_the_form_of_their_api() {
        for (api, expected) in [
            (Api::MessagesCount, r#"{"input_tokens":6}"#),
            (Api::GeminiCount, r#"{"totalTokens":6}"#),
        ] {
            let body = r#"{"contents":[{"parts":[{"text":"12345678"}]}]}"#;
            let request = Request::read(body.as_bytes().to_vec(), api).unwrap();
            let mut out = Vec::new();
            write(&request, &mut out);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
