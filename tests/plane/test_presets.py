"""``rust/plane/src/preset.rs``: requests that name a preset."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from tests.fake.gateways import gateway
from tests.plane.harness import CHAT, KEY, Rig, chat, endpoint, model, provider, running, snapshot, wire
from turnout.config.preset import compiled
from turnout.control.app import control
from turnout.ledger import store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.config import snapshot as written

TOOL = {"type": "function", "function": {"name": "one", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "two", "parameters": {"type": "object"}}}


def made(slug: str, system: str | None = None, *, disabled: bool = False, **config: Any) -> written.Preset:
    return compiled(slug, config, system=system, disabled=disabled)


def catalogue(address: str) -> written.Snapshot:
    return snapshot(
        [
            provider(address, "alpha"),
            provider(address, "beta", wires=[wire(address, "anthropic")]),
        ],
        [
            model(endpoint(0, "plain", tag="alpha"), slug="author/one"),
            model(endpoint(0, "plain;status=500", tag="alpha"), slug="author/broken"),
            model(endpoint(1, "plain", tag="beta"), slug="author/messages"),
        ],
        presets=[
            made("brief", "Be brief.", model="author/one", temperature=0.25, seed=7, tools=[TOOL, OTHER]),
            made("fallback", model="author/broken", models=["author/one"]),
            made("nameless", temperature=0.5),
            made("old", model="author/one", disabled=True),
        ],
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(catalogue) as rig:
        yield rig


def sent(rig: Rig, body: dict[str, Any], path: str = CHAT) -> dict[str, Any]:
    """The body that the provider got."""
    rig.mock.reset()
    answer = rig.post(body, path)
    assert answer.status_code == 200, answer.text
    got: dict[str, Any] = json.loads(rig.received()[-1]["body"])
    return got


def refused(rig: Rig, **members: Any) -> tuple[int, str]:
    answer = rig.post({**chat(), **members})
    return answer.status_code, answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "named",
    [
        {"model": "@preset/brief"},
        {"model": "author/one@preset/brief"},
        {"model": "author/one", "preset": "brief"},
        {"model": "author/one:nitro@preset/brief"},
    ],
)
def test_v01_a_preset_is_named_in_three_forms(rig: Rig, named: dict[str, str]) -> None:
    got = sent(rig, {**chat(), **named})
    assert (got["temperature"], got["seed"]) == (0.25, 7)
    assert got["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "preset" not in got


def test_v01_a_preset_alone_brings_its_models(rig: Rig) -> None:
    body = chat()
    del body["model"]
    answer = rig.post({**body, "preset": "fallback"})
    assert answer.json()["model"] == "author/one"


def test_v01_the_model_of_the_request_wins(rig: Rig) -> None:
    assert rig.post({**chat(), "model": "author/one@preset/fallback"}).json()["model"] == "author/one"


def test_v02_members_of_the_request_win_and_those_that_it_lacks_are_the_presets(rig: Rig) -> None:
    got = sent(rig, {**chat(), "model": "@preset/brief", "temperature": 1.5, "tools": [OTHER | {"x": 1}]})
    assert (got["temperature"], got["seed"]) == (1.5, 7)
    assert got["tools"] == [TOOL, OTHER | {"x": 1}]


def test_v02_other_apis_get_the_preset_in_their_own_words(rig: Rig) -> None:
    user = {"role": "user", "content": "u"}
    body = {"model": "author/messages@preset/brief", "max_tokens": 9, "messages": [user], "system": "Own."}
    got = sent(rig, body, "/v1/messages")
    assert got["system"] == "Be brief.\n\nOwn."
    assert (got["temperature"], [tool["name"] for tool in got["tools"]]) == (0.25, ["one", "two"])
    got = sent(rig, {"model": "@preset/brief", "input": "u"}, "/v1/responses")
    assert got["messages"][0]["content"] == "Be brief."
    assert [tool["function"]["name"] for tool in got["tools"]] == ["one", "two"]
    got = sent(
        rig,
        {"contents": [{"role": "user", "parts": [{"text": "u"}]}], "generationConfig": {"temperature": 1}},
        "/v1beta/models/@preset%2Fbrief:generateContent",
    )
    assert (got["temperature"], got["seed"], got["messages"][0]["role"]) == (1, 7, "system")


def test_v04_a_disabled_preset_is_refused(rig: Rig) -> None:
    rig.mock.reset()
    assert refused(rig, model="@preset/old") == (403, "The preset old is disabled")
    assert rig.counters()["requests"] == 0


def test_an_unknown_preset_is_refused_with_near_names(rig: Rig) -> None:
    status, message = refused(rig, model="@preset/brieg")
    assert (status, message) == (404, "There is no preset brieg; near names: brief")


def test_what_cannot_be_meant_is_refused(rig: Rig) -> None:
    assert refused(rig, model="@preset/brief", preset="fallback")[0] == 400
    assert refused(rig, preset=7) == (400, "`preset` must be a string, the name of a preset")
    status, message = refused(rig, model="@preset/nameless")
    assert (status, "author/name@preset/nameless" in message) == (400, True)


def test_v03_the_next_request_gets_what_was_posted(tmp_path: Path) -> None:
    with running(catalogue) as rig:
        text = f"""
keys: [{{name: me, key: {KEY}}}]
providers: {{local: {{base_url: "http://{rig.mock.address}/v1"}}}}
models: {{author/one: {{provider: local, model: plain}}}}
catalogue: false
"""
        made = gateway(tmp_path, config=text)
        reloader = dataclasses.replace(made.reloader, plane=rig.plane)
        reloader.amend(lambda ready: dataclasses.replace(ready))
        api = TestClient(control(dataclasses.replace(made, reloader=reloader)))
        for temperature in (0.25, 0.75):
            body = {"model": "author/one", "temperature": temperature, "messages": []}
            posted = api.post("/v1/presets/new/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"})
            assert posted.status_code == 200
            assert sent(rig, {**chat(), "model": "@preset/new"})["temperature"] == temperature
        store.close_ledger(made.ledger)
