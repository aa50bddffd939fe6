"""Which schema a database has, and whether this code can work with it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, MetaData, String, Table, select

from domicile.adapters.db.schema import REVISIONS
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import SchemaNewer, SchemaOutdated

#: Alembic's own table, which is why it is not part of the schema.
_VERSION = Table("alembic_version", MetaData(), Column("version_num", String))
_CURRENT = select(_VERSION.c.version_num)


async def current_revision(transaction: Transaction) -> str | None:
    """The database's revision; None if it has the table without a row. Raises ``SchemaOutdated`` if nothing was ever made."""
    row = await transaction.first(_CURRENT)
    return None if row is None else str(row.version_num)


def check_revision(revision: str | None, known: Sequence[str] = ()) -> None:
    """Raise ``SchemaOutdated`` or ``SchemaNewer`` unless the revision is the last of those that this code knows.

    These are the database's own, unless others are given.
    """
    known = known or REVISIONS
    if revision == known[-1]:
        return
    if revision is not None and revision not in known:
        raise SchemaNewer(f"The database has schema {revision}; this version knows {known[-1]} at most.")
    raise SchemaOutdated(f"The database has schema {revision or 'nothing'}; this version needs {known[-1]}.")
