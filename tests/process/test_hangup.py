"""SIGHUP replaces the worker and SIGTERM ends the gateway, and no client notices either."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.process.gateway import SLOW_S, Load, booked_once, config, serving
from turnout._native import Mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mock() -> Iterator[Mock]:
    mock = Mock("127.0.0.1:0", threads=1)
    yield mock
    mock.stop()


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept connections", "new connections"])
def test_a_hangup_replaces_the_worker_and_loses_nothing(tmp_path: Path, mock: Mock, keep_alive: bool) -> None:
    with serving(tmp_path, config(mock.address)) as gateway, Load(gateway.address, keep_alive=keep_alive) as load:
        for _ in range(2):
            load.more(50)
            old = gateway.worker()
            gateway.process.send_signal(signal.SIGHUP)
            gateway.replaced(old)
            load.more(50)
        load.stop()
        assert load.errors == []
        booked_once(gateway, load)


def test_the_end_of_the_gateway_loses_no_answer(tmp_path: Path, mock: Mock) -> None:
    """Long streams finish within the drain; what was received whole is in the ledger when the process is gone."""
    text = config(mock.address, script="plain;tokens=20;pace=10")
    with serving(tmp_path, text) as gateway, Load(gateway.address) as load:
        load.more(4)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(SLOW_S) == 0
        load.stop()
        # Whoever comes after the end finds nobody; whoever was being served was served.
        assert all(error.startswith("new connection") for error in load.errors), load.errors
        booked_once(gateway, load)
