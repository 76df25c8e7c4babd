"""``vault.py``: texts are sealed for one owner, under keys of the configuration or of a file."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from turnout import vault
from turnout.vault import Vault, VaultError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-upstream-0123456789"
OLD, NEW = "o" * 32, "n" * 40


def test_a_sealed_text_is_opened_again_and_shows_nothing(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal("a", SECRET)
    assert SECRET not in sealed
    assert Vault(tmp_path).open("a", sealed) == SECRET
    assert Vault(tmp_path).seal("a", SECRET) != sealed, "equal secrets look different"


def test_the_file_is_made_when_it_is_needed_and_for_its_owner_only(tmp_path: Path) -> None:
    made = Vault(tmp_path)
    assert made.sorted({}) == ({}, {})
    assert not made.file.exists()
    made.seal("a", SECRET)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert len(made.file.read_text().split()) == 1


def test_configured_keys_need_no_file(tmp_path: Path) -> None:
    made = Vault(tmp_path, [NEW, OLD])
    assert made.open("a", Vault(tmp_path, [OLD]).seal("a", SECRET)) == SECRET
    # The first one encrypts.
    assert Vault(tmp_path, [NEW]).open("a", made.seal("a", SECRET)) == SECRET
    assert not made.file.exists()


def test_a_text_that_was_sealed_for_another_is_not_opened(tmp_path: Path) -> None:
    made = Vault(tmp_path, [NEW])
    with pytest.raises(VaultError, match="belongs to another entry"):
        made.open("b", made.seal("a", SECRET))


@pytest.mark.parametrize("sealed", ["", "nonsense", "gAAAAA==", "ä"])
def test_what_was_never_sealed_is_not_opened(tmp_path: Path, sealed: str) -> None:
    with pytest.raises(VaultError, match=r"another key than those in server\.encryption_keys"):
        Vault(tmp_path, [NEW]).open("a", sealed)


def test_the_wrong_key_opens_nothing_and_says_where_to_look(tmp_path: Path) -> None:
    sealed = {"a": Vault(tmp_path, [OLD]).seal("a", SECRET), "b": Vault(tmp_path, [NEW]).seal("b", SECRET)}
    found, lost = Vault(tmp_path, [NEW]).sorted(sealed)
    assert found == {"b": SECRET}
    assert list(lost) == ["a"]
    assert "put that key back" in lost["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "restore .* from a backup"), (b"short", "expected 1 to 8 lines"), (b"", "expected 1"), (b"\xff", "cannot")],
)
def test_a_file_without_keys_says_what_to_do(tmp_path: Path, content: bytes | None, message: str) -> None:
    made = Vault(tmp_path)
    sealed = made.seal("a", SECRET)
    made.file.unlink() if content is None else made.file.write_bytes(content)
    with pytest.raises(VaultError, match=message):
        made.open("a", sealed)


def test_a_new_key_encrypts_and_the_former_one_still_decrypts(tmp_path: Path) -> None:
    made = Vault(tmp_path)
    sealed = made.seal("a", SECRET)
    for _ in range(vault.KEYS_MAX + 2):
        vault.renew(made)
    assert len(made.file.read_text().split()) == vault.KEYS_MAX
    vault.forget(made)
    assert len(made.file.read_text().split()) == 2
    with pytest.raises(VaultError):
        made.open("a", sealed)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be written: No such file"):
        Vault(tmp_path / "missing").seal("a", SECRET)
