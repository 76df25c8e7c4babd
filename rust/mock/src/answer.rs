//! An answer as bytes of HTTP/1.1, ready to be written, with the places where something happens while it is.
//!
//! Everything that can be decided before the first write is decided here, once, so that playing an answer
//! (`play.rs`) is writing slices of one buffer. Offsets come in two kinds: *payload* (what a client that undid chunking
//! sees) and *wire* (what the socket carries); `Framed` maps the first to the second.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::dialect::{Event, Payload, Wire, Words};
use crate::event_stream;
use crate::script::{Script, Stop};

/// A whole answer and how it is to be sent.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The script that it was built by; it holds the waits and what happens at the end.
    pub(crate) script: Script,
    /// Head and body as they go on the wire.
    pub(crate) bytes: Vec<u8>,
    /// Where the body starts in `bytes`.
    pub(crate) head_end: usize,
    /// Whether the body is a stream: `ttft` then waits behind the head.
    pub(crate) stream: bool,
    /// Where each event ends in `bytes`; empty for a plain body.
    pub(crate) event_ends: Vec<usize>,
    /// The separate writes; empty: everything in one.
    pub(crate) steps: Vec<Step>,
    /// Where in `bytes` it stops before its end, and how.
    pub(crate) stop: Option<Stop>,
    /// Whether the connection ends with this answer.
    pub(crate) close: bool,
}

/// One write.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// Where it ends in `Answer::bytes`.
    pub(crate) end: usize,
    /// Whether `pace` waits before it.
    pub(crate) paced: bool,
}

/// What the connection asks of the framing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Manner {
    /// An HTTP/1.0 client: no chunks, so a stream ends with the connection.
    pub(crate) http10: bool,
    /// The client said that it sends nothing more.
    pub(crate) close: bool,
}

/// How the end of the body is told.
#[derive(Clone, Copy, PartialEq)]
enum Framing {
    Length,
    Chunked,
    UntilClose,
}

/// An answer in the framing that the script and the client ask for.
pub(crate) fn put(script: Script, manner: Manner, words: Words) -> Answer {
    let Words {
        status,
        headers,
        payload,
    } = words;
    match payload {
        Payload::Whole { kind, bytes } => plain(script, manner, (status, kind, headers), bytes),
        Payload::Stream { wire, events } => stream(script, manner, headers, wire, &events),
    }
}

/// Headers of one answer beside those that all have.
type Headers = Vec<(&'static str, String)>;

fn plain(
    script: Script,
    manner: Manner,
    (status, kind, headers): (u16, &'static str, Headers),
    mut payload: Vec<u8>,
) -> Answer {
    if script.empty {
        payload.clear();
    }
    if script.bom {
        payload.splice(0..0, *b"\xef\xbb\xbf");
    }
    if script.gzip {
        payload = gzipped(&[&payload]).0;
    }
    let framing = match script.chunked {
        true if !manner.http10 => Framing::Chunked,
        _ => Framing::Length,
    };
    // A chunked body in one chunk would hide a reader that stops after the first.
    let size = script
        .split
        .or_else(|| script.chunked.then(|| payload.len().div_ceil(2).max(1)));
    let pieces = equal_pieces(payload.len(), size);
    let stop = script.stop.map(|stop| Stop {
        after: stop.after.saturating_add(script.part),
        ..stop
    });
    let parts = Parts {
        kind,
        headers,
        framing,
        status,
        manner,
        stream: false,
    };
    assemble(script, parts, &payload, &[], &pieces, stop)
}

fn stream(
    script: Script,
    manner: Manner,
    headers: Headers,
    wire: Wire,
    events: &[Event],
) -> Answer {
    let texts: Vec<Vec<u8>> = match script.empty {
        true => Vec::new(),
        false => events
            .iter()
            .enumerate()
            .map(|(index, event)| framed(&script, wire, (index, events.len()), event))
            .collect(),
    };
    let slices: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let (payload, ends) = if script.gzip {
        gzipped(&slices)
    } else {
        joined(&slices)
    };
    let framing = match (script.wronglength, manner.http10) {
        (0, true) => Framing::UntilClose,
        (0, false) => Framing::Chunked,
        _ => Framing::Length,
    };
    let starts = [0].into_iter().chain(ends.iter().copied());
    let paced: Vec<usize> = starts
        .zip(events)
        .filter(|(_, event)| event.paced)
        .skip(1)
        .map(|(start, _)| start)
        .collect();
    let cuts: Vec<usize> = match script.split {
        Some(_) => equal_pieces(payload.len(), script.split)
            .iter()
            .map(|piece| piece.end)
            .collect(),
        None => ends.clone(),
    };
    let mut pieces: Vec<Piece> = Vec::with_capacity(cuts.len());
    for end in cuts {
        let start = pieces.last().map_or(0, |piece| piece.end);
        let next = paced.partition_point(|at| *at < start);
        pieces.push(Piece {
            end,
            paced: paced.get(next).is_some_and(|at| *at < end),
        });
    }
    let stop = script.stop.map(|stop| {
        let end = match stop.after {
            0 => 0,
            after => ends.get(after - 1).or(ends.last()).copied().unwrap_or(0),
        };
        Stop {
            after: end.saturating_add(script.part),
            ..stop
        }
    });
    let parts = Parts {
        kind: match wire {
            Wire::Sse => "text/event-stream; charset=utf-8",
            Wire::SseCrlf => "text/event-stream",
            Wire::Lines => "application/x-ndjson",
            Wire::Array => "application/json; charset=UTF-8",
            Wire::EventStream => "application/vnd.amazon.eventstream",
        },
        headers,
        framing,
        status: 200,
        manner,
        stream: true,
    };
    assemble(script, parts, &payload, &ends, &pieces, stop)
}

/// One piece of the payload that is framed, and when asked written, on its own.
#[derive(Debug, PartialEq)]
struct Piece {
    end: usize,
    paced: bool,
}

/// What the head says, beside what the script says.
struct Parts {
    kind: &'static str,
    headers: Headers,
    framing: Framing,
    status: u16,
    manner: Manner,
    stream: bool,
}

fn assemble(
    script: Script,
    parts: Parts,
    payload: &[u8],
    event_ends: &[usize],
    pieces: &[Piece],
    stop: Option<Stop>,
) -> Answer {
    let close = parts.manner.close || script.close || parts.framing == Framing::UntilClose;
    let mut bytes = head(&script, &parts, payload.len(), close);
    let head_end = bytes.len();
    let has_body = !matches!(parts.status, 204 | 304);
    let framed = Framed::write(
        &mut bytes,
        if has_body { payload } else { &[] },
        pieces,
        parts.framing,
    );
    let event_ends: Vec<usize> = event_ends.iter().map(|end| framed.wire(*end)).collect();
    // Bytes that go out together need no steps. With `split` and with any pace each piece is a write; the last
    // takes the end of the chunked body with it.
    let own_writes = script.split.is_some() || (parts.stream && script.pace.is_some());
    let mut steps: Vec<Step> = Vec::new();
    if own_writes {
        steps.extend(
            framed
                .ends
                .iter()
                .zip(pieces)
                .map(|((_, wire), piece)| Step {
                    end: *wire,
                    paced: piece.paced,
                }),
        );
        match steps.last_mut() {
            Some(last) => last.end = bytes.len(),
            None => steps.push(Step {
                end: bytes.len(),
                paced: false,
            }),
        }
    }
    let stop = stop.map(|stop| Stop {
        after: framed.wire(stop.after),
        ..stop
    });
    let close = close || script.refuse_reuse || script.wronglength > 0;
    Answer {
        script,
        bytes,
        head_end,
        stream: parts.stream,
        event_ends,
        steps,
        stop,
        close,
    }
}

fn head(script: &Script, parts: &Parts, length: usize, close: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", parts.status, reason(parts.status));
    head += &format!("content-type: {}\r\nx-request-id: req_mock\r\n", parts.kind);
    for (name, value) in &parts.headers {
        head += &format!("{name}: {value}\r\n");
    }
    match parts.framing {
        _ if parts.status == 204 => {}
        Framing::Length => {
            let told = (length as i64).saturating_add(script.wronglength).max(0);
            head += &format!("content-length: {told}\r\n");
        }
        Framing::Chunked => head += "transfer-encoding: chunked\r\n",
        Framing::UntilClose => {}
    }
    if parts.stream {
        head += "cache-control: no-cache\r\n";
    }
    if script.gzip {
        head += "content-encoding: gzip\r\n";
    }
    if let Some(after) = &script.retry_after {
        let after: String = after
            .chars()
            .filter(|letter| !letter.is_control())
            .collect();
        head += &format!("retry-after: {after}\r\n");
    }
    for index in 0..script.hdr {
        head += &format!("x-mock-large-{index}: {}\r\n", "h".repeat(1024));
    }
    if close {
        head += "connection: close\r\n";
    }
    head += "\r\n";
    head.into_bytes()
}

/// Where each piece of payload ended up on the wire.
struct Framed {
    /// Wire offset of the body's first byte.
    start: usize,
    /// `(payload end, wire end)` of each piece, ascending.
    ends: Vec<(usize, usize)>,
    /// Bytes of chunk head before each piece's data, in the same order.
    opens: Vec<usize>,
}

impl Framed {
    fn write(bytes: &mut Vec<u8>, payload: &[u8], pieces: &[Piece], framing: Framing) -> Framed {
        let mut framed = Framed {
            start: bytes.len(),
            ends: Vec::new(),
            opens: Vec::new(),
        };
        let mut at = 0;
        for piece in pieces {
            let end = piece.end.min(payload.len());
            let before = bytes.len();
            if framing == Framing::Chunked && end > at {
                bytes.extend_from_slice(format!("{:x}\r\n", end - at).as_bytes());
                framed.opens.push(bytes.len() - before);
                bytes.extend_from_slice(&payload[at..end]);
                bytes.extend_from_slice(b"\r\n");
            } else {
                framed.opens.push(0);
                bytes.extend_from_slice(&payload[at..end]);
            }
            framed.ends.push((end, bytes.len()));
            at = end;
        }
        if framing == Framing::Chunked {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        framed
    }

    /// The wire offset behind this much payload: behind a whole piece also behind what closes its chunk.
    /// More than all payload is all of it, without what ends the body.
    fn wire(&self, payload: usize) -> usize {
        if payload == 0 {
            return self.start;
        }
        let index = self.ends.partition_point(|(end, _)| *end < payload);
        let Some((end, wire)) = self.ends.get(index) else {
            return self.ends.last().map_or(self.start, |(_, wire)| *wire);
        };
        if *end == payload {
            return *wire;
        }
        let (from, wire_from) = if index == 0 {
            (0, self.start)
        } else {
            self.ends[index - 1]
        };
        wire_from + self.opens[index] + (payload - from)
    }
}

fn equal_pieces(length: usize, size: Option<usize>) -> Vec<Piece> {
    let size = size.unwrap_or(length).max(1);
    (0..length.div_ceil(size))
        .map(|index| Piece {
            end: ((index + 1) * size).min(length),
            paced: false,
        })
        .collect()
}

/// One event as its wire has it. `place`: its number, and how many there are.
fn framed(script: &Script, wire: Wire, place: (usize, usize), event: &Event) -> Vec<u8> {
    let (index, count) = place;
    let line = match wire {
        Wire::SseCrlf => "\r\n",
        _ if script.crlf => "\r\n",
        _ => "\n",
    };
    let mut text = Vec::with_capacity(event.data.len() + 64);
    if script.bom && index == 0 {
        text.extend_from_slice(b"\xef\xbb\xbf");
    }
    match wire {
        Wire::Sse | Wire::SseCrlf => {
            let space = if script.nospace { "" } else { " " };
            if script.comments {
                text.extend_from_slice(format!(": ping{line}{line}").as_bytes());
            }
            if !event.name.is_empty() {
                text.extend_from_slice(format!("event:{space}{}{line}", event.name).as_bytes());
            }
            text.extend_from_slice(format!("data:{space}").as_bytes());
            text.extend_from_slice(&event.data);
            text.extend_from_slice(format!("{line}{line}").as_bytes());
        }
        Wire::Lines => {
            text.extend_from_slice(&event.data);
            text.extend_from_slice(line.as_bytes());
        }
        Wire::Array => {
            text.extend_from_slice(if index == 0 { b"[" } else { b",\r\n" });
            text.extend_from_slice(&event.data);
            if index + 1 == count {
                text.push(b']');
            }
        }
        Wire::EventStream => {
            let broken = script.crc == Some(index);
            text.extend_from_slice(&event_stream::frame(event.name, &event.data, broken));
        }
    }
    text
}

fn joined(texts: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let ends = texts.iter().scan(0, |at, text| {
        *at += text.len();
        Some(*at)
    });
    (texts.concat(), ends.collect())
}

/// The texts compressed as one body, flushed after each so that a reader can decode each as it arrives.
fn gzipped(texts: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut ends = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        // A `Vec` takes every write, so neither call can fail; an encoder in trouble would give a body that does not
        // decode, which the reader of this mock reports.
        let _ = encoder.write_all(text);
        if index + 1 < texts.len() {
            let _ = encoder.flush();
        }
        ends.push(encoder.get_ref().len());
    }
    let body = encoder.finish().unwrap_or_default();
    if let Some(last) = ends.last_mut() {
        *last = body.len();
    }
    (body, ends)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Site Is Overloaded",
        _ => "Mock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::How;

    fn events(count: usize) -> Vec<Event> {
        (0..count)
            .map(|index| Event::token("", index.to_string()))
            .collect()
    }

    fn stream(script: Script, manner: Manner, events: &[Event]) -> Answer {
        super::stream(script, manner, Vec::new(), Wire::Sse, events)
    }

    fn script(text: &str) -> Script {
        Script::parse(&[text]).unwrap()
    }

    #[test]
    fn an_unpaced_stream_is_one_write_of_one_chunk_for_each_event() {
        let answer = stream(script(""), Manner::default(), &events(2));
        assert!(answer.steps.is_empty());
        assert_eq!(
            &answer.bytes[answer.head_end..],
            b"9\r\ndata: 0\n\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n"
        );
    }

    #[test]
    fn a_cut_stands_behind_the_chunk_and_a_part_inside_it() {
        let whole = stream(script("cut=1"), Manner::default(), &events(2));
        assert_eq!(
            whole.stop,
            Some(Stop {
                after: whole.head_end + 14,
                how: How::Cut
            })
        );
        let part = stream(script("cut=1;part=4"), Manner::default(), &events(2));
        assert_eq!(
            part.stop,
            Some(Stop {
                after: part.head_end + 14 + 3 + 4,
                how: How::Cut
            })
        );
        let late = stream(script("cut=99"), Manner::default(), &events(2));
        assert_eq!(
            late.stop,
            Some(Stop {
                after: late.bytes.len() - 5,
                how: How::Cut
            })
        );
    }

    #[test]
    fn split_cuts_across_events_and_ends_with_the_body() {
        let answer = stream(script("split=4;cut=1"), Manner::default(), &events(2));
        let body = &answer.bytes[answer.head_end..];
        assert_eq!(
            body,
            b"4\r\ndata\r\n4\r\n: 0\n\r\n4\r\n\ndat\r\n4\r\na: 1\r\n2\r\n\n\n\r\n0\r\n\r\n"
        );
        assert_eq!(answer.steps.len(), 5);
        assert_eq!(answer.steps[4].end, answer.bytes.len());
        // The first event ends one byte into the third piece.
        assert_eq!(answer.event_ends[0], answer.head_end + 18 + 3 + 1);
    }

    #[test]
    fn pace_waits_before_each_token_but_the_first() {
        let answer = stream(script("pace=1"), Manner::default(), &events(3));
        assert_eq!(
            answer
                .steps
                .iter()
                .map(|step| step.paced)
                .collect::<Vec<_>>(),
            [false, true, true]
        );
        let answer = stream(script("pace=1;split=4"), Manner::default(), &events(3));
        assert_eq!(answer.steps.iter().filter(|step| step.paced).count(), 2);
    }

    #[test]
    fn each_wire_frames_its_events_in_its_own_way() {
        let body = |wire: Wire, text: &str| {
            let named = [Event::token("a", "1"), Event::last("b", "2")];
            let manner = Manner {
                http10: true,
                close: true,
            };
            let answer = super::stream(script(text), manner, Vec::new(), wire, &named);
            // Latin 1, so that no byte is lost in a text that can be compared.
            let bytes = answer.bytes[answer.head_end..].iter();
            bytes.map(|byte| char::from(*byte)).collect::<String>()
        };
        assert_eq!(
            body(Wire::Sse, ""),
            "event: a\ndata: 1\n\nevent: b\ndata: 2\n\n"
        );
        assert_eq!(
            body(Wire::Sse, "nospace;comments"),
            ": ping\n\nevent:a\ndata:1\n\n: ping\n\nevent:b\ndata:2\n\n"
        );
        assert_eq!(
            body(Wire::SseCrlf, ""),
            "event: a\r\ndata: 1\r\n\r\nevent: b\r\ndata: 2\r\n\r\n"
        );
        assert_eq!(body(Wire::Lines, ""), "1\n2\n");
        assert_eq!(body(Wire::Array, ""), "[1,\r\n2]");
        assert_ne!(
            body(Wire::EventStream, ""),
            body(Wire::EventStream, "crc=1")
        );
        assert_eq!(
            body(Wire::EventStream, ""),
            body(Wire::EventStream, "crc=2")
        );
    }

    #[test]
    fn http10_gets_no_chunks() {
        let answer = stream(
            script(""),
            Manner {
                http10: true,
                close: true,
            },
            &events(1),
        );
        assert!(answer.close);
        assert_eq!(&answer.bytes[answer.head_end..], b"data: 0\n\n");
    }
}
