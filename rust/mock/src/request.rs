//! What the mock reads of a request: the head by httparse, and of the body only what choosing an answer needs.
//!
//! A load test should measure who it tests and not the mock, so the body is searched, not parsed. The search takes the
//! first `"model"` whose value is a string. Text inside a JSON string cannot be mistaken for it, since quotes are escaped
//! there; a nested `"model": "x"` that comes before the real one could, and no request of the OpenAI dialect has one.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::{memchr2, memmem};

/// Most headers in a request.
const HEADERS_MAX: usize = 128;
/// Longest head.
pub(crate) const HEAD_BYTES_MAX: usize = 256 << 10;
/// Longest body, and longest chunk of one.
pub(crate) const BODY_BYTES_MAX: usize = 128 << 20;

/// The parsed head. Ranges point into the buffer that it was read from, counted from where the request starts.
#[derive(Debug, PartialEq)]
pub(crate) struct Head {
    /// Bytes of head, the blank line included.
    pub(crate) length: usize,
    pub(crate) method: Range<usize>,
    /// The path without its query.
    pub(crate) path: Range<usize>,
    /// What follows the path's question mark, or empty.
    pub(crate) query: Range<usize>,
    pub(crate) body: Body,
    /// `x-mock`, or empty.
    pub(crate) script: Range<usize>,
    pub(crate) expects_continue: bool,
    pub(crate) http10: bool,
    /// Whether the client asked to close behind the answer.
    pub(crate) close: bool,
}

/// Prepared once, since preparing a search costs more than a short search.
static MODEL_KEY: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new("\"model\""));

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Body {
    Length(usize),
    Chunked,
}

/// Why a request cannot be read; the text goes into a 400.
pub(crate) type Malformed = &'static str;

impl Head {
    /// The head at the start of `bytes`; `None` if it has not all arrived.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
        // Left uninitialised: clearing four kilobytes each time took a fifth of the mock's own time.
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let length = match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES_MAX => {
                return Err("the head is too long");
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("the head is not HTTP/1.1, or has too many headers"),
        };
        let method = request.method.unwrap_or("").as_bytes();
        let target = request.path.unwrap_or("").as_bytes();
        let (path, query) = memchr::memchr(b'?', target).map_or((target, &target[..0]), |end| {
            (&target[..end], &target[end + 1..])
        });
        let http10 = request.version == Some(0);
        let mut head = Head {
            length,
            method: place(bytes, method),
            path: place(bytes, path),
            query: place(bytes, query),
            body: Body::Length(0),
            script: 0..0,
            expects_continue: false,
            http10,
            close: http10,
        };
        let mut told_length = None;
        for header in request.headers.iter() {
            let (name, value) = (header.name, header.value);
            // Told apart by length first: of the headers a client sends, most need no look at the letters.
            match name.len() {
                6 if name.eq_ignore_ascii_case("x-mock") => head.script = place(bytes, value),
                6 if name.eq_ignore_ascii_case("expect") => {
                    head.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
                }
                10 if name.eq_ignore_ascii_case("connection") => {
                    let mut words = value.split(|byte| *byte == b',');
                    head.close |=
                        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
                }
                14 if name.eq_ignore_ascii_case("content-length") => {
                    let text =
                        std::str::from_utf8(value).map_err(|_| "content-length is not a number")?;
                    let length = text
                        .parse::<usize>()
                        .map_err(|_| "content-length is not a number")?;
                    if told_length.replace(length).is_some() {
                        return Err("content-length stands there twice");
                    }
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    if !value.eq_ignore_ascii_case(b"chunked") {
                        return Err("transfer-encoding is not chunked");
                    }
                    head.body = Body::Chunked;
                }
                _ => {}
            }
        }
        match (head.body, told_length) {
            // A proxy that lets both through invites smuggling; its tests should hear of it.
            (Body::Chunked, Some(_)) => return Err("both content-length and transfer-encoding"),
            (Body::Length(_), Some(length)) if length > BODY_BYTES_MAX => {
                return Err("the body is too long");
            }
            (Body::Length(_), Some(length)) => head.body = Body::Length(length),
            _ => {}
        }
        Ok(Some(head))
    }
}

/// All headers of a head that has been parsed before, as text; for records and for `echo_headers`.
pub(crate) fn headers(head: &[u8]) -> Vec<(String, String)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let _ = request.parse(head);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    request
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), text(header.value)))
        .collect()
}

/// Where `part`, a slice of `whole`, lies in it.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    // A part that is not inside (a static empty slice) has no place; its length is then zero.
    if start
        .checked_add(part.len())
        .is_some_and(|end| end <= whole.len())
    {
        start..start + part.len()
    } else {
        0..0
    }
}

/// The boundary of a multipart body, if the head says that there is one.
pub(crate) fn boundary(head: &[u8]) -> Option<String> {
    let headers = headers(head);
    let kind = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
    let (kind, parameters) = kind.1.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then_some(value)
    })?;
    Some(boundary.trim().trim_matches('"').to_owned())
}

/// One part of a multipart body.
#[derive(Debug, PartialEq)]
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    /// Whether it has a file's name.
    pub(crate) file: bool,
    pub(crate) data: &'a [u8],
}

/// The parts of a whole multipart body. Strict where real servers are: what is not closed or has no name is refused, so
/// that a gateway that breaks a form hears of it.
pub(crate) fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, String> {
    let line = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let Some(mut rest) = body.strip_prefix(line.as_bytes()) else {
        return Err("the form does not begin with its boundary".to_owned());
    };
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let Some(part) = rest.strip_prefix(b"\r\n") else {
            return Err(
                "a boundary of the form is followed by neither a line nor its end".to_owned(),
            );
        };
        let Some(end) = memmem::find(part, between.as_bytes()) else {
            return Err("the form ends without its closing boundary".to_owned());
        };
        let Some(head) = memmem::find(&part[..end], b"\r\n\r\n") else {
            return Err("a part of the form has no end of its headers".to_owned());
        };
        let headers = std::str::from_utf8(&part[..head])
            .map_err(|_| "the headers of a part of the form are not UTF-8".to_owned())?;
        let attribute = |name: &str| {
            let start = headers.find(&format!(" {name}=\""))? + name.len() + 3;
            let length = headers.get(start..)?.find('"')?;
            headers.get(start..start + length)
        };
        parts.push(Part {
            name: attribute("name").ok_or("a part of the form has no name")?,
            file: attribute("filename").is_some(),
            data: &part[head + 4..end],
        });
        rest = &part[end + between.len()..];
    }
}

/// The model's name in a multipart body: what stands in the part of that name. Searched for like `model`, since the part
/// may come behind a large file.
pub(crate) fn model_part(body: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(body, b" name=\"model\"")?;
    let rest = &body[at..];
    let start = memmem::find(rest, b"\r\n\r\n")? + 4;
    let end = memmem::find(&rest[start..], b"\r\n")?;
    Some(&rest[start..start + end])
}

/// Undoes chunking while bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct Dechunk {
    /// What has been decoded.
    pub(crate) body: Vec<u8>,
    /// Bytes of input that have been used.
    pub(crate) used: usize,
    /// The last chunk has been seen; only trailers are missing.
    trailers: bool,
}

impl Dechunk {
    /// Decodes what it can of `input`, which must start with the same bytes each time. True: the body is complete.
    pub(crate) fn advance(&mut self, input: &[u8]) -> Result<bool, Malformed> {
        // Chunks of one byte, extensions and trailers may cost more than the body, but not without end.
        if input.len() > 2 * BODY_BYTES_MAX {
            return Err("the body is too long");
        }
        loop {
            let rest = &input[self.used.min(input.len())..];
            if self.trailers {
                let Some(end) = memmem::find(rest, b"\r\n") else {
                    return if rest.len() > HEAD_BYTES_MAX {
                        Err("a trailer is too long")
                    } else {
                        Ok(false)
                    };
                };
                self.used += end + 2;
                if end == 0 {
                    return Ok(true);
                }
                continue;
            }
            match httparse::parse_chunk_size(rest) {
                Ok(httparse::Status::Partial) => return Ok(false),
                Ok(httparse::Status::Complete((start, 0))) => {
                    self.used += start;
                    self.trailers = true;
                }
                Ok(httparse::Status::Complete((start, size))) => {
                    let size = usize::try_from(size).unwrap_or(usize::MAX);
                    if size > BODY_BYTES_MAX - self.body.len().min(BODY_BYTES_MAX) {
                        return Err("the body is too long");
                    }
                    let Some(data) = rest.get(start..start + size + 2) else {
                        return Ok(false);
                    };
                    let (data, end) = data.split_at(size);
                    if end != b"\r\n" {
                        return Err("a chunk does not end where its size says");
                    }
                    self.body.extend_from_slice(data);
                    self.used += start + size + 2;
                }
                Err(_) => return Err("a chunk's size is not a number"),
            }
        }
    }
}

/// The model's name as it stands between its quotes, escapes and all.
pub(crate) fn model(body: &[u8]) -> Option<&[u8]> {
    let mut rest = body;
    while let Some(at) = MODEL_KEY.find(rest) {
        rest = &rest[at + 7..];
        if let Some([b'"', value @ ..]) = value(rest) {
            let mut end = 0;
            while let Some(next) = memchr2(b'"', b'\\', &value[end..]) {
                end += next;
                if value[end] == b'"' {
                    return Some(&value[..end]);
                }
                end += 2;
                if end > value.len() {
                    return None;
                }
            }
            return None;
        }
    }
    None
}

/// The text that such a name means.
pub(crate) fn unescaped(raw: &[u8]) -> Option<Cow<'_, str>> {
    if !raw.contains(&b'\\') {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted)
        .ok()
        .map(Cow::Owned)
}

/// Whether this key stands in the body with this literal as its value. `key` with its quotes.
pub(crate) fn says(body: &[u8], key: &memmem::Finder<'_>, literal: &[u8]) -> bool {
    key.find_iter(body).any(|at| {
        value(&body[at + key.needle().len()..]).is_some_and(|rest| rest.starts_with(literal))
    })
}

/// What follows a key: behind the colon and white space.
fn value(rest: &[u8]) -> Option<&[u8]> {
    match rest.trim_ascii_start() {
        [b':', rest @ ..] => Some(rest.trim_ascii_start()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_whatever_stands_around_it() {
        let found =
            |body: &str| model(body.as_bytes()).map(|raw| unescaped(raw).unwrap().into_owned());
        assert_eq!(found(r#"{"model":"a;cut=1"}"#).as_deref(), Some("a;cut=1"));
        assert_eq!(found("{\"model\" :\n \"a\" }").as_deref(), Some("a"));
        assert_eq!(
            found(r#"{"content":"\"model\":\"no\"","model":"yes"}"#).as_deref(),
            Some("yes")
        );
        assert_eq!(
            found(r#"{"properties":{"model":{"type":"string"}},"model":"a"}"#).as_deref(),
            Some("a")
        );
        assert_eq!(found(r#"{"model":"a\"b\\"}"#).as_deref(), Some("a\"b\\"));
        assert_eq!(found(r#"{"model":"endless"#), None);
        assert_eq!(found(r#"{"model":"ends in an escape\"#), None);
        assert_eq!(found(r#"{"model":3}"#), None);
    }

    #[test]
    fn stream_is_told_from_stream_options() {
        let stream = memmem::Finder::new("\"stream\"");
        assert!(says(
            br#"{"stream_options":{},"stream" : true}"#,
            &stream,
            b"true"
        ));
        assert!(!says(
            br#"{"stream_options":true,"stream":false}"#,
            &stream,
            b"true"
        ));
    }

    #[test]
    fn heads_arrive_in_any_number_of_pieces() {
        let text = b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX-Mock: cut=1\r\n\r\nabc";
        for end in 0..text.len() - 3 {
            assert_eq!(Head::parse(&text[..end]), Ok(None));
        }
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!(head.length, text.len() - 3);
        assert_eq!(&text[head.path], b"/v1/chat/completions");
        assert_eq!(&text[head.query], b"a=b");
        assert_eq!(&text[head.script], b"cut=1");
        assert_eq!(head.body, Body::Length(3));
    }

    #[test]
    fn framing_that_says_two_things_is_refused() {
        for headers in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
        ] {
            assert!(
                Head::parse(format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()).is_err()
            );
        }
    }

    #[test]
    fn forms_come_apart_into_fields_and_files() {
        let head = b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; charset=x; boundary=\"x-y\"\r\n\r\n";
        assert_eq!(boundary(head).as_deref(), Some("x-y"));
        assert_eq!(
            boundary(b"POST / HTTP/1.1\r\ncontent-type: application/json; boundary=x\r\n\r\n"),
            None
        );
        let body = b"--x-y\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\r\n--x-\0\r\n--x-y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm;cut=1\r\n--x-y--\r\n";
        let found = parts(body, "x-y").unwrap();
        let file = Part {
            name: "file",
            file: true,
            data: b"\r\n--x-\0",
        };
        let model = Part {
            name: "model",
            file: false,
            data: b"m;cut=1",
        };
        assert_eq!(found, [file, model]);
        assert_eq!(model_part(body), Some(b"m;cut=1".as_slice()));
        for end in 0..body.len() - 4 {
            assert!(parts(&body[..end], "x-y").is_err(), "{end}");
        }
    }

    #[test]
    fn chunks_arrive_in_any_number_of_pieces() {
        let text = b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nTrailer: t\r\n\r\nNEXT";
        let mut dechunk = Dechunk::default();
        for end in 0..text.len() - 4 {
            assert_eq!(dechunk.advance(&text[..end]), Ok(false), "{end}");
        }
        assert_eq!(dechunk.advance(text), Ok(true));
        assert_eq!(dechunk.body, b"abcd");
        assert_eq!(&text[dechunk.used..], b"NEXT");
        assert!(Dechunk::default().advance(b"3\r\nabcd\r\n").is_err());
        assert!(Dechunk::default().advance(b"ffffffffff\r\n").is_err());
    }
}
