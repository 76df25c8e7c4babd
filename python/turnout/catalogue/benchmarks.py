"""How good models are thought to be: three scores from 0 to 100 for families of models, for the routers to choose by.

**These are Turnout's own estimates**, made by hand on the day :data:`MADE`, in steps of five: what a generation of a
family is commonly used for, where its makers place it beside its siblings, and what its price says. They are not the
figures of any benchmark. The public boards either may not be copied (Artificial Analysis, LMArena) or end before
today's models (Aider's). Only their order matters, and only roughly: it decides which model a router tries first.

Better figures of your own go into the configuration, ``models.SLUG.benchmarks``, and win over these. A model of no
family below has no score; routers take it when those that have one cannot serve.
"""

from __future__ import annotations

import functools
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

MADE: Final = "2026-11-22"
"""Day of the estimates."""


class Scores(NamedTuple):
    """From 0 to 100: general knowledge and reasoning, programming, work over many steps with tools."""

    intelligence: int
    coding: int
    agentic: int


# Author and pattern of the rest of the slug → scores. The first pattern that matches counts, so what is more special
# stands first. Models for a single purpose (search, moderation, applying patches, sound) have none.
_FAMILIES: Final[tuple[tuple[str, int, int, int], ...]] = (
    ("anthropic/claude-mythos-*", 95, 95, 95),
    ("anthropic/claude-fable-*", 95, 95, 95),
    ("anthropic/claude-opus-5*", 90, 95, 95),
    ("anthropic/claude-opus-4.[78]*", 85, 90, 90),
    ("anthropic/claude-opus-4.[56]*", 80, 85, 85),
    ("anthropic/claude-opus-4*", 70, 75, 75),
    ("anthropic/claude-sonnet-5*", 85, 90, 90),
    ("anthropic/claude-sonnet-4.[56]*", 75, 80, 80),
    ("anthropic/claude-sonnet-4*", 65, 70, 70),
    ("anthropic/claude-haiku-5*", 70, 75, 75),
    ("anthropic/claude-haiku-4*", 60, 65, 65),
    ("anthropic/claude-3.7-sonnet*", 60, 65, 60),
    ("anthropic/claude-3.5-sonnet*", 50, 55, 50),
    ("anthropic/claude-3.5-haiku*", 40, 45, 40),
    ("anthropic/claude-3-*", 30, 30, 25),
    ("openai/gpt-6-astra*", 95, 95, 95),
    ("openai/gpt-6*-sol*", 90, 95, 90),
    ("openai/gpt-6*-terra*", 85, 90, 85),
    ("openai/gpt-6*-luna*", 75, 75, 75),
    ("openai/gpt-5.6-luna*", 70, 70, 70),
    ("openai/gpt-5.[56]*", 85, 90, 85),
    ("openai/gpt-5.4-mini*", 65, 70, 65),
    ("openai/gpt-5.4-nano*", 50, 50, 50),
    ("openai/gpt-5.[234]*", 80, 85, 80),
    ("openai/gpt-5.1-codex-mini*", 60, 65, 60),
    ("openai/gpt-5-codex*", 75, 80, 75),
    ("openai/gpt-5.1*", 75, 80, 75),
    ("openai/gpt-5-mini*", 60, 60, 60),
    ("openai/gpt-5-nano*", 45, 45, 40),
    ("openai/gpt-5*", 75, 75, 75),
    ("openai/gpt-oss-120b*", 60, 60, 55),
    ("openai/gpt-oss-20b*", 50, 50, 45),
    ("openai/gpt-4.1-nano*", 30, 30, 25),
    ("openai/gpt-4.1-mini*", 45, 45, 40),
    ("openai/gpt-4.1*", 50, 55, 50),
    ("openai/gpt-4o-mini*", 35, 35, 30),
    ("openai/gpt-4o*", 45, 45, 40),
    ("openai/gpt-4*", 35, 35, 25),
    ("openai/gpt-3.5*", 15, 15, 10),
    ("openai/o3-mini*", 55, 60, 45),
    ("openai/o4-mini*", 60, 65, 55),
    ("openai/o3*", 70, 70, 65),
    ("openai/o1-mini*", 45, 50, 35),
    ("openai/o1*", 60, 60, 50),
    ("google/gemini-4*", 90, 90, 90),
    ("google/gemini-3.[5678]-flash-lite*", 60, 60, 60),
    ("google/gemini-3.[5678]-flash*", 80, 80, 80),
    ("google/gemini-3.1-flash-lite*", 60, 55, 55),
    ("google/gemini-3.1-pro*", 80, 80, 80),
    ("google/gemini-3-pro*", 80, 75, 75),
    ("google/gemini-3-flash*", 70, 70, 70),
    ("google/gemini-2.5-pro*", 70, 65, 60),
    ("google/gemini-2.5-flash-lite*", 45, 40, 40),
    ("google/gemini-2.5-flash*", 55, 50, 50),
    ("google/gemini-2.0-flash-lite*", 35, 30, 30),
    ("google/gemini-2.0-flash*", 40, 35, 35),
    ("google/gemma-4-[23]*", 55, 50, 50),
    ("google/gemma-4*", 40, 35, 35),
    ("google/gemma-3-27b*", 40, 35, 30),
    ("google/gemma*", 25, 20, 15),
    ("x-ai/grok-4.[67]*", 85, 85, 85),
    ("x-ai/grok-4.5*", 85, 80, 80),
    ("x-ai/grok-4.[23]*", 80, 75, 75),
    ("x-ai/grok-4*fast*", 60, 60, 60),
    ("x-ai/grok-4*", 70, 65, 65),
    ("x-ai/grok-build*", 65, 75, 70),
    ("x-ai/grok-code*", 55, 65, 60),
    ("x-ai/grok-3-mini*", 50, 45, 40),
    ("x-ai/grok-3*", 50, 45, 40),
    ("deepseek/deepseek-r1-distill*", 40, 35, 20),
    ("deepseek/deepseek-v4*-flash*", 70, 70, 70),
    ("deepseek/deepseek-v4*", 80, 80, 80),
    ("deepseek/deepseek-v3.2*", 65, 65, 65),
    ("deepseek/deepseek-*v3.1*", 60, 60, 55),
    ("deepseek/deepseek-r1*", 60, 60, 45),
    ("deepseek/deepseek-reasoner*", 65, 65, 60),
    ("deepseek/deepseek-*", 55, 55, 50),
    ("moonshotai/kimi-k3*", 85, 85, 85),
    ("moonshotai/kimi-k2.7-code*", 75, 80, 80),
    ("moonshotai/kimi-k2.[56]*", 75, 75, 75),
    ("moonshotai/kimi-k2-thinking*", 65, 65, 65),
    ("moonshotai/kimi-k2*", 55, 60, 60),
    ("z-ai/glm-5*flash*", 65, 65, 65),
    ("z-ai/glm-5.[123]*", 80, 80, 80),
    ("z-ai/glm-5*", 75, 75, 75),
    ("z-ai/glm-4.7-flash*", 50, 50, 50),
    ("z-ai/glm-4.7*", 70, 70, 70),
    ("z-ai/glm-4.6v*", 50, 45, 45),
    ("z-ai/glm-4.6*", 65, 65, 65),
    ("z-ai/glm-4.5v*", 50, 45, 40),
    ("z-ai/glm-4.5-flash*", 40, 40, 40),
    ("z-ai/glm-4.5-air*", 50, 50, 50),
    ("z-ai/glm-4.5*", 60, 60, 60),
    ("z-ai/glm-4*", 35, 35, 30),
    ("minimax/minimax-m3*", 80, 80, 80),
    ("minimax/minimax-m2.[57]*", 75, 75, 75),
    ("minimax/minimax-m2-her*", 40, 20, 20),
    ("minimax/minimax-m2*", 65, 65, 65),
    ("minimax/minimax-m1*", 45, 45, 40),
    ("qwen/qwen3.[78]*-max*", 85, 80, 80),
    ("qwen/qwen3.8-2.4t*", 85, 85, 85),
    ("qwen/qwen3.[78]-plus*", 80, 75, 75),
    ("qwen/qwen3.[678]*flash*", 65, 60, 60),
    ("qwen/qwen3.[678]-[23]*b*", 65, 65, 60),
    ("qwen/qwen3.6-max*", 80, 75, 75),
    ("qwen/qwen3.6-plus*", 75, 75, 70),
    ("qwen/qwen3.5-397b*", 75, 70, 70),
    ("qwen/qwen3.5-plus*", 70, 70, 70),
    ("qwen/qwen3.5-122b*", 65, 65, 60),
    ("qwen/qwen3.5-9b*", 45, 40, 40),
    ("qwen/qwen3.5*", 60, 55, 55),
    ("qwen/qwen3-max*", 65, 60, 60),
    ("qwen/qwen3-coder-30b*", 40, 50, 45),
    ("qwen/qwen3-coder-flash*", 40, 50, 45),
    ("qwen/qwen3-coder*", 50, 65, 60),
    ("qwen/qwen3-*235b*", 55, 55, 50),
    ("qwen/qwen3-next*", 55, 50, 45),
    ("qwen/qwen3-vl-8b*", 35, 25, 25),
    ("qwen/qwen3*[34]b*", 30, 25, 20),
    ("qwen/qwen3-*", 45, 40, 40),
    ("qwen/qwq*", 45, 45, 35),
    ("qwen/qwen-max*", 45, 40, 35),
    ("qwen/qwen-plus*", 45, 40, 40),
    ("qwen/qwen-flash*", 35, 35, 30),
    ("qwen/qwen*2.5-coder*", 25, 35, 20),
    ("qwen/qwen*2.5*", 25, 25, 20),
    ("xiaomi/mimo-v2*-pro*", 75, 75, 75),
    ("xiaomi/mimo-v2.[56]*", 70, 65, 70),
    ("xiaomi/mimo-v2*", 60, 60, 60),
    ("meta/muse-spark*", 80, 75, 75),
    ("meta/muse-glimmer*", 55, 50, 50),
    ("meta-llama/llama-4-maverick*", 45, 40, 35),
    ("meta-llama/llama-4-scout*", 35, 30, 30),
    ("meta-llama/llama-3.3-70b*", 35, 30, 30),
    ("meta-llama/llama-3.1-405b*", 40, 35, 30),
    ("meta-llama/llama-3.1-70b*", 30, 25, 20),
    ("meta-llama/llama-*", 15, 10, 10),
    ("mistralai/codestral*", 35, 50, 35),
    ("mistralai/devstral-small*", 35, 45, 45),
    ("mistralai/devstral*", 50, 60, 60),
    ("mistralai/mistral-large-4*", 70, 65, 65),
    ("mistralai/mistral-large-2512*", 60, 55, 55),
    ("mistralai/mistral-medium-3-5*", 65, 65, 60),
    ("mistralai/mistral-medium*", 55, 50, 50),
    ("mistralai/mistral-large*", 45, 40, 35),
    ("mistralai/magistral*", 50, 45, 40),
    ("mistralai/mistral-small-creative*", 30, 15, 15),
    ("mistralai/mistral-small*", 45, 40, 40),
    ("mistralai/ministral*", 35, 30, 30),
    ("nvidia/nemotron-3-ultra*", 70, 65, 65),
    ("nvidia/nemotron-3-super*", 60, 55, 55),
    ("nvidia/nemotron-3-nano*", 50, 45, 45),
    ("nvidia/*nemotron*", 40, 35, 30),
    ("tencent/hy[34]*", 65, 65, 65),
    ("bytedance-seed/seed-2*-pro*", 75, 70, 70),
    ("bytedance-seed/seed-2*code*", 70, 75, 70),
    ("bytedance-seed/seed-2*mini*", 55, 50, 50),
    ("bytedance-seed/seed-2*", 65, 60, 60),
    ("bytedance-seed/seed-1*flash*", 45, 40, 40),
    ("bytedance-seed/seed-1*", 60, 55, 55),
    ("stepfun/step-3*", 65, 60, 60),
    ("meituan/longcat-2*", 65, 65, 65),
    ("meituan/longcat*", 55, 55, 50),
    ("kwaipilot/kat-coder-air*", 50, 60, 55),
    ("kwaipilot/kat-coder*", 55, 70, 65),
    ("poolside/laguna-m*", 60, 70, 65),
    ("poolside/laguna-s*", 55, 65, 60),
    ("poolside/laguna*", 45, 55, 50),
    ("inception/mercury-2*", 50, 50, 45),
    ("inception/mercury*", 35, 40, 30),
    ("amazon/nova-premier*", 50, 45, 40),
    ("amazon/nova-2-lite*", 50, 45, 45),
    ("amazon/nova-pro*", 40, 35, 35),
    ("amazon/nova-*", 30, 25, 25),
    ("cohere/command-a*", 45, 40, 40),
    ("cohere/command-*", 25, 20, 20),
    ("nousresearch/hermes-4-405b*", 50, 45, 40),
    ("nousresearch/hermes-4-70b*", 40, 35, 30),
    ("nousresearch/hermes-3-llama-3.1-405b*", 40, 35, 30),
    ("arcee-ai/trinity-large*", 50, 45, 45),
    ("prime-intellect/intellect-3*", 55, 55, 50),
    ("upstage/solar-pro*", 50, 45, 45),
    ("baidu/ernie-4.5-300b*", 45, 40, 35),
    ("baidu/ernie-4.5*", 35, 30, 25),
    ("ai21/jamba-*large*", 40, 35, 30),
    ("microsoft/phi-4*", 30, 30, 20),
    ("inclusionai/*2.6-1t*", 60, 55, 55),
    ("inclusionai/ling-3.0-flash*", 55, 50, 50),
    ("inclusionai/ling*", 45, 40, 40),
    ("writer/palmyra*", 45, 35, 40),
    ("allenai/olmo-3*", 45, 40, 30),
    ("nex-agi/nex-n2*-pro*", 65, 65, 65),
)

_SINGLE_PURPOSE: Final = (
    *("*-search*", "*audio*", "*deep-research*", "*guard*"),
    *("*content-safety*", "*cyber*", "*customtools*", "*omni*", "*-contributor"),
)
"""Models of a family that are made for one thing, or offered at a price for which something else is asked."""


@functools.lru_cache(maxsize=4096)
def scores(slug: str) -> Scores | None:
    """The estimate for a model by its slug; ``None``: there is none. A variant (``:free``) is the model itself."""
    base = slug.partition(":")[0]
    if any(fnmatchcase(base, pattern) for pattern in _SINGLE_PURPOSE):
        return None
    for pattern, intelligence, coding, agentic in _FAMILIES:
        if fnmatchcase(base, pattern):
            return Scores(intelligence, coding, agentic)
    return None
