"""Servers on one's own machine, at the port that each listens on when it is told nothing.

What they do with data is up to whoever runs them; nothing is sent to anybody else.
"""

from __future__ import annotations

from typing import Final

from turnout.providers.dialect import Quirks, Wire
from turnout.providers.row import Row

_ABLE: Final = Quirks(
    developer_role=True, reasoning="effort", parallel_tool_calls=True, json_schema=True, image_urls=True
)

LOCAL: Final[tuple[Row, ...]] = (
    Row(
        slug="ollama",
        name="Ollama",
        wires=(
            Wire(
                dialect="openai",
                base_url="http://127.0.0.1:11434/v1",
                operations=("chat", "completions", "embeddings"),
                quirks=Quirks(reasoning="effort", json_schema=True),
            ),
            Wire(dialect="ollama", base_url="http://127.0.0.1:11434", operations=("chat", "embed")),
            Wire(dialect="responses", base_url="http://127.0.0.1:11434/v1", operations=("responses",)),
            Wire(dialect="anthropic", base_url="http://127.0.0.1:11434/v1", operations=("messages",)),
        ),
        env=(),
        docs="https://docs.ollama.com/api/openai-compatibility",
        key_optional=True,
    ),
    Row(
        slug="vllm",
        name="vLLM",
        wires=(
            Wire(
                dialect="openai",
                base_url="http://127.0.0.1:8000/v1",
                operations=("chat", "completions", "embeddings", "rerank", "transcriptions", "translations"),
                quirks=_ABLE,
            ),
            Wire(dialect="responses", base_url="http://127.0.0.1:8000/v1", operations=("responses",)),
            Wire(dialect="anthropic", base_url="http://127.0.0.1:8000/v1", operations=("messages", "count_tokens")),
        ),
        env=(),
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        key_optional=True,
    ),
    Row(
        slug="llamacpp",
        name="llama.cpp",
        wires=(
            Wire(
                dialect="openai",
                base_url="http://127.0.0.1:8080/v1",
                operations=("chat", "completions", "embeddings", "rerank"),
                quirks=Quirks(parallel_tool_calls=True, json_schema=True, image_urls=True),
            ),
            Wire(dialect="responses", base_url="http://127.0.0.1:8080/v1", operations=("responses",)),
            Wire(dialect="anthropic", base_url="http://127.0.0.1:8080/v1", operations=("messages", "count_tokens")),
        ),
        env=(),
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        key_optional=True,
    ),
    Row(
        slug="lmstudio",
        name="LM Studio",
        wires=(
            Wire(
                dialect="openai",
                base_url="http://127.0.0.1:1234/v1",
                operations=("chat", "completions", "embeddings"),
                quirks=Quirks(reasoning="effort", json_schema=True),
            ),
            Wire(dialect="responses", base_url="http://127.0.0.1:1234/v1", operations=("responses",)),
            Wire(dialect="anthropic", base_url="http://127.0.0.1:1234/v1", operations=("messages",)),
        ),
        env=(),
        docs="https://lmstudio.ai/docs/developer/openai-compat",
        key_optional=True,
    ),
    Row(
        slug="sglang",
        name="SGLang",
        wires=(
            Wire(
                dialect="openai",
                base_url="http://127.0.0.1:30000/v1",
                operations=("chat", "completions", "embeddings", "rerank"),
                quirks=Quirks(reasoning="effort", parallel_tool_calls=True, json_schema=True, image_urls=True),
            ),
        ),
        env=(),
        docs="https://docs.sglang.ai/basic_usage/openai_api.html",
        key_optional=True,
    ),
)
