"""The list of known providers, one row each, from the makers of models to one's own machine.

Facts are from the providers' public documentation; :mod:`turnout.providers.checked` says which of them were compared
with what. They were read, not called: ``turnout provider test NAME`` calls one. The order is that in which providers
are switched on when only the environment decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from turnout.providers.clouds import CLOUDS
from turnout.providers.gateways import GATEWAYS
from turnout.providers.hosts import HOSTS
from turnout.providers.labs import LABS
from turnout.providers.local import LOCAL

if TYPE_CHECKING:
    from turnout.providers.row import Row

ROWS: Final[tuple[Row, ...]] = (*LABS, *HOSTS, *CLOUDS, *GATEWAYS, *LOCAL)

_BY_SLUG: Final = {known.slug: known for known in ROWS}


def row(slug: str) -> Row | None:
    """The row of this slug, or ``None``."""
    return _BY_SLUG.get(slug)
