//! A stream of OpenAI's older family, made ours: server-sent events in, server-sent events out, span by span.
//!
//! Reading follows the standard (WHATWG HTML, "Server-sent events"): lines end in LF, CRLF or CR; one space after `data:` is
//! not part of the data; several `data:` lines are joined by a line feed; a byte order mark at the start and comments are
//! dropped; an event ends at an empty line. Events may be split anywhere between two reads. Unlike the standard, data that no
//! empty line follows at the end of the stream is still taken, because some servers leave the last line out.
//!
//! Writing is one `data:` line per event. In each chunk `id`, `created`, `model` and `provider` become ours, so that they agree
//! on all chunks; reasons for the end are normalised; `usage` is taken out and remembered, since providers send it once, or in
//! every chunk, or never. At the end one chunk with the usage is written, whatever the provider did, and then `[DONE]`.
//!
//! The usual chunk, whole in one read, is edited from the read buffer straight into the output: no copy and no allocation. If it
//! differs from an earlier one in its text only, it is not even walked (see the module `repeat`).

mod whole;

use std::borrow::Cow;

pub(crate) use whole::from_answer;

use crate::answer::{Facts, Serving};
use crate::api::Api;
use crate::cost::{Cost, ServiceTier};
use crate::edit::{self, Found, Shape, Stop};
use crate::finish::Finish;
use crate::json::{self, Malformed, Reach, write_number, write_string};
use crate::refusal::Refusal;
use crate::repeat::Repeat;
use crate::sse::{Lines, PartialLine};
use crate::stream::{EofVerdict, Step, StreamFault};
use crate::upstream_error::UpstreamError;
use crate::usage::{self, Usage, UsageSource};

/// Edits one stream. Made when the provider's head says that it is a stream; dropped with it.
#[derive(Debug)]
pub(crate) struct ChunkEditor {
    api: Api,
    partial: PartialLine,
    /// Data lines of the event that is not complete yet.
    data: Vec<u8>,
    has_data: bool,
    /// The event is called `error`.
    error_event: bool,
    /// The last byte read was a CR: an LF at the start of the next read belongs to it.
    after_cr: bool,
    done: bool,
    /// Data events with choices that were written.
    events: u64,
    upstream_id: Option<String>,
    finish: Option<Finish>,
    native: Option<Cow<'static, str>>,
    /// The provider's last usage: its raw text, and what it says.
    usage_raw: Vec<u8>,
    usage: Option<usage::Read>,
    /// The tier that served, once a chunk has named it and a price depends on it.
    service_tier: Option<ServiceTier>,
    text_bytes: u64,
    tool_calls: bool,
    repeat: Repeat,
}

const DATA_LINE: &[u8] = b"data: ";
const EVENT_END: &[u8] = b"\n\n";
const DONE: &[u8] = b"[DONE]";

/// Room for what is added to a chunk.
const GROWTH_BYTES: usize = 256;

impl ChunkEditor {
    /// For a stream of `api`. `event_bytes_max`: see [`StreamFault::TooLarge`].
    pub(crate) fn new(api: Api, event_bytes_max: usize) -> ChunkEditor {
        ChunkEditor {
            api,
            partial: PartialLine::new(Lines::Events, event_bytes_max),
            data: Vec::new(),
            has_data: false,
            error_event: false,
            after_cr: false,
            done: false,
            events: 0,
            upstream_id: None,
            finish: None,
            native: None,
            usage_raw: Vec::new(),
            usage: None,
            text_bytes: 0,
            tool_calls: false,
            service_tier: None,
            repeat: Repeat::default(),
        }
    }

    /// Takes what was read from the provider and appends the events that it completes.
    pub(crate) fn push(
        &mut self,
        input: &[u8],
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Step, StreamFault> {
        let before = self.events;
        let read = self.read(input, serving, out);
        let events = u32::try_from(self.events - before).unwrap_or(u32::MAX);
        read.map(|()| Step {
            events,
            done: self.done,
        })
    }

    /// The provider closed the stream: takes what was left without a line end, and says whether the stream was whole.
    pub(crate) fn eof(
        &mut self,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<EofVerdict, StreamFault> {
        let line = self.partial.take();
        let mut flushed = Ok(());
        if !line.is_empty() && !self.done {
            flushed = self.line(&line, serving, out);
        }
        if flushed.is_ok() && !self.done {
            flushed = self.dispatch_buffered(serving, out);
        }
        match flushed {
            // A last event that is no JSON is one that was cut.
            Ok(()) | Err(StreamFault::Malformed { .. }) => Ok(self.verdict()),
            Err(fault) => Err(fault),
        }
    }

    /// Ends the stream well: appends the chunk with the usage, and `[DONE]`.
    pub(crate) fn end(
        &mut self,
        serving: &Serving<'_>,
        input_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Facts {
        let mut facts = self.facts(serving, input_bytes);
        if self.finish.is_none() {
            // The provider said that it was done and not why.
            let finish = if self.tool_calls {
                Finish::ToolCalls
            } else {
                Finish::Stop
            };
            self.finish = Some(finish);
            self.native = Some(Cow::Borrowed(finish.name()));
            facts.finish = self.finish;
            facts.native_finish = self.native.clone();
        }
        let mark = out.len();
        self.open_chunk(serving, out);
        let finish = facts.finish.unwrap_or(Finish::Stop);
        let native = facts.native_finish.as_deref().unwrap_or(finish.name());
        self.write_empty_choice(finish.name(), native, out);
        out.extend_from_slice(b",\"usage\":");
        match (&self.usage, std::str::from_utf8(&self.usage_raw)) {
            (Some(read), Ok(raw)) => usage::write(raw, read, self.api, &facts.cost, out),
            _ => usage::write_estimated(&facts.usage, self.api, &facts.cost, out),
        }
        out.push(b'}');
        // The provider's object may have been written over several lines.
        if memchr::memchr2(b'\n', b'\r', &self.usage_raw).is_some() {
            without_line_ends(mark, out);
        }
        out.extend_from_slice(EVENT_END);
        out.extend_from_slice(DATA_LINE);
        out.extend_from_slice(DONE);
        out.extend_from_slice(EVENT_END);
        self.done = true;
        facts
    }

    /// Ends the stream badly: appends one chunk with the error. No `[DONE]` follows, because it was not done.
    pub(crate) fn interrupted(
        &mut self,
        serving: &Serving<'_>,
        input_bytes: usize,
        refusal: &Refusal,
        out: &mut Vec<u8>,
    ) -> Facts {
        self.finish = Some(Finish::Error);
        self.native = Some(Cow::Borrowed(Finish::Error.name()));
        self.open_chunk(serving, out);
        out.extend_from_slice(b"\"error\":");
        refusal.write_error(out);
        out.push(b',');
        self.write_empty_choice(Finish::Error.name(), Finish::Error.name(), out);
        out.push(b'}');
        out.extend_from_slice(EVENT_END);
        self.done = true;
        self.facts(serving, input_bytes)
    }

    /// What has been consumed so far.
    pub(crate) fn facts(&self, serving: &Serving<'_>, input_bytes: usize) -> Facts {
        let (usage, usage_source) = match &self.usage {
            Some(read) => (read.usage, UsageSource::Upstream),
            None if self.events == 0 => (Usage::default(), UsageSource::None),
            None => (
                Usage::estimated(input_bytes as u64, self.text_bytes),
                UsageSource::Estimated,
            ),
        };
        Facts {
            usage,
            usage_source,
            cost: match usage_source {
                UsageSource::None => Cost::default(),
                _ => Cost::of(
                    &usage,
                    serving.prices,
                    self.service_tier.map(ServiceTier::name),
                )
                .charged(self.finish, usage.completion),
            },
            finish: self.finish,
            native_finish: self.native.clone(),
            upstream_id: self.upstream_id.clone(),
        }
    }

    /// Data events with choices that have been written since the start.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Whether the provider said why the generation ended.
    pub(crate) fn finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Bytes that are held between two reads, for accounting of memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.partial.held_bytes()
            + self.data.capacity()
            + self.usage_raw.capacity()
            + self.repeat.held_bytes()
    }

    fn verdict(&self) -> EofVerdict {
        match self.done || self.finish.is_some() {
            true => EofVerdict::Complete,
            false => EofVerdict::Cut,
        }
    }

    fn read(
        &mut self,
        input: &[u8],
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        let mut at = 0;
        if std::mem::take(&mut self.after_cr) {
            if input.is_empty() {
                self.after_cr = true;
            }
            at = usize::from(input.first() == Some(&b'\n'));
        }
        while !self.done {
            let rest = input.get(at..).unwrap_or_default();
            let Some(len) = memchr::memchr2(b'\n', b'\r', rest) else {
                return self.partial.hold(rest, self.data.len());
            };
            let line = rest.get(..len).unwrap_or_default();
            let mut next = at + len + 1;
            if rest.get(len) == Some(&b'\r') {
                match input.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            at = next;
            if !self.partial.is_empty() {
                let whole = self.partial.complete(line, self.data.len())?;
                let taken = self.line(&whole, serving, out);
                self.partial.reuse(whole);
                taken?;
                continue;
            }
            // The usual event is one data line and an empty one, both here: no need to collect it first.
            let ends = matches!(input.get(at), Some(b'\n' | b'\r'));
            if ends
                && self.partial.has_begun()
                && !self.has_data
                && !self.error_event
                && line.starts_with(b"data:")
            {
                self.partial.bound(line.len())?;
                self.dispatch(value_of(line, 5), serving, out)?;
                at += 1;
                if input.get(at - 1) == Some(&b'\r') {
                    match input.get(at) {
                        Some(b'\n') => at += 1,
                        Some(_) => {}
                        None => self.after_cr = true,
                    }
                }
                continue;
            }
            self.line(line, serving, out)?;
        }
        Ok(())
    }

    /// Takes one whole line, without its end.
    fn line(
        &mut self,
        line: &[u8],
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        let line = self.partial.begin(line)?;
        if line.is_empty() {
            return self.dispatch_buffered(serving, out);
        }
        self.partial.bound(self.data.len() + line.len())?;
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        match line.get(..colon).unwrap_or_default() {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value_of(line, colon + 1));
                self.has_data = true;
            }
            b"event" => self.error_event = value_of(line, colon + 1) == b"error",
            // Comments, `id`, `retry`, and fields that the standard does not know.
            _ => {}
        }
        Ok(())
    }

    fn dispatch_buffered(
        &mut self,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        let error_event = std::mem::take(&mut self.error_event);
        if !std::mem::take(&mut self.has_data) {
            return Ok(());
        }
        let data = std::mem::take(&mut self.data);
        let sent = if error_event {
            Err(error_inside(&data))
        } else {
            self.dispatch(&data, serving, out)
        };
        self.data = data;
        self.data.clear();
        sent
    }

    /// Takes one event's data.
    fn dispatch(
        &mut self,
        data: &[u8],
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        if let Some(text_bytes) = self.repeat.write(data, serving, out) {
            self.repeat.recognised();
            self.text_bytes += text_bytes;
            self.events += 1;
            return Ok(());
        }
        let data_trimmed = data.trim_ascii();
        if data_trimmed == DONE {
            self.done = true;
            return Ok(());
        }
        if data_trimmed.is_empty() {
            return Ok(());
        }
        let malformed = |wrong: Malformed| StreamFault::Malformed {
            offset: wrong.offset,
            why: wrong.why,
        };
        let text = json::text(data).map_err(malformed)?;
        let mark = out.len();
        out.reserve(data.len() + GROWTH_BYTES);
        out.extend_from_slice(DATA_LINE);
        let (mut regular, mut found) = (false, Found::default());
        let edited = match edit::document(text, Shape::Chunk, false, serving, out, &mut found) {
            Err(Stop::Irregular) => {
                out.truncate(mark + DATA_LINE.len());
                match json::canonical(text, Reach::Everywhere) {
                    Ok(canonical) => {
                        edit::document(&canonical, Shape::Chunk, true, serving, out, &mut found)
                            .map(|()| self.remember(&canonical, &mut found))
                    }
                    Err(wrong) => Err(Stop::Malformed(wrong)),
                }
            }
            Ok(()) => {
                regular = true;
                Ok(self.remember(text, &mut found))
            }
            Err(stop) => Err(stop),
        };
        let verdict = match edited {
            Ok(verdict) => verdict,
            Err(stop) => {
                out.truncate(mark);
                return Err(malformed(match stop {
                    Stop::Malformed(wrong) => wrong,
                    Stop::Irregular => Malformed {
                        offset: 0,
                        why: "a key stands twice",
                    },
                }));
            }
        };
        match verdict {
            Verdict::Error => {
                out.truncate(mark);
                return Err(error_inside(data));
            }
            Verdict::Swallow => {
                out.truncate(mark);
                return Ok(());
            }
            Verdict::Send { choices } => self.events += u64::from(choices),
        }
        // Line ends between tokens would end our one data line. Inside strings there are none: they must be escaped there.
        if self.has_line_ends(data) {
            without_line_ends(mark, out);
        }
        out.extend_from_slice(EVENT_END);
        if regular {
            let event = out.get(mark..).unwrap_or_default();
            self.repeat.learn(text, &found, event, mark, serving);
        }
        Ok(())
    }

    /// Only data of several lines holds line ends.
    fn has_line_ends(&self, data: &[u8]) -> bool {
        memchr::memchr(b'\n', data).is_some()
    }

    fn remember(&mut self, text: &str, found: &mut edit::Found) -> Verdict {
        if found.error {
            return Verdict::Error;
        }
        let usage_given = found.usage.is_some();
        if let Some((span, read)) = &found.usage {
            // Counts grow; an object of zeros after one that said something is a placeholder.
            let placeholder = read.usage.total == 0 && self.usage.is_some();
            if !placeholder {
                self.usage = Some(*read);
                self.usage_raw.clear();
                self.usage_raw.extend_from_slice(span.of(text).as_bytes());
            }
        }
        if self.upstream_id.is_none() {
            // Azure's first chunk, which reports on filters only, has an empty one.
            let id = found.id.and_then(|id| id.string(text));
            self.upstream_id = id.filter(|id| !id.is_empty()).map(Cow::into_owned);
        }
        self.service_tier = found.service_tier.or(self.service_tier);
        if found.finish.is_some() {
            self.finish = found.finish;
            self.native = found.native.take();
        }
        self.text_bytes += found.text_bytes;
        self.tool_calls |= found.tool_calls;
        if found.results == 0 && usage_given {
            return Verdict::Swallow;
        }
        Verdict::Send {
            choices: found.results > 0,
        }
    }

    /// Appends a chunk of our own up to where its choices go.
    fn open_chunk(&self, serving: &Serving<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(DATA_LINE);
        out.extend_from_slice(b"{\"id\":");
        write_string(serving.id, out);
        out.extend_from_slice(b",\"object\":");
        write_string(self.api.chunk_object(), out);
        out.extend_from_slice(b",\"created\":");
        write_number(serving.created, out);
        out.extend_from_slice(b",\"model\":");
        write_string(serving.model, out);
        out.extend_from_slice(b",\"provider\":");
        write_string(serving.provider, out);
        out.push(b',');
    }

    /// Appends `choices` with one that adds nothing to the text.
    fn write_empty_choice(&self, finish: &str, native: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"choices\":[{\"index\":0,");
        out.extend_from_slice(match self.api {
            Api::Completions => b"\"text\":\"\"".as_slice(),
            _ => b"\"delta\":{\"role\":\"assistant\",\"content\":\"\"}",
        });
        out.extend_from_slice(b",\"finish_reason\":");
        write_string(finish, out);
        out.extend_from_slice(b",\"native_finish_reason\":");
        write_string(native, out);
        out.extend_from_slice(b"}]");
    }
}

enum Verdict {
    Send { choices: bool },
    Swallow,
    Error,
}

/// A field's value: what stands at `at` of the line, without one leading space.
fn value_of(line: &[u8], at: usize) -> &[u8] {
    let value = line.get(at..).unwrap_or_default();
    value.strip_prefix(b" ").unwrap_or(value)
}

/// Makes line ends spaces from `mark` on: they can stand between tokens only, because strings must escape them.
fn without_line_ends(mark: usize, out: &mut [u8]) {
    for byte in out.iter_mut().skip(mark) {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

fn error_inside(data: &[u8]) -> StreamFault {
    let error = UpstreamError::read(data);
    StreamFault::ErrorInside {
        status: error.status,
        message: error.message,
        raw: error.raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Unusable;
    use crate::refusal::Kind;
    use serde_json::Value;

    const CHAT: Api = Api::Chat;

    fn push(editor: &mut ChunkEditor, input: &str, out: &mut Vec<u8>) -> Result<Step, StreamFault> {
        editor.push(input.as_bytes(), &Serving::example(editor.api), out)
    }

    /// Pushes all of it and ends; the events' data, the last two being ours.
    fn edited(input: &str) -> (Vec<String>, Facts) {
        let mut editor = ChunkEditor::new(CHAT, 10_000);
        let mut out = Vec::new();
        push(&mut editor, input, &mut out).unwrap();
        editor.eof(&Serving::example(CHAT), &mut out).unwrap();
        let facts = editor.end(&Serving::example(CHAT), 8, &mut out);
        (events(&out), facts)
    }

    #[test]
    fn a_tier_that_one_chunk_names_sets_the_price_of_the_stream() {
        use crate::cost::{Prices, Service};

        let prices = Prices {
            prompt: 1_000_000_000,
            service: vec![Service {
                tier: ServiceTier::Flex,
                prompt: Some(500_000_000),
                completion: None,
                cache_read: None,
                cache_write: None,
            }],
            ..Prices::default()
        };
        let serving = Serving {
            prices: Some(&prices),
            ..Serving::example(CHAT)
        };
        let mut editor = ChunkEditor::new(CHAT, 10_000);
        let mut out = Vec::new();
        let input = concat!(
            r#"data: {"choices":[{"delta":{"content":"a"}}],"service_tier":"flex"}"#,
            "\n\n",
            r#"data: {"choices":[],"service_tier":null,"usage":{"prompt_tokens":1000,"completion_tokens":1}}"#,
            "\n\ndata: [DONE]\n\n"
        );
        editor.push(input.as_bytes(), &serving, &mut out).unwrap();
        let facts = editor.end(&serving, 8, &mut out);
        assert_eq!(facts.cost.total_nano, 500_000);
    }

    fn events(out: &[u8]) -> Vec<String> {
        let text = std::str::from_utf8(out).unwrap();
        let mut events = Vec::new();
        for event in text.split_terminator("\n\n") {
            events.push(event.strip_prefix("data: ").unwrap().to_owned());
        }
        events
    }

    fn json(event: &str) -> Value {
        serde_json::from_str(event).unwrap()
    }

    const HELLO: &str = r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}"#;
    const FINISH: &str = r#"{"id":"x","created":2,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"eos"}]}"#;
    const USAGE: &str = r#"{"id":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"queue":0.5}}"#;

    #[test]
    fn an_ordinary_stream_is_edited_and_ended() {
        let (events, facts) = edited(&format!(
            "data: {HELLO}\n\ndata: {FINISH}\n\ndata: {USAGE}\n\ndata: [DONE]\n\n"
        ));
        assert_eq!(events.len(), 4);
        assert_eq!(
            events[0],
            r#"{"id":"gen-1-a","object":"chat.completion.chunk","created":5,"model":"a/b","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null,"native_finish_reason":null}],"provider":"P"}"#
        );
        assert_eq!(json(&events[1])["choices"][0]["finish_reason"], "stop");
        assert_eq!(
            json(&events[1])["choices"][0]["native_finish_reason"],
            "eos"
        );
        let usage = json(&events[2]);
        assert_eq!(usage["choices"][0]["finish_reason"], "stop");
        assert_eq!(usage["choices"][0]["native_finish_reason"], "eos");
        assert_eq!(usage["usage"]["queue"], 0.5);
        assert_eq!(usage["usage"]["cost"], 0);
        assert_eq!(events[3], "[DONE]");
        assert_eq!(
            (facts.usage.total, facts.usage_source),
            (4, UsageSource::Upstream)
        );
        assert_eq!(facts.upstream_id.as_deref(), Some("x"));
    }

    #[test]
    fn the_forms_that_the_standard_allows_are_read_alike() {
        let (expected, _) = edited(&format!(
            "data: {HELLO}\n\ndata: {FINISH}\n\ndata: [DONE]\n\n"
        ));
        for input in [
            format!("data:{HELLO}\n\ndata:{FINISH}\n\ndata:[DONE]\n\n"),
            format!("\u{feff}data: {HELLO}\r\n\r\ndata: {FINISH}\r\n\r\ndata: [DONE]\r\n\r\n"),
            format!("data: {HELLO}\r\rdata: {FINISH}\r\rdata: [DONE]\r\r"),
            format!(
                ": ping\n\nevent: message\nid: 7\nretry: 3\ndata: {HELLO}\n\n:\n\n\n\ndata: {FINISH}\n\ndata: [DONE]"
            ),
            format!("data: {HELLO}\n\ndata: {FINISH}\n\n"),
            format!("data: {HELLO}\n\ndata: {FINISH}"),
            format!("data: {HELLO}\n\ndata: {FINISH}\n\ndata: [DONE]\n\ndata: {HELLO}\n\n"),
        ] {
            assert_eq!(edited(&input).0, expected, "{input}");
        }
    }

    #[test]
    fn data_of_several_lines_becomes_one() {
        let (events, _) = edited(
            "data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"a\\nb\"},\ndata:\ndata: \"index\":0}]}\n\n",
        );
        assert_eq!(json(&events[0])["choices"][0]["delta"]["content"], "a\nb");
        assert!(!events[0].contains('\n'));
    }

    #[test]
    fn usage_in_every_chunk_is_taken_out_and_the_last_one_counts() {
        let chunk = |tokens: u32| {
            format!(
                "data: {{\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{tokens}}},\"choices\":[{{\"delta\":{{}}}}],\"x\":1}}\n\n"
            )
        };
        let (events, facts) = edited(&format!(
            "{}{}data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"length\"}}],\"usage\":null}}\n\n",
            chunk(1),
            chunk(2)
        ));
        for event in &events[..3] {
            assert_eq!(json(event).get("usage"), None, "{event}");
        }
        assert_eq!((facts.usage.completion, facts.usage.total), (2, 5));
        assert_eq!(facts.finish, Some(Finish::Length));
    }

    #[test]
    fn a_chunk_without_choices_passes_unless_it_only_carries_usage() {
        let (events, _) = edited(
            "data: {\"choices\":[],\"prompt_filter_results\":[1]}\n\ndata: {\"usage\":{\"prompt_tokens\":1}}\n\n",
        );
        assert_eq!(events.len(), 3);
        assert_eq!(json(&events[0])["prompt_filter_results"][0], 1);
        let (events, _) = edited("data: {\"choices\":null,\"usage\":null}\n\ndata: {}\n\n");
        assert_eq!(json(&events[0])["choices"], Value::Array(vec![]));
        assert_eq!(json(&events[1])["choices"], Value::Array(vec![]));
    }

    #[test]
    fn a_done_without_a_reason_gets_one() {
        let (events, facts) =
            edited("data: {\"choices\":[{\"delta\":{\"content\":\"12345\"}}]}\n\ndata: [DONE]\n\n");
        assert_eq!(json(&events[1])["choices"][0]["finish_reason"], "stop");
        assert_eq!((facts.usage.prompt, facts.usage.completion), (2, 2));
        assert_eq!(facts.usage_source, UsageSource::Estimated);
        let (events, _) = edited(
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\"}}]}}]}\n\n",
        );
        assert_eq!(
            json(&events[1])["choices"][0]["finish_reason"],
            "tool_calls"
        );
    }

    #[test]
    fn the_end_of_the_stream_is_judged() {
        let verdict = |input: &str| {
            let mut editor = ChunkEditor::new(CHAT, 10_000);
            let mut out = Vec::new();
            push(&mut editor, input, &mut out).unwrap();
            editor.eof(&Serving::example(CHAT), &mut out).unwrap()
        };
        assert_eq!(verdict(&format!("data: {HELLO}\n\n")), EofVerdict::Cut);
        assert_eq!(
            verdict(&format!("data: {HELLO}\n\ndata: {FINISH}\n\n")),
            EofVerdict::Complete
        );
        assert_eq!(
            verdict(&format!("data: {HELLO}\n\ndata: [DONE]\n")),
            EofVerdict::Complete
        );
        assert_eq!(
            verdict(&format!("data: {}", &FINISH[..FINISH.len() - 4])),
            EofVerdict::Cut
        );
        assert_eq!(verdict(""), EofVerdict::Cut);
    }

    fn fault(input: &str) -> (StreamFault, usize) {
        let mut editor = ChunkEditor::new(CHAT, 300);
        let mut out = Vec::new();
        let fault = push(&mut editor, input, &mut out).unwrap_err();
        (fault, events(&out).len())
    }

    #[test]
    fn an_error_inside_ends_the_stream_after_what_was_good() {
        for input in [
            "data: {\"error\":{\"message\":\"busy\",\"code\":\"503\"}}\n\n",
            "event: error\ndata: {\"message\":\"busy\",\"status\":503}\n\n",
            "data: {\"choices\":[{\"delta\":{}}],\"error\":{\"message\":\"busy\",\"code\":503}}\n\n",
        ] {
            let (fault, sent) = fault(&format!("data: {HELLO}\n\n{input}"));
            let StreamFault::ErrorInside {
                status, message, ..
            } = fault
            else {
                panic!("{fault:?}");
            };
            assert_eq!(
                (status, message.as_str(), sent),
                (Some(503), "busy", 1),
                "{input}"
            );
        }
        let (events, _) = edited("data: {\"error\":null,\"choices\":[{\"delta\":{}}]}\n\n");
        assert_eq!(events.len(), 3);
    }

    #[test]
    fn what_is_no_stream_of_chunks_is_refused() {
        assert!(matches!(
            fault("data: nonsense\n\n").0,
            StreamFault::Malformed { offset: 0, .. }
        ));
        assert!(matches!(
            fault("data: [1]\n\n").0,
            StreamFault::Malformed { .. }
        ));
        assert!(matches!(
            fault("{\"choices\":").0,
            StreamFault::NotAStream { .. }
        ));
        assert!(matches!(
            fault(" \u{3c}html>\n").0,
            StreamFault::NotAStream { .. }
        ));
        let long = "x".repeat(301);
        for input in [
            long.clone(),
            format!(": {long}\n"),
            format!("data: {long}\n\n"),
            "data: 1\n".repeat(200),
        ] {
            assert_eq!(
                fault(&input).0,
                StreamFault::TooLarge {
                    event_bytes_max: 300
                }
            );
        }
    }

    #[test]
    fn an_interrupted_stream_says_so_in_band() {
        let mut editor = ChunkEditor::new(CHAT, 300);
        let mut out = Vec::new();
        push(&mut editor, &format!("data: {HELLO}\n\n"), &mut out).unwrap();
        let refusal =
            Refusal::new(Kind::ProviderUnavailable).with_message("the provider closed the stream");
        let facts = editor.interrupted(&Serving::example(CHAT), 8, &refusal, &mut out);
        let events = events(&out);
        let last = json(&events[1]);
        assert_eq!(last["error"]["code"], 502);
        assert_eq!(last["choices"][0]["finish_reason"], "error");
        assert_eq!(events.len(), 2);
        assert_eq!((facts.usage.prompt, facts.usage.completion), (2, 2));
        assert_eq!(facts.finish, Some(Finish::Error));
    }

    #[test]
    fn nothing_sent_is_nothing_used() {
        let editor = ChunkEditor::new(CHAT, 300);
        assert_eq!(
            editor.facts(&Serving::example(CHAT), 800).usage_source,
            UsageSource::None
        );
    }

    #[test]
    fn completions_end_with_a_text_choice() {
        let mut editor = ChunkEditor::new(Api::Completions, 300);
        let mut out = Vec::new();
        push(
            &mut editor,
            "data: {\"choices\":[{\"text\":\"1234\",\"index\":0}]}\n\n",
            &mut out,
        )
        .unwrap();
        let facts = editor.end(&Serving::example(Api::Completions), 8, &mut out);
        let events = events(&out);
        assert_eq!(json(&events[0])["object"], "text_completion");
        assert_eq!(json(&events[1])["choices"][0]["text"], "");
        assert_eq!(json(&events[1])["choices"][0].get("delta"), None);
        assert_eq!(facts.usage.completion, 1);
    }

    #[test]
    fn a_plain_answer_becomes_a_stream() {
        let body = "{\"id\":\"x\",\n\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\"},{}]},\"finish_reason\":\"tool_use\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"cost\":7}}";
        let mut out = Vec::new();
        let facts = from_answer(body.as_bytes(), &Serving::example(CHAT), 8, &mut out).unwrap();
        let events = events(&out);
        assert_eq!(events.len(), 3);
        let first = json(&events[0]);
        assert_eq!(first["object"], "chat.completion.chunk");
        assert_eq!(first["choices"][0]["delta"]["tool_calls"][0]["index"], 0);
        assert_eq!(first["choices"][0]["delta"]["tool_calls"][1]["index"], 1);
        assert_eq!(first["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(first["choices"][0]["native_finish_reason"], "tool_use");
        assert_eq!(json(&events[1])["usage"]["cost"], 0);
        assert_eq!(facts.usage.total, 4);
        assert_eq!(facts.upstream_id.as_deref(), Some("x"));
        assert_eq!(
            from_answer(b"{}", &Serving::example(CHAT), 8, &mut out),
            Err(Unusable::NoChoices)
        );
    }
}
