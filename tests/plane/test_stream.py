"""``rust/plane/src/stream.rs``: what a stream looks like, what it costs the gateway, and how it ends."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import (
    PATIENCE_S,
    PRICES,
    Closed,
    Connection,
    Rig,
    Stream,
    Upstream,
    chat,
    endpoint,
    eventually,
    model,
    provider,
    read_request,
    running,
    serving,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.config.snapshot import Snapshot

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(**members: Any) -> bytes:
    """A provider's chunk as an event."""
    chunk = {"id": "theirs-1", "object": "chat.completion.chunk", "created": 5, "model": "theirs", **members}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def delta(content: str, finish: str | None = None, **members: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return event(choices=[choice], **members)


def playing(*parts: bytes) -> Callable[[socket.socket], None]:
    """A stream of these parts, each in a write and a chunk of its own, ended properly."""

    def play(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while read_request(connection) is not None:
            connection.sendall(HEAD)
            for part in parts:
                connection.sendall(chunked(part))
            connection.sendall(b"0\r\n\r\n")

    return play


def of(upstream: Upstream, **changes: Any) -> Callable[[str], Snapshot]:
    return lambda address: snapshot([provider(upstream.address)], [model(endpoint())], **changes)


# Shape


def test_all_chunks_agree_on_who_they_are() -> None:
    with serving("plain;tokens=20") as rig:
        answer = rig.stream()
        assert answer.headers["content-type"].startswith("text/event-stream")
        chunks = answer.chunks
        assert {chunk["id"] for chunk in chunks} == {answer.headers["x-generation-id"]}
        assert len({chunk["created"] for chunk in chunks}) == 1
        assert abs(chunks[0]["created"] - time.time()) < 3600
        assert {chunk["model"] for chunk in chunks} == {"test/model"}
        assert {chunk["provider"] for chunk in chunks} == {"First"}
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


@pytest.mark.parametrize("usage", ["asked", "absent", "null", "every", "only"])
def test_one_usage_chunk_repeats_the_reasons_and_done_follows(usage: str) -> None:
    with serving(f"plain;tokens=3;usage={usage}") as rig:
        answer = rig.stream()
        assert answer.done
        *before, last = answer.chunks
        assert all("usage" not in chunk or chunk["usage"] is None for chunk in before)
        assert last["choices"] == [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": ""},
                "finish_reason": "stop",
                "native_finish_reason": "stop",
            }
        ]
        assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]
        assert last["usage"]["cost"] > 0
        # The mock's chunk with "usage": null has no choice; it is the provider's and comes through.
        finishes = [chunk["choices"][0]["finish_reason"] for chunk in before if chunk["choices"]]
        assert finishes == [None] * 4 + ["stop"]
        rig.booked(1)


def test_the_reason_is_normalised_and_the_providers_word_is_kept() -> None:
    with (
        Upstream(playing(delta("a"), delta("", "max_tokens"), b"data: [DONE]\n\n")) as upstream,
        running(of(upstream)) as rig,
    ):
        answer = rig.stream()
        assert answer.chunks[-1]["choices"][0]["finish_reason"] == "length"
        assert answer.chunks[-1]["choices"][0]["native_finish_reason"] == "max_tokens"
        (booked,) = rig.booked(1)
        assert (booked.finish_reason, booked.native_finish_reason) == ("length", "max_tokens")


def test_bytes_of_a_chunk_that_are_not_ours_stay_as_they_are() -> None:
    theirs = (
        b'data: {"id":"x", "x_vendor" : {"a":[1.0, 2e3]},"object":"chat.completion.chunk","created":1,"model":"m",'
        b'"choices":[{"index":0,"delta":{"content":"\\u00e9\xf0\x9f\x9a\x82 \\/ \\n", "odd" : null},'
        b'"logprobs": {"content":[{"token":"a","logprob":-0.10}]},"finish_reason":null}]}\n\n'
    )
    with Upstream(playing(theirs, delta("", "stop"), b"data: [DONE]\n\n")) as upstream, running(of(upstream)) as rig:
        answer = rig.stream()
        line = answer.body.split(b"\n\n")[0]
        for part in (
            b'"x_vendor" : {"a":[1.0, 2e3]}',
            b'"delta":{"content":"\\u00e9\xf0\x9f\x9a\x82 \\/ \\n", "odd" : null}',
            b'"logprobs": {"content":[{"token":"a","logprob":-0.10}]}',
        ):
            assert part in line


def test_tool_calls_stream() -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    with serving("tool") as rig:
        answer = rig.stream(tools=[tool])
        calls = [call for chunk in answer.chunks for call in chunk["choices"][0]["delta"].get("tool_calls") or []]
        assert calls[0]["function"]["name"] == "weather"
        assert json.loads("".join(call["function"].get("arguments", "") for call in calls)) == {"city": "Paris"}
        assert answer.chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
        (booked,) = rig.booked(1)
        assert booked.finish_reason == "tool_calls"


def test_the_first_chunk_is_here_long_before_the_last() -> None:
    with serving("plain;tokens=3;stall=3") as rig, rig.connect() as connection:
        connection.send(chat(stream=True))
        status, _ = connection.head()
        assert status == 200
        assert b'"points "' in connection.read_until(b'"points "')


def test_chunks_without_a_choice_do_not_commit_to_a_provider() -> None:
    # Azure begins with one that reports on filters; here the provider fails right behind it.
    filters = event(choices=[], prompt_filter_results=[{"prompt_index": 0}])
    comments_sent = threading.Event()

    def play(connection: socket.socket) -> None:
        assert read_request(connection) is not None
        connection.sendall(HEAD + chunked(filters))
        # Long enough for several comments, which must not carry the chunk along.
        assert comments_sent.wait(PATIENCE_S)
        connection.sendall(chunked(b"data: {broken\n\n"))

    with Upstream(play) as upstream:

        def make(address: str) -> Snapshot:
            return snapshot(
                [provider(upstream.address), provider(address, "second")],
                [model(endpoint(), endpoint(1, "plain;tokens=2"))],
                server={"timeouts": {"keepalive_comment_ms": 50}},
            )

        with running(make) as rig, rig.connect() as connection:
            connection.send(chat(stream=True))
            connection.head()
            connection.read_until(b"PROCESSING\n\n")
            connection.read_until(b"PROCESSING\n\n")
            comments_sent.set()
            rest = connection.read_until(b"[DONE]\n\n")
            assert b"prompt_filter_results" not in rest
            assert b'"provider":"First"' not in rest
            assert rest.count(b'"provider":"Second"') >= 3
            (booked,) = rig.booked(1)
            assert [a.outcome for a in booked.attempts] == ["malformed", "ok"]


@pytest.mark.parametrize(
    "rest",
    [
        (delta("a"), delta("", "stop"), b"data: [DONE]\n\n"),
        (delta("a") + delta("", "stop") + b"data: [DONE]\n\n",),
    ],
    ids=["part by part", "all of the rest at once"],
)
def test_chunks_without_a_choice_come_through_with_the_first_that_has_one(rest: tuple[bytes, ...]) -> None:
    filters = event(choices=[], prompt_filter_results=[{"prompt_index": 0}])
    waited = threading.Event()

    def play(connection: socket.socket) -> None:
        assert read_request(connection) is not None
        connection.sendall(HEAD + chunked(filters))
        # The first chunk has been read by itself once a comment has followed it.
        assert waited.wait(PATIENCE_S)
        connection.sendall(b"".join(chunked(part) for part in rest) + b"0\r\n\r\n")

    with (
        Upstream(play) as upstream,
        running(of(upstream, server={"timeouts": {"keepalive_comment_ms": 50}})) as rig,
        rig.connect() as connection,
    ):
        connection.send(chat(stream=True))
        connection.head()
        connection.read_until(b"PROCESSING\n\n")
        connection.read_until(b"PROCESSING\n\n")
        waited.set()
        text = connection.read_until(b"[DONE]\n\n")
        assert text.count(b"prompt_filter_results") == 1
        assert text.index(b"prompt_filter_results") < text.index(b'"content": "a"')


def test_an_endless_beginning_is_given_up() -> None:
    filters = event(choices=[], padding="x" * 1000)
    with (
        Upstream(playing(*[filters] * 200)) as upstream,
        running(of(upstream, server={"limits": {"event_bytes_max": 65536}})) as rig,
    ):
        answer = rig.stream()
        assert answer.status == 502
        assert b"hold no answer" in answer.body


def test_an_event_beyond_the_bound_ends_the_stream_with_an_error() -> None:
    with (
        Upstream(playing(delta("a"), delta("x" * 70_000))) as upstream,
        running(of(upstream, server={"limits": {"event_bytes_max": 65536}})) as rig,
    ):
        answer = rig.stream()
        error = answer.error
        if answer.status == 200:
            assert "larger than 65536 bytes" in error["message"]
        else:
            # Both events may arrive in one read; then nothing was sent.
            assert b"larger than 65536 bytes" in answer.body


def test_a_gzip_stream_may_inflate_beyond_the_bound_of_plain_answers() -> None:
    # The bound is for what is held whole; a stream is not held.
    with serving("plain;tokens=3;size=100000;gzip=1", server={"limits": {"answer_bytes_max": 65536}}) as rig:
        answer = rig.stream()
        assert answer.done
        assert len(answer.text) >= 300_000


def test_a_plain_answer_to_a_stream_beyond_the_bound_is_refused() -> None:
    with serving("plain;tokens=3;size=100000;json_for_stream=1", server={"limits": {"answer_bytes_max": 65536}}) as rig:
        answer = rig.stream()
        assert answer.status == 502
        assert b"larger than 65536 bytes" in answer.body


# Comments


def test_a_silent_stream_is_kept_alive_with_comments() -> None:
    with serving("plain;tokens=2;ttft=400", server={"timeouts": {"keepalive_comment_ms": 50}}) as rig:
        answer = rig.stream()
        assert answer.comments >= 2
        assert answer.body.startswith(b": OPENROUTER PROCESSING\n\n")
        assert answer.done
        (booked,) = rig.booked(1)
        # A comment is no answer: the time to the first token is the provider's.
        assert booked.ttft_us >= 400_000


def test_a_silence_in_the_middle_is_kept_alive_too() -> None:
    with serving("plain;tokens=3;pace=300", server={"timeouts": {"keepalive_comment_ms": 50}}) as rig:
        answer = rig.stream()
        assert answer.comments >= 2
        assert not answer.body.startswith(b":")
        assert answer.text == "the points are "


def test_a_plain_answer_has_no_comments() -> None:
    with serving("plain;tokens=2;latency=300", server={"timeouts": {"keepalive_comment_ms": 50}}) as rig:
        assert rig.chat().json()["choices"]


def test_the_next_endpoint_may_serve_after_comments() -> None:
    with serving(
        "plain;stall=0",
        "plain;tokens=2",
        server={"timeouts": {"keepalive_comment_ms": 50}},
        provider={"timeouts": {"first_byte_ms": 300}},
    ) as rig:
        answer = rig.stream()
        assert answer.comments >= 2
        assert answer.done
        assert {chunk["provider"] for chunk in answer.chunks} == {"Second"}
        (booked,) = rig.booked(1)
        assert [a.outcome for a in booked.attempts] == ["timeout", "ok"]


def test_when_all_fail_after_comments_the_error_is_an_event() -> None:
    with serving(
        "plain;stall=0",
        "plain;status=429;retry_after=5",
        server={"timeouts": {"keepalive_comment_ms": 50}},
        provider={"timeouts": {"first_byte_ms": 300}},
    ) as rig:
        answer = rig.stream()
        assert (answer.status, answer.whole, answer.done) == (200, True, False)
        assert answer.comments >= 2
        (chunk,) = answer.chunks
        assert chunk["error"]["code"] == 503
        assert chunk["error"]["metadata"]["retry_after"] == 5
        assert chunk["error"]["metadata"]["previous_errors"][0]["provider_name"] == "First"
        assert chunk["choices"][0]["finish_reason"] == "error"
        assert (chunk["id"], chunk["model"]) == (answer.headers["x-generation-id"], "test/model")
        (booked,) = rig.booked(1)
        assert (booked.status, booked.error_type) == (200, "provider_overloaded")
        assert [a.outcome for a in booked.attempts] == ["timeout", "status"]


# The client


def gone(rig: Rig) -> list[dict[str, Any]]:
    return [request for request in rig.received() if request["client_gone"]]


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_client_that_leaves_while_waiting_takes_its_provider_along(stream: bool, how: str) -> None:
    with serving("plain;latency=60000") as rig, rig.connect() as connection:
        connection.send(chat(stream=stream))
        eventually(lambda: rig.counters()["requests"] == 1, "the provider has the request")
        left = time.monotonic()
        getattr(connection, how)()
        eventually(lambda: gone(rig), "the provider sees that nobody waits")
        assert time.monotonic() - left < 10
        (booked,) = rig.booked(1)
        assert (booked.cancelled, booked.status, booked.error_type) == (True, 499, "cancelled")
        # The provider has read the prompt.
        assert (booked.usage_source, booked.tokens_completion, booked.ttft_us) == ("estimated", 0, 0)
        assert booked.tokens_prompt > 0
        assert booked.cost_nano == booked.tokens_prompt * PRICES.prompt // 1_000_000 + PRICES.request
        assert [a.outcome for a in booked.attempts] == ["cancelled"]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_in_the_middle_pays_for_what_was_generated(how: str) -> None:
    with serving("plain;tokens=50;stall=11") as rig, rig.connect() as connection:
        connection.send(chat(stream=True))
        text = text_of(connection, tokens=10)
        getattr(connection, how)()
        eventually(lambda: gone(rig), "the provider sees that nobody listens")
        (booked,) = rig.booked(1)
        assert (booked.cancelled, booked.status, booked.error_type) == (True, 200, "cancelled")
        assert booked.usage_source == "estimated"
        assert booked.tokens_completion == -(-len(text) // 4)
        expected = (
            booked.tokens_prompt * PRICES.prompt + booked.tokens_completion * PRICES.completion
        ) // 1_000_000 + PRICES.request
        assert booked.cost_nano == expected
        assert [a.outcome for a in booked.attempts] == ["cancelled"]
        eventually(lambda: rig.metric("turnout_requests_in_flight") == 0, "the place is given back")


def text_of(connection: Connection, *, tokens: int) -> str:
    """Reads that many tokens of a stream and returns their text."""
    connection.head()
    text = ""
    seen = 0
    while seen < tokens:
        line = connection.read_until(b"\n\n")
        chunk = json.loads(line[line.index(b"data: ") + 6 :])
        content = chunk["choices"][0]["delta"].get("content")
        if content:
            text += content
            seen += 1
    return text


def test_a_client_that_leaves_between_comments_is_noticed() -> None:
    with (
        serving("plain;stall=0", server={"timeouts": {"keepalive_comment_ms": 50}}) as rig,
        rig.connect() as connection,
    ):
        connection.send(chat(stream=True))
        connection.read_until(b"PROCESSING\n\n")
        connection.close()
        eventually(lambda: gone(rig), "the provider sees that nobody waits")
        (booked,) = rig.booked(1)
        assert booked.cancelled


def test_no_second_endpoint_is_asked_for_a_client_that_left() -> None:
    with serving("plain;latency=60000", "plain") as rig, rig.connect() as connection:
        connection.send(chat())
        eventually(lambda: rig.counters()["requests"] == 1, "the provider has the request")
        connection.close()
        rig.booked(1)
        assert rig.counters()["requests"] == 1


def slow_reader(rig: Rig) -> Connection:
    """A client with a small receive buffer that reads nothing by itself."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.settimeout(PATIENCE_S)
    sock.connect(rig.host)
    return Connection(sock, rig.headers())


def wake(connection: Connection) -> None:
    """Lets the kernel take as much as it likes, so that reading on is quick."""
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)


def test_a_slow_client_slows_its_provider() -> None:
    """32 MB of stream to a client that reads nothing: what the gateway takes stays within the sockets' buffers."""
    tokens, size = 2000, 16_000

    with serving(f"plain;tokens={tokens};size={size}") as rig, slow_reader(rig) as connection:
        connection.send(chat(stream=True))
        eventually(lambda: rig.counters()["requests"] == 1, "the provider has the request")
        rss = resident_bytes()
        # Other clients are served meanwhile, which also gives the stream every chance to run ahead.
        for _ in range(20):
            assert rig.get("/v1/models").status_code == 200
        assert not rig.received()[0]["finished"]
        assert resident_bytes() - rss < 64 << 20
        # Then everything arrives, to the last byte.
        wake(connection)
        answer = Stream.of(connection.answer())
        assert (answer.whole, answer.done) == (True, True)
        assert len(answer.text) == tokens * size


def resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS in /proc/self/status")


def test_stalled_readers_cost_little_memory_and_can_read_on() -> None:
    """64 streams of 32 MB to clients that read nothing. The provider is the test's own, so that what grows is ours."""
    readers, events = 64, 2000
    one = chunked(delta("x" * 16_000))
    last = chunked(delta("", "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n"

    def play(connection: socket.socket) -> None:
        # A stalled stream is no error of the provider's: it waits as long as the test does.
        connection.settimeout(None)
        assert read_request(connection) is not None
        connection.sendall(HEAD)
        for _ in range(events):
            connection.sendall(one)
        connection.sendall(last)

    with Upstream(play) as upstream, running(of(upstream)) as rig, ExitStack() as stack:
        connections = [stack.enter_context(slow_reader(rig)) for _ in range(readers)]
        before = resident_bytes()
        for connection in connections:
            connection.send(chat(stream=True))
        for connection in connections:
            assert connection.head()[0] == 200
        # Two seconds of polling in which it must stay bounded: an unbounded one takes 2 GB as fast as it can.
        deadline = time.monotonic() + 2
        eventually(lambda: resident_bytes() - before > 64 << 20 or time.monotonic() > deadline, "the watch is over")
        # A buffer of 64 KiB towards the provider and its edited copy towards the client, 64 times, and slack.
        grown = resident_bytes() - before
        assert grown < 64 << 20, f"{grown / (1 << 20):.0f} MiB"
        assert rig.metric("turnout_requests_in_flight") == readers
        for connection in connections[:2]:
            wake(connection)
            end = b""
            while not end.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
                data = connection.sock.recv(1 << 20)
                assert data, end
                end = (end + data)[-100:]
        rig.booked(2)
        for connection in connections[2:]:
            connection.reset()
        eventually(lambda: rig.metric("turnout_requests_in_flight") == 0, "all streams have ended")
        assert all(g.cancelled for g in rig.booked(readers - 2))


def test_a_client_that_takes_nothing_for_too_long_is_gone() -> None:
    with (
        serving("plain;tokens=2000;size=16000", server={"timeouts": {"write_ms": 300}}) as rig,
        slow_reader(rig) as connection,
    ):
        connection.send(chat(stream=True))
        eventually(lambda: gone(rig), "the provider is let go")
        (booked,) = rig.booked(1)
        assert (booked.cancelled, booked.status) == (True, 200)
        assert booked.tokens_completion > 0
        # The client finds a stream that ends without its end, never one that looks whole.
        with pytest.raises(Closed):
            while True:
                connection.read_until(b"data: [DONE]\n\n")


# Shutdown


def test_a_stream_that_outlives_the_drain_gets_an_error_event_and_is_booked() -> None:
    with serving("plain;tokens=9;stall=3", server={"drain": {"min_ms": 0, "max_ms": 300}}) as rig:
        with rig.connect() as connection:
            connection.send(chat(stream=True))
            status, headers = connection.head()
            connection.read_until(b'"points "')
            rig.plane.begin_drain()
            assert rig.plane.stop() is False
            rest = connection.read_to_close()
        assert status == 200
        assert b'"finish_reason":"error"' in rest
        assert b"shutting down" in rest
        assert rest.endswith(b"\r\n0\r\n\r\n")
        (booked,) = rig.booked(1)
        assert booked.id == headers["x-generation-id"]
        assert (booked.status, booked.error_type, booked.cancelled) == (200, "provider_overloaded", False)
        assert booked.tokens_completion > 0


def test_a_request_that_has_no_answer_when_the_drain_ends_is_refused() -> None:
    with serving("plain;latency=60000", server={"drain": {"min_ms": 0, "max_ms": 300}}) as rig:
        with rig.connect() as connection:
            connection.send(chat())
            eventually(lambda: rig.counters()["requests"] == 1, "the provider has the request")
            assert rig.plane.stop() is False
            answer = connection.answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        (booked,) = rig.booked(1)
        assert (booked.status, booked.cancelled) == (503, False)


def test_a_stream_that_ends_within_the_drain_is_whole() -> None:
    with serving("plain;tokens=4;pace=100", server={"drain": {"min_ms": 0, "max_ms": 30_000}}) as rig:
        with rig.connect() as connection:
            connection.send(chat(stream=True))
            eventually(lambda: rig.counters()["requests"] == 1, "the provider has the request")
            assert rig.plane.stop() is True
            answer = Stream.of(connection.answer())
        assert answer.done
        (booked,) = rig.booked(1)
        assert booked.error_type is None
