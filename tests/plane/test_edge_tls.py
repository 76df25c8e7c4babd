"""TLS at the edge: a certificate of the test's own CA, changed under way, broken under way, and clients without TLS."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.plane.harness import CHAT, PATIENCE_S, Rig, chat, eventually, running, scripted
from turnout._native import Plane
from turnout.config import snapshot as written

if TYPE_CHECKING:
    from collections.abc import Iterator


def write(authority: trustme.CA, folder: Path, name: str) -> written.Tls:
    """A certificate for this name, put in place as certificate tools do: whole files, moved over the old ones."""
    leaf = authority.issue_cert(name)
    parts = {
        "cert.pem": b"".join(blob.bytes() for blob in leaf.cert_chain_pems),
        "key.pem": leaf.private_key_pem.bytes(),
    }
    for file, content in parts.items():
        (folder / f"{file}.new").write_bytes(content)
        (folder / f"{file}.new").replace(folder / file)
    return written.Tls(certificate_path=str(folder / "cert.pem"), private_key_path=str(folder / "key.pem"))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def rig(authority: trustme.CA, tmp_path: Path) -> Iterator[Rig]:
    tls = write(authority, tmp_path, "one.example")
    with running(lambda address: scripted("plain", address=address, server={"tls": tls})) as rig:
        yield rig


def connect(rig: Rig, authority: trustme.CA, name: str, **options: ssl.TLSVersion) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    for option, value in options.items():
        setattr(context, option, value)
    return context.wrap_socket(socket.create_connection(rig.host, PATIENCE_S), server_hostname=name)


def fits(rig: Rig, authority: trustme.CA, name: str) -> bool:
    try:
        with connect(rig, authority, name) as connection:
            return connection.version() is not None
    except ssl.SSLCertVerificationError:
        return False


def test_a_chat_over_tls(rig: Rig, authority: trustme.CA) -> None:
    body = json.dumps(chat(stream=True)).encode()
    with connect(rig, authority, "one.example") as connection:
        for _ in range(2):
            head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {rig.key}\r\n"
            connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            data = b""
            while not data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
                more = connection.recv(1 << 16)
                assert more
                data += more
            assert data.startswith(b"HTTP/1.1 200 ")


def test_tls_1_2_is_spoken_and_1_1_is_not(rig: Rig, authority: trustme.CA) -> None:
    with connect(rig, authority, "one.example", maximum_version=ssl.TLSVersion.TLSv1_2) as connection:
        assert connection.version() == "TLSv1.2"


def test_the_end_of_a_connection_is_announced(rig: Rig, authority: trustme.CA) -> None:
    with connect(rig, authority, "one.example") as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        data = b""
        # Without close_notify this would raise: the answer could have been cut by anyone.
        while more := connection.recv(1000):
            data += more
        assert data.endswith(b'{"status":"live"}')


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 100, b"\0" * 50],
    ids=["plain HTTP", "broken hello", "zeros"],
)
def test_what_is_not_tls_is_closed_and_counted(rig: Rig, authority: trustme.CA, said: bytes) -> None:
    with socket.create_connection(rig.host, PATIENCE_S) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
    eventually(lambda: rig.metric("turnout_tls_handshakes_failed_total") == 1, "the failed handshake is counted")
    assert fits(rig, authority, "one.example")


def test_a_handshake_that_never_comes_is_given_up(authority: trustme.CA, tmp_path: Path) -> None:
    tls = write(authority, tmp_path, "one.example")
    side = {"tls": tls, "timeouts": {"header_ms": 50}}
    with (
        running(lambda address: scripted("plain", address=address, server=side)) as rig,
        socket.create_connection(rig.host, PATIENCE_S) as connection,
    ):
        assert connection.recv(1) == b""


def test_a_changed_certificate_is_served_and_a_broken_one_is_not(
    rig: Rig, authority: trustme.CA, tmp_path: Path
) -> None:
    assert fits(rig, authority, "one.example")
    with connect(rig, authority, "one.example") as kept:
        write(authority, tmp_path, "two.example")
        eventually(lambda: fits(rig, authority, "two.example"), "the new certificate is served")
        assert not fits(rig, authority, "one.example")
        (tmp_path / "cert.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n")
        error = eventually(lambda: rig.health()["tls_error"], "health names the broken certificate")
        assert str(tmp_path / "cert.pem") in error
        assert rig.health()["status"] == "ready, with warnings"
        assert fits(rig, authority, "two.example")
        write(authority, tmp_path, "three.example")
        eventually(lambda: fits(rig, authority, "three.example"), "the mended certificate is served")
        eventually(lambda: rig.health()["tls_error"] is None, "health is well again")
        # Connections from before go on as they are.
        kept.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert kept.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_swap_reads_the_certificate_anew_and_a_broken_one_is_no_swap(
    rig: Rig, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = write(authority, tmp_path, "swapped.example")
    after = scripted("plain", address=rig.mock.address, server={"tls": tls}, digest="after")
    rig.swap(after)
    assert fits(rig, authority, "swapped.example")
    (tmp_path / "key.pem").write_bytes(b"")
    with pytest.raises(OSError, match=r"key\.pem"):
        rig.swap(after)
    assert fits(rig, authority, "swapped.example")


@pytest.mark.parametrize("broken", ["missing", "empty", "another's key"])
def test_a_plane_does_not_start_with_a_certificate_that_cannot_work(
    authority: trustme.CA, tmp_path: Path, broken: str
) -> None:
    tls = write(authority, tmp_path, "one.example")
    key = Path(tls.private_key_path)
    match broken:
        case "missing":
            key.unlink()
        case "empty":
            key.write_bytes(b"")
        case _:
            key.write_bytes(authority.issue_cert("other.example").private_key_pem.bytes())
    snapshot = scripted("plain", address="127.0.0.1:1", server={"tls": tls})
    with pytest.raises(OSError, match=r"\.pem"):
        Plane(written.encode(snapshot), listeners=[], control_socket=None, state_dir=str(tmp_path / "state"))
