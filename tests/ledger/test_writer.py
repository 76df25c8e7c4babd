"""The writer's promise: whatever happens to the database, each booked generation is in it once, in the end."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import create_engine, event, text

from tests.fake.booked import generation
from turnout.ledger import store
from turnout.ledger.writer import NICE, Writer, describe

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.ledger.record import Generation


class Journal:
    """At least once: what was not committed is handed out again. Tests wait on its events instead of sleeping."""

    def __init__(self, booked: list[Generation]) -> None:
        self.booked: list[Any] = list(booked)
        self.lock = threading.Lock()
        self.messages: list[str | None] = []
        self.behind = threading.Event()
        self.recovered = threading.Event()
        self.empty = threading.Event()
        self.committed = threading.Event()
        self.commits_to_forget = 0
        self.drained: list[int] = []
        self.told: list[Any] = []

    def drain_journal(self, records_max: int, wait_ms: int) -> tuple[bytes, int]:
        with self.lock:
            batch = self.booked[:records_max]
        self.drained.append(len(batch))
        if not batch:
            self.empty.set()
            threading.Event().wait(min(wait_ms, 5) / 1000)
        return msgspec.msgpack.encode(batch), len(batch)

    def commit_journal(self, token: int) -> None:
        with self.lock:
            if self.commits_to_forget:
                # As when the process was killed between the database's commit and the journal's.
                self.commits_to_forget -= 1
                return
            del self.booked[:token]
        self.committed.set()

    def spent(self, json: bytes) -> None:
        self.told.append(msgspec.json.decode(json))

    def ledger_behind(self, message: str | None) -> None:
        self.messages.append(message)
        (self.behind if message is not None else self.recovered).set()


def rows(ledger: store.Ledger) -> int:
    with ledger.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM generations")).scalar_one())


def start(journal: Journal, address: str, tmp_path: Path, **options: Any) -> tuple[Writer, store.Ledger]:
    ledger = store.open_ledger(address)
    writer = Writer(journal, ledger, rejected=tmp_path / "rejected.jsonl", **options)
    writer.start()
    return writer, ledger


def finished(writer: Writer, ledger: store.Ledger) -> int:
    assert writer.finish(timeout_s=20)
    found = rows(ledger)
    store.close_ledger(ledger)
    return found


def test_everything_is_booked_and_the_schema_made_first(address: str, tmp_path: Path) -> None:
    journal = Journal([generation(number) for number in range(2500)])
    writer, ledger = start(journal, address, tmp_path, batch_records=100)
    assert finished(writer, ledger) == 2500
    assert journal.booked == []
    assert writer.ready()
    assert journal.messages == []


def test_a_journal_that_replays_books_nothing_twice(address: str, tmp_path: Path) -> None:
    journal = Journal([generation(number) for number in range(300)])
    journal.commits_to_forget = 3
    writer, ledger = start(journal, address, tmp_path, batch_records=100)
    assert finished(writer, ledger) == 300


def test_what_is_booked_later_is_carried_too(address: str, tmp_path: Path) -> None:
    journal = Journal([])
    writer, ledger = start(journal, address, tmp_path)
    assert journal.empty.wait(10)
    with journal.lock:
        journal.booked.append(generation(1))
    assert finished(writer, ledger) == 1


def test_full_batches_follow_each_other_at_once(address: str, tmp_path: Path) -> None:
    journal = Journal([generation(number) for number in range(500)])
    writer, ledger = start(journal, address, tmp_path, batch_records=100, wait_ms=3_600_000)
    # Only the sixth, which finds nothing, is followed by the hour.
    assert journal.empty.wait(10)
    assert finished(writer, ledger) == 500
    assert journal.drained[:6] == [100, 100, 100, 100, 100, 0]


def test_rows_gather_after_a_batch_that_was_not_full_until_the_end(address: str, tmp_path: Path) -> None:
    journal = Journal([generation(1)])
    writer, ledger = start(journal, address, tmp_path, batch_records=100, wait_ms=3_600_000)
    assert journal.committed.wait(10)
    with journal.lock:
        journal.booked += [generation(number) for number in range(2, 52)]
    assert finished(writer, ledger) == 51
    assert journal.drained == [1, 50, 0]


@pytest.mark.skipif(sys.platform != "linux", reason="niceness belongs to a thread only on Linux")
def test_booking_yields_the_processor_to_requests_and_nobody_else_does(address: str, tmp_path: Path) -> None:
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    journal = Journal([])
    nice: list[int] = []

    def note(records_max: int, wait_ms: int) -> tuple[bytes, int]:
        nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        journal.empty.set()
        return b"\x90", 0

    journal.drain_journal = note  # type: ignore[method-assign]
    writer, ledger = start(journal, address, tmp_path)
    assert journal.empty.wait(10)
    assert writer.finish(timeout_s=20)
    store.close_ledger(ledger)
    assert nice[0] == min(before + NICE, 19)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_a_locked_database_is_waited_for_and_shown(address: str, tmp_path: Path) -> None:
    prepared = store.open_ledger(address)
    store.migrate(prepared)
    store.close_ledger(prepared)
    other = create_engine(address)
    journal = Journal([generation(number) for number in range(50)])
    with other.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        writer, ledger = start(journal, address, tmp_path)
        assert journal.behind.wait(10)
        assert len(journal.booked) == 50
        holder.rollback()
    other.dispose()
    assert journal.recovered.wait(10)
    assert finished(writer, ledger) == 50
    assert journal.messages[0] == "database is locked"
    assert journal.messages[-1] is None


def test_a_full_disk_is_waited_for_and_shown(address: str, tmp_path: Path) -> None:
    ledger = store.open_ledger(address)
    store.migrate(ledger)
    # The one connection of the writer's thread finds no room for another page.
    full = threading.Event()
    full.set()

    def limit(connection: Any, record: object, proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count={1 if full.is_set() else 1_000_000}")

    event.listen(ledger.engine, "checkout", limit)
    journal = Journal([generation(number) for number in range(500)])
    writer = Writer(journal, ledger, rejected=tmp_path / "rejected.jsonl")
    writer.start()
    assert journal.behind.wait(10)
    assert len(journal.booked) == 500
    full.clear()
    assert journal.recovered.wait(10)
    assert finished(writer, ledger) == 500
    assert journal.messages[0] == "database or disk is full"


def test_a_ledger_that_cannot_even_be_opened_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "ledger.db"
    journal = Journal([generation(1)])
    ledger = store.open_ledger(store.sqlite_url(folder))
    folder.unlink()
    folder.mkdir()
    writer = Writer(journal, ledger, rejected=tmp_path / "rejected.jsonl")
    writer.start()
    assert journal.behind.wait(10)
    folder.rmdir()
    assert journal.recovered.wait(10)
    assert finished(writer, ledger) == 1


def test_finishing_gives_up_in_time_and_leaves_the_rest_in_the_journal(address: str, tmp_path: Path) -> None:
    prepared = store.open_ledger(address)
    store.migrate(prepared)
    store.close_ledger(prepared)
    other = create_engine(address)
    with other.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        journal = Journal([generation(1)])
        writer, ledger = start(journal, address, tmp_path)
        assert journal.behind.wait(10)
        assert not writer.finish(timeout_s=0.5)
        holder.rollback()
    other.dispose()
    assert len(journal.booked) == 1
    store.close_ledger(ledger)


def test_a_row_that_no_database_takes_stops_nobody_else(address: str, tmp_path: Path) -> None:
    journal = Journal([generation(1), generation(2, cost_nano=2**63), generation(3)])
    writer, ledger = start(journal, address, tmp_path)
    assert finished(writer, ledger) == 2
    assert journal.booked == []
    kept = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [entry["generation"]["id"] for entry in kept] == [generation(2).id]
    assert kept[0]["generation"]["cost_nano"] == 2**63
    assert stat.S_IMODE((tmp_path / "rejected.jsonl").stat().st_mode) == 0o600


def test_a_batch_of_another_shape_is_kept_and_does_not_block(address: str, tmp_path: Path) -> None:
    journal = Journal([])
    journal.booked = [["only", "three", "fields"]]
    writer, ledger = start(journal, address, tmp_path)
    assert finished(writer, ledger) == 0
    assert journal.booked == []
    assert "batch_base64" in json.loads((tmp_path / "rejected.jsonl").read_text())


def test_a_bug_does_not_end_the_thread(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([RuntimeError("a bug")])
    whole = store.insert_rows

    def broken(ledger: store.Ledger, batch: Any) -> None:
        for error in calls:
            raise error
        whole(ledger, batch)

    monkeypatch.setattr(store, "insert_rows", broken)
    monkeypatch.setattr("turnout.ledger.writer.PAUSE_MAX_S", 0.01)
    journal = Journal([generation(1)])
    writer, ledger = start(journal, address, tmp_path)
    assert journal.recovered.wait(10)
    assert finished(writer, ledger) == 1
    assert journal.messages == ["internal error, see the log", None]


def test_old_rows_go_while_there_is_nothing_to_write(address: str, tmp_path: Path) -> None:
    journal = Journal([generation(1, created_ms=1)])
    writer, ledger = start(journal, address, tmp_path, retention_days=1)
    assert journal.empty.wait(10)
    assert finished(writer, ledger) == 0


def test_old_rows_go_before_the_journal_is_seen_empty(address: str, tmp_path: Path) -> None:
    deleted = threading.Event()
    ledger = store.open_ledger(address)
    event.listen(ledger.engine, "after_cursor_execute", lambda *of: deleted.set() if "DELETE" in of[2] else None)
    journal = Journal([generation(1, created_ms=1)])
    writer = Writer(journal, ledger, rejected=tmp_path / "rejected.jsonl", retention_days=1, wait_ms=3_600_000)
    writer.start()
    assert deleted.wait(10)
    assert journal.drained == [1]
    assert finished(writer, ledger) == 0


def test_a_database_error_is_told_without_its_values() -> None:
    class Wrapped(Exception):
        orig = ValueError("first line\nDETAIL: secret")

    assert describe(Wrapped()) == "first line"
    assert describe(OSError()) == "OSError"


def told_total(journal: Journal) -> int:
    """The one sum that the plane was told."""
    (told,) = journal.told
    total: int = told["gateway"]["total"]
    return total


def test_what_an_earlier_process_left_is_in_the_sums_that_the_plane_is_told(address: str, tmp_path: Path) -> None:
    """Some of it is in the ledger already: that process was killed between the two commits."""
    ledger = store.open_ledger(address)
    store.migrate(ledger)
    store.insert(ledger, [generation(number, cost_nano=10) for number in range(5)])
    journal = Journal([generation(number, cost_nano=10) for number in range(3, 8)])
    writer = Writer(journal, ledger, rejected=tmp_path / "rejected.jsonl", batch_records=2)
    assert not writer.told()
    writer.start(inherit=True)
    assert writer.open(timeout_s=20)
    assert writer.told()
    assert told_total(journal) == 80
    assert finished(writer, ledger) == 8


def test_what_the_running_plane_books_is_not_in_the_sums_that_it_is_told(address: str, tmp_path: Path) -> None:
    ledger = store.open_ledger(address)
    store.migrate(ledger)
    store.insert(ledger, [generation(1, cost_nano=10)])
    # It serves already, so this one it has counted itself.
    journal = Journal([generation(2, cost_nano=500)])
    writer = Writer(journal, ledger, rejected=tmp_path / "rejected.jsonl")
    writer.start()
    assert finished(writer, ledger) == 2
    assert told_total(journal) == 10


def test_a_ledger_that_does_not_answer_delays_the_start_no_longer_than_it_must(address: str, tmp_path: Path) -> None:
    ledger = store.open_ledger(address)
    store.migrate(ledger)
    store.insert(ledger, [generation(1, cost_nano=10)])
    other = create_engine(address)
    with other.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        journal = Journal([generation(2, cost_nano=500)])
        writer = Writer(journal, ledger, rejected=tmp_path / "rejected.jsonl")
        writer.start(inherit=True)
        # It is told that it failed; waiting for the whole time would help nobody.
        assert not writer.open(timeout_s=3600)
        assert journal.told == []
        holder.rollback()
    other.dispose()
    # What was left in the journal cannot be told apart any more, and is not counted twice.
    assert finished(writer, ledger) == 2
    assert told_total(journal) == 10
