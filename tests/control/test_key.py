"""What a key is told about itself."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.fake.booked import generation
from tests.fake.gateways import CLIENT, CLIENT_SHA256, bearer
from tests.fake.native import Plane
from turnout.config.snapshot import Billing, Free, Limit
from turnout.control import key as resource
from turnout.keys import as_client_key
from turnout.ledger import store
from turnout.ledger.spent import Sums, Usage

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from turnout.gateway import Gateway

UNLIMITED = Billing(credits=False, reserve_tokens=1, byok_fee_percent=0, free=None)

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
    assert set(resource.shape(None, Usage(), UNLIMITED, None)) >= REQUIRED


def test_the_end_of_a_key_is_a_moment_in_utc() -> None:
    key = msgspec.structs.replace(as_client_key("ab" * 32, "short"), expires_unix=1_800_000_000)
    shown = resource.shape(key, Usage(), UNLIMITED, None)
    assert shown["expires_at"] == "2027-01-15T08:00:00Z"


def test_without_authentication_there_is_still_an_answer(open_client: TestClient) -> None:
    assert open_client.get("/v1/key").json()["data"]["label"] == "no authentication"


def tell(gateway: Gateway) -> None:
    """Lets the writer of the ledger tell the plane what was spent before, as at every start."""
    gateway.writer.start(inherit=True)
    assert gateway.writer.open(timeout_s=20)
    assert gateway.writer.finish(timeout_s=20)


def test_h04_what_the_plane_has_counted_is_shown_before_the_ledger_has_it(client: TestClient, gateway: Gateway) -> None:
    tell(gateway)
    assert isinstance(gateway.plane, Plane)
    gateway.plane.charged[CLIENT_SHA256] = {"total": 4_000_000_000, "daily": 1, "weekly": 20, "monthly": 300}
    data = client.get("/api/v1/key", headers=bearer(CLIENT)).json()["data"]
    assert data["usage"] == 4
    assert (data["usage_daily"], data["usage_weekly"], data["usage_monthly"]) == (1e-9, 2e-8, 3e-7)


def limited(reset: str | None) -> Any:
    limit = Limit(nano=1_000, reset=reset, include_byok=False)  # type: ignore[arg-type]
    return msgspec.structs.replace(as_client_key("ab" * 32, "k"), limit=limit, requests_per_minute=60)


@pytest.mark.parametrize(("reset", "left"), [("daily", 999), ("weekly", 980), ("monthly", 700), (None, 0)])
def test_g07_a_limit_is_shown_with_what_is_left_of_its_period(reset: str | None, left: int) -> None:
    usage = Usage(total=4_000, daily=1, weekly=20, monthly=300)
    shown = resource.shape(limited(reset), usage, UNLIMITED, None)
    assert (shown["limit"], shown["limit_reset"]) == (Decimal("0.000001"), reset)
    assert shown["limit_remaining"] == left * Decimal("1e-9")
    assert shown["effective_budget"] == {"remaining_usd": shown["limit_remaining"]}
    assert (shown["rate_limit"]["requests"], shown["rate_limit"]["interval"]) == (60, "60s")


def test_what_own_keys_cost_their_owners_is_shown_and_taken_off_the_limit_if_it_counts() -> None:
    usage = Usage(total=100, daily=100, own=Sums(total=4_000, daily=300, weekly=400, monthly=500))
    key = limited("daily")
    shown = resource.shape(key, usage, UNLIMITED, None)
    assert (shown["include_byok_in_limit"], shown["limit_remaining"]) == (False, Decimal("9e-7"))
    assert (shown["byok_usage"], shown["byok_usage_daily"]) == (Decimal("0.000004"), Decimal("3e-7"))
    assert (shown["byok_usage_weekly"], shown["byok_usage_monthly"]) == (Decimal("4e-7"), Decimal("5e-7"))
    key = msgspec.structs.replace(key, limit=msgspec.structs.replace(key.limit, include_byok=True))
    shown = resource.shape(key, usage, UNLIMITED, None)
    assert (shown["include_byok_in_limit"], shown["limit_remaining"]) == (True, Decimal("6e-7"))


def test_g08_requests_of_free_models_are_shown_with_the_limit_that_the_credits_open() -> None:
    free = Free(per_minute=20, per_day=50, per_day_with_credits=1000)
    billing = Billing(credits=True, reserve_tokens=1, byok_fee_percent=0, free=free)
    usage = Usage(free_requests=30)
    shown = resource.shape(None, usage, billing, 9_999_999_999)
    assert shown["free_model_daily_requests"] == {"used": 30, "limit": 50, "remaining": 20}
    assert shown["is_free_tier"] is False
    shown = resource.shape(None, usage, billing, 10_000_000_000)
    assert shown["free_model_daily_requests"] == {"used": 30, "limit": 1000, "remaining": 970}
    shown = resource.shape(None, usage, billing, 0)
    assert shown["is_free_tier"] is True
    shown = resource.shape(None, usage, UNLIMITED, None)
    assert shown["free_model_daily_requests"] == {"used": 30, "limit": -1, "remaining": -1}
