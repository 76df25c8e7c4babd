//! An answer of generateContent becomes the middle shape. A chunk of a stream is an answer too, so both are read here.
//!
//! Only the first candidate is looked at: requests that are translated never ask for more.

use std::borrow::Cow;

use crate::answer::Unusable;
use crate::dialect::gemini::part::{self, Part};
use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::dialect::gemini::usage::{self, Metadata};
use crate::dialect::gemini::{grounding, own_id};
use crate::exchange::{Answer, Block, Text, Thought, ToolCall, format};
use crate::finish::Finish;
use crate::json::{self, Kind, Malformed, write_string};
use crate::usage::Usage;

/// A document, read.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    /// `responseId`.
    pub(super) id: Option<Cow<'a, str>>,
    /// The parts of the first candidate.
    pub(super) parts: Vec<Part<'a>>,
    /// Its `finishReason`, or why the prompt was refused.
    pub(super) finish: Option<(Finish, Cow<'a, str>)>,
    /// Searches that are charged; `usage` does not know them.
    pub(super) searches: u64,
    /// Tokens.
    pub(super) usage: Option<Usage>,
    /// The tier that served.
    pub(super) tier: Option<Cow<'a, str>>,
    /// `groundingMetadata`, raw.
    pub(super) grounding: Option<&'a str>,
    /// `citationMetadata`, raw.
    pub(super) citations: Option<&'a str>,
    /// `logprobsResult`, raw.
    pub(super) logprobs: Option<&'a str>,
    /// There is an `error` instead of an answer.
    pub(super) error: bool,
    /// Whether a candidate, or word of a refused prompt, is in it.
    pub(super) says_something: bool,
}

/// Reads a document.
pub(super) fn document(text: &str) -> Result<Document<'_>, Malformed> {
    let mut document = Document::default();
    let mut typed = Typed::lenient(text);
    if typed.peek() == Some(Kind::Array) {
        // Errors of streams that were not asked for as events come in an array.
        let mut first = true;
        typed
            .array("answer", |typed| {
                match std::mem::replace(&mut first, false) {
                    true => members(typed, &mut document),
                    false => typed.skip(),
                }
            })
            .map_err(Wrong::malformed)?;
    } else {
        members(&mut typed, &mut document).map_err(Wrong::malformed)?;
    }
    typed.finish().map_err(Wrong::malformed)?;
    Ok(document)
}

fn members<'a>(typed: &mut Typed<'a>, document: &mut Document<'a>) -> Result<(), Wrong> {
    let mut metadata = Metadata::default();
    let mut model = None;
    let mut first = true;
    let is_object = typed.object("answer", |typed, key| {
        match key {
            "candidates" => {
                typed.array("candidates", |typed| {
                    match std::mem::replace(&mut first, false) {
                        true => candidate(typed, document),
                        false => typed.skip(),
                    }
                })?;
            }
            "promptFeedback" => {
                typed.object("promptFeedback", |typed, key| {
                    match key {
                        "blockReason" => {
                            if let Some(reason) = typed.string("promptFeedback.blockReason")? {
                                document.says_something = true;
                                document.finish = Some((Finish::ContentFilter, reason));
                            }
                        }
                        _ => typed.skip()?,
                    }
                    Ok(())
                })?;
            }
            "usageMetadata" => metadata = usage::read(typed)?,
            "modelVersion" => model = typed.string("modelVersion")?,
            "responseId" => document.id = typed.string("responseId")?,
            "error" => document.error = typed.raw_text()?.is_some(),
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    if !is_object {
        return Err(Wrong::Malformed(Malformed {
            offset: 0,
            why: "expected an object, which starts with `{`",
        }));
    }
    document.usage = metadata.usage;
    document.tier = metadata.tier;
    document.searches = grounding::searches(document.grounding, model.as_deref());
    Ok(())
}

fn candidate<'a>(typed: &mut Typed<'a>, document: &mut Document<'a>) -> Result<(), Wrong> {
    document.says_something |= typed.object("candidates[]", |typed, key| {
        match key {
            "content" => {
                typed.object("content", |typed, key| {
                    match key {
                        "parts" => {
                            typed.array("parts", |typed| {
                                document.parts.extend(part::read(typed)?);
                                Ok(())
                            })?;
                        }
                        _ => typed.skip()?,
                    }
                    Ok(())
                })?;
            }
            "finishReason" => {
                if let Some(word) = typed.string("finishReason")?
                    && word != "FINISH_REASON_UNSPECIFIED"
                {
                    document.finish = Some((Finish::of(&word), word));
                }
            }
            "groundingMetadata" => document.grounding = typed.raw_text()?,
            "citationMetadata" => document.citations = typed.raw_text()?,
            "logprobsResult" => document.logprobs = typed.raw_text()?,
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(())
}

/// Reads a plain answer.
pub(crate) fn read_answer(text: &str) -> Result<Answer<'_>, Unusable> {
    let document = document(text).map_err(Unusable::Malformed)?;
    if document.error || !document.says_something {
        return Err(Unusable::NoChoices);
    }
    let mut blocks: Vec<Block<'_>> = Vec::with_capacity(document.parts.len());
    // Which block each part became, for citations that name a part.
    let mut block_of_part = Vec::with_capacity(document.parts.len());
    let mut calls = 0;
    for part in document.parts {
        take(part, document.id.as_deref(), &mut calls, &mut blocks);
        block_of_part.push(blocks.len().saturating_sub(1));
    }
    grounding::attach(
        document.grounding,
        document.citations,
        &block_of_part,
        &mut blocks,
    );
    let (finish, native_finish) = document.finish.unzip();
    Ok(Answer {
        id: document.id,
        blocks,
        finish,
        native_finish,
        stop_sequence: None,
        usage: document.usage.map(|usage| Usage {
            web_searches: document.searches,
            ..usage
        }),
        logprobs: document.logprobs.and_then(logprobs).map(Cow::Owned),
        service_tier: document.tier,
    })
}

/// Turns one part into a block, or adds it to the last one.
fn take<'a>(part: Part<'a>, id: Option<&str>, calls: &mut u32, blocks: &mut Vec<Block<'a>>) {
    if let Some(call) = part.call {
        let Some(name) = call.name else {
            return;
        };
        let number = *calls;
        *calls += 1;
        blocks.push(Block::ToolCall(ToolCall {
            id: call
                .id
                .filter(|id| !id.is_empty())
                .unwrap_or_else(|| own_id(id.unwrap_or_default(), number).into()),
            name,
            arguments: call.args.map_or(Cow::Borrowed("{}"), Cow::Borrowed),
            signature: part.signature,
            ..ToolCall::default()
        }));
        return;
    }
    if let Some(medium) = part.medium {
        blocks.push(medium.block());
        return;
    }
    if let Some(foreign) = part.foreign {
        blocks.extend(serde_json::from_str(foreign).ok().map(Block::Foreign));
        return;
    }
    let text = part.text.unwrap_or_default();
    // A signature after the text that it belongs to stands on an empty part.
    match (text.is_empty(), part.thought, blocks.last_mut()) {
        (true, _, _) if part.signature.is_none() => {}
        (true, true, Some(Block::Thought(last))) if last.signature.is_none() => {
            last.signature = part.signature;
        }
        (true, false, Some(Block::Text(last))) if last.signature.is_none() => {
            last.signature = part.signature;
        }
        (_, true, _) => blocks.push(Block::Thought(Thought {
            text,
            signature: part.signature,
            format: Cow::Borrowed(format::GEMINI),
            ..Thought::default()
        })),
        (_, false, _) => blocks.push(Block::Text(Text {
            text,
            signature: part.signature,
            ..Text::default()
        })),
    }
}

/// `logprobsResult` as OpenAI's `logprobs`: the chosen tokens, each with the likeliest ones at its place.
pub(super) fn logprobs(raw: &str) -> Option<String> {
    let (mut chosen, mut top) = (None, None);
    let mut typed = Typed::lenient(raw);
    typed
        .object("logprobsResult", |typed, key| {
            match key {
                "chosenCandidates" => chosen = typed.raw_text()?,
                "topCandidates" => top = typed.raw_text()?,
                _ => typed.skip()?,
            }
            Ok(())
        })
        .ok()?;
    let mut alternatives: Vec<&str> = Vec::new();
    if let Some(top) = top {
        Typed::lenient(top)
            .array("topCandidates", |typed| {
                let mut candidates = "[]";
                typed.object("topCandidates[]", |typed, key| {
                    match key {
                        "candidates" => candidates = typed.raw_text()?.unwrap_or("[]"),
                        _ => typed.skip()?,
                    }
                    Ok(())
                })?;
                alternatives.push(candidates);
                Ok(())
            })
            .ok()?;
    }
    let mut out = b"{\"content\":[".to_vec();
    let mut at = 0;
    Typed::lenient(chosen?)
        .array("chosenCandidates", |typed| {
            if at > 0 {
                out.push(b',');
            }
            token(typed, &mut out)?;
            out.extend_from_slice(b",\"top_logprobs\":[");
            let mut comma = false;
            Typed::lenient(alternatives.get(at).copied().unwrap_or("[]")).array(
                "candidates",
                |typed| {
                    if std::mem::replace(&mut comma, true) {
                        out.push(b',');
                    }
                    token(typed, &mut out)?;
                    out.push(b'}');
                    Ok(())
                },
            )?;
            out.extend_from_slice(b"]}");
            at += 1;
            Ok(())
        })
        .ok()?;
    out.extend_from_slice(b"],\"refusal\":null}");
    String::from_utf8(out).ok()
}

/// Appends one token without its closing brace.
fn token(typed: &mut Typed<'_>, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let (mut token, mut logprob) = (None, None);
    typed.object("candidate", |typed, key| {
        match key {
            "token" => token = typed.string("token")?,
            "logProbability" => logprob = typed.raw_text()?,
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    let token = token.unwrap_or_default();
    out.extend_from_slice(b"{\"token\":");
    write_string(&token, out);
    out.extend_from_slice(b",\"logprob\":");
    out.extend_from_slice(logprob.unwrap_or("0").as_bytes());
    out.extend_from_slice(b",\"bytes\":[");
    for (at, byte) in token.bytes().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write_number(u64::from(byte), out);
    }
    out.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Answer<'_> {
        read_answer(text).unwrap()
    }

    #[test]
    fn thoughts_texts_calls_and_signatures_are_blocks() {
        let answer = read(
            r#"{"candidates":[{"content":{"parts":[
                {"text":"hm","thought":true},
                {"text":"Hello"},
                {"text":"","thoughtSignature":"AA=="},
                {"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"BB=="},
                {"functionCall":{"id":"x","name":"g"}},
                {"inlineData":{"mimeType":"image/png","data":"CC=="}}
            ],"role":"model"},"finishReason":"STOP"}],"responseId":"r1"}"#,
        );
        let seen: Vec<String> = answer
            .blocks
            .iter()
            .map(|block| format!("{block:?}"))
            .collect();
        assert_eq!(seen.len(), 5, "{seen:#?}");
        assert!(
            matches!(&answer.blocks[0], Block::Thought(t) if t.text == "hm" && t.format == format::GEMINI)
        );
        assert!(
            matches!(&answer.blocks[1], Block::Text(t) if t.signature.as_deref() == Some("AA=="))
        );
        assert!(matches!(&answer.blocks[2], Block::ToolCall(c)
            if c.id == "gemini_r1_0" && c.arguments == r#"{"a":1}"# && c.signature.as_deref() == Some("BB==")));
        assert!(
            matches!(&answer.blocks[3], Block::ToolCall(c) if c.id == "x" && c.arguments == "{}")
        );
        assert!(matches!(&answer.blocks[4], Block::Image { .. }));
        assert_eq!(answer.finish, Some(Finish::Stop));
    }

    #[test]
    fn a_refused_prompt_is_an_answer() {
        let answer = read(
            r#"{"promptFeedback":{"blockReason":"OTHER"},"usageMetadata":{"promptTokenCount":3}}"#,
        );
        assert!(answer.blocks.is_empty());
        assert_eq!(answer.finish, Some(Finish::ContentFilter));
        assert_eq!(answer.native_finish.as_deref(), Some("OTHER"));
    }

    #[test]
    fn a_malformed_call_is_an_error_of_the_model() {
        let answer = read(
            r#"{"candidates":[{"content":{},"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"x"}]}"#,
        );
        assert_eq!(answer.finish, Some(Finish::Error));
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for text in [
            "{}",
            r#"{"error":{"code":400}}"#,
            r#"[{"error":{"code":400}}]"#,
        ] {
            assert_eq!(
                read_answer(text).unwrap_err(),
                Unusable::NoChoices,
                "{text}"
            );
        }
        assert!(matches!(
            read_answer("[").unwrap_err(),
            Unusable::Malformed(_)
        ));
    }

    #[test]
    fn probabilities_are_paired() {
        let raw = r#"{"chosenCandidates":[{"token":"a","tokenId":1,"logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.5},{"token":"b","logProbability":-2}]}]}"#;
        assert_eq!(
            logprobs(raw).unwrap(),
            r#"{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]},{"token":"b","logprob":-2,"bytes":[98]}]}],"refusal":null}"#
        );
    }
}
