"""Pages of other origins: preflights, answers, refusals, streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import CHAT, Rig, chat, serving

if TYPE_CHECKING:
    import httpx

HERE = "https://app.example"
PREFLIGHT = {
    "origin": HERE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-title",
}
PREFIX = "access-control-"


def named(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith(PREFIX)}


def preflight(rig: Rig, path: str = CHAT, **changes: str) -> httpx.Response:
    with rig.client() as client:
        return client.options(path, headers=PREFLIGHT | changes)


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/api/v1/key"])
def test_a_preflight_of_an_allowed_origin_needs_no_key(path: str) -> None:
    with serving("plain", server={"cors_origins": ["https://other.example", HERE]}) as rig:
        with rig.client(headers={}) as client:
            answer = client.options(path, headers=PREFLIGHT)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == HERE
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "authorization,content-type,x-title"
        assert int(answer.headers["access-control-max-age"]) > 0
        assert answer.headers["vary"] == "origin"
        assert rig.counters()["requests"] == 0


def test_any_origin_is_a_star() -> None:
    with serving("plain", server={"cors_origins": ["*"]}) as rig:
        assert preflight(rig, origin="https://whoever.example").headers["access-control-allow-origin"] == "*"
        assert rig.post(chat(), origin=HERE).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "origin", ["https://app.example.evil", "http://app.example", "https://APP.example:444", "null"]
)
def test_another_origin_is_told_nothing(origin: str) -> None:
    with serving("plain", server={"cors_origins": [HERE]}) as rig:
        answer = preflight(rig, origin=origin)
        assert (answer.status_code, named(answer)) == (204, {})
        # The answer itself is the same as for anyone: it is the browser that keeps it from the page.
        answer = rig.post(chat(), origin=origin)
        assert (answer.status_code, named(answer)) == (200, {})


def test_without_origins_there_are_no_headers() -> None:
    with serving("plain") as rig:
        assert named(preflight(rig)) == {}
        assert named(rig.post(chat(), origin=HERE)) == {}


def test_every_kind_of_answer_may_be_read_by_the_page() -> None:
    with serving("plain", server={"cors_origins": [HERE]}) as rig:
        answers = [
            rig.post(chat(), origin=HERE),
            rig.post(chat(stream=True), origin=HERE),
            rig.post(b"{", origin=HERE),
            rig.post(chat(), origin=HERE, authorization="Bearer wrong"),
            rig.get("/v1/models", origin=HERE),
            rig.get("/v1/models/none", origin=HERE),
            rig.get("/", origin=HERE),
            rig.get(CHAT, origin=HERE),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 400, 401, 200, 404, 503, 405]
        for answer in answers:
            assert answer.headers["access-control-allow-origin"] == HERE
            assert "x-generation-id" in answer.headers["access-control-expose-headers"].lower()


def test_options_without_a_preflight_is_an_ordinary_request() -> None:
    with serving("plain", server={"cors_origins": [HERE]}) as rig, rig.client() as client:
        answer = client.options(CHAT, headers={"origin": HERE})
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"]
