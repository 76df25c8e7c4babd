"""An independent server of four protocols behind the gateway: llm-katan, with the libraries of three vendors in front.

The scripted provider was written beside the gateway, so both could be wrong in the same way. llm-katan was not. Its
``echo`` backend needs no model: it says what it was asked, and counts words.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import httpx
import openai
import pytest

from tests.clients.serving import DEADLINE_S, KEY, eventually, free_port, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.serving import Serving

if find_spec("llm_katan") is None:
    pytest.skip("needs llm-katan: pip install llm-katan", allow_module_level=True)
pytest.importorskip("anthropic", reason="needs anthropic: pip install anthropic")
pytest.importorskip("google.genai", reason="needs google-genai: pip install google-genai")

from tests.clients import speakers

UPSTREAM_KEY = "llm-katan-key-0123456789"
WRONG_KEY = "llm-katan-key-9876543210"
NAMES = {"openai": "openai", "anthropic": "anthropic", "gemini": "vertexai", "bedrock": "bedrock"}
"""Its name for each dialect."""
PATHS = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "bedrock": ""}
STREAMED = {"chat_streamed", "responses_streamed", "messages_streamed", "gemini_streamed"}


def is_spoken(speaker: str, dialect: str) -> bool:
    """Whether llm-katan has it: no text API before chat, and what it streams as Bedrock are lines of JSON, not
    messages with checksums."""
    return (speaker, dialect) != ("completion", "openai") and not (speaker in STREAMED and dialect == "bedrock")


SPOKEN = [
    pytest.param(speaker, dialect, id=f"{speaker.__name__}-{dialect}")
    for speaker in speakers.SAY
    for dialect in PATHS
    if is_spoken(speaker.__name__, dialect)
]


@pytest.fixture(scope="module")
def katan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. It refuses every key but ours."""
    home, port = tmp_path_factory.mktemp("llm-katan"), free_port()
    keys = ",".join(f"{name}={UPSTREAM_KEY}" for name in NAMES.values())
    options = ["--model", "tiny", "--backend", "echo", "--host", "127.0.0.1", "--port", str(port)]
    options += ["--providers", ",".join(NAMES.values()), "--validate-keys", "--api-keys", keys]
    options += ["--stats-file", str(home / "stats.json")]
    process = subprocess.Popen(
        [sys.executable, "-c", "from llm_katan.cli import main; main()", *options],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"127.0.0.1:{port}"

    def look() -> bool | None:
        assert process.poll() is None, "llm-katan ended"
        try:
            return httpx.get(f"http://{address}/health", trust_env=False).is_success or None
        except httpx.ConnectError:
            return None

    try:
        eventually(look, "llm-katan answers")
        yield address
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


@pytest.fixture(scope="module")
def gateway(katan: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    lines = ["providers:"]
    for dialect, path in PATHS.items():
        for name, key in ((dialect, UPSTREAM_KEY), (f"{dialect}-locked", WRONG_KEY)):
            lines.append(f'  {name}: {{base_url: "http://{katan}{path}", dialect: {dialect}, api_key: {key}}}')
    lines.append("models:")
    for dialect in PATHS:
        lines.append(f"  katan/{dialect}: {{provider: {dialect}, model: tiny}}")
        lines.append(
            f"  fallback/{dialect}: {{endpoints: [{{provider: {dialect}-locked, model: tiny}},"
            f" {{provider: {dialect}, model: tiny}}]}}"
        )
    lines.append("routing: {policy: order}")
    with serve(tmp_path_factory.mktemp("gateway"), "\n".join(lines) + "\n") as running:
        yield running


@pytest.mark.parametrize(("speaker", "dialect"), SPOKEN)
def test_a_text_is_heard(gateway: Serving, speaker: speakers.Speaker, dialect: str) -> None:
    heard = speaker(gateway.origin, KEY, f"katan/{dialect}")
    assert heard.startswith("[echo]")
    assert heard.rstrip().endswith(speakers.HELLO)


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("speaker", [speakers.chat, speakers.messages], ids=lambda speaker: speaker.__name__)
def test_a_key_that_it_refuses_is_fallen_back_from(gateway: Serving, speaker: speakers.Speaker, dialect: str) -> None:
    assert speaker(gateway.origin, KEY, f"fallback/{dialect}").startswith("[echo]")


def test_what_only_says_that_it_is_an_event_stream_is_an_error(gateway: Serving) -> None:
    with pytest.raises(openai.APIStatusError, match="checksum") as refused:
        speakers.chat_streamed(gateway.origin, KEY, "katan/bedrock")
    assert refused.value.status_code == 502
