"""What a model can do and what its provider takes become request parameters."""

from __future__ import annotations

from typing import Any

from turnout.catalogue.making import abilities
from turnout.catalogue.making.fact import Fact


def fact(**fields: Any) -> Fact:
    return Fact(source=0, provider="openai", model="m", **fields)


def test_parameters_are_those_of_the_api_and_the_abilities() -> None:
    made = abilities.parameters("openai/gpt-4o", "openai", [fact(tools=True, structured=True)])
    assert {"temperature", "logit_bias", "tools", "tool_choice", "structured_outputs", "max_tokens"} <= set(made)
    assert not {"reasoning", "top_k"} & set(made)


def test_a_model_that_lets_nobody_choose_has_no_temperature() -> None:
    made = abilities.parameters("openai/gpt-5.5", "openai", [fact(sampling=False, reasoning=True, efforts=("high",))])
    assert not {"temperature", "top_p", "frequency_penalty"} & set(made)
    assert {"reasoning", "include_reasoning", "reasoning_effort", "seed"} <= set(made)


def test_a_claude_is_a_claude_at_every_host() -> None:
    assert "seed" not in abilities.parameters("anthropic/claude-opus-5", "google-vertex", [fact()])
    assert "seed" in abilities.parameters("google/gemini-3.8-flash", "google-vertex", [fact()])


def test_parameters_are_in_openrouters_words() -> None:
    for words in abilities.SAMPLING.values():
        assert set(words.split()) <= set(abilities.ORDER)


def test_the_majority_is_believed_and_a_tie_goes_to_the_first() -> None:
    assert abilities.said([fact(tools=False), fact(tools=True), fact(tools=True)], "tools") is True
    assert abilities.said([fact(tools=False), fact(tools=True)], "tools") is False
    assert abilities.said([fact()], "tools") is None


def test_reasoning_says_what_is_known() -> None:
    made = abilities.reasoning("openai/o3", [fact(reasoning=True, efforts=("high", "low"), default_effort="low")])
    assert made is not None
    assert (made.mandatory, made.efforts, made.default_effort, made.max_tokens) == (True, ("high", "low"), "low", False)
    assert abilities.reasoning("openai/gpt-4o", [fact(reasoning=False)]) is None
