"""The schema's history: one newest step, the same result as the table, and safe when two do it at once."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from turnout.ledger import byok, presets, revision, store

if TYPE_CHECKING:
    from pathlib import Path


NEWEST = ScriptDirectory.from_config(store._alembic_config()).get_current_head()
"""What the schema is at in the end."""


def test_there_is_one_newest_step() -> None:
    scripts = ScriptDirectory.from_config(store._alembic_config())
    assert len(scripts.get_heads()) == 1


def test_the_steps_lead_to_the_table_that_the_code_uses(ledger: store.Ledger) -> None:
    # The tables of other modules belong to it once these are imported.
    assert presets.versions.metadata is byok.keys.metadata is revision.revisions.metadata is store.metadata
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), store.metadata) == []


def test_migrating_again_changes_nothing(ledger: store.Ledger) -> None:
    store.migrate(ledger)
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [NEWEST]


def test_many_at_once_migrate_once(address: str) -> None:
    ledgers = [store.open_ledger(address) for _ in range(6)]
    failures: list[Exception] = []
    together = threading.Barrier(len(ledgers))

    def migrate(ledger: store.Ledger) -> None:
        together.wait()
        try:
            store.migrate(ledger)
        except (SQLAlchemyError, store.LedgerError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with ledgers[0].engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
    for ledger in ledgers:
        store.close_ledger(ledger)


def test_a_file_that_another_holds_for_itself_is_waited_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another worker does while it switches the new file to WAL."""
    ledger = store.open_ledger(address)
    other = sqlite3.connect(make_url(address).database or "", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    looks = []

    def let_go(seconds: float) -> None:
        looks.append(seconds)
        other.rollback()

    monkeypatch.setattr("turnout.ledger.store.time.sleep", let_go)
    store.migrate(ledger)
    assert looks == [store.MIGRATION_LOOK_S]
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [NEWEST]
    store.close_ledger(ledger)
    other.close()


def test_a_file_that_is_never_let_go_is_not_waited_for_without_end(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MIGRATION_BUSY_S", 0.0)
    ledger = store.open_ledger(address)
    other = sqlite3.connect(make_url(address).database or "", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(OperationalError, match="database is locked"):
        store.migrate(ledger)
    store.close_ledger(ledger)
    other.close()


def test_a_ledger_of_a_newer_release_is_refused(ledger: store.Ledger) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(store.LedgerError, match=r"newer release of Turnout.*9999"):
        store.migrate(ledger)


def test_a_folder_with_a_percent_sign_is_no_interpolation(tmp_path: Path) -> None:
    ledger = store.open_ledger(store.sqlite_url(tmp_path / "100%" / "ledger.db"))
    store.migrate(ledger)
    store.close_ledger(ledger)
    assert (tmp_path / "100%" / "ledger.db").exists()


def test_a_step_that_is_cut_short_leaves_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by ``kill -9`` between the table and the note that it is there: the next start must be able to migrate."""
    ledger = store.open_ledger(address)

    def killed(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("alembic.op.create_index", killed)
        store.migrate(ledger)
    store.migrate(ledger)
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM generations")).scalar() == 0
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [NEWEST]
    ledger.engine.dispose()
