//! A plain answer of OpenAI's older family, made ours: same bytes, with the few members changed that the gateway speaks for.
//!
//! Changed are `id` and `model` (ours), `provider` (added), each choice's `finish_reason` (normalised, the provider's own word
//! kept beside it) and `usage` (cost added; estimated where the provider gave none). All else survives as it was.

use std::borrow::Cow;

use crate::answer::{Facts, Serving, Unusable};
use crate::api::Api;
use crate::cost::{Cost, Prices, ServiceTier};
use crate::edit::{self, Found, Shape, Stop};
use crate::json::{self, Malformed};
use crate::upstream_error::UpstreamError;
use crate::usage::{self, Usage, UsageSource};

/// Room for what is added to an answer: the envelope's members, the native reason, and the cost.
const GROWTH_BYTES: usize = 512;

/// Appends the edited answer to `out`; on an error `out` is as it was.
///
/// `input_bytes` is the size of the request's body, from which prompt tokens are estimated if the provider did not count.
pub(super) fn edit(
    body: &[u8],
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii_start().is_empty() {
        return Err(Unusable::Empty);
    }
    let text = json::text(body).map_err(Unusable::Malformed)?;
    let mark = out.len();
    out.reserve(text.len() + GROWTH_BYTES);
    let edited = match edit_text(text, false, serving, input_bytes, out) {
        Ok(facts) => return Ok(facts),
        Err(Fault::Walk(Stop::Irregular)) => {
            out.truncate(mark);
            json::canonical(text, json::Reach::Everywhere)
                .map_err(|wrong| Fault::Walk(Stop::Malformed(wrong)))
                .and_then(|text| edit_text(&text, true, serving, input_bytes, out))
        }
        Err(fault) => Err(fault),
    };
    edited.map_err(|fault| {
        out.truncate(mark);
        match fault {
            Fault::Walk(Stop::Malformed(wrong)) => Unusable::Malformed(wrong),
            // The canonical form has one reading only; saying so once more is the honest answer if that were untrue.
            Fault::Walk(Stop::Irregular) => Unusable::Malformed(Malformed {
                offset: 0,
                why: "a key stands twice",
            }),
            Fault::NoResult => Unusable::NoChoices,
            Fault::Error => {
                let error = UpstreamError::read(body);
                Unusable::ErrorInside {
                    status: error.status,
                    message: error.message,
                    raw: error.raw,
                }
            }
        }
    })
}

enum Fault {
    Walk(Stop),
    NoResult,
    Error,
}

fn edit_text(
    text: &str,
    canonical: bool,
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Fault> {
    let mark = out.len();
    let mut found = Found::default();
    edit::document(text, Shape::Plain, canonical, serving, out, &mut found).map_err(Fault::Walk)?;
    let Some(result) = found.result.filter(|_| found.results > 0) else {
        return Err(if found.error {
            Fault::Error
        } else {
            Fault::NoResult
        });
    };
    let (usage, usage_source) = match &found.usage {
        Some((_, read)) => (read.usage, UsageSource::Upstream),
        None => {
            let text_bytes = match serving.api.streams() {
                true => edit::text_bytes(result.of(text)),
                false => 0,
            };
            (
                Usage::estimated(input_bytes as u64, text_bytes),
                UsageSource::Estimated,
            )
        }
    };
    let service_tier = found.service_tier.map(ServiceTier::name);
    let mut cost = Cost::of(&usage, serving.prices, service_tier);
    if serving.api.streams() {
        let charged = cost.charged(found.finish, usage.completion);
        if charged != cost {
            // Hardly ever. The cost stands in the answer already when its usage came before its end.
            cost = charged;
            if usage_source == UsageSource::Upstream {
                out.truncate(mark);
                let free = serving.prices.map(Prices::without_tokens);
                let serving = Serving {
                    prices: free.as_ref(),
                    ..*serving
                };
                edit::document(text, Shape::Plain, canonical, &serving, out, &mut found)
                    .map_err(Fault::Walk)?;
            }
        }
    }
    if usage_source == UsageSource::Estimated {
        write_missing_usage(&found, &usage, &cost, serving.api, out);
    }
    Ok(Facts {
        usage,
        usage_source,
        cost,
        finish: found.finish,
        native_finish: found.native,
        upstream_id: found.id.and_then(|id| id.string(text)).map(Cow::into_owned),
    })
}

/// Puts an estimated usage where the provider's said nothing, or before the closing brace.
fn write_missing_usage(found: &Found, usage: &Usage, cost: &Cost, api: Api, out: &mut Vec<u8>) {
    let mut object = Vec::with_capacity(GROWTH_BYTES);
    let at = match found.usage_hole {
        Some(hole) => hole,
        None => {
            object.extend_from_slice(b",\"usage\":");
            found.end
        }
    };
    usage::write_estimated(usage, api, cost, &mut object);
    out.splice(at..at, object);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Prices, Service};
    use crate::finish::Finish;
    use serde_json::{Value, json};

    fn edited(body: &str) -> (Value, Facts) {
        let mut out = b"before".to_vec();
        let facts = edit(body.as_bytes(), &Serving::example(Api::Chat), 40, &mut out).unwrap();
        (serde_json::from_slice(&out[6..]).unwrap(), facts)
    }

    fn unusable(body: &str, api: Api) -> Unusable {
        let mut out = b"before".to_vec();
        let fault = edit(body.as_bytes(), &Serving::example(api), 40, &mut out).unwrap_err();
        assert_eq!(out, b"before");
        fault
    }

    #[test]
    fn a_minimal_answer_gets_the_whole_envelope() {
        let (answer, facts) = edited(r#"{"choices":[{"index":0,"message":{"content":"12345"}}]}"#);
        assert_eq!(answer["id"], "gen-1-a");
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(answer["created"], 5);
        assert_eq!(answer["choices"][0]["finish_reason"], Value::Null);
        assert_eq!(answer["usage"]["prompt_tokens"], 10);
        assert_eq!(answer["usage"]["completion_tokens"], 2);
        assert_eq!(answer["usage"]["cost"], 0);
        assert_eq!(facts.usage_source, UsageSource::Estimated);
    }

    #[test]
    fn a_usage_that_says_nothing_is_filled_in_where_it_stands() {
        for usage in ["null", "{}", "[]", "{\"prompt_tokens\":null}"] {
            let (answer, _) = edited(&format!(
                r#"{{"usage":{usage},"choices":[{{"message":{{"content":"123","tool_calls":[{{"function":{{"name":"ab","arguments":"{{}}"}}}}]}}}}]}}"#
            ));
            assert_eq!(answer["usage"]["completion_tokens"], 2, "{usage}");
            assert_eq!(answer.as_object().unwrap().keys().next().unwrap(), "usage");
        }
    }

    #[test]
    fn a_native_reason_is_normalised_and_kept() {
        let (answer, facts) = edited(r#"{"choices":[{"finish_reason":"end_turn","message":{}}]}"#);
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!(answer["choices"][0]["native_finish_reason"], "end_turn");
        assert_eq!(facts.finish, Some(Finish::Stop));
        assert_eq!(facts.native_finish.as_deref(), Some("end_turn"));
        let (answer, facts) = edited(
            r#"{"choices":[{"native_finish_reason":"STOP","finish_reason":"stop","message":{}}]}"#,
        );
        assert_eq!(answer["choices"][0]["native_finish_reason"], "STOP");
        assert_eq!(facts.native_finish.as_deref(), Some("STOP"));
    }

    #[test]
    fn a_member_given_twice_is_written_once() {
        let (answer, facts) = edited(
            r#"{"id":"x","\u0069d":"y","choices":[{"finish_reason":"stop","finish_reason":"length"}],"model":1}"#,
        );
        assert_eq!(answer["id"], "gen-1-a");
        assert_eq!(facts.upstream_id.as_deref(), Some("y"));
        assert_eq!(facts.finish, Some(Finish::Length));
    }

    #[test]
    fn answers_of_no_use_are_told_apart() {
        let chat = Api::Chat;
        assert_eq!(unusable("", chat), Unusable::Empty);
        assert_eq!(unusable(" \n", chat), Unusable::Empty);
        assert_eq!(unusable("{}", chat), Unusable::NoChoices);
        assert_eq!(unusable(r#"{"choices":[]}"#, chat), Unusable::NoChoices);
        assert_eq!(unusable(r#"{"choices":null}"#, chat), Unusable::NoChoices);
        assert_eq!(
            unusable(r#"{"data":[]}"#, Api::Embeddings),
            Unusable::NoChoices
        );
        assert!(matches!(unusable("[]", chat), Unusable::Malformed(_)));
        assert!(matches!(unusable("<html>", chat), Unusable::Malformed(_)));
        assert!(matches!(
            unusable(r#"{"choices":[1]}"#, chat),
            Unusable::Malformed(_)
        ));
        assert!(matches!(
            unusable(r#"{"choices":[{}]} x"#, chat),
            Unusable::Malformed(_)
        ));
        let Unusable::ErrorInside {
            status,
            message,
            raw,
        } = unusable(
            r#"{"error":{"message":"busy","code":"429"},"choices":[]}"#,
            chat,
        )
        else {
            panic!("expected an error inside");
        };
        assert_eq!((status, message.as_str()), (Some(429), "busy"));
        assert!(raw.contains("busy"));
    }

    #[test]
    fn the_tier_that_served_sets_the_price_wherever_it_is_named() {
        let prices = Prices {
            prompt: 1_000_000_000,
            service: vec![Service {
                tier: ServiceTier::Flex,
                prompt: Some(500_000_000),
                completion: None,
                cache_read: None,
                cache_write: None,
            }],
            ..Prices::default()
        };
        let serving = Serving {
            prices: Some(&prices),
            ..Serving::example(Api::Chat)
        };
        let choices = r#""choices":[{"message":{"content":"a"}}]"#;
        let usage = r#""usage":{"prompt_tokens":1000,"completion_tokens":1,"cost":7},"x":{"y":[]}"#;
        for (body, cost) in [
            (
                format!(r#"{{"service_tier":"flex",{choices},{usage}}}"#),
                500_000,
            ),
            (
                format!(r#"{{{choices},{usage},"service_tier":"flex"}}"#),
                500_000,
            ),
            (
                format!(r#"{{{choices},{usage},"service_tier":"default"}}"#),
                1_000_000,
            ),
            (format!(r#"{{{choices},{usage}}}"#), 1_000_000),
            // Estimated, one token for the answer's text and ten for the request.
            (format!(r#"{{{choices},"service_tier":"flex"}}"#), 5_000),
        ] {
            let mut out = Vec::new();
            let facts = edit(body.as_bytes(), &serving, 40, &mut out).unwrap();
            assert_eq!(facts.cost.total_nano, cost, "{body}");
            let answer: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(
                answer["usage"]["cost"].to_string().parse::<f64>().unwrap(),
                cost as f64 / 1e9,
                "{body}"
            );
        }
    }

    #[test]
    fn embeddings_are_forwarded_untouched() {
        let mut out = Vec::new();
        let body = r#"{"object":"list","data":[{"embedding":[0.10,-1e-05],"index":0}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
        edit(
            body.as_bytes(),
            &Serving::example(Api::Embeddings),
            40,
            &mut out,
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""data":[{"embedding":[0.10,-1e-05],"index":0}]"#));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["provider"], "P");
        assert_eq!(value.get("created"), None);
        assert_eq!(value["usage"].get("completion_tokens"), None);
        assert_eq!(value["usage"]["cost"], json!(0));
    }

    #[test]
    fn a_byte_order_mark_is_no_reason_to_refuse() {
        let (answer, _) = edited("\u{feff}{\"choices\":[{}]}");
        assert_eq!(answer["choices"][0]["native_finish_reason"], Value::Null);
    }
}
