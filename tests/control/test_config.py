"""The compiled snapshot is shown whole, and no secret with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake.gateways import ADMIN, CLIENT, CLIENT_SHA256, UPSTREAM, bearer

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient


def test_the_snapshot_is_shown_with_stars_for_secrets(client: TestClient, tmp_path: Path) -> None:
    response = client.get("/api/admin/config", headers=bearer(ADMIN))
    for secret in (UPSTREAM, CLIENT, ADMIN, "team-secret", "proxy-secret"):
        assert secret not in response.text
    data = response.json()["data"]
    provider = data["snapshot"]["providers"][0]
    assert provider["credentials"][0]["value"] == "***"
    assert provider["headers"] == [["x-team", "***"]]
    assert provider["proxy"] == "http://***@127.0.0.1:3128"
    assert provider["wires"][0]["base_url"] == "https://api.openai.com/v1"
    assert data["snapshot"]["keys"][0]["sha256"] == CLIENT_SHA256
    assert data["snapshot"]["models"][0]["slug"] == "openai/gpt"
    assert data["files"] == [str(tmp_path / "turnout.yaml")]
    assert data["reload_error"] is None
    assert data["credentials"] == []
