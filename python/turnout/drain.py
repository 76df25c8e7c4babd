"""Stops the plane as soon as the process is told to stop, not when granian gets round to it.

Granian ends its own connections first and waits for them without a limit, and only then runs the lifespan's shutdown.
Such a connection can be the tunnel of a WebSocket that a client holds through the plane: each would wait for the other.
So the plane is stopped at the signal, by a thread that waits for it; the plane ends the tunnels when its time is up,
and granian then finds nothing left to wait for.

Granian has set its handler through the event loop when the lifespan starts. A loop is woken by a byte that the C part
of every Python handler writes (``signal.set_wakeup_fd``), so a handler that is set with :func:`signal.signal` on top
does not take the signal from the loop; and whatever handler was there before is called as well.

uvloop listens for that byte only while it runs, and granian lets it run once for the start and once for the rest. A
signal that falls between the two is heard by nobody but the handler here, so it is sent again until the shutdown
begins.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("turnout.drain")

SIGNALS = (signal.SIGTERM, signal.SIGINT)

AGAIN_S = 0.5
"""Pause before a signal is sent again that has not led to a shutdown. Granian takes one more for the same."""


class Draining(Protocol):
    """What is needed of the plane."""

    def begin_drain(self) -> None:
        """See ``turnout._native.Plane``."""

    def stop(self) -> bool:
        """See ``turnout._native.Plane``."""


class Drain:
    """The waiting thread and the handlers."""

    def __init__(self, plane: Draining) -> None:
        self._plane = plane
        # ``SimpleQueue.put`` may be called in a handler whatever the interrupted code holds; an event's lock may not.
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._before: dict[signal.Signals, Any] = {}
        self._complete = False
        self._heard: int | None = None
        """The signal that came last."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="turnout-drain", daemon=True)
        self._thread.start()

    def install(self) -> None:
        """Adds the handlers. Only where someone handles the signals already, and only on the main thread; else the
        lifespan's shutdown alone stops the plane."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            before = signal.getsignal(number)
            if not callable(before):
                continue
            self._before[number] = before
            signal.signal(number, self._handler(before))
            # As the loop had it: interrupted system calls are restarted.
            signal.siginterrupt(number, False)

    def stop(self) -> bool:
        """Stops the plane, or waits until the signal's stop is done; true when everything in flight could finish."""
        self._ending.set()
        self._asked.put(None)
        self._thread.join()
        return self._complete

    def uninstall(self) -> None:
        """Puts back the handlers that were there before, on the main thread as well."""
        for number, before in self._before.items():
            signal.signal(number, before)
            signal.siginterrupt(number, False)
        self._before.clear()

    def _handler(self, before: Callable[[int, Any], Any]) -> Callable[[int, Any], None]:
        def handle(number: int, frame: Any) -> None:
            self._heard = number
            self._asked.put(None)
            before(number, frame)

        return handle

    def _run(self) -> None:
        self._asked.get()
        log.info("process %d drains: no longer ready, requests in flight may finish", os.getpid())
        self._plane.begin_drain()
        self._complete = self._plane.stop()
        if not self._complete:
            log.warning(
                "not everything in flight could finish within server.drain.max; the rest was ended with an error"
            )
        while self._heard is not None and not self._ending.wait(AGAIN_S):
            os.kill(os.getpid(), self._heard)
