"""What was spent with keys of the clients' own: quickly summed, and kept when rows are deleted for their age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_HAS_ONE = sa.text("upstream_cost_nano IS NOT NULL")


def upgrade() -> None:
    """Adds the index and the column."""
    op.add_column("spent_before", sa.Column("own_nano", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index(
        "generations_own",
        "generations",
        ["key_sha256", "created_ms", "upstream_cost_nano"],
        sqlite_where=_HAS_ONE,
        postgresql_where=_HAS_ONE,
    )
