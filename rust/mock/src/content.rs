//! What an answer says before it has a shape: text, thoughts, tool calls, and how many tokens each counts for.
//!
//! Every dialect says the same content in its own words, so a test that sends one script to two dialects may compare
//! what comes out.

use std::fmt::Write as _;

use serde_json::Value;

use crate::script::{Chars, DIM_MAX, Script};

/// Tokens of a fixed text when the script names no number.
const TOKENS_DEFAULT: usize = 32;
/// Prompt tokens when nothing was counted.
const PROMPT_TOKENS_DEFAULT: u64 = 10;
/// What one tool call counts for. It has no words to count; the number is as good as any other and not zero.
const CALL_TOKENS: u64 = 5;
/// What a tool is called with when the script says nothing else.
const ARGUMENTS_DEFAULT: &str = r#"{"city":"Paris"}"#;
/// Into how many pieces a stream cuts the arguments of a call.
const ARGUMENT_PIECES: usize = 4;
/// Length of an embedding when the script names none.
const DIM_DEFAULT: usize = 8;
/// What proves a thought to the provider that thought it; opaque to everybody else, so any base64 text will do.
pub(crate) const SIGNATURE: &str = "bW9jayBzaWduYXR1cmUgb2YgYSB0aG91Z2h0";

/// What an answer holds.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// Reasoning before the answer, cut where a stream cuts it.
    pub(crate) thoughts: Vec<String>,
    /// The text, cut where a stream cuts it.
    pub(crate) tokens: Vec<String>,
    /// Calls of tools behind the text.
    pub(crate) calls: Vec<Call>,
    /// Words of the prompt if they were counted.
    pub(crate) prompt_tokens: Option<u64>,
}

/// One call of a tool.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// JSON text, or what a model wrote instead.
    pub(crate) arguments: String,
}

/// Tokens by kind. Vendors disagree on what contains what, so each dialect adds these up in its own way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Counts {
    /// The whole prompt, with what was read from a cache and written to one.
    pub(crate) prompt: u64,
    /// How much of the prompt came from a cache.
    pub(crate) cached: u64,
    /// How much of the prompt was written to a cache.
    pub(crate) written: u64,
    /// Text, calls and visible thoughts together.
    pub(crate) output: u64,
    /// Thoughts, seen or not.
    pub(crate) reasoning: u64,
}

impl Content {
    /// The fixed text that a script describes.
    pub(crate) fn fixed(script: &Script) -> Content {
        let words: &[&str] = match &script.chars {
            Chars::Ascii => &[
                "the ", "points ", "are ", "set ", "and ", "the ", "line ", "is ", "clear, ",
            ],
            Chars::Unicode => &["Züge ", "поезд ", "列車 ", "🚂🚃 ", "जंक्शन "],
            Chars::Escaped => &["\"a\"\n", "\tb\\c ", "/é\u{8}\u{c}\r ", "🚂\u{1}\u{2028} "],
            Chars::Literal(text) => &[text.as_str()],
        };
        let count = script.tokens.unwrap_or(TOKENS_DEFAULT);
        let token = |index: usize| {
            let word = words[index % words.len()];
            script.size.map_or_else(
                || word.to_owned(),
                |size| filled(&words[index % words.len()..], words, size),
            )
        };
        Content {
            tokens: (0..count).map(token).collect(),
            ..Content::default()
        }
    }

    /// This text word by word, each with the white space after it.
    pub(crate) fn words(text: &str) -> Content {
        let mut tokens: Vec<String> = Vec::new();
        let mut between = true;
        for letter in text.chars() {
            let space = letter.is_whitespace();
            match tokens.last_mut() {
                // White space goes with the word before it, or with the first if there is none.
                Some(token) if space || !between => token.push(letter),
                Some(token) if token.trim().is_empty() => token.push(letter),
                _ => tokens.push(letter.to_string()),
            }
            between = space;
        }
        Content {
            tokens,
            ..Content::default()
        }
    }

    /// Calls of this tool, with the fixed text before them if the script wants one.
    pub(crate) fn calls(tool: &str, script: &Script) -> Content {
        let arguments = script.args.as_deref().unwrap_or(ARGUMENTS_DEFAULT);
        let call = || Call {
            name: tool.to_owned(),
            arguments: arguments.to_owned(),
        };
        let text = match script.talk {
            true => Content::fixed(script),
            false => Content::default(),
        };
        Content {
            calls: (0..script.calls.unwrap_or(1)).map(|_| call()).collect(),
            ..text
        }
    }

    /// The same with the thoughts that the script asks for.
    pub(crate) fn thinking(self, script: &Script) -> Content {
        const WORDS: [&str; 4] = ["so ", "the ", "switch ", "moves, "];
        let thoughts = (0..script.thinking).map(|index| WORDS[index % WORDS.len()].to_owned());
        Content {
            thoughts: thoughts.collect(),
            ..self
        }
    }

    /// The whole text.
    pub(crate) fn text(&self) -> String {
        self.tokens.concat()
    }

    /// All thoughts together.
    pub(crate) fn thought(&self) -> String {
        self.thoughts.concat()
    }

    /// How many tokens the answer counts for.
    pub(crate) fn output(&self) -> u64 {
        let pieces = self.thoughts.len() + self.tokens.len();
        pieces as u64 + CALL_TOKENS * self.calls.len() as u64
    }

    /// All counts of the answer.
    pub(crate) fn counts(&self, script: &Script) -> Counts {
        let thoughts = self.thoughts.len() as u64;
        Counts {
            prompt: script
                .prompt
                .or(self.prompt_tokens)
                .unwrap_or(PROMPT_TOKENS_DEFAULT),
            cached: script.cached,
            written: script.written,
            output: self.output(),
            reasoning: match script.reasoning {
                0 => thoughts,
                told => told,
            },
        }
    }
}

impl Call {
    /// The arguments as a stream sends them. The standard ones are cut inside a key, inside a value and between them:
    /// whoever glues them back has to do it blindly.
    pub(crate) fn pieces(&self) -> Vec<&str> {
        let mut rest = self.arguments.as_str();
        let size = rest.len().div_ceil(ARGUMENT_PIECES);
        let mut pieces = Vec::with_capacity(ARGUMENT_PIECES);
        while !rest.is_empty() {
            let cut = (size..rest.len()).find(|at| rest.is_char_boundary(*at));
            let (piece, after) = rest.split_at(cut.unwrap_or(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }

    /// The arguments as a JSON value, for dialects that do not carry them as text. Text that is no JSON becomes a
    /// string, and no text at all the empty object.
    pub(crate) fn value(&self) -> String {
        match serde_json::from_str::<Value>(&self.arguments) {
            Ok(_) => self.arguments.clone(),
            Err(_) if self.arguments.is_empty() => "{}".to_owned(),
            Err(_) => quoted(&self.arguments),
        }
    }
}

/// `stem` for the first of several, and the stem with a number for the others, so that ids differ and stay constant.
pub(crate) fn numbered(stem: &str, index: usize) -> String {
    match index {
        0 => stem.to_owned(),
        index => format!("{stem}_{}", index + 1),
    }
}

/// `size` bytes of these words; where a letter does not fit any more, `x` fills up.
fn filled(first: &[&str], then: &[&str], size: usize) -> String {
    let mut text = String::with_capacity(size);
    for letter in first
        .iter()
        .chain(then.iter().cycle())
        .flat_map(|word| word.chars())
    {
        if text.len() + letter.len_utf8() > size {
            break;
        }
        text.push(letter);
    }
    text.extend(std::iter::repeat_n('x', size - text.len()));
    text
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A JSON string of the answer's text; with `chars=escaped` every letter outside ASCII as `\u`, pairs of them above the
/// first plane.
pub(crate) fn spoken(text: &str, script: &Script) -> String {
    let plain = quoted(text);
    if script.chars != Chars::Escaped {
        return plain;
    }
    let mut out = String::with_capacity(plain.len() * 2);
    for letter in plain.chars() {
        match letter {
            // The one escape that no writer needs and every reader must know.
            '/' => out.push_str("\\/"),
            letter if letter.is_ascii() => out.push(letter),
            letter => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

/// How long an embedding is: as the script says, else as the request does.
pub(crate) fn dim(script: &Script, asked: &Value) -> usize {
    let asked = asked.as_u64().map(|asked| asked.min(DIM_MAX) as usize);
    script.dim.or(asked).unwrap_or(DIM_DEFAULT)
}

/// The embedding of a text: numbers in [-1, 1) that follow from the text alone (FNV-1a, then a linear congruential
/// sequence), so that the same text gives the same vector and other texts others.
pub(crate) fn vector(text: &str, dim: usize) -> Vec<f32> {
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // 16 bits are exact in an f32 and short in text.
        (state >> 48) as f32 / 32_768.0 - 1.0
    };
    (0..dim).map(|_| next()).collect()
}

/// Words of a text, at least one: what the mock takes for tokens.
pub(crate) fn words(text: &str) -> u64 {
    text.split_whitespace().count().max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script::parse(&[text]).unwrap()
    }

    #[test]
    fn words_keep_all_white_space() {
        assert_eq!(
            Content::words(" a  b\n\nc ").tokens,
            [" a  ", "b\n\n", "c "]
        );
        assert_eq!(Content::words("").tokens.len(), 0);
    }

    #[test]
    fn size_is_exact_in_bytes() {
        for size in [0, 1, 2, 3, 5, 1000] {
            let content = Content::fixed(&script(&format!("chars=unicode;size={size};tokens=7")));
            assert!(
                content.tokens.iter().all(|token| token.len() == size),
                "{size}"
            );
        }
    }

    #[test]
    fn arguments_are_cut_where_it_hurts_and_never_inside_a_letter() {
        let pieces = |arguments: &str| -> Vec<String> {
            let call = Call {
                name: "t".to_owned(),
                arguments: arguments.to_owned(),
            };
            call.pieces().into_iter().map(str::to_owned).collect()
        };
        assert_eq!(
            pieces(ARGUMENTS_DEFAULT),
            [r#"{"ci"#, r#"ty":"#, r#""Par"#, r#"is"}"#]
        );
        assert_eq!(pieces(""), [""; 0]);
        assert_eq!(pieces("🚂🚂").concat(), "🚂🚂");
    }

    #[test]
    fn arguments_that_are_no_json_are_still_a_value() {
        let value = |arguments: &str| {
            Call {
                name: "t".to_owned(),
                arguments: arguments.to_owned(),
            }
            .value()
        };
        assert_eq!(value(r#"{"a": 1}"#), r#"{"a": 1}"#);
        assert_eq!(value(""), "{}");
        assert_eq!(value("{a"), r#""{a""#);
    }

    #[test]
    fn counts_take_the_scripts_numbers_over_their_own() {
        let script = script("tokens=3;thinking=2;prompt=9;cached=4;written=1");
        let counts = Content::fixed(&script).thinking(&script).counts(&script);
        let expected = Counts {
            prompt: 9,
            cached: 4,
            written: 1,
            output: 5,
            reasoning: 2,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn vectors_depend_on_the_text_alone() {
        assert_eq!(vector("a", 8), vector("a", 8));
        assert_ne!(vector("a", 8), vector("b", 8));
        assert!(
            vector("a", 1000)
                .iter()
                .all(|number| (-1.0..1.0).contains(number))
        );
    }

    #[test]
    fn an_embedding_is_as_long_as_the_script_says_and_else_as_asked() {
        assert_eq!(dim(&script("dim=3"), &Value::from(5)), 3);
        assert_eq!(dim(&script(""), &Value::from(5)), 5);
        assert_eq!(dim(&script(""), &Value::Null), DIM_DEFAULT);
        assert_eq!(dim(&script(""), &Value::from(u64::MAX)), DIM_MAX as usize);
    }
}
