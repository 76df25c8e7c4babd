"""Frameworks that people build applications with, against a gateway.

``python python.py FRAMEWORK ORIGIN KEY MODEL`` runs one of :data:`FRAMEWORKS`: it has the model call a tool, and prints
what the model says to the result. Run by ``make clients`` in environments of their own, because the frameworks choose
the versions of the vendors' libraries themselves.
"""

from __future__ import annotations

import sys
from typing import Any

HELLO = "Hello there"
SUNNY = "sunny"


def weather(city: str) -> str:
    """The weather of a city."""
    assert city == "Paris", city
    return SUNNY


def _langchain(model: Any) -> str:
    """The loop that LangChain leaves to its user, with the first answer streamed."""
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool

    equipped = model.bind_tools([tool(weather)])
    said: list[Any] = [HumanMessage(HELLO)]
    whole = None
    for chunk in equipped.stream(said):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None and whole.usage_metadata["total_tokens"] > 0
    (call,) = whole.tool_calls
    said += [whole, ToolMessage(weather(**call["args"]), tool_call_id=call["id"])]
    return str(equipped.invoke(said).text)


def langchain_openai(origin: str, key: str, model: str) -> str:
    from langchain_openai import ChatOpenAI

    options: dict[str, Any] = {"api_key": key, "max_retries": 0, "stream_usage": True}
    return _langchain(ChatOpenAI(base_url=f"{origin}/v1", model=model, **options))


def langchain_responses(origin: str, key: str, model: str) -> str:
    from langchain_openai import ChatOpenAI

    options: dict[str, Any] = {"api_key": key, "max_retries": 0, "use_responses_api": True, "store": False}
    return _langchain(ChatOpenAI(base_url=f"{origin}/v1", model=model, **options))


def langchain_anthropic(origin: str, key: str, model: str) -> str:
    from langchain_anthropic import ChatAnthropic

    options: dict[str, Any] = {"api_key": key, "base_url": origin, "max_retries": 0}
    return _langchain(ChatAnthropic(model=model, **options))


def langchain_google(origin: str, key: str, model: str) -> str:
    from langchain_google_genai import ChatGoogleGenerativeAI

    return _langchain(ChatGoogleGenerativeAI(model=model, google_api_key=key, base_url=origin, max_retries=0))


def _pydantic(model: Any) -> str:
    from pydantic_ai import Agent

    return str(Agent(model, tools=[weather]).run_sync(HELLO).output)


def pydantic_openai(origin: str, key: str, model: str) -> str:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return _pydantic(OpenAIChatModel(model, provider=OpenAIProvider(base_url=f"{origin}/v1", api_key=key)))


def pydantic_responses(origin: str, key: str, model: str) -> str:
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return _pydantic(OpenAIResponsesModel(model, provider=OpenAIProvider(base_url=f"{origin}/v1", api_key=key)))


def pydantic_anthropic(origin: str, key: str, model: str) -> str:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    return _pydantic(AnthropicModel(model, provider=AnthropicProvider(base_url=origin, api_key=key)))


def pydantic_google(origin: str, key: str, model: str) -> str:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    return _pydantic(GoogleModel(model, provider=GoogleProvider(base_url=origin, api_key=key)))


def _litellm(model: str, key: str, base: str) -> str:
    import json

    import litellm

    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    said: list[Any] = [{"role": "user", "content": HELLO}]
    where: dict[str, Any] = {"model": model, "api_key": key, "api_base": base, "tools": tools, "num_retries": 0}
    first = litellm.completion(messages=said, **where).choices[0].message
    (call,) = first.tool_calls
    result = weather(**json.loads(call.function.arguments))
    said += [first.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": result}]
    chunks = litellm.completion(messages=said, stream=True, **where)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def litellm_openai(origin: str, key: str, model: str) -> str:
    return _litellm(f"openai/{model}", key, f"{origin}/v1")


def litellm_openrouter(origin: str, key: str, model: str) -> str:
    return _litellm(f"openrouter/{model}", key, f"{origin}/api/v1")


def litellm_anthropic(origin: str, key: str, model: str) -> str:
    return _litellm(f"anthropic/{model}", key, origin)


def instructor_openai(origin: str, key: str, model: str) -> str:
    """A tool call that is the answer: the fields of a class."""
    import instructor
    import openai
    from pydantic import BaseModel

    class Place(BaseModel):
        city: str

    client = instructor.from_openai(openai.OpenAI(base_url=f"{origin}/v1", api_key=key, max_retries=0))
    place = client.chat.completions.create(
        model=model, response_model=Place, max_retries=0, messages=[{"role": "user", "content": HELLO}]
    )
    assert place.city == "Paris", place
    return "the points are set and the line is clear"


FRAMEWORKS = {
    "langchain-openai": langchain_openai,
    "langchain-openai, responses": langchain_responses,
    "langchain-anthropic": langchain_anthropic,
    "langchain-google-genai": langchain_google,
    "pydantic-ai, OpenAI chat": pydantic_openai,
    "pydantic-ai, OpenAI responses": pydantic_responses,
    "pydantic-ai, Anthropic": pydantic_anthropic,
    "pydantic-ai, Google": pydantic_google,
    "litellm, openai/": litellm_openai,
    "litellm, openrouter/": litellm_openrouter,
    "litellm, anthropic/": litellm_anthropic,
    "instructor": instructor_openai,
}
"""Name in the table → what it does."""

if __name__ == "__main__":
    print(FRAMEWORKS[sys.argv[1]](*sys.argv[2:]))
