//! One connection: read a request, choose the answer, play it, and again.
//!
//! Choosing is looking on the shelf under a key that holds all that shapes a prebuilt answer; only what is not found
//! there, or may not stand there, is built by `reply.rs`.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use memchr::memmem::Finder;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::HELP;
use crate::answer::{self, Answer, Manner};
use crate::dialect::{self, Dialect, ModelPlace, Operation, Words};
use crate::play::{After, Gone, Line, READ_BYTES, play};
use crate::record::{Received, Record};
use crate::reply::{self, Ask};
use crate::request::{self, Body, Dechunk, Head, Malformed};
use crate::script::{self, Script};
use crate::shelf::Shelf;

/// An inbox that a large body made this big is given back once it is empty.
const INBOX_KEPT_BYTES: usize = 256 << 10;
/// How long the rest of a request that was refused is still read, so that the reason arrives before the close.
const LINGER: Duration = Duration::from_secs(1);

// Bits of the second byte of a shelf's key, behind the operation: all that shapes an answer beside model and header.
const STREAM: u8 = 1 << 0;
const USAGE_ASKED: u8 = 1 << 1;
const SSE: u8 = 1 << 2;
const HTTP10: u8 = 1 << 3;
const CLOSE: u8 = 1 << 4;
const CLEAN: u8 = 1 << 5;
/// How many bytes stand before the model and the header in a key.
const KEY_START: usize = 2;

static INSIDE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("inside"));
static STREAM_KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"stream\""));
static STREAM_PART: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(" name=\"stream\"\r\n\r\ntrue\r\n"));
static FORMAT_KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"stream_format\""));
static USAGE_KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"include_usage\""));

/// What all connections of one mock share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) record: Record,
    pub(crate) shelf: Shelf,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Route<'a> {
    /// An endpoint, and the name that its path holds.
    Model(Operation, &'a [u8]),
    Health,
    Manual,
    Received,
    Reset,
    /// Known path, another method; the one it takes.
    WrongMethod(Dialect, &'static str),
    Unknown,
}

/// A whole request, borrowed from the inbox.
struct Request<'a> {
    head: &'a Head,
    /// The bytes of the head.
    text: &'a [u8],
    body: &'a [u8],
}

/// Takes one off the open connections when the task ends, however it ends.
struct Open<'a> {
    record: &'a Record,
    counted: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.record.closed();
        }
    }
}

/// Serves one connection to its end. `number` counts connections from 1.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, number: u64) {
    let record = &shared.record;
    record.opened();
    let mut open = Open {
        record,
        counted: true,
    };
    let mut line = Line {
        stream,
        inbox: Vec::new(),
    };
    let mut key = Vec::new();
    let mut on_connection = 0;
    loop {
        let (head, chunked) = match read(&mut line).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(malformed) => return refuse(line, malformed).await,
        };
        let used;
        let request = match (&chunked, head.body) {
            (Some(dechunk), _) => {
                used = head.length + dechunk.used;
                Request {
                    head: &head,
                    text: &line.inbox[..head.length],
                    body: &dechunk.body,
                }
            }
            (None, Body::Length(length)) => {
                used = head.length + length;
                Request {
                    head: &head,
                    text: &line.inbox[..head.length],
                    body: &line.inbox[head.length..used],
                }
            }
            // `read` gives a decoder for every chunked body.
            (None, Body::Chunked) => return,
        };
        let route = request.route();
        let mut ticket = None;
        let answer = match route {
            Route::Health | Route::Manual | Route::Received | Route::Reset => {
                if on_connection == 0 && open.counted {
                    record.uncount_connection();
                    open.counted = false;
                }
                control(route, &shared, request.manner())
            }
            route => {
                on_connection += 1;
                if record.keeps() {
                    ticket = record.keep(request.received(number, on_connection, record.now_ms()));
                }
                // Behind the record, so that who waits for the count finds the record.
                record.count();
                choose(&request, route, &shared.shelf, &mut key)
            }
        };
        if used == line.inbox.len() {
            line.inbox.clear();
        } else {
            line.inbox.drain(..used);
        }
        let (after, end) = play(&mut line, &answer).await;
        if ticket.is_some() || end.gone {
            record.ended(ticket, end);
        }
        match after {
            After::Open => {}
            After::Close => {
                // An error means that the client was faster; then there is nothing left to close.
                let _ = line.stream.shutdown().await;
                return;
            }
            After::Reset => {
                let _ = line.stream.set_zero_linger();
                return;
            }
        }
        if line.inbox.is_empty() && line.inbox.capacity() > INBOX_KEPT_BYTES {
            line.inbox = Vec::new();
        }
    }
}

/// Waits for a whole request at the start of the inbox; `None`: the client has closed. A chunked body comes decoded.
async fn read(line: &mut Line) -> Result<Option<(Head, Option<Dechunk>)>, Malformed> {
    let head = loop {
        if !line.inbox.is_empty()
            && let Some(head) = Head::parse(&line.inbox)?
        {
            break head;
        }
        if matches!(line.read(READ_BYTES).await, Ok(0) | Err(_)) {
            return Ok(None);
        }
    };
    let mut dechunk = (head.body == Body::Chunked).then(Dechunk::default);
    let mut told = !head.expects_continue;
    loop {
        let missing = match (&mut dechunk, head.body) {
            (Some(dechunk), _) => match dechunk.advance(&line.inbox[head.length..])? {
                true => 0,
                false => READ_BYTES,
            },
            (None, Body::Length(length)) => (head.length + length).saturating_sub(line.inbox.len()),
            (None, Body::Chunked) => 0,
        };
        if missing == 0 {
            return Ok(Some((head, dechunk)));
        }
        if !told {
            told = true;
            if let Err(Gone) = line.write(b"HTTP/1.1 100 Continue\r\n\r\n", &mut 0).await {
                return Ok(None);
            }
        }
        // No more than what is missing is made room for, so that a large body is read in few calls into one buffer.
        if matches!(line.read(missing).await, Ok(0) | Err(_)) {
            return Ok(None);
        }
    }
}

/// Says what is wrong with a request and closes.
async fn refuse(mut line: Line, malformed: Malformed) {
    let message = format!("The mock cannot read this request: {malformed}");
    let manner = Manner {
        http10: false,
        close: true,
    };
    let answer = mistake(manner, Dialect::OpenAi, 400, &message);
    if play(&mut line, &answer).await.0 == After::Close && line.stream.shutdown().await.is_ok() {
        let _ = tokio::time::timeout(LINGER, async {
            loop {
                line.inbox.clear();
                if matches!(line.read(READ_BYTES).await, Ok(0) | Err(_)) {
                    return;
                }
            }
        })
        .await;
    }
}

impl Request<'_> {
    fn route(&self) -> Route<'_> {
        let path = &self.text[self.head.path.clone()];
        let method = &self.text[self.head.method.clone()];
        let (takes, route) = match path {
            b"/__mock/received" => ("GET", Route::Received),
            b"/__mock/reset" => ("POST", Route::Reset),
            b"/health" => ("GET", Route::Health),
            b"/__mock/manual" => ("GET", Route::Manual),
            path => match Operation::find(path) {
                Some((operation, name)) => (operation.method(), Route::Model(operation, name)),
                None => return Route::Unknown,
            },
        };
        match route {
            route if method == takes.as_bytes() => route,
            Route::Model(operation, _) => Route::WrongMethod(operation.dialect(), takes),
            _ => Route::WrongMethod(Dialect::OpenAi, takes),
        }
    }

    fn manner(&self) -> Manner {
        Manner {
            http10: self.head.http10,
            close: self.head.close,
        }
    }

    fn received(&self, connection: u64, on_connection: u64, arrival_ms: f64) -> Received {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Received {
            method: text(&self.text[self.head.method.clone()]),
            path: text(&self.text[self.head.path.clone()]),
            query: text(&self.text[self.head.query.clone()]),
            headers: request::headers(self.text),
            body: self.body.to_vec(),
            body_bytes: self.body.len(),
            connection,
            on_connection,
            arrival_ms,
            end: None,
        }
    }

    /// The query, as far as it is text.
    fn query(&self) -> &str {
        std::str::from_utf8(&self.text[self.head.query.clone()]).unwrap_or_default()
    }

    /// Whether it asks for a stream.
    fn streams(&self, operation: Operation) -> bool {
        match operation {
            Operation::StreamGenerate | Operation::ConverseStream => true,
            Operation::Generate | Operation::Converse => false,
            // This one streams unless it is told not to.
            Operation::OllamaChat => !request::says(self.body, &STREAM_KEY, b"false"),
            Operation::Speech => request::says(self.body, &FORMAT_KEY, b"\"sse\""),
            Operation::Transcription | Operation::ImageEdit => {
                request::says(self.body, &STREAM_KEY, b"true")
                    || STREAM_PART.find(self.body).is_some()
            }
            _ => request::says(self.body, &STREAM_KEY, b"true"),
        }
    }
}

/// Answers about the mock itself.
fn control(route: Route<'_>, shared: &Shared, manner: Manner) -> Arc<Answer> {
    let mut kind = dialect::JSON;
    let body = match route {
        Route::Manual => {
            kind = "text/plain; charset=utf-8";
            HELP.as_bytes().to_vec()
        }
        Route::Received => shared.record.json().into_bytes(),
        Route::Reset => {
            shared.record.reset();
            shared.shelf.reset();
            b"{}".to_vec()
        }
        _ => br#"{"status":"ok"}"#.to_vec(),
    };
    Arc::new(answer::put(
        Script::default(),
        manner,
        Words::whole(200, kind, body),
    ))
}

fn mistake(manner: Manner, dialect: Dialect, status: u16, message: &str) -> Arc<Answer> {
    let script = Script {
        message: Some(message.to_owned()),
        ..Script::default()
    };
    let words = dialect.error(status, &script);
    Arc::new(answer::put(Script::default(), manner, words))
}

/// Finds the prebuilt answer or builds it. `key` is scratch space.
fn choose(
    request: &Request<'_>,
    route: Route<'_>,
    shelf: &Shelf,
    key: &mut Vec<u8>,
) -> Arc<Answer> {
    let manner = request.manner();
    let (operation, in_path) = match route {
        Route::Model(operation, name) => (operation, name),
        Route::WrongMethod(dialect, takes) => {
            return mistake(manner, dialect, 405, &format!("This path takes {takes}"));
        }
        _ => {
            let message = "Unknown path; GET /__mock/manual lists those that the mock serves";
            return mistake(manner, Dialect::OpenAi, 404, message);
        }
    };
    let dialect = operation.dialect();
    let raw_model = match operation.model_place() {
        ModelPlace::Path => in_path,
        ModelPlace::Nowhere => b"",
        ModelPlace::Body => {
            match request::model(request.body).or_else(|| request::model_part(request.body)) {
                Some(raw) => raw,
                None => return mistake(manner, dialect, 400, "you must provide a model parameter"),
            }
        }
    };
    let streams = request.streams(operation);
    let usage_asked = streams && request::says(request.body, &USAGE_KEY, b"true");
    let sse = operation == Operation::StreamGenerate
        && request.query().split('&').any(|pair| pair == "alt=sse");
    let asked = [
        (streams, STREAM),
        (usage_asked, USAGE_ASKED),
        (sse, SSE),
        (manner.http10, HTTP10),
        (manner.close, CLOSE),
    ];
    let bits = asked
        .iter()
        .filter(|(asked, _)| *asked)
        .fold(0, |bits, (_, bit)| bits | bit);
    let header = &request.text[request.head.script.clone()];
    // Few models have their script in the body. In a path the equals sign behind it may be escaped.
    let said = match INSIDE.find(raw_model) {
        None => &[][..],
        Some(_) => match name(operation, raw_model) {
            Ok(model) => script::inside(&model, request.body),
            Err(reason) => return mistake(manner, dialect, 400, &reason),
        },
    };
    key.clear();
    key.push(operation as u8);
    key.push(bits);
    key.extend_from_slice(raw_model);
    key.push(0);
    key.extend_from_slice(header);
    key.push(0);
    key.extend_from_slice(said);

    let shelved = shelf.find(key);
    let parsed;
    let script = match &shelved {
        Some(answer) => &answer.script,
        None => match parse(operation, raw_model, header, said) {
            Ok(script) => {
                parsed = script;
                &parsed
            }
            Err(reason) => return mistake(manner, dialect, 400, &reason),
        },
    };
    if let Some(auth) = &script.auth
        && !dialect.authorized(&request::headers(request.text), request.query(), auth)
    {
        let words = dialect.error(401, &Script::default());
        return Arc::new(answer::put(Script::default(), manner, words));
    }
    // A clean answer has no `times` left in its script, so what is shelved under the plain key is the first kind.
    let spent = script
        .times
        .is_some_and(|times| shelf.run(&key[KEY_START..]) >= times);
    let script = if spent {
        key[1] |= CLEAN;
        if let Some(answer) = shelf.find(key) {
            return answer;
        }
        script.clean()
    } else {
        match shelved {
            Some(answer) => return answer,
            None => script.clone(),
        }
    };
    let built = name(operation, raw_model).and_then(|model| {
        reply::words(&Ask {
            operation,
            model: model.split(';').next().unwrap_or_default(),
            named: std::str::from_utf8(in_path).map_err(|_| "the path is not UTF-8")?,
            script: &script,
            head: request.text,
            path: &request.text[request.head.path.clone()],
            body: request.body,
            streams,
            sse,
            usage_asked,
        })
    });
    match built {
        Ok((words, shelve)) => {
            let answer = Arc::new(answer::put(script, manner, words));
            if shelve {
                shelf.put(key, &answer);
            }
            answer
        }
        Err(reason) => mistake(manner, dialect, 400, &reason),
    }
}

/// The model's name with its script, as the client meant it.
fn name(operation: Operation, raw: &[u8]) -> Result<Cow<'_, str>, String> {
    match operation.model_place() {
        ModelPlace::Path => match std::str::from_utf8(raw) {
            Ok(text) => Ok(Cow::Owned(script::unescaped(text))),
            Err(_) => Err("the path is not UTF-8".to_owned()),
        },
        _ => request::unescaped(raw)
            .ok_or_else(|| "the model's name is not a JSON string".to_owned()),
    }
}

fn parse(
    operation: Operation,
    raw_model: &[u8],
    header: &[u8],
    said: &[u8],
) -> Result<Script, String> {
    let model = name(operation, raw_model)?;
    let header = std::str::from_utf8(header).map_err(|_| "x-mock is not UTF-8")?;
    let said = std::str::from_utf8(said).map_err(|_| "the script in the body is not UTF-8")?;
    let named = model.split_once(';').map_or("", |(_, script)| script);
    Script::parse(&[named, header, said])
}
