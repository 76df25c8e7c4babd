"""Runs every bench, prints one table, and keeps it with the raw numbers in ``bench/results/``.

    python bench/run.py [--smoke] [--rounds N] [--seconds S] [--only NAME]...

``--smoke`` touches everything in a few seconds. It says nothing about time; it fails when a bench does not run, or when
a request makes more allocations or system calls than it may, which no load on the machine can change.

Each question is a script of its own, in this folder, that prints JSON and can be run alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import rig
import table
from build import ROOT, build

SCRIPTS: Final = ("cost", "rounds", "listener", "tail", "streams", "memory", "snapshot", "chaos")
RESULTS: Final = ROOT / "bench" / "results"


def main() -> int:
    """Runs, prints, stores; 1 when something failed."""
    parser = argparse.ArgumentParser(description="Runs every bench and prints one table.")
    parser.add_argument("--smoke", action="store_true", help="touch everything in a few seconds, measure nothing")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each comparison, default 7")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement, default 5")
    parser.add_argument("--only", action="append", choices=SCRIPTS, help="this one only; may be repeated")
    options = parser.parse_args()
    scripts = options.only or SCRIPTS
    try:
        os.environ["TURNOUT_BENCH_BINARIES"] = str(build(smoke=options.smoke))
        began = time.monotonic()
        if options.smoke:
            # Side by side: nothing is measured, so nothing can be disturbed.
            with ThreadPoolExecutor() as pool:
                found = dict(zip(scripts, pool.map(lambda name: run(name, options), scripts), strict=True))
        else:
            found = {name: run(name, options) for name in scripts}
    except rig.BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    whole: dict[str, Any] = {"setting": setting(), "took_s": round(time.monotonic() - began), "benches": found}
    for tool in sorted({tool for bench in found.values() for tool in bench.get("skipped", [])}):
        print(f"skipped what needs {tool}, which is not installed")
    if options.smoke:
        return smoke(whole)
    text = table.markdown(whole)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{whole['setting']['commit'][:8]}"
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1))
    (RESULTS / f"{name}.md").write_text(text)
    print(f"kept in bench/results/{name}.json and .md")
    return 0


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One script, by the interpreter whose Turnout is measured."""
    command = [rig.python(), str(Path(__file__).with_name(f"{name}.py"))]
    command += ["--smoke"] if options.smoke else ["--rounds", str(options.rounds), "--seconds", str(options.seconds)]
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise rig.BenchError(f"bench/{name}.py failed; its own words are above")
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def smoke(whole: dict[str, Any]) -> int:
    """Gates on what is exact; 1 when a request costs more than it may."""
    plain = whole["benches"].get("cost", {}).get("cases", {}).get("plain", {})
    found = {
        "allocations": (plain.get("allocations"), table.ALLOCATIONS_MAX),
        "system calls": (plain.get("syscalls", {}).get("1", {}).get("all"), table.SYSCALLS_MAX),
    }
    over = [f"{what}: {value}, at most {most}" for what, (value, most) in found.items() if value and value > most]
    for line in over:
        print(f"bench: a plain request makes more than it may, {line}", file=sys.stderr)
    if not over:
        measured = ", ".join(f"{value} {what}" for what, (value, _) in found.items() if value is not None)
        print(f"bench smoke: all ran in {whole['took_s']} s" + (f"; a plain request: {measured}" if measured else ""))
    return 1 if over else 0


def setting() -> dict[str, str]:
    """Machine, versions, commit, command: what a number means nothing without."""

    def said(*command: str) -> str:
        if shutil.which(command[0]) is None:
            return "not installed"
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        return (done.stdout or done.stderr).strip().splitlines()[0] if (done.stdout or done.stderr).strip() else ""

    about = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in about if "model name" in line), platform.processor())
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    changed = said("git", "status", "--porcelain", "--untracked-files=no") != ""
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{processor}, {os.cpu_count()} cores, {memory_kb / 2**20:.0f} GiB, Linux {platform.release()}",
        "load_before": f"{os.getloadavg()[0]:.1f}",
        "commit": said("git", "rev-parse", "HEAD") + (" with changes" if changed else ""),
        "command": " ".join(["python", "bench/run.py", *sys.argv[1:]]),
        "turnout": version("turnout"),
        "python": platform.python_version(),
        "granian": version("granian"),
        "rustc": said("rustc", "--version"),
        "nginx": said("nginx", "-v"),
        "valgrind": said("valgrind", "--version"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
