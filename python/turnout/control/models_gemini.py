"""The list of models as Google's Gemini API has it: names under ``models/``, pages by a token.

The token is the name that the next page begins after. So a page that is asked for while the configuration changes is
still a page of the same order.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from turnout.control import answer, listing, refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.control.listing import Shown

SIZE_DEFAULT: Final = 50
SIZE_MAX: Final = 1000
"""Google takes a larger number for this one, and so does this gateway."""

METHODS: Final = {
    "text": ("generateContent", "countTokens"),
    "embeddings": ("embedContent", "batchEmbedContents"),
}
"""What can be asked of a model that makes this. Models that make neither cannot be reached by this API."""


def page(request: Request) -> Response:
    """The page that ``pageSize`` and ``pageToken`` ask for."""
    models = sorted((shown for shown in listing.visible(request) if _methods(shown)), key=lambda shown: shown.slug)
    size = _size(request.query_params.get("pageSize"))
    token = request.query_params.get("pageToken")
    start = bisect_right(models, token, key=lambda shown: shown.slug) if token else 0
    part = models[start : start + size]
    body: dict[str, Any] = {"models": [shape(shown) for shown in part]}
    if start + size < len(models):
        body["nextPageToken"] = part[-1].slug
    return answer.json(body)


def shape(shown: Shown) -> dict[str, Any]:
    """One model. A limit that is not known is absent."""
    card = shown.card
    limits = {
        "inputTokenLimit": card.context_length,
        "outputTokenLimit": card.top_provider.max_completion_tokens,
    }
    return {
        "name": f"models/{shown.slug}",
        "baseModelId": shown.slug,
        "version": card.canonical_slug,
        "displayName": card.name,
        "description": card.description,
        **{name: limit for name, limit in limits.items() if limit is not None},
        "supportedGenerationMethods": list(_methods(shown)),
        "thinking": card.reasoning is not UNSET,
    }


def _methods(shown: Shown) -> tuple[str, ...]:
    return tuple(method for output in shown.card.architecture.output_modalities for method in METHODS.get(output, ()))


def _size(text: str | None) -> int:
    if not text:
        return SIZE_DEFAULT
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise Refusal(refusal.INVALID_REQUEST, f'pageSize is "{text[:64]}", expected a whole number')
    # Zero is "not said" in Google's wire format.
    return min(int(text) or SIZE_DEFAULT, SIZE_MAX)
