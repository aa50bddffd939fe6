"""``/v1/audit``: the tenant's own audit log, for auditors and administrators."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from domicile.domain.actions import Action
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.schemas import AuditEventsOut, audit_event_out


@get("/audit/events", summary="Read the audit log", tags=["audit"], responses=problems(), opt=decides(Action.AUDIT_READ))
async def list_events(
    visitor: Who,
    cell: Here,
    after: Annotated[int, QueryParameter(ge=0, le=2**53, description="The cursor that the page before gave")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Events a page")] = 100,
) -> AuditEventsOut:
    """The newest events first. Reading them is an event, too."""
    entries = await cell.journal.read(visitor.caller, after=after, limit=limit)
    following = entries[-1].position if len(entries) == limit else None
    return AuditEventsOut([audit_event_out(each) for each in entries], following)
