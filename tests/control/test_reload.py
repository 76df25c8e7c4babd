"""Reloading by API: what is taken, and what is told when it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake.gateways import ADMIN, CONFIG, UPSTREAM, bearer

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

    from turnout.gateway import Gateway


def test_a_good_change_is_taken(client: TestClient, gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.reloader.current.snapshot.digest
    (tmp_path / "turnout.yaml").write_text(CONFIG.replace("2.5", "3.5"))
    data = client.post("/api/admin/reload", headers=bearer(ADMIN)).json()["data"]
    assert data["changed"] is True
    assert data["digest"] == gateway.reloader.current.snapshot.digest != before


def test_a_wrong_change_is_refused_with_every_mistake_and_no_secret(
    client: TestClient, gateway: Gateway, tmp_path: Path
) -> None:
    before = gateway.reloader.current.snapshot.digest
    (tmp_path / "turnout.yaml").write_text(CONFIG.replace("provider: openai", "provider: opnai") + "\nnonsense: 1\n")
    response = client.post("/api/admin/reload", headers=bearer(ADMIN))
    assert response.status_code == 422
    metadata = response.json()["error"]["metadata"]
    assert metadata["digest"] == before
    assert len(metadata["mistakes"]) == 2
    assert UPSTREAM not in response.text
    assert gateway.reloader.current.snapshot.digest == before
    shown = client.get("/api/admin/config", headers=bearer(ADMIN)).json()["data"]["reload_error"]
    assert "opnai" in shown
