"""A document's content out of its envelopes, for whoever takes it along. Called only after its release is in the log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import msgspec

from domicile.crypto.context import Part
from domicile.crypto.envelope import key_id_of, unseal
from domicile.crypto.keys import DataKey
from domicile.crypto.parts import blob_key, context_of
from domicile.domain.documents import Document, DocumentTitle
from domicile.domain.errors import DecryptionFailed
from domicile.ports.blobs import BlobStore
from domicile.ports.keys import KeyRing


@dataclass(frozen=True, slots=True)
class Opened:
    """All that there is of a document's current version."""

    title: DocumentTitle
    original: bytes
    text: bytes


class Opener:
    """Holds one document at a time."""

    def __init__(self, blobs: BlobStore, keys: KeyRing) -> None:
        self._blobs = blobs
        self.keys = keys

    async def open(self, tenant_id: UUID, document: Document) -> Opened:
        """Raises ``DecryptionFailed``, ``NotFound`` for what was removed meanwhile, and ``DependencyError``."""
        original = await self._part(tenant_id, document, Part.ORIGINAL)
        text = await self._part(tenant_id, document, Part.TEXT)
        title = _title(document, await self.keys.open(tenant_id, document.version.data_key_id))
        return Opened(title, original, text)

    async def _part(self, tenant_id: UUID, document: Document, part: Part) -> bytes:
        place = (document.attributes, document.version.id, part)
        envelope = await self._blobs.get(blob_key(*place))
        # By the key that the envelope names: a document that is being encrypted anew has two.
        key = await self.keys.open(tenant_id, key_id_of(envelope))
        return await asyncio.to_thread(unseal, key, context_of(*place), envelope)


def _title(document: Document, key: DataKey) -> DocumentTitle:
    plain = unseal(key, context_of(document.attributes, document.version.id, Part.TITLE), document.version.title_envelope)
    try:
        return msgspec.json.decode(plain, type=DocumentTitle)
    except msgspec.DecodeError:
        raise DecryptionFailed() from None
