"""``POST /api/admin/route/explain``: where a request would go and why, without sending it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from turnout.control import identity, refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request


async def create(request: Request) -> Response:
    """The plan in the words of ``turnout_explain``; what would be refused is told with its ``error``, and 200.

    The plane reads the body itself, so that it is read as a client's would be. For the admin key: the answer names all
    endpoints, and the request may name any client's key.
    """
    identity.admin(request)
    body = await request.body()
    try:
        told = await run_in_threadpool(identity.gateway(request).plane.explain, body)
    except ValueError as error:
        expected = (
            'expected {"api": "chat", "body": {…}, "key": NAME, "headers": {…}, "seed": N}, or the body of a chat'
        )
        raise Refusal(refusal.INVALID_REQUEST, f"{expected} request: {error}") from error
    return Response(told, media_type="application/json", headers={"cache-control": "no-store"})
