"""Credits: what is added, what is left, and who may know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fake.booked import generation
from tests.fake.gateways import ADMIN, CLIENT, bearer
from tests.fake.native import Plane
from turnout.ledger import store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from turnout.gateway import Gateway

ADD = "/api/admin/credits"


def add(client: TestClient, body: Any) -> Any:
    return client.post(ADD, headers=bearer(ADMIN), json=body)


@pytest.mark.parametrize("path", ["/api/v1/credits", "/v1/credits"])
def test_what_was_added_and_used_is_told_to_the_admin(client: TestClient, gateway: Gateway, path: str) -> None:
    assert client.get(path, headers=bearer(ADMIN)).json() == {"data": {"total_credits": 0, "total_usage": 0}}
    store.insert(gateway.ledger, [generation(1, cost_nano=1_500_000_000), generation(2, key_sha256="", cost_nano=1)])
    assert add(client, {"amount": 25, "note": "first"}).status_code == 201
    answer = client.get(path, headers=bearer(ADMIN))
    assert answer.json() == {"data": {"total_credits": 25, "total_usage": 1.500000001}}
    # As OpenRouter's, this page is for those who manage.
    assert client.get(path, headers=bearer(CLIENT)).status_code == 403
    assert client.get(path).status_code == 401


def test_what_is_added_is_told_to_the_plane_at_once(client: TestClient, gateway: Gateway) -> None:
    assert isinstance(gateway.plane, Plane)
    data = add(client, {"amount": "10.000000001", "note": "paid"}).json()["data"]
    assert (data["amount"], data["note"], data["total_credits"]) == (10.000000001, "paid", 10.000000001)
    assert data["created_at"].endswith("Z")
    add(client, {"amount": -3})
    assert [told["credits"] for told in gateway.plane.told] == [10_000_000_001, 7_000_000_001]
    listed = client.get(ADD, headers=bearer(ADMIN)).json()
    assert [entry["amount"] for entry in listed["data"]] == [-3, 10.000000001]
    assert listed["total_credits"] == 7.000000001


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"amount": 0},
        {"amount": "many"},
        {"amount": 1e-10},
        {"amount": "NaN"},
        {"amount": "Infinity"},
        {"amount": 1_000_000_001},
        {"amount": 1, "note": "x" * 1001},
        {"amount": 1, "currency": "EUR"},
    ],
)
def test_what_is_no_amount_is_refused_and_nothing_is_added(client: TestClient, gateway: Gateway, body: Any) -> None:
    answer = add(client, body)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]["message"]
    assert gateway.credits.total() == 0


def test_only_the_admin_adds(client: TestClient, gateway: Gateway) -> None:
    assert client.post(ADD, headers=bearer(CLIENT), json={"amount": 5}).status_code == 403
    assert client.get(ADD, headers=bearer(CLIENT)).status_code == 403
    assert gateway.credits.total() == 0
