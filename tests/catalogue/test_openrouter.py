"""OpenRouter's own list becomes entries, its decimal text whole nano-dollars."""

from __future__ import annotations

from typing import Any

from turnout.catalogue import openrouter
from turnout.catalogue.entry import Entry, Prices, Reasoning, Tier


def entry(**fields: Any) -> Entry:
    whole = {"id": "a/b", "name": "A: B", "pricing": {"prompt": "0.000002", "completion": "0.00001"}}
    [made] = openrouter.entries([whole | fields])
    return made


def test_a_model_has_one_endpoint_at_openrouter() -> None:
    [endpoint] = entry().endpoints
    assert (endpoint.provider, endpoint.model) == ("openrouter", "a/b")
    assert endpoint.prices == Prices(prompt=2_000_000_000, completion=10_000_000_000)


def test_every_kind_of_price_is_read_exactly() -> None:
    prices = openrouter.prices(
        {
            "prompt": "0.00000015",
            "completion": "0.0000006",
            "request": "0.005",
            "image": "0.04",
            "web_search": "0.01",
            "input_cache_read": "0.000000075",
            "audio": "0.0000025",
            "internal_reasoning": "0",
            "discount": 0,
            "overrides": [
                {"min_prompt_tokens": 200000, "prompt": "0.0000003"},
                {"utc_start": "1630", "utc_end": "0030", "prompt": "0.0000001"},
            ],
        }
    )
    assert prices == Prices(
        prompt=150_000_000,
        completion=600_000_000,
        request=5_000_000,
        image=40_000_000,
        web_search=10_000_000,
        cache_read=75_000_000,
        audio_prompt=2_500_000_000,
        tiers=(Tier(above_tokens=200_000, prompt=300_000_000),),
    )


def test_a_price_that_depends_is_unknown() -> None:
    assert openrouter.prices({"prompt": "-1", "completion": "-1"}) is None
    assert openrouter.prices({"prompt": "a lot"}) is None
    assert openrouter.prices({}) is None


def test_abilities_and_days_are_taken_as_they_are() -> None:
    made = entry(
        created=1_700_000_000,
        canonical_slug="a/b-2026",
        context_length=8,
        architecture={"input_modalities": ["text", "image"], "output_modalities": ["image"], "tokenizer": "GPT"},
        top_provider={"max_completion_tokens": 4},
        supported_parameters=["tools", "seed"],
        reasoning={"mandatory": True, "supported_efforts": ["high"], "supports_max_tokens": False},
        expiration_date="2027-01-01",
    )
    assert (made.created, made.canonical_slug, made.inputs, made.outputs) == (
        1_700_000_000,
        "a/b-2026",
        ("text", "image"),
        ("image",),
    )
    assert (made.parameters, made.completion_tokens_max, made.expires) == (("tools", "seed"), 4, "2027-01-01")
    assert made.reasoning == Reasoning(mandatory=True, efforts=("high",), max_tokens=False)


def test_what_is_no_model_or_malformed_is_skipped() -> None:
    listed: list[Any] = [{"id": "openrouter/auto"}, {"id": "a/b:batch"}, {"id": "no slug"}, {"id": 1}, "x", {}]
    assert list(openrouter.entries(listed)) == []
    assert entry(pricing=None, architecture="?", created="x", top_provider=[]).endpoints[0].prices is None
