"""What the ledger knows of earlier processes, for the plane, which counts from there on.

Limits and credits are decided in the plane, which waits for no database. So it has to be told once what was spent
before it started: the sums of all rows, when none of its own is among them yet (:mod:`turnout.ledger.writer` sees to
that). Twin of ``Spent`` and ``Usage`` in ``rust/plane/src/limits/mod.rs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import case, func, select

from turnout.ledger import query
from turnout.ledger.store import credits, generations, spent_before

if TYPE_CHECKING:
    from datetime import datetime

    from turnout.ledger.store import Ledger


class Sums(msgspec.Struct, frozen=True):
    """Nano-dollars: in all, and since the running day, week and month began (00:00 UTC; weeks on Monday)."""

    total: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the plane is told."""

    at_ms: int
    """When the ledger was asked: the moment whose day, week and month are meant."""
    keys: dict[str, Sums]
    """By the hash of the key; empty: requests without one."""
    own: dict[str, Sums] = {}
    """What providers charged the owners of keys of the client's own, by the hash of the client's key."""
    gateway: Sums | None
    """Of all keys together; ``None``: nothing new."""
    credits: int | None
    """All that was ever added to the credits; ``None``: nothing new."""
    free_requests: int
    """Requests of free models today."""


class Usage(Sums, frozen=True):
    """What the plane tells: what was charged up to this moment."""

    own: Sums = Sums()
    """What providers charged the owners of keys of the client's own."""
    held: int = 0
    """Held back for requests that are running."""
    free_requests: int = 0
    """Requests of free models today, of the whole gateway."""


FREE = ":free"
"""The ending of the slugs of free models."""

_usage = msgspec.json.Decoder(Usage)


def decode(usage: str) -> Usage:
    """What ``Plane.usage`` returned."""
    return _usage.decode(usage)


def encode(spent: Spent) -> bytes:
    """As ``Plane.spent`` takes it."""
    return msgspec.json.encode(spent)


def read(ledger: Ledger, *, now: datetime) -> Spent:
    """The sums of all rows, those that were deleted by age included. With millions of rows it takes seconds."""
    cost, created = generations.c.cost_nano, generations.c.created_ms
    starts = query.starts(now)
    since: list[Any] = [func.sum(case((created >= start, cost), else_=0)) for start in starts]
    key = generations.c.key_sha256
    theirs = generations.c.upstream_cost_nano
    since_theirs: list[Any] = [func.sum(case((created >= start, theirs), else_=0)) for start in starts]
    by_key = select(key, func.sum(cost), *since).group_by(key)
    own_by_key = select(key, func.sum(theirs), *since_theirs).where(theirs.is_not(None)).group_by(key)
    before = select(spent_before.c.key_sha256, spent_before.c.cost_nano, spent_before.c.own_nano)
    free = select(func.count()).where(created >= starts[0], generations.c.model.like(f"%{FREE}"))
    with ledger.engine.connect() as connection:
        keys = {row[0]: Sums(*(int(value) for value in row[1:])) for row in connection.execute(by_key)}
        own = {row[0]: Sums(*(int(value) for value in row[1:])) for row in connection.execute(own_by_key)}
        for sha256, cost_before, own_before in connection.execute(before):
            _raise(keys, sha256, int(cost_before))
            _raise(own, sha256, int(own_before))
        free_requests = int(connection.execute(free).scalar_one())
        added = int(connection.execute(select(func.coalesce(func.sum(credits.c.amount_nano), 0))).scalar_one())
    return Spent(
        at_ms=int(now.timestamp() * 1000),
        keys=keys,
        own=own,
        gateway=Sums(*(sum(column) for column in zip(*map(msgspec.structs.astuple, keys.values()), strict=True))),
        credits=added,
        free_requests=free_requests,
    )


def _raise(sums: dict[str, Sums], sha256: str, nano: int) -> None:
    known = sums.get(sha256, Sums())
    if nano:
        sums[sha256] = msgspec.structs.replace(known, total=known.total + nano)
