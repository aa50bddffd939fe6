"""The key store's tables, in a database of their own. ``migrations/key_store`` makes them; a test compares the two.

No table refers to a tenant: the data is elsewhere. ``destroyed_keys`` only grows: it is what tells other processes to forget a
key, and what tells apart a key that was destroyed from one that is missing.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint

from domicile.adapters.db.columns import NAMING, POSITION, Id, UtcDateTime

#: Every revision of ``migrations/key_store``, oldest first. The last one is what this code needs.
KEY_REVISIONS = ("k001",)

key_metadata = MetaData(naming_convention=NAMING)

tenant_keys = Table(
    "tenant_keys",
    key_metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant_id", "version"),
)

data_keys = Table(
    "data_keys",
    key_metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("wrapped_by", Id, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # A rotation goes through a tenant's keys by id. What wraps them is in no index, since it would change each entry.
    Index(None, "tenant_id", "id"),
)

destroyed_keys = Table(
    "destroyed_keys",
    key_metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("tenant_id", Id, nullable=False, index=True),
    Column("key_id", Id, index=True),
    Column("destroyed_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
