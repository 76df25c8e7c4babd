"""Tiers of service."""

from __future__ import annotations

from turnout.config import snapshot
from turnout.config.tier import served


def test_a_tier_of_a_free_model_costs_what_the_tier_says() -> None:
    prices = snapshot.Prices(
        version="v",
        prompt=0,
        completion=0,
        cache_read=0,
        cache_write=0,
        cache_write_1h=0,
        reasoning=None,
        audio_prompt=None,
        audio_completion=None,
        image_prompt=None,
        image_completion=None,
        image=0,
        request=0,
        web_search=0,
        search_unit=0,
        second=0,
        character=0,
        tiers=[],
        service=[],
    )
    service = snapshot.Service(tier="priority", prompt=5, completion=None, cache_read=None, cache_write=None)
    made = served(prices, service)
    assert (made.prompt, made.completion, made.cache_read, made.reasoning) == (5, 0, 0, None)
    (ordinary,) = made.service
    assert (ordinary.tier, ordinary.prompt) == ("default", 0)
