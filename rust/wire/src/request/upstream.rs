//! A body to send: the client's bytes with small replacements between them.

use std::borrow::Cow;

use crate::json::Span;

/// What a body is unless it is a form.
const JSON: &str = "application/json";

/// A body to send, as pieces of the client's bytes and small replacements between them.
#[derive(Debug)]
pub struct Upstream<'a> {
    body: Cow<'a, [u8]>,
    content_type: Cow<'a, str>,
    /// In the order of the body, not overlapping.
    edits: Vec<Edit<'a>>,
    len: usize,
}

#[derive(Debug)]
pub(super) struct Edit<'a> {
    pub(super) span: Span,
    pub(super) new: Cow<'a, [u8]>,
}

impl<'a> Upstream<'a> {
    /// These bytes, which are JSON.
    pub(super) fn of(body: Vec<u8>) -> Upstream<'static> {
        Upstream {
            len: body.len(),
            content_type: Cow::Borrowed(JSON),
            body: Cow::Owned(body),
            edits: Vec::new(),
        }
    }

    /// These bytes with replacements, in any order, that do not overlap.
    pub(super) fn edited(body: &'a [u8], mut edits: Vec<Edit<'a>>) -> Upstream<'a> {
        // What is inserted at an offset stays before what is removed from there on.
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let removed: usize = edits
            .iter()
            .map(|edit| edit.span.end - edit.span.start)
            .sum();
        let added: usize = edits.iter().map(|edit| edit.new.len()).sum();
        Upstream {
            body: Cow::Borrowed(body),
            content_type: Cow::Borrowed(JSON),
            len: body.len() - removed + added,
            edits,
        }
    }

    /// The same, of another kind than JSON.
    pub(super) fn with_type(self, content_type: Cow<'a, str>) -> Upstream<'a> {
        Upstream {
            content_type,
            ..self
        }
    }

    /// Bytes of the whole body, for `Content-Length`.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What the body is.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Never: a body is at least an object with a model.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same, of bytes of its own.
    pub(super) fn into_owned(self) -> Upstream<'static> {
        let mut body = Vec::with_capacity(self.len);
        self.write_to(&mut body);
        Upstream {
            body: Cow::Owned(body),
            content_type: Cow::Owned(self.content_type.into_owned()),
            edits: Vec::new(),
            len: self.len,
        }
    }

    /// Appends the whole body.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.len);
        for piece in self.pieces() {
            out.extend_from_slice(piece);
        }
    }

    /// The pieces in order, for a vectored write. Empty ones are left out.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        let kept_and_new = self.edits.iter().flat_map(move |edit| {
            let kept = self.body.get(at..edit.span.start).unwrap_or_default();
            at = edit.span.end;
            [kept, edit.new.as_ref()]
        });
        let end = self.edits.last().map_or(0, |edit| edit.span.end);
        let rest = self.body.get(end..).unwrap_or_default();
        kept_and_new.chain([rest]).filter(|piece| !piece.is_empty())
    }
}
