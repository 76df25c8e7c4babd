//! Sends a translated request to one endpoint and waits for the head of its answer.
//!
//! A kept connection that the provider closed just before it was used looks like a failure and is none: nothing of an
//! answer has been seen, so the request is sent once more on a new connection, and that does not count as an attempt.
//! (RFC 9112 section 9.3.1 leaves this to the client for requests that are safe to repeat; a completion that was never
//! begun is, and a provider that closes an idle connection has not begun it.)

use std::future::poll_fn;
use std::time::Duration;

use turnout_wire::dialect::Dialect;
use turnout_wire::refusal::Refusal;
use turnout_wire::request::Upstream;

use crate::account::Account;
use crate::caller::{Break, Caller, Comments, patiently};
use crate::clock::{Instant, micros, unix_ms};
use crate::edge::head::{Head, Known};
use crate::failure::Failure;
use crate::metrics::Counter;
use crate::route::Candidate;
use crate::snapshot::{Credential, HeadTemplate, types};
use crate::thread::Thread;
use crate::upload::{self, Upload};
use crate::upstream::answer::{AnswerHead, Coding};
use crate::upstream::connection::{Connection, Fault};
use crate::upstream::dial::dial;

/// Bodies up to this size are copied behind their head and sent in one piece; larger ones are sent from where they are.
const JOINED_BYTES_MAX: usize = 16 * 1024;
/// An error's body is read up to here, and no longer than this.
pub(crate) const ERROR_BYTES_MAX: usize = 64 * 1024;
const ERROR_TIME: Duration = Duration::from_secs(5);

/// Why there is no answer.
pub(crate) enum Trouble {
    /// This attempt failed; another may be made. In a box, because the good case pays for its size.
    Failed(Box<Failure>),
    /// The wait was broken off for good.
    Broken(Break),
    /// The client's part of it, which was still arriving, cannot be sent; the fault is nobody else's.
    Refused(Box<Refusal>),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Failed(Box::new(failure))
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "an attempt's company, each thing used alone"
)]
/// Sends, and reads the head of a good answer.
pub(crate) async fn send<C: Caller>(
    thread: &Thread,
    caller: &mut C,
    upload: Option<&mut Upload<C>>,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    candidate: &Candidate<'_>,
    credential: &Credential,
    body: &Upstream<'_>,
    attempt_deadline: Instant,
) -> Result<(Connection, AnswerHead), Trouble> {
    let provider = candidate.provider;
    let origin = &candidate.wire().origin;
    // What a candidate is asked to do was chosen among what its provider offers.
    let Some(template) = credential.head(usize::from(candidate.wire_index), candidate.op) else {
        return Err(Failure::connect("it does not offer this operation".to_owned()).into());
    };
    // Lines that only some protocols have; nearly always none.
    let mut lines = Vec::new();
    passed_lines(candidate.wire().dialect, caller.head(), &mut lines);
    if types(candidate.op).is_none() {
        // A form: its boundary is the client's.
        for part in ["content-type: ", body.content_type(), "\r\naccept: */*\r\n"] {
            lines.extend_from_slice(part.as_bytes());
        }
    }
    if let Some(signer) = &credential.signer {
        let mut start = Vec::new();
        let path = template.write(candidate.model(), &mut start);
        let path = String::from_utf8_lossy(start.get(path).unwrap_or_default());
        let now = unix_ms() / 1000;
        signer.sign(&path, &origin.authority, body.pieces(), now, &mut lines);
    }
    let headed = Headed {
        template,
        model: candidate.model(),
        lines: &lines,
        body,
    };
    if let Some(upload) = upload {
        return Box::pin(send_arriving(
            thread,
            caller,
            upload,
            comments,
            account,
            candidate,
            &headed,
            attempt_deadline,
        ))
        .await;
    }
    let mut kept = thread.pool.borrow_mut().take(origin, account.last());
    loop {
        let mut connection = match kept.take() {
            Some(connection) => {
                thread.metrics.count(Counter::UpstreamReused);
                account.connected(0);
                connection
            }
            None => {
                let connecting = connect(
                    thread,
                    caller,
                    comments,
                    account,
                    candidate,
                    attempt_deadline,
                );
                Box::pin(connecting).await?
            }
        };
        let reused = connection.answers > 0;
        let started = account.last();
        let deadline = (started + provider.first_byte_time).min(attempt_deadline);
        // An opaque answer keeps its content type, whatever that is.
        let mut head = match account.api().task().is_opaque() {
            true => AnswerHead::with_lines(),
            false => AnswerHead::new(),
        };
        let outcome = {
            let exchange = exchange(thread, &mut connection, &headed, &mut head);
            patiently(caller, comments, deadline, exchange).await
        };
        account.waited(started);
        match outcome {
            Ok(Ok(())) => return Ok((connection, head)),
            Ok(Err(Fault::ClosedUnanswered)) if reused => {
                thread.metrics.count(Counter::StaleRetry);
            }
            Ok(Err(fault)) => return Err(Failure::of_fault(&fault).into()),
            Err(Break::Timeout) => {
                return Err(Failure::timeout("no answer", deadline.duration_since(started)).into());
            }
            Err(broken) => return Err(Trouble::Broken(broken)),
        }
    }
}

/// Makes a new connection.
async fn connect<C: Caller>(
    thread: &Thread,
    caller: &mut C,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    candidate: &Candidate<'_>,
    attempt_deadline: Instant,
) -> Result<Connection, Trouble> {
    let origin = &candidate.wire().origin;
    let started = account.last();
    // Dialling has its own, shorter limit; this one is the deadline of the attempt, or of all together.
    let dialled = patiently(caller, comments, attempt_deadline, dial(origin));
    let dialled = dialled.await;
    account.waited(started);
    let connection = match dialled {
        Ok(Ok(connection)) => connection,
        Ok(Err(problem)) => return Err(Failure::connect(problem).into()),
        Err(Break::Timeout) => {
            return Err(Failure::timeout("no connection", started.elapsed()).into());
        }
        Err(broken) => return Err(Trouble::Broken(broken)),
    };
    thread.metrics.count(Counter::UpstreamConnected);
    account.connected(micros(started, account.last()));
    Ok(connection)
}

#[expect(
    clippy::too_many_arguments,
    reason = "an attempt's company, each thing used alone"
)]
/// Sends a request of which the rest is still to come. On a new connection: what has gone on a kept one that turns out to be
/// closed could not be sent again.
async fn send_arriving<C: Caller>(
    thread: &Thread,
    caller: &mut C,
    upload: &mut Upload<C>,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    candidate: &Candidate<'_>,
    headed: &Headed<'_>,
    attempt_deadline: Instant,
) -> Result<(Connection, AnswerHead), Trouble> {
    let connection = connect(
        thread,
        caller,
        comments,
        account,
        candidate,
        attempt_deadline,
    )
    .await?;
    let mut text = Vec::new();
    headed.write(upload.left(), &mut text);
    upload::send(
        caller,
        upload,
        comments,
        account,
        candidate.provider,
        connection,
        &text,
        headed.body,
        attempt_deadline,
    )
    .await
}

/// A request, ready to be sent.
struct Headed<'a> {
    template: &'a HeadTemplate,
    /// The model, for protocols that name it in the path.
    model: &'a str,
    /// More header lines.
    lines: &'a [u8],
    body: &'a Upstream<'a>,
}

impl Headed<'_> {
    /// Appends the head, for a body with `rest` bytes behind those that are here.
    fn write(&self, rest: u64, text: &mut Vec<u8>) {
        self.template.write(self.model, text);
        text.extend_from_slice(self.lines);
        text.extend_from_slice(b"content-length: ");
        let length = (self.body.len() as u64).saturating_add(rest);
        text.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        text.extend_from_slice(b"\r\n\r\n");
    }
}

/// The version of Anthropic's protocol when the client names none. The only one since 2023.
const ANTHROPIC_VERSION: &[u8] = b"2023-06-01";

/// Appends what the client says in headers to a provider of this protocol. Betas are passed on as they are: the provider knows which
/// there are, and clients send new ones every month.
fn passed_lines(dialect: Dialect, head: &Head, out: &mut Vec<u8>) {
    if dialect != Dialect::Anthropic {
        return;
    }
    let mut line = |name: &[u8], value: &[u8]| {
        for part in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    };
    let version = head.get(Known::AnthropicVersion).map(<[u8]>::trim_ascii);
    line(
        b"anthropic-version",
        version
            .filter(|version| !version.is_empty())
            .unwrap_or(ANTHROPIC_VERSION),
    );
    for known in [Known::AnthropicBeta, Known::AnthropicBetaExtra] {
        if let Some(betas) = head.get(known).filter(|betas| !betas.is_empty()) {
            line(b"anthropic-beta", betas);
        }
    }
}

async fn exchange(
    thread: &Thread,
    connection: &mut Connection,
    headed: &Headed<'_>,
    head: &mut AnswerHead,
) -> Result<(), Fault> {
    let body = headed.body;
    let mut text = std::mem::take(&mut *thread.scratch.borrow_mut());
    text.clear();
    headed.write(0, &mut text);
    // A write may fail because the provider has answered and closed without reading to the end: look for that answer.
    let written = if body.len() <= JOINED_BYTES_MAX {
        body.write_to(&mut text);
        let written = connection.write(&[&text]).await;
        // Given back only when the write is over; a dropped future costs the next request one allocation.
        *thread.scratch.borrow_mut() = text;
        written
    } else {
        let mut slices = Vec::with_capacity(8);
        slices.push(text.as_slice());
        slices.extend(body.pieces());
        connection.write(&slices).await
    };
    let read = poll_fn(|cx| connection.poll_head(head, cx)).await;
    match (written, read) {
        (_, Ok(())) => Ok(()),
        (Ok(()), Err(fault)) | (Err(_), Err(fault @ Fault::ClosedUnanswered)) => Err(fault),
        (Err(error), Err(_)) => Err(Fault::Io(error)),
    }
}

/// Reads the body of an answer whose status says that it is an error. What cannot be read is left out.
pub(crate) async fn read_error<C: Caller>(
    caller: &mut C,
    comments: &mut Comments<'_>,
    account: &mut Account<'_>,
    connection: &mut Connection,
    head: &AnswerHead,
) -> Result<Vec<u8>, Break> {
    let started = account.last();
    let deadline = started + ERROR_TIME;
    let mut body = Vec::new();
    let reading = async {
        while body.len() < ERROR_BYTES_MAX {
            if !matches!(
                poll_fn(|cx| connection.poll_body(&mut body, ERROR_BYTES_MAX, cx)).await,
                Ok(true)
            ) {
                break;
            }
        }
    };
    let outcome = patiently(caller, comments, deadline, reading).await;
    account.waited(started);
    match outcome {
        Ok(()) | Err(Break::Timeout) => {}
        Err(broken) => return Err(broken),
    }
    if head.coding == Coding::Gzip {
        use std::io::Read as _;
        let mut plain = Vec::new();
        let _ = flate2::read::GzDecoder::new(body.as_slice())
            .take(ERROR_BYTES_MAX as u64)
            .read_to_end(&mut plain);
        return Ok(plain);
    }
    Ok(body)
}
