"""What goes wrong with a database, and what is said about it."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import warnings
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.fakes import people

from domicile.adapters.db import transaction
from domicile.adapters.db.database import SqlDatabase
from domicile.domain.errors import ConfigurationError, DatabaseUnavailable, IntegrityError, StorageFull


def path_of(url: str) -> str:
    return url.removeprefix("sqlite+aiosqlite:///")


async def add(database: SqlDatabase, slug: str = "acme") -> None:
    async with database.writing() as unit:
        await unit.tenants.add(people.tenant(slug))
        await unit.commit()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "mysql://user@host/name",
        "postgresql://user@host/name",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite:///file",
    ],
)
def test_only_the_two_databases_are_taken(url: str) -> None:
    """Anything else is a mistake in the configuration, found before anything is opened."""
    with pytest.raises(ConfigurationError):
        SqlDatabase(url)


def test_a_password_shows_nowhere() -> None:
    """Neither in the engine's description nor in an error about the URL."""
    database = SqlDatabase("postgresql+asyncpg://domicile@localhost/domicile", password="swordfish")
    assert "swordfish" not in f"{database!r} {database._writing!r} {database._writing.url} {vars(database)}"
    with pytest.raises(ConfigurationError) as caught:
        SqlDatabase("postgresql+asyncpg://domicile:swordfish@localhost:port/domicile")
    assert "swordfish" not in f"{caught.value} {caught.value.advice}"


async def test_every_sqlite_connection_is_durable_and_strict(sqlite_database: SqlDatabase) -> None:
    """WAL, a full sync at each commit, foreign keys, overwritten deletions; readers cannot write at all."""
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "query_only")
    found = []
    for opening in (sqlite_database.writing_transaction, sqlite_database.reading_transaction):
        async with opening() as open_:
            rows = [await open_.first(text(f"PRAGMA {pragma}")) for pragma in pragmas]
            found.append([row[0] for row in rows if row is not None])
    assert found == [["wal", 2, 1, 1, 0], ["wal", 2, 1, 1, 1]]


async def test_a_database_locked_by_another_process_is_unavailable(sqlite_url: str) -> None:
    """Reading goes on meanwhile, and so does writing afterwards."""
    database = SqlDatabase(sqlite_url, busy_seconds=0.05)
    other = sqlite3.connect(path_of(sqlite_url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="SQLITE_BUSY"):
        await add(database)
    async with database.reading() as unit:
        assert await unit.tenants.all() == []
    other.execute("ROLLBACK")
    other.close()
    await add(database)
    await database.close()


async def test_a_full_disk_is_said_so_and_changes_nothing(sqlite_database: SqlDatabase) -> None:
    """SQLite reports a full disk as it reports a database at its page limit."""
    await add(sqlite_database, "before")
    async with sqlite_database.writing_transaction() as open_:
        pages = await open_.first(text("PRAGMA page_count"))
        assert pages is not None
        await open_.first(text(f"PRAGMA max_page_count = {pages[0]}"))

    async def fill() -> None:
        async with sqlite_database.writing() as unit:
            for number in range(5_000):
                await unit.tenants.add(people.tenant(f"tenant-{number}"))
            await unit.commit()

    with pytest.raises(StorageFull):
        await fill()
    async with sqlite_database.reading() as unit:
        assert [tenant.slug for tenant in await unit.tenants.all()] == ["before"]


async def test_a_file_that_is_no_database_fails_its_integrity_check(tmp_path: Path) -> None:
    """It is left as it is."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"These are my notes, and no database at all. " * 100)
    database = SqlDatabase(f"sqlite+aiosqlite:///{path}")
    with pytest.raises(IntegrityError):
        await database.ping()
    await database.close()
    assert path.read_bytes().startswith(b"These are my notes")


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """For reading and for writing."""
    database = SqlDatabase(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'file'}")
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    with pytest.raises(DatabaseUnavailable):
        await add(database)
    await database.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Nobody listens on this port."""
    database = SqlDatabase("postgresql+asyncpg://domicile@127.0.0.1:9/domicile", password="x")
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()


@pytest.mark.postgres
async def test_a_wrong_password_is_a_mistake_in_the_configuration(postgres_url: str) -> None:
    """Trying again would not help."""
    database = SqlDatabase(postgres_url, password="wrong")
    with pytest.raises(ConfigurationError):
        await database.ping()
    await database.close()


@pytest.mark.postgres
async def test_a_server_that_came_back_is_used_again(postgres_url: str) -> None:
    """Connections that it dropped are noticed before they are used."""
    database = SqlDatabase(postgres_url)
    await add(database, "before")
    killer = SqlDatabase(postgres_url)
    async with killer.writing_transaction() as open_:
        await open_.all(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await add(database, "after")
    await killer.close()
    await database.close()


async def test_writers_get_their_turn_in_the_order_they_came(sqlite_database: SqlDatabase) -> None:
    """However many wait."""
    order: list[int] = []

    async def write(number: int) -> None:
        async with sqlite_database.writing() as unit:
            order.append(number)
            await unit.tenants.all()

    await asyncio.gather(*(write(number) for number in range(30)))
    assert order == list(range(30))


async def test_a_unit_within_a_unit_ends_instead_of_waiting_for_itself(
    sqlite_database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a fault of the program; the one outside goes on, and the turn is free afterwards."""
    monkeypatch.setattr(transaction, "TURN_SECONDS", 0.05)
    async with sqlite_database.writing() as unit:
        with pytest.raises(DatabaseUnavailable):
            await add(sqlite_database)
        await unit.tenants.add(people.tenant("outside"))
        await unit.commit()
    await add(sqlite_database)


async def test_more_readers_than_connections_share_them(sqlite_database: SqlDatabase) -> None:
    """A hundred at once all get their answer."""

    async def read() -> int:
        async with sqlite_database.reading() as unit:
            return len(await unit.tenants.all())

    assert await asyncio.gather(*(read() for _ in range(100))) == [0] * 100


async def test_a_statement_cancelled_in_its_thread_leaves_no_transaction_behind(sqlite_database: SqlDatabase) -> None:
    """The thread goes on with it; whoever writes next must not find itself in the same transaction."""
    for delay in (0, 0.0001, 0.001, 0.005):
        cancelled = asyncio.create_task(add(sqlite_database, "cancelled"))
        await asyncio.sleep(delay)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        async with sqlite_database.writing() as unit:
            before = {tenant.slug for tenant in await unit.tenants.all()}
            if "cancelled" in before:
                # It had committed before it was cancelled.
                break
    await add(sqlite_database, "next")
    async with sqlite_database.reading() as unit:
        assert {tenant.slug for tenant in await unit.tenants.all()} == before | {"next"}


async def test_what_is_in_use_while_the_database_is_closed_is_closed_after_that(database: SqlDatabase) -> None:
    """It still ends as it was meant to; nothing is left for a collection to find, whoever it then falls on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with database.writing() as unit, database.reading_transaction() as reading:
            await unit.tenants.add(people.tenant())
            await reading.all(text("SELECT 1"))
            await database.close()
            await unit.commit()
        gc.collect()
    async with database.reading() as unit:
        assert await unit.tenants.get(people.tenant().id) == people.tenant()
    assert [str(each.message) for each in caught if each.category is ResourceWarning] == []


async def test_whoever_goes_away_while_a_connection_opens_leaves_no_thread(sqlite_url: str) -> None:
    """Cancelled at any step of it; a thread that is left would report to an event loop that may be closed by then."""
    before = set(threading.enumerate())
    for steps in range(12):
        database = SqlDatabase(sqlite_url)
        opening = asyncio.create_task(database.ping())
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait({opening})
        await database.close()
    left = {each for each in threading.enumerate() if "_connection_worker_thread" in each.name} - before
    assert left == set()
