//! What the mock is as a server: connections, bodies, models, records, and clients that leave.
#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on should stop where it stands.

mod probe;

use probe::{End, Probe, chat_body, mock, plain, received, streamed, until_received};
use serde_json::{Value, json};
use turnout_mock::Mock;

#[test]
fn one_connection_serves_many_requests() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    for prefix in ["", "/v1", "/api/v1", "/openai/deployments/x"] {
        probe.post(
            &format!("{prefix}/chat/completions?api-version=1"),
            "",
            &chat_body("m", false),
        );
        assert_eq!(probe.reply().status, 200, "{prefix}");
    }
    assert_eq!(
        received(&mock)["counters"],
        json!({"requests": 4, "connections": 1, "connections_open": 1, "client_gone": 0})
    );
}

#[test]
fn requests_may_come_before_their_turn() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    let body = chat_body("m;pace=1;tokens=3", true);
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    probe.send(request.repeat(3));
    for _ in 0..3 {
        let reply = probe.reply();
        assert_eq!((reply.events().len(), reply.end), (7, End::Whole));
    }
}

#[test]
fn bodies_come_in_chunks_and_in_pieces() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    let body = chat_body("echo", false);
    let (first, second) = body.split_at(10);
    probe.send("POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    probe.send(format!("{:x}\r\n{first}\r\n", first.len()));
    probe.send(format!(
        "{:X};ext=1\r\n{second}\r\n0\r\nx-trailer: t\r\n\r\n",
        second.len()
    ));
    assert_eq!(probe.reply().said(), "hello there, mock");
    // The connection stands where it should for the next one.
    assert_eq!(probe.chat("echo", false).said(), "hello there, mock");
    assert_eq!(received(&mock)["requests"][0]["body"], body);
}

#[test]
fn large_bodies_are_taken() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    let text = "word ".repeat(1 << 20);
    let body = json!({"messages": [{"role": "user", "content": text}], "model": "m"}).to_string();
    probe.post("/v1/chat/completions", "", &body);
    assert_eq!(probe.reply().status, 200);
    assert_eq!(received(&mock)["requests"][0]["body_bytes"], body.len());
    assert_eq!(
        received(&mock)["requests"][0]["body"]
            .as_str()
            .unwrap()
            .len(),
        1 << 20
    );
}

#[test]
fn expect_is_answered_before_the_body() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    let body = chat_body("m", false);
    probe.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(probe.reply().status, 100);
    probe.send(body);
    assert_eq!(probe.reply().status, 200);
}

#[test]
fn old_and_leaving_clients_get_a_close() {
    let mock = mock();
    for (version, header) in [("1.0", ""), ("1.1", "Connection: close\r\n")] {
        for stream in [false, true] {
            let mut probe = Probe::connect(&mock);
            let body = chat_body("m", stream);
            let length = body.len();
            probe.send(format!("POST /chat/completions HTTP/{version}\r\n{header}content-length: {length}\r\n\r\n{body}"));
            let reply = probe.reply();
            assert_eq!(
                (reply.status, reply.end, reply.header("connection")),
                (200, End::Whole, Some("close"))
            );
            assert_eq!(
                reply.header("transfer-encoding").is_some(),
                stream && version == "1.1"
            );
            assert_eq!(probe.afterwards(), End::Closed);
        }
    }
}

#[test]
fn what_is_not_http_is_refused_with_the_reason() {
    let mock = mock();
    for (text, reason) in [
        ("\0\x01\x02\r\n\r\n", "HTTP"),
        (
            "POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
            "content-length",
        ),
        (
            "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "transfer-encoding",
        ),
        (
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "chunk",
        ),
        (
            "POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n",
            "too long",
        ),
    ] {
        let mut probe = Probe::connect(&mock);
        probe.send(text);
        let reply = probe.reply();
        assert_eq!(reply.status, 400, "{text:?}");
        assert!(reply.text().contains(reason), "{text:?}: {reply:?}");
    }
}

#[test]
fn unknown_paths_methods_and_bodies_are_refused() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    assert_eq!(probe.get("/v1/nothing").status, 404);
    assert_eq!(probe.get("/v1/chat/completions").status, 405);
    probe.post("/v1/chat/completions", "", "{}");
    assert_eq!(probe.reply().status, 400);
    probe.post(
        "/v1/chat/completions",
        "",
        r#"{"model":"echo","messages":["#,
    );
    assert_eq!(probe.reply().status, 400);
    probe.post("/v1/embeddings", "", r#"{"model":"m"}"#);
    assert_eq!(probe.reply().status, 400);
}

#[test]
fn echo_says_it_back_word_by_word() {
    let mock = mock();
    assert_eq!(plain(&mock, "echo").said(), "hello there, mock");
    assert_eq!(
        plain(&mock, "demo/echo").json()["usage"]["prompt_tokens"],
        3
    );
    let reply = streamed(&mock, "echo");
    assert_eq!(reply.said(), "hello there, mock");
    let chunks = reply.chunks_json();
    assert_eq!(chunks[1]["choices"][0]["delta"]["content"], "hello ");
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 3);
    // Not a shelved answer: other words, other answer.
    let mut probe = Probe::connect(&mock);
    probe.post(
        "/v1/completions",
        "",
        r#"{"model":"echo","prompt":"say this"}"#,
    );
    assert_eq!(probe.reply().json()["choices"][0]["text"], "say this");
}

#[test]
fn tool_calls_the_first_tool_and_then_talks() {
    let mock = mock();
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {}}}]);
    let mut body =
        json!({"model": "tool", "messages": [{"role": "user", "content": "?"}], "tools": tools});
    let mut probe = Probe::connect(&mock);
    let mut ask = |body: &Value| {
        probe.post("/v1/chat/completions", "", &body.to_string());
        probe.reply()
    };
    let call = ask(&body).json()["choices"][0].clone();
    assert_eq!(call["finish_reason"], "tool_calls");
    assert_eq!(
        call["message"]["tool_calls"][0]["function"],
        json!({"name": "weather", "arguments": "{\"city\":\"Paris\"}"})
    );

    body["stream"] = true.into();
    let reply = ask(&body);
    let chunks = reply.chunks_json();
    let parts: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|part| !part.is_null())
        .collect();
    assert_eq!(parts[0]["function"]["name"], "weather");
    assert!(parts.len() > 2);
    let glued: String = parts
        .iter()
        .map(|part| part["function"]["arguments"].as_str().unwrap())
        .collect();
    assert_eq!(glued, "{\"city\":\"Paris\"}");

    body["messages"]
        .as_array_mut()
        .unwrap()
        .push(json!({"role": "tool", "tool_call_id": "call_mock", "content": "rain"}));
    let reply = ask(&body);
    assert!(reply.said().starts_with("the points"));
    assert_eq!(
        reply.chunks_json().last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
}

#[test]
fn completions_are_bare_text() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    probe.post(
        "/v1/completions",
        "",
        r#"{"model":"m;tokens=4","prompt":"x"}"#,
    );
    let reply = probe.reply();
    assert_eq!(reply.json()["object"], "text_completion");
    probe.post(
        "/v1/completions",
        "",
        r#"{"model":"m;tokens=4","prompt":"x","stream": true}"#,
    );
    let stream = probe.reply();
    // Four tokens, the finish, [DONE].
    assert_eq!(stream.events().len(), 6);
    assert_eq!(stream.said(), reply.said());
}

#[test]
fn embeddings_are_the_same_in_both_encodings() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    probe.post(
        "/v1/embeddings",
        "",
        r#"{"model":"m;dim=4","input":["a","b c"]}"#,
    );
    let floats = probe.reply().json();
    probe.post(
        "/v1/embeddings",
        "",
        r#"{"model":"m;dim=4","input":["a","b c"],"encoding_format":"base64"}"#,
    );
    let packed = probe.reply().json();
    assert_eq!(floats["usage"]["prompt_tokens"], 3);
    for index in 0..2 {
        let text = packed["data"][index]["embedding"].as_str().unwrap();
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
        let unpacked: Vec<f32> = bytes
            .chunks(4)
            .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
            .collect();
        let plain: Vec<f32> =
            serde_json::from_value(floats["data"][index]["embedding"].clone()).unwrap();
        assert_eq!((unpacked.len(), unpacked), (4, plain));
    }
    assert_ne!(
        floats["data"][0]["embedding"],
        floats["data"][1]["embedding"]
    );
}

#[test]
fn models_are_listed_and_found() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    assert_eq!(probe.get("/v1/models").json()["data"][0]["id"], "echo");
    assert_eq!(probe.get("/v1/models/any/name").json()["id"], "any/name");
    assert_eq!(probe.get("/v1/models/any%2Fname").json()["id"], "any/name");
}

#[test]
fn records_tell_what_came_and_from_where() {
    let mock = mock();
    plain(&mock, "m");
    let mut probe = Probe::connect(&mock);
    probe.post(
        "/api/v1/chat/completions",
        "X-Odd: Value\r\n",
        &chat_body("m", true),
    );
    probe.reply();
    probe.chat("m", false);
    let value = until_received(&mock, |value| value["requests"][2]["finished"] == true);
    let request = &value["requests"][1];
    assert_eq!(request["method"], "POST");
    assert_eq!(request["path"], "/api/v1/chat/completions");
    assert!(
        request["headers"]
            .as_array()
            .unwrap()
            .contains(&json!(["X-Odd", "Value"]))
    );
    assert_eq!(request["body"], chat_body("m", true));
    assert_eq!(
        (&request["connection"], &request["on_connection"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(value["requests"][2]["on_connection"], 2);
    assert_eq!(
        (&request["client_gone"], &request["events_written"]),
        (&json!(false), &json!(36))
    );
    assert!(
        request["arrival_ms"].as_f64().unwrap()
            <= value["requests"][2]["arrival_ms"].as_f64().unwrap()
    );
}

#[test]
fn asking_the_mock_about_itself_leaves_no_trace() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    assert_eq!(probe.get("/health").json()["status"], "ok");
    assert_eq!(probe.get("/__mock/received").json(), received(&mock));
    let nothing = json!({"requests": 0, "connections": 0, "connections_open": 0, "client_gone": 0});
    assert_eq!(received(&mock)["counters"], nothing);
    plain(&mock, "m");
    probe.post("/__mock/reset", "", "");
    assert_eq!(probe.reply().status, 200);
    let value = until_received(&mock, |value| value["counters"]["connections_open"] == 0);
    assert_eq!(value, json!({"requests": [], "counters": nothing}));
}

#[test]
fn without_recording_requests_are_counted_and_not_kept() {
    let mock = Mock::start("127.0.0.1:0", 1, false).unwrap();
    plain(&mock, "m");
    assert_eq!(received(&mock)["requests"], json!([]));
    assert_eq!(received(&mock)["counters"]["requests"], 1);
}

#[test]
fn a_client_that_leaves_is_noticed_in_any_wait() {
    for (script, stream, events) in [
        ("latency=3600000", false, 0),
        ("ttft=3600000", true, 0),
        ("pace=3600000", true, 2),
        ("stall=3", true, 3),
        ("stall=3", false, 0),
    ] {
        let mock = mock();
        let mut probe = Probe::expecting_silence(&mock);
        assert_eq!(probe.chat(&format!("m;{script}"), stream).end, End::Silent);
        assert_eq!(received(&mock)["requests"][0]["finished"], false);
        drop(probe);
        let value = until_received(&mock, |value| value["counters"]["connections_open"] == 0);
        assert_eq!(value["counters"]["client_gone"], 1, "{script}");
        let request = &value["requests"][0];
        assert_eq!(
            (&request["client_gone"], &request["events_written"]),
            (&json!(true), &json!(events)),
            "{script}"
        );
    }
}

#[test]
fn a_client_that_does_not_read_is_waited_for_and_missed_when_it_leaves() {
    let mock = mock();
    let mut probe = Probe::connect(&mock);
    // Far more than the sockets' buffers hold.
    probe.post(
        "/v1/chat/completions",
        "",
        &chat_body("m;tokens=500;size=100000", true),
    );
    until_received(&mock, |value| value["counters"]["requests"] == 1);
    assert_eq!(received(&mock)["requests"][0]["finished"], false);
    drop(probe);
    let value = until_received(&mock, |value| value["requests"][0]["finished"] == true);
    assert_eq!(value["requests"][0]["client_gone"], true);
    assert!(value["requests"][0]["events_written"].as_u64().unwrap() < 500);
}

#[test]
fn several_threads_serve_one_address() {
    let mock = Mock::start("127.0.0.1:0", 3, true).unwrap();
    let mut probes: Vec<Probe> = (0..20).map(|_| Probe::connect(&mock)).collect();
    for probe in &mut probes {
        assert_eq!(probe.chat("m", true).events().len(), 36);
    }
    assert_eq!(received(&mock)["counters"]["connections_open"], 20);
    mock.stop();
    for probe in &mut probes {
        assert_ne!(probe.afterwards(), End::Silent);
    }
    mock.stop();
    assert!(std::net::TcpStream::connect(mock.address()).is_err());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let mock = mock();
    let error = Mock::start(&mock.address().to_string(), 1, false).unwrap_err();
    assert!(
        error.to_string().contains(&mock.address().to_string()),
        "{error}"
    );
}
