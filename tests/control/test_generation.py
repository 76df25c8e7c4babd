"""Looking one generation up: its shape, whose it is, and what happens when it is not there yet."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.fake.booked import generation
from tests.fake.gateways import CLIENT, CLIENT_SHA256, bearer
from turnout.control import generation as resource
from turnout.ledger import store
from turnout.ledger.record import Attempt

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from turnout.gateway import Gateway


@pytest.mark.parametrize("path", ["/api/v1/generation", "/v1/generation"])
def test_a_generation_is_shown_in_openrouters_shape(client: TestClient, gateway: Gateway, path: str) -> None:
    booked = generation(1, key_sha256=CLIENT_SHA256)
    store.insert(gateway.ledger, [booked])
    response = client.get(path, params={"id": booked.id}, headers=bearer(CLIENT))
    assert response.status_code == 200
    data = response.json()["data"]
    assert data["id"] == booked.id
    assert data["created_at"] == "2023-11-14T22:13:20.123+00:00"
    assert (data["model"], data["provider_name"], data["api_type"]) == ("openai/gpt", "OpenAI", "completions")
    assert (data["tokens_prompt"], data["tokens_completion"], data["native_tokens_reasoning"]) == (10, 20, 3)
    assert (data["total_cost"], data["usage"]) == (0.0015, 0.0015)
    assert b'"total_cost":0.0015,' in response.content
    assert (data["latency"], data["generation_time"]) == (30.0, 60.5)
    assert data["timings_ms"] == {"queue": 0.1, "connect": 0.2, "ttft": 30.0, "total": 90.5, "overhead": 0.321}
    assert [(attempt["provider_name"], attempt["status"]) for attempt in data["provider_responses"]] == [
        ("groq", 429),
        ("openai", 200),
    ]
    assert data["provider_responses"][0]["id"] is None
    assert data["provider_responses"][1]["id"] == "chatcmpl-1"


def test_the_router_that_chose_the_model_is_shown(client: TestClient, gateway: Gateway) -> None:
    for number, router in ((1, None), (2, "openrouter/auto")):
        booked = generation(number, key_sha256=CLIENT_SHA256, router=router)
        store.insert(gateway.ledger, [booked])
        shown = client.get("/v1/generation", params={"id": booked.id}, headers=bearer(CLIENT)).json()["data"]
        assert shown["router"] == router


REQUIRED = {
    "id",
    "upstream_id",
    "total_cost",
    "cache_discount",
    "upstream_inference_cost",
    "created_at",
    "model",
    "app_id",
    "streamed",
    "cancelled",
    "provider_name",
    "latency",
    "moderation_latency",
    "generation_time",
    "finish_reason",
    "tokens_prompt",
    "tokens_completion",
    "native_tokens_prompt",
    "native_tokens_completion",
    "native_tokens_completion_images",
    "native_tokens_reasoning",
    "native_tokens_cached",
    "num_media_prompt",
    "num_input_audio_prompt",
    "num_media_completion",
    "num_search_results",
    "num_fetches",
    "web_search_engine",
    "origin",
    "usage",
    "is_byok",
    "native_finish_reason",
    "external_user",
    "api_type",
    "router",
    "provider_responses",
    "user_agent",
    "http_referer",
    "request_id",
    "session_id",
    "workspace_id",
    "service_tier",
    "preset_id",
    "data_region",
}


def test_every_field_that_clients_of_openrouter_expect_is_there() -> None:
    assert set(resource.shape(generation(1))) >= REQUIRED


def test_a_cancelled_request_that_was_never_answered_has_its_total_as_latency() -> None:
    shown = resource.shape(generation(1, ttft_us=0, total_us=5_000, status=499, cancelled=True))
    assert (shown["latency"], shown["generation_time"]) == (5.0, 0.0)


def test_only_an_attempt_that_was_overtaken_has_a_cost_of_its_own() -> None:
    lost = Attempt("a", "a", "key-1", 0, 300_000, "cancelled", cost_nano=6_000)
    won = Attempt("b", "b", "key-1", 200, 1_500, "ok", hedged=True)
    shown = resource.shape(generation(1, attempts=(lost, won)))["provider_responses"]
    assert [(one["hedged"], one["cost"]) for one in shown] == [(False, Decimal("0.000006")), (True, None)]


def test_another_keys_generation_is_not_there(client: TestClient, gateway: Gateway) -> None:
    store.insert(gateway.ledger, [generation(1, key_sha256="cd" * 32)])
    response = client.get("/v1/generation", params={"id": generation(1).id}, headers=bearer(CLIENT))
    assert response.status_code == 404
    assert response.json()["error"]["metadata"]["error_type"] == "not_found"
    assert response.headers["retry-after"] == "1"


def test_without_an_id_the_request_is_refused(client: TestClient) -> None:
    assert client.get("/v1/generation", headers=bearer(CLIENT)).status_code == 400


def test_without_authentication_any_generation_is_shown(open_client: TestClient) -> None:
    gateway: Gateway = open_client.app.state.gateway  # type: ignore[attr-defined]
    store.insert(gateway.ledger, [generation(1)])
    assert open_client.get("/v1/generation", params={"id": generation(1).id}).status_code == 200


def test_a_recent_generation_is_looked_for_again(
    client: TestClient, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    recent = generation(1, id=f"gen-{int(time.time())}-abcdefghijklmnopqrst", key_sha256=CLIENT_SHA256)
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        store.insert(gateway.ledger, [recent])

    monkeypatch.setattr("asyncio.sleep", sleep)
    response = client.get("/v1/generation", params={"id": recent.id}, headers=bearer(CLIENT))
    assert response.status_code == 200
    assert pauses == [0.1]


@pytest.mark.parametrize(
    ("wanted", "recent"),
    [
        ("gen-1000-abc", True),
        ("gen-1015-abc", True),
        ("gen-984-abc", False),
        ("gen-1000", False),
        ("nonsense", False),
        ("gen-x-abc", False),
    ],
)
def test_only_ids_of_the_last_seconds_are_worth_another_look(wanted: str, recent: bool) -> None:
    assert resource.is_recent(wanted, 1000.0) is recent


def test_a_ledger_that_cannot_be_read_is_503(client: TestClient, gateway: Gateway) -> None:
    with gateway.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE generations")
    for path in ("/v1/generation?id=gen-1-a", "/v1/key"):
        response = client.get(path, headers=bearer(CLIENT))
        assert response.status_code == 503
        assert response.headers["retry-after"] == "2"
        assert "DROP" not in response.text
        assert msgspec.json.decode(response.content)["error"]["code"] == 503
