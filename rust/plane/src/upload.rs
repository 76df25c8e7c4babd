//! Forms whose file is too large to be held: their beginning is held, and the rest goes to the provider while it arrives.
//!
//! - The **beginning** (`server.limits.form`) is enough to know the model. A form that does not name it there is held whole, up to
//!   `server.limits.body`: nothing can be sent before it is known to whom. So is one whose length nobody told.
//! - The **rest** is read only as fast as the provider takes it, a piece at a time. While nothing of it has been sent, the beginning can
//!   be sent to another endpoint; after that, nobody else can be asked, because what has gone is not here any more.
//! - The client has `server.timeouts.body` for each `server.limits.body` bytes that it sends, so that a large form must come at the pace
//!   of the largest body. Only waiting for the client counts: a slow provider has its own time for each piece (its idle time).
//! - A provider that answers before it has everything is believed, and its connection closed.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use turnout_wire::api::{Api, Task};
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::{Request, Upstream};
use turnout_wire::upload::{Beginning, Rest};

use crate::account::Account;
use crate::caller::{BodyFault, Break, Caller, Comments, Gone, Incoming, patiently};
use crate::clock::{Instant, micros};
use crate::edge::head::{BodyLength, Head, Known};
use crate::failure::Failure;
use crate::send::Trouble;
use crate::snapshot::{Provider, Server};
use crate::upstream::answer::AnswerHead;
use crate::upstream::connection::{Connection, Fault};

/// Most that is read from the client before it is passed on.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// What is still to come of a form from a caller of this type.
pub(crate) struct Upload<C> {
    rest: Rest,
    /// Bytes that have not been read from the client.
    left: u64,
    /// Whether more than the beginning has been read: then no other endpoint can be asked.
    is_begun: bool,
    source: Source<C>,
}

impl<C> Upload<C> {
    /// The request, whose beginning is `body`.
    pub(crate) fn request(&self, body: Vec<u8>) -> Result<Request, Refusal> {
        self.rest.request(body)
    }

    /// How many bytes come behind the beginning, while none of them has been read.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Whether another endpoint could not get the whole of it any more.
    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun
    }
}

/// The client, as far as it is read from while its request is passed on.
struct Source<C> {
    /// [`Incoming::poll_piece`]. Held as a value, so that attempts need not be told twice over whether their caller can be read: who
    /// has an upload has this.
    poll_piece: PollPiece<C>,
    pace: Pace,
}

type PollPiece<C> =
    fn(&mut C, &mut Vec<u8>, usize, &mut Context<'_>) -> Poll<Result<usize, BodyFault>>;

impl<C: Incoming> Source<C> {
    fn new(pace: Pace) -> Source<C> {
        Source {
            poll_piece: C::poll_piece,
            pace,
        }
    }
}

/// How long the client may still let us wait.
#[derive(Debug)]
struct Pace {
    /// For each so many bytes …
    bytes: u64,
    /// … so long.
    time: Duration,
    left: Duration,
    /// Bytes that have come for the time that was given last.
    come: u64,
}

impl Pace {
    fn new(bytes: usize, time: Duration) -> Pace {
        Pace {
            bytes: (bytes as u64).max(1),
            time,
            left: time,
            come: 0,
        }
    }

    fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    fn came(&mut self, bytes: usize) {
        self.come = self.come.saturating_add(bytes as u64);
        while self.come >= self.bytes {
            self.come -= self.bytes;
            self.left = self.left.saturating_add(self.time);
        }
    }
}

/// How long a body is that may be passed on while it arrives. `None` for nearly all of them.
#[inline]
pub(crate) fn length(head: &Head, api: Api, server: &Server) -> Option<u64> {
    match head.body {
        BodyLength::Known(length)
            if api.task() == Task::Transcribe && length > server.limits.form_bytes_max as u64 =>
        {
            Some(length)
        }
        _ => None,
    }
}

/// Reads a body of `length` bytes: of a form only the beginning, where the rest can be passed on, and then that is the second value.
pub(crate) async fn begin<C: Incoming>(
    caller: &mut C,
    server: &Server,
    api: Api,
    length: u64,
) -> Result<(Vec<u8>, Option<Box<Upload<C>>>), BodyFault> {
    let refused = |refusal| BodyFault::Refused(Box::new(refusal));
    let limits = &server.limits;
    let Some(beginning) = Beginning::new(api, caller.head().text(Known::ContentType)) else {
        let body = caller.body(limits.body_bytes_max, server.body_time).await?;
        return Ok((body, None));
    };
    let mut beginning = beginning.map_err(refused)?;
    if length > limits.upload_bytes_max as u64 {
        let message = format!(
            "The form is larger than {} bytes (server.limits.upload)",
            limits.upload_bytes_max
        );
        return Err(BodyFault::refused(Kind::PayloadTooLarge, message));
    }
    caller.invite().await.map_err(|Gone| BodyFault::Gone)?;
    let mut pace = Pace::new(limits.body_bytes_max, server.body_time);
    let mut left = length;
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let waiting = Instant::now();
        let deadline = waiting + pace.left;
        let came = poll_fn(
            |cx| match caller.poll_piece(&mut piece, PIECE_BYTES_MAX, cx) {
                Poll::Ready(came) => Poll::Ready(Some(came)),
                Poll::Pending => caller.timer().poll(deadline, cx).map(|()| None),
            },
        )
        .await;
        let now = Instant::now();
        caller.waited_for_body(micros(waiting, now));
        pace.waited(now.duration_since(waiting));
        match came {
            None => return Err(BodyFault::too_slow(server.body_time)),
            Some(Ok(0)) => return Err(BodyFault::Gone),
            Some(came) => pace.came(came?),
        }
        left = left.saturating_sub(piece.len() as u64);
        beginning.push(&piece).map_err(refused)?;
        if left == 0 {
            return Ok((beginning.into_body(), None));
        }
        if beginning.len() < limits.form_bytes_max {
            continue;
        }
        if beginning.names_model() {
            let (body, rest) = beginning.into_parts();
            let upload = Upload {
                rest,
                left,
                is_begun: false,
                source: Source::new(pace),
            };
            return Ok((body, Some(Box::new(upload))));
        }
        if length > limits.body_bytes_max as u64 {
            let message = format!(
                "The form is larger than {} bytes (server.limits.body) and does not name its model in the first {} \
                 (server.limits.form); put the field `model` before the file",
                limits.body_bytes_max, limits.form_bytes_max
            );
            return Err(BodyFault::refused(Kind::PayloadTooLarge, message));
        }
    }
}

/// Sends the head, the beginning and then the rest as it comes, and reads the head of the answer.
#[expect(
    clippy::too_many_arguments,
    reason = "an attempt's company, each thing used alone"
)]
pub(crate) async fn send<C: Caller>(
    caller: &mut C,
    upload: &mut Upload<C>,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    provider: &Provider,
    mut connection: Connection,
    text: &[u8],
    body: &Upstream<'_>,
    attempt_deadline: Instant,
) -> Result<(Connection, AnswerHead), Trouble> {
    let mut head = AnswerHead::with_lines();
    let mut passage = Passage {
        account,
        first_byte_time: provider.first_byte_time,
        pour: Pour {
            connection: &mut connection,
            head: &mut head,
            idle_time: provider.idle_time,
            deadline: attempt_deadline,
        },
    };
    let outcome = passage.run(caller, upload, comments, text, body).await;
    // What is left of the request stands between this answer and the next.
    head.keep_alive &= upload.left == 0;
    outcome.map(|()| (connection, head))
}

/// One attempt to send a form that is still arriving.
struct Passage<'a, 'b> {
    account: &'a mut Account<'b>,
    first_byte_time: Duration,
    pour: Pour<'a>,
}

impl Passage<'_, '_> {
    async fn run<C: Caller>(
        &mut self,
        caller: &mut C,
        upload: &mut Upload<C>,
        comments: &mut Comments<'_>,
        text: &[u8],
        body: &Upstream<'_>,
    ) -> Result<(), Trouble> {
        let mut slices = Vec::with_capacity(8);
        slices.push(text);
        slices.extend(body.pieces());
        let mut event = self.pour.write(caller, &slices).await;
        let mut piece = Vec::new();
        while matches!(event, Event::Moved) && upload.left > 0 {
            event = self
                .pour
                .receive(caller, &mut upload.source, &mut piece)
                .await;
            upload.is_begun |= !piece.is_empty();
            upload.left = upload.left.saturating_sub(piece.len() as u64);
            if !matches!(event, Event::Moved) {
                break;
            }
            upload
                .rest
                .push(&piece, upload.left == 0)
                .map_err(|refusal| Trouble::Refused(Box::new(refusal)))?;
            event = self.pour.write(caller, &[&piece]).await;
        }
        // All of it was waiting, for one side or the other.
        self.account.waited(self.account.last());
        match event {
            Event::Moved => {
                self.account.request_sent();
                self.answer(caller, comments).await
            }
            Event::Answered(read) => read.map_err(|fault| Failure::of_fault(&fault).into()),
            // It may have answered before it closed.
            Event::Closed(error) => match self.answer(caller, comments).await {
                Err(Trouble::Failed(_)) => Err(Failure::of_fault(&Fault::Io(error)).into()),
                outcome => outcome,
            },
            Event::Fault(BodyFault::Gone) => Err(Trouble::Broken(Break::Gone)),
            Event::Fault(BodyFault::Refused(refusal)) => Err(Trouble::Refused(refusal)),
            Event::Ending => Err(Trouble::Broken(Break::Ending)),
            Event::Late => {
                let time = self.pour.idle_time;
                Err(Failure::timeout("it took nothing more of the request", time).into())
            }
        }
    }

    /// Waits for the answer.
    async fn answer<C: Caller>(
        &mut self,
        caller: &mut C,
        comments: &mut Comments<'_>,
    ) -> Result<(), Trouble> {
        let waiting = self.account.last();
        let deadline = (waiting + self.first_byte_time).min(self.pour.deadline);
        let reading = poll_fn(|cx| self.pour.connection.poll_head(self.pour.head, cx));
        let read = patiently(caller, comments, deadline, reading).await;
        self.account.waited(waiting);
        match read {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(Failure::of_fault(&fault).into()),
            Err(Break::Timeout) => {
                Err(Failure::timeout("no answer", deadline.duration_since(waiting)).into())
            }
            Err(broken) => Err(Trouble::Broken(broken)),
        }
    }
}

/// A body on its way from the client to a connection, as fast as the slower of them allows.
struct Pour<'a> {
    connection: &'a mut Connection,
    head: &'a mut AnswerHead,
    /// How long the connection may take nothing.
    idle_time: Duration,
    /// When all of it must be over.
    deadline: Instant,
}

/// How a body's way to the control side ended.
pub(crate) enum Poured {
    Sent,
    /// Answered before all of it was sent, or closed.
    Answered(Result<(), Fault>),
    Refused(Box<Refusal>),
    Gone,
    /// The other side takes nothing, or the plane is shutting down.
    Stuck,
}

/// Sends a head and then the body of `length` bytes as it comes. `idle_time`: how long the other side may take nothing.
pub(crate) async fn pour<C: Incoming>(
    caller: &mut C,
    server: &Server,
    connection: &mut Connection,
    head: &mut AnswerHead,
    text: &[u8],
    length: u64,
    idle_time: Duration,
) -> Poured {
    if caller.invite().await.is_err() {
        return Poured::Gone;
    }
    let mut source = Source::new(Pace::new(server.limits.body_bytes_max, server.body_time));
    let mut pour = Pour {
        connection,
        head,
        idle_time,
        deadline: Instant::now() + server.attempts_time,
    };
    let mut left = length;
    let mut piece = Vec::new();
    let mut event = pour.write(caller, &[text]).await;
    while matches!(event, Event::Moved) && left > 0 {
        event = pour.receive(caller, &mut source, &mut piece).await;
        left = left.saturating_sub(piece.len() as u64);
        if matches!(event, Event::Moved) {
            event = pour.write(caller, &[&piece]).await;
        }
    }
    match event {
        Event::Moved => Poured::Sent,
        Event::Answered(read) => Poured::Answered(read),
        Event::Closed(_) => {
            // What it has said before it closed is here already.
            let read = poll_fn(|cx| pour.connection.poll_head(pour.head, cx)).await;
            Poured::Answered(read)
        }
        Event::Fault(BodyFault::Refused(refusal)) => Poured::Refused(refusal),
        Event::Fault(BodyFault::Gone) => Poured::Gone,
        Event::Late | Event::Ending => Poured::Stuck,
    }
}

/// What a wait ended with.
enum Event {
    /// Bytes came, or went.
    Moved,
    /// The client's part failed.
    Fault(BodyFault),
    /// Nothing more can be written: the other side has closed, perhaps with an answer.
    Closed(std::io::Error),
    Answered(Result<(), Fault>),
    Late,
    Ending,
}

impl Pour<'_> {
    /// Reads the next piece from the client.
    async fn receive<C: Caller>(
        &mut self,
        caller: &mut C,
        source: &mut Source<C>,
        piece: &mut Vec<u8>,
    ) -> Event {
        piece.clear();
        let waiting = Instant::now();
        let deadline = (waiting + source.pace.left).min(self.deadline);
        let event = poll_fn(|cx| {
            if caller.seat().ending.get() {
                return Poll::Ready(Event::Ending);
            }
            if let Poll::Ready(read) = self.connection.poll_head(self.head, cx) {
                return Poll::Ready(Event::Answered(read));
            }
            match (source.poll_piece)(caller, piece, PIECE_BYTES_MAX, cx) {
                Poll::Ready(Ok(0)) => Poll::Ready(Event::Fault(BodyFault::Gone)),
                Poll::Ready(Ok(_)) => Poll::Ready(Event::Moved),
                Poll::Ready(Err(fault)) => Poll::Ready(Event::Fault(fault)),
                Poll::Pending => caller.timer().poll(deadline, cx).map(|()| Event::Late),
            }
        })
        .await;
        let now = Instant::now();
        source.pace.waited(now.duration_since(waiting));
        source.pace.came(piece.len());
        match event {
            Event::Late if now < self.deadline => {
                Event::Fault(BodyFault::too_slow(source.pace.time))
            }
            Event::Late => Event::Fault(BodyFault::refused(
                Kind::RequestTimeout,
                "The request's body did not arrive within the time of all attempts (server.attempts.total)",
            )),
            event => event,
        }
    }

    /// Writes slices to the connection.
    async fn write<C: Caller>(&mut self, caller: &mut C, slices: &[&[u8]]) -> Event {
        let deadline = (Instant::now() + self.idle_time).min(self.deadline);
        let mut written = 0;
        poll_fn(|cx| {
            if caller.seat().ending.get() {
                return Poll::Ready(Event::Ending);
            }
            if let Poll::Ready(read) = self.connection.poll_head(self.head, cx) {
                return Poll::Ready(Event::Answered(read));
            }
            match self.connection.poll_write(slices, &mut written, cx) {
                Poll::Ready(Ok(())) => Poll::Ready(Event::Moved),
                Poll::Ready(Err(error)) => Poll::Ready(Event::Closed(error)),
                Poll::Pending => caller.timer().poll(deadline, cx).map(|()| Event::Late),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_largest_body_buys_its_time_again() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(100, 10 * second);
        pace.waited(9 * second);
        pace.came(99);
        assert_eq!(pace.left, second);
        pace.came(1);
        assert_eq!(pace.left, 11 * second);
        pace.came(250);
        assert_eq!(pace.left, 31 * second);
        pace.waited(40 * second);
        assert_eq!(pace.left, Duration::ZERO);
    }

    #[test]
    fn a_bound_of_nothing_is_no_endless_loop() {
        let mut pace = Pace::new(0, Duration::from_millis(1));
        pace.came(3);
        assert_eq!(pace.left, Duration::from_millis(4));
    }
}
