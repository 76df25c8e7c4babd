//! Asks the auto router's judge, before anything is decided for a request that names the router.
//!
//! The question is a chat request of the gateway's own, planned, tried and booked like any other, but on this thread and not over a
//! connection. It is asked in the name of the key that asks the router: so the key's rules about data and models hold for it, what
//! the request itself says about who may see its text holds too, its limits are looked at, and it pays. The ledger has a row of its
//! own for it, with `judge` for its API.
//!
//! It may take `timeout`, all attempts together, and no more than half of the time that the request gives itself. A client that leaves takes the question with it.

use std::rc::Rc;
use std::time::Duration;

use turnout_wire::api::Api;
use turnout_wire::classify::{self, Seen, classify};
use turnout_wire::request::Request;

use crate::account::{self, Account, Purpose};
use crate::attempts::attempts;
use crate::caller::{Break, Comments, Gone, Incoming, Seat, patiently};
use crate::clock::Instant;
use crate::deadline::Wanted;
use crate::inside::Inside;
use crate::limits;
use crate::metrics::Counter;
use crate::request::client_address;
use crate::route::router::judge::{self, Judge, Judgement, Memory, Outcome};
use crate::route::{self, Asking};
use crate::thread::Thread;

/// Bytes of an answer that are kept: many times what an opinion needs.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// The question has its own deadline; this is how much later the wait for it is given up, should that not hold.
const GRACE: Duration = Duration::from_millis(250);

/// What the judge contributes to the request; `None`: no judge is concerned with it.
pub(crate) async fn consult<C: Incoming>(
    thread: &Rc<Thread>,
    caller: &mut C,
    asking: &Asking<'_>,
    wanted: Wanted,
) -> Result<Option<Box<Judgement>>, Gone> {
    let began = Instant::now();
    let known = known(&thread.shared.judgements, asking, began);
    let (judge, key, exhibit) = match known {
        Known::Unconcerned => return Ok(None),
        Known::Settled(judgement) => {
            count(thread, judgement.outcome);
            return Ok(Some(Box::new(judgement)));
        }
        Known::Open(judge, key, exhibit) => (judge, key, exhibit),
    };
    let memory = &thread.shared.judgements;
    let (outcome, opinion) = match memory.rests(judge, began) {
        true => (Outcome::Resting, None),
        false => {
            // What the client says of itself is booked with the question.
            let address = client_address(asking.snapshot, caller);
            let client = account::client(thread, asking.request, caller.head(), address);
            let time = wanted.at_most_half(judge.time);
            let asked = Box::pin(ask(thread, asking, judge, time, &exhibit, client));
            let mut comments = Comments {
                head: None,
                begun: false,
                every: time,
                last: began,
            };
            let deadline = began + time + GRACE;
            let asked = match patiently(caller, &mut comments, deadline, asked).await {
                Ok(asked) => asked,
                // The request itself will be told that the plane is ending.
                Err(Break::Timeout | Break::Ending) => Asked::Failed,
                Err(Break::Gone) => return Err(Gone),
            };
            let now = Instant::now();
            let opinion = match &asked {
                Asked::Said(answer) => classify::judge::read(answer),
                Asked::Failed | Asked::Refused => None,
            };
            match (&asked, opinion) {
                (Asked::Refused, _) => {}
                // Whoever is in a hurry learns nothing about the judge.
                (Asked::Failed, _) if time < judge.time => {}
                (_, None) => memory.failed(now),
                (_, Some(opinion)) => memory.keep(judge, key, opinion, now),
            }
            let is_late = now.duration_since(began) >= time;
            let outcome = match (asked, opinion) {
                (_, Some(_)) => Outcome::Answered,
                (Asked::Said(_), None) => Outcome::Nonsense,
                (Asked::Failed, None) if is_late => Outcome::Late,
                (Asked::Failed | Asked::Refused, None) => Outcome::Failed,
            };
            (outcome, opinion)
        }
    };
    count(thread, outcome);
    let mut judgement = Judgement::new(judge, outcome, opinion);
    judgement.took = Instant::now().duration_since(began);
    Ok(Some(Box::new(judgement)))
}

/// The same of a request that is only rehearsed: what is remembered, and else that it would be asked.
pub(crate) fn rehearse(memory: &Memory, asking: &Asking<'_>) -> Option<Judgement> {
    match known(memory, asking, Instant::now()) {
        Known::Unconcerned => None,
        Known::Settled(judgement) => Some(judgement),
        Known::Open(judge, ..) => Some(Judgement::new(judge, Outcome::Unasked, None)),
    }
}

/// What is known before anybody is asked.
enum Known<'a> {
    /// No judge is concerned with it.
    Unconcerned,
    /// It need not be asked.
    Settled(Judgement),
    /// It is to be asked; the key of its memory, and what it is shown.
    Open(&'a Judge, u128, String),
}

fn known<'a>(memory: &Memory, asking: &Asking<'a>, now: Instant) -> Known<'a> {
    let Some((slug, router, judge)) = judge::of(asking) else {
        return Known::Unconcerned;
    };
    let body = asking.request.asked();
    let seen = Seen::of(body);
    if !classify::judge::is_open(&classify(&seen), &seen) {
        return Known::Unconcerned;
    }
    if judge::is_settled(asking, slug, router) {
        return Known::Settled(Judgement::new(judge, Outcome::Settled, None));
    }
    let exhibit = classify::judge::exhibit(body, &seen);
    let key = Memory::key(judge, &exhibit);
    match memory.look(judge, key, now) {
        Some(opinion) => Known::Settled(Judgement::new(judge, Outcome::Remembered, Some(opinion))),
        None => Known::Open(judge, key, exhibit),
    }
}

/// What came of a question.
enum Asked {
    /// The body of a chat completion, or what there was instead.
    Said(Vec<u8>),
    Failed,
    /// Nobody was asked: the key, its limits or the request's own rules forbid it. That is no failure of the judge's.
    Refused,
}

async fn ask(
    thread: &Rc<Thread>,
    asking: &Asking<'_>,
    judge: &Judge,
    time: Duration,
    exhibit: &str,
    client: Vec<u8>,
) -> Asked {
    let rules = asking.request.preferences();
    let body = classify::judge::question(&judge.model, exhibit, rules);
    let Ok(request) = Request::read(body, Api::Chat) else {
        return Asked::Refused;
    };
    let question = Asking {
        snapshot: asking.snapshot,
        key: asking.key,
        request: &request,
        conversation: None,
        region: asking.region,
        trace: None,
        judged: None,
    };
    let Ok(plan) = route::plan(&question) else {
        return Asked::Refused;
    };
    let Ok(hold) = limits::hold(thread, &question, &plan) else {
        return Asked::Refused;
    };
    let began = Instant::now();
    let mut caller = Inside::new(Rc::new(Seat::default()), ANSWER_BYTES_MAX);
    let mut account = Account::of_client(
        thread,
        asking.snapshot,
        asking.key,
        &request,
        client,
        began,
        0,
    );
    account.is_for(Purpose::Judge);
    account.hold(hold);
    attempts(
        thread,
        asking.snapshot,
        &mut caller,
        None,
        &request,
        &plan,
        &mut account,
        Wanted::within(time),
        false,
    )
    .await;
    match caller.answer() {
        Some(answer) => Asked::Said(answer),
        None => Asked::Failed,
    }
}

fn count(thread: &Thread, outcome: Outcome) {
    thread.metrics.count(match outcome {
        Outcome::Answered => Counter::JudgeAnswered,
        Outcome::Remembered => Counter::JudgeRemembered,
        Outcome::Late => Counter::JudgeLate,
        Outcome::Failed => Counter::JudgeFailed,
        Outcome::Nonsense => Counter::JudgeNonsense,
        Outcome::Resting => Counter::JudgeResting,
        Outcome::Settled => Counter::JudgeSettled,
        // Rehearsals are not counted.
        Outcome::Unasked => return,
    });
}
