//! The data plane: motion. It listens, authenticates, admits, parses, routes, translates, sends, streams and accounts,
//! on threads of its own that never touch Python.
//!
//! Read [`request`] first: it knows the order of the steps, and each step is a file named after it.
//!
//! | what | where |
//! | --- | --- |
//! | clients | `edge/` (HTTP/1.1, HTTP/2, TLS), `caller`, `cors` |
//! | the steps | `authenticate`, `admit`, `preset`, `route/`, `limits/`, `attempts`, `hedge/`, `cache/`, `send`, `plain`, `stream`, `opaque`, `account` |
//! | providers | `upstream/` (origin, dial, pool, connection, answer), `failure`, `gunzip` |
//! | requests of the gateway's own | `inside`, `probe`, `judge` |
//! | what is known | `explain`, `snapshot/`, `models`, `health`, `statistics/`, `metrics/`, `journal/` |
//! | life | `plane`, `thread`, `cold` (everything that is not hot goes to the control side) |
//!
//! Invariants:
//! - No Python, and no lock that Python could hold, between accept and account.
//! - A body in the provider's own dialect is not parsed into a tree and written again: spans change, the rest is passed on.
//! - Nothing is unbounded; each bound has a name and a stated behaviour.
//! - A slow client slows its own provider only; a client that leaves takes its provider's connection with it.
//! - Every answer that a client received whole has its record in the journal before its last byte was sent.
//! - No provider's name stands in this crate.

mod account;
mod admit;
mod attempts;
mod authenticate;
#[doc(hidden)]
pub mod bench;
mod budget;
mod buffer;
mod cache;
mod caller;
mod clock;
mod cold;
mod conclude;
mod cors;
mod deadline;
mod edge;
mod explain;
mod failure;
mod gunzip;
mod health;
mod hedge;
mod inside;
pub mod journal;
mod judge;
mod limits;
mod lock;
pub mod metrics;
mod models;
mod opaque;
mod place;
mod plain;
pub mod plane;
mod preset;
mod probe;
mod recent;
mod record;
mod request;
mod route;
mod secret;
mod send;
#[doc(hidden)]
pub mod simulate;
mod slugs;
pub mod snapshot;
mod socket;
mod statistics;
mod stream;
mod thread;
mod upload;
mod upstream;

pub use plane::Plane;
