"""``turnout key new``: a key in place of the one that the gateway made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from turnout import keys, state
from turnout.config.load import environment as read_environment
from turnout.errors import TurnoutError
from turnout.reload import Origin, compile_loaded, load_origin, origin_of

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.keys import Purpose


def new(*, config: Path | None, state_dir: Path | None, purpose: Purpose) -> int:
    """Makes and shows the key; returns the exit code."""
    environment = read_environment()
    origin = origin_of(Origin(config=config, state_dir=state_dir), environment)
    try:
        loaded = load_origin(origin, environment)
        settings = compile_loaded(loaded, origin, environment).settings
        directory = state.prepare(state_dir or loaded.state_dir or state.default_directory(environment))
        key = keys.renew(directory, purpose)
    except TurnoutError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    notes = Console(stderr=True)
    notes.print(
        f"The {purpose} key in {keys.path(directory)} was replaced; this one is not shown again.", soft_wrap=True
    )
    if purpose == "client" and loaded.has_keys:
        notes.print(
            "The configuration has keys of its own, so this one counts only when they are taken out.", soft_wrap=True
        )
    if purpose == "admin" and settings.admin_sha256 is not None:
        notes.print("The configuration has server.admin_key, so this one counts only without it.", soft_wrap=True)
    # Alone on standard output, for a script to take.
    Console().print(key, markup=False, highlight=False, soft_wrap=True)
    return 0
