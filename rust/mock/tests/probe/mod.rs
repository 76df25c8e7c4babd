//! A client that believes nothing: it reads an answer byte by byte from a socket and says how it really ended.
#![allow(dead_code)] // Each test file is a crate of its own and uses its part of this.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use turnout_mock::Mock;

/// Nothing for this long counts as silence where a test expects it. Loopback answers in microseconds.
const SILENCE: Duration = Duration::from_millis(400);
/// Longest wait for something that must come, long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// As its framing said; the connection is still open or not.
    Whole,
    /// The connection was closed before that.
    Closed,
    /// The connection was reset before that.
    Reset,
    /// Nothing more came, and the connection stayed open.
    Silent,
}

#[derive(Debug)]
pub(crate) struct Reply {
    /// Zero if no head came.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Without chunking.
    pub(crate) body: Vec<u8>,
    /// Sizes of the chunks.
    pub(crate) chunks: Vec<usize>,
    pub(crate) end: End,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// What the events of the stream hold.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.body).replace("\r\n", "\n");
        text.split("\n\n")
            .filter_map(|event| event.trim_start_matches('\u{feff}').strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data).to_owned())
            .collect()
    }

    /// The events that are JSON.
    pub(crate) fn chunks_json(&self) -> Vec<Value> {
        self.events()
            .iter()
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }

    /// The text, plain or streamed.
    pub(crate) fn said(&self) -> String {
        match self.header("content-type") {
            Some("application/json") => {
                let choice = &self.json()["choices"][0];
                choice["message"]["content"]
                    .as_str()
                    .or(choice["text"].as_str())
                    .unwrap_or("")
                    .to_owned()
            }
            _ => self
                .chunks_json()
                .iter()
                .map(|chunk| {
                    let choice = &chunk["choices"][0];
                    choice["delta"]["content"]
                        .as_str()
                        .or(choice["text"].as_str())
                        .unwrap_or("")
                        .to_owned()
                })
                .collect(),
        }
    }
}

pub(crate) struct Probe {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// How long nothing may come until that counts as silence.
    silence: Duration,
    /// What stopped the last read.
    stopped: Option<End>,
}

impl Probe {
    pub(crate) fn connect(mock: &Mock) -> Probe {
        let stream = TcpStream::connect(mock.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        Probe {
            stream,
            bytes: Vec::new(),
            silence: PATIENCE,
            stopped: None,
        }
    }

    /// One that expects an answer that stops and a connection that stays.
    pub(crate) fn expecting_silence(mock: &Mock) -> Probe {
        Probe {
            silence: SILENCE,
            ..Probe::connect(mock)
        }
    }

    pub(crate) fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).unwrap();
    }

    /// A POST of this body.
    pub(crate) fn post(&mut self, path: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nhost: mock\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ));
    }

    /// Asks for a chat with this model and reads the answer.
    pub(crate) fn chat(&mut self, model: &str, stream: bool) -> Reply {
        self.post("/v1/chat/completions", "", &chat_body(model, stream));
        self.reply()
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: mock\r\n\r\n"));
        self.reply()
    }

    /// Reads one answer as far as it comes.
    pub(crate) fn reply(&mut self) -> Reply {
        let mut reply = Reply {
            status: 0,
            headers: Vec::new(),
            body: Vec::new(),
            chunks: Vec::new(),
            end: End::Whole,
        };
        let Some(at) =
            self.until(|bytes| memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4))
        else {
            reply.end = self.stopped.unwrap();
            return reply;
        };
        let head = self.take(at);
        let mut headers = [httparse::EMPTY_HEADER; 1100];
        let mut parsed = httparse::Response::new(&mut headers);
        parsed.parse(&head).unwrap();
        reply.status = parsed.code.unwrap();
        for header in parsed.headers.iter() {
            reply.headers.push((
                header.name.to_owned(),
                String::from_utf8(header.value.to_vec()).unwrap(),
            ));
        }
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.end = self.chunked(&mut reply.body, &mut reply.chunks);
        } else if let Some(length) = reply.header("content-length") {
            let length = length.parse::<usize>().unwrap();
            let whole = self.until(|bytes| (bytes.len() >= length).then_some(length));
            reply.body = self.take(whole.unwrap_or(self.bytes.len()));
            reply.end = whole.map_or_else(|| self.stopped.unwrap(), |_| End::Whole);
        } else if reply.status >= 200 && reply.status != 204 {
            let _ = self.until(|_| None);
            reply.body = self.take(self.bytes.len());
            reply.end = if self.stopped == Some(End::Closed) {
                End::Whole
            } else {
                self.stopped.unwrap()
            };
        }
        reply
    }

    /// How the connection stands after an answer.
    pub(crate) fn afterwards(&mut self) -> End {
        match self.until(|bytes| (!bytes.is_empty()).then_some(0)) {
            Some(_) => panic!("more bytes: {:?}", String::from_utf8_lossy(&self.bytes)),
            None => self.stopped.unwrap(),
        }
    }

    /// The next bytes, whatever they are.
    pub(crate) fn rest(&mut self, count: usize) -> Vec<u8> {
        let whole = self.until(|bytes| (bytes.len() >= count).then_some(count));
        self.take(whole.unwrap_or(self.bytes.len()))
    }

    fn chunked(&mut self, body: &mut Vec<u8>, sizes: &mut Vec<usize>) -> End {
        while let Some(at) =
            self.until(|bytes| memchr::memmem::find(bytes, b"\r\n").map(|at| at + 2))
        {
            let line = String::from_utf8(self.take(at)).unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            let whole = self.until(|bytes| (bytes.len() >= size + 2).then_some(size + 2));
            let data = self.take(whole.unwrap_or(self.bytes.len()));
            body.extend_from_slice(&data[..size.min(data.len())]);
            if whole.is_none() {
                break;
            }
            assert_eq!(&data[size..], b"\r\n", "a chunk ends where its size says");
            if size == 0 {
                return End::Whole;
            }
            sizes.push(size);
        }
        self.stopped.unwrap()
    }

    /// Reads until `found` says how many bytes are meant; `None` and a reason when no more come.
    fn until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        loop {
            if let Some(count) = found(&self.bytes) {
                return Some(count);
            }
            let mut piece = vec![0; 64 << 10];
            self.stream.set_read_timeout(Some(self.silence)).unwrap();
            self.stopped = Some(match self.stream.read(&mut piece) {
                Ok(0) => End::Closed,
                Ok(count) => {
                    self.bytes.extend_from_slice(&piece[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    End::Silent
                }
                Err(error) => panic!("reading from the mock: {error}"),
            });
            return None;
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(count);
        std::mem::replace(&mut self.bytes, rest)
    }
}

/// The body of a chat request; a streamed one asks for the usage too.
pub(crate) fn chat_body(model: &str, stream: bool) -> String {
    let mut body = serde_json::json!({"model": model, "messages": [{"role": "user", "content": "hello there, mock"}]});
    if stream {
        body["stream"] = true.into();
        body["stream_options"] = serde_json::json!({"include_usage": true});
    }
    body.to_string()
}

pub(crate) fn mock() -> Mock {
    Mock::start("127.0.0.1:0", 1, true).unwrap()
}

/// One request on a connection of its own.
pub(crate) fn plain(mock: &Mock, model: &str) -> Reply {
    Probe::connect(mock).chat(model, false)
}

/// One streamed request on a connection of its own.
pub(crate) fn streamed(mock: &Mock, model: &str) -> Reply {
    Probe::connect(mock).chat(model, true)
}

pub(crate) fn received(mock: &Mock) -> Value {
    serde_json::from_str(&mock.received_json()).unwrap()
}

/// Looks until `done` holds of what the mock received.
pub(crate) fn until_received(mock: &Mock, done: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let value = received(mock);
        if done(&value) {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "still not so: {value}");
        std::thread::yield_now();
    }
}
