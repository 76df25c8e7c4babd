"""The life of a worker with a plane in plain Python: what is started, in which order it ends, and failed starts."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake import native
from tests.fake.booked import generation
from tests.fake.gateways import CONFIG
from turnout import launch, lifespan, report, state
from turnout.errors import ConfigError
from turnout.ledger import presets, query, store
from turnout.reload import Origin, compile_origin

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.gateway import Gateway


@pytest.fixture(autouse=True)
def _logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker sets up for its process would outlive the test."""
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "turnout.yaml"
    path.write_text(CONFIG.replace("server:", f"server:\n  listen: 127.0.0.1:0\n  state_dir: {tmp_path}"))
    return path


def worker_of(file: Path | None, tmp_path: Path, **changes: Any) -> tuple[launch.Worker, Any]:
    """A worker as the launcher makes it, and the parent's end of its reports."""
    parent, workers = report.pair()
    origin = Origin(config=file, demo=file is None)
    worker = launch.Worker(
        origin=origin,
        state_dir=tmp_path,
        control_socket=tmp_path / "control.sock",
        sockets=launch.bind("127.0.0.1:0"),
        reports=workers,
        last_good=None,
    )
    for name, value in changes.items():
        setattr(worker, name, value)
    return worker, parent


def close(worker: launch.Worker, parent: Any) -> None:
    for end in (*worker.sockets, worker.reports, parent):
        end.close()


async def run(worker: launch.Worker | None, environment: dict[str, str], inside: Any) -> Gateway:
    async with lifespan.running(worker, module=native, environment=environment) as gateway:
        await asyncio.to_thread(inside, gateway)
        return gateway


def test_a_worker_serves_on_the_launchers_sockets_and_reports_it(tmp_path: Path, file: Path) -> None:
    worker, parent = worker_of(file, tmp_path)
    host, port = worker.sockets[0].getsockname()

    def inside(gateway: Gateway) -> None:
        assert gateway.addresses == (f"{host}:{port}",)
        assert report.receive(parent) == report.Started(pid=os.getpid(), addresses=gateway.addresses)
        with urllib.request.urlopen(f"http://{host}:{port}/health/ready", timeout=5) as answer:
            assert answer.status == 200

    gateway = asyncio.run(run(worker, {}, inside))
    close(worker, parent)
    assert isinstance(gateway.plane, native.Plane)
    assert gateway.plane.draining
    assert gateway.plane.stopped == 1


def test_what_is_booked_until_the_end_is_in_the_ledger(tmp_path: Path, file: Path) -> None:
    worker, parent = worker_of(file, tmp_path)

    def inside(gateway: Gateway) -> None:
        assert isinstance(gateway.plane, native.Plane)
        whole = gateway.plane.stop

        def stop() -> bool:
            # Requests that finish while the plane drains are booked too.
            gateway.plane.journal.extend([generation(1), generation(2)])  # type: ignore[attr-defined]
            return whole()

        gateway.plane.stop = stop  # type: ignore[method-assign]

    asyncio.run(run(worker, {}, inside))
    close(worker, parent)
    ledger = store.open_ledger(store.sqlite_url(tmp_path / "ledger.db"))
    assert query.generation(ledger, generation(2).id, key_sha256=None) == generation(2)
    store.close_ledger(ledger)


def test_a_demo_is_compiled_with_the_scripted_providers_address(tmp_path: Path) -> None:
    worker, parent = worker_of(None, tmp_path)

    def inside(gateway: Gateway) -> None:
        url = gateway.reloader.current.snapshot.providers[0].wires[0].base_url
        assert url.startswith("http://127.0.0.1:")
        assert not url.startswith("http://127.0.0.1:1/")
        assert gateway.reloader.reload().changed is False

    asyncio.run(run(worker, {}, inside))
    close(worker, parent)


def test_a_taken_configuration_is_reported_for_the_next_worker(tmp_path: Path, file: Path) -> None:
    worker, parent = worker_of(file, tmp_path)

    def inside(gateway: Gateway) -> None:
        report.receive(parent)
        file.write_text(file.read_text().replace("2.5", "3.5"))
        assert gateway.reloader.reload().changed
        assert report.receive(parent) == report.Taken(gateway.reloader.current)

    asyncio.run(run(worker, {}, inside))
    close(worker, parent)


def test_what_another_process_puts_into_the_database_is_taken_and_reported(tmp_path: Path, file: Path) -> None:
    worker, parent = worker_of(file, tmp_path)

    def inside(gateway: Gateway) -> None:
        report.receive(parent)
        other = store.open_ledger(store.sqlite_url(tmp_path / "ledger.db"))
        presets.save(other, "brief", {}, system_prompt=None, creator="", now_ms=1)
        store.close_ledger(other)
        # Comes when it is in place.
        taken = report.receive(parent)
        assert isinstance(taken, report.Taken)
        assert [one.slug for one in taken.ready.snapshot.presets] == ["brief"]
        assert taken.ready == gateway.reloader.current

    asyncio.run(run(worker, {}, inside))
    close(worker, parent)
    assert "turnout-follower" not in {thread.name for thread in threading.enumerate()}


def test_a_worker_that_meets_a_broken_file_starts_with_the_last_good_one_and_shows_it(
    tmp_path: Path, file: Path
) -> None:
    good = compile_origin(Origin(config=file), {}, state_dir=tmp_path)
    file.write_text("nonsense: 1\n")
    worker, parent = worker_of(file, tmp_path, last_good=good)

    def inside(gateway: Gateway) -> None:
        assert gateway.reloader.current == good
        assert isinstance(gateway.plane, native.Plane)
        assert "nonsense" in str(gateway.plane.reload_error)

    asyncio.run(run(worker, {}, inside))
    close(worker, parent)


def test_a_first_start_with_a_broken_file_fails_and_leaves_nothing(tmp_path: Path, file: Path) -> None:
    file.write_text("nonsense: 1\n")
    worker, parent = worker_of(file, tmp_path)
    for _ in range(2):
        # The second time shows that the first gave back the place of the one gateway.
        with pytest.raises(ConfigError, match="nonsense"):
            asyncio.run(run(worker, {}, lambda gateway: None))
    close(worker, parent)


def test_a_plane_that_cannot_start_is_told_with_its_reason(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(plane: native.Plane) -> list[str]:
        for listener in plane.listeners:
            listener.close()
        raise OSError("the address is taken")

    monkeypatch.setattr(native.Plane, "start", start)
    worker, parent = worker_of(file, tmp_path)
    with pytest.raises(lifespan.StartError, match="the native plane cannot start: the address is taken"):
        asyncio.run(run(worker, {}, lambda gateway: None))
    close(worker, parent)


def test_a_second_gateway_in_the_process_is_refused(tmp_path: Path, file: Path) -> None:
    worker, parent = worker_of(file, tmp_path)

    async def twice() -> None:
        async with lifespan.running(worker, module=native, environment={}):
            with pytest.raises(lifespan.StartError, match="already runs in this process"):
                async with lifespan.running(worker, module=native, environment={}):
                    pass

    asyncio.run(twice())
    close(worker, parent)


def test_without_the_launcher_the_file_is_found_and_the_plane_binds_itself(tmp_path: Path, file: Path) -> None:
    def inside(gateway: Gateway) -> None:
        with urllib.request.urlopen(f"http://{gateway.addresses[0]}/health/ready", timeout=5) as answer:
            assert answer.status == 200
        with pytest.raises(state.StateError):
            state.lock(tmp_path)

    asyncio.run(run(None, {"TURNOUT_CONFIG": str(file)}, inside))
    state.lock(tmp_path).release()


def test_without_the_launcher_the_control_api_is_reached_through_the_plane(tmp_path: Path, file: Path) -> None:
    def inside(gateway: Gateway) -> None:
        with urllib.request.urlopen(f"http://{gateway.addresses[0]}/", timeout=5) as answer:
            assert b"<title>Turnout</title>" in answer.read()

    asyncio.run(run(None, {"TURNOUT_CONFIG": str(file)}, inside))


def test_without_the_launcher_a_first_start_shows_its_keys_in_the_log_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "turnout.yaml"
    file.write_text(f"server: {{listen: '127.0.0.1:0', state_dir: {tmp_path}}}\nproviders: {{ollama: {{}}}}\n")
    asyncio.run(run(None, {"TURNOUT_CONFIG": str(file)}, lambda gateway: None))
    assert "sk-to-v1-" in caplog.text
    assert "sk-to-admin-" in caplog.text
    caplog.clear()
    asyncio.run(run(None, {"TURNOUT_CONFIG": str(file)}, lambda gateway: None))
    assert "sk-to-" not in caplog.text


def test_a_missing_extension_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "turnout._native", None)
    with pytest.raises(lifespan.StartError, match="make build"):
        lifespan.native()
