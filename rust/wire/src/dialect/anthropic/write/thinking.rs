//! How much the model is to think, and the limit of tokens that goes with it.

use super::MAX_TOKENS;
use crate::dialect::Target;
use crate::exchange::{
    Ask, BUDGET_TOKENS_MIN, Block, Reasoning, Role, Thought, ThoughtKind, ToolChoice, format,
};
use crate::member::write::{key, number_member, raw_member};
use crate::parameter::Parameter;
use crate::refusal::{Kind, Refusal};

/// The wish for thought, in this protocol's words.
pub(super) enum Thinking {
    /// Nothing is said.
    Unsaid,
    Disabled,
    Budget(u64),
    Adaptive {
        /// Whether the client wants the text left out.
        omitted: bool,
    },
}

impl Thinking {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Thinking::Unsaid => {}
            Thinking::Disabled => raw_member("thinking", "{\"type\":\"disabled\"}", out),
            Thinking::Budget(tokens) => {
                key("thinking", out);
                out.extend_from_slice(b"{\"type\":\"enabled\"");
                number_member("budget_tokens", *tokens, out);
                out.push(b'}');
            }
            // Said, because the newer models leave the text out unless asked for it.
            Thinking::Adaptive { omitted: false } => raw_member(
                "thinking",
                "{\"type\":\"adaptive\",\"display\":\"summarized\"}",
                out,
            ),
            Thinking::Adaptive { omitted: true } => raw_member(
                "thinking",
                "{\"type\":\"adaptive\",\"display\":\"omitted\"}",
                out,
            ),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        matches!(self, Thinking::Budget(_) | Thinking::Adaptive { .. })
    }
}

/// `max_tokens` and the thinking that fits into it.
pub(super) struct Limits {
    pub(super) max_tokens: u64,
    pub(super) thinking: Thinking,
}

impl Limits {
    pub(super) fn of(ask: &Ask<'_>, target: &Target<'_>) -> Result<Limits, Refusal> {
        let max_tokens = ask
            .max_tokens
            .or(target.completion_tokens_max)
            .unwrap_or(MAX_TOKENS);
        let unsaid = Limits {
            max_tokens,
            thinking: Thinking::Unsaid,
        };
        let Some(reasoning) = &ask.reasoning else {
            return Ok(unsaid);
        };
        match reasoning.wanted() {
            None => return Ok(unsaid),
            Some(false) => {
                return Ok(Limits {
                    max_tokens,
                    thinking: Thinking::Disabled,
                });
            }
            Some(true) => {}
        }
        // The protocol does not think and obey a forced choice of a tool in one request; the choice is the firmer wish.
        let forced = matches!(
            ask.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Named(_))
        );
        if !target.takes(Parameter::Reasoning)? || forced {
            target.cannot(Parameter::Reasoning.name())?;
            return Ok(unsaid);
        }
        if adaptive(reasoning, target) {
            return Ok(Limits {
                max_tokens,
                thinking: Thinking::Adaptive {
                    omitted: reasoning.exclude,
                },
            });
        }
        // With a budget, a turn that calls tools has to begin with its thought. A client that has not kept it gets an answer
        // without thought, not an error.
        if calls_without_thought(ask) {
            target.cannot(Parameter::Reasoning.name())?;
            return Ok(unsaid);
        }
        Limits::with_budget(ask, reasoning, max_tokens, target)
    }

    /// `max_tokens` has to be larger than the budget. A client that says both must say so; where the gateway chose one of them, it
    /// makes them fit.
    fn with_budget(
        ask: &Ask<'_>,
        reasoning: &Reasoning<'_>,
        max_tokens: u64,
        target: &Target<'_>,
    ) -> Result<Limits, Refusal> {
        let budget = reasoning.budget(max_tokens);
        if budget < max_tokens {
            return Ok(Limits {
                max_tokens,
                thinking: Thinking::Budget(budget),
            });
        }
        if ask.max_tokens.is_none() {
            // Room for the answer beside the thought, as far as the endpoint goes.
            let wanted = budget.saturating_add(MAX_TOKENS);
            let max_tokens = target
                .completion_tokens_max
                .map_or(wanted, |most| most.min(wanted));
            let budget = budget.min(max_tokens.saturating_sub(1));
            if budget >= BUDGET_TOKENS_MIN {
                return Ok(Limits {
                    max_tokens,
                    thinking: Thinking::Budget(budget),
                });
            }
        } else if let Some(said) = reasoning.max_tokens {
            return Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
                "`reasoning.max_tokens` must be less than `max_tokens`, of which it is a part, and at least {BUDGET_TOKENS_MIN}; seen: {said} of {max_tokens}"
            )));
        }
        // An effort's share of so few tokens is less than the least budget there is.
        target.cannot(Parameter::Reasoning.name())?;
        Ok(Limits {
            max_tokens,
            thinking: Thinking::Unsaid,
        })
    }
}

/// Whether the model decides how much it thinks; see the module's head.
fn adaptive(reasoning: &Reasoning<'_>, target: &Target<'_>) -> bool {
    reasoning.adaptive
        || target.parameters.is_some_and(|parameters| {
            parameters.has(Parameter::Verbosity) && !parameters.has(Parameter::Temperature)
        })
}

/// Whether the conversation goes on from tool calls before which no thought can be replayed.
fn calls_without_thought(ask: &Ask<'_>) -> bool {
    let results_last = ask.turns.last().is_some_and(|turn| {
        turn.blocks
            .iter()
            .any(|block| matches!(block, Block::ToolResult(_)))
    });
    let Some(last) = ask
        .turns
        .iter()
        .rev()
        .find(|turn| turn.role == Role::Assistant)
    else {
        return false;
    };
    results_last
        && !last
            .blocks
            .iter()
            .any(|block| matches!(block, Block::Thought(thought) if is_replayable(thought)))
}

/// Whether the provider takes a thought back: its own, with the proof.
pub(super) fn is_replayable(thought: &Thought<'_>) -> bool {
    thought.format == format::ANTHROPIC
        && match thought.kind {
            ThoughtKind::Encrypted => !thought.text.is_empty(),
            ThoughtKind::Text | ThoughtKind::Summary => thought
                .signature
                .as_ref()
                .is_some_and(|signature| !signature.is_empty()),
        }
}
