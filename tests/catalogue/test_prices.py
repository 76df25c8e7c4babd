"""What a price list leaves out follows the price that it would be charged at."""

from __future__ import annotations

from turnout.catalogue.entry import Prices, Service, Tier
from turnout.catalogue.prices import complete


def test_unknown_cache_prices_are_those_of_the_prompt() -> None:
    made = complete(Prices(prompt=5, completion=9))
    assert (made.cache_read, made.cache_write, made.cache_write_1h) == (5, 5, 5)


def test_an_hour_in_the_cache_costs_what_a_write_costs() -> None:
    assert complete(Prices(prompt=5, cache_write=6)).cache_write_1h == 6


def test_unknown_cache_prices_follow_the_prompt_of_their_tier() -> None:
    tiers = (Tier(above_tokens=100, prompt=10, completion=12),)
    service = (Service(tier="batch", prompt=2),)
    made = complete(Prices(prompt=5, completion=9, tiers=tiers, service=service))
    assert made.tiers == (
        Tier(above_tokens=100, prompt=10, completion=12, cache_read=10, cache_write=10, cache_write_1h=10),
    )
    assert made.service == (Service(tier="batch", prompt=2, cache_read=2, cache_write=2),)


def test_a_known_cache_price_stays_in_a_tier_that_does_not_change_it() -> None:
    made = complete(Prices(prompt=5, cache_read=1, tiers=(Tier(above_tokens=100, prompt=10),)))
    assert made.tiers[0].cache_read is None
    assert made.tiers[0].cache_write == 10


def test_complete_prices_stay_as_they_are() -> None:
    made = complete(Prices(prompt=5, cache_read=1, tiers=(Tier(above_tokens=100, prompt=10),)))
    assert complete(made) == made
