"""``turnout mock``: the scripted model provider alone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from rich.console import Console

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from turnout.gateway import Native


def mock(*, listen: str, threads: int, record: bool, module: Native | None = None) -> int:
    """Runs it until SIGINT or SIGTERM; returns the exit code. The first line of standard output names the address."""
    from turnout.lifespan import native

    errors = Console(stderr=True)
    wanted = {signal.SIGINT, signal.SIGTERM}
    # Blocked before the provider's threads start, which inherit it: a signal then waits for ``sigwait``.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    try:
        provider = (module or native()).Mock(listen, threads=threads, record=record)
    except (OSError, ValueError, TurnoutError) as error:
        errors.print(
            f"the scripted provider cannot listen on {listen}: {error}", style="red", markup=False, soft_wrap=True
        )
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return 1
    # ``print`` with a flush: whoever started this waits for the line, often through a pipe.
    print(f"listening on {provider.address}", flush=True)
    signal.sigwait(wanted)
    provider.stop()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0
