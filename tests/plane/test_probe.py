"""``rust/plane/src/probe.rs``: requests that the gateway makes by itself, to see whether an endpoint serves.

Waits are tens of milliseconds here, so nothing is waited for but what the mock, the ledger and the statistics show.
That something is *not* asked is seen by something else that is asked several times meanwhile.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import (
    UPSTREAM_KEY,
    Rig,
    billing,
    credential,
    endpoint,
    eventually,
    model,
    provider,
    routing,
    running,
    scripted,
    serving,
    snapshot,
    wire,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.config import snapshot as written

BREAKER = {"failures": 2, "open_ms": 600_000, "open_max_ms": 600_000}
"""Opens soon, and no client's request would close it within a test."""
IDLE = {"idle_ms": 20}
"""Whatever nobody asks for is asked at once, and again and again."""
BASES = {"gemini": "http://{}/v1beta", "bedrock": "http://{}", "ollama": "http://{}", "cohere": "http://{}/v2"}
"""Where a dialect's base URL is not the usual one."""


def fleet(*models: written.Model, **changes: Any) -> Callable[[str], written.Snapshot]:
    """These models at one provider whose idle endpoints are probed; ``provider`` takes a dictionary."""
    ours = {"probe": IDLE, **changes.pop("provider", {})}

    def make(address: str) -> written.Snapshot:
        return snapshot([provider(address, **ours)], list(models), **changes)

    return make


def asked(rig: Rig, script: str) -> list[dict[str, Any]]:
    """Bodies that the mock received for this name of a model."""
    bodies = (json.loads(received["body"]) for received in rig.received())
    return [body for body in bodies if body.get("model") == script]


def probe(rig: Rig, tag: str = "tag-0") -> dict[str, Any]:
    """The last probe of an endpoint; empty: there was none."""
    report = json.loads(rig.plane.statistics())
    return next((known["probe"] or {} for known in report["endpoints"] if known["tag"] == tag), {})


def test_a_provider_is_only_probed_where_that_is_configured() -> None:
    def make(address: str) -> written.Snapshot:
        providers = [provider(address, "first"), provider(address, "second", probe=IDLE)]
        return snapshot(providers, [model(endpoint(0, "plain;tokens=2"), endpoint(1, "plain;tokens=3"))])

    with running(make) as rig:
        eventually(lambda: len(asked(rig, "plain;tokens=3")) >= 3, "the second is asked")
        assert not asked(rig, "plain;tokens=2")
        assert not probe(rig)


def test_a_probe_closes_the_breaker_before_a_client_tries() -> None:
    # Two failures open it, two probes fail as well, and the third is served.
    scripts = ("plain;status=500;times=4", "plain")
    with serving(*scripts, routing=routing(breaker=BREAKER)) as rig:
        for _ in range(2):
            assert rig.chat().json()["provider"] == "Second"
        assert rig.statistics()["breaker"] == "open"
        probed = scripted(*scripts, address=rig.mock.address, provider={"probe": {}}, routing=routing(breaker=BREAKER))
        rig.swap(probed)
        eventually(lambda: rig.statistics()["breaker"] == "closed", "a probe closes it")
        # What failed a moment ago is still behind the others, as after any failure.
        known = rig.statistics()
        assert (known["is_resting"], known["status"]) == (False, -1)
        assert rig.chat().json()["provider"] == "First"
        eventually(lambda: rig.metric("turnout_probes_total", outcome="served") == 1, "it is counted")
        assert rig.metric("turnout_probes_total", outcome="failed") == 2


def test_an_idle_endpoint_is_known_to_be_down_before_anybody_needs_it() -> None:
    with serving("plain;status=503", "plain", provider={"probe": IDLE}) as rig:
        eventually(lambda: probe(rig).get("outcome") == "failed", "a probe fails")
        known = rig.statistics()
        assert (known["is_failing"], known["status"], known["uptime_last_5m"]) == (True, -1, None)


def test_probes_are_no_requests_and_only_their_first_token_is_counted() -> None:
    with serving("plain;tokens=1;ttft=20", provider={"probe": IDLE}) as rig:
        eventually(lambda: rig.metric("turnout_probes_total", outcome="served") >= 3, "three are served")
        known = rig.statistics()
        assert (known["uptime_last_5m"], known["requests_last_30m"], known["mean_tokens"]) == (None, 0, None)
        assert known["throughput_last_30m"] is None
        assert known["latency_last_5m"]["p50"] >= 15
        for name in ("turnout_requests_total", "turnout_attempts_total", "turnout_tokens_total"):
            assert (rig.metric(name) > 0) == (name == "turnout_tokens_total"), name
        assert rig.metric("turnout_cost_dollars_total") > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_probe_costs_is_booked_without_a_key_once(threads: int) -> None:
    scarce = routing(probes_per_minute=1)
    with serving(
        "plain;tokens=1;prompt=9", provider={"probe": IDLE}, routing=scarce, server={"threads": threads}
    ) as rig:
        (row,) = rig.booked()
        assert (row.api, row.key_sha256, row.key_name, row.status) == ("probe", "", "", 200)
        assert (row.model, row.endpoint, row.streamed) == ("test/model", "tag-0", True)
        assert (row.tokens_prompt, row.tokens_completion, row.usage_source) == (9, 1, "upstream")
        # By the prices of the harness: 2 and 10 dollars a million, 7 nano-dollars a request.
        assert row.cost_nano == 9 * 2000 + 1 * 10_000 + 7
        assert json.loads(rig.plane.usage(None))["total"] == row.cost_nano
        assert [attempt.outcome for attempt in row.attempts] == ["ok"]


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic", "gemini", "bedrock", "ollama", "cohere"])
def test_each_dialect_is_asked_for_the_least_in_its_own_words(dialect: Any) -> None:
    def make(address: str) -> written.Snapshot:
        base = BASES.get(dialect, "http://{}/v1").format(address)
        ours = provider(address, wires=[wire(base, dialect)], probe={**IDLE, "tokens": 3})
        return snapshot([ours], [model(endpoint(0, "plain;tokens=1"))])

    with running(make) as rig:
        eventually(lambda: probe(rig).get("outcome") == "served", "a probe is served")
        (body, *_) = (json.loads(received["body"]) for received in rig.received())
        said = json.dumps(body)
        assert "Say hello in one word." in said
        assert ": 3" in said, "the length of the answer is limited"


def test_models_of_embeddings_are_asked_for_one_and_what_is_dear_is_not_asked() -> None:
    models = [
        model(endpoint(0, "plain;dim=2", outputs=["embeddings"], tag="vectors"), slug="test/vectors"),
        model(endpoint(0, "plain;dim=3", tag="unsaid"), slug="test/embed-unsaid"),
        *(
            model(endpoint(0, f"plain;dim={index}", outputs=outputs, tag=f"dear-{index}"), slug=f"test/dear-{index}")
            for index, outputs in enumerate((["image"], ["text", "image"], ["speech"], ["rerank"]), 10)
        ),
        model(endpoint(0, "plain;dim=20", tag="free"), slug="test/model:free"),
        model(endpoint(0, "*", tag="star"), slug="test/star"),
    ]
    with running(fleet(*models)) as rig:
        eventually(
            lambda: all(len(asked(rig, f"plain;dim={index}")) >= 3 for index in (2, 3)), "embeddings are asked for"
        )
        assert {received["path"] for received in rig.received()} == {"/v1/embeddings"}
        assert all(body["input"] == "hello" for body in asked(rig, "plain;dim=2"))
        assert {json.loads(received["body"])["model"] for received in rig.received()} == {"plain;dim=2", "plain;dim=3"}
        eventually(lambda: probe(rig, "vectors")["outcome"] == "served", "one is served")


def test_a_clients_own_key_is_not_used() -> None:
    own = credential("sk-somebodys-own", label="own", kind="prioritized", rules=None)

    def make(address: str) -> written.Snapshot:
        providers = [
            provider(address, "first", credentials=[own], probe=IDLE),
            provider(address, "second", credentials=[own, credential()], probe=IDLE),
        ]
        return snapshot(providers, [model(endpoint(0, "plain;tokens=2"), endpoint(1, "plain;tokens=3"))])

    with running(make) as rig:
        eventually(lambda: len(asked(rig, "plain;tokens=3")) >= 3, "the one with a shared key is asked")
        assert not asked(rig, "plain;tokens=2")
        for received in rig.received():
            assert dict(received["headers"])["authorization"] == f"Bearer {UPSTREAM_KEY}"


def test_an_endpoint_that_nobody_may_use_is_not_asked() -> None:
    two = [
        model(endpoint(0, "plain;tokens=2"), slug="test/one"),
        model(endpoint(1, "plain;tokens=3"), slug="test/two"),
    ]

    def make(address: str) -> written.Snapshot:
        providers = [provider(address, "first", probe=IDLE), provider(address, "second", probe=IDLE)]
        return snapshot(providers, two, routing=routing(wishes={"ignore": ["first"]}))

    with running(make) as rig:
        eventually(lambda: len(asked(rig, "plain;tokens=3")) >= 3, "the other one is asked")
        assert not asked(rig, "plain;tokens=2")


def test_one_that_asked_to_be_left_alone_is_left_alone() -> None:
    scripts = ("plain;status=503;retry_after=60", "plain;tokens=3")
    with serving(*scripts, provider={"probe": IDLE}, routing=routing(cooldown_max_ms=600_000)) as rig:
        eventually(lambda: rig.metric("turnout_probes_total", outcome="served") >= 4, "the other one is asked")
        assert len(asked(rig, scripts[0])) == 1
        assert rig.statistics()["cooldown_ms"] > 30_000


def test_a_key_that_was_told_to_wait_is_left_alone() -> None:
    scripts = ("plain;status=429;retry_after=60", "plain;tokens=3")
    with serving(*scripts, provider={"probe": IDLE}, routing=routing(cooldown_max_ms=600_000)) as rig:
        eventually(lambda: rig.metric("turnout_probes_total", outcome="served") >= 4, "the other one is asked")
        assert len(asked(rig, scripts[0])) == 1
        assert probe(rig)["outcome"] == "limited"
        assert rig.statistics()["cap"] is None


def test_an_endpoint_has_one_probe_at_a_time_and_a_slow_one_has_failed() -> None:
    scripts = ("plain;stall=0", "plain;tokens=3")
    with serving(*scripts, provider={"probe": {**IDLE, "timeout_ms": 1500}}) as rig:
        eventually(lambda: len(asked(rig, scripts[1])) >= 4, "the other one is asked meanwhile")
        assert len(asked(rig, scripts[0])) == 1
        eventually(lambda: probe(rig).get("outcome") == "failed", "its time is over")
        assert probe(rig)["took_ms"] >= 1490
        assert rig.statistics()["is_failing"]


def test_a_refused_question_says_nothing_about_the_endpoint() -> None:
    with serving("plain;status=400", provider={"probe": IDLE}) as rig:
        eventually(lambda: rig.metric("turnout_probes_total", outcome="unclear") >= 1, "it is refused")
        known = rig.statistics()
        assert (known["is_failing"], known["probe"]["outcome"]) == (False, "unclear")


def test_a_gateway_without_credits_asks_nobody() -> None:
    with serving("plain;tokens=1", provider={"probe": IDLE}, billing=billing(credits=True)) as rig:
        eventually(lambda: len(asked(rig, "plain;tokens=1")) >= 1, "its credits are not known yet")
        none = {"total": 0, "daily": 0, "weekly": 0, "monthly": 0}
        told = {"at_ms": 1, "keys": {}, "own": {}, "gateway": none, "credits": 0, "free_requests": 0}
        rig.plane.spent(json.dumps(told).encode())
        assert rig.chat().status_code == 402
        begun = probe(rig)["began_ms"]
        before = rig.metric("turnout_probes_total")
        # It is looked at again and again, and each time nothing is asked.
        eventually(lambda: probe(rig)["began_ms"] > begun, "it is looked at again")
        eventually(lambda: probe(rig)["began_ms"] > begun + 60, "and again")
        assert rig.metric("turnout_probes_total") <= before + 1


def test_a_swap_switches_them_off() -> None:
    with serving("plain;tokens=1", provider={"probe": IDLE}) as rig:
        eventually(lambda: len(asked(rig, "plain;tokens=1")) >= 1, "it is asked")
        other = fleet(model(endpoint(0, "plain;tokens=2", tag="other"), slug="test/other"))
        rig.swap(other(rig.mock.address))
        eventually(lambda: len(asked(rig, "plain;tokens=2")) >= 1, "the next configuration is followed")
        before = len(asked(rig, "plain;tokens=1"))
        eventually(lambda: len(asked(rig, "plain;tokens=2")) >= 4, "the next configuration is followed")
        assert len(asked(rig, "plain;tokens=1")) == before


def test_a_probe_under_way_does_not_keep_the_plane_from_stopping() -> None:
    with serving("plain;stall=0", provider={"probe": IDLE}) as rig:
        eventually(lambda: rig.counters()["requests"] == 1, "it is asked")
        assert rig.plane.stop()
        (row,) = rig.booked()
        assert (row.api, row.model) == ("probe", "test/model")
