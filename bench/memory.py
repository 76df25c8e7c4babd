"""How much memory does the gateway take: idle, per idle stream, and with readers that do not read?

*Idle*: the whole process tree after its start and one request. *Idle streams*: 1,000 clients, each of whose streams has
begun and then falls silent; what each adds. *Stalled readers*: 100 clients that ask for a stream of 16 MB and read
nothing; back-pressure should stop each at one buffer, whatever the provider would send.

PSS is shown where processes are summed (shared pages count once); what the kernel keeps for sockets is in neither.
"""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import report
import rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTION: Final = "How much memory does the gateway take: idle, per idle stream, and with readers that do not read?"
IDLE_STREAMS: Final = 1_000
STALLED: Final = 100
STEADY_S: Final = 30.0
"""How long memory may take to stop growing."""


def main() -> None:
    """Runs it and prints JSON."""
    options = report.options(QUESTION)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    streams, stalled = (50, 5) if options.smoke else (IDLE_STREAMS, STALLED)
    with rig.folder() as folder:
        report.show(options, measure(rig.binaries(), rig.python(), folder, streams, stalled))


def measure(programs: rig.Binaries, python: str, folder: Path, streams: int, stalled: int) -> dict[str, Any]:
    """Turnout, and nginx where it is installed."""
    skipped = [] if rig.has_nginx() else ["nginx"]
    result: dict[str, Any] = {"question": QUESTION, "streams": streams, "stalled": stalled, "skipped": skipped}
    with rig.mock(programs, folder, core=None) as provider:
        with rig.turnout(python, provider.address, folder, core=None, threads=2) as target:
            result["turnout"] = contender(programs, target, streams, stalled)
        if not skipped:
            with rig.nginx(provider.address, folder, core=None) as target:
                result["nginx"] = contender(programs, target, streams, stalled)
    return result


def contender(programs: rig.Binaries, target: rig.Running, streams: int, stalled: int) -> dict[str, Any]:
    """All of it for one of them."""
    rig.load(programs, target, rig.PLAIN, connections=1, requests=1, core=None)
    idle = steady(target)
    with clients(target, rig.IDLE, streams, read=True):
        busy = steady(target)
    after = steady(target)
    with clients(target, rig.FLOOD, stalled, read=False):
        blocked = steady(target)
    last = steady(target)
    return {
        "idle": idle,
        "with_streams": busy,
        "per_stream_kb": round((busy["pss_kb"] - idle["pss_kb"]) / streams, 2),
        "after_streams": after,
        "with_stalled": blocked,
        "after_stalled": last,
    }


def steady(target: rig.Running) -> dict[str, int]:
    """Memory of the tree once it has stopped changing."""
    deadline = time.monotonic() + STEADY_S
    before = rig.memory_kb(target.pid)
    same = 0
    while same < 4 and time.monotonic() < deadline:
        time.sleep(0.25)
        now = rig.memory_kb(target.pid)
        same = same + 1 if abs(now["pss_kb"] - before["pss_kb"]) <= before["pss_kb"] * 0.002 else 0
        before = now
    return before


@contextmanager
def clients(target: rig.Running, case: rig.Case, count: int, *, read: bool) -> Iterator[None]:
    """So many clients, each with a request under way; ``read``: until the first event has come, and then no more."""
    host, _, port = target.address.rpartition(":")
    body = target.body(case)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {target.address}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {rig.KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with ExitStack() as opened:
        sockets = []
        for _ in range(count):
            client = opened.enter_context(socket.socket())
            if not read:
                # The less the kernel holds for a reader, the sooner it is felt that nobody reads.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(rig.START_S)
            client.connect((host, int(port)))
            client.sendall(head + body)
            sockets.append(client)
        if read:
            for client in sockets:
                received = b""
                while b"data:" not in received:
                    piece = client.recv(65536)
                    if not piece:
                        raise rig.BenchError(f"{target.name} closed a stream that should have stayed: {received!r}")
                    received += piece
                if not received.startswith(b"HTTP/1.1 200"):
                    raise rig.BenchError(f"{target.name} refused a stream: {received[:300]!r}")
        yield


if __name__ == "__main__":
    main()
