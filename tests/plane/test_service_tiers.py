"""``rust/plane/src/route/tier.rs``: tiers of service, who serves in them, what each endpoint is told, and the price."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.plane.harness import (
    PRICES,
    Rig,
    Upstream,
    answering,
    chat,
    completion,
    endpoint,
    model,
    plain_answer,
    provider,
    routing,
    running,
    snapshot,
)
from turnout.config import snapshot as written
from turnout.config.compile.tier import tiered

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = [
    written.Service(
        tier="priority", prompt=4_000_000_000, completion=20_000_000_000, cache_read=None, cache_write=None
    ),
    written.Service(tier="flex", prompt=1_000_000_000, completion=5_000_000_000, cache_read=None, cache_write=None),
]
BASE = msgspec.structs.replace(PRICES, request=0, service=SERVICE)


def catalogue(address: str) -> written.Snapshot:
    """``test/model`` at one provider in three tiers and at another in one; ``test/plain`` has none."""
    both = tiered([endpoint(0, "plain;prompt=1000", tag="alpha", prices=BASE), endpoint(1, tag="beta")])
    return snapshot(
        [provider(address, "alpha"), provider(address, "beta")],
        [model(*both), model(endpoint(0, tag="alpha"), slug="test/plain")],
        routing=routing(wishes={"policy": "order"}),
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(catalogue) as rig:
        yield rig


def asked(rig: Rig, path: str = "/v1/chat/completions", **members: Any) -> tuple[str, Any]:
    """The endpoint that served, and the body that it got."""
    rig.mock.reset()
    body = {**chat(), "max_tokens": 9, **members} if path == "/v1/messages" else {**chat(), **members}
    answer = rig.post(body, path)
    assert answer.status_code == 200, answer.text
    return answer.json().get("provider", ""), json.loads(rig.received()[-1]["body"])


def test_t01_nothing_is_the_ordinary_tier(rig: Rig) -> None:
    for members in ({}, {"service_tier": None}, {"service_tier": "auto"}, {"service_tier": "default"}):
        _, sent = asked(rig, **members)
        assert sent.get("service_tier") == members.get("service_tier")


@pytest.mark.parametrize("word", ["priority", "fast"])
def test_t01_t02_priority_is_first_and_fast_is_another_word_for_it(rig: Rig, word: str) -> None:
    name, sent = asked(rig, service_tier=word)
    assert (name, sent["service_tier"]) == ("Alpha", "priority")


def test_t02_anthropics_speed_means_the_same(rig: Rig) -> None:
    _, sent = asked(rig, "/v1/messages", speed="fast")
    assert sent["service_tier"] == "priority"


def test_t01_flex_is_served_by_flex_only() -> None:
    def make(address: str) -> written.Snapshot:
        both = tiered([endpoint(0, "plain;status=429", tag="alpha", prices=BASE), endpoint(1, tag="beta")])
        return snapshot([provider(address, "alpha"), provider(address, "beta")], [model(*both)])

    with running(make) as rig:
        # Its lack of capacity is told, and nobody else is asked.
        assert rig.chat(service_tier="flex").status_code == 429
        (sent,) = (json.loads(request["body"]) for request in rig.received())
        assert sent["service_tier"] == "flex"


def test_t01_where_there_is_no_flex_the_ordinary_ones_serve(rig: Rig) -> None:
    _, sent = asked(rig, model="test/plain", service_tier="flex")
    # Perhaps the provider knows the word.
    assert sent["service_tier"] == "flex"


def test_t01_priority_falls_back_to_the_ordinary_tier_which_is_not_told_of_it() -> None:
    def make(address: str) -> written.Snapshot:
        base = endpoint(0, "plain;status=500;times=1", tag="alpha", prices=BASE)
        return snapshot([provider(address, "alpha")], [model(*tiered([base]))])

    with running(make) as rig:
        assert rig.chat(service_tier="priority").status_code == 200
        first, second = (json.loads(request["body"]) for request in rig.received())
        assert first["service_tier"] == "priority"
        assert second["service_tier"] == "default"


def test_t01_the_ordinary_endpoint_beside_another_tier_is_told_that_it_is_ordinary(rig: Rig) -> None:
    name, sent = asked(rig, service_tier="priority", provider={"order": ["alpha"], "ignore": ["alpha/priority"]})
    assert (name, sent["service_tier"]) == ("Alpha", "default")


@pytest.mark.parametrize("preferences", [{"only": ["alpha/flex"]}, {"order": ["alpha/flex"]}])
def test_t01_a_tier_may_be_named(rig: Rig, preferences: Any) -> None:
    name, sent = asked(rig, provider=preferences)
    assert (name, sent["service_tier"]) == ("Alpha", "flex")


def test_t01_a_base_slug_does_not_mean_its_tiers(rig: Rig) -> None:
    for preferences in ({"only": ["alpha"]}, {"order": ["alpha"]}):
        _, sent = asked(rig, provider=preferences)
        assert "service_tier" not in sent


def test_t01_floor_lets_flex_in_unless_the_request_says_otherwise(rig: Rig) -> None:
    _, sent = asked(rig, model="test/model:floor")
    assert sent["service_tier"] == "flex"
    _, sent = asked(rig, model="test/model:floor", service_tier="default")
    assert sent["service_tier"] == "default"
    _, sent = asked(rig, model="test/model:floor", provider={"order": ["beta", "alpha"]})
    assert "service_tier" not in sent


def test_t01_nitro_lets_priority_in() -> None:
    # A gateway of its own: the others' speed is not known here, and cannot be higher by chance.
    with running(catalogue) as rig:
        for _ in range(4):
            rig.stream(model="test/model", provider={"only": ["alpha/priority"]})
        rig.statistics("alpha/priority")
        _, sent = asked(rig, model="test/model:nitro")
        assert sent["service_tier"] == "priority"


@pytest.mark.parametrize(
    ("granted", "cost"),
    [
        # 1000 tokens read and 100 written, at 4 and 20 dollars per million, or at 2 and 10.
        ("priority", 1000 * 4000 + 100 * 20_000),
        ("default", 1000 * 2000 + 100 * 10_000),
        (None, 1000 * 4000 + 100 * 20_000),
    ],
)
def test_t01_the_tier_that_served_is_told_and_sets_the_price(granted: str | None, cost: int) -> None:
    members: dict[str, Any] = {"usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}
    if granted is not None:
        members["service_tier"] = granted
    with Upstream(answering(plain_answer(completion(**members)))) as upstream:

        def make(_: str) -> written.Snapshot:
            return snapshot(
                [provider(upstream.address, "alpha")], [model(*tiered([endpoint(0, tag="alpha", prices=BASE)]))]
            )

        with running(make) as rig:
            answer = rig.chat(service_tier="priority").json()
            assert answer.get("service_tier") == granted
            (booked,) = rig.booked(1)
            assert (booked.endpoint, booked.cost_nano) == ("alpha/priority", cost)
