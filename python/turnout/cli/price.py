"""``turnout price MODEL``: what a request would cost at each endpoint, by the arithmetic that books it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

from turnout.cli.explain import resolve
from turnout.config import load
from turnout.config.compile import compile
from turnout.config.mistake import nearest
from turnout.config.values import dollars
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from turnout.config import snapshot


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What one endpoint would charge, in nano-dollars. ``None``: its prices are not known."""

    tag: str
    provider: str
    total_nano: int | None
    prompt_nano: int | None
    completion_nano: int | None


def price(
    model: str, config: Path | None, usage: Mapping[str, int], service_tier: str | None, *, as_json: bool = False
) -> int:
    """Prints what ``usage`` costs at the endpoints of ``model``, the cheapest first; 1 for mistakes or no such name.

    ``usage`` has counts under the names of ``Usage`` in ``rust/wire/src/usage/mod.rs``.
    """
    environment = load.environment()
    console = Console(highlight=False, markup=False, emoji=False)
    try:
        made = compile(load.load(load.find(config, environment), environment), auth=True, environment=environment)
    except ConfigError as error:
        console.print(str(error), soft_wrap=True)
        return 1
    found = resolve(made.snapshot, model)
    if found is None:
        near = nearest(model, [*(known.slug for known in made.snapshot.models), *made.snapshot.aliases])
        hint = f" (did you mean {near}?)" if near else ""
        console.print(f"no model is called {model}{hint}", style="bold red", soft_wrap=True)
        return 1
    offered = offers(found.endpoints, made.snapshot.providers, usage, service_tier)
    if as_json:
        console.print(msgspec.json.encode(offered).decode(), soft_wrap=True)
        return 0
    table = Table("endpoint", "provider", "prompt", "answer", "total", title=found.slug, title_justify="left")
    for offer in offered:
        amounts = (offer.prompt_nano, offer.completion_nano, offer.total_nano)
        table.add_row(
            offer.tag, offer.provider, *("unknown" if nano is None else f"${dollars(nano)}" for nano in amounts)
        )
    console.print(table)
    return 0


def offers(
    endpoints: Sequence[snapshot.Endpoint],
    providers: Sequence[snapshot.Provider],
    usage: Mapping[str, int],
    service_tier: str | None,
) -> list[Offer]:
    """What each endpoint would charge, the cheapest first and unknown prices last."""
    # Here and not above: the rest of the command line works without the native module.
    from turnout._native import cost

    offered: list[Offer] = []
    written = msgspec.json.encode(usage)
    for endpoint in endpoints:
        total, prompt, completion = (
            (None, None, None)
            if endpoint.prices is None
            else cost(msgspec.json.encode(endpoint.prices), written, service_tier=service_tier)
        )
        offered.append(
            Offer(
                tag=endpoint.tag,
                provider=providers[endpoint.provider].name,
                total_nano=total,
                prompt_nano=prompt,
                completion_nano=completion,
            )
        )
    return sorted(offered, key=lambda offer: (offer.total_nano is None, offer.total_nano or 0))
