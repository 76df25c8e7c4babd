"""The section ``keys``: who may ask, for what, and how much."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from turnout.config.model.routing import KeyRouting
from turnout.config.model.section import Section
from turnout.config.snapshot import Explain
from turnout.config.values import HeaderSecret, PriceUsd, UnixTime


class KeyRate(Section):
    """How often a key may ask."""

    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Requests to models in a minute; more are refused (429). So many may come at once, and the "
        "allowance grows back evenly. Default: no limit.",
    )


class Key(Section):
    """A key that clients present as ``Authorization: Bearer …``. Only its SHA-256 leaves this section."""

    name: str = Field(
        min_length=1,
        max_length=128,
        description="Name for the ledger and the metrics. Must be unique; it is shown, so it should not be a secret.",
    )
    key: HeaderSecret | None = Field(
        default=None,
        description="The key itself: ${VARIABLE} or file:PATH rather than the text. Give either key or sha256. A key "
        "below 16 characters can be guessed and is warned about.",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9A-Fa-f]{64}$",
        description='SHA-256 of the whole key in hex, so that the file holds no secret: printf %s "$KEY" | sha256sum.',
    )
    models: list[str] | None = Field(
        default=None,
        max_length=10_000,
        description="Models that it may use: slugs, aliases, or patterns such as openai/*. Default: all. An empty list "
        "allows none.",
    )
    disabled: bool = Field(default=False, description="Refuses the key without forgetting its name. Default: false.")
    expires: UnixTime | None = Field(
        default=None,
        description="Moment from which the key is refused: a date (00:00 UTC), a date and time, or Unix seconds. "
        "Default: never.",
    )
    routing: KeyRouting = Field(default=KeyRouting(), description="Who may serve this key's requests, and who first.")
    limit: PriceUsd | None = Field(
        default=None,
        description="US dollars that its requests may cost, in the period of limit_reset. Beyond it requests that cost "
        "something are refused (402); what a running request could cost counts as well. Default: no limit.",
    )
    limit_reset: Literal["daily", "weekly", "monthly"] | None = Field(
        default=None,
        description="When the limit begins anew: each day, Monday or first of the month at 00:00 UTC. Default: never.",
    )
    include_byok_in_limit: bool = Field(
        default=False,
        description="Whether what providers charge for requests with a key of the client's own counts for the limit "
        "too, and not only the gateway's fee. Default: false.",
    )
    rate: KeyRate = Field(default=KeyRate(), description="How often it may ask.")
    explain: Explain | None = Field(
        default=None,
        description="What X-Turnout-Explain and debug.echo_upstream_body tell it, as in server.explain. full suits the "
        "keys of those who run the gateway. Default: server.explain.",
    )
