//! The head of a provider's answer, reduced to what the gateway acts on.

use std::time::Duration;

use super::headroom::Headroom;
use crate::edge::head::is_named;

/// How the answer's body is delimited (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// How the body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    /// Named, and not understood: providers are asked for none, so this is theirs to answer for.
    Other,
}

/// The head of an answer.
#[derive(Debug, Clone)]
pub(crate) struct AnswerHead {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) event_stream: bool,
    /// The body says that it is JSON.
    pub(crate) json: bool,
    pub(crate) coding: Coding,
    /// Seconds; a date is not read, since no model provider sends one.
    pub(crate) retry_after: Option<Duration>,
    /// What is left of the provider's limits; `None`: it says nothing about them.
    pub(crate) headroom: Option<Box<Headroom>>,
    /// The head's own lines, kept only for the control side and tunnels, which pass them on.
    pub(crate) lines: Option<Vec<(String, Vec<u8>)>>,
    /// Whether to fill `lines`.
    keep_lines: bool,
}

const HEADERS_MAX: usize = 128;

/// What streams call themselves.
const STREAM_TYPES: [&[u8]; 3] = [
    b"text/event-stream",
    b"application/x-ndjson",
    b"application/vnd.amazon.eventstream",
];

impl AnswerHead {
    pub(crate) fn new() -> Self {
        AnswerHead {
            status: 0,
            framing: Framing::Length(0),
            keep_alive: false,
            event_stream: false,
            json: false,
            coding: Coding::Identity,
            retry_after: None,
            headroom: None,
            lines: None,
            keep_lines: false,
        }
    }

    /// One that keeps every header.
    pub(crate) fn with_lines() -> Self {
        AnswerHead {
            keep_lines: true,
            ..AnswerHead::new()
        }
    }

    /// Reads the head at the front of `data`: its length, or `None` while it is incomplete.
    pub(crate) fn read(&mut self, data: &[u8]) -> Result<Option<usize>, &'static str> {
        // Most heads are whole at the first look, and a head that trickles in is rare enough to be parsed again.
        let mut slots =
            [const { std::mem::MaybeUninit::<httparse::Header<'_>>::uninit() }; HEADERS_MAX];
        let mut answer = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let length = match config.parse_response_with_uninit_headers(&mut answer, data, &mut slots)
        {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err("more than 128 headers"),
            Err(_) => return Err("its head cannot be read"),
        };
        *self = AnswerHead {
            status: answer.code.unwrap_or(0),
            keep_alive: answer.version == Some(1),
            lines: self.keep_lines.then(Vec::new),
            keep_lines: self.keep_lines,
            ..AnswerHead::new()
        };
        let mut content_length = None;
        let mut chunked = false;
        for header in answer.headers.iter() {
            let (name, value) = (header.name, header.value);
            if let Some(lines) = &mut self.lines {
                lines.push((name.to_ascii_lowercase(), value.to_vec()));
            }
            match name.as_bytes() {
                bytes if is_named(bytes, b"connection") => {
                    for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                        if option.eq_ignore_ascii_case(b"close") {
                            self.keep_alive = false;
                        } else if option.eq_ignore_ascii_case(b"keep-alive") {
                            self.keep_alive = true;
                        }
                    }
                }
                bytes if is_named(bytes, b"content-length") => {
                    let length = std::str::from_utf8(value)
                        .ok()
                        .and_then(|text| text.trim().parse::<u64>().ok());
                    match (length, content_length) {
                        (None, _) => return Err("its Content-Length is not a number"),
                        (Some(now), Some(before)) if now != before => {
                            return Err("it has two Content-Lengths");
                        }
                        (length, _) => content_length = length,
                    }
                }
                bytes if is_named(bytes, b"transfer-encoding") => {
                    if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                        return Err("its Transfer-Encoding is not chunked");
                    }
                    chunked = true;
                }
                bytes if is_named(bytes, b"content-type") => {
                    let start = value.trim_ascii_start();
                    self.event_stream = STREAM_TYPES.iter().any(|kind| {
                        start
                            .get(..kind.len())
                            .is_some_and(|start| start.eq_ignore_ascii_case(kind))
                    });
                    self.json = start
                        .get(..16)
                        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"));
                }
                bytes if is_named(bytes, b"content-encoding") => {
                    self.coding = match value.trim_ascii() {
                        b"" => Coding::Identity,
                        v if v.eq_ignore_ascii_case(b"identity") => Coding::Identity,
                        v if v.eq_ignore_ascii_case(b"gzip")
                            || v.eq_ignore_ascii_case(b"x-gzip") =>
                        {
                            Coding::Gzip
                        }
                        _ => Coding::Other,
                    };
                }
                bytes if is_named(bytes, b"retry-after") => {
                    self.retry_after = std::str::from_utf8(value)
                        .ok()
                        .and_then(|text| text.trim().parse::<f64>().ok())
                        .filter(|seconds| seconds.is_finite() && (0.0..=86_400.0).contains(seconds))
                        .map(Duration::from_secs_f64);
                }
                bytes if bytes.len() >= 17 && Headroom::is_spoken_of_in(name) => {
                    self.headroom.get_or_insert_default().line(name, value);
                }
                _ => {}
            }
        }
        let bodyless = self.status < 200 || self.status == 204 || self.status == 304;
        self.framing = match (bodyless, chunked, content_length) {
            (true, _, _) => Framing::Length(0),
            (false, true, None) => Framing::Chunked,
            (false, true, Some(_)) => {
                return Err("it has both Content-Length and Transfer-Encoding");
            }
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) => {
                self.keep_alive = false;
                Framing::UntilClose
            }
        };
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<AnswerHead>, &'static str> {
        let mut head = AnswerHead::new();
        head.read(text.as_bytes()).map(|end| end.map(|_| head))
    }

    fn good(text: &str) -> AnswerHead {
        read(text).expect("well formed").expect("whole")
    }

    #[test]
    fn reads_what_is_acted_on() {
        let head = good(
            "HTTP/1.1 429 Slow\r\nRetry-After: 1.5\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(
            (head.status, head.framing, head.keep_alive),
            (429, Framing::Length(2), false)
        );
        assert_eq!(head.retry_after, Some(Duration::from_millis(1500)));
        let head = good(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\ncontent-encoding: gzip\r\n\r\n",
        );
        assert!(head.event_stream && head.keep_alive);
        assert_eq!(
            (head.framing, head.coding),
            (Framing::Chunked, Coding::Gzip)
        );
    }

    #[test]
    fn framing_follows_the_standard() {
        assert_eq!(good("HTTP/1.1 200 OK\r\n\r\n").framing, Framing::UntilClose);
        assert_eq!(good("HTTP/1.1 204 No\r\n\r\n").framing, Framing::Length(0));
        assert!(!good("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").keep_alive);
        assert!(
            good("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n")
                .keep_alive
        );
        assert!(
            read("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n")
                .is_err()
        );
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n").is_err());
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").is_err());
        assert!(
            read("HTTP/1.1 200 OK\r\ncont")
                .expect("well formed")
                .is_none()
        );
        assert!(read("SSH-2.0-OpenSSH\r\n\r\n").is_err());
    }

    #[test]
    fn a_silly_retry_after_is_none() {
        for value in ["-1", "1e99", "nan", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            let head = good(&format!(
                "HTTP/1.1 429 Slow\r\nRetry-After: {value}\r\n\r\n"
            ));
            assert_eq!(head.retry_after, None, "{value}");
        }
    }
}
