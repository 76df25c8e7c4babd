//! Properties of the dialects whose framing is not OpenAI's: Converse's binary event stream, Cohere's events and Ollama's lines. How a stream is
//! cut into reads does not matter, a damaged byte never goes unnoticed where there are checksums, and no bytes cause a panic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod serving;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::Dialect;
use turnout_wire::stream::{EofVerdict, StreamEditor, from_answer};

const APIS: [Api; 5] = [
    Api::Chat,
    Api::Completions,
    Api::Responses,
    Api::Messages,
    Api::Gemini,
];

/// A stream and an answer of each dialect, with blocks of every kind that it has.
const FIXTURES: [(Dialect, &str, &str); 4] = [
    (Dialect::Bedrock, "bedrock-rich.hex", "bedrock-rich.json"),
    (Dialect::Cohere, "cohere-rich.sse", "cohere-rich.json"),
    (Dialect::Cohere, "cohere-tools.sse", "cohere-tools.json"),
    (Dialect::Ollama, "ollama-rich.ndjson", "ollama-rich.json"),
];

fn fixture(folder: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/wire")
        .join(folder)
        .join(name);
    let bytes = fs::read(path).unwrap();
    match name.ends_with(".hex") {
        true => unhex(&bytes),
        false => bytes,
    }
}

fn unhex(text: &[u8]) -> Vec<u8> {
    let digits: String = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(*byte))
        .collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// All that a stream becomes when it is read in these pieces, the end included; a fault ends it. And whether it was whole.
fn streamed(pieces: &[&[u8]], serving: &Serving<'_>) -> (String, bool) {
    let mut editor = StreamEditor::new(serving, 1 << 16);
    let mut out = Vec::new();
    let mut ended = Ok(EofVerdict::Cut);
    for piece in pieces {
        ended = editor
            .push(piece, serving, &mut out)
            .map(|_| EofVerdict::Cut);
        if ended.is_err() {
            break;
        }
    }
    if ended.is_ok() {
        ended = editor.eof(serving, &mut out);
    }
    let whole = ended == Ok(EofVerdict::Complete);
    match whole {
        true => drop(editor.end(serving, 100, &mut out)),
        false => out.extend_from_slice(format!("{ended:?}").as_bytes()),
    }
    (String::from_utf8(out).unwrap(), whole)
}

fn split<'b>(body: &'b [u8], cuts: &[prop::sample::Index]) -> Vec<&'b [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for place in places {
        pieces.push(&body[start..place]);
        start = place;
    }
    pieces.push(&body[start..]);
    pieces
}

/// The bytes of a whole message of the event stream, with right checksums, around any headers and payload.
fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(headers);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

/// The headers of an event of this type.
fn event(kind: &str) -> Vec<u8> {
    let mut headers = vec![11];
    headers.extend_from_slice(b":event-type\x07");
    headers.extend_from_slice(&u16::try_from(kind.len()).unwrap().to_be_bytes());
    headers.extend_from_slice(kind.as_bytes());
    headers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_split_of_a_stream_gives_the_same(cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..12)) {
        for (dialect, stream, _) in FIXTURES {
            let body = fixture("streams_of", stream);
            for api in APIS {
                let serving = serving::example(api, dialect);
                let (expected, whole) = streamed(&[&body], &serving);
                prop_assert!(whole, "{stream}: {expected}");
                let (seen, _) = streamed(&split(&body, &cuts), &serving);
                prop_assert_eq!(expected, seen);
            }
        }
    }

    #[test]
    fn a_flipped_bit_of_a_binary_stream_never_changes_the_answer(
        place in any::<prop::sample::Index>(),
        bit in 0..8u8,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let body = fixture("streams_of", "bedrock-rich.hex");
        let serving = serving::example(Api::Chat, Dialect::Bedrock);
        let (expected, _) = streamed(&[&body], &serving);
        let mut damaged = body;
        let at = place.index(damaged.len());
        damaged[at] ^= 1 << bit;
        let (seen, whole) = streamed(&split(&damaged, &cuts), &serving);
        prop_assert!(!whole, "byte {at} was changed unseen");
        // What was written before the damage was found is the beginning of the right answer.
        let written = seen.rsplit_once("\n\n").map_or("", |(written, _)| written);
        prop_assert!(expected.starts_with(written));
    }

    #[test]
    fn a_cut_stream_is_never_whole(cut in any::<prop::sample::Index>()) {
        // Up to the last event, which says the end.
        for (dialect, stream, end) in [
            (Dialect::Bedrock, "bedrock-rich.hex", "messageStop"),
            (Dialect::Cohere, "cohere-rich.sse", "message-end"),
            (Dialect::Ollama, "ollama-rich.ndjson", "\"done\":true"),
        ] {
            let mut body = fixture("streams_of", stream);
            let last = body.windows(end.len()).rposition(|at| at == end.as_bytes()).unwrap();
            body.truncate(cut.index(last));
            let (seen, whole) = streamed(&[&body], &serving::example(Api::Messages, dialect));
            prop_assert!(!whole, "{stream} cut at {}: {seen}", body.len());
        }
    }

    #[test]
    fn a_damaged_stream_or_answer_is_never_a_panic(
        cut in any::<prop::sample::Index>(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        for (dialect, stream, whole) in FIXTURES {
            for (folder, name) in [("streams_of", stream), ("answers_of", whole)] {
                let mut body = fixture(folder, name);
                body.truncate(cut.index(body.len() + 1));
                for (place, byte) in &hits {
                    if !body.is_empty() {
                        let at = place.index(body.len());
                        body[at] = *byte;
                    }
                }
                for api in APIS {
                    let serving = serving::example(api, dialect);
                    let _ = streamed(&[&body], &serving);
                    let mut out = Vec::new();
                    if answer::edit(&body, &serving, 100, &mut out).is_ok() {
                        prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
                    }
                    let _ = from_answer(&body, &serving, 100, &mut Vec::new());
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_no_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        kind in prop::sample::select(vec!["messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata"]),
        text in "[\\[\\]{}:,\"a-d0-9]{0,40}",
    ) {
        let payload = format!("{{\"contentBlockIndex\":1,\"delta\":{{\"text\":{text}}}}}");
        let bodies = [
            bytes.clone(),
            message(&bytes, b"{}"),
            message(&event(kind), &bytes),
            message(&event(kind), payload.as_bytes()),
            format!("data: {{\"type\":\"content-delta\",\"delta\":{text}}}\n\n").into_bytes(),
            format!("{{\"message\":{text}}}\n").into_bytes(),
        ];
        for body in &bodies {
            for dialect in [Dialect::Bedrock, Dialect::Cohere, Dialect::Ollama] {
                for api in [Api::Chat, Api::Messages] {
                    let serving = serving::example(api, dialect);
                    let _ = streamed(&[body], &serving);
                    let _ = answer::edit(body, &serving, 100, &mut Vec::new());
                }
            }
        }
    }
}
