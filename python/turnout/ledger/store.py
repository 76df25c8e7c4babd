"""The table of booked generations, and the only code that writes to it.

The plane's journal delivers at least once: after a crash it hands the same generations over again. So a generation's
id is the primary key, and an insert that meets an id which is already there does nothing. Replaying a batch books
nothing twice.

Two kinds of database are known. SQLite is the default and needs no server. PostgreSQL is for those who run one; its
driver comes with ``pip install 'turnout[postgres]'``. The SQL is built once per ledger and handed to the driver as it
stands, because rendering a statement per batch would cost more than the rows.

A row's way is short, since it is paid for each request: the journal's bytes become tuples in the table's order
(:func:`rows`), and those go to the driver (:func:`insert_rows`). :func:`insert` is for who has generations.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from turnout.errors import TurnoutError
from turnout.ledger import record
from turnout.ledger.record import Attempt, Generation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

SQLITE_BUSY_MS = 250
"""How long SQLite waits for another writer. Short: the writer has its own patience, and shows that it waits."""

SQLITE_CHECKPOINT_PAGES = 4000
"""Pages of 4 KiB in the write-ahead log at which it is copied into the file; SQLite's own default is 1000.

Each batch changes the same pages of the indices again. The fewer checkpoints, the more of these changes are one write
to the file. The log then takes 16 MB, which is read quickly after a crash.
"""

SQLITE_WAL_BYTES = 64 * 1024 * 1024
"""The write-ahead log is cut back to this after a checkpoint, so that one burst does not keep its disk for ever."""

MIGRATION_WAIT_S = 30.0
"""How long one worker waits for another that is migrating the same SQLite file."""

MIGRATION_LOOK_S = 0.05
"""How often it looks whether the other has ended."""

MIGRATION_BUSY_S = 5.0
"""How long a SQLite file that is locked is tried again. The switch to WAL takes a moment even on a slow disk; who holds
the file for longer is no worker, and has to be told of."""

_MIGRATION_LOCK = 0x7475726E
"""Number of PostgreSQL's advisory lock around migrations: the bytes of ``turn``."""

metadata = MetaData()

generations = Table(
    "generations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("key_sha256", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("api", Text, nullable=False),
    Column("model_requested", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_slug", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("upstream_id", Text, nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("status", Integer, nullable=False),
    Column("error_type", Text),
    Column("finish_reason", Text),
    Column("native_finish_reason", Text),
    Column("tokens_prompt", BigInteger, nullable=False),
    Column("tokens_completion", BigInteger, nullable=False),
    Column("tokens_reasoning", BigInteger, nullable=False),
    Column("tokens_cached", BigInteger, nullable=False),
    Column("tokens_cache_write", BigInteger, nullable=False),
    Column("usage_source", Text, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("price_version", Text, nullable=False),
    Column("queue_us", BigInteger, nullable=False),
    Column("connect_us", BigInteger, nullable=False),
    Column("ttft_us", BigInteger, nullable=False),
    Column("total_us", BigInteger, nullable=False),
    Column("overhead_us", BigInteger, nullable=False),
    # JSON text: a list of objects with the fields of ``record.Attempt``. Nothing filters by it.
    Column("attempts", Text, nullable=False),
    Column("http_referer", Text, nullable=False),
    Column("app_title", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("client_address", Text, nullable=False),
    Column("config_digest", Text, nullable=False),
    Column("response_cache_source_id", Text, nullable=False, server_default=""),
    # NULL: the gateway's own key was used.
    Column("upstream_cost_nano", BigInteger),
    # NULL: the request named the model.
    Column("router", Text),
    # For retention, and for any report over a span of time.
    Index("generations_created", "created_ms"),
    # ``GET /key`` sums the cost of one key: with the cost inside, it never touches the rows themselves.
    Index("generations_key", "key_sha256", "created_ms", "cost_nano"),
    # The same for keys of the clients' own. Few rows have such a cost, and only those are in it.
    Index(
        "generations_own",
        "key_sha256",
        "created_ms",
        "upstream_cost_nano",
        sqlite_where=text("upstream_cost_nano IS NOT NULL"),
        postgresql_where=text("upstream_cost_nano IS NOT NULL"),
    ),
    Index("generations_model", "model", "created_ms"),
)

credits = Table(
    "credits",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("created_ms", BigInteger, nullable=False),
    # Negative: a correction.
    Column("amount_nano", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)

spent_before = Table(
    "spent_before",
    metadata,
    Column("key_sha256", Text, primary_key=True),
    # The cost of the key's rows that were deleted for their age. What it has used in all must not shrink by that.
    Column("cost_nano", BigInteger, nullable=False),
    # The same of what providers charged the owners of keys of the client's own.
    Column("own_nano", BigInteger, nullable=False, server_default="0"),
)

Row = tuple[Any, ...]
"""The values of a row in the table's order, which is the record's; attempts as JSON text."""

_ATTEMPTS = Generation.__struct_fields__.index("attempts")
_encode = msgspec.json.Encoder().encode

_AttemptObject = msgspec.defstruct(
    "_AttemptObject", [(field.name, field.type) for field in msgspec.structs.fields(Attempt)], gc=False
)
"""An attempt that is written as an object, where the journal has an array."""


def _tuple_of(struct: type[msgspec.Struct], **other: Any) -> Any:
    """The type of a tuple with the types of a struct's fields, save for the ``other`` ones."""
    types = tuple(other.get(field.name, field.type) for field in msgspec.structs.fields(struct))
    return tuple[types]  # type: ignore[valid-type]


# Tuples are had for less than half of what structs and taking them apart again cost.
_plain: msgspec.msgpack.Decoder[list[Row]] = msgspec.msgpack.Decoder(
    list[_tuple_of(Generation, attempts=list[_tuple_of(Attempt)])]  # type: ignore[misc]
)


class LedgerError(TurnoutError):
    """The ledger cannot be used as it stands: a wrong address, a missing driver, a schema of a newer release."""


@dataclass(frozen=True)
class Ledger:
    """An opened ledger. Nothing is connected until it is used."""

    engine: Engine
    insert: str
    """The driver's own text of the insert."""
    migration_lock: Path | None
    """File that is locked while a SQLite ledger is migrated; ``None`` where the database itself can lock."""


def sqlite_url(path: Path) -> str:
    """The address of a SQLite ledger in a file."""
    return f"sqlite:///{path.absolute()}"


def open_ledger(address: str) -> Ledger:
    """Opens the ledger at a SQLAlchemy URL, ``sqlite:///…`` or ``postgresql://…``.

    Raises :class:`LedgerError` for an address that cannot be one, or when the driver is missing. A database that does
    not answer is not noticed here: the writer will, and wait for it.
    """
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise LedgerError("ledger.url is not a database URL, expected sqlite:///PATH or postgresql://…") from error
    backend = url.get_backend_name()
    if backend == "postgresql" and "+" not in url.drivername:
        url = url.set(drivername="postgresql+psycopg")
    if backend not in ("sqlite", "postgresql"):
        raise LedgerError(
            f"ledger.url names a database that is not supported, expected sqlite or postgresql: {backend}"
        )
    try:
        engine = _engine(url)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise LedgerError(
            f"the database driver of the ledger is not installed, try: pip install 'turnout[postgres]' ({error})"
        ) from error
    lock = None
    if backend == "sqlite" and url.database and url.database != ":memory:":
        lock = Path(url.database + ".migrating")
    return Ledger(engine=engine, insert=insert_text(engine.dialect), migration_lock=lock)


def close_ledger(ledger: Ledger) -> None:
    """Closes every connection."""
    ledger.engine.dispose()


def insert_text(dialect: Dialect) -> str:
    """The insert that leaves a known id alone, as this dialect's driver wants it."""
    values: dict[str, Any] = dict.fromkeys(generations.columns.keys())
    if dialect.name == "postgresql":
        on_postgresql = postgresql.insert(generations).on_conflict_do_nothing(index_elements=["id"])
        return str(on_postgresql.compile(dialect=dialect, column_keys=list(values)))
    on_sqlite = sqlite.insert(generations).on_conflict_do_nothing(index_elements=["id"])
    return str(on_sqlite.compile(dialect=dialect, column_keys=list(values)))


def rows(packed: bytes) -> list[Row]:
    """The rows of a batch, as ``Plane.drain_journal`` returned it.

    Raises :class:`msgspec.DecodeError` when it is something else.
    """
    try:
        plain = _plain.decode(packed)
    except msgspec.ValidationError:
        # A tuple must have the exact length. A struct takes the fields that it knows, should a later release have more.
        return [_row(generation) for generation in record.decode(packed)]
    before, after = _ATTEMPTS, _ATTEMPTS + 1
    return [
        (*row[:before], _encode([_AttemptObject(*attempt) for attempt in row[before]]).decode(), *row[after:])
        for row in plain
    ]


def insert_rows(ledger: Ledger, batch: Sequence[Row]) -> None:
    """Books a batch in one transaction; ids that are already there stay as they are.

    Raises what SQLAlchemy or the driver raises, and then nothing of the batch is booked.
    """
    if not batch:
        return
    values: list[Any] = list(batch)
    if not ledger.engine.dialect.positional:
        names = generations.columns.keys()
        values = [dict(zip(names, row, strict=True)) for row in batch]
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(ledger.insert, values)


def insert(ledger: Ledger, batch: Sequence[Generation]) -> None:
    """As :func:`insert_rows`, for generations."""
    insert_rows(ledger, [_row(generation) for generation in batch])


def delete_older(ledger: Ledger, created_ms: int, *, rows_max: int) -> int:
    """Deletes up to ``rows_max`` of the oldest generations created before ``created_ms``; returns how many went.

    What they cost is kept, in one sum for each key.
    """
    with ledger.engine.begin() as connection:
        deleted = connection.execute(
            text(
                "DELETE FROM generations WHERE id IN"
                " (SELECT id FROM generations WHERE created_ms < :before ORDER BY created_ms LIMIT :rows)"
                " RETURNING key_sha256, cost_nano, upstream_cost_nano"
            ),
            {"before": created_ms, "rows": rows_max},
        ).all()
        costs: Counter[str] = Counter()
        own: Counter[str] = Counter()
        for key_sha256, cost_nano, own_nano in deleted:
            costs[key_sha256] += int(cost_nano)
            own[key_sha256] += int(own_nano or 0)
        kept = [{"key": key, "cost": cost, "own": own[key]} for key, cost in costs.items() if cost or own[key]]
        if kept:
            connection.execute(
                text(
                    "INSERT INTO spent_before (key_sha256, cost_nano, own_nano) VALUES (:key, :cost, :own)"
                    " ON CONFLICT (key_sha256) DO UPDATE SET cost_nano = spent_before.cost_nano + excluded.cost_nano,"
                    " own_nano = spent_before.own_nano + excluded.own_nano"
                ),
                kept,
            )
        return len(deleted)


def migrate(ledger: Ledger) -> None:
    """Brings the schema to the newest revision. Safe when two workers do it at once, as during SIGHUP.

    A SQLite file that others hold is tried again for up to ``MIGRATION_BUSY_S``: the one that switches a new file to
    WAL has it for itself, and the others hear at once, or after ``SQLITE_BUSY_MS``, that it is locked.

    Raises :class:`LedgerError` when the database has a revision that this release does not know, and what SQLAlchemy
    raises when the database cannot be used.
    """
    deadline = time.monotonic() + MIGRATION_BUSY_S
    while True:
        try:
            _migrate(ledger)
        except OperationalError as error:
            if not _is_busy(error) or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(MIGRATION_LOOK_S)


def _is_busy(error: OperationalError) -> bool:
    # The low byte is the kind; what stands above it says more about why.
    code = error.orig.sqlite_errorcode if isinstance(error.orig, sqlite3.Error) else 0
    return code & 0xFF == sqlite3.SQLITE_BUSY


def _migrate(ledger: Ledger) -> None:
    config = _alembic_config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if _revision(ledger) == head:
        return
    with _one_migration(ledger), ledger.engine.connect() as connection, _all_or_nothing(connection):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
        # Another worker may have done it while this one waited for the lock.
        found = MigrationContext.configure(connection).get_current_revision()
        if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
            raise LedgerError(
                "the ledger was written by a newer release of Turnout, install that one or use another ledger;"
                f" its schema revision is {found}"
            )
        if found != head:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        connection.commit()


@contextmanager
def _all_or_nothing(connection: Connection) -> Iterator[None]:
    """One transaction around all steps, also in SQLite.

    Python's driver begins a transaction before it changes rows, but not before DDL: a process that was killed between a
    table and the note that it is there would leave a ledger that no later start could migrate.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    assert driver is not None, "a connection that was just made is connected"
    before = driver.isolation_level
    # The driver then begins nothing by itself; commit and rollback work as ever.
    driver.isolation_level = None
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
    except BaseException:
        connection.rollback()
        raise
    finally:
        driver.isolation_level = before


def _revision(ledger: Ledger) -> str | None:
    with ledger.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _alembic_config() -> AlembicConfig:
    config = AlembicConfig()
    # A percent sign would be taken for an interpolation by the parser behind this.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _one_migration(ledger: Ledger) -> Iterator[None]:
    """Holds the lock file of a SQLite ledger: its own locks are too short for several statements of DDL."""
    if ledger.migration_lock is None:
        yield
        return
    with ledger.migration_lock.open("a") as lock:
        deadline = time.monotonic() + MIGRATION_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise LedgerError(
                        f"another process has been migrating the ledger for {MIGRATION_WAIT_S:.0f} s"
                    ) from error
                time.sleep(MIGRATION_LOOK_S)
        yield


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        # A dead connection is found when it is taken from the pool, not by the first batch after the server restarted.
        return create_engine(url, pool_pre_ping=True, pool_size=4, max_overflow=4)
    if url.database and url.database != ":memory:":
        file = Path(url.database)
        file.parent.mkdir(parents=True, exist_ok=True)
        # It tells who asked which model when. SQLite gives its other files the mode of this one.
        file.touch(mode=0o600)
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    """Settings of one SQLite connection.

    WAL lets the control API read while the writer writes. With ``synchronous=NORMAL`` a commit survives the death of
    the process but not always that of the machine: the journal, which is a mapped file, makes the same promise.
    """
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES}")
        cursor.execute(f"PRAGMA journal_size_limit={SQLITE_WAL_BYTES}")
    finally:
        cursor.close()


def _row(generation: Generation) -> Row:
    values = list(msgspec.structs.astuple(generation))
    values[_ATTEMPTS] = _encode([msgspec.structs.asdict(attempt) for attempt in generation.attempts]).decode()
    return tuple(values)


def without_nul(generation: Generation) -> Generation:
    """The same generation with U+FFFD for each NUL, which PostgreSQL cannot keep in text."""
    replaced = {
        name: value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        for name in Generation.__struct_fields__
        if isinstance(value := getattr(generation, name), str) and "\0" in value
    }
    return msgspec.structs.replace(generation, **replaced) if replaced else generation
