"""Generations as a plane would book them."""

from __future__ import annotations

from typing import Any

import msgspec

from turnout.ledger.record import Attempt, Generation

KEY = "ab" * 32

_ONE = Generation(
    id="gen-1700000000-abcdefghijklmnopqrst",
    created_ms=1_700_000_000_123,
    key_sha256=KEY,
    key_name="me",
    api="chat",
    model_requested="openai/gpt",
    model="openai/gpt",
    provider="OpenAI",
    provider_slug="openai",
    endpoint="openai",
    upstream_model="gpt",
    upstream_id="chatcmpl-1",
    streamed=True,
    cancelled=False,
    status=200,
    error_type=None,
    finish_reason="stop",
    native_finish_reason="end_turn",
    tokens_prompt=10,
    tokens_completion=20,
    tokens_reasoning=3,
    tokens_cached=4,
    tokens_cache_write=5,
    usage_source="upstream",
    cost_nano=1_500_000,
    price_version="0123456789ab",
    queue_us=100,
    connect_us=200,
    ttft_us=30_000,
    total_us=90_500,
    overhead_us=321,
    attempts=[
        Attempt("groq", "groq", "key-1", 429, 5_000, "status"),
        Attempt("openai", "openai", "key-2", 200, 85_000, "ok"),
    ],
    http_referer="https://example.com",
    app_title="Example",
    user_agent="OpenAI/Python",
    session_id="s-1",
    user="u-1",
    client_address="127.0.0.1",
    config_digest="feedfacefeedface",
)


def generation(number: int = 0, **changes: Any) -> Generation:
    """A generation with an id of its own, and what the test says is different about it."""
    return msgspec.structs.replace(_ONE, **{"id": f"gen-1700000000-{number:020d}", **changes})
