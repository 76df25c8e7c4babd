"""What the plane is told at its start: exact sums, by the calendar, of rows that are gone as well."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from tests.fake.booked import generation
from turnout.ledger import query, spent, store
from turnout.ledger.credits import Credits
from turnout.ledger.spent import Sums

if TYPE_CHECKING:
    from turnout.ledger.store import Ledger

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""A Wednesday."""


def ms(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]


def fill(ledger: Ledger) -> None:
    rows = [
        ("aa", ms(2026, 10, 31), 1),
        ("aa", ms(2026, 11, 1), 20),
        ("aa", ms(2026, 11, 16), 300),
        ("aa", ms(2026, 11, 18), 4_000),
        ("", ms(2026, 11, 18), 50_000),
    ]
    store.insert(
        ledger,
        [
            generation(number, key_sha256=key, created_ms=created, cost_nano=cost)
            for number, (key, created, cost) in enumerate(rows)
        ],
    )


def test_each_key_has_its_sums_and_the_gateway_theirs(ledger: Ledger) -> None:
    fill(ledger)
    found = spent.read(ledger, now=NOW)
    assert found.at_ms == int(NOW.timestamp() * 1000)
    assert found.keys == {
        "aa": Sums(total=4_321, daily=4_000, weekly=4_300, monthly=4_320),
        "": Sums(total=50_000, daily=50_000, weekly=50_000, monthly=50_000),
    }
    assert found.gateway == Sums(total=54_321, daily=54_000, weekly=54_300, monthly=54_320)
    assert found.credits == 0


def test_what_was_deleted_for_its_age_counts_in_the_total(ledger: Ledger) -> None:
    fill(ledger)
    store.insert(ledger, [generation(9, key_sha256="bb", created_ms=0, cost_nano=7)])
    assert store.delete_older(ledger, ms(2026, 11, 1), rows_max=1) == 1
    assert store.delete_older(ledger, ms(2026, 11, 2), rows_max=10) == 2
    found = spent.read(ledger, now=NOW)
    assert found.keys["aa"] == Sums(total=4_321, daily=4_000, weekly=4_300, monthly=4_300)
    assert found.keys["bb"] == Sums(total=7)
    assert query.usage(ledger, key_sha256="aa", now=NOW).total == 4_321
    assert query.usage(ledger, key_sha256=None, now=NOW).total == 54_328


def test_what_own_keys_cost_their_owners_is_summed_apart(ledger: Ledger) -> None:
    now = ms(2026, 11, 18)
    store.insert(
        ledger,
        [
            generation(1, key_sha256="aa", created_ms=now, cost_nano=1, upstream_cost_nano=100),
            generation(2, key_sha256="aa", created_ms=0, cost_nano=0, upstream_cost_nano=20),
            generation(3, key_sha256="aa", created_ms=0, cost_nano=3),
        ],
    )
    whole = {"aa": Sums(total=120, daily=100, weekly=100, monthly=100)}
    assert spent.read(ledger, now=NOW).own == whole
    assert store.delete_older(ledger, now, rows_max=10) == 2
    found = spent.read(ledger, now=NOW)
    assert found.own == whole
    assert found.keys["aa"].total == 4


def test_an_empty_ledger_has_spent_nothing(ledger: Ledger) -> None:
    assert spent.read(ledger, now=NOW).gateway == Sums()


def test_credits_and_requests_of_free_models_are_counted(ledger: Ledger) -> None:
    class Plane:
        def spent(self, json: bytes) -> None:
            assert msgspec.json.decode(json)["gateway"] is None

    Credits(ledger, Plane()).add(12, "")
    store.insert(
        ledger,
        [
            generation(1, model="a/b:free", created_ms=ms(2026, 11, 18, 1)),
            generation(2, model="a/b:free", created_ms=ms(2026, 11, 17, 23)),
            generation(3, model="a/b:freeze", created_ms=ms(2026, 11, 18, 1)),
        ],
    )
    found = spent.read(ledger, now=NOW)
    assert (found.credits, found.free_requests) == (12, 1)


def test_what_the_plane_answers_is_read() -> None:
    text = '{"total":5,"daily":4,"weekly":3,"monthly":2,"own":{"total":7,"daily":0},"held":1,"free_requests":6}'
    own = Sums(total=7)
    assert spent.decode(text) == spent.Usage(total=5, daily=4, weekly=3, monthly=2, own=own, held=1, free_requests=6)
