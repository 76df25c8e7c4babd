"""``GET models/{model}/endpoints`` and ``GET endpoints/zdr``: where models are served, at which price and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.config.card import pricing
from turnout.control import answer, listing

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.snapshot import Endpoint, Snapshot
    from turnout.control.listing import Shown

HEALTHY: Final = 0
"""OpenRouter's ``status`` of an endpoint that takes requests. A configured endpoint is always tried."""


async def read(request: Request) -> Response:
    """The model with its endpoints, in the order in which they are tried."""
    shown = listing.one(request, request.path_params["name"])
    card, snapshot = shown.card, listing.of(request).snapshot
    return answer.json(
        {
            "data": {
                "id": shown.slug,
                "name": card.name,
                "created": card.created,
                "description": card.description,
                "architecture": card.architecture,
                "endpoints": [shape(shown, endpoint, snapshot) for endpoint in shown.model.endpoints],
            }
        }
    )


async def read_zdr(request: Request) -> Response:
    """``GET endpoints/zdr``: the endpoints of all models that keep nothing of what they are sent."""
    snapshot = listing.of(request).snapshot
    found = [
        shape(shown, endpoint, snapshot)
        for shown in listing.visible(request)
        for endpoint in shown.model.endpoints
        if endpoint.data_policy.zdr
    ]
    return answer.json({"data": found})


def shape(shown: Shown, endpoint: Endpoint, snapshot: Snapshot) -> dict[str, Any]:
    """One endpoint. Each tier of service is one of its own. Statistics that are not kept are ``null``."""
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
        "status": HEALTHY,
        "uptime_last_5m": None,
        "uptime_last_30m": None,
        "uptime_last_1d": None,
        "latency_last_30m": None,
        "throughput_last_30m": None,
    }


def _caches_unasked(endpoint: Endpoint) -> bool:
    """Whether prompts are cached without a marker: reading is cheaper, and writing costs nothing extra."""
    prices = endpoint.prices
    return prices is not None and prices.cache_read < prices.prompt and prices.cache_write <= prices.prompt
