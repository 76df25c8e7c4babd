"""The launcher: what must be right before anything starts, what granian is told, and which sockets a worker gets."""

from __future__ import annotations

import os
import pickle
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from granian.constants import HTTPModes, Interfaces

from tests.fake.gateways import ADMIN, CONFIG
from turnout import keys, launch, report, state
from turnout.errors import ConfigError
from turnout.launch import LaunchError, Prepared
from turnout.reload import Origin, compile_origin


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "turnout.yaml"
    path.write_text(CONFIG)
    return path


def prepare(tmp_path: Path, **changes: Any) -> Prepared:
    options: dict[str, Any] = {"listen": ("127.0.0.1:0",), "state_dir": tmp_path / "state", **changes}
    return launch.prepare(Origin(**options), {"HOME": str(tmp_path)})


def release(prepared: Prepared) -> None:
    for bound in prepared.sockets:
        bound.close()
    prepared.lock.release()


def test_a_first_start_makes_keys_and_the_next_does_not(tmp_path: Path) -> None:
    first = prepare(tmp_path, demo=True)
    release(first)
    assert first.new_keys.client is not None
    assert first.new_keys.admin is not None
    assert first.new_keys.session is None
    assert set(first.ready.keys) == {keys.digest(first.new_keys.client)}
    second = prepare(tmp_path, demo=True)
    release(second)
    assert second.new_keys.client is None
    assert second.new_keys.admin is None
    assert set(first.ready.keys) < set(second.ready.keys)


def test_a_later_demo_has_a_key_for_its_run_and_keeps_it_only_as_a_hash(tmp_path: Path) -> None:
    release(prepare(tmp_path, demo=True))
    later = prepare(tmp_path, demo=True)
    release(later)
    assert later.new_keys.session is not None
    assert keys.digest(later.new_keys.session) in later.ready.keys
    assert later.new_keys.session not in keys.path(later.state_dir).read_text()
    assert later.new_keys.session.encode() not in later.ready.encoded


def test_configured_keys_are_enough(tmp_path: Path, file: Path) -> None:
    prepared = prepare(tmp_path, config=file)
    release(prepared)
    assert (prepared.new_keys.client, prepared.new_keys.admin, prepared.new_keys.session) == (None, None, None)
    assert prepared.ready.admin_sha256 == keys.digest(ADMIN)
    assert not keys.path(prepared.state_dir).exists()


def test_without_authentication_no_client_key_is_made(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, demo=True, auth=False)
    release(prepared)
    assert prepared.new_keys.client is None
    assert prepared.ready.snapshot.auth is False


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:4000", "example.invalid:4000"])
def test_no_authentication_is_for_loopback_only(tmp_path: Path, address: str) -> None:
    with pytest.raises(LaunchError, match=r"--no-auth would let anyone"):
        prepare(tmp_path, demo=True, auth=False, listen=("127.0.0.1:0", address))
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert launch.is_loopback(host) is loopback


def test_a_wrong_configuration_leaves_no_trace(tmp_path: Path, file: Path) -> None:
    file.write_text("nonsense: 1\n")
    with pytest.raises(ConfigError):
        prepare(tmp_path, config=file)
    assert not (tmp_path / "state").exists()


def test_a_second_gateway_on_the_directory_is_refused(tmp_path: Path) -> None:
    held = prepare(tmp_path, demo=True)
    with pytest.raises(state.StateError, match=str(os.getpid())):
        prepare(tmp_path, demo=True)
    release(held)


def test_a_taken_port_is_told_with_how_to_find_who_has_it_and_gives_everything_back(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"127\.0\.0\.1:{port}: another process listens there \(ss -ltnp"):
            prepare(tmp_path, demo=True, listen=("127.0.0.1:0", f"127.0.0.1:{port}"))
    # No key was used up by the start that failed, and the lock is free.
    prepared = prepare(tmp_path, demo=True)
    release(prepared)
    assert prepared.new_keys.client is not None


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(LaunchError, match="no interface of this machine has that address"):
        launch.bind("192.0.2.1:0")


def test_an_unknown_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(LaunchError, match="name is not known"):
        launch.bind("nowhere.invalid:4000")


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:4000", ("127.0.0.1", 4000)), ("[::1]:80", ("::1", 80)), (":0", ("", 0)), ("a.b:1", ("a.b", 1))],
)
def test_an_address_is_split(address: str, parts: tuple[str, int]) -> None:
    assert launch.split_address(address) == parts


@pytest.mark.parametrize("address", ["", "4000", "host", "host:", "host:x", "host:70000", "host:-1", "::1:4000"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(LaunchError):
        launch.split_address(address)


def test_the_listener_waits_for_workers_and_is_shared_not_split() -> None:
    (listener,) = launch.bind("127.0.0.1:0")
    with listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
        assert not listener.getblocking()
        # Nobody accepts, and the client is not refused.
        socket.create_connection(listener.getsockname(), timeout=5).close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_both_families_fit_beside_each_other() -> None:
    (four,) = launch.bind("0.0.0.0:0")
    with four:
        port = four.getsockname()[1]
        (six,) = launch.bind(f"[::]:{port}", dual_stack=False)
        six.close()


def test_a_name_with_several_addresses_gets_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: found)
    bound = launch.bind("several:0")
    ports = {listener.getsockname()[1] for listener in bound}
    for listener in bound:
        listener.close()
    assert (len(bound), len(ports)) == (2, 1)


def test_granian_gets_one_worker_on_the_control_socket(tmp_path: Path) -> None:
    ready = compile_origin(Origin(demo=True), {}, state_dir=tmp_path)
    server = launch.granian(ready, tmp_path / "control.sock")
    assert server.workers == 1
    assert server.bind_uds == tmp_path / "control.sock"
    assert server.uds_permissions == 0o600
    assert server.interface == Interfaces.ASGI
    assert server.http == HTTPModes.http1
    assert server.websockets
    assert server.backpressure == launch.CONTROL_CONNECTIONS
    assert not server.log_access
    assert not server.respawn_failed_workers
    assert server.workers_kill_timeout == 30 + launch.KILL_MARGIN_S


def test_a_worker_may_stop_for_as_long_as_the_drain_and_a_margin(tmp_path: Path, file: Path) -> None:
    file.write_text(CONFIG.replace("server:", "server:\n  drain: {min: 0s, max: 1500ms}"))
    ready = compile_origin(Origin(config=file), {}, state_dir=tmp_path)
    assert launch.kill_timeout_s(ready) == 2 + launch.KILL_MARGIN_S


def test_a_path_too_long_for_a_socket_is_replaced_by_a_short_one(tmp_path: Path) -> None:
    run_dir, path = launch._control_socket(tmp_path / ("x" * 120))
    assert run_dir is not None
    assert path.parent == run_dir
    assert len(os.fsencode(path)) <= launch.UNIX_PATH_MAX
    run_dir.rmdir()


def test_a_socket_left_by_a_killed_parent_is_removed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        left = Path(folder) / "control.sock"
        left.touch()
        assert launch._control_socket(Path(folder)) == (None, left)
        assert not left.exists()


def test_a_report_of_a_taken_configuration_is_kept_for_the_next_worker(tmp_path: Path) -> None:
    ready = compile_origin(Origin(demo=True), {}, state_dir=tmp_path)
    parent, workers = report.pair()
    worker = launch.Worker(Origin(), tmp_path, tmp_path / "control.sock", [], workers, None)
    started: list[tuple[report.Started, bool]] = []
    report.send(workers, report.Started(pid=1, addresses=()))
    report.send(workers, report.Taken(ready))
    report.send(workers, report.Started(pid=2, addresses=()))
    workers.send(b"\0")
    launch._read_reports(parent, worker, lambda message, *, first: started.append((message, first)))
    parent.close()
    workers.close()
    assert worker.last_good == ready
    assert [(message.pid, first) for message, first in started] == [(1, True), (2, False)]


def test_what_a_worker_gets_besides_sockets_can_be_pickled(tmp_path: Path) -> None:
    ready = compile_origin(Origin(demo=True), {}, state_dir=tmp_path)
    assert pickle.loads(pickle.dumps(ready)) == ready
