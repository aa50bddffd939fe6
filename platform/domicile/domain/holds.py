"""Legal holds: what has to be kept because a matter needs it, whatever anybody else wants to have deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class HoldKind(StrEnum):
    """What a hold keeps."""

    DOCUMENT = "document"
    COLLECTION = "collection"  # every document in it, those to come included
    SUBJECT = "subject"  # every document and conversation about somebody
    TENANT = "tenant"  # everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """``target`` is the document, collection or tenant; a subject is known by its digest. ``reference`` names the matter.

    A hold that was released keeps nothing any more, and stays as a record.
    """

    id: UUID
    tenant_id: UUID
    kind: HoldKind
    target: UUID | None
    subject: bytes | None
    reference: str
    placed_by: UUID
    placed_at: datetime
    released_by: UUID | None = None
    released_at: datetime | None = None
