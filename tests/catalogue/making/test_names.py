"""What a host adds to a name is taken off, and what the model is called is left."""

from __future__ import annotations

import pytest

from turnout.catalogue.making import names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("amazon.nova-pro-v1:0", "nova-pro"),
        ("accounts/fireworks/models/glm-4p7", "glm-4-7"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3-3-70b-instruct"),
        ("@cf/openai/gpt-oss-120b", "gpt-oss-120b"),
        ("gpt-oss:120b", "gpt-oss-120b"),
        ("claude-opus-4-5@20251101", "claude-opus-4-5-20251101"),
    ],
)
def test_a_key_is_what_the_model_is_called(name: str, expected: str) -> None:
    assert names.key(name) == expected


def found(name: str, *slugs: str) -> names.Spelling | None:
    keys = {names.key(slug) for slug in slugs}
    return next((spelling for spelling in names.spellings(name) if spelling.key in keys), None)


def test_the_name_itself_comes_first() -> None:
    assert found("gpt-4o-2024-08-06", "openai/gpt-4o", "openai/gpt-4o-2024-08-06") == names.Spelling(
        "gpt-4o-2024-08-06", exact=True
    )


def test_a_date_is_taken_off() -> None:
    spelling = found("anthropic.claude-opus-4-5-20251101-v1:0", "anthropic/claude-opus-4.5")
    assert spelling == names.Spelling("claude-opus-4-5")


def test_quantization_and_variant_are_kept_apart() -> None:
    spelling = found("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "meta-llama/llama-3.3-70b-instruct")
    assert spelling == names.Spelling("llama-3-3-70b-instruct", "fp8", "fast")


def test_an_ending_that_every_model_of_a_host_has_is_no_variant() -> None:
    assert found("llama-3.3-70b-versatile", "meta-llama/llama-3.3-70b-instruct") == names.Spelling(
        "llama-3-3-70b-instruct"
    )


def test_what_no_rule_knows_is_in_the_table() -> None:
    assert found("Qwen/Qwen3-Coder-480B-A35B-Instruct", "qwen/qwen3-coder") is not None
    assert found("llama3.1-8b", "meta-llama/llama-3.1-8b-instruct") is not None


def test_another_model_is_not_found() -> None:
    assert found("gpt-5.5-pro", "openai/gpt-5.5") is None
    assert found("claude-opus-4-6", "anthropic/claude-opus-4", "anthropic/claude-opus-4.5") is None


def test_a_name_that_moves_is_no_model() -> None:
    assert not names.serves("google-ai-studio", "gemini-pro-latest")
    assert not names.serves("kilo", "~google/gemini-pro-latest")
    assert names.serves("mistral", "mistral-large-latest")


def test_clouds_have_claude_in_a_row_of_its_own() -> None:
    assert names.serves("azure-anthropic", "claude-opus-5")
    assert not names.serves("azure", "claude-opus-5")
    assert not names.serves("google-vertex", "mistral-large")


def test_organisations_have_openrouters_slug() -> None:
    assert (names.author("deepseek-ai"), names.author("Qwen")) == ("deepseek", "qwen")


def test_authors_are_shown_as_openrouter_shows_them() -> None:
    assert names.display("x-ai/grok-4.7") == "xAI"
    assert names.display("some-lab/thing") == "Some Lab"
