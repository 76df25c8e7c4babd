//! The client's side of one request, whatever the protocol version.
//!
//! `request.rs` and the steps below it speak to the client only through two traits. [`Incoming`] is who sends a request: it is read
//! and looked at before there is an attempt, and only connections ([`edge::h1`](crate::edge::h1), [`edge::h2`](crate::edge::h2)) have
//! that to offer. [`Caller`] is whom the answer is for, and that may also be somebody who stands for a client: the gateway
//! [itself](crate::inside::Inside), or one of two attempts that [race](crate::hedge).
//!
//! This file also holds the one rule for waiting on a provider: [`patiently`].

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use turnout_wire::refusal::{Kind, Refusal};

use crate::account::GenerationId;
use crate::clock::{Instant, Timer};
use crate::edge::head::Head;

/// The client went away, or takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// Why a request's body could not be read.
#[derive(Debug)]
pub(crate) enum BodyFault {
    Refused(Box<Refusal>),
    Gone,
}

impl BodyFault {
    /// The body is larger than the gateway takes.
    pub(crate) fn too_large(bytes_max: usize) -> BodyFault {
        BodyFault::refused(
            Kind::PayloadTooLarge,
            format!("The request's body is larger than {bytes_max} bytes (server.limits.body)"),
        )
    }

    /// The body did not arrive in time.
    pub(crate) fn too_slow(time: Duration) -> BodyFault {
        BodyFault::refused(
            Kind::RequestTimeout,
            format!(
                "The request's body did not arrive within {} ms (server.timeouts.body)",
                time.as_millis()
            ),
        )
    }

    /// Any other refusal.
    pub(crate) fn refused(kind: Kind, message: impl Into<Cow<'static, str>>) -> BodyFault {
        BodyFault::Refused(Box::new(Refusal::new(kind).with_message(message)))
    }
}

/// What stands before an answer's body.
#[derive(Debug, Default)]
pub(crate) struct ReplyHead {
    pub(crate) status: u16,
    /// Empty: no body.
    pub(crate) content_type: Cow<'static, str>,
    /// Value of `X-Generation-Id`; empty when there is none.
    pub(crate) generation_id: GenerationId,
    /// Origin that may read the answer; empty: no CORS headers.
    pub(crate) cors_origin: String,
    pub(crate) extra: Vec<(Cow<'static, str>, String)>,
}

impl ReplyHead {
    pub(crate) fn new(status: u16, content_type: &'static str) -> Self {
        ReplyHead {
            status,
            content_type: Cow::Borrowed(content_type),
            ..ReplyHead::default()
        }
    }

    pub(crate) fn json(status: u16) -> Self {
        ReplyHead::new(status, "application/json")
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.extra.push((Cow::Borrowed(name), value.into()));
        self
    }
}

/// The content type of our own streams. What the control side streams brings headers of its own.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// Headers that a page of another origin may read.
pub(crate) const CORS_EXPOSED: &str = concat!(
    "X-Generation-Id, Retry-After, ",
    "X-OpenRouter-Cache-Status, X-OpenRouter-Cache-Age, X-OpenRouter-Cache-TTL, X-OpenRouter-Cache-Source-Id",
);

/// What the thread knows of a connection (or of one HTTP/2 stream), so that it can be told to end.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// Told to close as soon as it serves no request.
    pub(crate) closing: Cell<bool>,
    /// Told to end: as `closing`, and a busy one answers its request with an error event or a refusal.
    pub(crate) ending: Cell<bool>,
    /// Of the task that serves it. Set once: a task's waker does not change.
    waker: RefCell<Option<Waker>>,
}

impl Seat {
    /// A seat for the task that is running now.
    pub(crate) async fn of_this_task() -> Rc<Seat> {
        let seat = Rc::new(Seat::default());
        poll_fn(|cx| {
            *seat.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        seat
    }

    /// Tells it to close between two requests.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.wake();
    }

    /// Tells it to end.
    pub(crate) fn end(&self) {
        self.ending.set(true);
        self.close();
    }

    /// Lets its task look around.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// Whom a request's answer is for.
pub(crate) trait Caller {
    /// Whether another attempt of the same request may run beside the one that this caller is of: then the client has to be claimed
    /// before anything is written for it or booked.
    const IS_CONTESTED: bool = false;

    /// Waits until the client is this attempt's alone. `comments`: what its stream has been told meanwhile.
    async fn claim(&mut self, comments: &mut Comments<'_>) {
        let _ = comments;
    }

    /// An answer that is sent whole has begun to arrive.
    fn arriving(&mut self) {}

    /// Head of the request.
    fn head(&self) -> &Head;

    fn seat(&self) -> &Seat;

    /// Ready when the client has left. Registers the task for it otherwise.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    fn timer(&mut self) -> &mut Timer;

    /// Where the body of an answer, or the next part of a stream, is written before it is sent. Empty between sends.
    fn out(&mut self) -> &mut Vec<u8>;

    /// Sends a whole answer: the head and what stands in [`Caller::out`].
    async fn reply(&mut self, head: &ReplyHead) -> Result<(), Gone>;

    /// Sends the head of a stream and what stands in [`Caller::out`] as its first part.
    async fn begin(&mut self, head: &ReplyHead) -> Result<(), Gone>;

    /// Sends what stands in [`Caller::out`] as the next part. Waits until the client has taken it: back-pressure.
    async fn part(&mut self) -> Result<(), Gone>;

    /// Sends what stands in [`Caller::out`] as the last part, with the head before it when none has been sent.
    async fn end(&mut self, head: Option<&ReplyHead>) -> Result<(), Gone>;
}

/// A client whose request is read here.
pub(crate) trait Incoming: Caller {
    /// Address of the other end of the connection.
    fn peer(&self) -> IpAddr;

    /// When the head had been read.
    fn began(&self) -> Instant;

    /// Reads the whole body, at most `bytes_max` of it, within `time`.
    async fn body(&mut self, bytes_max: usize, time: Duration) -> Result<Vec<u8>, BodyFault>;

    /// Tells a client that waits to be asked for its body to send it.
    async fn invite(&mut self) -> Result<(), Gone>;

    /// Appends the next piece of the body, about `bytes_max` of it at most, as soon as there is any: back-pressure is not to ask. How
    /// much it was; zero at the end.
    fn poll_piece(
        &mut self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, BodyFault>>;

    /// Microseconds that [`Incoming::body`] has waited for the client.
    fn body_wait_us(&self) -> u64;

    /// Adds to them what somebody else has waited for the body.
    fn waited_for_body(&mut self, micros: u64);
}

/// How a wait for the provider was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    Timeout,
    Gone,
    /// The plane is shutting down and its patience is over.
    Ending,
}

/// What the client of a stream is told during silence.
#[derive(Debug)]
pub(crate) struct Comments<'a> {
    /// `None` for a plain answer: nothing is said.
    pub(crate) head: Option<&'a ReplyHead>,
    /// Whether the head of the stream has been sent.
    pub(crate) begun: bool,
    pub(crate) every: Duration,
    /// When something was last sent, or when the wait began.
    pub(crate) last: Instant,
}

/// The comment line. Its text is the one that clients of OpenRouter know.
pub(crate) const COMMENT: &[u8] = b": OPENROUTER PROCESSING\n\n";

/// Waits for something of the provider's until `deadline`, while watching the client and keeping its stream alive.
///
/// The future is polled first, so a provider that has already answered costs no look at the client or the timer.
pub(crate) async fn patiently<C: Caller, F: Future>(
    caller: &mut C,
    comments: &mut Comments<'_>,
    deadline: Instant,
    future: F,
) -> Result<F::Output, Break> {
    let mut future = std::pin::pin!(future);
    loop {
        let comment_at = comments.head.map(|_| comments.last + comments.every);
        let wake_at = comment_at.map_or(deadline, |at| at.min(deadline));
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(Some(value)));
            }
            if caller.seat().ending.get() {
                return Poll::Ready(Err(Break::Ending));
            }
            if caller.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Break::Gone));
            }
            caller.timer().poll(wake_at, cx).map(|()| Ok(None))
        })
        .await?;
        if let Some(value) = outcome {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            return Err(Break::Timeout);
        }
        if let Some(head) = comments.head {
            caller.out().extend_from_slice(COMMENT);
            let sent = if comments.begun {
                caller.part().await
            } else {
                caller.begin(head).await
            };
            comments.begun = true;
            comments.last = Instant::now();
            sent.map_err(|Gone| Break::Gone)?;
        }
    }
}
