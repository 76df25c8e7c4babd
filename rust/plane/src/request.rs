//! One request, from its head to its record. This file alone knows the order of the steps:
//!
//! accept → authenticate → admit → parse → preset → (cache) → route → limits → (translate → send → stream) as often as it takes → account.
//!
//! Fallback is the loop in [`attempts`](crate::attempts::attempts): until something of an answer has been written to the client, the
//! next key and then the next endpoint may be tried; after that, never.

use std::rc::Rc;

use turnout_wire::api::{self, Api, Task};
use turnout_wire::beside;
use turnout_wire::count;
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::Request;

use crate::account::{Account, GenerationId};
use crate::admit::admit;
use crate::attempts::attempts;
use crate::authenticate::authenticate;
use crate::cache::{self, Recorder};
use crate::caller::{BodyFault, Caller, Gone, Incoming, ReplyHead};
use crate::clock::Instant;
use crate::cold;
use crate::cors;
use crate::deadline::Wanted;
use crate::edge::head::{Head, Known, Method};
use crate::explain;
use crate::health;
use crate::judge;
use crate::limits;
use crate::models;
use crate::place::{self, InPath, Place, place};
use crate::preset;
use crate::route::sticky::Conversation;
use crate::route::{self, Asking};
use crate::snapshot::Snapshot;
use crate::thread::Thread;
use crate::upload;
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
pub(crate) async fn serve<C: Incoming>(thread: &Rc<Thread>, caller: &mut C) -> Outcome {
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
    let place = place(caller.head());
    let in_path = match place {
        Place::GenerateInPath(_) if post => Some(place::in_path(caller.head())),
        _ => None,
    };
    let refusal = match place {
        Place::Generate(api) | Place::GenerateInPath(api) if post => {
            // Not in a box, unlike what is rarer: the move into one costs more than the box.
            return generate(thread, &snapshot, caller, api, in_path).await;
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

pub(crate) fn done(sent: Result<(), Gone>) -> Outcome {
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
    if let Some(rate) = refusal.details().rate {
        head = head
            .with("x-ratelimit-limit", rate.limit.to_string())
            .with("x-ratelimit-remaining", rate.remaining.to_string())
            .with("x-ratelimit-reset", rate.reset_ms.to_string());
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
    refuse_telling(thread, snapshot, caller, refusal, generation_id, "").await
}

/// The same, with members beside the error.
pub(crate) async fn refuse_telling<C: Caller>(
    thread: &Thread,
    snapshot: &Snapshot,
    caller: &mut C,
    refusal: &Refusal,
    generation_id: &str,
    members: &str,
) -> Outcome {
    thread.metrics.refused(refusal.kind as usize);
    let mut head = refusal_head(refusal);
    head.cors_origin = cors::origin(snapshot, caller.head());
    head.generation_id = GenerationId::of(generation_id);
    let family = place::family(caller.head());
    let out = caller.out();
    out.clear();
    api::write_refusal(family, refusal, generation_id, out);
    if !members.is_empty() {
        beside::put_into_document(members, 0, out);
    }
    done(caller.reply(&head).await)
}

/// A generation: everything behind a POST to a model.
async fn generate<C: Incoming>(
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
    // How often a key may ask is known without its body.
    if let Err(refusal) = limits::frequency(thread, key) {
        return refuse(thread, snapshot, caller, &refusal, "").await;
    }
    let array = path.as_ref().is_some_and(|path| path.array);
    let server = &snapshot.server;
    let mut upload = None;
    let body = match is_uncompressed(caller.head()) {
        // A large form may be passed on while it arrives.
        true if let Some(length) = upload::length(caller.head(), api, server) => {
            let begun = Box::pin(upload::begin(caller, server, api, length)).await;
            begun.map(|(body, rest)| {
                upload = rest;
                body
            })
        }
        true => {
            caller
                .body(server.limits.body_bytes_max, server.body_time)
                .await
        }
        false => Err(BodyFault::refused(
            Kind::UnsupportedMediaType,
            "The body is compressed (Content-Encoding); send it as plain JSON",
        )),
    };
    let body = match body {
        Ok(body) => body,
        Err(BodyFault::Gone) => return Outcome::Gone,
        Err(BodyFault::Refused(refusal)) => {
            return refuse(thread, snapshot, caller, &refusal, "").await;
        }
    };
    // Read into its place, and not moved after: it is large enough for a move to show.
    let read = match &upload {
        None => parse(caller.head(), api, path, body),
        Some(upload) => upload.request(body),
    };
    let mut asked = match read {
        Ok(request) => request,
        Err(refusal) => return refuse(thread, snapshot, caller, &refusal, "").await,
    };
    // What a preset says is part of the request for everything that follows.
    let mut preset_wish = cache::Wish::default();
    match preset::applied(snapshot, &asked) {
        Ok(None) => {}
        Ok(Some((merged, preset))) => {
            preset_wish = preset.cache_wish();
            asked = *merged;
        }
        Err(refusal) => return refuse(thread, snapshot, caller, &refusal, "").await,
    }
    let request = &asked;
    let mut waited_us = caller.body_wait_us();
    // Before anything is decided: what was answered before needs nobody to serve it, and costs nothing.
    let cached = cache::Ask::of(snapshot, key, request, caller.head(), preset_wish, array);
    if let Some(ask) = &cached {
        let (found, waited) = cache::look(thread, snapshot, key, ask).await;
        waited_us += waited;
        if let Some(entry) = found {
            let mut account = Account::open(
                thread,
                snapshot,
                key,
                request,
                caller.head(),
                client_address(snapshot, caller),
                caller.began(),
                waited_us,
            );
            return cache::give(snapshot, caller, &mut account, &entry, array).await;
        }
    }
    // Before anything is decided: a time that cannot be read is a mistake of the client.
    let mut wanted = match Wanted::read(caller.head(), request) {
        Ok(wanted) => wanted,
        Err(refusal) => return refuse(thread, snapshot, caller, &refusal, "").await,
    };
    let trace = explain::trace(snapshot, key, caller.head(), caller.began());
    let conversation = Conversation::new(
        &thread.shared.sticky,
        key,
        request,
        caller.head(),
        caller.began(),
    );
    // What the judge says has to live as long as the plan.
    let judged;
    // Routing needs the body's names and nothing else of it.
    let mut asking = Asking {
        snapshot,
        key,
        request,
        conversation: Some(&conversation),
        region: match snapshot.has_regions() {
            true => snapshot.region(caller.head().text(Known::Host)),
            false => None,
        },
        judged: None,
        trace: trace.as_deref(),
    };
    asking.note(|trace| trace.step("parse", Instant::now()));
    // A model may be asked what the request is about, before one is chosen by that. Few gateways have it so.
    if snapshot.has_judge {
        judged = match Box::pin(judge::consult(thread, caller, &asking, wanted)).await {
            Ok(judged) => judged,
            Err(Gone) => return Outcome::Gone,
        };
        if let Some(judged) = judged.as_deref() {
            waited_us += judged.took.as_micros() as u64;
            wanted = wanted.after(judged.took);
            asking.judged = Some(judged);
            asking.note(|trace| trace.step("judge", Instant::now()));
        }
    }
    let planned = route::plan(&asking);
    asking.note(|trace| trace.step("plan", Instant::now()));
    let plan = match planned {
        Ok(plan) => plan,
        // No endpoint of the model counts in the client's protocol: then an estimate is better than a refusal.
        Err(refusal) if refusal.kind == Kind::WrongEndpoint && api.task() == Task::CountTokens => {
            let head = count(snapshot, caller, request);
            return done(caller.reply(&head).await);
        }
        Err(refusal) => {
            let members = explain::of_refused(&asking, &refusal);
            return refuse_telling(thread, snapshot, caller, &refusal, "", &members).await;
        }
    };
    // What it may cost is known only now: the price is that of the dearest endpoint that may serve. What a limit refuses was no
    // generation, and is not booked.
    let hold = match limits::hold(thread, &asking, &plan) {
        Ok(hold) => hold,
        Err(refusal) => {
            let members = explain::of_refused(&asking, &refusal);
            return refuse_telling(thread, snapshot, caller, &refusal, "", &members).await;
        }
    };
    // From here on it is a generation: it has an id, and it is booked however it ends.
    let mut account = Account::open(
        thread,
        snapshot,
        key,
        request,
        caller.head(),
        client_address(snapshot, caller),
        caller.began(),
        waited_us,
    );
    account.hold(hold);
    account.remember(&conversation);
    account.tell(explain::telling(&asking, &plan));
    if let Some(ask) = cached {
        let streamed = request.stream() && api.streams();
        account.cache(Recorder::new(thread, snapshot, ask, streamed, array));
    }
    let outcome = attempts(
        thread,
        snapshot,
        caller,
        upload.as_deref_mut(),
        request,
        &plan,
        &mut account,
        wanted,
        array,
    )
    .await;
    drop(account);
    thread.keep_room_for_body(asked.take_body());
    outcome
}

/// Answers a question for the number of tokens with an estimate. It is no generation, so nothing is booked of it.
pub(crate) fn count<C: Caller>(
    snapshot: &Snapshot,
    caller: &mut C,
    request: &Request,
) -> ReplyHead {
    let head = ReplyHead {
        cors_origin: cors::origin(snapshot, caller.head()),
        ..ReplyHead::json(200)
    };
    let out = caller.out();
    out.clear();
    count::write(request, out);
    head.with("x-turnout-estimated", "true")
}

/// Whether the body is sent as it is.
fn is_uncompressed(head: &Head) -> bool {
    head.get(Known::ContentEncoding)
        .is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
}

/// Reads of the body what routing needs.
#[inline]
fn parse(head: &Head, api: Api, path: Option<InPath>, body: Vec<u8>) -> Result<Request, Refusal> {
    let body = match api.task().is_opaque() {
        true => match Request::read_form(body, api, head.text(Known::ContentType))? {
            Ok(form) => return Ok(form),
            Err(body) => body,
        },
        false => body,
    };
    match path {
        Some(path) => Request::read_beside_path(body, api, path.model, path.stream),
        None => Request::read(body, api),
    }
}

/// The client's address: the connection's, or, behind trusted proxies, the last one that they did not add themselves.
pub(crate) fn client_address<C: Incoming>(snapshot: &Snapshot, caller: &C) -> std::net::IpAddr {
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
