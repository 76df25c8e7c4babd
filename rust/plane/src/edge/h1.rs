//! HTTP/1.1 towards clients: strict framing, reused memory, one write for each answer.
//!
//! A connection is one task and one loop: read a head, let `request.rs` serve it, see whether the connection can carry
//! another. While a provider is being waited for, the socket is watched: bytes that arrive early (pipelining) stay in
//! the bounded buffer, the end of the stream means that the client has gone. A client that shuts down its sending side
//! before it has its answer is taken for gone, as every mainstream server does.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use turnout_wire::refusal::{Kind, Refusal};

use super::chunked::{Chunked, size_line};
use super::head::{BodyLength, Head, Method, find_end};
use crate::buffer::Buffer;
use crate::caller::{
    BodyFault, CORS_EXPOSED, Caller, EVENT_STREAM, Gone, Incoming, ReplyHead, Seat,
};
use crate::clock::{Instant, Timer, micros};
use crate::metrics::Counter;
use crate::request;
use crate::socket::{Socket, poll_write_all};
use crate::thread::{FRESH_TIME, Fresh, Thread};

/// How every HTTP/2 connection begins (RFC 9113 section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An unread body up to this size is read and dropped so that the connection can be kept.
const DISCARD_BYTES_MAX: u64 = 64 * 1024;
/// How much more is read and dropped after an answer to a client that is still sending, how long in all, and how long
/// without a byte. Closing at once would reset the connection, and the reset would overtake the answer. Clients that
/// send their whole body before they look for an answer are common, so the bound is above any usual body.
const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(10);
const LINGER_SILENCE: Duration = Duration::from_secs(2);

/// Up to this size, what is sent is put together first and written as one piece.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// A client's connection.
pub(crate) struct H1 {
    thread: Rc<Thread>,
    socket: Socket,
    buffer: Buffer,
    /// Most that the buffer may hold: a head, and pipelined bytes.
    buffer_max: usize,
    head: Head,
    head_text: Vec<u8>,
    out: Vec<u8>,
    timer: Timer,
    seat: Rc<Seat>,
    peer: IpAddr,
    began: Instant,
    body_wait_us: u64,
    write_time: Duration,
    body: Unread,
    /// Whether this answer's head allows another request on the connection.
    keep: bool,
    /// Whether the stream that is being sent is chunked (not to an HTTP/1.0 client).
    chunked: bool,
}

/// How much of the request's body is still in the socket.
#[derive(Debug)]
enum Unread {
    Nothing,
    Length(u64),
    Chunked(Chunked),
}

impl Unread {
    /// Whether all of it has been read.
    fn is_over(&self) -> bool {
        match self {
            Unread::Nothing => true,
            Unread::Length(left) => *left == 0,
            Unread::Chunked(decoder) => decoder.is_done(),
        }
    }
}

enum Next {
    Head,
    H2,
    Closed,
    Refused(Refusal),
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    thread: Rc<Thread>,
    socket: Socket,
    peer: SocketAddr,
    seat: Rc<Seat>,
    fresh: Fresh,
) {
    let mut fresh = Some(fresh);
    let snapshot = thread.snapshot();
    let mut connection = H1 {
        thread: Rc::clone(&thread),
        socket,
        buffer: Buffer::default(),
        buffer_max: snapshot.server.limits.header_bytes_max,
        head: Head::default(),
        head_text: Vec::new(),
        out: Vec::new(),
        timer: Timer::new(),
        seat,
        peer: peer.ip().to_canonical(),
        began: Instant::now(),
        body_wait_us: 0,
        write_time: snapshot.server.write_time,
        body: Unread::Nothing,
        keep: true,
        chunked: false,
    };
    drop(snapshot);
    loop {
        match connection.next_head(fresh.is_some()).await {
            Next::Head => {}
            Next::Closed => return,
            Next::H2 => {
                let H1 {
                    socket,
                    buffer,
                    seat,
                    ..
                } = connection;
                // In a box, so that the many connections that stay with HTTP/1 do not hold its room.
                let serving = super::h2::serve(thread, socket, buffer, peer, seat, fresh);
                return Box::pin(serving).await;
            }
            Next::Refused(refusal) => {
                connection.keep = false;
                // Nothing of the head before, or of what was understood of this one, may shape the answer.
                connection.head = Head::default();
                if refusal.kind == Kind::HeaderMalformed {
                    thread.metrics.count(Counter::RequestMalformed);
                }
                thread.metrics.refused(refusal.kind as usize);
                let head = request::refusal_head(&refusal);
                refusal.write_json(&mut connection.out);
                if connection.reply(&head).await.is_ok() {
                    connection.linger().await;
                }
                return;
            }
        }
        let outcome = request::serve(&thread, &mut connection).await;
        fresh = None;
        match outcome {
            request::Outcome::Done => {}
            request::Outcome::Gone => return,
            request::Outcome::Upgrade(upstream) => {
                let rest = connection.buffer.data().to_vec();
                crate::cold::tunnel(&connection.seat, connection.socket, rest, upstream).await;
                return;
            }
        }
        if !connection.settle().await {
            return;
        }
    }
}

impl H1 {
    /// Waits for the next request and reads its head.
    async fn next_head(&mut self, first: bool) -> Next {
        // The values, not the snapshot: a connection that stays idle must not keep an old configuration alive.
        let (header_time, headers_max, mut time) = {
            let snapshot = self.thread.snapshot();
            let server = &snapshot.server;
            self.buffer_max = server.limits.header_bytes_max;
            self.write_time = server.write_time;
            let time = if first {
                server.header_time
            } else {
                server.idle_time
            };
            (server.header_time, server.limits.headers_max, time)
        };
        let mut scanned = 0;
        // Set by the first poll that has to wait: a request that is here already needs no clock.
        let mut deadline = None;
        let mut waiting = true;
        let fresh_until = self.began + FRESH_TIME;
        loop {
            if !self.buffer.is_empty() {
                if waiting {
                    waiting = false;
                    (deadline, time) = (None, header_time);
                }
                let data = self.buffer.data();
                if first && data.starts_with(&H2_PREFACE[..data.len().min(H2_PREFACE.len())]) {
                    if data.len() >= H2_PREFACE.len() {
                        return Next::H2;
                    }
                } else {
                    match find_end(data, &mut scanned) {
                        Err(refusal) => return Next::Refused(refusal),
                        Ok(Some(end)) => return self.take_head(end, headers_max),
                        Ok(None) if self.buffer.is_full(self.buffer_max) => {
                            return Next::Refused(Refusal::new(Kind::HeaderTooLarge).with_message(format!(
                                "The request's head is longer than {} bytes (server.limits.headers_size)",
                                self.buffer_max
                            )));
                        }
                        Ok(None) => {}
                    }
                }
            }
            let H1 {
                socket,
                buffer,
                timer,
                seat,
                buffer_max,
                ..
            } = self;
            let read = poll_fn(|cx| {
                if let Poll::Ready(outcome) = buffer.poll_fill(socket, *buffer_max, cx) {
                    return Poll::Ready(Some(outcome));
                }
                let mut deadline = *deadline.get_or_insert_with(|| Instant::now() + time);
                if waiting && seat.closing.get() {
                    if !first || seat.ending.get() {
                        return Poll::Ready(Some(Ok(0)));
                    }
                    deadline = deadline.min(fresh_until);
                }
                timer.poll(deadline, cx).map(|()| None)
            })
            .await;
            match read {
                Some(Ok(0) | Err(_)) => return Next::Closed,
                Some(Ok(_)) => {}
                // Silence between requests needs no answer; half a head does.
                None if self.buffer.is_empty() => return Next::Closed,
                None => {
                    return Next::Refused(Refusal::new(Kind::RequestTimeout).with_message(format!(
                        "The request's head did not arrive within {} ms (server.timeouts.header)",
                        header_time.as_millis()
                    )));
                }
            }
        }
    }

    fn take_head(&mut self, end: usize, headers_max: usize) -> Next {
        self.began = Instant::now();
        self.body_wait_us = 0;
        let outcome = self.head.read(&self.buffer.data()[..end], headers_max);
        self.buffer.consume(end);
        if let Err(refusal) = outcome {
            return Next::Refused(refusal);
        }
        self.keep = self.head.keep_alive;
        self.body = match self.head.body {
            BodyLength::Known(0) | BodyLength::UntilEnd => Unread::Nothing,
            BodyLength::Known(length) => Unread::Length(length),
            BodyLength::Chunked => Unread::Chunked(Chunked::new()),
        };
        Next::Head
    }

    /// Makes the connection ready for its next request; false when there will be none.
    async fn settle(&mut self) -> bool {
        let small = match self.body {
            Unread::Nothing => true,
            Unread::Length(left) => left <= DISCARD_BYTES_MAX,
            Unread::Chunked(_) => false,
        };
        // A client that waits for `100 Continue` will not send its body now: only closing tells it so.
        if !small || (self.head.expects_continue && !matches!(self.body, Unread::Nothing)) {
            self.linger().await;
            return false;
        }
        if !self.keep {
            let _ = self.socket.shutdown().await;
            let unread = !matches!(self.body, Unread::Nothing) || !self.buffer.is_empty();
            if unread || self.socket.has_news() {
                self.linger().await;
            }
            return false;
        }
        if !matches!(self.body, Unread::Nothing)
            && self
                .body(DISCARD_BYTES_MAX as usize, LINGER_SILENCE)
                .await
                .is_err()
        {
            return false;
        }
        self.buffer.relax();
        if self.out.capacity() > 64 * 1024 {
            self.out = Vec::new();
        }
        true
    }

    /// Says that no more will be sent, then reads and drops what the client is still sending.
    async fn linger(&mut self) {
        let _ = self.socket.shutdown().await;
        let end = Instant::now() + LINGER_TIME;
        let mut seen = 0;
        while seen < LINGER_BYTES_MAX {
            seen += self.buffer.len();
            self.buffer.consume(self.buffer.len());
            let silence = Instant::now() + LINGER_SILENCE;
            match self.fill(silence.min(end)).await {
                Some(count) if count > 0 => {}
                _ => return,
            }
        }
    }

    /// Reads once: `None` after the deadline or an error, zero at the end.
    async fn fill(&mut self, deadline: Instant) -> Option<usize> {
        let H1 {
            socket,
            buffer,
            timer,
            buffer_max,
            ..
        } = self;
        let max = (*buffer_max).max(64 * 1024);
        timer
            .race(deadline, poll_fn(|cx| buffer.poll_fill(socket, max, cx)))
            .await
            .ok()?
            .ok()
    }

    /// Writes slices to the client; a client that takes nothing for the write time is gone.
    async fn send(&mut self, what: Send<'_>) -> Result<(), Gone> {
        let mut room = [0; 18];
        let H1 {
            socket,
            head_text,
            out,
            timer,
            write_time,
            ..
        } = self;
        let slices: [&[u8]; 4] = match what {
            Send::Whole => [head_text, out, &[], &[]],
            Send::Chunk { head, last } => {
                let head: &[u8] = if head { head_text } else { &[] };
                let size = if out.is_empty() {
                    &[][..]
                } else {
                    size_line(out.len(), &mut room)
                };
                let tail: &[u8] = match (out.is_empty(), last) {
                    (false, false) => b"\r\n",
                    (false, true) => b"\r\n0\r\n\r\n",
                    (true, true) => b"0\r\n\r\n",
                    (true, false) => &[],
                };
                [head, size, out, tail]
            }
            Send::Raw(bytes) => [bytes, &[], &[], &[]],
        };
        // Copying a short answer behind its head costs less than the kernel's look at a list of slices.
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut joined = Vec::new();
        let slices: [&[u8]; 4] = if length <= JOINED_BYTES_MAX && slices[0].len() < length {
            joined = std::mem::take(&mut *self.thread.scratch.borrow_mut());
            joined.clear();
            for slice in slices {
                joined.extend_from_slice(slice);
            }
            [&joined, &[], &[], &[]]
        } else {
            slices
        };
        let mut written = 0;
        loop {
            let before = written;
            let outcome = timer
                .within(
                    *write_time,
                    poll_fn(|cx| {
                        let poll = poll_write_all(socket, &slices, &mut written, cx);
                        // Progress moves the deadline: leave the race so that it is set anew.
                        if poll.is_pending() && written > before {
                            Poll::Ready(Ok(false))
                        } else {
                            poll.map_ok(|()| true)
                        }
                    }),
                )
                .await;
            match outcome {
                Ok(Ok(true)) => break,
                Ok(Ok(false)) => {}
                Ok(Err(_)) | Err(_) => return Err(Gone),
            }
        }
        if joined.capacity() > 0 {
            *self.thread.scratch.borrow_mut() = joined;
        }
        if !matches!(what, Send::Raw(_)) {
            self.out.clear();
        }
        Ok(())
    }

    /// Appends what the buffer has of the body, until `out` has `out_max` bytes. How much of the buffer that was.
    fn decode(&mut self, out: &mut Vec<u8>, out_max: usize) -> Result<usize, BodyFault> {
        let data = self.buffer.data();
        match &mut self.body {
            Unread::Nothing => Ok(0),
            Unread::Length(left) => {
                let room = out_max.saturating_sub(out.len());
                let take = (*left).min(data.len().min(room) as u64) as usize;
                out.extend_from_slice(&data[..take]);
                *left -= take as u64;
                Ok(take)
            }
            Unread::Chunked(decoder) => decoder.decode(data, out, out_max).map_err(|bad| {
                self.keep = false;
                self.thread.metrics.count(Counter::RequestMalformed);
                BodyFault::refused(
                    Kind::HeaderMalformed,
                    format!("Malformed HTTP request: {}", bad.0),
                )
            }),
        }
    }

    fn write_head(&mut self, head: &ReplyHead, framing: Framing) {
        if self.thread.is_draining() {
            self.keep = false;
        }
        let small_rest = match self.body {
            Unread::Nothing => true,
            Unread::Length(left) => left <= DISCARD_BYTES_MAX && !self.head.expects_continue,
            Unread::Chunked(_) => false,
        };
        self.keep &= small_rest;
        let text = &mut self.head_text;
        text.clear();
        text.extend_from_slice(b"HTTP/1.1 ");
        text.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
        text.push(b' ');
        text.extend_from_slice(reason(head.status).as_bytes());
        text.extend_from_slice(b"\r\n");
        let mut line = |name: &[u8], value: &[u8]| {
            text.extend_from_slice(name);
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
            text.extend_from_slice(b"\r\n");
        };
        if !head.content_type.is_empty() {
            line(b"content-type", head.content_type.as_bytes());
        }
        if !head.generation_id.is_empty() {
            line(b"x-generation-id", head.generation_id.as_bytes());
        }
        if head.content_type == EVENT_STREAM {
            line(b"cache-control", b"no-cache");
            // Tells nginx and its relatives in front of us not to hold events back.
            line(b"x-accel-buffering", b"no");
        }
        match framing {
            Framing::Length(length) => line(
                b"content-length",
                itoa::Buffer::new().format(length).as_bytes(),
            ),
            Framing::Chunked => line(b"transfer-encoding", b"chunked"),
            Framing::UntilClose => self.keep = false,
            Framing::Upgrade | Framing::None => {}
        }
        if !head.cors_origin.is_empty() {
            line(b"access-control-allow-origin", head.cors_origin.as_bytes());
            line(b"access-control-expose-headers", CORS_EXPOSED.as_bytes());
            line(b"vary", b"origin");
        }
        for (name, value) in &head.extra {
            line(name.as_bytes(), value.as_bytes());
        }
        if matches!(framing, Framing::Upgrade) {
            line(b"connection", b"upgrade");
        } else if !self.keep {
            line(b"connection", b"close");
        } else if self.head.http10 {
            line(b"connection", b"keep-alive");
        }
        text.extend_from_slice(b"\r\n");
    }
}

#[derive(Clone, Copy)]
enum Send<'a> {
    Whole,
    Chunk { head: bool, last: bool },
    Raw(&'a [u8]),
}

enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
    /// 101: the connection stops being HTTP.
    Upgrade,
    /// No length of ours: 204 and 304, which have no body, and a HEAD whose length stands in other headers.
    None,
}

impl Caller for H1 {
    fn head(&self) -> &Head {
        &self.head
    }

    fn seat(&self) -> &Seat {
        &self.seat
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !matches!(self.body, Unread::Nothing) {
            return Poll::Pending;
        }
        while !self.buffer.is_full(self.buffer_max) {
            match self
                .buffer
                .poll_watch(&mut self.socket, self.buffer_max, cx)
            {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    async fn reply(&mut self, head: &ReplyHead) -> Result<(), Gone> {
        let to_head = self.head.method == Method::Head;
        let framing = match head.status {
            101 => Framing::Upgrade,
            204 | 304 => Framing::None,
            // The control side made no body for a HEAD; the length, if it is known, is among its own headers.
            _ if to_head && self.out.is_empty() => Framing::None,
            _ => Framing::Length(self.out.len()),
        };
        self.write_head(head, framing);
        if to_head {
            self.out.clear();
        }
        self.send(Send::Whole).await
    }

    async fn begin(&mut self, head: &ReplyHead) -> Result<(), Gone> {
        self.chunked = !self.head.http10;
        self.buffer.release();
        self.write_head(
            head,
            if self.chunked {
                Framing::Chunked
            } else {
                Framing::UntilClose
            },
        );
        if self.chunked {
            self.send(Send::Chunk {
                head: true,
                last: false,
            })
            .await
        } else {
            self.send(Send::Whole).await
        }
    }

    async fn part(&mut self) -> Result<(), Gone> {
        self.head_text.clear();
        if self.chunked {
            self.send(Send::Chunk {
                head: false,
                last: false,
            })
            .await
        } else {
            self.send(Send::Whole).await
        }
    }

    async fn end(&mut self, head: Option<&ReplyHead>) -> Result<(), Gone> {
        self.head_text.clear();
        if let Some(head) = head {
            self.chunked = !self.head.http10;
            self.write_head(
                head,
                if self.chunked {
                    Framing::Chunked
                } else {
                    Framing::UntilClose
                },
            );
        }
        if self.chunked {
            self.send(Send::Chunk {
                head: true,
                last: true,
            })
            .await
        } else {
            self.send(Send::Whole).await
        }
    }
}

impl Incoming for H1 {
    fn peer(&self) -> IpAddr {
        self.peer
    }

    fn began(&self) -> Instant {
        self.began
    }

    async fn body(&mut self, bytes_max: usize, time: Duration) -> Result<Vec<u8>, BodyFault> {
        if matches!(self.body, Unread::Length(length) if length > bytes_max as u64) {
            return Err(BodyFault::too_large(bytes_max));
        }
        if self.head.expects_continue {
            self.invite().await.map_err(|Gone| BodyFault::Gone)?;
        }
        let mut deadline = None;
        let mut body = self.thread.room_for_body();
        if let Unread::Length(length) = self.body {
            // Trust a claimed length only so far: the memory is paid for by bytes that arrive.
            body.reserve_exact((length as usize).min(256 * 1024));
        }
        loop {
            if !self.buffer.is_empty() {
                let used = self.decode(&mut body, bytes_max + 1)?;
                self.buffer.consume(used);
            }
            let done = self.body.is_over();
            if body.len() > bytes_max {
                return Err(BodyFault::too_large(bytes_max));
            }
            if done {
                self.body = Unread::Nothing;
                return Ok(body);
            }
            let now = Instant::now();
            let deadline = *deadline.get_or_insert(now + time);
            let filled = self.fill(deadline).await;
            self.body_wait_us += micros(now, Instant::now());
            match filled {
                Some(0) => return Err(BodyFault::Gone),
                Some(_) => {}
                None if Instant::now() >= deadline => {
                    self.keep = false;
                    return Err(BodyFault::too_slow(time));
                }
                None => return Err(BodyFault::Gone),
            }
        }
    }

    async fn invite(&mut self) -> Result<(), Gone> {
        if self.head.expects_continue
            && self.buffer.is_empty()
            && !matches!(self.body, Unread::Nothing)
        {
            self.send(Send::Raw(b"HTTP/1.1 100 Continue\r\n\r\n"))
                .await?;
        }
        self.head.expects_continue = false;
        Ok(())
    }

    fn poll_piece(
        &mut self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, BodyFault>> {
        let before = out.len();
        loop {
            if !self.buffer.is_empty() {
                let used = self.decode(out, before.saturating_add(bytes_max))?;
                self.buffer.consume(used);
            }
            let done = self.body.is_over();
            if done {
                self.body = Unread::Nothing;
            }
            if done || out.len() > before {
                return Poll::Ready(Ok(out.len() - before));
            }
            let max = self.buffer_max.max(64 * 1024);
            match ready!(self.buffer.poll_fill(&mut self.socket, max, cx)) {
                Ok(count) if count > 0 => {}
                _ => return Poll::Ready(Err(BodyFault::Gone)),
            }
        }
    }

    fn body_wait_us(&self) -> u64 {
        self.body_wait_us
    }

    fn waited_for_body(&mut self, micros: u64) {
        self.body_wait_us += micros;
    }
}

/// The reason phrase; only for people who read with `curl -v`.
fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason())
        .unwrap_or("Status")
}
