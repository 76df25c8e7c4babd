//! What of a body tells its task: one walk, in whichever API it is written.
//!
//! The APIs name things differently and seldom in conflict, so one walk serves all of them: a conversation is `messages`, `input` or
//! `contents`, what a turn says is its `content` or its `parts`, and so on. What is not understood is passed over.

use std::borrow::Cow;

use crate::json::{self, Kind, Malformed, Value, Walker};
use crate::member::lenient::{each_element, each_member, string};

/// Bytes of the user's last words that are looked at from their beginning.
pub const SAMPLE_HEAD_MAX: usize = 3 << 10;

/// Bytes of them that are looked at from their end: below a long text there often stands what to do with it.
pub const SAMPLE_TAIL_MAX: usize = 1 << 10;

/// Bytes of what the program tells the model to be.
pub const SYSTEM_MAX: usize = 512;

/// Tools whose names hold one of these are for work on code.
const CODE_TOOLS: [&str; 14] = [
    "bash",
    "shell",
    "terminal",
    "run_command",
    "execute_command",
    "exec_command",
    "read_file",
    "write_file",
    "edit_file",
    "apply_patch",
    "str_replace",
    "multiedit",
    "grep",
    "notebookedit",
];

/// Facts about a body.
#[derive(Debug, Default)]
pub struct Seen {
    /// The user's last words: their beginning and their end.
    sample: String,
    /// Bytes of the user's last words.
    pub text_bytes: u64,
    /// Of the whole body.
    pub body_bytes: u64,
    /// Whether there are tools to call.
    pub tools: bool,
    /// Whether some of them are for work on code.
    pub code_tools: bool,
    /// Whether the answer must follow a schema.
    pub schema: bool,
    /// Whether the answer must be JSON, by a schema or not.
    pub json: bool,
    /// Whether pictures are shown anywhere.
    pub images: bool,
    /// Whether the user's last words show a picture.
    pub image_last: bool,
    /// Whether there are documents.
    pub files: bool,
    /// Whether there is sound.
    pub audio: bool,
    /// Whether there are moving pictures.
    pub video: bool,
    /// Whether thought is asked for, or asked not to be.
    pub reasoning: Option<bool>,
    /// The model that the last turn of the assistant names as its author.
    pub author: Option<String>,
    /// The script that most of the sample's letters belong to.
    pub script: Script,
    /// Whether there is a conversation at all.
    pub turns: bool,
}

/// A family of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Script {
    /// No letters.
    #[default]
    None,
    /// Most of Europe, Vietnamese, Turkish …
    Latin,
    /// Russian, Ukrainian, Bulgarian …
    Cyrillic,
    /// Chinese, and Japanese with few syllables.
    Han,
    /// Japanese.
    Kana,
    /// Korean.
    Hangul,
    /// Arabic, Persian, Urdu.
    Arabic,
    /// Hindi and its neighbours.
    Devanagari,
    /// Any other.
    Other,
}

impl Script {
    /// The name in metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Script::None => "none",
            Script::Latin => "latin",
            Script::Cyrillic => "cyrillic",
            Script::Han => "han",
            Script::Kana => "kana",
            Script::Hangul => "hangul",
            Script::Arabic => "arabic",
            Script::Devanagari => "devanagari",
            Script::Other => "other",
        }
    }

    const fn of(letter: char) -> Script {
        match letter {
            'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Script::Latin,
            '\u{400}'..='\u{52f}' => Script::Cyrillic,
            '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' => Script::Han,
            '\u{3040}'..='\u{30ff}' => Script::Kana,
            '\u{ac00}'..='\u{d7af}' | '\u{1100}'..='\u{11ff}' => Script::Hangul,
            '\u{600}'..='\u{6ff}' => Script::Arabic,
            '\u{900}'..='\u{97f}' => Script::Devanagari,
            _ => Script::Other,
        }
    }
}

impl Seen {
    /// Walks a body. One that is no object of JSON has nothing to see.
    pub fn of(body: &str) -> Seen {
        let mut seen = Seen {
            body_bytes: body.len() as u64,
            ..Seen::default()
        };
        // The body was walked when it was read; an error here would leave what was seen until then.
        let _ = each_member(&mut Walker::new(body), |walker, name| {
            seen.member(walker, name)
        });
        let mut letters = [0u32; Script::Other as usize + 1];
        for letter in seen.sample.chars().filter(|c| c.is_alphabetic()) {
            letters[Script::of(letter) as usize] += 1;
        }
        // Japanese is told by its syllables, however many signs it has.
        letters[Script::Kana as usize] *= 3;
        seen.script = [
            Script::Latin,
            Script::Cyrillic,
            Script::Han,
            Script::Kana,
            Script::Hangul,
            Script::Arabic,
            Script::Devanagari,
            Script::Other,
        ]
        .into_iter()
        .filter(|script| letters[*script as usize] > 0)
        .max_by_key(|script| letters[*script as usize])
        .unwrap_or_default();
        seen
    }

    /// The user's last words: their beginning and their end.
    pub(super) fn sample(&self) -> &str {
        &self.sample
    }

    fn member(&mut self, walker: &mut Walker<'_>, name: &str) -> Result<(), Malformed> {
        match name {
            "messages" | "input" | "contents" => match walker.peek() {
                Some(Kind::Plain) => {
                    self.turns = true;
                    let value = walker.value()?;
                    self.begin();
                    self.words(&value, walker.text());
                    Ok(())
                }
                _ => each_element(walker, |walker| self.turn(walker)),
            },
            "tools" | "functions" => each_element(walker, |walker| {
                self.tools = true;
                self.tool(walker, 0)
            }),
            "response_format" | "text" | "generationConfig" | "output_config" => {
                self.form(walker, 0)
            }
            "reasoning_effort" => {
                let effort = string(walker)?;
                self.effort(effort.as_deref());
                Ok(())
            }
            "reasoning" | "thinking" => each_member(walker, |walker, name| {
                let value = walker.value()?;
                let text = value.string(walker.text());
                match (name, value.kind) {
                    ("effort" | "type", _) => self.effort(text.as_deref()),
                    ("enabled", Kind::True) => self.reasoning = Some(true),
                    ("enabled", Kind::False) => self.reasoning = Some(false),
                    _ => {}
                }
                Ok(())
            }),
            _ => walker.value().map(|_| ()),
        }
    }

    /// The words of OpenAI, OpenRouter and Anthropic for how much to think. A middling wish says nothing about the request.
    fn effort(&mut self, word: Option<&str>) {
        match word {
            Some("high" | "xhigh" | "max" | "enabled") => self.reasoning = Some(true),
            Some("none" | "minimal" | "low" | "disabled") => self.reasoning = Some(false),
            _ => {}
        }
    }

    /// A form that the answer must have: schemas stand at several depths.
    fn form(&mut self, walker: &mut Walker<'_>, depth: usize) -> Result<(), Malformed> {
        each_member(walker, |walker, name| match name {
            "responseSchema" | "responseJsonSchema" | "schema" => {
                self.schema = true;
                self.json = true;
                walker.value().map(|_| ())
            }
            "format" | "json_schema" if depth < 2 && walker.peek() == Some(Kind::Object) => {
                self.form(walker, depth + 1)
            }
            "type" | "responseMimeType" => {
                let word = string(walker)?;
                match word.as_deref() {
                    Some("json_schema") => (self.schema, self.json) = (true, true),
                    Some("json_object" | "application/json") => self.json = true,
                    _ => {}
                }
                Ok(())
            }
            _ => walker.value().map(|_| ()),
        })
    }

    /// A tool's name stands in it, in its `function`, or in Gemini's list of declarations.
    fn tool(&mut self, walker: &mut Walker<'_>, depth: usize) -> Result<(), Malformed> {
        each_member(walker, |walker, name| match name {
            "name" => {
                let name = string(walker)?.unwrap_or_default();
                if name.len() <= 128 {
                    let lower = name.to_ascii_lowercase();
                    self.code_tools |= matches!(lower.as_str(), "edit" | "read" | "write")
                        || CODE_TOOLS.iter().any(|word| lower.contains(word));
                }
                Ok(())
            }
            "type" => {
                let word = string(walker)?.unwrap_or_default();
                self.code_tools |= ["bash", "text_editor", "local_shell", "shell", "apply_patch"]
                    .iter()
                    .any(|start| word.starts_with(start));
                Ok(())
            }
            "function" if depth == 0 => self.tool(walker, 1),
            "functionDeclarations" | "function_declarations" if depth == 0 => {
                each_element(walker, |walker| self.tool(walker, 1))
            }
            _ => walker.value().map(|_| ()),
        })
    }

    /// One turn of the conversation. Its role may come after what it says, so that is gone back to.
    fn turn(&mut self, walker: &mut Walker<'_>) -> Result<(), Malformed> {
        self.turns = true;
        let mut role: Option<Cow<'_, str>> = None;
        let mut author = None;
        let mut said: Option<Walker<'_>> = None;
        each_member(walker, |walker, name| match name {
            "role" => {
                role = string(walker)?;
                Ok(())
            }
            "model" => {
                author = string(walker)?;
                Ok(())
            }
            "content" | "parts" => {
                walker.peek();
                said = Some(walker.clone());
                walker.value().map(|_| ())
            }
            _ => walker.value().map(|_| ()),
        })?;
        match role.as_deref() {
            // Google's turns need no role.
            None | Some("user") => {
                if let Some(mut said) = said {
                    self.said(&mut said)?;
                }
            }
            Some("assistant" | "model") => {
                if let Some(author) = author {
                    self.author = Some(author.into_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the user says in one turn. One that holds no words of theirs, but what a tool gave back, leaves the last ones standing.
    fn said(&mut self, walker: &mut Walker<'_>) -> Result<(), Malformed> {
        if walker.peek() != Some(Kind::Array) {
            let value = walker.value()?;
            if value.kind.is_string() {
                self.begin();
                self.words(&value, walker.text());
            }
            return Ok(());
        }
        let mut begun = false;
        let mut image = false;
        each_element(walker, |walker| {
            let mut text = None;
            each_member(walker, |walker, name| {
                match name {
                    "type" => {
                        let word = string(walker)?.unwrap_or_default();
                        image |= self.medium(&word);
                        return Ok(());
                    }
                    "inlineData" | "inline_data" | "fileData" | "file_data" => {
                        return each_member(walker, |walker, name| {
                            let value = string(walker)?;
                            if matches!(name, "mimeType" | "mime_type") {
                                image |= self.medium(&value.unwrap_or_default());
                            }
                            Ok(())
                        });
                    }
                    _ => {}
                }
                let value = walker.value()?;
                if name == "text" && value.kind.is_string() {
                    text = Some(value);
                }
                Ok(())
            })?;
            if let Some(text) = text {
                if !begun {
                    self.begin();
                    begun = true;
                }
                self.words(&text, walker.text());
            }
            Ok::<(), Malformed>(())
        })?;
        if image {
            self.image_last = true;
        }
        Ok(())
    }

    /// Notes the kind of a part, by its type or its media type; whether it is a picture.
    fn medium(&mut self, word: &str) -> bool {
        let is_image =
            matches!(word, "image_url" | "image" | "input_image") || word.starts_with("image/");
        self.images |= is_image;
        self.files |=
            matches!(word, "file" | "document" | "input_file") || word == "application/pdf";
        self.audio |= word == "input_audio" || word.starts_with("audio/");
        self.video |= matches!(word, "video_url" | "input_video") || word.starts_with("video/");
        is_image
    }

    /// A new turn of the user takes the place of the one before.
    fn begin(&mut self) {
        self.sample.clear();
        self.text_bytes = 0;
        self.image_last = false;
    }

    /// Takes the beginning and the end of a text into the sample.
    fn words(&mut self, value: &Value, text: &str) {
        let raw = json::inside(value.raw(text));
        self.text_bytes += raw.len() as u64;
        let room = SAMPLE_HEAD_MAX.saturating_sub(self.sample.len());
        let head = &raw[..floor(raw, room)];
        decode(head, &mut self.sample);
        self.sample.push('\n');
        let rest = raw.len() - head.len();
        if rest > 0 {
            let from = ceil(raw, raw.len() - rest.min(SAMPLE_TAIL_MAX));
            // The end of the last text is the one that counts: what was kept of another's end goes.
            self.sample
                .truncate(floor(&self.sample, SAMPLE_HEAD_MAX + 1));
            decode(&raw[from..], &mut self.sample);
            self.sample.push('\n');
        }
    }
}

/// The first words of what a program tells the model to be (system, developer, instructions), at most [`SYSTEM_MAX`] bytes of
/// them; empty: it tells nothing.
pub(super) fn system_words(body: &str) -> String {
    let mut words = String::new();
    let _ = each_member(&mut Walker::new(body), |walker, name| match name {
        "system" | "instructions" | "systemInstruction" | "system_instruction" => {
            told(walker, 0, &mut words)
        }
        "messages" | "input" | "contents" if words.is_empty() => each_element(walker, |walker| {
            let mut is_system = false;
            let mut said: Option<Walker<'_>> = None;
            each_member(walker, |walker, name| match name {
                "role" => {
                    let role = string(walker)?;
                    is_system = matches!(role.as_deref(), Some("system" | "developer"));
                    Ok::<(), Malformed>(())
                }
                "content" => {
                    walker.peek();
                    said = Some(walker.clone());
                    walker.value().map(|_| ())
                }
                _ => walker.value().map(|_| ()),
            })?;
            match said {
                Some(mut said) if is_system && words.is_empty() => told(&mut said, 0, &mut words),
                _ => Ok(()),
            }
        }),
        _ => walker.value().map(|_| ()),
    });
    words.truncate(floor(&words, SYSTEM_MAX));
    words
}

/// What is told as a text, or in the parts of one.
fn told(walker: &mut Walker<'_>, depth: usize, words: &mut String) -> Result<(), Malformed> {
    match walker.peek() {
        Some(Kind::Array) if depth < 3 => {
            each_element(walker, |walker| told(walker, depth + 1, words))
        }
        Some(Kind::Object) if depth < 3 => each_member(walker, |walker, name| match name {
            "text" | "parts" => told(walker, depth + 1, words),
            _ => walker.value().map(|_| ()),
        }),
        _ => {
            let value = walker.value()?;
            if value.kind.is_string() && words.len() < SYSTEM_MAX {
                let raw = json::inside(value.raw(walker.text()));
                decode(&raw[..floor(raw, SYSTEM_MAX)], words);
                words.push('\n');
            }
            Ok(())
        }
    }
}

/// The largest boundary of a character that is not above `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The smallest boundary of a character that is not below `at`.
fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Appends what a string of JSON says. It may be cut anywhere: an escape that is not whole gives a space.
fn decode(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = &rest.as_bytes()[at + 1..];
        let (letter, len) = match escape.first() {
            Some(b'u') => {
                let digits = rest.get(at + 2..at + 6).unwrap_or_default();
                let letter = u32::from_str_radix(digits, 16)
                    .ok()
                    .and_then(char::from_u32);
                (letter.unwrap_or(' '), if digits.is_empty() { 1 } else { 5 })
            }
            Some(b'n' | b'r') => ('\n', 1),
            Some(b't') => (' ', 1),
            Some(byte @ (b'"' | b'\\' | b'/')) => (char::from(*byte), 1),
            Some(b'b' | b'f') => (' ', 1),
            _ => (' ', 0),
        };
        out.push(letter);
        rest = rest.get(at + 1 + len..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_cut_ones_survived() {
        let decoded = |raw: &str| {
            let mut out = String::new();
            decode(raw, &mut out);
            out
        };
        assert_eq!(decoded(r"a\nb\u0041\u043f\\\/"), "a\nbAп\\/");
        assert_eq!(decoded(r"x\u00"), "x u00".replace("u00", "00"));
        assert_eq!(decoded("x\\"), "x ");
    }

    #[test]
    fn the_sample_has_the_beginning_and_the_end_and_is_bounded() {
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"START {} END"}}]}}"#,
            "é".repeat(100_000)
        );
        let seen = Seen::of(&body);
        assert!(seen.sample().starts_with("START "));
        assert!(seen.sample().ends_with(" END\n"));
        assert!(seen.sample().len() <= SAMPLE_HEAD_MAX + SAMPLE_TAIL_MAX + 8);
        assert_eq!(seen.text_bytes, 200_000 + 10);
    }

    #[test]
    fn many_parts_stay_within_the_bound() {
        let part = format!(r#"{{"type":"text","text":"{}"}}"#, "w ".repeat(2000));
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":[{}]}}]}}"#,
            vec![part; 50].join(",")
        );
        assert!(Seen::of(&body).sample().len() <= SAMPLE_HEAD_MAX + SAMPLE_TAIL_MAX + 8);
    }

    #[test]
    fn media_and_forms_are_seen_in_every_api() {
        let seen = Seen::of(
            r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"x"}},{"fileData":{"mimeType":"video/mp4"}}]}],"generationConfig":{"responseSchema":{}}}"#,
        );
        assert!(seen.images && seen.image_last && seen.video && seen.schema);
        let seen = Seen::of(
            r#"{"input":[{"role":"user","content":[{"type":"input_file"},{"type":"input_audio"}]}],"text":{"format":{"type":"json_schema","schema":{}}}}"#,
        );
        assert!(seen.files && seen.audio && seen.schema && !seen.images);
        let seen = Seen::of(
            r#"{"messages":[{"role":"user","content":[{"type":"image"}]},{"role":"assistant","content":"a","model":"x/y"},{"role":"user","content":"b"}],"response_format":{"type":"json_object"}}"#,
        );
        assert!(seen.images && !seen.image_last && seen.json && !seen.schema);
        assert_eq!(seen.author.as_deref(), Some("x/y"));
    }

    #[test]
    fn scripts_are_told() {
        let script = |text: &str| Seen::of(&serde_json::json!({"input": text}).to_string()).script;
        assert_eq!(script("Hello"), Script::Latin);
        assert_eq!(script("Привет"), Script::Cyrillic);
        assert_eq!(script("今天天气"), Script::Han);
        assert_eq!(script("今日は天気がいい"), Script::Kana);
        assert_eq!(script("안녕하세요"), Script::Hangul);
        assert_eq!(script("123"), Script::None);
        // As many libraries send it.
        assert_eq!(
            Seen::of("{\"input\":\"\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442\"}").script,
            Script::Cyrillic
        );
    }

    #[test]
    fn the_first_words_of_the_program_are_found_in_every_api() {
        let of = |body: &str| system_words(body).trim_end().to_owned();
        for body in [
            r#"{"messages":[{"role":"system","content":"Be a judge."},{"role":"user","content":"x"}]}"#,
            r#"{"messages":[{"content":[{"type":"text","text":"Be a judge."}],"role":"developer"}]}"#,
            r#"{"messages":[{"role":"user","content":"x"}],"system":[{"type":"text","text":"Be a judge."}]}"#,
            r#"{"instructions":"Be a judge.","input":"x"}"#,
            r#"{"contents":[],"systemInstruction":{"parts":[{"text":"Be a judge."}]}}"#,
        ] {
            assert_eq!(of(body), "Be a judge.", "{body}");
        }
        assert_eq!(of(r#"{"messages":[{"role":"user","content":"x"}]}"#), "");
        let long = format!(r#"{{"system":"{}"}}"#, "é".repeat(10_000));
        assert!((SYSTEM_MAX - 2..=SYSTEM_MAX).contains(&system_words(&long).len()));
        for odd in [
            "[]",
            "1",
            r#"{"system":5,"messages":[1,{"role":"system","content":{"text":{"text":[[[["x"]]]]}}}]}"#,
        ] {
            assert_eq!(of(odd), "");
        }
    }

    #[test]
    fn what_tools_gave_back_is_not_what_the_user_said() {
        let seen = Seen::of(
            r#"{"messages":[{"role":"user","content":"Find it"},{"role":"user","content":[{"type":"tool_result","content":"zzz"}]}]}"#,
        );
        assert_eq!(seen.sample(), "Find it\n");
    }
}
