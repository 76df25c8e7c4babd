"""Rows of the price map become facts, prices exactly, and keys that are no models are left out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from turnout.catalogue.entry import Prices, Service, Tier
from turnout.catalogue.making import litellm

if TYPE_CHECKING:
    from turnout.catalogue.making.fact import Fact


def facts(key: str, **row: Any) -> list[Fact]:
    exact = json.loads(json.dumps(row), parse_float=Decimal)
    return list(litellm.facts({key: {"mode": "chat", "litellm_provider": "openai", **exact}}))


def prices(**row: Any) -> Prices | None:
    return facts("m", **row)[0].prices


def test_dollars_per_token_become_nano_dollars_per_million() -> None:
    assert prices(input_cost_per_token=1.5e-07, output_cost_per_token=6e-07) == Prices(
        prompt=150_000_000, completion=600_000_000
    )


def test_tiers_and_service_tiers_are_told_apart() -> None:
    made = prices(
        input_cost_per_token=5e-06,
        output_cost_per_token=3e-05,
        input_cost_per_token_above_272k_tokens=1e-05,
        input_cost_per_token_flex=2.5e-06,
        input_cost_per_token_above_272k_tokens_flex=5e-06,
    )
    assert made is not None
    assert made.tiers == (Tier(above_tokens=272_000, prompt=10_000_000_000),)
    assert made.service == (Service(tier="flex", prompt=2_500_000_000),)


def test_ranges_are_tiers() -> None:
    made = prices(
        tiered_pricing=[
            {"input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06, "range": [0, 32000]},
            {"input_cost_per_token": 2e-06, "output_cost_per_token": 6e-06, "range": [32000, 128000]},
        ],
        input_cost_per_request=0,
    )
    assert made is not None
    assert made.prompt == 1_000_000_000
    assert made.tiers == (Tier(above_tokens=32_000, prompt=2_000_000_000, completion=6_000_000_000),)


def test_pieces_count_for_their_kind() -> None:
    [rerank] = facts("m", mode="rerank", input_cost_per_query=0.002, input_cost_per_token=0.0)
    assert rerank.prices == Prices(search_unit=2_000_000)
    [whisper] = facts("m", mode="audio_transcription", input_cost_per_second=0.0001)
    assert (whisper.prices, whisper.inputs, whisper.outputs) == (Prices(second=100_000), ("audio",), ("transcription",))
    [picture] = facts("m", mode="image_generation", output_cost_per_image=0.04)
    assert picture.prices == Prices(image=40_000_000)


def test_no_price_is_not_free() -> None:
    assert prices() is None


def test_what_is_no_model_is_left_out() -> None:
    assert facts("ft:gpt-4o") == []
    assert facts("azure/eu/gpt-4o", litellm_provider="azure") == []
    assert facts("1024-x-1024/dall-e-3", mode="image_generation") == []
    assert facts("gpt-realtime") == []
    assert facts("m", mode="video_generation") == []
    assert facts("m", litellm_provider="somebody-else") == []


def test_names_lose_the_prefix_of_the_map_only() -> None:
    assert facts("groq/openai/gpt-oss-20b", litellm_provider="groq")[0].model == "openai/gpt-oss-20b"
    assert (
        facts("fireworks_ai/glm-5p3", litellm_provider="fireworks_ai")[0].model == "accounts/fireworks/models/glm-5p3"
    )


def test_levels_of_effort_are_those_that_are_said() -> None:
    [fact] = facts(
        "m", supports_reasoning=True, supports_xhigh_reasoning_effort=True, supports_minimal_reasoning_effort=False
    )
    assert fact.efforts == ("xhigh", "high", "medium", "low")
    assert facts("m", supports_reasoning=True)[0].efforts == ()


def test_a_model_of_the_responses_api_alone_is_marked() -> None:
    assert facts("m", mode="responses", supported_endpoints=["/v1/responses"])[0].responses_only
    assert not facts("m", mode="responses", supported_endpoints=["/v1/responses", "/v1/chat/completions"])[
        0
    ].responses_only
