//! What becomes of a member at an endpoint that speaks the client's API.

use super::scan::{Noted, What};
use super::{Request, user_id};
use crate::api::Api;
use crate::api::chat::Stated;
use crate::dialect::openai::{has_newest_words, write_wish};
use crate::dialect::{Dialect, MaxTokens, ReasoningWords, Target};
use crate::json::{self, Kind};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

/// What becomes of a noted member.
pub(super) enum Fate {
    Keep,
    Remove,
    /// The key has another name.
    Rename(&'static str),
    /// Another value.
    Value(Vec<u8>),
    /// Another member.
    Member(Vec<u8>),
}

impl Request {
    /// What becomes of a member at an endpoint that speaks the client's API.
    pub(super) fn fate(&self, noted: &Noted, target: &Target<'_>) -> Result<Fate, Refusal> {
        let openai = self.api.home() == Dialect::OpenAi;
        let routed = target.routing_fields || target.quirks.reasoning == ReasoningWords::Object;
        match noted.what {
            What::Routing if !target.routing_fields => Ok(Fate::Remove),
            // What parameters mean in images and audio is the provider's alone, whatever chat's are called.
            What::Parameter(_) | What::Extension | What::StreamOptions
                if self.api.task().is_opaque() =>
            {
                Ok(Fate::Keep)
            }
            What::Fallbacks if self.api == Api::Messages && !target.routing_fields => {
                Ok(Fate::Remove)
            }
            What::Extension if !routed && openai => Ok(Fate::Remove),
            What::StreamOptions if openai && !target.quirks.stream_usage => Ok(Fate::Remove),
            // Neither of the two protocols has such a member; it is OpenRouter's there.
            What::User if !openai && self.api != Api::Responses && !routed => Ok(Fate::Remove),
            What::User => Ok(match (target.user, noted.value.kind.is_string()) {
                (Some(user), true) => {
                    let mut value = Vec::with_capacity(user.len() + 2);
                    json::write_string(user, &mut value);
                    Fate::Value(value)
                }
                _ => Fate::Keep,
            }),
            What::Metadata if self.api == Api::Messages => {
                Ok(self.fate_of_metadata(noted, target).unwrap_or(Fate::Keep))
            }
            What::Parameter(parameter) => self.fate_of_parameter(parameter, noted, target),
            _ => Ok(Fate::Keep),
        }
    }

    /// The messages API has its user inside.
    fn fate_of_metadata(&self, noted: &Noted, target: &Target<'_>) -> Option<Fate> {
        let user = target.user?;
        let raw = self.slice(noted.value.span)?;
        let span = user_id(raw)?.span;
        let mut value = Vec::with_capacity(raw.len() + user.len());
        value.extend_from_slice(raw.get(..span.start)?.as_bytes());
        json::write_string(user, &mut value);
        value.extend_from_slice(raw.get(span.end..)?.as_bytes());
        Some(Fate::Value(value))
    }

    fn fate_of_parameter(
        &self,
        parameter: Parameter,
        noted: &Noted,
        target: &Target<'_>,
    ) -> Result<Fate, Refusal> {
        let means_it = match self.api.home() {
            Dialect::OpenAi => true,
            Dialect::Responses => !matches!(parameter, Parameter::ToolChoice | Parameter::Tools),
            // Other members of the same name have their own rules there.
            Dialect::Anthropic => matches!(
                parameter,
                Parameter::Temperature | Parameter::TopP | Parameter::TopK
            ),
            _ => false,
        };
        if !means_it || noted.value.kind == Kind::Null {
            return Ok(Fate::Keep);
        }
        if !target.takes(parameter)? {
            return Ok(Fate::Remove);
        }
        if self.api.home() != Dialect::OpenAi {
            return Ok(Fate::Keep);
        }
        let quirks = target.quirks;
        let has = |other: Parameter| {
            let same = |noted: &Noted| noted.what == What::Parameter(other);
            self.noted.iter().any(same)
        };
        Ok(match (parameter, quirks.max_tokens) {
            (Parameter::MaxTokens, MaxTokens::MaxCompletionTokens)
                if self.api == Api::Chat && !has(Parameter::MaxCompletionTokens) =>
            {
                Fate::Rename("max_completion_tokens")
            }
            (Parameter::MaxCompletionTokens, MaxTokens::MaxTokens)
                if !has(Parameter::MaxTokens) =>
            {
                Fate::Rename("max_tokens")
            }
            (Parameter::Verbosity, _)
                if target.parameters.is_none()
                    && quirks.reasoning != ReasoningWords::Object
                    && !has_newest_words(quirks) =>
            {
                target.cannot(parameter.name())?;
                Fate::Remove
            }
            (Parameter::StructuredOutputs, _)
                if quirks.reasoning != ReasoningWords::Object && !target.routing_fields =>
            {
                Fate::Remove
            }
            (
                Parameter::Reasoning | Parameter::ReasoningEffort | Parameter::IncludeReasoning,
                _,
            ) => self.fate_of_reasoning(parameter, noted, target)?,
            _ => Fate::Keep,
        })
    }

    /// A wish for thought, in the words of the provider. Of the members that say it the first one is rewritten and the others go.
    fn fate_of_reasoning(
        &self,
        parameter: Parameter,
        noted: &Noted,
        target: &Target<'_>,
    ) -> Result<Fate, Refusal> {
        let words = target.quirks.reasoning;
        let at_home = match words {
            ReasoningWords::Object => true,
            ReasoningWords::Effort => parameter == Parameter::ReasoningEffort,
            ReasoningWords::Thinking | ReasoningWords::None => false,
        };
        if at_home {
            return Ok(Fate::Keep);
        }
        let wishes = || {
            self.noted.iter().filter(|noted| {
                matches!(
                    noted.what,
                    What::Parameter(Parameter::Reasoning | Parameter::ReasoningEffort)
                )
            })
        };
        let first = wishes()
            .next()
            .is_some_and(|wish| wish.index == noted.index);
        let said = words == ReasoningWords::Effort
            && wishes().any(|wish| wish.what == What::Parameter(Parameter::ReasoningEffort));
        if parameter == Parameter::IncludeReasoning || !first || said {
            return Ok(Fate::Remove);
        }
        let stated = Stated::of(self.asked(), wishes().map(|wish| wish.value.span))?;
        let mut value = Vec::new();
        let Some(name) = write_wish(&stated.reasoning, self.max_tokens, words, &mut value) else {
            if words == ReasoningWords::None && stated.reasoning.wanted().is_some() {
                target.cannot(parameter.name())?;
            }
            return Ok(Fate::Remove);
        };
        let mut member = Vec::with_capacity(name.len() + value.len() + 3);
        json::write_string(name, &mut member);
        member.push(b':');
        member.extend_from_slice(&value);
        Ok(Fate::Member(member))
    }
}
