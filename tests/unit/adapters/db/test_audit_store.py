"""Group commit: who shares a commit, and what everyone hears when it fails."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import Executable
from tests.fakes.people import uid
from tests.unit.adapters.db.test_audit_rows import event

from domicile.adapters.db import audit_store
from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.transaction import Parameters, Transaction
from domicile.audit.events import AuditEvent
from domicile.domain.errors import AuditUnavailable, IntegrityError, InvalidText, StorageFull


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[Transaction]:
    """Every commit, as it is made."""
    made: list[Transaction] = []
    commit = Transaction.commit

    async def counted(self: Transaction) -> None:
        made.append(self)
        await commit(self)

    monkeypatch.setattr(Transaction, "commit", counted)
    return made


async def stored(database: SqlDatabase) -> list[UUID]:
    return [entry.event.id for entry in await SqlAuditLog(database).read(None, limit=1000, newest_first=False)]


async def test_callers_who_wait_at_once_share_a_commit(sqlite_database: SqlDatabase, commits: list[Transaction]) -> None:
    """Sixty-four callers, one commit."""
    log = SqlAuditLog(sqlite_database)
    await asyncio.gather(*(log.append(event()) for _ in range(64)))
    assert len(commits) == 1
    assert len(await stored(sqlite_database)) == 64


async def test_who_comes_during_a_commit_is_in_the_next(sqlite_database: SqlDatabase, commits: list[Transaction]) -> None:
    """While the turn is taken they gather, and then go together."""
    log = SqlAuditLog(sqlite_database)
    async with sqlite_database.writing():
        first = asyncio.create_task(log.append(event()))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(log.append(event())) for _ in range(10)]
        await asyncio.sleep(0.01)
        assert not first.done()
    await asyncio.gather(first, *others)
    assert len(commits) == 2


async def test_a_batch_has_a_limit(
    sqlite_database: SqlDatabase, commits: list[Transaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long queue is cut into several commits; nobody is forgotten."""
    monkeypatch.setattr(audit_store, "CALLERS_PER_COMMIT", 10)
    log = SqlAuditLog(sqlite_database)
    await asyncio.gather(*(log.append(event()) for _ in range(25)))
    assert len(commits) == 3
    assert len(await stored(sqlite_database)) == 25


async def test_nothing_is_acknowledged_before_it_is_committed(
    sqlite_database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when all that is missing is the commit."""
    log, go = SqlAuditLog(sqlite_database), asyncio.Event()
    commit = Transaction.commit

    async def held(self: Transaction) -> None:
        await go.wait()
        await commit(self)

    monkeypatch.setattr(Transaction, "commit", held)
    waiting = asyncio.create_task(log.append(event()))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    go.set()
    await waiting
    assert len(await stored(sqlite_database)) == 1


async def test_a_failed_batch_fails_for_everyone_in_it_and_is_not_repeated(
    sqlite_database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each caller hears it, with advice on the cause; nothing of the batch is stored, and the log goes on afterwards."""
    log, attempts = SqlAuditLog(sqlite_database), []
    run_and_commit = Transaction.run_and_commit

    async def full(self: Transaction, statement: Executable, parameters: Parameters) -> None:
        attempts.append(await self.run(statement, parameters))
        raise StorageFull()

    monkeypatch.setattr(Transaction, "run_and_commit", full)
    ends = await asyncio.gather(*(log.append(event()) for _ in range(5)), return_exceptions=True)
    assert [type(end) for end in ends] == [AuditUnavailable] * 5
    assert len(set(map(id, ends))) == 5
    assert {end.advice for end in ends if isinstance(end, AuditUnavailable)} == {StorageFull.hint}
    assert len(attempts) == 1
    assert await stored(sqlite_database) == []
    monkeypatch.setattr(Transaction, "run_and_commit", run_and_commit)
    await log.append(event())
    assert len(await stored(sqlite_database)) == 1


async def test_a_fault_of_the_program_leaves_nobody_waiting(
    sqlite_database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits is refused, those of later batches too; the log goes on with who comes next."""
    log = SqlAuditLog(sqlite_database)
    monkeypatch.setattr(audit_store, "CALLERS_PER_COMMIT", 2)

    async def broken(*_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(audit_store, "write_and_commit", broken)
        ends = await asyncio.gather(*(log.append(event()) for _ in range(5)), return_exceptions=True)
    assert [type(end) for end in ends] == [AuditUnavailable] * 5
    assert log._writer is not None
    assert isinstance(log._writer.exception(), KeyError)
    await log.append(event())
    assert len(await stored(sqlite_database)) == 1


async def test_a_locked_database_is_an_unavailable_log(sqlite_url: str) -> None:
    """Another process holds the write lock for too long."""
    database = SqlDatabase(sqlite_url, busy_seconds=0.05)
    log = SqlAuditLog(database)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(AuditUnavailable):
        await log.append(event())
    other.execute("ROLLBACK")
    other.close()
    await log.append(event())
    assert len(await stored(database)) == 1
    await database.close()


async def test_an_event_that_cannot_be_encoded_fails_alone(sqlite_database: SqlDatabase) -> None:
    """The others of the same moment are written."""
    log = SqlAuditLog(sqlite_database)
    good: AuditEvent = event()
    bad = replace(event(), resource="\ud800")
    ends = await asyncio.gather(log.append(good), log.append(bad), return_exceptions=True)
    assert ends[0] is None
    assert isinstance(ends[1], InvalidText)
    assert await stored(sqlite_database) == [good.id]


async def test_closing_waits_for_what_was_accepted_and_refuses_the_rest(sqlite_database: SqlDatabase) -> None:
    """Nothing that was begun is lost at the end of the process."""
    log = SqlAuditLog(sqlite_database)
    calls = [asyncio.create_task(log.append(event())) for _ in range(5)]
    await asyncio.sleep(0)
    await log.close()
    assert len(await stored(sqlite_database)) == 5
    with pytest.raises(AuditUnavailable):
        await log.append(event())
    await asyncio.gather(*calls)
    await SqlAuditLog(sqlite_database).close()


async def test_an_altered_entry_is_not_explained_away(sqlite_database: SqlDatabase, sqlite_url: str) -> None:
    """Somebody with the file switched the triggers off: reading says so."""
    log = SqlAuditLog(sqlite_database)
    await log.append(event())
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    other.execute("DROP TRIGGER audit_entries_no_update")
    other.execute("UPDATE audit_entries SET body = replace(CAST(body AS TEXT), 'denied', 'Denied')")
    other.close()
    with pytest.raises(IntegrityError):
        await log.read(uid("acme"))
