"""``kill -9`` under load: every answer that a client received whole has exactly one row in the ledger."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import eventually
from tests.process.gateway import SLOW_S, Load, booked_once, config, free_address, serving
from turnout._native import Mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mock() -> Iterator[Mock]:
    mock = Mock("127.0.0.1:0", threads=1)
    yield mock
    mock.stop()


def test_a_killed_worker_comes_back_and_every_whole_answer_is_booked_once(tmp_path: Path, mock: Mock) -> None:
    with serving(tmp_path, config(mock.address)) as gateway, Load(gateway.address, clients=6) as load:
        load.more(200)
        worker = gateway.worker()
        os.kill(worker, signal.SIGKILL)
        gateway.replaced(worker)
        # Twice within 5.5 seconds would be a crash loop to granian, which ends then.
        eventually(lambda: gateway.health()["uptime_seconds"] >= 6, "the new worker has settled", SLOW_S)
        worker = gateway.worker()
        os.kill(worker, signal.SIGKILL)
        gateway.replaced(worker)
        load.more(200)
        load.stop()
        booked_once(gateway, load)
        assert len(load.whole) >= 400


def test_clients_wait_while_a_killed_worker_is_replaced(tmp_path: Path, mock: Mock) -> None:
    """New connections are never refused: the parent holds the socket, so they wait in its backlog."""
    with serving(tmp_path, config(mock.address)) as gateway:
        with Load(gateway.address, clients=4, keep_alive=False) as load:
            load.more(50)
            os.kill(gateway.worker(), signal.SIGKILL)
            load.more(50)
        # Only what was on the killed worker's connections is lost, at most one request for each client.
        assert len(load.errors) <= load.clients, load.errors
        assert not any("Refused" in error for error in load.errors), load.errors


def test_everything_killed_and_started_again_books_every_whole_answer_once(tmp_path: Path, mock: Mock) -> None:
    text = config(mock.address, listen=free_address())
    with serving(tmp_path, text) as first, Load(first.address, clients=6) as load:
        load.more(200)
        first.kill_all()
        for _ in range(2):
            with serving(tmp_path, text) as again:
                load.more(200)
                again.kill_all()
        load.stop()
        with serving(tmp_path, text) as last:
            booked_once(last, load)
            assert len(load.whole) >= 600


def test_a_locked_ledger_fails_no_request_and_catches_up(tmp_path: Path, mock: Mock) -> None:
    with serving(tmp_path, config(mock.address)) as gateway, Load(gateway.address) as load:
        load.more(50)
        with closing(sqlite3.connect(gateway.state_dir / "ledger.db", timeout=SLOW_S, isolation_level=None)) as other:
            other.execute("begin exclusive")
            load.more(300)
            eventually(lambda: gateway.health()["ledger"]["error"], "health says that the ledger lags", SLOW_S)
            assert gateway.health()["ledger"]["pending"] > 0
            assert gateway.health()["status"] == "ready, with warnings"
            load.more(100)
            other.execute("rollback")
        eventually(lambda: gateway.health()["ledger"]["error"] is None, "the ledger has caught up", SLOW_S)
        load.stop()
        assert load.errors == []
        booked_once(gateway, load)


def test_a_ledger_that_is_locked_while_everything_is_killed_catches_up_after_the_restart(
    tmp_path: Path, mock: Mock
) -> None:
    text = config(mock.address, listen=free_address())
    with serving(tmp_path, text) as gateway, Load(gateway.address) as load:
        load.more(20)
        with closing(sqlite3.connect(gateway.state_dir / "ledger.db", timeout=SLOW_S, isolation_level=None)) as other:
            other.execute("begin exclusive")
            load.more(200)
            gateway.kill_all()
            load.stop()
            other.execute("rollback")
        with serving(tmp_path, text) as again:
            booked_once(again, load)
