"""The catalogue on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from turnout import cli
from turnout.catalogue import data

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Away from this machine's own configuration, state and width of terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("TURNOUT_CONFIG", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["catalog", *arguments])


def openrouter(path: Path, prompt: str = "0.000001") -> Path:
    model = {"id": "acme/new", "name": "Acme: New", "pricing": {"prompt": prompt, "completion": "0.000002"}}
    path.write_text(json.dumps({"data": [model]}))
    return path


def test_show_tells_what_there_is() -> None:
    result = run("show")
    assert result.exit_code == 0
    assert "genai-prices" in result.output
    assert f"{len(data.load().models)} models" in result.output


@pytest.mark.parametrize("name", ["openai/gpt-4o-mini", "gpt-4o-mini"])
def test_show_a_model_by_any_of_its_names(name: str) -> None:
    result = run("show", name)
    assert result.exit_code == 0
    assert data.by_slug(data.load())["openai/gpt-4o-mini"].name in result.output
    assert "$0.15" in result.output
    assert "batch: $0.075" in result.output


def test_show_the_newest_of_a_family() -> None:
    assert data.load().families["anthropic/claude-opus"][0] in run("show", "~anthropic/claude-opus-latest").output


def test_show_a_providers_models() -> None:
    result = run("show", "--provider", "groq")
    assert "llama-3.3-70b-versatile" in result.output


def test_json_is_whole() -> None:
    assert json.loads(run("show", "openai/gpt-4o-mini", "--json").output)["slug"] == "openai/gpt-4o-mini"
    assert len(json.loads(run("show", "--json").output)["models"]) == len(data.load().models)
    assert all(row["provider"] == "groq" for row in json.loads(run("show", "--provider", "groq", "--json").output))


def test_an_unknown_name_has_a_near_one() -> None:
    result = run("show", "openai/gpt-4o-minni")
    assert result.exit_code == 1
    assert "did you mean openai/gpt-4o-mini" in result.stderr
    assert "did you mean groq" in run("show", "--provider", "grok").stderr


def test_diff_shows_what_a_file_would_change(tmp_path: Path) -> None:
    found = json.loads(run("diff", "--file", str(openrouter(tmp_path / "list.json")), "--json").output)
    assert [(one["slug"], one["field"]) for one in found["differences"]] == [("acme/new", "model")]
    assert found["overrides"] == []


def test_diff_shows_what_the_configuration_overrides(tmp_path: Path) -> None:
    (tmp_path / "turnout.yaml").write_text(
        "providers: {openai: {api_key: sk-1}}\n"
        "models: {openai/gpt-4o-mini: {name: Ours, provider: openai, prices: {prompt: 9, completion: 0.6}}}\n"
        "catalogue: {hide: [openai/gpt-4.1]}\n"
    )
    found = json.loads(run("diff", "--file", str(openrouter(tmp_path / "list.json")), "--json").output)["overrides"]
    rows = {(one["slug"], one["field"]): (one["before"], one["after"]) for one in found}
    assert rows["openai/gpt-4o-mini", "prices.prompt"] == (150_000_000, 9_000_000_000)
    assert rows["openai/gpt-4o-mini", "name"] == (None, "Ours")
    assert rows["openai/gpt-4.1", "hidden"] == (True, None)
    assert ("openai/gpt-4o-mini", "prices.completion") not in rows


def test_diff_with_the_installed_price_list() -> None:
    pytest.importorskip("genai_prices")
    result = run("diff")
    assert result.exit_code == 0
    assert "installed genai-prices" in result.output


def test_update_takes_a_file_and_can_be_taken_back(tmp_path: Path) -> None:
    result = run("update", "--from", str(openrouter(tmp_path / "list.json")))
    assert result.exit_code == 0
    assert "acme/new" in result.output
    assert run("show", "acme/new").exit_code == 0
    assert "packaged → updated: 1 differences" in run("diff").output
    assert "nothing new" in run("update", "--from", str(tmp_path / "list.json")).output
    assert run("update", "--undo").exit_code == 0
    assert run("show", "acme/new").exit_code == 1
    assert run("update", "--undo").exit_code == 1


def test_update_refuses_what_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{}")
    result = run("update", "--from", str(tmp_path / "x"))
    assert result.exit_code == 1
    assert "not a list of models" in result.stderr
    assert "none of models.dev, litellm, openrouter" in run("update", "--from", "nowhere").stderr
    assert run("show", "openai/gpt-4o-mini").exit_code == 0
