"""Tiers of service: where a provider sells a model at several, each is an endpoint of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from turnout.config.snapshot import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from turnout.config.snapshot import Endpoint, Prices


def tiered(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """The endpoints, each followed by one for each tier of service that a request can ask for.

    A batch is no tier of a request, and keeps its prices with the endpoint.
    """
    return [one for endpoint in endpoints for one in (endpoint, *_tiers(endpoint))]


def _tiers(endpoint: Endpoint) -> Iterator[Endpoint]:
    prices = endpoint.prices
    for service in prices.service if prices is not None else ():
        if prices is not None and service.tier != "batch":
            yield msgspec.structs.replace(
                endpoint,
                tag=f"{endpoint.tag}/{service.tier}",
                prices=served(prices, service),
                service_tier=service.tier,
            )


def served(prices: Prices, service: Service) -> Prices:
    """The prices of a service tier. A kind without one of its own stands to the base price as the tier's stands.

    The rule is that of ``rust/wire/src/cost.rs``, which books by it.
    """

    def moved(rate: int | None, now: int | None, base: int) -> int | None:
        if rate is None or now is None:
            return rate
        if base == 0:
            return now if rate == 0 else rate
        return (rate * now + base // 2) // base

    def whole(rate: int, now: int | None, base: int) -> int:
        return moved(rate, now, base) or 0

    prompt, completion = (service.prompt, prices.prompt), (service.completion, prices.completion)
    read, write = (service.cache_read, prices.cache_read), (service.cache_write, prices.cache_write)
    return msgspec.structs.replace(
        prices,
        prompt=whole(prices.prompt, *prompt),
        completion=whole(prices.completion, *completion),
        cache_read=whole(prices.cache_read, *read),
        cache_write=whole(prices.cache_write, *write),
        cache_write_1h=whole(prices.cache_write_1h, *write),
        audio_prompt=moved(prices.audio_prompt, *prompt),
        image_prompt=moved(prices.image_prompt, *prompt),
        reasoning=moved(prices.reasoning, *completion),
        audio_completion=moved(prices.audio_completion, *completion),
        image_completion=moved(prices.image_completion, *completion),
        tiers=[
            msgspec.structs.replace(
                tier,
                prompt=moved(tier.prompt, *prompt),
                completion=moved(tier.completion, *completion),
                cache_read=moved(tier.cache_read, *read),
                cache_write=moved(tier.cache_write, *write),
                cache_write_1h=moved(tier.cache_write_1h, *write),
            )
            for tier in prices.tiers
        ],
        # A provider may serve a request in its ordinary tier all the same, and says so in its answer.
        service=[
            Service(
                tier="default",
                prompt=prices.prompt,
                completion=prices.completion,
                cache_read=prices.cache_read,
                cache_write=prices.cache_write,
            )
        ],
    )
