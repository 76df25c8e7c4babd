"""A new configuration under load: by file, by API; a wrong one changes nothing and is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import eventually
from tests.process.gateway import SLOW_S, Gateway, Load, booked_once, config, serving
from turnout._native import Mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mock() -> Iterator[Mock]:
    mock = Mock("127.0.0.1:0", threads=1)
    yield mock
    mock.stop()


def generation(gateway: Gateway) -> int:
    number: int = gateway.health()["config"]["generation"]
    return number


def later(gateway: Gateway, before: int) -> None:
    """Waits for a later configuration than that one."""
    eventually(lambda: generation(gateway) > before, "the new configuration runs", SLOW_S)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept connections", "new connections"])
def test_reloads_lose_nothing(tmp_path: Path, mock: Mock, keep_alive: bool) -> None:
    with serving(tmp_path, config(mock.address)) as gateway, Load(gateway.address, keep_alive=keep_alive) as load:
        for tokens in range(4, 9):
            load.more(40)
            before = generation(gateway)
            gateway.file.write_text(config(mock.address, script=f"plain;tokens={tokens}"))
            if tokens % 2:
                # Without waiting for the file's watcher. It may have been quicker, so only the outcome is looked at.
                assert gateway.admin("POST", "/api/admin/reload").status_code == 200
            later(gateway, before)
        load.more(40)
        load.stop()
        assert load.errors == []
        booked_once(gateway, load)


def test_a_wrong_configuration_keeps_the_last_good_one_and_is_shown(tmp_path: Path, mock: Mock) -> None:
    good = config(mock.address)
    with serving(tmp_path, good) as gateway, Load(gateway.address) as load:
        load.more(20)
        digest = gateway.health()["config"]["digest"]
        gateway.file.write_text(good + "nonsense: 1\n")
        eventually(lambda: gateway.health()["config"]["reload_error"], "health shows the failure", SLOW_S)
        health = gateway.health()
        assert "nonsense" in health["config"]["reload_error"]
        assert health["status"] == "ready, with warnings"
        assert health["config"]["digest"] == digest
        assert "turnout_config_reload_ok 0" in gateway.metrics()
        refused = gateway.admin("POST", "/api/admin/reload")
        assert refused.status_code == 422
        assert "nonsense" in refused.text
        load.more(40)
        gateway.file.write_text(config(mock.address, script="plain;tokens=5"))
        eventually(lambda: gateway.health()["config"]["reload_error"] is None, "the mended file runs", SLOW_S)
        assert gateway.health()["config"]["digest"] != digest
        assert "turnout_config_reload_ok 1" in gateway.metrics()
        load.more(20)
        load.stop()
        assert load.errors == []
