"""What a provider found on the web reaches the client: each protocol that searches, in the words of each client API.

Which endpoint can search and how it is asked to stands in ``test_names.py`` (``:online``) and ``test_preferences.py``.
Here the provider answers as its vendor documents, with sources, and the client looks where its own API has them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import Upstream, endpoint, model, plain_answer, provider, read_request, running, snapshot
from tests.plane.test_dialects import APIS, body_for, path_of, wire_at

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from turnout.config import snapshot as written

URL, TITLE = "https://example.org/timetable", "The timetable"
TEXT = "The train leaves at 8:15."
CITED = "8:15"
START = TEXT.index(CITED)
END = START + len(CITED)
DIALECTS: tuple[written.Dialect, ...] = ("openai", "responses", "anthropic", "gemini")
ASKED = {
    "openai": "web_search_options",
    "responses": "web_search",
    "anthropic": "web_search_",
    "gemini": "googleSearch",
}
"""What stands in a request that wants a search."""

# What the providers say

_URL_CITATION = {"url": URL, "title": TITLE, "start_index": START, "end_index": END}
_FLAT = {"type": "url_citation", **_URL_CITATION}
_NESTED = {"type": "url_citation", "url_citation": _URL_CITATION}
_CHAT = {"id": "c-1", "created": 1, "model": "theirs"}
_TOKENS = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


def openai_plain() -> Any:
    message = {"role": "assistant", "content": TEXT, "annotations": [_NESTED]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_CHAT, "object": "chat.completion", "choices": [choice], "usage": _TOKENS}


def openai_stream() -> Iterator[Any]:
    chunk = {**_CHAT, "object": "chat.completion.chunk"}
    for delta, finish in (
        ({"role": "assistant", "content": TEXT}, None),
        ({"annotations": [_NESTED]}, None),
        ({}, "stop"),
    ):
        yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    yield {**chunk, "choices": [], "usage": _TOKENS}


_CALL = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "train"}}


def _message(*parts: Any) -> Any:
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": list(parts)}


_PART = {"type": "output_text", "text": TEXT, "annotations": [_FLAT], "logprobs": []}


def responses_plain() -> Any:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "theirs",
        "output": [_CALL, _message(_PART)],
        "usage": {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14},
    }


def responses_stream() -> Iterator[Any]:
    whole = responses_plain()
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    text = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    empty = {**_PART, "text": "", "annotations": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**_CALL, "status": "in_progress"}},
        {"type": "response.output_item.done", "output_index": 0, "item": _CALL},
        {"type": "response.output_item.added", "output_index": 1, "item": {**_message(), "status": "in_progress"}},
        {"type": "response.content_part.added", **text, "part": empty},
        {"type": "response.output_text.delta", **text, "delta": TEXT},
        {"type": "response.output_text.annotation.added", **text, "annotation_index": 0, "annotation": _FLAT},
        {"type": "response.output_text.done", **text, "text": TEXT},
        {"type": "response.content_part.done", **text, "part": _PART},
        {"type": "response.output_item.done", "output_index": 1, "item": _message(_PART)},
        {"type": "response.completed", "response": whole},
    ]
    yield from ({**event, "sequence_number": number} for number, event in enumerate(events))


_USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "train"}}
_FOUND = {"type": "web_search_result", "url": URL, "title": TITLE, "encrypted_content": "RW5j", "page_age": None}
_RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [_FOUND]}
_LOCATION = {
    "type": "web_search_result_location",
    "url": URL,
    "title": TITLE,
    "encrypted_index": "SW5k",
    "cited_text": CITED,
}


def anthropic_plain() -> Any:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "theirs",
        "content": [_USE, _RESULT, {"type": "text", "text": TEXT, "citations": [_LOCATION]}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 4, "server_tool_use": {"web_search_requests": 1}},
    }


def anthropic_stream() -> Iterator[Any]:
    whole = anthropic_plain()
    yield {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}
    asked = {"type": "input_json_delta", "partial_json": json.dumps(_USE["input"])}
    deltas = [{"type": "text_delta", "text": TEXT}, {"type": "citations_delta", "citation": _LOCATION}]
    blocks: list[tuple[Any, list[Any]]] = [
        ({**_USE, "input": {}}, [asked]),
        (_RESULT, []),
        ({"type": "text", "text": "", "citations": []}, deltas),
    ]
    for index, (block, pieces) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield from ({"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces)
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": whole["usage"],
    }
    yield {"type": "message_stop"}


def gemini_plain() -> Any:
    support = {
        "segment": {"startIndex": START, "endIndex": END, "text": CITED},
        "groundingChunkIndices": [0],
        "confidenceScores": [0.9],
    }
    grounding = {
        "webSearchQueries": ["train"],
        "searchEntryPoint": {"renderedContent": "<div>train</div>"},
        "groundingChunks": [{"web": {"uri": URL, "title": TITLE}}],
        "groundingSupports": [support],
    }
    candidate = {
        "index": 0,
        "content": {"role": "model", "parts": [{"text": TEXT}]},
        "finishReason": "STOP",
        "groundingMetadata": grounding,
    }
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "theirs", "responseId": "r-1"}


def gemini_stream() -> Iterator[Any]:
    whole = gemini_plain()
    (candidate,) = whole["candidates"]
    text = {"index": 0, "content": candidate["content"]}
    yield {**whole, "candidates": [text]}
    end = {**candidate, "content": {"role": "model", "parts": [{"text": ""}]}}
    yield {**whole, "candidates": [end]}


PLAIN = {"openai": openai_plain, "responses": responses_plain, "anthropic": anthropic_plain, "gemini": gemini_plain}
STREAM = {
    "openai": openai_stream,
    "responses": responses_stream,
    "anthropic": anthropic_stream,
    "gemini": gemini_stream,
}


def streamed(dialect: written.Dialect) -> bytes:
    """The provider's stream as it stands on the wire."""
    body = b""
    for event in STREAM[dialect]():
        name = f"event: {event['type']}\n" if dialect in ("responses", "anthropic") else ""
        body += f"{name}data: {json.dumps(event)}\n\n".encode()
    return body + (b"data: [DONE]\n\n" if dialect == "openai" else b"")


# Where each client looks


def sources_of(api: str, body: Any) -> list[tuple[str, str]]:
    """Address and title of each source, as the API's libraries find them in a whole answer."""
    if api == "chat":
        found = body["choices"][0]["message"].get("annotations") or []
        return [(one["url_citation"]["url"], one["url_citation"]["title"]) for one in found]
    if api == "responses":
        parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
        return [(one["url"], one["title"]) for part in parts for one in part["annotations"]]
    if api == "messages":
        blocks = [block for block in body["content"] if block["type"] == "text"]
        return [(one["url"], one["title"]) for block in blocks for one in block.get("citations") or []]
    chunks = body["candidates"][0].get("groundingMetadata", {}).get("groundingChunks", [])
    return [(one["web"]["uri"], one["web"]["title"]) for one in chunks]


def sources_in(api: str, events: list[Any]) -> list[tuple[str, str]]:
    """The same in the events of a stream."""
    if api == "chat":
        deltas = [choice["delta"] for event in events for choice in event["choices"]]
        return [source for delta in deltas for source in sources_of("chat", {"choices": [{"message": delta}]})]
    if api == "responses":
        added = [event for event in events if event["type"] == "response.output_text.annotation.added"]
        told = [(event["annotation"]["url"], event["annotation"]["title"]) for event in added]
        # The whole response at the end has them too.
        assert events[-1]["type"] == "response.completed"
        assert sources_of(api, events[-1]["response"]) == told
        return told
    if api == "messages":
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        cited = [delta["citation"] for delta in deltas if delta["type"] == "citations_delta"]
        return [(citation["url"], citation["title"]) for citation in cited]
    return [source for event in events if event.get("candidates") for source in sources_of("gemini", event)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_n05_the_sources_of_an_online_answer_reach_the_client(
    api: str, dialect: written.Dialect, *, stream: bool
) -> None:
    event_stream = {"content_type": "text/event-stream"}
    told = plain_answer(streamed(dialect), **event_stream) if stream else plain_answer(PLAIN[dialect]())
    received: list[bytes] = []

    def play(connection: socket.socket) -> None:
        while request := read_request(connection):
            received.append(request[2])
            connection.sendall(told)

    def make(address: str) -> written.Snapshot:
        searching = endpoint(parameters=["web_search_options"])
        return snapshot([provider(address, wires=[wire_at(address, dialect)])], [model(searching)])

    name = "test/model:online"
    members = {} if api == "gemini" else {"model": name}
    with Upstream(play) as upstream, running(lambda _: make(upstream.address)) as rig:
        answer = rig.post(body_for(api, stream=stream, **members), path_of(api, stream=stream, name=name))
    assert answer.status_code == 200, answer.text
    assert ASKED[dialect].encode() in received[0]
    if not stream:
        assert sources_of(api, answer.json()) == [(URL, TITLE)]
        return
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert sources_in(api, [json.loads(line) for line in lines if line != "[DONE]"]) == [(URL, TITLE)]
