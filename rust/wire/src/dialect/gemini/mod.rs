//! Gemini's generateContent, as AI Studio and Vertex serve it: the same words under different addresses and credentials.
//!
//! Written for `v1beta` of AI Studio and `v1` or `v1beta1` of Vertex (their discovery documents of 2026-05). What is particular:
//!
//! - **Schemas.** Tools and answers have taken JSON Schema since 2025-08 (`parametersJsonSchema`, `responseJsonSchema`); the older
//!   OpenAPI subset is never written. See [`schema`].
//! - **Signatures.** Thought is replayed by opaque signatures on parts: on the thought, on the first call of a step, or on the text. From
//!   generation 3 on a call without one is refused, so a call that another provider made gets the word that Google
//!   documents for such histories.
//! - **Thinking.** Generation 3 takes levels, 2.5 takes budgets, and each refuses or deprecates the other's. A dialect knows no models,
//!   but here the protocol itself differs by generation, which only the model's name tells: see [`generation`].
//! - **Ids.** Calls have an id only sometimes. Calls without one are given one made from the answer's id and their number; such an id is
//!   not sent back, because Vertex's `v1` has no member for it.
//! - **Caching** is implicit. Cache marks are dropped; what would keep a cache explicitly is an object of its own with its own price.

mod answer;
pub(crate) mod embed;
pub(crate) mod grounding;
pub(crate) mod part;
mod partial;
mod schema;
mod stream;
pub(crate) mod typed;
pub(crate) mod usage;
mod write;

pub(crate) use answer::read_answer;
pub(crate) use embed::{read_embed, write_embed};
pub(crate) use stream::Reader;
pub(crate) use write::write;

/// The generation that a model's name tells: 3 of `gemini-3.1-pro`, 2 of `publishers/google/models/gemini-2.5-flash`. `None` for names of
/// another form, such as tuned models and aliases.
pub(crate) fn generation(model: &str) -> Option<u32> {
    let at = model.rfind("gemini-")?;
    let rest = model.get(at + "gemini-".len()..)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

/// Before the ids that are given to calls without one.
const OWN_ID: &str = "gemini_";

/// The longest id of an answer that is built into a call's: OpenAI takes ids of 64 characters.
const OWN_ID_CHARS_MAX: usize = 40;

/// The id of the call with this number in an answer.
fn own_id(answer: &str, number: u32) -> String {
    let answer: String = answer
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        .take(OWN_ID_CHARS_MAX)
        .collect();
    format!("{OWN_ID}{answer}_{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_told_by_names() {
        for (model, expected) in [
            ("gemini-3-pro-preview", Some(3)),
            ("gemini-3.1-flash", Some(3)),
            ("publishers/google/models/gemini-2.5-flash", Some(2)),
            ("gemini-flash-latest", None),
            ("tunedModels/mine", None),
        ] {
            assert_eq!(generation(model), expected, "{model}");
        }
    }

    #[test]
    fn given_ids_suit_every_protocol() {
        let id = own_id("a/b c-d_e", 3);
        assert_eq!(id, "gemini_abc-d_e_3");
        assert!(own_id(&"x".repeat(500), u32::MAX).len() <= 64);
    }
}
