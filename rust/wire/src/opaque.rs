//! Operations whose words only the provider understands: images, speech, transcription, moderation.
//!
//! There is no middle shape for them. A request passes with its model's name changed, an answer passes byte for byte. What stands here is
//! the little that the gateway has to understand all the same: what it refuses, one request that has to change its form (audio in
//! JSON, which OpenRouter takes and OpenAI does not), and what an answer says about its use.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use memchr::memmem;
use serde::Deserialize;
use serde_json::Value as Tree;
use serde_json::value::RawValue;

use crate::answer::{self, Facts, Serving, Unusable};
use crate::api::Api;
use crate::cost::Cost;
use crate::json::{self, Walker};
use crate::multipart::{FormReader, FormWriter};
use crate::refusal::{Kind, Refusal};
use crate::request::ROUTING_FIELDS;
use crate::upstream_error::UpstreamError;
use crate::usage::{Usage, UsageSource};

/// Longest `usage` object that is read. Real ones are a tenth of it.
const USAGE_BYTES_MAX: usize = 4 * 1024;
/// Formats of a transcript that are no JSON. Answers in them could not say what they cost, and OpenRouter refuses them.
const PLAIN_FORMATS: [&str; 3] = ["text", "srt", "vtt"];

/// Refuses a JSON body that asks for what cannot be given.
pub(crate) fn check(api: Api, text: &str) -> Result<(), Refusal> {
    match api {
        Api::Images | Api::ImageEdits => {
            // A body that these fields cannot be read from is the provider's to judge.
            let Ok(wish) = serde_json::from_str::<ImageWish<'_>>(text) else {
                return Ok(());
            };
            wish.check()
        }
        Api::Transcriptions | Api::Translations => {
            let wish = serde_json::from_str::<FormatWish<'_>>(text).ok();
            check_format(wish.and_then(|wish| wish.response_format).as_deref())
        }
        _ => Ok(()),
    }
}

/// Refuses a form that asks for what cannot be given.
pub(crate) fn check_form(api: Api, form: &FormReader) -> Result<(), Refusal> {
    let field = |name: &str| -> Result<Option<Cow<'_, str>>, Refusal> {
        let field = form.field(name).map_err(|wrong| malformed(wrong.0))?;
        let value = field.and_then(|field| field.value.as_deref());
        Ok(value.map(String::from_utf8_lossy))
    };
    match api {
        Api::Images | Api::ImageEdits => ImageWish {
            size: field("size")?,
            resolution: field("resolution")?,
            aspect_ratio: field("aspect_ratio")?,
        }
        .check(),
        Api::Transcriptions | Api::Translations => {
            check_format(field("response_format")?.as_deref())
        }
        _ => Ok(()),
    }
}

/// A form that cannot be read.
pub(crate) fn malformed(why: &str) -> Refusal {
    Refusal::new(Kind::InvalidRequest).with_message(format!(
        "The body is no multipart/form-data that can be read in one way: {why}"
    ))
}

fn check_format(format: Option<&str>) -> Result<(), Refusal> {
    match format {
        Some(format) if PLAIN_FORMATS.contains(&format) => Err(Refusal::new(Kind::InvalidRequest)
            .with_message(format!(
                "`response_format` must be json or verbose_json; seen: {format}"
            ))),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct FormatWish<'a> {
    #[serde(borrow, default)]
    response_format: Option<Cow<'a, str>>,
}

/// How large an image shall be, in the three ways in which that can be said.
#[derive(Deserialize)]
struct ImageWish<'a> {
    /// `WIDTHxHEIGHT`, or a tier.
    #[serde(borrow, default)]
    size: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resolution: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    aspect_ratio: Option<Cow<'a, str>>,
}

impl ImageWish<'_> {
    /// Explicit pixels count; what contradicts them is a mistake and not a matter of taste.
    fn check(&self) -> Result<(), Refusal> {
        let Some(size) = self.size.as_deref() else {
            return Ok(());
        };
        let conflict = |name: &str, other: &str| {
            Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
                "`size` {size} and `{name}` {other} contradict each other; give one of them"
            )))
        };
        let resolution = self.resolution.as_deref();
        if tier(size).is_some() {
            return match resolution {
                Some(other) if tier(other).is_some() && tier(other) != tier(size) => {
                    conflict("resolution", other)
                }
                _ => Ok(()),
            };
        }
        let Some((width, height)) = pair(size, ['x', 'X']) else {
            return Ok(());
        };
        if let Some(other) = resolution
            && let Some(edge) = tier(other)
        {
            // A tier is what lies between half and twice its square, so that 1536x1024 is 1K like 1024x1024.
            let (area, square) = (width.saturating_mul(height), edge * edge);
            if area.saturating_mul(2) < square || area >= square * 2 {
                return conflict("resolution", other);
            }
        }
        if let Some(other) = self.aspect_ratio.as_deref()
            && let Some((across, down)) = ratio(other)
        {
            // Pixels are whole, so a few per cent are no contradiction.
            let (left, right) = (width as f64 * down, height as f64 * across);
            if (left - right).abs() > right * 0.03 {
                return conflict("aspect_ratio", other);
            }
        }
        Ok(())
    }
}

/// Edge of the square of a tier.
fn tier(text: &str) -> Option<u64> {
    match text {
        "512" => Some(512),
        "1K" | "1k" => Some(1024),
        "2K" | "2k" => Some(2048),
        "4K" | "4k" => Some(4096),
        _ => None,
    }
}

fn pair(text: &str, by: [char; 2]) -> Option<(u64, u64)> {
    let (first, second) = text.split_once(by)?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

fn ratio(text: &str) -> Option<(f64, f64)> {
    let (first, second) = text.split_once(':')?;
    let (first, second) = (first.parse::<f64>().ok()?, second.parse::<f64>().ok()?);
    (first > 0.0 && second > 0.0).then_some((first, second))
}

/// A transcription asked for in JSON, as the form that providers take: the body and its content type.
///
/// Members that are texts, numbers or switches become fields, lists of them become fields with `[]`; the gateway's own members and
/// objects have no place in a form and are left out.
pub(crate) fn form_of(
    text: &str,
    model: &str,
    user: Option<&str>,
) -> Result<(Vec<u8>, String), Refusal> {
    let wrong = |message: &'static str| Refusal::new(Kind::InvalidRequest).with_message(message);
    let wish: AudioWish<'_> = serde_json::from_str(text).map_err(|_| {
        wrong("`input_audio` must be an object with `data` (base64) and `format` (wav, mp3, …), or send a form with a `file`")
    })?;
    let encoded = wish.input_audio.data.as_bytes();
    let audio = STANDARD
        .decode(encoded)
        .or_else(|_| STANDARD_NO_PAD.decode(encoded))
        .map_err(|_| wrong("`input_audio.data` must be base64, without a `data:` prefix"))?;
    if audio.is_empty() {
        return Err(wrong("`input_audio.data` is empty"));
    }
    let format: String = wish
        .input_audio
        .format
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let members: Tree = serde_json::from_str(text).unwrap_or_default();
    let mut writer = FormWriter::new(&[&audio, text.as_bytes()]);
    writer.field("model", model);
    for (name, value) in members.as_object().into_iter().flatten() {
        let own = ROUTING_FIELDS.contains(&name.as_str());
        if own || matches!(name.as_str(), "model" | "input_audio") {
            continue;
        }
        match (name.as_str(), value) {
            ("user", Tree::String(_)) if user.is_some() => {
                writer.field("user", user.unwrap_or_default());
            }
            (_, Tree::Array(items)) => {
                for item in items.iter().filter_map(scalar) {
                    writer.field(&format!("{name}[]"), &item);
                }
            }
            (_, value) => {
                if let Some(value) = scalar(value) {
                    writer.field(name, &value);
                }
            }
        }
    }
    writer.file(
        "file",
        &format!("audio.{format}"),
        &format!("audio/{format}"),
        &audio,
    );
    Ok(writer.finish())
}

#[derive(Deserialize)]
struct AudioWish<'a> {
    #[serde(borrow)]
    input_audio: InputAudio<'a>,
}

#[derive(Deserialize)]
struct InputAudio<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    format: Cow<'a, str>,
}

fn scalar(value: &Tree) -> Option<String> {
    match value {
        Tree::String(text) => Some(text.clone()),
        Tree::Number(_) | Tree::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Whether a JSON answer may be passed on: it is a document, and no error that came with a good status.
pub fn judge(body: &[u8]) -> Result<(), Unusable> {
    let text = answer::document(body)?;
    let mut walker = Walker::new(text);
    let mut error = None;
    let mut more = walker.enter_object().map_err(Unusable::Malformed)?;
    while more {
        let key = walker.key().map_err(Unusable::Malformed)?;
        let value = walker.value().map_err(Unusable::Malformed)?;
        if key.name == "error" && value.kind != json::Kind::Null {
            error = Some(value);
        }
        more = walker.next_member().map_err(Unusable::Malformed)?;
    }
    walker.finish().map_err(Unusable::Malformed)?;
    if error.is_none() {
        return Ok(());
    }
    let error = UpstreamError::read(body);
    Err(Unusable::ErrorInside {
        status: error.status,
        message: error.message,
        raw: error.raw,
    })
}

/// Appends the event that ends a stream in the middle, as OpenRouter ends those of its images.
pub fn write_error_event(refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: {\"type\":\"error\",\"error\":{\"code\":");
    json::write_number(u64::from(refusal.status()), out);
    out.extend_from_slice(b",\"message\":");
    json::write_string(&refusal.message, out);
    out.extend_from_slice(b"}}\n\ndata: [DONE]\n\n");
}

/// What a request itself says about its use, for answers that say nothing: how many images, how many characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    images: u64,
    characters: u64,
}

impl Counted {
    /// Of a JSON body.
    pub(crate) fn of_json(api: Api, text: &str) -> Counted {
        match api {
            Api::Images | Api::ImageEdits => {
                let wish = serde_json::from_str::<NumberWish<'_>>(text).ok();
                let number = wish.and_then(|wish| wish.n).map(RawValue::get);
                Counted::of_images(number)
            }
            Api::Speech => {
                let wish = serde_json::from_str::<InputWish<'_>>(text).ok();
                let input = wish.and_then(|wish| wish.input).unwrap_or_default();
                Counted {
                    characters: input.chars().count() as u64,
                    ..Counted::default()
                }
            }
            _ => Counted::default(),
        }
    }

    /// Of a form.
    pub(crate) fn of_form(api: Api, form: &FormReader) -> Counted {
        match (api, form.field("n")) {
            (Api::Images | Api::ImageEdits, Ok(field)) => {
                let value = field.and_then(|field| field.value.as_deref());
                Counted::of_images(value.and_then(|value| std::str::from_utf8(value).ok()))
            }
            _ => Counted::default(),
        }
    }

    /// One image unless another number stands there.
    fn of_images(number: Option<&str>) -> Counted {
        let number = number.and_then(|text| text.trim().parse().ok());
        Counted {
            images: number.unwrap_or(1),
            ..Counted::default()
        }
    }
}

#[derive(Deserialize)]
struct NumberWish<'a> {
    #[serde(borrow, default)]
    n: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct InputWish<'a> {
    #[serde(borrow, default)]
    input: Option<Cow<'a, str>>,
}

/// Looks at an answer while it passes, for what it says about its use. Bytes may come in pieces of any size, whole JSON and events
/// alike; nothing is held but the object that is looked for.
#[derive(Debug)]
pub struct Watch {
    api: Api,
    usage: Tap,
    /// Older transcriptions say how long the audio was, and nothing else.
    duration: Tap,
}

impl Watch {
    /// One for an answer of this API.
    pub fn new(api: Api) -> Watch {
        Watch {
            api,
            usage: Tap::new(br#""usage""#),
            duration: Tap::new(br#""duration""#),
        }
    }

    /// Looks at the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.usage.push(piece);
        if matches!(self.api, Api::Transcriptions | Api::Translations) {
            self.duration.push(piece);
        }
    }

    /// What is booked of the answer.
    pub fn facts(&self, counted: Counted, serving: &Serving<'_>) -> Facts {
        let text = |tap: &Tap| {
            std::str::from_utf8(&tap.found)
                .unwrap_or_default()
                .to_owned()
        };
        let told = Usage::parse(&text(&self.usage)).or_else(|| {
            let seconds = text(&self.duration);
            Usage::parse(&format!(r#"{{"seconds":{seconds}}}"#)).filter(|_| !seconds.is_empty())
        });
        let mut usage = told.unwrap_or_default();
        if told.is_none() {
            // Images are charged by the piece where there are no tokens.
            usage.images = counted.images;
        }
        usage.characters = counted.characters;
        let nothing = usage == Usage::default();
        Facts {
            usage,
            usage_source: match (told.is_some(), nothing) {
                (true, _) => UsageSource::Upstream,
                (false, true) => UsageSource::None,
                (false, false) => UsageSource::Estimated,
            },
            cost: Cost::of(&usage, serving.prices, None),
            finish: None,
            native_finish: None,
            upstream_id: None,
        }
    }
}

/// Looks for the last object or number behind a key. Inside a JSON string the key's quotes would be escaped, so what is found is a key,
/// or a string that is told by what follows it.
#[derive(Debug)]
struct Tap {
    /// With its quotes.
    key: &'static [u8],
    state: Search,
    /// The last value that was found whole.
    found: Vec<u8>,
}

#[derive(Debug)]
enum Search {
    /// Holds the last bytes, in which the key may have begun.
    Key(Vec<u8>),
    /// The key has come; whether its colon has, too.
    Colon(bool),
    Value {
        text: Vec<u8>,
        depth: usize,
        in_string: bool,
        escaped: bool,
    },
}

impl Tap {
    fn new(key: &'static [u8]) -> Tap {
        Tap {
            key,
            state: Search::Key(Vec::new()),
            found: Vec::new(),
        }
    }

    fn push(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let used = match &mut self.state {
                Search::Key(carried) => match after_key(self.key, carried, piece) {
                    Some(used) => {
                        self.state = Search::Colon(false);
                        used
                    }
                    None => piece.len(),
                },
                _ => {
                    self.byte(piece[0]);
                    1
                }
            };
            piece = piece.get(used..).unwrap_or_default();
        }
    }

    fn byte(&mut self, byte: u8) {
        let search = || Search::Key(Vec::new());
        match &mut self.state {
            Search::Key(_) => {}
            Search::Colon(seen) => match (byte, *seen) {
                (b' ' | b'\t' | b'\r' | b'\n', _) => {}
                (b':', false) => *seen = true,
                (b'{' | b'0'..=b'9', true) => {
                    self.state = Search::Value {
                        text: vec![byte],
                        depth: usize::from(byte == b'{'),
                        in_string: false,
                        escaped: false,
                    };
                }
                _ => self.state = search(),
            },
            Search::Value {
                text,
                depth,
                in_string,
                escaped,
            } => {
                if *depth == 0 && !matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') {
                    self.found = std::mem::take(text);
                    self.state = search();
                    return;
                }
                if text.len() >= USAGE_BYTES_MAX {
                    self.state = search();
                    return;
                }
                text.push(byte);
                match byte {
                    _ if *escaped => *escaped = false,
                    b'\\' if *in_string => *escaped = true,
                    b'"' => *in_string = !*in_string,
                    b'{' if !*in_string => *depth += 1,
                    b'}' if !*in_string => {
                        *depth = depth.saturating_sub(1);
                        if *depth == 0 {
                            self.found = std::mem::take(text);
                            self.state = search();
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Bytes of `piece` up to the end of the key, which may have begun in what was carried; `None`: it is not there, and the last bytes are
/// carried on.
fn after_key(key: &[u8], carried: &mut Vec<u8>, piece: &[u8]) -> Option<usize> {
    let overlap = piece
        .get(..piece.len().min(key.len() - 1))
        .unwrap_or_default();
    let before = carried.len();
    carried.extend_from_slice(overlap);
    if let Some(at) = memmem::find(carried, key) {
        // What was carried is shorter than the key, so its end lies in the piece.
        return Some(at + key.len() - before);
    }
    if let Some(at) = memmem::find(piece, key) {
        return Some(at + key.len());
    }
    if piece.len() > overlap.len() {
        carried.clear();
        let last = piece.len() - (key.len() - 1);
        carried.extend_from_slice(piece.get(last..).unwrap_or_default());
    } else {
        let surplus = carried.len().saturating_sub(key.len() - 1);
        carried.drain(..surplus);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Prices;

    fn serving(prices: &Prices) -> Serving<'_> {
        Serving {
            prices: Some(prices),
            ..Serving::example(Api::Images)
        }
    }

    fn watched(api: Api, pieces: &[&[u8]], counted: Counted) -> Facts {
        let mut watch = Watch::new(api);
        for piece in pieces {
            watch.push(piece);
        }
        watch.facts(counted, &serving(&Prices::default()))
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused() {
        let check = |text: &str| check(Api::Images, text);
        for good in [
            r#"{"size":"1536x1024","resolution":"1K","aspect_ratio":"3:2"}"#,
            r#"{"size":"1024x1024","aspect_ratio":"auto"}"#,
            r#"{"size":"2K","resolution":"2K"}"#,
            r#"{"size":"auto","aspect_ratio":"1:1","resolution":"4K"}"#,
            r#"{"size":"1365x768","aspect_ratio":"16:9"}"#,
            r#"{"size":7}"#,
            "{}",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            r#"{"size":"1024x1024","aspect_ratio":"16:9"}"#,
            r#"{"size":"1024x1024","resolution":"4K"}"#,
            r#"{"size":"2K","resolution":"1K"}"#,
        ] {
            assert_eq!(check(bad).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn transcripts_that_are_no_json_are_refused() {
        for format in ["srt", "vtt", "text"] {
            let body = format!(r#"{{"response_format":"{format}"}}"#);
            assert_eq!(check(Api::Transcriptions, &body).unwrap_err().status(), 400);
        }
        assert!(check(Api::Transcriptions, r#"{"response_format":"verbose_json"}"#).is_ok());
    }

    #[test]
    fn audio_in_json_becomes_a_form() {
        let body = r#"{"model":"a/b","input_audio":{"data":"AAEC","format":"wav"},"language":"en","temperature":0.5,
            "timestamp_granularities":["word","segment"],"provider":{"only":["x"]},"user":"u"}"#;
        let (body, content_type) = form_of(body, "whisper-1", Some("user_1")).unwrap();
        let boundary = crate::multipart::boundary(&content_type).unwrap().unwrap();
        let mut form = FormReader::new(boundary);
        form.push(&body).unwrap();
        assert!(form.is_whole());
        let fields: Vec<_> = form
            .fields()
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_deref().unwrap()))
            .collect();
        let expected: [(&str, &[u8]); 6] = [
            ("model", b"whisper-1"),
            ("language", b"en"),
            ("temperature", b"0.5"),
            ("timestamp_granularities[]", b"word"),
            ("timestamp_granularities[]", b"segment"),
            ("user", b"user_1"),
        ];
        assert_eq!((fields.as_slice(), form.files()), (expected.as_slice(), 1));
        assert!(memmem::find(&body, b"audio/wav\r\n\r\n\x00\x01\x02\r\n").is_some());
        for bad in [
            "{}",
            r#"{"input_audio":{"data":"%%","format":"wav"}}"#,
            r#"{"input_audio":{"data":"","format":"wav"}}"#,
            r#"{"input_audio":{"data":"AAEC"}}"#,
        ] {
            assert_eq!(form_of(bad, "m", None).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn usage_is_found_wherever_the_answer_is_cut() {
        let answer = br#"{"usage_note":"usage","data":[{"b64_json":"AAAA","t":"\"usage\":{}"}],"usage" : {"input_tokens":7,"output_tokens":9,"total_tokens":16,"x":"}{","input_tokens_details":{"image_tokens":3}},"size":"a"}"#;
        for first in 0..answer.len() {
            for second in [first, first + 1, first + 5] {
                let second = second.min(answer.len());
                let pieces = [&answer[..first], &answer[first..second], &answer[second..]];
                let facts = watched(Api::Images, &pieces, Counted::default());
                let seen = (
                    facts.usage.prompt,
                    facts.usage.completion,
                    facts.usage.prompt_image,
                );
                assert_eq!(seen, (7, 9, 3), "{first} {second}");
                assert_eq!(facts.usage_source, UsageSource::Upstream);
            }
        }
    }

    #[test]
    fn the_last_usage_of_a_stream_counts() {
        let stream = b"data: {\"usage\":null}\n\ndata: {\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}\n\ndata: {\"usage\":{\"input_tokens\":2,\"output_tokens\":3}}\n\n";
        let facts = watched(Api::Images, &[stream], Counted::default());
        assert_eq!((facts.usage.prompt, facts.usage.completion), (2, 3));
    }

    #[test]
    fn what_is_not_told_is_counted_from_the_request() {
        let images = Counted::of_json(Api::Images, r#"{"n":3}"#);
        assert_eq!(watched(Api::Images, &[b"{}"], images).usage.images, 3);
        let speech = Counted::of_json(Api::Speech, r#"{"input":"Z\u00fcge"}"#);
        let facts = watched(Api::Speech, &[b"\xff\x00"], speech);
        assert_eq!(
            (facts.usage.characters, facts.usage_source),
            (4, UsageSource::Estimated)
        );
        let seconds = watched(
            Api::Transcriptions,
            &[br#"{"duration": 8.4"#, b"7,\"text\":\"\"}"],
            Counted::default(),
        );
        assert_eq!(seconds.usage.seconds_milli, 8_470);
        let nothing = watched(Api::Moderations, &[b"{}"], Counted::default());
        assert_eq!(nothing.usage_source, UsageSource::None);
    }

    #[test]
    fn errors_with_a_good_status_are_not_passed_on() {
        assert!(judge(br#"{"error":null,"data":[{"error":1}]}"#).is_ok());
        assert!(matches!(judge(b""), Err(Unusable::Empty)));
        assert!(matches!(judge(b"{"), Err(Unusable::Malformed(_))));
        assert!(matches!(judge(b"{} x"), Err(Unusable::Malformed(_))));
        let Err(Unusable::ErrorInside { message, .. }) = judge(br#"{"error":{"message":"no"}}"#)
        else {
            panic!("an error inside");
        };
        assert_eq!(message, "no");
    }

    #[test]
    fn a_stream_that_breaks_ends_with_an_error_event() {
        let mut out = Vec::new();
        let refusal = Refusal::new(Kind::ProviderTimeout).with_message("a \"b\"");
        write_error_event(&refusal, &mut out);
        let text = String::from_utf8(out).unwrap();
        let (event, end) = text.split_once("\n\n").unwrap();
        let event: Tree = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(
            (&event["type"], &event["error"]["message"]),
            (&"error".into(), &"a \"b\"".into())
        );
        assert_eq!(event["error"]["code"], refusal.status());
        assert_eq!(end, "data: [DONE]\n\n");
    }

    #[test]
    fn a_transcription_counts_seconds_or_tokens_as_it_is_told() {
        let answer = br#"{"text":"","usage":{"type":"duration","seconds":9}}"#;
        let facts = watched(Api::Transcriptions, &[answer], Counted::default());
        assert_eq!(facts.usage.seconds_milli, 9_000);
        let answer = br#"{"text":"","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}"#;
        let facts = watched(Api::Transcriptions, &[answer], Counted::default());
        assert_eq!((facts.usage.prompt_audio, facts.usage.completion), (14, 45));
    }
}
