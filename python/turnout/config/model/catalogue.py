"""The section ``catalogue``: the models that providers bring without being listed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from turnout.config.model.section import Section
from turnout.config.values import one_or_many


class Catalogue(Section):
    """The models that Turnout knows by itself: for each known provider that is on, what it serves and what it costs.

    ``catalogue: false`` is short for ``enabled: false``.
    """

    enabled: bool = Field(
        default=True,
        description="Whether providers bring their models. false serves only what the section models lists.",
    )
    hide: Annotated[list[str], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=10_000,
        description="Models to leave out: slugs, or patterns such as anthropic/* or openai/gpt-4*. Names that the "
        "catalogue does not know are not passed on below such a pattern either, so what is hidden cannot be had under "
        "another name. What the section models lists is served all the same.",
    )
    pass_through: bool = Field(
        default=True,
        description="Whether names that the catalogue does not know are passed on: PROVIDER/name, and author/name "
        "where the author is the provider, such as openai/a-model-of-today. Their price is unknown. OpenRouter takes "
        "any name that nobody else does.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return {"enabled": written} if isinstance(written, bool) else written
