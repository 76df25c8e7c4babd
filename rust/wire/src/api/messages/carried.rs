//! Signatures of other vendors, carried by clients of Anthropic's API.
//!
//! A model of another vendor signs its thoughts too, or encrypts them, names them with ids, and one even signs its tool calls; all of
//! that must come back unchanged with the next request. Anthropic's API has one place for such a thing, the `signature` of a
//! `thinking` block (the `data` of a `redacted_thinking` block), which its clients keep and send back without looking. So what
//! the middle shape knows of a thought is packed there, behind a prefix that no signature of Anthropic's own has, and unpacked when it
//! returns.
//!
//! The form is `turnout:1:<format>:<what>:<bytes of the id>:<id><signature or data>`: plain text, because what is packed is text already,
//! and with the length of the id in front, because an id may hold any character.

use std::borrow::Cow;

use crate::exchange::{Thought, ThoughtKind, format};

/// What every packed signature starts with.
pub(crate) const PREFIX: &str = "turnout:1:";

/// Longest name of a format that is taken for one.
const FORMAT_BYTES_MAX: usize = 64;

/// What is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    /// What belongs to the thought in whose block it stands.
    Thought(ThoughtKind),
    /// The signature of the tool call with this id. Its block has no text.
    Call,
    /// The signature of the text before it. Its block has no text.
    Text,
}

impl Carries {
    const ALL: [Carries; 5] = [
        Carries::Thought(ThoughtKind::Text),
        Carries::Thought(ThoughtKind::Summary),
        Carries::Thought(ThoughtKind::Encrypted),
        Carries::Call,
        Carries::Text,
    ];

    const fn name(self) -> &'static str {
        match self {
            Carries::Thought(ThoughtKind::Text) => "thought",
            Carries::Thought(ThoughtKind::Summary) => "summary",
            Carries::Thought(ThoughtKind::Encrypted) => "encrypted",
            Carries::Call => "call",
            Carries::Text => "text",
        }
    }
}

/// Unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carried<'t> {
    /// Whose it is, see [`format`].
    pub(crate) format: &'t str,
    pub(crate) carries: Carries,
    /// The provider's id of the thought, or the id of the tool call; empty: none.
    pub(crate) id: &'t str,
    /// The signature, or the encrypted data; empty: none.
    pub(crate) proof: &'t str,
}

/// What stands before the signature or the data.
pub(crate) fn head(format: &str, carries: Carries, id: &str) -> String {
    let format = match format {
        "" => format::UNKNOWN,
        named => named,
    };
    format!("{PREFIX}{format}:{}:{}:{id}", carries.name(), id.len())
}

/// Packs.
pub(crate) fn pack(format: &str, carries: Carries, id: &str, proof: &str) -> String {
    let mut packed = head(format, carries, id);
    packed.push_str(proof);
    packed
}

/// Unpacks; `None`: it is somebody else's.
pub(crate) fn unpack(signature: &str) -> Option<Carried<'_>> {
    let rest = signature.strip_prefix(PREFIX)?;
    let mut parts = rest.splitn(4, ':');
    let (format, carries, id_len, rest) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let carries = Carries::ALL
        .into_iter()
        .find(|known| known.name() == carries)?;
    let id_len = id_len.parse().ok()?;
    if format.is_empty() || format.len() > FORMAT_BYTES_MAX {
        return None;
    }
    Some(Carried {
        format,
        carries,
        id: rest.get(..id_len)?,
        proof: rest.get(id_len..)?,
    })
}

/// The signature under which a thought is shown: its own where it is Anthropic's, else packed.
pub(crate) fn signature_of<'t>(thought: &'t Thought<'_>) -> Cow<'t, str> {
    let signature = thought.signature.as_deref().unwrap_or_default();
    if thought.format == format::ANTHROPIC {
        return Cow::Borrowed(signature);
    }
    Cow::Owned(pack(
        &thought.format,
        Carries::Thought(thought.kind),
        thought.id.as_deref().unwrap_or_default(),
        signature,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_byte_for_byte() {
        for carries in Carries::ALL {
            for (id, proof) in [
                ("", ""),
                ("rs_1", "a:b:c=="),
                ("call|é:2", ""),
                ("", "\u{0}:1:x"),
            ] {
                let packed = pack("google-gemini-v1", carries, id, proof);
                assert_eq!(
                    unpack(&packed),
                    Some(Carried {
                        format: "google-gemini-v1",
                        carries,
                        id,
                        proof
                    })
                );
            }
        }
        assert_eq!(
            unpack(&pack("", Carries::Call, "", "x")).map(|carried| carried.format),
            Some(format::UNKNOWN)
        );
    }

    #[test]
    fn anything_else_is_left_alone() {
        for other in [
            "",
            "EqoBCkgIARAB",
            "turnout:1:",
            "turnout:1:f:thought:9:short",
            "turnout:1:f:thought:x:id",
            "turnout:1:f:dream:0:",
            "turnout:1::call:0:x",
            "turnout:2:f:call:0:x",
            // The length must not cut a character in two.
            "turnout:1:f:call:1:é",
        ] {
            assert_eq!(unpack(other), None, "{other}");
        }
    }
}
