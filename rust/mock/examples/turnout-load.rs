//! `turnout-load`: the bench's load generator. One thread, one epoll, no decision that depends on what it measures.
//!
//! Two ways to offer load. *Closed*: each connection sends its next request when its answer is complete; it finds what a
//! request costs, and it hides stalls, because nobody arrives while everybody waits. *Open* (`--rate`): requests are due
//! at fixed times whatever the answers do, and a latency counts from the moment at which its request was **due**, not
//! from when a connection was free to send it. Times of users are open.
//!
//! Every answer is checked as it arrives: status 200 (or `--status`), whole, `[DONE]` at the end of a stream. All `"content"` strings of
//! an answer go through one hash, so that two runs can be compared by what a user would read, although a gateway changes
//! ids, prices and the split into writes.
//!
//! It is an example and not a second program of the crate because it needs `rustix` (epoll and a timer of nanoseconds,
//! where tokio's wheel has milliseconds), and the extension that links this crate should not.

// A test that cannot go on should stop where it stands.
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

const HELP: &str = "\
turnout-load: offers load to a chat endpoint and measures what comes back

  turnout-load --target HOST:PORT --body FILE --connections N (--seconds S | --requests N)
               [--rate R] [--path PATH] [--header 'Name: value']... [--spread-ms MS] [--patience-s S]
               [--status CODE]

  --rate R         open loop: R requests are due each second, on at most N connections; otherwise closed loop
  --spread-ms MS   closed loop: the connections begin spread over this time, so that paced streams do not march in step
  --patience-s S   an answer that takes longer is an error [30]
  --status CODE    the status that every answer must have [200]

JSON on standard output: counts, errors by kind, hashes of contents, latencies in microseconds (p50 p90 p99 p999 max
mean), and for streams the time to the first event, the gaps between events, and the events.
";

/// The timer's mark among the connections' numbers.
const TIMER: u64 = u64::MAX;
/// Requests that may be due and without a connection; beyond it the target is so late that the run says nothing.
const WAITING_MAX: usize = 1_000_000;
/// Largest answer head.
const HEAD_BYTES_MAX: usize = 64 << 10;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn main() -> ExitCode {
    let asked = match parse(std::env::args().skip(1)) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => return failed(&mistake),
    };
    match Run::new(asked).and_then(Run::finish) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("turnout-load: {reason}");
    ExitCode::FAILURE
}

/// What the command line asks for.
struct Asked {
    target: SocketAddr,
    /// The whole request, head and body.
    request: Vec<u8>,
    connections: usize,
    until: Until,
    /// Time between two due requests; `None`: closed loop.
    interval: Option<Duration>,
    spread: Duration,
    patience: Duration,
    /// That every answer must have.
    status: u16,
}

#[derive(Clone, Copy)]
enum Until {
    Time(Duration),
    Requests(u64),
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let (mut target, mut body, mut path) = (None, None, "/v1/chat/completions".to_owned());
    let (mut connections, mut until, mut interval) = (1, None, None);
    let (mut spread, mut patience) = (Duration::ZERO, Duration::from_secs(30));
    let mut status = 200;
    let mut headers = String::new();
    while let Some(word) = words.next() {
        if word == "-h" || word == "--help" {
            return Ok(None);
        }
        let value = words
            .next()
            .ok_or_else(|| format!("a value is missing after {word}"))?;
        let number = || {
            value
                .parse::<f64>()
                .ok()
                .filter(|number| *number > 0.0 && *number < 1e9)
                .ok_or_else(|| format!("{word} expects a number above 0: {value}"))
        };
        match word.as_str() {
            "--target" => target = Some(value),
            "--body" => {
                body = Some(std::fs::read(&value).map_err(|error| format!("{value}: {error}"))?);
            }
            "--path" => path = value,
            "--header" => {
                let _ = write!(headers, "{value}\r\n");
            }
            "--connections" => connections = number()? as usize,
            "--seconds" => until = Some(Until::Time(Duration::from_secs_f64(number()?))),
            "--requests" => until = Some(Until::Requests(number()? as u64)),
            "--rate" => interval = Some(Duration::from_secs_f64(1.0 / number()?)),
            "--spread-ms" => spread = Duration::from_secs_f64(number()? / 1000.0),
            "--status" => status = number()? as u16,
            "--patience-s" => patience = Duration::from_secs_f64(number()?),
            _ => return Err(format!("unknown argument, see --help: {word}")),
        }
    }
    let target = target.ok_or("--target is missing")?;
    let body = body.ok_or("--body is missing")?;
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {target}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(&body);
    let target = target
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| format!("--target expects HOST:PORT: {target}"))?;
    Ok(Some(Asked {
        target,
        request,
        connections,
        until: until.ok_or("--seconds or --requests is missing")?,
        interval,
        spread,
        patience,
        status,
    }))
}

/// A run under way.
struct Run {
    asked: Asked,
    epoll: OwnedFd,
    timer: OwnedFd,
    connections: Vec<Connection>,
    /// Connections without a request; the last one that became free is used first, as pools of clients do.
    free: Vec<usize>,
    /// Due times of requests that found no free connection.
    waiting: VecDeque<Instant>,
    started: Instant,
    /// Requests that were due so far.
    due: u64,
    in_flight: usize,
    /// Whether each connection of a closed loop has made its first request.
    spread_over: bool,
    tally: Tally,
}

/// What was seen.
#[derive(Default)]
struct Tally {
    good: u64,
    errors: BTreeMap<String, u64>,
    /// Answers by the hash of their content.
    contents: BTreeMap<u64, u64>,
    body_bytes: u64,
    events: u64,
    latencies: Vec<u64>,
    first_events: Vec<u64>,
    gaps: Vec<u64>,
    waiting_most: usize,
}

impl Run {
    fn new(asked: Asked) -> io::Result<Run> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        epoll::add(
            &epoll,
            &timer,
            epoll::EventData::new_u64(TIMER),
            epoll::EventFlags::IN,
        )?;
        let mut run = Run {
            connections: Vec::with_capacity(asked.connections),
            free: Vec::new(),
            waiting: VecDeque::new(),
            started: Instant::now(),
            due: 0,
            in_flight: 0,
            spread_over: false,
            tally: Tally::default(),
            asked,
            epoll,
            timer,
        };
        for number in 0..run.asked.connections {
            let stream = run.dial(number)?;
            run.connections.push(Connection::new(stream));
            run.free.push(number);
        }
        Ok(run)
    }

    fn dial(&self, number: usize) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.asked.target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(
            &self.epoll,
            &stream,
            epoll::EventData::new_u64(number as u64),
            epoll::EventFlags::IN,
        )?;
        Ok(stream)
    }

    fn finish(mut self) -> io::Result<String> {
        self.started = Instant::now();
        if self.asked.interval.is_none() {
            self.begin_closed()?;
        }
        self.release_due()?;
        let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
        while self.in_flight > 0 || self.more_will_be_due() {
            events.clear();
            let patience = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&patience),
            )?;
            if events.is_empty() {
                self.give_up_on_late()?;
            }
            for event in &events {
                match event.data.u64() {
                    TIMER => {
                        let mut expirations = [0u8; 8];
                        // An expiration that was read already is no expiration.
                        let _ = rustix::io::read(&self.timer, &mut expirations);
                        self.release_due()?;
                    }
                    number => self.progress(number as usize, event.flags)?,
                }
            }
        }
        let took = self.started.elapsed();
        Ok(self.tally.json(took, self.due))
    }

    /// Whether a request will be due that no answer must come first for.
    fn more_will_be_due(&self) -> bool {
        match self.asked.interval {
            Some(interval) => self.may_begin(self.started + interval.mul_f64(self.due as f64)),
            // Connections of a closed loop that are still to make their first request.
            None => !self.spread_over && !self.free.is_empty() && self.may_begin(Instant::now()),
        }
    }

    /// Whether one more request may begin.
    fn may_begin(&self, now: Instant) -> bool {
        match self.asked.until {
            Until::Time(length) => now.duration_since(self.started) < length,
            Until::Requests(count) => self.due < count,
        }
    }

    /// The first request of each connection of a closed loop.
    fn begin_closed(&mut self) -> io::Result<()> {
        if self.asked.spread.is_zero() {
            self.spread_over = true;
            while let Some(number) = self.free.pop() {
                if self.may_begin(Instant::now()) {
                    self.begin(number, Instant::now())?;
                }
            }
        }
        Ok(())
    }

    /// Begins what is due by now, and sets the timer to the next.
    fn release_due(&mut self) -> io::Result<()> {
        loop {
            let due = match self.asked.interval {
                Some(interval) => self.started + interval.mul_f64(self.due as f64),
                None if self.spread_over || self.free.is_empty() => {
                    self.spread_over = true;
                    return Ok(());
                }
                // The connections of a closed loop that begin one after the other.
                None => {
                    let begun = self.connections.len() - self.free.len();
                    let share = begun as f64 / self.connections.len() as f64;
                    self.started + self.asked.spread.mul_f64(share)
                }
            };
            if !self.may_begin(due) {
                return Ok(());
            }
            let now = Instant::now();
            if due > now {
                let left = due - now;
                let once = Itimerspec {
                    it_interval: Timespec {
                        tv_sec: 0,
                        tv_nsec: 0,
                    },
                    it_value: Timespec {
                        tv_sec: left.as_secs() as i64,
                        tv_nsec: i64::from(left.subsec_nanos().max(1)),
                    },
                };
                rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
                return Ok(());
            }
            match self.free.pop() {
                Some(number) => self.begin(number, due)?,
                None => {
                    self.due += 1;
                    if self.waiting.len() >= WAITING_MAX {
                        return Err(io::Error::other(
                            "a million requests wait for a connection; lower --rate",
                        ));
                    }
                    self.waiting.push_back(due);
                    self.tally.waiting_most = self.tally.waiting_most.max(self.waiting.len());
                }
            }
        }
    }

    /// Sends a request that was due at `due` for the first time.
    fn begin(&mut self, number: usize, due: Instant) -> io::Result<()> {
        self.due += 1;
        self.send(number, due)
    }

    fn send(&mut self, number: usize, due: Instant) -> io::Result<()> {
        self.in_flight += 1;
        self.connections[number].begin(due);
        self.write(number)
    }

    fn write(&mut self, number: usize) -> io::Result<()> {
        let connection = &mut self.connections[number];
        while connection.unsent < self.asked.request.len() {
            match connection
                .stream
                .write(&self.asked.request[connection.unsent..])
            {
                Ok(count) => connection.unsent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.failed(number, "write failed"),
            }
        }
        let wants = connection.unsent < self.asked.request.len();
        if wants != connection.waits_to_write {
            connection.waits_to_write = wants;
            let flags = if wants {
                epoll::EventFlags::IN | epoll::EventFlags::OUT
            } else {
                epoll::EventFlags::IN
            };
            epoll::modify(
                &self.epoll,
                &connection.stream,
                epoll::EventData::new_u64(number as u64),
                flags,
            )?;
        }
        Ok(())
    }

    fn progress(&mut self, number: usize, flags: epoll::EventFlags) -> io::Result<()> {
        if flags.contains(epoll::EventFlags::OUT) {
            self.write(number)?;
        }
        if !flags
            .intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
        {
            return Ok(());
        }
        let connection = &mut self.connections[number];
        let Some(answer) = &mut connection.answer else {
            // Something between two requests can only be the end of the connection.
            return self.redial(number);
        };
        let mut buffer = [0u8; 64 << 10];
        let count = match connection.stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                return Ok(());
            }
            Err(_) => return self.failed(number, "read failed"),
        };
        let now = Instant::now();
        if count == 0 {
            return if answer.ends_with_connection() {
                self.complete(number, now)
            } else {
                self.failed(number, "closed early")
            };
        }
        match answer.take(&buffer[..count], now, &mut self.tally) {
            Ok(false) => Ok(()),
            Ok(true) => self.complete(number, now),
            Err(kind) => self.failed(number, kind),
        }
    }

    fn complete(&mut self, number: usize, now: Instant) -> io::Result<()> {
        let connection = &mut self.connections[number];
        let Some(answer) = connection.answer.take() else {
            return Ok(());
        };
        self.in_flight -= 1;
        match answer.verdict(self.asked.status) {
            Ok(content) => {
                self.tally.good += 1;
                *self.tally.contents.entry(content).or_default() += 1;
                let latency = now.saturating_duration_since(connection.due);
                self.tally.latencies.push(latency.as_nanos() as u64);
            }
            Err(kind) => *self.tally.errors.entry(kind).or_default() += 1,
        }
        if answer.closes {
            self.redial(number)?;
        }
        self.next(number, now)
    }

    fn failed(&mut self, number: usize, kind: &str) -> io::Result<()> {
        *self.tally.errors.entry(kind.to_owned()).or_default() += 1;
        self.in_flight -= 1;
        self.connections[number].answer = None;
        self.redial(number)?;
        self.next(number, Instant::now())
    }

    /// What a connection does that has become free.
    fn next(&mut self, number: usize, now: Instant) -> io::Result<()> {
        if let Some(due) = self.waiting.pop_front() {
            return self.send(number, due);
        }
        if self.asked.interval.is_none() && self.may_begin(now) {
            return self.begin(number, now);
        }
        self.free.push(number);
        Ok(())
    }

    fn redial(&mut self, number: usize) -> io::Result<()> {
        // Closing the old one takes it out of the epoll.
        let stream = self.dial(number)?;
        self.connections[number] = Connection::new(stream);
        Ok(())
    }

    fn give_up_on_late(&mut self) -> io::Result<()> {
        let now = Instant::now();
        for number in 0..self.connections.len() {
            let connection = &self.connections[number];
            if connection.answer.is_some()
                && now.saturating_duration_since(connection.sent) > self.asked.patience
            {
                self.failed(number, "no answer in time")?;
            }
        }
        Ok(())
    }
}

/// One connection and the request on it.
struct Connection {
    stream: TcpStream,
    unsent: usize,
    waits_to_write: bool,
    due: Instant,
    sent: Instant,
    /// Present while an answer is awaited.
    answer: Option<Answer>,
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        let now = Instant::now();
        Connection {
            stream,
            unsent: 0,
            waits_to_write: false,
            due: now,
            sent: now,
            answer: None,
        }
    }

    fn begin(&mut self, due: Instant) {
        self.unsent = 0;
        self.due = due;
        self.sent = Instant::now();
        self.answer = Some(Answer::new(due));
    }
}

/// How a body ends.
#[derive(Clone, Copy)]
enum Framing {
    /// The head is not complete yet.
    Head,
    Length(u64),
    /// Chunked: what comes next.
    ChunkSize,
    ChunkData(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Lines after the last chunk.
    Trailer,
    /// Until the connection closes.
    Close,
    Done,
}

/// An answer as far as it has arrived.
struct Answer {
    due: Instant,
    framing: Framing,
    /// The head or a line of the framing that is not complete yet.
    partial: Vec<u8>,
    status: u16,
    closes: bool,
    is_stream: bool,
    /// A plain body, or the line of a stream that is not complete yet.
    body: Vec<u8>,
    last_event: Option<Instant>,
    done: bool,
    content: u64,
}

impl Answer {
    fn new(due: Instant) -> Answer {
        Answer {
            due,
            framing: Framing::Head,
            partial: Vec::new(),
            status: 0,
            closes: false,
            is_stream: false,
            body: Vec::new(),
            last_event: None,
            done: false,
            content: FNV_OFFSET,
        }
    }

    fn ends_with_connection(&self) -> bool {
        matches!(self.framing, Framing::Close)
    }

    /// Takes what was read; true when the answer is complete.
    fn take(
        &mut self,
        mut input: &[u8],
        now: Instant,
        tally: &mut Tally,
    ) -> Result<bool, &'static str> {
        loop {
            match self.framing {
                Framing::Head => {
                    self.partial.extend_from_slice(input);
                    let Some(length) = self.read_head()? else {
                        return Ok(false);
                    };
                    let rest = self.partial.split_off(length);
                    self.partial.clear();
                    return self.take(&rest, now, tally);
                }
                Framing::Length(left) => {
                    let count = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.take_body(&input[..count], now, tally);
                    input = &input[count..];
                    let left = left - count as u64;
                    if left > 0 {
                        self.framing = Framing::Length(left);
                        return Ok(false);
                    }
                    self.framing = Framing::Done;
                }
                Framing::Close => {
                    self.take_body(input, now, tally);
                    return Ok(false);
                }
                Framing::ChunkSize => {
                    let Some(line) = self.line(&mut input) else {
                        return Ok(false);
                    };
                    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                    let size = std::str::from_utf8(digits)
                        .ok()
                        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
                        .ok_or("bad chunk size")?;
                    self.framing = if size == 0 {
                        Framing::Trailer
                    } else {
                        Framing::ChunkData(size)
                    };
                }
                Framing::ChunkData(left) => {
                    let count = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.take_body(&input[..count], now, tally);
                    input = &input[count..];
                    let left = left - count as u64;
                    if left > 0 {
                        self.framing = Framing::ChunkData(left);
                        return Ok(false);
                    }
                    self.framing = Framing::ChunkEnd;
                }
                Framing::ChunkEnd => {
                    let Some(line) = self.line(&mut input) else {
                        return Ok(false);
                    };
                    if !line.is_empty() {
                        return Err("bad chunk end");
                    }
                    self.framing = Framing::ChunkSize;
                }
                Framing::Trailer => {
                    let Some(line) = self.line(&mut input) else {
                        return Ok(false);
                    };
                    if line.is_empty() {
                        self.framing = Framing::Done;
                    }
                }
                Framing::Done => {
                    return if input.is_empty() {
                        Ok(true)
                    } else {
                        Err("bytes after the answer")
                    };
                }
            }
        }
    }

    /// A line of the framing without its end, when it is complete.
    fn line(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        let Some(end) = memchr::memchr(b'\n', input) else {
            self.partial.extend_from_slice(input);
            *input = &[];
            return None;
        };
        self.partial.extend_from_slice(&input[..end]);
        *input = &input[end + 1..];
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }

    /// Reads the head when it is complete, and gives its length.
    fn read_head(&mut self) -> Result<Option<usize>, &'static str> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(&self.partial) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.partial.len() < HEAD_BYTES_MAX => {
                return Ok(None);
            }
            Ok(httparse::Status::Partial) | Err(_) => return Err("bad head"),
        };
        let (mut framing, mut is_stream, mut closes) = (Framing::Close, false, false);
        for header in head.headers.iter() {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            if header.name.eq_ignore_ascii_case("content-length") {
                framing = Framing::Length(value.parse().map_err(|_| "bad content-length")?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::ChunkSize;
            } else if header.name.eq_ignore_ascii_case("content-type") {
                is_stream = value.starts_with("text/event-stream");
            } else if header.name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            }
        }
        self.status = head.code.unwrap_or_default();
        self.closes = closes || matches!(framing, Framing::Close);
        (self.framing, self.is_stream) = (framing, is_stream);
        Ok(Some(length))
    }

    fn take_body(&mut self, mut bytes: &[u8], now: Instant, tally: &mut Tally) {
        tally.body_bytes += bytes.len() as u64;
        if !self.is_stream {
            self.body.extend_from_slice(bytes);
            return;
        }
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.body.is_empty() {
                self.event_line(&bytes[..end], now, tally);
            } else {
                self.body.extend_from_slice(&bytes[..end]);
                let line = std::mem::take(&mut self.body);
                self.event_line(&line, now, tally);
            }
            bytes = &bytes[end + 1..];
        }
        self.body.extend_from_slice(bytes);
    }

    fn event_line(&mut self, line: &[u8], now: Instant, tally: &mut Tally) {
        // Comments and the empty line between events say nothing.
        let Some(data) = line.strip_prefix(b"data:") else {
            return;
        };
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return;
        }
        tally.events += 1;
        match self.last_event.replace(now) {
            None => tally
                .first_events
                .push(now.saturating_duration_since(self.due).as_nanos() as u64),
            Some(before) => tally
                .gaps
                .push(now.saturating_duration_since(before).as_nanos() as u64),
        }
        self.content = hash_content(self.content, data);
    }

    /// The hash of what a user would read, or what is wrong.
    fn verdict(&self, status: u16) -> Result<u64, String> {
        if self.status != status {
            return Err(format!("status {}", self.status));
        }
        if self.is_stream {
            return if self.done {
                Ok(self.content)
            } else {
                Err("stream without [DONE]".to_owned())
            };
        }
        Ok(hash_content(FNV_OFFSET, &self.body))
    }
}

/// Goes on with a hash (FNV-1a, which does not care how the text is split) over all `"content"` strings in `json`.
fn hash_content(mut hash: u64, json: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"content\":";
    let mut rest = json;
    while let Some(found) = memchr::memmem::find(rest, KEY) {
        rest = rest[found + KEY.len()..].trim_ascii_start();
        let Some(text) = rest.strip_prefix(b"\"") else {
            continue;
        };
        let mut length = 0;
        while length < text.len() && text[length] != b'"' {
            length += if text[length] == b'\\' { 2 } else { 1 };
        }
        let length = length.min(text.len());
        for byte in &text[..length] {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
        rest = &text[length..];
    }
    hash
}

impl Tally {
    fn json(mut self, took: Duration, due: u64) -> String {
        let errors: u64 = self.errors.values().sum();
        let contents: serde_json::Map<String, serde_json::Value> = self
            .contents
            .iter()
            .map(|(hash, count)| (format!("{hash:016x}"), (*count).into()))
            .collect();
        serde_json::json!({
            "seconds": took.as_secs_f64(),
            "due": due,
            "good": self.good,
            "errors": errors,
            "errors_by_kind": self.errors,
            "contents": contents,
            "body_bytes": self.body_bytes,
            "per_second": self.good as f64 / took.as_secs_f64(),
            "waiting_most": self.waiting_most,
            "latency_us": spread(&mut self.latencies),
            "events": self.events,
            "first_event_us": spread(&mut self.first_events),
            "gap_us": spread(&mut self.gaps),
        })
        .to_string()
    }
}

/// Percentiles by nearest rank, in microseconds; null without a value.
fn spread(nanos: &mut [u64]) -> serde_json::Value {
    if nanos.is_empty() {
        return serde_json::Value::Null;
    }
    nanos.sort_unstable();
    let rank = |share: f64| {
        let index = (share * nanos.len() as f64).ceil() as usize;
        nanos[index.clamp(1, nanos.len()) - 1] as f64 / 1000.0
    };
    let mean = nanos.iter().sum::<u64>() as f64 / nanos.len() as f64 / 1000.0;
    serde_json::json!({
        "p50": rank(0.5), "p90": rank(0.9), "p99": rank(0.99), "p999": rank(0.999), "max": rank(1.0), "mean": mean,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pieces: &[&str]) -> (Result<u64, String>, Tally) {
        let (mut tally, now) = (Tally::default(), Instant::now());
        let mut answer = Answer::new(now);
        let mut complete = false;
        for piece in pieces {
            complete = answer.take(piece.as_bytes(), now, &mut tally).unwrap();
        }
        assert!(complete, "the answer is whole");
        (answer.verdict(200), tally)
    }

    #[test]
    fn a_stream_hashes_like_its_text_however_it_is_split() {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let events = "data: {\"content\":\"ab\"}\n\n: ping\n\ndata: {\"content\": \"c\\\"\"}\n\ndata: [DONE]\n\n";
        let whole = format!("{head}{:x}\r\n{events}\r\n0\r\n\r\n", events.len());
        let (expected, tally) = taken(&[&whole]);
        assert_eq!((tally.events, tally.gaps.len()), (2, 1));
        for cut in 1..whole.len() {
            let (found, tally) = taken(&[&whole[..cut], &whole[cut..]]);
            assert_eq!((found, tally.events), (expected.clone(), 2));
        }
        assert_eq!(
            expected,
            Ok(hash_content(FNV_OFFSET, br#"{"content":"abc\""}"#))
        );
    }

    #[test]
    fn a_plain_answer_ends_with_its_length_and_only_200_is_good() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"content\":\"a\"}";
        assert_eq!(
            taken(&[answer]).0,
            Ok(hash_content(FNV_OFFSET, b"\"content\":\"a\""))
        );
        let refused = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(taken(&[refused]).0, Err("status 503".to_owned()));
    }

    #[test]
    fn a_stream_without_its_end_is_not_good() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 12\r\n\r\ndata: {}\n\n\n\n";
        assert_eq!(taken(&[answer]).0, Err("stream without [DONE]".to_owned()));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut nanos: Vec<u64> = (1..=100).map(|number| number * 1000).rev().collect();
        let found = spread(&mut nanos);
        assert_eq!(
            (found["p50"].as_f64(), found["p99"].as_f64()),
            (Some(50.0), Some(99.0))
        );
    }
}
