//! Thoughts of other formats, packed into `encrypted_content`.
//!
//! A stateless client of this API replays thoughts by sending back `encrypted_content` as it was; of everything else in a reasoning
//! item it may keep as much as it likes. Other protocols spread over several members what must come back byte for byte: a text and
//! its signature, a redacted block, a signature that belongs to a tool call. So all of it is packed into that one string, behind
//! [`PREFIX`], and unpacked when it comes back. It is packed, not encrypted: the client was given the same text in the clear.
//!
//! What is not of ours keeps its bytes and is taken for the data of a provider that speaks this protocol.

use std::borrow::Cow;

use serde::Deserialize;

use crate::api::responses::object::Object;
use crate::exchange::{Thought, ThoughtKind, format};
use crate::json::{Kind, Span, Walker, write_string, write_string_inside};

/// What a packed string begins with. No provider's own data does: theirs is base64, which has no colon.
pub(crate) const PREFIX: &str = "turnout-v1:";

/// One thing that is packed. Texts are the insides of JSON strings, as the writer holds them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// A thought.
    Thought {
        kind: ThoughtKind,
        text: &'a [u8],
        signature: &'a [u8],
        id: &'a str,
        format: &'a str,
    },
    /// The signature of a tool call.
    Call { id: &'a str, signature: &'a [u8] },
}

/// Appends the pieces as one JSON string.
pub(crate) fn seal<'a>(pieces: impl Iterator<Item = Piece<'a>>, out: &mut Vec<u8>) {
    let mut json = PREFIX.as_bytes().to_vec();
    json.push(b'[');
    for (at, piece) in pieces.enumerate() {
        if at > 0 {
            json.push(b',');
        }
        match piece {
            Piece::Thought {
                kind,
                text,
                signature,
                id,
                format,
            } => {
                json.extend_from_slice(b"{\"kind\":\"");
                json.extend_from_slice(kind_name(kind).as_bytes());
                json.extend_from_slice(b"\",\"text\":\"");
                json.extend_from_slice(text);
                json.push(b'"');
                signed(signature, &mut json);
                if !id.is_empty() {
                    json.extend_from_slice(b",\"id\":");
                    write_string(id, &mut json);
                }
                json.extend_from_slice(b",\"format\":");
                write_string(format, &mut json);
            }
            Piece::Call { id, signature } => {
                json.extend_from_slice(b"{\"call_id\":");
                write_string(id, &mut json);
                signed(signature, &mut json);
            }
        }
        json.push(b'}');
    }
    json.push(b']');
    out.push(b'"');
    // Every piece was made from text, so this is text.
    write_string_inside(&String::from_utf8_lossy(&json), out);
    out.push(b'"');
}

fn signed(signature: &[u8], json: &mut Vec<u8>) {
    if !signature.is_empty() {
        json.extend_from_slice(b",\"signature\":\"");
        json.extend_from_slice(signature);
        json.push(b'"');
    }
}

const fn kind_name(kind: ThoughtKind) -> &'static str {
    match kind {
        ThoughtKind::Text => "text",
        ThoughtKind::Summary => "summary",
        ThoughtKind::Encrypted => "encrypted",
    }
}

/// What a packed string held.
#[derive(Debug, Default)]
pub(crate) struct Unsealed {
    /// Thoughts, in order.
    pub(crate) thoughts: Vec<Thought<'static>>,
    /// Signatures by the id of the tool call.
    pub(crate) calls: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Entry {
    kind: Option<String>,
    #[serde(default)]
    text: String,
    signature: Option<String>,
    id: Option<String>,
    format: Option<String>,
    call_id: Option<String>,
}

/// Unpacks a string; `None`: it is not one of ours. One of ours that was damaged holds nothing.
pub(crate) fn unseal(text: &str) -> Option<Unsealed> {
    let json = text.strip_prefix(PREFIX)?;
    let mut unsealed = Unsealed::default();
    for entry in serde_json::from_str::<Vec<Entry>>(json).unwrap_or_default() {
        if let Some(call_id) = entry.call_id {
            let signature = entry.signature.unwrap_or_default();
            unsealed.calls.push((call_id, signature));
            continue;
        }
        unsealed.thoughts.push(Thought {
            kind: match entry.kind.as_deref() {
                Some("summary") => ThoughtKind::Summary,
                Some("encrypted") => ThoughtKind::Encrypted,
                _ => ThoughtKind::Text,
            },
            text: Cow::Owned(entry.text),
            signature: entry.signature.map(Cow::Owned),
            id: entry.id.map(Cow::Owned),
            format: entry
                .format
                .map_or(Cow::Borrowed(format::UNKNOWN), Cow::Owned),
        });
    }
    Some(unsealed)
}

/// Where the items of ours stand in a request, each with the comma that separates it: a provider of this protocol refuses data that
/// it did not make. Nearly every request has none, and is only searched for [`PREFIX`].
pub(crate) fn sealed_items(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    if memchr::memmem::find(text.as_bytes(), PREFIX.as_bytes()).is_none() {
        return found;
    }
    let body = Object::read(&mut Walker::new(text)).ok();
    let Some(input) = body.and_then(|body| body.value("input")) else {
        return found;
    };
    let raw = input.raw(text);
    let at = |offset: usize| input.span.start + offset;
    let mut walker = Walker::new(raw);
    let mut more = input.kind == Kind::Array && walker.enter_array().unwrap_or(false);
    // An item before which nothing is kept takes the comma after it, any other the one before.
    let mut leading = true;
    let mut pending: Option<usize> = None;
    let mut before = 0;
    while more {
        let Ok(value) = walker.value() else { break };
        let Span { start, end } = value.span;
        if let Some(from) = pending.take() {
            found.push(Span {
                start: at(from),
                end: at(start),
            });
        }
        let sealed = Object::of(value.raw(raw))
            .and_then(|item| item.text("encrypted_content"))
            .is_some_and(|data| data.starts_with(PREFIX));
        match (sealed, leading) {
            (true, true) => pending = Some(start),
            (true, false) => found.push(Span {
                start: at(before),
                end: at(end),
            }),
            (false, _) => leading = false,
        }
        before = end;
        more = walker.next_element().unwrap_or(false);
    }
    if let Some(from) = pending {
        found.push(Span {
            start: at(from),
            end: at(before),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_byte_for_byte() {
        let texts = ["I \"think\"\n\u{1}é😀\\", "", "EqQBCgIYAhIM=="];
        let inside = texts.map(|text| {
            let mut inside = Vec::new();
            write_string_inside(text, &mut inside);
            inside
        });
        let pieces = [
            Piece::Thought {
                kind: ThoughtKind::Text,
                text: &inside[0],
                signature: &inside[2],
                id: "",
                format: format::ANTHROPIC,
            },
            Piece::Thought {
                kind: ThoughtKind::Encrypted,
                text: &inside[2],
                signature: &inside[1],
                id: "t\"1",
                format: format::ANTHROPIC,
            },
            Piece::Call {
                id: "call_1",
                signature: &inside[0],
            },
        ];
        let mut out = Vec::new();
        seal(pieces.into_iter(), &mut out);
        let sealed: String = serde_json::from_slice(&out).unwrap();
        let back = unseal(&sealed).unwrap();
        let [first, second] = back.thoughts.as_slice() else {
            panic!("{back:?}")
        };
        assert_eq!(first.text, texts[0]);
        assert_eq!(first.signature.as_deref(), Some(texts[2]));
        assert_eq!(first.id, None);
        assert_eq!(second.kind, ThoughtKind::Encrypted);
        assert_eq!(second.text, texts[2]);
        assert_eq!(second.id.as_deref(), Some("t\"1"));
        assert_eq!(back.calls, [("call_1".to_owned(), texts[0].to_owned())]);
    }

    #[test]
    fn a_providers_own_data_is_left_alone_and_damage_is_nothing() {
        assert!(unseal("gAAAAABpPB8iV8e6").is_none());
        let damaged = unseal(&format!("{PREFIX}[{{")).unwrap();
        assert!(damaged.thoughts.is_empty() && damaged.calls.is_empty());
    }

    #[test]
    fn items_of_ours_are_cut_out_with_their_commas() {
        let ours = format!(r#"{{"type":"reasoning","encrypted_content":"{PREFIX}[]"}}"#);
        let theirs = r#"{"type":"reasoning","encrypted_content":"gAAA"}"#;
        let said = format!(r#"{{"role":"user","content":"{PREFIX}"}}"#);
        for (items, expected) in [
            (vec![&ours], "[]".to_owned()),
            (vec![&ours, &ours, &said], format!("[{said}]")),
            (vec![&said, &ours, &ours], format!("[{said}]")),
            (
                vec![&ours, &said, &ours, &theirs.to_owned(), &ours],
                format!("[{said},{theirs}]"),
            ),
            (vec![&said], format!("[{said}]")),
        ] {
            let items: Vec<_> = items.into_iter().map(String::as_str).collect();
            let body = format!(r#"{{"model":"a","input":[{}]}}"#, items.join(","));
            let mut cut = String::new();
            let mut copied = 0;
            for span in sealed_items(&body) {
                cut.push_str(&body[copied..span.start]);
                copied = span.end;
            }
            cut.push_str(&body[copied..]);
            assert_eq!(cut, format!(r#"{{"model":"a","input":{expected}}}"#));
        }
        assert!(sealed_items(PREFIX).is_empty());
    }
}
