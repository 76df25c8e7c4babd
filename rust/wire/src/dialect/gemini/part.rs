//! Parts: the pieces of content, which have one shape in requests and answers.
//!
//! Names are read in both of Google's spellings, `inlineData` and `inline_data`; they are written in the first.

use std::borrow::Cow;

use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::exchange::{Block, Source};
use crate::json::{self, write_string};

/// One part, read.
#[derive(Debug, Default)]
pub(crate) struct Part<'a> {
    /// `text`.
    pub(crate) text: Option<Cow<'a, str>>,
    /// `thought`: the text is thought and not answer.
    pub(crate) thought: bool,
    /// `thoughtSignature`, in base64 of either alphabet.
    pub(crate) signature: Option<Cow<'a, str>>,
    /// `inlineData` or `fileData`.
    pub(crate) medium: Option<Medium<'a>>,
    /// `functionCall`.
    pub(crate) call: Option<Call<'a>>,
    /// `functionResponse`.
    pub(crate) response: Option<Response<'a>>,
    /// A part that only Gemini knows (code that it ran, its own tools), raw.
    pub(crate) foreign: Option<&'a str>,
}

/// A medium.
#[derive(Debug)]
pub(crate) struct Medium<'a> {
    /// Its type; empty when the client left it out.
    pub(crate) media_type: Cow<'a, str>,
    /// Base64 in the common alphabet, or an address.
    pub(crate) content: Cow<'a, str>,
    /// Whether `content` is an address.
    pub(crate) is_address: bool,
}

/// A function call.
#[derive(Debug, Default)]
pub(crate) struct Call<'a> {
    /// Its id, which is often left out.
    pub(crate) id: Option<Cow<'a, str>>,
    /// The function; `None` where a streamed call goes on.
    pub(crate) name: Option<Cow<'a, str>>,
    /// `args`, raw.
    pub(crate) args: Option<&'a str>,
    /// `partialArgs`, raw: arguments that are streamed.
    pub(crate) partial: Option<&'a str>,
    /// More of this call follows in the next part.
    pub(crate) will_continue: bool,
}

/// A function's result.
#[derive(Debug, Default)]
pub(crate) struct Response<'a> {
    /// The call's id, which is often left out.
    pub(crate) id: Option<Cow<'a, str>>,
    /// The function.
    pub(crate) name: Option<Cow<'a, str>>,
    /// `response`, raw.
    pub(crate) response: Option<&'a str>,
    /// Media beside it.
    pub(crate) media: Vec<Medium<'a>>,
}

/// Reads one part; `None` when the element is none.
pub(crate) fn read<'a>(typed: &mut Typed<'a>) -> Result<Option<Part<'a>>, Wrong> {
    let mut part = Part::default();
    let mut foreign = false;
    typed.peek();
    let start = typed.offset();
    let found = typed.object("contents[].parts[]", |typed, key| {
        match key {
            "text" => part.text = typed.string("contents[].parts[].text")?,
            "thought" => {
                part.thought = typed
                    .boolean("contents[].parts[].thought")?
                    .unwrap_or(false);
            }
            "thoughtSignature" | "thought_signature" => {
                part.signature = typed.string("contents[].parts[].thoughtSignature")?;
            }
            "inlineData" | "inline_data" => {
                part.medium =
                    inline(typed, "contents[].parts[].inlineData")?.or(part.medium.take());
            }
            "fileData" | "file_data" => {
                part.medium = address(typed, "contents[].parts[].fileData")?.or(part.medium.take());
            }
            "functionCall" | "function_call" => part.call = call(typed)?,
            "functionResponse" | "function_response" => part.response = response(typed)?,
            "executableCode"
            | "executable_code"
            | "codeExecutionResult"
            | "code_execution_result"
            | "toolCall"
            | "tool_call"
            | "toolResponse"
            | "tool_response" => {
                foreign = true;
                typed.skip()?;
            }
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    if foreign {
        part.foreign = typed.text().get(start..typed.offset());
    }
    Ok(found.then_some(part))
}

fn inline<'a>(typed: &mut Typed<'a>, member: &'static str) -> Result<Option<Medium<'a>>, Wrong> {
    let (mut media_type, mut data) = (None, None);
    typed.object(member, |typed, key| {
        match key {
            "mimeType" | "mime_type" => {
                media_type = typed.string("contents[].parts[].inlineData.mimeType")?;
            }
            "data" => data = typed.string("contents[].parts[].inlineData.data")?,
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(data.map(|data| Medium {
        media_type: media_type.unwrap_or_default(),
        content: common_alphabet(data),
        is_address: false,
    }))
}

fn address<'a>(typed: &mut Typed<'a>, member: &'static str) -> Result<Option<Medium<'a>>, Wrong> {
    let (mut media_type, mut uri) = (None, None);
    typed.object(member, |typed, key| {
        match key {
            "mimeType" | "mime_type" => {
                media_type = typed.string("contents[].parts[].fileData.mimeType")?;
            }
            "fileUri" | "file_uri" => uri = typed.string("contents[].parts[].fileData.fileUri")?,
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(uri.map(|uri| Medium {
        media_type: media_type.unwrap_or_default(),
        content: uri,
        is_address: true,
    }))
}

fn call<'a>(typed: &mut Typed<'a>) -> Result<Option<Call<'a>>, Wrong> {
    let mut call = Call::default();
    let found = typed.object("contents[].parts[].functionCall", |typed, key| {
        match key {
            "id" => call.id = typed.string("contents[].parts[].functionCall.id")?,
            "name" => call.name = typed.string("contents[].parts[].functionCall.name")?,
            "args" => call.args = typed.raw_text()?,
            "partialArgs" | "partial_args" => call.partial = typed.raw_text()?,
            "willContinue" | "will_continue" => {
                let member = "contents[].parts[].functionCall.willContinue";
                call.will_continue = typed.boolean(member)?.unwrap_or(false);
            }
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(found.then_some(call))
}

fn response<'a>(typed: &mut Typed<'a>) -> Result<Option<Response<'a>>, Wrong> {
    let mut response = Response::default();
    let found = typed.object("contents[].parts[].functionResponse", |typed, key| {
        match key {
            "id" => response.id = typed.string("contents[].parts[].functionResponse.id")?,
            "name" => response.name = typed.string("contents[].parts[].functionResponse.name")?,
            "response" => response.response = typed.raw_text()?,
            "parts" => {
                typed.array("contents[].parts[].functionResponse.parts", |typed| {
                    let member = "contents[].parts[].functionResponse.parts[]";
                    typed.object(member, |typed, key| {
                        let medium = match key {
                            "inlineData" | "inline_data" => inline(typed, member)?,
                            "fileData" | "file_data" => address(typed, member)?,
                            _ => {
                                typed.skip()?;
                                None
                            }
                        };
                        response.media.extend(medium);
                        Ok(())
                    })?;
                    Ok(())
                })?;
            }
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(found.then_some(response))
}

/// Base64 with `+` and `/`, which other protocols expect: Google's own libraries write `-` and `_`.
fn common_alphabet(data: Cow<'_, str>) -> Cow<'_, str> {
    match memchr::memchr2(b'-', b'_', data.as_bytes()) {
        None => data,
        Some(_) => Cow::Owned(
            data.chars()
                .map(|c| match c {
                    '-' => '+',
                    '_' => '/',
                    other => other,
                })
                .collect(),
        ),
    }
}

impl<'a> Medium<'a> {
    /// As a block of the middle shape.
    pub(crate) fn block(self) -> Block<'a> {
        let family = self
            .media_type
            .split('/')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let Medium {
            media_type,
            content,
            is_address,
        } = self;
        if family == "audio" && !is_address {
            return Block::Audio {
                format: audio_format(&media_type).into(),
                data: content,
                transcript: None,
                id: None,
            };
        }
        let source = match is_address {
            true => Source::Url(content),
            false => Source::Data {
                media_type,
                base64: content,
            },
        };
        match family.as_str() {
            "image" => Block::Image {
                source,
                detail: None,
                cache: None,
            },
            "video" => Block::Video { source },
            _ => Block::File {
                source,
                name: None,
                cache: None,
            },
        }
    }
}

/// The short name of a type of sound: `mp3` of `audio/mpeg`.
pub(crate) fn audio_format(media_type: &str) -> String {
    let subtype = media_type
        .split_once('/')
        .map_or("", |(_, subtype)| subtype);
    let subtype = subtype
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match subtype.as_str() {
        "mpeg" | "mpga" => "mp3".to_owned(),
        "x-wav" | "wave" | "vnd.wave" => "wav".to_owned(),
        "l16" | "pcm" => "pcm16".to_owned(),
        "mp4" | "x-m4a" => "m4a".to_owned(),
        other => other.strip_prefix("x-").unwrap_or(other).to_owned(),
    }
}

/// The type that a short name stands for; what contains a `/` is one already.
pub(crate) fn audio_type(format: &str) -> Cow<'_, str> {
    match format {
        "pcm16" | "pcm" => Cow::Borrowed("audio/L16;codec=pcm;rate=24000"),
        "m4a" => Cow::Borrowed("audio/mp4"),
        "" => Cow::Borrowed("audio/wav"),
        _ if format.contains('/') => Cow::Borrowed(format),
        _ => Cow::Owned(format!("audio/{format}")),
    }
}

/// Whether a raw value is an object of one member that is called one of `names`, and that member's raw value.
pub(crate) fn only_member<'a>(
    raw: &'a str,
    names: &[&'static str],
) -> Option<(&'static str, &'a str)> {
    let mut typed = Typed::lenient(raw);
    let mut members = 0;
    let mut found = None;
    typed
        .object("response", |typed, key| {
            members += 1;
            let name = names.iter().copied().find(|name| *name == key);
            let value = typed.raw_text()?;
            found = name.zip(value);
            Ok(())
        })
        .ok()?;
    found.filter(|_| members == 1)
}

/// The text of a raw string, else the raw value itself.
pub(crate) fn string_or_raw(raw: &str) -> Cow<'_, str> {
    match raw.starts_with('"') {
        true => json::unescape(raw),
        false => Cow::Borrowed(raw),
    }
}

/// Appends `,"thoughtSignature":…`.
pub(crate) fn write_signature(signature: Option<&str>, out: &mut Vec<u8>) {
    if let Some(signature) = signature.filter(|signature| !signature.is_empty()) {
        out.extend_from_slice(b",\"thoughtSignature\":");
        write_string(signature, out);
    }
}

/// Appends a text part.
pub(crate) fn write_text(text: &str, thought: bool, signature: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":");
    write_string(text, out);
    if thought {
        out.extend_from_slice(b",\"thought\":true");
    }
    write_signature(signature, out);
    out.push(b'}');
}

/// Appends a part with bytes in base64.
pub(crate) fn write_inline(media_type: &str, base64: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"inlineData\":{\"mimeType\":");
    write_string(media_type, out);
    out.extend_from_slice(b",\"data\":");
    write_string(base64, out);
    out.extend_from_slice(b"}}");
}

/// Appends a part with an address.
pub(crate) fn write_address(media_type: &str, uri: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"fileData\":{\"mimeType\":");
    write_string(media_type, out);
    out.extend_from_slice(b",\"fileUri\":");
    write_string(uri, out);
    out.extend_from_slice(b"}}");
}

/// Appends a function call. Arguments must be an object: blank ones are an empty one, and what is no object becomes the member
/// `input` of one, which is what custom tools are offered as.
pub(crate) fn write_call(
    id: &str,
    name: &str,
    arguments: &str,
    signature: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"functionCall\":{");
    if !id.is_empty() {
        out.extend_from_slice(b"\"id\":");
        write_string(id, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"name\":");
    write_string(name, out);
    out.extend_from_slice(b",\"args\":");
    match arguments.trim_ascii().is_empty() {
        true => out.extend_from_slice(b"{}"),
        false => write_object(arguments, "input", out),
    }
    out.push(b'}');
    write_signature(signature, out);
    out.push(b'}');
}

/// Appends `text` if it is a JSON object, else an object with the text as the member `name`.
pub(crate) fn write_object(text: &str, name: &str, out: &mut Vec<u8>) {
    let trimmed = text.trim_ascii();
    if is_object(trimmed) {
        // It becomes part of an event's one line; line ends can only stand between its tokens, where a space is as good.
        out.extend(trimmed.bytes().map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            byte => byte,
        }));
        return;
    }
    out.push(b'{');
    write_string(name, out);
    out.push(b':');
    write_string(text, out);
    out.push(b'}');
}

fn is_object(text: &str) -> bool {
    if !text.starts_with('{') {
        return false;
    }
    let mut typed = Typed::lenient(text);
    typed.skip().is_ok() && typed.finish().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn arguments_are_always_an_object() {
        for (arguments, expected) in [
            ("", "{}"),
            (" \n", "{}"),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#"{"a":1"#, r#"{"input":"{\"a\":1"}"#),
            ("[1]", r#"{"input":"[1]"}"#),
            ("plain", r#"{"input":"plain"}"#),
        ] {
            assert_eq!(
                written(|out| write_call("", "f", arguments, None, out)),
                format!(r#"{{"functionCall":{{"name":"f","args":{expected}}}}}"#)
            );
        }
    }

    #[test]
    fn a_blank_result_is_still_what_the_tool_gave() {
        for text in ["", " "] {
            let expected = format!(r#"{{"output":"{text}"}}"#);
            assert_eq!(written(|out| write_object(text, "output", out)), expected);
        }
    }

    #[test]
    fn bytes_in_the_url_alphabet_are_read() {
        let text = r#"{"inline_data":{"mime_type":"image/png","data":"a-b_"}}"#;
        let part = read(&mut Typed::strict(text)).unwrap().unwrap();
        assert_eq!(part.medium.unwrap().content, "a+b/");
    }

    #[test]
    fn sounds_have_short_names() {
        for (media_type, format) in [
            ("audio/mpeg", "mp3"),
            ("audio/x-wav", "wav"),
            ("audio/L16;rate=24000", "pcm16"),
            ("audio/flac", "flac"),
        ] {
            assert_eq!(audio_format(media_type), format);
        }
        assert_eq!(audio_type("mp3"), "audio/mp3");
    }
}
