//! The middle shape: what a client's API and a provider's dialect say to each other when they are not the same protocol.
//!
//! Every API is read into these types and written from them, and so is every dialect; therefore there are APIs + dialects
//! files and not APIs × dialects. The shape is a superset of what the protocols can say. Where they disagree on
//! structure it follows the richest one: content is a list of typed blocks, tool results are blocks, thoughts keep their
//! signatures, and a stream opens, fills and closes numbered blocks.
//!
//! Rules:
//!
//! - **Borrowed.** Texts are borrowed from the document that was read, unless they hold escapes. JSON that nobody here looks into
//!   (schemas, arguments, a vendor's own blocks) stays raw text.
//! - **Nothing is invented.** What was not said is `None` or empty, and a dialect does not write it (checklist Q01).
//! - **Nothing is lost quietly.** A dialect that cannot say something follows [`crate::dialect::Target::cannot`].
//! - Tokens are counted as OpenAI does: cached tokens are part of the prompt, thought is part of the completion. A dialect that
//!   counts otherwise converts when it reads, and an API that counts otherwise converts when it writes.

mod answer;
mod ask;
mod block;
mod embed;
mod reasoning;
mod rerank;
mod tool;

pub use answer::{Answer, Delta, Event, Open, play};
pub use ask::{Ask, Format, Role, Turn};
pub use block::{
    Block, CacheMark, Citation, Source, Text, Thought, ThoughtKind, ToolCall, ToolResult, format,
};
pub use embed::{EmbedAnswer, EmbedAsk, EmbedInput};
pub use reasoning::{BUDGET_TOKENS_MAX, BUDGET_TOKENS_MIN, Effort, Reasoning};
pub use rerank::{RerankAnswer, RerankAsk};
pub use tool::{Function, Tool, ToolChoice, joined_name, split_name};
