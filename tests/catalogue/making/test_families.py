"""The newest member of a family is first."""

from __future__ import annotations

import re

import pytest

from turnout.catalogue.entry import Entry
from turnout.catalogue.making import families


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("google/gemini-3.10-flash", "google/gemini-3.9-flash"),
        ("x-ai/grok-4.3", "x-ai/grok-4.20"),
        ("x-ai/grok-4.20", "x-ai/grok-4.1"),
        ("mistralai/mistral-large-4-0", "mistralai/mistral-large-2512"),
        ("mistralai/mistral-medium-3-5", "mistralai/mistral-medium-3.1"),
        ("anthropic/claude-opus-5", "anthropic/claude-opus-4.8"),
        ("openai/gpt-5.1", "openai/gpt-5"),
    ],
)
def test_versions_compare(newer: str, older: str) -> None:
    assert families.version(newer) > families.version(older)


def test_members_are_those_of_the_pattern_alone() -> None:
    slugs = ["anthropic/claude-opus-4.8", "anthropic/claude-opus-5", "anthropic/claude-opus-5-fast"]
    made = families.families([Entry(slug=slug, name=slug) for slug in slugs])
    assert made == {"anthropic/claude-opus": ("anthropic/claude-opus-5", "anthropic/claude-opus-4.8")}


def test_patterns_stay_with_their_author() -> None:
    for family, pattern in families.FAMILIES.items():
        author = family.partition("/")[0]
        assert re.match(re.escape(author) + "/", pattern)
