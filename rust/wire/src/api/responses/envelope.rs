//! The response object: what surrounds the output, in a plain answer and in the events of a stream that carry it whole.
//!
//! Much of it repeats the request, and clients rely on that (their types have no default for `tools`), so the request is looked at once
//! more and its members are remembered as spans.

use crate::answer::{Closing, Serving};
use crate::api::responses::object::{Object, flag};
use crate::api::responses::read::tools_of;
use crate::cost::{Cost, write_dollars};
use crate::exchange::{Tool, joined_name, split_name};
use crate::finish::Finish;
use crate::json::{Span, write_number, write_string};
use crate::refusal::Refusal;
use crate::usage::{Usage, write_whose_key};

/// Members that are repeated, and what stands there when the request did not say.
const REPEATED: [(&str, &str); 18] = [
    ("background", "false"),
    ("frequency_penalty", "null"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("presence_penalty", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", "{\"effort\":null,\"summary\":null}"),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", "{\"format\":{\"type\":\"text\"}}"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
];

/// What an answer repeats of its request and depends on.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    repeated: [Option<Span>; REPEATED.len()],
    /// Custom tools, by the one name under which other protocols offer them.
    customs: Vec<String>,
    /// Namespaces of tools.
    namespaces: Vec<String>,
    /// The client asks for what it needs to replay thoughts.
    pub(super) seals: bool,
    /// The client does not want to see thoughts.
    pub(super) hides_thoughts: bool,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum State<'a> {
    /// It has begun.
    InProgress,
    /// It ended, well or for a reason.
    Ended(&'a Closing<'a>),
    /// It was cut short.
    Failed(&'a Refusal, &'a Closing<'a>),
}

impl State<'_> {
    const fn name(&self) -> &'static str {
        match self {
            State::InProgress => "in_progress",
            State::Failed(..) => "failed",
            State::Ended(closing) => match closing.finish {
                Finish::Stop | Finish::ToolCalls => "completed",
                Finish::Length | Finish::ContentFilter => "incomplete",
                Finish::Error => "failed",
            },
        }
    }

    /// The event that carries the object at the end.
    pub(crate) fn last_event(&self) -> &'static str {
        match self.name() {
            "failed" => "response.failed",
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        }
    }
}

impl Envelope {
    /// Looks at the request.
    pub(crate) fn new(asked: &str) -> Envelope {
        let mut envelope = Envelope::default();
        let Some(body) = Object::of(asked) else {
            return envelope;
        };
        for ((name, _), span) in REPEATED.iter().zip(&mut envelope.repeated) {
            *span = body.value(name).map(|value| value.span);
        }
        let sealing = |raw: &&str| *raw == "\"reasoning.encrypted_content\"";
        envelope.seals = body.elements("include").iter().any(sealing);
        envelope.hides_thoughts = body
            .object("reasoning")
            .and_then(|wish| flag(&wish.value("exclude")?))
            .unwrap_or(false);
        for tool in tools_of(&body) {
            match tool {
                Tool::Custom { name, .. } => {
                    if let (Some(namespace), _) = split_name(&name) {
                        envelope.namespaces.push(namespace.to_owned());
                    }
                    envelope.customs.push(name.into_owned());
                }
                Tool::Function(function) => {
                    if let Some(namespace) = function.namespace {
                        envelope.namespaces.push(namespace.into_owned());
                    }
                }
                Tool::Server { .. } => {}
            }
        }
        envelope
    }

    /// The client's own name of a tool that a model called, taken apart where the client put it in a namespace; and whether it is a
    /// custom tool.
    pub(super) fn tool<'n>(
        &self,
        name: &'n str,
        namespace: Option<&'n str>,
    ) -> (Option<&'n str>, &'n str, bool) {
        let (split, rest) = split_name(name);
        let known = split.is_some_and(|split| self.namespaces.iter().any(|known| known == split));
        let (namespace, name) = match namespace {
            None if known => (split, rest),
            namespace => (namespace, name),
        };
        let custom = !self.customs.is_empty() && {
            let joined = joined_name(namespace, &name.into());
            self.customs.iter().any(|custom| *custom == joined)
        };
        (namespace, name, custom)
    }

    /// Bytes that are held.
    pub(super) fn held_bytes(&self) -> usize {
        let names = self.customs.iter().chain(&self.namespaces);
        names.map(String::capacity).sum()
    }

    /// Appends the whole object; `output` writes the elements of its `output`.
    pub(crate) fn write(
        &self,
        state: State<'_>,
        serving: &Serving<'_>,
        output: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"{\"id\":");
        write_string(serving.id, out);
        out.extend_from_slice(b",\"object\":\"response\",\"created_at\":");
        write_number(serving.created, out);
        out.extend_from_slice(b",\"status\":\"");
        out.extend_from_slice(state.name().as_bytes());
        out.extend_from_slice(b"\",\"completed_at\":");
        // Null for one that was cut short, too: it has not been completed.
        match state.name() {
            "completed" => write_number((serving.now)(), out),
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"error\":");
        match &state {
            State::Failed(refusal, _) => write_error(refusal, out),
            State::Ended(closing) if closing.finish == Finish::Error => {
                out.extend_from_slice(b"{\"code\":\"server_error\",\"message\":\"the provider failed while it generated\"}");
            }
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"incomplete_details\":");
        match &state {
            State::Ended(closing) => match closing.finish {
                Finish::Length => out.extend_from_slice(b"{\"reason\":\"max_output_tokens\"}"),
                Finish::ContentFilter => out.extend_from_slice(b"{\"reason\":\"content_filter\"}"),
                _ => out.extend_from_slice(b"null"),
            },
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"model\":");
        write_string(serving.model, out);
        out.extend_from_slice(b",\"output\":[");
        output(out);
        out.push(b']');
        self.repeat(serving.asked, out);
        out.extend_from_slice(b",\"previous_response_id\":null,\"store\":false,\"service_tier\":");
        let closing = match &state {
            State::InProgress => None,
            State::Ended(closing) | State::Failed(_, closing) => Some(*closing),
        };
        match closing.and_then(|closing| closing.service_tier) {
            Some(tier) => write_string(tier, out),
            None => out.extend_from_slice(b"null"),
        }
        match &state {
            State::Failed(refusal, _) => {
                out.extend_from_slice(b",\"error_type\":");
                write_string(refusal.error_type(), out);
            }
            State::Ended(closing) if closing.finish == Finish::Error => {
                out.extend_from_slice(b",\"error_type\":\"provider_unavailable\"");
            }
            _ => {}
        }
        out.extend_from_slice(b",\"usage\":");
        match closing {
            Some(closing) => write_usage(&closing.usage, &closing.cost, out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }

    fn repeat(&self, asked: &str, out: &mut Vec<u8>) {
        for ((name, unsaid), span) in REPEATED.iter().zip(&self.repeated) {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            let said = span.map(|span| span.of(asked)).unwrap_or_default();
            let value = if said.is_empty() { unsaid } else { said };
            match value.contains('\n') {
                false => out.extend_from_slice(value.as_bytes()),
                true => write_on_one_line(value, out),
            }
        }
    }
}

/// Line ends between the members of a client's JSON would end a line of an event; inside strings there are none, they are escaped.
fn write_on_one_line(value: &str, out: &mut Vec<u8>) {
    let line_end = |byte: &u8| *byte != b'\n' && *byte != b'\r';
    out.extend(value.bytes().filter(|byte| line_end(byte)));
}

/// Appends `error` of a response: this API's own code (openrouter.md §4.6), and the sentence.
fn write_error(refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"code\":\"");
    out.extend_from_slice(error_code(refusal.error_type()).as_bytes());
    out.extend_from_slice(b"\",\"message\":");
    write_string(&refusal.message, out);
    out.push(b'}');
}

/// This API's code for an `error_type`.
pub(crate) fn error_code(error_type: &str) -> &'static str {
    match error_type {
        "rate_limit_exceeded" => "rate_limit_exceeded",
        "context_length_exceeded" | "invalid_request" | "invalid_prompt" => "invalid_prompt",
        "content_policy_violation" => "image_content_policy_violation",
        "invalid_image" => "invalid_image",
        "image_too_large" => "image_too_large",
        "image_too_small" => "image_too_small",
        "unsupported_image_format" => "unsupported_image_media_type",
        "image_download_failed" => "failed_to_download_image",
        "image_not_found" => "image_file_not_found",
        _ => "server_error",
    }
}

/// Appends `usage` in this API's words.
pub(crate) fn write_usage(usage: &Usage, cost: &Cost, out: &mut Vec<u8>) {
    let mut member = |name: &[u8], count: u64| {
        out.extend_from_slice(name);
        write_number(count, out);
    };
    member(b"{\"input_tokens\":", usage.prompt);
    member(
        b",\"input_tokens_details\":{\"cached_tokens\":",
        usage.cached,
    );
    member(b",\"cache_write_tokens\":", usage.cache_write);
    member(b"},\"output_tokens\":", usage.completion);
    member(
        b",\"output_tokens_details\":{\"reasoning_tokens\":",
        usage.reasoning,
    );
    member(b"},\"total_tokens\":", usage.total);
    if usage.web_searches > 0 {
        member(
            b",\"server_tool_use_details\":{\"web_search_requests\":",
            usage.web_searches,
        );
        out.push(b'}');
    }
    write_cost(cost, out);
    out.push(b'}');
}

/// Appends the members of `usage` that tell the cost, with a comma before them.
pub(crate) fn write_cost(cost: &Cost, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"cost\":");
    write_dollars(cost.total_nano, out);
    write_whose_key(cost, out);
    out.extend_from_slice(b",\"upstream_inference_input_cost\":");
    write_dollars(cost.prompt_nano, out);
    out.extend_from_slice(b",\"upstream_inference_output_cost\":");
    write_dollars(cost.completion_nano, out);
    out.push(b'}');
}
