//! Embeddings by InvokeModel, whose body is the model maker's own: Titan, Nova and Cohere, told apart by the model's name.

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

/// Writes a request.
pub(crate) fn write_embed(
    ask: &EmbedAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let texts = texts(ask, target)?;
    if target.model.contains("cohere") {
        out.push(b'{');
        key("texts", out);
        out.push(b'[');
        for text in texts {
            comma(out);
            write_string(text, out);
        }
        out.push(b']');
        let input_type = ask.input_type.as_deref().unwrap_or("search_document");
        string_member("input_type", input_type, out);
        raw_member("embedding_types", "[\"float\"]", out);
        if let Some(dimensions) = ask.dimensions {
            number_member("output_dimension", dimensions, out);
        }
        out.push(b'}');
        return Ok(());
    }
    // The others embed one text a request.
    let [text] = texts.as_slice() else {
        return Err(target.inexpressible("input: several texts"));
    };
    out.push(b'{');
    if target.model.contains("nova") {
        string_member("taskType", "SINGLE_EMBEDDING", out);
        key("singleEmbeddingParams", out);
        out.push(b'{');
        let purpose = match ask.input_type.as_deref() {
            Some("search_query") => "TEXT_RETRIEVAL",
            Some("classification") => "CLASSIFICATION",
            Some("clustering") => "CLUSTERING",
            _ => "GENERIC_INDEX",
        };
        string_member("embeddingPurpose", purpose, out);
        if let Some(dimensions) = ask.dimensions {
            number_member("embeddingDimension", dimensions, out);
        }
        key("text", out);
        out.push(b'{');
        string_member("truncationMode", "NONE", out);
        string_member("value", text, out);
        out.extend_from_slice(b"}}}");
        return Ok(());
    }
    string_member("inputText", text, out);
    if let Some(dimensions) = ask.dimensions {
        number_member("dimensions", dimensions, out);
    }
    out.push(b'}');
    Ok(())
}

fn texts<'a>(ask: &'a EmbedAsk<'_>, target: &Target<'_>) -> Result<Vec<&'a str>, Refusal> {
    ask.inputs
        .iter()
        .map(|input| match input {
            EmbedInput::Text(text) => Ok(text.as_ref()),
            EmbedInput::Tokens(_) => Err(target.inexpressible("input: tokens")),
            EmbedInput::Parts(_) => Err(target.inexpressible("input: anything but text")),
        })
        .collect()
}

/// The answers of all three, of which each has a part.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Vectors<'a> {
    /// Titan's.
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
    input_text_token_count: Option<u64>,
    /// Cohere's, a list of vectors or one by type; Nova's, a list of objects.
    #[serde(borrow)]
    embeddings: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
struct Typed<'a> {
    #[serde(borrow)]
    float: Vec<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
}

/// Reads vectors.
pub(crate) fn read_embed(text: &str) -> Result<EmbedAnswer<'_>, Unusable> {
    let read: Vectors<'_> = serde_json::from_str(text).map_err(|error| {
        Unusable::Malformed(Malformed {
            offset: error.column().saturating_sub(1),
            why: "expected an object with embeddings",
        })
    })?;
    let raws: Vec<&RawValue> = match (read.embedding, read.embeddings) {
        (Some(vector), _) => vec![vector],
        (None, Some(list)) => lists(list.get()).ok_or(Unusable::NoChoices)?,
        (None, None) => return Err(Unusable::NoChoices),
    };
    if raws.is_empty() {
        return Err(Unusable::NoChoices);
    }
    Ok(EmbedAnswer {
        vectors: raws.iter().map(|raw| Cow::Borrowed(raw.get())).collect(),
        id: read.id,
        usage: read.input_text_token_count.map(|prompt| Usage {
            prompt,
            total: prompt,
            ..Usage::default()
        }),
    })
}

/// Which form it is, is told by its first bytes: a struct would be read from an array as well.
fn lists(text: &str) -> Option<Vec<&RawValue>> {
    if text.starts_with('{') {
        let typed: Typed<'_> = serde_json::from_str(text).ok()?;
        return Some(typed.float);
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    elements
        .into_iter()
        .map(|element| match element.get().starts_with('{') {
            true => serde_json::from_str::<One<'_>>(element.get())
                .ok()
                .map(|one| one.embedding),
            false => Some(element),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    fn ask(texts: &[&'static str]) -> EmbedAsk<'static> {
        EmbedAsk {
            inputs: texts
                .iter()
                .map(|text| EmbedInput::Text(Cow::Borrowed(*text)))
                .collect(),
            dimensions: Some(256),
            ..EmbedAsk::default()
        }
    }

    fn written(model: &str, texts: &[&'static str]) -> Result<String, Refusal> {
        let mut out = Vec::new();
        write_embed(&ask(texts), &Target::new(Dialect::Bedrock, model), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_maker_has_its_words() {
        assert_eq!(
            written("amazon.titan-embed-text-v2:0", &["a"]).unwrap(),
            r#"{"inputText":"a","dimensions":256}"#
        );
        assert_eq!(
            written("cohere.embed-v4:0", &["a", "b"]).unwrap(),
            r#"{"texts":["a","b"],"input_type":"search_document","embedding_types":["float"],"output_dimension":256}"#
        );
        assert!(
            written("amazon.nova-2-embed", &["a"])
                .unwrap()
                .contains("SINGLE_EMBEDDING")
        );
        assert!(written("amazon.titan-embed-text-v2:0", &["a", "b"]).is_err());
    }

    #[test]
    fn every_form_of_answer_is_read() {
        for text in [
            r#"{"embedding":[1,2],"inputTextTokenCount":3}"#,
            r#"{"embeddings":[[1,2]],"response_type":"x"}"#,
            r#"{"embeddings":{"float":[[1,2]]}}"#,
            r#"{"embeddings":[{"embeddingType":"TEXT","embedding":[1,2]}]}"#,
        ] {
            assert_eq!(read_embed(text).unwrap().vectors, ["[1,2]"], "{text}");
        }
        assert!(read_embed(r#"{"embeddings":[]}"#).is_err());
        assert!(read_embed("{}").is_err());
    }
}
