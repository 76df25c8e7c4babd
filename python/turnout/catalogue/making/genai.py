"""Prices from genai-prices (MIT, Pydantic): the source with the exact price rules.

Its prices are decimals of US dollars, with the day from which each holds, tiers by length of the prompt, and variants
for batch, flex and priority processing. What the units of :class:`~turnout.catalogue.entry.Prices` cannot say exactly
is named in :attr:`Read.rounded`, what they cannot say at all in :attr:`Read.unsaid`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from turnout.catalogue.entry import NANO, Prices, Service, ServiceTier, Tier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

PER_MILLION: Final = {
    "input_mtok": "prompt",
    "output_mtok": "completion",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_prompt",
    "output_audio_mtok": "audio_completion",
    "input_image_mtok": "image_prompt",
    "output_image_mtok": "image_completion",
    "input_mchars": "character",
}
"""Dollars per million of something, in both worlds."""

PER_THOUSAND: Final = {
    "requests_kcount": "request",
    "web_searches_kcount": "web_search",
    "rerank_searches_kcount": "search_unit",
}
"""Dollars per thousand there, nano-dollars per piece here."""

PER_HOUR: Final = {"audio_hours": "second", "input_audio_hours": "second"}
"""Dollars per hour of audio there, nano-dollars per second here."""

TIERED: Final = ("prompt", "completion", "cache_read", "cache_write", "cache_write_1h")
SERVED: Final = ("prompt", "completion", "cache_read", "cache_write")

CONTEXTS: Final[tuple[tuple[ServiceTier, dict[str, str]], ...]] = (
    ("flex", {"service_tier": "flex"}),
    ("priority", {"service_tier": "priority"}),
    ("priority", {"service_tier": "fast"}),
    ("batch", {"processing": "batch"}),
)
"""What genai-prices calls each service tier; for one tier the first that changes a price counts."""


@dataclass(frozen=True)
class Read:
    """Prices of one model, and what of them could not be said."""

    prices: Prices
    unsaid: tuple[str, ...]
    """Price kinds that have no field here (pages, tool calls …): they are not charged."""
    rounded: tuple[str, ...]
    """Fields that were rounded to the nano-dollar."""


def read(model: Any, at: datetime) -> Read:
    """The prices of a ``genai_prices.types.ModelInfo`` as of ``at``."""
    standard = model.get_prices(at)
    fields: dict[str, Any] = {}
    tiers: dict[int, dict[str, int]] = {}
    unsaid: list[str] = []
    rounded: list[str] = []
    for key, value in _present(standard):
        if key in PER_MILLION:
            name, base = PER_MILLION[key], _base(value)
            fields[name] = _nano(base, rounded, name)
            for start, price in _tiers(value):
                tiers.setdefault(start, {})[name] = _nano(price, rounded, name)
        elif key in PER_THOUSAND:
            fields[PER_THOUSAND[key]] = _nano(_base(value) / 1000, rounded, PER_THOUSAND[key])
        elif key in PER_HOUR:
            fields[PER_HOUR[key]] = _nano(_base(value) / 3600, rounded, PER_HOUR[key])
        else:
            unsaid.append(key)
    for start, prices in tiers.items():
        unsaid += [f"{name} above {start}" for name in prices if name not in TIERED]
    return Read(
        prices=Prices(
            **fields,
            tiers=tuple(
                Tier(above_tokens=start, **{name: price for name, price in prices.items() if name in TIERED})
                for start, prices in sorted(tiers.items())
            ),
            service=tuple(_service(model, at, fields, rounded)),
        ),
        unsaid=tuple(unsaid),
        rounded=tuple(rounded),
    )


def _service(model: Any, at: datetime, standard: dict[str, Any], rounded: list[str]) -> Iterator[Service]:
    done: set[str] = set()
    for tier, context in CONTEXTS:
        if tier in done or not model.price_variants:
            continue
        changed: dict[str, int] = {}
        for key, value in _present(model.get_prices(at, context)):
            name = PER_MILLION.get(key)
            if name in SERVED:
                price = _nano(_base(value), rounded, f"{name} of {tier}")
                if price != standard.get(name):
                    changed[name] = price
        if changed:
            done.add(tier)
            yield Service(tier=tier, **changed)


def _present(prices: Any) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in vars(prices).items() if value is not None and not key.startswith("_"))


def _base(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else value.base


def _tiers(value: Any) -> list[tuple[int, Decimal]]:
    return [] if isinstance(value, Decimal) else [(tier.start, tier.price) for tier in value.tiers]


def _nano(price: Decimal, rounded: list[str], name: str) -> int:
    exact = price * NANO
    whole = exact.to_integral_value(ROUND_HALF_UP)
    if whole != exact:
        rounded.append(name)
    return int(whole)
