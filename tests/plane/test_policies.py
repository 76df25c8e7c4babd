"""``rust/plane/src/route/policy/`` and ``rank.rs``: who is first among those that may serve."""

from __future__ import annotations

import math
from collections import Counter
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
    routing,
    running,
    snapshot,
    wishes,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from turnout.config import snapshot as written

OTHER = "sk-test-other-0123456789"
NAMES = ("alpha", "beta", "gamma", "delta", "epsilon")
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]


def priced(dollars: float | None) -> written.Prices | None:
    """Dollars per million tokens of either kind."""
    if dollars is None:
        return None
    nano = round(dollars * 1_000_000_000)
    return msgspec.structs.replace(PRICES, prompt=nano, completion=nano, request=0)


def fleet(*endpoints: dict[str, Any], policy: str | None = None, **changes: Any) -> Callable[[str], written.Snapshot]:
    """``test/model`` with one endpoint at a provider each: Alpha, Beta … Its ``price`` is in dollars."""

    def make(address: str) -> written.Snapshot:
        made = []
        for index, one in enumerate(endpoints):
            script = one.get("model", "plain;tokens=1")
            rest = {name: value for name, value in one.items() if name not in ("model", "price")}
            made.append(
                endpoint(
                    index,
                    script,
                    tag=NAMES[index],
                    **({"prices": priced(one["price"])} if "price" in one else {}),
                    **rest,
                )
            )
        return snapshot(
            [provider(address, NAMES[index]) for index in range(len(endpoints))],
            [model(*made)],
            **{"routing": routing(wishes={"policy": policy}), **changes},
        )

    return make


def shares(rig: Rig, draws: int, **members: Any) -> Counter[str]:
    """How often each provider served."""
    counts: Counter[str] = Counter()
    with rig.client() as client:
        for _ in range(draws):
            answer = client.post(CHAT, json={**chat(), **members})
            assert answer.status_code == 200, answer.text
            counts[answer.json()["provider"]] += 1
    return counts


def within(counts: Counter[str], expected: dict[str, float]) -> None:
    """Each share is within six standard deviations: a right draw fails this once in half a billion runs."""
    draws = sum(counts.values())
    for name, share in expected.items():
        bound = 6 * math.sqrt(draws * share * (1 - share)) + 1e-9
        assert abs(counts[name] - draws * share) <= bound, (counts, expected)


def warm(rig: Rig, *names: str, streams: int = 4) -> None:
    """Lets endpoints show how fast they are."""
    for name in names:
        for _ in range(streams):
            assert rig.stream(provider={"only": [name]}).done
        rig.statistics(name)


# Price


def test_r01_endpoints_are_drawn_by_one_over_the_square_of_the_price() -> None:
    with running(fleet({"price": 1}, {"price": 3})) as rig:
        within(shares(rig, 2000), {"Alpha": 0.9, "Beta": 0.1})


def test_r01_what_is_free_is_first_and_what_has_no_price_is_as_dear_as_the_dearest() -> None:
    with running(fleet({"price": 1}, {"price": 0}, {"price": 0})) as rig:
        within(shares(rig, 300), {"Alpha": 0.0, "Beta": 0.5, "Gamma": 0.5})
    with running(fleet({"price": 1}, {"price": 2}, {"price": None})) as rig:
        within(shares(rig, 1200), {"Alpha": 2 / 3, "Beta": 1 / 6, "Gamma": 1 / 6})


def test_r01_without_prices_everybody_is_drawn_alike() -> None:
    with running(fleet({"price": None}, {"price": None}, {"price": None})) as rig:
        within(shares(rig, 900), dict.fromkeys(("Alpha", "Beta", "Gamma"), 1 / 3))


def test_r02_an_endpoint_that_just_failed_is_last() -> None:
    # The cheapest fails once, then never again; for half a minute nobody goes there.
    with running(fleet({"price": 1, "model": "plain;status=500;times=1"}, {"price": 3}, {"price": 3})) as rig:
        rig.chat(provider={"order": ["alpha"]})
        within(shares(rig, 300), {"Alpha": 0.0, "Beta": 0.5, "Gamma": 0.5})
        # It is still there, behind the others.
        assert rig.chat(provider={"only": ["alpha"]}).json()["provider"] == "Alpha"


# In a fixed order


def test_r10_sort_price_is_the_same_each_time() -> None:
    with running(fleet({"price": 3}, {"price": None}, {"price": 1}, {"price": 2})) as rig:
        assert shares(rig, 50, provider={"sort": "price"}) == {"Gamma": 50}
        assert shares(rig, 10, provider={"sort": "price", "ignore": ["gamma"]}) == {"Delta": 10}
        assert shares(rig, 10, provider={"sort": {"by": "price"}, "only": ["beta", "alpha"]}) == {"Alpha": 10}


def test_r10_sort_by_speed_is_the_same_each_time_and_the_unknown_is_last() -> None:
    slow, quick = "plain;ttft=60;tokens=4", "plain;tokens=4"
    with running(fleet({"model": slow, "price": 1}, {"model": quick, "price": 9}, {"price": 1})) as rig:
        warm(rig, "alpha", "beta")
        for by in ("throughput", "latency"):
            assert shares(rig, 25, provider={"sort": by}) == {"Beta": 25}
            assert shares(rig, 5, provider={"sort": by, "ignore": ["beta"]}) == {"Alpha": 5}


def test_n01_n02_nitro_is_the_fastest_and_floor_the_cheapest() -> None:
    slow, quick = "plain;ttft=60;tokens=4", "plain;tokens=4"
    with running(fleet({"model": slow, "price": 1}, {"model": quick, "price": 9})) as rig:
        warm(rig, "alpha", "beta")
        assert shares(rig, 20, model="test/model:nitro") == {"Beta": 20}
        assert shares(rig, 20, model="test/model:floor") == {"Alpha": 20}
        # What the request says beside its model's name is stronger.
        assert shares(rig, 5, model="test/model:nitro", provider={"sort": "price"}) == {"Alpha": 5}


def test_r11_across_models_the_fastest_of_any_is_first() -> None:
    def make(address: str) -> written.Snapshot:
        return snapshot(
            [provider(address, name) for name in NAMES[:2]],
            [
                model(endpoint(0, tag="alpha", prices=priced(5)), slug="test/dear"),
                model(endpoint(1, tag="beta", prices=priced(1)), slug="test/cheap"),
            ],
            routing=routing(wishes={"policy": None}),
        )

    models: dict[str, Any] = {"model": "test/dear", "models": ["test/cheap"]}
    with running(make) as rig:
        for partition, expected in (("none", "test/cheap"), ("model", "test/dear"), (None, "test/dear")):
            answer = rig.chat(**models, provider={"sort": {"by": "price", "partition": partition}})
            assert answer.json()["model"] == expected
        assert rig.chat(**models, route="sort", provider={"sort": "price"}).json()["model"] == "test/cheap"
        assert rig.chat(**models, route="fallback").json()["model"] == "test/dear"
        assert rig.chat(**models, route="best").status_code == 400


def test_r06_without_fallbacks_only_the_first_is_asked() -> None:
    broken = {"model": "plain;status=500", "price": 1}
    with running(fleet(broken, {"price": 2})) as rig:
        wish = {"sort": "price", "allow_fallbacks": False}
        assert rig.chat(provider=wish).status_code >= 500
        assert rig.counters()["requests"] == 1


def test_r05_an_order_without_fallbacks_is_not_left() -> None:
    broken = {"model": "plain;status=500"}
    with running(fleet(broken, {}, broken)) as rig:
        assert rig.chat(provider={"order": ["gamma", "alpha"], "allow_fallbacks": False}).status_code >= 500
        assert rig.counters()["requests"] == 2
        assert rig.chat(provider={"order": ["gamma", "alpha"]}).json()["provider"] == "Beta"


def test_r04_an_order_is_kept_whatever_is_known_of_those_in_it() -> None:
    with running(fleet({"price": 9, "model": "plain;status=500;times=1"}, {"price": 1})) as rig:
        rig.chat(provider={"order": ["alpha"]})
        assert shares(rig, 20, provider={"order": ["alpha"]}) == {"Alpha": 20}


# Soft preferences


def test_r17_who_is_too_slow_is_last_and_still_there() -> None:
    slow, quick = "plain;ttft=60;tokens=4", "plain;tokens=4"
    with running(fleet({"model": slow, "price": 1}, {"model": quick, "price": 9})) as rig:
        warm(rig, "alpha", "beta")
        speed = rig.statistics("alpha")["throughput_last_30m"]["p50"]
        wish = {"sort": "price", "preferred_min_throughput": speed * 2}
        assert shares(rig, 10, provider=wish) == {"Beta": 10}
        assert shares(rig, 3, provider={**wish, "only": ["alpha"]}) == {"Alpha": 3}
        assert shares(rig, 3, provider={**wish, "preferred_min_throughput": 0.001}) == {"Alpha": 3}


def test_r18_who_answers_too_late_is_last() -> None:
    slow, quick = "plain;ttft=60;tokens=4", "plain;tokens=4"
    with running(fleet({"model": slow, "price": 1}, {"model": quick, "price": 9})) as rig:
        warm(rig, "alpha", "beta")
        for wish in (0.05, {"p50": 9, "p90": 0.05}, {"p99": 0.05}):
            assert shares(rig, 5, provider={"sort": "price", "preferred_max_latency": wish}) == {"Beta": 5}
        wish = {"p50": 9, "p99": 9}
        assert shares(rig, 5, provider={"sort": "price", "preferred_max_latency": wish}) == {"Alpha": 5}


def test_who_asked_to_be_left_alone_is_last_of_all() -> None:
    def make(address: str) -> written.Snapshot:
        return snapshot(
            [provider(address, name) for name in NAMES[:2]],
            [
                model(endpoint(0, "plain;status=429;retry_after=60;times=1", tag="alpha"), slug="test/one"),
                model(endpoint(1, tag="beta"), slug="test/two"),
            ],
            routing=routing(cooldown_max_ms=600_000),
        )

    with running(make) as rig:
        ask: dict[str, Any] = {"model": "test/one", "models": ["test/two"]}
        assert rig.chat(**ask).json()["model"] == "test/two"
        rig.mock.reset()
        assert rig.chat(**ask).json()["model"] == "test/two"
        assert rig.counters()["requests"] == 1


# Other policies, and who chooses


def test_weights_share_the_requests() -> None:
    with running(fleet({"weight": 6}, {"weight": 3}, {"weight": 1}, {"weight": 0}, policy="weighted")) as rig:
        within(shares(rig, 1200), {"Alpha": 0.6, "Beta": 0.3, "Gamma": 0.1, "Delta": 0.0})
        assert rig.chat(provider={"only": ["delta"]}).status_code == 200


def test_least_busy_avoids_who_has_work() -> None:
    make = fleet({"model": "plain;stall=3"}, {"model": "plain;tokens=1"}, policy="least_busy")
    with running(make) as rig, rig.connect() as connection:
        connection.send(chat(stream=True, provider={"only": ["alpha"]}))
        connection.head()
        assert shares(rig, 40) == {"Beta": 40}


def test_as_listed_is_as_listed() -> None:
    with running(fleet({"price": 9}, {"price": 1}, policy="order")) as rig:
        assert shares(rig, 20) == {"Alpha": 20}
    with running(fleet({"price": 1}, {"price": 9}, policy="price")) as rig:
        assert shares(rig, 20, provider={"sort": "order"}) == {"Alpha": 20}


def test_a_keys_policy_is_stronger_than_the_gateways_and_the_requests_strongest() -> None:
    keys = [key(), key(OTHER, name="other", routing=wishes(policy="order"))]
    with running(fleet({"price": 9}, {"price": 1}, policy="price", keys=keys)) as rig:
        rig.key = OTHER
        assert shares(rig, 20) == {"Alpha": 20}
        assert shares(rig, 20, provider={"sort": "price"}) == {"Beta": 20}


@pytest.mark.parametrize("policy", ["throughput", "latency", "exacto", "adaptive", "least_busy", "weighted", None])
def test_every_policy_falls_back(policy: str | None) -> None:
    broken = {"model": "plain;status=500"}
    with running(fleet(broken, broken, {}, policy=policy)) as rig:
        for _ in range(5):
            assert rig.chat().json()["provider"] == "Gamma"


# Quality of tool calls

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
WRONG = "tool;args=%7B%22city%22:7%7D"
"""Calls the tool with a number where a text is declared."""


def call_tools(rig: Rig, times: int, *names: str) -> None:
    """Lets each provider answer so often with a call of the tool."""
    for name in names:
        for _ in range(times):
            assert rig.chat(tools=[WEATHER], provider={"only": [name]}).status_code == 200
    rig.statistics("alpha")


def test_n04_exacto_takes_who_calls_tools_as_they_are_declared() -> None:
    with running(fleet({"model": WRONG, "price": 1}, {"model": "tool", "price": 9})) as rig:
        call_tools(rig, 10, "alpha", "beta")
        assert shares(rig, 10, model="test/model:exacto", tools=[WEATHER]) == {"Beta": 10}
        assert shares(rig, 5, tools=[WEATHER], provider={"sort": "exacto"}) == {"Beta": 5}


def test_r31_with_tools_endpoints_that_call_them_wrongly_stand_behind() -> None:
    """Four endpoints with two hundred answers each: from then on the cheapest is known to be bad at it."""
    names = NAMES[:4]
    with running(fleet({"model": WRONG, "price": 1}, *[{"model": "tool", "price": 9}] * 3)) as rig:
        call_tools(rig, 200, *names)
        assert "Alpha" not in shares(rig, 20, tools=[WEATHER])
        # Who says how to order, or has no tools, is served as ever.
        assert shares(rig, 5, tools=[WEATHER], provider={"sort": "price"}) == {"Alpha": 5}
        assert shares(rig, 40)["Alpha"] > 20


# Uptime


def drive(rig: Rig, requests: int, *names: str) -> None:
    """Asks each provider so often, whatever it answers."""
    with rig.client() as client:
        for name in names:
            for _ in range(requests):
                client.post(CHAT, json=chat(provider={"only": [name], "allow_fallbacks": False}))
    rig.statistics(names[0])


def order(rig: Rig) -> list[tuple[str, str]]:
    """Who would be tried, in order, and the group that each is in."""
    told = rig.post(chat(), x_turnout_explain="enabled").json()["turnout_explain"]
    return [(one["provider"], one["group"]) for one in told["candidates"]]


def test_r33_from_a_hundred_requests_on_uptime_decides_before_the_price_also_after_a_restart(tmp_path: Path) -> None:
    """Of a hundred requests 79, 80, 94 and 95 are served; each is a thousand times as dear as the one before it."""
    served = {"alpha": 79, "beta": 80, "gamma": 94, "delta": 95}
    endpoints = [
        {"model": f"plain;tokens=1;status=500;times={100 - good}", "price": 1000**rank / 1000}
        for rank, good in enumerate(served.values())
    ]
    # What failed a moment ago would stand behind for that reason.
    make = fleet(*endpoints, routing=routing(wishes={"policy": "price"}, outage_ms=0))
    with running(make, state_dir=tmp_path) as rig:
        drive(rig, 99, *served)
        assert order(rig) == [(name, "normal") for name in ("Alpha", "Beta", "Gamma", "Delta")]
        drive(rig, 1, *served)
        # That one went to Alpha, which served it: 80 of 101 are still below 80 %.
        by_uptime = [("Delta", "normal"), ("Beta", "lower"), ("Gamma", "lower"), ("Alpha", "fallback")]
        assert order(rig) == by_uptime
        assert shares(rig, 5) == {"Delta": 5}
        # The order of a request is stronger, and so is a provider that may serve alone.
        assert shares(rig, 1, provider={"order": ["alpha"]}) == {"Alpha": 1}
    with running(make, state_dir=tmp_path) as rig:
        assert order(rig) == by_uptime
