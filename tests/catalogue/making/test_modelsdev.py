"""Rows of models.dev become facts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from turnout.catalogue.entry import Prices, Tier
from turnout.catalogue.making import modelsdev
from turnout.catalogue.making.names import PROVIDERS


def facts(model: str, **row: Any) -> list[Any]:
    whole = {
        "name": "M",
        "modalities": {"input": ["text", "pdf"], "output": ["text"]},
        "limit": {"context": 8, "output": 0},
    }
    empty: dict[str, Any] = {name: {"models": {}} for names in PROVIDERS.values() for name in names.models_dev}
    return list(modelsdev.facts({**empty, "groq": {"models": {model: whole | row}}}))


def test_words_and_limits_are_ours() -> None:
    [fact] = facts("m", tool_call=True)
    assert (fact.provider, fact.inputs, fact.context_length, fact.completion_tokens_max) == (
        "groq",
        ("text", "file"),
        8,
        None,
    )
    assert fact.tools is True
    assert fact.structured is None


def test_prices_are_per_million_already() -> None:
    made = modelsdev.prices({"input": Decimal("0.15"), "output": 1, "cache_read": 0})
    assert made == Prices(prompt=150_000_000, completion=1_000_000_000)


def test_the_price_above_a_length_is_a_tier() -> None:
    made = modelsdev.prices({"input": 1, "output": 2, "context_over_200k": {"input": 2, "output": 3}})
    assert made is not None
    assert made.tiers == (Tier(above_tokens=200_000, prompt=2_000_000_000, completion=3_000_000_000),)


def test_deprecated_models_and_films_are_left_out() -> None:
    assert facts("m", status="deprecated") == []
    assert facts("m", modalities={"input": ["text"], "output": ["video"]}) == []


def test_embeddings_are_known_by_their_name() -> None:
    [fact] = facts("some-embedding-1")
    assert (fact.kind, fact.outputs) == ("embeddings", ("embeddings",))
