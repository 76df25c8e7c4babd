"""Entries out of OpenRouter's ``GET /models``: the list that the slugs come from, live.

Its prices are decimal text of US dollars per token (per piece for pictures, requests and searches), so they are
converted exactly. It is read for ``turnout catalog update`` when somebody asks for it; the packaged file is made
without it.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from turnout.catalogue.data import SLUG
from turnout.catalogue.entry import NANO, Endpoint, Entry, Prices, Reasoning, Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_TOKEN: Final = {
    "prompt": "prompt",
    "completion": "completion",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "internal_reasoning": "reasoning",
    "audio": "audio_prompt",
    "audio_output": "audio_completion",
    "image_token": "image_prompt",
    "image_output": "image_completion",
}
PER_PIECE: Final = {"image": "image", "request": "request", "web_search": "web_search"}
TIERED: Final = ("prompt", "completion", "cache_read", "cache_write", "cache_write_1h")
SKIPPED: Final = ("batch", "exacto", "nitro", "floor", "online")
"""Endings of a slug that are a price or a route of it, and no model of their own."""


def entries(listed: list[Any]) -> Iterator[Entry]:
    """The models of the list's ``data``, each with its one endpoint at OpenRouter. What is malformed is skipped."""
    for model in listed:
        slug = model.get("id") if isinstance(model, dict) else None
        if not isinstance(slug, str) or SLUG.fullmatch(slug) is None:
            continue
        if slug.startswith("openrouter/") or slug.partition(":")[2] in SKIPPED:
            continue
        yield _entry(slug, model)


def _entry(slug: str, model: dict[str, Any]) -> Entry:
    architecture = _part(model, "architecture")
    top = _part(model, "top_provider")
    return Entry(
        slug=slug,
        name=_text(model.get("name")) or slug,
        canonical_slug=_text(model.get("canonical_slug")) or "",
        created=model["created"] if isinstance(model.get("created"), int) and model["created"] > 0 else 0,
        hugging_face_id=_text(model.get("hugging_face_id")),
        inputs=_words(architecture.get("input_modalities")) or ("text",),
        outputs=_words(architecture.get("output_modalities")) or ("text",),
        context_length=_count(model.get("context_length")),
        completion_tokens_max=_count(top.get("max_completion_tokens")),
        parameters=_words(model.get("supported_parameters")),
        reasoning=_reasoning(model.get("reasoning")),
        tokenizer=_text(architecture.get("tokenizer")) or "Other",
        knowledge_cutoff=_text(model.get("knowledge_cutoff")),
        expires=_text(model.get("expiration_date")),
        endpoints=(
            Endpoint(
                provider="openrouter",
                model=slug,
                prices=prices(_part(model, "pricing")),
                context_length=_count(model.get("context_length")),
                completion_tokens_max=_count(top.get("max_completion_tokens")),
            ),
        ),
    )


def prices(pricing: dict[str, Any]) -> Prices | None:
    """The prices of a model; ``None`` when they are not known in advance, which OpenRouter writes as ``-1``."""
    base = _prices(pricing)
    if base is None or "prompt" not in base:
        return None
    tiers = []
    for override in pricing.get("overrides") or ():
        above = override.get("min_prompt_tokens") if isinstance(override, dict) else None
        # Prices by the hour have no length; they cannot be said here.
        if not isinstance(above, int) or above <= 0 or "utc_start" in override:
            continue
        amounts = _prices(override)
        if amounts:
            tiers.append(Tier(above_tokens=above, **{name: amounts[name] for name in TIERED if name in amounts}))
    return Prices(**base, tiers=tuple(sorted(tiers, key=lambda tier: tier.above_tokens)))


def _prices(written: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for names, per in ((PER_TOKEN, 1_000_000), (PER_PIECE, 1)):
        for theirs, ours in names.items():
            if (text := written.get(theirs)) is None:
                continue
            try:
                amount = Decimal(str(text)) * NANO * per
            except InvalidOperation:
                return None
            if not amount.is_finite() or amount < 0:
                return None
            found[ours] = int(amount.to_integral_value(ROUND_HALF_UP))
    if found.get("reasoning") in (0, found.get("completion")):
        # 0 stands there for "as any output".
        found.pop("reasoning", None)
    return found


def _reasoning(said: Any) -> Reasoning | None:
    if not isinstance(said, dict):
        return None
    efforts = said.get("supported_efforts")
    return Reasoning(
        mandatory=bool(said.get("mandatory")),
        efforts=_words(efforts) if isinstance(efforts, list) else None,
        default_effort=_text(said.get("default_effort")),
        default_enabled=said["default_enabled"] if isinstance(said.get("default_enabled"), bool) else None,
        max_tokens=said["supports_max_tokens"] if isinstance(said.get("supports_max_tokens"), bool) else None,
    )


def _part(model: dict[str, Any], name: str) -> dict[str, Any]:
    part = model.get(name)
    return part if isinstance(part, dict) else {}


def _words(words: Any) -> tuple[str, ...]:
    return tuple(word for word in words if isinstance(word, str)) if isinstance(words, list) else ()


def _text(text: Any) -> str | None:
    return text if isinstance(text, str) and text else None


def _count(number: Any) -> int | None:
    return number if isinstance(number, int) and number > 0 else None
