//! Why a request went where it went, for clients that ask.
//!
//! `X-OpenRouter-Metadata: enabled` asks for what OpenRouter tells (`openrouter_metadata`, see [`router`]),
//! `X-Turnout-Explain: enabled` for all that there is to tell (`turnout_explain`, see [`whole`]), and `debug.echo_upstream_body` in the
//! body of a stream for the bodies that were sent. What is told goes beside the answer, or beside the error, just before it is sent.
//! [`rehearsal`] tells the same of a request that is not sent at all.
//!
//! Who may be told how much is said by `server.explain` and `keys[].explain`: what concerns the request itself is told to everybody by
//! default; labels of providers' keys and the names of models at providers only to keys that may know all.
//!
//! A request that asks for nothing costs a look at three headers that are not there.

pub(crate) mod rehearsal;
mod router;
mod whole;

use std::cell::RefCell;

use turnout_wire::beside::{self, Echo};
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::Upstream;

use crate::clock::Instant;
use crate::edge::head::{Head, Known};
use crate::record::Attempt;
use crate::route::trace::{Trace, Wish};
use crate::route::{Asking, Candidate, Plan};
use crate::snapshot::written::Explain as May;
use crate::snapshot::{Key, Snapshot};

/// Where the reasons are written down, if this request asks for them and may know them.
pub(crate) fn trace(
    snapshot: &Snapshot,
    key: Option<&Key>,
    head: &Head,
    began: Instant,
) -> Option<Box<RefCell<Trace>>> {
    // The newer name of the header counts where both are sent.
    let metadata = head
        .get(Known::RouterMetadata)
        .or(head.get(Known::ExperimentalMetadata));
    let (router, whole) = (is_enabled(metadata), is_enabled(head.get(Known::Explain)));
    if !(router || whole) {
        return None;
    }
    let may = allowed(snapshot, key);
    let wish = Wish {
        router,
        whole: whole && may != May::Off,
        inside: may == May::Full,
    };
    (wish.router || wish.whole).then(|| Box::new(RefCell::new(Trace::new(wish, began))))
}

/// What who asks may be told: what the key says, and what the gateway says where it says nothing.
fn allowed(snapshot: &Snapshot, key: Option<&Key>) -> May {
    key.and_then(|key| key.explain)
        .unwrap_or(snapshot.server.explain)
}

/// Only this one word means yes; anything else, and a header that is not there, means no (checklist D06).
fn is_enabled(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"enabled"))
}

/// What the client of a generation is told beside its answer.
pub(crate) struct Telling<'a> {
    asking: Asking<'a>,
    plan: &'a Plan<'a>,
    /// The bodies that were sent, for a stream whose client wants to see them.
    pub(crate) echo: Option<Echo>,
    /// The attempts that are over.
    pub(crate) tried: Vec<Tried<'a>>,
}

/// An attempt, with what the record does not say of it.
#[derive(Clone, Copy)]
pub(crate) struct Tried<'a> {
    pub(crate) candidate: &'a Candidate<'a>,
    pub(crate) attempt: Attempt<'a>,
    /// Waiting for a connection; 0 for one that was open already.
    pub(crate) connect_us: u64,
}

/// How long things took, as they are booked.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) queue_us: u64,
    pub(crate) ttft_us: u64,
    /// What the gateway waited for others.
    pub(crate) waited_us: u64,
    pub(crate) total_us: u64,
}

/// What is told beside the answer, if anything was asked for.
pub(crate) fn telling<'a>(asking: &Asking<'a>, plan: &'a Plan<'a>) -> Option<Box<Telling<'a>>> {
    let echo = asking.request.wants_echo() && allowed(asking.snapshot, asking.key) != May::Off;
    (echo || asking.trace.is_some()).then(|| {
        Box::new(Telling {
            asking: *asking,
            plan,
            echo: echo.then(Echo::default),
            tried: Vec::new(),
        })
    })
}

impl Telling<'_> {
    /// A body is being sent.
    pub(crate) fn sent(&mut self, body: &Upstream<'_>) {
        if let Some(echo) = &mut self.echo {
            let mut whole = Vec::with_capacity(body.len());
            body.write_to(&mut whole);
            echo.sent(&whole);
        }
    }

    /// The members that go beside the answer; empty: none were asked for. `running`: the attempt that is not over, and whether it
    /// `serves`.
    pub(crate) fn members(
        &self,
        id: &str,
        running: Option<Tried<'_>>,
        serves: bool,
        times: Times,
    ) -> String {
        let Some(trace) = self.asking.trace else {
            return String::new();
        };
        let tried: Vec<Tried<'_>> = self.tried.iter().copied().chain(running).collect();
        Course {
            id,
            asking: &self.asking,
            trace: &trace.borrow(),
            plan: Some(self.plan),
            serving: running.filter(|_| serves).map(|tried| tried.candidate),
            tried: &tried,
            times: Some(times),
        }
        .members()
    }
}

/// The members that go beside a refusal of a request that reached no provider; empty: none were asked for.
pub(crate) fn of_refused(asking: &Asking<'_>, refusal: &Refusal) -> String {
    match asking.trace {
        Some(trace) if is_told(refusal) => Course {
            id: "",
            asking,
            trace: &trace.borrow(),
            plan: None,
            serving: None,
            tried: &[],
            times: None,
        }
        .members(),
        _ => String::new(),
    }
}

/// Whether anything is told beside a refusal: not beside one about the gateway itself (openrouter.md section 4.11).
pub(crate) fn is_told(refusal: &Refusal) -> bool {
    refusal.kind != Kind::Server
}

/// How a request has gone so far.
struct Course<'x, 'a> {
    /// Of the generation; empty when there is none.
    id: &'x str,
    asking: &'x Asking<'a>,
    trace: &'x Trace,
    /// `None`: it was refused before.
    plan: Option<&'x Plan<'a>>,
    /// Who serves; `None`: nobody (yet).
    serving: Option<&'x Candidate<'a>>,
    tried: &'x [Tried<'x>],
    times: Option<Times>,
}

impl<'a> Course<'_, 'a> {
    fn members(&self) -> String {
        let mut values = Vec::with_capacity(2);
        let wish = self.trace.wish;
        if wish.router {
            values.push(("openrouter_metadata", router::write(self)));
        }
        if wish.whole {
            values.push(("turnout_explain", whole::write(self)));
        }
        beside::members(&values)
    }

    /// The name that was asked for first.
    fn requested(&self) -> &str {
        let request = self.asking.request;
        request
            .model()
            .or(request.models().first().map(String::as_str))
            .unwrap_or_default()
    }

    /// Those who may serve, in order.
    fn candidates(&self) -> &[Candidate<'a>] {
        self.plan.map_or(&[], |plan| &plan.candidates)
    }

    fn is_serving(&self, candidate: &Candidate<'_>) -> bool {
        self.serving
            .is_some_and(|serving| std::ptr::addr_eq(serving, candidate))
    }

    /// How the models were found; also known of a request that is refused afterwards.
    fn strategy(&self) -> &'static str {
        self.plan
            .map(|plan| plan.strategy)
            .or(self.trace.strategy)
            .map_or("direct", |strategy| strategy.name())
    }
}

/// JSON of a value; an empty object for one that cannot be written, which only a map with odd keys could not.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}
