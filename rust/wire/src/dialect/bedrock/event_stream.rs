//! The AWS event stream, `application/vnd.amazon.eventstream`: length-prefixed messages with two checksums.
//!
//! ```text
//! total length (4) | length of headers (4) | CRC-32 of these eight | headers | payload | CRC-32 of all before
//! ```
//!
//! All numbers are big-endian. A header is the length of its name (1), the name, the type of its value (1) and the value. The format is
//! described in the AWS Transcribe and S3 Select guides and in the Smithy specification, "Amazon Event Stream". Both checksums are
//! verified: a byte that was changed on the way ends the stream instead of changing the answer.

use crate::sse::{Each, Frame};
use crate::stream::StreamFault;

/// Lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// A message's own checksum.
const CHECKSUM_BYTES: usize = 4;

/// Cuts a stream into messages.
#[derive(Debug)]
pub(crate) struct EventStream {
    event_bytes_max: usize,
    /// The beginning of a message whose end has not been read.
    partial: Vec<u8>,
}

impl EventStream {
    /// A message longer than `event_bytes_max` ends the stream.
    pub(crate) fn new(event_bytes_max: usize) -> EventStream {
        EventStream {
            event_bytes_max,
            partial: Vec::new(),
        }
    }

    /// Takes what was read, and gives each message that it completes as a frame: the event's type and its payload. An exception is called
    /// `exception:` and its type.
    pub(crate) fn push(&mut self, input: &[u8], each: &mut Each<'_>) -> Result<(), StreamFault> {
        if self.partial.is_empty() {
            let rest = self.take(input, each)?;
            self.partial.extend_from_slice(rest);
            return Ok(());
        }
        self.partial.extend_from_slice(input);
        let whole = std::mem::take(&mut self.partial);
        let rest = self.take(&whole, each)?.len();
        let taken = whole.len() - rest;
        self.partial = whole;
        self.partial.drain(..taken);
        Ok(())
    }

    /// The stream ended. A message that is not whole was cut, and whether that matters is for the reader of its events to say.
    pub(crate) fn eof(&mut self, _each: &mut Each<'_>) -> Result<(), StreamFault> {
        self.partial.clear();
        Ok(())
    }

    /// Bytes that are held between two reads.
    pub(crate) fn held_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// Gives the whole messages at the front of `bytes`, and gives back what is left.
    fn take<'b>(&self, bytes: &'b [u8], each: &mut Each<'_>) -> Result<&'b [u8], StreamFault> {
        let mut rest = bytes;
        while let Some(prelude) = rest.get(..PRELUDE_BYTES) {
            let length = number(prelude, 0);
            let headers = number(prelude, 4);
            if crc32fast::hash(prelude.get(..8).unwrap_or_default()) != number(prelude, 8) {
                return Err(malformed("the checksum of a message's lengths is wrong"));
            }
            let (length, headers) = (length as usize, headers as usize);
            if length > self.event_bytes_max {
                return Err(StreamFault::TooLarge {
                    event_bytes_max: self.event_bytes_max,
                });
            }
            if length < PRELUDE_BYTES + headers.saturating_add(CHECKSUM_BYTES) {
                return Err(malformed("a message is shorter than its headers"));
            }
            let Some((message, after)) = rest.split_at_checked(length) else {
                break;
            };
            let (checked, checksum) = message
                .split_at_checked(length - CHECKSUM_BYTES)
                .unwrap_or_default();
            if crc32fast::hash(checked) != number(checksum, 0) {
                return Err(malformed("the checksum of a message is wrong"));
            }
            let (headers, payload) = checked
                .get(PRELUDE_BYTES..)
                .and_then(|body| body.split_at_checked(headers))
                .unwrap_or_default();
            dispatch(headers, payload, each)?;
            rest = after;
        }
        Ok(rest)
    }
}

fn dispatch(headers: &[u8], payload: &[u8], each: &mut Each<'_>) -> Result<(), StreamFault> {
    let (mut event, mut exception, mut code, mut message) = ("", "", "", "");
    let mut rest = headers;
    while !rest.is_empty() {
        let (name, value, after) =
            header(rest).ok_or_else(|| malformed("a message's headers cannot be read"))?;
        match name {
            ":event-type" => event = value,
            ":exception-type" => exception = value,
            ":error-code" => code = value,
            ":error-message" => message = value,
            _ => {}
        }
        rest = after;
    }
    // An error without a payload says everything in its headers.
    if !code.is_empty() {
        let mut data = b"{\"message\":".to_vec();
        crate::json::write_string(message, &mut data);
        data.push(b'}');
        return each(Frame {
            name: &format!("exception:{code}"),
            data: &data,
        });
    }
    if !exception.is_empty() {
        return each(Frame {
            name: &format!("exception:{exception}"),
            data: payload,
        });
    }
    each(Frame {
        name: event,
        data: payload,
    })
}

/// The first header: its name, its value when that is a text, and what follows it.
fn header(bytes: &[u8]) -> Option<(&str, &str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let fixed = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let text = match kind {
                7 => std::str::from_utf8(value).ok()?,
                _ => "",
            };
            return Some((std::str::from_utf8(name).ok()?, text, rest));
        }
        _ => return None,
    };
    let (_, rest) = rest.split_at_checked(fixed)?;
    Some((std::str::from_utf8(name).ok()?, "", rest))
}

/// The big-endian number at an offset; zero where there are no four bytes, which no caller asks for.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk::<4>())
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn malformed(why: &'static str) -> StreamFault {
    StreamFault::Malformed { offset: 0, why }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message as AWS sends it.
    pub(crate) fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        for (name, value) in headers {
            head.push(name.len() as u8);
            head.extend_from_slice(name.as_bytes());
            head.push(7);
            head.extend_from_slice(&(value.len() as u16).to_be_bytes());
            head.extend_from_slice(value.as_bytes());
        }
        let length = PRELUDE_BYTES + head.len() + payload.len() + CHECKSUM_BYTES;
        let mut bytes = (length as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(&(head.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    fn frames(pieces: &[&[u8]]) -> Result<Vec<(String, Vec<u8>)>, StreamFault> {
        let mut found = Vec::new();
        let mut each = |frame: Frame<'_>| {
            found.push((frame.name.to_owned(), frame.data.to_vec()));
            Ok(())
        };
        let mut stream = EventStream::new(10_000);
        for piece in pieces {
            stream.push(piece, &mut each)?;
        }
        stream.eof(&mut each)?;
        Ok(found)
    }

    fn two() -> Vec<u8> {
        let mut bytes = message(
            &[(":event-type", "messageStart"), (":message-type", "event")],
            b"{\"role\":\"assistant\"}",
        );
        bytes.extend(message(
            &[(":exception-type", "throttlingException")],
            b"{}",
        ));
        bytes
    }

    #[test]
    fn any_split_gives_the_same_messages() {
        let bytes = two();
        let expected = frames(&[&bytes]).unwrap();
        assert_eq!(expected[0].0, "messageStart");
        assert_eq!(expected[1].0, "exception:throttlingException");
        for at in 0..=bytes.len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(frames(&[one, two]).unwrap(), expected, "split at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(frames(&single).unwrap(), expected);
    }

    #[test]
    fn a_changed_byte_is_a_fault_and_a_missing_one_loses_the_message() {
        let bytes = two();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            let read = frames(&[&changed]);
            assert!(
                read.is_err() || read.unwrap().len() < 2,
                "byte {at} was changed unseen"
            );
            assert!(frames(&[&bytes[..at]]).unwrap().len() < 2);
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_kept() {
        let large = message(&[(":event-type", "x")], &[b' '; 20_000]);
        let mut stream = EventStream::new(10_000);
        let read = stream.push(&large[..20], &mut |_| Ok(()));
        assert!(matches!(read, Err(StreamFault::TooLarge { .. })));
    }

    #[test]
    fn an_error_in_the_headers_becomes_an_exception() {
        let bytes = message(
            &[
                (":message-type", "error"),
                (":error-code", "internalServerException"),
                (":error-message", "it \"broke\""),
            ],
            b"",
        );
        let found = frames(&[&bytes]).unwrap();
        assert_eq!(found[0].0, "exception:internalServerException");
        assert_eq!(found[0].1, br#"{"message":"it \"broke\""}"#);
    }

    #[test]
    fn headers_of_every_type_are_passed_over() {
        let mut head = Vec::new();
        for (kind, length) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 4),
            (5, 8),
            (8, 8),
            (9, 16),
        ] {
            head.extend_from_slice(&[1, b'a', kind]);
            head.extend_from_slice(&vec![0; length]);
        }
        head.extend_from_slice(&[1, b'b', 6, 0, 2, 9, 9]);
        let mut rest = head.as_slice();
        let mut count = 0;
        while !rest.is_empty() {
            rest = header(rest).unwrap().2;
            count += 1;
        }
        assert_eq!(count, 9);
        assert!(header(&[1, b'a', 10]).is_none());
        assert!(header(&[9, b'a']).is_none());
    }
}
