"""``rust/plane/src/request.rs``: every fault of a provider, plain and streamed, alone and with a good one behind it.

One table says for each fault of the mock what the client sees and what is booked; the tests read it four ways.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.plane.harness import (
    CHAT,
    PRICES,
    Rig,
    Upstream,
    answering,
    chat,
    closed_port,
    completion,
    credential,
    endpoint,
    eventually,
    model,
    plain_answer,
    provider,
    read_request,
    running,
    serving,
    snapshot,
)

# A stall has to be waited out; everything else answers at once.
TIMES = {"timeouts": {"first_byte_ms": 400, "idle_ms": 400}}
# The mock counts ten tokens of prompt and one for each token of the answer.
TOKENS = 3
COST = (10 * PRICES.prompt + TOKENS * PRICES.completion) // 1_000_000 + PRICES.request


@dataclass(frozen=True)
class Fault:
    """A fault that shows before anything can have been sent to the client."""

    script: str
    outcome: str
    """Booked of the attempt."""
    status: int = 502
    """What the client is told when nobody else can serve."""
    error_type: str = "provider_unavailable"
    provider_status: int = 200
    """Booked of the attempt; 0 when no head came."""
    plain: bool = True
    stream: bool = True
    final: bool = False
    """No other endpoint is asked."""
    message: str = ""
    """Stands in the client's message."""
    headers: tuple[tuple[str, str], ...] = ()


FAULTS = [
    Fault("status=500", "status", provider_status=500, message="answered with status 500"),
    Fault("status=502", "status", provider_status=502),
    Fault("status=503", "status", 503, "provider_overloaded", 503),
    Fault("status=529", "status", 503, "provider_overloaded", 529),
    Fault("status=504", "status", 504, "timeout", 504),
    Fault("status=408", "status", 504, "timeout", 408),
    Fault("status=429;retry_after=3", "status", 429, "rate_limit_exceeded", 429, headers=(("retry-after", "3"),)),
    Fault("status=503;retry_after=7", "status", 503, "provider_overloaded", 503, headers=(("retry-after", "7"),)),
    Fault("status=401", "status", provider_status=401, message="did not accept the gateway's credential"),
    Fault("status=402", "status", provider_status=402, message="did not accept the gateway's credential"),
    Fault("status=403", "status", provider_status=403, message="did not accept the gateway's credential"),
    Fault("status=404", "status", 404, "not_found", 404),
    Fault("status=301", "status", provider_status=301),
    Fault("status=400;message=bad%20tool", "status", 400, "invalid_request", 400, final=True, message="bad tool"),
    Fault("status=413", "status", 413, "payload_too_large", 413, final=True),
    Fault("status=422", "status", 422, "unprocessable", 422, final=True),
    Fault("error_in=0;message=oops", "status", message="an error inside: oops"),
    Fault("error_in=2;message=oops", "status", stream=False, message="an error inside: oops"),
    Fault("cut=0", "closed", message="closed the connection before the answer's end"),
    Fault("cut=3", "closed", stream=False),
    Fault("rst=0", "closed"),
    Fault("rst=3", "closed", stream=False),
    Fault("stall=0", "timeout", 504, "timeout", message="within"),
    Fault("stall=3", "timeout", 504, "timeout", stream=False, message="within 400 ms"),
    Fault("latency=60000", "timeout", 504, "timeout", 0, message="no answer within 400 ms"),
    Fault("garbage=0", "malformed", message="not valid JSON"),
    Fault("binary=1", "malformed", message="not UTF-8"),
    Fault("empty=1", "empty", message="was empty"),
    Fault("nochoices=1", "empty"),
    Fault("status=204", "empty", provider_status=204, stream=False),
    Fault("wronglength=5", "closed", stream=False),
    Fault("wronglength=-5", "malformed", stream=False),
    Fault("hdr=70", "malformed", provider_status=0, message="head is longer than 64 KiB"),
    Fault("drop=1", "closed", provider_status=0, message="without an answer"),
    Fault("drop=1;rst=0", "closed", provider_status=0, message="without an answer"),
]


def cases(*, stream: bool) -> list[Any]:
    return [pytest.param(fault, id=fault.script) for fault in FAULTS if (fault.stream if stream else fault.plain)]


def the_envelope_says(fault: Fault, status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    assert status == fault.status
    assert headers["content-type"].startswith("application/json")
    for name, value in fault.headers:
        assert headers[name] == value
    if not fault.headers:
        assert "retry-after" not in headers
    error: dict[str, Any] = json.loads(body)["error"]
    assert error["code"] == fault.status
    assert fault.message in error["message"]
    metadata: dict[str, Any] = error["metadata"]
    assert metadata["error_type"] == fault.error_type
    return metadata


def the_refusal_is_booked(rig: Rig, fault: Fault, generation_id: str, *, streamed: bool) -> None:
    (booked,) = rig.booked(1)
    assert booked.id == generation_id
    assert (booked.status, booked.error_type) == (fault.status, fault.error_type)
    assert (booked.provider, booked.provider_slug) == ("", "first")
    assert (booked.streamed, booked.cancelled) == (streamed, False)
    assert (booked.tokens_prompt, booked.tokens_completion, booked.cost_nano) == (0, 0, 0)
    assert booked.usage_source == "none"
    assert booked.ttft_us == 0
    (attempt,) = booked.attempts
    assert (attempt.provider, attempt.status, attempt.outcome) == ("first", fault.provider_status, fault.outcome)


@pytest.mark.parametrize("fault", cases(stream=False))
def test_a_plain_request_is_refused_with_what_was_wrong(fault: Fault) -> None:
    with serving(f"plain;{fault.script}", provider=TIMES) as rig:
        answer = rig.chat()
        metadata = the_envelope_says(fault, answer.status_code, dict(answer.headers), answer.content)
        assert metadata["provider_name"] == "First"
        assert "previous_errors" not in metadata
        the_refusal_is_booked(rig, fault, answer.headers["x-generation-id"], streamed=False)


@pytest.mark.parametrize("fault", cases(stream=True))
def test_a_stream_is_refused_as_a_plain_error_before_it_begins(fault: Fault) -> None:
    with serving(f"plain;{fault.script}", provider=TIMES) as rig:
        answer = rig.stream()
        metadata = the_envelope_says(fault, answer.status, answer.headers, answer.body)
        assert metadata["provider_name"] == "First"
        the_refusal_is_booked(rig, fault, answer.headers["x-generation-id"], streamed=True)


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        pytest.param(fault, stream, id=f"{'stream' if stream else 'plain'}-{fault.script}")
        for fault in FAULTS
        for stream in (False, True)
        if not fault.final and (fault.stream or not stream)
    ],
)
def test_the_next_endpoint_serves(fault: Fault, stream: bool) -> None:
    with serving(f"plain;{fault.script}", f"plain;tokens={TOKENS}", provider=TIMES) as rig:
        if stream:
            streamed = rig.stream()
            assert (streamed.status, streamed.whole, streamed.done) == (200, True, True)
            assert {chunk["provider"] for chunk in streamed.chunks} == {"Second"}
            generation_id = streamed.headers["x-generation-id"]
        else:
            answer = rig.chat()
            assert (answer.status_code, answer.json()["provider"]) == (200, "Second")
            generation_id = answer.headers["x-generation-id"]
        (booked,) = rig.booked(1)
        assert booked.id == generation_id
        assert (booked.status, booked.error_type, booked.provider) == (200, None, "Second")
        assert (booked.tokens_prompt, booked.tokens_completion, booked.cost_nano) == (10, TOKENS, COST)
        assert [(a.provider, a.status, a.outcome) for a in booked.attempts] == [
            ("first", fault.provider_status, fault.outcome),
            ("second", 200, "ok"),
        ]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.script) for fault in FAULTS if fault.final])
def test_the_clients_own_mistake_is_not_repeated_at_the_same_provider(fault: Fault, stream: bool) -> None:
    def make(address: str) -> Any:
        keys = [credential(label="one"), credential(label="two")]
        script = f"plain;{fault.script}"
        return snapshot(
            [provider(address, credentials=keys)], [model(endpoint(0, script), endpoint(0, script, tag="b"))]
        )

    with running(make) as rig:
        answer = rig.chat(stream=stream)
        the_envelope_says(fault, answer.status_code, dict(answer.headers), answer.content)
        assert rig.counters()["requests"] == 1
        the_refusal_is_booked(rig, fault, answer.headers["x-generation-id"], streamed=stream)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_refused_connection_is_told_and_the_next_endpoint_serves(stream: bool) -> None:
    nowhere = f"127.0.0.1:{closed_port()}"
    alone = snapshot([provider(nowhere)], [model(endpoint())])
    with running(lambda address: alone) as rig:
        answer = rig.chat(stream=stream)
        assert answer.status_code == 502
        error = answer.json()["error"]
        assert "connecting to 127.0.0.1" in error["message"]
        assert error["metadata"]["provider_name"] == "First"
        (booked,) = rig.booked(1)
        assert [(a.status, a.outcome) for a in booked.attempts] == [(0, "connect")]
        rig.swap(
            snapshot(
                [provider(nowhere), provider(rig.mock.address, "second")], [model(endpoint(), endpoint(1, "plain"))]
            )
        )
        assert rig.chat(stream=stream).status_code == 200
        (booked,) = rig.booked(1)
        assert [(a.provider, a.outcome) for a in booked.attempts] == [("first", "connect"), ("second", "ok")]


# After the first byte


@dataclass(frozen=True)
class Break:
    """A fault that shows when the client has seen something."""

    script: str
    outcome: str
    error_type: str = "provider_unavailable"
    code: int = 502


# A pace makes the mock write each event by itself, and the first read must hold whole events only.
BREAKS = [
    Break("cut=3;pace=30", "closed"),
    Break("cut=3;part=5;pace=30", "closed"),
    Break("rst=3;pace=30", "closed"),
    Break("stall=3", "timeout", "timeout", 504),
    Break("stall=3;part=9", "timeout", "timeout", 504),
    Break("garbage=3;pace=30", "malformed"),
    Break("error_in=3;pace=30", "status"),
    Break("nodone=1;nofinish=1;tokens=2;pace=30", "closed"),
]


@pytest.mark.parametrize("good_behind", [False, True], ids=["alone", "with a good endpoint behind"])
@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.script) for fault in BREAKS])
def test_a_stream_that_has_begun_ends_with_an_error_event_and_is_never_tried_again(
    fault: Break, good_behind: bool
) -> None:
    scripts = [f"plain;{fault.script}", *(["plain"] if good_behind else [])]
    with serving(*scripts, provider=TIMES) as rig:
        answer = rig.stream()
        assert (answer.status, answer.whole, answer.done) == (200, True, False)
        # The role and two tokens came through, untouched.
        assert answer.text == "the points "
        last = answer.chunks[-1]
        assert last["error"]["code"] == fault.code
        assert last["error"]["metadata"]["error_type"] == fault.error_type
        assert last["error"]["metadata"]["provider_name"] == "First"
        assert last["choices"][0]["finish_reason"] == "error"
        assert last["choices"][0]["native_finish_reason"] == "error"
        assert {chunk["id"] for chunk in answer.chunks} == {answer.headers["x-generation-id"]}
        assert rig.counters()["requests"] == 1
        (booked,) = rig.booked(1)
        assert booked.id == last["id"]
        assert (booked.status, booked.error_type, booked.provider) == (200, fault.error_type, "First")
        assert (booked.finish_reason, booked.cancelled, booked.streamed) == ("error", False, True)
        assert booked.tokens_completion > 0
        assert booked.cost_nano > 0
        assert booked.ttft_us > 0
        assert [(a.provider, a.status, a.outcome) for a in booked.attempts] == [("first", 200, fault.outcome)]


@pytest.mark.parametrize("script", ["garbage=3", "error_in=3"])
def test_events_that_were_read_together_with_the_fault_were_never_sent_so_the_next_endpoint_serves(
    script: str,
) -> None:
    # Without a pace the mock writes all events at once.
    with serving(f"plain;{script}", "plain;tokens=3") as rig:
        answer = rig.stream()
        assert (answer.status, answer.done) == (200, True)
        assert {chunk["provider"] for chunk in answer.chunks} == {"Second"}
        assert answer.text == "the points are "
        rig.booked(1)


# Odd but allowed

ODD = [
    "split=1",
    "split=7",
    "crlf=1",
    "nospace=1",
    "comments=1",
    "bom=1",
    "gzip=1",
    "gzip=1;split=1",
    "gzip=1;crlf=1;nospace=1;comments=1",
    "crlf=1;split=1;bom=1;comments=1",
    "nodone=1",
    "nofinish=1",
    "json_for_stream=1",
    "json_for_stream=1;gzip=1",
    "json_for_stream=1;chunked=1;split=3",
    "chunked=1",
    "chunked=1;split=1",
    "hdr=10",
    "slowhead=1",
    "close=1",
    "refuse_reuse=1",
    "usage=every",
    "usage=only",
    "chars=unicode",
    "chars=unicode;split=1",
    "chars=escaped;split=5",
]


@pytest.mark.parametrize("script", ODD)
def test_odd_plain_answers_are_answers(script: str) -> None:
    with serving(f"plain;tokens={TOKENS};{script}", f"plain;tokens={TOKENS}") as rig:
        answer = rig.chat()
        direct = json.loads(mock_answer(rig, f"plain;tokens={TOKENS};{script}", stream=False))
        assert answer.status_code == 200
        assert answer.json()["provider"] == "First"
        assert answer.json()["choices"][0]["message"] == direct["choices"][0]["message"]
        (booked,) = rig.booked(1)
        assert (booked.tokens_prompt, booked.tokens_completion, booked.cost_nano) == (10, TOKENS, COST)
        assert (booked.usage_source, len(booked.attempts)) == ("upstream", 1)


@pytest.mark.parametrize("script", ODD)
def test_odd_streams_are_streams(script: str) -> None:
    with serving(f"plain;tokens={TOKENS};{script}", f"plain;tokens={TOKENS}") as rig:
        answer = rig.stream()
        assert (answer.status, answer.whole, answer.done) == (200, True, True)
        assert {chunk["provider"] for chunk in answer.chunks} == {"First"}
        direct = json.loads(mock_answer(rig, f"plain;tokens={TOKENS};{script}", stream=False))
        assert answer.text == direct["choices"][0]["message"]["content"]
        assert answer.usage["completion_tokens"] == TOKENS
        (booked,) = rig.booked(1)
        assert (booked.tokens_prompt, booked.tokens_completion, booked.cost_nano) == (10, TOKENS, COST)
        assert (booked.usage_source, booked.finish_reason, len(booked.attempts)) == ("upstream", "stop", 1)


@pytest.mark.parametrize("usage", ["absent", "null"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_tokens_that_nobody_counted_are_estimated(usage: str, stream: bool) -> None:
    with serving(f"plain;tokens={TOKENS};usage={usage}") as rig:
        body = json.dumps(chat(stream=stream)).encode()
        if stream:
            answer = rig.post_stream(body)
            assert answer.done
            shown, text = answer.usage, answer.text
        else:
            plain = rig.post(body).json()
            shown, text = plain["usage"], plain["choices"][0]["message"]["content"]
        prompt, completion = -(-len(body) // 4), -(-len(text.encode()) // 4)
        assert (shown["prompt_tokens"], shown["completion_tokens"]) == (prompt, completion)
        (booked,) = rig.booked(1)
        assert (booked.tokens_prompt, booked.tokens_completion) == (prompt, completion)
        assert booked.usage_source == "estimated"
        expected = (prompt * PRICES.prompt + completion * PRICES.completion) // 1_000_000 + PRICES.request
        assert booked.cost_nano == expected


def mock_answer(rig: Rig, script: str, *, stream: bool) -> bytes:
    """What the mock says to the same script without the gateway. ``gzip`` is left out: the text is the same."""
    import http.client

    host, _, port = rig.mock.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        name = ";".join(part for part in script.split(";") if not part.startswith(("gzip", "bom", "close", "refuse")))
        body = json.dumps({**chat(stream=stream), "model": name})
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        return connection.getresponse().read()
    finally:
        connection.close()


# Several failures


def test_the_last_failure_speaks_and_the_others_are_listed() -> None:
    with serving("plain;status=500;message=one", "plain;empty=1", "plain;status=429;retry_after=9") as rig:
        answer = rig.chat()
        # They failed in different ways, each of which may be over soon.
        assert answer.status_code == 503
        error = answer.json()["error"]
        assert error["metadata"]["provider_name"] == "Third"
        assert [
            (previous["provider_name"], previous["code"], previous["message"])
            for previous in error["metadata"]["previous_errors"]
        ] == [("First", 500, "answered with status 500: one"), ("Second", 200, "its answer was empty")]
        (booked,) = rig.booked(1)
        assert [a.outcome for a in booked.attempts] == ["status", "empty", "status"]
        assert (booked.provider_slug, booked.status) == ("third", 503)


def test_the_shortest_wait_that_any_provider_asked_for_is_passed_on() -> None:
    with serving("plain;status=429;retry_after=4", "plain;status=503;retry_after=30") as rig:
        answer = rig.chat()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "4")
        assert answer.json()["error"]["metadata"]["retry_after"] == 4


def test_no_more_attempts_are_made_than_the_configuration_allows() -> None:
    with serving(*["plain;status=500"] * 5, server={"attempts": {"attempts_max": 3}}) as rig:
        assert rig.chat().status_code == 502
        assert rig.counters()["requests"] == 3
        (booked,) = rig.booked(1)
        assert len(booked.attempts) == 3


def test_one_attempt_means_no_fallback() -> None:
    with serving("plain;status=500", "plain", server={"attempts": {"attempts_max": 1}}) as rig:
        assert rig.chat().status_code == 502
        assert rig.counters()["requests"] == 1


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("script", ["latency=60000", "stall=0", "ttft=60000"])
def test_all_attempts_together_have_a_deadline(script: str, stream: bool) -> None:
    with serving(
        f"plain;{script}",
        f"plain;{script}",
        server={"attempts": {"total_ms": 500}},
        provider={"timeouts": {"first_byte_ms": 60_000, "idle_ms": 60_000}},
    ) as rig:
        answer = rig.chat(stream=stream)
        assert answer.status_code == 504
        (booked,) = rig.booked(1)
        # The first attempt used all of the time, so there is no second one.
        assert [a.outcome for a in booked.attempts] == ["timeout"]
        assert 500_000 <= booked.total_us < 30_000_000


def test_the_deadline_holds_for_a_plain_answer_that_trickles_in() -> None:
    def trickle(connection: Any) -> None:
        assert read_request(connection) is not None
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
        connection.settimeout(0.05)
        while True:
            connection.sendall(b" ")
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                continue

    with Upstream(trickle) as upstream:
        made = snapshot([provider(upstream.address)], [model(endpoint())], server={"attempts": {"total_ms": 600}})
        with running(lambda address: made) as rig:
            assert rig.chat().status_code == 504


def test_an_error_inside_a_success_that_names_its_status_is_taken_at_its_word() -> None:
    inside = {"error": {"message": "slow down", "code": 429}}
    with Upstream(answering(plain_answer(inside))) as upstream:
        made = snapshot([provider(upstream.address)], [model(endpoint())])
        with running(lambda address: made) as rig:
            answer = rig.chat()
            assert answer.status_code == 429
            error = answer.json()["error"]
            assert error["message"] == "First answered with status 200 and an error 429 inside: slow down"
            (booked,) = rig.booked(1)
            # What is booked of the attempt is the status that stood on the wire.
            assert [(a.status, a.outcome) for a in booked.attempts] == [(200, "status")]


def test_the_providers_word_for_the_error_and_the_type_that_follows_from_it_are_passed_on() -> None:
    body = {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}
    with Upstream(answering(plain_answer(body, status=400))) as upstream:
        made = snapshot([provider(upstream.address)], [model(endpoint())])
        with running(lambda address: made) as rig:
            metadata = rig.chat().json()["error"]["metadata"]
            assert metadata["provider_code"] == "context_length_exceeded"
            assert metadata["error_type"] == "context_length_exceeded"
            assert json.loads(metadata["raw"]) == body
            (booked,) = rig.booked(1)
            assert booked.error_type == "context_length_exceeded"


def test_the_raw_error_is_shown_only_when_the_operator_allows_it() -> None:
    with serving("plain;status=500;message=inner", server={"raw_errors": False}) as rig:
        assert "raw" not in rig.chat().json()["error"]["metadata"]
    with serving("plain;status=500;message=inner") as rig:
        assert "inner" in rig.chat().json()["error"]["metadata"]["raw"]


def test_what_a_provider_says_about_our_credential_is_never_shown() -> None:
    quoted = "Incorrect API key provided: sk-upst****6789"
    body = {"error": {"message": quoted, "code": "invalid_api_key"}}
    with Upstream(answering(plain_answer(body, status=401))) as upstream:
        made = snapshot(
            [provider(upstream.address), provider(upstream.address, "second")], [model(endpoint(), endpoint(1))]
        )
        with running(lambda address: made) as rig:
            answer = rig.chat()
            assert answer.status_code == 502
            assert "sk-upst" not in answer.text
            assert "previous_errors" in answer.text


# Bodies


def test_the_body_is_forwarded_byte_for_byte_but_for_the_model() -> None:
    body = (
        b'{ "messages" : [{"role":"user","content":"\\u00e9\\n  \xf0\x9f\x9a\x82"}],\n'
        b'\t"unknown": {"a":[1.0,2e3,null]},'
        b'"model"  :  "test/model", "temperature":0.70 }'
    )
    with serving("echo;tokens=1") as rig:
        assert rig.post(body).status_code == 200
        (received,) = rig.received()
        assert received["body"].encode() == body.replace(b'"test/model"', b'"echo;tokens=1"')


def test_a_stream_asks_for_its_usage_and_changes_nothing_else() -> None:
    body = b'{"model":"test/model","messages":[{"role":"user","content":"hi"}],"stream":true,"x":1}'
    with serving("echo") as rig:
        assert rig.post_stream(body).done
        (received,) = rig.received()
        sent = json.loads(received["body"])
        assert sent.pop("stream_options") == {"include_usage": True}
        assert sent == {**json.loads(body), "model": "echo"}


def test_a_provider_that_does_not_know_stream_options_is_not_sent_them() -> None:
    with serving("echo", provider={"quirks": {"stream_usage": False}}) as rig:
        assert rig.stream().usage["completion_tokens"] > 0
        (received,) = rig.received()
        assert "stream_options" not in json.loads(received["body"])


OURS: dict[str, Any] = {
    "provider": {"allow_fallbacks": True},
    "models": ["test/model"],
    "usage": {"include": True},
    "transforms": [],
    "route": "fallback",
}


def test_the_gateways_own_members_stay_here() -> None:
    with serving("echo") as rig:
        assert rig.chat(**OURS).status_code == 200
        (received,) = rig.received()
        assert json.loads(received["body"]) == {**chat(), "model": "echo"}


def test_a_provider_that_knows_them_gets_the_gateways_members() -> None:
    with serving("echo", provider={"routing_fields": True}) as rig:
        assert rig.chat(provider=OURS["provider"], transforms=[]).status_code == 200
        (received,) = rig.received()
        assert json.loads(received["body"])["provider"] == OURS["provider"]


def test_unknown_members_of_an_answer_survive() -> None:
    theirs = completion(vendor={"deep": [1, {"x": None}]}, service_tier="gold")
    theirs["choices"][0]["message"]["reasoning_extra"] = {"signature": "abc=="}
    with Upstream(answering(plain_answer(theirs))) as upstream:
        made = snapshot([provider(upstream.address)], [model(endpoint())])
        with running(lambda address: made) as rig:
            answer = rig.chat().json()
            assert answer["vendor"] == theirs["vendor"]
            assert answer["service_tier"] == "gold"
            assert answer["choices"][0]["message"] == theirs["choices"][0]["message"]
            assert answer["created"] == 1


def test_the_answer_has_the_shape_of_the_api() -> None:
    with serving("plain;tokens=4") as rig:
        answer = rig.chat()
        body = answer.json()
        assert body["id"] == answer.headers["x-generation-id"]
        prefix, seconds, letters = body["id"].split("-")
        assert (prefix, seconds.isdigit(), len(letters), letters.isalnum()) == ("gen", True, 20, True)
        assert (body["model"], body["provider"], body["object"]) == ("test/model", "First", "chat.completion")
        assert body["choices"][0]["finish_reason"] == body["choices"][0]["native_finish_reason"] == "stop"
        usage = body["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (10, 4, 14)
        # 10 tokens at 2 dollars and 4 at 10 per million, and 7 nano-dollars for the request.
        assert usage["cost"] == 0.000060007
        assert usage["cost_details"]["upstream_inference_prompt_cost"] == 0.00002
        assert usage["cost_details"]["upstream_inference_completions_cost"] == 0.00004
        assert usage["is_byok"] is False


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_the_three_apis_answer_under_both_prefixes(prefix: str) -> None:
    with serving("plain;tokens=2") as rig:
        assert rig.post(chat(), f"{prefix}/chat/completions").json()["object"] == "chat.completion"
        completed = rig.post({"model": "test/model", "prompt": "a"}, f"{prefix}/completions")
        assert completed.json()["choices"][0]["text"]
        embedded = rig.post({"model": "test/model", "input": "a"}, f"{prefix}/embeddings")
        assert embedded.json()["data"][0]["embedding"]
        assert embedded.json()["model"] == "test/model"
        assert [g.api for g in rig.booked(3)] == ["chat", "completions", "embeddings"]
        assert [r["path"] for r in rig.received()] == [
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/embeddings",
        ]


def test_completions_stream_too() -> None:
    with serving("plain;tokens=2") as rig:
        answer = rig.post_stream({"model": "test/model", "prompt": "a", "stream": True}, "/v1/completions")
        assert answer.done
        assert "".join(chunk["choices"][0]["text"] for chunk in answer.chunks) == "the points "
        assert answer.usage["completion_tokens"] == 2
        assert {chunk["object"] for chunk in answer.chunks} == {"text_completion"}
        rig.booked(1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"model":"test/model",}',
        b'{"model":"test/model"} trailing',
        b'{"model":"test/model","messages":"\xff"}',
        b'{"model":1,"messages":[]}',
        b'{"messages":[]}',
        b'{"model":null,"messages":[]}',
        b'{"model":"test/model","messages":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"model":"test/model","stream":"yes","messages":[]}',
        b'{"model":"test/model","models":"x","messages":[]}',
    ],
)
def test_a_body_that_cannot_be_read_is_refused_and_not_booked(body: bytes) -> None:
    with serving("plain") as rig:
        answer = rig.post(body)
        assert answer.status_code == 400
        assert answer.json()["error"]["metadata"]["error_type"] == "invalid_request"
        assert rig.counters()["requests"] == 0
        rig.booked(0, patience_s=0)


def test_a_key_that_stands_twice_is_read_as_any_parser_reads_it_and_sent_once() -> None:
    body = b'{"model":"nobody/knows","mod\\u0065l":"test/model","messages":[{"role":"user","content":"hi"}]}'
    with serving("echo") as rig:
        assert rig.post(body).status_code == 200
        (received,) = rig.received()
        assert received["body"].count("model") == 1
        assert json.loads(received["body"])["model"] == "echo"


def test_a_request_keeps_the_snapshot_that_it_began_with() -> None:
    with serving("plain;tokens=3;ttft=400") as rig, rig.connect() as connection:
        connection.send(chat(stream=True))
        eventually(lambda: rig.counters()["requests"] == 1, "the provider has the request")
        # The model is gone for everyone who comes now.
        rig.swap(snapshot([], [], digest="later"))
        assert rig.chat().status_code == 400
        answer = connection.answer()
        assert answer.status == 200
        assert answer.body.endswith(b"data: [DONE]\n\n")
        (booked,) = rig.booked(1)
        assert (booked.config_digest, booked.model) == ("test-digest", "test/model")


def test_two_requests_share_a_connection_on_both_sides() -> None:
    with serving("plain;tokens=2") as rig, rig.connect() as connection:
        for _ in range(3):
            connection.send(chat())
            assert connection.answer().status == 200
            connection.send(chat(stream=True))
            assert connection.answer().body.endswith(b"[DONE]\n\n")
        assert rig.counters()["connections"] == 1
        assert len({g.id for g in rig.booked(6)}) == 6


def test_the_next_key_is_tried_when_one_is_not_accepted() -> None:
    def make(address: str) -> Any:
        keys = [
            credential("sk-wrong-1", label="wrong-1", weight=1000),
            credential("sk-wrong-2", label="wrong-2", weight=1000),
            credential("sk-right", label="right", weight=1),
        ]
        return snapshot(
            [provider(address, credentials=keys)],
            [model(endpoint(model="plain;auth=sk-right"))],
        )

    with running(make) as rig:
        for stream in (False, True):
            assert rig.post(chat(stream=stream), CHAT).status_code == 200
            (booked,) = rig.booked(1)
            assert booked.attempts[-1].credential == "right"
            assert [a.outcome for a in booked.attempts][-1] == "ok"
            assert all((a.status, a.outcome) == (401, "status") for a in booked.attempts[:-1])
