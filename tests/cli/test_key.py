"""``turnout key new``: shown once on standard output, kept as a hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake.gateways import CONFIG
from turnout import keys
from turnout.cli.key import new

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_key_alone_is_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = keys.renew(tmp_path, "client")
    assert new(config=None, state_dir=tmp_path, purpose="client") == 0
    shown = capsys.readouterr()
    key = shown.out.strip()
    stored = keys.load(tmp_path).client
    assert stored is not None
    assert stored.sha256 == keys.digest(key) != keys.digest(before)
    assert "was replaced" in shown.err


def test_it_says_when_the_configuration_makes_the_key_idle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "turnout.yaml").write_text(CONFIG)
    assert new(config=tmp_path / "turnout.yaml", state_dir=tmp_path, purpose="client") == 0
    assert "keys of its own" in capsys.readouterr().err
    assert new(config=tmp_path / "turnout.yaml", state_dir=tmp_path, purpose="admin") == 0
    assert "server.admin_key" in capsys.readouterr().err


def test_a_wrong_configuration_makes_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "turnout.yaml").write_text("nonsense: 1")
    assert new(config=tmp_path / "turnout.yaml", state_dir=tmp_path, purpose="client") == 1
    assert "nonsense" in capsys.readouterr().err
    assert not keys.path(tmp_path).exists()
