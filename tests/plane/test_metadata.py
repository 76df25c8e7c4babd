"""``rust/plane/src/explain/``: what a client is told beside its answer when it asks (openrouter.md section 4.11)."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.plane.harness import (
    PRICES,
    Rig,
    chat,
    credential,
    endpoint,
    key,
    model,
    provider,
    router,
    running,
    serving,
    snapshot,
)
from turnout.config import snapshot as written

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
COMPLETIONS = "/v1/completions"
LIMITED = "sk-test-limited-0123456789"
ON = {"x_openrouter_metadata": "enabled"}
EXPLAIN = {"x_turnout_explain": "enabled"}


def fleet(address: str) -> written.Snapshot:
    """Models that answer, fall back and fail, with an alias for the first."""
    return snapshot(
        [provider(address, slug) for slug in ("alpha", "beta")],
        [
            model(endpoint(0, "plain", tag="alpha"), endpoint(1, "plain", tag="beta"), slug="author/good"),
            model(endpoint(0, "plain;status=503", tag="alpha"), endpoint(1, "plain", tag="beta"), slug="author/second"),
            model(endpoint(0, "plain;status=500", tag="alpha"), slug="author/bad"),
            model(endpoint(0, "plain;tokens=4;cut=4", tag="alpha"), slug="author/cut"),
            model(endpoint(0, "plain", tag="alpha", completion_tokens_max=10), slug="author/short"),
        ],
        aliases={"good": "author/good", "~author/good-latest": "author/good"},
        keys=[key(), key(LIMITED, name="limited", models=["author/good"])],
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(fleet) as rig:
        yield rig


def body(path: str, slug: str = "author/good", **members: Any) -> dict[str, Any]:
    """A small request of the API at ``path``."""
    said: dict[str, dict[str, Any]] = {
        MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50},
        RESPONSES: {"input": "hi"},
        COMPLETIONS: {"prompt": "hi"},
    }
    return {"model": slug, **said.get(path, {"messages": [{"role": "user", "content": "hi"}]}), **members}


def events(content: bytes) -> list[Any]:
    """The JSON of each event of a stream, whatever its API."""
    lines = [line.removeprefix("data:").strip() for line in content.decode().splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


PATHS = ["/v1/chat/completions", COMPLETIONS, MESSAGES, RESPONSES]


@pytest.mark.parametrize("path", PATHS)
def test_d04_a_plain_answer_carries_the_metadata(rig: Rig, path: str) -> None:
    answer = rig.post(body(path), path, **ON).json()
    told = answer["openrouter_metadata"]
    assert told.pop("generation_time") >= 0
    assert told == {
        "requested": "author/good",
        "strategy": "direct",
        "region": None,
        "summary": "available=2, selected=Alpha",
        "attempt": 1,
        "is_byok": False,
        "endpoints": {
            "total": 2,
            "available": [
                {"provider": "Alpha", "model": "author/good", "selected": True},
                {"provider": "Beta", "model": "author/good", "selected": False},
            ],
        },
        "attempts": [{"provider": "Alpha", "model": "author/good", "status": 200}],
    }
    assert "turnout_explain" not in answer
    assert "openrouter_metadata" not in rig.post(body(path), path).json()


@pytest.mark.parametrize("path", PATHS)
def test_d04_a_stream_carries_the_metadata_once_in_its_last_event(rig: Rig, path: str) -> None:
    content = rig.post(body(path, stream=True), path, **ON).content
    told = events(content)
    last = told[-1]["response"] if path == RESPONSES else told[-1]
    assert last["openrouter_metadata"]["summary"] == "available=2, selected=Alpha"
    assert last["openrouter_metadata"]["attempt"] == 1
    assert content.count(b"openrouter_metadata") == 1
    # The same events as without it, but for its member and the ids.
    assert len(told) == len(events(rig.post(body(path, stream=True), path).content))


def test_d04_strategies_tell_how_the_name_was_found(rig: Rig) -> None:
    def strategy(**members: Any) -> tuple[str, str]:
        told = rig.post({"messages": [{"role": "user", "content": "hi"}], **members}, **ON).json()
        return told["openrouter_metadata"]["requested"], told["openrouter_metadata"]["strategy"]

    assert strategy(model="author/good") == ("author/good", "direct")
    assert strategy(model="good") == ("good", "alias")
    assert strategy(model="~author/good-latest") == ("~author/good-latest", "latest")
    assert strategy(models=["author/bad", "author/good"]) == ("author/bad", "fallback")


def test_d04_routers_tell_their_strategy_and_what_they_chose_from() -> None:
    free = msgspec.structs.replace(PRICES, prompt=0, completion=0, request=0)
    good = written.Scores(intelligence=500, coding=900, agentic=500)

    def make(address: str) -> written.Snapshot:
        return snapshot(
            [provider(address)],
            [
                model(endpoint(), slug="author/coder", scores=good),
                model(endpoint(prices=free), slug="author/gratis", scores=good),
            ],
            routers=[
                router("auto", "openrouter/auto"),
                router("free", "openrouter/free"),
                router("pareto", "openrouter/pareto-code"),
            ],
        )

    with running(make) as rig:
        for name, strategy in (("auto", "auto"), ("free", "free"), ("pareto-code", "pareto")):
            answer = rig.post(body("", f"openrouter/{name}"), **ON).json()
            told = answer["openrouter_metadata"]
            assert (told["requested"], told["strategy"], told["attempt"]) == (f"openrouter/{name}", strategy, 1)
            (selected,) = [one for one in told["endpoints"]["available"] if one["selected"]]
            assert selected["model"] == answer["model"]
            (stage,) = told["pipeline"]
            assert answer["model"] in json.dumps(stage["data"])
            assert {"type", "name", "summary", "data"} == set(stage)


def test_r37_attempts_are_listed_in_the_metadata_and_the_record() -> None:
    with running(fleet) as rig:
        said = {"models": ["author/bad", "author/second"], "messages": [{"role": "user", "content": "hi"}]}
        told = rig.post(said, **ON).json()["openrouter_metadata"]
        (record,) = rig.booked()
    assert told["attempt"] == 3
    assert told["attempts"] == [
        {"provider": "Alpha", "model": "author/bad", "status": 500},
        {"provider": "Alpha", "model": "author/second", "status": 503},
        {"provider": "Beta", "model": "author/second", "status": 200},
    ]
    assert [one["selected"] for one in told["endpoints"]["available"]] == [False, False, True]
    assert [(attempt.provider, attempt.status) for attempt in record.attempts] == [
        ("alpha", 500),
        ("alpha", 503),
        ("beta", 200),
    ]


@pytest.mark.parametrize("path", PATHS)
def test_d05_an_error_carries_the_metadata_with_none_selected(rig: Rig, path: str) -> None:
    answer = rig.post(body(path, "author/bad"), path, **ON)
    assert answer.status_code >= 400
    told = answer.json()["openrouter_metadata"]
    assert "error" in answer.json()
    assert told["attempt"] == 1
    assert told["summary"] == "available=1, selected=none"
    assert told["endpoints"]["available"] == [{"provider": "Alpha", "model": "author/bad", "selected": False}]
    assert told["attempts"] == [{"provider": "Alpha", "model": "author/bad", "status": 500}]


@pytest.mark.parametrize("path", PATHS)
def test_d05_a_request_that_reached_nobody_is_attempt_zero(rig: Rig, path: str) -> None:
    answer = rig.post(body(path, provider={"only": ["nobody"]}), path, **ON)
    assert answer.status_code == 404
    told = answer.json()["openrouter_metadata"]
    assert (told["attempt"], told["endpoints"]["available"]) == (0, [])
    assert "attempts" not in told
    unknown = rig.post(body(path, "author/unknown"), path, **ON)
    assert unknown.status_code == 400
    assert unknown.json()["openrouter_metadata"]["endpoints"] == {"total": 0, "available": []}


def test_d05_what_is_dropped_counts_in_the_total(rig: Rig) -> None:
    told = rig.post(body("", "author/short", max_tokens=20), **ON).json()["openrouter_metadata"]
    assert told["endpoints"] == {"total": 1, "available": []}


@pytest.mark.parametrize("path", PATHS)
def test_d05_a_stream_that_breaks_carries_the_metadata_in_its_error_event(rig: Rig, path: str) -> None:
    told = events(rig.post(body(path, "author/cut", stream=True), path, **ON).content)
    last = told[-1]["response"] if path == RESPONSES else told[-1]
    metadata = last["openrouter_metadata"]
    assert metadata["summary"] == "available=1, selected=none"
    assert (metadata["attempt"], metadata["attempts"][0]["status"]) == (1, 200)


def test_d05_errors_at_the_edge_carry_none(rig: Rig) -> None:
    with rig.client(headers={"x-openrouter-metadata": "enabled"}) as client:
        stranger = client.post("/v1/chat/completions", json=chat())
    assert stranger.status_code == 401
    assert "openrouter_metadata" not in stranger.json()
    malformed = rig.post(b"{", **ON)
    assert malformed.status_code == 400
    assert "openrouter_metadata" not in malformed.json()


@pytest.mark.parametrize("value", ["enabled", "Enabled", "ENABLED"])
def test_d06_the_word_is_taken_in_any_case_and_under_the_older_name(rig: Rig, value: str) -> None:
    for name in ("x_openrouter_metadata", "x_openrouter_experimental_metadata"):
        assert "openrouter_metadata" in rig.post(body(""), **{name: value}).json()


@pytest.mark.parametrize("value", ["disabled", "true", "1", "yes", "enabled;x", "enable"])
def test_d06_any_other_value_is_off(rig: Rig, value: str) -> None:
    for name in ("x_openrouter_metadata", "x_openrouter_experimental_metadata", "x_turnout_explain"):
        answer = rig.post(body(""), **{name: value}).json()
        assert "openrouter_metadata" not in answer
        assert "turnout_explain" not in answer


def test_d06_the_newer_name_counts_where_both_are_sent(rig: Rig) -> None:
    answer = rig.post(body(""), x_openrouter_metadata="disabled", x_openrouter_experimental_metadata="enabled").json()
    assert "openrouter_metadata" not in answer


# turnout_explain


def test_explain_shows_each_candidate_each_attempt_and_the_time(rig: Rig) -> None:
    answer = rig.post(body("", "author/second"), **EXPLAIN)
    told = answer.json()["turnout_explain"]
    assert "openrouter_metadata" not in answer.json()
    assert told["generation_id"] == answer.headers["x-generation-id"]
    assert (told["requested"], told["strategy"], told["key"]) == (["author/second"], "direct", "me")
    assert told["config"] == "test-digest"
    first, second = told["candidates"]
    assert (first["rank"], first["endpoint"], first["selected"]) == (1, "alpha", False)
    assert (second["rank"], second["endpoint"], second["selected"]) == (2, "beta", True)
    assert second["prices"] == {"prompt": "2", "completion": "10", "request": "0.000000007", "version": "v1"}
    assert second["statistics"]["uptime"] == "normal"
    failed, served = told["attempts"]
    assert (failed["status"], failed["outcome"]) == (503, "status")
    assert (served["status"], served["outcome"], served["provider"]) == (200, "ok", "Beta")
    assert served["latency_us"] > 0
    timings = told["timings"]
    assert {"parse", "plan"} <= {step["step"] for step in timings["steps"]}
    assert timings["total_us"] >= timings["waited_us"] > 0
    assert timings["overhead_us"] == timings["total_us"] - timings["waited_us"]
    assert "sk-upstream" not in answer.text


def test_explain_names_what_dropped_an_endpoint(rig: Rig) -> None:
    told = rig.post(body("", "author/short", max_tokens=20), **EXPLAIN).json()["turnout_explain"]
    (dropped,) = told["candidates"]
    assert (dropped["rank"], dropped["endpoint"], dropped["dropped_by"]) == (None, "alpha", "max_tokens")


def test_explain_tells_the_policy_and_what_only_a_fallback_could_have_done(rig: Rig) -> None:
    wishes = {"sort": "throughput", "allow_fallbacks": False}
    told = rig.post(body("", provider=wishes), **EXPLAIN).json()["turnout_explain"]
    assert told["policies"] == [{"model": "author/good", "policy": "throughput", "from": "request"}]
    first, second = told["candidates"]
    assert (first["rank"], first["group"], first["dropped_by"]) == (1, "normal", None)
    assert (second["rank"], second["group"], second["dropped_by"]) == (None, "normal", "allow_fallbacks")


# Who may know


INSIDER = "sk-test-insider-0123456789"
"""A key that may know all, whatever the gateway tells others."""


@contextlib.contextmanager
def telling(explain: written.Explain) -> Iterator[Rig]:
    """A gateway that tells so much, with a key of the client's own and one of everybody at the provider."""

    def make(address: str) -> written.Snapshot:
        ours = [credential("sk-one", label="team-account"), credential("sk-two", label="adas", kind="prioritized")]
        return snapshot(
            [provider(address, credentials=ours)],
            [model(endpoint(model="plain;tokens=2"))],
            server={"explain": explain},
            keys=[key(), key(INSIDER, name="insider", explain="full")],
        )

    with running(make) as rig:
        yield rig


def test_explain_tells_whose_key_it_was() -> None:
    with telling("full") as rig:
        answer = rig.post(chat(), **ON, **EXPLAIN).json()
    metadata, told = answer["openrouter_metadata"], answer["turnout_explain"]
    assert metadata["is_byok"]
    assert metadata["endpoints"]["total"] == 2
    assert [one["selected"] for one in metadata["endpoints"]["available"]] == [True, False]
    assert [one["own_key"] for one in told["candidates"]] == ["adas", None]
    assert [one["upstream_model"] for one in told["candidates"]] == ["plain;tokens=2"] * 2
    assert (told["attempts"][0]["credential"], told["attempts"][0]["is_byok"]) == ("adas", True)


def test_explain_tells_others_nothing_of_the_gateways_accounts() -> None:
    with telling("request") as rig:
        answer = rig.post(chat(), **EXPLAIN)
        told = answer.json()["turnout_explain"]
        assert [one["own_key"] for one in told["candidates"]] == ["own", None]
        assert [one["upstream_model"] for one in told["candidates"]] == [None, None]
        assert (told["attempts"][0]["credential"], told["attempts"][0]["is_byok"]) == (None, True)
        # What the request costs it is told anyway.
        assert told["candidates"][0]["prices"]["prompt"] == "2"
        for inside in ("adas", "team-account", "tokens=2"):
            assert inside not in answer.text
        streamed = rig.post_stream(chat(stream=True), **EXPLAIN)
        assert "adas" not in streamed.body.decode()
        rig.key = INSIDER
        assert "adas" in rig.post(chat(), **EXPLAIN).text


def test_explain_can_be_turned_off_for_all_but_some_keys() -> None:
    debug = {"echo_upstream_body": True}
    with telling("off") as rig:
        answer = rig.post(chat(), **ON, **EXPLAIN).json()
        assert "turnout_explain" not in answer
        assert "openrouter_metadata" in answer
        assert "turnout_explain" not in rig.post(chat(model="no/such"), **EXPLAIN).text
        assert b"echo_upstream_body" not in rig.post_stream(chat(stream=True, debug=debug)).body
        rig.key = INSIDER
        assert "turnout_explain" in rig.post(chat(), **EXPLAIN).json()
        assert b"echo_upstream_body" in rig.post_stream(chat(stream=True, debug=debug)).body
        # The admin asks beside the clients, and knows all.
        rehearsal = {"body": chat(), "key": "me"}
        told = json.loads(rig.plane.explain(json.dumps(rehearsal).encode()))["turnout_explain"]
        assert told["candidates"][0]["own_key"] == "adas"


def test_explain_comes_beside_the_metadata_in_a_stream(rig: Rig) -> None:
    last = events(rig.post(body("", stream=True), **ON, **EXPLAIN).content)[-1]
    assert last["openrouter_metadata"]["attempt"] == 1
    assert last["turnout_explain"]["attempts"][0]["outcome"] == "ok"
    assert last["usage"]["total_tokens"] > 0


def test_explain_is_told_by_other_apis_too(rig: Rig) -> None:
    path = "/v1beta/models/author/good:generateContent"
    said = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert rig.post(said, path, **EXPLAIN).json()["turnout_explain"]["attempts"][0]["status"] == 200
    streamed = rig.post(said, path.replace("generate", "streamGenerate") + "?alt=sse", **EXPLAIN).content
    assert events(streamed)[-1]["turnout_explain"]["strategy"] == "direct"
    array = rig.post(said, path.replace("generate", "streamGenerate"), **EXPLAIN).json()
    assert "turnout_explain" in array[-1]
    assert not any("turnout_explain" in element for element in array[:-1])


def test_explain_survives_a_provider_that_answers_a_stream_plainly() -> None:
    with serving("plain;json_for_stream=1") as rig:
        stream = rig.post_stream(chat(stream=True), **ON)
        assert stream.done
        assert stream.chunks[-1]["openrouter_metadata"]["attempt"] == 1


def test_explain_tells_what_became_of_the_conversation(rig: Rig) -> None:
    def sticky() -> Any:
        return rig.post(body("", session_id="s-1"), **EXPLAIN).json()["turnout_explain"]["sticky"]

    assert sticky() == {"by": "session_id", "decision": "new", "endpoint": ""}
    assert sticky() == {"by": "session_id", "decision": "kept", "endpoint": "alpha"}
    assert rig.post(body(""), **EXPLAIN).json()["turnout_explain"]["sticky"]["by"] == "messages"


def test_an_answer_from_the_cache_carries_none(rig: Rig) -> None:
    said = body("", user="somebody") | {"stream": False}
    first = rig.post(said, x_openrouter_cache="true", **ON, **EXPLAIN)
    again = rig.post(said, x_openrouter_cache="true", **ON, **EXPLAIN)
    assert (first.headers["x-openrouter-cache-status"], again.headers["x-openrouter-cache-status"]) == ("MISS", "HIT")
    assert "openrouter_metadata" in first.json()
    assert "openrouter_metadata" not in again.json()
    assert "turnout_explain" not in again.json()


# The explanation of a request that is not sent


def rehearse(rig: Rig, **request: Any) -> Any:
    return json.loads(rig.plane.explain(json.dumps(request).encode()))


def test_a_rehearsal_tells_the_plan_and_sends_nothing(rig: Rig) -> None:
    before = rig.counters()
    told = rehearse(rig, body=body("", "author/second"), key="me")
    assert rig.counters() == before
    assert told["openrouter_metadata"]["attempt"] == 0
    assert [one["endpoint"] for one in told["turnout_explain"]["candidates"]] == ["alpha", "beta"]
    assert (told["turnout_explain"]["key"], told["turnout_explain"]["attempts"]) == ("me", [])
    assert "error" not in told


def test_a_rehearsal_knows_the_conversation_and_does_not_begin_one(rig: Rig) -> None:
    def sticky(session: str) -> Any:
        told = rehearse(rig, body=body(""), key="me", headers={"x-session-id": session})
        return told["turnout_explain"]["sticky"]

    rig.post(body(""), x_session_id="s-2")
    assert sticky("s-2") == {"by": "header", "decision": "kept", "endpoint": "alpha"}
    assert sticky("s-3")["decision"] == "new"
    assert sticky("s-3")["decision"] == "new"


def test_a_rehearsal_that_is_refused_tells_the_error_of_its_api(rig: Rig) -> None:
    told = rehearse(rig, api="messages", body=body(MESSAGES), key="limited")
    assert "error" not in told
    told = rehearse(rig, api="messages", body=body(MESSAGES, "author/bad"), key="limited")
    assert (told["type"], told["error"]["type"]) == ("error", "permission_error")
    assert told["openrouter_metadata"]["endpoints"]["available"] == []
    told = rehearse(rig, api="chat", body={"model": 1})
    assert "must be a string" in told["error"]["message"]


def test_a_rehearsal_takes_the_model_of_an_api_that_has_it_in_its_path(rig: Rig) -> None:
    told = rehearse(rig, api="gemini", model="author/good", body={"contents": []})
    assert told["turnout_explain"]["requested"] == ["author/good"]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (b"[", "EOF"),
        (b'{"body":{},"seed":-1}', "integer"),
        (b'{"body":{},"what":1}', "what"),
        (b'{"body":{},"api":"nope"}', "no API is called"),
        (b'{"body":{},"key":"nobody"}', "no key has this name"),
        (b'{"body":{},"headers":{"a b":"c"}}', "headers"),
        (b'{"body":{},"headers":{"a":"c\\r\\nd: e"}}', "headers"),
        (b'{"body":{},"api":"gemini"}', "model"),
    ],
)
def test_a_rehearsal_that_is_none_says_what_is_wrong(rig: Rig, request_: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        rig.plane.explain(request_)
