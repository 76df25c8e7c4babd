"""Batches, from a client through the gateway to a provider on loopback and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fake.gateways import bearer
from tests.fake.keeping import LIMITED

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tests.fake.keeping import Keeping

NEW = {"input_file_id": "one~file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_a_batch_starts_where_its_file_is(depots: TestClient, kept: Keeping, prefix: str) -> None:
    batch = depots.post(f"{prefix}/batches", json={**NEW, "metadata": {"provider": "mine"}}).json()
    assert kept.last.path == "/v1/batches"
    assert json.loads(kept.last.body) == {**NEW, "input_file_id": "file-1", "metadata": {"provider": "mine"}}
    assert (batch["id"], batch["input_file_id"], batch["output_file_id"]) == (
        "one~batch_1",
        "one~file-1",
        "one~file-2",
    )
    assert depots.get(f"{prefix}/batches/one~batch_1").json() == batch
    assert depots.post(f"{prefix}/batches/one~batch_1/cancel").json() == batch
    assert (kept.last.method, kept.last.path) == ("POST", "/v1/batches/batch_1/cancel")
    assert depots.get(f"{prefix}/batches", params={"provider": "one"}).json()["data"] == [batch]


def test_a_member_of_the_body_names_the_provider_and_does_not_pass(depots: TestClient, kept: Keeping) -> None:
    assert depots.post("/v1/batches", json={**NEW, "input_file_id": "file-1"}).status_code == 400
    assert depots.post("/v1/batches", json={**NEW, "input_file_id": "file-1", "provider": "one"}).status_code == 200
    assert json.loads(kept.last.body) == {**NEW, "input_file_id": "file-1"}
    assert depots.post("/v1/batches", json={**NEW, "provider": "two"}).status_code == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"provider": 1}', b'{"provider": ["one"]}'])
def test_what_describes_no_batch_is_refused(depot: TestClient, kept: Keeping, body: bytes) -> None:
    assert depot.post("/v1/batches", content=body).status_code == 400
    assert kept.received == []


def test_a_description_has_a_bound(depot: TestClient, kept: Keeping) -> None:
    assert depot.post("/v1/batches", json={**NEW, "metadata": {"a": "x" * 1_100_000}}).status_code == 413
    assert kept.received == []


def test_a_key_that_is_limited_to_models_cannot_start_one(depot: TestClient, kept: Keeping) -> None:
    refused = depot.post("/v1/batches", json=NEW, headers=bearer(LIMITED))
    assert refused.status_code == 403
    assert kept.received == []
    assert depot.get("/v1/batches", headers=bearer(LIMITED)).status_code == 200
