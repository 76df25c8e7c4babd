//! The dialects: protocols that providers speak.
//!
//! One file each, with the same four things in it: `write` (a wish in the middle shape becomes a request body), `read_answer` (a plain
//! answer becomes the middle shape), a [`StreamReader`] (frames become steps), and whatever else the provider serves (embeddings,
//! ranking). A dialect never reads configuration and never knows a provider's name: what differs between providers of one dialect is
//! said by [`Quirks`] and [`Target`].

use std::borrow::Cow;

use serde::Deserialize;

use crate::api::{Api, Task};
use crate::exchange::{Answer, Ask, EmbedAnswer, EmbedAsk, Event, RerankAnswer, RerankAsk};
use crate::parameter::{Parameter, Parameters};
use crate::refusal::{Kind, Refusal};
use crate::sse::Frame;
use crate::stream::StreamFault;

pub mod anthropic;
pub mod bedrock;
pub mod cohere;
pub mod gemini;
pub mod ollama;
pub mod openai;
pub mod responses;

/// A protocol that providers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat completions, and what most others speak.
    OpenAi,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's generateContent, of AI Studio and of Vertex.
    Gemini,
    /// Amazon Bedrock's Converse.
    Bedrock,
    /// Cohere's v2.
    Cohere,
    /// Ollama's own.
    Ollama,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 7] = [
        Dialect::OpenAi,
        Dialect::Responses,
        Dialect::Anthropic,
        Dialect::Gemini,
        Dialect::Bedrock,
        Dialect::Cohere,
        Dialect::Ollama,
    ];

    /// The name in the configuration and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::OpenAi => "openai",
            Dialect::Responses => "responses",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
            Dialect::Bedrock => "bedrock",
            Dialect::Cohere => "cohere",
            Dialect::Ollama => "ollama",
        }
    }

    /// Reads the name.
    pub fn of(name: &str) -> Option<Dialect> {
        Dialect::ALL
            .into_iter()
            .find(|dialect| dialect.name() == name)
    }

    /// Which of its operations serves a client's request; `None`: it has none for that task.
    pub const fn operation(self, api: Api, stream: bool) -> Option<Op> {
        Some(match (self, api.task()) {
            (Dialect::OpenAi, Task::Generate) => match api {
                Api::Completions => Op::Completions,
                _ => Op::Chat,
            },
            (Dialect::OpenAi, Task::Embed) => Op::Embeddings,
            (Dialect::OpenAi, Task::Rerank) => Op::Rerank,
            (Dialect::OpenAi, _) => match api {
                Api::Images => Op::Images,
                Api::ImageEdits => Op::ImageEdits,
                Api::Speech => Op::Speech,
                Api::Transcriptions => Op::Transcriptions,
                Api::Translations => Op::Translations,
                Api::Moderations => Op::Moderations,
                _ => return None,
            },
            (Dialect::Responses, Task::Generate) => Op::Responses,
            (Dialect::Anthropic, Task::Generate) if stream => Op::MessagesStream,
            (Dialect::Anthropic, Task::Generate) => Op::Messages,
            (Dialect::Anthropic, Task::CountTokens) => match api {
                Api::MessagesCount => Op::CountTokens,
                _ => return None,
            },
            (Dialect::Gemini, Task::Generate) if stream => Op::GenerateStream,
            (Dialect::Gemini, Task::Generate) => Op::Generate,
            (Dialect::Gemini, Task::CountTokens) => match api {
                Api::GeminiCount => Op::CountTokens,
                _ => return None,
            },
            (Dialect::Gemini, Task::Embed) => match api {
                Api::GeminiEmbed => Op::Embed,
                _ => Op::EmbedBatch,
            },
            (Dialect::Bedrock, Task::Generate) if stream => Op::ConverseStream,
            (Dialect::Bedrock, Task::Generate) => Op::Converse,
            (Dialect::Bedrock, Task::Embed) => Op::Invoke,
            (Dialect::Cohere | Dialect::Ollama, Task::Generate) => Op::Chat,
            (Dialect::Cohere | Dialect::Ollama, Task::Embed) => Op::Embed,
            (Dialect::Cohere, Task::Rerank) => Op::Rerank,
            _ => return None,
        })
    }

    /// How its streams are cut into frames.
    pub(crate) const fn framing(self) -> Framing {
        match self {
            Dialect::Bedrock => Framing::AwsEventStream,
            Dialect::Ollama => Framing::Documents,
            _ => Framing::Events,
        }
    }
}

/// How a stream is cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// One JSON document per line.
    Documents,
    /// `application/vnd.amazon.eventstream`.
    AwsEventStream,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $op:ident $name:literal;)*) => {
        /// What a provider can be asked to do; each has a path of its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Op {
            $($(#[$doc])* $op,)*
        }

        impl Op {
            /// All of them.
            pub const ALL: &'static [Op] = &[$(Op::$op,)*];

            /// The name in the configuration's `paths`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Op::$op => $name,)*
                }
            }
        }
    };
}

operations! {
    /// Chat of OpenAI, Cohere, Ollama.
    Chat "chat";
    /// OpenAI's text completions.
    Completions "completions";
    /// OpenAI's embeddings.
    Embeddings "embeddings";
    /// Ranking.
    Rerank "rerank";
    /// Image generation.
    Images "images";
    /// Image editing.
    ImageEdits "image_edits";
    /// Text to speech.
    Speech "speech";
    /// Speech to text.
    Transcriptions "transcriptions";
    /// Speech to English text.
    Translations "translations";
    /// Moderation.
    Moderations "moderations";
    /// OpenAI's responses.
    Responses "responses";
    /// Anthropic's messages.
    Messages "messages";
    /// Anthropic's messages as a stream, which has the path of [`Op::Messages`] where none is written for it.
    MessagesStream "messages_stream";
    /// Counting of tokens, of Anthropic and Gemini.
    CountTokens "count_tokens";
    /// Gemini's generateContent.
    Generate "generate";
    /// Gemini's streamGenerateContent.
    GenerateStream "generate_stream";
    /// Embeddings of Gemini (one), Cohere, Ollama.
    Embed "embed";
    /// Gemini's batchEmbedContents.
    EmbedBatch "embed_batch";
    /// Bedrock's Converse.
    Converse "converse";
    /// Bedrock's ConverseStream.
    ConverseStream "converse_stream";
    /// Bedrock's InvokeModel.
    Invoke "invoke";
}

impl Op {
    /// Reads the name.
    pub fn of(name: &str) -> Option<Op> {
        Op::ALL.iter().copied().find(|op| op.name() == name)
    }
}

/// In what providers of the `openai` dialect differ. Twin of `Quirks` in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quirks {
    /// Whether `stream_options.include_usage` may be sent.
    pub stream_usage: bool,
    /// How the limit of tokens is called.
    pub max_tokens: MaxTokens,
    /// Whether messages may have the role `developer`; else it is `system`.
    pub developer_role: bool,
    /// How a wish for thought is said.
    pub reasoning: ReasoningWords,
    /// Whether `parallel_tool_calls` is understood.
    pub parallel_tool_calls: bool,
    /// The word for "call at least one tool".
    pub tool_choice_required: RequiredWord,
    /// Whether `response_format` may be `json_schema`; else `json_object` is asked for.
    pub json_schema: bool,
    /// Whether the provider fetches images from addresses.
    pub image_urls: bool,
}

impl Quirks {
    /// OpenAI's own ways.
    pub const OPENAI: Quirks = Quirks {
        stream_usage: true,
        max_tokens: MaxTokens::MaxCompletionTokens,
        developer_role: true,
        reasoning: ReasoningWords::Effort,
        parallel_tool_calls: true,
        tool_choice_required: RequiredWord::Required,
        json_schema: true,
        image_urls: true,
    };
}

/// How the limit of tokens is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokens {
    /// The old name.
    MaxTokens,
    /// The new name.
    MaxCompletionTokens,
}

/// How a wish for thought is said in the `openai` dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningWords {
    /// `reasoning_effort`.
    Effort,
    /// OpenRouter's `reasoning` object.
    Object,
    /// `thinking: {type}`.
    Thinking,
    /// Not at all.
    None,
}

/// The word for "call at least one tool".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequiredWord {
    /// OpenAI's.
    Required,
    /// Mistral's.
    Any,
}

/// A top-level member of the client's body that has to be another for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override<'a> {
    /// In the words of the client's API.
    pub name: &'a str,
    /// JSON; `None`: the member goes.
    pub value: Option<Cow<'a, str>>,
}

/// How a request has to look for one endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The protocol.
    pub dialect: Dialect,
    /// The provider's own name of the model.
    pub model: &'a str,
    /// The URL names the model where the body usually does. Clouds that serve Anthropic's protocol have it so, and then want the
    /// protocol's version in the body instead.
    pub model_in_path: bool,
    /// In what this provider differs.
    pub quirks: &'a Quirks,
    /// Whether the gateway's own fields are forwarded.
    pub routing_fields: bool,
    /// What the endpoint takes; `None`: not known, so everything is sent.
    pub parameters: Option<Parameters>,
    /// The client wants nothing to be left out (`provider.require_parameters`).
    pub require_parameters: bool,
    /// Most tokens that the endpoint generates, where known: for dialects that must be told a limit.
    pub completion_tokens_max: Option<u64>,
    /// Members of the client's body that are said otherwise to this endpoint, whatever the client says.
    pub overrides: &'a [Override<'a>],
    /// What stands for the client's `user` upstream: never the raw name (checklist Q17). `None`: the client named none.
    pub user: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// A model at a provider of which nothing else is known.
    pub const fn new(dialect: Dialect, model: &'a str) -> Target<'a> {
        Target {
            dialect,
            model,
            model_in_path: false,
            quirks: &Quirks::OPENAI,
            routing_fields: false,
            parameters: None,
            require_parameters: false,
            completion_tokens_max: None,
            overrides: &[],
            user: None,
        }
    }

    /// The member of the body that stands where the model's would, as name and value: `None` where the model is named as usual.
    pub(crate) fn in_place_of_model(&self) -> Option<(&'static str, &'static str)> {
        (self.model_in_path && self.dialect == Dialect::Anthropic)
            .then_some(("anthropic_version", anthropic::VERSION_IN_BODY))
    }

    /// Whether the endpoint takes a parameter. An error when it does not and the client wants nothing to be left out.
    pub fn takes(&self, parameter: Parameter) -> Result<bool, Refusal> {
        match self.parameters {
            Some(parameters) if !parameters.has(parameter) => match self.require_parameters {
                true => Err(required(
                    parameter.name(),
                    "which does not take it (see its supported parameters)",
                )),
                false => Ok(false),
            },
            _ => Ok(true),
        }
    }

    /// The dialect has no word for a parameter that §2.1 lets it drop: fine, unless the client wants nothing to be left out.
    pub fn cannot(&self, parameter: &str) -> Result<(), Refusal> {
        match self.require_parameters {
            true => Err(required(
                parameter,
                &format!(
                    "which speaks the {} protocol and has no word for it",
                    self.dialect.name()
                ),
            )),
            false => Ok(()),
        }
    }

    /// [`Target::cannot`], for those of `parameters` by which something is said.
    pub(crate) fn cannot_any(
        &self,
        ask: &Ask<'_>,
        parameters: &[Parameter],
    ) -> Result<(), Refusal> {
        let mut said = parameters.iter().filter(|parameter| ask.says(**parameter));
        said.try_for_each(|parameter| self.cannot(parameter.name()))
    }

    /// The dialect has no word for something that cannot be left out without changing the meaning.
    pub fn inexpressible(&self, what: &str) -> Refusal {
        Refusal::new(Kind::InvalidRequest).with_message(format!(
            "`{what}` cannot be sent to this endpoint, which speaks the {} protocol and has no word for it; leave it out, or choose another model or provider",
            self.dialect.name()
        ))
    }
}

/// An endpoint is left out because it would have to drop a parameter, and the client wants nothing to be dropped: that is a limit which
/// the client sets to the choice of endpoints, and no fault of the request (checklist Q03).
fn required(parameter: &str, why: &str) -> Refusal {
    Refusal::new(Kind::NoEndpoints).with_message(format!(
        "No endpoints found that support all parameters: `{parameter}` cannot be sent to this endpoint, {why}; leave it out, choose another model or provider, or do without `provider.require_parameters`"
    ))
}

/// Where a reader's steps go.
pub(crate) type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// Reads one stream of a dialect.
pub(crate) trait StreamReader: std::fmt::Debug + Send {
    /// Takes one frame.
    fn frame(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) -> Result<(), StreamFault>;

    /// The provider closed the stream: closes what is open.
    fn close(&mut self, sink: &mut Sink<'_>);

    /// Whether the provider's own sign of the end has been read (`[DONE]`, `message_stop` …); what follows it is ignored.
    fn done(&self) -> bool;

    /// Bytes that are held between two frames.
    fn held_bytes(&self) -> usize;
}

/// Writes a wish in a dialect.
pub(crate) fn write(ask: &Ask<'_>, target: &Target<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match target.dialect {
        Dialect::OpenAi => openai::write(ask, target, out),
        Dialect::Responses => responses::write(ask, target, out),
        Dialect::Anthropic => anthropic::write(ask, target, out),
        Dialect::Gemini => gemini::write(ask, target, out),
        Dialect::Bedrock => bedrock::write(ask, target, out),
        Dialect::Cohere => cohere::write(ask, target, out),
        Dialect::Ollama => ollama::write(ask, target, out),
    }
}

/// Reads a plain answer. The error inside a success, which some providers give, is found by the caller.
pub(crate) fn read_answer(
    dialect: Dialect,
    text: &str,
) -> Result<Answer<'_>, crate::answer::Unusable> {
    match dialect {
        Dialect::OpenAi => openai::read_answer(text),
        Dialect::Responses => responses::read_answer(text),
        Dialect::Anthropic => anthropic::read_answer(text),
        Dialect::Gemini => gemini::read_answer(text),
        Dialect::Bedrock => bedrock::read_answer(text),
        Dialect::Cohere => cohere::read_answer(text),
        Dialect::Ollama => ollama::read_answer(text),
    }
}

/// A reader for one stream.
pub(crate) fn reader(dialect: Dialect) -> Box<dyn StreamReader> {
    match dialect {
        Dialect::OpenAi => Box::new(openai::Reader::default()),
        Dialect::Responses => Box::new(responses::Reader::default()),
        Dialect::Anthropic => Box::new(anthropic::Reader::default()),
        Dialect::Gemini => Box::new(gemini::Reader::default()),
        Dialect::Bedrock => Box::new(bedrock::Reader::default()),
        Dialect::Cohere => Box::new(cohere::Reader::default()),
        Dialect::Ollama => Box::new(ollama::Reader::default()),
    }
}

/// Writes a wish for embeddings.
pub(crate) fn write_embed(
    ask: &EmbedAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match target.dialect {
        Dialect::OpenAi => openai::write_embed(ask, target, out),
        Dialect::Gemini => gemini::write_embed(ask, target, out),
        Dialect::Bedrock => bedrock::write_embed(ask, target, out),
        Dialect::Cohere => cohere::write_embed(ask, target, out),
        Dialect::Ollama => ollama::write_embed(ask, target, out),
        Dialect::Responses | Dialect::Anthropic => Err(target.inexpressible("embeddings")),
    }
}

/// Reads vectors.
pub(crate) fn read_embed(
    dialect: Dialect,
    text: &str,
) -> Result<EmbedAnswer<'_>, crate::answer::Unusable> {
    match dialect {
        Dialect::OpenAi => openai::read_embed(text),
        Dialect::Gemini => gemini::read_embed(text),
        Dialect::Bedrock => bedrock::read_embed(text),
        Dialect::Cohere => cohere::read_embed(text),
        Dialect::Ollama => ollama::read_embed(text),
        Dialect::Responses | Dialect::Anthropic => Err(crate::answer::Unusable::NoChoices),
    }
}

/// Writes a wish for ranking.
pub(crate) fn write_rerank(
    ask: &RerankAsk<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match target.dialect {
        // The form that Jina, Together, vLLM and others serve beside OpenAI's API is Cohere's.
        Dialect::OpenAi | Dialect::Cohere => cohere::write_rerank(ask, target, out),
        _ => Err(target.inexpressible("rerank")),
    }
}

/// Reads a ranking.
pub(crate) fn read_rerank(text: &str) -> Result<RerankAnswer<'_>, crate::answer::Unusable> {
    cohere::read_rerank(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::of(dialect.name()), Some(dialect));
        }
        for op in Op::ALL {
            assert_eq!(Op::of(op.name()), Some(*op));
        }
        assert_eq!(Op::of("nothing"), None);
    }

    #[test]
    fn every_dialect_generates() {
        for dialect in Dialect::ALL {
            for api in [Api::Chat, Api::Responses, Api::Messages, Api::Gemini] {
                assert!(dialect.operation(api, true).is_some());
                assert!(dialect.operation(api, false).is_some());
            }
        }
    }
}
