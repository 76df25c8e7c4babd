"""The table of routes, and what happens when a handler has a bug."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from turnout.control.app import catalogue, routes, stored

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


def test_every_page_about_models_is_in_its_document() -> None:
    told = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    for route in catalogue():
        page = route.path.removeprefix("/api").removeprefix("/v1").replace("{name:path}", "{model}")
        page = page.replace("/model/{model}", "/model/{author}/{slug}")
        if page.startswith(("/anthropic", "beta")):
            page = route.path.removesuffix("/{name:path}")
        assert f"`GET {page}`" in told or f"`{page}`" in told, page


def test_every_page_about_files_and_batches_is_in_its_document() -> None:
    told = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
    for route in stored():
        page = route.path.removeprefix("/api").removeprefix("/v1").replace("{id:path}", "{id}")
        (method,) = (route.methods or set()) - {"HEAD"}
        assert f"`{method} {page}`" in told, page
