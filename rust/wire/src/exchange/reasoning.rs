//! The wish for thought: an effort, or a budget.

use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
