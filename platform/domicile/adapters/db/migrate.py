"""Bringing a database to the schema that this code needs: all of it or, after any failure, none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

from sqlalchemy import Connection, inspect, text

from domicile.access.profiles import Profiles
from domicile.adapters.db.account_move import SealedNames, sealed_names
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_schema import KEY_REVISIONS
from domicile.adapters.db.revision import check_revision, current_revision
from domicile.adapters.db.schema import REVISIONS
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import SchemaOutdated

# Two upgrades at once: the second waits, and then finds nothing to do. On SQLite the write lock does that.
_WAIT_FOR_OTHERS = text("SELECT pg_advisory_xact_lock(7305804401)")


@dataclass(frozen=True, slots=True)
class Schema:
    """A folder of migrations and its revisions, oldest first."""

    folder: str
    revisions: Sequence[str]


DATA = Schema("versions", REVISIONS)
KEYS = Schema("key_store", KEY_REVISIONS)


async def upgrade(
    url: str,
    *,
    folder: Path,
    password: str = "",
    schema: Schema = DATA,
    tls: SSLContext | None = None,
    profiles: Profiles | None = None,
) -> tuple[str | None, str]:
    """Upgrade the database with the migrations in that folder; gives its revisions before (None: it was empty) and after.

    Creates the file of an SQLite database, not the folder around it. Raises ``SchemaNewer`` for a database that this code is
    too old for, ``DatabaseUnavailable`` and ``StorageFull``. Where people's names are still in clear it needs the profiles that
    seal them, and raises as these do.
    """
    database = SqlDatabase(url, password=password, tls=tls)
    try:
        async with database.writing_transaction() as open_:
            if open_.on_postgres:
                await open_.run(_WAIT_FOR_OTHERS)
            before = await _revision(open_)
            if _has_to_be_upgraded(before, schema):
                names = await sealed_names(open_, profiles) if profiles else None
                await open_.run_sync(lambda connection: _run(connection, folder, schema, names))
            await open_.commit()
        return before, schema.revisions[-1]
    finally:
        await database.close()


async def revisions(url: str, *, password: str = "", tls: SSLContext | None = None) -> tuple[str | None, str]:
    """The database's revision (None: it is empty) and the one that this code needs."""
    database = SqlDatabase(url, password=password, tls=tls)
    try:
        async with database.reading_transaction() as open_:
            return await _revision(open_), REVISIONS[-1]
    finally:
        await database.close()


async def _revision(transaction: Transaction) -> str | None:
    if not await transaction.run_sync(lambda connection: inspect(connection).has_table("alembic_version")):
        return None
    return await current_revision(transaction)


def _has_to_be_upgraded(revision: str | None, schema: Schema) -> bool:
    try:
        check_revision(revision, schema.revisions)
    except SchemaOutdated:
        return True
    return False


def _run(connection: Connection, folder: Path, schema: Schema, names: SealedNames | None) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Doubled, because Alembic's configuration takes a single percent sign for a substitution.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(folder / schema.folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["names"] = names
    command.upgrade(config, "head")
