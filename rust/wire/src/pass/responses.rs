//! Answers of providers that speak the client's own protocol, `responses`.
//!
//! A response object keeps its bytes but for `id` and `model`, which are ours, and `usage`, to which the cost is added; that holds for a
//! plain answer and for each event that carries the object. All other events pass as they are, those too that nobody here knows. The
//! last event waits until the answer is booked, and `[DONE]` follows it whether or not the provider sends one.

use std::borrow::Cow;

use crate::answer::{Closing, Facts, Serving, Unusable, counted};
use crate::api::responses::envelope::{Envelope, State, write_cost, write_usage};
use crate::api::responses::object::Object;
use crate::api::responses::stream::{begin_event, end_event};
use crate::cost::Cost;
use crate::dialect::responses::{failure, finish, usage};
use crate::finish::Finish;
use crate::json::{self, Kind, Span, Walker, write_string};
use crate::pass::FrameEditor;
use crate::refusal::Refusal;
use crate::sse::Frame;
use crate::stream::{Notes, StreamFault};
use crate::upstream_error::UpstreamError;
use crate::usage::{Usage, UsageSource};

/// See [`crate::pass::answer`].
pub(crate) fn answer(
    text: &str,
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    let mut walker = Walker::new(text);
    let body = Object::read(&mut walker).map_err(Unusable::Malformed)?;
    walker.finish().map_err(Unusable::Malformed)?;
    if let Some(error) = failure(&body) {
        return Err(unusable(error));
    }
    if body
        .value("output")
        .is_none_or(|output| output.kind != Kind::Array)
    {
        return Err(Unusable::NoChoices);
    }
    let service_tier = body.filled("service_tier");
    let (usage, usage_source) = counted(
        usage(&body),
        input_bytes,
        body.raw("output").map_or(0, str::len) as u64,
    );
    let finish = finish(&body);
    let cost = Cost::of(&usage, serving.prices, service_tier.as_deref())
        .charged(finish.as_ref().map(|(finish, _)| *finish), usage.completion);
    edit(text, serving, Some((&usage, usage_source, &cost)), out).map_err(Unusable::Malformed)?;
    Ok(Facts {
        usage,
        usage_source,
        cost,
        finish: finish
            .as_ref()
            .map(|(finish, _)| crate::answer::finish(Some(*finish), calls_tools(&body))),
        native_finish: finish.map(|(_, native)| crate::finish::native(&native)),
        upstream_id: body.filled("id").map(Cow::into_owned),
    })
}

fn unusable(error: UpstreamError) -> Unusable {
    Unusable::ErrorInside {
        status: error.status,
        message: error.message,
        raw: error.raw,
    }
}

fn calls_tools(body: &Object<'_>) -> bool {
    let mut items = body.elements("output").into_iter().filter_map(Object::of);
    items.any(|item| is_call(item.text("type").as_deref()))
}

fn is_call(kind: Option<&str>) -> bool {
    matches!(kind, Some("function_call" | "custom_tool_call"))
}

/// Appends a response object with our id and model, and with what it used. `used`: `None` while it is not known.
fn edit(
    text: &str,
    serving: &Serving<'_>,
    used: Option<(&Usage, UsageSource, &Cost)>,
    out: &mut Vec<u8>,
) -> Result<(), json::Malformed> {
    let mut walker = Walker::new(text);
    let mut copied = 0;
    let mut usage_seen = false;
    let mut end = 0;
    let mut more = walker.enter_object()?;
    let any = more;
    if !any {
        end = walker.offset().saturating_sub(1);
    }
    while more {
        let key = walker.key()?;
        let value = walker.value()?;
        end = value.span.end;
        let ours = matches!(key.name, "id" | "model") || (key.name == "usage" && used.is_some());
        if ours {
            copy(text, copied, value.span.start, out);
            copied = value.span.end;
            match (key.name, used) {
                ("id", _) => write_string(serving.id, out),
                ("model", _) => write_string(serving.model, out),
                (_, Some((usage, source, cost))) => {
                    usage_seen = true;
                    match (value.kind, source) {
                        (Kind::Object, UsageSource::Upstream) => {
                            add_cost(value.raw(text), cost, out);
                        }
                        _ => write_usage(usage, cost, out),
                    }
                }
                _ => {}
            }
        }
        more = walker.next_member()?;
    }
    copy(text, copied, end, out);
    if let Some((usage, _, cost)) = used.filter(|_| !usage_seen) {
        out.extend_from_slice(if any { b",\"usage\":" } else { b"\"usage\":" });
        write_usage(usage, cost, out);
    }
    copy(text, end, text.len(), out);
    Ok(())
}

fn copy(text: &str, start: usize, end: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(Span { start, end }.of(text).as_bytes());
}

/// Appends the provider's counts with our cost; what the provider says about money is its own affair.
fn add_cost(raw: &str, cost: &Cost, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut any = false;
    for (name, value) in Object::of(raw).iter().flat_map(Object::members) {
        if let "cost" | "cost_details" | "is_byok" = name.as_ref() {
            continue;
        }
        if std::mem::replace(&mut any, true) {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    // An object that counts holds a count, so the comma is right.
    write_cost(cost, out);
    out.push(b'}');
}

/// Edits one stream.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    /// The last event: its name, and its data as it came.
    last: Option<(String, Vec<u8>)>,
    /// The number that an event of ours would have.
    sequence: u64,
    /// Something has been written.
    begun: bool,
}

impl FrameEditor for Editor {
    fn frame(
        &mut self,
        frame: Frame<'_>,
        notes: &mut Notes,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        if frame.data.trim_ascii() == b"[DONE]" {
            notes.done = true;
            return Ok(());
        }
        let text = json::text(frame.data).map_err(malformed)?;
        let mut walker = Walker::new(text);
        let event = Object::read(&mut walker).map_err(malformed)?;
        walker.finish().map_err(malformed)?;
        let kind = event.text("type");
        let kind = kind.as_deref().unwrap_or(frame.name);
        if let Some(number) = event.number("sequence_number") {
            self.sequence = number.saturating_add(1);
        }
        match kind {
            "error" | "response.failed" => return Err(fault(&event, text)),
            "" if event.value("error").is_some() => return Err(fault(&event, text)),
            _ => {}
        }
        let body = event.object("response");
        if let Some(body) = &body {
            note_response(body, notes);
        }
        if let "response.completed" | "response.incomplete" = kind {
            if let Some(error) = body.as_ref().and_then(failure) {
                return Err(StreamFault::ErrorInside {
                    status: error.status,
                    message: error.message,
                    raw: error.raw,
                });
            }
            let fallback = match kind {
                "response.incomplete" => (Finish::Length, Cow::Borrowed("incomplete")),
                _ => (Finish::Stop, Cow::Borrowed("completed")),
            };
            let (finish, native) = body.as_ref().and_then(finish).unwrap_or(fallback);
            notes.events += 1;
            notes.finish = Some(finish);
            notes.native.clear();
            notes.native.push_str(&native);
            notes.done = true;
            self.last = Some((kind.to_owned(), frame.data.to_vec()));
            return Ok(());
        }
        if body.is_none() {
            note_content(kind, &event, notes);
        }
        self.begun = true;
        write_event(kind, text, body.is_some(), serving, None, out)
    }

    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let used = (&closing.usage, closing.usage_source, &closing.cost);
        let passed = self.last.take().is_some_and(|(kind, data)| {
            let mark = out.len();
            let text = std::str::from_utf8(&data).unwrap_or_default();
            let written = write_event(&kind, text, true, serving, Some(used), out);
            if written.is_err() {
                out.truncate(mark);
            }
            written.is_ok()
        });
        if !passed {
            self.own_end(State::Ended(closing), serving, out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn interrupted(
        &mut self,
        refusal: &Refusal,
        closing: &Closing<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        self.own_end(State::Failed(refusal, closing), serving, out);
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn held_bytes(&self) -> usize {
        let last = self.last.as_ref();
        size_of::<Editor>() + last.map_or(0, |(kind, data)| kind.capacity() + data.capacity())
    }
}

impl Editor {
    /// Appends a last event of ours. What was generated is not in it: it passed, and was not kept.
    fn own_end(&mut self, state: State<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let envelope = Envelope::new(serving.asked);
        let mut events = vec![(state, state.last_event())];
        if !self.begun {
            events.insert(0, (State::InProgress, "response.created"));
        }
        for (state, name) in events {
            begin_event(name, self.sequence, out);
            self.sequence += 1;
            out.extend_from_slice(b",\"response\":");
            envelope.write(state, serving, |_| {}, out);
            end_event(out);
        }
    }
}

/// Writes down what a response object tells.
fn note_response(body: &Object<'_>, notes: &mut Notes) {
    if notes.upstream_id.is_none() {
        notes.upstream_id = body.filled("id").map(Cow::into_owned);
    }
    if let Some(usage) = usage(body) {
        notes.usage = Some(usage);
    }
    if let Some(tier) = body.filled("service_tier") {
        notes.service_tier = Some(tier.into_owned());
    }
}

/// Writes down what another event tells.
fn note_content(kind: &str, event: &Object<'_>, notes: &mut Notes) {
    notes.events += 1;
    if kind.ends_with(".delta") {
        let bytes = event.raw("delta").map_or(0, json::unescaped_len);
        notes.text_bytes += bytes as u64;
    }
    if kind == "response.output_item.added" && !notes.tool_calls {
        let item = event.object("item");
        let item = item.as_ref().and_then(|item| item.text("type"));
        notes.tool_calls = is_call(item.as_deref());
    }
}

/// Appends an event, with its response object edited.
fn write_event(
    kind: &str,
    text: &str,
    has_response: bool,
    serving: &Serving<'_>,
    used: Option<(&Usage, UsageSource, &Cost)>,
    out: &mut Vec<u8>,
) -> Result<(), StreamFault> {
    if !kind.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let mark = out.len();
    let mut walker = Walker::new(text);
    let event = match has_response {
        true => Object::read(&mut walker).ok(),
        false => None,
    };
    match event.and_then(|event| event.value("response")) {
        Some(body) if body.kind == Kind::Object => {
            copy(text, 0, body.span.start, out);
            edit(body.raw(text), serving, used, out).map_err(malformed)?;
            copy(text, body.span.end, text.len(), out);
        }
        _ => out.extend_from_slice(text.as_bytes()),
    }
    // Data of several lines was joined by line ends, which stand between members; one line is the same document.
    let written = out.get_mut(mark..).unwrap_or_default();
    for byte in written {
        if let b'\n' | b'\r' = byte {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\n\n");
    Ok(())
}

fn malformed(wrong: json::Malformed) -> StreamFault {
    StreamFault::Malformed {
        offset: wrong.offset,
        why: wrong.why,
    }
}

fn fault(event: &Object<'_>, text: &str) -> StreamFault {
    let body = event.object("response");
    let error = body.as_ref().and_then(|body| body.raw("error"));
    crate::dialect::responses::fault(error.unwrap_or(text))
}
