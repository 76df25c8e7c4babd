"""Where a model is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    own, groq = data["endpoints"]
    assert set(own) >= REQUIRED
    assert (own["tag"], own["provider_name"], own["name"]) == ("local", "Own <Server>", "Own <Server> | acme/new")
    assert (own["context_length"], own["max_completion_tokens"], own["status"]) == (200_000, 4_000, 0)
    assert own["pricing"]["input_cache_read"] == "0.00000025"
    assert own["supports_implicit_caching"] is True
    assert own["supports_tool_choice"] == {"auto": True, "function": True, "none": True, "required": True}
    assert (groq["tag"], groq["pricing"]) == ("groq", {"prompt": "-1", "completion": "-1"})
    assert groq["context_length"] == 200_000
    assert groq["supports_implicit_caching"] is False


def test_what_is_not_measured_is_null(catalogue: TestClient) -> None:
    for path in ("/v1/models/zeta/unpriced/endpoints", "/v1/models/best/endpoints"):
        for endpoint in catalogue.get(path).json()["data"]["endpoints"]:
            assert endpoint["uptime_last_30m"] is None
            assert endpoint["latency_last_30m"] is None
