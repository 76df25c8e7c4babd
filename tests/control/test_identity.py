"""Who is let in: known keys, and for administration the admin key only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.fake.gateways import ADMIN, CLIENT, DISABLED, EXPIRED, bearer
from turnout.control import identity
from turnout.keys import as_client_key

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from turnout.gateway import Gateway


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "No auth credentials found"),
        ({"authorization": "Basic abc"}, "No auth credentials found"),
        ({"authorization": "Bearer "}, "No auth credentials found"),
        (bearer("sk-nobody"), "not known"),
        (bearer(ADMIN), "not known"),
        (bearer(DISABLED), "disabled"),
        (bearer(EXPIRED), "expired"),
    ],
)
def test_a_client_without_a_good_key_gets_401_with_the_reason(
    client: TestClient, headers: dict[str, str], said: str
) -> None:
    response = client.get("/v1/key", headers=headers)
    assert response.status_code == 401
    assert said in response.json()["error"]["message"]


@pytest.mark.parametrize("headers", [bearer(CLIENT), {"authorization": f"bearer  {CLIENT} "}, {"x-api-key": CLIENT}])
def test_a_known_key_is_let_in(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/v1/key", headers=headers).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/admin/reload"), ("GET", "/api/admin/config")])
def test_administration_is_for_the_admin_key(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 401
    assert client.request(method, path, headers=bearer(CLIENT)).status_code == 403
    assert client.request(method, path, headers=bearer(ADMIN)).status_code == 200


def test_without_authentication_clients_need_no_key_but_administration_does(open_client: TestClient) -> None:
    assert open_client.get("/v1/key").status_code == 200
    assert open_client.get("/api/admin/config").status_code == 401
    assert open_client.get("/api/admin/config", headers=bearer(ADMIN)).status_code == 200


def test_without_an_admin_key_nobody_administers(client: TestClient, gateway: Gateway) -> None:
    import dataclasses

    gateway.reloader.current = dataclasses.replace(gateway.reloader.current, admin_sha256=None)
    assert client.get("/api/admin/config", headers=bearer(ADMIN)).status_code == 403


def test_a_key_that_the_running_snapshot_lacks_is_no_longer_known(client: TestClient, gateway: Gateway) -> None:
    import dataclasses

    assert client.get("/v1/key", headers=bearer(CLIENT)).status_code == 200
    gateway.reloader.current = dataclasses.replace(gateway.reloader.current, keys={})
    assert client.get("/v1/key", headers=bearer(CLIENT)).status_code == 401
    assert msgspec.json.decode(client.get("/v1/key").content)["error"]["code"] == 401


@pytest.mark.parametrize(
    ("models", "slug", "may"),
    [
        (None, "a/b", True),
        (["a/b"], "a/b", True),
        (["a/b"], "a/bc", False),
        (["x/y", "a/*"], "a/b", True),
        (["a/*"], "ab/c", False),
        (["*"], "a/b", True),
        ([], "a/b", False),
        (["a/b"], "a/b:free", True),
        (["a/b"], "a/b:8b", False),
        (["a/b:free"], "a/b", False),
    ],
)
def test_a_key_may_use_the_models_that_its_patterns_name(models: list[str] | None, slug: str, may: bool) -> None:
    key = msgspec.structs.replace(as_client_key("ab" * 32, "k"), models=models)
    assert identity.allows(key, slug) is may
    assert identity.allows(None, slug)


@pytest.mark.parametrize("path", ["/v1/key", "/v1/key?key=sk-nobody"])
def test_google_s_header_presents_a_key_too(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"x-goog-api-key": CLIENT}).status_code == 200
    assert client.get(f"/v1/key?key={CLIENT}").status_code == 200


def test_the_admin_key_is_not_taken_from_an_address(client: TestClient) -> None:
    assert client.get(f"/api/admin/config?key={ADMIN}").status_code == 401


def test_azures_header_presents_a_key_too(client: TestClient) -> None:
    assert client.get("/v1/key", headers={"api-key": CLIENT}).status_code == 200
    assert client.get("/v1/key", headers={"api-key": "wrong"}).status_code == 401
