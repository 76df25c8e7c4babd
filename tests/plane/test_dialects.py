"""Every client API against every dialect, through the whole plane: what the provider receives, what the client is told,
what is booked.

The words themselves are the wire crate's (golden files) and the vendors' libraries' business. Here stands what only the
plane as a whole can do: paths, credentials and signatures, choice of protocol, fallback across protocols, errors in the
form of the API that was called, and accounts.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import (
    KEY,
    PRICES,
    UPSTREAM_KEY,
    Rig,
    Upstream,
    answering,
    completion,
    credential,
    endpoint,
    key,
    model,
    plain_answer,
    provider,
    running,
    snapshot,
    wire,
)
from turnout.config import snapshot as written
from turnout.providers.rows import row

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from turnout.ledger.record import Generation

DIALECTS: tuple[written.Dialect, ...] = ("openai", "responses", "anthropic", "gemini", "bedrock", "cohere", "ollama")
APIS = ("chat", "responses", "messages", "gemini")
HOMES: dict[str, written.Dialect] = {
    "chat": "openai",
    "responses": "responses",
    "messages": "anthropic",
    "gemini": "gemini",
}
"""Client API → the dialect with the same words."""

# Words of the mock that are long: an event is then larger than what the gateway reads at once, so what stands some
# events into a stream cannot be in the first read, however slow the machine is.
LONG = "tokens=10;size=70000"


def speaking(*speakers: tuple[written.Dialect, str], **changes: Any) -> Callable[[str], written.Snapshot]:
    """``test/model`` with an endpoint for each dialect and script, each at a provider of its own that is the mock."""
    names = ("first", "second", "third", "fourth")

    def make(address: str) -> written.Snapshot:
        providers = [
            provider(address, name, wires=[wire_at(address, dialect)])
            for name, (dialect, _) in zip(names, speakers, strict=False)
        ]
        endpoints = [endpoint(index, script) for index, (_, script) in enumerate(speakers)]
        return snapshot(providers, [model(*endpoints)], **changes)

    return make


def wire_at(address: str, dialect: written.Dialect) -> written.Wire:
    version = {"cohere": "/v2", "gemini": "/v1beta", "bedrock": "", "ollama": ""}.get(dialect, "/v1")
    return wire(f"http://{address}{version}", dialect)


def path_of(api: str, *, stream: bool = False, name: str = "test/model") -> str:
    if api == "gemini":
        return f"/v1beta/models/{name}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")
    return {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}[api]


def body_for(api: str, text: str = "Hello there", *, stream: bool = False, **members: Any) -> dict[str, Any]:
    """The plainest request of an API."""
    if api == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": text}]}], **members}
    body: dict[str, Any] = {"input": text} if api == "responses" else {"messages": [{"role": "user", "content": text}]}
    if api == "messages":
        body["max_tokens"] = 100
    if stream:
        body["stream"] = True
    return {"model": "test/model", **body, **members}


def ask(rig: Rig, api: str, *, stream: bool = False, text: str = "Hello there", **members: Any) -> httpx.Response:
    return rig.post(body_for(api, text, stream=stream, **members), path_of(api, stream=stream))


def said(api: str, answer: httpx.Response) -> str:
    """The text of a plain answer."""
    body = answer.json()
    if api == "chat":
        return str(body["choices"][0]["message"]["content"])
    if api == "responses":
        (message,) = (item for item in body["output"] if item["type"] == "message")
        return "".join(part["text"] for part in message["content"])
    if api == "messages":
        return "".join(block["text"] for block in body["content"] if block["type"] == "text")
    return "".join(part["text"] for part in body["candidates"][0]["content"]["parts"])


def events(answer: httpx.Response) -> list[Any]:
    """The data of a stream, without the mark that ends some."""
    lines = (line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: "))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def said_in(api: str, answer: httpx.Response) -> str:
    """The text of a stream."""
    text = ""
    for event in events(answer):
        if api == "chat":
            for choice in event.get("choices", []):
                text += choice["delta"].get("content") or ""
        elif api == "responses":
            text += event["delta"] if event["type"] == "response.output_text.delta" else ""
        elif api == "messages":
            text += event["delta"].get("text", "") if event["type"] == "content_block_delta" else ""
        else:
            for candidate in event.get("candidates", []):
                text += "".join(part.get("text", "") for part in candidate.get("content", {}).get("parts", []))
    return text


def headers_of(request: dict[str, Any]) -> dict[str, str]:
    return dict(request["headers"])


# What arrives


@pytest.mark.parametrize(
    ("dialect", "path", "streamed"),
    [
        ("openai", "/v1/chat/completions", ("/v1/chat/completions", "")),
        ("responses", "/v1/responses", ("/v1/responses", "")),
        ("anthropic", "/v1/messages", ("/v1/messages", "")),
        (
            "gemini",
            "/v1beta/models/echo%3Bprompt%3D1:generateContent",
            ("/v1beta/models/echo%3Bprompt%3D1:streamGenerateContent", "alt=sse"),
        ),
        ("bedrock", "/model/echo%3Bprompt%3D1/converse", ("/model/echo%3Bprompt%3D1/converse-stream", "")),
        ("cohere", "/v2/chat", ("/v2/chat", "")),
        ("ollama", "/api/chat", ("/api/chat", "")),
    ],
)
def test_every_api_reaches_every_dialect(dialect: written.Dialect, path: str, streamed: tuple[str, str]) -> None:
    with running(speaking((dialect, "echo;prompt=1"))) as rig:
        for api in APIS:
            plain = ask(rig, api)
            assert (plain.status_code, said(api, plain)) == (200, "Hello there"), (api, plain.text)
            stream = ask(rig, api, stream=True)
            assert (stream.status_code, said_in(api, stream)) == (200, "Hello there"), (api, stream.text)
        received = rig.received()
        assert [(request["method"], request["path"], request["query"]) for request in received] == [
            ("POST", path, ""),
            ("POST", *streamed),
        ] * len(APIS)
        for request in received:
            assert headers_of(request)["authorization"] == f"Bearer {UPSTREAM_KEY}"
            assert KEY not in json.dumps(request)
        booked = rig.booked(2 * len(APIS))
        assert [generation.api for generation in booked] == [api for api in APIS for _ in range(2)]
        assert {generation.tokens_prompt for generation in booked} == {1}


def test_a_models_name_in_a_path_is_encoded() -> None:
    name = "us.vendor/model-v1:0;tokens=1"

    def make(address: str) -> written.Snapshot:
        wires = [wire_at(address, "bedrock"), wire_at(address, "gemini")]
        pinned: list[written.Dialect] = ["bedrock", "gemini"]
        models = [model(endpoint(0, name, dialect=dialect), slug=f"test/{dialect}") for dialect in pinned]
        return snapshot([provider(address, wires=wires)], models)

    with running(make) as rig:
        for dialect in ("bedrock", "gemini"):
            answer = ask(rig, "chat", model=f"test/{dialect}")
            assert answer.status_code == 200, answer.text
        encoded = "us.vendor%2Fmodel-v1%3A0%3Btokens%3D1"
        assert [request["path"] for request in rig.received()] == [
            f"/model/{encoded}/converse",
            f"/v1beta/models/{encoded}:generateContent",
        ]
        assert [generation.upstream_model for generation in rig.booked(2)] == [name, name]


@pytest.mark.parametrize(
    ("scheme", "name", "value"),
    [
        ("header", "x-api-key", "k-1"),
        ("header", "x-goog-api-key", "k-1"),
        ("header", "api-key", "k-1"),
        ("query", "key", "k-1"),
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_a_credential_stands_where_its_provider_wants_it(
    dialect: written.Dialect, scheme: str, name: str, value: str
) -> None:
    def make(address: str) -> written.Snapshot:
        credentials = [credential(scheme=scheme, name=name, value=value)]
        ours = provider(address, wires=[wire_at(address, dialect)], credentials=credentials)
        return snapshot([ours], [model(endpoint(0, "echo"))])

    with running(make) as rig:
        for stream in (False, True):
            assert ask(rig, "chat", stream=stream).status_code == 200
        for request in rig.received():
            assert "authorization" not in headers_of(request)
            if scheme == "query":
                assert f"key={value}" in request["query"].split("&")
            else:
                assert headers_of(request)[name] == value
                assert value not in request["query"]
        if dialect == "gemini":
            # A credential in the query does not push out the path's own.
            assert "alt=sse" in rig.received()[1]["query"].split("&")


@pytest.mark.parametrize("token", [None, "a/session+token=="])
def test_a_signature_is_what_botocore_makes_of_the_same_request(token: str | None) -> None:
    auth = pytest.importorskip("botocore.auth")
    aws = pytest.importorskip("botocore.awsrequest")
    credentials = pytest.importorskip("botocore.credentials")
    identity = written.SigV4(
        access_key_id="AKIDEXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token=token,
        region="eu-central-1",
        service="bedrock",
    )

    def make(address: str) -> written.Snapshot:
        signs = credential(scheme="sigv4", name="", value="", sigv4=identity)
        ours = provider(address, wires=[wire_at(address, "bedrock")], credentials=[signs])
        return snapshot([ours], [model(endpoint(0, "vendor/model-v1:0;tokens=1"))])

    with running(make) as rig:
        for stream in (False, True):
            assert ask(rig, "messages", stream=stream, text="Züge").status_code == 200
        for request in rig.received():
            headers = headers_of(request)
            assert headers["x-amz-content-sha256"] == hashlib.sha256(request["body"].encode()).hexdigest()
            assert headers.get("x-amz-security-token") == token
            algorithm, *fields = headers["authorization"].replace(",", "").split(" ")
            authorization = dict(field.split("=", 1) for field in fields)
            assert algorithm == "AWS4-HMAC-SHA256"
            scope = f"AKIDEXAMPLE/{headers['x-amz-date'][:8]}/eu-central-1/bedrock/aws4_request"
            assert authorization["Credential"] == scope
            names = authorization["SignedHeaders"].split(";")
            assert names == sorted(names)
            assert {"host", "x-amz-date"} <= set(names)
            again = aws.AWSRequest(
                "POST",
                f"http://{headers['host']}{request['path']}",
                data=request["body"].encode(),
                headers={name: headers[name] for name in names if name != "host"},
            )
            again.context["timestamp"] = headers["x-amz-date"]
            known = credentials.Credentials(identity.access_key_id, identity.secret_access_key, token)
            signer = auth.SigV4Auth(known, "bedrock", "eu-central-1")
            to_sign = signer.string_to_sign(again, signer.canonical_request(again))
            assert authorization["Signature"] == signer.signature(to_sign, again)


def test_anthropics_version_is_there_and_the_clients_betas_pass() -> None:
    with running(speaking(("anthropic", "echo"))) as rig:
        for headers in (
            {},
            {"anthropic_beta": "a-1,b-2", "anthropic_version": "2023-06-01"},
            {"x_anthropic_beta": "c-3"},
        ):
            assert rig.post(body_for("messages"), "/v1/messages?beta=true", **headers).status_code == 200
        assert ask(rig, "chat").status_code == 200
        received = [headers_of(request) for request in rig.received()]
        assert {headers["anthropic-version"] for headers in received} == {"2023-06-01"}
        assert [headers.get("anthropic-beta") for headers in received] == [None, "a-1,b-2", "c-3", None]


def test_on_vertex_the_path_names_the_model_and_the_body_the_version() -> None:
    known = row("google-vertex-anthropic")
    assert known is not None
    (there,) = known.wires

    def make(address: str) -> written.Snapshot:
        place = f"http://{address}/v1/projects/p/locations/eu"
        ours = provider(address, wires=[wire(place, "anthropic", paths=dict(there.paths))])
        return snapshot([ours], [model(endpoint(0, "echo;prompt=1"))])

    with running(make) as rig:
        for api in APIS:
            for stream in (False, True):
                answer = ask(rig, api, stream=stream)
                assert answer.status_code == 200, (api, answer.text)
                assert (said_in if stream else said)(api, answer) == "Hello there", api
        for number, request in enumerate(rig.received()):
            verb = "streamRawPredict" if number % 2 == 1 else "rawPredict"
            assert request["path"] == (
                f"/v1/projects/p/locations/eu/publishers/anthropic/models/echo%3Bprompt%3D1:{verb}"
            )
            body = json.loads(request["body"])
            assert body["anthropic_version"] == "vertex-2023-10-16"
            assert "model" not in body
            assert body.get("stream", False) is (number % 2 == 1)
        booked = rig.booked(2 * len(APIS))
        assert {(generation.upstream_model, generation.tokens_prompt) for generation in booked} == {
            ("echo;prompt=1", 1)
        }


def test_betas_of_anthropic_reach_no_other_dialect() -> None:
    with running(speaking(("openai", "echo"))) as rig:
        assert rig.post(body_for("messages"), "/v1/messages", anthropic_beta="a-1").status_code == 200
        (request,) = rig.received()
        assert not [name for name in headers_of(request) if name.startswith("anthropic")]


def test_a_user_has_the_same_name_for_the_same_key_only() -> None:
    other = "sk-test-other-0123456789"
    with running(speaking(("openai", "echo"), keys=[key(), key(other, name="you")])) as rig:
        for secret, user in ((KEY, "ann"), (KEY, "ann"), (KEY, "bob"), (other, "ann")):
            body = body_for("chat", user=user)
            assert rig.post(body, path_of("chat"), authorization=f"Bearer {secret}").status_code == 200
        names = [json.loads(request["body"])["user"] for request in rig.received()]
        assert names[0] == names[1]
        assert len(set(names)) == 3
        assert not {"ann", "bob"} & set(names)
        assert [generation.user for generation in rig.booked(4)] == ["ann", "ann", "bob", "ann"]


def test_a_user_is_no_name_in_anthropics_words_either() -> None:
    with running(speaking(("anthropic", "echo"))) as rig:
        assert ask(rig, "chat", user="ann").status_code == 200
        (request,) = rig.received()
        assert json.loads(request["body"])["metadata"]["user_id"].startswith("user_")
        assert '"ann"' not in request["body"]


# Passing through


@pytest.mark.parametrize("api", APIS)
def test_unknown_members_survive_both_ways(api: str) -> None:
    answers: dict[str, Any] = {
        "chat": completion("Hi"),
        "responses": {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "theirs",
            "output": [
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
                }
            ],
            "usage": {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14},
        },
        "messages": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "theirs",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 4},
        },
        "gemini": {
            "candidates": [
                {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14},
            "modelVersion": "theirs",
        },
    }
    home = HOMES[api]
    odd = {"not_invented_yet": {"deep": [1, 2.50, "é"]}}

    with Upstream(answering(plain_answer(answers[api] | odd))) as upstream:

        def make(address: str) -> written.Snapshot:
            providers = [
                provider(upstream.address, wires=[wire_at(upstream.address, home)]),
                provider(address, "second", wires=[wire_at(address, home)]),
            ]
            models = [model(endpoint(0)), model(endpoint(1, "echo"), slug="test/mock")]
            return snapshot(providers, models)

        with running(make) as rig:
            answer = ask(rig, api)
            assert answer.status_code == 200, answer.text
            assert answer.json()["not_invented_yet"] == odd["not_invented_yet"]
            assert said(api, answer) == "Hi"
            path = path_of(api, name="test/mock")
            assert rig.post(body_for(api) | odd | ({} if api == "gemini" else {"model": "test/mock"}), path).is_success
            assert json.loads(rig.received()[0]["body"])["not_invented_yet"] == odd["not_invented_yet"]
            booked, _ = rig.booked(2)
            assert (booked.tokens_prompt, booked.tokens_completion) == (10, 4)


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "bedrock"])
def test_thought_that_is_not_wanted_is_not_shown_but_paid(dialect: written.Dialect) -> None:
    with running(speaking((dialect, "plain;tokens=2;thinking=3"))) as rig:
        for stream in (False, True):
            shown = ask(rig, "chat", stream=stream)
            hidden = ask(rig, "chat", stream=stream, reasoning={"effort": "low", "exclude": True})
            assert thought_in(shown)
            assert not thought_in(hidden)
            assert said_in("chat", hidden) if stream else said("chat", hidden)
            with_thought, without = rig.booked(2)
            assert with_thought.tokens_completion == without.tokens_completion >= 2


def thought_in(answer: httpx.Response) -> str:
    """The readable thought of a chat answer, plain or streamed."""
    parts = events(answer) if answer.text.startswith("data:") else [answer.json()]
    choices = [choice for part in parts for choice in part["choices"]]
    spoken = [choice.get("delta") or choice.get("message") or {} for choice in choices]
    return "".join(part.get("reasoning") or part.get("reasoning_content") or "" for part in spoken)


# Parameters and limits


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_a_parameter_that_the_endpoint_lacks_is_dropped_unless_it_is_required(dialect: written.Dialect) -> None:
    def make(address: str) -> written.Snapshot:
        ours = provider(address, wires=[wire_at(address, dialect)])
        able = endpoint(0, "echo", parameters=["max_tokens", "temperature"])
        return snapshot([ours], [model(able)])

    with running(make) as rig:
        wish: dict[str, Any] = {"temperature": 0.5, "top_p": 0.25, "max_tokens": 9}
        assert ask(rig, "chat", **wish).status_code == 200
        (request,) = rig.received()
        sent = json.loads(request["body"])
        flat = json.dumps(sent)
        assert "0.5" in flat
        assert "0.25" not in flat
        refused = ask(rig, "chat", **wish, provider={"require_parameters": True})
        assert refused.status_code == 404, refused.text
        assert "top_p" in refused.json()["error"]["message"]
        assert len(rig.received()) == 1


def test_endpoints_that_nothing_was_sent_to_use_up_no_attempt_and_do_not_speak_for_others() -> None:
    def make(address: str) -> written.Snapshot:
        ours = provider(address, wires=[wire_at(address, "anthropic")])
        lacking = [endpoint(0, "echo", parameters=["max_tokens"]) for _ in range(30)]
        able = endpoint(0, "echo", parameters=["max_tokens", "temperature"])
        failing = endpoint(0, "echo;status=500", parameters=["max_tokens", "temperature"])
        return snapshot([ours], [model(*lacking, able), model(failing, *lacking, slug="openai/broken")])

    with running(make) as rig:
        wish: dict[str, Any] = {"temperature": 0.5, "provider": {"require_parameters": True}}
        served = ask(rig, "chat", **wish)
        assert served.status_code == 200, served.text
        assert len(rig.received()) == 1
        broken = ask(rig, "chat", **wish | {"model": "openai/broken"})
        assert broken.status_code == 502, broken.text


def test_who_generates_too_little_is_passed_over() -> None:
    def make(address: str) -> written.Snapshot:
        providers = [
            provider(address, "first", wires=[wire_at(address, "anthropic")]),
            provider(address, "second", wires=[wire_at(address, "gemini")]),
        ]
        return snapshot(
            providers,
            [model(endpoint(0, "echo", completion_tokens_max=50), endpoint(1, "echo", completion_tokens_max=200))],
        )

    with running(make) as rig:
        for api, name in (("chat", "max_tokens"), ("responses", "max_output_tokens"), ("messages", "max_tokens")):
            for limit in (50, 51):
                assert rig.post(body_for(api) | {name: limit}, path_of(api)).status_code == 200
            refused = rig.post(body_for(api) | {name: 201}, path_of(api))
            assert refused.status_code == 404, refused.text
            assert "201" in refused.json()["error"]["message"]
        assert ask(rig, "gemini", generationConfig={"maxOutputTokens": 51}).status_code == 200
        assert ask(rig, "gemini", generationConfig={"maxOutputTokens": 201}).status_code == 404
        booked = rig.booked(7)
        assert [generation.provider_slug for generation in booked] == ["first", "second"] * 3 + ["second"]
        assert {len(generation.attempts) for generation in booked} == {1}
        error = ask(rig, "chat", max_tokens=201).json()["error"]
        assert error["availability"]["code"] == "constraint_filtered"


# The choice of a protocol


def test_a_provider_is_asked_in_the_clients_own_words_where_it_speaks_them() -> None:
    order: tuple[written.Dialect, ...] = ("openai", "anthropic", "gemini", "responses")

    def make(address: str) -> written.Snapshot:
        ours = provider(address, wires=[wire_at(address, dialect) for dialect in order])
        models = [model(endpoint(0, "echo"))]
        models += [model(endpoint(0, "echo", dialect=dialect), slug=f"pinned/{dialect}") for dialect in order]
        return snapshot([ours], models)

    paths = {
        "openai": "/v1/chat/completions",
        "responses": "/v1/responses",
        "anthropic": "/v1/messages",
        "gemini": "/v1beta/models/echo:generateContent",
    }
    with running(make) as rig:
        for api in APIS:
            assert ask(rig, api).status_code == 200
        assert [request["path"] for request in rig.received()] == [paths[HOMES[api]] for api in APIS]
        for dialect in order:
            for api in APIS:
                name = f"pinned/{dialect}"
                body = body_for(api) | ({} if api == "gemini" else {"model": name})
                assert rig.post(body, path_of(api, name=name)).status_code == 200
        pinned = [request["path"] for request in rig.received()[len(APIS) :]]
        assert pinned == [paths[dialect] for dialect in order for _ in APIS]


@pytest.mark.parametrize("fault", ["status=500", "status=529", "empty=1", "drop=1", "cut=0", "garbage=0"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_next_endpoint_may_speak_another_protocol(dialect: written.Dialect, fault: str) -> None:
    other: written.Dialect = "anthropic" if dialect == "openai" else "openai"
    with running(speaking((dialect, f"echo;{fault}"), (other, "echo"))) as rig:
        for api in ("chat", "messages"):
            for stream in (False, True):
                answer = ask(rig, api, stream=stream)
                text = said_in(api, answer) if stream else said(api, answer)
                assert (answer.status_code, text) == (200, "Hello there"), answer.text
                (booked,) = rig.booked()
                assert [attempt.provider for attempt in booked.attempts] == ["first", "second"]
                assert booked.attempts[0].outcome in {"status", "empty", "closed", "malformed"}
                assert (booked.attempts[1].outcome, booked.provider_slug, booked.status) == ("ok", "second", 200)


# Errors


@dataclass(frozen=True)
class Form:
    """How an API says an error: whether a body has its shape, and what is in it."""

    message: str
    code: int | None
    kind: str


def form_of(api: str, body: Any) -> Form:
    """Takes an error apart; fails when it has another API's shape."""
    error = body["error"]
    if api == "messages":
        assert body["type"] == "error"
        assert set(error) >= {"type", "message"}
        return Form(error["message"], None, error["type"])
    if api == "gemini":
        assert set(error) >= {"code", "message", "status"}
        return Form(error["message"], error["code"], error["status"])
    if api == "responses":
        assert error["message"]
        return Form(error["message"], None, str(error["code"]))
    assert set(error) >= {"code", "message", "metadata"}
    return Form(error["message"], error["code"], error["metadata"]["error_type"])


KINDS = {
    # status: chat, messages, gemini
    400: ("invalid_request", "invalid_request_error", "INVALID_ARGUMENT"),
    401: ("authentication", "authentication_error", "UNAUTHENTICATED"),
    413: ("payload_too_large", "request_too_large", None),
    429: ("rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    503: ("provider_overloaded", "overloaded_error", "UNAVAILABLE"),
}


def the_error_is(api: str, answer: httpx.Response, status: int) -> Form:
    # Anthropic's clients know an overloaded provider by a status of Anthropic's own.
    statuses = {status, 529} if api == "messages" and status == 503 else {status}
    assert answer.status_code in statuses, answer.text
    form = form_of(api, answer.json())
    if form.code is not None:
        assert form.code == answer.status_code
    chat, messages, gemini = KINDS[status]
    expected = {"chat": chat, "messages": messages, "gemini": gemini}.get(api)
    if expected is not None:
        assert form.kind == expected
    return form


@pytest.mark.parametrize("api", APIS)
def test_refusals_have_the_form_of_the_api(api: str) -> None:
    limits = {"limits": {"body_bytes_max": 4096}}
    with running(speaking(("openai", "echo"), server=limits)) as rig:
        stranger = rig.post(body_for(api), path_of(api), authorization="Bearer sk-nobody")
        the_error_is(api, stranger, 401)
        name = "no/such-model"
        unknown = rig.post(body_for(api) | ({} if api == "gemini" else {"model": name}), path_of(api, name=name))
        assert name in the_error_is(api, unknown, 400).message
        the_error_is(api, rig.post(b'{"model": "test/model", ', path_of(api)), 400)
        the_error_is(api, rig.post(b"[1]", path_of(api)), 400)
        the_error_is(api, rig.post(body_for(api, "x" * 5000), path_of(api)), 413)
        assert rig.received() == []
        rig.booked(0)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_provider_refuses_is_told_in_the_form_of_the_api(dialect: written.Dialect) -> None:
    faults = (("status=429;retry_after=7", 429), ("status=529", 503), ("status=400;message=bad%20tool", 400))

    def make(address: str) -> written.Snapshot:
        ours = provider(address, wires=[wire_at(address, dialect)])
        return snapshot(
            [ours], [model(endpoint(0, f"echo;{script}"), slug=f"test/{at}") for at, (script, _) in enumerate(faults)]
        )

    with running(make) as rig:
        for api in APIS:
            for at, (_, status) in enumerate(faults):
                name = f"test/{at}"
                for stream in (False, True):
                    body = body_for(api, stream=stream) | ({} if api == "gemini" else {"model": name})
                    answer = rig.post(body, path_of(api, stream=stream, name=name))
                    form = the_error_is(api, answer, status)
                    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
                    if status == 400:
                        assert "bad tool" in form.message
                    (booked,) = rig.booked()
                    assert (booked.tokens_completion, booked.cost_nano) == (0, 0)


def the_stream_broke(api: str, answer: httpx.Response) -> str:
    """The message of the error event with which a stream of this API ends; fails when it ends otherwise."""
    assert answer.status_code == 200
    last = events(answer)[-1]
    if api == "chat":
        assert last["choices"][0]["finish_reason"] == "error"
        return str(last["error"]["message"])
    if api == "responses":
        assert last["type"] == "response.failed"
        assert last["response"]["status"] == "failed"
        return str(last["response"]["error"]["message"])
    if api == "messages":
        assert answer.text.rstrip().rsplit("\n\n", 1)[-1].startswith("event: error\n")
    return form_of(api, last).message


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_breaks_ends_with_the_apis_own_error_event(dialect: written.Dialect) -> None:
    faults = {"error": "error_in=6;message=oops", "cut": "cut=6", "garbage": "garbage=6"}
    if dialect == "bedrock":
        faults |= {"crc": "crc=6"}
        del faults["garbage"]

    def make(address: str) -> written.Snapshot:
        ours = provider(address, wires=[wire_at(address, dialect)])
        models = [
            model(endpoint(0, f"plain;{LONG};{script}"), endpoint(0, "echo"), slug=f"test/{name}")
            for name, script in faults.items()
        ]
        return snapshot([ours], models)

    with running(make) as rig:
        for api in APIS:
            for fault in faults:
                name = f"test/{fault}"
                body = body_for(api, stream=True) | ({} if api == "gemini" else {"model": name})
                answer = rig.post(body, path_of(api, stream=True, name=name))
                message = the_stream_broke(api, answer)
                if fault == "error":
                    assert "oops" in message
                text = said_in(api, answer)
                assert text, "something was said before it broke"
                (booked,) = rig.booked()
                assert (booked.status, len(booked.attempts), booked.cancelled) == (200, 1, False)
                assert booked.error_type is not None
                assert booked.attempts[0].outcome == {"error": "status", "cut": "closed"}.get(fault, "malformed")
                the_account_is_fair(booked, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_who_leaves_pays_for_what_was_produced(dialect: written.Dialect) -> None:
    with running(speaking((dialect, f"plain;{LONG};stall=6"))) as rig:
        for api in APIS:
            with rig.connect() as connection:
                connection.send(body_for(api, stream=True), path_of(api, stream=True))
                assert connection.head()[0] == 200
                connection.read_exactly(100_000)
                connection.reset()
            (booked,) = rig.booked()
            assert (booked.cancelled, booked.status) == (True, 200)
            the_account_is_fair(booked, dialect)
            assert booked.attempts[0].outcome == "cancelled"


def the_account_is_fair(booked: Generation, dialect: str) -> None:
    """What a stream had brought when it ended is counted, and paid for unless it failed (checklist Z01)."""
    if dialect == "gemini":
        # Each of its events counts all the tokens so far.
        assert (booked.usage_source, 1 <= booked.tokens_completion <= 6) == ("upstream", True)
    else:
        # The others count at the end, so that the gateway has to: a quarter of the bytes.
        assert (booked.usage_source, booked.tokens_completion > 10_000) == ("estimated", True)
    if booked.cancelled:
        assert booked.cost_nano >= booked.tokens_completion * PRICES.completion // 1_000_000
    else:
        assert booked.cost_nano == PRICES.request


# Gemini's array


@pytest.mark.parametrize("dialect", DIALECTS)
def test_geminis_array_is_json_also_when_it_is_cut(dialect: written.Dialect) -> None:
    path = "/v1beta/models/{}:streamGenerateContent"

    def make(address: str) -> written.Snapshot:
        ours = provider(address, wires=[wire_at(address, dialect)])
        models = [model(endpoint(0, "echo")), model(endpoint(0, f"plain;{LONG};cut=6"), slug="test/cut")]
        return snapshot([ours], [*models, model(endpoint(0, "echo;status=500"), slug="test/bad")])

    with running(make) as rig:
        whole = rig.post(body_for("gemini"), path.format("test/model"))
        assert whole.headers["content-type"].startswith("application/json")
        parts = whole.json()
        assert isinstance(parts, list)
        text = "".join(p["text"] for part in parts for c in part["candidates"] for p in c["content"].get("parts", []))
        assert text == "Hello there"
        assert parts[-1]["usageMetadata"]["totalTokenCount"] > 0
        cut = rig.post(body_for("gemini"), path.format("test/cut")).json()
        assert len(cut) > 1
        assert "candidates" in cut[0]
        assert form_of("gemini", cut[-1]).code == 502
        bad = rig.post(body_for("gemini"), path.format("test/bad"))
        assert bad.status_code == 502
        refused = bad.json()
        form_of("gemini", refused[0] if isinstance(refused, list) else refused)
        rig.booked(3)


# Counting


COUNTS = {
    "messages": ("/v1/messages/count_tokens", "input_tokens"),
    "gemini": ("/v1beta/models/test/model:countTokens", "totalTokens"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("api", COUNTS)
def test_tokens_are_counted_by_the_provider_or_estimated(api: str, dialect: written.Dialect) -> None:
    path, member = COUNTS[api]
    with running(speaking((dialect, "echo;prompt=77"))) as rig:
        body = body_for(api)
        body.pop("max_tokens", None)
        answer = rig.post(body, path)
        assert answer.status_code == 200, answer.text
        if HOMES[api] == dialect:
            assert answer.json()[member] == 77
            assert "x-turnout-estimated" not in answer.headers
            (request,) = rig.received()
            assert request["path"].endswith(("/count_tokens", ":countTokens"))
            rig.booked()
        else:
            assert 0 < answer.json()[member] < 77
            assert answer.headers["x-turnout-estimated"] == "true"
            assert rig.received() == []
            rig.booked(0)


@pytest.mark.parametrize("api", COUNTS)
def test_tokens_are_estimated_when_the_provider_of_the_protocol_does_not_count(api: str) -> None:
    path, member = COUNTS[api]
    dialect = "anthropic" if api == "messages" else "gemini"
    with running(speaking((dialect, "echo;status=404"))) as rig:
        body = body_for(api)
        body.pop("max_tokens", None)
        answer = rig.post(body, path)
        assert answer.status_code == 200, answer.text
        assert answer.json()[member] > 0
        assert answer.headers["x-turnout-estimated"] == "true"
        assert len(rig.received()) == 1
        (booked,) = rig.booked()
        assert (booked.attempts[0].status, booked.cost_nano) == (404, 0)


def test_who_may_not_ask_may_not_count() -> None:
    with running(speaking(("openai", "echo"))) as rig:
        for api, (path, _) in COUNTS.items():
            answer = rig.post(body_for(api), path, authorization="Bearer sk-nobody")
            the_error_is(api, answer, 401)


# Money


PROMPT, CACHED, WRITTEN, SAID = 100, 40, 20, 5


@pytest.mark.parametrize(
    ("dialect", "prompt", "cached", "stored"),
    [
        ("openai", PROMPT, CACHED, WRITTEN),
        ("responses", PROMPT, CACHED, WRITTEN),
        # These two count cached tokens beside the input and not in it.
        ("anthropic", PROMPT, CACHED, WRITTEN),
        ("bedrock", PROMPT, CACHED, WRITTEN),
        ("gemini", PROMPT, CACHED, 0),
        # Says what it bills, and of the mock's prompt that is what did not come from a cache.
        ("cohere", PROMPT - CACHED, 0, 0),
        ("ollama", PROMPT, 0, 0),
    ],
)
def test_what_is_booked_is_what_the_provider_counted(
    dialect: written.Dialect, prompt: int, cached: int, stored: int
) -> None:
    script = f"plain;tokens={SAID};prompt={PROMPT};cached={CACHED};written={WRITTEN}"
    with running(speaking((dialect, script))) as rig:
        for api in APIS:
            for stream in (False, True):
                members: dict[str, Any] = (
                    {"stream_options": {"include_usage": True}} if api == "chat" and stream else {}
                )
                answer = ask(rig, api, stream=stream, **members)
                (booked,) = rig.booked()
                assert (booked.tokens_prompt, booked.tokens_completion) == (prompt, SAID)
                assert (booked.tokens_cached, booked.tokens_cache_write) == (cached, stored)
                assert booked.usage_source == "upstream"
                cost = (
                    (prompt - cached - stored) * PRICES.prompt
                    + cached * PRICES.cache_read
                    + stored * PRICES.cache_write
                    + SAID * PRICES.completion
                ) // 1_000_000 + PRICES.request
                assert booked.cost_nano == cost
                assert told(api, answer, stream=stream) == (prompt, cached, SAID)


def told(api: str, answer: httpx.Response, *, stream: bool) -> tuple[int, int, int]:
    """What the client is told it used: all of the prompt, cached tokens of it, tokens of the answer."""
    parts = events(answer) if stream else [answer.json()]
    if api == "chat":
        (usage,) = (part["usage"] for part in parts if part.get("usage"))
        details = usage.get("prompt_tokens_details") or {}
        return usage["prompt_tokens"], details.get("cached_tokens") or 0, usage["completion_tokens"]
    if api == "responses":
        usage = (parts[-1]["response"] if stream else parts[-1])["usage"]
        details = usage["input_tokens_details"]
        return usage["input_tokens"], details["cached_tokens"], usage["output_tokens"]
    if api == "gemini":
        usage = parts[-1]["usageMetadata"]
        return usage["promptTokenCount"], usage.get("cachedContentTokenCount", 0), usage["candidatesTokenCount"]
    usage = {}
    for part in parts:
        if part["type"] == "message_start":
            part = part["message"]
        usage |= {name: value for name, value in (part.get("usage") or {}).items() if value is not None}
    # Here what a cache gave or got stands beside the prompt and not in it.
    read, stored = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    return usage["input_tokens"] + read + stored, read, usage["output_tokens"]


@pytest.mark.parametrize(("script", "status"), [("plain", "completed"), ("plain;finish=max_tokens", "incomplete")])
def test_a_response_says_when_it_was_complete_and_only_if_it_was(script: str, status: str) -> None:
    with running(speaking(("anthropic", script))) as rig:
        plain = ask(rig, "responses").json()
        events = ask(rig, "responses", stream=True).text.split("\n\n")
    told = [json.loads(event.partition("data: ")[2]) for event in events if '"response":{' in event]
    first, last = told[0]["response"], told[-1]["response"]
    assert (first["status"], first["completed_at"]) == ("in_progress", None)
    for whole in (plain, last):
        assert whole["status"] == status
        if status == "completed":
            assert whole["created_at"] <= whole["completed_at"] <= time.time()
        else:
            assert whole["completed_at"] is None


@pytest.mark.parametrize(("dialect", "member"), [("anthropic", "metadata"), ("openai", "user"), ("responses", "user")])
def test_q17_the_user_of_the_messages_api_goes_out_as_a_pseudonym(dialect: written.Dialect, member: str) -> None:
    agent = json.dumps({"device_id": "d-1", "account_uuid": "a-1", "session_id": "s-1"})
    with running(speaking((dialect, "plain"))) as rig:
        for user in (agent, agent, "ann"):
            assert ask(rig, "messages", metadata={"user_id": user}).status_code == 200
        bodies = [request["body"] for request in rig.received()]
    told = [json.loads(body)[member] for body in bodies]
    names = [one["user_id"] if member == "metadata" else one for one in told]
    assert names[0] == names[1] != names[2]
    assert all(re.fullmatch("user_[0-9a-f]{32}", name) for name in names)
    assert not any("a-1" in body or "ann" in body for body in bodies)
