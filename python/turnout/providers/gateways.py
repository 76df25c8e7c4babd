"""Gateways: providers that pass requests on to others.

What happens to the data is up to the one that is reached, so a policy here is only that of the gateway itself and
claims nothing where that would mislead.
"""

from __future__ import annotations

from typing import Final

from turnout.providers.dialect import Quirks, Wire
from turnout.providers.row import Row

GATEWAYS: Final[tuple[Row, ...]] = (
    Row(
        slug="openrouter",
        name="OpenRouter",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://openrouter.ai/api/v1",
                operations=("chat", "completions", "embeddings", "rerank"),
                quirks=Quirks(
                    developer_role=True,
                    reasoning="object",
                    parallel_tool_calls=True,
                    json_schema=True,
                    image_urls=True,
                ),
            ),
            Wire(dialect="responses", base_url="https://openrouter.ai/api/v1", operations=("responses",)),
            Wire(
                dialect="anthropic",
                base_url="https://openrouter.ai/api/v1",
                operations=("messages",),
                quirks=Quirks(image_urls=True, reasoning="thinking"),
            ),
        ),
        env=("OPENROUTER_API_KEY",),
        docs="https://openrouter.ai/docs/api/reference/overview",
        routing_fields=True,
        headquarters="US",
        privacy_url="https://openrouter.ai/privacy",
        terms_url="https://openrouter.ai/terms",
        status_url="https://status.openrouter.ai/",
    ),
    Row(
        slug="vercel",
        name="Vercel AI Gateway",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://ai-gateway.vercel.sh/v1",
                operations=("chat", "embeddings"),
                quirks=Quirks(reasoning="object", json_schema=True, image_urls=True),
            ),
            Wire(dialect="responses", base_url="https://ai-gateway.vercel.sh/v1", operations=("responses",)),
            Wire(dialect="anthropic", base_url="https://ai-gateway.vercel.sh/v1", operations=("messages",)),
        ),
        env=("AI_GATEWAY_API_KEY",),
        docs="https://vercel.com/docs/ai-gateway/openai-compat",
        headquarters="US",
        privacy_url="https://vercel.com/legal/privacy-policy",
        terms_url="https://vercel.com/legal/terms",
        status_url="https://www.vercel-status.com/",
    ),
    Row(
        slug="huggingface",
        name="Hugging Face",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://router.huggingface.co/v1",
                operations=("chat",),
                quirks=Quirks(reasoning="effort", json_schema=True, image_urls=True),
            ),
            Wire(dialect="responses", base_url="https://router.huggingface.co/v1", operations=("responses",)),
        ),
        env=("HF_TOKEN",),
        docs="https://huggingface.co/docs/inference-providers",
        headquarters="US",
        privacy_url="https://huggingface.co/privacy",
        terms_url="https://huggingface.co/terms-of-service",
        status_url="https://status.huggingface.co/",
    ),
    Row(
        slug="requesty",
        name="Requesty",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://router.requesty.ai/v1",
                operations=("chat", "embeddings"),
                quirks=Quirks(reasoning="effort", json_schema=True, image_urls=True),
            ),
            Wire(dialect="anthropic", base_url="https://router.requesty.ai/v1", operations=("messages",)),
        ),
        env=("REQUESTY_API_KEY",),
        docs="https://docs.requesty.ai/",
        headquarters="GB",
        privacy_url="https://www.requesty.ai/privacy",
    ),
    Row(
        slug="poe",
        name="Poe",
        wires=(
            Wire(dialect="openai", base_url="https://api.poe.com/v1", operations=("chat",)),
            Wire(dialect="responses", base_url="https://api.poe.com/v1", operations=("responses",)),
        ),
        env=("POE_API_KEY",),
        docs="https://creator.poe.com/docs/external-applications/openai-compatible-api",
        headquarters="US",
        privacy_url="https://poe.com/privacy",
        terms_url="https://poe.com/tos",
        status_url="https://status.poe.com/",
    ),
    Row(
        slug="nano-gpt",
        name="NanoGPT",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://nano-gpt.com/api/v1",
                operations=("chat", "completions", "embeddings"),
            ),
        ),
        env=("NANO_GPT_API_KEY", "NANOGPT_API_KEY"),
        docs="https://docs.nano-gpt.com",
    ),
    Row(
        slug="helicone",
        name="Helicone AI Gateway",
        wires=(Wire(dialect="openai", base_url="https://ai-gateway.helicone.ai/v1", operations=("chat",)),),
        env=("HELICONE_API_KEY",),
        docs="https://docs.helicone.ai/gateway/overview",
        headquarters="US",
        privacy_url="https://www.helicone.ai/privacy",
        terms_url="https://www.helicone.ai/terms",
    ),
    Row(
        slug="zenmux",
        name="ZenMux",
        wires=(
            Wire(dialect="openai", base_url="https://zenmux.ai/api/v1", operations=("chat",)),
            Wire(dialect="anthropic", base_url="https://zenmux.ai/api/anthropic/v1", operations=("messages",)),
        ),
        env=("ZENMUX_API_KEY",),
        docs="https://docs.zenmux.ai",
    ),
    Row(
        slug="opencode",
        name="OpenCode Zen",
        wires=(
            Wire(dialect="openai", base_url="https://opencode.ai/zen/v1", operations=("chat",)),
            Wire(dialect="responses", base_url="https://opencode.ai/zen/v1", operations=("responses",)),
            Wire(dialect="anthropic", base_url="https://opencode.ai/zen/v1", operations=("messages",)),
        ),
        env=("OPENCODE_API_KEY",),
        docs="https://opencode.ai/docs/zen",
        headquarters="US",
    ),
    Row(
        slug="aihubmix",
        name="AIHubMix",
        wires=(Wire(dialect="openai", base_url="https://aihubmix.com/v1", operations=("chat", "embeddings")),),
        env=("AIHUBMIX_API_KEY",),
        docs="https://docs.aihubmix.com",
    ),
    Row(
        slug="cortecs",
        name="Cortecs",
        wires=(Wire(dialect="openai", base_url="https://api.cortecs.ai/v1", operations=("chat",)),),
        env=("CORTECS_API_KEY",),
        docs="https://docs.cortecs.ai/",
        headquarters="AT",
    ),
    Row(
        slug="kilo",
        name="Kilo Gateway",
        wires=(Wire(dialect="openai", base_url="https://api.kilo.ai/api/gateway", operations=("chat",)),),
        env=("KILO_API_KEY",),
        docs="https://kilo.ai/docs/gateway",
        headquarters="US",
    ),
    Row(
        slug="modelscope",
        name="ModelScope",
        wires=(Wire(dialect="openai", base_url="https://api-inference.modelscope.cn/v1", operations=("chat",)),),
        env=("MODELSCOPE_API_KEY",),
        docs="https://modelscope.cn/docs/model-service/API-Inference/intro",
        headquarters="CN",
        datacenters=("CN",),
    ),
)
