"""SQLite's connections: short reads where they are asked, everything else in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domicile.adapters.db.sqlite import ReadingConnection, reading_engine, writing_engine
from domicile.adapters.db.transaction import Transaction, transaction
from domicile.domain.errors import AlreadyExists, DatabaseUnavailable

#: Takes tens of milliseconds, and so more steps than are taken at once.
LONG = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*) AS many FROM n")


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "cell.db")
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE note (id INTEGER PRIMARY KEY)")
        made.execute("INSERT INTO note VALUES (1)")
    made.close()
    return path


@pytest.fixture
async def reading(path: str) -> AsyncIterator[AsyncEngine]:
    engine = reading_engine(path, 5.0)
    yield engine
    await engine.dispose()


@pytest.fixture
async def writing(path: str) -> AsyncIterator[AsyncEngine]:
    engine = writing_engine(path, 5.0)
    yield engine
    await engine.dispose()


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What reading connections had executed in their threads."""
    made: list[object] = []
    at_leisure = ReadingConnection._at_leisure

    def noted(self: ReadingConnection, run):
        made.append(run)
        return at_leisure(self, run)

    monkeypatch.setattr(ReadingConnection, "_at_leisure", noted)
    return made


async def many(open_: Transaction) -> int:
    row = await open_.first(text("SELECT count(*) AS many FROM note"))
    return 0 if row is None else row.many


async def test_a_short_read_makes_no_trip_to_a_thread(reading: AsyncEngine, trips: list[object]) -> None:
    """Looking up a row costs less than asking a thread to do it."""
    async with transaction(reading) as open_:
        assert [await many(open_) for _ in range(3)] == [1, 1, 1]
    assert trips == []


async def test_a_long_read_leaves_the_event_loop_free(reading: AsyncEngine, trips: list[object]) -> None:
    """It is stopped, done again in the thread, and gives the same; others go on meanwhile."""
    turns = 0
    async with transaction(reading) as open_:
        counting = asyncio.create_task(open_.first(LONG))
        while not counting.done():
            await asyncio.sleep(0)
            turns += 1
        row = await counting
        assert await many(open_) == 1
    assert row is not None
    assert row.many == 300_000
    assert len(trips) == 1
    assert turns > 10


@pytest.fixture
def locked(path: str) -> Iterator[Callable[[], sqlite3.Connection]]:
    """Locks the database as another process would that rebuilds it; closing gives it free."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = DELETE")

    def lock() -> sqlite3.Connection:
        other.execute("BEGIN EXCLUSIVE")
        return other

    yield lock
    other.close()


async def test_a_reader_that_has_to_wait_for_another_process_waits_in_the_thread(
    locked: Callable[[], sqlite3.Connection], reading: AsyncEngine, trips: list[object]
) -> None:
    """A database that somebody else holds alone is waited for, and not in the event loop."""
    async with transaction(reading) as open_:
        await many(open_)
    other = locked()
    async with transaction(reading) as open_:
        counting = asyncio.create_task(many(open_))
        await asyncio.sleep(0.05)
        assert not counting.done()
        other.close()
        assert await counting == 1
    assert len(trips) == 1


async def test_a_reader_does_not_wait_for_ever(path: str, locked: Callable[[], sqlite3.Connection]) -> None:
    """After the seconds that it was given it says that the database is busy."""
    engine = reading_engine(path, 0.05)
    async with transaction(engine) as open_:
        await many(open_)
    locked()
    with pytest.raises(DatabaseUnavailable):
        async with transaction(engine) as open_:
            await many(open_)
    await engine.dispose()


async def test_a_connection_whose_reader_went_away_stays_its_threads_until_that_is_done(path: str, trips: list[object]) -> None:
    """The next reader on the connection does not run beside the statement that nobody waits for any more."""
    driver = ReadingConnection(lambda: sqlite3.connect(path, isolation_level=None, check_same_thread=False), "BEGIN", 5.0)
    await driver
    long = asyncio.create_task(driver.cursor().execute(str(LONG)))
    await asyncio.sleep(0)
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    await driver.rollback()
    cursor = driver.cursor()
    await cursor.execute("SELECT count(*) FROM note")
    assert list(await cursor.fetchall()) == [(1,)]
    assert len(trips) == 2
    await driver.rollback()
    await driver.close()


async def test_a_statement_that_fails_commits_nothing(writing: AsyncEngine, reading: AsyncEngine) -> None:
    """Of rows that are written and committed in one trip, either all are there or none."""
    insert = text("INSERT INTO note VALUES (:id)")
    with pytest.raises(AlreadyExists):
        async with transaction(writing) as open_:
            await open_.run_and_commit(insert, [{"id": 2}, {"id": 1}])
    async with transaction(reading) as open_:
        assert await many(open_) == 1
    async with transaction(writing) as open_:
        await open_.run_and_commit(insert, [{"id": 2}, {"id": 3}])
    async with transaction(reading) as open_:
        assert await many(open_) == 3
    async with transaction(writing) as open_:
        await open_.run(insert, {"id": 4})
    async with transaction(reading) as open_:
        assert await many(open_) == 3


async def test_a_commit_that_was_asked_for_and_could_not_be_does_not_befall_the_next_transaction(
    path: str, reading: AsyncEngine
) -> None:
    """A locked database refuses to begin; whoever comes next on the connection commits when it says so and not before."""
    engine = writing_engine(path, 0.05)
    insert = text("INSERT INTO note VALUES (:id)")
    async with transaction(engine) as open_:
        await many(open_)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable):
        async with transaction(engine) as open_:
            await open_.run_and_commit(insert, [{"id": 2}])
    other.close()
    async with transaction(engine) as open_:
        await open_.run(insert, {"id": 3})
    async with transaction(reading) as open_:
        assert await many(open_) == 1
    await engine.dispose()
