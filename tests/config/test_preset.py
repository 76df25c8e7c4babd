"""``config/preset.py``: what a preset may hold, and what becomes of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from turnout.config import preset
from turnout.config.snapshot import Preset


def test_what_the_plane_reads_by_itself_is_set_apart() -> None:
    config = {"model": "a/b", "cache_enabled": False, "cache_ttl_seconds": 10**9, "temperature": 0.2}
    assert preset.compiled("brief", config, system="", disabled=False) == Preset(
        slug="brief",
        disabled=False,
        model="a/b",
        system=None,
        config='{"temperature":0.2}',
        cache_enabled=False,
        cache_ttl_seconds=86_400,
    )


def test_numbers_of_yaml_stay_exact_and_finite() -> None:
    assert preset.compiled("a", {"top_p": Decimal("0.10")}, system=None, disabled=False).config == '{"top_p":0.10}'
    with pytest.raises(preset.PresetError, match="finite"):
        preset.compiled("a", {"top_p": Decimal("NaN")}, system=None, disabled=False)


@pytest.mark.parametrize(
    ("slug", "config", "word"),
    [
        ("no/slash", {}, "name"),
        ("", {}, "name"),
        ("a", {"messages": []}, "messages"),
        ("a", {"stream": True}, "stream"),
        ("a", {"model": "@preset/b"}, "another preset"),
        ("a", {"models": "b"}, "models"),
        ("a", {"cache_ttl_seconds": True}, "whole number"),
        ("a", {"tools": {}}, "tools"),
    ],
)
def test_what_cannot_be_a_preset_says_why(slug: str, config: dict[str, Any], word: str) -> None:
    with pytest.raises(preset.PresetError, match=word):
        preset.check(slug, config)
