//! The caller of a request that the gateway makes by itself: a probe, or a question to a judge.
//!
//! It goes through the same attempts, translation and booking as a client's, so that what is found out is what a client would have
//! found. Nobody waits for it: there is no client that could leave, and what would be sent is kept here, up to a bound.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::caller::{Caller, Gone, ReplyHead, Seat};
use crate::clock::Timer;
use crate::edge::head::Head;

/// The address that stands for the gateway itself in records.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The gateway as its own client.
pub(crate) struct Inside {
    /// Says nothing, so that nothing of a client's reaches the provider.
    head: Head,
    seat: Rc<Seat>,
    timer: Timer,
    out: Vec<u8>,
    status: u16,
    answer: Vec<u8>,
    answer_bytes_max: usize,
}

impl Inside {
    /// `seat`: of the task that runs it, by which it is told to end. Of the answer at most `answer_bytes_max` are kept.
    pub(crate) fn new(seat: Rc<Seat>, answer_bytes_max: usize) -> Inside {
        Inside {
            head: Head::default(),
            seat,
            timer: Timer::new(),
            out: Vec::new(),
            status: 0,
            answer: Vec::new(),
            answer_bytes_max,
        }
    }

    /// The answer, if it is a good one.
    pub(crate) fn answer(self) -> Option<Vec<u8>> {
        (self.status == 200).then_some(self.answer)
    }

    /// Keeps what would be sent.
    fn take(&mut self, head: Option<&ReplyHead>) {
        if let Some(head) = head {
            self.status = head.status;
        }
        let room = self.answer_bytes_max - self.answer.len();
        let kept = self.out.get(..room).unwrap_or(&self.out);
        self.answer.extend_from_slice(kept);
        self.out.clear();
    }
}

impl Caller for Inside {
    fn head(&self) -> &Head {
        &self.head
    }

    fn seat(&self) -> &Seat {
        &self.seat
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    async fn reply(&mut self, head: &ReplyHead) -> Result<(), Gone> {
        self.take(Some(head));
        Ok(())
    }

    async fn begin(&mut self, head: &ReplyHead) -> Result<(), Gone> {
        self.take(Some(head));
        Ok(())
    }

    async fn part(&mut self) -> Result<(), Gone> {
        self.take(None);
        Ok(())
    }

    async fn end(&mut self, head: Option<&ReplyHead>) -> Result<(), Gone> {
        self.take(head);
        Ok(())
    }
}
