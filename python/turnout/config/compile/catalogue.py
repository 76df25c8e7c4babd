"""What can be asked for: the models of the file, those that the providers bring, their variants, and wildcards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from turnout.catalogue import data, offer
from turnout.config import model, snapshot, variant
from turnout.config.card import card
from turnout.config.compile.alias import follow
from turnout.config.compile.endpoint import endpoint_of, endpoints_of
from turnout.config.compile.router import scores
from turnout.config.compile.slug import MODEL_SLUG, WILDCARD
from turnout.config.compile.tier import tiered

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.catalogue.entry import Entry
    from turnout.config.compile.provider import Accounts
    from turnout.config.compile.work import Work
    from turnout.config.source import Step


@dataclass(kw_only=True)
class Catalogue:
    """What can be asked for."""

    models: dict[str, snapshot.Model]
    wildcards: list[snapshot.Wildcard]
    """Longest prefix first."""
    aliases: dict[str, str]
    off: set[str]
    """Slugs and patterns that were written but are not served: cut as wrong, or all their providers are off."""


def catalogue_of(work: Work, accounts: Accounts, state_dir: Path) -> Catalogue:
    catalogue = Catalogue(models={}, wildcards=[], aliases={}, off=_cut_slugs(work))
    offered = _offer(work, accounts, state_dir)
    tagged: list[tuple[str, str, tuple[Step, ...]]] = []
    # Variants come after the models that they are variants of, since they may have the same endpoints.
    for slug, written in sorted(work.config.models.items(), key=lambda item: variant.split(item[0])[1] is not None):
        path = ("models", slug)
        is_wildcard = "*" in slug
        if is_wildcard and WILDCARD.fullmatch(slug) is None:
            work.wrong(path, "a wildcard has one * at its very end, such as openai/*")
        elif not is_wildcard and MODEL_SLUG.fullmatch(slug) is None:
            work.wrong(
                path, "a model's slug has the form author/name, such as openai/gpt-4o, or ends in a wildcard, openai/*"
            )
        endpoints = tiered(
            _variant_endpoints(catalogue, slug, written) or endpoints_of(work, slug, written, accounts, offered)
        )
        tagged += [(alias, slug, (*path, "aliases", position)) for position, alias in enumerate(written.aliases)]
        if is_wildcard:
            for key in sorted(written.model_fields_set - {"endpoints"}):
                work.wrong((*path, key), "a wildcard has endpoints only: it names no single model")
        if not endpoints:
            catalogue.off.add(slug)
            if not work.is_hurt(*path):
                work.warn(path, "not served: all its providers are off")
        elif is_wildcard:
            catalogue.wildcards.append(snapshot.Wildcard(prefix=slug.removesuffix("*"), endpoints=endpoints))
        else:
            catalogue.models[slug] = snapshot.Model(
                slug=slug,
                endpoints=endpoints,
                card=card(
                    slug,
                    written,
                    endpoints[0],
                    offered.entries[slug] if offered.serves(slug) else None,
                    scores(slug, written),
                ),
                distillable=written.distillable,
                created=written.created or _born(offered.entries.get(slug)),
                scores=scores(slug, written),
                reasoning=_reasoning(written, offered.entries.get(slug)),
            )
    # The lists have the order of the file.
    catalogue.models = {slug: catalogue.models[slug] for slug in work.config.models if slug in catalogue.models}
    tagged += _bring(work, catalogue, offered)
    tagged += _free(work, catalogue, offered, {alias for alias, _, _ in tagged})
    if not work.config.models and not catalogue.off:
        for provider in accounts.indices.keys() - accounts.rows.keys() if offered.accounts else accounts.indices:
            written_endpoint = model.Endpoint(provider=provider, model="*")
            endpoint = endpoint_of(accounts, written_endpoint, None, upstream="*", tag=provider)
            catalogue.wildcards.append(snapshot.Wildcard(prefix=f"{provider}/", endpoints=[endpoint]))
    # A longer prefix is more specific; the order of the file decides nothing between different prefixes.
    catalogue.wildcards.sort(key=lambda wildcard: -len(wildcard.prefix))
    tagged += [(alias, target, ("aliases", alias)) for alias, target in work.config.aliases.items()]
    follow(work, catalogue, tagged)
    return catalogue


def _cut_slugs(work: Work) -> set[str]:
    return {str(path[1]) for path in work.loaded.cut if len(path) > 1 and path[0] == "models"}


def _offer(work: Work, accounts: Accounts, state_dir: Path) -> offer.Offer:
    """What the catalogue has for the accounts; nothing where it is off."""
    written = work.config.catalogue
    if not written.enabled or not accounts.rows:
        return offer.Offer()
    bringing = [
        offer.Account(
            slug=slug,
            row=known.slug,
            index=accounts.indices[slug],
            dialects=frozenset(wire.dialect for wire in accounts.providers[accounts.indices[slug]].wires),
            policy=accounts.policies[accounts.indices[slug]],
            is_gateway=accounts.providers[accounts.indices[slug]].routing_fields,
        )
        for slug, known in accounts.rows.items()
    ]
    try:
        known = data.load(state_dir)
    except data.CatalogueError as error:
        work.warn(("catalogue",), f"the one that came with Turnout is used: {error}")
        known = data.load()
    for position, pattern in enumerate(written.hide):
        if not any(offer.is_hidden(entry.slug, [pattern]) for entry in known.models):
            work.warn(("catalogue", "hide", position), f"hides nothing: the catalogue has no model {pattern}")
    return offer.offer(known, bringing, written.hide)


def _born(entry: Entry | None) -> int:
    return (entry.created if entry is not None else 0) or 0


def _reasoning(written: model.Model, entry: Entry | None) -> snapshot.Reasoning | None:
    if written.reasoning is not None:
        return snapshot.Reasoning(mandatory=written.reasoning.mandatory, efforts=list(written.reasoning.efforts))
    known = entry.reasoning if entry is not None else None
    return None if known is None else snapshot.Reasoning(mandatory=known.mandatory, efforts=list(known.efforts or ()))


def _variant_endpoints(catalogue: Catalogue, slug: str, written: model.Model) -> list[snapshot.Endpoint]:
    """The endpoints that a variant without any of its own has from the model that it is a variant of."""
    base, suffix = variant.split(slug)
    if suffix is None or written.endpoints or base not in catalogue.models:
        return []
    return variant.chosen(catalogue.models[base].endpoints, suffix)


def _free(
    work: Work, catalogue: Catalogue, offered: offer.Offer, taken: set[str]
) -> list[tuple[str, str, tuple[Step, ...]]]:
    """Adds ``:free`` to the models that have endpoints which cost nothing.

    Where all of them do, it is another name of the model, and returned as such: a list of models that are all on one's
    own machine need not be twice as long.
    """
    names: list[tuple[str, str, tuple[Step, ...]]] = []
    for base, known in list(catalogue.models.items()):
        slug = f"{base}:free"
        if variant.split(base)[1] is not None or slug in work.config.models or slug in taken | catalogue.off:
            continue
        endpoints = variant.free(known.endpoints)
        if not endpoints or offer.is_hidden(slug, offered.hide):
            continue
        if (other := catalogue.models.get(slug)) is not None:
            tags = {endpoint.tag for endpoint in other.endpoints}
            more = [endpoint for endpoint in endpoints if endpoint.tag not in tags]
            catalogue.models[slug] = msgspec.structs.replace(other, endpoints=[*other.endpoints, *more])
        elif all(variant.is_free(endpoint.prices) for endpoint in known.endpoints):
            names.append((slug, base, ("models", base)))
        else:
            written, entry = work.config.models.get(base, model.Model()), offered.entries.get(base)
            name = f"{written.name or (entry.name if entry else base)} (free)"
            said = written.model_copy(update={"name": name})
            catalogue.models[slug] = msgspec.structs.replace(
                known, slug=slug, endpoints=endpoints, card=card(slug, said, endpoints[0], entry, known.scores)
            )
    return names


def _bring(work: Work, catalogue: Catalogue, offered: offer.Offer) -> list[tuple[str, str, tuple[Step, ...]]]:
    """Adds the catalogue's models and passed-on names; returns its aliases, those that nobody else has taken."""
    unwritten = model.Model()
    for entry, endpoints in offer.models(offered):
        if entry.slug not in work.config.models:
            catalogue.models[entry.slug] = snapshot.Model(
                slug=entry.slug,
                endpoints=tiered(endpoints),
                card=card(entry.slug, unwritten, endpoints[0], entry, scores(entry.slug, unwritten)),
                distillable=None,
                created=_born(entry),
                scores=scores(entry.slug, unwritten),
                reasoning=_reasoning(unwritten, entry),
            )
    written = {wildcard.prefix for wildcard in catalogue.wildcards}
    if work.config.catalogue.pass_through:
        catalogue.wildcards += [
            snapshot.Wildcard(prefix=prefix, endpoints=endpoints)
            for prefix, endpoints in offer.passes(offered).items()
            if prefix not in written and f"{prefix}*" not in catalogue.off
        ]
    taken = {alias for known in work.config.models.values() for alias in known.aliases}
    taken |= work.config.aliases.keys() | work.config.models.keys()
    return [
        (alias, slug, ("catalogue",))
        for alias, slug in offer.aliases(offered, catalogue.models).items()
        if alias not in taken and alias not in catalogue.models
    ]
