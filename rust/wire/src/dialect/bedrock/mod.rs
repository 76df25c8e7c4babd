//! Amazon Bedrock's Converse: one protocol for the models of many makers, in AWS's own stream framing.
//!
//! Facts are from the Bedrock Runtime API reference ("Converse", "ConverseStream", "InvokeModel"), read 2026-11, and from recorded traffic.

mod embed;
mod event_stream;
mod read;
mod write;

pub(crate) use embed::{read_embed, write_embed};
pub(crate) use event_stream::EventStream;
pub(crate) use read::{Reader, read_answer};
pub(crate) use write::write;
