"""The plane is stopped at the signal, and whoever handled the signal before still hears of it."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from turnout.drain import SIGNALS, Drain

if TYPE_CHECKING:
    from collections.abc import Iterator


class Plane:
    def __init__(self, complete: bool = True) -> None:
        self.complete = complete
        self.calls: list[str] = []
        self.stopped = threading.Event()

    def begin_drain(self) -> None:
        self.calls.append("begin_drain")

    def stop(self) -> bool:
        self.calls.append("stop")
        self.stopped.set()
        return self.complete


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """Handlers as granian's loop would have them, and what they heard."""
    numbers: list[int] = []

    def handler(number: int, frame: Any) -> None:
        numbers.append(number)

    before = {number: signal.signal(number, handler) for number in SIGNALS}
    yield numbers
    for number, old in before.items():
        signal.signal(number, old)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_the_plane_before_the_lifespan_ends_and_is_passed_on(
    heard: list[int], number: signal.Signals
) -> None:
    plane = Plane()
    drain = Drain(plane)
    drain.install()
    os.kill(os.getpid(), number)
    assert plane.stopped.wait(10)
    assert set(heard) == {number}
    assert drain.stop()
    drain.uninstall()
    assert plane.calls == ["begin_drain", "stop"]


def test_a_signal_that_the_loop_has_not_heard_is_sent_again(heard: list[int]) -> None:
    drain = Drain(Plane())
    drain.install()
    again = threading.Event()
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)

    def deaf_once(number: int, frame: Any) -> None:
        handler(number, frame)
        if len(heard) > 1:
            again.set()

    signal.signal(signal.SIGINT, deaf_once)
    os.kill(os.getpid(), signal.SIGINT)
    assert again.wait(10)
    assert drain.stop()
    drain.uninstall()
    assert set(heard) == {signal.SIGINT}


def test_two_signals_and_the_end_stop_the_plane_once(heard: list[int]) -> None:
    plane = Plane()
    drain = Drain(plane)
    drain.install()
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert drain.stop()
    drain.uninstall()
    assert plane.calls == ["begin_drain", "stop"]
    assert set(heard) == {signal.SIGINT, signal.SIGTERM}


def test_the_handlers_are_put_back(heard: list[int]) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    drain = Drain(Plane())
    drain.install()
    assert [signal.getsignal(number) for number in SIGNALS] != before
    drain.stop()
    drain.uninstall()
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_could_not_finish_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert not Drain(Plane(complete=False)).stop()
    assert "not everything in flight could finish" in caplog.text


def test_a_signal_that_nobody_handles_is_left_alone() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        drain = Drain(Plane())
        drain.install()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        drain.stop()
        drain.uninstall()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_on_another_thread_only_the_lifespans_end_stops_the_plane(heard: list[int]) -> None:
    plane = Plane()
    drain = Drain(plane)
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=drain.install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert drain.stop()
    assert plane.calls == ["begin_drain", "stop"]
