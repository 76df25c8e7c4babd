"""What the control side passes on is found in the ledger like the rest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from turnout.control import booking
from turnout.ledger import store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tests.fake.keeping import Keeping

FORM = {"file": ("a", b"12345", "text/plain")}


def test_an_id_is_as_the_plane_makes_them() -> None:
    assert re.fullmatch(r"gen-1764031697-[A-Za-z0-9]{20}", booking.new_id(1764031697.9))


def test_what_was_stored_is_booked(depot: TestClient) -> None:
    answer = depot.post("/v1/files", files=FORM, headers={"x-title": "App"})
    booked = depot.get("/v1/generation", params={"id": answer.headers["x-generation-id"]}).json()["data"]
    assert (booked["provider_name"], booked["status"], booked["upstream_id"]) == ("one", 200, "file-1")
    assert (booked["total_cost"], booked["tokens_prompt"], booked["usage_source"]) == (0, 0, "none")
    assert (booked["app_title"], booked["error_type"]) == ("App", None)
    (attempt,) = booked["provider_responses"]
    assert (attempt["provider_name"], attempt["status"], attempt["outcome"]) == ("one", 200, "ok")


def test_what_failed_is_booked_too(depots: TestClient, kept: Keeping) -> None:
    kept.status, kept.error = 429, {}
    for path, ours, theirs, outcome in [
        ("/v1/batches/one~b/cancel", 429, 429, "status"),
        ("/v1/batches/two~b/cancel", 502, None, "connect"),
    ]:
        answer = depots.post(path)
        booked = depots.get("/v1/generation", params={"id": answer.headers["x-generation-id"]}).json()["data"]
        assert (answer.status_code, booked["status"]) == (ours, ours)
        assert booked["error_type"] == answer.json()["error"]["metadata"]["error_type"]
        (attempt,) = booked["provider_responses"]
        assert (attempt["status"], attempt["outcome"]) == (theirs, outcome)


def test_looking_is_not_booked(depot: TestClient) -> None:
    assert "x-generation-id" not in depot.get("/v1/files").headers


@pytest.mark.parametrize(("failures", "tried"), [(1, 2), (9, 4)])
def test_a_ledger_that_is_locked_is_tried_again_and_fails_no_request(
    depot: TestClient, monkeypatch: pytest.MonkeyPatch, failures: int, tried: int
) -> None:
    tries = []
    write = store.insert

    def insert(*arguments: object) -> None:
        tries.append(arguments)
        if len(tries) <= failures:
            raise OperationalError("INSERT", {}, Exception("database is locked"))
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "insert", insert)
    monkeypatch.setattr(booking, "LOOK_AGAIN_S", (0.0, 0.0, 0.0))
    assert depot.post("/v1/files", files=FORM).status_code == 200
    assert len(tries) == tried
