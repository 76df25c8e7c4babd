"""Facts from the npm package ``@oh-my-pi/pi-catalog`` (MIT): what OpenRouter and other gateways listed in autumn 2026.

It is fresher than models.dev and has the kinds that others miss (pictures, embeddings, rerank), and levels of
reasoning. Its prices went through floats, so they are rounded to the nano-dollar; a price of 0 means unknown there as
often as free, and counts only for slugs that say ``:free``.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from turnout.catalogue.entry import NANO, Prices
from turnout.catalogue.making.fact import Fact
from turnout.catalogue.making.litellm import EFFORTS
from turnout.catalogue.making.names import PROVIDERS
from turnout.catalogue.making.sources import PI

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: Final = {
    None: "chat",
    "embedding": "embeddings",
    "rerank": "rerank",
    "image": "image",
    "stt": "transcription",
    "tts": "speech",
}

_ROUNDED: Final = Decimal("0.000001")
"""Dollars per million tokens are written with at most this many digits by anybody; more are traces of a float."""


def facts(providers: dict[str, dict[str, Any]]) -> Iterator[Fact]:
    """Every model of a provider of ours, of a kind that we serve."""
    for slug, names in PROVIDERS.items():
        for name in names.pi:
            for model, row in providers[name].items():
                kind = KINDS.get(row.get("kind"))
                if (
                    kind is not None
                    and not model.startswith("~")
                    and not re.search(r"-live\b|realtime|robotics", model)
                ):
                    yield _fact(slug, model, kind, row)


def _fact(provider: str, model: str, kind: str, row: dict[str, Any]) -> Fact:
    thinking = row.get("thinking") or {}
    # Elsewhere the levels are that project's own guess.
    levels = thinking.get("efforts") if provider == "openrouter" and "defaultLevel" in thinking else None
    return Fact(
        source=PI,
        provider=provider,
        model=_fireworks(model) if provider == "fireworks" else model,
        name=row["name"] if row["name"] != model else None,
        kind=kind,
        prices=_prices(model, row.get("cost") or {}),
        context_length=_count(row.get("contextWindow")),
        completion_tokens_max=_count(row.get("maxTokens")) if kind == "chat" else None,
        inputs=("audio",) if kind == "transcription" else tuple(row.get("input") or ()),
        outputs=("text",) if kind == "chat" else (kind,),
        reasoning=row.get("reasoning") if kind == "chat" else None,
        efforts=tuple(level for level in EFFORTS if level in levels) if levels else (),
        default_effort=thinking.get("defaultLevel") if levels else None,
    )


def _fireworks(model: str) -> str:
    """The name as Fireworks writes it: with its path, and 4p5 for 4.5."""
    return model if "/" in model else "accounts/fireworks/models/" + re.sub(r"(?<=\d)\.(?=\d)", "p", model)


def _prices(model: str, cost: dict[str, Any]) -> Prices | None:
    names = {"input": "prompt", "output": "completion", "cacheRead": "cache_read", "cacheWrite": "cache_write"}
    amounts: dict[str, Any] = {ours: _nano(cost.get(theirs, 0)) for theirs, ours in names.items()}
    if not amounts["prompt"] and not model.endswith(":free"):
        return None
    if not amounts["prompt"]:
        return Prices()
    return Prices(**{name: amount for name, amount in amounts.items() if amount})


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, Decimal)) and value > 0 else None


def _nano(dollars: Any) -> int:
    return int((Decimal(dollars).quantize(_ROUNDED) * NANO).to_integral_value(ROUND_HALF_UP))
