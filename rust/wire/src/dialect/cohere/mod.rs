//! Cohere's v2 API: chat, embeddings, ranking.
//!
//! Facts are from Cohere's API reference (v2), read 2026-11, and from recorded traffic. Rankings of many others have the same form, so
//! the readers and writers of `rerank` serve them too.

mod chat;
mod embed;
mod read;
mod rerank;

pub(crate) use chat::write;
pub(crate) use embed::{read_embed, write_embed};
pub(crate) use read::{Reader, read_answer};
pub(crate) use rerank::{read_rerank, write_rerank};
