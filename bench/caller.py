"""The clients of ``chaos.py``: each sends a request, reads every byte of the answer, and says what a user would get.

HTTP is read by hand, because the point is what stands on the wire: whether a body ended as its framing promised,
whether a stream ended with its protocol's own end, and when each byte came.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import rig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weather import Api, Wish

PATIENCE_S: Final = 60.0
"""When a client gives up. Far beyond every deadline of the gateway, so reaching it is a hang."""


@dataclass(slots=True)
class Seen:
    """What a client saw of one request."""

    number: int
    stream: bool
    status: int = 0
    """0: no answer began."""
    whole: bool = False
    """The answer said that it was complete, in its protocol and its framing."""
    text: str = ""
    error: bool = False
    """It said that it failed: by its status, or by an event."""
    left: bool = False
    """The client went away, as it was to."""
    hung: bool = False
    sent_s: float = 0
    first_s: float = 0
    """From sending to the first byte; 0: none came."""
    gap_s: float = 0
    """Longest silence after it."""
    took_s: float = 0


def request(wish: Wish, address: str) -> bytes:
    """The bytes of the request."""
    model, *others = wish.models
    said: list[dict[str, Any]] = [{"role": "user", "content": wish.text}]
    body: dict[str, Any] = {"model": model, "stream": wish.stream}
    path = "/v1/chat/completions"
    match wish.api:
        case "chat":
            body |= {"messages": said}
            if others:
                body["models"] = others
        case "messages":
            path, body = "/v1/messages", body | {"messages": said, "max_tokens": 100}
        case "responses":
            path, body = "/v1/responses", body | {"input": wish.text}
        case "gemini":
            verb = "streamGenerateContent?alt=sse" if wish.stream else "generateContent"
            path, body = (
                f"/v1beta/models/{model}:{verb}",
                {"contents": [{"role": "user", "parts": [{"text": wish.text}]}]},
            )
    if wish.order:
        body["provider"] = {"order": wish.order}
    content = json.dumps(body).encode()
    # The referer is booked, whatever becomes of the request: it ties the ledger's row to this client.
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {address}",
        f"Authorization: Bearer {rig.KEY}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        f"HTTP-Referer: chaos:{wish.number}",
        *([f"X-Session-Id: {wish.session}"] if wish.session else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Clients:
    """Clients of one gateway, with the connections that they keep."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, wish: Wish) -> Seen:
        """One request, to its end."""
        seen = Seen(wish.number, wish.stream)
        reader, writer, is_kept = await self._connection()
        keep = False
        seen.sent_s = time.monotonic()
        try:
            async with asyncio.timeout(wish.leaves_s or PATIENCE_S):
                try:
                    keep = await self._ask(wish, seen, reader, writer)
                except (OSError, asyncio.IncompleteReadError):
                    if not is_kept or seen.first_s:
                        raise
                    # The gateway may close a kept connection while a request is on its way to it. All clients ask once
                    # more then; had the first been taken, the ledger would have two.
                    writer.close()
                    reader, writer = await asyncio.open_connection(self._host, self._port)
                    keep = await self._ask(wish, seen, reader, writer)
        except TimeoutError:
            seen.left, seen.hung = wish.leaves_s is not None, wish.leaves_s is None
        except (OSError, asyncio.IncompleteReadError):
            seen.whole = False
        seen.took_s = time.monotonic() - seen.sent_s
        if keep:
            self._kept.append((reader, writer))
        else:
            writer.close()
        return seen

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bool]:
        """A kept one that is still open, or a new one; and whether it is a kept one."""
        while self._kept:
            reader, writer = self._kept.pop()
            if not reader.at_eof():
                return reader, writer, True
            writer.close()
        return *await asyncio.open_connection(self._host, self._port), False

    async def _ask(self, wish: Wish, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Sends and reads; whether the connection can be used again."""
        writer.write(request(wish, self._address))
        await writer.drain()
        return await self._read(wish, seen, reader)

    async def close(self) -> None:
        """Closes what is kept."""
        for _, writer in self._kept:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _read(self, wish: Wish, seen: Seen, reader: asyncio.StreamReader) -> bool:
        """Reads the answer; whether the connection can be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        last_s = time.monotonic()
        seen.first_s = last_s - seen.sent_s
        status = int(head.split(" ", 2)[1])
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), None)
        data, body, framed = bytearray(), b"", False
        while not framed:
            if length is not None and len(data) >= length:
                body, framed = bytes(data[:length]), True
                break
            part = await reader.read(1 << 16)
            now_s = time.monotonic()
            seen.gap_s, last_s = max(seen.gap_s, now_s - last_s), now_s
            if not part:
                break
            data += part
            if length is None and data.endswith(b"0\r\n\r\n"):
                body, framed = dechunked(bytes(data))
        if not framed and length is None:
            body, _ = dechunked(bytes(data))
        seen.status = status
        seen.text, complete, failed = understood(wish.api, wish.stream, body)
        seen.error = failed or status >= 400
        seen.whole = complete and framed and not seen.error
        return framed and "connection: close" not in head


def dechunked(data: bytes) -> tuple[bytes, bool]:
    """A chunked body, as far as it is there, and whether that is all of it."""
    body, at = bytearray(), 0
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return bytes(body), False
        size = int(data[at:line], 16)
        start, end = line + 2, line + 2 + size
        if size == 0:
            return bytes(body), data[start:] == b"\r\n"
        if end + 2 > len(data):
            return bytes(body + data[start:end]), False
        body += data[start:end]
        at = end + 2


def understood(api: Api, stream: bool, body: bytes) -> tuple[str, bool, bool]:
    """What a user reads, whether it claims to be complete, and whether it says that it failed."""
    try:
        documents = (
            list(events(body)) if stream and body.startswith((b"data:", b"event:", b":")) else [json.loads(body)]
        )
    except ValueError:
        return "", False, False
    text, complete, failed = "", False, False
    for document in documents:
        if document is None:
            continue
        failed = failed or bool(document.get("error")) or document.get("type") in ("error", "response.failed")
        match api:
            case "chat":
                for choice in document.get("choices", []):
                    text += choice.get("delta", choice.get("message", {})).get("content") or ""
                    complete = complete or choice.get("finish_reason") == "stop"
            case "messages" if stream:
                text += document.get("delta", {}).get("text", "")
                complete = complete or document.get("type") == "message_stop"
            case "messages":
                text += "".join(block.get("text", "") for block in document.get("content", []))
                complete = document.get("stop_reason") == "end_turn"
            case "responses" if stream:
                text += document["delta"] if document.get("type") == "response.output_text.delta" else ""
                complete = complete or document.get("type") == "response.completed"
            case "responses":
                text += "".join(part.get("text", "") for item in document.get("output", []) for part in item["content"])
                complete = document.get("status") == "completed"
            case "gemini":
                for candidate in document.get("candidates", []):
                    text += "".join(part.get("text", "") for part in candidate.get("content", {}).get("parts", []))
                    complete = complete or candidate.get("finishReason") == "STOP"
    if stream and api == "chat" and documents and documents[-1] is not None:
        # Without its [DONE] it is not at its end, whatever it says.
        complete = False
    return text, complete, failed


def events(body: bytes) -> Iterator[Any]:
    """The documents of an event stream; ``None`` for ``[DONE]``."""
    for line in body.split(b"\n"):
        if line.startswith(b"data:"):
            data = line[5:].strip()
            yield None if data == b"[DONE]" else json.loads(data)
