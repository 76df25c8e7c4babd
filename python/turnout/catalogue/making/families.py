"""Families: which models ``~author/family-latest`` chooses from.

OpenRouter's aliases of that form name a line of models of one author; the newest member answers. A family is a pattern
over slugs; its members are ordered by the version in their name, then by the day on which they came out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.catalogue.entry import Entry

FAMILIES: Final = {
    "anthropic/claude-fable": r"anthropic/claude-fable-[\d.]+",
    "anthropic/claude-haiku": r"anthropic/claude-haiku-[\d.]+",
    "anthropic/claude-opus": r"anthropic/claude-opus-[\d.]+",
    "anthropic/claude-sonnet": r"anthropic/claude-sonnet-[\d.]+",
    "deepseek/deepseek-flash": r"deepseek/deepseek-v[\d.]+-flash",
    "deepseek/deepseek-pro": r"deepseek/deepseek-v[\d.]+-pro",
    "google/gemini-flash": r"google/gemini-[\d.]+-flash(?:-preview)?",
    "google/gemini-flash-lite": r"google/gemini-[\d.]+-flash-lite(?:-preview)?",
    "google/gemini-pro": r"google/gemini-[\d.]+-pro(?:-preview)?",
    "meta/muse-spark": r"meta/muse-spark-[\d.]+",
    "minimax/minimax": r"minimax/minimax-m[\d.]+",
    "mistralai/mistral-large": r"mistralai/mistral-large-[\d-]+",
    "mistralai/mistral-medium": r"mistralai/mistral-medium-[\d.-]+",
    "moonshotai/kimi": r"moonshotai/kimi-k[\d.]+(?:-pro)?",
    "openai/gpt": r"openai/gpt-[\d.]+(?:-sol)?",
    "openai/gpt-astra": r"openai/gpt-[\d.]+-astra",
    "openai/gpt-luna": r"openai/gpt-[\d.]+-luna",
    "openai/gpt-mini": r"openai/gpt-[\d.]+-mini",
    "openai/gpt-sol": r"openai/gpt-[\d.]+-sol",
    "openai/gpt-terra": r"openai/gpt-[\d.]+-terra",
    "qwen/qwen-max": r"qwen/qwen[\d.]+-max",
    "qwen/qwen-plus": r"qwen/qwen[\d.]+-plus",
    "x-ai/grok": r"x-ai/grok-[\d.]+",
    "z-ai/glm": r"z-ai/glm-[\d.]+",
    "z-ai/glm-flash": r"z-ai/glm-[\d.]+-flash",
}
"""Each family and the slugs in it, whole. The names are those of OpenRouter's aliases where it has one."""


def families(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """The families that have a member, the newest member first."""
    made = {}
    for family, pattern in FAMILIES.items():
        members = [entry for entry in entries if re.fullmatch(pattern, entry.slug)]
        if members:
            members.sort(key=lambda entry: (version(entry.slug), entry.created), reverse=True)
            made[family] = tuple(entry.slug for entry in members)
    return made


def version(slug: str) -> tuple[int, ...]:
    """The version in a slug, comparable: ``gemini-3.10`` is newer than ``gemini-3.9``.

    xAI counts in fractions (4.1, 4.20, 4.3), so there a part behind the point is filled up with zeros. A number of four
    digits is a year and month, from times in which Mistral had no versions, and so is older than any version.
    """
    numbers = re.search(r"\d+(?:[.-]\d{1,2}(?!\d))*", slug.partition("/")[2])
    if numbers is None:
        return ()
    first, *rest = re.split(r"[.-]", numbers[0])
    if len(first) == 4:
        return 0, int(first)
    return int(first), *(int(part.ljust(2, "0") if slug.startswith("x-ai/") else part) for part in rest)
