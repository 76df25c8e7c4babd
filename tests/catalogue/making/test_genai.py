"""Decimals of dollars become whole nano-dollars, and what cannot be said is named."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from turnout.catalogue.entry import Prices, Service, Tier
from turnout.catalogue.making import genai

types = pytest.importorskip("genai_prices.types")

AT = datetime(2026, 11, 22, tzinfo=UTC)


def read(variants: Any = None, **prices: Any) -> genai.Read:
    model = types.ModelInfo(
        id="m", match=types.ClauseEquals("m"), prices=types.ModelPrice(**prices), price_variants=variants
    )
    return genai.read(model, AT)


def test_dollars_per_million_are_billions_of_nano_dollars() -> None:
    found = read(input_mtok=Decimal("0.15"), output_mtok=Decimal("0.6"), cache_read_mtok=Decimal("0.075"))
    assert found == genai.Read(Prices(prompt=150_000_000, completion=600_000_000, cache_read=75_000_000), (), ())


def test_pieces_are_priced_by_the_piece() -> None:
    found = read(web_searches_kcount=Decimal(10), requests_kcount=Decimal(5), audio_hours=Decimal("0.36"))
    assert found.prices == Prices(web_search=10_000_000, request=5_000_000, second=100_000)


def test_tiers_take_the_prices_that_have_them() -> None:
    tiered = types.TieredPrices(base=Decimal(1), tiers=[types.Tier(start=200_000, price=Decimal(2))])
    found = read(input_mtok=tiered, output_mtok=Decimal(3))
    assert found.prices.tiers == (Tier(above_tokens=200_000, prompt=2_000_000_000),)
    assert found.prices.completion == 3_000_000_000


def test_variants_are_service_tiers() -> None:
    batch = types.PriceVariant(when={"processing": "batch"}, prices=types.ModelPrice(input_mtok=Decimal(1)))
    found = read([batch], input_mtok=Decimal(2), output_mtok=Decimal(3))
    assert found.prices.service == (Service(tier="batch", prompt=1_000_000_000),)


def test_what_cannot_be_said_is_named() -> None:
    found = read(input_mtok=Decimal("0.0000000001"), input_document_kpages=Decimal(1))
    assert found.unsaid == ("input_document_kpages",)
    assert found.rounded == ("prompt",)
