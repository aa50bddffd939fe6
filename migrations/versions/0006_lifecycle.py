"""Data subjects, legal holds and retention rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _subjects("document", "documents")
    _subjects("conversation", "conversations")
    op.add_column("job_items", sa.Column("subjects", sa.JSON()))
    op.create_index("ix_documents_tenant_id_version_created_at", "documents", ["tenant_id", "version_created_at"])
    op.create_index("ix_conversations_tenant_id_updated_at", "conversations", ["tenant_id", "updated_at"])
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("target_id", sa.Uuid()),
        sa.Column("subject", sa.LargeBinary()),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("placed_by", sa.Uuid(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.Uuid()),
        sa.Column("released_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_legal_holds"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_legal_holds_tenant_id"),
    )
    op.create_index("ix_legal_holds_tenant_id_id", "legal_holds", ["tenant_id", "id"])
    op.create_table(
        "retention_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kept", sa.String(length=16), nullable=False),
        sa.Column("collection_id", sa.Uuid()),
        sa.Column("classification", sa.SmallInteger()),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_retention_rules"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_retention_rules_tenant_id"),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name="fk_retention_rules_collection_id"),
    )
    op.create_index("ix_retention_rules_tenant_id", "retention_rules", ["tenant_id"])


def downgrade() -> None:
    raise NotImplementedError("Going back would drop legal holds. Restore a backup instead.")


def _subjects(kind: str, of: str) -> None:
    table = f"{kind}_subjects"
    op.create_table(
        table,
        sa.Column(f"{kind}_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(f"{kind}_id", "subject", name=f"pk_{table}"),
        sa.ForeignKeyConstraint([f"{kind}_id"], [f"{of}.id"], name=f"fk_{table}_{kind}_id"),
    )
    op.create_index(f"ix_{table}_subject", table, ["subject"])
