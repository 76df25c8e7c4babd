"""Mistakes print as a line for editors; near names; a list that ends."""

from __future__ import annotations

import pytest

from turnout.config.mistake import MISTAKES_MAX, Mistake, in_order, nearest


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (
            Mistake("t.yaml", 3, 5, "log.level", "unknown key", "levels"),
            "t.yaml:3:5 log.level: unknown key (did you mean levels?)",
        ),
        (Mistake("t.yaml", 3, 5, "", "not valid YAML"), "t.yaml:3:5: not valid YAML"),
        (Mistake("environment", 0, 0, "providers.groq", "no key"), "environment providers.groq: no key"),
    ],
)
def test_a_mistake_is_one_line(mistake: Mistake, text: str) -> None:
    assert str(mistake) == text


def test_near_names_mind_no_case_and_stay_away_when_nothing_is_near() -> None:
    assert nearest("Gorq", ["openai", "groq"]) == "groq"
    assert nearest("opanai", ["OpenAI"]) == "OpenAI"
    assert nearest("zzz", ["openai", "groq"]) is None
    assert nearest("x", []) is None


def test_mistakes_are_in_file_order_without_repetitions() -> None:
    first, second = Mistake("t", 1, 1, "a", "m"), Mistake("t", 2, 1, "b", "m")
    assert in_order([second, first, second]) == [first, second]


def test_a_long_list_is_cut_and_says_so() -> None:
    many = [Mistake("t", line, 1, "a", "m") for line in range(1, MISTAKES_MAX + 6)]
    assert len(in_order(many)) == MISTAKES_MAX + 1
    assert in_order(many)[-1].message == "and 5 more mistakes"
    assert len(in_order(many[:MISTAKES_MAX])) == MISTAKES_MAX
