//! The client APIs whose bodies this crate understands.
//!
//! The three share their envelope (`id`, `model`, `usage`), so they differ by a few names only, and those stand here.

/// An OpenAI-style API that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// `POST /chat/completions`.
    Chat,
    /// `POST /completions`, the text API before chat.
    Completions,
    /// `POST /embeddings`.
    Embeddings,
}

impl Api {
    /// All of them, for tables and tests.
    pub const ALL: [Api; 3] = [Api::Chat, Api::Completions, Api::Embeddings];

    /// The name in the journal, the metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Api::Chat => "chat",
            Api::Completions => "completions",
            Api::Embeddings => "embeddings",
        }
    }

    /// `object` of a plain answer.
    pub const fn object(self) -> &'static str {
        match self {
            Api::Chat => "chat.completion",
            Api::Completions => "text_completion",
            Api::Embeddings => "list",
        }
    }

    /// `object` of one chunk of a stream. Embeddings are not streamed; they have their plain name.
    pub const fn chunk_object(self) -> &'static str {
        match self {
            Api::Chat => "chat.completion.chunk",
            Api::Completions => "text_completion",
            Api::Embeddings => "list",
        }
    }

    /// Whether `stream` means anything. Embeddings ignore it, as OpenAI does.
    pub const fn streams(self) -> bool {
        !matches!(self, Api::Embeddings)
    }

    /// The member of a plain answer that holds the result.
    pub(crate) const fn result_key(self) -> &'static str {
        match self {
            Api::Chat | Api::Completions => "choices",
            Api::Embeddings => "data",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = Api::ALL.iter().map(|api| api.name()).collect();
        names.dedup();
        assert_eq!(names, ["chat", "completions", "embeddings"]);
    }

    #[test]
    fn only_embeddings_do_not_stream() {
        assert!(Api::Chat.streams() && Api::Completions.streams() && !Api::Embeddings.streams());
    }
}
