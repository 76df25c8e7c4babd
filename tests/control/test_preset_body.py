"""``control/preset_body.py``: presets out of the bodies of requests."""

from __future__ import annotations

import pytest

from turnout.config.preset import PresetError
from turnout.control import preset_body

FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}}


def test_a_chat_keeps_its_members_and_its_first_instructions() -> None:
    body = {
        "model": "a/b",
        "temperature": 0.5,
        "seed": None,
        "stream": True,
        "messages": [
            {"role": "system", "content": "One."},
            {"role": "developer", "content": [{"type": "text", "text": "Two."}]},
            {"role": "user", "content": "u"},
            {"role": "system", "content": "Three."},
        ],
    }
    assert preset_body.preset("chat", body) == ({"model": "a/b", "temperature": 0.5}, "One.\n\nTwo.")


def test_the_responses_api_is_said_in_the_words_of_chat() -> None:
    schema = {"name": "n", "schema": {}, "strict": True}
    body = {
        "model": "a/b",
        "input": "u",
        "instructions": "Be brief.",
        "store": False,
        "max_output_tokens": 9,
        "reasoning": {"effort": "low"},
        "tools": [{"type": "function", **FUNCTION}, {"type": "web_search"}],
        "text": {"format": {"type": "json_schema", **schema}, "verbosity": "low"},
    }
    assert preset_body.preset("responses", body) == (
        {
            "model": "a/b",
            "max_tokens": 9,
            "reasoning": {"effort": "low"},
            "tools": [{"type": "function", "function": FUNCTION}, {"type": "web_search"}],
            "response_format": {"type": "json_schema", "json_schema": schema},
            "verbosity": "low",
        },
        "Be brief.",
    )


def test_the_messages_api_is_said_in_the_words_of_chat() -> None:
    body = {
        "model": "a/b",
        "max_tokens": 9,
        "messages": [],
        "system": [{"type": "text", "text": "Be brief."}],
        "stop_sequences": ["x"],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "tool_choice": {"type": "tool", "name": "f"},
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
    }
    assert preset_body.preset("messages", body) == (
        {
            "model": "a/b",
            "max_tokens": 9,
            "stop": ["x"],
            "reasoning": {"max_tokens": 2048},
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "tools": [{"type": "function", "function": FUNCTION}],
        },
        "Be brief.",
    )
    more = {"thinking": {"type": "disabled"}, "tool_choice": {"type": "any"}}
    assert preset_body.preset("messages", more) == ({"reasoning": {"enabled": False}, "tool_choice": "required"}, None)
    assert preset_body.preset("messages", {"output_config": {"effort": "high"}})[0] == {"reasoning": {"effort": "high"}}


def test_instructions_that_are_no_text_are_refused() -> None:
    body = {"messages": [{"role": "system", "content": [{"type": "image_url"}]}]}
    with pytest.raises(PresetError, match="must be text"):
        preset_body.preset("chat", body)
