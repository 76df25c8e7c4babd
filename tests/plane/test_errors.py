"""``rust/wire/src/refusal/`` and ``rust/plane/src/failure.rs``: what each kind of failure is called, in each API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plane.harness import (
    Upstream,
    answering,
    chat,
    endpoint,
    model,
    plain_answer,
    provider,
    running,
    serving,
    snapshot,
)

STATUSES = [
    (400, 400, "invalid_request"),
    (401, 502, "provider_unavailable"),
    (402, 502, "provider_unavailable"),
    (403, 502, "provider_unavailable"),
    (404, 404, "not_found"),
    (408, 504, "timeout"),
    (413, 413, "payload_too_large"),
    (422, 422, "unprocessable"),
    (429, 429, "rate_limit_exceeded"),
    (500, 502, "provider_unavailable"),
    (502, 502, "provider_unavailable"),
    (503, 503, "provider_overloaded"),
    (504, 504, "timeout"),
    (529, 503, "provider_overloaded"),
]
MESSAGES = {
    "invalid_request": "invalid_request_error",
    "provider_unavailable": "api_error",
    "not_found": "not_found_error",
    "timeout": "timeout_error",
    "payload_too_large": "request_too_large",
    "unprocessable": "invalid_request_error",
    "rate_limit_exceeded": "rate_limit_error",
    "provider_overloaded": "overloaded_error",
}


@pytest.mark.parametrize(("theirs", "status", "error_type"), STATUSES)
def test_g01_each_status_of_a_provider_has_its_type_in_each_api(theirs: int, status: int, error_type: str) -> None:
    with serving(f"p;status={theirs}") as rig:
        for stream in (False, True):
            error = rig.chat(stream=stream).json()["error"]
            assert (error["code"], error["metadata"]["error_type"]) == (status, error_type)
        body = {"model": "test/model", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        answer = rig.post(body, "/v1/messages")
        assert answer.status_code == status
        assert answer.json()["error"]["error_type"] == error_type
        assert answer.json()["error"]["type"] == MESSAGES[error_type]
        answer = rig.post({"model": "test/model", "input": "x"}, "/v1/responses")
        assert (answer.status_code, answer.json()["error_type"]) == (status, error_type)
        rig.booked(4)


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("context_length_exceeded", "context_length_exceeded"),
        ("string_above_max_length", "string_too_long"),
        ("content_filter", "content_policy_violation"),
        ("invalid_base64_image", "invalid_image"),
        ("failed_to_download_image", "image_download_failed"),
        ("image_too_small", "image_too_small"),
        ("invalid_prompt", "invalid_prompt"),
        ("something_new", "invalid_request"),
    ],
)
def test_g01_a_providers_word_has_its_type(code: str, error_type: str) -> None:
    body = {"error": {"message": "no", "type": "invalid_request_error", "code": code}}
    with Upstream(answering(plain_answer(body, status=400))) as upstream:
        made = snapshot([provider(upstream.address)], [model(endpoint())])
        with running(lambda address: made) as rig:
            error = rig.chat().json()["error"]
            assert (error["code"], error["metadata"]["error_type"]) == (400, error_type)
            # G02: who said it, in which word, and the whole of it.
            assert error["metadata"]["provider_name"] == "First"
            assert error["metadata"]["provider_code"] == code
            assert json.loads(error["metadata"]["raw"]) == body


def test_g02_the_providers_own_body_is_left_out_where_the_operator_says_so() -> None:
    with serving("p;status=500;message=inner", server={"raw_errors": False}) as rig:
        metadata = rig.chat().json()["error"]["metadata"]
        assert "raw" not in metadata
        assert (metadata["provider_name"], metadata["provider_code"]) == ("First", "server_error")


@pytest.mark.parametrize(
    ("scripts", "members", "status", "code", "retryable"),
    [
        (["p"], {"model": "no/such"}, 400, "model_not_found", False),
        (["p"], {"provider": {"only": ["nobody"]}}, 404, None, False),
        (["p;status=404"], {}, 404, "model_unavailable_upstream", False),
        (["p;status=429"], {}, 429, "capacity_exhausted", True),
        (["p;status=503"], {}, 503, "temporarily_unavailable", True),
        (["p;status=500", "p;status=504"], {}, 503, "temporarily_unavailable", True),
    ],
)
def test_g04_why_nobody_serves(
    scripts: list[str], members: dict[str, Any], status: int, code: str | None, retryable: bool
) -> None:
    with serving(*scripts) as rig:
        answer = rig.post({**chat(), **members})
        assert answer.status_code == status
        availability = answer.json()["error"]["availability"]
        assert availability["retryable"] is retryable
        assert availability["requested_models"] == [members.get("model", "test/model")]
        assert code is None or availability["code"] == code


@pytest.mark.parametrize("status", [429, 503])
def test_g09_a_wait_that_a_provider_asks_for_is_passed_on(status: int) -> None:
    with serving(f"p;status={status};retry_after=7") as rig:
        answer = rig.chat()
        assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
        assert answer.json()["error"]["metadata"]["retry_after"] == 7
        assert answer.json()["error"]["availability"]["retry_after"] == 7


def test_g11_earlier_failures_are_listed_without_their_bodies() -> None:
    with serving("p;status=500;message=one", "p;status=429", "p;status=503") as rig:
        previous = rig.chat().json()["error"]["metadata"]["previous_errors"]
        assert [(e["provider"], e["code"], e["status"], e["error_type"]) for e in previous] == [
            ("First", 500, 500, "provider_unavailable"),
            ("Second", 429, 429, "rate_limit_exceeded"),
        ]
        assert all("raw" not in error for error in previous)
