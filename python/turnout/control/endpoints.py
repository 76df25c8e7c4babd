"""``GET models/{model}/endpoints`` and ``GET endpoints/zdr``: where models are served, at which price and limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from turnout.config.card import pricing
from turnout.control import answer, listing, statistics

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.snapshot import Endpoint, Snapshot
    from turnout.control.listing import Shown
    from turnout.control.statistics import Percentiles, Probe


async def read(request: Request) -> Response:
    """The model with its endpoints, in the order of the configuration."""
    shown = listing.one(request, request.path_params["name"])
    card, snapshot, known = shown.card, listing.of(request).snapshot, statistics.of(request)
    return answer.json(
        {
            "data": {
                "id": shown.slug,
                "name": card.name,
                "created": card.created,
                "description": card.description,
                "architecture": card.architecture,
                "endpoints": [
                    shape(shown, endpoint, snapshot, known.get((shown.slug, endpoint.tag), statistics.UNKNOWN))
                    for endpoint in shown.model.endpoints
                ],
            }
        }
    )


async def read_zdr(request: Request) -> Response:
    """``GET endpoints/zdr``: the endpoints of all models that keep nothing of what they are sent."""
    snapshot, known = listing.of(request).snapshot, statistics.of(request)
    found = [
        shape(shown, endpoint, snapshot, known.get((shown.slug, endpoint.tag), statistics.UNKNOWN))
        for shown in listing.visible(request)
        for endpoint in shown.model.endpoints
        if endpoint.data_policy.zdr
    ]
    return answer.json({"data": found})


def shape(shown: Shown, endpoint: Endpoint, snapshot: Snapshot, known: statistics.Endpoint) -> dict[str, Any]:
    """One endpoint. Each tier of service is one of its own. Statistics of which there are none are ``null``.

    OpenRouter shows percentiles to callers with a key only; here nobody comes as far as this without one.
    """
    card = shown.card
    provider = snapshot.providers[endpoint.provider]
    parameters = card.supported_parameters if endpoint.parameters is None else endpoint.parameters
    return {
        "name": f"{provider.name} | {shown.slug}",
        "model_id": shown.slug,
        "model_name": card.name,
        "provider_name": provider.name,
        "tag": endpoint.tag,
        # A number even where none is known: OpenRouter's clients read nothing else.
        "context_length": endpoint.context_length or card.context_length or 0,
        "max_prompt_tokens": None,
        "max_completion_tokens": endpoint.completion_tokens_max,
        "quantization": endpoint.quantization,
        "pricing": pricing(endpoint.prices),
        "supported_parameters": parameters,
        "supports_implicit_caching": _caches_unasked(endpoint),
        "supports_tool_choice": dict.fromkeys(("auto", "function", "none", "required"), "tool_choice" in parameters),
        "supports_diarization": False,
        "supports_voice_cloning": False,
        "supports_image_reference": False,
        "supports_multiple_audio_references": False,
        "native_tools": {},
        "service_tier": endpoint.service_tier,
        "status": known.status,
        "uptime_last_5m": known.uptime_last_5m,
        "uptime_last_30m": known.uptime_last_30m,
        "uptime_last_1d": known.uptime_last_1d,
        "latency_last_30m": _percentiles(known.latency_last_30m),
        "throughput_last_30m": _percentiles(known.throughput_last_30m),
        **_probe(known.probe),
    }


def _probe(known: Probe | None) -> dict[str, Any]:
    """What OpenRouter does not have: the gateway's own last look, where it had one."""
    if known is None or known.outcome == "nothing":
        return {}
    at = datetime.fromtimestamp(known.began_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {"turnout_probe": {"at": at, "outcome": known.outcome, "milliseconds": known.took_ms}}


def _percentiles(known: Percentiles | None) -> dict[str, float] | None:
    return None if known is None else {name: round(value, 3) for name, value in msgspec.structs.asdict(known).items()}


def _caches_unasked(endpoint: Endpoint) -> bool:
    """Whether prompts are cached without a marker: reading is cheaper, and writing costs nothing extra."""
    prices = endpoint.prices
    return prices is not None and prices.cache_read < prices.prompt and prices.cache_write <= prices.prompt
