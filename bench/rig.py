"""The test rig that every bench stands on: what is started, what is sent, what is counted.

A rig is one scripted provider (``turnout-mock``), one load generator (``turnout-load``) and between them one contender:
nothing (``direct``), ``turnout serve`` as users run it, or nginx as a plain reverse proxy. With two cores or more, the
contender has core 0 to itself, and provider and generator share core 1, in every measurement that compares.

Time of a process is read from ``/proc/PID/task/*/schedstat``: nanoseconds on a processor, per thread, so that short
runs can be compared and the plane's threads can be told from the ledger's.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEY: Final = "sk-turnout-bench-0123456789abcdefghijklmnopqrstuvwxyz"
"""The client key of every bench. It opens nothing else, so it may stand here."""

START_S: Final = 60.0
"""How long a process may take until it answers; under valgrind that is tens of seconds."""

GATEWAY_CORE: Final = 0
LOAD_CORE: Final = 1


class BenchError(Exception):
    """A bench cannot go on: something did not start, or answered wrongly. The text says what."""


@dataclass(frozen=True)
class Binaries:
    """The programs of the Rust workspace that a bench needs."""

    gateway: Path
    mock: Path
    load: Path


def binaries(folder: Path | None = None) -> Binaries:
    """Where ``bench/build.py`` left them; ``TURNOUT_BENCH_BINARIES`` names the folder of the cargo profile."""
    named = os.environ.get("TURNOUT_BENCH_BINARIES")
    found = folder or (Path(named) if named else Path(__file__).parents[1] / "target" / "release")
    programs = Binaries(
        gateway=found / "examples" / "gateway", mock=found / "turnout-mock", load=found / "examples" / "turnout-load"
    )
    for program in (programs.gateway, programs.mock, programs.load):
        if not program.is_file():
            raise BenchError(f"not built, run bench/run.py, which builds it: {program}")
    return programs


def python() -> str:
    """The interpreter whose Turnout is measured; ``TURNOUT_BENCH_PYTHON`` names it, else the running one."""
    return os.environ.get("TURNOUT_BENCH_PYTHON", sys.executable)


# What is sent ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A kind of request. The provider's model name holds the script of the answer (``turnout mock --help``)."""

    name: str
    upstream_model: str
    body_bytes: int
    stream: bool = False
    what: str = ""
    headers: tuple[str, ...] = ()
    """Lines beside the key."""
    status: int = 200
    """That every answer must have."""

    @property
    def slug(self) -> str:
        """The model's name at the gateway."""
        return f"bench/{self.name}"

    def body(self, model: str) -> bytes:
        """A chat request of :attr:`body_bytes` bytes for this model name."""
        head: dict[str, Any] = {"model": model}
        if self.stream:
            # Asked for by every client, so that the direct answer has the same events as the gateway's.
            head |= {"stream": True, "stream_options": {"include_usage": True}}
        tail = {"temperature": 0.7, "max_tokens": 256}
        words = "lorem ipsum dolor sit amet, consectetur adipiscing elit; "
        empty = json.dumps({**head, "messages": [{"role": "user", "content": ""}], **tail})
        text = (words * (self.body_bytes // len(words) + 1))[: max(0, self.body_bytes - len(empty))]
        return json.dumps({**head, "messages": [{"role": "user", "content": text}], **tail}).encode()


PLAIN: Final = Case("plain", "fixed", 1024, what="plain answer to a chat of 1 KB")
STREAM: Final = Case("stream", "fixed", 1024, stream=True, what="stream of 32 chunks, all there at once")
LARGE: Final = Case("large", "fixed", 70 * 1024, what="plain answer to a chat of 70 KB")
PACED: Final = Case("paced", "fixed;pace=20;tokens=64", 1024, stream=True, what="stream of 64 chunks, one each 20 ms")
IDLE: Final = Case("idle", "fixed;stall=2", 1024, stream=True, what="stream that falls silent after its first token")
FLOOD: Final = Case(
    "flood", "fixed;tokens=4096;size=4096", 1024, stream=True, what="stream of 16 MB as fast as it is taken"
)
REFUSED: Final = Case("missing", "fixed", 1024, status=400, what="refusal of a chat of 1 KB for an unknown model")
CACHED: Final = ("X-OpenRouter-Cache: true",)
HIT: Final = Case("plain", "fixed", 1024, headers=CACHED, what="the plain answer from the response cache")
HIT_STREAM: Final = Case(
    "stream", "fixed", 1024, stream=True, headers=CACHED, what="the stream from the response cache"
)
CASES: Final = (PLAIN, STREAM, LARGE, PACED, IDLE, FLOOD)


def config(mock_address: str, *, threads: int) -> str:
    """The gateway's configuration: one key, one provider, a priced model for each case."""
    prices = "prices: {prompt: 0.15, completion: 0.6}"
    models = "\n".join(
        f'  {case.slug}: {{provider: scripted, model: "{case.upstream_model}", {prices}}}' for case in CASES
    )
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    return f"""\
server:
  threads: {threads}
  drain: {{min: 0, max: 2s}}
keys:
  - {{name: bench, sha256: {digest}}}
providers:
  scripted: {{base_url: "http://{mock_address}/v1", api_key: provider-key, proxy: none}}
models:
{models}
"""


# What is started ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Running:
    """A contender or provider that answers."""

    name: str
    address: str
    pid: int
    """Root of the processes that belong to it; 0 for none (``direct``)."""
    own_models: bool
    """Whether models are named by the gateway's slugs; otherwise the request goes through unchanged."""
    folder: Path | None = None
    """Its state directory."""

    def body(self, case: Case) -> bytes:
        """What a client sends to it."""
        return case.body(case.slug if self.own_models else case.upstream_model)


def pinned(core: int | None) -> list[str]:
    """Prefix of a command that shall run on one core; none where there is only one, or no ``taskset``."""
    if core is None or (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None:
        return []
    return ["taskset", "-c", str(core)]


@contextmanager
def process(command: Sequence[str | Path], *, log: Path, stdin: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command for the length of a ``with``; its output goes into ``log``. Ends it by SIGTERM, then SIGKILL."""
    with log.open("wb") as output:
        # The script's end closes the pipe, so that what reads it cannot be left over.
        running = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield running
    finally:
        if stdin and running.stdin is not None:
            running.stdin.close()
        else:
            running.terminate()
        try:
            running.wait(START_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def announced(running: subprocess.Popen[bytes], log: Path) -> str:
    """The address in ``listening on HOST:PORT``, once the process has printed it."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("listening on "):
                return line.removeprefix("listening on ").strip()
        if running.poll() is not None:
            break
        time.sleep(0.02)
    raise BenchError(f"did not start: {running.args!r}\n{log.read_text(errors='replace')}")


@contextmanager
def mock(programs: Binaries, folder: Path, *, core: int | None = LOAD_CORE) -> Iterator[Running]:
    """The scripted provider."""
    log = folder / "mock.log"
    with process([*pinned(core), programs.mock], log=log) as running:
        yield Running("direct", announced(running, log), running.pid, own_models=False)


@contextmanager
def turnout(
    python: str, mock_address: str, folder: Path, *, core: int | None = GATEWAY_CORE, threads: int = 1
) -> Iterator[Running]:
    """``turnout serve``: granian, Starlette, the plane and the ledger, as users run it."""
    address = f"127.0.0.1:{free_port()}"
    file, state, log = folder / "turnout.yaml", folder / "state", folder / "turnout.log"
    file.write_text(config(mock_address, threads=threads))
    command: list[str | Path] = [python, "-m", "turnout", "serve", "-c", file, "--listen", address, "--state", state]
    with process([*pinned(core), *command], log=log) as running:
        wait_until_answers(address, "/health/ready", running, log)
        yield Running("turnout", address, running.pid, own_models=True, folder=state)


@contextmanager
def nginx(mock_address: str, folder: Path, *, core: int | None = GATEWAY_CORE) -> Iterator[Running]:
    """nginx as a reverse proxy on one worker: keep-alive on both sides, no log, nothing written to disk."""
    address = f"127.0.0.1:{free_port()}"
    log = folder / "nginx.log"
    file = folder / "nginx.conf"
    file.write_text(f"""\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 128k;
  client_max_body_size 32m;
  upstream provider {{ server {mock_address}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen {address} backlog=4096;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
""")
    command: list[str | Path] = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", file, "-e", "stderr"]
    with process([*pinned(core), *command], log=log) as running:
        wait_until_answers(address, "/health", running, log)
        yield Running("nginx", address, running.pid, own_models=False)


def has_nginx() -> bool:
    """Whether nginx is installed; Debian keeps it out of an ordinary user's path."""
    return shutil.which("nginx") is not None or Path("/usr/sbin/nginx").is_file()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_answers(address: str, path: str, running: subprocess.Popen[bytes], log: Path) -> None:
    """Waits for a 200."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and running.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            if get(address, path)[0] == 200:
                return
        time.sleep(0.05)
    raise BenchError(f"no answer on {address}{path}: {running.args!r}\n{log.read_text(errors='replace')}")


def get(address: str, path: str, *, timeout_s: float = 10.0) -> tuple[int, bytes]:
    """Status and body of a GET."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def metric(address: str, name: str) -> float | None:
    """Sum of a metric's samples at the gateway; ``None`` when it has no such metric."""
    values = [
        float(line.rpartition(" ")[2])
        for line in get(address, "/metrics")[1].decode().splitlines()
        if line.partition("{")[0].partition(" ")[0] == name
    ]
    return sum(values) if values else None


@contextmanager
def folder() -> Iterator[Path]:
    """A directory for one measurement."""
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as path:
        yield Path(path)


# What is counted ------------------------------------------------------------------------------------------------------


def load(
    programs: Binaries,
    target: Running,
    case: Case,
    *,
    connections: int,
    seconds: float | None = None,
    requests: int | None = None,
    rate: float | None = None,
    spread_ms: float | None = None,
    core: int | None = LOAD_CORE,
) -> dict[str, Any]:
    """Runs the load generator; its report. An answer that is wrong or missing raises :class:`BenchError`."""
    with tempfile.NamedTemporaryFile(prefix="turnout-bench-body-") as file:
        file.write(target.body(case))
        file.flush()
        command = [*pinned(core), str(programs.load), "--target", target.address, "--body", file.name]
        command += ["--header", f"Authorization: Bearer {KEY}", "--connections", str(connections)]
        command += [word for line in case.headers for word in ("--header", line)] + ["--status", str(case.status)]
        options = {"--seconds": seconds, "--requests": requests, "--rate": rate, "--spread-ms": spread_ms}
        for option, value in options.items():
            if value is not None:
                command += [option, str(value)]
        done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"the load generator failed on {target.name}: {done.stderr.decode(errors='replace')}")
    report: dict[str, Any] = json.loads(done.stdout)
    if report["errors"] or len(report["contents"]) != 1:
        raise BenchError(
            f"{target.name} answered wrongly: {report['errors_by_kind']}, {len(report['contents'])} different contents"
        )
    return report


def content(report: dict[str, Any]) -> str:
    """Hash of what a user would have read, the same in every answer of the run."""
    return str(next(iter(report["contents"])))


def processes(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The name in parentheses may hold spaces; what follows its last bracket does not.
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def threads_ns(root: int) -> dict[tuple[int, str], int]:
    """Nanoseconds on a processor of each thread of a tree, by id and name."""
    times: dict[tuple[int, str], int] = {}
    for pid in processes(root):
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    name = (task / "comm").read_text().strip()
                    times[int(task.name), name] = int((task / "schedstat").read_text().split()[0])
    return times


@dataclass(frozen=True)
class Spent:
    """Time of a tree between two looks."""

    total_us: float
    plane_us: float
    """Of threads named ``dp-…``; for another contender 0."""


@contextmanager
def spending(root: int) -> Iterator[list[Spent]]:
    """Measures the tree's time for the length of a ``with``; the list has one entry at its end."""
    result: list[Spent] = []
    before = threads_ns(root)
    yield result
    after = threads_ns(root)
    used = {thread: ns - before.get(thread, 0) for thread, ns in after.items()}
    plane = sum(ns for (_, name), ns in used.items() if name.startswith("dp-"))
    result.append(Spent(total_us=sum(used.values()) / 1000, plane_us=plane / 1000))


def memory_kb(root: int) -> dict[str, int]:
    """RSS and PSS of a tree in KiB. PSS counts a page that n processes share as 1/n, so only its sum is honest."""
    sums = {"rss_kb": 0, "pss_kb": 0}
    for pid in processes(root):
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                for name, key in (("Rss:", "rss_kb"), ("Pss:", "pss_kb")):
                    if line.startswith(name):
                        sums[key] += int(line.split()[1])
    return sums
