//! Forms and opaque answers, cut anywhere: a network gives bytes in pieces of its own choice, and of whatever content.
#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

use proptest::collection::vec;
use proptest::prelude::*;
use turnout_wire::answer::Serving;
use turnout_wire::api::Api;
use turnout_wire::dialect::Dialect;
use turnout_wire::multipart::{self, Field, FormReader, FormWriter};
use turnout_wire::opaque::{Counted, Watch};
use turnout_wire::request::{Request, Target};

/// Cuts bytes at these places, which may be anything.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = places
        .iter()
        .map(|place| place.index(bytes.len() + 1))
        .collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Data that is near to what ends a part.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"--".to_vec()),
        Just(b"\r\n--turnout-form-0000000000000000".to_vec()),
        Just(b"\r\n--turnout-form-000000000000000".to_vec()),
        vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn read(boundary: &str, pieces: &[&[u8]]) -> (Vec<Field>, usize, bool) {
    let mut reader = FormReader::new(boundary);
    for piece in pieces {
        reader.push(piece).unwrap();
    }
    (reader.fields().to_vec(), reader.files(), reader.is_whole())
}

proptest! {
    #[test]
    fn a_form_is_read_alike_however_it_is_cut(
        fields in vec(("[a-z\"]{1,9}", "[ -~\r\n]{0,40}"), 0..4),
        file in data(),
        places in vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let mut contents: Vec<&[u8]> = fields.iter().map(|(_, value)| value.as_bytes()).collect();
        contents.push(&file);
        let mut writer = FormWriter::new(&contents);
        for (name, value) in &fields {
            writer.field(name, value);
        }
        writer.file("file", "a.bin", "audio/wav", &file);
        let (body, content_type) = writer.finish();
        let boundary = multipart::boundary(&content_type).unwrap().unwrap();
        let whole = read(boundary, &[&body]);
        prop_assert_eq!((whole.1, whole.2), (1, true));
        let values: Vec<&[u8]> = whole.0.iter().map(|field| field.value.as_deref().unwrap()).collect();
        let expected: Vec<&[u8]> = fields.iter().map(|(_, value)| value.as_bytes()).collect();
        prop_assert_eq!(values, expected);
        for field in &whole.0 {
            prop_assert_eq!(field.value.as_deref().unwrap(), &body[field.span.start..field.span.end]);
        }
        prop_assert_eq!(read(boundary, &cut(&body, &places)), whole);
    }

    #[test]
    fn a_model_is_spliced_into_a_form_and_nothing_else_changes(file in data(), model in "[!-~]{1,60}") {
        let mut writer = FormWriter::new(&[&file, model.as_bytes()]);
        writer.file("file", "a.bin", "audio/wav", &file);
        writer.field("model", "old/name");
        writer.field("language", "en");
        let (body, content_type) = writer.finish();
        let request = Request::read_form(body.clone(), Api::Transcriptions, &content_type).unwrap().unwrap();
        prop_assert_eq!(request.model(), Some("old/name"));
        let target = Target::new(Dialect::OpenAi, &model);
        let upstream = request.upstream(&target).unwrap();
        let mut sent = Vec::new();
        upstream.write_to(&mut sent);
        prop_assert_eq!(upstream.len(), sent.len());
        prop_assert_eq!(upstream.content_type(), content_type.as_str());
        let again = Request::read_form(sent.clone(), Api::Transcriptions, &content_type).unwrap().unwrap();
        prop_assert_eq!(again.model(), Some(model.as_str()));
        let target = Target::new(Dialect::OpenAi, "old/name");
        let mut back = Vec::new();
        again.upstream(&target).unwrap().write_to(&mut back);
        prop_assert_eq!(back, body);
    }

    #[test]
    fn bytes_that_are_no_form_are_refused_and_never_a_panic(
        start in prop::sample::select(vec!["", "--b\r\n", "--b\r\nContent-Disposition: form-data; name=\"", "--b--"]),
        bytes in vec(any::<u8>(), 0..300),
        places in vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let body = [start.as_bytes(), &bytes].concat();
        let mut whole = FormReader::new("b");
        let verdict = whole.push(&body);
        let mut pieces = FormReader::new("b");
        let mut piecewise = Ok(());
        for piece in cut(&body, &places) {
            piecewise = piecewise.and(pieces.push(piece));
        }
        prop_assert_eq!(verdict, piecewise);
        prop_assert_eq!(whole.is_whole(), pieces.is_whole());
    }

    #[test]
    fn an_answer_is_watched_alike_however_it_is_cut(
        before in vec(any::<u8>(), 0..80),
        usage in r#"("usage"|"duration"|:| |\{|\}|"input_tokens"|[0-9]|,|\\|"){0,40}"#,
        places in vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let body = [&before, usage.as_bytes(), br#""usage":{"input_tokens":3,"output_tokens":4}}"#.as_slice()].concat();
        let serving = Serving {
            api: Api::Transcriptions,
            dialect: Dialect::OpenAi,
            asked: "",
            id: "",
            created: 0,
            now: || 9,
            model: "",
            provider: "",
            prices: None,
        };
        let facts = |pieces: &[&[u8]]| {
            let mut watch = Watch::new(Api::Transcriptions);
            for piece in pieces {
                watch.push(piece);
            }
            watch.facts(Counted::default(), &serving)
        };
        prop_assert_eq!(facts(&cut(&body, &places)), facts(&[&body]));
    }
}
