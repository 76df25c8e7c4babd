"""The file of agreed costs is what genai-prices says, and is a fair selection of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from turnout.catalogue import oracle

genai_data = pytest.importorskip("genai_prices.data")

KEPT = Path(__file__).parent.parent / "wire" / "costs" / "oracle.json"


@pytest.fixture(scope="module")
def every() -> list[oracle.Case]:
    return list(oracle.cases(genai_data.providers))


def test_the_kept_cases_are_those_of_the_installed_price_list(every: list[oracle.Case]) -> None:
    rows: list[Any] = msgspec.json.decode(KEPT.read_bytes())
    assert rows == [case.row() for case in oracle.selected(every)]


def test_nearly_the_whole_price_list_can_be_said_exactly(every: list[oracle.Case]) -> None:
    models = sum(len(provider.models) for provider in genai_data.providers)
    assert len({case.model for case in every}) > 0.97 * models


def test_the_selection_has_every_kind_of_price(every: list[oracle.Case]) -> None:
    kept = oracle.selected(every)
    asked = {name for case in kept for name in case.usage}
    assert asked >= {
        "cached",
        "cache_write",
        "cache_write_1h",
        "prompt_audio",
        "completion_audio",
        "prompt_image",
        "completion_image",
        "reasoning",
        "web_searches",
        "seconds_milli",
        "characters",
    }
    assert {case.service_tier for case in kept} == {None, "flex", "priority", "batch"}


def test_the_selection_meets_both_sides_of_a_tier(every: list[oracle.Case]) -> None:
    sides = {
        case.usage["prompt"] - tier.above_tokens
        for case in oracle.selected(every)
        for tier in case.prices.tiers
        if 0 <= case.usage["prompt"] - tier.above_tokens <= 1
    }
    assert sides == {0, 1}


def test_our_cost_is_theirs_over_the_whole_price_list(every: list[oracle.Case]) -> None:
    from turnout._native import cost
    from turnout.catalogue import offer

    for case in every:
        prices = offer.prices(case.prices, provider="p", upstream="m", tag="p")
        total, _, _ = cost(msgspec.json.encode(prices), msgspec.json.encode(case.usage), service_tier=case.service_tier)
        assert total == case.nano, case.row()
