//! Everything that is not hot goes over a Unix socket to granian and Starlette: the control API, pages, documentation.
//!
//! Requests are re-framed, never forwarded raw: the head is written anew from what was parsed, hop-by-hop headers are
//! left out, and the body has an exact length. So the parser behind can never see another request than the one that was
//! judged here. What the client may not say about itself (`X-Forwarded-*`) is said by us.
//!
//! An upgrade (WebSocket) passes as a tunnel once the control side has agreed to it.

use std::future::poll_fn;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use turnout_wire::refusal::{Kind, Refusal};

use crate::admit::admit;
use crate::caller::{
    BodyFault, Break, Caller, Comments, Gone, Incoming, ReplyHead, Seat, patiently,
};
use crate::clock::{self, Instant};
use crate::cors;
use crate::edge::head::{BodyLength, Head, Known, Method};
use crate::metrics::Counter;
use crate::request::{Outcome, client_address, refuse};
use crate::snapshot::Snapshot;
use crate::socket::Socket;
use crate::thread::Thread;
use crate::upload::{self, Poured};
use crate::upstream::answer::AnswerHead;
use crate::upstream::connection::{Connection, Fault};

/// The control side's connect and first-byte times. A control request may wait for a reload of a large configuration.
const CONNECT_TIME: Duration = Duration::from_secs(2);
const FIRST_BYTE_TIME: Duration = Duration::from_secs(60);
/// A page may stay silent this long in the middle of an answer (server-sent events of the dashboard).
const IDLE_TIME: Duration = Duration::from_secs(300);
/// Kept connections per thread.
const IDLE_MAX: usize = 8;
const PART_BYTES_MAX: usize = 64 * 1024;

/// Headers that belong to one hop (RFC 9110 section 7.6.1), and those that we write ourselves.
const NOT_FORWARDED: [&str; 16] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "expect",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-real-ip",
    "forwarded",
];

/// Serves a request through the control side.
pub(crate) async fn serve<C: Incoming>(
    thread: &Rc<Thread>,
    snapshot: &Snapshot,
    caller: &mut C,
) -> Outcome {
    let _permit = match admit(&thread.shared, snapshot) {
        Ok(permit) => permit,
        Err(refusal) => return refuse(thread, snapshot, caller, &refusal, "").await,
    };
    thread.metrics.count(Counter::ControlRequest);
    let Some(path) = thread.shared.control_socket.clone() else {
        let refusal = Refusal::new(Kind::ControlUnavailable).with_message(
            "This listener serves the model endpoints only: the control side has no Unix socket here. Start the gateway \
             with `turnout serve`, or granian with `--uds`",
        );
        return refuse(thread, snapshot, caller, &refusal, "").await;
    };
    // WebSocket is the only protocol that is let through: a tunnel of another (`h2c`, say) would carry whole requests past
    // everything that is decided here.
    let upgrade = caller.head().wants_upgrade()
        && !caller.head().http10
        && caller
            .head()
            .get(Known::Upgrade)
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    let limit = snapshot.server.limits.body_bytes_max;
    let file = file_length(caller.head(), snapshot);
    let body = match file {
        Some(_) => Ok(Vec::new()),
        None => caller.body(limit, snapshot.server.body_time).await,
    };
    let body = match body {
        Ok(body) => body,
        Err(BodyFault::Gone) => return Outcome::Gone,
        Err(BodyFault::Refused(refusal)) => {
            return refuse(thread, snapshot, caller, &refusal, "").await;
        }
    };
    let text = write_head(
        caller,
        client_address(snapshot, caller),
        file.unwrap_or(body.len() as u64),
        upgrade,
        thread.shared.tls.load().is_some(),
    );
    let mut comments = Comments {
        head: None,
        begun: false,
        every: IDLE_TIME,
        last: Instant::now(),
    };
    let mut kept = thread
        .control_pool
        .borrow_mut()
        .pop()
        .filter(|connection| !connection.is_stale());
    let (mut connection, head) = loop {
        if let Some(length) = file {
            let passing = pass_file(snapshot, caller, &mut comments, &path, &text, length);
            match Box::pin(passing).await {
                Ok(answered) => break answered,
                Err(Unanswered::Gone) => return Outcome::Gone,
                Err(Unanswered::Refused(refusal)) => {
                    return refuse(thread, snapshot, caller, &refusal, "").await;
                }
            }
        }
        let reused = kept.is_some();
        let mut head = AnswerHead::with_lines();
        let exchange = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => connect(&path).await?,
            };
            let _ = connection.write(&[text.as_bytes(), &body]).await;
            poll_fn(|cx| connection.poll_head(&mut head, cx)).await?;
            Ok(connection)
        };
        let deadline = Instant::now() + FIRST_BYTE_TIME;
        match patiently(caller, &mut comments, deadline, exchange).await {
            Ok(Ok(connection)) => break (connection, head),
            // Stale: once more on a new one.
            Ok(Err(Fault::ClosedUnanswered)) if reused => {}
            Ok(Err(_)) | Err(Break::Timeout | Break::Ending) => {
                let refusal = Refusal::new(Kind::ControlUnavailable).with_retry_after_secs(1);
                return refuse(thread, snapshot, caller, &refusal, "").await;
            }
            Err(Break::Gone) => return Outcome::Gone,
        }
    };
    let mut reply = ReplyHead {
        status: head.status,
        cors_origin: cors::origin(snapshot, caller.head()),
        ..ReplyHead::default()
    };
    let to_head = caller.head().method == Method::Head;
    for (name, value) in head.lines.iter().flatten() {
        let ours = !reply.cors_origin.is_empty() && name.starts_with("access-control-");
        let upgraded = head.status == 101 && name == "upgrade";
        // The length of a body that does not come is the control side's to say.
        let unsent = to_head && name == "content-length";
        if upgraded
            || unsent
            || (!ours && name != "server" && !NOT_FORWARDED.contains(&name.as_str()))
        {
            reply.extra.push((
                name.clone().into(),
                String::from_utf8_lossy(value).into_owned(),
            ));
        }
    }
    if head.status == 101 {
        if !upgrade {
            let refusal = Refusal::new(Kind::ControlUnavailable).with_retry_after_secs(1);
            return refuse(thread, snapshot, caller, &refusal, "").await;
        }
        return match caller.reply(&reply).await {
            Ok(()) => Outcome::Upgrade(Box::new(connection)),
            Err(Gone) => Outcome::Gone,
        };
    }
    if to_head {
        // Whatever length the head names, nothing follows it.
        connection.finish_whole_body();
    }
    let outcome = pass_on(caller, &mut comments, &mut connection, &reply).await;
    if connection.is_reusable(&head) {
        connection.reset();
        let mut pool = thread.control_pool.borrow_mut();
        if pool.len() < IDLE_MAX {
            pool.push(connection);
        }
    }
    outcome
}

/// A new connection to the control side.
async fn connect(path: &Path) -> Result<Connection, Fault> {
    match clock::timeout(CONNECT_TIME, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => Ok(Connection::new(Socket::Unix(stream))),
        Ok(Err(error)) => Err(Fault::Io(error)),
        Err(_) => Err(Fault::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// How long a file is that is to be stored, where it is too large to be held. The control side passes it on in parts as well, and has a
/// bound of its own.
fn file_length(head: &Head, snapshot: &Snapshot) -> Option<u64> {
    let limits = &snapshot.server.limits;
    match head.body {
        BodyLength::Known(length)
            if length > limits.form_bytes_max as u64
                && length <= limits.upload_bytes_max as u64
                && head.method == Method::Post
                && head.path().ends_with("/files") =>
        {
            Some(length)
        }
        _ => None,
    }
}

/// Why a file's request has no answer of the control side's.
enum Unanswered {
    Gone,
    Refused(Box<Refusal>),
}

/// Sends a file to the control side while it arrives. On a new connection: what has gone cannot be sent again.
async fn pass_file<C: Incoming>(
    snapshot: &Snapshot,
    caller: &mut C,
    comments: &mut Comments<'_>,
    path: &Path,
    text: &str,
    length: u64,
) -> Result<(Connection, AnswerHead), Unanswered> {
    let away = || {
        let refusal = Refusal::new(Kind::ControlUnavailable).with_retry_after_secs(1);
        Unanswered::Refused(Box::new(refusal))
    };
    let Ok(mut connection) = connect(path).await else {
        return Err(away());
    };
    let mut head = AnswerHead::with_lines();
    let poured = upload::pour(
        caller,
        &snapshot.server,
        &mut connection,
        &mut head,
        text.as_bytes(),
        length,
        IDLE_TIME,
    )
    .await;
    match poured {
        Poured::Sent => {
            let reading = poll_fn(|cx| connection.poll_head(&mut head, cx));
            let deadline = Instant::now() + FIRST_BYTE_TIME;
            match patiently(caller, comments, deadline, reading).await {
                Ok(Ok(())) => Ok((connection, head)),
                Ok(Err(_)) | Err(Break::Timeout | Break::Ending) => Err(away()),
                Err(Break::Gone) => Err(Unanswered::Gone),
            }
        }
        Poured::Answered(Ok(())) => {
            // What is left of the file stands between this answer and the next.
            head.keep_alive = false;
            Ok((connection, head))
        }
        Poured::Answered(Err(_)) | Poured::Stuck => Err(away()),
        Poured::Refused(refusal) => Err(Unanswered::Refused(refusal)),
        Poured::Gone => Err(Unanswered::Gone),
    }
}

/// Sends the answer: short ones whole, long or slow ones in parts as they come.
async fn pass_on<C: Caller>(
    caller: &mut C,
    comments: &mut Comments<'_>,
    connection: &mut Connection,
    reply: &ReplyHead,
) -> Outcome {
    if let Some(body) = connection.whole_body() {
        caller.out().extend_from_slice(body);
        connection.finish_whole_body();
        return finished(caller.reply(reply).await);
    }
    let mut begun = false;
    let mut part = Vec::new();
    loop {
        part.clear();
        let reading = poll_fn(|cx| connection.poll_body(&mut part, PART_BYTES_MAX, cx));
        match patiently(caller, comments, Instant::now() + IDLE_TIME, reading).await {
            Ok(Ok(_)) => {}
            // The status has been sent: all that is left is to end the connection without the proper end.
            Ok(Err(_)) | Err(_) => return Outcome::Gone,
        }
        caller.out().extend_from_slice(&part);
        let end = connection.is_at_end();
        let sent = match (begun, end) {
            (false, true) => caller.reply(reply).await,
            (false, false) => caller.begin(reply).await,
            (true, false) => caller.part().await,
            (true, true) => caller.end(None).await,
        };
        begun = true;
        if end || sent == Err(Gone) {
            return finished(sent);
        }
    }
}

fn finished(sent: Result<(), Gone>) -> Outcome {
    match sent {
        Ok(()) => Outcome::Done,
        Err(Gone) => Outcome::Gone,
    }
}

fn write_head<C: Caller>(
    caller: &C,
    client: IpAddr,
    body_bytes: u64,
    upgrade: bool,
    tls: bool,
) -> String {
    let head = caller.head();
    let mut text = format!("{} {} HTTP/1.1\r\n", head.method_name(), head.target());
    let mut line = |name: &str, value: &str| {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    };
    for (name, value) in head.headers() {
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            continue;
        };
        let ours = NOT_FORWARDED
            .iter()
            .any(|hop| hop.eq_ignore_ascii_case(name));
        if !ours && (name.eq_ignore_ascii_case("host") || !head.is_for_this_hop(name)) {
            line(name, value);
        }
    }
    if head.get(Known::Host).is_none() {
        line("host", "localhost");
    }
    line("x-forwarded-for", &client.to_string());
    line("x-forwarded-proto", if tls { "https" } else { "http" });
    line("x-forwarded-host", head.text(Known::Host));
    if upgrade {
        line("connection", "upgrade");
        line("upgrade", head.text(Known::Upgrade));
    }
    if body_bytes > 0 || !matches!(head.method, Method::Get | Method::Head | Method::Options) {
        line("content-length", &body_bytes.to_string());
    }
    text.push_str("\r\n");
    text
}

/// Carries bytes both ways until one side ends or the plane does.
pub(crate) async fn tunnel(
    seat: &Seat,
    mut client: Socket,
    early: Vec<u8>,
    upstream: Box<Connection>,
) {
    let (mut upstream, rest) = upstream.into_parts();
    let carry = async {
        client.write_all(&rest).await?;
        upstream.write_all(&early).await?;
        tokio::io::copy_bidirectional(&mut client, &mut upstream).await
    };
    let mut carry = std::pin::pin!(carry);
    poll_fn(|cx| {
        if seat.ending.get() {
            return std::task::Poll::Ready(());
        }
        carry.as_mut().poll(cx).map(|_| ())
    })
    .await;
}
