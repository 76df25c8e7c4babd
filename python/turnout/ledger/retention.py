"""Deletes generations older than the configured number of days.

In small steps while the journal is empty, because one large delete would lock the ledger for as long as it takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from turnout.ledger import store

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.ledger.store import Ledger

ROWS_PER_STEP = 500
"""Rows of one delete; a few milliseconds."""

PAUSE_S = 60.0
"""Pause after a step that found nothing more to delete."""

DAY_MS = 24 * 60 * 60 * 1000


@dataclass
class Retention:
    """When to look next. ``days`` is at least 1."""

    days: int
    clock: Callable[[], float] = time.monotonic
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    _next: float = field(default=0.0, init=False)

    def step(self, ledger: Ledger) -> int:
        """Deletes one step's worth when it is time; returns how many rows went."""
        now = self.clock()
        if now < self._next:
            return 0
        deleted = store.delete_older(ledger, self.now_ms() - self.days * DAY_MS, rows_max=ROWS_PER_STEP)
        if deleted < ROWS_PER_STEP:
            self._next = now + PAUSE_S
        return deleted
