//! An estimate of a request's tokens, for questions that no endpoint of the model can answer.
//!
//! Strings of the body are taken at [`BYTES_PER_TOKEN`]; data in base64 (images, files) counts as the flat [`MEDIUM_TOKENS`], because its
//! bytes say nothing about its tokens. Keys and punctuation are left out: they are the protocol's, not the prompt's.

use crate::api::Api;
use crate::json::{Kind, Malformed, Walker, unescaped_len, write_number};
use crate::request::Request;
use crate::usage::BYTES_PER_TOKEN;

/// Tokens of an image or a file: the middle of what vision models charge for a usual picture.
pub const MEDIUM_TOKENS: u64 = 1_000;

/// A string longer than this without a space in its beginning is data, not text.
const DATA_BYTES_MIN: usize = 2_048;

/// The estimate; at least 1.
pub fn estimate(request: &Request) -> u64 {
    let text = request.asked();
    let mut count = Count::default();
    // The body was walked when it was read, so the walk ends well; if it did not, what was counted before is the estimate.
    let _ = count.value(&mut Walker::new(text), text);
    (count.bytes.div_ceil(BYTES_PER_TOKEN) + count.media * MEDIUM_TOKENS).max(1)
}

/// Appends the answer in the form of the API that asks.
pub fn write(request: &Request, out: &mut Vec<u8>) {
    let name: &[u8] = match request.api() {
        Api::GeminiCount => b"{\"totalTokens\":",
        _ => b"{\"input_tokens\":",
    };
    out.extend_from_slice(name);
    write_number(estimate(request), out);
    out.push(b'}');
}

#[derive(Debug, Default)]
struct Count {
    bytes: u64,
    media: u64,
}

impl Count {
    /// The walker bounds the depth.
    fn value(&mut self, walker: &mut Walker<'_>, text: &str) -> Result<(), Malformed> {
        match walker.peek() {
            Some(Kind::Object) => {
                let mut more = walker.enter_object()?;
                while more {
                    walker.key()?;
                    self.value(walker, text)?;
                    more = walker.next_member()?;
                }
            }
            Some(Kind::Array) => {
                let mut more = walker.enter_array()?;
                while more {
                    self.value(walker, text)?;
                    more = walker.next_element()?;
                }
            }
            _ => {
                let value = walker.value()?;
                if value.kind.is_string() {
                    self.text(value.raw(text));
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, raw: &str) {
        let inside = crate::json::inside(raw);
        let start = inside.as_bytes().get(..DATA_BYTES_MIN);
        match start.is_some_and(|start| memchr::memchr2(b' ', b'\\', start).is_none()) {
            true => self.media += 1,
            false => self.bytes += unescaped_len(raw) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> Request {
        Request::read(body.as_bytes().to_vec(), Api::MessagesCount).unwrap()
    }

    #[test]
    fn text_counts_by_bytes_and_media_as_a_whole() {
        assert_eq!(
            estimate(&request(r#"{"model":"abcd","a":["12345678"]}"#)),
            3
        );
        let image = format!(r#"{{"model":"abcd","data":"{}"}}"#, "A".repeat(100_000));
        assert_eq!(estimate(&request(&image)), 1 + MEDIUM_TOKENS);
        assert_eq!(estimate(&request("{}")), 1);
    }

    #[test]
    fn each_api_gets_its_own_form() {
        let mut out = Vec::new();
        write(&request(r#"{"model":"abcdefgh"}"#), &mut out);
        assert_eq!(out, br#"{"input_tokens":2}"#);
    }
}
