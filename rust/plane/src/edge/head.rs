//! The head of a client's request, read strictly.
//!
//! Everything that two HTTP parsers have ever read differently is refused, so that no request means one thing here
//! and another at a proxy in front or at the control server behind: bare LF, folded lines, space before a colon,
//! `Content-Length` beside `Transfer-Encoding`, two lengths, a coding other than `chunked`, no or two `Host`s. (RFC 9112
//! sections 2.2, 3.2, 5.1, 5.2, 6.1, 6.3.)
//!
//! A head is kept as one text and spans into it. The memory is the connection's and is reused for its next request.
//! A request that came by HTTP/2 is written into the same form, so that one code serves both.

use std::net::IpAddr;

use http::HeaderMap;
use turnout_wire::refusal::{Kind, Refusal};

/// Place of some bytes in [`Head::text`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(part: &[u8], whole: &[u8]) -> Span {
        let start = part.as_ptr() as usize - whole.as_ptr() as usize;
        Span {
            start: start as u32,
            end: (start + part.len()) as u32,
        }
    }
}

/// Methods that anything here cares about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Options,
    /// Anything else: only the control side may know it.
    Other,
}

/// How the body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// Exactly this many bytes; also a request without any length.
    Known(u64),
    Chunked,
    /// HTTP/2 without `content-length`: until the stream ends.
    UntilEnd,
}

/// Whether this is the header's name, in whatever case. `lower`: lower-case letters and hyphens.
///
/// Bit 5 is all that differs between the cases, and no other character of a header's name becomes one of these by it; so a name is
/// compared in a few wide steps instead of letter by letter.
#[inline]
pub(crate) fn is_named<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| {
        (name.iter().zip(lower)).fold(0, |unlike, (seen, lower)| unlike | ((seen | 0x20) ^ lower))
            == 0
    })
}

macro_rules! known_headers {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// Headers that the plane reads itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub(crate) enum Known { $($variant),+ }

        const KNOWN_COUNT: usize = [$(Known::$variant),+].len();

        impl Known {
            fn from_name(name: &[u8]) -> Option<Known> {
                $(if is_named(name, $name) {
                    return Some(Known::$variant);
                })+
                None
            }
        }
    };
}

known_headers! {
    Host = b"host",
    ContentLength = b"content-length",
    TransferEncoding = b"transfer-encoding",
    Connection = b"connection",
    Authorization = b"authorization",
    ApiKey = b"x-api-key",
    GoogApiKey = b"x-goog-api-key",
    UserAgent = b"user-agent",
    Expect = b"expect",
    Upgrade = b"upgrade",
    Origin = b"origin",
    RequestHeaders = b"access-control-request-headers",
    RequestMethod = b"access-control-request-method",
    ContentEncoding = b"content-encoding",
    ContentType = b"content-type",
    ForwardedFor = b"x-forwarded-for",
    HttpReferer = b"http-referer",
    Referer = b"referer",
    Title = b"x-title",
    OpenRouterTitle = b"x-openrouter-title",
    SessionId = b"x-session-id",
    Cache = b"x-openrouter-cache",
    CacheTtl = b"x-openrouter-cache-ttl",
    CacheClear = b"x-openrouter-cache-clear",
    AzureApiKey = b"api-key",
    AnthropicVersion = b"anthropic-version",
    AnthropicBeta = b"anthropic-beta",
    AnthropicBetaExtra = b"x-anthropic-beta",
    RouterMetadata = b"x-openrouter-metadata",
    ExperimentalMetadata = b"x-openrouter-experimental-metadata",
    Explain = b"x-turnout-explain",
    Timeout = b"x-turnout-timeout",
    AttemptTimeout = b"x-turnout-attempt-timeout",
    Hedge = b"x-turnout-hedge",
}

/// A request's head.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    text: Vec<u8>,
    pub(crate) method: Method,
    method_span: Span,
    target: Span,
    /// Path without query.
    path: Span,
    query: Span,
    known: [Option<Span>; KNOWN_COUNT],
    /// Every header in order, for the control side.
    headers: Vec<(Span, Span)>,
    pub(crate) body: BodyLength,
    /// Whether the connection may serve another request after this one.
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    /// HTTP/1.0 clients know no chunked coding.
    pub(crate) http10: bool,
}

impl Default for Head {
    fn default() -> Self {
        Head {
            text: Vec::new(),
            method: Method::Other,
            method_span: Span::default(),
            target: Span::default(),
            path: Span::default(),
            query: Span::default(),
            known: [None; KNOWN_COUNT],
            headers: Vec::new(),
            body: BodyLength::Known(0),
            keep_alive: false,
            expects_continue: false,
            http10: false,
        }
    }
}

/// Where the head ends in `data`, if it does: the length including the empty line.
///
/// Looks at every line end, so that what a lenient parser would forgive is refused here. `from` is where an earlier
/// call stopped; it is moved forward so that a slowly arriving head is scanned once.
pub(crate) fn find_end(data: &[u8], from: &mut usize) -> Result<Option<usize>, Refusal> {
    for offset in memchr::memchr_iter(b'\n', &data[*from..]) {
        let at = *from + offset;
        if at == 0 || data[at - 1] != b'\r' {
            return Err(malformed("a line ends in LF alone; expected CR LF"));
        }
        // An empty line before the request line is allowed once by RFC 9112 section 2.2, and ends nothing.
        let starts_head = at == 1;
        if !starts_head && (at >= 3 && data[at - 2] == b'\n') {
            return Ok(Some(at + 1));
        }
        match data.get(at + 1) {
            Some(b' ' | b'\t') => {
                return Err(malformed(
                    "a header line begins with white space (folded lines are refused)",
                ));
            }
            Some(_) => {}
            None => {
                // What follows is not here yet: look at this line end again next time.
                *from = at;
                return Ok(None);
            }
        }
    }
    *from = data.len();
    Ok(None)
}

fn malformed(what: &'static str) -> Refusal {
    Refusal::new(Kind::HeaderMalformed).with_message(format!("Malformed HTTP request: {what}"))
}

impl Head {
    /// Reads `data`, which is exactly one head as [`find_end`] delimits it.
    pub(crate) fn read(&mut self, data: &[u8], headers_max: usize) -> Result<(), Refusal> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        text.extend_from_slice(data);
        let outcome = self.parse(&text, headers_max);
        self.text = text;
        outcome?;
        self.judge()
    }

    fn parse(&mut self, text: &[u8], headers_max: usize) -> Result<(), Refusal> {
        self.known = [None; KNOWN_COUNT];
        self.headers.clear();
        self.query = Span::default();
        let mut slots =
            [const { std::mem::MaybeUninit::<httparse::Header<'_>>::uninit() }; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let limit = headers_max.min(HEADERS_MAX);
        match request.parse_with_uninit_headers(text, &mut slots[..limit]) {
            Ok(httparse::Status::Complete(length)) if length == text.len() => {}
            Ok(_) => return Err(malformed("the head does not end where it seemed to")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Refusal::new(Kind::HeaderTooLarge)
                    .with_message(format!("The request has more than {limit} headers")));
            }
            Err(httparse::Error::Version) => return Err(version_refusal(text)),
            Err(error) => {
                return Err(Refusal::new(Kind::HeaderMalformed)
                    .with_message(format!("Malformed HTTP request: {error}")));
            }
        }
        self.http10 = request.version == Some(0);
        let method = request.method.unwrap_or_default();
        self.method = Method::from_name(method);
        self.method_span = Span::of(method.as_bytes(), text);
        let target = request.path.unwrap_or_default();
        self.set_target(target, text)?;
        for header in request.headers.iter() {
            let (name, value) = (
                Span::of(header.name.as_bytes(), text),
                Span::of(header.value, text),
            );
            self.headers.push((name, value));
            if let Some(known) = Known::from_name(header.name.as_bytes()) {
                self.note(known, value)?;
            }
        }
        Ok(())
    }

    /// Splits the target into path and query. `https://host/path` (absolute form) is read as its path.
    fn set_target(&mut self, target: &str, text: &[u8]) -> Result<(), Refusal> {
        let origin_form = if target.starts_with('/') || target == "*" {
            target
        } else if let Some((scheme, rest)) = target.split_once("://")
            && (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        {
            // A slash behind a question mark is the query's: such a URL has no path.
            match rest.find(['/', '?', '#']) {
                Some(at) if rest[at..].starts_with('/') => &rest[at..],
                _ => "/",
            }
        } else {
            return Err(malformed("the request target is neither a path nor a URL"));
        };
        // The "/" of an absolute form without a path stands nowhere in the text: point at any slash, there is one in "://".
        let whole = if origin_form == "/" && !target.starts_with('/') {
            let at = target.find('/').unwrap_or(0);
            &target[at..=at]
        } else {
            origin_form
        };
        let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
        self.target = Span::of(whole.as_bytes(), text);
        self.path = Span::of(path.as_bytes(), text);
        if !query.is_empty() {
            self.query = Span::of(query.as_bytes(), text);
        }
        Ok(())
    }

    fn note(&mut self, known: Known, value: Span) -> Result<(), Refusal> {
        let slot = &mut self.known[known as usize];
        if slot.is_some() {
            match known {
                Known::ContentLength => return Err(malformed("more than one Content-Length")),
                Known::TransferEncoding => {
                    return Err(malformed("more than one Transfer-Encoding"));
                }
                Known::Host => return Err(malformed("more than one Host")),
                Known::Authorization | Known::ApiKey | Known::GoogApiKey => {
                    return Err(malformed("the same credential header stands twice"));
                }
                // X-Forwarded-For is read from its last line back, so the later one counts; for the rest the first does.
                Known::ForwardedFor | Known::Connection => *slot = Some(value),
                _ => {}
            }
            return Ok(());
        }
        *slot = Some(value);
        Ok(())
    }

    /// The rules that need more than one header.
    fn judge(&mut self) -> Result<(), Refusal> {
        if !self.http10 && self.known[Known::Host as usize].is_none() {
            return Err(malformed("no Host header"));
        }
        self.body = match (
            self.get(Known::ContentLength),
            self.get(Known::TransferEncoding),
        ) {
            (Some(_), Some(_)) => {
                return Err(malformed("both Content-Length and Transfer-Encoding"));
            }
            (None, Some(coding)) => {
                if self.http10 {
                    return Err(malformed("Transfer-Encoding in HTTP/1.0"));
                }
                if !coding.eq_ignore_ascii_case(b"chunked") {
                    return Err(malformed("a Transfer-Encoding other than chunked"));
                }
                BodyLength::Chunked
            }
            (Some(length), None) => BodyLength::Known(read_length(length)?),
            (None, None) => BodyLength::Known(0),
        };
        let (mut close, mut keep) = (false, false);
        if self.known[Known::Connection as usize].is_some() {
            // It may stand more than once, so every line is asked.
            for (name, value) in self.headers() {
                if name.eq_ignore_ascii_case(b"connection") {
                    for option in value.split(|b| *b == b',') {
                        close |= option.trim_ascii().eq_ignore_ascii_case(b"close");
                        keep |= option.trim_ascii().eq_ignore_ascii_case(b"keep-alive");
                    }
                }
            }
        }
        self.keep_alive = !close && (!self.http10 || keep);
        self.expects_continue = false;
        if let Some(expectation) = self.get(Known::Expect) {
            if !expectation.eq_ignore_ascii_case(b"100-continue") {
                return Err(Refusal::new(Kind::ExpectationFailed)
                    .with_message("The only expectation that is understood is 100-continue"));
            }
            self.expects_continue = !self.http10 && self.body != BodyLength::Known(0);
        }
        Ok(())
    }

    /// Takes the head of an HTTP/2 request, whose framing the `h2` crate has already checked.
    pub(crate) fn read_h2(
        &mut self,
        parts: &http::request::Parts,
        headers_max: usize,
    ) -> Result<(), Refusal> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let outcome = self.write_h2(parts, headers_max, &mut text);
        self.text = text;
        outcome
    }

    fn write_h2(
        &mut self,
        parts: &http::request::Parts,
        headers_max: usize,
        text: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        fn put(text: &mut Vec<u8>, bytes: &[u8]) -> Span {
            let start = text.len() as u32;
            text.extend_from_slice(bytes);
            Span {
                start,
                end: text.len() as u32,
            }
        }
        self.known = [None; KNOWN_COUNT];
        self.headers.clear();
        self.query = Span::default();
        self.method = Method::from_name(parts.method.as_str());
        self.method_span = put(text, parts.method.as_str().as_bytes());
        self.http10 = false;
        self.keep_alive = true;
        self.expects_continue = false;
        let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let start = text.len() as u32;
        self.target = put(text, target.as_bytes());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.path = Span {
            start,
            end: start + path.len() as u32,
        };
        if !query.is_empty() {
            self.query = Span {
                start: start + path.len() as u32 + 1,
                end: text.len() as u32,
            };
        }
        if parts.headers.len() > headers_max {
            return Err(Refusal::new(Kind::HeaderTooLarge)
                .with_message(format!("The request has more than {headers_max} headers")));
        }
        let authority = parts.uri.authority().map(|a| a.as_str().as_bytes());
        if let Some(authority) = authority {
            let (name, value) = (put(text, b"host"), put(text, authority));
            self.headers.push((name, value));
            self.note(Known::Host, value)?;
        }
        for (name, value) in &parts.headers {
            if authority.is_some() && name == http::header::HOST {
                continue;
            }
            let (name_span, value_span) = (
                put(text, name.as_str().as_bytes()),
                put(text, value.as_bytes()),
            );
            self.headers.push((name_span, value_span));
            if let Some(known) = Known::from_name(name.as_str().as_bytes()) {
                self.note(known, value_span)?;
            }
        }
        self.body = match content_length(&parts.headers)? {
            Some(length) => BodyLength::Known(length),
            None => BodyLength::UntilEnd,
        };
        Ok(())
    }

    fn slice(&self, span: Span) -> &[u8] {
        &self.text[span.start as usize..span.end as usize]
    }

    /// A header that the plane knows.
    pub(crate) fn get(&self, known: Known) -> Option<&[u8]> {
        self.known[known as usize].map(|span| self.slice(span))
    }

    /// The same as text; empty when absent or not UTF-8.
    pub(crate) fn text(&self, known: Known) -> &str {
        self.get(known)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// All headers in order.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (self.slice(*name), self.slice(*value)))
    }

    pub(crate) fn method_name(&self) -> &str {
        std::str::from_utf8(self.slice(self.method_span)).unwrap_or("?")
    }

    /// Path and query, as sent.
    pub(crate) fn target(&self) -> &str {
        std::str::from_utf8(self.slice(self.target)).unwrap_or("/")
    }

    pub(crate) fn path_bytes(&self) -> &[u8] {
        self.slice(self.path)
    }

    pub(crate) fn path(&self) -> &str {
        std::str::from_utf8(self.slice(self.path)).unwrap_or("/")
    }

    pub(crate) fn query(&self) -> &str {
        std::str::from_utf8(self.slice(self.query)).unwrap_or_default()
    }

    /// Whether the client asks to leave HTTP (a WebSocket, in practice).
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.get(Known::Upgrade).is_some() && self.is_for_this_hop("upgrade")
    }

    /// Whether a `Connection` header names this header or option (RFC 9110 section 7.6.1).
    pub(crate) fn is_for_this_hop(&self, option: &str) -> bool {
        self.known[Known::Connection as usize].is_some()
            && self.headers().any(|(name, value)| {
                name.eq_ignore_ascii_case(b"connection")
                    && value
                        .split(|b| *b == b',')
                        .any(|named| named.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
            })
    }

    /// The addresses in every `X-Forwarded-For`, nearest proxy first.
    pub(crate) fn forwarded_for(&self) -> impl Iterator<Item = IpAddr> {
        self.headers
            .iter()
            .rev()
            .filter(|(name, _)| self.slice(*name).eq_ignore_ascii_case(b"x-forwarded-for"))
            .flat_map(|(_, value)| self.slice(*value).rsplit(|b| *b == b','))
            // An entry that is no address ends the chain: what stands before it was written by somebody unknown.
            .map_while(|entry| std::str::from_utf8(entry.trim_ascii()).ok()?.parse().ok())
    }
}

/// More headers than this are refused whatever the configuration says: they are parsed on the stack.
pub(crate) const HEADERS_MAX: usize = 1000;

impl Method {
    fn from_name(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }
}

fn version_refusal(text: &[u8]) -> Refusal {
    // An empty line may stand before the request line.
    let text = text.trim_ascii_start();
    let line = text.split(|b| *b == b'\r').next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (
            Some(_),
            Some(_),
            Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']),
            None,
        ) => Refusal::new(Kind::HttpVersion).with_message(
            "This server speaks HTTP/1.0, HTTP/1.1 and HTTP/2 (ALPN or prior knowledge)",
        ),
        _ => malformed(
            "the request line is not a method, a target and an HTTP version with one space between",
        ),
    }
}

/// Digits only: `+5`, `0x5`, `5, 5` and the empty string are all somebody else's idea of a number.
fn read_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(malformed("Content-Length is not a number"));
    }
    Ok(value
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let mut values = headers.get_all(http::header::CONTENT_LENGTH).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => read_length(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(malformed("more than one Content-Length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Head, Refusal> {
        let mut from = 0;
        let end = find_end(text.as_bytes(), &mut from)?.expect("a whole head");
        let mut head = Head::default();
        head.read(&text.as_bytes()[..end], 100)?;
        Ok(head)
    }

    fn status(text: &str) -> u16 {
        read(text).map_or_else(|refusal| refusal.status(), |_| 200)
    }

    #[test]
    fn reads_what_clients_send() {
        let head = read("POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: a\r\nauthorization: Bearer k\r\nContent-Length: 12\r\n\r\n")
            .expect("a good head");
        assert_eq!(
            (head.method, head.path(), head.query()),
            (Method::Post, "/v1/chat/completions", "x=1")
        );
        assert_eq!(head.body, BodyLength::Known(12));
        assert_eq!(head.text(Known::Authorization), "Bearer k");
        assert!(head.keep_alive && !head.http10);
    }

    #[test]
    fn absolute_form_is_its_path() {
        for (target, path) in [
            ("http://h/a?b", "/a"),
            ("http://h", "/"),
            ("http://h?x", "/"),
            ("http://h?x=/a", "/"),
            ("HTTPS://h/a", "/a"),
            ("/", "/"),
        ] {
            let head =
                read(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).expect("a good head");
            assert_eq!(head.path(), path, "{target}");
        }
    }

    #[test]
    fn refuses_what_parsers_disagree_on() {
        let cases = [
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                400,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
                400,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
                400,
            ),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", 400),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                400,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n b: folded\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: a\n\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET x://h/y HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET x?y://h/z HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /x y HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /x HTTP/+1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
            ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
                400,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(status(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_end_is_found_however_the_bytes_arrive() {
        let text = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let end = text.len() - 4;
        for cut in 0..text.len() {
            let mut from = 0;
            let first = find_end(&text[..cut], &mut from).expect("well formed");
            if cut >= end {
                assert_eq!(first, Some(end));
            } else {
                assert_eq!(first, None, "cut at {cut}");
                assert_eq!(
                    find_end(text, &mut from).expect("well formed"),
                    Some(end),
                    "cut at {cut}"
                );
            }
        }
        assert!(read("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
    }

    #[test]
    fn connection_options_are_a_list() {
        let with = |version: &str, value: &str| {
            read(&format!(
                "GET / HTTP/{version}\r\nHost: a\r\nConnection: {value}\r\n\r\n"
            ))
            .expect("good")
            .keep_alive
        };
        assert!(!with("1.1", "Upgrade, Close"));
        assert!(with("1.1", "upgrade"));
        assert!(with("1.0", "Keep-Alive"));
        assert!(!with("1.0", "upgrade"));
    }

    #[test]
    fn forwarded_addresses_are_read_from_the_nearest_and_stop_at_nonsense() {
        let head = read("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9, evil, 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n\r\n")
            .expect("good");
        let found: Vec<String> = head.forwarded_for().map(|ip| ip.to_string()).collect();
        assert_eq!(found, ["2.2.2.2", "1.1.1.1"]);
    }
}
