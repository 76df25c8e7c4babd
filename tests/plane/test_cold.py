"""The way to the control side: re-framed requests, answers as they come, tunnels, and what happens when it is away.

The control side is played by a small server on a real Unix socket, so that the bytes that reach it can be looked at.
One test at the end asks a real granian with Starlette for the same.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import PATIENCE_S, Rig, eventually, running, scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Seen:
    """A request as the control side got it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    """Which accepted connection it came on."""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


@dataclass
class Control:
    """A control side: ``play`` answers each request and says whether the connection goes on."""

    path: Path
    play: Callable[[socket.socket, Seen], bool]
    seen: list[Seen] = field(default_factory=list)
    accepted: int = 0
    errors: list[BaseException] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Control:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(100)
        self._start(self._accept)
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for connection in self._open:
            connection.close()
        if self.errors and kind is None:
            raise self.errors[0]

    def drop_all(self) -> None:
        """Ends every connection, as a control side that is restarted does."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            self._open.append(connection)
            self.accepted += 1
            self._start(self._serve, connection, self.accepted)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            while (seen := _read(connection, number)) is not None:
                self.seen.append(seen)
                if not self.play(connection, seen):
                    break
        except OSError:
            pass
        except BaseException as error:  # noqa: BLE001 - a thread's top: raised again in the test's own thread
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _read(connection: socket.socket, number: int) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(1 << 16)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    lengths = [int(value) for name, value in headers if name == "content-length"]
    assert len(lengths) <= 1
    assert not [name for name, _ in headers if name == "transfer-encoding"]
    length = lengths[0] if lengths else 0
    while len(body) < length:
        more = connection.recv(1 << 16)
        if not more:
            return None
        body += more
    assert len(body) == length, "bytes behind the request"
    return Seen(first, headers, body, number)


def answer(body: bytes = b"ok", *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines)
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def says(data: bytes, *, go_on: bool = True) -> Callable[[socket.socket, Seen], bool]:
    def play(connection: socket.socket, seen: Seen) -> bool:
        connection.sendall(data)
        return go_on

    return play


@contextlib.contextmanager
def behind(play: Callable[[socket.socket, Seen], bool], tmp_path: Path, **server: Any) -> Iterator[tuple[Rig, Control]]:
    """A plane in front of a control side that plays this."""
    path = tmp_path / "c.sock"
    with (
        Control(path, play) as control,
        running(lambda address: scripted("plain", address=address, server=server), control_socket=str(path)) as rig,
    ):
        yield rig, control


def request(target: str = "/page", *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nhost: gateway.example:4000\r\n" + "".join(f"{line}\r\n" for line in lines)
    return head.encode() + b"\r\n" + body


def ask(rig: Rig, data: bytes) -> Any:
    with rig.connect() as connection:
        connection.write(data)
        return connection.answer()


# Requests


def test_a_request_arrives_reframed(tmp_path: Path) -> None:
    with behind(says(answer()), tmp_path) as (rig, control):
        got = ask(
            rig,
            request(
                "/page?a=b%20c",
                "X-Own: kept ",
                "Connection: keep-alive, x-hop",
                "Keep-Alive: timeout=5",
                "TE: trailers",
                "Trailer: x",
                "Proxy-Authorization: Basic x",
                "Proxy-Connection: keep-alive",
                "X-Hop: for this hop only",
                "X-Forwarded-For: 6.6.6.6",
                "x-forwarded-for: 7.7.7.7",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: evil",
                "X-Real-IP: 6.6.6.6",
                "Forwarded: for=6.6.6.6",
                "Cookie: a=1",
                "Cookie: b=2",
            ),
        )
        assert (got.status, got.body) == (200, b"ok")
        [seen] = control.seen
        assert seen.line == "GET /page?a=b%20c HTTP/1.1"
        names = [name.lower() for name, _ in seen.headers]
        hop = {"keep-alive", "te", "trailer", "proxy-authorization", "proxy-connection", "x-real-ip", "forwarded"}
        assert not hop & set(names)
        assert "connection" not in names
        assert "x-hop" not in names
        assert "content-length" not in names
        assert seen.all("x-forwarded-for") == ["127.0.0.1"]
        assert seen.all("x-forwarded-proto") == ["http"]
        assert seen.all("x-forwarded-host") == ["gateway.example:4000"]
        assert seen.all("host") == ["gateway.example:4000"]
        assert seen.all("X-Own") == ["kept"]
        assert seen.all("Cookie") == ["a=1", "b=2"]


def test_behind_a_trusted_proxy_the_clients_address_is_passed_on(tmp_path: Path) -> None:
    with behind(says(answer()), tmp_path, trusted_proxies=["127.0.0.0/8"]) as (rig, control):
        ask(rig, request("/page", "X-Forwarded-For: 6.6.6.6, 203.0.113.9"))
        assert control.seen[0].all("x-forwarded-for") == ["203.0.113.9"]


def test_an_absolute_target_arrives_as_its_path(tmp_path: Path) -> None:
    with behind(says(answer()), tmp_path) as (rig, control):
        ask(rig, request("http://elsewhere/page?x"))
        ask(rig, request("http://elsewhere?x=/y"))
        assert [seen.line for seen in control.seen] == ["GET /page?x HTTP/1.1", "GET / HTTP/1.1"]


def test_a_chunked_body_arrives_with_its_length(tmp_path: Path) -> None:
    with behind(says(answer()), tmp_path) as (rig, control):
        chunks = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\ntrailer: x\r\n\r\n"
        ask(rig, request("/page", "transfer-encoding: chunked", method="PUT", body=chunks))
        [seen] = control.seen
        assert (seen.line, seen.body) == ("PUT /page HTTP/1.1", b"hello world")
        assert seen.all("content-length") == ["11"]
        ask(rig, request("/page", method="POST"))
        assert control.seen[1].all("content-length") == ["0"]


def test_a_large_body_that_comes_in_pieces_arrives_whole(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4000
    with behind(says(answer()), tmp_path) as (rig, control), rig.connect() as connection:
        connection.write(request("/page", f"content-length: {len(body)}", "expect: 100-continue", method="POST"))
        assert connection.head()[0] == 100
        for start in range(0, len(body), 100_003):
            connection.write(body[start : start + 100_003])
        assert connection.answer().status == 200
        assert control.seen[0].body == body
        assert control.seen[0].all("expect") == []


def test_a_body_that_is_too_large_never_arrives(tmp_path: Path) -> None:
    with behind(says(answer()), tmp_path, limits={"body_bytes_max": 1000}) as (rig, control):
        got = ask(rig, request("/page", "content-length: 100000", method="POST"))
        assert (got.status, got.headers["connection"]) == (413, "close")
        assert control.accepted == 0


FILES = "/v1/files"
SMALL = {"form_bytes_max": 64 << 10, "body_bytes_max": 128 << 10, "upload_bytes_max": 2 << 20}


def test_a_file_passes_while_it_arrives_beyond_the_largest_body(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4000
    with behind(says(answer()), tmp_path, limits=SMALL) as (rig, control), rig.connect() as connection:
        for _ in range(2):
            connection.write(request(FILES, f"content-length: {len(body)}", "expect: 100-continue", method="POST"))
            assert connection.head()[0] == 100
            connection.write(body)
            assert connection.answer().status == 200
        assert [seen.body == body for seen in control.seen] == [True, True]


def test_only_files_may_be_larger_than_a_body_and_they_have_a_bound_too(tmp_path: Path) -> None:
    with behind(says(answer()), tmp_path, limits=SMALL) as (rig, control):
        for target, length in (("/page", 1 << 20), (FILES, 3 << 20)):
            assert ask(rig, request(target, f"content-length: {length}", method="POST")).status == 413
        assert control.accepted == 0


def test_a_file_that_is_refused_early_is_refused_at_once(tmp_path: Path) -> None:
    """The control side answers when it has seen the head only."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "c.sock"))
        listener.listen()

        def play() -> None:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE_S)
            connection.recv(1 << 16)
            connection.sendall(answer(b"no", status=b"401 Unauthorized"))
            while connection.recv(1 << 20):
                pass
            connection.close()

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        make = lambda address: scripted("plain", address=address, server={"limits": SMALL})  # noqa: E731
        with running(make, control_socket=str(tmp_path / "c.sock")) as rig, rig.connect() as connection:
            connection.write(request(FILES, f"content-length: {1 << 20}", method="POST") + bytes(100_000))
            got = connection.answer()
            assert (got.status, got.body, got.headers["connection"]) == (401, b"no", "close")
        thread.join(PATIENCE_S)


def test_a_client_that_leaves_in_the_middle_of_a_file_ends_it(tmp_path: Path) -> None:
    with behind(says(answer()), tmp_path, limits=SMALL) as (rig, control):
        with rig.connect() as connection:
            connection.write(request(FILES, f"content-length: {1 << 20}", method="POST") + bytes(100_000))
            eventually(lambda: control.accepted == 1, "the file reaches the control side")
        # `_read` sees the end of the connection before the end of the body, so nothing counts as seen.
        with rig.connect() as connection:
            connection.write(request("/page"))
            assert connection.answer().status == 200
        assert [seen.line for seen in control.seen] == ["GET /page HTTP/1.1"]


def test_nothing_in_a_body_is_ever_a_second_request(tmp_path: Path) -> None:
    inner = request("/smuggled")
    with behind(says(answer()), tmp_path) as (rig, control), rig.connect() as connection:
        connection.write(request("/page", f"content-length: {len(inner)}", body=inner) + request("/next"))
        assert connection.answer().status == 200
        assert connection.answer().status == 200
        assert [seen.line.split()[1] for seen in control.seen] == ["/page", "/next"]


# Answers


def test_an_answer_is_reframed_and_the_connection_is_kept(tmp_path: Path) -> None:
    said = answer(
        b"body", b"Server: granian", b"Keep-Alive: timeout=5", b"X-Own: a", b"Set-Cookie: a", b"Set-Cookie: b"
    )
    with behind(says(said), tmp_path) as (rig, control), rig.connect() as connection:
        for _ in range(3):
            connection.write(request())
            got = connection.answer()
            assert (got.status, got.body) == (200, b"body")
            assert "server" not in got.headers
            assert "keep-alive" not in got.headers
            assert (got.headers["x-own"], got.headers["set-cookie"]) == ("a", "a, b")
        assert control.accepted == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_answers_without_a_body(tmp_path: Path, status: bytes) -> None:
    said = b"HTTP/1.1 " + status + b"\r\netag: x\r\n\r\n"
    with behind(says(said), tmp_path) as (rig, _), rig.connect() as connection:
        for _ in range(2):
            connection.write(request())
            got = connection.answer()
            assert (got.status, got.headers["etag"]) == (int(status[:3]), "x")
            assert "content-length" not in got.headers


def test_head_keeps_the_length_of_the_body_that_does_not_come(tmp_path: Path) -> None:
    def play(connection: socket.socket, seen: Seen) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n" if "HEAD" in seen.line else answer())
        return True

    with behind(play, tmp_path) as (rig, control), rig.connect() as connection:
        connection.write(request(method="HEAD") + request())
        got = connection.answer(to_head=True)
        assert (got.status, got.headers["content-length"]) == (200, "12345")
        assert connection.answer().body == b"ok"
        assert control.accepted == 1


def test_head_of_an_answer_without_a_length(tmp_path: Path) -> None:
    said = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with behind(says(said), tmp_path) as (rig, _), rig.connect() as connection:
        connection.write(request(method="HEAD") * 2)
        for _ in range(2):
            assert "content-length" not in connection.answer(to_head=True).headers


def test_large_answers_come_whole_with_their_own_caching(tmp_path: Path) -> None:
    body = bytes(range(256)) * 20_000
    with behind(says(answer(body, b"Cache-Control: max-age=60")), tmp_path) as (rig, _):
        got = ask(rig, request())
        assert got.body == body
        assert got.whole
        assert got.headers["cache-control"] == "max-age=60"


def test_an_answer_that_ends_with_its_connection(tmp_path: Path) -> None:
    with behind(says(b"HTTP/1.1 200 OK\r\n\r\nall of it", go_on=False), tmp_path) as (rig, _):
        got = ask(rig, request())
        assert (got.body, got.whole) == (b"all of it", True)


def test_interim_answers_are_passed_over(tmp_path: Path) -> None:
    with behind(says(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + answer()), tmp_path) as (rig, _):
        assert ask(rig, request()).body == b"ok"


def test_events_pass_as_they_come_and_a_client_that_leaves_ends_them(tmp_path: Path) -> None:
    go, ended = threading.Semaphore(0), threading.Event()

    def play(connection: socket.socket, seen: Seen) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(3):
            assert go.acquire(timeout=PATIENCE_S)
            connection.sendall(b"9\r\ndata: %d\n\n\r\n" % number)
        if connection.recv(1) == b"":
            ended.set()
        return False

    with behind(play, tmp_path) as (rig, _):
        with rig.connect() as connection:
            connection.write(request())
            for number in range(3):
                go.release()
                connection.read_until(b"data: %d\n\n" % number)
        assert ended.wait(PATIENCE_S)
        eventually(lambda: rig.health()["requests_in_flight"] == 0, "the request over")


def test_an_answer_that_is_cut_is_cut_for_the_client_too(tmp_path: Path) -> None:
    for said in (
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ):
        folder = tmp_path / str(len(said))
        folder.mkdir()
        with behind(says(said, go_on=False), folder) as (rig, _):
            got = ask(rig, request())
            assert (got.status, got.body, got.whole) == (200, b"half", False)


# Away


def test_without_a_control_side_its_paths_say_so(tmp_path: Path) -> None:
    with running(lambda address: scripted("plain", address=address)) as rig:
        got = rig.get("/")
        assert got.status_code == 503
        assert "--uds" in got.json()["error"]["message"]
        assert rig.chat().status_code == 200


@pytest.mark.parametrize("left", ["nothing", "a file that nobody listens on"])
def test_a_control_side_that_is_away_is_503_with_retry_after(tmp_path: Path, left: str) -> None:
    path = tmp_path / "gone.sock"
    if left != "nothing":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    with running(lambda address: scripted("plain", address=address), control_socket=str(path)) as rig:
        got = rig.get("/page")
        assert (got.status_code, got.headers["retry-after"]) == (503, "1")
        assert got.json()["error"]["code"] == 503
        assert rig.chat().status_code == 200


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"],
    ids=["nothing", "half a head", "nonsense", "bad length"],
)
def test_no_usable_answer_is_503(tmp_path: Path, said: bytes) -> None:
    with behind(says(said, go_on=False), tmp_path) as (rig, control):
        got = ask(rig, request())
        assert (got.status, got.headers["retry-after"]) == (503, "1")
        assert control.accepted == 1


def test_a_kept_connection_that_was_closed_is_replaced(tmp_path: Path) -> None:
    with behind(says(answer()), tmp_path) as (rig, control):
        assert ask(rig, request()).status == 200
        control.drop_all()
        assert ask(rig, request()).status == 200
        assert control.accepted == 2


def test_a_kept_connection_that_closes_on_the_request_is_tried_once_more(tmp_path: Path) -> None:
    def play(connection: socket.socket, seen: Seen) -> bool:
        if seen.connection == 1 and len(control.seen) > 1:
            return False
        connection.sendall(answer())
        return True

    with behind(play, tmp_path) as (rig, control):
        assert ask(rig, request()).status == 200
        assert ask(rig, request("/page", "content-length: 2", method="POST", body=b"hi")).status == 200
        assert [(seen.connection, seen.body) for seen in control.seen] == [(1, b""), (1, b"hi"), (2, b"hi")]


# Tunnels

UPGRADE = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: y\r\n\r\n"
)


def shouting(connection: socket.socket, seen: Seen) -> bool:
    """Agrees to the upgrade, greets, then says everything back in capitals."""
    connection.sendall(SWITCHED + b"hello")
    while data := connection.recv(1 << 16):
        connection.sendall(data.upper())
    return False


def test_a_websocket_passes_as_a_tunnel(tmp_path: Path) -> None:
    with behind(shouting, tmp_path) as (rig, control), rig.connect() as connection:
        # The first frame may be on its way before the answer is.
        connection.write(request("/ws", *UPGRADE) + b"early")
        status, headers = connection.head()
        assert (status, headers["connection"], headers["upgrade"]) == (101, "upgrade", "websocket")
        assert headers["sec-websocket-accept"] == "y"
        assert "content-length" not in headers
        assert connection.read_exactly(10) == b"helloEARLY"
        for size in (1, 100, 300_000):
            sender = threading.Thread(target=connection.write, args=(b"x" * size,))
            sender.start()
            assert connection.read_exactly(size) == b"X" * size
            sender.join()
        [seen] = control.seen
        assert seen.all("connection") == ["upgrade"]
        assert seen.all("upgrade") == ["websocket"]
        assert seen.all("Sec-WebSocket-Key") == ["x"]
        connection.sock.shutdown(socket.SHUT_WR)
        assert connection.closed_by_peer()


def test_a_refused_upgrade_is_an_ordinary_answer(tmp_path: Path) -> None:
    with behind(says(answer(b"no", status=b"403 Forbidden")), tmp_path) as (rig, _), rig.connect() as connection:
        for _ in range(2):
            connection.write(request("/ws", *UPGRADE))
            assert connection.answer().status == 403


@pytest.mark.parametrize(
    "lines", [(), ("Upgrade: websocket",), ("Connection: upgrade, http2-settings", "Upgrade: h2c", "HTTP2-Settings: x")]
)
def test_only_a_websocket_can_leave_http(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with behind(says(SWITCHED, go_on=False), tmp_path) as (rig, control), rig.connect() as connection:
        connection.write(request("/ws", *lines))
        assert connection.answer().status == 503
        assert control.seen[0].all("upgrade") == []
        assert control.seen[0].all("connection") == []


def test_a_tunnel_ends_with_the_plane(tmp_path: Path) -> None:
    with behind(shouting, tmp_path) as (rig, _), rig.connect() as connection:
        connection.write(request("/ws", *UPGRADE))
        assert connection.head()[0] == 101
        assert connection.read_exactly(5) == b"hello"
        assert rig.plane.stop()
        assert connection.closed_by_peer()


def test_a_tunnel_ends_when_the_control_side_does(tmp_path: Path) -> None:
    with behind(shouting, tmp_path) as (rig, control), rig.connect() as connection:
        connection.write(request("/ws", *UPGRADE))
        assert connection.head()[0] == 101
        assert connection.read_exactly(5) == b"hello"
        control.drop_all()
        assert connection.closed_by_peer()


# The real one

APPLICATION = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

async def show(request):
    body = await request.body()
    return JSONResponse({"path": request.url.path, "query": request.url.query, "bytes": len(body),
                         "for": request.headers.getlist("x-forwarded-for"), "method": request.method})

async def events(request):
    async def run():
        for number in range(5):
            yield f"data: {number}\\n\\n"
            await asyncio.sleep(0)
    return StreamingResponse(run(), media_type="text/event-stream")

async def socket(websocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text.upper())

app = Starlette(routes=[Route("/show", show, methods=["GET", "POST", "DELETE"]), Route("/events", events),
                        WebSocketRoute("/ws", socket)])
"""


def test_granian_and_starlette_behind_the_plane(tmp_path: Path) -> None:
    from websockets.sync.client import connect

    (tmp_path / "application.py").write_text(APPLICATION)
    path = tmp_path / "granian.sock"
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--uds", str(path), "application:app"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with running(lambda address: scripted("plain", address=address), control_socket=str(path)) as rig:
            eventually(lambda: rig.get("/show").status_code == 200, "granian serves")
            with rig.client() as client:
                assert client.get("/show?a=b", headers={"x-forwarded-for": "6.6.6.6"}).json() == {
                    "path": "/show",
                    "query": "a=b",
                    "bytes": 0,
                    "for": ["127.0.0.1"],
                    "method": "GET",
                }
                assert client.post("/show", content=b"x" * 900_000).json()["bytes"] == 900_000
                assert client.post("/show", content=iter([b"x" * 9, b"y" * 9])).json()["bytes"] == 18
                assert client.request("DELETE", "/show").json()["method"] == "DELETE"
                head = client.head("/show")
                assert (head.status_code, head.content) == (200, b"")
                assert int(head.headers["content-length"]) > 0
                assert client.get("/events").text == "".join(f"data: {number}\n\n" for number in range(5))
                assert client.get("/absent").status_code == 404
            host, port = rig.host
            with connect(f"ws://{host}:{port}/ws", proxy=None) as websocket:
                for text in ("one", "x" * 100_000):
                    websocket.send(text)
                    assert websocket.recv() == text.upper()
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
