//! A shortcut for streams: the chunk that differs from an earlier one in nothing but the text of its delta.
//!
//! Nearly all chunks of a stream are alike: the same envelope, the same choice, another word. Once one of them has been walked
//! and edited, the next needs no walk: if its bytes before and after the text are those of the first, then what the walk would find
//! and write is known, save for the text itself, which is copied and counted.
//!
//! Why this gives the same bytes and facts as the walk:
//!
//! - The earlier chunk was walked without a fault, and its text was one string value. Putting another valid string in its place gives
//!   a document whose other tokens are the same, so the walk takes the same way, and the editor copies that string untouched.
//! - What else the walk reads is kept only where it is not about this chunk: a chunk with a usage or a reason for its end is not learnt
//!   from. See [`Learnt::from`].
//! - What the gateway puts in (id, model, and so on) is compared too, because a caller may pass other words with each read.
//! - Whatever does not match is walked, so a wrong guess costs a comparison and nothing else.

use crate::answer::Serving;
use crate::api::Api;
use crate::edit::{self, Found};
use crate::json::{self, Span, Walker};

/// Chunks larger than this are not learnt from: streams of such chunks are rare, and the copy is held as long as the stream.
const LEARNT_BYTES_MAX: usize = 2048;

/// Chunks that are learnt from without any other being like them, before nothing is learnt any more.
const VAIN_MAX: u8 = 8;

/// What is known of a stream's chunks.
#[derive(Debug, Default)]
pub(crate) struct Repeat {
    learnt: Option<Learnt>,
    /// Chunks learnt from since the last one that was recognised.
    vain: u8,
}

/// One chunk, cut at its text.
#[derive(Debug)]
struct Learnt {
    /// The event's data without the text; the quotes stay.
    data: Vec<u8>,
    /// Where in `data` the text goes.
    data_hole: usize,
    /// The whole event as it was written, without the text.
    event: Vec<u8>,
    /// Where in `event` the text goes.
    event_hole: usize,
    /// Bytes of text that the chunk has elsewhere.
    text_bytes: u64,
    api: Api,
    created: u64,
    /// `id`, `model` and `provider` that were written, one after the other, with the lengths of the first two.
    words: String,
    word_lens: [usize; 2],
}

impl Repeat {
    /// Writes the event for `data` if it is like the one learnt from, and returns the bytes of text in it. `None`: nothing was
    /// written, and the chunk has to be walked.
    pub(crate) fn write(
        &self,
        data: &[u8],
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Option<u64> {
        let learnt = self.learnt.as_ref()?;
        let (before, after) = learnt.data.split_at_checked(learnt.data_hole)?;
        let text = data.strip_prefix(before)?.strip_suffix(after)?;
        if !learnt.serves(serving) {
            return None;
        }
        let text_bytes = match json::is_plain(text) && text.is_ascii() {
            true => text.len() as u64,
            false => {
                // With its quotes, which end `before` and start `after`.
                let quoted = data.get(before.len() - 1..before.len() + text.len() + 1)?;
                let quoted = std::str::from_utf8(quoted).ok()?;
                let mut walker = Walker::new(quoted);
                let value = walker.value().ok()?;
                if value.span.end != quoted.len() {
                    return None;
                }
                edit::string_len(&value, quoted)
            }
        };
        let (before, after) = learnt.event.split_at_checked(learnt.event_hole)?;
        out.reserve(learnt.event.len() + text.len());
        out.extend_from_slice(before);
        out.extend_from_slice(text);
        out.extend_from_slice(after);
        Some(learnt.text_bytes + text_bytes)
    }

    /// Another chunk was like the one learnt from.
    #[inline]
    pub(crate) fn recognised(&mut self) {
        self.vain = 0;
    }

    /// Learns from a chunk: its `data`, what was found in it, and the whole `event` that was written for it, `event_start` being
    /// where in the output that starts.
    pub(crate) fn learn(
        &mut self,
        data: &str,
        found: &Found,
        event: &[u8],
        event_start: usize,
        serving: &Serving<'_>,
    ) {
        if self.vain >= VAIN_MAX || data.len() > LEARNT_BYTES_MAX {
            return;
        }
        if let Some(learnt) = Learnt::from(data, found, event, event_start, serving) {
            self.learnt = Some(learnt);
            self.vain += 1;
        }
    }

    /// Bytes held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.learnt.as_ref().map_or(0, |learnt| {
            learnt.data.capacity() + learnt.event.capacity() + learnt.words.capacity()
        })
    }
}

impl Learnt {
    /// `None` for a chunk from which nothing can be told about others: it has no text, or tells something that is kept of the last
    /// chunk that tells it (an end, a usage), or holds line ends, which are replaced after the walk.
    fn from(
        data: &str,
        found: &Found,
        event: &[u8],
        event_start: usize,
        serving: &Serving<'_>,
    ) -> Option<Learnt> {
        let (text, written) = found.text?;
        let told = found.error || found.finish.is_some() || found.usage.is_some();
        if told || found.results == 0 || memchr::memchr(b'\n', data.as_bytes()).is_some() {
            return None;
        }
        let inside = Span {
            start: text.span.start + 1,
            end: text.span.end.checked_sub(1)?,
        };
        let len = inside.end.checked_sub(inside.start)?;
        let data_hole = inside.start;
        let event_hole = written.checked_sub(event_start)? + 1;
        let without = |whole: &[u8], hole: usize| {
            let (before, after) = (whole.get(..hole)?, whole.get(hole + len..)?);
            Some([before, after].concat())
        };
        Some(Learnt {
            data: without(data.as_bytes(), data_hole)?,
            data_hole,
            event: without(event, event_hole)?,
            event_hole,
            text_bytes: found
                .text_bytes
                .checked_sub(edit::string_len(&text, data))?,
            api: serving.api,
            created: serving.created,
            words: [serving.id, serving.model, serving.provider].concat(),
            word_lens: [serving.id.len(), serving.model.len()],
        })
    }

    /// Whether the same words would be put in.
    fn serves(&self, serving: &Serving<'_>) -> bool {
        let words = self.words.as_bytes();
        self.created == serving.created
            && self.api == serving.api
            && self.word_lens == [serving.id.len(), serving.model.len()]
            && words
                .strip_prefix(serving.id.as_bytes())
                .and_then(|rest| rest.strip_prefix(serving.model.as_bytes()))
                == Some(serving.provider.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::StreamFault;
    use crate::stream::openai::ChunkEditor;

    const SERVING: Serving<'static> = Serving::example(Api::Chat);

    /// An event with `text` as it is written between the quotes.
    fn event(text: &str) -> String {
        format!(
            "data: {{\"usage\":null,\"id\":\"x\",\"model\":\"m\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
        )
    }

    fn push(
        editor: &mut ChunkEditor,
        event: &str,
        serving: &Serving<'_>,
    ) -> Result<Vec<u8>, StreamFault> {
        let mut out = Vec::new();
        editor
            .push(event.as_bytes(), serving, &mut out)
            .map(|_| out)
    }

    /// An editor that has learnt what these events are like.
    fn taught() -> ChunkEditor {
        let mut editor = ChunkEditor::new(Api::Chat, 10_000);
        for text in ["", "one"] {
            push(&mut editor, &event(text), &SERVING).unwrap();
        }
        assert!(editor.held_bytes() > 0);
        editor
    }

    /// What the walk writes: a new editor knows nothing.
    fn walked(event: &str, serving: &Serving<'_>) -> Result<Vec<u8>, StreamFault> {
        push(&mut ChunkEditor::new(Api::Chat, 10_000), event, serving)
    }

    #[test]
    fn any_text_gives_what_the_walk_gives() {
        let long = "a long text, \u{e9}\u{1f600} ".repeat(50);
        for text in [
            "",
            "two",
            "\u{e9}",
            r#"\n"#,
            r#"\u00e9\"\\"#,
            r#"\ud83d\ude00"#,
            &long,
            r#"","content":"again"#,
            r#"","refusal":"no"#,
            r#""},"usage":{"prompt_tokens":1},"x":{"y":""#,
            // Not valid.
            "\u{1}",
            "\"",
            "\\",
            r#"\x"#,
            r#"\ud83d"#,
        ] {
            let mut editor = taught();
            let like = push(&mut editor, &event(text), &SERVING);
            assert_eq!(like, walked(&event(text), &SERVING), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_as_by_the_walk() {
        let mut bytes = event("##").into_bytes();
        let at = memchr::memchr(b'#', &bytes).unwrap();
        bytes[at] = 0xff;
        let mut out = Vec::new();
        let like = taught().push(&bytes, &SERVING, &mut out);
        assert!(matches!(like, Err(StreamFault::Malformed { .. })));
        assert!(out.is_empty());
    }

    #[test]
    fn text_and_events_are_counted_alike() {
        let mut editor = taught();
        for text in ["two", "\u{e9}", r#"\u00e9\n"#] {
            push(&mut editor, &event(text), &SERVING).unwrap();
        }
        assert_eq!(editor.events(), 5);
        let facts = editor.facts(&SERVING, 0);
        // 3 + 3 + 2 + 3 bytes, at 4 bytes a token.
        assert_eq!(facts.usage.completion, 3);
        assert_eq!(facts.upstream_id.as_deref(), Some("x"));
    }

    #[test]
    fn other_words_to_put_in_are_noticed() {
        for serving in [
            Serving {
                created: 6,
                ..SERVING
            },
            Serving {
                id: "gen-1-b",
                ..SERVING
            },
            Serving {
                model: "a/c",
                ..SERVING
            },
            Serving {
                provider: "Q",
                ..SERVING
            },
            // The same bytes, cut elsewhere.
            Serving {
                id: "gen-1-aa",
                model: "/b",
                ..SERVING
            },
        ] {
            let like = push(&mut taught(), &event("two"), &serving);
            assert_eq!(like, walked(&event("two"), &serving));
        }
    }

    #[test]
    fn other_chunks_between_change_nothing() {
        let mut editor = taught();
        for other in [
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"delta\":{\"content\":\"b\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"delta\":{\"content\":\"c\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"a\"}}]}\n\n",
            "data: {\"choices\":[{\"text\":\"a\"}]}\n\n",
        ] {
            for event in [other, &event("two")] {
                assert_eq!(push(&mut editor, event, &SERVING), walked(event, &SERVING));
            }
        }
        assert!(editor.finished());
    }

    #[test]
    fn chunks_that_are_never_alike_are_soon_not_learnt_from() {
        let mut editor = ChunkEditor::new(Api::Chat, 10_000);
        let mut held = 0;
        for number in 0..20 {
            let event = format!(
                "data: {{\"x\":\"{}\",\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\n",
                "y".repeat(number)
            );
            assert_eq!(
                push(&mut editor, &event, &SERVING),
                walked(&event, &SERVING)
            );
            match number < usize::from(VAIN_MAX) {
                true => assert!(editor.held_bytes() > held),
                false => assert_eq!(editor.held_bytes(), held),
            }
            held = editor.held_bytes();
        }
    }
}
