"""What an import brings documents in with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domicile.domain.documents import Job
from domicile.domain.marks import Marking
from domicile.domain.principals import Caller
from domicile.ingestion.drafts import SOURCE_LENGTH, Upload
from domicile.ingestion.intake import Intake
from domicile.lifecycle.importing import ImportLimits, TakeDocuments


class _Limited(Protocol):
    @property
    def max_document_bytes(self) -> int: ...
    @property
    def max_documents_per_request(self) -> int: ...


def taking(intake: Intake) -> TakeDocuments:
    """The way of every document that is brought in."""

    async def take(caller: Caller, collection_id: UUID, files: Sequence[tuple[str, bytes]], marking: Marking) -> Job:
        uploads = [Upload(source, content) for source, content in files]
        return await intake.submit(caller, collection_id, uploads, marking=marking)

    return take


def import_limits(settings: _Limited) -> ImportLimits:
    """From the settings."""
    return ImportLimits(
        source_chars=SOURCE_LENGTH,
        document_bytes=settings.max_document_bytes,
        documents=settings.max_documents_per_request,
    )
