"""A provider that keeps files and batches, on loopback, and notes what it was sent."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = {"id": "file-1", "object": "file", "bytes": 5, "filename": "a.jsonl", "purpose": "batch", "status": "processed"}
BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-1",
    "output_file_id": "file-2",
    "error_file_id": None,
    "status": "completed",
    "metadata": {"id": "theirs"},
}
BYTES = b'{"custom_id": "1", "id": "file-1"}\n' * 20_000
"""Long enough to come in several parts."""


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Keeping:
    """What to answer, and what was asked."""

    address: str = ""
    received: list[Received] = field(default_factory=list)
    status: int = 200
    error: Any = None
    """The body of an answer whose status is not 200."""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Whether the connection ends before the whole body has come."""

    @property
    def last(self) -> Received:
        """The latest request."""
        return self.received[-1]

    def body(self, method: str, path: str) -> bytes:
        """What is there."""
        if self.status != 200:
            return self.error if isinstance(self.error, bytes) else json.dumps(self.error).encode()
        _, resource, *rest = path.split("?")[0].removeprefix("/v1").split("/")
        if rest[-1:] == ["content"]:
            return BYTES
        one = FILE if resource == "files" else BATCH
        if method == "DELETE":
            return json.dumps({"id": one["id"], "object": "file", "deleted": True}).encode()
        if rest or method == "POST":
            return json.dumps(one).encode()
        listed = {"object": "list", "data": [one], "first_id": one["id"], "last_id": one["id"], "has_more": False}
        return json.dumps(listed).encode()


@contextmanager
def keeping() -> Iterator[Keeping]:
    """The provider, while it serves."""
    state = Keeping()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            sent = self.rfile.read(length)
            if self.headers.get("transfer-encoding") == "chunked":
                while (size := int(self.rfile.readline(), 16)) > 0:
                    sent += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.received.append(Received(self.command, self.path, headers, sent))
            body = state.body(self.command, self.path)
            self.send_response(state.status)
            self.close_connection = state.cut
            self.send_header("content-length", str(len(body) + state.cut))
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody wants to read it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def config(*addresses: str) -> str:
    """A configuration with these providers, ``one``, ``two`` …, which speak OpenAI's protocol, and ``claude``."""
    names = ("one", "two", "three")
    rows = "".join(
        f"  {name}: {{dialect: openai, base_url: '{address}', api_key: secret-{name}, headers: {{x-team: blue}}}}\n"
        for name, address in zip(names, addresses, strict=False)
    )
    return f"""
catalogue: false
keys:
  - {{name: me, key: sk-test-client-0123456789}}
  - {{name: limited, key: sk-test-limited-0123456789, models: [a/b]}}
providers:
{rows}  claude: {{dialect: anthropic, base_url: '{addresses[0]}', api_key: secret-claude}}
models:
  a/b: {{provider: one, model: b}}
"""


LIMITED = "sk-test-limited-0123456789"
