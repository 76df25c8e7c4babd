"""``turnout explain``: the compiled configuration without its secrets, and how a name is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from turnout.cli.explain import explain, resolve
from turnout.config.compile import compile
from turnout.config.load import load

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
keys:
  - {name: all-of-it, key: sk-client-hunter2-hunter2}
  - {name: only-a, sha256: %s, models: [a/*]}
providers:
  first: {base_url: "http://127.0.0.1:1/v1", api_keys: [{key: hunter2a, label: main, weight: 3}, hunter2b]}
  second: {base_url: "https://h/v1", headers: {X-Org: hunter2c}, proxy: "http://u:hunter2d@p.example:3128"}
models:
  a/m:
    aliases: [m]
    endpoints:
      - {provider: first, model: up, prices: {prompt: 0.15, completion: 0.6, request: 0.01}, context_length: 128000}
      - {provider: second}
  b/*: second
ledger: {url: "postgresql://u:hunter2e@h/d"}
server: {admin_key: hunter2f}
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "t.yaml"
    file.write_text(TEXT % ("ab" * 32))
    return file


def test_the_whole_is_shown_with_stars_for_secrets(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(None, path) == 0
    shown = capsys.readouterr().out
    for part in (
        "first",
        "main: *** (weight 3)",
        "x-org: ***",
        "http://***@p.example:3128",
        "a/m",
        "b/*",
        "$0.15",
        "all-of-it",
    ):
        assert part in shown
    assert "hunter2" not in shown


def test_a_model_is_shown_with_its_endpoints_in_order(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("m", path) == 0
    shown = capsys.readouterr().out
    assert "m → a/m (alias)" in shown
    assert shown.index("1. first") < shown.index("2. second")
    for part in ("$0.15 + $0.01 a request", "128,000, unknown", "first byte 5m", "at most 4 attempts within 10m"):
        assert part in shown
    assert "keys that may use it: all-of-it, only-a" in shown
    assert "hunter2" not in shown


def test_a_wildcard_fills_the_name_in_and_keys_are_minded(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("b/anything", path) == 0
    shown = capsys.readouterr().out
    assert "b/anything (wildcard b/*)" in shown
    assert "keys that may use it: all-of-it\n" in shown


def test_an_unknown_name_has_a_near_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("a/n", path) == 1
    assert "no model is called a/n (did you mean a/m?)" in capsys.readouterr().out


def test_mistakes_are_printed_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.yaml").write_text("sever: {}")
    assert explain(None, tmp_path / "t.yaml") == 1
    assert "sever: unknown key (did you mean server?)" in capsys.readouterr().out


def test_names_resolve_in_the_order_of_the_plane(path: Path) -> None:
    made = compile(load(path, {}), auth=True, environment={}).snapshot
    found = {name: resolve(made, name) for name in ("a/m", "m", "b/x", "b/", "none")}
    assert {name: one.how for name, one in found.items() if one} == {
        "a/m": "model",
        "m": "alias",
        "b/x": "wildcard b/*",
    }
    assert found["b/"] is None


def test_a_long_table_is_cut_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    keys = "\n".join(f"  - {{name: key-{n}, sha256: '{n:064x}'}}" for n in range(250))
    (tmp_path / "t.yaml").write_text(f"providers: {{a: {{base_url: 'http://h'}}}}\nkeys:\n{keys}\n")
    assert explain(None, tmp_path / "t.yaml") == 0
    assert "and 50 more" in capsys.readouterr().out


def test_a_router_is_told_from_a_model(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("turnout/auto", path) == 0
    assert "turnout/auto → openrouter/auto (router)" in capsys.readouterr().out
