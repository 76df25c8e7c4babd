"""Two gateways with one database: what goes in through the API of one is used by the other, within seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.plane.harness import KEY, chat, eventually
from tests.process.gateway import ADMIN, SLOW_S, Gateway, config, serving
from turnout._native import Mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "sk-handed-in-0123456789"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Gateway, Gateway, Mock]]:
    mock = Mock("127.0.0.1:0", threads=1, record=True)
    text = config(mock.address, encryption_keys=f"[{'k' * 32}]")
    text = text.replace("ledger: {", f"ledger: {{path: {tmp_path / 'shared.db'}, ")
    text = text.replace("scripted: {base_url", "scripted: {api_key: sk-shared, base_url")
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with serving(tmp_path / "one", text) as one, serving(tmp_path / "other", text) as other:
        yield one, other, mock
    mock.stop()


def asked(gateway: Gateway, model: str = "test/model") -> int:
    headers = {"authorization": f"Bearer {KEY}"}
    url = f"http://{gateway.address}/v1/chat/completions"
    return httpx.post(url, json=chat(model=model), headers=headers, timeout=SLOW_S, trust_env=False).status_code


def changed(gateway: Gateway, method: str, path: str, body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {ADMIN}"}
    url = f"http://{gateway.address}/v1{path}"
    answer = httpx.request(method, url, json=body, headers=headers, timeout=SLOW_S, trust_env=False)
    assert answer.is_success, answer.text
    return answer.json()


def generation(gateway: Gateway) -> int:
    number: int = gateway.health()["config"]["generation"]
    return number


def used(gateway: Gateway, mock: Mock) -> bool:
    """Whether a request goes with the handed-in key."""
    mock.reset()
    assert asked(gateway) == 200
    received = json.loads(mock.received())["requests"]
    return f"Bearer {SECRET}" in [dict(one["headers"]).get("authorization") for one in received]


def test_a_key_and_a_preset_of_one_gateway_are_used_by_the_other(two: tuple[Gateway, Gateway, Mock]) -> None:
    one, other, mock = two
    assert not used(other, mock)
    key = changed(one, "POST", "/byok", {"provider": "scripted", "key": SECRET})["data"]
    assert used(one, mock)
    here = generation(one)
    eventually(lambda: used(other, mock), "the other gateway uses the key", SLOW_S)
    changed(other, "PATCH", f"/byok/{key['id']}", {"disabled": True})
    assert not used(other, mock)
    eventually(lambda: not used(one, mock), "the first gateway uses it no more", SLOW_S)
    # The first one put its own change in place once, and the other's.
    assert generation(one) == here + 1

    assert asked(other, "@preset/brief") == 404
    changed(one, "POST", "/presets/brief/chat/completions", {"model": "test/model"})
    eventually(lambda: asked(other, "@preset/brief") == 200, "the other gateway knows the preset", SLOW_S)
    changed(other, "DELETE", "/presets/brief")
    eventually(lambda: asked(one, "@preset/brief") == 404, "the preset is gone from the first", SLOW_S)
    for gateway in (one, other):
        assert gateway.health()["config"]["reload_error"] is None


def test_a_key_of_the_command_line_is_used_by_gateways_that_run(two: tuple[Gateway, Gateway, Mock]) -> None:
    one, other, mock = two

    def byok(*words: str) -> str:
        options = ["-c", str(one.file), "--state", str(one.state_dir)]
        command = [sys.executable, "-m", "turnout", "byok", *words, *options]
        done = subprocess.run(command, input=SECRET, capture_output=True, text=True, timeout=SLOW_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def use_it() -> list[bool]:
        return [used(gateway, mock) for gateway in (one, other)]

    key_id = byok("add", "scripted")
    eventually(lambda: all(use_it()), "both use the key", SLOW_S)
    byok("delete", key_id)
    eventually(lambda: not any(use_it()), "none uses it any more", SLOW_S)
