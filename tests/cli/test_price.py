"""``turnout price``: what a request would cost, endpoint by endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from turnout.cli import app
from turnout.cli.price import price

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
providers:
  dear: {base_url: "http://127.0.0.1:1/v1"}
  cheap: {base_url: "http://127.0.0.1:2/v1", name: Cheap}
  unknown: {base_url: "http://127.0.0.1:3/v1"}
models:
  a/m:
    aliases: [m]
    endpoints:
      - {provider: unknown}
      - {provider: dear, prices: {prompt: 10, completion: 20}}
      - {provider: cheap, prices: {prompt: 1, completion: 2, cache_read: 0.1, request: 0.01}}
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "t.yaml"
    file.write_text(TEXT)
    return file


def test_the_cheapest_comes_first_and_what_is_unknown_last(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert price("m", path, {"prompt": 1000, "completion": 100, "cached": 500}, None) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert [row.split("│")[1].strip() for row in rows] == ["cheap", "dear", "unknown"]
    assert "$0.00055" in rows[0]
    assert "$0.0002" in rows[0]
    assert "$0.01075" in rows[0]
    assert "unknown" in rows[2].split("│")[-2]


def test_the_command_passes_what_it_was_given(path: Path) -> None:
    options = ["--prompt", "1000", "--completion", "100", "--cached", "500", "--json", "-c", str(path)]
    result = CliRunner().invoke(app, ["price", "a/m", *options])
    assert result.exit_code == 0, result.output
    cheap, dear, unknown = json.loads(result.output)
    assert cheap == {
        "tag": "cheap",
        "provider": "Cheap",
        "total_nano": 10_750_000,
        "prompt_nano": 550_000,
        "completion_nano": 200_000,
    }
    assert (dear["total_nano"], unknown["total_nano"]) == (12_000_000, None)


def test_an_unknown_name_comes_with_a_near_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert price("a/n", path, {}, None) == 1
    assert "a/m" in capsys.readouterr().out


def test_a_wrong_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("models: {a/m: nobody}")
    assert price("a/m", file, {}, None) == 1
    assert "nobody" in capsys.readouterr().out
