//! PLACEHOLDER.
use crate::answer::{Closing, Facts, Serving, Unusable};
use crate::pass::FrameEditor;
use crate::refusal::Refusal;
use crate::sse::Frame;
use crate::stream::{Notes, StreamFault};

pub(crate) fn answer(
    _text: &str,
    _serving: &Serving<'_>,
    _input_bytes: usize,
    _out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    Err(Unusable::NoChoices)
}
#[derive(Debug, Default)]
pub(crate) struct Editor;
impl FrameEditor for Editor {
    fn frame(
        &mut self,
        _frame: Frame<'_>,
        _notes: &mut Notes,
        _serving: &Serving<'_>,
        _out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        Ok(())
    }
    fn end(&mut self, _closing: &Closing<'_>, _serving: &Serving<'_>, _out: &mut Vec<u8>) {}
    fn interrupted(
        &mut self,
        _refusal: &Refusal,
        _closing: &Closing<'_>,
        _serving: &Serving<'_>,
        _out: &mut Vec<u8>,
    ) {
    }
    fn held_bytes(&self) -> usize {
        0
    }
}
impl Editor {
    pub(crate) fn new(_serving: &Serving<'_>) -> Editor {
        Editor
    }
}
