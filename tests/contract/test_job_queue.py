"""What every job queue does, in memory or durably."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.fakes.clock import FixedClock
from tests.fakes.jobs import MemoryJobQueue

from domicile.adapters.jobs.dbos_queue import DbosJobQueue


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres), "fake"])
async def queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    """Each queue in turn, not started."""
    made: Any = MemoryJobQueue()
    if request.param == "sqlite":
        made = DbosJobQueue(f"sqlite+aiosqlite:///{tmp_path}/jobs.sqlite3", polling_seconds=0.05)
    elif request.param == "postgres":
        made = DbosJobQueue(request.getfixturevalue("postgres_url"), polling_seconds=0.05)
    yield made
    await made.stop()


class Recorder:
    """A handler that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.seen: list[UUID] = []
        self.at_once: dict[UUID, int] = {}
        self.most_at_once = 0
        self._changed = asyncio.Condition()

    async def __call__(self, job_id: UUID, tenant_id: UUID) -> None:
        self.at_once[tenant_id] = self.at_once.get(tenant_id, 0) + 1
        self.most_at_once = max(self.most_at_once, *self.at_once.values())
        await asyncio.sleep(0.01)
        self.at_once[tenant_id] -= 1
        async with self._changed:
            self.seen.append(job_id)
            self._changed.notify_all()

    async def wait_for(self, jobs: int) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= jobs)


async def test_a_job_runs_once_on_the_callers_loop(queue: Any) -> None:
    """However often it is enqueued, also after it is done."""
    record = Recorder()
    await queue.start(record)
    job, later, tenant = uuid4(), uuid4(), uuid4()
    await queue.enqueue(job, tenant)
    await queue.enqueue(job, tenant)
    await record.wait_for(1)
    await queue.enqueue(job, tenant)
    await queue.enqueue(later, tenant)
    await record.wait_for(2)
    assert record.seen == [job, later]


async def test_the_jobs_of_a_tenant_run_in_order_one_by_one(queue: Any) -> None:
    """So that an older version of a document is never published over a newer one."""
    record = Recorder()
    await queue.start(record)
    clock = FixedClock()  # Of equal times, the ids decide, which ascend.
    jobs, tenant, other = [clock.new_id() for _ in range(4)], uuid4(), uuid4()
    for job in jobs:
        await queue.enqueue(job, tenant)
        await queue.enqueue(uuid4(), other)
    await record.wait_for(8)
    assert [job for job in record.seen if job in jobs] == jobs
    assert record.most_at_once == 1
