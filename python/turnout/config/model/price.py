"""What an endpoint costs, as a person writes it: US dollars per million tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from turnout.config.model.section import Section
from turnout.config.values import PriceUsd


class PriceTier(Section):
    """Prices of a request whose prompt is longer than a number of tokens; they apply to the whole of it.

    US dollars per million tokens. Each default is the price of the section above.
    """

    above_tokens: int = Field(ge=1, le=1_000_000_000, description="Tokens of the prompt that must be exceeded.")
    prompt: PriceUsd | None = Field(default=None, description="Tokens that are read and were not cached.")
    completion: PriceUsd | None = Field(default=None, description="Tokens that are written.")
    cache_read: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens from the cache. Default: as above; if nothing is said there, as prompt.",
    )
    cache_write: PriceUsd | None = Field(
        default=None, description="Prompt tokens put into the cache. The same default."
    )
    cache_write_1h: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens put into a cache for an hour. Default: as above; if nothing is said there, as "
        "cache_write.",
    )


class PriceService(Section):
    """Prices of a service tier. US dollars per million tokens. Each default is the price of the section above."""

    tier: Literal["flex", "priority", "batch"] = Field(description="The tier that the provider granted.")
    prompt: PriceUsd | None = Field(default=None, description="Tokens that are read and were not cached.")
    completion: PriceUsd | None = Field(default=None, description="Tokens that are written.")
    cache_read: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens from the cache. Default: as above; if nothing is said there, as prompt.",
    )
    cache_write: PriceUsd | None = Field(
        default=None, description="Prompt tokens put into the cache. The same default."
    )


class Prices(Section):
    """US dollars per million tokens, exact to the nano-dollar, where nothing else is said."""

    prompt: PriceUsd = Field(description="Tokens that are read and were not cached. 0 is free.")
    completion: PriceUsd = Field(description="Tokens that are written. 0 is free.")
    cache_read: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens that came from the provider's cache. Default: the price of prompt, because a "
        "discount that is not known should not be assumed.",
    )
    cache_write: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens that were put into the provider's cache. Default: the price of prompt.",
    )
    cache_write_1h: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens put into a cache that keeps them for an hour. Default: the price of cache_write.",
    )
    reasoning: PriceUsd | None = Field(
        default=None, description="Tokens of reasoning. Default: the price of completion."
    )
    audio_prompt: PriceUsd | None = Field(
        default=None, description="Audio tokens that are read. Default: the price of prompt."
    )
    audio_completion: PriceUsd | None = Field(
        default=None, description="Audio tokens that are written. Default: the price of completion."
    )
    image_prompt: PriceUsd | None = Field(
        default=None, description="Image tokens that are read. Default: the price of prompt."
    )
    image_completion: PriceUsd | None = Field(
        default=None, description="Image tokens that are written. Default: the price of completion."
    )
    image: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each image in the prompt. Default: 0."
    )
    request: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each request, besides its tokens. Default: 0."
    )
    web_search: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each web search. Default: 0."
    )
    search_unit: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each search unit of a rerank. Default: 0."
    )
    second: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each second of audio. Default: 0."
    )
    character: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars per million characters of speech. Default: 0."
    )
    tiers: list[PriceTier] = Field(
        default=[], max_length=16, description="Other prices for long prompts. Default: none."
    )
    service_tiers: list[PriceService] = Field(
        default=[], max_length=3, description="Other prices for flex, priority and batch. Default: none."
    )
