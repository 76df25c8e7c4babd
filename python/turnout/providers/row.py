"""The shape of a row: what is the same for everyone who uses a provider.

Slugs are OpenRouter's where it has one, because clients write them in ``provider.order``. A fact that is not documented
is ``None``, and an ability that is not documented is "no": a promise that the provider did not give is none of ours.
"""

from __future__ import annotations

import msgspec

from turnout.auth.aws import Aws  # noqa: TC001 — msgspec reads the annotations of Row at run time, as for all of these
from turnout.auth.entra import Entra  # noqa: TC001
from turnout.auth.google import Google  # noqa: TC001
from turnout.auth.key import BEARER, KeyScheme
from turnout.providers.dialect import Wire  # noqa: TC001


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a row's URLs leave open, written as ``{name}`` in them.

    ``{name-}`` is the value and a dash, and nothing at all for the value ``global``: so are Google's hosts named.
    """

    name: str
    meaning: str
    env: tuple[str, ...] = ()
    """Environment variables that may hold it, in order of preference."""
    default: str | None = None
    """``None``: it must be given."""
    choices: tuple[tuple[str, str], ...] = ()
    """The values that exist and what each puts into the URL; empty: anything that fits into a host name."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says about what it is sent, for an ordinary paid account that changed no setting."""

    training: bool | None = None
    """Whether it may be used for training."""
    retention_days: int | None = None
    """How long it may be kept, abuse monitoring included; 0: it is not kept."""
    zdr_offered: bool = False
    """Whether zero data retention can be agreed on where it is not the rule."""
    source: str | None = None
    """Where that is said. A policy without a source claims nothing."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A known provider."""

    slug: str
    name: str
    """Display name: the ``provider`` field of an answer."""
    wires: tuple[Wire, ...]
    """In order of preference."""
    env: tuple[str, ...]
    """Environment variables that may hold the key, in order of preference. Empty: none is looked for."""
    docs: str
    """Where the URL and the authentication are documented."""
    auth: KeyScheme = BEARER
    """How a key is sent."""
    identity: Aws | Entra | Google | None = None
    """What may stand in for a key."""
    settings: tuple[Setting, ...] = ()
    key_optional: bool = False
    """True for a server on one's own machine, which usually asks for no key."""
    detect: bool = True
    """Whether a key in the environment switches it on when there is no file. False where the variable commonly holds a
    credential that was set for something else."""
    routing_fields: bool = False
    """Whether the gateway's own fields (``provider``, ``models`` …) mean something there."""
    policy: Policy = Policy()
    headquarters: str | None = None
    """Country of the company, ISO 3166-1 alpha-2."""
    datacenters: tuple[str, ...] = ()
    """Countries in which it computes, the same way; empty: not told, or the customer's choice."""
    privacy_url: str | None = None
    terms_url: str | None = None
    status_url: str | None = None

    @property
    def base_url(self) -> str:
        """Of the preferred wire."""
        return self.wires[0].base_url
