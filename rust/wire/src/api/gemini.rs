//! PLACEHOLDER.
use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::exchange::{Answer, Ask, Event};
use crate::refusal::{Kind, Refusal};

pub(crate) fn read(_text: &str) -> Result<Ask<'_>, Refusal> {
    Err(Refusal::new(Kind::InvalidRequest))
}
pub(crate) fn write_answer(
    _answer: &Answer<'_>,
    _closing: &Closing<'_>,
    _serving: &Serving<'_>,
    _out: &mut Vec<u8>,
) {
}
#[derive(Debug)]
pub(crate) struct Writer;
impl Writer {
    pub(crate) fn new(_serving: &Serving<'_>) -> Writer {
        Writer
    }
}
impl StreamWriter for Writer {
    fn event(&mut self, _event: &Event<'_>, _serving: &Serving<'_>, _out: &mut Vec<u8>) {}
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
pub(crate) fn write_refusal(refusal: &Refusal, _id: &str, out: &mut Vec<u8>) {
    refusal.write_json(out);
}
pub(crate) fn read_embed(
    _api: crate::api::Api,
    _text: &str,
) -> Result<crate::exchange::EmbedAsk<'_>, Refusal> {
    Err(Refusal::new(Kind::InvalidRequest))
}
pub(crate) fn write_embed(
    _answer: &crate::exchange::EmbedAnswer<'_>,
    _closing: &Closing<'_>,
    _serving: &Serving<'_>,
    _out: &mut Vec<u8>,
) {
}
