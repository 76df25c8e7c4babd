//! The middle shape: what a client's API and a provider's dialect say to each other when they are not the same protocol.
//!
//! Every API is read into these types and written from them, and so is every dialect; therefore there are APIs + dialects
//! files and not APIs × dialects. The shape is a superset of what the protocols can say. Where they disagree on
//! structure it follows the richest one: content is a list of typed blocks, tool results are blocks, thoughts keep their
//! signatures, and a stream opens, fills and closes numbered blocks.
//!
//! Rules:
//!
//! - **Borrowed.** Texts are borrowed from the document that was read, unless they hold escapes. JSON that nobody here looks into
//!   (schemas, arguments, a vendor's own blocks) stays raw text.
//! - **Nothing is invented.** What was not said is `None` or empty, and a dialect does not write it (checklist Q01).
//! - **Nothing is lost quietly.** A dialect that cannot say something follows [`crate::dialect::Target::cannot`].
//! - Tokens are counted as OpenAI does: cached tokens are part of the prompt, thought is part of the completion. A dialect that
//!   counts otherwise converts when it reads, and an API that counts otherwise converts when it writes.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::Api;
use crate::finish::Finish;
use crate::json::{write_string, write_string_inside};
use crate::usage::Usage;

/// A client's wish for a generation.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// Instructions that stand before the conversation, in order. Text blocks as a rule.
    pub system: Vec<Block<'a>>,
    /// The conversation, in the client's order. Neighbours may have the same role; dialects that forbid it join them.
    pub turns: Vec<Turn<'a>>,
    /// Tools on offer.
    pub tools: Vec<Tool<'a>>,
    /// How the model may choose among them.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several tools may be called at once.
    pub parallel_tool_calls: Option<bool>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Most tokens to generate.
    pub max_tokens: Option<u64>,
    /// Numbers are the client's own digits, so that none is rounded on its way.
    pub temperature: Option<&'a RawValue>,
    /// Nucleus sampling.
    pub top_p: Option<&'a RawValue>,
    /// Sampling among the k likeliest.
    pub top_k: Option<&'a RawValue>,
    /// Least probability relative to the likeliest.
    pub min_p: Option<&'a RawValue>,
    /// OpenRouter's `top_a`.
    pub top_a: Option<&'a RawValue>,
    /// OpenAI's penalty by frequency.
    pub frequency_penalty: Option<&'a RawValue>,
    /// OpenAI's penalty by presence.
    pub presence_penalty: Option<&'a RawValue>,
    /// The multiplying penalty of open models.
    pub repetition_penalty: Option<&'a RawValue>,
    /// Seed of sampling.
    pub seed: Option<&'a RawValue>,
    /// Texts that end the generation.
    pub stop: Vec<Cow<'a, str>>,
    /// Object of token id to bias.
    pub logit_bias: Option<&'a RawValue>,
    /// Whether probabilities are wanted.
    pub logprobs: Option<bool>,
    /// How many alternatives per token.
    pub top_logprobs: Option<u64>,
    /// The wish for thought.
    pub reasoning: Option<Reasoning<'a>>,
    /// low, medium, high, xhigh, max.
    pub verbosity: Option<Cow<'a, str>>,
    /// The form of the answer's text.
    pub format: Option<Format<'a>>,
    /// `text`, `image`, `audio`; empty: not said.
    pub modalities: Vec<Cow<'a, str>>,
    /// OpenAI's `audio` object: voice and format of spoken output.
    pub audio: Option<&'a RawValue>,
    /// OpenRouter's `image_config`.
    pub image_config: Option<&'a RawValue>,
    /// OpenAI's predicted output.
    pub prediction: Option<&'a RawValue>,
    /// Object of the client's own labels.
    pub metadata: Option<&'a RawValue>,
    /// `auto`, `default`, `flex`, `priority` …, as OpenAI says it.
    pub service_tier: Option<Cow<'a, str>>,
    /// The request as a whole asks for prompt caching (Anthropic's and OpenRouter's top-level `cache_control`).
    pub cache: Option<CacheMark<'a>>,
    /// OpenAI's key of the prompt cache.
    pub prompt_cache_key: Option<Cow<'a, str>>,
    /// OpenAI's `web_search_options`, or `{}` where a client asked for a provider's own search in its own words.
    pub web_search: Option<&'a RawValue>,
    /// Members that the API's reader does not know, in order: for a dialect that does.
    pub extra: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// The API that it was read from; says whose words `extra`, [`Block::Foreign`] and [`Tool::Server`] are.
    pub api: Api,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions inside the conversation.
    System,
    /// OpenAI's newer word for them. Dialects without it take it for `System`.
    Developer,
    /// The client's side, tool results included.
    User,
    /// The model.
    Assistant,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// Who speaks. Tool results stand in turns of [`Role::User`].
    pub role: Role,
    /// What is said.
    pub blocks: Vec<Block<'a>>,
    /// OpenAI's `name`; other dialects put `name: ` before the first text (checklist C21).
    pub name: Option<Cow<'a, str>>,
}

/// A piece of content, in a request or an answer.
#[derive(Debug, Clone)]
pub enum Block<'a> {
    /// Text.
    Text(Text<'a>),
    /// An image.
    Image {
        /// Where it is.
        source: Source<'a>,
        /// OpenAI's `detail`.
        detail: Option<Cow<'a, str>>,
        /// A cache breakpoint after it.
        cache: Option<CacheMark<'a>>,
    },
    /// A document, nearly always a PDF.
    File {
        /// Where it is.
        source: Source<'a>,
        /// Its name.
        name: Option<Cow<'a, str>>,
        /// A cache breakpoint after it.
        cache: Option<CacheMark<'a>>,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: Cow<'a, str>,
        /// `wav`, `mp3` …
        format: Cow<'a, str>,
        /// What is said in it, in answers.
        transcript: Option<Cow<'a, str>>,
        /// OpenAI's id of a spoken answer, which a later request may name.
        id: Option<Cow<'a, str>>,
    },
    /// A film.
    Video {
        /// Where it is.
        source: Source<'a>,
    },
    /// A thought of the model.
    Thought(Thought<'a>),
    /// The model wants a tool to be called.
    ToolCall(ToolCall<'a>),
    /// What a tool gave.
    ToolResult(ToolResult<'a>),
    /// The model's sentence of refusal (OpenAI's `refusal`).
    Refusal(Cow<'a, str>),
    /// A block that only the protocol it was read from knows (a server tool's result for instance), raw. Dialects of another family
    /// leave it out.
    Foreign(&'a RawValue),
}

/// Text, and what is attached to it.
#[derive(Debug, Clone, Default)]
pub struct Text<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// A cache breakpoint after it.
    pub cache: Option<CacheMark<'a>>,
    /// Sources that it names.
    pub citations: Vec<Citation<'a>>,
    /// A signature that must travel with it (Gemini's `thoughtSignature` on text).
    pub signature: Option<Cow<'a, str>>,
}

/// A source of a text, OpenRouter's `url_citation` (openrouter.md §4.5).
#[derive(Debug, Clone, Default)]
pub struct Citation<'a> {
    /// Address; empty for a document of the request.
    pub url: Cow<'a, str>,
    /// Title.
    pub title: Option<Cow<'a, str>>,
    /// The cited passage.
    pub content: Option<Cow<'a, str>>,
    /// Character range of the text that it supports.
    pub start_index: Option<u64>,
    /// End of that range, exclusive.
    pub end_index: Option<u64>,
    /// The vendor's own object, for a reader of the same family.
    pub raw: Option<&'a RawValue>,
}

/// Where a medium is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// An address that the provider fetches.
    Url(Cow<'a, str>),
    /// The bytes.
    Data {
        /// `image/png`, `application/pdf` …
        media_type: Cow<'a, str>,
        /// In base64.
        base64: Cow<'a, str>,
    },
    /// A file that the provider keeps.
    Id(Cow<'a, str>),
}

impl<'a> Source<'a> {
    /// Reads an address, which may be a data URL. A data URL that is not base64 is left an address.
    pub fn of_url(url: Cow<'a, str>) -> Source<'a> {
        match data_url(&url) {
            None => Source::Url(url),
            Some((media_type, at)) => {
                let (media_type, base64) = match &url {
                    Cow::Borrowed(text) => (
                        Cow::Borrowed(text.get(media_type).unwrap_or_default()),
                        Cow::Borrowed(text.get(at..).unwrap_or_default()),
                    ),
                    Cow::Owned(text) => (
                        Cow::Owned(text.get(media_type).unwrap_or_default().to_owned()),
                        Cow::Owned(text.get(at..).unwrap_or_default().to_owned()),
                    ),
                };
                Source::Data { media_type, base64 }
            }
        }
    }
}

impl Source<'_> {
    /// Appends the address as a JSON string; data become a data URL. The id of a file is written as it is.
    pub(crate) fn write_url(&self, out: &mut Vec<u8>) {
        match self {
            Source::Url(text) | Source::Id(text) => write_string(text, out),
            Source::Data { media_type, base64 } => {
                out.extend_from_slice(b"\"data:");
                write_string_inside(media_type, out);
                out.extend_from_slice(b";base64,");
                write_string_inside(base64, out);
                out.push(b'"');
            }
        }
    }
}

/// Where the media type of a base64 data URL stands, and where its data begins.
fn data_url(url: &str) -> Option<(std::ops::Range<usize>, usize)> {
    let rest = url.strip_prefix("data:")?;
    let comma = rest.find(',')?;
    let head = rest.get(..comma)?.strip_suffix(";base64")?;
    let media_type = head.split(';').next().unwrap_or_default();
    Some((5..5 + media_type.len(), 5 + comma + 1))
}

/// A cache breakpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheMark<'a> {
    /// `5m`, `1h`; `None`: the provider's usual.
    pub ttl: Option<Cow<'a, str>>,
}

/// A thought: OpenRouter's `reasoning_details` entry (openrouter.md §4.4).
#[derive(Debug, Clone, Default)]
pub struct Thought<'a> {
    /// What `text` is.
    pub kind: ThoughtKind,
    /// The text, the summary, or the encrypted data.
    pub text: Cow<'a, str>,
    /// Proof of origin; must come back unchanged.
    pub signature: Option<Cow<'a, str>>,
    /// The provider's id of it.
    pub id: Option<Cow<'a, str>>,
    /// Whose it is: one of [`format`]. Empty: unknown. A dialect replays only thoughts in its own format.
    pub format: Cow<'a, str>,
}

/// What the text of a thought is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ThoughtKind {
    /// The thought itself.
    #[default]
    Text,
    /// A summary of it.
    Summary,
    /// Data that only the provider can read.
    Encrypted,
}

/// Names of thought formats, as OpenRouter writes them.
pub mod format {
    /// Anthropic's thinking blocks.
    pub const ANTHROPIC: &str = "anthropic-claude-v1";
    /// OpenAI's Responses items.
    pub const RESPONSES: &str = "openai-responses-v1";
    /// Gemini's thought parts and signatures.
    pub const GEMINI: &str = "google-gemini-v1";
    /// Plain text beside the content, as open models give it.
    pub const UNKNOWN: &str = "unknown";
}

/// A call of a tool.
#[derive(Debug, Clone, Default)]
pub struct ToolCall<'a> {
    /// Ties the result to the call.
    pub id: Cow<'a, str>,
    /// The tool.
    pub name: Cow<'a, str>,
    /// JSON text of the arguments as the model wrote it, possibly empty or broken; plain text for a custom tool.
    pub arguments: Cow<'a, str>,
    /// OpenAI's custom tools take text, not JSON.
    pub custom: bool,
    /// The namespace that the tool stands in (Codex).
    pub namespace: Option<Cow<'a, str>>,
    /// A signature that must travel with it (Gemini).
    pub signature: Option<Cow<'a, str>>,
    /// A cache breakpoint after it.
    pub cache: Option<CacheMark<'a>>,
}

/// The result of a tool.
#[derive(Debug, Clone, Default)]
pub struct ToolResult<'a> {
    /// The call.
    pub call_id: Cow<'a, str>,
    /// The tool, where the protocol says it. Readers fill it in from the call where it does not.
    pub name: Option<Cow<'a, str>>,
    /// Text, images, files.
    pub blocks: Vec<Block<'a>>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// The call was of a custom tool.
    pub custom: bool,
    /// A cache breakpoint after it.
    pub cache: Option<CacheMark<'a>>,
}

/// A tool on offer.
#[derive(Debug, Clone)]
pub enum Tool<'a> {
    /// A function with a JSON Schema.
    Function(Function<'a>),
    /// OpenAI's custom tool: text in. Dialects without it offer a function with one string `input`.
    Custom {
        /// Its name.
        name: Cow<'a, str>,
        /// What it does.
        description: Option<Cow<'a, str>>,
        /// A grammar, raw.
        format: Option<&'a RawValue>,
    },
    /// A tool that the provider itself runs (web search, code execution …), raw, in the words of [`Ask::api`].
    Server {
        /// Its `type`.
        kind: Cow<'a, str>,
        /// The whole object.
        raw: &'a RawValue,
    },
}

/// A function tool.
#[derive(Debug, Clone, Default)]
pub struct Function<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of its arguments. Owned where the API's own notation of schemas had to be rewritten (Gemini).
    pub parameters: Option<Cow<'a, RawValue>>,
    /// Whether arguments must follow the schema.
    pub strict: Option<bool>,
    /// The namespace that it stands in (Codex). Dialects without namespaces join it to the name; see [`joined_name`].
    pub namespace: Option<Cow<'a, str>>,
    /// A cache breakpoint after it.
    pub cache: Option<CacheMark<'a>>,
}

/// The one name of a tool in a namespace, for dialects without namespaces. [`split_name`] undoes it.
pub fn joined_name<'a>(namespace: Option<&str>, name: &Cow<'a, str>) -> Cow<'a, str> {
    match namespace {
        None => name.clone(),
        Some(namespace) => Cow::Owned(format!("{namespace}{NAMESPACE_JOINT}{name}")),
    }
}

/// Takes a joined name apart.
pub fn split_name(name: &str) -> (Option<&str>, &str) {
    match name.split_once(NAMESPACE_JOINT) {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            (Some(namespace), name)
        }
        _ => (None, name),
    }
}

/// Between namespace and name. Names of tools are letters, digits, `_` and `-` everywhere, so nothing rarer can be used.
const NAMESPACE_JOINT: &str = "___";

/// How the model may choose among tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// As it likes.
    Auto,
    /// None of them.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(Cow<'a, str>),
}

/// The wish for thought (openrouter.md §2.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasoning<'a> {
    /// How much.
    pub effort: Option<Effort>,
    /// How many tokens.
    pub max_tokens: Option<u64>,
    /// The model thinks, and the client does not see it.
    pub exclude: bool,
    /// Said in so many words.
    pub enabled: Option<bool>,
    /// auto, concise, detailed.
    pub summary: Option<Cow<'a, str>>,
    /// Anthropic's adaptive thinking: the model decides how much.
    pub adaptive: bool,
}

/// How much thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// None.
    None,
    /// Hardly any.
    Minimal,
    /// Little.
    Low,
    /// The usual.
    Medium,
    /// Much.
    High,
    /// More than much.
    XHigh,
    /// All there is.
    Max,
}

impl Effort {
    /// All, from none to all there is.
    pub const ALL: [Effort; 7] = [
        Effort::None,
        Effort::Minimal,
        Effort::Low,
        Effort::Medium,
        Effort::High,
        Effort::XHigh,
        Effort::Max,
    ];

    /// The word of OpenRouter and OpenAI.
    pub const fn name(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
            Effort::Max => "max",
        }
    }

    /// Reads the word.
    pub fn of(word: &str) -> Option<Effort> {
        Effort::ALL.into_iter().find(|effort| effort.name() == word)
    }

    /// The part of `max_tokens` that goes to thought where a model takes a budget, in percent (openrouter.md §2.6).
    pub const fn percent(self) -> u64 {
        match self {
            Effort::None => 0,
            Effort::Minimal => 10,
            Effort::Low => 20,
            Effort::Medium => 50,
            Effort::High => 80,
            Effort::XHigh | Effort::Max => 95,
        }
    }

    /// The effort whose share of `max_tokens` is nearest to a budget, for models that take efforts only.
    pub fn of_budget(budget: u64, max_tokens: u64) -> Effort {
        if budget == 0 {
            return Effort::None;
        }
        let percent = budget.saturating_mul(100) / max_tokens.max(1);
        [
            Effort::Minimal,
            Effort::Low,
            Effort::Medium,
            Effort::High,
            Effort::XHigh,
        ]
        .into_iter()
        .min_by_key(|effort| effort.percent().abs_diff(percent))
        .unwrap_or(Effort::Medium)
    }
}

/// Least and most tokens of a thinking budget (openrouter.md §2.6).
pub const BUDGET_TOKENS_MIN: u64 = 1024;
/// See [`BUDGET_TOKENS_MIN`].
pub const BUDGET_TOKENS_MAX: u64 = 128_000;

impl Reasoning<'_> {
    /// Whether thought is wanted: said, or meant by an effort or a budget. `None`: nothing was said either way.
    pub fn wanted(&self) -> Option<bool> {
        if self.enabled == Some(false) || self.effort == Some(Effort::None) {
            return Some(false);
        }
        let meant = self.enabled == Some(true)
            || self.effort.is_some()
            || self.max_tokens.is_some_and(|tokens| tokens > 0)
            || self.adaptive;
        if meant {
            return Some(true);
        }
        self.max_tokens.map(|_| false)
    }

    /// The thinking budget: what was said, or the effort's share of `max_tokens`, within the bounds.
    pub fn budget(&self, max_tokens: u64) -> u64 {
        match self.max_tokens {
            Some(tokens) => tokens.max(BUDGET_TOKENS_MIN),
            None => {
                let percent = self.effort.unwrap_or(Effort::Medium).percent();
                (max_tokens.saturating_mul(percent) / 100)
                    .clamp(BUDGET_TOKENS_MIN, BUDGET_TOKENS_MAX)
            }
        }
    }

    /// The effort: what was said, or what a budget amounts to.
    pub fn effort_or_budget(&self, max_tokens: Option<u64>) -> Option<Effort> {
        match (self.effort, self.max_tokens) {
            (Some(effort), _) => Some(effort),
            (None, Some(budget)) => Some(Effort::of_budget(
                budget,
                max_tokens.unwrap_or(budget.saturating_mul(2)),
            )),
            (None, None) if self.enabled == Some(true) => Some(Effort::Medium),
            (None, None) => None,
        }
    }
}

/// The form of the answer's text.
#[derive(Debug, Clone)]
pub enum Format<'a> {
    /// Any text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON by a schema.
    JsonSchema {
        /// Its name.
        name: Cow<'a, str>,
        /// The schema. Owned where the API's own notation of schemas had to be rewritten (Gemini).
        schema: Cow<'a, RawValue>,
        /// Whether it must be followed.
        strict: Option<bool>,
        /// What it is for.
        description: Option<Cow<'a, str>>,
    },
    /// Something else (grammar, python), the whole object raw.
    Other(&'a RawValue),
}

/// A provider's whole answer.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// Its id there.
    pub id: Option<Cow<'a, str>>,
    /// What was generated, in order.
    pub blocks: Vec<Block<'a>>,
    /// Why it ended.
    pub finish: Option<Finish>,
    /// The provider's own word for that.
    pub native_finish: Option<Cow<'a, str>>,
    /// The stop text that was met.
    pub stop_sequence: Option<Cow<'a, str>>,
    /// Tokens; `None`: the provider did not count.
    pub usage: Option<Usage>,
    /// OpenAI's `logprobs` object of a choice (`{"content":[…]}`), raw.
    pub logprobs: Option<Cow<'a, str>>,
    /// The tier that served, as OpenAI says it.
    pub service_tier: Option<Cow<'a, str>>,
}

/// One step of a streamed answer.
///
/// A reader sends `Start` first and once, then for each block `Open`, any number of `Delta`, `Close`. Numbers count from 0 in the
/// order of opening and are never used again. Blocks may be open side by side, where a provider mixes parallel tool calls.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The provider has begun.
    Start {
        /// Its id there.
        id: Option<&'a str>,
        /// What it says about tokens at the start (Anthropic).
        usage: Option<Usage>,
    },
    /// A block begins.
    Open {
        /// Its number.
        block: u32,
        /// What it is.
        open: Open<'a>,
    },
    /// More of a block.
    Delta {
        /// Its number.
        block: u32,
        /// What is added.
        delta: Delta<'a>,
    },
    /// A block is complete.
    Close {
        /// Its number.
        block: u32,
    },
    /// Tokens as far as counted, all of them each time.
    Usage(Usage),
    /// Why it ended. May be followed by `Usage`.
    Finish {
        /// The reason.
        finish: Finish,
        /// The provider's own word for it.
        native: &'a str,
        /// The stop text that was met.
        stop_sequence: Option<&'a str>,
    },
    /// The tier that serves.
    ServiceTier(&'a str),
}

/// What a block is, as far as known at its beginning.
#[derive(Debug, Clone, Copy)]
pub enum Open<'a> {
    /// Text.
    Text,
    /// A sentence of refusal.
    Refusal,
    /// A thought.
    Thought {
        /// What its text is.
        kind: ThoughtKind,
        /// The provider's id of it.
        id: Option<&'a str>,
        /// See [`Thought::format`].
        format: &'a str,
    },
    /// A tool call; its arguments follow as [`Delta::Text`].
    ToolCall {
        /// Ties the result to the call.
        id: &'a str,
        /// The tool.
        name: &'a str,
        /// See [`ToolCall::custom`].
        custom: bool,
        /// See [`ToolCall::namespace`].
        namespace: Option<&'a str>,
        /// See [`ToolCall::signature`].
        signature: Option<&'a str>,
    },
    /// An image, whole.
    Image {
        /// Its type.
        media_type: &'a str,
        /// Its bytes; or, without a media type, its address.
        base64: &'a str,
    },
    /// Spoken output.
    Audio {
        /// OpenAI's id of it.
        id: Option<&'a str>,
    },
}

/// What is added to a block.
#[derive(Debug, Clone, Copy)]
pub enum Delta<'a> {
    /// Text of a text, a refusal, a thought; arguments of a tool call; the encrypted data of a thought.
    Text(&'a str),
    /// The signature of a thought, of a tool call or of a text; whole as a rule, pieces are joined.
    Signature(&'a str),
    /// A source of a text.
    Citation(&'a Citation<'a>),
    /// OpenAI's `logprobs` object for the text before, raw.
    Logprobs(&'a str),
    /// A piece of sound.
    Audio {
        /// Base64.
        data: &'a str,
        /// What is said in it.
        transcript: &'a str,
    },
}

/// Plays a whole answer as the steps of a stream, for providers that ignore `stream`.
pub fn play(answer: &Answer<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    sink(Event::Start {
        id: answer.id.as_deref(),
        usage: answer.usage,
    });
    let mut number = 0;
    for block in &answer.blocks {
        if play_block(block, number, answer, sink) {
            number += 1;
        }
    }
    if let Some(tier) = &answer.service_tier {
        sink(Event::ServiceTier(tier));
    }
    if let Some(usage) = answer.usage {
        sink(Event::Usage(usage));
    }
    if let Some(finish) = answer.finish {
        sink(Event::Finish {
            finish,
            native: answer.native_finish.as_deref().unwrap_or(finish.name()),
            stop_sequence: answer.stop_sequence.as_deref(),
        });
    }
}

/// Whether the block was played; what an answer cannot hold is left out.
fn play_block(
    block: &Block<'_>,
    number: u32,
    answer: &Answer<'_>,
    sink: &mut dyn FnMut(Event<'_>),
) -> bool {
    let mut whole = |open: Open<'_>, deltas: &[Delta<'_>]| {
        sink(Event::Open {
            block: number,
            open,
        });
        for delta in deltas {
            sink(Event::Delta {
                block: number,
                delta: *delta,
            });
        }
        sink(Event::Close { block: number });
        true
    };
    match block {
        Block::Text(text) => {
            let mut deltas = vec![Delta::Text(&text.text)];
            deltas.extend(text.citations.iter().map(Delta::Citation));
            deltas.extend(answer.logprobs.as_deref().map(Delta::Logprobs));
            deltas.extend(text.signature.as_deref().map(Delta::Signature));
            whole(Open::Text, &deltas)
        }
        Block::Refusal(text) => whole(Open::Refusal, &[Delta::Text(text)]),
        Block::Thought(thought) => {
            let mut deltas = vec![Delta::Text(&thought.text)];
            deltas.extend(thought.signature.as_deref().map(Delta::Signature));
            let open = Open::Thought {
                kind: thought.kind,
                id: thought.id.as_deref(),
                format: &thought.format,
            };
            whole(open, &deltas)
        }
        Block::ToolCall(call) => {
            let open = Open::ToolCall {
                id: &call.id,
                name: &call.name,
                custom: call.custom,
                namespace: call.namespace.as_deref(),
                signature: call.signature.as_deref(),
            };
            whole(open, &[Delta::Text(&call.arguments)])
        }
        Block::Image {
            source: Source::Data { media_type, base64 },
            ..
        } => whole(Open::Image { media_type, base64 }, &[]),
        Block::Image {
            source: Source::Url(url),
            ..
        } => whole(
            Open::Image {
                media_type: "",
                base64: url,
            },
            &[],
        ),
        Block::Audio {
            data,
            transcript,
            id,
            ..
        } => whole(
            Open::Audio { id: id.as_deref() },
            &[Delta::Audio {
                data,
                transcript: transcript.as_deref().unwrap_or_default(),
            }],
        ),
        Block::Image { .. }
        | Block::File { .. }
        | Block::Video { .. }
        | Block::ToolResult(_)
        | Block::Foreign(_) => false,
    }
}

/// A wish for embeddings.
#[derive(Debug, Clone, Default)]
pub struct EmbedAsk<'a> {
    /// What to embed, each to one vector.
    pub inputs: Vec<EmbedInput<'a>>,
    /// Wanted length of the vectors.
    pub dimensions: Option<u64>,
    /// Whether the client wants base64 instead of numbers.
    pub base64: bool,
    /// What the vectors are for (`search_query`, `search_document`, `classification`, `clustering` …).
    pub input_type: Option<Cow<'a, str>>,
    /// A title for the text (Gemini).
    pub title: Option<Cow<'a, str>>,
    /// The API that it was read from.
    pub api: Api,
}

/// One thing to embed.
#[derive(Debug, Clone)]
pub enum EmbedInput<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// Token ids, raw: `[1,2,3]`.
    Tokens(&'a RawValue),
    /// Several parts to one vector.
    Parts(Vec<Block<'a>>),
}

/// Vectors.
#[derive(Debug, Clone, Default)]
pub struct EmbedAnswer<'a> {
    /// In the order of the inputs. JSON text: an array of numbers, or a base64 string with its quotes.
    pub vectors: Vec<Cow<'a, str>>,
    /// Its id there.
    pub id: Option<Cow<'a, str>>,
    /// Tokens.
    pub usage: Option<Usage>,
}

/// A wish for ranking.
#[derive(Debug, Clone, Default)]
pub struct RerankAsk<'a> {
    /// What the documents are compared with.
    pub query: Cow<'a, str>,
    /// The documents, raw: strings or objects.
    pub documents: Vec<&'a RawValue>,
    /// How many to give back.
    pub top_n: Option<u64>,
    /// Members that the reader does not know.
    pub extra: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// A ranking.
#[derive(Debug, Clone, Default)]
pub struct RerankAnswer<'a> {
    /// Index of the document and its score in the provider's digits, best first.
    pub results: Vec<(u64, Cow<'a, str>)>,
    /// Its id there.
    pub id: Option<Cow<'a, str>>,
    /// Tokens, or search units in the provider's own member.
    pub usage: Option<Usage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_taken_apart() {
        let source = Source::of_url(Cow::Borrowed("data:image/png;base64,AAAA"));
        assert_eq!(
            source,
            Source::Data {
                media_type: Cow::Borrowed("image/png"),
                base64: Cow::Borrowed("AAAA")
            }
        );
        for plain in [
            "https://a/b.png",
            "data:text/plain,hello",
            "data:",
            "data:;base64",
        ] {
            assert_eq!(
                Source::of_url(Cow::Borrowed(plain)),
                Source::Url(Cow::Borrowed(plain))
            );
        }
    }

    #[test]
    fn budgets_follow_the_published_ratios() {
        let ask = |effort| Reasoning {
            effort: Some(effort),
            ..Reasoning::default()
        };
        assert_eq!(ask(Effort::High).budget(10_000), 8_000);
        assert_eq!(ask(Effort::Minimal).budget(2_000), BUDGET_TOKENS_MIN);
        assert_eq!(ask(Effort::Max).budget(1_000_000), BUDGET_TOKENS_MAX);
        for effort in [
            Effort::Minimal,
            Effort::Low,
            Effort::Medium,
            Effort::High,
            Effort::XHigh,
        ] {
            assert_eq!(
                Effort::of_budget(ask(effort).budget(100_000), 100_000),
                effort
            );
        }
    }

    #[test]
    fn what_was_not_said_is_not_wanted_either_way() {
        assert_eq!(Reasoning::default().wanted(), None);
        let off = Reasoning {
            enabled: Some(false),
            effort: Some(Effort::High),
            ..Reasoning::default()
        };
        assert_eq!(off.wanted(), Some(false));
    }

    #[test]
    fn joined_names_split_again() {
        let name = joined_name(Some("github"), &Cow::Borrowed("list_issues"));
        assert_eq!(split_name(&name), (Some("github"), "list_issues"));
        assert_eq!(split_name("plain__name"), (None, "plain__name"));
    }
}
