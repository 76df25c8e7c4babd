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
pub(crate) fn write_embed(
    _ask: &crate::exchange::EmbedAsk<'_>,
    target: &Target<'_>,
    _out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    Err(target.inexpressible("anything"))
}
pub(crate) fn read_embed(_text: &str) -> Result<crate::exchange::EmbedAnswer<'_>, Unusable> {
    Err(Unusable::NoChoices)
}
#[derive(Debug)]
pub(crate) struct EventStream;
impl EventStream {
    pub(crate) fn new(_event_bytes_max: usize) -> EventStream {
        EventStream
    }
    pub(crate) fn push(
        &mut self,
        _input: &[u8],
        _each: &mut crate::sse::Each<'_>,
    ) -> Result<(), StreamFault> {
        Ok(())
    }
    pub(crate) fn eof(&mut self, _each: &mut crate::sse::Each<'_>) -> Result<(), StreamFault> {
        Ok(())
    }
    pub(crate) fn held_bytes(&self) -> usize {
        0
    }
}
