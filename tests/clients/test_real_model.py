"""A real model answers through the gateway: SmolLM2 in llama.cpp, as ``make local`` serves it.

What a scripted provider cannot show: tokens that come when they are ready, usage counted by somebody else, a template
that makes text of messages. The model is too small to be right, so nothing here depends on what it says.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from openai import OpenAI

from tests.clients.serving import DEADLINE_S, KEY, serve
from turnout import local
from turnout.local import CONTEXT_LENGTH, KEY_VARIABLE, NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionMessageParam

    from tests.clients.serving import Serving
    from turnout.local import Model

needed = [package for package in (local.SERVER_PACKAGE, local.WEIGHTS_PACKAGE) if find_spec(package) is None]
pytestmark = [
    pytest.mark.skipif(bool(needed), reason=f"needs {', '.join(needed)}: {local.INSTALL}"),
    # It computes on whatever is left of a shared processor.
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with local.running(tmp_path_factory.mktemp("model")) as running:
        yield running


@pytest.fixture(scope="module")
def serving(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    config = local.configuration(model.base_url)
    with serve(tmp_path_factory.mktemp("serving"), config, **{KEY_VARIABLE: model.key}) as running:
        yield running


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[OpenAI]:
    with OpenAI(base_url=serving.base_url, api_key=KEY, max_retries=0, timeout=4 * DEADLINE_S) as made:
        yield made


@pytest.fixture(scope="module")
def direct(model: Model) -> Iterator[OpenAI]:
    with OpenAI(base_url=model.base_url, api_key=model.key, max_retries=0, timeout=4 * DEADLINE_S) as made:
        yield made


def tokens(usage: CompletionUsage | None) -> tuple[int, int, int]:
    assert usage is not None
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


def test_a_plain_answer_is_the_models_own(client: OpenAI, direct: OpenAI, serving: Serving) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Name a city with a railway station."}]
    answers = [
        asked.chat.completions.create(model=name, messages=messages, max_tokens=24, temperature=0, seed=7)
        for asked, name in ((client, local.MODEL), (direct, NAME))
    ]
    ours, theirs = answers
    assert ours.choices[0].message.content == theirs.choices[0].message.content
    assert ours.choices[0].finish_reason == theirs.choices[0].finish_reason
    assert tokens(ours.usage) == tokens(theirs.usage)
    assert ours.model == local.MODEL
    booked = serving.booked(ours.id)
    assert (booked["native_tokens_prompt"], booked["native_tokens_completion"], 0) == (
        *tokens(theirs.usage)[:2],
        booked["total_cost"],
    )
    assert booked["provider_name"] == "llama.cpp"
    assert booked["usage_source"] == "upstream"


def test_a_conversation_of_two_turns_is_streamed_and_booked(client: OpenAI, direct: OpenAI, serving: Serving) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to a train driver."}]
    for question in ("Now say goodbye to her.", None):
        with client.chat.completions.create(
            model=local.MODEL, messages=messages, max_tokens=24, temperature=0, seed=7, stream=True
        ) as stream:
            chunks = list(stream)
        said = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert said
        # It came in pieces, not at the end.
        assert sum(bool(choice.delta.content) for chunk in chunks for choice in chunk.choices) > 3
        (usage,) = [chunk.usage for chunk in chunks if chunk.usage is not None]
        booked = serving.booked(chunks[0].id)
        assert booked["streamed"]
        assert (booked["native_tokens_prompt"], booked["native_tokens_completion"]) == tokens(usage)[:2]
        # The same question without the gateway: the same answer, and as many tokens of each kind.
        with direct.chat.completions.create(
            model=NAME,
            messages=messages,
            max_tokens=24,
            temperature=0,
            seed=7,
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            theirs = list(stream)
        assert said == "".join(choice.delta.content or "" for chunk in theirs for choice in chunk.choices)
        assert tokens(usage) == tokens(theirs[-1].usage)
        if question is not None:
            messages += [{"role": "assistant", "content": said}, {"role": "user", "content": question}]


def test_json_is_enforced_by_the_model_server(client: OpenAI) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
    }
    answer = client.chat.completions.create(
        model=local.MODEL,
        messages=[{"role": "user", "content": "Which city?"}],
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema}},
        max_tokens=32,
    )
    assert answer.choices[0].message.content is not None
    assert '"city"' in answer.choices[0].message.content


def test_a_prompt_that_does_not_fit_is_refused_with_the_models_own_words(client: OpenAI) -> None:
    long = "station " * (2 * CONTEXT_LENGTH)
    with pytest.raises(Exception, match=r"context") as raised:
        client.chat.completions.create(model=local.MODEL, messages=[{"role": "user", "content": long}])
    assert getattr(raised.value, "status_code", None) == 400
