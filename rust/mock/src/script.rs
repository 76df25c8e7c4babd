//! What a request asks of the mock: the `key=value;…` text of a model's name or of `x-mock`, parsed.
//!
//! A test writes its fault where the request is made, so that no state is shared between tests and the fault passes
//! through a gateway untouched. A script that cannot be right is refused with the reason: a misspelt fault that
//! silently did nothing would make a test pass for nothing.

use std::time::Duration;

/// Most tokens in one answer; each costs some 250 bytes of JSON, and an answer is built whole before it is sent.
const TOKENS_MAX: u64 = 100_000;
/// Most bytes in one token's text.
const SIZE_BYTES_MAX: u64 = 16 << 20;
/// Most bytes of text in one answer, for the same reason; far more than all buffers on the way can hold.
const TEXT_BYTES_MAX: u64 = 64 << 20;
/// Longest wait. Longer than any test, short enough to catch a value meant in other units.
const WAIT_MS_MAX: u64 = 3_600_000;
/// Most extra headers.
const HEADERS_MAX: u64 = 1_000;
/// Longest embedding.
pub(crate) const DIM_MAX: u64 = 16_384;

/// Most tool calls in one answer.
const CALLS_MAX: u64 = 1_000;
/// Longest audio. Speech is written out, so this also bounds the bytes of an answer.
const SECONDS_MAX: u64 = 3_600;

/// One parsed script. Fields are named as the keys; `help.txt` says what each does.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Script {
    pub(crate) tokens: Option<usize>,
    pub(crate) size: Option<usize>,
    pub(crate) chars: Chars,
    pub(crate) finish: Option<String>,
    pub(crate) prompt: Option<u64>,
    pub(crate) cached: u64,
    pub(crate) written: u64,
    pub(crate) reasoning: u64,
    pub(crate) thinking: usize,
    pub(crate) usage: Usage,
    pub(crate) dim: Option<usize>,
    pub(crate) seconds: Option<u64>,
    pub(crate) calls: Option<usize>,
    pub(crate) args: Option<String>,
    pub(crate) talk: bool,
    pub(crate) echo_headers: bool,
    pub(crate) auth: Option<String>,
    pub(crate) inside: Option<String>,

    pub(crate) latency: Duration,
    pub(crate) ttft: Duration,
    /// `None`: the stream leaves in as few writes as possible. Zero: one write for each event.
    pub(crate) pace: Option<Duration>,

    pub(crate) status: Option<u16>,
    pub(crate) message: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) error_in: Option<usize>,

    pub(crate) stop: Option<Stop>,
    pub(crate) part: usize,
    pub(crate) garbage: Option<usize>,
    pub(crate) crc: Option<usize>,
    pub(crate) binary: bool,
    pub(crate) empty: bool,
    pub(crate) nochoices: bool,
    pub(crate) nodone: bool,
    pub(crate) nofinish: bool,
    pub(crate) json_for_stream: bool,
    pub(crate) wronglength: i64,

    pub(crate) split: Option<usize>,
    pub(crate) crlf: bool,
    pub(crate) nospace: bool,
    pub(crate) comments: bool,
    pub(crate) bom: bool,
    pub(crate) gzip: bool,
    pub(crate) chunked: bool,
    pub(crate) slowhead: bool,
    pub(crate) hdr: usize,

    pub(crate) close: bool,
    pub(crate) refuse_reuse: bool,
    pub(crate) drop: bool,

    pub(crate) times: Option<u64>,
}

/// What the text of an answer is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Chars {
    /// English words.
    #[default]
    Ascii,
    /// Words whose letters take two to four bytes.
    Unicode,
    /// Text that JSON has to escape, and every escape that may be used is used.
    Escaped,
    /// This text, again and again.
    Literal(String),
}

/// Where the usage stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Usage {
    /// As OpenAI: in a plain answer always, in a stream as a chunk of its own when asked for.
    #[default]
    Asked,
    /// Nowhere.
    Absent,
    /// `null` wherever it would stand.
    Null,
    /// Totals so far in each chunk, and the chunk of its own when asked for.
    Every,
    /// On the chunk with the finish reason, asked or not.
    Only,
}

/// An answer that ends before its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stop {
    /// Events of a stream, or bytes of a plain body, that are still sent.
    pub(crate) after: usize,
    /// What happens then.
    pub(crate) how: How,
}

/// What happens where an answer stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    /// The connection is closed in order.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing, until the client leaves.
    Stall,
}

impl Script {
    /// Parses texts, each over the one before: of the model's name the part after its first `;`, the header's, the body's.
    pub(crate) fn parse(texts: &[&str]) -> Result<Script, String> {
        let mut script = Script::default();
        for text in texts {
            script.apply(text)?;
        }
        let tokens = script.tokens.unwrap_or(0) as u64;
        let bytes = tokens.saturating_mul(script.size.unwrap_or(0) as u64);
        if bytes > TEXT_BYTES_MAX {
            return Err(format!(
                "tokens × size is more than {TEXT_BYTES_MAX} bytes: {bytes}"
            ));
        }
        Ok(script)
    }

    /// What is left once `times` is used up: the shape of the answer, nothing that goes wrong or takes time.
    pub(crate) fn clean(&self) -> Script {
        Script {
            tokens: self.tokens,
            size: self.size,
            chars: self.chars.clone(),
            finish: self.finish.clone(),
            prompt: self.prompt,
            cached: self.cached,
            written: self.written,
            reasoning: self.reasoning,
            thinking: self.thinking,
            usage: self.usage,
            dim: self.dim,
            seconds: self.seconds,
            calls: self.calls,
            args: self.args.clone(),
            talk: self.talk,
            echo_headers: self.echo_headers,
            auth: self.auth.clone(),
            inside: self.inside.clone(),
            ..Script::default()
        }
    }

    fn apply(&mut self, text: &str) -> Result<(), String> {
        for item in text.split(';') {
            let item = item.trim();
            if item.is_empty() {
                continue;
            }
            let (key, value) = item.split_once('=').unwrap_or((item, "1"));
            self.set(key.trim(), &unescaped(value.trim()))?;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "tokens" => self.tokens = Some(number(key, value, TOKENS_MAX)? as usize),
            "size" => self.size = Some(number(key, value, SIZE_BYTES_MAX)? as usize),
            "chars" => {
                self.chars = match value {
                    "" => {
                        return Err(
                            "chars must be ascii, unicode, escaped or a text, not empty".to_owned()
                        );
                    }
                    "ascii" => Chars::Ascii,
                    "unicode" => Chars::Unicode,
                    "escaped" => Chars::Escaped,
                    text => Chars::Literal(text.to_owned()),
                }
            }
            "finish" => self.finish = Some(value.to_owned()),
            "prompt" => self.prompt = Some(number(key, value, u32::MAX.into())?),
            "cached" => self.cached = number(key, value, u32::MAX.into())?,
            "written" => self.written = number(key, value, u32::MAX.into())?,
            "thinking" => self.thinking = number(key, value, TOKENS_MAX)? as usize,
            "reasoning" => self.reasoning = number(key, value, u32::MAX.into())?,
            "usage" => {
                self.usage = match value {
                    "asked" => Usage::Asked,
                    "absent" => Usage::Absent,
                    "null" => Usage::Null,
                    "every" => Usage::Every,
                    "only" => Usage::Only,
                    _ => {
                        return Err(format!(
                            "usage must be asked, absent, null, every or only: {value}"
                        ));
                    }
                }
            }
            "dim" => self.dim = Some(number(key, value, DIM_MAX)? as usize),
            "seconds" => self.seconds = Some(number(key, value, SECONDS_MAX)?),
            "calls" => self.calls = Some(number(key, value, CALLS_MAX)? as usize),
            "args" => self.args = Some(value.to_owned()),
            "talk" => self.talk = switch(key, value)?,
            "echo_headers" => self.echo_headers = switch(key, value)?,
            "auth" => self.auth = Some(value.to_owned()),
            "inside" => self.inside = Some(value.to_owned()),
            "latency" => self.latency = wait(key, value)?,
            "ttft" => self.ttft = wait(key, value)?,
            "pace" => self.pace = Some(wait(key, value)?),
            "status" => {
                let status = number(key, value, 599)?;
                if status < 200 {
                    return Err(format!("status must be between 200 and 599: {status}"));
                }
                self.status = Some(status as u16);
            }
            "message" => self.message = Some(value.to_owned()),
            "retry_after" => self.retry_after = Some(value.to_owned()),
            "error_in" => self.error_in = Some(position(key, value)?),
            "cut" => {
                self.stop = Some(Stop {
                    after: position(key, value)?,
                    how: How::Cut,
                })
            }
            "rst" => {
                self.stop = Some(Stop {
                    after: position(key, value)?,
                    how: How::Reset,
                })
            }
            "stall" => {
                self.stop = Some(Stop {
                    after: position(key, value)?,
                    how: How::Stall,
                })
            }
            "part" => self.part = position(key, value)?,
            "garbage" => self.garbage = Some(position(key, value)?),
            "crc" => self.crc = Some(position(key, value)?),
            "binary" => self.binary = switch(key, value)?,
            "empty" => self.empty = switch(key, value)?,
            "nochoices" => self.nochoices = switch(key, value)?,
            "nodone" => self.nodone = switch(key, value)?,
            "nofinish" => self.nofinish = switch(key, value)?,
            "json_for_stream" => self.json_for_stream = switch(key, value)?,
            "wronglength" => {
                let off = value
                    .parse::<i64>()
                    .ok()
                    .filter(|n| n.unsigned_abs() <= TEXT_BYTES_MAX);
                self.wronglength =
                    off.ok_or_else(|| format!("wronglength must be a number of bytes: {value}"))?;
            }
            "split" => {
                let bytes = position(key, value)?;
                self.split = (bytes > 0).then_some(bytes);
            }
            "crlf" => self.crlf = switch(key, value)?,
            "nospace" => self.nospace = switch(key, value)?,
            "comments" => self.comments = switch(key, value)?,
            "bom" => self.bom = switch(key, value)?,
            "gzip" => self.gzip = switch(key, value)?,
            "chunked" => self.chunked = switch(key, value)?,
            "slowhead" => self.slowhead = switch(key, value)?,
            "hdr" => self.hdr = number(key, value, HEADERS_MAX)? as usize,
            "close" => self.close = switch(key, value)?,
            "refuse_reuse" => self.refuse_reuse = switch(key, value)?,
            "drop" => self.drop = switch(key, value)?,
            "times" => self.times = Some(number(key, value, u64::MAX)?),
            _ => {
                return Err(format!(
                    "unknown key in the mock's script, see its GET /__mock/manual: {key}"
                ));
            }
        }
        Ok(())
    }
}

/// What a request's body says to the one that the model's script calls `inside=NAME`: the text in the first `[NAME …]`.
/// Nothing of it may need an escape in JSON, so that it is the same text in every dialect.
pub(crate) fn inside<'a>(model: &str, body: &'a [u8]) -> &'a [u8] {
    let named = model
        .split(';')
        .skip(1)
        .find_map(|item| item.trim().strip_prefix("inside="));
    let Some(name) = named else { return b"" };
    let mark = format!("[{name} ");
    let Some(at) = memchr::memmem::find(body, mark.as_bytes()) else {
        return b"";
    };
    let text = &body[at + mark.len()..];
    memchr::memchr(b']', text).map_or(b"", |end| &text[..end])
}

fn number(key: &str, value: &str, max: u64) -> Result<u64, String> {
    match value.parse::<u64>() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(format!("{key} must be a whole number up to {max}: {value}")),
    }
}

fn position(key: &str, value: &str) -> Result<usize, String> {
    Ok(number(key, value, TEXT_BYTES_MAX)? as usize)
}

fn wait(key: &str, value: &str) -> Result<Duration, String> {
    Ok(Duration::from_millis(number(key, value, WAIT_MS_MAX)?))
}

fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{key} must be 0 or 1: {value}")),
    }
}

/// `%XX` decoded; what is not an escape stays. Bytes that are not UTF-8 become the replacement character.
pub(crate) fn unescaped(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = value.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_wins_over_the_model_name() {
        let script = Script::parse(&["tokens=3;cut=5;gzip=1", " cut = 2 ; gzip=0"]).unwrap();
        assert_eq!(script.tokens, Some(3));
        assert_eq!(
            script.stop,
            Some(Stop {
                after: 2,
                how: How::Cut
            })
        );
        assert!(!script.gzip);
    }

    #[test]
    fn a_bare_key_is_a_switch_turned_on() {
        assert!(Script::parse(&["nodone"]).unwrap().nodone);
    }

    #[test]
    fn escapes_let_a_value_hold_a_semicolon() {
        let script = Script::parse(&["message=a%3Bb%20100%;chars=%F0%9F%9A%82"]).unwrap();
        assert_eq!(script.message.as_deref(), Some("a;b 100%"));
        assert_eq!(script.chars, Chars::Literal("🚂".to_owned()));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("cutt=1", "cutt"),
            ("tokens=-1", "tokens"),
            ("tokens=100001", "100000"),
            ("status=99", "200"),
            ("gzip=yes", "gzip"),
            ("usage=maybe", "maybe"),
            ("wronglength=x", "wronglength"),
            ("chars=", "chars"),
            ("tokens=100000;size=1000", "tokens × size"),
        ] {
            let mistake = Script::parse(&[text]).unwrap_err();
            assert!(mistake.contains(part), "{text}: {mistake}");
        }
    }

    #[test]
    fn clean_keeps_the_shape_and_forgets_the_faults() {
        let script =
            Script::parse(&["tokens=3;status=500;latency=9;gzip=1;times=2;auth=k"]).unwrap();
        assert_eq!(script.clean(), Script::parse(&["tokens=3;auth=k"]).unwrap());
    }

    #[test]
    fn a_body_says_something_to_each_name() {
        let body = br#"{"content":"x [one status=500] [two cut=1;part=3][three"}"#;
        for (model, text) in [
            ("p;inside=one", "status=500"),
            ("p;tokens=2; inside=two", "cut=1;part=3"),
            ("p;inside=three", ""),
            ("p;inside=on", ""),
            ("inside=one", ""),
        ] {
            assert_eq!(inside(model, body), text.as_bytes(), "{model}");
        }
    }

    /// The help is the only manual, so a key that it does not name does not exist, and the other way round.
    #[test]
    fn the_help_names_every_key_and_no_other() {
        let table = crate::HELP.split("SCRIPT").nth(1).unwrap();
        let mut keys = 0;
        for line in table
            .lines()
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        {
            for word in line
                .split_whitespace()
                .take_while(|word| word.contains('='))
            {
                let (key, value) = word.split_once('=').unwrap();
                let value = match value {
                    "HOW" => "null",
                    number if number.parse::<u8>().is_ok() => "1",
                    _ => "200",
                };
                Script::parse(&[&format!("{key}={value}")]).unwrap();
                keys += 1;
            }
        }
        // `Debug` prints each field once, and no value of the default script holds a colon; `stop` has three keys.
        let fields = format!("{:?}", Script::default()).matches(": ").count();
        assert_eq!(keys, fields + 2);
    }
}
