"""``GET images/models`` and their endpoints: models that make images, as OpenRouter's API for images lists them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, UnsetType

from turnout.config.card import pricing
from turnout.control import answer, listing, refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.card import Pricing
    from turnout.config.snapshot import Endpoint, Snapshot
    from turnout.control.listing import Shown

MODALITIES: Final = ("text", "image")
"""What an image model can read and write in OpenRouter's words; the API knows no other."""


async def read(request: Request) -> Response:
    """The models."""
    return answer.json({"data": [shape(shown) for shown in listing.visible(request) if _makes_images(shown)]})


async def read_endpoints(request: Request) -> Response:
    """Where one of them is served, at which prices."""
    shown = listing.one(request, request.path_params["name"])
    if not _makes_images(shown):
        raise Refusal(refusal.NOT_FOUND, f"{shown.slug} makes no images; GET /v1/images/models lists those that do")
    snapshot = listing.of(request).snapshot
    endpoints = [_endpoint(endpoint, snapshot) for endpoint in shown.model.endpoints]
    return answer.json({"id": shown.slug, "endpoints": endpoints})


def shape(shown: Shown) -> dict[str, Any]:
    """One model. No source says which fields of a request it takes, so none is claimed; all are passed on."""
    card = shown.card
    return {
        "id": shown.slug,
        "name": card.name,
        "description": card.description,
        "created": card.created,
        "architecture": {
            "input_modalities": [word for word in card.architecture.input_modalities if word in MODALITIES],
            "output_modalities": [word for word in card.architecture.output_modalities if word in MODALITIES],
        },
        "supported_parameters": {},
        "supports_streaming": False,
        "endpoints": f"/api/v1/images/models/{shown.slug}/endpoints",
    }


def _makes_images(shown: Shown) -> bool:
    return "image" in shown.card.architecture.output_modalities


def _endpoint(endpoint: Endpoint, snapshot: Snapshot) -> dict[str, Any]:
    provider = snapshot.providers[endpoint.provider]
    return {
        "provider_name": provider.name,
        "provider_slug": provider.slug,
        "provider_tag": endpoint.tag,
        "supported_parameters": {},
        "allowed_passthrough_parameters": [],
        "supports_streaming": False,
        "pricing": prices(pricing(endpoint.prices)),
    }


def prices(known: Pricing) -> list[dict[str, Any]]:
    """What is billed, one entry per kind that costs anything; none when the prices are not known."""
    completion = known.completion if known.image_output is UNSET else known.image_output
    kinds: list[tuple[str, str, str | UnsetType]] = [
        ("input_text", "token", known.prompt),
        ("input_image", "token", known.image_token),
        ("input_image", "image", known.image),
        ("output_image", "token", completion),
        ("output_image", "request", known.request),
    ]
    return [
        {"billable": billable, "unit": unit, "cost_usd": Decimal(price)}
        for billable, unit, price in kinds
        if isinstance(price, str) and Decimal(price) > 0
    ]
