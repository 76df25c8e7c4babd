"""An independent judge behind the gateway: llmock plays a provider that fails, watches, and grades what it saw.

Between openai-python and llmock stands the gateway, so the grade is about both: nothing is sent again before its
Retry-After, nothing that cannot succeed is sent twice, no storm of attempts, and no broken stream passes for a whole
one. Faults are queued and the verdict is read over llmock's own HTTP interface.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.clients.serving import DEADLINE_S, KEY, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.serving import Serving

chaos = pytest.importorskip("llmock.chaos", reason="needs llmock: pip install llmock")
testing = pytest.importorskip("llmock.testing", reason="needs llmock: pip install llmock")

TEXT = "The 8:15 to Lyon is on time"


class Judge:
    """One test's view of llmock: what it will do, and what it thinks of what was done."""

    def __init__(self, url: str) -> None:
        self.url = url
        httpx.post(f"{url}/_llmock/reset").raise_for_status()

    def script(self, *behaviors: dict[str, Any]) -> None:
        httpx.post(f"{self.url}/_llmock/scenario", json={"behaviors": behaviors}).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = httpx.get(f"{self.url}/_llmock/requests").json()["requests"]
        return requests

    def findings(self) -> list[str]:
        """Errors and warnings alike; and everything that was queued must have been used."""
        assert httpx.get(f"{self.url}/_llmock/scenario").json()["pending"] == []
        verdict = httpx.get(f"{self.url}/_llmock/verdict").json()
        return [f"{finding['code']}: {finding['title']}" for finding in verdict["findings"]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # Chunks with a pause between them, as from a model. A whole stream in one write would be sent before anyone could
    # stop it at a bad chunk, and the judge takes a stream that was sent to its end for one that was accepted.
    server = testing.LLMockServer().start()
    server.state.stream_chaos = chaos.StreamChaos(chunk_delay_ms=20)
    yield server.url
    server.stop()


@pytest.fixture
def judge(url: str) -> Judge:
    return Judge(url)


@pytest.fixture(scope="module")
def serving(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    config = f"""
providers:
  first: {{base_url: "{url}/v1", api_key: sk-first}}
  second: {{base_url: "{url}/groq/openai/v1", api_key: sk-second}}
  impatient: {{base_url: "{url}/v1", api_key: sk-first, timeouts: {{first_byte: 1s, idle: 1s}}}}
routing: {{policy: order}}
models:
  judged/model: {{provider: first, model: gpt-4o}}
  judged/impatient: {{provider: impatient, model: gpt-4o}}
  judged/fallback:
    endpoints:
      - {{provider: first, model: gpt-4o}}
      - {{provider: second, model: llama-3.3-70b-versatile}}
"""
    with serve(tmp_path_factory.mktemp("judged"), config) as running:
        yield running


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[OpenAI]:
    """The client as it comes, with its own two retries."""
    with OpenAI(base_url=serving.base_url, api_key=KEY, timeout=DEADLINE_S) as made:
        yield made


def ask(client: OpenAI, model: str = "judged/model") -> str | None:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": TEXT}])
    return answer.choices[0].message.content


def listen(client: OpenAI, judge: Judge, model: str = "judged/model") -> str:
    """Streams, and does what a careful application does: when the stream breaks, it starts again.

    Not before the judge has seen the end of the broken one, though: it takes requests that overlap for two calls, and
    then nobody has come back for the first.
    """
    for _ in range(3):
        try:
            with client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": TEXT}], stream=True
            ) as stream:
                return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
        except openai.APIError:
            judge.requests()  # Waits for those that are still being served.
    raise AssertionError("three streams broke")


@pytest.mark.parametrize("stream", [False, True])
def test_a_rate_limit_is_waited_out(client: OpenAI, judge: Judge, stream: bool) -> None:
    judge.script({"type": "fail", "status": 429, "retry_after": 1, "times": 2})
    assert listen(client, judge) if stream else ask(client)
    assert [request["status"] for request in judge.requests()] == [429, 429, 200]
    assert judge.findings() == []


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_provider_that_fails_for_a_moment_is_asked_again(client: OpenAI, judge: Judge, status: int) -> None:
    judge.script({"type": "fail", "status": status})
    assert ask(client)
    assert [request["status"] for request in judge.requests()] == [status, 200]
    assert judge.findings() == []


@pytest.mark.parametrize("status", [400, 401, 403, 422])
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_succeed_is_asked_once(client: OpenAI, judge: Judge, status: int, stream: bool) -> None:
    # A refusal of the gateway's own key is not the client's 401 but a 502, which clients would otherwise repeat.
    judge.script({"type": "fail", "status": status})
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(
            model="judged/model", messages=[{"role": "user", "content": TEXT}], stream=stream
        )
    assert [request["status"] for request in judge.requests()] == [status]
    assert judge.findings() == []


def test_an_outage_ends_after_the_clients_own_retries(client: OpenAI, judge: Judge) -> None:
    judge.script({"type": "fail", "status": 503, "times": 3})
    with pytest.raises(openai.InternalServerError):
        ask(client)
    assert [request["status"] for request in judge.requests()] == [503, 503, 503]
    assert judge.findings() == []


def test_an_outage_is_gone_around_where_there_is_a_second_endpoint(client: OpenAI, judge: Judge) -> None:
    judge.script({"type": "fail", "status": 503, "match": {"provider": "openai"}})
    assert ask(client, "judged/fallback")
    assert [(request["provider"], request["status"]) for request in judge.requests()] == [
        ("openai", 503),
        ("groq", 200),
    ]
    # To the judge these are two calls, since path and model differ; that the first was not repeated is the point.
    assert [finding.partition(":")[0] for finding in judge.findings()] == ["gave_up"]


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_broken_stream_never_passes_for_a_whole_one(client: OpenAI, judge: Judge, kind: str, after: int) -> None:
    # An answer of some seconds, so that a busy machine has the time to stop it.
    judge.script(
        {"type": "stream_fault", "kind": kind, "after_chunks": after}, {"type": "reply", "text": TEXT + " again" * 500}
    )
    text = listen(client.with_options(max_retries=0), judge)
    requests = judge.requests()
    assert len(requests) == 2
    assert judge.findings() == []
    assert text == ask(client)


def test_a_stalled_stream_is_given_up(client: OpenAI, judge: Judge) -> None:
    judge.script({"type": "stream_fault", "kind": "stall", "after_chunks": 3, "stall_seconds": 600})
    assert listen(client.with_options(max_retries=0), judge, "judged/impatient")
    assert judge.requests()[0]["stall_waited"] < DEADLINE_S
    assert judge.findings() == []


def test_a_first_token_that_does_not_come_is_given_up(client: OpenAI, judge: Judge) -> None:
    judge.script({"type": "slow_first_token", "seconds": 600})
    assert listen(client.with_options(max_retries=0), judge, "judged/impatient")
    assert len(judge.requests()) == 2
    assert judge.findings() == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_call_that_is_no_json_comes_through_as_it_is(client: OpenAI, judge: Judge, stream: bool) -> None:
    judge.script({"type": "tool_fault", "kind": "malformed_arguments"})
    tool: Any = {"type": "function", "function": {"name": "trains", "parameters": {"type": "object"}}}
    options: dict[str, Any] = {
        "model": "judged/model",
        "messages": [{"role": "user", "content": "trains"}],
        "tools": [tool],
    }
    if stream:
        with client.chat.completions.create(stream=True, **options) as chunks:
            pieces = [call for c in chunks for choice in c.choices for call in choice.delta.tool_calls or []]
        arguments = "".join(piece.function.arguments or "" for piece in pieces if piece.function)
    else:
        (call,) = client.chat.completions.create(**options).choices[0].message.tool_calls
        arguments = call.function.arguments
    assert len(judge.requests()) == 1
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments)
