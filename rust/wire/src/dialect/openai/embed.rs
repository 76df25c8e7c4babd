//! Embeddings in OpenAI's words.

use std::borrow::Cow;

use crate::answer::Unusable;
use crate::dialect::Target;
use crate::exchange::{EmbedAnswer, EmbedAsk, EmbedInput};
use crate::json::{Kind, Walker, write_string};
use crate::member::Members;
use crate::refusal::Refusal;
use crate::usage::Usage;

use super::answer::{elements, members};

/// Writes a request.
pub(crate) fn write_embed(
    ask: &EmbedAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let mut wish = Members::new(out);
    wish.string("model", target.model);
    let out = wish.key("input");
    for (index, input) in ask.inputs.iter().enumerate() {
        out.push(if index == 0 { b'[' } else { b',' });
        match input {
            EmbedInput::Text(text) => write_string(text, out),
            EmbedInput::Tokens(tokens) => out.extend_from_slice(tokens.get().as_bytes()),
            EmbedInput::Parts(_) => {
                return Err(target.inexpressible("embeddings of anything but text"));
            }
        }
    }
    out.extend_from_slice(if ask.inputs.is_empty() { b"[]" } else { b"]" });
    if let Some(dimensions) = ask.dimensions {
        wish.number("dimensions", dimensions);
    }
    if ask.base64 {
        wish.string("encoding_format", "base64");
    }
    wish.string_if("user", target.user);
    wish.end();
    Ok(())
}

/// Reads vectors, and puts them in the order of their indexes.
pub(crate) fn read_embed(text: &str) -> Result<EmbedAnswer<'_>, Unusable> {
    Walker::new(text).value().map_err(Unusable::Malformed)?;
    let mut answer = EmbedAnswer::default();
    let mut vectors: Vec<(u64, &str)> = Vec::new();
    members(text, |name, value| match (name, value.kind) {
        ("id", _) => answer.id = value.string(text),
        ("usage", Kind::Object) => answer.usage = Usage::parse(value.raw(text)),
        ("data", Kind::Array) => elements(value.raw(text), |raw| {
            let mut index = vectors.len() as u64;
            let mut vector = None;
            members(raw, |name, value| match (name, value.kind) {
                ("index", Kind::Number) => index = value.whole(raw).unwrap_or(index),
                ("embedding", Kind::Array | Kind::Plain) => vector = Some(value.raw(raw)),
                _ => {}
            });
            vectors.extend(vector.map(|vector| (index, vector)));
        }),
        _ => {}
    });
    if vectors.is_empty() {
        return Err(Unusable::NoChoices);
    }
    vectors.sort_by_key(|(index, _)| *index);
    answer.vectors = vectors
        .into_iter()
        .map(|(_, vector)| Cow::Borrowed(vector))
        .collect();
    Ok(answer)
}
