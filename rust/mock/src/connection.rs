//! One connection: read a request, choose the answer, play it, and again.

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use memchr::memmem::Finder;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::answer::{self, Answer, Manner};
use crate::play::{After, Gone, Line, READ_BYTES, play};
use crate::record::{Received, Record};
use crate::reply::{self, Content, Shape};
use crate::request::{self, Body, Dechunk, Head, Malformed};
use crate::script::{self, Script};
use crate::shelf::Shelf;

/// An inbox that a large body made this big is given back once it is empty.
const INBOX_KEPT_BYTES: usize = 256 << 10;
/// How long the rest of a request that was refused is still read, so that the reason arrives before the close.
const LINGER: Duration = Duration::from_secs(1);

// Bits of the first byte of a shelf's key: all that shapes an answer beside model and header.
const STREAM: u8 = 1 << 0;
const USAGE_ASKED: u8 = 1 << 1;
const COMPLETION: u8 = 1 << 2;
const MODELS: u8 = 1 << 3;
const HTTP10: u8 = 1 << 4;
const CLOSE: u8 = 1 << 5;
const CLEAN: u8 = 1 << 6;
/// Embeddings and single models depend on more than the key says: never put on the shelf, so never found there.
const UNSHELVED: u8 = 1 << 7;

static STREAM_KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"stream\""));
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
    Text(Shape),
    Embeddings,
    Models,
    Model(&'a str),
    Health,
    Received,
    Reset,
    /// Known path, another method; the one it takes.
    WrongMethod(&'static str),
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
            Route::Health | Route::Received | Route::Reset => {
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
    let answer = mistake(
        Manner {
            http10: false,
            close: true,
        },
        400,
        &message,
    );
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
        let (takes, route) = if path.ends_with(b"/chat/completions") {
            ("POST", Route::Text(Shape::Chat))
        } else if path.ends_with(b"/completions") {
            ("POST", Route::Text(Shape::Completion))
        } else if path.ends_with(b"/embeddings") {
            ("POST", Route::Embeddings)
        } else if path.ends_with(b"/models") {
            ("GET", Route::Models)
        } else if path == b"/__mock/received" {
            ("GET", Route::Received)
        } else if path == b"/__mock/reset" {
            ("POST", Route::Reset)
        } else if path == b"/health" {
            ("GET", Route::Health)
        } else if let Some(at) = memchr::memmem::rfind(path, b"/models/") {
            match std::str::from_utf8(&path[at + 8..]) {
                Ok(name) => ("GET", Route::Model(name)),
                Err(_) => return Route::Unknown,
            }
        } else {
            return Route::Unknown;
        };
        if &self.text[self.head.method.clone()] == takes.as_bytes() {
            route
        } else {
            Route::WrongMethod(takes)
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
            headers: request::headers(self.text),
            body: self.body.to_vec(),
            body_bytes: self.body.len(),
            connection,
            on_connection,
            arrival_ms,
            end: None,
        }
    }

    fn authorized(&self, key: &str) -> bool {
        self.text[self.head.authorization.clone()].strip_prefix(b"Bearer ") == Some(key.as_bytes())
    }
}

/// Answers about the mock itself.
fn control(route: Route<'_>, shared: &Shared, manner: Manner) -> Arc<Answer> {
    let body = match route {
        Route::Received => shared.record.json().into_bytes(),
        Route::Reset => {
            shared.record.reset();
            shared.shelf.reset();
            b"{}".to_vec()
        }
        _ => br#"{"status":"ok"}"#.to_vec(),
    };
    Arc::new(answer::plain(Script::default(), manner, 200, body))
}

fn mistake(manner: Manner, status: u16, message: &str) -> Arc<Answer> {
    Arc::new(answer::plain(
        Script::default(),
        manner,
        status,
        reply::error(status, Some(message)),
    ))
}

/// Finds the prebuilt answer or builds it. `key` is scratch space.
fn choose(
    request: &Request<'_>,
    route: Route<'_>,
    shelf: &Shelf,
    key: &mut Vec<u8>,
) -> Arc<Answer> {
    let manner = request.manner();
    let mut bits = 0;
    let mut raw_model: &[u8] = b"";
    match route {
        Route::Text(shape) => {
            if shape == Shape::Completion {
                bits |= COMPLETION;
            }
            if request::says(request.body, &STREAM_KEY, b"true") {
                bits |= STREAM;
                if request::says(request.body, &USAGE_KEY, b"true") {
                    bits |= USAGE_ASKED;
                }
            }
        }
        Route::Embeddings | Route::Model(_) => bits |= UNSHELVED,
        Route::Models => bits |= MODELS,
        Route::WrongMethod(takes) => {
            return mistake(manner, 405, &format!("This path takes {takes}"));
        }
        _ => {
            return mistake(
                manner,
                404,
                "Unknown path; the mock serves chat/completions, completions, embeddings and models",
            );
        }
    }
    if matches!(route, Route::Text(_) | Route::Embeddings) {
        match request::model(request.body) {
            Some(raw) => raw_model = raw,
            None => return mistake(manner, 400, "you must provide a model parameter"),
        }
    }
    for (asked, bit) in [(manner.http10, HTTP10), (manner.close, CLOSE)] {
        if asked {
            bits |= bit;
        }
    }
    key.clear();
    key.push(bits);
    key.extend_from_slice(raw_model);
    key.push(0);
    key.extend_from_slice(&request.text[request.head.script.clone()]);

    let shelved = shelf.find(key);
    let parsed;
    let script = match &shelved {
        Some(answer) => &answer.script,
        None => match parse(raw_model, &request.text[request.head.script.clone()]) {
            Ok(script) => {
                parsed = script;
                &parsed
            }
            Err(reason) => return mistake(manner, 400, &reason),
        },
    };
    if let Some(auth) = &script.auth
        && !request.authorized(auth)
    {
        return Arc::new(answer::plain(
            Script::default(),
            manner,
            401,
            reply::error(401, None),
        ));
    }
    // A clean answer has no `times` left in its script, so what is shelved under the plain key is the first kind.
    let spent = script
        .times
        .is_some_and(|times| shelf.run(&key[1..]) >= times);
    let script = if spent {
        key[0] |= CLEAN;
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
    match build(request, route, raw_model, bits, script) {
        Ok((answer, shelve)) => {
            let answer = Arc::new(answer);
            if shelve {
                shelf.put(key, &answer);
            }
            answer
        }
        Err(reason) => mistake(manner, 400, &reason),
    }
}

fn parse(raw_model: &[u8], header: &[u8]) -> Result<Script, String> {
    let model = request::unescaped(raw_model).ok_or("the model's name is not a JSON string")?;
    let header = std::str::from_utf8(header).map_err(|_| "x-mock is not UTF-8")?;
    Script::parse(
        model.split_once(';').map_or("", |(_, script)| script),
        header,
    )
}

/// Builds an answer, and says whether the next request with the same key gets the same.
fn build(
    request: &Request<'_>,
    route: Route<'_>,
    raw_model: &[u8],
    bits: u8,
    script: Script,
) -> Result<(Answer, bool), String> {
    let manner = request.manner();
    let model = request::unescaped(raw_model).ok_or("the model's name is not a JSON string")?;
    let model = model.split(';').next().unwrap_or_default();
    // A gateway may leave the author's name in front.
    let base = model.rsplit('/').next().unwrap_or_default();
    let streams = bits & STREAM != 0 && !script.json_for_stream;
    let status = script.status.unwrap_or(200);
    if status >= 300 || (script.error_in.is_some() && !streams) {
        let body = match script.garbage.is_some() || script.binary {
            true => reply::plain(Shape::Chat, model, &Content::default(), &script),
            false => reply::error(
                if status >= 300 { status } else { 500 },
                script.message.as_deref(),
            ),
        };
        return Ok((
            answer::plain(script, manner, status, body),
            bits & UNSHELVED == 0,
        ));
    }
    let shape = match route {
        Route::Text(shape) => shape,
        Route::Embeddings => {
            let body: Value = json(request.body)?;
            let base64 = body["encoding_format"] == "base64";
            let vectors = reply::embeddings(model, &inputs(&body["input"])?, base64, &script);
            return Ok((answer::plain(script, manner, status, vectors), false));
        }
        Route::Model(name) => {
            // Clients escape the slash of `author/name`.
            let name = script::unescaped(name);
            return Ok((
                answer::plain(script, manner, status, reply::model(&name)),
                false,
            ));
        }
        _ => return Ok((answer::plain(script, manner, status, reply::models()), true)),
    };
    let (content, fixed) = if script.echo_headers {
        let headers = request::headers(request.text);
        (
            Content::words(&serde_json::json!(headers).to_string()),
            false,
        )
    } else if base == "echo" {
        (echo(&json(request.body)?), false)
    } else if base == "tool" && shape == Shape::Chat {
        (tool(&json(request.body)?, &script), false)
    } else {
        (Content::fixed(&script), true)
    };
    let answer = if streams {
        let events = reply::events(shape, model, &content, bits & USAGE_ASKED != 0, &script);
        answer::stream(script, manner, &events)
    } else {
        let body = reply::plain(shape, model, &content, &script);
        answer::plain(script, manner, status, body)
    };
    Ok((answer, fixed))
}

fn json(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("We could not parse the JSON body of your request: {error}"))
}

/// The last thing that the user said, and how many words there were in all.
fn echo(body: &Value) -> Content {
    let messages = body["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let said = messages
        .iter()
        .rev()
        .find(|message| message["role"] == "user");
    let text = match said {
        Some(message) => text(&message["content"]),
        None => text(&body["prompt"]),
    };
    let prompt: usize = match messages {
        [] => text.split_whitespace().count(),
        messages => messages
            .iter()
            .map(|message| self::text(&message["content"]).split_whitespace().count())
            .sum(),
    };
    Content {
        prompt_tokens: Some(prompt as u64),
        ..Content::words(&text)
    }
}

/// The text of a content: a string, a list of strings, or the text parts of a list of parts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.as_str().or_else(|| part["text"].as_str()))
            .collect(),
        _ => String::new(),
    }
}

/// A call of the first tool, or a text once its result is there.
fn tool(body: &Value, script: &Script) -> Content {
    let messages = body["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let name = body["tools"][0]["function"]["name"].as_str();
    match name {
        Some(name) if !messages.iter().any(|message| message["role"] == "tool") => Content {
            tool: Some(name.to_owned()),
            ..Content::default()
        },
        _ => Content::fixed(script),
    }
}

/// The texts to embed. Lists of token numbers count as the text that their digits are.
fn inputs(input: &Value) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) => Some(value.to_string()),
        _ => None,
    };
    let texts = match input {
        Value::Array(items) if items.first().is_some_and(Value::is_number) => {
            Some(vec![input.to_string()])
        }
        Value::Array(items) => items.iter().map(one).collect(),
        other => one(other).map(|text| vec![text]),
    };
    texts.ok_or_else(|| {
        "'input' must be a string, a list of strings, or lists of token numbers".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn echo_takes_the_last_user_message_in_either_form() {
        let body = json!({"messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "no"},
            {"role": "user", "content": [{"type": "text", "text": "yes "}, {"type": "image_url"}, {"type": "text", "text": "you"}]},
            {"role": "assistant", "content": null},
        ]});
        let content = echo(&body);
        assert_eq!(content.tokens, ["yes ", "you"]);
        assert_eq!(content.prompt_tokens, Some(5));
        assert_eq!(echo(&json!({"prompt": "a b"})).tokens, ["a ", "b"]);
    }

    #[test]
    fn inputs_of_all_four_kinds_are_counted_as_openai_does() {
        assert_eq!(inputs(&json!("a")).unwrap().len(), 1);
        assert_eq!(inputs(&json!(["a", "b"])).unwrap().len(), 2);
        assert_eq!(inputs(&json!([1, 2, 3])).unwrap().len(), 1);
        assert_eq!(inputs(&json!([[1], [2]])).unwrap().len(), 2);
        assert!(inputs(&json!(null)).is_err());
        assert!(inputs(&json!([null])).is_err());
    }
}
