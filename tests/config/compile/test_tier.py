"""Tiers of service."""

from __future__ import annotations

import msgspec
from tests.plane.harness import PRICES

from turnout.config import snapshot
from turnout.config.compile.tier import served


def test_a_tier_of_a_free_model_costs_what_the_tier_says() -> None:
    prices = msgspec.structs.replace(
        PRICES, prompt=0, completion=0, cache_read=0, cache_write=0, cache_write_1h=0, request=0
    )
    service = snapshot.Service(tier="priority", prompt=5, completion=None, cache_read=None, cache_write=None)
    made = served(prices, service)
    assert (made.prompt, made.completion, made.cache_read, made.reasoning) == (5, 0, 0, None)
    (ordinary,) = made.service
    assert (ordinary.tier, ordinary.prompt) == ("default", 0)
