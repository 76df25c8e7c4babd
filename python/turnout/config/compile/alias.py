"""Other names: each is followed to the slug that it finally means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.config import model, snapshot
from turnout.config.card import card
from turnout.config.compile.router import router_of, scores
from turnout.config.compile.slug import ALIAS, MODEL_SLUG, filled, matching

if TYPE_CHECKING:
    from turnout.config.compile.catalogue import Catalogue
    from turnout.config.compile.work import Work
    from turnout.config.source import Step


def follow(work: Work, catalogue: Catalogue, written: list[tuple[str, str, tuple[Step, ...]]]) -> None:
    """Follows each alias to the slug that it finally means."""
    targets: dict[str, str] = {}
    for alias, target, path in written:
        if ALIAS.fullmatch(alias) is None:
            work.wrong(path, "an alias has letters, digits and . _ : @ / ~ -, and no wildcard")
        elif alias in work.config.models:
            work.wrong(path, f"{alias} is already the slug of a model")
        elif targets.get(alias, target) != target:
            work.wrong(path, f"the alias {alias} is given to two models: {targets[alias]} and {target}")
        else:
            targets[alias] = target
    for alias, _, path in written:
        if targets.get(alias) is None or alias in catalogue.aliases:
            continue
        slug, seen = targets[alias], {alias}
        while slug in targets and slug not in seen:
            seen.add(slug)
            slug = targets[slug]
        if slug in seen:
            work.wrong(path, f"the alias {alias} leads back to itself")
        elif slug in catalogue.models or _adopted(catalogue, slug):
            catalogue.aliases[alias] = slug
        elif (chooser := router_of(work, catalogue.models, targets, slug)) is not None:
            catalogue.aliases[alias] = chooser
        elif slug in catalogue.off:
            if not work.is_hurt("models", slug):
                work.warn(path, f"not served: all providers of {slug} are off")
        elif not work.is_cut("models"):
            work.wrong(path, f"there is no model {slug}", name=slug, known=[*work.config.models, *targets])


def _adopted(catalogue: Catalogue, slug: str) -> bool:
    """Whether a wildcard serves the slug; if so it becomes a model of its own, since aliases lead to models."""
    wildcard = matching(catalogue.wildcards, slug)
    if wildcard is None or MODEL_SLUG.fullmatch(slug) is None:
        return False
    endpoints = filled(wildcard, slug)
    unwritten = model.Model()
    catalogue.models[slug] = snapshot.Model(
        slug=slug,
        endpoints=endpoints,
        card=card(slug, unwritten, endpoints[0], scores=scores(slug, unwritten)),
        distillable=None,
        created=0,
        scores=scores(slug, unwritten),
        reasoning=None,
    )
    return True
