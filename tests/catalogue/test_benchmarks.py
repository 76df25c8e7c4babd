"""Estimates of how good models are."""

from __future__ import annotations

from turnout.catalogue import benchmarks, data


def test_every_family_has_a_model_and_its_scores_are_in_range() -> None:
    known = {entry.slug: benchmarks.scores(entry.slug) for entry in data.load().models if "text" in entry.outputs}
    scored = [scores for scores in known.values() if scores is not None]
    assert len(scored) > len(known) // 2
    assert all(0 < score <= 100 and score % 5 == 0 for scores in scored for score in scores)


def test_what_is_more_special_wins_and_a_variant_is_the_model() -> None:
    large, small = benchmarks.scores("openai/gpt-5"), benchmarks.scores("openai/gpt-5-nano")
    assert large is not None
    assert small is not None
    assert large.coding > small.coding
    assert benchmarks.scores("openai/gpt-oss-120b:free") == benchmarks.scores("openai/gpt-oss-120b")


def test_a_model_for_one_purpose_or_of_nobody_has_none() -> None:
    assert benchmarks.scores("openai/gpt-4o-audio-preview") is None
    assert benchmarks.scores("meta-llama/llama-guard-4-12b") is None
    assert benchmarks.scores("nobody/nothing") is None
