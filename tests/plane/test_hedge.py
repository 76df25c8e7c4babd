"""``rust/plane/src/hedge/``: a second attempt beside a slow first one.

Providers here are :class:`Held`: each says when it has a request, answers when the test lets it, and says when the
gateway has closed the connection. So nothing depends on how fast the machine is: a hedge is due after a millisecond,
and the first attempt is slow for as long as the test wants.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from tests.plane import harness
from tests.plane.h2_client import Client
from tests.plane.harness import (
    CHAT,
    KEY,
    PATIENCE_S,
    PRICES,
    Stream,
    Upstream,
    chat,
    completion,
    endpoint,
    eventually,
    key,
    model,
    plain_answer,
    provider,
    read_request,
    routing,
    running,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plane.harness import Connection, Rig

NAMES = ("first", "second", "third")
NOW: dict[str, Any] = {"after_ms": 1, "plain_after_ms": 1}
"""A hedge is due at once, for streams and for plain answers."""
ON = {"hedge": True}


def streamed(text: str) -> bytes:
    """A provider's whole stream."""
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}},
    ]
    whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "theirs"}
    lines = [f"data: {json.dumps(whole | chunk)}\n\n" for chunk in chunks]
    body = "".join([*lines, "data: [DONE]\n\n"]).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Held(Upstream):
    """A provider that holds what it is asked until it is let go, and then says who it is."""

    def __init__(self, name: str, status: int = 200) -> None:
        super().__init__(self._hold)
        self.name = name
        self.status = status
        self.early = b""
        """Sent when it begins, as the beginning of the answer; only its length counts."""
        self.begin = threading.Event()
        self.begin.set()
        self.bodies: list[Any] = []
        self.asked = threading.Event()
        self.go = threading.Event()
        self.closed = threading.Event()

    def answer(self, body: Any) -> bytes:
        if self.status != 200:
            return plain_answer({"error": {"message": f"{self.name} cannot"}}, status=self.status)
        return streamed(self.name) if body.get("stream") else plain_answer(completion(self.name))

    def _hold(self, connection: socket.socket) -> None:
        while (request := read_request(connection)) is not None:
            body = json.loads(request[2])
            self.bodies.append(body)
            whole = self.answer(body)
            self.asked.set()
            assert self.begin.wait(PATIENCE_S)
            connection.sendall(whole[: len(self.early)])
            while not self.go.wait(0.002):
                if select.select([connection], [], [], 0)[0] and not connection.recv(1, socket.MSG_PEEK):
                    self.closed.set()
                    return
            connection.sendall(whole[len(self.early) :])
        self.closed.set()


@contextlib.contextmanager
def held(
    count: int = 2, statuses: tuple[int, ...] = (), hedge: Any = NOW, wishes: Any = ON, **changes: Any
) -> Iterator[tuple[Rig, list[Held]]]:
    """``test/model`` with so many endpoints, each at a provider of its own."""
    with contextlib.ExitStack() as stack:
        statuses = statuses + (200,) * (count - len(statuses))
        fleet = [stack.enter_context(Held(NAMES[at], statuses[at])) for at in range(count)]
        providers = [provider(one.address, one.name) for one in fleet]
        models = changes.pop("models", None) or [model(*(endpoint(at) for at in range(count)))]
        made = snapshot(providers, models, routing=routing(hedge=hedge, wishes=wishes), **changes)
        rig = stack.enter_context(running(lambda address: made))
        yield rig, fleet


@contextlib.contextmanager
def asking(rig: Rig, body: Any, path: str = CHAT, **headers: str) -> Iterator[Connection]:
    """A request that is under way."""
    with rig.connect() as connection:
        connection.send(body, path, **headers)
        yield connection


def wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


def tried(booked: Any) -> list[tuple[str, str, bool]]:
    return [(attempt.provider, attempt.outcome, attempt.hedged) for attempt in booked.attempts]


def text_of(answer: Any, *, stream: bool, path: str = CHAT) -> str:
    if stream:
        assert answer.status == 200, answer.body
        return "".join(name for name in NAMES if f'"{name}"' in answer.body.decode())
    members = answer.json()
    return str(members["content"][0]["text"] if path != CHAT else members["choices"][0]["message"]["content"])


MESSAGES = "/v1/messages"
BODIES = {
    CHAT: chat(),
    MESSAGES: {"model": "test/model", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello there"}]},
}
"""The client speaks as its providers do, and otherwise."""


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_it_is_off_by_default(stream: bool) -> None:
    with held(wishes={}) as (rig, (first, second)), asking(rig, chat(stream=stream)) as connection:
        wait(first.asked)
        first.go.set()
        assert text_of(connection.answer(), stream=stream) == "first"
        assert second.accepted == 0
        assert rig.metric("turnout_hedges_total") == 0
        assert tried(rig.booked(1)[0]) == [("first", "ok", False)]


@pytest.mark.parametrize("path", [CHAT, MESSAGES], ids=["as they are", "translated"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_the_second_serves_and_the_first_is_broken_off(stream: bool, path: str) -> None:
    with held() as (rig, (first, second)), asking(rig, BODIES[path] | {"stream": stream}, path) as connection:
        wait(first.asked)
        wait(second.asked)
        assert (rig.statistics("tag-0")["in_flight"], rig.statistics("tag-1")["in_flight"]) == (1, 1)
        second.go.set()
        assert text_of(connection.answer(), stream=stream, path=path) == "second"
        wait(first.closed)
        (booked,) = rig.booked(1)
        assert tried(booked) == [("first", "cancelled", False), ("second", "ok", True)]
        assert (booked.provider_slug, booked.status, booked.cancelled) == ("second", 200, False)
        assert rig.metric("turnout_endpoint_in_flight") == 0
        assert [rig.metric(f"turnout_hedges_{name}") for name in ("total", "won_total", "denied_total")] == [1, 1, 0]
        # Being slow is no failure.
        uptimes = [rig.metric("turnout_endpoint_uptime_ratios", endpoint=tag) for tag in ("tag-0", "tag-1")]
        assert uptimes == [0, 1]  # Nothing is known of the first.


@pytest.mark.parametrize("path", [CHAT, MESSAGES], ids=["as they are", "translated"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_the_first_serves_when_it_has_something_first_and_the_second_is_broken_off(stream: bool, path: str) -> None:
    with held() as (rig, (first, second)), asking(rig, BODIES[path] | {"stream": stream}, path) as connection:
        wait(second.asked)
        first.go.set()
        assert text_of(connection.answer(), stream=stream, path=path) == "first"
        wait(second.closed)
        (booked,) = rig.booked(1)
        assert tried(booked) == [("second", "cancelled", True), ("first", "ok", False)]
        assert booked.provider_slug == "first"
        assert [rig.metric(f"turnout_hedges_{name}") for name in ("total", "won_total")] == [1, 0]


def test_a_head_is_not_yet_something_for_the_client() -> None:
    with held() as (rig, (first, second)):
        head = streamed("first").index(b"data:")
        first.early = b"x" * head
        with asking(rig, chat(stream=True)) as connection:
            wait(first.asked)
            wait(second.asked)
            second.go.set()
            assert text_of(connection.answer(), stream=True) == "second"


def test_a_plain_answer_that_has_begun_to_arrive_is_not_hedged() -> None:
    with held(hedge={"plain_after_ms": 200}) as (rig, (first, second)):
        first.early = b"x" * 200  # The head and the beginning of the body.
        with asking(rig, chat()) as connection:
            wait(first.asked)
            # Until well after it was due.
            assert not second.asked.wait(0.4)
            first.go.set()
            assert text_of(connection.answer(), stream=False) == "first"
        assert rig.metric("turnout_hedges_total") == 0


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_what_both_cost_is_booked_in_one_record(stream: bool) -> None:
    with held() as (rig, (first, second)), asking(rig, chat(stream=stream)) as connection:
        wait(first.asked)
        wait(second.asked)
        second.go.set()
        connection.answer()
        (booked,) = rig.booked(1)
        lost, won = booked.attempts
        # What the provider says of the answer, exactly; and an estimate of the prompt that the other one read.
        assert booked.cost_nano - lost.cost_nano == 10 * 2_000 + 4 * 10_000 + PRICES.request
        assert (booked.tokens_prompt, booked.tokens_completion) == (10, 4)
        assert won.cost_nano == 0
        assert (lost.cost_nano - PRICES.request) % 2_000 == 0
        assert 2_000 < lost.cost_nano < 100_000
        assert rig.metric("turnout_cost_dollars_total") == pytest.approx(booked.cost_nano / 1e9)


def of_key(rig: Rig, name: str) -> int:
    return int(json.loads(rig.plane.usage(key().sha256))[name])


@pytest.mark.parametrize("winner", [0, 1], ids=["the first", "the second"])
def test_what_both_may_cost_is_held_and_a_limit_without_room_for_it_means_one(winner: int) -> None:
    body = chat(max_tokens=4)

    def limited(nano: int) -> dict[str, Any]:
        return {"keys": [key(limit=harness.written.Limit(nano=nano, reset=None, include_byok=False))]}

    with held(**limited(1_000_000_000)) as (rig, fleet), asking(rig, body) as connection:
        for one in fleet:
            wait(one.asked)
        both = of_key(rig, "held")
        fleet[winner].go.set()
        assert text_of(connection.answer(), stream=False) == NAMES[winner]
        (booked,) = rig.booked(1)
        lost = booked.attempts[0]
        assert 0 < lost.cost_nano < both
        assert (of_key(rig, "held"), of_key(rig, "total")) == (0, booked.cost_nano)

    with held(**limited(both - lost.cost_nano)) as (rig, (first, second)), asking(rig, body) as connection:
        eventually(lambda: rig.metric("turnout_hedges_denied_total") == 1, "there is no room for a second")
        assert of_key(rig, "held") == both - lost.cost_nano
        first.go.set()
        assert text_of(connection.answer(), stream=False) == "first"
        assert second.accepted == 0
        assert tried(rig.booked(1)[0]) == [("first", "ok", False)]


def test_the_second_goes_on_when_the_first_fails() -> None:
    with held(statuses=(500,)) as (rig, (first, second)), asking(rig, chat(stream=True)) as connection:
        wait(second.asked)
        first.go.set()
        eventually(lambda: rig.metric("turnout_attempts_total", outcome="status") == 1, "the first has failed")
        second.go.set()
        assert text_of(connection.answer(), stream=True) == "second"
        (booked,) = rig.booked(1)
        assert tried(booked) == [("first", "status", False), ("second", "ok", True)]
        assert booked.attempts[0].cost_nano == 0


def test_the_first_goes_on_when_the_second_fails() -> None:
    with held(statuses=(200, 500)) as (rig, (first, second)), asking(rig, chat()) as connection:
        wait(second.asked)
        second.go.set()
        eventually(lambda: rig.metric("turnout_attempts_total", outcome="status") == 1, "the second has failed")
        first.go.set()
        assert text_of(connection.answer(), stream=False) == "first"
        assert tried(rig.booked(1)[0]) == [("second", "status", True), ("first", "ok", False)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the first first", "the second first"])
def test_when_both_fail_the_third_is_asked_and_then_all_are_told(order: tuple[int, int]) -> None:
    with held(3, (500, 503, 502)) as (rig, fleet), asking(rig, chat()) as connection:
        fleet[2].go.set()
        wait(fleet[1].asked)
        fleet[order[0]].go.set()
        eventually(lambda: rig.metric("turnout_attempts_total", outcome="status") == 1, "one has failed")
        fleet[order[1]].go.set()
        answer = connection.answer()
        assert answer.status == 503
        error = answer.json()["error"]["metadata"]
        told = [previous["provider"] for previous in error["previous_errors"]]
        assert [*told, error["provider_name"]] == [*(NAMES[at].capitalize() for at in order), "Third"]
        assert [len(one.bodies) for one in fleet] == [1, 1, 1]
        (booked,) = rig.booked(1)
        assert tried(booked) == [*((NAMES[at], "status", at == 1) for at in order), ("third", "status", False)]


def test_attempts_max_holds_for_both() -> None:
    with held(server={"attempts": {"attempts_max": 1}}) as (rig, (first, second)), asking(rig, chat()) as connection:
        wait(first.asked)
        first.go.set()
        assert text_of(connection.answer(), stream=False) == "first"
        assert second.accepted == 0


def test_only_a_share_of_the_requests_is_hedged() -> None:
    with held(hedge=NOW | {"percent": 0}) as (rig, (first, second)), asking(rig, chat(stream=True)) as connection:
        wait(first.asked)
        eventually(lambda: rig.metric("turnout_hedges_denied_total") == 1, "it was due")
        first.go.set()
        assert text_of(connection.answer(), stream=True) == "first"
        assert second.accepted == 0


def test_what_is_made_by_the_piece_is_not_made_twice() -> None:
    ops = [model(endpoint(0), endpoint(1), slug="test/model")]
    with held(models=ops) as (rig, (first, second)):
        body = {"model": "test/model", "prompt": "a cat"}
        with asking(rig, body, "/v1/images/generations", x_turnout_hedge="1ms") as connection:
            wait(first.asked)
            assert not second.asked.wait(0.1)
            first.go.set()
            connection.answer()
        assert (second.accepted, rig.metric("turnout_hedges_total")) == (0, 0)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_client_that_leaves_takes_both_with_it(stream: bool) -> None:
    with held() as (rig, (first, second)):
        with asking(rig, chat(stream=stream)):
            wait(first.asked)
            wait(second.asked)
        wait(first.closed)
        wait(second.closed)
        (booked,) = rig.booked(1)
        assert (booked.status, booked.cancelled) == (499, True)
        assert sorted(tried(booked)) == [("first", "cancelled", False), ("second", "cancelled", True)]
        # Both have read the prompt.
        assert booked.cost_nano == sum(attempt.cost_nano for attempt in booked.attempts) > 0
        assert all(attempt.cost_nano for attempt in booked.attempts)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("winner", [0, 1], ids=["the first", "the second"])
def test_over_http2_other_streams_of_the_connection_go_on_meanwhile(winner: int, stream: bool) -> None:
    with held() as (rig, fleet), Client(rig) as client:
        asked = client.chat(chat(stream=stream))
        for one in fleet:
            wait(one.asked)
        assert client.answer(client.ask("/health/live")).status == 200
        fleet[winner].go.set()
        got = client.answer(asked)
        assert (got.status, got.reset) == (200, None)
        assert [name for name in NAMES if f'"{name}"'.encode() in got.body] == [NAMES[winner]]
        wait(fleet[1 - winner].closed)
        (booked,) = rig.booked(1)
        lost, won = booked.attempts
        assert (lost.outcome, won.outcome, booked.provider_slug) == ("cancelled", "ok", NAMES[winner])


def test_a_stream_of_http2_that_is_reset_takes_both_with_it() -> None:
    with held() as (rig, fleet), Client(rig) as client:
        asked = client.chat(chat(stream=True))
        for one in fleet:
            wait(one.asked)
        client.h2.reset_stream(asked, ErrorCodes.CANCEL)
        client.flush()
        for one in fleet:
            wait(one.closed)
        assert {outcome for _, outcome, _ in tried(rig.booked(1)[0])} == {"cancelled"}
        assert client.answer(client.ask("/health/live")).status == 200


def test_the_deadline_ends_both() -> None:
    with held() as (rig, (first, second)):
        answer = rig.post(chat(), x_turnout_timeout="300ms")
        assert (answer.status_code, first.asked.is_set(), second.asked.is_set()) == (408, True, True)
        wait(first.closed)
        wait(second.closed)
        assert {provider for provider, *_ in tried(rig.booked(1)[0])} == {"first", "second"}


def test_nothing_begins_after_the_deadline() -> None:
    with held(hedge={"plain_after_ms": 5_000}) as (rig, (_, second)):
        assert rig.post(chat(), x_turnout_timeout="50ms").status_code == 408
        assert second.accepted == 0


def test_a_shutdown_ends_both() -> None:
    with held() as (rig, (first, second)), asking(rig, chat(stream=True)) as connection:
        wait(first.asked)
        wait(second.asked)
        rig.plane.stop()
        assert connection.answer().status == 503
        wait(first.closed)
        wait(second.closed)


def test_an_endpoint_is_never_asked_twice_at_once() -> None:
    with held(1) as (rig, (only,)), asking(rig, chat(stream=True)) as connection:
        wait(only.asked)
        assert not only.closed.wait(0.05)
        only.go.set()
        assert text_of(connection.answer(), stream=True) == "first"
        assert (only.accepted, len(only.bodies)) == (1, 1)
        assert rig.metric("turnout_hedges_total") == rig.metric("turnout_hedges_denied_total") == 0


@pytest.mark.parametrize(("together", "hedges"), [(False, 0), (True, 1)])
def test_another_model_is_asked_only_where_models_are_alike(together: bool, hedges: int) -> None:
    models = [model(endpoint(0), slug="a/one"), model(endpoint(1), slug="a/two")]
    wishes = {"sort": {"by": "price", "partition": "none"}} if together else {}
    with held(models=models) as (rig, (first, second)):
        # The same price, so it is told which is the first.
        body = chat(model="a/one", models=["a/two"], stream=True, provider=wishes)
        with asking(rig, body, x_turnout_hedge="20ms") as connection:
            eventually(lambda: first.asked.is_set() or second.asked.is_set(), "one is asked")
            if together:
                wait(first.asked)
                wait(second.asked)
            first.go.set()
            second.go.set()
            assert connection.answer().status == 200
        assert rig.metric("turnout_hedges_total") == hedges


def test_an_endpoint_that_fails_is_passed_over() -> None:
    with held(3, (200, 500)) as (rig, (first, second, third)):
        second.go.set()
        assert rig.chat(provider={"only": ["second"]}).status_code == 502
        with asking(rig, chat(stream=True)) as connection:
            wait(first.asked)
            wait(third.asked)
            third.go.set()
            assert text_of(connection.answer(), stream=True) == "third"
        assert len(second.bodies) == 1


# Who wishes it


OTHER = "sk-test-other-0123456789"


@pytest.mark.parametrize(
    ("gateway", "of_key", "body", "header", "hedges"),
    [
        (None, None, None, None, 0),
        (True, None, None, None, 1),
        (True, False, None, None, 0),
        (None, True, None, None, 1),
        (None, True, False, None, 0),
        (None, None, True, None, 1),
        (None, None, "1ms", None, 1),
        (None, None, None, "true", 1),
        (None, None, None, "1ms", 1),
        (True, None, True, "false", 0),
    ],
)
def test_the_request_counts_more_than_its_key_and_that_more_than_the_gateway(
    gateway: bool | None, of_key: bool | None, body: Any, header: str | None, hedges: int
) -> None:
    keys = [key(routing=routing(wishes={"policy": None, "hedge": of_key}).wishes)]
    with held(wishes={"hedge": gateway}, keys=keys) as (rig, (first, second)):
        headers = {} if header is None else {"x_turnout_hedge": header}
        said = {} if body is None else {"provider": {"hedge": body}}
        with asking(rig, chat(stream=True, **said), **headers) as connection:
            wait(first.asked)
            if hedges:
                wait(second.asked)
            first.go.set()
            assert text_of(connection.answer(), stream=True) == "first"
        assert rig.metric("turnout_hedges_total") == hedges


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        ({}, {"x_turnout_hedge": "soon"}, "The header X-Turnout-Hedge must be true, false, or the time"),
        ({"hedge": "soon"}, {}, "`provider.hedge` must be true, false, or the time"),
        ({"hedge": {}}, {}, "`provider.hedge` must be true, false, or the time"),
    ],
)
def test_a_wish_that_cannot_be_read_is_refused(body: Any, headers: dict[str, str], message: str) -> None:
    with held() as (rig, (first, _)):
        answer = rig.post(chat(provider=body), **headers)
        assert (answer.status_code, first.accepted) == (400, 0)
        assert answer.json()["error"]["message"].startswith(message)


# What else a request has


def test_both_attempts_are_told() -> None:
    headers = {"x_openrouter_metadata": "enabled", "x_turnout_explain": "enabled"}
    with held() as (rig, (first, second)), asking(rig, chat(), **headers) as connection:
        wait(first.asked)
        wait(second.asked)
        second.go.set()
        told = connection.answer().json()
        metadata, explained = told["openrouter_metadata"], told["turnout_explain"]
        assert (metadata["attempt"], metadata["summary"]) == (2, "available=2, selected=Second")
        assert [(it["provider"], it["status"]) for it in metadata["attempts"]] == [("First", 499), ("Second", 200)]
        shown = [(it["provider"], it["outcome"], it["hedged"]) for it in explained["attempts"]]
        assert shown == [("First", "cancelled", False), ("Second", "ok", True)]
        # The first had been under way before the second began.
        slow, fast = (it["latency_us"] for it in explained["attempts"])
        assert slow > fast > 0
        assert explained["timings"]["overhead_us"] < explained["timings"]["total_us"]


def test_both_bodies_are_echoed() -> None:
    body = chat(stream=True, debug={"echo_upstream_body": True})
    with held() as (rig, (first, second)), asking(rig, body) as connection:
        wait(first.asked)
        wait(second.asked)
        second.go.set()
        stream = Stream.of(connection.answer())
        echoed = [chunk["debug"]["echo_upstream_body"] for chunk in stream.chunks if "debug" in chunk]
        assert echoed == [first.bodies[0], second.bodies[0]]


def test_comments_go_on_while_both_are_awaited_and_after() -> None:
    with held(server={"timeouts": {"keepalive_comment_ms": 10}}) as (rig, (first, second)):
        events = streamed("second").split(b"data:")
        second.early = b"x" * (len(events[0]) + len(b"data:" + events[1]))
        second.begin.clear()
        with asking(rig, chat(stream=True)) as connection:
            wait(first.asked)
            wait(second.asked)
            connection.read_until(b": OPENROUTER PROCESSING\n\n")
            second.begin.set()
            connection.read_until(b"second")
            connection.read_until(b": OPENROUTER PROCESSING\n\n")
            second.go.set()
            rest = connection.read_until(b"[DONE]\n\n")
            assert rest.count(b"HTTP/1.1") == 0


def test_the_answer_of_the_second_is_kept_in_the_response_cache() -> None:
    cached = {"x_openrouter_cache": "true"}
    with held() as (rig, (first, second)):
        with asking(rig, chat(), **cached) as connection:
            wait(first.asked)
            wait(second.asked)
            second.go.set()
            assert connection.answer().headers["x-openrouter-cache-status"] == "MISS"
        again = rig.post(chat(), **cached)
        assert (again.headers["x-openrouter-cache-status"], again.json()["provider"]) == ("HIT", "Second")


def test_the_conversation_stays_with_whoever_served() -> None:
    with held() as (rig, (first, second)):
        with asking(rig, chat(), x_session_id="7") as connection:
            wait(first.asked)
            wait(second.asked)
            second.go.set()
            connection.answer()
        answer = rig.post(chat(), x_session_id="7", x_turnout_hedge="false")
        assert answer.json()["provider"] == "Second"


def test_what_both_cost_counts_against_the_key() -> None:
    with held() as (rig, (first, second)), asking(rig, chat()) as connection:
        wait(first.asked)
        wait(second.asked)
        second.go.set()
        connection.answer()
        (booked,) = rig.booked(1)
        assert booked.key_name == key(KEY).name
        assert booked.cost_nano > booked.attempts[0].cost_nano > 0
