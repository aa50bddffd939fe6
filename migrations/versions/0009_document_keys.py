"""A document that is being encrypted anew names the key that it will have, so that both are known until it has it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("next_key_id", sa.Uuid()))


def downgrade() -> None:
    op.drop_column("documents", "next_key_id")
