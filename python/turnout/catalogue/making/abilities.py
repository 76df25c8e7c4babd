"""What an endpoint understands, in the words of OpenRouter's ``supported_parameters``.

No source lists request parameters as such. They know the abilities (tools, schemas, reasoning, whether temperature may
be set); which sampling parameters exist is a matter of the provider's API, and stands in a table here. A provider that
is not in the table is only credited with what every OpenAI-like server takes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from turnout.catalogue.entry import Reasoning

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from turnout.catalogue.making.fact import Fact

ORDER: Final = (
    "temperature", "top_p", "top_k", "min_p", "top_a", "frequency_penalty", "presence_penalty", "repetition_penalty",
    "max_tokens", "max_completion_tokens", "logit_bias", "logprobs", "top_logprobs", "prediction", "seed",
    "response_format", "structured_outputs", "stop", "tools", "tool_choice", "parallel_tool_calls", "include_reasoning",
    "reasoning", "reasoning_effort", "web_search_options", "verbosity",
)  # fmt: skip
"""OpenRouter's list of them (its OpenAPI document, 2026-11)."""

_USUAL: Final = "temperature top_p frequency_penalty presence_penalty seed stop"
_SERVER: Final = f"{_USUAL} top_k min_p repetition_penalty logit_bias"
_OPENAI: Final = f"{_USUAL} logit_bias logprobs top_logprobs max_completion_tokens"
_CLAUDE: Final = "temperature top_p top_k stop"
_GEMINI: Final = "temperature top_p top_k frequency_penalty presence_penalty seed stop"

SAMPLING: Final = {
    "alibaba": "temperature top_p top_k presence_penalty repetition_penalty seed stop",
    "amazon-bedrock": "temperature top_p stop",
    "anthropic": _CLAUDE,
    "azure": _OPENAI,
    "baseten": _SERVER,
    "cerebras": "temperature top_p seed stop logprobs top_logprobs max_completion_tokens",
    "chutes": _SERVER,
    "cohere": "temperature top_p top_k frequency_penalty presence_penalty seed stop",
    "deepinfra": _SERVER,
    "deepseek": "temperature top_p frequency_penalty presence_penalty stop logprobs top_logprobs",
    "fireworks": f"{_SERVER} logprobs top_logprobs",
    "friendli": _SERVER,
    "google-ai-studio": _GEMINI,
    "google-vertex": _GEMINI,
    "groq": "temperature top_p seed stop max_completion_tokens",
    "hyperbolic": _SERVER,
    "minimax": "temperature top_p",
    "mistral": _USUAL,
    "moonshotai": "temperature top_p frequency_penalty presence_penalty stop",
    "nebius": f"{_SERVER} logprobs top_logprobs",
    "novita": _SERVER,
    "openai": _OPENAI,
    "openrouter": _SERVER,
    "perplexity": "temperature top_p top_k frequency_penalty presence_penalty",
    "siliconflow": "temperature top_p top_k min_p frequency_penalty stop",
    "together": f"{_SERVER} logprobs",
    "wandb": _SERVER,
    "xai": "temperature top_p frequency_penalty presence_penalty seed stop logprobs top_logprobs max_completion_tokens",
    "z-ai": "temperature top_p stop",
}
"""Sampling parameters of each provider's chat API, from its API reference (2026-11)."""

_CHOSEN: Final = frozenset(
    ["temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs"]
)
"""What falls away where a model lets nobody choose how it samples."""

_ALWAYS: Final = re.compile(r"-thinking|-reasoner|/deepseek-r1|/qwq|^openai/o\d|^openai/gpt-oss|/magistral")
"""Slugs of models that cannot but reason."""

BUDGET: Final = {"anthropic": True, "google": True, "qwen": True, "openai": False, "x-ai": False, "mistralai": False}
"""Whether an author's API takes a budget of reasoning tokens (its API reference, 2026-11)."""


def parameters(slug: str, provider: str, facts: Sequence[Fact]) -> tuple[str, ...]:
    """The parameters of a chat model at a provider; empty for other kinds."""
    author = slug.partition("/")[0]
    # A Claude takes what a Claude takes, whoever passes it on.
    api = _CLAUDE if author == "anthropic" else None
    if provider in ("openrouter", "vercel") and author in ("openai", "google", "x-ai"):
        api = SAMPLING[{"openai": "openai", "google": "google-ai-studio", "x-ai": "xai"}[author]]
    known = set((api or SAMPLING.get(provider, _USUAL)).split()) | {"max_tokens"}
    if said(facts, "sampling") is False:
        known -= _CHOSEN
    if said(facts, "tools"):
        known |= {"tools", "tool_choice"}
        if said(facts, "parallel_tools"):
            known.add("parallel_tool_calls")
    if said(facts, "structured"):
        known |= {"structured_outputs", "response_format"}
    if said(facts, "reasoning"):
        known |= {"reasoning", "include_reasoning"}
        if any(fact.efforts for fact in facts):
            known.add("reasoning_effort")
    if said(facts, "web_search"):
        known.add("web_search_options")
    if re.match(r"openai/gpt-[5-9]", slug):
        known.add("verbosity")
    return tuple(name for name in ORDER if name in known)


def reasoning(slug: str, facts: Sequence[Fact]) -> Reasoning | None:
    """How the model reasons; ``None`` when it does not, or nobody says that it does."""
    if not said(facts, "reasoning"):
        return None
    levels = next((fact.efforts for fact in facts if fact.efforts), None)
    default = next((fact.default_effort for fact in facts if fact.default_effort), None)
    mandatory = bool(said(facts, "mandatory")) or _ALWAYS.search(slug) is not None
    return Reasoning(
        mandatory=mandatory,
        efforts=levels,
        default_effort=default if levels and default in levels else None,
        default_enabled=True if mandatory or (default not in (None, "none")) else None,
        max_tokens=BUDGET.get(slug.partition("/")[0]),
    )


def said(facts: Iterable[Fact], name: str) -> bool | None:
    """What most sources say; ``None`` when none does. With as many for as against, the first one counts."""
    votes: list[bool] = [answer for fact in facts if (answer := getattr(fact, name)) is not None]
    if not votes:
        return None
    yes = sum(votes)
    return votes[0] if yes * 2 == len(votes) else yes * 2 > len(votes)
