"""``config/variant.py``: slugs that end in ``:free`` and the like."""

from __future__ import annotations

import msgspec
import pytest
from tests.plane.harness import PRICES, endpoint

from turnout.config import variant
from turnout.config.snapshot import Prices, Service, Tier

NOTHING = msgspec.structs.replace(
    PRICES, prompt=0, completion=0, cache_read=0, cache_write=0, cache_write_1h=0, request=0
)


@pytest.mark.parametrize(
    ("slug", "parts"),
    [
        ("a/b", ("a/b", None)),
        ("a/b:free", ("a/b", "free")),
        ("a/b:8b", ("a/b:8b", None)),
        ("a/b:8b:thinking", ("a/b:8b", "thinking")),
        ("a/b:nitro", ("a/b:nitro", None)),
    ],
)
def test_a_variant_is_told_by_its_suffix(slug: str, parts: tuple[str, str | None]) -> None:
    assert variant.split(slug) == parts


@pytest.mark.parametrize(
    ("prices", "free"),
    [
        (None, False),
        (NOTHING, True),
        (PRICES, False),
        (msgspec.structs.replace(NOTHING, request=1), False),
        (msgspec.structs.replace(NOTHING, reasoning=0), True),
        (msgspec.structs.replace(NOTHING, reasoning=1), False),
        (
            msgspec.structs.replace(
                NOTHING,
                tiers=[
                    Tier(
                        above_tokens=5,
                        prompt=1,
                        completion=None,
                        cache_read=None,
                        cache_write=None,
                        cache_write_1h=None,
                    )
                ],
            ),
            False,
        ),
        (
            msgspec.structs.replace(
                NOTHING, service=[Service(tier="flex", prompt=0, completion=0, cache_read=0, cache_write=None)]
            ),
            True,
        ),
    ],
)
def test_free_is_what_costs_nothing_at_all(prices: Prices | None, free: bool) -> None:
    assert variant.is_free(prices) is free


def test_a_variant_has_the_endpoints_of_the_model_and_free_those_that_are() -> None:
    both = [endpoint(0, prices=PRICES), endpoint(1, prices=NOTHING), endpoint(0, service_tier="flex", prices=PRICES)]
    assert variant.chosen(both, "thinking") == both[:2]
    assert variant.chosen(both, "free") == both[1:2]
