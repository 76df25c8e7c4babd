"""The section ``presets``: members of requests that are kept under a name."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from turnout.config.model.section import Section


class Preset(Section):
    """Members of a request that are kept under a name: @preset/NAME as a model, or the field preset.

    Besides the keys below it takes every member of POST /chat/completions but the conversation: models, provider,
    temperature, max_tokens, tools, response_format, reasoning, plugins … They are not checked before they are used.
    """

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, validate_default=False)

    enabled: bool = Field(default=True, description="false refuses requests that name it.")
    system: str | None = Field(
        default=None,
        max_length=262_144,
        description="System prompt; it stands before the request's own. Default: none.",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="What is asked for when the request names only the preset. Default: the request has to say.",
    )
    cache_enabled: bool | None = Field(
        default=None, description="Whether answers are kept in the response cache. Default: as the request says."
    )
    cache_ttl_seconds: int | None = Field(
        default=None, ge=1, le=86_400, description="How long they are kept. Default: as the request says."
    )
