"""One compilation under way: what was loaded, and every mistake and warning that was found in it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.auth.source import unfetched
from turnout.config.mistake import MISTAKES_MAX, Mistake, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from turnout.auth.source import Source
    from turnout.config.load import Loaded
    from turnout.config.own import LeftOut, OwnKey
    from turnout.config.snapshot import Credential
    from turnout.config.source import Step


class Work:
    """The compilation's notebook, handed to each of its parts."""

    def __init__(
        self,
        loaded: Loaded,
        environment: Mapping[str, str],
        tokens: Callable[[Source], Credential | None] = unfetched,
        own: Iterable[OwnKey] = (),
    ) -> None:
        self.loaded = loaded
        self.tokens = tokens
        self.sources: list[Source] = []
        self.config = loaded.config
        self.environment = environment
        self.mistakes = list(loaded.mistakes)
        self.warnings: list[Mistake] = []
        self.own: dict[str, list[OwnKey]] = {}
        """Keys that were handed in through the API, by provider."""
        for key in own:
            self.own.setdefault(key.provider, []).append(key)
        self.left_out: dict[str, LeftOut] = {}
        """Those of them that are not used, by id."""

    def wrong(self, path: Sequence[Step], message: str, *, name: str = "", known: Iterable[str] = ()) -> None:
        """Notes a mistake; ``name`` was written where one of ``known`` was expected."""
        near = nearest(name, known) if name and len(self.mistakes) < MISTAKES_MAX else None
        self.mistakes.append(self.loaded.mistake(path, message, near))

    def warn(self, path: Sequence[Step], message: str) -> None:
        """Notes something that works and is probably not meant."""
        self.warnings.append(self.loaded.mistake(path, message))

    def is_cut(self, *path: Step) -> bool:
        """Whether this, or something above it, was already found wrong and left out.

        Complaining about what is missing there would only echo the first complaint.
        """
        whole = self.loaded.written(path)
        return any(whole[: len(cut)] == cut for cut in self.loaded.cut)

    def is_hurt(self, *path: Step) -> bool:
        """The same, or something below it was left out."""
        whole = self.loaded.written(path)
        return self.is_cut(*path) or any(cut[: len(whole)] == whole for cut in self.loaded.cut)
