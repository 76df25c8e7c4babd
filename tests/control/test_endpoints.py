"""Where a model is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake.catalogues import SOME
from tests.fake.gateways import bearer

if TYPE_CHECKING:
    from starlette.testclient import TestClient

# Required members of `PublicEndpoint` in OpenRouter's public OpenAPI description and in its libraries.
REQUIRED = {
    "context_length",
    "latency_last_30m",
    "max_completion_tokens",
    "max_prompt_tokens",
    "model_id",
    "model_name",
    "name",
    "native_tools",
    "pricing",
    "provider_name",
    "quantization",
    "service_tier",
    "supported_parameters",
    "supports_diarization",
    "supports_implicit_caching",
    "supports_tool_choice",
    "tag",
    "throughput_last_30m",
    "uptime_last_1d",
    "uptime_last_30m",
    "uptime_last_5m",
}


def test_endpoints_come_in_the_order_in_which_they_are_tried(catalogue: TestClient) -> None:
    data = catalogue.get("/api/v1/models/acme/new/endpoints").json()["data"]
    assert (data["id"], data["name"], data["architecture"]["modality"]) == (
        "acme/new",
        "Acme & New",
        "text+image->text",
    )
    own, groq, *_ = data["endpoints"]
    assert set(own) >= REQUIRED
    assert (own["tag"], own["provider_name"], own["name"]) == ("local", "Own <Server>", "Own <Server> | acme/new")
    assert (own["context_length"], own["max_completion_tokens"], own["status"]) == (200_000, 4_000, 0)
    assert own["pricing"]["input_cache_read"] == "0.00000025"
    assert own["supports_implicit_caching"] is True
    assert own["supports_tool_choice"] == {"auto": True, "function": True, "none": True, "required": True}
    assert (groq["tag"], groq["pricing"]) == ("groq", {"prompt": "-1", "completion": "-1"})
    assert groq["context_length"] == 200_000
    assert groq["supports_implicit_caching"] is False


def test_each_service_tier_is_a_row_of_its_own(catalogue: TestClient) -> None:
    *_, ordinary, flex = catalogue.get("/api/v1/models/acme/new/endpoints").json()["data"]["endpoints"]
    assert (ordinary["tag"], ordinary["service_tier"], ordinary["quantization"]) == ("mistral", None, "fp8")
    assert (flex["tag"], flex["service_tier"], flex["quantization"]) == ("mistral/flex", "flex", "fp8")
    assert ordinary["supported_parameters"] == ["temperature"]
    assert ordinary["supports_tool_choice"]["auto"] is False
    # What the tier says nothing about stands to it as it stands to the base price.
    shown = {name: flex["pricing"][name] for name in ("prompt", "completion", "internal_reasoning")}
    assert shown == {"prompt": "0.0000005", "completion": "0.000002", "internal_reasoning": "0.000004"}
    (longer,) = flex["pricing"]["overrides"]
    # A cached price that nobody wrote follows the prompt's, in the longer tier too.
    assert (longer["min_prompt_tokens"], longer["prompt"], longer["input_cache_read"]) == (1000, "0.000001", "0.000001")


def test_endpoints_that_keep_nothing_have_their_own_list(catalogue: TestClient) -> None:
    data = catalogue.get("/api/v1/endpoints/zdr").json()["data"]
    assert {endpoint["tag"] for endpoint in data} == {"local"}
    assert "acme/new" in {endpoint["model_id"] for endpoint in data}
    assert [
        endpoint["model_id"] for endpoint in catalogue.get("/v1/endpoints/zdr", headers=bearer(SOME)).json()["data"]
    ] == ["acme/new"]


def test_what_is_not_measured_is_null(catalogue: TestClient) -> None:
    for path in ("/v1/models/zeta/unpriced/endpoints", "/v1/models/best/endpoints"):
        for endpoint in catalogue.get(path).json()["data"]["endpoints"]:
            assert endpoint["uptime_last_30m"] is None
            assert endpoint["latency_last_30m"] is None
