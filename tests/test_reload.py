"""From an origin to a snapshot, and from a running one to the next, or not."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.auth.token_server import TokenServer
from tests.fake.gateways import ADMIN, CLIENT_SHA256, CONFIG
from turnout import keys
from turnout.auth.wallet import Wallet
from turnout.config.load import load
from turnout.config.preset import compiled
from turnout.errors import ConfigError
from turnout.reload import Origin, Outcome, Ready, Reloader, Watcher, compile_origin, compile_read, origin_of, stamp

if TYPE_CHECKING:
    from pathlib import Path


class Plane:
    """Remembers what it was told; refuses a snapshot that a test calls malformed."""

    def __init__(self) -> None:
        self.swapped: list[bytes] = []
        self.failures: list[str] = []
        self.refuse = False

    def swap(self, snapshot: bytes) -> int:
        if self.refuse:
            raise ValueError("not well formed")
        self.swapped.append(snapshot)
        return len(self.swapped)

    def reload_failed(self, message: str) -> None:
        self.failures.append(message)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "turnout.yaml"
    path.write_text(CONFIG)
    return path


def ready_of(file: Path, **changes: object) -> Ready:
    origin = dataclasses.replace(Origin(config=file), **changes)  # type: ignore[arg-type]
    return compile_origin(origin, {}, state_dir=file.parent)


def reloader_of(file: Path, plane: Plane, taken: list[Ready] | None = None) -> Reloader:
    return Reloader(
        plane=plane,
        build=lambda: ready_of(file),
        current=ready_of(file),
        on_good=(taken if taken is not None else []).append,
    )


def test_without_a_file_and_without_a_providers_key_it_is_a_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert origin_of(Origin(), {}).demo
    assert not origin_of(Origin(), {"OPENAI_API_KEY": "sk-x"}).demo


def test_a_file_is_found_and_made_absolute(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert origin_of(Origin(), {}).config == file
    assert not origin_of(Origin(), {}).demo
    assert origin_of(Origin(), {"TURNOUT_CONFIG": str(file)}).config == file


def test_the_command_line_wins_over_the_file(file: Path) -> None:
    plain, changed = ready_of(file), ready_of(file, listen=("127.0.0.1:1",), threads=3, auth=False)
    assert changed.snapshot.server.listen == ["127.0.0.1:1"]
    assert changed.snapshot.server.threads == 3
    assert changed.snapshot.auth is False
    assert changed.snapshot.digest != plain.snapshot.digest


def test_the_stored_key_counts_when_the_file_has_none(tmp_path: Path) -> None:
    key = keys.renew(tmp_path, "client")
    admin = keys.renew(tmp_path, "admin")
    ready = compile_origin(Origin(demo=True), {}, state_dir=tmp_path)
    assert list(ready.keys) == [keys.digest(key)]
    assert ready.admin_sha256 == keys.digest(admin)


def test_the_stored_keys_do_not_count_when_the_file_has_its_own(file: Path) -> None:
    stored = keys.renew(file.parent, "client")
    keys.renew(file.parent, "admin")
    ready = ready_of(file)
    assert CLIENT_SHA256 in ready.keys
    assert keys.digest(stored) not in ready.keys
    assert ready.admin_sha256 == keys.digest(ADMIN)


def test_a_session_key_is_one_more(tmp_path: Path) -> None:
    stored = keys.renew(tmp_path, "client")
    ready = compile_origin(Origin(demo=True, session_key_sha256="ab" * 32), {}, state_dir=tmp_path)
    assert set(ready.keys) == {keys.digest(stored), "ab" * 32}


def test_a_demo_serves_the_scripted_provider_at_its_address(tmp_path: Path) -> None:
    ready = compile_origin(Origin(demo=True), {}, state_dir=tmp_path, demo_address="127.0.0.1:999")
    assert [provider.wires[0].base_url for provider in ready.snapshot.providers] == ["http://127.0.0.1:999/v1"]
    assert [model.slug for model in ready.snapshot.models] == ["demo/echo"]


def test_mistakes_are_raised_together(file: Path) -> None:
    file.write_text("nonsense: 1\nserver: {listn: x}\n")
    with pytest.raises(ConfigError) as caught:
        ready_of(file)
    assert len(caught.value.mistakes) == 2


def test_a_good_configuration_is_swapped_in_and_told(file: Path) -> None:
    plane, taken = Plane(), list[Ready]()
    reloader = reloader_of(file, plane, taken)
    before = reloader.current.snapshot.digest
    file.write_text(CONFIG.replace("2.5", "3.5"))
    outcome = reloader.reload()
    assert outcome.changed
    assert outcome.error is None
    assert outcome.digest == reloader.current.snapshot.digest != before
    assert plane.swapped == [reloader.current.encoded]
    assert taken == [reloader.current]


def test_a_wrong_configuration_leaves_the_running_one_and_is_shown_until_the_next_good_one(file: Path) -> None:
    plane = Plane()
    reloader = reloader_of(file, plane)
    running = reloader.current
    file.write_text("nonsense: 1\n")
    outcome = reloader.reload()
    assert outcome == Outcome(digest=running.snapshot.digest, changed=False, error=reloader.last_error)
    assert outcome.error is not None
    assert "nonsense" in outcome.error
    assert reloader.current is running
    assert plane.failures == [outcome.error]
    assert plane.swapped == []
    file.write_text(CONFIG)
    assert reloader.reload().error is None
    assert reloader.last_error is None


def test_a_snapshot_that_the_plane_refuses_leaves_the_running_one(file: Path) -> None:
    plane = Plane()
    plane.refuse = True
    reloader = reloader_of(file, plane)
    running = reloader.current
    file.write_text(CONFIG.replace("2.5", "3.5"))
    assert reloader.reload().error == "not well formed"
    assert reloader.current is running


def test_what_is_only_read_at_start_is_warned_about(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    reloader = reloader_of(file, Plane())
    file.write_text(CONFIG.replace("server:", "server:\n  listen: 127.0.0.1:4999"))
    reloader.reload()
    assert "server.listen is only read at start" in caplog.text


class Looked:
    """A watcher over files in a list, and how often it called."""

    def __init__(self, files: list[Path]) -> None:
        self.calls = 0
        self.watcher = Watcher(files=lambda: files, on_change=self._called)

    def _called(self) -> None:
        self.calls += 1


def test_a_change_is_handed_on_when_it_looks_the_same_twice(file: Path) -> None:
    looked = Looked([file])
    assert not looked.watcher.look()
    file.write_text("a: 1")
    assert not looked.watcher.look()
    file.write_text("a: 1, still being written")
    assert not looked.watcher.look()
    assert looked.watcher.look()
    assert not looked.watcher.look()
    assert looked.calls == 1


def test_a_change_that_is_taken_back_is_none(file: Path) -> None:
    looked = Looked([file])
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 5))
    assert not looked.watcher.look()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not looked.watcher.look()
    assert not looked.watcher.look()
    assert looked.calls == 0


def test_a_replaced_a_missing_and_a_new_file_are_changes(file: Path, tmp_path: Path) -> None:
    looked = Looked([file, tmp_path / "later"])
    other = tmp_path / "other"
    other.write_text(CONFIG)
    other.replace(file)
    looked.watcher.look()
    assert looked.watcher.look()
    file.unlink()
    looked.watcher.look()
    assert looked.watcher.look()
    (tmp_path / "later").touch()
    looked.watcher.look()
    assert looked.watcher.look()
    assert looked.calls == 3


def test_files_that_a_reload_brings_are_watched_from_then_on(file: Path, tmp_path: Path) -> None:
    files, added = [file], tmp_path / "added"
    added.touch()
    looked = Looked(files)
    file.write_text("a: 1")
    looked.watcher.look()
    files.append(added)
    # The list grew, which counts as a change of what is seen; it settles and is handed on once.
    looked.watcher.look()
    assert looked.watcher.look()
    added.write_text("more")
    looked.watcher.look()
    assert looked.watcher.look()
    assert looked.calls == 2


def test_a_file_that_is_not_there_has_no_stamp(tmp_path: Path) -> None:
    assert stamp(tmp_path / "absent") is None


def test_the_thread_looks_until_it_is_stopped(file: Path) -> None:
    import threading

    called = threading.Event()
    watcher = Watcher(files=lambda: [file], on_change=called.set, poll_s=0.005)
    watcher.start()
    file.write_text("a: 1")
    assert called.wait(10)
    watcher.stop()


def test_tokens_are_fetched_before_the_snapshot_and_renewed_by_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "turnout.yaml"
    plane, now = Plane(), [1_000_000.0]
    with TokenServer() as server:
        auth = f"{{kind: entra, tenant_id: t, client_id: c, client_secret: hush, token_url: '{server.url}'}}"
        file.write_text(f"providers: {{azure: {{settings: {{resource: r}}, auth: {auth}}}}}")
        wallet = Wallet(clock=lambda: now[0], lot=lambda: 0.0)

        def build() -> Ready:
            return compile_origin(Origin(config=file), {}, state_dir=tmp_path, wallet=wallet)

        def token(ready: Ready) -> list[str]:
            return [one.value for provider in ready.snapshot.providers for one in provider.credentials]

        server.say(b'{"error": "temporarily_unavailable"}', status=503)
        loaded = load(file, {})

        def rebuild() -> Ready:
            return compile_read(loaded, Origin(config=file), {}, state_dir=tmp_path, wallet=wallet)

        reloader = Reloader(plane=plane, build=build, current=build(), rebuild=rebuild)
        assert token(reloader.current) == []
        assert any("off until there is a token" in warning for warning in reloader.current.compiled.warnings)
        for number in (1, 2):
            server.say(b'{"access_token": "token-%d", "expires_in": 3600}' % number)
            now[0] += 3000
            assert wallet.look() is True
            reloader.refresh()
            assert token(reloader.current) == [f"Bearer token-{number}"]
            assert b"Bearer token-%d" % number in plane.swapped[-1]
            # A file that is wrong meanwhile does not stand in the way, and goes on to be shown.
            file.write_text("providers: {azure: {nonsense: 1}}")
            assert reloader.reload().error is not None
        assert len(server.asked) == 3
        assert len(plane.failures) == 3
        assert reloader.last_error is not None


def test_without_a_way_to_compile_again_a_refresh_reads_anew(file: Path) -> None:
    plane = Plane()
    reloader = reloader_of(file, plane)
    file.write_text(CONFIG.replace("gpt", "gpt-2"))
    reloader.refresh()
    assert [model.slug for model in reloader.current.snapshot.models] == ["openai/gpt-2"]
    plane.refuse = True
    reloader.refresh()
    assert reloader.last_error == "not well formed"


def test_a_part_that_is_no_file_is_put_in_place_beside_what_runs(file: Path) -> None:
    plane = Plane()
    reloader = reloader_of(file, plane)
    made = compiled("brief", {"temperature": 1}, system=None, disabled=False)
    before = reloader.current

    def change(ready: Ready) -> Ready:
        with_it = msgspec.structs.replace(ready.snapshot, presets=[made])
        whole = msgspec.structs.replace(ready.compiled, snapshot=with_it)
        return dataclasses.replace(ready, compiled=whole, encoded=b"changed")

    reloader.amend(lambda ready: ready)
    assert (reloader.current, plane.swapped[1:]) == (before, [])
    file.write_text("nonsense: 1")
    assert reloader.reload().error is not None
    reloader.amend(change)
    assert reloader.current.snapshot.presets == [made]
    assert plane.swapped[-1] == b"changed"
    # What is wrong with the file goes on to be shown.
    assert len(plane.failures) == 2


def test_what_cannot_be_followed_is_shown_and_what_is_followed_keeps_a_mistake_shown(file: Path) -> None:
    plane = Plane()
    reloader = reloader_of(file, plane)
    before = reloader.current

    def broken(ready: Ready) -> Ready:
        raise OSError("a file is gone")

    assert not reloader.follow(lambda ready: ready)
    assert not reloader.follow(broken)
    assert (reloader.current, plane.swapped, plane.failures) == (before, [], ["a file is gone"])
    assert reloader.follow(lambda ready: dataclasses.replace(ready, encoded=b"changed"))
    assert plane.swapped == [b"changed"]
    assert plane.failures == ["a file is gone"] * 2
