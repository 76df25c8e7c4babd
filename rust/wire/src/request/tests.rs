//! What is read of a body, and what goes upstream.

use serde_json::json;

use super::scan::named;
use super::*;
use crate::dialect::{MaxTokens, Quirks, ReasoningWords};

fn read(body: &str) -> Request {
    Request::read(body.as_bytes().to_vec(), Api::Chat).unwrap()
}

fn refused(body: &str) -> String {
    let refusal = Request::read(body.as_bytes().to_vec(), Api::Chat).unwrap_err();
    assert_eq!(refusal.status(), 400, "{body}");
    refusal.message.into_owned()
}

const PLAIN: Target<'static> = Target::new(Dialect::OpenAi, "up/m");
const QUIET: Quirks = Quirks {
    stream_usage: false,
    ..Quirks::OPENAI
};

fn sent(body: &str, target: Target<'_>) -> String {
    let request = read(body);
    let upstream = request.upstream(&target).unwrap();
    let mut out = Vec::new();
    upstream.write_to(&mut out);
    assert_eq!(out.len(), upstream.len());
    String::from_utf8(out).unwrap()
}

#[test]
fn an_echo_is_wanted_of_streams_that_have_a_form_for_it() {
    let wants = |body: &str, api| {
        Request::read(body.as_bytes().to_vec(), api)
            .unwrap()
            .wants_echo()
    };
    let asks = r#"{"model":"m","input":"","messages":[],"stream":true,"debug":{"x":1,"echo_upstream_body":true}}"#;
    for api in [Api::Chat, Api::Completions, Api::Responses] {
        assert!(wants(asks, api), "{api:?}");
        for not in [
            asks.replace("true}", "false}"),
            asks.replace("true}", "1}"),
            asks.replace("\"stream\":true", "\"stream\":false"),
            asks.replace("debug", "debugs"),
            r#"{"model":"m","input":"","messages":[],"stream":true,"debug":true}"#.to_owned(),
        ] {
            assert!(!wants(&not, api), "{api:?} {not}");
        }
    }
    assert!(!wants(asks, Api::Messages));
}

#[test]
fn where_the_url_names_the_model_the_body_tells_the_version_in_its_place() {
    let target = Target {
        model_in_path: true,
        ..Target::new(Dialect::Anthropic, "claude@1")
    };
    let sent = |body: &str| {
        let request = Request::read(body.as_bytes().to_vec(), Api::Messages).unwrap();
        let upstream = request.upstream(&target).unwrap();
        let mut out = Vec::new();
        upstream.write_to(&mut out);
        assert_eq!(out.len(), upstream.len());
        String::from_utf8(out).unwrap()
    };
    let version = r#""anthropic_version":"vertex-2023-10-16""#;
    for (body, expected) in [
        (r#"{"model":"a","max_tokens":1}"#, "{V,\"max_tokens\":1}"),
        (r#"{"x":"\"", "model" : "a\"b"}"#, r#"{"x":"\"", V}"#),
        (r#"{"\u006dodel": null,"x":1}"#, r#"{V,"x":1}"#),
        (r#"{"x":1}"#, r#"{V,"x":1}"#),
        ("{}", "{V}"),
    ] {
        assert_eq!(sent(body), expected.replace('V', version), "{body}");
    }
    let chat = br#"{"model":"a","messages":[{"role":"user","content":"hi"}]}"#;
    let request = Request::read(chat.to_vec(), Api::Chat).unwrap();
    let mut out = Vec::new();
    request.upstream(&target).unwrap().write_to(&mut out);
    let translated = String::from_utf8(out).unwrap();
    assert!(
        translated.starts_with(&format!("{{{version},")),
        "{translated}"
    );
    assert!(!translated.contains("\"model\""), "{translated}");
}

#[test]
fn reads_what_routing_needs() {
    let request = read(
        r#"{"model":"a/b","models":["c","\u0064"],"stream":true,"max_tokens":5,"max_completion_tokens":7.0,"user":"u","session_id":"s\n",
        "provider":{"order":["x"],"only":null,"allow_fallbacks":false,"sort":"price"}}"#,
    );
    assert_eq!(request.model(), Some("a/b"));
    assert_eq!(request.models(), ["c", "d"]);
    assert!(request.stream());
    assert_eq!(request.max_tokens(), Some(7));
    assert_eq!(request.user(), Some("u"));
    assert_eq!(request.session_id(), Some("s\n"));
    let preferences = request.preferences().unwrap();
    assert_eq!(preferences.order, ["x"]);
    assert!(preferences.only.is_empty() && !preferences.allow_fallbacks);
}

#[test]
fn null_is_absent() {
    let request = read(
        r#"{"model":null,"models":null,"stream":null,"max_completion_tokens":null,"max_tokens":3,"provider":null,"user":null,"session_id":1}"#,
    );
    assert_eq!(
        (request.model(), request.stream(), request.max_tokens()),
        (None, false, Some(3))
    );
    assert!(request.models().is_empty() && request.preferences().is_none());
    assert_eq!((request.user(), request.session_id()), (None, None));
}

#[test]
fn the_last_of_two_models_is_read_and_sent() {
    let body = r#"{"model":"cheap","x":1.50,"\u006dodel":"dear"}"#;
    assert_eq!(read(body).model(), Some("dear"));
    assert_eq!(read(body).body(), br#"{"model":"dear","x":1.50}"#);
    assert_eq!(sent(body, PLAIN), r#"{"model":"up/m","x":1.50}"#);
}

#[test]
fn of_two_spellings_the_last_is_read() {
    let body = r#"{"contents":[],"service_tier":"flex","serviceTier":"priority","generation_config":{},"generationConfig":{"maxOutputTokens":7}}"#;
    let body = body.as_bytes().to_vec();
    let read = Request::read_beside_path(body, Api::Gemini, "m".to_owned(), false).unwrap();
    assert_eq!(
        (read.service_tier(), read.max_tokens()),
        (Some("priority"), Some(7))
    );
}

#[test]
fn a_key_given_twice_is_sent_once() {
    assert_eq!(
        sent(
            r#"{"model":"a","stream":false,"model":"b","stream":true}"#,
            PLAIN
        ),
        r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#
    );
}

#[test]
fn an_escaped_key_of_no_interest_is_decoded_once() {
    let body = r#"{"a\"b":1,"model":"m"}"#;
    assert_eq!(sent(body, PLAIN), r#"{"a\"b":1,"model":"up/m"}"#);
}

#[test]
fn refusals_say_what_was_seen_and_expected() {
    assert_eq!(
        refused(r#"{"model":5}"#),
        "`model` must be a string; seen: a number at line 1, column 10 (byte 9)"
    );
    assert!(
        refused(r#"{"stream":"yes"}"#)
            .starts_with("`stream` must be true or false; seen: a string")
    );
    assert!(
        refused(r#"{"models":"a"}"#)
            .starts_with("`models` must be an array of at most 64 strings; seen: a string")
    );
    assert!(refused(r#"{"models":["a",1]}"#).starts_with("`models` must be an array"));
    assert!(
        refused(r#"{"provider":[]}"#).starts_with("`provider` must be an object; seen: an array")
    );
    assert_eq!(
        refused(r#"{"provider":{"order":"x"}}"#),
        "`provider.order` must be an array; seen: a string"
    );
    assert_eq!(
        refused(r#"{"provider":{"only":[1]}}"#),
        "`provider.only[0]` must be a string; seen: a number"
    );
    assert_eq!(
        refused(r#"{"provider":{"allow_fallbacks":1}}"#),
        "`provider.allow_fallbacks` must be true or false; seen: a number"
    );
    assert!(refused("[]").contains("the body must be a JSON object"));
    assert!(refused("").contains("ends too early"));
    assert!(refused("{\"model\":\n}").contains("line 2, column 1 (byte 10): expected a value"));
    assert!(refused(r#"{"model":1,"model":2}"#).ends_with("seen: a number"));
    let many = vec!["m"; LIST_MAX + 1];
    assert!(refused(&json!({ "models": many }).to_string()).starts_with("`models` must be"));
}

#[test]
fn embeddings_ignore_stream() {
    let request =
        Request::read(br#"{"model":"m","stream":"x"}"#.to_vec(), Api::Embeddings).unwrap();
    assert!(!request.stream());
}

#[test]
fn only_the_model_changes_in_an_ordinary_body() {
    assert_eq!(
        sent("{ \"model\" : \"m\" ,\"x\":[1.0, 2]}\n", PLAIN),
        "{ \"model\" : \"up/m\" ,\"x\":[1.0, 2]}\n"
    );
    let quoted = Target {
        model: "a\"b",
        ..PLAIN
    };
    assert_eq!(sent(r#"{"model":"m"}"#, quoted), r#"{"model":"a\"b"}"#);
    assert_eq!(sent(r#"{"model":"\u0061"}"#, PLAIN), r#"{"model":"up/m"}"#);
}

#[test]
fn a_missing_model_is_inserted() {
    assert_eq!(sent(r#" {"x":1}"#, PLAIN), r#" {"model":"up/m","x":1}"#);
    assert_eq!(sent("{}", PLAIN), r#"{"model":"up/m"}"#);
    assert_eq!(sent(r#"{"models":["a"]}"#, PLAIN), r#"{"model":"up/m"}"#);
    assert_eq!(sent(r#"{"model":null}"#, PLAIN), r#"{"model":"up/m"}"#);
}

#[test]
fn usage_of_a_stream_is_asked_for() {
    for (body, expected) in [
        (
            r#"{"model":"m","stream":true}"#,
            r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"stream_options":null,"stream":true,"model":"m"}"#,
            r#"{"stream_options":{"include_usage":true},"stream":true,"model":"up/m"}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{}}"#,
            r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"x":1}}"#,
            r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":false,"x":1}}"#,
            r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_usage":false}}"#,
            r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":7}"#,
            r#"{"model":"up/m","stream":true,"stream_options":7}"#,
        ),
        (
            r#"{"model":"m","stream":false,"stream_options":null}"#,
            r#"{"model":"up/m","stream":false,"stream_options":null}"#,
        ),
    ] {
        assert_eq!(sent(body, PLAIN), expected);
    }
    let quiet = Target {
        quirks: &QUIET,
        ..PLAIN
    };
    assert_eq!(
        sent(r#"{"model":"m","stream":true}"#, quiet),
        r#"{"model":"up/m","stream":true}"#
    );
}

#[test]
fn routing_fields_go_with_their_commas() {
    for (body, expected) in [
        (r#"{"models":["a"],"model":"m"}"#, r#"{"model":"up/m"}"#),
        (
            r#"{"models":["a"], "route":"sort" , "model":"m", "y":1}"#,
            r#"{"model":"up/m", "y":1}"#,
        ),
        (
            r#"{"model":"m" , "trace":{} , "debug":{}, "y":1 , "usage":{}}"#,
            r#"{"model":"up/m", "y":1}"#,
        ),
        (
            r#"{"provider":{},"model":"m","session_id":"s"}"#,
            r#"{"model":"up/m"}"#,
        ),
        (
            r#"{"provider":{},"plugins":[],"preset":"p"}"#,
            r#"{"model":"up/m"}"#,
        ),
        (
            r#"{"transforms":[],"stream":true,"provider":{}}"#,
            r#"{"model":"up/m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
    ] {
        assert_eq!(sent(body, PLAIN), expected, "{body}");
    }
    let kept = Target {
        routing_fields: true,
        ..PLAIN
    };
    assert_eq!(
        sent(r#"{"models":["a"],"model":"m"}"#, kept),
        r#"{"models":["a"],"model":"up/m"}"#
    );
    for name in ROUTING_FIELDS {
        assert_eq!(named(name).1, Some(What::Routing), "{name}");
        assert_eq!(
            sent(&format!(r#"{{"model":"m","{name}":null}}"#), PLAIN),
            r#"{"model":"up/m"}"#
        );
    }
}

fn with(quirks: &Quirks) -> Target<'_> {
    Target {
        quirks,
        ..Target::new(Dialect::OpenAi, "up/m")
    }
}

fn refused_by(body: &str, api: Api) -> String {
    let refusal = Request::read(body.as_bytes().to_vec(), api).unwrap_err();
    assert_eq!(refusal.status(), 400, "{body}");
    refusal.message.into_owned()
}

#[test]
fn q04_each_api_has_its_name_for_the_limit() {
    let limit = |body: &str, api: Api| {
        let body = body.as_bytes().to_vec();
        let request = match api.model_in_path() {
            true => Request::read_beside_path(body, api, "m".to_owned(), false),
            false => Request::read(body, api),
        };
        request.expect("a request").max_tokens()
    };
    for (body, api, expected) in [
        (
            r#"{"model":"m","input":"a","max_output_tokens":5,"max_tokens":6}"#,
            Api::Responses,
            Some(5),
        ),
        (
            r#"{"model":"m","messages":[],"max_tokens":6,"max_output_tokens":5}"#,
            Api::Messages,
            Some(6),
        ),
        (
            r#"{"contents":[],"generationConfig":{"topK":1,"maxOutputTokens":5}}"#,
            Api::Gemini,
            Some(5),
        ),
        (
            r#"{"contents":[],"generation_config":{"max_output_tokens":5}}"#,
            Api::Gemini,
            Some(5),
        ),
        (
            r#"{"contents":[],"generationConfig":{},"max_tokens":6}"#,
            Api::Gemini,
            None,
        ),
        (
            r#"{"contents":[],"generationConfig":[1]}"#,
            Api::Gemini,
            None,
        ),
    ] {
        assert_eq!(limit(body, api), expected, "{body}");
    }
}

#[test]
fn q02_parameters_that_an_endpoint_does_not_take_are_left_out() {
    let target = Target {
        parameters: Some(["temperature", "max_tokens"].into_iter().collect()),
        ..PLAIN
    };
    assert_eq!(
        sent(
            r#"{"top_k":4,"min_p":0.1,"model":"m","temperature":1.0,"seed":7,"max_completion_tokens":5,"stop":null,"x":1}"#,
            target
        ),
        r#"{"model":"up/m","temperature":1.0,"max_completion_tokens":5,"stop":null,"x":1}"#
    );
    let strict = Target {
        require_parameters: true,
        ..target
    };
    let refusal = read(r#"{"model":"m","seed":7}"#)
        .upstream(&strict)
        .unwrap_err();
    assert!(refusal.message.contains("`seed` cannot be sent"), "q03");
    assert_eq!(refusal.status(), 404);
}

#[test]
fn q05_the_limit_of_tokens_has_the_name_that_the_provider_knows() {
    let old = Quirks {
        max_tokens: MaxTokens::MaxTokens,
        ..Quirks::OPENAI
    };
    assert_eq!(
        sent(r#"{"model":"m","max_completion_tokens" : 5}"#, with(&old)),
        r#"{"model":"up/m","max_tokens" : 5}"#
    );
    assert_eq!(
        sent(r#"{"model":"m","max_tokens":5}"#, PLAIN),
        r#"{"model":"up/m","max_completion_tokens":5}"#
    );
    for both in [PLAIN, with(&old)] {
        let body = r#"{"model":"up/m","max_tokens":5,"max_completion_tokens":6}"#;
        assert_eq!(sent(body, both), body);
    }
}

#[test]
fn q06_a_wish_for_thought_is_said_in_the_words_of_the_provider() {
    let quirks = |reasoning| Quirks {
        reasoning,
        ..Quirks::OPENAI
    };
    let (effort, thinking, none, object) = (
        quirks(ReasoningWords::Effort),
        quirks(ReasoningWords::Thinking),
        quirks(ReasoningWords::None),
        quirks(ReasoningWords::Object),
    );
    for (body, words, expected) in [
        (
            r#""reasoning":{"effort":"high"}"#,
            &effort,
            r#","reasoning_effort":"high""#,
        ),
        (
            r#""reasoning":{"max_tokens":1000},"max_tokens":2000"#,
            &effort,
            r#","reasoning_effort":"medium","max_completion_tokens":2000"#,
        ),
        (
            r#""reasoning":{"enabled":true}"#,
            &effort,
            r#","reasoning_effort":"medium""#,
        ),
        (r#""reasoning":{"enabled":false}"#, &effort, ""),
        (
            r#""reasoning":{"exclude":true},"include_reasoning":false"#,
            &effort,
            "",
        ),
        (
            r#""reasoning":{},"reasoning_effort":"low""#,
            &effort,
            r#","reasoning_effort":"low""#,
        ),
        (
            r#""reasoning_effort":"new""#,
            &effort,
            r#","reasoning_effort":"new""#,
        ),
        (
            r#""reasoning":{"effort":"none"}"#,
            &thinking,
            r#","thinking":{"type":"disabled"}"#,
        ),
        (
            r#""reasoning_effort":"low","reasoning":{"effort":"low"}"#,
            &thinking,
            r#","thinking":{"type":"enabled"}"#,
        ),
        (
            r#""reasoning":{"effort":"low"},"include_reasoning":true"#,
            &none,
            "",
        ),
        (
            r#""reasoning":{"effort":"low"},"include_reasoning":true"#,
            &object,
            r#","reasoning":{"effort":"low"},"include_reasoning":true"#,
        ),
    ] {
        assert_eq!(
            sent(&format!("{{\"model\":\"m\",{body}}}"), with(words)),
            format!("{{\"model\":\"up/m\"{expected}}}"),
            "{body}"
        );
    }
}

#[test]
fn q08_two_words_for_one_wish_may_not_disagree() {
    let body = r#"{"reasoning":{"effort":"high"},"reasoning_effort":"low"}"#;
    assert!(refused(body).contains("`reasoning.effort` and `reasoning_effort`"));
    read(r#"{"reasoning":{"effort":"low"},"reasoning_effort":"low"}"#);
}

#[test]
fn q12_q15_q16_limits_hold_whoever_serves() {
    assert!(refused(r#"{"stop":["a","b","c","d","e"]}"#).contains("at most 4 strings; seen: 5"));
    read(r#"{"stop":["a","b","c","d"]}"#);
    let entries: Vec<String> = (0..17).map(|n| format!("\"k{n}\":\"v\"")).collect();
    assert!(
        refused(&format!("{{\"metadata\":{{{}}}}}", entries.join(",")))
            .contains("at most 16 members; seen: 17")
    );
    let long = "é".repeat(513);
    assert!(refused(&format!("{{\"metadata\":{{\"{long}\":\"v\"}}}}")).contains("64"));
    assert!(refused(&format!("{{\"metadata\":{{\"k\":\"{long}\"}}}}")).contains("512"));
    let long = "é".repeat(257);
    assert!(refused(&format!("{{\"session_id\":\"{long}\"}}")).contains("at most 256"));
    read(&format!("{{\"session_id\":\"{}\"}}", "é".repeat(256)));
}

#[test]
fn q17_nobody_gets_the_name_of_a_user() {
    let body = r#"{"model":"m","user":"ann","x":1}"#;
    let target = Target {
        user: Some("a1b2"),
        ..PLAIN
    };
    assert_eq!(
        sent(body, target),
        r#"{"model":"up/m","user":"a1b2","x":1}"#
    );
}

#[test]
fn c22_developers_become_systems_where_they_are_not_known() {
    let quirks = Quirks {
        developer_role: false,
        ..Quirks::OPENAI
    };
    assert_eq!(
        sent(
            r#"{"model":"m","messages":[{"role" : "developer","content":"\"developer\""},{"content":"developer","role":"user"}],"x":"developer"}"#,
            with(&quirks)
        ),
        r#"{"model":"up/m","messages":[{"role" : "system","content":"\"developer\""},{"content":"developer","role":"user"}],"x":"developer"}"#
    );
}

#[test]
fn words_of_the_router_go_to_routers_only() {
    let body = r#"{"image_config":{},"model":"m","max_tool_calls":3,"cache_control":{"type":"ephemeral"}}"#;
    assert_eq!(sent(body, PLAIN), r#"{"model":"up/m"}"#);
    let routed = Quirks {
        reasoning: ReasoningWords::Object,
        ..Quirks::OPENAI
    };
    assert_eq!(sent(body, with(&routed)), body.replace("\"m\"", "\"up/m\""));
    assert_eq!(
        sent(r#"{"model":"m","stream_options":{"x":1}}"#, with(&QUIET)),
        r#"{"model":"up/m"}"#
    );
}

#[test]
fn b02_nothing_is_kept_between_requests() {
    for (body, name) in [
        (r#"{"model":"m","store":true}"#, "store"),
        (r#"{"model":"m","background":true}"#, "background"),
        (
            r#"{"model":"m","previous_response_id":"r"}"#,
            "previous_response_id",
        ),
    ] {
        let message = refused_by(body, Api::Responses);
        assert!(message.starts_with(&format!("`{name}` must be false or absent")));
        read(body);
    }
    let body = r#"{"store":false,"background":null,"previous_response_id":null}"#;
    Request::read(body.as_bytes().to_vec(), Api::Responses).unwrap();
}

#[test]
fn q17_the_messages_api_names_its_user_in_the_metadata() {
    for (metadata, user, sent) in [
        (r#"{"user_id":"ann"}"#, Some("ann"), r#"{"user_id":"a1b2"}"#),
        (
            r#"{ "x": 1, "user\u005fid" : "{\"device\":\"d\"}" }"#,
            Some("{\"device\":\"d\"}"),
            r#"{ "x": 1, "user\u005fid" : "a1b2" }"#,
        ),
        (r#"{"user_id":null}"#, None, r#"{"user_id":null}"#),
        ("null", None, "null"),
        ("[]", None, "[]"),
    ] {
        let body = format!(r#"{{"model":"m","metadata":{metadata},"max_tokens":1}}"#);
        let request = Request::read(body.into_bytes(), Api::Messages).unwrap();
        assert_eq!(request.user_to_hide().as_deref(), user);
        assert_eq!(request.user(), None);
        let mut target = Target::new(Dialect::Anthropic, "up/m");
        target.user = user.map(|_| "a1b2");
        let mut out = Vec::new();
        request.upstream(&target).unwrap().write_to(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(r#"{{"model":"up/m","metadata":{sent},"max_tokens":1}}"#)
        );
    }
    // Elsewhere metadata is the client's own.
    let body = r#"{"model":"m","metadata":{"user_id":"ann"}}"#;
    let request = Request::read(body.as_bytes().to_vec(), Api::Chat).unwrap();
    assert_eq!(request.user_to_hide(), None);
}

#[test]
fn r29_fallbacks_are_models() {
    let body = r#"{"model":"m","fallbacks":[{"model":"a"},{"model":"b"}],"max_tokens":1,"metadata":{"user_id":"u"},"user":"u"}"#;
    let request = Request::read(body.as_bytes().to_vec(), Api::Messages).unwrap();
    assert_eq!(request.models(), ["a", "b"]);
    let mut out = Vec::new();
    let target = Target::new(Dialect::Anthropic, "up/m");
    request.upstream(&target).unwrap().write_to(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"model":"up/m","max_tokens":1,"metadata":{"user_id":"u"}}"#
    );
    for wrong in [
        r#"{"fallbacks":[{"model":"a","x":1}]}"#,
        r#"{"fallbacks":[{"model":"a"},{"model":"a"},{"model":"a"},{"model":"a"}]}"#,
        r#"{"fallbacks":[{}]}"#,
        r#"{"fallbacks":["a"]}"#,
        r#"{"fallbacks":[{"model":"a"}],"models":["b"]}"#,
    ] {
        refused_by(wrong, Api::Messages);
    }
}

#[test]
fn what_is_said_otherwise_to_an_endpoint_reaches_it_in_any_protocol() {
    let overrides = [
        crate::dialect::Override {
            name: "web_search_options",
            value: Some("{}".into()),
        },
        crate::dialect::Override {
            name: "service_tier",
            value: None,
        },
    ];
    let body = r#"{"model":"m","service_tier":"flex","messages":[{"role":"user","content":"u"}],"max_tokens":9}"#;
    let target = Target {
        overrides: &overrides,
        ..PLAIN
    };
    assert_eq!(
        sent(body, target),
        r#"{"model":"up/m","messages":[{"role":"user","content":"u"}],"max_completion_tokens":9,"web_search_options":{}}"#
    );
    let anthropic = Target {
        dialect: Dialect::Anthropic,
        ..target
    };
    let sent = sent(body, anthropic);
    assert!(sent.contains("web_search_20250305"), "{sent}");
    assert!(!sent.contains("service_tier"), "{sent}");
}

#[test]
fn routing_members_are_found_by_name() {
    let request = read(r#"{"plugins":[1],"preset" : "p","route":null,"model":"m"}"#);
    assert_eq!(request.routing_member("plugins"), Some("[1]"));
    assert_eq!(request.routing_member("preset"), Some("\"p\""));
    assert_eq!(request.routing_member("pre"), None);
    assert_eq!(request.routing_member("route"), None);
    assert_eq!(request.routing_member("model"), None);
}

#[test]
fn c15_an_answer_depends_on_a_wish_to_hide_thought() {
    let hidden = read(r#"{"model":"m","reasoning":{"exclude":true}}"#);
    assert_eq!(hidden.asked_of(Dialect::OpenAi), hidden.asked());
    assert_eq!(
        read(r#"{"include_reasoning":false}"#)
            .asked_of(Dialect::OpenAi)
            .len(),
        27
    );
    let shown = read(r#"{"model":"m","reasoning":{"effort":"low"}}"#);
    assert_eq!(shown.asked_of(Dialect::OpenAi), "");
    assert_eq!(shown.asked_of(Dialect::Anthropic), shown.asked());
}
