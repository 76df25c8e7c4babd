"""``rust/plane/src/upstream/``: TLS towards providers, HTTP proxies, IPv6, and heads that are not quite HTTP."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.plane.harness import (
    PATIENCE_S,
    Upstream,
    answering,
    completion,
    endpoint,
    model,
    plain_answer,
    provider,
    read_request,
    running,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from turnout.config.snapshot import Snapshot

    Play = Callable[[socket.socket], None]

GOOD = plain_answer(completion("through"))
CREDENTIALS = "Basic " + base64.b64encode(b"user:p@ss").decode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def of(base_url: str, **changes: str) -> Callable[[str], Snapshot]:
    return lambda _: snapshot([provider(base_url, "first", **changes)], [model(endpoint())])


def over_tls(
    authority: trustme.CA, name: str, play: Callable[[socket.socket], None]
) -> Callable[[socket.socket], None]:
    """``play`` behind a TLS handshake with a certificate for ``name``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    def secured(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True) as stream:
            play(stream)

    return secured


def written(authority: trustme.CA, folder: Path) -> str:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


# TLS


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_provider_with_a_certificate_of_the_configured_ca(
    authority: trustme.CA, tmp_path: Path, stream: bool
) -> None:
    with Upstream(over_tls(authority, "localhost", answering(GOOD))) as upstream:
        make = of(f"https://localhost:{upstream.port}/v1", ca_path=written(authority, tmp_path))
        with running(make) as rig:
            for _ in range(3):
                answer = rig.chat(stream=stream)
                assert answer.status_code == 200
                assert "through" in answer.text
            # A kept connection carries TLS as well as any.
            assert upstream.accepted == 1
            assert rig.booked(3)[0].connect_us > 0


def test_a_certificate_of_an_unknown_ca_is_refused_and_named(tmp_path: Path, authority: trustme.CA) -> None:
    with Upstream(over_tls(trustme.CA(), "localhost", answering(GOOD))) as upstream:
        make = of(f"https://localhost:{upstream.port}/v1", ca_path=written(authority, tmp_path))
        with running(make) as rig:
            answer = rig.chat()
            assert answer.status_code == 502
            message = answer.json()["error"]["message"]
            assert f"TLS with localhost:{upstream.port}" in message
            assert "certificate" in message
            (booked,) = rig.booked(1)
            assert [a.outcome for a in booked.attempts] == ["connect"]


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    with Upstream(over_tls(authority, "other.example", answering(GOOD))) as upstream:
        make = of(f"https://localhost:{upstream.port}/v1", ca_path=written(authority, tmp_path))
        with running(make) as rig:
            answer = rig.chat()
            assert answer.status_code == 502
            assert "certificate" in answer.json()["error"]["message"]


def test_a_provider_that_speaks_no_tls_is_told() -> None:
    def play(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")

    with Upstream(play) as upstream, running(of(f"https://localhost:{upstream.port}/v1")) as rig:
        answer = rig.chat()
        assert answer.status_code == 502
        assert "TLS with" in answer.json()["error"]["message"]


# Proxies


class Proxy:
    """An HTTP proxy: tunnels for ``CONNECT``, and forwards whole URLs. Notes the request lines and credentials."""

    def __init__(self, *, status: int = 200) -> None:
        self.status = status
        self.seen: list[tuple[str, str | None]] = []

    def play(self, connection: socket.socket) -> None:
        while (request := read_request(connection)) is not None:
            line, headers, body = request
            self.seen.append((line, headers.get("proxy-authorization")))
            method, target, _ = line.split(" ")
            if self.status != 200:
                connection.sendall(b"HTTP/1.1 %d Refused\r\ncontent-length: 0\r\n\r\n" % self.status)
                return
            if method == "CONNECT":
                host, _, port = target.rpartition(":")
                with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as behind:
                    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    back = threading.Thread(target=pump, args=(behind, connection), daemon=True)
                    back.start()
                    pump(connection, behind)
                    back.join(PATIENCE_S)
                return
            # What a forwarding proxy sends on must not name its own credentials; here the answer is enough.
            assert target.startswith("http://")
            connection.sendall(plain_answer(completion(f"{target} {len(body)}")))


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("login", ["", "user:p%40ss@"], ids=["open", "with a password"])
def test_https_goes_through_a_tunnel(authority: trustme.CA, tmp_path: Path, login: str) -> None:
    proxy = Proxy()
    with (
        Upstream(over_tls(authority, "localhost", answering(GOOD))) as upstream,
        Upstream(proxy.play) as middle,
        running(
            of(
                f"https://localhost:{upstream.port}/v1",
                ca_path=written(authority, tmp_path),
                proxy=f"http://{login}{middle.address}",
            )
        ) as rig,
    ):
        for _ in range(3):
            assert "through" in rig.chat().text
        assert proxy.seen == [(f"CONNECT localhost:{upstream.port} HTTP/1.1", CREDENTIALS if login else None)]
        rig.booked(3)


@pytest.mark.parametrize("login", ["", "user:p%40ss@"], ids=["open", "with a password"])
def test_http_goes_to_the_proxy_with_its_whole_url(login: str) -> None:
    proxy = Proxy()
    with (
        Upstream(proxy.play) as middle,
        running(of("http://provider.invalid:8080/base/v1", proxy=f"http://{login}{middle.address}")) as rig,
    ):
        url = "http://provider.invalid:8080/base/v1/chat/completions"
        for _ in range(2):
            assert rig.chat().json()["choices"][0]["message"]["content"].startswith(url)
        assert proxy.seen == [(f"POST {url} HTTP/1.1", CREDENTIALS if login else None)] * 2
        assert middle.accepted == 1
        rig.booked(2)


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_is_told_and_its_password_is_not(status: int) -> None:
    proxy = Proxy(status=status)
    with (
        Upstream(proxy.play) as middle,
        running(of("https://provider.invalid/v1", proxy=f"http://user:p%40ss@{middle.address}")) as rig,
    ):
        answer = rig.chat()
        assert answer.status_code == 502
        message = answer.json()["error"]["message"]
        assert f"refused a tunnel to provider.invalid:443 with status {status}" in message
        assert "p@ss" not in answer.text
        assert "p%40ss" not in answer.text
        assert CREDENTIALS not in answer.text


def test_a_proxy_that_says_nothing_is_given_up_in_time() -> None:
    def play(connection: socket.socket) -> None:
        read_request(connection)
        connection.recv(1)

    with Upstream(play) as middle:

        def make(address: str) -> Snapshot:
            slow = provider(
                "https://provider.invalid/v1", proxy=f"http://{middle.address}", timeouts={"connect_ms": 300}
            )
            return snapshot([slow, provider(address, "second")], [model(endpoint(), endpoint(1, "plain"))])

        with running(make) as rig:
            assert rig.chat().json()["provider"] == "Second"
            (booked,) = rig.booked(1)
            assert [a.outcome for a in booked.attempts] == ["connect", "ok"]


# Addresses


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_a_provider_on_ipv6() -> None:
    try:
        upstream = Upstream(answering(GOOD), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    with upstream, running(of(f"http://{upstream.address}/v1")) as rig:
        assert rig.chat().status_code == 200


def test_a_name_that_nobody_knows_is_told() -> None:
    with running(of("http://nowhere.invalid/v1")) as rig:
        answer = rig.chat()
        assert answer.status_code == 502
        assert "looking up nowhere.invalid" in answer.json()["error"]["message"]


# Heads


@pytest.mark.parametrize(
    "head",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    ],
)
def test_an_answer_that_is_no_http_fails_the_attempt(head: bytes) -> None:
    with Upstream(answering(head, close=True)) as upstream, running(of(upstream.address)) as rig:
        answer = rig.chat()
        assert answer.status_code == 502
        assert "malformed HTTP" in answer.json()["error"]["message"]
        (booked,) = rig.booked(1)
        assert [a.outcome for a in booked.attempts] == ["malformed"]


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    body = plain_answer(completion("to the end")).partition(b"\r\n\r\n")[2]
    head = b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n"
    with Upstream(answering(head + body, close=True)) as upstream, running(of(upstream.address)) as rig:
        for _ in range(2):
            assert "to the end" in rig.chat().text
        assert upstream.accepted == 2
