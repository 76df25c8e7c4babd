//! A read buffer: initialised bytes with a read end and a write end.
//!
//! Sockets are read into memory that is already initialised, so no `unsafe` is needed to say how much of it is filled.
//! A connection keeps its buffer for life; it starts small, because most connections are idle most of the time, and
//! grows by doubling up to the limit that the caller names.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read from a socket and not yet used.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read took all the room there was, so more is waiting: the next one may have twice as much.
    overflowed: bool,
}

/// First size of a buffer. Holds the head of nearly every request and a whole short answer.
const FIRST_BYTES: usize = 4096;
/// Size of a buffer that only watches whether the other side goes away.
const WATCH_BYTES: usize = 128;

impl Buffer {
    /// What has been read and not consumed.
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops `count` bytes from the front; more than there are empties it.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Gives memory back when the buffer is empty and has grown past its first size.
    pub(crate) fn relax(&mut self) {
        if self.is_empty() && self.bytes.len() > FIRST_BYTES * 4 {
            self.bytes = Vec::new();
        }
    }

    /// Gives all memory back while nothing is held: what waits for long (a stream's client) needs no buffer.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Room for at least one byte without passing `max` held bytes; false when `max` bytes are held already.
    fn make_room(&mut self, max: usize, first: usize) -> bool {
        if self.is_empty()
            && self.bytes.len() < max
            && (self.overflowed || self.bytes.len() < first)
        {
            // Nothing is held, so nothing has to be moved.
            self.overflowed = false;
            let size = (self.bytes.len() * 2).max(first).min(max);
            self.bytes = vec![0; size];
            (self.start, self.end) = (0, 0);
            return true;
        }
        if self.end < self.bytes.len() {
            return self.len() < max;
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.end <= self.bytes.len() / 2 {
                return self.len() < max;
            }
        }
        if self.len() >= max {
            return false;
        }
        let size = (self.bytes.len() * 2).clamp(first, max.max(first));
        if size > self.bytes.len() {
            self.bytes.resize(size, 0);
        }
        true
    }

    /// Reads once. `Ok(0)` is the end of the stream; pending for ever (no wake-up registered) when `max` bytes are held.
    pub(crate) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        self.poll_read(stream, max, FIRST_BYTES, cx)
    }

    /// The same for a side that is not expected to speak: holds hardly any memory until it does.
    pub(crate) fn poll_watch<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        self.poll_read(stream, max, WATCH_BYTES, cx)
    }

    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        max: usize,
        first: usize,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        if !self.make_room(max, first) {
            return Poll::Pending;
        }
        let mut target = ReadBuf::new(&mut self.bytes[self.end..]);
        ready!(Pin::new(stream).poll_read(cx, &mut target))?;
        let count = target.filled().len();
        self.overflowed = target.remaining() == 0;
        self.end += count;
        Poll::Ready(Ok(count))
    }

    /// Whether `max` bytes are held, so that [`Buffer::poll_fill`] would wait for ever.
    pub(crate) fn is_full(&self, max: usize) -> bool {
        self.len() >= max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn fill(buffer: &mut Buffer, mut from: &[u8], max: usize) -> Poll<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        buffer
            .poll_fill(&mut from, max, &mut cx)
            .map(|r| r.expect("memory does not fail"))
    }

    #[test]
    fn keeps_order_across_compaction_and_growth() {
        let mut buffer = Buffer::default();
        let source: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
        let (mut given, mut taken) = (0, Vec::new());
        while taken.len() < source.len() {
            if let Poll::Ready(count) = fill(&mut buffer, &source[given..], 6000) {
                given += count;
            }
            let part = buffer.len().div_ceil(3);
            taken.extend_from_slice(&buffer.data()[..part]);
            buffer.consume(part);
        }
        assert_eq!(taken, source);
    }

    #[test]
    fn reads_more_at_once_when_more_is_waiting_and_little_while_watching() {
        let mut buffer = Buffer::default();
        let source = vec![7; 1 << 20];
        let mut sizes = Vec::new();
        for _ in 0..6 {
            if let Poll::Ready(count) = fill(&mut buffer, &source, 1 << 16) {
                sizes.push(count);
            }
            buffer.consume(usize::MAX / 2);
        }
        assert_eq!(sizes, [4096, 8192, 16384, 32768, 65536, 65536]);
        buffer.release();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            buffer
                .poll_watch(&mut &source[..], 1 << 16, &mut cx)
                .is_ready()
        );
        assert_eq!(buffer.len(), WATCH_BYTES);
    }

    #[test]
    fn waits_at_its_limit() {
        let mut buffer = Buffer::default();
        assert_eq!(fill(&mut buffer, &[1; 5000], 4096), Poll::Ready(4096));
        assert!(buffer.is_full(4096));
        assert_eq!(fill(&mut buffer, &[1; 5000], 4096), Poll::Pending);
        buffer.consume(1);
        assert_eq!(fill(&mut buffer, &[1; 5000], 4096), Poll::Ready(1));
    }
}
