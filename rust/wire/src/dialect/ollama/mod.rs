//! Ollama's own API: chat and embeddings, streams of one JSON document per line.
//!
//! Facts are from Ollama's API documentation (docs/api.md), read 2026-11. Tool calls have no ids there, and their arguments are objects, so
//! ids are made from the place of a call, and a result is tied to its call by the tool's name.

mod embed;
mod read;
mod write;

pub(crate) use embed::{read_embed, write_embed};
pub(crate) use read::{Reader, read_answer};
pub(crate) use write::write;
