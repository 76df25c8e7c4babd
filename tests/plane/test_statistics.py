"""``rust/plane/src/statistics/``: what requests show of endpoints and keys, and what outlives a restart."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.plane.harness import (
    Upstream,
    chat,
    completion,
    credential,
    endpoint,
    eventually,
    model,
    plain_answer,
    provider,
    routing,
    running,
    scripted,
    serving,
    snapshot,
    wire,
)
from turnout.control import statistics

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.config import snapshot as written

BASES = {"gemini": "http://{}/v1beta", "bedrock": "http://{}", "ollama": "http://{}", "cohere": "http://{}/v2"}
"""Where a dialect's base URL is not the usual one."""


@pytest.mark.parametrize(
    ("script", "uptime"),
    [
        # They count against the endpoint.
        *((f"plain;status={status}", 0.0) for status in (401, 402, 404, 500, 502, 503, 529)),
        ("plain;cut=0", 0.0),
        ("plain;cut=20", 0.0),
        ("plain;garbage=0", 0.0),
        ("plain;error_in=0", 0.0),
        ("plain;finish=error", 0.0),
        # They say something about the request, the place or the traffic.
        *((f"plain;status={status}", None) for status in (400, 403, 413, 422, 429)),
        ("plain", 100.0),
        ("plain;finish=length", 100.0),
    ],
)
def test_r33_r34_uptime_counts_what_is_the_endpoints_fault(script: str, uptime: float | None) -> None:
    with serving("plain;status=400", script) as rig:
        rig.chat(provider={"only": ["second"]})
        report = {known["tag"]: known for known in json.loads(rig.plane.statistics())["endpoints"]}
        seen = report["tag-1"]["uptime_last_5m"] if "tag-1" in report else None
        assert seen == uptime


@pytest.mark.parametrize(
    "script", ["plain;cut=6;pace=5", "plain;rst=6;pace=5", "plain;error_in=6;pace=5", "plain;garbage=6;pace=5"]
)
def test_r33_a_stream_that_breaks_off_counts_against_the_endpoint(script: str) -> None:
    with serving(script) as rig:
        assert rig.stream().data
        assert rig.statistics()["uptime_last_5m"] == 0.0


def test_r33_a_client_that_leaves_says_nothing_about_the_endpoint() -> None:
    with serving("plain;stall=3") as rig:
        with rig.connect() as connection:
            connection.send(chat(stream=True))
            eventually(lambda: rig.counters()["requests"] == 1, "the provider is asked")
            assert rig.statistics()["in_flight"] == 1
            assert rig.metric("turnout_endpoint_in_flight", endpoint="tag-0") == 1
        eventually(lambda: not json.loads(rig.plane.statistics())["endpoints"], "nothing is in flight, nothing known")


def test_r02_a_failure_is_known_at_once_and_shown() -> None:
    with serving("plain;status=500", "plain") as rig:
        assert rig.chat().status_code == 200
        shown = statistics.read(rig.plane.statistics())
        assert {tag: endpoint.status for (_, tag), endpoint in shown.items()} == {"tag-0": -1, "tag-1": 0}
        known = rig.statistics()
        assert (known["is_failing"], known["status"], known["failed_permille"]) == (True, -1, 1000)
        assert rig.statistics("tag-1")["status"] == 0
        assert rig.metric("turnout_endpoint_uptime_ratios", endpoint="tag-0") == 0.0
        assert rig.metric("turnout_endpoint_uptime_ratios", endpoint="tag-1") == 1.0


def test_r18_streams_show_the_time_to_their_first_token_and_all_answers_their_speed() -> None:
    with serving("plain;ttft=80;tokens=8", "plain;tokens=8") as rig:
        for _ in range(3):
            rig.stream()
            rig.chat(provider={"only": ["second"]})
        slow, plain = rig.statistics(), rig.statistics("tag-1")
        for window in ("latency_last_5m", "latency_last_30m"):
            assert slow[window]["p50"] >= 60
            # Of an answer that came whole nobody knows when it began.
            assert plain[window] is None
        # Eight tokens in at least 80 ms.
        assert 0 < slow["throughput_last_30m"]["p50"] <= 125
        assert plain["throughput_last_30m"]["p50"] > 0
        assert slow["mean_tokens"]["completion"] == 8


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("arguments", "errors"),
    [('{"city":"Paris"}', 0), ('{"city":7}', 1), ("{}", 1), ('{"city":', 1)],
)
def test_r32_calls_that_do_not_fit_what_was_declared_count(arguments: str, errors: int, *, streamed: bool) -> None:
    script = f"tool;args={quote(arguments)}"
    with serving(script, "plain") as rig:
        if streamed:
            assert rig.stream(tools=[WEATHER]).whole
        else:
            assert rig.chat(tools=[WEATHER]).json()["choices"][0]["finish_reason"] == "tool_calls"
        known = rig.statistics()
        assert (known["tool_answers_last_2h"], known["tool_errors_last_2h"]) == (1, errors)


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "responses", "bedrock", "cohere", "ollama"])
@pytest.mark.parametrize("streamed", [False, True])
def test_r32_calls_are_judged_in_every_dialect(dialect: written.Dialect, *, streamed: bool) -> None:
    def make(address: str) -> written.Snapshot:
        makers = [
            provider(address, slug, wires=[wire(BASES.get(dialect, "http://{}/v1").format(address), dialect)])
            for slug in ("right", "wrong")
        ]
        endpoints = [endpoint(0, "tool"), endpoint(1, "tool;args=%7B%22city%22:7%7D")]
        return snapshot(makers, [model(*endpoints)])

    with running(make) as rig:
        for only in ("right", "wrong"):
            asked = {"tools": [WEATHER], "provider": {"only": [only]}}
            if streamed:
                assert rig.stream(**asked).whole
            else:
                assert rig.chat(**asked).status_code == 200
        for tag, errors in (("tag-0", 0), ("tag-1", 1)):
            known = rig.statistics(tag)
            assert (known["tool_answers_last_2h"], known["tool_errors_last_2h"]) == (1, errors), tag


def test_a_429_is_rested_from_for_as_long_as_it_says() -> None:
    with serving("plain;status=429;retry_after=7", "plain", routing=routing(cooldown_max_ms=600_000)) as rig:
        assert rig.chat().status_code == 200
        known = rig.statistics()
        assert known["is_resting"]
        assert known["status"] == -3
        assert 5000 < known["cooldown_ms"] <= 7000
        assert known["limited_permille"] == 1000
        assert rig.metric("turnout_endpoint_resting", endpoint="tag-0") == 1
        assert 5 < rig.metric("turnout_endpoint_cooldown_seconds", endpoint="tag-0") <= 7
        (key,) = json.loads(rig.plane.statistics())["credentials"]
        assert (key["provider"], key["label"]) == ("first", "key-1")
        assert 5000 < key["cooldown_ms"] <= 7000


def test_an_endpoint_rests_only_when_no_key_is_left() -> None:
    def make(address: str) -> object:
        keys = [credential(f"sk-upstream-000000000{n}", label=f"key-{n}") for n in (1, 2)]
        return scripted(
            "plain;status=429;retry_after=7",
            "plain",
            address=address,
            provider={"credentials": keys},
            routing=routing(cooldown_max_ms=600_000),
            server={"attempts": {"attempts_max": 1}},
        )

    with running(make) as rig:  # type: ignore[arg-type]
        assert rig.chat().status_code == 429
        assert not rig.statistics()["is_resting"]
        # Drawn at random: at some time it is the other key's turn.
        eventually(lambda: rig.chat() and rig.statistics()["is_resting"], "both keys were told to wait")


def test_an_overloaded_endpoint_that_says_when_to_come_back_is_left_alone() -> None:
    with serving("plain;status=503;retry_after=9", "plain", routing=routing(cooldown_max_ms=4000)) as rig:
        rig.chat()
        assert 2000 < rig.statistics()["cooldown_ms"] <= 4000


def test_headers_about_limits_are_the_headroom_of_the_key() -> None:
    headers = {"x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "250"}
    with (
        Upstream(lambda connection: connection.sendall(plain_answer(completion(), **headers))) as upstream,
        running(lambda _: snapshot([provider(upstream.address)], scripted("plain", address="x").models)) as rig,
    ):
        assert rig.chat().status_code == 200
        (key,) = json.loads(rig.plane.statistics())["credentials"]
        assert (key["headroom_permille"], key["cooldown_ms"]) == (250, 0)


def test_r36_the_breaker_opens_after_failures_in_a_row() -> None:
    with serving("plain;status=500", "plain", routing=routing(breaker={"failures": 3})) as rig:
        for breaker in ("closed", "closed", "open"):
            assert rig.chat().status_code == 200
            assert rig.statistics()["breaker"] == breaker
        assert rig.statistics()["status"] == -5
        assert rig.metric("turnout_endpoint_breaker", endpoint="tag-0", state="open") == 1


def test_z16_statistics_survive_a_restart(tmp_path: Path) -> None:
    scripts = ("plain;status=429;retry_after=300", "plain;ttft=30")
    settings = routing(cooldown_max_ms=600_000)
    with serving(*scripts, state_dir=tmp_path, routing=settings) as rig:
        for _ in range(3):
            assert rig.stream().data
        before = rig.statistics("tag-1")
    with serving(*scripts, state_dir=tmp_path, routing=settings) as rig:
        after = rig.statistics("tag-1")
        for member in ("uptime_last_1d", "latency_last_30m", "throughput_last_30m", "requests_last_30m", "mean_tokens"):
            assert after[member] == before[member], member
        assert rig.statistics("tag-0")["is_resting"]


@pytest.mark.parametrize(
    "left",
    [
        b'{"version":1',
        b"",
        b"\x00" * 4096,
        b"\xff\xfe garbage",
        b'{"version":2,"endpoints":[],"credentials":[]}',
        b"[" * 100_000,
    ],
    ids=["cut", "empty", "zeros", "garbage", "another version", "too deep"],
)
def test_z16_a_damaged_file_is_left_out(left: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "statistics.json").write_bytes(left)
    with serving("plain", state_dir=tmp_path) as rig:
        assert rig.chat().status_code == 200
        assert rig.statistics()["requests_last_30m"] == 1
    assert capfd.readouterr().err.count("statistics of endpoints begin anew") == 1
    assert json.loads((tmp_path / "statistics.json").read_text())["endpoints"]


def test_z16_a_file_that_cannot_be_written_is_told_and_stops_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Writing to it fails as on a disk without room.
    (tmp_path / "statistics.json.new").symlink_to("/dev/full")
    with serving("plain", state_dir=tmp_path) as rig:
        assert rig.chat().status_code == 200
    assert capfd.readouterr().err.count("statistics of endpoints cannot be stored") == 1
    assert not (tmp_path / "statistics.json").exists()


def test_statistics_survive_a_swap_and_several_threads_add_up() -> None:
    with serving("plain", server={"threads": 2}) as rig:
        with rig.client() as one, rig.client() as two:

            def ask(client: object) -> None:
                for _ in range(20):
                    client.post("/v1/chat/completions", json=chat())  # type: ignore[attr-defined]

            threads = [threading.Thread(target=ask, args=(client,)) for client in (one, two)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        rig.swap(scripted("plain;status=500", address=rig.mock.address, server={"threads": 2}))
        assert rig.statistics()["requests_last_30m"] == 40
