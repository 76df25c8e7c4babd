//! Rankings of a provider in Cohere's form: the same words as the client's, but the documents and the cost, which are ours to say. They are
//! short, so they are written anew.

use crate::answer::{Facts, Serving, Unusable, ranking};

/// Appends the answer.
pub(crate) fn answer(
    text: &str,
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    ranking(text, serving, input_bytes, out)
}
