"""HTTP/2 towards clients: prior knowledge without TLS, ALPN with it, streams, windows, resets, limits, GOAWAY."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from tests.plane.h2_client import Client
from tests.plane.harness import (
    CHAT,
    KEY,
    PATIENCE_S,
    Rig,
    chat,
    endpoint,
    eventually,
    model,
    provider,
    running,
    scripted,
    serving,
    snapshot,
)
from turnout.config.snapshot import Tls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.config.snapshot import Snapshot


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    def make(address: str) -> Snapshot:
        return snapshot(
            [provider(address)],
            [model(endpoint(model="echo")), model(endpoint(model="plain;stall=1"), slug="test/stalls")],
            server={"limits": {"streams_per_connection_max": 20}},
        )

    with running(make) as rig:
        yield rig


def test_prior_knowledge_serves_every_kind_of_path(rig: Rig) -> None:
    with Client(rig) as client:
        live, chatted, cold, missing = (
            client.ask("/health/live"),
            client.chat(chat("Hello there")),
            client.ask("/page"),
            client.ask("/v1/models/test/none", ("authorization", f"Bearer {KEY}")),
        )
        assert client.answer(live).json() == {"status": "live"}
        got = client.answer(chatted)
        assert (got.status, got.headers["content-type"]) == (200, "application/json")
        assert got.headers["x-generation-id"] == got.json()["id"]
        assert int(got.headers["content-length"]) == len(got.body)
        assert "Hello there" in got.json()["choices"][0]["message"]["content"]
        assert client.answer(cold).status == 503
        assert client.answer(missing).status == 404
        assert not {"connection", "transfer-encoding", "keep-alive"} & set(got.headers)


def test_the_preface_may_come_byte_by_byte(rig: Rig) -> None:
    with Client.__new__(Client) as client:
        sock = socket.create_connection(rig.host, timeout=PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        real, parts = sock.sendall, []
        hello = H2Connection(H2Configuration())
        hello.initiate_connection()
        for byte in hello.data_to_send():
            real(bytes([byte]))
            parts.append(byte)
        client.sock = sock
        data = b""
        while len(data) < 9:
            data += sock.recv(100)
        assert data[3] == 4, "the first frame is SETTINGS"


def test_a_head_request_has_a_length_and_no_body(rig: Rig) -> None:
    with Client(rig) as client:
        got = client.answer(client.ask("/health/live", method="HEAD"))
        assert (got.status, got.headers["content-length"], got.body) == (200, "17", b"")


def test_streams_share_a_connection_and_do_not_wait_for_each_other(rig: Rig) -> None:
    with Client(rig) as client:
        slow = client.chat(chat(model="test/stalls", stream=True))
        client.until(lambda: client.streams[slow].body)
        others = [client.chat(chat(f"number {number}", stream=number % 2 == 0)) for number in range(19)]
        for number, stream in enumerate(others):
            got = client.answer(stream)
            assert got.status == 200
            if number % 2 == 0:
                assert got.headers["content-type"] == "text/event-stream"
                assert got.body.endswith(b"data: [DONE]\n\n")
            else:
                assert f"number {number}" in got.json()["choices"][0]["message"]["content"]
        assert not client.streams[slow].ended


def test_more_streams_than_allowed_are_refused_and_the_connection_goes_on(rig: Rig) -> None:
    with Client(rig) as client:
        client.until(lambda: SettingCodes.MAX_CONCURRENT_STREAMS in client.settings)
        assert client.settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 20
        # As a client that does not care what it was told.
        client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
        client.h2.remote_settings.acknowledge()
        streams = [client.chat(chat(model="test/stalls", stream=True)) for _ in range(25)]
        client.until(lambda: sum(client.streams[stream].reset is not None for stream in streams) == 5)
        assert {got.reset for got in client.streams.values()} <= {None, int(ErrorCodes.REFUSED_STREAM)}
        for stream in streams:
            if client.streams[stream].reset is None:
                client.h2.reset_stream(stream, ErrorCodes.CANCEL)
        client.flush()
        assert client.answer(client.ask("/health/live")).status == 200


def test_a_large_body_is_uploaded_through_the_window(rig: Rig) -> None:
    body = json.dumps(chat("y" * 900_000)).encode()
    with Client(rig) as client:
        stream = client.h2.get_next_available_stream_id()
        lines = [(":method", "POST"), (":scheme", "http"), (":authority", "g"), (":path", CHAT)]
        client.h2.send_headers(stream, [*lines, ("authorization", f"Bearer {KEY}")])
        client.upload(stream, body)
        got = client.answer(stream)
        assert got.status == 200
        assert got.json()["choices"][0]["message"]["content"].count("y") == 900_000


@pytest.mark.parametrize(("status", "key"), [(413, KEY), (401, "wrong")])
def test_a_body_that_will_not_be_read_is_refused_early_and_the_connection_goes_on(
    rig: Rig, status: int, key: str
) -> None:
    with Client(rig) as client:
        stream = client.h2.get_next_available_stream_id()
        lines = [(":method", "POST"), (":scheme", "http"), (":authority", "g"), (":path", CHAT)]
        client.h2.send_headers(stream, [*lines, ("authorization", f"Bearer {key}")])
        client.upload(stream, b"x" * (8 << 20))
        got = client.answer(stream)
        assert (got.status, got.json()["error"]["code"]) == (status, status)
        # What was sent in vain has been given back to the connection's window.
        assert client.answer(client.chat(chat())).status == 200


def test_a_length_that_is_too_large_is_refused_before_any_byte(rig: Rig) -> None:
    with Client(rig) as client:
        stream = client.h2.get_next_available_stream_id()
        lines = [(":method", "POST"), (":scheme", "http"), (":authority", "g"), (":path", CHAT)]
        client.h2.send_headers(stream, [*lines, ("authorization", f"Bearer {KEY}"), ("content-length", "2000000")])
        client.flush()
        client.until(lambda: client.streams[stream].status)
        assert client.streams[stream].status == 413


def test_a_large_stream_waits_for_the_clients_window() -> None:
    with serving("plain;tokens=400;size=1000") as rig, Client(rig) as client:
        client.acknowledges = False
        stream = client.chat(chat(stream=True))
        client.until(lambda: len(client.streams[stream].body) == 65_535)
        client.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.step()
        client.sock.settimeout(PATIENCE_S)
        client.acknowledges = True
        client.h2.increment_flow_control_window(1 << 20)
        client.h2.increment_flow_control_window(1 << 20, stream)
        client.flush()
        got = client.answer(stream)
        assert got.ended
        assert got.body.endswith(b"data: [DONE]\n\n")
        assert got.body.count(b"data: {") >= 400


def test_a_client_that_takes_nothing_is_given_up() -> None:
    with serving("plain;tokens=400;size=1000", server={"timeouts": {"write_ms": 100}}) as rig, Client(rig) as client:
        client.acknowledges = False
        stream = client.chat(chat(stream=True))
        assert client.answer(stream).reset is not None
        [booked] = rig.booked()
        assert booked.cancelled
        assert client.answer(client.ask("/health/live")).status == 200


def test_resetting_a_stream_cancels_its_provider_and_books_it() -> None:
    with serving("plain;stall=3") as rig, Client(rig) as client:
        stream = client.chat(chat(stream=True))
        client.until(lambda: client.streams[stream].body.count(b"data: ") >= 3)
        client.h2.reset_stream(stream, ErrorCodes.CANCEL)
        client.flush()
        [booked] = rig.booked()
        assert booked.cancelled
        assert booked.tokens_completion > 0
        assert client.answer(client.ask("/health/live")).status == 200


def test_resetting_before_the_first_byte_cancels_too() -> None:
    with serving("plain;stall=0") as rig, Client(rig) as client:
        stream = client.chat(chat())
        eventually(lambda: rig.counters()["requests"] == 1, "the provider was asked")
        client.h2.reset_stream(stream, ErrorCodes.CANCEL)
        client.flush()
        [booked] = rig.booked()
        assert (booked.cancelled, booked.status) == (True, 499)


def test_a_connection_that_breaks_cancels_all_its_streams() -> None:
    with serving("plain;stall=2") as rig:
        with Client(rig) as client:
            streams = [client.chat(chat(stream=True)) for _ in range(5)]
            client.until(lambda: all(client.streams[stream].body for stream in streams))
        assert all(record.cancelled for record in rig.booked(5))


def test_a_burst_of_resets_does_no_harm(rig: Rig) -> None:
    with Client(rig) as client:
        client.until(lambda: client.h2.outbound_flow_control_window > 1 << 20)
        with contextlib.suppress(ConnectionError):
            for _ in range(2000):
                stream = client.chat(chat(stream=True))
                client.h2.reset_stream(stream, ErrorCodes.CANCEL)
            client.flush()
            client.to_close()
        assert client.goodbye in (None, int(ErrorCodes.ENHANCE_YOUR_CALM))
    # The connection was ended; everyone else goes on.
    with Client(rig) as other:
        assert other.answer(other.chat(chat())).status == 200
    assert rig.metric("turnout_panics_total") == 0
    eventually(lambda: rig.health()["requests_in_flight"] == 0, "nothing left behind")


def test_header_limits() -> None:
    with (
        serving("plain", server={"limits": {"header_bytes_max": 8192, "headers_max": 50}}) as rig,
        Client(rig) as client,
    ):
        many = client.ask("/health/live", *((f"x-{number}", "y") for number in range(51)))
        assert client.answer(many).status == 431
        assert client.answer(many).json()["error"]["code"] == 431
        large = client.ask("/health/live", ("x", "y" * 9000))
        client.until(lambda: client.streams[large].status or client.streams[large].reset is not None)
        assert client.streams[large].status in (0, 431)
        assert client.answer(client.ask("/health/live")).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        [("connection", "keep-alive")],
        [("transfer-encoding", "chunked")],
        [("upgrade", "websocket")],
        [("te", "gzip")],
        [("X-Upper", "y")],
        [("content-length", "5")],
        [("content-length", "1"), ("content-length", "2")],
        [("x", "a\r\nb: c")],
        [("x", "a\0b")],
    ],
    ids=lambda lines: " ".join(name for name, _ in lines),
)
def test_what_http2_forbids_is_refused(rig: Rig, lines: list[tuple[str, str]]) -> None:
    before = rig.counters()["requests"]
    with Client(rig) as client:
        stream = client.ask("/health/live", *lines)
        got = client.streams[stream]

        def judged() -> bool:
            # A connection that is ended with bytes unread may lose its GOAWAY to the reset.
            return client.closed or client.goodbye is not None or got.reset is not None or got.ended

        while not judged():
            client.step()
        assert got.status in (0, 400)
    assert rig.counters()["requests"] == before


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00\x00\x08\x00\x00\x00\x00\x00\x00" + b"x" * 8,  # DATA on stream 0
        b"\x00\x00\x05\x04\x00\x00\x00\x00\x00" + b"x" * 5,  # SETTINGS whose length is not a multiple of six
        b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",  # WINDOW_UPDATE by nothing
        b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 100,  # a frame of 16 MiB
        b"\x00\x00\x04\x01\x04\x00\x00\x00\x01\xff\xff\xff\xff",  # HEADERS that HPACK cannot read
        b"\x00\x00\x05\x02\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00",  # PRIORITY on itself
        b"\x00\x00\x00\x09\x04\x00\x00\x00\x01",  # CONTINUATION of nothing
    ],
)
def test_broken_frames_end_the_connection_only(rig: Rig, frame: bytes) -> None:
    with socket.create_connection(rig.host, timeout=PATIENCE_S) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + frame)
        sock.shutdown(socket.SHUT_WR)
        while True:
            try:
                if not sock.recv(1 << 16):
                    break
            except ConnectionResetError:
                break
    assert rig.get("/health/live").status_code == 200
    assert rig.metric("turnout_panics_total") == 0


def test_an_idle_connection_is_told_and_closed() -> None:
    with serving("plain", server={"timeouts": {"idle_ms": 80}}) as rig, Client(rig) as client:
        assert client.answer(client.ask("/health/live")).status == 200
        client.to_close()
        assert client.goodbye == ErrorCodes.NO_ERROR


def test_a_client_that_ignores_the_goodbye_is_closed_all_the_same() -> None:
    with serving("plain", server={"timeouts": {"idle_ms": 80}}) as rig:
        hello = H2Connection(H2Configuration())
        hello.initiate_connection()
        with socket.create_connection(rig.host, timeout=PATIENCE_S) as sock:
            sock.sendall(hello.data_to_send())
            # Reads, and answers no PING.
            while sock.recv(1 << 16):
                pass
        eventually(lambda: rig.metric("turnout_connections_open") == 0, "the connection is gone")


def test_a_busy_connection_is_not_idle() -> None:
    with serving("echo;pace=150", server={"timeouts": {"idle_ms": 100}}) as rig, Client(rig) as client:
        stream = client.chat(chat("one two three", stream=True))
        assert client.answer(stream).body.endswith(b"data: [DONE]\n\n")
        assert client.goodbye in (None, ErrorCodes.NO_ERROR)


def test_draining_says_goodbye_and_finishes_what_runs() -> None:
    with serving("echo;pace=60", server={"drain": {"min_ms": 0, "max_ms": 20_000}}) as rig, Client(rig) as client:
        stream = client.chat(chat("one two three four", stream=True))
        client.until(lambda: client.streams[stream].body)
        rig.plane.begin_drain()
        client.until(lambda: client.goodbye is not None)
        assert client.goodbye == ErrorCodes.NO_ERROR
        got = client.answer(stream)
        assert got.ended
        assert got.body.endswith(b"data: [DONE]\n\n")
        assert rig.plane.stop()
        client.to_close()


def test_a_stream_that_does_not_end_in_time_gets_an_error_event() -> None:
    with serving("plain;stall=3", server={"drain": {"min_ms": 0, "max_ms": 50}}) as rig, Client(rig) as client:
        stream = client.chat(chat(stream=True))
        client.until(lambda: client.streams[stream].body.count(b"data: ") >= 3)
        assert not rig.plane.stop()
        got = client.answer(stream)
        assert got.ended
        assert b'"finish_reason":"error"' in got.body


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def write_certificate(authority: trustme.CA, folder: Path, name: str = "localhost") -> Tls:
    leaf = authority.issue_cert(name, "127.0.0.1")
    tls = Tls(certificate_path=str(folder / "cert.pem"), private_key_path=str(folder / "key.pem"))
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    (folder / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    return tls


@pytest.mark.parametrize("offered", [["h2", "http/1.1"], ["http/1.1"], []])
def test_alpn_chooses_the_version(authority: trustme.CA, tmp_path: Path, offered: list[str]) -> None:
    tls = write_certificate(authority, tmp_path)
    with running(lambda address: scripted("echo", address=address, server={"tls": tls})) as rig:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        if offered:
            context.set_alpn_protocols(offered)
        with context.wrap_socket(socket.create_connection(rig.host, PATIENCE_S), server_hostname="localhost") as sock:
            assert sock.version() == "TLSv1.3"
            if "h2" not in offered:
                assert sock.selected_alpn_protocol() == (offered[0] if offered else None)
                sock.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                data = b""
                while more := sock.recv(1000):
                    data += more
                assert data.endswith(b'{"status":"live"}')
                return
            assert sock.selected_alpn_protocol() == "h2"
            with Client(rig, sock) as client:
                assert client.answer(client.chat(chat())).status == 200
                got = client.answer(client.chat(chat(stream=True)))
                assert got.body.endswith(b"data: [DONE]\n\n")
