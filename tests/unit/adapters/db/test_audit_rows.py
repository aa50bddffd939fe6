"""The audit log cannot be changed, by SQL neither."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text
from tests.fakes.clock import FixedClock
from tests.fakes.people import uid

from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import AlreadyExists, IntegrityError

CLOCK = FixedClock()
COLUMNS = "position, id, tenant_id, principal_id, time, action, outcome, body"


def event(id_: UUID | None = None) -> AuditEvent:
    return AuditEvent(
        id=id_ or CLOCK.new_id(),
        time=CLOCK.now(),
        tenant_id=uid("acme"),
        principal_id=None,
        credential_id=None,
        method="",
        access_region="",
        action=Action.SEARCH_CREATE,
        resource="",
        outcome=Outcome.DENIED,
    )


@pytest.fixture
async def log(database: SqlDatabase) -> SqlAuditLog:
    opened = SqlAuditLog(database)
    await opened.append(event(), event())
    return opened


async def refused(database: SqlDatabase, statement: str) -> None:
    with pytest.raises(IntegrityError):
        async with database.writing_transaction() as open_:
            await open_.run(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET outcome = 'permitted'",
        "UPDATE audit_entries SET position = position + 10",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_entries WHERE position = 2",
    ],
)
async def test_entries_are_neither_changed_nor_deleted(log: SqlAuditLog, database: SqlDatabase, statement: str) -> None:
    """The database itself refuses; the log is as it was."""
    before = await log.read(None)
    await refused(database, statement)
    assert await log.read(None) == before


@pytest.mark.postgres
async def test_postgres_does_not_empty_the_table_either(postgres_url: str) -> None:
    """TRUNCATE is no DELETE."""
    database = SqlDatabase(postgres_url)
    await SqlAuditLog(database).append(event())
    await refused(database, "TRUNCATE audit_entries")
    assert len(await SqlAuditLog(database).read(None)) == 1
    await database.close()


@pytest.mark.parametrize(
    "values",
    [
        "position, 'x', tenant_id, principal_id, time, action, 'permitted', body FROM audit_entries WHERE position = 1",
        "position + 1, id, tenant_id, principal_id, time, action, 'permitted', body FROM audit_entries WHERE position = 2",
        "position + 5, 'x', tenant_id, principal_id, time, action, outcome, body FROM audit_entries WHERE position = 2",
    ],
)
async def test_sqlite_replaces_nothing_and_skips_nothing(sqlite_database: SqlDatabase, values: str) -> None:
    """INSERT OR REPLACE would delete the entry that it collides with, by position or by id, without a DELETE."""
    log = SqlAuditLog(sqlite_database)
    await log.append(event(), event())
    before = await log.read(None)
    await refused(sqlite_database, f"INSERT OR REPLACE INTO audit_entries ({COLUMNS}) SELECT {values}")
    assert await log.read(None) == before


async def test_an_event_is_written_once(database: SqlDatabase) -> None:
    """The same event again is an error, not a second entry."""
    once = event()

    async def write() -> None:
        async with database.writing() as unit:
            await unit.audit.append(once)
            await unit.commit()

    await write()
    with pytest.raises((AlreadyExists, IntegrityError)):
        await write()
    assert [entry.event for entry in await SqlAuditLog(database).read(None)] == [once]
