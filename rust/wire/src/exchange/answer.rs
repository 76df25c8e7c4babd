//! An answer, whole and as it comes.

use std::borrow::Cow;

use super::{Block, Citation, Source, ThoughtKind};
use crate::finish::Finish;
use crate::usage::Usage;

/// A provider's whole answer.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// Its id there.
    pub id: Option<Cow<'a, str>>,
    /// What was generated, in order.
    pub blocks: Vec<Block<'a>>,
    /// Why it ended.
    pub finish: Option<Finish>,
    /// The provider's own word for that.
    pub native_finish: Option<Cow<'a, str>>,
    /// The stop text that was met.
    pub stop_sequence: Option<Cow<'a, str>>,
    /// Tokens; `None`: the provider did not count.
    pub usage: Option<Usage>,
    /// OpenAI's `logprobs` object of a choice (`{"content":[…]}`), raw.
    pub logprobs: Option<Cow<'a, str>>,
    /// The tier that served, as OpenAI says it.
    pub service_tier: Option<Cow<'a, str>>,
}

/// One step of a streamed answer.
///
/// A reader sends `Start` first and once, then for each block `Open`, any number of `Delta`, `Close`. Numbers count from 0 in the
/// order of opening and are never used again. Blocks may be open side by side, where a provider mixes parallel tool calls.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The provider has begun.
    Start {
        /// Its id there.
        id: Option<&'a str>,
        /// What it says about tokens at the start (Anthropic).
        usage: Option<Usage>,
    },
    /// A block begins.
    Open {
        /// Its number.
        block: u32,
        /// What it is.
        open: Open<'a>,
    },
    /// More of a block.
    Delta {
        /// Its number.
        block: u32,
        /// What is added.
        delta: Delta<'a>,
    },
    /// A block is complete.
    Close {
        /// Its number.
        block: u32,
    },
    /// Tokens as far as counted, all of them each time.
    Usage(Usage),
    /// Why it ended. May be followed by `Usage`.
    Finish {
        /// The reason.
        finish: Finish,
        /// The provider's own word for it.
        native: &'a str,
        /// The stop text that was met.
        stop_sequence: Option<&'a str>,
    },
    /// The tier that serves.
    ServiceTier(&'a str),
}

/// What a block is, as far as known at its beginning.
#[derive(Debug, Clone, Copy)]
pub enum Open<'a> {
    /// Text.
    Text,
    /// A sentence of refusal.
    Refusal,
    /// A thought.
    Thought {
        /// What its text is.
        kind: ThoughtKind,
        /// The provider's id of it.
        id: Option<&'a str>,
        /// See [`Thought::format`].
        format: &'a str,
    },
    /// A tool call; its arguments follow as [`Delta::Text`].
    ToolCall {
        /// Ties the result to the call.
        id: &'a str,
        /// The tool.
        name: &'a str,
        /// See [`ToolCall::custom`].
        custom: bool,
        /// See [`ToolCall::namespace`].
        namespace: Option<&'a str>,
        /// See [`ToolCall::signature`].
        signature: Option<&'a str>,
    },
    /// An image, whole.
    Image {
        /// Its type.
        media_type: &'a str,
        /// Its bytes; or, without a media type, its address.
        base64: &'a str,
    },
    /// Spoken output.
    Audio {
        /// OpenAI's id of it.
        id: Option<&'a str>,
    },
}

/// What is added to a block.
#[derive(Debug, Clone, Copy)]
pub enum Delta<'a> {
    /// Text of a text, a refusal, a thought; arguments of a tool call; the encrypted data of a thought.
    Text(&'a str),
    /// The signature of a thought, of a tool call or of a text; whole as a rule, pieces are joined.
    Signature(&'a str),
    /// A source of a text.
    Citation(&'a Citation<'a>),
    /// OpenAI's `logprobs` object for the text before, raw.
    Logprobs(&'a str),
    /// A piece of sound.
    Audio {
        /// Base64.
        data: &'a str,
        /// What is said in it.
        transcript: &'a str,
    },
}

/// Plays a whole answer as the steps of a stream, for providers that ignore `stream`.
pub fn play(answer: &Answer<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    sink(Event::Start {
        id: answer.id.as_deref(),
        usage: answer.usage,
    });
    let mut number = 0;
    for block in &answer.blocks {
        if play_block(block, number, answer, sink) {
            number += 1;
        }
    }
    if let Some(tier) = &answer.service_tier {
        sink(Event::ServiceTier(tier));
    }
    if let Some(usage) = answer.usage {
        sink(Event::Usage(usage));
    }
    if let Some(finish) = answer.finish {
        sink(Event::Finish {
            finish,
            native: answer.native_finish.as_deref().unwrap_or(finish.name()),
            stop_sequence: answer.stop_sequence.as_deref(),
        });
    }
}

/// Whether the block was played; what an answer cannot hold is left out.
fn play_block(
    block: &Block<'_>,
    number: u32,
    answer: &Answer<'_>,
    sink: &mut dyn FnMut(Event<'_>),
) -> bool {
    let mut whole = |open: Open<'_>, deltas: &[Delta<'_>]| {
        sink(Event::Open {
            block: number,
            open,
        });
        for delta in deltas {
            sink(Event::Delta {
                block: number,
                delta: *delta,
            });
        }
        sink(Event::Close { block: number });
        true
    };
    match block {
        Block::Text(text) => {
            let mut deltas = vec![Delta::Text(&text.text)];
            deltas.extend(text.citations.iter().map(Delta::Citation));
            deltas.extend(answer.logprobs.as_deref().map(Delta::Logprobs));
            deltas.extend(text.signature.as_deref().map(Delta::Signature));
            whole(Open::Text, &deltas)
        }
        Block::Refusal(text) => whole(Open::Refusal, &[Delta::Text(text)]),
        Block::Thought(thought) => {
            let mut deltas = vec![Delta::Text(&thought.text)];
            deltas.extend(thought.signature.as_deref().map(Delta::Signature));
            let open = Open::Thought {
                kind: thought.kind,
                id: thought.id.as_deref(),
                format: &thought.format,
            };
            whole(open, &deltas)
        }
        Block::ToolCall(call) => {
            let open = Open::ToolCall {
                id: &call.id,
                name: &call.name,
                custom: call.custom,
                namespace: call.namespace.as_deref(),
                signature: call.signature.as_deref(),
            };
            whole(open, &[Delta::Text(&call.arguments)])
        }
        Block::Image {
            source: Source::Data { media_type, base64 },
            ..
        } => whole(Open::Image { media_type, base64 }, &[]),
        Block::Image {
            source: Source::Url(url),
            ..
        } => whole(
            Open::Image {
                media_type: "",
                base64: url,
            },
            &[],
        ),
        Block::Audio {
            data,
            transcript,
            id,
            ..
        } => whole(
            Open::Audio { id: id.as_deref() },
            &[Delta::Audio {
                data,
                transcript: transcript.as_deref().unwrap_or_default(),
            }],
        ),
        Block::Image { .. }
        | Block::File { .. }
        | Block::Video { .. }
        | Block::ToolResult(_)
        | Block::Foreign(_) => false,
    }
}
