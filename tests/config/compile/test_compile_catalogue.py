"""What can be asked for, and every mistake of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from written import LOCAL, compiled, told

if TYPE_CHECKING:
    from pathlib import Path


def test_the_short_forms_mean_the_long_one(tmp_path: Path) -> None:
    models = [
        compiled(tmp_path, f"{LOCAL}models: {{a/m: {short}}}").snapshot.models
        for short in ("local", "{provider: local}", "{endpoints: [{provider: local, model: m, tag: local}]}")
    ]
    assert models[0] == models[1] == models[2]


def test_an_empty_models_section_passes_every_name_on(tmp_path: Path) -> None:
    made = compiled(tmp_path, LOCAL).snapshot
    assert [(one.prefix, one.endpoints[0].model, one.endpoints[0].tag) for one in made.wildcards] == [
        ("local/", "*", "local")
    ]


@pytest.mark.parametrize(
    ("models", "key", "message"),
    [
        (
            "{plain: local}",
            "models.plain",
            "a model's slug has the form author/name, such as openai/gpt-4o, or ends in a wildcard, openai/*",
        ),
        ("{a/*b: local}", "models.a/*b", "a wildcard has one * at its very end, such as openai/*"),
        ("{a/m: {provider: lokal}}", "models.a/m.provider", "no provider is called lokal"),
        (
            "{a/m: {provider: groq}}",
            "models.a/m.provider",
            "the provider groq is known but not in this file: add it to providers",
        ),
        ("{a/m: {provider: local, model: x*}}", "models.a/m.model", "* only means something in a wildcard model"),
        ("{a/*: {provider: local, model: '**'}}", "models.a/*.model", "at most one * is replaced"),
        (
            "{a/*: {provider: local, name: x}}",
            "models.a/*.name",
            "a wildcard has endpoints only: it names no single model",
        ),
        (
            "{a/*: {provider: local, aliases: [x]}}",
            "models.a/*.aliases",
            "a wildcard has endpoints only: it names no single model",
        ),
        (
            "{a/m: {provider: local, tag: turbo}}",
            "models.a/m.tag",
            "a tag is the provider's slug, or begins with it: local/turbo",
        ),
        (
            "{a/m: {endpoints: [{provider: local, tag: local/x}, {provider: local, tag: local/x}]}}",
            "models.a/m.endpoints[1].tag",
            "the tag local/x occurs twice in this model",
        ),
    ],
)
def test_mistakes_of_a_model(tmp_path: Path, models: str, key: str, message: str) -> None:
    found = told(tmp_path, f"{LOCAL}models: {models}")
    assert (key, message) in [(where, what) for _, where, what in found]
