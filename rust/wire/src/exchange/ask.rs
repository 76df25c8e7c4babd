//! What a client asks for.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Block, CacheMark, Reasoning, Tool, ToolChoice};
use crate::api::Api;
use crate::parameter::Parameter;

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

impl Ask<'_> {
    /// Whether something is wished by this parameter that a provider without a word for it cannot give. Of flags only one side is a
    /// wish: that probabilities come, that calls do not come together.
    pub(crate) fn says(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::Temperature => self.temperature.is_some(),
            Parameter::TopP => self.top_p.is_some(),
            Parameter::TopK => self.top_k.is_some(),
            Parameter::MinP => self.min_p.is_some(),
            Parameter::TopA => self.top_a.is_some(),
            Parameter::FrequencyPenalty => self.frequency_penalty.is_some(),
            Parameter::PresencePenalty => self.presence_penalty.is_some(),
            Parameter::RepetitionPenalty => self.repetition_penalty.is_some(),
            Parameter::MaxTokens | Parameter::MaxCompletionTokens => self.max_tokens.is_some(),
            Parameter::LogitBias => self.logit_bias.is_some(),
            Parameter::Logprobs => self.logprobs == Some(true),
            Parameter::TopLogprobs => self.top_logprobs.is_some(),
            Parameter::Prediction => self.prediction.is_some(),
            Parameter::Seed => self.seed.is_some(),
            Parameter::ResponseFormat | Parameter::StructuredOutputs => self.format.is_some(),
            Parameter::Stop => !self.stop.is_empty(),
            Parameter::Tools => !self.tools.is_empty(),
            Parameter::ToolChoice => self.tool_choice.is_some(),
            Parameter::ParallelToolCalls => self.parallel_tool_calls == Some(false),
            Parameter::IncludeReasoning | Parameter::Reasoning | Parameter::ReasoningEffort => {
                self.reasoning.is_some()
            }
            Parameter::WebSearchOptions => self.web_search.is_some(),
            Parameter::Verbosity => self.verbosity.is_some(),
        }
    }
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
