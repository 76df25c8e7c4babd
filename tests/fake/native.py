"""A plane and a scripted provider in plain Python, with the methods and promises of ``turnout/_native.pyi``.

The plane serves ``/health/ready`` itself on its sockets and sends every other request to the control socket. Its
journal is a list that the test fills. In a child process, ``tests/fake/site/sitecustomize.py`` makes it
``turnout._native``.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

__version__ = "fake"


class Plane:
    """See ``_native.pyi``."""

    def __init__(self, snapshot: bytes, *, listeners: list[int], control_socket: str | None, state_dir: str) -> None:
        self.snapshot = msgspec.json.decode(snapshot)
        self.snapshots = [snapshot]
        self.control_socket = control_socket
        self.state_dir = state_dir
        self.listeners = [socket.socket(fileno=os.dup(descriptor)) for descriptor in listeners]
        self.servers: list[ThreadingHTTPServer] = []
        self.reload_error: str | None = None
        self.behind: list[str | None] = []
        self.draining = False
        self.stopped = 0
        self.journal: list[Any] = []
        self.committed: list[int] = []
        self.told: list[Any] = []
        self.charged: dict[str | None, dict[str, int]] = {}
        self.known: list[dict[str, Any]] = []

    def start(self) -> list[str]:
        if not self.listeners:
            for address in self.snapshot["server"]["listen"]:
                host, _, port = address.rpartition(":")
                self.listeners.append(socket.create_server((host, int(port))))
        for listener in self.listeners:
            server = _server(self, listener)
            self.servers.append(server)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return ["{}:{}".format(*listener.getsockname()[:2]) for listener in self.listeners]

    def swap(self, snapshot: bytes) -> int:
        self.snapshot = msgspec.json.decode(snapshot)
        self.snapshots.append(snapshot)
        self.reload_error = None
        return len(self.snapshots)

    def explain(self, request: bytes) -> bytes:
        if b"not one" in request:
            raise ValueError("api: no API is called so")
        return json.dumps({"turnout_explain": json.loads(request)}).encode()

    def reload_failed(self, message: str) -> None:
        self.reload_error = message

    def drain_journal(self, records_max: int, wait_ms: int) -> tuple[bytes, int]:
        if not self.journal and wait_ms:
            threading.Event().wait(wait_ms / 1000)
        batch = self.journal[:records_max]
        return msgspec.msgpack.encode(batch), len(batch)

    def commit_journal(self, token: int) -> None:
        self.committed.append(token)
        del self.journal[:token]

    def ledger_behind(self, message: str | None) -> None:
        self.behind.append(message)

    def spent(self, json: bytes) -> None:
        self.told.append(msgspec.json.decode(json))

    def usage(self, sha256: str | None) -> str:
        return json.dumps(self.charged.get(sha256, {}))

    def begin_drain(self) -> None:
        self.draining = True

    def stop(self) -> bool:
        self.stopped += 1
        for server in self.servers:
            server.shutdown()
        for listener in self.listeners:
            listener.close()
        self.servers, self.listeners = [], []
        return True

    def statistics(self) -> bytes:
        return json.dumps({"endpoints": self.known, "credentials": []}).encode()

    def health(self) -> str:
        return json.dumps(
            {
                "ready": not self.draining,
                "pid": os.getpid(),
                "digest": self.snapshot["digest"],
                "reload_error": self.reload_error,
                "ledger": self.behind[-1] if self.behind else None,
            }
        )


class Mock:
    """See ``_native.pyi``."""

    def __init__(self, listen: str, *, threads: int = 1, record: bool = False) -> None:
        host, _, port = listen.rpartition(":")
        self._listener = socket.create_server((host, int(port)))

    @property
    def address(self) -> str:
        return "{}:{}".format(*self._listener.getsockname())

    def stop(self) -> None:
        self._listener.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("gateway", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def _server(plane: Plane, listener: socket.socket) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.path == "/health/ready":
                self._answer(503 if plane.draining else 200, plane.health().encode(), {})
                return
            if plane.control_socket is None:
                self._answer(503, b"{}", {})
                return
            upstream = _UnixConnection(plane.control_socket)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                upstream.request(self.command, self.path, body, {**headers, "x-forwarded-host": self.headers["host"]})
                answer = upstream.getresponse()
                self._answer(answer.status, answer.read(), dict(answer.getheaders()))
            finally:
                upstream.close()

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "date", "server", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(listener.getsockname()[:2], Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.daemon_threads = True
    return server
