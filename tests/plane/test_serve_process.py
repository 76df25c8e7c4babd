"""The life of the processes: signals to ``turnout serve``, a worker that is killed or replaced, granian by hand.

The provider is the mock in this process; everything else is what a person would start.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.plane.harness import KEY, PATIENCE_S, Connection, Stream, chat, closed_port, eventually
from turnout._native import Mock

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN = "sk-test-admin-0123456789"

CONFIG = """
server:
  listen: {listen}
  admin_key: {admin}
  drain: {{min: {min}, max: {max}}}
  state_dir: {state}
keys:
  - {{name: tests, key: {key}}}
providers:
  mock: {{dialect: openai, base_url: "http://{mock}/v1", api_key: sk-none}}
models:
  test/model: {{provider: mock, model: echo}}
  test/paced: {{provider: mock, model: "plain;tokens=20;pace=50"}}
  test/stalls: {{provider: mock, model: "plain;stall=4"}}
ledger: {{flush: 20ms}}
"""


@dataclass
class Gateway:
    """A process that serves."""

    process: subprocess.Popen[str]
    address: str
    state: Path
    log: Path

    def connect(self) -> Connection:
        host, _, port = self.address.rpartition(":")
        return Connection(
            socket.create_connection((host, int(port)), timeout=PATIENCE_S), {"authorization": f"Bearer {KEY}"}
        )

    def get(self, path: str, key: str = KEY) -> httpx.Response:
        with httpx.Client(trust_env=False, verify=False, timeout=PATIENCE_S) as client:
            return client.get(f"http://{self.address}{path}", headers={"authorization": f"Bearer {key}"})

    def chat(self, **members: Any) -> Stream:
        with self.connect() as connection:
            connection.send(chat(stream=True, **members))
            return Stream.of(connection.answer())

    def booked(self) -> dict[str, dict[str, Any]]:
        """The ledger's rows by id."""
        if not (self.state / "ledger.db").exists():
            return {}
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/ledger.db?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for row in database.execute("select * from generations")]
        assert len({row["id"] for row in rows}) == len(rows)
        return {row["id"]: row for row in rows}

    def worker(self) -> int:
        """The process that has the plane's threads: this one, or a descendant."""
        return eventually(lambda: next(iter(_planes(self.process.pid)), 0), "a worker")

    def said(self) -> str:
        return self.log.read_text()


def _planes(root: int) -> Iterator[int]:
    for pid in [root, *_descendants(root)]:
        with contextlib.suppress(OSError):
            names = {(task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()}
            if "dp-0" in names:
                yield pid


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _descendants(int(child))


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    mock = Mock("127.0.0.1:0")
    yield mock
    mock.stop()


@contextlib.contextmanager
def started(
    mock: Mock, folder: Path, *command: str, listen: str = "127.0.0.1:0", minimum: str = "0s", maximum: str = "20s"
) -> Iterator[Gateway]:
    """Starts this command with a configuration file, and waits until it is ready."""
    state = folder / "state"
    file = folder / "turnout.yaml"
    file.write_text(
        CONFIG.format(listen=listen, admin=ADMIN, min=minimum, max=maximum, state=state, key=KEY, mock=mock.address)
    )
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TURNOUT_CONFIG": str(file)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    try:
        address = listen
        if listen.endswith(":0"):

            def announced() -> str | None:
                assert process.poll() is None, log.read_text()
                found = re.search(r"serving +http://(\S+?)/v1", log.read_text())
                return found[1] if found else None

            address = str(eventually(announced, "the address is announced"))
        gateway = Gateway(process, address, state, log)

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return gateway.get("/health/ready").status_code == 200
            return False

        eventually(ready, "ready")
        yield gateway
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE_S)


@contextlib.contextmanager
def serving(mock: Mock, folder: Path, **options: str) -> Iterator[Gateway]:
    with started(mock, folder, "turnout", "serve", **options) as gateway:
        yield gateway


class Load:
    """Clients that each make a connection, ask for a stream, and do it again."""

    def __init__(self, gateway: Gateway, clients: int = 3) -> None:
        self.gateway = gateway
        self.outcomes: list[str] = []
        self.whole: list[str] = []
        """Ids of the answers that came whole."""
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                answer = self.gateway.chat()
            except Exception as error:  # noqa: BLE001 - a thread's top: what went wrong is what the test looks at
                self.outcomes.append(f"{type(error).__name__}: {error}")
                continue
            if answer.status == 200 and answer.done and answer.whole:
                self.whole.append(answer.headers["x-generation-id"])
                self.outcomes.append("whole")
            else:
                self.outcomes.append(f"{answer.status} {answer.error}")

    def goes_on(self) -> None:
        """Waits for a few more answers."""
        count = len(self.whole)
        eventually(lambda: len(self.whole) > count + 10, "requests are served")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_streams_with_an_error_and_books_them(mock: Mock, tmp_path: Path, number: signal.Signals) -> None:
    with serving(mock, tmp_path, maximum="300ms") as gateway, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(gateway.connect()) for _ in range(3)]
        ids = []
        for connection in connections:
            connection.send(chat(model="test/stalls", stream=True))
            ids.append(connection.head()[1]["x-generation-id"])
            connection.read_until(b"data: ")
        gateway.process.send_signal(number)
        for connection in connections:
            rest = connection.read_to_close()
            assert b'"finish_reason":"error"' in rest
            assert rest.endswith(b"\r\n0\r\n\r\n")
        assert gateway.process.wait(PATIENCE_S) == 0
        assert "drains" in gateway.said()
        assert "Traceback" not in gateway.said()
        rows = gateway.booked()
        assert {rows[id]["finish_reason"] for id in ids} == {"error"}
        with pytest.raises(ConnectionRefusedError):
            gateway.connect()


def test_a_signal_lets_what_runs_finish_and_says_so_to_probes(mock: Mock, tmp_path: Path) -> None:
    with serving(mock, tmp_path, minimum="1s", maximum="20s") as gateway, gateway.connect() as connection:
        connection.send(chat(model="test/paced", stream=True))
        status, headers = connection.head()
        assert status == 200
        gateway.process.terminate()
        eventually(lambda: gateway.get("/health/ready").status_code == 503, "unready")
        assert gateway.chat().done
        # Granian closes at once; what is the control side's says so, and when to come back.
        eventually(lambda: gateway.get("/api/v1/key").status_code == 503, "the control side has gone")
        assert gateway.get("/api/v1/key").headers["retry-after"] == "1"
        assert b"data: [DONE]\n\n" in connection.read_to_close()
        assert gateway.process.wait(PATIENCE_S) == 0
        assert gateway.booked()[headers["x-generation-id"]]["finish_reason"] == "stop"


def test_a_killed_worker_is_replaced_while_clients_wait(mock: Mock, tmp_path: Path) -> None:
    with serving(mock, tmp_path) as gateway:
        before = [gateway.chat().headers["x-generation-id"] for _ in range(5)]
        killed = gateway.worker()
        with gateway.connect() as cut:
            cut.send(chat(model="test/stalls", stream=True))
            cut.read_until(b"data: ")
            os.kill(killed, signal.SIGKILL)
            rest = cut.read_to_close()
            assert b"[DONE]" not in rest
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(gateway.connect()) for _ in range(5)]
            for connection in waiting:
                connection.send(chat(stream=True))
            for connection in waiting:
                answer = Stream.of(connection.answer())
                assert (answer.status, answer.done) == (200, True)
                before.append(answer.headers["x-generation-id"])
        assert gateway.worker() != killed
        # The plane serves a moment before the control side's socket is there.
        eventually(lambda: gateway.get("/api/v1/key").status_code == 200, "the control side answers")
        eventually(lambda: set(before) <= set(gateway.booked()), "every whole answer is booked once")
        gateway.process.terminate()
        assert gateway.process.wait(PATIENCE_S) == 0


def test_sighup_replaces_the_worker_and_loses_nothing(mock: Mock, tmp_path: Path) -> None:
    with serving(mock, tmp_path, maximum="10s") as gateway:
        old = gateway.worker()
        with Load(gateway) as load:
            load.goes_on()
            gateway.process.send_signal(signal.SIGHUP)
            eventually(lambda: list(_planes(gateway.process.pid)) not in ([old], []), "the new worker serves")
            eventually(lambda: old not in _planes(gateway.process.pid), "the old worker has gone")
            load.goes_on()
        assert set(load.outcomes) == {"whole"}
        eventually(lambda: set(load.whole) <= set(gateway.booked()), "every whole answer is booked once")


@pytest.mark.parametrize("uds", [True, False], ids=["on a Unix socket", "on TCP"])
def test_granian_by_hand(mock: Mock, tmp_path: Path, uds: bool) -> None:
    listen = f"127.0.0.1:{closed_port()}"
    where = ["--uds", str(tmp_path / "granian.sock")] if uds else ["--host", "127.0.0.1", "--port", str(closed_port())]
    command = ["granian", "--interface", "asgi", *where, "turnout:app"]
    with started(mock, tmp_path, *command, listen=listen, maximum="300ms") as gateway:
        answer = gateway.chat()
        assert (answer.status, answer.done) == (200, True)
        # On TCP the control side's own socket opens a moment after the plane.
        eventually(lambda: gateway.get("/api/v1/key").status_code == 200, "the control side answers")
        assert gateway.get("/").status_code == 200
        id = answer.headers["x-generation-id"]
        eventually(lambda: gateway.get(f"/api/v1/generation?id={id}").status_code == 200, "the generation is booked")
        with gateway.connect() as connection:
            connection.send(chat(model="test/stalls", stream=True))
            connection.read_until(b"data: ")
            gateway.process.terminate()
            assert b'"finish_reason":"error"' in connection.read_to_close()
        assert gateway.process.wait(PATIENCE_S) == 0
        assert len(gateway.booked()) == 2
