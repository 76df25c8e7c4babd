"""Follows what other processes change in the database: presets and provider keys that go in through their APIs.

Every two seconds a thread asks for the revision, which is one row (:mod:`turnout.ledger.revision`). When it is another
one, the presets and keys are read and, where they differ from those that run, put in place as a change of this
process's own API is. What this process changed itself runs already, so it is read once more and put in place once.

A database that is away changes nothing: what runs goes on, and the log says so once, and when it is back. That is also
how the presets and keys come to a gateway that had to start without its database.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from turnout.errors import TurnoutError
from turnout.ledger import revision
from turnout.ledger.writer import describe
from turnout.reload import muted, with_presets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from turnout.config.own import OwnKey
    from turnout.reload import Ready, Reloader
    from turnout.shelf import Shelf

log = logging.getLogger("turnout.follower")

POLL_S: Final = 2.0
"""Pause between two looks at the revision. A key that was withdrawn elsewhere is used here for that long at most, and
half a query a second is nothing to a database."""

STOP_S: Final = 5.0
"""How long the end waits for a look that is under way. A database that is gone may keep its caller for minutes; the
thread then ends with the process, and puts nothing in place any more."""


class Follower:
    """The thread. :meth:`look` is one look, for tests as well."""

    def __init__(
        self,
        shelf: Shelf,
        reloader: Reloader,
        *,
        is_migrated: Callable[[], bool] = lambda: True,
        poll_s: float = POLL_S,
    ) -> None:
        self._shelf = shelf
        self._reloader = reloader
        self._is_migrated = is_migrated
        """Whether the schema is there. Until then the ledger's writer says what is wrong."""
        self._poll_s = poll_s
        self._seen: tuple[str, str] | None = None
        """The revision at which what runs was compared with the database, and the digest of what ran then."""
        self._is_away = False
        """Whether the last look failed, and was told."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts looking."""
        self._thread = threading.Thread(target=self._run, name="turnout-follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops, and waits for a look that is under way, but not for ever."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def look(self) -> bool:
        """Looks once; true when something was put in place."""
        if self._shelf.ledger is None or not self._is_migrated():
            return False
        try:
            found = revision.read(self._shelf.ledger)
            # Another one, not a later one: a database that was restored from a backup goes back. The digest is another
            # one after a change of this process, which a restored database does not have.
            is_known = self._seen == (found, self._running())
            placed = not is_known and self._reloader.follow(self._change)
        except SQLAlchemyError as error:
            if not self._is_away:
                log.warning("what other gateways change cannot be read, what runs goes on: %s", describe(error))
            self._is_away = True
            return False
        if self._is_away:
            log.warning("what other gateways change can be read again")
            self._is_away = False
        # What the plane did not take is shown, and not tried again before the next change.
        self._seen = (found, self._running())
        return placed

    def _running(self) -> str:
        return self._reloader.current.snapshot.digest

    def _change(self, current: Ready) -> Ready:
        """What is to run now; ``current`` itself when that is all in it."""
        own_keys, presets = self._shelf.read()
        if self._stop.is_set():
            return current
        ready = current if tuple(own_keys) == current.own_keys else self._with_keys(current, own_keys)
        ready = with_presets(ready, presets)
        if ready is not current:
            log.info("what another process changed is read: %d provider keys, %d presets", len(own_keys), len(presets))
        return ready

    def _with_keys(self, current: Ready, own_keys: Sequence[OwnKey]) -> Ready:
        try:
            ready = self._reloader.remade(own_keys)
        except (TurnoutError, OSError) as error:
            # Only after a start from the last good configuration, with a file that is wrong ever since. Whoever
            # withdrew a key was told that it is not used any more, so that at least is done.
            log.warning("provider keys that are new or changed wait until the configuration is mended: %s", error)
            used = {key.label for key in own_keys if not key.disabled}
            ready = current
            for key in current.own_keys:
                if not key.disabled and key.label not in used:
                    ready = muted(ready, key.provider, key.label)
            return ready
        for warning in ready.compiled.warnings:
            if warning not in current.compiled.warnings:
                log.warning("%s", warning)
        return ready

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.look()
            except Exception:
                # A bug in one look must not end the following, nor fill the log.
                if not self._is_away:
                    log.exception("looking at what other gateways changed failed; it goes on")
                self._is_away = True
