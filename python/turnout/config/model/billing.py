"""The sections ``credits``, ``free`` and ``billing``: how money is counted, and what bounds it."""

from __future__ import annotations

from pydantic import Field

from turnout.config.model.section import Section


class Credits(Section):
    """An account of the whole gateway: what was added to it, less what requests cost."""

    enabled: bool = Field(
        default=False,
        description="Whether requests are refused (402) when the credits are used up. They are added with "
        "POST /api/admin/credits. Off by default: a gateway of one's own has no need to be paid.",
    )


class FreeModels(Section):
    """How often models whose slug ends in :free may be asked, by all keys together as at OpenRouter."""

    per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests in a minute of the clock; OpenRouter has 20. Default: no limit, because whoever offers "
        "models for free on a gateway of their own knows what they bear.",
    )
    per_day: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Requests in a day (UTC); OpenRouter has 50. Default: no limit.",
    )
    per_day_with_credits: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="In place of per_day when 10 dollars or more were ever added to the credits; OpenRouter has 1000. "
        "Default: as per_day.",
    )


class Billing(Section):
    """How money is counted."""

    reserve_tokens: int = Field(
        default=8_192,
        ge=1,
        le=10_000_000,
        description="Tokens that a request which names no max_tokens is taken to write at most (or the model's own "
        "maximum, if that is less), where a limit or credits must cover it beforehand. Few requests write more. "
        "A higher value refuses more requests near a limit; a lower one lets a running request overspend it by more.",
    )
    byok_fee_percent: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Percentage of the provider's price that a request is charged when it was served with a key of the "
        "client's own (api_keys of kind prioritized or fallback). OpenRouter takes 5 beyond an allowance; 0 charges "
        "nothing.",
    )
