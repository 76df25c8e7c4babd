"""Builds the Rust programs that the bench needs: the plane alone, the scripted provider, the load generator.

They are built with the release profile and line tables, so that a profile names lines; that changes no instruction. A
smoke takes the profile of the tests, whose dependencies are built already.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import rig

ROOT = Path(__file__).parents[1]


def build(*, smoke: bool) -> Path:
    """Builds them; the folder with the programs, for ``TURNOUT_BENCH_BINARIES``."""
    environment = dict(os.environ)
    if not smoke:
        environment |= {"CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only", "CARGO_PROFILE_RELEASE_STRIP": "none"}
    command = ["cargo", "build", "--quiet", "--locked", *([] if smoke else ["--release"])]
    for package, programs in (
        ("turnout-plane", ["--example", "gateway"]),
        ("turnout-mock", ["--bin", "turnout-mock", "--example", "turnout-load"]),
    ):
        # Two calls: cargo would look for each program in each of the packages.
        done = subprocess.run([*command, "-p", package, *programs], cwd=ROOT, env=environment, check=False)
        if done.returncode != 0:
            raise rig.BenchError(f"cargo could not build the programs of {package}; its own words are above")
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True
    )
    return Path(json.loads(metadata.stdout)["target_directory"]) / ("debug" if smoke else "release")
