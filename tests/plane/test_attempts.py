"""``rust/plane/src/attempts.rs``: who is tried after whom, for how long, and what is told when nobody served."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plane.harness import (
    CHAT,
    Upstream,
    answering,
    chat,
    closed_port,
    credential,
    endpoint,
    model,
    plain_answer,
    provider,
    running,
    serving,
    snapshot,
)

NAMES = ("first", "second", "third", "fourth", "fifth")


def two_models(address: str, first: list[str], second: list[str]) -> Any:
    """``a/one`` with the first scripts, ``a/two`` with the second, each endpoint at a provider of its own."""
    providers = [provider(address, NAMES[index]) for index in range(len(first) + len(second))]
    one = model(*(endpoint(index, script) for index, script in enumerate(first)), slug="a/one")
    two = model(*(endpoint(len(first) + index, script) for index, script in enumerate(second)), slug="a/two")
    return snapshot(providers, [one, two])


def tried(rig: Any) -> list[str]:
    (booked,) = rig.booked(1)
    return [attempt.provider for attempt in booked.attempts]


# Who is tried


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_r03_the_models_endpoints_come_before_the_next_model(stream: bool) -> None:
    with running(lambda address: two_models(address, ["p;status=500", "p;drop=1"], ["p;tokens=3"])) as rig:
        answer = rig.post(chat(model="a/one", models=["a/two"], stream=stream))
        assert answer.status_code == 200
        (booked,) = rig.booked(1)
        assert [attempt.provider for attempt in booked.attempts] == ["first", "second", "third"]
        # R28: the model and the price of whoever served.
        assert (booked.model, booked.provider) == ("a/two", "Third")
        if not stream:
            assert answer.json()["model"] == "a/two"


@pytest.mark.parametrize(
    ("wishes", "attempts"),
    [
        ({"order": ["second", "first"], "allow_fallbacks": False}, ["second", "first"]),
        ({"order": ["first"], "allow_fallbacks": False}, ["first"]),
    ],
)
def test_r05_nobody_outside_the_order_is_asked_when_fallbacks_are_not_allowed(
    wishes: dict[str, Any], attempts: list[str]
) -> None:
    with serving("p;status=500", "p;status=500", "p") as rig:
        assert rig.chat(provider=wishes).status_code == 502
        assert tried(rig) == attempts


def test_r06_without_fallbacks_only_the_first_choice_is_asked() -> None:
    with serving("p;status=500", "p") as rig:
        assert rig.chat(provider={"allow_fallbacks": False}).status_code == 502
        assert tried(rig) == ["first"]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_r25_our_own_key_refused_is_gone_around_and_never_the_clients_401(status: int) -> None:
    with serving(f"p;status={status}", "p") as rig:
        assert rig.chat().json()["provider"] == "Second"
    with serving(f"p;status={status}", f"p;status={status}") as rig:
        answer = rig.chat()
        assert (answer.status_code, answer.headers["x-should-retry"]) == (502, "false")
        assert "did not accept the gateway's credential" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "X"}},
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}},
    ],
)
def test_r25_a_400_that_is_about_our_account_is_not_the_clients(body: dict[str, Any]) -> None:
    with Upstream(answering(plain_answer(body, status=400))) as broke:
        made = snapshot([provider(broke.address)], [model(endpoint())])
        with running(lambda address: made) as rig:
            answer = rig.chat()
            assert answer.status_code == 502
            assert body["error"]["message"] not in answer.text


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_r26_what_one_provider_calls_wrong_is_tried_at_others(status: int) -> None:
    with serving(f"p;status={status}", "p;tokens=2") as rig:
        answer = rig.chat()
        assert (answer.status_code, answer.json()["provider"]) == (200, "Second")
        (booked,) = rig.booked(1)
        # The refusal cost nothing: what is booked is the second endpoint's.
        assert (booked.tokens_prompt, booked.tokens_completion) == (10, 2)
    with serving(*[f"p;status={status}"] * 5) as rig:
        assert rig.chat().status_code == status
        assert tried(rig) == ["first", "second", "third", "fourth"]  # as many as attempts.max


def refusing(code: str, status: int = 400) -> Any:
    body = {"error": {"message": "no", "type": "invalid_request_error", "code": code}}
    return Upstream(answering(plain_answer(body, status=status)))


@pytest.mark.parametrize("code", ["context_length_exceeded", "content_policy_violation", "invalid_image"])
def test_r27_the_next_model_is_tried_after_any_error(code: str) -> None:
    with refusing(code) as picky:

        def make(address: str) -> Any:
            return snapshot(
                [provider(picky.address), provider(address, "second")],
                [model(endpoint(), slug="a/one"), model(endpoint(1, "p"), slug="a/two")],
            )

        with running(make) as rig:
            answer = rig.post(chat(model="a/one", models=["a/two"]))
            assert (answer.status_code, answer.json()["model"]) == (200, "a/two")


def test_r27_too_long_is_tried_where_more_fits_only() -> None:
    with refusing("context_length_exceeded") as picky:

        def make(address: str) -> Any:
            lengths = [(8_000, "first"), (8_000, "second"), (4_000, "third"), (100_000, "fourth")]
            providers = [provider(picky.address if slug == "first" else address, slug) for _, slug in lengths]
            ends = [endpoint(index, "p", context_length=length) for index, (length, _) in enumerate(lengths)]
            return snapshot(providers, [model(*ends)])

        with running(make) as rig:
            assert rig.chat().json()["provider"] == "Fourth"
            assert tried(rig) == ["first", "fourth"]


def test_r27_a_broken_picture_is_not_shown_to_other_providers_of_the_model() -> None:
    with refusing("invalid_image") as picky:

        def make(address: str) -> Any:
            return snapshot(
                [provider(picky.address), provider(address, "second")], [model(endpoint(), endpoint(1, "p"))]
            )

        with running(make) as rig:
            answer = rig.chat()
            assert (answer.status_code, answer.json()["error"]["metadata"]["error_type"]) == (400, "invalid_image")
            assert tried(rig) == ["first"]


def test_two_keys_of_a_provider_are_tried_while_others_are_left() -> None:
    def make(address: str) -> Any:
        keys = [credential(label=f"key-{number}") for number in range(6)]
        script = "p;status=429"
        return snapshot(
            [provider(address, credentials=keys), provider(address, "second")],
            [model(endpoint(0, script), endpoint(1, "p")), model(endpoint(0, script), slug="test/alone")],
        )

    with running(make) as rig:
        assert rig.chat().json()["provider"] == "Second"
        assert tried(rig) == ["first", "first", "second"]
        assert rig.chat(model="test/alone").status_code == 429
        (booked,) = rig.booked(1)
        assert len({attempt.credential for attempt in booked.attempts}) == 4


# What is told


def test_r23_all_rate_limited_is_429_with_the_shortest_wait() -> None:
    with serving("p;status=429;retry_after=9", "p;status=429;retry_after=4", "p;status=429") as rig:
        answer = rig.chat()
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "4")
        error = answer.json()["error"]
        assert error["availability"] == {
            "code": "capacity_exhausted",
            "retryable": True,
            "requested_models": ["test/model"],
            "docs_url": "/v1/models",
            "retry_after": 4,
            "affected_providers": ["First", "Second", "Third"],
        }
        metadata = error["metadata"]
        assert (metadata["error_type"], metadata["is_byok"]) == ("rate_limit_exceeded", False)
        assert metadata["limit_source"] == "upstream_provider_shared_pool"
        assert "own" in metadata["remedy_hint"]


@pytest.mark.parametrize(
    ("scripts", "status", "error_type", "availability"),
    [
        (["status=500", "status=502"], 502, "provider_unavailable", None),
        (["status=503", "status=529"], 503, "provider_overloaded", "temporarily_unavailable"),
        (["status=500", "status=503"], 503, "provider_overloaded", "temporarily_unavailable"),
        (["status=500", "status=429"], 503, "provider_overloaded", "temporarily_unavailable"),
        (["status=504", "status=408"], 504, "timeout", None),
        (["empty=1", "garbage=0"], 502, "provider_unavailable", None),
        (["status=404", "status=404"], 404, "not_found", "model_unavailable_upstream"),
        (["status=404", "status=500"], 502, "provider_unavailable", None),
        (["status=401", "status=404"], 502, "provider_unavailable", None),
        (["status=401", "status=503"], 503, "provider_overloaded", "temporarily_unavailable"),
        (["status=400", "status=503"], 400, "invalid_request", None),
    ],
)
def test_r24_what_is_told_when_everybody_failed(
    scripts: list[str], status: int, error_type: str, availability: str | None
) -> None:
    with serving(*(f"p;{script}" for script in scripts)) as rig:
        answer = rig.chat()
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, status)
        assert error["metadata"]["error_type"] == error_type
        assert error.get("availability", {}).get("code") == availability
        assert len(error["metadata"]["previous_errors"]) == 1
        (booked,) = rig.booked(1)
        assert (booked.status, booked.error_type, len(booked.attempts)) == (status, error_type, 2)


def test_r37_o10_every_attempt_is_booked_in_its_order() -> None:
    with serving("p;status=500", "p;status=429", "p;tokens=1") as rig:
        assert rig.chat().status_code == 200
        (booked,) = rig.booked(1)
        assert [(a.provider, a.endpoint, a.status, a.outcome) for a in booked.attempts] == [
            ("first", "tag-0", 500, "status"),
            ("second", "tag-1", 429, "status"),
            ("third", "tag-2", 200, "ok"),
        ]


# How long


SLOW = {"timeouts": {"first_byte_ms": 60_000, "idle_ms": 60_000}}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("script", ["latency=60000", "stall=0"])
def test_each_attempt_has_its_own_deadline(script: str, stream: bool) -> None:
    with serving(f"p;{script}", "p", server={"attempts": {"each_ms": 300}}, provider=SLOW) as rig:
        assert rig.chat(stream=stream).status_code == 200
        (booked,) = rig.booked(1)
        assert [(a.provider, a.outcome) for a in booked.attempts] == [("first", "timeout"), ("second", "ok")]


@pytest.mark.parametrize(
    ("headers", "members"),
    [
        ({"x_turnout_attempt_timeout": "300ms"}, {}),
        ({"x_turnout_attempt_timeout": "0.3"}, {"provider": {"attempt_timeout": 50}}),
        ({}, {"provider": {"attempt_timeout": 0.3}}),
        ({}, {"provider": {"attempt_timeout": "300ms"}}),
    ],
)
def test_a_request_can_set_the_deadline_of_each_attempt(headers: dict[str, str], members: dict[str, Any]) -> None:
    with serving("p;latency=60000", "p", provider=SLOW) as rig:
        assert rig.post(chat(**members), CHAT, **headers).status_code == 200
        assert tried(rig) == ["first", "second"]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("headers", "members"),
    [({"x_turnout_timeout": "0.4"}, {}), ({}, {"provider": {"timeout": "400ms"}})],
)
def test_a_request_that_sets_its_own_deadline_is_told_408(
    headers: dict[str, str], members: dict[str, Any], stream: bool
) -> None:
    with serving("p;status=500", "p;latency=60000", "p", provider=SLOW) as rig:
        answer = rig.post(chat(stream=stream, **members), CHAT, **headers)
        assert answer.status_code == 408
        error = answer.json()["error"]
        assert error["metadata"]["error_type"] == "timeout"
        assert error["message"].startswith(
            "The deadline that the request set has passed (attempts: 2); the last: Second"
        )
        assert [previous["provider"] for previous in error["metadata"]["previous_errors"]] == ["First"]
        assert tried(rig) == ["first", "second"]


@pytest.mark.parametrize("header", ["x_turnout_timeout", "x_turnout_attempt_timeout"])
def test_who_has_no_patience_says_nothing_about_the_endpoint(header: str) -> None:
    """Otherwise one client could close a breaker before all others."""
    with serving("p;latency=60000", provider=SLOW) as rig:
        for _ in range(3):
            assert rig.post(chat(), CHAT, **{header: "50ms"}).status_code in (408, 504)
        assert json.loads(rig.plane.statistics())["endpoints"] == []
        assert [record.attempts[0].outcome for record in rig.booked(3)] == ["timeout"] * 3


def test_a_request_cannot_ask_for_more_than_is_configured() -> None:
    with serving("p;latency=60000", server={"attempts": {"total_ms": 300}}, provider=SLOW) as rig:
        assert rig.post(chat(), CHAT, x_turnout_timeout="600").status_code == 504


@pytest.mark.parametrize("text", ["soon", "-1", "0", "2h"])
def test_a_deadline_that_cannot_be_read_is_refused(text: str) -> None:
    with serving("p") as rig:
        answer = rig.post(chat(), CHAT, x_turnout_timeout=text)
        assert answer.status_code == 400
        assert "X-Turnout-Timeout must be a time above 0" in answer.json()["error"]["message"]
        answer = rig.chat(provider={"timeout": text})
        assert answer.status_code == 400
        assert "`provider.timeout` must be a time above 0" in answer.json()["error"]["message"]
        rig.booked(0)


def test_a_connection_that_is_refused_is_no_reason_to_wait() -> None:
    nowhere = f"127.0.0.1:{closed_port()}"

    def make(address: str) -> Any:
        return snapshot([provider(nowhere), provider(address, "second")], [model(endpoint(), endpoint(1, "p"))])

    with running(make) as rig:
        assert rig.post(chat(), CHAT, x_turnout_timeout="20").json()["provider"] == "Second"
