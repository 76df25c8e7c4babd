//! `POST /responses` (openrouter.md §1.2.3): items in, items out, and events that name each step.
//!
//! | file | is |
//! | --- | --- |
//! | `read` | a request, read; `items` its input, `tools` what it offers |
//! | `stream` | an answer, written as events; `item` its items |
//! | `envelope` | the response object around the items |
//! | `seal` | thoughts of other formats, packed so that a client can replay them |
//! | `object` | JSON objects, taken apart with a name for every place |

use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::cost::Cost;
use crate::finish::Finish;
use crate::json::write_string;
use crate::refusal::{Kind, Refusal};
use crate::usage::{Usage, UsageSource};

pub(crate) mod envelope;
mod item;
pub(crate) mod items;
pub(crate) mod object;
mod read;
pub(crate) mod seal;
pub(crate) mod stream;
mod tools;

pub(crate) use item::is_home;
pub(crate) use read::read;
pub(crate) use seal::sealed_items;
pub(crate) use stream::{Writer, write_answer};

/// Appends an error body.
///
/// What is wrong with the request itself is said with this API's own word in place of the number, as OpenRouter does; everything else
/// has the common form, and `error_type` at the top level, where this API has it.
pub(crate) fn write_refusal(refusal: &Refusal, _id: &str, out: &mut Vec<u8>) {
    if let Kind::MalformedJson | Kind::InvalidRequest = refusal.kind {
        out.extend_from_slice(b"{\"error\":{\"code\":\"invalid_prompt\",\"message\":");
        write_string(&refusal.message, out);
        out.extend_from_slice(b"},\"metadata\":null}");
        return;
    }
    out.extend_from_slice(b"{\"error\":");
    refusal.write_error(out);
    out.extend_from_slice(b",\"error_type\":");
    write_string(refusal.error_type(), out);
    out.push(b'}');
}

/// Refusals by a provider which are no errors here but answers that end at a limit (openrouter.md §1.2.3, checklist B05).
const LIMITS: [&str; 4] = [
    "context_length_exceeded",
    "max_tokens_exceeded",
    "token_limit_exceeded",
    "string_too_long",
];

/// Appends the answer that a refusal amounts to: an empty one that ended at a limit, as a stream or plain. False: the refusal is
/// something else, and nothing was appended.
pub fn limit_as_answer(
    refusal: &Refusal,
    serving: &Serving<'_>,
    stream: bool,
    out: &mut Vec<u8>,
) -> bool {
    if !LIMITS.contains(&refusal.error_type()) {
        return false;
    }
    let closing = Closing {
        usage: Usage::default(),
        usage_source: UsageSource::None,
        cost: Cost::default(),
        finish: Finish::Length,
        native: refusal.error_type(),
        stop_sequence: None,
        service_tier: None,
    };
    let mut writer = Writer::new(serving);
    match stream {
        true => writer.end(&closing, serving, out),
        false => writer.write_response(envelope::State::Ended(&closing), serving, out),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Api;
    use crate::dialect::Dialect;
    use serde_json::Value;

    fn body(refusal: &Refusal) -> Value {
        let mut out = Vec::new();
        write_refusal(refusal, "", &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_wrong_request_is_an_invalid_prompt_and_all_else_is_numbered() {
        let wrong = body(&Refusal::new(Kind::InvalidRequest).with_message("no"));
        assert_eq!(
            wrong.to_string(),
            r#"{"error":{"code":"invalid_prompt","message":"no"},"metadata":null}"#
        );
        let limited = body(&Refusal::new(Kind::RateLimited));
        assert_eq!(limited["error"]["code"], 429);
        assert_eq!(limited["error_type"], "rate_limit_exceeded");
    }

    #[test]
    fn b05_a_limit_that_a_provider_refuses_is_an_answer() {
        let refused = |code: &str| {
            Refusal::new(Kind::ProviderRefused)
                .with_provider_status(400)
                .with_provider_code(code)
        };
        let serving = Serving {
            dialect: Dialect::OpenAi,
            ..Serving::example(Api::Responses)
        };
        let mut out = Vec::new();
        assert!(!limit_as_answer(
            &refused("other"),
            &serving,
            false,
            &mut out
        ));
        assert!(out.is_empty());
        let long = refused("context_length_exceeded");
        assert!(limit_as_answer(&long, &serving, false, &mut out));
        let answer: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(answer["status"], "incomplete");
        assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
        out.clear();
        assert!(limit_as_answer(&long, &serving, true, &mut out));
        let events = String::from_utf8(out).unwrap();
        assert!(events.starts_with("event: response.created\n"));
        assert!(events.contains("event: response.incomplete\n"));
        assert!(events.ends_with("data: [DONE]\n\n"));
    }
}
