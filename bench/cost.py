"""What does a request cost the plane, exactly: instructions, allocations, system calls?

These three do not depend on what else the machine does, so they are the ones to gate on. Instructions come from
callgrind and allocations from dhat, each as the difference of two runs with N1 and N2 requests, which takes start-up
out; only those of the data-plane thread count, and the whole process is shown beside. System calls come from strace on
the data-plane thread of the plane running at full speed.

The program under test is ``rust/plane/examples/gateway.rs``: the plane with authentication, routing, metrics and the
journal, and a thread that empties the journal as the ledger's writer does.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import report
import rig

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = "What does a request cost the plane: instructions, allocations, system calls?"
CASES = {
    "plain": rig.PLAIN,
    "stream": rig.STREAM,
    "large": rig.LARGE,
    "refused": rig.REFUSED,
    "hit": rig.HIT,
    "hit_stream": rig.HIT_STREAM,
}
WARM_UP = 300
"""Requests before N1 counts in either run: pools, caches and metrics slots are there then. Part of N1."""


def main() -> None:
    """Runs it and prints JSON, or Markdown with ``--markdown``."""
    options = report.options(QUESTION)
    few, many = (300, 700) if options.smoke else (1_000, 3_000)
    report.show(options, measure(rig.binaries(), few, many, smoke=options.smoke))


def measure(programs: rig.Binaries, few: int, many: int, *, smoke: bool = False) -> dict[str, Any]:
    """All cases; in a smoke the plain one only."""
    cases: dict[str, Any] = {}
    skipped = [tool for tool in ("valgrind", "strace") if shutil.which(tool) is None]
    with rig.folder() as folder, rig.mock(programs, folder, core=None) as provider:
        for name, case in list(CASES.items())[: 1 if smoke else None]:
            found: dict[str, Any] = {"what": case.what}
            if "valgrind" not in skipped:
                found |= instructions(programs, provider, case, few, many, folder)
                found |= allocations(programs, provider, case, few, many, folder)
            if "strace" not in skipped:
                found["syscalls"] = {
                    connections: syscalls(programs, provider, case, connections, many, folder)
                    for connections in ((1,) if smoke else (1, 8))
                }
            cases[name] = found
    return {"question": QUESTION, "requests": [few, many], "skipped": skipped, "cases": cases}


@contextmanager
def gateway(
    programs: rig.Binaries, provider: rig.Running, folder: Path, before: tuple[str, ...] = ()
) -> Iterator[rig.Running]:
    """The plane without Python, perhaps under a tool."""
    snapshot = folder / "snapshot.json"
    snapshot.write_bytes(encoded(provider.address, folder))
    log, state = folder / "gateway.log", folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    command: list[str | Path] = [*before, programs.gateway, "--snapshot", snapshot, "--state", state]
    with rig.process(command, log=log, stdin=True) as running:
        yield rig.Running("gateway", rig.announced(running, log), running.pid, own_models=True, folder=state)


def encoded(mock_address: str, folder: Path) -> bytes:
    """The snapshot of :func:`rig.config`, on a free port."""
    from turnout.reload import Origin, compile_origin

    file = folder / "turnout.yaml"
    file.write_text(rig.config(mock_address, threads=1))
    return compile_origin(Origin(config=file, listen=("127.0.0.1:0",)), {}, state_dir=folder).encoded


# Instructions ---------------------------------------------------------------------------------------------------------


def instructions(
    programs: rig.Binaries, provider: rig.Running, case: rig.Case, few: int, many: int, folder: Path
) -> dict[str, Any]:
    """Per request: those of the data-plane thread, of the process, and the functions they are in."""
    runs = [callgrind(programs, provider, case, requests, folder) for requests in (few, many)]
    (few_profile, few_process), (many_profile, many_process) = runs
    per = 1 / (many - few)

    def difference(before: Counter[str], after: Counter[str]) -> Counter[str]:
        return Counter({name: (cost - before[name]) * per for name, cost in after.items()})

    own = difference(few_profile.own, many_profile.own)
    return {
        "instructions": round(sum(own.values())),
        "instructions_process": round((many_process - few_process) * per),
        "functions_self": top(own),
        "functions_inclusive": top(difference(few_profile.inclusive, many_profile.inclusive)),
        "lines": top(difference(few_profile.lines, many_profile.lines)),
    }


def top(costs: Counter[str], count: int = 60) -> list[list[Any]]:
    """The largest, as pairs of a name and instructions per request."""
    return [[name, round(cost, 1)] for name, cost in costs.most_common(count) if cost >= 1]


def callgrind(
    programs: rig.Binaries, provider: rig.Running, case: rig.Case, requests: int, folder: Path
) -> tuple[Profile, int]:
    """One run under callgrind: the data-plane thread's profile, and the instructions of the whole process."""
    for old in folder.glob("callgrind.out*"):
        old.unlink()
    tool = (
        "valgrind",
        "--tool=callgrind",
        "--separate-threads=yes",
        f"--callgrind-out-file={folder}/callgrind.out",
        "--quiet",
    )
    with gateway(programs, provider, folder, tool) as target:
        rig.load(programs, target, case, connections=1, requests=requests, core=None)
    profiles = [read_profile(file) for file in folder.glob("callgrind.out-*")]
    # Threads have no names in a profile: the data-plane thread is the one that serves connections.
    serving = [profile for profile in profiles if any("turnout_plane::edge::h1::serve" in name for name in profile.own)]
    if len(serving) != 1:
        raise rig.BenchError(f"expected one thread of the profile to serve requests, not {len(serving)}")
    return serving[0], sum(sum(profile.own.values()) for profile in profiles)


@dataclass
class Profile:
    """Instructions of one thread."""

    own: Counter[str] = field(default_factory=Counter)
    """By function, without what it calls."""
    inclusive: Counter[str] = field(default_factory=Counter)
    """By function, with what it calls; recursion counts double."""
    lines: Counter[str] = field(default_factory=Counter)
    """By line of source, which tells what was inlined into a function."""


def read_profile(file: Path) -> Profile:
    """Reads a file of callgrind's format.

    A cost line is ``line cost``, where the line is a number, ``+n`` or ``-n`` from the last one, or ``*`` for the
    same; after ``calls=`` it holds the inclusive cost of that call. ``fl=``, ``fi=`` and ``fe=`` change the file.
    Names are given once, as ``(number) name``, and by number later.
    """
    names: dict[str, str] = {}
    profile = Profile()
    current, place, number, after_calls = "", "", 0, False
    for line in file.read_text(errors="replace").splitlines():
        kind, equals, value = line.partition("=")
        if line[:1] in "+-*0123456789" and line:
            parts = line.split()
            position = parts[0]
            number = number if position == "*" else number + int(position) if position[0] in "+-" else int(position)
            if len(parts) < 2:
                continue
            cost = int(parts[1])
            profile.inclusive[current] += cost
            if not after_calls:
                profile.own[current] += cost
                profile.lines[f"{place}:{number}"] += cost
            after_calls = False
        elif equals and kind in ("fn", "cfn", "fl", "fi", "fe", "cfi", "cfl"):
            key, _, name = value.partition(" ")
            key = f"{'function' if kind in ('fn', 'cfn') else 'file'} {key}"
            if name:
                names[key] = short(name) if kind in ("fn", "cfn") else "/".join(Path(name).parts[-4:])
            if kind == "fn":
                current = names.get(key, key)
            elif kind in ("fl", "fi", "fe"):
                place = names.get(key, key)
        elif kind == "calls":
            after_calls = True
    return profile


_HASH = re.compile(r"::h[0-9a-f]{16}")
_ARGUMENTS = re.compile(r"(?<=\w)<.*>(?=[ :(]|$)")


def short(name: str) -> str:
    """A symbol without its hash and without long type arguments."""
    name = _HASH.sub("", name)
    return name if len(name) < 160 else _ARGUMENTS.sub("<…>", name)


# Allocations ----------------------------------------------------------------------------------------------------------


def allocations(
    programs: rig.Binaries, provider: rig.Running, case: rig.Case, few: int, many: int, folder: Path
) -> dict[str, Any]:
    """Blocks and bytes asked of the heap per request, and where."""
    runs = [dhat(programs, provider, case, requests, folder) for requests in (few, many)]
    per = 1 / (many - few)
    blocks = {key: (runs[1][key] - runs[0][key]) * per for key in ("blocks", "bytes", "process_blocks")}
    sites = Counter({site: (count - runs[0]["sites"][site]) * per for site, count in runs[1]["sites"].items()})
    return {
        "allocations": round(blocks["blocks"], 2),
        "allocated_bytes": round(blocks["bytes"]),
        "allocations_process": round(blocks["process_blocks"], 2),
        "allocation_sites": [[site, round(count, 2)] for site, count in sites.most_common(40) if count >= 0.02],
    }


def dhat(programs: rig.Binaries, provider: rig.Running, case: rig.Case, requests: int, folder: Path) -> dict[str, Any]:
    """One run under dhat."""
    file = folder / "dhat.json"
    tool = ("valgrind", "--tool=dhat", f"--dhat-out-file={file}", "--num-callers=80", "--quiet")
    with gateway(programs, provider, folder, tool) as target:
        rig.load(programs, target, case, connections=1, requests=requests, core=None)
    profile = json.loads(file.read_text())
    frames = [frame.partition(": ")[2] for frame in profile["ftbl"]]
    found: dict[str, Any] = {"blocks": 0, "bytes": 0, "process_blocks": 0, "sites": Counter()}
    for point in profile["pps"]:
        stack = [frames[number] for number in point["fs"]]
        found["process_blocks"] += point["tbk"]
        # Frames of inlined functions are there, too: whatever the data-plane thread does has one of this file.
        if not any("turnout_plane::thread::" in frame for frame in stack):
            continue
        found["blocks"] += point["tbk"]
        found["bytes"] += point["tb"]
        found["sites"][site(stack)] += point["tbk"]
    return found


def site(stack: list[str]) -> str:
    """The two innermost frames of our own files: where an allocation is written, and from where it came there."""
    # Files of libraries come with their folder, ours without.
    ours = [frame for frame in map(short, stack) if "turnout_" in frame and "/" not in frame.rpartition("(")[2]]
    return " < ".join(ours[:2]) or " < ".join(stack[1:3])


# System calls ---------------------------------------------------------------------------------------------------------


def syscalls(
    programs: rig.Binaries, provider: rig.Running, case: rig.Case, connections: int, requests: int, folder: Path
) -> dict[str, float]:
    """Per request, by name and in all."""
    file = folder / "strace.out"
    with gateway(programs, provider, folder) as target:
        rig.load(programs, target, case, connections=connections, requests=WARM_UP, core=None)
        thread = next(number for (number, name) in rig.threads_ns(target.pid) if name == "dp-0")
        strace = subprocess.Popen(
            ["strace", "-c", "-U", "calls,name", "-o", str(file), "-p", str(thread)], stderr=subprocess.PIPE
        )
        assert strace.stderr is not None
        # It says when it has attached.
        if b"attached" not in strace.stderr.readline():
            strace.kill()
            raise rig.BenchError("strace could not attach; it needs ptrace to be allowed")
        rig.load(programs, target, case, connections=connections, requests=requests, core=None)
        strace.send_signal(signal.SIGINT)
        strace.wait(30)
    calls: dict[str, float] = {}
    for line in file.read_text().splitlines():
        parts = line.split()
        if len(parts) == 2 and parts[0].isdigit() and parts[1] != "total":
            calls[parts[1]] = round(int(parts[0]) / requests, 3)
    return {"all": round(sum(calls.values()), 2), **dict(sorted(calls.items(), key=lambda pair: -pair[1]))}


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"took {time.monotonic() - began:.0f} s", file=sys.stderr)
