"""The plane in a Python process of our own, which can be disturbed. Started by ``tail.py`` and ``snapshot.py``.

The product has no hook for a bench, so this process is what a worker is, without granian: the plane, and the ledger's
writer in the same interpreter. Commands come as lines on standard input, and each is answered by ``done N`` with the
number of the line, on standard output:

``calm``            no disturbance
``busy``            a thread computes in Python, holding the interpreter, 20 of each 100 ms
``swap MS``         a snapshot is swapped in every MS milliseconds, by turns one and the other
``swap-once FILE``  one swap; the answer also says how many milliseconds it took
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path

from turnout._native import Plane
from turnout.ledger import store
from turnout.ledger.writer import Writer

BUSY_S = 0.020
PERIOD_S = 0.100


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--other", type=Path, help="the second snapshot of 'swap'")
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    snapshots = [path.read_bytes() for path in (options.snapshot, options.other) if path is not None]
    options.state.mkdir(exist_ok=True)
    ledger = store.open_ledger(store.sqlite_url(options.state / "ledger.db"))
    plane = Plane(snapshots[0], listeners=[], control_socket=None, state_dir=str(options.state))
    writer = Writer(plane, ledger, rejected=options.state / "rejected.jsonl")
    addresses = plane.start()
    writer.start()
    print(f"listening on {addresses[0]}", flush=True)
    stop = threading.Event()
    disturbing: threading.Thread | None = None
    for number, line in enumerate(sys.stdin):
        command, _, argument = line.strip().partition(" ")
        stop.set()
        if disturbing is not None:
            disturbing.join()
            disturbing = None
        stop = threading.Event()
        told = ""
        if command == "busy":
            disturbing = threading.Thread(target=busy, args=(stop,))
        elif command == "swap":
            disturbing = threading.Thread(target=swap, args=(stop, plane, snapshots, float(argument) / 1000))
        elif command == "swap-once":
            following = Path(argument).read_bytes()
            began = time.perf_counter()
            plane.swap(following)
            told = f" {(time.perf_counter() - began) * 1000:.2f}"
        elif command != "calm":
            raise SystemExit(f"unknown command: {command}")
        if disturbing is not None:
            disturbing.start()
        print(f"done {number}{told}", flush=True)
    stop.set()
    plane.stop()
    writer.finish(timeout_s=10)


def busy(stop: threading.Event) -> None:
    """Computes without a pause in which the interpreter would be free."""
    while not stop.is_set():
        until = time.perf_counter() + BUSY_S
        while time.perf_counter() < until:
            sum(range(1000))
        stop.wait(PERIOD_S - BUSY_S)


def swap(stop: threading.Event, plane: Plane, snapshots: list[bytes], every_s: float) -> None:
    """Swaps at a fixed pace."""
    number = 0
    while not stop.wait(every_s):
        number += 1
        plane.swap(snapshots[number % len(snapshots)])


if __name__ == "__main__":
    main()
