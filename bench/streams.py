"""What does the gateway add to a stream: time to the first event, gaps, processor time per chunk?

64 streams at once, one chunk each 20 ms, their starts spread over 20 ms. Rounds of direct, Turnout and nginx as in
``rounds.py``. What a reader sees must be the same bytes: the hash of all contents is compared.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import report
import rig
from rounds import settle

if TYPE_CHECKING:
    from pathlib import Path

QUESTION: Final = "What does the gateway add to a stream: time to the first event, gaps, processor time per chunk?"
STREAMS: Final = 64
SPREAD_MS: Final = 20


def main() -> None:
    """Runs it and prints JSON."""
    options = report.options(QUESTION)
    rounds, seconds = (1, 0.1) if options.smoke else (options.rounds, options.seconds)
    with rig.folder() as folder:
        report.show(options, measure(rig.binaries(), rig.python(), folder, rounds, seconds))


def measure(programs: rig.Binaries, python: str, folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """All rounds, and medians."""
    seen: dict[str, list[dict[str, float]]] = {}
    contents: set[str] = set()
    skipped = [] if rig.has_nginx() else ["nginx"]
    with ExitStack() as running:
        direct = running.enter_context(rig.mock(programs, folder))
        contenders = [direct, running.enter_context(rig.turnout(python, direct.address, folder))]
        if not skipped:
            contenders.append(running.enter_context(rig.nginx(direct.address, folder)))
        for number in range(rounds):
            turn = number % len(contenders)
            for target in contenders[turn:] + contenders[:turn]:
                with rig.spending(target.pid) as spent:
                    found = rig.load(
                        programs, target, rig.PACED, connections=STREAMS, seconds=seconds, spread_ms=SPREAD_MS
                    )
                    settle(target)
                contents.add(rig.content(found))
                seen.setdefault(target.name, []).append(
                    {
                        "ttft_p50_us": found["first_event_us"]["p50"],
                        "ttft_p99_us": found["first_event_us"]["p99"],
                        "gap_p50_us": found["gap_us"]["p50"],
                        "gap_p99_us": found["gap_us"]["p99"],
                        "cpu_per_chunk_us": spent[0].total_us / found["events"],
                        "plane_per_chunk_us": spent[0].plane_us / found["events"],
                        "events_per_stream": found["events"] / found["good"],
                    }
                )
    result: dict[str, Any] = {}
    for name, measured in seen.items():
        result[name] = {key: report.median([one[key] for one in measured]) for key in measured[0]}
        if name != "direct":
            for key in ("ttft_p50_us", "ttft_p99_us", "gap_p99_us"):
                result[name][f"added_{key}"] = report.median(
                    [one[key] - before[key] for one, before in zip(measured, seen["direct"], strict=True)]
                )
    if "nginx" in seen:
        result["turnout_to_nginx_cpu"] = report.median(
            [
                ours["cpu_per_chunk_us"] / theirs["cpu_per_chunk_us"]
                for ours, theirs in zip(seen["turnout"], seen["nginx"], strict=True)
            ]
        )
    return {
        "question": QUESTION,
        "rounds": rounds,
        "streams": STREAMS,
        "skipped": skipped,
        "bytes_identical": len(contents) == 1,
        "contenders": result,
        "all": seen,
    }


if __name__ == "__main__":
    main()
