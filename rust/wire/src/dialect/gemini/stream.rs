//! A stream of generateContent becomes steps of the middle shape.
//!
//! Each event is an answer with what is new: pieces of text and thought, whole calls, whole media. So a block stays open as long as
//! the next piece is of the same sort. There is no sign of the end but the end of the stream; the last event with content has the reason,
//! every event may have counts.

use crate::dialect::gemini::answer::{self, Document};
use crate::dialect::gemini::part::{Call, Part};
use crate::dialect::gemini::partial::Arguments;
use crate::dialect::gemini::{grounding, own_id};
use crate::dialect::{Sink, StreamReader};
use crate::exchange::{Delta, Event, Open, ThoughtKind, format};
use crate::json;
use crate::sse::Frame;
use crate::stream::StreamFault;
use crate::upstream_error::UpstreamError;
use crate::usage::Usage;

/// Most sources that are remembered so that they are not told twice; more are left out.
const SOURCES_MAX: usize = 256;

/// Reads one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    begun: bool,
    /// The block that takes more, and what it is.
    open: Option<(u32, Sort)>,
    /// The open block has its signature.
    signed: bool,
    /// The call whose arguments are streamed.
    streamed: Option<(u32, Arguments)>,
    /// The number of the next block.
    next: u32,
    /// Calls so far, for the ids of those without one.
    calls: u32,
    /// The answer's id, for the same.
    id: String,
    /// A text had characters of more than one byte, so places in it are not known any more.
    wide: bool,
    /// Searches that are charged, as far as told.
    searches: u64,
    /// Sources that have been told.
    sources: Vec<u64>,
    done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Text,
    Thought,
}

impl StreamReader for Reader {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        if frame.data.trim_ascii() == b"[DONE]" {
            // Not Google's, but of proxies that serve its protocol.
            self.done = true;
            return Ok(());
        }
        let malformed = |wrong: json::Malformed| StreamFault::Malformed {
            offset: wrong.offset,
            why: wrong.why,
        };
        let text = json::text(frame.data).map_err(malformed)?;
        let document = answer::document(text).map_err(malformed)?;
        if document.error {
            let error = UpstreamError::read(frame.data);
            return Err(StreamFault::ErrorInside {
                status: error.status,
                message: error.message,
                raw: error.raw,
            });
        }
        self.take(document, sink);
        Ok(())
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        self.close_call(sink);
        self.signed = false;
        if let Some((block, _)) = self.open.take() {
            sink(Event::Close { block });
        }
    }

    fn done(&self) -> bool {
        self.done
    }

    fn held_bytes(&self) -> usize {
        let streamed = self
            .streamed
            .as_ref()
            .map_or(0, |(_, arguments)| arguments.held_bytes());
        size_of::<Reader>()
            + self.id.capacity()
            + self.sources.capacity() * size_of::<u64>()
            + streamed
    }
}

impl Reader {
    fn take(&mut self, document: Document<'_>, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.id = document.id.as_deref().unwrap_or_default().to_owned();
            sink(Event::Start {
                id: document.id.as_deref(),
                usage: None,
            });
        }
        for part in document.parts {
            self.part(part, sink);
        }
        if let Some(logprobs) = document.logprobs.and_then(answer::logprobs)
            && let Some((block, Sort::Text)) = self.open
        {
            sink(Event::Delta {
                block,
                delta: Delta::Logprobs(&logprobs),
            });
        }
        self.sources(document.grounding, document.citations, sink);
        if let Some(tier) = &document.tier {
            sink(Event::ServiceTier(tier));
        }
        self.searches = self.searches.max(document.searches);
        if let Some(usage) = document.usage {
            sink(Event::Usage(Usage {
                web_searches: self.searches,
                ..usage
            }));
        }
        if let Some((finish, native)) = &document.finish {
            self.close(sink);
            sink(Event::Finish {
                finish: *finish,
                native,
                stop_sequence: None,
            });
        }
    }

    fn part(&mut self, part: Part<'_>, sink: &mut Sink<'_>) {
        let signature = part.signature.as_deref();
        if let Some(call) = &part.call {
            self.call(call, signature, sink);
            return;
        }
        if let Some(medium) = part.medium {
            self.close(sink);
            self.medium(&medium.media_type, &medium.content, medium.is_address, sink);
            return;
        }
        if part.foreign.is_some() {
            return;
        }
        let text = part.text.as_deref().unwrap_or_default();
        if text.is_empty() && signature.is_none() {
            return;
        }
        let sort = match part.thought {
            true => Sort::Thought,
            false => Sort::Text,
        };
        if self.signed {
            // What follows a signature is not covered by it; sources still belong to what it covers.
            self.close(sink);
        }
        let block = self.opened(sort, sink);
        if !text.is_empty() {
            self.wide |= sort == Sort::Text && !text.is_ascii();
            let delta = Delta::Text(text);
            sink(Event::Delta { block, delta });
        }
        if let Some(signature) = signature {
            let delta = Delta::Signature(signature);
            sink(Event::Delta { block, delta });
            self.signed = true;
        }
    }

    /// A call comes whole, or, where a client of Vertex asked for that, its arguments come piece by piece.
    fn call(&mut self, call: &Call<'_>, signature: Option<&str>, sink: &mut Sink<'_>) {
        if let Some(name) = call.name.as_deref() {
            self.close(sink);
            let block = self.number();
            let given;
            let id = match call.id.as_deref().filter(|id| !id.is_empty()) {
                Some(id) => id,
                None => {
                    given = own_id(&self.id, self.calls);
                    &given
                }
            };
            self.calls += 1;
            let open = Open::ToolCall {
                id,
                name,
                custom: false,
                namespace: None,
                signature,
            };
            sink(Event::Open { block, open });
            if call.will_continue || call.partial.is_some() {
                self.streamed = Some((block, Arguments::default()));
            } else {
                let delta = Delta::Text(call.args.unwrap_or("{}"));
                sink(Event::Delta { block, delta });
                sink(Event::Close { block });
                return;
            }
        }
        if let (Some((block, arguments)), Some(partial)) = (&mut self.streamed, call.partial) {
            let mut text = Vec::new();
            // What cannot be read adds nothing; the document was valid as a whole.
            let _ = arguments.add(partial, &mut text);
            arguments_delta(*block, &text, sink);
        }
        if !call.will_continue {
            self.close_call(sink);
        }
    }

    fn close_call(&mut self, sink: &mut Sink<'_>) {
        if let Some((block, mut arguments)) = self.streamed.take() {
            let mut text = Vec::new();
            arguments.end(&mut text);
            arguments_delta(block, &text, sink);
            sink(Event::Close { block });
        }
    }

    fn medium(&mut self, media_type: &str, content: &str, is_address: bool, sink: &mut Sink<'_>) {
        let block = self.number();
        if media_type.starts_with("audio/") && !is_address {
            let open = Open::Audio { id: None };
            sink(Event::Open { block, open });
            let delta = Delta::Audio {
                data: content,
                transcript: "",
            };
            sink(Event::Delta { block, delta });
        } else {
            let open = Open::Image {
                media_type: if is_address { "" } else { media_type },
                base64: content,
            };
            sink(Event::Open { block, open });
        }
        sink(Event::Close { block });
    }

    /// Tells the sources that have not been told.
    fn sources(&mut self, grounding: Option<&str>, citations: Option<&str>, sink: &mut Sink<'_>) {
        if grounding.is_none() && citations.is_none() {
            return;
        }
        for source in grounding::sources(grounding, citations) {
            let fingerprint = source.fingerprint();
            if self.sources.len() >= SOURCES_MAX || self.sources.contains(&fingerprint) {
                continue;
            }
            self.sources.push(fingerprint);
            let block = self.opened(Sort::Text, sink);
            let delta = Delta::Citation(&source.cited(!self.wide));
            sink(Event::Delta { block, delta });
        }
    }

    /// The open block of a sort; opens one where there is none.
    fn opened(&mut self, sort: Sort, sink: &mut Sink<'_>) -> u32 {
        if let Some((block, is)) = self.open
            && is == sort
            && self.streamed.is_none()
        {
            return block;
        }
        self.close(sink);
        let block = self.number();
        self.open = Some((block, sort));
        let open = match sort {
            Sort::Text => Open::Text,
            Sort::Thought => Open::Thought {
                kind: ThoughtKind::Text,
                id: None,
                format: format::GEMINI,
            },
        };
        sink(Event::Open { block, open });
        block
    }

    fn number(&mut self) -> u32 {
        let block = self.next;
        self.next += 1;
        block
    }
}

fn arguments_delta(block: u32, text: &[u8], sink: &mut Sink<'_>) {
    // Made of whole strings only, so it is UTF-8.
    if let Ok(text) = std::str::from_utf8(text)
        && !text.is_empty()
    {
        let delta = Delta::Text(text);
        sink(Event::Delta { block, delta });
    }
}
