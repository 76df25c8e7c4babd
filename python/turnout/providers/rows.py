"""The list of known providers, one row each.

Facts are from the providers' public documentation, as of the ``CHECKED`` date; they were read, not called. Slugs are
OpenRouter's where it has one, because clients write them in ``provider.order``.
"""

# ruff: noqa: E501 — a row is a line, so that the list can be read as a table.

from __future__ import annotations

from typing import Final

from turnout.providers.dialect import Quirks, Wire
from turnout.providers.row import Row

CHECKED: Final = "2026-11-22"
"""The day on which the rows were last compared with public documentation."""


def row(slug: str) -> Row | None:
    """The row of this slug, or ``None``."""
    return _BY_SLUG.get(slug)


# fmt: off
ROWS: Final[tuple[Row, ...]] = (
    Row(slug="openai", name="OpenAI", wires=(Wire(dialect="openai", base_url="https://api.openai.com/v1", operations=("chat", "completions", "embeddings")),), env=("OPENAI_API_KEY",), docs="https://platform.openai.com/docs/api-reference"),
    Row(slug="openrouter", name="OpenRouter", wires=(Wire(dialect="openai", base_url="https://openrouter.ai/api/v1", operations=("chat", "completions", "embeddings")),), env=("OPENROUTER_API_KEY",), docs="https://openrouter.ai/docs/api/reference/overview", routing_fields=True),
    Row(slug="groq", name="Groq", wires=(Wire(dialect="openai", base_url="https://api.groq.com/openai/v1", operations=("chat", "completions", "embeddings")),), env=("GROQ_API_KEY",), docs="https://console.groq.com/docs/openai"),
    Row(slug="together", name="Together", wires=(Wire(dialect="openai", base_url="https://api.together.xyz/v1", operations=("chat", "completions", "embeddings")),), env=("TOGETHER_API_KEY",), docs="https://docs.together.ai/docs/openai-api-compatibility"),
    Row(slug="fireworks", name="Fireworks", wires=(Wire(dialect="openai", base_url="https://api.fireworks.ai/inference/v1", operations=("chat", "completions", "embeddings")),), env=("FIREWORKS_API_KEY",), docs="https://docs.fireworks.ai/tools-sdks/openai-compatibility"),
    Row(slug="deepinfra", name="DeepInfra", wires=(Wire(dialect="openai", base_url="https://api.deepinfra.com/v1/openai", operations=("chat", "completions", "embeddings")),), env=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"), docs="https://deepinfra.com/docs/openai_api"),
    Row(slug="deepseek", name="DeepSeek", wires=(Wire(dialect="openai", base_url="https://api.deepseek.com/v1", operations=("chat", "completions", "embeddings")),), env=("DEEPSEEK_API_KEY",), docs="https://api-docs.deepseek.com"),
    # Mistral answers 422 (extra_forbidden) to stream_options.include_usage, and sends usage in its last chunk anyway:
    # openai/openai-agents-python#442, 2025-04.
    Row(slug="mistral", name="Mistral", wires=(Wire(dialect="openai", base_url="https://api.mistral.ai/v1", operations=("chat", "completions", "embeddings"), quirks=Quirks(stream_usage=False)),), env=("MISTRAL_API_KEY",), docs="https://docs.mistral.ai/api"),
    Row(slug="xai", name="xAI", wires=(Wire(dialect="openai", base_url="https://api.x.ai/v1", operations=("chat", "completions", "embeddings")),), env=("XAI_API_KEY",), docs="https://docs.x.ai/docs/api-reference"),
    Row(slug="cerebras", name="Cerebras", wires=(Wire(dialect="openai", base_url="https://api.cerebras.ai/v1", operations=("chat", "completions", "embeddings")),), env=("CEREBRAS_API_KEY",), docs="https://inference-docs.cerebras.ai/resources/openai"),
    # Perplexity puts usage into its chunks unasked, and its reference does not list stream_options.
    Row(slug="perplexity", name="Perplexity", wires=(Wire(dialect="openai", base_url="https://api.perplexity.ai", operations=("chat", "completions", "embeddings"), quirks=Quirks(stream_usage=False)),), env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"), docs="https://docs.perplexity.ai/guides/chat-completions-guide"),
    Row(slug="nebius", name="Nebius", wires=(Wire(dialect="openai", base_url="https://api.tokenfactory.nebius.com/v1", operations=("chat", "completions", "embeddings")),), env=("NEBIUS_API_KEY",), docs="https://docs.tokenfactory.nebius.com/api-reference/introduction"),
    Row(slug="novita", name="Novita", wires=(Wire(dialect="openai", base_url="https://api.novita.ai/openai/v1", operations=("chat", "completions", "embeddings")),), env=("NOVITA_API_KEY",), docs="https://novita.ai/docs/guides/llm-api"),
    Row(slug="hyperbolic", name="Hyperbolic", wires=(Wire(dialect="openai", base_url="https://api.hyperbolic.xyz/v1", operations=("chat", "completions", "embeddings")),), env=("HYPERBOLIC_API_KEY",), docs="https://docs.hyperbolic.xyz/docs/rest-api"),
    Row(slug="sambanova", name="SambaNova", wires=(Wire(dialect="openai", base_url="https://api.sambanova.ai/v1", operations=("chat", "completions", "embeddings")),), env=("SAMBANOVA_API_KEY",), docs="https://docs.sambanova.ai/docs/en/features/openai-compatibility"),
    Row(slug="nvidia", name="Nvidia", wires=(Wire(dialect="openai", base_url="https://integrate.api.nvidia.com/v1", operations=("chat", "completions", "embeddings")),), env=("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"), docs="https://docs.api.nvidia.com/nim/reference/llm-apis"),
    Row(slug="moonshotai", name="Moonshot AI", wires=(Wire(dialect="openai", base_url="https://api.moonshot.ai/v1", operations=("chat", "completions", "embeddings")),), env=("MOONSHOT_API_KEY",), docs="https://platform.moonshot.ai/docs/introduction"),
    Row(slug="z-ai", name="Z.AI", wires=(Wire(dialect="openai", base_url="https://api.z.ai/api/paas/v4", operations=("chat", "completions", "embeddings")),), env=("ZAI_API_KEY",), docs="https://docs.z.ai/api-reference/introduction"),
    Row(slug="huggingface", name="Hugging Face", wires=(Wire(dialect="openai", base_url="https://router.huggingface.co/v1", operations=("chat", "completions", "embeddings")),), env=("HF_TOKEN",), docs="https://huggingface.co/docs/inference-providers"),
    Row(slug="siliconflow", name="SiliconFlow", wires=(Wire(dialect="openai", base_url="https://api.siliconflow.com/v1", operations=("chat", "completions", "embeddings")),), env=("SILICONFLOW_API_KEY",), docs="https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions"),
    Row(slug="chutes", name="Chutes", wires=(Wire(dialect="openai", base_url="https://llm.chutes.ai/v1", operations=("chat", "completions", "embeddings")),), env=("CHUTES_API_KEY",), docs="https://chutes.ai/docs"),
    Row(slug="baseten", name="BaseTen", wires=(Wire(dialect="openai", base_url="https://inference.baseten.co/v1", operations=("chat", "completions", "embeddings")),), env=("BASETEN_API_KEY",), docs="https://docs.baseten.co/development/model-apis/overview"),
    # Servers on one's own machine, at the port that each listens on when it is told nothing.
    Row(slug="ollama", name="Ollama", wires=(Wire(dialect="openai", base_url="http://127.0.0.1:11434/v1", operations=("chat", "completions", "embeddings")),), env=(), docs="https://docs.ollama.com/api/openai-compatibility", key_optional=True),
    Row(slug="vllm", name="vLLM", wires=(Wire(dialect="openai", base_url="http://127.0.0.1:8000/v1", operations=("chat", "completions", "embeddings")),), env=(), docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html", key_optional=True),
    Row(slug="llamacpp", name="llama.cpp", wires=(Wire(dialect="openai", base_url="http://127.0.0.1:8080/v1", operations=("chat", "completions", "embeddings")),), env=(), docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server", key_optional=True),
    Row(slug="lmstudio", name="LM Studio", wires=(Wire(dialect="openai", base_url="http://127.0.0.1:1234/v1", operations=("chat", "completions", "embeddings")),), env=(), docs="https://lmstudio.ai/docs/developer/openai-compat", key_optional=True),
)
# fmt: on

_BY_SLUG: Final = {known.slug: known for known in ROWS}
