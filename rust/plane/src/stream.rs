//! A streamed answer: each part is edited and passed on as it comes, until the first part reaches the client there is
//! still a way back.
//!
//! - Until something has been written, any fault is a failed attempt, and the next endpoint is tried. (Comment lines
//!   during a long silence do not count: they say nothing.) After that, a fault becomes one in-band error event.
//! - The next part is read only when the client has taken the last: a slow client slows its own provider, and at most
//!   one buffer is held.
//! - The record is booked before the last part is sent; see `account.rs`.
//! - A client that leaves takes its provider's connection with it, so that nothing more is generated and charged.

use std::future::poll_fn;

use turnout_wire::answer::{Facts, Serving};
use turnout_wire::api::gemini::ArrayFraming;
use turnout_wire::beside::put_into_last_event;
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::stream::{EofVerdict, StreamEditor, from_answer};

use crate::account::Account;
use crate::caller::{Break, Caller, Comments, Gone, ReplyHead, patiently};
use crate::deadline::Until;
use crate::explain::is_told;
use crate::failure::Failure;
use crate::gunzip::Parts;
use crate::hedge::claim;
use crate::metrics::Outcome;
use crate::plain;
use crate::route::Candidate;
use crate::send::Trouble;
use crate::snapshot::Server;
use crate::upstream::answer::AnswerHead;
use crate::upstream::connection::Connection;

/// How a stream that reached the client ended.
pub(crate) enum Ended {
    Whole,
    /// With an error event.
    Interrupted,
    Gone,
}

/// Everything about the stream that does not change while it flows.
pub(crate) struct Relay<'a> {
    pub(crate) candidate: &'a Candidate<'a>,
    pub(crate) serving: &'a Serving<'a>,
    pub(crate) head: &'a AnswerHead,
    pub(crate) reply: &'a ReplyHead,
    pub(crate) server: &'a Server,
    /// Whether the client wants one JSON array instead of events.
    pub(crate) array: bool,
    pub(crate) input_bytes: usize,
    pub(crate) until: Until,
}

impl Relay<'_> {
    /// Passes the stream on.
    pub(crate) async fn run<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'_>,
        connection: &mut Connection,
    ) -> Result<Ended, Trouble> {
        if !self.head.event_stream && self.head.json {
            return Box::pin(self.relay_plain(caller, comments, account, connection)).await;
        }
        let mut parts = Parts::of(self.head)?;
        let limits = &self.server.limits;
        let mut editor = StreamEditor::new(self.serving, limits.event_bytes_max);
        let mut framing = self.array.then(ArrayFraming::new);
        let mut input = Vec::new();
        // Chunks from before the first one with a choice.
        let mut held = Vec::new();
        let mut started = false;
        let may_call = account.offers_tools();
        loop {
            input.clear();
            let waiting = account.last();
            let deadline = if started {
                waiting + self.candidate.provider.idle_time
            } else {
                self.until.first
            };
            let reading = poll_fn(|cx| parts.poll_read(connection, &mut input, cx));
            let outcome = patiently(caller, comments, deadline, reading).await;
            account.waited(waiting);
            let mut fault = match outcome {
                Ok(Ok(_)) => None,
                // The provider closed: what it meant to say may be complete all the same.
                Ok(Err(fault)) => Some(Failure::of_fault(&fault)),
                Err(Break::Timeout) => Some(Failure::timeout(
                    if started {
                        "nothing more of the stream"
                    } else {
                        "nothing of the answer in its stream"
                    },
                    deadline.duration_since(waiting),
                )),
                Err(Break::Gone) => return Ok(self.gone(account, &editor)),
                Err(Break::Ending) if started => {
                    let refusal = Refusal::new(Kind::Draining)
                        .with_message("The gateway is shutting down and this stream did not end in time (server.drain)");
                    return self
                        .interrupt(
                            caller,
                            account,
                            &mut editor,
                            framing,
                            &refusal,
                            Outcome::Cancelled,
                        )
                        .await;
                }
                Err(Break::Ending) => return Err(Trouble::Broken(Break::Ending)),
            };
            if fault.is_none() && parts.unpack(&mut input).is_err() {
                fault = Some(Failure::malformed(
                    self.head.status,
                    "its stream is not valid gzip",
                ));
            }
            let mut done = false;
            if may_call && fault.is_none() {
                account.keep_for_calls(&input);
            }
            if fault.is_none() {
                match editor.push(&input, self.serving, caller.out()) {
                    Ok(step) => done = step.done,
                    Err(wrong) => fault = Some(Failure::of_stream(self.head.status, wrong)),
                }
            }
            if !done
                && (connection.is_at_end()
                    || fault.as_ref().is_some_and(|f| f.outcome == Outcome::Closed))
            {
                match editor.eof(self.serving, caller.out()) {
                    // A provider that has given its reason for the end has said all there is, with or without [DONE].
                    Ok(EofVerdict::Complete) => (done, fault) = (true, None),
                    Ok(EofVerdict::Cut) if editor.events() == 0 && fault.is_none() => {
                        fault = Some(Failure::empty(self.head.status, "its stream was empty"));
                    }
                    Ok(EofVerdict::Cut) => {
                        fault.get_or_insert_with(|| Failure {
                            outcome: Outcome::Closed,
                            ..Failure::malformed(
                                self.head.status,
                                "its stream ended before the answer did",
                            )
                        });
                    }
                    Err(wrong) => {
                        fault.get_or_insert_with(|| Failure::of_stream(self.head.status, wrong));
                    }
                }
            }
            if let Some(failure) = fault {
                if !started {
                    // What was read together with the fault has not been written: the next endpoint may still
                    // give a whole answer, and an HTTP error says more than the beginning of this one.
                    caller.out().clear();
                    return Err(Failure {
                        status: self.head.status,
                        ..failure
                    }
                    .into());
                }
                let refusal =
                    failure.refusal(&self.candidate.provider.name, self.server.raw_errors);
                return self
                    .interrupt(
                        caller,
                        account,
                        &mut editor,
                        framing,
                        &refusal,
                        failure.outcome,
                    )
                    .await;
            }
            if editor.events() > 0 && !held.is_empty() {
                caller.out().splice(..0, held.drain(..));
            }
            if editor.events() > 0
                && !done
                && let Some(framing) = &mut framing
            {
                turn(framing, caller.out());
            }
            if done {
                if editor.events() == 0 {
                    caller.out().clear();
                    return Err(
                        Failure::empty(self.head.status, "its stream held no answer").into(),
                    );
                }
                return self
                    .finish(caller, comments, account, &mut editor, framing, started)
                    .await;
            }
            if caller.out().is_empty() {
                continue;
            }
            if editor.events() == 0 {
                // Chunks without a choice (Azure's first, about filters) commit to nothing yet. They must not go out
                // with the next comment either: they name this provider.
                held.append(caller.out());
                if held.len() > limits.event_bytes_max {
                    return Err(Failure::malformed(
                        self.head.status,
                        "its stream begins with nothing but chunks that hold no answer",
                    )
                    .into());
                }
                continue;
            }
            if !started {
                if C::IS_CONTESTED {
                    claim(caller, comments, account).await;
                }
                started = true;
                account.first_byte();
                account.put_first(self.serving, caller.out());
            }
            account.sending(caller.out());
            let sending = account.look();
            let sent = if comments.begun {
                caller.part().await
            } else {
                caller.begin(self.reply).await
            };
            comments.begun = true;
            account.waited(sending);
            comments.last = account.last();
            if sent == Err(Gone) {
                return Ok(self.gone(account, &editor));
            }
        }
    }

    async fn finish<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'_>,
        editor: &mut StreamEditor,
        framing: Option<ArrayFraming>,
        started: bool,
    ) -> Result<Ended, Trouble> {
        let facts = editor.end(self.serving, self.input_bytes, caller.out());
        account.judge_streamed_calls(&facts, self.serving.dialect);
        if !started {
            if C::IS_CONTESTED {
                claim(caller, comments, account).await;
            }
            account.put_first(self.serving, caller.out());
        }
        self.tell(account, true, caller.out());
        end_array(framing, caller.out());
        self.send_last(caller, comments, account, &facts).await
    }

    async fn send_last<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'_>,
        facts: &Facts,
    ) -> Result<Ended, Trouble> {
        account.sending(caller.out());
        account.book(facts);
        let head = (!comments.begun).then_some(self.reply);
        comments.begun = true;
        Ok(match caller.end(head).await {
            Ok(()) => Ended::Whole,
            Err(Gone) => Ended::Gone,
        })
    }

    /// A server that ignores `stream` and answers plainly.
    async fn relay_plain<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'_>,
        connection: &mut Connection,
    ) -> Result<Ended, Trouble> {
        let max = self.server.limits.answer_bytes_max;
        let body = plain::read_whole(
            caller,
            comments,
            account,
            self.candidate,
            connection,
            self.head,
            max,
            self.until,
        )
        .await?;
        let facts = from_answer(&body, self.serving, self.input_bytes, caller.out())
            .map_err(|unusable| Failure::of_unusable(self.head.status, unusable))?;
        account.judge_calls(&facts, self.serving.dialect, &body);
        if C::IS_CONTESTED {
            claim(caller, comments, account).await;
        }
        account.put_first(self.serving, caller.out());
        self.tell(account, true, caller.out());
        end_array(self.array.then(ArrayFraming::new), caller.out());
        self.send_last(caller, comments, account, &facts).await
    }

    async fn interrupt<C: Caller>(
        &self,
        caller: &mut C,
        account: &mut Account<'_>,
        editor: &mut StreamEditor,
        framing: Option<ArrayFraming>,
        refusal: &Refusal,
        outcome: Outcome,
    ) -> Result<Ended, Trouble> {
        let facts = editor.interrupted(self.serving, self.input_bytes, refusal, caller.out());
        if is_told(refusal) {
            self.tell(account, false, caller.out());
        }
        end_array(framing, caller.out());
        account.book_interrupted(refusal.error_type(), outcome, &facts);
        Ok(match caller.end(None).await {
            Ok(()) => Ended::Interrupted,
            Err(Gone) => Ended::Gone,
        })
    }

    /// Puts into the last event what the client asked to be told.
    fn tell(&self, account: &Account<'_>, serves: bool, out: &mut Vec<u8>) {
        if let Some(members) = account.members(serves) {
            put_into_last_event(self.serving.api, &members, 0, out);
        }
    }

    fn gone(&self, account: &mut Account<'_>, editor: &StreamEditor) -> Ended {
        account.book_cancelled(Some(&editor.facts(self.serving, self.input_bytes)));
        Ended::Gone
    }
}

/// Turns events into elements.
fn turn(framing: &mut ArrayFraming, out: &mut Vec<u8>) {
    let events = std::mem::take(out);
    framing.chunk(&events, out);
}

/// Turns the last events into elements, and closes the array, where the client reads one.
fn end_array(framing: Option<ArrayFraming>, out: &mut Vec<u8>) {
    if let Some(mut framing) = framing {
        turn(&mut framing, out);
        framing.end(out);
    }
}
