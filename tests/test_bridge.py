"""The control API on a socket of its own, inside a running event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

from turnout import bridge


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def get(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


def test_it_serves_until_the_end_and_leaves_no_socket() -> None:
    level = logging.getLogger("_granian").level
    # A Unix socket's path is short; pytest's directories are not.
    with tempfile.TemporaryDirectory() as folder:
        path = bridge.socket_path(Path(folder))
        path.touch()

        async def run() -> None:
            async with bridge.serving(app, path):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                assert (await get(path)).endswith(b"\r\n\r\nok")

        asyncio.run(run())
        assert not path.exists()
    assert logging.getLogger("_granian").level == level


def test_granians_socket_is_found_and_takes_connections_early() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as bound:
        path = Path(folder) / "granian.sock"
        bound.bind(str(path))
        assert bridge.granian_socket(path) == str(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            # A connected end has the same name; it is not what is looked for.
            accepted, _ = bound.accept()
            bound.close()
            with accepted:
                assert bridge.granian_socket(path) is None


def test_other_sockets_are_not_granians() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert bridge.granian_socket(Path("/nowhere/granian.sock")) is None
