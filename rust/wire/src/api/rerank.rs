//! PLACEHOLDER.
use crate::answer::{Closing, Serving};
use crate::exchange::{RerankAnswer, RerankAsk};
use crate::refusal::{Kind, Refusal};
pub(crate) fn read(_text: &str) -> Result<RerankAsk<'_>, Refusal> {
    Err(Refusal::new(Kind::InvalidRequest))
}
pub(crate) fn write(
    _answer: &RerankAnswer<'_>,
    _closing: &Closing<'_>,
    _serving: &Serving<'_>,
    _out: &mut Vec<u8>,
) {
}
