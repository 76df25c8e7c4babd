"""The table: one row per id, whole batches or nothing, and the same SQL for both databases."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateTable

from tests.fake.booked import KEY, generation
from turnout.ledger import query, store
from turnout.ledger.record import Generation


def count(ledger: store.Ledger) -> int:
    with ledger.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM generations")).scalar_one())


def test_the_columns_are_the_fields_of_the_record_in_their_order() -> None:
    assert tuple(store.generations.columns.keys()) == Generation.__struct_fields__


def test_a_replayed_batch_books_nothing_twice(ledger: store.Ledger) -> None:
    batch = [generation(number) for number in range(10)]
    store.insert(ledger, batch)
    store.insert(ledger, [*batch[5:], generation(10)])
    assert count(ledger) == 11


def test_the_first_row_of_an_id_stays(ledger: store.Ledger) -> None:
    store.insert(ledger, [generation(1, cost_nano=5)])
    store.insert(ledger, [generation(1, cost_nano=7)])
    found = query.generation(ledger, generation(1).id, key_sha256=KEY)
    assert found is not None
    assert found.cost_nano == 5


def test_an_id_twice_in_one_batch_is_one_row(ledger: store.Ledger) -> None:
    store.insert(ledger, [generation(1), generation(1)])
    assert count(ledger) == 1


def test_a_batch_that_fails_leaves_nothing_behind(ledger: store.Ledger) -> None:
    with pytest.raises(OverflowError):
        store.insert(ledger, [generation(1), generation(2, cost_nano=2**63)])
    assert count(ledger) == 0


def test_the_rows_of_packed_generations_are_those_of_generations(ledger: store.Ledger) -> None:
    batch = [generation(1), generation(2, error_type="timeout", attempts=[]), generation(3, streamed=False)]
    store.insert_rows(ledger, store.rows(msgspec.msgpack.encode(batch)))
    assert [query.generation(ledger, one.id, key_sha256=KEY) for one in batch] == batch
    assert store.rows(msgspec.msgpack.encode(batch)) == [store._row(one) for one in batch]


def test_fields_and_attempts_of_a_later_release_are_left_out() -> None:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode([generation(1)]))
    plain[0].append("new")
    plain[0][Generation.__struct_fields__.index("attempts")][0].append("new")
    assert store.rows(msgspec.msgpack.encode(plain)) == [store._row(generation(1))]


@pytest.mark.parametrize("wrong", [b"\xc0", b"\x91", msgspec.msgpack.encode([["id"]])])
def test_bytes_that_are_no_batch_have_no_rows(wrong: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        store.rows(wrong)


def test_an_empty_batch_is_no_transaction(ledger: store.Ledger) -> None:
    store.insert(ledger, [])
    assert count(ledger) == 0


def test_a_locked_database_is_an_error_soon(ledger: store.Ledger, address: str) -> None:
    other = create_engine(address)
    with other.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="locked"):
            store.insert(ledger, [generation(1)])
        holder.rollback()
    store.insert(ledger, [generation(1)])
    other.dispose()
    assert count(ledger) == 1


def test_the_file_is_for_its_owner_only(ledger: store.Ledger) -> None:
    assert ledger.engine.url.database is not None
    assert stat.S_IMODE(Path(ledger.engine.url.database).stat().st_mode) == 0o600


def test_reading_goes_on_while_another_writes(ledger: store.Ledger, address: str) -> None:
    store.insert(ledger, [generation(1)])
    other = create_engine(address)
    with other.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        assert query.generation(ledger, generation(1).id, key_sha256=KEY) == generation(1)
        holder.rollback()
    other.dispose()


def test_the_oldest_are_deleted_in_steps(ledger: store.Ledger) -> None:
    store.insert(ledger, [generation(number, created_ms=number) for number in range(10)])
    assert store.delete_older(ledger, 5, rows_max=3) == 3
    assert store.delete_older(ledger, 5, rows_max=3) == 2
    assert store.delete_older(ledger, 5, rows_max=3) == 0
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT min(created_ms) FROM generations")).scalar_one() == 5


def test_postgresql_gets_an_insert_with_named_values_that_leaves_known_ids_alone() -> None:
    sql = store.insert_text(postgresql.dialect(paramstyle="pyformat"))  # type: ignore[no-untyped-call]
    assert sql.startswith("INSERT INTO generations (id, created_ms")
    assert "%(id)s" in sql
    assert sql.endswith("ON CONFLICT (id) DO NOTHING")


def test_the_table_can_be_written_in_postgresql() -> None:
    sql = str(CreateTable(store.generations).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "cost_nano BIGINT NOT NULL" in sql
    assert "streamed BOOLEAN NOT NULL" in sql


def test_the_indices_are_there(ledger: store.Ledger) -> None:
    found = {index["name"]: index["column_names"] for index in inspect(ledger.engine).get_indexes("generations")}
    assert found["generations_created"] == ["created_ms"]
    assert found["generations_key"] == ["key_sha256", "created_ms", "cost_nano"]
    assert found["generations_model"] == ["model", "created_ms"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("no url", "not a database URL"), ("mysql://host/name", "not supported, expected sqlite or postgresql: mysql")],
)
def test_an_address_that_cannot_be_a_ledger_is_refused(wrong: str, said: str) -> None:
    with pytest.raises(store.LedgerError, match=said):
        store.open_ledger(wrong)


def test_a_missing_driver_is_named_with_what_to_install_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(store.LedgerError, match="turnout\\[postgres\\]") as caught:
        store.open_ledger("postgresql://me:secret@127.0.0.1/books")
    assert "secret" not in str(caught.value)


def test_nul_is_replaced_for_databases_that_cannot_keep_it() -> None:
    cleaned = store.without_nul(generation(1, user="a\0b"))
    assert cleaned == msgspec.structs.replace(generation(1), user="a\ufffdb")
    untouched = generation(1)
    assert store.without_nul(untouched) is untouched
