"""``rust/plane/src/route/credential.rs``: keys of the client's own beside shared ones, and the draw of those.

With the control API in front for the keys that are handed in while the plane runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.testclient import TestClient

from tests.fake.gateways import ADMIN, bearer, gateway
from tests.plane.harness import (
    CHAT,
    KEY,
    Rig,
    billing,
    chat,
    credential,
    endpoint,
    key,
    model,
    provider,
    routing,
    running,
    snapshot,
)
from turnout.config import snapshot as written
from turnout.control.app import control
from turnout.ledger import store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHER = "sk-test-other-0123456789"
NAMES = ("first", "second", "third")


def shared(label: str = "shared", **changes: Any) -> written.Credential:
    return credential(f"sk-{label}", label=label, **changes)


def own(label: str = "own", **changes: Any) -> written.Credential:
    return credential(f"sk-{label}", label=label, kind="prioritized", **changes)


def last(label: str = "last", **changes: Any) -> written.Credential:
    return credential(f"sk-{label}", label=label, kind="fallback", **changes)


def rules(**changes: Any) -> written.CredentialRules:
    return written.CredentialRules(**{"models": None, "keys": None, "users": None, **changes})


def serving(*credentials: list[written.Credential], script: str = "p;status=500", **changes: Any) -> Any:
    """``test/model`` at one provider for each list of keys, each endpoint with this script."""

    def make(address: str) -> written.Snapshot:
        providers = [provider(address, NAMES[at], credentials=keys) for at, keys in enumerate(credentials)]
        ends = [endpoint(at, script, tag=NAMES[at]) for at in range(len(providers))]
        keys = [key(), key(OTHER, name="other")]
        server = {"attempts": {"attempts_max": 20}}
        return snapshot(providers, [model(*ends)], keys=keys, server=server, **changes)

    return running(make)


def asked(rig: Rig, secret: str | None = None, **members: Any) -> list[str]:
    """Labels of the keys that were tried, in order."""
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    rig.post(chat(**members), CHAT, **headers)
    (booked,) = rig.booked(1)
    return [attempt.credential for attempt in booked.attempts]


def test_y01_own_keys_are_tried_first_and_shared_ones_after() -> None:
    with serving([shared("a")], [shared("b"), own("mine-1"), own("mine-2")]) as rig:
        assert asked(rig) == ["mine-1", "mine-2", "a", "b"]


def test_y02_own_keys_come_before_the_clients_order() -> None:
    with serving([shared("a")], [shared("b"), own("mine")], [shared("c")]) as rig:
        assert asked(rig, provider={"order": ["third", "first"]}) == ["mine", "c", "a", "b"]
        assert asked(rig, provider={"order": ["third", "second"], "allow_fallbacks": False}) == ["mine", "c", "b"]
        # What the client does not want at all is not asked with its own key either.
        assert asked(rig, provider={"only": ["first"]}) == ["a"]


def test_y03_fallback_keys_come_last() -> None:
    with serving([shared("a"), last("later")], [shared("b"), own("mine")]) as rig:
        assert asked(rig) == ["mine", "a", "b", "later"]


def test_y03_fallback_keys_of_a_model_come_before_the_next_model() -> None:
    def make(address: str) -> Any:
        providers = [provider(address, credentials=[shared(), own(), last()])]
        models = [model(endpoint(0, "p;status=500"), slug=slug) for slug in ("a/one", "a/two")]
        return snapshot(providers, models, server={"attempts": {"attempts_max": 20}})

    with running(make) as rig:
        assert asked(rig, model="a/one", models=["a/two"]) == ["own", "shared", "last"] * 2


def test_y04_a_required_key_takes_the_place_of_the_shared_ones() -> None:
    with serving([shared("a"), own("mine", required=True)], [shared("b")], script="p;status=429") as rig:
        assert asked(rig) == ["mine", "b"]
    mine = own("mine", required=True, rules=rules(keys=["other"]))
    with serving([shared("a"), mine], [shared("b")], script="p;status=429") as rig:
        assert asked(rig) == ["a", "b"]
        assert asked(rig, OTHER) == ["mine", "b"]


def test_y04_an_exclusive_key_keeps_its_clients_from_shared_ones_for_all_models() -> None:
    mine = own("mine", exclusive=True, rules=rules(models=["test/other"], keys=["other"]))
    with serving([shared("a"), mine], [shared("b")], script="p;status=429") as rig:
        assert asked(rig) == ["a", "b"]
        assert asked(rig, OTHER) == ["b"]
    everywhere = own("mine", exclusive=True, rules=rules(keys=["other"]))
    with serving([shared("a"), everywhere], [shared("b")], script="p;status=429") as rig:
        assert asked(rig, OTHER) == ["mine", "b"]


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (rules(models=["test/model"]), True),
        (rules(models=["test/*"]), True),
        (rules(models=["*"]), True),
        (rules(models=["author/*"]), False),
        (rules(keys=["me", "x"]), True),
        (rules(keys=["other"]), False),
        (rules(users=["ada"]), True),
        (rules(users=["bob"]), False),
        (rules(models=["test/*"], keys=["me"], users=["ada"]), True),
        (rules(models=["test/*"], keys=["me"], users=["bob"]), False),
    ],
)
def test_y05_a_key_is_used_only_where_all_its_rules_fit(rule: written.CredentialRules, fits: bool) -> None:
    with serving([shared(), own(rules=rule)]) as rig:
        assert asked(rig, user="ada") == (["own", "shared"] if fits else ["shared"])


def test_y05_shared_keys_can_have_rules_too() -> None:
    with serving([shared("a", rules=rules(keys=["other"])), shared("b", rules=rules(keys=["me"]))]) as rig:
        assert asked(rig) == ["b"]
        assert asked(rig, OTHER) == ["a"]


def test_y05_a_request_that_no_key_is_for_is_told_so() -> None:
    with serving([own(rules=rules(keys=["other"]))]) as rig:
        answer = rig.chat()
        assert answer.status_code == 404
        assert "every key of its providers is kept for other" in answer.json()["error"]["message"]
        rig.booked(0)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("percent", "cost"), [(0, 0), (5, 3_000)])
def test_y06_the_fee_is_charged_and_the_providers_price_shown(percent: int, cost: int, stream: bool) -> None:
    # 10 tokens at 2 dollars and 4 at 10 per million, and 7 nano-dollars a request.
    theirs = 10 * 2_000 + 4 * 10_000 + 7
    with serving([shared(), own()], script="p;tokens=4", billing=billing(byok_fee_percent=percent)) as rig:
        if stream:
            usage = next(chunk["usage"] for chunk in rig.stream().chunks if chunk.get("usage"))
        else:
            usage = rig.chat().json()["usage"]
        assert usage["is_byok"] is True
        assert usage["cost"] == pytest.approx(cost * 1e-9)
        assert usage["cost_details"]["upstream_inference_cost"] == pytest.approx(theirs * 1e-9)
        (booked,) = rig.booked(1)
        assert (booked.cost_nano, booked.upstream_cost_nano) == (cost, theirs)
        assert [attempt.is_byok for attempt in booked.attempts] == [True]


def test_y06_a_shared_key_is_charged_in_full() -> None:
    with serving([shared(), own(rules=rules(keys=["other"]))], script="p;tokens=4") as rig:
        usage = rig.chat().json()["usage"]
        assert (usage["is_byok"], usage["cost_details"]["upstream_inference_cost"]) == (False, None)
        (booked,) = rig.booked(1)
        assert (booked.cost_nano, booked.upstream_cost_nano) == (60_007, None)


def test_y06_the_other_apis_say_it_too() -> None:
    with serving([own()], script="p;tokens=4") as rig:
        answer = rig.post({"model": "test/model", "input": "x"}, "/v1/responses")
        assert answer.json()["usage"]["is_byok"] is True
        (booked,) = rig.booked(1)
        assert booked.upstream_cost_nano == 60_007


def test_the_limit_of_an_own_key_is_told_as_such() -> None:
    with serving([own()], script="p;status=429") as rig:
        metadata = rig.chat().json()["error"]["metadata"]
        assert (metadata["is_byok"], metadata["limit_source"]) == (True, "upstream_provider_own_key")


def test_shared_keys_that_were_told_to_wait_are_drawn_last() -> None:
    def make(address: str) -> Any:
        keys = [shared(f"key-{number}") for number in range(3)]
        return snapshot(
            [provider(address, credentials=keys)],
            [model(endpoint(0, "p;status=429;retry_after=60;times=1"))],
            routing=routing(cooldown_max_ms=60_000),
        )

    with running(make) as rig:
        (first, second) = asked(rig)
        assert first != second
        assert first not in Counter(label for _ in range(30) for label in asked(rig))


def test_y08_no_secret_is_shown_anywhere() -> None:
    with serving([own("mine-0123456789")], script="p;status=401") as rig:
        answer = rig.chat()
        (booked,) = rig.booked(1)
        for text in (answer.text, repr(booked), rig.plane.health(), rig.plane.metrics()):
            assert "sk-mine-0123456789" not in text


def test_y07_what_a_rule_about_data_drops_no_own_key_brings_back() -> None:
    def make(address: str) -> Any:
        none = written.DataPolicy(training=False, retention_days=0, zdr=True)
        return snapshot(
            [provider(address, credentials=[own()]), provider(address, "second", credentials=[shared()])],
            [model(endpoint(0, "p"), endpoint(1, "p", data_policy=none))],
        )

    with running(make) as rig:
        assert asked(rig) == ["own"]
        assert asked(rig, provider={"zdr": True}) == ["shared"]


def test_y07_what_a_key_says_of_its_account_counts_instead() -> None:
    kept = written.DataPolicy(training=False, retention_days=30, zdr=False)
    none = written.DataPolicy(training=False, retention_days=0, zdr=True)

    def make(address: str) -> Any:
        keeping = [shared("a"), own("agreed", zdr=True), last("later", zdr=True, rules=rules(keys=["other"]))]
        forgetting = [shared("b"), shared("b-kept", zdr=False), own("kept", zdr=False)]
        return snapshot(
            [provider(address, credentials=keeping), provider(address, "second", credentials=forgetting)],
            [
                model(
                    endpoint(0, "p;status=429", data_policy=kept),
                    endpoint(1, "p;status=429", data_policy=none, tag="b"),
                )
            ],
            keys=[key(), key(OTHER, name="other")],
            server={"attempts": {"attempts_max": 20}},
        )

    with running(make) as rig:
        assert sorted(asked(rig)) == ["a", "agreed", "b", "b-kept", "kept"]
        assert asked(rig, provider={"zdr": True}) == ["agreed", "b"]
        assert asked(rig, OTHER, provider={"zdr": True}) == ["agreed", "b", "later"]
        # Who is not asked for it is asked as ever.
        assert sorted(asked(rig, provider={"zdr": False})) == ["a", "agreed", "b", "b-kept", "kept"]


def test_y07_a_key_of_another_does_not_open_an_endpoint_that_keeps_things() -> None:
    agreed = own("agreed", zdr=True, rules=rules(keys=["other"]))
    with serving([shared("a"), agreed], script="p") as rig:
        answer = rig.post(chat(provider={"zdr": True}), CHAT)
        assert answer.status_code == 404
        rig.booked(0)
        assert asked(rig, OTHER, provider={"zdr": True}) == ["agreed"]


@contextlib.contextmanager
def handing_in(directory: Path, script: str) -> Iterator[tuple[Rig, TestClient]]:
    """A plane with one shared key, and the control API that hands it others; the model answers as ``script`` says."""
    with running(lambda address: snapshot([provider(address)], [model(endpoint(0, script))])) as rig:
        text = f"""
server: {{admin_key: {ADMIN}}}
keys: [{{name: me, key: {KEY}}}]
providers:
  mock: {{base_url: "http://{rig.mock.address}/v1", api_keys: [{{key: sk-shared, label: shared}}]}}
models: {{test/model: {{provider: mock, model: "{script}"}}}}
catalogue: false
"""
        made = gateway(directory, config=text)
        reloader = dataclasses.replace(made.reloader, plane=rig.plane)
        reloader.amend(dataclasses.replace)
        api = TestClient(control(dataclasses.replace(made, reloader=reloader)), headers=bearer(ADMIN))
        yield rig, api
        store.close_ledger(made.ledger)


def sent_with(rig: Rig) -> list[str]:
    """What the provider was sent as keys, by one request."""
    rig.mock.reset()
    rig.post(chat(), CHAT)
    rig.booked(1)
    return [dict(one["headers"])["authorization"].removeprefix("Bearer ") for one in rig.received()]


def test_y01_y08_a_key_that_is_handed_in_is_used_from_the_next_request_on(tmp_path: Path) -> None:
    with handing_in(tmp_path, "p;status=500") as (rig, api):
        assert sent_with(rig) == ["sk-shared"]
        made = api.post("/v1/byok", json={"provider": "mock", "key": "sk-mine"}).json()["data"]
        last = api.post("/v1/byok", json={"provider": "mock", "key": "sk-last", "is_fallback": True}).json()["data"]
        assert sent_with(rig) == ["sk-mine", "sk-shared", "sk-last"]
        api.patch(f"/v1/byok/{made['id']}", json={"key": "sk-next"})
        assert sent_with(rig) == ["sk-next", "sk-shared", "sk-last"]
        api.patch(f"/v1/byok/{made['id']}", json={"allowed_user_ids": ["ada"]})
        api.patch(f"/v1/byok/{last['id']}", json={"disabled": True})
        assert sent_with(rig) == ["sk-shared"]
        api.patch(f"/v1/byok/{made['id']}", json={"allowed_user_ids": None, "is_required": True})
        assert sent_with(rig) == ["sk-next"]
        api.delete(f"/v1/byok/{made['id']}")
        assert sent_with(rig) == ["sk-shared"]


def test_y08_what_is_known_of_a_key_is_not_said_of_the_one_in_its_place(tmp_path: Path) -> None:
    def cooling(rig: Rig) -> set[str]:
        known = json.loads(rig.plane.statistics())["credentials"]
        return {one["label"] for one in known if one["cooldown_ms"]}

    with handing_in(tmp_path, "p;status=401;times=2") as (rig, api):
        made = api.post("/v1/byok", json={"provider": "mock", "key": "sk-mine"}).json()["data"]
        old, new = f"byok-{made['id']}", f"byok-{made['id']}.2"
        assert asked(rig) == [old, "shared"]
        assert cooling(rig) == {old, "shared"}
        api.patch(f"/v1/byok/{made['id']}", json={"key": "sk-next"})
        assert asked(rig) == [new]
        assert new not in cooling(rig)


def test_y08_a_request_under_way_ends_with_the_key_that_it_began_with(tmp_path: Path) -> None:
    with handing_in(tmp_path, "p;tokens=20;pace=20") as (rig, api):
        made = api.post("/v1/byok", json={"provider": "mock", "key": "sk-mine"}).json()["data"]
        headers = {"authorization": f"Bearer {KEY}"}
        body = chat(stream=True)
        with httpx.stream("POST", f"http://{rig.address}{CHAT}", json=body, headers=headers, trust_env=False) as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("data: ")
            assert api.delete(f"/v1/byok/{made['id']}").status_code == 200
            assert [line for line in lines if line][-1] == "data: [DONE]"
        (booked,) = rig.booked(1)
        assert [(one.credential, one.is_byok) for one in booked.attempts] == [(f"byok-{made['id']}", True)]
