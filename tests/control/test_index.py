"""The index page: for everyone, so without anything that is not for everyone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake.gateways import CLIENT, UPSTREAM

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_the_page_shows_how_to_use_the_gateway_at_the_address_that_the_caller_sees(client: TestClient) -> None:
    response = client.get("/", headers={"x-forwarded-proto": "https", "x-forwarded-host": "llm.example.com"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "curl https://llm.example.com/v1/chat/completions" in response.text
    assert "version 1.2.3" in response.text
    assert "openai/gpt" in response.text
    assert CLIENT not in response.text
    assert UPSTREAM not in response.text


def test_a_host_with_markup_is_escaped(client: TestClient) -> None:
    response = client.get("/", headers={"x-forwarded-host": "<script>alert(1)</script>"})
    assert "<script>" not in response.text


def test_no_script_and_no_frame_is_allowed(client: TestClient) -> None:
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]
