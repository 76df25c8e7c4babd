"""Reads the ledger: one generation, and what a key has used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import case, func, select

from turnout.ledger.record import Attempt, Generation
from turnout.ledger.store import generations

if TYPE_CHECKING:
    from turnout.ledger.store import Ledger


class _AttemptFields(msgspec.Struct, frozen=True):
    """An attempt as the column keeps it: an object, where the journal has an array."""

    provider: str
    endpoint: str
    credential: str
    status: int
    latency_us: int
    outcome: str


_attempts = msgspec.json.Decoder(list[_AttemptFields])


@dataclass(frozen=True)
class Usage:
    """What a key was charged, in nano-dollars. Days begin at 00:00 UTC, weeks on Monday, months on the first."""

    total: int
    daily: int
    weekly: int
    monthly: int


def generation(ledger: Ledger, generation_id: str, *, key_sha256: str | None) -> Generation | None:
    """The generation with this id; ``None`` when there is none, or when it belongs to another key than this one."""
    statement = select(generations).where(generations.c.id == generation_id)
    if key_sha256 is not None:
        statement = statement.where(generations.c.key_sha256 == key_sha256)
    with ledger.engine.connect() as connection:
        row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    attempts = [Attempt(**msgspec.structs.asdict(attempt)) for attempt in _attempts.decode(row["attempts"])]
    return Generation(**{**row, "attempts": attempts})


def usage(ledger: Ledger, *, key_sha256: str, now: datetime) -> Usage:
    """The cost of all generations of a key, in total and since the running day, week and month began."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = (day, day - timedelta(days=day.weekday()), day.replace(day=1))
    cost, created = generations.c.cost_nano, generations.c.created_ms
    since = [func.sum(case((created >= _milliseconds(start), cost), else_=0)) for start in starts]
    statement = select(func.sum(cost), *since).where(generations.c.key_sha256 == key_sha256)
    with ledger.engine.connect() as connection:
        # A key without generations has no sum.
        sums = [int(value or 0) for value in connection.execute(statement).one()]
    return Usage(total=sums[0], daily=sums[1], weekly=sums[2], monthly=sums[3])


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
