"""Aliases are followed to models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from written import LOCAL, compiled, messages, mistakes

if TYPE_CHECKING:
    from pathlib import Path


def test_aliases_are_followed_to_the_model(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {provider: local, aliases: [m]}}\naliases: {x: y, y: m, z: a/m}"
    assert compiled(tmp_path, text).snapshot.aliases == {"m": "a/m", "x": "a/m", "y": "a/m", "z": "a/m"}


def test_an_alias_of_a_wildcard_slug_makes_it_a_model(tmp_path: Path) -> None:
    made = compiled(tmp_path, LOCAL + "models: {a/*: local}\naliases: {x: a/deep/m}").snapshot
    assert made.aliases == {"x": "a/deep/m"}
    assert [(one.slug, one.endpoints[0].model) for one in made.models] == [("a/deep/m", "deep/m")]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("{x: b/none}", "there is no model b/none"),
        ("{a/m: a/n}", "a/m is already the slug of a model"),
        ("{x: y, y: x}", "the alias x leads back to itself"),
        ("{x: x}", "the alias x leads back to itself"),
        ("{'x*': a/m}", "an alias has letters, digits and . _ : @ / ~ -, and no wildcard"),
        ("{given: a/n}", "the alias given is given to two models: a/m and a/n"),
    ],
)
def test_mistakes_of_an_alias(tmp_path: Path, aliases: str, message: str) -> None:
    text = f"{LOCAL}models: {{a/m: {{provider: local, aliases: [given]}}, a/n: local}}\naliases: {aliases}"
    assert message in messages(tmp_path, text)


def test_a_misspelt_target_has_a_near_name(tmp_path: Path) -> None:
    assert mistakes(tmp_path, LOCAL + "models: {a/model: local}\naliases: {x: a/modle}")[0].near == "a/model"
