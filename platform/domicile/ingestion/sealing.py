"""What of a document version is sealed, and under which name and context it is kept."""

from __future__ import annotations

from uuid import UUID, uuid5

import msgspec

from domicile.crypto.compaction import compacted
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal, unseal
from domicile.crypto.keys import DataKey
from domicile.domain.documents import Chunk, DocumentAttributes, DocumentTitle


def blob_key(attributes: DocumentAttributes, version_id: UUID, part: Part) -> str:
    """The blob store's key of a version's original or text."""
    return f"{attributes.tenant_id}/{attributes.document_id}/{version_id}/{part.value}"


def blob_keys(attributes: DocumentAttributes, version_id: UUID) -> list[str]:
    """Every key that a version may have in the blob store."""
    return [blob_key(attributes, version_id, part) for part in (Part.ORIGINAL, Part.TEXT)]


def chunk_id(version_id: UUID, ordinal: int) -> UUID:
    """The same for the same chunk of the same version, so that indexing it again replaces it."""
    return uuid5(version_id, str(ordinal))


def context_of(attributes: DocumentAttributes, version: str, part: Part) -> EncryptionContext:
    return EncryptionContext(attributes.tenant_id, attributes.region, attributes.document_id, version, part)


def seal_part(key: DataKey, attributes: DocumentAttributes, version_id: UUID, part: Part, content: bytes) -> bytes:
    return seal(key, context_of(attributes, str(version_id), part), content)


def unseal_part(key: DataKey, attributes: DocumentAttributes, version_id: UUID, part: Part, envelope: bytes) -> bytes:
    """Raises ``DecryptionFailed``."""
    return unseal(key, context_of(attributes, str(version_id), part), envelope)


def seal_title(key: DataKey, attributes: DocumentAttributes, version_id: UUID, title: DocumentTitle) -> bytes:
    return seal_part(key, attributes, version_id, Part.TITLE, msgspec.json.encode(title))


def unseal_title(key: DataKey, attributes: DocumentAttributes, version_id: UUID, envelope: bytes) -> DocumentTitle:
    """Raises ``DecryptionFailed``."""
    return msgspec.json.decode(unseal_part(key, attributes, version_id, Part.TITLE, envelope), type=DocumentTitle)


def seal_chunk(key: DataKey, attributes: DocumentAttributes, version_id: UUID, chunk: Chunk) -> bytes:
    body = {
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "headings": chunk.headings,
        "page": chunk.page,
    }
    return seal(key, context_of(attributes, f"{version_id}/{chunk.ordinal}", Part.CHUNK), compacted(msgspec.json.encode(body)))
