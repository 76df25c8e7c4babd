//! Vectors: batchEmbedContents and embedContent.

use std::borrow::Cow;

use crate::answer::Unusable;
use crate::api::Api;
use crate::dialect::Target;
use crate::dialect::gemini::part::{write_address, write_inline, write_text};
use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::dialect::gemini::usage;
use crate::exchange::{Block, EmbedAnswer, EmbedAsk, EmbedInput, Source};
use crate::json::{write_number, write_string};
use crate::refusal::Refusal;
use crate::usage::Usage;

/// What vectors are for, in the words of Cohere, which the middle shape speaks, and in Gemini's.
pub(crate) const TASKS: [(&str, &str); 8] = [
    ("search_query", "RETRIEVAL_QUERY"),
    ("search_document", "RETRIEVAL_DOCUMENT"),
    ("semantic_similarity", "SEMANTIC_SIMILARITY"),
    ("classification", "CLASSIFICATION"),
    ("clustering", "CLUSTERING"),
    ("question_answering", "QUESTION_ANSWERING"),
    ("fact_verification", "FACT_VERIFICATION"),
    ("code_retrieval_query", "CODE_RETRIEVAL_QUERY"),
];

/// Writes the body: one request of embedContent if that was asked for, else a batch.
pub(crate) fn write_embed(
    ask: &EmbedAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if ask.api == Api::GeminiEmbed
        && let [input] = ask.inputs.as_slice()
    {
        return request(input, ask, target, out);
    }
    out.extend_from_slice(b"{\"requests\":[");
    for (at, input) in ask.inputs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        request(input, ask, target, out)?;
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn request(
    input: &EmbedInput<'_>,
    ask: &EmbedAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    // Each request of a batch repeats the model of the path, as a resource's name.
    out.extend_from_slice(b"{\"model\":");
    match target.model.contains('/') {
        true => write_string(target.model, out),
        false => write_string(&format!("models/{}", target.model), out),
    }
    out.extend_from_slice(b",\"content\":{\"parts\":[");
    match input {
        EmbedInput::Text(text) => write_text(text, false, None, out),
        EmbedInput::Tokens(_) => return Err(target.inexpressible("input of token ids")),
        EmbedInput::Parts(blocks) => {
            for (at, block) in blocks.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                part(block, target, out)?;
            }
        }
    }
    out.extend_from_slice(b"]}");
    if let Some(kind) = &ask.input_type {
        let task = TASKS
            .iter()
            .find(|(ours, theirs)| ours == kind || theirs.eq_ignore_ascii_case(kind))
            .map(|(_, task)| *task);
        match task {
            Some(task) => {
                out.extend_from_slice(b",\"taskType\":");
                write_string(task, out);
            }
            None => target.cannot("input_type")?,
        }
    }
    if let Some(title) = &ask.title {
        out.extend_from_slice(b",\"title\":");
        write_string(title, out);
    }
    if let Some(dimensions) = ask.dimensions {
        out.extend_from_slice(b",\"outputDimensionality\":");
        write_number(dimensions, out);
    }
    out.push(b'}');
    Ok(())
}

fn part(block: &Block<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match block {
        Block::Text(text) => write_text(&text.text, false, None, out),
        Block::Image { source, .. } | Block::File { source, .. } | Block::Video { source } => {
            match source {
                Source::Data { media_type, base64 } => write_inline(media_type, base64, out),
                Source::Url(uri) | Source::Id(uri) => write_address("image/jpeg", uri, out),
            }
        }
        _ => return Err(target.inexpressible("input")),
    }
    Ok(())
}

/// Reads the vectors of either form.
pub(crate) fn read_embed(text: &str) -> Result<EmbedAnswer<'_>, Unusable> {
    let mut answer = EmbedAnswer::default();
    let mut counted: Option<Usage> = None;
    let mut typed = Typed::lenient(text);
    typed
        .object("answer", |typed, key| {
            match key {
                "embedding" => vector(typed, &mut answer.vectors)?,
                "embeddings" => {
                    typed.array("embeddings", |typed| vector(typed, &mut answer.vectors))?;
                }
                "usageMetadata" => counted = usage::read(typed)?.usage,
                _ => typed.skip()?,
            }
            Ok(())
        })
        .and_then(|_| typed.finish())
        .map_err(|wrong: Wrong| Unusable::Malformed(wrong.malformed()))?;
    if answer.vectors.is_empty() {
        return Err(Unusable::NoChoices);
    }
    answer.usage = counted;
    Ok(answer)
}

fn vector<'a>(typed: &mut Typed<'a>, vectors: &mut Vec<Cow<'a, str>>) -> Result<(), Wrong> {
    typed.object("embedding", |typed, key| {
        match key {
            "values" => vectors.extend(typed.raw_text()?.map(Cow::Borrowed)),
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    #[test]
    fn a_batch_repeats_the_model() {
        let ask = EmbedAsk {
            inputs: vec![EmbedInput::Text("a".into()), EmbedInput::Text("b".into())],
            dimensions: Some(8),
            input_type: Some("search_query".into()),
            ..EmbedAsk::default()
        };
        let mut out = Vec::new();
        write_embed(&ask, &Target::new(Dialect::Gemini, "m"), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":8},{"model":"models/m","content":{"parts":[{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":8}]}"#
        );
    }

    #[test]
    fn both_forms_of_answers_are_read() {
        let one = read_embed(
            r#"{"embedding":{"values":[1,0.5]},"usageMetadata":{"promptTokenCount":2}}"#,
        )
        .unwrap();
        assert_eq!(one.vectors, ["[1,0.5]"]);
        assert_eq!(one.usage.unwrap().prompt, 2);
        let two = read_embed(r#"{"embeddings":[{"values":[1]},{"values":[2]}]}"#).unwrap();
        assert_eq!(two.vectors, ["[1]", "[2]"]);
        assert_eq!(read_embed("{}").unwrap_err(), Unusable::NoChoices);
    }
}
