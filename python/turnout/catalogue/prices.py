"""Prices made complete: what a price list leaves out is said, the same way everywhere.

A price list that has no price for cached tokens charges them like any other, for long prompts and in other service
tiers too. Such a price therefore follows the prompt's *in that tier*; taken from the base it would be wrong there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from turnout.catalogue.entry import Prices, Service, Tier


def complete(prices: Prices) -> Prices:
    """The same prices with every price of cached tokens said, in the base, the tiers and the service tiers."""
    cache_read = _first(prices.cache_read, prices.prompt)
    cache_write = _first(prices.cache_write, prices.prompt)
    return msgspec.structs.replace(
        prices,
        cache_read=cache_read,
        cache_write=cache_write,
        cache_write_1h=_first(prices.cache_write_1h, cache_write),
        tiers=tuple(_tier(tier, prices) for tier in prices.tiers),
        service=tuple(_service(service, prices) for service in prices.service),
    )


def _tier(tier: Tier, base: Prices) -> Tier:
    cache_write = tier.prompt if base.cache_write is None and tier.cache_write is None else tier.cache_write
    return msgspec.structs.replace(
        tier,
        cache_read=tier.prompt if base.cache_read is None and tier.cache_read is None else tier.cache_read,
        cache_write=cache_write,
        cache_write_1h=cache_write
        if base.cache_write_1h is None and tier.cache_write_1h is None
        else tier.cache_write_1h,
    )


def _service(service: Service, base: Prices) -> Service:
    return msgspec.structs.replace(
        service,
        cache_read=service.prompt if base.cache_read is None and service.cache_read is None else service.cache_read,
        cache_write=service.prompt if base.cache_write is None and service.cache_write is None else service.cache_write,
    )


def _first(price: int | None, otherwise: int) -> int:
    return otherwise if price is None else price
