"""Facts from litellm's price map (MIT, BerriAI): the widest source, and the one with abilities and service tiers.

It is one JSON object; a key is mostly ``provider/model``, prices are dollars per token. Keys that price a region, a
size of picture or a commitment are left out: they are not models.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from turnout.catalogue.entry import NANO, Prices, Service, ServiceTier, Tier
from turnout.catalogue.making.fact import Fact
from turnout.catalogue.making.names import PROVIDERS
from turnout.catalogue.making.sources import LITELLM

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: Final = {
    "chat": "chat",
    "responses": "chat",
    "completion": "chat",
    "embedding": "embeddings",
    "rerank": "rerank",
    "image_generation": "image",
    "audio_speech": "speech",
    "audio_transcription": "transcription",
}
"""Modes that we serve; others (video, realtime, OCR, search …) are left out."""

PREFIXES: Final = (
    "azure/", "azure_ai/", "bedrock/", "bedrock_mantle/", "cerebras/", "cloudflare/", "codestral/", "cohere/",
    "crusoe/", "dashscope/",
    "databricks/", "deepgram/", "deepinfra/", "deepseek/", "elevenlabs/", "featherless_ai/", "fireworks_ai/",
    "friendliai/", "gemini/", "gmi/", "groq/", "hyperbolic/", "inception/", "meta/", "minimax/", "mistral/",
    "moonshot/", "morph/", "nebius/", "novita/", "nscale/", "openai/", "ovhcloud/", "perplexity/", "recraft/",
    "sambanova/", "scaleway/", "streamlake/", "together_ai/", "vercel_ai_gateway/", "vertex_ai/", "voyage/", "wandb/",
    "xai/", "xiaomi_mimo/", "zai/", "ai21/", "aihubmix/", "baseten/", "black_forest_labs/", "anthropic/",
)  # fmt: skip
"""What a key puts before the provider's own name of the model."""

_NOT_A_MODEL: Final = re.compile(
    r"^(?:ft:|azure/(?:eu|us|global|global-standard|container|hd|standard|low|medium|high)(?:/|$)|bedrock/|together-ai-"
    r"|fireworks-ai-|openai/container|vertex_ai/.*-search$)|commitment|^\d+-x-\d+/|/\d+-x-\d+/|^(?:hd|standard|low|medium|high)/"
    r"|/max-x-max/|invoke/|-search-api|-rosalind|realtime|-live(?:-|$)|deep-research-p|robotics"
)
_ABOVE: Final = re.compile(r"_above_(\d+)k_tokens")
EFFORTS: Final = ("max", "xhigh", "high", "medium", "low", "minimal", "none")
"""Levels of effort from the highest down, as OpenRouter lists them."""


def facts(price_map: dict[str, dict[str, Any]]) -> Iterator[Fact]:
    """Every model of the map that a provider of ours serves in a way that we speak."""
    providers: dict[str, list[str]] = {}
    for slug, names in PROVIDERS.items():
        for name in names.litellm:
            providers.setdefault(name, []).append(slug)
    for key, row in price_map.items():
        served_by = providers.get(row.get("litellm_provider", ""), [])
        kind = KINDS.get(row.get("mode") or "")
        if kind is None or _NOT_A_MODEL.search(key):
            continue
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), "")
        model = key.removeprefix(prefix)
        for provider in served_by:
            whole = provider != "fireworks" or "/" in model
            yield _fact(provider, model if whole else f"accounts/fireworks/models/{model}", kind, row)


def _fact(provider: str, model: str, kind: str, row: dict[str, Any]) -> Fact:
    inputs = ["text"] if kind != "transcription" else []
    inputs += [word for word, name in _INPUTS.items() if row.get(name)]
    outputs = ["text", *(["audio"] if row.get("supports_audio_output") else [])] if kind == "chat" else [kind]
    if kind == "chat" and "image" in (row.get("supported_output_modalities") or ()):
        outputs.append("image")
    reasoning = bool(row.get("supports_reasoning")) if kind == "chat" else None
    endpoints = row.get("supported_endpoints") or ()
    return Fact(
        source=LITELLM,
        provider=provider,
        model=model,
        kind=kind,
        prices=prices(row, kind),
        context_length=_count(row.get("max_input_tokens")),
        completion_tokens_max=_count(row.get("max_output_tokens")) if kind == "chat" else None,
        inputs=tuple(dict.fromkeys(inputs if kind != "transcription" else ["audio"])),
        outputs=tuple(outputs),
        tools=_said(row, "supports_function_calling"),
        parallel_tools=_said(row, "supports_parallel_function_calling"),
        structured=_said(row, "supports_response_schema"),
        sampling=_said(row, "supports_sampling_params"),
        reasoning=reasoning,
        mandatory=_said(row, "thinking_always_on"),
        efforts=_efforts(row) if reasoning else (),
        default_effort=row.get("default_reasoning_effort"),
        budget=True if row.get("supports_legacy_thinking") else None,
        web_search=_said(row, "supports_web_search"),
        responses_only=row.get("mode") == "responses" and "/v1/chat/completions" not in endpoints,
        expires=row.get("deprecation_date"),
    )


_INPUTS: Final = {
    "image": "supports_vision",
    "file": "supports_pdf_input",
    "audio": "supports_audio_input",
    "video": "supports_video_input",
}


def _said(row: dict[str, Any], name: str) -> bool | None:
    return bool(row[name]) if name in row else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, Decimal)) and value > 0 else None


def _efforts(row: dict[str, Any]) -> tuple[str, ...]:
    """Only what is said: a model without any of these fields has unknown levels."""
    if levels := row.get("reasoning_effort_levels"):
        return tuple(level for level in EFFORTS if level in levels)
    named = {level: row.get(f"supports_{level}_reasoning_effort") for level in EFFORTS}
    if not any(named.values()):
        return ()
    usual = {"high", "medium", "low"}
    return tuple(level for level in EFFORTS if named[level] or (level in usual and named[level] is not False))


def prices(row: dict[str, Any], kind: str) -> Prices | None:
    """The prices of a row; ``None`` when it names none."""
    if not any("cost" in name for name in row):
        return None
    per_million = {
        "prompt": "input_cost_per_token",
        "completion": "output_cost_per_token",
        "cache_read": "cache_read_input_token_cost",
        "cache_write": "cache_creation_input_token_cost",
        "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
        "reasoning": "output_cost_per_reasoning_token",
        "audio_prompt": "input_cost_per_audio_token",
        "audio_completion": "output_cost_per_audio_token",
        "image_prompt": "input_cost_per_image_token",
        "image_completion": "output_cost_per_image_token",
        "character": "input_cost_per_character",
    }
    pieces = {
        "request": ("input_cost_per_request",),
        "search_unit": ("input_cost_per_query",) if kind == "rerank" else (),
        "second": ("input_cost_per_second", "output_cost_per_second") if kind in ("transcription", "speech") else (),
        "image": ("output_cost_per_image", "input_cost_per_image") if kind == "image" else (),
    }
    fields: dict[str, Any] = {
        ours: _nano(row[theirs]) for ours, theirs in per_million.items() if _is_price(row, theirs)
    }
    for ours, names in pieces.items():
        amounts = [_piece(row[name]) for name in names if _is_price(row, name) and row[name]]
        if amounts:
            fields[ours] = amounts[0]
    search = row.get("search_context_cost_per_query")
    if isinstance(search, dict) and (medium := search.get("search_context_size_medium")):
        fields["web_search"] = _piece(medium)
    tiered = row.get("tiered_pricing")
    if isinstance(tiered, list) and tiered and all("range" in tier for tier in tiered):
        fields |= _ranges(tiered)
    else:
        fields["tiers"] = _tiers(row)
    if fields.get("reasoning") == fields.get("completion"):
        fields.pop("reasoning", None)
    if not fields.get("prompt") and not any(amount for name, amount in fields.items() if name != "tiers"):
        # Priced by something that we have no unit for, or not at all: that is not free.
        return None if row.get("input_cost_per_token") is None else Prices()
    return Prices(**fields, service=tuple(_service(row, fields)))


def _ranges(tiered: list[dict[str, Any]]) -> dict[str, Any]:
    names = {"input_cost_per_token": "prompt", "output_cost_per_token": "completion",
             "cache_read_input_token_cost": "cache_read"}  # fmt: skip
    first, *rest = sorted(tiered, key=lambda tier: tier["range"][0])
    said = [{ours: _nano(tier[theirs]) for theirs, ours in names.items() if _is_price(tier, theirs)} for tier in rest]
    base: dict[str, Any] = {ours: _nano(first[theirs]) for theirs, ours in names.items() if _is_price(first, theirs)}
    # Their ranges are half open: 32,000 tokens are already in the next.
    return base | {
        "tiers": tuple(
            Tier(above_tokens=int(tier["range"][0]), **amounts) for tier, amounts in zip(rest, said, strict=True)
        )
    }


def _tiers(row: dict[str, Any]) -> tuple[Tier, ...]:
    names = {
        "input_cost_per_token": "prompt",
        "output_cost_per_token": "completion",
        "cache_read_input_token_cost": "cache_read",
        "cache_creation_input_token_cost": "cache_write",
        "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    }
    tiers: dict[int, dict[str, int]] = {}
    for name in row:
        found = _ABOVE.search(name)
        # What stands behind the length is a service tier.
        if found is None or found.end() != len(name) or not _is_price(row, name):
            continue
        if (ours := names.get(name[: found.start()])) is not None:
            tiers.setdefault(int(found[1]) * 1000, {})[ours] = _nano(row[name])
    return tuple(Tier(above_tokens=above, **amounts) for above, amounts in sorted(tiers.items()))


def _service(row: dict[str, Any], standard: dict[str, Any]) -> Iterator[Service]:
    suffixes: tuple[tuple[ServiceTier, str], ...] = (
        ("flex", "_flex"),
        ("priority", "_priority"),
        ("batch", "_batches"),
    )
    names = {
        "prompt": "input_cost_per_token",
        "completion": "output_cost_per_token",
        "cache_read": "cache_read_input_token_cost",
        "cache_write": "cache_creation_input_token_cost",
    }
    for tier, suffix in suffixes:
        amounts = {
            ours: _nano(row[theirs + suffix]) for ours, theirs in names.items() if _is_price(row, theirs + suffix)
        }
        changed = {ours: amount for ours, amount in amounts.items() if amount != standard.get(ours)}
        if changed:
            yield Service(tier=tier, **changed)


def _is_price(row: dict[str, Any], name: str) -> bool:
    return isinstance(row.get(name), (int, Decimal)) and row[name] >= 0


def _nano(per_token: Any) -> int:
    """Dollars per token as nano-dollars per million; far less than a nano-dollar is rounded."""
    return int((Decimal(per_token) * NANO * 1_000_000).to_integral_value(ROUND_HALF_UP))


def _piece(dollars: Any) -> int:
    return int((Decimal(dollars) * NANO).to_integral_value(ROUND_HALF_UP))
