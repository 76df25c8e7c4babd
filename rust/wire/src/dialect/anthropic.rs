//! PLACEHOLDER.
use crate::answer::Unusable;
use crate::dialect::{Sink, StreamReader, Target};
use crate::exchange::{Answer, Ask};
use crate::refusal::Refusal;
use crate::sse::Frame;
use crate::stream::StreamFault;

pub(crate) fn write(
    _ask: &Ask<'_>,
    target: &Target<'_>,
    _out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    Err(target.inexpressible("anything"))
}
pub(crate) fn read_answer(_text: &str) -> Result<Answer<'_>, Unusable> {
    Err(Unusable::NoChoices)
}
#[derive(Debug, Default)]
pub(crate) struct Reader;
impl StreamReader for Reader {
    fn frame(&mut self, _frame: Frame<'_>, _sink: &mut Sink<'_>) -> Result<(), StreamFault> {
        Ok(())
    }
    fn close(&mut self, _sink: &mut Sink<'_>) {}
    fn done(&self) -> bool {
        false
    }
    fn held_bytes(&self) -> usize {
        0
    }
}
