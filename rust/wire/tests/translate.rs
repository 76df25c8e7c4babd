//! Golden files of translation: every API into every dialect, and every dialect's answers into every API.
//!
//! | folder of `tests/wire` | input | outputs |
//! | --- | --- | --- |
//! | `requests_to` | `<api>-<case>.json` | `<api>-<case>.<dialect>.out` for each dialect that serves the API: the provider's body, or the refusal |
//! | `answers_of` | `<dialect>-<case>.json` | `<dialect>-<case>.<api>.out` for each API: the client's answer, then a line with what is booked |
//! | `streams_of` | `<dialect>-<case>.sse`, `.ndjson` or, for binary streams, `.hex` | the same for events |
//!
//! A case whose name begins with `embed` holds vectors, with `rerank` a ranking, and meets the APIs for those; all others meet the APIs
//! that generate. A request to an API that says `stream` in its path asks for a stream if its case ends in `stream`. Beside an answer or
//! a stream may stand `<dialect>-<case>.asked`, the request that the client is taken to have sent.
//!
//! JSON is written with a member per line, so that differences can be read; not a byte of its tokens changes.
//! `TURNOUT_BLESS=1 cargo test -p turnout-wire --test translate` writes the outputs anew; `TURNOUT_BLESS_ONLY` restricts that to files
//! whose name holds one of its words (divided by commas). Read the difference before committing it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use turnout_wire::answer::{self, Facts, Serving};
use turnout_wire::api::Api;
use turnout_wire::cost::Prices;
use turnout_wire::dialect::{Dialect, Quirks, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::{EofVerdict, StreamEditor, StreamFault};

/// What an open stream may hold beside the buffers of sockets.
const HELD_BYTES_MAX: usize = 16 * 1024;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/wire")
        .join(name)
}

/// A case: the word before the first `-` of its name, the whole name, and the input.
struct Case {
    who: String,
    name: String,
    path: PathBuf,
    body: Vec<u8>,
}

impl Case {
    /// The name without the word before the first `-`.
    fn rest(&self) -> &str {
        self.name.split_once('-').map_or("", |(_, rest)| rest)
    }

    /// The request that the client is taken to have sent.
    fn asked(&self) -> String {
        fs::read_to_string(self.path.with_extension("asked")).unwrap_or_else(|_| "{}".to_owned())
    }

    fn dialect(&self) -> Dialect {
        Dialect::of(&self.who).unwrap_or_else(|| {
            panic!(
                "the name of {} must start with a dialect's name and `-`",
                self.name
            )
        })
    }

    /// The APIs whose clients may get this answer.
    fn apis(&self) -> &'static [Api] {
        if self.rest().starts_with("embed") {
            return &[Api::Embeddings, Api::GeminiEmbed, Api::GeminiEmbedBatch];
        }
        if self.rest().starts_with("rerank") {
            return &[Api::Rerank];
        }
        if self.rest().starts_with("completions") {
            return &[Api::Completions];
        }
        match self.dialect() {
            // A provider of this dialect answers at `/completions` in that API's own words.
            Dialect::OpenAi => &[Api::Chat, Api::Responses, Api::Messages, Api::Gemini],
            _ => &[
                Api::Chat,
                Api::Completions,
                Api::Responses,
                Api::Messages,
                Api::Gemini,
            ],
        }
    }
}

fn cases(name: &str, extensions: &[&str]) -> Vec<Case> {
    let mut cases: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|is| extensions.iter().any(|extension| is == *extension))
        })
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let body = fs::read(&path).unwrap();
            Case {
                who: name.split('-').next().unwrap_or_default().to_owned(),
                body: match path.extension().is_some_and(|is| is == "hex") {
                    true => unhex(&body),
                    false => body,
                },
                path,
                name,
            }
        })
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

fn unhex(text: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| u8::try_from(char::from(*byte).to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// Writes the outputs that may be written, compares the others.
#[derive(Default)]
struct Golden {
    wrong: Vec<String>,
    compared: usize,
}

impl Golden {
    fn check(&mut self, name: &str, file: &str, actual: &[u8]) {
        let path = folder(name).join(file);
        let only = std::env::var("TURNOUT_BLESS_ONLY").unwrap_or_default();
        let blessed = only.is_empty() || only.split(',').any(|word| file.contains(word));
        if std::env::var_os("TURNOUT_BLESS").is_some() && blessed {
            fs::write(path, actual).unwrap();
            return;
        }
        match fs::read(&path) {
            Err(_) => self.wrong.push(format!("{name}/{file} is missing")),
            Ok(expected) if expected == actual => self.compared += 1,
            Ok(_) => self.wrong.push(format!(
                "{name}/{file} is now:\n{}",
                String::from_utf8_lossy(actual)
            )),
        }
    }

    fn finish(self) {
        println!("{} outputs compared", self.compared);
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

/// JSON with a member per line. What is no JSON stays as it is; the golden file then shows that.
fn lines(json: &[u8]) -> Vec<u8> {
    if serde_json::from_slice::<serde::de::IgnoredAny>(json).is_err() {
        return [b"NOT JSON: ", json].concat();
    }
    let mut out = Vec::new();
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    let indent = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.resize(out.len() + depth, b' ');
    };
    for (at, byte) in json.iter().enumerate() {
        if quoted {
            out.push(*byte);
            quoted = *byte != b'"' || escaped;
            escaped = *byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(*byte);
                depth += 1;
                if !matches!(json.get(at + 1), Some(b'}' | b']')) {
                    indent(depth, &mut out);
                }
            }
            b'}' | b']' => {
                depth -= 1;
                if !matches!(out.last(), Some(b'{' | b'[')) {
                    indent(depth, &mut out);
                }
                out.push(*byte);
            }
            b',' => {
                out.push(b',');
                indent(depth, &mut out);
            }
            b':' => out.extend_from_slice(b": "),
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                quoted = *byte == b'"';
                out.push(*byte);
            }
        }
    }
    out.push(b'\n');
    out
}

fn prices() -> Prices {
    Prices {
        version: "v1".into(),
        prompt: 2_500_000_000,
        completion: 10_000_000_000,
        cache_read: 1_250_000_000,
        cache_write: 3_125_000_000,
        ..Prices::default()
    }
}

fn serving<'a>(api: Api, dialect: Dialect, asked: &'a str, prices: &'a Prices) -> Serving<'a> {
    Serving {
        api,
        dialect,
        asked,
        id: "gen-1764031697-AbCdEfGhIjKlMnOpQrSt",
        created: 1_764_031_697,
        now: || 1_764_031_705,
        model: "author/model",
        provider: "Provider",
        prices: Some(prices),
    }
}

const INPUT_BYTES: usize = 100;

fn write_facts(facts: &Facts, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\n{facts:?}\n").as_bytes());
}

#[test]
fn requests_to() {
    let mut golden = Golden::default();
    for case in cases("requests_to", &["json"]) {
        let api = Api::ALL
            .into_iter()
            .find(|api| api.name() == case.who)
            .unwrap_or_else(|| panic!("the name of {} must start with an API's name", case.name));
        for dialect in Dialect::ALL {
            let request = match api.model_in_path() {
                true => Request::read_beside_path(
                    case.body.clone(),
                    api,
                    "author/model".to_owned(),
                    case.name.ends_with("stream"),
                ),
                false => Request::read(case.body.clone(), api),
            };
            let stream = request.as_ref().is_ok_and(Request::stream);
            if dialect.operation(api, stream).is_none() {
                continue;
            }
            let target = Target {
                quirks: &Quirks::OPENAI,
                completion_tokens_max: Some(4096),
                user: Some("hashed-user"),
                ..Target::new(dialect, "upstream/model")
            };
            let mut out = Vec::new();
            let written = request.and_then(|request| {
                let upstream = request.upstream(&target)?;
                upstream.write_to(&mut out);
                assert_eq!(out.len(), upstream.len());
                Ok(())
            });
            let mut file = Vec::new();
            if let Err(refusal) = written {
                file.extend_from_slice(b"REFUSED\n");
                out.clear();
                refusal.write_json(&mut out);
            }
            file.extend_from_slice(&lines(&out));
            golden.check(
                "requests_to",
                &format!("{}.{}.out", case.name, dialect.name()),
                &file,
            );
        }
    }
    golden.finish();
}

#[test]
fn answers_of() {
    let prices = prices();
    let mut golden = Golden::default();
    for case in cases("answers_of", &["json"]) {
        let asked = case.asked();
        for api in case.apis() {
            let serving = serving(*api, case.dialect(), &asked, &prices);
            let mut out = Vec::new();
            let made = answer::edit(&case.body, &serving, INPUT_BYTES, &mut out);
            let mut file = Vec::new();
            match made {
                Ok(facts) => {
                    file.extend_from_slice(&lines(&out));
                    write_facts(&facts, &mut file);
                }
                Err(fault) => file.extend_from_slice(format!("{fault:?}\n{fault}\n").as_bytes()),
            }
            golden.check(
                "answers_of",
                &format!("{}.{}.out", case.name, api.name()),
                &file,
            );
        }
    }
    golden.finish();
}

/// Reads a stream in pieces of a size; how reading ended, and whether the stream was whole.
fn read_in_pieces(
    body: &[u8],
    size: usize,
    serving: &Serving<'_>,
    out: &mut Vec<u8>,
) -> (StreamEditor, Result<EofVerdict, StreamFault>) {
    let mut editor = StreamEditor::new(serving, 1 << 20);
    for piece in body.chunks(size) {
        if let Err(fault) = editor.push(piece, serving, out) {
            return (editor, Err(fault));
        }
    }
    let verdict = editor.eof(serving, out);
    (editor, verdict)
}

#[test]
fn streams_of() {
    let prices = prices();
    let mut golden = Golden::default();
    for case in cases("streams_of", &["sse", "ndjson", "hex"]) {
        let asked = case.asked();
        for api in case.apis() {
            let serving = serving(*api, case.dialect(), &asked, &prices);
            let mut out = Vec::new();
            let (mut editor, ended) = read_in_pieces(&case.body, usize::MAX, &serving, &mut out);
            let mut pieces = Vec::new();
            let (_, again) = read_in_pieces(&case.body, 1, &serving, &mut pieces);
            assert_eq!(
                (String::from_utf8_lossy(&out), &ended),
                (String::from_utf8_lossy(&pieces), &again),
                "{} read byte by byte, for {}",
                case.name,
                api.name()
            );
            assert!(
                editor.held_bytes() <= HELD_BYTES_MAX,
                "{} holds {} bytes for {}",
                case.name,
                editor.held_bytes(),
                api.name()
            );
            match ended {
                Ok(EofVerdict::Complete) => {
                    let facts = editor.end(&serving, INPUT_BYTES, &mut out);
                    write_facts(&facts, &mut out);
                }
                fault => {
                    out.extend_from_slice(format!("{fault:?}\n").as_bytes());
                    write_facts(&editor.facts(&serving, INPUT_BYTES), &mut out);
                }
            }
            golden.check(
                "streams_of",
                &format!("{}.{}.out", case.name, api.name()),
                &out,
            );
        }
    }
    golden.finish();
}
