//! Embeddings in Cohere's words.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::Unusable;
use crate::dialect::Target;
use crate::exchange::{EmbedAnswer, EmbedAsk, EmbedInput};
use crate::json::{Malformed, write_string};
use crate::member::write::{comma, key, number_member, raw_member, string_member};
use crate::refusal::Refusal;
use crate::usage::Usage;

/// What the vectors are for, where the client does not say: the provider wants to know, and most vectors are stored.
const INPUT_TYPE: &str = "search_document";

/// Writes a request.
pub(crate) fn write_embed(
    ask: &EmbedAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    out.push(b'{');
    string_member("model", target.model, out);
    key("texts", out);
    out.push(b'[');
    for input in &ask.inputs {
        match input {
            EmbedInput::Text(text) => {
                comma(out);
                write_string(text, out);
            }
            EmbedInput::Tokens(_) => return Err(target.inexpressible("input: tokens")),
            EmbedInput::Parts(_) => return Err(target.inexpressible("input: anything but text")),
        }
    }
    out.push(b']');
    string_member(
        "input_type",
        ask.input_type.as_deref().unwrap_or(INPUT_TYPE),
        out,
    );
    raw_member("embedding_types", "[\"float\"]", out);
    if let Some(dimensions) = ask.dimensions {
        number_member("output_dimension", dimensions, out);
    }
    out.push(b'}');
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Vectors<'a> {
    id: Option<String>,
    #[serde(borrow)]
    embeddings: Option<Typed<'a>>,
    meta: Option<Meta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed<'a> {
    #[serde(borrow)]
    float: Vec<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    billed_units: Option<Billed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Billed {
    input_tokens: Option<f64>,
}

/// Reads vectors.
pub(crate) fn read_embed(text: &str) -> Result<EmbedAnswer<'_>, Unusable> {
    let read: Vectors<'_> = serde_json::from_str(text).map_err(|error| {
        Unusable::Malformed(Malformed {
            offset: error.column().saturating_sub(1),
            why: "expected an object with embeddings",
        })
    })?;
    let vectors: Vec<_> = read
        .embeddings
        .unwrap_or_default()
        .float
        .into_iter()
        .map(|raw| Cow::Borrowed(raw.get()))
        .collect();
    if vectors.is_empty() {
        return Err(Unusable::NoChoices);
    }
    let tokens = read
        .meta
        .and_then(|meta| meta.billed_units)
        .and_then(|units| units.input_tokens);
    Ok(EmbedAnswer {
        vectors,
        id: read.id.map(Cow::Owned),
        usage: tokens.map(|tokens| Usage {
            prompt: tokens.max(0.0) as u64,
            total: tokens.max(0.0) as u64,
            ..Usage::default()
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_read_with_what_they_cost() {
        let text = r#"{"id":"i","embeddings":{"float":[[0.1,0.2],[1]]},"meta":{"billed_units":{"input_tokens":4.0}}}"#;
        let answer = read_embed(text).unwrap();
        assert_eq!(answer.vectors, ["[0.1,0.2]", "[1]"]);
        assert_eq!(answer.usage.unwrap().prompt, 4);
        assert!(read_embed(r#"{"message":"no"}"#).is_err());
    }
}
