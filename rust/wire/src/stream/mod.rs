//! A provider's streamed answer, made the client's.
//!
//! Where both speak the same protocol, events keep their bytes but for the members that the gateway speaks for: `openai` here for
//! OpenAI's older family, whose chunks are the hot path, and [`crate::pass`] for the others. Otherwise each frame is read into
//! steps of the middle shape, and the steps are written as the client's events; what is held is a few words per open block.
//!
//! Whatever the protocols, a stream is pushed what was read, asked at the provider's end of file whether it was whole, and then
//! ended well or badly, once.

use std::fmt;

use crate::answer::{self, Closing, Facts, Serving, Unusable, counted};
use crate::api::{self, StreamWriter};
use crate::cost::Cost;
use crate::dialect::{self, Dialect, Framing, StreamReader};
use crate::exchange::{self, Delta, Event, Open};
use crate::finish::Finish;
use crate::pass::{self, FrameEditor};
use crate::refusal::Refusal;
use crate::sse::{Each, Frame, Lines, Sse};
use crate::usage::{Usage, UsageSource};

pub(crate) mod openai;

/// What one push did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Data events with choices that were written.
    pub events: u32,
    /// The provider's `[DONE]` has been read; what follows it is ignored.
    pub done: bool,
}

/// Whether a stream that the provider closed was whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EofVerdict {
    /// `[DONE]` or a reason for the end was read.
    Complete,
    /// Neither was.
    Cut,
}

/// Why a stream cannot go on. What was complete before it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamFault {
    /// An event or a line is longer than the bound.
    TooLarge {
        /// The bound, in bytes.
        event_bytes_max: usize,
    },
    /// An event is not a JSON object.
    Malformed {
        /// Byte offset into the event's data.
        offset: usize,
        /// What was seen or expected there.
        why: &'static str,
    },
    /// An event with a top-level `error`, or called `error`.
    ErrorInside {
        /// HTTP status that the error names.
        status: Option<u16>,
        /// The provider's sentence; empty when it has none.
        message: String,
        /// The event's data, cut to [`crate::upstream_error::RAW_BYTES_MAX`].
        raw: String,
    },
    /// The body is no event stream: it starts like JSON or a page.
    NotAStream {
        /// How it starts, cut to [`SEEN_BYTES_MAX`].
        seen: String,
    },
}

/// Bytes of a body that is no stream which are kept for the message.
pub const SEEN_BYTES_MAX: usize = 64;

impl fmt::Display for StreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamFault::TooLarge { event_bytes_max } => {
                write!(
                    f,
                    "the provider sent an event larger than {event_bytes_max} bytes"
                )
            }
            StreamFault::Malformed { offset, why } => {
                write!(
                    f,
                    "the provider sent an event that is not valid JSON at byte {offset}: {why}"
                )
            }
            StreamFault::ErrorInside { message, .. } if message.is_empty() => {
                f.write_str("the provider sent an error inside the stream")
            }
            StreamFault::ErrorInside { message, .. } => f.write_str(message),
            StreamFault::NotAStream { seen } => {
                write!(
                    f,
                    "the provider was asked for a stream and sent something else, starting with: {seen}"
                )
            }
        }
    }
}

/// Makes one stream the client's. Made when the provider's head says that it is a stream; dropped with it.
#[derive(Debug)]
pub struct StreamEditor(Way);

/// The common way is held in place, because it is the hot path; the others are behind a pointer.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the common one, and there is one per stream"
)]
enum Way {
    Chunks(openai::ChunkEditor),
    Frames(Box<Frames>),
}

impl StreamEditor {
    /// For one stream. `event_bytes_max`: see [`StreamFault::TooLarge`].
    pub fn new(serving: &Serving<'_>, event_bytes_max: usize) -> StreamEditor {
        StreamEditor(
            match serving.passes() && serving.dialect == Dialect::OpenAi {
                true => Way::Chunks(openai::ChunkEditor::new(serving.api, event_bytes_max)),
                false => Way::Frames(Box::new(Frames::new(serving, event_bytes_max))),
            },
        )
    }

    /// Takes what was read from the provider and appends the events that it completes.
    pub fn push(
        &mut self,
        input: &[u8],
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Step, StreamFault> {
        match &mut self.0 {
            Way::Chunks(editor) => editor.push(input, serving, out),
            Way::Frames(frames) => frames.push(input, serving, out),
        }
    }

    /// The provider closed the stream: takes what was left without a line end, and says whether the stream was whole.
    pub fn eof(
        &mut self,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<EofVerdict, StreamFault> {
        match &mut self.0 {
            Way::Chunks(editor) => editor.eof(serving, out),
            Way::Frames(frames) => frames.eof(serving, out),
        }
    }

    /// Ends the stream well: appends what the client's API says at the end, tokens and cost included.
    pub fn end(&mut self, serving: &Serving<'_>, input_bytes: usize, out: &mut Vec<u8>) -> Facts {
        match &mut self.0 {
            Way::Chunks(editor) => editor.end(serving, input_bytes, out),
            Way::Frames(frames) => frames.end(serving, input_bytes, out),
        }
    }

    /// Ends the stream badly: appends the API's own error event.
    pub fn interrupted(
        &mut self,
        serving: &Serving<'_>,
        input_bytes: usize,
        refusal: &Refusal,
        out: &mut Vec<u8>,
    ) -> Facts {
        match &mut self.0 {
            Way::Chunks(editor) => editor.interrupted(serving, input_bytes, refusal, out),
            Way::Frames(frames) => frames.interrupted(serving, input_bytes, refusal, out),
        }
    }

    /// What has been consumed so far.
    pub fn facts(&self, serving: &Serving<'_>, input_bytes: usize) -> Facts {
        match &self.0 {
            Way::Chunks(editor) => editor.facts(serving, input_bytes),
            Way::Frames(frames) => frames.notes.facts(serving, input_bytes),
        }
    }

    /// Events with content that have been written since the start.
    pub fn events(&self) -> u64 {
        match &self.0 {
            Way::Chunks(editor) => editor.events(),
            Way::Frames(frames) => frames.notes.events,
        }
    }

    /// Whether the provider said why the generation ended.
    pub fn finished(&self) -> bool {
        match &self.0 {
            Way::Chunks(editor) => editor.finished(),
            Way::Frames(frames) => frames.notes.finish.is_some(),
        }
    }

    /// Bytes that are held between two reads, for accounting of memory.
    pub fn held_bytes(&self) -> usize {
        match &self.0 {
            Way::Chunks(editor) => editor.held_bytes(),
            Way::Frames(frames) => frames.held_bytes(),
        }
    }
}

/// Turns a plain answer into the stream that a client asked for, for providers that ignore `stream`. On an error `out` is as
/// it was.
pub fn from_answer(
    body: &[u8],
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    if serving.passes() && serving.dialect == Dialect::OpenAi {
        return openai::from_answer(body, serving, input_bytes, out);
    }
    let text = answer::document(body)?;
    let answer = dialect::read_answer(serving.dialect, text)?;
    let (closing, facts) = answer::close(&answer, serving, input_bytes)?;
    let mut writer = api::writer(serving);
    exchange::play(&answer, &mut |event| writer.event(&event, serving, out));
    writer.end(&closing, serving, out);
    Ok(facts)
}

/// What a stream has told so far.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Events with content that were written: from the first on, there is no way back to another endpoint.
    pub(crate) events: u64,
    /// The provider's own sign of the end has been read.
    pub(crate) done: bool,
    pub(crate) usage: Option<Usage>,
    /// Only the prompt has been counted so far, as some providers do when they begin: what a stream that is cut has brought by then is
    /// estimated.
    pub(crate) prompt_only: bool,
    pub(crate) finish: Option<Finish>,
    /// The provider's own word for it.
    pub(crate) native: String,
    pub(crate) stop_sequence: Option<String>,
    pub(crate) upstream_id: Option<String>,
    pub(crate) service_tier: Option<String>,
    /// Bytes of text, for an estimate of tokens.
    pub(crate) text_bytes: u64,
    /// A tool call has been seen.
    pub(crate) tool_calls: bool,
}

impl Notes {
    /// Notes one step of the middle shape.
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { id, usage } => {
                self.upstream_id = id.filter(|id| !id.is_empty()).map(str::to_owned);
                self.usage = usage.or(self.usage);
                self.prompt_only = usage.is_some();
            }
            Event::Open { open, .. } => {
                self.events += 1;
                self.tool_calls |= matches!(open, Open::ToolCall { .. });
            }
            Event::Delta { delta, .. } => {
                self.events += 1;
                if let Delta::Text(text) = delta {
                    self.text_bytes += text.len() as u64;
                }
            }
            Event::Close { .. } => {}
            Event::Usage(usage) => {
                self.usage = Some(*usage);
                self.prompt_only = false;
            }
            Event::Finish {
                finish,
                native,
                stop_sequence,
            } => {
                // An answer that is empty for a reason is an answer.
                self.events += 1;
                self.finish = Some(*finish);
                self.native.clear();
                self.native.push_str(native);
                self.stop_sequence = stop_sequence.map(str::to_owned);
            }
            Event::ServiceTier(tier) => self.service_tier = Some((*tier).to_owned()),
        }
    }

    /// What stands at the end.
    pub(crate) fn closing(&self, serving: &Serving<'_>, input_bytes: usize) -> Closing<'_> {
        let (mut usage, mut usage_source) = match (self.usage, self.events) {
            (None, 0) => (Usage::default(), UsageSource::None),
            (usage, _) => counted(usage, input_bytes, self.text_bytes),
        };
        let brought = Usage::estimated(0, self.text_bytes).completion;
        if self.prompt_only && brought > usage.completion {
            usage.completion = brought;
            usage.total = usage.prompt.saturating_add(brought);
            usage_source = UsageSource::Estimated;
        }
        let finish = answer::finish(self.finish, self.tool_calls);
        Closing {
            usage,
            usage_source,
            cost: match usage_source {
                UsageSource::None => Cost::default(),
                _ => Cost::of(&usage, serving.prices, self.service_tier.as_deref())
                    .charged(self.finish, usage.completion),
            },
            finish,
            native: match self.native.is_empty() {
                true => finish.name(),
                false => &self.native,
            },
            stop_sequence: self.stop_sequence.as_deref(),
            service_tier: self.service_tier.as_deref(),
        }
    }

    fn facts(&self, serving: &Serving<'_>, input_bytes: usize) -> Facts {
        let facts = self
            .closing(serving, input_bytes)
            .facts(self.upstream_id.clone());
        match self.finish {
            Some(_) => facts,
            None => Facts {
                finish: None,
                native_finish: None,
                ..facts
            },
        }
    }
}

/// A stream that is read frame by frame.
#[derive(Debug)]
struct Frames {
    framer: Framer,
    notes: Notes,
    kind: Kind,
}

#[derive(Debug)]
enum Framer {
    Lines(Sse),
    Aws(dialect::bedrock::EventStream),
}

#[derive(Debug)]
enum Kind {
    /// Same protocol on both sides.
    Pass(Box<dyn FrameEditor>),
    Translate {
        reader: Box<dyn StreamReader>,
        writer: Box<dyn StreamWriter>,
    },
}

impl Frames {
    fn new(serving: &Serving<'_>, event_bytes_max: usize) -> Frames {
        let framer = match serving.dialect.framing() {
            Framing::Events => Framer::Lines(Sse::new(Lines::Events, event_bytes_max)),
            Framing::Documents => Framer::Lines(Sse::new(Lines::Documents, event_bytes_max)),
            Framing::AwsEventStream => {
                Framer::Aws(dialect::bedrock::EventStream::new(event_bytes_max))
            }
        };
        let kind = match serving.passes() {
            true => Kind::Pass(pass::editor(serving)),
            false => Kind::Translate {
                reader: dialect::reader(serving.dialect),
                writer: api::writer(serving),
            },
        };
        Frames {
            framer,
            notes: Notes::default(),
            kind,
        }
    }

    fn push(
        &mut self,
        input: &[u8],
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Step, StreamFault> {
        let before = self.notes.events;
        let Frames {
            framer,
            notes,
            kind,
        } = self;
        let mut each = |frame: Frame<'_>| kind.frame(frame, notes, serving, out);
        framer.push(input, &mut each)?;
        Ok(Step {
            events: u32::try_from(self.notes.events - before).unwrap_or(u32::MAX),
            done: self.notes.done,
        })
    }

    fn eof(&mut self, serving: &Serving<'_>, out: &mut Vec<u8>) -> Result<EofVerdict, StreamFault> {
        if !self.notes.done {
            let Frames {
                framer,
                notes,
                kind,
            } = self;
            let mut each = |frame: Frame<'_>| kind.frame(frame, notes, serving, out);
            match framer.eof(&mut each) {
                // A last event that is no JSON is one that was cut.
                Ok(()) | Err(StreamFault::Malformed { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(match self.notes.done || self.notes.finish.is_some() {
            true => EofVerdict::Complete,
            false => EofVerdict::Cut,
        })
    }

    fn end(&mut self, serving: &Serving<'_>, input_bytes: usize, out: &mut Vec<u8>) -> Facts {
        if let Kind::Translate { reader, writer } = &mut self.kind {
            let notes = &mut self.notes;
            reader.close(&mut |event| {
                notes.take(&event);
                writer.event(&event, serving, out);
            });
        }
        let finish = answer::finish(self.notes.finish, self.notes.tool_calls);
        self.notes.finish = Some(finish);
        let closing = self.notes.closing(serving, input_bytes);
        match &mut self.kind {
            Kind::Pass(editor) => editor.end(&closing, serving, out),
            Kind::Translate { writer, .. } => writer.end(&closing, serving, out),
        }
        self.notes.done = true;
        self.notes.facts(serving, input_bytes)
    }

    fn interrupted(
        &mut self,
        serving: &Serving<'_>,
        input_bytes: usize,
        refusal: &Refusal,
        out: &mut Vec<u8>,
    ) -> Facts {
        self.notes.finish = Some(Finish::Error);
        self.notes.native.clear();
        let closing = self.notes.closing(serving, input_bytes);
        match &mut self.kind {
            Kind::Pass(editor) => editor.interrupted(refusal, &closing, serving, out),
            Kind::Translate { writer, .. } => writer.interrupted(refusal, &closing, serving, out),
        }
        self.notes.done = true;
        self.notes.facts(serving, input_bytes)
    }

    fn held_bytes(&self) -> usize {
        let framer = match &self.framer {
            Framer::Lines(sse) => sse.held_bytes(),
            Framer::Aws(stream) => stream.held_bytes(),
        };
        let kind = match &self.kind {
            Kind::Pass(editor) => editor.held_bytes(),
            Kind::Translate { reader, writer } => reader.held_bytes() + writer.held_bytes(),
        };
        size_of::<Frames>() + framer + kind
    }
}

impl Framer {
    fn push(&mut self, input: &[u8], each: &mut Each<'_>) -> Result<(), StreamFault> {
        match self {
            Framer::Lines(sse) => sse.push(input, each),
            Framer::Aws(stream) => stream.push(input, each),
        }
    }

    fn eof(&mut self, each: &mut Each<'_>) -> Result<(), StreamFault> {
        match self {
            Framer::Lines(sse) => sse.eof(each),
            Framer::Aws(stream) => stream.eof(each),
        }
    }
}

impl Kind {
    fn frame(
        &mut self,
        frame: Frame<'_>,
        notes: &mut Notes,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        if notes.done {
            return Ok(());
        }
        match self {
            Kind::Pass(editor) => editor.frame(frame, notes, serving, out),
            Kind::Translate { reader, writer } => {
                reader.frame(frame, &mut |event| {
                    notes.take(&event);
                    writer.event(&event, serving, out);
                })?;
                notes.done = reader.done();
                Ok(())
            }
        }
    }
}
