"""The wallet: fetched once, renewed in time, kept through failures until the end. The clock is moved, not awaited."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from turnout.auth.source import AuthError, Minted, bearer
from turnout.auth.wallet import EXPIRY_MARGIN_S, RETRY_MAX_S, RETRY_S, Wallet

if TYPE_CHECKING:
    from collections.abc import Callable

LIFE_S = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Scripted:
    """Gives token-1, token-2 …, or fails when it is told to."""

    name: str = "scripted"
    failing: bool = False
    life_s: float = LIFE_S
    minted: list[float] = field(default_factory=list)
    tries: int = 0

    def describe(self) -> str:
        return self.name

    def mint(self, clock: Callable[[], float]) -> Minted:
        self.tries += 1
        if self.failing:
            raise AuthError(f"{self.name}: no token today")
        self.minted.append(clock())
        credential = bearer("test", f"{self.name}-{len(self.minted)}")
        return Minted(credential=credential, expires_unix=clock() + self.life_s)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wallet(clock: Clock) -> Wallet:
    return Wallet(clock=clock, lot=lambda: 0.0)


def value(wallet: Wallet, source: Scripted) -> str | None:
    found = wallet.credential(source)
    return None if found is None else found.value


def test_new_sources_are_fetched_once(wallet: Wallet) -> None:
    one, two = Scripted("one"), Scripted("two")
    assert wallet.credential(one) is None
    assert wallet.fetch([one, two, one]) is True
    assert wallet.fetch([one, two]) is False
    assert (one.tries, two.tries) == (1, 1)
    assert (value(wallet, one), value(wallet, two)) == ("Bearer one-1", "Bearer two-1")


def test_a_credential_is_renewed_at_four_fifths_of_its_life(wallet: Wallet, clock: Clock) -> None:
    source = Scripted()
    wallet.fetch([source])
    clock.now += LIFE_S * 0.8 - 1
    assert wallet.look() is False
    clock.now += 1
    assert wallet.look() is True
    assert value(wallet, source) == "Bearer scripted-2"
    assert wallet.look() is False


def test_the_lot_makes_a_renewal_earlier_and_never_later(clock: Clock) -> None:
    source = Scripted()
    wallet = Wallet(clock=clock, lot=lambda: 1.0)
    wallet.fetch([source])
    clock.now += LIFE_S * 0.7
    assert wallet.look() is True


def test_a_failure_keeps_the_old_one_and_is_tried_again_ever_later(
    wallet: Wallet, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Scripted(life_s=36_000)
    wallet.fetch([source])
    source.failing = True
    clock.now += 36_000 * 0.8
    caplog.set_level(logging.INFO, "turnout.auth")
    pauses: list[float] = []
    for _ in range(9):
        tries = source.tries
        assert wallet.look() is False
        assert source.tries == tries + 1
        assert value(wallet, source) == "Bearer scripted-1"
        due = clock.now
        while wallet.pause_s():
            clock.now += wallet.pause_s()
        pauses.append(round(clock.now - due))
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert (RETRY_S, RETRY_MAX_S) == (5, 300)
    assert [record.getMessage() for record in caplog.records] == [
        "scripted: no token today; it is tried again until it works"
    ]
    assert [(one.source, one.error) for one in wallet.status()] == [("scripted", "scripted: no token today")]
    source.failing = False
    assert wallet.look() is True
    assert value(wallet, source) == "Bearer scripted-2"
    assert caplog.records[-1].getMessage() == "scripted: there are credentials again"
    assert [one.error for one in wallet.status()] == [None]


def test_what_has_ended_is_taken_out_of_use_and_asks_for_a_reload_once(wallet: Wallet, clock: Clock) -> None:
    source = Scripted()
    wallet.fetch([source])
    source.failing = True
    clock.now += LIFE_S - EXPIRY_MARGIN_S
    assert wallet.credential(source) is None
    assert wallet.look() is True
    assert wallet.look() is False
    assert [one.expires_unix for one in wallet.status()] == [None]
    source.failing = False
    clock.now += RETRY_S
    assert wallet.look() is True
    assert value(wallet, source) == "Bearer scripted-2"


def test_a_source_that_fails_at_first_does_not_hold_up_the_others_again(wallet: Wallet, clock: Clock) -> None:
    good, bad = Scripted("good"), Scripted("bad", failing=True)
    assert wallet.fetch([good, bad]) is True
    assert wallet.credential(bad) is None
    assert wallet.fetch([good, bad]) is False
    assert bad.tries == 1
    bad.failing = False
    clock.now += RETRY_S
    assert wallet.look() is True
    assert value(wallet, bad) == "Bearer bad-1"


def test_a_credential_that_has_all_but_ended_is_no_credential(wallet: Wallet) -> None:
    source = Scripted(life_s=EXPIRY_MARGIN_S)
    assert wallet.fetch([source]) is False
    assert wallet.credential(source) is None
    (status,) = wallet.status()
    assert status.error == "scripted: what was given ends in 10 s: compare the clocks"


def test_the_same_credential_again_asks_for_no_reload(wallet: Wallet, clock: Clock) -> None:
    class Same(Scripted):
        def mint(self, clock: Callable[[], float]) -> Minted:
            return Minted(credential=bearer("test", "same"), expires_unix=clock() + LIFE_S)

    source = Same()
    assert wallet.fetch([source]) is True
    clock.now += LIFE_S * 0.9
    assert wallet.look() is False
    assert value(wallet, source) == "Bearer same"


def test_what_is_not_kept_is_forgotten(wallet: Wallet, clock: Clock) -> None:
    old, new = Scripted("old"), Scripted("new")
    wallet.fetch([old, new])
    wallet.keep([new])
    clock.now += LIFE_S * 0.9
    assert wallet.look() is True
    assert (old.tries, new.tries) == (1, 2)
    assert [one.source for one in wallet.status()] == ["new"]


def test_the_thread_renews_what_is_due_and_stops(clock: Clock) -> None:
    source = Scripted()
    wallet = Wallet(clock=clock, lot=lambda: 0.0)
    wallet.fetch([source])
    clock.now += LIFE_S * 0.9
    renewed = threading.Event()
    wallet.start(renewed.set)
    assert renewed.wait(10)
    wallet.stop()
    assert value(wallet, source) == "Bearer scripted-2"
