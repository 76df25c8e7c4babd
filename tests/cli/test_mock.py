"""``turnout mock``: names its address first, and ends by a signal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import turnout
from tests.fake import native
from turnout.cli.mock import mock

if TYPE_CHECKING:
    import pytest

SITE = Path(__file__).parent.parent / "fake" / "site"


def test_it_names_its_address_and_ends_by_a_signal() -> None:
    command = [sys.executable, "-m", "turnout", "mock", "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SITE), str(Path(turnout.__file__).parent.parent)])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("listening on 127.0.0.1:")
        host, _, port = said.split()[-1].rpartition(":")
        socket.create_connection((host, int(port)), timeout=5).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert mock(listen=address, threads=1, record=False, module=native) == 1
    assert f"cannot listen on {address}" in capsys.readouterr().err
