"""``/v1/batches``: many requests in one file, answered within a day at a lower price, in OpenAI's protocol.

They pass to the provider that keeps the file. Which models a batch asks stands in that file, which is not read here.
So a key that is limited to some models may look, but not start one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.requests import ClientDisconnect

from turnout.control import answer, identity, keeper, refusal, storing
from turnout.control.passing import Errand
from turnout.control.refusal import Refusal
from turnout.control.upload import Upload

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

BODY_BYTES_MAX: Final = 1024 * 1024
"""Largest description of a batch. The largest known has sixteen short notes; the requests are in the file."""


async def listing(request: Request) -> Response:
    """Batches of one provider."""
    identity.client(request)
    return await storing.listing(request, "batches", "openai")


async def create(request: Request) -> Response:
    """Starts a batch over a file that was stored before."""
    key = identity.client(request)
    if key is not None and key.models is not None:
        raise Refusal(
            refusal.KEY_LIMITED,
            "The key is limited to some models, and a batch may ask any; use a key that may use all models",
        )
    upload = Upload(request, bytes_max=BODY_BYTES_MAX)
    try:
        body = _object(await upload.whole())
        said = keeper.named(request, body.pop(keeper.MEMBER, None))
        public = {name: body[name] for name in keeper.ID_MEMBERS if isinstance(body.get(name), str)}
        snapshot = identity.gateway(request).reloader.current.snapshot
        chosen = keeper.choose(snapshot, "openai", said=said, ids=tuple(public.values()))
        body.update({name: keeper.split(value)[1] for name, value in public.items()})
        sent = msgspec.json.encode(body)
        return await storing.change(
            Errand(
                request=request,
                keeper=chosen,
                method="POST",
                path=("batches",),
                body=sent,
                raw_errors=snapshot.server.raw_errors,
            ),
            api="batches",
            key=key,
        )
    except Refusal:
        await upload.drain()
        raise
    except ClientDisconnect:
        # Nobody reads this answer; without one the log would have a traceback.
        return answer.json({}, status=storing.CLIENT_LEFT)


async def read(request: Request) -> Response:
    """How far a batch is."""
    identity.client(request)
    return await storing.one(request, "batches", "openai")


async def cancel(request: Request) -> Response:
    """Ends a batch early."""
    key = identity.client(request)
    return await storing.change(storing.errand(request, "batches", "openai", "cancel"), api="batches", key=key)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Refusal(
            refusal.INVALID_REQUEST, "Expected a JSON object with input_file_id, endpoint and completion_window"
        ) from error
