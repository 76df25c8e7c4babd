"""From what a person wrote to what the machine reads: the only place that knows both.

Everything that a single field could not know is decided here: which providers are on, which key each of them sends,
which proxy lies between, what an alias finally means, which prices apply. The snapshot that comes out is complete.
Either there is a snapshot, or there is a :class:`ConfigError` with every mistake; never half of one.

``whole`` puts the parts together. Each part is a file, takes the :class:`turnout.config.compile.work.Work` under way,
notes there what is wrong, and returns its part of the snapshot.
"""

from __future__ import annotations

from turnout.config.compile.price import versioned
from turnout.config.compile.provider import HEADERS_OF_THE_GATEWAY, PROVIDER_SLUG, detected
from turnout.config.compile.settings import LedgerSettings, LogSettings, Settings
from turnout.config.compile.slug import filled, matching
from turnout.config.compile.whole import Compiled, compile, digested

__all__ = [
    "HEADERS_OF_THE_GATEWAY",
    "PROVIDER_SLUG",
    "Compiled",
    "LedgerSettings",
    "LogSettings",
    "Settings",
    "compile",
    "detected",
    "digested",
    "filled",
    "matching",
    "versioned",
]
