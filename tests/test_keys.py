"""Keys made at the first start: random, kept as a hash, for their owner only, shown once."""

from __future__ import annotations

import hashlib
import re
import stat
from typing import TYPE_CHECKING

import pytest

from turnout import keys

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("purpose", "form"), [("client", r"sk-to-v1-[0-9a-f]{64}"), ("admin", r"sk-to-admin-[0-9a-f]{64}")]
)
def test_a_key_says_what_it_is_for_and_is_random(purpose: keys.Purpose, form: str) -> None:
    assert re.fullmatch(form, keys.make(purpose))
    assert keys.make(purpose) != keys.make(purpose)


def test_the_first_start_shows_the_key_and_later_ones_do_not(tmp_path: Path) -> None:
    made = keys.ensure(tmp_path, "client")
    assert made is not None
    assert keys.ensure(tmp_path, "client") is None
    stored = keys.load(tmp_path).client
    assert stored is not None
    assert stored.sha256 == hashlib.sha256(made.encode()).hexdigest()


def test_the_file_holds_hashes_only_and_is_for_its_owner_only(tmp_path: Path) -> None:
    client, admin = keys.renew(tmp_path, "client"), keys.renew(tmp_path, "admin")
    content = keys.path(tmp_path).read_text()
    assert client not in content
    assert admin not in content
    assert stat.S_IMODE(keys.path(tmp_path).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]


def test_a_new_key_replaces_the_one_and_leaves_the_other(tmp_path: Path) -> None:
    keys.renew(tmp_path, "admin")
    before = keys.load(tmp_path)
    keys.renew(tmp_path, "client")
    first = keys.load(tmp_path).client
    keys.renew(tmp_path, "client")
    after = keys.load(tmp_path)
    assert after.client != first
    assert after.admin == before.admin


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"client": {"sha256": 1}}'])
def test_a_damaged_file_is_an_error_that_names_it_and_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    keys.path(tmp_path).write_bytes(content)
    with pytest.raises(keys.KeysError, match=r"keys\.json"):
        keys.ensure(tmp_path, "client")
    assert keys.path(tmp_path).read_bytes() == content


def test_a_stored_key_is_a_client_key_without_limits() -> None:
    key = keys.as_client_key("ab" * 32, "default")
    assert (key.sha256, key.name, key.models, key.disabled, key.expires_unix) == (
        "ab" * 32,
        "default",
        None,
        False,
        None,
    )
