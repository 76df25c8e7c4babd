"""openai-python through the gateway: what its users do, and what they see when it goes wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.clients.conftest import UPSTREAM_KEY
from tests.clients.serving import DEADLINE_S, KEY, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionToolParam

    from tests.clients.serving import Serving
    from turnout._native import Mock

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NEVER = "mock/other;ttft=600000"
"""A model that does not answer within any test's time."""


@pytest.fixture
def client(gateway: Serving, mock: Mock) -> Iterator[OpenAI]:
    """A client that reports each failure at once; ``mock`` has received nothing yet."""
    with OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0, timeout=DEADLINE_S) as made:
        yield made


@pytest.fixture
def direct(mock: Mock) -> Iterator[OpenAI]:
    """A client that talks to the provider itself."""
    with OpenAI(base_url=f"http://{mock.address}/v1", api_key=UPSTREAM_KEY, max_retries=0) as made:
        yield made


def say(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def received(mock: Mock) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = json.loads(mock.received())["requests"]
    return requests


def test_a_chat_is_answered_and_booked(client: OpenAI, gateway: Serving) -> None:
    answer = client.chat.completions.create(model="demo/echo", messages=say("All aboard"))
    assert answer.choices[0].message.content == "All aboard"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "demo/echo"
    assert answer.id.startswith("gen-")
    assert answer.model_extra is not None
    assert answer.model_extra["provider"] == "Mock"
    assert answer.usage is not None
    booked = gateway.booked(answer.id)
    assert booked["native_tokens_prompt"] == answer.usage.prompt_tokens
    assert booked["native_tokens_completion"] == answer.usage.completion_tokens
    # Prompt tokens at one dollar a million, completion tokens at two.
    dollars = (answer.usage.prompt_tokens + 2 * answer.usage.completion_tokens) / 1_000_000
    assert booked["total_cost"] == pytest.approx(dollars, abs=1e-12)
    assert booked["user_agent"].startswith("OpenAI/Python")
    assert not booked["streamed"]


def test_unknown_parameters_reach_the_provider_unchanged(client: OpenAI, mock: Mock) -> None:
    client.chat.completions.create(
        model="demo/echo",
        messages=say("é\u2028\U0001f682"),
        temperature=0.1,
        seed=2**53 + 1,
        extra_body={"top_a": 1e-7, "nested": {"deep": [None, {"kept": True}]}},
    )
    (request,) = received(mock)
    body = json.loads(request["body"])
    assert body["messages"] == say("é\u2028\U0001f682")
    assert (body["temperature"], body["seed"], body["top_a"]) == (0.1, 2**53 + 1, 1e-7)
    assert body["nested"] == {"deep": [None, {"kept": True}]}
    assert body["model"] == "echo"
    assert ["authorization", f"Bearer {UPSTREAM_KEY}"] in [[n.lower(), v] for n, v in request["headers"]]


def test_a_stream_says_the_same_as_the_plain_answer(client: OpenAI, gateway: Serving) -> None:
    text = "Mind the gap between the train and the platform"
    with client.chat.completions.create(model="demo/echo", messages=say(text), stream=True) as stream:
        chunks = list(stream)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == text
    assert {(chunk.id, chunk.created, chunk.model) for chunk in chunks} == {
        (chunks[0].id, chunks[0].created, "demo/echo")
    }
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    # The usage chunk repeats the reason, as OpenRouter's does.
    assert reasons == ["stop", "stop"]
    # The gateway asks for usage even when the client did not, and gives it on exactly one chunk.
    (usage,) = [chunk.usage for chunk in chunks if chunk.usage is not None]
    booked = gateway.booked(chunks[0].id)
    assert booked["streamed"]
    assert booked["native_tokens_completion"] == usage.completion_tokens > 0


def test_usage_asked_for_comes_on_the_last_chunk(client: OpenAI) -> None:
    with client.chat.completions.create(
        model="demo/echo", messages=say("Last call"), stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_the_stream_helper_puts_the_answer_together(client: OpenAI) -> None:
    with client.chat.completions.stream(model="demo/echo", messages=say("One two three")) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == "One two three" == final.choices[0].message.content
    assert len(deltas) > 1
    assert final.usage is not None


def test_a_tool_is_called_and_its_result_answered(client: OpenAI) -> None:
    messages = say("What is the weather in Paris?")
    first = client.chat.completions.create(model="mock/tool", messages=messages, tools=[WEATHER])
    assert first.choices[0].finish_reason == "tool_calls"
    assert first.choices[0].message.tool_calls is not None
    (call,) = first.choices[0].message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})
    messages.append(
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
            ],
        }
    )
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees"})
    second = client.chat.completions.create(model="mock/tool", messages=messages, tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop"
    assert second.choices[0].message.content
    assert not second.choices[0].message.tool_calls


def test_a_streamed_tool_call_is_put_together(client: OpenAI) -> None:
    with client.chat.completions.stream(model="mock/tool", messages=say("Paris?"), tools=[WEATHER]) as stream:
        pieces = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        final = stream.get_final_completion()
    assert "".join(piece.arguments_delta for piece in pieces) == '{"city":"Paris"}'
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls is not None
    (call,) = final.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})


class Station(BaseModel):
    """What a structured answer is parsed into."""

    name: str
    platforms: int


def test_a_structured_answer_is_parsed(client: OpenAI, mock: Mock) -> None:
    said = Station(name="Gare de Lyon", platforms=22).model_dump_json()
    answer = client.chat.completions.parse(model="demo/echo", messages=say(said), response_format=Station)
    assert answer.choices[0].message.parsed == Station(name="Gare de Lyon", platforms=22)
    (request,) = received(mock)
    wanted = json.loads(request["body"])["response_format"]
    assert (wanted["type"], wanted["json_schema"]["strict"]) == ("json_schema", True)


def test_embeddings_are_the_providers_own_numbers(client: OpenAI, direct: OpenAI) -> None:
    inputs = ["signal", "points"]
    through = client.embeddings.create(model="mock/embedding;dim=16", input=inputs)
    straight = direct.embeddings.create(model="embedding;dim=16", input=inputs)
    assert [e.embedding for e in through.data] == [e.embedding for e in straight.data]
    assert [len(e.embedding) for e in through.data] == [16, 16]
    assert [e.index for e in through.data] == [0, 1]
    assert through.usage.prompt_tokens == straight.usage.prompt_tokens


def test_embeddings_in_base64_and_as_numbers_are_equal(client: OpenAI, mock: Mock) -> None:
    numbers = client.embeddings.create(model="mock/embedding", input="signal", encoding_format="float")
    text = client.embeddings.create(model="mock/embedding", input="signal", encoding_format="base64")
    raw: Any = text.data[0].embedding
    unpacked = struct.unpack(f"<{len(numbers.data[0].embedding)}f", base64.b64decode(raw))
    assert list(unpacked) == pytest.approx(numbers.data[0].embedding)
    assert [json.loads(request["body"])["encoding_format"] for request in received(mock)] == ["float", "base64"]


def test_a_text_is_completed_plain_and_streamed(client: OpenAI, direct: OpenAI) -> None:
    plain = client.completions.create(model="mock/text", prompt="Once upon a time")
    assert plain.choices[0].text == direct.completions.create(model="text", prompt="Once").choices[0].text
    with client.completions.create(model="mock/text", prompt="Once upon a time", stream=True) as stream:
        chunks = list(stream)
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == plain.choices[0].text
    assert chunks[0].id.startswith("gen-")


def test_models_are_listed_and_found_by_name_and_alias(client: OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"demo/echo", "demo/fallback", "demo/locked"} <= set(listed)
    found = client.models.retrieve("demo/echo")
    assert found == listed["demo/echo"]
    assert client.models.retrieve("echo").id == "demo/echo"
    assert found.model_extra is not None
    assert found.model_extra["context_length"] == 8192


def test_a_model_that_does_not_exist_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="demo/echo"):
        client.models.retrieve("demo/ecko")


def test_an_unknown_model_is_a_bad_request_that_names_near_ones(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="demo/ecko") as raised:
        client.chat.completions.create(model="demo/ecko", messages=say("Hello"))
    assert "demo/echo" in str(raised.value)


@pytest.mark.parametrize("key", ["sk-test-client-000000000", "not a key"])
def test_a_wrong_key_is_refused_before_the_provider_hears_of_it(gateway: Serving, mock: Mock, key: str) -> None:
    with (
        OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(model="demo/echo", messages=say("Hello"))
    assert received(mock) == []


def test_our_own_wrong_key_is_never_shown_as_the_clients(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        client.chat.completions.create(model="demo/locked", messages=say("Hello"))
    assert raised.value.status_code == 502
    assert "sk-upstream" not in str(raised.value)


@pytest.mark.parametrize("stream", [False, True])
def test_the_providers_refusal_reaches_the_client(client: OpenAI, mock: Mock, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="temperature is too high") as raised:
        client.chat.completions.create(
            model="mock/other;status=400;message=temperature is too high", messages=say("Hello"), stream=stream
        )
    body: Any = raised.value.body
    assert body["metadata"]["provider_name"] == "Mock"
    assert len(received(mock)) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_rate_limit_is_told_with_its_wait(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(
            model="mock/other;status=429;retry_after=7", messages=say("Hello"), stream=stream
        )
    assert raised.value.response.headers["retry-after"] == "7"


def test_the_client_waits_out_a_rate_limit_and_succeeds(client: OpenAI, mock: Mock) -> None:
    patient = client.with_options(max_retries=2)
    answer = patient.chat.completions.create(
        model="mock/echo;status=429;retry_after=1;times=1", messages=say("Patience")
    )
    assert answer.choices[0].message.content == "Patience"
    first, second = received(mock)
    assert second["arrival_ms"] - first["arrival_ms"] >= 1000


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_endpoint_is_followed_by_the_next(client: OpenAI, gateway: Serving, stream: bool) -> None:
    options: dict[str, Any] = {"model": "demo/fallback", "messages": say("Second try")}
    if stream:
        with client.chat.completions.create(stream=True, **options) as opened:
            chunks = list(opened)
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        generation = chunks[0].id
    else:
        answer = client.chat.completions.create(**options)
        text, generation = answer.choices[0].message.content or "", answer.id
    assert text == "Second try"
    attempts = gateway.booked(generation)["provider_responses"]
    assert [attempt["status"] for attempt in attempts] == [500, 200]


def test_a_path_that_does_not_exist_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.jobs.list()


def test_the_raw_response_carries_the_generations_id(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="demo/echo", messages=say("Raw"))
    assert raw.status_code == 200
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.headers["x-generation-id"] == raw.parse().id


def test_a_raw_stream_carries_the_generations_id(client: OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model="demo/echo", messages=say("Raw"), stream=True
    ) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in raw.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[0].removeprefix("data: "))["id"] == raw.headers["x-generation-id"]


def test_a_stream_left_by_its_client_ends_at_the_provider(client: OpenAI, gateway: Serving, mock: Mock) -> None:
    stream = client.chat.completions.create(
        model="mock/other;tokens=100000;pace=20", messages=say("Never mind"), stream=True
    )
    first = next(iter(stream))
    stream.close()
    (request,) = eventually(
        lambda: [r for r in received(mock) if r["client_gone"]] or None, "the provider's connection is closed"
    )
    assert request["events_written"] < 10_000
    booked = gateway.booked(first.id)
    assert booked["cancelled"]
    assert booked["usage_source"] == "estimated"


def test_a_client_that_runs_out_of_patience_ends_the_call_at_the_provider(client: OpenAI, mock: Mock) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(model=NEVER, messages=say("Hello"))
    eventually(lambda: [r for r in received(mock) if r["client_gone"]] or None, "the provider's connection is closed")


BREAKS = ("error_in=5;message=derailed", "cut=5", "rst=5", "garbage=5", "cut=5;part=9")


@pytest.mark.parametrize("fault", BREAKS)
def test_a_stream_that_breaks_later_raises_after_what_was_said(client: OpenAI, gateway: Serving, fault: str) -> None:
    seen: list[ChatCompletionChunk] = []
    with (
        client.chat.completions.create(
            model=f"mock/other;pace=40;{fault}", messages=say("Hello"), stream=True
        ) as stream,
        pytest.raises(openai.APIError, match="derailed" if "derailed" in fault else None) as raised,
    ):
        seen.extend(stream)
    # An error event and not a connection that breaks: the client must be told why.
    assert not isinstance(raised.value, openai.APIConnectionError)
    booked = gateway.booked(seen[0].id)
    assert (booked["status"], booked["finish_reason"]) == (200, "error")
    assert booked["error_type"] == "provider_unavailable"


@pytest.mark.parametrize("fault", BREAKS)
def test_a_stream_that_breaks_at_once_never_looks_whole(client: OpenAI, fault: str) -> None:
    # All of it may be read at once, and then nothing has been written when the fault is seen.
    with pytest.raises(openai.APIError) as raised:
        list(client.chat.completions.create(model=f"mock/other;{fault}", messages=say("Hello"), stream=True))
    assert not isinstance(raised.value, openai.APIConnectionError)


def test_the_async_client_runs_many_requests_at_once(gateway: Serving, mock: Mock) -> None:
    async def one(client: AsyncOpenAI, number: int) -> str:
        text = f"Train number {number} departs"
        if number % 2:
            answer = await client.chat.completions.create(model="demo/echo", messages=say(text))
            return answer.choices[0].message.content or ""
        async with await client.chat.completions.create(model="demo/echo", messages=say(text), stream=True) as stream:
            return "".join([choice.delta.content or "" async for chunk in stream for choice in chunk.choices])

    async def run() -> list[str]:
        async with AsyncOpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0, timeout=DEADLINE_S) as client:
            return await asyncio.gather(*(one(client, number) for number in range(100)))

    assert asyncio.run(run()) == [f"Train number {number} departs" for number in range(100)]


def test_a_cancelled_task_ends_the_call_at_the_provider(gateway: Serving, mock: Mock) -> None:
    async def run() -> None:
        async with AsyncOpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0, timeout=DEADLINE_S) as client:
            task = asyncio.create_task(client.chat.completions.create(model=NEVER, messages=say("Hello")))
            await asyncio.to_thread(eventually, lambda: received(mock) or None, "the request at the provider")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    eventually(lambda: [r for r in received(mock) if r["client_gone"]] or None, "the provider's connection is closed")
