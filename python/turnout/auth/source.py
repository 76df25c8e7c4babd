"""What short-lived credentials come from: the shape that every kind of identity has for the wallet.

A source is plain frozen data that says all that an exchange needs, so two equal ones share their credentials and a
changed one is another. :meth:`Source.mint` makes the exchange; it blocks, and is called beside the traffic only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from turnout.config import snapshot
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable

EXCHANGE_S: Final = 20.0
"""How long one exchange may take. Token servers answer within a second; this leaves room for a slow proxy."""


class AuthError(TurnoutError):
    """A credential could not be had. Its text says from whom, and what to do, and never holds a secret."""


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """A credential of short life."""

    credential: snapshot.Credential
    expires_unix: float


class Source(Protocol):
    """An identity that is exchanged for credentials."""

    def describe(self) -> str:
        """Whose credentials they are, for logs and pages; no secret."""

    def mint(self, clock: Callable[[], float]) -> Minted:
        """Makes the exchange. ``clock`` tells Unix seconds. Raises :class:`AuthError`."""

    def __hash__(self) -> int:
        """Equal sources are one."""


def bearer(label: str, token: str) -> snapshot.Credential:
    """A token as the plane sends it."""
    return snapshot.Credential(
        label=label, scheme="header", name="authorization", value=f"Bearer {token}", weight=1, sigv4=None
    )


def unfetched(source: Source) -> snapshot.Credential:
    """Stands for a credential where a configuration is only looked at, and nobody is asked for tokens."""
    return bearer("fetched", f"of {source.describe()}")
