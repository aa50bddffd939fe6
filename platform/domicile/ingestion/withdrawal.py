"""Taking a document away: decided, recorded and gone from sight in one transaction, then gone from the stores.

Versions of it that wait in a job are settled as failed in the same transaction and their data keys destroyed: a version is only
published while its item is pending, so that nothing which was submitted before the withdrawal comes back after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes, JobItem
from domicile.domain.errors import DocumentWithdrawn, NotFound
from domicile.domain.principals import Caller
from domicile.domain.values import Classification
from domicile.ingestion.sealing import blob_keys
from domicile.ports.blobs import BlobStore
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database, UnitOfWork
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
        """Remove the document with its data keys: unreadable everywhere once this returns, and before its bytes are gone.

        Versions that are still to be published fail as ``document-withdrawn``. Raises ``NotFound`` or ``Forbidden``.
        """
        attributes = await self._attributes(caller, document_id)
        decision = await self._gate.require(caller, Action.DOCUMENT_DELETE, attributes)
        async with self._database.writing() as unit:
            abandoned = await _abandon(unit, caller.tenant.id, document_id)
            removed = await unit.documents.delete(caller.tenant.id, document_id)
            event = self._gate.event(
                caller,
                Action.DOCUMENT_DELETE,
                attributes,
                Outcome.PERMITTED,
                documents=(document_id,),
                policies=decision.policies,
                bundle_digest=decision.bundle_digest,
                detail=tuple(("abandoned-version", str(item.version_id)) for item in abandoned),
            )
            await unit.audit.append(event)
            await unit.commit()
        versions = [removed.version.id, *(item.version_id for item in abandoned)]
        await self._keys.destroy(caller.tenant.id, [removed.version.data_key_id, *(item.data_key_id for item in abandoned)])
        await self._index.delete_versions(versions)
        await self._blobs.delete([key for version_id in versions for key in blob_keys(removed.attributes, version_id)])

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


async def _abandon(unit: UnitOfWork, tenant_id: UUID, document_id: UUID) -> Sequence[JobItem]:
    """Settle what is still to be published of the document, and destroy its keys.

    Before the document itself is touched, since publishing takes the two in this order: else each could wait for the other.
    """
    abandoned = await unit.jobs.fail_pending(tenant_id, document_id, DocumentWithdrawn.slug, DocumentWithdrawn.title)
    await unit.doomed_keys.add(tenant_id, [item.data_key_id for item in abandoned])
    return abandoned
