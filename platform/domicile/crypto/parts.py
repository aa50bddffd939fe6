"""Under which name and which context each part of a document's version is kept. The same in every room that seals or opens."""

from __future__ import annotations

from uuid import UUID, uuid5

from domicile.crypto.context import EncryptionContext, Part
from domicile.domain.documents import DocumentAttributes


def blob_key(attributes: DocumentAttributes, version_id: UUID, part: Part) -> str:
    """The blob store's key of a version's original or text."""
    return f"{attributes.tenant_id}/{attributes.document_id}/{version_id}/{part.value}"


def blob_keys(attributes: DocumentAttributes, version_id: UUID) -> list[str]:
    """Every key that a version may have in the blob store."""
    return [blob_key(attributes, version_id, part) for part in (Part.ORIGINAL, Part.TEXT)]


def chunk_id(version_id: UUID, ordinal: int) -> UUID:
    """The same for the same chunk of the same version, so that indexing it again replaces it."""
    return uuid5(version_id, str(ordinal))


def context_of(attributes: DocumentAttributes, version_id: UUID, part: Part, ordinal: int | None = None) -> EncryptionContext:
    """What that part of the version is about; ``ordinal`` names the chunk."""
    version = str(version_id) if ordinal is None else f"{version_id}/{ordinal}"
    return EncryptionContext(attributes.tenant_id, attributes.region, attributes.document_id, version, part)
