"""``rust/plane/src/place.rs``: every path of every API, with every header in which its clients put their key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import KEY, Rig, endpoint, model, provider, running, snapshot, wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.config.snapshot import Snapshot

TALK: dict[str, Any] = {
    "model": "test/model",
    "messages": [{"role": "user", "content": "Hello there"}],
    "max_tokens": 9,
}
PARTS: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]}
EMBED: dict[str, Any] = {"content": {"parts": [{"text": "a"}]}}

CHATTING: list[tuple[str, dict[str, Any]]] = [
    ("chat/completions", TALK),
    ("completions", {"model": "test/model", "prompt": "a"}),
    ("embeddings", {"model": "test/model", "input": "a"}),
    ("responses", {"model": "test/model", "input": "a"}),
    ("messages", TALK),
    ("messages/count_tokens", TALK),
    ("rerank", {"model": "test/model", "query": "a", "documents": ["a", "b"]}),
    ("images/generations", {"model": "test/model", "prompt": "a"}),
    ("images", {"model": "test/model", "prompt": "a"}),
    ("audio/speech", {"model": "test/model", "input": "a", "voice": "alloy"}),
    ("moderations", {"model": "test/model", "input": "a"}),
]
PLACES = [
    *((f"/v1/{path}", body) for path, body in CHATTING),
    *((f"/api/v1/{path}", body) for path, body in CHATTING),
    ("/anthropic/v1/messages", TALK),
    ("/anthropic/v1/messages/count_tokens", TALK),
    *(
        (f"{prefix}/models/{name}:{action}", body)
        for prefix in ("/v1beta", "/v1", "/api/v1")
        for name in ("test/model", "test%2Fmodel")
        for action, body in (
            ("generateContent", PARTS),
            ("streamGenerateContent", PARTS),
            ("streamGenerateContent?alt=sse", PARTS),
            ("countTokens", PARTS),
            ("embedContent", EMBED),
            ("batchEmbedContents", {"requests": [{"model": "models/test/model", **EMBED}]}),
        )
    ),
]
"""Path → a body that is answered there."""


def make(address: str) -> Snapshot:
    """A provider that can do everything, in its own words or in others'."""
    wires = [
        wire(f"http://{address}/v1", "openai"),
        wire(f"http://{address}/v1", "anthropic"),
        wire(f"http://{address}/v1beta", "gemini"),
    ]
    return snapshot([provider(address, wires=wires)], [model(endpoint(0, "echo"))])


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(make) as rig:
        yield rig


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-goog-api-key", "api-key", "?key"])
def test_a_key_is_taken_wherever_a_client_puts_it(rig: Rig, name: str) -> None:
    with rig.client(headers={}) as client:
        for path, body in PLACES:
            if name == "?key":
                answer = client.post(f"{path}{'&' if '?' in path else '?'}key={KEY}", json=body)
            else:
                value = f"Bearer {KEY}" if name == "authorization" else KEY
                answer = client.post(path, json=body, headers={name: value})
            assert answer.status_code == 200, (path, answer.text)
    assert KEY not in rig.mock.received()


def test_strangers_are_refused_everywhere_in_the_words_of_the_place(rig: Rig) -> None:
    before = rig.counters()
    with rig.client(headers={}) as client:
        for path, body in PLACES:
            for headers in ({}, {"x-api-key": "sk-nobody"}):
                answer = client.post(path, json=body, headers=headers)
                assert answer.status_code == 401, path
                error = answer.json()["error"]
                assert error["message"]
                if "messages" in path:
                    assert (answer.json()["type"], error["type"]) == ("error", "authentication_error")
                elif ":" in path:
                    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")
    assert rig.counters() == before


def test_only_post_makes_a_model_work(rig: Rig) -> None:
    with rig.client() as client:
        for path, _ in PLACES:
            answer = client.get(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS"), path
            assert "POST" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/api/hello", "/anthropic/api/hello", "/anthropic", "/anthropic/"])
def test_clients_that_look_whether_anyone_is_there_find_someone(rig: Rig, path: str) -> None:
    with rig.client(headers={}) as client:
        assert client.get(path).status_code == 200
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert client.post(path, json={}).status_code == 405


@pytest.mark.parametrize("path", ["/v1/responses", "/api/v1/responses"])
def test_a_socket_is_refused_at_once_and_the_connection_lives_on(rig: Rig, path: str) -> None:
    with rig.connect() as connection:
        head = (
            f"GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\nconnection: Upgrade\r\n"
            "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        connection.write(head.encode())
        answer = connection.answer()
        assert answer.status == 404
        assert "POST" in answer.json()["error"]["message"]
        # The client posts next, over the same connection where it can.
        connection.send({"model": "test/model", "input": "Hello there"}, path)
        assert connection.answer().status == 200
