"""``turnout provider``: what is known, what is on, and whether it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from turnout import _native
from turnout.cli.provider import list_providers, show
from turnout.cli.provider import test as try_out
from turnout.providers import ROWS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wide terminal, an environment without a key, and a folder without a file."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("TURNOUT_CONFIG", raising=False)
    for known in ROWS:
        for variable in known.env:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def written(directory: Path, text: str) -> Path:
    path = directory / "t.yaml"
    path.write_text(text)
    return path


def line(shown: str, slug: str) -> str:
    return next(one for one in shown.splitlines() if one.startswith(f"│ {slug} "))


def test_the_list_tells_what_is_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk-hush")
    text = """
        providers:
          mine: {base_url: "http://127.0.0.1:1/v1"}
          work: {row: mistral, api_key: k}
          deepseek: {}
          cohere: {enabled: false, api_key: k}
        """
    assert list_providers(written(tmp_path, text)) == 0
    shown = capsys.readouterr().out
    assert f"Known providers ({len(ROWS)}" in shown
    assert "on" in line(shown, "mine")
    assert "on as work" in line(shown, "mistral")
    assert "on, without its key" in line(shown, "deepseek")
    assert "off" in line(shown, "cohere")
    assert "its key is in the environment" in line(shown, "groq")
    assert "hush" not in shown


def test_without_a_file_the_environment_switches_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk-hush")
    monkeypatch.setenv("WANDB_API_KEY", "for-something-else")
    assert list_providers(None) == 0
    shown = capsys.readouterr().out
    assert "on, by the environment" in line(shown, "groq")
    assert "its key is in the environment" in line(shown, "wandb")


def test_one_is_shown_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert show("azure", None) == 0
    shown = capsys.readouterr().out
    for part in ("https://{resource}.openai.azure.com/openai", "AZURE_API_KEY", "entra", "setting resource", "30 days"):
        assert part in shown


def test_nobody_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert show("grok", None) == 1
    assert "no provider is called grok (did you mean groq?)" in capsys.readouterr().out
    assert try_out("grok", None, None) == 1


def test_a_provider_that_answers_is_told_to_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mock = _native.Mock("127.0.0.1:0", record=True)
    try:
        path = written(
            tmp_path,
            f'providers: {{mine: {{base_url: "http://{mock.address}/v1", api_key: sk-hush, enabled: false}}}}\n'
            "models: {a/m: mine}\nkeys: [{name: k, key: 0123456789abcdef, models: [a/m]}]\n",
        )
        assert try_out("mine", "echo", path) == 0
        shown = capsys.readouterr().out
        assert mock.address in shown
        assert " 200 " in shown
        assert "hush" not in shown
        assert try_out("mine", "echo;status=403", path) == 1
        assert " 403 " in capsys.readouterr().out
    finally:
        mock.stop()


def test_without_a_model_the_provider_s_own_list_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mock = _native.Mock("127.0.0.1:0")
    try:
        path = written(tmp_path, f'providers: {{mine: {{base_url: "http://{mock.address}/v1"}}}}')
        assert try_out("mine", None, path) == 0
        assert "echo" in capsys.readouterr().out
    finally:
        mock.stop()


def test_what_cannot_be_compiled_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert try_out("groq", None, written(tmp_path, "providers: {groq: {}}")) == 1
    assert "set the environment variable GROQ_API_KEY" in capsys.readouterr().out


def test_a_token_that_cannot_be_had_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    path = written(tmp_path, "providers: {google-vertex: {settings: {project: p}}}")
    assert try_out("google-vertex", None, path) == 1
    shown = capsys.readouterr().out
    assert "missing.json" in shown
