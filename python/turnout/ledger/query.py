"""Reads the ledger: one generation, what a key has used, and how models did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import case, func, select

from turnout.ledger.record import Attempt, Generation
from turnout.ledger.store import generations, spent_before

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
    is_byok: bool = False
    hedged: bool = False
    cost_nano: int = 0


_attempts = msgspec.json.Decoder(list[_AttemptFields])


@dataclass(frozen=True)
class Usage:
    """What a key was charged, in nano-dollars. Days begin at 00:00 UTC, weeks on Monday, months on the first."""

    total: int
    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True)
class Record:
    """How a model did since some moment, over all keys and providers."""

    tokens: int
    """Read and written."""
    ttft_us: int | None
    """Mean time to the first token of streams; ``None``: there was none."""
    tokens_per_s: float | None
    """Of streams, from their first token on; ``None``: nothing was measured."""


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


def starts(now: datetime) -> tuple[int, int, int]:
    """When the running day, week and month began, Unix milliseconds."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    week, month = day - timedelta(days=day.weekday()), day.replace(day=1)
    return _milliseconds(day), _milliseconds(week), _milliseconds(month)


def usage(ledger: Ledger, *, key_sha256: str | None, now: datetime) -> Usage:
    """The cost of all generations of a key, in total and since the running day, week and month began.

    ``None``: of all keys. Rows that were deleted for their age count in the total.
    """
    cost, created = generations.c.cost_nano, generations.c.created_ms
    since = [func.sum(case((created >= start, cost), else_=0)) for start in starts(now)]
    statement = select(func.sum(cost), *since)
    deleted = select(func.sum(spent_before.c.cost_nano))
    if key_sha256 is not None:
        statement = statement.where(generations.c.key_sha256 == key_sha256)
        deleted = deleted.where(spent_before.c.key_sha256 == key_sha256)
    with ledger.engine.connect() as connection:
        # A key without generations has no sum.
        sums = [int(value or 0) for value in connection.execute(statement).one()]
        before = int(connection.execute(deleted).scalar_one() or 0)
    return Usage(total=sums[0] + before, daily=sums[1], weekly=sums[2], monthly=sums[3])


def records(ledger: Ledger, *, since: datetime) -> dict[str, Record]:
    """How each model that was used did since a moment, by slug."""
    columns = generations.c
    streams = (columns.ttft_us > 0) & (columns.error_type.is_(None))
    writing = columns.total_us - columns.ttft_us
    statement = (
        select(
            columns.model,
            func.sum(columns.tokens_prompt + columns.tokens_completion),
            func.sum(case((streams, columns.ttft_us), else_=0)),
            func.sum(case((streams, 1), else_=0)),
            func.sum(case((streams, columns.tokens_completion), else_=0)),
            func.sum(case((streams, writing), else_=0)),
        )
        .where(columns.created_ms >= _milliseconds(since))
        .group_by(columns.model)
    )
    with ledger.engine.connect() as connection:
        rows = connection.execute(statement).all()
    found: dict[str, Record] = {}
    for model, tokens, ttft, count, written, writing_us in rows:
        found[model] = Record(
            tokens=int(tokens),
            ttft_us=int(ttft) // int(count) if count else None,
            tokens_per_s=int(written) * 1_000_000 / int(writing_us) if writing_us and int(writing_us) > 0 else None,
        )
    return found


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
