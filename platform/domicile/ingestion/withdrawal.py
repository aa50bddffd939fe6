"""Taking a document away: decided, recorded and gone from sight in one transaction, then gone from the stores."""

from __future__ import annotations

from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.holds import held
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import NotFound
from domicile.domain.principals import Caller
from domicile.domain.values import Classification
from domicile.ingestion.removal import Leftovers, remove_document
from domicile.ports.blobs import BlobStore
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database
from domicile.ports.vector_index import VectorIndex


class Withdrawal:
    """Deletes documents."""

    def __init__(self, *, database: Database, keys: KeyRing, index: VectorIndex, blobs: BlobStore, gate: Gate) -> None:
        self._database = database
        self._leftovers = Leftovers(keys=keys, index=index, blobs=blobs)
        self._gate = gate

    async def delete(self, caller: Caller, document_id: UUID) -> None:
        """Remove the document with its data keys: unreadable everywhere once this returns, and before its bytes are gone.

        Versions that are still to be published fail as ``document-withdrawn``. Raises ``NotFound``, ``Forbidden`` or
        ``LegalHold``.
        """
        attributes = await self._attributes(caller, document_id)
        decision = await self._gate.require(caller, Action.DOCUMENT_DELETE, attributes)
        async with self._database.writing() as unit:
            hold = (await unit.holds.on_documents(caller.tenant.id, [document_id])).get(document_id)
            if hold is None:
                removed = await remove_document(unit, caller.tenant.id, document_id)
                event = self._gate.event(
                    caller,
                    Action.DOCUMENT_DELETE,
                    attributes,
                    Outcome.PERMITTED,
                    documents=(document_id,),
                    policies=decision.policies,
                    bundle_digest=decision.bundle_digest,
                    detail=tuple(("abandoned-version", str(version_id)) for version_id in removed.abandoned),
                )
                await unit.audit.append(event)
                await unit.commit()
        if hold is not None:
            raise await held(self._gate, caller, Action.DOCUMENT_DELETE, attributes, decision, hold)
        await self._leftovers.discard(removed)

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
