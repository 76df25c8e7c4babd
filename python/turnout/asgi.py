"""The ASGI application: the lifespan protocol here, everything else by the control API.

Starlette could run the lifespan too, but answers a failed start with a traceback. A wrong configuration is not a bug of
the program, and its message should stand alone.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.types import Receive, Scope, Send

    from turnout.gateway import Gateway
    from turnout.launch import Worker

log = logging.getLogger("turnout")


class Application:
    """``turnout.app``. Makes nothing until its lifespan starts."""

    def __init__(
        self,
        worker: Worker | None = None,
        *,
        running: Callable[[Worker | None], AbstractAsyncContextManager[Gateway]] | None = None,
    ) -> None:
        self._worker = worker
        self._running = running
        self._control: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call of the protocol."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._control is None:
            raise RuntimeError(
                "the application's lifespan has not started; the server must support the lifespan protocol"
            )
        else:
            await self._control(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except TurnoutError as error:
                await send({"type": "lifespan.startup.failed", "message": f"Turnout cannot start: {error}"})
                return
            except Exception as error:
                # Raised on, granian would take it for an application without a lifespan, and serve without a plane.
                log.exception("Turnout cannot start")
                await send({"type": "lifespan.startup.failed", "message": f"Turnout cannot start: {error}"})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._control = None
            await stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, stack: AsyncExitStack) -> None:
        # Imported here: the launcher makes an application in its worker only, and needs none of this itself.
        from turnout.control.app import control
        from turnout.lifespan import running

        gateway = await stack.enter_async_context((self._running or running)(self._worker))
        self._control = control(gateway)
