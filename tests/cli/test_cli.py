"""The command line as a whole: what it knows, and that the module runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import turnout
from turnout import cli

if TYPE_CHECKING:
    from pathlib import Path


def test_the_version_is_the_packages() -> None:
    result = CliRunner().invoke(cli.app, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"turnout {turnout.__version__}\n"


def test_python_m_turnout_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "turnout", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"turnout {turnout.__version__}\n"


@pytest.mark.parametrize("command", ["serve", "check", "explain", "route", "init", "mock", "key", "catalog", "byok"])
def test_every_command_is_listed(command: str) -> None:
    assert command in CliRunner().invoke(cli.app, ["--help"]).output


def test_the_options_of_serve_arrive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def serve(**options: Any) -> int:
        seen.update(options)
        return 3

    monkeypatch.setattr("turnout.cli.serve.serve", serve)
    options = ["-c", "x.yaml", "--listen", "127.0.0.1:1", "--listen", "[::1]:2", "--demo", "--no-auth"]
    result = CliRunner().invoke(cli.app, ["serve", *options, "--state", str(tmp_path), "--threads", "3"])
    assert result.exit_code == 3
    assert str(seen.pop("config")) == "x.yaml"
    assert seen == {
        "listen": ("127.0.0.1:1", "[::1]:2"),
        "demo": True,
        "auth": False,
        "state_dir": tmp_path,
        "threads": 3,
    }


def test_importing_the_package_loads_neither_the_native_module_nor_a_server() -> None:
    code = "import sys, turnout, turnout.cli; print([m for m in ('turnout._native', 'granian') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = turnout.nonsense
