"""Deleting what is older than the configured days: in steps, and not all the time."""

from __future__ import annotations

from sqlalchemy import text

from tests.fake.booked import generation
from turnout.ledger import store
from turnout.ledger.retention import DAY_MS, PAUSE_S, ROWS_PER_STEP, Retention


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_what_is_older_goes(ledger: store.Ledger) -> None:
    store.insert(ledger, [generation(day, created_ms=day * DAY_MS) for day in range(10)])
    retention = Retention(days=3, clock=Clock(), now_ms=lambda: 9 * DAY_MS)
    assert retention.step(ledger) == 6
    with ledger.engine.connect() as connection:
        left = connection.execute(text("SELECT count(*), min(created_ms) FROM generations")).one()
    assert tuple(left) == (4, 6 * DAY_MS)


def test_full_steps_follow_each_other_and_then_there_is_a_pause(ledger: store.Ledger) -> None:
    clock = Clock()
    store.insert(ledger, [generation(number, created_ms=1) for number in range(ROWS_PER_STEP + 1)])
    retention = Retention(days=1, clock=clock, now_ms=lambda: 9 * DAY_MS)
    assert retention.step(ledger) == ROWS_PER_STEP
    assert retention.step(ledger) == 1
    store.insert(ledger, [generation(5000, created_ms=1)])
    assert retention.step(ledger) == 0
    clock.now += PAUSE_S
    assert retention.step(ledger) == 1
