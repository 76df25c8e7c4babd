"""The models of the running configuration as the catalogue's pages look at them, and which of them a key may see.

A model that a key may not use does not exist for it: it is in no list, no count and no feed, and asking for it is
answered as for a name that nobody has. The cards are parsed once per configuration, not per request.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from turnout.config import snapshot
from turnout.config.card import Card
from turnout.control import identity, refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from turnout.config.snapshot import Snapshot
    from turnout.reload import Ready

ROUTING_VARIANTS: Final = ("nitro", "floor", "online", "exacto")
"""Suffixes that say how a model is routed; any model may carry one. Others (``free``) make a slug of its own."""

NEAR_MAX: Final = 3
NEAR_LOOKED_AT_MAX: Final = 1000
"""Models that are compared with a name that nobody has. With more, the hint may miss one; comparing them all would keep
everybody else waiting."""
NAME_SHOWN_MAX: Final = 128
"""Characters of a name that are repeated in an error."""

_cards: Final = msgspec.json.Decoder(Card)


@dataclass(frozen=True)
class Shown:
    """A model with its card."""

    model: snapshot.Model
    card: Card

    @property
    def slug(self) -> str:
        """What clients ask for."""
        return self.model.slug

    @property
    def author(self) -> str:
        """The part before the slash."""
        return self.slug.partition("/")[0]

    @property
    def raw(self) -> msgspec.Raw:
        """The card's text, which need not be written again."""
        return msgspec.Raw(self.model.card.encode())


@dataclass(frozen=True)
class Listing:
    """All models of one configuration, in its order."""

    ready: Ready
    models: tuple[Shown, ...]
    by_slug: Mapping[str, Shown]

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names of the models and of the routers."""
        routers = {name: router.names[0] for router in self.snapshot.routers for name in router.names[1:]}
        return self.snapshot.aliases | routers

    @property
    def snapshot(self) -> Snapshot:
        """The configuration that runs."""
        return self.ready.snapshot


def of(request: Request) -> Listing:
    """The listing of the configuration that runs now."""
    state, ready = request.app.state, identity.gateway(request).reloader.current
    kept: Listing | None = getattr(state, "listing", None)
    if kept is None or kept.ready is not ready:
        listed = [*ready.snapshot.models, *(_router_model(router) for router in ready.snapshot.routers)]
        models = tuple(Shown(model, _cards.decode(model.card)) for model in listed)
        kept = state.listing = Listing(ready, models, {shown.slug: shown for shown in models})
    return kept


def _router_model(router: snapshot.Router) -> snapshot.Model:
    """A router as a model without endpoints, which is how clients see it."""
    return snapshot.Model(
        slug=router.names[0], endpoints=[], card=router.card, distillable=None, created=0, scores=None, reasoning=None
    )


def visible(request: Request) -> list[Shown]:
    """The models that the caller may use. Raises :class:`Refusal` for a caller without a good key."""
    key = identity.client(request)
    listing = of(request)
    # A router chooses among what the key may use.
    routers = {router.names[0] for router in listing.snapshot.routers}
    return [shown for shown in listing.models if shown.slug in routers or identity.allows(key, shown.slug)]


def one(request: Request, name: str) -> Shown:
    """The model of this name: a slug, an alias, or either with a suffix that says how to route.

    Raises :class:`Refusal` when there is none for this caller, with names that come near.
    """
    models = {shown.slug: shown for shown in visible(request)}
    aliases = of(request).aliases
    found = models.get(aliases.get(name, name))
    base, _, variant = name.rpartition(":")
    if found is None and variant in ROUTING_VARIANTS:
        found = models.get(aliases.get(base, base))
    if found is None:
        near = difflib.get_close_matches(
            name[:NAME_SHOWN_MAX], list(models)[:NEAR_LOOKED_AT_MAX], n=NEAR_MAX, cutoff=0.6
        )
        hint = f"; near names: {', '.join(near)}" if near else ""
        raise Refusal(
            refusal.NOT_FOUND,
            f'There is no model "{name[:NAME_SHOWN_MAX]}"{hint}; GET /v1/models lists all',
            metadata={"near": near} if near else {},
        )
    return found
