"""What differs between two catalogues, and between the catalogue and what a configuration makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from turnout.catalogue.prices import complete

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices


class Change(msgspec.Struct, frozen=True):
    """One difference. ``before`` or ``after`` is ``None`` where the thing is on one side only."""

    slug: str
    endpoint: str | None
    """Tag of the endpoint; ``None``: it is about the model itself."""
    field: str
    before: Any
    after: Any


IGNORED = frozenset({"sources", "endpoints", "slug", "provider", "tag", "prices"})


def differences(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    """Every difference, by slug."""
    old = {entry.slug: entry for entry in before.models}
    new = {entry.slug: entry for entry in after.models}
    for slug in sorted(old.keys() | new.keys()):
        one, other = old.get(slug), new.get(slug)
        if one is None or other is None:
            yield Change(slug, None, "model", one and one.name, other and other.name)
        else:
            yield from _of_model(one, other)


def _of_model(one: Entry, other: Entry) -> Iterator[Change]:
    for name in one.__struct_fields__:
        if name not in IGNORED and getattr(one, name) != getattr(other, name):
            yield Change(one.slug, None, name, _plain(getattr(one, name)), _plain(getattr(other, name)))
    old, new = _tagged(one), _tagged(other)
    for tag in sorted(old.keys() | new.keys()):
        if tag not in old or tag not in new:
            before, after = old.get(tag), new.get(tag)
            yield Change(one.slug, tag, "endpoint", before and before.model, after and after.model)
            continue
        yield from _of_endpoint(one.slug, tag, old[tag], new[tag])


def _tagged(entry: Entry) -> Mapping[str, Endpoint]:
    return {endpoint.tag or endpoint.provider: endpoint for endpoint in entry.endpoints}


def _of_endpoint(slug: str, tag: str, one: Endpoint, other: Endpoint) -> Iterator[Change]:
    for name in one.__struct_fields__:
        if name not in IGNORED and getattr(one, name) != getattr(other, name):
            yield Change(slug, tag, name, _plain(getattr(one, name)), _plain(getattr(other, name)))
    yield from prices(slug, tag, one.prices, other.prices)


def prices(slug: str, tag: str, one: Prices | None, other: Prices | None) -> Iterator[Change]:
    """The prices that differ; one that a list leaves out is compared as what it stands for."""
    if one is None or other is None:
        if one is not other:
            yield Change(slug, tag, "prices", _plain(one), _plain(other))
        return
    before, after = complete(one), complete(other)
    for name in before.__struct_fields__:
        if getattr(before, name) != getattr(after, name):
            yield Change(slug, tag, f"prices.{name}", _plain(getattr(before, name)), _plain(getattr(after, name)))


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
