"""Static variants of models: slugs that end in ``:free``, ``:extended``, ``:thinking`` or ``:batch``.

A variant is a model of its own, with endpoints and prices of its own. It is there when somebody wrote it, when the
catalogue has it, and ``:free`` also where a model has endpoints that cost nothing: those alone are its endpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.config.snapshot import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from turnout.config.snapshot import Endpoint, Prices


def split(slug: str) -> tuple[str, str | None]:
    """The slug of the model, and which variant of it this is: ``a/b:free`` → ``a/b``, ``free``; else ``None``."""
    base, colon, suffix = slug.rpartition(":")
    return (base, suffix) if colon and suffix in VARIANTS else (slug, None)


def is_free(prices: Prices | None) -> bool:
    """Whether nothing of it costs anything. An unknown price is no promise."""
    return prices is not None and _costs_nothing(prices)


def _costs_nothing(prices: msgspec.Struct) -> bool:
    for name in prices.__struct_fields__:
        value = getattr(prices, name)
        if isinstance(value, list):
            if not all(_costs_nothing(one) for one in value):
                return False
        elif isinstance(value, int) and name != "above_tokens" and value != 0:
            return False
    return True


def free(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Those that cost nothing."""
    return [one for one in endpoints if one.service_tier is None and is_free(one.prices)]


def chosen(endpoints: Sequence[Endpoint], suffix: str) -> list[Endpoint]:
    """The endpoints of a model that are the variant's too, where nothing else is said."""
    return free(endpoints) if suffix == "free" else [one for one in endpoints if one.service_tier is None]
