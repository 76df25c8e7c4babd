//! HTTP/2 towards clients: by ALPN over TLS, by prior knowledge without.
//!
//! The `h2` crate does the protocol (frames, flow control, limits on resets and header blocks). One task drives the
//! connection, one serves each stream. A request's head is rewritten into the form of [`Head`], so that everything
//! above this file is the same for both versions.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head::{BodyLength, Head, Method};
use crate::buffer::Buffer;
use crate::caller::{
    BodyFault, CORS_EXPOSED, Caller, EVENT_STREAM, Gone, Incoming, ReplyHead, Seat,
};
use crate::clock::{Instant, Timer, micros};
use crate::request;
use crate::socket::Socket;
use crate::thread::{Fresh, Thread};

/// What a client may send ahead on one stream, and on all of them together.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Most of one stream's answer that waits in the connection for the client's window.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How long a client without open streams has to answer GOAWAY before its connection is closed.
const GOODBYE_TIME: Duration = Duration::from_secs(2);

/// A socket from which some bytes have been read already.
struct Rewound {
    socket: Socket,
    buffer: Buffer,
}

impl AsyncRead for Rewound {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        if this.buffer.is_empty() {
            return Pin::new(&mut this.socket).poll_read(cx, buf);
        }
        let count = this.buffer.len().min(buf.remaining());
        buf.put_slice(&this.buffer.data()[..count]);
        this.buffer.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    thread: Rc<Thread>,
    socket: Socket,
    buffer: Buffer,
    peer: SocketAddr,
    seat: Rc<Seat>,
    mut fresh: Option<Fresh>,
) {
    let snapshot = thread.snapshot();
    let limits = &snapshot.server.limits;
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(limits.header_bytes_max as u32)
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    let mut timer = Timer::new();
    let deadline = Instant::now() + snapshot.server.header_time;
    let idle_time = snapshot.server.idle_time;
    drop(snapshot);
    let handshake = builder.handshake::<_, Bytes>(Rewound { socket, buffer });
    let Ok(Ok(mut connection)) = timer.race(deadline, handshake).await else {
        return;
    };
    // Streams hold a clone; one left means that none is open.
    let open = Rc::new(());
    let (mut told, mut idle_since) = (false, Some(Instant::now()));
    loop {
        let woken = poll_fn(|cx| {
            if let Poll::Ready(next) = connection.poll_accept(cx) {
                return Poll::Ready(Woken::Stream(next));
            }
            if !told && (seat.closing.get() || thread.is_draining()) {
                return Poll::Ready(Woken::Leaving);
            }
            if Rc::strong_count(&open) > 1 {
                idle_since = None;
                return Poll::Pending;
            }
            let since = *idle_since.get_or_insert_with(Instant::now);
            let patience = if told { GOODBYE_TIME } else { idle_time };
            timer.poll(since + patience, cx).map(|()| Woken::Idle)
        })
        .await;
        match woken {
            Woken::Stream(Some(Ok((incoming, respond)))) => {
                let open = Open {
                    _one: Rc::clone(&open),
                    connection: Rc::clone(&seat),
                };
                let (thread, fresh) = (Rc::clone(&thread), fresh.take());
                let began = Instant::now();
                tokio::task::spawn_local(async move {
                    let _held = (open, fresh);
                    stream(thread, incoming, respond, peer.ip().to_canonical(), began).await;
                });
            }
            Woken::Stream(Some(Err(_)) | None) => return,
            // Told already, and the client neither closes nor answers.
            Woken::Idle if told => return,
            // GOAWAY: streams that are on their way are served, and `accept` ends after the last.
            Woken::Idle | Woken::Leaving => {
                told = true;
                idle_since = None;
                connection.graceful_shutdown();
            }
        }
    }
}

/// What a connection is woken by.
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart where it is made; a box would cost each stream an allocation"
)]
enum Woken {
    /// A stream; `None` at the end of the connection.
    Stream(Option<Result<(http::Request<h2::RecvStream>, Respond), h2::Error>>),
    /// The plane drains.
    Leaving,
    /// No stream has been open for long.
    Idle,
}

type Respond = h2::server::SendResponse<Bytes>;

/// Held by each open stream; the connection is woken when it goes, to see whether it is idle.
struct Open {
    _one: Rc<()>,
    connection: Rc<Seat>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.wake();
    }
}

async fn stream(
    thread: Rc<Thread>,
    incoming: http::Request<h2::RecvStream>,
    respond: Respond,
    peer: IpAddr,
    began: Instant,
) {
    let (seat, _registered) = thread.take_seat().await;
    let snapshot = thread.snapshot();
    let (parts, receive) = incoming.into_parts();
    let mut head = Head::default();
    let outcome = head.read_h2(&parts, snapshot.server.limits.headers_max);
    let mut caller = H2 {
        head,
        receive,
        respond,
        send: None,
        out: Vec::new(),
        timer: Timer::new(),
        seat,
        peer,
        began,
        body_wait_us: 0,
        write_time: snapshot.server.write_time,
    };
    drop(snapshot);
    if let Err(refusal) = outcome {
        thread.metrics.refused(refusal.kind as usize);
        refusal.write_json(caller.out());
        let _ = caller.reply(&request::refusal_head(&refusal)).await;
        return;
    }
    // An upgrade cannot come by HTTP/2: `cold` refuses it before it gets here.
    let _ = request::serve(&thread, &mut caller).await;
}

/// One stream's client.
struct H2 {
    head: Head,
    receive: h2::RecvStream,
    respond: Respond,
    /// Present once the answer's head has been sent.
    send: Option<h2::SendStream<Bytes>>,
    out: Vec<u8>,
    timer: Timer,
    seat: Rc<Seat>,
    peer: IpAddr,
    began: Instant,
    body_wait_us: u64,
    write_time: Duration,
}

impl H2 {
    fn respond(&mut self, head: &ReplyHead, length: Option<usize>, end: bool) -> Result<(), Gone> {
        let mut response = Response::new(());
        *response.status_mut() =
            StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let mut line = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        };
        if !head.content_type.is_empty() {
            line("content-type", &head.content_type);
        }
        if !head.generation_id.is_empty() {
            line("x-generation-id", head.generation_id.as_str());
        }
        if head.content_type == EVENT_STREAM {
            line("cache-control", "no-cache");
            line("x-accel-buffering", "no");
        }
        if let Some(length) = length {
            line("content-length", itoa::Buffer::new().format(length));
        }
        if !head.cors_origin.is_empty() {
            line("access-control-allow-origin", &head.cors_origin);
            line("access-control-expose-headers", CORS_EXPOSED);
            line("vary", "origin");
        }
        for (name, value) in &head.extra {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        self.send = Some(
            self.respond
                .send_response(response, end)
                .map_err(|_| Gone)?,
        );
        Ok(())
    }

    /// Sends what stands in `out`, as fast as the client's window allows.
    async fn push(&mut self, end: bool) -> Result<(), Gone> {
        let mut data = Bytes::from(std::mem::take(&mut self.out));
        let Some(send) = &mut self.send else {
            return Err(Gone);
        };
        while !data.is_empty() {
            send.reserve_capacity(data.len());
            let deadline = Instant::now() + self.write_time;
            let granted = self
                .timer
                .race(deadline, poll_fn(|cx| send.poll_capacity(cx)))
                .await;
            let Ok(Some(Ok(granted))) = granted else {
                return Err(Gone);
            };
            let piece = data.split_to(granted.min(data.len()));
            let last = end && data.is_empty();
            send.send_data(piece, last).map_err(|_| Gone)?;
            if last {
                return Ok(());
            }
        }
        if end {
            send.send_data(Bytes::new(), true).map_err(|_| Gone)?;
        }
        Ok(())
    }
}

impl Caller for H2 {
    fn head(&self) -> &Head {
        &self.head
    }

    fn seat(&self) -> &Seat {
        &self.seat
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.send {
            Some(send) => send.poll_reset(cx).map(|_| ()),
            None => self.respond.poll_reset(cx).map(|_| ()),
        }
    }

    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    async fn reply(&mut self, head: &ReplyHead) -> Result<(), Gone> {
        let to_head = self.head.method == Method::Head;
        let length = self.out.len();
        // As in HTTP/1.1: what has no body has no length of ours.
        let unsaid = matches!(head.status, 204 | 304) || (to_head && length == 0);
        if to_head || unsaid {
            self.out.clear();
        }
        let empty = self.out.is_empty();
        self.respond(head, (!unsaid).then_some(length), empty)?;
        if empty { Ok(()) } else { self.push(true).await }
    }

    async fn begin(&mut self, head: &ReplyHead) -> Result<(), Gone> {
        self.respond(head, None, false)?;
        self.push(false).await
    }

    async fn part(&mut self) -> Result<(), Gone> {
        self.push(false).await
    }

    async fn end(&mut self, head: Option<&ReplyHead>) -> Result<(), Gone> {
        if let Some(head) = head {
            self.respond(head, None, false)?;
        }
        self.push(true).await
    }
}

impl Incoming for H2 {
    fn peer(&self) -> IpAddr {
        self.peer
    }

    fn began(&self) -> Instant {
        self.began
    }

    async fn body(&mut self, bytes_max: usize, time: Duration) -> Result<Vec<u8>, BodyFault> {
        if matches!(self.head.body, BodyLength::Known(length) if length > bytes_max as u64) {
            return Err(BodyFault::too_large(bytes_max));
        }
        let deadline = Instant::now() + time;
        let mut body = Vec::new();
        loop {
            let receive = &mut self.receive;
            let waiting = Instant::now();
            let received = self
                .timer
                .race(deadline, poll_fn(|cx| receive.poll_data(cx)))
                .await;
            self.body_wait_us += micros(waiting, Instant::now());
            match received {
                Ok(Some(Ok(data))) => {
                    body.extend_from_slice(&data);
                    let _ = self.receive.flow_control().release_capacity(data.len());
                    if body.len() > bytes_max {
                        return Err(BodyFault::too_large(bytes_max));
                    }
                }
                Ok(None) => return Ok(body),
                Ok(Some(Err(_))) => return Err(BodyFault::Gone),
                Err(_) => return Err(BodyFault::too_slow(time)),
            }
        }
    }

    async fn invite(&mut self) -> Result<(), Gone> {
        // Nobody waits for it in HTTP/2 as it is used.
        Ok(())
    }

    fn poll_piece(
        &mut self,
        out: &mut Vec<u8>,
        _: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, BodyFault>> {
        loop {
            return Poll::Ready(match ready!(self.receive.poll_data(cx)) {
                // Frames may be empty; that is not the end.
                Some(Ok(data)) if data.is_empty() => continue,
                Some(Ok(data)) => {
                    out.extend_from_slice(&data);
                    let _ = self.receive.flow_control().release_capacity(data.len());
                    Ok(data.len())
                }
                Some(Err(_)) => Err(BodyFault::Gone),
                None => Ok(0),
            });
        }
    }

    fn body_wait_us(&self) -> u64 {
        self.body_wait_us
    }

    fn waited_for_body(&mut self, micros: u64) {
        self.body_wait_us += micros;
    }
}
