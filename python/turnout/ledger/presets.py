"""Presets that were made through the API, each with all of its versions.

They stand in the ledger's database because they have to outlive the process, and because every replica reads the same
one. A version is never changed: a change is a new version, and the newest one counts.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from sqlalchemy import BigInteger, Column, Integer, Table, Text, delete, func, insert, select, update

from turnout.errors import TurnoutError
from turnout.ledger import revision
from turnout.ledger.store import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, RowMapping

    from turnout.ledger.store import Ledger

PRESETS_MAX: Final = 1_000
"""Stored presets; each is a part of every snapshot. Above it none is made."""
VERSIONS_MAX: Final = 1_000
"""Versions of one preset; of more the oldest go."""

Status = Literal["active", "disabled", "archived"]
STATUSES: Final = ("active", "disabled", "archived")

presets = Table(
    "presets",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_ms", BigInteger, nullable=False),
    Column("creator", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
)

versions = Table(
    "preset_versions",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("system_prompt", Text),
    # JSON text of an object in the words of chat.
    Column("config", Text, nullable=False),
    Column("creator", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)


class NotTheMaker(TurnoutError):
    """Another key made the preset."""


class TooManyPresets(TurnoutError):
    """There are as many presets as there may be."""


@dataclass(frozen=True)
class Version:
    """A preset as it was at one time."""

    id: str
    slug: str
    version: int
    system_prompt: str | None
    config: dict[str, Any]
    creator: str
    created_ms: int


@dataclass(frozen=True)
class Preset:
    """A preset with its newest version."""

    id: str
    slug: str
    name: str
    description: str
    status: Status
    status_ms: int
    creator: str
    created_ms: int
    updated_ms: int
    designated: Version


def save(
    ledger: Ledger,
    slug: str,
    config: Mapping[str, Any],
    *,
    system_prompt: str | None,
    creator: str,
    now_ms: int,
    any_maker: bool = False,
) -> Preset:
    """Makes a preset, or its next version, and returns it as it is now.

    ``any_maker``: also when another made it. Raises :class:`TooManyPresets` and :class:`NotTheMaker`.
    """
    with ledger.engine.begin() as connection:
        # Locks the row where the database has locks of rows; SQLite has one writer anyway.
        row = connection.execute(
            select(presets.c.version, presets.c.creator).where(presets.c.slug == slug).with_for_update()
        ).one_or_none()
        if row is not None and row.creator != creator and not any_maker:
            raise NotTheMaker(slug)
        number = 1 if row is None else int(row.version) + 1
        if row is None:
            if connection.execute(select(func.count()).select_from(presets)).scalar_one() >= PRESETS_MAX:
                raise TooManyPresets(f"there are {PRESETS_MAX} presets, as many as there may be; delete one")
            connection.execute(
                insert(presets).values(
                    slug=slug,
                    id=str(uuid.uuid4()),
                    name=slug,
                    description="",
                    status="active",
                    status_ms=now_ms,
                    creator=creator,
                    created_ms=now_ms,
                    updated_ms=now_ms,
                    version=number,
                )
            )
        else:
            connection.execute(update(presets).where(presets.c.slug == slug).values(version=number, updated_ms=now_ms))
        connection.execute(
            insert(versions).values(
                slug=slug,
                version=number,
                id=str(uuid.uuid4()),
                system_prompt=system_prompt,
                config=msgspec.json.encode(config).decode(),
                creator=creator,
                created_ms=now_ms,
            )
        )
        connection.execute(delete(versions).where(versions.c.slug == slug, versions.c.version <= number - VERSIONS_MAX))
        revision.renew(connection)
        found = _one(connection, slug)
    assert found is not None, "it was just written"
    return found


def change(
    ledger: Ledger,
    slug: str,
    *,
    now_ms: int,
    name: str | None = None,
    description: str | None = None,
    status: Status | None = None,
) -> Preset | None:
    """Changes what is said about a preset; ``None``: there is none."""
    values: dict[str, Any] = {"updated_ms": now_ms}
    values |= {key: value for key, value in (("name", name), ("description", description)) if value is not None}
    if status is not None:
        values |= {"status": status, "status_ms": now_ms}
    with ledger.engine.begin() as connection:
        if connection.execute(update(presets).where(presets.c.slug == slug).values(**values)).rowcount > 0:
            revision.renew(connection)
        return _one(connection, slug)


def remove(ledger: Ledger, slug: str) -> bool:
    """Deletes a preset with all its versions; false: there was none."""
    with ledger.engine.begin() as connection:
        connection.execute(delete(versions).where(versions.c.slug == slug))
        found = connection.execute(delete(presets).where(presets.c.slug == slug)).rowcount > 0
        if found:
            revision.renew(connection)
        return found


def one(ledger: Ledger, slug: str) -> Preset | None:
    """The preset with this name."""
    with ledger.engine.connect() as connection:
        return _one(connection, slug)


def every(ledger: Ledger) -> list[Preset]:
    """All of them, by name."""
    statement = _joined().order_by(presets.c.slug).limit(PRESETS_MAX)
    with ledger.engine.connect() as connection:
        return [_preset(row) for row in connection.execute(statement).mappings()]


def history(ledger: Ledger, slug: str) -> list[Version]:
    """All versions of a preset, the newest first."""
    statement = select(versions).where(versions.c.slug == slug).order_by(versions.c.version.desc())
    with ledger.engine.connect() as connection:
        return [_version(row) for row in connection.execute(statement.limit(VERSIONS_MAX)).mappings()]


def version(ledger: Ledger, slug: str, number: int) -> Version | None:
    """One version of a preset."""
    statement = select(versions).where(versions.c.slug == slug, versions.c.version == number)
    with ledger.engine.connect() as connection:
        row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _version(row)


def _joined() -> Any:
    newest = (versions.c.slug == presets.c.slug) & (versions.c.version == presets.c.version)
    columns = [column.label(f"version_{column.name}") for column in versions.c]
    return select(*presets.c, *columns).join_from(presets, versions, newest)


def _one(connection: Connection, slug: str) -> Preset | None:
    row = connection.execute(_joined().where(presets.c.slug == slug)).mappings().one_or_none()
    return None if row is None else _preset(row)


def _preset(row: RowMapping) -> Preset:
    return Preset(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        status=row["status"],
        status_ms=row["status_ms"],
        creator=row["creator"],
        created_ms=row["created_ms"],
        updated_ms=row["updated_ms"],
        designated=_version({column.name: row[f"version_{column.name}"] for column in versions.c}),
    )


def _version(row: Mapping[Any, Any]) -> Version:
    return Version(
        id=row["id"],
        slug=row["slug"],
        version=row["version"],
        system_prompt=row["system_prompt"],
        config=msgspec.json.decode(row["config"], type=dict[str, Any]),
        creator=row["creator"],
        created_ms=row["created_ms"],
    )
