"""``turnout check``: all mistakes, one a line, and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.cli.check import check

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_good_file_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(
        "providers: {a: {base_url: 'http://h'}, b: {base_url: 'http://h'}}\n"
        "models: {x/y: {provider: a, aliases: [z]}, x/*: b}\n"
    )
    assert check(path) == 0
    assert capsys.readouterr().out == f"{path}: good, 2 providers, 1 model, 1 wildcard, 1 alias, 0 keys\n"


def test_every_mistake_is_printed_whole_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("sever: {}\nlog:\n  level: loud [bold]\n")
    assert check(path) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{path}:1:1 sever: unknown key (did you mean server?)",
        f"{path}:3:3 log.level: expected debug or info or warning or error",
        "2 mistakes",
    ]


def test_a_missing_file_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path / "none.yaml") == 1
    assert "cannot be read: No such file" in capsys.readouterr().out


def test_a_warning_is_printed_and_does_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("log: {}")
    assert check(path) == 0
    assert "no model can be asked for: there is no provider with a key (warning)" in capsys.readouterr().out


def test_without_a_file_the_environment_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TURNOUT_CONFIG", raising=False)
    monkeypatch.setenv("GROQ_API_KEY", "gsk-1")
    assert check(None) == 0
    assert "no file, from the environment: good" in capsys.readouterr().out
