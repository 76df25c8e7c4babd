"""``ledger/revision.py``: another text after each change of a preset or a provider key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import SQLAlchemyError

from tests.ledger.test_byok import stored
from turnout.ledger import byok, presets, revision, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.ledger.store import Ledger

KEY = stored("a")


def save(ledger: Ledger) -> None:
    presets.save(ledger, "brief", {}, system_prompt=None, creator="", now_ms=1)


CHANGES: dict[str, Callable[[Ledger], object]] = {
    "a key is added": lambda ledger: byok.add(ledger, KEY),
    "a key is changed": lambda ledger: byok.change(ledger, replace(KEY, disabled=True)),
    "a key is deleted": lambda ledger: byok.remove(ledger, "a"),
    "a preset is made": save,
    "a preset has another version": save,
    "a preset is disabled": lambda ledger: presets.change(ledger, "brief", now_ms=1, status="disabled"),
    "a preset is deleted": lambda ledger: presets.remove(ledger, "brief"),
}
"""In an order in which each one finds what it needs; all in the same millisecond."""


def test_each_change_gives_one_that_there_never_was(ledger: Ledger) -> None:
    seen = [revision.read(ledger)]
    assert seen == [revision.UNCHANGED]
    for what, change in CHANGES.items():
        change(ledger)
        assert revision.read(ledger) not in seen, what
        seen.append(revision.read(ledger))


def test_what_changes_nothing_leaves_it(ledger: Ledger) -> None:
    byok.add(ledger, KEY)
    before = revision.read(ledger)
    byok.remove(ledger, "b")
    byok.change(ledger, stored("b"))
    presets.remove(ledger, "brief")
    presets.change(ledger, "brief", now_ms=1, status="disabled")
    byok.seal_again(ledger, {"a": ("sealed", "again")})
    assert revision.read(ledger) == before


def test_a_change_that_fails_leaves_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    byok.add(ledger, KEY)
    before = revision.read(ledger)
    with pytest.raises(SQLAlchemyError):
        byok.add(ledger, KEY)
    monkeypatch.setattr(byok, "KEYS_MAX", 1)
    with pytest.raises(byok.TooManyKeys):
        byok.add(ledger, stored("b"))
    assert revision.read(ledger) == before


def test_it_is_seen_with_the_change_and_not_before(ledger: Ledger, address: str) -> None:
    other = store.open_ledger(address)
    with ledger.engine.begin() as connection:
        connection.execute(byok.keys.delete())
        revision.renew(connection)
        assert revision.read(other) == revision.UNCHANGED
    assert revision.read(other) == revision.read(ledger) != revision.UNCHANGED
    store.close_ledger(other)


def test_a_database_without_it_says_so(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        revision.revisions.drop(connection)
    with pytest.raises(SQLAlchemyError):
        revision.read(ledger)
