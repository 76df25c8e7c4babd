"""What a worker tells the parent arrives whole, whatever its size and whoever else speaks."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

from turnout import report
from turnout.config.own import OwnKey
from turnout.reload import Origin, compile_origin

if TYPE_CHECKING:
    from pathlib import Path


def test_a_start_is_told() -> None:
    parent, worker = report.pair()
    with parent, worker:
        report.send(worker, report.Started(pid=7, addresses=("127.0.0.1:4000",)))
        assert report.receive(parent) == report.Started(pid=7, addresses=("127.0.0.1:4000",))


def test_a_configuration_larger_than_any_datagram_is_told_by_two_at_once(tmp_path: Path) -> None:
    ready = dataclasses.replace(compile_origin(Origin(demo=True), {}, state_dir=tmp_path), encoded=b"x" * 5_000_000)
    parent, worker = report.pair()
    with parent, worker:
        threads = [threading.Thread(target=report.send, args=(worker, report.Taken(ready))) for _ in range(2)]
        for thread in threads:
            thread.start()
        received = [report.receive(parent) for _ in threads]
        for thread in threads:
            thread.join()
    assert received == [report.Taken(ready)] * 2


def test_the_provider_keys_of_the_api_are_told_with_it_and_not_shown(tmp_path: Path) -> None:
    key = OwnKey(
        id="a",
        provider="openai",
        label="byok-a",
        text="sk-secret",
        disabled=False,
        kind="prioritized",
        required=False,
        exclusive=False,
        zdr=None,
        models=["a/b"],
        hashes=None,
        users=None,
    )
    ready = dataclasses.replace(compile_origin(Origin(demo=True), {}, state_dir=tmp_path), own_keys=(key,))
    parent, worker = report.pair()
    with parent, worker:
        report.send(worker, report.Taken(ready))
        assert report.receive(parent) == report.Taken(ready)
    assert "sk-secret" not in repr(ready)


def test_a_parent_that_is_gone_is_no_error() -> None:
    parent, worker = report.pair()
    parent.close()
    with worker:
        report.send(worker, report.Started(pid=7, addresses=()))


def test_a_datagram_without_a_file_is_nothing() -> None:
    parent, worker = report.pair()
    with parent, worker:
        worker.send(b"\0")
        assert report.receive(parent) is None
