//! Sources: what Gemini found in searches (`groundingMetadata`) or recites (`citationMetadata`), as citations.
//!
//! A support ties a segment of the text to chunks by their index; each pair is one citation. A chunk that no support names is a
//! citation without a range. Google counts bytes of a part, the middle shape characters of a text.

use std::borrow::Cow;

use crate::dialect::gemini::generation;
use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::exchange::{Block, Citation};

/// Most sources that are taken of one answer; Google gives some dozens at most.
const SOURCES_MAX: usize = 256;

/// A citation whose range is in bytes of a part.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    /// Without a range.
    pub(super) citation: Citation<'a>,
    /// The part, counted from 0.
    pub(super) part: u64,
    /// Start and end in bytes.
    pub(super) range: Option<(u64, u64)>,
}

/// How many searches of an answer are charged: up to generation 2.5 a grounded answer counts once, from 3 on each query does
/// (ai.google.dev, "Pricing", read 2026-11). `model`: the provider's name of it.
pub(crate) fn searches(grounding: Option<&str>, model: Option<&str>) -> u64 {
    let mut count = 0;
    if let Some(raw) = grounding {
        // What cannot be read counts nothing.
        let _ = Typed::lenient(raw).object("groundingMetadata", |typed, key| {
            match key {
                "webSearchQueries" => {
                    typed.array("webSearchQueries", |typed| {
                        count += 1;
                        typed.skip()
                    })?;
                }
                _ => typed.skip()?,
            }
            Ok(())
        });
    }
    match model.and_then(generation) {
        Some(3..) => count,
        _ => count.min(1),
    }
}

/// Reads all sources of an answer.
pub(super) fn sources<'a>(
    grounding: Option<&'a str>,
    citations: Option<&'a str>,
) -> Vec<Source<'a>> {
    let mut found = Vec::new();
    // Sources stand beside the answer: one that cannot be read does not spoil it.
    if let Some(raw) = grounding {
        let _ = grounded(raw, &mut found);
    }
    if let Some(raw) = citations {
        let _ = recited(raw, &mut found);
    }
    found.truncate(SOURCES_MAX);
    found
}

/// Attaches the sources to the texts that they support. `block_of_part`: which block each part became.
pub(super) fn attach<'a>(
    grounding: Option<&'a str>,
    citations: Option<&'a str>,
    block_of_part: &[usize],
    blocks: &mut [Block<'a>],
) {
    if grounding.is_none() && citations.is_none() {
        return;
    }
    let Some(first_text) = blocks
        .iter()
        .position(|block| matches!(block, Block::Text(_)))
    else {
        return;
    };
    for source in sources(grounding, citations) {
        let named = usize::try_from(source.part)
            .ok()
            .and_then(|part| block_of_part.get(part).copied())
            .filter(|at| matches!(blocks.get(*at), Some(Block::Text(_))));
        let Some(Block::Text(text)) = blocks.get_mut(named.unwrap_or(first_text)) else {
            continue;
        };
        let mut citation = source.citation;
        if let Some((start, end)) = source.range {
            citation.start_index = characters(&text.text, start);
            citation.end_index = characters(&text.text, end);
        }
        text.citations.push(citation);
    }
}

/// Characters of the first `bytes` of a text; `None` when that is no place in it.
fn characters(text: &str, bytes: u64) -> Option<u64> {
    let before = text.get(..usize::try_from(bytes).ok()?)?;
    Some(before.chars().count() as u64)
}

fn grounded<'a>(raw: &'a str, found: &mut Vec<Source<'a>>) -> Result<(), Wrong> {
    let (mut chunks, mut supports) = (Vec::new(), None);
    Typed::lenient(raw).object("groundingMetadata", |typed, key| {
        match key {
            "groundingChunks" => {
                typed.array("groundingChunks", |typed| {
                    let chunk = chunk(typed)?;
                    if chunks.len() < SOURCES_MAX {
                        chunks.push((chunk, false));
                    }
                    Ok(())
                })?;
            }
            "groundingSupports" => supports = typed.raw_text()?,
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    if let Some(supports) = supports {
        Typed::lenient(supports).array("groundingSupports", |typed| {
            support(typed, &mut chunks, found)
        })?;
    }
    for (chunk, named) in chunks {
        if !named && !chunk.url.is_empty() {
            found.push(Source {
                citation: chunk,
                part: 0,
                range: None,
            });
        }
    }
    Ok(())
}

/// A chunk is of the web, of a store of files, or of maps; all have an address and a title.
fn chunk<'a>(typed: &mut Typed<'a>) -> Result<Citation<'a>, Wrong> {
    let mut citation = Citation::default();
    typed.object("groundingChunks[]", |typed, _| {
        typed.object("groundingChunks[].web", |typed, key| {
            match key {
                "uri" => citation.url = typed.string("uri")?.unwrap_or_default(),
                "title" => citation.title = typed.string("title")?,
                "text" => citation.content = typed.string("text")?,
                _ => typed.skip()?,
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(citation)
}

fn support<'a>(
    typed: &mut Typed<'a>,
    chunks: &mut [(Citation<'a>, bool)],
    found: &mut Vec<Source<'a>>,
) -> Result<(), Wrong> {
    let (mut start, mut end, mut part) = (0, None, 0);
    let mut indices = Vec::new();
    typed.object("groundingSupports[]", |typed, key| {
        match key {
            "segment" => {
                typed.object("segment", |typed, key| {
                    match key {
                        "startIndex" => start = typed.whole("startIndex")?.unwrap_or(0),
                        "endIndex" => end = typed.whole("endIndex")?,
                        "partIndex" => part = typed.whole("partIndex")?.unwrap_or(0),
                        _ => typed.skip()?,
                    }
                    Ok(())
                })?;
            }
            "groundingChunkIndices" => {
                typed.array("groundingChunkIndices", |typed| {
                    indices.extend(typed.whole("groundingChunkIndices[]")?);
                    Ok(())
                })?;
            }
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    for index in indices {
        let Some((chunk, named)) = usize::try_from(index)
            .ok()
            .and_then(|at| chunks.get_mut(at))
        else {
            continue;
        };
        *named = true;
        if found.len() < SOURCES_MAX {
            found.push(Source {
                citation: chunk.clone(),
                part,
                range: end.map(|end| (start, end)),
            });
        }
    }
    Ok(())
}

/// AI Studio calls them `citationSources`, Vertex `citations`.
fn recited<'a>(raw: &'a str, found: &mut Vec<Source<'a>>) -> Result<(), Wrong> {
    Typed::lenient(raw).object("citationMetadata", |typed, key| {
        if !matches!(key, "citationSources" | "citations") {
            return typed.skip();
        }
        typed.array("citationSources", |typed| {
            let mut citation = Citation::default();
            let (mut start, mut end) = (0, None);
            typed.object("citationSources[]", |typed, key| {
                match key {
                    "uri" => citation.url = typed.string("uri")?.unwrap_or_default(),
                    "title" => citation.title = typed.string("title")?,
                    "startIndex" => start = typed.whole("startIndex")?.unwrap_or(0),
                    "endIndex" => end = typed.whole("endIndex")?,
                    _ => typed.skip()?,
                }
                Ok(())
            })?;
            if !citation.url.is_empty() && found.len() < SOURCES_MAX {
                found.push(Source {
                    citation,
                    part: 0,
                    range: end.map(|end| (start, end)),
                });
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

impl Source<'_> {
    /// What tells it from others, for streams that repeat their sources.
    pub(super) fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (&self.citation.url, self.range).hash(&mut hasher);
        hasher.finish()
    }

    /// As a citation of a text whose bytes are characters, or of one of which that is not known.
    pub(super) fn cited(&self, bytes_are_characters: bool) -> Citation<'_> {
        let range = self.range.filter(|_| bytes_are_characters);
        Citation {
            url: Cow::Borrowed(&self.citation.url),
            title: self.citation.title.as_deref().map(Cow::Borrowed),
            content: self.citation.content.as_deref().map(Cow::Borrowed),
            start_index: range.map(|(start, _)| start),
            end_index: range.map(|(_, end)| end),
            raw: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Text;

    const GROUNDING: &str = r#"{"webSearchQueries":["a","b"],
        "groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"web":{"uri":"https://b","title":"B"}},{"web":{"uri":"https://c"}}],
        "groundingSupports":[{"segment":{"startIndex":3,"endIndex":6,"text":"x"},"groundingChunkIndices":[0,1,9]}]}"#;

    #[test]
    fn supports_tie_text_to_sources_in_characters() {
        let mut blocks = [Block::Text(Text {
            // Two bytes, then one each.
            text: Cow::Borrowed("é abcdef"),
            ..Text::default()
        })];
        attach(Some(GROUNDING), None, &[0], &mut blocks);
        let [Block::Text(text)] = &blocks else {
            panic!("the block stays a text");
        };
        let seen: Vec<_> = text
            .citations
            .iter()
            .map(|c| (c.url.as_ref(), c.start_index, c.end_index))
            .collect();
        assert_eq!(
            seen,
            [
                ("https://a", Some(2), Some(5)),
                ("https://b", Some(2), Some(5)),
                ("https://c", None, None)
            ]
        );
        assert_eq!(searches(Some(GROUNDING), Some("gemini-3-pro")), 2);
        assert_eq!(searches(Some(GROUNDING), Some("gemini-2.5-pro")), 1);
        assert_eq!(searches(None, None), 0);
    }

    #[test]
    fn recitations_are_citations() {
        let found = sources(
            None,
            Some(
                r#"{"citationSources":[{"startIndex":1,"endIndex":2,"uri":"https://a"},{"license":"mit"}]}"#,
            ),
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].range, Some((1, 2)));
    }
}
