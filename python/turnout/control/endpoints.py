"""``GET models/{model}/endpoints`` and ``GET endpoints/zdr``: where models are served, at which price and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.config.card import pricing
from turnout.control import answer, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.snapshot import Endpoint, Prices, Service, Snapshot
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
                "endpoints": [row for endpoint in shown.model.endpoints for row in rows(shown, endpoint, snapshot)],
            }
        }
    )


async def read_zdr(request: Request) -> Response:
    """``GET endpoints/zdr``: the endpoints of all models that keep nothing of what they are sent."""
    snapshot = listing.of(request).snapshot
    found = [
        row
        for shown in listing.visible(request)
        for endpoint in shown.model.endpoints
        if endpoint.data_policy.zdr
        for row in rows(shown, endpoint, snapshot)
    ]
    return answer.json({"data": found})


def rows(shown: Shown, endpoint: Endpoint, snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """An endpoint, and one more row for each service tier that a request can ask for: it has its own tag and prices.

    Batches have no row, as they are no tier of a request.
    """
    ordinary = shape(shown, endpoint, snapshot)
    yield ordinary
    for service in endpoint.prices.service if endpoint.prices is not None else ():
        if endpoint.prices is not None and service.tier != "batch":
            yield {
                **ordinary,
                "tag": f"{endpoint.tag}/{service.tier}",
                "service_tier": service.tier,
                "pricing": pricing(served(endpoint.prices, service)),
            }


def served(prices: Prices, service: Service) -> Prices:
    """The prices of a service tier. A kind without one of its own stands to the base price as the tier's stands.

    The rule is that of ``rust/wire/src/cost.rs``, which books by it.
    """

    def moved(rate: int | None, now: int | None, base: int) -> int | None:
        if rate is None or now is None:
            return rate
        if base == 0:
            return now if rate == 0 else rate
        return (rate * now + base // 2) // base

    def whole(rate: int, now: int | None, base: int) -> int:
        return moved(rate, now, base) or 0

    prompt, completion = (service.prompt, prices.prompt), (service.completion, prices.completion)
    read, write = (service.cache_read, prices.cache_read), (service.cache_write, prices.cache_write)
    return msgspec.structs.replace(
        prices,
        prompt=whole(prices.prompt, *prompt),
        completion=whole(prices.completion, *completion),
        cache_read=whole(prices.cache_read, *read),
        cache_write=whole(prices.cache_write, *write),
        cache_write_1h=whole(prices.cache_write_1h, *write),
        audio_prompt=moved(prices.audio_prompt, *prompt),
        image_prompt=moved(prices.image_prompt, *prompt),
        reasoning=moved(prices.reasoning, *completion),
        audio_completion=moved(prices.audio_completion, *completion),
        image_completion=moved(prices.image_completion, *completion),
        tiers=[
            msgspec.structs.replace(
                tier,
                prompt=moved(tier.prompt, *prompt),
                completion=moved(tier.completion, *completion),
                cache_read=moved(tier.cache_read, *read),
                cache_write=moved(tier.cache_write, *write),
                cache_write_1h=moved(tier.cache_write_1h, *write),
            )
            for tier in prices.tiers
        ],
        service=[],
    )


def shape(shown: Shown, endpoint: Endpoint, snapshot: Snapshot) -> dict[str, Any]:
    """One endpoint in its ordinary service tier. Statistics that are not kept are ``null``."""
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
        "service_tier": None,
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
