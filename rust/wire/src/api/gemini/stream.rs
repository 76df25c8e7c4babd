//! The steps of a stream become the events of streamGenerateContent.
//!
//! Every event is an answer with what is new. A call is one part and is written when it is complete, so its arguments are held until then;
//! text goes out as it comes. The last event has the reason for the end and the tokens, and is written when both are booked.

use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::api::gemini::refusal::write_refusal;
use crate::api::gemini::write::{
    Support, finish_word, remembered, shows_thoughts, write_grounding, write_logprobs, write_tail,
};
use crate::dialect::gemini::part::{write_address, write_call, write_inline, write_text};
use crate::exchange::{Delta, Event, Open, ThoughtKind, joined_name};
use crate::json::write_string;
use crate::refusal::Refusal;

/// Writes one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    shows_thoughts: bool,
    /// Blocks that are open; one nearly always.
    open: Vec<(u32, Block)>,
    /// The texts so far are ASCII, so that characters are bytes.
    ascii: bool,
}

/// An open block, and what has to be held of it.
#[derive(Debug)]
enum Block {
    Text,
    Thought {
        kind: ThoughtKind,
        format: String,
        id: String,
        /// The signature, or the data of an encrypted thought.
        payload: String,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
        signature: String,
    },
    /// Written whole when it was opened, or piece by piece with nothing to hold.
    Medium,
}

impl Writer {
    pub(crate) fn new(serving: &Serving<'_>) -> Writer {
        Writer {
            shows_thoughts: shows_thoughts(serving.asked),
            open: Vec::new(),
            ascii: true,
        }
    }

    fn opened(&mut self, number: u32, open: &Open<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let block = match *open {
            Open::Text | Open::Refusal => Block::Text,
            Open::Thought { kind, id, format } => Block::Thought {
                kind,
                format: format.to_owned(),
                id: id.unwrap_or_default().to_owned(),
                payload: String::new(),
            },
            Open::ToolCall {
                id,
                name,
                namespace,
                signature,
                ..
            } => Block::Call {
                id: id.to_owned(),
                name: joined_name(namespace, &name.into()).into_owned(),
                arguments: String::new(),
                signature: signature.unwrap_or_default().to_owned(),
            },
            Open::Image { media_type, base64 } => {
                event(serving, out, |out| match media_type.is_empty() {
                    true => write_address("image/png", base64, out),
                    false => write_inline(media_type, base64, out),
                });
                Block::Medium
            }
            Open::Audio { .. } => Block::Medium,
        };
        self.open.push((number, block));
    }

    fn delta(&mut self, number: u32, delta: &Delta<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let shows = self.shows_thoughts;
        let Some((_, block)) = self.open.iter_mut().find(|(open, _)| *open == number) else {
            return;
        };
        match (block, delta) {
            (_, Delta::Text("")) => {}
            (Block::Text, Delta::Text(text)) => {
                self.ascii &= text.is_ascii();
                event(serving, out, |out| write_text(text, false, None, out));
            }
            (
                Block::Thought {
                    kind: ThoughtKind::Encrypted,
                    payload,
                    ..
                },
                Delta::Text(data),
            ) => payload.push_str(data),
            (Block::Thought { .. }, Delta::Text(text)) if shows => {
                event(serving, out, |out| write_text(text, true, None, out));
            }
            (Block::Thought { payload, .. }, Delta::Signature(signature)) => {
                payload.push_str(signature);
            }
            (Block::Call { arguments, .. }, Delta::Text(text)) => arguments.push_str(text),
            (
                Block::Call {
                    signature: held, ..
                },
                Delta::Signature(signature),
            ) => held.push_str(signature),
            (Block::Text, Delta::Signature(signature)) => {
                event(serving, out, |out| {
                    write_text("", false, Some(signature), out);
                });
            }
            (Block::Text, Delta::Citation(citation)) => {
                let range = citation.start_index.zip(citation.end_index);
                let support = Support {
                    citation,
                    part: 0,
                    range: range.filter(|_| self.ascii),
                    text: None,
                };
                candidate(serving, out, NO_TEXT, |out| {
                    out.extend_from_slice(b",\"groundingMetadata\":");
                    write_grounding([support].into_iter(), out);
                });
            }
            (Block::Text, Delta::Logprobs(raw)) => {
                candidate(serving, out, NO_TEXT, |out| write_logprobs(raw, out));
            }
            (Block::Medium, Delta::Audio { data, .. }) if !data.is_empty() => {
                event(serving, out, |out| {
                    write_inline("audio/L16;codec=pcm;rate=24000", data, out);
                });
            }
            _ => {}
        }
    }

    fn closed(&mut self, number: u32, serving: &Serving<'_>, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().position(|(open, _)| *open == number) else {
            return;
        };
        match self.open.remove(at).1 {
            Block::Thought {
                kind,
                format,
                id,
                payload,
            } => {
                if let Some(signature) =
                    remembered(kind, &format, &id, &payload, self.shows_thoughts)
                {
                    event(serving, out, |out| {
                        write_text("", true, Some(&signature), out)
                    });
                }
            }
            Block::Call {
                id,
                name,
                arguments,
                signature,
            } => event(serving, out, |out| {
                write_call(&id, &name, &arguments, Some(&signature), out);
            }),
            Block::Text | Block::Medium => {}
        }
    }
}

/// Clients take the first part of an event without looking whether there is one.
const NO_TEXT: &[u8] = b"{\"text\":\"\"}";

/// Appends an event with one part.
fn event(serving: &Serving<'_>, out: &mut Vec<u8>, part: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"data: {\"candidates\":[{\"content\":{\"parts\":[");
    part(out);
    out.extend_from_slice(b"],\"role\":\"model\"},\"index\":0}]");
    write_tail(None, serving, out);
    out.extend_from_slice(b"}\n\n");
}

/// Appends an event that says more of its candidate: `more` writes members with their leading commas.
fn candidate(
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
    part: &[u8],
    more: impl FnOnce(&mut Vec<u8>),
) {
    out.extend_from_slice(b"data: {\"candidates\":[{\"content\":{\"parts\":[");
    out.extend_from_slice(part);
    out.extend_from_slice(b"],\"role\":\"model\"},\"index\":0");
    more(out);
    out.extend_from_slice(b"}]");
    write_tail(None, serving, out);
    out.extend_from_slice(b"}\n\n");
}

impl StreamWriter for Writer {
    fn event(&mut self, event: &Event<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Open { block, open } => self.opened(*block, open, serving, out),
            Event::Delta { block, delta } => self.delta(*block, delta, serving, out),
            Event::Close { block } => self.closed(*block, serving, out),
            // All of it is said at the end.
            Event::Start { .. }
            | Event::Usage(_)
            | Event::Finish { .. }
            | Event::ServiceTier(_) => {}
        }
    }

    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: {\"candidates\":[{\"content\":{\"parts\":[");
        out.extend_from_slice(NO_TEXT);
        out.extend_from_slice(b"],\"role\":\"model\"},\"finishReason\":");
        write_string(finish_word(closing.finish), out);
        out.extend_from_slice(b",\"index\":0}]");
        write_tail(Some(closing), serving, out);
        out.extend_from_slice(b"}\n\n");
    }

    fn interrupted(
        &mut self,
        refusal: &Refusal,
        _closing: &Closing<'_>,
        serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        self.open.clear();
        out.extend_from_slice(b"data: ");
        write_refusal(refusal, serving.id, out);
        out.extend_from_slice(b"\n\n");
    }

    fn held_bytes(&self) -> usize {
        let held: usize = self.open.iter().map(|(_, block)| block.held_bytes()).sum();
        size_of::<Writer>() + self.open.capacity() * size_of::<(u32, Block)>() + held
    }
}

impl Block {
    fn held_bytes(&self) -> usize {
        match self {
            Block::Text | Block::Medium => 0,
            Block::Thought {
                format,
                id,
                payload,
                ..
            } => format.capacity() + id.capacity() + payload.capacity(),
            Block::Call {
                id,
                name,
                arguments,
                signature,
            } => id.capacity() + name.capacity() + arguments.capacity() + signature.capacity(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Api;
    use crate::dialect::Dialect;
    use crate::exchange::{Thought, format};

    const ASKED: &str = r#"{"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#;

    fn serving(asked: &str) -> Serving<'_> {
        Serving {
            dialect: Dialect::Anthropic,
            asked,
            ..Serving::example(Api::Gemini)
        }
    }

    /// The parts that a thought of another provider becomes.
    fn parts(asked: &str, text: &str, signature: Option<&str>) -> Vec<serde_json::Value> {
        let serving = serving(asked);
        let mut writer = Writer::new(&serving);
        let mut out = Vec::new();
        let mut step = |event: Event<'_>| writer.event(&event, &serving, &mut out);
        step(Event::Open {
            block: 0,
            open: Open::Thought {
                kind: ThoughtKind::Text,
                id: None,
                format: format::ANTHROPIC,
            },
        });
        for piece in text.split_inclusive(' ') {
            step(Event::Delta {
                block: 0,
                delta: Delta::Text(piece),
            });
        }
        if let Some(signature) = signature {
            step(Event::Delta {
                block: 0,
                delta: Delta::Signature(signature),
            });
        }
        step(Event::Close { block: 0 });
        assert!(writer.open.is_empty());
        String::from_utf8(out)
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| {
                let event: serde_json::Value = serde_json::from_str(data).unwrap();
                event["candidates"][0]["content"]["parts"][0].clone()
            })
            .collect()
    }

    #[test]
    fn a_thought_that_was_asked_for_streams_and_comes_back_whole() {
        let parts = parts(ASKED, "well then", Some("SIG"));
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0]["text"], "well ");
        assert_eq!(parts[0]["thought"], true);
        let back = serde_json::json!({"contents":[{"role":"model","parts":parts}]}).to_string();
        let ask = crate::api::gemini::read(&back).unwrap();
        let [crate::exchange::Block::Thought(thought)] = ask.turns[0].blocks.as_slice() else {
            panic!("{:?}", ask.turns[0].blocks);
        };
        let Thought {
            text,
            signature,
            format,
            ..
        } = thought;
        assert_eq!(
            (&**text, signature.as_deref(), &**format),
            ("well then", Some("SIG"), format::ANTHROPIC)
        );
    }

    #[test]
    fn a_thought_that_was_not_asked_for_is_hidden_but_for_its_signature() {
        let hidden = parts("{}", "well then", Some("SIG"));
        assert_eq!(hidden.len(), 1);
        assert_eq!(hidden[0]["text"], "");
        assert!(hidden[0]["thoughtSignature"].is_string());
        assert!(parts("{}", "well then", None).is_empty());
    }

    #[test]
    fn a_broken_stream_ends_in_google_s_error() {
        let serving = serving("{}");
        let mut writer = Writer::new(&serving);
        let mut out = Vec::new();
        let refusal = Refusal::new(crate::refusal::Kind::ProviderUnavailable);
        let closing = Closing {
            usage: crate::usage::Usage::default(),
            usage_source: crate::usage::UsageSource::None,
            cost: crate::cost::Cost::default(),
            finish: crate::finish::Finish::Error,
            native: "error",
            stop_sequence: None,
            service_tier: None,
        };
        writer.interrupted(&refusal, &closing, &serving, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("data: {\"error\":{\"code\":502,"),
            "{text}"
        );
        assert!(text.contains("\"status\":\"UNAVAILABLE\""));
    }
}
