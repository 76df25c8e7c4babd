"""The section ``cache``: answers that are given again."""

from __future__ import annotations

from pydantic import Field

from turnout.config.model.section import DAY, GIB, MIB, MINUTE, SECOND, Section
from turnout.config.values import Bytes, Milliseconds, RedisSecret


class Cache(Section):
    """Whole answers that are given again to whoever asks exactly the same, at once and free of charge.

    A client asks for it with the header X-OpenRouter-Cache: true, for one answer's life with X-OpenRouter-Cache-TTL.
    """

    default: bool = Field(
        default=False,
        description="Whether it is used when neither a request nor its preset says so. Default: false, as at "
        "OpenRouter: most clients that repeat a question want another answer.",
    )
    ttl: Milliseconds = Field(
        default=5 * MINUTE,
        ge=1 * SECOND,
        le=1 * DAY,
        description="How long an answer is kept when the request does not say. Whole seconds; OpenRouter's time.",
    )
    size: Bytes = Field(
        default=64 * MIB,
        ge=0,
        le=1024 * GIB,
        description="Memory for answers; beyond it, those that were used the longest ago are forgotten. As much again "
        "may be taken by answers that are just being copied.",
    )
    entry: Bytes = Field(
        default=1 * MIB, ge=0, le=1 * GIB, description="Answers larger than this are not kept. 0 keeps none."
    )
    url: RedisSecret | None = Field(
        default=None,
        description="A Valkey or Redis server that keeps the answers instead of this process's memory, so that several "
        "gateways share them: redis://[user:password@]host[:port][/database], or rediss:// for TLS. A secret, because "
        "it may hold a password. While it is down, every request is a miss.",
    )
    prefix: str = Field(
        default="turnout:cache:",
        pattern="^[!-~]{0,128}$",
        description="What the server's keys begin with. Gateways with the same prefix share their answers.",
    )
    wait: Milliseconds = Field(
        default=50,
        ge=1,
        le=10 * SECOND,
        description="How long a request waits for the server before a provider is asked. A server beside the gateway "
        "answers within one millisecond.",
    )
