"""The report of disagreements, for a person to judge whom to believe: ``docs/catalogue-disagreements.md``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from turnout.catalogue.making.sources import GENAI, LITELLM, MADE, SOURCES
from turnout.config.values import dollars

if TYPE_CHECKING:
    from turnout.catalogue.making.merge import Disagreement, Merged

SPREAD_MIN: Final = 0.05
"""Smaller differences are roundings of the price lists themselves."""


def summary(merged: Merged) -> str:
    """Counts, in a few lines."""
    catalogue = merged.catalogue
    endpoints = [endpoint for entry in catalogue.models for endpoint in entry.endpoints]
    priced = sum(endpoint.prices is not None for endpoint in endpoints)
    providers = {endpoint.provider for endpoint in endpoints}
    kinds = Counter("+".join(entry.outputs) for entry in catalogue.models)
    kinds_text = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return (
        f"{len(catalogue.models)} models ({kinds_text}), {len(endpoints)} endpoints at {len(providers)} providers, "
        f"{priced} with a price; {len(merged.disagreements)} disagreements, "
        f"{sum(merged.unmatched.values())} facts without a slug"
    )


def report(merged: Merged) -> str:
    """The page."""
    large = [one for one in merged.disagreements if one.spread > SPREAD_MIN]
    fresh = [one for one in large if {GENAI, LITELLM} <= set(one.said) and _differ(one)]
    old = Counter(one.provider for one in large if one not in fresh)
    lines = [
        "# Where the price lists disagree",
        "",
        "Made by `make catalogue`; do not edit. " + summary(merged).replace("; ", ". ", 1).capitalize() + ".",
        "",
        "| source | version | released |",
        "| --- | --- | --- |",
        *(f"| [{one.name}]({one.url}) | {one.version} | {one.released} |" for one in SOURCES),
        "",
        f"Prices are those of {MADE}. The sources are believed in the order genai-prices, litellm, pi-catalog,",
        "models.dev: the first two are days old and kept by hand from the providers' price pages, and the first says",
        "from which day a price holds. A price of zero counts only when no source names another, because price lists",
        "write it for what they do not know. Prices besides the ones for prompt and completion are taken from a lower",
        "source only where it agrees on those two. Where a price depends on the hour, the dearest hour counts.",
        "",
        f"## Both fresh sources, more than {SPREAD_MIN:.0%} apart",
        "",
        "US dollars per million tokens; the one taken is bold. The provider's price page decides what you pay.",
        "",
        "| model | provider | price | " + " | ".join(one.name for one in SOURCES) + " |",
        "| --- | --- | --- | " + " | ".join("---" for _ in SOURCES) + " |",
        *(_row(one) for one in sorted(fresh, key=lambda one: (one.provider, one.slug, one.field))),
        "",
        "## Only with an older source",
        "",
        "The fresh ones agree or are alone; an older list has another price, mostly one that changed since:",
        ", ".join(f"{provider} {count}" for provider, count in sorted(old.items())) + ".",
        "",
    ]
    return "\n".join(lines)


def _differ(one: Disagreement) -> bool:
    taken, other = one.said[GENAI], one.said[LITELLM]
    return abs(taken - other) > SPREAD_MIN * max(taken, other)


def _row(one: Disagreement) -> str:
    cells = []
    for source in range(len(SOURCES)):
        price = dollars(one.said[source]) if source in one.said else ""
        cells.append(f"**{price}**" if source == one.winner else price)
    return f"| {one.slug} | {one.provider} | {one.field} | " + " | ".join(cells) + " |"
