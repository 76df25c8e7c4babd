"""``control/byok.py``: provider keys of somebody's own by the API."""

from __future__ import annotations

import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from starlette.testclient import TestClient

from tests.fake.gateways import ADMIN, CLIENT, CLIENT_SHA256, CONFIG, bearer
from tests.fake.gateways import gateway as make
from turnout.control.app import control
from turnout.errors import TurnoutError
from turnout.ledger import byok, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.config.snapshot import Credential, Provider
    from turnout.gateway import Gateway

SECRET = "sk-own-0123456789-ada"
OTHER = "sk-own-9876543210-bob"
AWS = {"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "wJalrXUtnFEMI-secret"}
MORE = """
  bedrock: {row: amazon-bedrock, settings: {region: eu-central-1}, api_keys: []}
  azure: {settings: {resource: ours}, api_keys: []}
  vertex: {row: google-vertex, settings: {project: p, location: europe-west4}, api_keys: []}
  local: {base_url: "http://127.0.0.1:1/v1"}
  off: {base_url: "http://127.0.0.1:1/v1", enabled: false}
"""


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with providers of every kind."""
    made = make(tmp_path, config=CONFIG.replace("catalogue: false", f"{MORE.strip(chr(10))}\ncatalogue: false"))
    yield made
    store.close_ledger(made.ledger)


@pytest.fixture
def api(keeper: Gateway) -> TestClient:
    return TestClient(control(keeper), raise_server_exceptions=False, headers=bearer(ADMIN))


def post(api: TestClient, **members: Any) -> Any:
    return api.post("/api/v1/byok", json={"provider": "openai", "key": SECRET, **members})


def posted(api: TestClient, **members: Any) -> dict[str, Any]:
    answer = post(api, **members)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def provider(gateway: Gateway, slug: str = "openai") -> Provider | None:
    return next((one for one in gateway.reloader.current.snapshot.providers if one.slug == slug), None)


def own(gateway: Gateway, slug: str = "openai") -> list[Credential]:
    """The provider's keys that the API brought."""
    found = provider(gateway, slug)
    return [one for one in found.credentials if one.label.startswith("byok-")] if found else []


def test_y08_a_key_goes_in_and_is_shown_masked(api: TestClient, keeper: Gateway) -> None:
    made = posted(api, name="Ada's", allowed_models=["openai/*"], allowed_user_ids=["ada"])
    assert made == {
        "id": str(uuid.UUID(made["id"])),
        "provider": "openai",
        "name": "Ada's",
        "label": "sk-...-ada",
        "disabled": False,
        "is_fallback": False,
        "is_required": False,
        "is_byok_only": False,
        "sort_order": 0,
        "allowed_models": ["openai/*"],
        "allowed_user_ids": ["ada"],
        "allowed_api_key_hashes": None,
        "declared_region": None,
        "declared_zdr": None,
        "workspace_id": None,
        "created_at": made["created_at"],
        "problem": None,
    }
    assert made["created_at"].endswith("Z")
    assert api.get(f"/api/v1/byok/{made['id']}").json() == {"data": made}
    assert api.get("/v1/byok").json() == {"data": [made], "total_count": 1}
    (used,) = own(keeper)
    assert (used.value, used.kind, used.required) == (f"Bearer {SECRET}", "prioritized", False)
    assert used.rules is not None
    assert (used.rules.models, used.rules.keys, used.rules.users) == (["openai/*"], None, ["ada"])
    # The plane has been given exactly that, behind the key of the configuration.
    running = msgspec.json.decode(keeper.reloader.current.encoded)["providers"][0]["credentials"]
    assert [one["label"] for one in running] == ["key-1", used.label]


def test_y08_the_secret_is_nowhere_in_clear(
    api: TestClient, keeper: Gateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = posted(api)
    answers = [
        api.patch(f"/v1/byok/{made['id']}", json={"key": OTHER}),
        api.patch(f"/v1/byok/{made['id']}", json={"name": "x"}),
        api.get("/v1/byok"),
        api.get("/api/admin/config"),
        post(api, key=f"{OTHER} with a space"),
        post(api, provider="bedrock", key=json.dumps(AWS)),
        post(api, provider="vertex", key=json.dumps(AWS)),
        api.post("/api/v1/byok", json={"provider": "openai", "key": [SECRET]}),
        api.delete(f"/v1/byok/{made['id']}"),
    ]
    shown = "".join(answer.text for answer in answers) + caplog.text + repr(keeper) + repr(keeper.reloader.current)
    store.close_ledger(keeper.ledger)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert b"byok_keys" in kept
    for secret in (SECRET, OTHER, AWS["secretAccessKey"], AWS["accessKeyId"]):
        assert secret not in shown
        assert secret.encode() not in kept


def test_y08_a_key_is_put_in_the_place_of_another(api: TestClient, keeper: Gateway) -> None:
    made = posted(api, is_fallback=True)
    (before,) = own(keeper)
    changed = api.patch(f"/v1/byok/{made['id']}", json={"key": OTHER}).json()["data"]
    assert changed == {**made, "label": "sk-...-bob"}
    (after,) = own(keeper)
    assert (after.value, after.kind) == (f"Bearer {OTHER}", "fallback")
    # What is known of the old key, such as that it is to be left alone, goes by its label.
    assert after.label != before.label


def test_y08_deleting_a_key_ends_its_use_at_once(api: TestClient, keeper: Gateway) -> None:
    made = posted(api)
    assert own(keeper) != []
    deleted = api.delete(f"/v1/byok/{made['id']}")
    assert (deleted.status_code, deleted.json()) == (200, {"deleted": True})
    assert own(keeper) == []
    assert byok.every(keeper.ledger) == []
    for answer in (
        api.delete(f"/v1/byok/{made['id']}"),
        api.get(f"/v1/byok/{made['id']}"),
        api.patch(f"/v1/byok/{made['id']}", json={}),
        api.get("/v1/byok/not-an-id"),
    ):
        assert refused(answer) == (404, "There is no provider key with this id")


def test_what_is_not_named_stays_and_null_lifts_a_limit(api: TestClient, keeper: Gateway) -> None:
    made = posted(api, name="Ada's", allowed_models=["openai/gpt"], allowed_api_key_hashes=[CLIENT_SHA256])
    path = f"/v1/byok/{made['id']}"
    assert api.patch(path, json={"is_required": True}).json()["data"] == {**made, "is_required": True}
    (used,) = own(keeper)
    assert used.required
    assert used.rules is not None
    assert used.rules.keys == ["me"], "the plane knows client keys by their names"
    lifted = {"allowed_models": None, "allowed_api_key_hashes": None, "name": None, "is_required": False}
    assert api.patch(path, json=lifted).json()["data"] == {**made, **lifted}
    assert own(keeper)[0].rules is None


def test_what_is_declared_of_the_account_and_of_other_models_is_told_to_the_plane(
    api: TestClient, keeper: Gateway
) -> None:
    made = posted(api, is_byok_only=True, declared_zdr=True, declared_region="global", allowed_models=["openai/gpt"])
    assert (made["is_byok_only"], made["declared_zdr"], made["declared_region"]) == (True, True, None)
    (used,) = own(keeper)
    assert (used.exclusive, used.required, used.zdr) == (True, False, True)
    changed = api.patch(f"/v1/byok/{made['id']}", json={"declared_zdr": None, "is_byok_only": False}).json()["data"]
    assert (changed["is_byok_only"], changed["declared_zdr"]) == (False, None)
    assert own(keeper)[0].zdr is None


def test_a_disabled_key_is_kept_and_not_used(api: TestClient, keeper: Gateway) -> None:
    made = posted(api, disabled=True)
    assert own(keeper) == []
    assert made["problem"] is None
    api.patch(f"/v1/byok/{made['id']}", json={"disabled": False})
    assert len(own(keeper)) == 1


def test_keys_of_a_provider_are_used_in_their_order(api: TestClient, keeper: Gateway) -> None:
    first, second, third = (posted(api, key=f"sk-own-0123456789-{name}") for name in "abc")
    assert [one["sort_order"] for one in (first, second, third)] == [0, 1, 2]
    api.patch(f"/v1/byok/{third['id']}", json={"sort_order": 0})
    api.patch(f"/v1/byok/{first['id']}", json={"sort_order": 7})
    assert [one.value[-1] for one in own(keeper)] == ["c", "b", "a"]


def test_the_list_is_filtered_and_paged(api: TestClient) -> None:
    made = [posted(api)["id"] for _ in range(3)]
    there = posted(api, provider="azure")["id"]
    listed = api.get("/v1/byok?limit=2&offset=2").json()
    assert ([one["id"] for one in listed["data"]], listed["total_count"]) == (made[1:], 4)
    listed = api.get("/v1/byok?provider=azure&offset=").json()
    assert ([one["id"] for one in listed["data"]], listed["total_count"]) == ([there], 1)
    assert api.get("/v1/byok?provider=nobody").json() == {"data": [], "total_count": 0}
    for query in ("limit=0", "limit=101", "limit=x", "offset=-1", "workspace_id=x"):
        assert api.get(f"/v1/byok?{query}").status_code == 400, query


def test_a_known_provider_that_nobody_configured_is_on_for_its_keys_alone(api: TestClient, keeper: Gateway) -> None:
    assert provider(keeper, "groq") is None
    made = posted(api, provider="groq")
    found = provider(keeper, "groq")
    assert found is not None
    assert [one.kind for one in found.credentials] == ["prioritized"]
    api.delete(f"/v1/byok/{made['id']}")
    assert provider(keeper, "groq") is None


def test_a_provider_with_an_empty_list_is_off_until_a_key_is_handed_in(api: TestClient, keeper: Gateway) -> None:
    assert provider(keeper, "azure") is None
    posted(api, provider="azure", key=json.dumps([{"api_key": SECRET, "resource_name": "ours"}]))
    (used,) = own(keeper, "azure")
    assert (used.scheme, used.name, used.value) == ("header", "api-key", SECRET)


def test_a_key_pair_signs_in_the_providers_region(api: TestClient, keeper: Gateway) -> None:
    made = posted(api, provider="bedrock", key=json.dumps({**AWS, "region": "eu-central-1"}))
    assert made["label"] == "AKI...MPLE"
    (used,) = own(keeper, "bedrock")
    assert used.sigv4 is not None
    assert (used.sigv4.access_key_id, used.sigv4.region, used.sigv4.service) == (
        AWS["accessKeyId"],
        "eu-central-1",
        "bedrock",
    )
    # A key of Bedrock's own is sent as it is.
    posted(api, provider="bedrock", key=SECRET)
    assert own(keeper, "bedrock")[1].value == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"key": ""}, "length >= 1 - at `$.key`"),
        ({"key": "a b"}, "holds a space"),
        ({"key": None}, "Expected `str`, got `null` - at `$.key`"),
        ({"key": "{"}, "begins as JSON does and is none"),
        ({"provider": "nobody"}, "there is no provider nobody"),
        ({"provider": "off"}, "off in the configuration"),
        ({"provider": "local"}, "asked without a key"),
        ({"provider": "cloudflare"}, "needs account"),
        ({"provider": "bedrock", "key": json.dumps({**AWS, "region": "us-east-1"})}, "configured for eu-central-1"),
        ({"provider": "bedrock", "key": '{"accessKeyId": "x"}'}, "secretAccessKey"),
        ({"key": json.dumps(AWS)}, "does not take a key pair"),
        ({"provider": "vertex"}, "takes no plain key; expected the JSON of a service account"),
        ({"provider": "azure", "key": '[{"api_key": "x", "resource_name": "theirs"}]'}, "the resource ours"),
        ({"provider": "azure", "key": '[{"api_key": "x", "endpoint_url": "https://x"}]'}, "single deployments"),
        ({"key": '{"api_key": "x", "region": "eu"}'}, "leave region out"),
        ({"name": "x" * 256}, "length <= 255"),
        ({"allowed_models": ["x"] * 101}, "length <= 100"),
        ({"allowed_api_key_hashes": []}, "length >= 1"),
        ({"allowed_api_key_hashes": ["x"]}, "regex"),
        ({"allowed_api_key_hashes": ["a" * 64]}, "no client key has this hash"),
        ({"is_fallback": True, "is_byok_only": True}, "cannot be combined"),
        ({"declared_region": "europe"}, "declared_region"),
        ({"workspace_id": str(uuid.uuid4())}, "no workspaces"),
        ({"alowed_models": None}, "unknown field `alowed_models`"),
        ({"disabled": 1}, "Expected `bool`"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_not_kept(
    api: TestClient, keeper: Gateway, members: dict[str, Any], message: str
) -> None:
    before = keeper.reloader.current
    status, said = refused(post(api, **members))
    assert (status, message in said) == (400, True), said
    assert byok.every(keeper.ledger) == []
    assert keeper.reloader.current is before


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"x"'])
def test_a_body_that_is_no_object_is_refused(api: TestClient, content: bytes) -> None:
    assert api.post("/v1/byok", content=content).status_code == 400


def test_too_many_and_too_large_are_refused(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert post(api, name="x" * 70_000).status_code == 413
    monkeypatch.setattr(byok, "KEYS_MAX", 1)
    posted(api)
    assert refused(post(api))[0] == 400


def test_only_the_admin_may(keeper: Gateway) -> None:
    for key, status in ((None, 401), (CLIENT, 403)):
        stranger = TestClient(control(keeper), raise_server_exceptions=False, headers=bearer(key) if key else {})
        path = f"/v1/byok/{uuid.uuid4()}"
        for answer in (post(stranger), stranger.get("/v1/byok"), *(stranger.request(m, path) for m in METHODS)):
            assert answer.status_code == status


METHODS = ("GET", "PATCH", "DELETE")


def test_keys_outlive_the_process(api: TestClient, keeper: Gateway, tmp_path: Path) -> None:
    posted(api)
    again = make(tmp_path, config=(tmp_path / "turnout.yaml").read_text())
    again.reloader.reload()
    assert [one.value for one in own(again)] == [f"Bearer {SECRET}"]
    store.close_ledger(again.ledger)


def test_what_cannot_be_decrypted_is_left_out_and_told(
    api: TestClient, keeper: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    made = posted(api)
    keeper.vault.file.write_text(f"{'x' * 64}\n")
    assert keeper.reloader.reload().error is None
    assert own(keeper) == []
    assert f"{made['id']} of the API is not used: it was encrypted with another key" in caplog.text
    shown = api.get(f"/v1/byok/{made['id']}").json()["data"]
    assert "put that key back there" in shown["problem"]
    # It can be named, and be set again.
    assert api.patch(f"/v1/byok/{made['id']}", json={"name": "lost"}).status_code == 200
    assert api.patch(f"/v1/byok/{made['id']}", json={"key": OTHER}).json()["data"]["problem"] is None
    assert [one.value for one in own(keeper)] == [f"Bearer {OTHER}"]


def test_a_key_whose_provider_is_gone_is_left_out(api: TestClient, keeper: Gateway, tmp_path: Path) -> None:
    made = posted(api, provider="bedrock", key=json.dumps(AWS))
    file = tmp_path / "turnout.yaml"
    file.write_text(file.read_text().replace("  bedrock:", "  elsewhere:"))
    assert keeper.reloader.reload().error is None
    path = f"/v1/byok/{made['id']}"
    assert "there is no provider bedrock" in api.get(path).json()["data"]["problem"]
    assert api.patch(path, json={"disabled": True}).status_code == 200
    assert api.patch(path, json={"key": OTHER}).status_code == 400
    assert api.delete(path).status_code == 200


def test_a_key_is_taken_out_even_when_nothing_can_be_compiled(
    api: TestClient, keeper: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = posted(api), posted(api, key=OTHER)

    def broken(own_keys: object) -> Any:
        raise TurnoutError("the file is wrong")

    monkeypatch.setattr(keeper.reloader, "remake", broken)
    assert refused(post(api)) == (422, "The configuration is wrong, mend it first: the file is wrong")
    assert api.patch(f"/v1/byok/{other['id']}", json={"name": "x"}).status_code == 422
    assert api.delete(f"/v1/byok/{made['id']}").status_code == 200
    first, second = own(keeper)
    assert (first.value, first.rules is not None and first.rules.models) == ("", [])
    assert second.value == f"Bearer {OTHER}"
    assert [key.id for key in byok.every(keeper.ledger)] == [other["id"]]


def test_a_database_that_does_not_answer_is_told(
    api: TestClient, keeper: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeper.ledger.engine.begin() as connection:
        byok.keys.drop(connection)
    before = keeper.reloader.current
    for answer in (post(api), api.get("/v1/byok"), api.delete(f"/v1/byok/{uuid.uuid4()}")):
        assert answer.status_code == 503
    assert keeper.reloader.current is before
