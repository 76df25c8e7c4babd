"""What a worker tells the parent: that it serves, and each configuration that it took.

A message is one datagram on a socket pair that all workers share, so that two of them, as during SIGHUP, cannot mix
theirs, and one that is killed cannot leave half of one. A configuration may be larger than a datagram: the datagram
carries the descriptor of a file without a name, in memory where the system has that, because it holds secrets.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnout.reload import Ready

log = logging.getLogger("turnout.report")


@dataclass(frozen=True)
class Started:
    """The worker serves."""

    pid: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Taken:
    """The worker runs this configuration now."""

    ready: Ready


def pair() -> tuple[socket.socket, socket.socket]:
    """The parent's end and the workers' end."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def send(end: socket.socket, message: Started | Taken) -> None:
    """Tells the parent. When it is gone there is nobody to tell, and nothing is raised."""
    descriptor = _anonymous_file()
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            pickle.dump(message, file)
        socket.send_fds(end, [b"\0"], [descriptor])
    except OSError as error:
        log.debug("the parent could not be told: %s", error)
    finally:
        os.close(descriptor)


def receive(end: socket.socket) -> Started | Taken | None:
    """Waits for the next message; ``None`` when this end was closed."""
    _, descriptors, _, _ = socket.recv_fds(end, 1, 1)
    if not descriptors:
        return None
    with os.fdopen(descriptors[0], "rb") as file:
        file.seek(0)
        message = pickle.load(file)  # the other end is a process that this one started
    return message if isinstance(message, Started | Taken) else None


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("turnout-report", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
