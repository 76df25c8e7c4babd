"""The wallet: credentials of short life, fetched beside the traffic and renewed before they end.

The compilation asks the wallet for what a source's credential is now; when one changes, the wallet asks for a reload,
and the plane gets it with the next snapshot. So no request ever waits for a token, and a token server that is down is
felt only when what it gave has ended.

When: at four fifths of a credential's life, a little earlier by lot so that many gateways do not come at once. A
failure leaves the old credential in use; the next try is after five seconds, then ten, twenty and so on up to five
minutes. The first failure of a series is logged, and its end. When the old credential has ended as well, it is taken
out of use: its provider is off until there is another, instead of being asked with a token that it must refuse.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from turnout.auth.source import AuthError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from turnout.auth.source import Minted, Source
    from turnout.config.snapshot import Credential

log = logging.getLogger("turnout.auth")

RENEW_AT: Final = 0.8
"""Part of a credential's life after which it is renewed: leaves a fifth for a token server that is down."""
JITTER: Final = 0.1
"""Part of its life by which that may be earlier."""
RETRY_S: Final = 5.0
RETRY_MAX_S: Final = 300.0
EXPIRY_MARGIN_S: Final = 10.0
"""A credential this close to its end is not handed out: it would end on the way."""
POLL_S: Final = 5.0
"""Longest pause between two looks, so that a clock that was moved is noticed."""
PARALLEL_MAX: Final = 8
"""Exchanges at the same time; more sources than that wait for each other."""


@dataclass
class _Purse:
    """What is known of one source. Guarded by the wallet's lock."""

    minted: Minted | None = None
    due: float = 0.0
    """When to try next, in Unix seconds."""
    failures: int = 0
    """In a row."""
    error: str | None = None


@dataclass(frozen=True)
class Status:
    """How a source is doing, for people."""

    source: str
    expires_unix: int | None
    """``None``: there is no credential."""
    error: str | None
    """Of the last try, if it failed."""


class Wallet:
    """Credentials by source. Asked from the thread that compiles, renewed in one of its own."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        lot: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._lot = lot
        self._purses: dict[Source, _Purse] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def credential(self, source: Source) -> Credential | None:
        """The credential of a source as it is now; ``None``: there is none that could be used. Never blocks."""
        with self._lock:
            purse = self._purses.get(source)
            minted = purse.minted if purse is not None else None
            return minted.credential if minted is not None and self._is_good(minted) else None

    def fetch(self, sources: Iterable[Source]) -> bool:
        """Fetches what is new among ``sources``, all at once, and waits for it; true when there is a new credential.

        What fails is tried again by the thread, so a wrong one does not hold up the others more than once.
        """
        with self._lock:
            new = [source for source in dict.fromkeys(sources) if source not in self._purses]
            for source in new:
                self._purses[source] = _Purse()
        return self._renew(new)

    def keep(self, sources: Iterable[Source]) -> None:
        """Forgets every source that is not among these: the configuration that runs has no use for it."""
        kept = set(sources)
        with self._lock:
            self._purses = {source: purse for source, purse in self._purses.items() if source in kept}
        self._wake.set()

    def look(self) -> bool:
        """Renews what is due; true when a credential has changed or ended, so that a reload is needed."""
        now = self._clock()
        with self._lock:
            ended = [purse for purse in self._purses.values() if purse.minted and not self._is_good(purse.minted)]
            for purse in ended:
                purse.minted = None
            due = [source for source, purse in self._purses.items() if purse.due <= now]
        return self._renew(due) or bool(ended)

    def status(self) -> list[Status]:
        """How each source is doing."""
        with self._lock:
            return [
                Status(
                    source=source.describe(),
                    expires_unix=None if purse.minted is None else int(purse.minted.expires_unix),
                    error=purse.error,
                )
                for source, purse in self._purses.items()
            ]

    def start(self, on_change: Callable[[], object]) -> None:
        """Starts renewing; ``on_change`` is called, in the wallet's thread, when a reload is needed."""
        self._thread = threading.Thread(target=self._run, args=(on_change,), name="turnout-wallet", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops, and waits for a renewal that is under way."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def pause_s(self) -> float:
        """How long nothing needs to be done."""
        now = self._clock()
        with self._lock:
            times = [purse.due for purse in self._purses.values()]
            times += [
                purse.minted.expires_unix - EXPIRY_MARGIN_S
                for purse in self._purses.values()
                if purse.minted is not None
            ]
        return min(POLL_S, max(0.0, min(times, default=now + POLL_S) - now))

    def _is_good(self, minted: Minted) -> bool:
        return minted.expires_unix - EXPIRY_MARGIN_S > self._clock()

    def _renew(self, sources: list[Source]) -> bool:
        if not sources:
            return False
        with ThreadPoolExecutor(
            max_workers=min(PARALLEL_MAX, len(sources)), thread_name_prefix="turnout-token"
        ) as pool:
            # A list, so that all are tried; any() alone would stop at the first success.
            return any(list(pool.map(self._renew_one, sources, timeout=None)))

    def _renew_one(self, source: Source) -> bool:
        try:
            minted = source.mint(self._clock)
        except AuthError as error:
            self._failed(source, str(error))
            return False
        now = self._clock()
        life = minted.expires_unix - now
        if life <= EXPIRY_MARGIN_S:
            self._failed(
                source, f"{source.describe()}: what was given ends in {max(0, int(life))} s: compare the clocks"
            )
            return False
        with self._lock:
            purse = self._purses.setdefault(source, _Purse())
            changed = purse.minted is None or purse.minted.credential != minted.credential
            recovered = purse.failures > 0
            purse.minted, purse.failures, purse.error = minted, 0, None
            purse.due = now + life * (RENEW_AT - JITTER * self._lot())
        if recovered:
            log.info("%s: there are credentials again", source.describe())
        return changed

    def _failed(self, source: Source, message: str) -> None:
        with self._lock:
            purse = self._purses.setdefault(source, _Purse())
            purse.failures += 1
            first, purse.error = purse.failures == 1, message
            pause = min(RETRY_MAX_S, RETRY_S * 2 ** min(purse.failures - 1, 10))
            purse.due = self._clock() + pause * (1.0 - JITTER * self._lot())
        if first:
            log.error("%s; it is tried again until it works", message)

    def _run(self, on_change: Callable[[], object]) -> None:
        while not self._stopping:
            self._wake.wait(self.pause_s())
            self._wake.clear()
            if self._stopping:
                return
            try:
                if self.look():
                    on_change()
            except Exception:
                # A bug in one renewal must not end the renewing.
                log.exception("renewing credentials failed; it goes on")
