//! OpenAI's chat completions as a protocol of providers, and the embeddings beside it.
//!
//! Nearly everybody speaks it, and nearly everybody speaks it a little differently. How a request has to differ is said by
//! [`crate::dialect::Quirks`]; answers are read so that all the differences that are known mean the same.

mod answer;
mod embed;
mod stream;
mod write;

pub(crate) use answer::read_answer;
pub(crate) use embed::{read_embed, write_embed};
pub(crate) use stream::Reader;
pub(crate) use write::write;
