"""Taking a document away: decided, recorded and gone from sight in one transaction, then gone from the stores."""

from __future__ import annotations

from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import NotFound
from domicile.domain.principals import Caller
from domicile.domain.values import Classification
from domicile.ingestion.sealing import blob_keys
from domicile.ports.blobs import BlobStore
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database
from domicile.ports.vector_index import VectorIndex


class Withdrawal:
    """Deletes documents."""

    def __init__(self, *, database: Database, keys: KeyRing, index: VectorIndex, blobs: BlobStore, gate: Gate) -> None:
        self._database = database
        self._keys = keys
        self._index = index
        self._blobs = blobs
        self._gate = gate

    async def delete(self, caller: Caller, document_id: UUID) -> None:
        """Remove the document with its data key: unreadable everywhere once this returns, and before its bytes are gone.

        Raises ``NotFound`` or ``Forbidden``.
        """
        attributes = await self._attributes(caller, document_id)
        decision = await self._gate.require(caller, Action.DOCUMENT_DELETE, attributes)
        event = self._gate.event(
            caller,
            Action.DOCUMENT_DELETE,
            attributes,
            Outcome.PERMITTED,
            documents=(document_id,),
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
        )
        async with self._database.writing() as unit:
            removed = await unit.documents.delete(caller.tenant.id, document_id)
            await unit.audit.append(event)
            await unit.commit()
        self._keys.forget(caller.tenant.id, [removed.version.data_key_id])
        await self._index.delete_versions([removed.version.id])
        await self._blobs.delete(blob_keys(removed.attributes, removed.version.id))

    async def _attributes(self, caller: Caller, document_id: UUID) -> DocumentAttributes:
        try:
            async with self._database.reading() as unit:
                return (await unit.documents.get(caller.tenant.id, document_id)).attributes
        except NotFound:
            await self._refuse(caller, document_id)
            raise

    async def _refuse(self, caller: Caller, document_id: UUID) -> None:
        """Record the attempt on what is not there (or another tenant's, which looks the same)."""
        region = self._gate.cell_region
        asked = DocumentAttributes(caller.tenant.id, document_id, document_id, region, Classification.RESTRICTED)
        event = self._gate.event(caller, Action.DOCUMENT_DELETE, asked, Outcome.DENIED, reason=NotFound.slug)
        async with self._database.writing() as unit:
            await unit.audit.append(event)
            await unit.commit()
