"""Who is who: the names that the sources give to providers, authors and models, as one.

A model has as many spellings as hosts (``claude-sonnet-4-5-20250929``,
``us.anthropic.claude-sonnet-4-5-20250929-v1:0``, ``accounts/fireworks/models/glm-4p7``). :func:`key` takes off what a
host adds and leaves what the model is called; two names with the same key are the same model. What no rule can know
is in the tables, one row each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Names:
    """What each source calls a provider; empty: it does not know it."""

    genai: str = ""
    litellm: tuple[str, ...] = ()
    models_dev: tuple[str, ...] = ()
    pi: tuple[str, ...] = ()
    author: str = ""
    """Author of the models that this provider makes itself; empty: it only hosts."""


PROVIDERS: Final[dict[str, Names]] = {
    "ai21": Names(litellm=("ai21",), author="ai21"),
    "aihubmix": Names(litellm=("aihubmix",), models_dev=("aihubmix",)),
    "alibaba": Names(litellm=("dashscope",), models_dev=("alibaba",), author="qwen"),
    "amazon-bedrock": Names(
        genai="aws",
        litellm=("bedrock", "bedrock_converse"),
        models_dev=("amazon-bedrock",),
        pi=("amazon-bedrock",),
        author="amazon",
    ),
    "amazon-bedrock-openai": Names(litellm=("bedrock_mantle",)),
    "anthropic": Names(
        genai="anthropic", litellm=("anthropic",), models_dev=("anthropic",), pi=("anthropic",), author="anthropic"
    ),
    "arcee-ai": Names(genai="arcee", author="arcee-ai"),
    "avian": Names(genai="avian"),
    "azure": Names(genai="azure", litellm=("azure", "azure_ai"), models_dev=("azure",), pi=("azure",)),
    "azure-v1": Names(genai="azure", litellm=("azure", "azure_ai"), models_dev=("azure",), pi=("azure",)),
    "azure-anthropic": Names(litellm=("azure_ai",), models_dev=("azure",)),
    "baseten": Names(genai="baseten", litellm=("baseten",), models_dev=("baseten",), pi=("baseten",)),
    "black-forest-labs": Names(litellm=("black_forest_labs",), author="black-forest-labs"),
    "cerebras": Names(genai="cerebras", litellm=("cerebras",), models_dev=("cerebras",), pi=("cerebras",)),
    "chutes": Names(models_dev=("chutes",)),
    "clarifai": Names(models_dev=("clarifai",)),
    "cloudflare": Names(genai="cloudflare", litellm=("cloudflare",), models_dev=("cloudflare-workers-ai",)),
    "cohere": Names(genai="cohere", litellm=("cohere", "cohere_chat"), models_dev=("cohere",), author="cohere"),
    "cortecs": Names(models_dev=("cortecs",)),
    "crusoe": Names(litellm=("crusoe",)),
    "databricks": Names(genai="databricks", models_dev=("databricks",)),
    "deepgram": Names(litellm=("deepgram",), author="deepgram"),
    "deepinfra": Names(litellm=("deepinfra",), models_dev=("deepinfra",), pi=("deepinfra",)),
    "deepseek": Names(
        genai="deepseek", litellm=("deepseek",), models_dev=("deepseek",), pi=("deepseek",), author="deepseek"
    ),
    "digitalocean": Names(models_dev=("digitalocean",)),
    "elevenlabs": Names(genai="elevenlabs", litellm=("elevenlabs",), author="elevenlabs"),
    "featherless": Names(litellm=("featherless_ai",)),
    "fireworks": Names(
        genai="fireworks",
        litellm=("fireworks_ai", "fireworks_ai-embedding-models"),
        models_dev=("fireworks-ai",),
        pi=("fireworks",),
    ),
    "friendli": Names(litellm=("friendliai",), models_dev=("friendli",)),
    "github-models": Names(models_dev=("github-models",)),
    "gmicloud": Names(litellm=("gmi",), models_dev=("gmicloud",), pi=("gmi-cloud",)),
    "google-ai-studio": Names(
        genai="google", litellm=("gemini",), models_dev=("google",), pi=("google",), author="google"
    ),
    "google-vertex": Names(
        genai="google",
        litellm=(
            "vertex_ai",
            "vertex_ai-language-models",
            "vertex_ai-embedding-models",
            "vertex_ai-llama_models",
            "vertex_ai-deepseek_models",
            "vertex_ai-qwen_models",
            "vertex_ai-openai_models",
            "vertex_ai-zai_models",
            "vertex_ai-minimax_models",
            "vertex_ai-moonshot_models",
        ),
        models_dev=("google-vertex",),
        pi=("google-vertex",),
    ),
    "google-vertex-anthropic": Names(
        litellm=("vertex_ai-anthropic_models",), models_dev=("google-vertex-anthropic",), pi=("google-vertex",)
    ),
    "groq": Names(genai="groq", litellm=("groq",), models_dev=("groq",), pi=("groq",)),
    "helicone": Names(models_dev=("helicone",)),
    "huggingface": Names(models_dev=("huggingface",), pi=("huggingface",)),
    "hyperbolic": Names(litellm=("hyperbolic",)),
    "inception": Names(litellm=("inception",), models_dev=("inception",), author="inception"),
    "inference-net": Names(models_dev=("inference",)),
    "io-net": Names(models_dev=("io-net",)),
    "kilo": Names(models_dev=("kilo",), pi=("kilo",)),
    "meta": Names(genai="meta", litellm=("meta",), pi=("meta",), author="meta"),
    "minimax": Names(genai="minimax", litellm=("minimax",), models_dev=("minimax",), pi=("minimax",), author="minimax"),
    "mistral": Names(
        genai="mistral", litellm=("mistral", "codestral"), models_dev=("mistral",), pi=("mistral",), author="mistralai"
    ),
    "modelscope": Names(models_dev=("modelscope",)),
    "moonshotai": Names(
        genai="moonshotai", litellm=("moonshot",), models_dev=("moonshotai",), pi=("moonshot",), author="moonshotai"
    ),
    "morph": Names(litellm=("morph",), models_dev=("morph",), author="morph"),
    "nano-gpt": Names(models_dev=("nano-gpt",), pi=("nanogpt",)),
    "nearai": Names(models_dev=("nearai",)),
    "nebius": Names(litellm=("nebius",), models_dev=("nebius",)),
    "novita": Names(genai="novita", litellm=("novita",), models_dev=("novita-ai",), pi=("novita",)),
    "nscale": Names(litellm=("nscale",)),
    "nvidia": Names(models_dev=("nvidia",)),
    "ollama-cloud": Names(models_dev=("ollama-cloud",), pi=("ollama-cloud",)),
    "openai": Names(
        genai="openai",
        litellm=("openai", "text-completion-openai"),
        models_dev=("openai",),
        pi=("openai",),
        author="openai",
    ),
    "opencode": Names(models_dev=("opencode",), pi=("opencode-zen",)),
    "openrouter": Names(genai="openrouter", models_dev=("openrouter",), pi=("openrouter",)),
    "ovhcloud": Names(genai="ovhcloud", litellm=("ovhcloud",), models_dev=("ovhcloud",)),
    "perplexity": Names(genai="perplexity", litellm=("perplexity",), models_dev=("perplexity",), author="perplexity"),
    "poe": Names(models_dev=("poe",)),
    "recraft": Names(litellm=("recraft",), author="recraft"),
    "requesty": Names(models_dev=("requesty",)),
    "sambanova": Names(litellm=("sambanova",)),
    "sarvam": Names(models_dev=("sarvam",), author="sarvam"),
    "scaleway": Names(litellm=("scaleway",), models_dev=("scaleway",)),
    "siliconflow": Names(models_dev=("siliconflow",)),
    "stackit": Names(models_dev=("stackit",)),
    "stepfun": Names(models_dev=("stepfun-ai",), pi=("stepfun",), author="stepfun"),
    "streamlake": Names(litellm=("streamlake",)),
    "synthetic": Names(models_dev=("synthetic",)),
    "together": Names(genai="together", litellm=("together_ai",), models_dev=("togetherai",), pi=("together",)),
    "upstage": Names(models_dev=("upstage",), author="upstage"),
    "venice": Names(models_dev=("venice",), pi=("venice",)),
    "vercel": Names(litellm=("vercel_ai_gateway",), models_dev=("vercel",), pi=("vercel-ai-gateway",)),
    "voyageai": Names(genai="voyageai", litellm=("voyage",), author="voyageai"),
    "vultr": Names(models_dev=("vultr",)),
    "wafer": Names(models_dev=("wafer.ai",), pi=("wafer-serverless",)),
    "wandb": Names(litellm=("wandb",), models_dev=("wandb",), pi=("coreweave",)),
    "xai": Names(genai="x-ai", litellm=("xai",), models_dev=("xai",), pi=("xai",), author="x-ai"),
    "xiaomi": Names(litellm=("xiaomi_mimo",), models_dev=("xiaomi",), pi=("xiaomi",), author="xiaomi"),
    "z-ai": Names(genai="zai", litellm=("zai",), models_dev=("zai",), pi=("zai",), author="z-ai"),
    "zenmux": Names(models_dev=("zenmux",), pi=("zenmux",)),
}
"""By our slug, which is that of the provider's row."""


def serves(provider: str, model: str) -> bool:
    """Whether the provider serves a model of this name in a way that we speak.

    Clouds have Claude beside their other models, at other URLs, which are rows of their own; some of the rest is only
    to be had in the maker's own protocol there.
    """
    if re.search(r"^~|/~|gemini.*-latest$", model) is not None:
        # The newest of a line, which was another model last month.
        return False
    if provider in ("azure-anthropic", "google-vertex-anthropic"):
        return model.startswith("claude")
    if provider == "google-vertex":
        return model.startswith(("gemini", "text-embedding", "text-multilingual", "imagen")) or model.endswith("-maas")
    return provider not in ("azure", "azure-v1") or not model.startswith("claude")


AUTHORS: Final = {
    "deepseek-ai": "deepseek",
    "zai-org": "z-ai",
    "zai": "z-ai",
    "minimaxai": "minimax",
    "mistral": "mistralai",
    "alibaba": "qwen",
    "xai": "x-ai",
    "xiaomimimo": "xiaomi",
    "stepfun-ai": "stepfun",
    "primeintellect": "prime-intellect",
    "ibm": "ibm-granite",
    "meta": "meta-llama",
    "metallama": "meta-llama",
    "bytedance": "bytedance-seed",
    "voyage": "voyageai",
    "bfl": "black-forest-labs",
    "nvidia-nemotron": "nvidia",
    "moonshot": "moonshotai",
    "zhipu": "z-ai",
}
"""Organisations that OpenRouter writes differently; others are the organisation in lower case."""

DISPLAY: Final = {
    "ai21": "AI21",
    "amazon": "Amazon",
    "anthropic": "Anthropic",
    "arcee-ai": "Arcee AI",
    "baai": "BAAI",
    "baidu": "Baidu",
    "black-forest-labs": "Black Forest Labs",
    "bytedance-seed": "ByteDance Seed",
    "cohere": "Cohere",
    "deepgram": "Deepgram",
    "deepseek": "DeepSeek",
    "elevenlabs": "ElevenLabs",
    "google": "Google",
    "ibm-granite": "IBM",
    "inception": "Inception",
    "inclusionai": "inclusionAI",
    "liquid": "LiquidAI",
    "meta": "Meta",
    "meta-llama": "Meta",
    "microsoft": "Microsoft",
    "minimax": "MiniMax",
    "mistralai": "Mistral",
    "moonshotai": "MoonshotAI",
    "morph": "Morph",
    "nousresearch": "Nous",
    "nvidia": "NVIDIA",
    "openai": "OpenAI",
    "perplexity": "Perplexity",
    "qwen": "Qwen",
    "recraft": "Recraft",
    "stepfun": "StepFun",
    "thedrummer": "TheDrummer",
    "tencent": "Tencent",
    "upstage": "Upstage",
    "voyageai": "Voyage AI",
    "x-ai": "xAI",
    "xiaomi": "Xiaomi",
    "z-ai": "Z.ai",
}
"""Authors as OpenRouter shows them before a model's name; others are the slug with capitals."""

RENAMED: Final = {
    "qwen3-coder-480b-a35b-instruct": "qwen3-coder",
    "qwen3-coder-480b-a35b": "qwen3-coder",
    "qwen3-coder-480b": "qwen3-coder",
    "qwen3-235b-a22b-instruct-2507": "qwen3-235b-a22b-2507",
    "qwen-3-235b-a22b-instruct-2507": "qwen3-235b-a22b-2507",
    "qwen3-235b": "qwen3-235b-a22b",
    "qwen-3-32b": "qwen3-32b",
    "qwen-3-8-27b": "qwen3-8-27b",
    "deepseek-v3": "deepseek-chat",
    "deepseek-v3-0324": "deepseek-chat-v3-0324",
    "deepseek-v3-1": "deepseek-chat-v3-1",
    "deepseek-v3-turbo": "deepseek-chat",
    "kimi-k2-instruct": "kimi-k2",
    "kimi-k2-instruct-0905": "kimi-k2-0905",
    "kimi-k2-0711-preview": "kimi-k2",
    "kimi-k2-0905-preview": "kimi-k2-0905",
    "minimax-text-01": "minimax-01",
    "llama3-1-8b": "llama-3-1-8b-instruct",
    "llama3-1-70b": "llama-3-1-70b-instruct",
    "llama3-3-70b": "llama-3-3-70b-instruct",
    "llama-3-1-8b": "llama-3-1-8b-instruct",
    "llama-3-3-70b": "llama-3-3-70b-instruct",
    "llama3-3-70b-instruct": "llama-3-3-70b-instruct",
    "llama3-1-8b-instruct": "llama-3-1-8b-instruct",
    "llama3-1-70b-instruct": "llama-3-1-70b-instruct",
    "llama3-1-405b-instruct": "llama-3-1-405b-instruct",
    "llama3-8b-instruct": "llama-3-8b-instruct",
    "llama3-70b-instruct": "llama-3-70b-instruct",
    "llama3-8b-8192": "llama-3-8b-instruct",
    "llama3-70b-8192": "llama-3-70b-instruct",
    "l3-8b-lunaris-v1": "l3-lunaris-8b",
    "l3-8b-lunaris": "l3-lunaris-8b",
    "l3-70b-euryale-v2-1": "l3-euryale-70b",
    "l3-1-70b-euryale-v2-2": "l3-1-euryale-70b",
    "l3-3-70b-euryale-v2-3": "l3-3-euryale-70b",
    "mistral-nemo-instruct-2407": "mistral-nemo",
    "open-mistral-nemo": "mistral-nemo",
    "mistral-small-3-1-24b-instruct-2503": "mistral-small-3-1-24b-instruct",
    "mistral-small-3-2-24b-instruct-2506": "mistral-small-3-2-24b-instruct",
    "mistral-small-2506": "mistral-small-3-2-24b-instruct",
    "mistral-small-2503": "mistral-small-3-1-24b-instruct",
    "mistral-medium-2505": "mistral-medium-3",
    "mistral-medium-2508": "mistral-medium-3-1",
    "mistral-medium-2604": "mistral-medium-3-5",
    "devstral-medium-2507": "devstral-medium",
    "devstral-small-2507": "devstral-small",
    "open-mixtral-8x22b": "mixtral-8x22b-instruct",
    "open-mixtral-8x7b": "mixtral-8x7b-instruct",
    "mixtral-8x22b-instruct-v0-1": "mixtral-8x22b-instruct",
    "mixtral-8x7b-instruct-v0-1": "mixtral-8x7b-instruct",
    "voxtral-small-2507": "voxtral-small-24b-2507",
    "nvidia-nemotron-nano-9b-v2": "nemotron-nano-9b-v2",
    "hermes-4-llama-3-1-405b": "hermes-4-405b",
    "hermes-4-llama-3-1-70b": "hermes-4-70b",
    "nvidia-nemotron-3-5-lightning-30b-a3b": "nemotron-3-5-lightning",
    "nemotron-3-5-lightning-30b-a3b": "nemotron-3-5-lightning",
    "nemotron-120b-a12b": "nemotron-3-super-120b-a12b",
    "muse-image-1-0": "muse-image",
    "nova-2-lite": "nova-2-lite-v1",
    "nova-lite": "nova-lite-v1",
    "nova-micro": "nova-micro-v1",
    "nova-pro": "nova-pro-v1",
    "nova-premier": "nova-premier-v1",
    "command-r-plus": "command-r-plus-08-2024",
    "command-a-03-2025": "command-a",
    "command-a-plus-05-2026": "command-a-plus",
    "rerank-v4-0-pro": "rerank-4-pro",
    "rerank-v4-0-fast": "rerank-4-fast",
    "gpt-5-chat-latest": "gpt-5-chat",
    "gpt-5-1-chat-latest": "gpt-5-1-chat",
    "gpt-5-2-chat-latest": "gpt-5-2-chat",
    "gpt-5-3-chat-latest": "gpt-5-3-chat",
    "grok-4-0709": "grok-4",
    "grok-4-20-reasoning": "grok-4-20",
    "grok-4-20-0309-reasoning": "grok-4-20",
    "grok-4-20-multi-agent-0309": "grok-4-20-multi-agent",
    "grok-4-1-fast-reasoning": "grok-4-1-fast",
    "grok-4-fast-reasoning": "grok-4-fast",
    "claude-4-opus": "claude-opus-4",
    "claude-4-sonnet": "claude-sonnet-4",
    "claude-opus-4-0": "claude-opus-4",
    "claude-sonnet-4-0": "claude-sonnet-4",
}
"""Keys that OpenRouter's slug has under another name."""

_BEDROCK_REGION: Final = re.compile(r"^(?:us-gov|us|eu|apac|au|jp|ca|global)\.(?=[a-z0-9]+\.)")
_BEDROCK_VENDOR: Final = re.compile(
    r"^(?:ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot"
    r"|moonshotai|nvidia|openai|qwen|stability|twelvelabs|writer|xai|zai)\."
)
_BEDROCK_VERSION: Final = re.compile(r"(?:-v\d+)?(?::\d+)(?::\w+)?$|-v1$")
_DATE: Final = re.compile(r"-(?:20\d{6}|20\d\d-\d\d-\d\d|default|latest)$")
_QUANTIZATION: Final = re.compile(r"-(fp8-dynamic|fp8|fp4|fp16|bf16|int4|int8|nvfp4|mxfp4|awq)(?=-turbo$|-fast$|$)")
_VARIANT: Final = re.compile(r"-(ultra-fast|turbo|fast|tee|instant|versatile|maas|lightning|speedup|ultra|tput)$")
PLAIN: Final = frozenset({"tee", "instant", "versatile", "maas"})
"""Endings that a host puts on every model of a kind, so that they tell nothing apart."""
_MAVERICK: Final = re.compile(r"-17b(?:-\d+e)?(?:-instruct)?$")


@dataclass(frozen=True)
class Spelling:
    """A host's name taken apart."""

    key: str
    quantization: str | None = None
    variant: str = ""
    """What the host adds to tell two ways of serving the same model apart."""
    exact: bool = False
    """Nothing was taken off."""


def key(name: str) -> str:
    """What a model is called without the host's path, in lower case, with dashes for every separator."""
    lower = name.lower().strip().rpartition("/")[2]
    lower = _BEDROCK_REGION.sub("", lower)
    if (vendor := _BEDROCK_VENDOR.match(lower)) is not None:
        lower = _BEDROCK_VERSION.sub("", lower[vendor.end() :])
    lower = lower.removeprefix("databricks-")
    # Fireworks writes 4p5 for 4.5.
    lower = re.sub(r"(?<=\d)p(?=\d)", ".", lower)
    return re.sub(r"[._:@ ]+", "-", lower).strip("-")


def spellings(name: str) -> Iterator[Spelling]:
    """The name as it is, then with more and more of what hosts add taken off; the first one that is known counts."""
    whole = key(name)
    yield Spelling(whole, exact=True)
    yield from (Spelling(form) for form in _forms(whole))
    quantization = None
    if (found := _QUANTIZATION.search(whole)) is not None:
        quantization = found[1].removesuffix("-dynamic")
        whole = whole[: found.start()] + whole[found.end() :]
        yield from (Spelling(form, quantization) for form in _forms(whole))
    undated = _DATE.sub("", whole)
    if undated != whole:
        yield from (Spelling(form, quantization) for form in _forms(undated))
    if (variant := _VARIANT.search(undated)) is not None:
        told = "" if variant[1] in PLAIN else variant[1]
        yield from (Spelling(form, quantization, told) for form in _forms(undated[: variant.start()]))


def _forms(whole: str) -> Iterator[str]:
    """A key, and the keys under which OpenRouter may have the same model."""
    forms = (whole, whole.removeprefix("meta-"), whole.removeprefix("nvidia-"), *_spaced(whole))
    for form in dict.fromkeys(forms):
        yield form
        if form in RENAMED:
            yield RENAMED[form]
        yield f"{form}-instruct"
        yield f"{form}-it"
        yield f"{form}-001"
        if form.endswith("-instruct"):
            yield form.removesuffix("-instruct")
        if form.startswith("llama-4-"):
            yield _MAVERICK.sub("", form)


def _spaced(whole: str) -> tuple[str, str]:
    """``qwen3-32b`` and ``qwen-3-32b``: some put a dash before the version, some do not."""
    return re.sub(r"^(qwen|llama)(?=\d)", r"\1-", whole), re.sub(r"^(qwen|llama)-(?=\d)", r"\1", whole)


def author(organisation: str) -> str:
    """OpenRouter's slug of an organisation."""
    lower = organisation.lower()
    return AUTHORS.get(lower, lower)


def display(slug: str) -> str:
    """How the author of a slug is shown."""
    name = slug.partition("/")[0]
    return DISPLAY.get(name, " ".join(part.capitalize() for part in name.split("-")))
