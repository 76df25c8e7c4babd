//! A plain answer: read whole, edited, booked, sent.
//!
//! It is held whole because it cannot be judged before its end: an empty or broken one must still be able to fall back
//! to another endpoint, and its cost stands in its last bytes. `answer_bytes_max` bounds what is held.

use std::future::poll_fn;

use turnout_wire::answer::{self, Serving};
use turnout_wire::beside::put_into_document;

use crate::account::Account;
use crate::caller::{Break, Caller, Comments, patiently};
use crate::deadline::Until;
use crate::failure::Failure;
use crate::gunzip::Gunzip;
use crate::hedge::claim;
use crate::route::Candidate;
use crate::send::Trouble;
use crate::upstream::answer::{AnswerHead, Coding};
use crate::upstream::connection::Connection;

#[expect(
    clippy::too_many_arguments,
    reason = "an attempt's company, each thing used alone"
)]
/// Reads the answer into `caller.out()`, edited, and books it: all but the sending. The connection is at its end then.
pub(crate) async fn receive<C: Caller>(
    caller: &mut C,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    candidate: &Candidate<'_>,
    connection: &mut Connection,
    head: &AnswerHead,
    serving: &Serving<'_>,
    input_bytes: usize,
    answer_bytes_max: usize,
    until: Until,
) -> Result<(), Trouble> {
    if head.coding == Coding::Identity
        && let Some(body) = connection.whole_body()
    {
        let served = serve(caller, comments, account, head, body, serving, input_bytes).await;
        connection.finish_whole_body();
        return served;
    }
    let body = read_whole(
        caller,
        comments,
        account,
        candidate,
        connection,
        head,
        answer_bytes_max,
        until,
    )
    .await?;
    serve(caller, comments, account, head, &body, serving, input_bytes).await
}

#[expect(
    clippy::too_many_arguments,
    reason = "an attempt's company, each thing used alone"
)]
/// Reads a body to its end, decompressed, at most `answer_bytes_max` of it.
pub(crate) async fn read_whole<C: Caller>(
    caller: &mut C,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    candidate: &Candidate<'_>,
    connection: &mut Connection,
    head: &AnswerHead,
    answer_bytes_max: usize,
    until: Until,
) -> Result<Vec<u8>, Trouble> {
    let mut gunzip = match head.coding {
        Coding::Identity => None,
        Coding::Gzip => Some(Gunzip::new()),
        Coding::Other => {
            return Err(Failure::malformed(
                head.status,
                "its answer is compressed in a way that was not asked for",
            )
            .into());
        }
    };
    let mut body = Vec::new();
    let mut packed = Vec::new();
    loop {
        let started = account.last();
        // Nothing reaches the client before the end, so the deadline of all attempts holds up to there.
        let next = match body.is_empty() {
            true => until.first,
            false => until.total,
        };
        let into = if gunzip.is_some() {
            &mut packed
        } else {
            &mut body
        };
        let reading = poll_fn(|cx| connection.poll_body(into, answer_bytes_max + 1, cx));
        let deadline = (started + candidate.provider.idle_time).min(next);
        let outcome = patiently(caller, comments, deadline, reading).await;
        account.waited(started);
        let more = match outcome {
            Ok(Ok(more)) => more,
            Ok(Err(fault)) => {
                return Err(Failure {
                    status: head.status,
                    ..Failure::of_fault(&fault)
                }
                .into());
            }
            Err(Break::Timeout) => {
                return Err(Failure {
                    status: head.status,
                    ..Failure::timeout(
                        "nothing more of the answer",
                        deadline.duration_since(started),
                    )
                }
                .into());
            }
            Err(broken) => return Err(Trouble::Broken(broken)),
        };
        if let Some(gunzip) = &mut gunzip {
            if gunzip
                .push(&packed, &mut body, answer_bytes_max + 1)
                .is_err()
            {
                return Err(Failure::malformed(head.status, "its answer is not valid gzip").into());
            }
            packed.clear();
        }
        // Spaces keep a connection alive and are no answer.
        if C::IS_CONTESTED && body.iter().any(|byte| !byte.is_ascii_whitespace()) {
            caller.arriving();
        }
        if body.len() > answer_bytes_max {
            return Err(Failure::too_large(head.status, answer_bytes_max).into());
        }
        if !more || connection.is_at_end() {
            break;
        }
    }
    if gunzip.is_some_and(|gunzip| !gunzip.into_complete()) && !body.is_empty() {
        return Err(Failure::malformed(head.status, "its gzip answer is cut short").into());
    }
    Ok(body)
}

/// Judges and edits a whole body, and books it.
#[inline]
async fn serve<C: Caller>(
    caller: &mut C,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    head: &AnswerHead,
    body: &[u8],
    serving: &Serving<'_>,
    input_bytes: usize,
) -> Result<(), Trouble> {
    if body.is_empty() {
        return Err(Failure::empty(head.status, "its answer was empty").into());
    }
    // What is booked is large and stays where it is: passed up to the caller it would be moved six times.
    let facts = match answer::edit(body, serving, input_bytes, caller.out()) {
        Ok(facts) => facts,
        Err(unusable) => return Err(Failure::of_unusable(head.status, unusable).into()),
    };
    account.judge_calls(&facts, serving.dialect, body);
    if C::IS_CONTESTED {
        claim(caller, comments, account).await;
    }
    if let Some(members) = account.members(true) {
        put_into_document(&members, 0, caller.out());
    }
    // Account before the last byte leaves; see `account.rs`.
    account.sending(caller.out());
    account.book(&facts);
    Ok(())
}
