"""Who asks in which API."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from turnout.control.client_api import client_api


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1/models", {}, "openrouter"),
        ("/api/v1/models", {"authorization": "Bearer k", "x-api-key": "k"}, "openrouter"),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, "anthropic"),
        ("/api/v1/models", {"anthropic-version": ""}, "anthropic"),
        ("/anthropic/v1/models", {}, "anthropic"),
        ("/v1beta/models", {}, "gemini"),
        ("/v1beta/models", {"anthropic-version": "2023-06-01"}, "gemini"),
        ("/v1/models", {"x-goog-api-key": "k"}, "gemini"),
        ("/v1/models", {"x-goog-api-client": "google-genai-sdk/3"}, "gemini"),
        ("/v1betamodels", {}, "openrouter"),
    ],
)
def test_the_api_is_told_by_path_and_headers(path: str, headers: dict[str, str], expected: str) -> None:
    raw = [(name.encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": raw, "server": ("h", 80)}
    assert client_api(Request(scope)) == expected
