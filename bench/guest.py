"""Starts and commands ``inside.py``, for the scripts that need a plane which can be disturbed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import rig

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@dataclass
class Guest:
    """A running ``inside.py``."""

    running: rig.Running
    process: subprocess.Popen[bytes]
    log: Path
    commands: int = 0

    def tell(self, command: str, *, timeout_s: float = 120) -> str:
        """Gives a command and waits until it is done; what it answered."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        done = f"done {self.commands}"
        self.commands += 1
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log.read_text().splitlines():
                head = line.split(" ")
                if " ".join(head[:2]) == done:
                    return " ".join(head[2:])
            time.sleep(0.005)
        raise rig.BenchError(f"no answer to {command!r}:\n{self.log.read_text()}")


@contextmanager
def guest(python: str, folder: Path, snapshot: Path, other: Path | None = None) -> Iterator[Guest]:
    """Runs it on both cores, as a gateway on a machine of its own would."""
    log, state = folder / "inside.log", folder / "inside-state"
    command: list[str | Path] = [
        python,
        Path(__file__).with_name("inside.py"),
        "--snapshot",
        snapshot,
        "--state",
        state,
    ]
    if other is not None:
        command += ["--other", other]
    with rig.process(command, log=log, stdin=True) as process:
        address = rig.announced(process, log)
        yield Guest(rig.Running("turnout", address, process.pid, own_models=True, folder=state), process, log)
