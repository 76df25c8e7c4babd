"""Whom the gateway can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_providers_that_are_switched_on_are_listed(catalogue: TestClient) -> None:
    for path in ("/api/v1/providers", "/v1/providers"):
        data = catalogue.get(path).json()["data"]
        assert [(provider["slug"], provider["name"]) for provider in data] == [
            ("groq", "Groq"),
            ("mistral", "Mistral"),
            ("local", "Own <Server>"),
        ]
        assert (data[1]["headquarters"], data[1]["datacenters"]) == ("FR", ["FR"])
        assert (data[2]["headquarters"], data[2]["datacenters"]) == (None, None)
        assert set(data[0]) == {
            "name",
            "slug",
            "privacy_policy_url",
            "terms_of_service_url",
            "status_page_url",
            "headquarters",
            "datacenters",
        }
