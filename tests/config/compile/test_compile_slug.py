"""Wildcards and what they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from written import LOCAL, compiled

from turnout.config.compile import filled, matching

if TYPE_CHECKING:
    from pathlib import Path


def test_the_longest_wildcard_comes_first_and_star_is_never_empty(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, LOCAL + "models: {'*': local, a/*: local, a/b-*: {provider: local, model: x-*-y}}"
    ).snapshot
    assert [one.prefix for one in made.wildcards] == ["a/b-", "a/", ""]
    found = matching(made.wildcards, "a/b-7")
    assert found is not None
    assert [one.model for one in filled(found, "a/b-7")] == ["x-7-y"]
    second = matching(made.wildcards, "a/b-")
    assert second is not None
    assert second.prefix == "a/"
