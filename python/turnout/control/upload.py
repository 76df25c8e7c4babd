"""A body on its way from a client to a provider, in parts: counted, and never held whole."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from turnout.control import refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

BODY_BYTES_MAX: Final = 100 * 1024 * 1024
"""Largest body; a larger one is refused as 413. Twice the largest that any provider's client sends in one part, while
one client cannot keep the control side busy for long. The plane in front has its own bound, ``server.limits.body``."""


class Upload:
    """One request's body. It is read once: first a beginning, then the rest."""

    def __init__(self, request: Request, *, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._stream = request.stream()
        self._bytes_max = bytes_max
        self._read = 0
        self._ended = False
        declared = request.headers.get("content-length", "")
        self.length = int(declared) if declared.isascii() and declared.isdecimal() else None
        """Bytes in all; ``None``: the client did not say."""

    async def parts(self) -> AsyncIterator[bytes]:
        """What has not been read yet. Raises :class:`Refusal` as soon as it is known to be too much."""
        if self.length is not None and self.length > self._bytes_max:
            raise self._too_large()
        async for part in self._stream:
            self._read += len(part)
            if self._read > self._bytes_max:
                raise self._too_large()
            if part:
                yield part
        self._ended = True

    async def whole(self) -> bytes:
        """All of a small body."""
        return b"".join([part async for part in self.parts()])

    async def drain(self) -> None:
        """Reads and forgets the rest, within the bound.

        Who is answered before it has sent everything may see its connection break instead of the answer.
        """
        if self._ended or self._read > self._bytes_max or (self.length or 0) > self._bytes_max:
            return
        with suppress(ClientDisconnect):
            async for part in self._stream:
                self._read += len(part)
                if self._read > self._bytes_max:
                    return

    def _too_large(self) -> Refusal:
        return Refusal(
            refusal.PAYLOAD_TOO_LARGE, f"The body is too large, expected at most {self._bytes_max} bytes here"
        )
