"""The public side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from written import LOCAL, compiled

if TYPE_CHECKING:
    from pathlib import Path


def test_threads_default_to_the_cores(tmp_path: Path) -> None:
    assert compiled(tmp_path, LOCAL).snapshot.server.threads >= 1
    assert compiled(tmp_path, LOCAL + "server: {threads: 3}").snapshot.server.threads == 3
