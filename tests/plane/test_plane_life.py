"""The life of a plane: start, swap, drain, stop, and two of them on one socket."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import CHAT, KEY, PATIENCE_S, Connection, Rig, Stream, chat, eventually, key, scripted, serving
from turnout._native import Mock, Plane
from turnout.config import snapshot as written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIVE = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"


@contextlib.contextmanager
def stopping(rig: Rig) -> Iterator[Callable[[], bool]]:
    """Stops the plane beside the test; the value gives the outcome once the test wants to wait for it."""
    outcome: list[bool] = []
    thread = threading.Thread(target=lambda: outcome.append(rig.plane.stop()), daemon=True)
    thread.start()

    def joined() -> bool:
        thread.join(PATIENCE_S)
        assert outcome, "stop() has not returned"
        return outcome[0]

    try:
        yield joined
    finally:
        thread.join(PATIENCE_S)


def plane(snapshot: written.Snapshot, folder: Path, *, listeners: list[int] | None = None) -> Plane:
    return Plane(written.encode(snapshot), listeners=listeners or [], control_socket=None, state_dir=str(folder))


def plain(**changes: object) -> written.Snapshot:
    return scripted("plain", address="127.0.0.1:9", **changes)


# Start


def test_it_binds_what_the_snapshot_says(tmp_path: Path) -> None:
    one = plane(plain(server={"listen": ["127.0.0.1:0", "127.0.0.1:0"]}), tmp_path)
    addresses = one.start()
    assert len(set(addresses)) == 2
    for address in addresses:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as sock:
            sock.sendall(LIVE)
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    assert one.stop()
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(port)), PATIENCE_S):
        pass


def test_it_takes_listeners_and_leaves_the_originals_to_python(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = plane(plain(server={"listen": ["127.0.0.1:1"]}), tmp_path, listeners=[listener.fileno()])
        host, port = listener.getsockname()
        assert one.start() == [f"{host}:{port}"]
        with socket.create_connection((host, port), PATIENCE_S) as sock:
            sock.sendall(LIVE)
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        assert one.stop()
        # Still listening: who connects now waits for whoever accepts next.
        with socket.create_connection((host, port), PATIENCE_S) as sock:
            listener.settimeout(PATIENCE_S)
            listener.accept()[0].close()


def test_a_listener_that_is_none_is_an_error(tmp_path: Path) -> None:
    for descriptor in (-1, 987_654):
        with pytest.raises(OSError, match="file descriptor"):
            plane(plain(), tmp_path, listeners=[descriptor])


def test_an_address_in_use_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        with pytest.raises(OSError, match=address):
            plane(plain(server={"listen": [address]}), tmp_path)


@pytest.mark.parametrize("wrong", [b"", b"{", b"[]", b'{"schema": 1}', b"\xff"])
def test_a_snapshot_that_is_none_is_an_error(tmp_path: Path, wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Plane(wrong, listeners=[], control_socket=None, state_dir=str(tmp_path))


def test_it_starts_once(tmp_path: Path) -> None:
    one = plane(plain(), tmp_path)
    one.start()
    with pytest.raises(RuntimeError):
        one.start()
    assert one.stop()
    with pytest.raises(RuntimeError):
        one.start()


def test_one_that_was_never_started_stops(tmp_path: Path) -> None:
    one = plane(plain(), tmp_path)
    assert one.stop()
    one.begin_drain()
    assert one.stop()


def test_starting_and_stopping_leaves_no_descriptor_and_no_thread(tmp_path: Path) -> None:
    def count() -> tuple[int, int]:
        gc.collect()
        status = Path("/proc/self/status").read_text()
        threads = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))
        return len(list(Path("/proc/self/fd").iterdir())), threads

    def cycle() -> None:
        one = plane(plain(server={"threads": 2}), tmp_path)
        one.start()
        assert one.stop()

    cycle()
    files, threads = count()
    for _ in range(10):
        cycle()
    # The thread that looks names up may take a moment to see that it is over.
    eventually(lambda: count()[0] <= files and count()[1] <= threads, "everything is given back")


# Swap


def test_a_request_in_flight_keeps_its_snapshot() -> None:
    with serving("echo;pace=100") as rig, rig.connect() as connection:
        connection.send(chat("one two three", stream=True))
        assert connection.head()[0] == 200
        changed = scripted("plain;status=500", address=rig.mock.address, digest="second", keys=[key("sk-another")])
        assert rig.swap(changed) == 2
        connection.read_until(b"data: [DONE]\n\n")
        connection.read_until(b"0\r\n\r\n")
        assert rig.booked()[0].config_digest == "test-digest"
        # The same connection, a request later: the old key is unknown.
        connection.send(chat())
        assert connection.answer().status == 401
        assert rig.post(chat(), authorization="Bearer sk-another").status_code >= 500
        assert rig.booked()[0].config_digest == "second"


@pytest.mark.parametrize("wrong", [b"", b"{}", b"nonsense", b'{"schema":99}'])
def test_a_wrong_snapshot_is_refused_and_the_running_one_stays(wrong: bytes) -> None:
    with serving("plain") as rig:
        with pytest.raises(ValueError, match=r"\S"):
            rig.plane.swap(wrong)
        assert rig.health()["config"]["generation"] == 1
        assert rig.chat().status_code == 200
        assert rig.swap(scripted("plain", address=rig.mock.address)) == 2


def test_swaps_lose_no_request_and_no_memory() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    with serving("plain") as rig:
        keys = [key(), *(key(f"sk-many-{number:06}-0123456789", name=f"many-{number}") for number in range(500))]
        snapshots = [
            written.encode(scripted("plain", address=rig.mock.address, digest=f"digest-{turn}", keys=keys))
            for turn in range(2)
        ]
        over = threading.Event()
        statuses: list[int] = []

        def ask() -> None:
            with rig.client() as client:
                while not over.is_set():
                    statuses.append(client.post(CHAT, json=chat()).status_code)
                    # A swap yields to everything else, so it needs a moment in which nothing is asked.
                    over.wait(0.005)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            sizes = []
            for _ in range(4):
                for turn in range(200):
                    rig.plane.swap(snapshots[turn % 2])
                sizes.append(resident())
        finally:
            over.set()
            thread.join()
        assert statuses
        assert set(statuses) == {200}
        assert rig.health()["config"]["generation"] == 801
        # On a busy machine old snapshots pile up for a moment, and the allocator keeps what that took. A leak would go
        # on: by some 80 MB from the first 200 swaps to the last.
        assert sizes[-1] - sizes[0] < 40 << 20, sizes


# Drain


def test_draining_turns_unready_and_goes_on_serving() -> None:
    with serving("plain", server={"drain": {"min_ms": 600, "max_ms": 20_000}}) as rig, rig.connect() as kept:
        kept.write(LIVE)
        assert "connection" not in kept.answer().headers
        rig.plane.begin_drain()
        began = time.monotonic()
        with stopping(rig) as stopped:
            answer = rig.get("/health/ready")
            assert (answer.status_code, answer.json()["status"]) == (503, "draining")
            # A kept connection is told to go, and a new one is served all the same.
            kept.write(LIVE)
            answered = kept.answer()
            assert (answered.status, answered.headers["connection"]) == (200, "close")
            assert kept.closed_by_peer()
            chatted = rig.chat()
            assert (chatted.status_code, chatted.headers["connection"]) == (200, "close")
            assert rig.stream().done
            assert stopped()
        assert time.monotonic() - began >= 0.55
        with pytest.raises(ConnectionRefusedError):
            rig.connect()


def test_what_is_in_flight_finishes() -> None:
    with serving("echo;pace=80", server={"drain": {"min_ms": 0, "max_ms": 20_000}}) as rig, rig.connect() as connection:
        connection.send(chat("one two three four five", stream=True))
        connection.read_until(b"data: ")
        with stopping(rig) as stopped:
            with contextlib.suppress(ConnectionError):
                eventually(lambda: _refused(rig), "no longer accepting")
            connection.read_until(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            assert stopped()
        [booked] = rig.booked()
        assert (booked.finish_reason, booked.cancelled) == ("stop", False)


def test_a_body_that_is_still_coming_is_waited_for() -> None:
    body = json.dumps(chat()).encode()
    with serving("plain", server={"drain": {"min_ms": 0, "max_ms": 20_000}}) as rig, rig.connect() as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.write(head.encode() + body[:10])
        eventually(lambda: rig.health()["requests_in_flight"] == 1, "the head is read")
        with stopping(rig) as stopped:
            eventually(lambda: _refused(rig), "no longer accepting")
            connection.write(body[10:])
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert stopped()


def test_an_idle_connection_is_closed_and_does_not_hold_the_end() -> None:
    with serving("plain", server={"drain": {"min_ms": 0, "max_ms": 20_000}}) as rig, rig.connect() as connection:
        connection.write(LIVE)
        assert connection.answer().status == 200
        began = time.monotonic()
        assert rig.plane.stop()
        assert time.monotonic() - began < 5
        assert connection.closed_by_peer()


def test_a_connection_that_was_just_made_may_still_ask() -> None:
    with serving("plain", server={"drain": {"min_ms": 0, "max_ms": 20_000}}) as rig, rig.connect() as connection:
        eventually(lambda: rig.metric("turnout_connections_open") == 1, "accepted")
        with stopping(rig) as stopped:
            eventually(lambda: _refused(rig), "no longer accepting")
            connection.send(chat())
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert stopped()


def test_a_connection_that_never_asks_holds_the_end_for_a_second_only() -> None:
    with serving("plain", server={"drain": {"min_ms": 0, "max_ms": 60_000}}) as rig, rig.connect() as connection:
        eventually(lambda: rig.metric("turnout_connections_open") == 1, "accepted")
        assert rig.plane.stop()
        assert connection.closed_by_peer()


def _refused(rig: Rig) -> bool:
    try:
        with socket.create_connection(rig.host, 1) as probe:
            # Accepted by the kernel a moment before the listener closed, perhaps.
            probe.settimeout(0.01)
            return probe.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("threads", [1, 2])
def test_streams_that_do_not_end_get_an_error_event_and_are_booked(threads: int) -> None:
    server = {"threads": threads, "drain": {"min_ms": 0, "max_ms": 50}}
    with serving("plain;stall=3", server=server) as rig, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(rig.connect()) for _ in range(4)]
        for connection in connections:
            connection.send(chat(stream=True))
            connection.read_until(b"data: ")
        with stopping(rig) as stopped:
            for connection in connections:
                rest = connection.read_to_close()
                assert rest.endswith(b"}\n\n\r\n0\r\n\r\n")
                assert b'"finish_reason":"error"' in rest
                assert b"shutting down" in rest
            assert not stopped()
            # Said once; nothing runs any more.
            assert rig.plane.stop()
        for booked in rig.booked(4):
            assert booked.finish_reason == "error"
            assert booked.tokens_completion > 0


def test_a_request_without_an_answer_yet_is_refused_at_the_end() -> None:
    with serving("plain;stall=0", server={"drain": {"min_ms": 0, "max_ms": 50}}) as rig, rig.connect() as connection:
        connection.send(chat())
        eventually(lambda: rig.counters()["requests"] == 1, "the provider was asked")
        with stopping(rig) as stopped:
            answer = connection.answer()
            assert answer.status == 503
            assert answer.headers["retry-after"]
            assert not stopped()
        [booked] = rig.booked()
        assert (booked.status, booked.cancelled) == (503, False)


def test_beginning_to_drain_twice_is_once() -> None:
    with serving("plain") as rig:
        rig.plane.begin_drain()
        rig.plane.begin_drain()
        assert rig.get("/health/ready").status_code == 503
        assert rig.plane.stop()
        assert rig.plane.stop()


def test_the_journal_can_be_read_after_the_end() -> None:
    with serving("plain") as rig:
        assert rig.chat().status_code == 200
        assert rig.plane.stop()
        assert len(rig.booked()) == 1


# Two planes on one socket, as when a worker replaces another


def test_a_successor_on_the_same_socket_loses_no_connection(tmp_path: Path) -> None:
    mock = Mock("127.0.0.1:0")
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener, contextlib.ExitStack() as stack:
        stack.callback(mock.stop)
        snapshot = scripted(
            "plain", address=mock.address, server={"threads": 2, "drain": {"min_ms": 0, "max_ms": 5000}}
        )
        address = listener.getsockname()
        over = threading.Event()
        statuses: list[int | str] = []
        headers = {"authorization": f"Bearer {KEY}"}

        def ask() -> None:
            while not over.is_set():
                try:
                    with Connection(socket.create_connection(address, PATIENCE_S), headers) as connection:
                        connection.send(chat(stream=True))
                        answer = Stream.of(connection.answer())
                        statuses.append(answer.status if answer.done else "cut")
                except Exception as error:  # noqa: BLE001 - a thread's top: what went wrong is what the test looks at
                    statuses.append(repr(error))

        running = plane(snapshot, tmp_path / "0", listeners=[listener.fileno()])
        running.start()
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(1, 8):
                before = len(statuses)
                successor = plane(snapshot, tmp_path / str(turn), listeners=[listener.fileno()])
                successor.start()
                assert running.stop()
                running = successor
                eventually(lambda: len(statuses) > before + 20, "requests go on")  # noqa: B023 - used at once
        finally:
            over.set()
            for thread in threads:
                thread.join()
            assert running.stop()
        assert set(statuses) == {200}
