"""Where the plane reaches the control API: the Unix socket on which granian serves it.

Under ``turnout serve``, or with ``granian --uds``, granian listens on a Unix socket, and the plane sends it what is not
hot. A granian on TCP has none, so this starts a second, embedded one for the plane to reach. It shares the event loop,
and costs nothing while nobody asks for a control path.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BACKLOG = 1024
"""Connections that may wait on granian's socket; what granian itself sets."""

STOP_S = 5.0
"""How long the end waits for requests on the socket."""

_LEVEL_ONLY: dict[str, Any] = {"version": 1, "incremental": True, "handlers": {}, "loggers": {}}
"""A logging configuration that leaves everything as the outer granian has set it up, but for the level."""


def socket_path(state_dir: Path) -> Path:
    """Its own for each process: granian may run several workers, or an old and a new one."""
    return state_dir / f"control-{os.getpid()}.sock"


@asynccontextmanager
async def serving(app: Any, path: Path) -> AsyncIterator[None]:
    """Serves the application on the socket."""
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - pathlib would do the same
    logger = logging.getLogger("_granian")
    level = logger.level
    server: Any = Server(
        app,
        uds=path,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        backpressure=1024,
        runtime_blocking_threads=8,
        # Its start would look in the log like a second start of the outer one.
        log_level=LogLevels.error,
        log_dictconfig=_LEVEL_ONLY,
    )
    # An option of every server of granian that this one's constructor does not pass on.
    server.uds_permissions = 0o600
    task = asyncio.create_task(server.serve())
    try:
        # The task makes the socket in its first step.
        await asyncio.sleep(0)
        logger.setLevel(level)
        if task.done():
            await task
        granian_socket(server.bind_uds)
        yield
    finally:
        logger.setLevel(logging.ERROR)
        server.stop()
        await asyncio.wait([task], timeout=STOP_S)
        task.cancel()
        logger.setLevel(level)


def granian_socket(expected: Path | None = None) -> str | None:
    """Path of the Unix socket on which granian serves in this process; ``None`` when it has none (of this path).

    Granian makes the socket in its parent and says nowhere in the worker which it is, but the list of open descriptors
    shows it: the one Unix socket that has a name and no peer. It is made to listen here, because granian does that only
    after the lifespan has started, and a request of the plane's first milliseconds should wait rather than be refused.
    """
    for entry in Path("/dev/fd").iterdir():
        try:
            descriptor = int(entry.name)
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            found = socket.socket(fileno=os.dup(descriptor))
        except (OSError, ValueError):
            # The descriptor of this very listing is gone by now.
            continue
        with found:
            if found.family != socket.AF_UNIX or found.type != socket.SOCK_STREAM:
                continue
            name = found.getsockname()
            if expected is not None and name != str(expected):
                continue
            if isinstance(name, str) and name and not _has_peer(found):
                found.listen(BACKLOG)
                return name
    return None


def _has_peer(connection: socket.socket) -> bool:
    try:
        connection.getpeername()
    except OSError:
        return False
    return True
