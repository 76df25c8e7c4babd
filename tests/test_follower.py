"""``follower.py``: what other processes change in the database runs here too, once; one that is away is waited for."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Table, delete, insert, select, text
from starlette.testclient import TestClient

from tests.fake import native
from tests.fake.gateways import ADMIN, bearer
from tests.fake.gateways import gateway as make
from tests.ledger.test_byok import stored
from turnout import follower
from turnout.control.app import control
from turnout.errors import TurnoutError
from turnout.follower import Follower
from turnout.ledger import byok, presets, revision, store
from turnout.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.gateway import Gateway


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Gateway]:
    """The gateway that follows. What a test does to its database without its API, another process does."""
    made = make(tmp_path)
    yield made
    store.close_ledger(made.ledger)


@pytest.fixture
def following(here: Gateway) -> Follower:
    """It has looked once, as after a start."""
    made = Follower(Shelf(here.vault, here.ledger), here.reloader)
    assert not made.look()
    return made


def add(gateway: Gateway, key_id: str = "a", **changes: Any) -> byok.StoredKey:
    key = stored(key_id, sealed=gateway.vault.seal(key_id, f"sk-{key_id}"), **changes)
    byok.add(gateway.ledger, key)
    return key


def save(gateway: Gateway, slug: str = "brief", **members: Any) -> None:
    presets.save(gateway.ledger, slug, members, system_prompt=None, creator="", now_ms=1)


@contextlib.contextmanager
def away(gateway: Gateway, table: Table) -> Iterator[None]:
    """While this lasts the table cannot be read."""
    rename(gateway, table.name, "hidden")
    yield
    rename(gateway, "hidden", table.name)


def rename(gateway: Gateway, name: str, other: str) -> None:
    with gateway.ledger.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {name} RENAME TO {other}"))


def own(gateway: Gateway) -> list[str]:
    """The handed-in keys that run."""
    return [
        one.value.removeprefix("Bearer ")
        for provider in gateway.reloader.current.snapshot.providers
        for one in provider.credentials
        if one.label.startswith("byok-")
    ]


def running(gateway: Gateway) -> dict[str, str]:
    """The presets that run and are not disabled."""
    return {one.slug: one.config for one in gateway.reloader.current.snapshot.presets if not one.disabled}


def swaps(gateway: Gateway) -> int:
    assert isinstance(gateway.plane, native.Plane)
    return len(gateway.plane.snapshots) - 1


def test_a_key_that_goes_in_elsewhere_runs_here_and_one_that_is_withdrawn_does_not(
    here: Gateway, following: Follower
) -> None:
    key = add(here)
    assert following.look()
    assert own(here) == ["sk-a"]
    other = replace(key, sealed=here.vault.seal("a", "sk-other"), version=2)
    byok.change(here.ledger, other)
    assert following.look()
    assert own(here) == ["sk-other"]
    byok.change(here.ledger, replace(other, disabled=True))
    assert following.look()
    assert own(here) == []
    byok.change(here.ledger, other)
    assert following.look()
    byok.remove(here.ledger, "a")
    assert following.look()
    assert own(here) == []
    assert swaps(here) == 5


def test_presets_are_followed_without_compiling_everything(
    here: Gateway, following: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here.reloader, "remake", None)
    save(here, temperature=0.5)
    assert following.look()
    assert running(here) == {"brief": '{"temperature":0.5}'}
    # Both within one tick of a clock.
    save(here, temperature=1)
    save(here, "other")
    assert following.look()
    assert running(here) == {"brief": '{"temperature":1}', "other": "{}"}
    presets.change(here.ledger, "other", now_ms=1, status="disabled")
    presets.remove(here.ledger, "brief")
    assert following.look()
    assert running(here) == {}
    assert swaps(here) == 3


def test_a_look_that_finds_nothing_new_asks_for_the_revision_only(
    here: Gateway, following: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(here)
    assert following.look()
    monkeypatch.setattr(Shelf, "read", None)
    assert not following.look()
    assert swaps(here) == 1


def test_what_does_not_concern_requests_is_not_put_in_place(here: Gateway, following: Follower) -> None:
    save(here)
    following.look()
    presets.change(here.ledger, "brief", now_ms=2, description="Short answers")
    assert not following.look()
    assert swaps(here) == 1


def test_what_this_process_changed_is_not_put_in_place_a_second_time(here: Gateway, following: Follower) -> None:
    api = TestClient(control(here), headers=bearer(ADMIN))
    made = api.post("/v1/byok", json={"provider": "openai", "key": "sk-mine-0123456789"}).json()["data"]
    assert api.post("/v1/presets/brief/chat/completions", json={"temperature": 1}).status_code == 200
    assert swaps(here) == 2
    assert not following.look()
    api.patch(f"/v1/byok/{made['id']}", json={"disabled": True})
    assert not following.look()
    api.delete(f"/v1/byok/{made['id']}")
    api.delete("/v1/presets/brief")
    assert not following.look()
    assert swaps(here) == 5


def test_what_another_changed_just_before_this_process_is_not_missed(here: Gateway, following: Follower) -> None:
    api = TestClient(control(here), headers=bearer(ADMIN))
    add(here)
    assert api.post("/v1/presets/brief/chat/completions", json={}).status_code == 200
    assert following.look()
    assert (own(here), list(running(here))) == (["sk-a"], ["brief"])


def test_a_database_that_was_restored_to_an_older_state_is_noticed(here: Gateway, following: Follower) -> None:
    tables = (byok.keys, revision.revisions)
    add(here, "a")
    following.look()
    with here.ledger.engine.connect() as connection:
        backup = [[dict(row) for row in connection.execute(select(table)).mappings()] for table in tables]
    add(here, "b", sort_order=1)
    following.look()
    assert own(here) == ["sk-a", "sk-b"]

    def restore() -> None:
        with here.ledger.engine.begin() as connection:
            for table, rows in zip(tables, backup, strict=True):
                connection.execute(delete(table))
                connection.execute(insert(table), rows)

    restore()
    assert following.look()
    assert own(here) == ["sk-a"]
    add(here, "c", sort_order=1)
    following.look()
    # As many changes as before the last look: a number would be the same one again.
    restore()
    add(here, "d", sort_order=1)
    assert following.look()
    assert own(here) == ["sk-a", "sk-d"]
    # Back to what the last look saw, with a change of this process in between.
    restore()
    assert following.look()
    api = TestClient(control(here), headers=bearer(ADMIN))
    assert api.post("/v1/byok", json={"provider": "openai", "key": "sk-mine"}).status_code == 201
    assert own(here) == ["sk-a", "sk-mine"]
    restore()
    assert following.look()
    assert own(here) == ["sk-a"]


def test_a_database_that_is_away_is_told_once_and_what_runs_goes_on(
    here: Gateway, following: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    add(here)
    following.look()
    with away(here, revision.revisions):
        for _ in range(3):
            assert not following.look()
    assert caplog.text.count("what runs goes on") == 1
    assert own(here) == ["sk-a"]
    byok.remove(here.ledger, "a")
    assert following.look()
    assert own(here) == []
    assert caplog.text.count("can be read again") == 1


def test_a_database_that_goes_away_between_two_questions_is_asked_again(here: Gateway, following: Follower) -> None:
    add(here)
    with away(here, byok.keys):
        assert not following.look()
    assert own(here) == []
    assert following.look()
    assert own(here) == ["sk-a"]


def test_a_database_that_is_not_ready_yet_is_not_asked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = make(tmp_path)
    add(made)
    ready = False
    shelf = Shelf(made.vault)
    looking = Follower(shelf, made.reloader, is_migrated=lambda: ready)
    assert not looking.look()
    shelf.ledger = made.ledger
    assert not looking.look()
    # A start that had to do without its database gets the keys and presets when it is there.
    ready = True
    assert looking.look()
    assert own(made) == ["sk-a"]
    assert caplog.text == ""
    store.close_ledger(made.ledger)


def test_a_key_is_withdrawn_even_when_nothing_can_be_compiled(
    here: Gateway, following: Follower, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for at, key_id in enumerate("abc"):
        add(here, key_id, sort_order=at)
    following.look()

    def broken(own_keys: object) -> Any:
        raise TurnoutError("the file is wrong")

    with monkeypatch.context() as patch:
        patch.setattr(here.reloader, "remake", broken)
        byok.remove(here.ledger, "a")
        byok.change(here.ledger, stored("b", sealed=here.vault.seal("b", "sk-b"), sort_order=1, disabled=True))
        add(here, "d", sort_order=3)
        save(here)
        assert following.look()
    assert own(here) == ["", "", "sk-c"]
    assert list(running(here)) == ["brief"]
    assert "wait until the configuration is mended: the file is wrong" in caplog.text
    assert here.reloader.reload().error is None
    assert own(here) == ["sk-c", "sk-d"]


def test_what_the_plane_refuses_is_shown_and_not_tried_again(
    here: Gateway, following: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(snapshot: bytes) -> int:
        raise ValueError("not well formed")

    before = here.reloader.current
    with monkeypatch.context() as patch:
        patch.setattr(here.plane, "swap", refuse)
        add(here)
        assert not following.look()
    assert isinstance(here.plane, native.Plane)
    assert here.plane.reload_error == "not well formed"
    assert here.reloader.current is before
    assert not following.look()
    save(here)
    assert following.look()
    assert own(here) == ["sk-a"]


def test_a_key_that_cannot_be_read_here_is_told(
    here: Gateway, following: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    add(here, "a")
    byok.add(here.ledger, stored("b", sealed="with another key", sort_order=1))
    assert following.look()
    assert own(here) == ["sk-a"]
    assert "provider key b of the API is not used: it was encrypted with another key" in caplog.text


def test_the_thread_follows_until_it_is_stopped(here: Gateway) -> None:
    placed = threading.Event()
    here.reloader.on_good = lambda ready: placed.set()
    looking = Follower(Shelf(here.vault, here.ledger), here.reloader, poll_s=0.005)
    looking.start()
    add(here)
    assert placed.wait(10)
    looking.stop()
    assert own(here) == ["sk-a"]
    assert "turnout-follower" not in {thread.name for thread in threading.enumerate()}


def test_the_end_does_not_wait_for_a_database_that_hangs_and_nothing_is_put_in_place_after_it(
    here: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def read(ledger: store.Ledger) -> str:
        hangs.set()
        assert goes_on.wait(10)
        return "another"

    monkeypatch.setattr(revision, "read", read)
    monkeypatch.setattr(follower, "STOP_S", 0.01)
    looking = Follower(Shelf(here.vault, here.ledger), here.reloader, poll_s=0.005)
    looking.start()
    assert hangs.wait(10)
    add(here)
    looking.stop()
    thread = looking._thread
    assert thread is not None
    assert thread.is_alive()
    goes_on.set()
    thread.join(10)
    assert not thread.is_alive()
    assert swaps(here) == 0


def test_one_that_was_never_started_can_be_stopped(here: Gateway) -> None:
    Follower(Shelf(here.vault, here.ledger), here.reloader).stop()


def test_a_bug_does_not_end_it_and_is_told_once(
    here: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks, enough = [0], threading.Event()

    def read(ledger: store.Ledger) -> str:
        looks[0] += 1
        if looks[0] == 3:
            enough.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(revision, "read", read)
    looking = Follower(Shelf(here.vault, here.ledger), here.reloader, poll_s=0.005)
    looking.start()
    assert enough.wait(10)
    looking.stop()
    assert caplog.text.count("it goes on") == 1
