//! Entries of `reasoning_details`, in which OpenRouter's clients and providers carry thoughts (openrouter.md §4.4).

use crate::exchange::{Thought, ThoughtKind, format};
use crate::member::Members;

/// An entry, or the piece of one that a chunk holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Detail<'d> {
    /// What the text is.
    pub(crate) kind: ThoughtKind,
    /// The text, the summary, or the encrypted data.
    pub(crate) text: Option<&'d str>,
    /// See [`Thought::signature`].
    pub(crate) signature: Option<&'d str>,
    /// See [`Thought::id`].
    pub(crate) id: Option<&'d str>,
    /// See [`Thought::format`].
    pub(crate) format: &'d str,
    /// Which entry it is, or is a piece of.
    pub(crate) index: u32,
}

impl<'d> Detail<'d> {
    /// The entry for a whole thought.
    pub(crate) fn of(thought: &'d Thought<'_>, index: u32) -> Detail<'d> {
        Detail {
            kind: thought.kind,
            text: Some(&thought.text),
            signature: thought.signature.as_deref(),
            id: thought.id.as_deref(),
            format: &thought.format,
            index,
        }
    }

    /// The entry for a signature of Gemini's, which belongs to a call or, without an id, to a text.
    pub(crate) fn of_signature(id: Option<&'d str>, signature: &'d str, index: u32) -> Detail<'d> {
        Detail {
            kind: ThoughtKind::Encrypted,
            text: Some(signature),
            signature: None,
            id,
            format: format::GEMINI,
            index,
        }
    }

    /// Appends the object.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (kind, text) = match self.kind {
            ThoughtKind::Text => ("reasoning.text", "text"),
            ThoughtKind::Summary => ("reasoning.summary", "summary"),
            ThoughtKind::Encrypted => ("reasoning.encrypted", "data"),
        };
        let mut members = Members::new(out);
        members.string("type", kind);
        members.string_if(text, self.text);
        members.string_if("signature", self.signature);
        members.string_if("id", self.id);
        members.string(
            "format",
            match self.format {
                "" => format::UNKNOWN,
                format => format,
            },
        );
        members.number("index", u64::from(self.index));
        members.end();
    }
}

/// What the `type` of an entry says; `None` for a sort that is not known.
pub(crate) fn kind_of(word: &str) -> Option<ThoughtKind> {
    match word {
        "reasoning.text" => Some(ThoughtKind::Text),
        "reasoning.summary" => Some(ThoughtKind::Summary),
        "reasoning.encrypted" => Some(ThoughtKind::Encrypted),
        _ => None,
    }
}
