//! OpenAI's embeddings, as OpenRouter extends them (openrouter.md §1.2.5).
//!
//! A vector is an array of numbers, or base64 of 32-bit floats in little-endian order, as the client likes. A provider that gives the
//! one where the other was asked for is converted.

use std::borrow::Cow;

use crate::answer::{Closing, Serving};
use crate::exchange::{EmbedAnswer, EmbedAsk, EmbedInput};
use crate::json::{Kind, Walker, write_number};
use crate::member::{self, Members, Path};
use crate::refusal::Refusal;
use crate::usage;

/// Reads a request.
pub(crate) fn read(text: &str) -> Result<EmbedAsk<'_>, Refusal> {
    let mut ask = EmbedAsk::default();
    let mut walker = Walker::new(text);
    member::object(&mut walker, &Path::ROOT, |name, walker| {
        let path = Path::ROOT.member(name);
        match name {
            "input" => read_input(walker, &path, &mut ask.inputs)?,
            "dimensions" => ask.dimensions = member::whole(walker, &path)?,
            "encoding_format" => {
                ask.base64 = match member::string(walker, &path)?.as_deref() {
                    Some("base64") => true,
                    None | Some("float") => false,
                    Some(other) => {
                        return Err(path.wrong("`float` or `base64`", other));
                    }
                };
            }
            "input_type" => ask.input_type = member::string(walker, &path)?,
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    match ask.inputs.is_empty() {
        true => Err(Path::ROOT
            .member("input")
            .wrong("a string or an array that is not empty", "nothing")),
        false => Ok(ask),
    }
}

/// Reads `input`: a text, tokens, or several of one of them; or objects with parts.
fn read_input<'a>(
    walker: &mut Walker<'a>,
    path: &Path<'_>,
    inputs: &mut Vec<EmbedInput<'a>>,
) -> Result<(), Refusal> {
    if walker.peek() != Some(Kind::Array) {
        inputs.extend(member::string(walker, path)?.map(EmbedInput::Text));
        return Ok(());
    }
    let start = walker.offset();
    let mut tokens = false;
    member::array(walker, path, |index, walker| {
        let path = path.element(index);
        match walker.peek() {
            // The whole array is one input of tokens.
            Some(Kind::Number) => {
                tokens = true;
                member::skip(walker)
            }
            Some(Kind::Array) => {
                inputs.extend(member::raw(walker)?.map(EmbedInput::Tokens));
                Ok(())
            }
            Some(Kind::Object) => {
                let mut parts = Vec::new();
                member::object(walker, &path, |name, walker| {
                    match name {
                        "content" => {
                            parts = crate::api::chat::read_content(walker, &path.member(name))?;
                        }
                        _ => member::skip(walker)?,
                    }
                    Ok(())
                })?;
                inputs.push(EmbedInput::Parts(parts));
                Ok(())
            }
            _ => {
                inputs.extend(member::string(walker, &path)?.map(EmbedInput::Text));
                Ok(())
            }
        }
    })?;
    if tokens {
        if !inputs.is_empty() {
            return Err(path.wrong("texts or tokens", "both"));
        }
        let text = walker.text().get(start..walker.offset());
        let raw = member::raw_value(text.unwrap_or_default())?;
        inputs.push(EmbedInput::Tokens(raw));
    }
    Ok(())
}

/// Writes vectors.
pub(crate) fn write(
    answer: &EmbedAnswer<'_>,
    closing: &Closing<'_>,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) {
    let base64 = wants_base64(serving.asked);
    let mut members = Members::new(out);
    members.string("object", serving.api.object());
    let out = members.key("data");
    for (index, vector) in answer.vectors.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[" } else { b"," });
        out.extend_from_slice(b"{\"object\":\"embedding\",\"index\":");
        write_number(index as u64, out);
        out.extend_from_slice(b",\"embedding\":");
        write_vector(vector, base64, out);
        out.push(b'}');
    }
    out.extend_from_slice(if answer.vectors.is_empty() {
        b"[]"
    } else {
        b"]"
    });
    members.string("model", serving.model);
    members.string("id", serving.id);
    members.string("provider", serving.provider);
    usage::write_own(
        &closing.usage,
        &closing.cost,
        serving.api,
        members.key("usage"),
    );
    members.end();
}

/// Whether the client's own request asks for base64. One that cannot be read has been refused before.
fn wants_base64(asked: &str) -> bool {
    if memchr::memmem::find(asked.as_bytes(), b"\"base64\"").is_none() {
        return false;
    }
    let mut base64 = false;
    let mut walker = Walker::new(asked);
    // What cannot be read was no wish.
    let _ = member::object(&mut walker, &Path::ROOT, |name, walker| {
        match name {
            "encoding_format" => {
                let form = member::string(walker, &Path::ROOT)?;
                base64 = form.as_deref() == Some("base64");
            }
            _ => member::skip(walker)?,
        }
        Ok(())
    });
    base64
}

/// Writes one vector in the form that is wanted. One that cannot be converted stays what it was.
pub(crate) fn write_vector(vector: &str, base64: bool, out: &mut Vec<u8>) {
    let converted: Option<Cow<'_, str>> = match (vector.starts_with('"'), base64) {
        (true, false) => floats_of(vector).map(Cow::Owned),
        (false, true) => base64_of(vector).map(Cow::Owned),
        _ => None,
    };
    out.extend_from_slice(converted.as_deref().unwrap_or(vector).as_bytes());
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The base64 string, with quotes, of an array of numbers.
fn base64_of(vector: &str) -> Option<String> {
    let floats: Vec<f32> = serde_json::from_str(vector).ok()?;
    let bytes: Vec<u8> = floats
        .iter()
        .flat_map(|float| float.to_le_bytes())
        .collect();
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 6);
    text.push('"');
    for three in bytes.chunks(3) {
        let group = three
            .iter()
            .zip([16u32, 8, 0])
            .fold(0u32, |group, (byte, shift)| {
                group | u32::from(*byte) << shift
            });
        for (place, shift) in [18u32, 12, 6, 0].into_iter().enumerate() {
            match place <= three.len() {
                true => {
                    let six = (group >> shift & 63) as usize;
                    text.push(ALPHABET.get(six).copied().map_or('=', char::from));
                }
                false => text.push('='),
            }
        }
    }
    text.push('"');
    Some(text)
}

/// The array of numbers of a base64 string with its quotes; `None` when it is no base64 of whole floats.
fn floats_of(vector: &str) -> Option<String> {
    let text = vector.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut group, mut sixes) = (0u32, 0u32);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        group = group << 6 | u32::from(six);
        sixes += 1;
        if sixes == 4 {
            bytes.extend_from_slice(group.to_be_bytes().get(1..)?);
            (group, sixes) = (0, 0);
        }
    }
    match sixes {
        0 => {}
        2 => bytes.push((group >> 4) as u8),
        3 => bytes.extend_from_slice(((group >> 2) as u16).to_be_bytes().as_slice()),
        _ => return None,
    }
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let floats: Vec<f32> = floats
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect();
    serde_json::to_string(&floats).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(vector: &str, base64: bool) -> String {
        let mut out = Vec::new();
        write_vector(vector, base64, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn vectors_are_converted_both_ways() {
        for (floats, base64) in [
            ("[1.0]", "\"AACAPw==\""),
            ("[1.0,-2.5]", "\"AACAPwAAIMA=\""),
            ("[0.0,1.0,0.5]", "\"AAAAAAAAgD8AAAA/\""),
            ("[]", "\"\""),
        ] {
            assert_eq!(converted(floats, true), base64);
            assert_eq!(converted(base64, false), floats);
            assert_eq!(converted(floats, false), floats);
            assert_eq!(converted(base64, true), base64);
        }
    }

    #[test]
    fn what_is_no_vector_stays() {
        for odd in ["\"AAA\"", "\"%%%%\"", "\"A\"", "[\"a\"]"] {
            assert_eq!(converted(odd, !odd.starts_with('"')), odd);
        }
    }

    #[test]
    fn e01_every_form_of_input_is_read() {
        let inputs = |input: &str| {
            let body = format!("{{\"model\":\"m\",\"input\":{input}}}");
            read(&body).map(|ask| format!("{:?}", ask.inputs))
        };
        assert!(inputs("\"a\"").unwrap().contains("Text(\"a\")"));
        assert_eq!(inputs("[\"a\",\"b\"]").unwrap().matches("Text").count(), 2);
        assert_eq!(inputs("[1,2,3]").unwrap().matches("Tokens").count(), 1);
        assert_eq!(inputs("[[1],[2,3]]").unwrap().matches("Tokens").count(), 2);
        assert!(
            inputs(r#"[{"content":[{"type":"text","text":"a"}]}]"#)
                .unwrap()
                .contains("Parts")
        );
        for wrong in ["[]", "null", "[1,\"a\"]", "{}"] {
            assert_eq!(inputs(wrong).unwrap_err().status(), 400, "{wrong}");
        }
    }
}
