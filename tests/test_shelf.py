"""``shelf.py``: presets and provider keys of the database, for the compilation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from tests.ledger.test_byok import stored
from turnout.config.own import OwnKeyError
from turnout.ledger import byok, presets, store
from turnout.shelf import Shelf, filled, own_keys
from turnout.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

import pytest


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    ledger = store.open_ledger(store.sqlite_url(tmp_path / "ledger.db"))
    store.migrate(ledger)
    yield Shelf(Vault(tmp_path), ledger)
    store.close_ledger(ledger)


def test_a_shelf_without_a_database_is_empty(tmp_path: Path) -> None:
    assert Shelf(Vault(tmp_path)).presets() == []
    assert Shelf(Vault(tmp_path)).keys() == []


def test_a_database_that_does_not_answer_leaves_what_is_known(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    assert shelf.ledger is not None
    byok.add(shelf.ledger, stored("a", sealed=shelf.vault.seal("a", "sk-a")))
    presets.save(shelf.ledger, "brief", {}, system_prompt=None, creator="", now_ms=1)
    known = shelf.presets(), shelf.keys()
    assert [key.text for key in known[1]] == ["sk-a"]
    with shelf.ledger.engine.begin() as connection:
        byok.keys.drop(connection)
        presets.presets.drop(connection)
    assert (shelf.presets(), shelf.keys()) == known
    assert caplog.text.count("those known go on") == 2


def test_both_are_read_or_neither(shelf: Shelf) -> None:
    assert shelf.ledger is not None
    byok.add(shelf.ledger, stored("a", sealed=shelf.vault.seal("a", "sk-a")))
    keys, made = shelf.read()
    assert ([key.text for key in keys], made) == (["sk-a"], [])
    byok.remove(shelf.ledger, "a")
    with shelf.ledger.engine.begin() as connection:
        presets.presets.drop(connection)
    with pytest.raises(SQLAlchemyError):
        shelf.read()
    assert [key.id for key in shelf.kept_keys] == ["a"]


def test_keys_come_in_their_order_and_say_what_they_are_for(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    first = stored("a", sealed=vault.seal("a", "sk-a"), is_fallback=True, allowed_user_ids=["ada"], version=3)
    second = stored(
        "b", sealed=vault.seal("b", "sk-b"), sort_order=1, is_byok_only=True, declared_zdr=False, disabled=True
    )
    keys = own_keys([second, first], vault)
    assert [(key.text, key.kind, key.required, key.disabled) for key in keys] == [
        ("sk-a", "fallback", False, False),
        ("sk-b", "prioritized", False, True),
    ]
    assert (keys[0].users, keys[0].models, keys[0].hashes) == (["ada"], None, None)
    assert [(key.exclusive, key.zdr) for key in keys] == [(False, None), (True, False)]
    assert [key.label for key in keys] == ["byok-a.3", "byok-b"]


def test_a_key_gets_another_text_encrypted_and_masked(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with pytest.raises(OwnKeyError):
        filled(stored("a"), "two words", vault)
    assert not vault.file.exists()
    key = filled(stored("a", version=3), " sk-other-0123456789\n", vault)
    assert (key.label, key.version, vault.open("a", key.sealed)) == ("sk-...6789", 4, "sk-other-0123456789")


def test_a_key_that_cannot_be_decrypted_says_why(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    good = stored("a", sealed=vault.seal("a", "sk-a"))
    swapped = stored("b", sealed=good.sealed)
    keys = own_keys([good, swapped], vault)
    assert [(key.text, key.problem is None) for key in keys] == [("sk-a", True), (None, False)]
