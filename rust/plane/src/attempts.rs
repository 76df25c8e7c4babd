//! The attempts of one request: candidate after candidate, key after key, until one serves.
//!
//! (translate → send → stream) as often as it takes. Until something of an answer has been written to the client, the next key and
//! then the next endpoint may be tried; after that, never. Who may fare better after a failure is said by [`Next`], what all failures
//! together mean by [`conclude`].
//!
//! A task that makes something which is paid for by the piece (a picture, speech, a transcript) is only tried again when it is certain
//! that nothing was made. Text counts as safe to ask for twice: a broken answer is worth less than the few tokens it has cost.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use turnout_wire::answer::Serving;
use turnout_wire::api::responses::limit_as_answer;
use turnout_wire::api::{Api, Task};
use turnout_wire::beside::{put_into_document, put_into_last_event};
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::{Request, Target, Upstream};
use turnout_wire::stream::StreamEditor;

use crate::account::Account;
use crate::caller::{Break, Caller, Comments, EVENT_STREAM, ReplyHead};
use crate::clock::{self, Instant, Moment, unix_seconds};
use crate::conclude::conclude;
use crate::cors;
use crate::deadline::{Deadlines, Until, Wanted};
use crate::explain::is_told;
use crate::failure::{Failure, Next};
use crate::hedge::{Hedging, Race};
use crate::metrics::{self, Counter};
use crate::opaque::{self, Passage};
use crate::plain;
use crate::request::{Outcome, count, done, refuse, refuse_telling};
use crate::route::credential::{self, Asker};
use crate::route::{Candidate, Plan};
use crate::send::{self, Trouble};
use crate::snapshot::{Credential, Key, Snapshot};
use crate::stream::{Ended, Relay};
use crate::thread::Thread;
use crate::upload::Upload;
use crate::upstream::answer::AnswerHead;
use crate::upstream::connection::Connection;

/// How one attempt ended.
pub(crate) enum Verdict {
    /// The client has its answer, or an error event at the end of a part of one.
    Over(Outcome),
    Failed(Failure),
    Broken(Break),
    /// What the client was still sending cannot be sent.
    Refused(Box<Refusal>),
}

/// Keys of one provider that are tried while other endpoints are left: attempts are few, and another provider is likelier to help than
/// a third key.
const KEYS_EACH_MAX: usize = 2;

#[expect(
    clippy::too_many_arguments,
    reason = "each is a different thing that only the caller has"
)]
/// Tries candidate after candidate. `upload`: what is still to come of a form that is passed on while it arrives; `None` for nearly every
/// request.
pub(crate) async fn attempts<'a, C: Caller>(
    thread: &'a Rc<Thread>,
    snapshot: &'a Snapshot,
    caller: &mut C,
    mut upload: Option<&mut Upload<C>>,
    request: &'a Request,
    plan: &'a Plan<'a>,
    account: &mut Account<'a>,
    wanted: Wanted,
    array: bool,
) -> Outcome {
    let candidates = plan.candidates.as_slice();
    let server = &snapshot.server;
    let streamed = request.stream() && request.api().streams();
    let id = account.id;
    let reply = ReplyHead {
        generation_id: id,
        cors_origin: cors::origin(snapshot, caller.head()),
        extra: account.cache_headers(),
        ..ReplyHead::new(
            200,
            if streamed && !array {
                "text/event-stream"
            } else {
                "application/json"
            },
        )
    };
    let started = account.last();
    let deadlines = Deadlines::new(server, wanted, started);
    let mut comments = Comments {
        // An array of JSON has no place for comments.
        head: (streamed && !array).then_some(&reply),
        begun: false,
        every: server.comment_time,
        last: started,
    };
    let user = (request.user_to_hide()).map(|user| pseudonym(account.key(), &user));
    let asker = Asker::new(snapshot, account.key(), request);
    thread.shared.budgets.request();
    let mut hedging = match candidates.len() {
        1 => None,
        _ => Hedging::of(snapshot, asker.key, request, wanted.hedge, streamed),
    };
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    let mut made = 0;
    'candidates: for (index, candidate) in candidates.iter().enumerate() {
        if is_hopeless(index, candidates, &failures) {
            continue;
        }
        let keys_max = match index + 1 < candidates.len() {
            true => KEYS_EACH_MAX,
            false => usize::MAX,
        };
        for credential in credential::keys(candidate, asker).take(keys_max) {
            if made >= server.attempts_max || (made > 0 && Instant::now() >= deadlines.total) {
                break 'candidates;
            }
            // Second tries are bounded, so that they cannot multiply an outage.
            let is_retry = made > 0;
            let retries = &snapshot.routing.retries;
            let slug = candidate.provider.slug.as_str();
            let budgets = &thread.shared.budgets;
            if is_retry && !budgets.has(slug, retries, Moment::of(account.last())) {
                thread.metrics.count(Counter::RetryDenied);
                continue 'candidates;
            }
            made += 1;
            let attempt = One {
                thread,
                snapshot,
                request,
                candidate,
                credential,
                reply: &reply,
                streamed,
                array,
                user: user.as_deref(),
                deadlines: &deadlines,
            };
            let hedged_after = hedging.and_then(|hedging| hedging.wait(candidate));
            let (mut at, mut raced) = (index, false);
            let verdict = match hedged_after.filter(|_| made < server.attempts_max) {
                None => {
                    let rest = upload.as_deref_mut();
                    attempt.run(caller, rest, &mut comments, account).await
                }
                Some(wait) => {
                    let race = Race {
                        first: attempt,
                        index,
                        wait,
                        candidates,
                        asker,
                    };
                    let run = race.run(caller, &mut comments, account, &mut failures);
                    let ended = Box::pin(run).await;
                    (at, raced) = (ended.index, ended.hedged);
                    ended.verdict
                }
            };
            if raced {
                // Once for a request: it would multiply what fallback multiplies already.
                (made, hedging) = (made + 1, None);
            }
            match verdict {
                Verdict::Over(outcome) => return outcome,
                Verdict::Failed(failure) => {
                    // What could not be said in the endpoint's protocol was not sent, and is no attempt.
                    if failure.unsent.is_some() {
                        made -= 1;
                    } else if is_retry {
                        budgets.spend(slug, retries, Moment::of(account.last()));
                    }
                    let next = match at == index {
                        true => failure.next,
                        false => (failures.iter().rev().find(|(failed, _)| *failed == index))
                            .map_or(Next::Endpoint, |(_, failure)| failure.next),
                    };
                    // A form whose rest has begun to go is not here any more.
                    let is_here = !upload.as_ref().is_some_and(|upload| upload.is_begun());
                    let may_repeat =
                        is_here && (request.api().task().is_repeatable() || failure.is_unserved());
                    failures.push((at, failure));
                    if !may_repeat {
                        break 'candidates;
                    }
                    if next != Next::Key {
                        continue 'candidates;
                    }
                }
                Verdict::Broken(Break::Gone) => {
                    account.book_cancelled(None);
                    return Outcome::Gone;
                }
                verdict @ (Verdict::Broken(Break::Ending | Break::Timeout)
                | Verdict::Refused(_)) => {
                    let refusal = match verdict {
                        Verdict::Refused(refusal) => *refusal,
                        _ => Refusal::new(Kind::Draining).with_retry_after_secs(1),
                    };
                    return give_up(
                        thread,
                        snapshot,
                        caller,
                        &mut comments,
                        account,
                        candidate,
                        &refusal,
                    )
                    .await;
                }
            }
        }
    }
    let Some((refusal, candidate)) = conclude(
        snapshot,
        request,
        candidates,
        &deadlines,
        Instant::now(),
        failures,
    ) else {
        // Cannot happen: there is at least one candidate, and each has at least one credential.
        return refuse(
            thread,
            snapshot,
            caller,
            &Refusal::new(Kind::Server),
            id.as_str(),
        )
        .await;
    };
    account.serving(candidate);
    // The provider speaks the client's protocol and cannot count: an estimate is better than its 404.
    if request.api().task() == Task::CountTokens
        && !comments.begun
        && matches!(refusal.status(), 404 | 405)
    {
        account.book_refused(200, refusal.error_type());
        let head = count(snapshot, caller, request);
        return done(caller.reply(&head).await);
    }
    give_up(
        thread,
        snapshot,
        caller,
        &mut comments,
        account,
        candidate,
        &refusal,
    )
    .await
}

/// Whether an earlier failure says that this candidate would fail in the same way.
pub(crate) fn is_hopeless(
    at: usize,
    candidates: &[Candidate<'_>],
    failures: &[(usize, Failure)],
) -> bool {
    let candidate = &candidates[at];
    failures.iter().any(|(index, failure)| {
        // It was a hedge.
        if *index == at {
            return true;
        }
        let failed = &candidates[*index];
        let same_provider = failed.endpoint.provider == candidate.endpoint.provider;
        failed.slug == candidate.slug
            && match failure.next {
                Next::Key | Next::Endpoint => false,
                Next::Provider => same_provider,
                Next::Longer => match (
                    candidate.endpoint.context_length,
                    failed.endpoint.context_length,
                ) {
                    (Some(this), Some(that)) => this <= that,
                    _ => same_provider,
                },
                Next::Model => true,
            }
    })
}

/// Tells the client that there will be no answer: as an HTTP error, or, when a comment has opened the stream already,
/// as an error event.
async fn give_up<C: Caller>(
    thread: &Thread,
    snapshot: &Snapshot,
    caller: &mut C,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    candidate: &Candidate<'_>,
    refusal: &Refusal,
) -> Outcome {
    caller.out().clear();
    let id = account.id;
    let request = account.request();
    let serving = Serving {
        api: account.api(),
        dialect: candidate.wire().dialect,
        asked: request.asked_of(candidate.wire().dialect),
        id: id.as_str(),
        created: account.created_ms / 1000,
        now: unix_seconds,
        model: candidate.slug,
        provider: &candidate.provider.name,
        prices: None,
    };
    // In the responses API a conversation that is too long is no error but an answer that ended at the limit (checklist B05).
    let stream = request.stream();
    let limit =
        account.api() == Api::Responses && limit_as_answer(refusal, &serving, stream, caller.out());
    let members = account.members(false).filter(|_| is_told(refusal));
    if !comments.begun && !limit {
        account.book_refused(refusal.status(), refusal.error_type());
        let members = members.unwrap_or_default();
        return refuse_telling(thread, snapshot, caller, refusal, id.as_str(), &members).await;
    }
    thread.metrics.refused(refusal.kind as usize);
    account.book_refused(200, refusal.error_type());
    if !limit {
        let mut editor = StreamEditor::new(&serving, usize::MAX);
        let _ = editor.interrupted(&serving, 0, refusal, caller.out());
    }
    if stream {
        account.put_first(&serving, caller.out());
    }
    if let Some(members) = members {
        match stream {
            true => put_into_last_event(account.api(), &members, 0, caller.out()),
            false => put_into_document(&members, 0, caller.out()),
        }
    }
    if !comments.begun {
        let head = ReplyHead {
            generation_id: id,
            cors_origin: cors::origin(snapshot, caller.head()),
            ..match stream {
                true => ReplyHead::new(200, EVENT_STREAM),
                false => ReplyHead::json(200),
            }
        };
        return match stream {
            true => done(caller.end(Some(&head)).await),
            false => done(caller.reply(&head).await),
        };
    }
    done(caller.end(None).await)
}

/// One attempt: one endpoint with one key.
#[derive(Clone, Copy)]
pub(crate) struct One<'r, 'a> {
    pub(crate) thread: &'a Rc<Thread>,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) request: &'a Request,
    pub(crate) candidate: &'a Candidate<'a>,
    pub(crate) credential: &'a Credential,
    reply: &'r ReplyHead,
    streamed: bool,
    /// Whether the stream is one JSON array.
    array: bool,
    /// What stands for the client's `user` upstream.
    user: Option<&'r str>,
    pub(crate) deadlines: &'r Deadlines,
}

/// What a provider gets instead of the client's `user` (checklist Q17): the same for the same user of the same key, and no name.
fn pseudonym(key: Option<&Key>, user: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update(key.map_or("", |key| key.sha256_hex.as_str()));
    hash.update(b"/");
    hash.update(user);
    let mut text = String::with_capacity(5 + PSEUDONYM_BYTES * 2);
    text.push_str("user_");
    for byte in hash.finalize().iter().take(PSEUDONYM_BYTES) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Enough that two users of one account do not meet.
const PSEUDONYM_BYTES: usize = 16;

impl<'r, 'a> One<'r, 'a> {
    /// The same at another endpoint.
    pub(crate) fn at(
        &self,
        candidate: &'a Candidate<'a>,
        credential: &'a Credential,
    ) -> One<'r, 'a> {
        One {
            candidate,
            credential,
            ..*self
        }
    }

    /// Makes it.
    pub(crate) async fn run<C: Caller>(
        &self,
        caller: &mut C,
        upload: Option<&mut Upload<C>>,
        comments: &mut Comments<'_>,
        account: &mut Account<'a>,
    ) -> Verdict {
        let translated = self.request.upstream(&self.target());
        let body = match translated {
            Ok(body) => body,
            Err(refusal) => return Verdict::Failed(Failure::untranslatable(refusal)),
        };
        if self.credential.signer.is_some() && upload.is_some() {
            // The signature covers the whole body, which is not here.
            let refusal = Refusal::new(Kind::PayloadTooLarge).with_message(
                "The form is too large for this endpoint, whose requests are signed as a whole (server.limits.form)",
            );
            return Verdict::Failed(Failure::untranslatable(refusal));
        }
        account.begin_attempt(self.candidate, self.credential);
        let began = account.last();
        account.sending_upstream(&body);
        match (self.try_to_serve(caller, upload, comments, account, &body)).await {
            Ok(outcome) => Verdict::Over(outcome),
            Err(Trouble::Failed(failure)) => {
                // Whoever gives a provider less time than it has by the configuration learns nothing about the provider.
                let ended = account.last();
                let is_impatience = failure.outcome == metrics::Outcome::Timeout
                    && ended < began + self.candidate.provider.first_byte_time
                    && self.deadlines.is_by_request(began, ended);
                account.fail_attempt(&failure, is_impatience);
                Verdict::Failed(*failure)
            }
            Err(Trouble::Broken(broken)) => Verdict::Broken(broken),
            Err(Trouble::Refused(refusal)) => Verdict::Refused(refusal),
        }
    }

    /// Translate: the client's bytes with the few spans changed that this provider needs changed, or, where it speaks another protocol,
    /// the same wish in its words.
    fn target(&self) -> Target<'_> {
        let (provider, endpoint) = (self.candidate.provider, self.candidate.endpoint);
        let wire = self.candidate.wire();
        Target {
            dialect: wire.dialect,
            model: self.candidate.model(),
            model_in_path: wire.model_in_path,
            quirks: &wire.quirks,
            routing_fields: provider.routing_fields,
            parameters: endpoint.parameters,
            require_parameters: self
                .request
                .preferences()
                .is_some_and(|preferences| preferences.require_parameters),
            completion_tokens_max: endpoint.completion_tokens_max,
            overrides: self.candidate.overrides(),
            user: self.user,
        }
    }

    async fn try_to_serve<C: Caller>(
        &self,
        caller: &mut C,
        mut upload: Option<&mut Upload<C>>,
        comments: &mut Comments<'_>,
        account: &mut Account<'a>,
        body: &Upstream<'_>,
    ) -> Result<Outcome, Trouble> {
        let provider = self.candidate.provider;
        let sent = account.last();
        let attempt_deadline = self.deadlines.attempt(sent);
        let mut until = Until {
            first: (sent + provider.first_byte_time).min(attempt_deadline),
            total: self.deadlines.total,
        };
        let (mut connection, head) = send::send(
            self.thread,
            caller,
            upload.as_deref_mut(),
            comments,
            account,
            self.candidate,
            self.credential,
            body,
            attempt_deadline,
        )
        .await?;
        if upload.is_some() {
            // The provider's time began when it had all of the form.
            until.first = (account.last() + provider.first_byte_time).min(attempt_deadline);
        }
        account.attempt_head(&head);
        if !(200..300).contains(&head.status) {
            let body = send::read_error(caller, comments, account, &mut connection, &head)
                .await
                .map_err(Trouble::Broken)?;
            let failure = Failure::of_status(&head, &body);
            self.keep(connection, &head, account.last());
            return Err(failure.into());
        }
        let id = account.id;
        let serving = Serving {
            api: self.request.api(),
            dialect: self.candidate.wire().dialect,
            asked: self.request.asked_of(self.candidate.wire().dialect),
            id: id.as_str(),
            created: account.created_ms / 1000,
            now: unix_seconds,
            model: self.candidate.slug,
            provider: &provider.name,
            prices: self.candidate.prices(),
        };
        if self.request.api().task().is_opaque() {
            let passage = Passage {
                candidate: self.candidate,
                serving: &serving,
                head: &head,
                reply: self.reply,
                server: &self.snapshot.server,
                counted: self.request.counted(),
                until,
            };
            return Ok(
                match Box::pin(passage.run(caller, comments, account, &mut connection)).await? {
                    opaque::Ended::Whole => {
                        self.keep(connection, &head, account.last());
                        Outcome::Done
                    }
                    opaque::Ended::Cut | opaque::Ended::Gone => Outcome::Gone,
                },
            );
        }
        let input_bytes = self.request.body().len();
        if self.streamed {
            let relay = Relay {
                candidate: self.candidate,
                serving: &serving,
                head: &head,
                reply: self.reply,
                server: &self.snapshot.server,
                array: self.array,
                input_bytes,
                until,
            };
            return Ok(
                match relay
                    .run(caller, comments, account, &mut connection)
                    .await?
                {
                    Ended::Whole => {
                        self.keep(connection, &head, account.last());
                        Outcome::Done
                    }
                    Ended::Interrupted => Outcome::Done,
                    Ended::Gone => Outcome::Gone,
                },
            );
        }
        plain::receive(
            caller,
            comments,
            account,
            self.candidate,
            &mut connection,
            &head,
            &serving,
            input_bytes,
            self.snapshot.server.limits.answer_bytes_max,
            until,
        )
        .await?;
        self.keep(connection, &head, account.last());
        Ok(done(caller.reply(self.reply).await))
    }

    /// Puts a connection back into the pool when its answer has been read to the end. One whose last few bytes are
    /// still on their way (the end of the chunked coding, after `[DONE]`) is read out by a task of its own.
    fn keep(&self, mut connection: Connection, head: &AnswerHead, now: Instant) {
        let origin = &self.candidate.wire().origin;
        if connection.is_reusable(head) {
            connection.reset();
            self.thread.pool.borrow_mut().give(origin, connection, now);
        } else if head.keep_alive && !connection.is_at_end() {
            let (thread, origin, head) = (Rc::clone(self.thread), Arc::clone(origin), head.clone());
            tokio::task::spawn_local(async move {
                let mut rest = Vec::new();
                let reading = async {
                    while let Ok(true) =
                        poll_fn(|cx| connection.poll_body(&mut rest, REST_BYTES_MAX, cx)).await
                    {
                        if rest.len() >= REST_BYTES_MAX {
                            break;
                        }
                    }
                };
                if clock::timeout(REST_TIME, reading).await.is_ok() && connection.is_reusable(&head)
                {
                    connection.reset();
                    thread
                        .pool
                        .borrow_mut()
                        .give(&origin, connection, Instant::now());
                }
            });
        }
    }
}

/// What may follow a finished answer before its connection is given up instead of kept, and how long it may take.
const REST_BYTES_MAX: usize = 4096;
const REST_TIME: Duration = Duration::from_secs(1);
