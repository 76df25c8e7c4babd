//! One connection to a provider, and the exchange on it: write a request, read an answer's head, read its body.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::answer::{AnswerHead, Framing};
use crate::buffer::Buffer;
use crate::edge::chunked::Chunked;
use crate::socket::{Socket, poll_write_all};

/// An answer's head may be this long.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most that is read from the socket before it is looked at. A stream's chunk is rarely near it; a large plain
/// answer is read in steps of it.
const READ_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    buffer: Buffer,
    body: Body,
    /// Answers read on it so far: zero means that it is fresh.
    pub(crate) answers: u32,
}

/// Where in an answer's body the connection is.
#[derive(Debug)]
enum Body {
    /// No answer is being read.
    None,
    Length(u64),
    Chunked(Chunked),
    /// Ends with the connection.
    UntilClose,
    Done,
}

/// What went wrong on the connection.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The provider closed (or reset) before the first byte of an answer. On a kept connection this means that it was
    /// stale, and the request was most probably never looked at.
    ClosedUnanswered,
    /// It closed in the middle.
    Cut,
    /// What it sent is no HTTP.
    Malformed(&'static str),
    Io(io::Error),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::ClosedUnanswered => {
                f.write_str("the provider closed the connection without an answer")
            }
            Fault::Cut => f.write_str("the provider closed the connection before the answer's end"),
            Fault::Malformed(what) => write!(f, "the provider's answer is malformed HTTP: {what}"),
            Fault::Io(error) => write!(f, "reading from the provider: {error}"),
        }
    }
}

impl Connection {
    pub(crate) fn new(socket: Socket) -> Self {
        Connection {
            socket,
            buffer: Buffer::default(),
            body: Body::None,
            answers: 0,
        }
    }

    /// Whether a kept connection has been closed or spoken to.
    pub(crate) fn is_stale(&self) -> bool {
        !self.buffer.is_empty() || self.socket.has_news()
    }

    /// Writes a whole request. An error is not final: the provider may have answered already (with 413, say) and closed.
    pub(crate) async fn write(&mut self, slices: &[&[u8]]) -> io::Result<()> {
        let mut written = 0;
        poll_fn(|cx| poll_write_all(&mut self.socket, slices, &mut written, cx)).await
    }

    /// Writes slices of a request, of which `written` bytes have gone already.
    pub(crate) fn poll_write(
        &mut self,
        slices: &[&[u8]],
        written: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        poll_write_all(&mut self.socket, slices, written, cx)
    }

    /// Reads the head of the answer, passing over interim (1xx) ones.
    pub(crate) fn poll_head(
        &mut self,
        head: &mut AnswerHead,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        loop {
            if !self.buffer.is_empty() {
                match head.read(self.buffer.data()).map_err(Fault::Malformed)? {
                    Some(length) if head.status < 200 && head.status != 101 => {
                        self.buffer.consume(length);
                        continue;
                    }
                    Some(length) => {
                        self.buffer.consume(length);
                        self.answers = self.answers.saturating_add(1);
                        self.body = match head.framing {
                            Framing::Length(0) => Body::Done,
                            Framing::Length(length) => Body::Length(length),
                            Framing::Chunked => Body::Chunked(Chunked::new()),
                            Framing::UntilClose => Body::UntilClose,
                        };
                        return Poll::Ready(Ok(()));
                    }
                    None if self.buffer.len() >= HEAD_BYTES_MAX => {
                        return Poll::Ready(Err(Fault::Malformed(
                            "its head is longer than 64 KiB",
                        )));
                    }
                    None => {}
                }
            }
            match ready!(self.buffer.poll_fill(&mut self.socket, HEAD_BYTES_MAX, cx)) {
                Ok(0) if self.buffer.is_empty() => {
                    return Poll::Ready(Err(Fault::ClosedUnanswered));
                }
                Ok(0) => return Poll::Ready(Err(Fault::Cut)),
                Ok(_) => {}
                Err(error) if self.buffer.is_empty() && is_close(&error) => {
                    return Poll::Ready(Err(Fault::ClosedUnanswered));
                }
                Err(error) => return Poll::Ready(Err(Fault::Io(error))),
            }
        }
    }

    /// Appends the next part of the body to `out`, which grows to at most `out_max` bytes. False at the end. A caller
    /// that allows `n` bytes passes `n + 1` and looks at the length: a full `out` is not an error here.
    pub(crate) fn poll_body(
        &mut self,
        out: &mut Vec<u8>,
        out_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Fault>> {
        loop {
            let before = out.len();
            if before >= out_max && !self.is_at_end() {
                return Poll::Ready(Ok(true));
            }
            if !self.buffer.is_empty() {
                self.decode(out, out_max)?;
            }
            if self.is_at_end() {
                return Poll::Ready(Ok(out.len() > before));
            }
            if out.len() > before {
                return Poll::Ready(Ok(true));
            }
            if self.buffer.is_full(READ_BYTES_MAX) {
                return Poll::Ready(Err(Fault::Malformed(
                    "its chunk framing does not fit the buffer",
                )));
            }
            match ready!(self.buffer.poll_fill(&mut self.socket, READ_BYTES_MAX, cx)) {
                Ok(0) => {
                    if matches!(self.body, Body::UntilClose) {
                        self.body = Body::Done;
                        return Poll::Ready(Ok(false));
                    }
                    return Poll::Ready(Err(Fault::Cut));
                }
                Ok(_) => {}
                Err(error) if is_close(&error) => return Poll::Ready(Err(Fault::Cut)),
                Err(error) => return Poll::Ready(Err(Fault::Io(error))),
            }
        }
    }

    fn decode(&mut self, out: &mut Vec<u8>, out_max: usize) -> Result<(), Fault> {
        let data = self.buffer.data();
        let room = out_max.saturating_sub(out.len());
        let used = match &mut self.body {
            Body::None | Body::Done => 0,
            Body::Length(left) => {
                let take = (*left).min(data.len() as u64) as usize;
                let take = take.min(room);
                out.extend_from_slice(&data[..take]);
                *left -= take as u64;
                if *left == 0 {
                    self.body = Body::Done;
                }
                take
            }
            Body::Chunked(decoder) => {
                let used = decoder
                    .decode(data, out, out_max)
                    .map_err(|bad| Fault::Malformed(bad.0))?;
                if decoder.is_done() {
                    self.body = Body::Done;
                }
                used
            }
            Body::UntilClose => {
                let take = data.len().min(room);
                out.extend_from_slice(&data[..take]);
                take
            }
        };
        self.buffer.consume(used);
        Ok(())
    }

    /// Whether the answer's body has been read to its end.
    pub(crate) fn is_at_end(&self) -> bool {
        matches!(self.body, Body::Done)
    }

    /// The whole body if it is in the buffer already: the usual case of a short plain answer, read without a copy.
    pub(crate) fn whole_body(&self) -> Option<&[u8]> {
        match self.body {
            Body::Done => Some(&[]),
            Body::Length(length) if self.buffer.len() as u64 >= length => {
                Some(&self.buffer.data()[..length as usize])
            }
            _ => None,
        }
    }

    /// Says that [`Connection::whole_body`] has been used.
    pub(crate) fn finish_whole_body(&mut self) {
        if let Body::Length(length) = self.body {
            self.buffer.consume(length as usize);
        }
        self.body = Body::Done;
    }

    /// Whether it can serve another request: at the end of an answer, with nothing unasked behind it.
    pub(crate) fn is_reusable(&self, head: &AnswerHead) -> bool {
        head.keep_alive && self.is_at_end() && self.buffer.is_empty()
    }

    /// Makes it ready to be kept.
    pub(crate) fn reset(&mut self) {
        self.body = Body::None;
        self.buffer.relax();
    }

    /// The socket and what has been read beyond the head, for a tunnel.
    pub(crate) fn into_parts(self) -> (Socket, Vec<u8>) {
        let rest = self.buffer.data().to_vec();
        (self.socket, rest)
    }
}

fn is_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof
    )
}
