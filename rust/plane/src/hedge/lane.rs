//! What stands for the client in each of two attempts, until one of them has something for it.
//!
//! An attempt is written as if the client were its own: it waits with it, and writes to it. So each gets a [`Lane`], a caller that says
//! nothing and never leaves, whose buffer is its own. The real one stays in the [`Front`], where the race watches it and keeps its
//! stream alive. Before an attempt writes or books anything it claims the client ([`Caller::claim`]); the race then drops the other attempt and
//! grants the claim, and from there on the lane passes everything on.
//!
//! All of it happens in one task, so cells are enough, and nobody has to be woken: whoever grants a claim polls the attempt next.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::caller::{Break, COMMENT, Caller, Comments, Gone, ReplyHead, Seat};
use crate::clock::{Instant, Timer};
use crate::edge::head::Head;

/// Longer than any request lasts.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Which of the two attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    First,
    Second,
}

/// Whose turn it is to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Nobodys,
    /// This attempt has something and waits.
    Claimed(Side),
    Granted(Side),
}

/// Where the client is while attempts run.
pub(super) struct Front<'c, C> {
    turn: Cell<Turn>,
    /// `None` while it is used: by a look at it, by a comment, or for good by the attempt that was granted it.
    caller: Cell<Option<&'c mut C>>,
    /// What its stream has been told so far, for the attempt that goes on with it.
    said: Cell<Option<Said>>,
    /// Whether the first attempt has a part of an answer that is sent whole.
    arriving: Cell<bool>,
}

#[derive(Clone, Copy)]
struct Said {
    begun: bool,
    every: Duration,
    last: Instant,
}

impl<'c, C: Caller> Front<'c, C> {
    pub(super) fn new(caller: &'c mut C) -> Front<'c, C> {
        Front {
            turn: Cell::new(Turn::Nobodys),
            caller: Cell::new(Some(caller)),
            said: Cell::new(None),
            arriving: Cell::new(false),
        }
    }

    pub(super) fn turn(&self) -> Turn {
        self.turn.get()
    }

    pub(super) fn is_arriving(&self) -> bool {
        self.arriving.get()
    }

    /// Lets an attempt have the client. There must be no other any more.
    pub(super) fn grant(&self, side: Side, comments: &Comments<'_>) {
        self.said.set(Some(Said {
            begun: comments.begun,
            every: comments.every,
            last: comments.last,
        }));
        self.turn.set(Turn::Granted(side));
    }

    /// Looks at the client; ready without an error at `wake_at`.
    pub(super) fn poll_client<T>(
        &self,
        wake_at: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<T>, Break>> {
        let Some(caller) = self.caller.take() else {
            return Poll::Pending;
        };
        let seen = if caller.seat().ending.get() {
            Poll::Ready(Err(Break::Ending))
        } else if caller.poll_gone(cx).is_ready() {
            Poll::Ready(Err(Break::Gone))
        } else {
            match wake_at {
                Some(at) => caller.timer().poll(at, cx).map(|()| Ok(None)),
                None => Poll::Pending,
            }
        };
        self.caller.set(Some(caller));
        seen
    }

    /// Sends a comment, where the client's stream has a place for it.
    pub(super) async fn comment(&self, comments: &mut Comments<'_>) -> Result<(), Break> {
        let (Some(head), Some(caller)) = (comments.head, self.caller.take()) else {
            return Ok(());
        };
        caller.out().extend_from_slice(COMMENT);
        let sent = match comments.begun {
            true => caller.part().await,
            false => caller.begin(head).await,
        };
        self.caller.set(Some(caller));
        comments.begun = true;
        comments.last = Instant::now();
        sent.map_err(|Gone| Break::Gone)
    }
}

/// What an attempt is told of comments: none are due before it has the client.
pub(super) fn silence<'a>(comments: &Comments<'a>) -> Comments<'a> {
    Comments {
        head: comments.head,
        begun: false,
        every: NEVER,
        last: comments.last,
    }
}

/// The client, as one attempt sees it.
pub(super) struct Lane<'f, 'c, C> {
    front: &'f Front<'c, C>,
    side: Side,
    /// Copied, because the client is out of reach.
    head: &'f Head,
    seat: Seat,
    timer: Timer,
    out: Vec<u8>,
    /// Once it was granted.
    caller: Option<&'c mut C>,
}

impl<'f, 'c, C: Caller> Lane<'f, 'c, C> {
    pub(super) fn new(front: &'f Front<'c, C>, side: Side, head: &'f Head) -> Lane<'f, 'c, C> {
        Lane {
            front,
            side,
            head,
            seat: Seat::default(),
            timer: Timer::new(),
            out: Vec::new(),
            caller: None,
        }
    }
}

impl<C: Caller> Caller for Lane<'_, '_, C> {
    const IS_CONTESTED: bool = true;

    async fn claim(&mut self, comments: &mut Comments<'_>) {
        poll_fn(|_| match self.front.turn.get() {
            Turn::Granted(side) if side == self.side => Poll::Ready(()),
            Turn::Nobodys => {
                self.front.turn.set(Turn::Claimed(self.side));
                Poll::Pending
            }
            _ => Poll::Pending,
        })
        .await;
        if let Some(caller) = self.front.caller.take() {
            // What was written before the claim.
            caller.out().append(&mut self.out);
            self.caller = Some(caller);
        }
        if let Some(said) = self.front.said.take() {
            comments.begun = said.begun;
            comments.every = said.every;
            comments.last = said.last;
        }
    }

    fn arriving(&mut self) {
        if self.side == Side::First {
            self.front.arriving.set(true);
        }
    }

    fn head(&self) -> &Head {
        self.head
    }

    fn seat(&self) -> &Seat {
        match &self.caller {
            Some(caller) => caller.seat(),
            None => &self.seat,
        }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.caller {
            Some(caller) => caller.poll_gone(cx),
            None => Poll::Pending,
        }
    }

    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }

    fn out(&mut self) -> &mut Vec<u8> {
        match &mut self.caller {
            Some(caller) => caller.out(),
            None => &mut self.out,
        }
    }

    async fn reply(&mut self, head: &ReplyHead) -> Result<(), Gone> {
        match &mut self.caller {
            Some(caller) => caller.reply(head).await,
            None => Err(Gone),
        }
    }

    async fn begin(&mut self, head: &ReplyHead) -> Result<(), Gone> {
        match &mut self.caller {
            Some(caller) => caller.begin(head).await,
            None => Err(Gone),
        }
    }

    async fn part(&mut self) -> Result<(), Gone> {
        match &mut self.caller {
            Some(caller) => caller.part().await,
            None => Err(Gone),
        }
    }

    async fn end(&mut self, head: Option<&ReplyHead>) -> Result<(), Gone> {
        match &mut self.caller {
            Some(caller) => caller.end(head).await,
            None => Err(Gone),
        }
    }
}
