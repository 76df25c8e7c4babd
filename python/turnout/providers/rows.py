"""The list of known providers, one row each.

Facts are from the providers' public documentation, as of the ``CHECKED`` date; they were read, not called. Slugs are
OpenRouter's where it has one, because clients write them in ``provider.order``. A capability that is not known for
sure is "no"; ``stream_usage`` is the exception, because a stream without usage cannot be priced: it is "yes" except
where a provider is known to refuse the field or to send usage without being asked.
"""

# ruff: noqa: E501 — a row is a line, so that the list can be read as a table.

from __future__ import annotations

from typing import Final

import msgspec

CHECKED: Final = "2026-11-22"
"""The day on which the rows were last compared with public documentation."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for everyone who uses this provider."""

    slug: str
    name: str
    """Display name: the ``provider`` field of an answer."""
    base_url: str
    env: tuple[str, ...]
    """Environment variables that may hold the key, in order of preference. Empty: none is looked for."""
    docs: str
    """Where the URL and the authentication are documented."""
    dialect: str = "openai"
    key_optional: bool = False
    """True for a server on one's own machine, which usually asks for no key."""
    stream_usage: bool = True
    """Whether ``stream_options.include_usage`` may be sent."""
    routing_fields: bool = False
    """Whether the gateway's own fields (``provider``, ``models`` …) mean something there."""


def row(slug: str) -> Row | None:
    """The row of this slug, or ``None``."""
    return _BY_SLUG.get(slug)


# fmt: off
ROWS: Final[tuple[Row, ...]] = (
    Row(slug="openai", name="OpenAI", base_url="https://api.openai.com/v1", env=("OPENAI_API_KEY",), docs="https://platform.openai.com/docs/api-reference"),
    Row(slug="openrouter", name="OpenRouter", base_url="https://openrouter.ai/api/v1", env=("OPENROUTER_API_KEY",), docs="https://openrouter.ai/docs/api/reference/overview", routing_fields=True),
    Row(slug="groq", name="Groq", base_url="https://api.groq.com/openai/v1", env=("GROQ_API_KEY",), docs="https://console.groq.com/docs/openai"),
    Row(slug="together", name="Together", base_url="https://api.together.xyz/v1", env=("TOGETHER_API_KEY",), docs="https://docs.together.ai/docs/openai-api-compatibility"),
    Row(slug="fireworks", name="Fireworks", base_url="https://api.fireworks.ai/inference/v1", env=("FIREWORKS_API_KEY",), docs="https://docs.fireworks.ai/tools-sdks/openai-compatibility"),
    Row(slug="deepinfra", name="DeepInfra", base_url="https://api.deepinfra.com/v1/openai", env=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"), docs="https://deepinfra.com/docs/openai_api"),
    Row(slug="deepseek", name="DeepSeek", base_url="https://api.deepseek.com/v1", env=("DEEPSEEK_API_KEY",), docs="https://api-docs.deepseek.com"),
    # Mistral answers 422 (extra_forbidden) to stream_options.include_usage, and sends usage in its last chunk anyway:
    # openai/openai-agents-python#442, 2025-04.
    Row(slug="mistral", name="Mistral", base_url="https://api.mistral.ai/v1", env=("MISTRAL_API_KEY",), docs="https://docs.mistral.ai/api", stream_usage=False),
    Row(slug="xai", name="xAI", base_url="https://api.x.ai/v1", env=("XAI_API_KEY",), docs="https://docs.x.ai/docs/api-reference"),
    Row(slug="cerebras", name="Cerebras", base_url="https://api.cerebras.ai/v1", env=("CEREBRAS_API_KEY",), docs="https://inference-docs.cerebras.ai/resources/openai"),
    # Perplexity puts usage into its chunks unasked, and its reference does not list stream_options.
    Row(slug="perplexity", name="Perplexity", base_url="https://api.perplexity.ai", env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"), docs="https://docs.perplexity.ai/guides/chat-completions-guide", stream_usage=False),
    Row(slug="nebius", name="Nebius", base_url="https://api.tokenfactory.nebius.com/v1", env=("NEBIUS_API_KEY",), docs="https://docs.tokenfactory.nebius.com/api-reference/introduction"),
    Row(slug="novita", name="Novita", base_url="https://api.novita.ai/openai/v1", env=("NOVITA_API_KEY",), docs="https://novita.ai/docs/guides/llm-api"),
    Row(slug="hyperbolic", name="Hyperbolic", base_url="https://api.hyperbolic.xyz/v1", env=("HYPERBOLIC_API_KEY",), docs="https://docs.hyperbolic.xyz/docs/rest-api"),
    Row(slug="sambanova", name="SambaNova", base_url="https://api.sambanova.ai/v1", env=("SAMBANOVA_API_KEY",), docs="https://docs.sambanova.ai/docs/en/features/openai-compatibility"),
    Row(slug="nvidia", name="Nvidia", base_url="https://integrate.api.nvidia.com/v1", env=("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"), docs="https://docs.api.nvidia.com/nim/reference/llm-apis"),
    Row(slug="moonshotai", name="Moonshot AI", base_url="https://api.moonshot.ai/v1", env=("MOONSHOT_API_KEY",), docs="https://platform.moonshot.ai/docs/introduction"),
    Row(slug="z-ai", name="Z.AI", base_url="https://api.z.ai/api/paas/v4", env=("ZAI_API_KEY",), docs="https://docs.z.ai/api-reference/introduction"),
    Row(slug="huggingface", name="Hugging Face", base_url="https://router.huggingface.co/v1", env=("HF_TOKEN",), docs="https://huggingface.co/docs/inference-providers"),
    Row(slug="siliconflow", name="SiliconFlow", base_url="https://api.siliconflow.com/v1", env=("SILICONFLOW_API_KEY",), docs="https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions"),
    Row(slug="chutes", name="Chutes", base_url="https://llm.chutes.ai/v1", env=("CHUTES_API_KEY",), docs="https://chutes.ai/docs"),
    Row(slug="baseten", name="BaseTen", base_url="https://inference.baseten.co/v1", env=("BASETEN_API_KEY",), docs="https://docs.baseten.co/development/model-apis/overview"),
    # Servers on one's own machine, at the port that each listens on when it is told nothing.
    Row(slug="ollama", name="Ollama", base_url="http://127.0.0.1:11434/v1", env=(), docs="https://docs.ollama.com/api/openai-compatibility", key_optional=True),
    Row(slug="vllm", name="vLLM", base_url="http://127.0.0.1:8000/v1", env=(), docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html", key_optional=True),
    Row(slug="llamacpp", name="llama.cpp", base_url="http://127.0.0.1:8080/v1", env=(), docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server", key_optional=True),
    Row(slug="lmstudio", name="LM Studio", base_url="http://127.0.0.1:1234/v1", env=(), docs="https://lmstudio.ai/docs/developer/openai-compat", key_optional=True),
)
# fmt: on

_BY_SLUG: Final = {known.slug: known for known in ROWS}
