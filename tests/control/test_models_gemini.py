"""The list of models for Google's clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fake.gateways import CLIENT

if TYPE_CHECKING:
    from starlette.testclient import TestClient

LISTED = ["acme/new", "acme/old", "zeta/embed", "zeta/free:free", "zeta/unpriced"]


def test_models_have_google_s_names_and_limits(catalogue: TestClient) -> None:
    body = catalogue.get("/v1beta/models").json()
    assert [model["name"] for model in body["models"]] == [f"models/{slug}" for slug in LISTED]
    assert "nextPageToken" not in body
    new, embed = body["models"][0], body["models"][2]
    assert (new["displayName"], new["inputTokenLimit"], new["outputTokenLimit"]) == ("Acme & New", 200_000, 4_000)
    assert new["supportedGenerationMethods"] == ["generateContent", "countTokens"]
    assert embed["supportedGenerationMethods"] == ["embedContent", "batchEmbedContents"]
    assert "inputTokenLimit" not in embed


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_tokens_lead_through_all_pages(catalogue: TestClient, size: int) -> None:
    seen: list[str] = []
    token = ""
    while True:
        body = catalogue.get("/v1beta/models", params={"pageSize": size, "pageToken": token}).json()
        seen += [model["name"].removeprefix("models/") for model in body["models"]]
        token = body.get("nextPageToken", "")
        if not token:
            break
    assert seen == LISTED


def test_google_s_headers_and_the_key_in_the_query_are_taken(catalogue: TestClient) -> None:
    nobody = {"authorization": ""}
    for path, headers in (
        ("/v1/models/acme/new", {"x-goog-api-key": CLIENT}),
        (f"/v1beta/models/acme/new?key={CLIENT}", {}),
    ):
        answer = catalogue.get(path, headers={**nobody, **headers})
        assert (answer.status_code, answer.json()["name"]) == (200, "models/acme/new")


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("/v1beta/models?pageSize=many", 400, "INVALID_ARGUMENT"),
        ("/v1beta/models/nobody", 404, "NOT_FOUND"),
        ("/v1beta/nothing", 404, "NOT_FOUND"),
        ("/v1beta/models?key=sk-nobody", 401, "UNAUTHENTICATED"),
    ],
)
def test_refusals_are_google_s(catalogue: TestClient, path: str, code: int, status: str) -> None:
    headers = {"authorization": ""} if code == 401 else {}
    answer = catalogue.get(path, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (code, code, status)
