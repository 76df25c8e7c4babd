"""HTTP/1.1 framing at the edge: what two parsers could read differently is refused, and never reaches a provider.

The cases follow RFC 9112 and what published request-smuggling research has found servers to disagree on. Each refused
request is followed, in the same write, by a whole second one: it must never be answered.
"""

from __future__ import annotations

import contextlib
import json
import random
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import CHAT, KEY, Closed, Rig, chat, eventually, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = json.dumps(chat()).encode()
AUTH = f"authorization: Bearer {KEY}\r\n".encode()
SMUGGLED = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nhost: x\r\n" + AUTH + b"content-length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with serving("plain") as rig:
        yield rig


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """A chat request with these header lines beside host and key."""
    head = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nhost: gateway\r\n" + AUTH
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def get(target: bytes = b"/health/live", version: bytes = b"HTTP/1.1", *lines: bytes) -> bytes:
    return b"GET " + target + b" " + version + b"\r\nhost: x\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


LENGTH = b"content-length: %d" % len(BODY)
CHUNKED = b"transfer-encoding: chunked"
WHOLE_CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

MALFORMED = {
    "length and coding": post(LENGTH, CHUNKED, body=WHOLE_CHUNKS),
    "coding and length": post(CHUNKED, b"content-length: 4", body=WHOLE_CHUNKS),
    "two equal lengths": post(LENGTH, LENGTH, body=BODY),
    "two lengths": post(b"content-length: 0", LENGTH, body=BODY),
    "list of lengths": post(b"content-length: %d, %d" % (len(BODY), len(BODY)), body=BODY),
    "signed length": post(b"content-length: +%d" % len(BODY), body=BODY),
    "negative length": post(b"content-length: -1", body=BODY),
    "hexadecimal length": post(b"content-length: 0x10", body=BODY),
    "empty length": post(b"content-length:", body=BODY),
    "length with inner space": post(b"content-length: 1 0", body=BODY),
    "length past 64 bits": post(b"content-length: 18446744073709551617", body=BODY),
    "fractional length": post(b"content-length: 1.0", body=BODY),
    "unknown coding": post(b"transfer-encoding: xchunked", body=WHOLE_CHUNKS),
    "coding list": post(b"transfer-encoding: gzip, chunked", body=WHOLE_CHUNKS),
    "chunked not last": post(b"transfer-encoding: chunked, identity", body=WHOLE_CHUNKS),
    "coding twice in one line": post(b"transfer-encoding: chunked, chunked", body=WHOLE_CHUNKS),
    "coding in two lines": post(CHUNKED, CHUNKED, body=WHOLE_CHUNKS),
    "coding and identity": post(CHUNKED, b"transfer-encoding: identity", body=WHOLE_CHUNKS),
    "identity coding": post(b"transfer-encoding: identity", body=BODY),
    "empty coding": post(b"transfer-encoding:", body=BODY),
    "quoted coding": post(b'transfer-encoding: "chunked"', body=WHOLE_CHUNKS),
    "coding with vertical tab": post(b"transfer-encoding: \x0bchunked", body=WHOLE_CHUNKS),
    "coding in HTTP/1.0": post(CHUNKED, body=WHOLE_CHUNKS).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "folded value": post(b"x-a: b\r\n c", LENGTH, body=BODY),
    "folded coding": post(b"transfer-encoding:\r\n chunked", body=WHOLE_CHUNKS),
    "folded first header": get().replace(b"\r\nhost", b"\r\n host"),
    "space before colon": post(b"content-length : %d" % len(BODY), body=BODY),
    "tab before colon": post(b"transfer-encoding\t: chunked", body=WHOLE_CHUNKS),
    "no colon": post(b"content-length", body=BODY),
    "empty name": post(b": x", LENGTH, body=BODY),
    "name with a space": post(b"x y: z", LENGTH, body=BODY),
    "name with a quote": post(b'x"y: z', LENGTH, body=BODY),
    "name outside ASCII": post("ſ: z".encode(), LENGTH, body=BODY),
    "LF alone everywhere": get().replace(b"\r\n", b"\n"),
    "LF alone in one line": post(b"x-a: b\ny: c", LENGTH, body=BODY),
    "LF alone at the end": get()[:-2] + b"\n",
    "CR alone in a value": post(b"x-a: b\rcontent-length: 0", LENGTH, body=BODY),
    "CR CR LF": post(b"x-a: b\r", LENGTH, body=BODY),
    "NUL in a value": post(b"x-a: b\0c", LENGTH, body=BODY),
    "NUL in a name": post(b"x\0a: b", LENGTH, body=BODY),
    "DEL in a value": post(b"x-a: b\x7f", LENGTH, body=BODY),
    "bell in a value": post(b"x-a: b\x07", LENGTH, body=BODY),
    "no host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "two hosts": get(b"/health/live", b"HTTP/1.1", b"host: y"),
    "two keys": post(AUTH.rstrip(), LENGTH, body=BODY),
    "HTTP/0.9": b"GET /health/live\r\n\r\n",
    "no version": b"GET /health/live \r\n\r\n",
    "lower-case version": get(version=b"http/1.1"),
    "version with a sign": get(version=b"HTTP/+1.1"),
    "version with two digits": get(version=b"HTTP/1.10"),
    "two spaces before the target": get(b" /health/live"),
    "two spaces before the version": get(b"/health/live "),
    "tab in the request line": get(b"/health/live").replace(b"GET ", b"GET\t"),
    "space before the method": b" " + get(),
    "two empty lines first": b"\r\n\r\n" + get(),
    "method with a slash": get().replace(b"GET", b"G/T"),
    "empty method": get()[3:],
    "control in the target": get(b"/health\x01/live"),
    "space in the target": get(b"/health live"),
    "relative target": get(b"health/live"),
    "authority as target": get(b"example.com:443").replace(b"GET", b"CONNECT"),
    "scheme of another kind": get(b"x://h/health/live"),
    "a URL behind a question mark": get(b"x?y://h/health/live"),
    "chunk size with a sign": post(CHUNKED, body=b"+" + WHOLE_CHUNKS),
    "chunk size with 0x": post(CHUNKED, body=b"0x" + WHOLE_CHUNKS),
    "chunk size with a space inside": post(CHUNKED, body=b"%x 0\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "chunk size with an underscore": post(CHUNKED, body=b"0_" + WHOLE_CHUNKS),
    "chunk size empty": post(CHUNKED, body=b"\r\n" + WHOLE_CHUNKS),
    "chunk size only an extension": post(CHUNKED, body=b";a\r\n" + WHOLE_CHUNKS),
    "chunk size past 64 bits": post(CHUNKED, body=b"1" + b"0" * 16 + b"\r\n" + BODY),
    "chunk size with LF alone": post(CHUNKED, body=WHOLE_CHUNKS.replace(b"\r\n", b"\n", 1)),
    "chunk without CR LF": post(CHUNKED, body=b"%x\r\n%s0\r\n\r\n" % (len(BODY), BODY)),
    "chunk longer than it says": post(CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY) - 1, BODY)),
    "chunk ends in LF alone": post(CHUNKED, body=b"%x\r\n%s\n0\r\n\r\n" % (len(BODY), BODY)),
    "chunk extension too long": post(CHUNKED, body=b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n"),
    "chunk extension with LF": post(CHUNKED, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "trailer with LF alone": post(CHUNKED, body=WHOLE_CHUNKS[:-2] + b"x: y\n\r\n"),
    "trailers too long": post(CHUNKED, body=WHOLE_CHUNKS[:-2] + b"x: " + b"y" * 9000 + b"\r\n\r\n"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_are_refused_and_nothing_behind_them_is_read(rig: Rig, name: str) -> None:
    before = rig.counters()["requests"]
    with rig.connect() as connection:
        connection.write(MALFORMED[name] + SMUGGLED)
        answer = connection.answer()
        assert answer.status == 400, answer
        assert answer.headers["connection"] == "close"
        assert answer.headers["content-type"] == "application/json"
        error = answer.json()["error"]
        assert error["code"] == 400
        assert error["message"]
        assert connection.closed_by_peer()
    assert rig.counters()["requests"] == before


OTHER_REFUSALS = {
    "HTTP/2.0 in the request line": (505, get(version=b"HTTP/2.0")),
    "HTTP/1.2": (505, get(version=b"HTTP/1.2")),
    "HTTP/3": (505, get(version=b"HTTP/3.0")),
    "an expectation": (417, post(b"expect: 200-maybe", LENGTH, body=BODY)),
    "head of one long value": (431, get(b"/health/live", b"HTTP/1.1", b"x: " + b"y" * 70_000)),
    "a very long target": (431, get(b"/" + b"a" * 70_000)),
    "too many headers": (431, get(b"/health/live", b"HTTP/1.1", *(b"x-%d: y" % n for n in range(101)))),
    "body too large by length": (413, post(b"content-length: 1048577", body=b"x" * 1000)),
    "body too large by chunks": (413, post(CHUNKED, body=(b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17)),
    "one huge chunk": (413, post(CHUNKED, body=b"fffffffffffffff\r\n" + b"x" * 1_100_000)),
    "compressed body": (
        415,
        post(b"content-encoding: gzip", b"content-length: 70000", body=b"\x1f\x8b" + b"x" * 69998),
    ),
}


@pytest.mark.parametrize("name", OTHER_REFUSALS)
def test_other_refusals_name_their_limit_and_close(rig: Rig, name: str) -> None:
    status, request = OTHER_REFUSALS[name]
    before = rig.counters()["requests"]
    with rig.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.write(request)
        answer = connection.answer()
        assert answer.status == status, answer
        assert answer.headers["connection"] == "close"
        assert answer.json()["error"]["code"] == status
        assert connection.closed_by_peer()
    assert rig.counters()["requests"] == before


GOOD = {
    "plain": get(),
    "one empty line first": b"\r\n" + get(),
    "absolute form": get(b"http://elsewhere/health/live"),
    "absolute form with https": get(b"HTTPS://elsewhere/health/live?x"),
    "query": get(b"/health/live?a=b&c=%00"),
    "odd but legal value": get(b"/health/live", b"HTTP/1.1", b"x: \xff\x80\t y ", b"empty:"),
    "a hundred headers": get(b"/health/live", b"HTTP/1.1", *(b"x-%d: y" % n for n in range(99))),
    "upper-case names": get().upper().replace(b"/HEALTH/LIVE", b"/health/live"),
    "zero length": get(b"/health/live", b"HTTP/1.1", b"content-length: 0"),
    "leading zeros": get(b"/health/live", b"HTTP/1.1", b"content-length: 000"),
}


@pytest.mark.parametrize("name", GOOD)
def test_unusual_but_legal_heads_are_served(rig: Rig, name: str) -> None:
    with rig.connect() as connection:
        connection.write(GOOD[name] + get())
        for _ in range(2):
            answer = connection.answer()
            assert (answer.status, answer.json()) == (200, {"status": "live"})


def test_a_url_without_a_path_is_the_root_whatever_its_query_holds(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.write(get(b"http://elsewhere?x=/health/live"))
        assert connection.answer().status == 503  # the index page, which is the control side's


def test_a_refused_head_after_a_head_request_has_its_body(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.write(get().replace(b"GET", b"HEAD") + b"nonsense\r\n\r\n")
        assert connection.answer(to_head=True).status == 200
        answer = connection.answer()
        assert (answer.status, answer.whole) == (400, True)


CHUNKINGS = {
    "one chunk": WHOLE_CHUNKS,
    "single bytes": b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    "upper-case size and extension": b"%X;a=b\r\n%s\r\n0;c\r\n\r\n" % (len(BODY), BODY),
    "spaces behind the size": b"%x  \r\n%s\r\n0 ;c\r\n\r\n" % (len(BODY), BODY),
    "leading zeros": b"0000%x\r\n%s\r\n000\r\n\r\n" % (len(BODY), BODY),
    "trailers": WHOLE_CHUNKS[:-2] + b"x-a: b\r\nx-c: d\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKINGS)
def test_chunked_bodies_are_put_together_and_the_connection_goes_on(rig: Rig, name: str) -> None:
    rig.mock.reset()
    with rig.connect() as connection:
        connection.write(post(CHUNKED, body=CHUNKINGS[name]) + get())
        assert connection.answer().status == 200
        assert connection.answer().json() == {"status": "live"}
    assert len(rig.received()) == 1


def test_a_request_is_read_the_same_however_it_is_split(rig: Rig) -> None:
    request = post(CHUNKED, body=b"10\r\n%s\r\n%x\r\n%s\r\n0\r\nx: y\r\n\r\n" % (BODY[:16], len(BODY) - 16, BODY[16:]))
    with rig.connect() as connection:
        for cut in range(1, len(request)):
            connection.write(request[:cut])
            connection.write(request[cut:])
            assert connection.answer().status == 200, cut


def test_a_request_may_come_byte_by_byte(rig: Rig) -> None:
    with rig.connect() as connection:
        for byte in post(LENGTH, body=BODY):
            connection.write(bytes([byte]))
        assert connection.answer().status == 200


@pytest.mark.parametrize("count", [2, 50])
def test_pipelined_requests_are_answered_in_order(rig: Rig, count: int) -> None:
    requests = b"".join(
        post(LENGTH, body=BODY) if number % 2 else get(b"/v1/models/test/no-%d" % number, b"HTTP/1.1", AUTH.rstrip())
        for number in range(count)
    )
    with rig.connect() as connection:
        connection.write(requests)
        for number in range(count):
            answer = connection.answer()
            if number % 2:
                assert answer.status == 200
            else:
                assert answer.status == 404
                assert f"no-{number}" in answer.json()["error"]["message"]


def test_pipelined_streams_are_answered_in_order(rig: Rig) -> None:
    body = json.dumps(chat(stream=True)).encode()
    with rig.connect() as connection:
        connection.write(post(b"content-length: %d" % len(body), body=body) * 3)
        ids = []
        for _ in range(3):
            answer = connection.answer()
            assert answer.whole
            assert answer.body.endswith(b"data: [DONE]\n\n")
            ids.append(answer.headers["x-generation-id"])
        assert len(set(ids)) == 3


def test_continue_is_said_only_to_a_request_that_will_be_read(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.write(post(LENGTH, b"expect: 100-Continue"))
        assert connection.head()[0] == 100
        connection.write(BODY)
        assert connection.answer().status == 200
    with rig.connect() as connection:
        connection.write(post(LENGTH, b"expect: 100-continue").replace(AUTH, b""))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert connection.closed_by_peer()
    with rig.connect() as connection:
        connection.write(post(b"content-length: 2000000", b"expect: 100-continue"))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert connection.closed_by_peer()


def test_continue_is_not_said_when_the_body_is_there_already(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.write(post(LENGTH, b"expect: 100-continue", body=BODY) + get())
        assert connection.answer().status == 200
        assert connection.answer().status == 200


def test_http_1_0_closes_unless_it_asks_to_go_on(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.write(b"GET /health/live HTTP/1.0\r\n\r\n")
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert connection.closed_by_peer()
    with rig.connect() as connection:
        for _ in range(2):
            connection.write(b"GET /health/live HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")


def test_a_stream_to_http_1_0_ends_with_the_connection(rig: Rig) -> None:
    body = json.dumps(chat(stream=True)).encode()
    request = post(b"content-length: %d" % len(body), b"connection: keep-alive", body=body)
    with rig.connect() as connection:
        connection.write(request.replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = connection.answer()
        assert answer.status == 200
        assert "transfer-encoding" not in answer.headers
        assert answer.headers["connection"] == "close"
        assert answer.body.startswith(b"data: {")
        assert answer.body.endswith(b"data: [DONE]\n\n")


def test_connection_close_is_obeyed_and_what_follows_is_not_read(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.write(get(b"/health/live", b"HTTP/1.1", b"connection: x, Close") + SMUGGLED * 100)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert connection.read_to_close() == b""


@pytest.mark.parametrize("target", ["/health/live", "/health/ready", "/metrics", "/v1/models", "/v1/models/test/model"])
def test_head_has_the_length_and_no_body(rig: Rig, target: str) -> None:
    with rig.connect() as connection:
        request = get(target.encode(), b"HTTP/1.1", AUTH.rstrip())
        connection.write(request)
        plain = connection.answer()
        connection.write(request.replace(b"GET", b"HEAD") + get())
        answer = connection.answer(to_head=True)
        assert answer.status == plain.status == 200
        assert int(answer.headers["content-length"]) > 0
        if target not in ("/metrics", "/health/ready"):
            assert answer.headers["content-length"] == plain.headers["content-length"]
        assert connection.answer().json() == {"status": "live"}


def test_the_wrong_method_is_named_and_the_connection_goes_on(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.write(get(CHAT.encode(), b"HTTP/1.1", AUTH.rstrip()) + post(LENGTH, body=BODY))
        answer = connection.answer()
        assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
        assert connection.answer().status == 200
        connection.write(get().replace(b"GET", b"DELETE"))
        answer = connection.answer()
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_small_unread_body_costs_no_connection_and_is_no_request(rig: Rig) -> None:
    with rig.connect() as connection:
        request = post(b"content-length: %d" % len(SMUGGLED), body=SMUGGLED).replace(AUTH, b"", 1)
        connection.write(request + get())
        assert connection.answer().status == 401
        assert connection.answer().json() == {"status": "live"}


@pytest.mark.parametrize(("status", "key"), [(413, AUTH), (401, b"")])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_client_that_still_sends_eight_megabytes_gets_its_refusal(
    rig: Rig, status: int, key: bytes, framing: str
) -> None:
    size = 8 << 20
    line = b"content-length: %d" % size if framing == "length" else CHUNKED
    body = b"x" * size if framing == "length" else (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 128
    with rig.connect() as connection:
        # All of it before the first look at the answer, as simple clients do.
        connection.write(post(line, body=body).replace(AUTH, key, 1))
        answer = connection.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"


def test_garbage_never_crashes_and_never_hangs() -> None:
    """Seeded, so that a failure can be run again."""
    rng = random.Random(20261122)
    seeds = [post(LENGTH, body=BODY), post(CHUNKED, body=WHOLE_CHUNKS), get(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    with serving("plain", server={"timeouts": {"header_ms": 60_000, "body_ms": 60_000}}) as rig:
        for _ in range(400):
            data = bytearray(rng.choice(seeds))
            for _ in range(rng.randint(1, 6)):
                match rng.randrange(5):
                    case 0:
                        data[rng.randrange(len(data))] = rng.randrange(256)
                    case 1:
                        del data[rng.randrange(len(data)) :]
                    case 2:
                        at = rng.randrange(len(data) + 1)
                        data[at:at] = rng.choice(
                            [b"\r\n", b"\n", b"\0", b" ", b":", b"chunked", b"\xff" * 9, bytes(data)]
                        )
                    case 3:
                        at = rng.randrange(len(data) + 1)
                        data[at:at] = rng.randbytes(rng.randint(1, 40))
                    case _:
                        data += rng.choice(seeds)
                if not data:
                    data = bytearray(b"\0")
            with rig.connect() as connection, contextlib.suppress(ConnectionError):
                connection.write(bytes(data))
                # The client has said all: whatever it was, the gateway must come to an end too.
                connection.sock.shutdown(1)
                connection.read_to_close()
        assert rig.get("/health/live").status_code == 200
        assert rig.metric("turnout_panics_total") == 0
        # Nothing stays behind.
        eventually(lambda: rig.metric("turnout_connections_open") <= 1, "every connection closed")


# Times


def test_half_a_head_is_answered_with_408() -> None:
    with serving("plain", server={"timeouts": {"header_ms": 60}}) as rig, rig.connect() as connection:
        connection.write(b"GET /health/live HTT")
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert "server.timeouts.header" in answer.json()["error"]["message"]
        assert connection.closed_by_peer()


def test_a_trickled_head_does_not_move_its_deadline() -> None:
    with serving("plain", server={"timeouts": {"header_ms": 150}}) as rig, rig.connect() as connection:
        connection.sock.settimeout(0.01)
        # One byte each 10 ms: a deadline that moved with each would never come.
        for byte in b"GET /health/live HTTP/1.1\r\n" + b"x-slow: " + b"y" * 3000:
            connection.write(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if connection._fill():
                    break
        connection.sock.settimeout(30)
        assert connection.answer().status == 408


@pytest.mark.parametrize("line", [LENGTH, CHUNKED])
def test_half_a_body_is_answered_with_408(line: bytes) -> None:
    with serving("plain", server={"timeouts": {"body_ms": 60}}) as rig, rig.connect() as connection:
        connection.write(post(line, body=b"5\r\nhel"))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert "server.timeouts.body" in answer.json()["error"]["message"]
        assert connection.closed_by_peer()
        assert rig.counters()["requests"] == 0


def test_a_silent_connection_is_closed_without_a_word() -> None:
    with serving("plain", server={"timeouts": {"header_ms": 60, "idle_ms": 60}}) as rig:
        with rig.connect() as connection:
            assert connection.closed_by_peer()
        with rig.connect() as connection:
            connection.write(get())
            assert connection.answer().status == 200
            assert connection.closed_by_peer()


def test_a_kept_connection_outlives_the_time_for_a_head() -> None:
    with (
        serving("plain", server={"timeouts": {"header_ms": 50, "idle_ms": 60_000}}) as rig,
        rig.connect() as connection,
    ):
        connection.write(get())
        assert connection.answer().status == 200
        connection.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.sock.recv(1)
        connection.sock.settimeout(30)
        connection.write(get())
        assert connection.answer().status == 200


def test_a_client_that_hangs_up_in_its_body_costs_nothing(rig: Rig) -> None:
    before = rig.counters()["requests"]
    with rig.connect() as connection:
        connection.write(post(LENGTH, body=BODY[:5]))
        connection.sock.shutdown(1)
        with contextlib.suppress(Closed):
            assert connection.read_to_close() == b""
    assert rig.counters()["requests"] == before
