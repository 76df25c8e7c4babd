//! OpenAI's text completions, the API before chat (openrouter.md §1.2.2).
//!
//! The prompt becomes what the user says, and what the model says becomes the text. All else is read as in chat, whose extensions
//! OpenRouter has here too. Tokens for a prompt, several prompts, an echo of the prompt and a text behind the gap have no equal in
//! a conversation, and are refused where the provider speaks another protocol.

use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::api::chat::{self, Shown};
use crate::exchange::{Answer, Ask, Block, Delta, Event, Open, Role, Text, ThoughtKind, Turn};
use crate::finish::Finish;
use crate::json::{Kind, write_string, write_string_inside};
use crate::member::{self, Members, Path};
use crate::refusal::Refusal;
use crate::usage;

/// Reads a request.
pub(crate) fn read(text: &str) -> Result<Ask<'_>, Refusal> {
    chat::read_with(text, |ask, name, walker| {
        let path = Path::ROOT.member(name);
        match name {
            "prompt" => {
                let mut prompts = Vec::new();
                let expected = "a string, since the model is served in another protocol";
                match walker.peek() {
                    Some(Kind::Array) => {
                        member::array(walker, &path, |index, walker| {
                            let path = path.element(index);
                            match walker.peek() {
                                Some(Kind::Plain | Kind::Escaped) => {
                                    prompts.extend(member::string(walker, &path)?);
                                    Ok(())
                                }
                                kind => {
                                    Err(path.wrong(expected, kind.map_or("nothing", Kind::name)))
                                }
                            }
                        })?;
                    }
                    _ => prompts.extend(member::string(walker, &path)?),
                }
                if prompts.len() > 1 {
                    return Err(path.wrong(expected, &format!("{} prompts", prompts.len())));
                }
                ask.turns.extend(prompts.into_iter().map(|text| Turn {
                    role: Role::User,
                    blocks: vec![Block::Text(Text {
                        text,
                        ..Text::default()
                    })],
                    name: None,
                }));
            }
            "echo" => {
                if member::boolean(walker, &path)? == Some(true) {
                    let expected = "false, since the model is served in another protocol";
                    return Err(path.wrong(expected, "true"));
                }
            }
            "suffix" => {
                let suffix = member::string(walker, &path)?.unwrap_or_default();
                if !suffix.is_empty() {
                    return Err(path.wrong(
                        "absent, since the model is served in another protocol",
                        "a string",
                    ));
                }
            }
            // Probabilities have another form here; answers say null.
            "messages" | "logprobs" | "best_of" => member::skip(walker)?,
            _ => return Ok(false),
        }
        Ok(true)
    })
}

/// Writes a whole answer.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    let mut members = Members::new(out);
    chat::envelope(serving, serving.api.object(), &mut members);
    members.string_if("service_tier", closing.service_tier);
    let out = members.key("choices");
    out.extend_from_slice(b"[{\"index\":0,\"text\":\"");
    for block in &answer.blocks {
        if let Block::Text(text) = block {
            write_string_inside(&text.text, out);
        }
    }
    out.push(b'"');
    if Shown::of(serving.asked) == Shown::Thought {
        let mut any = false;
        for block in &answer.blocks {
            if let Block::Thought(thought) = block
                && thought.kind != ThoughtKind::Encrypted
            {
                if !any {
                    out.extend_from_slice(b",\"reasoning\":\"");
                }
                any = true;
                write_string_inside(&thought.text, out);
            }
        }
        if any {
            out.push(b'"');
        }
    }
    out.extend_from_slice(b",\"logprobs\":null,");
    chat::write_reasons(closing.finish, closing.native, out);
    out.extend_from_slice(b"}]");
    usage::write_own(
        &closing.usage,
        &closing.cost,
        serving.api,
        members.key("usage"),
    );
    members.end();
}

/// Writes one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    /// What every chunk begins with, up to the members of its choice.
    head: Vec<u8>,
    shown: Shown,
    /// Blocks that are open and whose text is shown, and whether it is thought.
    open: Vec<(u32, bool)>,
}

const TAIL: &[u8] =
    b",\"logprobs\":null,\"finish_reason\":null,\"native_finish_reason\":null}]}\n\n";

impl Writer {
    /// For one stream.
    pub(crate) fn new(serving: &Serving<'_>) -> Writer {
        let mut head = b"data: ".to_vec();
        let mut members = Members::new(&mut head);
        chat::envelope(serving, serving.api.chunk_object(), &mut members);
        members
            .key("choices")
            .extend_from_slice(b"[{\"index\":0,\"text\":");
        Writer {
            head,
            shown: Shown::of(serving.asked),
            open: Vec::new(),
        }
    }

    fn write_last(&self, finish: Finish, native: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"\"\",\"logprobs\":null,");
        chat::write_reasons(finish, native, out);
        out.extend_from_slice(b"}]");
    }
}

impl StreamWriter for Writer {
    fn event(&mut self, event: &Event<'_>, _serving: &Serving<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Open { block, open } => match open {
                Open::Text => self.open.push((*block, false)),
                Open::Thought { kind, .. }
                    if *kind != ThoughtKind::Encrypted && self.shown == Shown::Thought =>
                {
                    self.open.push((*block, true));
                }
                // There are no tools, images or sounds in this API.
                _ => {}
            },
            Event::Delta {
                block,
                delta: Delta::Text(text),
            } => {
                let open = self.open.iter().find(|(number, _)| number == block);
                let Some((_, thought)) = open else {
                    return;
                };
                out.extend_from_slice(&self.head);
                if *thought {
                    out.extend_from_slice(b"\"\",\"reasoning\":");
                }
                write_string(text, out);
                out.extend_from_slice(TAIL);
            }
            Event::Close { block } => self.open.retain(|(number, _)| number != block),
            // The end is written when it has been booked.
            _ => {}
        }
    }

    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        self.write_last(closing.finish, closing.native, out);
        out.extend_from_slice(b"}\n\n");
        self.write_last(closing.finish, closing.native, out);
        chat::write_stream_end(closing, serving, out);
    }

    fn interrupted(
        &mut self,
        refusal: &Refusal,
        _closing: &Closing<'_>,
        _serving: &Serving<'_>,
        out: &mut Vec<u8>,
    ) {
        self.write_last(Finish::Error, Finish::Error.name(), out);
        chat::write_stream_error(refusal, out);
    }

    fn held_bytes(&self) -> usize {
        size_of::<Writer>() + self.head.capacity() + self.open.capacity() * size_of::<(u32, bool)>()
    }
}
