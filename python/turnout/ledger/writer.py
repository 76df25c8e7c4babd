"""The thread that carries booked generations from the plane's journal into the ledger.

The order is what keeps the promise "one row for each answer that a client received whole": take a batch, commit it to
the database, and only then tell the journal to forget it. A crash between the last two steps hands the batch over
again, and :func:`turnout.ledger.store.insert_rows` knows each row by its id.

Rows gather: a batch that was not full is followed by a pause of ``ledger.flush``, so that traffic costs a few
transactions a second, light or heavy. The pause is slept here and not in the plane, whose wait for a first record looks
every 20 ms and ends with the first row of many. A full batch is followed by the next one at once.

When the database is locked, full or gone, the batch stays in the journal, the plane is told so that health and metrics
show it, and the thread tries again, more and more slowly up to :data:`PAUSE_MAX_S`. No request waits for any of this.

A generation that the database refuses for what it holds would block all that follow. It goes, as a line of JSON, into a
file beside the ledger, with an error in the log, and the others go on.
"""

from __future__ import annotations

import base64
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from turnout.ledger import record, retention, spent, store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from turnout.ledger.record import Generation
    from turnout.ledger.store import Ledger, Row

log = logging.getLogger("turnout.ledger")

BATCH_RECORDS = 2000
"""Rows of one transaction. Large enough to make the commit cheap, small enough to hold the interpreter briefly."""

WAIT_MS = 250
"""How long rows gather after a batch that was not full; also how late a row may be in the ledger."""

NICE = 10
"""Added to the thread's niceness, up to 19, the most there is."""

PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 5.0
"""First and longest pause after an error; it doubles in between."""

_REFUSED_FOR_ITS_CONTENT = (DataError, IntegrityError, OverflowError, UnicodeError, TypeError, ValueError)
"""What a driver raises when a value, not the database, is at fault."""


class Journal(Protocol):
    """What the writer needs of the plane."""

    def drain_journal(self, records_max: int, wait_ms: int) -> tuple[bytes, int]:
        """See ``turnout._native.Plane``."""

    def commit_journal(self, token: int) -> None:
        """See ``turnout._native.Plane``."""

    def ledger_behind(self, message: str | None) -> None:
        """See ``turnout._native.Plane``."""

    def spent(self, json: bytes) -> None:
        """See ``turnout._native.Plane``."""


class Writer:
    """The running thread. :meth:`start` once, :meth:`finish` once."""

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        *,
        rejected: Path,
        retention_days: int | None = None,
        batch_records: int = BATCH_RECORDS,
        wait_ms: int = WAIT_MS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._rejected = rejected
        self._retention = retention.Retention(days=retention_days, clock=clock) if retention_days else None
        self._batch_records = batch_records
        self._wait_ms = wait_ms
        self._clock = clock
        self._finishing = threading.Event()
        self._give_up = threading.Event()
        self._behind = False
        self._migrated = False
        self._told = threading.Event()
        self._tried = threading.Event()
        self._inheriting = threading.Lock()
        self._opened = True
        self._thread = threading.Thread(target=self._run, name="turnout-ledger", daemon=True)

    def start(self, *, inherit: bool = False) -> None:
        """Starts the thread, which migrates the schema first.

        ``inherit``: the plane has not started yet, so that all that the journal holds is of earlier processes; until
        :meth:`open`.
        """
        self._opened = not inherit
        self._thread.start()

    def open(self, *, timeout_s: float) -> bool:
        """To be called before the plane's first request: waits until the plane knows what was spent before.

        False: the ledger did not answer in time. Then the plane counts from nothing, and is told as soon as the ledger
        can be read; of what earlier processes left in the journal it does not hear in that case.
        """
        self._tried.wait(timeout_s)
        with self._inheriting:
            self._opened = True
        return self._told.is_set()

    def finish(self, *, timeout_s: float) -> bool:
        """Writes what is left in the journal, then ends the thread; true when the journal is empty.

        When the database does not take it within ``timeout_s`` the rest stays in the journal, for the next start.
        """
        self._finishing.set()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return not self._behind
        self._give_up.set()
        self._thread.join(timeout_s)
        return False

    def ready(self) -> bool:
        """Whether the schema is there, so that the ledger can be read."""
        return self._migrated

    def told(self) -> bool:
        """Whether the plane knows what was spent before it started, so that its counters are the whole truth."""
        return self._told.is_set()

    def _run(self) -> None:
        _yield_to_requests()
        pause_s = PAUSE_MIN_S
        while not self._give_up.is_set():
            # Read before the step: only a journal that was empty after the end had begun is empty for good.
            finishing = self._finishing.is_set()
            try:
                carried = self._step()
            except (SQLAlchemyError, store.LedgerError, OSError) as error:
                self._report(error)
                # While finishing, the pause must not use up the little time that is left.
                waiter = self._give_up if self._finishing.is_set() else self._finishing
                waiter.wait(PAUSE_MIN_S if self._finishing.is_set() else pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
                continue
            except Exception:
                # A bug here must not end the only thread that empties the journal.
                log.exception("the ledger's writer met an error that it does not know; it goes on")
                self._behind = True
                self._journal.ledger_behind("internal error, see the log")
                self._give_up.wait(PAUSE_MAX_S if not self._finishing.is_set() else PAUSE_MIN_S)
                continue
            pause_s = PAUSE_MIN_S
            self._recovered()
            if carried == 0 and finishing:
                return
            if carried < self._batch_records:
                self._finishing.wait(self._wait_ms / 1000)

    def _step(self) -> int:
        """Carries one batch; returns how many rows it had, or the most for one that cannot be read."""
        if not self._migrated:
            store.migrate(self._ledger)
            self._migrated = True
        if not self._told.is_set():
            self._tell()
        carried = self._book(*self._journal.drain_journal(self._batch_records, 0))
        if carried < self._batch_records and self._retention is not None:
            # The journal is as good as empty. Waiting until it is quite so would be for ever under steady traffic.
            self._retention.step(self._ledger)
        return carried

    def _book(self, packed: bytes, token: int) -> int:
        """Books what the journal handed out; returns how many rows it had, or the most for what cannot be read."""
        if not packed:
            return 0
        try:
            batch = store.rows(packed)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            log.error("a batch of the journal is not of this release's shape, kept in %s: %s", self._rejected, error)
            self._reject({"error": str(error), "batch_base64": base64.b64encode(packed).decode()})
            self._journal.commit_journal(token)
            return self._batch_records
        if batch:
            self._insert(batch, packed)
            self._journal.commit_journal(token)
        return len(batch)

    def _tell(self) -> None:
        """Tells the plane what was spent before it started.

        No row of this process may be in the sums, because the plane counts those itself: so this comes before the
        first of them is booked. What earlier processes left in the journal has to be in them: so that is booked first,
        which can be told apart only as long as the plane has not been opened.
        """
        while True:
            with self._inheriting:
                packed, token = (b"", 0) if self._opened else self._journal.drain_journal(self._batch_records, 0)
            if self._book(packed, token) == 0:
                break
        self._journal.spent(spent.encode(spent.read(self._ledger, now=datetime.now(UTC))))
        self._told.set()
        self._tried.set()

    def _insert(self, batch: list[Row], packed: bytes) -> None:
        try:
            store.insert_rows(self._ledger, batch)
            return
        except _REFUSED_FOR_ITS_CONTENT:
            if len(batch) > 1:
                log.warning(
                    "the ledger refused a batch of %d rows for what one of them holds; booking one by one", len(batch)
                )
        for generation in record.decode(packed):
            try:
                store.insert(self._ledger, [store.without_nul(generation)])
            except _REFUSED_FOR_ITS_CONTENT as error:
                # The text of a database error repeats the values; only its kind is for the log.
                log.error(
                    "generation %s cannot be booked, kept in %s: %s",
                    generation.id,
                    self._rejected,
                    type(error).__name__,
                )
                self._reject({"error": type(error).__name__, "generation": generation_fields(generation)})

    def _reject(self, entry: dict[str, object]) -> None:
        line = msgspec.json.encode(entry) + b"\n"
        # Like the ledger itself, it tells who asked what: for its owner only.
        descriptor = os.open(self._rejected, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line)

    def _report(self, error: Exception) -> None:
        self._tried.set()
        message = describe(error)
        if not self._behind:
            log.warning("the ledger cannot be written, bookings wait in the journal: %s", message)
        self._behind = True
        self._journal.ledger_behind(message)

    def _recovered(self) -> None:
        if self._behind:
            log.warning("the ledger can be written again")
            self._behind = False
            self._journal.ledger_behind(None)


def _yield_to_requests() -> None:
    """Gives this thread less of a busy processor: booking can wait, and must not take time from requests.

    Linux keeps a niceness for each thread; elsewhere it is the whole process's, which must stay as it is.
    """
    if sys.platform == "linux":
        # A sandbox may forbid it. Then booking competes, which is no reason not to book.
        with suppress(OSError):
            thread = threading.get_native_id()
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICE
            os.setpriority(os.PRIO_PROCESS, thread, min(niceness, 19))


def describe(error: Exception) -> str:
    """One line about a database error, without the statement and its values."""
    origin = getattr(error, "orig", None)
    text = str(origin if origin is not None else error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def generation_fields(generation: Generation) -> dict[str, object]:
    """A generation with its field names, for a reader without this release's order of fields."""
    fields: dict[str, object] = msgspec.structs.asdict(generation)
    fields["attempts"] = [msgspec.structs.asdict(attempt) for attempt in generation.attempts]
    return fields
