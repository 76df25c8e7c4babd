"""Providers that Turnout knows: a URL, the name of an environment variable, and where that is documented.

A provider that only has a URL and a key is a row in :mod:`turnout.providers.rows`. Nothing here does anything: what a
row means is decided in :mod:`turnout.config.compile`.
"""

from turnout.providers.rows import ROWS, Row, row

__all__ = ["ROWS", "Row", "row"]
