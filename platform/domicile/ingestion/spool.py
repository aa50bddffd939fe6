"""The encrypted spool: originals go to the blob store under their own data keys before any row names them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domicile.crypto.context import Part
from domicile.crypto.keys import DataKey
from domicile.domain.documents import DocumentAttributes, DocumentTitle, ItemState, JobItem
from domicile.domain.errors import DomicileError
from domicile.ingestion.drafts import Draft
from domicile.ingestion.flow import all_of
from domicile.ingestion.sealing import blob_key, seal_part, seal_title
from domicile.ports.blobs import BlobStore
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import WrappedKey

#: Originals that are sealed and written at the same time.
_AT_ONCE = 4


class Spool:
    """One request's. ``keys`` holds the wrapped data keys of the items so far, to be stored with them."""

    def __init__(self, *, blobs: BlobStore, keys: KeyRing, clock: Clock, tenant_id: UUID) -> None:
        self.keys: list[WrappedKey] = []
        self._blobs = blobs
        self._ring = keys
        self._clock = clock
        self._tenant_id = tenant_id
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._written: list[str] = []
        self._receipts: DataKey | None = None

    async def take(
        self, job_id: UUID, drafts: Sequence[tuple[Draft, DocumentAttributes]], subjects: frozenset[bytes] | None = None
    ) -> tuple[JobItem, ...]:
        """The job's items, once all their originals are stored; those that are new are about these ``subjects``."""
        taken = [await self._item(job_id, number, *each) for number, each in enumerate(drafts)]
        pending = [(item, draft, key) for (item, key), (draft, _) in zip(taken, drafts, strict=True) if _is_new(draft)]
        await all_of(self._write(*each) for each in pending)
        return tuple(replace(item, subjects=subjects if item.state is ItemState.PENDING else None) for item, _ in taken)

    async def discard(self) -> None:
        """Remove what was written. What cannot be removed now belongs to no version, so the next sweep finds it."""
        with contextlib.suppress(DomicileError):
            await self._blobs.delete(self._written)

    async def _item(self, job_id: UUID, number: int, draft: Draft, attributes: DocumentAttributes) -> tuple[JobItem, DataKey]:
        key = await self._new_key() if _is_new(draft) else await self._receipt_key()
        version_id = self._clock.new_id()
        title = DocumentTitle(draft.upload.source, draft.upload.source, "")
        return JobItem(
            id=self._clock.new_id(),
            job_id=job_id,
            ordinal=number,
            document_id=draft.document_id,
            version_id=version_id,
            data_key_id=key.id,
            attributes=attributes,
            source_digest=draft.source_digest,
            content_digest=draft.content_digest,
            title_envelope=seal_title(key, attributes, version_id, title),
            size_bytes=len(draft.upload.content),
            state=draft.state,
            failure=draft.error.slug if draft.error else None,
            failure_detail=str(draft.error) if draft.error else None,
        ), key

    async def _write(self, item: JobItem, draft: Draft, key: DataKey) -> None:
        name = blob_key(item.attributes, item.version_id, Part.ORIGINAL)
        async with self._places:
            content = draft.upload.content
            sealed = await asyncio.to_thread(seal_part, key, item.attributes, item.version_id, Part.ORIGINAL, content)
            self._written.append(name)
            await self._blobs.put(name, sealed)

    async def _new_key(self) -> DataKey:
        key, wrapped = await self._ring.create(self._tenant_id, self._clock.new_id())
        self.keys.append(WrappedKey(key.id, self._tenant_id, wrapped, self._clock.now()))
        return key

    async def _receipt_key(self) -> DataKey:
        """One key for all items that store nothing: it only keeps their sources legible to who asks for the job."""
        self._receipts = self._receipts or await self._new_key()
        return self._receipts


def _is_new(draft: Draft) -> bool:
    return draft.state is ItemState.PENDING
