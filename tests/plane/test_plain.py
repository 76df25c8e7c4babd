"""``rust/plane/src/plain.rs``: a plain answer is held whole, bounded, and changed in few places."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import (
    Upstream,
    answering,
    completion,
    endpoint,
    model,
    plain_answer,
    provider,
    running,
    serving,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.config.snapshot import Snapshot

BOUND = 65536


def of(upstream: Upstream) -> Callable[[str], Snapshot]:
    """One endpoint at the test's own provider, and a small bound on answers."""
    return lambda _: snapshot(
        [provider(upstream.address)], [model(endpoint())], server={"limits": {"answer_bytes_max": BOUND}}
    )


@pytest.mark.parametrize("script", ["", ";chunked=1", ";gzip=1", ";chunked=1;gzip=1"])
def test_an_answer_beyond_the_bound_is_refused_and_the_next_endpoint_serves(script: str) -> None:
    with serving(
        f"plain;tokens=100;size=1000{script}", "plain;tokens=2", server={"limits": {"answer_bytes_max": BOUND}}
    ) as rig:
        assert rig.chat().json()["provider"] == "Second"
        (booked,) = rig.booked(1)
        assert [a.outcome for a in booked.attempts] == ["malformed", "ok"]


@pytest.mark.parametrize("over", [0, 1])
def test_the_bound_is_exact(over: int) -> None:
    body = json.dumps(completion("")).encode()
    filled = body.replace(b'"content": ""', b'"content": "%s"' % (b"x" * (BOUND - len(body) + over)))
    assert len(filled) == BOUND + over
    for coding, content in (("identity", filled), ("gzip", gzip.compress(filled))):
        with (
            Upstream(answering(plain_answer(content, content_encoding=coding))) as upstream,
            running(of(upstream)) as rig,
        ):
            answer = rig.chat()
            assert answer.status_code == (502 if over else 200)
            if over:
                assert f"larger than {BOUND} bytes" in answer.json()["error"]["message"]


def test_a_gzip_bomb_is_refused() -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    with Upstream(answering(plain_answer(bomb, content_encoding="gzip"))) as upstream, running(of(upstream)) as rig:
        answer = rig.chat()
        assert answer.status_code == 502
        assert f"larger than {BOUND} bytes" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("coding", "body", "says"),
    [
        ("gzip", b"not gzip at all", "not valid gzip"),
        ("gzip", gzip.compress(json.dumps(completion()).encode())[:-6], "cut short"),
        ("br", b"whatever", "compressed in a way that was not asked for"),
    ],
)
def test_a_coding_that_cannot_be_read_fails_the_attempt(coding: str, body: bytes, says: str) -> None:
    with (
        Upstream(answering(plain_answer(body, content_encoding=coding))) as upstream,
        running(of(upstream)) as rig,
    ):
        answer = rig.chat()
        assert answer.status_code == 502
        assert says in answer.json()["error"]["message"]
        (booked,) = rig.booked(1)
        assert [(a.status, a.outcome) for a in booked.attempts] == [(200, "malformed")]


def test_bytes_that_are_not_ours_stay_as_they_are() -> None:
    theirs = (
        b'{ "id":"theirs","x" : [1.0, 2e3, {"y":null}],\n "object":"chat.completion","created":7,"model":"m",'
        b'"choices":[{"index":0,"message":{"role":"assistant","content":"\\u00e9 \\/ \xc3\xa9", "odd":1e-7},'
        b'"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"theirs":0.10}}'
    )
    with Upstream(answering(plain_answer(theirs))) as upstream, running(of(upstream)) as rig:
        answer = rig.chat()
        for part in (
            b'"x" : [1.0, 2e3, {"y":null}],\n',
            b'"message":{"role":"assistant","content":"\\u00e9 \\/ \xc3\xa9", "odd":1e-7}',
            b'"theirs":0.10',
        ):
            assert part in answer.content
        assert answer.json()["id"] == answer.headers["x-generation-id"]
        (booked,) = rig.booked(1)
        assert booked.upstream_id == "theirs"


def test_what_the_provider_says_about_cost_is_not_what_we_charge() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "cost": 99.0, "is_byok": True}
    with Upstream(answering(plain_answer(completion(usage=usage)))) as upstream, running(of(upstream)) as rig:
        shown = rig.chat().json()["usage"]
        assert (shown["cost"], shown["is_byok"]) == (0.000060007, False)
        (booked,) = rig.booked(1)
        assert booked.cost_nano == 60_007
