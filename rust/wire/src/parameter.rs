//! The parameters of a request that endpoints differ in: OpenRouter's `supported_parameters`.

/// Declares the enum, its names, and the order of its bits.
macro_rules! parameters {
    ($($(#[$doc:meta])* $parameter:ident $name:literal;)*) => {
        /// A parameter that an endpoint may or may not take.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Parameter {
            $($(#[$doc])* $parameter,)*
        }

        impl Parameter {
            /// All of them.
            pub const ALL: &'static [Parameter] = &[$(Parameter::$parameter,)*];

            /// OpenRouter's name, which is the member's name in a chat request.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Parameter::$parameter => $name,)*
                }
            }

            /// Reads the name.
            #[inline]
            pub fn of(name: &str) -> Option<Parameter> {
                match name {
                    $($name => Some(Parameter::$parameter),)*
                    _ => None,
                }
            }
        }
    };
}

parameters! {
    /// Sampling temperature.
    Temperature "temperature";
    /// Nucleus sampling.
    TopP "top_p";
    /// Sampling among the k likeliest.
    TopK "top_k";
    /// Least relative probability.
    MinP "min_p";
    /// OpenRouter's top_a.
    TopA "top_a";
    /// Penalty by frequency.
    FrequencyPenalty "frequency_penalty";
    /// Penalty by presence.
    PresencePenalty "presence_penalty";
    /// Multiplying penalty.
    RepetitionPenalty "repetition_penalty";
    /// Limit of tokens, old name.
    MaxTokens "max_tokens";
    /// Limit of tokens, new name.
    MaxCompletionTokens "max_completion_tokens";
    /// Bias of tokens.
    LogitBias "logit_bias";
    /// Probabilities.
    Logprobs "logprobs";
    /// Alternatives.
    TopLogprobs "top_logprobs";
    /// Predicted output.
    Prediction "prediction";
    /// Seed.
    Seed "seed";
    /// Form of the answer.
    ResponseFormat "response_format";
    /// Form by schema.
    StructuredOutputs "structured_outputs";
    /// Texts that end the generation.
    Stop "stop";
    /// Tools.
    Tools "tools";
    /// Choice among tools.
    ToolChoice "tool_choice";
    /// Several tools at once.
    ParallelToolCalls "parallel_tool_calls";
    /// Thought in the answer.
    IncludeReasoning "include_reasoning";
    /// Wish for thought.
    Reasoning "reasoning";
    /// The same, OpenAI's name.
    ReasoningEffort "reasoning_effort";
    /// Search.
    WebSearchOptions "web_search_options";
    /// Length of the answer.
    Verbosity "verbosity";
}

/// A set of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parameters(u32);

impl Parameters {
    /// Whether it is in the set. The names of the wish for thought stand for each other: what the endpoint calls it is the dialect's
    /// business.
    pub const fn has(self, parameter: Parameter) -> bool {
        let mask = match parameter {
            // A limit that is left out makes the answer longer and dearer than was asked for, and there is no endpoint without one.
            Parameter::MaxTokens | Parameter::MaxCompletionTokens => return true,
            Parameter::Reasoning | Parameter::ReasoningEffort | Parameter::IncludeReasoning => {
                bit(Parameter::Reasoning)
                    | bit(Parameter::ReasoningEffort)
                    | bit(Parameter::IncludeReasoning)
            }
            other => bit(other),
        };
        self.0 & mask != 0
    }

    /// None.
    pub const NONE: Parameters = Parameters(0);

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first one, in the order of [`Parameter::ALL`], that an endpoint which takes `others` does not take.
    pub fn first_beyond(self, others: Parameters) -> Option<Parameter> {
        let mut candidates = Parameter::ALL.iter().copied();
        candidates.find(|&parameter| self.0 & bit(parameter) != 0 && !others.has(parameter))
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, parameter: Parameter) -> Parameters {
        Parameters(self.0 | bit(parameter))
    }
}

impl<'a> FromIterator<&'a str> for Parameters {
    /// Words that are not known are left out.
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Parameters {
        names
            .into_iter()
            .filter_map(Parameter::of)
            .fold(Parameters::default(), Parameters::with)
    }
}

const fn bit(parameter: Parameter) -> u32 {
    1 << parameter as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Parameters = ["temperature", "max_tokens", "nonsense"]
            .into_iter()
            .collect();
        assert!(set.has(Parameter::Temperature));
        assert!(Parameters::default().has(Parameter::MaxCompletionTokens));
        assert!(!set.has(Parameter::TopK));
    }

    #[test]
    fn names_are_read_back() {
        assert!(Parameter::ALL.len() <= 32);
        for parameter in Parameter::ALL {
            assert_eq!(Parameter::of(parameter.name()), Some(*parameter));
        }
    }
}
