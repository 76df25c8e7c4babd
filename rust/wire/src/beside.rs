//! What is said beside an answer, for clients that ask for it: members about the routing, and the bodies that were sent upstream.
//!
//! It is put in once the answer has been written, because only then all of it is known, and so that the writers of the APIs need
//! not know of it. Nothing here is on the path of a client that asks for nothing.

use crate::answer::Serving;
use crate::api::Api;
use crate::json::{Kind, Walker, write_number, write_string, write_string_inside};

/// A string of a body longer than this is no prose that somebody debugs, when it looks like base64: it is told by its length.
pub const ENCODED_BYTES_MAX: usize = 2048;

/// Most bytes that all echoes of a request take. Bodies beyond are told by their length.
pub const ECHO_BYTES_MAX: usize = 1024 * 1024;

/// Puts `members` (`"name":value`, more of them after commas) at the end of the object that ends the output.
/// `from`: where the document begins. What is no object stays as it is.
pub fn put_into_document(members: &str, from: usize, out: &mut Vec<u8>) {
    let document = out.get(from..).unwrap_or_default();
    if let Some(end) = end_of_object(document) {
        insert(members, from + end, out);
    }
}

/// The same for the last event of a stream that carries an object: at the end of the response object in `responses`, which its
/// clients keep, else at the end of the event's own. `from`: where what has not been sent yet begins.
pub fn put_into_last_event(api: Api, members: &str, from: usize, out: &mut Vec<u8>) {
    let mut end = out.len();
    while end > from {
        let start = out
            .get(from..end - 1)
            .and_then(|before| memchr::memrchr(b'\n', before))
            .map_or(from, |at| from + at + 1);
        let line = out.get(start..end).unwrap_or_default();
        if let Some(data) = line.strip_prefix(b"data:")
            && data.trim_ascii_start().starts_with(b"{")
            && let Some(close) = end_of_object(data)
        {
            let at = start + b"data:".len();
            let inner = match api {
                Api::Responses => end_of_response(data),
                _ => None,
            };
            insert(members, at + inner.unwrap_or(close), out);
            return;
        }
        end = start;
    }
}

/// Offset of the brace that closes an object at the end of some bytes.
fn end_of_object(bytes: &[u8]) -> Option<usize> {
    let trimmed = bytes.trim_ascii_end();
    trimmed
        .ends_with(b"}")
        .then(|| trimmed.len().saturating_sub(1))
}

/// Offset of the brace that closes the event's response object.
fn end_of_response(data: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(data).ok()?;
    let mut walker = Walker::new(text);
    let mut more = walker.enter_object().ok()?;
    while more {
        let name = walker.key().ok()?.name;
        let value = walker.value().ok()?;
        if name == "response" && value.kind == Kind::Object {
            return value.span.end.checked_sub(1);
        }
        more = walker.next_member().ok()?;
    }
    None
}

/// Inserts members before the brace at `at`.
fn insert(members: &str, at: usize, out: &mut Vec<u8>) {
    let before = out.get(..at).unwrap_or_default().trim_ascii_end();
    let comma = !before.ends_with(b"{");
    let members = [if comma { "," } else { "" }, members];
    out.splice(at..at, members.concat().into_bytes());
}

/// The bodies that were sent upstream for one request, for the client that asked to see them (openrouter.md section 4.9).
#[derive(Debug, Default)]
pub struct Echo {
    /// One JSON object for each attempt.
    bodies: Vec<String>,
    bytes: usize,
}

impl Echo {
    /// Notes a body that is being sent.
    pub fn sent(&mut self, body: &[u8]) {
        let mut shown = String::new();
        let fits = elide(body, &mut shown).is_some()
            && self.bytes.saturating_add(shown.len()) <= ECHO_BYTES_MAX;
        if !fits {
            shown = format!("{{\"elided_bytes\":{}}}", body.len());
        }
        self.bytes += shown.len();
        self.bodies.push(shown);
    }

    /// Puts one event for each body before what a stream begins with; `from`: where that is. They are told once.
    pub fn put_first(&mut self, serving: &Serving<'_>, from: usize, out: &mut Vec<u8>) {
        let bodies = std::mem::take(&mut self.bodies);
        if bodies.is_empty() {
            return;
        }
        let begun = out.get(from..).unwrap_or_default();
        let (events, at) = match serving.api {
            // Its clients take nothing before this event, which makes the object that all others change.
            Api::Responses => (
                debug_events(&bodies),
                from + end_of_created(begun).unwrap_or(0),
            ),
            _ => (chunks(&bodies, serving), from),
        };
        out.splice(at..at, events);
    }
}

/// Chunks without a choice.
fn chunks(bodies: &[String], serving: &Serving<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for body in bodies {
        out.extend_from_slice(b"data: {\"id\":");
        write_string(serving.id, &mut out);
        out.extend_from_slice(b",\"object\":");
        write_string(serving.api.chunk_object(), &mut out);
        out.extend_from_slice(b",\"created\":");
        write_number(serving.created, &mut out);
        out.extend_from_slice(b",\"model\":");
        write_string(serving.model, &mut out);
        out.extend_from_slice(b",\"provider\":");
        write_string(serving.provider, &mut out);
        out.extend_from_slice(b",\"choices\":[],\"debug\":{\"echo_upstream_body\":");
        out.extend_from_slice(body.as_bytes());
        out.extend_from_slice(b"}}\n\n");
    }
    out
}

/// Events of their own. They repeat the number of the event that they follow, so that the others are numbered as without them.
fn debug_events(bodies: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for body in bodies {
        out.extend_from_slice(
            b"event: response.debug\ndata: {\"type\":\"response.debug\",\"sequence_number\":0,\"debug\":{\"echo_upstream_body\":",
        );
        out.extend_from_slice(body.as_bytes());
        out.extend_from_slice(b"}}\n\n");
    }
    out
}

/// Offset after the first event of a stream, if it is the one that creates the response.
fn end_of_created(events: &[u8]) -> Option<usize> {
    let end = memchr::memmem::find(events, b"\n\n")? + 2;
    memchr::memmem::find(events.get(..end)?, b"\"response.created\"").map(|_| end)
}

/// Appends a JSON document without white space between its tokens, and with long encoded strings told by their length: pictures,
/// sounds and files make an echo long and tell nothing. `None`: it is not JSON, such as a form.
fn elide(body: &[u8], out: &mut String) -> Option<()> {
    let text = std::str::from_utf8(body).ok()?;
    let mut walker = Walker::new(text);
    if walker.peek() != Some(Kind::Object) {
        return None;
    }
    let value = walker.value().ok()?;
    walker.finish().ok()?;
    let raw = value.raw(text);
    let mut rest = raw;
    while let Some(quote) = rest.find('"') {
        let (before, string) = rest.split_at(quote);
        let length = string_length(string)?;
        let (string, after) = string.split_at(length);
        push_compact(before, out);
        match encoded_prefix(string) {
            Some(prefix) => {
                out.push('"');
                out.push_str(prefix);
                out.push_str(&format!("[… {} bytes]\"", length - 2 - prefix.len()));
            }
            None => out.push_str(string),
        }
        rest = after;
    }
    push_compact(rest, out);
    Some(())
}

/// Appends what stands between strings: there, white space means nothing.
fn push_compact(tokens: &str, out: &mut String) {
    out.extend(tokens.chars().filter(|c| !c.is_ascii_whitespace()));
}

/// Bytes of a string that begins a text, quotes included.
fn string_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Whether a string is long and encoded; if so, how much of its beginning is worth showing.
fn encoded_prefix(string: &str) -> Option<&str> {
    if string.len() <= ENCODED_BYTES_MAX {
        return None;
    }
    let inside = string.get(1..string.len() - 1)?;
    if inside.starts_with("data:") {
        let comma = inside.get(..256).unwrap_or(inside).find(',')?;
        return inside.get(..=comma);
    }
    let is_encoded = inside
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\\".contains(&byte));
    is_encoded.then(|| inside.get(..16).unwrap_or_default())
}

/// `"name":value` for each of the values, which are JSON; the form that [`put_into_document`] takes.
pub fn members(values: &[(&str, String)]) -> String {
    let mut out = Vec::new();
    for (name, value) in values {
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'"');
        write_string_inside(name, &mut out);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.as_bytes());
    }
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Tree;

    fn document(text: &str) -> String {
        let mut out = text.as_bytes().to_vec();
        put_into_document("\"m\":1", 0, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_go_to_the_end_of_a_document() {
        assert_eq!(document("{\"a\":{}}"), "{\"a\":{},\"m\":1}");
        assert_eq!(document("{\"a\":1 }\n"), "{\"a\":1 ,\"m\":1}\n");
        assert_eq!(document("{ }"), "{ \"m\":1}");
        assert_eq!(document("[1]"), "[1]");
        assert_eq!(document(""), "");
    }

    fn events(api: Api, text: &str) -> String {
        let mut out = format!("data: {{\"sent\":1}}\n\n{text}").into_bytes();
        let from = out.len() - text.len();
        put_into_last_event(api, "\"m\":1", from, &mut out);
        String::from_utf8(out).unwrap().split_off(from)
    }

    #[test]
    fn members_go_into_the_last_event_that_has_an_object() {
        let chat = "data: {\"a\":1}\n\ndata: {\"usage\":{}}\n\ndata: [DONE]\n\n";
        assert_eq!(
            events(Api::Chat, chat),
            "data: {\"a\":1}\n\ndata: {\"usage\":{},\"m\":1}\n\ndata: [DONE]\n\n"
        );
        assert_eq!(
            events(
                Api::Messages,
                "event: message_stop\ndata:{\"type\":\"message_stop\"}\r\n\r\n"
            ),
            "event: message_stop\ndata:{\"type\":\"message_stop\",\"m\":1}\r\n\r\n"
        );
        assert_eq!(
            events(
                Api::Responses,
                "data: {\"response\":{\"id\":\"}\"},\"sequence_number\":9}\n\ndata: [DONE]\n\n"
            ),
            "data: {\"response\":{\"id\":\"}\",\"m\":1},\"sequence_number\":9}\n\ndata: [DONE]\n\n"
        );
        assert_eq!(
            events(Api::Responses, "data: {\"type\":\"error\"}"),
            "data: {\"type\":\"error\",\"m\":1}"
        );
        // What was sent before is not touched.
        assert_eq!(events(Api::Chat, "data: [DONE]\n\n"), "data: [DONE]\n\n");
        assert_eq!(events(Api::Chat, ""), "");
    }

    #[test]
    fn an_echo_goes_before_the_first_chunk_and_is_told_once() {
        let mut echo = Echo::default();
        echo.sent(b"{ \"model\" : \"x y\",\n\"n\":[1, 2] }");
        echo.sent(b"--form\r\n");
        let mut out = b"sentdata: {}\n\n".to_vec();
        echo.put_first(&Serving::example(Api::Chat), 4, &mut out);
        let text = String::from_utf8(out.clone()).unwrap();
        let events: Vec<Tree> = text[4..]
            .split_terminator("\n\n")
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect();
        assert_eq!(events.len(), 3);
        assert_eq!(events[0]["choices"], Tree::Array(Vec::new()));
        assert_eq!(
            events[0]["debug"]["echo_upstream_body"],
            serde_json::json!({"model": "x y", "n": [1, 2]})
        );
        assert_eq!(events[1]["debug"]["echo_upstream_body"]["elided_bytes"], 8);
        let before = out.clone();
        echo.put_first(&Serving::example(Api::Chat), 4, &mut out);
        assert_eq!(out, before);
    }

    #[test]
    fn an_echo_follows_the_event_that_creates_a_response() {
        let mut echo = Echo::default();
        echo.sent(b"{}");
        let created = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n";
        let mut out = format!("{created}data: {{}}\n\n").into_bytes();
        echo.put_first(&Serving::example(Api::Responses), 0, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with(&format!("{created}event: response.debug\n")),
            "{text}"
        );
        assert!(text.ends_with("data: {}\n\n"));
    }

    #[test]
    fn long_encoded_strings_are_told_by_their_length() {
        let picture = "QUJD".repeat(1000);
        let prose = "words and \\\"quotes\\\" ".repeat(200);
        let body = format!(
            r#"{{"url":"data:image/png;base64,{picture}","data":"{picture}","text":"{prose}"}}"#
        );
        let mut shown = String::new();
        elide(body.as_bytes(), &mut shown).unwrap();
        let tree: Tree = serde_json::from_str(&shown).unwrap();
        assert_eq!(tree["url"], "data:image/png;base64,[… 4000 bytes]");
        assert_eq!(tree["data"], "QUJDQUJDQUJDQUJD[… 3984 bytes]");
        assert_eq!(tree["text"], prose.replace("\\\"", "\""));
        for wrong in ["{\"a\":", "[1]", "x", "{\"a\":\"\\", ""] {
            assert_eq!(elide(wrong.as_bytes(), &mut String::new()), None, "{wrong}");
        }
    }

    #[test]
    fn echoes_have_a_bound_together() {
        let body = format!("{{\"a\":\"{}\"}}", "word ".repeat(150_000));
        let mut echo = Echo::default();
        echo.sent(body.as_bytes());
        echo.sent(body.as_bytes());
        assert_eq!(echo.bodies[0].len(), body.len());
        assert_eq!(
            echo.bodies[1],
            format!("{{\"elided_bytes\":{}}}", body.len())
        );
    }
}
