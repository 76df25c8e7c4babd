"""What the provider charged the owner of a key, where that was the client's own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; what was booked before was paid with the gateway's keys."""
    op.add_column("generations", sa.Column("upstream_cost_nano", sa.BigInteger))


def downgrade() -> None:
    """Forgets it."""
    op.drop_column("generations", "upstream_cost_nano")
