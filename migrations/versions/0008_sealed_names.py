"""Logins, display names and labels of API keys leave: envelopes take their place, which ``domicile db upgrade`` has sealed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from domicile.domain.errors import ConfigurationError

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ACCOUNT = ("id", "tenant_id", "role", "clearance", "disabled", "password_hash", "kind")
_API_KEY = (
    "id",
    "tenant_id",
    "principal_id",
    "prefix",
    "secret_hash",
    "verbs",
    "collections",
    "created_at",
    "expires_at",
    "revoked_at",
    "last_used_at",
)
#: Columns without types: SQLite's rows are put back as they were taken.
_PRINCIPALS = sa.table("principals", *map(sa.column, (*_ACCOUNT, "login_digest", "profile_envelope", "data_key_id")))
_API_KEYS = sa.table("api_keys", *map(sa.column, (*_API_KEY, "label_envelope")))
_SEAL_ACCOUNT = sa.text(
    "UPDATE principals SET login_digest = :digest, profile_envelope = :envelope, data_key_id = :key,"
    " login = CAST(id AS text), display = '' WHERE id = :id"
).bindparams(sa.bindparam("key", type_=sa.Uuid()), sa.bindparam("id", type_=sa.Uuid()))
_SEAL_LABEL = sa.text("UPDATE api_keys SET label_envelope = :envelope, label = '' WHERE id = :id").bindparams(
    sa.bindparam("id", type_=sa.Uuid())
)


def upgrade() -> None:
    names = op.get_context().config.attributes.get("names")  # type: ignore[union-attr]
    if names is None and op.get_bind().execute(sa.select(_PRINCIPALS.c.id).limit(1)).first():
        raise ConfigurationError("Names of people are in clear here.", hint="Seal them with 'domicile db upgrade'.")
    if op.get_bind().dialect.name == "sqlite":
        _make_anew(names)
    else:
        _alter(names)


def downgrade() -> None:
    raise NotImplementedError("Names would lie in clear again. Restore a backup.")


def _account_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("login_digest", sa.LargeBinary()),
        sa.Column("profile_envelope", sa.LargeBinary()),
        sa.Column("data_key_id", sa.Uuid()),
    )


def _alter(names: Any) -> None:
    """PostgreSQL keeps what a dropped column held in every row that is not rewritten, so it is overwritten first.

    The rows of before are dead then, and stay in the files until ``VACUUM FULL``.
    """
    for column in _account_columns():
        op.add_column("principals", column)
    op.add_column("api_keys", sa.Column("label_envelope", sa.LargeBinary()))
    profiles, labels = (names.profiles, names.labels) if names else ({}, {})
    for id_, profile in profiles.items():
        values = {"digest": profile.login_digest, "envelope": profile.envelope, "key": profile.data_key_id, "id": id_}
        op.get_bind().execute(_SEAL_ACCOUNT, values)
    for id_, envelope in labels.items():
        op.get_bind().execute(_SEAL_LABEL, {"envelope": envelope, "id": id_})
    op.drop_column("principals", "login")  # and that it is unique
    op.drop_column("principals", "display")
    op.drop_column("api_keys", "label")
    op.create_unique_constraint("uq_principals_login_digest", "principals", ["login_digest"])


def _make_anew(names: Any) -> None:
    """SQLite cannot drop a column that is unique, and leaves pieces of one that it drops between the rows of a page.

    Of a table that is dropped it overwrites every page (``secure_delete``). What refers to the rows is checked at the commit,
    when they are back.
    """
    op.execute("PRAGMA defer_foreign_keys = ON")
    api_keys, accounts = _taken(_API_KEYS, _API_KEY), _taken(_PRINCIPALS, _ACCOUNT)
    _create_principals()
    _create_api_keys()
    for row in accounts:
        profile = names.profiles[UUID(row["id"])]
        row |= {
            "login_digest": profile.login_digest,
            "profile_envelope": profile.envelope,
            "data_key_id": profile.data_key_id.hex,
        }
    for row in api_keys:
        row["label_envelope"] = names.labels[UUID(row["id"])]
    for table, rows in ((_PRINCIPALS, accounts), (_API_KEYS, api_keys)):
        if rows:
            op.get_bind().execute(sa.insert(table), rows)


def _taken(table: sa.TableClause, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = op.get_bind().execute(sa.select(*(table.c[name] for name in columns))).all()
    op.execute(sa.delete(table))
    op.drop_table(table.name)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _create_principals() -> None:
    op.create_table(
        "principals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("clearance", sa.SmallInteger(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.String()),
        sa.Column("kind", sa.String(length=16), nullable=False, server_default="user"),
        *_account_columns(),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_principals_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_principals"),
        sa.UniqueConstraint("login_digest", name="uq_principals_login_digest"),
    )
    op.create_index("ix_principals_tenant_id", "principals", ["tenant_id"])


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("verbs", sa.JSON(none_as_null=True)),
        sa.Column("collections", sa.JSON(none_as_null=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("label_envelope", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["principal_id"], ["principals.id"], name="fk_api_keys_principal_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_api_keys_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("secret_hash", name="uq_api_keys_secret_hash"),
    )
    op.create_index("ix_api_keys_tenant_id", "api_keys", ["tenant_id"])
