"""Prices: from dollars to nano-dollars, with every default and a version."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from turnout.config import model, snapshot
from turnout.config.values import nano_dollars

if TYPE_CHECKING:
    from decimal import Decimal

    from turnout.config.compile.work import Work
    from turnout.config.source import Step

_T = TypeVar("_T", int, None)


def check_tiers(work: Work, path: tuple[Step, ...], written: model.Prices | None) -> None:
    """Tiers that could not be told apart are mistakes."""
    if written is None:
        return
    for key, seen in (
        ("tiers", [tier.above_tokens for tier in written.tiers]),
        ("service_tiers", [service.tier for service in written.service_tiers]),
    ):
        for position, value in enumerate(seen):
            if value in seen[:position]:
                work.wrong((*path, key, position), f"this tier occurs twice: {value}")


def prices_of(written: model.Prices, provider: str, upstream: str, tag: str) -> snapshot.Prices:
    prompt = nano_dollars(written.prompt)
    cache_write = _nano(written.cache_write, prompt)
    unversioned = snapshot.Prices(
        version="",
        prompt=prompt,
        completion=nano_dollars(written.completion),
        cache_read=_nano(written.cache_read, prompt),
        cache_write=cache_write,
        cache_write_1h=_nano(written.cache_write_1h, cache_write),
        reasoning=_nano(written.reasoning, None),
        audio_prompt=_nano(written.audio_prompt, None),
        audio_completion=_nano(written.audio_completion, None),
        image_prompt=_nano(written.image_prompt, None),
        image_completion=_nano(written.image_completion, None),
        image=nano_dollars(written.image),
        request=nano_dollars(written.request),
        web_search=nano_dollars(written.web_search),
        search_unit=nano_dollars(written.search_unit),
        second=nano_dollars(written.second),
        character=nano_dollars(written.character),
        tiers=[
            snapshot.Tier(
                above_tokens=tier.above_tokens,
                prompt=_nano(tier.prompt, None),
                completion=_nano(tier.completion, None),
                cache_read=_nano(_cached(tier.cache_read, written.cache_read, tier.prompt), None),
                cache_write=_nano(_cached(tier.cache_write, written.cache_write, tier.prompt), None),
                cache_write_1h=_nano(
                    _cached(
                        tier.cache_write_1h,
                        written.cache_write_1h,
                        _cached(tier.cache_write, written.cache_write, tier.prompt),
                    ),
                    None,
                ),
            )
            for tier in sorted(written.tiers, key=lambda tier: tier.above_tokens)
        ],
        service=[
            snapshot.Service(
                tier=service.tier,
                prompt=_nano(service.prompt, None),
                completion=_nano(service.completion, None),
                cache_read=_nano(_cached(service.cache_read, written.cache_read, service.prompt), None),
                cache_write=_nano(_cached(service.cache_write, written.cache_write, service.prompt), None),
            )
            for service in written.service_tiers
        ],
    )
    return versioned(unversioned, provider=provider, upstream=upstream, tag=tag)


def _cached(of_tier: Decimal | None, of_base: Decimal | None, followed: Decimal | None) -> Decimal | None:
    """A tier's price of cached tokens: its own, else the base's; one that follows another price does so here too."""
    return followed if of_tier is None and of_base is None else of_tier


def versioned(prices: snapshot.Prices, *, provider: str, upstream: str, tag: str) -> snapshot.Prices:
    """The prices with their version: a short hash of them and of the endpoint that they belong to."""
    blank = msgspec.structs.replace(prices, version="")
    identity = msgspec.json.encode([provider, upstream, tag, blank])
    return msgspec.structs.replace(blank, version=hashlib.sha256(identity).hexdigest()[:12])


def _nano(price: Decimal | None, otherwise: _T) -> int | _T:
    return otherwise if price is None else nano_dollars(price)
