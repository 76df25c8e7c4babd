//! Tokens as Gemini counts them.
//!
//! Thoughts stand beside the candidates' tokens and what its own tools put into the prompt beside the prompt's; cached tokens are inside
//! the prompt. The middle shape wants thought inside the completion, and everything that was read inside the prompt. Counts in a stream
//! are cumulative, so the last ones are the ones.

use std::borrow::Cow;

use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::json::write_number;
use crate::usage::Usage;

/// `usageMetadata`, read.
#[derive(Debug, Default)]
pub(crate) struct Metadata<'a> {
    /// `None`: it counts nothing, as early chunks of Vertex do.
    pub(crate) usage: Option<Usage>,
    /// The tier that served, in OpenAI's words.
    pub(crate) tier: Option<Cow<'a, str>>,
}

/// Reads `usageMetadata`.
pub(crate) fn read<'a>(typed: &mut Typed<'a>) -> Result<Metadata<'a>, Wrong> {
    let mut usage = Usage::default();
    let (mut prompt, mut candidates, mut thoughts, mut tool_use, mut total) =
        (None, None, None, None, None);
    let mut tier = None;
    typed.object("usageMetadata", |typed, key| {
        match key {
            "promptTokenCount" => prompt = typed.whole("promptTokenCount")?,
            "candidatesTokenCount" => candidates = typed.whole("candidatesTokenCount")?,
            "thoughtsTokenCount" => thoughts = typed.whole("thoughtsTokenCount")?,
            "toolUsePromptTokenCount" => tool_use = typed.whole("toolUsePromptTokenCount")?,
            "totalTokenCount" => total = typed.whole("totalTokenCount")?,
            "cachedContentTokenCount" => {
                usage.cached = typed.whole("cachedContentTokenCount")?.unwrap_or(0);
            }
            "promptTokensDetails" => {
                modalities(typed, &mut usage.prompt_audio, &mut usage.prompt_image)?;
            }
            "candidatesTokensDetails" => {
                modalities(
                    typed,
                    &mut usage.completion_audio,
                    &mut usage.completion_image,
                )?;
            }
            "serviceTier" => tier = typed.string("serviceTier")?,
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    let counted = prompt.is_some() || candidates.is_some() || total.is_some();
    usage.prompt = prompt.unwrap_or(0u64).saturating_add(tool_use.unwrap_or(0));
    usage.reasoning = thoughts.unwrap_or(0);
    usage.completion = match (candidates, total) {
        (None, Some(total)) => u64::saturating_sub(total, usage.prompt).max(usage.reasoning),
        (candidates, _) => candidates.unwrap_or(0u64).saturating_add(usage.reasoning),
    };
    usage.total = total.unwrap_or_else(|| usage.prompt.saturating_add(usage.completion));
    Ok(Metadata {
        usage: counted.then_some(usage),
        tier: tier.map(|tier| match &*tier {
            "standard" | "STANDARD" => Cow::Borrowed("default"),
            _ => tier,
        }),
    })
}

/// Reads the counts by modality, of which two are priced.
fn modalities(typed: &mut Typed<'_>, audio: &mut u64, image: &mut u64) -> Result<(), Wrong> {
    typed.array("tokensDetails", |typed| {
        let (mut modality, mut count) = (None, 0);
        typed.object("tokensDetails[]", |typed, key| {
            match key {
                "modality" => modality = typed.string("modality")?,
                "tokenCount" => count = typed.whole("tokenCount")?.unwrap_or(0),
                _ => typed.skip()?,
            }
            Ok(())
        })?;
        match modality.as_deref() {
            Some("AUDIO") => *audio = count,
            Some("IMAGE") => *image = count,
            _ => {}
        }
        Ok(())
    })?;
    Ok(())
}

/// Appends `usageMetadata` without its closing brace, so that more can be said.
pub(crate) fn write_open(usage: &Usage, out: &mut Vec<u8>) {
    let mut member = |name: &[u8], count: u64| {
        out.extend_from_slice(name);
        write_number(count, out);
    };
    // Thought that a provider counts beside the completion is already outside of it.
    let candidates = match usage.billed_completion() == usage.completion {
        true => usage.completion.saturating_sub(usage.reasoning),
        false => usage.completion,
    };
    member(b"{\"promptTokenCount\":", usage.prompt);
    member(b",\"candidatesTokenCount\":", candidates);
    if usage.reasoning > 0 {
        member(b",\"thoughtsTokenCount\":", usage.reasoning);
    }
    if usage.cached > 0 {
        member(b",\"cachedContentTokenCount\":", usage.cached);
    }
    let total = usage
        .prompt
        .saturating_add(candidates)
        .saturating_add(usage.reasoning);
    member(b",\"totalTokenCount\":", total);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Usage> {
        read(&mut Typed::lenient(text)).unwrap().usage
    }

    #[test]
    fn thought_is_part_of_the_completion_and_tools_of_the_prompt() {
        let usage = of(
            r#"{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":7,"toolUsePromptTokenCount":3,"totalTokenCount":25,"cachedContentTokenCount":4}"#,
        )
        .unwrap();
        assert_eq!(
            (
                usage.prompt,
                usage.completion,
                usage.reasoning,
                usage.cached,
                usage.total
            ),
            (13, 12, 7, 4, 25)
        );
        assert_eq!(usage.billed_completion(), 12);
    }

    #[test]
    fn a_chunk_that_counts_nothing_has_no_usage() {
        assert_eq!(of(r#"{"trafficType":"PROVISIONED_THROUGHPUT"}"#), None);
        assert_eq!(of("null"), None);
    }

    #[test]
    fn a_blocked_prompt_has_no_candidates_to_count() {
        let usage = of(r#"{"promptTokenCount":14,"totalTokenCount":14}"#).unwrap();
        assert_eq!((usage.completion, usage.total), (0, 14));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let usage = Usage {
            prompt: 10,
            completion: 12,
            reasoning: 7,
            cached: 4,
            total: 22,
            ..Usage::default()
        };
        let mut out = Vec::new();
        write_open(&usage, &mut out);
        out.push(b'}');
        assert_eq!(of(std::str::from_utf8(&out).unwrap()), Some(usage));
    }
}
