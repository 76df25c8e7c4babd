"""``ledger/byok.py``: provider keys in the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from turnout.ledger import byok
from turnout.ledger.byok import StoredKey

if TYPE_CHECKING:
    from turnout.ledger.store import Ledger


def stored(key_id: str = "a", **changes: Any) -> StoredKey:
    made = StoredKey(
        id=key_id,
        provider="openai",
        name=None,
        label="sk-...6789",
        sealed="sealed",
        version=1,
        disabled=False,
        is_fallback=False,
        is_required=False,
        is_byok_only=False,
        sort_order=0,
        declared_zdr=None,
        allowed_models=None,
        allowed_user_ids=None,
        allowed_api_key_hashes=None,
        created_ms=1_000,
    )
    return replace(made, **changes)


def test_a_key_is_kept_changed_and_deleted(ledger: Ledger) -> None:
    key = stored(allowed_models=["openai/*"], allowed_user_ids=[], name="Ada's", is_required=True)
    byok.add(ledger, key)
    assert byok.one(ledger, "a") == key
    other = replace(key, sealed="other", version=2, disabled=True, allowed_models=None)
    assert byok.change(ledger, other)
    assert byok.one(ledger, "a") == other
    assert byok.remove(ledger, "a")
    assert byok.one(ledger, "a") is None
    assert not byok.remove(ledger, "a")
    assert not byok.change(ledger, key)


def test_they_are_listed_in_the_order_in_which_they_are_tried(ledger: Ledger) -> None:
    for key in (
        stored("d", provider="openai", sort_order=1),
        stored("c", provider="openai", sort_order=0, created_ms=2_000),
        stored("b", provider="openai", sort_order=0),
        stored("a", provider="zai"),
    ):
        byok.add(ledger, key)
    assert [key.id for key in byok.every(ledger)] == ["b", "c", "d", "a"]
    page, total = byok.page(ledger, offset=1, limit=2, provider=None)
    assert ([key.id for key in page], total) == (["c", "d"], 4)
    page, total = byok.page(ledger, offset=0, limit=9, provider="zai")
    assert ([key.id for key in page], total) == (["a"], 1)


def test_a_fresh_key_is_the_last_of_its_provider() -> None:
    others = [stored("a", sort_order=4), stored("b", sort_order=2), stored("c", provider="zai", sort_order=9)]
    first = byok.fresh("groq", beside=others, now_ms=7)
    next_one = byok.fresh("openai", beside=others, now_ms=7)
    assert (first.sort_order, next_one.sort_order, next_one.created_ms, next_one.version) == (0, 5, 7, 0)
    assert first.id != next_one.id


def test_there_is_a_bound(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byok, "KEYS_MAX", 1)
    byok.add(ledger, stored("a"))
    with pytest.raises(byok.TooManyKeys):
        byok.add(ledger, stored("b"))


def test_only_what_is_still_sealed_the_old_way_is_sealed_again(ledger: Ledger) -> None:
    byok.add(ledger, stored("a"))
    byok.add(ledger, stored("b", sealed="meanwhile"))
    byok.seal_again(ledger, {"a": ("sealed", "again"), "b": ("sealed", "again")})
    assert [key.sealed for key in byok.every(ledger)] == ["again", "meanwhile"]


def test_the_sealed_key_is_not_in_a_traceback() -> None:
    assert "gAAAA" not in repr(stored(sealed="gAAAA"))
