//! Why a generation ended: the many words of providers, mapped to the five that clients know.
//!
//! The provider's own word always travels beside the mapped one, as `native_finish_reason`, so nothing is lost here.

use std::borrow::Cow;

/// The normalised reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finish {
    /// The model was done, or met a stop sequence. Also what an unknown word becomes: it ended, and nothing says badly.
    Stop,
    /// A limit of tokens or of the context was met.
    Length,
    /// The model asks for tools to be called.
    ToolCalls,
    /// A filter of the provider held the text back.
    ContentFilter,
    /// The provider failed while generating.
    Error,
}

impl Finish {
    /// All of them.
    pub const ALL: [Finish; 5] = [
        Finish::Stop,
        Finish::Length,
        Finish::ToolCalls,
        Finish::ContentFilter,
        Finish::Error,
    ];

    /// The word that clients see.
    pub const fn name(self) -> &'static str {
        match self {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::ToolCalls => "tool_calls",
            Finish::ContentFilter => "content_filter",
            Finish::Error => "error",
        }
    }

    /// Maps a provider's word. Case and the choice between `-` and `_` do not matter.
    pub fn of(native: &str) -> Finish {
        match native {
            "stop" => return Finish::Stop,
            "length" => return Finish::Length,
            "tool_calls" => return Finish::ToolCalls,
            _ => {}
        }
        let word: String = native
            .chars()
            .take(WORD_CHARS_MAX)
            .map(|c| {
                if c == '-' {
                    '_'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect();
        WORDS
            .iter()
            .find(|(finish, words)| *finish != Finish::Stop && words.contains(&word.as_str()))
            .map_or(Finish::Stop, |(finish, _)| *finish)
    }
}

/// Longer than any word that is known; what is longer cannot match.
const WORD_CHARS_MAX: usize = 64;

/// Words that providers use, in lower case with `_`. Sources: OpenAI, Anthropic, Gemini, Cohere, Mistral, DeepSeek, Z.ai,
/// Bedrock, text-generation-inference, SGLang and vLLM API references, read 2026-11.
const WORDS: [(Finish, &[&str]); 5] = [
    (
        Finish::Stop,
        &[
            "stop",
            "end_turn",
            "eos",
            "eos_token",
            "stop_sequence",
            "complete",
            "completed",
            "end",
            "pause_turn",
            "finish_reason_unspecified",
        ],
    ),
    (
        Finish::Length,
        &[
            "length",
            "max_tokens",
            "max_output_tokens",
            "max_completion_tokens",
            "max_length",
            "model_length",
            "model_context_window_exceeded",
            "context_length_exceeded",
            "token_limit",
            "error_limit",
            "incomplete",
        ],
    ),
    (
        Finish::ToolCalls,
        &[
            "tool_calls",
            "tool_call",
            "tool_use",
            "function_call",
            "function_calls",
            "tool",
        ],
    ),
    (
        Finish::ContentFilter,
        &[
            "content_filter",
            "content_filtered",
            "content_policy",
            "safety",
            "recitation",
            "blocklist",
            "prohibited_content",
            "spii",
            "image_safety",
            "image_prohibited_content",
            "image_recitation",
            "language",
            "model_armor",
            "jailbreak",
            "escalation",
            "guardrail_intervened",
            "refusal",
            "sensitive",
            "error_toxic",
            "blocked",
            "moderation",
        ],
    ),
    (
        Finish::Error,
        &[
            "error",
            "network_error",
            "internal_error",
            "server_error",
            "insufficient_system_resource",
            "malformed_function_call",
            "malformed_model_output",
            "malformed_tool_use",
            "unexpected_tool_call",
            "too_many_tool_calls",
            "missing_thought_signature",
            "malformed_response",
            "no_image",
            "image_other",
            "abort",
            "aborted",
            "cancelled",
            "canceled",
            "failed",
            "timeout",
        ],
    ),
];

/// The native word, kept; the usual ones without an allocation.
pub(crate) fn native(word: &str) -> Cow<'static, str> {
    for (_, words) in &WORDS {
        if let Some(known) = words.iter().find(|known| **known == word) {
            return Cow::Borrowed(known);
        }
    }
    Cow::Owned(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_table_maps_to_its_row() {
        for (finish, words) in WORDS {
            for word in words {
                assert_eq!(Finish::of(word), finish, "{word}");
                assert_eq!(Finish::of(&word.to_uppercase()), finish, "{word}");
                assert_eq!(Finish::of(&word.replace('_', "-")), finish, "{word}");
                assert!(matches!(native(word), Cow::Borrowed(_)));
            }
        }
    }

    #[test]
    fn the_five_words_map_to_themselves() {
        for finish in Finish::ALL {
            assert_eq!(Finish::of(finish.name()), finish);
        }
    }

    #[test]
    fn an_unknown_word_is_a_stop_and_is_kept() {
        assert_eq!(Finish::of("cosmic_ray"), Finish::Stop);
        assert_eq!(Finish::of(&"x".repeat(10_000)), Finish::Stop);
        assert_eq!(native("cosmic_ray"), "cosmic_ray");
    }
}
