"""The table of routes, and what happens when a handler has a bug."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.control.app import routes

if TYPE_CHECKING:
    import pytest
    from starlette.testclient import TestClient


def test_what_is_under_api_v1_is_under_v1_too() -> None:
    paths = {route.path for route in routes()}
    assert {path.removeprefix("/api") for path in paths if path.startswith("/api/v1/")} <= paths


def test_a_bug_is_500_in_the_envelope_without_its_text(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.control.identity.gateway", lambda request: 1 / 0)
    response = client.get("/")
    assert response.status_code == 500
    assert response.json()["error"]["metadata"]["error_type"] == "server"
    assert "division" not in response.text
