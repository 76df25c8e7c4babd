"""``rust/plane/src/upload.rs``: forms with large files go to the provider while they arrive."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import (
    PATIENCE_S,
    Rig,
    Upstream,
    closed_port,
    endpoint,
    model,
    plain_answer,
    provider,
    read_request,
    running,
    serving,
    snapshot,
)
from tests.plane.test_edge_h2 import Client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import httpx

    from turnout.config.snapshot import Snapshot

PATH = "/v1/audio/transcriptions"
TYPE = "multipart/form-data; boundary=----b"
MODEL = ("model", "test/model")
HELD = 64 << 10
"""How much of a form is held in most of these tests."""
SOUND = bytes(range(256)) * 2048
"""Half a megabyte."""
LIMITS = {"limits": {"form_bytes_max": HELD, "body_bytes_max": 256 << 10, "upload_bytes_max": 128 << 20}}


def part(name: str, value: str) -> bytes:
    return f'------b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def form(before: Sequence[tuple[str, str]], behind: Sequence[tuple[str, str]] = (), *, sound: bytes = SOUND) -> bytes:
    """A form with a file, and fields before and behind it."""
    return b"".join(
        (
            *(part(*field) for field in before),
            b'------b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n',
            *(sound, b"\r\n"),
            *(part(*field) for field in behind),
            b"------b--\r\n",
        )
    )


def post(rig: Rig, content: bytes, **headers: str) -> httpx.Response:
    return rig.post(content, PATH, content_type=TYPE, **headers)


def begun(rig: Rig, length: int, **headers: str) -> socket.socket:
    """A connection on which the head of an upload has been sent."""
    sock = socket.create_connection(rig.host, timeout=PATIENCE_S)
    lines = rig.headers(host="gateway", content_type=TYPE, content_length=str(length), **headers)
    head = f"POST {PATH} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    sock.sendall(head.encode())
    return sock


def status_of(sock: socket.socket) -> int:
    """The status of the answer, which may come before all has been sent."""
    data = b""
    while b"\r\n" not in data and (more := sock.recv(1 << 16)):
        data += more
    return int(data.split(b" ", 2)[1])


def played(upstream: Upstream, **timeouts: int) -> Snapshot:
    known = provider(upstream.address, timeouts={"first_byte_ms": 20_000, **timeouts})
    return snapshot([known], [model(endpoint(0, "ears"))], server=LIMITS)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with serving("ears;tokens=2", server=LIMITS) as rig:
        yield rig


def sent_body(rig: Rig) -> bytes:
    (request,) = rig.received()
    return base64.b64decode(request["body_base64"]) if "body_base64" in request else request["body"].encode()


def expected(before: Sequence[tuple[str, str]], behind: Sequence[tuple[str, str]] = (), **more: Any) -> bytes:
    return form([("model", "ears;tokens=2") if field == MODEL else field for field in before], behind, **more)


def test_it_passes_byte_for_byte_with_its_model_changed(rig: Rig) -> None:
    before, behind = [("language", "de"), MODEL], [("response_format", "json"), ("temperature", "0")]
    answer = post(rig, form(before, behind))
    assert answer.json()["text"] == "the points "
    assert sent_body(rig) == expected(before, behind)
    (booked,) = rig.booked()
    assert (booked.api, booked.status, booked.model, booked.tokens_prompt) == ("transcriptions", 200, "test/model", 20)


def test_it_passes_over_http2_too(rig: Rig) -> None:
    content = form([MODEL])
    with Client(rig) as client:
        stream = client.h2.get_next_available_stream_id()
        lines = [(":method", "POST"), (":scheme", "http"), (":authority", "g"), (":path", PATH)]
        about = [("content-type", TYPE), ("content-length", str(len(content)))]
        client.h2.send_headers(stream, [*lines, *about, *rig.headers().items()])
        client.upload(stream, content)
        got = client.answer(stream)
    assert json.loads(got.body)["text"] == "the points "
    assert sent_body(rig) == expected([MODEL])


def test_a_client_that_waits_to_be_asked_is_asked(rig: Rig) -> None:
    content = form([MODEL])
    with begun(rig, len(content), expect="100-continue") as sock:
        assert status_of(sock) == 100
        sock.sendall(content)
        assert status_of(sock) == 200


def test_a_connection_serves_on_after_an_upload(rig: Rig) -> None:
    with rig.client() as client:
        for _ in range(2):
            assert client.post(PATH, content=form([MODEL]), headers={"content-type": TYPE}).status_code == 200
    assert len(rig.received()) == 2


def test_what_is_not_held_waits_in_the_client() -> None:
    """A provider that reads nothing: then the client cannot send more than what is held and what the kernel buffers."""
    taking, size = threading.Event(), 100 << 20
    digest, whole = hashlib.sha256(), []

    def play(connection: socket.socket) -> None:
        data = connection.recv(1 << 16)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])[b"content-length"])
        assert taking.wait(PATIENCE_S)
        while True:
            digest.update(body)
            length -= len(body)
            if length <= 0:
                break
            body = connection.recv(1 << 20)
        whole.append(length == 0)
        connection.sendall(plain_answer({"text": "heard"}))

    sound = b"\0\r\n--" * (size // 5)
    content = form([MODEL], sound=sound)
    with Upstream(play) as upstream, running(lambda _: played(upstream)) as rig, begun(rig, len(content)) as sock:
        view, sent = memoryview(content), 0
        sock.settimeout(1)
        with pytest.raises(TimeoutError):
            while sent < len(content):
                sent += sock.send(view[sent : sent + (1 << 20)])
        # What Linux holds at most (4 MiB to send and 6 MiB to read, both ways), and what the gateway holds.
        assert sent < 32 << 20
        taking.set()
        sock.settimeout(PATIENCE_S)
        sock.sendall(view[sent:])
        assert status_of(sock) == 200
        assert whole == [True]
        assert digest.digest() == hashlib.sha256(form([("model", "ears")], sound=sound)).digest()
        rig.booked()


def test_while_only_the_beginning_has_gone_the_next_endpoint_is_tried() -> None:
    def make(address: str) -> Snapshot:
        nowhere = provider(f"127.0.0.1:{closed_port()}")
        endpoints = [endpoint(), endpoint(1, "ears;tokens=2")]
        return snapshot([nowhere, provider(address, "second")], [model(*endpoints)], server=LIMITS)

    with running(make) as rig:
        assert post(rig, form([MODEL])).status_code == 200
        assert sent_body(rig) == expected([MODEL])
        assert [attempt.provider for attempt in rig.booked()[0].attempts] == ["first", "second"]


def test_once_more_has_gone_nobody_else_is_asked() -> None:
    with serving("ears;status=503", "ears", server=LIMITS) as rig:
        assert post(rig, form([MODEL])).status_code == 503
        assert [attempt.provider for attempt in rig.booked()[0].attempts] == ["first"]


def test_a_form_that_is_held_whole_is_sent_again() -> None:
    with serving("ears;status=503", "ears", server=LIMITS) as rig:
        assert post(rig, form([MODEL], sound=SOUND[:1000])).status_code == 200
        assert [attempt.provider for attempt in rig.booked()[0].attempts] == ["first", "second"]


def test_an_answer_before_the_end_is_believed_and_its_connection_closed() -> None:
    refusals = iter([plain_answer({"error": {"message": "too long for us"}}, status=413)])

    def play(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(next(refusals))
        # Reads on, so that closing does not take the answer back.
        while connection.recv(1 << 20):
            pass

    with Upstream(play) as upstream, running(lambda _: played(upstream)) as rig:
        content = form([MODEL], sound=SOUND)
        with begun(rig, len(content)) as sock:
            sock.sendall(content[: HELD * 2])
            assert status_of(sock) == 413
        (booked,) = rig.booked()
        assert [attempt.status for attempt in booked.attempts] == [413]
        assert upstream.accepted == 1


def test_a_client_that_is_too_slow_is_told_and_the_provider_let_go() -> None:
    ended = threading.Event()

    def play(connection: socket.socket) -> None:
        assert read_request(connection) is None
        ended.set()

    def make(upstream: Upstream) -> Snapshot:
        known = provider(upstream.address)
        side: dict[str, Any] = {**LIMITS, "timeouts": {"body_ms": 300}}
        return snapshot([known], [model(endpoint(0, "ears"))], server=side)

    with Upstream(play) as upstream, running(lambda _: make(upstream)) as rig:
        content = form([MODEL])
        with begun(rig, len(content)) as sock:
            sock.sendall(content[: HELD * 2])
            assert status_of(sock) == 408
        assert ended.wait(PATIENCE_S)
        (booked,) = rig.booked()
        assert (booked.status, booked.error_type) == (408, "timeout")


def test_a_client_that_leaves_takes_the_provider_with_it() -> None:
    ended, arrived = threading.Event(), threading.Event()

    def play(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        arrived.set()
        while connection.recv(1 << 20):
            pass
        ended.set()

    with Upstream(play) as upstream, running(lambda _: played(upstream)) as rig:
        content = form([MODEL])
        with begun(rig, len(content)) as sock:
            sock.sendall(content[: HELD * 2])
            assert arrived.wait(PATIENCE_S)
        assert ended.wait(PATIENCE_S)
        assert rig.booked()[0].error_type == "cancelled"


def test_a_provider_that_takes_nothing_is_given_up() -> None:
    over = threading.Event()

    def play(_: socket.socket) -> None:
        assert over.wait(PATIENCE_S)

    with Upstream(play) as upstream, running(lambda _: played(upstream, idle_ms=300)) as rig:
        content = form([MODEL], sound=SOUND * 60)
        with begun(rig, len(content)) as sock:
            sender = threading.Thread(target=lambda: suppressed(sock, content), daemon=True)
            sender.start()
            assert status_of(sock) == 504
        over.set()
        (booked,) = rig.booked()
        assert [attempt.provider for attempt in booked.attempts] == ["first"]


def suppressed(sock: socket.socket, content: bytes) -> None:
    try:
        sock.sendall(content)
    except OSError:
        # It was answered and closed in the middle.
        return


@pytest.mark.parametrize("field", ["model", "user"])
def test_what_the_gateway_acts_on_may_not_come_behind(field: str) -> None:
    ends: list[bool] = []
    ended = threading.Event()

    def play(connection: socket.socket) -> None:
        data = b""
        while more := connection.recv(1 << 20):
            data += more
        ends.append(b"------b--" in data or b"somebody" in data)
        ended.set()

    with Upstream(play) as upstream, running(lambda _: played(upstream)) as rig:
        answer = post(rig, form([MODEL], [(field, "somebody")]))
        assert answer.status_code == 400
        assert f"`{field}`" in answer.json()["error"]["message"]
        assert ended.wait(PATIENCE_S)
        assert ends == [False]
        assert rig.booked()[0].status == 400


def test_a_form_without_its_end_never_reaches_the_provider_whole(rig: Rig) -> None:
    answer = post(rig, form([MODEL]).removesuffix(b"------b--\r\n"))
    assert answer.status_code == 400
    assert "closing boundary" in answer.json()["error"]["message"]
    assert rig.received() == []


def test_a_form_that_names_its_model_late_is_held_as_far_as_a_body(rig: Rig) -> None:
    sound = SOUND[: 200 << 10]
    assert post(rig, form([], [MODEL], sound=sound)).status_code == 200
    assert sent_body(rig) == form([], [("model", "ears;tokens=2")], sound=sound)
    answer = post(rig, form([], [MODEL]))
    assert answer.status_code == 413
    assert "before the file" in answer.json()["error"]["message"]


def test_there_is_a_largest_form() -> None:
    limits = {"limits": {**LIMITS["limits"], "upload_bytes_max": 300 << 10}}
    with serving("ears", server=limits) as rig:
        answer = post(rig, form([MODEL]))
        assert answer.status_code == 413
        assert "server.limits.upload" in answer.json()["error"]["message"]


def test_a_form_of_unknown_length_is_held(rig: Rig) -> None:
    def pieces(content: bytes) -> Iterator[bytes]:
        for start in range(0, len(content), 10_000):
            yield content[start : start + 10_000]

    with rig.client() as client:
        headers = {"content-type": TYPE}
        fits = client.post(PATH, content=pieces(form([MODEL], sound=SOUND[: 200 << 10])), headers=headers)
        assert fits.status_code == 200
        assert client.post(PATH, content=pieces(form([MODEL])), headers=headers).status_code == 413


def test_pictures_are_held_whatever_comes_first(rig: Rig) -> None:
    fields = [MODEL, ("prompt", "make it red")]
    content = form(fields, [("user", "somebody")], sound=SOUND[: 200 << 10])
    answer = rig.post(content, "/v1/images/edits", content_type=TYPE)
    assert answer.status_code == 200, answer.text
    assert b"somebody" not in sent_body(rig)
    assert rig.post(form(fields), "/v1/images/edits", content_type=TYPE).status_code == 413
