"""What an erasure removes from the stores beside the database, and asking each store whether anything is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domicile.domain.erasures import ErasedObject, ErasedStore, Erasure, ErasureKind, ObjectKind
from domicile.lifecycle.erasure_work import FIRST
from domicile.policy.scope import Field, OneOf, RetrievalScope
from domicile.ports.blobs import BlobStore
from domicile.ports.key_store import KeyStore
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database
from domicile.ports.vector_index import VectorIndex

#: What is looked up or removed in one call.
BATCH = 500


@dataclass(frozen=True, slots=True)
class ErasableStores:
    """Every store of the cell. ``key_store`` is asked itself, since the ring remembers."""

    database: Database
    keys: KeyRing
    key_store: KeyStore
    index: VectorIndex
    blobs: BlobStore


class StoreRemoval:
    """Goes by what the erasure has noted, so that it can be repeated. A tenant's keys and blobs go as a whole.

    Within ``fetched_seconds`` whoever has fetched an envelope opens it.
    """

    def __init__(self, stores: ErasableStores, fetched_seconds: float) -> None:
        self._fetched_seconds = fetched_seconds
        self._database = stores.database
        self._keys = stores.keys
        self._key_store = stores.key_store
        self._index = stores.index
        self._blobs = stores.blobs

    async def count(self, erasure: Erasure) -> Mapping[ErasedStore, int]:
        """What the stores hold of it: keys, versions with points, and blobs."""
        return {
            ErasedStore.KEYS: await self._count_keys(erasure),
            ErasedStore.INDEX: await self._count_indexed(erasure),
            ErasedStore.BLOBS: await self._count_blobs(erasure),
        }

    async def destroy_keys(self, erasure: Erasure) -> None:
        if erasure.kind is ErasureKind.TENANT:
            await self._keys.destroy_tenant(erasure.tenant_id)
            async with self._database.writing() as unit:
                await unit.erasing.settled(erasure.tenant_id)
                await unit.commit()
            return
        async for page in self._noted(erasure):
            await self._keys.destroy(erasure.tenant_id, _keys_of(page))
        await self._destroy_ordered(erasure.tenant_id)

    async def delete_points(self, erasure: Erasure) -> None:
        async for page in self._noted(erasure):
            await self._index.delete_versions(_versions_of(page))

    async def delete_blobs(self, erasure: Erasure) -> None:
        batch: list[str] = []
        async for name in self._blob_names(erasure):
            batch.append(name)
            if len(batch) == BATCH:
                await self._blobs.delete(batch)
                batch = []
        await self._blobs.delete(batch)

    async def read_back(self, erasure: Erasure) -> Mapping[ErasedStore, int]:
        """What is found of it anywhere, rows in the database included, and keys that the ring still opens."""
        return {ErasedStore.DATABASE: await self._count_rows(erasure), **await self.count(erasure)}

    async def _destroy_ordered(self, tenant_id: UUID) -> None:
        """Keys that are on order for another reason: one may be what something was sealed with before it was encrypted anew.

        They are still there because somebody may have fetched an envelope and is about to open it, or because of a crash.
        """
        async with self._database.reading() as unit:
            ordered = await unit.erasing.on_order(tenant_id)
        if waiting := await self._key_store.data_keys(tenant_id, ordered):
            await asyncio.sleep(self._fetched_seconds)
            await self._keys.destroy(tenant_id, waiting.keys())

    async def _count_rows(self, erasure: Erasure) -> int:
        found = 0
        async for page in self._noted(erasure):
            async with self._database.reading() as unit:
                found += await unit.erasing.rows_naming(page)
        if erasure.kind is ErasureKind.TENANT:
            async with self._database.reading() as unit:
                found += await unit.erasing.rows_of_tenant(erasure.tenant_id)
        return found

    async def _count_keys(self, erasure: Erasure) -> int:
        tenant_id = erasure.tenant_id
        if erasure.kind is ErasureKind.TENANT:
            return len(await self._key_store.tenant_keys(tenant_id)) + await self._key_store.count(tenant_id)
        found = 0
        async for page in self._noted(erasure):
            there = await self._key_store.data_keys(tenant_id, _keys_of(page))
            opened = await self._keys.open_existing(tenant_id, _keys_of(page))
            found += len(there.keys() | opened.keys())
        return found

    async def _count_indexed(self, erasure: Erasure) -> int:
        indexed = await self._index.version_ids()
        found = 0
        async for page in self._noted(erasure):
            found += sum(version in indexed for version in _versions_of(page))
        if found or erasure.kind is not ErasureKind.TENANT:
            return found
        theirs = RetrievalScope(OneOf(Field.TENANT, frozenset({str(erasure.tenant_id)})), (), "")
        return await self._index.count(theirs)

    async def _count_blobs(self, erasure: Erasure) -> int:
        return sum([1 async for _ in self._blob_names(erasure)])

    async def _blob_names(self, erasure: Erasure) -> AsyncIterator[str]:
        """Everything below the tenant, or below the documents but for versions that are new: brought in again since."""
        if erasure.kind is ErasureKind.TENANT:
            async for name in self._blobs.list(f"{erasure.tenant_id}/"):
                yield name
            return
        async with self._database.reading() as unit:
            documents = await unit.erasures.documents(erasure.id)
        for document_id in documents:
            live = await self._live_versions(erasure.tenant_id, document_id)
            async for name in self._blobs.list(f"{erasure.tenant_id}/{document_id}/"):
                if name.split("/")[2] not in live:
                    yield name

    async def _live_versions(self, tenant_id: UUID, document_id: UUID) -> set[str]:
        async with self._database.reading() as unit:
            pending = await unit.jobs.pending_of(tenant_id, [document_id])
            published = await unit.documents.many([document_id], tenant_id)
        return {str(each.version_id) for each in pending} | {str(each.version.id) for each in published.values()}

    async def _noted(self, erasure: Erasure) -> AsyncIterator[Sequence[ErasedObject]]:
        after = FIRST
        while True:
            async with self._database.reading() as unit:
                page = await unit.erasures.noted(erasure.id, after=after, limit=BATCH)
            if not page:
                return
            yield page
            after = page[-1].id


def _keys_of(objects: Sequence[ErasedObject]) -> frozenset[UUID]:
    return frozenset(key for each in objects for key in each.keys)


def _versions_of(objects: Sequence[ErasedObject]) -> list[UUID]:
    return [each.id for each in objects if each.kind is ObjectKind.VERSION]
