//! PLACEHOLDER.
use crate::answer::{Facts, Serving, Unusable};
pub(crate) fn answer(
    _text: &str,
    _serving: &Serving<'_>,
    _input_bytes: usize,
    _out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    Err(Unusable::NoChoices)
}
