"""Bodies in parts, with a bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.requests import Request

from turnout.control.refusal import Refusal
from turnout.control.upload import Upload

if TYPE_CHECKING:
    from starlette.types import Message


def request(*parts: bytes, length: int | None = None, gone: bool = False) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def test_a_body_within_the_bound_passes_part_by_part() -> None:
    async def parts() -> list[bytes]:
        return [part async for part in Upload(request(b"ab", b"cd", length=4), bytes_max=4).parts()]

    assert asyncio.run(parts()) == [b"ab", b"cd"]
    assert asyncio.run(Upload(request(b"ab", b"cd")).whole()) == b"abcd"


@pytest.mark.parametrize("length", [5, None])
def test_a_larger_one_is_refused_as_soon_as_that_is_known(length: int | None) -> None:
    upload = Upload(request(b"abc", b"de", length=length), bytes_max=4)
    with pytest.raises(Refusal) as refused:
        asyncio.run(upload.whole())
    assert refused.value.kind.status == 413
    asyncio.run(upload.drain())


def test_the_rest_is_forgotten_within_the_bound_and_without_the_client() -> None:
    for sent in (request(b"a", b"b"), request(b"a", b"b", b"c", b"d"), request(b"a", gone=True)):
        asyncio.run(Upload(sent, bytes_max=3).drain())
