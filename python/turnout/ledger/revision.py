"""Which state of the presets and provider keys the database has: a text that is another one after each change.

Gateways that share a database look at it to notice what another one changed. It is written in the transaction of the
change, so whoever sees the text finds the change with it. It is drawn by lot: clocks of machines differ and two changes
fall into one tick, and a counter of a database that was restored from a backup comes by the same numbers again.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Integer, Table, Text, select, text

from turnout.ledger.store import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from turnout.ledger.store import Ledger

UNCHANGED: Final = ""
"""The revision of a database in which nothing was ever changed."""

revisions = Table(
    "shelf_revision",
    metadata,
    # The one row is number 1.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", Text, nullable=False),
)


def read(ledger: Ledger) -> str:
    """The revision now: one row. Raises what SQLAlchemy raises.

    Read before what it stands for, it may be older than that, and never newer.
    """
    with ledger.engine.connect() as connection:
        return connection.execute(select(revisions.c.revision)).scalar_one_or_none() or UNCHANGED


def renew(connection: Connection) -> None:
    """Says that something is changed in this transaction.

    To be called last in it: the row is locked from here to the end, so that transactions wait for each other in one
    order.
    """
    connection.execute(
        text(
            "INSERT INTO shelf_revision (id, revision) VALUES (1, :revision)"
            " ON CONFLICT (id) DO UPDATE SET revision = excluded.revision"
        ),
        {"revision": uuid.uuid4().hex},
    )
