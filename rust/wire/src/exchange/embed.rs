//! Embeddings: the request and the answer.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Block;
use crate::api::Api;
use crate::usage::Usage;

/// A wish for embeddings.
#[derive(Debug, Clone, Default)]
pub struct EmbedAsk<'a> {
    /// What to embed, each to one vector.
    pub inputs: Vec<EmbedInput<'a>>,
    /// Wanted length of the vectors.
    pub dimensions: Option<u64>,
    /// Whether the client wants base64 instead of numbers.
    pub base64: bool,
    /// What the vectors are for (`search_query`, `search_document`, `classification`, `clustering` …).
    pub input_type: Option<Cow<'a, str>>,
    /// A title for the text (Gemini).
    pub title: Option<Cow<'a, str>>,
    /// The API that it was read from.
    pub api: Api,
}

/// One thing to embed.
#[derive(Debug, Clone)]
pub enum EmbedInput<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// Token ids, raw: `[1,2,3]`.
    Tokens(&'a RawValue),
    /// Several parts to one vector.
    Parts(Vec<Block<'a>>),
}

/// Vectors.
#[derive(Debug, Clone, Default)]
pub struct EmbedAnswer<'a> {
    /// In the order of the inputs. JSON text: an array of numbers, or a base64 string with its quotes.
    pub vectors: Vec<Cow<'a, str>>,
    /// Its id there.
    pub id: Option<Cow<'a, str>>,
    /// Tokens.
    pub usage: Option<Usage>,
}
