//! The ranking API, in Cohere's form as OpenRouter serves it (openrouter.md §1.2.6).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::{Closing, Serving};
use crate::cost::write_dollars;
use crate::exchange::{RerankAnswer, RerankAsk};
use crate::json::{Kind, Walker, write_number, write_string};
use crate::member::Reading;
use crate::member::write::{comma, key, number_member, string_member};
use crate::refusal::Refusal;

/// Reads a request.
pub(crate) fn read(text: &str) -> Result<RerankAsk<'_>, Refusal> {
    let mut ask = RerankAsk::default();
    let mut walker = Walker::new(text);
    let mut reading = Reading::new(&mut walker);
    let (mut query, mut documents) = (None, false);
    reading.members(|reading, name| {
        match name {
            "model" | "provider" => reading.skip()?,
            "query" => query = reading.string()?,
            "documents" => {
                documents = reading.peek() == Some(Kind::Array);
                reading.elements(|reading| {
                    ask.documents.extend(reading.raw()?);
                    Ok(())
                })?;
            }
            "top_n" => ask.top_n = reading.whole()?,
            _ => {
                if let Some(value) = reading.raw()? {
                    ask.extra.push((name.to_owned().into(), value));
                }
            }
        }
        Ok(())
    })?;
    let missing = |what: &str| {
        Refusal::new(crate::refusal::Kind::InvalidRequest).with_message(format!(
            "`{what}` is missing: a ranking needs a query (a string) and documents (an array that is not empty)"
        ))
    };
    ask.query = query.ok_or_else(|| missing("query"))?;
    if !documents || ask.documents.is_empty() {
        return Err(missing("documents"));
    }
    Ok(ask)
}

/// Writes a ranking. Documents are repeated from the request, since not every provider sends them back.
pub(crate) fn write(
    answer: &RerankAnswer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    let asked = Asked::of(serving.asked);
    let most = asked.top_n.unwrap_or(u64::MAX);
    out.push(b'{');
    string_member("id", serving.id, out);
    string_member("model", serving.model, out);
    string_member("provider", serving.provider, out);
    key("results", out);
    out.push(b'[');
    for (index, score) in answer
        .results
        .iter()
        .take(usize::try_from(most).unwrap_or(usize::MAX))
    {
        comma(out);
        out.extend_from_slice(b"{\"index\":");
        write_number(*index, out);
        out.extend_from_slice(b",\"relevance_score\":");
        out.extend_from_slice(score.as_bytes());
        let place = usize::try_from(*index).unwrap_or(usize::MAX);
        if let Some(document) = asked.documents.get(place) {
            out.extend_from_slice(b",\"document\":");
            write_document(document, out);
        }
        out.push(b'}');
    }
    out.push(b']');
    key("usage", out);
    out.push(b'{');
    if closing.usage.search_units > 0 {
        number_member("search_units", closing.usage.search_units, out);
    }
    number_member("total_tokens", closing.usage.total, out);
    key("cost", out);
    write_dollars(closing.cost.total_nano, out);
    out.extend_from_slice(b"}}");
}

/// A document is a text or an object; in answers it is always an object.
fn write_document(raw: &RawValue, out: &mut Vec<u8>) {
    let mut walker = Walker::new(raw.get());
    match walker
        .value()
        .ok()
        .and_then(|value| value.string(raw.get()))
    {
        Some(text) => {
            out.extend_from_slice(b"{\"text\":");
            write_string(&text, out);
            out.push(b'}');
        }
        None => out.extend_from_slice(raw.get().as_bytes()),
    }
}

/// What an answer repeats of its request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked<'a> {
    #[serde(borrow)]
    documents: Vec<&'a RawValue>,
    top_n: Option<u64>,
}

impl Asked<'_> {
    /// A request that cannot be read has been refused by the provider; then nothing is repeated.
    fn of(text: &str) -> Asked<'_> {
        serde_json::from_str(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer;
    use crate::api::Api;
    use crate::dialect::Dialect;

    const ASKED: &str =
        r#"{"model":"a/b","query":"q","documents":["one",{"text":"two"}],"top_n":1}"#;

    #[test]
    fn e04_documents_come_back_sorted_and_cut() {
        for dialect in [Dialect::Cohere, Dialect::OpenAi] {
            let serving = Serving {
                dialect,
                asked: ASKED,
                ..Serving::example(Api::Rerank)
            };
            let body = br#"{"id":"x","results":[{"index":0,"relevance_score":0.1},{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}"#;
            let mut out = Vec::new();
            let facts = answer::edit(body, &serving, 10, &mut out).unwrap();
            assert_eq!(facts.usage.search_units, 1);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                r#"{"id":"gen-1-a","model":"a/b","provider":"P","results":[{"index":1,"relevance_score":0.9,"document":{"text":"two"}}],"usage":{"search_units":1,"total_tokens":0,"cost":0}}"#
            );
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, name) in [
            (r#"{"documents":["a"]}"#, "query"),
            (r#"{"query":"q"}"#, "documents"),
            (r#"{"query":"q","documents":[]}"#, "documents"),
        ] {
            assert!(read(text).unwrap_err().message.contains(name), "{text}");
        }
        assert_eq!(read(ASKED).unwrap().documents.len(), 2);
    }
}
