"""``rust/plane/src/opaque.rs``: images, speech, transcripts and moderations pass untouched and are booked."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from tests.plane.harness import (
    PRICES,
    Rig,
    Upstream,
    closed_port,
    endpoint,
    model,
    provider,
    read_request,
    running,
    serving,
    snapshot,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence


AUDIO = bytes(range(256)) * 20 + b"\r\n--not the boundary"
IMAGES = "/v1/images/generations"
SPEECH = "/v1/audio/speech"
TRANSCRIPTIONS = "/v1/audio/transcriptions"


def upload(rig: Rig, path: str, fields: Sequence[tuple[str, str]], *, file_first: bool = False) -> httpx.Response:
    """A form with a file and these fields, which come before it unless told otherwise."""
    content, boundary = form(fields, file_first=file_first)
    with rig.client() as client:
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return client.post(path, content=content, headers=rig.headers() | headers)


def form(fields: Sequence[tuple[str, str]], *, file_first: bool = False) -> tuple[bytes, str]:
    boundary = "----boundary-of-a-test"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    file = b"".join(
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n'.encode(),
            b"Content-Type: audio/mpeg\r\n\r\n",
            AUDIO,
            b"\r\n",
        )
    )
    parts.insert(0 if file_first else len(parts), file)
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), boundary


def body_of(request: dict[str, Any]) -> bytes:
    return base64.b64decode(request["body_base64"]) if "body_base64" in request else request["body"].encode()


@pytest.mark.parametrize("path", [IMAGES, "/api/v1/images/generations", "/v1/images", "/api/v1/images"])
def test_an_image_is_asked_for_under_every_path(path: str) -> None:
    with serving("artist") as rig:
        asked = {
            "model": "test/model",
            "prompt": "a red train",
            "n": 2,
            "unknown": [1],
            "provider": {"only": ["first"]},
        }
        answer = rig.post(asked, path)
        assert answer.status_code == 200, answer.text
        (request,) = rig.received()
        assert request["path"] == "/v1/images/generations"
        sent = json.loads(request["body"])
        assert sent == {"model": "artist", "prompt": "a red train", "n": 2, "unknown": [1]}
        assert len(answer.json()["data"]) == 2
        (booked,) = rig.booked()
        assert (booked.api, booked.status, booked.model, booked.upstream_model) == (
            "images",
            200,
            "test/model",
            "artist",
        )
        assert (booked.tokens_prompt, booked.tokens_completion) == (3, 2112)
        assert booked.cost_nano > 0


def test_an_answer_passes_byte_for_byte() -> None:
    usage = b'{"total_tokens":3,"input_tokens":1,"output_tokens":2}'
    body = b'{ "created":1,\r\n"data" : [{"b64_json":"AA=="}], "usage":' + usage + b"}"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json; odd=1\r\ncontent-length: %d\r\n\r\n" % len(body)

    def play(connection: socket.socket) -> None:
        while read_request(connection) is not None:
            connection.sendall(head + body)

    def make(_: str) -> Any:
        return snapshot([provider(upstream.address)], [model(endpoint())])

    with Upstream(play) as upstream, running(make) as rig:
        answer = rig.post({"model": "test/model", "prompt": "x"}, IMAGES)
        assert (answer.content, answer.headers["content-type"]) == (body, "application/json; odd=1")
        assert answer.headers["x-generation-id"] == rig.booked()[0].id


def test_images_are_charged_by_the_piece_where_there_are_no_tokens() -> None:
    prices = msgspec.structs.replace(PRICES, image=1_000_000, request=0)

    def make(address: str) -> Any:
        return snapshot([provider(address)], [model(endpoint(0, "artist;usage=absent", prices=prices))])

    with running(make) as rig:
        assert rig.post({"model": "test/model", "prompt": "x", "n": 3}, IMAGES).status_code == 200
        (booked,) = rig.booked()
        assert (booked.cost_nano, booked.usage_source) == (3_000_000, "estimated")


@pytest.mark.parametrize(
    "wish",
    [{"size": "1024x1024", "aspect_ratio": "16:9"}, {"size": "1024x1024", "resolution": "4K"}],
    ids=["aspect", "resolution"],
)
def test_sizes_that_contradict_each_other_are_refused_before_anything_is_sent(wish: dict[str, str]) -> None:
    with serving("artist") as rig:
        answer = rig.post({"model": "test/model", "prompt": "x", **wish}, IMAGES)
        assert answer.status_code == 400
        assert "size" in answer.json()["error"]["message"]
        assert rig.received() == []


def test_the_events_of_an_image_pass_and_the_last_one_is_booked() -> None:
    with serving("artist") as rig:
        asked = {"model": "test/model", "prompt": "a red train", "stream": True, "partial_images": 2}
        answer = rig.post(asked, IMAGES)
        assert answer.headers["content-type"].startswith("text/event-stream")
        names = [line for line in answer.text.splitlines() if line.startswith("event: ")]
        assert names == ["event: image_generation.partial_image"] * 2 + ["event: image_generation.completed"]
        assert json.loads(rig.received()[0]["body"])["stream"] is True
        (booked,) = rig.booked()
        assert (booked.tokens_prompt, booked.tokens_completion) == (3, 1056)


def test_a_stream_of_events_that_breaks_ends_with_an_error_event() -> None:
    with serving("artist;pace=0;cut=1") as rig:
        asked = {"model": "test/model", "prompt": "x", "stream": True, "partial_images": 2}
        answer = rig.post(asked, IMAGES)
        assert answer.status_code == 200
        *_, event, done = (line for line in answer.text.splitlines() if line.startswith("data: "))
        error = json.loads(event.removeprefix("data: "))
        assert (error["type"], error["error"]["code"], done) == ("error", 502, "data: [DONE]")
        assert rig.booked()[0].error_type is not None


@pytest.mark.parametrize("format", ["mp3", "pcm", "wav"])
def test_speech_is_bytes_with_the_providers_type(format: str) -> None:
    prices = msgspec.structs.replace(PRICES, character=15_000_000_000, request=0)

    def make(address: str) -> Any:
        return snapshot([provider(address)], [model(endpoint(0, "voice;seconds=3", prices=prices))])

    with running(make) as rig:
        asked = {"model": "test/model", "input": "Züge fahren", "voice": "alloy", "response_format": format}
        answer = rig.post(asked, SPEECH)
        assert answer.headers["content-type"] == {"mp3": "audio/mpeg"}.get(format, f"audio/{format}")
        assert answer.content == bytes(index % 256 for index in range(3000))
        (booked,) = rig.booked()
        # Eleven characters at 15 dollars per million.
        assert (booked.api, booked.cost_nano) == ("speech", 165_000)


def test_long_speech_comes_in_parts() -> None:
    with serving("voice;seconds=500;split=9973") as rig:
        answer = rig.post({"model": "test/model", "input": "x", "voice": "alloy"}, SPEECH)
        assert len(answer.content) == 500_000
        assert answer.headers.get("transfer-encoding") == "chunked"
        rig.booked()


def test_bytes_that_break_are_never_taken_for_the_whole() -> None:
    with serving("voice;seconds=400;split=9973;cut=200000", "voice;seconds=1") as rig:
        with pytest.raises(httpx.RemoteProtocolError):
            rig.post({"model": "test/model", "input": "x", "voice": "alloy"}, SPEECH)
        (booked,) = rig.booked()
        assert (booked.status, booked.error_type is not None, len(booked.attempts)) == (200, True, 1)


@pytest.mark.parametrize("script", ["status=500", "status=429", "status=503", "status=401", "error_in=0"])
def test_until_the_first_byte_the_next_endpoint_is_tried(script: str) -> None:
    with serving(f"artist;{script}", "artist") as rig:
        answer = rig.post({"model": "test/model", "prompt": "x"}, IMAGES)
        assert answer.status_code == 200, answer.text
        (booked,) = rig.booked()
        assert [attempt.provider for attempt in booked.attempts] == ["first", "second"]
        assert [json.loads(request["body"])["model"].split(";")[0] for request in rig.received()] == ["artist"] * 2


@pytest.mark.parametrize("script", ["drop=1", "empty=1", "garbage=0", "cut=10", "status=504", "latency=60000"])
def test_what_may_have_been_made_is_not_made_twice(script: str) -> None:
    with serving(f"artist;{script}", "artist", provider={"timeouts": {"first_byte_ms": 400}}) as rig:
        answer = rig.post({"model": "test/model", "prompt": "x"}, IMAGES)
        assert answer.status_code in (502, 504), answer.text
        (booked,) = rig.booked()
        assert [attempt.provider for attempt in booked.attempts] == ["first"]


def test_what_was_never_sent_is_sent_elsewhere() -> None:
    def make(address: str) -> Any:
        nowhere = f"127.0.0.1:{closed_port()}"
        return snapshot([provider(nowhere), provider(address, "second")], [model(endpoint(), endpoint(1, "artist"))])

    with running(make) as rig:
        assert rig.post({"model": "test/model", "prompt": "x"}, IMAGES).status_code == 200


@pytest.mark.parametrize("file_first", [False, True], ids=["model-first", "file-first"])
def test_a_form_passes_with_its_model_changed(file_first: bool) -> None:
    with serving("ears;tokens=2") as rig:
        fields = [("model", "test/model"), ("language", "de"), ("timestamp_granularities[]", "word")]
        answer = upload(rig, TRANSCRIPTIONS, fields, file_first=file_first)
        assert answer.json()["text"] == "the points "
        (request,) = rig.received()
        expected, boundary = form([("model", "ears;tokens=2"), *fields[1:]], file_first=file_first)
        assert body_of(request) == expected
        assert ["content-type", f"multipart/form-data; boundary={boundary}"] in request["headers"]
        (booked,) = rig.booked()
        assert (booked.api, booked.tokens_prompt, booked.model_requested) == ("transcriptions", 20, "test/model")


def test_a_form_is_sent_again_to_the_next_endpoint() -> None:
    with serving("ears;status=503", "ears;tokens=1") as rig:
        assert upload(rig, TRANSCRIPTIONS, [("model", "test/model")]).json()["text"] == "the "
        first, second = rig.received()
        assert body_of(first).replace(b"status=503", b"tokens=1") == body_of(second)


def test_seconds_of_audio_are_booked() -> None:
    prices = msgspec.structs.replace(PRICES, second=100_000, request=0)

    def make(address: str) -> Any:
        return snapshot([provider(address)], [model(endpoint(0, "ears;seconds=7", prices=prices))])

    with running(make) as rig:
        assert upload(rig, TRANSCRIPTIONS, [("model", "test/model")]).status_code == 200
        assert rig.booked()[0].cost_nano == 700_000


def test_audio_in_json_becomes_a_form() -> None:
    with serving("ears;tokens=2") as rig:
        audio = {"data": base64.b64encode(AUDIO).decode(), "format": "mp3"}
        answer = rig.post({"model": "test/model", "input_audio": audio, "language": "de"}, TRANSCRIPTIONS)
        assert answer.json()["text"] == "the points "
        body = body_of(rig.received()[0])
        assert AUDIO in body
        assert b'name="model"\r\n\r\nears;tokens=2\r\n' in body
        assert b'name="language"\r\n\r\nde\r\n' in body
        assert rig.post({"model": "test/model", "input_audio": {"data": "%"}}, TRANSCRIPTIONS).status_code == 400


@pytest.mark.parametrize("format", ["srt", "vtt", "text"])
def test_transcripts_that_are_no_json_are_refused(format: str) -> None:
    with serving("ears") as rig:
        fields = [("model", "test/model"), ("response_format", format)]
        assert upload(rig, TRANSCRIPTIONS, fields).status_code == 400
        audio = {"data": base64.b64encode(AUDIO).decode(), "format": "mp3"}
        asked = {"model": "test/model", "input_audio": audio, "response_format": format}
        assert rig.post(asked, TRANSCRIPTIONS).status_code == 400
        assert rig.received() == []


def test_translations_and_edits_take_forms() -> None:
    with serving("all;tokens=1") as rig:
        assert upload(rig, "/v1/audio/translations", [("model", "test/model")]).json() == {"text": "the "}
        fields = [("model", "test/model"), ("prompt", "make it red")]
        edited = upload(rig, "/v1/images/edits", fields).json()
        assert edited["usage"]["input_tokens_details"]["text_tokens"] == 3
        assert [generation.api for generation in rig.booked(2)] == ["translations", "image_edits"]


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"--b\r\n", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data"),
        (b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--', "multipart/form-data; boundary=b"),
        (
            b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n' * 2 + b"--b--",
            "multipart/form-data; boundary=b",
        ),
    ],
    ids=["cut", "no-boundary", "no-model", "two-models"],
)
def test_forms_that_cannot_be_read_are_refused(content: bytes, content_type: str) -> None:
    with serving("ears") as rig, rig.client() as client:
        headers = rig.headers() | {"content-type": content_type}
        answer = client.post(TRANSCRIPTIONS, content=content, headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"]
        assert rig.received() == []


def test_moderations_pass() -> None:
    with serving("judge") as rig:
        answer = rig.post({"model": "test/model", "input": "violence"}, "/v1/moderations")
        assert answer.json()["results"][0]["flagged"] is True
        (booked,) = rig.booked()
        assert (booked.api, booked.usage_source) == ("moderations", "none")


def test_strangers_do_not_get_to_upload() -> None:
    with serving("artist") as rig, rig.client(headers={}) as client:
        assert client.post(IMAGES, json={"model": "test/model", "prompt": "x"}).status_code == 401
        assert client.get(IMAGES).status_code == 405


def test_a_model_of_texts_makes_no_images() -> None:
    def make(address: str) -> Any:
        return snapshot([provider(address)], [model(endpoint(0, "plain", outputs=["text"]))])

    with running(make) as rig:
        answer = rig.post({"model": "test/model", "prompt": "x"}, IMAGES)
        assert (answer.status_code, rig.received()) == (400, [])
