"""Wrapped keys leave for the key store, where ``domicile db upgrade`` has copied them; what is to be destroyed stays noted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "doomed_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_doomed_keys"),
    )
    op.drop_table("data_keys")
    op.drop_table("tenant_keys")


def downgrade() -> None:
    raise NotImplementedError("The keys are in the key store now. Restore a backup.")
