"""botocore, the parser of AWS itself, judges what the scripted provider says of Bedrock.

Event streams have lengths and checksums that a lenient reader would not look at. Whatever else speaks this dialect to
the tests is only worth something if this client accepts it, and refuses what is broken on purpose.
"""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout._native import Mock

eventstream = pytest.importorskip("botocore.eventstream")
exceptions = pytest.importorskip("botocore.exceptions")

MESSAGES = [{"role": "user", "content": [{"text": "hello there, mock"}]}]
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {}}}}]}
KEY = "AKIAMOCKMOCKMOCKMOCK"


@pytest.fixture(scope="module")
def bedrock(provider: Mock) -> Iterator[Any]:
    """A client of the scripted provider; making one takes a second."""
    from botocore.config import Config
    from botocore.session import Session

    session = Session()
    session.set_credentials(KEY, "secret")
    client = session.create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"http://{provider.address}",
        config=Config(retries={"max_attempts": 0}),
    )
    yield client
    client.close()


def streamed(bedrock: Any, model: str) -> list[dict[str, Any]]:
    answer = bedrock.converse_stream(modelId=model, messages=MESSAGES, toolConfig=TOOLS)
    with closing(answer["stream"]) as stream:
        return list(stream)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [next(iter(event)) for event in events]


def test_a_stream_is_read_to_its_end(bedrock: Any) -> None:
    events = streamed(bedrock, f"tool;auth={KEY};thinking=2;talk=1;tokens=2;prompt=9;cached=4")
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    thoughts = "".join(delta.get("reasoningContent", {}).get("text", "") for delta in deltas)
    said = "".join(delta.get("text", "") for delta in deltas)
    arguments = "".join(delta.get("toolUse", {}).get("input", "") for delta in deltas)
    assert (thoughts, said, json.loads(arguments)) == ("so the ", "the points ", {"city": "Paris"})
    assert kinds(events)[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    usage = events[-1]["metadata"]["usage"]
    assert (usage["inputTokens"], usage["cacheReadInputTokens"], usage["totalTokens"]) == (5, 4, 18)


def test_a_whole_answer_says_the_same(bedrock: Any) -> None:
    answer = bedrock.converse(modelId="tool;thinking=1;calls=2", messages=MESSAGES, toolConfig=TOOLS)
    thought, first, second = answer["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["signature"]
    assert first["toolUse"]["input"] == {"city": "Paris"}
    assert first["toolUse"]["toolUseId"] != second["toolUse"]["toolUseId"]
    assert answer["stopReason"] == "tool_use"


def test_a_wrong_checksum_is_refused(bedrock: Any) -> None:
    with pytest.raises(eventstream.ChecksumMismatch):
        streamed(bedrock, "m;crc=2")


def test_an_exception_inside_a_stream_is_one(bedrock: Any) -> None:
    with pytest.raises(exceptions.EventStreamError, match="gone"):
        streamed(bedrock, "m;error_in=2;message=gone")


def test_a_frame_that_was_cut_is_waited_for_and_never_believed(provider: Mock) -> None:
    def frames(model: str) -> int:
        connection = http.client.HTTPConnection(provider.address, timeout=20)
        connection.request("POST", f"/model/{model}/converse-stream", json.dumps({"messages": MESSAGES}))
        response = connection.getresponse()
        assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
        try:
            body = response.read()
        except http.client.IncompleteRead as error:
            body = error.partial
        connection.close()
        buffer = eventstream.EventStreamBuffer()
        buffer.add_data(body)
        return len(list(buffer))

    # The start, the first block's two tokens and its end, the reason, the usage.
    assert frames("m;tokens=2") == 6
    assert frames("m;tokens=2;cut=3;part=20") == 3


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "ValidationException"), (403, "AccessDeniedException"), (429, "ThrottlingException")],
)
def test_errors_have_the_names_that_clients_look_for(bedrock: Any, status: int, name: str) -> None:
    with pytest.raises(exceptions.ClientError) as caught:
        streamed(bedrock, f"m;status={status}")
    assert caught.value.response["Error"]["Code"] == name


def test_embeddings_are_invoked(bedrock: Any) -> None:
    answer = bedrock.invoke_model(modelId="m;dim=3", body=json.dumps({"inputText": "two words"}))
    with closing(answer["body"]) as body:
        assert json.loads(body.read())["inputTextTokenCount"] == 2
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"] == "2"
