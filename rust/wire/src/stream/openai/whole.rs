//! A plain answer of OpenAI's older family, told as a stream.

use super::{ChunkEditor, DATA_LINE, EVENT_END, GROWTH_BYTES, without_line_ends};
use crate::answer::{Facts, Serving, Unusable};
use crate::api::Api;
use crate::edit::Stop;
use crate::json::{self, Malformed, Walker, write_number, write_string};
use crate::stream::StreamFault;
use crate::usage::{self, UsageSource};

/// Turns a plain answer into the stream that a client asked for, for servers that ignore `stream`: per choice one chunk with
/// everything in its delta, then the usage chunk and `[DONE]`. On an error `out` is as it was.
pub(crate) fn from_answer(
    body: &[u8],
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    // The plain editor judges whether the answer can be used, and normalises it; its output has one reading.
    let mut answer = Vec::new();
    let facts = crate::answer::edit(body, serving, input_bytes, &mut answer)?;
    let text = json::text(&answer).map_err(Unusable::Malformed)?;
    let mark = out.len();
    let mut editor = ChunkEditor::new(serving.api, usize::MAX);
    let mut streamed = || -> Result<(), Unusable> {
        let events = events_of(text, serving.api).map_err(Unusable::Malformed)?;
        match editor.push(&events, serving, out) {
            Ok(_) => Ok(()),
            Err(StreamFault::Malformed { offset, why }) => {
                Err(Unusable::Malformed(Malformed { offset, why }))
            }
            Err(_) => Err(Unusable::NoChoices),
        }
    };
    if let Err(fault) = streamed() {
        out.truncate(mark);
        return Err(fault);
    }
    editor.upstream_id = facts.upstream_id;
    if facts.usage_source == UsageSource::Upstream {
        editor.keep_usage_of(text);
    } else {
        editor.usage = None;
    }
    Ok(editor.end(serving, input_bytes, out))
}

/// Writes each choice of a plain answer as an event: `message` becomes `delta`, and tool calls get the index that they have in
/// streams. The envelope's other members go with it.
fn events_of(text: &str, api: Api) -> Result<Vec<u8>, Malformed> {
    let mut envelope = Vec::new();
    let mut choices = "";
    let mut walker = Walker::new(text);
    let mut more = walker.enter_object()?;
    while more {
        let key = walker.key()?;
        let value = walker.value()?;
        match key.name {
            "choices" => choices = value.raw(text),
            "usage" | "error" => {}
            "object" => {
                envelope.extend_from_slice(b"\"object\":");
                write_string(api.chunk_object(), &mut envelope);
                envelope.push(b',');
            }
            _ => {
                let member = json::Span {
                    start: key.start,
                    end: value.span.end,
                };
                envelope.extend_from_slice(member.of(text).as_bytes());
                envelope.push(b',');
            }
        }
        more = walker.next_member()?;
    }
    let mut events = Vec::with_capacity(text.len() + GROWTH_BYTES);
    let mut walker = Walker::new(choices);
    let mut more = walker.enter_array()?;
    while more {
        let start = events.len();
        events.extend_from_slice(DATA_LINE);
        events.push(b'{');
        events.extend_from_slice(&envelope);
        events.extend_from_slice(b"\"choices\":[{");
        let mut any = false;
        let mut member = walker.enter_object()?;
        while member {
            let key = walker.key()?;
            let value = walker.value()?;
            if any {
                events.push(b',');
            }
            any = true;
            if key.name == "message" {
                events.extend_from_slice(b"\"delta\":");
                write_delta(value.raw(choices), &mut events)?;
            } else {
                let span = json::Span {
                    start: key.start,
                    end: value.span.end,
                };
                events.extend_from_slice(span.of(choices).as_bytes());
            }
            member = walker.next_member()?;
        }
        events.extend_from_slice(b"}]}");
        // An answer may be written over several lines; an event may not.
        without_line_ends(start, &mut events);
        events.extend_from_slice(EVENT_END);
        more = walker.next_element()?;
    }
    Ok(events)
}

fn write_delta(message: &str, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut walker = Walker::new(message);
    if walker.peek() != Some(json::Kind::Object) {
        out.extend_from_slice(message.as_bytes());
        return Ok(());
    }
    out.push(b'{');
    let mut any = false;
    let mut more = walker.enter_object()?;
    while more {
        let key = walker.key()?;
        if any {
            out.push(b',');
        }
        any = true;
        if key.name == "tool_calls" && walker.peek() == Some(json::Kind::Array) {
            out.extend_from_slice(b"\"tool_calls\":[");
            write_indexed(message, &mut walker, out)?;
            out.push(b']');
        } else {
            let value = walker.value()?;
            let span = json::Span {
                start: key.start,
                end: value.span.end,
            };
            out.extend_from_slice(span.of(message).as_bytes());
        }
        more = walker.next_member()?;
    }
    out.push(b'}');
    Ok(())
}

/// Copies the tool calls of an array, each with an `index` unless it has one.
fn write_indexed(text: &str, walker: &mut Walker<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut index = 0;
    let mut more = walker.enter_array()?;
    while more {
        if index > 0 {
            out.push(b',');
        }
        let call = walker.value()?;
        let raw = call.raw(text);
        if call.kind == json::Kind::Object && !has_member(raw, "index")? {
            out.extend_from_slice(b"{\"index\":");
            write_number(index, out);
            let rest = raw.get(1..).unwrap_or_default();
            if rest.trim_ascii_start() != "}" {
                out.push(b',');
            }
            out.extend_from_slice(rest.as_bytes());
        } else {
            out.extend_from_slice(raw.as_bytes());
        }
        index += 1;
        more = walker.next_element()?;
    }
    Ok(())
}

fn has_member(object: &str, name: &str) -> Result<bool, Malformed> {
    let mut walker = Walker::new(object);
    let mut more = walker.enter_object()?;
    while more {
        if walker.key()?.name == name {
            return Ok(true);
        }
        walker.value()?;
        more = walker.next_member()?;
    }
    Ok(false)
}

impl ChunkEditor {
    /// Takes `usage` of a plain answer, whose text is canonical in that member.
    fn keep_usage_of(&mut self, text: &str) {
        let mut keep = || -> Result<(), Stop> {
            let mut walker = Walker::new(text);
            let mut more = walker.enter_object()?;
            while more {
                let key = walker.key()?;
                walker.peek();
                let start = walker.offset();
                if key.name == "usage" {
                    self.usage = usage::read(&mut walker, true)?;
                    self.usage_raw.clear();
                    let raw = text.get(start..walker.offset()).unwrap_or_default();
                    self.usage_raw.extend_from_slice(raw.as_bytes());
                } else {
                    walker.value()?;
                }
                more = walker.next_member()?;
            }
            Ok(())
        };
        // It was walked before; without it the tokens are estimated.
        let _ = keep();
    }
}
