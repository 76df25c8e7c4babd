"""The table of booked generations.

Written out rather than taken from ``store.generations``, because a step of history must not change when the table does.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXTS = (
    "key_sha256",
    "key_name",
    "api",
    "model_requested",
    "model",
    "provider",
    "provider_slug",
    "endpoint",
    "upstream_model",
    "upstream_id",
)
_TOKENS = ("tokens_prompt", "tokens_completion", "tokens_reasoning", "tokens_cached", "tokens_cache_write")
_TIMES = ("queue_us", "connect_us", "ttft_us", "total_us", "overhead_us")
_CLIENT = ("http_referer", "app_title", "user_agent", "session_id", "user", "client_address", "config_digest")


def upgrade() -> None:
    """Makes the table and its indices."""
    op.create_table(
        "generations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("cancelled", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error_type", sa.Text),
        sa.Column("finish_reason", sa.Text),
        sa.Column("native_finish_reason", sa.Text),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _TOKENS),
        sa.Column("usage_source", sa.Text, nullable=False),
        sa.Column("cost_nano", sa.BigInteger, nullable=False),
        sa.Column("price_version", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _TIMES),
        sa.Column("attempts", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _CLIENT),
    )
    op.create_index("generations_created", "generations", ["created_ms"])
    op.create_index("generations_key", "generations", ["key_sha256", "created_ms", "cost_nano"])
    op.create_index("generations_model", "generations", ["model", "created_ms"])
