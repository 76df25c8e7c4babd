"""Client keys become hashes with what they may use."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from written import LOCAL, compiled, messages

from turnout.config import snapshot
from turnout.config.compile import compile
from turnout.config.load import load

if TYPE_CHECKING:
    from pathlib import Path


def test_a_key_is_known_by_its_hash_only(tmp_path: Path) -> None:
    text = LOCAL + "keys: [{name: one, key: sk-a-long-enough-key, expires: 1800000000}]"
    key = compiled(tmp_path, text).snapshot.keys[0]
    assert key.sha256 == hashlib.sha256(b"sk-a-long-enough-key").hexdigest()
    assert (key.name, key.models, key.disabled, key.expires_unix) == ("one", None, False, 1_800_000_000)


def test_allowed_models_are_slugs_patterns_and_followed_aliases(tmp_path: Path) -> None:
    text = """
        providers: {local: {base_url: "http://127.0.0.1/v1"}}
        models: {a/m: {provider: local, aliases: [x]}, w/*: local}
        keys: [{name: k, sha256: %s, models: [x, a/*, w/any, w/*, "*", w/so-*]},
               {name: none, key: 0123456789abcdef, models: []}]
        """
    made = compiled(tmp_path, text % ("0" * 64)).snapshot
    assert [key.models for key in made.keys] == [["a/m", "a/*", "w/any", "w/*", "*", "w/so-*"], []]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("[{name: a}]", "give key, or sha256 of it"),
        ("[{name: a, key: sk-0123456789abcdef, sha256: %s}]", "give either key or sha256, not both"),
        ("[{name: a, sha256: %s}, {name: a, key: sk-0123456789abcdef}]", "two keys are called a"),
        ("[{name: a, sha256: %s}, {name: b, sha256: %s}]", "the same key as a"),
        ("[{name: a, sha256: %s, models: [b/none]}]", "no model matches b/none"),
        ("[{name: a, sha256: %s, models: [b/*]}]", "no model matches b/*"),
        ("[{name: a, sha256: %s, models: ['*/m*']}]", "no model matches */m*"),
    ],
)
def test_mistakes_of_a_key(tmp_path: Path, keys: str, message: str) -> None:
    text = f"{LOCAL}models: {{a/m: local}}\nkeys: {keys.replace('%s', 'ab' * 32)}"
    assert messages(tmp_path, text) == [message]


def test_a_short_key_is_warned_about(tmp_path: Path) -> None:
    result = compiled(tmp_path, LOCAL + "keys: [{name: a, key: hunter2}]")
    assert len(result.warnings) == 1
    assert "below 16 characters" in result.warnings[0]
    assert "hunter2" not in result.warnings[0]


def test_keys_from_elsewhere_come_after_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(f"keys: [{{name: file, sha256: {'a' * 64}}}]")
    extra = [
        snapshot.Key(
            sha256=digit * 64,
            name=f"extra {digit}",
            models=None,
            disabled=False,
            expires_unix=None,
            routing=None,
            limit=None,
            requests_per_minute=None,
            explain=None,
        )
        for digit in "ab"
    ]
    made = compile(load(tmp_path / "t.yaml", {}), auth=False, environment={}, extra_keys=extra).snapshot
    assert [key.name for key in made.keys] == ["file", "extra b"]
    assert made.auth is False
