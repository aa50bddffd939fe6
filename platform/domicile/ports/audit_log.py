"""The audit log outside any other transaction. Inside one, use ``UnitOfWork.audit``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domicile.audit.events import AuditEntry, AuditEvent


class AuditLog(Protocol):
    async def append(self, *events: AuditEvent) -> None:
        """Return once every event is durable, having shared the commit with other callers; raises ``AuditUnavailable``.

        Nothing may be released before this returns (invariant 5).
        """
        ...

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
        """Entries of one tenant (None: of the whole cell), by position, after (or before, newest first) that position.

        Only those whose time is not before ``since`` and is before ``until``.
        """
        ...
