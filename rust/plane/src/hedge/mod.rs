//! A second attempt beside a first one that is slow: whichever has something for the client first serves, the other is broken off.
//!
//! **When**: the first attempt has sent nothing for longer than its endpoint usually takes (the p95 of its time to the first token, within
//! bounds), or for a fixed time. What counts as something is what would be written to the client: of a stream its first event, of a
//! plain answer all of it. A plain answer is not hedged any more once it has begun to arrive.
//!
//! **Whom**: the next endpoint of the plan, of the same model unless the request says that models are alike. Never the same endpoint, none
//! that failed in this request, none that fails or rests, and no key of the client's own beside one of the gateway's, because somebody
//! else would pay. A request is hedged once at most, within `attempts.max`, and not when its time is over.
//!
//! **How many**: a share of all requests (`routing.hedge.percent`). A model that is slow everywhere would otherwise be asked for
//! everything twice, and become slower. And only while limits have room for what the one that is broken off will cost.
//!
//! Both attempts run in the request's own task, each in a [`Lane`](lane::Lane) that stands for the client. The one that has something
//! claims the client; the other is dropped there and then, which closes its connection, and only then may the first write. What is written
//! down of the two: `account/beside.rs`. If one fails, the other goes on alone.

mod lane;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use turnout_wire::hedge::Hedge;
use turnout_wire::request::Request;

use crate::account::Account;
use crate::attempts::{One, Verdict, is_hopeless};
use crate::caller::{Break, Caller, Comments};
use crate::clock::{Instant, Moment};
use crate::failure::Failure;
use crate::metrics::Counter;
use crate::route::Candidate;
use crate::route::credential::{self, Asker};
use crate::snapshot::{Key, Snapshot, written};
use lane::{Front, Lane, Side, Turn};

/// Takes the client for an attempt that has something for it, before any of that is written or booked.
pub(crate) async fn claim<C: Caller>(
    caller: &mut C,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
) {
    // In a box: hardly any request comes here, and the others pay for the size.
    Box::pin(caller.claim(comments)).await;
    account.claim();
}

/// What is wished of hedges for one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hedging<'a> {
    rules: &'a written::Hedge,
    /// The time that the request itself wants.
    after: Option<Duration>,
    streamed: bool,
}

impl<'a> Hedging<'a> {
    /// `None`: this request is not hedged, as nearly all. The request's own word counts more than its key's, and that more than the
    /// configuration's for everybody.
    pub(crate) fn of(
        snapshot: &'a Snapshot,
        key: Option<&Key>,
        request: &Request,
        wish: Option<Hedge>,
        streamed: bool,
    ) -> Option<Hedging<'a>> {
        let after = match wish {
            None => {
                let of_key = key.and_then(|key| key.wishes.as_ref()?.hedge);
                let of_all = snapshot.routing.wishes.hedge;
                if of_key.or(of_all) != Some(true) {
                    return None;
                }
                None
            }
            Some(Hedge::Off) => return None,
            Some(Hedge::On) => None,
            Some(Hedge::After(time)) => Some(time),
        };
        // What is paid for by the piece is not made twice.
        request.api().task().is_repeatable().then_some(Hedging {
            rules: &snapshot.routing.hedge,
            after,
            streamed,
        })
    }

    /// How long an attempt at this endpoint may have nothing for the client. `None`: however long it takes.
    pub(crate) fn wait(&self, candidate: &Candidate<'_>) -> Option<Duration> {
        let p95_us = || candidate.endpoint.statistics.look().ttft_p95_us;
        wait(self.rules, self.after, self.streamed, p95_us)
    }
}

fn wait(
    rules: &written::Hedge,
    after: Option<Duration>,
    streamed: bool,
    p95_us: impl FnOnce() -> Option<u32>,
) -> Option<Duration> {
    if after.is_some() {
        return after;
    }
    if !streamed {
        // The time to the first token says nothing about when a whole answer is there.
        return rules.plain_after_ms.map(Duration::from_millis);
    }
    if let Some(ms) = rules.after_ms {
        return Some(Duration::from_millis(ms));
    }
    let longest = Duration::from_millis(rules.wait_max_ms);
    let shortest = Duration::from_millis(rules.wait_min_ms).min(longest);
    Some(p95_us().map_or(longest, |us| {
        Duration::from_micros(u64::from(us)).clamp(shortest, longest)
    }))
}

/// An attempt that another may be made beside.
pub(crate) struct Race<'r, 'a> {
    pub(crate) first: One<'r, 'a>,
    /// Of the candidate that it is at.
    pub(crate) index: usize,
    /// How long it may have nothing for the client.
    pub(crate) wait: Duration,
    pub(crate) candidates: &'a [Candidate<'a>],
    pub(crate) asker: Asker<'a>,
}

/// How it ended.
pub(crate) struct Raced {
    /// Which candidate the verdict is about. When both failed, the one that failed first is among the failures already.
    pub(crate) index: usize,
    pub(crate) verdict: Verdict,
    /// Whether a second attempt was made.
    pub(crate) hedged: bool,
}

/// What happens while attempts run.
enum Event {
    /// This one has something for the client.
    Claim(Side),
    Over(Side, Verdict),
}

impl<'a> Race<'_, 'a> {
    /// Makes the attempt, and another one beside it when it is slow.
    pub(crate) async fn run<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'a>,
        failures: &mut Vec<(usize, Failure)>,
    ) -> Raced {
        let mut guest = account.guest();
        let raced = self
            .race(caller, comments, account, &mut guest, failures)
            .await;
        // Before the guest is dropped: what it did not claim is not its to book.
        account.part();
        raced
    }

    async fn race<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'a>,
        guest: &mut Account<'a>,
        failures: &mut Vec<(usize, Failure)>,
    ) -> Raced {
        let alone = |verdict| Raced {
            index: self.index,
            verdict,
            hedged: false,
        };
        let (thread, began) = (self.first.thread, account.last());
        let head = caller.head().clone();
        let front = Front::new(caller);
        let mut lane = Lane::new(&front, Side::First, &head);
        let mut silence = lane::silence(comments);
        // No upload: what is passed on while it arrives cannot be sent to two.
        let mut first = Box::pin(self.first.run(&mut lane, None, &mut silence, account));

        let due = Some(began + self.wait);
        let run = |cx: &mut Context<'_>| poll(&front, Side::First, &mut first, cx);
        match watch(&front, comments, due, run).await {
            Ok(None) => {}
            Ok(Some(Event::Claim(side))) => {
                front.grant(side, comments);
                return alone(first.await);
            }
            Ok(Some(Event::Over(_, verdict))) => return alone(verdict),
            Err(broken) => return alone(Verdict::Broken(broken)),
        }
        let Some((index, second)) = self.second(&front, guest, failures) else {
            return alone(finish(&front, comments, Side::First, first).await);
        };
        guest.set_out(began);
        let mut lane = Lane::new(&front, Side::Second, &head);
        let mut silence = lane::silence(comments);
        let mut second = Box::pin(second.run(&mut lane, None, &mut silence, guest));
        thread.metrics.count(Counter::HedgeMade);

        let event = watch(&front, comments, None, |cx| {
            match poll(&front, Side::First, &mut first, cx) {
                Poll::Pending => poll(&front, Side::Second, &mut second, cx),
                ready => ready,
            }
        })
        .await;
        let both = |index, verdict| Raced {
            index,
            verdict,
            hedged: true,
        };
        match event {
            Ok(Some(Event::Claim(Side::First))) => {
                drop(second);
                guest.give_up_attempt(true);
                front.grant(Side::First, comments);
                both(self.index, first.await)
            }
            Ok(Some(Event::Claim(Side::Second))) => {
                drop(first);
                account.give_up_attempt(true);
                account.hand_over();
                front.grant(Side::Second, comments);
                thread.metrics.count(Counter::HedgeWon);
                both(index, second.await)
            }
            Ok(Some(Event::Over(Side::First, Verdict::Failed(failure)))) => {
                drop(first);
                failures.push((self.index, failure));
                account.hand_over();
                let verdict = finish(&front, comments, Side::Second, second).await;
                if let Verdict::Broken(_) = &verdict {
                    guest.give_up_attempt(false);
                }
                both(index, verdict)
            }
            Ok(Some(Event::Over(Side::Second, Verdict::Failed(failure)))) => {
                drop(second);
                guest.hold_alone();
                let hedged = failure.unsent.is_none();
                failures.push((index, failure));
                let verdict = finish(&front, comments, Side::First, first).await;
                Raced {
                    hedged,
                    ..both(self.index, verdict)
                }
            }
            ended => {
                drop((first, second));
                account.give_up_attempt(false);
                guest.give_up_attempt(false);
                let verdict = match ended {
                    Err(broken) => Verdict::Broken(broken),
                    Ok(Some(Event::Over(_, verdict))) => verdict,
                    // Cannot be: no time was set.
                    Ok(_) => Verdict::Broken(Break::Timeout),
                };
                both(self.index, verdict)
            }
        }
    }

    /// The attempt that may be made beside the first one now, and at which candidate.
    fn second<C: Caller>(
        &self,
        front: &Front<'_, C>,
        guest: &mut Account<'a>,
        failures: &[(usize, Failure)],
    ) -> Option<(usize, One<'_, 'a>)> {
        let (first, now) = (&self.first, Instant::now());
        if front.is_arriving() || now >= first.deadlines.total {
            return None;
        }
        let moment = Moment::of(now);
        let together =
            (first.request.preferences()).is_some_and(|preferences| preferences.across_models);
        let of_first = first.candidate;
        let fits = |(index, candidate): &(usize, &Candidate<'_>)| {
            let look = || candidate.endpoint.statistics.look_at(moment);
            !std::ptr::eq(candidate.endpoint, of_first.endpoint)
                && (together || candidate.slug == of_first.slug)
                && candidate.own.is_some() == of_first.own.is_some()
                && !is_hopeless(*index, self.candidates, failures)
                && !matches!(look(), look if look.is_failing || look.is_resting)
        };
        let (index, candidate) = self.candidates.iter().enumerate().find(fits)?;
        let credential = credential::keys(candidate, self.asker).next()?;
        let percent = first.snapshot.routing.hedge.percent;
        let budgets = &first.thread.shared.budgets;
        if !budgets.take_hedge(percent, moment) || !guest.hold_beside([of_first, candidate]) {
            first.thread.metrics.count(Counter::HedgeDenied);
            return None;
        }
        Some((index, first.at(candidate, credential)))
    }
}

/// Waits for an attempt that runs alone now.
async fn finish<C: Caller, F: Future<Output = Verdict>>(
    front: &Front<'_, C>,
    comments: &mut Comments<'_>,
    side: Side,
    mut attempt: Pin<Box<F>>,
) -> Verdict {
    let run = |cx: &mut Context<'_>| poll(front, side, &mut attempt, cx);
    match watch(front, comments, None, run).await {
        Ok(Some(Event::Claim(side))) => {
            front.grant(side, comments);
            attempt.await
        }
        Ok(Some(Event::Over(_, verdict))) => verdict,
        Ok(None) => Verdict::Broken(Break::Timeout),
        Err(broken) => Verdict::Broken(broken),
    }
}

/// Lets one attempt run until it waits, and looks at what it did.
fn poll<C: Caller, F: Future<Output = Verdict>>(
    front: &Front<'_, C>,
    side: Side,
    attempt: &mut Pin<Box<F>>,
    cx: &mut Context<'_>,
) -> Poll<Event> {
    match attempt.as_mut().poll(cx) {
        Poll::Ready(verdict) => Poll::Ready(Event::Over(side, verdict)),
        Poll::Pending if front.turn() == Turn::Claimed(side) => Poll::Ready(Event::Claim(side)),
        Poll::Pending => Poll::Pending,
    }
}

/// Waits for attempts until `until`, while watching the client and keeping its stream alive. `Ok(None)`: it is that late.
///
/// As [`patiently`](crate::caller::patiently), for a client that attempts may claim.
async fn watch<C: Caller>(
    front: &Front<'_, C>,
    comments: &mut Comments<'_>,
    until: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<Event>,
) -> Result<Option<Event>, Break> {
    loop {
        let comment_at = comments.head.map(|_| comments.last + comments.every);
        let wake_at = [comment_at, until].into_iter().flatten().min();
        let event = std::future::poll_fn(|cx| match poll(cx) {
            Poll::Ready(event) => Poll::Ready(Ok(Some(event))),
            Poll::Pending => front.poll_client(wake_at, cx),
        })
        .await?;
        if event.is_some() || until.is_some_and(|until| Instant::now() >= until) {
            return Ok(event);
        }
        front.comment(comments).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: written::Hedge = written::Hedge {
        after_ms: None,
        wait_min_ms: 200,
        wait_max_ms: 5_000,
        plain_after_ms: None,
        percent: 5,
    };

    fn waits_ms(rules: &written::Hedge, streamed: bool, p95_ms: Option<u32>) -> Option<u128> {
        wait(rules, None, streamed, || p95_ms.map(|ms| ms * 1000)).map(|wait| wait.as_millis())
    }

    #[test]
    fn the_wait_is_the_p95_within_its_bounds() {
        for (p95_ms, waited_ms) in [
            (Some(700), 700),
            (Some(50), 200),
            (Some(60_000), 5_000),
            (None, 5_000),
        ] {
            assert_eq!(waits_ms(&RULES, true, p95_ms), Some(waited_ms));
        }
        let fixed = written::Hedge {
            after_ms: Some(42),
            ..RULES
        };
        assert_eq!(waits_ms(&fixed, true, Some(700)), Some(42));
    }

    #[test]
    fn a_plain_answer_has_a_time_of_its_own() {
        assert_eq!(waits_ms(&RULES, false, Some(700)), None);
        let plain = written::Hedge {
            after_ms: Some(42),
            plain_after_ms: Some(9_000),
            ..RULES
        };
        assert_eq!(waits_ms(&plain, false, None), Some(9_000));
    }

    #[test]
    fn what_the_request_says_holds_for_both() {
        let after = Some(Duration::from_millis(7));
        for streamed in [false, true] {
            assert_eq!(wait(&RULES, after, streamed, || Some(1)), after);
        }
    }
}
