//! Embeddings in Ollama's words.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::Unusable;
use crate::dialect::Target;
use crate::exchange::{EmbedAnswer, EmbedAsk, EmbedInput};
use crate::json::{Malformed, write_string};
use crate::member::write::{comma, key, number_member, string_member};
use crate::refusal::Refusal;
use crate::usage::Usage;

/// Writes a request.
pub(crate) fn write_embed(
    ask: &EmbedAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    out.push(b'{');
    string_member("model", target.model, out);
    key("input", out);
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
    if let Some(dimensions) = ask.dimensions {
        number_member("dimensions", dimensions, out);
    }
    out.push(b'}');
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Vectors<'a> {
    #[serde(borrow)]
    embeddings: Vec<&'a RawValue>,
    prompt_eval_count: Option<u64>,
}

/// Reads vectors.
pub(crate) fn read_embed(text: &str) -> Result<EmbedAnswer<'_>, Unusable> {
    let read: Vectors<'_> = serde_json::from_str(text).map_err(|error| {
        Unusable::Malformed(Malformed {
            offset: error.column().saturating_sub(1),
            why: "expected an object with embeddings",
        })
    })?;
    if read.embeddings.is_empty() {
        return Err(Unusable::NoChoices);
    }
    Ok(EmbedAnswer {
        vectors: read
            .embeddings
            .iter()
            .map(|raw| Cow::Borrowed(raw.get()))
            .collect(),
        id: None,
        usage: read.prompt_eval_count.map(|prompt| Usage {
            prompt,
            total: prompt,
            ..Usage::default()
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_read() {
        let answer = read_embed(r#"{"embeddings":[[1,2]],"prompt_eval_count":3}"#).unwrap();
        assert_eq!(answer.vectors, ["[1,2]"]);
        assert_eq!(answer.usage.unwrap().prompt, 3);
        assert!(read_embed(r#"{"error":"x"}"#).is_err());
    }
}
