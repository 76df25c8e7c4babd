"""What is said of a handed-in provider key's account: whether it keeps nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.add_column("byok_keys", sa.Column("declared_zdr", sa.Boolean))
