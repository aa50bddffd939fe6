"""The audit log in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domicile.audit.events import AuditEntry, AuditEvent
from domicile.domain.errors import AuditUnavailable


class MemoryAuditLog:
    """Implements the ``AuditLog`` port. Set ``broken`` to see what happens when it cannot be written."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.broken = False

    @property
    def events(self) -> list[AuditEvent]:
        """What was recorded, in order."""
        return [entry.event for entry in self.entries]

    async def append(self, *events: AuditEvent) -> None:
        if self.broken:
            raise AuditUnavailable()
        for event in events:
            self.entries.append(AuditEntry(len(self.entries) + 1, event))

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
        found = [
            entry
            for entry in self.entries
            if tenant_id in (None, entry.event.tenant_id)
            and (since is None or entry.event.time >= since)
            and (until is None or entry.event.time < until)
        ]
        if newest_first:
            found = [entry for entry in reversed(found) if after == 0 or entry.position < after]
        else:
            found = [entry for entry in found if entry.position > after]
        return found[:limit]
