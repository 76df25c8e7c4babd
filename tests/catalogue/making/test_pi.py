"""Rows of pi-catalog become facts, without the traces of floats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from turnout.catalogue.entry import Prices
from turnout.catalogue.making import pi
from turnout.catalogue.making.names import PROVIDERS


def facts(provider: str, model: str, **row: Any) -> list[Any]:
    whole = {"name": "M", "input": ["text"], "cost": {}, "contextWindow": 8, "maxTokens": None}
    empty: dict[str, Any] = {name: {} for names in PROVIDERS.values() for name in names.pi}
    return list(pi.facts({**empty, provider: {model: whole | row}}))


def test_traces_of_floats_are_rounded_away() -> None:
    [fact] = facts("openrouter", "a/b", cost={"input": 2, "output": 10, "cacheRead": Decimal("0.19999999999999998")})
    assert fact.prices == Prices(prompt=2_000_000_000, completion=10_000_000_000, cache_read=200_000_000)


def test_zero_is_unknown_except_where_the_slug_says_free() -> None:
    assert facts("openrouter", "a/b", cost={"input": 0, "output": 0})[0].prices is None
    assert facts("openrouter", "a/b:free", cost={"input": 0, "output": 0})[0].prices == Prices()


def test_levels_count_where_openrouter_gave_them() -> None:
    thinking = {"efforts": ["low", "high"], "defaultLevel": "high"}
    assert facts("openrouter", "a/b", reasoning=True, thinking=thinking)[0].efforts == ("high", "low")
    assert facts("groq", "b", reasoning=True, thinking=thinking)[0].efforts == ()


def test_kinds_are_ours_and_films_are_left_out() -> None:
    assert facts("openrouter", "a/b", kind="stt")[0].outputs == ("transcription",)
    assert facts("openrouter", "a/b", kind="video") == []


def test_fireworks_names_are_as_fireworks_writes_them() -> None:
    assert facts("fireworks", "glm-5.3")[0].model == "accounts/fireworks/models/glm-5p3"
