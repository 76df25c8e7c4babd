//! Gemini's API as clients speak it: generateContent, streamGenerateContent, embedContent, batchEmbedContents.
//!
//! Model and stream stand in the path. A stream is written as server-sent events; for clients that do not ask for `alt=sse`, [`ArrayFraming`]
//! turns the events into the array that they expect, whoever wrote them.

mod array;
mod embed;
mod read;
mod refusal;
mod schema;
mod signature;
mod stream;
mod write;

pub use array::ArrayFraming;
pub(crate) use embed::{read_embed, write_embed};
pub(crate) use read::read;
pub(crate) use refusal::write_refusal;
pub(crate) use stream::Writer;
pub(crate) use write::write_answer;
