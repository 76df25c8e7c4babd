"""The list of models as Anthropic's API has it: newest first, pages by the id that came before or comes after.

Coding agents ask for it to fill the menu of models that they offer. Every model that writes text is in it, whoever made
it, since this gateway translates.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from turnout.control import answer, listing, refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.control.listing import Shown

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 1000


def page(request: Request) -> Response:
    """The page that ``limit`` and one of ``after_id`` and ``before_id`` ask for."""
    texts = [shown for shown in listing.visible(request) if "text" in shown.card.architecture.output_modalities]
    models = sorted(texts, key=lambda shown: (-shown.card.created, shown.slug))
    limit = _limit(request.query_params.get("limit"))
    before = request.query_params.get("before_id")
    after = request.query_params.get("after_id")
    if before:
        rest = models[: _position(models, "before_id", before)]
        part = rest[-limit:]
    else:
        rest = models[_position(models, "after_id", after) + 1 :] if after else models
        part = rest[:limit]
    return answer.json(
        {
            "data": [shape(shown) for shown in part],
            "has_more": len(rest) > len(part),
            "first_id": part[0].slug if part else None,
            "last_id": part[-1].slug if part else None,
        }
    )


def shape(shown: Shown) -> dict[str, Any]:
    """One model. What this gateway does not know of it is ``null``; a day that is not known is the epoch's."""
    card = shown.card
    return {
        "type": "model",
        "id": shown.slug,
        "display_name": card.name,
        "created_at": _moment(datetime.fromtimestamp(card.created, UTC)),
        # A model that its provider will stop serving still answers; when it no longer does, it is in no list.
        "lifecycle": "active" if card.expiration_date is None else "deprecated",
        "retires_at": None if card.expiration_date is None else f"{card.expiration_date}T00:00:00Z",
        "deprecated_at": None,
        "max_input_tokens": card.context_length,
        "max_tokens": card.top_provider.max_completion_tokens,
        "capabilities": None,
        "line": None,
    }


def _moment(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT_DEFAULT
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0
    if not 1 <= number <= LIMIT_MAX:
        raise Refusal(refusal.INVALID_REQUEST, f'limit is "{text[:64]}", expected a whole number from 1 to {LIMIT_MAX}')
    return number


def _position(models: Sequence[Shown], name: str, wanted: str) -> int:
    for position, shown in enumerate(models):
        if shown.slug == wanted:
            return position
    raise Refusal(refusal.INVALID_REQUEST, f'{name} is "{wanted[:128]}", expected the id of a listed model')
