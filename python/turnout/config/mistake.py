"""One thing that is wrong with a configuration, and the list in which they are gathered."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

MISTAKES_MAX: Final = 200
"""More than this many are counted and not listed: nobody reads on, and near names cost time for each."""


class Mistake(msgspec.Struct, frozen=True):
    """What was seen, what was expected and where. Never holds a secret."""

    file: str
    """File as it was named, or ``environment`` where there is none."""
    line: int
    """From 1; 0 when the mistake has no place in a file."""
    column: int
    """From 1; 0 when the mistake has no place in a file."""
    key_path: str
    """``models.openai/gpt-4o.endpoints[0].provider``; empty for the file as a whole."""
    message: str
    near: str | None = None
    """The known name that is closest to a misspelt one."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        key = f" {self.key_path}" if self.key_path else ""
        near = f" (did you mean {self.near}?)" if self.near else ""
        return f"{place}{key}: {self.message}{near}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, or ``None`` when none is like it."""
    folded = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Without repetitions, by place in the file; at :data:`MISTAKES_MAX` cut, and the last one says how many more."""
    unique = sorted(set(mistakes), key=lambda mistake: (mistake.file, mistake.line, mistake.column, mistake.key_path))
    if len(unique) <= MISTAKES_MAX:
        return unique
    more = len(unique) - MISTAKES_MAX
    return [*unique[:MISTAKES_MAX], Mistake(unique[0].file, 0, 0, "", f"and {more} more mistakes")]
