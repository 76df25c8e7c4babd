//! Ranking: the form that Cohere made and Jina, Together, Voyage, vLLM and others serve as well.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::Unusable;
use crate::dialect::Target;
use crate::exchange::{RerankAnswer, RerankAsk};
use crate::json::Malformed;
use crate::member::write::{comma, key, number_member, raw_member, string_member};
use crate::refusal::Refusal;
use crate::usage::Usage;

/// Writes a request.
pub(crate) fn write_rerank(
    ask: &RerankAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    out.push(b'{');
    string_member("model", target.model, out);
    string_member("query", &ask.query, out);
    key("documents", out);
    out.push(b'[');
    for document in &ask.documents {
        comma(out);
        out.extend_from_slice(document.get().as_bytes());
    }
    out.push(b']');
    if let Some(top_n) = ask.top_n {
        number_member("top_n", top_n, out);
    }
    for (name, value) in &ask.extra {
        raw_member(name, value.get(), out);
    }
    out.push(b'}');
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ranking<'a> {
    id: Option<String>,
    #[serde(borrow, alias = "data")]
    results: Vec<Ranked<'a>>,
    meta: Option<Meta>,
    usage: Option<Counts>,
}

#[derive(Debug, Deserialize)]
struct Ranked<'a> {
    index: u64,
    #[serde(borrow, alias = "score")]
    relevance_score: &'a RawValue,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    billed_units: Option<Counts>,
}

/// Units of Cohere, tokens of the others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    search_units: Option<f64>,
    total_tokens: Option<f64>,
    prompt_tokens: Option<f64>,
}

impl Counts {
    fn usage(&self) -> Option<Usage> {
        let whole = |number: f64| number.max(0.0) as u64;
        let tokens = self.total_tokens.or(self.prompt_tokens).map(whole);
        let units = self.search_units.map(whole);
        if tokens.is_none() && units.is_none() {
            return None;
        }
        let tokens = tokens.unwrap_or_default();
        Some(Usage {
            prompt: tokens,
            total: tokens,
            search_units: units.unwrap_or_default(),
            ..Usage::default()
        })
    }
}

/// Reads a ranking, and puts the best first.
pub(crate) fn read_rerank(text: &str) -> Result<RerankAnswer<'_>, Unusable> {
    let read: Ranking<'_> = serde_json::from_str(text).map_err(|error| {
        Unusable::Malformed(Malformed {
            offset: error.column().saturating_sub(1),
            why: "expected an object with results",
        })
    })?;
    if read.results.is_empty() {
        return Err(Unusable::NoChoices);
    }
    let mut results: Vec<_> = read
        .results
        .iter()
        .map(|ranked| (ranked.index, Cow::Borrowed(ranked.relevance_score.get())))
        .collect();
    let score = |(_, score): &(u64, Cow<'_, str>)| score.parse::<f64>().unwrap_or(f64::MIN);
    results.sort_by(|one, other| score(other).total_cmp(&score(one)));
    let usage = read
        .meta
        .and_then(|meta| meta.billed_units)
        .and_then(|units| units.usage())
        .or_else(|| read.usage.and_then(|counts| counts.usage()));
    Ok(RerankAnswer {
        results,
        id: read.id.map(Cow::Owned),
        usage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e04_the_best_comes_first() {
        let text = r#"{"id":"i","results":[{"index":1,"relevance_score":0.1},{"index":0,"relevance_score":0.90}],"meta":{"billed_units":{"search_units":1}}}"#;
        let answer = read_rerank(text).unwrap();
        assert_eq!(
            answer.results,
            [(0, Cow::Borrowed("0.90")), (1, Cow::Borrowed("0.1"))]
        );
        assert_eq!(answer.usage.unwrap().search_units, 1);
    }

    #[test]
    fn tokens_are_read_where_they_are_counted() {
        let text = r#"{"results":[{"index":0,"relevance_score":1e-3,"document":{"text":"a"}}],"usage":{"total_tokens":7}}"#;
        assert_eq!(read_rerank(text).unwrap().usage.unwrap().prompt, 7);
        assert!(read_rerank(r#"{"results":[]}"#).is_err());
    }
}
