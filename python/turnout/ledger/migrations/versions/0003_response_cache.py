"""The generation that an answer from the response cache repeats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; what is there already came from no cache."""
    column = sa.Column("response_cache_source_id", sa.Text, nullable=False, server_default="")
    op.add_column("generations", column)
