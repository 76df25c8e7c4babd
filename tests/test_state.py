"""The state directory: where it is, that it can be used, and that one gateway uses it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from turnout import state


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_STATE_HOME": "/srv/state", "HOME": "/home/me"}, "/srv/state/turnout"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/turnout"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/me"}, "/home/me/.local/state/turnout"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.local/state/turnout"),
    ],
)
def test_the_default_follows_the_xdg_rules(environment: dict[str, str], expected: str) -> None:
    assert state.default_directory(environment) == Path(expected)


def test_the_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    made = state.prepare(tmp_path / "a" / "b")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert state.prepare(made) == made


def test_a_directory_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(state.StateError, match="--state"):
        state.prepare(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_somebody_else_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(state.StateError, match="not writable"):
        state.prepare(tmp_path)


def test_the_second_gateway_is_told_who_the_first_is(tmp_path: Path) -> None:
    held = state.lock(tmp_path)
    with pytest.raises(state.StateError, match=f"process {os.getpid()}"):
        state.lock(tmp_path)
    held.release()
    state.lock(tmp_path).release()


def test_workers_of_one_granian_share_and_keep_others_out(tmp_path: Path) -> None:
    first, second = state.lock(tmp_path, shared=True), state.lock(tmp_path, shared=True)
    with pytest.raises(state.StateError):
        state.lock(tmp_path)
    first.release()
    second.release()
