"""What the libraries of three vendors say to a gateway, each in its own way.

A speaker takes the address of a gateway and the name of a model, does one thing with its library, checks what only the
library can know, and gives back the text that it heard.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import anthropic
import openai
from google import genai
from google.genai import types

Speaker = Callable[[str, str, str], str]
"""Origin, key and model → what was heard."""

HELLO: Final = "Hello there"
ARGUMENTS: Final = {"city": "Paris"}
"""What the scripted provider calls a tool with."""
SCHEMA: Final[dict[str, Any]] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TIMEOUT_S: Final = 60


def openai_client(origin: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{origin}/v1", api_key=key, max_retries=0, timeout=TIMEOUT_S)


def anthropic_client(origin: str, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=origin, api_key=key, max_retries=0, timeout=TIMEOUT_S)


def gemini_client(origin: str, key: str) -> genai.Client:
    """Keep it while it is used: it closes its connections when it is collected."""
    options = types.HttpOptions(base_url=origin, timeout=TIMEOUT_S * 1000)
    return genai.Client(api_key=key, http_options=options)


def chat(origin: str, key: str, model: str) -> str:
    """OpenAI's library, chat."""
    with openai_client(origin, key) as client:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": HELLO}])
    assert answer.usage is not None and answer.usage.total_tokens > 0
    return answer.choices[0].message.content or ""


def chat_streamed(origin: str, key: str, model: str) -> str:
    """OpenAI's library, chat, streamed."""
    with (
        openai_client(origin, key) as client,
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": HELLO}], stream=True
        ) as stream,
    ):
        chunks = list(stream)
    assert chunks[-1].usage is not None
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def completion(origin: str, key: str, model: str) -> str:
    """OpenAI's library, the text API before chat."""
    with openai_client(origin, key) as client:
        return client.completions.create(model=model, prompt=HELLO).choices[0].text


def responses(origin: str, key: str, model: str) -> str:
    """OpenAI's library, responses."""
    with openai_client(origin, key) as client:
        return client.responses.create(model=model, input=HELLO, store=False).output_text


def responses_streamed(origin: str, key: str, model: str) -> str:
    """OpenAI's library, responses, streamed; the library puts the answer together from the events."""
    with openai_client(origin, key) as client, client.responses.stream(model=model, input=HELLO, store=False) as stream:
        numbers = [event.sequence_number for event in stream]
        assert numbers == list(range(len(numbers)))
        return stream.get_final_response().output_text


def messages(origin: str, key: str, model: str) -> str:
    """Anthropic's library."""
    with anthropic_client(origin, key) as client:
        answer = client.messages.create(model=model, max_tokens=100, messages=[{"role": "user", "content": HELLO}])
    assert answer.stop_reason == "end_turn"
    return "".join(block.text for block in answer.content if block.type == "text")


def messages_streamed(origin: str, key: str, model: str) -> str:
    """Anthropic's library, streamed."""
    with (
        anthropic_client(origin, key) as client,
        client.messages.stream(model=model, max_tokens=100, messages=[{"role": "user", "content": HELLO}]) as stream,
    ):
        text = "".join(stream.text_stream)
        assert stream.get_final_message().stop_reason == "end_turn"
    return text


def gemini(origin: str, key: str, model: str) -> str:
    """Google's library."""
    client = gemini_client(origin, key)
    return client.models.generate_content(model=model, contents=HELLO).text or ""


def gemini_streamed(origin: str, key: str, model: str) -> str:
    """Google's library, streamed."""
    client = gemini_client(origin, key)
    stream = client.models.generate_content_stream(model=model, contents=HELLO)
    return "".join(chunk.text or "" for chunk in stream)


def chat_tools(origin: str, key: str, model: str) -> str:
    """A round with a tool: OpenAI's chat, streamed, put together by hand as applications do."""
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    said: list[Any] = [{"role": "user", "content": HELLO}]
    calls: dict[int, dict[str, str]] = {}
    with openai_client(origin, key) as client:
        with client.chat.completions.create(model=model, messages=said, tools=[tool], stream=True) as stream:
            for chunk in stream:
                for choice in chunk.choices:
                    for piece in choice.delta.tool_calls or []:
                        call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                        call["id"] += piece.id or ""
                        if piece.function is not None:
                            call["name"] += piece.function.name or ""
                            call["arguments"] += piece.function.arguments or ""
        (call,) = calls.values()
        assert (call["name"], json.loads(call["arguments"])) == ("weather", ARGUMENTS)
        function = {"name": call["name"], "arguments": call["arguments"]}
        said.append({"role": "assistant", "tool_calls": [{"id": call["id"], "type": "function", "function": function}]})
        said.append({"role": "tool", "tool_call_id": call["id"], "content": "sunny"})
        answer = client.chat.completions.create(model=model, messages=said, tools=[tool])
    return answer.choices[0].message.content or ""


def responses_tools(origin: str, key: str, model: str) -> str:
    """A round with a tool: OpenAI's responses, streamed."""
    tool: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    said: list[Any] = [{"role": "user", "content": HELLO}]
    with openai_client(origin, key) as client:
        with client.responses.stream(model=model, input=said, tools=[tool], store=False) as stream:
            for _ in stream:
                pass
            first = stream.get_final_response()
        (call,) = [item for item in first.output if item.type == "function_call"]
        assert json.loads(call.arguments) == ARGUMENTS
        said += [item.model_dump(exclude_none=True) for item in first.output]
        said.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
        return client.responses.create(model=model, input=said, tools=[tool], store=False).output_text


def messages_tools(origin: str, key: str, model: str) -> str:
    """A round with a tool: Anthropic's messages, streamed."""
    tool: Any = {"name": "weather", "input_schema": SCHEMA}
    said: list[Any] = [{"role": "user", "content": HELLO}]
    with anthropic_client(origin, key) as client:
        with client.messages.stream(model=model, max_tokens=100, messages=said, tools=[tool]) as stream:
            first = stream.get_final_message()
        assert first.stop_reason == "tool_use"
        (call,) = [block for block in first.content if block.type == "tool_use"]
        assert call.input == ARGUMENTS
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        said.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]})
        said.append({"role": "user", "content": [result]})
        answer = client.messages.create(model=model, max_tokens=100, messages=said, tools=[tool])
    return "".join(block.text for block in answer.content if block.type == "text")


def gemini_tools(origin: str, key: str, model: str) -> str:
    """A round with a tool: Google's library, streamed."""
    declared = types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    said: Any = [types.Content(role="user", parts=[types.Part(text=HELLO)])]
    client = gemini_client(origin, key)
    parts: list[types.Part] = []
    for chunk in client.models.generate_content_stream(model=model, contents=said, config=config):
        for candidate in chunk.candidates or []:
            parts += (candidate.content.parts or []) if candidate.content else []
    (call,) = [part.function_call for part in parts if part.function_call]
    assert call.args == ARGUMENTS
    response = types.FunctionResponse(id=call.id, name=call.name, response={"result": "sunny"})
    said += [
        types.Content(role="model", parts=parts),
        types.Content(role="user", parts=[types.Part(function_response=response)]),
    ]
    return client.models.generate_content(model=model, contents=said, config=config).text or ""


SAY: Final[tuple[Speaker, ...]] = (
    chat,
    chat_streamed,
    completion,
    responses,
    responses_streamed,
    messages,
    messages_streamed,
    gemini,
    gemini_streamed,
)
"""Those that say hello and hear it."""

CALL: Final[tuple[Speaker, ...]] = (chat_tools, responses_tools, messages_tools, gemini_tools)
"""Those that have a tool called and tell its result."""

DIALECTS: Final = ("openai", "responses", "anthropic", "gemini", "bedrock", "cohere", "ollama")
"""Every protocol of providers."""

PREFIXES: Final = {"openai": "/v1", "responses": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "cohere": "/v2"}
"""Where the scripted provider speaks them; at its root where nothing is said."""


def configuration(provider: str) -> str:
    """Models ``echo/DIALECT``, ``tool/DIALECT`` and ``embed/DIALECT`` at the scripted provider that listens there."""
    providers = "\n".join(
        f'  {name}: {{base_url: "http://{provider}{PREFIXES.get(name, "")}", dialect: {name}, api_key: upstream}}'
        for name in DIALECTS
    )
    models = "\n".join(
        f'  {what}/{name}: {{provider: {name}, model: "{model}"}}'
        for name in DIALECTS
        for what, model in (("echo", "echo"), ("tool", "tool"), ("embed", "embedding;dim=4"))
    )
    return f"providers:\n{providers}\nmodels:\n{models}\n"
