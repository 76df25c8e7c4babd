//! OpenAI's chat completions, as OpenRouter extends them (openrouter.md §2.1, §2.10, §4.1–4.5).
//!
//! Where the provider speaks the same, none of this is used: the body and the chunks pass. What stands here is for a provider of
//! another dialect.

mod read;
mod write;

pub(crate) use read::{Shown, Stated, read, read_content, read_with, stop_texts};
pub(crate) use write::{
    Writer, envelope, write_answer, write_reasons, write_stream_end, write_stream_error,
};
