"""Why the hot path has its own listener: what does a request cost through granian's, before any model is asked?

*granian* answers the same 1 KB request from an ASGI function that reads the body and returns a prepared answer: no
authentication, no routing, no provider, no booking. *Turnout* does all of that, and asks the provider. Each has core 0
for its whole process tree; provider and load generator share core 1. The figure is processor time per request at 64
connections, and the ratio of the two in the same rounds.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import report
import rig
from rounds import closed, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION: Final = "Why the hot path has its own listener: what does a request cost through granian's?"
CONNECTIONS: Final = 64

APP: Final = '''
import json

ANSWER = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 300}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope, receive, send):
    """Reads the body and answers."""
    if scope["type"] != "http":
        return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
'''


def main() -> None:
    """Runs it and prints JSON."""
    options = report.options(QUESTION)
    rounds, seconds = (1, 0.4) if options.smoke else (options.rounds, options.seconds)
    with rig.folder() as folder:
        report.show(options, measure(rig.binaries(), rig.python(), folder, rounds, seconds))


def measure(
    programs: rig.Binaries, python: str, folder: Path, rounds: int, seconds: float, *, smoke: bool = False
) -> dict[str, Any]:
    """Rounds of both, in turns."""
    del smoke
    seen: dict[str, list[dict[str, float]]] = {}
    with ExitStack() as running:
        direct = running.enter_context(rig.mock(programs, folder))
        contenders = [
            running.enter_context(rig.turnout(python, direct.address, folder)),
            running.enter_context(granian(python, folder)),
        ]
        for target in contenders:
            closed(programs, target, CONNECTIONS, min(1, seconds))
            settle(target)
        for number in range(rounds):
            for target in contenders if number % 2 else reversed(contenders):
                seen.setdefault(target.name, []).append(closed(programs, target, CONNECTIONS, seconds))
    ratios = [
        theirs["cpu_us"] / ours["plane_us"] for ours, theirs in zip(seen["turnout"], seen["granian"], strict=True)
    ]
    whole = [theirs["cpu_us"] / ours["cpu_us"] for ours, theirs in zip(seen["turnout"], seen["granian"], strict=True)]
    return {
        "question": QUESTION,
        "rounds": rounds,
        "seconds": seconds,
        "turnout_plane_us": report.median([one["plane_us"] for one in seen["turnout"]]),
        "turnout_cpu_us": report.median([one["cpu_us"] for one in seen["turnout"]]),
        "granian_cpu_us": report.median([one["cpu_us"] for one in seen["granian"]]),
        "granian_to_plane": report.median(ratios),
        "granian_to_turnout": report.median(whole),
        "all": seen,
    }


@contextmanager
def granian(python: str, folder: Path) -> Iterator[rig.Running]:
    """granian with one worker around the smallest ASGI application."""
    address = f"127.0.0.1:{rig.free_port()}"
    (folder / "smallest.py").write_text(APP)
    host, port = address.split(":")
    command: list[str | Path] = [
        Path(python).with_name("granian"),
        "--interface",
        "asgi",
        "--host",
        host,
        "--port",
        port,
    ]
    command += ["--loop", "uvloop", "--no-access-log", "--working-dir", folder, "smallest:app"]
    log = folder / "granian.log"
    with rig.process([*rig.pinned(rig.GATEWAY_CORE), *command], log=log) as running:
        rig.wait_until_answers(address, "/", running, log)
        yield rig.Running("granian", address, running.pid, own_models=False)


if __name__ == "__main__":
    main()
