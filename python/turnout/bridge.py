"""The control API on a Unix socket inside this process, for a granian that itself listens on TCP.

Under ``turnout serve``, or with ``granian --uds``, granian listens on a Unix socket, and the plane sends it what is not
hot. A granian on TCP has none, so this starts a second, embedded one for the plane to reach. It shares the event loop,
and costs nothing while nobody asks for a control path.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

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
        yield
    finally:
        logger.setLevel(logging.ERROR)
        server.stop()
        await asyncio.wait([task], timeout=STOP_S)
        task.cancel()
        logger.setLevel(level)
