//! Answers that only the provider and the client understand: images, speech, transcripts, judgements. They pass byte for byte, with
//! the provider's content type, and are looked at only for what they say about their use.
//!
//! - **JSON** is read whole before anything is sent, like every plain answer: so an empty or broken one, or an error that came with a good
//!   status, can still fall back to another endpoint. `answer_bytes_max` bounds what is held.
//! - **Events and bytes** (streamed images, speech) pass as they come, at most one part of them held. What fails after the first part has
//!   been sent cannot be taken back: a stream of events ends with an error event, anything else ends in the middle, with the connection
//!   closed, because a client must not take half of a sound for the whole.
//! - The record is booked before the last part is sent; see `account.rs`.

use std::borrow::Cow;
use std::future::poll_fn;

use turnout_wire::answer::Serving;
use turnout_wire::opaque::{self, Counted, Watch};
use turnout_wire::refusal::{Kind, Refusal};

use crate::account::Account;
use crate::caller::{Break, Caller, Comments, Gone, ReplyHead, patiently};
use crate::deadline::Until;
use crate::failure::Failure;
use crate::gunzip::Parts;
use crate::hedge::claim;
use crate::metrics::Outcome as Attempted;
use crate::plain;
use crate::route::Candidate;
use crate::send::Trouble;
use crate::snapshot::Server;
use crate::upstream::answer::AnswerHead;
use crate::upstream::connection::Connection;

/// Longest content type that is passed on.
const TYPE_BYTES_MAX: usize = 256;

/// How an answer ended.
pub(crate) enum Ended {
    Whole,
    /// The client saw the beginning and must not take it for the whole.
    Cut,
    Gone,
}

/// Everything about the answer that does not change while it passes.
pub(crate) struct Passage<'a> {
    pub(crate) candidate: &'a Candidate<'a>,
    pub(crate) serving: &'a Serving<'a>,
    pub(crate) head: &'a AnswerHead,
    /// What the client gets, but for the content type.
    pub(crate) reply: &'a ReplyHead,
    pub(crate) server: &'a Server,
    pub(crate) counted: Counted,
    pub(crate) until: Until,
}

impl Passage<'_> {
    /// Passes the answer on.
    pub(crate) async fn run<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'_>,
        connection: &mut Connection,
    ) -> Result<Ended, Trouble> {
        let reply = ReplyHead {
            status: self.head.status,
            content_type: Cow::Owned(self.content_type()),
            generation_id: self.reply.generation_id,
            cors_origin: self.reply.cors_origin.clone(),
            extra: Vec::new(),
        };
        match self.head.json {
            true => {
                self.whole(caller, comments, account, connection, &reply)
                    .await
            }
            false => {
                self.parts(caller, comments, account, connection, &reply)
                    .await
            }
        }
    }

    /// As the provider says it. What cannot stand in a header of ours is nobody's content type.
    fn content_type(&self) -> String {
        let lines = self.head.lines.iter().flatten();
        let mut found = lines.filter(|(name, _)| name == "content-type");
        let value = found
            .next()
            .and_then(|(_, value)| std::str::from_utf8(value).ok());
        let fits = |value: &&str| {
            value.len() <= TYPE_BYTES_MAX && value.bytes().all(|byte| (b' '..0x7f).contains(&byte))
        };
        value
            .map(str::trim)
            .filter(fits)
            .unwrap_or("application/octet-stream")
            .to_owned()
    }

    async fn whole<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'_>,
        connection: &mut Connection,
        reply: &ReplyHead,
    ) -> Result<Ended, Trouble> {
        let body = plain::read_whole(
            caller,
            comments,
            account,
            self.candidate,
            connection,
            self.head,
            self.server.limits.answer_bytes_max,
            self.until,
        )
        .await?;
        opaque::judge(&body)
            .map_err(|unusable| Failure::of_unusable(self.head.status, unusable))?;
        let mut watch = Watch::new(self.serving.api);
        watch.push(&body);
        if C::IS_CONTESTED {
            claim(caller, comments, account).await;
        }
        // Moved, not copied: an image may have megabytes.
        *caller.out() = body;
        account.book(&watch.facts(self.counted, self.serving));
        Ok(match caller.reply(reply).await {
            Ok(()) => Ended::Whole,
            Err(Gone) => Ended::Gone,
        })
    }

    async fn parts<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'_>,
        connection: &mut Connection,
        reply: &ReplyHead,
    ) -> Result<Ended, Trouble> {
        let mut parts = Parts::of(self.head)?;
        let mut watch = Watch::new(self.serving.api);
        let mut started = false;
        loop {
            let waiting = account.last();
            let deadline = match started {
                true => waiting + self.candidate.provider.idle_time,
                false => self.until.first,
            };
            // Not the caller's own buffer: what is read before a fault must not go out with anything else.
            let mut part = Vec::new();
            let reading = poll_fn(|cx| parts.poll_read(connection, &mut part, cx));
            let outcome = patiently(caller, comments, deadline, reading).await;
            account.waited(waiting);
            let mut fault = match outcome {
                Ok(Ok(_)) => None,
                Ok(Err(fault)) => Some(Failure::of_fault(&fault)),
                Err(Break::Timeout) => Some(Failure::timeout(
                    match started {
                        true => "nothing more of the answer",
                        false => "nothing of the answer",
                    },
                    deadline.duration_since(waiting),
                )),
                Err(Break::Gone) => {
                    account.book_cancelled(Some(&watch.facts(self.counted, self.serving)));
                    return Ok(Ended::Gone);
                }
                Err(Break::Ending) if started => {
                    let refusal = Refusal::new(Kind::Draining)
                        .with_message("The gateway is shutting down and this answer did not end in time (server.drain)");
                    return Ok(self
                        .interrupt(caller, account, &watch, &refusal, Attempted::Cancelled)
                        .await);
                }
                Err(Break::Ending) => return Err(Trouble::Broken(Break::Ending)),
            };
            let at_end = connection.is_at_end();
            if fault.is_none() && parts.unpack(&mut part).is_err() {
                fault = Some(Failure::malformed(
                    self.head.status,
                    "its answer is not valid gzip",
                ));
            }
            if at_end && fault.is_none() && parts.is_cut() {
                fault = Some(Failure::malformed(
                    self.head.status,
                    "its gzip answer is cut short",
                ));
            }
            if at_end && !started && part.is_empty() && fault.is_none() {
                fault = Some(Failure::empty(self.head.status, "its answer was empty"));
            }
            if let Some(failure) = fault {
                let failure = Failure {
                    status: self.head.status,
                    ..failure
                };
                if !started {
                    return Err(failure.into());
                }
                let refusal =
                    failure.refusal(&self.candidate.provider.name, self.server.raw_errors);
                return Ok(self
                    .interrupt(caller, account, &watch, &refusal, failure.outcome)
                    .await);
            }
            watch.push(&part);
            if C::IS_CONTESTED && !started && (at_end || !part.is_empty()) {
                claim(caller, comments, account).await;
            }
            *caller.out() = part;
            if at_end {
                account.book(&watch.facts(self.counted, self.serving));
                let sent = match started {
                    true => caller.end(None).await,
                    // All of it came at once, so its length is known.
                    false => caller.reply(reply).await,
                };
                return Ok(match sent {
                    Ok(()) => Ended::Whole,
                    Err(Gone) => Ended::Gone,
                });
            }
            if caller.out().is_empty() {
                continue;
            }
            account.first_byte();
            let sending = account.look();
            let sent = match std::mem::replace(&mut started, true) {
                true => caller.part().await,
                false => caller.begin(reply).await,
            };
            account.waited(sending);
            if sent == Err(Gone) {
                account.book_cancelled(Some(&watch.facts(self.counted, self.serving)));
                return Ok(Ended::Gone);
            }
        }
    }

    /// Ends an answer that has begun.
    async fn interrupt<C: Caller>(
        &self,
        caller: &mut C,
        account: &mut Account<'_>,
        watch: &Watch,
        refusal: &Refusal,
        outcome: Attempted,
    ) -> Ended {
        let facts = watch.facts(self.counted, self.serving);
        account.book_interrupted(refusal.error_type(), outcome, &facts);
        if !self.head.event_stream {
            return Ended::Cut;
        }
        let out = caller.out();
        out.clear();
        opaque::write_error_event(refusal, out);
        match caller.end(None).await {
            Ok(()) => Ended::Whole,
            Err(Gone) => Ended::Gone,
        }
    }
}
