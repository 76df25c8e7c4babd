"""Faults and outages: nobody sees what another endpoint could have prevented, nothing is multiplied, and what was cut
off is never passed on as whole.

The long run of faults is ``bench/chaos.py``.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import (
    CHAT,
    endpoint,
    model,
    provider,
    routing,
    running,
    scripted,
    server,
    serving,
    snapshot,
    wire,
)

if TYPE_CHECKING:
    from turnout.config import snapshot as written

SCRIPTS = [
    "p;tokens=3;status=500;times={times}",
    "p;tokens=3;drop=1;times={times}",
    "p;tokens=3;garbage=0;times={times}",
    "p;tokens=3;status=429;retry_after=1;times={times}",
    "p;tokens=3",
]
REQUESTS = 400
AT_ONCE = 16


def test_no_fault_that_could_be_gone_around_reaches_a_client() -> None:
    draw = random.Random(7)
    scripts = [script.format(times=draw.randint(20, 60)) for script in SCRIPTS]
    with serving(*scripts, server={"attempts": {"attempts_max": 5}}, routing=routing()) as rig, rig.client() as client:

        def ask(number: int) -> tuple[int, bool]:
            stream = number % 2 == 0
            body = {"model": "test/model", "stream": stream, "messages": [{"role": "user", "content": "x"}]}
            answer = client.post("/v1/chat/completions", json=body)
            whole = "[DONE]" in answer.text if stream else answer.json()["choices"][0]["finish_reason"] == "stop"
            return answer.status_code, whole

        with ThreadPoolExecutor(AT_ONCE) as pool:
            seen = list(pool.map(ask, range(REQUESTS)))
        assert set(seen) == {(200, True)}
        booked = rig.booked(REQUESTS)
        assert len({generation.id for generation in booked}) == REQUESTS
        assert {generation.status for generation in booked} == {200}
        assert max(len(generation.attempts) for generation in booked) == 5


# Storms


BUDGET = {"percent": 20, "per_second": 0}
BURST = 10
"""Second tries of each provider that come before the share holds, without a rate."""
DEFAULTS: dict[str, Any] = {
    "wishes": {"policy": "price"},
    "breaker": {"failures": 5},
    "cooldown_max_ms": 600_000,
    "retries": BUDGET,
}
"""Routing as it comes, but for the budget, whose rate would hide its share in a short test."""


@pytest.mark.parametrize("script", ["status=503", "status=503;retry_after=1", "status=429;retry_after=1", "drop=1"])
def test_an_outage_of_all_is_not_multiplied_and_nothing_comes_after_it(script: str) -> None:
    outage, well = [f"p;{script}"] * 5, ["p;tokens=1"] * 5
    changes: dict[str, Any] = {"server": {"attempts": {"attempts_max": 5}}, "routing": routing(**DEFAULTS)}

    with serving(*outage, **changes) as rig, rig.client() as client:

        def ask(_: int) -> int:
            body = {"model": "test/model", "messages": [{"role": "user", "content": "x"}]}
            return client.post(CHAT, json=body).status_code

        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert all(status >= 429 for status in pool.map(ask, range(REQUESTS)))
            booked = rig.booked(REQUESTS)
            sent = rig.counters()["requests"]
            # A connection that was closed before is tried anew, and that is no attempt.
            stale = rig.metric("turnout_upstream_stale_retries_total")
            assert sum(len(generation.attempts) for generation in booked) == sent - stale
            # A burst, and what was on its way when that ended, which is owed: of 1600 second tries that there could be.
            assert REQUESTS <= sent - stale <= REQUESTS * 1.2 + 5 * 2 * BURST
            assert rig.metric("turnout_retries_denied_total") > 0

            rig.swap(scripted(*well, address=rig.mock.address, **changes))
            assert list(pool.map(ask, range(100))) == [200] * 100
        assert rig.counters()["requests"] - sent == 100
        assert all(len(generation.attempts) == 1 for generation in rig.booked(100))


@pytest.mark.parametrize("status", [429, 503])
def test_who_says_when_to_come_back_is_not_asked_before(status: int) -> None:
    rules = routing(cooldown_max_ms=600_000)
    with serving(f"p;status={status};retry_after=1;times=1", "p;tokens=1", routing=rules) as rig:
        asked: list[str] = []
        # Until it is asked again; it serves then.
        while asked.count("first") < 2:
            assert rig.chat().status_code == 200
            (booked,) = rig.booked(1)
            asked += [attempt.provider for attempt in booked.attempts]
        assert asked[:3] == ["first", "second", "second"]
        first = [received["arrival_ms"] for received in rig.received() if "status" in received["body"]]
        assert len(first) == 2
        assert first[1] - first[0] >= 1000


# Truncation


DIALECTS: dict[written.Dialect, str] = {
    "openai": "/v1",
    "responses": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "bedrock": "",
    "cohere": "/v2",
    "ollama": "",
}
CUT_PLAIN = ["wronglength=50", "cut=40", "cut=40;chunked=1", "rst=40", "cut=40;chunked=1;gzip=1"]
CUT_STREAM = ["cut=2", "cut=4;pace=1", "cut=4;part=9;pace=1", "rst=4;pace=1", "nofinish=1;nodone=1", "cut=5;gzip=1"]

ENDS = {
    "chat": '"finish_reason":"stop"',
    "messages": "message_stop",
    "responses": "response.completed",
    "gemini": '"STOP"',
}
"""What only a whole stream says."""


def asking(api: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of a request in a client's protocol."""
    said = [{"role": "user", "content": "Hello"}]
    match api:
        case "chat":
            return CHAT, {"model": "test/model", "messages": said, "stream": stream}
        case "messages":
            return "/v1/messages", {"model": "test/model", "messages": said, "stream": stream, "max_tokens": 9}
        case "responses":
            return "/v1/responses", {"model": "test/model", "input": "Hello", "stream": stream}
        case _:
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"/v1beta/models/test/model:{verb}", {"contents": [{"parts": [{"text": "Hello"}]}]}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_what_was_cut_off_never_passes_for_whole(dialect: written.Dialect, stream: bool) -> None:
    """In every protocol of a provider and every one of a client."""

    def with_script(address: str, script: str) -> written.Snapshot:
        speaker = provider(address, wires=[wire(f"http://{address}{DIALECTS[dialect]}", dialect)])
        return snapshot([speaker], [model(endpoint(0, f"p;tokens=8;{script}"))], server=server())

    with running(lambda address: with_script(address, "")) as rig, rig.client() as client:
        for api, end in ENDS.items():
            path, body = asking(api, stream=stream)
            whole = client.post(path, json=body)
            assert whole.status_code == 200
            assert not stream or end in whole.text.replace(": ", ":"), (api, whole.text)
        rig.booked(len(ENDS))
        for script in CUT_STREAM if stream else CUT_PLAIN:
            rig.swap(with_script(rig.mock.address, script))
            for api, end in ENDS.items():
                path, body = asking(api, stream=stream)
                answer = client.post(path, json=body)
                about = (api, script, answer.status_code, answer.text)
                (booked,) = rig.booked(1)
                assert answer.status_code == booked.status, about
                assert booked.error_type is not None, about
                assert booked.attempts[0].outcome in ("closed", "malformed", "empty"), about
                assert '"error"' in answer.text, about
                if not stream:
                    assert answer.status_code == 502, about
                assert end not in answer.text.replace(": ", ":"), about
