"""``turnout route``: where a request would go, from the configuration or from a running gateway."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import Mock, scripted
from turnout._native import Plane
from turnout.cli.route import ADMIN_KEY, Wish, route
from turnout.config import snapshot

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
keys: [{name: small, sha256: %s, models: [b/m]}]
providers:
  first: {base_url: "http://127.0.0.1:1/v1", api_key: hunter2}
  second: {base_url: "http://127.0.0.1:1/v1"}
catalogue: false
models:
  a/m:
    endpoints:
      - {provider: first, model: up, prices: {prompt: 0.15, completion: 0.6}, max_output_tokens: 100}
      - {provider: second, model: up, prices: {prompt: 0.30, completion: 0.9}}
  b/m: second
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "t.yaml"
    file.write_text(TEXT % ("ab" * 32))
    return file


def written(tmp_path: Path, **members: Any) -> Path:
    file = tmp_path / "body.json"
    file.write_text(json.dumps({"model": "a/m", "messages": [{"role": "user", "content": "hi"}], **members}))
    return file


def test_the_plan_is_a_table(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert route(Wish(file=written(tmp_path), seed=1), config=config) == 0
    shown = capsys.readouterr().out
    assert "a/m (direct)" in shown
    for part in ("first", "second", "0.15, 0.6", "0.3, 0.9", "normal"):
        assert part in shown
    assert "hunter2" not in shown


def test_what_was_dropped_is_shown_with_its_reason(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert route(Wish(file=written(tmp_path, max_tokens=200)), config=config) == 0
    shown = capsys.readouterr().out
    assert "dropped: max_tokens" in shown


def test_a_refusal_is_told_and_is_the_exit_code(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert route(Wish(file=written(tmp_path), model="a/n"), config=config) == 1
    assert "would be refused" in capsys.readouterr().out
    assert route(Wish(file=written(tmp_path), key="small"), config=config) == 1
    assert "small" in capsys.readouterr().out


def test_json_is_what_the_plane_tells(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert route(Wish(file=written(tmp_path), as_json=True), config=config) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["endpoint"] for one in told["turnout_explain"]["candidates"]} == {"first", "second"}


def test_the_body_may_come_from_the_standard_input_and_be_of_another_api(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pathlib import Path

    body = io.BytesIO(b'{"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}')
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(body))
    assert route(Wish(file=Path("-"), api="gemini", model="a/m"), config=config) == 0
    assert "a/m (direct)" in capsys.readouterr().out


def test_mistakes_are_told(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.json").write_text("{")
    assert route(Wish(file=tmp_path / "no.json"), config=config) == 1
    assert "is not JSON" in capsys.readouterr().out
    (tmp_path / "no.json").write_text("[]")
    assert route(Wish(file=tmp_path / "no.json"), config=config) == 1
    assert "expected a JSON object" in capsys.readouterr().out
    assert route(Wish(file=tmp_path / "nowhere.json"), config=config) == 1
    assert "nowhere.json" in capsys.readouterr().out
    assert route(Wish(file=written(tmp_path), api="nope"), config=config) == 1
    assert "no API is called" in capsys.readouterr().out
    config.write_text("sever: {}")
    assert route(Wish(file=written(tmp_path)), config=config) == 1
    assert "did you mean server?" in capsys.readouterr().out


def test_a_running_gateway_is_asked_with_the_admin_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv(ADMIN_KEY, raising=False)
    assert route(Wish(file=written(tmp_path)), config=None, url="http://127.0.0.1:1") == 1
    assert ADMIN_KEY in capsys.readouterr().out
    monkeypatch.setenv(ADMIN_KEY, "sk-admin")
    assert route(Wish(file=written(tmp_path)), config=None, url="http://127.0.0.1:1") == 1
    assert "no answer from http://127.0.0.1:1/api/admin/route/explain" in capsys.readouterr().out
    # A plane without a control side refuses what is not hot.
    mock = Mock("127.0.0.1:0")
    encoded = snapshot.encode(scripted("plain", address=mock.address))
    plane = Plane(encoded, listeners=[], control_socket=None, state_dir=str(tmp_path / "state"))
    try:
        (address, *_) = plane.start()
        assert route(Wish(file=written(tmp_path)), config=None, url=f"http://{address}/") == 1
        assert "answered 503" in capsys.readouterr().out
    finally:
        plane.stop()
        mock.stop()


def test_what_a_running_gateway_tells_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import httpx

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv(ADMIN_KEY, "sk-admin")
    mock = Mock("127.0.0.1:0")
    encoded = snapshot.encode(scripted("plain", address=mock.address))
    plane = Plane(encoded, listeners=[], control_socket=None, state_dir=str(tmp_path / "state"))
    sent: list[httpx.Request] = []

    def post(url: str, *, content: bytes, headers: dict[str, str], **_: Any) -> httpx.Response:
        sent.append(httpx.Request("POST", url, content=content, headers=headers))
        return httpx.Response(200, content=plane.explain(content))

    monkeypatch.setattr(httpx, "post", post)
    try:
        assert route(Wish(file=written(tmp_path), model="test/model"), config=None, url="http://gateway/") == 0
    finally:
        plane.stop()
        mock.stop()
    assert str(sent[0].url) == "http://gateway/api/admin/route/explain"
    assert sent[0].headers["authorization"] == "Bearer sk-admin"
    assert "test/model (direct)" in capsys.readouterr().out
