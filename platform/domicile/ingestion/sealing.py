"""What of a document version is sealed, and how it is written."""

from __future__ import annotations

from uuid import UUID

import msgspec

from domicile.crypto.compaction import compacted
from domicile.crypto.context import Part
from domicile.crypto.envelope import seal, unseal
from domicile.crypto.keys import DataKey
from domicile.crypto.parts import context_of
from domicile.domain.documents import Chunk, DocumentAttributes, DocumentTitle


def seal_part(key: DataKey, attributes: DocumentAttributes, version_id: UUID, part: Part, content: bytes) -> bytes:
    return seal(key, context_of(attributes, version_id, part), content)


def unseal_part(key: DataKey, attributes: DocumentAttributes, version_id: UUID, part: Part, envelope: bytes) -> bytes:
    """Raises ``DecryptionFailed``."""
    return unseal(key, context_of(attributes, version_id, part), envelope)


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
    return seal(key, context_of(attributes, version_id, Part.CHUNK, chunk.ordinal), compacted(msgspec.json.encode(body)))
