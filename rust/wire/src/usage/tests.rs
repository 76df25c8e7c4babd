//! Usage read, and written for clients.

use super::*;
use crate::api::Api;
use crate::cost::Cost;

#[test]
fn reads_the_common_shape() {
    let raw = r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,
        "prompt_tokens_details":{"cached_tokens":64,"audio_tokens":3,"cache_write_tokens":2},
        "completion_tokens_details":{"reasoning_tokens":9,"audio_tokens":1,"accepted_prediction_tokens":0}}"#;
    let expected = Usage {
        prompt: 100,
        completion: 20,
        total: 120,
        reasoning: 9,
        cached: 64,
        cache_write: 2,
        prompt_audio: 3,
        completion_audio: 1,
        ..Usage::default()
    };
    assert_eq!(Usage::parse(raw), Some(expected));
}

#[test]
fn reads_the_other_shapes() {
    let cases = [
        (
            r#"{"prompt_tokens":10.0,"completion_tokens":2.0}"#,
            (10, 2, 12, 0),
        ),
        (r#"{"prompt_tokens":10,"total_tokens":12}"#, (10, 2, 12, 0)),
        (
            r#"{"completion_tokens":2,"total_tokens":12}"#,
            (10, 2, 12, 0),
        ),
        (r#"{"input_tokens":10,"output_tokens":2}"#, (10, 2, 12, 0)),
        (
            r#"{"prompt_tokens":10,"completion_tokens":2,"total_tokens":null,"prompt_tokens_details":null}"#,
            (10, 2, 12, 0),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_cache_hit_tokens":7,"prompt_cache_miss_tokens":3}"#,
            (10, 2, 12, 7),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":2,"cached_tokens":7}"#,
            (10, 2, 12, 7),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":2,"cached_tokens":7,"prompt_tokens_details":{"cached_tokens":7}}"#,
            (10, 2, 12, 7),
        ),
        (
            r#"{"prompt_tokens":1,"prompt\u005ftokens":10,"completion_tokens":2}"#,
            (10, 2, 12, 0),
        ),
    ];
    for (raw, expected) in cases {
        let usage = Usage::parse(raw).unwrap();
        assert_eq!(
            (usage.prompt, usage.completion, usage.total, usage.cached),
            expected,
            "{raw}"
        );
    }
}

#[test]
fn says_nothing_when_nothing_is_said() {
    for raw in [
        "null",
        "{}",
        "[]",
        "{\"prompt_tokens\":null}",
        "{\"prompt_tokens\":-1}",
        "{",
        "7",
    ] {
        assert_eq!(Usage::parse(raw), None, "{raw}");
    }
}

#[test]
fn thought_beside_the_completion_is_billed_with_it() {
    let beside = Usage::parse(
        r#"{"prompt_tokens":10,"completion_tokens":2,"total_tokens":112,"completion_tokens_details":{"reasoning_tokens":100}}"#,
    )
    .unwrap();
    assert_eq!(beside.billed_completion(), 102);
    let inside = Usage {
        completion: 102,
        ..beside
    };
    assert_eq!(inside.billed_completion(), 102);
}

fn written(raw: &str, api: Api) -> String {
    let read = read(&mut Walker::new(raw), false).ok().flatten().unwrap();
    let cost = Cost {
        total_nano: 140_000,
        prompt_nano: 100_000,
        completion_nano: 40_000,
        upstream_nano: None,
    };
    let mut out = Vec::new();
    write(raw, &read, api, &cost, &mut out);
    String::from_utf8(out).unwrap()
}

const COST: &str = r#""cost":0.00014,"is_byok":false,"cost_details":{"upstream_inference_cost":null,"upstream_inference_prompt_cost":0.0001,"upstream_inference_completions_cost":0.00004}}"#;

#[test]
fn keeps_the_object_and_adds_the_cost() {
    let raw = r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"queue_time":0.10}"#;
    assert_eq!(
        written(raw, Api::Chat),
        format!("{},{COST}", &raw[..raw.len() - 1])
    );
}

#[test]
fn replaces_what_the_provider_says_about_cost() {
    let raw = r#"{"cost":9, "prompt_tokens":1,"is_byok":true,"completion_tokens":2,"total_tokens":null,"x":[1],"cost_details":{"a":1}}"#;
    assert_eq!(
        written(raw, Api::Chat),
        format!(r#"{{"prompt_tokens":1,"completion_tokens":2,"x":[1],"total_tokens":3,{COST}"#)
    );
}

#[test]
fn embeddings_have_no_completion_tokens() {
    assert_eq!(
        written(r#"{"prompt_tokens":1}"#, Api::Embeddings),
        format!(r#"{{"prompt_tokens":1,"total_tokens":1,{COST}"#)
    );
}

#[test]
fn reads_what_is_priced_besides_text() {
    let raw = r#"{"prompt_tokens":100,"completion_tokens":20,
        "prompt_tokens_details":{"image_tokens":30,"cache_creation_tokens":9},
        "completion_tokens_details":{"image_tokens":12},
        "cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},
        "server_tool_use":{"web_search_requests":3,"tool_calls_requested":5}}"#;
    let expected = Usage {
        prompt: 100,
        completion: 20,
        total: 120,
        prompt_image: 30,
        completion_image: 12,
        cache_write: 9,
        cache_write_1h: 7,
        web_searches: 3,
        ..Usage::default()
    };
    assert_eq!(Usage::parse(raw), Some(expected));
    let searched = r#"{"prompt_tokens":1,"completion_tokens":2,"num_search_queries":4}"#;
    assert_eq!(Usage::parse(searched).unwrap().web_searches, 4);
}

#[test]
fn seconds_and_search_units_count_without_tokens() {
    for (seconds, milli) in [
        ("12", 12_000),
        ("1.5", 1_500),
        ("0.0001", 1),
        ("2.3450", 2_345),
        ("-1", 0),
        ("1e3", 0),
        ("null", 0),
        ("99999999999999999999", 0),
    ] {
        let raw = format!(r#"{{"type":"duration","seconds":{seconds}}}"#);
        assert_eq!(Usage::parse(&raw).unwrap().seconds_milli, milli, "{raw}");
    }
    let usage = Usage::parse(r#"{"search_units":2}"#).unwrap();
    assert_eq!((usage.search_units, usage.total), (2, 0));
}

#[test]
fn what_is_written_for_a_translated_answer_is_read_back_as_it_was() {
    let usage = Usage {
        prompt: 100,
        completion: 20,
        total: 120,
        reasoning: 5,
        cached: 40,
        cache_write: 30,
        cache_write_1h: 10,
        prompt_audio: 3,
        completion_audio: 4,
        prompt_image: 6,
        completion_image: 7,
        web_searches: 2,
        search_units: 1,
        seconds_milli: 1_050,
        ..Usage::default()
    };
    for usage in [usage, Usage::default()] {
        let mut out = Vec::new();
        write_own(&usage, &Cost::default(), Api::Chat, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(Usage::parse(&text), Some(usage), "{text}");
    }
}

#[test]
fn a_translated_answer_has_the_shape_that_clients_know() {
    let usage = Usage {
        prompt: 1,
        completion: 2,
        total: 3,
        ..Usage::default()
    };
    let cost = Cost {
        total_nano: 140_000,
        prompt_nano: 100_000,
        completion_nano: 40_000,
        upstream_nano: None,
    };
    let mut out = Vec::new();
    write_own(&usage, &cost, Api::Chat, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(
            "{}{COST}",
            r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"audio_tokens":0,"video_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"image_tokens":0,"audio_tokens":0},"#
        )
    );
}

#[test]
fn a_rerank_is_counted_in_search_units() {
    let usage = Usage {
        prompt: 9,
        total: 9,
        search_units: 1,
        ..Usage::default()
    };
    let mut out = Vec::new();
    write_own(&usage, &Cost::default(), Api::Rerank, &mut out);
    let text = String::from_utf8(out).unwrap();
    let expected = r#"{"prompt_tokens":9,"total_tokens":9,"search_units":1,"cost":0,"#;
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn an_estimate_rounds_up() {
    assert_eq!(Usage::estimated(5, 0).prompt, 2);
    assert_eq!(Usage::estimated(0, 9).completion, 3);
}
