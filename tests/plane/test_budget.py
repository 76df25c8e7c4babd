"""``rust/plane/src/budget.rs``: second tries cannot multiply an outage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.plane.harness import Rig, endpoint, model, provider, routing, running, snapshot

RETRIES = {"percent": 0, "per_second": 0}
"""Ten second tries that fail, and no more."""


def serving(*scripts: str, retries: dict[str, int]) -> Any:
    def make(address: str) -> Any:
        names = ("first", "second", "third")
        return snapshot(
            [provider(address, names[at]) for at in range(len(scripts))],
            [model(*(endpoint(at, script) for at, script in enumerate(scripts)))],
            routing=routing(retries=retries),
        )

    return running(make)


def tried(rig: Rig) -> list[str]:
    rig.chat()
    (booked,) = rig.booked(1)
    return [attempt.provider for attempt in booked.attempts]


def test_an_outage_of_everybody_is_not_multiplied() -> None:
    with serving("p;status=500", "p;status=500", retries=RETRIES) as rig:
        attempts = [tried(rig) for _ in range(20)]
        assert attempts == [["first", "second"]] * 10 + [["first"]] * 10
        assert rig.metric("turnout_retries_denied_total") == 10
        # The failure that there was is told as ever.
        assert rig.chat().json()["error"]["metadata"]["provider_name"] == "First"


def test_a_healthy_provider_takes_over_without_a_limit() -> None:
    with serving("p;status=500", "p", retries=RETRIES) as rig:
        assert all(tried(rig) == ["first", "second"] for _ in range(30))
        assert rig.metric("turnout_retries_denied_total") == 0


def test_a_healthy_provider_takes_over_for_many_at_once() -> None:
    """However many of its answers are on their way: what has not failed costs nothing."""
    with serving("p;status=500", "p;latency=300", retries=RETRIES) as rig, ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: rig.chat().status_code, range(40)))
        assert answers == [200] * 40
        assert rig.metric("turnout_retries_denied_total") == 0


def test_a_provider_without_allowance_is_passed_over_for_the_next() -> None:
    with serving("p;status=500", "p;status=500", "p", retries=RETRIES) as rig:
        attempts = [tried(rig) for _ in range(12)]
        assert attempts[:10] == [["first", "second", "third"]] * 10
        assert attempts[10:] == [["first", "third"]] * 2
