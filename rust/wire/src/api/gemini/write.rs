//! The middle shape becomes an answer of generateContent.

use crate::answer::{Closing, Serving};
use crate::api::gemini::signature;
use crate::cost::write_dollars;
use crate::dialect::gemini::part::{
    audio_type, write_address, write_call, write_inline, write_text,
};
use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::dialect::gemini::usage;
use crate::exchange::{
    Answer, Block, Citation, Source, Text, Thought, ThoughtKind, format, joined_name,
};
use crate::finish::Finish;
use crate::json::{write_number, write_string};

/// Whether the client asked to see thoughts, which Gemini does not show otherwise.
pub(super) fn shows_thoughts(asked: &str) -> bool {
    let mut shows = false;
    // The request was read before; what cannot be read asks for nothing.
    let _ = Typed::lenient(asked).object("request", |typed, key| {
        if !matches!(key, "generationConfig" | "generation_config") {
            return typed.skip();
        }
        typed.object("generationConfig", |typed, key| {
            if !matches!(key, "thinkingConfig" | "thinking_config") {
                return typed.skip();
            }
            typed.object("thinkingConfig", |typed, key| {
                match key {
                    "includeThoughts" | "include_thoughts" => {
                        shows = typed.boolean("includeThoughts")?.unwrap_or(false);
                    }
                    _ => typed.skip()?,
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    });
    shows
}

/// Appends the whole answer.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    let shows = shows_thoughts(serving.asked);
    out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"parts\":[");
    let start = out.len();
    let mut parts = 0;
    let mut cited: Vec<(u64, &Text<'_>)> = Vec::new();
    for block in &answer.blocks {
        let mark = out.len();
        if mark > start {
            out.push(b',');
        }
        match block_part(block, shows, out) {
            true => {
                if let Block::Text(text) = block
                    && !text.citations.is_empty()
                {
                    cited.push((parts, text));
                }
                parts += 1;
            }
            false => out.truncate(mark),
        }
    }
    if out.len() == start {
        // Clients take the first part without looking whether there is one.
        write_text("", false, None, out);
    }
    out.extend_from_slice(b"],\"role\":\"model\"},\"finishReason\":");
    write_string(finish_word(closing.finish), out);
    out.extend_from_slice(b",\"index\":0");
    if let Some(logprobs) = answer.logprobs.as_deref() {
        write_logprobs(logprobs, out);
    }
    if !cited.is_empty() {
        out.extend_from_slice(b",\"groundingMetadata\":");
        let supports = cited.iter().flat_map(|(part, text)| {
            let of = |citation| support(*part, citation, &text.text);
            text.citations.iter().map(of)
        });
        write_grounding(supports, out);
    }
    out.extend_from_slice(b"}]");
    write_tail(Some(closing), serving, out);
    out.push(b'}');
}

/// Appends what follows the candidates, without the closing brace.
pub(super) fn write_tail(closing: Option<&Closing<'_>>, serving: &Serving<'_>, out: &mut Vec<u8>) {
    if let Some(closing) = closing {
        out.extend_from_slice(b",\"usageMetadata\":");
        usage::write_open(&closing.usage, out);
        if let Some(tier) = closing.service_tier {
            out.extend_from_slice(b",\"serviceTier\":");
            write_string(if tier == "default" { "standard" } else { tier }, out);
        }
        // Google's libraries drop what they do not know, and whoever looks for the cost finds it here.
        out.extend_from_slice(b",\"cost\":");
        write_dollars(closing.cost.total_nano, out);
        out.push(b'}');
    }
    out.extend_from_slice(b",\"modelVersion\":");
    write_string(serving.model, out);
    out.extend_from_slice(b",\"responseId\":");
    write_string(serving.id, out);
    out.extend_from_slice(b",\"provider\":");
    write_string(serving.provider, out);
}

/// Appends one block as a part; false: this API has no word for it.
fn block_part(block: &Block<'_>, shows: bool, out: &mut Vec<u8>) -> bool {
    match block {
        Block::Text(text) => write_text(&text.text, false, text.signature.as_deref(), out),
        Block::Refusal(text) => write_text(text, false, None, out),
        Block::Thought(thought) => return thought_part(thought, shows, out),
        Block::ToolCall(call) => {
            let name = joined_name(call.namespace.as_deref(), &call.name);
            let signature = call.signature.as_deref();
            write_call(&call.id, &name, &call.arguments, signature, out);
        }
        Block::Image { source, .. } => medium(source, "image/png", out),
        Block::File { source, .. } => medium(source, "application/pdf", out),
        Block::Video { source } => medium(source, "video/mp4", out),
        Block::Audio { data, format, .. } => write_inline(&audio_type(format), data, out),
        Block::ToolResult(_) | Block::Foreign(_) => return false,
    }
    true
}

fn medium(source: &Source<'_>, usual: &str, out: &mut Vec<u8>) {
    match source {
        Source::Data { media_type, base64 } => write_inline(media_type, base64, out),
        Source::Url(uri) | Source::Id(uri) => write_address(usual, uri, out),
    }
}

fn thought_part(thought: &Thought<'_>, shows: bool, out: &mut Vec<u8>) -> bool {
    let (text, payload) = match thought.kind {
        ThoughtKind::Encrypted => ("", thought.text.as_ref()),
        _ => (
            thought.text.as_ref(),
            thought.signature.as_deref().unwrap_or_default(),
        ),
    };
    let text = if shows { text } else { "" };
    let id = thought.id.as_deref().unwrap_or_default();
    let signature = remembered(thought.kind, &thought.format, id, payload, shows);
    if text.is_empty() && signature.is_none() {
        return false;
    }
    write_text(text, true, signature.as_deref(), out);
    true
}

/// What stands as `thoughtSignature` of a thought: Gemini's own, or what has to be remembered of another's. `None`: nothing has to be.
/// `shown`: the client gets the text too; a hidden one without a signature is of no use to its provider.
pub(super) fn remembered(
    kind: ThoughtKind,
    format: &str,
    id: &str,
    payload: &str,
    shown: bool,
) -> Option<String> {
    if format == format::GEMINI {
        return (!payload.is_empty()).then(|| payload.to_owned());
    }
    let nameless = format.is_empty() || format == format::UNKNOWN;
    if payload.is_empty() && (nameless || id.is_empty() || !shown) {
        return None;
    }
    Some(signature::pack(kind, format, id, payload))
}

/// The word of this API. A call of tools is an ordinary stop here.
pub(super) const fn finish_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
        Finish::Error => "OTHER",
    }
}

/// A citation, and what it supports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Support<'a> {
    /// The source.
    pub(super) citation: &'a Citation<'a>,
    /// Number of the part.
    pub(super) part: u64,
    /// Range in bytes of that part; `None`: not known.
    pub(super) range: Option<(u64, u64)>,
    /// The part's text, where it is at hand.
    pub(super) text: Option<&'a str>,
}

/// Appends `groundingMetadata`'s value.
pub(super) fn write_grounding<'a>(
    supports: impl Iterator<Item = Support<'a>> + Clone,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"groundingChunks\":[");
    for (at, Support { citation, .. }) in supports.clone().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"web\":{\"uri\":");
        write_string(&citation.url, out);
        if let Some(title) = &citation.title {
            out.extend_from_slice(b",\"title\":");
            write_string(title, out);
        }
        out.extend_from_slice(b"}}");
    }
    out.extend_from_slice(b"],\"groundingSupports\":[");
    let mut comma = false;
    for (at, support) in supports.enumerate() {
        let Some((start, end)) = support.range else {
            continue;
        };
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"segment\":{\"partIndex\":");
        write_number(support.part, out);
        out.extend_from_slice(b",\"startIndex\":");
        write_number(start, out);
        out.extend_from_slice(b",\"endIndex\":");
        write_number(end, out);
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let segment = range.and_then(|(start, end)| support.text?.get(start..end));
        if let Some(segment) = segment {
            out.extend_from_slice(b",\"text\":");
            write_string(segment, out);
        }
        out.extend_from_slice(b"},\"groundingChunkIndices\":[");
        write_number(at as u64, out);
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}");
}

/// The range of a citation in bytes of its text.
fn support<'a>(part: u64, citation: &'a Citation<'a>, text: &'a str) -> Support<'a> {
    let range = citation.start_index.zip(citation.end_index);
    Support {
        citation,
        part,
        range: range.and_then(|(start, end)| bytes(text, start).zip(bytes(text, end))),
        text: Some(text),
    }
}

/// Bytes of the first `characters` of a text; `None` when it is shorter.
fn bytes(text: &str, characters: u64) -> Option<u64> {
    let characters = usize::try_from(characters).ok()?;
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(characters)
        .map(|bytes| bytes as u64)
}

/// Appends OpenAI's `logprobs` object as `,"logprobsResult":…`; nothing where it cannot be read.
pub(super) fn write_logprobs(raw: &str, out: &mut Vec<u8>) {
    let mark = out.len();
    out.extend_from_slice(b",\"logprobsResult\":{\"chosenCandidates\":[");
    let mut tops: Vec<&str> = Vec::new();
    let mut read = || -> Result<(), Wrong> {
        let mut typed = Typed::lenient(raw);
        typed.object("logprobs", |typed, key| {
            if key != "content" {
                return typed.skip();
            }
            typed.array("logprobs.content", |typed| {
                if !tops.is_empty() {
                    out.push(b',');
                }
                tops.push(token(typed, out)?.unwrap_or("[]"));
                Ok(())
            })?;
            Ok(())
        })?;
        out.extend_from_slice(b"],\"topCandidates\":[");
        for (at, top) in tops.iter().enumerate() {
            out.extend_from_slice(match at {
                0 => b"{\"candidates\":[".as_slice(),
                _ => b",{\"candidates\":[",
            });
            let mut comma = false;
            Typed::lenient(top).array("top_logprobs", |typed| {
                if std::mem::replace(&mut comma, true) {
                    out.push(b',');
                }
                token(typed, out).map(|_| ())
            })?;
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}");
        Ok(())
    };
    if read().is_err() || tops.is_empty() {
        out.truncate(mark);
    }
}

/// Appends one token; its alternatives, raw.
fn token<'a>(typed: &mut Typed<'a>, out: &mut Vec<u8>) -> Result<Option<&'a str>, Wrong> {
    let (mut token, mut logprob, mut top) = (None, None, None);
    typed.object("logprobs.content[]", |typed, key| {
        match key {
            "token" => token = typed.string("token")?,
            "logprob" => logprob = typed.raw_text()?,
            "top_logprobs" => top = typed.raw_text()?,
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    out.extend_from_slice(b"{\"token\":");
    write_string(&token.unwrap_or_default(), out);
    out.extend_from_slice(b",\"logProbability\":");
    out.extend_from_slice(logprob.unwrap_or("0").as_bytes());
    out.push(b'}');
    Ok(top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn thoughts_are_shown_when_asked_for() {
        assert!(shows_thoughts(
            r#"{"contents":[],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#
        ));
        for asked in [
            "",
            "{}",
            r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":5}}}"#,
        ] {
            assert!(!shows_thoughts(asked), "{asked}");
        }
    }

    #[test]
    fn citations_count_bytes() {
        let citation = Citation {
            url: Cow::Borrowed("https://a"),
            start_index: Some(2),
            end_index: Some(4),
            ..Citation::default()
        };
        let mut out = Vec::new();
        write_grounding([support(1, &citation, "é abc")].into_iter(), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"groundingChunks":[{"web":{"uri":"https://a"}}],"groundingSupports":[{"segment":{"partIndex":1,"startIndex":3,"endIndex":5,"text":"ab"},"groundingChunkIndices":[0]}]}"#
        );
    }

    #[test]
    fn probabilities_are_taken_apart() {
        let mut out = Vec::new();
        write_logprobs(
            r#"{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"b","logprob":-1,"bytes":null}]}]}"#,
            &mut out,
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#","logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"b","logProbability":-1}]}]}"#
        );
        let mut out = Vec::new();
        write_logprobs(r#"{"content":null}"#, &mut out);
        assert!(out.is_empty());
    }
}
