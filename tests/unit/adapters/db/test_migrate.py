"""Making and checking the schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from tests.fakes.clock import FixedClock
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.keys import MemoryKeyProvider, MemoryKeyRing

from domicile.access.profiles import Profiles
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_move import copy_keys
from domicile.adapters.db.key_schema import KEY_REVISIONS, key_metadata
from domicile.adapters.db.key_store import SqlKeyStore
from domicile.adapters.db.migrate import KEYS, revisions, upgrade
from domicile.adapters.db.schema import REVISIONS, metadata
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.domain.errors import DatabaseUnavailable, SchemaNewer, SchemaOutdated
from domicile.domain.marks import FOREVER, NOBODY, UNMARKED, Marks
from domicile.domain.principals import PrincipalKind
from domicile.domain.values import Classification, Region
from domicile.policy.scope import AllOf, Between, Field, IsEmpty, OneOf, RetrievalScope
from domicile.ports.keys import ROOT_PROVIDER

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


async def test_the_key_stores_migrations_make_its_tables(key_store: SqlKeyStore) -> None:
    """On both databases, too."""

    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), key_metadata)

    async with key_store._database.writing_transaction() as open_:
        assert await open_.run_sync(differences) == []


@pytest.mark.parametrize(("folder", "known"), [("versions", REVISIONS), ("key_store", KEY_REVISIONS)])
def test_the_code_knows_every_revision_in_order(folder: str, known: Sequence[str]) -> None:
    """That is how it tells an older database from a newer one."""
    config = _config()
    config.set_main_option("version_locations", str(MIGRATIONS / folder))
    oldest_first = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    assert list(known) == oldest_first


async def test_keys_move_out_of_a_database_from_before_there_was_a_key_store(
    empty_url: str, empty: SqlDatabase, sqlite_key_store_url: str
) -> None:
    """All of them, however often it is tried, and what they open is what they opened before."""
    await asyncio.to_thread(_upgrade_to, empty_url, "0004")
    provider, clock, tenant_id = MemoryKeyProvider(), FixedClock(), UUID(_VALUES["id"])
    former = StoredKeyRing(
        store=(rows := MemoryKeyStore()), providers={ROOT_PROVIDER: provider}, region=provider.region, clock=clock
    )
    made = await former.create(tenant_id, [UUID(int=number) for number in range(1, 6)])
    (tenant_key,) = rows.tenant.values()
    digest_key = (await former.tenant_keys.latest(tenant_id)).derive(b"domicile/fingerprint/1")
    async with empty.writing_transaction() as open_:
        await open_.run(text("INSERT INTO tenants VALUES (:id, 'acme', 'Acme', 'eu-de', '[]')"), {"id": _VALUES["id"]})
        for table, keys in (("tenant_keys", [tenant_key]), ("data_keys", [*rows.data.values()])):
            add = text(f"INSERT INTO {table} VALUES (:id, :tenant_id, :wrapped, :at)")  # noqa: S608
            for key in keys:
                values = {"id": key.id.hex, "tenant_id": key.tenant_id.hex, "wrapped": key.wrapped, "at": _VALUES["at"]}
                await open_.run(add, values)
        await open_.commit()
    store = SqlKeyStore(SqlDatabase(sqlite_key_store_url))
    assert await copy_keys(empty, store) == 5
    assert await copy_keys(empty, store) == 0  # as after a crash between the two
    erased = made.pop()
    await store.destroy(tenant_id, [erased.id])
    assert await copy_keys(empty, store) == 0  # as from a backup that is older than that
    assert await store.data_keys(tenant_id, [erased.id]) == {}
    await upgrade(empty_url, folder=MIGRATIONS)
    assert await copy_keys(empty, store) == 0
    ring = StoredKeyRing(store=store, providers={ROOT_PROVIDER: provider}, region=provider.region, clock=clock)
    assert await ring.open_many(tenant_id, frozenset(key.id for key in made)) == {key.id: key for key in made}
    assert await ring.digest_key(tenant_id) == digest_key
    await store.close()
    async with empty.reading_transaction() as open_:
        tables = {row.name for row in await open_.all(text("SELECT name FROM sqlite_master WHERE type = 'table'"))}
    assert not tables & {"data_keys", "tenant_keys"}


async def test_a_key_store_is_not_taken_for_a_database(sqlite_key_store_url: str) -> None:
    """Nor the other way round: their revisions have nothing in common."""
    with pytest.raises(SchemaNewer):
        await upgrade(sqlite_key_store_url, folder=MIGRATIONS)
    assert await upgrade(sqlite_key_store_url, folder=MIGRATIONS, schema=KEYS) == (KEY_REVISIONS[-1], KEY_REVISIONS[-1])


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


async def test_what_was_there_before_marks_means_what_it_meant(empty_url: str, empty: SqlDatabase) -> None:
    """A database of the first revision with a tenant, its people and a document: all are read, and nothing opens or closes."""
    await asyncio.to_thread(_upgrade_to, empty_url, "0001")
    async with empty.writing_transaction() as open_:
        for statement in _OF_THE_FIRST_REVISION:
            await open_.run(text(statement), {name: _VALUES[name] for name in text(statement).compile().params})
        await open_.commit()
    profiles = Profiles(keys=MemoryKeyRing(), clock=FixedClock(), region=Region("eu-de"))
    assert await upgrade(empty_url, folder=MIGRATIONS, profiles=profiles) == ("0001", REVISIONS[-1])
    async with empty.reading() as unit:
        tenant = await unit.tenants.by_slug("acme")
        (member,) = await unit.principals.of_tenant(tenant.id)
        (collection,) = await unit.collections.of_tenant(tenant.id)
        (document,) = await unit.documents.list(RetrievalScope(_AS_BEFORE, (), ""))
    assert (tenant.allowed_regions, member.kind) == (frozenset(), PrincipalKind.USER)
    assert collection.marks == UNMARKED
    assert document.attributes.marks == Marks(Classification.CONFIDENTIAL)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    return config


def _upgrade_to(url: str, revision: str) -> None:
    config = _config()
    engine = create_engine(url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


_OF_THE_FIRST_REVISION = (
    "INSERT INTO tenants VALUES (:id, 'acme', 'Acme', 'eu-de')",
    "INSERT INTO principals VALUES (:id, :id, 'mia', 'Mia', 'member', 1, 0, NULL)",
    "INSERT INTO collections VALUES (:id, :id, 'handbook', 'eu-de')",
    "INSERT INTO documents VALUES (:id, :id, :id, 'eu-de', 2, x'00', :at, :id, :id, x'00', x'00', 1, 1, :at)",
)
_VALUES = {"id": "0123456789abcdef0123456789abcdef", "at": "2025-01-01 00:00:00.000000"}
#: What every document has met so far, in terms of the new columns.
_AS_BEFORE = AllOf(
    (
        OneOf(Field.OWNER, frozenset({str(NOBODY)})),
        OneOf(Field.PERSONAL_DATA, frozenset({"false"})),
        IsEmpty(Field.LABELS),
        Between(Field.VALID_FROM, high=0),
        Between(Field.VALID_UNTIL, low=FOREVER),
    )
)
