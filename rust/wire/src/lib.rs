//! The words of the gateway: what clients and providers say to each other, read and written.
//!
//! This crate lacks IO, a clock, randomness, configuration and Python. Bytes and plain values go in, bytes and plain values
//! come out, so nothing outside can make it fail and every behaviour is pinned by golden files and properties.
//!
//! Rules that hold in every file here:
//!
//! - **Spans, not trees.** Where both sides speak the same protocol, a body is read once, by [`json::Walker`], and changed by cutting and splicing byte ranges. What is
//!   not understood is forwarded byte for byte, so unknown fields survive in both directions.
//! - **One reading.** The walker accepts exactly what a full parser accepts. Where a document could be read in two ways
//!   (a key given twice, a key written with escapes), it is first rewritten into the form that has one reading, and that form
//!   is what travels on. So the model that is booked is the model that was served.
//! - **Bounded.** Nesting, event size and kept excerpts have named limits.
//! - **Exact money.** Prices and costs are integers of nano-dollars.
//!
//! | module | is |
//! | --- | --- |
//! | [`api`] | the APIs that clients speak: requests read, answers written |
//! | [`dialect`] | the protocols that providers speak: requests written, answers read |
//! | [`exchange`] | the middle shape in which the two meet when they differ |
//! | `pass` | answers that pass because both sides speak the same |
//! | [`opaque`] | operations that only the provider understands: images, audio, moderation |
//! | [`multipart`] | forms, in which some of those are asked for |
//! | [`upload`] | forms that are passed on while they arrive |
//! | [`parameter`] | the parameters in which endpoints differ |
//! | [`feature`] | what a body needs of an endpoint beside its model |
//! | [`preferences`] | the client's wishes about who serves |
//! | [`sse`] | byte streams cut into frames |
//! | [`json`] | the walker, and what is needed to write JSON back |
//! | `detail` | `reasoning_details`, in which clients and providers carry thoughts |
//! | `member` | members of objects and elements of arrays: read leniently, or with refusals that say where, and written |
//! | `merge` | bodies with members changed |
//! | [`preset`] | members of a body that are kept under a name |
//! | [`suffix`] | what a model's name says about the body |
//! | [`plugin`] | what a request says to the routers |
//! | [`request`] | what routing reads of a client's body, and the body that goes upstream |
//! | [`answer`] | a plain answer of a provider, made ours |
//! | [`stream`] | a streamed answer, made ours |
//! | [`classify`] | a guess of what a request is about |
//! | [`beside`] | what is said beside an answer to those who ask for it |
//! | [`replay`] | an answer given again from memory |
//! | [`usage`], [`cost`], [`finish`] | tokens, money, and why a generation ended |
//! | [`tool`] | whether an answer calls tools as they were declared |
//! | [`conversation`] | by which words a conversation is known again |
//! | [`count`] | an estimate of tokens, where nobody counts |
//! | [`refusal`] | the one table of errors that clients see |
//! | [`upstream_error`] | what a provider's own error body says |

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]

pub mod answer;
pub mod api;
pub mod beside;
pub mod classify;
pub mod conversation;
pub mod cost;
pub mod count;
mod detail;
pub mod dialect;
mod edit;
pub mod exchange;
pub mod feature;
pub mod finish;
pub mod hedge;
pub mod json;
mod member;
mod merge;
pub mod multipart;
pub mod opaque;
pub mod parameter;
mod pass;
pub mod plugin;
pub mod preferences;
pub mod preset;
pub mod refusal;
mod repeat;
pub mod replay;
pub mod request;
pub mod sse;
pub mod stream;
pub mod suffix;
pub mod timeout;
pub mod tool;
pub mod upload;
pub mod upstream_error;
pub mod usage;
