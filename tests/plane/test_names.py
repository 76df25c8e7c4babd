"""``rust/plane/src/route/name.rs``: what the names of a request mean, suffixes included."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.plane.harness import (
    CHAT,
    PRICES,
    Rig,
    chat,
    endpoint,
    key,
    model,
    provider,
    running,
    snapshot,
    wire,
)
from turnout.config import snapshot as written

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITED = "sk-test-limited-0123456789"
NOTHING = msgspec.structs.replace(
    PRICES, version="v0", prompt=0, completion=0, cache_read=0, cache_write=0, cache_write_1h=0, request=0
)


def catalogue(address: str) -> written.Snapshot:
    """One provider for each protocol that matters, a gateway among them; models with variants and levels of thought."""
    searching = ["web_search_options", "tools", "reasoning", "reasoning_effort", "max_tokens"]
    return snapshot(
        [
            provider(address, "alpha"),
            provider(address, "beta", wires=[wire(address, "anthropic")]),
            provider(address, "gamma", wires=[wire(address, "responses")]),
            provider(address, "gateway", routing_fields=True),
        ],
        [
            model(endpoint(0, "plain", tag="alpha"), slug="author/one"),
            model(endpoint(0, "plain", tag="alpha", prices=NOTHING), slug="author/one:free"),
            model(
                endpoint(0, "plain", tag="alpha", parameters=["tools"]),
                endpoint(0, "plain", tag="alpha/search", parameters=searching),
                slug="author/searching",
            ),
            model(endpoint(1, "plain", tag="beta"), slug="author/messages"),
            model(endpoint(2, "plain", tag="gamma"), slug="author/responses"),
            model(endpoint(3, "plain", tag="gateway"), slug="author/routed"),
            model(endpoint(0, "plain", tag="alpha"), slug="author/thinker:thinking"),
            model(endpoint(0, "plain;status=500", tag="alpha"), slug="author/broken"),
            model(
                endpoint(0, "plain", tag="alpha"),
                slug="author/always-2",
                reasoning=written.Reasoning(mandatory=True, efforts=["high", "low"]),
            ),
            model(
                endpoint(0, "plain", tag="alpha"),
                slug="author/sometimes",
                reasoning=written.Reasoning(mandatory=False, efforts=["high"]),
            ),
        ],
        aliases={
            "one": "author/one",
            "author/one-2026-01-01": "author/one",
            "author/old-name": "author/one",
            "~author/always-latest": "author/always-2",
            "~author/one-latest": "author/one",
        },
        wildcards=[
            written.Wildcard(prefix="author/", endpoints=[endpoint(0, "*", tag="alpha")]),
            written.Wildcard(prefix="alpha/", endpoints=[endpoint(0, "*", tag="alpha")]),
            written.Wildcard(prefix="", endpoints=[endpoint(3, "*", tag="gateway")]),
        ],
        keys=[key(), key(LIMITED, name="limited", models=["author/one", "author/searching:free"])],
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(catalogue) as rig:
        yield rig


def ask(rig: Rig, secret: str | None = None, **members: Any) -> Any:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return rig.post({**chat(), **members}, CHAT, **headers)


def served(rig: Rig, **members: Any) -> tuple[str, dict[str, Any]]:
    """The model that the answer names, and the body that the provider got."""
    rig.mock.reset()
    answer = ask(rig, **members)
    assert answer.status_code == 200, answer.text
    sent: dict[str, Any] = json.loads(rig.received()[0]["body"])
    return answer.json()["model"], sent


# Suffixes


@pytest.mark.parametrize("suffix", ["nitro", "floor", "exacto", "nitro:nitro"])
def test_n06_a_suffix_for_a_way_of_choosing_leaves_the_model_what_it_is(rig: Rig, suffix: str) -> None:
    name, sent = served(rig, model=f"author/one:{suffix}")
    assert (name, sent["model"]) == ("author/one", "plain")


def test_n06_suffixes_combine_in_any_order(rig: Rig) -> None:
    for name in ("author/one:free:nitro", "author/one:nitro:free"):
        assert served(rig, model=name)[0] == "author/one:free"


def test_n06_two_ways_of_choosing_contradict(rig: Rig) -> None:
    answer = ask(rig, model="author/one:nitro:floor")
    assert answer.status_code == 400
    assert ":nitro, :floor and :exacto" in answer.json()["error"]["message"]


def test_n06_a_wildcard_is_asked_without_the_suffix(rig: Rig) -> None:
    name, sent = served(rig, model="alpha/echo:8b:floor")
    assert (name, sent["model"]) == ("alpha/echo:8b", "echo:8b")


def test_n03_a_free_variant_costs_nothing(rig: Rig) -> None:
    answer = ask(rig, model="author/one:free").json()
    assert (answer["model"], answer["usage"]["cost"]) == ("author/one:free", 0)
    assert ask(rig, model="author/one").json()["usage"]["cost"] > 0


def test_n09_each_of_several_models_may_have_a_suffix(rig: Rig) -> None:
    name, _ = served(rig, model="author/broken:nitro", models=["author/one:free:floor"])
    assert name == "author/one:free"


def test_n11_a_variant_that_is_not_listed_is_refused_with_those_that_are(rig: Rig) -> None:
    for name in ("author/one:extended", "author/one:batch:nitro", "author/old-name:thinking"):
        answer = ask(rig, model=name)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert "has no variant" in error["message"]
        assert error["metadata"]["near_models"] == ["author/one", "author/one:free"]
        assert error["availability"]["code"] == "model_not_found"


def test_n12_behind_a_gateway_only_it_knows_the_variants(rig: Rig) -> None:
    name, sent = served(rig, model="other/name:batch:nitro")
    assert (name, sent["model"]) == ("other/name:batch", "other/name:batch")


def test_n11_a_thinking_variant_thinks_unless_told_otherwise(rig: Rig) -> None:
    _, sent = served(rig, model="author/thinker:thinking")
    assert sent["reasoning_effort"] == "medium"
    _, sent = served(rig, model="author/thinker:thinking", reasoning_effort="low")
    assert sent["reasoning_effort"] == "low"


# Other names


def test_n07_the_newest_of_a_family_is_served_under_its_own_name() -> None:
    def older(address: str) -> written.Snapshot:
        return msgspec.structs.replace(
            catalogue(address), aliases={"~author/family-latest": "author/one"}, digest="older"
        )

    with running(older) as rig:
        assert served(rig, model="~author/family-latest")[0] == "author/one"
        newer = msgspec.structs.replace(
            older(rig.mock.address), aliases={"~author/family-latest": "author/searching"}, digest="newer"
        )
        rig.plane.swap(written.encode(newer))
        assert served(rig, model="~author/family-latest")[0] == "author/searching"


def test_n08_an_old_name_is_served_under_the_new_one(rig: Rig) -> None:
    assert served(rig, model="author/old-name")[0] == "author/one"


def test_n10_a_dated_name_is_accepted(rig: Rig) -> None:
    assert served(rig, model="author/one-2026-01-01:nitro")[0] == "author/one"


def test_r28_the_answer_and_the_price_are_those_of_the_model_that_served(rig: Rig) -> None:
    answer = ask(rig, model="author/broken", models=["author/one:free"]).json()
    assert (answer["model"], answer["usage"]["cost"]) == ("author/one:free", 0)
    answer = ask(rig, model="author/broken", models=["~author/one-latest"]).json()
    assert answer["model"] == "author/one"
    assert answer["usage"]["cost"] > 0


def test_r29_fallbacks_of_messages_are_models_and_at_most_three(rig: Rig) -> None:
    body = {"model": "author/broken", "max_tokens": 9, "messages": [{"role": "user", "content": "u"}]}
    answer = rig.post({**body, "fallbacks": [{"model": "one"}]}, "/v1/messages")
    assert answer.json()["model"] == "author/one"
    for wrong in (
        {"fallbacks": [{"model": "one"}] * 4},
        {"fallbacks": [{"model": "one", "max_tokens": 1}]},
        {"fallbacks": [{"model": "one"}], "models": ["one"]},
    ):
        assert rig.post({**body, **wrong}, "/v1/messages").status_code == 400


def test_a_key_for_a_model_is_one_for_its_variants(rig: Rig) -> None:
    for name in ("author/one:free", "author/one:nitro", "one:online:free"):
        # Whether it can be served is another question than whether it may be asked.
        assert ask(rig, LIMITED, model=name).status_code != 403
    for name in ("author/searching", "author/messages:nitro", "alpha/echo:free"):
        assert ask(rig, LIMITED, model=name).status_code == 403


# The search of the web


def test_n05_online_asks_an_endpoint_that_can_search(rig: Rig) -> None:
    # Of its two endpoints the first one cannot, and would have been sent nothing about it.
    name, sent = served(rig, model="author/searching:online")
    assert (name, sent["web_search_options"]) == ("author/searching", {})


def test_n05_the_plugin_means_the_same(rig: Rig) -> None:
    _, sent = served(rig, model="author/searching", plugins=[{"id": "web"}])
    assert sent["web_search_options"] == {}
    assert "plugins" not in sent
    _, sent = served(rig, model="author/searching", plugins=[{"id": "web", "enabled": False}])
    assert "web_search_options" not in sent


def test_n05_each_protocol_has_its_own_words(rig: Rig) -> None:
    _, sent = served(rig, model="author/messages:online")
    assert [tool["type"] for tool in sent["tools"]] == ["web_search_20250305"]
    _, sent = served(rig, model="author/responses:online")
    assert [tool["type"] for tool in sent["tools"]] == ["web_search"]
    _, sent = served(rig, model="author/routed:online")
    assert sent["plugins"] == [{"id": "web"}]


def test_n05_who_cannot_search_is_not_asked(rig: Rig) -> None:
    answer = ask(rig, model="author/one:online")
    assert answer.status_code == 404
    assert "can search the web" in answer.json()["error"]["message"]


def test_n05_another_engine_is_not_offered(rig: Rig) -> None:
    answer = ask(rig, model="author/searching", plugins=[{"id": "web", "engine": "exa"}])
    assert answer.status_code == 400
    assert "native" in answer.json()["error"]["message"]


# Levels of thought


def test_q10_a_level_that_the_model_does_not_know_becomes_the_nearest(rig: Rig) -> None:
    for asked, sent in (("xhigh", "high"), ("minimal", "low"), ("medium", "low"), ("low", "low")):
        assert served(rig, model="author/always-2", reasoning_effort=asked)[1]["reasoning_effort"] == sent
    _, body = served(rig, model="author/sometimes", reasoning={"effort": "low"})
    assert body["reasoning_effort"] == "high"


def test_q10_thought_that_cannot_be_left_out_is_refused_or_the_least_of_it(rig: Rig) -> None:
    for wish in ({"reasoning_effort": "none"}, {"reasoning": {"enabled": False}}, {"reasoning": {"max_tokens": 0}}):
        answer = ask(rig, model="author/always-2", **wish)
        assert answer.status_code == 400
        assert "mandatory" in answer.json()["error"]["message"]
    _, sent = served(rig, model="~author/always-latest", reasoning={"effort": "none"})
    assert sent["reasoning_effort"] == "low"
    _, sent = served(rig, model="~author/always-latest", reasoning={"enabled": False})
    assert "reasoning_effort" not in sent
    # One of several models is not what the request depends on.
    assert ask(rig, model="author/broken", models=["author/always-2"], reasoning_effort="none").status_code == 200
