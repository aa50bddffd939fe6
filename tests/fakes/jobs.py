"""A job queue in memory: jobs of one tenant run one after another, each once."""

from __future__ import annotations

import asyncio
from uuid import UUID

from domicile.adapters.jobs.retrying import Handler
from domicile.domain.errors import DatabaseUnavailable


class MemoryJobQueue:
    """Implements the ``JobQueue`` port. Without a handler it only remembers. Set ``broken`` to see enqueueing fail."""

    def __init__(self) -> None:
        self.enqueued: list[tuple[UUID, UUID]] = []
        self.broken = False
        self._handler: Handler | None = None
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._turns: dict[UUID, asyncio.Lock] = {}

    async def start(self, handler: Handler | None = None, give_up: Handler | None = None) -> None:
        self._handler = handler
        for job_id, tenant_id in self.enqueued:
            self._begin(job_id, tenant_id)

    async def enqueue(self, job_id: UUID, tenant_id: UUID) -> None:
        if self.broken:
            raise DatabaseUnavailable()
        if (job_id, tenant_id) not in self.enqueued:
            self.enqueued.append((job_id, tenant_id))
            self._begin(job_id, tenant_id)

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def join(self) -> None:
        """Wait until every job is through; raises what a handler raised."""
        await asyncio.gather(*self._tasks.values())

    def turn(self, tenant_id: UUID) -> asyncio.Lock:
        """Held while a job of the tenant runs; whoever else holds it keeps the next one waiting."""
        return self._turns.setdefault(tenant_id, asyncio.Lock())

    def _begin(self, job_id: UUID, tenant_id: UUID) -> None:
        if self._handler is not None and job_id not in self._tasks:
            self._tasks[job_id] = asyncio.create_task(self._run(self._handler, job_id, tenant_id))

    async def _run(self, handler: Handler, job_id: UUID, tenant_id: UUID) -> None:
        async with self.turn(tenant_id):
            await handler(job_id, tenant_id)
