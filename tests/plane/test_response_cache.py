"""``rust/plane/src/cache/``: whoever asks the same again is given the same answer, at once and free of charge.

That an answer is forgotten when its time is over, and which one goes when memory is short, is tested in
``cache/store.rs``, where the clock can be moved.
"""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake import resp
from tests.plane.harness import (
    CHAT,
    KEY,
    Upstream,
    cache,
    chat,
    endpoint,
    eventually,
    key,
    model,
    provider,
    routing,
    running,
    serving,
    snapshot,
    wishes,
)
from turnout.config import snapshot as written
from turnout.config.preset import compiled as preset

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    import httpx

    from tests.plane.harness import Rig

ON = {"x-openrouter-cache": "true"}
OTHER_KEY = "sk-test-other-0123456789"
STATUS, AGE, TTL, SOURCE = (f"x-openrouter-cache-{name}" for name in ("status", "age", "ttl", "source-id"))
SCRIPT = "plain;tokens=3;prompt=100;cached=40"


@pytest.fixture
def rig() -> Iterator[Rig]:
    with serving(SCRIPT, keys=[key(), key(OTHER_KEY, name="other")]) as rig:
        yield rig


def ask(rig: Rig, body: Any = None, path: str = CHAT, **headers: str) -> httpx.Response:
    """Asks with the cache turned on."""
    answer = rig.post(body if body is not None else chat(), path, **{**ON, **headers})
    assert answer.status_code == 200, answer.text
    return answer


def status(rig: Rig, body: Any = None, path: str = CHAT, **headers: str) -> str | None:
    """``HIT``, ``MISS``, or ``None`` when the cache has nothing to do with it."""
    return ask(rig, body, path, **headers).headers.get(STATUS)


def zeros(usage: Any) -> bool:
    """Whether every number in it is zero."""
    if isinstance(usage, dict):
        return all(zeros(value) for value in usage.values())
    if isinstance(usage, list):
        return all(zeros(value) for value in usage)
    return isinstance(usage, str | bool) or usage is None or usage == 0


def test_k01_it_is_off_by_default(rig: Rig) -> None:
    for _ in range(2):
        assert STATUS not in rig.chat().headers
    assert len(rig.received()) == 2


def test_k02_a_miss_is_followed_by_a_hit(rig: Rig) -> None:
    first = ask(rig)
    assert (first.headers[STATUS], first.headers[TTL]) == ("MISS", "300")
    assert AGE not in first.headers
    assert SOURCE not in first.headers
    second = ask(rig)
    assert second.headers[STATUS] == "HIT"
    assert 0 <= int(second.headers[AGE]) <= 5
    assert 295 <= int(second.headers[TTL]) <= 300
    assert len(rig.received()) == 1


def test_k03_a_hit_is_a_generation_of_its_own_that_used_nothing(rig: Rig) -> None:
    first, second = ask(rig), ask(rig)
    assert second.headers[SOURCE] == first.headers["x-generation-id"] == first.json()["id"]
    assert second.headers["x-generation-id"] == second.json()["id"] != first.json()["id"]
    assert second.json()["choices"] == first.json()["choices"]
    assert second.json()["model"] == first.json()["model"]
    assert first.json()["usage"]["cost"] > 0
    assert zeros(second.json()["usage"])
    assert second.json()["usage"].keys() == first.json()["usage"].keys()
    served, given = rig.booked(2)
    assert (served.response_cache_source_id, given.response_cache_source_id) == ("", served.id)
    assert (given.id, given.status, given.error_type) == (second.json()["id"], 200, None)
    assert (given.cost_nano, given.tokens_prompt, given.tokens_completion, given.tokens_cached) == (0, 0, 0, 0)
    assert (given.usage_source, given.attempts) == ("none", [])
    assert (given.model, given.provider, given.provider_slug) == (served.model, served.provider, served.provider_slug)
    assert (given.finish_reason, given.native_finish_reason) == ("stop", served.native_finish_reason)
    assert rig.metric("turnout_response_cache_hits_total") == 1
    assert rig.metric("turnout_response_cache_misses_total") == 1
    assert rig.metric("turnout_response_cache_answers") == 1
    assert rig.metric("turnout_response_cache_bytes") > len(first.content)


def test_k04_white_space_does_not_count_and_order_does(rig: Rig) -> None:
    body = chat()
    assert status(rig, json.dumps(body, separators=(",", ":")).encode()) == "MISS"
    assert status(rig, json.dumps(body, indent=3).encode()) == "HIT"
    turned = dict(reversed(body.items()))
    assert status(rig, turned) == "MISS"
    assert status(rig, {**body, "temperature": 1}) == "MISS"
    assert status(rig, {**body, "stream": False}) == "MISS"


def test_k05_a_stream_is_another_answer_and_is_given_as_one(rig: Rig) -> None:
    assert status(rig) == "MISS"
    first = rig.post_stream(chat(stream=True), **ON)
    assert first.headers[STATUS] == "MISS"
    second = rig.post_stream(chat(stream=True), **ON)
    assert second.headers[STATUS] == "HIT"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.done
    assert second.text == first.text != ""
    assert len(second.chunks) == len(first.chunks)
    ids = {chunk["id"] for chunk in second.chunks}
    assert ids == {second.headers["x-generation-id"]}
    assert ids != {chunk["id"] for chunk in first.chunks}
    assert first.usage["cost"] > 0
    assert zeros(second.usage)
    assert len(rig.received()) == 2


def test_k05_a_long_stream_is_given_in_parts() -> None:
    with serving("plain;tokens=2000;size=40", cache=cache(size_bytes=8 << 20, entry_bytes=4 << 20)) as rig:
        first, second = (rig.post_stream(chat(stream=True), **ON) for _ in range(2))
        assert (first.headers[STATUS], second.headers[STATUS]) == ("MISS", "HIT")
        assert len(second.body) > 4 * 64 * 1024
        assert second.text == first.text
        assert second.done


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0", 1), ("-5", 1), ("99999", 86_400), ("60abc", 60), ("1.5", 1), ("x", 300), ("", 300), ("7", 7)],
)
def test_k06_the_time_is_read_as_a_number_within_bounds(rig: Rig, said: str, seconds: int) -> None:
    assert ask(rig, **{TTL: said}).headers[TTL] == str(seconds)


def test_k07_clear_forgets_the_answer_and_keeps_the_new_one(rig: Rig) -> None:
    first = ask(rig)
    cleared = ask(rig, **{"x-openrouter-cache-clear": "true"})
    assert cleared.headers[STATUS] == "MISS"
    third = ask(rig)
    assert third.headers[SOURCE] == cleared.json()["id"] != first.json()["id"]
    assert len(rig.received()) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", ["status=500", "status=400", "cut=2", "finish=error", "empty=1"])
def test_k08_errors_and_broken_answers_are_not_kept(fault: str, *, stream: bool) -> None:
    with serving(f"plain;tokens=6;{fault}") as rig:
        for _ in range(2):
            with rig.connect() as connection:
                connection.send(chat(stream=stream), **ON)
                assert connection.answer().headers.get(STATUS) != "HIT"
        assert len(rig.received()) == 2


def test_k08_what_a_client_left_early_is_not_kept() -> None:
    with serving("plain;tokens=50;pace=20;size=4000") as rig:
        with rig.connect() as connection:
            connection.send(chat(stream=True), **ON)
            connection.read_until(b"data: ")
            connection.reset()
        (left,) = rig.booked(1)
        assert left.cancelled
        with rig.connect() as connection:
            connection.send(chat(stream=True), **ON)
            assert connection.head()[1][STATUS] == "MISS"


def test_k08_tool_calls_are_kept() -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    with serving("tool") as rig:
        first, second = (ask(rig, chat(tools=tools)) for _ in range(2))
        assert second.headers[STATUS] == "HIT"
        assert second.json()["choices"] == first.json()["choices"]
        assert second.json()["choices"][0]["finish_reason"] == "tool_calls"


def test_k09_each_key_has_its_own_answers(rig: Rig) -> None:
    assert status(rig) == "MISS"
    assert status(rig, authorization=f"Bearer {OTHER_KEY}") == "MISS"
    assert status(rig) == "HIT"
    assert status(rig, authorization=f"Bearer {OTHER_KEY}") == "HIT"


def test_k09_a_key_that_lost_the_model_is_given_nothing(rig: Rig) -> None:
    assert status(rig) == "MISS"
    address = rig.mock.address
    rig.swap(snapshot([provider(address)], [model(endpoint(0, SCRIPT))], keys=[key(models=["other/*"])]))
    assert rig.post(chat(), **ON).status_code == 403


@pytest.mark.parametrize("whose", ["gateway", "key"])
def test_k10_nothing_is_kept_where_no_data_may_be(whose: str) -> None:
    zdr = wishes(zdr=True)
    changes: dict[str, Any] = (
        {"routing": routing(wishes={"zdr": True})} if whose == "gateway" else {"keys": [key(routing=zdr)]}
    )
    policy = written.DataPolicy(training=False, retention_days=0, zdr=True)
    with running(
        lambda address: snapshot([provider(address)], [model(endpoint(0, SCRIPT, data_policy=policy))], **changes)
    ) as rig:
        assert [status(rig) for _ in range(2)] == [None, None]
        assert len(rig.received()) == 2


def test_k10_a_request_that_wishes_it_for_itself_is_kept() -> None:
    policy = written.DataPolicy(training=False, retention_days=0, zdr=True)
    with running(
        lambda address: snapshot([provider(address)], [model(endpoint(0, SCRIPT, data_policy=policy))])
    ) as rig:
        body = chat(provider={"zdr": True})
        assert [status(rig, body) for _ in range(2)] == ["MISS", "HIT"]


def test_k11_a_header_beats_the_configuration() -> None:
    with serving(SCRIPT, cache=cache(default=True, ttl_s=42)) as rig:
        first = rig.post(chat())
        assert (first.headers[STATUS], first.headers[TTL]) == ("MISS", "42")
        assert rig.post(chat()).headers[STATUS] == "HIT"
        assert STATUS not in rig.post(chat(), **{"x-openrouter-cache": "FALSE"}).headers
        assert rig.post(chat(), **{"x-openrouter-cache": "perhaps"}).headers[STATUS] == "HIT"
        assert rig.post(chat("Other"), **{TTL: "7"}).headers[TTL] == "7"


def test_k11_a_preset_that_says_no_beats_the_header_and_the_header_one_that_says_yes() -> None:
    presets = [
        preset("yes", {"cache_enabled": True, "cache_ttl_seconds": 77}, system=None, disabled=False),
        preset("no", {"cache_enabled": False}, system=None, disabled=False),
    ]
    header = {"x-openrouter-cache": "true"}
    with serving(SCRIPT, presets=presets) as rig:
        yes, no = chat(preset="yes"), chat(preset="no")
        first = rig.post(yes)
        assert (first.headers[STATUS], first.headers[TTL]) == ("MISS", "77")
        assert rig.post(yes).headers[STATUS] == "HIT"
        assert STATUS not in rig.post(yes, **{"x-openrouter-cache": "false"}).headers
        assert STATUS not in rig.post(no, **header).headers
        # The header's time beats the preset's.
        assert rig.post(chat("Other", preset="yes"), **{TTL: "9"}).headers[TTL] == "9"


def test_k12_requests_at_the_same_time_are_all_served() -> None:
    with serving("plain;latency=300") as rig:
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda _: status(rig), range(2)))
        assert both == ["MISS", "MISS"]
        assert len(rig.received()) == 2
        assert status(rig) == "HIT"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_k13_a_hit_has_no_metadata(rig: Rig, *, stream: bool) -> None:
    headers = {**ON, "x-openrouter-metadata": "enabled"}
    first, second = (rig.post(chat(stream=stream), **headers) for _ in range(2))
    assert (first.headers[STATUS], second.headers[STATUS]) == ("MISS", "HIT")
    assert "openrouter_metadata" not in second.text


def test_k13_who_wants_to_see_what_is_sent_is_not_answered_from_memory(rig: Rig) -> None:
    body = chat(stream=True, debug={"echo_upstream_body": True})
    for _ in range(2):
        stream = rig.post_stream(body, **ON)
        assert STATUS not in stream.headers
        assert "debug" in stream.chunks[0]
    assert len(rig.received()) == 2


APIS: dict[str, tuple[str, dict[str, Any]]] = {
    "responses": ("/v1/responses", {"model": "test/model", "input": "Hello"}),
    "messages": (
        "/v1/messages",
        {"model": "test/model", "max_tokens": 99, "messages": [{"role": "user", "content": "Hello"}]},
    ),
    "embeddings": ("/v1/embeddings", {"model": "test/model", "input": "Hello"}),
    "gemini": (
        "/v1beta/models/test/model:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    ),
}


@pytest.mark.parametrize("api", APIS)
def test_k14_every_api_that_answers_the_same_to_the_same(rig: Rig, api: str) -> None:
    path, body = APIS[api]
    first, second = ask(rig, body, path), ask(rig, body, path)
    assert (first.headers[STATUS], second.headers[STATUS]) == ("MISS", "HIT")
    assert second.headers["x-generation-id"] in second.text
    assert first.headers["x-generation-id"] not in second.text
    usage = second.json().get("usage") or second.json()["usageMetadata"]
    assert zeros(usage)
    assert not zeros(first.json().get("usage") or first.json()["usageMetadata"])
    same = _without_ids(first.text), _without_ids(second.text)
    assert same[0] == same[1]


@pytest.mark.parametrize("api", ["responses", "messages"])
def test_k14_streams_of_other_apis(rig: Rig, api: str) -> None:
    path, body = APIS[api]
    first, second = (rig.post({**body, "stream": True}, path, **ON) for _ in range(2))
    assert (first.headers[STATUS], second.headers[STATUS]) == ("MISS", "HIT")
    bare = second.headers["x-generation-id"].removeprefix("gen-")
    assert bare in second.text
    assert first.headers["x-generation-id"].removeprefix("gen-") not in second.text
    assert _without_ids(first.text) == _without_ids(second.text)


@pytest.mark.parametrize("query", ["", "?alt=sse"], ids=["array", "events"])
def test_k14_streams_of_gemini(rig: Rig, query: str) -> None:
    path = f"/v1beta/models/test/model:streamGenerateContent{query}"
    first, second = (ask(rig, APIS["gemini"][1], path) for _ in range(2))
    assert (first.headers[STATUS], second.headers[STATUS]) == ("MISS", "HIT")
    assert second.headers["content-type"] == first.headers["content-type"]
    assert _without_ids(first.text) == _without_ids(second.text)


def test_k14_other_apis_have_no_cache(rig: Rig) -> None:
    body = {"model": "test/model", "prompt": "Hello"}
    assert [status(rig, body, "/v1/completions") for _ in range(2)] == [None, None]


def _without_ids(text: str) -> str:
    """Without what differs between an answer and its repetition."""
    text = re.sub(r"\d{10}-[A-Za-z0-9]{20}", "ID", text)
    text = re.sub(r'"(created|created_at|completed_at)": ?\d+', "", text)
    # Numbers of the usage, wherever it stands: they are looked at elsewhere.
    return re.sub(r'("(?:[a-zA-Z_]*[tT]oken[a-zA-Z_]*|cost[a-z_]*|[a-z_]*_cost)"): ?[-0-9.e]+', r"\1", text)


def test_an_answer_that_is_too_large_is_passed_on_and_not_kept() -> None:
    with serving("plain;tokens=400;size=20", cache=cache(entry_bytes=1000)) as rig:
        assert [status(rig) for _ in range(2)] == ["MISS", "MISS"]
        assert rig.post_stream(chat(stream=True), **ON).done


def test_pages_of_other_origins_may_read_the_headers() -> None:
    with serving(SCRIPT, server={"cors_origins": ["*"]}) as rig:
        exposed = ask(rig, origin="https://app.example").headers["access-control-expose-headers"].lower()
        assert {STATUS, AGE, TTL, SOURCE} <= set(exposed.split(", "))


# A server that several gateways share


def remote(port: int, **changes: Any) -> written.Cache:
    """Answers are kept there."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "tls": False,
        "username": "",
        "password": "",
        "database": 0,
        "prefix": "t:",
        "wait_ms": 5_000,
        **changes,
    }
    return cache(server=written.CacheServer(**values))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_gateways_share_a_server(*, stream: bool) -> None:
    body = chat(stream=stream)
    with (
        resp.serving(password="s3cret") as server,
        serving(SCRIPT, cache=remote(server.port, password="s3cret", database=3)) as one,
        serving(SCRIPT, cache=remote(server.port, password="s3cret", database=3)) as other,
    ):
        first = ask(one, body, **{TTL: "77"})
        assert first.headers[STATUS] == "MISS"
        ((database, name),) = eventually(lambda: list(server.values), "the answer to be kept")
        assert database == 3
        assert re.fullmatch(rb"t:1:[0-9a-f]{64}", name)
        assert server.seconds[name] == 77
        second = ask(other, body)
        assert second.headers[STATUS] == "HIT"
        assert second.headers[SOURCE] == first.headers["x-generation-id"]
        assert _without_ids(second.text) == _without_ids(first.text)
        assert other.booked(1)[0].response_cache_source_id == one.booked(1)[0].id
        assert other.received() == []
        assert status(other, body, **{"x-openrouter-cache-clear": "true"}) == "MISS"
        assert server.commands.count(b"DEL") == 1
        assert KEY.encode() not in b"".join(server.values.values())


def test_a_server_that_is_down_is_a_miss() -> None:
    with resp.serving() as server:
        port = server.port
    with serving(SCRIPT, cache=remote(port)) as rig:
        assert [status(rig) for _ in range(3)] == ["MISS"] * 3
        assert rig.metric("turnout_response_cache_server_failures_total") >= 1


def test_a_server_that_says_nothing_is_waited_for_briefly() -> None:
    with resp.serving(silent=True) as server, serving(SCRIPT, cache=remote(server.port, wait_ms=20)) as rig:
        assert [status(rig) for _ in range(3)] == ["MISS"] * 3
        # It is left alone for a while after the first failure.
        assert server.commands == [b"GET"]


def test_a_server_that_refuses_the_password_is_a_miss() -> None:
    with resp.serving(password="right") as server, serving(SCRIPT, cache=remote(server.port, password="no")) as rig:
        assert [status(rig) for _ in range(2)] == ["MISS", "MISS"]
        assert server.values == {}


def test_something_else_under_the_key_is_a_miss() -> None:
    with resp.serving() as server, serving(SCRIPT, cache=remote(server.port)) as rig:
        assert status(rig) == "MISS"
        (name,) = eventually(lambda: list(server.values), "the answer to be kept")
        for kept, value in enumerate((b"", b"nonsense", server.values[name][:50]), start=2):
            server.values[name] = value
            assert status(rig) == "MISS"
            # The answer takes its place again.
            eventually(lambda kept=kept: server.commands.count(b"SET") == kept, "the answer to be kept again")


def trickling(connection: socket.socket) -> None:
    """Announces a long value and sends it so slowly that it never ends, though something comes all the time."""
    pace = threading.Event()
    while connection.recv(1 << 16):
        connection.sendall(b"$200000\r\n")
        while True:
            connection.sendall(b"x")
            pace.wait(0.002)


def saying(said: bytes) -> Callable[[socket.socket], None]:
    """Answers the first command with these bytes and closes."""

    def play(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(said)

    return play


def answering_commands(said: bytes) -> Callable[[socket.socket], None]:
    """Answers each command with these bytes. The commands are small, so one read has one."""

    def play(connection: socket.socket) -> None:
        while connection.recv(1 << 20):
            connection.sendall(said)

    return play


def test_a_server_that_trickles_is_waited_for_no_longer_than_one_that_is_silent() -> None:
    with Upstream(trickling) as upstream, serving(SCRIPT, cache=remote(upstream.port, wait_ms=50)) as rig:
        answer = ask(rig)
        assert answer.headers[STATUS] == "MISS"
        # A whole value would take minutes. What was waited for is not the gateway's own time.
        (booked,) = rig.booked(1)
        assert 50_000 <= booked.total_us - booked.overhead_us < 5_000_000
        assert upstream.accepted == 1
        assert rig.metric("turnout_response_cache_server_failures_total") == 1
        # It is left alone for a while.
        assert status(rig) == "MISS"
        assert upstream.accepted == 1


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"$50\r\nhalf", id="gone in the middle of a value"),
        pytest.param(b"$5", id="gone in the middle of a length"),
        pytest.param(b"", id="gone without a word"),
        pytest.param(b"$99999999999999999999\r\n", id="length beyond 64 bits"),
        pytest.param(b"$4000000000\r\n" + b"x" * 4096, id="length beyond the largest answer"),
        pytest.param(b"$-7\r\n", id="negative length"),
        pytest.param(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", id="a list"),
        pytest.param(b"%1\r\n+a\r\n+b\r\n", id="a map"),
        pytest.param(b"+" + b"x" * 100_000, id="a line without an end"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another protocol"),
        pytest.param(b"$1\r\nab\r\n", id="value longer than its length"),
        pytest.param(b"$-1\r\n$3\r\nabc\r\n", id="two answers to one question"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_a_miss(said: bytes) -> None:
    with Upstream(saying(said)) as upstream, serving(SCRIPT, cache=remote(upstream.port, wait_ms=10_000)) as rig:
        assert [status(rig), status(rig)] == ["MISS", "MISS"]
        assert rig.metric("turnout_response_cache_server_failures_total") == 1
        # What was said wrongly is not waited for, and the connection is not used again.
        (first, _) = rig.booked(2)
        assert first.total_us < 9_000_000
        assert upstream.accepted == 1


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", id="another type"),
        pytest.param(b"-LOADING Redis is loading the dataset in memory\r\n", id="an error"),
        pytest.param(b":7\r\n", id="a number"),
        pytest.param(b"+OK\r\n", id="a word"),
        pytest.param(b"$0\r\n\r\n", id="nothing"),
    ],
)
def test_a_server_that_has_something_else_is_a_miss_and_stays_in_use(said: bytes) -> None:
    with Upstream(answering_commands(said)) as upstream, serving(SCRIPT, cache=remote(upstream.port)) as rig:
        assert [status(rig) for _ in range(3)] == ["MISS"] * 3
        assert rig.metric("turnout_response_cache_server_failures_total") == 0


def test_a_server_that_restarted_is_used_again_over_a_new_connection() -> None:
    asked: list[bytes] = []

    def once(connection: socket.socket) -> None:
        """Answers one look and leaves."""
        asked.append(connection.recv(1 << 16))
        connection.sendall(b"$-1\r\n")

    with Upstream(once) as upstream, serving(SCRIPT, cache=remote(upstream.port)) as rig:
        assert [status(rig, chat(f"question {number}")) for number in range(3)] == ["MISS"] * 3
        eventually(lambda: upstream.accepted >= 3, "a connection for each look")
        assert all(command.startswith(b"*") for command in asked)
        # A connection that was closed in the meantime is no failure.
        assert rig.metric("turnout_response_cache_server_failures_total") == 0
