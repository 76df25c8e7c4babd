"""``turnout secrets rotate``: what is encrypted with the former key is encrypted with the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fake.gateways import CONFIG
from tests.ledger.test_byok import stored
from turnout.cli.secrets import rotate
from turnout.ledger import byok, store
from turnout.vault import Vault, VaultError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[store.Ledger]:
    (tmp_path / "turnout.yaml").write_text(CONFIG)
    opened = store.open_ledger(store.sqlite_url(tmp_path / "ledger.db"))
    store.migrate(opened)
    yield opened
    store.close_ledger(opened)


def keep(ledger: store.Ledger, vault: Vault, *names: str) -> None:
    for name in names:
        byok.add(ledger, stored(name, sealed=vault.seal(name, f"sk-{name}")))


def texts(ledger: store.Ledger, vault: Vault) -> dict[str, str]:
    return vault.opened({key.id: key.sealed for key in byok.every(ledger)})


def test_the_file_gets_a_new_key_and_everything_is_encrypted_with_it(
    ledger: store.Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = Vault(tmp_path)
    keep(ledger, vault, "a", "b")
    (first,) = vault.file.read_text().split()
    assert rotate(config=tmp_path / "turnout.yaml", state_dir=tmp_path) == 0
    assert "2 provider keys are encrypted" in capsys.readouterr().err
    second, former = vault.file.read_text().split()
    assert former == first != second
    # The new key alone is enough; the former one is there for who was just using it.
    vault.file.write_text(f"{second}\n")
    assert texts(ledger, vault) == {"a": "sk-a", "b": "sk-b"}


def test_configured_keys_are_changed_by_who_configures_them(ledger: store.Ledger, tmp_path: Path) -> None:
    keep(ledger, Vault(tmp_path, [OLD]), "a")
    file = tmp_path / "turnout.yaml"
    file.write_text(CONFIG.replace("server:", f"server:\n  encryption_keys: [{NEW}, {OLD}]"))
    assert rotate(config=file, state_dir=tmp_path) == 0
    assert texts(ledger, Vault(tmp_path, [NEW])) == {"a": "sk-a"}
    assert not Vault(tmp_path).file.exists()


def test_what_cannot_be_read_is_left_and_told(
    ledger: store.Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(ledger, Vault(tmp_path, [OLD]), "a")
    keep(ledger, Vault(tmp_path), "b")
    before = byok.one(ledger, "a")
    assert rotate(config=tmp_path / "turnout.yaml", state_dir=tmp_path) == 1
    assert "the provider key a was left as it is" in capsys.readouterr().err
    assert byok.one(ledger, "a") == before
    with pytest.raises(VaultError):
        texts(ledger, Vault(tmp_path))


def test_a_wrong_configuration_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "turnout.yaml").write_text("nonsense: 1")
    assert rotate(config=tmp_path / "turnout.yaml", state_dir=tmp_path) == 1
    assert "nonsense" in capsys.readouterr().err
    (tmp_path / "turnout.yaml").write_text(CONFIG + "ledger: {path: turnout.yaml}\n")
    assert rotate(config=tmp_path / "turnout.yaml", state_dir=tmp_path) == 1
    assert "the ledger cannot be used" in capsys.readouterr().err
    assert not Vault(tmp_path).file.exists()
