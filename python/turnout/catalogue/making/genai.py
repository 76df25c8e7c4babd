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
from turnout.catalogue.making.fact import Fact
from turnout.catalogue.making.names import PROVIDERS
from turnout.catalogue.making.sources import GENAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
            service=tuple(_service(model, at, rounded)),
        ),
        unsaid=tuple(unsaid),
        rounded=tuple(rounded),
    )


def contexts(model: Any, at: datetime) -> Iterator[tuple[ServiceTier, dict[str, str]]]:
    """The service tiers that have prices of their own, and what genai-prices calls each."""
    done: set[str] = set()
    standard = _served(model, at, None)
    for tier, context in CONTEXTS if model.price_variants else ():
        if tier not in done and _served(model, at, context) != standard:
            done.add(tier)
            yield tier, context


def _service(model: Any, at: datetime, rounded: list[str]) -> Iterator[Service]:
    standard = _served(model, at, None)
    for tier, context in contexts(model, at):
        changed = {name: price for name, price in _served(model, at, context).items() if price != standard.get(name)}
        yield Service(
            tier=tier, **{name: _nano(price, rounded, f"{name} of {tier}") for name, price in changed.items()}
        )


def _served(model: Any, at: datetime, context: dict[str, str] | None) -> dict[str, Decimal]:
    """The base prices of the kinds that a service tier may change."""
    found = ((PER_MILLION.get(key), value) for key, value in _present(model.get_prices(at, context)))
    return {name: _base(value) for name, value in found if name in SERVED}


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


OWN_NAMES: Final = frozenset(
    {"anthropic", "deepseek", "google-ai-studio", "minimax", "moonshotai", "openai", "openrouter", "xai", "z-ai"}
)
"""Providers whose models it calls by the names that their APIs take; elsewhere an id may be its own shorthand."""


def facts(at: datetime) -> Iterator[Fact]:
    """The models that the price list itself names. For the names of other sources there is :func:`price_list`."""
    for slug, provider in _providers().items():
        if slug not in OWN_NAMES:
            continue
        for model in provider.models:
            if model.prices and not model.deprecated and not model.id.startswith("~"):
                yield Fact(
                    source=GENAI,
                    provider=slug,
                    model=model.id,
                    name=model.name if model.name and "/" not in model.name else None,
                    prices=settled(model, at),
                    context_length=model.context_window,
                )


def price_list(at: datetime) -> Callable[[str, str], Prices | None]:
    """A look-up of the prices of a provider's model, by the matching rules of the price list."""
    providers = _providers()

    def price(provider: str, model: str) -> Prices | None:
        # Its Google list is of Gemini, which costs the same in the Gemini API and on Vertex; Claude does not.
        if provider == "google-vertex" and not model.startswith("gemini"):
            return None
        found = providers.get(provider)
        if found is None:
            return None
        exact = next((known for known in found.models if known.id == model), None)
        known = exact or next((known for known in found.models if known.is_match(model.lower())), None)
        return settled(known, at) if known is not None and known.prices else None

    return price


def settled(model: Any, at: datetime) -> Prices:
    """The prices that hold all day: where they change with the hour, those of the dearest one.

    A price that a snapshot cannot vary by the hour must not book less than what is charged.
    """
    hours = [read(model, at.replace(hour=hour)).prices for hour in _hours(model)]
    return max(hours, key=lambda prices: (prices.prompt + prices.completion, -prices.prompt))


def _hours(model: Any) -> range:
    timed = isinstance(model.prices, list) and any(
        type(price.constraint).__name__ == "TimeOfDateConstraint" for price in model.prices
    )
    return range(24) if timed else range(1)


def _providers() -> dict[str, Any]:
    from genai_prices.data import providers

    known = {provider.id: provider for provider in providers}
    return {slug: known[names.genai] for slug, names in PROVIDERS.items() if names.genai}
