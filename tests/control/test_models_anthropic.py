"""The list of models for Anthropic's clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from starlette.testclient import TestClient

VERSION = {"anthropic-version": "2023-06-01"}
ORDER = ["acme/new", "zeta/free:free", "acme/old", "zeta/unpriced"]
"""Newest first; what has no date comes last."""


def page(client: TestClient, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/v1/models", params=parameters, headers=VERSION)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [model["id"] for model in body["data"]]


def test_the_header_makes_the_list_anthropic_s(catalogue: TestClient) -> None:
    body = page(catalogue, limit=1000)
    assert ids(body) == ORDER
    assert (body["has_more"], body["first_id"], body["last_id"]) == (False, ORDER[0], ORDER[-1])
    new = body["data"][0]
    assert (new["type"], new["display_name"], new["created_at"]) == ("model", "Acme & New", "2025-06-01T00:00:00Z")
    assert (new["max_input_tokens"], new["max_tokens"], new["lifecycle"]) == (200_000, 4_000, "active")
    assert catalogue.get("/anthropic/v1/models").json() == page(catalogue)


def test_pages_go_both_ways(catalogue: TestClient) -> None:
    first = page(catalogue, limit=2)
    assert (ids(first), first["has_more"]) == (ORDER[:2], True)
    second = page(catalogue, limit=2, after_id=first["last_id"])
    assert (ids(second), second["has_more"]) == (ORDER[2:], False)
    back = page(catalogue, limit=1, before_id=second["first_id"])
    assert (ids(back), back["has_more"]) == ([ORDER[1]], True)
    none = page(catalogue, after_id=ORDER[-1])
    assert (none["data"], none["first_id"], none["has_more"]) == ([], None, False)


def test_one_model(catalogue: TestClient) -> None:
    body = catalogue.get("/v1/models/best", headers=VERSION).json()
    assert (body["id"], body["type"]) == ("acme/new", "model")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/models?limit=0", 400, "invalid_request_error"),
        ("/v1/models?limit=1001", 400, "invalid_request_error"),
        ("/v1/models?limit=x", 400, "invalid_request_error"),
        ("/v1/models?after_id=nobody", 400, "invalid_request_error"),
        ("/v1/models/nobody", 404, "not_found_error"),
        ("/anthropic/v1/nothing", 404, "not_found_error"),
    ],
)
def test_refusals_are_anthropic_s(catalogue: TestClient, path: str, status: int, kind: str) -> None:
    answer = catalogue.get(path, headers=VERSION)
    body = answer.json()
    assert (answer.status_code, body["type"], body["error"]["type"]) == (status, "error", kind)
    unknown = catalogue.get(path, headers={**VERSION, "authorization": "", "x-api-key": "sk-nobody"})
    if "nothing" not in path:
        assert unknown.json()["error"]["type"] == "authentication_error"
