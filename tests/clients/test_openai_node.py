"""openai-node through the gateway: runs ``node/client.test.mjs`` with node's test runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.conftest import UPSTREAM_KEY
from tests.clients.serving import KEY

if TYPE_CHECKING:
    from tests.clients.serving import Serving
    from turnout._native import Mock

HERE = Path(__file__).parent / "node"
INSTALL_S = 240
"""Fetching three packages takes seconds; a slow registry must not fail the test."""


def installed() -> bool:
    """Whether ``node_modules`` is what the lock file says."""
    stamp = HERE / "node_modules" / ".package-lock.json"
    return stamp.exists() and stamp.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime


def run(file: str, **environment: str) -> None:
    """Runs a file with node's test runner; every test in it has to pass. Installs the packages first when needed."""
    if not installed():
        # No package has an install script, and none that could ever appear is run.
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        result = subprocess.run(command, cwd=HERE, timeout=INSTALL_S, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"npm ci failed in {HERE}:\n{result.stdout}{result.stderr}"
    # One after the other: the tests look at what the same provider received.
    result = subprocess.run(
        ["node", "--test", file],
        cwd=HERE,
        env={"PATH": os.environ["PATH"], "GATEWAY_KEY": KEY, **environment},
        timeout=110,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    written = (HERE / file).read_text().count("\ntest(")
    assert re.search(rf"\bpass {written}$", result.stdout, re.MULTILINE), result.stdout


@pytest.mark.timeout(INSTALL_S + 120)
@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm on the PATH")
def test_openai_node_works_through_the_gateway(gateway: Serving, mock: Mock) -> None:
    run(
        "client.test.mjs",
        GATEWAY_URL=gateway.base_url,
        MOCK_URL=f"http://{mock.address}",
        MOCK_KEY=UPSTREAM_KEY,
    )
