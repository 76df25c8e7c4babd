//! What a turn of a conversation, or an answer, is made of.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{write_string, write_string_inside};

/// A piece of content, in a request or an answer.
#[derive(Debug, Clone)]
pub enum Block<'a> {
    /// Text.
    Text(Text<'a>),
    /// An image.
    Image {
        /// Where it is.
        source: Source<'a>,
        /// OpenAI's `detail`.
        detail: Option<Cow<'a, str>>,
        /// A cache breakpoint after it.
        cache: Option<CacheMark<'a>>,
    },
    /// A document, nearly always a PDF.
    File {
        /// Where it is.
        source: Source<'a>,
        /// Its name.
        name: Option<Cow<'a, str>>,
        /// A cache breakpoint after it.
        cache: Option<CacheMark<'a>>,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: Cow<'a, str>,
        /// `wav`, `mp3` …
        format: Cow<'a, str>,
        /// What is said in it, in answers.
        transcript: Option<Cow<'a, str>>,
        /// OpenAI's id of a spoken answer, which a later request may name.
        id: Option<Cow<'a, str>>,
    },
    /// A film.
    Video {
        /// Where it is.
        source: Source<'a>,
    },
    /// A thought of the model.
    Thought(Thought<'a>),
    /// The model wants a tool to be called.
    ToolCall(ToolCall<'a>),
    /// What a tool gave.
    ToolResult(ToolResult<'a>),
    /// The model's sentence of refusal (OpenAI's `refusal`).
    Refusal(Cow<'a, str>),
    /// A block that only the protocol it was read from knows (a server tool's result for instance), raw. Dialects of another family
    /// leave it out.
    Foreign(&'a RawValue),
}

/// Text, and what is attached to it.
#[derive(Debug, Clone, Default)]
pub struct Text<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// A cache breakpoint after it.
    pub cache: Option<CacheMark<'a>>,
    /// Sources that it names.
    pub citations: Vec<Citation<'a>>,
    /// A signature that must travel with it (Gemini's `thoughtSignature` on text).
    pub signature: Option<Cow<'a, str>>,
}

/// A source of a text, OpenRouter's `url_citation` (openrouter.md §4.5).
#[derive(Debug, Clone, Default)]
pub struct Citation<'a> {
    /// Address; empty for a document of the request.
    pub url: Cow<'a, str>,
    /// Title.
    pub title: Option<Cow<'a, str>>,
    /// The cited passage.
    pub content: Option<Cow<'a, str>>,
    /// Character range of the text that it supports.
    pub start_index: Option<u64>,
    /// End of that range, exclusive.
    pub end_index: Option<u64>,
    /// The vendor's own object, for a reader of the same family.
    pub raw: Option<&'a RawValue>,
}

/// Where a medium is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// An address that the provider fetches.
    Url(Cow<'a, str>),
    /// The bytes.
    Data {
        /// `image/png`, `application/pdf` …
        media_type: Cow<'a, str>,
        /// In base64.
        base64: Cow<'a, str>,
    },
    /// A file that the provider keeps.
    Id(Cow<'a, str>),
}

impl<'a> Source<'a> {
    /// Reads an address, which may be a data URL. A data URL that is not base64 is left an address.
    pub fn of_url(url: Cow<'a, str>) -> Source<'a> {
        match data_url(&url) {
            None => Source::Url(url),
            Some((media_type, at)) => {
                let (media_type, base64) = match &url {
                    Cow::Borrowed(text) => (
                        Cow::Borrowed(text.get(media_type).unwrap_or_default()),
                        Cow::Borrowed(text.get(at..).unwrap_or_default()),
                    ),
                    Cow::Owned(text) => (
                        Cow::Owned(text.get(media_type).unwrap_or_default().to_owned()),
                        Cow::Owned(text.get(at..).unwrap_or_default().to_owned()),
                    ),
                };
                Source::Data { media_type, base64 }
            }
        }
    }
}

impl Source<'_> {
    /// Appends the address as a JSON string; data become a data URL. The id of a file is written as it is.
    pub(crate) fn write_url(&self, out: &mut Vec<u8>) {
        match self {
            Source::Url(text) | Source::Id(text) => write_string(text, out),
            Source::Data { media_type, base64 } => {
                out.extend_from_slice(b"\"data:");
                write_string_inside(media_type, out);
                out.extend_from_slice(b";base64,");
                write_string_inside(base64, out);
                out.push(b'"');
            }
        }
    }
}

/// Where the media type of a base64 data URL stands, and where its data begins.
fn data_url(url: &str) -> Option<(std::ops::Range<usize>, usize)> {
    let rest = url.strip_prefix("data:")?;
    let comma = rest.find(',')?;
    let head = rest.get(..comma)?.strip_suffix(";base64")?;
    let media_type = head.split(';').next().unwrap_or_default();
    Some((5..5 + media_type.len(), 5 + comma + 1))
}

/// A cache breakpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheMark<'a> {
    /// `5m`, `1h`; `None`: the provider's usual.
    pub ttl: Option<Cow<'a, str>>,
}

/// A thought: OpenRouter's `reasoning_details` entry (openrouter.md §4.4).
#[derive(Debug, Clone, Default)]
pub struct Thought<'a> {
    /// What `text` is.
    pub kind: ThoughtKind,
    /// The text, the summary, or the encrypted data.
    pub text: Cow<'a, str>,
    /// Proof of origin; must come back unchanged.
    pub signature: Option<Cow<'a, str>>,
    /// The provider's id of it.
    pub id: Option<Cow<'a, str>>,
    /// Whose it is: one of [`format`]. Empty: unknown. A dialect replays only thoughts in its own format.
    pub format: Cow<'a, str>,
}

/// What the text of a thought is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ThoughtKind {
    /// The thought itself.
    #[default]
    Text,
    /// A summary of it.
    Summary,
    /// Data that only the provider can read.
    Encrypted,
}

/// Names of thought formats, as OpenRouter writes them.
pub mod format {
    /// Anthropic's thinking blocks.
    pub const ANTHROPIC: &str = "anthropic-claude-v1";
    /// OpenAI's Responses items.
    pub const RESPONSES: &str = "openai-responses-v1";
    /// Gemini's thought parts and signatures.
    pub const GEMINI: &str = "google-gemini-v1";
    /// Plain text beside the content, as open models give it.
    pub const UNKNOWN: &str = "unknown";
}

/// A call of a tool.
#[derive(Debug, Clone, Default)]
pub struct ToolCall<'a> {
    /// Ties the result to the call.
    pub id: Cow<'a, str>,
    /// The tool.
    pub name: Cow<'a, str>,
    /// JSON text of the arguments as the model wrote it, possibly empty or broken; plain text for a custom tool.
    pub arguments: Cow<'a, str>,
    /// OpenAI's custom tools take text, not JSON.
    pub custom: bool,
    /// The namespace that the tool stands in (Codex).
    pub namespace: Option<Cow<'a, str>>,
    /// A signature that must travel with it (Gemini).
    pub signature: Option<Cow<'a, str>>,
    /// A cache breakpoint after it.
    pub cache: Option<CacheMark<'a>>,
}

/// The result of a tool.
#[derive(Debug, Clone, Default)]
pub struct ToolResult<'a> {
    /// The call.
    pub call_id: Cow<'a, str>,
    /// The tool, where the protocol says it. Readers fill it in from the call where it does not.
    pub name: Option<Cow<'a, str>>,
    /// Text, images, files.
    pub blocks: Vec<Block<'a>>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// The call was of a custom tool.
    pub custom: bool,
    /// A cache breakpoint after it.
    pub cache: Option<CacheMark<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_taken_apart() {
        let source = Source::of_url(Cow::Borrowed("data:image/png;base64,AAAA"));
        assert_eq!(
            source,
            Source::Data {
                media_type: Cow::Borrowed("image/png"),
                base64: Cow::Borrowed("AAAA")
            }
        );
        for plain in [
            "https://a/b.png",
            "data:text/plain,hello",
            "data:",
            "data:;base64",
        ] {
            assert_eq!(
                Source::of_url(Cow::Borrowed(plain)),
                Source::Url(Cow::Borrowed(plain))
            );
        }
    }
}
