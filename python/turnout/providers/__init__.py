"""Providers that Turnout knows: where they are, what they speak, how they want a key, and where that is documented.

A provider that only has URLs and a key is a row in :mod:`turnout.providers.rows`. Nothing here does anything: what a
row means is decided in :mod:`turnout.config.compile`.
"""

from turnout.providers.row import Row
from turnout.providers.rows import ROWS, row

__all__ = ["ROWS", "Row", "row"]
