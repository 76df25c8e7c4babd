//! Ranking: the request and the answer.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::usage::Usage;

/// A wish for ranking.
#[derive(Debug, Clone, Default)]
pub struct RerankAsk<'a> {
    /// What the documents are compared with.
    pub query: Cow<'a, str>,
    /// The documents, raw: strings or objects.
    pub documents: Vec<&'a RawValue>,
    /// How many to give back.
    pub top_n: Option<u64>,
    /// Members that the reader does not know.
    pub extra: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// A ranking.
#[derive(Debug, Clone, Default)]
pub struct RerankAnswer<'a> {
    /// Index of the document and its score in the provider's digits, best first.
    pub results: Vec<(u64, Cow<'a, str>)>,
    /// Its id there.
    pub id: Option<Cow<'a, str>>,
    /// Tokens, or search units in the provider's own member.
    pub usage: Option<Usage>,
}
