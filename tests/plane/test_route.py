"""``rust/plane/src/route/``: which endpoints may serve, in which order, with which key."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import (
    CHAT,
    Rig,
    chat,
    credential,
    endpoint,
    key,
    model,
    provider,
    running,
    serving,
    snapshot,
)
from turnout.config import snapshot as written

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITED = "sk-test-limited-0123456789"


def catalogue(address: str) -> written.Snapshot:
    """Three providers, two models with several endpoints, an alias, two wildcards, a key that may use some."""
    return snapshot(
        [provider(address, slug) for slug in ("alpha", "beta", "gamma")],
        [
            model(
                endpoint(0, "echo;finish=stop", tag="alpha"),
                endpoint(1, "echo", tag="beta/fast"),
                endpoint(2, "echo", tag="gamma"),
                slug="author/one",
            ),
            model(endpoint(1, "plain", tag="beta"), slug="author/two"),
            model(endpoint(0, "plain;status=500", tag="alpha"), slug="author/broken"),
        ],
        aliases={"one": "author/one"},
        # Longest prefix first, as the compiler leaves them.
        wildcards=[
            written.Wildcard(prefix="wild/deep/", endpoints=[endpoint(2, "echo;prompt=5", tag="gamma/deep")]),
            written.Wildcard(prefix="wild/", endpoints=[endpoint(0, "*", tag="alpha/wild")]),
        ],
        keys=[key(), key(LIMITED, name="limited", models=["author/two", "wild/*"])],
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(catalogue) as rig:
        yield rig


def ask(rig: Rig, secret: str | None = None, **members: Any) -> Any:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return rig.post({**chat(), **members}, CHAT, **headers)


def served(rig: Rig, **members: Any) -> str:
    """Display name of the provider that serves."""
    answer = ask(rig, **members)
    assert answer.status_code == 200, answer.text
    name: str = answer.json()["provider"]
    return name


# Names


def test_endpoints_are_tried_in_the_order_of_the_configuration(rig: Rig) -> None:
    assert served(rig, model="author/one") == "Alpha"


def test_an_alias_means_its_model_and_the_answer_names_the_model(rig: Rig) -> None:
    answer = ask(rig, model="one").json()
    assert (answer["model"], answer["provider"]) == ("author/one", "Alpha")


def test_a_wildcard_serves_any_name_and_passes_on_what_it_matched(rig: Rig) -> None:
    rig.mock.reset()
    answer = ask(rig, model="wild/echo;tokens=3").json()
    assert (answer["model"], answer["provider"]) == ("wild/echo;tokens=3", "Alpha")
    assert json.loads(rig.received()[0]["body"])["model"] == "echo;tokens=3"


def test_the_longest_wildcard_wins(rig: Rig) -> None:
    rig.mock.reset()
    answer = ask(rig, model="wild/deep/echo").json()
    assert (answer["model"], answer["provider"]) == ("wild/deep/echo", "Gamma")
    assert json.loads(rig.received()[0]["body"])["model"] == "echo;prompt=5"


def test_an_unknown_model_is_refused_with_near_names(rig: Rig) -> None:
    answer = ask(rig, model="author/onr")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["message"].startswith("author/onr is not a valid model ID; near names: author/one")
    assert error["metadata"]["near_models"][0] == "author/one"
    assert error["availability"]["code"] == "model_not_found"
    assert error["availability"]["retryable"] is False
    assert error["availability"]["requested_models"] == ["author/onr"]
    assert "x-generation-id" not in answer.headers


def test_a_name_like_no_other_has_no_near_names(rig: Rig) -> None:
    error = ask(rig, model="other/zzzzzzzzzzzzzzzzzz").json()["error"]
    assert "near names" not in error["message"]


def test_a_bare_name_is_shown_with_the_wildcards_that_could_hold_it(rig: Rig) -> None:
    error = ask(rig, model="zzzzzzzzzzzzzzzzzz").json()["error"]
    assert error["metadata"]["near_models"] == ["wild/deep/zzzzzzzzzzzzzzzzzz", "wild/zzzzzzzzzzzzzzzzzz"]


# Fallback models


def test_models_are_tried_after_the_model(rig: Rig) -> None:
    answer = ask(rig, model="author/broken", models=["author/two"]).json()
    assert (answer["model"], answer["provider"]) == ("author/two", "Beta")


def test_models_alone_are_enough(rig: Rig) -> None:
    body = {"models": ["author/broken", "author/two"], "messages": []}
    assert rig.post(body).json()["model"] == "author/two"


def test_a_fallback_that_does_not_exist_is_refused_at_once(rig: Rig) -> None:
    rig.mock.reset()
    assert ask(rig, model="author/two", models=["author/nowhere"]).status_code == 400
    assert rig.counters()["requests"] == 0


def test_each_model_may_be_an_alias_or_a_wildcard(rig: Rig) -> None:
    answer = ask(rig, model="author/broken", models=["wild/plain;status=500", "one"]).json()
    assert (answer["model"], answer["provider"]) == ("author/one", "Alpha")


# Preferences


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        ({"order": ["beta"]}, "Beta"),
        ({"order": ["gamma", "beta"]}, "Gamma"),
        ({"order": ["Gamma"]}, "Gamma"),
        ({"order": ["BETA/FAST"]}, "Beta"),
        ({"order": ["unknown"]}, "Alpha"),
        ({"only": ["gamma"]}, "Gamma"),
        ({"only": ["beta", "gamma"]}, "Beta"),
        ({"ignore": ["alpha"]}, "Beta"),
        ({"ignore": ["alpha", "beta/fast"]}, "Gamma"),
        ({"only": ["alpha", "gamma"], "ignore": ["alpha"]}, "Gamma"),
        ({"only": ["beta", "gamma"], "order": ["gamma"]}, "Gamma"),
        ({"allow_fallbacks": False}, "Alpha"),
        ({"allow_fallbacks": False, "order": ["gamma"]}, "Gamma"),
        ({}, "Alpha"),
        (None, "Alpha"),
    ],
)
def test_the_client_says_who_may_serve(rig: Rig, preferences: Any, expected: str) -> None:
    assert served(rig, model="author/one", provider=preferences) == expected


@pytest.mark.parametrize(
    "preferences",
    [
        {"only": ["unknown"]},
        {"ignore": ["alpha", "beta", "gamma"]},
        {"order": ["unknown"], "allow_fallbacks": False},
    ],
)
def test_nobody_left_is_refused(rig: Rig, preferences: Any) -> None:
    answer = ask(rig, model="author/one", provider=preferences)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["message"] == "No allowed providers are available for the selected model."
    assert error["availability"]["code"] == "constraint_filtered"


@pytest.mark.parametrize(
    ("preferences", "asked"),
    [
        ({"allow_fallbacks": False}, 1),
        ({"order": ["second", "first"], "allow_fallbacks": False}, 2),
        ({"order": ["third"]}, 3),
        ({"only": ["second", "third"]}, 2),
    ],
)
def test_fallback_stays_within_what_the_client_says(preferences: Any, asked: int) -> None:
    with serving(*["plain;status=500"] * 3) as rig:
        assert rig.chat(provider=preferences).status_code == 502
        assert rig.counters()["requests"] == asked


# What a key may use


def test_a_key_may_use_its_models_only(rig: Rig) -> None:
    assert ask(rig, LIMITED, model="author/two").status_code == 200
    assert ask(rig, LIMITED, model="wild/plain").status_code == 200
    answer = ask(rig, LIMITED, model="author/one")
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["metadata"]["error_type"] == "permission_denied"
    assert '"limited" may not use author/one' in error["message"]


def test_an_alias_is_no_way_around(rig: Rig) -> None:
    assert ask(rig, LIMITED, model="one").status_code == 403


def test_a_fallback_model_is_no_way_around(rig: Rig) -> None:
    rig.mock.reset()
    assert ask(rig, LIMITED, model="author/two", models=["author/one"]).status_code == 403
    assert rig.counters()["requests"] == 0


# Keys of a provider


def test_keys_are_drawn_by_weight() -> None:
    weights = {"heavy": 6, "middle": 3, "light": 1}

    def make(address: str) -> written.Snapshot:
        keys = [credential(f"sk-{name}", label=name, weight=weight) for name, weight in weights.items()]
        return snapshot([provider(address, credentials=keys)], [model(endpoint(model="plain;tokens=1"))])

    draws = 1200
    with running(make) as rig, rig.client() as client:
        for _ in range(draws):
            assert client.post(CHAT, json=chat()).status_code == 200
        counts: Counter[str] = Counter()
        for request in rig.received():
            counts[dict(request["headers"])["authorization"]] += 1
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        # Six standard deviations: a right draw fails this once in half a billion runs.
        bound = 6 * math.sqrt(draws * share * (1 - share))
        assert abs(counts[f"Bearer sk-{name}"] - draws * share) < bound, counts


def test_every_key_is_tried_once_and_the_last_of_many_counts_too() -> None:
    def make(address: str) -> written.Snapshot:
        keys = [credential(f"sk-{number}", label=f"key-{number}", weight=0) for number in range(20)]
        return snapshot(
            [provider(address, credentials=keys)],
            [model(endpoint(model="plain;auth=sk-other"))],
            server={"attempts": {"attempts_max": 20}},
        )

    with running(make) as rig:
        assert rig.chat().status_code == 502
        (booked,) = rig.booked(1)
        assert sorted(a.credential for a in booked.attempts) == sorted(f"key-{number}" for number in range(20))


def test_the_seventeenth_key_and_those_behind_it_are_used() -> None:
    def make(address: str) -> written.Snapshot:
        keys = [credential(f"sk-{number}", label=f"key-{number}", weight=1) for number in range(40)]
        keys.append(credential("sk-last", label="last", weight=1_000_000))
        return snapshot([provider(address, credentials=keys)], [model(endpoint())])

    with running(make) as rig:
        rig.chat()
        (booked,) = rig.booked(1)
        assert booked.attempts[0].credential == "last"


def test_a_provider_without_keys_is_asked_without_one() -> None:
    with serving("plain", provider={"credentials": []}) as rig:
        assert rig.chat().status_code == 200
        assert "authorization" not in dict(rig.received()[0]["headers"])
        (booked,) = rig.booked(1)
        assert booked.attempts[0].credential == ""


def test_a_timeout_is_not_tried_with_another_key_of_the_same_provider() -> None:
    def make(address: str) -> written.Snapshot:
        keys = [credential("sk-1", label="one"), credential("sk-2", label="two")]
        return snapshot(
            [provider(address, credentials=keys, timeouts={"first_byte_ms": 200}), provider(address, "second")],
            [model(endpoint(0, "plain;latency=60000"), endpoint(1, "plain"))],
        )

    with running(make) as rig:
        assert rig.chat().json()["provider"] == "Second"
        (booked,) = rig.booked(1)
        assert [(a.provider, a.outcome) for a in booked.attempts] == [("first", "timeout"), ("second", "ok")]


def test_a_name_of_a_megabyte_is_refused_without_being_repeated() -> None:
    with serving() as rig:
        answer = rig.chat(model="x" * 1_000_000)
        assert answer.status_code == 400
        assert "1000000 bytes" in answer.json()["error"]["message"]
        assert len(answer.content) < 1000
        rig.booked(0)
