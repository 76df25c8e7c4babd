"""What tells the gateways of a database that presets or provider keys were changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table; its one row comes with the first change."""
    op.create_table(
        "shelf_revision",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.Text, nullable=False),
    )
