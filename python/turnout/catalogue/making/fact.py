"""What one source says about one model at one provider, in our words and units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnout.catalogue.entry import Prices


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One row of a source. ``None`` and empty mean that the source does not say."""

    source: int
    """Index into :data:`turnout.catalogue.making.sources.SOURCES`."""
    provider: str
    """Our slug of the provider."""
    model: str
    """The provider's own name of the model; at OpenRouter its slug."""
    name: str | None = None
    """Display name."""
    kind: str | None = None
    """``chat``, ``embeddings``, ``rerank``, ``image``, ``speech`` or ``transcription``."""
    prices: Prices | None = None
    context_length: int | None = None
    completion_tokens_max: int | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    tools: bool | None = None
    parallel_tools: bool | None = None
    structured: bool | None = None
    """Answers can be held to a JSON schema."""
    sampling: bool | None = None
    """Temperature may be set."""
    reasoning: bool | None = None
    mandatory: bool | None = None
    """It always reasons."""
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    budget: bool | None = None
    """A budget of reasoning tokens may be set."""
    web_search: bool | None = None
    responses_only: bool = False
    """It is served by the Responses API alone."""
    knowledge: str | None = None
    released: str | None = None
    expires: str | None = None
