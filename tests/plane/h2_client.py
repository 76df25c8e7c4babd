"""An HTTP/2 client over a plain socket: the ``h2`` state machine, so that a test can send what a library would not."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

from tests.plane.harness import CHAT, KEY, PATIENCE_S

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from tests.plane.harness import Rig

GOAWAY = 7
"""Type of the frame, RFC 9113 section 6.8."""


@dataclass
class Got:
    """What came on one stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One HTTP/2 connection."""

    def __init__(self, rig: Rig, sock: socket.socket | ssl.SSLSocket | None = None) -> None:
        self.sock = sock or socket.create_connection(rig.host, timeout=PATIENCE_S)
        self.h2 = H2Connection(
            H2Configuration(header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self.streams: dict[int, Got] = defaultdict(Got)
        self.goodbye: int | None = None
        self._raw = b""
        self.closed = False
        self.acknowledges = True
        self.settings: dict[int, int] = {}
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def ask(self, path: str, *headers: tuple[str, str], method: str = "GET", body: bytes | None = None) -> int:
        """Sends a request, and its body when it has one that fits the window."""
        stream = self.h2.get_next_available_stream_id()
        lines = [(":method", method), (":scheme", "http"), (":authority", "gateway"), (":path", path), *headers]
        self.h2.send_headers(stream, lines, end_stream=body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=True)
        self.flush()
        return stream

    def chat(self, body: dict[str, Any], *headers: tuple[str, str]) -> int:
        return self.ask(
            CHAT, ("authorization", f"Bearer {KEY}"), *headers, method="POST", body=json.dumps(body).encode()
        )

    def upload(self, stream: int, body: bytes) -> None:
        """Sends a body as the peer's windows allow, until the peer has answered."""
        sent = 0
        while sent < len(body) and not self.streams[stream].ended and self.streams[stream].reset is None:
            window = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body) - sent)
            if window == 0:
                self.step()
                continue
            self.h2.send_data(stream, body[sent : sent + window], end_stream=sent + window == len(body))
            sent += window
            self.flush()

    def step(self) -> None:
        """Reads once."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return
        self._raw += data
        # The library takes nothing more after a GOAWAY, though streams go on: these frames are kept from it.
        while len(self._raw) >= 9 and len(self._raw) >= (size := 9 + int.from_bytes(self._raw[:3], "big")):
            frame, self._raw = self._raw[:size], self._raw[size:]
            if frame[3] == GOAWAY:
                self.goodbye = int.from_bytes(frame[13:17], "big")
                continue
            for event in self.h2.receive_data(frame):
                self._take(event)
        # A peer that has closed already is seen at the next read.
        with contextlib.suppress(ConnectionError):
            self.flush()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=stream, headers=headers):
                named = {str(name): str(value) for name, value in headers}
                self.streams[stream].status = int(named.pop(":status"))
                self.streams[stream].headers = named
            case DataReceived(stream_id=stream, data=data, flow_controlled_length=length):
                self.streams[stream].body += data
                if self.acknowledges and length:
                    self.h2.acknowledge_received_data(length, stream)
            case StreamEnded(stream_id=stream):
                self.streams[stream].ended = True
            case StreamReset(stream_id=stream, error_code=code):
                self.streams[stream].reset = int(code)
            case RemoteSettingsChanged(changed_settings=changed):
                self.settings |= {int(code): setting.new_value for code, setting in changed.items()}

    def until(self, condition: Callable[[], object]) -> None:
        """Reads until it holds; fails when the connection ends first."""
        while not condition():
            assert not self.closed, "the connection ended"
            self.step()

    def answer(self, stream: int) -> Got:
        got = self.streams[stream]
        self.until(lambda: got.ended or got.reset is not None)
        return got

    def to_close(self) -> None:
        while not self.closed:
            self.step()
