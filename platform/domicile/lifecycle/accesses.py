"""Who accessed what is in an export, and when, from the audit log: one line of JSON an event.

Whoever did it is named by id. A name is added only where whoever has the export made may see it: an employee who consulted
somebody's data at the organisation's instruction is no recipient whose name that person has to be told (CJEU C-579/21).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from domicile.audit.encoding import timestamp
from domicile.audit.events import AuditEvent
from domicile.ports.audit_log import AuditLog

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Told:
    """What the events have to be about. ``principals`` are those whose own doing is told whole; ``names`` are logins by id."""

    documents: Set[UUID]
    resources: Set[str]
    principals: Set[UUID]
    names: Mapping[UUID, str]

    def line(self, event: AuditEvent) -> bytes:
        """The event's line; empty for one that is about nothing of that. Names no document that is not in the export."""
        own = event.principal_id in self.principals
        documents = [each for each in event.documents if own or each in self.documents]
        if not (own or documents or event.resource in self.resources):
            return b""
        shown = {
            "time": timestamp(event.time),
            "principal": event.principal_id,
            "name": self.names.get(event.principal_id) if event.principal_id else None,
            "action": event.action,
            "outcome": event.outcome,
            "resource": event.resource,
            "documents": documents,
        }
        return msgspec.json.encode(shown) + b"\n"


async def lines(log: AuditLog, tenant_id: UUID, told: Told, until: datetime) -> AsyncIterator[bytes]:
    """Of all events before that time, the oldest first, a page at a time."""
    after = 0
    while page := await log.read(tenant_id, after=after, limit=_PAGE, newest_first=False, until=until):
        after = page[-1].position
        yield b"".join(told.line(entry.event) for entry in page)
