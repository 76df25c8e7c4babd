"""What the catalogue brings to a configuration: the models of the providers that are on, and what was left unsaid.

:mod:`turnout.config.compile` asks here for three things:

- the models of the accounts that are on, each with the endpoints of all of them, the cheapest first;
- what is known of a model at a provider that somebody wrote an endpoint for, to fill in what was not written;
- where names go that nobody knows yet (:func:`passes`): a model that came out today is asked for under the slug of its
  provider or its author, and is sent on with its price unknown.

An account brings models when it is one at a known provider. Where somebody wrote a URL, it is another server, of
which nothing is known; the configuration can say otherwise.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from turnout.catalogue.prices import complete
from turnout.config import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices

UNPRICED: Final = 2**63
"""Sorts what has no price behind everything that has one."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A provider that is on and brings its models."""

    slug: str
    """In the configuration."""
    row: str
    """Slug of the known provider that it is an account at."""
    index: int
    """Position among the snapshot's providers."""
    dialects: frozenset[str]
    """Those that it speaks."""
    policy: snapshot.DataPolicy
    is_gateway: bool
    """It knows whole slugs, of any author."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The catalogue as far as the accounts reach. Empty where it is off."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By slug."""
    accounts: Sequence[Account] = ()
    makers: Mapping[str, str] = field(default_factory=dict)
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hide: Sequence[str] = ()

    def at(self, slug: str, account: str, upstream: str | None) -> tuple[Entry, Endpoint, Account] | None:
        """What is known of the model at the account, under the account's own name of it if that is given.

        Without a name it is the ordinary endpoint there. ``None``: nothing is known.
        """
        entry = self.entries.get(slug)
        where = next((one for one in self.accounts if one.slug == account), None)
        if entry is None or where is None:
            return None
        there = [endpoint for endpoint in entry.endpoints if endpoint.provider == where.row]
        if upstream is not None:
            there = [endpoint for endpoint in there if endpoint.model == upstream]
        known = next((endpoint for endpoint in there if not endpoint.tag), there[0] if there else None)
        return (entry, known, where) if known is not None else None

    def serves(self, slug: str) -> bool:
        """Whether an account has the model."""
        entry = self.entries.get(slug)
        rows = {account.row for account in self.accounts}
        return entry is not None and any(endpoint.provider in rows for endpoint in entry.endpoints)


def offer(catalogue: Catalogue, accounts: Sequence[Account], hide: Sequence[str]) -> Offer:
    """The catalogue for these accounts. ``hide``: slugs and ``author/*`` patterns that it does not bring."""
    return Offer(
        entries={entry.slug: entry for entry in catalogue.models},
        accounts=accounts,
        makers=catalogue.makers,
        families=catalogue.families,
        hide=hide,
    )


def is_hidden(slug: str, hide: Sequence[str]) -> bool:
    """Whether a slug is one of the patterns, or begins as one that ends in ``*``."""
    return any(slug == one or (one.endswith("*") and slug.startswith(one[:-1])) for one in hide)


def models(offered: Offer) -> Iterator[tuple[Entry, list[snapshot.Endpoint]]]:
    """Every entry that is not hidden and that an account serves, with its endpoints, the cheapest first."""
    by_row = _by_row(offered.accounts)
    for entry in offered.entries.values():
        found = [] if is_hidden(entry.slug, offered.hide) else _endpoints(entry, by_row)
        if found:
            yield entry, found


def endpoints(entry: Entry, accounts: Sequence[Account]) -> list[snapshot.Endpoint]:
    """The entry's endpoints at the accounts, the cheapest first.

    What counts is the price of a prompt token and a completion token together; of equal ones the maker's own comes
    first, then the order of the slugs.
    """
    return _endpoints(entry, _by_row(accounts))


def _by_row(accounts: Sequence[Account]) -> dict[str, list[Account]]:
    by_row: dict[str, list[Account]] = {}
    for account in accounts:
        by_row.setdefault(account.row, []).append(account)
    return by_row


def _endpoints(entry: Entry, by_row: Mapping[str, Sequence[Account]]) -> list[snapshot.Endpoint]:
    author = entry.slug.partition("/")[0]
    found = [
        (_cost(known.prices), account.row != author, account.slug, known.tag, known, account)
        for known in entry.endpoints
        for account in by_row.get(known.provider, ())
        if known.dialect is None or known.dialect in account.dialects
    ]
    found.sort(key=lambda item: item[:4])
    return [endpoint(entry, known, account) for *_, known, account in found]


def _cost(prices: Prices | None) -> int:
    if prices is None:
        return UNPRICED
    pieces = prices.image + prices.request + prices.search_unit + prices.second
    return prices.prompt + prices.completion + prices.character + pieces * 1_000


def endpoint(entry: Entry, known: Endpoint, account: Account) -> snapshot.Endpoint:
    """The endpoint of an entry at an account, complete."""
    tag = known.tag.replace(known.provider, account.slug, 1) or account.slug
    parameters = entry.parameters if known.parameters is None else known.parameters
    return snapshot.Endpoint(
        provider=account.index,
        model=known.model,
        tag=tag,
        prices=prices(known.prices, provider=account.slug, upstream=known.model, tag=tag),
        context_length=known.context_length or entry.context_length,
        completion_tokens_max=known.completion_tokens_max or entry.completion_tokens_max,
        dialect=known.dialect,  # type: ignore[arg-type]  # only a dialect of the account gets here
        parameters=list(parameters) or None,
        inputs=list(entry.inputs),
        outputs=list(entry.outputs),
        quantization=known.quantization,
        data_policy=account.policy,
        weight=1,
        service_tier=None,
        region=None,
    )


def prices(known: Prices | None, *, provider: str, upstream: str, tag: str) -> snapshot.Prices | None:
    """The catalogue's prices as the snapshot has them, with every price said and a version of their own."""
    if known is None:
        return None
    whole = complete(known)
    identity = msgspec.json.encode([provider, upstream, tag, whole])
    assert whole.cache_read is not None
    assert whole.cache_write is not None
    assert whole.cache_write_1h is not None
    return snapshot.Prices(
        version=hashlib.sha256(identity).hexdigest()[:12],
        prompt=whole.prompt,
        completion=whole.completion,
        cache_read=whole.cache_read,
        cache_write=whole.cache_write,
        cache_write_1h=whole.cache_write_1h,
        reasoning=whole.reasoning,
        audio_prompt=whole.audio_prompt,
        audio_completion=whole.audio_completion,
        image_prompt=whole.image_prompt,
        image_completion=whole.image_completion,
        image=whole.image,
        request=whole.request,
        web_search=whole.web_search,
        search_unit=whole.search_unit,
        second=whole.second,
        character=whole.character,
        tiers=[
            snapshot.Tier(
                above_tokens=tier.above_tokens,
                prompt=tier.prompt,
                completion=tier.completion,
                cache_read=tier.cache_read,
                cache_write=tier.cache_write,
                cache_write_1h=tier.cache_write_1h,
            )
            for tier in whole.tiers
        ],
        service=[
            snapshot.Service(
                tier=service.tier,
                prompt=service.prompt,
                completion=service.completion,
                cache_read=service.cache_read,
                cache_write=service.cache_write,
            )
            for service in whole.service
        ],
    )


def passes(offered: Offer) -> dict[str, list[snapshot.Endpoint]]:
    """Where unknown names go: prefix of the slug → endpoints whose model is the rest of it.

    The prefixes are the account's slug, its own author's where it makes models, and none at all for a gateway. A
    prefix under which something is hidden is left out, because what is hidden could be asked for through it.
    """
    found: dict[str, list[snapshot.Endpoint]] = {}
    for account in offered.accounts:
        own = offered.makers.get(account.row)
        prefixes = [f"{account.slug}/", *([f"{own}/"] if own else []), *([""] if account.is_gateway else [])]
        for prefix in dict.fromkeys(prefixes):
            if not hides_below(offered, prefix):
                found.setdefault(prefix, []).append(_passing(account))
    return found


def hides_below(offered: Offer, prefix: str) -> bool:
    """Whether something that begins so is hidden."""
    return any(
        hidden.removesuffix("*").startswith(prefix) or (hidden.endswith("*") and prefix.startswith(hidden[:-1]))
        for hidden in offered.hide
    )


def _passing(account: Account) -> snapshot.Endpoint:
    return snapshot.Endpoint(
        provider=account.index,
        model="*",
        tag=account.slug,
        prices=None,
        context_length=None,
        completion_tokens_max=None,
        dialect=None,
        parameters=None,
        inputs=[],
        outputs=[],
        quantization=None,
        data_policy=account.policy,
        weight=1,
        service_tier=None,
        region=None,
    )


def aliases(offered: Offer, served: Mapping[str, object]) -> dict[str, str]:
    """Other names for the models that are ``served``: the authors' own, dated ones, and the newest of each family."""
    found: dict[str, str] = {}
    for entry in offered.entries.values():
        if entry.slug in served:
            for alias in (*entry.aliases, entry.canonical_slug):
                if alias and alias != entry.slug:
                    found.setdefault(alias, entry.slug)
    for family, members in offered.families.items():
        newest = next((slug for slug in members if slug in served), None)
        if newest is not None:
            found[f"~{family}-latest"] = newest
    return found
