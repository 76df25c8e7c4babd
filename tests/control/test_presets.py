"""``control/presets.py``: presets by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tests.fake.gateways import ADMIN, CLIENT, CONFIG, bearer
from tests.fake.gateways import gateway as make
from turnout.control.app import control
from turnout.ledger import presets, store
from turnout.reload import with_presets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.config.snapshot import Preset
    from turnout.gateway import Gateway

import pytest
from starlette.testclient import TestClient

OF_FILE = "presets:\n  filed: {system: Be filed., model: openai/gpt, temperature: 0.5}\n"
BODY = {
    "model": "openai/gpt",
    "temperature": 0.25,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "u"}],
}


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with a preset in its file."""
    made = make(tmp_path, config=CONFIG + OF_FILE)
    yield made
    store.close_ledger(made.ledger)


@pytest.fixture
def api(shelved: Gateway) -> TestClient:
    return TestClient(control(shelved), raise_server_exceptions=False, headers=bearer(CLIENT))


def post(api: TestClient, slug: str = "brief", path: str = "chat/completions", **members: Any) -> Any:
    return api.post(f"/api/v1/presets/{slug}/{path}", json={**BODY, **members})


def running(gateway: Gateway, slug: str) -> Preset | None:
    return next((one for one in gateway.reloader.current.snapshot.presets if one.slug == slug), None)


def test_v03_a_body_becomes_the_preset_and_then_its_next_version(api: TestClient, shelved: Gateway) -> None:
    first = post(api).json()["data"]
    assert (first["slug"], first["status"], first["creator_user_id"]) == ("brief", "active", "me")
    newest = first["designated_version"]
    assert (newest["version"], newest["system_prompt"]) == (1, "Be brief.")
    assert newest["config"] == {"model": "openai/gpt", "temperature": 0.25}
    assert (newest["preset_id"], newest["id"]) == (first["id"], first["designated_version_id"])
    second = post(api, temperature=1).json()["data"]
    assert (second["id"], second["designated_version"]["version"]) == (first["id"], 2)
    assert [one["version"] for one in api.get("/api/v1/presets/brief/versions").json()["data"]] == [2, 1]
    assert api.get("/v1/presets/brief/versions/1").json()["data"] == newest
    assert api.get("/v1/presets/brief/versions/3").status_code == 404


def test_only_who_made_a_preset_and_the_admin_change_it(tmp_path: Path) -> None:
    """Whoever names it would otherwise be told what to do by any other key."""
    other = "sk-test-other-0123456789"
    config = CONFIG.replace("keys:\n", f"keys:\n  - {{name: other, key: {other}}}\n")
    made = make(tmp_path, config=config)
    with TestClient(control(made), raise_server_exceptions=False) as api:
        path = "/api/v1/presets/mine/chat/completions"
        assert api.post(path, json=BODY, headers=bearer(CLIENT)).status_code == 200
        refused = api.post(path, json=BODY | {"temperature": 1}, headers=bearer(other))
        assert refused.status_code == 403
        assert "was made with another key" in refused.json()["error"]["message"]
        kept = running(made, "mine")
        assert kept is not None
        assert msgspec.json.decode(kept.config)["temperature"] == 0.25
        by_admin = api.post(path, json=BODY | {"temperature": 0.5}, headers=bearer(ADMIN))
        assert by_admin.json()["data"]["designated_version"]["version"] == 2
        assert by_admin.json()["data"]["creator_user_id"] == "me"
    store.close_ledger(made.ledger)


def test_v03_the_new_version_is_in_place_when_the_answer_comes(api: TestClient, shelved: Gateway) -> None:
    post(api)
    post(api, temperature=1)
    made = running(shelved, "brief")
    assert made is not None
    assert (made.model, made.system, made.config) == ("openai/gpt", "Be brief.", '{"temperature":1}')
    # The plane has been given exactly that.
    assert msgspec.json.decode(shelved.reloader.current.encoded)["presets"][1]["config"] == '{"temperature":1}'
    assert running(shelved, "filed") is not None


def test_what_is_put_in_place_is_read_while_nothing_else_is_put_there(
    api: TestClient, shelved: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that are saved at the same time would otherwise each put in place what there was without the other."""
    every, held = presets.every, list[bool]()

    def read(ledger: store.Ledger) -> list[presets.Preset]:
        held.append(shelved.reloader._lock.locked())
        return every(ledger)

    monkeypatch.setattr(presets, "every", read)
    assert post(api).status_code == 200
    assert held == [True]


def test_other_apis_make_presets_too(api: TestClient) -> None:
    messages = {"messages": [], "system": "S.", "stop_sequences": ["x"]}
    made = post(api, "one", "messages", **messages).json()["data"]["designated_version"]
    assert (made["system_prompt"], made["config"]["stop"]) == ("S.", ["x"])
    made = post(api, "two", "responses", instructions="I.", max_output_tokens=5).json()["data"]["designated_version"]
    assert (made["system_prompt"], made["config"]["max_tokens"]) == ("I.", 5)


def test_v04_the_admin_disables_and_deletes(api: TestClient, shelved: Gateway) -> None:
    post(api)
    assert api.patch("/v1/presets/brief", json={"status": "disabled"}).status_code == 403
    changed = api.patch("/v1/presets/brief", json={"status": "disabled", "name": "Brief"}, headers=bearer(ADMIN))
    assert (changed.json()["data"]["status"], changed.json()["data"]["name"]) == ("disabled", "Brief")
    made = running(shelved, "brief")
    assert made is not None
    assert made.disabled
    assert api.delete("/v1/presets/brief", headers=bearer(ADMIN)).json() == {"deleted": True}
    assert running(shelved, "brief") is None
    for answer in (
        api.delete("/v1/presets/brief", headers=bearer(ADMIN)),
        api.patch("/v1/presets/brief", json={}, headers=bearer(ADMIN)),
        api.get("/v1/presets/brief"),
        api.get("/v1/presets/brief/versions"),
    ):
        assert answer.status_code == 404


def test_presets_of_the_file_are_shown_and_not_changed(api: TestClient) -> None:
    post(api)
    listed = api.get("/v1/presets").json()
    assert ([one["slug"] for one in listed["data"]], listed["total_count"]) == (["filed", "brief"], 2)
    filed = api.get("/v1/presets/filed").json()["data"]
    assert filed == listed["data"][0]
    assert filed["designated_version"]["config"] == {"model": "openai/gpt", "temperature": 0.5}
    assert api.get("/v1/presets/filed/versions").json()["data"] == [filed["designated_version"]]
    assert post(api, "filed").status_code == 409
    assert api.delete("/v1/presets/filed", headers=bearer(ADMIN)).status_code == 409


@pytest.mark.parametrize(
    ("slug", "body"),
    [("a b", BODY), ("a", []), ("a", {"model": 7}), ("a", {"models": "x"}), ("a", {"tools": {}})],
)
def test_what_cannot_be_a_preset_is_refused(api: TestClient, slug: str, body: Any) -> None:
    answer = api.post(f"/v1/presets/{slug}/chat/completions", json=body)
    assert answer.status_code == 400
    assert api.get("/v1/presets").json()["total_count"] == 1


def test_wrong_changes_are_refused(api: TestClient) -> None:
    post(api)
    for body in ({"slug": "x"}, {"status": "gone"}, {"name": 7}, {"description": "x" * 1001}):
        assert api.patch("/v1/presets/brief", json=body, headers=bearer(ADMIN)).status_code == 400


def test_without_a_key_nothing_is_shown(shelved: Gateway) -> None:
    stranger = TestClient(control(shelved), raise_server_exceptions=False)
    for path in ("/v1/presets", "/v1/presets/filed", "/v1/presets/filed/versions"):
        assert stranger.get(path).status_code == 401
    assert stranger.post("/v1/presets/a/chat/completions", json=BODY).status_code == 401


def test_a_stored_preset_that_is_none_is_left_out(shelved: Gateway) -> None:
    presets.save(shelved.ledger, "good", {}, system_prompt=None, creator="", now_ms=1)
    presets.save(shelved.ledger, "filed", {}, system_prompt=None, creator="", now_ms=1)
    presets.save(shelved.ledger, "wrong", {"messages": []}, system_prompt=None, creator="", now_ms=1)
    ready = shelved.reloader.current
    made = with_presets(ready, presets.every(shelved.ledger))
    assert [(one.slug, one.model) for one in made.snapshot.presets] == [("filed", "openai/gpt"), ("good", None)]
    assert made.snapshot.digest != ready.snapshot.digest
    assert with_presets(made, presets.every(shelved.ledger)) is made
