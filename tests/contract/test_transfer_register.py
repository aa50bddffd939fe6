"""What every transfer register owes, in memory and in both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.clock import FixedClock
from tests.fakes.people import uid

from domicile.adapters.db.database import SqlDatabase
from domicile.domain.errors import AlreadyExists, IntegrityError
from domicile.domain.transfers import TransferFilter, TransferRecord, Unit
from domicile.ports.repositories import Database

CLOCK = FixedClock()
START = datetime(2025, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
ALL = TransferFilter()
ACME, GLOBEX = uid("acme"), uid("globex")


def record(**changes: object) -> TransferRecord:
    fields: dict[str, object] = {
        "id": CLOCK.new_id(),
        "time": START,
        "tenant_id": ACME,
        "principal_id": uid("mia"),
        "credential_id": uid("key"),
        "kind": "content",
        "source": "eu-de",
        "target": "ch-zh",
        "component": "model",
        "entry": "eu-ch",
        "basis": "Adequacy decision",
        "reference": "Decision 2000/518/EC",
        "amount": 8,
        "unit": Unit.PASSAGES,
        "bundle_digest": "ab" * 32,
        "audit_id": uid("event"),
        "request_id": "request-1",
    }
    return TransferRecord(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    if request.param == "memory":
        yield MemoryAccounts()  # type: ignore[misc]
        return
    opened = SqlDatabase(request.getfixturevalue(f"{request.param}_url"))
    yield opened
    await opened.close()


async def add(database: Database, *records: TransferRecord) -> None:
    async with database.writing() as unit:
        await unit.transfers.add(*records)
        await unit.commit()


async def listed(database: Database, wanted: TransferFilter = ALL, **page: object) -> list[TransferRecord]:
    async with database.reading() as unit:
        return list(await unit.transfers.list(ACME, wanted, **page))  # type: ignore[arg-type]


async def test_an_entry_is_read_back_as_it_was_written(database: Database) -> None:
    """Every field survives, those that are empty or None too."""
    full, bare = record(), record(tenant_id=None, principal_id=None, credential_id=None, component="", request_id="")
    await add(database, full, bare)
    assert await listed(database) == [bare, full]


async def test_what_is_not_committed_is_not_there(database: Database) -> None:
    """An entry exists if and only if its unit of work commits."""
    async with database.writing() as unit:
        await unit.transfers.add(record())
    assert await listed(database) == []


async def test_adding_nothing_adds_nothing(database: Database) -> None:
    """A cell without components elsewhere has nothing to enter."""
    await add(database)
    assert await listed(database) == []


async def test_a_tenant_sees_its_own_and_the_cells_entries_only(database: Database) -> None:
    """Another tenant's are neither given nor do they fill a page."""
    mine, cells, theirs = record(), record(tenant_id=None), [record(tenant_id=GLOBEX) for _ in range(3)]
    await add(database, mine, *theirs, cells)
    assert await listed(database, limit=2) == [cells, mine]


async def test_pages_go_back_in_time_and_repeat_nothing(database: Database) -> None:
    """The last id seen is the cursor of the next page, also when something was added in between."""
    records = [record() for _ in range(5)]
    await add(database, *records)
    first = await listed(database, limit=2)
    await add(database, record())
    second = await listed(database, after=first[-1].id, limit=2)
    third = await listed(database, after=second[-1].id, limit=2)
    assert [*first, *second, *third] == records[::-1]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (TransferFilter(kind="access"), [1]),
        (TransferFilter(source="ch-zh"), [2]),
        (TransferFilter(target="eu-fr"), [1]),
        (TransferFilter(since=START + timedelta(days=1)), [2, 1]),
        (TransferFilter(until=START + timedelta(days=1)), [0]),
        (TransferFilter(since=START, until=START + timedelta(days=1), kind="content"), [0]),
        (TransferFilter(kind="access", source="ch-zh"), []),
    ],
)
async def test_filters_narrow_together(database: Database, wanted: TransferFilter, found: list[int]) -> None:
    """The beginning of a period is in it and its end is not."""
    records = [
        record(),
        record(kind="access", target="eu-fr", time=START + timedelta(days=1)),
        record(source="ch-zh", target="eu-de", time=START + timedelta(days=2)),
    ]
    await add(database, *records)
    assert await listed(database, wanted) == [records[number] for number in found]


async def test_an_entry_is_written_once(database: Database) -> None:
    """The same id again is an error, not another entry in its place."""
    once = record()
    await add(database, once)
    with pytest.raises((AlreadyExists, IntegrityError)):
        await add(database, record(id=once.id, amount=1))
    assert await listed(database) == [once]


@pytest.mark.parametrize("statement", ["UPDATE transfers SET amount = 0", "DELETE FROM transfers"])
async def test_the_database_itself_refuses_a_change(database_url: str, statement: str) -> None:
    """Whoever has a connection can add, and nothing else."""
    database = SqlDatabase(database_url)
    await add(database, record())
    before = await listed(database)
    with pytest.raises(IntegrityError):
        async with database.writing_transaction() as open_:
            await open_.run(text(statement))
    assert await listed(database) == before
    await database.close()


@pytest.mark.postgres
async def test_postgres_does_not_empty_the_register_either(postgres_url: str) -> None:
    """TRUNCATE is no DELETE."""
    database = SqlDatabase(postgres_url)
    await add(database, record())
    with pytest.raises(IntegrityError):
        async with database.writing_transaction() as open_:
            await open_.run(text("TRUNCATE transfers"))
    assert len(await listed(database)) == 1
    await database.close()


async def test_sqlite_replaces_nothing(sqlite_database: SqlDatabase) -> None:
    """INSERT OR REPLACE would delete the entry that it collides with, without a DELETE."""
    await add(sqlite_database, record())
    before = await listed(sqlite_database)
    with pytest.raises(IntegrityError):
        async with sqlite_database.writing_transaction() as open_:
            await open_.run(text("INSERT OR REPLACE INTO transfers SELECT * FROM transfers"))
    assert await listed(sqlite_database) == before
