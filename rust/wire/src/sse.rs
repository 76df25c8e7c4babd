//! Cuts a provider's byte stream into frames: server-sent events, or one JSON document per line.
//!
//! Reading server-sent events follows the standard (WHATWG HTML, "Server-sent events"): lines end in LF, CRLF or CR; one space after
//! the colon is not part of the value; several `data:` lines are joined by a line feed; a byte order mark and comments are
//! dropped. Reads may split anywhere. Unlike the standard, data that no empty line follows at the end is still taken.
//!
//! The AWS event stream, which is binary, has its own reader in the module of its dialect.

use crate::stream::{SEEN_BYTES_MAX, StreamFault};
use crate::upstream_error;

/// One event, as it stood on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its `event:` name; empty when it has none.
    pub name: &'a str,
    /// Its data.
    pub data: &'a [u8],
}

/// Where frames go.
pub(crate) type Each<'e> = dyn FnMut(Frame<'_>) -> Result<(), StreamFault> + 'e;

/// What a stream consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Server-sent events.
    Events,
    /// One JSON document per line.
    Documents,
}

/// The reader.
#[derive(Debug)]
pub struct Sse {
    lines: Lines,
    partial: PartialLine,
    /// Data lines of the event that is not complete yet.
    data: Vec<u8>,
    has_data: bool,
    /// The event's name, cut to [`NAME_BYTES_MAX`].
    name: String,
    /// The last byte read was a CR: an LF at the start of the next read belongs to it.
    after_cr: bool,
}

/// Longer than any name that is known.
const NAME_BYTES_MAX: usize = 128;

impl Sse {
    /// For one stream.
    pub fn new(lines: Lines, event_bytes_max: usize) -> Sse {
        Sse {
            lines,
            partial: PartialLine::new(lines, event_bytes_max),
            data: Vec::new(),
            has_data: false,
            name: String::new(),
            after_cr: false,
        }
    }

    /// Takes what was read and gives the frames that it completes to `each`, which may stop the reading with a fault.
    pub fn push(&mut self, input: &[u8], each: &mut Each<'_>) -> Result<(), StreamFault> {
        let mut rest = input;
        if !rest.is_empty() && std::mem::take(&mut self.after_cr) {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(len) = memchr::memchr2(b'\n', b'\r', rest) {
            let (line, end) = rest.split_at_checked(len).unwrap_or((rest, b""));
            rest = match end {
                [b'\r', b'\n', after @ ..] => after,
                [b'\r'] => {
                    self.after_cr = true;
                    b""
                }
                [_, after @ ..] => after,
                [] => b"",
            };
            if self.partial.is_empty() {
                self.line(line, each)?;
            } else {
                let whole = self.partial.complete(line, self.data.len())?;
                let taken = self.line(&whole, each);
                self.partial.reuse(whole);
                taken?;
            }
        }
        self.partial.hold(rest, self.data.len())
    }

    /// The provider closed the stream: gives what was left without an end.
    pub fn eof(&mut self, each: &mut Each<'_>) -> Result<(), StreamFault> {
        let line = self.partial.take();
        if !line.is_empty() {
            self.line(&line, each)?;
        }
        self.dispatch(each)
    }

    /// Bytes that are held between two reads.
    pub fn held_bytes(&self) -> usize {
        self.partial.held_bytes() + self.data.capacity() + self.name.capacity()
    }

    fn line(&mut self, line: &[u8], each: &mut Each<'_>) -> Result<(), StreamFault> {
        let line = self.partial.begin(line)?;
        self.partial.bound(self.data.len() + line.len())?;
        if self.lines == Lines::Documents {
            return match line.trim_ascii().is_empty() {
                true => Ok(()),
                false => each(Frame {
                    name: "",
                    data: line,
                }),
            };
        }
        if line.is_empty() {
            return self.dispatch(each);
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match line.get(..colon).unwrap_or_default() {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => {
                self.name.clear();
                let value = value.get(..NAME_BYTES_MAX).unwrap_or(value);
                self.name.push_str(&String::from_utf8_lossy(value));
            }
            // Comments, `id`, `retry`, and fields that the standard does not know.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, each: &mut Each<'_>) -> Result<(), StreamFault> {
        let has_data = std::mem::take(&mut self.has_data);
        let taken = match has_data && !self.data.trim_ascii().is_empty() {
            true => each(Frame {
                name: &self.name,
                data: &self.data,
            }),
            false => Ok(()),
        };
        self.data.clear();
        self.name.clear();
        taken
    }
}

/// The line that is being read, for every reader of lines: what has come of it when a read ends inside it, how long it may be, and how a
/// stream may not begin.
#[derive(Debug)]
pub(crate) struct PartialLine {
    lines: Lines,
    /// An event, or a line, longer than this ends the stream as [`StreamFault::TooLarge`].
    event_bytes_max: usize,
    /// What has been read of a line without its end.
    bytes: Vec<u8>,
    /// A line has been read, so no byte order mark can follow, and it was no plain body.
    begun: bool,
}

impl PartialLine {
    pub(crate) fn new(lines: Lines, event_bytes_max: usize) -> PartialLine {
        PartialLine {
            lines,
            event_bytes_max,
            bytes: Vec::new(),
            begun: false,
        }
    }

    /// Whether the last read ended with a line.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the first line has been looked at.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Refuses an event of so many bytes, if that is too many.
    pub(crate) fn bound(&self, bytes: usize) -> Result<(), StreamFault> {
        if bytes > self.event_bytes_max {
            return Err(StreamFault::TooLarge {
                event_bytes_max: self.event_bytes_max,
            });
        }
        Ok(())
    }

    /// Keeps a line's beginning until its end arrives. `data_bytes`: what is held of its event besides.
    pub(crate) fn hold(&mut self, bytes: &[u8], data_bytes: usize) -> Result<(), StreamFault> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.bound(data_bytes + self.bytes.len() + bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        if !self.begun {
            // A plain body may have no line end at all; it is told by its first byte.
            self.not_a_body(&self.bytes)?;
        }
        Ok(())
    }

    /// The whole line, of which these are the last bytes. To be given back with [`PartialLine::reuse`].
    pub(crate) fn complete(
        &mut self,
        bytes: &[u8],
        data_bytes: usize,
    ) -> Result<Vec<u8>, StreamFault> {
        self.hold(bytes, data_bytes)?;
        Ok(self.take())
    }

    /// Keeps the buffer for the next line that is split.
    pub(crate) fn reuse(&mut self, line: Vec<u8>) {
        self.bytes = line;
        self.bytes.clear();
    }

    /// What is held, at the end of the stream.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Looks at a whole line: gives it back without the byte order mark, if it is the first.
    #[inline]
    pub(crate) fn begin<'l>(&mut self, line: &'l [u8]) -> Result<&'l [u8], StreamFault> {
        if self.begun {
            return Ok(line);
        }
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        self.not_a_body(line)?;
        self.begun = !line.is_empty();
        Ok(line)
    }

    /// Bytes that are held between two reads.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Refuses a stream of events that starts like a JSON document or a page.
    fn not_a_body(&self, start: &[u8]) -> Result<(), StreamFault> {
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        let first = start.trim_ascii_start().first();
        let wrong = match self.lines {
            Lines::Events => matches!(first, Some(b'{' | b'[' | b'<')),
            Lines::Documents => matches!(first, Some(b'<')),
        };
        match wrong {
            true => Err(StreamFault::NotAStream {
                seen: upstream_error::excerpt(start, SEEN_BYTES_MAX),
            }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(pieces: &[&[u8]], lines: Lines) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut each = |frame: Frame<'_>| {
            found.push((
                frame.name.to_owned(),
                String::from_utf8_lossy(frame.data).into_owned(),
            ));
            Ok(())
        };
        let mut sse = Sse::new(lines, 1000);
        for piece in pieces {
            sse.push(piece, &mut each).unwrap();
        }
        sse.eof(&mut each).unwrap();
        found
    }

    #[test]
    fn any_split_gives_the_same_frames() {
        let whole: &[u8] = b"\xef\xbb\xbf: hello\r\nevent: a\r\ndata: {1\r\ndata:2}\r\n\r\nevent:b\rdata:  x\r\rdata: last";
        let expected = frames(&[whole], Lines::Events);
        assert_eq!(
            expected,
            [
                ("a".to_owned(), "{1\n2}".to_owned()),
                ("b".to_owned(), " x".to_owned()),
                (String::new(), "last".to_owned())
            ]
        );
        for at in 0..=whole.len() {
            let (one, two) = whole.split_at(at);
            assert_eq!(
                frames(&[one, two], Lines::Events),
                expected,
                "split at {at}"
            );
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(frames(&bytes, Lines::Events), expected);
    }

    #[test]
    fn documents_stand_on_lines() {
        let found = frames(&[b"{\"a\":1}\n\n{\"b\"", b":2}"], Lines::Documents);
        let data: Vec<_> = found.iter().map(|(_, data)| data.as_str()).collect();
        assert_eq!(data, ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn what_is_too_large_or_no_stream_is_a_fault() {
        let mut each = |_: Frame<'_>| Ok(());
        let mut sse = Sse::new(Lines::Events, 10);
        let large = sse.push(b"data: 0123456789012345", &mut each);
        assert!(matches!(large, Err(StreamFault::TooLarge { .. })));
        let mut sse = Sse::new(Lines::Events, 10);
        let page = sse.push(b"<html>", &mut each);
        assert!(matches!(page, Err(StreamFault::NotAStream { .. })));
    }
}
