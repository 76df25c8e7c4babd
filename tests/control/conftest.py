"""The control API over a gateway, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from tests.fake.catalogues import CONFIG as CATALOGUE
from tests.fake.gateways import CLIENT, bearer
from tests.fake.gateways import gateway as make
from turnout.control.app import control
from turnout.ledger import store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.gateway import Gateway


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = make(tmp_path)
    yield made
    store.close_ledger(made.ledger)


@pytest.fixture
def client(gateway: Gateway) -> TestClient:
    return TestClient(control(gateway), raise_server_exceptions=False)


@pytest.fixture
def open_client(tmp_path: Path) -> Iterator[TestClient]:
    """The same with ``--no-auth``."""
    (tmp_path / "open").mkdir()
    made = make(tmp_path / "open", auth=False)
    yield TestClient(control(made), raise_server_exceptions=False)
    store.close_ledger(made.ledger)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[TestClient]:
    """A gateway with models of every kind; the client presents a key that may use all of them."""
    made = make(tmp_path, config=CATALOGUE)
    yield TestClient(control(made), raise_server_exceptions=False, headers=bearer(CLIENT))
    store.close_ledger(made.ledger)
