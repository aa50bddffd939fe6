"""What taking a document away comes to, whoever decided it: out of sight and unreadable in one transaction, then gone.

Obligations, labelled where they are met:

1. Versions that wait in a job are settled as failed in the same transaction and their data keys destroyed: a version is only
   published while its item is pending, so that nothing which was submitted before the removal comes back after it.
2. That comes before the document itself is touched, since publishing takes the two in this order: else each could wait for
   the other.
3. What lies in the other stores is unreadable by then. It goes after the commit; where it does not come to that, the sweep
   does it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from uuid import UUID

from domicile.crypto.parts import blob_keys
from domicile.domain.documents import JobItem, RemovedDocument
from domicile.domain.erasures import ErasedObject, ObjectKind
from domicile.domain.errors import DocumentWithdrawn, NotFound
from domicile.ports.blobs import BlobStore
from domicile.ports.keys import KeyRing
from domicile.ports.lifecycle import RemovedItems
from domicile.ports.repositories import UnitOfWork
from domicile.ports.vector_index import VectorIndex


async def remove_document(unit: UnitOfWork, tenant_id: UUID, document_id: UUID) -> RemovedDocument:
    """Within a transaction that writes, in which it was found not to be held. Raises ``NotFound``."""
    abandoned = await _abandon(unit, tenant_id, document_id)
    removed = await unit.documents.delete(tenant_id, document_id)  # (2)
    return RemovedDocument(
        attributes=removed.attributes,
        published_at=removed.version.created_at,
        abandoned=tuple(item.version_id for item in abandoned),
        versions=(removed.version.id, *(item.version_id for item in abandoned)),
        data_keys=(*removed.version.key_ids, *(item.data_key_id for item in abandoned)),
    )


async def erase_document(unit: UnitOfWork, tenant_id: UUID, document_id: UUID) -> RemovedItems:
    """As ``remove_document``, with every trace of it in jobs; of what is not there, or not published yet, as much as there is.

    An item whose job is not done stays until it is, settled, so that the job removes what it may still be storing of it.
    """
    await _abandon(unit, tenant_id, document_id)
    published: tuple[ErasedObject, ...] = ()
    with contextlib.suppress(NotFound):
        version = (await unit.documents.delete(tenant_id, document_id)).version  # (2)
        published = (ErasedObject(ObjectKind.VERSION, version.id, document_id, version.key_ids),)
    items = await unit.erasing.remove_items(tenant_id, document_id)
    versions = {each.id: each for each in (*items.versions, *published)}
    return RemovedItems(tuple(versions.values()), items.under_way)


async def _abandon(unit: UnitOfWork, tenant_id: UUID, document_id: UUID) -> Sequence[JobItem]:
    """(1)"""
    abandoned = await unit.jobs.fail_pending(tenant_id, document_id, DocumentWithdrawn.slug, DocumentWithdrawn.title)
    await unit.doomed_keys.add(tenant_id, [item.data_key_id for item in abandoned])
    return abandoned


class Leftovers:
    """What is still there of a document once the transaction that removed it has committed."""

    def __init__(self, *, keys: KeyRing, index: VectorIndex, blobs: BlobStore) -> None:
        self._keys = keys
        self._index = index
        self._blobs = blobs

    async def discard(self, removed: RemovedDocument) -> None:
        """(3) Raises ``DependencyError``; the document is gone all the same."""
        await self._keys.destroy(removed.attributes.tenant_id, removed.data_keys)
        await self._index.delete_versions(removed.versions)
        await self._blobs.delete([key for version_id in removed.versions for key in blob_keys(removed.attributes, version_id)])
