"""What does the gateway cost beside nginx: processor time per request, and added latency?

Rounds of direct, Turnout and nginx, in an order that changes from round to round, so that a slow minute of the machine
falls on all of them. The contender has core 0 alone; provider and load generator share core 1.

*Closed loop*, 1 and 64 connections: processor time of the contender's whole process tree per request. For Turnout that
is everything: plane, granian, and the ledger until it has booked the last answer of the measurement; the share of the
plane's own threads stands beside it. *Open loop*, 500, 2,000 and 5,000 requests a second: latency from the moment at
which a request was due, and per round the difference to direct. The claim is the median of the rounds' differences
with its quartiles, never a difference of two medians.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import report
import rig

if TYPE_CHECKING:
    from pathlib import Path

QUESTION: Final = "What does the gateway cost beside nginx: processor time per request, and added latency?"
CONNECTIONS: Final = (1, 64)
RATES: Final = (500, 2_000, 5_000)
OPEN_CONNECTIONS: Final = 64
CEILING: Final = 0.9
"""A contender that reaches this share of the direct rate is limited by the harness as much as by itself."""
BOOKED_S: Final = 120.0
"""How long the ledger may take to catch up with a measurement."""


def main() -> None:
    """Runs it and prints JSON."""
    options = report.options(QUESTION)
    rounds, seconds = (1, 0.4) if options.smoke else (options.rounds, options.seconds)
    with rig.folder() as folder:
        report.show(options, measure(rig.binaries(), rig.python(), folder, rounds, seconds, smoke=options.smoke))


def measure(
    programs: rig.Binaries, python: str, folder: Path, rounds: int, seconds: float, *, smoke: bool = False
) -> dict[str, Any]:
    """All rounds, and what they say together."""
    connections, rates = (CONNECTIONS[-1:], RATES[:1]) if smoke else (CONNECTIONS, RATES)
    skipped = [] if rig.has_nginx() else ["nginx"]
    seen: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as running:
        direct = running.enter_context(rig.mock(programs, folder))
        contenders = [direct, running.enter_context(rig.turnout(python, direct.address, folder))]
        if not skipped:
            contenders.append(running.enter_context(rig.nginx(direct.address, folder)))
        contents = set()
        for target in contenders:
            # Connections, caches and branch predictors get warm, and the answers are compared once for all.
            contents.add(rig.content(rig.load(programs, target, rig.PLAIN, connections=64, seconds=min(1, seconds))))
            settle(target)
        if len(contents) != 1:
            raise rig.BenchError("the contenders' answers do not say the same")
        for number in range(rounds):
            turn = number % len(contenders)
            for target in contenders[turn:] + contenders[:turn]:
                found: dict[str, Any] = {"closed": {}, "open": {}}
                for count in connections:
                    found["closed"][str(count)] = closed(programs, target, count, seconds)
                for rate in rates:
                    found["open"][str(rate)] = opened(programs, target, rate, seconds)
                seen.setdefault(target.name, []).append(found)
    return {
        "question": QUESTION,
        "rounds": rounds,
        "seconds": seconds,
        "skipped": skipped,
        "closed": {str(count): summary_closed(seen, str(count)) for count in connections},
        "open": {str(rate): summary_open(seen, str(rate)) for rate in rates},
        "all": seen,
    }


def closed(programs: rig.Binaries, target: rig.Running, connections: int, seconds: float) -> dict[str, float]:
    """One closed-loop measurement: rate, latency and time per request."""
    with rig.spending(target.pid) as spent:
        found = rig.load(programs, target, rig.PLAIN, connections=connections, seconds=seconds)
        settle(target)
    return {
        "per_second": found["per_second"],
        "p50_us": found["latency_us"]["p50"],
        "p99_us": found["latency_us"]["p99"],
        "cpu_us": spent[0].total_us / found["good"],
        "plane_us": spent[0].plane_us / found["good"],
    }


def opened(programs: rig.Binaries, target: rig.Running, rate: int, seconds: float) -> dict[str, float]:
    """One open-loop measurement."""
    found = rig.load(programs, target, rig.PLAIN, connections=OPEN_CONNECTIONS, seconds=seconds, rate=rate)
    settle(target)
    return {f"{name}_us": found["latency_us"][name] for name in ("p50", "p90", "p99", "max")} | {
        "per_second": found["per_second"]
    }


def settle(target: rig.Running) -> None:
    """Waits until the ledger has everything: the work belongs to this measurement and must not fall into the next."""
    if target.folder is None:
        return
    deadline = time.monotonic() + BOOKED_S
    while rig.metric(target.address, "turnout_journal_pending_records"):
        if time.monotonic() > deadline:
            raise rig.BenchError(f"the ledger did not catch up within {BOOKED_S:.0f} s")
        # Rendering the metrics is work of the contender as well; rarely asked, it does not count.
        time.sleep(0.25)


def summary_closed(seen: dict[str, list[dict[str, Any]]], connections: str) -> dict[str, Any]:
    """Per contender: medians over the rounds; and whether the harness was the limit."""
    result: dict[str, Any] = {}
    for name, rounds in seen.items():
        measured = [one["closed"][connections] for one in rounds]
        result[name] = {key: report.median([one[key] for one in measured]) for key in measured[0]}
        near = [
            one["closed"][connections]["per_second"] / direct["closed"][connections]["per_second"]
            for one, direct in zip(rounds, seen["direct"], strict=True)
        ]
        result[name]["harness_bound"] = name != "direct" and max(near) >= CEILING
    if "nginx" in seen:
        result["turnout_to_nginx_cpu"] = report.median(
            [
                ours["closed"][connections]["cpu_us"] / theirs["closed"][connections]["cpu_us"]
                for ours, theirs in zip(seen["turnout"], seen["nginx"], strict=True)
            ]
        )
    return result


def summary_open(seen: dict[str, list[dict[str, Any]]], rate: str) -> dict[str, Any]:
    """Per contender: medians of the latencies, and of what each adds to direct in its round."""
    result: dict[str, Any] = {}
    for name, rounds in seen.items():
        measured = [one["open"][rate] for one in rounds]
        result[name] = {key: report.median([one[key] for one in measured]) for key in measured[0]}
        if name != "direct":
            for key in ("p50_us", "p99_us"):
                result[name][f"added_{key}"] = report.median(
                    [
                        one["open"][rate][key] - direct["open"][rate][key]
                        for one, direct in zip(rounds, seen["direct"], strict=True)
                    ]
                )
    return result


if __name__ == "__main__":
    main()
