"""``cli/database.py``: the database of a configuration, and what is told when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake.gateways import CONFIG
from turnout.cli import database
from turnout.errors import TurnoutError
from turnout.ledger import byok

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from turnout.cli.database import Database


def test_the_work_has_the_database_in_todays_schema_and_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "turnout.yaml").write_text(CONFIG)

    def work(opened: Database) -> int:
        assert byok.every(opened.ledger) == []
        assert opened.place.endswith(str(tmp_path / "ledger.db"))
        assert [key.name for key in opened.compiled([]).snapshot.keys] == ["me", "off", "old"]
        assert opened.vault.file.parent == tmp_path
        return 3

    assert database.use(tmp_path / "turnout.yaml", tmp_path, work) == 3


def test_what_fails_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "turnout.yaml").write_text(CONFIG)

    def work(opened: Database) -> int:
        raise TurnoutError("mend it: thus")

    assert database.use(tmp_path / "turnout.yaml", tmp_path, work) == 1
    assert capsys.readouterr().err == "mend it: thus\n"


def test_the_password_of_a_database_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "turnout.yaml").write_text(CONFIG)
    places: list[str] = []

    def work(opened: Database) -> int:
        places.append(opened.place)
        with_password = opened.ledger.engine.url.set(username="me", password="hunter2e", host="h")
        opened.ledger.engine.url = with_password
        places.append(opened.place)
        return 0

    assert database.use(tmp_path / "turnout.yaml", tmp_path, work) == 0
    assert "hunter2e" not in places[1] != places[0]
