"""One entry of the audit log: who did what to which documents, how it was decided and how it ended. Never content.

Ids are opaque, policies are named by id; questions, answers, titles and display names do not occur.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domicile.domain.actions import Action


class Outcome(StrEnum):
    """``denied`` is policy's or authentication's no; ``failed`` is a permitted access that could not be completed."""

    PERMITTED = "permitted"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """``resource`` is ``kind:id``. ``principal_id`` is None when nobody was authenticated.

    ``detail`` holds further facts by fixed names (numbers, ids, slugs), never free text.
    """

    id: UUID
    time: datetime
    tenant_id: UUID | None
    principal_id: UUID | None
    credential_id: UUID | None
    method: str
    access_region: str
    action: Action
    resource: str
    documents: tuple[UUID, ...] = ()
    chunks: tuple[UUID, ...] = ()
    outcome: Outcome
    policies: tuple[str, ...] = ()
    bundle_digest: str = ""
    model: str = ""
    model_region: str = ""
    reason: str = ""
    request_id: str = ""
    trace_id: str = ""
    detail: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event as the log holds it: its position (ascending, never reused) and its canonical bytes."""

    position: int
    event: AuditEvent
