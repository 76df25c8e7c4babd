"""The state directory: the ledger, the journal, the hashes of the keys made at the first start, the control socket.

One gateway per directory. The process that owns it holds a lock on the file ``lock`` for as long as it lives, in which
its process id stands for whoever comes second.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Mapping


class StateError(TurnoutError):
    """The state directory cannot be used, or another gateway uses it."""


@dataclass(frozen=True)
class Lock:
    """A held lock: closing the descriptor, or the end of every process that has it, gives it back."""

    descriptor: int

    def release(self) -> None:
        """Gives the directory back."""
        os.close(self.descriptor)


def write_private(file: Path, content: bytes) -> None:
    """Replaces a file whole, so that a reader never sees half of it, with a mode that lets only its owner in."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def default_directory(environment: Mapping[str, str]) -> Path:
    """Where state is kept when nobody says so: ``$XDG_STATE_HOME/turnout``, else ``~/.local/state/turnout``."""
    # The XDG specification says that a relative path there is invalid and must be ignored.
    base = Path(environment.get("XDG_STATE_HOME") or "")
    if not base.is_absolute():
        home = environment.get("HOME")
        base = (Path(home) if home else Path.home()) / ".local" / "state"
    return base / "turnout"


def prepare(directory: Path) -> Path:
    """Makes the directory, for its owner only, and returns its absolute path. Raises :class:`StateError`."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateError(
            "the state directory cannot be made, choose another with --state or server.state_dir"
            f" ({error.strerror}): {directory}"
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StateError(
            "the state directory is not writable for this user,"
            f" change its owner or choose another with --state or server.state_dir: {directory}"
        )
    return directory.absolute()


def lock(directory: Path, *, shared: bool = False) -> Lock:
    """Takes the directory. ``shared`` lets others that also say ``shared`` in: the workers of one granian.

    Raises :class:`StateError`, which names the other process, when it is taken.
    """
    path = directory / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StateError(
            f"another gateway (process {owner}) uses this state directory;"
            f" stop it, or give this one its own with --state: {directory}"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return Lock(descriptor)
