"""The audit log, with one durable commit for everyone who waits (group commit).

While one batch is being written the next one gathers; under load a commit carries all concurrent callers, and a lone caller
waits for nothing but its own commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from domicile.adapters.db.audit_rows import row_of, write_and_commit
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.schema import audit_entries
from domicile.audit.encoding import decode
from domicile.audit.events import AuditEntry, AuditEvent
from domicile.domain.errors import AuditUnavailable, DomicileError

#: Callers whose events share one transaction at most, so that a long queue is not one long wait for everybody in it.
CALLERS_PER_COMMIT = 256


@dataclass(frozen=True, slots=True)
class _Waiting:
    rows: Sequence[Mapping[str, Any]]
    durable: asyncio.Future[None]


class SqlAuditLog:
    """Implements ``AuditLog``. Writes in the same queue as the database's units of work.

    Do not append from within a unit of work that writes: it would wait for itself. Use ``UnitOfWork.audit`` there.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    async def append(self, *events: AuditEvent) -> None:
        """A caller that is cancelled while it waits may find its event written; one that got an answer always does."""
        if self._closed:
            raise AuditUnavailable("The audit log is closed.")
        if not events:
            return
        # Encoded before it joins the others: an event that cannot be encoded fails alone.
        waiting = _Waiting([row_of(event) for event in events], asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="audit-log")
        await waiting.durable

    async def read(
        self,
        tenant_id: UUID | None,
        *,
        after: int = 0,
        limit: int = 100,
        newest_first: bool = True,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[AuditEntry]:
        """``after`` 0 starts at the newest entry, or at the oldest when ``newest_first`` is False."""
        position = audit_entries.c.position
        page = select(position, audit_entries.c.body).limit(limit)
        if tenant_id is not None:
            page = page.where(audit_entries.c.tenant_id == tenant_id)
        if since is not None:
            page = page.where(audit_entries.c.time >= since)
        if until is not None:
            page = page.where(audit_entries.c.time < until)
        if newest_first:
            page = page.where(position < after) if after else page
            page = page.order_by(position.desc())
        else:
            page = page.where(position > after).order_by(position)
        async with self._database.reading_transaction() as open_:
            return [AuditEntry(row.position, decode(row.body)) for row in await open_.all(page)]

    async def close(self) -> None:
        """Refuse further events, and wait until those that were accepted are durable or have failed."""
        self._closed = True
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:CALLERS_PER_COMMIT]
                del self._waiting[:CALLERS_PER_COMMIT]
                await self._write(batch)
        finally:
            # Nobody is left unless this task was ended from outside; then nobody may wait for ever.
            _settle(self._waiting, durable=False)
            self._waiting.clear()

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        """One transaction, tried once: a caller that retries does so knowingly."""
        durable, advice = False, AuditUnavailable.hint
        try:
            async with self._database.writing_transaction() as open_:
                await write_and_commit(open_, [row for waiting in batch for row in waiting.rows])
                durable = True
        except DomicileError as error:
            advice = error.advice
        finally:
            _settle(batch, durable=durable, advice=advice)


def _settle(batch: Sequence[_Waiting], *, durable: bool, advice: str = AuditUnavailable.hint) -> None:
    """Release every caller that still waits: one that was cancelled does not."""
    for waiting in batch:
        if waiting.durable.done():
            continue
        if durable:
            waiting.durable.set_result(None)
        else:
            waiting.durable.set_exception(AuditUnavailable(hint=advice))
