"""Provider keys that were handed in through the API ("bring your own key").

They stand in the ledger's database because they have to outlive the process, and because every replica reads the same
one. The key itself is encrypted (:mod:`turnout.vault`) before it comes here, and nothing else here is a secret.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text, delete, func, insert, select, update

from turnout.errors import TurnoutError
from turnout.ledger import revision
from turnout.ledger.store import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import RowMapping

    from turnout.ledger.store import Ledger

KEYS_MAX: Final = 1_000
"""Stored keys; each is a part of every snapshot. Above it none is taken."""

TEXT_CHARACTERS_MAX: Final = 16 * 1024
"""Longest key; the largest known one is a service account of 3 KB."""
NAME_CHARACTERS_MAX: Final = 255
RULES_MAX: Final = 100
"""Models, users or client keys that one key may name."""
RULE_CHARACTERS_MAX: Final = 256

keys = Table(
    "byok_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("name", Text),
    Column("label", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("is_fallback", Boolean, nullable=False),
    Column("is_required", Boolean, nullable=False),
    Column("is_byok_only", Boolean, nullable=False),
    Column("sort_order", Integer, nullable=False),
    # NULL: nothing was declared.
    Column("declared_zdr", Boolean),
    # JSON text of a list, or NULL for everything.
    Column("allowed_models", Text),
    Column("allowed_user_ids", Text),
    Column("allowed_api_key_hashes", Text),
    Column("created_ms", BigInteger, nullable=False),
)

_LISTS: Final = ("allowed_models", "allowed_user_ids", "allowed_api_key_hashes")


class TooManyKeys(TurnoutError):
    """There are as many keys as there may be."""


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """A key of somebody's own, as the database has it."""

    id: str
    provider: str
    name: str | None
    label: str
    """The key, masked."""
    sealed: str = field(repr=False)
    """The key, encrypted for ``id``."""
    version: int
    """Grows with each other key in its place."""
    disabled: bool
    is_fallback: bool
    is_required: bool
    is_byok_only: bool
    sort_order: int
    declared_zdr: bool | None
    allowed_models: list[str] | None
    allowed_user_ids: list[str] | None
    allowed_api_key_hashes: list[str] | None
    created_ms: int


def fresh(provider: str, *, beside: Sequence[StoredKey], now_ms: int) -> StoredKey:
    """A key that is handed in now: for everybody, tried after those of its provider that are there, and still empty."""
    return StoredKey(
        id=str(uuid.uuid4()),
        provider=provider,
        name=None,
        label="",
        sealed="",
        version=0,
        disabled=False,
        is_fallback=False,
        is_required=False,
        is_byok_only=False,
        sort_order=max((key.sort_order for key in beside if key.provider == provider), default=-1) + 1,
        declared_zdr=None,
        allowed_models=None,
        allowed_user_ids=None,
        allowed_api_key_hashes=None,
        created_ms=now_ms,
    )


def add(ledger: Ledger, key: StoredKey) -> None:
    """Keeps a key. Raises :class:`TooManyKeys`."""
    with ledger.engine.begin() as connection:
        if connection.execute(select(func.count()).select_from(keys)).scalar_one() >= KEYS_MAX:
            raise TooManyKeys(f"there are {KEYS_MAX} keys, as many as there may be; delete one")
        connection.execute(insert(keys).values(**_values(key)))
        revision.renew(connection)


def change(ledger: Ledger, key: StoredKey) -> bool:
    """Replaces the key that has this id; false: there is none."""
    with ledger.engine.begin() as connection:
        found = connection.execute(update(keys).where(keys.c.id == key.id).values(**_values(key))).rowcount > 0
        if found:
            revision.renew(connection)
        return found


def remove(ledger: Ledger, key_id: str) -> bool:
    """Deletes a key; false: there was none."""
    with ledger.engine.begin() as connection:
        found = connection.execute(delete(keys).where(keys.c.id == key_id)).rowcount > 0
        if found:
            revision.renew(connection)
        return found


def one(ledger: Ledger, key_id: str) -> StoredKey | None:
    """The key with this id."""
    with ledger.engine.connect() as connection:
        row = connection.execute(select(keys).where(keys.c.id == key_id)).mappings().one_or_none()
    return None if row is None else _stored(row)


def every(ledger: Ledger) -> list[StoredKey]:
    """All of them, by provider and in the order in which they are tried."""
    statement = select(keys).order_by(*_ORDER).limit(KEYS_MAX)
    with ledger.engine.connect() as connection:
        return [_stored(row) for row in connection.execute(statement).mappings()]


def page(ledger: Ledger, *, offset: int, limit: int, provider: str | None) -> tuple[list[StoredKey], int]:
    """A part of the same list, of one provider if it is named, and how many there are in all."""
    chosen = () if provider is None else (keys.c.provider == provider,)
    statement = select(keys).where(*chosen).order_by(*_ORDER).offset(offset).limit(limit)
    with ledger.engine.connect() as connection:
        total = connection.execute(select(func.count()).select_from(keys).where(*chosen)).scalar_one()
        return [_stored(row) for row in connection.execute(statement).mappings()], int(total)


def seal_again(ledger: Ledger, sealed: Mapping[str, tuple[str, str]]) -> None:
    """Replaces the first text by the second in each key, by id; all of them or none.

    A key that holds another text by now was changed meanwhile, and stays. The revision stays too: the keys are what
    they were, and a gateway that does not know the new encryption yet goes on with what it has.
    """
    with ledger.engine.begin() as connection:
        for key_id, (before, after) in sealed.items():
            chosen = (keys.c.id == key_id) & (keys.c.sealed == before)
            connection.execute(update(keys).where(chosen).values(sealed=after))


def order(key: StoredKey) -> tuple[str, int, int, str]:
    """What keys are sorted by, here as in the database."""
    return key.provider, key.sort_order, key.created_ms, key.id


_ORDER: Final = (keys.c.provider, keys.c.sort_order, keys.c.created_ms, keys.c.id)


def _values(key: StoredKey) -> dict[str, Any]:
    values = asdict(key)
    for name in _LISTS:
        if values[name] is not None:
            values[name] = msgspec.json.encode(values[name]).decode()
    return values


def _stored(row: RowMapping) -> StoredKey:
    values = dict(row)
    for name in _LISTS:
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name], type=list[str])
    return StoredKey(**values)
