//! Two accounts of one request, while an attempt runs beside another.
//!
//! A request is booked once, but each attempt needs an account to write down how it goes. So the *host*, which is the account of the
//! request, is given a *guest*. What a request has only once (what was tried before, the money held back, the copy for the cache, what is
//! told) stays with the host. When the host's attempt is given up it hands that over, and the guest claims it before it sends or books
//! anything; from then on the guest is the account of the request, and the host books nothing.
//!
//! **What an attempt costs that did not come first** is estimated, because no provider tells it any more: the tokens of the prompt,
//! and none of an answer, since nothing of one had come. It is added to what the record says that the request cost, so that limits and
//! sums hold it, and stands beside the attempt, so that the answer's own cost stays exact. It is no record of its own: a record is an
//! answer to a client, and of those there is one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use smallvec::SmallVec;
use turnout_wire::cost::Cost;
use turnout_wire::request::Upstream;

use super::Account;
use crate::cache::Recorder;
use crate::clock::{Instant, micros, unix_ms};
use crate::explain::{Telling, Tried};
use crate::limits::Hold;
use crate::metrics::Outcome;
use crate::record::Attempt;
use crate::route::Candidate;
use crate::statistics::Ending;

/// One account's hold on the other.
pub(super) struct Beside<'a> {
    between: Rc<Between<'a>>,
    is_guest: bool,
}

/// What lies between the two. Both are used by one task, one after the other.
struct Between<'a> {
    /// What the host has handed over and the guest has not claimed.
    estate: Cell<Option<Box<Estate<'a>>>>,
    /// The guest's attempts that are over, until the account of the request takes them in; one, as there is one guest.
    tried: RefCell<Vec<Tried<'a>>>,
    /// Bodies that the guest sent, where the client wants to see them.
    bodies: RefCell<Vec<Vec<u8>>>,
    wants_bodies: bool,
    /// What is held for the guest's attempt, which is given up but not booked yet.
    hold: Cell<Option<Hold<'a>>>,
    lost_upstream_nano: Cell<u64>,
}

/// What a request has only once.
struct Estate<'a> {
    client: Vec<u8>,
    attempts: SmallVec<[Attempt<'a>; 1]>,
    hold: Option<Hold<'a>>,
    recorder: Option<Box<Recorder<'a>>>,
    telling: Option<Box<Telling<'a>>>,
    lost_upstream_nano: u64,
}

impl<'a> Beside<'a> {
    /// Whether it belongs to the guest, and the guest has not claimed the request.
    pub(super) fn is_guest(&self) -> bool {
        self.is_guest
    }

    pub(super) fn tried(&self, tried: Tried<'a>) {
        self.between.tried.borrow_mut().push(tried);
    }

    pub(super) fn sent(&self, body: &Upstream<'_>) {
        if self.between.wants_bodies {
            let mut whole = Vec::with_capacity(body.len());
            body.write_to(&mut whole);
            self.between.bodies.borrow_mut().push(whole);
        }
    }
}

impl<'a> Account<'a> {
    /// An account for another attempt, which may begin later; see [`Account::set_out`].
    pub(crate) fn guest(&mut self) -> Account<'a> {
        let echo = self.telling.as_ref().and_then(|t| t.echo.as_ref());
        let between = Rc::new(Between {
            estate: Cell::new(None),
            tried: RefCell::new(Vec::new()),
            bodies: RefCell::new(Vec::new()),
            wants_bodies: echo.is_some(),
            hold: Cell::new(None),
            lost_upstream_nano: Cell::new(0),
        });
        self.beside = Some(Beside {
            between: Rc::clone(&between),
            is_guest: false,
        });
        Account {
            client: Vec::new(),
            first_byte: None,
            attempts: SmallVec::new(),
            current: None,
            serving: None,
            hold: self.hold.as_ref().map(Hold::beside),
            recorder: None,
            given_again: None,
            // It has nothing to book until it claims it.
            booked: true,
            telling: None,
            calls_wrongly: None,
            streamed_answer: Vec::new(),
            beside: Some(Beside {
                between,
                is_guest: true,
            }),
            is_sent: false,
            lost_upstream_nano: 0,
            ..*self
        }
    }

    /// Holds back what the request costs more by a second attempt: the prompt, at the dearer of the two, whichever is broken off. `false`: a
    /// limit has no room for it.
    pub(crate) fn hold_beside(&mut self, two: [&Candidate<'_>; 2]) -> bool {
        let usage = self.prompt_usage();
        let Some(hold) = &mut self.hold else {
            return true;
        };
        let nano = |candidate: &Candidate<'_>| {
            let cost = Cost::of(&usage, candidate.prices(), None).total_nano;
            i64::try_from(cost).unwrap_or(i64::MAX)
        };
        let nano = two.map(nano).into_iter().max().unwrap_or_default();
        nano == 0 || hold.more(nano, unix_ms())
    }

    /// The guest's attempt has failed, which costs nothing: what was held for it is given back.
    pub(crate) fn hold_alone(&mut self) {
        self.hold = self.hold.as_ref().map(Hold::beside);
    }

    fn keep(&mut self, other: Option<Hold<'a>>) {
        match (&mut self.hold, other) {
            (Some(hold), Some(other)) => hold.join(other),
            (Some(_), None) => {}
            (none, other) => *none = other,
        }
    }

    /// The guest's attempt begins. The time since `began`, when the host's did, was spent waiting.
    pub(crate) fn set_out(&mut self, began: Instant) {
        self.waited(began);
    }

    /// The attempt that is being made is given up because of the other one. `slower`: that one had something first; otherwise the request
    /// has ended without an answer.
    pub(crate) fn give_up_attempt(&mut self, slower: bool) {
        self.waited(self.last);
        let lost = self.is_sent.then(|| self.prompt_usage());
        let (Some(current), Some(candidate)) = (&mut self.current, self.serving) else {
            return;
        };
        if let Some(usage) = lost {
            let cost = Cost::of(&usage, candidate.prices(), None);
            current.attempt.cost_nano = cost.total_nano;
            let upstream_nano = cost.upstream_nano.unwrap_or_default();
            match &self.beside {
                Some(beside) if beside.is_guest => {
                    beside.between.lost_upstream_nano.set(upstream_nano);
                    beside.between.hold.set(self.hold.take());
                }
                _ => self.lost_upstream_nano += upstream_nano,
            }
        }
        let ending = match slower && self.streamed {
            true => Ending::Outrun {
                waited_us: micros(current.since, self.last),
            },
            false => Ending::Neutral,
        };
        self.end_attempt(Outcome::Cancelled, ending);
    }

    /// The host hands the request over to its guest.
    pub(crate) fn hand_over(&mut self) {
        let Some(beside) = &self.beside else {
            return;
        };
        beside.between.estate.set(Some(Box::new(Estate {
            client: std::mem::take(&mut self.client),
            attempts: std::mem::take(&mut self.attempts),
            hold: self.hold.take(),
            recorder: self.recorder.take(),
            telling: self.telling.take(),
            lost_upstream_nano: self.lost_upstream_nano,
        })));
        self.booked = true;
    }

    /// The attempt of this account has something for the client: the account is that of the request from now on.
    pub(crate) fn claim(&mut self) {
        let Some(beside) = &mut self.beside else {
            return;
        };
        if let Some(estate) = beside.between.estate.take() {
            beside.is_guest = false;
            let estate = *estate;
            self.client = estate.client;
            self.attempts = estate.attempts;
            self.keep(estate.hold);
            self.recorder = estate.recorder;
            self.telling = estate.telling;
            self.lost_upstream_nano = estate.lost_upstream_nano;
            self.booked = false;
        }
        self.take_in();
    }

    /// There is no guest any more: the host is alone again, with what the guest did not claim.
    pub(crate) fn part(&mut self) {
        self.claim();
        self.beside = None;
    }

    /// Takes in what the guest left.
    pub(super) fn take_in(&mut self) {
        let Some(beside) = self.beside.as_ref().filter(|beside| !beside.is_guest) else {
            return;
        };
        let between = Rc::clone(&beside.between);
        for tried in between.tried.take() {
            self.tried(tried);
        }
        self.keep(between.hold.take());
        self.lost_upstream_nano += between.lost_upstream_nano.take();
        let echo = self.telling.as_mut().and_then(|t| t.echo.as_mut());
        if let Some(echo) = echo {
            for body in between.bodies.take() {
                echo.sent(&body);
            }
        }
    }

    /// Adds what attempts are taken to have cost that did not come first.
    pub(super) fn add_lost(&self, cost: &mut Cost) {
        let lost = self.attempts.iter().map(|attempt| attempt.cost_nano);
        cost.total_nano = lost.fold(cost.total_nano, u64::saturating_add);
        if self.lost_upstream_nano > 0 {
            let upstream = cost.upstream_nano.unwrap_or_default();
            cost.upstream_nano = Some(upstream.saturating_add(self.lost_upstream_nano));
        }
    }
}
