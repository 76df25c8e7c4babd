//! Requests as this protocol's providers see them.

use serde_json::{Value, json};

use super::source::decode;
use super::*;
use crate::api::{self, Api};
use crate::parameter::Parameters;

fn target() -> Target<'static> {
    Target::new(Dialect::Anthropic, "m")
}

fn try_written(api: Api, body: &Value, target: &Target<'_>) -> Result<Value, Refusal> {
    let text = body.to_string();
    let ask = api::read(api, &text, false)?;
    let mut out = Vec::new();
    write(&ask, target, &mut out)?;
    Ok(serde_json::from_slice(&out).unwrap())
}

/// A chat request with a user's word and these members.
fn chat(members: Value) -> Value {
    let mut body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn written(members: Value) -> Value {
    try_written(Api::Chat, &chat(members), &target()).unwrap()
}

fn messages(turns: Value) -> Value {
    written(json!({"messages": turns}))["messages"].clone()
}

#[test]
fn q01_nothing_is_added_to_a_bare_request() {
    assert_eq!(
        written(json!({})),
        json!({"model": "m", "max_tokens": 4096, "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]}
        ]})
    );
}

#[test]
fn q05_the_limit_is_the_clients_or_the_endpoints() {
    assert_eq!(
        written(json!({"max_completion_tokens": 9}))["max_tokens"],
        9
    );
    let target = Target {
        completion_tokens_max: Some(64_000),
        ..target()
    };
    let body = try_written(Api::Chat, &chat(json!({})), &target).unwrap();
    assert_eq!(body["max_tokens"], 64_000);
}

#[test]
fn q06_effort_becomes_a_budget_by_the_published_ratios() {
    for (effort, budget) in [
        ("minimal", 1_024),
        ("low", 2_000),
        ("medium", 5_000),
        ("high", 8_000),
        ("xhigh", 9_500),
        ("max", 9_500),
    ] {
        let body = written(json!({"max_tokens": 10_000, "reasoning": {"effort": effort}}));
        assert_eq!(
            body["thinking"],
            json!({"type": "enabled", "budget_tokens": budget}),
            "{effort}"
        );
        assert_eq!(body["max_tokens"], 10_000);
    }
    let body = written(json!({"max_tokens": 1_000_000, "reasoning": {"effort": "high"}}));
    assert_eq!(body["thinking"]["budget_tokens"], 128_000);
    let body = written(json!({"max_tokens": 10_000, "reasoning": {"max_tokens": 10}}));
    assert_eq!(body["thinking"]["budget_tokens"], 1_024);
    let body = written(json!({"reasoning": {"effort": "none"}}));
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
}

#[test]
fn a_budget_and_its_limit_are_made_to_fit_or_refused() {
    // Nothing but the budget was said: the limit leaves room for the answer.
    let body = written(json!({"reasoning": {"max_tokens": 20_000}}));
    assert_eq!(body["max_tokens"], 24_096);
    let small = Target {
        completion_tokens_max: Some(8_192),
        ..target()
    };
    let asked = chat(json!({"reasoning": {"max_tokens": 20_000}}));
    let body = try_written(Api::Chat, &asked, &small).unwrap();
    assert_eq!(body["max_tokens"], 8_192);
    assert_eq!(body["thinking"]["budget_tokens"], 8_191);
    // Both were said, and do not fit.
    let asked = chat(json!({"max_tokens": 2_000, "reasoning": {"max_tokens": 2_000}}));
    let refusal = try_written(Api::Chat, &asked, &target()).unwrap_err();
    assert!(
        refusal.message.contains("2000 of 2000"),
        "{}",
        refusal.message
    );
    // An effort's share of a few tokens is no thought.
    let body = written(json!({"max_tokens": 100, "reasoning": {"effort": "low"}}));
    assert_eq!(body.get("thinking"), None);
    assert_eq!(body["max_tokens"], 100);
}

#[test]
fn newer_models_think_as_they_like_and_take_effort() {
    let newer = Target {
        parameters: Some(
            ["reasoning", "verbosity", "max_tokens", "tools"]
                .into_iter()
                .collect::<Parameters>(),
        ),
        ..target()
    };
    let asked = chat(json!({"reasoning": {"effort": "minimal"}, "temperature": 0.5}));
    let body = try_written(Api::Chat, &asked, &newer).unwrap();
    assert_eq!(
        body["thinking"],
        json!({"type": "adaptive", "display": "summarized"})
    );
    assert_eq!(body["output_config"], json!({"effort": "low"}));
    assert_eq!(body.get("temperature"), None);
    let asked = chat(json!({"reasoning": {"enabled": true, "exclude": true}}));
    let body = try_written(Api::Chat, &asked, &newer).unwrap();
    assert_eq!(body["thinking"]["display"], "omitted");
    assert_eq!(body.get("output_config"), None);
}

#[test]
fn q11_verbosity_is_effort() {
    let body = written(json!({"verbosity": "xhigh"}));
    assert_eq!(body["output_config"], json!({"effort": "xhigh"}));
}

#[test]
fn sampling_is_fitted_to_the_protocol() {
    let body = written(json!({"temperature": 1.7, "top_p": 1, "top_k": 0}));
    assert_eq!(body["temperature"], 1);
    assert_eq!(body.get("top_p"), None);
    assert_eq!(body.get("top_k"), None);
    let body = written(json!({"temperature": 0.25, "top_p": 0.9, "top_k": 5}));
    assert_eq!(body["temperature"], 0.25);
    assert_eq!(body.get("top_p"), None);
    assert_eq!(body["top_k"], 5);
    assert_eq!(written(json!({"top_p": 0.9}))["top_p"], 0.9);
    let body = written(json!({
        "max_tokens": 9_000, "temperature": 0, "top_p": 0.9, "top_k": 5,
        "reasoning": {"effort": "low"}
    }));
    for name in ["temperature", "top_p", "top_k"] {
        assert_eq!(body.get(name), None, "{name}");
    }
}

#[test]
fn q02_q03_what_has_no_word_is_dropped_unless_all_is_required() {
    let strict = Target {
        require_parameters: true,
        ..target()
    };
    for (name, value) in [
        ("seed", json!(1)),
        ("min_p", json!(0.1)),
        ("frequency_penalty", json!(0.1)),
        ("presence_penalty", json!(0.1)),
        ("repetition_penalty", json!(1.1)),
        ("logit_bias", json!({"1": 2})),
        ("top_a", json!(0.1)),
    ] {
        let asked = chat(json!({name: value}));
        let body = try_written(Api::Chat, &asked, &target()).unwrap();
        assert_eq!(body.get(name), None, "{name}");
        let refusal = try_written(Api::Chat, &asked, &strict).unwrap_err();
        assert!(refusal.message.contains(name), "{}", refusal.message);
    }
}

#[test]
fn q21_q22_choices_of_tools_have_their_words() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (choice, expected) in [
        (json!("auto"), json!({"type": "auto"})),
        (json!("none"), json!({"type": "none"})),
        (json!("required"), json!({"type": "any"})),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"type": "tool", "name": "f"}),
        ),
    ] {
        let body = written(json!({"tools": tools, "tool_choice": choice}));
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(
            body["tools"][0]["input_schema"],
            json!({"type": "object", "properties": {}})
        );
    }
    let body = written(json!({"tools": tools, "parallel_tool_calls": false}));
    assert_eq!(
        body["tool_choice"],
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    // A forced choice and thought exclude each other here.
    let body = written(json!({
        "tools": tools, "tool_choice": "required", "max_tokens": 9_000,
        "reasoning": {"effort": "high"}
    }));
    assert_eq!(body.get("thinking"), None);
}

#[test]
fn q18_a_schema_is_said_natively_or_in_the_instructions() {
    let format = json!({"type": "json_schema", "json_schema": {
        "name": "n", "schema": {"type": "object", "additionalProperties": false}
    }});
    let body = written(json!({"response_format": format}));
    assert_eq!(
        body["output_config"]["format"],
        json!({"type": "json_schema", "schema": {"type": "object", "additionalProperties": false}})
    );
    assert_eq!(body.get("system"), None);
    let without = Target {
        parameters: Some(["max_tokens"].into_iter().collect()),
        ..target()
    };
    let asked = chat(json!({"response_format": format}));
    let body = try_written(Api::Chat, &asked, &without).unwrap();
    assert_eq!(body.get("output_config"), None);
    let hint = body["system"][0]["text"].as_str().unwrap();
    assert!(
        hint.contains(r#"{"additionalProperties":false"#) || hint.contains(r#""type":"object""#)
    );
    let body = written(json!({"response_format": {"type": "json_object"}}));
    assert!(
        body["system"][0]["text"]
            .as_str()
            .unwrap()
            .contains("JSON object")
    );
}

#[test]
fn messages_alternate_and_begin_with_the_user() {
    assert_eq!(
        messages(json!([
            {"role": "assistant", "content": "Welcome."},
            {"role": "user", "content": "a"},
            {"role": "user", "content": " "},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "c"}
        ])),
        json!([
            {"role": "user", "content": [{"type": "text", "text": "."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Welcome."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "a"},
                {"type": "text", "text": "b"},
                {"type": "text", "text": "c"}
            ]}
        ])
    );
    // Instructions alone are a message.
    let body = written(json!({"messages": [{"role": "system", "content": "Sing."}]}));
    assert_eq!(body["messages"][0]["content"][0]["text"], "Sing.");
    assert_eq!(body.get("system"), None);
}

#[test]
fn c20_a_prefill_does_not_end_in_a_blank() {
    let turns = messages(json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "The answer is \n"}
    ]));
    assert_eq!(turns[1]["content"][0]["text"], "The answer is");
}

#[test]
fn c22_instructions_in_the_conversation_keep_their_place() {
    let turns = messages(json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": "c"}
    ]));
    assert_eq!(
        turns[2]["content"],
        json!([
            {"type": "text", "text": "<system>Be short.</system>"},
            {"type": "text", "text": "c"}
        ])
    );
}

#[test]
fn results_come_first_and_ids_fit_the_protocol() {
    let turns = messages(json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call|1:x", "type": "function", "function": {"name": "f", "arguments": ""}},
            {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{\"a\": 1.50"}}
        ]},
        {"role": "user", "content": "wait"},
        {"role": "tool", "tool_call_id": "call|1:x", "content": "1"},
        {"role": "tool", "tool_call_id": "call_2", "content": ""}
    ]));
    assert_eq!(
        turns[1]["content"],
        json!([
            {"type": "tool_use", "id": "call_1_x", "name": "f", "input": {}},
            {"type": "tool_use", "id": "call_2", "name": "g", "input": {"arguments": "{\"a\": 1.50"}}
        ])
    );
    assert_eq!(
        turns[2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "call_1_x", "content": [{"type": "text", "text": "1"}]},
            {"type": "tool_result", "tool_use_id": "call_2"},
            {"type": "text", "text": "wait"}
        ])
    );
}

#[test]
fn c16_only_the_providers_own_thoughts_are_replayed() {
    let turns = messages(json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_details": [
            {"type": "reasoning.text", "text": "own", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "cmVk", "format": "anthropic-claude-v1", "index": 1},
            {"type": "reasoning.text", "text": "unsigned", "format": "anthropic-claude-v1", "index": 2},
            {"type": "reasoning.text", "text": "other", "signature": "x", "format": "google-gemini-v1", "index": 3}
        ]},
        {"role": "user", "content": "c"}
    ]));
    assert_eq!(
        turns[1]["content"],
        json!([
            {"type": "thinking", "thinking": "own", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "cmVk"},
            {"type": "text", "text": "b"}
        ])
    );
}

#[test]
fn tool_calls_without_their_thought_switch_thinking_off() {
    let asked = |details: Value| {
        json!({"max_tokens": 9_000, "reasoning": {"effort": "low"}, "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": null, "reasoning_details": details, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ]},
            {"role": "tool", "tool_call_id": "c", "content": "1"}
        ]})
    };
    assert_eq!(written(asked(json!([]))).get("thinking"), None);
    let kept = json!([{"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1"}]);
    assert_eq!(written(asked(kept))["thinking"]["budget_tokens"], 1_800);
}

#[test]
fn four_cache_marks_are_kept_from_the_back() {
    let part =
        |text: &str| json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}});
    let parts: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(part).into();
    let body = written(json!({"messages": [{"role": "user", "content": parts}]}));
    let marked = |body: &Value| -> Vec<bool> {
        body["messages"][0]["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block.get("cache_control").is_some())
            .collect()
    };
    assert_eq!(marked(&body), [false, false, true, true, true, true]);
    let body = written(json!({
        "messages": [{"role": "user", "content": parts}],
        "cache_control": {"type": "ephemeral", "ttl": "1h"}
    }));
    assert_eq!(marked(&body), [false, false, false, true, true, true]);
    assert_eq!(
        body["cache_control"],
        json!({"type": "ephemeral", "ttl": "1h"})
    );
}

#[test]
fn files_go_as_what_they_are() {
    let file = |data: &str, name: &str| {
        messages(json!([{"role": "user", "content": [
            {"type": "file", "file": {"filename": name, "file_data": data}}
        ]}]))[0]["content"][0]
            .clone()
    };
    assert_eq!(
        file("data:text/csv;base64,YSxiCsOpLDI=", "t.csv"),
        json!({"type": "document", "title": "t.csv", "source": {
            "type": "text", "media_type": "text/plain", "data": "a,b\né,2"
        }})
    );
    assert_eq!(
        file("https://example.com/a.pdf", "a.pdf")["source"],
        json!({"type": "url", "url": "https://example.com/a.pdf"})
    );
    assert_eq!(
        file("data:image/jpg;base64,/9j/4AAQ", "a.jpg")["source"],
        json!({"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"})
    );
    let asked = chat(json!({"messages": [{"role": "user", "content": [
        {"type": "file", "file": {"filename": "a.zip", "file_data": "data:application/zip;base64,AAAA"}}
    ]}]}));
    let refusal = try_written(Api::Chat, &asked, &target()).unwrap_err();
    assert!(
        refusal.message.contains("application/zip"),
        "{}",
        refusal.message
    );
}

#[test]
fn media_without_words_are_refused_and_not_dropped() {
    for part in [
        json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
        json!({"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}),
    ] {
        let asked = chat(json!({"messages": [{"role": "user", "content": [part]}]}));
        assert!(try_written(Api::Chat, &asked, &target()).is_err());
    }
    let asked = chat(json!({"modalities": ["text", "image"]}));
    assert!(try_written(Api::Chat, &asked, &target()).is_err());
}

#[test]
fn search_options_offer_the_providers_search() {
    let body = written(json!({"web_search_options": {
        "search_context_size": "low",
        "user_location": {"type": "approximate", "approximate": {"city": "Paris", "country": "FR"}}
    }}));
    assert_eq!(
        body["tools"],
        json!([{"type": "web_search_20250305", "name": "web_search", "user_location":
            {"type": "approximate", "city": "Paris", "country": "FR"}}])
    );
}

#[test]
fn q17_the_user_is_what_stands_for_it() {
    let target = Target {
        user: Some("hash"),
        ..target()
    };
    let body = try_written(Api::Chat, &chat(json!({"user": "ann"})), &target).unwrap();
    assert_eq!(body["metadata"], json!({"user_id": "hash"}));
    assert_eq!(written(json!({"user": "ann"})).get("metadata"), None);
}

/// A body of this protocol that is written anew, because it held signatures of others, keeps the rest.
#[test]
fn the_protocols_own_words_come_back() {
    let asked = json!({
        "model": "a/b", "max_tokens": 50,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "system", "content": "Mind."},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": "own"},
                {"type": "thinking", "thinking": "g", "signature": "turnout:1:google-gemini-v1:thought:0:sig"},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "q", "document_index": 0, "document_title": null, "start_char_index": 0, "end_char_index": 1}]}
            ]},
            {"role": "user", "content": "c"}
        ],
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        "thinking": {"type": "adaptive"}, "output_config": {"effort": "max"},
        "service_tier": "standard_only", "container": "c1"
    });
    let body = try_written(Api::Messages, &asked, &target()).unwrap();
    assert_eq!(
        body,
        json!({
            "model": "m", "max_tokens": 50,
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}]},
                {"role": "system", "content": [{"type": "text", "text": "Mind."}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "t", "signature": "own"},
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
                    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                    {"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "q", "document_index": 0, "document_title": null, "start_char_index": 0, "end_char_index": 1}]}
                ]},
                {"role": "user", "content": [{"type": "text", "text": "c"}]}
            ],
            "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "max"},
            "service_tier": "standard_only", "container": "c1"
        })
    );
}

#[test]
fn base64_is_decoded_or_is_none() {
    assert_eq!(decode("aGk=").as_deref(), Some(b"hi".as_slice()));
    assert_eq!(decode("aGk").as_deref(), Some(b"hi".as_slice()));
    assert_eq!(decode("-_8").as_deref(), Some([0xfb, 0xff].as_slice()));
    assert_eq!(decode("a?"), None);
}
