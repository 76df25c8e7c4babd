"""The section ``routers``: names behind which a model is chosen for each request."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from turnout.config.model.section import DAY, HOUR, SECOND, Section
from turnout.config.snapshot import CostTier
from turnout.config.values import Milliseconds, one_or_many

RouterPattern = Annotated[str, Field(min_length=1, max_length=256)]


class _Router(Section):
    """What the routers have in common."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return {"enabled": written} if isinstance(written, bool) else written

    enabled: bool = Field(
        default=True,
        description="Whether the name is served. false frees it: then a model or a wildcard of this file may have it.",
    )
    allowed_models: Annotated[list[RouterPattern], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=1024,
        description="Models that it may choose: slugs, or patterns with any number of *, such as anthropic/* or "
        "*/claude-*. Default: every model that writes text and has no variant in its slug.",
    )
    excluded_models: Annotated[list[RouterPattern], BeforeValidator(one_or_many)] = Field(
        default=[], max_length=1024, description="Models that it may not choose, in the same form. Default: none."
    )


class Judge(Section):
    """A small model that is asked what a request is about, before a model is chosen for it. What it says replaces the
    guess that is made from the words alone; when it is late, fails or talks nonsense the guess stands. It is
    asked in the name of the key that asks the router, which pays for it."""

    model: str = Field(
        min_length=1,
        max_length=256,
        description="Slug or alias of the model. One that answers in half a second, does not think first and knows "
        "response_format is best. No router.",
    )
    timeout: Milliseconds = Field(
        default=800,
        ge=50,
        le=30 * SECOND,
        description="How long its answer is waited for, all attempts together. The request waits as long.",
    )
    ttl: Milliseconds = Field(
        default=1 * HOUR,
        ge=0,
        le=7 * DAY,
        description="How long what it said about a text is remembered. 0: not at all, every request is judged.",
    )
    opinions: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Opinions that are remembered, about 80 bytes each; beyond that those go that were not asked for "
        "the longest.",
    )


class AutoRouter(_Router):
    """``openrouter/auto``, also ``turnout/auto``: a model for the task. ``auto: false`` is short for enabled: false."""

    cost_tier: CostTier = Field(
        default="low",
        description="Which fifth of the models by price is chosen from, where the request does not say it: low is the "
        "cheapest fifth, max the dearest. OpenRouter's default.",
    )
    pools: dict[str, Annotated[list[RouterPattern], BeforeValidator(one_or_many)]] = Field(
        default={},
        max_length=32,
        description="Models for a task instead of allowed_models: task: patterns. A task is a name of "
        "docs/auto-router.md (code:debugging), its first word (code), or default, which counts for every other task "
        "and for requests of which none is told.",
    )
    judge: Judge | None = Field(
        default=None, description="A small model that tells what a request is about. Default: nobody is asked."
    )


class FreeRouter(_Router):
    """``openrouter/free``, also ``turnout/free``: any model that costs nothing and can do what is asked."""


class ParetoRouter(_Router):
    """``openrouter/pareto-code``, also ``turnout/pareto-code``: the cheapest model that programs well enough."""

    min_coding_score: float = Field(
        default=0.66,
        ge=0,
        le=1,
        description="How well, where the request does not say it: from 0.66 the best third of the models that are "
        "above the median, from 0.33 the next, below it the last. OpenRouter's default.",
    )


class Routers(Section):
    """Names behind which a model is chosen for each request. ``routers: false`` turns all of them off."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return dict.fromkeys(cls.model_fields, written) if isinstance(written, bool) else written

    auto: AutoRouter = Field(default=AutoRouter(), description="By the task.")
    free: FreeRouter = Field(default=FreeRouter(), description="Without costs.")
    pareto_code: ParetoRouter = Field(default=ParetoRouter(), description="For code, by price.")
