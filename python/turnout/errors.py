"""The exceptions that Turnout's Python side raises on purpose, as one small tree.

::

    TurnoutError
    ├── AuthError       a provider's token cannot be had (``turnout.auth.source``)
    ├── CatalogueError  a catalogue cannot be read, or is unfit for use (``turnout.catalogue.data``)
    ├── ConfigError     the configuration has mistakes; it carries all of them
    ├── KeysError       the file of stored keys cannot be read (``turnout.keys``)
    ├── LaunchError     the gateway cannot listen as it was told (``turnout.launch``)
    ├── LedgerError     the ledger's address, driver or schema is not usable (``turnout.ledger.store``)
    ├── LocalError      the local model cannot be served (``turnout.local``)
    ├── StartError      the plane cannot start in this process (``turnout.lifespan``)
    └── StateError      the state directory cannot be used, or another gateway has it (``turnout.state``)

Anything else that escapes is a bug, or an error of the machine (``OSError``), and is not dressed up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.config.mistake import Mistake


class TurnoutError(Exception):
    """Base of the tree: something a person can mend, told in a sentence that says how."""


class ConfigError(TurnoutError):
    """The configuration cannot be used. ``mistakes`` holds every one that was found, in file order."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))
