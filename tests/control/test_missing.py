"""What is not there is told with what is near, and a wrong method with the right ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from turnout.control.missing import HOT, near_paths

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_a_misspelt_path_is_404_with_near_ones(client: TestClient) -> None:
    response = client.get("/v1/generaton")
    assert response.status_code == 404
    error = response.json()["error"]
    assert error["code"] == 404
    assert "/v1/generation" in error["metadata"]["near"]
    assert "/v1/generation" in error["message"]


def test_a_path_like_no_other_is_404_alone(client: TestClient) -> None:
    error = client.get("/zzzzzzzz/q").json()["error"]
    assert error["metadata"] == {"error_type": "not_found"}


def test_a_hot_path_says_where_it_is_served(client: TestClient) -> None:
    for path in (*HOT, "/api/v1/chat/completions"):
        response = client.post(path)
        assert response.status_code == 404
        assert "public address" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/v1/key", {"GET", "HEAD"}), ("GET", "/api/admin/reload", {"POST"}), ("POST", "/", {"GET", "HEAD"})],
)
def test_a_wrong_method_is_405_with_the_right_ones(
    client: TestClient, method: str, path: str, allowed: set[str]
) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert {name.strip() for name in response.headers["allow"].split(",")} == allowed
    assert response.json()["error"]["metadata"]["error_type"] == "method_not_allowed"


def test_near_paths_are_few() -> None:
    assert near_paths("/v1/chat/completion/", HOT)[0] == "/v1/chat/completions"
    assert len(near_paths("/v1/", [f"/v1/{number}" for number in range(10)])) <= 3
