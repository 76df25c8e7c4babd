//! One request, from its head to its record. This file alone knows the order of the steps:
//!
//! accept → authenticate → admit → parse → route → (translate → send → stream) as often as it takes → account.
//!
//! Fallback is the loop in [`attempts`]: until something of an answer has been written to the client, the next key and
//! then the next endpoint may be tried; after that, never.

use std::borrow::Cow;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use turnout_wire::answer::Serving;
use turnout_wire::api::responses::limit_as_answer;
use turnout_wire::api::{self, Api, Task};
use turnout_wire::count;
use turnout_wire::refusal::{Kind, PreviousError, Refusal};
use turnout_wire::request::{Request, Target, Upstream};
use turnout_wire::stream::StreamEditor;

use crate::account::Account;
use crate::admit::admit;
use crate::authenticate::authenticate;
use crate::caller::{BodyFault, Break, Caller, Comments, EVENT_STREAM, Gone, ReplyHead};
use crate::clock::Instant;
use crate::cold;
use crate::cors;
use crate::edge::head::{Known, Method};
use crate::failure::Failure;
use crate::health;
use crate::models;
use crate::opaque::{self, Passage};
use crate::place::{self, InPath, Place, place};
use crate::plain;
use crate::route::{self, Candidate};
use crate::send::{self, Trouble};
use crate::snapshot::{Credential, Key, Snapshot};
use crate::stream::{Ended, Relay};
use crate::thread::Thread;
use crate::upstream::answer::AnswerHead;
use crate::upstream::connection::Connection;

/// What becomes of the connection.
pub(crate) enum Outcome {
    /// Answered.
    Done,
    /// The client has left.
    Gone,
    /// It is a tunnel to the control side now.
    Upgrade(Box<Connection>),
}

/// Serves one request.
pub(crate) async fn serve<C: Caller>(thread: &Rc<Thread>, caller: &mut C) -> Outcome {
    // The configuration of this request, whatever is swapped in while it runs.
    let snapshot = thread.snapshot();
    if caller.head().method == Method::Options && cors::is_preflight(caller.head()) {
        return done(
            caller
                .reply(&cors::preflight(&snapshot, caller.head()))
                .await,
        );
    }
    let (get, post) = (
        matches!(caller.head().method, Method::Get | Method::Head),
        caller.head().method == Method::Post,
    );
    let refusal = match place(caller.head()) {
        Place::Generate(api) if post => {
            return Box::pin(generate(thread, &snapshot, caller, api, None)).await;
        }
        Place::GenerateInPath(api) if post => {
            let path = place::in_path(caller.head());
            return Box::pin(generate(thread, &snapshot, caller, api, Some(path))).await;
        }
        Place::Hello if get => {
            let head = health::hello(caller.out());
            return done(caller.reply(&head).await);
        }
        // Coding agents look here for a socket first, and post when they are told quickly that there is none.
        Place::NoSocket => Refusal::new(Kind::NotFound).with_message(
            "The responses API is not offered over a WebSocket here; POST to the same path",
        ),
        Place::Models if get => match models::list(thread, &snapshot, caller) {
            Ok(head) => return done(caller.reply(&head).await),
            Err(refusal) => refusal,
        },
        Place::Model if get => match models::one(thread, &snapshot, caller) {
            Ok(head) => return done(caller.reply(&head).await),
            Err(refusal) => refusal,
        },
        Place::Live if get => {
            let head = health::live(caller.out());
            return done(caller.reply(&head).await);
        }
        Place::Ready if get => {
            let head = health::ready(&thread.shared, caller.out());
            return done(caller.reply(&head).await);
        }
        Place::Metrics if get => {
            let head = health::metrics(&thread.shared, caller.out());
            return done(caller.reply(&head).await);
        }
        Place::Cold => return Box::pin(cold::serve(thread, &snapshot, caller)).await,
        Place::Generate(_) | Place::GenerateInPath(_) => Refusal::new(Kind::MethodNotAllowed)
            .with_message(format!("{} takes POST", caller.head().path().to_owned()))
            .with_allow("POST, OPTIONS"),
        _ => Refusal::new(Kind::MethodNotAllowed)
            .with_message(format!("{} takes GET", caller.head().path().to_owned()))
            .with_allow("GET, HEAD, OPTIONS"),
    };
    refuse(thread, &snapshot, caller, &refusal, "").await
}

fn done(sent: Result<(), Gone>) -> Outcome {
    match sent {
        Ok(()) => Outcome::Done,
        Err(Gone) => Outcome::Gone,
    }
}

/// Head of the answer that carries a refusal.
pub(crate) fn refusal_head(refusal: &Refusal) -> ReplyHead {
    let mut head = ReplyHead::json(refusal.status());
    if let Some(seconds) = refusal.retry_after_secs {
        head = head.with("retry-after", seconds.to_string());
    }
    if let Some(methods) = refusal.allow {
        head = head.with("allow", methods);
    }
    if refusal.kind == Kind::Authentication {
        head = head.with("www-authenticate", "Bearer");
    }
    // OpenAI's libraries, and those made alike, send these again unless told not to. A provider that refuses the
    // gateway's key would then hear it three times for each request.
    if !refusal.kind.retryable() && matches!(refusal.status(), 408 | 409 | 429 | 500..) {
        head = head.with("x-should-retry", "false");
    }
    head
}

/// Sends a refusal and counts it.
pub(crate) async fn refuse<C: Caller>(
    thread: &Thread,
    snapshot: &Snapshot,
    caller: &mut C,
    refusal: &Refusal,
    generation_id: &str,
) -> Outcome {
    thread.metrics.refused(refusal.kind as usize);
    let mut head = refusal_head(refusal);
    head.cors_origin = cors::origin(snapshot, caller.head());
    head.generation_id = Cow::Owned(generation_id.to_owned());
    let family = place::family(caller.head());
    let out = caller.out();
    out.clear();
    api::write_refusal(family, refusal, generation_id, out);
    done(caller.reply(&head).await)
}

/// A generation: everything behind a POST to a model.
async fn generate<C: Caller>(
    thread: &Rc<Thread>,
    snapshot: &Snapshot,
    caller: &mut C,
    api: Api,
    path: Option<InPath>,
) -> Outcome {
    // Who asks comes before the body: strangers do not get to upload.
    let key = match authenticate(thread, snapshot, caller.head()) {
        Ok(key) => key,
        Err(refusal) => return refuse(thread, snapshot, caller, &refusal, "").await,
    };
    // Whether there is room comes before the body too: at the limit, memory is what is short.
    let _permit = match admit(&thread.shared, snapshot) {
        Ok(permit) => permit,
        Err(refusal) => return refuse(thread, snapshot, caller, &refusal, "").await,
    };
    let array = path.as_ref().is_some_and(|path| path.array);
    let request = match parse(snapshot, caller, api, path).await {
        Ok(request) => request,
        Err(BodyFault::Gone) => return Outcome::Gone,
        Err(BodyFault::Refused(refusal)) => {
            return refuse(thread, snapshot, caller, &refusal, "").await;
        }
    };
    let waited_us = caller.body_wait_us();
    // Routing needs the body's names and nothing else of it.
    let candidates = match route::plan(snapshot, key, &request) {
        Ok(candidates) => candidates,
        // No endpoint of the model counts in the client's protocol: then an estimate is better than a refusal.
        Err(refusal) if refusal.kind == Kind::WrongEndpoint && api.task() == Task::CountTokens => {
            let head = count(snapshot, caller, &request);
            return done(caller.reply(&head).await);
        }
        Err(refusal) => return refuse(thread, snapshot, caller, &refusal, "").await,
    };
    // From here on it is a generation: it has an id, and it is booked however it ends.
    let mut account = Account::open(
        thread,
        snapshot,
        key,
        &request,
        caller.head(),
        client_address(snapshot, caller),
        caller.began(),
        waited_us,
    );
    attempts(
        thread,
        snapshot,
        caller,
        &request,
        &candidates,
        &mut account,
        array,
    )
    .await
}

/// Answers a question for the number of tokens with an estimate. It is no generation: nothing is booked.
fn count<C: Caller>(snapshot: &Snapshot, caller: &mut C, request: &Request) -> ReplyHead {
    let head = ReplyHead {
        cors_origin: cors::origin(snapshot, caller.head()),
        ..ReplyHead::json(200)
    };
    let out = caller.out();
    out.clear();
    count::write(request, out);
    head.with("x-turnout-estimated", "true")
}

/// Reads the body and what routing needs of it.
async fn parse<C: Caller>(
    snapshot: &Snapshot,
    caller: &mut C,
    api: Api,
    path: Option<InPath>,
) -> Result<Request, BodyFault> {
    if let Some(coding) = caller.head().get(Known::ContentEncoding)
        && !coding.eq_ignore_ascii_case(b"identity")
    {
        return Err(BodyFault::refused(
            Kind::UnsupportedMediaType,
            "The body is compressed (Content-Encoding); send it as plain JSON",
        ));
    }
    let server = &snapshot.server;
    let content_type = match api.task().is_opaque() {
        true => caller.head().text(Known::ContentType).to_owned(),
        false => String::new(),
    };
    let body = caller
        .body(server.limits.body_bytes_max, server.body_time)
        .await?;
    let refused = |refusal| BodyFault::Refused(Box::new(refusal));
    let body = match api.task().is_opaque() {
        true => match Request::read_form(body, api, &content_type).map_err(refused)? {
            Ok(form) => return Ok(form),
            Err(body) => body,
        },
        false => body,
    };
    let read = match path {
        Some(path) => Request::read_beside_path(body, api, path.model, path.stream),
        None => Request::read(body, api),
    };
    read.map_err(refused)
}

/// The client's address: the connection's, or, behind trusted proxies, the last one that they did not add themselves.
pub(crate) fn client_address<C: Caller>(snapshot: &Snapshot, caller: &C) -> std::net::IpAddr {
    let trusted = &snapshot.server.trusted_proxies;
    let is_trusted = |address| trusted.iter().any(|network| network.holds(address));
    let mut address = caller.peer();
    if trusted.is_empty() || !is_trusted(address) {
        return address;
    }
    for hop in caller.head().forwarded_for() {
        address = hop.to_canonical();
        if !is_trusted(address) {
            break;
        }
    }
    address
}

/// How one attempt ended.
enum Verdict {
    /// The client has its answer, or an error event at the end of a part of one.
    Over(Outcome),
    Failed(Failure),
    Broken(Break),
}

/// Tries candidate after candidate.
async fn attempts<'a, C: Caller>(
    thread: &'a Rc<Thread>,
    snapshot: &'a Snapshot,
    caller: &mut C,
    request: &'a Request,
    candidates: &'a [Candidate<'a>],
    account: &mut Account<'a>,
    array: bool,
) -> Outcome {
    let server = &snapshot.server;
    let streamed = request.stream() && request.api().streams();
    let id = account.id;
    let reply = ReplyHead {
        generation_id: Cow::Owned(id.as_str().to_owned()),
        cors_origin: cors::origin(snapshot, caller.head()),
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
    let total_deadline = started + server.attempts_time;
    let mut comments = Comments {
        // An array of JSON has no place for comments.
        head: (streamed && !array).then_some(&reply),
        begun: false,
        every: server.comment_time,
        last: started,
    };
    let user = request.user().map(|user| pseudonym(account.key(), user));
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    let mut made = 0;
    'candidates: for (index, candidate) in candidates.iter().enumerate() {
        for credential in route::draw(candidate.provider) {
            if made >= server.attempts_max || (made > 0 && Instant::now() >= total_deadline) {
                break 'candidates;
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
                total_deadline,
            };
            match attempt.run(caller, &mut comments, account).await {
                Verdict::Over(outcome) => return outcome,
                Verdict::Failed(failure) => {
                    // What could not be said in the endpoint's protocol was not sent, and is no attempt.
                    if failure.unsent.is_some() {
                        made -= 1;
                    }
                    let other_key = failure.may_try_other_key();
                    let is_final = failure.is_final;
                    failures.push((index, failure));
                    if is_final {
                        break 'candidates;
                    }
                    if !other_key {
                        continue 'candidates;
                    }
                }
                Verdict::Broken(Break::Gone) => {
                    account.book_cancelled(None);
                    return Outcome::Gone;
                }
                Verdict::Broken(Break::Ending | Break::Timeout) => {
                    let refusal = Refusal::new(Kind::Draining).with_retry_after_secs(1);
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
    let Some((refusal, candidate)) = conclude(snapshot, candidates, failures) else {
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

/// What all the failures together mean for the client: the last one speaks, the others are listed. The shortest wait
/// that any provider asked for is passed on. Endpoints that nothing was sent to speak only when there were no others.
fn conclude<'a>(
    snapshot: &Snapshot,
    candidates: &'a [Candidate<'a>],
    mut failures: Vec<(usize, Failure)>,
) -> Option<(Refusal, &'a Candidate<'a>)> {
    if failures.iter().any(|(_, failure)| failure.unsent.is_none()) {
        failures.retain(|(_, failure)| failure.unsent.is_none());
    }
    let (index, last) = failures.pop()?;
    let candidate = &candidates[index];
    let mut refusal = last.refusal(&candidate.provider.name, snapshot.server.raw_errors);
    let shortest = failures
        .iter()
        .filter_map(|(_, f)| f.retry_after)
        .chain(last.retry_after)
        .min();
    if let Some(shortest) = shortest
        && refusal.kind.retryable()
    {
        refusal = refusal.with_retry_after_secs(shortest.as_secs_f64().ceil() as u64);
    }
    let previous = failures
        .into_iter()
        .map(|(index, failure)| PreviousError {
            provider: candidates[index].provider.name.clone(),
            status: (failure.status != 0).then_some(failure.status),
            message: failure.public_message(),
        })
        .collect();
    Some((refusal.with_previous_errors(previous), candidate))
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
        model: candidate.slug,
        provider: &candidate.provider.name,
        prices: None,
    };
    // In the responses API a conversation that is too long is no error but an answer that ended at the limit (checklist B05).
    let stream = request.stream();
    let limit =
        account.api() == Api::Responses && limit_as_answer(refusal, &serving, stream, caller.out());
    if !comments.begun && !limit {
        account.book_refused(refusal.status(), refusal.error_type());
        return refuse(thread, snapshot, caller, refusal, id.as_str()).await;
    }
    thread.metrics.refused(refusal.kind as usize);
    account.book_refused(200, refusal.error_type());
    if !comments.begun {
        let head = ReplyHead {
            generation_id: Cow::Owned(id.as_str().to_owned()),
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
    if !limit {
        let mut editor = StreamEditor::new(&serving, usize::MAX);
        let _ = editor.interrupted(&serving, 0, refusal, caller.out());
    }
    done(caller.end(None).await)
}

/// One attempt: one endpoint with one key.
struct One<'r, 'a> {
    thread: &'a Rc<Thread>,
    snapshot: &'a Snapshot,
    request: &'a Request,
    candidate: &'a Candidate<'a>,
    credential: &'a Credential,
    reply: &'r ReplyHead,
    streamed: bool,
    /// Whether the stream is one JSON array.
    array: bool,
    /// What stands for the client's `user` upstream.
    user: Option<&'r str>,
    total_deadline: Instant,
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

impl<'a> One<'_, 'a> {
    async fn run<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'a>,
    ) -> Verdict {
        let translated = self.request.upstream(&self.target());
        let body = match translated {
            Ok(body) => body,
            Err(refusal) => return Verdict::Failed(Failure::untranslatable(refusal)),
        };
        account.begin_attempt(self.candidate, self.credential);
        match self.try_to_serve(caller, comments, account, &body).await {
            Ok(outcome) => Verdict::Over(outcome),
            Err(Trouble::Failed(failure)) => {
                account.attempt_status(failure.status);
                account.end_attempt(failure.outcome);
                Verdict::Failed(failure)
            }
            Err(Trouble::Broken(broken)) => Verdict::Broken(broken),
        }
    }

    /// Translate: the client's bytes with the few spans changed that this provider needs changed, or, where it speaks another protocol,
    /// the same wish in its words.
    fn target(&self) -> Target<'_> {
        let (provider, endpoint) = (self.candidate.provider, self.candidate.endpoint);
        let wire = self.candidate.wire();
        Target {
            dialect: wire.dialect,
            model: &self.candidate.model,
            model_in_path: wire.model_in_path,
            quirks: &wire.quirks,
            routing_fields: provider.routing_fields,
            parameters: endpoint.parameters,
            require_parameters: self
                .request
                .preferences()
                .is_some_and(|preferences| preferences.require_parameters),
            completion_tokens_max: endpoint.completion_tokens_max,
            user: self.user,
        }
    }

    async fn try_to_serve<C: Caller>(
        &self,
        caller: &mut C,
        comments: &mut Comments<'_>,
        account: &mut Account<'a>,
        body: &Upstream<'_>,
    ) -> Result<Outcome, Trouble> {
        let provider = self.candidate.provider;
        let sent = account.last();
        let (mut connection, head) = send::send(
            self.thread,
            caller,
            comments,
            account,
            self.candidate,
            self.credential,
            body,
            self.total_deadline,
        )
        .await?;
        account.attempt_status(head.status);
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
            model: self.candidate.slug,
            provider: &provider.name,
            prices: self.candidate.endpoint.prices.as_ref(),
        };
        if self.request.api().task().is_opaque() {
            let passage = Passage {
                candidate: self.candidate,
                serving: &serving,
                head: &head,
                reply: self.reply,
                server: &self.snapshot.server,
                counted: self.request.counted(),
                first_deadline: (sent + provider.first_byte_time).min(self.total_deadline),
                total_deadline: self.total_deadline,
            };
            return Ok(
                match passage
                    .run(caller, comments, account, &mut connection)
                    .await?
                {
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
                first_deadline: (sent + provider.first_byte_time).min(self.total_deadline),
                total_deadline: self.total_deadline,
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
        let facts = plain::receive(
            caller,
            comments,
            account,
            self.candidate,
            &mut connection,
            &head,
            &serving,
            input_bytes,
            self.snapshot.server.limits.answer_bytes_max,
            self.total_deadline,
        )
        .await?;
        self.keep(connection, &head, account.last());
        // Account before the last byte leaves; see `account.rs`.
        account.book(&facts);
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
                if tokio::time::timeout(REST_TIME, reading).await.is_ok()
                    && connection.is_reusable(&head)
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
