"""``rust/plane/src/send.rs``: requests on kept and on new connections, and what a stale one costs."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import (
    Upstream,
    chat,
    completion,
    endpoint,
    eventually,
    model,
    plain_answer,
    provider,
    read_request,
    running,
    serving,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.config.snapshot import Snapshot


def of(address: str) -> Callable[[str], Snapshot]:
    return lambda _: snapshot([provider(address)], [model(endpoint())])


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_connection_is_kept_and_used_again(stream: bool) -> None:
    with serving("plain;tokens=2") as rig:
        for _ in range(5):
            assert rig.chat(stream=stream).status_code == 200
        assert rig.counters()["connections"] == 1
        assert [request["on_connection"] for request in rig.received()] == [1, 2, 3, 4, 5]
        assert [g.connect_us > 0 for g in rig.booked(5)] == [True, False, False, False, False]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("script", ["close=1", "refuse_reuse=1"])
def test_a_connection_that_the_provider_closes_is_replaced_without_a_failed_attempt(script: str, stream: bool) -> None:
    with serving(f"plain;tokens=2;{script}") as rig:
        for _ in range(10):
            assert rig.chat(stream=stream).status_code == 200
        assert all([(a.status, a.outcome) for a in g.attempts] == [(200, "ok")] for g in rig.booked(10))


def test_a_request_that_a_stale_connection_swallowed_is_sent_once_more() -> None:
    """The provider takes the second request of a connection and closes: what an idle timeout does."""

    def play(connection: socket.socket) -> None:
        assert read_request(connection) is not None
        connection.sendall(plain_answer(completion()))
        read_request(connection)

    with Upstream(play) as upstream, running(of(upstream.address)) as rig:
        for _ in range(4):
            assert rig.chat().status_code == 200
        assert upstream.accepted == 4
        assert rig.metric("turnout_upstream_stale_retries_total") == 3
        assert all(len(g.attempts) == 1 for g in rig.booked(4))


def test_a_new_connection_that_closes_unanswered_is_a_failure_and_not_sent_again() -> None:
    def play(connection: socket.socket) -> None:
        read_request(connection)

    with Upstream(play) as upstream, running(of(upstream.address)) as rig:
        assert rig.chat().status_code == 502
        assert upstream.accepted == 1
        rig.booked(1)


def test_a_connection_that_was_cut_in_the_middle_is_not_taken_for_stale() -> None:
    served = 0

    def play(connection: socket.socket) -> None:
        nonlocal served
        while read_request(connection) is not None:
            served += 1
            answer = plain_answer(completion())
            if served > 1:
                connection.sendall(answer[:40])
                return
            connection.sendall(answer)

    with Upstream(play) as upstream, running(of(upstream.address)) as rig:
        assert rig.chat().status_code == 200
        assert rig.chat().status_code == 502
        assert served == 2
        rig.booked(2)


def test_interim_answers_are_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"

    def play(connection: socket.socket) -> None:
        while read_request(connection) is not None:
            connection.sendall(early + plain_answer(completion()))

    with Upstream(play) as upstream, running(of(upstream.address)) as rig:
        for _ in range(2):
            assert rig.chat().status_code == 200
        assert upstream.accepted == 1


def test_bytes_behind_an_answer_are_never_taken_for_the_next_one() -> None:
    def play(connection: socket.socket) -> None:
        while read_request(connection) is not None:
            connection.sendall(plain_answer(completion("right")) + plain_answer(completion("smuggled")))

    with Upstream(play) as upstream, running(of(upstream.address)) as rig:
        for _ in range(3):
            assert rig.chat().json()["choices"][0]["message"]["content"] == "right"
        assert upstream.accepted == 3


def test_an_answer_before_the_whole_body_was_read_is_heard() -> None:
    """A provider that finds a body too large answers and closes while we still write."""

    def play(connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(4096)
        connection.sendall(plain_answer({"error": {"message": "too big for us"}}, status=413, connection="close"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass

    with Upstream(play) as upstream, running(of(upstream.address)) as rig:
        answer = rig.chat("x" * 900_000)
        assert answer.status_code == 413
        assert "too big for us" in answer.text


def test_a_large_body_arrives_whole() -> None:
    with serving("plain;tokens=1") as rig:
        text = "x" * 900_000
        assert rig.chat(text).status_code == 200
        (received,) = rig.received()
        assert json.loads(received["body"])["messages"][0]["content"] == text


def test_the_request_says_what_a_provider_needs_and_no_more() -> None:
    with serving("echo", provider={"headers": [("x-team", "blue")]}) as rig:
        rig.post(chat(), "/v1/chat/completions", **{"x-forwarded-for": "10.0.0.1", "x-custom": "a"})
        (received,) = rig.received()
        assert received["path"] == "/v1/chat/completions"
        headers = dict(received["headers"])
        assert headers["x-team"] == "blue"
        assert headers["host"] == rig.mock.address
        assert headers["content-type"] == "application/json"
        # Compressed answers are understood and not asked for: they cost time on both sides.
        assert headers["accept-encoding"] == "identity"
        assert not {"x-custom", "x-forwarded-for"} & set(headers)


def test_a_kept_connection_that_is_too_old_is_not_used() -> None:
    with serving("plain;tokens=1", provider={"timeouts": {"pool_idle_ms": 50}}) as rig:
        assert rig.chat().status_code == 200
        eventually(lambda: rig.counters()["connections_open"] == 0, "the old connection is closed")
        assert rig.chat().status_code == 200
        assert rig.counters()["connections"] == 2


def test_many_requests_at_once_share_what_is_kept() -> None:
    with serving("plain;tokens=1") as rig:
        connections = [rig.connect() for _ in range(32)]
        try:
            for _ in range(3):
                for connection in connections:
                    connection.send(chat())
                assert {connection.answer().status for connection in connections} == {200}
        finally:
            for connection in connections:
                connection.close()
        assert rig.counters()["connections"] <= 32
        assert len({g.id for g in rig.booked(96)}) == 96
