//! Answers of the messages API from a provider that speaks it: the bytes pass, but for what the gateway speaks for.
//!
//! Ours are `id`, `model` and `provider` of the message, and `usage.cost` at the end. Events that nobody here knows pass untouched. The
//! last two events, which tell the client that the answer is whole, are held until the answer has been booked.

use crate::answer::{self, Closing, Facts, Serving, Unusable};
use crate::api::messages::{
    error_event, write_cost, write_delta_event, write_stop_event, write_usage,
};
use crate::dialect::anthropic::{self, Counts, Parts};
use crate::finish::Finish;
use crate::json::{self, Kind, Malformed, Walker, write_string};
use crate::member::lenient::each_member;
use crate::member::write::key;
use crate::pass::FrameEditor;
use crate::refusal::Refusal;
use crate::sse::Frame;
use crate::stream::{Notes, StreamFault};

/// Appends a plain answer.
pub(crate) fn answer(
    text: &str,
    serving: &Serving<'_>,
    input_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<Facts, Unusable> {
    let read = anthropic::read_answer(text)?;
    let (closing, facts) = answer::close(&read, serving, input_bytes)?;
    let mut usage = Vec::new();
    let mut found = false;
    let mut collect = || {
        each_member(&mut Walker::new(text), |walker, name| {
            let value = walker.value()?;
            if name == "usage" && value.kind == Kind::Object {
                usage.clear();
                put_cost(value.raw(text), &closing, &mut usage)?;
                found = true;
            }
            Ok::<(), Malformed>(())
        })
    };
    collect().map_err(Unusable::Malformed)?;
    if !found {
        write_usage(
            &closing.usage,
            closing.service_tier,
            Some(&closing.cost),
            &mut usage,
        );
    }
    let [id, model, provider] = ours(serving);
    let ours = [id, model, provider, ("usage", usage)];
    rewrite(text, &ours, out).map_err(Unusable::Malformed)?;
    Ok(facts)
}

/// The members of a message that the gateway speaks for.
fn ours(serving: &Serving<'_>) -> [(&'static str, Vec<u8>); 3] {
    [
        ("id", serving.id),
        ("model", serving.model),
        ("provider", serving.provider),
    ]
    .map(|(name, value)| {
        let mut json = Vec::with_capacity(value.len() + 2);
        write_string(value, &mut json);
        (name, json)
    })
}

/// Appends a usage object with our cost in it.
fn put_cost(raw: &str, closing: &Closing<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    // The member is written as a whole in an object of its own, and its value taken from there.
    let mut cost = Vec::with_capacity(24);
    cost.push(b'{');
    write_cost(&closing.cost, &mut cost);
    let value = cost.split_off(b"{\"cost\":".len());
    rewrite(raw, &[("cost", value)], out)
}

/// Appends an object with some members' values replaced, wherever they stand; those that it does not have are added at its end.
fn rewrite(text: &str, ours: &[(&str, Vec<u8>)], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut copied = 0;
    let mut seen = vec![false; ours.len()];
    let mut end = Walker::new(text);
    if end.clone().enter_object()? {
        each_member(&mut end, |walker, name| {
            let value = walker.value()?;
            for ((ours, new), seen) in ours.iter().zip(&mut seen) {
                if *ours == name {
                    *seen = true;
                    let before = text.get(copied..value.span.start).unwrap_or_default();
                    out.extend_from_slice(before.as_bytes());
                    out.extend_from_slice(new);
                    copied = value.span.end;
                }
            }
            Ok::<(), Malformed>(())
        })?;
    }
    if end.offset() == 0 {
        end.value()?;
    }
    // What follows the last value: white space and the brace.
    let close = end.offset().saturating_sub(1);
    out.extend_from_slice(
        text.get(copied..close)
            .unwrap_or_default()
            .trim_ascii_end()
            .as_bytes(),
    );
    for ((name, new), seen) in ours.iter().zip(&seen) {
        if !seen {
            key(name, out);
            out.extend_from_slice(new);
        }
    }
    out.extend_from_slice(text.get(close..).unwrap_or_default().as_bytes());
    end.finish()
}

/// Edits a stream.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    counts: Counts,
    /// Data of the last `message_delta`; empty: none came.
    delta: Vec<u8>,
    /// Data of `message_stop`; empty: it did not come.
    stop: Vec<u8>,
}

impl FrameEditor for Editor {
    fn frame(
        &mut self,
        frame: Frame<'_>,
        notes: &mut Notes,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamFault> {
        // Some servers of this protocol end their streams in OpenAI's way as well.
        if frame.data.trim_ascii() == b"[DONE]" {
            notes.done = true;
            return Ok(());
        }
        let parts = Parts::read(frame.data).map_err(anthropic::fault)?;
        let kind = parts.kind.as_deref().unwrap_or(frame.name);
        match kind {
            "content_block_delta" => {
                notes.events += 1;
                notes.text_bytes += text_bytes(parts.delta);
            }
            "content_block_start" => {
                notes.events += 1;
                notes.tool_calls |= is_tool_use(parts.block);
            }
            "message_start" => {
                return self
                    .message_start(&frame, parts.message, notes, serving, out)
                    .map_err(anthropic::fault);
            }
            "message_delta" => {
                return self
                    .message_delta(&frame, parts, notes, out)
                    .map_err(anthropic::fault);
            }
            "message_stop" => {
                self.stop.extend_from_slice(frame.data);
                notes.done = true;
                return Ok(());
            }
            "error" => return Err(anthropic::error_inside(frame.data)),
            _ if parts.error => return Err(anthropic::error_inside(frame.data)),
            _ => {}
        }
        write_frame(kind, frame.data, out);
        Ok(())
    }

    fn end(&mut self, closing: &Closing<'_>, _serving: &Serving<'_>, out: &mut Vec<u8>) {
        let mut data = Vec::with_capacity(self.delta.len() + 64);
        match self.last_delta(closing, &mut data) {
            Ok(true) => write_frame("message_delta", &data, out),
            // It did not come, or is none that could be read, which would have been said when it came.
            Ok(false) | Err(_) => write_delta_event(closing, false, out),
        }
        match self.stop.is_empty() {
            true => write_stop_event(out),
            false => write_frame("message_stop", &self.stop, out),
        }
    }

    fn interrupted(
        &mut self,
        refusal: &Refusal,
        _closing: &Closing<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        error_event(refusal, serving.id, out);
    }

    fn held_bytes(&self) -> usize {
        size_of::<Editor>() + self.delta.capacity() + self.stop.capacity()
    }
}

impl Editor {
    fn message_start(
        &mut self,
        frame: &Frame<'_>,
        message: Option<Walker<'_>>,
        notes: &mut Notes,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        let Some(mut message) = message else {
            write_frame("message_start", frame.data, out);
            return Ok(());
        };
        let mut inside = message.clone();
        each_member(&mut inside, |walker, name| {
            match name {
                "id" => notes.upstream_id = crate::member::lenient::string(walker)?.map(Into::into),
                "usage" => self.counts.read(walker)?,
                _ => drop(walker.value()?),
            }
            Ok::<(), Malformed>(())
        })?;
        self.note(notes);
        notes.prompt_only = notes.usage.is_some();
        let text = message.text();
        let value = message.value()?;
        let mut new = Vec::with_capacity(frame.data.len() + 128);
        rewrite(value.raw(text), &ours(serving), &mut new)?;
        let mut data = Vec::with_capacity(frame.data.len() + 128);
        rewrite(json::text(frame.data)?, &[("message", new)], &mut data)?;
        write_frame("message_start", &data, out);
        Ok(())
    }

    fn message_delta(
        &mut self,
        frame: &Frame<'_>,
        parts: Parts<'_>,
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        if !self.delta.is_empty() {
            write_frame("message_delta", &self.delta, out);
            self.delta.clear();
        }
        self.delta.extend_from_slice(frame.data);
        notes.events += 1;
        if let Some(mut usage) = parts.usage {
            self.counts.read(&mut usage)?;
            self.note(notes);
            notes.prompt_only = false;
        }
        let (reason, sequence) = anthropic::ending(parts.delta)?;
        if let Some(reason) = reason {
            notes.finish = Some(Finish::of(&reason));
            notes.native = reason.into_owned();
            notes.stop_sequence = sequence.map(Into::into);
        }
        Ok(())
    }

    fn note(&self, notes: &mut Notes) {
        notes.usage = self.counts.usage();
        notes.service_tier = self.counts.service_tier().map(str::to_owned);
    }

    /// Appends the data of the last `message_delta` with the cost in it; false when there was none.
    fn last_delta(&self, closing: &Closing<'_>, out: &mut Vec<u8>) -> Result<bool, Malformed> {
        if self.delta.is_empty() {
            return Ok(false);
        }
        let text = json::text(&self.delta)?;
        let mut usage = Vec::new();
        let said = match Parts::read(&self.delta)?.usage {
            Some(mut walker) => Some(walker.value()?).filter(|value| value.kind == Kind::Object),
            None => None,
        };
        match said {
            Some(value) => put_cost(value.raw(text), closing, &mut usage)?,
            None => write_usage(
                &closing.usage,
                closing.service_tier,
                Some(&closing.cost),
                &mut usage,
            ),
        }
        rewrite(text, &[("usage", usage)], out)?;
        Ok(true)
    }
}

/// Appends an event. JSON may hold line ends between its tokens, and then every line needs its own `data:`.
fn write_frame(name: &str, data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

fn text_bytes(delta: Option<Walker<'_>>) -> u64 {
    let mut bytes = 0;
    if let Some(mut delta) = delta {
        // It was walked before, so this reaches its end.
        let _ = each_member(&mut delta, |walker, name| {
            let value = walker.value()?;
            if matches!(name, "text" | "thinking" | "partial_json") && value.kind.is_string() {
                bytes += json::unescaped_len(value.raw(walker.text())) as u64;
            }
            Ok::<(), Malformed>(())
        });
    }
    bytes
}

fn is_tool_use(block: Option<Walker<'_>>) -> bool {
    let mut is_tool_use = false;
    if let Some(mut block) = block {
        let _ = each_member(&mut block, |walker, name| {
            let value = walker.value()?;
            if name == "type" {
                is_tool_use = value.string(walker.text()).as_deref() == Some("tool_use");
            }
            Ok::<(), Malformed>(())
        });
    }
    is_tool_use
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Api;
    use crate::cost::Cost;
    use crate::stream::{EofVerdict, StreamEditor};
    use crate::usage::UsageSource;
    use serde_json::Value;

    const SERVING: Serving<'static> = Serving::example(Api::Messages);

    fn rewritten(text: &str) -> String {
        let ours = [("a", b"1".to_vec()), ("b", b"2".to_vec())];
        let mut out = Vec::new();
        rewrite(text, &ours, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_are_replaced_where_they_stand_or_added_at_the_end() {
        for (text, expected) in [
            ("{}", r#"{"a":1,"b":2}"#),
            (" { } ", " {\"a\":1,\"b\":2} "),
            (
                r#"{"x":{"a":0},"a" : [0] , "y":9 }"#,
                r#"{"x":{"a":0},"a" : 1 , "y":9,"b":2 }"#,
            ),
            // Every reader of a member that stands twice has to see ours.
            (
                r#"{"a":7,"\u0061":8,"b":null}"#,
                r#"{"a":1,"\u0061":1,"b":2}"#,
            ),
        ] {
            assert_eq!(
                rewritten(text).replace(' ', ""),
                expected.replace(' ', ""),
                "{text}"
            );
        }
        let mut out = Vec::new();
        assert!(rewrite("[1]", &[("a", b"1".to_vec())], &mut out).is_err());
        assert!(rewrite("{\"a\":1} x", &[("a", b"1".to_vec())], &mut out).is_err());
    }

    fn streamed(events: &[&str]) -> (String, crate::answer::Facts) {
        let mut editor = StreamEditor::new(&SERVING, 1 << 20);
        let mut out = Vec::new();
        for event in events {
            editor
                .push(format!("data: {event}\n\n").as_bytes(), &SERVING, &mut out)
                .unwrap();
        }
        assert_eq!(editor.eof(&SERVING, &mut out), Ok(EofVerdict::Complete));
        let facts = editor.end(&SERVING, 40, &mut out);
        (String::from_utf8(out).unwrap(), facts)
    }

    #[test]
    fn what_the_provider_leaves_out_at_the_end_is_added() {
        let (text, facts) = streamed(&[
            r#"{"type":"message_start","message":{"id":"msg_1"}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"12345678"}}"#,
            "[DONE]",
        ]);
        assert_eq!(facts.usage_source, UsageSource::Estimated);
        assert_eq!(facts.usage.completion, 2);
        assert!(text.contains("event: message_delta\n"), "{text}");
        assert!(
            text.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
            "{text}"
        );
        // Events that came without a name get it, because clients of this API go by it.
        assert!(text.starts_with("event: message_start\n"), "{text}");
    }

    #[test]
    fn a_message_delta_that_is_not_the_last_passes() {
        let (text, facts) = streamed(&[
            r#"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":1,"output_tokens":0}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":1}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2},"context_management":{"applied_edits":[]}}"#,
            r#"{"type":"message_stop","extra":1}"#,
        ]);
        assert_eq!(text.matches("event: message_delta").count(), 2);
        assert_eq!(text.matches("\"cost\":").count(), 1);
        assert!(text.contains("\"context_management\":{\"applied_edits\":[]}"));
        assert!(text.ends_with("data: {\"type\":\"message_stop\",\"extra\":1}\n\n"));
        assert_eq!(facts.usage.total, 3);
    }

    #[test]
    fn json_over_several_lines_stays_one_event() {
        let mut editor = StreamEditor::new(&SERVING, 1 << 20);
        let mut out = Vec::new();
        let event = "event: ping\ndata: {\ndata: \"type\": \"ping\"}\n\n";
        editor.push(event.as_bytes(), &SERVING, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), event);
    }

    #[test]
    fn what_a_stream_has_brought_before_it_was_cut_is_estimated() {
        let mut editor = StreamEditor::new(&SERVING, 1 << 20);
        let mut out = Vec::new();
        let long = "x".repeat(400);
        let events = format!(
            "data: {{\"type\":\"message_start\",\"message\":{{\"usage\":{{\"input_tokens\":20,\"output_tokens\":1}}}}}}\n\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{long}\"}}}}\n\n"
        );
        editor.push(events.as_bytes(), &SERVING, &mut out).unwrap();
        let facts = editor.facts(&SERVING, 40);
        assert_eq!((facts.usage.prompt, facts.usage.completion), (20, 100));
        assert_eq!(facts.usage_source, UsageSource::Estimated);
    }

    #[test]
    fn an_answer_without_tokens_gets_an_estimate() {
        let mut out = Vec::new();
        let text = r#"{"type":"message","content":[{"type":"text","text":"12345678"}],"stop_reason":"end_turn"}"#;
        let facts = answer(text, &SERVING, 40, &mut out).unwrap();
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["usage"]["input_tokens"], 10);
        assert_eq!(value["usage"]["output_tokens"], 2);
        assert_eq!(value["id"], "gen-1-a");
        assert_eq!(facts.cost, Cost::default());
    }
}
