"""Provider keys that were handed in through the API; the keys themselves are encrypted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "byok_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("is_fallback", sa.Boolean, nullable=False),
        sa.Column("is_required", sa.Boolean, nullable=False),
        sa.Column("is_byok_only", sa.Boolean, nullable=False),
        sa.Column("sort_order", sa.Integer, nullable=False),
        sa.Column("allowed_models", sa.Text),
        sa.Column("allowed_user_ids", sa.Text),
        sa.Column("allowed_api_key_hashes", sa.Text),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
