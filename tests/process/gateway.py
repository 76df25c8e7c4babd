"""``turnout serve`` in a session of its own, and clients that never stop asking.

The provider is the mock in the test's process, so it outlives every gateway. :class:`Load` counts what clients
received whole, by generation id, and everything that went wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.plane.harness import KEY, PATIENCE_S, Answer, Closed, Connection, chat, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

ADMIN = "sk-test-admin-0123456789"
SLOW_S = 60.0
"""How long processes may take to start, respawn or stop on a busy machine."""


def config(mock: str, *, listen: str = "127.0.0.1:0", script: str = "plain;tokens=3", **server: str) -> str:
    """A configuration with ``test/model`` at the mock. ``server`` adds to that section, each value as YAML."""
    more = "".join(f"  {name}: {value}\n" for name, value in {"drain": "{min: 500ms, max: 20s}", **server}.items())
    return f"""
server:
  listen: {listen}
  threads: 2
  admin_key: {ADMIN}
{more}
keys:
  - {{name: tests, key: {KEY}}}
ledger: {{flush: 20ms}}
providers:
  scripted: {{base_url: "http://{mock}/v1"}}
models:
  test/model: {{provider: scripted, model: "{script}", prices: {{prompt: 2, completion: 10}}}}
"""


def free_address() -> str:
    """An address that nobody uses now. A restart has to come back to the same one, so port 0 will not do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@dataclass
class Gateway:
    """A running ``turnout serve``."""

    process: subprocess.Popen[str]
    address: str
    file: Path
    state_dir: Path

    def health(self) -> dict[str, Any]:
        with self._client() as client:
            health: dict[str, Any] = client.get("/health/ready").json()
            return health

    def metrics(self) -> str:
        with self._client() as client:
            return client.get("/metrics").text

    def admin(self, method: str, path: str) -> httpx.Response:
        with self._client() as client:
            return client.request(method, path, headers={"authorization": f"Bearer {ADMIN}"})

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://{self.address}", timeout=SLOW_S, trust_env=False, verify=False)

    def workers(self) -> list[int]:
        """Pids of the processes that serve."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(pid) for pid in children if not _is_over(int(pid))]

    def worker(self) -> int:
        """Pid of the one worker, once there is exactly one."""

        def only() -> list[int]:
            workers = self.workers()
            return workers if len(workers) == 1 else []

        return eventually(only, "one worker", SLOW_S)[0]

    def replaced(self, old: int) -> None:
        """Waits until another worker serves in the place of ``old``."""
        eventually(lambda: self.workers() and old not in self.workers(), "another worker", SLOW_S)

    def rows(self) -> Counter[str]:
        """How often each generation id stands in the ledger."""
        ledger = self.state_dir / "ledger.db"
        with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=SLOW_S)) as database:
            # A gateway that has just started may not have made its tables yet.
            if not database.execute("select 1 from sqlite_master where name = 'generations'").fetchone():
                return Counter()
            return Counter(row[0] for row in database.execute("select id from generations"))

    def kill_all(self) -> None:
        """``kill -9`` of the parent and everything that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(SLOW_S)


def _is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextlib.contextmanager
def serving(folder: Path, text: str) -> Iterator[Gateway]:
    """Serves this configuration from ``folder`` until the block ends."""
    file = folder / "turnout.yaml"
    file.write_text(text)
    with (folder / "serve.log").open("a+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "turnout", "serve", "-c", str(file), "--state", str(folder / "state")],
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # A group of its own, so that all of it can be killed and nothing else.
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"serving +http://(\S+)/v1", line):
                    yield Gateway(process, found[1], file, folder / "state")
                    break
            else:
                log.seek(0)
                raise AssertionError(f"turnout serve ended with {process.wait()}:\n{log.read()}")
        finally:
            process.terminate()
            try:
                process.wait(SLOW_S)
            finally:
                # Whatever is left of the group, also when the parent was killed by the test.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                process.stdout.close()


@dataclass
class Load:
    """Clients that ask as fast as they are answered. Used as a context; leaving it stops them.

    ``keep_alive``: a client keeps its connection as long as the gateway does; otherwise one for each request.
    """

    address: str
    clients: int = 4
    keep_alive: bool = True
    whole: set[str] = field(default_factory=set)
    """Generation ids of answers that were received to the last byte."""
    errors: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        for number in range(self.clients):
            # Every other client streams.
            thread = threading.Thread(target=self._run, args=(number % 2 == 1,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(SLOW_S)
            assert not thread.is_alive(), "a client hangs"

    def more(self, count: int) -> None:
        """Waits until that many more answers have been received."""
        goal = len(self.whole) + count
        eventually(lambda: len(self.whole) >= goal, f"{count} more answers; errors: {self.errors[:3]}", SLOW_S)

    def _run(self, stream: bool) -> None:
        host, _, port = self.address.rpartition(":")
        connection: Connection | None = None
        kept = False
        body = json.dumps(chat(stream=stream)).encode()
        while not self._stop.is_set():
            try:
                if connection is None:
                    sock = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
                    connection = Connection(sock, {"authorization": f"Bearer {KEY}"})
                    kept = False
                connection.send(body)
                answer = connection.answer()
                self._note(answer, stream=stream)
                kept = True
                if not self.keep_alive or not answer.whole or answer.headers.get("connection") == "close":
                    connection.close()
                    connection = None
            except (OSError, Closed) as error:
                self.errors.append(f"{'kept' if kept else 'new'} connection: {error!r}")
                if connection is not None:
                    connection.close()
                connection = None
                # Nobody listens between the end of a gateway and its next start.
                self._stop.wait(0.02)
        if connection is not None:
            connection.close()

    def _note(self, answer: Answer, *, stream: bool) -> None:
        whole = answer.whole and (not stream or answer.body.endswith(b"data: [DONE]\n\n"))
        if answer.status == 200 and whole:
            self.whole.add(answer.headers["x-generation-id"])
        else:
            self.errors.append(f"{answer.status} {answer.body[-300:]!r}")


def booked_once(gateway: Gateway, load: Load) -> None:
    """Each answer that a client received whole has exactly one row, and nothing has two."""
    try:
        eventually(lambda: load.whole <= set(gateway.rows()), "all answers are in the ledger", SLOW_S)
    except AssertionError:
        missing = sorted(load.whole - set(gateway.rows()))
        raise AssertionError(
            f"{len(missing)} of {len(load.whole)} answers that were received whole are not in the ledger, such as "
            f"{missing[:3]}; health: {gateway.health()}"
        ) from None
    rows = gateway.rows()
    assert max(rows.values()) == 1
    assert {rows[identifier] for identifier in load.whole} == {1}
