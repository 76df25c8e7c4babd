//! Writing answers of the messages API: whole, streamed, and as errors.
//!
//! A stream is `message_start`, then for each block `content_block_start`, deltas and `content_block_stop`, then `message_delta` with
//! the reason for the end and the tokens, then `message_stop`; every event has an `event:` line too. Tokens of the prompt stand in
//! the first event, where nobody has counted them yet unless the provider did: there they are an estimate, because a zero has
//! made clients believe in an empty context.

use std::borrow::Cow;

use super::carried::{self, Carries};
use crate::answer::{Closing, Serving};
use crate::api::StreamWriter;
use crate::cost::{Cost, write_dollars};
use crate::exchange::{
    Answer, Block, Citation, Delta, Event, Open, Source, Thought, ThoughtKind, ToolCall, format,
    joined_name,
};
use crate::finish::Finish;
use crate::json::{self, Walker, write_number, write_string};
use crate::reading::{self, comma, key, number_member, raw_member, string_member};
use crate::refusal::Refusal;
use crate::usage::Usage;

/// Bytes of a tool call that are held back while another one is being written. A longer one ends the other's turn.
const WAITING_BYTES_MAX: usize = 4096;

/// Reasons for the end that this API knows. A provider's own word that is one of them is passed on (OpenRouter's list, §1.2.4).
const STOP_REASONS: [&str; 8] = [
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "compaction",
];

/// The reason for the end, in this API's words. `refused`: the model answered with a sentence of refusal.
fn stop_reason<'c>(closing: &Closing<'c>, refused: bool) -> &'c str {
    let native = STOP_REASONS.contains(&closing.native);
    match closing.finish {
        Finish::Stop if refused => "refusal",
        _ if native && Finish::of(closing.native) == closing.finish => closing.native,
        Finish::Stop if closing.stop_sequence.is_some() => "stop_sequence",
        // A provider that failed while generating has been told apart before; what is left is an end.
        Finish::Stop | Finish::Error => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    }
}

/// Appends `usage`: cached tokens stand beside `input_tokens` here, not in them. `cost`: `None` where it is not known yet.
pub(crate) fn write_usage(
    usage: &Usage,
    tier: Option<&str>,
    cost: Option<&Cost>,
    out: &mut Vec<u8>,
) {
    let cached = usage.cached.min(usage.prompt);
    let written = usage.cache_write.min(usage.prompt - cached);
    out.push(b'{');
    number_member("input_tokens", usage.prompt - cached - written, out);
    number_member("cache_creation_input_tokens", written, out);
    number_member("cache_read_input_tokens", cached, out);
    // What is not known is null and not absent: the schema of the API has these members in every message.
    if written > 0 {
        let hour = usage.cache_write_1h.min(written);
        key("cache_creation", out);
        out.push(b'{');
        number_member("ephemeral_5m_input_tokens", written - hour, out);
        number_member("ephemeral_1h_input_tokens", hour, out);
        out.push(b'}');
    } else {
        raw_member("cache_creation", "null", out);
    }
    // Thought that a provider counts beside its output is output here.
    number_member("output_tokens", usage.billed_completion(), out);
    if usage.reasoning > 0 {
        key("output_tokens_details", out);
        out.push(b'{');
        number_member("thinking_tokens", usage.reasoning, out);
        out.push(b'}');
    } else {
        raw_member("output_tokens_details", "null", out);
    }
    if usage.web_searches > 0 {
        key("server_tool_use", out);
        out.push(b'{');
        number_member("web_search_requests", usage.web_searches, out);
        number_member("web_fetch_requests", 0, out);
        out.push(b'}');
    } else {
        raw_member("server_tool_use", "null", out);
    }
    raw_member("inference_geo", "null", out);
    string_member("service_tier", service_tier(tier), out);
    if let Some(cost) = cost {
        write_cost(cost, out);
    }
    out.push(b'}');
}

/// Appends the member `cost`, in dollars.
pub(crate) fn write_cost(cost: &Cost, out: &mut Vec<u8>) {
    key("cost", out);
    write_dollars(cost.total_nano, out);
}

/// This API's word for a tier (checklist A05).
fn service_tier(tier: Option<&str>) -> &'static str {
    match tier {
        Some("priority" | "fast") => "priority",
        Some("batch") => "batch",
        _ => "standard",
    }
}

/// What the client wants to see of thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thoughts {
    /// All, also when it did not ask: Anthropic's newer models think unasked too.
    Shown,
    /// That there was one, and its signature: `display` is `omitted`.
    Omitted,
    /// Nothing: thinking is `disabled`, and a client that says so is not ready for a block of it.
    Hidden,
}

impl Thoughts {
    fn of(asked: &str) -> Thoughts {
        let mut kind = None;
        let mut display = None;
        let mut walker = Walker::new(asked);
        // What cannot be read asks for nothing.
        let _ = reading::each_member(&mut walker, |walker, name| match name {
            "thinking" => reading::each_member(walker, |walker, name| {
                match name {
                    "type" => kind = reading::string(walker)?,
                    "display" => display = reading::string(walker)?,
                    _ => drop(walker.value()?),
                }
                Ok::<(), json::Malformed>(())
            }),
            _ => walker.value().map(|_| ()),
        });
        match (kind.as_deref(), display.as_deref()) {
            (Some("disabled"), _) => Thoughts::Hidden,
            (_, Some("omitted")) => Thoughts::Omitted,
            _ => Thoughts::Shown,
        }
    }
}

/// Appends a whole answer.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    let thoughts = Thoughts::of(serving.asked);
    let mut refused = false;
    message_head(serving, out);
    key("content", out);
    out.push(b'[');
    for block in &answer.blocks {
        refused |= matches!(block, Block::Refusal(_));
        write_block(block, thoughts, out);
    }
    out.push(b']');
    string_member("stop_reason", stop_reason(closing, refused), out);
    stop_sequence(closing.stop_sequence, out);
    key("usage", out);
    write_usage(
        &closing.usage,
        closing.service_tier,
        Some(&closing.cost),
        out,
    );
    out.push(b'}');
}

/// What every message begins with.
fn message_head(serving: &Serving<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    string_member("id", serving.id, out);
    string_member("type", "message", out);
    string_member("role", "assistant", out);
    string_member("model", serving.model, out);
    string_member("provider", serving.provider, out);
}

fn stop_sequence(met: Option<&str>, out: &mut Vec<u8>) {
    match met {
        Some(text) => string_member("stop_sequence", text, out),
        None => raw_member("stop_sequence", "null", out),
    }
    ending(out);
}

/// Appends what other providers than Anthropic do not say about an ending: the schema has these members in every message.
fn ending(out: &mut Vec<u8>) {
    raw_member("stop_details", "null", out);
    raw_member("container", "null", out);
}

fn write_block(block: &Block<'_>, thoughts: Thoughts, out: &mut Vec<u8>) {
    match block {
        Block::Text(text) => {
            // Empty texts mean nothing, and this API refuses them when they come back.
            if !text.text.is_empty() || !text.citations.is_empty() {
                open_block("text", out);
                string_member("text", &text.text, out);
                if !text.citations.is_empty() {
                    key("citations", out);
                    out.push(b'[');
                    for citation in &text.citations {
                        comma(out);
                        write_citation(citation, out);
                    }
                    out.push(b']');
                }
                out.push(b'}');
            }
            if let Some(signature) = &text.signature {
                carrier_block(Carries::Text, "", signature, thoughts, out);
            }
        }
        Block::Refusal(text) => {
            open_block("text", out);
            string_member("text", text, out);
            out.push(b'}');
        }
        Block::Thought(thought) => thought_block(thought, thoughts, out),
        Block::ToolCall(call) => {
            if let Some(signature) = &call.signature {
                carrier_block(Carries::Call, &call.id, signature, thoughts, out);
            }
            open_block("tool_use", out);
            string_member("id", &call.id, out);
            string_member(
                "name",
                &joined_name(call.namespace.as_deref(), &call.name),
                out,
            );
            key("input", out);
            write_input(call, out);
            out.push(b'}');
        }
        Block::Image {
            source: Source::Data { media_type, base64 },
            ..
        } => {
            comma(out);
            image_block(media_type, base64, out);
        }
        Block::Image {
            source: Source::Url(url),
            ..
        } => {
            comma(out);
            image_block("", url, out);
        }
        Block::Audio {
            transcript: Some(said),
            ..
        } => {
            open_block("text", out);
            string_member("text", said, out);
            out.push(b'}');
        }
        Block::Image { .. }
        | Block::Audio { .. }
        | Block::File { .. }
        | Block::Video { .. }
        | Block::ToolResult(_)
        | Block::Foreign(_) => {}
    }
}

fn open_block(kind: &str, out: &mut Vec<u8>) {
    comma(out);
    out.push(b'{');
    string_member("type", kind, out);
}

fn thought_block(thought: &Thought<'_>, thoughts: Thoughts, out: &mut Vec<u8>) {
    if thoughts == Thoughts::Hidden {
        return;
    }
    if thought.kind == ThoughtKind::Encrypted {
        open_block("redacted_thinking", out);
        string_member("data", &redacted_data(thought), out);
    } else {
        open_block("thinking", out);
        let text = match thoughts {
            Thoughts::Omitted => "",
            _ => thought.text.as_ref(),
        };
        string_member("thinking", text, out);
        string_member("signature", &carried::signature_of(thought), out);
    }
    out.push(b'}');
}

fn redacted_data<'t>(thought: &'t Thought<'_>) -> Cow<'t, str> {
    if thought.format == format::ANTHROPIC {
        return Cow::Borrowed(&thought.text);
    }
    Cow::Owned(carried::pack(
        &thought.format,
        Carries::Thought(ThoughtKind::Encrypted),
        thought.id.as_deref().unwrap_or_default(),
        &thought.text,
    ))
}

/// A block that only holds a signature; see [`carried`].
fn carrier_block(
    carries: Carries,
    id: &str,
    signature: &str,
    thoughts: Thoughts,
    out: &mut Vec<u8>,
) {
    if thoughts == Thoughts::Hidden {
        return;
    }
    open_block("thinking", out);
    string_member("thinking", "", out);
    let packed = carried::pack(format::GEMINI, carries, id, signature);
    string_member("signature", &packed, out);
    out.push(b'}');
}

/// An image that a model made. Anthropic's own answers hold none, so the block has the form that requests use.
fn image_block(media_type: &str, base64_or_url: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"image\",\"source\":{");
    if media_type.is_empty() {
        string_member("type", "url", out);
        string_member("url", base64_or_url, out);
    } else {
        string_member("type", "base64", out);
        string_member("media_type", media_type, out);
        string_member("data", base64_or_url, out);
    }
    out.extend_from_slice(b"}}");
}

/// The arguments of a call as a JSON object, whatever the model wrote: clients read `input` without looking at its type.
fn write_input(call: &ToolCall<'_>, out: &mut Vec<u8>) {
    let arguments = call.arguments.trim();
    if call.custom {
        out.push(b'{');
        string_member("input", &call.arguments, out);
        out.push(b'}');
    } else if arguments.is_empty() {
        out.extend_from_slice(b"{}");
    } else if arguments.starts_with('{') && is_json(arguments) {
        out.extend_from_slice(arguments.as_bytes());
    } else {
        out.push(b'{');
        string_member("arguments", arguments, out);
        out.push(b'}');
    }
}

fn is_json(text: &str) -> bool {
    let mut walker = Walker::new(text);
    walker.value().and_then(|_| walker.finish()).is_ok()
}

/// A source on the web. `encrypted_index` is Anthropic's own proof of it, which no other provider has.
fn write_citation(citation: &Citation<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    string_member("type", "web_search_result_location", out);
    string_member("url", &citation.url, out);
    match &citation.title {
        Some(title) => string_member("title", title, out),
        None => raw_member("title", "null", out),
    }
    string_member(
        "cited_text",
        citation.content.as_deref().unwrap_or_default(),
        out,
    );
    string_member("encrypted_index", "", out);
    out.push(b'}');
}

/// Appends an error body.
pub(super) fn refusal(refusal: &Refusal, id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"error\",\"error\":{");
    string_member("type", error_type(refusal.error_type()), out);
    string_member("message", &refusal.message, out);
    string_member("error_type", refusal.error_type(), out);
    refusal.write_availability_member(out);
    out.push(b'}');
    match id {
        "" => raw_member("request_id", "null", out),
        id => string_member("request_id", id, out),
    }
    out.push(b'}');
}

/// Anthropic's type of an error (openrouter.md §4.6; checklist A04). A body that is too large has a type of its own there.
fn error_type(canonical: &str) -> &'static str {
    match canonical {
        "authentication" => "authentication_error",
        "permission_denied" => "permission_error",
        "payment_required" => "billing_error",
        "not_found" | "image_not_found" => "not_found_error",
        "rate_limit_exceeded" => "rate_limit_error",
        "provider_overloaded" => "overloaded_error",
        "timeout" => "timeout_error",
        "payload_too_large" => "request_too_large",
        "provider_unavailable" | "server" | "unmapped" => "api_error",
        _ => "invalid_request_error",
    }
}

/// Writes one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    thoughts: Thoughts,
    started: bool,
    /// Index of the next block.
    next: u32,
    /// The block that is being written.
    current: Option<Current>,
    /// Tool calls that the provider mixes with the one that is being written: they are written when it is complete.
    waiting: Vec<Waiting>,
    /// Blocks that had to be ended before the provider did: number and index. Clients find blocks by index, so that what still comes
    /// for one is not lost.
    ended: Vec<(u32, u32)>,
    refused: bool,
}

#[derive(Debug)]
struct Current {
    /// The reader's number of it.
    number: u32,
    /// Ours; meaningless where nothing is written of the block.
    index: u32,
    kind: Kind,
    /// Pieces of a signature, or of data, that this API wants whole.
    held: String,
    /// Any text was written; for tool calls anything but white space.
    filled: bool,
}

#[derive(Debug)]
enum Kind {
    Text,
    /// What stands before the signature; empty: the thought is Anthropic's.
    Thinking {
        head: String,
    },
    /// Likewise, of encrypted data.
    Redacted {
        head: String,
    },
    Tool {
        id: String,
        custom: bool,
    },
    /// What the client does not want to see, or has been written whole.
    Silent,
}

#[derive(Debug)]
struct Waiting {
    number: u32,
    /// The block as it begins, JSON.
    block: Vec<u8>,
    id: String,
    custom: bool,
    /// Arguments as far as they came.
    arguments: String,
    signature: String,
    closed: bool,
}

impl Writer {
    pub(crate) fn new(serving: &Serving<'_>) -> Writer {
        Writer {
            thoughts: Thoughts::of(serving.asked),
            started: false,
            next: 0,
            current: None,
            waiting: Vec::new(),
            ended: Vec::new(),
            refused: false,
        }
    }

    fn start(&mut self, usage: Option<&Usage>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        event("message_start", out);
        key("message", out);
        message_head(serving, out);
        raw_member("content", "[]", out);
        raw_member("stop_reason", "null", out);
        stop_sequence(None, out);
        key("usage", out);
        let estimate = Usage::estimated(serving.asked.len() as u64, 0);
        write_usage(usage.unwrap_or(&estimate), None, None, out);
        out.push(b'}');
        end_event(out);
    }

    fn take_index(&mut self) -> u32 {
        let index = self.next;
        self.next += 1;
        index
    }

    fn open(&mut self, number: u32, open: &Open<'_>, out: &mut Vec<u8>) {
        if let Open::ToolCall {
            id,
            name,
            custom,
            namespace,
            signature,
        } = *open
        {
            let mut block = Vec::with_capacity(64 + id.len() + name.len());
            open_block("tool_use", &mut block);
            string_member("id", id, &mut block);
            let name = joined_name(namespace, &Cow::Borrowed(name));
            string_member("name", &name, &mut block);
            raw_member("input", "{}", &mut block);
            block.push(b'}');
            let tool = Waiting {
                number,
                block,
                id: id.to_owned(),
                custom,
                arguments: String::new(),
                signature: signature.unwrap_or_default().to_owned(),
                closed: false,
            };
            let busy = matches!(
                self.current,
                Some(Current {
                    kind: Kind::Tool { .. },
                    ..
                })
            );
            if busy {
                self.waiting.push(tool);
            } else {
                self.finish_current(true, out);
                self.begin_tool(tool, out);
            }
            return;
        }
        self.finish_current(true, out);
        self.begin_waiting_whole(out);
        let (kind, block): (Kind, &[u8]) = match *open {
            Open::Text => (Kind::Text, b"{\"type\":\"text\",\"text\":\"\"}"),
            Open::Refusal => {
                self.refused = true;
                (Kind::Text, b"{\"type\":\"text\",\"text\":\"\"}")
            }
            Open::Audio { .. } => (Kind::Text, b"{\"type\":\"text\",\"text\":\"\"}"),
            Open::Thought { .. } if self.thoughts == Thoughts::Hidden => (Kind::Silent, b""),
            Open::Thought { kind, id, format } => {
                let head = match format {
                    format::ANTHROPIC => String::new(),
                    other => carried::head(other, Carries::Thought(kind), id.unwrap_or_default()),
                };
                match kind {
                    ThoughtKind::Encrypted => (Kind::Redacted { head }, b""),
                    _ => (
                        Kind::Thinking { head },
                        b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
                    ),
                }
            }
            Open::Image { media_type, base64 } => {
                let index = self.take_index();
                block_start(index, |out| image_block(media_type, base64, out), out);
                block_stop(index, out);
                (Kind::Silent, b"")
            }
            Open::ToolCall { .. } => (Kind::Silent, b""),
        };
        let index = match block.is_empty() {
            true => 0,
            false => {
                let index = self.take_index();
                block_start(index, |out| out.extend_from_slice(block), out);
                index
            }
        };
        self.current = Some(Current {
            number,
            index,
            kind,
            held: String::new(),
            filled: false,
        });
    }

    /// Writes the beginning of a tool call, and what came of it while it waited.
    fn begin_tool(&mut self, tool: Waiting, out: &mut Vec<u8>) {
        self.carrier(Carries::Call, &tool.id, &tool.signature, out);
        let index = self.take_index();
        block_start(index, |out| out.extend_from_slice(&tool.block), out);
        let mut current = Current {
            number: tool.number,
            index,
            kind: Kind::Tool {
                id: tool.id,
                custom: tool.custom,
            },
            held: String::new(),
            filled: false,
        };
        arguments(&mut current, &tool.arguments, out);
        self.current = Some(current);
        if tool.closed {
            self.finish_current(false, out);
        }
    }

    /// Writes the tool calls that wait, as far as they are complete, and begins the first that is not.
    fn begin_waiting(&mut self, out: &mut Vec<u8>) {
        while self.current.is_none() && !self.waiting.is_empty() {
            let tool = self.waiting.remove(0);
            self.begin_tool(tool, out);
        }
    }

    /// Writes all the tool calls that wait, because something else comes.
    fn begin_waiting_whole(&mut self, out: &mut Vec<u8>) {
        while !self.waiting.is_empty() {
            self.begin_waiting(out);
            self.finish_current(true, out);
        }
    }

    /// Ends the block that is being written. `early`: more of it may come.
    fn finish_current(&mut self, early: bool, out: &mut Vec<u8>) {
        let Some(current) = self.current.take() else {
            return;
        };
        let Current {
            number,
            index,
            kind,
            held,
            filled,
        } = current;
        match kind {
            Kind::Silent => return,
            Kind::Text => {
                block_stop(index, out);
                if !held.is_empty() {
                    self.carrier(Carries::Text, "", &held, out);
                }
            }
            Kind::Thinking { head } => {
                if !(head.is_empty() && held.is_empty()) {
                    delta(index, "signature_delta", "signature", out);
                    out.push(b'"');
                    json::write_string_inside(&head, out);
                    json::write_string_inside(&held, out);
                    out.extend_from_slice(b"\"}");
                    end_event(out);
                }
                block_stop(index, out);
            }
            Kind::Redacted { head } => {
                let index = self.take_index();
                block_start(
                    index,
                    |out| {
                        out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":\"");
                        json::write_string_inside(&head, out);
                        json::write_string_inside(&held, out);
                        out.extend_from_slice(b"\"}");
                    },
                    out,
                );
                block_stop(index, out);
                return;
            }
            Kind::Tool { id, custom } => {
                // A call without arguments has an empty object of them; clients parse what the deltas make together.
                match (custom, filled) {
                    (false, false) => input_delta(index, "{}", out),
                    (true, false) => input_delta(index, "{\"input\":\"\"}", out),
                    (true, true) => input_delta(index, "\"}", out),
                    (false, true) => {}
                }
                block_stop(index, out);
                if !held.is_empty() {
                    self.carrier(Carries::Call, &id, &held, out);
                }
            }
        }
        if early {
            self.ended.push((number, index));
        }
    }

    /// Writes a block that only holds a signature.
    fn carrier(&mut self, carries: Carries, id: &str, signature: &str, out: &mut Vec<u8>) {
        if signature.is_empty() || self.thoughts == Thoughts::Hidden {
            return;
        }
        let index = self.take_index();
        let packed = carried::pack(format::GEMINI, carries, id, signature);
        block_start(
            index,
            |out| {
                out.extend_from_slice(
                    b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
                );
            },
            out,
        );
        delta(index, "signature_delta", "signature", out);
        write_string(&packed, out);
        out.push(b'}');
        end_event(out);
        block_stop(index, out);
    }

    fn delta(&mut self, number: u32, what: &Delta<'_>, out: &mut Vec<u8>) {
        let thoughts = self.thoughts;
        if let Some(current) = &mut self.current
            && current.number == number
        {
            current_delta(current, what, thoughts, out);
            return;
        }
        if let Some(tool) = self.waiting.iter_mut().find(|tool| tool.number == number) {
            match what {
                Delta::Text(text) => tool.arguments.push_str(text),
                Delta::Signature(signature) => tool.signature.push_str(signature),
                _ => {}
            }
            let held: usize = self.waiting.iter().map(|tool| tool.arguments.len()).sum();
            if held > WAITING_BYTES_MAX {
                self.finish_current(true, out);
                self.begin_waiting(out);
            }
            return;
        }
        // Only arguments of tool calls come this late.
        if let (Some((_, index)), Delta::Text(text)) =
            (self.ended.iter().find(|(ended, _)| *ended == number), what)
        {
            input_delta(*index, text, out);
        }
    }

    fn close(&mut self, number: u32, out: &mut Vec<u8>) {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.number == number)
        {
            self.finish_current(false, out);
            self.begin_waiting(out);
        } else if let Some(tool) = self.waiting.iter_mut().find(|tool| tool.number == number) {
            tool.closed = true;
        } else {
            self.ended.retain(|(ended, _)| *ended != number);
        }
    }
}

fn current_delta(current: &mut Current, what: &Delta<'_>, thoughts: Thoughts, out: &mut Vec<u8>) {
    let index = current.index;
    match (&current.kind, what) {
        (Kind::Text, Delta::Text(text)) if !text.is_empty() => {
            text_delta(index, "text_delta", "text", text, out);
        }
        (Kind::Text, Delta::Audio { transcript, .. }) if !transcript.is_empty() => {
            text_delta(index, "text_delta", "text", transcript, out);
        }
        (Kind::Text, Delta::Citation(citation)) => {
            delta(index, "citations_delta", "citation", out);
            write_citation(citation, out);
            out.push(b'}');
            end_event(out);
        }
        (Kind::Thinking { .. }, Delta::Text(text))
            if !text.is_empty() && thoughts == Thoughts::Shown =>
        {
            text_delta(index, "thinking_delta", "thinking", text, out);
        }
        (Kind::Redacted { .. }, Delta::Text(text)) => current.held.push_str(text),
        (Kind::Tool { .. }, Delta::Text(text)) => arguments(current, text, out),
        (_, Delta::Signature(signature)) => current.held.push_str(signature),
        _ => {}
    }
}

/// Writes a piece of a tool call's arguments.
fn arguments(current: &mut Current, text: &str, out: &mut Vec<u8>) {
    let Kind::Tool { custom, .. } = current.kind else {
        return;
    };
    if custom {
        // Plain text becomes a string inside the one argument of a function.
        if text.is_empty() {
            return;
        }
        let mut piece = Vec::with_capacity(text.len() + 16);
        if !current.filled {
            piece.extend_from_slice(b"{\"input\":\"");
        }
        json::write_string_inside(text, &mut piece);
        current.filled = true;
        input_delta(current.index, &String::from_utf8_lossy(&piece), out);
        return;
    }
    if !current.filled && text.trim_ascii().is_empty() {
        return;
    }
    current.filled = true;
    input_delta(current.index, text, out);
}

fn event(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: {\"type\":\"");
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
}

fn end_event(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}

fn block_start(index: u32, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    event("content_block_start", out);
    number_member("index", u64::from(index), out);
    key("content_block", out);
    write(out);
    end_event(out);
}

fn block_stop(index: u32, out: &mut Vec<u8>) {
    event("content_block_stop", out);
    number_member("index", u64::from(index), out);
    end_event(out);
}

/// Begins a delta; what it adds and a closing brace follow.
fn delta(index: u32, kind: &str, member: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
    );
    write_number(u64::from(index), out);
    out.extend_from_slice(b",\"delta\":{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"");
    out.extend_from_slice(member.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text_delta(index: u32, kind: &str, member: &str, text: &str, out: &mut Vec<u8>) {
    delta(index, kind, member, out);
    write_string(text, out);
    out.push(b'}');
    end_event(out);
}

fn input_delta(index: u32, text: &str, out: &mut Vec<u8>) {
    text_delta(index, "input_json_delta", "partial_json", text, out);
}

impl StreamWriter for Writer {
    fn event(&mut self, event: &Event<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { usage, .. } => self.start(usage.as_ref(), serving, out),
            Event::Open { block, open } => {
                self.start(None, serving, out);
                self.open(*block, open, out);
            }
            Event::Delta { block, delta } => self.delta(*block, delta, out),
            Event::Close { block } => self.close(*block, out),
            Event::Usage(_) | Event::Finish { .. } | Event::ServiceTier(_) => {}
        }
    }

    fn end(&mut self, closing: &Closing<'_>, serving: &Serving<'_>, out: &mut Vec<u8>) {
        self.start(None, serving, out);
        self.finish_current(false, out);
        self.begin_waiting_whole(out);
        write_delta_event(closing, self.refused, out);
        write_stop_event(out);
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
        let current = self.current.as_ref().map_or(0, |current| {
            current.held.capacity()
                + match &current.kind {
                    Kind::Thinking { head } | Kind::Redacted { head } => head.capacity(),
                    Kind::Tool { id, .. } => id.capacity(),
                    Kind::Text | Kind::Silent => 0,
                }
        });
        let waiting: usize = self
            .waiting
            .iter()
            .map(|tool| {
                size_of::<Waiting>()
                    + tool.block.capacity()
                    + tool.id.capacity()
                    + tool.arguments.capacity()
                    + tool.signature.capacity()
            })
            .sum();
        size_of::<Writer>() + current + waiting + self.ended.capacity() * size_of::<(u32, u32)>()
    }
}

/// Appends the event that says why the answer ended, and what it cost. `refused`: see [`stop_reason`].
pub(crate) fn write_delta_event(closing: &Closing<'_>, refused: bool, out: &mut Vec<u8>) {
    event("message_delta", out);
    key("delta", out);
    out.push(b'{');
    string_member("stop_reason", stop_reason(closing, refused), out);
    stop_sequence(closing.stop_sequence, out);
    out.push(b'}');
    key("usage", out);
    write_usage(
        &closing.usage,
        closing.service_tier,
        Some(&closing.cost),
        out,
    );
    end_event(out);
}

/// Appends the event that ends a stream.
pub(crate) fn write_stop_event(out: &mut Vec<u8>) {
    event("message_stop", out);
    end_event(out);
}

/// Appends the event that ends a stream badly.
pub(crate) fn error_event(why: &Refusal, id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: error\ndata: ");
    refusal(why, id, out);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Api;
    use crate::dialect::Dialect;
    use crate::refusal::Kind as RefusalKind;
    use crate::usage::UsageSource;
    use serde_json::Value;

    fn serving(asked: &str) -> Serving<'_> {
        Serving {
            api: Api::Messages,
            dialect: Dialect::Gemini,
            asked,
            id: "gen-1-a",
            created: 5,
            now: || 9,
            model: "a/b",
            provider: "P",
            prices: None,
        }
    }

    fn closing(finish: Finish, native: &str) -> Closing<'_> {
        Closing {
            usage: Usage::default(),
            usage_source: UsageSource::Upstream,
            cost: Cost::default(),
            finish,
            native,
            stop_sequence: None,
            service_tier: None,
        }
    }

    /// The events of a stream, each as its data.
    fn written(asked: &str, events: &[Event<'_>]) -> Vec<Value> {
        let serving = serving(asked);
        let mut writer = Writer::new(&serving);
        let mut out = Vec::new();
        for event in events {
            writer.event(event, &serving, &mut out);
        }
        writer.end(&closing(Finish::Stop, "stop"), &serving, &mut out);
        let text = String::from_utf8(out).unwrap();
        text.trim_end()
            .split("\n\n")
            .map(|event| {
                let (name, data) = event.split_once('\n').unwrap();
                let data: Value =
                    serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
                data
            })
            .collect()
    }

    /// What matters of each event between the first and the last two, in a word or two.
    fn outline(events: &[Value]) -> Vec<String> {
        assert_eq!(events[0]["type"], "message_start");
        let (ends, rest) = events[1..].split_at(events.len() - 3);
        assert_eq!(rest[0]["type"], "message_delta");
        assert_eq!(rest[1]["type"], "message_stop");
        ends.iter()
            .map(|event| {
                let index = &event["index"];
                match event["type"].as_str().unwrap() {
                    "content_block_start" => {
                        let block = &event["content_block"];
                        let more = block
                            .get("id")
                            .or(block.get("data"))
                            .and_then(Value::as_str);
                        format!(
                            "{index} {} {}",
                            block["type"].as_str().unwrap(),
                            more.unwrap_or("-")
                        )
                    }
                    "content_block_delta" => {
                        let delta = event["delta"].as_object().unwrap();
                        let (_, value) = delta.iter().find(|(name, _)| *name != "type").unwrap();
                        match value.as_str() {
                            Some(text) => format!("{index} + {text}"),
                            None => format!("{index} + {value}"),
                        }
                    }
                    other => format!("{index} {}", other.trim_start_matches("content_block_")),
                }
            })
            .collect()
    }

    fn tool(block: u32, id: &'static str) -> Event<'static> {
        Event::Open {
            block,
            open: Open::ToolCall {
                id,
                name: "f",
                custom: false,
                namespace: None,
                signature: None,
            },
        }
    }

    fn text(block: u32, text: &str) -> Event<'_> {
        Event::Delta {
            block,
            delta: Delta::Text(text),
        }
    }

    #[test]
    fn a01_calls_that_a_provider_mixes_come_one_after_the_other() {
        let events = written(
            "{}",
            &[
                tool(0, "t0"),
                text(0, "{\"a\""),
                tool(1, "t1"),
                text(1, "{\"b\""),
                text(0, ":1}"),
                tool(2, "t2"),
                text(1, ":2}"),
                Event::Close { block: 1 },
                Event::Close { block: 0 },
                Event::Close { block: 2 },
            ],
        );
        assert_eq!(
            outline(&events),
            [
                "0 tool_use t0",
                "0 + {\"a\"",
                "0 + :1}",
                "0 stop",
                "1 tool_use t1",
                "1 + {\"b\":2}",
                "1 stop",
                "2 tool_use t2",
                "2 + {}",
                "2 stop"
            ]
        );
    }

    #[test]
    fn a_long_call_does_not_wait_for_another() {
        let long = "x".repeat(WAITING_BYTES_MAX + 1);
        let events = written(
            "{}",
            &[
                tool(0, "t0"),
                tool(1, "t1"),
                text(1, &long),
                text(0, "late"),
                Event::Close { block: 0 },
                Event::Close { block: 1 },
            ],
        );
        let outline = outline(&events);
        assert_eq!(outline[1], "0 + {}");
        assert_eq!(outline[2], "0 stop");
        assert_eq!(outline[3], "1 tool_use t1");
        assert_eq!(outline[5], "0 + late");
        assert_eq!(outline[6], "1 stop");
    }

    #[test]
    fn text_ends_what_was_open() {
        let open = |block, open| Event::Open { block, open };
        let events = written(
            "{}",
            &[
                open(0, Open::Text),
                text(0, ""),
                text(0, "a"),
                tool(1, "t1"),
                tool(2, "t2"),
                open(3, Open::Text),
                text(3, "b"),
                Event::Close { block: 3 },
            ],
        );
        assert_eq!(
            outline(&events),
            [
                "0 text -",
                "0 + a",
                "0 stop",
                "1 tool_use t1",
                "1 + {}",
                "1 stop",
                "2 tool_use t2",
                "2 + {}",
                "2 stop",
                "3 text -",
                "3 + b",
                "3 stop"
            ]
        );
    }

    fn thinking(format: &'static str) -> Vec<Event<'static>> {
        vec![
            Event::Open {
                block: 0,
                open: Open::Thought {
                    kind: ThoughtKind::Text,
                    id: None,
                    format,
                },
            },
            text(0, "hm"),
            Event::Delta {
                block: 0,
                delta: Delta::Signature("c2ln"),
            },
            Event::Close { block: 0 },
            Event::Open {
                block: 1,
                open: Open::Thought {
                    kind: ThoughtKind::Encrypted,
                    id: Some("rs"),
                    format,
                },
            },
            text(1, "ZW5j"),
            Event::Close { block: 1 },
        ]
    }

    #[test]
    fn a03_signatures_are_whole_and_those_of_others_are_packed() {
        assert_eq!(
            outline(&written("{}", &thinking(format::ANTHROPIC))),
            [
                "0 thinking -",
                "0 + hm",
                "0 + c2ln",
                "0 stop",
                "1 redacted_thinking ZW5j",
                "1 stop"
            ]
        );
        assert_eq!(
            outline(&written("{}", &thinking(format::RESPONSES))),
            [
                "0 thinking -",
                "0 + hm",
                "0 + turnout:1:openai-responses-v1:thought:0:c2ln",
                "0 stop",
                "1 redacted_thinking turnout:1:openai-responses-v1:encrypted:2:rsZW5j",
                "1 stop"
            ]
        );
    }

    #[test]
    fn thoughts_are_shown_as_the_client_asked() {
        let omitted = r#"{"thinking":{"type":"adaptive","display":"omitted"}}"#;
        assert_eq!(
            outline(&written(omitted, &thinking(format::ANTHROPIC)))[..3],
            ["0 thinking -", "0 + c2ln", "0 stop"]
        );
        let disabled = r#"{"thinking":{"type":"disabled"}}"#;
        assert!(outline(&written(disabled, &thinking(format::ANTHROPIC))).is_empty());
    }

    #[test]
    fn a_signature_of_a_call_travels_in_a_block_of_its_own() {
        let events = written(
            "{}",
            &[
                Event::Open {
                    block: 0,
                    open: Open::ToolCall {
                        id: "t",
                        name: "f",
                        custom: false,
                        namespace: Some("ns"),
                        signature: Some("Z2Vt"),
                    },
                },
                text(0, "{}"),
                Event::Close { block: 0 },
            ],
        );
        assert_eq!(
            outline(&events),
            [
                "0 thinking -",
                "0 + turnout:1:google-gemini-v1:call:1:tZ2Vt",
                "0 stop",
                "1 tool_use t",
                "1 + {}",
                "1 stop"
            ]
        );
        assert_eq!(events[4]["content_block"]["name"], "ns___f");
    }

    #[test]
    fn a_custom_call_has_its_text_in_one_argument() {
        let events = written(
            "{}",
            &[
                Event::Open {
                    block: 0,
                    open: Open::ToolCall {
                        id: "t",
                        name: "f",
                        custom: true,
                        namespace: None,
                        signature: None,
                    },
                },
                text(0, "say \"a"),
                text(0, "\"\n"),
                Event::Close { block: 0 },
            ],
        );
        let joined: String = events
            .iter()
            .filter_map(|event| event["delta"]["partial_json"].as_str())
            .collect();
        let input: Value = serde_json::from_str(&joined).unwrap();
        assert_eq!(input["input"], "say \"a\"\n");
    }

    #[test]
    fn a05_a06_the_start_names_the_provider_and_estimates_the_prompt() {
        let asked = format!("{{\"a\":\"{}\"}}", "x".repeat(392));
        let events = written(&asked, &[]);
        let message = &events[0]["message"];
        assert_eq!(message["provider"], "P");
        assert_eq!(message["model"], "a/b");
        assert_eq!(message["usage"]["input_tokens"], 100);
        assert_eq!(message["usage"]["service_tier"], "standard");
        assert_eq!(events[1]["usage"]["cost"], 0);
    }

    #[test]
    fn reasons_for_the_end_are_anthropics() {
        for (finish, native, reason) in [
            (Finish::Stop, "stop", "end_turn"),
            (Finish::Stop, "pause_turn", "pause_turn"),
            (Finish::Length, "length", "max_tokens"),
            (
                Finish::Length,
                "model_context_window_exceeded",
                "model_context_window_exceeded",
            ),
            (Finish::ToolCalls, "STOP", "tool_use"),
            // A provider that says that it stopped, and called tools.
            (Finish::ToolCalls, "end_turn", "tool_use"),
            (Finish::ContentFilter, "SAFETY", "refusal"),
            (Finish::Error, "error", "end_turn"),
        ] {
            assert_eq!(
                stop_reason(&closing(finish, native), false),
                reason,
                "{native}"
            );
        }
        assert_eq!(stop_reason(&closing(Finish::Stop, "stop"), true), "refusal");
        let met = Closing {
            stop_sequence: Some("END"),
            ..closing(Finish::Stop, "stop")
        };
        assert_eq!(stop_reason(&met, false), "stop_sequence");
    }

    #[test]
    fn a04_every_refusal_has_anthropics_form() {
        const TYPES: [&str; 9] = [
            "invalid_request_error",
            "authentication_error",
            "billing_error",
            "permission_error",
            "not_found_error",
            "request_too_large",
            "rate_limit_error",
            "timeout_error",
            "api_error",
        ];
        for kind in RefusalKind::ALL {
            let mut out = Vec::new();
            refusal(&Refusal::new(*kind), "gen-1", &mut out);
            let body: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(body["type"], "error");
            let error = &body["error"];
            let name = error["type"].as_str().unwrap();
            assert!(
                TYPES.contains(&name) || name == "overloaded_error",
                "{kind:?}: {name}"
            );
            assert_eq!(error["error_type"], kind.error_type());
            assert_eq!(error["message"], kind.message());
            assert_eq!(body["request_id"], "gen-1");
        }
        let mut out = Vec::new();
        refusal(&Refusal::new(RefusalKind::NoEndpoints), "", &mut out);
        let body: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(body["request_id"], Value::Null);
        assert_eq!(body["error"]["type"], "not_found_error");
        assert_eq!(body["error"]["availability"]["code"], "no_endpoints");
    }

    #[test]
    fn an_interrupted_stream_ends_with_an_error_event() {
        let serving = serving("{}");
        let mut writer = Writer::new(&serving);
        let mut out = Vec::new();
        writer.interrupted(
            &Refusal::new(RefusalKind::ProviderOverloaded),
            &closing(Finish::Stop, "stop"),
            &serving,
            &mut out,
        );
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
        ));
        assert!(text.ends_with("}\n\n"));
    }

    #[test]
    fn input_is_an_object_whatever_the_model_wrote() {
        for (arguments, expected) in [
            ("", "{}"),
            ("  ", "{}"),
            (" {\"a\": 1.50} ", "{\"a\": 1.50}"),
            ("{\"a\":", "{\"arguments\":\"{\\\"a\\\":\"}"),
            ("[1]", "{\"arguments\":\"[1]\"}"),
        ] {
            let call = ToolCall {
                arguments: Cow::Borrowed(arguments),
                ..ToolCall::default()
            };
            let mut out = Vec::new();
            write_input(&call, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
