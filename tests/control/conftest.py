"""The control API over a gateway, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from tests.fake.catalogues import CONFIG as CATALOGUE
from tests.fake.gateways import CLIENT, bearer
from tests.fake.gateways import gateway as make
from tests.fake.keeping import config as keeping_config
from tests.fake.keeping import keeping
from turnout.control.app import control
from turnout.ledger import store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fake.keeping import Keeping
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


@pytest.fixture
def kept() -> Iterator[Keeping]:
    """A provider that keeps files and batches."""
    with keeping() as provider:
        yield provider


@pytest.fixture
def depot(tmp_path: Path, kept: Keeping) -> Iterator[TestClient]:
    """A gateway with that provider as ``one``, and as ``claude`` in Anthropic's protocol."""
    made = make(tmp_path, config=keeping_config(kept.address))
    yield TestClient(control(made), raise_server_exceptions=False, headers=bearer(CLIENT))
    store.close_ledger(made.ledger)


@pytest.fixture
def depots(tmp_path: Path, kept: Keeping) -> Iterator[TestClient]:
    """The same with a second one, ``two``, which nobody serves."""
    made = make(tmp_path, config=keeping_config(kept.address, "http://127.0.0.1:1/v1"))
    yield TestClient(control(made), raise_server_exceptions=False, headers=bearer(CLIENT))
    store.close_ledger(made.ledger)
