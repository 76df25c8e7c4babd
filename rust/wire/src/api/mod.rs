//! The client APIs whose bodies this crate understands.
//!
//! One file each: `read` (a request body becomes a wish in the middle shape), `write_answer` and a [`StreamWriter`] (the middle shape
//! becomes an answer), `write_refusal` (an error in the API's own form). Those of OpenAI's older family share their envelope (`id`,
//! `model`, `usage`) and differ by a few names only, which stand here.

use crate::answer::{Closing, Serving};
use crate::dialect::Dialect;
use crate::exchange::{Answer, Ask, EmbedAnswer, EmbedAsk, Event, RerankAnswer, RerankAsk};
use crate::refusal::Refusal;

pub mod chat;
pub mod completions;
pub mod embeddings;
pub mod gemini;
pub mod messages;
pub mod rerank;
pub mod responses;

/// An API that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Api {
    /// `POST /chat/completions`.
    #[default]
    Chat,
    /// `POST /completions`, the text API before chat.
    Completions,
    /// `POST /embeddings`.
    Embeddings,
    /// `POST /responses`.
    Responses,
    /// Anthropic's `POST /messages`.
    Messages,
    /// Anthropic's `POST /messages/count_tokens`.
    MessagesCount,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    Gemini,
    /// Gemini's `countTokens`.
    GeminiCount,
    /// Gemini's `embedContent`.
    GeminiEmbed,
    /// Gemini's `batchEmbedContents`.
    GeminiEmbedBatch,
    /// `POST /rerank`.
    Rerank,
    /// `POST /images/generations`, and `/images`.
    Images,
    /// `POST /images/edits`.
    ImageEdits,
    /// `POST /audio/speech`.
    Speech,
    /// `POST /audio/transcriptions`.
    Transcriptions,
    /// `POST /audio/translations`.
    Translations,
    /// `POST /moderations`.
    Moderations,
}

/// What a request wants to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Text and what comes with it.
    Generate,
    /// Vectors.
    Embed,
    /// A ranking.
    Rerank,
    /// A number of tokens.
    CountTokens,
    /// Images, made or painted over.
    Image,
    /// Speech from text.
    Speak,
    /// Text from speech.
    Transcribe,
    /// A judgement of content.
    Moderate,
}

impl Task {
    /// Whether only the provider understands its words; see [`crate::opaque`].
    pub const fn is_opaque(self) -> bool {
        matches!(
            self,
            Task::Image | Task::Speak | Task::Transcribe | Task::Moderate
        )
    }

    /// Whether it may be asked for again when nobody knows whether it was done: not what is made and paid for by the piece.
    pub const fn is_repeatable(self) -> bool {
        !matches!(self, Task::Image | Task::Speak | Task::Transcribe)
    }
}

/// Whose form errors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// OpenAI's and OpenRouter's.
    OpenAi,
    /// OpenRouter's for the responses API.
    Responses,
    /// Anthropic's.
    Anthropic,
    /// Google's.
    Gemini,
}

impl Api {
    /// All of them, for tables and tests.
    pub const ALL: [Api; 17] = [
        Api::Chat,
        Api::Completions,
        Api::Embeddings,
        Api::Responses,
        Api::Messages,
        Api::MessagesCount,
        Api::Gemini,
        Api::GeminiCount,
        Api::GeminiEmbed,
        Api::GeminiEmbedBatch,
        Api::Rerank,
        Api::Images,
        Api::ImageEdits,
        Api::Speech,
        Api::Transcriptions,
        Api::Translations,
        Api::Moderations,
    ];

    /// The name in the journal, the metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Api::Chat => "chat",
            Api::Completions => "completions",
            Api::Embeddings => "embeddings",
            Api::Responses => "responses",
            Api::Messages => "messages",
            Api::MessagesCount => "messages_count",
            Api::Gemini => "gemini",
            Api::GeminiCount => "gemini_count",
            Api::GeminiEmbed => "gemini_embed",
            Api::GeminiEmbedBatch => "gemini_embed_batch",
            Api::Rerank => "rerank",
            Api::Images => "images",
            Api::ImageEdits => "image_edits",
            Api::Speech => "speech",
            Api::Transcriptions => "transcriptions",
            Api::Translations => "translations",
            Api::Moderations => "moderations",
        }
    }

    /// What it wants to be done.
    pub const fn task(self) -> Task {
        match self {
            Api::Chat | Api::Completions | Api::Responses | Api::Messages | Api::Gemini => {
                Task::Generate
            }
            Api::Embeddings | Api::GeminiEmbed | Api::GeminiEmbedBatch => Task::Embed,
            Api::Rerank => Task::Rerank,
            Api::MessagesCount | Api::GeminiCount => Task::CountTokens,
            Api::Images | Api::ImageEdits => Task::Image,
            Api::Speech => Task::Speak,
            Api::Transcriptions | Api::Translations => Task::Transcribe,
            Api::Moderations => Task::Moderate,
        }
    }

    /// The dialect with the same words, into which a body passes without translation.
    pub const fn home(self) -> Dialect {
        match self {
            Api::Chat
            | Api::Completions
            | Api::Embeddings
            | Api::Images
            | Api::ImageEdits
            | Api::Speech
            | Api::Transcriptions
            | Api::Translations
            | Api::Moderations => Dialect::OpenAi,
            Api::Responses => Dialect::Responses,
            Api::Messages | Api::MessagesCount => Dialect::Anthropic,
            Api::Gemini | Api::GeminiCount | Api::GeminiEmbed | Api::GeminiEmbedBatch => {
                Dialect::Gemini
            }
            Api::Rerank => Dialect::Cohere,
        }
    }

    /// Whose form its errors have.
    pub const fn family(self) -> Family {
        match self {
            Api::Chat
            | Api::Completions
            | Api::Embeddings
            | Api::Rerank
            | Api::Images
            | Api::ImageEdits
            | Api::Speech
            | Api::Transcriptions
            | Api::Translations
            | Api::Moderations => Family::OpenAi,
            Api::Responses => Family::Responses,
            Api::Messages | Api::MessagesCount => Family::Anthropic,
            Api::Gemini | Api::GeminiCount | Api::GeminiEmbed | Api::GeminiEmbedBatch => {
                Family::Gemini
            }
        }
    }

    /// Whether the model stands in the path and not in the body.
    pub const fn model_in_path(self) -> bool {
        matches!(self.family(), Family::Gemini)
    }

    /// `object` of a plain answer in OpenAI's older family.
    pub const fn object(self) -> &'static str {
        match self {
            Api::Completions => "text_completion",
            Api::Embeddings => "list",
            _ => "chat.completion",
        }
    }

    /// `object` of one chunk of a stream there. Embeddings are not streamed; they have their plain name.
    pub const fn chunk_object(self) -> &'static str {
        match self {
            Api::Completions => "text_completion",
            Api::Embeddings => "list",
            _ => "chat.completion.chunk",
        }
    }

    /// Whether `stream` means anything. Embeddings ignore it, as OpenAI does.
    pub const fn streams(self) -> bool {
        matches!(self.task(), Task::Generate)
    }

    /// The member of a plain answer that holds the result, in OpenAI's older family.
    pub(crate) const fn result_key(self) -> &'static str {
        match self {
            Api::Embeddings => "data",
            _ => "choices",
        }
    }
}

/// Writes one stream of an API.
pub(crate) trait StreamWriter: std::fmt::Debug + Send {
    /// Appends what one step of the provider means to the client; possibly nothing yet.
    fn event(&mut self, event: &Event<'_>, serving: &Serving<'_>, out: &mut Vec<u8>);

    /// Ends the stream well. Every block has been closed.
    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>);

    /// Ends the stream badly, with the API's own error event. Blocks may be open, and nothing may have been written before.
    fn interrupted(
        &mut self,
        refusal: &Refusal,
        closing: &Closing<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    );

    /// Bytes that are held between two steps.
    fn held_bytes(&self) -> usize;
}

/// Reads a wish for a generation. `stream` is for APIs that say it in the path.
pub(crate) fn read(api: Api, text: &str, stream: bool) -> Result<Ask<'_>, Refusal> {
    let mut ask = match api {
        Api::Completions => completions::read(text)?,
        Api::Responses => responses::read(text)?,
        Api::Messages => messages::read(text)?,
        Api::Gemini => gemini::read(text)?,
        _ => chat::read(text)?,
    };
    ask.api = api;
    ask.stream = stream;
    Ok(ask)
}

/// Writes a whole answer.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    match serving.api {
        Api::Completions => completions::write_answer(answer, closing, serving, out),
        Api::Responses => responses::write_answer(answer, closing, serving, out),
        Api::Messages => messages::write_answer(answer, closing, serving, out),
        Api::Gemini => gemini::write_answer(answer, closing, serving, out),
        _ => chat::write_answer(answer, closing, serving, out),
    }
}

/// A writer for one stream.
pub(crate) fn writer(serving: &Serving<'_>) -> Box<dyn StreamWriter> {
    match serving.api {
        Api::Completions => Box::new(completions::Writer::new(serving)),
        Api::Responses => Box::new(responses::Writer::new(serving)),
        Api::Messages => Box::new(messages::Writer::new(serving)),
        Api::Gemini => Box::new(gemini::Writer::new(serving)),
        _ => Box::new(chat::Writer::new(serving)),
    }
}

/// Reads a wish for embeddings.
pub(crate) fn read_embed(api: Api, text: &str) -> Result<EmbedAsk<'_>, Refusal> {
    let mut ask = match api {
        Api::GeminiEmbed | Api::GeminiEmbedBatch => gemini::read_embed(api, text)?,
        _ => embeddings::read(text)?,
    };
    ask.api = api;
    Ok(ask)
}

/// Writes vectors.
pub(crate) fn write_embed(
    answer: &EmbedAnswer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    match serving.api {
        Api::GeminiEmbed | Api::GeminiEmbedBatch => {
            gemini::write_embed(answer, closing, serving, out);
        }
        _ => embeddings::write(answer, closing, serving, out),
    }
}

/// Reads a wish for ranking.
pub(crate) fn read_rerank(text: &str) -> Result<RerankAsk<'_>, Refusal> {
    rerank::read(text)
}

/// Writes a ranking.
pub(crate) fn write_rerank(
    answer: &RerankAnswer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    rerank::write(answer, closing, serving, out);
}

/// Appends an error body in the form of a family. `id`: the generation's, empty when there is none yet.
pub fn write_refusal(family: Family, refusal: &Refusal, id: &str, out: &mut Vec<u8>) {
    match family {
        Family::OpenAi => refusal.write_json(out),
        Family::Responses => responses::write_refusal(refusal, id, out),
        Family::Anthropic => messages::write_refusal(refusal, id, out),
        Family::Gemini => gemini::write_refusal(refusal, id, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = Api::ALL.iter().map(|api| api.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Api::ALL.len());
    }

    #[test]
    fn only_generations_stream() {
        for api in Api::ALL {
            assert_eq!(api.streams(), api.task() == Task::Generate);
        }
    }

    #[test]
    fn an_api_can_be_served_at_home() {
        for api in Api::ALL {
            assert!(api.home().operation(api, false).is_some(), "{}", api.name());
        }
    }
}
