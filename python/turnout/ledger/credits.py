"""The gateway's credits: what was added to them. What was used is what all requests cost."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import func, select

from turnout.ledger import spent
from turnout.ledger.store import credits

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.ledger.store import Ledger


class Told(Protocol):
    """What has to know how much there is."""

    def spent(self, json: bytes) -> None:
        """See ``turnout._native.Plane``."""


@dataclass(frozen=True)
class Addition:
    """Money that was added, or taken off."""

    id: int
    created_ms: int
    amount_nano: int
    """Negative: a correction."""
    note: str


@dataclass
class Credits:
    """Where credits are added, one at a time, so that the plane hears of the sums in their order."""

    ledger: Ledger
    plane: Told
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def add(self, amount_nano: int, note: str) -> Addition:
        """Adds and tells the plane. Raises what SQLAlchemy raises, and nothing was added then. Blocks."""
        with self._lock:
            now_ms = self.now_ms()
            values = {"created_ms": now_ms, "amount_nano": amount_nano, "note": note}
            with self.ledger.engine.begin() as connection:
                number = connection.execute(credits.insert().values(values).returning(credits.c.id)).scalar_one()
                total = int(connection.execute(select(func.sum(credits.c.amount_nano))).scalar_one())
            told = spent.Spent(at_ms=now_ms, keys={}, gateway=None, credits=total, free_requests=0)
            self.plane.spent(spent.encode(told))
            return Addition(id=int(number), created_ms=now_ms, amount_nano=amount_nano, note=note)

    def total(self) -> int:
        """All that was ever added, nano-dollars."""
        with self.ledger.engine.connect() as connection:
            statement = select(func.coalesce(func.sum(credits.c.amount_nano), 0))
            return int(connection.execute(statement).scalar_one())

    def latest(self, rows_max: int) -> list[Addition]:
        """The latest additions, newest first."""
        statement = select(credits).order_by(credits.c.id.desc()).limit(rows_max)
        with self.ledger.engine.connect() as connection:
            return [Addition(**row) for row in connection.execute(statement).mappings()]
