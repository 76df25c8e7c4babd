"""One way into the configuration for all of its tests: text in, snapshot or mistakes out."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from turnout.config.compile import Compiled, compile
from turnout.config.load import load
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from turnout.config.mistake import Mistake

NAME = "turnout.yaml"
LOCAL = """
providers:
  local: {base_url: http://127.0.0.1:8080/v1}
"""


def compiled(directory: Path, text: str, environment: Mapping[str, str] | None = None) -> Compiled:
    """The configuration ``text``, in a file in ``directory``, which must be good."""
    path = directory / NAME
    # What is tested is nearly always what is written, so the catalogue stays out unless the text speaks of it.
    quiet = "" if "catalogue:" in text else "\ncatalogue: false\n"
    path.write_text(textwrap.dedent(text) + quiet, encoding="utf-8")
    return compile(load(path, environment or {}), auth=True, environment=environment or {})


def mistakes(directory: Path, text: str, environment: Mapping[str, str] | None = None) -> list[Mistake]:
    """All mistakes of ``text``, which must have some; their file is checked here, once."""
    with pytest.raises(ConfigError) as raised:
        compiled(directory, text, environment)
    found = list(raised.value.mistakes)
    assert all(mistake.file == str(directory / NAME) for mistake in found)
    return found


def told(directory: Path, text: str, environment: Mapping[str, str] | None = None) -> list[tuple[int, str, str]]:
    """The same as line, key and message."""
    return [(mistake.line, mistake.key_path, mistake.message) for mistake in mistakes(directory, text, environment)]


def messages(directory: Path, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """The same as messages only."""
    return [message for _, _, message in told(directory, text, environment)]
