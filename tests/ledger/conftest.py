"""A fresh, migrated ledger in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from turnout.ledger import store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def address(tmp_path: Path) -> str:
    return store.sqlite_url(tmp_path / "ledger.db")


@pytest.fixture
def ledger(address: str) -> Iterator[store.Ledger]:
    opened = store.open_ledger(address)
    store.migrate(opened)
    yield opened
    store.close_ledger(opened)
