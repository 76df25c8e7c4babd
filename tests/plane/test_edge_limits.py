"""Bounds of the edge: connections, requests in flight, who the client is, and clients that do not read."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import CHAT, PATIENCE_S, Connection, Rig, chat, eventually, scripted, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVE = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"


def silent(connection: Connection, seconds: float = 0.15) -> bool:
    """Whether nothing comes for a moment."""
    connection.sock.settimeout(seconds)
    try:
        return not connection._fill()
    except TimeoutError:
        return True
    finally:
        connection.sock.settimeout(PATIENCE_S)


@pytest.mark.parametrize("threads", [1, 2])
def test_connections_past_the_bound_wait_and_are_served_later(threads: int) -> None:
    with (
        serving("plain", server={"threads": threads, "limits": {"connections_max": 3}}) as rig,
        contextlib.ExitStack() as stack,
    ):
        held = [stack.enter_context(rig.connect()) for _ in range(3)]
        for connection in held:
            connection.write(LIVE)
            assert connection.answer().status == 200
        late = stack.enter_context(rig.connect())
        late.write(LIVE)
        assert silent(late)
        held[1].close()
        assert late.answer().status == 200


def test_a_bound_that_is_raised_lets_the_waiting_in() -> None:
    with serving("plain", server={"limits": {"connections_max": 1}}) as rig, rig.connect() as first:
        first.write(LIVE)
        assert first.answer().status == 200
        with rig.connect() as late:
            late.write(LIVE)
            assert silent(late)
            rig.swap(scripted("plain", address=rig.mock.address, server={"limits": {"connections_max": 5}}))
            assert late.answer().status == 200


def test_requests_past_the_bound_are_refused_at_once_and_the_place_is_given_back() -> None:
    with (
        serving("plain;stall=1", server={"limits": {"requests_in_flight_max": 2}}) as rig,
        contextlib.ExitStack() as stack,
    ):
        running = [stack.enter_context(rig.connect()) for _ in range(2)]
        for connection in running:
            connection.send(chat(stream=True))
            assert connection.head()[0] == 200
        answer = rig.chat()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "server.limits.requests_in_flight" in answer.json()["error"]["message"]
        # What costs nothing is served all the same.
        assert rig.get("/health/ready").json()["requests_in_flight"] == 2
        assert rig.get("/v1/models").status_code == 200
        running[0].reset()
        eventually(lambda: rig.health()["requests_in_flight"] == 1, "the place is given back")
        with rig.connect() as next_one:
            next_one.send(chat(stream=True))
            assert next_one.head()[0] == 200


def test_the_body_limit_is_exact() -> None:
    body = json.dumps(chat("x" * 100)).encode()
    with serving("plain", server={"limits": {"body_bytes_max": len(body)}}) as rig:
        assert rig.post(body).status_code == 200
        answer = rig.post(body + b" ")
        assert answer.status_code == 413
        assert str(len(body)) in answer.json()["error"]["message"]


@pytest.fixture(scope="module")
def behind() -> Iterator[Rig]:
    with serving("plain", server={"trusted_proxies": ["127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"]}) as rig:
        yield rig


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ([], "127.0.0.1"),
        (["203.0.113.9"], "203.0.113.9"),
        (["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (["6.6.6.6, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        (["6.6.6.6", "203.0.113.9", "10.1.2.3"], "203.0.113.9"),
        (["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        (["2001:db8:1::1"], "2001:db8:1::1"),
        (["2a00::1, 2001:db8::5"], "2a00::1"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, nonsense"], "127.0.0.1"),
        (["203.0.113.9, nonsense, 10.1.2.3"], "10.1.2.3"),
        ([""], "127.0.0.1"),
        (["203.0.113.9:443"], "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_wrote(
    behind: Rig, forwarded: list[str], expected: str
) -> None:
    body = json.dumps(chat()).encode()
    lines = "".join(f"x-forwarded-for: {value}\r\n" for value in forwarded)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {behind.key}\r\n{lines}"
    with behind.connect() as connection:
        connection.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert connection.answer().status == 200
    assert behind.booked()[0].client_address == expected


def test_nobody_is_trusted_by_default() -> None:
    with serving("plain") as rig:
        assert rig.post(chat(), x_forwarded_for="203.0.113.9").status_code == 200
        assert rig.booked()[0].client_address == "127.0.0.1"


def test_a_client_that_does_not_read_is_given_up_and_its_provider_let_go() -> None:
    with (
        serving("plain;tokens=3000;size=10000", server={"timeouts": {"write_ms": 200}}) as rig,
        socket.socket() as sock,
    ):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE_S)
        sock.connect(rig.host)
        Connection(sock, rig.headers()).send(chat(stream=True))
        [booked] = rig.booked()
        assert booked.cancelled
        assert booked.tokens_completion > 0
        eventually(lambda: rig.metric("turnout_connections_open") == 0, "the connection is gone")


def test_a_client_that_reads_slowly_is_served_to_the_end() -> None:
    with (
        serving("plain;tokens=300;size=2000", server={"timeouts": {"write_ms": 1000}}) as rig,
        socket.socket() as sock,
    ):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE_S)
        sock.connect(rig.host)
        Connection(sock, rig.headers()).send(chat(stream=True))
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            more = sock.recv(3000)
            assert more
            data += more
        assert data.count(b"data: {") >= 300
        assert not rig.booked()[0].cancelled
