//! embedContent and batchEmbedContents, as clients ask and are answered.

use std::borrow::Cow;

use crate::answer::{Closing, Serving};
use crate::api::Api;
use crate::api::gemini::signature::decode;
use crate::dialect::gemini::embed::TASKS;
use crate::dialect::gemini::part;
use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::exchange::{Block, EmbedAnswer, EmbedAsk, EmbedInput, Text};
use crate::json::write_number;
use crate::refusal::{Kind, Refusal};

/// Reads a body of either form.
pub(crate) fn read_embed(api: Api, text: &str) -> Result<EmbedAsk<'_>, Refusal> {
    let mut ask = EmbedAsk::default();
    let mut read = Read {
        ask: &mut ask,
        differs: None,
    };
    let mut typed = Typed::strict(text);
    let done = match api {
        Api::GeminiEmbed => read.request(&mut typed),
        _ => typed
            .object("request", |typed, key| {
                match key {
                    "requests" => {
                        typed.array("requests", |typed| read.request(typed))?;
                    }
                    _ => typed.skip()?,
                }
                Ok(())
            })
            .map(|_| ()),
    };
    done.and_then(|()| typed.finish())
        .map_err(|wrong| wrong.refusal(text))?;
    let refused = |message: String| Err(Refusal::new(Kind::InvalidRequest).with_message(message));
    if let Some(member) = read.differs {
        return refused(format!(
            "`requests[].{member}` must be the same in all requests of a batch at an endpoint that does not speak Gemini's protocol; send them in batches of their own"
        ));
    }
    if ask.inputs.is_empty() {
        return refused(match api {
            Api::GeminiEmbed => "`content` must hold at least one part; seen: none".to_owned(),
            _ => "`requests` must hold at least one request; seen: none".to_owned(),
        });
    }
    Ok(ask)
}

struct Read<'r, 'a> {
    ask: &'r mut EmbedAsk<'a>,
    /// A member in which two requests of a batch differ.
    differs: Option<&'static str>,
}

impl<'a> Read<'_, 'a> {
    fn request(&mut self, typed: &mut Typed<'a>) -> Result<(), Wrong> {
        let mut blocks = Vec::new();
        let (mut task, mut title, mut dimensions) = (None, None, None);
        typed.object("requests[]", |typed, key| {
            match key {
                "content" => {
                    typed.object("content", |typed, key| {
                        match key {
                            "parts" => {
                                typed.array("content.parts", |typed| {
                                    blocks.extend(part::read(typed)?.and_then(block));
                                    Ok(())
                                })?;
                            }
                            _ => typed.skip()?,
                        }
                        Ok(())
                    })?;
                }
                "taskType" | "task_type" => task = typed.string("taskType")?,
                "title" => title = typed.string("title")?,
                "outputDimensionality" | "output_dimensionality" => {
                    dimensions = typed.whole("outputDimensionality")?;
                }
                _ => typed.skip()?,
            }
            Ok(())
        })?;
        if blocks.is_empty() {
            return Ok(());
        }
        let task = task
            .filter(|task| task != "TASK_TYPE_UNSPECIFIED")
            .map(of_task);
        let first = self.ask.inputs.is_empty();
        if first {
            self.ask.input_type = task;
            self.ask.title = title;
            self.ask.dimensions = dimensions;
        } else if self.ask.input_type != task {
            self.differs = Some("taskType");
        } else if self.ask.dimensions != dimensions {
            self.differs = Some("outputDimensionality");
        }
        let input = match blocks.as_slice() {
            [Block::Text(_)] => match blocks.pop() {
                Some(Block::Text(text)) => EmbedInput::Text(text.text),
                _ => return Ok(()),
            },
            _ => EmbedInput::Parts(blocks),
        };
        self.ask.inputs.push(input);
        Ok(())
    }
}

fn block(part: part::Part<'_>) -> Option<Block<'_>> {
    match (part.medium, part.text) {
        (Some(medium), _) => Some(medium.block()),
        (None, Some(text)) => Some(Block::Text(Text {
            text,
            ..Text::default()
        })),
        (None, None) => None,
    }
}

fn of_task(task: Cow<'_, str>) -> Cow<'_, str> {
    TASKS
        .iter()
        .find(|(_, theirs)| theirs.eq_ignore_ascii_case(&task))
        .map_or_else(
            || Cow::Owned(task.to_ascii_lowercase()),
            |(ours, _)| Cow::Borrowed(*ours),
        )
}

/// Appends the vectors.
pub(crate) fn write_embed(
    answer: &EmbedAnswer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    match serving.api {
        Api::GeminiEmbed => {
            out.extend_from_slice(b"{\"embedding\":{\"values\":");
            write_vector(answer.vectors.first().map_or("[]", |first| first), out);
            out.push(b'}');
        }
        _ => {
            out.extend_from_slice(b"{\"embeddings\":[");
            for (at, vector) in answer.vectors.iter().enumerate() {
                out.extend_from_slice(match at {
                    0 => b"{\"values\":".as_slice(),
                    _ => b",{\"values\":",
                });
                write_vector(vector, out);
                out.push(b'}');
            }
            out.push(b']');
        }
    }
    out.extend_from_slice(b",\"usageMetadata\":{\"promptTokenCount\":");
    write_number(closing.usage.prompt, out);
    out.extend_from_slice(b"}}");
}

/// Numbers stay in their digits; base64 holds little-endian floats of 32 bits.
fn write_vector(vector: &str, out: &mut Vec<u8>) {
    let Some(base64) = vector
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        out.extend_from_slice(vector.as_bytes());
        return;
    };
    out.push(b'[');
    let bytes = decode(base64).unwrap_or_default();
    let (floats, _) = bytes.as_chunks::<4>();
    for (at, float) in floats.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let float = f32::from_le_bytes(*float);
        // JSON has no word for what is no number.
        let text = if float.is_finite() {
            float.to_string()
        } else {
            "0".to_owned()
        };
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let ask = read_embed(
            Api::GeminiEmbed,
            r#"{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":8}"#,
        )
        .unwrap();
        assert!(matches!(ask.inputs.as_slice(), [EmbedInput::Text(text)] if text == "a"));
        assert_eq!(ask.input_type.as_deref(), Some("search_query"));
        assert_eq!(ask.dimensions, Some(8));
        let ask = read_embed(
            Api::GeminiEmbedBatch,
            r#"{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"},{"inlineData":{"mimeType":"image/png","data":"AA"}}]}}]}"#,
        )
        .unwrap();
        assert_eq!(ask.inputs.len(), 2);
        assert!(matches!(&ask.inputs[1], EmbedInput::Parts(parts) if parts.len() == 2));
    }

    #[test]
    fn a_batch_that_cannot_be_one_request_elsewhere_is_refused() {
        for (body, word) in [
            (
                r#"{"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"},{"content":{"parts":[{"text":"b"}]}}]}"#,
                "taskType",
            ),
            (r#"{"requests":[]}"#, "requests"),
            (r#"{"requests":5}"#, "an array"),
        ] {
            let refusal = read_embed(Api::GeminiEmbedBatch, body).unwrap_err();
            assert!(refusal.message.contains(word), "{}", refusal.message);
        }
    }

    #[test]
    fn base64_becomes_numbers() {
        let mut out = Vec::new();
        write_vector("\"AACAPwAAAL8=\"", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "[1,-0.5]");
    }
}
