//! Golden files: bytes in, bytes out, one folder per kind of document under `tests/wire` of the repository.
//!
//! | folder | input | outputs |
//! | --- | --- | --- |
//! | `requests` | `<case>.json` | `<case>.plain.out` and `<case>.router.out`: the body for a provider, and for one that takes routing fields |
//! | `answers` | `<case>.json` | `<case>.out`: the client's answer, then a line with what is booked |
//! | `streams` | `<case>.sse` | `<case>.out`: the client's events, then a line with what is booked |
//!
//! The part of a case's name before the first `-` is the API. `TURNOUT_BLESS=1 cargo test -p turnout-wire` writes the outputs
//! anew; read the difference before committing it.

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
use turnout_wire::dialect::Dialect;
use turnout_wire::request::{Request, Target};
use turnout_wire::stream::{EofVerdict, StreamEditor};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/wire")
        .join(name)
}

/// Every input of a folder with its case's name and API, sorted. An empty folder is a mistake.
fn cases(name: &str, extension: &str) -> Vec<(String, Api, Vec<u8>)> {
    let mut cases: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|is| is == extension))
        .map(|path| {
            let case = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let api = Api::ALL
                .into_iter()
                .find(|api| case.split('-').next() == Some(api.name()))
                .unwrap_or_else(|| {
                    panic!("the name of {case} must start with an API's name and `-`")
                });
            (case, api, fs::read(path).unwrap())
        })
        .collect();
    cases.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(!cases.is_empty(), "no case in {name}");
    cases
}

/// Compares with the file, or writes it.
fn check(name: &str, file: &str, actual: &[u8], wrong: &mut Vec<String>) {
    let path = folder(name).join(file);
    if std::env::var_os("TURNOUT_BLESS").is_some() {
        fs::write(path, actual).unwrap();
    } else if fs::read(&path).unwrap_or_default() != actual {
        wrong.push(format!(
            "{name}/{file} is now:\n{}",
            String::from_utf8_lossy(actual)
        ));
    }
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

fn serving(api: Api, prices: &Prices) -> Serving<'_> {
    Serving {
        api,
        dialect: Dialect::OpenAi,
        asked: "{}",
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
fn requests() {
    let mut wrong = Vec::new();
    for (case, api, body) in cases("requests", "json") {
        for (kind, routing_fields) in [("plain", false), ("router", true)] {
            let target = Target {
                routing_fields,
                ..Target::new(Dialect::OpenAi, "upstream/model")
            };
            let mut out = Vec::new();
            match Request::read(body.clone(), api) {
                Ok(request) => request.upstream(&target).unwrap().write_to(&mut out),
                Err(refusal) => refusal.write_json(&mut out),
            }
            check("requests", &format!("{case}.{kind}.out"), &out, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn answers() {
    let prices = prices();
    let mut wrong = Vec::new();
    for (case, api, body) in cases("answers", "json") {
        let mut out = Vec::new();
        match answer::edit(&body, &serving(api, &prices), INPUT_BYTES, &mut out) {
            Ok(facts) => write_facts(&facts, &mut out),
            Err(fault) => out.extend_from_slice(format!("{fault:?}\n{fault}\n").as_bytes()),
        }
        check("answers", &format!("{case}.out"), &out, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn streams() {
    let prices = prices();
    let mut wrong = Vec::new();
    for (case, api, body) in cases("streams", "sse") {
        let serving = serving(api, &prices);
        let mut editor = StreamEditor::new(&serving, 1 << 16);
        let mut out = Vec::new();
        let ended = editor
            .push(&body, &serving, &mut out)
            .and_then(|_| editor.eof(&serving, &mut out));
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
        check("streams", &format!("{case}.out"), &out, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
