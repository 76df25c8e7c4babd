"""``turnout check``: every mistake of a configuration at once, and nothing started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from turnout.config import load
from turnout.config.compile import Compiled, compile
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def check(config: Path | None) -> int:
    """Prints ``file:line:column key: message`` for each mistake; returns 1 when there is one, else 0."""
    environment = load.environment()
    path = load.find(config, environment)
    # Lines stay whole for editors and grep: no wrapping, no markup read out of a message.
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    try:
        compiled = compile(load.load(path, environment), auth=True, environment=environment)
    except ConfigError as error:
        for mistake in error.mistakes:
            console.print(str(mistake))
        count = len(error.mistakes)
        console.print(f"{count} mistake{'s' if count != 1 else ''}", style="bold red")
        return 1
    for warning in compiled.warnings:
        console.print(f"{warning} (warning)", style="yellow")
    console.print(f"{path or 'no file, from the environment'}: good, {_counted(compiled)}", style="green")
    return 0


def _counted(compiled: Compiled) -> str:
    made = compiled.snapshot
    counts = {
        "provider": len(made.providers),
        "model": len(made.models),
        "wildcard": len(made.wildcards),
        "alias": len(made.aliases),
        "key": len(made.keys),
    }
    return ", ".join(f"{count} {_plural(noun) if count != 1 else noun}" for noun, count in counts.items())


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
