"""``turnout init``: a starter that ``check`` finds good, and that overwrites nothing by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from turnout.cli.check import check
from turnout.cli.init import STARTER, init
from turnout.config.compile import compile
from turnout.config.load import load

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_starter_is_good_and_without_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "turnout.yaml"
    assert init(path, force=False) == 0
    assert check(path) == 0
    assert "warning" not in capsys.readouterr().out


def test_the_starter_s_examples_are_good_when_uncommented(tmp_path: Path) -> None:
    path = tmp_path / "turnout.yaml"
    (tmp_path / "groq.key").write_text("gsk-example\n")
    # Prose has exactly one space behind its #, settings have none or their indentation.
    path.write_text(re.sub(r"(?m)^#(?=\S|  )", "", STARTER))
    environment = {"OPENAI_API_KEY": "sk-example", "LAPTOP_KEY": "sk-to-v1-example"}
    made = compile(load(path, environment), auth=True, environment=environment).snapshot
    assert [provider.slug for provider in made.providers] == ["local", "openai", "groq"]
    assert made.aliases["fast"] == "openai/gpt-4o-mini"
    assert [key.name for key in made.keys] == ["laptop"]


def test_an_existing_file_is_left_alone_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "turnout.yaml"
    path.write_text("mine")
    assert init(path, force=False) == 1
    assert path.read_text() == "mine"
    assert "exists already" in capsys.readouterr().out
    assert init(path, force=True) == 0
    assert path.read_text() == STARTER


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "none" / "turnout.yaml", force=False) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().out
