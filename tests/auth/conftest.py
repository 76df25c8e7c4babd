"""A token server on loopback that says what it is told to say, and the way to the helper beside the tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from token_server import TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer() as running:
        yield running
