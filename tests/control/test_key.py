"""What a key is told about itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fake.booked import generation
from tests.fake.gateways import CLIENT, CLIENT_SHA256, bearer
from turnout.control import key as resource
from turnout.keys import as_client_key
from turnout.ledger import store
from turnout.ledger.query import Usage

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from turnout.gateway import Gateway

REQUIRED = {
    "label",
    "limit",
    "limit_remaining",
    "limit_reset",
    "include_byok_in_limit",
    "usage",
    "usage_daily",
    "usage_weekly",
    "usage_monthly",
    "byok_usage",
    "byok_usage_daily",
    "byok_usage_weekly",
    "byok_usage_monthly",
    "is_free_tier",
    "is_management_key",
    "is_provisioning_key",
    "creator_user_id",
    "organization_id",
    "workspace_id",
    "allowed_data_regions",
    "budgets",
    "effective_budget",
    "free_model_daily_requests",
    "rate_limit",
}


@pytest.mark.parametrize("path", ["/api/v1/key", "/v1/key", "/api/v1/auth/key", "/v1/auth/key"])
def test_a_key_sees_its_name_and_what_it_used(client: TestClient, gateway: Gateway, path: str) -> None:
    now = int(time.time() * 1000)
    store.insert(
        gateway.ledger,
        [
            generation(1, key_sha256=CLIENT_SHA256, created_ms=now, cost_nano=1_000_000_000),
            generation(2, key_sha256=CLIENT_SHA256, created_ms=0, cost_nano=500_000_000),
            generation(3, key_sha256="cd" * 32, created_ms=now, cost_nano=7),
        ],
    )
    data = client.get(path, headers=bearer(CLIENT)).json()["data"]
    assert data["label"] == "me"
    assert (data["usage"], data["usage_daily"], data["usage_monthly"]) == (1.5, 1, 1)
    assert data["limit"] is None
    assert data["is_free_tier"] is False


def test_every_field_that_clients_of_openrouter_expect_is_there() -> None:
    assert set(resource.shape(None, Usage(total=0, daily=0, weekly=0, monthly=0))) >= REQUIRED


def test_the_end_of_a_key_is_a_moment_in_utc() -> None:
    import msgspec

    key = msgspec.structs.replace(as_client_key("ab" * 32, "short"), expires_unix=1_800_000_000)
    shown = resource.shape(key, Usage(total=0, daily=0, weekly=0, monthly=0))
    assert shown["expires_at"] == "2027-01-15T08:00:00Z"


def test_without_authentication_there_is_still_an_answer(open_client: TestClient) -> None:
    assert open_client.get("/v1/key").json()["data"]["label"] == "no authentication"
