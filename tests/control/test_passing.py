"""What a provider's answers and failures become."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tests.fake.keeping import Keeping


@pytest.mark.parametrize(
    ("theirs", "ours", "error_type"),
    [
        (400, 400, "invalid_request"),
        (404, 404, "not_found"),
        (409, 400, "invalid_request"),
        (413, 413, "payload_too_large"),
        (429, 429, "rate_limit_exceeded"),
        (500, 502, "provider_unavailable"),
        (503, 503, "provider_overloaded"),
        (504, 504, "timeout"),
        (302, 502, "provider_unavailable"),
    ],
)
def test_a_providers_error_comes_in_the_gateways_envelope(
    depot: TestClient, kept: Keeping, theirs: int, ours: int, error_type: str
) -> None:
    kept.status, kept.error = theirs, {"error": {"message": "No such File object"}}
    kept.headers = {"retry-after": "7", "location": "http://127.0.0.1:1/"}
    answer = depot.get("/v1/files/one~file-1")
    assert answer.status_code == ours
    error = answer.json()["error"]
    assert (error["code"], error["metadata"]["error_type"]) == (ours, error_type)
    assert error["message"] == f"one answered with status {theirs}: No such File object"
    assert error["metadata"]["provider_name"] == "one"
    assert json.loads(error["metadata"]["raw"]) == kept.error
    assert answer.headers.get("retry-after") == ("7" if ours in (429, 503) else None)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_not_the_clients_and_is_not_quoted(
    depot: TestClient, kept: Keeping, status: int
) -> None:
    kept.status, kept.error = status, {"error": {"message": "Incorrect API key: secret-one"}}
    for path in ("/v1/files", "/v1/files/one~file-2/content"):
        answer = depot.get(path)
        assert answer.status_code == 502
        assert "secret" not in answer.text
        assert "credential" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": 7}', b'{"error": {"message": 7}}', b"\xff"])
def test_an_error_without_a_sentence_is_still_one(depot: TestClient, kept: Keeping, body: bytes) -> None:
    kept.status, kept.error = 500, body
    answer = depot.get("/v1/batches")
    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == "one answered with status 500"


def test_an_answer_that_is_no_object_is_not_passed_on(depot: TestClient, kept: Keeping) -> None:
    kept.status, kept.error = 201, b"<html>"
    answer = depot.get("/v1/files")
    assert answer.status_code == 502
    assert "JSON object" in answer.json()["error"]["message"]


def test_a_provider_that_is_not_there_is_502(depots: TestClient) -> None:
    for path in ("/v1/files/two~a", "/v1/files/two~a/content"):
        answer = depots.get(path)
        assert answer.status_code == 502
        assert answer.json()["error"]["message"] == "two could not be reached, or did not answer whole"


def test_an_answer_that_ends_early_is_502(depot: TestClient, kept: Keeping) -> None:
    kept.cut = True
    assert depot.get("/v1/files").status_code == 502
