//! Reading usage: agrees with a full parser on whatever providers may write, and no bytes cause a panic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use turnout_wire::usage::Usage;

/// Keys that mean something, with values that may or may not fit them.
fn any_member() -> impl Strategy<Value = (String, Value)> {
    let key = prop::sample::select(vec![
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "input_tokens_details",
        "cached_tokens",
        "cache_write_tokens",
        "cache_creation",
        "cache_creation_input_tokens",
        "ephemeral_1h_input_tokens",
        "server_tool_use",
        "web_search_requests",
        "image_tokens",
        "audio_tokens",
        "reasoning_tokens",
        "search_units",
        "seconds",
        "cost",
        "x",
    ])
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    let nested = prop::collection::vec((key.clone(), leaf.clone()), 0..4)
        .prop_map(|members| Value::Object(members.into_iter().collect()));
    (key, prop_oneof![2 => leaf, 1 => nested])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_object_is_read_without_a_panic(members in prop::collection::vec(any_member(), 0..8)) {
        let object = Value::Object(members.into_iter().collect::<Map<_, _>>());
        let compact = Usage::parse(&object.to_string());
        let spaced = Usage::parse(&serde_json::to_string_pretty(&object).unwrap());
        prop_assert_eq!(compact, spaced);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,200}") {
        let _ = Usage::parse(&text);
        let _ = Usage::parse(&format!("{{\"prompt_tokens\":{text}"));
    }

    #[test]
    fn every_kind_is_read_from_where_providers_write_it(counts in prop::collection::vec(0..1_000_000_000u64, 13)) {
        let count = |at: usize| counts.get(at).copied().unwrap_or_default();
        let object = json!({
            "prompt_tokens": count(0),
            "completion_tokens": count(1),
            "total_tokens": count(2),
            "prompt_tokens_details": {
                "text_tokens": 7,
                "cached_tokens": count(3),
                "cache_write_tokens": count(4),
                "audio_tokens": count(5),
                "image_tokens": count(6),
            },
            "completion_tokens_details": {
                "image_tokens": count(7),
                "reasoning_tokens": count(8),
                "accepted_prediction_tokens": 3,
                "audio_tokens": count(9),
            },
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": count(10)},
            "server_tool_use_details": {"web_search_requests": count(11)},
            "search_units": count(12),
        });
        let expected = Usage {
            prompt: count(0),
            completion: count(1),
            total: count(2),
            cached: count(3),
            cache_write: count(4),
            prompt_audio: count(5),
            prompt_image: count(6),
            completion_image: count(7),
            reasoning: count(8),
            completion_audio: count(9),
            cache_write_1h: count(10),
            web_searches: count(11),
            search_units: count(12),
            ..Usage::default()
        };
        prop_assert_eq!(Usage::parse(&object.to_string()), Some(expected));
    }
}
