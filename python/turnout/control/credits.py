"""The gateway's credits: ``GET /api/v1/credits``, and how the admin adds some."""

from __future__ import annotations

from decimal import Decimal  # noqa: TC003 — msgspec reads it at run time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.control import answer, identity, refusal
from turnout.control.key import asked, used
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.gateway import Gateway
    from turnout.ledger.credits import Addition

AMOUNT_MAX: Final = 1_000_000_000
"""Dollars that can be added at once: beyond any account, and far from the end of the counters."""

LISTED_MAX: Final = 1_000

NOTE_CHARACTERS_MAX: Final = 1_000


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What ``POST /api/admin/credits`` takes."""

    amount: Decimal
    """Dollars, as a number or its text; negative takes off."""
    note: str = ""


_body = msgspec.json.Decoder(Body)


async def read(request: Request) -> Response:
    """All that was added, and all that was used. For the admin key, as OpenRouter's is for its management keys."""
    identity.admin(request)
    return answer.json({"data": await _balance(identity.gateway(request))})


async def listing(request: Request) -> Response:
    """The latest additions, newest first."""
    identity.admin(request)
    gateway = identity.gateway(request)
    found = await asked(lambda: gateway.credits.latest(LISTED_MAX))
    return answer.json({"data": [_shape(addition) for addition in found], **await _balance(gateway)})


async def create(request: Request) -> Response:
    """Adds credits; 201 with what was added and what there is now."""
    identity.admin(request)
    gateway = identity.gateway(request)
    try:
        body = _body.decode(await request.body())
        nano = _nano(body)
    except (msgspec.DecodeError, ValueError) as error:
        expected = f'expected {{"amount": DOLLARS, "note": TEXT}} with at most {AMOUNT_MAX} dollars'
        raise Refusal(refusal.INVALID_REQUEST, f"{expected}: {error}") from error
    addition = await asked(lambda: gateway.credits.add(nano, body.note))
    return answer.json({"data": {**_shape(addition), **await _balance(gateway)}}, status=201)


def _nano(body: Body) -> int:
    exact = body.amount.scaleb(answer.NANO)
    if not body.amount.is_finite() or exact != exact.to_integral_value() or abs(body.amount) > AMOUNT_MAX:
        raise ValueError("the amount has more than nine decimal places, or is too large")
    if not body.amount:
        raise ValueError("the amount is zero")
    if len(body.note) > NOTE_CHARACTERS_MAX:
        raise ValueError(f"the note has more than {NOTE_CHARACTERS_MAX} characters")
    return int(exact)


async def _balance(gateway: Gateway) -> dict[str, Any]:
    total = await asked(gateway.credits.total)
    usage = await used(gateway, None)
    return {"total_credits": answer.dollars(total), "total_usage": answer.dollars(usage.total)}


def _shape(addition: Addition) -> dict[str, Any]:
    return {
        "id": addition.id,
        "amount": answer.dollars(addition.amount_nano),
        "note": addition.note,
        "created_at": answer.moment(addition.created_ms // 1000),
    }
