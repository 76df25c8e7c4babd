"""Somebody else's arithmetic: what genai-prices says that a generation costs, for our own cost code to agree with.

genai-prices (MIT, Pydantic) has its own price rules, written by other people from the providers' price pages. Each case
here is the prices of one of its models in our units, a usage, and the cost that *its* code computes. The cost code in
``rust/wire/src/cost.rs`` replays a selection of them from ``tests/wire/costs/oracle.json``; a change of either side
that moves a cost by a nano-dollar shows there.

``python -m turnout.catalogue.oracle FILE`` writes the selection anew. It needs the package ``genai-prices``, which
Turnout itself does not.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.catalogue.entry import NANO, Prices
from turnout.catalogue.making import genai
from turnout.catalogue.prices import complete

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

AT: Final = datetime(2026, 11, 22, tzinfo=UTC)
"""The moment whose prices are taken: a fixed one, so that the selection does not change from day to day."""

ALWAYS: Final = ("prompt", "completion", "cache_read", "cache_write", "cache_write_1h", "request")
"""Prices that every row has."""

PER_SHAPE: Final = 2
"""Cases kept of each shape, which is the kinds of tokens in the usage and the kinds of prices that apply to them."""

USAGE: Final = {
    "prompt": "input_tokens",
    "completion": "output_tokens",
    "cached": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "prompt_audio": "input_audio_tokens",
    "completion_audio": "output_audio_tokens",
    "prompt_image": "input_image_tokens",
    "completion_image": "output_image_tokens",
    "reasoning": "output_reasoning_tokens",
    "web_searches": "web_searches",
    "characters": "input_characters",
}
"""Our name of each count, and theirs. Seconds of audio are apart: we count thousandths. Search units of a rerank are
missing: no model there has a price for them."""


@dataclass(frozen=True)
class Case:
    """One agreed cost."""

    model: str
    """``provider/model`` of genai-prices, to find it again."""
    prices: Prices
    usage: dict[str, int]
    """By the field names of ``Usage`` in ``rust/wire/src/usage/mod.rs``; what is absent is 0."""
    service_tier: str | None
    nano: int
    """Nano-dollars."""

    def row(self) -> dict[str, Any]:
        """The case as the Rust test reads it: prices complete, without a version."""
        return {
            "model": self.model,
            "prices": _written(self.prices),
            "usage": self.usage,
            "service_tier": self.service_tier,
            "nano": self.nano,
        }


def _written(prices: Prices) -> dict[str, Any]:
    """Complete prices as the snapshot has them; what is zero or empty is left out."""
    whole = complete(prices)
    said = {"version": "", **{name: getattr(whole, name) for name in ALWAYS}}
    rest = msgspec.to_builtins(whole)
    for lists in ("tiers", "service"):
        # A tier lists every price, null for the ordinary one, as in the snapshot.
        rest[lists] = [{name: getattr(item, name) for name in item.__struct_fields__} for item in getattr(whole, lists)]
    return said | {name: value for name, value in rest.items() if name not in said and value != []}


def cases(providers: Iterable[Any], at: datetime = AT) -> Iterator[Case]:
    """Every case of every model of ``genai_prices.data.providers`` whose prices our units say exactly."""
    for provider in providers:
        for model in provider.models:
            if not model.prices:
                continue
            found = genai.read(model, at)
            if found.rounded:
                continue
            for usage in _usages(found):
                yield from _case(provider, model, at, found.prices, usage, None, None)
            for tier, context in genai.contexts(model, at):
                if _is_proportional(model, at, found, context):
                    for usage in _usages(found, plain_only=True):
                        yield from _case(provider, model, at, found.prices, usage, tier, context)


def _usages(found: genai.Read, *, plain_only: bool = False) -> Iterator[dict[str, int]]:
    """What to ask for: odd numbers, so that roundings show."""
    prices = found.prices
    yield {"prompt": 1_237, "completion": 569}
    yield {"prompt": 10_007, "completion": 13, "cached": 4_003}
    if "cache_write" in _said(prices):
        yield {"prompt": 9_001, "completion": 1, "cached": 1_009, "cache_write": 5_003}
    for tier in prices.tiers:
        for prompt in (tier.above_tokens, tier.above_tokens + 1):
            yield {"prompt": prompt, "completion": 1_237, "cached": 20_011}
    if plain_only:
        return
    if prices.cache_write_1h is not None:
        yield {"prompt": 9_001, "completion": 7, "cache_write": 5_003, "cache_write_1h": 2_003}
    kinds = {
        "prompt_audio": prices.audio_prompt,
        "completion_audio": prices.audio_completion,
        "prompt_image": prices.image_prompt,
        "completion_image": prices.image_completion,
        "reasoning": prices.reasoning,
    }
    for kind, price in kinds.items():
        if price is not None:
            yield {"prompt": 2_003, "completion": 1_009, kind: 677}
    pieces = {
        "web_searches": prices.web_search,
        "characters": prices.character,
        "seconds_milli": prices.second,
    }
    for piece, price in pieces.items():
        if price:
            yield {"prompt": 101, "completion": 11, piece: 12_345}


def _said(prices: Prices) -> set[str]:
    return {name for name in prices.__struct_fields__ if getattr(prices, name) is not None}


def _is_proportional(model: Any, at: datetime, found: genai.Read, context: dict[str, str]) -> bool:
    """Whether a variant's tiers stand to its base as the ordinary ones do, which is how our units say them."""
    if not found.prices.tiers:
        return True
    ordinary, variant = vars(model.get_prices(at)), vars(model.get_prices(at, context))
    for key, price in ordinary.items():
        other = variant.get(key)
        tiers, others = _ratios(price), _ratios(other)
        if tiers != others:
            return False
    return True


def _ratios(price: Any) -> list[tuple[int, Decimal]]:
    if price is None or isinstance(price, Decimal) or not price.base:
        return []
    return [(tier.start, tier.price / price.base) for tier in price.tiers]


def _case(
    provider: Any,
    model: Any,
    at: datetime,
    prices: Prices,
    usage: dict[str, int],
    service_tier: str | None,
    context: dict[str, str] | None,
) -> Iterator[Case]:
    theirs: dict[str, Any] = {USAGE[name]: count for name, count in usage.items() if name in USAGE}
    if seconds := usage.get("seconds_milli"):
        theirs |= {"audio_seconds": Decimal(seconds) / 1000, "input_audio_seconds": Decimal(seconds) / 1000}
    from genai_prices import Usage

    try:
        calculated = model.calc_price(Usage(**theirs), provider, genai_request_timestamp=at, price_context=context)
    except ValueError:
        # The model has a price for a mixture (cached audio …) that this usage does not take apart.
        return
    nano = int((calculated.total_price * NANO).to_integral_value(ROUND_HALF_UP))
    yield Case(f"{provider.id}/{model.id}", prices, usage, service_tier, nano)


def selected(found: Iterable[Case]) -> list[Case]:
    """A few cases of each shape, the first ones with different prices."""
    shapes: dict[Any, list[Case]] = {}
    for case in found:
        prices = case.prices
        # Below a tier, exactly at it, above it.
        sides = tuple(min(max(case.usage["prompt"] - tier.above_tokens, -1), 1) for tier in prices.tiers)
        shape = (frozenset(case.usage), frozenset(_kinds(prices)), sides, case.service_tier)
        kept = shapes.setdefault(shape, [])
        if len(kept) < PER_SHAPE and all(other.prices != prices for other in kept):
            kept.append(case)
    return [case for kept in shapes.values() for case in kept]


def _kinds(prices: Prices) -> Iterator[str]:
    return (name for name in prices.__struct_fields__ if getattr(prices, name) not in (None, 0, ()))


def main(arguments: Sequence[str]) -> int:
    """Writes the selection to the file that is named."""
    from genai_prices.data import providers

    every = list(cases(providers))
    kept = selected(every)
    rows = b",\n".join(msgspec.json.encode(case.row()) for case in kept)
    Path(arguments[0]).write_bytes(b"[\n" + rows + b"\n]\n")
    print(f"{len(every)} cases of {len({case.model for case in every})} models, {len(kept)} kept")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
