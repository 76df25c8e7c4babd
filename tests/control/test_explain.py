"""Where a request would go, told to the admin; the plane itself reads the request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from tests.fake.gateways import ADMIN, CLIENT, bearer
from turnout import _native
from turnout.config import snapshot
from turnout.control.app import control

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.gateway import Gateway

PATH = "/api/admin/route/explain"
BODY = {"model": "openai/gpt", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def real(gateway: Gateway, tmp_path: Path) -> Iterator[TestClient]:
    """The gateway around the real plane, which is never started."""
    made = gateway.reloader.current.snapshot
    import msgspec

    server = msgspec.structs.replace(made.server, listen=["127.0.0.1:0"])
    encoded = snapshot.encode(msgspec.structs.replace(made, server=server))
    plane = _native.Plane(encoded, listeners=[], control_socket=None, state_dir=str(tmp_path / "plane"))
    yield TestClient(control(replace(gateway, plane=plane)), raise_server_exceptions=False)
    plane.stop()


def test_a_plain_body_is_a_chat_request(real: TestClient) -> None:
    answer = real.post(PATH, headers=bearer(ADMIN), json=BODY)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    (one,) = answer.json()["turnout_explain"]["candidates"]
    assert (one["rank"], one["model"], one["upstream_model"]) == (1, "openai/gpt", "gpt")
    assert one["prices"]["prompt"] == "2.5"
    assert answer.json()["openrouter_metadata"]["attempt"] == 0
    assert "sk-upstream" not in answer.text


def test_the_api_the_key_and_headers_may_be_said(real: TestClient) -> None:
    said = {"api": "responses", "body": {"model": "openai/gpt", "input": "hi"}, "key": "me", "headers": {"x-a": "b"}}
    told = real.post(PATH, headers=bearer(ADMIN), json=said | {"seed": 1}).json()
    assert told["turnout_explain"]["key"] == "me"


def test_a_request_that_would_be_refused_is_told_with_its_error(real: TestClient) -> None:
    answer = real.post(PATH, headers=bearer(ADMIN), json=BODY | {"model": "openai/gtp"})
    assert answer.status_code == 200
    assert "openai/gtp" in answer.json()["error"]["message"]
    assert answer.json()["turnout_explain"]["candidates"] == []


def test_what_is_no_request_is_a_mistake(real: TestClient) -> None:
    for body in (b"[", b'{"body":{},"api":"nope"}', b'{"body":{},"key":"nobody"}'):
        answer = real.post(PATH, headers=bearer(ADMIN), content=body)
        assert answer.status_code == 400
        assert "expected" in answer.json()["error"]["message"]


def test_it_is_for_the_admin_key(client: TestClient) -> None:
    assert client.post(PATH, json=BODY).status_code == 401
    assert client.post(PATH, headers=bearer(CLIENT), json=BODY).status_code == 403
    assert json.loads(client.post(PATH, headers=bearer(ADMIN), json=BODY).content) == {"turnout_explain": BODY}
