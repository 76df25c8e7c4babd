"""A Valkey or Redis server of which only what the response cache uses is there: RESP2, ``AUTH SELECT GET SET DEL``.

Times of keys are noted and not kept: what a test wants to see expire it takes out itself.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server(socketserver.ThreadingTCPServer):
    """The server; used through :func:`serving`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *, password: str = "", silent: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.password = password
        self.silent = silent
        """Whether it takes commands and never answers."""
        self.values: dict[tuple[int, bytes], bytes] = {}
        """By database and key."""
        self.seconds: dict[bytes, int] = {}
        """Time that each key was given."""
        self.commands: list[bytes] = []
        """Names of the commands that were run, oldest first."""
        self.over = threading.Event()

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        database = 0
        allowed = not self.server.password
        while command := _read(self.rfile):
            name = command[0].upper()
            self.server.commands.append(name)
            if self.server.silent:
                self.server.over.wait()
                return
            key = (database, command[1])
            if name == b"AUTH":
                allowed = command[-1].decode() == self.server.password
                answer = b"+OK\r\n" if allowed else b"-WRONGPASS invalid username-password pair\r\n"
            elif not allowed:
                answer = b"-NOAUTH Authentication required.\r\n"
            elif name == b"SELECT":
                database, answer = int(command[1]), b"+OK\r\n"
            elif name == b"GET":
                value = self.server.values.get(key)
                answer = b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
            elif name == b"SET":
                assert command[3] == b"EX"
                self.server.values[key], self.server.seconds[command[1]] = command[2], int(command[4])
                answer = b"+OK\r\n"
            elif name == b"DEL":
                answer = b":%d\r\n" % (self.server.values.pop(key, None) is not None)
            else:
                answer = b"-ERR unknown command\r\n"
            self.wfile.write(answer)


def _read(stream: BinaryIO) -> list[bytes]:
    """One command; empty at the end."""
    line = stream.readline()
    if not line:
        return []
    parts = []
    for _ in range(int(line[1:])):
        length = int(stream.readline()[1:])
        parts.append(stream.read(length + 2)[:-2])
    return parts


@contextlib.contextmanager
def serving(*, password: str = "", silent: bool = False) -> Iterator[Server]:
    """Runs a server until the block is left."""
    with Server(password=password, silent=silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
