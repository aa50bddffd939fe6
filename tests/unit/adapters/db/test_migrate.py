"""Making and checking the schema."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.migrate import revisions, upgrade
from domicile.adapters.db.schema import REVISIONS, metadata
from domicile.domain.errors import DatabaseUnavailable, SchemaNewer, SchemaOutdated

MIGRATIONS = Path(__file__).resolve().parents[4] / "migrations"


@pytest.fixture
def empty_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite3'}"


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[SqlDatabase]:
    database = SqlDatabase(empty_url)
    yield database
    await database.close()


async def set_revision(database: SqlDatabase, revision: str) -> None:
    async with database.writing_transaction() as open_:
        await open_.run(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        await open_.commit()


async def test_the_migrations_make_the_tables_that_the_code_knows(database: SqlDatabase) -> None:
    """On both databases, down to types, keys and indexes."""

    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with database.writing_transaction() as open_:
        assert await open_.run_sync(differences) == []


def test_the_code_knows_every_revision_in_order() -> None:
    """That is how it tells an older database from a newer one."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    oldest_first = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    assert list(REVISIONS) == oldest_first


async def test_an_upgrade_says_where_it_came_from_and_repeats_as_nothing(empty_url: str) -> None:
    """The second time there is nothing to do."""
    assert await revisions(empty_url) == (None, REVISIONS[-1])
    assert await upgrade(empty_url, folder=MIGRATIONS) == (None, REVISIONS[-1])
    assert await upgrade(empty_url, folder=MIGRATIONS) == (REVISIONS[-1], REVISIONS[-1])
    assert await revisions(empty_url) == (REVISIONS[-1], REVISIONS[-1])


async def test_a_failed_upgrade_leaves_the_database_as_it_was(empty_url: str, empty: SqlDatabase, tmp_path: Path) -> None:
    """A migration that breaks off half-way takes its first half back."""
    broken = tmp_path / "broken"
    (broken / "versions").mkdir(parents=True)
    (broken / "env.py").write_text((MIGRATIONS / "env.py").read_text("utf-8"))
    (broken / "versions" / "0001_broken.py").write_text(
        "from alembic import op\nrevision = '0001'\ndown_revision = None\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (x INTEGER)')\n    op.execute('CREATE TABLE half (x INTEGER)')\n"
    )
    with pytest.raises((DatabaseUnavailable, SchemaOutdated)):
        await upgrade(empty_url, folder=broken)
    async with empty.reading_transaction() as open_:
        assert await open_.all(text("SELECT name FROM sqlite_master")) == []


async def test_a_database_that_was_never_made_names_the_command(empty: SqlDatabase) -> None:
    """Instead of an error about a table."""
    with pytest.raises(SchemaOutdated) as caught:
        await empty.ping()
    assert "domicile db upgrade" in caught.value.advice
    with pytest.raises(SchemaOutdated):
        async with empty.reading() as unit:
            await unit.tenants.all()


async def test_an_older_database_is_refused(sqlite_database: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """As seen by a later version that knows a further revision."""
    monkeypatch.setattr("domicile.adapters.db.revision.REVISIONS", (*REVISIONS, "0999"))
    with pytest.raises(SchemaOutdated, match="0999"):
        await sqlite_database.ping()


async def test_a_newer_database_is_refused_and_not_touched(database: SqlDatabase, database_url: str) -> None:
    """Neither served nor 'upgraded' by a version that does not know it."""
    await set_revision(database, "0999")
    try:
        with pytest.raises(SchemaNewer):
            await database.ping()
        with pytest.raises(SchemaNewer):
            await upgrade(database_url, folder=MIGRATIONS)
        assert await revisions(database_url) == ("0999", REVISIONS[-1])
    finally:
        await set_revision(database, REVISIONS[-1])


async def test_no_foreign_key_cascades_and_none_leaves_the_audit_log() -> None:
    """Nothing that is deleted takes anything with it unseen, least of all an audit entry."""
    keys = [key for table in metadata.tables.values() for key in table.foreign_keys]
    assert keys
    assert all(key.ondelete is None and key.onupdate is None for key in keys)
    assert not metadata.tables["audit_entries"].foreign_keys | metadata.tables["transfers"].foreign_keys
