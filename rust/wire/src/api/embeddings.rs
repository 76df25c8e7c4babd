//! PLACEHOLDER.
use crate::answer::{Closing, Serving};
use crate::exchange::{EmbedAnswer, EmbedAsk};
use crate::refusal::{Kind, Refusal};
pub(crate) fn read(_text: &str) -> Result<EmbedAsk<'_>, Refusal> {
    Err(Refusal::new(Kind::InvalidRequest))
}
pub(crate) fn write(
    _answer: &EmbedAnswer<'_>,
    _closing: &Closing<'_>,
    _serving: &Serving<'_>,
    _out: &mut Vec<u8>,
) {
}
