"""What becomes of the tail when Python is busy, and when the configuration is swapped?

The plane runs in a Python process (``inside.py``) that holds the interpreter 20 of each 100 ms, or swaps a snapshot in
every 100 ms. Open loop at 1,000 requests a second, on all cores, because the question is what waits for whom and not
what two programs on one core do to each other. Each round has all disturbances, in an order that changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import report
import rig
from cost import encoded
from guest import Guest, guest

if TYPE_CHECKING:
    from pathlib import Path

QUESTION: Final = "What becomes of the tail when Python is busy, and when the configuration is swapped?"
RATE: Final = 1_000
DISTURBANCES: Final = {"calm": "calm", "python busy": "busy", "swaps": "swap 100"}


def main() -> None:
    """Runs it and prints JSON."""
    options = report.options(QUESTION)
    rounds, seconds = (1, 0.5) if options.smoke else (options.rounds, options.seconds)
    with rig.folder() as folder:
        report.show(options, measure(rig.binaries(), rig.python(), folder, rounds, seconds))


def measure(programs: rig.Binaries, python: str, folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """All rounds, and medians."""
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in DISTURBANCES}
    names = list(DISTURBANCES)
    with rig.mock(programs, folder, core=None) as provider:
        snapshot = folder / "snapshot.json"
        snapshot.write_bytes(encoded(provider.address, folder))
        with guest(python, folder, snapshot, snapshot) as inside:
            once(programs, inside, min(seconds, 1))
            for number in range(rounds):
                for name in names[number % len(names) :] + names[: number % len(names)]:
                    inside.tell(DISTURBANCES[name])
                    seen[name].append(once(programs, inside, seconds))
    calm = seen["calm"]
    return {
        "question": QUESTION,
        "rounds": rounds,
        "rate": RATE,
        "disturbances": {
            name: {key: report.median([one[key] for one in measured]) for key in measured[0]}
            | {
                f"{key}_ratio": report.median(
                    [one[f"{key}_us"] / still[f"{key}_us"] for one, still in zip(measured, calm, strict=True)]
                )
                for key in ("p50", "p99")
            }
            for name, measured in seen.items()
        },
        "all": seen,
    }


def once(programs: rig.Binaries, inside: Guest, seconds: float) -> dict[str, float]:
    """One measurement. A request that fails ends the bench: none may, whatever disturbs."""
    found = rig.load(programs, inside.running, rig.PLAIN, connections=64, seconds=seconds, rate=RATE, core=None)
    return {f"{name}_us": found["latency_us"][name] for name in ("p50", "p90", "p99", "p999", "max")}


if __name__ == "__main__":
    main()
