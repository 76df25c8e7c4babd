"""Reading back: a generation only for its key, and sums since midnight, Monday and the first, all UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from tests.fake.booked import KEY, generation
from turnout.ledger import query, store
from turnout.ledger.query import Record, Usage


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


def test_a_generation_comes_back_as_it_was_booked(ledger: store.Ledger) -> None:
    store.insert(ledger, [generation(1), generation(2, error_type="timeout", finish_reason=None, attempts=[])])
    assert query.generation(ledger, generation(1).id, key_sha256=KEY) == generation(1)
    found = query.generation(ledger, generation(2).id, key_sha256=KEY)
    assert found == generation(2, error_type="timeout", finish_reason=None, attempts=[])


def test_another_keys_generation_is_not_found(ledger: store.Ledger) -> None:
    store.insert(ledger, [generation(1)])
    assert query.generation(ledger, generation(1).id, key_sha256="cd" * 32) is None


def test_without_authentication_every_generation_is_found(ledger: store.Ledger) -> None:
    store.insert(ledger, [generation(1)])
    assert query.generation(ledger, generation(1).id, key_sha256=None) == generation(1)


def test_sums_begin_at_midnight_monday_and_the_first(ledger: store.Ledger) -> None:
    # 2026-11-18 is a Wednesday.
    moments = {
        1: at(2026, 11, 18, 0, 0),
        10: at(2026, 11, 17, 23, 59),
        100: at(2026, 11, 16, 0, 0),
        1000: at(2026, 11, 15, 23, 59),
        10_000: at(2026, 11, 1, 0, 0),
        100_000: at(2026, 10, 31, 23, 59),
    }
    store.insert(ledger, [generation(cost, created_ms=created, cost_nano=cost) for cost, created in moments.items()])
    store.insert(ledger, [generation(7, created_ms=at(2026, 11, 18), cost_nano=7, key_sha256="cd" * 32)])
    now = datetime(2026, 11, 18, 13, 30, tzinfo=UTC)
    assert query.usage(ledger, key_sha256=KEY, now=now) == Usage(total=111_111, daily=1, weekly=111, monthly=11_111)


def test_the_day_is_utcs_wherever_the_clock_stands(ledger: store.Ledger) -> None:
    store.insert(ledger, [generation(1, created_ms=at(2026, 11, 17, 23, 30), cost_nano=1)])
    local = datetime(2026, 11, 17, 23, 45, tzinfo=UTC).astimezone(timezone(timedelta(hours=9)))
    assert query.usage(ledger, key_sha256=KEY, now=local).daily == 1


def test_records_sum_what_each_model_did(ledger: store.Ledger) -> None:
    now = at(2026, 11, 18)
    made = {"created_ms": now, "tokens_prompt": 10, "tokens_completion": 20, "ttft_us": 1_000, "total_us": 201_000}
    store.insert(
        ledger,
        [
            generation(1, model="a/b", **made),
            generation(2, model="a/b", **{**made, "ttft_us": 3_000, "total_us": 203_000}),
            generation(3, model="a/b", **{**made, "error_type": "timeout"}),
            generation(4, model="a/plain", **{**made, "ttft_us": 0}),
            generation(5, model="a/old", **{**made, "created_ms": now - 1}),
        ],
    )
    assert query.records(ledger, since=datetime(2026, 11, 18, tzinfo=UTC)) == {
        "a/b": Record(tokens=90, ttft_us=2_000, tokens_per_s=100.0),
        "a/plain": Record(tokens=30, ttft_us=None, tokens_per_s=None),
    }


def test_a_key_without_generations_has_used_nothing(ledger: store.Ledger) -> None:
    now = datetime(2026, 11, 18, tzinfo=UTC)
    assert query.usage(ledger, key_sha256=KEY, now=now) == Usage(total=0, daily=0, weekly=0, monthly=0)
