"""What every audit log owes, in memory and in both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.people import uid

from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.ports.audit_log import AuditLog

CLOCK = FixedClock()


def event(tenant: str = "acme", **changes: object) -> AuditEvent:
    fields: dict[str, object] = {
        "id": CLOCK.new_id(),
        "time": datetime(2025, 3, 14, 9, 26, 53, 589793, tzinfo=UTC),
        "tenant_id": uid(tenant),
        "principal_id": uid("mia"),
        "credential_id": None,
        "method": "session",
        "access_region": "eu-de",
        "action": Action.SEARCH_CREATE,
        "resource": f"tenant:{uid(tenant)}",
        "documents": (uid("document"),),
        "chunks": (uid("chunk/1"), uid("chunk/2")),
        "outcome": Outcome.PERMITTED,
        "policies": ("members-read",),
        "bundle_digest": "ab" * 32,
        "request_id": "request-1",
        "detail": (("hits", 2), ("collection", "handbook")),
    }
    return AuditEvent(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[AuditLog]:
    if request.param == "memory":
        yield MemoryAuditLog()
        return
    database = SqlDatabase(request.getfixturevalue(f"{request.param}_url"))
    opened = SqlAuditLog(database)
    yield opened
    await opened.close()
    await database.close()


async def test_an_event_is_read_back_as_it_was_appended(log: AuditLog) -> None:
    """Every field survives, those that are empty or None too."""
    full, bare = event(), event(tenant_id=None, principal_id=None, chunks=(), documents=(), policies=(), detail=())
    await log.append(full)
    await log.append(bare)
    assert [entry.event for entry in await log.read(None, newest_first=False)] == [full, bare]


async def test_positions_ascend_without_gaps_from_one(log: AuditLog) -> None:
    """A later Merkle tree numbers its leaves by them."""
    await log.append(event(), event())
    await log.append(event())
    assert [entry.position for entry in await log.read(None, newest_first=False)] == [1, 2, 3]


async def test_events_of_one_call_keep_their_order(log: AuditLog) -> None:
    """A caller appends what happened in the order in which it happened."""
    events = [event(request_id=f"request-{number}") for number in range(20)]
    await log.append(*events)
    assert [entry.event for entry in await log.read(None, newest_first=False)] == events


async def test_a_tenant_reads_its_own_entries_only(log: AuditLog) -> None:
    """Another tenant's entries are neither given nor counted."""
    await log.append(event("acme"), event("globex"), event("acme"), event(tenant_id=None))
    assert {entry.event.tenant_id for entry in await log.read(uid("acme"))} == {uid("acme")}
    assert len(await log.read(uid("acme"))) == 2
    assert len(await log.read(None)) == 4


@pytest.mark.parametrize(
    ("after", "newest_first", "positions"),
    [(0, True, [9, 8, 7]), (7, True, [6, 5, 4]), (1, True, []), (0, False, [1, 2, 3]), (7, False, [8, 9]), (9, False, [])],
)
async def test_pages_go_on_after_a_position_in_either_direction(
    log: AuditLog, after: int, newest_first: bool, positions: list[int]
) -> None:
    """The position of the last entry seen is the cursor of the next page."""
    await log.append(*(event() for _ in range(9)))
    page = await log.read(None, after=after, limit=3, newest_first=newest_first)
    assert [entry.position for entry in page] == positions


async def test_a_period_has_its_first_moment_and_not_its_last(log: AuditLog) -> None:
    """By the events' own times, in both directions and page by page."""
    hours = [datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in range(6)]
    await log.append(*(event(time=hour) for hour in hours))
    for newest_first in (True, False):
        page = await log.read(None, since=hours[2], until=hours[5], newest_first=newest_first)
        assert sorted(entry.event.time for entry in page) == hours[2:5]
    (rest,) = await log.read(None, after=4, newest_first=False, since=hours[2], until=hours[5])
    assert rest.event.time == hours[4]


async def test_concurrent_callers_lose_nothing(log: AuditLog) -> None:
    """Two hundred callers at once: each event is there exactly once when all have their answer."""
    events = [event(request_id=f"request-{number}") for number in range(200)]
    await asyncio.gather(*(log.append(each) for each in events))
    entries = await log.read(None, limit=1000, newest_first=False)
    assert sorted(entry.event.id for entry in entries) == sorted(each.id for each in events)
    assert [entry.position for entry in entries] == list(range(1, 201))


async def test_appending_nothing_appends_nothing(log: AuditLog) -> None:
    """No empty entry, no waiting."""
    await log.append()
    assert await log.read(None) == []


class TestStoredLogs:
    """What only a stored log can show."""

    async def test_entries_are_there_for_who_opens_the_database_next(self, database_url: str) -> None:
        """Acknowledged means stored: another connection sees it at once."""
        database, other = SqlDatabase(database_url), SqlDatabase(database_url)
        appended = event()
        await SqlAuditLog(database).append(appended)
        assert [entry.event for entry in await SqlAuditLog(other).read(None)] == [appended]
        await database.close()
        await other.close()

    async def test_two_processes_share_one_sequence(self, database_url: str) -> None:
        """Two logs on one database never give a position twice and leave no gap."""
        databases = [SqlDatabase(database_url), SqlDatabase(database_url)]
        logs = [SqlAuditLog(database) for database in databases]
        await asyncio.gather(*(logs[number % 2].append(event()) for number in range(60)))
        entries = await logs[0].read(None, limit=100, newest_first=False)
        assert [entry.position for entry in entries] == list(range(1, 61))
        for database in databases:
            await database.close()

    async def test_a_cancelled_caller_disturbs_no_other(self, database: SqlDatabase) -> None:
        """It may find its event written, or not; everyone else's is."""
        log = SqlAuditLog(database)
        events = [event() for _ in range(20)]
        calls = [asyncio.create_task(log.append(each)) for each in events]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert ends[1::2] == [None] * 10
        stored = {entry.event.id for entry in await log.read(None)}
        assert stored >= {each.id for each in events[1::2]}

    async def test_units_of_work_and_the_log_share_one_sequence(self, database: SqlDatabase) -> None:
        """An event in a transaction is there if and only if the transaction commits, and leaves no gap otherwise."""
        log = SqlAuditLog(database)
        committed, rolled_back = event(), event()
        async with database.writing() as unit:
            await unit.audit.append(rolled_back)
        async with database.writing() as unit:
            await unit.audit.append(committed)
            await unit.commit()
        await log.append(event())
        entries = await log.read(None, newest_first=False)
        assert [entry.position for entry in entries] == [1, 2]
        assert entries[0].event == committed
