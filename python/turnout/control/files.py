"""``/v1/files``: what clients store at a provider for batches and for models to read.

They pass to the provider that keeps them (:mod:`turnout.control.keeper`), in OpenAI's protocol, or in Anthropic's for
its own clients. Files belong to the provider's account and not to a key of this gateway: whoever has a key sees them
all, as with the provider's own keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from turnout.control import answer, form, identity, keeper, passing, refusal, storing
from turnout.control.client_api import client_api
from turnout.control.passing import Errand
from turnout.control.refusal import Refusal
from turnout.control.upload import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.snapshot import Dialect


async def listing(request: Request) -> Response:
    """Files of one provider."""
    identity.client(request)
    return await storing.listing(request, "files", _dialect(request))


async def create(request: Request) -> Response:
    """Stores a file, sent as a form."""
    key = identity.client(request)
    boundary = form.boundary(request.headers.get("content-type", ""))
    upload = Upload(request)
    try:
        if boundary is None:
            raise Refusal(
                refusal.INVALID_REQUEST, "Expected a form with the file: Content-Type: multipart/form-data; boundary=…"
            )
        parts = upload.parts()
        beginning = await _beginning(parts, boundary)
        snapshot = identity.gateway(request).reloader.current.snapshot
        chosen = keeper.choose(snapshot, _dialect(request), said=keeper.named(request, beginning.value))
        length = upload.length
        return await storing.change(
            Errand(
                request=request,
                keeper=chosen,
                method="POST",
                path=("files",),
                body=_from(beginning.rest, parts),
                length=None if length is None else length - beginning.cut,
                raw_errors=snapshot.server.raw_errors,
            ),
            api="files",
            key=key,
        )
    except Refusal:
        await upload.drain()
        raise
    except ClientDisconnect:
        # Nobody reads this answer; without one the log would have a traceback.
        return answer.json({}, status=storing.CLIENT_LEFT)


async def read(request: Request) -> Response:
    """What is known of a file."""
    identity.client(request)
    return await storing.one(request, "files", _dialect(request))


async def delete(request: Request) -> Response:
    """Removes a file."""
    identity.client(request)
    return await storing.one(request, "files", _dialect(request))


async def content(request: Request) -> Response:
    """A file's bytes."""
    identity.client(request)
    return await passing.fetch(storing.errand(request, "files", _dialect(request), "content"))


def _dialect(request: Request) -> Dialect:
    return "anthropic" if client_api(request) == "anthropic" else "openai"


async def _beginning(parts: AsyncIterator[bytes], boundary: bytes) -> form.Beginning:
    """Enough of the form to know whether it names a provider."""
    held = b""
    async for part in parts:
        held += part
        found = form.read(held, boundary, keeper.MEMBER)
        if found is not None:
            return found
        if len(held) >= form.BEGINNING_BYTES_MAX:
            break
    return form.Beginning(value=None, rest=held, cut=0)


async def _from(beginning: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield beginning
    async for part in parts:
        yield part
