"""Keys that travel as they are: in a header, alone or behind a word such as ``Bearer``, or in the query of the URL."""

from __future__ import annotations

from typing import Final

import msgspec

from turnout.config import snapshot


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="header"):
    """The key is the value of a header."""

    name: str
    """In lower case."""
    prefix: str = ""
    """What stands before the key, with its space."""


class Query(msgspec.Struct, frozen=True, kw_only=True, tag="query"):
    """The key is a parameter of the URL. Only for providers with no other way: URLs end up in the logs of proxies."""

    name: str


KeyScheme = Header | Query

BEARER: Final = Header(name="authorization", prefix="Bearer ")
"""What nearly all providers take."""


def credential(scheme: KeyScheme, *, label: str, key: str, weight: int) -> snapshot.Credential:
    """The key as the plane sends it."""
    if isinstance(scheme, Header):
        value = scheme.prefix + key
        return snapshot.Credential(
            label=label, scheme="header", name=scheme.name, value=value, weight=weight, sigv4=None
        )
    return snapshot.Credential(label=label, scheme="query", name=scheme.name, value=key, weight=weight, sigv4=None)
