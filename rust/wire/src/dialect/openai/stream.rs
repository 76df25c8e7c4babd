//! Reads streamed answers.
//!
//! Chunks do not say where a block begins or ends, so that is told by what they hold: text after a thought closes it, and so on.
//! Calls are told apart by their index; where a provider leaves it out or gives all calls the same (both have been seen), by their
//! id. A call stays open while its arguments are not one whole JSON value, because a provider may send parallel calls in turns.

use crate::dialect::{Sink, StreamReader};
use crate::exchange::{Delta, Event, Open, Source, ThoughtKind};
use crate::finish::Finish;
use crate::json::{self, Malformed};
use crate::sse::Frame;
use crate::stream::StreamFault;
use crate::upstream_error::UpstreamError;

use super::answer::{
    Audio, Choice, Document, Musing, Piece, Sources, Spoken, elements, made_id, members,
};

/// Reads one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    started: bool,
    done: bool,
    finished: bool,
    tier_told: bool,
    /// The answer's id, for ids of calls.
    id: String,
    /// The number of the next block.
    next: u32,
    /// The last counted total: placeholders of zero come after it.
    counted: u64,
    spoken: Option<Single>,
    audio: Option<u32>,
    calls: Vec<Call>,
    /// Calls so far.
    calls_made: usize,
}

/// An open block of which there is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Single {
    block: u32,
    kind: SingleKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SingleKind {
    Text,
    Refusal,
    /// With its kind and its index among the details.
    Thought(ThoughtKind, u64),
}

/// A call that is open, or whose name has not come yet.
#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: String,
    /// `None`: its name has not come yet.
    block: Option<u32>,
    /// Arguments that came before the name.
    early: String,
    custom: bool,
    progress: Progress,
}

/// Arguments that come before the name of what is called are kept up to here; no provider is known that sends any.
const EARLY_BYTES_MAX: usize = 4096;

/// Calls that are open side by side. More are closed, the oldest first.
const OPEN_CALLS_MAX: usize = 64;

/// How far JSON has come that arrives in pieces.
#[derive(Debug, Default)]
struct Progress {
    depth: u32,
    quoted: bool,
    escaped: bool,
    begun: bool,
}

impl Progress {
    fn take(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.quoted {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.quoted = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.quoted = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.begun |= !byte.is_ascii_whitespace();
        }
    }

    fn is_whole(&self) -> bool {
        self.begun && !self.quoted && self.depth == 0
    }
}

impl StreamReader for Reader {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        let data = frame.data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            self.close(sink);
            return Ok(());
        }
        if frame.name == "error" {
            return Err(error_inside(data));
        }
        let malformed = |wrong: Malformed| StreamFault::Malformed {
            offset: wrong.offset,
            why: wrong.why,
        };
        let text = json::text(data).map_err(malformed)?;
        let document = Document::read(text).map_err(malformed)?;
        if document.error {
            return Err(error_inside(data));
        }
        self.document(document, sink);
        Ok(())
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        self.close_spoken(sink);
        for call in std::mem::take(&mut self.calls) {
            if let Some(block) = call.block {
                sink(Event::Close { block });
            }
        }
        if let Some(block) = self.audio.take() {
            sink(Event::Close { block });
        }
    }

    fn done(&self) -> bool {
        self.done
    }

    fn held_bytes(&self) -> usize {
        let words: usize = self
            .calls
            .iter()
            .map(|call| call.id.capacity() + call.early.capacity())
            .sum();
        size_of::<Reader>() + self.id.capacity() + self.calls.capacity() * size_of::<Call>() + words
    }
}

fn error_inside(data: &[u8]) -> StreamFault {
    let error = UpstreamError::read(data);
    StreamFault::ErrorInside {
        status: error.status,
        message: error.message,
        raw: error.raw,
    }
}

impl Reader {
    fn document(&mut self, document: Document<'_>, sink: &mut Sink<'_>) {
        if !self.started {
            self.started = true;
            self.id = document.id.as_deref().unwrap_or_default().to_owned();
            sink(Event::Start {
                id: document.id.as_deref(),
                usage: None,
            });
        }
        if let Some(tier) = document.service_tier.as_deref()
            && !std::mem::replace(&mut self.tier_told, true)
        {
            sink(Event::ServiceTier(tier));
        }
        if let Some(choice) = document.choice {
            self.choice(choice, &document.sources, sink);
        }
        if let Some(usage) = document.usage
            && (usage.total > 0 || self.counted == 0)
        {
            self.counted = usage.total;
            sink(Event::Usage(usage));
        }
    }

    fn choice(&mut self, choice: Choice<'_>, sources: &Sources<'_>, sink: &mut Sink<'_>) {
        let said = choice.said;
        said.thoughts(|musing| self.thought(&musing, sink));
        said.texts(|text| match text {
            Spoken::Text(text) => self.say(SingleKind::Text, &text, sink),
            Spoken::Thought(text) => {
                self.thought(
                    &Musing {
                        text,
                        ..Musing::default()
                    },
                    sink,
                );
            }
        });
        if let Some(text) = said.refusal.as_deref().filter(|text| !text.is_empty()) {
            self.say(SingleKind::Refusal, text, sink);
        }
        if let Some(logprobs) = choice.logprobs
            && let Some(spoken) = self.spoken
        {
            sink(Event::Delta {
                block: spoken.block,
                delta: Delta::Logprobs(logprobs),
            });
        }
        said.citations(|citation| {
            let block = self.single(SingleKind::Text, sink);
            sink(Event::Delta {
                block,
                delta: Delta::Citation(&citation),
            });
        });
        said.images(|source| self.image(&source, sink));
        if let Some(raw) = said.audio {
            self.hear(&Audio::read(raw), sink);
        }
        if let Some(raw) = said.tool_calls {
            elements(raw, |raw| self.call(&Piece::read(raw), sink));
        }
        if let Some(raw) = said.function_call {
            // OpenAI's first way of calling functions: one call, without an index.
            let mut piece = Piece {
                index: Some(0),
                ..Piece::default()
            };
            members(raw, |name, value| piece.called(name, value, raw));
            self.call(&piece, sink);
        }
        if let Some(word) = choice.finish.as_deref()
            && !std::mem::replace(&mut self.finished, true)
        {
            if let Some(Single {
                kind: SingleKind::Text,
                block,
            }) = self.spoken
            {
                // They stand in every chunk, so they are taken from the last.
                sources.each(|citation| {
                    sink(Event::Delta {
                        block,
                        delta: Delta::Citation(&citation),
                    });
                });
            }
            self.close(sink);
            sink(Event::Finish {
                finish: Finish::of(word),
                native: choice.native.as_deref().unwrap_or(word),
                stop_sequence: choice.stop_text.as_deref(),
            });
        }
    }

    /// The number of a new block.
    fn number(&mut self) -> u32 {
        let block = self.next;
        self.next = self.next.saturating_add(1);
        block
    }

    fn close_spoken(&mut self, sink: &mut Sink<'_>) {
        if let Some(single) = self.spoken.take() {
            sink(Event::Close {
                block: single.block,
            });
        }
    }

    /// The block of that kind; another that is open is closed.
    fn single(&mut self, kind: SingleKind, sink: &mut Sink<'_>) -> u32 {
        self.single_of(kind, None, "", sink)
    }

    fn single_of(
        &mut self,
        kind: SingleKind,
        id: Option<&str>,
        format: &str,
        sink: &mut Sink<'_>,
    ) -> u32 {
        if let Some(single) = self.spoken
            && single.kind == kind
        {
            return single.block;
        }
        self.close_spoken(sink);
        let block = self.number();
        self.spoken = Some(Single { block, kind });
        let open = match kind {
            SingleKind::Text => Open::Text,
            SingleKind::Refusal => Open::Refusal,
            SingleKind::Thought(kind, _) => Open::Thought { kind, id, format },
        };
        sink(Event::Open { block, open });
        block
    }

    fn say(&mut self, kind: SingleKind, text: &str, sink: &mut Sink<'_>) {
        let block = self.single(kind, sink);
        sink(Event::Delta {
            block,
            delta: Delta::Text(text),
        });
    }

    fn thought(&mut self, musing: &Musing<'_>, sink: &mut Sink<'_>) {
        let call = self
            .calls
            .iter()
            .find(|call| musing.belongs_to(Some(&call.id)));
        if let Some(block) = call.and_then(|call| call.block) {
            sink(Event::Delta {
                block,
                delta: Delta::Signature(&musing.text),
            });
            return;
        }
        let kind = SingleKind::Thought(musing.kind, musing.index);
        let format = match &*musing.format {
            "" => crate::exchange::format::UNKNOWN,
            format => format,
        };
        let block = self.single_of(kind, musing.id.as_deref(), format, sink);
        if !musing.text.is_empty() {
            sink(Event::Delta {
                block,
                delta: Delta::Text(&musing.text),
            });
        }
        if let Some(signature) = musing.signature.as_deref() {
            sink(Event::Delta {
                block,
                delta: Delta::Signature(signature),
            });
        }
    }

    fn image(&mut self, source: &Source<'_>, sink: &mut Sink<'_>) {
        self.close_spoken(sink);
        let block = self.number();
        let open = match source {
            Source::Data { media_type, base64 } => Open::Image { media_type, base64 },
            Source::Url(url) | Source::Id(url) => Open::Image {
                media_type: "",
                base64: url,
            },
        };
        sink(Event::Open { block, open });
        sink(Event::Close { block });
    }

    fn hear(&mut self, audio: &Audio<'_>, sink: &mut Sink<'_>) {
        let block = match self.audio {
            Some(block) => block,
            None => {
                self.close_spoken(sink);
                let block = self.number();
                self.audio = Some(block);
                let id = audio.id.as_deref();
                sink(Event::Open {
                    block,
                    open: Open::Audio { id },
                });
                block
            }
        };
        let data = audio.data.as_deref().unwrap_or_default();
        let transcript = audio.transcript.as_deref().unwrap_or_default();
        if !data.is_empty() || !transcript.is_empty() {
            sink(Event::Delta {
                block,
                delta: Delta::Audio { data, transcript },
            });
        }
    }

    fn call(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_>) {
        let Some(at) = self.call_of(piece, sink) else {
            return;
        };
        let next = self.next;
        let Some(call) = self.calls.get_mut(at) else {
            return;
        };
        call.custom |= piece.custom;
        let arguments = piece.arguments.as_deref().unwrap_or_default();
        let block = match (call.block, piece.name.as_deref()) {
            (Some(block), _) => block,
            (None, None) => {
                let room = EARLY_BYTES_MAX.saturating_sub(call.early.len());
                if arguments.len() <= room {
                    call.early.push_str(arguments);
                }
                return;
            }
            (None, Some(name)) => {
                call.block = Some(next);
                self.next = next.saturating_add(1);
                sink(Event::Open {
                    block: next,
                    open: Open::ToolCall {
                        id: &call.id,
                        name,
                        custom: call.custom,
                        namespace: None,
                        signature: None,
                    },
                });
                let early = std::mem::take(&mut call.early);
                call.progress.take(&early);
                if !early.is_empty() {
                    sink(Event::Delta {
                        block: next,
                        delta: Delta::Text(&early),
                    });
                }
                next
            }
        };
        if let Some(signature) = piece.signature.as_deref() {
            sink(Event::Delta {
                block,
                delta: Delta::Signature(signature),
            });
        }
        if !arguments.is_empty() {
            call.progress.take(arguments);
            sink(Event::Delta {
                block,
                delta: Delta::Text(arguments),
            });
        }
    }

    /// The call that a piece belongs to, which may be new. `None`: it says nothing and belongs to none.
    fn call_of(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_>) -> Option<usize> {
        let id = piece.id.as_deref();
        let found = match (piece.index, id) {
            (Some(index), _) => self
                .calls
                .iter()
                .rposition(|call| call.index == Some(index)),
            (None, Some(id)) => self.calls.iter().rposition(|call| call.id == id),
            // It goes on with the last, unless it names what is called once more.
            (None, None) if piece.name.is_none() => self.calls.len().checked_sub(1),
            (None, None) => None,
        };
        // Another id under the same index, with a name: another call.
        let same = found.filter(|at| match (self.calls.get(*at), id) {
            (Some(call), Some(id)) => call.id == id || piece.name.is_none() || call.block.is_none(),
            _ => true,
        });
        if same.is_some() {
            return same;
        }
        if piece.name.is_none()
            && id.is_none()
            && piece.arguments.as_deref().unwrap_or("").is_empty()
        {
            return None;
        }
        self.close_spoken(sink);
        let crowded = self.calls.len() >= OPEN_CALLS_MAX;
        let mut oldest = crowded;
        self.calls.retain(|call| {
            let closed = call.progress.is_whole() || std::mem::take(&mut oldest);
            if closed && let Some(block) = call.block {
                sink(Event::Close { block });
            }
            !closed
        });
        let id = match id {
            Some(id) => id.to_owned(),
            None => made_id(Some(&self.id), self.calls_made),
        };
        self.calls_made += 1;
        self.calls.push(Call {
            index: piece.index,
            id,
            block: None,
            early: String::new(),
            custom: piece.custom,
            progress: Progress::default(),
        });
        Some(self.calls.len() - 1)
    }
}
