//! Passing on: answers of a provider that speaks the client's own protocol.
//!
//! Bytes stay as they are but for the members that the gateway speaks for: ids, the model's name, the provider, the cost. One file per
//! protocol; OpenAI's older family, the hot path, has its own editors in [`crate::answer`] and [`crate::stream`].

use crate::answer::{Closing, Facts, Serving, Unusable};
use crate::api::{Api, Task};
use crate::cost::Cost;
use crate::dialect::Dialect;
use crate::json::{Kind, Walker};
use crate::refusal::Refusal;
use crate::sse::Frame;
use crate::stream::{Notes, StreamFault};
use crate::usage::{Usage, UsageSource};

pub(crate) mod gemini;
pub(crate) mod messages;
pub(crate) mod rerank;
pub(crate) mod responses;

/// Edits one stream, frame by frame.
pub(crate) trait FrameEditor: std::fmt::Debug + Send {
    /// Appends the frame, edited, or holds it back; writes down what it tells.
    fn frame(
        &mut self,
        frame: Frame<'_>,
        notes: &mut Notes,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault>;

    /// Ends the stream well: appends what was held back, and what the provider left out.
    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>);

    /// Ends the stream badly, with the API's own error event.
    fn interrupted(
        &mut self,
        refusal: &Refusal,
        closing: &Closing<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    );

    /// Bytes that are held between two frames.
    fn held_bytes(&self) -> usize;
}

/// Appends a plain answer, edited. On an error `out` may hold a beginning, which the caller cuts off.
pub(crate) fn answer(
    text: &str,
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    if serving.api.task() == Task::CountTokens {
        return count(text, serving, out);
    }
    match serving.dialect {
        Dialect::Responses => responses::answer(text, serving, input_bytes, out),
        Dialect::Anthropic => messages::answer(text, serving, input_bytes, out),
        Dialect::Gemini => gemini::answer(text, serving, input_bytes, out),
        _ => rerank::answer(text, serving, input_bytes, out),
    }
}

/// Appends an answer that is a number of tokens: nothing in it is the gateway's to say, and nothing was generated.
fn count(text: &str, serving: &Serving<'_>, out: &mut Vec<u8>) -> Result<Facts, Unusable> {
    let mut walker = Walker::new(text);
    let value = walker.value().map_err(Unusable::Malformed)?;
    walker.finish().map_err(Unusable::Malformed)?;
    let member = match serving.api {
        Api::GeminiCount => "\"totalTokens\"",
        _ => "\"input_tokens\"",
    };
    if value.kind != Kind::Object || !text.contains(member) {
        return Err(Unusable::NoChoices);
    }
    out.extend_from_slice(text.as_bytes());
    Ok(Facts {
        usage: Usage::default(),
        usage_source: UsageSource::None,
        cost: Cost::default(),
        finish: None,
        native_finish: None,
        upstream_id: None,
    })
}

/// An editor for one stream. Only generations stream, so there are three.
pub(crate) fn editor(serving: &Serving<'_>) -> Box<dyn FrameEditor> {
    match serving.dialect {
        Dialect::Responses => Box::new(responses::Editor::default()),
        Dialect::Gemini => Box::new(gemini::Editor::new(serving)),
        _ => Box::new(messages::Editor::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_passes_as_it_is_and_books_nothing() {
        for (api, body) in [
            (Api::MessagesCount, "{ \"input_tokens\": 7 }"),
            (Api::GeminiCount, "{\"totalTokens\":7,\"x\":[]}"),
        ] {
            let serving = Serving::example(api);
            let mut out = Vec::new();
            let facts = answer(body, &serving, 100, &mut out).unwrap();
            assert_eq!(out, body.as_bytes());
            assert_eq!(facts.usage_source, UsageSource::None);
            assert!(answer("{\"error\":1}", &serving, 100, &mut out).is_err());
        }
    }
}
