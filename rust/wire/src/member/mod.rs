//! Members of objects and elements of arrays: read, one closure per level, and written.
//!
//! There are two ways to read, because the two sides of the gateway are owed different things: `lenient` for what providers send,
//! and the functions here, which are `strict`, for what clients send.

pub(crate) mod lenient;
mod strict;
pub(crate) mod write;

pub(crate) use strict::{
    Later, Path, Reading, array, boolean, malformed, number, object, raw, raw_object, raw_value,
    skip, string, whole,
};
pub(crate) use write::Members;
