"""``turnout serve`` as a process of its own, for clients that other people wrote.

What these tests prove is about the whole product, so nothing of it is taken apart here: configuration file, granian,
plane, control API and ledger are the real ones. The upstream is a mock in this process, a judge, or a real model.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Found = TypeVar("Found")

KEY = "sk-test-client-0123456789"
"""The client key in every configuration here."""

HEAD = f"""
server:
  listen: 127.0.0.1:0
  drain: {{min: 0, max: 5s}}
keys:
  - {{name: tests, key: {KEY}}}
ledger: {{flush: 20ms}}
"""
"""What every configuration here begins with."""

DEADLINE_S = 60
"""How long to wait for something that happens at once on a machine with nothing else to do."""


@dataclass(frozen=True)
class Serving:
    """A gateway that is being served."""

    origin: str
    """``http://host:port``."""
    process: subprocess.Popen[str]

    @property
    def base_url(self) -> str:
        """Base URL for clients of the OpenAI API."""
        return f"{self.origin}/v1"

    def booked(self, generation_id: str) -> dict[str, Any]:
        """What the control API says of a generation, as soon as it is in the ledger."""

        def look() -> dict[str, Any] | None:
            answer = httpx.get(
                f"{self.origin}/api/v1/generation",
                params={"id": generation_id},
                headers={"authorization": f"Bearer {KEY}"},
                timeout=DEADLINE_S,
            )
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            data: dict[str, Any] = answer.json()["data"]
            return data

        return eventually(look, f"generation {generation_id} in the ledger")


def eventually(look: Callable[[], Found | None], what: str) -> Found:
    """Looks until something is found. ``what`` names it in the error."""
    until = time.monotonic() + DEADLINE_S
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < until, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.01)  # Between two looks at a condition, not instead of one.


def free_port() -> int:
    """A port for a program that cannot take a free one by itself. Another could be faster; then that program ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def serve(directory: Path, config: str, *options: str, **environment: str) -> Iterator[Serving]:
    """Serves this configuration from a state directory below ``directory`` until the block ends.

    ``options`` are added to the command. The process has the variables of ``environment`` and nearly none of ours: a
    provider's key in the environment of whoever runs the tests must not be used.
    """
    file = directory / "turnout.yaml"
    file.write_text(HEAD + config)
    with (directory / "serve.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "turnout", "serve", "-c", str(file), "--state", str(directory / "state"), *options],
            env={"PATH": os.environ["PATH"], "HOME": str(directory), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            # The address is printed once the worker accepts; the end of the output means that it will not.
            for line in process.stdout:
                if found := re.search(r"serving +(http://\S+)/v1", line):
                    yield Serving(found[1], process)
                    break
            else:
                log.seek(0)
                raise AssertionError(f"turnout serve ended with {process.wait()}:\n{log.read()}")
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_S)
