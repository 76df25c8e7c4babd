"""Facts from models.dev (MIT): OpenRouter's slugs and names, dates of release and knowledge, modalities.

Prices are dollars per million tokens. Its data is the oldest of the sources, so its prices yield to all others.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from turnout.catalogue.entry import NANO, Prices, Tier
from turnout.catalogue.making.fact import Fact
from turnout.catalogue.making.names import PROVIDERS
from turnout.catalogue.making.sources import MODELS_DEV

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_MILLION: Final = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "reasoning": "reasoning",
    "input_audio": "audio_prompt",
    "output_audio": "audio_completion",
}
_WORDS: Final = {"pdf": "file"}
_FREE: Final = frozenset({"nvidia", "github-models", "ollama-cloud"})
"""Providers whose price of 0 there means a trial or a subscription, not a price."""


_NONE: Final[dict[str, Any]] = {"models": {}}


def facts(providers: dict[str, dict[str, Any]]) -> Iterator[Fact]:
    """Every model of a provider of ours."""
    for slug, names in PROVIDERS.items():
        for name in names.models_dev:
            for model, row in providers.get(name, _NONE)["models"].items():
                if (
                    row.get("status") != "deprecated"
                    and "video" not in row["modalities"]["output"]
                    and "-live" not in model
                ):
                    yield _fact(slug, model, row)


def _fact(provider: str, model: str, row: dict[str, Any]) -> Fact:
    limit, modalities = row.get("limit", {}), row["modalities"]
    embeds = "embed" in model.lower()
    return Fact(
        source=MODELS_DEV,
        provider=provider,
        model=model,
        name=row.get("name"),
        kind="embeddings" if embeds else None,
        prices=None if provider in _FREE else prices(row.get("cost") or {}),
        context_length=_count(limit.get("context")),
        completion_tokens_max=None if embeds else _count(limit.get("output")),
        inputs=_words(modalities["input"]),
        outputs=("embeddings",) if embeds else _words(modalities["output"]),
        tools=row.get("tool_call"),
        structured=row.get("structured_output"),
        sampling=row.get("temperature"),
        reasoning=row.get("reasoning"),
        knowledge=row.get("knowledge"),
        released=row.get("release_date"),
    )


def _words(words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_WORDS.get(word, word) for word in words))


def prices(cost: dict[str, Any]) -> Prices | None:
    """The prices of a row; ``None`` when it names none."""
    if "input" not in cost:
        return None
    fields: dict[str, Any] = {ours: _nano(cost[theirs]) for theirs, ours in PER_MILLION.items() if theirs in cost}
    if fields.get("reasoning") == fields.get("completion"):
        fields.pop("reasoning", None)
    if cost.get("cache_read") == 0 and fields["prompt"]:
        # Written where a price list has no such price; nobody reads caches for nothing.
        fields.pop("cache_read")
    tiers: dict[int, Tier] = {}
    for tier in cost.get("tiers") or ():
        above = int(tier["tier"]["size"])
        amounts = {PER_MILLION[name]: _nano(price) for name, price in tier.items() if name in _TIERED}
        tiers[above] = Tier(above_tokens=above, **amounts)
    if not tiers and (over := cost.get("context_over_200k")):
        amounts = {PER_MILLION[name]: _nano(price) for name, price in over.items() if name in _TIERED}
        tiers[200_000] = Tier(above_tokens=200_000, **amounts)
    return Prices(**fields, tiers=tuple(tier for _, tier in sorted(tiers.items())))


_TIERED: Final = ("input", "output", "cache_read", "cache_write")


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, Decimal)) and value > 0 else None


def _nano(dollars: Any) -> int:
    return int((Decimal(dollars) * NANO).to_integral_value(ROUND_HALF_UP))
