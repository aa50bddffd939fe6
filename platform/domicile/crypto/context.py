"""The encryption context: what a ciphertext is about, authenticated with it and supplied again to open it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domicile.domain.values import Region


class Part(StrEnum):
    """Which part of an object an envelope holds."""

    ORIGINAL = "original"  # the file's bytes, in the blob store
    TEXT = "text"  # the extracted text, in the blob store
    TITLE = "title"  # title, source and media type, in the database
    CHUNK = "chunk"  # one chunk's text, in the vector index
    EXCHANGE = "exchange"  # one question with its answer, in the database
    CONVERSATION_TITLE = "conversation-title"
    PROFILE = "profile"  # login and display name of an account, in the database
    LABEL = "label"  # an API key's label, in the database
    DATA_KEY = "data-key"  # a wrapped data key, in the key store
    SCRATCH = "scratch"  # a block of a temporary file, under a key that only one process has
    TENANT_KEY = "tenant-key"  # a wrapped tenant key, in the key store


@dataclass(frozen=True, slots=True)
class EncryptionContext:
    """Tenant, region, object, version and part, in this fixed order, each length-prefixed when encoded.

    ``object_id`` is the document, conversation, account, API key or key. ``version`` is the version's id, followed by ``/``
    and the ordinal for a chunk, or the exchange's ordinal; it is empty where an object has no versions.
    """

    tenant_id: UUID
    region: Region
    object_id: UUID
    version: str
    part: Part

    def encode(self) -> bytes:
        """For each field a 4-byte big-endian length and its UTF-8 bytes, so that no two contexts encode alike."""
        fields = (str(self.tenant_id), self.region.name, str(self.object_id), self.version, self.part.value)
        return b"".join(len(raw).to_bytes(4, "big") + raw for raw in (field.encode() for field in fields))
