"""What policy knows of tenants, people, collections and documents: allowed regions, services, nested groups, owners, labels,
personal data and validity.

What is there already gets what it meant before: no further region, a user, nobody's, not personal, valid for ever.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NOBODY = "f" * 32
FOREVER = "253402300800"
INTERNAL = "1"


def upgrade() -> None:
    op.add_column("tenants", _set("allowed_regions"))
    op.add_column("principals", sa.Column("kind", sa.String(length=16), nullable=False, server_default="user"))
    op.create_table(
        "group_parents",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_group_parents_group_id"),
        sa.ForeignKeyConstraint(["parent_id"], ["groups.id"], name="fk_group_parents_parent_id"),
        sa.PrimaryKeyConstraint("group_id", "parent_id", name="pk_group_parents"),
    )
    op.create_table(
        "document_labels",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_document_labels_document_id"),
        sa.PrimaryKeyConstraint("document_id", "label", name="pk_document_labels"),
    )
    op.add_column("collections", sa.Column("classification", sa.SmallInteger(), nullable=False, server_default=INTERNAL))
    op.add_column("collections", _set("groups"))
    for table in ("collections", "job_items"):
        op.add_column(table, _set("labels"))
    for table in ("collections", "documents", "job_items"):
        op.add_column(table, sa.Column("owner_id", sa.Uuid(), nullable=False, server_default=NOBODY))
        op.add_column(table, sa.Column("personal_data", sa.Boolean(), nullable=False, server_default=sa.false()))
        op.add_column(table, sa.Column("valid_from", sa.BigInteger(), nullable=False, server_default="0"))
        op.add_column(table, sa.Column("valid_until", sa.BigInteger(), nullable=False, server_default=FOREVER))


def downgrade() -> None:
    raise NotImplementedError("The marks of documents would be lost, and who may read what with them. Restore a backup.")


def _set(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=False, server_default="[]")
