//! Each key of a script does what the manual says, seen from the other end of a socket.
#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on should stop where it stands.

mod probe;

use std::io::Read as _;
use std::time::{Duration, Instant};

use probe::{End, Probe, Reply, chat_body, mock, plain, streamed};

/// A wait that never ends within a test, so that what comes before it can be told from what comes after.
const HOUR: &str = "3600000";

fn gunzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // A body that was cut gives what it can, and an error that is of no interest here.
    let _ = flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out);
    out
}

fn last_usage(reply: &Reply) -> serde_json::Value {
    reply.chunks_json().last().unwrap()["usage"].clone()
}

#[test]
fn every_key_of_the_manual_is_tested_here() {
    let source = [include_str!("script.rs"), include_str!("dialects.rs")].concat();
    let table = turnout_mock::HELP.split("SCRIPT").nth(1).unwrap();
    for line in table
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
    {
        for word in line
            .split_whitespace()
            .take_while(|word| word.contains('='))
        {
            let key = word.split('=').next().unwrap();
            assert!(
                source.contains(&format!("{key}=")) || source.contains(&format!("\"{key}\"")),
                "{key}"
            );
        }
    }
}

#[test]
fn without_a_script_answers_are_openais() {
    let mock = mock();
    let reply = plain(&mock, "m");
    let value = reply.json();
    assert_eq!((reply.status, reply.end), (200, End::Whole));
    assert_eq!(value["object"], "chat.completion");
    assert_eq!(value["model"], "m");
    assert_eq!(value["choices"][0]["finish_reason"], "stop");
    assert_eq!(value["usage"]["completion_tokens"], 32);

    let reply = streamed(&mock, "m");
    let events = reply.events();
    // The role, 32 tokens, the finish, the usage, [DONE]: one chunk of HTTP each.
    assert_eq!(
        (events.len(), reply.chunks.len(), reply.end),
        (36, 36, End::Whole)
    );
    assert_eq!(events[35], "[DONE]");
    let chunks = reply.chunks_json();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(
        chunks[..34]
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
    assert_eq!(chunks[33]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[34]["choices"].as_array().unwrap().len(), 0);
    assert_eq!(chunks[34]["usage"]["total_tokens"], 42);
    assert_eq!(reply.said(), plain(&mock, "m").said());
}

#[test]
fn usage_comes_in_a_stream_only_when_asked_for() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    probe.post(
        "/v1/chat/completions",
        "",
        r#"{"model":"m","stream":true,"messages":[]}"#,
    );
    let reply = probe.reply();
    assert_eq!(reply.events().len(), 35);
    assert!(
        reply
            .chunks_json()
            .iter()
            .all(|chunk| chunk.get("usage").is_none())
    );
}

#[test]
fn shape_keys_shape_the_answer() {
    let mock = mock();
    assert_eq!(
        plain(&mock, "m;tokens=3").json()["usage"]["completion_tokens"],
        3
    );
    assert_eq!(streamed(&mock, "m;tokens=3").events().len(), 7);
    assert_eq!(plain(&mock, "m;tokens=3;size=1000").said().len(), 3000);
    assert_eq!(plain(&mock, "m;tokens=2;chars=ab%3B").said(), "ab;ab;");
    assert!(plain(&mock, "m;chars=unicode").said().contains('列'));
    let escaped = plain(&mock, "m;chars=escaped");
    assert!(escaped.body.is_ascii() && escaped.said().contains('🚂'));
    assert_eq!(
        plain(&mock, "m;finish=length").json()["choices"][0]["finish_reason"],
        "length"
    );
    let usage = plain(&mock, "m;prompt=100;cached=60;reasoning=7").json()["usage"].clone();
    assert_eq!(usage["prompt_tokens"], 100);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 60);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 7);
}

#[test]
fn usage_stands_where_the_script_puts_it() {
    let mock = mock();
    assert!(plain(&mock, "m;usage=absent").json().get("usage").is_none());
    assert!(plain(&mock, "m;usage=null").json()["usage"].is_null());
    assert_eq!(
        plain(&mock, "m;usage=asked").json()["usage"]["total_tokens"],
        42
    );

    let absent = streamed(&mock, "m;usage=absent");
    assert!(
        absent
            .chunks_json()
            .iter()
            .all(|chunk| chunk.get("usage").is_none())
    );
    assert_eq!(absent.events().len(), 35);
    let null = streamed(&mock, "m;usage=null");
    assert!(
        null.chunks_json()
            .iter()
            .all(|chunk| chunk["usage"].is_null())
    );
    assert_eq!(null.events().len(), 36);
    let every = streamed(&mock, "m;usage=every;tokens=2").chunks_json();
    let totals: Vec<_> = every
        .iter()
        .map(|chunk| chunk["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(totals, [0, 1, 2, 2, 2]);
    let only = streamed(&mock, "m;usage=only");
    assert_eq!(only.events().len(), 35);
    assert_eq!(last_usage(&only)["total_tokens"], 42);
    assert_eq!(
        only.chunks_json().last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
}

#[test]
fn echo_headers_says_what_came() {
    let mock = mock();
    for stream in [false, true] {
        let mut probe = Probe::connect(&mock);
        probe.post(
            "/v1/chat/completions",
            "X-Mock: echo_headers=1\r\nX-Odd: a\r\nX-Odd: b c\r\n",
            &chat_body("m", stream),
        );
        let pairs: Vec<(String, String)> = serde_json::from_str(&probe.reply().said()).unwrap();
        let odd: Vec<_> = pairs
            .iter()
            .filter(|(name, _)| name == "X-Odd")
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(odd, ["a", "b c"]);
    }
}

#[test]
fn auth_wants_its_key() {
    let mock = mock();
    for (header, status) in [
        ("", 401),
        ("authorization: Bearer wrong\r\n", 401),
        ("authorization: secret\r\n", 401),
        ("Authorization: Bearer secret\r\n", 200),
    ] {
        let mut probe = Probe::connect(&mock);
        probe.post(
            "/v1/chat/completions",
            header,
            &chat_body("m;auth=secret", false),
        );
        assert_eq!(probe.reply().status, status, "{header}");
    }
}

#[test]
fn waits_hold_back_what_comes_behind_them_and_nothing_else() {
    let mock = mock();
    for (stream, script, status, events) in [
        (false, "latency", 0, 0),
        (true, "latency", 0, 0),
        (false, "ttft", 0, 0),
        (true, "ttft", 200, 0),
        (true, "pace", 200, 2),
    ] {
        let reply = Probe::expecting_silence(&mock).chat(&format!("m;{script}={HOUR}"), stream);
        assert_eq!(
            (reply.status, reply.events().len(), reply.end),
            (status, events, End::Silent),
            "{script} {stream}"
        );
    }
    for (stream, script, least_ms) in [
        (false, "latency=30", 30),
        (true, "ttft=30", 30),
        (true, "pace=10;tokens=4", 30),
    ] {
        let start = Instant::now();
        let reply = Probe::connect(&mock).chat(&format!("m;{script}"), stream);
        assert_eq!(reply.end, End::Whole);
        assert!(
            start.elapsed() >= Duration::from_millis(least_ms),
            "{script}"
        );
    }
    // `pace=0` waits for nothing and still sends every byte.
    assert_eq!(streamed(&mock, "m;pace=0").body, streamed(&mock, "m").body);
}

#[test]
fn statuses_are_errors_in_openais_shape() {
    let mock = mock();
    for stream in [false, true] {
        for (status, code) in [
            (400, None),
            (401, Some("invalid_api_key")),
            (429, Some("rate_limit_exceeded")),
            (503, None),
        ] {
            let reply = Probe::connect(&mock).chat(
                &format!("m;status={status};retry_after=7;message=no%20way"),
                stream,
            );
            assert_eq!(
                (reply.status, reply.header("retry-after"), reply.end),
                (status, Some("7"), End::Whole)
            );
            assert_eq!(reply.json()["error"]["message"], "no way");
            assert_eq!(reply.json()["error"]["code"].as_str(), code);
        }
    }
    assert_eq!(
        plain(&mock, "m;status=201").json()["object"],
        "chat.completion"
    );
    assert!(
        serde_json::from_slice::<serde_json::Value>(&plain(&mock, "m;status=502;garbage=0").body)
            .is_err()
    );
}

#[test]
fn an_error_can_come_inside_a_stream() {
    let mock = mock();
    let reply = streamed(&mock, "m;error_in=3;message=overloaded");
    let events = reply.events();
    assert_eq!(
        (reply.status, events.len(), reply.end),
        (200, 5, End::Whole)
    );
    assert_eq!(reply.chunks_json()[3]["error"]["message"], "overloaded");
    assert_eq!(events[4], "[DONE]");
    let reply = plain(&mock, "m;error_in=3");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["error"]["type"], "server_error");
}

#[test]
fn answers_stop_where_and_how_the_script_says() {
    let mock = mock();
    for (key, end) in [
        ("cut", End::Closed),
        ("rst", End::Reset),
        ("stall", End::Silent),
    ] {
        let probe = || match end {
            End::Silent => Probe::expecting_silence(&mock),
            _ => Probe::connect(&mock),
        };
        for extra in ["", ";pace=0", ";pace=1", ";ttft=1"] {
            let reply = probe().chat(&format!("m;{key}=3{extra}"), true);
            assert_eq!((reply.status, reply.end), (200, end), "{key}{extra}");
            // A reset may overtake what was sent before it, so only the others can promise their events.
            if end != End::Reset {
                assert_eq!(reply.events().len(), 3, "{key}{extra}");
                assert!(reply.body.ends_with(b"}\n\n"), "{key}{extra}");
            }
        }
        let reply = probe().chat(&format!("m;{key}=20"), false);
        assert_eq!((reply.status, reply.end), (200, end));
        if end != End::Reset {
            assert_eq!(reply.body, br#"{"id":"chatcmpl-mock"#[..20]);
        }
    }
    let reply = streamed(&mock, "m;cut=3;part=10");
    assert_eq!(reply.events().len(), 4);
    assert!(reply.body.ends_with(b"\n\ndata: {\"id"), "{reply:?}");
    // The end comes when its place is reached, not when the next event would have been due.
    let reply = streamed(&mock, &format!("m;cut=2;pace={HOUR}"));
    assert_eq!((reply.events().len(), reply.end), (2, End::Closed));
    // All events came, and still the body has no end.
    let reply = streamed(&mock, "m;cut=1000");
    assert_eq!((reply.events().len(), reply.end), (36, End::Closed));
    assert_eq!(streamed(&mock, "m;cut=0").body, b"");
}

#[test]
fn broken_content_is_broken_as_asked() {
    let mock = mock();
    let events = streamed(&mock, "m;garbage=2").events();
    assert_eq!(events.len(), 37);
    assert!(serde_json::from_str::<serde_json::Value>(&events[2]).is_err());
    assert!(
        serde_json::from_slice::<serde_json::Value>(&plain(&mock, "m;garbage=2").body).is_err()
    );

    assert!(std::str::from_utf8(&plain(&mock, "m;binary=1").body).is_err());
    let reply = streamed(&mock, "m;binary=1");
    assert!(std::str::from_utf8(&reply.body).is_err());
    assert_eq!(reply.events().len(), 36);

    for stream in [false, true] {
        let reply = Probe::connect(&mock).chat("m;empty=1", stream);
        assert_eq!(
            (reply.status, reply.body.len(), reply.end),
            (200, 0, End::Whole)
        );
        let reply = Probe::connect(&mock).chat("m;nochoices=1", stream);
        let holder = if stream {
            reply.chunks_json()[1].clone()
        } else {
            reply.json()
        };
        assert_eq!(holder["choices"].as_array().unwrap().len(), 0);
        assert_eq!(reply.said(), "");
    }

    let reply = streamed(&mock, "m;nodone=1");
    assert_eq!((reply.events().len(), reply.end), (35, End::Whole));
    let reply = streamed(&mock, "m;nofinish=1");
    assert!(
        reply
            .chunks_json()
            .iter()
            .all(|chunk| chunk["choices"][0]["finish_reason"].is_null())
    );
    assert_eq!(reply.events().len(), 35);
    assert!(plain(&mock, "m;nofinish=1").json()["choices"][0]["finish_reason"].is_null());

    let reply = streamed(&mock, "m;json_for_stream=1");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.body, plain(&mock, "m").body);
}

#[test]
fn a_wrong_length_is_wrong_by_that_much() {
    let mock = mock();
    for stream in [false, true] {
        let right = Probe::connect(&mock).chat("m", stream).body;
        let mut probe = Probe::connect(&mock);
        let reply = probe.chat("m;wronglength=9", stream);
        assert_eq!((reply.end, &reply.body), (End::Closed, &right));
        assert_eq!(
            reply.header("content-length"),
            Some((right.len() + 9).to_string().as_str())
        );
        let mut probe = Probe::connect(&mock);
        let reply = probe.chat("m;wronglength=-9", stream);
        assert_eq!((reply.end, reply.body.len()), (End::Whole, right.len() - 9));
        assert_eq!(probe.rest(9), right[right.len() - 9..]);
    }
}

#[test]
fn odd_forms_say_the_same() {
    let mock = mock();
    let expected = streamed(&mock, "m").events();
    let text = plain(&mock, "m").body;
    for script in [
        "split=7",
        "split=1",
        "crlf=1",
        "nospace=1",
        "comments=1",
        "bom=1",
        "slowhead=1",
        "hdr=5",
        "split=3;pace=0;crlf=1",
    ] {
        let reply = streamed(&mock, &format!("m;{script}"));
        assert_eq!(
            (reply.events(), reply.end),
            (expected.clone(), End::Whole),
            "{script}"
        );
    }
    for script in ["split=7", "chunked=1", "chunked=1;split=5", "slowhead=1"] {
        assert_eq!(plain(&mock, &format!("m;{script}")).body, text, "{script}");
    }
    assert!(
        streamed(&mock, "m;split=7").chunks[..9]
            .iter()
            .all(|size| *size == 7)
    );
    assert_eq!(
        streamed(&mock, "m;crlf=1")
            .text()
            .matches("\r\n\r\n")
            .count(),
        36
    );
    assert!(streamed(&mock, "m;nospace=1").text().starts_with("data:{"));
    assert_eq!(
        streamed(&mock, "m;comments=1")
            .text()
            .matches(": ping\n\n")
            .count(),
        36
    );
    for stream in [false, true] {
        assert!(
            Probe::connect(&mock)
                .chat("m;bom=1", stream)
                .body
                .starts_with(b"\xef\xbb\xbf")
        );
    }
    let chunked = plain(&mock, "m;chunked=1");
    assert_eq!(
        (chunked.header("content-length"), chunked.chunks.len()),
        (None, 2)
    );
    let many = plain(&mock, "m;hdr=64");
    assert_eq!(
        many.headers
            .iter()
            .filter(|(_, value)| value.len() == 1024)
            .count(),
        64
    );
}

#[test]
fn gzip_can_be_read_event_by_event() {
    let mock = mock();
    let whole = plain(&mock, "m;gzip=1");
    assert_eq!(whole.header("content-encoding"), Some("gzip"));
    assert_eq!(gunzipped(&whole.body), plain(&mock, "m").body);
    assert_eq!(
        gunzipped(&streamed(&mock, "m;gzip=1").body),
        streamed(&mock, "m").body
    );
    // What came before the silence decodes to exactly the events that came.
    let stalled = Probe::expecting_silence(&mock).chat("m;gzip=1;stall=3", true);
    assert_eq!(stalled.end, End::Silent);
    assert_eq!(gunzipped(&stalled.body), streamed(&mock, "m;cut=3").body);
}

#[test]
fn connections_end_as_asked() {
    let mock = mock();
    for stream in [false, true] {
        let mut probe = Probe::connect(&mock);
        let reply = probe.chat("m;close=1", stream);
        assert_eq!(
            (reply.header("connection"), reply.end),
            (Some("close"), End::Whole)
        );
        assert_eq!(probe.afterwards(), End::Closed);

        let mut probe = Probe::connect(&mock);
        let reply = probe.chat("m;refuse_reuse=1", stream);
        assert_eq!((reply.header("connection"), reply.end), (None, End::Whole));
        assert_eq!(probe.afterwards(), End::Closed);

        let reply = Probe::connect(&mock).chat("m;drop=1", stream);
        assert_eq!((reply.status, reply.end), (0, End::Closed));
        let reply = Probe::connect(&mock).chat("m;drop=1;rst=0", stream);
        assert_eq!((reply.status, reply.end), (0, End::Reset));
    }
}

#[test]
fn times_counts_each_script_until_a_reset() {
    let mock = mock();
    let statuses =
        |model: &str| -> Vec<u16> { (0..4).map(|_| plain(&mock, model).status).collect() };
    assert_eq!(
        statuses("a;status=500;times=2;tokens=3"),
        [500, 500, 200, 200]
    );
    // Streamed or not is the same script; another model is not.
    assert_eq!(streamed(&mock, "a;status=500;times=2;tokens=3").status, 200);
    assert_eq!(
        statuses("b;status=500;times=2;tokens=3"),
        [500, 500, 200, 200]
    );
    assert_eq!(
        plain(&mock, "a;status=500;times=2;tokens=3").json()["usage"]["completion_tokens"],
        3
    );
    // Nor does another API get the chat's answer once the faults are spent.
    let mut probe = Probe::connect(&mock);
    probe.post(
        "/v1/embeddings",
        "",
        r#"{"model":"a;status=500;times=2;tokens=3","input":"x"}"#,
    );
    assert_eq!(probe.reply().json()["data"][0]["object"], "embedding");
    mock.reset();
    assert_eq!(
        statuses("a;status=500;times=2;tokens=3"),
        [500, 500, 200, 200]
    );
}

#[test]
fn the_header_works_where_there_is_no_model() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    probe.send("GET /v1/models HTTP/1.1\r\nx-mock: status=503\r\n\r\n");
    assert_eq!(probe.reply().status, 503);
    probe.post(
        "/v1/embeddings",
        "x-mock: dim=3\r\n",
        r#"{"model":"m;dim=5","input":"a"}"#,
    );
    assert_eq!(
        probe.reply().json()["data"][0]["embedding"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn a_misspelt_script_is_refused_by_name() {
    let mock = mock();
    let reply = plain(&mock, "m;cutt=3");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("cutt"), "{reply:?}");
}

#[test]
fn the_text_of_a_request_says_to_each_provider_what_to_do() {
    let mock = mock();
    let said = |text: &str, model: &str| {
        let mut probe = Probe::connect(&mock);
        let body =
            format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        probe.post("/v1/chat/completions", "", &body);
        probe.reply().status
    };
    // Twice, and with other texts: an answer that is built already must not stand for another script.
    for _ in 0..2 {
        let both = "Hello [one status=503] [two status=429;retry_after=2]";
        assert_eq!(said(both, "m;inside=one"), 503);
        assert_eq!(said(both, "m;inside=two"), 429);
        assert_eq!(said(both, "m;inside=three;status=500"), 500);
        assert_eq!(said(both, "m"), 200);
        assert_eq!(said("Hello [one status=200]", "m;inside=one"), 200);
        assert_eq!(said("Hello [one statis=200]", "m;inside=one"), 400);
    }
    // Where the model stands in the path, with escapes or without.
    for model in ["m;inside=one", "m%3Binside%3Done"] {
        let mut probe = Probe::connect(&mock);
        let body = r#"{"contents":[{"parts":[{"text":"[one status=503]"}]}]}"#;
        let path = format!("/v1beta/models/{model}:generateContent");
        probe.post(&path, "", body);
        assert_eq!(probe.reply().status, 503, "{model}");
    }
}
