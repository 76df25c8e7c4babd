"""``debug.echo_upstream_body``: the bodies that were sent, at the beginning of a stream (openrouter.md section 4.9)."""

from __future__ import annotations

import json
from typing import Any

from tests.plane.harness import Rig, chat, provider, scripted, serving, wire
from tests.plane.harness import running as running_with
from tests.plane.test_metadata import RESPONSES, events

ECHO = {"echo_upstream_body": True}


def echoes(chunks: list[Any]) -> list[Any]:
    return [chunk["debug"]["echo_upstream_body"] for chunk in chunks if "debug" in chunk]


def sent(rig: Rig) -> list[Any]:
    """The bodies that the mock received, oldest first."""
    return [json.loads(request["body"]) for request in rig.received()]


def test_d01_the_first_chunk_shows_what_was_sent() -> None:
    with serving("plain;tokens=3") as rig:
        stream = rig.post_stream(chat("Hi", stream=True, temperature=0.5, debug=ECHO, trace={"x": 1}))
        first = stream.chunks[0]
        (received,) = sent(rig)
    assert first["choices"] == []
    assert first["object"] == "chat.completion.chunk"
    assert first["id"] == stream.chunks[1]["id"]
    assert first["debug"]["echo_upstream_body"] == received
    assert received["model"] == "plain;tokens=3"
    assert "debug" not in received
    assert echoes(stream.chunks) == [received]
    assert stream.done
    assert stream.usage["completion_tokens"] == 3


def test_d01_each_attempt_has_its_chunk() -> None:
    with serving("plain;status=500", "plain;status=429", "plain") as rig:
        stream = rig.post_stream(chat(stream=True, debug=ECHO))
        assert [body["model"] for body in echoes(stream.chunks)] == ["plain;status=500", "plain;status=429", "plain"]
        assert echoes(stream.chunks[:3]) == sent(rig)
        assert stream.done


def test_d01_an_echo_shows_a_body_that_was_translated() -> None:
    def make(address: str) -> Any:
        return scripted("plain", address=address, provider={"wires": [wire(address, "anthropic")]})

    with running_with(make) as rig:
        stream = rig.post_stream(chat("Hi", stream=True, debug=ECHO))
        (shown,) = echoes(stream.chunks[:1])
        assert shown == sent(rig)[0]
        assert shown["max_tokens"] > 0


def test_d01_long_pictures_are_told_by_their_length_and_keys_are_not_there() -> None:
    picture = "data:image/png;base64," + "QUJD" * 2000
    content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": "what is it"}]
    with serving("plain") as rig:
        stream = rig.post_stream(
            {
                "model": "test/model",
                "messages": [{"role": "user", "content": content}],
                "stream": True,
                "debug": ECHO,
                "user": "somebody@example.org",
            }
        )
        (shown,) = echoes(stream.chunks)
        assert shown["messages"][0]["content"][0]["image_url"]["url"] == "data:image/png;base64,[… 8000 bytes]"
        # What went to the provider is whole.
        assert sent(rig)[0]["messages"][0]["content"][0]["image_url"]["url"] == picture
        assert "somebody" not in json.dumps(shown)
        assert b"sk-upstream" not in stream.body


def test_d01_the_legacy_completions_have_it_too() -> None:
    with serving("plain") as rig:
        stream = rig.post_stream(
            {"model": "test/model", "prompt": "hi", "stream": True, "debug": ECHO}, "/v1/completions"
        )
        assert stream.chunks[0]["object"] == "text_completion"
        assert len(echoes(stream.chunks)) == 1


def test_d02_responses_have_an_event_of_their_own() -> None:
    for dialect in ("openai", "responses"):

        def make(address: str, dialect: Any = dialect) -> Any:
            return scripted("plain", address=address, provider={"wires": [wire(address, dialect)]})

        with running_with(make) as rig:
            answer = rig.post({"model": "test/model", "input": "hi", "stream": True, "debug": ECHO}, RESPONSES)
            told = events(answer.content)
            (received,) = sent(rig)
        # The one that creates the response comes first, because clients take no other before it.
        assert [event["type"] for event in told[:2]] == ["response.created", "response.debug"]
        assert told[1]["debug"]["echo_upstream_body"] == received
        assert b"event: response.debug\n" in answer.content
        others = [event["sequence_number"] for event in told if event["type"] != "response.debug"]
        assert others == list(range(len(others)))


def test_d03_a_plain_answer_ignores_it() -> None:
    with serving("plain") as rig:
        for path, body in (
            ("/v1/chat/completions", chat(debug=ECHO)),
            (RESPONSES, {"model": "test/model", "input": "hi", "debug": ECHO}),
        ):
            answer = rig.post(body, path)
            assert answer.status_code == 200
            assert "debug" not in answer.json()
        assert all("debug" not in body for body in sent(rig))


def test_d03_a_stream_without_the_wish_has_no_such_chunk() -> None:
    with serving("plain") as rig:
        for debug in ({"echo_upstream_body": False}, {}, None, "true"):
            stream = rig.post_stream(chat(stream=True, debug=debug))
            assert stream.done
            assert echoes(stream.chunks) == []


def test_an_error_before_the_stream_is_an_error() -> None:
    with serving("plain;status=400") as rig:
        answer = rig.post(chat(stream=True, debug=ECHO))
        assert answer.status_code == 400
        assert "debug" not in answer.json()


def test_a_provider_that_takes_openrouters_fields_is_not_asked_to_echo_twice() -> None:
    def make(address: str) -> Any:
        return scripted("plain", address=address, provider={"routing_fields": True})

    assert provider("x:1").routing_fields is False
    with running_with(make) as rig:
        stream = rig.post_stream(chat(stream=True, debug=ECHO))
        assert len(echoes(stream.chunks)) == 1
        assert sent(rig)[0]["debug"] == ECHO
